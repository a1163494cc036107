//! The index beside a recorded file (`FILE.itch.idx`): where in it a sequence or a time is.
//!
//! ```text
//!   0   "COLOIDX1"            big-endian, as the messages are
//!   8   sequence  u64         of the message at the offset
//!  16   received  u64         when it came, ns since the Unix epoch
//!  24   stamp     u64         when the venue made it, ns since its midnight (bytes 5..11 of an ITCH message); 0 where there is none
//!  32   offset    u64         of its length, in bytes from the start of the file
//!  40   ... the next mark, 32 bytes each
//! ```
//!
//! Invariants: the first message of a file has a mark, then every 1,024th ([`EVERY`]), then each whose sequence is not one more than its forerunner's, so
//! that from a mark to the next one sequences count up by one. All four fields grow. A mark is written after what it points at; a last mark that is not
//! whole is left out.

use std::path::{Path, PathBuf};

use model::Nanos;

/// How an index begins.
pub(super) const MAGIC: &[u8; 8] = b"COLOIDX1";
/// Messages from mark to mark.
pub const EVERY: u32 = 1_024;
/// Bytes of a mark.
const MARK: usize = 32;

/// Where one message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its sequence.
    pub sequence: u64,
    /// When it came, since the Unix epoch.
    pub received: Nanos,
    /// The venue's own stamp, since its midnight.
    pub stamp: Nanos,
    /// The byte of the file at which its length begins.
    pub offset: u64,
}

impl Mark {
    /// The mark of a message that begins at `offset`.
    pub(super) fn of(sequence: u64, received: Nanos, message: &[u8], offset: u64) -> Mark {
        let stamp = message.get(5..11).map_or(0, |b| b.iter().fold(0, |v, b| v << 8 | u64::from(*b)));
        Mark { sequence, received, stamp: Nanos(stamp), offset }
    }

    pub(super) fn encode(&self) -> [u8; MARK] {
        let mut bytes = [0; MARK];
        let fields = [self.sequence, self.received.0, self.stamp.0, self.offset];
        for (at, field) in bytes.chunks_exact_mut(8).zip(fields) {
            at.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Mark {
        let mut fields = bytes.chunks_exact(8).map(|b| b.iter().fold(0u64, |v, b| v << 8 | u64::from(*b)));
        let mut next = || fields.next().unwrap_or_default();
        Mark { sequence: next(), received: Nanos(next()), stamp: Nanos(next()), offset: next() }
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// A message by its sequence.
    Sequence(u64),
    /// The first message that came at this time or later.
    Received(Nanos),
    /// The first message that the venue made at this time of its day or later.
    Stamp(Nanos),
}

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{}: no index of a recording", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
}

/// An index in memory: 32 bytes for each 1,024 messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    marks: Vec<Mark>,
}

impl Index {
    /// Reads the index of a file: of `day.itch` the file `day.itch.idx`.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn of(recording: &Path) -> Result<Index, IndexError> {
        let path = super::series::beside(recording, super::INDEX);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(IndexError::Read { path, source }),
        };
        let Some(marks) = bytes.strip_prefix(MAGIC) else { return Err(IndexError::Kind { path }) };
        Ok(Index { marks: marks.chunks_exact(MARK).map(Mark::decode).collect() })
    }

    /// Its marks in order.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// From where the file is to be read to find `what`: the last mark that is not behind it, at most [`EVERY`] messages before. `None` where all of the
    /// file is behind it: what is looked for, if it was recorded, is in a file before.
    #[must_use]
    pub fn find(&self, what: Seek) -> Option<Mark> {
        // Several messages can have the same time, and the first of them may lie before the mark that has it.
        let n = match what {
            Seek::Sequence(s) => self.marks.partition_point(|m| m.sequence <= s),
            Seek::Received(t) => self.marks.partition_point(|m| m.received < t),
            Seek::Stamp(t) => self.marks.partition_point(|m| m.stamp < t),
        };
        n.checked_sub(1).map(|k| self.marks[k])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(k: u64) -> Mark {
        Mark { sequence: k, received: Nanos(1_000 + k / 20), stamp: Nanos(k / 20), offset: k * 40 }
    }

    #[test]
    fn marks_are_found_by_sequence_and_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("day.itch");
        let mut bytes = MAGIC.to_vec();
        (1..10).for_each(|k| bytes.extend(mark(k * 10).encode()));
        bytes.extend([1, 2, 3]);
        std::fs::write(folder.path().join("day.itch.idx"), &bytes).expect("written");
        let index = Index::of(&file).expect("an index");
        assert_eq!(index.marks().len(), 9, "the last one is not whole");

        let found = |what| index.find(what).map(|m| m.sequence);
        for (sequence, at) in [(9, None), (10, Some(10)), (19, Some(10)), (20, Some(20)), (999, Some(90))] {
            assert_eq!(found(Seek::Sequence(sequence)), at, "{sequence}");
        }
        // Times 0 0 1 1 1..: 20 and 30 have time 1, and a message between 10 and 20 may have it too.
        for (time, at) in [(0, None), (1, Some(10)), (2, Some(30)), (99, Some(90))] {
            assert_eq!(found(Seek::Stamp(Nanos(time))), at, "{time}");
            assert_eq!(found(Seek::Received(Nanos(1_000 + time))), at, "{time}");
        }
        std::fs::write(folder.path().join("day.itch.idx"), "no index").expect("written");
        assert!(matches!(Index::of(&file), Err(IndexError::Kind { .. })));
        assert!(matches!(Index::of(folder.path()), Err(IndexError::Read { .. })));
    }

    #[test]
    fn the_venue_s_stamp_is_six_bytes_of_the_message() {
        let message = [b'S', 0, 1, 0, 2, 1, 2, 3, 4, 5, 6, b'O'];
        let mark = Mark::of(7, Nanos(9), &message, 11);
        assert_eq!(
            mark,
            Mark { sequence: 7, received: Nanos(9), stamp: Nanos(0x0102_0304_0506), offset: 11 }
        );
        assert_eq!(Mark::decode(&mark.encode()), mark);
        assert_eq!(Mark::of(7, Nanos(9), &message[..10], 11).stamp, Nanos(0));
    }
}
