//! Is this host tuned? One row a setting, each with what was found and the exact fix.
//!
//! Everything is read from files under a root (`/`, or a fixture): nothing is changed, started or asked of the network, and the
//! doctor needs no privilege, though without one more is *unknown*.
//!
//! | status | means |
//! |---|---|
//! | `pass` | as wanted |
//! | `warn` | costs latency or jitter; the core works |
//! | `fail` | defeats the purpose of the host: a quota stops the hot threads, or time is not to be had without system calls |
//! | `unknown` | not readable, not applicable, or not visible from inside a virtual machine; never counted as a failure |
//!
//! On a virtual machine the rows about what only the hypervisor's host decides (power states, mitigations, isolation) say
//! `unknown` where they would warn; what is good is still a `pass`.
//!
//! `tuning/host.toml` states the wanted value of every row by its id, `tuning/README.md` what it buys; a test keeps the
//! three in step. To add a row: one `Check` in the table of its file, one entry there.

#![forbid(unsafe_code)]

mod cores;
mod cpuset;
mod limits;
mod memory;
mod network;
mod power;
mod source;

use std::path::Path;

use serde::Serialize;

use source::Host;

/// The verdict on one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As wanted.
    Pass,
    /// Costs latency or jitter.
    Warn,
    /// Defeats the purpose.
    Fail,
    /// Cannot be told from here.
    Unknown,
}

/// One setting of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// A stable name: `[a-z0-9_]+`.
    pub id: &'static str,
    /// What the setting is.
    pub what: &'static str,
    /// What was found.
    pub found: String,
    /// The verdict.
    pub status: Status,
    /// What to do about it, as a command or setting; empty on a pass.
    pub fix: String,
    /// What applies the fix.
    pub tool: String,
}

/// What the rows are about, where that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Focus {
    /// Cores that hot threads are pinned to; empty: the isolated cores are taken for them.
    pub hot_cores: Vec<usize>,
    /// Network interfaces that carry feeds and orders; empty: the rows about them are unknown.
    pub interfaces: Vec<String>,
}

/// What one look at the host found.
enum Verdict {
    Good(String),
    Bad(String),
    Worst(String),
    Unclear(String),
}

impl Verdict {
    /// Good or bad by a condition.
    fn judge(good: bool, found: impl Into<String>) -> Verdict {
        if good { Verdict::Good(found.into()) } else { Verdict::Bad(found.into()) }
    }

    fn unreadable() -> Verdict {
        Verdict::Unclear("not readable here".to_owned())
    }
}

/// One row before it is looked at.
struct Check {
    id: &'static str,
    what: &'static str,
    fix: &'static str,
    tool: &'static str,
    /// Whether inside a virtual machine a bad finding says nothing, since the hypervisor's host decides.
    of_hypervisor: bool,
    look: fn(&Host, &Focus) -> Verdict,
}

impl Check {
    fn row(&self, host: &Host, focus: &Focus) -> Row {
        let (found, status) = match (self.look)(host, focus) {
            Verdict::Good(found) => (found, Status::Pass),
            Verdict::Bad(found) | Verdict::Worst(found) if self.of_hypervisor && host.is_virtual() => {
                (format!("{found} (virtual machine: decided by its host)"), Status::Unknown)
            }
            Verdict::Bad(found) => (found, Status::Warn),
            Verdict::Worst(found) => (found, Status::Fail),
            Verdict::Unclear(found) => (found, Status::Unknown),
        };
        let fix = if status == Status::Pass { String::new() } else { self.fix.to_owned() };
        Row { id: self.id, what: self.what, found, status, fix, tool: self.tool.to_owned() }
    }
}

/// The rows of the host whose file system begins at `root`, about these cores and interfaces, in a fixed order. Reads some hundred small files.
#[must_use]
pub fn rows(root: &Path, focus: &Focus) -> Vec<Row> {
    let host = Host::new(root);
    let tables: [&[Check]; 5] =
        [cores::CHECKS, power::CHECKS, memory::CHECKS, network::CHECKS, limits::CHECKS];
    tables.into_iter().flatten().map(|check| check.row(&host, focus)).collect()
}

/// Whether a strict reader would go on: no row warns or fails.
#[must_use]
pub fn is_tuned(rows: &[Row]) -> bool {
    rows.iter().all(|row| matches!(row.status, Status::Pass | Status::Unknown))
}

#[cfg(test)]
mod tests;
