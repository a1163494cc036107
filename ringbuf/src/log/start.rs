//! How a log is configured and begun.
use super::error::LogError;
use super::format::{self, RECORD_HEADER_BYTES};
use super::keeper::Keeper;
use super::segment;
use super::writer::{Writer, usable_bytes};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When what was written is made to outlast the machine, not only the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Never by us: the kernel writes back when it likes. A power failure takes what it has not: by its defaults some 30 s.
    Off,
    /// When the interval has passed, at the next `tend`; and every full segment. A power failure takes what came since: the interval, and what the disk takes to answer.
    Interval(Duration),
    /// Every full segment, before it is cut. A power failure takes at most two segments: the one that is written, and the one that is being synced.
    EverySegment,
}

/// Where a log lies and how large its parts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Folder of the log, made when absent (mode 0700). Holds nothing but this log.
    pub dir: PathBuf,
    /// Bytes of a segment: whole pages of 4096, up to 1 GiB. Two exist at any time, three for a moment. One must
    /// be able to take all that is written while the cold thread waits for the disk.
    pub segment_bytes: usize,
    /// [`Writer::low`] turns true when less than this can surely be written; at most what one segment takes.
    pub reserve_bytes: usize,
    /// When to sync.
    pub sync: SyncPolicy,
}

/// A disk operation that is about to happen, for a gate that can delay it or make it fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOp {
    /// A segment's space is reserved.
    Reserve {
        /// Which segment.
        segment: u32,
        /// How many bytes.
        bytes: usize,
    },
    /// Bytes of a segment are synced.
    Sync {
        /// Which segment.
        segment: u32,
        /// How many bytes.
        bytes: usize,
    },
    /// The folder is synced after a segment got its name.
    SyncFolder {
        /// Which segment.
        segment: u32,
    },
    /// A full segment is cut to its length.
    Cut {
        /// Which segment.
        segment: u32,
        /// The length.
        bytes: usize,
    },
}

/// Asked before each disk operation.
pub(super) type Gate = Box<dyn FnMut(DiskOp) -> io::Result<()> + Send>;

/// Begins a log: its folder, two segments, the two ends. Allocates and makes syscalls.
///
/// # Errors
///
/// [`LogError::Config`], [`LogError::NotEmpty`], [`LogError::DiskFull`], [`LogError::Io`], [`LogError::SyncFailed`].
pub fn create(cfg: LogConfig) -> Result<(Writer, Keeper), LogError> {
    create_gated(cfg, |_| Ok(()))
}

/// As [`create`], asking `gate` before each disk operation: an error of it stands for the operation's own, and the
/// operation is not done; the time it takes is the time the disk takes. For fault drills.
///
/// # Errors
///
/// As [`create`].
pub fn create_gated(
    cfg: LogConfig,
    gate: impl FnMut(DiskOp) -> io::Result<()> + Send + 'static,
) -> Result<(Writer, Keeper), LogError> {
    if !format::segment_bytes_valid(cfg.segment_bytes) {
        let allowed = "a multiple of 4096 from 4096 to 1073741824";
        return Err(LogError::Config { field: "segment_bytes", allowed });
    }
    if cfg.reserve_bytes > usable_bytes(cfg.segment_bytes) {
        return Err(LogError::Config { field: "reserve_bytes", allowed: "at most what one segment takes" });
    }
    let failed = |what| move |source| LogError::Io { what, segment: 0, source };
    DirBuilder::new().recursive(true).mode(0o700).create(&cfg.dir).map_err(failed("make folder"))?;
    if !segment::list(&cfg.dir).map_err(failed("list"))?.is_empty() {
        return Err(LogError::NotEmpty { dir: cfg.dir });
    }
    let folder = File::open(&cfg.dir).map_err(failed("open folder"))?;
    // Only has to differ from that of another log whose segments might get into this folder.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let log_id = since.as_nanos() as u64 ^ u64::from(std::process::id()) << 48;
    Keeper::start(cfg, folder, log_id, Box::new(gate))
}

const _: () = assert!(usable_bytes(format::SEGMENT_BYTES_MIN) > format::record_bytes_max(4096));
const _: () = assert!(RECORD_HEADER_BYTES.is_multiple_of(8));
