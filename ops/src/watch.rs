//! One core watched over time: read at a grain, with its curves and its tape. What the terminal, the page and the metrics all show.

use std::path::Path;
use std::sync::Arc;

use colo::telemetry::snapshot::Snapshot;
use model::Nanos;

use crate::events::Events;
use crate::history::{History, Stages};
use crate::life::{self, Down};
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
    pub fn of(reading: Reading) -> Watched {
        let mut watched = Watched {
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
    pub fn take(&mut self, reading: Reading) {
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

/// Looks at a core.
#[must_use]
pub fn read(name: &str) -> Reading {
    let found = life::open(name).map(|(snapshot, viewer)| Live {
        threads: threads::of(snapshot.pid),
        disk: snapshot.run.as_deref().and_then(disk),
        stages: viewer.stages(),
        snapshot,
    });
    Reading { name: name.into(), at: life::now(), found }
}

fn disk(run: &Path) -> Option<Disk> {
    let s = rustix::fs::statvfs(run).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(s.f_frsize);
    Some(Disk { free_bytes: bytes(s.f_bavail), size_bytes: bytes(s.f_blocks) })
}
