//! Configuration in two stages: as written ([`Written`]: TOML, unknown keys refused) and resolved ([`Config`]: validated, units in types).
//!
//! Every problem is found before any socket opens or any file is made, and names the file, the key, what stands there and what is allowed.
//! Nothing reads the file or the environment after the start.

pub mod backtest;
mod control;
mod depth;
pub mod expectation;
mod feed;
mod fees;
pub mod fix;
mod host;
mod journal;
mod options;
mod release;
mod resolve;
mod rest;
mod risk;
mod secrets;
mod start_of_day;
mod throttle;
mod transport;
mod watchdog;
pub(crate) mod written;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use engine::strategy::Params;
use engine::{BookSanity, Breakers, RiskLimits, Scopes};
use gateways::gateway::Barrier;
use gateways::order::ClOrdId;
use gateways::ouch50::appendage::Options;
use model::Instrument;
use serde::de::DeserializeOwned;

pub use depth::DepthVenue;
pub use feed::Feed;
pub use options::OrderOptions;
pub use release::Release;
pub use rest::RestVenue;
pub use secrets::Secrets;
pub use start_of_day::Openings;
pub use transport::Way;
pub use written::Written;

use crate::agent::IdleStrategy;
use crate::control::roles::Roles;
use crate::order_protocol::OrderProtocol;

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, with its path.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What may.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}; allowed: {}", self.key, self.found, self.allowed)
    }
}

/// A configuration that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, at least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (k, p) in self.problems.iter().enumerate() {
            let sep = if k == 0 { "" } else { "\n" };
            write!(f, "{sep}{}: {p}", self.file.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// How agents are put on threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// Each agent on a thread of its own, rings between.
    Pipelined,
    /// Feeds, strategy and gateways in turn on one thread.
    Inline,
}

/// Where agents run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cores {
    /// By feed.
    pub feeds: Vec<Option<usize>>,
    /// The strategy thread.
    pub strategy: Option<usize>,
    /// By gateway.
    pub gateways: Vec<Option<usize>>,
    /// The cold thread.
    pub cold: Option<usize>,
    /// SCHED_FIFO priority of hot threads.
    pub realtime: Option<u8>,
    /// Keep all memory in RAM.
    pub lock_memory: bool,
}

/// A SoupBinTCP session of ours at a venue.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The venue.
    pub address: SocketAddr,
    /// The account.
    pub username: String,
    /// Its password; empty where secrets were not asked for.
    pub password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.username, self.address)
    }
}

/// Whether a gateway leads to real money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Certification or simulation.
    Test,
    /// The market.
    Production,
}

/// A gateway, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its name.
    pub id: String,
    /// Where it leads.
    pub environment: Environment,
    /// The session.
    pub account: Account,
    /// Where the names of its sessions are kept, of protocols over SoupBinTCP.
    pub sessions: PathBuf,
    /// Four letters.
    pub firm: [u8; 4],
    /// How orders are known there beside their token.
    pub order_text: ClOrdId,
    /// What every order says beside its values.
    pub options: Options,
    /// What is spoken there.
    pub protocol: OrderProtocol,
    /// What marks the end of the venue's replay.
    pub barrier: Barrier,
    /// What its venue takes or gives for a trade.
    pub fees: engine::Fees,
    /// The venue with API keys, which has no `account` and no `firm`.
    pub rest: Option<RestVenue>,
    /// What its venue lets pass.
    pub throttle: engine::Throttle,
    /// What FIX needs.
    pub fix: Option<fix::Fix>,
    /// The stack that its orders leave by, past the kernel.
    pub bypass: Option<net::xdp::XdpTcpConfig>,
}

/// Journal policy, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Bytes of a segment.
    pub segment_bytes: usize,
    /// When to sync.
    pub sync: ringbuf::log::SyncPolicy,
    /// Whether market data is captured beside it.
    pub capture: bool,
    /// What becomes of it with age.
    pub retention: crate::journal::Retention,
}

/// A configuration that can be run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names region, journal folder and control socket.
    pub name: String,
    /// Where this name's journals are.
    pub journal_dir: PathBuf,
    /// How agents are put on threads.
    pub topology: Topology,
    /// What a thread does when there is nothing to do.
    pub idle: IdleStrategy,
    /// Where.
    pub cores: Cores,
    /// Feeds, by id.
    pub feeds: Vec<Feed>,
    /// Gateways, by id.
    pub gateways: Vec<Gateway>,
    /// Instruments, by id.
    pub instruments: Vec<Instrument>,
    /// What is held as the day begins.
    pub openings: Option<Openings>,
    /// The strategy's name.
    pub strategy: String,
    /// Its parameters.
    pub params: Params,
    /// Limits.
    pub limits: RiskLimits,
    /// Limits by scope.
    pub scopes: Scopes,
    /// What restrains trading by itself.
    pub breakers: Breakers,
    /// What restrains it from outside of the engine.
    pub outside: Vec<crate::agents::OutsideRule>,
    /// Lists of symbols that may not be traded, or not sold short, and that change while it runs.
    pub lists: Vec<crate::agents::WatchedList>,
    /// What a book may show.
    pub sanity: BookSanity,
    /// Who may ask what of the running core.
    pub roles: Roles,
    /// Whether it gives up, once it is set up, what it has no use for.
    pub sandbox: bool,
    /// The file that names what may log in.
    pub approved: Option<PathBuf>,
    /// Where policy and log of what is approved are; needed to run live.
    pub release: Option<Release>,
    /// SHA-256 of what was written, before what changes each day was read into it.
    pub sha256: String,
    /// When a watchdog cuts it off.
    pub watchdog: crate::watchdog::Limits,
    /// Journal policy.
    pub journal: Journal,
    /// What history is like as a venue.
    pub history: backtest::History,
    /// What is expected of the strategy while it runs.
    pub expectation: Option<expectation::Expected>,
    /// Sizes.
    pub capacity: written::Capacity,
    /// One packet in this many is timed by stage; 0 none.
    pub sample_every: u32,
    /// What it was resolved from.
    pub written: Written,
}

impl Config {
    /// Reads and resolves a file.
    ///
    /// # Errors
    /// Every problem found, with the key.
    pub fn load(file: &Path, secrets: Secrets) -> Result<Config, ConfigError> {
        let written = read_toml(file)?;
        Config::resolve(written, file, secrets)
    }

    /// Resolves what was written; `file` names it in errors, and its folder is where relative paths start.
    ///
    /// # Errors
    /// Every problem found.
    pub fn resolve(written: Written, file: &Path, secrets: Secrets) -> Result<Config, ConfigError> {
        resolve::resolve(written, file, secrets)
    }

    /// The engine's part of it.
    #[must_use]
    pub fn engine(&self) -> engine::EngineConfig {
        engine::EngineConfig {
            instruments: self.instruments.clone(),
            feeds: self.feeds.len(),
            gateways: self.gateways.len(),
            limits: self.limits,
            scopes: self.scopes.clone(),
            breakers: self.breakers.clone(),
            drop_copies: self.drop_copies().collect(),
            throttles: self.gateways.iter().map(|g| g.throttle.clone()).collect(),
            fees: self.gateways.iter().map(|g| g.fees.clone()).collect(),
            openings: self.openings.as_ref().map_or(Vec::new(), |o| o.positions.clone()),
            sanity: self.sanity,
            book: engine::book::BookCapacity {
                instruments: self.instruments.len(),
                live_orders: self.capacity.live_orders,
                levels: self.capacity.levels,
                direct_refs: self.capacity.direct_refs,
            },
        }
    }

    /// How many operators have to release a kill: two where real money is traded.
    #[must_use]
    pub fn operators_needed(&self) -> usize {
        let is_real = self.gateways.iter().any(|g| g.environment == Environment::Production);
        1 + usize::from(is_real)
    }

    /// Whether a line or a gateway of it goes past the kernel.
    #[must_use]
    pub fn goes_past_the_kernel(&self) -> bool {
        let lines = self.feeds.iter().flat_map(|f| &f.ways).any(|way| matches!(way, Way::Xdp(_)));
        lines || self.gateways.iter().any(|g| g.bypass.is_some())
    }

    /// The gateways that are drop copies.
    pub fn drop_copies(&self) -> impl Iterator<Item = model::GatewayId> + '_ {
        let is_copy = |g: &Gateway| g.fix.as_ref().is_some_and(|fix| fix.drop_copy);
        let found = self.gateways.iter().zip(0..).filter(move |(g, _)| is_copy(g));
        found.map(|(_, id)| model::GatewayId(id))
    }

    /// The configuration as TOML; secrets are not in it (they are named by file or variable).
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.written).expect("what was read can be written")
    }
}

/// The feeds of a file, for what only listens: the rest of it is not looked at and need not be there, and no password is read.
///
/// # Errors
/// Every problem found, with the key.
pub fn feeds(file: &Path) -> Result<Vec<Feed>, ConfigError> {
    /// A configuration of which only this is read.
    #[derive(serde::Deserialize)]
    struct OnlyFeeds {
        #[serde(default)]
        feeds: Vec<written::Feed>,
    }
    resolve::feeds(&read_toml::<OnlyFeeds>(file)?.feeds, file)
}

/// The name of a file's core and where its releases stand: the rest of it is not looked at, for the way back from a configuration that cannot be is the way back all the same.
///
/// # Errors
/// Every problem found, with the key.
pub fn core_and_release(file: &Path) -> Result<(String, Option<Release>), ConfigError> {
    /// A configuration of which only this is read.
    #[derive(serde::Deserialize)]
    struct OnlyRelease {
        name: String,
        release: Option<release::Written>,
    }
    let only: OnlyRelease = read_toml(file)?;
    let base = file.parent().unwrap_or(Path::new("."));
    Ok((only.name, only.release.map(|r| release::resolve(&r, base))))
}

/// Reads a TOML file into a type that refuses unknown keys.
///
/// # Errors
/// A [`Problem`] with the key's path, what the parser found there and what it expected.
pub fn read_toml<T: DeserializeOwned>(file: &Path) -> Result<T, ConfigError> {
    let fail = |key: String, found: String, allowed: &str| ConfigError {
        file: file.to_path_buf(),
        problems: vec![Problem { key, found, allowed: allowed.into() }],
    };
    let text = std::fs::read_to_string(file)
        .map_err(|e| fail("(file)".into(), format!("unreadable ({e})"), "a readable TOML file"))?;
    parse_toml(&text, file)
}

/// As [`read_toml`], from text; `file` names it in errors.
///
/// # Errors
/// As [`read_toml`].
pub fn parse_toml<T: DeserializeOwned>(text: &str, file: &Path) -> Result<T, ConfigError> {
    let problem = |key: String, e: &toml::de::Error| {
        let line = e.span().map_or(0, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
        // The parser says both in one sentence: "unknown field `x`, expected one of `a`, `b`".
        let message = e.message().replace('\n', " ");
        let (found, allowed) = match message.split_once(", expected ") {
            Some((f, a)) => (f.to_string(), a.to_string()),
            None => (message, "TOML with the keys of the manual (colo config --help)".to_string()),
        };
        ConfigError {
            file: file.to_path_buf(),
            problems: vec![Problem { key, found: format!("{found} (line {line})"), allowed }],
        }
    };
    let de = toml::Deserializer::parse(text).map_err(|e| {
        let key = e.span().and_then(|s| key_of_line(text, s.start)).unwrap_or("(syntax)");
        let mut error = problem(key.into(), &e);
        error.problems.iter_mut().for_each(|p| p.found = format!("not TOML: {}", p.found));
        error
    })?;
    serde_path_to_error::deserialize(de).map_err(|e| {
        // A quoted key may be empty: `"" = 1`.
        let path = Some(e.path().to_string()).filter(|path| !path.is_empty());
        problem(path.unwrap_or_else(|| "(empty key)".into()), e.inner())
    })
}

/// The key that the line around a place sets, where it looks like one. Never the value: somebody may have put a secret there.
fn key_of_line(text: &str, at: usize) -> Option<&str> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |n| n + 1);
    let (key, _) = text[start..].lines().next()?.split_once('=')?;
    let key = key.trim();
    let keyed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    ((1..=64).contains(&key.len()) && key.bytes().all(keyed)).then_some(key)
}
