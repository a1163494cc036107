//! A run's journal as batches, from the place where a store stands: live or after the end, across segments.
//!
//! What was kept is made again and left out: accounts, orders and books of a later record need it. So a start costs the reading of the run up to there (about a microsecond a record and
//! what its market data takes), and needs no state of its own.

use std::path::{Path, PathBuf};

use colo::journal::{Record, RunDir};
use colo::replay::Journal;
use ringbuf::log::Reader;

use super::ledger::Ledger;
use crate::store::{Batch, Ended, Loss, Place, RunFacts};

/// Records of a batch at most.
const RECORDS_MAX: u64 = 20_000;

/// Why a run cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", .run.display())]
pub struct TrailError {
    run: PathBuf,
    why: String,
}

/// See the module.
pub struct Trail {
    run: PathBuf,
    facts: RunFacts,
    reader: Reader,
    journal: Journal,
    ledger: Option<Ledger>,
    place: Place,
    /// The next record.
    next: u64,
    ended: bool,
    last_ns: u64,
    state_hash: Option<u64>,
    losses: Vec<Loss>,
}

fn failed<E: std::fmt::Display>(run: &Path) -> impl FnOnce(E) -> TrailError + '_ {
    |e| TrailError { run: run.to_owned(), why: e.to_string() }
}

/// The log of a run.
fn open(run: &Path) -> Result<Reader, TrailError> {
    Reader::open(RunDir::core(run)).map_err(failed(run))
}

impl Trail {
    /// Opens a run, of which `number` is the number; marks once in `grain_ns`.
    ///
    /// # Errors
    /// It has no configuration or no log yet, or its first record is not one of a core.
    pub fn open(run: &Path, number: u32, grain_ns: u64) -> Result<Trail, TrailError> {
        let journal = Journal::open(run).map_err(failed(run))?;
        let mut reader = open(run)?;
        let first = match reader.next().map_err(failed(run))? {
            Some(r) => (r.index, Record::decode(r.kind, r.payload).map_err(failed(run))?),
            None => return Err(TrailError { run: run.to_owned(), why: "holds no record yet".into() }),
        };
        let (format, config_hash, started_ns) = match first {
            (0, Record::Start { format, config_hash, now, .. }) => (format, config_hash, now.0),
            (0, _) => {
                return Err(TrailError {
                    run: run.to_owned(),
                    why: "does not begin with a run's start".into(),
                });
            }
            _ => (0, 0, 0),
        };
        let config_toml = std::fs::read_to_string(run.join("config.toml")).map_err(failed(run))?;
        let facts = RunFacts {
            core: journal.config.name.clone(),
            run: number,
            started_ns,
            journal: run.display().to_string(),
            format,
            config_hash,
            config_toml,
            strategy: journal.config.strategy.clone(),
            binary_sha256: binary(run),
            grain_ns,
        };
        Ok(Trail {
            run: run.to_owned(),
            facts,
            // From the first record again.
            reader: open(run)?,
            journal,
            ledger: None,
            place: Place::default(),
            next: 0,
            ended: false,
            last_ns: 0,
            state_hash: None,
            losses: Vec::new(),
        })
    }

    /// What the run is known by.
    #[must_use]
    pub fn facts(&self) -> &RunFacts {
        &self.facts
    }

    /// Where the next batch begins.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Begins at the place where a store stands.
    pub fn begin(&mut self, place: Place) {
        self.place = place;
        // Other marks than those that were kept would be numbered otherwise.
        self.facts.grain_ns = place.grain_ns.unwrap_or(self.facts.grain_ns);
    }

    /// Whether the record that ends a run in order was read.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// What has come since, or `None` where nothing has; ends with the record by which there are `rows_max` rows. Market data that holds no row moves the place as well.
    ///
    /// # Errors
    /// The log is damaged, or a record is none of this version.
    pub fn next_batch(&mut self, rows_max: usize) -> Result<Option<Batch>, TrailError> {
        let mut batch = Batch { from: self.next.max(self.place.seq), ..Batch::default() };
        let run = &self.run;
        let mut taken = 0;
        while taken < RECORDS_MAX && batch.rows.len() < rows_max {
            let Some(r) = self.reader.next().map_err(failed(run))? else { break };
            let index = r.index;
            let record = Record::decode(r.kind, r.payload)
                .map_err(|e| TrailError { run: run.clone(), why: format!("record {index}: {e}") })?;
            if index != self.next {
                self.losses.push(Loss {
                    from: self.next,
                    to: index,
                    why: "the journal's segments were removed before they were read".into(),
                });
            }
            let ledger = match &mut self.ledger {
                Some(ledger) => ledger,
                None => self.ledger.insert(
                    Ledger::new(&self.journal, self.facts.grain_ns, index == 0).map_err(failed(run))?,
                ),
            };
            let rows = batch.rows.len();
            ledger.take(index, &record, &mut batch.rows, &mut batch.orders);
            self.next = index + 1;
            self.last_ns = ledger.now_ns();
            match record {
                Record::Hash { hash, .. } => self.state_hash = Some(hash),
                Record::End { hash } => (self.state_hash, self.ended) = (Some(hash), true),
                _ => {}
            }
            if index < self.place.seq {
                batch.rows.truncate(rows);
                batch.orders.clear();
            } else {
                if index == self.place.seq {
                    let sub = self.place.sub;
                    let kept = batch.rows.split_off(rows).into_iter().filter(|r| r.sub >= sub);
                    batch.rows.extend(kept);
                }
                taken += 1;
            }
        }
        if taken == 0 {
            return Ok(None);
        }
        batch.to = self.next;
        batch.last_ns = self.last_ns;
        batch.state_hash = self.state_hash;
        batch.ended = if self.ended { Ended::InOrder } else { Ended::Not };
        batch.losses = std::mem::take(&mut self.losses);
        batch.losses.retain(|l| l.to > self.place.seq);
        for loss in &mut batch.losses {
            loss.from = loss.from.max(self.place.seq);
        }
        Ok(Some(batch))
    }

    /// Says that nothing will follow: the process is gone.
    #[must_use]
    pub fn closing(&self) -> Batch {
        let at = self.next.max(self.place.seq);
        Batch {
            from: at,
            to: at,
            ended: if self.ended { Ended::InOrder } else { Ended::InDisorder },
            last_ns: self.last_ns,
            state_hash: self.state_hash,
            ..Batch::default()
        }
    }

    /// Where nothing more comes: looks whether the segment that is waited for was removed, and goes on with the first that is there. Answers whether it was.
    ///
    /// # Errors
    /// The log cannot be opened.
    pub fn pass_removed(&mut self) -> Result<bool, TrailError> {
        let mut again = open(&self.run)?;
        let first = again.next().map_err(failed(&self.run))?.map(|r| r.index);
        if first.is_none_or(|first| first <= self.next) {
            return Ok(false);
        }
        self.reader = open(&self.run)?;
        // What it knew of accounts is not known any more.
        self.ledger = None;
        Ok(true)
    }
}

/// SHA-256 of the program that ran, where the run's folder says it.
fn binary(run: &Path) -> Option<String> {
    let said: toml::Table = std::fs::read_to_string(run.join("manifest.toml")).ok()?.parse().ok()?;
    Some(said.get("binary_sha256")?.as_str()?.to_owned())
}

/// The runs in a core's journal folder, oldest first; a run's own folder is the only one.
///
/// # Errors
/// The folder cannot be read.
pub fn runs(given: &Path) -> std::io::Result<Vec<(u32, PathBuf)>> {
    let number = |path: &Path| {
        path.file_name()
            .and_then(|n| n.to_str())
            .and_then(|n| n.strip_prefix("run-"))
            .and_then(|n| n.parse::<u32>().ok())
    };
    if given.join("core").is_dir() {
        return Ok(vec![(number(given).unwrap_or(0), given.to_owned())]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(given)? {
        let path = entry?.path();
        if let Some(n) = number(&path) {
            found.push((n, path));
        }
    }
    found.sort();
    Ok(found)
}
