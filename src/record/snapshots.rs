//! Snapshots beside the stream: for what no line and no server brought, the books as they were behind it.
//!
//! ```text
//!   day.itch                 .. 4999 | 5601 ..      the messages that came; the index has a mark at 5601
//!   day.snapshot-5601.itch   S R H Y .. A F ..      the state before message 5601, as ITCH 5.0 says it, framed like the stream
//! ```
//!
//! `cat` of the snapshot without its last two bytes (the zero length) and of the stream from 5601 on is the day from there: what reads one file reads that.
//! While a snapshot comes in its file is `day.snapshot.itch`; one that does not end is removed.

use std::fs;
use std::path::{Path, PathBuf};

use super::RecordError;
use super::series::Series;

/// Bytes written at a time.
const BLOCK: usize = 256 * 1024;

/// The snapshots of a recording.
pub(super) struct SnapshotFiles {
    name: PathBuf,
    open: Option<Series>,
    block: Vec<u8>,
    whole: Vec<PathBuf>,
}

impl SnapshotFiles {
    /// Creates none yet. Those of an earlier recording are not touched, unless `overwrite`: then they are removed.
    ///
    /// # Errors
    /// [`RecordError::Exists`], [`RecordError::Create`].
    pub(super) fn create(name: &Path, overwrite: bool) -> Result<SnapshotFiles, RecordError> {
        for path in existing(name) {
            if !overwrite {
                return Err(RecordError::Exists { path });
            }
            fs::remove_file(&path).map_err(|source| RecordError::Create { path, source })?;
        }
        Ok(SnapshotFiles { name: name.to_path_buf(), open: None, block: Vec::new(), whole: Vec::new() })
    }

    /// A snapshot begins.
    ///
    /// # Errors
    /// [`RecordError::Create`].
    pub(super) fn begin(&mut self) -> Result<(), RecordError> {
        self.block.clear();
        self.open = Some(Series::create(&named(&self.name, ""), None, true)?);
        Ok(())
    }

    /// Its next message.
    ///
    /// # Errors
    /// [`RecordError::Write`].
    pub(super) fn message(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        self.block.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK { self.write() } else { Ok(()) }
    }

    /// It is whole; the stream goes on with message `next`.
    ///
    /// # Errors
    /// [`RecordError::Write`], [`RecordError::Create`].
    pub(super) fn end(&mut self, next: u64) -> Result<(), RecordError> {
        self.block.extend_from_slice(&[0, 0]);
        self.write()?;
        let Some(mut file) = self.open.take() else { return Ok(()) };
        file.finish()?;
        let path = named(&self.name, &format!("-{next}"));
        fs::rename(file.path(), &path)
            .map_err(|source| RecordError::Create { path: path.clone(), source })?;
        self.whole.push(path);
        Ok(())
    }

    fn write(&mut self) -> Result<(), RecordError> {
        if let Some(file) = &mut self.open {
            file.write(&self.block)?;
        }
        self.block.clear();
        Ok(())
    }

    /// The files of whole snapshots. Removes what is left of one that did not end.
    pub(super) fn into_whole(self) -> Vec<PathBuf> {
        if let Some(file) = &self.open {
            // Where it cannot be removed it is no one's harm: its name says that it is not whole.
            let _ = fs::remove_file(file.path());
        }
        self.whole
    }
}

/// `day.itch` as `day.snapshot.itch`, with `more` behind the word.
fn named(name: &Path, more: &str) -> PathBuf {
    let mut file = name.file_stem().unwrap_or_default().to_os_string();
    file.push(format!(".snapshot{more}"));
    if let Some(extension) = name.extension() {
        file.push(".");
        file.push(extension);
    }
    name.with_file_name(file)
}

/// Whole snapshots that are there.
fn existing(name: &Path) -> Vec<PathBuf> {
    let folder = name.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_ours = |path: &PathBuf| {
        let file = path.file_name().and_then(|f| f.to_str()).unwrap_or_default();
        let mut numbers = file.split(['-', '.']).filter_map(|part| part.parse::<u64>().ok());
        numbers.any(|n| named(name, &format!("-{n}")).file_name() == path.file_name())
    };
    // As of the stream's files: a folder that cannot be read says so where one is created in it.
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).filter(is_ours).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_one_has_its_place_in_its_name_and_a_broken_one_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().join("2024-01-02.itch");
        let left = || {
            let all = fs::read_dir(folder.path()).expect("a folder");
            let mut all: Vec<_> =
                all.map(|e| e.expect("a file").file_name().into_string().expect("text")).collect();
            all.sort();
            all
        };
        let mut files = SnapshotFiles::create(&name, false).expect("nothing is there");
        files.begin().expect("a file");
        files.message(b"broken").expect("room");
        files.begin().expect("a file");
        files.message(b"R").expect("room");
        files.message(b"AB").expect("room");
        files.end(5_601).expect("room");
        files.begin().expect("a file");
        files.message(b"broken").expect("room");
        let whole = folder.path().join("2024-01-02.snapshot-5601.itch");
        assert_eq!(left(), ["2024-01-02.snapshot-5601.itch", "2024-01-02.snapshot.itch"]);
        assert_eq!(files.into_whole(), std::slice::from_ref(&whole));
        assert_eq!(fs::read(&whole).expect("it is there"), b"\0\x01R\0\x02AB\0\0");
        assert_eq!(left().len(), 1);

        let Err(refused) = SnapshotFiles::create(&name, false) else { panic!("written over") };
        assert!(refused.to_string().contains("snapshot-5601"), "{refused}");
        SnapshotFiles::create(&name, true).expect("overwritten");
        assert!(left().is_empty());
    }
}
