//! Reading the records of one segment, live or closed, from anything that can be read at an offset.
//!
//! ```text
//!            +--- commit word 0, file short --> Pending(Unwritten | Cut)   (asked again: looks again)
//!   judge ---+--- good --> Record ; padding --> Closed ; end --> Ended
//!            +--- bad, second look bad too ---+--- committed, or later records valid --> Corrupt
//!                                             +--- neither --> Pending(Garbage)
//! ```
//!
//! # Why `pread` and not a mapping
//!
//! A file may shrink under its reader (the keeper cuts a finished segment to its used length; a hostile
//! process whatever it likes): in a mapping that is a SIGBUS, here a short count. The copy is also private:
//! what was checked cannot change before it is used. A read costs a syscall (a quarter of a microsecond) for up to
//! [`STEP_MAX`] bytes; the step grows from a page while the reader is behind and falls back when it has caught up.
//!
//! # Bounds
//!
//! Memory is one buffer. Every call ends: it looks at most twice at each place, and the search for later records
//! checksums at most [`SEARCH_BYTES_MAX`] before it refuses.
use super::error::CorruptFault;
use super::format::{HEADER_BYTES, Header, HeaderFault, RECORD_BYTES_MAX, RECORD_HEADER_BYTES};
use super::format::{record_bytes, record_bytes_max};
use super::record::{END, Good, Judged, PADDING, RecordFault, judge};
use crate::sync::{Ordering, fence};
use std::io;

const STEP_MIN: usize = 4096;
/// Most bytes read at once.
pub const STEP_MAX: usize = 2 * RECORD_BYTES_MAX;
/// Most bytes summed in one search for records behind a bad place. Far above what an honest log needs (each
/// byte is summed about once); a file made to defeat the search is refused, not followed.
pub const SEARCH_BYTES_MAX: u64 = 4 << 30;

/// Something that can be read at an offset: a file, a slice.
pub trait Source {
    /// Copies bytes from `offset` on; returns how many, 0 at the end.
    ///
    /// # Errors
    ///
    /// Whatever the source has.
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize>;
}

#[cfg(not(loom))]
impl Source for std::fs::File {
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, to, offset)
    }
}

impl Source for &[u8] {
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or(&[]);
        let len = from.len().min(to.len());
        to[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }
}

/// Why a log ends where it does, when it does not end cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TornCause {
    /// Nothing was committed behind: the writer is alive, or died between two records.
    Unwritten,
    /// The file ends inside the place of the next record.
    Cut,
    /// What is there was never a record expected there, and nothing valid follows.
    Garbage,
}

/// What a scan found next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A record: read it with [`Scan::payload`] before the next step.
    Record {
        /// Its index.
        index: u64,
        /// Its kind.
        kind: u16,
        /// Where it lies in the segment.
        offset: u64,
    },
    /// The segment is closed; the next one begins with this index.
    Closed(u64),
    /// The log is closed, after this many records.
    Ended(u64),
    /// Nothing more, so far.
    Pending(TornCause),
}

/// Why a scan cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The source failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The header is not right.
    #[error("{0}")]
    Header(#[from] HeaderFault),
    /// A record was there and is not any more.
    #[error("byte {offset}: record {index} is corrupt ({fault})")]
    Corrupt {
        /// Where.
        offset: u64,
        /// The index expected there.
        index: u64,
        /// What is wrong.
        fault: CorruptFault,
    },
}

/// A walk over the records of one segment.
#[derive(Debug)]
pub struct Scan<S> {
    source: S,
    header: Header,
    seed: u32,
    first_index: u64,
    index: u64,
    /// Offset of the next record.
    at: u64,
    buffer: Box<[u8]>,
    /// Offset of the first byte in the buffer, and how many bytes hold.
    buffer_at: u64,
    buffer_len: usize,
    step: usize,
    payload: std::ops::Range<usize>,
}

impl<S: Source> Scan<S> {
    /// Reads the header; `None` when the segment is prepared but not begun. Allocates its buffer.
    ///
    /// # Errors
    ///
    /// [`ScanError::Header`], [`ScanError::Io`].
    pub fn open(source: S) -> Result<Option<Self>, ScanError> {
        let mut bytes = [0; HEADER_BYTES];
        let mut decoded = Err(HeaderFault::Short);
        for _ in 0..2 {
            let len = read_full(&source, &mut bytes, 0)?;
            decoded = Header::decode(&bytes[..len]);
            if decoded.is_ok() {
                break;
            }
            // Pairs with the release store that opens a segment; as S3 of `record`.
            fence(Ordering::Acquire);
        }
        let (header, Some(first_index)) = decoded? else { return Ok(None) };
        let buffer = vec![0; STEP_MAX.min(header.segment_bytes)].into_boxed_slice();
        Ok(Some(Self {
            source,
            header,
            seed: header.seed(),
            first_index,
            index: first_index,
            at: HEADER_BYTES as u64,
            buffer,
            buffer_at: 0,
            buffer_len: 0,
            step: STEP_MIN,
            payload: 0..0,
        }))
    }

    /// The segment's header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Index of the segment's first record.
    pub fn first_index(&self) -> u64 {
        self.first_index
    }

    /// Index of the next record.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Offset of the next record in the segment.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Goes to the place of the record `index`, before the first step; `false` where the segment can have no such place. What stands there is judged by the next step.
    pub fn go_to(&mut self, offset: u64, index: u64) -> bool {
        let begins = HEADER_BYTES as u64;
        let records = index.checked_sub(self.first_index);
        let room = offset.checked_sub(begins).map(|bytes| bytes / RECORD_HEADER_BYTES as u64);
        let fits = records
            .zip(room)
            .is_some_and(|(records, room)| records <= room && (records > 0 || offset == begins));
        if !fits || !offset.is_multiple_of(8) || offset > self.header.segment_bytes as u64 {
            return false;
        }
        (self.at, self.index, self.buffer_len) = (offset, index, 0);
        true
    }

    /// Payload of the record that the last step found; empty after another step.
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// Looks at the next place. A record is passed; at anything else the scan stays, and looks again when it
    /// is asked again.
    ///
    /// # Errors
    ///
    /// [`ScanError::Io`], [`ScanError::Corrupt`].
    pub fn step(&mut self) -> Result<Step, ScanError> {
        self.payload = 0..0;
        // What is in the buffer may have been copied before it was committed, so nothing but a good record
        // is believed from it.
        if let Judged::Good(good) = self.judge() {
            return Ok(self.pass(good));
        }
        let mut judged = Judged::Uncommitted;
        for _ in 0..2 {
            // S3: pairs with the release store of the commit word.
            fence(Ordering::Acquire);
            self.fill(self.step)?;
            judged = self.judge();
            if let Judged::Short(need) = judged
                && need > self.step
            {
                self.fill(need)?;
                judged = self.judge();
            }
            match judged {
                Judged::Good(good) => {
                    self.step = (self.step * 2).min(self.buffer.len());
                    return Ok(self.pass(good));
                }
                // A file can only get longer, a place only be committed, by a live writer: next time.
                Judged::Uncommitted | Judged::Short(_) => break,
                Judged::Bad(_) => {}
            }
        }
        self.step = STEP_MIN;
        match judged {
            Judged::Bad(fault) => self.refuse(fault),
            Judged::Short(_) => Ok(Step::Pending(TornCause::Cut)),
            Judged::Uncommitted | Judged::Good(_) => Ok(Step::Pending(TornCause::Unwritten)),
        }
    }

    /// Whether a valid later record stands anywhere behind the next place: then that place is a hole, not
    /// the end. Reads the rest of the segment; for a log whose writer is gone.
    ///
    /// # Errors
    ///
    /// [`ScanError::Io`].
    pub fn later_record(&mut self) -> Result<bool, ScanError> {
        let end = self.header.segment_bytes as u64;
        let most = record_bytes_max(self.header.segment_bytes);
        let mut budget = SEARCH_BYTES_MAX;
        let mut at = self.at + 8;
        self.payload = 0..0;
        // A search before this one has left the buffer somewhere behind.
        (self.buffer_at, self.buffer_len) = (at, 0);
        let mut whole = false;
        while at + RECORD_HEADER_BYTES as u64 <= end {
            // Refilled while a record at `at` might reach past the buffer, until the file's end is in it.
            let reach = (self.buffer_at + self.buffer_len as u64).saturating_sub(at);
            if !whole && reach < most as u64 {
                self.buffer_len = read_full(&self.source, &mut self.buffer, at)?;
                self.buffer_at = at;
                whole = self.buffer_len < self.buffer.len();
            }
            let bytes = &self.buffer[((at - self.buffer_at) as usize).min(self.buffer_len)..self.buffer_len];
            let Some(header) = bytes.first_chunk::<RECORD_HEADER_BYTES>() else { return Ok(false) };
            let low = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
            let ahead = low.wrapping_sub(self.index as u32);
            // Between here and there lie at most so many records.
            if u64::from(ahead) <= (at - self.at) / RECORD_HEADER_BYTES as u64 {
                let room = ((end - at) as usize).min(most);
                match judge(bytes, room, self.seed, self.index.wrapping_add(u64::from(ahead))) {
                    Judged::Good(_) => return Ok(true),
                    Judged::Bad(RecordFault::Checksum) => {
                        let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
                        budget = budget.saturating_sub(u64::from(len));
                        if budget == 0 {
                            return Ok(true);
                        }
                    }
                    _ => {}
                }
            }
            at += 8;
        }
        Ok(false)
    }

    fn judge(&self) -> Judged {
        let room = (self.header.segment_bytes as u64).saturating_sub(self.at) as usize;
        let room = room.min(record_bytes_max(self.header.segment_bytes));
        let from = self.at.checked_sub(self.buffer_at).map_or(usize::MAX, |from| from as usize);
        let bytes = self.buffer[..self.buffer_len].get(from..).unwrap_or(&[]);
        judge(bytes, room, self.seed, self.index)
    }

    fn pass(&mut self, good: Good) -> Step {
        let offset = self.at;
        match good.flags {
            PADDING => Step::Closed(self.index),
            END => Step::Ended(self.index),
            _ => {
                let index = self.index;
                let from = (self.at - self.buffer_at) as usize + RECORD_HEADER_BYTES;
                self.payload = from..from + good.payload;
                self.at += record_bytes(good.payload) as u64;
                self.index = index.wrapping_add(1);
                Step::Record { index, kind: good.kind, offset }
            }
        }
    }

    /// Copies up to `len` bytes from the next place on to the front of the buffer.
    fn fill(&mut self, len: usize) -> Result<(), ScanError> {
        let len = len.min(self.buffer.len());
        self.buffer_at = self.at;
        self.buffer_len = 0;
        self.buffer_len = read_full(&self.source, &mut self.buffer[..len], self.at)?;
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, fault: RecordFault) -> Result<Step, ScanError> {
        if fault == RecordFault::Checksum || self.later_record()? {
            let fault = CorruptFault::Record(fault);
            return Err(ScanError::Corrupt { offset: self.at, index: self.index, fault });
        }
        Ok(Step::Pending(TornCause::Garbage))
    }
}

/// Reads until `to` is full or the source ends.
fn read_full(source: &impl Source, to: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < to.len() {
        match source.read_at(&mut to[len..], offset + len as u64) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}
