//! `quoter`: one bid and one offer in each instrument, leaning against what it holds.
//!
//! The fair price is the middle of the book moved by `skew_ticks` for each `quantity` held, against the position. The quotes stand
//! `edge_ticks` from the best prices (0 joins them) but never nearer to the fair price than half a tick, and are moved when they are `requote_ticks`
//! or more from where they should be. At `max_inventory` the side that would add to the position is pulled.

use model::{InstrumentId, Px, Qty, ReportKind, Side};

use super::{Intents, ParamError, Params, Strategy, View};
use crate::book::BookChange;
use crate::instruments::InstrumentChange;
use crate::orders::{Order, OrderState};

/// The tick of US equities above one dollar, in 1e-4 USD.
const TICK: i64 = 100;

/// Two-sided quoting with inventory skew.
pub struct Quoter {
    quantity: Qty,
    edge: i64,
    skew: i64,
    requote: i64,
    max_inventory: i64,
}

impl Quoter {
    /// Where the quote of `side` should stand; `None` where there should be none.
    fn desired(&self, view: &View<'_>, id: InstrumentId, side: Side) -> Option<Px> {
        let top = view.top(id);
        let two_sided = top.bid_qty != 0 && top.ask_qty != 0 && top.bid_px < top.ask_px;
        if !view.can_trade(id) || !two_sided {
            return None;
        }
        let held = view.position(id).shares;
        if side.sign() * held >= self.max_inventory {
            return None;
        }
        let lots = held / i64::from(self.quantity.0);
        let lean = -lots * self.skew * TICK;
        // In half ticks of a price, so that the middle is exact.
        let fair = (top.bid_px.0 + top.ask_px.0) / 2 + lean;
        let px = match side {
            Side::Buy => {
                (top.bid_px.0 - self.edge * TICK + lean).min(fair - TICK / 2).min(top.ask_px.0 - TICK)
            }
            Side::Sell => {
                (top.ask_px.0 + self.edge * TICK + lean).max(fair + TICK / 2).max(top.bid_px.0 + TICK)
            }
        };
        // To a whole tick, away from the market.
        let px = match side {
            Side::Buy => px.div_euclid(TICK) * TICK,
            Side::Sell => -(-px).div_euclid(TICK) * TICK,
        };
        Some(Px(px)).filter(|p| p.is_orderable())
    }

    fn quote(&self, view: &View<'_>, id: InstrumentId, side: Side, out: &mut Intents) {
        let desired = self.desired(view, id, side);
        // A quote that has not yet moved away on the other side would be traded with: this side waits for the report of that move.
        let blocked = |px: Px| view.orders(id).any(|o| o.side != side && o.is_crossed_by(px));
        if desired.is_some_and(blocked) {
            return;
        }
        let mut mine = view.orders(id).filter(|o| o.side == side);
        match (mine.next(), desired) {
            (None, Some(px)) => match side {
                Side::Buy => out.buy(id, self.quantity, px),
                Side::Sell => out.sell(id, self.quantity, px),
            },
            (Some(o), Some(px)) if o.state() == OrderState::Live && self.is_off(o.px, px) => {
                out.replace(o.id, o.open, px);
            }
            (Some(o), None) if o.state() == OrderState::Live => out.cancel(o.id),
            _ => {}
        }
        // One quote a side: an order adopted from an earlier run may stand beside it.
        mine.filter(|o| o.state() == OrderState::Live).for_each(|o| out.cancel(o.id));
    }

    fn is_off(&self, stands: Px, should: Px) -> bool {
        (stands - should).0.abs() >= self.requote * TICK
    }

    fn both(&self, view: &View<'_>, id: InstrumentId, out: &mut Intents) {
        self.quote(view, id, Side::Buy, out);
        self.quote(view, id, Side::Sell, out);
    }
}

impl Strategy for Quoter {
    const NAME: &'static str = "quoter";

    fn new(params: &mut Params) -> Result<Quoter, ParamError> {
        let quantity = params.int("quantity", 100, 1, 999_999)?;
        Ok(Quoter {
            quantity: Qty(quantity as u32),
            edge: params.int("edge_ticks", 0, 0, 10_000)?,
            skew: params.int("skew_ticks", 1, 0, 1_000)?,
            requote: params.int("requote_ticks", 1, 1, 10_000)?,
            max_inventory: params.int("max_inventory", quantity * 5, 1, 100_000_000)?,
        })
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        if change.top_changed {
            self.both(view, change.instrument, out);
        }
    }

    fn on_order(&mut self, view: &View<'_>, order: &Order, _report: &ReportKind, out: &mut Intents) {
        self.both(view, order.instrument, out);
    }

    fn on_instrument(
        &mut self,
        view: &View<'_>,
        id: InstrumentId,
        _change: InstrumentChange,
        out: &mut Intents,
    ) {
        self.both(view, id, out);
    }
}
