//! One core watched over time: read at a grain, with its curves and its tape. What the terminal, the page and the metrics all show.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use colo::telemetry::snapshot::Snapshot;
use model::Nanos;

use crate::events::Events;
use crate::history::{History, Stages};
use crate::life::{self, Down};
use crate::limits::Configured;
use crate::threads::{self, Thread};

/// The file system that the journal is on.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// Bytes that the core's user may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub size_bytes: u64,
}

/// A core that lives.
#[derive(Debug)]
pub struct Live {
    /// All of its shared memory.
    pub snapshot: Snapshot,
    /// Its histograms.
    pub stages: Stages,
    /// What the kernel says of its threads.
    pub threads: Vec<Thread>,
    /// Where its journal is.
    pub disk: Option<Disk>,
    /// What limits its run was started with, where its configuration can be read.
    pub configured: Option<Arc<Configured>>,
    /// The best P&L that was seen of this run, USD, at least 0.
    pub best_pnl: Option<f64>,
    /// Requests to the venues a second since the look before; none at the first.
    pub messages_per_s: Option<f64>,
}

/// One look at a core.
#[derive(Debug)]
pub struct Reading {
    /// Its name.
    pub name: String,
    /// When.
    pub at: Nanos,
    /// What was there.
    pub found: Result<Live, Down>,
}

impl Reading {
    /// The core, where it lives.
    #[must_use]
    pub fn live(&self) -> Option<&Live> {
        self.found.as_ref().ok()
    }
}

/// A core that is looked at again and again.
#[derive(Debug)]
pub struct Watched {
    /// Its name.
    pub name: String,
    /// Its curves.
    pub history: History,
    /// Of the run that it was read of last: its folder, and what limits it was started with.
    configured: Option<(PathBuf, Option<Arc<Configured>>)>,
    /// Its tape.
    pub events: Events,
    /// The last look.
    pub last: Arc<Reading>,
    /// The one before it, for rates.
    pub before: Option<Arc<Reading>>,
    /// Looks in a row that found no region at all.
    pub absences: u32,
    /// It was seen alive since this began: what never was is what an earlier core left behind.
    pub has_lived: bool,
}

impl Watched {
    /// Looks for the first time.
    #[must_use]
    pub fn new(name: &str) -> Watched {
        Watched::of(read(name))
    }

    /// Begins with a reading that was made elsewhere.
    #[must_use]
    pub fn of(mut reading: Reading) -> Watched {
        let mut configured = None;
        complete(&mut reading, None, &mut configured);
        let mut watched = Watched {
            configured,
            name: reading.name.clone(),
            history: History::default(),
            events: Events::default(),
            last: Arc::new(reading),
            before: None,
            absences: 0,
            has_lived: false,
        };
        watched.keep();
        watched
    }

    /// Looks again. Some milliseconds; a third of a second where a core seems to have stopped.
    pub fn look(&mut self) {
        self.take(read(&self.name));
    }

    /// Takes a reading that was made elsewhere.
    pub fn take(&mut self, mut reading: Reading) {
        complete(&mut reading, Some(&*self.last), &mut self.configured);
        self.before = Some(std::mem::replace(&mut self.last, Arc::new(reading)));
        self.keep();
    }

    fn keep(&mut self) {
        self.absences = match &self.last.found {
            Err(Down::Absent) => self.absences.saturating_add(1),
            _ => 0,
        };
        let Some(live) = self.last.live() else { return };
        self.has_lived = true;
        self.history.take(self.last.at.0 / 1_000_000, &live.snapshot, &live.stages);
        if let Some(run) = &live.snapshot.run {
            self.events.look(run);
        }
    }

    /// How much a count grew a second between the last two looks; none across a restart or with one look only.
    #[must_use]
    pub fn rate(&self, of: impl Fn(&Snapshot) -> Option<u64>) -> Option<f64> {
        let (now, before) = (self.last.live()?, self.before.as_ref()?.live()?);
        if now.snapshot.started_ns != before.snapshot.started_ns {
            return None;
        }
        let seconds = self.last.at.since(self.before.as_ref()?.at).0 as f64 / 1e9;
        let grown = of(&now.snapshot)?.saturating_sub(of(&before.snapshot)?) as f64;
        (seconds > 0.0).then(|| grown / seconds)
    }
}

/// Adds to a reading what only one who has read before knows: the limits of the run, the best of it, how much a second.
fn complete(
    reading: &mut Reading,
    before: Option<&Reading>,
    configured: &mut Option<(PathBuf, Option<Arc<Configured>>)>,
) {
    let at = reading.at;
    let Ok(live) = &mut reading.found else { return };
    // Of another run nothing is compared.
    let of_this_run =
        |r: &&Reading| r.live().is_some_and(|l| l.snapshot.started_ns == live.snapshot.started_ns);
    let before = before.filter(of_this_run);
    if let Some(run) = &live.snapshot.run {
        if configured.as_ref().is_none_or(|(path, _)| path != run) {
            *configured = Some((run.clone(), Configured::of_run(run).map(Arc::new)));
        }
        live.configured = configured.as_ref().and_then(|(_, c)| c.clone());
    }
    let best = before.and_then(Reading::live).and_then(|l| l.best_pnl).unwrap_or(0.0);
    live.best_pnl = Some(live.snapshot.risk.as_ref().map_or(best, |r| best.max(r.pnl)));
    let requests =
        |s: &Snapshot| ["new_orders", "replaces", "cancels"].iter().fold(0, |sum, c| s.engine[c] + sum);
    live.messages_per_s = before.and_then(|b| {
        let seconds = at.since(b.at).0 as f64 / 1e9;
        let grown = requests(&live.snapshot).saturating_sub(requests(&b.live()?.snapshot)) as f64;
        (seconds > 0.0).then(|| grown / seconds)
    });
}

/// Looks at a core.
#[must_use]
pub fn read(name: &str) -> Reading {
    let found = life::open(name).map(|(snapshot, viewer)| Live {
        threads: threads::of(snapshot.pid),
        disk: snapshot.run.as_deref().and_then(disk),
        stages: viewer.stages(),
        configured: None,
        best_pnl: None,
        messages_per_s: None,
        snapshot,
    });
    Reading { name: name.into(), at: life::now(), found }
}

fn disk(run: &Path) -> Option<Disk> {
    let s = rustix::fs::statvfs(run).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(s.f_frsize);
    Some(Disk { free_bytes: bytes(s.f_bavail), size_bytes: bytes(s.f_blocks) })
}
