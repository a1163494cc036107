//! Operations at times that were set beforehand.

use hdrhistogram::Histogram;
use model::Nanos;

use crate::clock::Clock;

/// Longest time that is told apart: 1 minute.
const LONGEST: u64 = 60_000_000_000;

/// How long each took, from when it was due.
pub struct Timed(Histogram<u64>);

impl Default for Timed {
    fn default() -> Timed {
        Timed::new()
    }
}

impl Timed {
    /// None yet.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the bounds are constants that the histogram takes")]
    pub fn new() -> Timed {
        Timed(Histogram::new_with_bounds(1, LONGEST, 3).expect("1 to a minute, three digits"))
    }

    /// One more; beyond a minute it is a minute.
    #[inline]
    pub fn record(&mut self, took: Nanos) {
        self.0.saturating_record(took.0);
    }

    /// The time by which this part of them was done, ns; 0 of none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        self.0.value_at_quantile(q)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Does `operation` `n` times, one each `every`; how long each took from when it was due. What was not done in time is done at once, and late.
///
/// `between` runs before each batch of `batch` and is not timed: the schedule begins anew behind it.
pub fn open_loop<S>(
    state: &mut S,
    n: usize,
    batch: usize,
    every: Nanos,
    between: impl FnMut(&mut S),
    operation: impl FnMut(&mut S, usize),
) -> Timed {
    open_loop_until(state, n, batch, every, between, (operation, |_| {}))
}

/// The same of operations that leave something to be done: `after` is not in the time of its own operation, and the next one waits for it.
pub fn open_loop_until<S>(
    state: &mut S,
    n: usize,
    batch: usize,
    every: Nanos,
    mut between: impl FnMut(&mut S),
    (mut operation, mut after): (impl FnMut(&mut S, usize), impl FnMut(&mut S)),
) -> Timed {
    let clock = Clock::new();
    let mut timed = Timed::new();
    let mut done = 0;
    while done < n {
        between(state);
        let mut due = clock.now().after(every);
        for k in 0..batch.min(n - done) {
            while clock.now() < due {
                core::hint::spin_loop();
            }
            operation(state, k);
            timed.record(clock.now().since(due));
            after(state);
            due = due.after(every);
        }
        done += batch;
    }
    timed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_behind_a_slow_one_is_late_too() {
        let clock = Clock::new();
        let slow = Nanos::from_millis(2);
        let every = Nanos(20_000);
        let timed = open_loop(
            &mut (),
            150,
            150,
            every,
            |()| {},
            |(), k| {
                if k == 20 {
                    let until = clock.now().after(slow);
                    while clock.now() < until {}
                }
            },
        );
        // 100 were due during the 2 ms, the first of them by nearly the whole of it.
        assert_eq!(timed.len(), 150);
        assert!(timed.quantile(0.7) >= 400_000, "{}", timed.quantile(0.7));
        assert!(timed.quantile(1.0) >= slow.0);
    }

    #[test]
    fn each_batch_has_a_schedule_of_its_own() {
        let (mut begun, mut done) = (0, Vec::new());
        let timed = open_loop(&mut (), 10, 4, Nanos(100), |()| begun += 1, |(), k| done.push(k));
        assert_eq!((timed.len(), begun), (10, 3));
        assert_eq!(done, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]);
    }
}
