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
//!   Waiting --room--> PendingNew          Waiting --dropped--> Canceled           (the venue knows nothing of it)
//!
//!   any state that is not final --Disconnected--> Unknown --Ready--> what the replayed reports say
//! ```
//!
//! `Unknown` keeps its full reservation until it is settled ([`settle`](super::settle) says by what): nothing is guessed and nothing is sent again.
//!
//! A cancel that a sweep sends while a replace is in flight names both tokens, for either may be the living one; the replace stays in flight behind
//! `PendingCancel` and what it asks for stays reserved.
//!
//! Quantities: a replace's total is `executed + prevented + open` over the chain; `reserved` is what may still trade, the worse of
//! both where a replace is in flight.
//!
//! A report that cannot be true of what we know (a fill beyond what is open, a refusal of an order that was accepted) is a [`Contradiction`]:
//! the order takes on what the venue says, and the engine halts.

use model::{GatewayId, InstrumentId, Nanos, Px, Qty, Side, Tif, Token, VenueRef};

use super::settle::Doubt;
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
    /// What became of it is not known.
    Unknown = 8,
    /// Not sent yet: it waits for room in the message rate of its venue.
    Waiting = 9,
}

impl OrderState {
    /// Whether nothing more can happen to it.
    #[inline]
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, OrderState::Filled | OrderState::Canceled | OrderState::Rejected)
    }
}

/// A report that cannot be true of what we know. The order has taken on what the venue says, where it can; trading has to halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

fn truth(holds: bool) -> Result<(), Contradiction> {
    if holds { Ok(()) } else { Err(Contradiction) }
}

/// OUCH cancel reason: self-match prevention took the shares off, and goes on counting them in the chain's total.
const SELF_MATCH: u8 = b'Q';

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
    /// Whether a sell is marked short.
    pub short: bool,
    /// Time in force.
    pub tif: Tif,
    /// Its limit.
    pub px: Px,
    /// Shares open at the venue (or asked for, while `PendingNew`).
    pub open: Qty,
    /// Shares traded over the chain.
    pub executed: Qty,
    /// Shares that self-match prevention took off; like those executed they count in the total that a replace names.
    pub prevented: Qty,
    /// The venue's number in its book, once accepted.
    pub venue_ref: Option<VenueRef>,
    /// Its number before the last change of it: a feed that lags behind the reports still shows it there.
    pub prior_ref: Option<VenueRef>,
    /// When it was created.
    pub created: Nanos,
    /// The replace in flight.
    pub replace: Option<PendingReplace>,
    /// A cancel was asked for and is to be sent again when what is in flight resolves.
    pub cancel_wanted: bool,
    /// Whether an earlier run of this process made it.
    pub adopted: bool,
    /// Whether a drop copy tells of it: it is another session's, and nothing can be sent about it.
    pub foreign: bool,
    pub(super) phase: OrderState,
    pub(super) doubt: Doubt,
    /// The stream that would tell what became of it is gone: only a report about it, or a person, settles it.
    pub(super) orphaned: bool,
    /// The request that the venue has said it has, and had neither taken nor refused then; 0: none.
    pub(super) received: Token,
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
            short: false,
            tif,
            px,
            open: qty,
            executed: Qty::ZERO,
            prevented: Qty::ZERO,
            venue_ref: None,
            prior_ref: None,
            created: now,
            replace: None,
            cancel_wanted: false,
            adopted: false,
            foreign: false,
            phase: OrderState::PendingNew,
            doubt: Doubt::None,
            orphaned: false,
            received: Token(0),
        }
    }

    /// Where it stands.
    #[inline]
    #[must_use]
    pub fn state(&self) -> OrderState {
        if self.doubt != Doubt::None && !self.phase.is_final() { OrderState::Unknown } else { self.phase }
    }

    /// Whether it may be replaced: live, nothing in flight and no cancel wanted; or not sent yet.
    #[inline]
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        (self.state() == OrderState::Live && !self.cancel_wanted) || self.is_waiting()
    }

    /// Whether it has not been sent: the venue knows nothing of it, and no report can be about it.
    #[inline]
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.phase == OrderState::Waiting
    }

    /// Shares that may still trade, the worse of now and the replace in flight.
    #[inline]
    #[must_use]
    pub fn reserved(&self) -> Qty {
        if self.phase.is_final() {
            return Qty::ZERO;
        }
        match self.replace {
            Some(r) => self.open.max(self.open_after(r)),
            None => self.open,
        }
    }

    /// Shares open once this replace is done, as things stand.
    pub(super) fn open_after(&self, r: PendingReplace) -> Qty {
        r.total.saturating_sub(self.executed).saturating_sub(self.prevented)
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

    /// Whether an order of the other side at `px` would trade with it, the replace in flight included.
    #[inline]
    #[must_use]
    pub fn is_crossed_by(&self, px: Px) -> bool {
        match self.side {
            Side::Buy => px <= self.aggressive_px(),
            Side::Sell => px >= self.aggressive_px(),
        }
    }

    /// Whether the venue was sent a cancel that may still be answered.
    #[inline]
    #[must_use]
    pub fn is_being_canceled(&self) -> bool {
        self.phase == OrderState::PendingCancel && self.doubt != Doubt::Unheard
    }

    /// It is not sent yet.
    pub(crate) fn on_held(&mut self) {
        self.phase = OrderState::Waiting;
    }

    /// It waits, and asks for something else.
    pub(crate) fn on_asked_anew(&mut self, open: Qty, px: Px) {
        (self.open, self.px) = (open, px);
    }

    /// It is sent, so marked.
    pub(crate) fn on_released(&mut self, short: bool) {
        self.phase = OrderState::PendingNew;
        self.short = short;
    }

    /// It will not be sent.
    pub(crate) fn on_dropped(&mut self) {
        self.finish(OrderState::Canceled);
    }

    pub(crate) fn on_sent_replace(&mut self, r: PendingReplace) {
        self.replace = Some(r);
        self.phase = OrderState::PendingReplace;
    }

    pub(crate) fn on_sent_cancel(&mut self) {
        self.phase = OrderState::PendingCancel;
        self.cancel_wanted = false;
    }

    /// The venue took the order. It may have changed price; side, its mark, size and that it does so once are certain.
    pub(crate) fn on_accepted(
        &mut self,
        order: VenueRef,
        (side, short): (Side, bool),
        px: Px,
        qty: Qty,
        dead: bool,
    ) -> Result<(), Contradiction> {
        if self.venue_ref.is_some() {
            return Err(Contradiction);
        }
        let as_asked = (self.side, self.short) == (side, short) && qty <= self.open;
        self.venue_ref = Some(order);
        (self.side, self.short) = (side, short);
        self.px = px;
        self.open = qty;
        if dead || qty.is_zero() {
            self.finish(OrderState::Canceled);
        } else if self.phase == OrderState::PendingNew {
            self.phase = OrderState::Live;
        }
        truth(as_asked)
    }

    /// The order took on a replace's values; `open` is what is open now.
    pub(crate) fn on_replaced(
        &mut self,
        token: Token,
        order: VenueRef,
        px: Px,
        open: Qty,
        dead: bool,
    ) -> Result<(), Contradiction> {
        let asked = self.replace.take().filter(|r| r.token == token);
        // Whoever made an adopted order may have asked for its replace too.
        let as_asked = asked.map_or(self.adopted, |r| open <= self.open_after(r));
        if let Some(r) = asked {
            self.tif = r.tif;
        }
        self.token = token;
        self.prior_ref = self.venue_ref.replace(order);
        self.px = px;
        self.open = open;
        if dead || open.is_zero() {
            self.finish(OrderState::Canceled);
        } else if self.phase == OrderState::PendingReplace {
            self.phase = OrderState::Live;
        }
        truth(as_asked)
    }

    /// Applies a fill.
    pub(crate) fn on_executed(&mut self, qty: Qty) -> Result<(), Contradiction> {
        let within = qty <= self.open;
        self.executed = Qty(self.executed.0.saturating_add(qty.0));
        self.open = self.open.saturating_sub(qty);
        if self.open.is_zero() {
            self.finish(OrderState::Filled);
        }
        truth(within)
    }

    /// Shares left without trading. The rest lives; a cancel in flight is not answered by a part, for it is of the whole: a part answers what took shares off before it.
    pub(crate) fn on_canceled(&mut self, qty: Qty, reason: u8) -> Result<(), Contradiction> {
        let within = qty <= self.open;
        if reason == SELF_MATCH {
            self.prevented = Qty(self.prevented.0.saturating_add(qty.0));
        }
        self.open = self.open.saturating_sub(qty);
        // Of an orphan parts may have left unheard. They may have traded, so what the venue did not cancel stays reserved though none of it is open any more.
        if self.open.is_zero() {
            self.finish(OrderState::Canceled);
        }
        truth(within)
    }

    /// A refusal of the order, or of the replace that carried `token`. An order that was accepted cannot be refused any more.
    pub(crate) fn on_rejected(&mut self, token: Token) -> Result<(), Contradiction> {
        match self.replace {
            Some(r) if r.token == token => {
                self.replace = None;
                if self.phase == OrderState::PendingReplace {
                    self.phase = OrderState::Live;
                }
                Ok(())
            }
            _ if self.venue_ref.is_none() => {
                self.finish(OrderState::Rejected);
                Ok(())
            }
            _ => Err(Contradiction),
        }
    }

    pub(crate) fn on_cancel_rejected(&mut self) -> Result<(), Contradiction> {
        if self.phase == OrderState::PendingCancel {
            self.phase = self.phase_without_cancel();
        }
        Ok(())
    }

    /// Shares or side changed in place. We never ask for it; a venue may take shares off.
    pub(crate) fn on_modified(&mut self, open: Qty, side: Side, short: bool) -> Result<(), Contradiction> {
        let less = open <= self.open && side == self.side;
        self.open = open;
        (self.side, self.short) = (side, short);
        if open.is_zero() {
            self.finish(OrderState::Canceled);
        }
        truth(less)
    }

    pub(crate) fn on_reprioritised(&mut self, order: VenueRef, px: Px) -> Result<(), Contradiction> {
        self.prior_ref = self.venue_ref.replace(order);
        self.px = px;
        Ok(())
    }

    /// The venue has the request with `token`, and has not decided.
    pub(crate) fn on_restated(&mut self, token: Token) {
        if self.unanswered() == Some(token) {
            self.received = token;
        }
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.word(u64::from(self.id.0.0) << 32 | u64::from(self.token.0));
        h.word(u64::from(self.open.0) << 32 | u64::from(self.executed.0));
        h.signed(self.px.0);
        h.word(u64::from(self.prevented.0));
        let ioc = self.tif == Tif::Ioc;
        let flags = [self.foreign, self.orphaned, self.cancel_wanted, self.adopted, self.short, ioc];
        let flags = flags.into_iter().fold(self.doubt as u64, |w, f| w << 1 | u64::from(f));
        h.word(flags << 16 | (self.side as u64) << 8 | self.phase as u64);
        h.word(u64::from(self.instrument.0) << 8 | u64::from(self.gateway.0));
        h.word(self.venue_ref.map_or(0, |r| r.0));
        h.word(self.prior_ref.map_or(0, |r| r.0));
        h.word(self.created.0);
        if let Some(r) = self.replace {
            h.word(u64::from(r.token.0) << 32 | u64::from(r.total.0));
            h.signed(r.px.0);
        }
        if self.received != Token(0) {
            h.word(u64::from(self.received.0));
        }
    }

    pub(super) fn finish(&mut self, state: OrderState) {
        self.phase = state;
        self.open = Qty::ZERO;
        self.replace = None;
        self.cancel_wanted = false;
        self.doubt = Doubt::None;
        self.orphaned = false;
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
        o.on_accepted(VenueRef(9), (Side::Buy, false), Px(100), Qty(qty), false).unwrap();
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
        assert_eq!(o.on_executed(Qty(130)), Err(Contradiction));
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
        o.on_replaced(Token(2), VenueRef(10), Px(110), Qty(150), false).unwrap();
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
        o.on_rejected(Token(2)).unwrap();
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
    fn a_partial_cancel_leaves_the_rest_and_any_cancel_in_flight() {
        let mut o = live(100);
        o.on_canceled(Qty(10), b'S').unwrap();
        assert_eq!((o.state(), o.open), (OrderState::Live, Qty(90)));
        o.on_sent_cancel();
        o.on_canceled(Qty(30), b'S').unwrap();
        assert_eq!((o.state(), o.open), (OrderState::PendingCancel, Qty(60)));
        o.on_canceled(Qty(60), b'U').unwrap();
        assert_eq!(o.state(), OrderState::Canceled);
    }

    #[test]
    fn what_self_match_prevention_took_counts_in_the_total() {
        let mut o = live(100);
        o.on_executed(Qty(10)).unwrap();
        o.on_canceled(Qty(20), SELF_MATCH).unwrap();
        assert_eq!((o.open, o.prevented), (Qty(70), Qty(20)));
        o.on_sent_replace(replace(2, 130, 100));
        assert_eq!(o.reserved(), Qty(100));
        o.on_replaced(Token(2), VenueRef(10), Px(100), Qty(100), false).unwrap();
        assert_eq!(o.open, Qty(100));
    }

    #[test]
    fn what_cannot_be_true_is_said() {
        let mut o = live(100);
        assert_eq!(
            o.on_accepted(VenueRef(1), (Side::Buy, false), Px(1), Qty(100), true),
            Err(Contradiction),
            "twice"
        );
        assert_eq!(o.on_rejected(Token(1)), Err(Contradiction), "it lives");
        assert_eq!((o.state(), o.open, o.px), (OrderState::Live, Qty(100), Px(100)));
        assert_eq!(o.clone().on_canceled(Qty(101), b'U'), Err(Contradiction));
        assert_eq!(o.clone().on_modified(Qty(101), Side::Buy, false), Err(Contradiction));
        assert_eq!(o.clone().on_modified(Qty(10), Side::Sell, false), Err(Contradiction));
        assert_eq!(o.on_modified(Qty(90), Side::Buy, false), Ok(()));
        o.on_sent_replace(replace(2, 80, 90));
        let replaced =
            |token, open| o.clone().on_replaced(Token(token), VenueRef(2), Px(90), Qty(open), false);
        assert_eq!(replaced(2, 80), Ok(()));
        assert_eq!(replaced(2, 81), Err(Contradiction), "more than asked for");
        assert_eq!(replaced(3, 80), Err(Contradiction), "never asked for");
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
        o.on_accepted(VenueRef(1), (Side::Buy, false), Px(1), Qty(1), true).unwrap();
        assert_eq!((o.state(), o.reserved()), (OrderState::Canceled, Qty(0)));
    }
}
