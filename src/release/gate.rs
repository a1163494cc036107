//! What a core looks at before it logs in to production: the latest entry of the release log, held against what is about to run.
//!
//! It costs some files read and two signatures, before any socket is opened. A host remembers how much of the log it has seen (`release-seen` in the folder of the core's journals), for a log whose last
//! lines are gone holds all the same and may approve of what was taken back.

use std::path::Path;

use model::Nanos;

use super::approval::{Statement, signers};
use super::keys::Approvers;
use super::log::{Active, Entry, Log};
use super::policy::Policy;
use super::{Refused, Stage, Subject, limits};
use crate::config::{Config, Environment};
use crate::manifest::Pair;

/// The name of what is remembered.
const SEEN: &str = "release-seen";

/// Why a core may run live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The approval's seal in the log.
    pub approval: String,
    /// Its number there.
    pub number: u64,
    /// Who signed it.
    pub signers: Vec<String>,
    /// Its limits, of the policy's target.
    pub limits_percent: u32,
    /// Whether operators may leave the approved parameters while it runs.
    pub params_may_change: bool,
}

/// Whether this configuration may run live with this program, on this host, now.
///
/// # Errors
/// Everything that is missing, each in a sentence.
pub fn admit(config: &Config, pair: &Pair, host: &str, now: Nanos) -> Result<Admission, Refused> {
    let is_test = config.gateways.iter().filter(|g| g.environment == Environment::Test);
    let mut mixed: Vec<_> = is_test
        .map(|g| format!("gateway {} is marked \"test\", and live reaches production alone", g.id))
        .collect();
    let Some(release) = &config.release else {
        mixed.push(
            "`release` is not given: it names policy and log, without which there is no approval".into(),
        );
        return Err(Refused(mixed));
    };
    if !mixed.is_empty() {
        return Err(Refused(mixed));
    }
    let policy = Policy::read(&release.policy).map_err(Refused::because)?;
    if policy.asks.stage != Stage::Live {
        let file = policy.file.display();
        return Err(Refused::because(format!("{file}: is the policy of the stage {}", policy.asks.stage)));
    }
    let approvers = policy.approvers().map_err(Refused::because)?;
    let log = Log::read(&release.log)?;
    seen(&config.journal_dir, &log)?;
    let (by, entry, statement) = in_force(&log, &config.name)?;
    let mut missing = standing(entry, statement, &policy, &approvers, now);
    if by.number != entry.number && !has_word(by, &approvers, 1) {
        missing.push(format!("entry {}: the roll-back is not signed by an approver", by.number));
    }
    missing.extend(mismatches(&Subject::of(config, pair), statement));
    if let Some(l) = &policy.asks.limits {
        missing.extend(limits::above(&l.target, statement.limits_percent, config));
    }
    if !statement.hosts.is_empty() && !statement.hosts.iter().any(|h| h == host) {
        missing.push(format!(
            "this host is {host:?}, and what is approved is for {}",
            statement.hosts.join(", ")
        ));
    }
    if !missing.is_empty() {
        return Err(Refused(missing));
    }
    remember(&config.journal_dir, &log)
        .map_err(|e| Refused::because(format!("{}: {e}", config.journal_dir.join(SEEN).display())))?;
    let names = signers(&entry.text, &entry.signatures, &approvers)?;
    Ok(Admission {
        approval: entry.seal.clone(),
        number: entry.number,
        signers: names.into_iter().map(str::to_owned).collect(),
        limits_percent: statement.limits_percent,
        params_may_change: policy.lets_params_change(),
    })
}

fn in_force<'a>(log: &'a Log, core: &str) -> Result<(&'a Entry, &'a Entry, &'a Statement), Refused> {
    let file = log.file.display();
    match log.active(core, Stage::Live) {
        Active::Release { release, statement, by } => Ok((by, release, statement)),
        Active::Nothing => {
            Err(Refused::because(format!("{file}: nothing was ever approved for {core:?} to run live")))
        }
        Active::Withdrawn(by) => Err(Refused::because(format!(
            "{file}: what was approved for {core:?} has been taken back (entry {}), and nothing is in its place",
            by.number
        ))),
    }
}

/// What keeps an approval from being in force, whatever is to run under it.
#[must_use]
pub fn standing(
    entry: &Entry,
    statement: &Statement,
    policy: &Policy,
    approvers: &Approvers,
    now: Nanos,
) -> Vec<String> {
    let (n, mut missing) = (entry.number, Vec::new());
    if statement.policy_sha256 != policy.sha256 {
        missing.push(format!(
            "{}: is {} (SHA-256), and entry {n} was approved under {}",
            policy.file.display(),
            policy.sha256,
            statement.policy_sha256
        ));
    }
    match signers(&entry.text, &entry.signatures, approvers) {
        Err(why) => missing.push(format!("entry {n}: {why}")),
        Ok(names) if names.len() < policy.asks.approvals => missing.push(format!(
            "entry {n}: {} of {} approvers have signed it ({})",
            names.len(),
            policy.asks.approvals,
            names.into_iter().collect::<Vec<_>>().join(", ")
        )),
        Ok(_) => {}
    }
    if now.0 > statement.expires_ns {
        let since = crate::logs::timestamp(Nanos(statement.expires_ns));
        missing.push(format!("entry {n}: the approval has ended ({since}); promote again"));
    }
    if policy.expires(now).0 < statement.expires_ns {
        missing.push(format!("entry {n}: the approval lasts longer than the policy lets one"));
    }
    missing
}

/// Whether at least so many approvers have signed an entry.
#[must_use]
pub fn has_word(entry: &Entry, approvers: &Approvers, people: usize) -> bool {
    signers(&entry.text, &entry.signatures, approvers).is_ok_and(|names| names.len() >= people)
}

fn mismatches(runs: &Subject, approved: &Statement) -> Vec<String> {
    let pairs = [
        ("strategy", "`strategy`", &runs.strategy, &approved.strategy),
        ("program", "`binary_sha256`", &runs.pair.binary_sha256, &approved.binary_sha256),
        ("configuration", "`config_sha256`", &runs.pair.config_sha256, &approved.config_sha256),
        ("set of parameters", "`params_sha256`", &runs.params_sha256, &approved.params_sha256),
    ];
    let differ = pairs.into_iter().filter(|(_, _, a, b)| a != b);
    differ.map(|(what, key, a, b)| format!("this {what} is {a}, and {b} is approved ({key})")).collect()
}

/// Refuses a log that is shorter than it was, or another.
fn seen(folder: &Path, log: &Log) -> Result<(), Refused> {
    let file = folder.join(SEEN);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Refused::because(format!("{}: {e}", file.display()))),
    };
    let line = text.strip_suffix('\n').and_then(|t| t.split_once(' '));
    let line = line.and_then(|(n, seal)| Some((n.parse::<usize>().ok()?, seal)));
    let Some((n, seal)) = line else {
        return Err(Refused::because(format!("{}: is not as it was written", file.display())));
    };
    let entry = n.checked_sub(1).and_then(|k| log.entries.get(k));
    if entry.is_some_and(|e| e.seal == seal) {
        return Ok(());
    }
    Err(Refused::because(format!(
        "{}: lacks entry {n} ({seal}), which this host has seen ({}): it was cut, or is another log",
        log.file.display(),
        file.display()
    )))
}

fn remember(folder: &Path, log: &Log) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let new = folder.join(format!("{SEEN}.new"));
    std::fs::write(&new, format!("{} {}\n", log.entries.len(), log.head()))?;
    std::fs::rename(new, folder.join(SEEN))
}
