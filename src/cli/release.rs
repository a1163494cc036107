//! `colo release`: keys, the release log, and the way back.

use std::path::PathBuf;

use model::Nanos;

use super::promote::{approver, no_release, summary, unmet};
use super::{Exit, Failure, Outcome};
use crate::clock::Clock;
use crate::config::core_and_release;
use crate::host;
use crate::logs::timestamp;
use crate::manifest::Pair;
use crate::release::approval::{Signed, signers};
use crate::release::gate::standing;
use crate::release::keys::{Approver, Approvers, PrivateKey};
use crate::release::log::{Active, Entry, Log, Said};
use crate::release::policy::Policy;
use crate::release::rollback::Rollback;
use crate::release::store::Kept;
use crate::release::{Refused, Stage, plain};

/// The release log: what was approved, what is in force, and the way back to what was.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colo release keygen --name anna --out anna.key >> approvers.toml
  colo release log --config live.toml
  colo release rollback --config live.toml --program bin/colo --key anna.key --reason \"fills too far from the middle\"")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Makes a key: the private half into a file that nobody else may read, the public half as a table for the approvers' file.
    Keygen {
        /// Whose it is.
        #[arg(long)]
        name: String,
        /// The private key's file; none may be there.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Prints every entry, and exits 4 where the chain does not hold.
    Log {
        #[command(flatten)]
        of: Of,
        /// As JSON, one entry a line.
        #[arg(long)]
        json: bool,
    },
    /// Prints what is in force for the configuration's core.
    Show {
        #[command(flatten)]
        of: Of,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Checks the chain, every signature by today's approvers, and what is in force; exits 4 where something does not hold.
    Verify {
        #[command(flatten)]
        of: Of,
    },
    /// Takes back what is in force: the release before it is in force again, with its configuration and program put back.
    Rollback(Back),
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The configuration; its table [release] names the log.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which stage.
    #[arg(long, value_enum, default_value = "live")]
    stage: Stage,
}

#[derive(Debug, clap::Args)]
struct Back {
    #[command(flatten)]
    of: Of,
    /// One's private key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Why.
    #[arg(long)]
    reason: String,
    /// The entry to go back to; the release before the one in force where absent.
    #[arg(long, value_name = "N", conflicts_with = "nothing")]
    to: Option<u64>,
    /// Nothing is in force afterwards.
    #[arg(long)]
    nothing: bool,
    /// Where the program is that is to be put back.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// What does not hold (4), an invalid configuration (3), a file that cannot be read or written (1).
pub fn run(args: &Args) -> Outcome {
    match &args.verb {
        Verb::Keygen { name, out } => keygen(name, out),
        Verb::Log { of, json } => log(of, *json),
        Verb::Show { of, json } => show(of, *json),
        Verb::Verify { of } => verify(of),
        Verb::Rollback(back) => rollback(back),
    }
}

fn keygen(name: &str, out: &std::path::Path) -> Outcome {
    let _ = host::hide_memory();
    let key = PrivateKey::make(out).map_err(Failure::new)?;
    let one = Approver { name: name.to_owned(), key: key.public() };
    let table = toml::to_string(&one).map_err(Failure::new)?;
    super::print(&format!("[[approver]]\n{table}"));
    Ok(Exit::Ok)
}

/// A core, its log and its policy.
struct Opened {
    core: String,
    log: Log,
    policy: Policy,
    approvers: Approvers,
}

fn open(of: &Of) -> Result<Opened, Failure> {
    let (core, release) =
        core_and_release(&of.config).map_err(|e| Failure::with(Exit::Config, plain(&e.to_string())))?;
    let release = release.ok_or_else(|| no_release(&of.config))?;
    let log = Log::read(&release.log)?;
    let policy = Policy::read(&release.policy).map_err(unmet)?;
    let approvers = policy.approvers().map_err(unmet)?;
    Ok(Opened { core, log, policy, approvers })
}

fn names(entry: &Entry, approvers: &Approvers) -> String {
    match signers(&entry.text, &entry.signatures, approvers) {
        Ok(names) if names.is_empty() => "nobody who is an approver".into(),
        Ok(names) => names.into_iter().collect::<Vec<_>>().join(" and "),
        Err(why) => why.to_string(),
    }
}

fn line(entry: &Entry, approvers: &Approvers) -> String {
    let (core, stage) = entry.of();
    let what = match &entry.said {
        Said::Release(s) => {
            let limits = if s.limits_percent == 0 {
                String::new()
            } else {
                format!(", {} % of the target", s.limits_percent)
            };
            let until = timestamp(Nanos(s.expires_ns));
            format!(
                "{} with {:.12} and {:.12}{limits}, until {until}",
                s.strategy, s.binary_sha256, s.config_sha256
            )
        }
        Said::Rollback(r) if r.to.is_empty() => format!("taken back: {}", r.reason),
        Said::Rollback(r) => format!("back to {:.12}: {}", r.to, r.reason),
    };
    let (at, seal, by) = (timestamp(entry.at), &entry.seal, names(entry, approvers));
    plain(&format!("{:>4}  {at}  {seal:.12}  {core} {stage}: {what}; signed by {by}\n", entry.number))
}

fn log(of: &Of, json: bool) -> Outcome {
    let o = open(of)?;
    let lines = o.log.entries.iter().map(|e| match json {
        false => line(e, &o.approvers),
        true => {
            let (core, stage) = e.of();
            let (what, to) = match &e.said {
                Said::Release(_) => ("release", None),
                Said::Rollback(r) => ("rollback", Some(&r.to)),
            };
            let by = names(e, &o.approvers);
            let entry = serde_json::json!({
                "number": e.number, "at_ns": e.at.0, "seal": e.seal, "core": core, "stage": stage, "what": what, "to": to, "signed_by": by, "text": e.text,
            });
            format!("{entry}\n")
        }
    });
    super::print(&lines.collect::<String>());
    Ok(Exit::Ok)
}

fn show(of: &Of, json: bool) -> Outcome {
    let o = open(of)?;
    match o.log.active(&o.core, of.stage) {
        Active::Release { release, statement, by } => {
            let back = if by.number == release.number {
                String::new()
            } else {
                format!(", by the roll-back in entry {}", by.number)
            };
            let signed = names(release, &o.approvers);
            if json {
                let told = serde_json::json!({
                    "number": release.number, "seal": release.seal, "by": by.number, "signed_by": signed, "statement": statement,
                });
                super::print(&format!("{told}\n"));
                return Ok(Exit::Ok);
            }
            super::print(&format!(
                "entry {}{back}: {}\n  signed by   {signed}\n",
                release.number,
                summary(statement)
            ));
            Ok(Exit::Ok)
        }
        Active::Nothing => Err(unmet(format!(
            "{}: nothing was ever approved for {:?} {}",
            o.log.file.display(),
            o.core,
            of.stage
        ))),
        Active::Withdrawn(by) => Err(unmet(format!(
            "entry {} has taken back what was in force for {:?} {}",
            by.number, o.core, of.stage
        ))),
    }
}

fn verify(of: &Of) -> Outcome {
    let o = open(of)?;
    let mut missing = Vec::new();
    for e in &o.log.entries {
        // People come and go; a signature that does not hold is another thing.
        if let Err(why) = signers(&e.text, &e.signatures, &o.approvers) {
            missing.push(format!("entry {}: {why}", e.number));
        }
    }
    if let Active::Release { release, statement, .. } = o.log.active(&o.core, of.stage) {
        missing.extend(standing(release, statement, &o.policy, &o.approvers, Clock::new().now()));
    }
    if !missing.is_empty() {
        return Err(Refused(missing).into());
    }
    super::print(&format!(
        "{}: {} entries hold, head {}\n",
        o.log.file.display(),
        o.log.entries.len(),
        o.log.head()
    ));
    Ok(Exit::Ok)
}

fn rollback(back: &Back) -> Outcome {
    let _ = host::hide_memory();
    let Opened { core, log, policy, approvers } = open(&back.of)?;
    let (core, stage, now) = (core.as_str(), back.of.stage, Clock::new().now());
    let (key, name) = approver(&back.key, &approvers)?;
    let from = log.latest(core, stage);
    let from = from.ok_or_else(|| {
        unmet(format!("{}: nothing was ever approved for {core:?} {stage}", log.file.display()))
    })?;
    let target = target(back, &log, from)?;
    if let Some((entry, statement)) = target {
        let missing = standing(entry, statement, &policy, &approvers, now);
        if !missing.is_empty() {
            return Err(Refused(missing).into());
        }
    }
    let text =
        Rollback::new(core, stage, &from.seal, target.map(|(e, _)| e.seal.as_str()), &back.reason, now)
            .to_toml();
    // From here on the release that is left does not log in, whatever becomes of the rest.
    let log = Log::append(&log.file, &text, &[Signed::by(&key, &text)], now)?;
    let number = log.entries.len();
    let Some((entry, statement)) = target else {
        super::print(&format!("entry {number}, by {name}: nothing is in force for {core} {stage}\n"));
        return Ok(Exit::Ok);
    };
    super::print(&format!(
        "entry {number}, by {name}: entry {} is in force for {core} {stage} again\n",
        entry.number
    ));
    let pair = Pair {
        binary_sha256: statement.binary_sha256.clone(),
        config_sha256: statement.config_sha256.clone(),
    };
    let kept = Kept::beside(&log.file);
    let put = |what: &str, place: &std::path::Path, put: bool| {
        let done = if put { "put back" } else { "is there already" };
        super::print(&format!("  {what} {}: {done}\n", place.display()));
    };
    let stands = |e: Refused| {
        Failure::new(format!("the roll-back stands, and what was approved could not be put back: {e}"))
    };
    put("configuration", &back.of.config, kept.restore_config(&pair, &back.of.config).map_err(stands)?);
    match &back.program {
        Some(place) => put("program", place, kept.restore_program(&pair, place).map_err(stands)?),
        None => super::print(&format!("  program: {} (--program puts it back)\n", pair.binary_sha256)),
    }
    super::print(
        "a core that runs goes on with what it has: end it (`colo ctl shutdown`) and start it again\n",
    );
    Ok(Exit::Ok)
}

type Release<'a> = (&'a Entry, &'a crate::release::approval::Statement);

/// What is to be in force.
fn target<'a>(back: &Back, log: &'a Log, latest: &'a Entry) -> Result<Option<Release<'a>>, Failure> {
    if back.nothing {
        return Ok(None);
    }
    let (core, stage) = latest.of();
    let in_force = match log.active(core, stage) {
        Active::Release { release, .. } => release,
        Active::Nothing | Active::Withdrawn(_) => latest,
    };
    let found = match back.to {
        None => log.before(in_force),
        Some(n) => log.entries.iter().find(|e| e.number == n).and_then(|e| log.release(&e.seal, core, stage)),
    };
    let none = match back.to {
        None => format!(
            "no release of {core:?} {stage} was approved before entry {}; --nothing leaves none in force",
            in_force.number
        ),
        Some(n) => format!("entry {n} is no release of {core:?} {stage}"),
    };
    found.map(Some).ok_or_else(|| unmet(none))
}
