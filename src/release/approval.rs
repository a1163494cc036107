//! What approvers sign: one text that says which program runs which configuration with which parameters, on which evidence, under which limits, until when.
//!
//! ```toml
//! version = 1
//! what = "release"
//! core = "desk1"
//! stage = "live"
//! strategy = "quoter"
//! binary_sha256 = "..."
//! config_sha256 = "..."
//! params_sha256 = "..."           # strategy, parameters, symbols
//! commit = "..."
//! policy_sha256 = "..."           # of the policy's bytes
//! limits_percent = 10             # of the policy's target; 0 where it limits nothing
//! after = "..."                   # seal of the log's latest entry for this core and stage: a signature is for one place in the log
//! proposed_ns = 1795435200000000000
//! expires_ns = 1798027200000000000
//! hosts = ["ny4-7"]               # where it may run; anywhere where there is none
//! data_sha256 = ["..."]           # the files of the market behind the backtest
//!
//! [[evidence]]
//! file = "backtest.json"
//! sha256 = "..."
//! ```
//!
//! There is one way to write it ([`Statement::to_toml`]), and a text that is written otherwise is not read. Each approver derives it from the evidence that he has, and signs only where it is the same to the byte.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model::Nanos;
use serde::{Deserialize, Serialize};

use super::evidence::{Piece, Shown, sealed_text, unsealed};
use super::gate::has_word;
use super::judge::{Asked, judge};
use super::keys::{Approvers, PrivateKey, PublicKey};
use super::log::{Active, Log};
use super::policy::Policy;
use super::{Refused, Stage, Subject, limits};
use crate::config::Config;

/// The word of a release's text.
pub(super) const WHAT: &str = "release";
/// A proposal is a text of some KiB and its signatures.
const BYTES_MAX: u64 = 16 << 20;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    version: u32,
    what: String,
    /// Which core.
    pub core: String,
    /// What it may do.
    pub stage: Stage,
    /// By which strategy.
    pub strategy: String,
    /// The program.
    pub binary_sha256: String,
    /// The configuration.
    pub config_sha256: String,
    /// Strategy, parameters and symbols.
    pub params_sha256: String,
    /// What the program was built of.
    pub commit: String,
    /// The policy that the evidence was held to.
    pub policy_sha256: String,
    /// Limits are at most so much of the target; 0 where the policy limits nothing.
    pub limits_percent: u32,
    /// Seal of the latest entry of this core and stage; empty for the first.
    pub after: String,
    /// When it was proposed.
    pub proposed_ns: u64,
    /// Until when it holds.
    pub expires_ns: u64,
    /// Where it may run; anywhere where empty.
    pub hosts: Vec<String>,
    /// Files of the market.
    pub data_sha256: Vec<String>,
    /// What it rests on.
    pub evidence: Vec<Relied>,
}

/// A file that an approval rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relied {
    /// Its name.
    pub file: String,
    /// Its seal.
    pub sha256: String,
}

/// A signature under a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// By which key.
    pub key: PublicKey,
    /// 128 hexadecimal digits.
    pub signature: String,
}

impl Signed {
    /// Signs a text.
    #[must_use]
    pub fn by(key: &PrivateKey, text: &str) -> Signed {
        Signed { key: key.public(), signature: key.sign(text) }
    }
}

impl Statement {
    /// The text that is signed.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("plain values")
    }

    /// Reads a text; nothing where it is not exactly as [`Statement::to_toml`] writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Statement> {
        let s: Statement = toml::from_str(text).ok()?;
        (s.version == 1 && s.what == WHAT && s.to_toml() == text).then_some(s)
    }
}

/// What a statement is made of.
pub struct Draft<'a> {
    /// What is to be released.
    pub subject: &'a Subject,
    /// Its configuration, for the limits in it.
    pub config: &'a Config,
    /// What has to be shown.
    pub policy: &'a Policy,
    /// Whose word counts.
    pub approvers: &'a Approvers,
    /// What is shown.
    pub pieces: &'a [Piece],
    /// What was approved before.
    pub log: &'a Log,
    /// What the program was built of.
    pub commit: &'a str,
    /// Whether it is a step of the limits of what is approved already.
    pub step: bool,
    /// When it was proposed: now, or what the proposal says.
    pub proposed: Nanos,
}

impl Draft<'_> {
    /// Holds the evidence to the policy and says what there is to be signed.
    ///
    /// # Errors
    /// Everything that is missing.
    pub fn statement(&self, now: Nanos) -> Result<Statement, Refused> {
        let Draft { subject, policy, log, .. } = self;
        let stage = policy.asks.stage;
        let mut missing = Vec::new();
        let before = log.active(&subject.core, stage);
        if stage == Stage::Live && !self.was_on_paper() {
            missing.push(format!(
                "paper: {} has no release of this program and these parameters that was approved for paper",
                log.file.display()
            ));
        }
        let mut asked = Asked::Everything;
        let mut percent = policy.asks.limits.as_ref().map_or(0, |l| l.steps_percent[0]);
        if self.step {
            match self.step_from(&before) {
                Ok((approval, next)) => (asked, percent) = (Asked::Step { approval }, next),
                Err(why) => missing.push(why),
            }
        }
        if let Some(l) = &policy.asks.limits {
            missing.extend(limits::above(&l.target, percent, self.config));
        }
        let found = judge(policy, subject, self.pieces, asked, now);
        let found = match found {
            Ok(found) if missing.is_empty() => found,
            Ok(_) => return Err(Refused(missing)),
            Err(Refused(more)) => return Err(Refused(missing.into_iter().chain(more).collect())),
        };
        let of_market = |p: &&Piece| match &p.shown {
            Shown::Backtest(b) => b.data.iter().filter_map(|f| f.sha256.clone()).collect(),
            _ => Vec::new(),
        };
        let market: BTreeSet<_> = found.used.values().flat_map(of_market).collect();
        let relied = |p: &&Piece| Relied { file: p.file.clone(), sha256: p.sha256.clone() };
        Ok(Statement {
            version: 1,
            what: WHAT.into(),
            core: subject.core.clone(),
            stage,
            strategy: subject.strategy.clone(),
            binary_sha256: subject.pair.binary_sha256.clone(),
            config_sha256: subject.pair.config_sha256.clone(),
            params_sha256: subject.params_sha256.clone(),
            commit: self.commit.into(),
            policy_sha256: policy.sha256.clone(),
            limits_percent: percent,
            after: log.latest(&subject.core, stage).map_or_else(String::new, |e| e.seal.clone()),
            proposed_ns: self.proposed.0,
            expires_ns: policy.expires(self.proposed).0,
            hosts: found.hosts.iter().cloned().collect(),
            data_sha256: market.into_iter().collect(),
            evidence: found.used.values().map(relied).collect(),
        })
    }

    /// Whether some core has this program with these parameters approved for paper, by somebody, and not taken back.
    fn was_on_paper(&self) -> bool {
        self.log.cores(Stage::Paper).into_iter().any(|core| match self.log.active(core, Stage::Paper) {
            Active::Release { release, statement, .. } => {
                self.is_of_subject(statement) && has_word(release, self.approvers, 1)
            }
            Active::Nothing | Active::Withdrawn(_) => false,
        })
    }

    fn is_of_subject(&self, s: &Statement) -> bool {
        s.binary_sha256 == self.subject.pair.binary_sha256 && s.params_sha256 == self.subject.params_sha256
    }

    /// Which approval a step starts from, and where it leads.
    fn step_from<'l>(&self, before: &Active<'l>) -> Result<(&'l str, u32), String> {
        let Active::Release { release, statement: s, .. } = *before else {
            return Err("limits: --step goes on from an approval, and none is in force".into());
        };
        if !self.is_of_subject(s) {
            let of = "of another program or other parameters, which begins at the first step";
            return Err(format!("limits: --step goes on from an approval, and the one in force is {of}"));
        }
        if !has_word(release, self.approvers, self.policy.asks.approvals) {
            let n = release.number;
            return Err(format!(
                "limits: --step goes on from an approval, and entry {n} is not signed by enough approvers"
            ));
        }
        let limits = self.policy.asks.limits.as_ref();
        match limits.and_then(|l| limits::next(l, s.limits_percent)) {
            Some(next) => Ok((&release.seal, next)),
            None => Err(format!("limits: {} % is the policy's last step", s.limits_percent)),
        }
    }
}

/// Who has signed a text, by name; each key that is none of the approvers' is nobody.
///
/// # Errors
/// A signature that does not hold: the text, or it, was changed.
pub fn signers<'a>(
    text: &str,
    signatures: &[Signed],
    approvers: &'a Approvers,
) -> Result<BTreeSet<&'a str>, Refused> {
    let mut names = BTreeSet::new();
    for s in signatures {
        if !s.key.has_signed(text, &s.signature) {
            return Err(Refused::because(format!("the signature by {} does not hold", s.key)));
        }
        names.extend(approvers.name_of(&s.key));
    }
    Ok(names)
}

/// A statement on its way to enough signatures: a sealed file beside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// What is signed.
    pub text: String,
    /// By whom so far.
    pub signatures: Vec<Signed>,
}

impl Proposal {
    /// Where one stands.
    #[must_use]
    pub fn file(log: &Path, core: &str, stage: Stage) -> PathBuf {
        log.with_file_name(format!("proposed-{core}-{stage}.json"))
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is not there, or not as it was written.
    pub fn read(file: &Path) -> Result<(Proposal, Statement), Refused> {
        let because = |why: &str| Refused::because(format!("{}: {why}", file.display()));
        let bytes = match std::fs::metadata(file) {
            Ok(about) => about.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(because("nothing is proposed; the first approver promotes without --approve"));
            }
            Err(e) => return Err(because(&e.to_string())),
        };
        if bytes > BYTES_MAX {
            return Err(because("is longer than any proposal"));
        }
        let text = std::fs::read_to_string(file).map_err(|e| because(&e.to_string()))?;
        let changed = || because("is not as it was written; propose again");
        let (body, _) = unsealed(&text).ok_or_else(changed)?;
        let proposal: Proposal = serde_json::from_str(&body).map_err(|_| changed())?;
        let statement = Statement::parse(&proposal.text).ok_or_else(changed)?;
        Ok((proposal, statement))
    }

    /// Writes it.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        let body = serde_json::to_string(self).map_err(std::io::Error::other)?;
        let new = file.with_extension("new");
        std::fs::write(&new, sealed_text(&body))?;
        std::fs::rename(new, file)
    }
}

/// Where two texts differ, line by line, for a person who was to sign both.
#[must_use]
pub fn difference(proposed: &str, derived: &str) -> Vec<String> {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (proposed.lines().collect(), derived.lines().collect());
    let only = |these: &BTreeSet<&str>, those: &BTreeSet<&str>, whose: &str| {
        these.difference(those).map(|line| format!("{whose}: {line}")).collect::<Vec<_>>()
    };
    let mut lines = only(&a, &b, "the proposal says");
    lines.extend(only(&b, &a, "what is here says"));
    lines
}
