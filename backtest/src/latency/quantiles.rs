//! Distributions as legs: each becomes the values that stand at even ranks, of which every one is as likely as another. So a draw is one look-up, and what is drawn is a function of the seed.
//!
//! ```text
//!   rank    0   1   2   ...                    n-1        counts: every value as often as it was counted, where there are at most POINTS; else POINTS of them at even ranks, the largest kept
//!           |---|---|---|-- ... --|---|---|---|           a named distribution: its quantiles at (k + 1/2) / POINTS
//! ```

use model::Nanos;
use statrs::distribution::{ContinuousCDF, Normal};

use super::{LatencyError, Leg};

/// Values that a distribution is made of at most: one in so many draws is the longest. 256 KiB.
pub const POINTS: usize = 1 << 16;

/// How many standard deviations of a normal distribution 99 in 100 stay below.
const Z99: f64 = 2.326_347_874_040_841;

impl Leg {
    /// As counted: values (ns, ascending) and how often each was seen, `beside` added to each. A value that no 32 bits hold (4.29 s) is drawn as that.
    ///
    /// # Errors
    /// [`LatencyError::Empty`].
    pub fn counted(counts: &[(u64, u64)], beside: Nanos) -> Result<Leg, LatencyError> {
        let n: u128 = counts.iter().map(|(_, n)| u128::from(*n)).sum();
        let points = n.min(POINTS as u128);
        let mut all = Vec::with_capacity(points as usize);
        let mut below = 0u128;
        for (value, count) in counts {
            below += u128::from(*count);
            let takes = u32::try_from(value.saturating_add(beside.0)).unwrap_or(u32::MAX);
            // The middle of the k-th of even parts; where the parts are the counts themselves, each of these once.
            while (all.len() as u128) < points && (2 * all.len() as u128 + 1) * n < below * 2 * points {
                all.push(takes);
            }
            if *count > 0
                && below == n
                && let Some(last) = all.last_mut()
            {
                *last = takes;
            }
        }
        if all.is_empty() { Err(LatencyError::Empty) } else { Ok(Leg::Measured(all.into())) }
    }

    /// Log-normal: half of the draws take at most `median`, 99 in 100 at most `p99`.
    ///
    /// # Errors
    /// [`LatencyError`]: a median of nothing, a p99 below it, or a tail beyond what can be drawn.
    pub fn lognormal(median: Nanos, p99: Nanos) -> Result<Leg, LatencyError> {
        if median == Nanos::ZERO {
            return Err(LatencyError::Empty);
        }
        if p99 < median {
            return Err(LatencyError::Reversed(median.0, p99.0));
        }
        let normal = Normal::standard();
        let width = (p99.0 as f64 / median.0 as f64).ln() / Z99;
        let at = |k: usize| {
            let z = normal.inverse_cdf((k as f64 + 0.5) / POINTS as f64);
            (median.0 as f64 * (z * width).exp()).round() as u64
        };
        let longest = at(POINTS - 1);
        if longest > u64::from(u32::MAX) {
            return Err(LatencyError::Tail(longest));
        }
        Ok(Leg::Measured((0..POINTS).map(|k| at(k) as u32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(leg: Leg) -> Vec<u32> {
        leg.check().unwrap();
        let Leg::Measured(all) = leg else { panic!("{leg:?}") };
        all.into()
    }

    #[test]
    fn few_counts_are_drawn_as_they_are() {
        let leg = Leg::counted(&[(5, 2), (7, 0), (90, 1), (u64::MAX, 1)], Nanos(10)).unwrap();
        assert_eq!(values(leg), [15, 15, 100, u32::MAX]);
        assert_eq!(Leg::counted(&[(5, 0)], Nanos(10)), Err(LatencyError::Empty));
        assert_eq!(Leg::counted(&[], Nanos::ZERO), Err(LatencyError::Empty));
    }

    #[test]
    fn many_counts_keep_their_quantiles_and_their_largest() {
        // 0 to 9,999 ns, each a thousand times, and one stall.
        let mut counts: Vec<(u64, u64)> = (0..10_000).map(|v| (v, 1_000)).collect();
        counts.push((1_000_000, 1));
        let all = values(Leg::counted(&counts, Nanos::ZERO).unwrap());
        assert_eq!((all.len(), all.is_sorted(), all.last()), (POINTS, true, Some(&1_000_000)));
        for percent in [1, 25, 50, 75, 99] {
            let found = all[percent * POINTS / 100];
            assert!(found.abs_diff(percent as u32 * 100) <= 1, "{percent}: {found}");
        }
        // Counts beyond 64 bits together are counts all the same.
        let all = values(Leg::counted(&[(1, u64::MAX), (2, u64::MAX)], Nanos::ZERO).unwrap());
        assert_eq!((all.len(), all.iter().filter(|v| **v == 1).count()), (POINTS, POINTS / 2));
    }

    #[test]
    fn a_log_normal_has_the_median_and_the_p99_that_were_asked_for() {
        let all = values(Leg::lognormal(Nanos(20_000), Nanos(90_000)).unwrap());
        assert!(all.is_sorted());
        let off = |q: f64, ns: u32| all[(POINTS as f64 * q) as usize].abs_diff(ns);
        assert!(off(0.5, 20_000) <= 2 && off(0.99, 90_000) <= 40, "{} {}", off(0.5, 0), off(0.99, 0));
        // Below the median it is as far by quotient as above it: the first of 100 at 20 us / 4.5.
        assert!(off(0.01, 4_444) <= 2, "{}", off(0.01, 0));
        let even = values(Leg::lognormal(Nanos(7), Nanos(7)).unwrap());
        assert!(even.iter().all(|v| *v == 7));
    }

    #[test]
    fn a_log_normal_that_cannot_be_is_refused() {
        assert_eq!(Leg::lognormal(Nanos(0), Nanos(9)), Err(LatencyError::Empty));
        assert_eq!(Leg::lognormal(Nanos(9), Nanos(8)), Err(LatencyError::Reversed(9, 8)));
        let tail = Leg::lognormal(Nanos(1_000), Nanos(1_000_000_000));
        assert!(matches!(tail, Err(LatencyError::Tail(ns)) if ns > 4_294_967_295), "{tail:?}");
    }
}
