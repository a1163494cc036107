//! A journal to write into and throw away: a log in a folder of its own under `TMPDIR`, begun anew before its segment is full.
//!
//! Segments are made, faulted in and removed between passes, as in life they are by another thread: what is timed is the appends.

use colo::journal::Record;
use ringbuf::log::{self, Keeper, LogConfig, SyncPolicy, Writer};
use tempfile::TempDir;

const SEGMENT_BYTES: usize = 16 << 20;
/// No pass writes more than this.
const PASS_BYTES: u64 = 1 << 20;

/// The log, its keeper and its folder.
pub struct Scratch {
    writer: Writer,
    keeper: Keeper,
    _folder: TempDir,
}

impl Scratch {
    /// An empty log.
    pub fn new() -> Scratch {
        let folder = tempfile::tempdir().expect("a folder under TMPDIR");
        let config = LogConfig {
            dir: folder.path().join("log"),
            segment_bytes: SEGMENT_BYTES,
            reserve_bytes: 0,
            sync: SyncPolicy::Off,
        };
        let (writer, keeper) = log::create(config).expect("room for two segments");
        Scratch { writer, keeper, _folder: folder }
    }

    /// Makes sure of mapped room for a pass.
    pub fn tend(&mut self) {
        if self.writer.headroom() < SEGMENT_BYTES as u64 + PASS_BYTES {
            *self = Scratch::new();
        }
        self.keeper.tend().expect("the disk takes it");
    }

    /// Appends a record.
    #[inline]
    pub fn write(&mut self, record: &Record) {
        record.encode(|kind, bytes| self.writer.append(kind, bytes)).expect("room was made");
    }
}
