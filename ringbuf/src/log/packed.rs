//! Segments that are written no more, packed: `NNNNNNNN.log` becomes `NNNNNNNN.log.zst`, byte for byte the same when it is unpacked.
//!
//! ```text
//!   00000003.log --> 00000003.pack --> sync --> read back and compared --> named 00000003.log.zst --> folder synced --> 00000003.log removed
//! ```
//!
//! At every moment one of the two names holds the whole segment, and where both do they hold the same: a process or a machine that ends in between loses nothing, and what it
//! left behind is made anew by the next attempt. A reader takes the plain file while it is there, keeps it when it is removed, and finds the packed one when it comes later.
//!
//! Packed is a frame of Zstandard (RFC 8878) with its checksum; the records' own are those of the segment. zstd, because the crate is in the tree already (captures come packed
//! by it), so a second one of the kind would be weight without need.
use super::error::LogError;
use super::format::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use super::scan::Source;
use super::segment::path_of;
use crate::disk;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The fast levels: what packs a journal runs beside a core.
const LEVEL: i32 = 1;
/// Bytes between two looks at whether to go on.
const CHUNK: usize = 1 << 20;

/// A point in the course of packing; the one that was just passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackStep {
    /// Some more of it was written.
    Written,
    /// All of it is on the disk.
    Synced,
    /// It unpacks to what it was made of.
    Compared,
    /// It has its name, on the disk.
    Named,
    /// The plain file is gone.
    Removed,
}

/// What packing made of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of the plain file.
    pub from_bytes: u64,
    /// Bytes of the packed one.
    pub to_bytes: u64,
}

/// Where a packed segment lies.
pub(super) fn packed_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:08}.log.zst"))
}

/// A segment's bytes.
#[derive(Debug)]
pub(super) enum Bytes {
    /// As they were written, perhaps still being written.
    Plain(File),
    /// Unpacked into memory.
    Unpacked(Vec<u8>),
}

impl Source for Bytes {
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Bytes::Plain(file) => file.read_at(to, offset),
            Bytes::Unpacked(bytes) => bytes.as_slice().read_at(to, offset),
        }
    }
}

/// Opens a segment, plain or packed; an error of kind `NotFound` where it is neither.
pub(super) fn open(dir: &Path, segment: u32) -> io::Result<Bytes> {
    match disk::open_regular(&path_of(dir, segment)) {
        // The packed one has its name before the plain one loses its own.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = disk::open_regular(&packed_path(dir, segment))?;
            let mut bytes = Vec::new();
            unpack(file, |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })?;
            Ok(Bytes::Unpacked(bytes))
        }
        plain => plain.map(Bytes::Plain),
    }
}

/// Gives the unpacked bytes of `file` to `each`, in parts. No more than a segment can have, whatever the file says.
fn unpack(file: File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut from = zstd::stream::read::Decoder::new(file)?;
    let mut part = vec![0; CHUNK];
    let mut total = 0;
    loop {
        let len = match from.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        total += len;
        if total > SEGMENT_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "unpacks to more than a segment"));
        }
        each(&part[..len])?;
    }
}

/// Packs a segment of `dir` that is written no more; `None` where it is packed already or not there. Asked at each step; an error of `step` ends it there and then, as the
/// end of the process would. Reads and writes the disk and waits for it: for a thread that nobody waits for.
///
/// # Errors
/// [`LogError::Io`] with the disk's error or that of `step`. The segment is as readable as before.
pub fn pack(
    dir: &Path,
    segment: u32,
    mut step: impl FnMut(PackStep) -> io::Result<()>,
) -> Result<Option<Packed>, LogError> {
    let failed = |what| move |source| LogError::Io { what, segment, source };
    let path = path_of(dir, segment);
    let mut plain = match disk::open_regular(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed("open"))?,
    };
    let from_bytes = plain.metadata().map_err(failed("open"))?.len();
    if from_bytes < SEGMENT_BYTES_MIN.min(64) as u64 || from_bytes > SEGMENT_BYTES_MAX as u64 {
        return Err(failed("pack")(io::Error::new(io::ErrorKind::InvalidData, "not a segment's size")));
    }
    let new = dir.join(format!("{segment:08}.pack"));
    let written = write(&mut plain, &new, &mut step).map_err(failed("pack"))?;
    compare(&path, &new).map_err(failed("read back"))?;
    step(PackStep::Compared).map_err(failed("pack"))?;
    fs::rename(&new, packed_path(dir, segment)).map_err(failed("name"))?;
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(failed("sync the folder"))?;
    step(PackStep::Named).map_err(failed("pack"))?;
    fs::remove_file(&path).map_err(failed("remove"))?;
    step(PackStep::Removed).map_err(failed("pack"))?;
    Ok(Some(Packed { from_bytes, to_bytes: written }))
}

/// Writes `plain` to `new`, packed and synced; how many bytes that took. A file of that name, of an attempt that was broken off, is replaced.
fn write(plain: &mut File, new: &Path, step: &mut impl FnMut(PackStep) -> io::Result<()>) -> io::Result<u64> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk::create_private(new)?;
    let mut to = zstd::stream::write::Encoder::new(BufWriter::new(file), LEVEL)?;
    to.include_checksum(true)?;
    let mut part = vec![0; CHUNK];
    loop {
        let len = plain.read(&mut part)?;
        if len == 0 {
            break;
        }
        to.write_all(&part[..len])?;
        step(PackStep::Written)?;
    }
    let file = to.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    // Not tried again where it fails: the next attempt writes another file.
    file.sync_all()?;
    step(PackStep::Synced)?;
    Ok(file.metadata()?.len())
}

/// Whether what was packed unpacks to the plain file.
fn compare(plain: &Path, new: &Path) -> io::Result<()> {
    let mut plain = disk::open_regular(plain)?;
    let mut part = vec![0; CHUNK];
    let differs = || io::Error::new(io::ErrorKind::InvalidData, "unpacks to something else");
    unpack(disk::open_regular(new)?, |unpacked| {
        let part = &mut part[..unpacked.len()];
        plain.read_exact(part)?;
        if part == unpacked { Ok(()) } else { Err(differs()) }
    })?;
    if plain.read(&mut part)? == 0 { Ok(()) } else { Err(differs()) }
}
