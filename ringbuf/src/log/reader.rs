//! The reading side of a log, in any process: a walk from segment to segment, live or after the end.
use super::error::{CorruptFault, LogError};
use super::format::{Header, HeaderFault};
use super::packed::{self, Bytes};
use super::scan::{Scan, ScanError, Step, TornCause};
use super::segment::list;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// One record, borrowed from its reader until the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// How many records of the log came before it.
    pub index: u64,
    /// The writer's tag.
    pub kind: u16,
    /// What was appended.
    pub payload: &'a [u8],
    /// Number of the segment it lies in.
    pub segment: u32,
    /// Where in the segment's file its header begins.
    pub offset: u64,
}

/// A place in a log between two records, to go on from in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which log: one number for all segments of it.
    pub log_id: u64,
    /// Bytes of a full segment of it.
    pub segment_bytes: usize,
    /// Segment of the next record.
    pub segment: u32,
    /// Where in the segment's file the next record begins.
    pub offset: u64,
    /// The next record's index.
    pub index: u64,
}

/// How a log ends, for a log whose writer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The writer finished: nothing is missing.
    Clean,
    /// The writer did not finish: what was read is the longest valid prefix.
    Torn {
        /// Segment of the first place without a record.
        segment: u32,
        /// Where in its file.
        offset: u64,
        /// Index that the record would have.
        index: u64,
        /// What is there instead.
        cause: TornCause,
    },
}

/// What a whole log holds, every checksum right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Records read.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Segments they lie in.
    pub segments: u32,
    /// How the log ends.
    pub end: End,
}

/// A reading end; see the [module](super). Holds one file and one buffer; reads with `pread` (why: see
/// [`scan`](super::scan)). Whoever removes logs leaves one alone that a reader is at: it holds a shared lock on the folder.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    /// The folder, locked where the file system can.
    _held: Option<File>,
    scan: Option<Scan<Bytes>>,
    /// Segment that the scan is in, or else waits for.
    segment: u32,
    /// Header of the segment read last: all segments are of one log.
    last: Option<Header>,
    /// Index that the segment waited for begins with, when it is known.
    index: Option<u64>,
    segments: u32,
    ended: bool,
    /// A corrupt place is not passed: found once, it is found again.
    corrupt: Option<(u64, u64, CorruptFault)>,
}

impl Reader {
    /// Opens the log in `dir` at its first segment present. Allocates; one to three syscalls.
    ///
    /// # Errors
    ///
    /// [`LogError::Empty`] when there is no segment, [`LogError::Io`]; [`LogError::Header`] of the first segment.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, LogError> {
        let dir = dir.as_ref().to_owned();
        let segments = list(&dir).map_err(|source| LogError::Io { what: "list", segment: 0, source })?;
        let Some(first) = segments.first().copied() else { return Err(LogError::Empty { dir }) };
        let mut reader = Self::at(dir, first);
        reader.enter()?;
        Ok(reader)
    }

    /// Opens the log in `dir` at a place that a reader of it once had ([`place`](Self::place)); nothing before it is read. Costs as [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// [`LogError::Empty`] when its segment is not there, [`LogError::Header`] when that is another log's or begins with another record, [`LogError::Corrupt`] when the
    /// place is none of it.
    pub fn open_at(dir: impl AsRef<Path>, place: Place) -> Result<Self, LogError> {
        let dir = dir.as_ref().to_owned();
        let Place { log_id, segment_bytes, segment, offset, index } = place;
        let mut reader = Self::at(dir, segment);
        reader.last = Some(Header { log_id, segment, segment_bytes });
        if !reader.enter()? {
            return Err(LogError::Empty { dir: reader.dir });
        }
        let entered = reader.scan.as_mut().is_some_and(|scan| scan.go_to(offset, index));
        if entered { Ok(reader) } else { Err(reader.refuse(offset, index, CorruptFault::Hole)) }
    }

    /// Opens the log in `dir` at the beginning of the last segment that was begun: for whoever wants what is new and can do without what lies further back. Costs as
    /// [`open`](Self::open), and a segment more where the last one is still a reserve.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_last(dir: impl AsRef<Path>) -> Result<Self, LogError> {
        let dir = dir.as_ref().to_owned();
        let segments = list(&dir).map_err(|source| LogError::Io { what: "list", segment: 0, source })?;
        for segment in segments.into_iter().rev() {
            let mut reader = Self::at(dir.clone(), segment);
            if reader.enter()? {
                return Ok(reader);
            }
        }
        Err(LogError::Empty { dir })
    }

    /// Where the next record is, or will be; `None` between two segments.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let scan = self.scan.as_ref()?;
        let Header { log_id, segment, segment_bytes } = scan.header();
        Some(Place { log_id, segment_bytes, segment, offset: scan.offset(), index: scan.index() })
    }

    fn at(dir: PathBuf, segment: u32) -> Self {
        let held = File::open(&dir).ok();
        // One who removes logs holds it alone, and then there is soon nothing to read.
        let held = held.filter(|folder| folder.try_lock_shared().is_ok());
        Self {
            dir,
            _held: held,
            scan: None,
            segment,
            last: None,
            index: None,
            segments: 0,
            ended: false,
            corrupt: None,
        }
    }

    /// The next record; `None` when nothing more is committed *so far* (see [`is_ended`](Self::is_ended)).
    /// Ask again and a live log goes on, across segments. A syscall when the buffer is used up.
    ///
    /// # Errors
    ///
    /// [`LogError::Corrupt`], from then on at every call: a reader never skips. [`LogError::Header`],
    /// [`LogError::Io`].
    #[expect(clippy::should_implement_trait, reason = "lends from its buffer, which Iterator cannot")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, LogError> {
        if let Some((offset, index, fault)) = self.corrupt {
            return Err(LogError::Corrupt { segment: self.segment, offset, index, fault });
        }
        loop {
            if self.scan.is_none() && !self.enter()? {
                return Ok(None);
            }
            let Some(scan) = &mut self.scan else { return Ok(None) };
            let stepped = scan.step();
            match self.placed(stepped)? {
                Step::Record { index, kind, offset } => {
                    let payload = self.scan.as_ref().map_or(&[][..], Scan::payload);
                    return Ok(Some(Record { index, kind, payload, segment: self.segment, offset }));
                }
                Step::Closed(index) => {
                    let Some(next) = self.segment.checked_add(1) else { return Ok(None) };
                    self.scan = None;
                    self.segment = next;
                    self.index = Some(index);
                }
                Step::Ended(_) => {
                    self.ended = true;
                    return Ok(None);
                }
                // The file may have been cut after it was read, or its last page lost: for `end` to judge.
                Step::Pending(_) => return Ok(None),
            }
        }
    }

    /// Whether the writer's clean end was read: nothing will follow.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Judges how the log ends. For a log whose writer is **gone**, after [`next`](Self::next) answered `None`: it
    /// then searches what is behind, so that a hole with valid records after it is not taken for the end.
    ///
    /// # Errors
    ///
    /// [`LogError::Corrupt`] for a hole, and as [`next`](Self::next).
    pub fn end(&mut self) -> Result<End, LogError> {
        if self.next()?.is_some() {
            return Err(LogError::WriterActive);
        }
        if self.ended {
            return Ok(End::Clean);
        }
        let (offset, index, cause, hole) = match &mut self.scan {
            None => (0, self.index.unwrap_or(0), TornCause::Unwritten, false),
            Some(scan) => {
                let step = scan.step();
                let later = scan.later_record();
                let (offset, index) = (scan.offset(), scan.index());
                let Step::Pending(cause) = self.placed(step)? else { return Err(LogError::WriterActive) };
                (offset, index, cause, self.placed(later)?)
            }
        };
        if hole || self.later_segment()? {
            return Err(self.refuse(offset, index, CorruptFault::Hole));
        }
        Ok(End::Torn { segment: self.segment, offset, index, cause })
    }

    /// Opens the file of `self.segment`; `false` when it is absent or not begun.
    fn enter(&mut self) -> Result<bool, LogError> {
        let segment = self.segment;
        let bytes = match packed::open(&self.dir, segment) {
            Ok(bytes) => bytes,
            // The writer goes on only in a segment that exists: a live log will have it in a moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(LogError::Io { what: "open", segment, source }),
        };
        let opened = Scan::open(bytes);
        let Some(scan) = self.placed(opened)? else { return Ok(false) };
        let header = scan.header();
        let of_this_log = self
            .last
            .is_none_or(|last| (last.log_id, last.segment_bytes) == (header.log_id, header.segment_bytes));
        if header.segment != segment || !of_this_log {
            return Err(LogError::Header { segment, fault: HeaderFault::Foreign });
        }
        if self.index.is_some_and(|index| index != scan.first_index()) {
            return Err(LogError::Header { segment, fault: HeaderFault::FirstIndex });
        }
        self.last = Some(header);
        self.segments = self.segments.saturating_add(1);
        self.scan = Some(scan);
        Ok(true)
    }

    /// Whether a segment behind this one was begun.
    fn later_segment(&self) -> Result<bool, LogError> {
        let failed = |what| move |source| LogError::Io { what, segment: self.segment, source };
        for segment in list(&self.dir).map_err(failed("list"))? {
            if segment > self.segment {
                let bytes = packed::open(&self.dir, segment).map_err(failed("open"))?;
                // A header that is not right is no proof of a record, and no proof of none: refused.
                if !matches!(Scan::open(bytes), Ok(None)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Says where a scan failed; keeps a corrupt place.
    fn placed<T>(&mut self, found: Result<T, ScanError>) -> Result<T, LogError> {
        let segment = self.segment;
        found.map_err(|error| match error {
            ScanError::Io(source) => LogError::Io { what: "read", segment, source },
            ScanError::Header(fault) => LogError::Header { segment, fault },
            ScanError::Corrupt { offset, index, fault } => self.refuse(offset, index, fault),
        })
    }

    #[cold]
    fn refuse(&mut self, offset: u64, index: u64, fault: CorruptFault) -> LogError {
        self.corrupt = Some((offset, index, fault));
        LogError::Corrupt { segment: self.segment, offset, index, fault }
    }
}

/// Reads a whole log whose writer is gone, and judges its end. Allocates one buffer; changes nothing.
///
/// # Errors
///
/// As [`Reader::open`], [`Reader::next`] and [`Reader::end`].
pub fn verify(dir: impl AsRef<Path>) -> Result<Verified, LogError> {
    let mut reader = Reader::open(dir)?;
    let (mut records, mut bytes) = (0, 0);
    while let Some(record) = reader.next()? {
        records += 1;
        bytes += record.payload.len() as u64;
    }
    let end = reader.end()?;
    Ok(Verified { records, bytes, segments: reader.segments, end })
}
