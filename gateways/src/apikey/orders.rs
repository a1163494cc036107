//! What each of our orders is at the venue, as far as it told us.
//!
//! ```text
//!   Queued --> Asked --200, or the stream--> Live --all its trades, and its end--> (gone)
//!     |          |  no answer                  |
//!     |          +------> Unknown --asked by its client id--> Live, or never arrived
//!     +--> refused here: nothing was sent
//!
//!   Live, and not in the list that should have it --asked by its client id--> there, or denied twice, a window apart: gone
//! ```
//!
//! Invariants: a trade counts once by its number; an order is gone only when the quantity that the venue says was executed has been seen as trades; what is gone never
//! comes back (`ended`, `forgotten`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{InstrumentId, Nanos, Px, Qty, Side, Tif, Token};

/// Where a request to make the order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It waits for the limits since then.
    Queued(Nanos),
    /// It was sent and is not answered.
    Asked,
    /// No answer came, or one that says nothing.
    Unknown,
    /// The venue has it.
    Live,
}

/// Where a cancel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    /// Nobody wants one.
    None,
    /// One is to be sent, when the order is known to be there.
    Wanted,
    /// One was sent and is not answered.
    Asked,
    /// No answer came, or one that says nothing: the order is asked about.
    Unknown,
}

/// Whether the venue still has an order that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// As far as we know.
    There,
    /// What was missed is being read, and the order was not in it yet.
    Unread,
    /// The venue says that there is none: since then, ms of its clock.
    Denied(u64),
}

/// How the venue says that an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Filled,
    Canceled,
    Expired,
    Rejected,
}

impl End {
    /// Of a status; `None`: it lives.
    pub(super) fn of(status: &str) -> Option<End> {
        match status {
            "FILLED" => Some(End::Filled),
            "CANCELED" | "PENDING_CANCEL" => Some(End::Canceled),
            "EXPIRED" | "EXPIRED_IN_MATCH" => Some(End::Expired),
            "REJECTED" => Some(End::Rejected),
            _ => None,
        }
    }
}

/// One order.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) symbol: usize,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) short: bool,
    pub(super) tif: Tif,
    pub(super) px: Px,
    pub(super) qty: Qty,
    pub(super) executed: Qty,
    /// Executed before our day, beside `qty`.
    pub(super) before: Qty,
    /// The venue's number; 0 while it is not known.
    pub(super) venue: u64,
    pub(super) entry: Entry,
    pub(super) cancel: Cancel,
    /// The stamp of the last request about it, ms of the venue's clock: out of its window, that request has no effect any more.
    pub(super) stamp_ms: u64,
    /// Whether the venue has it, where it lives.
    pub(super) presence: Presence,
    /// The end, and what was executed by then; reported when the trades are seen.
    pub(super) end: Option<(End, Qty)>,
    /// The order that takes this one's place, while that is not settled.
    pub(super) replaced_by: Option<Token>,
    /// The order whose place this one takes, while that is not settled.
    pub(super) replaces: Option<Token>,
    pub(super) trades: BTreeSet<u64>,
}

impl Order {
    pub(super) fn open(&self) -> Qty {
        self.qty.saturating_sub(self.executed)
    }

    /// Whether the end has come and everything before it was seen.
    pub(super) fn is_over(&self) -> bool {
        self.replaced_by.is_none() && self.end.is_some_and(|(_, executed)| self.executed >= executed)
    }

    /// Whether trades are missing that the venue said there were.
    pub(super) fn lacks_trades(&self) -> bool {
        self.end.is_some_and(|(_, executed)| self.executed < executed)
    }
}

/// Ends that are remembered by token.
const ENDS_MAX: usize = 16_384;

/// The orders that are not gone.
#[derive(Debug, Default)]
pub(super) struct Orders {
    live: BTreeMap<Token, Order>,
    by_venue: BTreeMap<(usize, u64), Token>,
    /// The last that ended, and in which order, so that late words about them change nothing.
    ended: BTreeSet<Token>,
    ends: VecDeque<Token>,
    /// Up to here a token that neither lives nor is in `ended` ended longer ago. Tokens rise, so none up to here is anything new; and a *fill* of one is not passed
    /// over as late: so many ends later it is none that we have counted.
    forgotten: Token,
    highest: Token,
}

impl Orders {
    pub(super) fn get(&self, token: Token) -> Option<&Order> {
        self.live.get(&token)
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut Order> {
        self.live.get_mut(&token)
    }

    /// Whether it is gone: a list that has it says nothing new.
    pub(super) fn is_done(&self, token: Token) -> bool {
        !self.live.contains_key(&token) && (token <= self.forgotten || self.has_ended(token))
    }

    /// Whether it is one of those that ended last.
    pub(super) fn has_ended(&self, token: Token) -> bool {
        self.ended.contains(&token)
    }

    pub(super) fn insert(&mut self, token: Token, order: Order) {
        self.highest = self.highest.max(token);
        if order.venue != 0 {
            self.by_venue.insert((order.symbol, order.venue), token);
        }
        self.live.insert(token, order);
    }

    /// The venue's number is known now.
    pub(super) fn name(&mut self, token: Token, venue: u64) {
        if let Some(order) = self.live.get_mut(&token)
            && venue != 0
        {
            order.venue = venue;
            self.by_venue.insert((order.symbol, venue), token);
        }
    }

    pub(super) fn by_venue(&self, symbol: usize, venue: u64) -> Option<Token> {
        self.by_venue.get(&(symbol, venue)).copied()
    }

    pub(super) fn finish(&mut self, token: Token) -> Option<Order> {
        let order = self.live.remove(&token)?;
        // A venue that began anew gives its numbers again.
        if self.by_venue(order.symbol, order.venue) == Some(token) {
            self.by_venue.remove(&(order.symbol, order.venue));
        }
        if self.ended.insert(token) {
            self.ends.push_back(token);
        }
        if self.ends.len() > ENDS_MAX
            && let Some(oldest) = self.ends.pop_front()
        {
            self.ended.remove(&oldest);
            self.forgotten = self.forgotten.max(oldest);
        }
        Some(order)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Token, &Order)> + '_ {
        self.live.iter().map(|(t, o)| (*t, o))
    }

    /// What was missed is to be read: until it is, no order is known to be there.
    pub(super) fn doubt(&mut self) {
        for order in self.live.values_mut().filter(|o| o.entry == Entry::Live) {
            order.presence = Presence::Unread;
        }
    }

    /// The highest token seen.
    pub(super) fn highest(&self) -> Token {
        self.highest
    }

    /// The venue's number from which on orders of a symbol are not settled; `None`: all are, up to the highest known.
    pub(super) fn first_open(&self, symbol: usize) -> Option<u64> {
        self.by_venue.range((symbol, 0)..=(symbol, u64::MAX)).map(|((_, venue), _)| *venue).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::session::adopted;

    #[test]
    fn what_ended_is_remembered_within_bounds_and_never_comes_back() {
        let mut orders = Orders::default();
        let order = |token: u32| adopted(0, InstrumentId(0), Side::Buy, Qty(1), Px(1), token.into());
        let most = ENDS_MAX as u32;
        for token in 1..=3 * most {
            orders.insert(Token(token), order(token));
            // One lives on, whatever ends after it.
            if token != 5 {
                orders.finish(Token(token));
            }
        }
        assert_eq!((orders.ended.len(), orders.ends.len()), (ENDS_MAX, ENDS_MAX));
        assert!(!orders.is_done(Token(5)) && !orders.is_done(Token(3 * most + 1)));
        assert!((1..=3 * most).filter(|t| *t != 5).all(|t| orders.is_done(Token(t))));
        assert!(!orders.has_ended(Token(4)), "long ago");
        // An old one that ends now is one of the last.
        orders.finish(Token(5));
        assert!(orders.is_done(Token(5)) && orders.has_ended(Token(5)));
    }
}
