//! What restrains trading that the engine does not see: how late orders leave, how far the clock is off, how full the disk is, how much of the journal is not on
//! it, and whether the core's agents beat. Looked at by the cold thread once a second; what is beyond its limit goes to the engine as a control input, so that a replay sees it too.
//!
//! A person who resumes while a limit is still passed is overruled within a second.

use std::path::PathBuf;

use model::{BreakerCause, BreakerLevel, Control, Nanos};
use ringbuf::histogram::Snapshot as Counts;

use crate::host;
use crate::telemetry::snapshot::Viewer;
use crate::watchdog::Beat;

/// Between two looks.
const EVERY: Nanos = Nanos::from_millis(1_000);
/// Orders of an interval from which on their percentile is one.
const ORDERS_MIN: u64 = 20;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// The 99th percentile from packet to order of the orders since the last look, us.
    LatencyP99,
    /// The wall clock's offset from the core's, us.
    ClockOffset,
    /// That, and how far the wall clock may be from UTC, us. A wall clock that nobody keeps is beyond every limit.
    ClockError,
    /// Free bytes where the journals are, MiB; the limit is the least.
    DiskFree,
    /// Bytes of the core's journal that are not on the disk, MiB.
    Unsynced,
    /// The longest that an agent that runs has not beaten, ms: by the looks, so no more exact than these.
    Heartbeat,
}

impl Gauge {
    const fn cause(self) -> BreakerCause {
        match self {
            Gauge::LatencyP99 => BreakerCause::Latency,
            Gauge::ClockOffset | Gauge::ClockError => BreakerCause::Clock,
            Gauge::DiskFree => BreakerCause::Disk,
            Gauge::Unsynced => BreakerCause::Journal,
            Gauge::Heartbeat => BreakerCause::Heartbeat,
        }
    }

    /// Whether `value` is beyond `limit`.
    const fn is_beyond(self, value: u64, limit: u64) -> bool {
        match self {
            Gauge::DiskFree => value < limit,
            Gauge::LatencyP99
            | Gauge::ClockOffset
            | Gauge::ClockError
            | Gauge::Unsynced
            | Gauge::Heartbeat => value > limit,
        }
    }
}

/// Restrains trading to `level` while a gauge is beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideRule {
    /// What is looked at.
    pub gauge: Gauge,
    /// In the gauge's unit.
    pub limit: u64,
    /// Where it leads.
    pub level: BreakerLevel,
}

/// What the cold thread knows itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The clock's offset, ns.
    pub(super) offset_ns: Option<i64>,
    /// How far the wall clock may be from UTC, ns; the largest where nobody keeps it.
    pub(super) error_ns: Option<u64>,
    /// Of the core's journal.
    pub(super) unsynced_bytes: u64,
}

impl Known {
    /// How far the core's clock may be from UTC.
    fn off_utc_ns(self) -> Option<u64> {
        Some(self.error_ns?.saturating_add(self.offset_ns?.unsigned_abs()))
    }
}

/// A gauge beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    pub(super) rule: OutsideRule,
    pub(super) value: u64,
}

impl Beyond {
    pub(super) const fn control(&self) -> Control {
        Control::Trip { level: self.rule.level, cause: self.rule.gauge.cause() }
    }
}

/// See the module.
pub(super) struct Sentinel {
    rules: Vec<OutsideRule>,
    /// The journals' folder.
    dir: PathBuf,
    looked: Nanos,
    earlier: Vec<Counts>,
    /// Of each agent its cycles, and when these were seen to change last.
    beats: Vec<(u64, Nanos)>,
}

impl Sentinel {
    pub(super) fn new(rules: Vec<OutsideRule>, dir: PathBuf) -> Sentinel {
        Sentinel { rules, dir, looked: Nanos::ZERO, earlier: Vec::new(), beats: Vec::new() }
    }

    /// Looks, where it is time to: the rules that would restrain trading more than it is.
    pub(super) fn look(&mut self, now: Nanos, viewer: Option<&Viewer>, known: Known) -> Vec<Beyond> {
        if self.rules.is_empty() || now.since(self.looked).0 < EVERY.0 {
            return Vec::new();
        }
        self.looked = now;
        let level = viewer.and_then(Viewer::level).unwrap_or_default();
        let counts = viewer.map(Viewer::ticks_to_orders).unwrap_or_default();
        let late = p99_us(&self.earlier, &counts);
        self.earlier = counts;
        let silent = silence_ms(&mut self.beats, &viewer.map(Viewer::beats).unwrap_or_default(), now);
        let value = |gauge| match gauge {
            Gauge::LatencyP99 => late,
            Gauge::ClockOffset => known.offset_ns.map(|ns| ns.unsigned_abs() / 1_000),
            Gauge::ClockError => known.off_utc_ns().map(|ns| ns / 1_000),
            // A disk that cannot be asked is as good as full: nobody knows.
            Gauge::DiskFree => Some(host::free_bytes(&self.dir).map_or(0, |bytes| bytes >> 20)),
            Gauge::Unsynced => Some(known.unsynced_bytes >> 20),
            Gauge::Heartbeat => silent,
        };
        let beyond = |rule: &OutsideRule| {
            let value = value(rule.gauge).filter(|value| rule.gauge.is_beyond(*value, rule.limit))?;
            (rule.level > level).then_some(Beyond { rule: *rule, value })
        };
        self.rules.iter().filter_map(beyond).collect()
    }
}

/// The longest that an agent that runs has not beaten; `None` where none runs.
fn silence_ms(seen: &mut Vec<(u64, Nanos)>, beats: &[Beat], now: Nanos) -> Option<u64> {
    seen.resize(beats.len(), (u64::MAX, now));
    for ((cycles, at), beat) in seen.iter_mut().zip(beats) {
        if *cycles != beat.cycles || !beat.is_running() {
            (*cycles, *at) = (beat.cycles, now);
        }
    }
    seen.iter().map(|(_, at)| now.since(*at).0 / 1_000_000).max()
}

/// The largest 99th percentile of a gateway's orders between two looks; `None` of too few.
fn p99_us(earlier: &[Counts], now: &[Counts]) -> Option<u64> {
    let since = now.iter().enumerate().map(|(k, counts)| match earlier.get(k) {
        Some(before) => counts.since(before),
        None => counts.clone(),
    });
    since.filter(|c| c.count() >= ORDERS_MIN).map(|c| c.quantile(0.99) / 1_000).max()
}

#[cfg(test)]
mod tests {
    use ringbuf::histogram::{Histogram, WORDS};
    use ringbuf::words::Words;

    use super::*;

    fn rule(gauge: Gauge, limit: u64) -> OutsideRule {
        OutsideRule { gauge, limit, level: BreakerLevel::CancelOnly }
    }

    fn found(rules: Vec<OutsideRule>, known: Known) -> Vec<(Gauge, u64)> {
        let dir = tempfile::tempdir().unwrap();
        let mut sentinel = Sentinel::new(rules, dir.path().into());
        let beyond = sentinel.look(Nanos(5_000_000_000), None, known);
        assert!(sentinel.look(Nanos(5_900_000_000), None, known).is_empty(), "not before it is time");
        beyond.into_iter().map(|b| (b.rule.gauge, b.value)).collect()
    }

    #[test]
    fn what_is_beyond_its_limit_is_found_and_what_is_at_it_is_not() {
        let rules = vec![
            rule(Gauge::ClockOffset, 100),
            rule(Gauge::Unsynced, 2),
            rule(Gauge::DiskFree, 0),
            rule(Gauge::LatencyP99, 0),
        ];
        let at = Known { offset_ns: Some(-100_999), unsynced_bytes: (3 << 20) - 1, error_ns: Some(u64::MAX) };
        assert_eq!(found(rules.clone(), at), []);
        let beyond = Known { offset_ns: Some(-101_000), unsynced_bytes: 3 << 20, error_ns: None };
        assert_eq!(found(rules, beyond), [(Gauge::ClockOffset, 101), (Gauge::Unsynced, 3)]);
        assert_eq!(found(vec![rule(Gauge::DiskFree, u64::MAX)], Known::default()).len(), 1);
        assert_eq!(
            found(vec![rule(Gauge::ClockOffset, 0)], Known::default()),
            [],
            "an offset nobody measured is none"
        );
    }

    #[test]
    fn the_error_of_the_clock_is_that_of_both_and_one_that_nobody_keeps_is_beyond_all() {
        let of = |offset_ns, error_ns| {
            let known = Known { offset_ns, error_ns, ..Known::default() };
            found(vec![rule(Gauge::ClockError, 100)], known)
        };
        assert_eq!(of(Some(-40_000), Some(60_999)), []);
        assert_eq!(of(Some(-40_000), Some(61_000)), [(Gauge::ClockError, 101)]);
        assert_eq!(of(Some(0), Some(u64::MAX)), [(Gauge::ClockError, u64::MAX / 1_000)]);
        assert_eq!(of(None, Some(u64::MAX)), [], "the core's clock is nobody's to keep");
    }

    #[test]
    fn a_disk_that_is_not_there_is_full() {
        let mut sentinel = Sentinel::new(vec![rule(Gauge::DiskFree, 1)], "/nowhere/at/all".into());
        let beyond = sentinel.look(Nanos(5_000_000_000), None, Known::default());
        assert_eq!((beyond.len(), beyond[0].value), (1, 0));
        assert_eq!(
            beyond[0].control(),
            Control::Trip { level: BreakerLevel::CancelOnly, cause: BreakerCause::Disk }
        );
    }

    #[test]
    fn an_agent_that_runs_and_does_not_beat_is_silent() {
        let beat = |cycles, phase| Beat { name: "a".into(), cycles, phase };
        let mut seen = Vec::new();
        let mut at = |seconds: u64, a: (u64, u64), b: (u64, u64)| {
            silence_ms(&mut seen, &[beat(a.0, a.1), beat(b.0, b.1)], Nanos::from_millis(seconds * 1_000))
        };
        assert_eq!(at(1, (5, 1), (5, 1)), Some(0));
        assert_eq!(at(2, (6, 1), (5, 1)), Some(1_000));
        assert_eq!(at(4, (6, 1), (5, 1)), Some(3_000), "the longest");
        assert_eq!(at(5, (7, 1), (6, 1)), Some(0), "it beats again");
        assert_eq!(at(9, (7, 2), (6, 2)), Some(0), "one that has ended is not silent");
        assert_eq!(silence_ms(&mut Vec::new(), &[], Nanos(1)), None);
        assert!(Gauge::Heartbeat.is_beyond(3_001, 3_000) && !Gauge::Heartbeat.is_beyond(3_000, 3_000));
    }

    #[test]
    fn a_percentile_is_of_the_orders_since_the_last_look() {
        let mut histogram = Histogram::over(Words::zeroed(WORDS)).unwrap();
        (0..100).for_each(|_| histogram.record(900_000));
        let early = vec![histogram.reader().snapshot()];
        assert!(p99_us(&[], &early).is_some_and(|us| us >= 890));
        assert_eq!(p99_us(&early, &early), None, "no order");
        (0..ORDERS_MIN - 1).for_each(|_| histogram.record(5_000));
        assert_eq!(p99_us(&early, &[histogram.reader().snapshot()]), None, "too few");
        histogram.record(5_000);
        assert!(p99_us(&early, &[histogram.reader().snapshot()]).is_some_and(|us| (4..=5).contains(&us)));
    }
}
