//! Order entry sessions: while one is not ready its orders are unknown, and nothing but the venue's own stream settles them: replayed in full after a
//! login, or ended with its day. Where it cannot, they stay unknown until a person writes them off.

use model::{GatewayId, SessionEvent, Token};

use super::Engine;
use crate::instruments::InstrumentChange;
use crate::orders::Order;
use crate::risk::{DropReason, Flush};
use crate::strategy::Strategy;

impl<S: Strategy> Engine<S> {
    pub(super) fn on_session(&mut self, gateway: GatewayId, event: SessionEvent) {
        if gateway.index() >= self.sessions.len() {
            return self.unroutable();
        }
        let ready = match event {
            SessionEvent::Ready { next_token, proven } => {
                if next_token.0 > 0 {
                    self.gate.burn(Token(next_token.0 - 1));
                    self.gate.flush(gateway, Flush { before: next_token, why: DropReason::TokenPassed });
                }
                let below = (!proven).then_some(next_token);
                self.each_order_of(gateway, |o| o.on_ready(below));
                self.stats.unsettled += self.look_for_unsettled(gateway);
                true
            }
            SessionEvent::NewSession => {
                self.sessions[gateway.index()].last_seq = 0;
                // What the new session replays says nothing of orders of the last one: they cannot be settled from here.
                if self.orders.iter().any(|o| o.gateway == gateway && !o.is_waiting()) {
                    self.orphan(gateway);
                }
                return;
            }
            SessionEvent::Doubt => return self.orphan(gateway),
            // A login while ready means that the connection was another one.
            SessionEvent::LoggedIn | SessionEvent::LoginRejected { .. } | SessionEvent::Disconnected => {
                if !self.sessions[gateway.index()].ready && event != SessionEvent::Disconnected {
                    return;
                }
                self.each_order_of(gateway, Order::on_disconnected);
                false
            }
            SessionEvent::EndOfSession => {
                // The next session counts its messages from 1.
                self.sessions[gateway.index()].last_seq = 0;
                self.each_order_of(gateway, Order::on_day_over);
                false
            }
        };
        self.sessions[gateway.index()].ready = ready;
        if ready {
            self.on_ready_killed(gateway);
            self.count_best();
        } else {
            self.gate.flush(gateway, Flush { before: self.gate.next_token(), why: DropReason::SessionDown });
        }
        self.tell_all(Some(gateway), InstrumentChange::Session { ready });
    }

    /// A best of before a restart counts from when every venue has told the trades of the day: before that the P&L is less than was made, and would look lost.
    pub(super) fn count_best(&mut self) {
        if self.sessions.iter().all(|s| s.ready) {
            self.loss.told();
        }
    }

    /// What the venue said of a gateway's orders may never be heard: nothing but reports about them, or a person, settles them.
    fn orphan(&mut self, gateway: GatewayId) {
        let ready = self.sessions[gateway.index()].ready;
        self.each_order_of(gateway, |o| o.on_orphaned(ready));
        self.anomaly();
    }

    /// The venue has processed `token`: what it was sent below that and never answered it never will.
    pub(super) fn overtake(&mut self, gateway: GatewayId, token: Token) {
        if !self.sessions[gateway.index()].unsettled {
            return;
        }
        let mut from = 0;
        let waits = |o: &Order| o.gateway == gateway && o.is_unsettled();
        while let Some((slot, o)) = self.orders.next_where(from, waits) {
            let settled = self.orders.change(o.token, |o| o.on_overtaken(token));
            if let Some((after, ())) = settled.filter(|(o, ())| !o.is_unsettled()) {
                self.cancels_waiting |= after.cancel_wanted;
                self.tell(after.instrument, Some(InstrumentChange::Session { ready: true }));
            }
            from = slot + 1;
        }
        self.look_for_unsettled(gateway);
    }

    fn look_for_unsettled(&mut self, gateway: GatewayId) -> u64 {
        let left = self.orders.iter().filter(|o| o.gateway == gateway && o.is_unsettled()).count();
        self.sessions[gateway.index()].unsettled = left != 0;
        left as u64
    }

    /// Takes a person's word that an order is gone. Only of one that the venue's stream does not settle: all others it does.
    pub(super) fn write_off(&mut self, token: Token) {
        let lost = |o: &&Order| o.is_orphaned() || o.is_unsettled();
        if self.orders.by_token(token).filter(lost).is_none() {
            self.stats.controls_refused += 1;
            return;
        }
        if let Some((order, ())) = self.orders.change(token, Order::on_written_off) {
            self.stats.written_off += 1;
            let ready = self.sessions[order.gateway.index()].ready;
            self.tell(order.instrument, Some(InstrumentChange::Session { ready }));
        }
    }

    pub(super) fn each_order_of(&mut self, gateway: GatewayId, f: impl Fn(&mut Order)) {
        let mut from = 0;
        // One that waits was never on the session.
        let on_it = |o: &Order| o.gateway == gateway && !o.is_waiting();
        while let Some((slot, o)) = self.orders.next_where(from, on_it) {
            if let Some((after, ())) = self.orders.change(o.token, &f) {
                self.cancels_waiting |= after.cancel_wanted;
            }
            from = slot + 1;
        }
    }
}
