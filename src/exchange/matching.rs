//! One symbol's order book with price-time priority, written to be obviously correct rather than fast.
//!
//! ```text
//! bids   price -> arrival -> order     best: highest price, then lowest arrival
//! asks   price -> arrival -> order     best: lowest price,  then lowest arrival
//! places order number -> (side, price, arrival)
//! ```
//!
//! Invariants: every resting order has shares left; no level is empty; `places` names exactly the orders of both sides. Arrivals come
//! from one counter and never repeat, so the map of a level *is* its queue.
//!
//! Background orders and accounts' orders rest in the same queues. Who may trade with whom is the caller's word, given per resting
//! order as a [`Verdict`]: the book itself knows priority and nothing else. A book may be crossed (historical flow is, before the open).

use std::collections::{BTreeMap, HashMap};

use model::{Px, Qty, Side};

use super::entry::Name;

/// An account's name for its order: `idx` is OUCH's `UserRefIdx` (0: the account's only channel), `number` its `UserRefNum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The account's place in the configuration.
    pub account: u16,
    /// `UserRefIdx`.
    pub idx: u8,
    /// `UserRefNum`.
    pub number: u32,
}

impl OrderKey {
    /// The account's own name for it.
    #[must_use]
    pub const fn name(self) -> Name {
        Name { idx: self.idx, number: self.number }
    }
}

/// Whose order it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The background flow's, by the flow's own number for it.
    Background(u64),
    /// An account's.
    Account(OrderKey),
}

impl Owner {
    /// Whether an account owns it.
    #[must_use]
    pub const fn is_account(&self) -> bool {
        matches!(self, Owner::Account(_))
    }
}

/// An order at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// The venue's order reference number.
    pub id: u64,
    /// Its side.
    pub side: Side,
    /// Where it rests.
    pub px: Px,
    /// Shares left, never 0.
    pub shares: Qty,
    /// Whose it is.
    pub owner: Owner,
    /// Whether the market sees it; what is not seen comes behind all that is, at one price.
    pub is_shown: bool,
}

/// What an aggressor does with a resting order that its limit reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Trade with it.
    Trade,
    /// Leave it where it is and look further.
    Pass,
    /// Leave it where it is, and look no further.
    Stop,
}

/// What an aggressor did to one resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The resting order as it was before.
    pub maker: Resting,
    /// Shares traded at the maker's price.
    pub shares: Qty,
}

type Level = BTreeMap<u64, Resting>;

/// Arrivals of orders that are not shown have this bit: behind all others.
const UNSEEN: u64 = 1 << 63;

/// One symbol's book.
#[derive(Debug, Default)]
pub struct Book {
    bids: BTreeMap<Px, Level>,
    asks: BTreeMap<Px, Level>,
    places: HashMap<u64, (Side, Px, u64)>,
    arrivals: u64,
}

impl Book {
    fn levels_mut(&mut self, side: Side) -> &mut BTreeMap<Px, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Puts an order at the back of its level's queue.
    ///
    /// # Panics
    /// If it has no shares or its number already rests: the caller gives numbers out once.
    pub fn rest(&mut self, order: Resting) {
        assert!(!order.shares.is_zero(), "an order at rest has shares");
        self.arrivals += 1;
        let arrival = if order.is_shown { self.arrivals } else { self.arrivals | UNSEEN };
        let before = self.places.insert(order.id, (order.side, order.px, arrival));
        assert!(before.is_none(), "order number {} rests twice", order.id);
        self.levels_mut(order.side).entry(order.px).or_default().insert(arrival, order);
    }

    /// The order, where it still rests.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Resting> {
        let &(side, px, arrival) = self.places.get(&id)?;
        let levels = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        levels.get(&px)?.get(&arrival).copied()
    }

    /// Takes at most `shares` off an order, which keeps its place, and the order off the book when none are left.
    /// Returns the shares that went (0 for an order that does not rest).
    pub fn reduce(&mut self, id: u64, shares: Qty) -> Qty {
        let Some(&(side, px, arrival)) = self.places.get(&id) else { return Qty::ZERO };
        let levels = self.levels_mut(side);
        let level = levels.get_mut(&px).expect("places name levels that exist");
        let order = level.get_mut(&arrival).expect("places name orders that exist");
        let gone = order.shares.min(shares);
        order.shares = Qty(order.shares.0 - gone.0);
        if order.shares.is_zero() {
            level.remove(&arrival);
            if level.is_empty() {
                levels.remove(&px);
            }
            self.places.remove(&id);
        }
        gone
    }

    /// Takes an order off the book.
    pub fn remove(&mut self, id: u64) -> Option<Resting> {
        let order = self.get(id)?;
        self.reduce(id, order.shares);
        Some(order)
    }

    /// Sends an aggressor of `side` through the other side's queues in price-time order, up to its limit price.
    ///
    /// `verdict` is asked once for each order reached, in priority order, until the aggressor has no shares left. What stays of the
    /// aggressor is the caller's to rest or to drop.
    pub fn aggress(
        &mut self,
        side: Side,
        limit: Px,
        shares: Qty,
        mut verdict: impl FnMut(&Resting) -> Verdict,
    ) -> Vec<Hit> {
        let mut left = shares;
        let mut hits = Vec::new();
        let mut visit = |level: &Level| {
            for order in level.values() {
                if left.is_zero() {
                    return false;
                }
                match verdict(order) {
                    Verdict::Pass => {}
                    Verdict::Stop => return false,
                    Verdict::Trade => {
                        let traded = left.min(order.shares);
                        left = Qty(left.0 - traded.0);
                        hits.push(Hit { maker: *order, shares: traded });
                    }
                }
            }
            !left.is_zero()
        };
        match side {
            Side::Buy => self.asks.range(..=limit).map(|(_, level)| level).all(&mut visit),
            Side::Sell => self.bids.range(limit..).rev().map(|(_, level)| level).all(&mut visit),
        };
        for hit in &hits {
            self.reduce(hit.maker.id, hit.shares);
        }
        hits
    }

    /// The resting orders of a side in priority order.
    pub fn queue(&self, side: Side) -> Box<dyn Iterator<Item = &Resting> + '_> {
        match side {
            Side::Buy => Box::new(self.bids.values().rev().flat_map(BTreeMap::values)),
            Side::Sell => Box::new(self.asks.values().flat_map(BTreeMap::values)),
        }
    }

    /// Number of resting orders.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing rests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: u64, side: Side, px: i64, shares: u32) -> Resting {
        Resting { id, side, px: Px(px), shares: Qty(shares), owner: Owner::Background(id), is_shown: true }
    }

    fn ids(book: &Book, side: Side) -> Vec<(u64, u32)> {
        book.queue(side).map(|o| (o.id, o.shares.0)).collect()
    }

    #[test]
    fn price_then_time() {
        let mut b = Book::default();
        for (id, px) in [(1, 100), (2, 101), (3, 101), (4, 99)] {
            b.rest(order(id, Side::Buy, px, 10));
        }
        assert_eq!(ids(&b, Side::Buy), [(2, 10), (3, 10), (1, 10), (4, 10)]);
        let hits = b.aggress(Side::Sell, Px(100), Qty(25), |_| Verdict::Trade);
        let got: Vec<_> = hits.iter().map(|h| (h.maker.id, h.shares.0, h.maker.px.0)).collect();
        assert_eq!(got, [(2, 10, 101), (3, 10, 101), (1, 5, 100)]);
        assert_eq!(ids(&b, Side::Buy), [(1, 5), (4, 10)]);
    }

    #[test]
    fn the_limit_is_respected_and_equal_prices_trade() {
        let mut b = Book::default();
        b.rest(order(1, Side::Sell, 100, 10));
        b.rest(order(2, Side::Sell, 101, 10));
        assert_eq!(b.aggress(Side::Buy, Px(99), Qty(50), |_| Verdict::Trade), []);
        assert_eq!(b.aggress(Side::Buy, Px(100), Qty(50), |_| Verdict::Trade).len(), 1);
        assert_eq!(ids(&b, Side::Sell), [(2, 10)]);
    }

    #[test]
    fn a_reduced_order_keeps_its_place() {
        let mut b = Book::default();
        b.rest(order(1, Side::Sell, 100, 10));
        b.rest(order(2, Side::Sell, 100, 10));
        assert_eq!(b.reduce(1, Qty(4)), Qty(4));
        assert_eq!(ids(&b, Side::Sell), [(1, 6), (2, 10)]);
        assert_eq!(b.reduce(1, Qty(40)), Qty(6), "no more goes than is there");
        assert_eq!(b.reduce(1, Qty(1)), Qty(0));
        assert_eq!(b.len(), 1);
        assert_eq!(b.remove(2).unwrap().shares, Qty(10));
        assert!(b.is_empty() && b.asks.is_empty(), "an empty level is no level");
    }

    #[test]
    fn verdicts_pass_over_and_stop() {
        let mut b = Book::default();
        for id in 1..=4 {
            b.rest(order(id, Side::Buy, 100, 10));
        }
        let hits = b.aggress(Side::Sell, Px(100), Qty(30), |o| match o.id {
            1 => Verdict::Pass,
            3 => Verdict::Stop,
            _ => Verdict::Trade,
        });
        assert_eq!(hits.iter().map(|h| (h.maker.id, h.shares.0)).collect::<Vec<_>>(), [(2, 10)]);
        assert_eq!(ids(&b, Side::Buy), [(1, 10), (3, 10), (4, 10)]);
    }

    #[test]
    fn what_is_not_shown_comes_last_at_its_price() {
        let mut b = Book::default();
        b.rest(Resting { is_shown: false, ..order(1, Side::Sell, 100, 10) });
        b.rest(order(2, Side::Sell, 100, 10));
        b.rest(order(3, Side::Sell, 101, 10));
        let hits = b.aggress(Side::Buy, Px(101), Qty(25), |_| Verdict::Trade);
        assert_eq!(
            hits.iter().map(|h| (h.maker.id, h.shares.0)).collect::<Vec<_>>(),
            [(2, 10), (1, 10), (3, 5)]
        );
    }
}
