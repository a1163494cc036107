//! The session: what is to be asked next, and what an answer means.
//!
//! ```text
//!   Starting --time, instruments, listen key--> (the stream opens) --> Replaying --orders and trades read--> Ready
//!      ^                                                                   |                                   |
//!      +--------------------- the stream closes, or its key is over -------+-----------------------------------+
//!                                                                          ^-- over -- Silent <--429 or 418----+
//!   Refused: the venue does not know us; nothing is asked any more
//! ```
//!
//! The day begins at midnight UTC before the venue's clock was first read, and stays that day over every later midnight. What is read of it: the orders made in it, those
//! that live whenever they were made ([`super::carried`]), and its trades.
//!
//! While `Replaying`, what the stream says is kept and applied afterwards. `Ready` comes when nothing is unknown any more: an order that should be in what is read, and is
//! not, is asked about by its client id, and gone when the venue denies it twice, a request's window apart. Such a venue has begun anew; its day is read from the start.

use std::collections::{BTreeMap, VecDeque};

use model::{
    CommandKind, ExecutionReport, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty, ReportKind,
    SessionEvent, Side, Symbol, Tif, Token, VenueRef,
};

use super::auth::Auth;
use super::carried::Carried;
use super::config::{SessionConfig, own};
use super::limits::{Limit, Limits};
use super::missed::{Due, Frontier, Replay};
use super::orders::{Cancel, Entry, Order, Orders, Presence};
use super::reference::{Reference, Unfit};
use super::requests::{Asked, HEAVIEST};
use super::sweep::Sweep;
use super::venue_clock::VenueClock;
use crate::gateway::ReportSink;

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not yet, or not any more.
    Starting,
    /// The stream is open; what was missed is read.
    Replaying,
    /// Orders may be sent.
    Ready,
    /// It was, and the venue wants to hear nothing for a while.
    Silent,
    /// The venue does not know us.
    Refused,
}

/// Which of the agent's connections a request goes by, so that a cancel never waits behind a list of trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Cancels.
    Cancels,
    /// New orders and replaces.
    Orders,
    /// Everything else.
    Questions,
}

/// A request to be made.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names it in the answer.
    pub id: u64,
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// Headers beyond the connection's own.
    pub headers: Vec<(&'static str, String)>,
    /// A form, or nothing.
    pub body: String,
    /// The token of the order that it makes or cancels, for receipts.
    pub token: Option<Token>,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// HTTP's status.
    pub status: u16,
    /// `Retry-After`, seconds.
    pub retry_after_s: Option<u32>,
    /// `X-MBX-USED-WEIGHT-1M`.
    pub used_weight: Option<u32>,
    /// `X-MBX-ORDER-COUNT-10S`.
    pub order_count: Option<u32>,
    /// The body.
    pub body: &'a [u8],
}

pub(super) enum Out {
    Report(ExecutionReport),
    Session(SessionEvent),
    Undecodable,
}

/// Pause after a question that failed; doubled up to [`HOLD_MAX`].
const HOLD_MIN: Nanos = Nanos::from_millis(100);
const HOLD_MAX: Nanos = Nanos::from_millis(10_000);
/// A day, ms.
pub(super) const DAY_MS: u64 = 86_400_000;
/// Messages of the stream that are kept while what was missed is read.
const HELD_MAX: usize = 4_096;

/// See the module.
pub struct Session {
    pub(super) config: SessionConfig,
    pub(super) auth: Auth,
    pub(super) limits: Limits,
    pub(super) clock: Option<(VenueClock, Nanos)>,
    pub(super) reference: Reference,
    instruments: Vec<(InstrumentId, usize)>,
    pub(super) orders: Orders,
    /// Tokens of orders that wait to be sent, and of orders that wait to be canceled.
    pub(super) fresh: VecDeque<Token>,
    pub(super) cancels: VecDeque<Token>,
    /// Orders to be asked about, and when.
    pub(super) queries: BTreeMap<Token, Nanos>,
    /// Symbols whose trades are to be read, and when.
    pub(super) trades_due: BTreeMap<usize, Due>,
    /// Orders from before the day that are not settled, by symbol and the venue's number.
    pub(super) carried: BTreeMap<(usize, u64), Carried>,
    /// When our day began, ms of the venue's clock; `None`: that clock was never read.
    pub(super) day: Option<u64>,
    /// Whether what there is at the venue was never read to the end.
    pub(super) is_first_reading: bool,
    pub(super) asked: BTreeMap<u64, Asked>,
    pub(super) next_id: u64,
    pub(super) sequence: u64,
    pub(super) stage: Stage,
    pub(super) listen: Option<(String, Nanos)>,
    pub(super) stream_open: bool,
    /// Streams that were opened.
    pub(super) streams: u64,
    pub(super) replay: Replay,
    pub(super) frontiers: Vec<Frontier>,
    held: VecDeque<String>,
    pub(super) out: VecDeque<Out>,
    pub(super) hold_until: Nanos,
    hold: Nanos,
    pub(super) sweep: Option<Sweep>,
}

impl Session {
    /// For the instruments of `instruments` that trade through `config.id`.
    #[must_use]
    pub fn new(config: SessionConfig, instruments: &[Instrument]) -> Session {
        let ours: Vec<&Instrument> = instruments.iter().filter(|i| i.gateway == config.id).collect();
        let symbols: Vec<Symbol> = ours.iter().map(|i| i.symbol).collect();
        let (weight, per_order) = limits(config.weight, config.orders);
        Session {
            auth: Auth::new(config.credentials.clone()),
            limits: Limits::new(weight, per_order),
            clock: None,
            frontiers: vec![Frontier::default(); symbols.len()],
            reference: Reference::new(symbols, config.reference_life),
            instruments: ours.iter().zip(0..).map(|(i, k)| (i.id, k)).collect(),
            orders: Orders::default(),
            fresh: VecDeque::new(),
            cancels: VecDeque::new(),
            queries: BTreeMap::new(),
            trades_due: BTreeMap::new(),
            carried: BTreeMap::new(),
            day: None,
            is_first_reading: true,
            asked: BTreeMap::new(),
            next_id: 1,
            sequence: 0,
            stage: Stage::Starting,
            listen: None,
            stream_open: false,
            streams: 0,
            replay: Replay::default(),
            held: VecDeque::new(),
            out: VecDeque::new(),
            hold_until: Nanos::ZERO,
            hold: HOLD_MIN,
            sweep: None,
            config,
        }
    }

    /// How far the session is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Cancels that wait to be sent.
    #[must_use]
    pub fn cancels_waiting(&self) -> usize {
        self.cancels.len()
    }

    pub(super) fn instrument(&self, symbol: usize) -> InstrumentId {
        self.instruments[symbol].0
    }

    pub(super) fn symbol(&self, symbol: usize) -> String {
        self.reference.symbols().nth(symbol).unwrap_or_default().to_string()
    }

    pub(super) fn client_id(&self, token: Token) -> String {
        format!("{}{}", self.config.prefix, token.0)
    }

    /// The token of one of our client ids.
    pub(super) fn token_of(&self, client_id: &str) -> Option<Token> {
        let digits = client_id.strip_prefix(&self.config.prefix)?;
        let token: u32 = digits.parse().ok()?;
        // `+7` and `007` are somebody else's.
        (token > 0 && digits == token.to_string()).then_some(Token(token))
    }

    pub(super) fn stamp(&self, now: Nanos) -> u64 {
        self.clock.map_or(0, |(clock, _)| clock.stamp(now))
    }

    /// When our day began, ms of the venue's clock: what happened before is not ours to account for. It stays that day however long we run.
    pub(super) fn day(&self) -> u64 {
        self.day.unwrap_or(0)
    }

    /// Whether a request with this stamp can have no effect any more.
    pub(super) fn is_out_of_window(&self, now: Nanos, stamp_ms: u64) -> bool {
        // Our stamp is the least that the venue's clock may show, so it is out there if it is out here.
        self.stamp(now) > stamp_ms.saturating_add(self.config.window_ms)
    }

    pub(super) fn report(&mut self, time_ms: u64, token: Token, kind: ReportKind) {
        self.sequence += 1;
        let ts_event = Nanos::from_millis(time_ms % DAY_MS);
        let gateway = self.config.id;
        self.out.push_back(Out::Report(ExecutionReport {
            ts_event,
            seq: self.sequence,
            token,
            gateway,
            kind,
        }));
    }

    pub(super) fn reject(&mut self, now: Nanos, token: Token, reason: u16) {
        let time = self.stamp(now);
        self.report(time, token, ReportKind::Rejected { reason });
    }

    /// Passes on what was learnt, as far as there is room.
    pub fn pump(&mut self, sink: &mut impl ReportSink) {
        while sink.has_room()
            && let Some(out) = self.out.pop_front()
        {
            match out {
                Out::Report(report) => sink.report(report),
                Out::Session(event) => sink.session(event),
                Out::Undecodable => sink.session(SessionEvent::Doubt),
            }
        }
    }

    /// Whether something waits for [`Session::pump`]: nothing more should be asked meanwhile.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.out.is_empty()
    }

    // ------------------------------------------------------------ commands

    /// Takes a command. `false`: the session is not ready, and nothing was taken. What cannot be done is answered by a reject.
    pub fn submit(&mut self, now: Nanos, command: &OrderCommand) -> bool {
        if self.stage != Stage::Ready || command.gateway != self.config.id {
            return false;
        }
        match command.kind {
            CommandKind::New { token, side, short, qty, px, tif } => {
                let Some(&(instrument, symbol)) =
                    self.instruments.iter().find(|(id, _)| *id == command.instrument)
                else {
                    self.reject(now, token, own::INSTRUMENT);
                    return true;
                };
                let order = fresh_order(now, symbol, instrument, (side, short), qty, px, tif);
                self.enqueue(now, token, order);
            }
            CommandKind::Replace { old, token, qty, px, tif } => self.replace(now, old, token, qty, px, tif),
            CommandKind::Port { .. } => return false,
            CommandKind::Cancel { token, qty } if qty.is_zero() => self.cancel(now, token),
            CommandKind::Cancel { token, .. } => {
                // The venue has no cancel of a part.
                let time = self.stamp(now);
                self.report(time, token, ReportKind::CancelRejected);
            }
        }
        true
    }

    fn enqueue(&mut self, now: Nanos, token: Token, mut order: Order) {
        let fit = match self.reference.rules(order.symbol).filter(|_| self.reference.is_usable(now)) {
            _ if self.fresh.len() >= self.config.queue_max => Err(own::FULL),
            None => Err(own::INSTRUMENT),
            Some(rules) => rules.fit(order.side, order.px, order.qty).map_err(|unfit| match unfit {
                Unfit::State => own::INSTRUMENT,
                Unfit::Quantity => own::QUANTITY,
                Unfit::Price => own::PRICE,
                Unfit::Notional => own::NOTIONAL,
            }),
        };
        match fit {
            Ok(px) => {
                order.px = px;
                if let Some(old) = order.replaces.and_then(|old| self.orders.get_mut(old)) {
                    old.replaced_by = Some(token);
                }
                self.orders.insert(token, order);
                self.fresh.push_back(token);
            }
            Err(code) => self.reject(now, token, code),
        }
    }

    /// The venue's replace is a cancel and a new order of a quantity that we say. So it is only asked for where nothing of the old one has traded, and the
    /// venue is told to do it only then: else what trades meanwhile would come on top.
    fn replace(&mut self, now: Nanos, old: Token, token: Token, qty: Qty, px: Px, tif: Tif) {
        let plain = |o: &&Order| {
            o.entry == Entry::Live
                && o.cancel == Cancel::None
                && o.executed.is_zero()
                && o.before.is_zero()
                && o.end.is_none()
                && o.replaced_by.is_none()
        };
        match self.orders.get(old).filter(plain) {
            Some(o) => {
                let fresh = fresh_order(now, o.symbol, o.instrument, (o.side, o.short), qty, px, tif);
                self.enqueue(now, token, Order { replaces: Some(old), ..fresh });
            }
            None => self.reject(now, token, own::NOT_REPLACEABLE),
        }
    }

    fn cancel(&mut self, now: Nanos, token: Token) {
        // One that is gone has been told of.
        let Some(order) = self.orders.get_mut(token) else { return };
        if order.cancel != Cancel::None {
            return;
        }
        match order.entry {
            Entry::Queued(_) => self.drop_unsent(now, token, own::UNSENT),
            // Over another connection it could come there before the order does. It waits for the order's answer.
            Entry::Asked | Entry::Unknown => order.cancel = Cancel::Wanted,
            Entry::Live => {
                order.cancel = Cancel::Wanted;
                if order.replaced_by.is_none() {
                    self.cancels.push_back(token);
                }
            }
        }
    }

    /// An order that was never sent is refused.
    pub(super) fn drop_unsent(&mut self, now: Nanos, token: Token, code: u16) {
        self.fresh.retain(|t| *t != token);
        if let Some(order) = self.orders.finish(token) {
            self.reject(now, token, code);
            self.replace_failed(now, order.replaces);
        }
    }

    // ------------------------------------------------------------ time

    /// Refuses orders that waited too long, and ends a silence. To be called now and then.
    pub fn on_time(&mut self, now: Nanos) {
        self.end_silence(now);
        while let Some(&token) = self.fresh.front() {
            match self.orders.get(token).map(|o| o.entry) {
                Some(Entry::Queued(since)) if now.since(since) >= self.config.queue_life => {
                    self.drop_unsent(now, token, own::LATE);
                }
                Some(_) => break,
                None => drop(self.fresh.pop_front()),
            }
        }
    }

    /// Nothing is asked for a while; longer each time.
    pub(super) fn back_off(&mut self, now: Nanos) {
        self.hold_until = now.after(self.hold);
        self.hold = Nanos((self.hold.0 * 2).min(HOLD_MAX.0));
    }

    pub(super) fn went_well(&mut self) {
        self.hold = HOLD_MIN;
    }

    /// What the venue says of its limits. One under which something could never be asked for, be it the list that would say another, is none: the old one stays.
    pub(super) fn set_limits(&mut self, weight: Option<u32>, orders: [Option<u32>; 2]) {
        let weight = weight.filter(|w| w.saturating_sub(reserve(*w)) >= HEAVIEST);
        let [short, long] = orders.map(|limit| limit.filter(|most| *most > 0));
        let wanted = (
            weight.unwrap_or(self.config.weight),
            [short.unwrap_or(self.config.orders[0]), long.unwrap_or(self.config.orders[1])],
        );
        if wanted != (self.config.weight, self.config.orders) {
            (self.config.weight, self.config.orders) = wanted;
            let (weight, orders) = limits(self.config.weight, self.config.orders);
            self.limits.resize(weight, orders);
        }
    }

    // ------------------------------------------------------------ stream

    /// The path of the stream that should be open now.
    #[must_use]
    pub fn wants_stream(&self) -> Option<String> {
        self.listen.as_ref().map(|(key, _)| format!("/ws/{key}"))
    }

    /// It is open: what was missed before is read.
    pub fn on_stream_open(&mut self) {
        if self.stage == Stage::Starting && self.listen.is_some() {
            self.stream_open = true;
            self.streams += 1;
            self.stage = Stage::Replaying;
            self.replay = Replay::default();
            self.orders.doubt();
            // What was said of them is old.
            self.carried.values_mut().for_each(|order| *order = Carried::Numbered);
            self.out.push_back(Out::Session(SessionEvent::LoggedIn));
        }
    }

    /// It is gone.
    pub fn on_stream_closed(&mut self, now: Nanos) {
        self.stream_open = false;
        self.held.clear();
        if matches!(self.stage, Stage::Replaying | Stage::Ready | Stage::Silent) {
            self.drop_all_unsent(now);
            if self.stage != Stage::Silent {
                self.out.push_back(Out::Session(SessionEvent::Disconnected));
            }
            self.stage = Stage::Starting;
            self.back_off(now);
        }
    }

    /// The venue knows no such key any more, or the stream cannot be opened by it: another is asked for.
    pub fn forget_listen_key(&mut self) {
        self.listen = None;
    }

    /// A message of the stream.
    pub fn on_stream_text(&mut self, now: Nanos, text: &str) {
        if self.stage == Stage::Replaying && self.held.len() < HELD_MAX {
            self.held.push_back(text.to_owned());
        } else if self.stage == Stage::Replaying {
            // More than can be kept: the reading begins anew, and what is read will have it.
            self.forget_listen_key();
            self.on_stream_closed(now);
        } else {
            self.apply_text(now, text);
        }
    }

    pub(super) fn apply_held(&mut self, now: Nanos) {
        while let Some(text) = self.held.pop_front() {
            self.apply_text(now, &text);
        }
    }

    // ------------------------------------------------------------ the end

    /// Cancels everything of ours at the venue, all symbols.
    pub fn begin_sweep(&mut self) {
        if self.sweep.is_none() {
            self.sweep = Some(Sweep::of(self.frontiers.len()));
        }
    }

    /// Whether the venue has confirmed a sweep: everything was canceled, and nothing that was sent before can come behind that.
    #[must_use]
    pub fn is_swept(&self) -> bool {
        self.sweep.as_ref().is_some_and(Sweep::is_over)
    }
}

const MINUTE: Nanos = Nanos::from_millis(60_000);
const TEN_S: Nanos = Nanos::from_millis(10_000);
const DAY: Nanos = Nanos::from_millis(86_400_000);

/// A tenth of the weight is kept for cancels.
fn reserve(weight: u32) -> u32 {
    (weight / 10).max(1)
}

/// Cancels are no orders to the venue, so of the limits of orders nothing need be kept.
fn limits(weight: u32, orders: [u32; 2]) -> (Limit, [Limit; 2]) {
    let all = |most, span| Limit { span, most, reserve: 0 };
    (Limit { reserve: reserve(weight), ..all(weight, MINUTE) }, [all(orders[0], TEN_S), all(orders[1], DAY)])
}

fn fresh_order(
    now: Nanos,
    symbol: usize,
    instrument: InstrumentId,
    (side, short): (Side, bool),
    qty: Qty,
    px: Px,
    tif: Tif,
) -> Order {
    Order {
        symbol,
        instrument,
        side,
        short,
        tif,
        px,
        qty,
        executed: Qty::ZERO,
        before: Qty::ZERO,
        venue: 0,
        entry: Entry::Queued(now),
        cancel: Cancel::None,
        stamp_ms: 0,
        presence: Presence::There,
        end: None,
        replaced_by: None,
        replaces: None,
        trades: Default::default(),
    }
}

/// The order as the venue says it, where nothing here knows it.
pub(super) fn adopted(
    symbol: usize,
    instrument: InstrumentId,
    side: Side,
    qty: Qty,
    px: Px,
    venue: u64,
) -> Order {
    Order { venue, ..fresh_order(Nanos::ZERO, symbol, instrument, (side, false), qty, px, Tif::Day) }
}

/// The venue's number as the house names it.
pub(super) fn venue_ref(order: u64) -> VenueRef {
    VenueRef(order)
}
