//! Orders from before the day: what was executed of them by then belongs to the days before, and the rest is ours to account for.
//!
//! ```text
//!   in the list of open orders, made before the day --------------------------+
//!   a trade of the day names it, and no list does --asked by its number--> ours --asked for its trades--> adopted
//!                                                                    \--> another's: none of our business
//! ```
//!
//! Invariants: an adopted order's quantity is what was open of it as the day began; each of its trades counts for one day only, by the trade's own time, whichever list it
//! was in; the session is not `Ready` before all of them are settled.

use model::{Nanos, Qty, Side, Token};

use super::orders::{End, Order};
use super::requests::PAGE;
use super::session::{Out, Session, adopted};
use super::wire::{OrderSaid, TradeSaid};

/// Orders under way here; far more than live over midnight.
const CARRIED_MAX: usize = 4_096;
/// Trades of one order that are read.
const TRADES_MAX: usize = 64 * PAGE;
/// Questions for the trades of an order before it is taken as far as it is known.
const TRIES_MAX: u8 = 8;

/// An order of which a part may belong to the days before.
#[derive(Debug)]
pub(super) enum Carried {
    /// Its number is known, and not whose it is.
    Numbered,
    /// It is ours; its trades as far as they were read.
    Ours { token: Token, said: Box<OrderSaid>, trades: Vec<TradeSaid>, tries: u8 },
}

impl Session {
    /// An order as a list has it.
    pub(super) fn listed(&mut self, now: Nanos, symbol: usize, said: &OrderSaid) {
        let Some(token) = self.token_of(&said.client_id) else { return };
        if self.orders.get(token).is_none() {
            if self.orders.is_done(token) {
                if End::of(&said.status).is_none() && !self.orders.has_ended(token) {
                    // It lives, and is older than what we remember of ours.
                    self.out.push_back(Out::Undecodable);
                }
                return;
            }
            if said.created != 0 && said.created < self.day() {
                return self.carry(symbol, said.order_id, ours(token, said));
            }
            let Some((side, px, qty)) = self.terms_of(symbol, said) else {
                return self.out.push_back(Out::Undecodable);
            };
            let order = adopted(symbol, self.instrument(symbol), side, qty, px, said.order_id);
            self.orders.insert(token, order);
        }
        self.said(now, token, said.order_id, &said.status, &said.executed, said.time);
    }

    /// A trade of the day is of an order that was in no list. Those of the day were all read, so it was made before.
    pub(super) fn traded_unknown(&mut self, symbol: usize, venue: u64) {
        let first = self.frontiers[symbol].first;
        // Once everything was read, ours are known as they are made.
        if self.is_first_reading && (first == 0 || venue < first) {
            self.carry(symbol, venue, Carried::Numbered);
        }
    }

    fn carry(&mut self, symbol: usize, venue: u64, order: Carried) {
        if self.carried.len() < CARRIED_MAX {
            self.carried.entry((symbol, venue)).or_insert(order);
        } else if !self.carried.contains_key(&(symbol, venue)) {
            self.out.push_back(Out::Undecodable);
        }
    }

    /// Whose an order is, by its number; `None`: the venue knows of no such order. Always understood.
    pub(super) fn number_answered(&mut self, symbol: usize, venue: u64, said: Option<&OrderSaid>) {
        let Some(Carried::Numbered) = self.carried.remove(&(symbol, venue)) else { return };
        let Some(said) = said.filter(|said| said.order_id == venue) else {
            // It traded today, and nobody will ever say for whom.
            return self.out.push_back(Out::Undecodable);
        };
        let Some(token) = self.token_of(&said.client_id).filter(|t| !self.orders.is_done(*t)) else { return };
        match self.orders.get(token) {
            None => self.carry(symbol, venue, ours(token, said)),
            // Two orders have one name.
            Some(order) if order.venue != venue => self.out.push_back(Out::Undecodable),
            Some(_) => {}
        }
    }

    /// The number that the next page of an order's trades begins with.
    pub(super) fn trades_of_from(&self, symbol: usize, venue: u64) -> Option<u64> {
        match self.carried.get(&(symbol, venue)) {
            Some(Carried::Ours { trades, .. }) => trades.last().map(|t| t.id.saturating_add(1)),
            Some(Carried::Numbered) | None => None,
        }
    }

    /// Trades of one order. `false`: they are not what the venue says was executed, so it is to be asked again.
    pub(super) fn trades_of_read(
        &mut self,
        now: Nanos,
        symbol: usize,
        venue: u64,
        read: Vec<TradeSaid>,
    ) -> bool {
        let is_whole = read.len() < PAGE;
        let of_it = read.into_iter().filter(|t| t.order_id == venue);
        let Some(Carried::Ours { trades, said, tries, .. }) = self.carried.get_mut(&(symbol, venue)) else {
            of_it.for_each(|trade| self.traded(symbol, &trade));
            self.trades_were_read(now, symbol);
            return true;
        };
        let next = trades.last().map_or(0, |t| t.id.saturating_add(1));
        let before = trades.len();
        trades.extend(of_it.filter(|t| t.id >= next));
        if !is_whole && trades.len() > before && trades.len() < TRADES_MAX {
            return true;
        }
        let unit = self.reference.rules(symbol).map(|r| r.unit());
        let sum =
            unit.and_then(|u| trades.iter().try_fold(0, |sum: u32, t| sum.checked_add(u.qty(&t.qty)?.0)));
        let executed = unit.and_then(|u| u.qty(&said.executed));
        let lacks = matches!((sum, executed), (Some(sum), Some(executed)) if sum < executed.0);
        if lacks && *tries < TRIES_MAX {
            *tries += 1;
            trades.clear();
            return false;
        }
        if let Some(Carried::Ours { token, said, trades, .. }) = self.carried.remove(&(symbol, venue)) {
            if lacks {
                self.out.push_back(Out::Undecodable);
            }
            self.adopt_carried(now, symbol, token, &said, &trades);
        }
        true
    }

    fn adopt_carried(
        &mut self,
        now: Nanos,
        symbol: usize,
        token: Token,
        said: &OrderSaid,
        trades: &[TradeSaid],
    ) {
        let (day, unit) = (self.day(), self.reference.rules(symbol).map(|r| r.unit()));
        let earlier = trades.iter().filter(|t| t.time < day);
        let before = unit
            .and_then(|u| earlier.map(|t| u.qty(&t.qty)).try_fold(0, |sum: u32, q| sum.checked_add(q?.0)));
        let terms = self.terms_of(symbol, said);
        let (Some((side, px, total)), Some(before)) = (terms, before.map(Qty)) else {
            return self.out.push_back(Out::Undecodable);
        };
        let qty = total.saturating_sub(before);
        let is_over = End::of(&said.status).is_some();
        if qty.is_zero() || self.orders.get(token).is_some() {
            // Nothing of it is left for the day. One that lives all the same is none that we understand.
            if !is_over {
                self.out.push_back(Out::Undecodable);
            }
            return;
        }
        let order = adopted(symbol, self.instrument(symbol), side, qty, px, said.order_id);
        self.orders.insert(token, Order { before, ..order });
        self.said(now, token, said.order_id, &said.status, &said.executed, said.time);
        for trade in trades {
            self.traded(symbol, trade);
        }
    }

    fn terms_of(&self, symbol: usize, said: &OrderSaid) -> Option<(Side, model::Px, Qty)> {
        let rules = self.reference.rules(symbol)?;
        let side = match said.side.as_str() {
            "BUY" => Side::Buy,
            "SELL" => Side::Sell,
            _ => return None,
        };
        Some((side, rules.unit().px(&said.price)?, rules.unit().qty(&said.quantity)?))
    }
}

fn ours(token: Token, said: &OrderSaid) -> Carried {
    Carried::Ours { token, said: Box::new(said.clone()), trades: Vec::new(), tries: 0 }
}
