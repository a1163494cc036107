//! What the strategy does against what is expected of it: looked at by the cold thread once a second, out of the core's own shared memory. What leaves its bounds goes to the engine as a control
//! input, so that it is an alarm of the journal as any other, and a replay has it.

use backtest::drift::{Drift, MARKOUT, Sample};
use model::{BreakerCause, BreakerLevel, Control, Nanos};

use crate::config::expectation::Expected;
use crate::telemetry::snapshot::{Instrument, Snapshot, Viewer};

/// Of an instrument at the look before.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    cash: f64,
    shares: i64,
    traded: u64,
    /// What came between the two looks before: money, shares, shares traded. It is valued now.
    waits: (f64, i64, u64),
}

/// See the module.
pub(super) struct Watched {
    drift: Drift,
    benchmark: Option<usize>,
    level: BreakerLevel,
    looked: Nanos,
    seen: Vec<Seen>,
    /// Sums since the start, USD.
    markout: f64,
    traded: f64,
}

fn e4(usd: f64) -> i64 {
    // Saturates; statistics of a core, and no money of anybody.
    (usd * 10_000.0).round() as i64
}

/// The middle of a book in which both sides stand.
fn middle(i: &Instrument) -> Option<f64> {
    (i.bid_qty > 0 && i.ask_qty > 0).then(|| f64::midpoint(i.bid, i.ask))
}

impl Watched {
    pub(super) fn new(e: &Expected) -> Watched {
        Watched {
            drift: Drift::new(e.bounds.clone(), e.capital.0),
            benchmark: e.benchmark.map(model::InstrumentId::index),
            level: e.level,
            looked: Nanos::ZERO,
            seen: Vec::new(),
            markout: 0.0,
            traded: 0.0,
        }
    }

    /// Looks, where it is time to; what the engine is to be told.
    pub(super) fn look(&mut self, now: Nanos, viewer: Option<&Viewer>) -> Vec<Control> {
        if now.since(self.looked).0 < MARKOUT.0 {
            return Vec::new();
        }
        self.looked = now;
        match viewer {
            Some(viewer) => self.judge(now, &viewer.read()),
            None => Vec::new(),
        }
    }

    /// Figures beyond their bounds now, a bit each.
    pub(super) fn bits(&self) -> u64 {
        self.drift.bits()
    }

    fn judge(&mut self, now: Nanos, s: &Snapshot) -> Vec<Control> {
        // An instrument that could not be read shifts the others: such a look is none.
        let (Some(risk), true) = (&s.risk, self.seen.is_empty() || self.seen.len() == s.instruments.len()) else {
            return Vec::new();
        };
        self.seen.resize(s.instruments.len(), Seen::default());
        for (seen, i) in self.seen.iter_mut().zip(&s.instruments) {
            if let Some(mid) = middle(i) {
                let (cash, shares, traded) = std::mem::take(&mut seen.waits);
                self.markout += cash + shares as f64 * mid;
                self.traded += traded as f64 * mid;
            }
            let (cash, shares, traded) = (i.cash, i.position - i.opening, i.bought + i.sold);
            seen.waits.0 += cash - seen.cash;
            seen.waits.1 += shares - seen.shares;
            seen.waits.2 += traded.saturating_sub(seen.traded);
            (seen.cash, seen.shares, seen.traded) = (cash, shares, traded);
        }
        let of = |name: &str| s.engine.get(name).copied().unwrap_or(0);
        let sample = Sample {
            at: now,
            pnl: e4(risk.pnl),
            orders: of("new_orders"),
            fills: of("fills"),
            markout: e4(self.markout),
            traded: e4(self.traded),
            benchmark: self.benchmark.and_then(|k| middle(s.instruments.get(k)?)).map_or(0, e4),
        };
        let mut controls = Vec::new();
        for turn in self.drift.look(sample) {
            controls.push(Control::Drift(turn));
            if turn.is_beyond && self.level != BreakerLevel::Normal {
                controls.push(Control::Trip { level: self.level, cause: BreakerCause::Expectation });
            }
        }
        controls
    }
}
