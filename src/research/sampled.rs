//! A day as a running core's cold thread would look at it: sums once a second, so that what is expected of a strategy is made of the figures that it is held to.

use backtest::day::Watch;
use backtest::drift::{Expectation, ExpectationError, MARKOUT, Markouts, Sample, windows};
use backtest::record::Recorder;
use engine::Engine;
use engine::strategy::Strategy;
use model::{ExecutionReport, InstrumentId, MarketEvent, Nanos, OrderCommand};

use super::files::Made;
use crate::config::Config;

/// A recorder, and samples beside it.
pub(super) struct Sampled<'a> {
    recorder: &'a mut Recorder,
    benchmark: Option<InstrumentId>,
    next: Nanos,
    markouts: Markouts,
    samples: Vec<Sample>,
}

impl<'a> Sampled<'a> {
    pub(super) fn new(recorder: &'a mut Recorder, config: &Config) -> Sampled<'a> {
        let benchmark = config.expectation.as_ref().and_then(|e| e.benchmark);
        Sampled { recorder, benchmark, next: Nanos::ZERO, markouts: Markouts::default(), samples: Vec::new() }
    }

    /// The end of the day.
    pub(super) fn close<S: Strategy>(self, engine: &Engine<S>) -> Vec<Sample> {
        self.recorder.close(engine);
        self.samples
    }

    #[cold]
    fn sample<S: Strategy>(&mut self, now: Nanos, engine: &Engine<S>) {
        self.next = Nanos(now.0 / MARKOUT.0 * MARKOUT.0).after(MARKOUT);
        let mid2 = |id| engine.top(id).mid2();
        for (k, p) in engine.positions().all().iter().enumerate() {
            let account = (p.cash.0, p.shares - p.opening_shares, p.bought + p.sold);
            self.markouts.look(k, account, mid2(InstrumentId(k as u16)));
        }
        let (markout, traded) = self.markouts.sums();
        let stats = engine.stats();
        self.samples.push(Sample {
            at: now,
            pnl: engine.pnl().0,
            orders: stats.new_orders,
            fills: stats.fills,
            markout,
            traded,
            benchmark: self.benchmark.map_or(0, |id| mid2(id) / 2),
            slippage2: stats.slippage2,
            slippage_of: stats.slippage_of,
        });
    }
}

impl<S: Strategy> Watch<S> for Sampled<'_> {
    fn on_command(&mut self, now: Nanos, command: &OrderCommand, engine: &Engine<S>) {
        Watch::<S>::on_command(&mut self.recorder, now, command, engine);
    }

    fn on_report(&mut self, now: Nanos, report: &ExecutionReport, engine: &Engine<S>) {
        Watch::<S>::on_report(&mut self.recorder, now, report, engine);
    }

    #[inline]
    fn before_market(&mut self, now: Nanos, engine: &Engine<S>) {
        Watch::<S>::before_market(&mut self.recorder, now, engine);
    }

    #[inline]
    fn on_market(&mut self, now: Nanos, event: &MarketEvent, engine: &Engine<S>) {
        Watch::<S>::on_market(&mut self.recorder, now, event, engine);
        if now >= self.next {
            self.sample(now, engine);
        }
    }
}

/// What days let expect of windows of so many seconds.
///
/// # Errors
/// Too few windows.
pub fn expectation(config: &Config, made: &[Made], window_s: u64) -> Result<Expectation, ExpectationError> {
    let of = |m: &Made| windows(&m.samples, window_s, config.history.capital.0);
    let all: Vec<_> = made.iter().flat_map(of).collect();
    Expectation::of_history(window_s, &all)
}
