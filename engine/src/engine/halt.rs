//! Control, halts, and the work that one input leaves over for the next ones: cancel sweeps, and telling the strategy.

use model::{BreakerCause, BreakerLevel, Control, GatewayId, HaltReason, InstrumentId, PortRequest, Token};

use super::{Engine, Outbox};
use crate::breaker::Alarm;
use crate::instruments::InstrumentChange;
use crate::limits::{INTENTS_PER_CALLBACK, SWEEP_PER_INPUT};
use crate::orders::{Order, OrderState};
use crate::risk::{DropReason, Flush};
use crate::strategy::Strategy;

/// A sweep that cancels everything, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sweep {
    /// The slot to go on with.
    pub(super) from: usize,
    /// Orders with a first token below this were open when it began.
    pub(super) before: Token,
    /// Only of what is killed; else of all.
    pub(super) only_killed: bool,
}

/// How hard a halt is to leave: a person may resume from the first two.
pub(super) const fn gravity(reason: HaltReason) -> u8 {
    match reason {
        HaltReason::Operator => 0,
        HaltReason::Loss
        | HaltReason::Drawdown
        | HaltReason::Reconciliation
        | HaltReason::Overflow
        | HaltReason::RejectRate
        | HaltReason::Breaker => 1,
        HaltReason::Killed => 2,
        HaltReason::Journal => 3,
        HaltReason::Shutdown => 4,
    }
}

impl<S: Strategy> Engine<S> {
    pub(super) fn tell_all(&mut self, gateway: Option<GatewayId>, change: InstrumentChange) {
        for k in 0..self.untold.len() {
            let id = InstrumentId(k as u16);
            if gateway.is_none_or(|g| self.instruments.of(id).instrument.gateway == g) {
                self.tell(id, Some(change));
            }
        }
    }

    pub(super) fn on_control(&mut self, control: Control, out: &mut Outbox) {
        match control {
            Control::Halt(reason) => {
                if reason == HaltReason::Journal {
                    self.on_deaf(out);
                }
                self.halt(reason);
            }
            Control::Shutdown => self.halt(HaltReason::Shutdown),
            Control::Resume => self.resume(),
            Control::WriteOff { token } => self.write_off(token),
            Control::Port { gateway, request } => self.ask_port(gateway, request, out),
            Control::CancelAll => {
                self.gate.flush_all(DropReason::Canceled);
                self.sweep_all();
            }
            Control::Tokens { first, end } => self.gate.grant(first, end),
            Control::Trip { level, cause } => self.trip(level, cause),
            Control::Drift(drift) => self.alarm(Alarm::Drift(drift)),
            Control::Best { pnl } => {
                self.loss.carry(pnl);
                self.count_best();
            }
            Control::Clutch { engaged } => self.clutch(engaged),
            Control::Restrict { instrument, shorts, on } => self.restrict(instrument, shorts, on),
            Control::Stage(setting) => self.stage(setting),
            Control::Enact { change, count } => self.enact(change, count),
            Control::Kill { .. } | Control::Unkill { .. } | Control::NeverSent { .. } => {
                self.on_kill_control(control, out);
            }
        }
    }

    /// Sends what a person asks of a port. It has a token of its own, so nothing that waits with a lower one can go behind it.
    fn ask_port(&mut self, gateway: GatewayId, request: PortRequest, out: &mut Outbox) {
        let is_ready = self.sessions.get(gateway.index()).is_some_and(|s| s.ready);
        let Some(approved) = is_ready.then(|| self.gate.port(self.now, gateway, request)).flatten() else {
            self.stats.controls_refused += 1;
            return;
        };
        let before = approved.command().token();
        self.gate.flush(gateway, Flush { before, why: DropReason::TokenPassed });
        out.send(approved);
        if request == PortRequest::EntryOff {
            self.halt(HaltReason::Operator);
        }
    }

    fn resume(&mut self) {
        let is_restrained = self.breaker.level() != BreakerLevel::Normal || self.gate.has_disabled();
        if self.halt.is_none() && !is_restrained {
            return;
        }
        // What cannot trade on does not: the journal is full, or the process is about to end. Nor does what may hold orders of which nothing will be heard:
        // they count, and a person has to ask the venue and write them off.
        let for_good = matches!(self.halt, Some(HaltReason::Shutdown | HaltReason::Journal));
        if for_good || self.kills.all() || self.orders.iter().any(Order::is_orphaned) {
            self.stats.controls_refused += 1;
            return;
        }
        let pnl = self.positions.pnl();
        if self.loss.is_lost(pnl) {
            self.stats.controls_refused += 1;
            self.halt = None;
            return self.halt(HaltReason::Loss);
        }
        self.halt = None;
        self.breaker.resume();
        self.gate.resume();
        let best = self.loss.resume(pnl);
        self.note_best(best);
        self.alarm(Alarm::Breaker { level: BreakerLevel::Normal, cause: BreakerCause::Operator });
        self.tell_all(None, InstrumentChange::Halt { halted: false });
        self.tell_killed();
    }

    fn clutch(&mut self, engaged: bool) {
        if self.breaker.declutched == engaged {
            self.breaker.declutched = !engaged;
            self.tell_all(None, InstrumentChange::Clutch { engaged });
        }
    }

    fn restrict(&mut self, instrument: Option<InstrumentId>, shorts: bool, on: bool) {
        match instrument.filter(|id| id.index() >= self.untold.len()) {
            Some(_) => self.stats.controls_refused += 1,
            None => self.gate.restrict(instrument, shorts, on),
        }
    }

    /// Stops new risk. Everything open is canceled, except where a person asked to halt only: then the strategy decides about its own orders. A graver
    /// reason takes the place of a lesser one, never the other way round: what a person may resume from must not hide what nobody may.
    pub(super) fn halt(&mut self, reason: HaltReason) {
        if self.halt.is_none_or(|standing| gravity(reason) > gravity(standing)) {
            self.halt = Some(reason);
            self.alarm_of_halt(reason);
        } else if self.halt == Some(HaltReason::Killed) && reason != HaltReason::Killed {
            self.kills.hide(reason);
        }
        self.gate.flush_all(DropReason::Halted);
        if reason != HaltReason::Operator {
            self.sweep_all();
        }
        self.tell_all(None, InstrumentChange::Halt { halted: true });
    }

    /// Whether trading is halted so that nothing may stay open.
    #[inline]
    pub(super) fn must_be_flat_of_orders(&self) -> bool {
        self.halt.is_some_and(|reason| reason != HaltReason::Operator)
    }

    /// Begins to cancel all that is open now; what a strategy sends while the sweep is under way is not part of it.
    fn sweep_all(&mut self) {
        self.sweep = Some(Sweep { from: 0, before: self.gate.next_token(), only_killed: false });
    }

    /// As [`Engine::sweep_all`], of the instruments that are killed. A sweep of all that is under way begins anew.
    pub(super) fn sweep_killed(&mut self) {
        let only_killed = self.sweep.is_none_or(|s| s.only_killed);
        self.sweep = Some(Sweep { from: 0, before: self.gate.next_token(), only_killed });
    }

    /// Whether work is left over for the inputs to come: cancels to send, strategies to tell. A strategy's own wake-up is none.
    #[inline]
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.sweep.is_some() || self.cancels_waiting || self.untold_count != 0 || self.has_asks()
    }

    /// Does a bounded part of what is left over.
    pub(super) fn work_off(&mut self, out: &mut Outbox) {
        let mut budget = SWEEP_PER_INPUT.min(out.room());
        if self.has_asks() {
            self.ask_ports(out, &mut budget);
        }
        if let Some(Sweep { from, before, only_killed }) = self.sweep {
            let kills = core::mem::take(&mut self.kills);
            let within = |o: &Order| !only_killed || kills.holds(o.instrument);
            let part = |o: &Order| o.id.0 < before && within(o) && !o.is_being_canceled() && !o.is_waiting();
            let left = self.cancel_where(out, from, &mut budget, part);
            self.kills = kills;
            self.sweep = left.map(|from| Sweep { from, before, only_killed });
        }
        if self.cancels_waiting {
            let wanted = |o: &Order| o.cancel_wanted && (o.state() == OrderState::Live || o.is_unsettled());
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

    /// Cancels orders for which `f` holds, from slot `from`; returns where to go on when `budget` runs out. Whatever the venue may hold them by is named: a
    /// replace in flight was sent before, so the venue has done or dropped it when it reads the cancels, and it ignores the one that is superfluous.
    fn cancel_where(
        &mut self,
        out: &mut Outbox,
        mut from: usize,
        budget: &mut usize,
        f: impl Fn(&Order) -> bool,
    ) -> Option<usize> {
        while let Some((slot, order)) = self.orders.next_where(from, |o| !o.foreign && f(o)) {
            let within_reach = order.state() != OrderState::Unknown || order.is_unsettled();
            if within_reach {
                let names = [Some(order.token), order.replace.map(|r| r.token)].into_iter().flatten();
                if *budget < names.clone().count() {
                    return Some(slot);
                }
                for token in names {
                    *budget -= 1;
                    self.stats.cancels += 1;
                    out.send(self.gate.cancel(self.now, &order, token));
                }
                self.orders.change(order.token, Order::on_sent_cancel);
            } else {
                self.orders.change(order.token, |o| o.cancel_wanted = true);
            }
            from = slot + 1;
        }
        None
    }

    /// Sends the cancel that a strategy asks for, or notes that it is wanted where what is in flight is to be resolved first.
    pub(super) fn cancel(&mut self, order: &Order, out: &mut Outbox) {
        if order.foreign {
            return;
        }
        if let Some(entry) = self.gate.forget(order.gateway, order.id) {
            self.drop_waiting(&entry, DropReason::Canceled, out);
        }
        match order.state() {
            OrderState::PendingNew | OrderState::Live => {
                out.send(self.gate.cancel(self.now, order, order.token));
                self.stats.cancels += 1;
                self.orders.change(order.token, Order::on_sent_cancel);
            }
            // Which token will be the living one is not known before the replace is answered. A sweep does not wait for that, but names both; a strategy's
            // intent is one command.
            OrderState::PendingReplace => {
                self.orders.change(order.token, |o| o.cancel_wanted = true);
            }
            OrderState::Unknown => {
                self.orders.change(order.token, |o| o.cancel_wanted = true);
                self.cancels_waiting = true;
            }
            OrderState::Waiting => {} // the venue knows nothing of it
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
