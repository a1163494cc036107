//! `[backtest]`: what history is like as a venue, as written and resolved. A core that trades does not look at it.

use std::path::{Path, PathBuf};

use backtest::latency::Leg;
use backtest::venue::Impact;
use model::{Nanos, Usd};
use serde::{Deserialize, Serialize};

use super::resolve::Checks;

/// As written; all may be left out.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Backtest {
    /// What returns are of, USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capital_usd: Option<i64>,
    /// How often equity is marked, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grain_ms: Option<i64>,
    /// `none` or `displayed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// `told`: the market is open when the file says so; `always`: it is, for files that do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<String>,
    /// Of what latency is drawn by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Market data to the strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed_latency: Option<WrittenLeg>,
    /// Orders to the venue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_latency: Option<WrittenLeg>,
    /// Reports to the strategy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_latency: Option<WrittenLeg>,
}

/// One leg: `{ fixed_us = 20 }`, `{ least_us = 10, most_us = 90 }`, or of the orders of a core's journal `{ journal = "journal/NAME", fixed_us = 12 }`, what they took
/// from packet to socket and so much for the wire.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenLeg {
    /// Always so long; with a journal beside what is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_us: Option<i64>,
    /// Anything from this,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_us: Option<i64>,
    /// to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_us: Option<i64>,
    /// A run's folder, or a core's journal folder (its last run), relative to the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
}

/// A leg before its journal is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegFrom {
    /// As it is.
    Leg(Leg),
    /// What the orders of a journal took, and so much beside.
    Journal(PathBuf, Nanos),
}

/// Resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What returns are of.
    pub capital: Usd,
    /// How often equity is marked.
    pub grain: Nanos,
    /// Whether history shows what we do.
    pub impact: Impact,
    /// Whether the market is taken to be open whatever the file says of its hours.
    pub always_open: bool,
    /// Of what is drawn.
    pub seed: u64,
    /// Market data to the strategy.
    pub feed: LegFrom,
    /// Orders to the venue.
    pub order: LegFrom,
    /// Reports to the strategy.
    pub report: LegFrom,
}

/// Longest leg: a minute.
const LONGEST_US: i64 = 60_000_000;

pub(super) fn resolve(c: &mut Checks, b: &Backtest, base: &Path) -> History {
    let capital = c.range("backtest.capital_usd", b.capital_usd, 1_000_000, 1, 1_000_000_000_000);
    let grain = c.range("backtest.grain_ms", b.grain_ms, 1_000, 1, 86_400_000);
    let seed = c.range("backtest.seed", b.seed, 1, 0, i64::MAX);
    let words = [("none", Impact::None), ("displayed", Impact::Displayed)];
    let impact = b.impact.as_deref().map(|word| c.word("backtest.impact", word, &words));
    let words = [("told", false), ("always", true)];
    let hours = b.hours.as_deref().map(|word| c.word("backtest.hours", word, &words));
    History {
        capital: Usd(capital * 10_000),
        grain: Nanos::from_millis(grain.unsigned_abs()),
        impact: impact.flatten().unwrap_or_default(),
        always_open: hours.flatten().unwrap_or_default(),
        seed: seed.unsigned_abs(),
        feed: leg(c, "backtest.feed_latency", b.feed_latency.as_ref(), base),
        order: leg(c, "backtest.order_latency", b.order_latency.as_ref(), base),
        report: leg(c, "backtest.report_latency", b.report_latency.as_ref(), base),
    }
}

/// Nobody trades at no distance: what is left out is 10 us.
fn leg(c: &mut Checks, key: &str, leg: Option<&WrittenLeg>, base: &Path) -> LegFrom {
    let us = |us: i64| Nanos(us.unsigned_abs() * 1_000);
    let Some(leg) = leg else { return LegFrom::Leg(Leg::Fixed(us(10))) };
    let mut range = |name: &str, v: Option<i64>| us(c.range(&format!("{key}.{name}"), v, 0, 0, LONGEST_US));
    let (fixed, least, most) =
        (range("fixed_us", leg.fixed_us), range("least_us", leg.least_us), range("most_us", leg.most_us));
    match (leg.fixed_us, leg.least_us, leg.most_us, &leg.journal) {
        (Some(_), None, None, None) => LegFrom::Leg(Leg::Fixed(fixed)),
        (None, Some(_), Some(_), None) if least <= most => LegFrom::Leg(Leg::Uniform(least, most)),
        (_, None, None, Some(journal)) => LegFrom::Journal(base.join(journal), fixed),
        _ => {
            let allowed = "{ fixed_us }, { least_us, most_us } of which the first is not above the second, or { journal, fixed_us }";
            c.problem(key, "something else", allowed);
            LegFrom::Leg(Leg::default())
        }
    }
}
