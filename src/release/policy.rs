//! A stage's policy: what has to be shown before it is entered, and who says so. A file that the desk writes once and reviews like code.
//!
//! ```toml
//! version = 1
//! stage = "live"                  # or "paper"
//! approvers = "approvers.toml"    # their public keys, relative to this file
//! approvals = 2                   # different people; live: at least two
//! valid_days = 30                 # an approval ends by itself
//! params = "refuse"               # live: what becomes of `ctl params` while it runs; "allow" lets operators leave the approved set
//!
//! [backtest]                      # one report that meets all of it
//! min_days = 20                   # different files of the market
//! within_days = 30                # how old it may be
//! min_pnl_usd = 1
//! min_sharpe = 1.0
//! max_drawdown_bps = 500          # of the capital's peak
//! min_fills = 100
//!
//! [replay]
//! runs = 1                        # journals that gave the same commands again
//! within_days = 7
//! every_session = true            # each paper session that counts has been replayed
//!
//! [paper]
//! sessions = 5                    # clean, one after the other
//! min_minutes = 60                # each
//! min_fills = 1                   # each
//! max_alarms = 0                  # each
//! within_days = 30
//!
//! [drills]
//! names = ["t3", "t9"]            # recovery from a kill at any moment, and the kill switch
//! within_days = 7
//! same_binary = true              # held with this very program
//!
//! [doctor]
//! max_failures = 0
//! max_warnings = 4
//! within_days = 7
//! same_host = true                # nothing goes live on a host that no doctor has seen
//!
//! [limits]
//! steps_percent = [10, 50, 100]   # of the target; a release begins at the first
//! sessions_a_step = 5             # clean live sessions before the next
//! min_minutes = 60                # each
//! max_alarms = 0                  # each
//!
//! [limits.target]                 # as under [risk]; all but the last three have to be here
//! max_order_quantity = 1000
//! max_order_notional_usd = 1000000
//! max_position = 5000
//! max_open_orders = 50
//! max_messages_per_second = 500
//! max_daily_loss_usd = 100000
//! # max_gross_notional_usd, max_net_notional_usd, max_drawdown_usd
//! ```
//!
//! A table that is not there is not asked for. `[backtest]` always is; live asks for `[paper]`, `[drills]` and `[limits]` too, whatever the desk thinks.

use std::path::{Path, PathBuf};

use model::Nanos;
use serde::Deserialize;

use super::Stage;
use super::keys::Approvers;
use crate::config::{ConfigError, Problem, parse_toml};
use crate::manifest::of_text;

/// A policy is a page.
const BYTES_MAX: u64 = 1 << 20;
const DAY_NS: u64 = 86_400_000_000_000;

/// As written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    version: u32,
    /// What it is the policy of.
    pub stage: Stage,
    approvers: String,
    /// How many different people.
    pub approvals: usize,
    valid_days: u64,
    /// Whether operators may leave the approved parameters while it runs; where not given they may not.
    params: Option<Change>,
    /// Days of history.
    pub backtest: Option<Backtest>,
    /// Journals.
    pub replay: Option<Replay>,
    /// Sessions on paper.
    pub paper: Option<Paper>,
    /// Drills.
    pub drills: Option<Drills>,
    /// The host.
    pub doctor: Option<Doctor>,
    /// Limits, step by step.
    pub limits: Option<Limits>,
}

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    /// It is refused.
    Refuse,
    /// It is taken.
    Allow,
}

/// What a backtest has to show. What is not given is not asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backtest {
    /// Different files of the market.
    pub min_days: u64,
    /// How old it may be.
    pub within_days: u64,
    /// Whole dollars after fees.
    pub min_pnl_usd: Option<i64>,
    /// To a year.
    pub min_sharpe: Option<f64>,
    /// 1/100 of a percent of the peak.
    pub max_drawdown_bps: Option<u64>,
    /// Fills.
    pub min_fills: Option<u64>,
}

/// What replays have to show.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Different journals.
    pub runs: u64,
    /// How old it may be.
    pub within_days: u64,
    /// Each paper session that counts is among them.
    #[serde(default)]
    pub every_session: bool,
}

/// What sessions on paper have to show.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// Clean, one after the other.
    pub sessions: u64,
    /// How long each has to be.
    pub min_minutes: u64,
    /// How many fills each has to have.
    #[serde(default)]
    pub min_fills: u64,
    /// How many alarms each may have.
    #[serde(default)]
    pub max_alarms: u64,
    /// How old the oldest may be.
    pub within_days: u64,
}

/// Which drills have to have passed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drills {
    /// Their numbers.
    pub names: Vec<String>,
    /// How long ago.
    pub within_days: u64,
    /// With this very program.
    #[serde(default = "yes")]
    pub same_binary: bool,
}

/// What the host has to be like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doctor {
    /// Rows that fail.
    pub max_failures: usize,
    /// Rows that warn.
    pub max_warnings: usize,
    /// How long ago.
    pub within_days: u64,
    /// Whether what is approved runs on the hosts alone that were looked at.
    #[serde(default = "yes")]
    pub same_host: bool,
}

/// Limits in steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Parts of the target, rising.
    pub steps_percent: Vec<u32>,
    /// Clean live sessions before the next step.
    pub sessions_a_step: u64,
    /// How long each has to be.
    #[serde(default)]
    pub min_minutes: u64,
    /// How many alarms each may have.
    #[serde(default)]
    pub max_alarms: u64,
    /// What is aimed for.
    pub target: Target,
}

/// Limits as under `[risk]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Shares.
    pub max_order_quantity: i64,
    /// Whole dollars.
    pub max_order_notional_usd: i64,
    /// Shares either way.
    pub max_position: i64,
    /// Orders.
    pub max_open_orders: i64,
    /// In any second.
    pub max_messages_per_second: i64,
    /// Whole dollars.
    pub max_daily_loss_usd: i64,
    /// Whole dollars.
    pub max_gross_notional_usd: Option<i64>,
    /// Whole dollars.
    pub max_net_notional_usd: Option<i64>,
    /// Whole dollars.
    pub max_drawdown_usd: Option<i64>,
}

fn yes() -> bool {
    true
}

/// A policy that was read.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its file.
    pub file: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// What it says.
    pub asks: Written,
}

impl Policy {
    /// Reads one.
    ///
    /// # Errors
    /// Every problem found, with the key.
    pub fn read(file: &Path) -> Result<Policy, ConfigError> {
        let refuse = |problems| ConfigError { file: file.into(), problems };
        let is = |key: &str, found: String, allowed: &str| Problem {
            key: key.into(),
            found,
            allowed: allowed.into(),
        };
        let unreadable = |e: std::io::Error| {
            refuse(vec![is("(file)", format!("unreadable ({e})"), "a readable TOML file")])
        };
        let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
        if bytes > BYTES_MAX {
            return Err(refuse(vec![is("(file)", format!("{bytes} bytes"), "at most a MiB")]));
        }
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let asks: Written = parse_toml(&text, file)?;
        let problems = problems(&asks);
        match problems.is_empty() {
            true => Ok(Policy { file: file.into(), sha256: of_text(&text), asks }),
            false => Err(refuse(problems)),
        }
    }

    /// Reads the approvers' keys.
    ///
    /// # Errors
    /// As [`Approvers::read`].
    pub fn approvers(&self) -> Result<Approvers, ConfigError> {
        Approvers::read(&self.file.parent().unwrap_or(Path::new(".")).join(&self.asks.approvers))
    }

    /// Whether operators may change parameters of a core that runs live.
    #[must_use]
    pub fn lets_params_change(&self) -> bool {
        self.asks.params == Some(Change::Allow)
    }

    /// When an approval of this moment ends.
    #[must_use]
    pub fn expires(&self, at: Nanos) -> Nanos {
        at.after(days(self.asks.valid_days))
    }
}

/// So many days.
#[must_use]
pub fn days(n: u64) -> Nanos {
    Nanos(n.saturating_mul(DAY_NS))
}

fn problems(p: &Written) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut is = |key: &str, value: String, allowed: String| {
        found.push(Problem { key: key.into(), found: value, allowed });
    };
    if p.version != 1 {
        is("version", p.version.to_string(), "1".into());
    }
    let people = if p.stage == Stage::Live { 2 } else { 1 };
    if !(people..=16).contains(&p.approvals) {
        is("approvals", p.approvals.to_string(), format!("{people} to 16 different people"));
    }
    let missing = [
        ("backtest", p.backtest.is_none()),
        ("paper", p.paper.is_none() && p.stage == Stage::Live),
        ("drills", p.drills.is_none() && p.stage == Stage::Live),
        ("limits", p.limits.is_none() && p.stage == Stage::Live),
    ];
    for (key, _) in missing.iter().filter(|(_, is_missing)| *is_missing) {
        is(key, "not given".into(), format!("a table: the stage {} is not entered without", p.stage));
    }
    let spans = [
        ("valid_days", Some(p.valid_days)),
        ("backtest.within_days", p.backtest.as_ref().map(|t| t.within_days)),
        ("replay.within_days", p.replay.as_ref().map(|t| t.within_days)),
        ("paper.within_days", p.paper.as_ref().map(|t| t.within_days)),
        ("drills.within_days", p.drills.as_ref().map(|t| t.within_days)),
        ("doctor.within_days", p.doctor.as_ref().map(|t| t.within_days)),
    ];
    for (key, days) in spans.iter().filter_map(|(key, v)| Some((key, (*v)?))) {
        if !(1..=366).contains(&days) {
            is(key, days.to_string(), "1 to 366 days".into());
        }
    }
    let counts = [
        ("backtest.min_days", p.backtest.as_ref().map(|t| t.min_days)),
        ("paper.sessions", p.paper.as_ref().map(|t| t.sessions)),
        ("limits.sessions_a_step", p.limits.as_ref().map(|t| t.sessions_a_step)),
    ];
    for (key, n) in counts.iter().filter_map(|(key, v)| Some((key, (*v)?))) {
        if !(1..=10_000).contains(&n) {
            is(key, n.to_string(), "1 to 10000".into());
        }
    }
    let sharpe = p.backtest.as_ref().and_then(|b| b.min_sharpe);
    if let Some(sharpe) = sharpe.filter(|s| !s.is_finite()) {
        is("backtest.min_sharpe", sharpe.to_string(), "a number".into());
    }
    if p.drills.as_ref().is_some_and(|d| d.names.is_empty()) {
        is("drills.names", "nothing".into(), "numbers of scripts/drill, such as \"t9\"".into());
    }
    if p.stage == Stage::Paper && p.params.is_some() {
        is("params", "given".into(), "nothing: on paper parameters may change".into());
    }
    if p.stage == Stage::Paper && p.limits.is_some() {
        is("limits", "a table".into(), "nothing: on paper there is no money to be limited".into());
    }
    if let Some(limits) = &p.limits {
        let steps = &limits.steps_percent;
        let rises = steps.windows(2).all(|w| w[0] < w[1]);
        if steps.is_empty() || !rises || steps.iter().any(|s| !(1..=100).contains(s)) {
            let allowed = "rising parts of the target, from 1 to 100".into();
            is("limits.steps_percent", format!("{steps:?}"), allowed);
        }
        for (name, target) in limits.target.named() {
            if target.is_some_and(|v| v < 0) {
                is(&format!("limits.target.{name}"), format!("{target:?}"), "0 or more".into());
            }
        }
    }
    found
}

impl Target {
    /// By name, in the order of the documentation.
    #[must_use]
    pub fn named(&self) -> [(&'static str, Option<i64>); 9] {
        [
            ("max_order_quantity", Some(self.max_order_quantity)),
            ("max_order_notional_usd", Some(self.max_order_notional_usd)),
            ("max_position", Some(self.max_position)),
            ("max_open_orders", Some(self.max_open_orders)),
            ("max_messages_per_second", Some(self.max_messages_per_second)),
            ("max_daily_loss_usd", Some(self.max_daily_loss_usd)),
            ("max_gross_notional_usd", self.max_gross_notional_usd),
            ("max_net_notional_usd", self.max_net_notional_usd),
            ("max_drawdown_usd", self.max_drawdown_usd),
        ]
    }
}
