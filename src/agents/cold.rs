//! The cold agent: everything slow. It keeps the logs (next segments, sync), writes what people read, watches the feeds' lines, serves the control socket, grants tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Control, Nanos};
use ringbuf::log::{Keeper, LogError, WriterState};
use serde_json::json;

use super::LineWatch;
use crate::agent::Agent;
use crate::control::{Command, ControlServer};
use crate::journal::{RunError, TokenBlocks};
use crate::logs::LogWriter;
use crate::telemetry::snapshot::Viewer;

/// How often tokens are looked after: longer than a grant takes to show in the region, so that none is granted twice over.
const TOKENS: Nanos = Nanos::from_millis(500);

/// What a cold agent is made from.
pub struct ColdParts {
    /// The core journal's keeper first, then the captures'.
    pub keepers: Vec<(String, Keeper)>,
    /// The lines of the feeds.
    pub watches: Vec<LineWatch>,
    /// The log.
    pub log: LogWriter,
    /// The control socket and the ring behind it.
    pub control: ControlServer,
    /// Tokens.
    pub tokens: TokenBlocks,
    /// Tokens granted before the start.
    pub granted: (model::Token, model::Token),
    /// The core's name, to look at its own region.
    pub name: String,
    /// Set by a signal: end in order.
    pub asked_to_end: Arc<AtomicBool>,
}

/// See the module.
pub struct ColdAgent {
    keepers: Vec<(String, Option<Keeper>)>,
    watches: Vec<LineWatch>,
    log: LogWriter,
    control: ControlServer,
    tokens: TokenBlocks,
    /// A block that is durable and not yet on the ring.
    pending: Option<Control>,
    name: String,
    viewer: Option<Viewer>,
    tokens_seen: Nanos,
    asked_to_end: Arc<AtomicBool>,
    end_sent: bool,
    failures: Vec<String>,
}

impl ColdAgent {
    /// Puts it together; the first grant goes out in the first duty cycle.
    #[must_use]
    pub fn new(p: ColdParts) -> ColdAgent {
        let (first, end) = p.granted;
        ColdAgent {
            keepers: p.keepers.into_iter().map(|(n, k)| (n, Some(k))).collect(),
            watches: p.watches,
            log: p.log,
            control: p.control,
            tokens: p.tokens,
            pending: Some(Control::Tokens { first, end }),
            name: p.name,
            viewer: None,
            tokens_seen: Nanos::ZERO,
            asked_to_end: p.asked_to_end,
            end_sent: false,
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
                Ok(r) => work += (r.made + r.cut) as usize,
                Err(e) => {
                    let what = format!("{name}: {e}");
                    // A disk that is full may have room again; anything else will not heal, and the writer latches by itself.
                    if !matches!(e, LogError::DiskFull { .. }) {
                        *keeper = None;
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
        if let Some(grant) = self.pending {
            if self.control.send(grant) {
                self.pending = None;
                self.tokens_seen = now;
            }
            return;
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
                Ok((first, end)) => {
                    self.pending = Some(Control::Tokens { first, end });
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

    fn serve(&mut self, now: Nanos) -> usize {
        let work = self.control.serve(now).unwrap_or(0);
        for command in std::mem::take(&mut self.control.carried_out) {
            if command == Command::Shutdown {
                self.end_sent = true;
                self.asked_to_end.store(true, Ordering::Release);
            }
            self.log.say(now, "warn", "control command", json!({"command": command}));
        }
        if self.asked_to_end.load(Ordering::Acquire) && !self.end_sent {
            self.end_sent = self.control.send(Control::Shutdown);
        }
        work
    }
}

impl Agent for ColdAgent {
    fn name(&self) -> &str {
        "cold"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let mut work = self.tend_logs(now);
        self.tend_tokens(now);
        self.watches.iter_mut().for_each(|w| w.tend(now, &mut self.log));
        work += self.serve(now);
        work + self.log.follow()
    }

    /// Last of all threads: the writers have finished, so their logs are closed.
    fn on_close(&mut self) {
        while self.log.follow() > 0 {}
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
