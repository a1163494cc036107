//! `[host]`: what a core asks of its host beside cores, as written and resolved.
//!
//! ```toml
//! [host]
//! sandbox = "on"
//! approved = "approved.toml"     # program and configuration by their hashes; nothing else logs in (exit code 4)
//! ```

use serde::{Deserialize, Serialize};

use super::resolve::Checks;

/// As written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// `on`: once it is set up, the core gives up its capabilities and the system calls that it never makes. `off`: it keeps them.
    pub sandbox: String,
    /// A file that names what may log in, relative to the configuration: program and configuration by their hashes ([`crate::manifest`]). Anything else is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<String>,
}

impl Default for Host {
    fn default() -> Self {
        Host { sandbox: "on".into(), approved: None }
    }
}

pub(super) fn resolve(c: &mut Checks, h: &Host) -> bool {
    c.word("host.sandbox", &h.sandbox, &[("on", true), ("off", false)]).unwrap_or(true)
}
