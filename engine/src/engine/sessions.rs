//! Order entry sessions: while one is not ready its orders are unknown, and nothing but the venue's own stream settles them: replayed in full after a
//! login, or ended with its day.

use model::{GatewayId, SessionEvent, Token};

use super::Engine;
use crate::instruments::InstrumentChange;
use crate::orders::Order;
use crate::strategy::Strategy;

impl<S: Strategy> Engine<S> {
    pub(super) fn on_session(&mut self, gateway: GatewayId, event: SessionEvent) {
        if gateway.index() >= self.sessions.len() {
            return self.unroutable();
        }
        let ready = match event {
            SessionEvent::Ready { next_token } => {
                if next_token.0 > 0 {
                    self.gate.burn(Token(next_token.0 - 1));
                }
                self.each_order_of(gateway, Order::on_settled);
                true
            }
            SessionEvent::NewSession => {
                self.sessions[gateway.index()].last_seq = 0;
                // What the new session replays says nothing of orders of the last one: they cannot be settled from here.
                if self.orders.iter().any(|o| o.gateway == gateway) {
                    self.anomaly();
                }
                return;
            }
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
        self.tell_all(Some(gateway), InstrumentChange::Session { ready });
    }

    pub(super) fn each_order_of(&mut self, gateway: GatewayId, f: impl Fn(&mut Order)) {
        let mut from = 0;
        while let Some((slot, o)) = self.orders.next_where(from, |o| o.gateway == gateway) {
            if let Some((after, ())) = self.orders.change(o.token, &f) {
                self.cancels_waiting |= after.cancel_wanted;
            }
            from = slot + 1;
        }
    }
}
