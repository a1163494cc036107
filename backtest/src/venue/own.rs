//! An order of ours at rest, and who stands before it.

use engine::book::BookChange;
use model::{GatewayId, Px, Side, Token, VenueRef};

use super::queue::Place;

/// Whether a price of a side is better than another.
#[inline]
pub(super) fn better(side: Side, px: Px, than: Px) -> bool {
    match side {
        Side::Buy => px > than,
        Side::Sell => px < than,
    }
}

/// Whether an order of a side and a limit trades with one of the other side that rests at `px`.
#[inline]
pub(super) fn crosses(side: Side, limit: Px, px: Px) -> bool {
    match side {
        Side::Buy => px <= limit,
        Side::Sell => px >= limit,
    }
}

/// Orders of history that stood at our price when we came, and how many shares of them are left. Who is in it was there before us; nobody joins later.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead {
    /// Sorted by reference once it is sealed.
    orders: Vec<(VenueRef, u32)>,
    shares: u64,
}

impl Ahead {
    pub(super) fn join(&mut self, order: VenueRef, shares: u32) {
        self.orders.push((order, shares));
        self.shares += u64::from(shares);
    }

    /// Everybody is in.
    pub(super) fn seal(&mut self) {
        self.orders.sort_unstable();
    }

    pub(super) fn clear(&mut self) {
        self.orders.clear();
        self.shares = 0;
    }

    pub(super) fn shares(&self) -> u64 {
        self.shares
    }

    /// Shares left an order, by a trade or not; returns whether it stood before ours. O(log n).
    #[inline]
    pub(super) fn leave(&mut self, order: VenueRef, shares: u32) -> bool {
        if self.shares == 0 {
            return false;
        }
        let Ok(at) = self.orders.binary_search_by_key(&order, |(r, _)| *r) else { return false };
        let left = &mut self.orders[at].1;
        let gone = shares.min(*left);
        *left -= gone;
        self.shares -= u64::from(gone);
        gone != 0
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) gateway: GatewayId,
    pub(super) token: Token,
    /// The venue's number.
    pub(super) order: VenueRef,
    pub(super) side: Side,
    pub(super) px: Px,
    pub(super) open: u32,
    /// Shares of the chain that traded.
    pub(super) spent: u32,
    pub(super) ahead: Ahead,
    /// The same where history has levels alone.
    pub(super) place: Place,
}

impl Own {
    pub(super) fn new(
        gateway: GatewayId,
        token: Token,
        order: VenueRef,
        side: Side,
        px: Px,
        open: u32,
    ) -> Own {
        Own {
            gateway,
            token,
            order,
            side,
            px,
            open,
            spent: 0,
            ahead: Ahead::default(),
            place: Place::default(),
        }
    }

    /// Whether a change of its book may move it in its queue or fill it: most are at other prices, and this is all that is asked of them.
    #[inline]
    pub(super) fn is_concerned(&self, change: &BookChange) -> bool {
        // Without a branch: sides come as they like.
        let same = self.side == change.side;
        let at_it = (self.px == change.px) | (self.px == change.replaced_px);
        let past_it = change.traded.is_some() & better(self.side, self.px, change.px);
        (same & (at_it | past_it)) | (!same & crosses(self.side, self.px, change.px))
    }
}
