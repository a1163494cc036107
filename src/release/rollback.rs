//! Taking a release back: an entry of the log of its own, signed by one approver, since going back to what was approved before needs less than going on.
//!
//! ```toml
//! version = 1
//! what = "rollback"
//! core = "desk1"
//! stage = "live"
//! from = "..."                    # seal of the latest entry of this core and stage
//! to = "..."                      # seal of the release that is in force from now on; empty: nothing is
//! reason = "fills too far from the middle"
//! at_ns = 1795435200000000000
//! ```

use model::Nanos;
use serde::{Deserialize, Serialize};

use super::Stage;

/// The word of a roll-back's text.
pub(super) const WHAT: &str = "rollback";
/// What a person may say of it.
const REASON_MAX: usize = 500;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    version: u32,
    what: String,
    /// Which core.
    pub core: String,
    /// Which stage.
    pub stage: Stage,
    /// Seal of the entry that was the latest.
    pub from: String,
    /// Seal of the release that is in force from now on; empty where nothing is.
    pub to: String,
    /// Why.
    pub reason: String,
    at_ns: u64,
}

impl Rollback {
    /// From one entry to another.
    #[must_use]
    pub fn new(core: &str, stage: Stage, from: &str, to: Option<&str>, reason: &str, now: Nanos) -> Rollback {
        let plain = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
        Rollback {
            version: 1,
            what: WHAT.into(),
            core: core.into(),
            stage,
            from: from.into(),
            to: to.unwrap_or_default().into(),
            reason: plain.take(REASON_MAX).collect(),
            at_ns: now.0,
        }
    }

    /// The text that is signed.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("plain values")
    }

    /// Reads a text; nothing where it is not exactly as [`Rollback::to_toml`] writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Rollback> {
        let r: Rollback = toml::from_str(text).ok()?;
        (r.version == 1 && r.what == WHAT && r.to_toml() == text).then_some(r)
    }
}
