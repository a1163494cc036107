//! What the cores of a firm may come to together, held to what the firm may.
//!
//! No core asks another before it sends: that would cost each order a way over the network, and a core that cannot be asked would stop the rest. So a limit of the firm is parted among its
//! cores beforehand: each holds its own part to the share (`[risk]`, `[risk.firm]`; the tightest wins), and the parts added up may not be more than the whole. That holds at every moment, whatever
//! each of them does, and is as tight as the parts are well chosen (15c3-5(c)(1)(i): aggregate thresholds over all of a firm's orders).
//!
//! ```toml
//! max_gross_notional_usd = 5000000    # a firm's file: what is left out is not held to anything
//! max_net_notional_usd = 2000000
//! max_daily_loss_usd = 50000
//! max_open_orders = 400
//! max_messages_per_second = 1000
//! max_position = 20000                # shares of any symbol, over all cores that trade it
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use model::Usd;
use serde::{Deserialize, Serialize};

use crate::config::{self, Config, ConfigError};

/// What a firm may, as its file has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firm {
    /// Whole dollars over all positions, long and short added.
    pub max_gross_notional_usd: Option<u32>,
    /// Whole dollars over all positions, long against short.
    pub max_net_notional_usd: Option<u32>,
    /// Whole dollars.
    pub max_daily_loss_usd: Option<u32>,
    /// Orders.
    pub max_open_orders: Option<u32>,
    /// Messages.
    pub max_messages_per_second: Option<u32>,
    /// Shares either way, of each symbol.
    pub max_position: Option<u32>,
}

/// One limit, and what is given out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The limit's key in the firm's file; a position with its symbol behind it.
    pub limit: String,
    /// What the firm may.
    pub whole: i64,
    /// What each core may; `None`: there is no such limit in its configuration.
    pub cores: Vec<(String, Option<i64>)>,
}

impl Share {
    /// What the cores may together; `None` where one has no limit.
    #[must_use]
    pub fn given(&self) -> Option<i64> {
        self.cores.iter().try_fold(0i64, |sum, (_, part)| Some(sum.saturating_add((*part)?)))
    }

    /// Whether the cores together stay within the whole.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.given().is_some_and(|given| given <= self.whole)
    }
}

/// Reads a firm's file.
///
/// # Errors
/// [`ConfigError`]: unreadable, an unknown key, a value out of range, or no limit at all.
pub fn read(file: &Path) -> Result<Firm, ConfigError> {
    let firm: Firm = config::read_toml(file)?;
    if firm.wholes().iter().all(|(_, whole)| whole.is_none()) && firm.max_position.is_none() {
        let (key, found) = ("(file)".to_owned(), "no limit".to_owned());
        let allowed = "at least one limit".into();
        return Err(ConfigError {
            file: file.to_path_buf(),
            problems: vec![config::Problem { key, found, allowed }],
        });
    }
    Ok(firm)
}

/// What a core's configuration lets it come to, in the order of [`Firm::wholes`].
fn parts(config: &Config) -> [Option<i64>; 5] {
    let (limits, scopes) = (&config.limits, &config.scopes);
    let dollars = |usd: Usd| usd.0.unsigned_abs().div_ceil(10_000).try_into().unwrap_or(i64::MAX);
    let tighter = |a: Option<Usd>, b: Option<Usd>| a.into_iter().chain(b).map(dollars).min();
    [
        tighter(scopes.firm.max_gross_notional, scopes.strategy.max_gross_notional),
        tighter(scopes.firm.max_net_notional, scopes.strategy.max_net_notional),
        Some(dollars(limits.max_daily_loss)),
        Some(limits.max_open_orders.min(scopes.firm.max_open_orders.unwrap_or(u32::MAX)).into()),
        Some(limits.max_messages_per_second.into()),
    ]
}

/// The position that a core may have of each of its symbols, by the limits in shares: parts of a day's volume are not looked at, which only makes it less.
fn positions(config: &Config) -> impl Iterator<Item = (String, i64)> + '_ {
    let scopes = &config.scopes;
    config.instruments.iter().map(move |instrument| {
        let of_symbol = scopes.symbols.get(instrument.id.index()).and_then(|s| s.max_position);
        let of_account = scopes.accounts.get(instrument.gateway.index()).and_then(|a| a.max_position);
        let all = [Some(config.limits.max_position), scopes.firm.max_position, of_account, of_symbol];
        (instrument.symbol.to_string(), all.into_iter().flatten().min().unwrap_or(i64::MAX))
    })
}

impl Firm {
    /// Those of the whole core, by key.
    fn wholes(&self) -> [(&'static str, Option<u32>); 5] {
        [
            ("max_gross_notional_usd", self.max_gross_notional_usd),
            ("max_net_notional_usd", self.max_net_notional_usd),
            ("max_daily_loss_usd", self.max_daily_loss_usd),
            ("max_open_orders", self.max_open_orders),
            ("max_messages_per_second", self.max_messages_per_second),
        ]
    }

    /// Each limit of the firm, and what is given out of it to these cores.
    #[must_use]
    pub fn shares(&self, cores: &[Config]) -> Vec<Share> {
        let each: Vec<_> = cores.iter().map(|c| (c.name.clone(), parts(c))).collect();
        let mut shares: Vec<Share> = (self.wholes().into_iter().enumerate())
            .filter_map(|(k, (limit, whole))| {
                let cores = each.iter().map(|(name, parts)| (name.clone(), parts[k])).collect();
                Some(Share { limit: limit.into(), whole: whole?.into(), cores })
            })
            .collect();
        if let Some(whole) = self.max_position {
            let mut by: BTreeMap<String, Vec<(String, Option<i64>)>> = BTreeMap::new();
            for core in cores {
                for (symbol, part) in positions(core) {
                    by.entry(symbol).or_default().push((core.name.clone(), Some(part)));
                }
            }
            let of = |(symbol, cores)| Share {
                limit: format!("max_position {symbol}"),
                whole: whole.into(),
                cores,
            };
            shares.extend(by.into_iter().map(of));
        }
        shares
    }
}
