//! What a running core shows to the outside: a versioned region in shared memory, written by the core's threads with plain stores and read by
//! anyone allowed, at any time, without being noticed.
//!
//! * [`layout`]: where everything lies, drawn; the published contract.
//! * [`counters`]: every counter with its fixed id, name, unit and meaning.
//! * [`publish`]: the writing ends, one for each thread.
//! * [`snapshot`]: all of it read at once, as one value that serialises to JSON.
//! * [`stages`]: the latencies, stage by stage.
//! * [`intervals`]: these by the minute, in a file of the run.

pub mod counters;
pub mod intervals;
pub mod layout;
pub mod publish;
pub mod snapshot;
pub mod stages;

use std::path::PathBuf;

#[cfg(test)]
mod round_trip;

/// The folder of shared memory that regions lie in.
pub const FOLDER: &str = "/dev/shm";
/// What a region's file name begins with; the core's name follows.
pub const PREFIX: &str = "colo-";

/// Where the region of a core lies.
#[must_use]
pub fn region_path(name: &str) -> PathBuf {
    PathBuf::from(format!("{FOLDER}/{PREFIX}{name}"))
}
