//! What a session of `colo run` may reach before it begins, and what its report says of it as evidence.

use std::path::Path;

use serde_json::{Value, json};

use super::{Exit, Failure, live};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::manifest::Pair;
use crate::release::gate::{Admission, admit};
use crate::release::{Refused, evidence, limits, plain};

/// Refuses a gateway that leads to production, where the mode reaches none.
///
/// # Errors
/// Exit code 4.
pub(super) fn reaches_no_production(config: &Config, file: &Path) -> Result<(), Failure> {
    let Some(k) = config.gateways.iter().position(|g| g.environment == Environment::Production) else {
        return Ok(());
    };
    let key = format!("{}: `gateways[{k}].environment` is \"production\"", file.display());
    let sentence = format!(
        "{key}; --mode test reaches only gateways marked \"test\", and --mode live wants an approval (`colo promote`)"
    );
    Err(Failure::with(Exit::Gate, sentence))
}

/// Lets a session reach production, or says all that is missing. No socket is open by then.
///
/// # Errors
/// Exit code 4.
pub(super) fn admitted(config: &Config, pair: &Pair, file: &Path) -> Result<Admission, Failure> {
    let refused = |why: Refused| {
        let (file, why) = (file.display(), plain(&why.0.join("; ")));
        Failure::with(Exit::Gate, format!("{file}: --mode live is refused: {why}; nothing has logged in"))
    };
    let admission = admit(config, pair, &evidence::host(), Clock::new().now()).map_err(refused)?;
    let Admission { number, signers, limits_percent, .. } = &admission;
    let limits = match limits_percent {
        0 => String::new(),
        percent => format!(", limits of {percent} % of the target"),
    };
    live::say(&format!(
        "LIVE: entry {number} of the release log, signed by {}{limits}",
        signers.join(" and ")
    ));
    Ok(admission)
}

/// A report of a session as sealed evidence: with its limits, its approval, and the hashes of what ran.
pub(super) fn sealed(mut report: Value, pair: &Pair, approval: Option<&str>, config: &Config) -> String {
    report["limits"] = limits::told(config);
    report["approval"] = json!(approval);
    evidence::stamp(&mut report, "session", config, &pair.binary_sha256, Clock::new().now());
    evidence::sealed(&report)
}
