//! Shares of orders of history that traded with ours, and what becomes of history's words about these orders.

use std::collections::HashMap;

use model::{MarketBody, MarketEvent, Qty, VenueRef};

/// By reference, the shares that history still counts and that are ours. Only ever looked up: no result hangs on its order.
#[derive(Debug, Default)]
pub(super) struct Missing(HashMap<VenueRef, u32>);

impl Missing {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn of(&self, order: VenueRef) -> u32 {
        self.0.get(&order).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, order: VenueRef, shares: u32) {
        *self.0.entry(order).or_default() += shares;
    }

    fn set(&mut self, order: VenueRef, shares: u32) {
        match shares {
            0 => self.0.remove(&order),
            shares => self.0.insert(order, shares),
        };
    }

    /// History goes on as it was: behind a message, no more is missing of an order than is `left` of it.
    pub(super) fn follow(&mut self, ev: &MarketEvent, left: impl Fn(VenueRef) -> u32) {
        let (order, goes_on) = match ev.body {
            MarketBody::Execute { order, .. }
            | MarketBody::ExecuteAt { order, .. }
            | MarketBody::Reduce { order, .. }
            | MarketBody::Delete { order } => (order, None),
            // Its shares go on under another number, those that we took among them.
            MarketBody::Replace { old, new, .. } => (old, Some(new)),
            _ => return,
        };
        let Some(missing) = self.0.get(&order).copied() else { return };
        match goes_on {
            Some(new) => {
                self.set(order, 0);
                self.set(new, missing.min(left(new)));
            }
            None => self.set(order, missing.min(left(order))),
        }
    }

    /// Our books lack what we took: what a message of history leaves to be said there, or nothing. `here` is what these books have of an order.
    pub(super) fn cut(&mut self, ev: &MarketEvent, here: impl Fn(VenueRef) -> u32) -> Option<MarketEvent> {
        let with = |body| Some(MarketEvent { body, ..*ev });
        let order = match ev.body {
            MarketBody::Execute { order, .. }
            | MarketBody::ExecuteAt { order, .. }
            | MarketBody::Reduce { order, .. }
            | MarketBody::Delete { order } => order,
            MarketBody::Replace { old, .. } => old,
            _ => return Some(*ev),
        };
        let Some(missing) = self.0.get(&order).copied() else { return Some(*ev) };
        let here = here(order);
        let mut take = |qty: Qty| {
            let gone = qty.0.min(here);
            // Of what history counts, `here + missing`, so many shares are left.
            let left = (here + missing).saturating_sub(qty.0);
            self.set(order, left.saturating_sub(here - gone));
            (gone != 0).then_some(Qty(gone))
        };
        match ev.body {
            MarketBody::Execute { qty, match_number, .. } => {
                with(MarketBody::Execute { order, qty: take(qty)?, match_number })
            }
            MarketBody::ExecuteAt { qty, match_number, px, printable, .. } => {
                with(MarketBody::ExecuteAt { order, qty: take(qty)?, match_number, px, printable })
            }
            MarketBody::Reduce { qty, .. } => with(MarketBody::Reduce { order, qty: take(qty)? }),
            MarketBody::Delete { .. } => {
                self.set(order, 0);
                (here != 0).then_some(*ev)
            }
            MarketBody::Replace { old, new, qty, px } => {
                self.set(old, 0);
                // An order of which nothing was left could not have been replaced: what follows it never was.
                let rests = if here == 0 { 0 } else { qty.0.saturating_sub(missing) };
                self.set(new, qty.0 - rests);
                match (here, rests) {
                    (0, _) => None,
                    (_, 0) => with(MarketBody::Delete { order: old }),
                    _ => with(MarketBody::Replace { old, new, qty: Qty(rests), px }),
                }
            }
            _ => Some(*ev),
        }
    }
}
