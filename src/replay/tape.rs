//! A journal's records in order, with the events of what it heard: for whoever has the records and wants the market beside them.

use std::path::Path;

use backtest::latency::Latency;
use model::{FeedStatus, MarketEvent, Nanos};
use ringbuf::log::Reader;

use super::filed::Filed;
use super::market::{Batch, FeedMarket};
use super::{Journal, ReplayError, feeds};
use crate::config::Config;
use crate::journal::{Record, RecordError, RunDir};

/// Where it comes from.
enum From {
    Journal(Box<(Reader, Vec<FeedMarket>)>),
    File(Box<Filed>),
}

/// See the module.
pub struct Tape {
    from: From,
    events: Vec<MarketEvent>,
}

impl Tape {
    /// Before the first record.
    ///
    /// # Errors
    /// The log or a capture is there and cannot be opened.
    pub fn open(journal: &Journal) -> Result<Tape, ReplayError> {
        let log = Reader::open(RunDir::core(&journal.run))?;
        Ok(Tape { from: From::Journal(Box::new((log, feeds(journal)?))), events: Vec::new() })
    }

    /// A file of the market as what a run would have heard of it, from this midnight on and so far away from the venue.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn of_file(
        file: &Path,
        config: &Config,
        latency: &Latency,
        midnight: Nanos,
    ) -> Result<Tape, ReplayError> {
        let filed = Filed::open(file, config, latency, midnight)?;
        Ok(Tape { from: From::File(Box::new(filed)), events: Vec::new() })
    }

    /// The next record and its number; [`Tape::events`] then has what it brought.
    ///
    /// # Errors
    /// What cannot be read: the log, a record, or the market data that it names.
    pub fn advance(&mut self) -> Result<Option<(u64, Record)>, ReplayError> {
        self.events.clear();
        let (log, feeds) = match &mut self.from {
            From::Journal(of) => (&mut of.0, &mut of.1),
            From::File(filed) => return filed.advance(&mut self.events),
        };
        let Some(r) = log.next()? else { return Ok(None) };
        let index = r.index;
        let wrong = |source| ReplayError::Record { index, source };
        let record = Record::decode(r.kind, r.payload).map_err(wrong)?;
        match record {
            Record::Market { now, feed, count, first } | Record::Snapshot { now, feed, count, first } => {
                let is_snapshot = matches!(record, Record::Snapshot { .. });
                let batch = Batch { received: now, is_snapshot, first, count };
                let of = feeds.get_mut(feed.index());
                of.ok_or(wrong(RecordError::Malformed(2)))?.load(index, batch, &mut self.events)?;
            }
            Record::Feed { feed, status, .. } => {
                let of = feeds.get_mut(feed.index()).ok_or(wrong(RecordError::Malformed(3)))?;
                match status {
                    FeedStatus::NewSession => of.new_session(),
                    FeedStatus::Lost { from, to } => of.lose(from, to),
                    FeedStatus::SnapshotBegin => of.snapshot(index)?,
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(Some((index, record)))
    }

    /// What the last record brought of the market; nothing where it is of another kind.
    #[must_use]
    pub fn events(&self) -> &[MarketEvent] {
        &self.events
    }
}
