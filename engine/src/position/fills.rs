//! A bounded memory of our fills in the order in which they came, so that a trade which the venue breaks or corrects can be taken back exactly: its instrument's account
//! is made anew without it.

use model::{GatewayId, InstrumentId, Px, Qty, Token};

use super::matches::Matches;
use crate::hash::StateHash;
use crate::strategy::Fill;

/// Fills remembered. A broken trade is reported within minutes; an older one halts trading for a person to look.
pub(super) const REMEMBERED: usize = 16_384;

/// A fill, and who reported it under which token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    pub(super) gateway: GatewayId,
    token: Token,
    pub(super) fill: Fill,
}

/// See the module. A fill of no shares is void. No allocation after construction.
pub(super) struct FillMemory {
    ring: Vec<Remembered>,
    capacity: usize,
    /// Where the next one goes: behind the newest, and where it is full the oldest.
    next: usize,
    matches: Matches,
    /// Over everything remembered, forgotten and corrected, so that hashing does not walk the memory.
    digest: StateHash,
}

impl FillMemory {
    pub(super) fn new(capacity: usize) -> FillMemory {
        let (ring, matches) = (Vec::with_capacity(capacity), Matches::new(capacity));
        FillMemory { ring, capacity, next: 0, matches, digest: StateHash::default() }
    }

    /// Adds a fill; returns the one that it drives out.
    #[inline]
    pub(super) fn remember(&mut self, gateway: GatewayId, token: Token, fill: Fill) -> Option<Remembered> {
        let m = Remembered { gateway, token, fill };
        self.matches.push(gateway, fill.match_number);
        self.digest.word(fill.match_number);
        self.note(&fill);
        let at = self.next;
        self.next = (self.next + 1) % self.capacity;
        if self.ring.len() < self.capacity {
            self.ring.push(m);
            return None;
        }
        Some(std::mem::replace(&mut self.ring[at], m)).filter(|oldest| !oldest.fill.qty.is_zero())
    }

    /// Whether a fill of this trade was remembered for this token, broken since or not. Cost: one or two looks at the memory.
    #[inline]
    pub(super) fn has(&self, gateway: GatewayId, token: Token, match_number: u64) -> bool {
        self.matches.of(gateway, match_number).any(|at| {
            let m = &self.ring[at];
            m.gateway == gateway && m.token == token && m.fill.match_number == match_number
        })
    }

    fn note(&mut self, fill: &Fill) {
        self.digest.word(u64::from(fill.order.0.0) << 32 | u64::from(fill.qty.0));
        self.digest.signed(fill.px.0);
        self.digest.word(fill.liquidity.into());
    }

    /// Takes out one fill with this trade number: that of `token` where there is one, for a trade with ourselves has both sides under
    /// one number; otherwise the oldest, for a replace may have renamed the order since. Cost: as [`FillMemory::has`].
    pub(super) fn forget(&mut self, gateway: GatewayId, token: Token, match_number: u64) -> Option<Fill> {
        let at = self.find(gateway, token, match_number)?;
        let taken = self.ring[at].fill;
        self.ring[at].fill.qty = Qty::ZERO;
        self.digest.word(u64::from(taken.order.0.0));
        Some(taken)
    }

    /// Gives a fill with this trade number, found as [`FillMemory::forget`] finds it, other shares, another price and liquidity; the fill as it was and as it is. One of no
    /// shares is void. Cost: as there.
    pub(super) fn correct(
        &mut self,
        gateway: GatewayId,
        token: Token,
        match_number: u64,
        (qty, px, liquidity): (Qty, Px, u8),
    ) -> Option<(Fill, Fill)> {
        let at = self.find(gateway, token, match_number)?;
        let before = self.ring[at].fill;
        let after = Fill { qty, px, liquidity, ..before };
        self.ring[at].fill = after;
        self.note(&after);
        Some((before, after))
    }

    fn find(&self, gateway: GatewayId, token: Token, match_number: u64) -> Option<usize> {
        let (mut exact, mut oldest) = (None, None);
        // From the newest on.
        for at in self.matches.of(gateway, match_number) {
            let m = &self.ring[at];
            if m.gateway == gateway && m.fill.match_number == match_number && !m.fill.qty.is_zero() {
                oldest = Some(at);
                exact = if m.token == token { oldest } else { exact };
            }
        }
        exact.or(oldest)
    }

    /// The fills of an instrument that are remembered, oldest first. Cost: a pass over the memory.
    pub(super) fn of(&self, id: InstrumentId) -> impl Iterator<Item = &Remembered> {
        let (newer, older) = self.ring.split_at(self.next.min(self.ring.len()));
        older.iter().chain(newer).filter(move |m| m.fill.instrument == id && !m.fill.qty.is_zero())
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        h.word(self.digest.finish());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use model::Side;

    use super::*;
    use crate::orders::OrderId;

    const RING: usize = 32;

    /// The same memory, looked through from its oldest on.
    #[derive(Default)]
    struct Plain(VecDeque<(GatewayId, Token, Fill)>);

    impl Plain {
        fn find(&mut self, gateway: GatewayId, token: Token, number: u64) -> Option<&mut Fill> {
            let named = |(g, _, f): &(GatewayId, Token, Fill)| {
                *g == gateway && f.match_number == number && !f.qty.is_zero()
            };
            let exact = self.0.iter().position(|m| named(m) && m.1 == token);
            let at = exact.or_else(|| self.0.iter().position(named))?;
            Some(&mut self.0[at].2)
        }
    }

    fn draw(seed: &mut u64, below: u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % below
    }

    #[test]
    fn what_is_taken_back_is_what_a_plain_look_through_all_of_it_finds() {
        for first in 0..20 {
            let (mut seed, mut memory, mut plain) = (first, FillMemory::new(RING), Plain::default());
            let (mut renamed, mut ties) = (0, 0);
            for n in 0..4_000u32 {
                // Few of each, so that many fills have one number and some of them one token.
                let gateway = GatewayId(draw(&mut seed, 2) as u8);
                let (token, number) = (Token(draw(&mut seed, 4) as u32), draw(&mut seed, 24));
                let at = format!("seed {first}, step {n}: {gateway:?} {token:?} {number}");
                match draw(&mut seed, 8) {
                    0 => {
                        let wanted = plain.find(gateway, token, number).map(|fill| {
                            let before = *fill;
                            fill.qty = Qty::ZERO;
                            before
                        });
                        assert_eq!(memory.forget(gateway, token, number), wanted, "{at}");
                        renamed += u32::from(wanted.is_some_and(|f| f.order.0 != token));
                    }
                    1 => {
                        let now = (Qty(draw(&mut seed, 5) as u32), Px(i64::from(n)), b'R');
                        let wanted = plain.find(gateway, token, number).map(|fill| {
                            let before = *fill;
                            (fill.qty, fill.px, fill.liquidity) = now;
                            (before, *fill)
                        });
                        assert_eq!(memory.correct(gateway, token, number, now), wanted, "{at}");
                    }
                    _ => {
                        // Each is told from every other by its price.
                        let fill = Fill {
                            order: OrderId(token),
                            instrument: InstrumentId(0),
                            side: Side::Buy,
                            qty: Qty(1),
                            px: Px(i64::from(n)),
                            match_number: number,
                            liquidity: b'A',
                        };
                        let is_again =
                            plain.0.iter().any(|m| (m.0, m.1, m.2.match_number) == (gateway, token, number));
                        assert_eq!(memory.has(gateway, token, number), is_again, "{at}");
                        ties += u32::from(is_again);
                        memory.remember(gateway, token, fill);
                        plain.0.push_back((gateway, token, fill));
                        if plain.0.len() > RING {
                            plain.0.pop_front();
                        }
                    }
                }
                let kept = plain.0.iter().map(|m| m.2).filter(|f| !f.qty.is_zero());
                assert!(memory.of(InstrumentId(0)).map(|m| m.fill).eq(kept), "{at}");
            }
            assert!(renamed > 50 && ties > 200, "seed {first}: {renamed}, {ties}");
        }
    }
}
