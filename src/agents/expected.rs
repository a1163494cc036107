//! What the strategy does against what is expected of it: looked at by the cold thread once a second, out of the core's own shared memory. What leaves its bounds goes to the engine as a control
//! input, so that it is an alarm of the journal as any other, and a replay has it.

use backtest::drift::{Drift, MARKOUT, Markouts, Sample};
use model::{BreakerCause, BreakerLevel, Control, Nanos};

use crate::config::expectation::Expected;
use crate::telemetry::snapshot::{Instrument, Snapshot, Viewer};

/// See the module.
pub(super) struct Watched {
    drift: Drift,
    benchmark: Option<usize>,
    level: BreakerLevel,
    looked: Nanos,
    instruments: usize,
    markouts: Markouts,
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
            instruments: 0,
            markouts: Markouts::default(),
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
        let is_whole = self.instruments == 0 || self.instruments == s.instruments.len();
        let Some(risk) = s.risk.as_ref().filter(|_| is_whole) else { return Vec::new() };
        self.instruments = s.instruments.len();
        for (k, i) in s.instruments.iter().enumerate() {
            let account = (e4(i.cash), i.position - i.opening, i.bought + i.sold);
            self.markouts.look(k, account, middle(i).map_or(0, |mid| e4(2.0 * mid)));
        }
        let (markout, traded) = self.markouts.sums();
        let of = |name: &str| s.engine.get(name).copied().unwrap_or(0);
        let sample = Sample {
            at: now,
            pnl: e4(risk.pnl),
            orders: of("new_orders"),
            fills: of("fills"),
            markout,
            traded,
            benchmark: self.benchmark.and_then(|k| middle(s.instruments.get(k)?)).map_or(0, e4),
            slippage2: e4(2.0 * risk.slippage),
            slippage_of: e4(risk.slippage_of),
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
