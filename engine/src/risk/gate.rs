//! The gate itself: one function for each kind of request, in the order cheapest refusal first.

use model::{
    CommandKind, GatewayId, InstrumentId, Nanos, OrderCommand, PortRequest, Px, Qty, Side, Tif, Token,
    Validity,
};

use super::approved::Approved;
use super::limits::RiskLimits;
use super::rate::{NEVER, RollingWindow};
use super::recent::{Key, Recent};
use super::throttle::{Meter, Request, Throttle};
use crate::hash::StateHash;
use crate::instruments::Instruments;
use crate::orders::{Order, OrderState, Orders};
use crate::position::Positions;
use crate::validity::Soundness;

/// Why a request was refused. The codes are stable: journals, logs and alerts carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RiskReject {
    /// Trading is halted (SEC 15c3-5(c); RTS 6 art. 12 kill functionality).
    Halted = 1,
    /// The order entry session is not ready, or its orders are not settled after a reconnect.
    SessionDown = 2,
    /// No durable token is left: one may never be used twice.
    NoToken = 3,
    /// Zero shares, or more than the limit (RTS 6 art. 15(1)(c); 15c3-5(c)(1)(ii)).
    Quantity = 4,
    /// The limit price is not one that an order may carry.
    Price = 5,
    /// Money at the limit price above the limit (RTS 6 art. 15(1)(b)).
    Notional = 6,
    /// The venue does not let the instrument trade (halt, pause, quotation only, unknown).
    NotTrading = 7,
    /// The book may be wrong, or the market data is old.
    StaleMarket = 8,
    /// There is no validated reference price to collar with.
    NoReference = 9,
    /// Too far from the reference (RTS 6 art. 15(1)(a) price collar; 15c3-5(c)(1)(ii)).
    Collar = 10,
    /// The position with everything open filled would pass the limit (15c3-5(c)(1)(i)).
    Position = 11,
    /// Too many orders open.
    OpenOrders = 12,
    /// Too many messages in a second, or more than the gateway's throttle lets pass (RTS 6 art. 15(1)(d)).
    MessageRate = 13,
    /// The same order again within the window (FIA; RTS 6 art. 15(3) repeated execution).
    Duplicate = 14,
    /// It would trade against our own order (FINRA 5210.02; RTS 6 art. 12).
    SelfTrade = 15,
    /// The order named is not open.
    UnknownOrder = 16,
    /// Another request for the order is in flight.
    Busy = 17,
    /// The instrument is not in the configuration.
    UnknownInstrument = 18,
    /// Arithmetic would leave 64 bits.
    Overflow = 19,
    /// More intents than one callback may leave.
    TooManyIntents = 20,
    /// The short sale restriction forbids it at this price (Reg SHO Rule 201).
    ShortSale = 21,
    /// A replace would make a sale short that was sent as long; the mark cannot be changed (Reg SHO Rule 200(g)). Cancel and send anew.
    ShortMark = 22,
    /// Not a multiple of the round lot, of an instrument that takes nothing else.
    OddLot = 23,
    /// Outside market hours, or after the end of the venue's session.
    MarketClosed = 24,
    /// The book is whole but cannot be: locked or crossed for too long, or its best prices have jumped.
    BookSanity = 25,
    /// The venue has refused for its own message rate, and new orders stay back for a while.
    BackOff = 26,
}

impl RiskReject {
    /// Whether there may be room a little later: what is refused so may wait.
    #[must_use]
    pub const fn is_of_pace(self) -> bool {
        matches!(self, RiskReject::MessageRate | RiskReject::BackOff)
    }

    /// Every one, by code.
    pub const ALL: [RiskReject; 26] = {
        use RiskReject::*;
        [
            Halted,
            SessionDown,
            NoToken,
            Quantity,
            Price,
            Notional,
            NotTrading,
            StaleMarket,
            NoReference,
            Collar,
            Position,
            OpenOrders,
            MessageRate,
            Duplicate,
            SelfTrade,
            UnknownOrder,
            Busy,
            UnknownInstrument,
            Overflow,
            TooManyIntents,
            ShortSale,
            ShortMark,
            OddLot,
            MarketClosed,
            BookSanity,
            BackOff,
        ]
    };
}

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
    /// Whether trading is allowed at all.
    pub(crate) halted: bool,
    /// Whether the instrument's gateway takes orders.
    pub(crate) ready: bool,
}

/// Limits and the counts that go with them.
pub(crate) struct Gate {
    limits: RiskLimits,
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
    pub(crate) fn new(limits: RiskLimits, throttles: &[Throttle]) -> Gate {
        if let Err(why) = limits.check() {
            panic!("whoever reads a configuration checks its limits: {why}");
        }
        Gate {
            limits,
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
        if first > self.end_token || self.next_token == self.end_token {
            self.next_token = first;
        }
        self.end_token = self.end_token.max(end.0);
    }

    /// Never again uses `token` or one below: the venue knows it.
    pub(crate) fn burn(&mut self, token: Token) {
        if token.0 >= self.next_token {
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
    pub(crate) fn new_order(
        &mut self,
        world: &World<'_>,
        orders: &mut Orders,
        gateway: GatewayId,
        n: NewOrder,
    ) -> Result<Approved, RiskReject> {
        self.passable(world)?;
        self.has_token()?;
        self.sound(n.qty, n.px)?;
        if orders.open() >= self.limits.max_open_orders as usize || !orders.has_room() {
            return Err(RiskReject::OpenOrders);
        }
        let short = self.fits(world, orders, &n, 0)?;
        let key = n.key();
        if self.recent.holds(&key, world.now) {
            return Err(RiskReject::Duplicate);
        }
        self.room(world.now, gateway, Request::New)?;
        self.count(world.now, gateway, Request::New);
        self.recent.remember(key, world.now);
        let token = self.take_token();
        let mut order = Order::new(token, n.instrument, gateway, n.side, n.tif, n.px, n.qty, world.now);
        order.short = short;
        orders.insert(order);
        let kind = CommandKind::New { token, side: n.side, short, qty: n.qty, px: n.px, tif: n.tif };
        Ok(Approved::seal(OrderCommand { gateway, instrument: n.instrument, kind }))
    }

    /// Whether a new order may go as things are; `own` is what of its side's exposure is its own already. Returns whether it sells short.
    #[inline]
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
        self.position(shares, n.side, others, n.qty)?;
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
        self.count(world.now, order.gateway, Request::Replace);
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
        self.sound(open, px)?;
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
            self.position(shares, order.side, others, open)?;
        }
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
    #[inline]
    fn room(&self, now: Nanos, gateway: GatewayId, what: Request) -> Result<(), RiskReject> {
        if let Some(m) = self.meters.get(gateway.index()) {
            m.room(now, what)?;
        }
        if self.rate.room_at(1) > now { Err(RiskReject::MessageRate) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn count(&mut self, now: Nanos, gateway: GatewayId, what: Request) {
        self.rate.count(now, 1);
        if let Some(m) = self.meters.get_mut(gateway.index()) {
            m.count(now, what);
        }
    }

    #[inline]
    pub(super) fn passable(&self, world: &World<'_>) -> Result<(), RiskReject> {
        if world.halted {
            return Err(RiskReject::Halted);
        }
        if !world.ready {
            return Err(RiskReject::SessionDown);
        }
        Ok(())
    }

    #[inline]
    fn has_token(&self) -> Result<(), RiskReject> {
        if self.next_token >= self.end_token { Err(RiskReject::NoToken) } else { Ok(()) }
    }

    #[inline]
    pub(super) fn sound(&self, qty: Qty, px: Px) -> Result<(), RiskReject> {
        if qty.is_zero() || qty > self.limits.max_order_quantity || qty > Qty::MAX_ORDER {
            return Err(RiskReject::Quantity);
        }
        if !px.is_orderable() {
            return Err(RiskReject::Price);
        }
        match px.notional(qty) {
            None => Err(RiskReject::Overflow),
            Some(n) if n > self.limits.max_order_notional => Err(RiskReject::Notional),
            Some(_) => Ok(()),
        }
    }

    #[inline]
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
        let room = i.reference.bps(self.limits.price_collar_bps);
        if (px - i.reference).0.abs() > room.0 {
            return Err(RiskReject::Collar);
        }
        Ok(())
    }

    #[inline]
    fn position(&self, shares: i64, side: Side, open: u64, qty: Qty) -> Result<(), RiskReject> {
        let toward = i64::try_from(open)
            .ok()
            .and_then(|o| o.checked_add(i64::from(qty.0)))
            .and_then(|o| o.checked_mul(side.sign()))
            .and_then(|o| shares.checked_add(o))
            .ok_or(RiskReject::Overflow)?;
        // Only what the order's own side can bring: an order that takes a position down is never refused for the position's size.
        let over = match side {
            Side::Buy => toward > self.limits.max_position,
            Side::Sell => toward < -self.limits.max_position,
        };
        if over { Err(RiskReject::Position) } else { Ok(()) }
    }

    /// Rule 201: under the restriction a short sale must be above the national best bid; our book's bid is the nearest that is known.
    #[inline]
    fn short_sale(&self, world: &World<'_>, id: InstrumentId, px: Px) -> Result<(), RiskReject> {
        // A letter that nobody has heard of restricts too.
        let restricted = world.instruments.of(id).short_sale_restriction != b'0';
        if restricted && (world.best_bid == Px::ZERO || px <= world.best_bid) {
            return Err(RiskReject::ShortSale);
        }
        Ok(())
    }

    #[inline]
    fn self_trade(&self, orders: &Orders, id: InstrumentId, side: Side, px: Px) -> Result<(), RiskReject> {
        let crosses = |o: &Order| o.side != side && o.is_crossed_by(px);
        if orders.of(id).any(crosses) { Err(RiskReject::SelfTrade) } else { Ok(()) }
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.word(u64::from(self.next_token) << 32 | u64::from(self.end_token));
        self.rate.absorb(h);
        self.meters.iter().for_each(|m| m.absorb(h));
        self.recent.absorb(h);
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
