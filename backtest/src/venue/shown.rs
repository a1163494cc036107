//! What the feed shows of history where it shows what we do: less, by the shares that were ours.

use engine::book::BookChange;
use model::{InstrumentId, MarketBody, MarketEvent, Qty, VenueRef};

use super::{Floor, Said};

impl Floor {
    /// The feed shows less of a message of history, for `filled` shares of it were ours.
    pub(super) fn show_less(&mut self, ev: &MarketEvent, change: &BookChange, filled: u32, said: &mut Said) {
        let mut show = |body| said.events.push(MarketEvent { instrument: change.instrument, body, ..*ev });
        let rest = Qty(change.qty.0 - filled);
        match ev.body {
            // What comes in trades with ours at once, and rests with what is left.
            MarketBody::Add { order, px, side, mpid, .. } => {
                if !rest.is_zero() {
                    show(MarketBody::Add { order, px, qty: rest, side, mpid });
                }
                self.lose(order, filled);
            }
            MarketBody::Replace { old, new, px, .. } => {
                show(match rest {
                    Qty::ZERO => MarketBody::Delete { order: old },
                    qty => MarketBody::Replace { old, new, qty, px },
                });
                self.lose(new, filled);
            }
            // What we traded instead of an order of history is gone from it all the same: history will not trade it again.
            MarketBody::Execute { order, match_number, .. } => {
                if !rest.is_zero() {
                    show(MarketBody::Execute { order, qty: rest, match_number });
                }
                show(MarketBody::Reduce { order, qty: Qty(filled) });
            }
            MarketBody::ExecuteAt { order, match_number, px, printable, .. } => {
                if !rest.is_zero() {
                    show(MarketBody::ExecuteAt { order, qty: rest, match_number, px, printable });
                }
                show(MarketBody::Reduce { order, qty: Qty(filled) });
            }
            _ => {}
        }
    }

    /// Shares of an order of history are gone that history does not know of.
    fn lose(&mut self, order: VenueRef, qty: u32) {
        self.missing.add(order, qty);
        let body = MarketBody::Reduce { order, qty: Qty(qty) };
        self.lost.push(MarketEvent { ts_event: self.now, instrument: InstrumentId(0), body });
    }
}
