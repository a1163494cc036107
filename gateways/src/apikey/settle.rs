//! What an answer, the want of one, or a message of the stream means for our orders.
//!
//! | a request that changes an order came back | then |
//! |---|---|
//! | 200, about the order that was asked about | as asked |
//! | 429, 418 | not done: it goes back to the front of its queue, and nothing is sent until the venue's time is over |
//! | 401 | not done: back to its queue; the token is fetched anew |
//! | any other 4xx with the venue's code | not done: a reject by that code; a cancel that found no order asks about it |
//! | 5xx, a code that says "unknown", no answer, nonsense, words about another order | **not known**: the order is asked about by its client id |

use model::{Nanos, Px, Qty, ReportKind, SessionEvent, Tif, Token};

use super::config::own;
use super::missed::Due;
use super::orders::{Cancel, End, Entry, Presence};
use super::requests::{Asked, What};
use super::session::{DAY_MS, Out, Response, Session, Stage, venue_ref};
use super::wire::{self, CancelSaid, ExecutionSaid, OrderSaid, Refusal, Replaced, StreamSaid, TradeSaid};

/// The venue's codes.
mod code {
    /// It does not know what became of the request.
    pub const UNKNOWN: [i64; 2] = [-1006, -1007];
    /// The stamp is out of the window.
    pub const STAMP: i64 = -1021;
    /// A cancel found no order.
    pub const NOT_CANCELED: i64 = -2011;
    /// A query found no order.
    pub const NO_ORDER: i64 = -2013;
    /// The key is none, or may not do this.
    pub const KEY: [i64; 2] = [-2014, -2015];
    /// A cancel-replace canceled and then failed.
    pub const REPLACED_IN_PART: i64 = -2021;
}

/// How long the stream has to bring a trade before it is asked for.
pub(super) const TRADE_PATIENCE: Nanos = Nanos::from_millis(500);
/// Between two questions about one order.
pub(super) const QUERY_PAUSE: Nanos = Nanos::from_millis(250);

/// An answer, sorted.
enum Verdict<'a> {
    Done(&'a [u8]),
    /// Not done, for a reason that passes: to be asked again.
    Again,
    /// Not done.
    Refused(i64),
    /// Nobody knows.
    Unsure,
}

fn code_of(refusal: i64) -> u16 {
    u16::try_from(refusal.unsigned_abs()).unwrap_or(u16::MAX)
}

impl Session {
    /// An answer came.
    pub fn on_response(&mut self, now: Nanos, id: u64, response: &Response<'_>) {
        let Some(asked) = self.asked.remove(&id) else { return };
        self.limits.answered(now, id);
        if let Some(used) = response.used_weight {
            self.limits.told_weight(now, used);
        }
        if let Some(used) = response.order_count {
            self.limits.told_orders(now, used);
        }
        let verdict = match self.sort(now, asked, response) {
            // From before the stream: what happened until it opened would be missed.
            Verdict::Done(_) if asked.stream != self.streams && asked.what.is_reading() => Verdict::Again,
            verdict => verdict,
        };
        self.settle(now, asked.what, response.status, verdict);
        self.check_ready(now);
    }

    /// No answer came, and the request may have arrived: the connection ended, or patience did.
    pub fn on_no_answer(&mut self, now: Nanos, id: u64) {
        let Some(asked) = self.asked.remove(&id) else { return };
        self.limits.answered(now, id);
        self.settle(now, asked.what, 0, Verdict::Unsure);
    }

    fn sort<'a>(&mut self, now: Nanos, asked: Asked, response: &Response<'a>) -> Verdict<'a> {
        match response.status {
            200 => Verdict::Done(response.body),
            429 | 418 => {
                self.be_silent(now, response.retry_after_s);
                Verdict::Again
            }
            401 if asked.what != What::Token => {
                self.auth.on_unauthorised(asked.generation);
                if self.auth.is_refused() {
                    self.give_up(now);
                }
                Verdict::Again
            }
            400..=499 => match wire::read::<Refusal>(response.body) {
                Ok(refusal) if code::UNKNOWN.contains(&refusal.code) => Verdict::Unsure,
                Ok(refusal) if code::KEY.contains(&refusal.code) => {
                    self.auth.refuse();
                    self.give_up(now);
                    Verdict::Refused(refusal.code)
                }
                // Our order is there: it was asked for before.
                Ok(refusal) if refusal.code == -2010 && refusal.msg.contains("uplicate") => Verdict::Unsure,
                Ok(refusal) => {
                    if refusal.code == code::STAMP {
                        self.clock = None;
                    }
                    Verdict::Refused(refusal.code)
                }
                // A wall before the venue, not the venue.
                Err(_) => Verdict::Unsure,
            },
            _ => Verdict::Unsure,
        }
    }

    /// The venue does not know us.
    fn give_up(&mut self, now: Nanos) {
        if self.stage != Stage::Refused {
            self.on_stream_closed(now);
            self.stage = Stage::Refused;
            self.listen = None;
            self.out.push_back(Out::Session(SessionEvent::LoginRejected { code: b'A' }));
        }
    }

    fn settle(&mut self, now: Nanos, what: What, status: u16, verdict: Verdict<'_>) {
        match what {
            What::New(token) | What::Replace(token) => self.entry_answered(now, what, token, verdict),
            What::Cancel(token) => self.cancel_answered(now, token, verdict),
            What::Query(token) => self.query_answered(now, token, verdict),
            What::CancelAll { symbol } => {
                // That there was nothing to cancel is an answer too.
                let done = matches!(verdict, Verdict::Done(_) | Verdict::Refused(code::NOT_CANCELED));
                let Some(sweep) = &mut self.sweep else { return };
                if done {
                    sweep.done(symbol);
                } else {
                    sweep.failed(symbol);
                    self.back_off(now);
                }
            }
            What::Token => {
                let body = match verdict {
                    Verdict::Done(body) => Some(body),
                    Verdict::Again | Verdict::Refused(_) | Verdict::Unsure => None,
                };
                self.auth.on_token(now, status, body);
                if self.auth.is_refused() {
                    self.give_up(now);
                }
            }
            What::Time
            | What::Info
            | What::Listen
            | What::Keep
            | What::Orders { .. }
            | What::Open { .. }
            | What::Trades { .. }
            | What::Numbered { .. }
            | What::TradesOf { .. } => {
                let understood = match verdict {
                    Verdict::Done(body) => self.question_answered(now, what, body),
                    // A key that is kept alive and is none any more.
                    Verdict::Refused(_) if what == What::Keep => {
                        self.forget_listen_key();
                        false
                    }
                    Verdict::Refused(code::NO_ORDER) => match what {
                        What::Numbered { symbol, venue } => {
                            self.number_answered(symbol, venue, None);
                            true
                        }
                        _ => false,
                    },
                    Verdict::Again | Verdict::Refused(_) | Verdict::Unsure => false,
                };
                match understood {
                    true => self.went_well(),
                    false => self.back_off(now),
                }
            }
        }
    }

    /// Whether it was understood.
    fn question_answered(&mut self, now: Nanos, what: What, body: &[u8]) -> bool {
        match what {
            What::Time => match wire::read::<wire::Time>(body) {
                Ok(time) => {
                    self.clock = Some((super::venue_clock::VenueClock::heard(now, time.server_time), now));
                    let midnight = time.server_time / DAY_MS * DAY_MS;
                    self.day.get_or_insert(self.config.day_ms.unwrap_or(midnight));
                    true
                }
                Err(_) => false,
            },
            What::Info => match wire::read::<wire::Info>(body) {
                Ok(info) => {
                    let of = |kind: &str, interval: &str, count: u64| {
                        let is = |l: &&wire::RateLimit| {
                            l.kind == kind && l.interval == interval && l.count == count
                        };
                        info.rate_limits.iter().find(is).map(|l| l.limit)
                    };
                    self.set_limits(
                        of("REQUEST_WEIGHT", "MINUTE", 1),
                        [of("ORDERS", "SECOND", 10), of("ORDERS", "DAY", 1)],
                    );
                    self.reference.take(now, &info);
                    true
                }
                Err(_) => false,
            },
            What::Listen => {
                let key = wire::read::<wire::ListenKey>(body).ok().map(|k| k.listen_key);
                let plain =
                    |k: &String| (1..=256).contains(&k.len()) && k.bytes().all(|b| b.is_ascii_alphanumeric());
                match key.filter(plain) {
                    Some(key) => {
                        self.listen = Some((key, now.after(self.config.listen_keep)));
                        true
                    }
                    None => false,
                }
            }
            What::Keep => {
                if let Some((_, keep_at)) = &mut self.listen {
                    *keep_at = now.after(self.config.listen_keep);
                }
                true
            }
            What::Orders { symbol } => match wire::read::<Vec<OrderSaid>>(body) {
                Ok(orders) => self.orders_read(now, symbol, &orders),
                Err(_) => false,
            },
            What::Open { symbol } => match wire::read::<Vec<OrderSaid>>(body) {
                Ok(orders) => self.open_read(now, symbol, &orders),
                Err(_) => false,
            },
            What::Trades { symbol } => match wire::read::<Vec<TradeSaid>>(body) {
                Ok(trades) => self.trades_read(now, symbol, &trades),
                Err(_) => false,
            },
            What::Numbered { symbol, venue } => match wire::read::<OrderSaid>(body) {
                Ok(said) => {
                    self.number_answered(symbol, venue, Some(&said));
                    true
                }
                Err(_) => false,
            },
            What::TradesOf { symbol, venue } => match wire::read::<Vec<TradeSaid>>(body) {
                Ok(trades) => self.trades_of_read(now, symbol, venue, trades),
                Err(_) => false,
            },
            What::Token
            | What::Query(_)
            | What::New(_)
            | What::Replace(_)
            | What::Cancel(_)
            | What::CancelAll { .. } => true,
        }
    }

    // ------------------------------------------------------------ one order

    fn entry_answered(&mut self, now: Nanos, what: What, token: Token, verdict: Verdict<'_>) {
        // The stream may have told before.
        let Some(order) = self.orders.get_mut(token).filter(|o| o.entry == Entry::Asked) else { return };
        let replaces = order.replaces;
        match verdict {
            Verdict::Done(body) => {
                let ack = match what {
                    What::Replace(_) => wire::read::<Replaced>(body).map(|r| r.new),
                    _ => wire::read::<wire::Ack>(body),
                };
                match ack {
                    Ok(ack) if self.token_of(&ack.client_id) == Some(token) => {
                        self.accept(now, token, ack.order_id, ack.time);
                    }
                    // An answer about another order says nothing of this one.
                    Ok(_) | Err(_) => self.entry_unknown(now, token),
                }
            }
            Verdict::Again if self.stage == Stage::Ready => {
                order.entry = Entry::Queued(now);
                self.fresh.push_front(token);
            }
            Verdict::Again => self.drop_unsent(now, token, own::UNSENT),
            Verdict::Refused(code) => {
                self.orders.finish(token);
                self.reject(now, token, code_of(code));
                if code == code::REPLACED_IN_PART
                    && let Some(old) = replaces.and_then(|old| self.orders.get_mut(old))
                {
                    old.end.get_or_insert((End::Canceled, Qty::ZERO));
                }
                self.replace_failed(now, replaces);
            }
            Verdict::Unsure => self.entry_unknown(now, token),
        }
    }

    fn entry_unknown(&mut self, now: Nanos, token: Token) {
        if let Some(order) = self.orders.get_mut(token) {
            order.entry = Entry::Unknown;
            self.queries.insert(token, now.after(QUERY_PAUSE));
        }
    }

    /// The order that was to take the place of `old` will not: `old` stands for itself again.
    pub(super) fn replace_failed(&mut self, now: Nanos, old: Option<Token>) {
        let Some(token) = old else { return };
        let Some(order) = self.orders.get_mut(token) else { return };
        order.replaced_by = None;
        if order.cancel == Cancel::Wanted {
            self.cancels.push_back(token);
        }
        // Whether it was canceled on the way is for the venue to say.
        self.queries.insert(token, now);
        self.check_over(token, 0);
    }

    fn cancel_answered(&mut self, now: Nanos, token: Token, verdict: Verdict<'_>) {
        let Some(order) = self.orders.get_mut(token) else { return };
        match verdict {
            Verdict::Done(body) => match wire::read::<CancelSaid>(body) {
                Ok(said) if said.order_id == order.venue => {
                    self.said(now, token, said.order_id, &said.status, &said.executed, said.time);
                }
                Ok(_) | Err(_) => {
                    order.cancel = Cancel::Unknown;
                    self.queries.insert(token, now);
                }
            },
            Verdict::Again | Verdict::Refused(code::STAMP) => {
                order.cancel = Cancel::Wanted;
                self.cancels.push_front(token);
            }
            Verdict::Refused(_) | Verdict::Unsure => {
                order.cancel = Cancel::Unknown;
                self.queries.insert(token, now.after(QUERY_PAUSE));
            }
        }
    }

    fn query_answered(&mut self, now: Nanos, token: Token, verdict: Verdict<'_>) {
        self.queries.remove(&token);
        let Some(order) = self.orders.get(token) else { return };
        let (entry, stamp) = (order.entry, order.stamp_ms);
        let ask_again = now.after(QUERY_PAUSE);
        match verdict {
            Verdict::Done(body) => match wire::read::<OrderSaid>(body) {
                Ok(said) if self.token_of(&said.client_id) == Some(token) => {
                    self.accept(now, token, said.order_id, said.time);
                    self.said(now, token, said.order_id, &said.status, &said.executed, said.time);
                    let over = self.is_out_of_window(now, stamp);
                    if let Some(order) = self.orders.get_mut(token)
                        && order.cancel == Cancel::Unknown
                        && order.end.is_none()
                    {
                        // It lives, and the cancel that we know nothing of can have no effect any more.
                        match over {
                            true => {
                                order.cancel = Cancel::Wanted;
                                self.cancels.push_back(token);
                            }
                            false => drop(self.queries.insert(token, ask_again)),
                        }
                    }
                }
                Ok(_) | Err(_) => drop(self.queries.insert(token, ask_again)),
            },
            Verdict::Refused(code::NO_ORDER)
                if entry == Entry::Unknown && self.is_out_of_window(now, stamp) =>
            {
                let replaces = self.orders.finish(token).and_then(|o| o.replaces);
                self.reject(now, token, own::NEVER_ARRIVED);
                self.replace_failed(now, replaces);
            }
            Verdict::Refused(code::NO_ORDER) if entry == Entry::Live => self.denied(now, token),
            Verdict::Refused(_) | Verdict::Again | Verdict::Unsure => {
                self.queries.insert(token, ask_again);
            }
        }
    }

    /// The venue has the order.
    pub(super) fn accept(&mut self, now: Nanos, token: Token, venue: u64, time: u64) {
        let Some(order) = self.orders.get_mut(token).filter(|o| o.entry != Entry::Live) else { return };
        order.entry = Entry::Live;
        let (instrument, side, short, px, qty, replaces, cancel) = (
            order.instrument,
            order.side,
            order.short,
            order.px,
            order.qty,
            order.replaces.take(),
            order.cancel,
        );
        self.orders.name(token, venue);
        self.queries.remove(&token);
        let time = if time == 0 { self.stamp(now) } else { time };
        let order = venue_ref(venue);
        match replaces.filter(|old| self.orders.get(*old).is_some()) {
            Some(old) => {
                self.orders.finish(old);
                self.queries.remove(&old);
                self.report(time, token, ReportKind::Replaced { old, order, px, qty, dead: false });
            }
            None => {
                let instrument = Some(instrument);
                self.report(
                    time,
                    token,
                    ReportKind::Accepted { order, px, qty, side, short, instrument, dead: false },
                );
            }
        }
        if cancel == Cancel::Wanted {
            self.cancels.push_back(token);
        }
    }

    /// The venue says how the order stands.
    pub(super) fn said(
        &mut self,
        now: Nanos,
        token: Token,
        venue: u64,
        status: &str,
        executed: &str,
        time: u64,
    ) {
        self.accept(now, token, venue, time);
        let Some(order) = self.orders.get_mut(token) else { return };
        order.presence = Presence::There;
        let Some(executed) = self.reference.rules(order.symbol).and_then(|r| r.unit().qty(executed)) else {
            return self.out.push_back(Out::Undecodable);
        };
        let symbol = order.symbol;
        let executed = executed.saturating_sub(order.before);
        let behind = order.executed < executed;
        if let Some(end) = End::of(status)
            && let Some(order) = self.orders.get_mut(token)
        {
            order.end = Some((end, executed));
        }
        if behind {
            let at = now.after(TRADE_PATIENCE);
            let due = self.trades_due.entry(symbol).or_insert(Due { at, tries: 0 });
            due.at = due.at.min(at);
        }
        self.check_over(token, time);
    }

    pub(super) fn trade(&mut self, token: Token, trade: u64, qty: Qty, px: Px, is_maker: bool, time: u64) {
        let Some(order) = self.orders.get_mut(token) else { return };
        if !order.trades.insert(trade) {
            return;
        }
        order.executed = Qty(order.executed.0.saturating_add(qty.0));
        let liquidity = if is_maker { b'A' } else { b'R' };
        self.report(time, token, ReportKind::Executed { qty, px, match_number: trade, liquidity });
        self.check_over(token, time);
    }

    /// Reports the end of an order whose end has come and whose trades were all seen.
    fn check_over(&mut self, token: Token, time: u64) {
        if !self.orders.get(token).is_some_and(|o| o.is_over()) {
            return;
        }
        let Some(order) = self.orders.finish(token) else { return };
        self.queries.remove(&token);
        let open = order.open();
        let canceled = |reason| ReportKind::Canceled { qty: open, reason };
        let report = match order.end {
            Some((End::Canceled, _)) if order.cancel == Cancel::None => Some(canceled(b'S')),
            Some((End::Canceled, _)) => Some(canceled(b'U')),
            Some((End::Expired, _)) if order.tif == Tif::Ioc => Some(canceled(b'I')),
            Some((End::Expired | End::Rejected, _)) => Some(canceled(b'E')),
            Some((End::Filled, _)) | None => None,
        };
        if let Some(kind) = report.filter(|_| !open.is_zero()) {
            self.report(time, token, kind);
        }
    }

    // ------------------------------------------------------------ stream

    pub(super) fn apply_text(&mut self, now: Nanos, text: &str) {
        match wire::read::<StreamSaid>(text.as_bytes()) {
            Ok(StreamSaid::Execution(said)) => self.execution(now, &said),
            Ok(StreamSaid::Expired) => {
                self.forget_listen_key();
                self.on_stream_closed(now);
            }
            Ok(StreamSaid::Other) => {}
            // It may have been a fill: everything is read again.
            Err(_) => {
                self.forget_listen_key();
                self.on_stream_closed(now);
            }
        }
    }

    fn execution(&mut self, now: Nanos, said: &ExecutionSaid) {
        let name = if said.kind == "CANCELED" && !said.original_id.is_empty() {
            &said.original_id
        } else {
            &said.client_id
        };
        let Some(token) = self.token_of(name) else { return };
        if self.orders.get(token).is_none() {
            // What is gone stays gone, and all its fills were counted. Of one that was never known here, or is long gone, a fill was not: what is believed is wrong.
            if said.kind == "TRADE" && !self.orders.has_ended(token) {
                self.out.push_back(Out::Undecodable);
            }
            return;
        }
        if said.kind == "REJECTED" {
            self.queries.remove(&token);
            let replaces = self.orders.finish(token).and_then(|o| o.replaces);
            self.reject(now, token, code_of(-2010));
            return self.replace_failed(now, replaces);
        }
        self.accept(now, token, said.order_id, said.time);
        if said.kind == "TRADE" {
            let rules = self.orders.get(token).and_then(|o| self.reference.rules(o.symbol));
            let terms = rules
                .and_then(|r| Some((r.unit().qty(&said.last_quantity)?, r.unit().px(&said.last_price)?)));
            match (terms, u64::try_from(said.trade_id)) {
                (Some((qty, px)), Ok(trade)) => self.trade(token, trade, qty, px, said.is_maker, said.time),
                _ => self.out.push_back(Out::Undecodable),
            }
        }
        self.said(now, token, said.order_id, &said.status, &said.executed, said.time);
    }
}
