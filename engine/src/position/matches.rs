//! From a trade's number to the fills that are remembered under it: chains through the ring in which they stand, each from its newest to its oldest. What the ring has
//! driven out ends a chain, so nothing is ever taken out of one.

use model::GatewayId;

use crate::hash::StateHash;

/// No allocation after construction.
pub(super) struct Matches {
    /// The newest of each chain, by its running number.
    heads: Box<[u32]>,
    /// By place in the ring: the one before in its chain.
    earlier: Box<[u32]>,
    /// The running number of the next one. It begins so far on that 0, which is nobody's, is older than any that is remembered.
    next: u32,
}

impl Matches {
    /// For a ring of `capacity` places, which has to divide 2^32 or never come to so many fills.
    pub(super) fn new(capacity: usize) -> Matches {
        let heads = (capacity * 2).next_power_of_two();
        Matches {
            heads: vec![0; heads].into_boxed_slice(),
            earlier: vec![0; capacity].into_boxed_slice(),
            next: 2 * capacity as u32,
        }
    }

    fn home(&self, gateway: GatewayId, match_number: u64) -> usize {
        let mut h = StateHash::default();
        h.word(match_number ^ (gateway.index() as u64) << 48);
        h.finish() as usize & (self.heads.len() - 1)
    }

    /// Notes the fill that takes the ring's next place.
    pub(super) fn push(&mut self, gateway: GatewayId, match_number: u64) {
        let home = self.home(gateway, match_number);
        let place = self.next as usize % self.earlier.len();
        self.earlier[place] = std::mem::replace(&mut self.heads[home], self.next);
        self.next = self.next.wrapping_add(1);
    }

    /// Places in the ring that may hold fills of this number, newest first; others of the same chain are among them. Cost: one or two steps on average.
    pub(super) fn of(&self, gateway: GatewayId, match_number: u64) -> impl Iterator<Item = usize> {
        let mut number = self.heads[self.home(gateway, match_number)];
        std::iter::from_fn(move || {
            let age = self.next.wrapping_sub(number) as usize;
            if age > self.earlier.len() {
                return None;
            }
            let place = number as usize % self.earlier.len();
            number = self.earlier[place];
            Some(place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_ring_still_has_is_found_and_nothing_else_comes_back() {
        let (ring, gateway) = (64u64, GatewayId(1));
        let mut m = Matches::new(ring as usize);
        assert_eq!(m.of(gateway, 0).count(), 0);
        for n in 0..10_000u64 {
            // Each number twice, one behind the other.
            m.push(gateway, n / 2);
            let place = (n % ring) as usize;
            let found: Vec<usize> = m.of(gateway, n / 2).collect();
            assert_eq!(found[0], place, "the newest first");
            let before = (n + ring - 1) % ring;
            assert!(n % 2 == 0 || found[1] as u64 == before, "and the one before it");
            assert!(found.len() <= 12, "{n}: {found:?}");
            let oldest = (n + 1).saturating_sub(ring);
            assert!(m.of(gateway, oldest / 2).any(|p| p as u64 == oldest % ring), "{n}: still there");
        }
    }
}
