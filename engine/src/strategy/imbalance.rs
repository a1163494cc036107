//! `imbalance`: takes the offer when the bid is much the larger of the two best quantities, and the bid when the offer is.
//!
//! An order is immediate-or-cancel at the touch, no larger than what is left to `max_inventory`. After an order the instrument rests for
//! `cooldown_ms`. A position is closed at the touch in the same way once it was held for `hold_ms` since it last grew, in orders of at most
//! `quantity`, and tried again after each rest until it is gone. `threshold_pct` is the share of the larger side in both best quantities together.
//! An order of an earlier run would stand in the way and is canceled.

use model::{InstrumentId, Nanos, Qty, Side, Tif};

use super::{Fill, Intent, Intents, ParamError, Params, Strategy, View};
use crate::book::BookChange;
use crate::instruments::InstrumentChange;
use crate::orders::OrderState;

#[derive(Clone, Copy, Default)]
struct Clocks {
    rest_until: Nanos,
    /// When what is held is to be closed; `None` where nothing is held.
    close_at: Option<Nanos>,
}

/// Taking on book imbalance.
pub struct Imbalance {
    quantity: Qty,
    threshold_pct: u64,
    cooldown: Nanos,
    hold: Nanos,
    max_inventory: i64,
    clocks: Vec<Clocks>,
}

impl Imbalance {
    /// Takes up to `most` shares at the touch.
    fn take(&mut self, view: &View<'_>, id: InstrumentId, side: Side, most: i64, out: &mut Intents) {
        let top = view.top(id);
        let (px, there) = match side {
            Side::Buy => (top.ask_px, top.ask_qty),
            Side::Sell => (top.bid_px, top.bid_qty),
        };
        let qty = Qty(most.clamp(0, i64::from(self.quantity.0)) as u32);
        if there == 0 || qty.is_zero() {
            return;
        }
        self.clocks[id.index()].rest_until = view.now().after(self.cooldown);
        out.push(Intent::New { instrument: id, side, qty, px, tif: Tif::Ioc });
    }

    fn look(&mut self, view: &View<'_>, id: InstrumentId, out: &mut Intents) {
        let (now, clocks) = (view.now(), self.clocks[id.index()]);
        if view.orders(id).next().is_some() {
            let left = view.orders(id).filter(|o| o.adopted && o.state() == OrderState::Live);
            left.for_each(|o| out.cancel(o.id));
            return;
        }
        if !view.can_trade(id) || now < clocks.rest_until {
            return;
        }
        let held = view.position(id).shares;
        if held != 0 && clocks.close_at.is_some_and(|at| now >= at) {
            let side = if held > 0 { Side::Sell } else { Side::Buy };
            return self.take(view, id, side, held.saturating_abs(), out);
        }
        let top = view.top(id);
        let total = top.bid_qty + top.ask_qty;
        if top.bid_qty == 0 || top.ask_qty == 0 || top.bid_px >= top.ask_px {
            return;
        }
        let heavy = |q: u64| q * 100 >= total * self.threshold_pct;
        if heavy(top.bid_qty) {
            self.take(view, id, Side::Buy, self.max_inventory.saturating_sub(held), out);
        } else if heavy(top.ask_qty) {
            self.take(view, id, Side::Sell, self.max_inventory.saturating_add(held), out);
        }
    }

    /// Asks to be woken when the first position is to be closed, or may be tried again.
    fn wake(&self, now: Nanos, out: &mut Intents) {
        let due = |c: &Clocks| c.close_at.map(|at| at.max(c.rest_until)).filter(|at| *at > now);
        if let Some(at) = self.clocks.iter().filter_map(due).min() {
            out.wake_at(at);
        }
    }
}

impl Strategy for Imbalance {
    const NAME: &'static str = "imbalance";

    fn new(params: &mut Params) -> Result<Imbalance, ParamError> {
        let quantity = params.int("quantity", 100, 1, 999_999)?;
        Ok(Imbalance {
            quantity: Qty(quantity as u32),
            // Both sides are there, so that neither is ever all of it.
            threshold_pct: params.int("threshold_pct", 85, 51, 99)? as u64,
            cooldown: Nanos::from_millis(params.int("cooldown_ms", 100, 0, 3_600_000)? as u64),
            hold: Nanos::from_millis(params.int("hold_ms", 1_000, 0, 86_400_000)? as u64),
            max_inventory: params.int("max_inventory", quantity * 2, 1, 100_000_000)?,
            clocks: Vec::new(),
        })
    }

    fn reconfigure(&mut self, params: &mut Params) -> Result<(), ParamError> {
        let fresh = Imbalance::new(params)?;
        *self = Imbalance { clocks: core::mem::take(&mut self.clocks), ..fresh };
        Ok(())
    }

    fn on_start(&mut self, view: &View<'_>) {
        self.clocks = vec![Clocks::default(); view.instruments().len()];
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        if change.top_changed {
            self.look(view, change.instrument, out);
            self.wake(view.now(), out);
        }
    }

    fn on_fill(&mut self, view: &View<'_>, fill: &Fill, out: &mut Intents) {
        let held = view.position(fill.instrument).shares;
        let clocks = &mut self.clocks[fill.instrument.index()];
        if held == 0 {
            clocks.close_at = None;
        } else if held.signum() == fill.side.sign() || clocks.close_at.is_none() {
            clocks.close_at = Some(view.now().after(self.hold));
        }
        self.wake(view.now(), out);
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        for i in view.instruments() {
            self.look(view, i.instrument.id, out);
        }
        self.wake(view.now(), out);
    }

    fn on_instrument(
        &mut self,
        view: &View<'_>,
        id: InstrumentId,
        _change: InstrumentChange,
        out: &mut Intents,
    ) {
        self.look(view, id, out);
        self.wake(view.now(), out);
    }
}
