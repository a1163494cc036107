//! Requests of one gateway that wait for room: a bounded list, oldest first.
//!
//! ```text
//!   no room, or others wait        room, and the gate passes it again
//!   ------------------------> wait ----------------------------------> sent, under the token it took when it began to wait
//!                              |
//!                              +--> dropped: deadline, superseded, canceled, halted, session down, refused, ...
//! ```
//!
//! # Invariants
//!
//! * Tokens in the list increase, and while anything waits nothing of the gateway goes past it but cancels: a venue ignores a token that is not above the last.
//! * An order has at most one entry: what it asks for last takes the place and the token of what it asked for before, with a deadline of its own.
//! * A new order that waits has its slot and its reservation ([`OrderState::Waiting`](crate::OrderState::Waiting)): risk counts it. A replace that waits reserves nothing
//!   before it goes.

use std::collections::VecDeque;

use model::{Nanos, Px, Qty, Token};

use super::RiskReject;
use crate::hash::StateHash;
use crate::orders::OrderId;
use crate::strategy::Intent;

/// What a gateway's requests do while there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// How many may wait; at most [`WAITING_MAX`](crate::limits::WAITING_MAX).
    pub slots: usize,
    /// How long one waits before it is dropped.
    pub patience: Nanos,
}

/// Why a request that waited was not sent. The codes of [`DropReason::code`] are stable: journals carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// There was no room before its deadline.
    Deadline,
    /// A newer request for the order took its place.
    Superseded,
    /// The strategy, a sweep or a person canceled the order.
    Canceled,
    /// Trading was halted.
    Halted,
    /// The session went down.
    SessionDown,
    /// The order that it was to replace has ended.
    OrderEnded,
    /// The venue has seen its token, or a later one, of somebody else: it would ignore it.
    TokenPassed,
    /// The gate, asked again when there was room, refused it.
    Refused(RiskReject),
}

impl DropReason {
    /// A number for it, and with [`DropReason::Refused`] that of the refusal; else 0.
    #[must_use]
    pub const fn code(self) -> (u8, u8) {
        match self {
            DropReason::Deadline => (1, 0),
            DropReason::Superseded => (2, 0),
            DropReason::Canceled => (3, 0),
            DropReason::Halted => (4, 0),
            DropReason::SessionDown => (5, 0),
            DropReason::OrderEnded => (6, 0),
            DropReason::TokenPassed => (7, 0),
            DropReason::Refused(why) => (8, why as u8),
        }
    }

    /// What [`DropReason::code`] gave; `None` for what it never gives.
    #[must_use]
    pub fn of_code(code: (u8, u8)) -> Option<DropReason> {
        use DropReason::*;
        let plain = [Deadline, Superseded, Canceled, Halted, SessionDown, OrderEnded, TokenPassed];
        let refused = RiskReject::ALL.into_iter().map(Refused);
        plain.into_iter().chain(refused).find(|r| r.code() == code)
    }
}

/// A request that waited and was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The order.
    pub order: OrderId,
    /// What was asked.
    pub intent: Intent,
    /// Why it was not sent.
    pub why: DropReason,
}

/// What waits. The values of a new order are in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    New,
    Replace { open: Qty, px: Px },
}

/// One request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) order: OrderId,
    pub(crate) token: Token,
    pub(crate) want: Want,
    pub(crate) asked: Nanos,
    pub(crate) deadline: Nanos,
}

/// Everything below this token is to be dropped for this reason, part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flush {
    pub(crate) before: Token,
    pub(crate) why: DropReason,
}

/// The requests of one gateway that wait. No allocation after construction.
pub(super) struct Waiting {
    limit: QueueLimit,
    list: VecDeque<Entry>,
    flush: Option<Flush>,
}

impl Waiting {
    pub(super) fn new(limit: QueueLimit) -> Waiting {
        Waiting { limit, list: VecDeque::with_capacity(limit.slots), flush: None }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.list.len() < self.limit.slots
    }

    pub(super) fn front(&self) -> Option<&Entry> {
        self.list.front()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter()
    }

    /// Adds one behind all others. The caller has asked [`Waiting::has_room`], and its token is above all that wait.
    pub(super) fn push(&mut self, order: OrderId, token: Token, want: Want, now: Nanos) {
        debug_assert!(self.has_room() && self.list.back().is_none_or(|last| last.token < token));
        let deadline = now.after(self.limit.patience);
        self.list.push_back(Entry { order, token, want, asked: now, deadline });
    }

    /// Has what waits for `order` ask for something newer, in its place; what it asked for until now.
    pub(super) fn supersede(&mut self, order: OrderId, want: Want, now: Nanos) -> Option<Want> {
        let entry = self.list.iter_mut().find(|e| e.order == order)?;
        entry.asked = now;
        entry.deadline = now.after(self.limit.patience);
        Some(std::mem::replace(&mut entry.want, want))
    }

    /// Takes out what waits for `order`.
    pub(super) fn remove(&mut self, order: OrderId) -> Option<Entry> {
        let at = self.list.iter().position(|e| e.order == order)?;
        self.list.remove(at)
    }

    /// Has all that wait below `before` dropped. A reason that stands already stays for what it was said of.
    pub(super) fn flush(&mut self, flush: Flush) {
        if !self.list.is_empty() {
            let standing = self.flush.filter(|f| f.before >= flush.before);
            self.flush = Some(standing.unwrap_or(flush));
        }
    }

    /// Takes out the first; not while something is to be dropped, for it may be that.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        if self.flush.is_some() { None } else { self.list.pop_front() }
    }

    /// Takes out the first that is not to wait any longer, and says why.
    pub(super) fn take_over_due(&mut self, now: Nanos) -> Option<(Entry, DropReason)> {
        if let Some(Flush { before, why }) = self.flush {
            if self.list.front().is_some_and(|e| e.token < before) {
                return self.list.pop_front().map(|e| (e, why));
            }
            self.flush = None;
        }
        let at = self.list.iter().position(|e| e.deadline <= now)?;
        self.list.remove(at).map(|e| (e, DropReason::Deadline))
    }

    /// When the first deadline is, or at once where something is to be dropped.
    pub(super) fn due(&self) -> Option<Nanos> {
        if self.flush.is_some() {
            return Some(Nanos::ZERO);
        }
        self.list.iter().map(|e| e.deadline).min()
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        h.word(self.list.len() as u64);
        for e in &self.list {
            h.word(u64::from(e.order.0.0) << 32 | u64::from(e.token.0));
            h.word(e.asked.0);
            h.word(e.deadline.0);
            if let Want::Replace { open, px } = e.want {
                h.word(open.0.into());
                h.signed(px.0);
            }
        }
        if let Some(f) = self.flush {
            let (code, reject) = f.why.code();
            h.word(u64::from(f.before.0) << 16 | u64::from(code) << 8 | u64::from(reject));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;

    #[test]
    fn what_waits_and_what_is_flushed_is_of_the_state() {
        let of = |order: u32, token: u32, want, asked| {
            let mut w = Waiting::new(QueueLimit { slots: 3, patience: Nanos(100) });
            w.push(OrderId(Token(order)), Token(token), want, Nanos(asked));
            w
        };
        let replace = |open, px| Want::Replace { open: Qty(open), px: Px(px) };
        let flushed = |before, why| {
            let mut w = of(1, 9, Want::New, 5);
            w.flush(Flush { before: Token(before), why });
            w
        };
        let refused = |why| DropReason::Refused(why);
        let states = [
            Waiting::new(QueueLimit { slots: 3, patience: Nanos(100) }),
            of(1, 9, Want::New, 5),
            of(2, 9, Want::New, 5),
            of(1, 8, Want::New, 5),
            of(1, 9, Want::New, 6),
            of(1, 9, replace(1, 1), 5),
            of(1, 9, replace(2, 1), 5),
            of(1, 9, replace(1, 2), 5),
            flushed(10, DropReason::Halted),
            flushed(11, DropReason::Halted),
            flushed(10, DropReason::SessionDown),
            flushed(10, refused(RiskReject::ALL[0])),
            flushed(10, refused(RiskReject::ALL[1])),
        ];
        all_differ(&states, Waiting::absorb);
    }

    #[test]
    fn codes_come_back_and_are_dense() {
        let all = |code: u8| (0..=u8::MAX).filter_map(move |r| DropReason::of_code((code, r)));
        let counts: Vec<usize> = (0..=9).map(|code| all(code).count()).collect();
        assert_eq!(counts, [0, 1, 1, 1, 1, 1, 1, 1, RiskReject::ALL.len(), 0]);
        for code in 0..=9 {
            assert!(all(code).all(|r| r.code().0 == code));
        }
    }

    #[test]
    fn a_flush_takes_what_waited_when_it_was_said_and_nothing_later() {
        let mut w = Waiting::new(QueueLimit { slots: 3, patience: Nanos(100) });
        let id = |t: u32| OrderId(Token(t));
        for t in 1..=2 {
            w.push(id(t), Token(t), Want::New, Nanos(t.into()));
        }
        w.flush(Flush { before: Token(3), why: DropReason::Halted });
        w.flush(Flush { before: Token(2), why: DropReason::SessionDown });
        w.push(id(3), Token(3), Want::New, Nanos(3));
        assert_eq!((w.has_room(), w.due()), (false, Some(Nanos::ZERO)));
        for t in 1..=2 {
            let (e, why) = w.take_over_due(Nanos(4)).unwrap();
            assert_eq!((e.order, why), (id(t), DropReason::Halted));
        }
        assert_eq!((w.take_over_due(Nanos(102)), w.due()), (None, Some(Nanos(103))));
        assert_eq!(w.take_over_due(Nanos(103)).unwrap().1, DropReason::Deadline);
        w.flush(Flush { before: Token(9), why: DropReason::Halted });
        assert_eq!((w.is_empty(), w.due()), (true, None), "nothing to drop");
    }
}
