//! A feed's market data for a replay: the capture that lies beside the journal, or a file of the same session.
//!
//! The journal names batches of messages that held something for the engine. Everything between two of them was delivered too and held nothing, and goes through the
//! decoder all the same, so that it learns what the feed's own did; what was lost was never delivered and does not.

use std::path::Path;

use feeds::binaryfile::Messages;
use feeds::protocol::Wanted;
use model::{FeedId, Instrument, MarketEvent, Nanos};

use super::ReplayError;
use crate::config;
use crate::journal::{CaptureError, CaptureReader};
use crate::protocol::Decoder;
use crate::source::Source;

/// The batch that a Market record names.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    /// When its packet was received.
    pub received: Nanos,
    /// Whether it is of a snapshot.
    pub is_snapshot: bool,
    /// Sequence of its first message.
    pub first: u64,
    /// How many messages.
    pub count: u32,
}

/// Where the bytes come from.
enum From {
    /// Batches, as they were delivered.
    Capture(Box<CaptureReader>),
    /// Messages; those of the ranges were lost by the run.
    File {
        source: Box<Source>,
        lost: Vec<(u64, u64)>,
    },
    Nowhere,
}

/// See the module.
pub(super) struct FeedMarket {
    id: FeedId,
    name: String,
    from: From,
    decoder: Decoder,
    /// The sequence after the last message read.
    next: u64,
    /// A new session began of which no batch was read yet.
    is_new_session: bool,
}

impl FeedMarket {
    /// From the capture in `dir`; from nowhere where there is none.
    pub(super) fn from_capture(
        id: FeedId,
        feed: &config::Feed,
        instruments: &[Instrument],
        dir: &Path,
    ) -> Result<FeedMarket, ReplayError> {
        let from =
            if dir.exists() { From::Capture(Box::new(CaptureReader::open(dir, id)?)) } else { From::Nowhere };
        Ok(FeedMarket::new(id, feed, instruments, from))
    }

    /// From a file.
    pub(super) fn from_file(
        id: FeedId,
        feed: &config::Feed,
        instruments: &[Instrument],
        file: &Path,
    ) -> Result<FeedMarket, ReplayError> {
        let from = From::File { source: Box::new(Source::open(file)?), lost: Vec::new() };
        Ok(FeedMarket::new(id, feed, instruments, from))
    }

    fn new(id: FeedId, feed: &config::Feed, instruments: &[Instrument], from: From) -> FeedMarket {
        let decoder = Decoder::new(feed.protocol, Wanted { instruments, live_orders: feed.live_orders });
        FeedMarket { id, name: feed.id.clone(), from, decoder, next: 1, is_new_session: false }
    }

    /// The feed went over to another session. A capture may hold batches of the old one that are not read yet, so the decoder forgets when the first of the
    /// new one is read.
    pub(super) fn new_session(&mut self) {
        self.is_new_session = true;
    }

    /// Messages `[from, to)` were not delivered.
    pub(super) fn lose(&mut self, from: u64, to: u64) {
        if let From::File { lost, .. } = &mut self.from {
            lost.push((from, to));
        }
    }

    /// A snapshot follows.
    pub(super) fn snapshot(&self, index: u64) -> Result<(), ReplayError> {
        match self.from {
            From::File { .. } => Err(ReplayError::SnapshotNotInFile { index, feed: self.name.clone() }),
            From::Capture(_) | From::Nowhere => Ok(()),
        }
    }

    /// Appends the events of a batch to `events`.
    pub(super) fn load(
        &mut self,
        index: u64,
        batch: Batch,
        events: &mut Vec<MarketEvent>,
    ) -> Result<(), ReplayError> {
        match self.from {
            From::Capture(_) => {
                self.load_captured(batch, events).map_err(|source| ReplayError::Capture { index, source })
            }
            From::File { .. } => self.load_from_file(index, batch, events),
            From::Nowhere => Err(ReplayError::NoMarketData { index, feed: self.name.clone() }),
        }
    }

    fn missing(&self, batch: Batch) -> CaptureError {
        CaptureError::Missing { feed: self.id, first: batch.first, count: batch.count }
    }

    fn load_captured(&mut self, batch: Batch, events: &mut Vec<MarketEvent>) -> Result<(), CaptureError> {
        let missing = self.missing(batch);
        let From::Capture(capture) = &mut self.from else { return Err(missing) };
        loop {
            events.clear();
            let Some(read) = capture.next_batch()? else { return Err(missing) };
            // By time too: two sessions may have a batch of the same numbers.
            let numbers = (read.received, read.first, read.count);
            let is_it = read.is_snapshot == batch.is_snapshot
                && numbers == (batch.received, batch.first, batch.count);
            if self.is_new_session && (is_it || (!read.is_snapshot && read.first < self.next)) {
                self.is_new_session = false;
                self.decoder.reset();
            }
            if !read.is_snapshot {
                self.next = read.first.saturating_add(u64::from(read.count));
            }
            let mut messages = 0;
            for message in Messages::new(read.framed).flatten() {
                messages += 1;
                // What is refused here was refused there.
                let _ = self.decoder.decode(message, |event| events.push(event));
            }
            if is_it && messages != batch.count {
                return Err(missing);
            }
            if is_it {
                return Ok(());
            }
        }
    }

    fn load_from_file(
        &mut self,
        index: u64,
        batch: Batch,
        events: &mut Vec<MarketEvent>,
    ) -> Result<(), ReplayError> {
        let missing = ReplayError::Capture { index, source: self.missing(batch) };
        let end = batch.first.saturating_add(u64::from(batch.count));
        let From::File { source, lost } = &mut self.from else { return Err(missing) };
        // A file holds one session.
        if self.is_new_session || batch.first < self.next {
            return Err(missing);
        }
        let mut found = 0;
        while self.next < end {
            let Some(message) = source.next_message()? else { return Err(missing) };
            let sequence = message.sequence;
            if sequence >= end {
                return Err(missing);
            }
            self.next = sequence + 1;
            lost.retain(|(_, to)| *to > sequence);
            if lost.iter().any(|(from, _)| *from <= sequence) {
                continue;
            }
            let is_in = sequence >= batch.first;
            found += u32::from(is_in);
            let _ = self.decoder.decode(message.bytes, |event| {
                if is_in {
                    events.push(event);
                }
            });
        }
        if found == batch.count { Ok(()) } else { Err(missing) }
    }
}
