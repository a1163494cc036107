//! The journal: everything that moved the engine and everything it did, in the order it happened, in shared memory.
//!
//! ```text
//!   <journal_dir>/<name>/tokens                  order tokens granted so far, durable
//!   <journal_dir>/<name>/run-NNNNNN/config.toml  what the run was started with (no secrets)
//!                                  /core/        inputs, commands, receipts: a ringbuf::log written by the strategy thread
//!                                  /feed-<id>/   raw market data with receive stamps: a ringbuf::log written by the feed's thread
//!                                  /standing     what stood at a place of core/, so that a start need not read all of it
//!                                  /log.jsonl    what people read
//! ```
//!
//! Contract: an input is in the log before the engine sees it, and a command is in the log before its bytes leave. A hot thread appends with plain
//! stores, so `kill -9` loses nothing that was appended; a crash of the machine loses what the sync policy says.
//!
//! Market data is journaled by reference (feed, first sequence, count) and found in the feed's capture; everything else whole.

mod by;
mod bytes;
mod capture;
pub mod chain;
mod examine;
mod lives;
pub mod record;
mod retention;
mod run;
pub mod standing;

pub use by::{By, OPERATOR_MAX, REASON_MAX, Text};
pub use capture::{Batch, CaptureError, CaptureReader};
pub use chain::{Chain, Sealed, Seals};
pub use examine::examine;
pub use lives::OrderLives;
pub use record::{Receipt, Record, RecordError};
pub use retention::{Archive, Retention};
pub use run::{RunDir, RunError, TokenBlocks, give_up_name, take_name};
