//! The venue's time: what a signed request is stamped with.
//!
//! The venue refuses a request whose stamp is more than its window behind, or more than a second ahead of its own clock. So the stamp is the *earliest* that the
//! venue's clock may show: how long its answer travelled is not known, and a stamp of the future is refused at once while one a little old is not.

use model::Nanos;

/// What is known of the venue's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueClock {
    /// The venue's clock less ours at the least, ms.
    offset_ms: i64,
}

impl VenueClock {
    /// From an answer that says `server_ms` and was heard at `received`: the venue's clock shows that or more by then.
    #[must_use]
    pub fn heard(received: Nanos, server_ms: u64) -> VenueClock {
        VenueClock { offset_ms: ms(server_ms) - ms(received.0 / 1_000_000) }
    }

    /// The stamp of a request that is made now, ms since the Unix epoch.
    #[must_use]
    pub fn stamp(&self, now: Nanos) -> u64 {
        ms(now.0 / 1_000_000).saturating_add(self.offset_ms).max(0).unsigned_abs()
    }
}

fn ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX / 2).min(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_never_ahead_of_the_venue() {
        // Ours is at 10,000 ms when we hear what the venue said 40 ms ago; the venue is 500 ms ahead of us.
        let clock = VenueClock::heard(Nanos::from_millis(10_000), 10_460);
        assert_eq!(clock.stamp(Nanos::from_millis(11_000)), 11_460);
        // And one behind us, further than time goes back.
        let clock = VenueClock::heard(Nanos::from_millis(10_000), 400);
        assert_eq!(clock.stamp(Nanos::from_millis(10_005)), 405);
        assert_eq!(clock.stamp(Nanos::ZERO), 0);
        let far = VenueClock::heard(Nanos(u64::MAX), u64::MAX);
        assert!(far.stamp(Nanos(u64::MAX)) > 0);
    }
}
