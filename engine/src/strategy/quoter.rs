//! `quoter`: one bid and one offer in each instrument, leaning against what it holds.
//!
//! The fair price is the middle of the others' best prices, moved by `skew_ticks` for each `quantity` held, against the position. The quotes stand
//! `edge_ticks` from the others' best prices (0 joins them) but never nearer to the fair price than half a tick, and are moved when they are
//! `requote_ticks` or more from where they should be. Our own quotes are left out of the best prices: otherwise a quote that leans would follow itself.
//!
//! A new quote is no larger than what is left to `max_inventory`; at it, the side that would add to the position is pulled. Where the book cannot be
//! trusted, the venue does not trade or trading is halted, both are. After a refusal by the venue the instrument rests for `reject_rest_ms`: what
//! was refused is not sent again at once.

use model::{InstrumentId, Nanos, Px, Qty, ReportKind, Side};

use super::{Fill, Intent, Intents, ParamError, Params, Strategy, View};
use crate::book::BookChange;
use crate::instruments::InstrumentChange;
use crate::orders::{Order, OrderState};
use crate::risk::RiskReject;

/// The tick of US equities above one dollar, in 1e-4 USD.
const TICK: i64 = 100;

/// How long an instrument rests at the message limit.
const RATE_REST: Nanos = Nanos::from_millis(20);

fn tick_below(px: i64) -> i64 {
    px.div_euclid(TICK) * TICK
}

fn tick_above(px: i64) -> i64 {
    -tick_below(-px)
}

/// Two-sided quoting with inventory skew.
pub struct Quoter {
    quantity: Qty,
    edge: i64,
    skew: i64,
    requote: i64,
    max_inventory: i64,
    reject_rest: Nanos,
    rest_until: Vec<Nanos>,
}

impl Quoter {
    /// Where the quote of `side` should stand and how many shares it may have; `None` where there should be none.
    fn desired(&self, view: &View<'_>, id: InstrumentId, side: Side) -> Option<(Px, Qty)> {
        if !view.can_trade(id) {
            return None;
        }
        let top = view.top_of_others(id);
        if top.bid_qty == 0 || top.ask_qty == 0 || top.bid_px >= top.ask_px {
            return None;
        }
        let held = view.position(id).shares;
        let room = self.max_inventory.saturating_sub(side.sign() * held);
        if room <= 0 {
            return None;
        }
        let lots = held / i64::from(self.quantity.0);
        let lean = -lots * self.skew * TICK;
        // Twice the fair price, so that the middle is exact.
        let fair_2 = top.bid_px.0 + top.ask_px.0 + 2 * lean;
        let px = match side {
            Side::Buy => {
                let most = (fair_2 - TICK).div_euclid(2).min(top.ask_px.0 - TICK);
                tick_below((top.bid_px.0 - self.edge * TICK + lean).min(most))
            }
            Side::Sell => {
                let least = (fair_2 + TICK + 1).div_euclid(2).max(top.bid_px.0 + TICK);
                tick_above((top.ask_px.0 + self.edge * TICK + lean).max(least))
            }
        };
        let qty = Qty(room.min(i64::from(self.quantity.0)) as u32);
        Some((Px(px), qty)).filter(|(px, _)| px.is_orderable())
    }

    fn quote(&self, view: &View<'_>, id: InstrumentId, side: Side, out: &mut Intents) {
        let desired = self.desired(view, id, side);
        let rests = view.now() < self.rest_until[id.index()];
        // A quote that has not yet moved away on the other side would be traded with: this side waits for the report of that move.
        let blocked = |px: Px| view.orders(id).any(|o| o.side != side && o.is_crossed_by(px));
        if desired.is_some_and(|(px, _)| blocked(px)) {
            return;
        }
        let mut mine = view.orders(id).filter(|o| o.side == side);
        match (mine.next(), desired) {
            (None, Some((px, qty))) if !rests => match side {
                Side::Buy => out.buy(id, qty, px),
                Side::Sell => out.sell(id, qty, px),
            },
            (Some(o), Some((px, _))) if o.is_quiet() && self.is_off(o.px, px) && !rests => {
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

    /// Asks to be woken at the end of the first rest that is not yet over or not yet looked at.
    fn wake(&self, out: &mut Intents) {
        if let Some(at) = self.rest_until.iter().filter(|at| **at != Nanos::ZERO).min() {
            out.wake_at(*at);
        }
    }
}

impl Strategy for Quoter {
    const NAME: &'static str = "quoter";

    fn new(params: &mut Params) -> Result<Quoter, ParamError> {
        let quantity = params.int("quantity", 100, 1, 999_999)?;
        let rest_ms = params.int("reject_rest_ms", 1_000, 0, 3_600_000)?;
        Ok(Quoter {
            quantity: Qty(quantity as u32),
            edge: params.int("edge_ticks", 0, 0, 10_000)?,
            skew: params.int("skew_ticks", 1, 0, 1_000)?,
            requote: params.int("requote_ticks", 1, 1, 10_000)?,
            max_inventory: params.int("max_inventory", quantity * 5, 1, 100_000_000)?,
            reject_rest: Nanos::from_millis(rest_ms.unsigned_abs()),
            rest_until: Vec::new(),
        })
    }

    fn reconfigure(&mut self, params: &mut Params) -> Result<(), ParamError> {
        let fresh = Quoter::new(params)?;
        *self = Quoter { rest_until: core::mem::take(&mut self.rest_until), ..fresh };
        Ok(())
    }

    fn on_start(&mut self, view: &View<'_>) {
        self.rest_until = vec![Nanos::ZERO; view.instruments().len()];
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let id = change.instrument;
        let top = view.top(id);
        // Behind a best price that is ours, the others' may change without the book's top.
        let ours = |o: &Order| o.px == if o.side == Side::Buy { top.bid_px } else { top.ask_px };
        if change.top_changed || view.orders(id).any(ours) {
            self.both(view, id, out);
        }
    }

    fn on_order(&mut self, view: &View<'_>, order: &Order, report: &ReportKind, out: &mut Intents) {
        if matches!(report, ReportKind::Rejected { .. }) {
            self.rest_until[order.instrument.index()] = view.now().after(self.reject_rest);
            self.wake(out);
        }
        self.both(view, order.instrument, out);
    }

    fn on_broken(&mut self, view: &View<'_>, fill: &Fill, out: &mut Intents) {
        self.both(view, fill.instrument, out);
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        // One instrument at a time: the intents of one callback are bounded, and its rest is the only thing that is waited for.
        let over = |at: &Nanos| *at != Nanos::ZERO && *at <= view.now();
        if let Some(k) = self.rest_until.iter().position(over) {
            self.rest_until[k] = Nanos::ZERO;
            self.both(view, view.instruments()[k].instrument.id, out);
        }
        self.wake(out);
    }

    /// At the message limit an instrument's quotes rest for a moment instead of asking again with every tick; the next change of the book after it, or
    /// a timer that is due anyway, quotes again.
    fn on_refused(&mut self, view: &View<'_>, intent: &Intent, why: RiskReject) {
        let id = match intent {
            Intent::New { instrument, .. } => Some(*instrument),
            Intent::Replace { order, .. } | Intent::Reduce { order, .. } | Intent::Cancel { order } => {
                view.order(*order).map(|o| o.instrument)
            }
        };
        if let (RiskReject::MessageRate, Some(id)) = (why, id) {
            self.rest_until[id.index()] = view.now().after(RATE_REST);
        }
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
