//! `[backtest]`: what history is like as a venue, as written and resolved. A core that trades does not look at it.

use std::path::{Path, PathBuf};

use backtest::latency::Leg;
use backtest::venue::queue::Queue;
use backtest::venue::{Admission, Impact, Rules};
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
    /// `orders`, or of files of levels what is believed of their queues: `back`, `power`, `power2`, `power3`, `log`, `log2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The exponent of the powers, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_exponent_percent: Option<i64>,
    /// What the venue refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub venue: Option<WrittenVenue>,
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

/// One leg: `{ fixed_us = 20 }`, `{ least_us = 10, most_us = 90 }`, `{ lognormal = { median_us = 20, p99_us = 90 } }`; of the orders of a core's journal `{ journal = "journal/NAME", fixed_us = 12 }`: what
/// its receipts and the venue's first words on each order say of this leg, and so much beside for what they do not see; or of a histogram `{ histogram = "journal/NAME", tag = "tick_to_order", fixed_us = 12 }`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenLeg {
    /// Always so long; with a journal or a histogram beside what is measured.
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
    /// An interval log of HdrHistogram, values in ns, or a folder as `journal` of whose run the core's own log is taken; relative to the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
    /// Which of the log's histograms; those without a tag where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// A distribution by two of its quantiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lognormal: Option<WrittenLogNormal>,
}

/// See [`Leg::lognormal`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenLogNormal {
    /// Half take at most this,
    pub median_us: i64,
    /// 99 in 100 at most this.
    pub p99_us: i64,
}

/// What the venue refuses of new orders and replaces.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenVenue {
    /// `refuse`, or `take`: they wait for the auction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub while_halted: Option<String>,
    /// Requests of a gateway within any second, cancels among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages_per_second: Option<i64>,
    /// New orders and replaces of an instrument within any second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages_per_second_and_symbol: Option<i64>,
    /// Shares of an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_quantity: Option<i64>,
    /// Money of an order, USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_order_notional_usd: Option<i64>,
    /// Whether prices of a dollar and more have to be whole cents; they do where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole_cents: Option<bool>,
}

/// What of a journal's orders a leg is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// From the packet to the strategy's thread.
    Feed,
    /// From the strategy's thread to the socket, and half of the way there and back.
    Order,
    /// Half of the way there and back.
    Report,
}

/// A leg before its file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegFrom {
    /// As it is.
    Leg(Leg),
    /// What the orders of a journal took, and so much beside.
    Journal(PathBuf, Measure, Nanos),
    /// What a histogram counted, and so much beside.
    Histogram(PathBuf, Option<String>, Nanos),
}

/// Resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// What returns are of.
    pub capital: Usd,
    /// How often equity is marked.
    pub grain: Nanos,
    /// How the venue is.
    pub rules: Rules,
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
    let rules = Rules {
        impact: impact.flatten().unwrap_or_default(),
        queue: queue(c, b),
        admission: admission(c, &b.venue.clone().unwrap_or_default()),
    };
    if rules.queue.is_of_levels() && rules.impact != Impact::None {
        c.problem(
            "backtest.impact",
            "\"displayed\"",
            "\"none\" with levels: what is left of a level that we took from is not known",
        );
    }
    let words = [("told", false), ("always", true)];
    let hours = b.hours.as_deref().map(|word| c.word("backtest.hours", word, &words));
    History {
        capital: Usd(capital * 10_000),
        grain: Nanos::from_millis(grain.unsigned_abs()),
        rules,
        always_open: hours.flatten().unwrap_or_default(),
        seed: seed.unsigned_abs(),
        feed: leg(c, "backtest.feed_latency", b.feed_latency.as_ref(), (base, Measure::Feed)),
        order: leg(c, "backtest.order_latency", b.order_latency.as_ref(), (base, Measure::Order)),
        report: leg(c, "backtest.report_latency", b.report_latency.as_ref(), (base, Measure::Report)),
    }
}

fn queue(c: &mut Checks, b: &Backtest) -> Queue {
    let exponent =
        c.range("backtest.queue_exponent_percent", b.queue_exponent_percent, 300, 1, 10_000) as u32;
    let words = [
        ("orders", Queue::Orders),
        ("back", Queue::Back),
        ("power", Queue::Power(exponent)),
        ("power2", Queue::Power2(exponent)),
        ("power3", Queue::Power3(exponent)),
        ("log", Queue::Log),
        ("log2", Queue::Log2),
    ];
    let queue =
        b.queue.as_deref().and_then(|word| c.word("backtest.queue", word, &words)).unwrap_or_default();
    if b.queue_exponent_percent.is_some()
        && !matches!(queue, Queue::Power(_) | Queue::Power2(_) | Queue::Power3(_))
    {
        c.problem(
            "backtest.queue_exponent_percent",
            "given",
            "nothing, or one of the powers as `backtest.queue`",
        );
    }
    queue
}

fn admission(c: &mut Checks, v: &WrittenVenue) -> Admission {
    let words = [("refuse", false), ("take", true)];
    let halted = v.while_halted.as_deref().map(|word| c.word("backtest.venue.while_halted", word, &words));
    let mut most = |key: &str, found: Option<i64>, most: i64| {
        found.map(|n| c.range(&format!("backtest.venue.{key}"), Some(n), 1, 1, most))
    };
    Admission {
        takes_while_halted: halted.flatten().unwrap_or(false),
        port_rate: most("max_messages_per_second", v.max_messages_per_second, 1_000_000).map(|n| n as u32),
        symbol_rate: most(
            "max_messages_per_second_and_symbol",
            v.max_messages_per_second_and_symbol,
            1_000_000,
        )
        .map(|n| n as u32),
        max_shares: most("max_order_quantity", v.max_order_quantity, 999_999).map(|n| n as u32),
        max_notional: most("max_order_notional_usd", v.max_order_notional_usd, 1_000_000_000_000)
            .map(|n| Usd(n * 10_000)),
        whole_cents: v.whole_cents.unwrap_or(true),
    }
}

/// Nobody trades at no distance: what is left out is 10 us.
fn leg(c: &mut Checks, key: &str, leg: Option<&WrittenLeg>, (base, measure): (&Path, Measure)) -> LegFrom {
    let us = |us: i64| Nanos(us.unsigned_abs() * 1_000);
    let Some(leg) = leg else { return LegFrom::Leg(Leg::Fixed(us(10))) };
    let mut range = |name: &str, v: Option<i64>| us(c.range(&format!("{key}.{name}"), v, 0, 0, LONGEST_US));
    let (fixed, least, most) =
        (range("fixed_us", leg.fixed_us), range("least_us", leg.least_us), range("most_us", leg.most_us));
    let ends = leg.least_us.zip(leg.most_us);
    let is_whole = leg.least_us.is_some() == leg.most_us.is_some();
    let is_tagged = leg.tag.is_some();
    match (ends, &leg.journal, &leg.histogram, &leg.lognormal) {
        (None, None, None, None) if leg.fixed_us.is_some() && is_whole && !is_tagged => {
            LegFrom::Leg(Leg::Fixed(fixed))
        }
        (Some(_), None, None, None) if leg.fixed_us.is_none() && least <= most && !is_tagged => {
            LegFrom::Leg(Leg::Uniform(least, most))
        }
        (None, Some(journal), None, None) if is_whole && !is_tagged => {
            LegFrom::Journal(base.join(journal), measure, fixed)
        }
        (None, None, Some(file), None) if is_whole => {
            LegFrom::Histogram(base.join(file), leg.tag.clone(), fixed)
        }
        (None, None, None, Some(shape)) if leg.fixed_us.is_none() && is_whole && !is_tagged => {
            LegFrom::Leg(lognormal(c, key, shape))
        }
        _ => {
            let allowed = "{ fixed_us }, { least_us, most_us } of which the first is not above the second, { lognormal = { median_us, p99_us } }, { journal, fixed_us }, or { histogram, tag, fixed_us }";
            c.problem(key, "something else", allowed);
            LegFrom::Leg(Leg::default())
        }
    }
}

fn lognormal(c: &mut Checks, key: &str, shape: &WrittenLogNormal) -> Leg {
    let mut us = |name: &str, v: i64| {
        let us = c.range(&format!("{key}.lognormal.{name}"), Some(v), 1, 1, LONGEST_US);
        Nanos(us.unsigned_abs() * 1_000)
    };
    let (median, p99) = (us("median_us", shape.median_us), us("p99_us", shape.p99_us));
    Leg::lognormal(median, p99).unwrap_or_else(|e| {
        let found = format!("{{ median_us = {}, p99_us = {} }}", shape.median_us, shape.p99_us);
        let allowed = format!("a p99 that is not below the median, and a tail below 4 s ({e})");
        c.problem(format!("{key}.lognormal"), &found, &allowed);
        Leg::default()
    })
}
