//! Strategy callbacks, and what becomes of the intents they leave.

use model::{InstrumentId, Qty};

use super::{Engine, Outbox};
use crate::book::Books;
use crate::limits::INTENTS_PER_CALLBACK;
use crate::orders::{Order, Orders, PendingReplace};
use crate::risk::{DropReason, Gate, NewOrder, RiskReject, World};
use crate::strategy::{Intent, Intents, Strategy, View};

impl<S: Strategy> Engine<S> {
    pub(super) fn parts(&mut self) -> (&mut S, View<'_>, &mut Intents) {
        let view = View {
            sessions: &self.sessions,
            now: self.now,
            level: self.level(),
            declutched: self.breaker.declutched,
            kills: &self.kills,
            books: &self.books,
            instruments: &self.instruments,
            orders: &self.orders,
            positions: &self.positions,
        };
        (&mut self.strategy, view, &mut self.intents)
    }

    #[inline]
    pub(super) fn call(&mut self, out: &mut Outbox, f: impl FnOnce(&mut S, &View<'_>, &mut Intents)) {
        let (strategy, view, intents) = self.parts();
        f(strategy, &view, intents);
        if !self.intents.is_empty() {
            self.carry_out(out);
        }
    }

    pub(super) fn carry_out(&mut self, out: &mut Outbox) {
        // Nothing that a request does leaves intents: the list stands still while it is gone through.
        for k in 0..self.intents.list().len() {
            let intent = self.intents.list()[k];
            let done = if k < INTENTS_PER_CALLBACK {
                self.request(&intent, out)
            } else {
                Err(RiskReject::TooManyIntents)
            };
            if let Err(why) = done {
                self.refuse(intent, why, out);
            }
        }
        let (untold, wake) = self.intents.clear();
        self.stats.refusals += u64::from(untold);
        self.wake = wake.or(self.wake);
    }

    fn refuse(&mut self, intent: Intent, why: RiskReject, out: &mut Outbox) {
        self.stats.refusals += 1;
        out.refuse(intent, why);
        self.on_grave_refusal(&intent, why);
        let (strategy, view, _) = self.parts();
        strategy.on_refused(&view, &intent, why);
    }

    #[inline]
    pub(super) fn request(&mut self, intent: &Intent, out: &mut Outbox) -> Result<(), RiskReject> {
        match *intent {
            Intent::New { instrument, side, qty, px, tif } => {
                self.new_order(NewOrder { instrument, side, qty, px, tif }, out)
            }
            _ => self.request_about(intent, out),
        }
    }

    /// A new order: what is fast.
    #[inline(always)]
    fn new_order(&mut self, n: NewOrder, out: &mut Outbox) -> Result<(), RiskReject> {
        if n.instrument.index() >= self.untold.len() {
            return Err(RiskReject::UnknownInstrument);
        }
        let gateway = self.instruments.of(n.instrument).instrument.gateway;
        let (world, gate, orders) = self.world(n.instrument);
        match gate.new_order(&world, orders, gateway, n) {
            Ok(approved) => {
                out.send(approved);
                self.stats.new_orders += 1;
                Ok(())
            }
            Err(why) => self.hold_new(gateway, n, why),
        }
    }

    /// What is asked for about an order that there is.
    #[inline(never)]
    fn request_about(&mut self, intent: &Intent, out: &mut Outbox) -> Result<(), RiskReject> {
        match *intent {
            Intent::New { .. } => unreachable!("a new order is about none that there is"),
            Intent::Replace { order, qty, px } => {
                let order = *self.orders.get(order).ok_or(RiskReject::UnknownOrder)?;
                if order.is_waiting() {
                    return self.ask_anew(&order, qty, px, out);
                }
                let (world, gate, orders) = self.world(order.instrument);
                match gate.replace(&world, orders, &order, qty, px) {
                    Ok((approved, token, total)) => {
                        let r = PendingReplace { token, total, px, tif: order.tif };
                        orders.change(order.token, |o| o.on_sent_replace(r));
                        out.send(approved);
                        self.stats.replaces += 1;
                    }
                    Err(why) => self.hold_replace(&order, (qty, px), why, out)?,
                }
            }
            Intent::Reduce { order, qty } => {
                let order = *self.orders.get(order).ok_or(RiskReject::UnknownOrder)?;
                self.reduce(&order, qty, out)?;
            }
            Intent::Cancel { order } => {
                let order = *self.orders.get(order).ok_or(RiskReject::UnknownOrder)?;
                if order.is_being_canceled() {
                    return Err(RiskReject::Busy);
                }
                self.cancel(&order, out);
            }
        }
        Ok(())
    }

    /// Asks the venue to leave only `open` shares of an order. The order stays as it is until the venue says what it took off: there is no answer to a request that came too late.
    fn reduce(&mut self, order: &Order, open: Qty, out: &mut Outbox) -> Result<(), RiskReject> {
        if order.foreign {
            return Err(RiskReject::UnknownOrder);
        }
        if order.is_waiting() {
            if open >= order.open {
                return Err(RiskReject::Quantity);
            }
            return self.ask_anew(order, open, order.px, out);
        }
        let approved = self.gate.reduce(self.now, order, open)?;
        // A replace that waits for room was asked for before, and names more than is wanted now.
        if let Some(entry) = self.gate.forget(order.gateway, order.id) {
            self.drop_waiting(&entry, DropReason::Superseded, out);
        }
        out.send(approved);
        self.stats.cancels += 1;
        Ok(())
    }

    #[inline(always)]
    pub(super) fn world(&mut self, id: InstrumentId) -> (World<'_>, &mut Gate, &mut Orders) {
        if self.orders.has_touched() {
            self.look_at_touched();
        }
        let i = self.instruments.of(id).instrument;
        let world = World {
            now: self.now,
            instruments: &self.instruments,
            positions: &self.positions,
            best_bid: self.books[i.feed.index()].top(id).bid_px,
            halted: self.halt.is_some() || self.kills.holds(id),
            level: self.breaker.level(),
            declutched: self.breaker.declutched,
            ready: self.sessions[i.gateway.index()].ready,
        };
        (world, &mut self.gate, &mut self.orders)
    }
}
