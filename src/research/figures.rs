//! What days came to, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use backtest::metrics::{Beside, DAYS, Figures, Returns};
use backtest::record::{HORIZONS, LegSpreads};
use backtest::spread::Spread;
use backtest::venue::VenueCounts;
use model::Nanos;
use serde_json::{Value, json};

use super::files::Made;
use crate::config::Config;

/// One day.
pub struct DayFigures {
    file: String,
    pnl: f64,
    messages: u64,
    orders: u64,
    fills: usize,
    state_hash: String,
    commands_hash: String,
}

/// All days together.
pub struct Summary {
    strategy: String,
    days: Vec<DayFigures>,
    pnl: f64,
    fees: f64,
    capital: f64,
    positions: BTreeMap<String, i64>,
    /// Of days, where there are several.
    by_day: Option<Figures>,
    /// Of grains.
    by_grain: Figures,
    /// Beside a benchmark, where one was given.
    beside: Option<Beside>,
    asked: (u64, u64, u64, u64, u64),
    refused: u64,
    shares: u64,
    turnover: f64,
    fill_ratio: Option<f64>,
    trips: usize,
    hit_rate: Option<f64>,
    profit_factor: Option<f64>,
    slippage_bps: Option<f64>,
    markouts_bps: Vec<(Nanos, Option<f64>, usize)>,
    time_in_market: Option<f64>,
    mean_gross: Option<f64>,
    most_gross: f64,
    legs: LegSpreads,
    /// Shares that were taken, that were made, that crossed in an auction; requests that nothing was said to, and that were refused.
    venue: VenueCounts,
}

pub(super) fn dollars(e4: i64) -> f64 {
    e4 as f64 / 10_000.0
}

/// A part of a whole, where there is a whole.
fn part(of: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| of / whole)
}

impl Summary {
    /// Adds up what days left.
    #[must_use]
    pub fn of(config: &Config, made: &[Made]) -> Summary {
        let capital = dollars(config.history.capital.0);
        let grains = || made.iter().map(|m| m.recorder.grains());
        let profits = grains().map(|day| day.map(|g| dollars(g.profit.0)));
        let by_grain = Returns::of_days(profits, capital).figures();
        let days = Returns::of_profits(made.iter().map(|m| dollars(m.pnl.0)), capital, DAYS);
        let fills = || made.iter().flat_map(|m| &m.recorder.fills);
        let trips = || made.iter().flat_map(|m| &m.recorder.trips);
        let marks = || made.iter().flat_map(|m| &m.recorder.marks);
        let shares: u64 = fills().map(|f| u64::from(f.qty.0)).sum();
        let money = |px: i64, qty: u32| dollars(px) * f64::from(qty);
        let traded: f64 = fills().map(|f| money(f.px.0, f.qty.0)).sum();
        // Weighted by money: what a dollar traded cost, or was worth later.
        let weighted = |figure: &dyn Fn(&backtest::record::FillRow) -> Option<i64>| {
            let known = fills().filter_map(|f| Some((figure(f)?, f)));
            let (sum, base, n) = known.fold((0.0, 0.0, 0), |(sum, base, n), (v2, f)| {
                (sum + money(v2, f.qty.0) / 2.0, base + money(f.px.0, f.qty.0), n + 1)
            });
            (part(sum * 10_000.0, base), n)
        };
        let (won, lost) = trips().fold((0.0, 0.0), |(won, lost), t| {
            let pnl = dollars(t.pnl().0);
            (won + pnl.max(0.0), lost - pnl.min(0.0))
        });
        let n_trips = trips().count();
        let asked = made.iter().fold((0, 0, 0, 0, 0), |a, m| {
            let b = m.recorder.asked;
            (a.0 + b.orders, a.1 + b.shares, a.2 + b.replaces, a.3 + b.cancels, a.4 + b.rejected)
        });
        let held: u64 = made.iter().map(|m| m.recorder.held.0).sum();
        let span = |m: &Made| match (m.recorder.marks.first(), m.recorder.marks.last()) {
            (Some(first), Some(last)) => last.at.since(first.at).0,
            _ => 0,
        };
        let spans: u64 = made.iter().map(span).sum();
        let mut positions = BTreeMap::new();
        for m in made {
            for (i, p) in config.instruments.iter().zip(&m.positions) {
                *positions.entry(i.symbol.to_string()).or_insert(0) += p.shares;
            }
        }
        Summary {
            strategy: config.strategy.clone(),
            days: made.iter().map(day).collect(),
            pnl: made.iter().map(|m| dollars(m.pnl.0)).sum(),
            fees: made.iter().map(|m| m.fees as f64 / 1e6).sum(),
            capital,
            positions,
            by_day: (made.len() > 1).then(|| days.figures()),
            by_grain,
            beside: None,
            asked,
            refused: made.iter().map(|m| m.stats.refusals).sum(),
            shares,
            // A sum of nothing is a zero with a sign.
            turnover: (traded / capital).max(0.0),
            fill_ratio: part(shares as f64, asked.1 as f64),
            trips: n_trips,
            hit_rate: part(trips().filter(|t| t.pnl().0 > 0).count() as f64, n_trips as f64),
            profit_factor: part(won, lost),
            slippage_bps: weighted(&|f| f.slippage2()).0,
            markouts_bps: (0..HORIZONS.len())
                .map(|h| {
                    let (bps, n) = weighted(&|f| f.markout2(h));
                    (HORIZONS[h], bps, n)
                })
                .collect(),
            time_in_market: part(held as f64, spans as f64),
            mean_gross: part(
                grains().flatten().map(|g| dollars(g.gross.0)).sum(),
                grains().flatten().count() as f64,
            ),
            most_gross: marks().map(|m| dollars(m.gross.0)).fold(0.0, f64::max),
            legs: made.iter().fold(LegSpreads::default(), |mut all, m| {
                all.add(&m.recorder.legs);
                all
            }),
            venue: made.iter().fold(VenueCounts::default(), |mut all, m| {
                all.add(&m.ran.venue);
                all
            }),
        }
    }

    /// Everything, for machines.
    #[must_use]
    pub fn to_json(&self, ns_per_message: f64) -> Value {
        let days: Vec<_> = self
            .days
            .iter()
            .map(|d| {
                json!({
                    "file": d.file, "pnl": d.pnl, "messages": d.messages, "orders_sent": d.orders, "fills": d.fills,
                    "state_hash": d.state_hash, "commands_hash": d.commands_hash,
                })
            })
            .collect();
        let markouts: Vec<_> = self
            .markouts_bps
            .iter()
            .map(|(h, bps, n)| json!({ "after_ms": h.0 / 1_000_000, "bps": bps, "fills": n }))
            .collect();
        let (orders, shares_asked, replaces, cancels, rejected) = self.asked;
        json!({
            "strategy": self.strategy,
            "days": days,
            "pnl": self.pnl,
            "fees": self.fees,
            "capital": self.capital,
            "positions": self.positions,
            "returns": { "by_day": self.by_day, "by_grain": self.by_grain, "beside_benchmark": self.beside },
            "orders_sent": orders, "replaces_sent": replaces, "cancels_sent": cancels, "rejected": rejected,
            "refused_by_risk": self.refused,
            "shares_asked": shares_asked, "shares": self.shares, "fill_ratio": self.fill_ratio,
            "turnover": self.turnover,
            "round_trips": self.trips, "hit_rate": self.hit_rate, "profit_factor": self.profit_factor,
            "slippage_bps": self.slippage_bps, "markouts": markouts,
            "time_in_market": self.time_in_market, "mean_gross": self.mean_gross, "most_gross": self.most_gross,
            "venue": {
                "shares_taken": self.venue.taken, "shares_made": self.venue.made, "shares_crossed": self.venue.crossed,
                "ignored": self.venue.ignored, "rejected": self.venue.rejected,
            },
            "latency_ns": {
                "feed": percentiles(&self.legs.feed), "order": percentiles(&self.legs.order),
                "report": percentiles(&self.legs.report),
            },
            "ns_per_message": ns_per_message,
        })
    }

    /// What is looked at first: a name, a value, and whether it is good (1), bad (-1) or neither.
    pub(super) fn tiles(&self) -> Vec<(String, String, i8)> {
        let f = self.by_day.as_ref().unwrap_or(&self.by_grain);
        let sign = |x: f64| i8::from(x > 0.0) - i8::from(x < 0.0);
        let tile = |name: &str, value: String, sign| (name.to_owned(), value, sign);
        let fills: usize = self.days.iter().map(|d| d.fills).sum();
        vec![
            tile("P&L, USD", format!("{:.2}", self.pnl), sign(self.pnl)),
            tile("return", percent(f.total_return), sign(f.total_return.unwrap_or(0.0))),
            tile("Sharpe", shown(f.sharpe, ""), 0),
            tile("Sortino", shown(f.sortino, ""), 0),
            tile("max drawdown", percent(f.max_drawdown), 0),
            tile("fills", fills.to_string(), 0),
            tile("fill ratio", percent(self.fill_ratio), 0),
            tile("hit rate", percent(self.hit_rate), 0),
            tile("profit factor", shown(self.profit_factor, ""), 0),
            tile("turnover", format!("{:.2} x", self.turnover), 0),
        ]
    }

    /// How long the legs took.
    pub(super) fn legs(&self) -> &LegSpreads {
        &self.legs
    }

    /// Every figure that a person looks at: a name and a value.
    pub(super) fn rows(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let mut line = |name: &str, value: String| rows.push((name.to_owned(), value));
        line("P&L", format!("{:.2} USD after {:.2} of fees", self.pnl, self.fees));
        let f = self.by_day.as_ref().unwrap_or(&self.by_grain);
        let of = if self.by_day.is_some() { "days" } else { "grains" };
        line("return", format!("{} of {:.0} USD", percent(f.total_return), self.capital));
        line(
            "a year",
            format!("{} at {} volatility (of {of})", percent(f.annual_return), percent(f.annual_volatility)),
        );
        line("Sharpe, Sortino", format!("{}, {} (of {of})", shown(f.sharpe, ""), shown(f.sortino, "")));
        line("Calmar, omega", format!("{}, {}", shown(f.calmar, ""), shown(f.omega, "")));
        let drawdown = format!("{} at most, {} {of} at longest", percent(f.max_drawdown), f.longest_drawdown);
        line("drawdown", drawdown);
        let tail = format!("{} at 5 %, {} beyond", percent(f.value_at_risk), percent(f.expected_shortfall));
        line("loss of a period", tail);
        if let Some(b) = &self.beside {
            let alpha = format!("{} a year, beta {}", percent(b.alpha), shown(b.beta, ""));
            line("alpha", alpha);
            line("information ratio", shown(b.information_ratio, " (of days)"));
        }
        let (orders, _, replaces, cancels, rejected) = self.asked;
        line("orders", format!("{orders}, {replaces} replaced, {cancels} canceled, {rejected} rejected"));
        line("refused by risk", self.refused.to_string());
        let fills: usize = self.days.iter().map(|d| d.fills).sum();
        line(
            "fills",
            format!("{fills} of {} shares, {} of what was asked for", self.shares, percent(self.fill_ratio)),
        );
        line("turnover", format!("{:.2} of the capital", self.turnover));
        let trips = format!(
            "{}, {} won, profit factor {}",
            self.trips,
            percent(self.hit_rate),
            shown(self.profit_factor, "")
        );
        line("round trips", trips);
        line("slippage", shown(self.slippage_bps, " bp beyond the middle decided at"));
        for (h, bps, n) in &self.markouts_bps {
            let after = match h.0 / 1_000_000 {
                ms if ms < 1_000 => format!("{ms} ms"),
                ms => format!("{} s", ms / 1_000),
            };
            line(&format!("markout {after}"), format!("{} over {n} fills", shown(*bps, " bp")));
        }
        line("in the market", percent(self.time_in_market));
        line(
            "exposure",
            format!("{} USD in the mean, {:.0} at most", shown(self.mean_gross, ""), self.most_gross),
        );
        for (name, s) in
            [("feed", &self.legs.feed), ("order", &self.legs.order), ("report", &self.legs.report)]
        {
            let us = |ns: Option<Nanos>| ns.map_or("-".into(), |ns| format!("{:.1}", ns.0 as f64 / 1e3));
            let (p50, p99) = (us(s.quantile(500)), us(s.quantile(990)));
            let most = us((s.n() > 0).then(|| s.most()));
            line(&format!("{name} leg"), format!("{p50} us in the middle, {p99} at 99 %, {most} at most"));
        }
        let held: Vec<_> =
            self.positions.iter().filter(|p| *p.1 != 0).map(|(s, n)| format!("{s} {n}")).collect();
        line("left over", if held.is_empty() { "nothing".into() } else { held.join(", ") });
        rows
    }

    /// For a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut t = format!("{} over {} day(s)\n", self.strategy, self.days.len());
        for (name, value) in self.rows() {
            // Writing to a string does not fail.
            let _ = writeln!(t, "  {name:<18}{value}");
        }
        t
    }

    /// The days' returns beside those of a benchmark, by the files' dates.
    pub fn set_benchmark(&mut self, own: &Returns, benchmark: &Returns) {
        self.beside = Some(own.beside(benchmark));
    }
}

fn percentiles(s: &Spread) -> Value {
    let at = |per_mille| s.quantile(per_mille).map(|ns| ns.0);
    json!({ "n": s.n(), "p50": at(500), "p99": at(990), "p999": at(999), "max": s.most().0 })
}

fn shown(x: Option<f64>, unit: &str) -> String {
    x.map_or("-".into(), |x| format!("{x:.3}{unit}"))
}

fn percent(x: Option<f64>) -> String {
    x.map_or("-".into(), |x| format!("{:.3} %", x * 100.0))
}

fn day(m: &Made) -> DayFigures {
    DayFigures {
        file: m.file.display().to_string(),
        pnl: dollars(m.pnl.0),
        messages: m.ran.messages,
        orders: m.stats.new_orders,
        fills: m.recorder.fills.len(),
        state_hash: format!("{:016x}", m.ran.state_hash),
        commands_hash: format!("{:016x}", m.ran.commands_hash),
    }
}
