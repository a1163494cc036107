//! Latencies stage by stage, out of the histograms in shared memory.

use std::collections::BTreeMap;

use ringbuf::histogram::{BUCKETS, HistogramReader, RANGE, Snapshot as Counts};
use serde::Serialize;

use super::layout::{self, Span};
use super::snapshot::Viewer;

/// A bucket counts no more than this: a million a second take years to get there, and the sum over all buckets and threads stays far from overflow,
/// which HdrHistogram answers with a panic.
const COUNT_MAX: u64 = 1 << 46;

const _: () = assert!((COUNT_MAX as u128) * (BUCKETS * layout::PORTS_MAX) as u128 <= i64::MAX as u128);

/// The latencies of one stage, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: u64,
    /// 99 in 100 are at most this.
    pub p99: u64,
    /// 999 in 1000 are at most this.
    pub p999: u64,
    /// The largest.
    pub max: u64,
    /// How many were measured.
    pub n: u64,
}

/// The same stage's histograms of several threads as one of HdrHistogram's, three digits (allocates).
pub(super) fn merged(counts: &[Counts]) -> hdrhistogram::Histogram<u64> {
    let mut all = hdrhistogram::Histogram::<u64>::new_with_max(RANGE, 3).expect("constant bounds");
    for (value, n) in counts.iter().flat_map(Counts::buckets) {
        all.saturating_record_n(value, n.min(COUNT_MAX));
    }
    all
}

impl Percentiles {
    /// Of the same stage's histograms in shared memory, one a thread, through HdrHistogram's arithmetic (allocates).
    ///
    /// At most 2 % above the true value, never below it, and never above the largest.
    #[must_use]
    pub fn of(counts: &[Counts]) -> Percentiles {
        let all = merged(counts);
        let max = counts.iter().map(Counts::largest).max().unwrap_or(0);
        // What is beyond the range stands in its last bucket, whose bound would be below it.
        let at = |q| match all.value_at_quantile(q) {
            last if last >= RANGE - 1 => max,
            v => v.min(max),
        };
        Percentiles { p50: at(0.5), p99: at(0.99), p999: at(0.999), max, n: all.len() }
    }
}

impl Viewer {
    /// The times from packet to order of all gateways together, as counted since the start.
    #[must_use]
    pub fn ticks_to_orders(&self) -> Vec<Counts> {
        (0..self.layout.shape.gateways).map(|k| self.histogram(&self.layout.gateway_stage(k, 2))).collect()
    }

    fn histogram(&self, s: &Span) -> Counts {
        let words = self.region.words(s.at, s.len).expect("checked when opened");
        HistogramReader::over(words).expect("the layout gives a histogram its words").snapshot()
    }

    /// What was counted since the start by stage, one for each thread that has it. Allocates 19 KB each.
    #[must_use]
    pub fn stages(&self) -> [(&'static str, Vec<Counts>); 8] {
        let l = self.layout;
        let feeds = 0..l.shape.feeds;
        let gateways = |n: usize| (0..l.shape.gateways).map(|k| l.gateway_stage(k, n)).collect::<Vec<_>>();
        let spans: [(&'static str, Vec<Span>); 8] = [
            ("wire", feeds.clone().map(|k| l.feed_wire(k)).collect()),
            ("decode", feeds.map(|k| l.feed_decode(k)).collect()),
            ("feed_ring", vec![l.engine_stage(0)]),
            ("book", vec![l.engine_stage(1)]),
            ("strategy_risk", vec![l.engine_stage(2)]),
            ("order_ring", gateways(0)),
            ("encode", gateways(1)),
            ("tick_to_order", gateways(2)),
        ];
        spans.map(|(name, spans)| (name, spans.iter().map(|s| self.histogram(s)).collect()))
    }

    /// Latencies by stage, of all threads together.
    #[must_use]
    pub fn latencies(&self) -> BTreeMap<&'static str, Percentiles> {
        self.stages().into_iter().map(|(name, counts)| (name, Percentiles::of(&counts))).collect()
    }
}
