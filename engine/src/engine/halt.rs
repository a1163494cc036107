//! Control, halts, and the work that one input leaves over for the next ones: cancel sweeps, and telling the strategy.

use model::{Control, GatewayId, HaltReason, InstrumentId};

use super::{Engine, Outbox};
use crate::instruments::InstrumentChange;
use crate::limits::{INTENTS_PER_CALLBACK, SWEEP_PER_INPUT};
use crate::orders::{Order, OrderState};
use crate::strategy::Strategy;

impl<S: Strategy> Engine<S> {
    pub(super) fn tell_all(&mut self, gateway: Option<GatewayId>, change: InstrumentChange) {
        for k in 0..self.untold.len() {
            let id = InstrumentId(k as u16);
            if gateway.is_none_or(|g| self.instruments.of(id).instrument.gateway == g) {
                self.tell(id, Some(change));
            }
        }
    }

    pub(super) fn on_control(&mut self, control: Control) {
        match control {
            Control::Halt(reason) => self.halt(reason),
            Control::Shutdown => self.halt(HaltReason::Shutdown),
            Control::Resume => {
                // What cannot trade on does not: the journal is full, or the process is about to end.
                if !matches!(self.halt, Some(HaltReason::Shutdown | HaltReason::Journal)) {
                    self.halt = None;
                    self.sweep = None;
                    self.tell_all(None, InstrumentChange::Halt { halted: false });
                }
            }
            Control::CancelAll => self.sweep = Some(0),
            Control::Tokens { first, end } => self.gate.grant(first, end),
        }
    }

    /// Stops new risk. Everything open is canceled, except where a person asked to halt only: then the strategy decides about its own orders.
    pub(super) fn halt(&mut self, reason: HaltReason) {
        if self.halt != Some(HaltReason::Shutdown) {
            self.halt = Some(reason);
        }
        if reason != HaltReason::Operator {
            self.sweep = Some(0);
        }
        self.tell_all(None, InstrumentChange::Halt { halted: true });
    }

    #[inline]
    pub(super) fn has_backlog(&self) -> bool {
        self.sweep.is_some() || self.cancels_waiting || self.untold_count != 0
    }

    /// Does a bounded part of what is left over.
    pub(super) fn work_off(&mut self, out: &mut Outbox) {
        let mut budget = SWEEP_PER_INPUT.min(out.room());
        if let Some(from) = self.sweep {
            self.sweep =
                self.cancel_where(out, from, &mut budget, |o| o.state() != OrderState::PendingCancel);
        }
        if self.cancels_waiting {
            let wanted = |o: &Order| o.cancel_wanted && o.state() == OrderState::Live;
            self.cancels_waiting = self.cancel_where(out, 0, &mut budget, wanted).is_some();
        }
        let mut k = 0;
        while self.untold_count != 0 && k < self.untold.len() && out.room() >= INTENTS_PER_CALLBACK {
            if let Some(change) = self.untold[k].take() {
                self.untold_count -= 1;
                let id = InstrumentId(k as u16);
                self.call(out, |s, view, intents| s.on_instrument(view, id, change, intents));
            }
            k += 1;
        }
    }

    /// Cancels orders for which `f` holds, from slot `from`; returns where to go on when `budget` runs out.
    pub(super) fn cancel_where(
        &mut self,
        out: &mut Outbox,
        mut from: usize,
        budget: &mut usize,
        f: impl Fn(&Order) -> bool,
    ) -> Option<usize> {
        while let Some((slot, order)) = self.orders.next_where(from, &f) {
            if *budget == 0 {
                return Some(slot);
            }
            *budget -= 1;
            self.cancel(&order, out);
            from = slot + 1;
        }
        None
    }

    /// Sends an order's cancel, or notes that it is wanted where something is in flight that must resolve first.
    pub(super) fn cancel(&mut self, order: &Order, out: &mut Outbox) {
        match order.state() {
            OrderState::PendingNew | OrderState::Live => {
                out.send(self.gate.cancel(self.now, order));
                self.stats.cancels += 1;
                self.orders.change(order.token, Order::on_sent_cancel);
            }
            // Which token will be the living one is not known before the replace is answered.
            OrderState::PendingReplace | OrderState::Unknown => {
                self.orders.change(order.token, |o| o.cancel_wanted = true);
            }
            OrderState::PendingCancel | OrderState::Filled | OrderState::Canceled | OrderState::Rejected => {}
        }
    }

    /// Notes that the strategy is to be told of a change of an instrument; a later change replaces one not yet told.
    pub(super) fn tell(&mut self, id: InstrumentId, change: Option<InstrumentChange>) {
        if let Some(c) = change {
            self.untold_count += usize::from(self.untold[id.index()].is_none());
            self.untold[id.index()] = Some(c);
        }
    }
}
