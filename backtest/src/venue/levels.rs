//! Orders of ours in books of which only the levels are known: history has one order a level, as [`model::MarketEvent`]s of depth streams and of level files are.
//!
//! | it | with | because |
//! |---|---|---|
//! | rests | a trade at its price, beyond those that are believed to stand before it ([`super::queue`]) | its turn has come |
//! | rests | a trade at a worse price | who traded there would have come past it |
//! | rests | a level of the other side that comes, or grows, across it | that level would not have been |
//!
//! Shares of a level that traded with ours, as they came or as we did, are gone from it until it is gone; what it grows by is there for us: a level says its length, not whose it is.

use model::{InstrumentId, MarketBody, MarketEvent, Px, Side, VenueRef};

use super::own::better;
use super::{Floor, Said};
use engine::book::{BookChange, Books as _, FlatBooks};

impl Floor {
    /// A level of an instrument in which orders of ours rest has changed.
    pub(super) fn on_level(
        &mut self,
        books: &FlatBooks,
        ev: &MarketEvent,
        change: &BookChange,
        said: &mut Said,
    ) {
        let id = change.instrument;
        let left = |order: VenueRef| books.order(order).map_or(0, |o| o.qty.0);
        match ev.body {
            MarketBody::Add { order, .. } => {
                self.meet(id, order, change, change.qty.0, said);
            }
            MarketBody::Replace { old, new, .. } => {
                if old == new {
                    self.says(id, change.side, change.px, change.replaced_qty.0, change.qty.0);
                }
                let more = change.qty.0.saturating_sub(change.replaced_qty.0);
                self.meet(id, new, change, more, said);
            }
            MarketBody::Reduce { order, .. } | MarketBody::Delete { order } => {
                let now = left(order);
                self.says(id, change.side, change.px, now.saturating_add(change.qty.0), now);
            }
            // Where levels are told to trade by themselves.
            MarketBody::Execute { order, .. } | MarketBody::ExecuteAt { order, .. } => {
                self.trade_at(id, change.side, change.px, change.qty.0, said);
                let now = left(order);
                self.says(id, change.side, change.px, now.saturating_add(change.qty.0), now);
            }
            _ => {}
        }
    }

    fn says(&mut self, id: InstrumentId, side: Side, px: Px, before: u32, now: u32) {
        let queue = self.rules.queue;
        let at_it = |o: &&mut super::own::Own| o.side == side && o.px == px;
        for own in self.listings[id.index()].own.iter_mut().filter(at_it) {
            own.place.length(before.into(), now.into(), queue);
        }
    }

    /// A trade of so many shares that rested at a price: what is better than it trades first, then what is believed to be its turn.
    pub(super) fn trade_at(&mut self, id: InstrumentId, side: Side, px: Px, qty: u32, said: &mut Said) {
        self.make(id, qty, said, |own| {
            if own.side != side {
                0
            } else if better(side, own.px, px) {
                u32::MAX
            } else if own.px == px {
                own.place.trade(qty)
            } else {
                0
            }
        });
    }
}
