//! Where a journal's rows are kept: what a row is, and what every store promises.
//!
//! ```text
//!   journal --Ledger--> Batch { records [from, to), rows } --Store::keep--> all of it and the new place, or nothing
//! ```
//!
//! | module | story |
//! |---|---|
//! | `tables` | the tables and their columns |
//! | `sqlite` | one file, no server |
//! | `postgres` | binary COPY |
//! | `timescale` | hypertables and continuous aggregates, where that extension is there |
//! | `jetstream` | the rows as messages, for whoever wants them elsewhere |
//! | `tls` | which connections are encrypted, and by whom a server is vouched for |
//! | `ask` | questions to a store: the report's |
//!
//! Exactly once: the place in the journal changes in the transaction that adds the rows, and only from the place that the batch begins at. So a batch that was kept although its
//! answer was lost is not kept again, and of two who ship the same journal one is refused.

pub mod ask;
pub mod jetstream;
pub mod postgres;
pub mod secret;
pub mod sqlite;
pub mod tables;
mod timescale;
pub mod tls;

use std::collections::BTreeMap;

pub use tables::{Kind, Table};

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// None.
    Null,
    /// A number.
    Int(i64),
    /// A word.
    Text(String),
}

impl From<i64> for Cell {
    fn from(v: i64) -> Cell {
        Cell::Int(v)
    }
}

impl From<u32> for Cell {
    fn from(v: u32) -> Cell {
        Cell::Int(v.into())
    }
}

impl From<u64> for Cell {
    /// Saturates: a time or a count beyond 63 bits is none that a core wrote.
    fn from(v: u64) -> Cell {
        Cell::Int(i64::try_from(v).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Cell {
    fn from(v: bool) -> Cell {
        Cell::Int(v.into())
    }
}

impl From<&str> for Cell {
    fn from(v: &str) -> Cell {
        Cell::Text(v.into())
    }
}

impl From<String> for Cell {
    fn from(v: String) -> Cell {
        Cell::Text(v)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(v: Option<T>) -> Cell {
        v.map_or(Cell::Null, Into::into)
    }
}

/// A row of a table, without the run that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which table.
    pub table: &'static Table,
    /// The journal's record.
    pub seq: u64,
    /// The row's number within it.
    pub sub: u32,
    /// Of the input that it came of, ns since the Unix epoch.
    pub time_ns: u64,
    /// The table's own columns.
    pub cells: Vec<Cell>,
}

impl Row {
    /// The columns behind the run's, in the table's order.
    pub fn all(&self) -> impl Iterator<Item = Cell> + '_ {
        [self.seq.into(), Cell::from(self.sub), self.time_ns.into()]
            .into_iter()
            .chain(self.cells.iter().cloned())
    }
}

/// What a run is known by, and what it was started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// The core's name.
    pub core: String,
    /// The run's number.
    pub run: u32,
    /// When it began, ns since the Unix epoch: a folder that was emptied counts its runs anew. 0 where the record that says it is gone: then the last run of this number is meant.
    pub started_ns: u64,
    /// The run's folder.
    pub journal: String,
    /// The journal's format.
    pub format: u32,
    /// Of the configuration, as the journal has it.
    pub config_hash: u64,
    /// The configuration, without secrets.
    pub config_toml: String,
    /// The strategy's name.
    pub strategy: String,
    /// SHA-256 of the program that ran, where the run says it.
    pub binary_sha256: Option<String>,
    /// From one mark to the next.
    pub grain_ns: u64,
}

/// How a run ended, as far as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Ended {
    /// It goes on, or there is more to be read.
    #[default]
    Not = 0,
    /// In order.
    InOrder = 1,
    /// The process was killed, or the machine failed.
    InDisorder = 2,
}

impl Ended {
    /// Of the number in the table.
    #[must_use]
    pub fn of(code: i64) -> Ended {
        match code {
            1 => Ended::InOrder,
            2 => Ended::InDisorder,
            _ => Ended::Not,
        }
    }
}

/// Records that were gone before they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The first.
    pub from: u64,
    /// Behind the last.
    pub to: u64,
    /// Why.
    pub why: String,
}

/// The rows of the records `[from, to)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The first record.
    pub from: u64,
    /// Behind the last.
    pub to: u64,
    /// What is added.
    pub rows: Vec<Row>,
    /// What is put in the place of what was there, by order.
    pub orders: BTreeMap<u32, Row>,
    /// What was lost.
    pub losses: Vec<Loss>,
    /// How the run ended, if it has.
    pub ended: Ended,
    /// The time of the last record.
    pub last_ns: u64,
    /// The last hash of the engine's state.
    pub state_hash: Option<u64>,
}

impl Batch {
    /// What of it a store that stands at `place` has not. `None` where it has all.
    #[must_use]
    pub fn behind(mut self, place: Place) -> Option<Batch> {
        let is_ended = self.ended == Ended::Not || self.ended == place.ended;
        if place.seq >= self.to && is_ended {
            return None;
        }
        self.rows.retain(|r| (r.seq, r.sub) >= (place.seq, place.sub));
        self.losses.retain(|l| l.to > place.seq);
        self.from = self.from.max(place.seq);
        Some(self)
    }
}

/// Up to where a store has a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The next record.
    pub seq: u64,
    /// The next row within it.
    pub sub: u32,
    /// How the run ended, where all of it is there.
    pub ended: Ended,
    /// The grain that the run was begun with, where the store knows it.
    pub grain_ns: Option<u64>,
}

/// Why a store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is not there, or went away in the middle: it may come back, and what was asked may have been done.
    #[error("{0}")]
    Away(String),
    /// It is there and will not: another try is in vain.
    #[error("{0}")]
    Refused(String),
}

impl StoreError {
    /// A refusal.
    pub fn refused(why: impl std::fmt::Display) -> StoreError {
        StoreError::Refused(why.to_string())
    }

    /// A loss.
    pub fn away(why: impl std::fmt::Display) -> StoreError {
        StoreError::Away(why.to_string())
    }
}

/// What every store promises: see the module.
pub trait Store {
    /// What it is to a person: no secrets.
    fn name(&self) -> &str;

    /// Connects where it is not, and says up to where it has this run; one that it has not begins here.
    ///
    /// # Errors
    /// [`StoreError`].
    fn place(&mut self, run: &RunFacts) -> Result<Place, StoreError>;

    /// Keeps a batch of the run asked for last, all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; where it is `Away` the place has to be asked for again.
    fn keep(&mut self, batch: &Batch) -> Result<(), StoreError>;
}
