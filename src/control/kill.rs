//! The kill switch's side of the control plane: the latch on disk is written by a thread of its own, for a disk that stands still must hold up neither the kill, which
//! has taken effect by then, nor the commands behind it.
//!
//! ```text
//!   kill    ──► switch tripped, input on its way ──► latch written and synced ──► the client is answered
//!   unkill  ──► latch written and synced ──► switch cleared, input on its way ──► the client is answered
//! ```
//!
//! The same thread looks at the file some times a second: what somebody else latched there kills too, so a kill needs no socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use model::{Instrument, InstrumentId, Nanos};
use serde_json::{Value, json};

use crate::agents::Ending;
use crate::host;
use crate::journal::By;
use crate::latch::{self, Kill, Latch, Scope, Word};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What a kill switch is made from.
#[derive(Clone)]
pub struct KillParts {
    /// The folder of the latch.
    pub folder: PathBuf,
    /// What is latched at the start.
    pub latch: Latch,
    /// Where the switch is.
    pub ending: Arc<Ending>,
    /// The instruments that can be killed alone.
    pub instruments: Vec<Instrument>,
    /// How many operators have to release a kill.
    pub operators_needed: usize,
    /// The capabilities that its thread keeps; all without.
    pub confined: Option<host::Kept>,
}

/// Work for the thread.
enum Ask {
    Add(Scope, Word),
    Release(Scope, Word),
}

/// What came of it.
pub(super) struct Done {
    /// The client that waits, and who it is; none where the file itself changed.
    pub(super) client: Option<(u64, By)>,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// It is latched.
    Latched(Latch),
    /// The release was taken, or why not.
    Released(Scope, latch::Release, Latch),
    /// The disk said no.
    Failed(String),
    /// The file was changed by somebody else.
    Found(Latch),
}

/// See the module.
pub(super) struct KillDesk {
    pub(super) parts: KillParts,
    /// What is latched by all that is known here.
    known: Vec<Kill>,
    asks: Sender<(Option<(u64, By)>, Ask)>,
    done: Receiver<Done>,
}

/// The instrument that a scope is of. `Err`: a ticker that is not here.
pub(super) fn instrument_of(
    instruments: &[Instrument],
    scope: &Scope,
) -> Result<Option<InstrumentId>, String> {
    let Scope::Symbol(symbol) = scope else { return Ok(None) };
    let found = instruments.iter().find(|i| i.symbol.to_string() == *symbol);
    found.map(|i| Some(i.id)).ok_or_else(|| format!("there is no instrument {symbol:?} here"))
}

impl KillDesk {
    /// Trips the switch for what is latched and starts the thread.
    pub(super) fn open(parts: KillParts) -> std::io::Result<KillDesk> {
        let (asks, jobs) = mpsc::channel();
        let (tell, done) = mpsc::channel();
        let known = parts.latch.clone();
        let (folder, needed, confined) = (parts.folder.clone(), parts.operators_needed, parts.confined);
        std::thread::Builder::new().name("latch".into()).spawn(move || {
            // A refusal is told of by the other threads.
            let _ = confined.map(host::drop_capabilities);
            keep(&folder, needed, known, &jobs, &tell);
        })?;
        Ok(KillDesk { known: parts.latch.kills.clone(), parts, asks, done })
    }

    /// The scope that a request is of, and its instrument.
    pub(super) fn scope(&self, symbol: Option<&str>) -> Result<(Scope, Option<InstrumentId>), String> {
        let scope = symbol.map_or(Scope::All, |s| Scope::Symbol(s.to_owned()));
        instrument_of(&self.parts.instruments, &scope).map(|instrument| (scope, instrument))
    }

    /// Has a kill latched.
    pub(super) fn add(&self, client: u64, by: By, scope: Scope, at: Nanos) {
        let _ = self.asks.send((Some((client, by)), Ask::Add(scope, word(&by, at))));
    }

    /// Has a release latched.
    pub(super) fn release(&self, client: u64, by: By, scope: Scope, at: Nanos) {
        let _ = self.asks.send((Some((client, by)), Ask::Release(scope, word(&by, at))));
    }

    /// What the thread has done since the last look. Keeps what is latched in mind.
    pub(super) fn poll(&mut self) -> Vec<Done> {
        let done: Vec<_> = self.done.try_iter().collect();
        for d in &done {
            match &d.outcome {
                Outcome::Latched(latch) | Outcome::Released(_, _, latch) => {
                    self.known.clone_from(&latch.kills);
                    self.parts.latch = latch.clone();
                }
                Outcome::Found(latch) => self.parts.latch = latch.clone(),
                Outcome::Failed(_) => {}
            }
        }
        done
    }

    /// Keeps in mind what is latched.
    pub(super) fn remember(&mut self, kill: &Kill) {
        if !self.known.iter().any(|k| k.scope == kill.scope) {
            self.known.push(kill.clone());
        }
    }

    /// What was latched as far as is known here, and is not any more.
    pub(super) fn tripped(&self, latch: &Latch) -> Vec<Kill> {
        let gone = |k: &&Kill| !latch.kills.iter().any(|l| l.scope == k.scope);
        self.known.iter().filter(gone).cloned().collect()
    }

    /// Has a kill latched again that nobody released.
    pub(super) fn put_back(&self, kill: Kill) {
        let _ = self.asks.send((None, Ask::Add(kill.scope, kill.by)));
    }

    /// What is latched, for a status.
    pub(super) fn status(&self) -> Value {
        json!(self.parts.latch.kills)
    }
}

fn word(by: &By, at: Nanos) -> Word {
    Word::new(by.operator.as_str(), by.reason.as_str(), by.uid, at.0)
}

/// The thread: ends when the core's control does. `known`: what was latched when the core looked.
fn keep(
    folder: &std::path::Path,
    needed: usize,
    mut known: Latch,
    asks: &Receiver<(Option<(u64, By)>, Ask)>,
    tell: &Sender<Done>,
) {
    loop {
        let (client, outcome) = match asks.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Disconnected) => return,
            // What it says is compared, not when it was written: somebody may write between a write of ours and our look at it.
            Err(RecvTimeoutError::Timeout) => match Latch::read(folder) {
                latch if latch == known => continue,
                latch => (None, Outcome::Found(latch)),
            },
            Ok((client, Ask::Add(scope, by))) => {
                let added = Latch::add(folder, scope, by, needed);
                (client, added.map_or_else(|e| Outcome::Failed(e.to_string()), Outcome::Latched))
            }
            Ok((client, Ask::Release(scope, by))) => {
                let outcome = match Latch::release(folder, &scope, by, needed) {
                    Ok((release, latch)) => Outcome::Released(scope, release, latch),
                    Err(e) => Outcome::Failed(e.to_string()),
                };
                (client, outcome)
            }
        };
        match &outcome {
            Outcome::Latched(latch) | Outcome::Released(_, _, latch) | Outcome::Found(latch) => {
                known.clone_from(latch);
            }
            Outcome::Failed(_) => {}
        }
        if tell.send(Done { client, outcome }).is_err() {
            return;
        }
    }
}
