//! The cores of this host as they were last read, for whoever asks.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use colo::telemetry::FOLDER;
use tokio::sync::watch;

use crate::find::{self, CORES_MAX};
use crate::watch::{Watched, read};

/// A core that was found by itself and whose region is gone is told of as down for so many looks, and then forgotten: a demo leaves nothing behind.
const REMEMBERED: u32 = 300;

/// See the module.
pub struct Board {
    /// The names asked for; empty for every core of the host.
    names: Vec<String>,
    every: Duration,
    cores: Mutex<Vec<Watched>>,
    /// When it was last looked, and how often.
    looked: Mutex<Option<Instant>>,
    turns: watch::Sender<u64>,
}

impl Board {
    /// With nothing read yet.
    #[must_use]
    pub fn new(names: Vec<String>, every: Duration) -> Board {
        let (turns, _) = watch::channel(0);
        Board { names, every, cores: Mutex::default(), looked: Mutex::default(), turns }
    }

    /// The cores, held: a look in between waits, so be short.
    pub fn cores(&self) -> MutexGuard<'_, Vec<Watched>> {
        // What is behind it is replaced whole, so a panic in between leaves nothing half done.
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a core is to live: it was asked for by name, or it has lived. The region of a core that ended before is no core that is missed.
    #[must_use]
    pub fn expects(&self, w: &Watched) -> bool {
        w.has_lived || !self.names.is_empty()
    }

    /// Tells of each look.
    #[must_use]
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    /// Whether the looking thread is at work: what is on the board is no older than some looks.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.is_some_and(|at| at.elapsed() < self.every * 5 + Duration::from_secs(5))
    }

    /// Reads every core once.
    pub fn look(&self) {
        let mut names: Vec<String> = self.cores().iter().map(|w| w.name.clone()).collect();
        let found = match &self.names[..] {
            [] => find::names(Path::new(FOLDER)).unwrap_or_default(),
            asked => asked.to_vec(),
        };
        names.extend(found.into_iter().filter(|n| !names.contains(n)).collect::<Vec<_>>());
        names.truncate(CORES_MAX);
        // Reading takes its time, a third of a second where a core seems to have stopped: nobody waits for it.
        let readings: Vec<_> = names.iter().map(|name| read(name)).collect();
        let mut cores = self.cores();
        for reading in readings {
            match cores.iter_mut().find(|w| w.name == reading.name) {
                Some(watched) => watched.take(reading),
                None => cores.push(Watched::of(reading)),
            }
        }
        if self.names.is_empty() {
            cores.retain(|w| w.absences < REMEMBERED);
        }
        drop(cores);
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.turns.send_modify(|n| *n += 1);
    }
}

/// Looks once at once, and then on a thread of its own as long as somebody holds the board.
///
/// # Errors
/// The host gives no thread.
pub fn look_on(board: &Arc<Board>) -> io::Result<()> {
    board.look();
    let (weak, every) = (Arc::downgrade(board), board.every);
    std::thread::Builder::new().name("board".into()).spawn(move || {
        loop {
            std::thread::sleep(every);
            let Some(board) = weak.upgrade() else { return };
            board.look();
        }
    })?;
    Ok(())
}
