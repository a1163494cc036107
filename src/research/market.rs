//! What a backtest ran on, as a hash: the same day is the same hash, wherever it lies.

use std::path::Path;

use model::FeedId;
use sha2::{Digest, Sha256};

use crate::journal::{CaptureError, CaptureReader, RunDir};
use crate::manifest;

/// Why a day's bytes cannot be hashed.
#[derive(Debug, thiserror::Error)]
pub enum UnhashedError {
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A capture cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
}

/// The SHA-256 of a file's bytes, or of what the captures of a run hold: of each feed its id, and each batch without the time at which it came. So a run whose
/// segments were packed since has the hash that it had, and so have two runs that were delivered the same packets. `None` of a pipe, which is gone, and of a run
/// that kept nothing of the market. Cost: reads all of it.
///
/// # Errors
/// What cannot be read.
pub fn sha256<'a>(
    given: &Path,
    feeds: impl Iterator<Item = &'a str>,
) -> Result<Option<String>, UnhashedError> {
    if given.is_file() {
        return Ok(Some(manifest::of_file(given)?));
    }
    if !given.is_dir() {
        return Ok(None);
    }
    let (run, mut hash, mut any) = (RunDir::find(given), Sha256::new(), false);
    for (k, feed) in feeds.enumerate() {
        let captured = RunDir::capture(&run, feed);
        if !captured.exists() {
            continue;
        }
        any = true;
        hash.update((feed.len() as u64).to_le_bytes());
        hash.update(feed);
        // What a backtest left of a file has that file for a capture.
        if captured.is_file() {
            hash.update(manifest::of_file(&captured)?);
            continue;
        }
        let mut reader = CaptureReader::open(&captured, FeedId(k as u8)).map_err(CaptureError::Log)?;
        while let Some(batch) = reader.next_batch()? {
            hash.update([u8::from(batch.is_snapshot)]);
            hash.update(batch.first.to_le_bytes());
            hash.update(batch.count.to_le_bytes());
            hash.update((batch.framed.len() as u64).to_le_bytes());
            hash.update(batch.framed);
        }
    }
    Ok(any.then(|| manifest::hex(&hash.finalize())))
}

#[cfg(test)]
mod tests {
    use model::Nanos;
    use ringbuf::log::{self, LogConfig, SyncPolicy};

    use super::*;
    use crate::journal::Batch;

    /// A run that was delivered these messages, so much later than another.
    fn run(feed: &str, later: u64, batches: &[&[u8]]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let config = LogConfig {
            dir: RunDir::capture(dir.path(), feed),
            segment_bytes: 1 << 16,
            reserve_bytes: 1 << 12,
            sync: SyncPolicy::Off,
        };
        let (mut writer, keeper) = log::create(config).unwrap();
        for (k, framed) in batches.iter().enumerate() {
            let (received, first) = (Nanos(k as u64 + later), k as u64 + 1);
            Batch { received, is_snapshot: false, first, count: 1, framed }.append(&mut writer).unwrap();
        }
        writer.finish();
        keeper.close().unwrap();
        dir
    }

    #[test]
    fn a_day_is_what_was_delivered_not_when_nor_where() {
        let of = |dir: &tempfile::TempDir| sha256(dir.path(), ["f1"].into_iter()).unwrap();
        let day = of(&run("f1", 5, &[b"\0\x01S", b"\0\x01A"]));
        assert_eq!(day.as_ref().map(String::len), Some(64));
        assert_eq!(day, of(&run("f1", 9_000, &[b"\0\x01S", b"\0\x01A"])));
        assert_ne!(day, of(&run("f1", 5, &[b"\0\x01S", b"\0\x01B"])));
        assert_ne!(day, of(&run("f1", 5, &[b"\0\x01S"])));
        assert_eq!(of(&run("f2", 5, &[b"\0\x01S"])), None, "nothing is kept of this feed");
    }

    #[test]
    fn a_file_is_its_bytes_also_where_a_run_names_it_and_what_is_not_there_is_no_day() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("day.itch");
        std::fs::write(&file, b"abc").unwrap();
        let of = |path: &Path| sha256(path, ["f1"].into_iter()).unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(&file).as_deref(), Some(abc));
        let run = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(&file, RunDir::capture(run.path(), "f1")).unwrap();
        let by_a_run = of(run.path());
        assert!(by_a_run.is_some());
        std::fs::write(&file, b"abd").unwrap();
        assert_ne!(of(run.path()), by_a_run);
        assert_eq!(of(&dir.path().join("absent")), None);
    }
}
