//! The hot side of a log: appends with plain stores.
use super::error::AppendError;
use super::format::{HEADER_BYTES, RECORD_HEADER_BYTES, open_segment, record_bytes, record_bytes_max};
use super::record::{END, PADDING, publish, publish_parts, publish_words};
use super::segment::Prepared;
use crate::sync::{AtomicU64, Ordering};
use crate::words::Words;
use crossbeam_utils::CachePadded;
use std::sync::Arc;

/// What the writer tells the keeper all the time; on a line of its own.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Segment (high half) and byte in it (low half) behind the last record.
    pub tail: AtomicU64,
    /// 1 when the writer finished.
    pub finished: AtomicU64,
}

/// A segment on its way back to the keeper.
#[derive(Debug)]
pub(super) struct Returned {
    pub segment: u32,
    /// Bytes used, closing record included.
    pub used: usize,
    /// Dropped, hence possibly unmapped, by the keeper and not by the hot thread.
    pub _words: Words,
}

/// The writing end of a log; see the [module](super).
///
/// Dropped without [`finish`](Self::finish) (a panic, an abrupt stop) it leaves a log without a clean end, which
/// is the truth; no committed record is lost.
#[derive(Debug)]
pub struct Writer {
    current: Prepared,
    /// Next word to write, and the first that only a closing record may use.
    at: usize,
    limit: usize,
    index: u64,
    record_max: usize,
    reserve: u64,
    ready: rtrb::Consumer<Prepared>,
    returned: rtrb::Producer<Returned>,
    shared: Arc<CachePadded<Shared>>,
}

const HEADER_WORDS: usize = HEADER_BYTES / 8;
const CLOSING_WORDS: usize = RECORD_HEADER_BYTES / 8;

/// Bytes of a segment that records can use: not the header, not the closing record.
pub(super) const fn usable_bytes(segment_bytes: usize) -> usize {
    segment_bytes - HEADER_BYTES - RECORD_HEADER_BYTES
}

impl Writer {
    pub(super) fn new(
        first: Prepared,
        reserve: usize,
        ready: rtrb::Consumer<Prepared>,
        returned: rtrb::Producer<Returned>,
        shared: Arc<CachePadded<Shared>>,
    ) -> Self {
        let words = first.words.len();
        let mut writer = Self {
            current: first,
            at: HEADER_WORDS,
            limit: words - CLOSING_WORDS,
            index: 0,
            record_max: record_bytes_max(words * 8),
            reserve: reserve as u64,
            ready,
            returned,
            shared,
        };
        writer.begin();
        writer
    }

    /// Appends one record and commits it; returns its index. Plain stores and one checksum: no syscall, no
    /// allocation, no wait. Committed means that it survives this process (`kill -9`); when it survives the
    /// machine is the [`SyncPolicy`](super::SyncPolicy)'s.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing is written then.
    #[inline]
    pub fn append(&mut self, kind: u16, payload: &[u8]) -> Result<u64, AppendError> {
        self.append_with(payload.len(), |place, seed, index| publish(place, seed, index, kind, 0, payload))
    }

    /// As [`append`](Self::append), of a payload whose fields were put together in whole words: its first `len` bytes, little-endian; what is beyond them
    /// in the last word has to be zero. Cheaper than bytes that were stored field by field, for these have to reach the cache before they can be
    /// read as words.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing is written then.
    ///
    /// # Panics
    ///
    /// When there are not as many words as `len` bytes take.
    #[inline]
    pub fn append_words(&mut self, kind: u16, words: &[u64], len: usize) -> Result<u64, AppendError> {
        assert!(words.len() == len.div_ceil(8), "as many words as the bytes take");
        self.append_with(len, |place, seed, index| publish_words(place, seed, index, kind, words, len))
    }

    /// As [`append`](Self::append), of a payload in several parts, which are joined without a copy between.
    /// Costs up to 30 ns more than one piece, least when the parts are whole words: for parts that would otherwise
    /// have to be copied together.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing is written then.
    pub fn append_parts(&mut self, kind: u16, parts: &[&[u8]]) -> Result<u64, AppendError> {
        let payload = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        self.append_with(payload, |place, seed, index| publish_parts(place, seed, index, kind, parts))
    }

    #[inline(always)]
    fn append_with(
        &mut self,
        payload: usize,
        publish: impl FnOnce(&[AtomicU64], u32, u64),
    ) -> Result<u64, AppendError> {
        if payload > self.record_max - RECORD_HEADER_BYTES {
            return Err(AppendError::TooLarge);
        }
        let words = record_bytes(payload) / 8;
        if self.at + words > self.limit {
            self.roll()?;
        }
        let index = self.index;
        publish(&self.current.words[self.at..self.at + words], self.current.seed, index);
        self.at += words;
        self.index = index + 1;
        self.tell();
        Ok(index)
    }

    /// Largest payload that a record takes, in bytes.
    #[must_use]
    pub fn payload_max(&self) -> usize {
        self.record_max - RECORD_HEADER_BYTES
    }

    /// Index of the next record: how many there are.
    #[must_use]
    pub fn next_index(&self) -> u64 {
        self.index
    }

    /// Bytes that can still surely be written with the segments at hand: any records whose
    /// [`record_bytes`] add up to no more than this will be taken, whatever their sizes. A segment's end that the
    /// largest record might not fit is not counted. Cost: one load of the keeper's cache line.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> u64 {
        let here = (self.limit - self.at) * 8;
        let ready = self.ready.slots();
        if ready == 0 {
            return here as u64;
        }
        // Leaving a segment for the next wastes less than one record.
        let waste = self.record_max - 8;
        let full = usable_bytes(self.current.words.len() * 8);
        (here.saturating_sub(waste) + (ready - 1) * (full - waste) + full) as u64
    }

    /// Whether less than the configured reserve is left. The caller stops *causing* records when this turns true;
    /// those still on their way may use the reserve.
    #[inline]
    #[must_use]
    pub fn low(&self) -> bool {
        self.headroom() < self.reserve
    }

    /// Marks the clean end and gives the segment back; plain stores. The keeper's `close` does the rest.
    pub fn finish(mut self) {
        self.close(END);
        let used = self.at * 8;
        let Self { current, mut returned, shared, .. } = self;
        give_back(&mut returned, current, used);
        // Pairs with the acquire load of the keeper: the ring is filled before.
        shared.finished.store(1, Ordering::Release);
    }

    /// Goes on in the next segment. The old one is closed only when there is a next.
    #[cold]
    fn roll(&mut self) -> Result<(), AppendError> {
        let Ok(next) = self.ready.pop() else { return Err(AppendError::NoSegment) };
        self.close(PADDING);
        let used = self.at * 8;
        let old = std::mem::replace(&mut self.current, next);
        give_back(&mut self.returned, old, used);
        self.at = HEADER_WORDS;
        self.begin();
        Ok(())
    }

    fn begin(&mut self) {
        open_segment(&self.current.words, self.current.seed, self.index);
        self.tell();
    }

    /// Writes a closing record, for which `limit` always leaves room.
    fn close(&mut self, flags: u16) {
        let place = &self.current.words[self.at..self.at + CLOSING_WORDS];
        publish(place, self.current.seed, self.index, 0, flags, &[]);
        self.at += CLOSING_WORDS;
    }

    #[inline(always)]
    fn tell(&self) {
        let tail = u64::from(self.current.segment) << 32 | (self.at * 8) as u64;
        // Release: the keeper syncs what it reads here.
        self.shared.tail.store(tail, Ordering::Release);
    }
}

/// The ring holds as many segments as exist at once, so that this never fails; if it did, the segment would
/// merely be unmapped here and cut by nobody.
fn give_back(returned: &mut rtrb::Producer<Returned>, old: Prepared, used: usize) {
    let back = Returned { segment: old.segment, used, _words: old.words };
    let pushed = returned.push(back);
    debug_assert!(pushed.is_ok(), "more segments than the keeper made");
}
