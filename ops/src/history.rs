//! What was, for curves: a core read once a second, kept for a while.
//!
//! Two series of it, so that a day fits: one of each reading for ten minutes, one of every tenth for a day. A point's latencies are those of its own interval, as the
//! difference of the shared histograms; counts are since the start of the core. While a core is down there are no points: a curve has a hole there.

use std::collections::VecDeque;

use colo::telemetry::snapshot::Snapshot;
use colo::telemetry::stages::Percentiles;
use ringbuf::histogram::Snapshot as Counts;

/// The stages in the order an event passes them.
pub const STAGES: [&str; 8] =
    ["wire", "decode", "feed_ring", "book", "strategy_risk", "order_ring", "encode", "tick_to_order"];

/// Each stage's counts, by thread, in the order of [`STAGES`].
pub type Stages = [(&'static str, Vec<Counts>); 8];

/// One reading's worth.
#[derive(Clone, Debug)]
pub struct Point {
    /// ms since the Unix epoch.
    pub at_ms: u64,
    /// Profit and loss, USD; none where it was being written.
    pub pnl: Option<f64>,
    /// Latencies of the interval, in the order of [`STAGES`]; `n` is 0 where nothing was measured.
    pub stages: [Percentiles; 8],
    /// New orders and replaces sent.
    pub orders: u64,
    /// Fills.
    pub fills: u64,
    /// Messages of all feeds.
    pub messages: u64,
    /// Shares held, long and short added up.
    pub gross_shares: u64,
}

/// Points at one grain.
#[derive(Debug)]
struct Series {
    /// Readings to a point.
    every: u64,
    /// Points kept.
    kept: usize,
    readings: u64,
    /// The core's start and what was counted at the last point.
    last: Option<(u64, Stages)>,
    points: VecDeque<Point>,
}

impl Series {
    fn new(every: u64, kept: usize) -> Series {
        Series { every, kept, readings: 0, last: None, points: VecDeque::new() }
    }

    fn take(&mut self, at_ms: u64, s: &Snapshot, stages: &Stages) {
        self.readings += 1;
        if !(self.readings - 1).is_multiple_of(self.every) {
            return;
        }
        // Another start is another core: nothing of the one before is in its counts.
        let before =
            self.last.take().filter(|(started, _)| *started == s.started_ns).map(|(_, stages)| stages);
        let of = |k: usize| {
            let now = &stages[k].1;
            match before.as_ref().map(|b| &b[k].1).filter(|b| b.len() == now.len()) {
                Some(before) => percentiles_since(now, before),
                None => Percentiles::of(now),
            }
        };
        let point = Point {
            at_ms,
            pnl: s.risk.as_ref().map(|r| r.pnl),
            stages: std::array::from_fn(of),
            orders: s.engine["new_orders"].saturating_add(s.engine["replaces"]),
            fills: s.engine["fills"],
            messages: s.feeds.iter().fold(0, |sum, f| sum.saturating_add(f.counters["messages"])),
            gross_shares: s
                .instruments
                .iter()
                .fold(0, |sum, i| sum.saturating_add(i.position.unsigned_abs())),
        };
        if self.points.len() == self.kept {
            self.points.pop_front();
        }
        self.points.push_back(point);
        self.last = Some((s.started_ns, stages.clone()));
    }
}

/// The largest of a difference is the largest since the start: the upper bound of the highest bucket that was counted in is nearer.
fn percentiles_since(now: &[Counts], before: &[Counts]) -> Percentiles {
    let counts: Vec<Counts> = now.iter().zip(before).map(|(now, before)| now.since(before)).collect();
    let max = counts.iter().filter_map(|c| c.buckets().last()).map(|(upper, _)| upper).max().unwrap_or(0);
    let p = Percentiles::of(&counts);
    if p.n == 0 { Percentiles::default() } else { Percentiles { max: max.min(p.max), ..p } }
}

/// Both series of one core.
#[derive(Debug)]
pub struct History {
    recent: Series,
    day: Series,
}

impl Default for History {
    fn default() -> History {
        History { recent: Series::new(1, 600), day: Series::new(10, 8_640) }
    }
}

impl History {
    /// Takes a reading.
    pub fn take(&mut self, at_ms: u64, s: &Snapshot, stages: &Stages) {
        self.recent.take(at_ms, s, stages);
        self.day.take(at_ms, s, stages);
    }

    /// A point a reading, the last ten minutes, the oldest first.
    #[must_use]
    pub fn recent(&self) -> &VecDeque<Point> {
        &self.recent.points
    }

    /// A point every ten readings, a day, the oldest first.
    #[must_use]
    pub fn day(&self) -> &VecDeque<Point> {
        &self.day.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen;
    use ringbuf::histogram::{Histogram, WORDS};
    use ringbuf::words::Words;

    /// A histogram that can be recorded into and read from.
    fn stages(h: &Histogram) -> Stages {
        STAGES.map(|name| (name, vec![h.reader().snapshot()]))
    }

    #[test]
    fn a_points_latencies_are_those_of_its_interval() {
        let mut h = Histogram::over(Words::zeroed(WORDS)).unwrap();
        let mut s = specimen::core(1, 3);
        let mut history = History::default();
        (0..100).for_each(|_| h.record(1_000_000));
        history.take(1, &s, &stages(&h));
        (0..100).for_each(|_| h.record(100));
        history.take(2, &s, &stages(&h));
        history.take(3, &s, &stages(&h));
        let at = |k: usize| history.recent()[k].stages[7];
        assert_eq!((at(0).n, at(0).max), (100, 1_000_000));
        assert_eq!((at(1).n, at(1).p50, at(1).max), (100, 100, 100), "not the largest since the start");
        assert_eq!(at(2), Percentiles::default(), "nothing in it");
        // A restart counts from nothing.
        s.started_ns += 1;
        history.take(4, &s, &stages(&h));
        assert_eq!(history.recent()[3].stages[0].n, 200);
    }

    #[test]
    fn each_series_has_its_grain_and_its_length() {
        let h = Histogram::over(Words::zeroed(WORDS)).unwrap();
        let s = specimen::core(1, 3);
        let mut series = Series::new(3, 4);
        (0..30).for_each(|at| series.take(at, &s, &stages(&h)));
        let times: Vec<_> = series.points.iter().map(|p| p.at_ms).collect();
        assert_eq!(times, [18, 21, 24, 27]);
    }
}
