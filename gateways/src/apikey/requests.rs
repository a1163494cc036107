//! What is asked next, and in which words.
//!
//! Cancels go before everything on a lane of their own. On the lane of questions: a token, the venue's time, its instruments, orders whose fate is not known, the listen
//! key, and then what was missed.

use std::fmt::Write;

use model::{Nanos, Side, Tif, Token};

use super::auth::escaped;
use super::carried::Carried;
use super::limits::Rank;
use super::orders::{Cancel, Entry};
use super::session::{DAY_MS, Lane, Request, Session, Stage};

/// How often the venue's clock is read.
const CLOCK_LIFE: Nanos = Nanos::from_millis(600_000);
/// What one request of a list may bring.
pub(super) const PAGE: usize = 1_000;
/// The weight of the heaviest question.
pub(super) const HEAVIEST: u32 = 20;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Token,
    Time,
    Info,
    Listen,
    Keep,
    Orders {
        symbol: usize,
    },
    Open {
        symbol: usize,
    },
    Trades {
        symbol: usize,
    },
    /// An order by the venue's number.
    Numbered {
        symbol: usize,
        venue: u64,
    },
    TradesOf {
        symbol: usize,
        venue: u64,
    },
    Query(Token),
    New(Token),
    Replace(Token),
    Cancel(Token),
    CancelAll {
        symbol: usize,
    },
}

/// A request that is not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) what: What,
    /// Under which token of ours it was made.
    pub(super) generation: u64,
    /// While which stream.
    pub(super) stream: u64,
}

impl What {
    /// Weight, new orders, rank: as the venue's manual has them.
    fn cost(self) -> (u32, u32, Rank) {
        match self {
            What::Token | What::Time => (1, 0, Rank::Truth),
            What::Info | What::Orders { .. } | What::Trades { .. } | What::TradesOf { .. } => {
                (HEAVIEST, 0, Rank::Truth)
            }
            What::Open { .. } => (6, 0, Rank::Truth),
            What::Listen | What::Keep => (2, 0, Rank::Truth),
            What::Query(_) | What::Numbered { .. } => (4, 0, Rank::Truth),
            What::New(_) | What::Replace(_) => (1, 1, Rank::Order),
            What::Cancel(_) | What::CancelAll { .. } => (1, 0, Rank::Cancel),
        }
    }

    /// Whether its answer says what was missed without a stream.
    pub(super) fn is_reading(self) -> bool {
        match self {
            What::Orders { .. }
            | What::Open { .. }
            | What::Trades { .. }
            | What::Numbered { .. }
            | What::TradesOf { .. } => true,
            What::Token
            | What::Time
            | What::Info
            | What::Listen
            | What::Keep
            | What::Query(_)
            | What::New(_)
            | What::Replace(_)
            | What::Cancel(_)
            | What::CancelAll { .. } => false,
        }
    }
}

impl Session {
    /// The next request for a free connection of `lane`. It counts as sent from now on.
    pub fn next_request(&mut self, now: Nanos, lane: Lane) -> Option<Request> {
        if self.auth.is_refused() || self.stage == Stage::Refused {
            return None;
        }
        let what = match lane {
            Lane::Cancels => self.next_cancel(now),
            Lane::Orders => self.next_order(now),
            Lane::Questions => self.next_question(now),
        }?;
        let (weight, orders, rank) = what.cost();
        if !self.limits.may_send(now, weight, orders, rank) {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.limits.take(id, weight, orders);
        self.asked.insert(id, Asked { what, generation: self.auth.generation(), stream: self.streams });
        self.begin(what);
        Some(self.request(now, id, what))
    }

    fn may_sign(&self, now: Nanos) -> bool {
        self.clock.is_some() && self.auth.is_ready(now)
    }

    fn next_cancel(&mut self, now: Nanos) -> Option<What> {
        if !self.may_sign(now) {
            return None;
        }
        let swept = self.sweep.as_ref().filter(|_| now >= self.hold_until);
        if let Some(symbol) = swept.and_then(|sweep| sweep.next(|symbol| self.is_under_way(symbol))) {
            return Some(What::CancelAll { symbol });
        }
        loop {
            let token = *self.cancels.front()?;
            match self.orders.get(token) {
                Some(o) if o.cancel == Cancel::Wanted && o.end.is_none() => return Some(What::Cancel(token)),
                Some(_) | None => drop(self.cancels.pop_front()),
            }
        }
    }

    /// Whether an order of a symbol was sent and may not be at the venue yet.
    fn is_under_way(&self, symbol: usize) -> bool {
        let unanswered = |entry| matches!(entry, Entry::Asked | Entry::Unknown);
        self.orders.iter().any(|(_, o)| o.symbol == symbol && unanswered(o.entry))
    }

    fn next_order(&mut self, now: Nanos) -> Option<What> {
        if !self.may_sign(now) || self.stage != Stage::Ready || self.sweep.is_some() {
            return None;
        }
        let token = *self.fresh.front()?;
        let replaces = self.orders.get(token).and_then(|o| o.replaces);
        Some(if replaces.is_some() { What::Replace(token) } else { What::New(token) })
    }

    fn next_question(&mut self, now: Nanos) -> Option<What> {
        let what = self.question(now)?;
        self.is_idle(what).then_some(what)
    }

    fn question(&self, now: Nanos) -> Option<What> {
        if self.auth.wants_token(now) {
            return Some(What::Token);
        }
        if now < self.hold_until {
            return None;
        }
        if self.clock.is_none_or(|(_, read)| now >= read.after(CLOCK_LIFE)) && self.is_idle(What::Time) {
            return Some(What::Time);
        }
        if self.reference.is_due(now) && self.is_idle(What::Info) {
            return Some(What::Info);
        }
        if !self.may_sign(now) {
            return None;
        }
        let query = self.queries.iter().find(|(t, at)| **at <= now && self.is_idle(What::Query(**t)));
        if let Some((token, _)) = query {
            return Some(What::Query(*token));
        }
        match &self.listen {
            // The stream's messages are of no use before the instruments are known.
            None if self.reference.is_usable(now) => return Some(What::Listen),
            None => return None,
            Some((_, keep_at)) if now >= *keep_at && self.is_idle(What::Keep) => return Some(What::Keep),
            Some(_) => {}
        }
        match self.stage {
            Stage::Replaying if self.stream_open => self.missed(),
            Stage::Ready => self.missing_trades(now),
            Stage::Starting | Stage::Replaying | Stage::Silent | Stage::Refused => None,
        }
    }

    /// What is to be read next of what was missed.
    fn missed(&self) -> Option<What> {
        let symbol = self.replay.symbol;
        if symbol < self.frontiers.len() {
            return Some(match (self.replay.has_orders, self.replay.has_open) {
                (false, _) => What::Orders { symbol },
                (true, false) => What::Open { symbol },
                (true, true) => What::Trades { symbol },
            });
        }
        let (&(symbol, venue), order) = self.carried.first_key_value()?;
        Some(match order {
            Carried::Numbered => What::Numbered { symbol, venue },
            Carried::Ours { .. } => What::TradesOf { symbol, venue },
        })
    }

    /// Trades that the venue said there were: by the list, and in every second question by one of the orders that lack them, for a list may pass one over.
    fn missing_trades(&self, now: Nanos) -> Option<What> {
        let (&symbol, due) = self.trades_due.iter().find(|(_, due)| due.at <= now)?;
        let lacking = || self.orders.iter().filter(|(_, o)| o.symbol == symbol && o.lacks_trades());
        let count = lacking().count();
        let nth = (due.tries / 2) as usize;
        match lacking().nth(nth.checked_rem(count).unwrap_or(0)) {
            Some((_, order)) if due.tries % 2 == 1 => Some(What::TradesOf { symbol, venue: order.venue }),
            Some(_) | None => Some(What::Trades { symbol }),
        }
    }

    pub(super) fn is_idle(&self, what: What) -> bool {
        !self.asked.values().any(|a| a.what == what)
    }

    /// Marks what the request is about.
    fn begin(&mut self, what: What) {
        match what {
            What::New(token) | What::Replace(token) => {
                self.fresh.pop_front();
                if let Some(order) = self.orders.get_mut(token) {
                    order.entry = Entry::Asked;
                }
            }
            What::Cancel(token) => {
                self.cancels.pop_front();
                if let Some(order) = self.orders.get_mut(token) {
                    order.cancel = Cancel::Asked;
                }
            }
            What::CancelAll { symbol } => {
                let alone = !self.is_under_way(symbol);
                if let Some(sweep) = &mut self.sweep {
                    sweep.sent(symbol, alone);
                }
            }
            What::Token
            | What::Time
            | What::Info
            | What::Listen
            | What::Keep
            | What::Orders { .. }
            | What::Open { .. }
            | What::Trades { .. }
            | What::Numbered { .. }
            | What::TradesOf { .. }
            | What::Query(_) => {}
        }
    }

    fn request(&mut self, now: Nanos, id: u64, what: What) -> Request {
        let plain = |method, target: String| Request {
            id,
            method,
            target,
            headers: Vec::new(),
            body: String::new(),
            token: None,
        };
        match what {
            What::Token => Request {
                headers: vec![("Content-Type", "application/x-www-form-urlencoded".into())],
                body: self.auth.ask(),
                ..plain("POST", "/oauth/token".into())
            },
            What::Time => plain("GET", "/api/v3/time".into()),
            What::Info => plain("GET", "/api/v3/exchangeInfo".into()),
            What::Listen => self.known(plain("POST", "/api/v3/userDataStream".into())),
            What::Keep => {
                let key = self.listen.as_ref().map(|(key, _)| escaped(key)).unwrap_or_default();
                self.known(plain("PUT", format!("/api/v3/userDataStream?listenKey={key}")))
            }
            What::Orders { symbol } => {
                let mut query = format!("symbol={}&limit={PAGE}", escaped(&self.symbol(symbol)));
                match self.replay.next_order.or(self.orders_from(symbol)) {
                    Some(from) => write_to(&mut query, format_args!("&orderId={from}")),
                    None => self.write_window(now, &mut query, self.orders_since(symbol)),
                }
                self.signed(now, plain("GET", "/api/v3/allOrders".into()), query)
            }
            What::Open { symbol } => {
                let query = format!("symbol={}", escaped(&self.symbol(symbol)));
                self.signed(now, plain("GET", "/api/v3/openOrders".into()), query)
            }
            What::Numbered { symbol, venue } => {
                let query = format!("symbol={}&orderId={venue}", escaped(&self.symbol(symbol)));
                self.signed(now, plain("GET", "/api/v3/order".into()), query)
            }
            What::TradesOf { symbol, venue } => {
                let mut query =
                    format!("symbol={}&limit={PAGE}&orderId={venue}", escaped(&self.symbol(symbol)));
                if let Some(from) = self.trades_of_from(symbol, venue) {
                    write_to(&mut query, format_args!("&fromId={from}"));
                }
                self.signed(now, plain("GET", "/api/v3/myTrades".into()), query)
            }
            What::Trades { symbol } => {
                let mut query = format!("symbol={}&limit={PAGE}", escaped(&self.symbol(symbol)));
                match self.frontiers[symbol].trade {
                    0 => self.write_window(now, &mut query, self.trades_since(symbol)),
                    read => write_to(&mut query, format_args!("&fromId={}", read.saturating_add(1))),
                }
                self.signed(now, plain("GET", "/api/v3/myTrades".into()), query)
            }
            What::Query(token) => {
                let query = self.naming(token, "origClientOrderId");
                self.signed(now, plain("GET", "/api/v3/order".into()), query)
            }
            What::New(token) => {
                let query = self.terms(token);
                let request = Request { token: Some(token), ..plain("POST", "/api/v3/order".into()) };
                self.stamped(now, request, query, token)
            }
            What::Replace(token) => {
                let mut query = self.terms(token);
                let old = self.orders.get(token).and_then(|o| o.replaces).unwrap_or_default();
                let old = escaped(&self.client_id(old));
                write_to(
                    &mut query,
                    format_args!(
                        "&cancelReplaceMode=STOP_ON_FAILURE&cancelRestrictions=ONLY_NEW&cancelOrigClientOrderId={old}"
                    ),
                );
                let request =
                    Request { token: Some(token), ..plain("POST", "/api/v3/order/cancelReplace".into()) };
                self.stamped(now, request, query, token)
            }
            What::Cancel(token) => {
                let query = self.naming(token, "origClientOrderId");
                let request = Request { token: Some(token), ..plain("DELETE", "/api/v3/order".into()) };
                self.stamped(now, request, query, token)
            }
            What::CancelAll { symbol } => {
                let query = format!("symbol={}", escaped(&self.symbol(symbol)));
                self.signed(now, plain("DELETE", "/api/v3/openOrders".into()), query)
            }
        }
    }

    /// From which number on orders of a symbol are read; `None`: from the start of the day.
    pub(super) fn orders_from(&self, symbol: usize) -> Option<u64> {
        match self.frontiers[symbol].order {
            0 => None,
            read => {
                let next = read.saturating_add(1);
                Some(self.orders.first_open(symbol).map_or(next, |open| open.min(next)))
            }
        }
    }

    /// From when on orders of a symbol are read, ms.
    pub(super) fn orders_since(&self, symbol: usize) -> u64 {
        self.frontiers[symbol].orders_since.max(self.day())
    }

    /// From when on trades of a symbol are read, ms.
    pub(super) fn trades_since(&self, symbol: usize) -> u64 {
        self.frontiers[symbol].trades_since.max(self.day())
    }

    /// Whether a window of time that begins at `since` has ended: the venue's lists take 24 h at most.
    pub(super) fn is_past(&self, now: Nanos, since: u64) -> bool {
        self.stamp(now) >= since.saturating_add(DAY_MS)
    }

    fn write_window(&self, now: Nanos, query: &mut String, since: u64) {
        write_to(query, format_args!("&startTime={since}"));
        if self.is_past(now, since) {
            write_to(query, format_args!("&endTime={}", since + DAY_MS - 1));
        }
    }

    fn naming(&self, token: Token, key: &str) -> String {
        let symbol = self.orders.get(token).map_or(0, |o| o.symbol);
        format!("symbol={}&{key}={}", escaped(&self.symbol(symbol)), escaped(&self.client_id(token)))
    }

    fn terms(&self, token: Token) -> String {
        let Some((o, rules)) =
            self.orders.get(token).and_then(|o| Some((o, self.reference.rules(o.symbol)?)))
        else {
            return String::new();
        };
        let side = match o.side {
            Side::Buy => "BUY",
            Side::Sell => "SELL",
        };
        let tif = match o.tif {
            Tif::Day => "GTC",
            Tif::Ioc => "IOC",
        };
        format!(
            "symbol={}&side={side}&type=LIMIT&timeInForce={tif}&quantity={}&price={}&newClientOrderId={}&newOrderRespType=ACK",
            escaped(&self.symbol(o.symbol)),
            rules.unit().qty_text(o.qty),
            rules.unit().px_text(o.px),
            escaped(&self.client_id(token)),
        )
    }

    /// Says who we are.
    fn known(&self, mut request: Request) -> Request {
        request.headers.extend(self.auth.header());
        request
    }

    fn signed(&self, now: Nanos, mut request: Request, mut query: String) -> Request {
        let window = self.config.window_ms;
        write_to(&mut query, format_args!("&recvWindow={window}&timestamp={}", self.stamp(now)));
        self.auth.sign(&mut query);
        request.target = format!("{}?{query}", request.target);
        self.known(request)
    }

    /// As [`Self::signed`], for a request that changes an order.
    fn stamped(&mut self, now: Nanos, request: Request, query: String, token: Token) -> Request {
        let stamp = self.stamp(now);
        if let Some(order) = self.orders.get_mut(token) {
            order.stamp_ms = stamp;
        }
        self.signed(now, request, query)
    }
}

/// Writing to a string does not fail.
fn write_to(text: &mut String, args: core::fmt::Arguments<'_>) {
    let _ = text.write_fmt(args);
}
