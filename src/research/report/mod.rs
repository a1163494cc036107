//! Days as one file of HTML: curves that can be looked into, and the figures that the terminal shows. It asks nobody for anything: what draws is in it, and a policy in its head lets no other
//! script run and no request leave, whatever a file or a symbol is called.
//!
//! ```text
//!   Made (one a day) --thinned--> columns, as JSON --+
//!   Summary --rows------------------------------------+--> page.html + page.css + page.js + uPlot
//! ```
//!
//! Curves are thinned to a few thousand points: of each stretch the lowest, the highest and the last are kept, so no peak and no drawdown is lost.

mod thin;

use std::collections::BTreeMap;

use backtest::record::{FillRow, HORIZONS, Mark};
use backtest::spread::Spread;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{InstrumentId, Nanos, Side};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::figures::{Summary, dollars};
use super::files::Made;
use crate::config::Config;
use thin::thinned;

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const PLOT: &str = include_str!("../../../assets/uplot/uPlot.iife.min.js");
const PLOT_STYLE: &str = include_str!("../../../assets/uplot/uPlot.min.css");

/// Points of a curve at most, or few more.
const POINTS: usize = 3_000;
/// Fills of an instrument that are drawn at most.
const FILLS: usize = 2_000;

/// The page. Of days that were run without details it has no prices and no latencies.
#[must_use]
pub fn page(config: &Config, made: &[Made], summary: &Summary) -> String {
    let digest = |script: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
    // uPlot places its parts by style attributes, which have no digest.
    let policy = format!(
        "default-src 'none'; script-src {} {}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        digest(PLOT),
        digest(SCRIPT)
    );
    // A name with the end of a script in it must not end this one.
    let figures = columns(config, made, summary).to_string().replace('<', "\\u003c");
    HTML.replace("/*POLICY*/", &policy)
        .replace("/*PLOT_STYLE*/", PLOT_STYLE)
        .replace("/*STYLE*/", STYLE)
        .replace("/*PLOT*/", PLOT)
        .replace("/*SCRIPT*/", SCRIPT)
        .replace("/*FIGURES*/", &figures)
}

/// The pictures' axis: seconds, of which the nights are left out.
struct Axis {
    /// Where each day begins on it, and in seconds since 1970.
    begins: Vec<(f64, f64)>,
}

/// Between two days, seconds.
const NIGHT_S: f64 = 60.0;

fn seconds(at: Nanos) -> f64 {
    at.0 as f64 / 1e9
}

impl Axis {
    fn new(made: &[Made]) -> Axis {
        let mut at = 0.0;
        let begins = made.iter().map(|m| {
            let ends = |mark: Option<&Mark>| mark.map_or(0.0, |k| seconds(k.at));
            let (first, last) = (ends(m.recorder.marks.first()), ends(m.recorder.marks.last()));
            let begins = (at, first);
            at += (last - first).max(0.0) + NIGHT_S;
            begins
        });
        Axis { begins: begins.collect() }
    }

    /// A time of a day, by the day's place.
    fn at(&self, day: usize, at: Nanos) -> f64 {
        let (place, first) = self.begins[day];
        place + seconds(at) - first
    }

    /// A point of the night behind it, at which every curve breaks off.
    fn behind(&self, day: usize, last: Nanos) -> f64 {
        self.at(day, last) + NIGHT_S / 2.0
    }
}

fn columns(config: &Config, made: &[Made], summary: &Summary) -> Value {
    let capital = dollars(config.history.capital.0);
    let (mut t, mut equity, mut drawdown, mut net, mut gross) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut before, mut peak) = (capital, capital);
    let axis = Axis::new(made);
    for (day, m) in made.iter().enumerate() {
        for mark in &m.recorder.marks {
            let now = before + dollars(mark.pnl.0);
            peak = peak.max(now);
            t.push(Some(axis.at(day, mark.at)));
            equity.push(Some(now));
            drawdown.push(Some((now / peak - 1.0) * 100.0));
            net.push(Some(dollars(mark.net.0)));
            gross.push(Some(dollars(mark.gross.0)));
        }
        before += dollars(m.pnl.0);
        if let Some(last) = m.recorder.marks.last() {
            t.push(Some(axis.behind(day, last.at)));
            [&mut equity, &mut drawdown, &mut net, &mut gross].into_iter().for_each(|c| c.push(None));
        }
    }
    let curve = |v: &[Option<f64>]| {
        let kept = thinned(v, POINTS);
        (pick(&t, &kept), pick(v, &kept))
    };
    let (equity_t, equity) = curve(&equity);
    let (drawdown_t, drawdown) = curve(&drawdown);
    let kept = thinned(&net, POINTS);
    let legs = summary.legs();
    let days = summary.to_json(0.0)["days"].take();
    json!({
        "title": format!("{} over {} day(s)", config.strategy, made.len()),
        "about": about(config),
        "tiles": summary.tiles(),
        "rows": summary.rows(),
        "days": days,
        "begins": axis.begins,
        "equity": { "t": equity_t, "v": equity },
        "drawdown": { "t": drawdown_t, "v": drawdown },
        "exposure": { "t": pick(&t, &kept), "net": pick(&net, &kept), "gross": pick(&gross, &kept) },
        "symbols": symbols(config, made, &axis),
        "markouts": (0..HORIZONS.len()).map(|h| markout(made, h)).collect::<Vec<_>>(),
        "legs": [leg("feed", &legs.feed), leg("order", &legs.order), leg("report", &legs.report)],
    })
}

/// What the days were run with, in a line.
fn about(config: &Config) -> String {
    let params: Vec<String> = config.params.pairs().map(|(k, v)| format!("{k} = {v}")).collect();
    format!(
        "{}; of {:.0} USD; impact {:?}; times are the venue's",
        if params.is_empty() { "no parameters".into() } else { params.join(", ") },
        dollars(config.history.capital.0),
        config.history.rules.impact
    )
}

fn pick(of: &[Option<f64>], kept: &[usize]) -> Vec<Option<f64>> {
    kept.iter().map(|k| of[*k]).collect()
}

fn leg(name: &str, s: &Spread) -> Value {
    let at = |per_mille| s.quantile(per_mille).map(|ns| ns.0);
    json!({
        "name": name, "n": s.n(), "p50": at(500), "p99": at(990), "p999": at(999), "max": s.most().0,
        "parts": s.parts().map(|(from, n)| json!([from.0, n])).collect::<Vec<_>>(),
    })
}

/// Mean over fills, each with the weight of its money, and the standard error of that.
fn markout(made: &[Made], horizon: usize) -> Value {
    let fills = || made.iter().flat_map(|m| &m.recorder.fills);
    let known: Vec<(f64, f64)> = fills()
        .filter_map(|f| {
            let money = dollars(f.px.0) * f64::from(f.qty.0);
            let bps = dollars(f.markout2(horizon)?) / 2.0 / dollars(f.px.0) * 10_000.0;
            (money > 0.0).then_some((bps, money))
        })
        .collect();
    let all: f64 = known.iter().map(|k| k.1).sum();
    let mean = (all > 0.0).then(|| known.iter().map(|(bps, money)| bps * money).sum::<f64>() / all);
    let error = mean.filter(|_| known.len() > 1).map(|mean| {
        let spread: f64 = known.iter().map(|(bps, money)| (money * (bps - mean)).powi(2)).sum();
        spread.sqrt() / all
    });
    let after = HORIZONS[horizon].0 / 1_000_000;
    let word = if after < 1_000 { format!("{after} ms") } else { format!("{} s", after / 1_000) };
    json!({ "after": word, "bps": mean, "error": error, "fills": known.len() })
}

/// The instruments that traded or were asked for, those with the most fills first.
fn symbols(config: &Config, made: &[Made], axis: &Axis) -> Vec<Value> {
    let mut fills: BTreeMap<InstrumentId, Vec<(usize, &FillRow)>> = BTreeMap::new();
    let asked_for = made.iter().flat_map(|m| &m.recorder.prices).map(|p| (p.instrument, Vec::new()));
    fills.extend(asked_for);
    for (day, m) in made.iter().enumerate() {
        m.recorder.fills.iter().for_each(|f| fills.entry(f.instrument).or_default().push((day, f)));
    }
    let mut order: Vec<_> = fills.into_iter().collect();
    order.sort_by_key(|(_, fills)| std::cmp::Reverse(fills.len()));
    order.truncate(backtest::record::WATCHED_MAX);
    order.iter().map(|(id, fills)| symbol(config, made, axis, *id, fills)).collect()
}

fn symbol(
    config: &Config,
    made: &[Made],
    axis: &Axis,
    id: InstrumentId,
    fills: &[(usize, &FillRow)],
) -> Value {
    let (mut t, mut price, mut shares) = (vec![], vec![], vec![]);
    for (day, m) in made.iter().enumerate() {
        for p in m.recorder.prices.iter().filter(|p| p.instrument == id) {
            t.push(Some(axis.at(day, p.at)));
            price.push((p.mid2 != 0).then(|| dollars(p.mid2) / 2.0));
            shares.push(Some(p.shares as f64));
        }
        if let Some(last) = m.recorder.prices.iter().rfind(|p| p.instrument == id) {
            t.push(Some(axis.behind(day, last.at)));
            price.push(None);
            shares.push(None);
        }
    }
    let kept = thinned(&price, POINTS);
    let every = fills.len().div_ceil(FILLS).max(1);
    let drawn: Vec<&(usize, &FillRow)> = fills.iter().step_by(every).collect();
    let of = |side: Side| {
        let all = drawn.iter().filter(|(_, f)| f.side == side);
        // Two fills of one time are one place of the axis: it wants them in order, and each once.
        let mut points: Vec<(f64, f64)> =
            all.map(|(day, f)| (axis.at(*day, f.at), dollars(f.px.0))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by_key(|p| p.0);
        let (t, px): (Vec<_>, Vec<_>) = points.into_iter().unzip();
        json!({ "t": t, "px": px })
    };
    json!({
        "symbol": config.instruments[id.index()].symbol.to_string(),
        "t": pick(&t, &kept), "price": pick(&price, &kept), "shares": pick(&shares, &kept),
        "buys": of(Side::Buy), "sells": of(Side::Sell),
        "fills": fills.len(), "shown": drawn.len(),
    })
}
