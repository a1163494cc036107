//! Counting messages in an exact rolling window.

use model::Nanos;

use crate::hash::StateHash;

/// At most `limit` messages in any span of one second: the time of each of the last `limit` messages is kept, and another may go when
/// the oldest of them is a full second old. Exact, unlike a counter reset on the second.
pub(super) struct RollingWindow {
    sent: Box<[Nanos]>,
    next: usize,
    filled: bool,
    /// Over every time counted, so that hashing does not walk the window.
    digest: StateHash,
}

const SECOND: u64 = 1_000_000_000;

impl RollingWindow {
    pub(super) fn new(limit: u32) -> RollingWindow {
        RollingWindow {
            sent: vec![Nanos::ZERO; limit as usize].into_boxed_slice(),
            next: 0,
            filled: false,
            digest: StateHash::default(),
        }
    }

    #[inline]
    pub(super) fn has_room(&self, now: Nanos) -> bool {
        match self.sent.get(self.next) {
            None => false, // a limit of zero
            Some(oldest) => !self.filled || now.since(*oldest).0 >= SECOND,
        }
    }

    /// Counts one message; one that was not asked for room (a cancel) counts too.
    #[inline]
    pub(super) fn count(&mut self, now: Nanos) {
        if let Some(at) = self.sent.get_mut(self.next) {
            *at = now;
            self.digest.word(now.0);
            self.next += 1;
            if self.next == self.sent.len() {
                self.next = 0;
                self.filled = true;
            }
        }
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        h.word(self.digest.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_of_a_second_holds_more_than_the_limit() {
        let mut w = RollingWindow::new(3);
        let mut sent: Vec<u64> = Vec::new();
        let mut x = 7u64;
        let mut now = 0u64;
        for _ in 0..20_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            now += (x >> 33) % 400_000_000;
            let naive = sent.iter().filter(|t| now - **t < SECOND).count() < 3;
            assert_eq!(w.has_room(Nanos(now)), naive);
            if naive {
                w.count(Nanos(now));
                sent.push(now);
            }
        }
        assert!(sent.len() > 1_000);
        assert!(!RollingWindow::new(0).has_room(Nanos(5 * SECOND)));
    }
}
