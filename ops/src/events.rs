//! The tape of a core: what its log for people says, followed as it is written.
//!
//! `run-NNNNNN/log.jsonl` is written by the core's cold thread from the journal, so following it costs the core nothing, and an order stands there as soon as it stands in
//! the journal. The file is read and never locked. It may be of anybody's making: lines are bounded, what is not JSON is counted and passed over, and
//! a name in the place of the file that is no regular file is not opened.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// What is read of a log that was there before.
const BEHIND_MAX: u64 = 8 << 20;
/// What is read at once; a look reads on until it has less.
const READ_MAX: u64 = 1 << 20;
/// A longer line is passed over.
const LINE_MAX: usize = 64 << 10;
/// What the lines say that are passed over, ...
const MOVED: &[u8] = br#""message":"order moved""#;
/// ... within so many bytes, behind time and level.
const HEAD: usize = 120;
/// Events kept, of each kind.
const KEPT: usize = 500;

/// Which list an event stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An order, a fill, a reject.
    Tape,
    /// Everything else that a person would want to know.
    Event,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// Counted from 1 over the life of this reader.
    pub number: u64,
    /// Which list.
    pub kind: Kind,
    /// ISO 8601, as written.
    pub at: String,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// What happened.
    pub message: String,
    /// The rest of it: `key=value`, in order of the keys.
    pub detail: String,
}

impl Event {
    /// The time of day of it, to milliseconds: `09:30:00.123`.
    #[must_use]
    pub fn time(&self) -> &str {
        self.at.get(11..23).unwrap_or(&self.at)
    }
}

/// Follows a log.
#[derive(Debug, Default)]
pub struct Events {
    path: Option<PathBuf>,
    file: Option<(File, u64)>,
    line: Vec<u8>,
    /// The line being read is too long, or its beginning was not read.
    skipping: bool,
    seen: u64,
    tape: VecDeque<Event>,
    events: VecDeque<Event>,
    /// Lines that were no event.
    pub odd_lines: u64,
}

impl Events {
    /// Reads on in the log of the run in this folder; another folder than before is a new run, whose log is read from its beginning (what lies further back than
    /// 8 MiB is not: minutes of a core that is busy).
    pub fn look(&mut self, run: &Path) {
        let path = run.join("log.jsonl");
        // A log that was put aside goes on under another inode; one that was cut begins again.
        let now = std::fs::metadata(&path).ok();
        let same = |m: &std::fs::Metadata| {
            self.path.as_deref() == Some(&*path)
                && self.file.as_ref().is_some_and(|(f, at)| {
                    f.metadata().is_ok_and(|old| (old.dev(), old.ino()) == (m.dev(), m.ino()))
                        && *at <= m.len()
                })
        };
        let turned = now.as_ref().is_some_and(|m| !same(m));
        self.read_on();
        if turned {
            self.begin(path);
            self.read_on();
        }
        // What was there before is more than is read at once; what somebody writes faster than it is read is left to the next look.
        for _ in 0..BEHIND_MAX / READ_MAX {
            if !self.has_more() {
                break;
            }
            self.read_on();
        }
    }

    fn begin(&mut self, path: PathBuf) {
        self.line.clear();
        self.skipping = false;
        self.file = None;
        if std::fs::metadata(&path).is_ok_and(|m| m.is_file())
            && let Ok(file) = File::open(&path)
        {
            let len = file.metadata().map_or(0, |m| m.len());
            let first = self.path.as_ref() != Some(&path);
            let at = if first { len.saturating_sub(BEHIND_MAX) } else { 0 };
            self.skipping = at > 0;
            self.file = Some((file, at));
        }
        self.path = Some(path);
    }

    fn has_more(&self) -> bool {
        let left =
            |(f, at): &(File, u64)| f.metadata().is_ok_and(|m| m.len().saturating_sub(*at) >= READ_MAX);
        self.file.as_ref().is_some_and(left)
    }

    fn read_on(&mut self) {
        let Some((file, at)) = &mut self.file else { return };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(*at)).is_err() {
            return;
        }
        let Ok(n) = file.by_ref().take(READ_MAX).read_to_end(&mut bytes) else { return };
        *at += n as u64;
        for b in bytes {
            match b {
                b'\n' => {
                    if !std::mem::take(&mut self.skipping) {
                        self.take_line();
                    }
                    self.line.clear();
                }
                _ if self.line.len() == LINE_MAX => {
                    if !std::mem::replace(&mut self.skipping, true) {
                        self.odd_lines += 1;
                    }
                }
                b => self.line.push(b),
            }
        }
    }

    fn take_line(&mut self) {
        // Most lines of a busy core, and for a debugger only: not worth being understood.
        if self.line.windows(MOVED.len()).take(HEAD).any(|w| w == MOVED) {
            return;
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(&self.line) else {
            self.odd_lines += 1;
            return;
        };
        let Some(event) = event(fields, self.seen + 1) else { return };
        self.seen += 1;
        let list = if event.kind == Kind::Tape { &mut self.tape } else { &mut self.events };
        if list.len() == KEPT {
            list.pop_front();
        }
        list.push_back(event);
    }

    /// Events of a kind, the oldest first.
    pub fn of(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Event> + ExactSizeIterator {
        match kind {
            Kind::Tape => self.tape.iter(),
            Kind::Event => self.events.iter(),
        }
    }

    /// How many there were of both kinds.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Those that came after the one of this number, of both kinds, in order.
    #[must_use]
    pub fn after(&self, number: u64) -> Vec<&Event> {
        let mut new: Vec<_> = self.tape.iter().chain(&self.events).filter(|e| e.number > number).collect();
        new.sort_by_key(|e| e.number);
        new
    }
}

/// None for what is for a debugger only.
fn event(mut fields: Map<String, Value>, number: u64) -> Option<Event> {
    let mut text = |key: &str| match fields.remove(key) {
        Some(Value::String(s)) => s,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (at, level, message) = (text("@timestamp"), text("log.level"), text("message"));
    let kind = match &*message {
        "order sent" | "fill" | "order rejected" | "trade broken" | "trade corrected" => Kind::Tape,
        _ if level == "debug" => return None,
        _ => Kind::Event,
    };
    // Names that every line has say nothing of this one.
    let told =
        fields.iter().filter(|(key, _)| !["ecs.", "service.", "event."].iter().any(|of| key.starts_with(of)));
    let each = told.map(|(key, value)| {
        let key = key.strip_prefix("colo.").unwrap_or(key);
        match value {
            Value::String(s) => format!("{key}={s}"),
            other => format!("{key}={other}"),
        }
    });
    let detail = each.collect::<Vec<_>>().join(" ");
    let [at, level, message, detail] = [at, level, message, detail].map(|s| printable(&s));
    Some(Event { number, kind, at, level, message, detail })
}

/// What moves no cursor.
fn printable(s: &str) -> String {
    s.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn append(run: &Path, text: &str) {
        let mut file =
            File::options().create(true).append(true).open(run.join("log.jsonl")).expect("the log");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn line(message: &str, level: &str) -> String {
        format!(
            "{{\"@timestamp\":\"2026-01-02T03:04:05.678901234Z\",\"log.level\":\"{level}\",\"message\":\"{message}\",\"colo.feed\":\"f1\",\"from\":7}}\n"
        )
    }

    fn messages(events: &Events, kind: Kind) -> Vec<String> {
        events.of(kind).map(|e| e.message.clone()).collect()
    }

    #[test]
    fn a_log_is_followed_as_it_grows_a_half_line_waits() {
        let run = tempfile::tempdir().unwrap();
        let mut events = Events::default();
        events.look(run.path());
        let gap = line("feed gap", "warn");
        append(run.path(), &gap[..20]);
        events.look(run.path());
        assert_eq!(events.seen(), 0, "half a line is none");
        append(run.path(), &gap[20..]);
        append(
            run.path(),
            &(line("fill", "info") + &line("order sent", "debug") + &line("order moved", "debug")),
        );
        events.look(run.path());
        assert_eq!(messages(&events, Kind::Event), ["feed gap"]);
        assert_eq!(messages(&events, Kind::Tape), ["fill", "order sent"]);
        let first = events.of(Kind::Event).next().unwrap();
        assert_eq!((first.time(), &*first.detail), ("03:04:05.678", "feed=f1 from=7"));
        assert_eq!(events.after(1).len(), 2);
    }

    #[test]
    fn a_log_that_was_put_aside_or_is_of_another_run_is_followed_too() {
        let (run, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut events = Events::default();
        append(run.path(), &line("one", "info"));
        events.look(run.path());
        append(run.path(), &line("two", "info"));
        std::fs::rename(run.path().join("log.jsonl"), run.path().join("log.jsonl.1")).unwrap();
        append(run.path(), &line("three", "info"));
        events.look(run.path());
        append(other.path(), &line("four", "info"));
        events.look(other.path());
        assert_eq!(messages(&events, Kind::Event), ["one", "two", "three", "four"]);
    }

    #[test]
    fn what_is_no_line_of_a_core_is_passed_over() {
        let run = tempfile::tempdir().unwrap();
        let mut events = Events::default();
        append(run.path(), "not json\n[1]\n\u{0}\n");
        append(run.path(), &"x".repeat(LINE_MAX + 9));
        append(run.path(), &format!("\n{}", line("a\\u001b[2Jb", "info")));
        events.look(run.path());
        assert_eq!(messages(&events, Kind::Event), ["a [2Jb"]);
        assert_eq!(events.odd_lines, 4);
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read_and_only_so_many_events_are_kept() {
        let run = tempfile::tempdir().unwrap();
        let mut events = Events::default();
        let each = line("fill", "info");
        append(run.path(), &each.repeat(BEHIND_MAX as usize / each.len() * 5 / 4));
        events.look(run.path());
        assert!(events.seen() < BEHIND_MAX / each.len() as u64 + 1, "{}", events.seen());
        assert_eq!(events.of(Kind::Tape).len(), KEPT);
        assert_eq!(events.odd_lines, 0, "the line that was cut is no odd one");
    }
}
