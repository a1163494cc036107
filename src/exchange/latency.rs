//! How long a message is on its way inside the venue, and how many of them an account may send.

use std::collections::VecDeque;

use super::rng::Rng;

/// Standard normal quantiles in 1/1000, at the middle of each of 64 equal parts.
const NORMAL: [i32; 64] = [
    -2418, -1987, -1762, -1601, -1473, -1366, -1273, -1189, -1113, -1043, -978, -917, -858, -803, -750, -699,
    -650, -602, -556, -511, -467, -424, -381, -339, -298, -257, -217, -177, -138, -98, -59, -20, 20, 59, 98,
    138, 177, 217, 257, 298, 339, 381, 424, 467, 511, 556, 602, 650, 699, 750, 803, 858, 917, 978, 1043,
    1113, 1189, 1273, 1366, 1473, 1601, 1762, 1987, 2418,
];

/// A distribution of times, ns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always the same.
    Fixed(u64),
    /// Each from the first to the second alike.
    Uniform(u64, u64),
    /// Each of these alike: the quantiles of any distribution.
    Table(Vec<u64>),
}

impl Default for Latency {
    fn default() -> Latency {
        Latency::Fixed(0)
    }
}

impl Latency {
    /// The 64 quantiles of a lognormal distribution with this median and this ratio of its 84th percentile to it. Made once, from then on all
    /// is integers.
    #[must_use]
    pub fn lognormal(median_ns: u64, spread: f64) -> Latency {
        let times = NORMAL.map(|z| median_ns as f64 * spread.powf(f64::from(z) / 1_000.0));
        Latency::Table(times.map(|ns| ns as u64).to_vec())
    }

    /// One time.
    pub fn draw(&self, rng: &mut Rng) -> u64 {
        match self {
            Latency::Fixed(ns) => *ns,
            Latency::Uniform(from, to) => from + rng.below(to.saturating_sub(*from).saturating_add(1)),
            Latency::Table(times) => {
                times.get(rng.below(times.len() as u64) as usize).copied().unwrap_or_default()
            }
        }
    }
}

/// What happens to a message too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// A new order or a replace is refused; other requests pass.
    Reject,
    /// The connection is closed.
    Disconnect,
}

/// Messages within the last second, counted exactly: a message passes while fewer than the limit passed in the second that ends with it. One
/// that did not pass does not count; neither does time before.
#[derive(Clone, Debug, Default)]
pub struct RateWindow {
    passed: VecDeque<u64>,
}

/// The window, ns.
const WINDOW_NS: u64 = 1_000_000_000;

impl RateWindow {
    /// Whether anything passed within the second that ends at `now`.
    #[must_use]
    pub fn has_any(&self, now: u64) -> bool {
        self.passed.back().is_some_and(|&at| at.saturating_add(WINDOW_NS) > now)
    }

    /// Whether there is room at `now` for one more; takes it then.
    pub fn take(&mut self, now: u64, limit: u32) -> bool {
        while self.passed.front().is_some_and(|&at| at.saturating_add(WINDOW_NS) <= now) {
            self.passed.pop_front();
        }
        let is_free = self.passed.len() < limit as usize;
        if is_free {
            self.passed.push_back(now);
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_drawn_from_the_distribution() {
        let mut rng = Rng::new(1, 0);
        let mut mean = |l: &Latency| (0..20_000).map(|_| l.draw(&mut rng)).sum::<u64>() / 20_000;
        assert_eq!(mean(&Latency::Fixed(7)), 7);
        assert!((1_450..1_550).contains(&mean(&Latency::Uniform(1_000, 2_000))));
        let Latency::Table(times) = Latency::lognormal(10_000, 2.0) else { panic!("a table") };
        assert!(times.is_sorted() && times[31] < 10_000 && times[32] > 10_000);
        // exp(s^2 / 2) times the median, s = ln 2, less the tail that 64 points do not reach.
        assert!((12_000..13_000).contains(&mean(&Latency::Table(times))));
        assert_eq!(Latency::Uniform(5, 5).draw(&mut rng), 5);
    }

    #[test]
    fn the_window_rolls() {
        let mut w = RateWindow::default();
        assert!(w.take(0, 2) && w.take(10, 2));
        assert!(!w.take(WINDOW_NS - 1, 2));
        assert!(w.take(WINDOW_NS, 2), "the first is a second old");
        assert!(!w.take(WINDOW_NS + 9, 2), "what was refused did not count, but the third did");
        assert!(w.take(WINDOW_NS + 10, 2));
        assert!(!w.take(WINDOW_NS + 10, 0));
    }
}
