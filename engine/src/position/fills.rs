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
    /// one number; otherwise any, for a replace may have renamed the order since. Cost: a pass over the memory.
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
        let named = |m: &Remembered| {
            m.gateway == gateway && m.fill.match_number == match_number && !m.fill.qty.is_zero()
        };
        let exact = self.ring.iter().position(|m| named(m) && m.token == token);
        exact.or_else(|| self.ring.iter().position(named))
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
