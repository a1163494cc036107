//! The gate itself: one function for each kind of request, in the order cheapest refusal first.

use model::{
    BreakerLevel, Canary, CommandKind, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, PortRequest,
    Px, Qty, Side, Tif, Token, Usd, Validity,
};

use super::approved::Approved;
use super::limits::RiskLimits;
use super::rate::{NEVER, RollingWindow};
use super::recent::{Hashed, Key, Recent};
use super::reject::RiskReject;
use super::repeat::Repeats;
use super::scopes::{Bounds, Drift, Scopes};
use super::throttle::{Meter, Request, Throttle};
use super::worth::{Value, Worth};
use crate::hash::StateHash;
use crate::instruments::Instruments;
use crate::orders::{Exposure, Order, OrderState, Orders};
use crate::position::{Overflow, Positions};
use crate::validity::Soundness;

/// A new order as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewOrder {
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) qty: Qty,
    pub(crate) px: Px,
    pub(crate) tif: Tif,
}

impl NewOrder {
    pub(super) fn key(&self) -> Key {
        Key { instrument: self.instrument, side: self.side, px: self.px, qty: self.qty }
    }

    /// What an order that has not been sent asks for.
    pub(super) fn of(o: &Order) -> NewOrder {
        NewOrder { instrument: o.instrument, side: o.side, qty: o.open, px: o.px, tif: o.tif }
    }
}

/// What the gate looks at beside its own counts.
pub(crate) struct World<'a> {
    pub(crate) now: Nanos,
    pub(crate) instruments: &'a Instruments,
    pub(crate) positions: &'a Positions,
    /// The best bid, for the short sale restriction; zero when there is none.
    pub(crate) best_bid: Px,
    /// Whether trading is halted.
    pub(crate) halted: bool,
    /// How far it is restrained otherwise.
    pub(crate) level: BreakerLevel,
    /// Whether a person has taken the strategy off trading.
    pub(crate) declutched: bool,
    /// Whether the instrument's gateway takes orders.
    pub(crate) ready: bool,
}

/// Limits and the counts that go with them.
pub(crate) struct Gate {
    limits: RiskLimits,
    /// By instrument.
    bounds: Vec<Bounds>,
    /// Instruments that a person has to let in again.
    disabled: Vec<bool>,
    worth: Option<Worth>,
    drift: Drift,
    repeats: Repeats,
    pub(super) rate: RollingWindow,
    /// By gateway; empty where none has a throttle.
    pub(super) meters: Vec<Meter>,
    pub(super) recent: Recent,
    /// When something that waits may go, or may not wait any longer.
    pub(super) due: Nanos,
    next_token: u32,
    end_token: u32,
}

impl Gate {
    /// `throttles` is by gateway; those left out have none.
    pub(crate) fn new(
        limits: RiskLimits,
        scopes: &Scopes,
        throttles: &[Throttle],
        instruments: &[Instrument],
        gateways: usize,
    ) -> Gate {
        if let Err(why) = limits.check() {
            panic!("whoever reads a configuration checks its limits: {why}");
        }
        if let Err(why) = scopes.check(instruments.len(), gateways) {
            panic!("whoever reads a configuration checks its scopes: {why}");
        }
        let n = instruments.len();
        Gate {
            limits,
            bounds: instruments.iter().map(|i| Bounds::of(i, &limits, scopes)).collect(),
            disabled: vec![false; n],
            worth: Worth::new(scopes, n, gateways),
            drift: Drift::new(scopes.drift, n),
            repeats: Repeats::new(scopes.repeat, n),
            rate: RollingWindow::new(limits.max_messages_per_second, Nanos::from_millis(1_000)),
            meters: throttles.iter().map(Meter::new).collect(),
            recent: Recent::new(&limits),
            due: NEVER,
            next_token: 0,
            end_token: 0,
        }
    }

    pub(crate) fn limits(&self) -> &RiskLimits {
        &self.limits
    }

    /// Puts limits in force that are as tight as the ones there are, or tighter. What is open stays; only what is asked for from now on is measured by them.
    pub(crate) fn tighten(&mut self, limits: RiskLimits) {
        for b in &mut self.bounds {
            b.order = b.order.min(limits.max_order_quantity);
            b.notional = Usd(b.notional.0.min(limits.max_order_notional.0));
            b.position = b.position.min(limits.max_position);
        }
        self.rate.tighten(limits.max_messages_per_second as usize);
        self.limits = limits;
    }

    /// What holds for an instrument: the tightest of all scopes.
    #[inline]
    pub(crate) fn bounds(&self, id: InstrumentId) -> &Bounds {
        &self.bounds[id.index()]
    }

    /// Puts an instrument, or all of them, on the restricted list or takes it off; with `shorts` on the list of what may not be sold short.
    pub(crate) fn restrict(&mut self, instrument: Option<InstrumentId>, shorts: bool, on: bool) {
        let set = |b: &mut Bounds| *(if shorts { &mut b.no_short } else { &mut b.restricted }) = on;
        match instrument {
            Some(id) => set(&mut self.bounds[id.index()]),
            None => self.bounds.iter_mut().for_each(set),
        }
    }

    /// Has an instrument wait for a person; returns whether it did not yet.
    pub(crate) fn disable(&mut self, id: InstrumentId) -> bool {
        !std::mem::replace(&mut self.disabled[id.index()], true)
    }

    /// Whether one does.
    pub(crate) fn has_disabled(&self) -> bool {
        self.disabled.contains(&true)
    }

    /// A person lets everything in again.
    pub(crate) fn resume(&mut self) {
        self.drift.resume();
        self.repeats.resume();
        self.disabled.fill(false);
    }

    /// One of our orders traded.
    #[inline]
    pub(crate) fn on_fill(&mut self, id: InstrumentId, side: Side) {
        self.repeats.on_fill(id, side);
    }

    /// Takes in what became of an instrument's orders, position or mark.
    ///
    /// # Errors
    /// Where it cannot be counted.
    #[inline]
    pub(crate) fn refresh(
        &mut self,
        i: &Instrument,
        (shares, mark): (i64, Px),
        e: Exposure,
    ) -> Result<(), Overflow> {
        let Some(worth) = &mut self.worth else { return Ok(()) };
        let value = Value::of(shares, (e.buy, e.sell), mark, e.orders).ok_or(Overflow)?;
        worth.refresh(i.id, i.gateway, value)
    }

    /// Whether any limit is of money over several positions.
    #[inline]
    pub(crate) fn measures_money(&self) -> bool {
        self.worth.is_some()
    }

    /// The worst cases of all positions and what they may be, gross and net; `None` where neither is limited.
    pub(crate) fn worth(&self) -> Option<[(i64, i64); 2]> {
        self.worth.as_ref().map(Worth::used)
    }

    /// The token that the next request would take; none at or above it was ever used.
    pub(crate) fn next_token(&self) -> Token {
        Token(self.next_token)
    }

    /// Tokens left to use.
    pub(crate) fn tokens_left(&self) -> u32 {
        self.end_token - self.next_token
    }

    /// Grants `[first, end)`. A block below what was used is cut; blocks come in order, a hole between two is left unused.
    pub(crate) fn grant(&mut self, first: Token, end: Token) {
        let first = first.0.max(self.next_token).max(1);
        if end.0 <= first {
            return;
        }
        // What is left of the block before is used first where the new one joins it, and forgone where not.
        if first > self.end_token {
            self.next_token = first;
        }
        self.end_token = self.end_token.max(end.0);
    }

    /// Never again uses `token` or one below: the venue knows it.
    pub(crate) fn burn(&mut self, token: Token) {
        if token.0 >= self.next_token && !Canary::TokensAgain.sings() {
            self.next_token = token.0.saturating_add(1);
            self.end_token = self.end_token.max(self.next_token);
        }
    }

    pub(super) fn take_token(&mut self) -> Token {
        let t = Token(self.next_token);
        self.next_token += 1;
        t
    }

    /// Checks a new order, takes its slot and token.
    ///
    /// # Errors
    /// The first check it fails; nothing has changed then.
    #[inline(always)]
    pub(crate) fn new_order(
        &mut self,
        world: &World<'_>,
        orders: &mut Orders,
        gateway: GatewayId,
        n: NewOrder,
    ) -> Result<Approved, RiskReject> {
        self.passable(world)?;
        self.has_token()?;
        self.sound(n.instrument, n.qty, n.px)?;
        if orders.open() >= self.limits.max_open_orders as usize || !orders.has_room() {
            return Err(RiskReject::OpenOrders);
        }
        // Asked for here, where everything else is still to be looked at: of a day's orders the place is in no near cache.
        let key = n.key().hashed();
        let last_alike = self.recent.last_alike(key);
        let short = self.fits(world, orders, &n, 0)?;
        if self.recent.holds(key, last_alike, world.now) {
            return Err(RiskReject::Duplicate);
        }
        if self.repeats.is_beyond(n.instrument, n.side, n.qty, world.now) {
            return Err(RiskReject::Repeated);
        }
        self.room(world.now, gateway, Request::New)?;
        self.on_new(world, gateway, &n, key);
        let token = self.take_token();
        let mut order = Order::new(token, n.instrument, gateway, n.side, n.tif, n.px, n.qty, world.now);
        order.short = short;
        orders.insert(order);
        let kind = CommandKind::New { token, side: n.side, short, qty: n.qty, px: n.px, tif: n.tif };
        Ok(Approved::seal(OrderCommand { gateway, instrument: n.instrument, kind }))
    }

    /// Whether a new order may go as things are; `own` is what of its side's exposure is its own already. Returns whether it sells short.
    #[inline(always)]
    pub(super) fn fits(
        &self,
        world: &World<'_>,
        orders: &Orders,
        n: &NewOrder,
        own: u64,
    ) -> Result<bool, RiskReject> {
        self.market(world, n.instrument, n.qty, n.px)?;
        let e = orders.exposure(n.instrument);
        let others = exposure_of(e.buy, e.sell, n.side) - own;
        let shares = world.positions.of(n.instrument).shares;
        self.position(n.instrument, shares, n.side, others, n.qty)?;
        self.reducing(world, shares, n.side, others, n.qty)?;
        let orders_then = e.orders + u32::from(own == 0);
        self.money(world, n.instrument, (e, orders_then), n.side, others, n.qty)?;
        self.drifts(world, n.instrument, n.side, n.px)?;
        let short = n.side == Side::Sell && is_short(shares, others, n.qty)?;
        if short {
            self.short_sale(world, n.instrument, n.px)?;
        }
        self.self_trade(orders, n.instrument, n.side, n.px)?;
        Ok(short)
    }

    /// Checks a replace of `order` to `open` shares at `px`, and takes its token; the caller marks the order.
    ///
    /// # Errors
    /// The first check it fails; nothing has changed then.
    pub(crate) fn replace(
        &mut self,
        world: &World<'_>,
        orders: &Orders,
        order: &Order,
        open: Qty,
        px: Px,
    ) -> Result<(Approved, Token, Qty), RiskReject> {
        self.passable(world)?;
        self.has_token()?;
        let total = self.replaceable(world, orders, order, open, px)?;
        self.room(world.now, order.gateway, Request::Replace)?;
        self.on_replace(world, order);
        let token = self.take_token();
        Ok((seal_replace(order, token, total, px), token, total))
    }

    /// Whether a replace of `order` to `open` shares at `px` may go as things are. Returns the chain's total.
    pub(super) fn replaceable(
        &self,
        world: &World<'_>,
        orders: &Orders,
        order: &Order,
        open: Qty,
        px: Px,
    ) -> Result<Qty, RiskReject> {
        if !order.is_quiet() {
            return Err(RiskReject::Busy);
        }
        self.sound(order.instrument, open, px)?;
        let total = chain_total(order, open)?.0;
        if total > Qty::MAX_ORDER.0 {
            return Err(RiskReject::Quantity);
        }
        self.market(world, order.instrument, open, px)?;
        let e = orders.exposure(order.instrument);
        let others = exposure_of(e.buy, e.sell, order.side) - u64::from(order.reserved().0);
        let shares = world.positions.of(order.instrument).shares;
        // A replace that takes shares off is never refused for the position's size, whatever brought it there.
        if open > order.reserved() {
            self.position(order.instrument, shares, order.side, others, open)?;
            self.money(world, order.instrument, (e, e.orders), order.side, others, open)?;
        }
        self.reducing(world, shares, order.side, others, open)?;
        self.drifts(world, order.instrument, order.side, px)?;
        if order.short {
            self.short_sale(world, order.instrument, px)?;
        } else if order.side == Side::Sell && open > order.reserved() && is_short(shares, others, open)? {
            // It would sell short what the venue has marked long, and a replace cannot change the mark.
            return Err(RiskReject::ShortMark);
        }
        self.self_trade(orders, order.instrument, order.side, px)?;
        Ok(Qty(total))
    }

    /// Approves a cancel of all that is open of `order`, by `token`, which is its own or that of its replace in flight. It passes whatever the limits say; it counts as a message.
    pub(crate) fn cancel(&mut self, now: Nanos, order: &Order, token: Token) -> Approved {
        self.count(now, order.gateway, Request::Cancel);
        let kind = CommandKind::Cancel { token, qty: Qty::ZERO };
        Approved::seal(OrderCommand { gateway: order.gateway, instrument: order.instrument, kind })
    }

    /// Approves that only `open` shares of `order` stay. It passes whatever the limits say, as a cancel does; it counts as a message.
    ///
    /// # Errors
    /// [`RiskReject::Busy`] where it is not known how many are open, or more than this is asked for; [`RiskReject::Quantity`] where it would not take some off and leave some.
    pub(crate) fn reduce(&mut self, now: Nanos, order: &Order, open: Qty) -> Result<Approved, RiskReject> {
        let known = matches!(order.state(), OrderState::PendingNew | OrderState::Live);
        if !known || order.cancel_wanted {
            return Err(RiskReject::Busy);
        }
        if open.is_zero() || open >= order.open {
            return Err(RiskReject::Quantity);
        }
        let total = chain_total(order, open)?;
        self.count(now, order.gateway, Request::Cancel);
        let kind = CommandKind::Cancel { token: order.token, qty: total };
        Ok(Approved::seal(OrderCommand { gateway: order.gateway, instrument: order.instrument, kind }))
    }

    /// Approves a request about a port, which a person has asked for: no limit holds it back, and it counts as a message. `None` where no token is left.
    pub(crate) fn port(&mut self, now: Nanos, gateway: GatewayId, request: PortRequest) -> Option<Approved> {
        if self.tokens_left() == 0 {
            return None;
        }
        self.count(now, gateway, Request::Cancel);
        let kind = CommandKind::Port { token: self.take_token(), request };
        Some(Approved::seal(OrderCommand { gateway, instrument: InstrumentId(0), kind }))
    }

    /// Whether the message rate and the gateway's throttle let such a request go now, and nothing waits that was asked for before it.
    #[inline(always)]
    fn room(&self, now: Nanos, gateway: GatewayId, what: Request) -> Result<(), RiskReject> {
        if let Some(m) = self.meters.get(gateway.index()) {
            m.room(now, what)?;
        }
        if self.rate.room_at(1) > now { Err(RiskReject::MessageRate) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn count(&mut self, now: Nanos, gateway: GatewayId, what: Request) {
        self.rate.count(now, 1);
        if let Some(m) = self.meters.get_mut(gateway.index()) {
            m.count(now, what);
        }
    }

    #[inline(always)]
    pub(super) fn passable(&self, world: &World<'_>) -> Result<(), RiskReject> {
        if world.halted {
            return Err(RiskReject::Halted);
        }
        if world.level >= BreakerLevel::CancelOnly {
            return Err(RiskReject::CancelOnly);
        }
        if world.declutched {
            return Err(RiskReject::Clutch);
        }
        if !world.ready {
            return Err(RiskReject::SessionDown);
        }
        Ok(())
    }

    #[inline(always)]
    fn has_token(&self) -> Result<(), RiskReject> {
        if self.next_token >= self.end_token { Err(RiskReject::NoToken) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn sound(&self, id: InstrumentId, qty: Qty, px: Px) -> Result<(), RiskReject> {
        let bounds = self.bounds(id);
        if bounds.restricted {
            return Err(RiskReject::Restricted);
        }
        if self.disabled[id.index()] {
            return Err(RiskReject::Disabled);
        }
        if qty.is_zero() || qty > bounds.order || qty > Qty::MAX_ORDER {
            return Err(RiskReject::Quantity);
        }
        if !px.is_orderable() {
            return Err(RiskReject::Price);
        }
        match px.notional(qty) {
            None => Err(RiskReject::Overflow),
            Some(n) if n > bounds.notional => Err(RiskReject::Notional),
            Some(_) => Ok(()),
        }
    }

    #[inline(always)]
    fn market(&self, world: &World<'_>, id: InstrumentId, qty: Qty, px: Px) -> Result<(), RiskReject> {
        let i = world.instruments.of(id);
        match i.validity {
            Validity::Valid => {}
            Validity::Halted => return Err(RiskReject::NotTrading),
            Validity::Closed => return Err(RiskReject::MarketClosed),
            Validity::Stale if i.soundness == Soundness::Sound => return Err(RiskReject::BookSanity),
            Validity::Stale | Validity::Recovering => return Err(RiskReject::StaleMarket),
        }
        let age = world.now.since(world.instruments.heard(id));
        if age > self.limits.max_market_age {
            return Err(RiskReject::StaleMarket);
        }
        if world.instruments.facts(id).is_odd(qty.0) {
            return Err(RiskReject::OddLot);
        }
        if i.reference <= Px::ZERO {
            return Err(RiskReject::NoReference);
        }
        if !i.reference.is_within((px - i.reference).0.abs(), self.limits.price_collar_bps) {
            return Err(RiskReject::Collar);
        }
        Ok(())
    }

    #[inline(always)]
    fn position(
        &self,
        id: InstrumentId,
        shares: i64,
        side: Side,
        open: u64,
        qty: Qty,
    ) -> Result<(), RiskReject> {
        let toward = i64::try_from(open)
            .ok()
            .and_then(|o| o.checked_add(i64::from(qty.0)))
            .and_then(|o| o.checked_mul(side.sign()))
            .and_then(|o| shares.checked_add(o))
            .ok_or(RiskReject::Overflow)?;
        // Only what the order's own side can bring: an order that takes a position down is never refused for the position's size.
        let most = self.bounds(id).position;
        let over = match side {
            Side::Buy => toward > most,
            Side::Sell => toward < -most,
        };
        if over { Err(RiskReject::Position) } else { Ok(()) }
    }

    /// Under [`BreakerLevel::ReduceOnly`]: whatever fills of the `open` and of this brings the position towards nothing, and not beyond it.
    #[inline(always)]
    fn reducing(
        &self,
        world: &World<'_>,
        shares: i64,
        side: Side,
        open: u64,
        qty: Qty,
    ) -> Result<(), RiskReject> {
        if world.level < BreakerLevel::ReduceOnly {
            return Ok(());
        }
        let opposite = shares.signum() == -side.sign();
        let within = open.checked_add(qty.0.into()).is_some_and(|all| all <= shares.unsigned_abs());
        if opposite && within { Ok(()) } else { Err(RiskReject::ReduceOnly) }
    }

    /// What all positions could come to in money, with `qty` open beside the side's `others` and so many orders in all.
    #[inline(always)]
    fn money(
        &self,
        world: &World<'_>,
        id: InstrumentId,
        (e, orders): (Exposure, u32),
        side: Side,
        others: u64,
        qty: Qty,
    ) -> Result<(), RiskReject> {
        let Some(worth) = &self.worth else { return Ok(()) };
        let gateway = world.instruments.of(id).instrument.gateway;
        let p = world.positions.of(id);
        let with = others.checked_add(qty.0.into()).ok_or(RiskReject::Overflow)?;
        let open = match side {
            Side::Buy => (with, e.sell),
            Side::Sell => (e.buy, with),
        };
        let then = Value::of(p.shares, open, p.mark, orders).ok_or(RiskReject::Overflow)?;
        worth.fits(id, gateway, side, then)
    }

    #[inline(always)]
    fn drifts(&self, world: &World<'_>, id: InstrumentId, side: Side, px: Px) -> Result<(), RiskReject> {
        if self.drift.is_beyond(id, side, px, world.now) { Err(RiskReject::Impact) } else { Ok(()) }
    }

    /// A new order goes.
    #[inline(always)]
    pub(super) fn on_new(&mut self, world: &World<'_>, gateway: GatewayId, n: &NewOrder, key: Hashed) {
        self.count(world.now, gateway, Request::New);
        self.recent.remember(key, world.now);
        self.repeats.on_sent(n.instrument, n.side, n.qty, world.now);
        self.drift.on_sent(n.instrument, world.instruments.of(n.instrument).reference, world.now);
    }

    /// A replace goes: it begins a window of the drift as a new order does, or a price could be chased by replaces alone.
    #[inline(always)]
    pub(super) fn on_replace(&mut self, world: &World<'_>, order: &Order) {
        self.count(world.now, order.gateway, Request::Replace);
        self.drift.on_sent(order.instrument, world.instruments.of(order.instrument).reference, world.now);
    }

    /// Rule 201: under the restriction a short sale must be above the national best bid; our book's bid is the nearest that is known.
    #[inline(always)]
    fn short_sale(&self, world: &World<'_>, id: InstrumentId, px: Px) -> Result<(), RiskReject> {
        if self.bounds(id).no_short {
            return Err(RiskReject::ShortList);
        }
        // A letter that nobody has heard of restricts too.
        let restricted = world.instruments.of(id).short_sale_restriction != b'0';
        if restricted && (world.best_bid == Px::ZERO || px <= world.best_bid) {
            return Err(RiskReject::ShortSale);
        }
        Ok(())
    }

    #[inline(always)]
    fn self_trade(&self, orders: &Orders, id: InstrumentId, side: Side, px: Px) -> Result<(), RiskReject> {
        let crosses = |o: &Order| o.side != side && o.is_crossed_by(px);
        if orders.of(id).any(crosses) { Err(RiskReject::SelfTrade) } else { Ok(()) }
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.word(u64::from(self.next_token) << 32 | u64::from(self.end_token));
        self.rate.absorb(h);
        self.meters.iter().for_each(|m| m.absorb(h));
        self.recent.absorb(h);
        self.drift.absorb(h);
        self.repeats.absorb(h);
        for (bounds, disabled) in self.bounds.iter().zip(&self.disabled) {
            let lists = u64::from(bounds.no_short) << 2 | u64::from(bounds.restricted) << 1;
            h.word(lists | u64::from(*disabled));
        }
    }
}

/// A replace that passed.
pub(super) fn seal_replace(order: &Order, token: Token, total: Qty, px: Px) -> Approved {
    let kind = CommandKind::Replace { old: order.token, token, qty: total, px, tif: order.tif };
    Approved::seal(OrderCommand { gateway: order.gateway, instrument: order.instrument, kind })
}

/// Whether selling `qty` beside the `open` sells would sell more than is held.
#[inline]
fn is_short(shares: i64, open: u64, qty: Qty) -> Result<bool, RiskReject> {
    let sold = i64::try_from(open).ok().and_then(|o| o.checked_add(i64::from(qty.0)));
    let left = sold.and_then(|s| shares.checked_sub(s)).ok_or(RiskReject::Overflow)?;
    Ok(left < 0)
}

/// The total by which a venue knows a chain of which `open` shares are open: with what already traded or was prevented.
fn chain_total(order: &Order, open: Qty) -> Result<Qty, RiskReject> {
    let gone = order.executed.0.checked_add(order.prevented.0);
    gone.and_then(|g| g.checked_add(open.0)).map(Qty).ok_or(RiskReject::Overflow)
}

#[inline]
fn exposure_of(buy: u64, sell: u64, side: Side) -> u64 {
    match side {
        Side::Buy => buy,
        Side::Sell => sell,
    }
}

#[cfg(test)]
mod tests {
    use model::Symbol;

    use super::*;
    use crate::hash::all_differ;
    use crate::risk::scopes::{DriftLimit, RepeatLimit};
    use crate::risk::throttle::WindowLimit;

    /// A gate of one instrument and one gateway.
    fn gate(scopes: &Scopes, throttles: &[Throttle]) -> Gate {
        let (id, feed) = (InstrumentId(0), model::FeedId(0));
        let instrument = Instrument { id, symbol: Symbol::BLANK, feed, gateway: GatewayId(0) };
        Gate::new(RiskLimits::default(), scopes, throttles, &[instrument], 1)
    }

    #[test]
    fn what_is_left_of_a_block_is_used_before_the_next_and_forgone_before_a_hole() {
        let mut g = gate(&Scopes::default(), &[]);
        g.grant(Token(1), Token(4));
        assert_eq!((g.take_token(), g.tokens_left()), (Token(1), 2));
        g.grant(Token(4), Token(6));
        assert_eq!((g.take_token(), g.tokens_left()), (Token(2), 3), "it joins");
        g.grant(Token(8), Token(9));
        assert_eq!((g.take_token(), g.tokens_left()), (Token(8), 0), "behind a hole");
        g.grant(Token(3), Token(9));
        assert_eq!(g.tokens_left(), 0, "what was used is cut");
        g.grant(Token(9), Token(10));
        assert_eq!((g.take_token(), g.tokens_left()), (Token(9), 0));
    }

    #[test]
    fn all_that_it_goes_by_is_of_the_state() {
        let span = Nanos::from_millis(1_000);
        let scopes = Scopes {
            drift: Some(DriftLimit { bps: 10, window: span }),
            repeat: Some(RepeatLimit { count: 5, window: span }),
            ..Scopes::default()
        };
        let breaker = Some(WindowLimit { limit: 5, span });
        let throttle = Throttle { breaker, ..Throttle::default() };
        let of = |change: fn(&mut Gate)| {
            let mut g = gate(&scopes, std::slice::from_ref(&throttle));
            change(&mut g);
            g
        };
        let key = Key { instrument: InstrumentId(0), side: Side::Buy, px: Px(1), qty: Qty(1) };
        let mut remembers = of(|_| ());
        remembers.recent.remember(key.hashed(), Nanos(5));
        let states = [
            of(|_| ()),
            of(|g| g.next_token = 1),
            of(|g| g.next_token = 2),
            of(|g| g.end_token = 1),
            of(|g| g.rate.count(Nanos(5), 1)),
            of(|g| assert!(!g.meters[0].on_rejected(Nanos(5), 1))),
            of(|g| g.drift.on_sent(InstrumentId(0), Px(1), Nanos(5))),
            of(|g| g.repeats.on_sent(InstrumentId(0), Side::Buy, Qty(1), Nanos(5))),
            of(|g| g.restrict(None, true, true)),
            of(|g| g.restrict(None, false, true)),
            of(|g| g.disabled[0] = true),
            remembers,
        ];
        all_differ(&states, Gate::absorb);
    }
}
