//! From a backtest to real money: what has to be shown, who has said that it was, and what a core looks at before it logs in.
//!
//! ```text
//!   backtest, replay, run, doctor, drills        leave evidence: sealed JSON, stamped with program, configuration and parameters   (evidence)
//!        |
//!   colo promote STRATEGY --to paper | live      holds it to the stage's policy (policy, judge, limits); each approver signs the same text (approval, keys)
//!        |
//!   releases.jsonl                               one line a release or roll-back, each chained to the one before (log)
//!        |
//!   colo run --mode live                         exit code 4 unless the latest line is for exactly this program and configuration (gate)
//! ```
//!
//! Nothing in here asks for the time: `now` is handed in, ns since the Unix epoch. What is refused is refused in sentences, each of which names what is missing.
//!
//! What this can show is that nothing was mixed up, forgotten, aged or changed on the way, and who answers for it. Evidence is sealed and not signed: whoever can write into its folder can
//! make some up, and it is the approvers who say where it came from. Whoever can write program, configuration, policy and approvers' keys on a host needs no approval.

pub mod approval;
pub mod evidence;
pub mod firm;
pub mod fleet;
pub mod gate;
pub mod judge;
pub mod keys;
pub mod limits;
pub mod log;
pub mod policy;
pub mod rollback;
pub mod store;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::{self, Config};
use crate::manifest::{self, Pair};

/// The commit that this program was built of, where its builder said so (`COLO_COMMIT` in the environment of the build).
pub const COMMIT: Option<&str> = option_env!("COLO_COMMIT");

/// Where a release is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Against the live market, with fills that are simulated.
    Paper,
    /// Real money.
    Live,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Paper => "paper",
            Stage::Live => "live",
        })
    }
}

/// Why something is not approved: sentences, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

impl Refused {
    /// One reason.
    pub fn because(why: impl fmt::Display) -> Refused {
        Refused(vec![why.to_string()])
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Refused {}

/// A text of a file as a terminal may have it: without what would steer it.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// What is released: one program with one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The core's name.
    pub core: String,
    /// The strategy's name.
    pub strategy: String,
    /// Program and configuration.
    pub pair: Pair,
    /// [`params_sha256`].
    pub params_sha256: String,
    /// [`model_sha256`].
    pub model_sha256: String,
}

impl Subject {
    /// A configuration with a program.
    #[must_use]
    pub fn of(config: &Config, pair: &Pair) -> Subject {
        Subject {
            core: config.name.clone(),
            strategy: config.strategy.clone(),
            pair: pair.clone(),
            params_sha256: params_sha256(config),
            model_sha256: model_sha256(config),
        }
    }
}

/// SHA-256 of what a strategy is to do: its name, its parameters as written, the symbols it trades. It is the same in a backtest, on paper and live, where addresses and limits differ.
#[must_use]
pub fn params_sha256(config: &Config) -> String {
    Traded::of(config).sha256()
}

/// What [`params_sha256`] is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Traded {
    strategy: String,
    symbols: Vec<String>,
    params: std::collections::BTreeMap<String, toml::Value>,
}

impl Traded {
    /// As a configuration has it.
    #[must_use]
    pub fn of(config: &Config) -> Traded {
        let written = &config.written;
        Traded {
            strategy: written.strategy.name.clone(),
            symbols: written.instruments.iter().map(|i| i.symbol.clone()).collect(),
            params: written.strategy.params.clone(),
        }
    }

    /// With another value of a parameter, as if it were written so.
    pub fn set(&mut self, name: &str, value: toml::Value) {
        self.params.insert(name.to_owned(), value);
    }

    /// Its hash.
    ///
    /// # Panics
    /// Never: what was read can be written.
    #[must_use]
    pub fn sha256(&self) -> String {
        manifest::of_text(&toml::to_string(self).expect("what was read can be written"))
    }
}

/// SHA-256 of what a backtest takes for granted: `[backtest]` as written (capital, legs, queues, impact, what the venue refuses), and what each gateway's venue charges. Figures that were made with
/// a nearer venue or without fees are those of another market.
#[must_use]
pub fn model_sha256(config: &Config) -> String {
    #[derive(Serialize)]
    struct Model<'a> {
        fees: std::collections::BTreeMap<&'a str, &'a std::collections::BTreeMap<String, i64>>,
        backtest: Option<&'a config::backtest::Backtest>,
    }
    let written = &config.written;
    let fees = written.gateways.iter().map(|g| (g.id.as_str(), &g.fees_micro_usd)).collect();
    let model = Model { fees, backtest: written.backtest.as_ref() };
    manifest::of_text(&toml::to_string(&model).expect("what was read can be written"))
}
