//! One store kept up with a journal: run after run, from where it stands, whatever goes away meanwhile.
//!
//! What is still to be shipped is held: whoever removes old runs leaves alone one on whose log's folder somebody has a shared lock, and the lock goes with this process.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::trail::{Trail, TrailError, runs};
use crate::store::{Batch, Ended, Place, RunFacts, Store, StoreError};

/// From one look at a journal that says nothing new to the next.
const LOOK: Duration = Duration::from_millis(50);
/// Looks at a silent journal before it is asked whether what it waits for was removed.
const SILENT: u32 = 20;
/// How long a store that is away is left alone, at first and at last.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What to carry.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A core's journal folder, or a run of it.
    pub journal: PathBuf,
    /// From one mark to the next, ns.
    pub grain_ns: u64,
    /// Rows of a transaction, but for those of its last record.
    pub rows_max: usize,
    /// To the end of what is there, and a store that is away is a failure.
    pub once: bool,
    /// Raised from outside.
    pub stop: Arc<AtomicBool>,
}

/// What was carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Runs looked at.
    pub runs: u64,
    /// Records that the store had not.
    pub records: u64,
    /// Rows that they made; orders, which are put in the place of what was there, are not counted.
    pub rows: u64,
    /// How often the store was away.
    pub outages: u64,
    /// Records that were gone before they were read.
    pub lost: u64,
}

/// Why it was given up.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The journal.
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// Its folder.
    #[error("{0}")]
    Folder(std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a run's carrying ended.
enum Turn {
    /// All of it is there.
    Done,
    /// To be stopped, or `once` and nothing more is there.
    Stopped,
    /// The store has less than it had: from there again.
    Again,
}

struct Carrier<'a> {
    store: &'a mut dyn Store,
    plan: &'a Plan,
    say: &'a mut dyn FnMut(String),
    carried: Carried,
    /// Behind the last row that the store has taken of this run.
    reached: (u64, u32),
    /// The runs that the store has not whole, held.
    held: BTreeMap<u32, File>,
}

/// Carries a journal to a store, until it is told to stop or, with `once`, to the journal's end. `say` is told what a person should know.
///
/// # Errors
/// `CarryError`: damage in the journal, or a store that refuses. A store that is away is waited for, but for `once`.
pub fn carry(store: &mut dyn Store, plan: &Plan, say: &mut dyn FnMut(String)) -> Result<Carried, CarryError> {
    let mut carrier =
        Carrier { store, plan, say, carried: Carried::default(), reached: (0, 0), held: BTreeMap::new() };
    let mut done: Option<u32> = None;
    loop {
        let list = carrier.hold(done)?;
        let Some((number, path)) = list.into_iter().find(|(n, _)| done.is_none_or(|d| *n > d)) else {
            if plan.once || carrier.is_stopped() {
                return Ok(carrier.carried);
            }
            std::thread::sleep(LOOK);
            continue;
        };
        if let Some(before) = done.filter(|d| number > d.saturating_add(1)) {
            (carrier.say)(format!("runs {} to {} are not there any more", before + 1, number - 1));
        }
        match carrier.run(number, &path)? {
            Turn::Done => {
                carrier.carried.runs += 1;
                done = Some(number);
            }
            Turn::Again => {}
            Turn::Stopped => {
                carrier.carried.runs += 1;
                return Ok(carrier.carried);
            }
        }
    }
}

impl Carrier<'_> {
    fn is_stopped(&self) -> bool {
        self.plan.stop.load(Ordering::Relaxed)
    }

    /// The runs that are there; those behind `done` are held from now on.
    fn hold(&mut self, done: Option<u32>) -> Result<Vec<(u32, PathBuf)>, CarryError> {
        let list = runs(&self.plan.journal).map_err(CarryError::Folder)?;
        self.held.retain(|n, _| done.is_none_or(|d| *n > d));
        for (n, path) in list.iter().filter(|(n, _)| done.is_none_or(|d| *n > d)) {
            if self.held.contains_key(n) {
                continue;
            }
            // One that is being made is held at the next look; where the file system knows no locks, nothing is.
            if let Some(folder) = File::open(path.join("core")).ok().filter(|f| f.try_lock_shared().is_ok()) {
                self.held.insert(*n, folder);
            }
        }
        Ok(list)
    }

    /// Whether a later run was begun: then the process of this one is gone.
    fn is_over(&mut self, number: u32) -> Result<bool, CarryError> {
        Ok(self.hold(Some(number.saturating_sub(1)))?.iter().any(|(n, _)| *n > number))
    }

    fn run(&mut self, number: u32, path: &Path) -> Result<Turn, CarryError> {
        let mut trail = loop {
            match Trail::open(path, number, self.plan.grain_ns) {
                Ok(trail) => break trail,
                // It may be in the making; what is not begun when a later one is will never be.
                Err(e) if self.plan.once || self.is_over(number)? => {
                    (self.say)(format!("left out: {e}"));
                    return Ok(Turn::Done);
                }
                Err(_) if self.is_stopped() => return Ok(Turn::Stopped),
                Err(_) => std::thread::sleep(LOOK),
            }
        };
        let Some(place) = self.place(trail.facts())? else { return Ok(Turn::Stopped) };
        if place.ended != Ended::Not {
            return Ok(Turn::Done);
        }
        trail.begin(place);
        self.reached = (place.seq, place.sub);
        let mut silent = 0u32;
        loop {
            // Asked before the journal is: what is written before the process goes is read after it is known to be gone.
            let over = self.is_over(number)?;
            if let Some(batch) = trail.next_batch(self.plan.rows_max)? {
                silent = 0;
                if let Some(turn) = self.put(trail.facts(), batch)? {
                    return Ok(turn);
                }
                continue;
            }
            if trail.is_ended() {
                return Ok(Turn::Done);
            }
            silent += 1;
            if (over || self.plan.once || silent.is_multiple_of(SILENT)) && trail.pass_removed()? {
                continue;
            }
            if over {
                return Ok(self.put(trail.facts(), trail.closing())?.unwrap_or(Turn::Done));
            }
            if self.plan.once || self.is_stopped() {
                return Ok(Turn::Stopped);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks the store where it stands, until it says so; `None` where it is to stop meanwhile.
    fn place(&mut self, facts: &RunFacts) -> Result<Option<Place>, CarryError> {
        let (mut wait, began) = (AWAY.0, Instant::now());
        let mut said = None;
        loop {
            match self.store.place(facts) {
                Ok(place) => {
                    if said.is_some() {
                        let seconds = began.elapsed().as_secs_f64();
                        (self.say)(format!("{} is there again after {seconds:.1} s", self.store.name()));
                    }
                    return Ok(Some(place));
                }
                Err(StoreError::Away(why)) if !self.plan.once => {
                    if said.as_ref() != Some(&why) {
                        (self.say)(format!("{} is away: {why}; the journal waits", self.store.name()));
                        said = Some(why);
                    }
                }
                Err(e) => return Err(e.into()),
            }
            // What begins meanwhile is held too.
            self.hold(Some(facts.run.saturating_sub(1)))?;
            let until = Instant::now() + wait;
            while Instant::now() < until {
                if self.is_stopped() {
                    return Ok(None);
                }
                std::thread::sleep(LOOK);
            }
            wait = (wait * 2).min(AWAY.1);
        }
    }

    /// Whether a store stands before what it had taken: one that was restored from a copy. A place within a record is that of a row, any other that of a record.
    fn has_less(&self, place: Place, batch: &Batch) -> bool {
        if place.sub == 0 { place.seq < batch.from } else { (place.seq, place.sub) < self.reached }
    }

    /// Puts a batch into the store, however often it goes away meanwhile. `None` when it is there.
    fn put(&mut self, facts: &RunFacts, batch: Batch) -> Result<Option<Turn>, CarryError> {
        let (records, rows) = (batch.to - batch.from, batch.rows.len() as u64);
        let last = batch.rows.last().map(|r| (r.seq, r.sub + 1));
        let lost: u64 = batch.losses.iter().map(|l| l.to - l.from).sum();
        for loss in &batch.losses {
            (self.say)(format!(
                "run {}: records {} to {} are lost: {}",
                facts.run, loss.from, loss.to, loss.why
            ));
        }
        let mut left = Some(batch);
        while let Some(batch) = left.take() {
            match self.store.keep(&batch) {
                Ok(()) => {}
                Err(StoreError::Away(why)) if !self.plan.once => {
                    self.carried.outages += 1;
                    (self.say)(format!("{} went away: {why}", self.store.name()));
                    let Some(place) = self.place(facts)? else { return Ok(Some(Turn::Stopped)) };
                    if self.has_less(place, &batch) {
                        return Ok(Some(Turn::Again));
                    }
                    left = batch.behind(place);
                }
                Err(e) => return Err(e.into()),
            }
        }
        self.reached = last.unwrap_or(self.reached);
        self.carried.records += records;
        self.carried.rows += rows;
        self.carried.lost += lost;
        Ok(None)
    }
}
