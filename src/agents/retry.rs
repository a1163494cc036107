//! How long an agent waits before it connects again.

use model::Nanos;

/// The first wait.
pub(in crate::agents) const LEAST: Nanos = Nanos::from_millis(50);
/// The longest one.
pub(in crate::agents) const MOST: Nanos = Nanos::from_millis(5_000);

/// Twice as long each time, from [`LEAST`] up to [`MOST`], and up to a quarter more.
pub(in crate::agents) struct Retry {
    next: Nanos,
}

impl Retry {
    pub(in crate::agents) fn new() -> Retry {
        Retry { next: LEAST }
    }

    /// A connection came to nothing at `now`: when the next may be tried.
    pub(in crate::agents) fn after(&mut self, now: Nanos) -> Nanos {
        let wait = with_jitter(self.next, now);
        self.next = Nanos((self.next.0 * 2).min(MOST.0));
        now.after(wait)
    }

    /// The counterparty is well: the next wait is the least.
    pub(in crate::agents) fn reset(&mut self) {
        self.next = LEAST;
    }

    /// Asking again soon cannot help: the next wait is the longest.
    pub(in crate::agents) fn take_long(&mut self) {
        self.next = MOST;
    }
}

/// `wait` and up to a quarter more, so that a room full of clients does not come back in step. The clock's last digits decide, but not as they are: in a room whose
/// clocks agree, clients that lose their lines at one stroke read nearly the same time, and its remainder would be nearly the same wait.
fn with_jitter(wait: Nanos, now: Nanos) -> Nanos {
    // The finaliser of SplitMix64: a nanosecond's difference moves every bit.
    let mut z = now.0 ^ (now.0 >> 30);
    z = z.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    Nanos(wait.0 + (z ^ (z >> 31)) % (wait.0 / 4).max(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_waits_twice_as_long_each_time_up_to_a_limit() {
        let now = Nanos(1_000_000_007);
        let mut retry = Retry::new();
        let mut least = LEAST.0;
        for n in 0..12 {
            let wait = retry.after(now).since(now).0;
            assert!(
                (least..=least + least / 4).contains(&wait),
                "{wait} ns after {n} others, at least {least}"
            );
            least = (2 * least).min(MOST.0);
        }
        assert_eq!(least, MOST.0);
        retry.reset();
        assert!(retry.after(now).since(now).0 <= LEAST.0 + LEAST.0 / 4);
        retry.take_long();
        assert!(retry.after(now).since(now).0 >= MOST.0);
    }

    #[test]
    fn clients_whose_clocks_agree_do_not_come_back_in_step() {
        // A hundred that see the end of their lines within a microsecond.
        let waits: BTreeSet<u64> = (0..100)
            .map(|n| with_jitter(LEAST, Nanos(1_700_000_000_000_000_000 + 10 * n)).0 / 1_000_000)
            .collect();
        assert!(waits.len() >= 10, "milliseconds: {waits:?}");
        assert!(waits.iter().all(|ms| (50..=62).contains(ms)), "{waits:?}");
    }
}
