//! `[risk]`: limits, scopes and circuit breakers, as written and resolved.
//!
//! ```toml
//! [risk]                                   # the strategy's
//! max_order_quantity = 1000
//! max_gross_notional_usd = 5000000
//! max_drawdown_usd = 20000
//! max_order_adv_bps = 100                  # of the average daily volume
//! restricted_list = "restricted.txt"       # a symbol a line; without the file nothing starts, and it is read again when it changes
//! no_short_list = "hard_to_borrow.txt"     # the same, of short sales
//! flat_after_close_ms = 5000               # what is not flat so long after market hours is an alarm
//!
//! [risk.firm]                              # the same limits for whoever sets them for the firm; the tightest wins
//! [risk.accounts.g1]                       # of one gateway
//! [risk.symbols.AAPL]                      # of one instrument
//! adv = 50000000
//!
//! [[risk.breakers]]
//! trigger = "fills"                        # or rejects, messages_per_fill, market, gaps
//! limit = 100
//! window_ms = 1000
//! level = "cancel_only"                    # or reduce_only, halted
//!
//! [[risk.breakers]]
//! trigger = "clock_offset_us"              # or clock_error_us, latency_p99_us, disk_free_mib, unsynced_mib, heartbeat_ms: looked at once a second
//! limit = 100
//! level = "reduce_only"
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::limits::{MESSAGES_PER_SECOND_MAX, OPEN_ORDERS_MAX};
use engine::{
    AdvLimits, BreakerRule, Breakers, DriftLimit, LossLimits, RepeatLimit, RiskLimits, ScopeLimits, Scopes,
    SymbolLimits, Trigger,
};
use model::{BreakerLevel, Instrument, Nanos, Qty, Symbol, Usd};
use serde::{Deserialize, Serialize};

use super::Gateway;
use super::resolve::Checks;
use crate::agents::{Gauge, OutsideRule, WatchedList, lists};

/// Limits, with units in their names.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// Shares.
    pub max_order_quantity: Option<i64>,
    /// Whole dollars.
    pub max_order_notional_usd: Option<i64>,
    /// Shares either way.
    pub max_position: Option<i64>,
    /// Orders.
    pub max_open_orders: Option<i64>,
    /// Messages in any second.
    pub max_messages_per_second: Option<i64>,
    /// 1/100 of a percent.
    pub price_collar_bps: Option<i64>,
    /// Whole dollars.
    pub max_daily_loss_usd: Option<i64>,
    /// Milliseconds.
    pub duplicate_window_ms: Option<i64>,
    /// Milliseconds.
    pub max_market_age_ms: Option<i64>,
    /// Whole dollars since the day's best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_drawdown_usd: Option<i64>,
    /// Samples in a row that have to show a loss beyond a limit: another P&L, or the same a tenth of a second later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_confirm_inputs: Option<i64>,
    /// Whole dollars over all positions, long and short added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gross_notional_usd: Option<i64>,
    /// Whole dollars over all positions, long against short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_net_notional_usd: Option<i64>,
    /// Largest order, 1/100 of a percent of the average daily volume; needs every symbol's `adv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_adv_bps: Option<i64>,
    /// Largest position, 1/100 of a percent of the average daily volume; needs every symbol's `adv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_position_adv_bps: Option<i64>,
    /// Furthest that orders may lead from where the price was, 1/100 of a percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_drift_bps: Option<i64>,
    /// Within so many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_window_ms: Option<i64>,
    /// How often the same order may follow its own fill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_repeats: Option<i64>,
    /// Within so many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_window_ms: Option<i64>,
    /// Whether an instrument's orders are canceled when it may not be traded any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_quotes: Option<bool>,
    /// The level that a refusal for gross notional, net notional or the count of open orders leads to; `normal`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure_level: Option<String>,
    /// A file of the symbols that may not be traded, relative to the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted_list: Option<String>,
    /// The symbols that may not be traded, where there is no file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restricted: Vec<String>,
    /// A file of the symbols that may not be sold short, relative to the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_short_list: Option<String>,
    /// The symbols that may not be sold short, where there is no file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_short: Vec<String>,
    /// Milliseconds after market hours by which everything is to be flat; what is not is said. Nobody asks where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flat_after_close_ms: Option<i64>,
    /// The firm's limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firm: Option<Limited>,
    /// By gateway.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<String, Limited>,
    /// By symbol.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub symbols: BTreeMap<String, LimitedSymbol>,
    /// What restrains trading by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakers: Vec<Rule>,
}

/// Limits of the firm or of an account.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limited {
    /// Shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_quantity: Option<i64>,
    /// Whole dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_notional_usd: Option<i64>,
    /// Shares either way, an instrument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_position: Option<i64>,
    /// Orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<i64>,
    /// Whole dollars over all positions, long and short added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gross_notional_usd: Option<i64>,
    /// Whole dollars over all positions, long against short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_net_notional_usd: Option<i64>,
}

/// Limits of a symbol.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitedSymbol {
    /// Shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_quantity: Option<i64>,
    /// Whole dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_notional_usd: Option<i64>,
    /// Shares either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_position: Option<i64>,
    /// Average daily volume, shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adv: Option<i64>,
}

/// More than `limit` restrains to `level`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Events, within a window: `fills`, `rejects`, `messages_per_fill`, `market` or `gaps`. Or a gauge, looked at once a second: `latency_p99_us`, `clock_offset_us`,
    /// `clock_error_us` (from UTC, as what keeps the wall clock has it; beyond any limit where nothing does), `disk_free_mib`, `unsynced_mib` or `heartbeat_ms`.
    pub trigger: String,
    /// How much may come, or how far the gauge may go.
    pub limit: i64,
    /// Milliseconds; of events only, and needed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<i64>,
    /// `reduce_only`, `cancel_only` or `halted`.
    pub level: String,
}

/// What of it an engine takes.
pub(super) struct Resolved {
    pub(super) limits: RiskLimits,
    pub(super) scopes: Scopes,
    pub(super) breakers: Breakers,
    pub(super) outside: Vec<OutsideRule>,
}

const DOLLARS_MAX: i64 = 100_000_000_000;
const SHARES_MAX: i64 = 1_000_000_000;
/// A day.
const WINDOW_MS_MAX: i64 = 86_400_000;

/// Takes the lists into what is written, so that a run's own copy of its configuration has them; the files are for whoever watches them.
pub(super) fn read_lists(c: &mut Checks, risk: &mut Risk, base: &Path) -> Vec<WatchedList> {
    let both = [
        ("risk.restricted_list", &mut risk.restricted_list, &mut risk.restricted, false),
        ("risk.no_short_list", &mut risk.no_short_list, &mut risk.no_short, true),
    ];
    let mut watched = Vec::new();
    for (key, list, symbols, shorts) in both {
        let Some(name) = list.take() else { continue };
        if !symbols.is_empty() {
            c.problem(key, format!("{name:?}"), "either a file, or the symbols here");
            continue;
        }
        let file = base.join(&name);
        match lists::read(&file) {
            Ok(named) => {
                *symbols = named.iter().map(ToString::to_string).collect();
                watched.push(WatchedList { file, shorts, named });
            }
            // Without the list nobody knows what may be traded.
            Err(why) => c.problem(key, format!("{name:?}, {why}"), "a file of symbols, each once"),
        }
    }
    watched
}

pub(super) fn resolve(
    c: &mut Checks,
    r: &Risk,
    instruments: &[Instrument],
    gateways: &[Gateway],
) -> Resolved {
    let limits = limits(c, r);
    let scopes = scopes(c, r, instruments, gateways);
    let (breakers, outside) = breakers(c, r);
    Resolved { limits, scopes, breakers, outside }
}

fn dollars(c: &mut Checks, key: &str, v: Option<i64>) -> Option<Usd> {
    v.and_then(|_| Usd::from_dollars(c.range(key, v, 0, 0, DOLLARS_MAX)))
}

fn shares(c: &mut Checks, key: &str, v: Option<i64>) -> Option<Qty> {
    v.map(|_| Qty(c.range(key, v, 0, 0, Qty::MAX_ORDER.0.into()) as u32))
}

fn limits(c: &mut Checks, r: &Risk) -> RiskLimits {
    let d = RiskLimits::default();
    let open = i64::from(d.max_open_orders);
    let rate = i64::from(d.max_messages_per_second);
    let limits = RiskLimits {
        max_order_quantity: shares(c, "risk.max_order_quantity", r.max_order_quantity)
            .unwrap_or(d.max_order_quantity),
        max_order_notional: dollars(c, "risk.max_order_notional_usd", r.max_order_notional_usd)
            .unwrap_or(d.max_order_notional),
        max_position: c.range("risk.max_position", r.max_position, d.max_position, 0, SHARES_MAX),
        max_open_orders: c.range("risk.max_open_orders", r.max_open_orders, open, 0, OPEN_ORDERS_MAX as i64)
            as u32,
        max_messages_per_second: c.range(
            "risk.max_messages_per_second",
            r.max_messages_per_second,
            rate,
            0,
            MESSAGES_PER_SECOND_MAX as i64,
        ) as u32,
        price_collar_bps: c.range("risk.price_collar_bps", r.price_collar_bps, d.price_collar_bps, 1, 10_000),
        max_daily_loss: dollars(c, "risk.max_daily_loss_usd", r.max_daily_loss_usd)
            .unwrap_or(d.max_daily_loss),
        duplicate_window: c.millis(
            "risk.duplicate_window_ms",
            r.duplicate_window_ms,
            d.duplicate_window,
            60_000,
        ),
        max_market_age: c.millis("risk.max_market_age_ms", r.max_market_age_ms, d.max_market_age, 600_000),
    };
    if let Err(e) = limits.check() {
        c.problem("risk.duplicate_window_ms", limits.duplicate_window.0 / 1_000_000, e.to_string());
    }
    limits
}

fn scope(c: &mut Checks, key: &str, l: &Limited) -> ScopeLimits {
    let at = |name: &str| format!("{key}.{name}");
    let open = OPEN_ORDERS_MAX as i64;
    let position = l.max_position.map(|_| c.range(&at("max_position"), l.max_position, 0, 0, SHARES_MAX));
    let max_open_orders =
        l.max_open_orders.map(|_| c.range(&at("max_open_orders"), l.max_open_orders, 0, 0, open) as u32);
    ScopeLimits {
        max_order_quantity: shares(c, &at("max_order_quantity"), l.max_order_quantity),
        max_order_notional: dollars(c, &at("max_order_notional_usd"), l.max_order_notional_usd),
        max_position: position,
        max_open_orders,
        max_gross_notional: dollars(c, &at("max_gross_notional_usd"), l.max_gross_notional_usd),
        max_net_notional: dollars(c, &at("max_net_notional_usd"), l.max_net_notional_usd),
    }
}

fn scopes(c: &mut Checks, r: &Risk, instruments: &[Instrument], gateways: &[Gateway]) -> Scopes {
    let firm = r.firm.as_ref().map_or_else(ScopeLimits::default, |l| scope(c, "risk.firm", l));
    let strategy = ScopeLimits {
        max_gross_notional: dollars(c, "risk.max_gross_notional_usd", r.max_gross_notional_usd),
        max_net_notional: dollars(c, "risk.max_net_notional_usd", r.max_net_notional_usd),
        ..ScopeLimits::default()
    };
    let mut accounts = vec![ScopeLimits::default(); gateways.len()];
    for (id, l) in &r.accounts {
        match gateways.iter().position(|g| g.id == *id) {
            Some(k) => accounts[k] = scope(c, &format!("risk.accounts.{id}"), l),
            None => c.problem(format!("risk.accounts.{id}"), "a table", "the id of a gateway"),
        }
    }
    let bps = |c: &mut Checks, key: &str, v: Option<i64>, max| v.map(|_| c.range(key, v, 1, 1, max) as u32);
    let adv = AdvLimits {
        max_order_bps: bps(c, "risk.max_order_adv_bps", r.max_order_adv_bps, 10_000),
        max_position_bps: bps(c, "risk.max_position_adv_bps", r.max_position_adv_bps, 100_000),
    };
    let window = |c: &mut Checks, key: &str, v: Option<i64>, default| {
        Nanos::from_millis(c.range(key, v, default, 1, WINDOW_MS_MAX) as u64)
    };
    let drift = bps(c, "risk.max_drift_bps", r.max_drift_bps, 10_000)
        .map(|bps| DriftLimit { bps, window: window(c, "risk.drift_window_ms", r.drift_window_ms, 10_000) });
    let repeat = r.max_repeats.map(|_| RepeatLimit {
        count: c.range("risk.max_repeats", r.max_repeats, 1, 1, 1_000_000) as u32,
        window: window(c, "risk.repeat_window_ms", r.repeat_window_ms, 60_000),
    });
    for (key, unused) in [
        ("risk.drift_window_ms", r.drift_window_ms.is_some() && drift.is_none()),
        ("risk.repeat_window_ms", r.repeat_window_ms.is_some() && repeat.is_none()),
    ] {
        if unused {
            c.problem(key, "a window", "nothing, where nothing is limited in it");
        }
    }
    let symbols = symbols(c, r, instruments, adv);
    Scopes { firm, strategy, accounts, symbols, adv, drift, repeat }
}

fn symbols(c: &mut Checks, r: &Risk, instruments: &[Instrument], adv: AdvLimits) -> Vec<SymbolLimits> {
    let mut symbols = vec![SymbolLimits::default(); instruments.len()];
    let find = |name: &str| instruments.iter().position(|i| Some(i.symbol) == Symbol::new(name));
    for (name, l) in &r.symbols {
        let at = |field: &str| format!("risk.symbols.{name}.{field}");
        let Some(k) = find(name) else {
            c.problem(format!("risk.symbols.{name}"), "a table", "the symbol of an instrument");
            continue;
        };
        symbols[k] = SymbolLimits {
            max_order_quantity: shares(c, &at("max_order_quantity"), l.max_order_quantity),
            max_order_notional: dollars(c, &at("max_order_notional_usd"), l.max_order_notional_usd),
            max_position: l
                .max_position
                .map(|_| c.range(&at("max_position"), l.max_position, 0, 0, SHARES_MAX)),
            adv: l.adv.map(|_| c.range(&at("adv"), l.adv, 1, 1, 1_000_000_000_000) as u64),
            restricted: false,
            no_short: false,
        };
    }
    for (key, list) in [("risk.restricted", &r.restricted), ("risk.no_short", &r.no_short)] {
        let mut seen = BTreeSet::new();
        for name in list {
            if Symbol::new(name).is_none() {
                c.problem(key, format!("{name:?}"), "symbols of one to eight letters");
            } else if !seen.insert(name) {
                c.problem(key, format!("{name:?}, named before"), "each symbol once");
            }
        }
    }
    // The lists are the firm's: they name what this core does not trade too.
    for (i, limits) in instruments.iter().zip(&mut symbols) {
        let is_in = |list: &[String]| list.iter().any(|name| Symbol::new(name) == Some(i.symbol));
        (limits.restricted, limits.no_short) = (is_in(&r.restricted), is_in(&r.no_short));
    }
    if adv != AdvLimits::default() {
        for (i, limits) in instruments.iter().zip(&symbols) {
            if limits.adv.is_none() {
                let key = format!("risk.symbols.{}.adv", i.symbol);
                c.problem(key, "nothing", "the average daily volume: parts of it are limited");
            }
        }
    }
    symbols
}

/// What a rule watches: events in the engine, or a gauge outside of it.
#[derive(Clone, Copy)]
enum Watched {
    Events(Trigger),
    Gauge(Gauge),
}

fn breakers(c: &mut Checks, r: &Risk) -> (Breakers, Vec<OutsideRule>) {
    let triggers = [
        ("fills", Watched::Events(Trigger::Fills)),
        ("rejects", Watched::Events(Trigger::Rejects)),
        ("messages_per_fill", Watched::Events(Trigger::MessagesPerFill)),
        ("market", Watched::Events(Trigger::Market)),
        ("gaps", Watched::Events(Trigger::Gaps)),
        ("latency_p99_us", Watched::Gauge(Gauge::LatencyP99)),
        ("clock_offset_us", Watched::Gauge(Gauge::ClockOffset)),
        ("clock_error_us", Watched::Gauge(Gauge::ClockError)),
        ("disk_free_mib", Watched::Gauge(Gauge::DiskFree)),
        ("unsynced_mib", Watched::Gauge(Gauge::Unsynced)),
        ("heartbeat_ms", Watched::Gauge(Gauge::Heartbeat)),
    ];
    let on_exposure = match &r.exposure_level {
        None => BreakerLevel::ReduceOnly,
        Some(level) => {
            let levels = BreakerLevel::ALL.map(|l| (l.word(), l));
            c.word("risk.exposure_level", level, &levels).unwrap_or_default()
        }
    };
    let levels =
        [BreakerLevel::ReduceOnly, BreakerLevel::CancelOnly, BreakerLevel::Halted].map(|l| (l.word(), l));
    let (mut rules, mut outside) = (Vec::new(), Vec::new());
    for (k, rule) in r.breakers.iter().enumerate() {
        let at = |name: &str| format!("risk.breakers[{k}].{name}");
        let (trigger, level) =
            (c.word(&at("trigger"), &rule.trigger, &triggers), c.word(&at("level"), &rule.level, &levels));
        let limit = c.range(&at("limit"), Some(rule.limit), 0, 0, i64::from(u32::MAX)) as u32;
        let (Some(trigger), Some(level)) = (trigger, level) else { continue };
        match trigger {
            Watched::Events(trigger) => {
                let ms = rule.window_ms.or(Some(0));
                let window = Nanos::from_millis(c.range(&at("window_ms"), ms, 1, 1, WINDOW_MS_MAX) as u64);
                rules.push(BreakerRule { trigger, limit, window, level });
            }
            Watched::Gauge(gauge) => {
                if rule.window_ms.is_some() {
                    c.problem(at("window_ms"), "a window", "nothing: this is looked at once a second");
                }
                outside.push(OutsideRule { gauge, limit: limit.into(), level });
            }
        }
    }
    let loss = LossLimits {
        max_drawdown: dollars(c, "risk.max_drawdown_usd", r.max_drawdown_usd),
        confirm: c.range("risk.loss_confirm_inputs", r.loss_confirm_inputs, 3, 1, 1_000) as u32,
    };
    let flat = r.flat_after_close_ms;
    let flat_after_close =
        flat.map(|_| c.millis("risk.flat_after_close_ms", flat, Nanos::ZERO, WINDOW_MS_MAX));
    let pull_quotes = r.pull_quotes.unwrap_or(false);
    let breakers = Breakers { rules, loss, pull_quotes, on_exposure, flat_after_close };
    if let Err(e) = breakers.check() {
        c.problem("risk.breakers", format!("{} rules", r.breakers.len()), e.to_string());
    }
    (breakers, outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secrets};

    const CORE: &str = include_str!("../../tests/fixtures/core.toml");

    fn resolved(risk: &str, base: &Path) -> Result<Config, Vec<String>> {
        let (before, _) = CORE.split_once("[risk]").unwrap_or((CORE, ""));
        let written = toml::from_str(&format!("{before}\n[risk]\n{risk}")).expect("well-formed");
        Config::resolve(written, &base.join("core.toml"), Secrets::Skip)
            .map_err(|e| e.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn everything_that_can_be_written_reaches_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("restricted.txt"),
            "# of today\nAAPL  # until the tender is over\nZZZZ\n",
        )
        .unwrap();
        let config = resolved(
            "max_drawdown_usd = 20\nloss_confirm_inputs = 5\nmax_gross_notional_usd = 7\nmax_net_notional_usd = 6\n\
             max_order_adv_bps = 100\nmax_position_adv_bps = 200\nmax_drift_bps = 50\nmax_repeats = 9\npull_quotes = true\nexposure_level = \"cancel_only\"\n\
             restricted_list = \"restricted.txt\"\n\
             [risk.firm]\nmax_open_orders = 4\n[risk.accounts.g1]\nmax_position = 3\n[risk.symbols.AAPL]\nadv = 1000\n\
             [[risk.breakers]]\ntrigger = \"fills\"\nlimit = 2\nwindow_ms = 10\nlevel = \"halted\"\n\
             [[risk.breakers]]\ntrigger = \"disk_free_mib\"\nlimit = 64\nlevel = \"reduce_only\"",
            dir.path(),
        )
        .unwrap();
        let e = config.engine();
        let dollars = |n: i64| Some(Usd(n * 10_000));
        assert_eq!(e.scopes.strategy.max_gross_notional, dollars(7));
        assert_eq!(e.scopes.strategy.max_net_notional, dollars(6));
        assert_eq!(e.scopes.firm.max_open_orders, Some(4));
        assert_eq!(e.scopes.accounts[0].max_position, Some(3));
        assert_eq!((e.scopes.symbols[0].adv, e.scopes.symbols[0].restricted), (Some(1_000), true));
        assert_eq!(e.scopes.adv, AdvLimits { max_order_bps: Some(100), max_position_bps: Some(200) });
        assert_eq!(e.scopes.drift, Some(DriftLimit { bps: 50, window: Nanos::from_millis(10_000) }));
        assert_eq!(e.scopes.repeat, Some(RepeatLimit { count: 9, window: Nanos::from_millis(60_000) }));
        assert_eq!(e.breakers.loss, LossLimits { max_drawdown: dollars(20), confirm: 5 });
        let rule = BreakerRule {
            trigger: Trigger::Fills,
            limit: 2,
            window: Nanos::from_millis(10),
            level: BreakerLevel::Halted,
        };
        assert_eq!(e.breakers.on_exposure, BreakerLevel::CancelOnly);
        assert_eq!((e.breakers.rules, e.breakers.pull_quotes), (vec![rule], true));
        let disk = OutsideRule { gauge: Gauge::DiskFree, limit: 64, level: BreakerLevel::ReduceOnly };
        assert_eq!(config.outside, [disk]);
        // The run's own copy needs no file beside it.
        assert_eq!(config.written.risk.restricted, ["AAPL", "ZZZZ"]);
        assert!(config.written.risk.restricted_list.is_none());
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for (risk, key) in [
            ("restricted_list = \"absent.txt\"", "risk.restricted_list"),
            ("restricted_list = \"x\"\nrestricted = [\"A\"]", "risk.restricted_list"),
            ("exposure_level = \"flat\"", "risk.exposure_level"),
            ("restricted = [\"far too long for one\"]", "risk.restricted"),
            ("restricted = [\"A\", \"A\"]", "risk.restricted"),
            ("max_order_adv_bps = 5", "risk.symbols.AAPL.adv"),
            ("max_order_adv_bps = 0", "risk.max_order_adv_bps"),
            ("max_drawdown_usd = -1", "risk.max_drawdown_usd"),
            ("loss_confirm_inputs = 0", "risk.loss_confirm_inputs"),
            ("drift_window_ms = 5", "risk.drift_window_ms"),
            ("repeat_window_ms = 5", "risk.repeat_window_ms"),
            ("[risk.accounts.nobody]", "risk.accounts.nobody"),
            ("[risk.symbols.NONE]", "risk.symbols.NONE"),
            ("[risk.symbols.AAPL]\nadv = 0", "risk.symbols.AAPL.adv"),
            ("[risk.firm]\nmax_gross_notional_usd = -5", "risk.firm.max_gross_notional_usd"),
            (
                "[[risk.breakers]]\ntrigger = \"luck\"\nlimit = 1\nwindow_ms = 1\nlevel = \"halted\"",
                "risk.breakers[0].trigger",
            ),
            (
                "[[risk.breakers]]\ntrigger = \"gaps\"\nlimit = 1\nwindow_ms = 0\nlevel = \"normal\"",
                "risk.breakers[0].level",
            ),
            (
                "[[risk.breakers]]\ntrigger = \"gaps\"\nlimit = 1\nlevel = \"halted\"",
                "risk.breakers[0].window_ms",
            ),
            (
                "[[risk.breakers]]\ntrigger = \"unsynced_mib\"\nlimit = 1\nwindow_ms = 1\nlevel = \"halted\"",
                "risk.breakers[0].window_ms",
            ),
        ] {
            let problems = resolved(risk, dir.path()).expect_err(risk);
            assert!(problems.iter().any(|p| p.contains(key)), "{risk}: {problems:?}");
        }
        let many = "[[risk.breakers]]\ntrigger = \"gaps\"\nlimit = 1\nwindow_ms = 1\nlevel = \"halted\"\n"
            .repeat(33);
        assert!(resolved(&many, dir.path()).expect_err("too many")[0].contains("risk.breakers"));
    }
}
