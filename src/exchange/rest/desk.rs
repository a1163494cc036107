//! The endpoints: a request in, an answer out; no socket, no clock.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use model::{Px, Qty, Side, Symbol};
use serde_json::{Value, json};

use super::access::{Access, digest, parameter};
use super::config::{Client, RestConfig};
use super::depth::{MarketData, limit_of};
use super::endpoints::{Endpoint, route};
use super::history::History;
use super::quota::{Counter, QuotaCounts, Refused};
use super::user_stream::{Listen, UserStream};
use crate::exchange::entry::{Cause, Enter, Report, Request, Tags};
use crate::exchange::floor::Floor;
use crate::exchange::order_entry;

/// What a list brings at most.
const PAGE: usize = 1_000;

/// A day, ms.
const DAY_MS: u64 = 86_400_000;

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whose address.
    pub from: u64,
    /// `GET`, ...
    pub method: &'a str,
    /// Before the `?`.
    pub path: &'a str,
    /// Behind it.
    pub query: &'a str,
    /// `X-MBX-APIKEY`.
    pub key: Option<&'a str>,
    /// `Authorization`.
    pub bearer: Option<&'a str>,
    /// The form, or nothing.
    pub body: &'a str,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's.
    pub status: u16,
    /// Beside the connection's own.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

/// A refusal on the way.
struct No {
    status: u16,
    retry_after_s: Option<u64>,
    body: Value,
}

impl From<(u16, i64, &str)> for No {
    fn from((status, code, msg): (u16, i64, &str)) -> No {
        No { status, retry_after_s: None, body: json!({ "code": code, "msg": msg }) }
    }
}

impl From<Refused> for No {
    fn from(refused: Refused) -> No {
        let body = json!({ "code": -1003, "msg": "Too many requests." });
        No { status: refused.status, retry_after_s: Some(refused.retry_after_s), body }
    }
}

/// None, or one that is no limit: at 200,000 the floor takes it for a market order.
const BAD_PRICE: (u16, i64, &str) = (400, -1013, "Filter failure: PRICE_FILTER");
const NO_ENDPOINT: (u16, i64, &str) = (404, -1000, "There is no such endpoint.");
const BAD_PARAMETER: (u16, i64, &str) = (400, -1102, "A mandatory parameter was not sent, or malformed.");
const BAD_SYMBOL: (u16, i64, &str) = (400, -1121, "Invalid symbol.");
const SPAN: (u16, i64, &str) = (400, -1127, "More than 24 hours between startTime and endTime.");
const NO_ORDER: (u16, i64, &str) = (400, -2013, "Order does not exist.");
const NOT_CANCELED: (u16, i64, &str) = (400, -2011, "Unknown order sent.");

/// See the module.
#[derive(Debug)]
pub struct Desk {
    access: Access,
    counter: Counter,
    /// ms of the Unix epoch at the midnight that the floor counts from.
    midnight_ms: u64,
    listen_key_life_ms: u64,
    histories: BTreeMap<u16, History>,
    listens: Vec<Listen>,
    market_data: MarketData,
    /// Why the last order was refused.
    cause: Option<Cause>,
    keys: u64,
}

impl Desk {
    /// For these clients; what the accounts do from now on is kept.
    #[must_use]
    pub fn new(config: &RestConfig, clients: Vec<Client>, midnight_ms: u64, floor: &mut Floor) -> Desk {
        let mut histories = BTreeMap::new();
        for client in &clients {
            floor.accounts[usize::from(client.account)].listen();
            histories.insert(client.account, History::default());
        }
        Desk {
            listens: clients.iter().map(|_| Listen::default()).collect(),
            access: Access::new(clients, config.token_life_s),
            counter: Counter::new(config.quota()),
            midnight_ms,
            listen_key_life_ms: config.listen_key_life_ms,
            histories,
            market_data: MarketData::new(config.market_data.clone()),
            cause: None,
            keys: 0,
        }
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> QuotaCounts {
        QuotaCounts { differences_lost: self.market_data.lost(), ..self.counter.counts() }
    }

    /// What everybody may hear.
    pub fn market_data(&mut self) -> &mut MarketData {
        &mut self.market_data
    }

    /// ms of the Unix epoch.
    #[must_use]
    pub fn now_ms(&self, floor: &Floor) -> u64 {
        self.midnight_ms + floor.now / 1_000_000
    }

    /// Carries a request out.
    pub fn answer(&mut self, floor: &mut Floor, ask: &Ask<'_>) -> Answer {
        let now = self.now_ms(floor);
        let (account, outcome) = match route(ask) {
            None => (None, Err(No::from(NO_ENDPOINT))),
            Some((endpoint, weight)) => {
                let outcome = self.counter.visit(now, ask.from, weight).map_err(No::from);
                let client = outcome.and_then(|()| self.admit(now, endpoint, ask));
                let account =
                    client.as_ref().ok().copied().flatten().map(|c| self.access.clients()[c].account);
                (account, client.and_then(|client| self.serve(floor, endpoint, client, ask)))
            }
        };
        self.collect(floor);
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("X-MBX-USED-WEIGHT-1M", self.counter.weight(ask.from).to_string()),
        ];
        if let Some(account) = account {
            headers.push(("X-MBX-ORDER-COUNT-10S", self.counter.orders(account).to_string()));
        }
        match outcome {
            Ok(body) => Answer { status: 200, headers, body: body.to_string() },
            Err(no) => {
                headers.extend(no.retry_after_s.map(|s| ("Retry-After", s.to_string())));
                Answer { status: no.status, headers, body: no.body.to_string() }
            }
        }
    }

    /// Who asks, where that matters.
    fn admit(&self, now: u64, endpoint: Endpoint, ask: &Ask<'_>) -> Result<Option<usize>, No> {
        if endpoint.is_public() {
            return Ok(None);
        }
        let client = self.access.who(now, ask.key, ask.bearer)?;
        if endpoint.is_signed() {
            self.access.check(now, client, ask.bearer.is_none(), ask.query)?;
        }
        Ok(Some(client))
    }

    fn serve(
        &mut self,
        floor: &mut Floor,
        e: Endpoint,
        client: Option<usize>,
        ask: &Ask<'_>,
    ) -> Result<Value, No> {
        let now = self.now_ms(floor);
        let of = |name: &str| parameter(ask.query, name);
        let Some(client) = client else {
            return match e {
                Endpoint::Ping => Ok(json!({})),
                Endpoint::Time => Ok(json!({ "serverTime": now })),
                Endpoint::Info => self.info(floor, ask.query),
                Endpoint::Depth => {
                    let listing = symbol_of(floor, ask.query)?.1;
                    Ok(self.market_data.snapshot(floor, listing, limit_of(ask.query).0))
                }
                _ => match self.access.grant(now, ask.body) {
                    Some((token, life)) => {
                        Ok(json!({ "access_token": token, "token_type": "Bearer", "expires_in": life }))
                    }
                    None => Err(No {
                        status: 401,
                        retry_after_s: None,
                        body: json!({ "error": "invalid_client" }),
                    }),
                },
            };
        };
        let account = self.access.clients()[client].account;
        match e {
            Endpoint::Listen => Ok(self.listen(now, client)),
            Endpoint::Keep => {
                let listen = &mut self.listens[client];
                if listen.key.is_empty() || of("listenKey").as_ref() != Some(&listen.key) {
                    return Err((400, -1125, "This listenKey does not exist.").into());
                }
                listen.expires = now + self.listen_key_life_ms;
                Ok(json!({}))
            }
            Endpoint::Unlisten => {
                self.listens[client].expires = now;
                self.tick(floor);
                Ok(json!({}))
            }
            Endpoint::New => {
                self.counter.order(now, ask.from, account)?;
                self.enter(floor, account, ask.query)
            }
            Endpoint::Cancel => {
                let held = self.find(floor, account, ask.query, "origClientOrderId").ok_or(NOT_CANCELED)?;
                self.cancel(floor, account, held)
            }
            Endpoint::CancelAll => {
                let symbol = symbol_of(floor, ask.query)?.0;
                let history = &self.histories[&account];
                let live = history.orders.values().filter(|o| o.is_live() && o.symbol == symbol);
                let ids: Vec<u64> = live.map(|o| o.id).collect();
                if ids.is_empty() {
                    return Err(NOT_CANCELED.into());
                }
                ids.into_iter().map(|id| self.cancel(floor, account, id)).collect()
            }
            Endpoint::CancelReplace => {
                self.counter.order(now, ask.from, account)?;
                self.cancel_replace(floor, account, ask.query)
            }
            Endpoint::Query => {
                let id = self.find(floor, account, ask.query, "origClientOrderId").ok_or(NO_ORDER)?;
                Ok(self.histories[&account].orders[&id].json())
            }
            Endpoint::OpenOrders => {
                let symbol = of("symbol").and_then(|s| Symbol::new(&s));
                let all = self.histories[&account].orders.values();
                let live = all.filter(|o| o.is_live() && symbol.is_none_or(|s| s == o.symbol));
                Ok(live.map(|o| o.json()).collect())
            }
            Endpoint::AllOrders => {
                let symbol = symbol_of(floor, ask.query)?.0;
                let from: Option<u64> = of("orderId").and_then(|v| v.parse().ok());
                let span = span_of(ask.query, from.is_some())?;
                let orders = self.histories[&account].orders.range(from.unwrap_or(0)..).map(|(_, o)| o);
                let wanted = orders.filter(|o| o.symbol == symbol && span.contains(&o.time));
                Ok(wanted.take(page(ask.query)).map(|o| o.json()).collect())
            }
            Endpoint::Trades => {
                let symbol = symbol_of(floor, ask.query)?.0;
                let number = |name: &str| of(name).and_then(|v| v.parse::<u64>().ok());
                let (from, order) = (number("fromId"), number("orderId"));
                let span = span_of(ask.query, from.or(order).is_some())?;
                let trades = self.histories[&account].trades.iter();
                let wanted = trades.filter(|t| {
                    t.symbol == symbol
                        && t.id >= from.unwrap_or(0)
                        && order.is_none_or(|order| order == t.order)
                        && span.contains(&t.time)
                });
                Ok(wanted.take(page(ask.query)).map(|t| t.json()).collect())
            }
            Endpoint::Ping | Endpoint::Time | Endpoint::Info | Endpoint::Depth | Endpoint::Token => {
                Err(NO_ENDPOINT.into())
            }
        }
    }

    /// All symbols, or those that are asked for.
    fn info(&self, floor: &Floor, query: &str) -> Result<Value, No> {
        let quota = self.counter.quota();
        let asked = parameter(query, "symbols").map(|s| serde_json::from_str::<Vec<String>>(&s));
        let asked = asked.transpose().map_err(|_| BAD_PARAMETER)?;
        let listed = |s: &String| Symbol::new(s).is_some_and(|s| floor.find(s).is_some());
        if asked.as_ref().is_some_and(|asked| !asked.iter().all(listed)) {
            return Err(BAD_SYMBOL.into());
        }
        let wanted = floor.listings.iter().filter(|l| {
            asked.as_ref().is_none_or(|asked| asked.iter().any(|s| Symbol::new(s) == Some(l.symbol)))
        });
        let symbols = wanted.map(|l| {
            json!({
                "symbol": l.symbol.to_string(),
                "status": if l.state == b'T' { "TRADING" } else { "HALT" },
                "filters": [
                    { "filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "199999.99", "tickSize": "0.01" },
                    { "filterType": "LOT_SIZE", "minQty": "1", "maxQty": "999999", "stepSize": "1" },
                    { "filterType": "NOTIONAL", "minNotional": "1.00", "applyMinToMarket": true },
                ],
            })
        });
        let limit = |kind: &str, interval: &str, count: u32, limit: u32| json!({ "rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": limit });
        Ok(json!({
            "timezone": "UTC",
            "rateLimits": [
                limit("REQUEST_WEIGHT", "MINUTE", 1, quota.weight),
                limit("ORDERS", "SECOND", 10, quota.orders[0]),
                limit("ORDERS", "DAY", 1, quota.orders[1]),
            ],
            "symbols": symbols.collect::<Vec<_>>(),
        }))
    }

    // ------------------------------------------------------------ orders

    /// The order that a query names, by the client's id or the venue's, if it is of that symbol.
    fn find(&self, floor: &Floor, account: u16, query: &str, key: &str) -> Option<u64> {
        let symbol = symbol_of(floor, query).ok()?.0;
        let history = &self.histories[&account];
        let held = match parameter(query, key) {
            Some(client_id) => history.by_client(&client_id)?,
            None => history.orders.get(&parameter(query, "orderId")?.parse().ok()?)?,
        };
        (held.symbol == symbol).then_some(held.id)
    }

    fn enter(&mut self, floor: &mut Floor, account: u16, query: &str) -> Result<Value, No> {
        let (symbol, _) = symbol_of(floor, query)?;
        let of = |name: &str| parameter(query, name).ok_or(BAD_PARAMETER);
        let side = match of("side")?.as_str() {
            "BUY" => Side::Buy,
            "SELL" => Side::Sell,
            _ => return Err((400, -1117, "Invalid side.").into()),
        };
        let tif = match (of("type")?.as_str(), of("timeInForce")?.as_str()) {
            ("LIMIT", "GTC") => b'0',
            ("LIMIT", "IOC") => b'3',
            _ => return Err((400, -1115, "Invalid timeInForce.").into()),
        };
        if floor.phase != Some(b'Q') {
            return Err((400, -1013, "Market is closed.").into());
        }
        let px: Px = of("price")?.parse().ok().filter(|px: &Px| px.is_orderable()).ok_or(BAD_PRICE)?;
        let qty = whole(&of("quantity")?).ok_or((400, -1013, "Filter failure: LOT_SIZE"))?;
        let client_id = of("newClientOrderId")?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
        if !(1..=36).contains(&client_id.len()) || !client_id.bytes().all(plain) {
            return Err((400, -1100, "Illegal characters found in parameter 'newClientOrderId'.").into());
        }
        let floor_account = &floor.accounts[usize::from(account)];
        let (number, firm) = (floor_account.next_number(0), floor_account.credentials.firm);
        let history = self.histories.entry(account).or_default();
        if history.by_client.contains_key(&client_id) {
            return Err((400, -2010, "Duplicate order sent.").into());
        }
        history.name(number, &client_id);
        self.cause = None;
        let enter = Enter {
            number,
            side: if side == Side::Buy { b'B' } else { b'S' },
            quantity: qty.0,
            symbol,
            price: px.0.unsigned_abs(),
            tif,
            display: b'Y',
            capacity: b'P',
            iso: b'N',
            cross_type: b'N',
            clordid: [b' '; 14],
            tags: Tags { firm: Some(firm), ..Tags::default() },
        };
        order_entry::apply(floor, account, Request::Enter(enter));
        self.collect(floor);
        match self.histories[&account].by_client(&client_id) {
            Some(held) => Ok(json!({
                "symbol": symbol.to_string(),
                "orderId": held.id,
                "clientOrderId": client_id,
                "transactTime": self.now_ms(floor),
            })),
            None => Err(match self.cause {
                Some(Cause::Price) => BAD_PRICE,
                Some(Cause::Quantity) => (400, -1013, "Filter failure: LOT_SIZE"),
                Some(Cause::Halted) => (400, -1013, "Market is closed."),
                _ => (400, -2010, "NEW_ORDER_REJECTED"),
            }
            .into()),
        }
    }

    fn cancel(&mut self, floor: &mut Floor, account: u16, id: u64) -> Result<Value, No> {
        let number = match self.histories[&account].orders.get(&id) {
            Some(held) if held.is_live() => held.number,
            Some(_) | None => return Err(NOT_CANCELED.into()),
        };
        let request = Request::Cancel { number, quantity: 0, tags: Tags::default() };
        order_entry::apply(floor, account, request);
        self.collect(floor);
        let held = &self.histories[&account].orders[&id];
        // Late in an auction it only waits to be canceled, and is as it was.
        let mut said = held.json();
        said["origClientOrderId"] = json!(held.client_id);
        said["clientOrderId"] = json!(format!("web_{id}"));
        said["transactTime"] = json!(self.now_ms(floor));
        Ok(said)
    }

    fn cancel_replace(&mut self, floor: &mut Floor, account: u16, query: &str) -> Result<Value, No> {
        let failed = |cancel: &str, new: &str, why: Value| No {
            status: if cancel == "SUCCESS" { 409 } else { 400 },
            retry_after_s: None,
            body: json!({
                "code": if cancel == "SUCCESS" { -2021 } else { -2022 },
                "msg": "Order cancel-replace failed.",
                "data": { "cancelResult": cancel, "newOrderResult": new, "response": why },
            }),
        };
        let old = self.find(floor, account, query, "cancelOrigClientOrderId");
        let untouched = old.filter(|id| {
            let held = &self.histories[&account].orders[id];
            let only_new = parameter(query, "cancelRestrictions").as_deref() == Some("ONLY_NEW");
            held.status == "NEW" || (held.is_live() && !only_new)
        });
        let Some(old) = untouched else {
            return Err(failed("FAILURE", "NOT_ATTEMPTED", json!({ "code": -2011 })));
        };
        let canceled = self.cancel(floor, account, old)?;
        match self.enter(floor, account, query) {
            Ok(new) => Ok(json!({
                "cancelResult": "SUCCESS",
                "newOrderResult": "SUCCESS",
                "cancelResponse": canceled,
                "newOrderResponse": new,
            })),
            Err(no) => Err(failed("SUCCESS", "FAILURE", no.body)),
        }
    }

    // ------------------------------------------------------------ streams

    fn listen(&mut self, now: u64, client: usize) -> Value {
        let listen = &mut self.listens[client];
        if listen.key.is_empty() {
            self.keys += 1;
            listen.key = digest(&format!("{}/{now}/{}", self.access.clients()[client].secret, self.keys));
        }
        listen.expires = now + self.listen_key_life_ms;
        json!({ "listenKey": listen.key })
    }

    /// The stream that this path is; it is open from now on, in the place of any that was opened by it before.
    pub fn open_stream(&mut self, path: &str) -> Option<UserStream> {
        let key = path.strip_prefix("/ws/").filter(|key| !key.is_empty())?;
        let client = self.listens.iter().position(|l| l.key == key)?;
        Some(UserStream { client, opening: self.listens[client].open() })
    }

    /// Its connection is gone.
    pub fn close_stream(&mut self, stream: UserStream) {
        self.listens[stream.client].close(stream.opening);
    }

    /// Whether a stream is to stay open.
    #[must_use]
    pub fn is_streaming(&self, stream: UserStream) -> bool {
        self.listens[stream.client].is_streaming(stream.opening)
    }

    /// The next message of a stream.
    pub fn poll_stream(&mut self, stream: UserStream) -> Option<String> {
        self.listens[stream.client].poll(stream.opening)
    }

    /// Does what is due: listen keys that nobody kept alive are over.
    pub fn tick(&mut self, floor: &mut Floor) {
        let now = self.now_ms(floor);
        self.collect(floor);
        self.market_data.tick(floor, now);
        for listen in self.listens.iter_mut().filter(|l| !l.key.is_empty() && now >= l.expires) {
            let key = std::mem::take(&mut listen.key);
            listen.tell(|| json!({ "e": "listenKeyExpired", "E": now, "listenKey": key }).to_string());
        }
    }

    /// Takes in what the accounts were told since.
    fn collect(&mut self, floor: &mut Floor) {
        for (account, history) in &mut self.histories {
            for (at, report) in floor.accounts[usize::from(*account)].take_heard() {
                if let Report::Rejected { cause, .. } = report {
                    self.cause = Some(cause);
                }
                let Some(message) = history.told(self.midnight_ms + at / 1_000_000, &report) else {
                    continue;
                };
                let clients = self.access.clients().iter().zip(&mut self.listens);
                for (_, listen) in clients.filter(|(c, _)| c.account == *account) {
                    listen.tell(|| message.clone());
                }
            }
        }
    }
}

fn symbol_of(floor: &Floor, query: &str) -> Result<(Symbol, usize), No> {
    let symbol = parameter(query, "symbol").and_then(|s| Symbol::new(&s));
    let found = symbol.and_then(|s| Some((s, floor.find(s)?)));
    found.ok_or_else(|| BAD_SYMBOL.into())
}

/// The times that a list is of: all where it begins at a number; else at most a day, from `startTime` on where that is said.
fn span_of(query: &str, by_number: bool) -> Result<RangeInclusive<u64>, No> {
    let time = |name: &str| parameter(query, name).map(|v| v.parse::<u64>()).transpose();
    let (start, end) =
        (time("startTime").map_err(|_| BAD_PARAMETER)?, time("endTime").map_err(|_| BAD_PARAMETER)?);
    match (start, end) {
        (Some(_), _) | (_, Some(_)) if by_number => Err(BAD_PARAMETER.into()),
        (None, None) => Ok(0..=u64::MAX),
        (None, Some(end)) => Ok(end.saturating_sub(DAY_MS - 1)..=end),
        (Some(start), None) => Ok(start..=start.saturating_add(DAY_MS - 1)),
        (Some(start), Some(end)) if end.saturating_sub(start) < DAY_MS => Ok(start..=end),
        (Some(_), Some(_)) => Err(SPAN.into()),
    }
}

fn page(query: &str) -> usize {
    parameter(query, "limit").and_then(|v| v.parse().ok()).unwrap_or(500).min(PAGE)
}

/// Whole shares, as `12` or `12.000`.
fn whole(text: &str) -> Option<Qty> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|b| b == b'0').then(|| whole.parse().ok().map(Qty))?
}
