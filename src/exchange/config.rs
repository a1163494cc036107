//! The venue's configuration, in two stages: as written ([`ExchangeConfig`], TOML with unknown keys refused), then checked and resolved into
//! what the venue runs on.
//!
//! ```toml
//! name = "sim"
//! symbols = ["AAPL", "MSFT"]                       # generated: what trades; file: which of the file's symbols (none: all)
//! lines = ["127.0.0.1:26001", "127.0.0.1:26002"]   # where lines A and B go: unicast or multicast
//! interface = "127.0.0.1"
//! rerequest = "127.0.0.1:26003"
//! ouch = "127.0.0.1:26010"
//! glimpse = "127.0.0.1:26011"
//!
//! [[accounts]]
//! username = "user01"
//! password = "pass"                                # or password_file = "pw"
//! firm = "ABCD"
//! cancel_on_disconnect = true                      # and more: `docs/exchange.md` lists every key
//!
//! [market]
//! hours = { open_ms = 1000, close_ms = 60000 }
//!
//! [[script]]
//! account = "user01"
//! report = 3
//! do = "disconnect"
//!
//! [flow]
//! kind = "generated"                               # "file", "silent"
//! seed = 1
//! messages_per_second = 1000
//!
//! [faults.line_b]
//! loss = 0.01
//! ```

mod accounts;
mod fix;
mod market;
mod rest;
mod script;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use model::Symbol;
use serde::Deserialize;

pub use accounts::{AccountConfig, LatencyConfig, LimitsConfig, OverRate, Secret, SelfMatchConfig};
pub use fix::{FixAccountConfig, FixPortConfig};
pub use market::{BandsConfig, BeyondConfig, HaltedConfig, HoursConfig, MarketConfig, PostOnlyConfig};
pub use script::{ActionConfig, StepConfig};

use super::ExchangeError;
use super::faults::LineFaults;
use super::flow::Flow;
use super::flow::file::{FileFlow, Speed};
use super::flow::generated::{GeneratedFlow, Recipe};
use super::flow::reader::BinaryFile;
use super::glimpse::SnapshotFaults;
use super::rest::RestConfig;
use super::venue::VenueConfig;

/// The configuration as written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeConfig {
    /// Names the venue in messages to people.
    #[serde(default = "default_name")]
    pub name: String,
    /// Tickers. A generated flow trades these; a file's flow only these, or all the file has where there are none.
    #[serde(default)]
    pub symbols: Vec<String>,
    /// Session of the market data channel and of order entry, up to 10 letters or digits; the Unix time of the start where absent.
    #[serde(default)]
    pub session: Option<String>,
    /// Destination of each line of the market data channel, at most two.
    pub lines: Vec<SocketAddr>,
    /// Address of the interface that datagrams leave by.
    #[serde(default = "localhost")]
    pub interface: Ipv4Addr,
    /// Where the re-request server listens; port 0 picks one. None where absent.
    #[serde(default)]
    pub rerequest: Option<SocketAddr>,
    /// Where the snapshot server listens, for the same accounts as order entry; port 0 picks one. None where absent.
    #[serde(default)]
    pub glimpse: Option<SocketAddr>,
    /// Where order entry listens; port 0 picks one.
    pub ouch: SocketAddr,
    /// Where order entry's second host listens; port 0 picks one. None where absent. An account may be connected to both, and is told
    /// everything on both.
    #[serde(default)]
    pub mirror: Option<SocketAddr>,
    /// FIX, for the accounts that speak it. None where absent.
    #[serde(default)]
    pub fix: Option<FixPortConfig>,
    /// REST and WebSocket for the same accounts. None where absent.
    #[serde(default)]
    pub rest: Option<RestConfig>,
    /// The socket by which people command it, for its owner alone. None where absent.
    #[serde(default)]
    pub control: Option<PathBuf>,
    /// Who may log in.
    #[serde(default)]
    pub accounts: Vec<AccountConfig>,
    /// Hours, auctions, bands.
    #[serde(default)]
    pub market: MarketConfig,
    /// What goes wrong, and when.
    #[serde(default)]
    pub script: Vec<StepConfig>,
    /// The background.
    #[serde(default)]
    pub flow: FlowConfig,
    /// What the network does to the lines.
    #[serde(default)]
    pub faults: FaultsConfig,
    /// Whether an account's orders are canceled when its connection ends.
    #[serde(default)]
    pub cancel_on_disconnect: bool,
    /// Whether an account's orders never trade with each other.
    #[serde(default)]
    pub self_match_prevention: bool,
    /// Whether the day begins with the first login, so that this client sees all of it.
    #[serde(default)]
    pub wait_for_login: bool,
    /// Whether the day ends when the flow does.
    #[serde(default = "yes")]
    pub close_with_flow: bool,
    /// For how long the end of the session is said on the lines, milliseconds.
    #[serde(default = "default_end_of_session_ms")]
    pub end_of_session_ms: u64,
}

/// The background as written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum FlowConfig {
    /// None.
    Silent,
    /// From a seed.
    Generated {
        /// Where chance starts.
        #[serde(default = "default_seed")]
        seed: u64,
        /// Mean rate.
        #[serde(default = "default_rate")]
        messages_per_second: u64,
        /// Ends after so many; never where absent.
        #[serde(default)]
        messages: Option<u64>,
    },
    /// From an ITCH 5.0 BinaryFILE, gzipped or not.
    File {
        /// Which file.
        path: PathBuf,
        /// `"original"`, a factor such as `10.0`, or `"max"`.
        #[serde(default)]
        speed: SpeedConfig,
        /// The rate of `speed = "max"`: what a receiver on the same small machine can follow.
        #[serde(default = "default_max_rate")]
        messages_per_second: u64,
    },
}

impl Default for FlowConfig {
    fn default() -> FlowConfig {
        FlowConfig::Generated { seed: default_seed(), messages_per_second: default_rate(), messages: None }
    }
}

/// A file's speed as written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum SpeedConfig {
    /// `"original"` or `"max"`.
    Named(String),
    /// Times the original.
    Factor(f64),
}

impl Default for SpeedConfig {
    fn default() -> SpeedConfig {
        SpeedConfig::Named("original".into())
    }
}

/// The network as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultsConfig {
    /// Where chance starts.
    pub seed: u64,
    /// Line A.
    pub line_a: LineFaults,
    /// Line B.
    pub line_b: LineFaults,
    /// Probability that a re-request gets no answer.
    pub rerequest_loss: f64,
    /// Probability that a snapshot's login is refused.
    pub glimpse_refused: f64,
    /// Probability that a snapshot breaks off.
    pub glimpse_cut: f64,
}

fn default_name() -> String {
    "exchange".into()
}
fn localhost() -> Ipv4Addr {
    Ipv4Addr::LOCALHOST
}
fn yes() -> bool {
    true
}
fn default_end_of_session_ms() -> u64 {
    300
}
fn default_seed() -> u64 {
    1
}
fn default_rate() -> u64 {
    1_000
}
fn default_max_rate() -> u64 {
    100_000
}

impl ExchangeConfig {
    /// Reads a configuration. Relative paths in it are relative to `folder`.
    ///
    /// # Errors
    /// [`ExchangeError::Toml`] where the text is no TOML, lacks a key, has an unknown one or one of a wrong type.
    pub fn from_toml(text: &str, folder: &Path) -> Result<ExchangeConfig, ExchangeError> {
        let mut config: ExchangeConfig =
            toml::from_str(text).map_err(|e| ExchangeError::Toml { message: e.to_string() })?;
        for account in &mut config.accounts {
            if let Some(path) = account.password_file.as_mut() {
                *path = folder.join(&*path);
            }
        }
        if let Some(path) = &mut config.control {
            *path = folder.join(&*path);
        }
        if let Some(path) = config.rest.as_mut().and_then(|rest| rest.ca_file.as_mut()) {
            *path = folder.join(&*path);
        }
        if let Some(path) = config.fix.as_mut().and_then(|fix| fix.ca_file.as_mut()) {
            *path = folder.join(&*path);
        }
        if let FlowConfig::File { path, .. } = &mut config.flow {
            *path = folder.join(&*path);
        }
        Ok(config)
    }

    /// Checks every value, reads the password files and opens the flow's file. `unix_seconds` names the session where the configuration
    /// does not.
    ///
    /// # Errors
    /// [`ExchangeError`]: the first value that is not allowed, by key, or the file that cannot be used.
    pub fn resolve(&self, unix_seconds: u64) -> Result<VenueConfig, ExchangeError> {
        if self.lines.is_empty() || self.lines.len() > 2 {
            return Err(invalid("lines", self.lines.len(), "one or two addresses"));
        }
        for line in &self.lines {
            if !line.is_ipv4() || line.port() == 0 {
                return Err(invalid("lines", line, "an IPv4 address with a port"));
            }
        }
        let mut symbols = Vec::new();
        for text in &self.symbols {
            let symbol = ticker("symbols", text)?;
            if symbols.contains(&symbol) {
                return Err(invalid("symbols", text, "each symbol once"));
            }
            symbols.push(symbol);
        }
        let faults = [("faults.line_a", &self.faults.line_a), ("faults.line_b", &self.faults.line_b)];
        for (key, line) in faults {
            check_faults(key, line)?;
        }
        check_probability("faults.rerequest_loss", self.faults.rerequest_loss)?;
        check_probability("faults.glimpse_refused", self.faults.glimpse_refused)?;
        check_probability("faults.glimpse_cut", self.faults.glimpse_cut)?;
        if self.end_of_session_ms > 3_600_000 {
            return Err(invalid("end_of_session_ms", self.end_of_session_ms, "at most 3600000"));
        }
        self.fix.as_ref().map_or(Ok(()), FixPortConfig::check)?;
        let accounts = accounts::resolve(&self.accounts, self.fix.as_ref(), unix_seconds)?;
        let script = script::resolve(&self.script, &accounts)?;
        rest::check(self)?;
        Ok(VenueConfig {
            session: self.session_bytes(unix_seconds)?,
            lines: faults.iter().take(self.lines.len()).map(|(_, f)| (*f).clone()).collect(),
            rerequest_loss: self.faults.rerequest_loss,
            snapshot_faults: SnapshotFaults {
                refused: self.faults.glimpse_refused,
                cut: self.faults.glimpse_cut,
            },
            accounts,
            flow: self.open_flow(&symbols)?,
            symbols,
            seed: self.faults.seed,
            cancel_on_disconnect: self.cancel_on_disconnect,
            self_match_prevention: self.self_match_prevention,
            wait_for_login: self.wait_for_login,
            close_with_flow: self.close_with_flow,
            end_of_session_ns: self.end_of_session_ms * 1_000_000,
            market: self.market.resolve()?,
            script,
        })
    }

    fn session_bytes(&self, unix_seconds: u64) -> Result<[u8; 10], ExchangeError> {
        let text = self.session.clone().unwrap_or_else(|| format!("{:010}", unix_seconds % 10_000_000_000));
        let alphanumeric = text.bytes().all(|b| b.is_ascii_alphanumeric());
        if text.is_empty() || text.len() > 10 || !alphanumeric {
            return Err(invalid("session", text, "1 to 10 letters or digits"));
        }
        let mut session = [b' '; 10];
        session[..text.len()].copy_from_slice(text.as_bytes());
        Ok(session)
    }

    fn open_flow(&self, symbols: &[Symbol]) -> Result<Flow, ExchangeError> {
        let rate = |rate: u64| match rate {
            1..=10_000_000 => Ok(rate),
            _ => Err(invalid("flow.messages_per_second", rate, "1 to 10000000")),
        };
        match &self.flow {
            FlowConfig::Silent => Ok(Flow::Silent),
            FlowConfig::Generated { seed, messages_per_second, messages } => {
                if symbols.is_empty() {
                    return Err(invalid("symbols", "[]", "at least one symbol for a generated flow"));
                }
                let recipe = Recipe {
                    seed: *seed,
                    messages_per_second: rate(*messages_per_second)?,
                    messages: *messages,
                };
                Ok(Flow::Generated(Box::new(GeneratedFlow::new(recipe))))
            }
            FlowConfig::File { path, speed, messages_per_second } => {
                let allowed = "\"original\", \"max\" or a factor above 0";
                let speed = match speed {
                    SpeedConfig::Named(name) if name == "original" => Speed::Scaled(1.0),
                    SpeedConfig::Named(name) if name == "max" => {
                        Speed::PerSecond(rate(*messages_per_second)?)
                    }
                    SpeedConfig::Named(name) => return Err(invalid("flow.speed", name, allowed)),
                    SpeedConfig::Factor(f) if f.is_finite() && *f > 0.0 => Speed::Scaled(*f),
                    SpeedConfig::Factor(f) => return Err(invalid("flow.speed", f, allowed)),
                };
                let file = BinaryFile::open(path)?;
                Ok(Flow::File(Box::new(FileFlow::new(file, speed, symbols.to_vec()))))
            }
        }
    }
}

fn check_faults(key: &str, line: &LineFaults) -> Result<(), ExchangeError> {
    let chances = [
        ("loss", line.loss),
        ("shared_loss", line.shared_loss),
        ("duplicate", line.duplicate),
        ("reorder", line.reorder),
    ];
    for (name, p) in chances {
        check_probability(&format!("{key}.{name}"), p)?;
    }
    if !(1..=1_000).contains(&line.reorder_distance) {
        return Err(invalid(format!("{key}.reorder_distance"), line.reorder_distance, "1 to 1000"));
    }
    if line.skew_us > 60_000_000 {
        return Err(invalid(format!("{key}.skew_us"), line.skew_us, "at most 60000000"));
    }
    for (name, ms) in [("silence_ms", line.silence_ms), ("silence_every_ms", line.silence_every_ms)] {
        if ms > 86_400_000 {
            return Err(invalid(format!("{key}.{name}"), ms, "at most 86400000"));
        }
    }
    if !(128..=8_972).contains(&line.datagram_bytes) {
        return Err(invalid(format!("{key}.datagram_bytes"), line.datagram_bytes, "128 to 8972"));
    }
    Ok(())
}

fn check_probability(key: &str, p: f64) -> Result<(), ExchangeError> {
    if (0.0..=1.0).contains(&p) { Ok(()) } else { Err(invalid(key, p, "a probability from 0 to 1")) }
}

/// A sum as written, in 1e-4 USD.
fn dollars(key: &str, usd: Option<u64>) -> Result<Option<i64>, ExchangeError> {
    match usd {
        // So much fits every sum.
        Some(n @ 0..=1_000_000_000_000) => Ok(Some((n * 10_000) as i64)),
        Some(n) => Err(invalid(key, n, "at most 1000000000000")),
        None => Ok(None),
    }
}

fn ticker(key: &str, text: &str) -> Result<Symbol, ExchangeError> {
    Symbol::new(text).ok_or_else(|| invalid(key, text, "1 to 8 printable characters without spaces"))
}

fn invalid(key: impl Into<String>, value: impl ToString, allowed: &'static str) -> ExchangeError {
    ExchangeError::Invalid { key: key.into(), value: value.to_string(), allowed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::accounts::SelfMatch;
    use crate::exchange::latency::{Excess, Latency};
    use crate::exchange::script::{Action, MarketAction, Step, Trigger};

    const WHOLE: &str = r#"
        name = "sim"
        symbols = ["AAPL", "MSFT"]
        lines = ["127.0.0.1:26001", "127.0.0.1:26002"]
        interface = "127.0.0.1"
        rerequest = "127.0.0.1:26003"
        ouch = "127.0.0.1:26010"
        [[accounts]]
        username = "user01"
        password = "secret"
        firm = "ABCD"
        firms = ["LIME"]
        self_match = "decrement"
        messages_per_second = 100
        over_rate = "disconnect"
        latency_in = { kind = "uniform", least_us = 5, most_us = 50 }
        latency_out = { kind = "lognormal", median_us = 20, spread = 2.0 }
        limits = { max_quantity = 5000, max_notional_usd = 100000, restricted = ["MSFT"] }
        [market]
        post_only = "slide"
        hours = { open_ms = 100, close_ms = 9000, late_ms = 20 }
        bands = { width_bp = 500, beyond = "slide" }
        [[script]]
        account = "USER01"
        report = 2
        type = "A"
        do = "cut"
        bytes = 5
        [[script]]
        at_ms = 50
        symbol = "AAPL"
        do = "halt"
        [flow]
        kind = "generated"
        seed = 3
        messages_per_second = 500
        [faults]
        seed = 9
        line_a = { loss = 0.01, duplicate = 0.02, reorder = 0.03, skew_us = 50 }
        line_b = { datagram_bytes = 600 }
    "#;

    fn error(text: &str) -> String {
        let config = ExchangeConfig::from_toml(text, Path::new("."));
        config.and_then(|c| c.resolve(1_700_000_000)).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_one_resolves() {
        let config = ExchangeConfig::from_toml(WHOLE, Path::new(".")).unwrap();
        let venue = config.resolve(1_700_000_000).unwrap();
        assert_eq!(&venue.session, b"1700000000");
        assert_eq!(venue.lines[0].loss, 0.01);
        assert_eq!(venue.lines[1].datagram_bytes, 600);
        assert_eq!(venue.accounts[0].credentials.firm, *b"ABCD");
        assert!(!format!("{config:?}").contains("secret"));
        let rules = &venue.accounts[0].rules;
        assert_eq!((&rules.firms[..], rules.self_match), (&[*b"LIME"][..], Some(SelfMatch::Decrement)));
        assert_eq!(rules.rate, Some((100, Excess::Disconnect)));
        assert_eq!(rules.inbound_latency, Latency::Uniform(5_000, 50_000));
        assert_eq!(
            (rules.limits.max_quantity, rules.limits.max_notional_e4),
            (Some(5_000), Some(1_000_000_000))
        );
        assert_eq!(venue.market.hours.map(|h| (h.open_ns, h.late_ns)), Some((100_000_000, 20_000_000)));
        assert_eq!(venue.market.bands.map(|b| b.pause_ns), Some(300_000_000_000));
        let cut = Step {
            trigger: Trigger::Report(2, Some(b'A')),
            account: Some(0),
            symbol: None,
            action: Action::Cut(5),
        };
        let halt = Step {
            trigger: Trigger::At(50_000_000),
            account: None,
            symbol: Symbol::new("AAPL"),
            action: Action::Market(MarketAction::Halt),
        };
        assert_eq!(venue.script, [cut, halt]);
    }

    #[test]
    fn the_reference_is_a_whole_configuration() {
        let (_, rest) = include_str!("../../docs/exchange.md").split_once("```toml").unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let config = ExchangeConfig::from_toml(text, Path::new(".")).unwrap();
        let venue = config.resolve(0).unwrap();
        assert_eq!((venue.script.len(), venue.accounts[0].rules.firms.len()), (1, 1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, want) in [
            ("symbols = [\"AAPL\", \"MSFT\"]", "", &["symbols", "generated"][..]),
            ("\"MSFT\"", "\"AAPL\"", &["symbols", "AAPL", "once"]),
            ("\"user01\"", "\"toolong\"", &["accounts[0].username", "toolong", "1 to 6"]),
            ("\"ABCD\"", "\"ABC\"", &["accounts[0].firm", "ABC", "4 letters"]),
            ("\"secret\"", "\"\"", &["accounts[0].password", "1 to 10"]),
            ("password = \"secret\"", "", &["accounts[0].password", "neither", "password_file"]),
            ("password = ", "password_file = ", &["secret", "password"]),
            ("loss = 0.01", "loss = 1.5", &["faults.line_a.loss", "1.5", "0 to 1"]),
            ("loss = 0.01", "shared_loss = -0.1", &["faults.line_a.shared_loss", "-0.1", "0 to 1"]),
            ("skew_us = 50", "silence_ms = 90000000", &["faults.line_a.silence_ms", "90000000", "86400000"]),
            ("seed = 9", "glimpse_cut = 2.0", &["faults.glimpse_cut", "2", "0 to 1"]),
            ("seed = 9", "glimpse_refused = -1.0", &["faults.glimpse_refused", "-1", "0 to 1"]),
            ("datagram_bytes = 600", "datagram_bytes = 60", &["faults.line_b.datagram_bytes", "60", "128"]),
            ("messages_per_second = 500", "messages_per_second = 0", &["flow.messages_per_second", "0"]),
            ("\"LIME\"", "\"LIM\"", &["accounts[0].firms", "LIM", "4 letters"]),
            ("\"decrement\"", "\"maybe\"", &["maybe", "oldest"]),
            (
                "messages_per_second = 100",
                "messages_per_second = 0",
                &["accounts[0].messages_per_second", "0"],
            ),
            ("least_us = 5,", "least_us = 51,", &["accounts[0].latency_in.least_us", "51", "most_us"]),
            ("most_us = 50", "most_us = 90000000", &["accounts[0].latency_in.most_us", "90000000"]),
            ("spread = 2.0", "spread = 0.5", &["accounts[0].latency_out.spread", "0.5"]),
            ("max_quantity", "max_quantiti", &["max_quantiti", "unknown field"]),
            ("[\"MSFT\"] }", "[\"M S\"] }", &["accounts[0].limits.restricted", "M S"]),
            ("max_notional_usd = 100000", "fat_finger_percent = 101", &["fat_finger_percent", "101"]),
            ("max_notional_usd = 100000", "symbol_rate = 0", &["accounts[0].limits.symbol_rate", "0"]),
            ("\"slide\"\n        hours", "\"glide\"\n        hours", &["glide", "slide"]),
            (
                "max_notional_usd = 100000",
                "max_exposure_usd = 9000000000000",
                &["max_exposure_usd", "9000000000000"],
            ),
            ("close_ms = 9000", "close_ms = 100", &["market.hours.close_ms", "100", "after open_ms"]),
            ("late_ms = 20", "late_ms = 90000000", &["market.hours.late_ms", "90000000"]),
            ("width_bp = 500", "width_bp = 0", &["market.bands.width_bp", "0", "1 to 9999"]),
            ("report = 2", "report = 0", &["script[0].report", "0", "from 1"]),
            ("report = 2", "", &["script[0]", "one of at_ms"]),
            ("report = 2", "report = 2\n        login = 1", &["script[0]", "one of at_ms"]),
            ("report = 2", "request = 2", &["script[0].do", "Cut", "at a report"]),
            ("type = \"A\"", "type = \"7\"", &["script[0].type", "7"]),
            ("bytes = 5", "bytes = 70000", &["script[0].bytes", "70000", "65536"]),
            ("bytes = 5", "", &["script[0].bytes", "absent"]),
            ("bytes = 5", "bytes = 5\n        for_ms = 1", &["script[0].for_ms", "only with"]),
            ("\"USER01\"", "\"user02\"", &["script[0].account", "user02", "usernames"]),
            ("account = \"USER01\"", "", &["script[0].account", "absent"]),
            ("at_ms = 50", "login = 1", &["script[1].do", "Halt"]),
            ("at_ms = 50", "at_ms = 50\n        account = \"user01\"", &["script[1].account", "none"]),
            ("at_ms = 50", "at_ms = 90000000", &["script[1].at_ms", "90000000"]),
            ("skew_us", "skew", &["skew", "unknown field"]),
            ("seed = 3", "sede = 3", &["sede", "unknown field"]),
            ("name = \"sim\"", "nam = \"sim\"", &["nam", "unknown field"]),
            ("\"127.0.0.1:26001\", \"127.0.0.1:26002\"", "", &["lines", "one or two"]),
            ("\"127.0.0.1:26001\"", "\"127.0.0.1:0\"", &["lines", "127.0.0.1:0", "port"]),
        ] {
            assert!(WHOLE.contains(from), "{from}");
            let message = error(&WHOLE.replace(from, to));
            for part in want {
                assert!(message.contains(part), "{part:?} in {message:?}");
            }
            assert!(!message.contains("secret") || want.contains(&"secret"), "{message}");
        }
    }

    #[test]
    fn a_password_file_is_found_beside_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let text = WHOLE.replace("password = \"secret\"", "password_file = \"pw\"");
        let resolve = || ExchangeConfig::from_toml(&text, dir.path()).unwrap().resolve(0);
        assert!(resolve().unwrap_err().to_string().contains("pw cannot be read"));
        std::fs::write(dir.path().join("pw"), "hidden\n").unwrap();
        assert_eq!(resolve().unwrap().accounts[0].credentials.password, "hidden");
    }

    #[test]
    fn a_file_s_speed() {
        let with = |flow: &str| {
            let (head, tail) = WHOLE.split_once("[flow]").unwrap();
            let (_, faults) = tail.split_once("[faults]").unwrap();
            format!("{head}[flow]\nkind = \"file\"\npath = \"missing.itch\"\n{flow}\n[faults]{faults}")
        };
        for speed in ["\"slow\"", "0.0", "-1.0", "nan"] {
            assert!(error(&with(&format!("speed = {speed}"))).contains("flow.speed"), "{speed}");
        }
        for speed in ["speed = \"original\"", "speed = \"max\"", "speed = 2.5", "speed = 10", ""] {
            let message = error(&with(speed));
            assert!(message.contains("missing.itch") && message.contains("read"), "{message}");
        }
    }
}
