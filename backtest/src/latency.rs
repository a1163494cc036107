//! How long things take: the three legs between a venue and a strategy.
//!
//! ```text
//!   venue --feed--> strategy --order--> venue --report--> strategy        each leg >= 0 ns, in order: nothing overtakes what left before it
//! ```
//!
//! A leg is what lies between the venue's own stamp and the moment at which the other side acts on it: wire, network, kernel, decoding, queues. It is never
//! negative, whatever clocks say.

mod quantiles;

use model::Nanos;

/// How long one leg takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leg {
    /// Always the same.
    Fixed(Nanos),
    /// Anything from the first to the second, each as likely.
    Uniform(Nanos, Nanos),
    /// Each of these as likely: from receipts or a histogram of a core, or a named distribution (`quantiles.rs`).
    Measured(Box<[u32]>),
}

impl Default for Leg {
    fn default() -> Leg {
        Leg::Fixed(Nanos::ZERO)
    }
}

/// The three legs, and where chance begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From the venue's stamp of a message to the strategy's input.
    pub feed: Leg,
    /// From the strategy's input to the venue's book.
    pub order: Leg,
    /// From the venue's stamp of a report to the strategy's input.
    pub report: Leg,
    /// Of what is drawn.
    pub seed: u64,
}

/// Legs that nobody can draw from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// The least is above the most.
    #[error("least_ns {0} is above most_ns {1}")]
    Reversed(u64, u64),
    /// Nothing was measured.
    #[error("no measured latency")]
    Empty,
    /// An hour and more is no latency.
    #[error("{0} ns is more than an hour")]
    TooLong(u64),
    /// A distribution whose tail is longer than what can be drawn.
    #[error("one draw of 65536 would be of {0} ns: more than 4 s")]
    Tail(u64),
}

/// Longest leg: an hour.
const LONGEST: u64 = 3_600_000_000_000;

impl Leg {
    /// Whether it can be drawn from.
    ///
    /// # Errors
    /// [`LatencyError`].
    pub fn check(&self) -> Result<(), LatencyError> {
        match self {
            Leg::Fixed(Nanos(ns)) | Leg::Uniform(_, Nanos(ns)) if *ns > LONGEST => {
                Err(LatencyError::TooLong(*ns))
            }
            Leg::Uniform(least, most) if least > most => Err(LatencyError::Reversed(least.0, most.0)),
            Leg::Measured(all) if all.is_empty() => Err(LatencyError::Empty),
            _ => Ok(()),
        }
    }
}

impl Latency {
    /// What the feed leg always takes, where it always takes the same and no report takes less: what the venue says of a message is then never at the strategy before the
    /// message is.
    pub(crate) fn lag(&self) -> Option<Nanos> {
        let least = match &self.report {
            Leg::Fixed(takes) | Leg::Uniform(takes, _) => takes.0,
            Leg::Measured(all) => all.iter().min().copied().unwrap_or(0).into(),
        };
        match self.feed {
            Leg::Fixed(lag) if lag.0 <= least => Some(lag),
            _ => None,
        }
    }
}

/// One leg in use: draws, and lets nothing overtake.
#[derive(Debug)]
pub struct Way {
    leg: Leg,
    state: u64,
    last: Nanos,
}

impl Way {
    /// Of a leg; `number` sets the draws of one leg apart from those of another.
    #[must_use]
    pub fn new(leg: &Leg, seed: u64, number: u64) -> Way {
        Way { leg: leg.clone(), state: mix(seed ^ mix(number)), last: Nanos::ZERO }
    }

    /// When what leaves at `at` arrives.
    #[inline]
    pub fn arrival(&mut self, at: Nanos) -> Nanos {
        let takes = match &self.leg {
            Leg::Fixed(takes) => *takes,
            Leg::Uniform(least, most) => Nanos(least.0 + below(&mut self.state, most.0 - least.0 + 1)),
            Leg::Measured(all) => Nanos(all[below(&mut self.state, all.len() as u64) as usize].into()),
        };
        self.last = self.last.max(at.after(takes));
        self.last
    }
}

/// A draw from 0 to `n`, exclusive: the upper half of a product of 128 bits, as even as 64 bits can be (Lemire 2019, without the rejection).
fn below(state: &mut u64, n: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    ((u128::from(mix(*state)) * u128::from(n)) >> 64) as u64
}

/// SplitMix64's finaliser.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(leg: Leg, seed: u64) -> Vec<u64> {
        let mut way = Way::new(&leg, seed, 1);
        (0..2_000u64).map(|k| way.arrival(Nanos(k * 1_000)).0).collect()
    }

    #[test]
    fn nothing_overtakes_and_nothing_arrives_before_it_left() {
        let measured = Leg::Measured([5, 90_000, 7].into());
        for leg in [Leg::Fixed(Nanos(77)), Leg::Uniform(Nanos(10), Nanos(9_000)), measured] {
            leg.check().unwrap();
            let all = arrivals(leg, 3);
            assert!(all.is_sorted());
            assert!(all.iter().enumerate().all(|(k, at)| *at >= k as u64 * 1_000));
        }
        assert_eq!(arrivals(Leg::Fixed(Nanos(77)), 1)[9], 9_077);
    }

    #[test]
    fn a_draw_is_between_its_ends_and_of_its_seed() {
        let leg = Leg::Uniform(Nanos(10), Nanos(19));
        let all = arrivals(leg.clone(), 3);
        let takes: Vec<_> = all.iter().enumerate().map(|(k, at)| at - k as u64 * 1_000).collect();
        assert!(takes.iter().all(|t| (10..20).contains(t)));
        assert!((10..20).all(|t| takes.contains(&t)), "both ends and all between");
        assert_eq!(all, arrivals(leg.clone(), 3));
        assert_ne!(all, arrivals(leg, 4));
    }

    #[test]
    fn what_cannot_be_drawn_from_is_refused() {
        assert_eq!(Leg::Uniform(Nanos(2), Nanos(1)).check(), Err(LatencyError::Reversed(2, 1)));
        assert_eq!(Leg::Measured([].into()).check(), Err(LatencyError::Empty));
        assert_eq!(Leg::Fixed(Nanos(LONGEST + 1)).check(), Err(LatencyError::TooLong(LONGEST + 1)));
        assert_eq!(Leg::Fixed(Nanos(LONGEST)).check(), Ok(()));
    }
}
