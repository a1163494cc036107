//! A file of lines that does not grow without end: at a size it becomes `NAME.1`, what was `.1` becomes `.2`, and the oldest goes.
//!
//! A line is never cut by that, nor in two files. Who follows the file sees it renamed and a new one in its place, which is what shippers of logs expect.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes at which a file is put aside ...
const BYTES_MAX: u64 = 64 << 20;
/// ... and how many of these are kept beside the one that is written.
const KEPT: u32 = 8;

/// See the module.
pub(super) struct Rotated {
    path: PathBuf,
    out: BufWriter<File>,
    written: u64,
    bytes_max: u64,
}

impl Rotated {
    /// Makes the file, in the place of one that is there.
    pub(super) fn create(path: &Path) -> io::Result<Rotated> {
        Rotated::with(path, BYTES_MAX)
    }

    fn with(path: &Path, bytes_max: u64) -> io::Result<Rotated> {
        let out = BufWriter::new(File::create(path)?);
        Ok(Rotated { path: path.to_owned(), out, written: 0, bytes_max })
    }

    /// Adds a line, which brings its end with it.
    pub(super) fn add(&mut self, line: &[u8]) -> io::Result<()> {
        if self.written > 0 && self.written + line.len() as u64 > self.bytes_max {
            self.put_aside()?;
        }
        self.written += line.len() as u64;
        self.out.write_all(line)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn aside(&self, n: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{n}"));
        name.into()
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.out.flush()?;
        for n in (1..KEPT).rev() {
            match fs::rename(self.aside(n), self.aside(n + 1)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::rename(&self.path, self.aside(1))?;
        self.out = BufWriter::new(File::create(&self.path)?);
        self.written = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_in_order_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let mut log = Rotated::with(&path, 100).unwrap();
        for k in 0..1_000 {
            log.add(format!("{{\"line\": {k:04}}}\n").as_bytes()).unwrap();
        }
        log.flush().unwrap();
        let mut files: Vec<PathBuf> = (1..=KEPT).rev().map(|n| log.aside(n)).collect();
        files.push(path);
        assert_eq!(dir.path().read_dir().unwrap().count(), files.len());
        let text: String = files.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
        assert!(files.iter().all(|f| fs::metadata(f).unwrap().len() <= 100));
        let lines: Vec<&str> = text.lines().collect();
        let first = 1_000 - lines.len();
        assert!(first > 800, "the oldest went: {first}");
        for (k, line) in lines.iter().enumerate() {
            assert_eq!(*line, format!("{{\"line\": {:04}}}", first + k));
        }
        // One that is longer than a file has one of its own.
        log.add(&[b'x'; 300]).unwrap();
        log.flush().unwrap();
        assert_eq!(fs::metadata(dir.path().join("log.jsonl")).unwrap().len(), 300);
    }
}
