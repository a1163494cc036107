//! The terminal monitor in a real terminal of 80 by 24 (tmux), beside a real core: its views, its pause, its end, and a core that dies under it.

mod desk;

use std::process::{Command, Stdio};

use desk::{Core, MONITOR, has_by, say, until};

/// A tmux server of its own.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(test: &str, command: &str) -> Terminal {
        let t = Terminal { socket: format!("colo-{test}-{}", std::process::id()) };
        let started = t.tmux(&["new-session", "-d", "-x", "80", "-y", "24", command]);
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
    let terminal = Terminal::start("screen", &format!("NO_COLOR=1 {MONITOR} --name {}", core.name));
    let first = terminal.shows("trading enabled");
    for words in [&*core.name, "P&L", "open orders [", "cold", "AAPL", "q quit"] {
        assert!(first.contains(words), "{words:?} in\n{first}");
    }
    say(&first);
    terminal.key("3");
    terminal.shows("p99, each second");
    terminal.key("5");
    terminal.shows("order sent");
    terminal.key("6");
    terminal.shows("session ready");
    // No colour, as NO_COLOR asks: no escape that sets one of 30 to 49 or 90 to 107.
    let (_, escaped) = terminal.tmux(&["capture-pane", "-p", "-e"]);
    let coloured =
        escaped.split("\u{1b}[").skip(1).filter_map(|rest| rest.split_once('m')).any(|(codes, _)| {
            codes
                .split(';')
                .filter_map(|c| c.parse().ok())
                .any(|c: u32| matches!(c, 30..=38 | 40..=48 | 90..=107))
        });
    assert!(!coloured, "{escaped}");
    terminal.key("p");
    terminal.shows("PAUSED since");
    core.process.end();
    terminal.key("p");
    let down = terminal.shows("has ended");
    assert!(down.contains("DOWN (ended)") && !down.contains("order sent"), "nothing stale:\n{down}");
    terminal.key("q");
    until("its end", || (!terminal.tmux(&["list-sessions"]).0).then_some(()));
}
