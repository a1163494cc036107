//! What the gate does with requests that have no room: they wait for it, are superseded, go when there is room, or are taken out.

use model::{CommandKind, GatewayId, Nanos, OrderCommand, Px, Qty, Tif, Token};

use super::approved::Approved;
use super::gate::{Gate, NewOrder, World, seal_replace};
use super::rate::NEVER;
use super::reject::RiskReject;
use super::throttle::{Meter, Pace, Request};
use super::waiting::{DropReason, Entry, Flush, Waiting, Want};
use crate::orders::{Order, OrderId, Orders};

impl Gate {
    /// When something that waits may go, or may not wait any longer; `u64::MAX` where nothing waits.
    #[inline]
    pub(crate) fn due(&self) -> Nanos {
        self.due
    }

    /// Looks for [`Gate::due`] again.
    pub(crate) fn find_due(&mut self) {
        let rate = self.rate.room_at(1);
        self.due = self.meters.iter().filter_map(|m| m.due(rate)).min().unwrap_or(NEVER);
    }

    /// Where a gateway's throttle stands; `None` where it has none.
    pub(crate) fn pace(&self, gateway: GatewayId) -> Option<Pace> {
        self.meters.get(gateway.index())?.pace(self.rate.room_at(1))
    }

    fn waiting(&mut self, gateway: GatewayId) -> Option<&mut Waiting> {
        self.meters.get_mut(gateway.index())?.waiting.as_mut()
    }

    /// Lets a new order wait that was refused for want of room, and takes its slot and token. One that is immediate or cancel does not wait.
    ///
    /// # Errors
    /// `why` where it cannot wait; [`RiskReject::Duplicate`] where the same waits already.
    pub(crate) fn hold_new(
        &mut self,
        now: Nanos,
        orders: &mut Orders,
        gateway: GatewayId,
        n: NewOrder,
        why: RiskReject,
    ) -> Result<(), RiskReject> {
        let window = self.limits().duplicate_window;
        let waiting = self.waiting(gateway).filter(|w| n.tif == Tif::Day && w.has_room()).ok_or(why)?;
        let same = |e: &Entry| {
            let asked = orders.get(e.order).is_some_and(|o| NewOrder::of(o).key() == n.key());
            e.want == Want::New && asked && now.since(e.asked) < window
        };
        if waiting.iter().any(same) {
            return Err(RiskReject::Duplicate);
        }
        let token = self.take_token();
        let mut order = Order::new(token, n.instrument, gateway, n.side, n.tif, n.px, n.qty, now);
        order.on_held();
        orders.insert(order);
        if let Some(w) = self.waiting(gateway) {
            w.push(order.id, token, Want::New, now);
        }
        self.find_due();
        Ok(())
    }

    /// Lets a replace wait that was refused for want of room; returns what it supersedes.
    ///
    /// # Errors
    /// `why` where it cannot wait.
    pub(crate) fn hold_replace(
        &mut self,
        now: Nanos,
        order: &Order,
        (open, px): (Qty, Px),
        why: RiskReject,
    ) -> Result<Option<Want>, RiskReject> {
        let waiting = self.waiting(order.gateway).ok_or(why)?;
        let want = Want::Replace { open, px };
        let older = waiting.supersede(order.id, want, now);
        if older.is_none() {
            if !waiting.has_room() {
                return Err(why);
            }
            let token = self.take_token();
            if let Some(w) = self.waiting(order.gateway) {
                w.push(order.id, token, want, now);
            }
        }
        self.find_due();
        Ok(older)
    }

    /// Checks other values of a new order that waits.
    ///
    /// # Errors
    /// The first check it fails; nothing has changed then.
    pub(crate) fn ask_anew(
        &mut self,
        world: &World<'_>,
        orders: &Orders,
        order: &Order,
        (open, px): (Qty, Px),
    ) -> Result<(), RiskReject> {
        self.passable(world)?;
        self.sound(order.instrument, open, px)?;
        let n = NewOrder { qty: open, px, ..NewOrder::of(order) };
        self.fits(world, orders, &n, order.reserved().0.into())?;
        if let Some(w) = self.waiting(order.gateway) {
            w.supersede(order.id, Want::New, world.now);
        }
        self.find_due();
        Ok(())
    }

    /// Takes out what waits for an order.
    #[inline]
    pub(crate) fn forget(&mut self, gateway: GatewayId, order: OrderId) -> Option<Entry> {
        let entry = self.waiting(gateway)?.remove(order)?;
        self.find_due();
        Some(entry)
    }

    /// Whether something waits with this token or one below.
    #[inline]
    pub(crate) fn holds_below(&self, gateway: GatewayId, token: Token) -> bool {
        let first = |m: &Meter| m.waiting.as_ref().and_then(|w| w.front().map(|e| e.token));
        self.meters.get(gateway.index()).and_then(first).is_some_and(|first| first <= token)
    }

    /// Has what waits for a gateway dropped with the next release, which is due at once.
    pub(crate) fn flush(&mut self, gateway: GatewayId, flush: Flush) {
        if let Some(w) = self.waiting(gateway) {
            w.flush(flush);
            self.find_due();
        }
    }

    /// Has all that waits dropped.
    pub(crate) fn flush_all(&mut self, why: DropReason) {
        let before = self.next_token();
        for g in 0..self.meters.len() {
            self.flush(GatewayId(g as u8), Flush { before, why });
        }
    }

    /// Takes out the first request that is not to wait any longer, and says why.
    pub(crate) fn take_over_due(&mut self, gateway: GatewayId, now: Nanos) -> Option<(Entry, DropReason)> {
        self.waiting(gateway)?.take_over_due(now)
    }

    /// Takes out the first request, if there is room for it.
    pub(crate) fn take_due(&mut self, gateway: GatewayId, now: Nanos) -> Option<Entry> {
        if self.rate.room_at(1) > now {
            return None;
        }
        let meter = self.meters.get_mut(gateway.index())?;
        let what = Request::of(meter.waiting.as_ref()?.front()?.want);
        if meter.room_at(what) > now {
            return None;
        }
        meter.waiting.as_mut()?.pop()
    }

    /// Checks a new order that waited and for which there is room.
    ///
    /// # Errors
    /// The first check it fails; nothing has changed then.
    pub(crate) fn release_new(
        &mut self,
        world: &World<'_>,
        orders: &mut Orders,
        order: &Order,
    ) -> Result<Approved, RiskReject> {
        self.passable(world)?;
        let n = NewOrder::of(order);
        self.sound(n.instrument, n.qty, n.px)?;
        let short = self.fits(world, orders, &n, order.reserved().0.into())?;
        self.on_new(world, order.gateway, &n, n.key().hashed());
        orders.change(order.token, |o| o.on_released(short));
        let NewOrder { instrument, side, qty, px, tif } = n;
        let kind = CommandKind::New { token: order.token, side, short, qty, px, tif };
        Ok(Approved::seal(OrderCommand { gateway: order.gateway, instrument, kind }))
    }

    /// Checks a replace that waited and for which there is room; the caller marks the order. Returns the chain's total with it.
    ///
    /// # Errors
    /// The first check it fails; nothing has changed then.
    pub(crate) fn release_replace(
        &mut self,
        world: &World<'_>,
        orders: &Orders,
        order: &Order,
        token: Token,
        (open, px): (Qty, Px),
    ) -> Result<(Approved, Qty), RiskReject> {
        self.passable(world)?;
        let total = self.replaceable(world, orders, order, open, px)?;
        self.on_replace(world, order);
        Ok((seal_replace(order, token, total, px), total))
    }

    /// The venue took a request.
    #[inline]
    pub(crate) fn on_accepted(&mut self, gateway: GatewayId, now: Nanos) {
        if let Some(m) = self.meters.get_mut(gateway.index()) {
            m.on_accepted(now);
        }
    }

    /// The venue refused a request. Returns whether it has done so too often.
    pub(crate) fn on_rejected(&mut self, gateway: GatewayId, now: Nanos, code: u16) -> bool {
        let tripped = self.meters.get_mut(gateway.index()).is_some_and(|m| m.on_rejected(now, code));
        self.find_due();
        tripped
    }
}
