//! A segment file being made ready, and what of it the keeper and the writer each hold.
use super::error::LogError;
use super::format::{HEADER_BYTES, Header};
use super::{DiskOp, Gate};
use crate::disk;
use crate::sync::Ordering;
use crate::words::Words;
use memmap2::{Advice, MmapRaw};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The writer's part: a segment to append to.
#[derive(Debug)]
pub(super) struct Prepared {
    pub words: Words,
    pub segment: u32,
    pub seed: u32,
}

/// The keeper's part: the same segment, to sync, fault in and cut.
#[derive(Debug)]
pub(super) struct Kept {
    pub segment: u32,
    pub file: File,
    map: Arc<MmapRaw>,
    /// Bytes from the start that a sync has covered.
    pub synced: usize,
}

/// Where segment number `segment` lies: `NNNNNNNN.log`.
pub(super) fn path_of(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:08}.log"))
}

/// Numbers of the segments in `dir`, plain or packed, ascending, each once. Other names are passed over.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".log"))
            .filter(|stem| stem.len() == 8 && stem.bytes().all(|byte| byte.is_ascii_digit()));
        found.extend(number.and_then(|stem| stem.parse::<u32>().ok()));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Makes the file of a segment: reserved, header written, mapped, every page faulted in for writing, and only then
/// given its name, so that no reader meets it half made.
pub(super) fn make(dir: &Path, header: Header, gate: &mut Gate) -> Result<(Kept, Prepared), LogError> {
    let segment = header.segment;
    let path = path_of(dir, segment);
    let temporary = path.with_extension("new");
    let made = || -> Result<_, (&'static str, io::Error)> {
        gate(DiskOp::Reserve { segment, bytes: header.segment_bytes }).map_err(|e| ("reserve", e))?;
        let file = disk::reserve(&temporary, header.segment_bytes as u64).map_err(|e| ("reserve", e))?;
        let map = disk::map_writable(&file, header.segment_bytes).map_err(|e| ("map", e))?;
        let map = Arc::new(map);
        let words = Words::mapped(&map, 0, header.segment_bytes / 8);
        let words = words.ok_or_else(|| ("map", io::Error::from(io::ErrorKind::UnexpectedEof)))?;
        let kept = Kept { segment, file, map, synced: 0 };
        kept.fault_in(0, header.segment_bytes).map_err(|e| ("fault in", e))?;
        for (place, word) in words.iter().zip(header.encode().as_chunks::<8>().0) {
            place.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        }
        std::fs::rename(&temporary, &path).map_err(|e| ("name", e))?;
        Ok((kept, Prepared { words, segment, seed: header.seed() }))
    }();
    made.map_err(|(what, source)| {
        // Best effort: the first error is the one worth telling.
        let _ = std::fs::remove_file(&temporary);
        if disk::is_full(&source) {
            LogError::DiskFull { segment }
        } else {
            LogError::Io { what, segment, source }
        }
    })
}

impl Kept {
    /// Writes bytes `synced..end` to the disk and waits. Only those: a sync of the whole file would also write
    /// the pages ahead, and leave each of them to fault again under the writer.
    pub fn sync(&mut self, end: usize, gate: &mut Gate) -> io::Result<()> {
        if end <= self.synced {
            return Ok(());
        }
        let bytes = end - self.synced;
        gate(DiskOp::Sync { segment: self.segment, bytes })?;
        self.map.flush_range(self.synced, bytes)?;
        self.synced = end;
        Ok(())
    }

    /// Makes the pages of bytes `from..to` present and writable, so that the writer's stores do not fault.
    /// Changes no byte. Write-back leaves pages read-only, hence not only once.
    pub fn fault_in(&self, from: usize, to: usize) -> io::Result<()> {
        let from = from - from % HOST_PAGE;
        let to = to.min(self.map.len());
        if from >= to {
            return Ok(());
        }
        match self.map.advise_range(Advice::PopulateWrite, from, to - from) {
            // Before Linux 5.14.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                touch(&self.map, from, to);
                Ok(())
            }
            other => other,
        }
    }

    /// Cuts the file to its first `used` bytes. The caller has made sure that the writer gave its mapping back.
    pub fn cut(self, used: usize, gate: &mut Gate) -> Result<(), LogError> {
        let Self { segment, file, map, .. } = self;
        drop(map);
        gate(DiskOp::Cut { segment, bytes: used })
            .and_then(|()| file.set_len(used as u64))
            .map_err(|source| LogError::Io { what: "cut", segment, source })
    }
}

/// Granularity of faulting; a multiple of it is where a page may begin.
const HOST_PAGE: usize = 4096;

/// As `fault_in`, by hand. The write is an atomic `or` of nothing, which the writer may race with.
fn touch(map: &Arc<MmapRaw>, from: usize, to: usize) {
    let Some(words) = Words::mapped(map, from / 8, (to - from) / 8) else { return };
    for word in words.iter().step_by(HOST_PAGE / 8) {
        word.fetch_or(0, Ordering::Relaxed);
    }
}

const _: () = assert!(HEADER_BYTES.is_multiple_of(8));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segment_names_are_listed() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for name in [
            "00000002.log",
            "00000000.log",
            "1.log",
            "0000000x.log",
            "00000003.new",
            "+0000001.log",
            "00000001.log.zst",
            "00000002.log.zst",
            "00000004.zst",
            "00000005.pack",
        ] {
            std::fs::write(dir.path().join(name), b"").expect("write");
        }
        assert_eq!(list(dir.path()).expect("list"), [0, 1, 2]);
    }

    #[test]
    fn touching_changes_nothing() {
        let map = memmap2::MmapOptions::new().len(3 * HOST_PAGE).map_anon().expect("anonymous pages");
        let map: Arc<MmapRaw> = Arc::new(map.into());
        let words = Words::mapped(&map, 0, 3 * HOST_PAGE / 8).expect("inside");
        for (at, word) in words.iter().enumerate() {
            word.store(at as u64, Ordering::Relaxed);
        }
        touch(&map, HOST_PAGE, 3 * HOST_PAGE);
        assert!(words.iter().enumerate().all(|(at, word)| word.load(Ordering::Relaxed) == at as u64));
    }
}
