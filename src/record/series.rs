//! One file, or a series of numbered ones, that at any moment hold a whole number of records.
//!
//! ```text
//!   day.itch                          without rotation
//!   day.000001.itch day.000002.itch   with it; a file's first byte is a record's
//! ```
//!
//! A file is written under its own name, by whole records at a time: a process that is killed leaves a prefix of what it would have been. A write that
//! fails (a full disk) is taken back to the last whole record. What is written is the kernel's at once, and the disk's when a file is finished
//! (`fdatasync`): a power cut may cost what the kernel still had.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::RecordError;

/// Where records go.
pub(super) struct Series {
    name: PathBuf,
    /// Bytes at which a file is followed by the next; `None`: never.
    rotate: Option<u64>,
    number: u32,
    path: PathBuf,
    file: File,
    len: u64,
}

impl Series {
    /// Creates the first file. What is there already is not touched, unless `overwrite`: then the files of that name are removed.
    ///
    /// # Errors
    /// [`RecordError::Exists`], [`RecordError::Create`].
    pub(super) fn create(name: &Path, rotate: Option<u64>, overwrite: bool) -> Result<Series, RecordError> {
        for old in existing(name, rotate.is_some()) {
            // A device or a pipe holds nothing.
            let holds = fs::metadata(&old).is_ok_and(|m| m.is_file() && m.len() > 0);
            if holds && !overwrite {
                return Err(RecordError::Exists { path: old });
            }
            if holds {
                fs::remove_file(&old).map_err(|source| RecordError::Create { path: old, source })?;
            }
        }
        let path = if rotate.is_some() { numbered(name, 1) } else { name.to_path_buf() };
        let file = open(&path)?;
        Ok(Series { name: name.to_path_buf(), rotate, number: 1, path, file, len: 0 })
    }

    /// The file that is written now.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether `more` bytes behind `held` that are still to be written belong into the next file.
    pub(super) fn is_full(&self, held: usize, more: usize) -> bool {
        let whole = self.len + held as u64;
        self.rotate.is_some_and(|most| whole > 0 && whole + more as u64 > most)
    }

    /// Finishes the file and goes on with the next.
    ///
    /// # Errors
    /// [`RecordError::Write`], [`RecordError::Create`].
    pub(super) fn rotate(&mut self) -> Result<(), RecordError> {
        self.finish()?;
        let path = numbered(&self.name, self.number + 1);
        self.file = open(&path)?;
        self.number += 1;
        self.path = path;
        self.len = 0;
        Ok(())
    }

    /// Writes whole records: all of them, or none where that fails.
    ///
    /// # Errors
    /// [`RecordError::Write`].
    pub(super) fn write(&mut self, records: &[u8]) -> Result<(), RecordError> {
        if let Err(source) = self.file.write_all(records) {
            // Half a record would be a damaged end. Where it cannot be taken back (a pipe), readers say that it is cut off.
            let _ = self.file.set_len(self.len);
            return Err(self.failed(source));
        }
        self.len += records.len() as u64;
        Ok(())
    }

    /// Has the disk hold what was written.
    ///
    /// # Errors
    /// [`RecordError::Write`].
    pub(super) fn finish(&mut self) -> Result<(), RecordError> {
        match self.file.sync_data() {
            // A pipe or a device that has nothing to be synced.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done.map_err(|source| self.failed(source)),
        }
    }

    #[cold]
    fn failed(&self, source: io::Error) -> RecordError {
        RecordError::Write { path: self.path.clone(), source }
    }
}

fn open(path: &Path) -> Result<File, RecordError> {
    File::create(path).map_err(|source| RecordError::Create { path: path.to_path_buf(), source })
}

/// `day.itch` as `day.000001.itch`.
fn numbered(name: &Path, number: u32) -> PathBuf {
    let mut file = name.file_stem().unwrap_or_default().to_os_string();
    file.push(format!(".{number:06}"));
    if let Some(extension) = name.extension() {
        file.push(".");
        file.push(extension);
    }
    name.with_file_name(file)
}

/// The file, or all files of the series, that are there.
fn existing(name: &Path, rotating: bool) -> Vec<PathBuf> {
    if !rotating {
        return vec![name.to_path_buf()];
    }
    let folder = name.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_ours = |path: &PathBuf| {
        let file = path.file_name().and_then(|f| f.to_str()).unwrap_or_default();
        let mut numbers = file.split('.').filter_map(|part| part.parse().ok());
        numbers.any(|n| numbered(name, n).file_name() == path.file_name())
    };
    // A folder that cannot be read is one in which nothing can be created either, which says why.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|e| e.path()).filter(is_ours).collect();
    files.sort();
    files
}

/// The name of what lies beside a file: the same with `.more` behind it.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(more);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_numbered_and_what_is_there_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().join("day.itch");
        let mut series = Series::create(&name, Some(10), false).expect("a series");
        for record in [&b"12345"[..], b"67890", b"abc", b"a record longer than a file", b"d"] {
            if series.is_full(0, record.len()) {
                series.rotate().expect("the next file");
            }
            series.write(record).expect("room");
        }
        series.finish().expect("synced");
        let read = |n| fs::read(numbered(&name, n)).expect("a file of the series");
        assert_eq!((read(1), read(2)), (b"1234567890".to_vec(), b"abc".to_vec()));
        assert_eq!((read(3).len(), read(4)), (27, b"d".to_vec()));
        assert_eq!((series.path(), series.len()), (numbered(&name, 4).as_path(), 1));

        fs::remove_file(numbered(&name, 1)).expect("removed");
        fs::write(folder.path().join("day.x.itch"), "another's").expect("written");
        let Err(refused) = Series::create(&name, Some(10), false) else { panic!("written over") };
        assert!(refused.to_string().contains("day.000002.itch"), "{refused}");
        Series::create(&name, Some(10), true).expect("overwritten");
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("a file").file_name()).collect();
        left.sort();
        assert_eq!(left, ["day.000001.itch", "day.x.itch"], "no old file is taken for one of the new series");
    }

    #[test]
    fn names_without_extension_are_numbered_too() {
        assert_eq!(numbered(Path::new("f/day"), 12), Path::new("f/day.000012"));
        assert_eq!(numbered(Path::new("a.b.itch"), 1), Path::new("a.b.000001.itch"));
        assert_eq!(beside(Path::new("f/day.itch"), ".idx"), Path::new("f/day.itch.idx"));
    }
}
