//! Raw market data as it was delivered: batches of whole messages with the time of the packet that completed them.
//!
//! One record a batch: received u64, first sequence u64, count u32 (little-endian), then `count` messages, each a big-endian u16 length and its
//! bytes, as in a BinaryFILE. The core journal's Market records name batches by first sequence and count, in the same order.
//!
//! A snapshot's messages have no sequence of the channel: their batches are a kind of their own with the same layout, count from 0 in each snapshot, and
//! are named by the core journal's Snapshot records.

use std::path::Path;

use model::{FeedId, Nanos};
use ringbuf::log::{AppendError, LogError, Reader, Writer};

use super::bytes::{Malformed, Take};

/// The kind of a batch of the stream ...
const BATCH: u16 = 1;
/// ... and of a batch of a snapshot.
const SNAPSHOT: u16 = 2;
const HEAD: usize = 20;

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// When the packet that completed it was received, ns since the Unix epoch.
    pub received: Nanos,
    /// Whether it is of a snapshot.
    pub is_snapshot: bool,
    /// Sequence of its first message; in a snapshot its place.
    pub first: u64,
    /// How many messages.
    pub count: u32,
    /// The messages, framed.
    pub framed: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads a capture's record; `None` where it is no batch. Its messages are not looked at.
    #[must_use]
    pub fn decode(kind: u16, payload: &'a [u8]) -> Option<Batch<'a>> {
        let mut t = Take(payload);
        let parse = |t: &mut Take<'_>| Ok::<_, Malformed>((Nanos(t.u64()?), t.u64()?, t.u32()?));
        if !matches!(kind, BATCH | SNAPSHOT) {
            return None;
        }
        let (received, first, count) = parse(&mut t).ok()?;
        Some(Batch { received, is_snapshot: kind == SNAPSHOT, first, count, framed: t.0 })
    }

    /// Appends it. No allocation, no syscall.
    ///
    /// # Errors
    /// [`AppendError`] where the log has no room.
    pub fn append(&self, log: &mut Writer) -> Result<u64, AppendError> {
        let mut head = [0u8; HEAD];
        head[..8].copy_from_slice(&self.received.0.to_le_bytes());
        head[8..16].copy_from_slice(&self.first.to_le_bytes());
        head[16..].copy_from_slice(&self.count.to_le_bytes());
        let kind = if self.is_snapshot { SNAPSHOT } else { BATCH };
        log.append_parts(kind, &[&head, self.framed])
    }
}

/// Why the market data that a journal refers to cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The batch is not there: the capture ended before, or holds other data.
    #[error("feed {feed}: there is no market data with the {count} messages from {first}")]
    Missing {
        /// The feed.
        feed: FeedId,
        /// First sequence asked for.
        first: u64,
        /// Messages asked for.
        count: u32,
    },
    /// A record is no batch.
    #[error("feed {feed}: capture record {index} is malformed")]
    Malformed {
        /// The feed.
        feed: FeedId,
        /// The record.
        index: u64,
    },
}

/// Reads a capture in step with the core journal.
pub struct CaptureReader {
    feed: FeedId,
    log: Reader,
}

impl CaptureReader {
    /// Opens the capture of a feed.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(dir: &Path, feed: FeedId) -> Result<CaptureReader, LogError> {
        Ok(CaptureReader { feed, log: Reader::open(dir)? })
    }

    /// The next batch, or `None` at the end.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_>>, CaptureError> {
        let feed = self.feed;
        let Some(record) = self.log.next()? else { return Ok(None) };
        let index = record.index;
        let batch = Batch::decode(record.kind, record.payload);
        batch.ok_or(CaptureError::Malformed { feed, index }).map(Some)
    }
}
