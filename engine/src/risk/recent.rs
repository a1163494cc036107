//! The memory of recent new orders, to refuse the same one again within a window (FIA "duplicate message"; Everbright 2013 sent its orders anew when no
//! answer came).
//!
//! ```text
//!   heads: hash of a key -> newest order of that bucket        ring: the last orders, by number; each names the one before it in its bucket
//! ```
//!
//! The ring holds as many orders as the message rate lets pass in the window, so one that is overwritten is out of the window. A look walks one bucket from its
//! newest order to the first that is too old: within the window all of them differ, and there are twice as many buckets as orders.

use model::{InstrumentId, Nanos, Px, Qty, Side};

use super::RiskLimits;
use crate::hash::StateHash;

/// What makes two new orders the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) px: Px,
    pub(super) qty: Qty,
}

impl Key {
    /// The key and its hash, for those that need it more than once. The price is below 2^32, so that no two keys mix the same word by construction alone.
    #[inline]
    pub(super) fn hashed(self) -> Hashed {
        let side = u64::from(self.side == Side::Sell);
        let word = u64::from(self.instrument.0) << 40 | side << 32 | u64::from(self.qty.0);
        let mut h = StateHash::default();
        h.word(word.wrapping_add(self.px.0.cast_unsigned().rotate_right(20)));
        Hashed { key: self, hash: h.finish() }
    }
}

/// A key with its hash.
#[derive(Clone, Copy)]
pub(super) struct Hashed {
    key: Key,
    hash: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    key: Key,
    at: Nanos,
    /// The number of the order before it in its bucket.
    before: u64,
}

/// See the module. Numbers of orders begin at 1; 0 is none.
pub(super) struct Recent {
    window: Nanos,
    ring: Box<[Entry]>,
    heads: Box<[u64]>,
    last: u64,
    /// Over every order remembered, so that hashing does not walk the ring.
    digest: StateHash,
}

impl Recent {
    /// For limits that [`RiskLimits::check`] has passed. Allocates.
    pub(super) fn new(limits: &RiskLimits) -> Recent {
        let key = Key { instrument: InstrumentId(0), side: Side::Buy, px: Px::ZERO, qty: Qty::ZERO };
        let orders = limits.orders_in_duplicate_window().max(1).next_power_of_two() as usize;
        Recent {
            window: limits.duplicate_window,
            ring: vec![Entry { key, at: Nanos::ZERO, before: 0 }; orders].into_boxed_slice(),
            heads: vec![0; orders * 2].into_boxed_slice(),
            last: 0,
            digest: StateHash::default(),
        }
    }

    #[inline]
    fn bucket(&self, of: Hashed) -> usize {
        of.hash as usize & (self.heads.len() - 1)
    }

    /// Where to look for one like it: the last that fell into its place, 0 for none.
    #[inline(always)]
    pub(super) fn last_alike(&self, of: Hashed) -> u64 {
        self.heads[self.bucket(of)]
    }

    #[inline(always)]
    pub(super) fn holds(&self, of: Hashed, last_alike: u64, now: Nanos) -> bool {
        let mut number = last_alike;
        // What was overwritten is older than all that is there, and so is what it names.
        while number != 0 && self.last - number < self.ring.len() as u64 {
            let e = &self.ring[number as usize & (self.ring.len() - 1)];
            if now.since(e.at) >= self.window {
                return false;
            }
            if e.key == of.key {
                return true;
            }
            number = e.before;
        }
        false
    }

    #[inline(always)]
    pub(super) fn remember(&mut self, of: Hashed, now: Nanos) {
        let bucket = self.bucket(of);
        self.last += 1;
        let before = std::mem::replace(&mut self.heads[bucket], self.last);
        let at = self.last as usize & (self.ring.len() - 1);
        self.ring[at] = Entry { key: of.key, at: now, before };
        self.digest.word(now.0.wrapping_add(of.hash));
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        h.word(self.digest.finish());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;

    fn holds(r: &Recent, key: Key, now: Nanos) -> bool {
        r.holds(key.hashed(), r.last_alike(key.hashed()), now)
    }

    /// Room for `orders` of 1 s.
    fn recent(orders: u32, window: Nanos) -> Recent {
        let limits =
            RiskLimits { max_messages_per_second: orders, duplicate_window: window, ..RiskLimits::default() };
        Recent::new(&limits)
    }

    #[test]
    fn what_went_and_when_is_of_the_state() {
        let of = |orders: &[(i64, u64)]| {
            let mut r = recent(100, Nanos(10));
            for (px, now) in orders {
                let key = Key { instrument: InstrumentId(1), side: Side::Sell, px: Px(*px), qty: Qty(1) };
                r.remember(key.hashed(), Nanos(*now));
            }
            r
        };
        let states = [of(&[]), of(&[(5, 7)]), of(&[(6, 7)]), of(&[(5, 8)]), of(&[(5, 7), (5, 7)])];
        all_differ(&states, Recent::absorb);
    }

    /// A look walks one bucket: keys that differ in anything have other hashes, and are spread over all of them.
    #[test]
    fn keys_are_spread_over_the_buckets() {
        let mut r = recent(2_000, Nanos::from_millis(1_000));
        let (mut hashes, mut buckets) =
            (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for n in 0..2_048u32 {
            let key = Key {
                instrument: InstrumentId((n & 7) as u16),
                side: if n & 8 == 0 { Side::Buy } else { Side::Sell },
                px: Px(i64::from(n >> 4 & 15) * 100),
                qty: Qty(100 << (n >> 8)),
            };
            hashes.insert(key.hashed().hash);
            buckets.insert(r.bucket(key.hashed()));
            r.remember(key.hashed(), Nanos(1));
        }
        assert_eq!(hashes.len(), 2_048);
        // By chance alone 4,096 * (1 - e^-0.5) = 1,612 of 4,096 are met.
        assert!(r.heads.len() == 4_096 && buckets.len() > 1_500, "{} of {}", buckets.len(), r.heads.len());
    }

    /// Where more go than the limits let pass, the ring comes round to what the newest order has overwritten: a look ends there.
    #[test]
    fn a_look_ends_where_the_ring_comes_round() {
        let mut r = recent(1, Nanos::from_millis(1_000));
        let of = |px| Key { instrument: InstrumentId(1), side: Side::Sell, px: Px(px), qty: Qty(1) }.hashed();
        let bucket = r.bucket(of(1));
        let mut alike = (1..).map(of).filter(|k| r.bucket(*k) == bucket);
        let (same, other) = (alike.next().unwrap(), alike.next().unwrap());
        drop(alike);
        for n in 0..3 * r.ring.len() as u64 {
            r.remember(same, Nanos(n));
        }
        assert!(!r.holds(other, r.last_alike(other), Nanos(20)));
        assert!(r.holds(same, r.last_alike(same), Nanos(20)));
    }

    #[test]
    fn the_same_order_twice_is_seen_within_the_window() {
        let mut r = recent(100, Nanos(10));
        let key = Key { instrument: InstrumentId(1), side: Side::Sell, px: Px(5), qty: Qty(1) };
        assert!(!holds(&r, key, Nanos(100)));
        r.remember(key.hashed(), Nanos(100));
        assert!(holds(&r, key, Nanos(109)));
        assert!(!holds(&r, key, Nanos(110)));
        for other in [
            Key { px: Px(6), ..key },
            Key { qty: Qty(2), ..key },
            Key { side: Side::Buy, ..key },
            Key { instrument: InstrumentId(2), ..key },
        ] {
            assert!(!holds(&r, other, Nanos(101)));
        }
        assert!(!holds(&recent(100, Nanos(0)), key, Nanos(0)));
    }

    /// Against a list of all orders, at the highest rate that the limits let pass, over windows that hold many and few.
    #[test]
    fn it_remembers_as_long_as_the_window_and_no_longer() {
        for (rate, window) in [(7, 3_500), (64, 60_000), (500, 1), (1, 999), (33, 1_001)] {
            let window = Nanos::from_millis(window);
            let (mut r, mut all) = (recent(rate, window), Vec::new());
            let (mut now, mut seen) = (Nanos(0), 0);
            for n in 0..4_000u64 {
                let mut h = StateHash::default();
                h.word(n);
                let draw = h.finish();
                let key = Key {
                    instrument: InstrumentId((draw % 3) as u16),
                    side: Side::Buy,
                    px: Px((draw >> 8 & 0xff) as i64),
                    qty: Qty((draw >> 16 & 7) as u32),
                };
                let naive = all.iter().any(|(at, k)| *k == key && now.since(*at) < window);
                assert_eq!(holds(&r, key, now), naive, "rate {rate}, window {window:?}, order {n}");
                seen += u32::from(naive);
                if !naive {
                    r.remember(key.hashed(), now);
                    all.push((now, key));
                    // The gate lets so many pass in a second, and these come in one burst.
                    if all.len() % rate as usize == 0 {
                        now.0 += 1_000_000_000;
                    }
                }
            }
            assert!(seen > 0 || window < Nanos::from_millis(1_000) || rate == 1, "rate {rate}");
        }
    }
}
