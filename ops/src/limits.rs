//! How much of each limit is used: of those that shared memory shows both sides of, and of every other that the run was configured with and that fills up.
//!
//! What is used is counted as the gate counts it (`engine::risk`): positions with everything open filled, money at the marks. Two things the gate counts otherwise than can be seen from
//! outside: `drawdown` is from the best that was seen since this process watches, and `messages a second` are a mean between two looks. Collars, windows and breakers do not fill up and
//! have no bar.

use std::io::Read;
use std::path::Path;

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::engine::{RiskLimits, ScopeLimits, Scopes};
use colo::telemetry::snapshot::{Instrument, Snapshot};
use model::Usd;
use serde::Serialize;

use crate::watch::Live;

/// A longer configuration is none.
const CONFIG_MAX: u64 = 4 << 20;
/// Limits told of: a core may have thousands of symbols with limits of their own.
const LIMITS_MAX: usize = 64;

/// One limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// Of what; behind the scope's name where it is not the strategy's.
    pub name: String,
    /// What is used of it.
    pub used: f64,
    /// The limit, in the same unit.
    pub limit: f64,
    /// `USD`, `shares`, `orders` or `messages`.
    pub unit: &'static str,
}

impl Limit {
    fn new(name: impl Into<String>, used: f64, limit: f64, unit: &'static str) -> Limit {
        // A loss of nothing is no negative nothing.
        Limit { name: name.into(), used: used + 0.0, limit, unit }
    }

    /// The share that is used, from 0; 0 where there is no limit to speak of.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.limit > 0.0 { (self.used / self.limit).max(0.0) } else { 0.0 }
    }
}

/// The limits that a run was started with.
#[derive(Debug)]
pub struct Configured {
    limits: RiskLimits,
    scopes: Scopes,
    max_drawdown: Option<Usd>,
    /// Symbol and gateway of each instrument.
    instruments: Vec<(String, usize)>,
    gateways: Vec<String>,
}

impl Configured {
    /// Reads the configuration that a run keeps of itself; none where it cannot be read or is no configuration of this build.
    #[must_use]
    pub fn of_run(run: &Path) -> Option<Configured> {
        let file = run.join("config.toml");
        // It may be of anybody's making: no pipe is waited for, and none that is endless is read.
        if !std::fs::metadata(&file).ok()?.is_file() {
            return None;
        }
        let mut text = String::new();
        std::fs::File::open(&file).ok()?.take(CONFIG_MAX).read_to_string(&mut text).ok()?;
        let written: Written = parse_toml(&text, &file).ok()?;
        Some(Configured::of(&Config::resolve(written, &file, Secrets::Skip).ok()?))
    }

    fn of(config: &Config) -> Configured {
        Configured {
            limits: config.limits,
            scopes: config.scopes.clone(),
            max_drawdown: config.breakers.loss.max_drawdown,
            instruments: config
                .instruments
                .iter()
                .map(|i| (i.symbol.to_string(), i.gateway.index()))
                .collect(),
            gateways: config.gateways.iter().map(|g| g.id.clone()).collect(),
        }
    }
}

/// What an instrument can come to with everything open filled, and what is open in it.
#[derive(Clone, Copy, Default)]
struct Worst {
    up: f64,
    down: f64,
    mark: f64,
    orders: u32,
    largest_shares: f64,
    largest_usd: f64,
}

impl Worst {
    fn of(i: &Instrument, s: &Snapshot) -> Worst {
        let mut w =
            Worst { up: i.position as f64, down: i.position as f64, mark: i.mark, ..Worst::default() };
        for o in s.orders.iter().filter(|o| o.symbol == i.symbol) {
            let open = f64::from(o.open);
            if o.side == 'B' {
                w.up += open;
            } else {
                w.down -= open;
            }
            w.orders += 1;
            w.largest_shares = w.largest_shares.max(open);
            w.largest_usd = w.largest_usd.max(open * o.px);
        }
        w
    }

    fn shares(&self) -> f64 {
        self.up.max(-self.down).max(0.0)
    }
}

/// The limits of one scope over what is in it.
fn of_scope(all: &mut Vec<Limit>, scope: &str, limits: &ScopeLimits, worst: &[Worst]) {
    let name = |what: &str| if scope.is_empty() { what.to_owned() } else { format!("{scope} {what}") };
    let most = |of: fn(&Worst) -> f64| worst.iter().map(of).fold(0.0, f64::max);
    let sum = |of: fn(&Worst) -> f64| worst.iter().map(of).sum::<f64>();
    let usd = |m: Usd| m.0 as f64 / 1e4;
    if let Some(most_shares) = limits.max_position {
        all.push(Limit::new(name("position"), most(Worst::shares), most_shares as f64, "shares"));
    }
    if let Some(orders) = limits.max_open_orders {
        all.push(Limit::new(name("open orders"), sum(|w| f64::from(w.orders)), f64::from(orders), "orders"));
    }
    if let Some(m) = limits.max_gross_notional {
        all.push(Limit::new(name("gross notional"), sum(|w| w.shares() * w.mark), usd(m), "USD"));
    }
    if let Some(m) = limits.max_net_notional {
        let net = sum(|w| w.up * w.mark).max(-sum(|w| w.down * w.mark)).max(0.0);
        all.push(Limit::new(name("net notional"), net, usd(m), "USD"));
    }
    if let Some(shares) = limits.max_order_quantity {
        all.push(Limit::new(
            name("largest order"),
            most(|w| w.largest_shares),
            f64::from(shares.0),
            "shares",
        ));
    }
    if let Some(m) = limits.max_order_notional {
        all.push(Limit::new(name("largest order, USD"), most(|w| w.largest_usd), usd(m), "USD"));
    }
}

/// The limits of a core: those that everybody has first, then those of the configuration; at most 64, of the symbols' the fullest.
#[must_use]
pub fn of(live: &Live) -> Vec<Limit> {
    let s = &live.snapshot;
    let Some(r) = &s.risk else { return Vec::new() };
    let worst: Vec<Worst> = s.instruments.iter().map(|i| Worst::of(i, s)).collect();
    let largest = worst.iter().map(Worst::shares).fold(0.0, f64::max);
    let mut all = vec![
        Limit::new("loss", (-r.pnl).max(0.0), r.max_daily_loss, "USD"),
        Limit::new("position", largest, r.max_position as f64, "shares"),
        Limit::new("open orders", r.open_orders as f64, r.max_open_orders as f64, "orders"),
    ];
    let Some(c) = live.configured.as_deref() else { return all };
    if let (Some(most), Some(best)) = (c.max_drawdown, live.best_pnl) {
        all.push(Limit::new("drawdown", (best - r.pnl).max(0.0), most.0 as f64 / 1e4, "USD"));
    }
    let strategy = ScopeLimits {
        max_order_quantity: Some(c.limits.max_order_quantity),
        max_order_notional: Some(c.limits.max_order_notional),
        max_position: None,
        max_open_orders: None,
        ..c.scopes.strategy
    };
    of_scope(&mut all, "", &strategy, &worst);
    if let Some(rate) = live.messages_per_s {
        all.push(Limit::new(
            "messages a second",
            rate,
            f64::from(c.limits.max_messages_per_second),
            "messages",
        ));
    }
    of_scope(&mut all, "firm", &c.scopes.firm, &worst);
    let place = |symbol: &str| c.instruments.iter().position(|(s, _)| s == symbol);
    let places: Vec<Option<usize>> = s.instruments.iter().map(|i| place(&i.symbol)).collect();
    let those = |is_in: &dyn Fn(usize) -> bool| -> Vec<Worst> {
        let each = places.iter().zip(&worst).filter(|(k, _)| k.is_some_and(is_in));
        each.map(|(_, w)| *w).collect()
    };
    for (g, limits) in c.scopes.accounts.iter().enumerate() {
        let id = c.gateways.get(g).map_or("?", String::as_str);
        of_scope(&mut all, id, limits, &those(&|k| c.instruments[k].1 == g));
    }
    let mut symbols = Vec::new();
    for (k, limits) in c.scopes.symbols.iter().enumerate() {
        let part = |bps: u32| u128::from(limits.adv.unwrap_or(0)) * u128::from(bps) / 10_000;
        let by_volume = c.scopes.adv.max_position_bps.map(|bps| i64::try_from(part(bps)).unwrap_or(i64::MAX));
        let own = ScopeLimits {
            max_order_quantity: limits.max_order_quantity,
            max_order_notional: limits.max_order_notional,
            max_position: limits.max_position.into_iter().chain(by_volume).min(),
            ..ScopeLimits::default()
        };
        let Some((symbol, _)) = c.instruments.get(k) else { continue };
        of_scope(&mut symbols, symbol, &own, &those(&|at| at == k));
    }
    symbols.sort_by(|a, b| b.share().total_cmp(&a.share()));
    all.extend(symbols);
    all.truncate(LIMITS_MAX);
    all
}

/// What fits a small place, in their own order: the fullest of those that are half used and more, and then the first.
#[must_use]
pub fn fullest(all: Vec<Limit>, room: usize) -> Vec<Limit> {
    let told = |k: usize| Some(all[k].share()).filter(|share| *share >= 0.5).unwrap_or(0.0);
    let mut by_share: Vec<usize> = (0..all.len()).collect();
    by_share.sort_by(|a, b| told(*b).total_cmp(&told(*a)));
    by_share.truncate(room);
    let kept = |(k, l)| by_share.contains(&k).then_some(l);
    all.into_iter().enumerate().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen;

    #[test]
    fn a_gain_uses_nothing_of_the_loss_and_a_short_position_counts_as_much_as_a_long_one() {
        let mut live = specimen::live(specimen::trading());
        live.snapshot.risk.as_mut().unwrap().pnl = 0.0;
        assert!(of(&live)[0].used.is_sign_positive() && of(&live)[0].share().is_sign_positive());
        live.snapshot.risk.as_mut().unwrap().pnl = 12.5;
        live.snapshot.instruments[0].position = -250;
        live.snapshot.orders.clear();
        let all = of(&live);
        assert_eq!((all[0].used, all[0].share()), (0.0, 0.0));
        assert_eq!((all[1].used, all[1].limit), (250.0, 1_000.0));
        live.snapshot.risk = None;
        assert_eq!(of(&live), [], "nothing is shown as zero");
    }

    #[test]
    fn no_limit_is_no_share() {
        assert_eq!(Limit::new("loss", 5.0, 0.0, "USD").share(), 0.0);
    }

    /// A core of two instruments on one gateway, with every limit that has a bar.
    fn configured() -> Configured {
        let base = include_str!("../../tests/fixtures/core.toml");
        let more = "[risk.firm]\nmax_net_notional_usd = 50000\nmax_open_orders = 5\n[risk.accounts.g1]\nmax_gross_notional_usd = 100000\n[risk.symbols.AAPL]\nmax_position = 300\nmax_order_quantity = 200\n";
        let written: Written = parse_toml(&format!("{base}\n{more}"), Path::new("core.toml")).unwrap();
        let mut config = Config::resolve(written, Path::new("core.toml"), Secrets::Skip).unwrap();
        config.breakers.loss.max_drawdown = Some(Usd(1_000_000));
        Configured::of(&config)
    }

    #[test]
    fn every_limit_that_fills_up_has_its_bar_counted_as_the_gate_counts() {
        let mut live = specimen::live(specimen::trading());
        let s = &mut live.snapshot;
        s.risk.as_mut().unwrap().pnl = -30.0;
        s.instruments.truncate(1);
        (s.instruments[0].symbol, s.instruments[0].position, s.instruments[0].mark) =
            ("AAPL".into(), 100, 50.0);
        s.orders.truncate(2);
        for (o, (side, open, px)) in s.orders.iter_mut().zip([('B', 150, 50.0), ('S', 400, 51.0)]) {
            (o.symbol, o.side, o.open, o.px) = ("AAPL".into(), side, open, px);
        }
        (live.best_pnl, live.messages_per_s) = (Some(20.0), Some(12.0));
        live.configured = Some(std::sync::Arc::new(configured()));
        let all = of(&live);
        let used = |name: &str| {
            let l = all.iter().find(|l| l.name == name).unwrap_or_else(|| panic!("{name} in {all:#?}"));
            (l.used, l.limit)
        };
        // Long 100 with 150 to buy: 250 up; 400 to sell: 300 short.
        for (name, used_of, limit) in [
            ("drawdown", 50.0, 100.0),
            ("firm net notional", 15_000.0, 50_000.0),
            ("firm open orders", 2.0, 5.0),
            ("g1 gross notional", 15_000.0, 100_000.0),
            ("AAPL position", 300.0, 300.0),
            ("AAPL largest order", 400.0, 200.0),
        ] {
            assert_eq!(used(name), (used_of, limit), "{name}");
        }
        assert_eq!(used("position").0, 300.0);
        assert_eq!(used("largest order").0, 400.0);
        assert_eq!(used("largest order, USD").0, 20_400.0);
        assert_eq!(used("messages a second").0, 12.0);
        let few = |room| fullest(all.clone(), room).into_iter().map(|l| l.name).collect::<Vec<_>>();
        assert_eq!(few(2), ["AAPL largest order", "AAPL position"], "the full ones");
        assert_eq!(few(4), ["loss", "drawdown", "AAPL largest order", "AAPL position"], "and the first");
    }

    #[test]
    fn what_is_no_configuration_gives_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Configured::of_run(dir.path()).is_none());
        std::fs::write(dir.path().join("config.toml"), "name = 7").unwrap();
        assert!(Configured::of_run(dir.path()).is_none());
        std::fs::remove_file(dir.path().join("config.toml")).unwrap();
        std::fs::create_dir(dir.path().join("config.toml")).unwrap();
        assert!(Configured::of_run(dir.path()).is_none());
    }
}
