//! A bounded memory of our fills by trade number, so that a trade which the venue breaks or corrects can be taken back exactly.

use model::{GatewayId, Px, Qty, Token};

use crate::hash::StateHash;
use crate::strategy::Fill;

/// Fills remembered. A broken trade is reported within minutes; an older one halts trading for a person to look.
const REMEMBERED: usize = 16_384;

struct Memory {
    gateway: GatewayId,
    /// The token that the venue named.
    token: Token,
    fill: Fill,
}

pub(crate) struct FillMemory {
    fills: Vec<Memory>,
    next: usize,
    /// Over everything remembered and forgotten, so that hashing does not walk the memory.
    digest: StateHash,
}

impl FillMemory {
    pub(crate) fn new() -> FillMemory {
        FillMemory { fills: Vec::with_capacity(REMEMBERED), next: 0, digest: StateHash::default() }
    }

    #[inline]
    pub(crate) fn remember(&mut self, gateway: GatewayId, token: Token, fill: Fill) {
        let m = Memory { gateway, token, fill };
        if self.fills.len() < REMEMBERED {
            self.fills.push(m);
        } else {
            self.fills[self.next] = m;
        }
        self.next = (self.next + 1) % REMEMBERED;
        self.digest.word(fill.match_number);
        self.digest.word(u64::from(fill.order.0.0) << 32 | u64::from(fill.qty.0));
        self.digest.signed(fill.px.0);
    }

    /// Takes out one fill with this trade number: that of `token` where there is one, for a trade with ourselves has both sides under
    /// one number; otherwise any, for a replace may have renamed the order since. Cost: a pass over the memory.
    pub(crate) fn forget(&mut self, gateway: GatewayId, token: Token, match_number: u64) -> Option<Fill> {
        let at = self.find(gateway, token, match_number)?;
        let taken = self.fills[at].fill;
        self.fills[at].fill.qty = Qty::ZERO;
        self.digest.word(u64::from(taken.order.0.0));
        Some(taken)
    }

    /// Gives a fill with this trade number, found as [`FillMemory::forget`] finds it, other shares and another price; the fill as it was and as it is. One of no
    /// shares is void. Cost: as there.
    pub(crate) fn correct(
        &mut self,
        gateway: GatewayId,
        token: Token,
        match_number: u64,
        (qty, px): (Qty, Px),
    ) -> Option<(Fill, Fill)> {
        let at = self.find(gateway, token, match_number)?;
        let before = self.fills[at].fill;
        self.fills[at].fill = Fill { qty, px, ..before };
        self.digest.word(u64::from(before.order.0.0) << 32 | u64::from(qty.0));
        self.digest.signed(px.0);
        Some((before, self.fills[at].fill))
    }

    fn find(&self, gateway: GatewayId, token: Token, match_number: u64) -> Option<usize> {
        let named =
            |m: &Memory| m.gateway == gateway && m.fill.match_number == match_number && !m.fill.qty.is_zero();
        let exact = self.fills.iter().position(|m| named(m) && m.token == token);
        exact.or_else(|| self.fills.iter().position(named))
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.word(self.digest.finish());
    }
}
