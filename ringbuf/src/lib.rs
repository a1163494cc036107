//! Memory shared by threads and processes, with no word of what travels through it.
//!
//! | module | what it is | one writer, and | cost on the hot side |
//! |---|---|---|---|
//! | [`spsc`] | bounded ring between two threads (over `rtrb`) | one consumer thread | a push or a pop |
//! | [`log`] | append-only, memory-mapped, segmented log | any number of reader processes | plain stores |
//! | [`cell`] | last value of a few words (seqlock) | any number of reader processes | plain stores, two fences |
//! | [`counters`] | `u64` counters with fixed ids | any number of reader processes | a load and a store |
//! | [`histogram`] | log-linear histogram of durations | any number of reader processes | three loads and stores |
//! | [`region`] | versioned mapped file that holds the last three | any number of reader processes | none |
//!
//! # Invariants
//!
//! * Every shared word is an atomic, in a mapping as on the heap: a process that scribbles over a region or
//!   a log can make a reader see wrong *values*, or an error, never undefined behaviour.
//! * All raw pointers are in [`words`]; `region` and `log` build on it. The other `unsafe` blocks are one
//!   call to `posix_fallocate` and the call of the SSE 4.2 checksum after it was detected.
//! * No reader spins without a bound, and no reader can hold up a writer.
//! * After construction the hot side neither allocates nor makes a syscall.
//!
//! # Loom
//!
//! Atomics come from one alias module, which is `loom`'s under `--cfg loom`. There the parts that need a
//! mapping or `rtrb` are left out; the protocols themselves (cell, counter, record commit and scan) are the
//! same code and are what `tests/loom.rs` explores:
//! `RUSTFLAGS="--cfg loom" cargo test -p ringbuf --release --test loom`.

#[cfg(not(target_endian = "little"))]
compile_error!("regions and logs are little-endian on disk and are written as native words");

mod sync;

pub mod cell;
pub mod counters;
pub mod histogram;
pub mod log;
#[cfg(not(loom))]
pub mod region;
#[cfg(not(loom))]
pub mod spsc;
pub mod words;

#[cfg(not(loom))]
mod disk;
