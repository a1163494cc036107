//! `imbalance`: takes the offer when the bid is much the larger of the two best quantities, and the bid when the offer is.
//!
//! An order is immediate-or-cancel at the touch. After an order the instrument rests for `cooldown_ms`; a position held for `hold_ms` is closed at the touch
//! in the same way. `threshold_pct` is the share of the larger side in both best quantities together.

use model::{InstrumentId, Nanos, Qty, Side, Tif};

use super::{Intent, Intents, ParamError, Params, Strategy, View};
use crate::book::BookChange;

#[derive(Clone, Copy, Default)]
struct Clocks {
    rest_until: Nanos,
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
    fn take(&mut self, view: &View<'_>, id: InstrumentId, side: Side, qty: Qty, out: &mut Intents) {
        let top = view.top(id);
        let (px, there) = match side {
            Side::Buy => (top.ask_px, top.ask_qty),
            Side::Sell => (top.bid_px, top.bid_qty),
        };
        if there == 0 {
            return;
        }
        self.clocks[id.index()].rest_until = view.now().after(self.cooldown);
        out.push(Intent::New { instrument: id, side, qty, px, tif: Tif::Ioc });
    }

    fn look(&mut self, view: &View<'_>, id: InstrumentId, out: &mut Intents) {
        let now = view.now();
        let clocks = self.clocks[id.index()];
        if !view.can_trade(id) || now < clocks.rest_until || view.orders(id).next().is_some() {
            return;
        }
        let held = view.position(id).shares;
        if held != 0 && clocks.close_at.is_some_and(|at| now >= at) {
            let side = if held > 0 { Side::Sell } else { Side::Buy };
            let qty = Qty(held.unsigned_abs().min(u64::from(self.quantity.0)) as u32);
            self.take(view, id, side, qty, out);
            return;
        }
        let top = view.top(id);
        let total = top.bid_qty + top.ask_qty;
        if top.bid_qty == 0 || top.ask_qty == 0 || top.bid_px >= top.ask_px {
            return;
        }
        let heavy = |q: u64| q * 100 >= total * self.threshold_pct;
        if heavy(top.bid_qty) && held < self.max_inventory {
            self.take(view, id, Side::Buy, self.quantity, out);
        } else if heavy(top.ask_qty) && -held < self.max_inventory {
            self.take(view, id, Side::Sell, self.quantity, out);
        }
    }
}

impl Strategy for Imbalance {
    const NAME: &'static str = "imbalance";

    fn new(params: &mut Params) -> Result<Imbalance, ParamError> {
        let quantity = params.int("quantity", 100, 1, 999_999)?;
        Ok(Imbalance {
            quantity: Qty(quantity as u32),
            threshold_pct: params.int("threshold_pct", 85, 51, 100)? as u64,
            cooldown: Nanos::from_millis(params.int("cooldown_ms", 100, 0, 3_600_000)? as u64),
            hold: Nanos::from_millis(params.int("hold_ms", 1_000, 0, 86_400_000)? as u64),
            max_inventory: params.int("max_inventory", quantity * 2, 1, 100_000_000)?,
            clocks: Vec::new(),
        })
    }

    fn on_start(&mut self, view: &View<'_>) {
        self.clocks = vec![Clocks::default(); view.instruments().len()];
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        if change.top_changed {
            self.look(view, change.instrument, out);
        }
    }

    fn on_fill(&mut self, view: &View<'_>, fill: &super::Fill, out: &mut Intents) {
        let close_at = view.now().after(self.hold);
        self.clocks[fill.instrument.index()].close_at = Some(close_at);
        out.wake_at(close_at);
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        for i in view.instruments() {
            self.look(view, i.instrument.id, out);
        }
        let pending = |c: &Clocks| c.close_at.filter(|at| *at > view.now());
        if let Some(at) = self.clocks.iter().filter_map(pending).min() {
            out.wake_at(at);
        }
    }
}
