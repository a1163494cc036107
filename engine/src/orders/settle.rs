//! What makes an order [`OrderState::Unknown`], and what makes it known again.
//!
//! ```text
//!             Disconnected                    Ready, and what it asked is answered or proven never to have been processed
//!   known ------------------> Unheard ---------------------------------------------------------------------------> known | Rejected
//!     |                          |                                                                                   ^
//!     | another session,         | Ready, and neither                                                                | a report about it,
//!     | a hole in this one       v                                                                                   | or proof by a later token
//!     +------(orphaned)------> Unsettled --------------------------------------------------------------------------+
//! ```
//!
//! A request that was sent and not answered was either never processed, or its answer has not come yet. Three things prove the first:
//!
//! * OUCH 5.0 answers each request that it processes, in the sequenced stream; a *proven* [`Ready`](model::SessionEvent::Ready) means that all of the
//!   stream up to the login was seen.
//! * The venue takes tokens in increasing order and ignores one at or below the last that it processed. So where its stream shows a higher token processed
//!   and not this one, this one was not processed before it and will not be after it. The same says the next token of an Account Query's answer.
//! * The end of the venue's day.
//!
//! None of them settles a request of which the venue has said that it has it, and no more (FIX: Pending New, Pending Replace): it is processed later, or refused. Where the
//! others are settled it is what it was before the disconnect: in flight, and reserved.
//!
//! None of them says anything about an order that is *orphaned*: the venue began another session, or a part of its stream is lost, and what was said there of
//! the order will not be said again. A report of what is open of it, reports that account for every share, or a person's word settles it; until then it keeps its reservation, and trading
//! is not resumed.

use model::Token;

use super::{Order, OrderState};

/// Why an order is [`OrderState::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Doubt {
    /// It is not.
    None = 0,
    /// The session does not stand, or what it missed is being replayed.
    Unheard = 1,
    /// The session stands, and the replay did not tell.
    Unsettled = 2,
}

impl Order {
    /// Whether the stream that would tell what became of it is gone.
    #[inline]
    #[must_use]
    pub fn is_orphaned(&self) -> bool {
        self.orphaned
    }

    /// Whether the session stands and yet it is not known what became of it.
    #[inline]
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.doubt == Doubt::Unsettled
    }

    /// The venue has said that it has it, or had.
    fn was_seen(&self) -> bool {
        self.venue_ref.is_some() || !self.executed.is_zero() || !self.prevented.is_zero()
    }

    /// The token of the request that the venue has not answered: the replace in flight, or the order itself.
    pub(super) fn unanswered(&self) -> Option<Token> {
        match self.replace {
            Some(r) => Some(r.token),
            None if self.was_seen() => None,
            None => Some(self.id.0),
        }
    }

    /// Where it stands but for a cancel sent.
    pub(super) fn phase_without_cancel(&self) -> OrderState {
        match self.replace {
            Some(_) => OrderState::PendingReplace,
            None if self.was_seen() => OrderState::Live,
            None => OrderState::PendingNew,
        }
    }

    pub(crate) fn on_disconnected(&mut self) {
        self.doubt = Doubt::Unheard;
    }

    /// What the venue said of it until now may be incomplete, and will not be said again. `ready`: the session stands.
    pub(crate) fn on_orphaned(&mut self, ready: bool) {
        self.orphaned = true;
        self.doubt = if ready { Doubt::Unsettled } else { Doubt::Unheard };
        self.cancel_anew();
    }

    /// The venue ended its day, after every report of it: an order that it never accepted, it never will. What becomes of the others it did not
    /// say, so they stay unknown.
    pub(crate) fn on_day_over(&mut self) {
        if self.was_seen() || self.orphaned {
            self.on_disconnected();
        } else {
            self.finish(OrderState::Rejected);
        }
    }

    /// The session stands. Every report up to the login was seen, or (with `below`) the venue has processed all that it ever will of the tokens below that.
    pub(crate) fn on_ready(&mut self, below: Option<Token>) {
        let open_question = |t| below.is_some_and(|below| t >= below);
        match self.doubt {
            Doubt::None => {}
            _ if self.orphaned || self.unanswered().is_some_and(open_question) => {
                self.doubt = Doubt::Unsettled;
                self.cancel_anew();
            }
            _ => self.settle(),
        }
    }

    /// The venue has processed `token`, and everything that it said before was seen.
    pub(crate) fn on_overtaken(&mut self, token: Token) {
        let overtaken = |t: Token| t < token;
        if self.doubt == Doubt::Unsettled && !self.orphaned && self.unanswered().is_some_and(overtaken) {
            self.settle();
        }
    }

    /// A report under `token` is about to be applied. Under the new token of a replace it says that the replace was done, though the message that said so was lost:
    /// else the size of the old order would be taken for that of the new one.
    pub(crate) fn on_named(&mut self, token: Token) {
        if let Some(r) = self.replace.take_if(|r| r.token == token) {
            self.open = self.open_after(r);
            (self.token, self.px, self.tif) = (r.token, r.px, r.tif);
            if self.phase == OrderState::PendingReplace {
                self.phase = OrderState::Live;
            }
        }
    }

    /// A report about it came and was applied; `whole` if it says what is open, not what left. `ready`: the session stands. A part that left says nothing of
    /// those that left before and were not heard of, and with a request unanswered the answer may be among what was lost, and with it the token.
    pub(crate) fn on_heard(&mut self, whole: bool, ready: bool) {
        if self.phase.is_final() || self.unanswered().is_some() || (self.orphaned && !whole) {
            return;
        }
        self.orphaned = false;
        if ready && self.doubt == Doubt::Unsettled {
            self.doubt = Doubt::None;
            if self.phase != OrderState::PendingCancel {
                self.phase = OrderState::Live;
            }
        }
    }

    /// A person says that it is gone.
    pub(crate) fn on_written_off(&mut self) {
        self.finish(OrderState::Canceled);
    }

    /// What was sent and not answered was not processed, or lies at the venue.
    fn settle(&mut self) {
        self.doubt = Doubt::None;
        let is_at_venue = self.unanswered().is_some_and(|token| token == self.received);
        if !self.was_seen() && !is_at_venue {
            self.finish(OrderState::Rejected);
            return;
        }
        // A cancel that was in flight is asked for again: a superfluous one is ignored by the venue.
        self.cancel_wanted |= self.phase == OrderState::PendingCancel;
        if is_at_venue {
            self.phase = self.phase_without_cancel();
            return;
        }
        self.replace = None;
        self.phase = OrderState::Live;
    }

    /// What may live and cannot be told of is to go; a cancel sent before may be lost.
    fn cancel_anew(&mut self) {
        self.phase = self.phase_without_cancel();
        self.cancel_wanted = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::PendingReplace;
    use super::*;
    use model::{GatewayId, InstrumentId, Nanos, Px, Qty, Side, Tif, VenueRef};

    fn sent(token: u32, qty: u32) -> Order {
        let (id, gateway) = (InstrumentId(0), GatewayId(0));
        Order::new(Token(token), id, gateway, Side::Buy, Tif::Day, Px(100), Qty(qty), Nanos::ZERO)
    }

    fn live(qty: u32) -> Order {
        let mut o = sent(1, qty);
        o.on_accepted(VenueRef(9), (Side::Buy, false), Px(100), Qty(qty), false).unwrap();
        o
    }

    fn moving() -> Order {
        let mut o = live(100);
        o.on_sent_replace(PendingReplace { token: Token(5), total: Qty(300), px: Px(90), tif: Tif::Day });
        o
    }

    #[test]
    fn a_proven_end_of_the_replay_settles() {
        let mut o = live(100);
        o.on_sent_cancel();
        o.on_disconnected();
        assert_eq!((o.state(), o.reserved()), (OrderState::Unknown, Qty(100)));
        // The replay brings a fill that was missed.
        o.on_executed(Qty(10)).unwrap();
        o.on_heard(false, false);
        assert_eq!((o.state(), o.reserved()), (OrderState::Unknown, Qty(90)));
        o.on_ready(None);
        assert_eq!((o.state(), o.cancel_wanted), (OrderState::Live, true));

        let mut never = sent(5, 1);
        never.on_disconnected();
        never.on_ready(None);
        assert_eq!(never.state(), OrderState::Rejected);

        // Its acceptance was lost, a fill was not: it lives.
        let mut filled = sent(5, 10);
        filled.on_executed(Qty(1)).unwrap();
        filled.on_disconnected();
        filled.on_ready(None);
        assert_eq!((filled.state(), filled.reserved()), (OrderState::Live, Qty(9)));
    }

    #[test]
    fn without_proof_an_unanswered_request_stays_one() {
        for below in [Token(0), Token(5)] {
            let (mut new, mut replace, mut quiet) = (sent(5, 10), moving(), live(7));
            for o in [&mut new, &mut replace, &mut quiet] {
                o.on_disconnected();
                o.on_ready(Some(below));
            }
            assert_eq!((new.state(), new.reserved()), (OrderState::Unknown, Qty(10)));
            assert_eq!((replace.state(), replace.reserved()), (OrderState::Unknown, Qty(300)));
            assert!(new.cancel_wanted && replace.cancel_wanted && !quiet.cancel_wanted);
            assert_eq!(quiet.state(), OrderState::Live);
            // The venue goes on with a higher token, so these it never had.
            for o in [&mut new, &mut replace] {
                o.on_overtaken(Token(5));
                assert_eq!(o.state(), OrderState::Unknown);
                o.on_overtaken(Token(6));
            }
            assert_eq!((new.state(), replace.state()), (OrderState::Rejected, OrderState::Live));
            assert_eq!(replace.reserved(), Qty(100));
        }
        let mut known = sent(5, 10);
        known.on_disconnected();
        known.on_ready(Some(Token(6)));
        assert_eq!(
            known.state(),
            OrderState::Rejected,
            "the venue names 6 as the next, and never spoke of 5"
        );
    }

    #[test]
    fn what_the_venue_has_and_has_not_decided_stays_in_flight() {
        for below in [None, Some(Token(5))] {
            let (mut new, mut replace, mut other) = (sent(5, 10), moving(), sent(5, 10));
            new.on_sent_cancel();
            other.on_restated(Token(4));
            for o in [&mut new, &mut replace, &mut other] {
                o.on_restated(Token(5));
                o.on_disconnected();
                o.on_ready(below);
                if below.is_some() {
                    assert_eq!(o.state(), OrderState::Unknown, "nothing proves what else the venue said");
                    o.on_overtaken(Token(6));
                }
            }
            assert_eq!(
                (new.state(), new.reserved(), new.cancel_wanted),
                (OrderState::PendingNew, Qty(10), true)
            );
            assert_eq!((replace.state(), replace.reserved()), (OrderState::PendingReplace, Qty(300)));
            assert_eq!(other.state(), OrderState::PendingNew);
            // Either may still happen.
            new.on_accepted(VenueRef(1), (Side::Buy, false), Px(100), Qty(10), false).unwrap();
            other.on_rejected(Token(5)).unwrap();
            replace.on_rejected(Token(5)).unwrap();
            let states = [new, other, replace].map(|o| o.state());
            assert_eq!(states, [OrderState::Live, OrderState::Rejected, OrderState::Live]);
            // What was said of one request says nothing of the next.
            replace.on_sent_replace(PendingReplace {
                token: Token(7),
                total: Qty(300),
                px: Px(90),
                tif: Tif::Day,
            });
            replace.on_disconnected();
            replace.on_ready(None);
            assert_eq!((replace.state(), replace.reserved()), (OrderState::Live, Qty(100)));
        }
    }

    #[test]
    fn a_report_under_the_new_token_says_that_the_replace_was_done() {
        let mut o = moving();
        o.on_orphaned(true);
        o.on_named(Token(1));
        assert_eq!((o.open, o.reserved()), (Qty(100), Qty(300)));
        o.on_named(Token(5));
        o.on_executed(Qty(120)).unwrap();
        o.on_heard(false, true);
        assert_eq!(
            (o.state(), o.token, o.px, o.reserved()),
            (OrderState::Unknown, Token(5), Px(90), Qty(180))
        );
    }

    #[test]
    fn nothing_of_a_later_stream_settles_an_orphan_but_a_report_about_it() {
        for (mut o, kept) in [(sent(5, 10), 10), (live(10), 10), (moving(), 300)] {
            o.on_disconnected();
            o.on_orphaned(false);
            o.on_ready(None);
            o.on_overtaken(Token(u32::MAX));
            o.on_disconnected();
            o.on_day_over();
            o.on_ready(None);
            assert_eq!((o.state(), o.reserved(), o.is_orphaned()), (OrderState::Unknown, Qty(kept), true));
            o.on_written_off();
            assert_eq!((o.state(), o.reserved(), o.is_orphaned()), (OrderState::Canceled, Qty(0), false));
        }
        let mut o = sent(5, 10);
        o.on_orphaned(true);
        o.on_accepted(VenueRef(1), (Side::Buy, false), Px(100), Qty(10), false).unwrap();
        o.on_heard(true, true);
        assert_eq!((o.state(), o.is_orphaned()), (OrderState::Live, false));
        // What left before is not known, so what leaves now does not say how much is left. Nor does our cancel, which takes what is open: what is missing
        // then has traded unheard.
        o.on_orphaned(true);
        o.on_canceled(Qty(3), b'S').unwrap();
        o.on_heard(false, true);
        assert_eq!((o.state(), o.reserved(), o.is_orphaned()), (OrderState::Unknown, Qty(7), true));
        o.on_canceled(Qty(3), b'U').unwrap();
        o.on_heard(false, true);
        assert_eq!((o.state(), o.reserved(), o.is_orphaned()), (OrderState::Unknown, Qty(4), true));
        let mut whole = live(7);
        whole.on_orphaned(true);
        whole.on_canceled(Qty(7), b'U').unwrap();
        assert_eq!((whole.state(), whole.reserved()), (OrderState::Canceled, Qty(0)));
    }
}
