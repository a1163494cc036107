//! What follows when a core has stopped: it is killed on disk, by its socket and as a process, in this order, and what it left at its venues is canceled.
//!
//! Each step is tried whatever became of the one before; only the last, the venue's word that nothing lives, ends it.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::rescue;
use super::watch::Limits;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::lines::ask_within;
use crate::control::{Command, Request, socket_path};
use crate::host::{self, Process};
use crate::latch::{Latch, Scope, Word};
use crate::telemetry::snapshot::Viewer;

/// How long a socket has to answer. A process that is stopped takes the connection and says nothing.
const ANSWER: Duration = Duration::from_millis(500);
/// How long the latch has to be on the disk before the rest goes on without.
const LATCH: Duration = Duration::from_millis(500);
/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// How often it is said that something is still waited for.
const SAY: Duration = Duration::from_secs(5);

/// A core that is to be cut off.
pub struct CutOff<'a> {
    /// Its configuration, with its secrets.
    pub config: &'a Config,
    /// The process; none where it is gone.
    pub process: Option<Process>,
    /// What is wrong with it, in words.
    pub why: String,
    /// When it last gave a sign of life, as far as was seen.
    pub since: Instant,
    /// How long after that it was noticed.
    pub noticed_ms: u64,
    /// How long it has by itself.
    pub limits: Limits,
}

/// How long it took, each from the last sign of life on.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// What was wrong.
    pub why: String,
    /// Until it was noticed.
    pub noticed_after_ms: u64,
    /// Until the latch was on the disk; none where it could not be written.
    pub latched_after_ms: Option<u64>,
    /// Whether the core itself took the kill.
    pub answered: bool,
    /// Until the process was gone.
    pub cut_off_after_ms: u64,
    /// Until the venue had confirmed that nothing lives.
    pub flat_after_ms: u64,
    /// Orders that were found alive at the venue, and canceled.
    pub canceled: u64,
    /// The run in which they were canceled.
    pub journal: String,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: noticed after {} ms, cut off after {} ms, flat after {} ms ({} orders canceled)",
            self.why, self.noticed_after_ms, self.cut_off_after_ms, self.flat_after_ms, self.canceled
        )
    }
}

/// Cuts it off. Ends when the venue has confirmed that nothing lives; what is waited for meanwhile goes to `say`. `give_up` is looked at: `true` ends it before.
///
/// # Errors
/// In words: it was given up, and orders may live.
pub fn cut_off(
    core: CutOff<'_>,
    say: &mut dyn FnMut(&str),
    give_up: &dyn Fn() -> bool,
) -> Result<Figures, String> {
    let CutOff { config, process, why, since, noticed_ms, limits } = core;
    let ms = |since: Instant| since.elapsed().as_millis() as u64;
    say(&format!("{why}: cutting it off"));
    let word = Word::new("watchdog", &why, host::own_uid(), Clock::new().now().0);
    let latched_after_ms = match latched(config, word) {
        Ok(()) => Some(ms(since)),
        Err(e) => {
            say(&format!("the latch cannot be written: {e}; going on without"));
            None
        }
    };
    let answered = process.as_ref().is_some_and(|p| !p.is_gone()) && ask_kill(config, &why, limits);
    if let Some(process) = &process {
        let mut said = Instant::now();
        while !process.is_gone() {
            if let Err(e) = process.kill() {
                return Err(format!("process {} cannot be killed: {e}", process.pid()));
            }
            if said.elapsed() >= SAY {
                said = Instant::now();
                say(&format!(
                    "process {} has been killed and does not go: the kernel holds it",
                    process.pid()
                ));
            }
            if give_up() {
                return Err(format!(
                    "given up while process {} had not gone: orders may live",
                    process.pid()
                ));
            }
            std::thread::sleep(LOOK);
        }
    }
    let cut_off_after_ms = ms(since);
    let flat = rescue::until_flat(config, say, give_up)?;
    Ok(Figures {
        why,
        noticed_after_ms: noticed_ms,
        latched_after_ms,
        answered,
        cut_off_after_ms,
        flat_after_ms: flat.at.duration_since(since).as_millis() as u64,
        canceled: flat.canceled,
        journal: flat.journal.display().to_string(),
    })
}

/// Has the latch written, and waits no longer than [`LATCH`]: what holds the core up may be the disk, and then the latch is there when the disk is.
fn latched(config: &Config, word: Word) -> Result<(), String> {
    let (folder, operators) = (config.journal_dir.clone(), config.operators_needed());
    let (done, written) = mpsc::channel();
    std::thread::spawn(move || {
        let added = Latch::add(&folder, Scope::All, word, operators);
        let _ = done.send(added.map(drop).map_err(|e| e.to_string()));
    });
    written
        .recv_timeout(LATCH)
        .unwrap_or_else(|_| Err(format!("the disk has not answered for {} ms", LATCH.as_millis())))
}

/// Has the core kill itself, where it still can: it is nearer to the venue. Whether it took the command.
fn ask_kill(config: &Config, why: &str, limits: Limits) -> bool {
    let request =
        Request { operator: Some("watchdog".into()), reason: Some(why.to_owned()), ..Command::Kill.into() };
    let asked = Clock::new().now();
    if ask_within(&socket_path(&config.name), &request, "nobody", ANSWER).is_err() {
        return false;
    }
    let by = Instant::now() + Duration::from_nanos(limits.grace.0);
    let Ok(viewer) = Viewer::open(&config.name) else { return true };
    while Instant::now() < by && viewer.kill().figures(asked, true).flat_after_ns.is_none() {
        std::thread::sleep(LOOK);
    }
    true
}
