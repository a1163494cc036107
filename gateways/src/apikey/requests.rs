//! What is asked next, and in which words.
//!
//! Cancels go before everything on a lane of their own. On the lane of questions: a token, the venue's time, its instruments, orders whose fate is not known, the listen
//! key, and then what was missed.

use std::fmt::Write;

use model::{Nanos, Side, Tif, Token};

use super::auth::escaped;
use super::limits::Rank;
use super::orders::{Cancel, Entry};
use super::session::{Asked, Lane, Request, Session, Stage, What};

/// How often the venue's clock is read.
const CLOCK_LIFE: Nanos = Nanos::from_millis(600_000);
/// What one request of a list may bring.
pub(super) const PAGE: usize = 1_000;
/// The weight of the heaviest question.
pub(super) const HEAVIEST: u32 = 20;

impl What {
    /// Weight, new orders, rank: as the venue's manual has them.
    fn cost(self) -> (u32, u32, Rank) {
        match self {
            What::Token | What::Time => (1, 0, Rank::Truth),
            What::Info | What::Orders { .. } | What::Trades { .. } => (HEAVIEST, 0, Rank::Truth),
            What::Listen | What::Keep => (2, 0, Rank::Truth),
            What::Query(_) => (4, 0, Rank::Truth),
            What::New(_) | What::Replace(_) => (1, 1, Rank::Order),
            What::Cancel(_) | What::CancelAll { .. } => (1, 0, Rank::Cancel),
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
        self.asked.insert(id, Asked { what, generation: self.auth.generation() });
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
        if let Some(symbol) = swept.and_then(|left| left.last().copied()) {
            let what = What::CancelAll { symbol };
            return self.is_idle(what).then_some(what);
        }
        loop {
            let token = *self.cancels.front()?;
            match self.orders.get(token) {
                Some(o) if o.cancel == Cancel::Wanted && o.end.is_none() => return Some(What::Cancel(token)),
                Some(_) | None => drop(self.cancels.pop_front()),
            }
        }
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
        if self.stage == Stage::Replaying && self.stream_open && self.replay.symbol < self.frontiers.len() {
            let symbol = self.replay.symbol;
            return Some(if self.replay.has_orders {
                What::Trades { symbol }
            } else {
                What::Orders { symbol }
            });
        }
        let trades =
            self.trades_due.iter().find(|(_, at)| **at <= now).filter(|_| self.stage == Stage::Ready);
        trades.map(|(symbol, _)| What::Trades { symbol: *symbol })
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
            What::Token
            | What::Time
            | What::Info
            | What::Listen
            | What::Keep
            | What::Orders { .. }
            | What::Trades { .. }
            | What::Query(_)
            | What::CancelAll { .. } => {}
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
                    None => write_to(&mut query, format_args!("&startTime={}", self.day_start(now))),
                }
                self.signed(now, plain("GET", "/api/v3/allOrders".into()), query)
            }
            What::Trades { symbol } => {
                let mut query = format!("symbol={}&limit={PAGE}", escaped(&self.symbol(symbol)));
                match self.frontiers[symbol].trade {
                    0 => write_to(&mut query, format_args!("&startTime={}", self.day_start(now))),
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
    fn orders_from(&self, symbol: usize) -> Option<u64> {
        match self.frontiers[symbol].order {
            0 => None,
            read => {
                let next = read.saturating_add(1);
                Some(self.orders.first_open(symbol).map_or(next, |open| open.min(next)))
            }
        }
    }

    fn day_start(&self, now: Nanos) -> u64 {
        self.stamp(now) / 86_400_000 * 86_400_000
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
