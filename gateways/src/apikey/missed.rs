//! What was missed while nobody listened: the venue's lists of orders and trades are read, and what should be in them and is not is asked about.

use model::{Nanos, ReportKind, SessionEvent, Side, Token};

use super::orders::{Entry, Order, Presence};
use super::requests::PAGE;
use super::session::{Frontier, Out, Replay, Session, Stage, adopted};
use super::settle::{QUERY_PAUSE, TRADE_PATIENCE};
use super::wire::{OrderSaid, TradeSaid};

impl Session {
    pub(super) fn orders_read(&mut self, now: Nanos, symbol: usize, orders: &[OrderSaid]) -> bool {
        for said in orders {
            self.frontiers[symbol].order = self.frontiers[symbol].order.max(said.order_id);
            let Some(token) = self.token_of(&said.client_id).filter(|t| !self.orders.is_done(*t)) else {
                continue;
            };
            if self.orders.get(token).is_none() {
                let rules = self.reference.rules(symbol);
                let terms =
                    rules.and_then(|r| Some((r.unit().px(&said.price)?, r.unit().qty(&said.quantity)?)));
                let side = match said.side.as_str() {
                    "BUY" => Some(Side::Buy),
                    "SELL" => Some(Side::Sell),
                    _ => None,
                };
                let (Some((px, qty)), Some(side)) = (terms, side) else {
                    self.out.push_back(Out::Undecodable);
                    continue;
                };
                let order = adopted(symbol, self.instrument(symbol), side, qty, px, said.order_id);
                self.orders.insert(token, order);
            }
            self.said(now, token, said.order_id, &said.status, &said.executed, said.time);
        }
        if self.stage == Stage::Replaying && self.replay.symbol == symbol {
            match orders.last() {
                Some(last) if orders.len() >= PAGE => {
                    self.replay.next_order = Some(last.order_id.saturating_add(1))
                }
                Some(_) | None => {
                    self.replay.has_orders = true;
                    self.look_for_unread(now, symbol);
                }
            }
        }
        true
    }

    pub(super) fn trades_read(&mut self, now: Nanos, symbol: usize, trades: &[TradeSaid]) -> bool {
        for said in trades {
            self.frontiers[symbol].trade = self.frontiers[symbol].trade.max(said.id);
            let Some(token) = self.orders.by_venue(symbol, said.order_id) else { continue };
            let rules = self.reference.rules(symbol);
            match rules.and_then(|r| Some((r.unit().qty(&said.qty)?, r.unit().px(&said.price)?))) {
                Some((qty, px)) => self.trade(token, said.id, qty, px, said.is_maker, said.time),
                None => self.out.push_back(Out::Undecodable),
            }
        }
        let complete = trades.len() < PAGE;
        if self.stage == Stage::Replaying
            && self.replay.symbol == symbol
            && self.replay.has_orders
            && complete
        {
            self.replay = Replay { symbol: symbol + 1, ..Default::default() };
        }
        if complete {
            let lacking = self.orders.iter().any(|(_, o)| o.symbol == symbol && o.lacks_trades());
            match lacking {
                true => drop(self.trades_due.insert(symbol, now.after(TRADE_PATIENCE))),
                false => drop(self.trades_due.remove(&symbol)),
            }
        }
        true
    }

    /// Ready is when everything was read, nothing that was sent is unknown, and something may be sent.
    pub(super) fn check_ready(&mut self, now: Nanos) {
        let is_read = self.stream_open && self.replay.symbol >= self.frontiers.len();
        if self.stage != Stage::Replaying || !is_read || self.limits.is_silent(now) {
            return;
        }
        let unknown = |o: &Order| match o.entry {
            Entry::Asked | Entry::Unknown => true,
            Entry::Live => o.presence != Presence::There,
            Entry::Queued(_) => false,
        };
        if self.orders.iter().any(|(_, o)| unknown(o)) {
            return;
        }
        self.stage = Stage::Ready;
        self.apply_held(now);
        if self.stage != Stage::Ready {
            return;
        }
        let next_token = Token(self.orders.highest().0.saturating_add(1));
        self.out.push_back(Out::Session(SessionEvent::Ready { next_token, proven: true }));
    }

    /// The list of a symbol's orders is read: those that were not in it are asked about.
    fn look_for_unread(&mut self, now: Nanos, symbol: usize) {
        let is_missing =
            |o: &Order| o.symbol == symbol && o.entry == Entry::Live && o.presence == Presence::Unread;
        let missing: Vec<Token> =
            self.orders.iter().filter(|(_, o)| is_missing(o)).map(|(token, _)| token).collect();
        self.queries.extend(missing.into_iter().map(|token| (token, now)));
    }

    /// The venue had the order and says that there is none. Its parts may not be of one mind at once, so it is asked again when every request of ours is out of its window.
    pub(super) fn denied(&mut self, now: Nanos, token: Token) {
        let here = self.stamp(now);
        let Some(order) = self.orders.get_mut(token) else { return };
        let since = match order.presence {
            Presence::Denied(since) => since,
            Presence::There | Presence::Unread => here,
        };
        order.presence = Presence::Denied(since);
        let last = since.max(order.stamp_ms);
        let settled = order.replaced_by.is_none();
        if settled && self.is_out_of_window(now, last) {
            return self.forgotten(now, token);
        }
        let left = last.saturating_add(self.config.window_ms).saturating_sub(here);
        self.queries.insert(token, now.after(QUERY_PAUSE.max(Nanos::from_millis(left))));
    }

    /// The venue has forgotten the order: it is gone. Numbers that were given before are given again, so what was missed is read from the start of the day.
    fn forgotten(&mut self, now: Nanos, token: Token) {
        let Some(order) = self.orders.finish(token) else { return };
        if order.lacks_trades() {
            // Nobody will ever say them.
            self.out.push_back(Out::Undecodable);
        }
        let time = self.stamp(now);
        self.report(time, token, ReportKind::Canceled { qty: order.open(), reason: b'Z' });
        if self.frontiers.iter().any(|f| *f != Frontier::default()) {
            self.frontiers.fill(Frontier::default());
            if self.stage == Stage::Replaying {
                self.replay = Replay::default();
            }
        }
    }
}
