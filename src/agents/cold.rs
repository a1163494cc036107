//! The cold agent: everything slow. It keeps the logs (next segments, sync), writes what people read, watches the feeds' lines, steers the clock, grants
//! tokens. It waits for the disk, so nobody waits for it: the control socket has a thread of its own ([`super::ControlAgent`]), and an end is asked for beside both ([`super::Ending`]).
//!
//! However it ends, the core ends with it, in order: without it the journal gets no further segments.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use model::{Canary, Control, HaltReason, Instrument, Nanos, Token};
use ringbuf::counters::Counters;
use ringbuf::log::{Keeper, LogError, WriterState};
use serde_json::json;

use super::ending::Ending;
use super::expected::Watched;
use super::lists::{Lists, Watched as WatchedList};
use super::sentinel::{Known, OutsideRule, Sentinel};
use super::words::Word;
use super::{LineWatch, SWEEP_TOKENS};
use crate::agent::Agent;
use crate::clock::Discipline;
use crate::config::expectation::Expected;
use crate::control::Said;
use crate::journal::{Archive, RunError, TokenBlocks};
use crate::logs::LogWriter;
use crate::manifest::Ran;
use crate::telemetry::counters::cold as counter;
use crate::telemetry::intervals::Intervals;
use crate::telemetry::snapshot::Viewer;

/// How often tokens are looked after: longer than a grant takes through the control agent and the engine to the region, so that none is granted twice over.
const TOKENS: Nanos = Nanos::from_millis(500);

/// How often the clock is bent towards the wall clock.
const CLOCK: Nanos = Nanos::from_millis(1_000);
/// A clock that is further off than this is worth a line in the log.
const OFFSET_SAID_NS: u64 = 1_000_000;

/// What a cold agent is made from.
pub struct ColdParts {
    /// The core journal's keeper first, then the captures'.
    pub keepers: Vec<(String, Keeper)>,
    /// The lines of the feeds.
    pub watches: Vec<LineWatch>,
    /// The log.
    pub log: LogWriter,
    /// The right to steer the core's clock; none where somebody else has it.
    pub discipline: Option<Discipline>,
    /// Tokens.
    pub tokens: TokenBlocks,
    /// Tokens granted before the start.
    pub granted: (Token, Token),
    /// To the control agent: what the engine may use of them.
    pub grants: Sender<Control>,
    /// From the control agent: lines for the log.
    pub said: Receiver<(Nanos, Said)>,
    /// From all agents: connections that do not come about.
    pub words: Receiver<Word>,
    /// The core's name, to look at its own region.
    pub name: String,
    /// Where this thread counts.
    pub counters: Counters,
    /// The run's folder and what it left of itself there, where it is known.
    pub manifest: Option<(PathBuf, Ran)>,
    /// What the run leaves of its latencies.
    pub intervals: Intervals,
    /// What restrains trading from outside of the engine, and where the journals are.
    pub outside: (Vec<OutsideRule>, PathBuf),
    /// How far the wall clock may be from UTC; `None` where nobody keeps it.
    pub wall_error: fn() -> std::io::Result<Option<Nanos>>,
    /// What is expected of the strategy.
    pub expectation: Option<Expected>,
    /// Lists of symbols that change while the core runs, and the instruments that they may name.
    pub lists: (Vec<WatchedList>, Vec<Instrument>),
    /// What packs and removes, where anything is to be.
    pub archive: Option<Archive>,
    /// Asked to end when this agent does.
    pub ending: Arc<Ending>,
}

/// See the module.
pub struct ColdAgent {
    keepers: Vec<(String, Option<Keeper>)>,
    watches: Vec<LineWatch>,
    log: LogWriter,
    discipline: Option<Discipline>,
    adjusted: Nanos,
    /// It was said that the clock is off.
    is_off: bool,
    wall_error: fn() -> std::io::Result<Option<Nanos>>,
    /// What was said of whether the wall clock is kept.
    is_kept: Option<bool>,
    tokens: TokenBlocks,
    grants: Sender<Control>,
    said: Receiver<(Nanos, Said)>,
    words: Receiver<Word>,
    name: String,
    counters: Counters,
    viewer: Option<Viewer>,
    manifest: Option<(PathBuf, Ran)>,
    intervals: Option<Intervals>,
    tokens_seen: Nanos,
    sentinel: Sentinel,
    known: Known,
    expected: Option<Watched>,
    lists: Lists,
    archive: Option<Archive>,
    ending: Arc<Ending>,
    failures: Vec<String>,
}

impl ColdAgent {
    /// Puts it together, and passes the first grant on.
    #[must_use]
    pub fn new(p: ColdParts) -> ColdAgent {
        let (first, end) = p.granted;
        // A control agent that is gone ends the core.
        let _ = p.grants.send(Control::Tokens { first, end: before(end) });
        ColdAgent {
            keepers: p.keepers.into_iter().map(|(n, k)| (n, Some(k))).collect(),
            watches: p.watches,
            log: p.log,
            discipline: p.discipline,
            adjusted: Nanos::ZERO,
            is_off: false,
            wall_error: p.wall_error,
            is_kept: None,
            tokens: p.tokens,
            grants: p.grants,
            said: p.said,
            words: p.words,
            name: p.name,
            counters: p.counters,
            viewer: None,
            manifest: p.manifest,
            intervals: Some(p.intervals),
            tokens_seen: Nanos::ZERO,
            sentinel: Sentinel::new(p.outside.0, p.outside.1),
            known: Known::default(),
            expected: p.expectation.as_ref().map(Watched::new),
            lists: Lists::new(p.lists.0, p.lists.1),
            archive: p.archive,
            ending: p.ending,
            failures: Vec::new(),
        }
    }

    /// What went wrong on this side, in words.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    #[cold]
    fn fail(&mut self, now: Nanos, what: String) {
        self.log.say(now, "error", &what, json!({}));
        self.failures.push(what);
    }

    fn tend_logs(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        for k in 0..self.keepers.len() {
            let (name, keeper) = &mut self.keepers[k];
            let Some(kept) = keeper else { continue };
            match kept.tend() {
                Ok(r) => {
                    // The core's journal comes first.
                    if k == 0 {
                        self.known.unsynced_bytes = r.unsynced_bytes;
                        self.counters.set(counter::unsynced_bytes, r.unsynced_bytes);
                    }
                    work += (r.made + r.cut) as usize;
                    if let Some(archive) = &mut self.archive {
                        archive.closed(kept.dir(), r.closed_below);
                    }
                }
                Err(e) => {
                    let what = format!("{name}: {e}");
                    // A disk that is full may have room again; anything else will not heal.
                    if !matches!(e, LogError::DiskFull { .. }) {
                        *keeper = None;
                        if k == 0 {
                            // What is recorded from here on may never be on the disk: nothing more is traded on it. A control agent that is gone ends the core.
                            self.known.unsynced_bytes = u64::MAX;
                            let _ = self.grants.send(Control::Halt(HaltReason::Journal));
                        }
                    }
                    if !self.failures.contains(&what) {
                        self.fail(now, what);
                    }
                }
            }
        }
        work
    }

    fn tend_tokens(&mut self, now: Nanos) {
        // The first grant was passed on before the first cycle, and is to show in the region before it is judged.
        if self.tokens_seen == Nanos::ZERO {
            self.tokens_seen = now;
        }
        if now.since(self.tokens_seen).0 < TOKENS.0 {
            return;
        }
        self.tokens_seen = now;
        if self.viewer.is_none() {
            self.viewer = Viewer::open(&self.name).ok();
        }
        let left = self.viewer.as_ref().and_then(Viewer::tokens_left);
        if left.is_some_and(|l| l < u64::from(TokenBlocks::BLOCK / 2)) {
            match self.tokens.grant() {
                // Those of the block before that were kept for a sweep go to the engine; the last of this block are kept instead.
                Ok((first, end)) => {
                    let _ = self.grants.send(Control::Tokens { first: before(first), end: before(end) });
                }
                Err(e) => self.token_failure(now, &e),
            }
        }
    }

    #[cold]
    fn token_failure(&mut self, now: Nanos, e: &RunError) {
        let what = e.to_string();
        if !self.failures.contains(&what) {
            self.fail(now, what);
        }
    }

    /// Has the core's clock follow the wall clock, which chrony or PTP keeps: by its rate, so that no stamp ever jumps.
    fn tend_clock(&mut self, now: Nanos) {
        if now.since(self.adjusted).0 < CLOCK.0 {
            return;
        }
        self.adjusted = now;
        if Canary::Hoards.sings() {
            std::mem::forget(std::fs::File::open(&self.name).or_else(|_| std::fs::File::open(".")));
            std::mem::forget(vec![1_u8; 1 << 20]);
        }
        let Some(found) = self.discipline.as_mut().map(Discipline::adjust) else { return };
        self.known.offset_ns = Some(found.offset_ns);
        self.counters.set(counter::clock_offset_ns, found.offset_ns.unsigned_abs());
        self.counters.add(counter::clock_steps, u64::from(found.stepped));
        let is_off = found.offset_ns.unsigned_abs() > OFFSET_SAID_NS.max(found.uncertainty_ns);
        if found.stepped || is_off != self.is_off {
            let (level, message) = match (found.stepped, is_off) {
                (true, _) => ("warn", "the wall clock was stepped"),
                (false, true) => ("warn", "the clock is off the wall clock"),
                (false, false) => ("info", "the clock follows the wall clock again"),
            };
            let fields = json!({"offset_ns": found.offset_ns, "uncertainty_ns": found.uncertainty_ns, "bend_ppb": found.bend_ppb});
            self.log.say(now, level, message, fields);
        }
        self.is_off = is_off;
        self.look_at_wall(now);
    }

    /// Whether the wall clock itself is to be trusted. A kernel that does not say is no keeper.
    fn look_at_wall(&mut self, now: Nanos) {
        let error = (self.wall_error)().ok().flatten();
        self.known.error_ns = Some(error.map_or(u64::MAX, |e| e.0));
        let is_kept = error.is_some();
        self.counters.set(counter::clock_error_ns, error.unwrap_or_default().0);
        self.counters.set(counter::clock_kept, is_kept.into());
        if self.is_kept.replace(is_kept) == Some(is_kept) {
            return;
        }
        match error {
            Some(e) => self.log.say(now, "info", "the wall clock is kept", json!({"error_ns": e.0})),
            None => self.log.say(now, "warn", "nobody keeps the wall clock", json!({})),
        }
    }

    /// Has the engine restrained by what it does not see.
    fn look_outside(&mut self, now: Nanos) {
        for beyond in self.sentinel.look(now, self.viewer.as_ref(), self.known) {
            let fields = json!({"gauge": format!("{:?}", beyond.rule.gauge), "value": beyond.value, "limit": beyond.rule.limit});
            self.log.say(now, "error", "a limit outside of the engine is passed", fields);
            // A control agent that is gone ends the core.
            let _ = self.grants.send(beyond.control());
        }
    }

    /// Keeps what was measured, by the minute. A disk that refuses is told once, and the run goes on without.
    fn tend_intervals(&mut self, now: Nanos, ends: bool) {
        let (Some(intervals), Some(viewer)) = (&mut self.intervals, &self.viewer) else { return };
        let written = if ends { intervals.write(viewer) } else { intervals.look(now, viewer) };
        if let Err(e) = written {
            self.intervals = None;
            let fields = json!({"error.message": e.to_string()});
            self.log.say(now, "warn", "latencies are kept no more", fields);
        }
    }

    /// Has the engine told of what is not as expected.
    fn look_at_expectation(&mut self, now: Nanos) {
        let Some(expected) = &mut self.expected else { return };
        for control in expected.look(now, self.viewer.as_ref()) {
            // A control agent that is gone ends the core.
            let _ = self.grants.send(control);
        }
        self.counters.set(counter::drift, expected.bits());
    }

    /// Has the engine restricted by the lists as they stand now.
    fn look_at_lists(&mut self, now: Nanos) {
        for turn in self.lists.look(now) {
            self.log.say(now, turn.level, turn.message, turn.fields);
            for control in turn.controls {
                // A control agent that is gone ends the core.
                let _ = self.grants.send(control);
            }
        }
    }

    fn log_words(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        for word in self.words.try_iter() {
            let fields = json!({"connection": word.who, "why": word.why});
            self.log.say(word.now, "warn", "no connection", fields);
            work += 1;
        }
        for (level, message, fields) in self.archive.iter_mut().flat_map(Archive::said) {
            self.log.say(now, level, message, fields);
        }
        for (now, said) in self.said.try_iter() {
            self.log.say(now, said.level, said.message, said.fields);
            if let (Some((run, ran)), Some(params_sha256)) = (&mut self.manifest, said.params_sha256) {
                ran.turn_to(params_sha256);
                if let Err(e) = ran.leave(run) {
                    let fields = json!({"error.message": e.to_string()});
                    self.log.say(now, "error", "the manifest does not say what is in force", fields);
                }
            }
            work += 1;
        }
        work
    }
}

/// Where the engine's part of a block ends: the last of it is for the gateways, should they have to cancel all by themselves.
fn before(end: Token) -> Token {
    Token(end.0 - SWEEP_TOKENS)
}

impl Agent for ColdAgent {
    fn name(&self) -> &str {
        "cold"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let mut work = self.tend_logs(now);
        self.tend_tokens(now);
        self.tend_clock(now);
        self.look_outside(now);
        self.look_at_lists(now);
        self.look_at_expectation(now);
        self.tend_intervals(now, false);
        self.watches.iter_mut().for_each(|w| w.tend(now, &mut self.log));
        work += self.log_words(now);
        let followed = self.log.follow();
        self.counters.add(counter::records_followed, followed as u64);
        work + followed
    }

    /// Last of all threads: the writers have finished, so their logs are closed.
    fn on_close(&mut self) {
        // What it is at is broken off: an end waits for no packing.
        self.archive = None;
        self.log_words(self.adjusted);
        self.viewer = self.viewer.take().or_else(|| Viewer::open(&self.name).ok());
        self.tend_intervals(self.adjusted, true);
        while self.log.follow() > 0 {}
        self.log.stand();
        for (name, keeper) in std::mem::take(&mut self.keepers) {
            let Some(keeper) = keeper else { continue };
            let finished = keeper.writer_state() == WriterState::Finished;
            match keeper.close() {
                Ok(_) => {}
                Err(e) if finished => self.failures.push(format!("{name}: {e}")),
                // A writer that panicked left its log without an end: that is said where the panic is.
                Err(_) => {}
            }
        }
    }
}

impl Drop for ColdAgent {
    fn drop(&mut self) {
        self.ending.ask();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::mpsc::{channel, sync_channel};

    use super::*;
    use crate::clock::Clock;
    use crate::logs::Names;
    use ringbuf::counters::CounterReader;
    use ringbuf::words::Words;

    #[test]
    fn a_clock_that_is_off_is_bent_and_it_is_said_once_and_so_is_what_an_agent_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.jsonl");
        let names = Names { feeds: Vec::new(), gateways: Vec::new(), instruments: Vec::new() };
        let (grants, _grants) = channel();
        let (_said, said) = channel();
        let (say, words) = sync_channel(1);
        // Kept at first, then by nobody.
        static LOOKS: AtomicU64 = AtomicU64::new(0);
        let wall_error = || Ok((LOOKS.fetch_add(1, Relaxed) == 0).then_some(Nanos(70)));
        // Far more than the uncertainty of a reading on the busiest host.
        let clock = Clock::ahead(3_600_000_000_000);
        let table = Words::zeroed(counter::COUNT);
        let counted = CounterReader::over(table.reader());
        let mut cold = ColdAgent::new(ColdParts {
            keepers: Vec::new(),
            watches: Vec::new(),
            log: LogWriter::create(&file, folder.path(), names).unwrap(),
            discipline: clock.discipline(),
            tokens: TokenBlocks::open(folder.path()).unwrap(),
            granted: (Token(1), Token(1 + TokenBlocks::BLOCK)),
            grants,
            said,
            words,
            name: "nobody".into(),
            counters: Counters::over(table),
            manifest: None,
            intervals: Intervals::create(folder.path(), clock.now()).unwrap(),
            outside: (Vec::new(), PathBuf::new()),
            wall_error,
            expectation: None,
            lists: (Vec::new(), Vec::new()),
            archive: None,
            ending: Arc::default(),
        });
        let start = clock.now();
        for ms in [0, 1, 999, 1_000, 2_000] {
            cold.do_work(start.after(Nanos::from_millis(ms)));
        }
        let (now, who, why) = (start, "gateway-g1".to_owned(), "tls: a reason".to_owned());
        say.try_send(Word { now, who, why }).unwrap();
        cold.do_work(start.after(Nanos::from_millis(2_001)));
        drop(cold);
        assert_eq!(counted.get(counter::clock_steps), Some(1));
        assert_eq!(
            (counted.get(counter::clock_error_ns), counted.get(counter::clock_kept)),
            (Some(0), Some(0))
        );
        let log = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let said: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        let expected = [
            "the wall clock was stepped",
            "the wall clock is kept",
            "nobody keeps the wall clock",
            "no connection",
        ];
        assert_eq!(said, expected, "{log}");
        let word = ["connection", "why"].map(|key| lines[3][key].as_str().unwrap());
        assert_eq!(word, ["gateway-g1", "tls: a reason"]);
        // An hour between two readings is no drift: to the discipline the wall clock went back.
        assert!(lines[0]["offset_ns"].as_i64().unwrap() < -3_599_000_000_000, "{log}");
        assert_eq!(lines[0]["bend_ppb"], -500_000, "as much as it may: {log}");
        assert_eq!(lines[1]["error_ns"], 70);
    }
}
