//! A journal to write into and throw away: a log in a folder of its own under `TMPDIR`, begun anew before its segment is full.
//!
//! Segments are made, faulted in and removed between passes, as in life they are by another thread: what is timed is the appends.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use ringbuf::log::{self, Keeper, LogConfig, SyncPolicy, Writer};

use crate::journal::Record;

const SEGMENT_BYTES: usize = 16 << 20;
/// No pass writes more than this.
const PASS_BYTES: u64 = 1 << 20;

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The log, its keeper and its folder.
pub struct Scratch {
    writer: Writer,
    keeper: Keeper,
    _folder: Folder,
}

impl Scratch {
    /// An empty log.
    ///
    /// # Errors
    /// No room for two segments, or no folder to make them in, as a sentence.
    pub fn new() -> Result<Scratch, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("colo-scratch-{}-{nth}", std::process::id()));
        let said = |e: &dyn std::fmt::Display| format!("a journal under {}: {e}", dir.display());
        std::fs::create_dir(&dir).map_err(|e| said(&e))?;
        let folder = Folder(dir.clone());
        let config = LogConfig {
            dir: dir.join("log"),
            segment_bytes: SEGMENT_BYTES,
            reserve_bytes: 0,
            sync: SyncPolicy::Off,
        };
        let (writer, keeper) = log::create(config).map_err(|e| said(&e))?;
        Ok(Scratch { writer, keeper, _folder: folder })
    }

    /// Makes sure of mapped room for a pass.
    ///
    /// # Panics
    /// When the disk that took the first segments takes no more.
    pub fn tend(&mut self) {
        if self.writer.headroom() < SEGMENT_BYTES as u64 + PASS_BYTES {
            *self = Scratch::new().expect("room as before");
        }
        self.keeper.tend().expect("the disk takes it");
    }

    /// Appends a record.
    ///
    /// # Panics
    /// When a pass writes more than [`Scratch::tend`] made room for.
    #[inline]
    pub fn write(&mut self, record: &Record) {
        record.append(&mut self.writer).expect("room was made");
    }
}
