//! `[release]`: where it stands that a configuration may run live, as written and resolved.
//!
//! ```toml
//! [release]
//! policy = "live.toml"           # what the stage asks for, and who approves
//! log = "release/releases.jsonl" # what is approved, and what was taken back
//! ```
//!
//! Both are paths, relative to the configuration, and as such part of its hash; what stands in the files is not, so an approval of a configuration can be written down in the log that it names.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// As written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The stage's policy.
    pub policy: String,
    /// The release log.
    pub log: String,
}

/// Resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The stage's policy.
    pub policy: PathBuf,
    /// The release log.
    pub log: PathBuf,
}

pub(super) fn resolve(written: &Written, base: &Path) -> Release {
    Release { policy: base.join(&written.policy), log: base.join(&written.log) }
}
