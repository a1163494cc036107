//! A versioned file mapped by one writer and any number of readers, for `/dev/shm`: where counters, cells and
//! histograms are published to the monitor.
//!
//! ```text
//!   word  0   magic "REGION01"
//!   word  1   header version (low 32) | layout version (high 32)
//!   word  2   bytes in all, header included
//!   word  3   pid of the writer
//!   word  4   start of the writer, as the caller gave it (ns)
//!   5 .. 14   zero
//!   word 15   ready: 1, release-stored last
//!   word 16   <- offset 0 of the words handed out (128 bytes in, so a line of the caller is a line of memory)
//! ```
//!
//! # Invariants
//!
//! * A reader never maps a half-made region: it is made under a temporary name, marked ready, and renamed.
//! * A region is never resized. A new one takes the old one's name; a reader of the old keeps the old
//!   mapping, and finds the new one by opening again (compare [`Region::writer_pid`] and
//!   [`Region::started_ns`]).
//! * A reader checks the length of the file before mapping, and maps read-only. What it cannot check is that
//!   nobody truncates the file afterwards: mode 0600 leaves that to the same user and to root, and no
//!   process of this project does it.
//! * An area can be handed out for writing once, so that each word has one writing handle.
use crate::disk;
use crate::sync::Ordering;
use crate::words::{ReadWords, Words};
use memmap2::MmapRaw;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: u64 = u64::from_le_bytes(*b"REGION01");
const HEADER_VERSION: u32 = 1;
const HEADER_WORDS: usize = 16;
const HEADER_BYTES: usize = HEADER_WORDS * 8;
const VERSIONS: usize = 1;
const BYTES: usize = 2;
const PID: usize = 3;
const STARTED: usize = 4;
const READY: usize = 15;

/// Why a region could not be made, opened or divided.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// No region at all: wrong magic, no regular file, or a header format of another age.
    #[error("not a region")]
    NotARegion,
    /// Written by a build with another layout.
    #[error("layout version {found}, expected {expected}")]
    WrongLayout {
        /// Version in the file.
        found: u32,
        /// Version asked for.
        expected: u32,
    },
    /// The file is shorter than a header, or than it claims to be.
    #[error("file has {have} bytes, claims {claims}")]
    TooShort {
        /// Length of the file.
        have: u64,
        /// Length its header claims (or that of a header).
        claims: u64,
    },
    /// The writer has not finished making it.
    #[error("not ready")]
    NotReady,
    /// No space for a region of that size.
    #[error("no space for {bytes} bytes")]
    NoSpace {
        /// Bytes asked for, header included.
        bytes: u64,
    },
    /// Words asked for that the region does not have.
    #[error("words {offset}..+{len} of {words}")]
    OutOfBounds {
        /// First word asked for.
        offset: usize,
        /// Number of words asked for.
        len: usize,
        /// Words that the region has.
        words: usize,
    },
    /// Words asked for that were handed out for writing before.
    #[error("words {offset}..+{len} are taken")]
    Taken {
        /// First word asked for.
        offset: usize,
        /// Number of words asked for.
        len: usize,
    },
    /// The system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What it answered.
        source: io::Error,
    },
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> RegionError {
    move |source| RegionError::Io { what, source }
}

/// A region open for reading.
#[derive(Debug)]
pub struct Region {
    map: Arc<MmapRaw>,
    header: ReadWords,
}

/// A region open for writing, by the process that created it.
///
/// Dropping it leaves the file, so that a monitor can still read the last values of a dead process.
#[derive(Debug)]
pub struct RegionMut {
    map: Arc<MmapRaw>,
    path: PathBuf,
    taken: Vec<Range<usize>>,
}

impl Region {
    /// Makes a region of `bytes` (rounded up to whole words; the header comes on top), all zero, reserved,
    /// faulted in and ready, at `path`, replacing what was there. `started_ns` is the caller's start time.
    ///
    /// # Errors
    ///
    /// [`RegionError::NoSpace`] when the file system is full, [`RegionError::Io`].
    pub fn create(
        path: impl AsRef<Path>,
        layout_version: u32,
        bytes: usize,
        started_ns: u64,
    ) -> Result<RegionMut, RegionError> {
        let path = path.as_ref();
        let total = bytes
            .checked_next_multiple_of(8)
            .and_then(|bytes| bytes.checked_add(HEADER_BYTES))
            .ok_or(RegionError::NoSpace { bytes: u64::MAX })?;
        let pid = std::process::id();
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".new.{pid}"));
        let temporary = PathBuf::from(temporary);
        let file = disk::reserve(&temporary, total as u64).map_err(|source| {
            if disk::is_full(&source) {
                RegionError::NoSpace { bytes: total as u64 }
            } else {
                io_error("create region")(source)
            }
        })?;
        let map = Arc::new(disk::map_writable(&file, total).map_err(io_error("map region"))?);
        let all = Words::mapped(&map, 0, total / 8).ok_or(RegionError::NotARegion)?;
        // Every page is touched now, so that the hot side never takes its first fault.
        for word in all.iter().step_by(512) {
            word.store(0, Ordering::Relaxed);
        }
        all[0].store(MAGIC, Ordering::Relaxed);
        let versions = u64::from(HEADER_VERSION) | u64::from(layout_version) << 32;
        all[VERSIONS].store(versions, Ordering::Relaxed);
        all[BYTES].store(total as u64, Ordering::Relaxed);
        all[PID].store(u64::from(pid), Ordering::Relaxed);
        all[STARTED].store(started_ns, Ordering::Relaxed);
        // Release: pairs with the acquire load in `open`.
        all[READY].store(1, Ordering::Release);
        std::fs::rename(&temporary, path).map_err(|source| {
            // Best effort: the first error is the one worth telling.
            let _ = std::fs::remove_file(&temporary);
            io_error("rename region")(source)
        })?;
        Ok(RegionMut { map, path: path.to_owned(), taken: Vec::new() })
    }

    /// Opens the region at `path` for reading.
    ///
    /// # Errors
    ///
    /// [`RegionError`]: each of the first four variants for what is wrong with the file.
    pub fn open(path: impl AsRef<Path>, layout_version: u32) -> Result<Self, RegionError> {
        let file = disk::open_regular(path.as_ref()).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidInput => RegionError::NotARegion,
            _ => RegionError::Io { what: "open region", source },
        })?;
        let have = file.metadata().map_err(io_error("stat region"))?.len();
        // The header is read, not mapped: nothing is known of the length yet.
        let mut header = [0; HEADER_BYTES];
        if have < HEADER_BYTES as u64 {
            return Err(RegionError::TooShort { have, claims: HEADER_BYTES as u64 });
        }
        file.read_exact_at(&mut header, 0).map_err(io_error("read region"))?;
        let (words, _) = header.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        if word(0) != MAGIC || word(VERSIONS) as u32 != HEADER_VERSION {
            return Err(RegionError::NotARegion);
        }
        let found = (word(VERSIONS) >> 32) as u32;
        if found != layout_version {
            return Err(RegionError::WrongLayout { found, expected: layout_version });
        }
        let claims = word(BYTES);
        if claims < HEADER_BYTES as u64 || !claims.is_multiple_of(8) {
            return Err(RegionError::NotARegion);
        }
        if have < claims {
            return Err(RegionError::TooShort { have, claims });
        }
        let total = usize::try_from(claims).map_err(|_| RegionError::NotARegion)?;
        let map = Arc::new(disk::map_read_only(&file, total).map_err(io_error("map region"))?);
        let header = ReadWords::mapped(&map, 0, HEADER_WORDS).ok_or(RegionError::NotARegion)?;
        // Acquire: pairs with the release store in `create`.
        if header.load(READY, Ordering::Acquire) != Some(1) {
            return Err(RegionError::NotReady);
        }
        Ok(Self { map, header })
    }

    /// `len` words from word `offset` of the area behind the header.
    ///
    /// # Errors
    ///
    /// [`RegionError::OutOfBounds`].
    pub fn words(&self, offset: usize, len: usize) -> Result<ReadWords, RegionError> {
        inside(&self.map, offset, len)?;
        ReadWords::mapped(&self.map, HEADER_WORDS + offset, len)
            .ok_or_else(|| out_of_bounds(&self.map, offset, len))
    }

    /// Words in the area behind the header.
    #[must_use]
    pub fn len_words(&self) -> usize {
        len_words(&self.map)
    }

    /// Pid of the process that made it (it may be gone).
    #[must_use]
    pub fn writer_pid(&self) -> u64 {
        self.header.load(PID, Ordering::Relaxed).unwrap_or(0)
    }

    /// Start of the writer in ns, as it gave it.
    #[must_use]
    pub fn started_ns(&self) -> u64 {
        self.header.load(STARTED, Ordering::Relaxed).unwrap_or(0)
    }
}

impl RegionMut {
    /// Hands out `len` words from word `offset` of the area behind the header, for writing, once.
    ///
    /// # Errors
    ///
    /// [`RegionError::OutOfBounds`]; [`RegionError::Taken`] when any of them was handed out before.
    pub fn words(&mut self, offset: usize, len: usize) -> Result<Words, RegionError> {
        let range = inside(&self.map, offset, len)?;
        if self.taken.iter().any(|taken| taken.start < range.end && range.start < taken.end) {
            return Err(RegionError::Taken { offset, len });
        }
        let words = Words::mapped(&self.map, HEADER_WORDS + offset, len)
            .ok_or_else(|| out_of_bounds(&self.map, offset, len))?;
        self.taken.push(range);
        Ok(words)
    }

    /// Words in the area behind the header.
    #[must_use]
    pub fn len_words(&self) -> usize {
        len_words(&self.map)
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn len_words(map: &MmapRaw) -> usize {
    map.len() / 8 - HEADER_WORDS
}

fn out_of_bounds(map: &MmapRaw, offset: usize, len: usize) -> RegionError {
    RegionError::OutOfBounds { offset, len, words: len_words(map) }
}

fn inside(map: &MmapRaw, offset: usize, len: usize) -> Result<Range<usize>, RegionError> {
    match offset.checked_add(len) {
        Some(end) if end <= len_words(map) => Ok(offset..end),
        _ => Err(out_of_bounds(map, offset, len)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("temporary folder")
    }

    #[test]
    fn what_is_written_is_read_in_another_mapping() {
        let dir = folder();
        let path = dir.path().join("r");
        let mut region = Region::create(&path, 7, 100, 42).expect("create");
        assert_eq!(region.len_words(), 13);
        let words = region.words(3, 2).expect("inside");
        words[1].store(11, Ordering::Release);
        let reader = Region::open(&path, 7).expect("open");
        assert_eq!(reader.words(3, 2).expect("inside").load(1, Ordering::Acquire), Some(11));
        assert_eq!(reader.writer_pid(), u64::from(std::process::id()));
        assert_eq!((reader.started_ns(), reader.len_words()), (42, 13));
        assert_eq!(std::fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 1, "no temporary file stays");
    }

    #[test]
    fn words_are_bounded_and_handed_out_once() {
        let dir = folder();
        let path = dir.path().join("r");
        let mut region = Region::create(&path, 1, 64, 0).expect("create");
        let _first = region.words(0, 4).expect("inside");
        assert!(matches!(region.words(3, 1), Err(RegionError::Taken { offset: 3, len: 1 })));
        let _second = region.words(4, 4).expect("the rest");
        for (offset, len) in [(8, 1), (0, 9), (usize::MAX, 1), (1, usize::MAX)] {
            assert!(matches!(region.words(offset, len), Err(RegionError::OutOfBounds { .. })));
            let reader = Region::open(&path, 1).expect("open");
            assert!(matches!(reader.words(offset, len), Err(RegionError::OutOfBounds { .. })));
        }
    }

    #[test]
    fn a_reader_keeps_the_old_mapping_when_the_file_is_replaced() {
        let dir = folder();
        let path = dir.path().join("r");
        let old = Region::create(&path, 1, 8, 1).expect("create").words(0, 1).expect("inside");
        let reader = Region::open(&path, 1).expect("open");
        let new = Region::create(&path, 1, 8, 2).expect("replace").words(0, 1).expect("inside");
        old[0].store(5, Ordering::Relaxed);
        new[0].store(6, Ordering::Relaxed);
        assert_eq!(reader.words(0, 1).expect("inside").load(0, Ordering::Relaxed), Some(5));
        assert_eq!((reader.started_ns(), Region::open(&path, 1).expect("open").started_ns()), (1, 2));
    }

    #[test]
    fn each_defect_has_its_error() {
        let dir = folder();
        let path = dir.path().join("r");
        drop(Region::create(&path, 3, 4096, 0).expect("create"));
        assert!(matches!(Region::open(&path, 4), Err(RegionError::WrongLayout { found: 3, expected: 4 })));
        let whole = std::fs::read(&path).expect("read");
        let opened = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("write");
            Region::open(&path, 3).map(|_| ())
        };
        assert!(matches!(opened(&whole[..whole.len() - 1]), Err(RegionError::TooShort { .. })));
        assert!(matches!(opened(&whole[..100]), Err(RegionError::TooShort { have: 100, claims: 128 })));
        assert!(matches!(opened(&[]), Err(RegionError::TooShort { .. })));
        let changed = |at: usize, to: u8| {
            let mut bytes = whole.clone();
            bytes[at] = to;
            bytes
        };
        assert!(matches!(opened(&changed(0, b'X')), Err(RegionError::NotARegion)));
        assert!(matches!(opened(&changed(8, 9)), Err(RegionError::NotARegion)));
        assert!(matches!(opened(&changed(23, 0xff)), Err(RegionError::TooShort { .. })));
        assert!(matches!(opened(&changed(16, 3)), Err(RegionError::NotARegion)));
        assert!(matches!(opened(&changed(120, 0)), Err(RegionError::NotReady)));
        assert!(opened(&whole).is_ok());
        assert!(matches!(Region::open(dir.path(), 3), Err(RegionError::NotARegion)), "a folder");
        assert!(matches!(Region::open(dir.path().join("absent"), 3), Err(RegionError::Io { .. })));
        let taken = dir.path().join("folder");
        std::fs::create_dir(&taken).expect("folder");
        assert!(matches!(Region::create(&taken, 3, 8, 0), Err(RegionError::Io { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 2, "no temporary file stays");
    }
}
