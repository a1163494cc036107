//! Accounts as written, and as they are set up.

use std::fmt;
use std::path::PathBuf;

use model::Symbol;
use serde::Deserialize;

use super::fix::{self, FixAccountConfig, FixPortConfig};
use super::{dollars, invalid, ticker};
use crate::exchange::ExchangeError;
use crate::exchange::accounts::{AccountRules, AccountSetup, Credentials, SelfMatch};
use crate::exchange::admission::Limits;
use crate::exchange::codec::Protocol;
use crate::exchange::fix::FixRules;
use crate::exchange::latency::{Excess, Latency};

/// The longest latency, us.
const LATENCY_US_MAX: u64 = 60_000_000;

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub(super) String);

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

/// An account as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// 1 to 6 letters or digits, in any case.
    pub username: String,
    /// 1 to 10 printable characters; or `password_file`.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file with the password in its first line.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// 4 letters or digits.
    pub firm: String,
    /// Other firms that it may trade for.
    #[serde(default)]
    pub firms: Vec<String>,
    /// `"ouch50"`, `"ouch42"`, `"fix44"` or `"fix42"`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Its session, where that is FIX.
    #[serde(default)]
    pub fix: Option<FixAccountConfig>,
    /// Whether the account's orders are canceled when its connection ends; as the venue's where absent.
    #[serde(default)]
    pub cancel_on_disconnect: Option<bool>,
    /// `"allow"`, `"oldest"`, `"newest"`, `"both"` or `"decrement"`; as the venue's where absent.
    #[serde(default)]
    pub self_match: Option<SelfMatchConfig>,
    /// Requests within any second; any number where absent.
    #[serde(default)]
    pub messages_per_second: Option<u32>,
    /// `"reject"` or `"disconnect"`.
    #[serde(default)]
    pub over_rate: OverRate,
    /// How long requests take to the floor.
    #[serde(default)]
    pub latency_in: Option<LatencyConfig>,
    /// How long reports take from the floor.
    #[serde(default)]
    pub latency_out: Option<LatencyConfig>,
    /// Orders that are refused.
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// What happens to two orders of one account that would trade with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // as in `SelfMatch`
pub enum SelfMatchConfig {
    Allow,
    Oldest,
    Newest,
    Both,
    Decrement,
}

impl From<SelfMatchConfig> for SelfMatch {
    fn from(written: SelfMatchConfig) -> SelfMatch {
        match written {
            SelfMatchConfig::Allow => SelfMatch::Allow,
            SelfMatchConfig::Oldest => SelfMatch::Oldest,
            SelfMatchConfig::Newest => SelfMatch::Newest,
            SelfMatchConfig::Both => SelfMatch::Both,
            SelfMatchConfig::Decrement => SelfMatch::Decrement,
        }
    }
}

/// What happens to a request too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverRate {
    /// New orders and replaces are refused with the port rate's code.
    #[default]
    Reject,
    /// The connection is closed.
    Disconnect,
}

/// A distribution of times as written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum LatencyConfig {
    /// Always the same.
    Fixed {
        /// That.
        us: u64,
    },
    /// Each from the least to the most alike.
    Uniform {
        /// The least.
        least_us: u64,
        /// The most.
        most_us: u64,
    },
    /// The logarithm is normal.
    Lognormal {
        /// Half are shorter.
        median_us: u64,
        /// 84 of 100 are shorter than the median times this.
        spread: f64,
    },
}

/// Limits as written; see [`Limits`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // as in `Limits`
pub struct LimitsConfig {
    pub max_quantity: Option<u32>,
    pub max_notional_usd: Option<u64>,
    pub max_exposure_usd: Option<u64>,
    pub max_day_shares: Option<u64>,
    pub fat_finger_percent: Option<u32>,
    pub symbol_rate: Option<u32>,
    pub duplicate_rate: Option<u32>,
    pub restricted: Vec<String>,
    pub short_restricted: Vec<String>,
    pub no_short: bool,
    pub no_short_exempt: bool,
    pub locate_required: bool,
    pub no_market_orders: bool,
    pub no_iso: bool,
    pub no_pre_market: bool,
    pub max_take_shares: Option<u64>,
}

/// The accounts, checked, with their passwords.
///
/// # Errors
/// The first value that is not allowed, or the file that cannot be read.
pub(super) fn resolve(
    accounts: &[AccountConfig],
    port: Option<&FixPortConfig>,
    unix_seconds: u64,
) -> Result<Vec<AccountSetup>, ExchangeError> {
    let mut out: Vec<AccountSetup> = Vec::new();
    for (account, i) in accounts.iter().zip(0..u16::MAX) {
        let mut setup = resolve_one(account, i)?;
        setup.rules.fix = session(account, i, &setup.credentials, port, unix_seconds)?;
        let client = |a: &AccountSetup| a.rules.fix.as_ref().map(|fix| fix.client.clone());
        if client(&setup).is_some() && out.iter().any(|a| client(a) == client(&setup)) {
            let key = format!("accounts[{i}].fix.comp_id");
            return Err(invalid(key, client(&setup).unwrap_or_default(), "each comp_id once"));
        }
        let name = &setup.credentials.username;
        if out.iter().any(|a| a.credentials.username.eq_ignore_ascii_case(name)) {
            let key = format!("accounts[{i}].username");
            return Err(invalid(key, name, "each username once, whatever its case"));
        }
        out.push(setup);
    }
    for (account, i) in accounts.iter().zip(0..) {
        let of = account.fix.iter().flat_map(|fix| &fix.drop_copy_of);
        let sources = of.map(|name| source(accounts, name, i)).collect::<Result<_, _>>()?;
        if let Some(fix) = &mut out[i].rules.fix {
            fix.drop_copy_of = sources;
        }
    }
    Ok(out)
}

/// The account that a drop copy is of.
fn source(accounts: &[AccountConfig], name: &str, of: usize) -> Result<u16, ExchangeError> {
    let trades = |a: &AccountConfig| a.fix.as_ref().is_none_or(|fix| fix.drop_copy_of.is_empty());
    let found = accounts.iter().position(|a| a.username.eq_ignore_ascii_case(name) && trades(a));
    // There are never more accounts than 16 bits count.
    found.map(|at| at as u16).ok_or_else(|| {
        let key = format!("accounts[{of}].fix.drop_copy_of");
        invalid(key, name, "usernames of accounts that are no drop copies themselves")
    })
}

/// The FIX session of an account that has one.
fn session(
    account: &AccountConfig,
    i: u16,
    credentials: &Credentials,
    port: Option<&FixPortConfig>,
    unix_seconds: u64,
) -> Result<Option<FixRules>, ExchangeError> {
    let key = format!("accounts[{i}].fix");
    let speaks_it = matches!(account.protocol, Protocol::Fix44 | Protocol::Fix42);
    match &account.fix {
        Some(written) if speaks_it => {
            fix::resolve(written, account.protocol, port, credentials, &key, unix_seconds).map(Some)
        }
        None if speaks_it => Err(invalid(key, "(absent)", "a table with comp_id, for protocol is FIX")),
        Some(_) => Err(invalid(key, "(given)", "only with protocol fix44 or fix42")),
        None => Ok(None),
    }
}

fn resolve_one(account: &AccountConfig, i: u16) -> Result<AccountSetup, ExchangeError> {
    let key = |field: &str| format!("accounts[{i}].{field}");
    let name = &account.username;
    if name.is_empty() || name.len() > 6 || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(invalid(key("username"), name, "1 to 6 letters or digits"));
    }
    let firm = |field: &str, text: &String| {
        let bytes = <[u8; 4]>::try_from(text.as_bytes()).ok();
        bytes
            .filter(|f| f.iter().all(u8::is_ascii_alphanumeric))
            .ok_or_else(|| invalid(key(field), text, "4 letters or digits"))
    };
    let credentials = Credentials {
        username: name.clone(),
        password: password(account, i)?,
        firm: firm("firm", &account.firm)?,
    };
    let firms = account.firms.iter().map(|text| firm("firms", text)).collect::<Result<_, _>>()?;
    let rate = match account.messages_per_second {
        Some(n @ 1..=1_000_000) => {
            let excess = match account.over_rate {
                OverRate::Reject => Excess::Reject,
                OverRate::Disconnect => Excess::Disconnect,
            };
            Some((n, excess))
        }
        Some(n) => return Err(invalid(key("messages_per_second"), n, "1 to 1000000")),
        None => None,
    };
    let rules = AccountRules {
        protocol: account.protocol,
        fix: None,
        cancel_on_disconnect: account.cancel_on_disconnect,
        firms,
        self_match: account.self_match.map(SelfMatch::from),
        limits: limits(&account.limits, &key("limits"))?,
        rate,
        inbound_latency: latency(account.latency_in.as_ref(), &key("latency_in"))?,
        outbound_latency: latency(account.latency_out.as_ref(), &key("latency_out"))?,
    };
    Ok(AccountSetup { credentials, rules })
}

fn password(account: &AccountConfig, i: u16) -> Result<String, ExchangeError> {
    let key = format!("accounts[{i}].password");
    let password = match (&account.password, &account.password_file) {
        (Some(Secret(password)), None) => password.clone(),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ExchangeError::PasswordFile { path: path.clone(), source })?;
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
        _ => {
            let what = if account.password.is_some() { "both" } else { "neither" };
            return Err(invalid(key, what, "either password or password_file"));
        }
    };
    let printable = password.bytes().all(|b| b.is_ascii_graphic());
    if password.is_empty() || password.len() > 10 || !printable {
        return Err(invalid(key, "(not shown)", "1 to 10 printable characters without spaces"));
    }
    Ok(password)
}

fn latency(written: Option<&LatencyConfig>, key: &str) -> Result<Latency, ExchangeError> {
    let ns = |field: &str, us: u64| match us {
        0..=LATENCY_US_MAX => Ok(us * 1_000),
        _ => Err(invalid(format!("{key}.{field}"), us, "at most 60000000")),
    };
    match *match written {
        Some(written) => written,
        None => return Ok(Latency::default()),
    } {
        LatencyConfig::Fixed { us } => Ok(Latency::Fixed(ns("us", us)?)),
        LatencyConfig::Uniform { least_us, most_us } if least_us <= most_us => {
            Ok(Latency::Uniform(ns("least_us", least_us)?, ns("most_us", most_us)?))
        }
        LatencyConfig::Uniform { least_us, .. } => {
            Err(invalid(format!("{key}.least_us"), least_us, "at most most_us"))
        }
        LatencyConfig::Lognormal { median_us, spread } if (1.0..=10.0).contains(&spread) => {
            Ok(Latency::lognormal(ns("median_us", median_us)?, spread))
        }
        LatencyConfig::Lognormal { spread, .. } => {
            Err(invalid(format!("{key}.spread"), spread, "from 1.0 to 10.0"))
        }
    }
}

fn limits(written: &LimitsConfig, key: &str) -> Result<Limits, ExchangeError> {
    let usd = |field: &str, usd| dollars(&format!("{key}.{field}"), usd);
    let symbols = |field: &str, list: &[String]| -> Result<Vec<Symbol>, ExchangeError> {
        list.iter().map(|text| ticker(&format!("{key}.{field}"), text)).collect()
    };
    if let Some(percent) = written.fat_finger_percent.filter(|p| *p > 100) {
        return Err(invalid(format!("{key}.fat_finger_percent"), percent, "at most 100"));
    }
    for (field, rate) in [("symbol_rate", written.symbol_rate), ("duplicate_rate", written.duplicate_rate)] {
        if let Some(rate) = rate.filter(|n| !(1..=1_000_000).contains(n)) {
            return Err(invalid(format!("{key}.{field}"), rate, "1 to 1000000"));
        }
    }
    Ok(Limits {
        max_quantity: written.max_quantity,
        max_notional_e4: usd("max_notional_usd", written.max_notional_usd)?,
        max_exposure_e4: usd("max_exposure_usd", written.max_exposure_usd)?,
        max_day_shares: written.max_day_shares,
        fat_finger_percent: written.fat_finger_percent,
        symbol_rate: written.symbol_rate,
        duplicate_rate: written.duplicate_rate,
        restricted: symbols("restricted", &written.restricted)?,
        short_restricted: symbols("short_restricted", &written.short_restricted)?,
        no_short: written.no_short,
        no_short_exempt: written.no_short_exempt,
        locate_required: written.locate_required,
        no_market_orders: written.no_market_orders,
        no_iso: written.no_iso,
        no_pre_market: written.no_pre_market,
        max_take_shares: written.max_take_shares,
    })
}
