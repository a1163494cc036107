//! An append-only, memory-mapped, segmented log: one writer, any number of reader processes.
//!
//! ```text
//!    hot thread                         cold thread                            other processes
//!    Writer  <---- ready segments ----  Keeper                                 Reader, verify
//!      |     ---- full segments ---->     |  reserve, fault in, sync, cut        |
//!      | plain stores                     |                                      | pread
//!      v                                  v                                      v
//!    00000000.log   00000001.log   00000002.log   00000003.log
//!    [header|record|record|...|PADDING]  [header|record|...|record|0 0 0 ...]  [header|0 ...]
//!     cut to its length                   being written                         ready, not begun
//! ```
//!
//! The bytes are drawn in [`format`](mod@format) (segment header) and [`record`] (record and commit protocol).
//!
//! # What is promised
//!
//! * [`Writer::append`] returns: the record is committed. It survives the process (`kill -9`), because the
//!   stores are in the page cache; it survives the machine when a sync has covered it ([`SyncPolicy`]).
//! * A reader sees each record once, in order, whole and as written, or an error; never anything else.
//! * No append makes a syscall or waits. Page faults are taken by the keeper, beforehand; after a sync the page
//!   being written costs one more. (A file system that needs stable pages, or moves blocks on write as btrfs
//!   does, weakens this and the next: use ext4, xfs or tmpfs.)
//! * The disk's space is reserved when a segment is made: a full disk is [`LogError::DiskFull`] from the
//!   keeper, long before the writer notices it, and never a SIGBUS.
//! * A sync that failed is never tried again ([`LogError::SyncFailed`]).
//!
//! # How it ends
//!
//! | what is at the end | read as |
//! |---|---|
//! | [`Writer::finish`], with or without [`Keeper::close`] | [`End::Clean`] |
//! | writer killed or dropped; power lost between two pages | [`End::Torn`]: the longest valid prefix |
//! | a committed record that does not fit its checksum | [`LogError::Corrupt`] |
//! | anything unreadable with valid records, or a begun segment, behind it | [`LogError::Corrupt`] |
//!
//! A segment that is written no more may be packed ([`pack`]); readers do not notice, but for its size in memory while they are in it.
//!
//! A log is written by one run. The next run reads it, and writes a log of its own in another folder.
//!
//! # The rule for a writer
//!
//! Stop causing records when [`Writer::low`] turns true, before the first that could not be recorded; what is
//! then still under way has `reserve_bytes` to be recorded in.
//!
//! ```
//! # let folder = tempfile::tempdir().unwrap();
//! # let dir = folder.path().join("log");
//! use ringbuf::log::{self, LogConfig, SyncPolicy};
//!
//! let cfg = LogConfig { dir: dir.clone(), segment_bytes: 1 << 20, reserve_bytes: 1 << 16, sync: SyncPolicy::Off };
//! let (mut writer, mut keeper) = log::create(cfg)?;
//! writer.append(7, b"first").unwrap();
//!
//! let mut reader = log::Reader::open(&dir)?;
//! assert_eq!(reader.next()?.map(|record| (record.index, record.kind)), Some((0, 7)));
//! assert!(reader.next()?.is_none());
//!
//! keeper.tend()?;
//! writer.finish();
//! keeper.close()?;
//! assert_eq!(log::verify(&dir)?.end, log::End::Clean);
//! # Ok::<(), log::LogError>(())
//! ```

mod checksum;
mod error;
pub mod format;
pub mod record;
pub mod scan;

#[cfg(not(loom))]
mod keeper;
#[cfg(not(loom))]
mod packed;
#[cfg(not(loom))]
mod reader;
#[cfg(not(loom))]
mod segment;
#[cfg(not(loom))]
mod writer;

pub use error::{AppendError, CorruptFault, LogError};
#[cfg(not(loom))]
pub use keeper::{Closed, Keeper, KeeperReport, WriterState};
#[cfg(not(loom))]
pub use packed::{PackStep, Packed, pack};
#[cfg(not(loom))]
pub use reader::{End, Place, Reader, Record, Verified, verify};
pub use scan::TornCause;
#[cfg(not(loom))]
pub use writer::Writer;

#[cfg(not(loom))]
pub use start::{DiskOp, LogConfig, SyncPolicy, create, create_gated};

#[cfg(not(loom))]
use start::Gate;

#[cfg(not(loom))]
mod start;
