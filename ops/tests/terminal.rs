//! The terminal monitor in a real terminal (tmux), beside a real core: its views at two sizes, its pause, its end, a core that dies under it, and cores that are none.
//!
//! `COLO_CAPTURES=DIR` keeps what was on the screen.

mod desk;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use colo::telemetry::region_path;
use desk::{Core, MONITOR, has_by, say, until};

/// A tmux server of its own.
struct Terminal {
    socket: String,
    size: (usize, usize),
}

impl Terminal {
    fn start(test: &str, (columns, rows): (usize, usize), command: &str) -> Terminal {
        let socket = format!("colo-{test}-{}", std::process::id());
        let t = Terminal { socket, size: (columns, rows) };
        let [x, y] = [columns, rows].map(|n| n.to_string());
        let started = t.tmux(&["new-session", "-d", "-x", &x, "-y", &y, command]);
        assert!(started.0, "tmux new-session: {}", started.1);
        t
    }

    fn tmux(&self, args: &[&str]) -> (bool, String) {
        let told =
            Command::new("tmux").args(["-L", &self.socket]).args(args).stdin(Stdio::null()).output().unwrap();
        (told.status.success(), String::from_utf8_lossy(&told.stdout).into_owned())
    }

    fn key(&self, key: &str) {
        assert!(self.tmux(&["send-keys", key]).0, "send-keys {key}");
    }

    fn shows(&self, words: &str) -> String {
        until(&format!("{words:?} on the screen"), || {
            let (_, text) = self.tmux(&["capture-pane", "-p"]);
            text.contains(words).then_some(text)
        })
    }

    /// The screen with these words, which has to fit; kept where that was asked for.
    fn capture(&self, name: &str, words: &str) -> String {
        let text = self.shows(words);
        let (columns, rows) = self.size;
        assert!(text.lines().count() <= rows && text.lines().all(|l| l.chars().count() <= columns), "{text}");
        if let Ok(folder) = std::env::var("COLO_CAPTURES") {
            std::fs::write(format!("{folder}/{name}-{columns}x{rows}.txt"), &text).unwrap();
        }
        text
    }

    /// Whether anything on the screen has a colour: an escape that sets one of 30 to 49 or 90 to 107.
    fn has_colours(&self) -> bool {
        let (_, escaped) = self.tmux(&["capture-pane", "-p", "-e"]);
        escaped.split("\u{1b}[").skip(1).filter_map(|rest| rest.split_once('m')).any(|(codes, _)| {
            codes
                .split(';')
                .filter_map(|c| c.parse().ok())
                .any(|c: u32| matches!(c, 30..=38 | 40..=48 | 90..=107))
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its own server, by its own socket.
        let _ = self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_core_is_watched_in_a_terminal_until_it_dies() {
    if !has_by("tmux", "-V", "the monitor in a terminal") {
        return;
    }
    let mut core = Core::demo("terminal");
    let size = (80, 24);
    let terminal = Terminal::start("screen", size, &format!("NO_COLOR=1 {MONITOR} --name {}", core.name));
    let first = terminal.shows("trading enabled");
    for words in [&*core.name, "P&L", "open orders [", "cold", "AAPL", "q quit"] {
        assert!(first.contains(words), "{words:?} in\n{first}");
    }
    say(&first);
    terminal.key("6");
    terminal.shows("session ready");
    assert!(!terminal.has_colours(), "NO_COLOR");
    terminal.key("p");
    terminal.shows("PAUSED since");
    core.process.end();
    terminal.key("p");
    let down = terminal.capture("down", "has ended");
    assert!(down.contains("DOWN (ended)") && !down.contains("session ready"), "nothing stale:\n{down}");
    terminal.key("q");
    until("its end", || (!terminal.tmux(&["list-sessions"]).0).then_some(()));
}

#[test]
fn every_view_is_shown_in_a_small_and_in_a_large_terminal() {
    if !has_by("tmux", "-V", "the monitor in a terminal") {
        return;
    }
    let core = Core::demo("views");
    for size in [(80, 24), (120, 40)] {
        let terminal =
            Terminal::start(&format!("views{}", size.0), size, &format!("{MONITOR} --name {}", core.name));
        for (key, name, words) in [
            ("1", "overview", "EVENTS (6 shows all)"),
            ("2", "agents", "strategy >"),
            ("3", "latency", "EQUITY"),
            ("4", "books", "together: realised"),
            ("5", "orders", "PACKET TO SOCKET"),
            ("6", "events", "session ready"),
        ] {
            terminal.key(key);
            let text = terminal.capture(name, words);
            assert!(text.contains("trading enabled") && text.contains("q quit"), "{text}");
        }
        assert!(terminal.has_colours());
        terminal.key("?");
        terminal.capture("keys", "Ctrl-C");
    }
}

/// What another core's file looks like: the region of one that lives, with some of its words changed, under another name; gone with the test.
struct Other(String);

impl Other {
    fn of(core: &Core, what: &str, words: &[(u64, u64)]) -> Other {
        let other = Other(format!("{}-{what}", core.name));
        std::fs::copy(region_path(&core.name), region_path(&other.0)).unwrap();
        let file = File::options().write(true).open(region_path(&other.0)).unwrap();
        for (word, value) in words {
            file.write_all_at(&value.to_le_bytes(), word * 8).unwrap();
        }
        other
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(region_path(&self.0));
    }
}

#[test]
fn cores_that_cannot_be_shown_are_said_to_be_so() {
    if !has_by("tmux", "-V", "the monitor in a terminal") {
        return;
    }
    let core = Core::demo("others");
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    // Word 1 is magic and layout, word 3 the process.
    let old = Other::of(&core, "old", &[(1, 1 | 999 << 32)]);
    let dead = Other::of(&core, "dead", &[(3, gone.id().into())]);
    let absent = format!("{}-absent", core.name);
    for (name, shot, words) in [
        (&*old.0, "layout", "was built with layout 999"),
        (&*dead.0, "dead", "is gone"),
        (&*absent, "absent", "is not running"),
    ] {
        let terminal = Terminal::start(shot, (80, 24), &format!("{MONITOR} --name {name}"));
        let text = terminal.capture(shot, words);
        assert!(text.contains("DOWN (") && !text.contains("AAPL"), "{text}");
    }
    // One that stands still.
    let terminal = Terminal::start("silent", (80, 24), &format!("{MONITOR} --name {}", core.name));
    terminal.shows("trading enabled");
    core.process.signal("STOP");
    let text = terminal.capture("silent", "does not answer");
    assert!(text.contains("DOWN (silent)") && !text.contains("AAPL"), "{text}");
    core.process.signal("CONT");
    terminal.shows("trading enabled");
}
