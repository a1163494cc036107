//! One order and its state machine.
//!
//! ```text
//!                Accepted              replace sent                 Replaced / Rejected
//!   PendingNew ------------> Live --------------------> PendingReplace ------------> Live
//!     |   |                  |  |                            | (a fill may come for the old token)
//!     |   | Rejected         |  | cancel sent                |
//!     |   v                  |  v                            v
//!     | Rejected             | PendingCancel ---------> Filled | Canceled     (open = 0, by fills or cancels)
//!     |                      |        | CancelRejected
//!     +----------------------+--------+-> Live
//!
//!   any state that is not final --Disconnected--> Unknown --Ready--> what the replayed reports say
//! ```
//!
//! `Unknown` keeps its full reservation until the venue's replayed stream settles it: nothing is guessed and nothing is sent again.
//!
//! Quantities: `total = executed + canceled + open` over the chain of replaces; `reserved` is what may still trade, the worse of
//! both where a replace is in flight.

use model::{GatewayId, InstrumentId, Nanos, Px, Qty, Side, Tif, Token, VenueRef};

use crate::hash::StateHash;

/// An order's name towards strategies: its first token, which stays through replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub Token);

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderState {
    /// Sent, not answered.
    PendingNew = 1,
    /// Resting at the venue.
    Live = 2,
    /// A replace is in flight.
    PendingReplace = 3,
    /// A cancel is in flight.
    PendingCancel = 4,
    /// Traded in full.
    Filled = 5,
    /// Gone with shares unfilled.
    Canceled = 6,
    /// Never lived.
    Rejected = 7,
    /// The connection went; what became of it is not known.
    Unknown = 8,
}

impl OrderState {
    /// Whether nothing more can happen to it.
    #[inline]
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, OrderState::Filled | OrderState::Canceled | OrderState::Rejected)
    }
}

/// What a replace in flight asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingReplace {
    /// The token the order will have.
    pub token: Token,
    /// The chain's new total.
    pub total: Qty,
    /// The new limit.
    pub px: Px,
    /// The new time in force.
    pub tif: Tif,
}

/// One of our orders.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Its name.
    pub id: OrderId,
    /// Its token now.
    pub token: Token,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Where it was sent.
    pub gateway: GatewayId,
    /// Its side.
    pub side: Side,
    /// Time in force.
    pub tif: Tif,
    /// Its limit.
    pub px: Px,
    /// Shares open at the venue (or asked for, while `PendingNew`).
    pub open: Qty,
    /// Shares traded over the chain.
    pub executed: Qty,
    /// The venue's number in its book, once accepted.
    pub venue_ref: Option<VenueRef>,
    /// When it was created.
    pub created: Nanos,
    /// The replace in flight.
    pub replace: Option<PendingReplace>,
    /// A cancel was asked for and is to be sent again when what is in flight resolves.
    pub cancel_wanted: bool,
    /// Whether an earlier run of this process made it.
    pub adopted: bool,
    phase: OrderState,
    unknown: bool,
}

impl Order {
    /// A new order as sent.
    #[expect(clippy::too_many_arguments, reason = "a record's fields; each is a distinct type")]
    pub(crate) fn new(
        token: Token,
        instrument: InstrumentId,
        gateway: GatewayId,
        side: Side,
        tif: Tif,
        px: Px,
        qty: Qty,
        now: Nanos,
    ) -> Order {
        Order {
            id: OrderId(token),
            token,
            instrument,
            gateway,
            side,
            tif,
            px,
            open: qty,
            executed: Qty::ZERO,
            venue_ref: None,
            created: now,
            replace: None,
            cancel_wanted: false,
            adopted: false,
            phase: OrderState::PendingNew,
            unknown: false,
        }
    }

    /// Where it stands.
    #[inline]
    #[must_use]
    pub fn state(&self) -> OrderState {
        if self.unknown && !self.phase.is_final() { OrderState::Unknown } else { self.phase }
    }

    /// Whether a replace may be sent: live, and nothing in flight.
    #[inline]
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.state() == OrderState::Live
    }

    /// Shares that may still trade, the worse of now and the replace in flight.
    #[inline]
    #[must_use]
    pub fn reserved(&self) -> Qty {
        if self.phase.is_final() {
            return Qty::ZERO;
        }
        match self.replace {
            Some(r) => self.open.max(r.total.saturating_sub(self.executed)),
            None => self.open,
        }
    }

    /// The most aggressive price it may trade at, the replace in flight included.
    #[inline]
    #[must_use]
    pub fn aggressive_px(&self) -> Px {
        match (self.replace, self.side) {
            (Some(r), Side::Buy) => self.px.max(r.px),
            (Some(r), Side::Sell) => self.px.min(r.px),
            (None, _) => self.px,
        }
    }

    pub(crate) fn on_sent_replace(&mut self, r: PendingReplace) {
        self.replace = Some(r);
        self.phase = OrderState::PendingReplace;
    }

    pub(crate) fn on_sent_cancel(&mut self) {
        self.phase = OrderState::PendingCancel;
        self.cancel_wanted = false;
    }

    pub(crate) fn on_accepted(&mut self, order: VenueRef, px: Px, qty: Qty, dead: bool) {
        self.venue_ref = Some(order);
        self.px = px;
        self.open = qty;
        match self.phase {
            _ if dead => self.finish(OrderState::Canceled),
            OrderState::PendingNew => self.phase = OrderState::Live,
            _ => {}
        }
    }

    pub(crate) fn on_replaced(&mut self, token: Token, order: VenueRef, px: Px, open: Qty, dead: bool) {
        if let Some(r) = self.replace.take() {
            self.tif = r.tif;
        }
        self.token = token;
        self.venue_ref = Some(order);
        self.px = px;
        self.open = open;
        match self.phase {
            _ if dead => self.finish(OrderState::Canceled),
            OrderState::PendingReplace => self.phase = OrderState::Live,
            _ => {}
        }
    }

    /// Applies a fill. `Err` carries what was more than open.
    pub(crate) fn on_executed(&mut self, qty: Qty) -> Result<(), Qty> {
        let excess = qty.saturating_sub(self.open);
        self.executed = Qty(self.executed.0.saturating_add(qty.0));
        self.open = self.open.saturating_sub(qty);
        if self.open.is_zero() {
            self.finish(OrderState::Filled);
        }
        if excess.is_zero() { Ok(()) } else { Err(excess) }
    }

    pub(crate) fn on_canceled(&mut self, qty: Qty) {
        self.open = self.open.saturating_sub(qty);
        if self.open.is_zero() {
            self.finish(OrderState::Canceled);
        } else if self.phase == OrderState::PendingCancel {
            // A partial cancel was answered; the rest lives.
            self.phase = OrderState::Live;
        }
    }

    /// A refusal of the order, or of the replace that carried `token`.
    pub(crate) fn on_rejected(&mut self, token: Token) {
        match self.replace {
            Some(r) if r.token == token => {
                self.replace = None;
                self.phase = OrderState::Live;
            }
            _ => self.finish(OrderState::Rejected),
        }
    }

    pub(crate) fn on_cancel_rejected(&mut self) {
        if self.phase == OrderState::PendingCancel {
            self.phase = OrderState::Live;
        }
    }

    pub(crate) fn on_modified(&mut self, open: Qty, side: Side) {
        self.open = open;
        self.side = side;
        if open.is_zero() {
            self.finish(OrderState::Canceled);
        }
    }

    pub(crate) fn on_disconnected(&mut self) {
        self.unknown = true;
    }

    /// Every report up to now was seen. What was sent and never answered was never processed: OUCH 5.0 answers each request it processes, in
    /// the sequenced stream that was just replayed in full.
    pub(crate) fn on_settled(&mut self) {
        if !self.unknown {
            return;
        }
        self.unknown = false;
        if self.phase.is_final() {
            return;
        }
        if self.venue_ref.is_none() {
            self.finish(OrderState::Rejected);
            return;
        }
        // A cancel that was in flight is asked for again: a superfluous one is ignored by the venue.
        self.cancel_wanted |= self.phase == OrderState::PendingCancel;
        self.replace = None;
        self.phase = OrderState::Live;
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.word(u64::from(self.id.0.0) << 32 | u64::from(self.token.0));
        h.word(u64::from(self.open.0) << 32 | u64::from(self.executed.0));
        h.signed(self.px.0);
        let flags = [self.unknown, self.cancel_wanted, self.adopted, self.tif == Tif::Ioc];
        let flags = flags.into_iter().fold(0, |w, f| w << 1 | u64::from(f));
        h.word(flags << 16 | (self.side as u64) << 8 | self.phase as u64);
        h.word(u64::from(self.instrument.0) << 8 | u64::from(self.gateway.0));
        h.word(self.venue_ref.map_or(0, |r| r.0));
        h.word(self.created.0);
        if let Some(r) = self.replace {
            h.word(u64::from(r.token.0) << 32 | u64::from(r.total.0));
            h.signed(r.px.0);
        }
    }

    fn finish(&mut self, state: OrderState) {
        self.phase = state;
        self.open = Qty::ZERO;
        self.replace = None;
        self.cancel_wanted = false;
        self.unknown = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(qty: u32) -> Order {
        let mut o = Order::new(
            Token(1),
            InstrumentId(0),
            GatewayId(0),
            Side::Buy,
            Tif::Day,
            Px(100),
            Qty(qty),
            Nanos::ZERO,
        );
        assert_eq!(o.state(), OrderState::PendingNew);
        o.on_accepted(VenueRef(9), Px(100), Qty(qty), false);
        assert_eq!(o.state(), OrderState::Live);
        o
    }

    fn replace(token: u32, total: u32, px: i64) -> PendingReplace {
        PendingReplace { token: Token(token), total: Qty(total), px: Px(px), tif: Tif::Day }
    }

    #[test]
    fn partial_fills_end_in_filled() {
        let mut o = live(100);
        o.on_executed(Qty(40)).unwrap();
        assert_eq!((o.state(), o.open, o.executed), (OrderState::Live, Qty(60), Qty(40)));
        o.on_executed(Qty(60)).unwrap();
        assert_eq!((o.state(), o.reserved()), (OrderState::Filled, Qty(0)));
    }

    #[test]
    fn an_overfill_is_said() {
        let mut o = live(100);
        assert_eq!(o.on_executed(Qty(130)), Err(Qty(30)));
        assert_eq!(o.state(), OrderState::Filled);
        assert_eq!(o.executed, Qty(130));
    }

    #[test]
    fn a_replace_reserves_the_worse_of_both() {
        let mut o = live(100);
        o.on_executed(Qty(30)).unwrap();
        o.on_sent_replace(replace(2, 200, 110));
        assert_eq!((o.reserved(), o.aggressive_px()), (Qty(170), Px(110)));
        // A fill for the old token while the replace is in flight counts against both.
        o.on_executed(Qty(20)).unwrap();
        assert_eq!(o.reserved(), Qty(150));
        o.on_replaced(Token(2), VenueRef(10), Px(110), Qty(150), false);
        assert_eq!(
            (o.state(), o.token, o.open, o.id),
            (OrderState::Live, Token(2), Qty(150), OrderId(Token(1)))
        );
    }

    #[test]
    fn a_replace_that_is_refused_leaves_the_order() {
        let mut o = live(100);
        o.on_sent_replace(replace(2, 50, 90));
        assert_eq!(o.reserved(), Qty(100));
        o.on_rejected(Token(2));
        assert_eq!((o.state(), o.open), (OrderState::Live, Qty(100)));
    }

    #[test]
    fn a_replace_of_a_filled_order_meets_silence() {
        let mut o = live(100);
        o.on_sent_replace(replace(2, 200, 110));
        o.on_executed(Qty(100)).unwrap();
        assert_eq!((o.state(), o.reserved()), (OrderState::Filled, Qty(0)));
    }

    #[test]
    fn a_partial_cancel_leaves_the_rest() {
        let mut o = live(100);
        o.on_sent_cancel();
        o.on_canceled(Qty(40));
        assert_eq!((o.state(), o.open), (OrderState::Live, Qty(60)));
        o.on_canceled(Qty(60));
        assert_eq!(o.state(), OrderState::Canceled);
    }

    #[test]
    fn unknown_keeps_its_reservation_until_settled() {
        let mut o = live(100);
        o.on_sent_cancel();
        o.on_disconnected();
        assert_eq!((o.state(), o.reserved()), (OrderState::Unknown, Qty(100)));
        // The replay brings a fill that was missed.
        o.on_executed(Qty(10)).unwrap();
        assert_eq!((o.state(), o.reserved()), (OrderState::Unknown, Qty(90)));
        o.on_settled();
        assert_eq!((o.state(), o.cancel_wanted), (OrderState::Live, true));

        let mut never = Order::new(
            Token(5),
            InstrumentId(0),
            GatewayId(0),
            Side::Sell,
            Tif::Day,
            Px(1),
            Qty(1),
            Nanos::ZERO,
        );
        never.on_disconnected();
        never.on_settled();
        assert_eq!(never.state(), OrderState::Rejected);
    }

    #[test]
    fn accepted_dead_is_the_end() {
        let mut o = Order::new(
            Token(1),
            InstrumentId(0),
            GatewayId(0),
            Side::Buy,
            Tif::Ioc,
            Px(1),
            Qty(1),
            Nanos::ZERO,
        );
        o.on_accepted(VenueRef(1), Px(1), Qty(1), true);
        assert_eq!((o.state(), o.reserved()), (OrderState::Canceled, Qty(0)));
    }
}
