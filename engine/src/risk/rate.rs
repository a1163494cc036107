//! Counting messages: an exact rolling window, and a memory of recent new orders.

use model::{InstrumentId, Nanos, Px, Qty, Side};

use crate::hash::StateHash;
use crate::limits::DUPLICATE_MEMORY;

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

/// The last few new orders, to refuse the same one again within a window (FIA "duplicate message"; Everbright 2013 sent its orders anew when
/// no answer came).
pub(super) struct Recent {
    orders: [(Nanos, Key); DUPLICATE_MEMORY],
    next: usize,
}

/// What makes two new orders the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) px: Px,
    pub(super) qty: Qty,
}

const NO_ORDER: Key = Key { instrument: InstrumentId(0), side: Side::Buy, px: Px::ZERO, qty: Qty::ZERO };

impl Recent {
    pub(super) fn new() -> Recent {
        Recent { orders: [(Nanos::ZERO, NO_ORDER); DUPLICATE_MEMORY], next: 0 }
    }

    #[inline]
    pub(super) fn holds(&self, key: &Key, now: Nanos, window: Nanos) -> bool {
        self.orders.iter().any(|(at, k)| k == key && now.since(*at).0 < window.0)
    }

    #[inline]
    pub(super) fn remember(&mut self, key: Key, now: Nanos) {
        self.orders[self.next] = (now, key);
        self.next = (self.next + 1) % DUPLICATE_MEMORY;
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        h.word(self.next as u64);
        for (at, k) in &self.orders {
            h.word(at.0);
            h.word(u64::from(k.instrument.0) << 40 | (k.side as u64) << 32 | u64::from(k.qty.0));
            h.signed(k.px.0);
        }
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

    #[test]
    fn the_same_order_twice_is_seen_within_the_window() {
        let mut r = Recent::new();
        let key = Key { instrument: InstrumentId(1), side: Side::Sell, px: Px(5), qty: Qty(1) };
        r.remember(key, Nanos(100));
        assert!(r.holds(&key, Nanos(109), Nanos(10)));
        assert!(!r.holds(&key, Nanos(110), Nanos(10)));
        assert!(!r.holds(&Key { px: Px(6), ..key }, Nanos(101), Nanos(10)));
        for i in 0..DUPLICATE_MEMORY as u32 {
            r.remember(Key { qty: Qty(100 + i), ..key }, Nanos(101));
        }
        assert!(!r.holds(&key, Nanos(102), Nanos(10)), "the memory is bounded");
    }
}
