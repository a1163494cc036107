//! Requests that wait for room in a venue's message rate: how they come to wait, and how they are sent or dropped.

use model::{GatewayId, Px, Qty, Token};

use super::{Engine, Outbox};
use crate::limits::{DROPPED_PER_INPUT, RELEASED_PER_INPUT};
use crate::orders::{Order, OrderId, PendingReplace};
use crate::risk::{Approved, DropReason, Dropped, Entry, Flush, NewOrder, RiskReject, Want};
use crate::strategy::{Intent, Strategy};

impl<S: Strategy> Engine<S> {
    /// Lets a new order wait that was refused because of the rate, where its gateway has a queue.
    #[cold]
    pub(super) fn hold_new(
        &mut self,
        gateway: GatewayId,
        n: NewOrder,
        why: RiskReject,
    ) -> Result<(), RiskReject> {
        if !why.is_of_pace() {
            return Err(why);
        }
        self.gate.hold_new(self.now, &mut self.orders, gateway, n, why)?;
        self.stats.held += 1;
        Ok(())
    }

    /// Lets a replace wait that was refused because of the rate, where its gateway has a queue. An older one of the order is superseded.
    #[cold]
    pub(super) fn hold_replace(
        &mut self,
        order: &Order,
        want: (Qty, Px),
        why: RiskReject,
        out: &mut Outbox,
    ) -> Result<(), RiskReject> {
        if !why.is_of_pace() {
            return Err(why);
        }
        let older = self.gate.hold_replace(self.now, order, want, why)?;
        self.stats.held += 1;
        if let Some(Want::Replace { open, px }) = older {
            let intent = Intent::Replace { order: order.id, qty: open, px };
            self.tell_dropped(order.id, intent, DropReason::Superseded, out);
        }
        Ok(())
    }

    /// Has a new order that waits ask for something else.
    #[cold]
    pub(super) fn ask_anew(
        &mut self,
        order: &Order,
        open: Qty,
        px: Px,
        out: &mut Outbox,
    ) -> Result<(), RiskReject> {
        let (world, gate, orders) = self.world(order.instrument);
        gate.ask_anew(&world, orders, order, (open, px))?;
        orders.change(order.token, |o| o.on_asked_anew(open, px));
        self.stats.held += 1;
        self.tell_dropped(order.id, asked_for(order), DropReason::Superseded, out);
        Ok(())
    }

    /// Drops what may not wait any longer, and sends what there is room for: a bounded part, the rest with the inputs that [`Engine::next_timer`] asks for. After the
    /// input itself, so that what it changed is what the gate looks at.
    #[cold]
    pub(super) fn release(&mut self, out: &mut Outbox) {
        let (mut drops, mut sends) = (DROPPED_PER_INPUT, RELEASED_PER_INPUT.min(out.room()));
        for g in 0..self.sessions.len() {
            let gateway = GatewayId(g as u8);
            while drops > 0
                && let Some((entry, why)) = self.gate.take_over_due(gateway, self.now)
            {
                drops -= 1;
                self.drop_waiting(&entry, why, out);
            }
            // With drops to spare nothing is left that should not go.
            while drops > 0
                && sends > 0
                && let Some(entry) = self.gate.take_due(gateway, self.now)
            {
                match self.send_waiting(&entry) {
                    Ok(approved) => {
                        sends -= 1;
                        out.send(approved);
                    }
                    Err(why) => {
                        drops -= 1;
                        self.drop_waiting(&entry, why, out);
                    }
                }
            }
        }
        self.gate.find_due();
    }

    /// Asks the gate again.
    fn send_waiting(&mut self, entry: &Entry) -> Result<Approved, DropReason> {
        let order = *self.orders.get(entry.order).ok_or(DropReason::OrderEnded)?;
        let (world, gate, orders) = self.world(order.instrument);
        match entry.want {
            Want::New => {
                let approved = gate.release_new(&world, orders, &order).map_err(DropReason::Refused)?;
                self.stats.new_orders += 1;
                Ok(approved)
            }
            Want::Replace { open, px } => {
                let passed = gate.release_replace(&world, orders, &order, entry.token, (open, px));
                let (approved, total) = passed.map_err(DropReason::Refused)?;
                let r = PendingReplace { token: entry.token, total, px, tif: order.tif };
                orders.change(order.token, |o| o.on_sent_replace(r));
                self.stats.replaces += 1;
                Ok(approved)
            }
        }
    }

    /// The venue has seen a token that is not below what waits: it would ignore that.
    #[cold]
    pub(super) fn on_passed(&mut self, gateway: GatewayId, token: Token, out: &mut Outbox) {
        let why = DropReason::TokenPassed;
        // At once, for the report is about somebody else's order of the same name.
        if let Some(order) = self.orders.by_token(token).filter(|o| o.is_waiting()).copied()
            && let Some(entry) = self.gate.forget(gateway, order.id)
        {
            self.drop_waiting(&entry, why, out);
        }
        let before = Token(token.0.saturating_add(1));
        self.gate.flush(gateway, Flush { before, why });
    }

    /// Ends what an entry that was taken out waited for.
    pub(super) fn drop_waiting(&mut self, entry: &Entry, why: DropReason, out: &mut Outbox) {
        let intent = match entry.want {
            Want::New => {
                let order = *self.orders.get(entry.order).expect("a new order that waits has its slot");
                self.orders.change(order.token, Order::on_dropped);
                asked_for(&order)
            }
            Want::Replace { open, px } => Intent::Replace { order: entry.order, qty: open, px },
        };
        self.tell_dropped(entry.order, intent, why, out);
    }

    fn tell_dropped(&mut self, order: OrderId, intent: Intent, why: DropReason, out: &mut Outbox) {
        self.stats.dropped += 1;
        let dropped = Dropped { order, intent, why };
        out.drop(dropped);
        let (strategy, view, _) = self.parts();
        strategy.on_dropped(&view, &dropped);
    }
}

/// What asked for a new order as it stands.
fn asked_for(o: &Order) -> Intent {
    Intent::New { instrument: o.instrument, side: o.side, qty: o.open, px: o.px, tif: o.tif }
}
