//! A bounded memory of our fills by trade number, so that a trade which the venue breaks can be taken back exactly.

use model::{GatewayId, Qty};

use crate::hash::StateHash;
use crate::strategy::Fill;

/// Fills remembered. A broken trade is reported within minutes; an older one halts trading for a person to look.
const REMEMBERED: usize = 16_384;

pub(crate) struct FillMemory {
    fills: Vec<(GatewayId, Fill)>,
    next: usize,
    /// Over everything remembered and forgotten, so that hashing does not walk the memory.
    digest: StateHash,
}

impl FillMemory {
    pub(crate) fn new() -> FillMemory {
        FillMemory { fills: Vec::with_capacity(REMEMBERED), next: 0, digest: StateHash::default() }
    }

    #[inline]
    pub(crate) fn remember(&mut self, gateway: GatewayId, fill: Fill) {
        if self.fills.len() < REMEMBERED {
            self.fills.push((gateway, fill));
        } else {
            self.fills[self.next] = (gateway, fill);
        }
        self.next = (self.next + 1) % REMEMBERED;
        self.digest.word(fill.match_number);
        self.digest.word(u64::from(fill.order.0.0) << 32 | u64::from(fill.qty.0));
        self.digest.signed(fill.px.0);
    }

    /// Takes out one fill with this trade number.
    pub(crate) fn forget(&mut self, gateway: GatewayId, match_number: u64) -> Option<Fill> {
        let (_, fill) = self
            .fills
            .iter_mut()
            .find(|(g, f)| *g == gateway && f.match_number == match_number && !f.qty.is_zero())?;
        let taken = *fill;
        fill.qty = Qty::ZERO;
        self.digest.word(u64::from(taken.order.0.0));
        Some(taken)
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.word(self.digest.finish());
    }
}
