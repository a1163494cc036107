//! What can go wrong with a log, on either side.
use super::format::HeaderFault;
use super::record::RecordFault;
use std::io;
use std::path::PathBuf;

/// Why the writer did not take a record. The log is unchanged.
///
/// As wide as the index that is returned in its place, so that a result is two registers. A narrower one is passed through memory, stored in pieces and read
/// back across them, which waits for the store buffer: ten of twenty nanoseconds a record.
#[repr(u64)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The segment is full and the next is not ready. Not to be reached: act on `Writer::low` before.
    #[error("no segment ready")]
    NoSegment,
    /// The record is larger than any segment takes.
    #[error("record too large")]
    TooLarge,
}

/// What went wrong on the cold side or in reading.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A field of the configuration has a value it cannot have.
    #[error("log configuration: {field} must be {allowed}")]
    Config {
        /// Which one.
        field: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// The folder already holds a log. A log is never appended to by a second run: give each its folder.
    #[error("{} already holds a log", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds no segment.
    #[error("{} holds no log", dir.display())]
    Empty {
        /// The folder.
        dir: PathBuf,
    },
    /// No space for the next segment. Tried again at the next `tend`.
    #[error("no space for segment {segment}")]
    DiskFull {
        /// The segment that could not be made.
        segment: u32,
    },
    /// A sync failed, once: what the disk holds of this log is unknown from here on. Never retried, because
    /// the kernel may have dropped the pages and report success the second time; returned from then on.
    #[error("sync of segment {segment} failed: {}", io::Error::from_raw_os_error(*errno))]
    SyncFailed {
        /// The segment whose sync failed.
        segment: u32,
        /// What the system answered.
        errno: i32,
    },
    /// The system said no to something else.
    #[error("{what} (segment {segment}): {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which segment.
        segment: u32,
        /// What it answered.
        source: io::Error,
    },
    /// The writer has not finished: no clean end was marked.
    #[error("the writer has not finished")]
    WriterActive,
    /// A segment's header is not right.
    #[error("segment {segment}: {fault}")]
    Header {
        /// The segment, as its file is named.
        segment: u32,
        /// What is wrong.
        fault: HeaderFault,
    },
    /// Something was committed at this place, or behind it, that is not there any more as it was written.
    #[error("segment {segment} at byte {offset}: record {index} is corrupt ({fault})")]
    Corrupt {
        /// The segment.
        segment: u32,
        /// Where in its file.
        offset: u64,
        /// The index expected there.
        index: u64,
        /// What is wrong.
        fault: CorruptFault,
    },
}

/// What is wrong at a corrupt place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptFault {
    /// The record itself.
    #[error("{0}")]
    Record(#[from] RecordFault),
    /// Nothing valid here, although later records are: this is not the end.
    #[error("records are missing")]
    Hole,
}
