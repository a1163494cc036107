//! What was missed while nobody listened: the venue's lists of orders and trades are read, and what should be in them and is not is asked about.

use model::{Nanos, ReportKind, SessionEvent, Token};

use super::orders::{Entry, Order, Presence};
use super::requests::PAGE;
use super::session::{DAY_MS, Out, Session, Stage};
use super::settle::{QUERY_PAUSE, TRADE_PATIENCE};
use super::wire::{OrderSaid, TradeSaid};

/// How far the next window of time begins after one in which there was nothing: an hour less than it is long, for lists may be behind the venue.
const STEP_MS: u64 = DAY_MS - 3_600_000;
/// Between two questions for trades that do not come there is at most 2 to this power times [`TRADE_PATIENCE`]: a minute.
const DOUBLINGS_MAX: u32 = 7;

/// How far what was missed is read.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// The symbol being read.
    pub(super) symbol: usize,
    /// The order that the next page begins with; `None`: it is the first page.
    pub(super) next_order: Option<u64>,
    /// Its orders of the day are read; those that live are next.
    pub(super) has_orders: bool,
    /// Those too; its trades are next.
    pub(super) has_open: bool,
}

/// Up to where a symbol was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frontier {
    /// All orders up to this number are known.
    pub(super) order: u64,
    /// All trades up to this number are known.
    pub(super) trade: u64,
    /// The first order of the day; 0: there is none.
    pub(super) first: u64,
    /// Before this time, ms, there was no order of the day, and no trade; 0: before the day.
    pub(super) orders_since: u64,
    pub(super) trades_since: u64,
}

/// When trades that are missing are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) at: Nanos,
    /// How often that was in vain.
    pub(super) tries: u32,
}

impl Session {
    pub(super) fn orders_read(&mut self, now: Nanos, symbol: usize, orders: &[OrderSaid]) -> bool {
        let is_past = self.replay.next_order.or(self.orders_from(symbol)).is_none()
            && self.is_past(now, self.orders_since(symbol));
        let day = self.day();
        for said in orders {
            let frontier = &mut self.frontiers[symbol];
            frontier.order = frontier.order.max(said.order_id);
            if (said.created == 0 || said.created >= day)
                && (frontier.first == 0 || said.order_id < frontier.first)
            {
                frontier.first = said.order_id;
            }
            self.listed(now, symbol, said);
        }
        if self.stage == Stage::Replaying && self.replay.symbol == symbol && !self.replay.has_orders {
            match orders.last() {
                Some(last) if is_past || orders.len() >= PAGE => {
                    self.replay.next_order = Some(last.order_id.saturating_add(1))
                }
                None if is_past => {
                    self.frontiers[symbol].orders_since = self.orders_since(symbol) + STEP_MS;
                }
                Some(_) | None => self.replay.has_orders = true,
            }
        }
        true
    }

    /// What lives, whenever it was made.
    pub(super) fn open_read(&mut self, now: Nanos, symbol: usize, orders: &[OrderSaid]) -> bool {
        for said in orders {
            self.listed(now, symbol, said);
        }
        if self.stage == Stage::Replaying && self.replay.symbol == symbol && self.replay.has_orders {
            self.replay.has_open = true;
            self.look_for_unread(now, symbol);
        }
        true
    }

    pub(super) fn trades_read(&mut self, now: Nanos, symbol: usize, trades: &[TradeSaid]) -> bool {
        let is_past = self.frontiers[symbol].trade == 0 && self.is_past(now, self.trades_since(symbol));
        for said in trades {
            self.frontiers[symbol].trade = self.frontiers[symbol].trade.max(said.id);
            self.traded(symbol, said);
        }
        if is_past && trades.is_empty() {
            self.frontiers[symbol].trades_since = self.trades_since(symbol) + STEP_MS;
        }
        if is_past || trades.len() >= PAGE {
            return true;
        }
        if self.stage == Stage::Replaying && self.replay.symbol == symbol && self.replay.has_open {
            self.replay = Replay { symbol: symbol + 1, ..Default::default() };
        }
        self.trades_were_read(now, symbol);
        true
    }

    /// A trade as a list has it.
    pub(super) fn traded(&mut self, symbol: usize, said: &TradeSaid) {
        let Some(token) = self.orders.by_venue(symbol, said.order_id) else {
            return self.traded_unknown(symbol, said.order_id);
        };
        if said.time < self.day() && self.orders.get(token).is_some_and(|o| !o.before.is_zero()) {
            // It is of the days before.
            return;
        }
        let rules = self.reference.rules(symbol);
        match rules.and_then(|r| Some((r.unit().qty(&said.qty)?, r.unit().px(&said.price)?))) {
            Some((qty, px)) => self.trade(token, said.id, qty, px, said.is_maker, said.time),
            None => self.out.push_back(Out::Undecodable),
        }
    }

    /// Where trades are still missing, they are asked for again, ever later: by the list, and then by each order's own.
    pub(super) fn trades_were_read(&mut self, now: Nanos, symbol: usize) {
        if self.orders.iter().any(|(_, o)| o.symbol == symbol && o.lacks_trades()) {
            let tries = self.trades_due.get(&symbol).map_or(0, |due| due.tries.saturating_add(1));
            let at = now.after(Nanos(TRADE_PATIENCE.0 << tries.min(DOUBLINGS_MAX)));
            self.trades_due.insert(symbol, Due { at, tries });
        } else {
            self.trades_due.remove(&symbol);
        }
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
        if !self.carried.is_empty() || self.orders.iter().any(|(_, o)| unknown(o)) {
            return;
        }
        self.stage = Stage::Ready;
        self.is_first_reading = false;
        self.apply_held(now);
        if self.stage != Stage::Ready {
            return;
        }
        let next_token = Token(self.orders.highest().0.saturating_add(1));
        self.out.push_back(Out::Session(SessionEvent::Ready { next_token, proven: true }));
    }

    /// The lists of a symbol's orders are read: those that were not in it are asked about.
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
