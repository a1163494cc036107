//! The life of each order as a journal tells it: from the commands that were sent and the reports, sessions and words of a person that came, the state that each
//! order was in, and what moved it.
//!
//! The engine's order states are a function of these records, so nobody has to write them down on the hot thread: whoever reads a journal for a person makes them here,
//! with the same [`Order`]. `engine/tests/behaviour/simulation.rs` holds the two together after every input.

use model::{
    CommandKind, Control, ExecutionReport, GatewayId, Nanos, OrderCommand, ReportKind, SessionEvent, Tif,
    Token,
};

use crate::risk::{DropReason, Dropped};
use crate::strategy::Intent;

use super::{Contradiction, Order, OrderId, OrderState, Orders, PendingReplace};

/// An order that was moved from one state to another; a new one from none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The order.
    pub order: OrderId,
    /// Where it stood.
    pub from: Option<OrderState>,
    /// Where it stands.
    pub to: OrderState,
}

/// See the module. For journals: not for a hot thread.
pub struct Lives {
    orders: Orders,
    instruments: usize,
    /// By gateway: whether its session stands, and the last message of it.
    sessions: Vec<(bool, u64)>,
    /// Some order may be unsettled: else no later token settles any.
    unsettled: bool,
    turns: Vec<Turn>,
}

impl Lives {
    /// Room for so many open orders over so many instruments: what is beyond that is left out.
    #[must_use]
    pub fn new(orders: usize, instruments: usize) -> Lives {
        let sessions = vec![(false, 0); usize::from(u8::MAX) + 1];
        let orders = Orders::new(orders, instruments);
        Lives { orders, instruments, sessions, unsettled: false, turns: Vec::new() }
    }

    /// The orders that are open.
    pub fn open(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter()
    }

    /// A request was sent. Returns the orders that it moved.
    pub fn on_command(&mut self, now: Nanos, c: &OrderCommand) -> &[Turn] {
        self.turns.clear();
        match c.kind {
            CommandKind::New { token, side, short, qty, px, tif } => {
                let mut order = Order::new(token, c.instrument, c.gateway, side, tif, px, qty, now);
                order.short = short;
                self.begin(order);
            }
            CommandKind::Replace { old, token, qty, px, tif } => {
                self.turn(old, |o| o.on_sent_replace(PendingReplace { token, total: qty, px, tif }));
            }
            CommandKind::Cancel { token, qty } if qty.is_zero() => self.turn(token, Order::on_sent_cancel),
            // A part of it goes when the venue says so.
            CommandKind::Cancel { .. } => {}
            // What it does to orders the venue says of each.
            CommandKind::Port { .. } => {}
        }
        &self.turns
    }

    /// A request that waited for room was not sent. Returns the order, where that was all that there was of it: one that waits is known by its end alone, for
    /// nothing is written when it begins to, and one that is sent in the end begins with its command.
    pub fn on_dropped(&mut self, d: &Dropped) -> &[Turn] {
        self.turns.clear();
        // In the place of what is superseded something else waits.
        if matches!(d.intent, Intent::New { .. }) && d.why != DropReason::Superseded {
            let (from, to) = (Some(OrderState::Waiting), OrderState::Canceled);
            self.turns.push(Turn { order: d.order, from, to });
        }
        &self.turns
    }

    /// A report came. Returns the orders that it moved.
    pub fn on_report(&mut self, now: Nanos, r: &ExecutionReport) -> &[Turn] {
        self.turns.clear();
        let (ready, last) = &mut self.sessions[r.gateway.index()];
        let ready = *ready;
        if r.seq > *last {
            *last = r.seq;
            self.apply(now, r, ready);
        }
        &self.turns
    }

    fn apply(&mut self, now: Nanos, r: &ExecutionReport, ready: bool) {
        let processed = matches!(
            r.kind,
            ReportKind::Accepted { .. } | ReportKind::Replaced { .. } | ReportKind::Rejected { .. }
        );
        if processed && self.unsettled {
            self.turn_all(r.gateway, |o| o.on_overtaken(r.token));
            self.unsettled = self.orders.iter().any(Order::is_unsettled);
        }
        match r.kind {
            ReportKind::Accepted { order, px, qty, side, short, instrument, dead } => {
                if self.orders.by_token(r.token).is_none() {
                    let Some(id) = instrument.filter(|_| !dead) else { return };
                    let mut adopted = Order::new(r.token, id, r.gateway, side, Tif::Day, px, qty, now);
                    (adopted.adopted, adopted.short) = (true, short);
                    if !ready {
                        adopted.on_disconnected();
                    }
                    self.begin(adopted);
                }
                self.hear(r.token, r, ready, |o| o.on_accepted(order, (side, short), px, qty, dead));
            }
            ReportKind::Replaced { old, order, px, qty, dead } => {
                self.hear(old, r, ready, |o| o.on_replaced(r.token, order, px, qty, dead));
            }
            ReportKind::Canceled { qty, reason } => {
                self.hear(r.token, r, ready, |o| o.on_canceled(qty, reason));
            }
            ReportKind::Executed { qty, .. } => self.hear(r.token, r, ready, |o| o.on_executed(qty)),
            ReportKind::Rejected { .. } => self.hear(r.token, r, ready, |o| o.on_rejected(r.token)),
            ReportKind::CancelRejected => self.hear(r.token, r, ready, Order::on_cancel_rejected),
            ReportKind::Modified { qty, side, short } => {
                self.hear(r.token, r, ready, |o| o.on_modified(qty, side, short));
            }
            ReportKind::Reprioritised { order, px } => {
                self.hear(r.token, r, ready, |o| o.on_reprioritised(order, px));
            }
            ReportKind::Restated { .. } => self.turn(r.token, |o| o.on_restated(r.token)),
            ReportKind::Broken { .. }
            | ReportKind::Corrected { .. }
            | ReportKind::CancelPending
            | ReportKind::System { .. } => {}
        }
    }

    /// A session's event came. Returns the orders that it moved.
    pub fn on_session(&mut self, gateway: GatewayId, event: SessionEvent) -> &[Turn] {
        self.turns.clear();
        let ready = self.sessions[gateway.index()].0;
        match event {
            SessionEvent::Ready { next_token, proven } => {
                let below = (!proven).then_some(next_token);
                self.turn_all(gateway, |o| o.on_ready(below));
                self.sessions[gateway.index()].0 = true;
            }
            SessionEvent::NewSession | SessionEvent::Doubt => {
                if event == SessionEvent::NewSession {
                    self.sessions[gateway.index()].1 = 0;
                }
                self.turn_all(gateway, |o| o.on_orphaned(ready));
            }
            SessionEvent::LoggedIn | SessionEvent::LoginRejected { .. } | SessionEvent::Disconnected => {
                if ready || event == SessionEvent::Disconnected {
                    self.turn_all(gateway, Order::on_disconnected);
                    self.sessions[gateway.index()].0 = false;
                }
            }
            SessionEvent::EndOfSession => {
                self.turn_all(gateway, Order::on_day_over);
                self.sessions[gateway.index()] = (false, 0);
            }
        }
        self.unsettled = self.orders.iter().any(Order::is_unsettled);
        &self.turns
    }

    /// A person's word came. Returns the orders that it moved.
    pub fn on_control(&mut self, control: Control) -> &[Turn] {
        self.turns.clear();
        if let Control::WriteOff { token } = control
            && self.orders.by_token(token).is_some_and(|o| o.is_orphaned() || o.is_unsettled())
        {
            self.turn(token, Order::on_written_off);
        }
        if let Control::NeverSent { token } = control {
            self.turn(token, |o| {
                let _ = o.on_rejected(token);
            });
        }
        &self.turns
    }

    fn begin(&mut self, order: Order) {
        // A journal may be anything.
        if self.orders.has_room()
            && order.token != Token(0)
            && order.instrument.index() < self.instruments
            && self.orders.by_token(order.token).is_none()
        {
            self.turns.push(Turn { order: order.id, from: None, to: order.state() });
            self.orders.insert(order);
        }
    }

    /// Applies a report. One that contradicts what we know is taken as the venue says it: the engine does so too, and halts.
    fn hear(
        &mut self,
        token: Token,
        r: &ExecutionReport,
        ready: bool,
        f: impl FnOnce(&mut Order) -> Result<(), Contradiction>,
    ) {
        let whole = matches!(
            r.kind,
            ReportKind::Accepted { .. } | ReportKind::Replaced { .. } | ReportKind::Modified { .. }
        );
        let answers_itself = matches!(
            r.kind,
            ReportKind::Accepted { .. } | ReportKind::Rejected { .. } | ReportKind::Replaced { .. }
        );
        self.turn(token, |o| {
            if !answers_itself {
                o.on_named(r.token);
            }
            let _ = f(o);
            o.on_heard(whole, ready);
        });
    }

    fn turn(&mut self, token: Token, f: impl FnOnce(&mut Order)) {
        let Some(from) = self.orders.by_token(token).map(Order::state) else { return };
        if let Some((after, ())) = self.orders.change(token, f)
            && after.state() != from
        {
            self.turns.push(Turn { order: after.id, from: Some(from), to: after.state() });
        }
    }

    fn turn_all(&mut self, gateway: GatewayId, f: impl Fn(&mut Order)) {
        let mut from = 0;
        while let Some((slot, o)) = self.orders.next_where(from, |o| o.gateway == gateway) {
            self.turn(o.token, &f);
            from = slot + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{InstrumentId, Px, Qty, Side};

    use super::*;

    #[test]
    fn an_order_that_was_never_sent_ends_where_it_waited() {
        let new = Intent::New {
            instrument: InstrumentId(0),
            side: Side::Buy,
            qty: Qty(1),
            px: Px(1),
            tif: Tif::Day,
        };
        let replace = Intent::Replace { order: OrderId(Token(7)), qty: Qty(1), px: Px(1) };
        let dropped = |intent, why| Dropped { order: OrderId(Token(7)), intent, why };
        let mut lives = Lives::new(4, 1);
        let end =
            Turn { order: OrderId(Token(7)), from: Some(OrderState::Waiting), to: OrderState::Canceled };
        assert_eq!(lives.on_dropped(&dropped(new, DropReason::Deadline)), [end]);
        assert_eq!(lives.on_dropped(&dropped(new, DropReason::Superseded)), []);
        assert_eq!(lives.on_dropped(&dropped(replace, DropReason::Deadline)), [], "the order lives on");
        assert_eq!(lives.open().count(), 0);
    }
}
