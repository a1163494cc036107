//! `colo promote`: a strategy from one stage to the next, on evidence, by people.

use std::path::{Path, PathBuf};

use model::Nanos;
use serde_json::{Value, json};

use super::run::load;
use super::{Exit, Failure, Outcome, Registry};
use crate::clock::Clock;
use crate::config::{Release, Secrets};
use crate::host;
use crate::logs::timestamp;
use crate::manifest::Pair;
use crate::release::approval::{Draft, Proposal, Signed, Statement, difference, signers};
use crate::release::keys::{Approvers, PrivateKey};
use crate::release::log::Log;
use crate::release::policy::Policy;
use crate::release::store::Kept;
use crate::release::{COMMIT, Refused, Stage, Subject, evidence, plain};

/// Promotes a strategy to paper or live: holds the evidence to the stage's policy, signs, and appends to the release log when enough approvers have.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colo promote quoter --to live --config live.toml --evidence evidence --key anna.key --commit $(git rev-parse HEAD)
  colo promote quoter --to live --config live.toml --evidence evidence --key ben.key --approve
  colo promote quoter --to live --config live.toml --evidence evidence --key anna.key --commit HEX --step
  colo promote quoter --to live --config live.toml --evidence evidence --commit HEX --dry-run --json

What is promoted is the program that is asked, with the configuration that is named. The first approver proposes; each further one derives the same text from the evidence that he has, and signs.

Exit code 4: something is missing or does not do; each in a sentence. Exit code 3: the configuration is invalid.")]
pub struct Args {
    /// The strategy, as the configuration names it
    strategy: String,
    /// The stage
    #[arg(long, value_enum)]
    to: Stage,
    /// The configuration that is to run; its table [release] names the log
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The stage's policy; that of the table [release] where absent
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The folder of evidence: every *.json in it
    #[arg(long, value_name = "DIR")]
    evidence: PathBuf,
    /// One's private key (`colo release keygen`)
    #[arg(long, value_name = "FILE", required_unless_present = "dry_run", conflicts_with = "dry_run")]
    key: Option<PathBuf>,
    /// What the program was built of; needed where the build does not say it itself (COLO_COMMIT)
    #[arg(long, value_name = "HEX", conflicts_with = "approve")]
    commit: Option<String>,
    /// The next step of the limits, after clean live sessions under the approval in force
    #[arg(long)]
    step: bool,
    /// Signs what another has proposed
    #[arg(long)]
    approve: bool,
    /// Says what is missing, or what would be signed, and signs nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints what came of it as JSON; what is missing too
    #[arg(long)]
    json: bool,
}

/// A gate that is not met.
pub(super) fn unmet(why: impl std::fmt::Display) -> Failure {
    Failure::with(Exit::Gate, plain(&why.to_string()))
}

/// What the absence of the table [release] means.
pub(super) fn no_release(file: &Path) -> Failure {
    let what = "`release` is not given; allowed: a table with `policy` and `log`";
    Failure::with(Exit::Config, format!("{}: {what}", file.display()))
}

/// One's key, and whose it is among the approvers.
pub(super) fn approver<'a>(file: &Path, approvers: &'a Approvers) -> Result<(PrivateKey, &'a str), Failure> {
    let key = PrivateKey::read(file).map_err(unmet)?;
    let name = approvers.name_of(&key.public());
    let name =
        name.ok_or_else(|| unmet(format!("{}: {} is no approver's key", file.display(), key.public())))?;
    Ok((key, name))
}

/// Promotes.
///
/// # Errors
/// What is missing (4), an invalid configuration (3).
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    let outcome = promote(args, registry);
    if let Err(Failure { exit: Exit::Gate, message }) = &outcome
        && args.json
    {
        super::print(&format!(
            "{}\n",
            json!({ "ok": false, "missing": message.lines().collect::<Vec<_>>() })
        ));
    }
    outcome
}

fn promote(args: &Args, registry: &Registry) -> Outcome {
    // A private key is about to be in it.
    let hidden = host::hide_memory();
    if !hidden.is_done() {
        super::warn(&hidden.to_string());
    }
    if model::canary::IN_THIS_BUILD {
        return Err(unmet("this build has planted faults (feature `canaries`) and is promoted nowhere"));
    }
    let config = load(&args.config, registry, Secrets::Skip)?;
    let release = config.release.as_ref().ok_or_else(|| no_release(&args.config))?;
    if config.strategy != args.strategy {
        let what =
            format!("`strategy.name` is {:?}, and {:?} is to be promoted", config.strategy, args.strategy);
        return Err(unmet(format!("{}: {what}", args.config.display())));
    }
    let policy = policy(args, release)?;
    let approvers = policy.approvers().map_err(unmet)?;
    let key = args.key.as_ref().map(|file| approver(file, &approvers)).transpose()?;
    let pair = Pair::of(&config).map_err(|e| Failure::new(format!("the own program cannot be read: {e}")))?;
    let subject = Subject::of(&config, &pair);
    let pieces = evidence::read_folder(&args.evidence).map_err(unmet)?;
    let log = Log::read(&release.log).map_err(unmet)?;
    let file = Proposal::file(&release.log, &config.name, args.to);
    let now = Clock::new().now();
    let draft = |commit: &str, proposed: Nanos| {
        let draft = Draft {
            subject: &subject,
            config: &config,
            policy: &policy,
            approvers: &approvers,
            pieces: &pieces,
            log: &log,
            commit,
            step: args.step,
            proposed,
        };
        draft.statement(now).map_err(unmet)
    };
    let (mut proposal, statement) = match args.approve {
        false => {
            let statement = draft(&commit(args)?, now)?;
            (Proposal { text: statement.to_toml(), signatures: Vec::new() }, statement)
        }
        true => {
            let (proposal, proposed) = Proposal::read(&file).map_err(unmet)?;
            let here = draft(&proposed.commit, proposed_at(&proposed, now, &file)?)?;
            let different = difference(&proposal.text, &here.to_toml());
            if !different.is_empty() {
                let lines = different.join("\n  ");
                return Err(unmet(format!(
                    "{}: is not what follows from what is here:\n  {lines}",
                    file.display()
                )));
            }
            (proposal, here)
        }
    };
    let before = signers(&proposal.text, &proposal.signatures, &approvers).map_err(unmet)?;
    let wanted = policy.asks.approvals;
    let Some((key, name)) = key else {
        let signed = before.len();
        tell(
            args,
            &statement,
            &json!({ "signed": signed, "wanted": wanted }),
            "nothing is missing, and nothing was signed",
        );
        return Ok(Exit::Ok);
    };
    if before.contains(name) {
        return Err(unmet(format!("{name} has signed it already; another approver is needed")));
    }
    proposal.signatures.push(Signed::by(&key, &proposal.text));
    let n = before.len() + 1;
    let by = format!("signed by {name}: {n} of {wanted}");
    if n < wanted {
        proposal.write(&file).map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
        let came = json!({ "signed": n, "wanted": wanted, "proposal": file.display().to_string() });
        tell(args, &statement, &came, &format!("{by}; proposed in {}", file.display()));
        return Ok(Exit::Ok);
    }
    let kept = Kept::beside(&release.log);
    kept.keep(&pair, &args.config).map_err(|e| Failure::new(format!("{}: {e}", kept.folder().display())))?;
    let log = Log::append(&release.log, &proposal.text, &proposal.signatures, now).map_err(unmet)?;
    // What is approved is proposed no more; where the file stays it is for a place in the log that is taken.
    let _ = std::fs::remove_file(&file);
    let number = log.entries.len();
    let came = json!({ "signed": n, "wanted": wanted, "entry": number, "seal": log.head() });
    tell(args, &statement, &came, &format!("{by}; entry {number} of {}", release.log.display()));
    Ok(Exit::Ok)
}

/// Says what came of it.
fn tell(args: &Args, statement: &Statement, came: &Value, sentence: &str) {
    if args.json {
        super::print(&format!("{}\n", json!({ "ok": true, "came": came, "statement": statement })));
    } else {
        super::print(&format!("{}\n{sentence}\n", summary(statement)));
    }
}

fn policy(args: &Args, release: &Release) -> Result<Policy, Failure> {
    let of_config = Policy::read(&release.policy);
    let policy = match &args.policy {
        None => of_config.map_err(unmet)?,
        Some(file) => {
            let given = Policy::read(file).map_err(unmet)?;
            // The core will look at the one that its configuration names.
            if of_config.is_ok_and(|p| p.asks.stage == given.asks.stage && p.sha256 != given.sha256) {
                let other = release.policy.display();
                return Err(unmet(format!(
                    "{}: is another policy than {other}, which the configuration names",
                    file.display()
                )));
            }
            given
        }
    };
    if policy.asks.stage != args.to {
        let what = format!("`stage` is \"{}\", and --to is {}", policy.asks.stage, args.to);
        return Err(unmet(format!("{}: {what}", policy.file.display())));
    }
    Ok(policy)
}

fn commit(args: &Args) -> Result<String, Failure> {
    let is_commit = |c: &str| [40, 64].contains(&c.len()) && c.bytes().all(|b| b.is_ascii_hexdigit());
    match (args.commit.as_deref(), COMMIT) {
        (None, None) => Err(unmet("commit: this program does not say what it was built of; give --commit")),
        (Some(given), Some(built)) if given != built => {
            Err(unmet(format!("commit: this program was built of {built}, and --commit is {given}")))
        }
        (Some(c), _) | (None, Some(c)) if is_commit(c) => Ok(c.to_owned()),
        (Some(c), _) | (None, Some(c)) => {
            Err(unmet(format!("commit: {c:?} is no commit: 40 or 64 hexadecimal digits")))
        }
    }
}

/// When a proposal was made; one of the future would last longer than the policy lets it.
fn proposed_at(proposed: &Statement, now: Nanos, file: &Path) -> Result<Nanos, Failure> {
    match proposed.proposed_ns > now.0.saturating_add(300_000_000_000) {
        true => Err(unmet(format!("{}: was proposed in the future of this host's clock", file.display()))),
        false => Ok(Nanos(proposed.proposed_ns)),
    }
}

/// What is signed, for the one who signs.
pub(super) fn summary(s: &Statement) -> String {
    let limits = match s.limits_percent {
        0 => "not limited by the policy".to_owned(),
        percent => format!("{percent} % of the policy's target"),
    };
    let hosts = if s.hosts.is_empty() { "any".to_owned() } else { s.hosts.join(", ") };
    let text = format!(
        "{} of {} to {}\n  program     {}\n  config      {}\n  params      {}\n  commit      {}\n  policy      {}\n  limits      {limits}\n  \
         hosts       {hosts}\n  evidence    {} files, {} of the market\n  until       {}",
        s.strategy,
        s.core,
        s.stage,
        s.binary_sha256,
        s.config_sha256,
        s.params_sha256,
        s.commit,
        s.policy_sha256,
        s.evidence.len(),
        s.data_sha256.len(),
        timestamp(Nanos(s.expires_ns)),
    );
    plain(&text)
}

impl From<Refused> for Failure {
    fn from(why: Refused) -> Failure {
        unmet(why)
    }
}
