//! The one clock of a running core: nanoseconds since the Unix epoch, read from the processor's counter.
//!
//! ```text
//!   rdtsc ──► ticks ──►  unix_ns + (ticks - anchor) * rate  ──► not before the last answer ──► Nanos
//!                         └──── Line: shared by all handles, replaced only by Discipline::adjust ────┘
//! ```
//!
//! * A [`Clock`] is a handle for one thread; clones share the line, so all agents of a process tell the same time.
//! * A handle never goes back: an answer is at least the one before, also when the counters of two cores differ.
//! * The line is anchored to the wall clock by [`Clock::new`] and after that moved by nobody but the owner of the
//!   [`Discipline`], which turns its *rate* and never makes it jump. Without one it runs free: `quanta` calibrates in
//!   well under a second, so an error of some parts in a million is to be expected, and 10 of these are 36 ms an hour.
//!
//! Cost of [`Clock::now`]: one `rdtsc` (by `quanta`), one plain load that says whether the line has changed, one
//! multiplication, one comparison; no system call, no allocation, no lock. Where the processor has no invariant counter
//! `quanta` reads `CLOCK_MONOTONIC` instead (the doctor's rows `invariant_tsc` and `clocksource` say so).

#![forbid(unsafe_code)]

mod discipline;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::{SystemTime, UNIX_EPOCH};

use model::Nanos;

pub use discipline::{Adjustment, Discipline};

/// Binary digits of [`Line::rate`] after the point: a step of it is less than 1 ppb for counters up to 4 GHz.
const RATE_SHIFT: u32 = 32;

/// Ticks to time: `unix_ns + (ticks - anchor) * rate / 2^RATE_SHIFT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    anchor: u64,
    unix_ns: u64,
    /// ns a tick, scaled.
    rate: u64,
}

impl Line {
    #[inline]
    fn at(&self, ticks: u64) -> u64 {
        let run = u128::from(ticks.saturating_sub(self.anchor)) * u128::from(self.rate);
        self.unix_ns.saturating_add((run >> RATE_SHIFT) as u64)
    }
}

/// One simultaneous reading of the counter and the wall clock.
#[derive(Clone, Copy, Debug)]
struct Sample {
    ticks: u64,
    wall_ns: u64,
    /// Ticks between the two counter reads around the wall clock's: the uncertainty of the pairing.
    width_ticks: u64,
}

/// The line in force, as a sequence lock: `version` is odd while its one writer is at work.
#[derive(Debug)]
struct Shared {
    version: AtomicU64,
    anchor: AtomicU64,
    unix_ns: AtomicU64,
    rate: AtomicU64,
    /// Whether the one [`Discipline`] has been given out.
    disciplined: AtomicBool,
}

impl Shared {
    fn new(line: Line) -> Shared {
        Shared {
            version: AtomicU64::new(0),
            anchor: AtomicU64::new(line.anchor),
            unix_ns: AtomicU64::new(line.unix_ns),
            rate: AtomicU64::new(line.rate),
            disciplined: AtomicBool::new(false),
        }
    }

    /// The line of `version`, unless the writer is or was at work meanwhile.
    #[cold]
    fn read(&self, version: u64) -> Option<Line> {
        let line = Line {
            anchor: self.anchor.load(Ordering::Relaxed),
            unix_ns: self.unix_ns.load(Ordering::Relaxed),
            rate: self.rate.load(Ordering::Relaxed),
        };
        // Partner of the release fence in `write`: had any load above seen a later line, this one sees a later version.
        fence(Ordering::Acquire);
        (version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version).then_some(line)
    }

    /// Replaces the line. One writer: the owner of the `Discipline`.
    fn write(&self, line: Line) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.anchor.store(line.anchor, Ordering::Relaxed);
        self.unix_ns.store(line.unix_ns, Ordering::Relaxed);
        self.rate.store(line.rate, Ordering::Relaxed);
        // Partner of the acquire load in `Clock::line`.
        self.version.store(version + 2, Ordering::Release);
    }
}

/// A handle of the clock for one thread.
#[derive(Clone, Debug)]
pub struct Clock {
    counter: quanta::Clock,
    shared: Arc<Shared>,
    version: Cell<u64>,
    line: Cell<Line>,
    last: Cell<u64>,
}

impl Clock {
    /// Calibrates the counter (once a process, at most 200 ms) and anchors it to the wall clock.
    #[must_use]
    pub fn new() -> Clock {
        let counter = quanta::Clock::new();
        let sample = sample(&counter);
        Clock::anchored(counter, sample.ticks, Nanos(sample.wall_ns))
    }

    /// Over any counter, which stood at `ticks` when it was `at`: a counter that somebody turns by hand gives a time of its own.
    #[must_use]
    pub fn anchored(counter: quanta::Clock, ticks: u64, at: Nanos) -> Clock {
        // What 2^RATE_SHIFT ticks are in ns is the rate, scaled as `Line` wants it.
        let rate = counter.delta_as_nanos(0, 1 << RATE_SHIFT);
        let line = Line { anchor: ticks, unix_ns: at.0, rate };
        Clock {
            counter,
            shared: Arc::new(Shared::new(line)),
            version: Cell::new(0),
            line: Cell::new(line),
            last: Cell::new(at.0),
        }
    }

    /// Now, in ns since the Unix epoch; never before what this handle said last.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Nanos {
        let now = self.line().at(self.counter.raw()).max(self.last.get());
        self.last.set(now);
        Nanos(now)
    }

    /// The line in force, as far as this handle can see without waiting.
    #[inline]
    fn line(&self) -> Line {
        // Acquire: partner of the last store in `Shared::write`.
        let version = self.shared.version.load(Ordering::Acquire);
        if version != self.version.get()
            && let Some(line) = self.shared.read(version)
        {
            self.version.set(version);
            self.line.set(line);
        }
        self.line.get()
    }

    /// A clock that is `ns` ahead of the wall clock.
    #[cfg(test)]
    pub(crate) fn ahead(ns: u64) -> Clock {
        let clock = Clock::new();
        let line = clock.line();
        clock.shared.write(Line { unix_ns: line.unix_ns + ns, ..line });
        clock
    }

    /// The right to steer this clock and all its clones; there is one, so `None` once it has been taken.
    #[must_use]
    pub fn discipline(&self) -> Option<Discipline> {
        (!self.shared.disciplined.swap(true, Ordering::Relaxed)).then(|| Discipline::new(self.clone()))
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

/// `a - b`, saturating.
fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}

/// The tightest of some pairings of counter and wall clock, so that one preempted reading does not count.
fn sample(counter: &quanta::Clock) -> Sample {
    let one = || {
        let before = counter.raw();
        let wall = SystemTime::now();
        let width_ticks = counter.raw().saturating_sub(before);
        // A wall clock before 1970 is a host without time; 0 then, and the discipline follows when it gets some.
        let wall_ns =
            wall.duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        Sample { ticks: before + width_ticks / 2, wall_ns, width_ticks }
    };
    let first = one();
    (0..15)
        .map(|_| one())
        .fold(first, |best, next| if next.width_ticks < best.width_ticks { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_wall_time_and_never_goes_back() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let clock = Clock::new();
        let mut last = clock.now();
        // A minute either way: the wall clock of a test host may be stepped meanwhile, the epoch may not.
        assert!(last.0.abs_diff(before) < 60_000_000_000, "{last:?} against {before}");
        let first = last;
        for _ in 0..100_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
        assert!(last > first, "100,000 readings take some time");
    }

    #[test]
    fn all_handles_follow_one_line() {
        let clock = Clock::new();
        let other = clock.clone();
        let later = Line { unix_ns: clock.now().0 + 5_000_000_000, ..clock.line() };
        clock.shared.write(later);
        assert!(other.now().0 >= later.unix_ns && clock.now().0 >= later.unix_ns);
        let earlier = Line { unix_ns: 1, ..later };
        clock.shared.write(earlier);
        assert!(other.now().0 >= later.unix_ns, "a handle does not go back even when the line does");
        assert_eq!(other.line(), earlier);
    }

    #[test]
    fn a_line_being_written_is_not_read() {
        let shared = Shared::new(Line { anchor: 0, unix_ns: 0, rate: 1 });
        assert!(shared.read(0).is_some());
        shared.version.store(1, Ordering::Relaxed);
        assert_eq!((shared.read(0), shared.read(1)), (None, None));
    }

    #[test]
    fn the_arithmetic_survives_any_reading() {
        let line = Line { anchor: 1_000, unix_ns: 7, rate: u64::MAX };
        assert_eq!(line.at(0), 7, "a counter behind the anchor is the anchor");
        assert_eq!(line.at(1_000 + (1 << 20)), 7 + ((u128::from(u64::MAX) << 20 >> RATE_SHIFT) as u64));
        let _ = line.at(u64::MAX);
        assert_eq!(difference(5, 8), -3);
        assert_eq!(difference(u64::MAX, 0), i64::MAX);
    }

    #[test]
    fn there_is_one_discipline() {
        let clock = Clock::new();
        let first = clock.discipline();
        assert!(first.is_some() && clock.clone().discipline().is_none());
    }
}
