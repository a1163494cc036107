//! A hand on every input of the engine: a scripted strategy, and an engine with a book, tokens and a session.
//!
//! The world: instruments 0 and 1 on feed 0 and gateway 0, instrument 2 on feed 1 and gateway 1. The book that [`Kit::ready`] gives
//! instruments 0 and 2 is 99.99 by 100.01, so that the reference is 100.00 exactly.

use std::collections::BTreeMap;

use engine::book::{BookCapacity, BookChange};
use engine::strategy::{Fill, Intent, Intents, ParamError, Params, Strategy, TradePrint, View};
use engine::{
    BookSanity, Breakers, DropReason, Dropped, Engine, EngineConfig, InstrumentChange, Order, OrderId,
    OrderState, Outbox, Refusal, RiskLimits, RiskReject, Scopes, Throttle,
};
use model::{
    CommandKind, Control, ExecutionReport, FeedId, FeedStatus, GatewayId, Input, Instrument, InstrumentId,
    MarketBody, MarketEvent, Nanos, OrderCommand, Px, Qty, ReportKind, SessionEvent, Side, Symbol, Tif,
    Token, TradingState, Usd, VenueRef,
};

pub const A: InstrumentId = InstrumentId(0);
pub const B: InstrumentId = InstrumentId(1);
/// On the other feed and the other gateway.
pub const C: InstrumentId = InstrumentId(2);
pub const FEED: FeedId = FeedId(0);
pub const GATEWAY: GatewayId = GatewayId(0);
pub const SECOND: u64 = 1_000_000_000;
/// The reference of the book that [`Kit::ready`] makes.
pub const MID: i64 = 1_000_000;

/// What the engine told the strategy.
#[derive(Debug, PartialEq)]
pub enum Told {
    Order(OrderId, OrderState),
    Fill(Fill),
    Broken(Fill),
    Corrected { was: Fill, is: Fill },
    Instrument(InstrumentId, InstrumentChange),
    Refused(Intent, RiskReject),
    Dropped(Intent, DropReason),
    Trade(TradePrint),
}

/// Leaves what its queue holds at each timer, which it always asks for; notes what it is told.
#[derive(Default)]
pub struct Script {
    pub next: Vec<Intent>,
    pub told: Vec<Told>,
    /// What to answer to whatever it is told next, once.
    pub reply: Vec<Intent>,
}

impl Script {
    fn answer(&mut self, told: Told, out: &mut Intents) {
        self.told.push(told);
        self.reply.drain(..).for_each(|i| out.push(i));
        out.wake_at(Nanos::ZERO);
    }
}

/// The engine owns its strategy, the test needs a hand on it.
#[derive(Clone, Default)]
pub struct Hand(std::sync::Arc<std::sync::Mutex<Script>>);

impl Hand {
    pub fn on(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().expect("one thread")
    }
}

impl Strategy for Hand {
    const NAME: &'static str = "script";

    fn new(_: &mut Params) -> Result<Hand, ParamError> {
        Ok(Hand::default())
    }

    fn on_book(&mut self, _: &View<'_>, _: &BookChange, out: &mut Intents) {
        out.wake_at(Nanos::ZERO);
    }

    fn on_trade(&mut self, _: &View<'_>, trade: &TradePrint, out: &mut Intents) {
        self.on().answer(Told::Trade(*trade), out);
    }

    fn on_order(&mut self, _: &View<'_>, order: &Order, _: &ReportKind, out: &mut Intents) {
        self.on().answer(Told::Order(order.id, order.state()), out);
    }

    fn on_fill(&mut self, _: &View<'_>, fill: &Fill, out: &mut Intents) {
        self.on().answer(Told::Fill(*fill), out);
    }

    fn on_broken(&mut self, _: &View<'_>, fill: &Fill, out: &mut Intents) {
        self.on().answer(Told::Broken(*fill), out);
    }

    fn on_corrected(&mut self, _: &View<'_>, was: &Fill, is: &Fill, out: &mut Intents) {
        self.on().answer(Told::Corrected { was: *was, is: *is }, out);
    }

    fn on_timer(&mut self, _: &View<'_>, out: &mut Intents) {
        self.on().next.drain(..).for_each(|i| out.push(i));
        out.wake_at(Nanos::ZERO);
    }

    fn on_instrument(&mut self, _: &View<'_>, id: InstrumentId, c: InstrumentChange, out: &mut Intents) {
        self.on().answer(Told::Instrument(id, c), out);
    }

    fn on_refused(&mut self, _: &View<'_>, intent: &Intent, why: RiskReject) {
        self.on().told.push(Told::Refused(*intent, why));
    }

    fn on_dropped(&mut self, _: &View<'_>, dropped: &Dropped) {
        self.on().told.push(Told::Dropped(dropped.intent, dropped.why));
    }
}

pub fn config(limits: RiskLimits) -> EngineConfig {
    let one = |id: u16, symbol, feed, gateway| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new(symbol).expect("a symbol"),
        feed: FeedId(feed),
        gateway: GatewayId(gateway),
    };
    EngineConfig {
        instruments: vec![one(0, "A", 0, 0), one(1, "B", 0, 0), one(2, "C", 1, 1)],
        feeds: 2,
        gateways: 2,
        limits,
        drop_copies: Vec::new(),
        throttles: Vec::new(),
        fees: Vec::new(),
        openings: Vec::new(),
        sanity: BookSanity::default(),
        scopes: Scopes::default(),
        breakers: Breakers::default(),
        book: BookCapacity { instruments: 3, live_orders: 1_000, levels: 100, direct_refs: 1_000 },
    }
}

/// Limits that stand in no test's way; a test lowers the one it is about.
pub fn wide() -> RiskLimits {
    RiskLimits {
        max_order_quantity: Qty(999_999),
        max_order_notional: Usd(i64::MAX),
        max_position: 1_000_000,
        max_open_orders: 256,
        max_messages_per_second: 10_000,
        price_collar_bps: 500,
        max_daily_loss: Usd(1_000_000 * 10_000),
        duplicate_window: Nanos::ZERO,
        max_market_age: Nanos::from_millis(3_000),
    }
}

/// An engine over a strategy, with counters for what a venue numbers.
pub struct Kit<S: Strategy> {
    pub engine: Engine<S>,
    pub now: Nanos,
    pub out: Outbox,
    pub seq: BTreeMap<u8, u64>,
    next_ref: u64,
}

pub fn px(raw: i64) -> Px {
    Px(raw)
}

pub fn buy(id: InstrumentId, qty: u32, at: i64) -> Intent {
    Intent::New { instrument: id, side: Side::Buy, qty: Qty(qty), px: Px(at), tif: Tif::Day }
}

pub fn sell(id: InstrumentId, qty: u32, at: i64) -> Intent {
    Intent::New { instrument: id, side: Side::Sell, qty: Qty(qty), px: Px(at), tif: Tif::Day }
}

pub fn replace(token: u32, qty: u32, at: i64) -> Intent {
    Intent::Replace { order: OrderId(Token(token)), qty: Qty(qty), px: Px(at) }
}

pub fn cancel(token: u32) -> Intent {
    Intent::Cancel { order: OrderId(Token(token)) }
}

pub fn reduce(token: u32, qty: u32) -> Intent {
    Intent::Reduce { order: OrderId(Token(token)), qty: Qty(qty) }
}

pub fn executed(qty: u32, at: i64, match_number: u64) -> ReportKind {
    ReportKind::Executed { qty: Qty(qty), px: Px(at), match_number, liquidity: b'A' }
}

pub fn canceled(qty: u32) -> ReportKind {
    ReportKind::Canceled { qty: Qty(qty), reason: b'U' }
}

pub fn rejected() -> ReportKind {
    ReportKind::Rejected { reason: 6 }
}

/// Accepted as it was asked for; a sell as a long one.
pub fn accepted(id: InstrumentId, side: Side, qty: u32, at: i64) -> ReportKind {
    accepted_as(id, side, false, qty, at)
}

pub fn accepted_as(id: InstrumentId, side: Side, short: bool, qty: u32, at: i64) -> ReportKind {
    ReportKind::Accepted {
        order: VenueRef(900_000),
        px: Px(at),
        qty: Qty(qty),
        side,
        short,
        instrument: Some(id),
        dead: false,
    }
}

pub fn replaced(old: u32, qty: u32, at: i64) -> ReportKind {
    ReportKind::Replaced { old: Token(old), order: VenueRef(900_001), px: Px(at), qty: Qty(qty), dead: false }
}

impl<S: Strategy> Kit<S> {
    /// An engine that was told nothing yet.
    pub fn over(limits: RiskLimits, strategy: S) -> Kit<S> {
        Kit::of(&config(limits), strategy)
    }

    /// The same by a configuration of its own.
    pub fn of(config: &EngineConfig, strategy: S) -> Kit<S> {
        Kit {
            engine: Engine::new(config, strategy),
            now: Nanos(1_000 * SECOND),
            out: Outbox::default(),
            seq: BTreeMap::new(),
            next_ref: 1,
        }
    }

    /// Makes trading possible: tokens 1 to 9,999, both sessions, both feeds, A and C with a book, all in state `T`.
    pub fn start(&mut self) {
        self.tokens(1, 10_000);
        for g in 0..2 {
            self.session(g, SessionEvent::Ready { next_token: Token(0), proven: true });
        }
        for (feed, id) in [(0, A), (0, B), (1, C)] {
            self.give(Input::Feed(FeedId(feed), FeedStatus::Synced { next: 1 }));
            self.trading(id, TradingState::Trading);
        }
        for id in [A, C] {
            self.quote(id, Side::Buy, 1_000, MID - 100);
            self.quote(id, Side::Sell, 1_000, MID + 100);
        }
    }

    pub fn give(&mut self, input: Input) -> Vec<OrderCommand> {
        self.out.clear();
        self.engine.apply(self.now, &input, &mut self.out);
        self.commands()
    }

    /// The commands of the last input.
    pub fn commands(&self) -> Vec<OrderCommand> {
        self.out.commands().iter().map(|a| *a.command()).collect()
    }

    /// The tokens that the last input canceled.
    pub fn cancels(&self) -> Vec<u32> {
        let of = |c: OrderCommand| match c.kind {
            CommandKind::Cancel { token, qty } => {
                assert_eq!(qty, Qty::ZERO, "a cancel is of all that is open");
                Some(token.0)
            }
            _ => None,
        };
        self.commands().into_iter().filter_map(of).collect()
    }

    pub fn timer(&mut self) -> Vec<OrderCommand> {
        self.give(Input::Timer)
    }

    pub fn control(&mut self, c: Control) -> Vec<OrderCommand> {
        self.give(Input::Control(c))
    }

    pub fn tokens(&mut self, first: u32, end: u32) {
        self.control(Control::Tokens { first: Token(first), end: Token(end) });
    }

    pub fn session(&mut self, gateway: u8, event: SessionEvent) -> Vec<OrderCommand> {
        self.give(Input::Session(GatewayId(gateway), event))
    }

    /// The next report of gateway 0.
    pub fn report(&mut self, token: u32, kind: ReportKind) -> Vec<OrderCommand> {
        self.report_of(0, token, kind)
    }

    pub fn report_of(&mut self, gateway: u8, token: u32, kind: ReportKind) -> Vec<OrderCommand> {
        let seq = self.seq.entry(gateway).or_insert(0);
        *seq += 1;
        let (seq, gateway) = (*seq, GatewayId(gateway));
        self.give(Input::Report(ExecutionReport {
            ts_event: Nanos(1),
            seq,
            token: Token(token),
            gateway,
            kind,
        }))
    }

    pub fn market(&mut self, id: InstrumentId, body: MarketBody) -> Vec<OrderCommand> {
        let feed = FeedId(u8::from(id == C));
        self.give(Input::Market(feed, MarketEvent { ts_event: Nanos(1), instrument: id, body }))
    }

    pub fn trading(&mut self, id: InstrumentId, state: TradingState) -> Vec<OrderCommand> {
        let symbol = Symbol::BLANK;
        self.market(id, MarketBody::TradingAction { symbol, state, reason: *b"    " })
    }

    /// Another's order joins the book; returns its reference.
    pub fn quote(&mut self, id: InstrumentId, side: Side, qty: u32, at: i64) -> VenueRef {
        let order = VenueRef(self.next_ref);
        self.next_ref += 1;
        self.rest(id, order, side, qty, at);
        order
    }

    /// An order with this reference joins the book.
    pub fn rest(&mut self, id: InstrumentId, order: VenueRef, side: Side, qty: u32, at: i64) {
        let mpid = *b"    ";
        self.market(id, MarketBody::Add { order, px: Px(at), qty: Qty(qty), side, mpid });
    }

    pub fn unquote(&mut self, id: InstrumentId, order: VenueRef) -> Vec<OrderCommand> {
        self.market(id, MarketBody::Delete { order })
    }

    pub fn state(&self, token: u32) -> Option<OrderState> {
        self.engine.orders().get(OrderId(Token(token))).map(Order::state)
    }

    pub fn order(&self, token: u32) -> &Order {
        self.engine.orders().get(OrderId(Token(token))).expect("open")
    }

    pub fn shares(&self, id: InstrumentId) -> i64 {
        self.engine.positions().of(id).shares
    }

    /// Whether work is left over for the next input.
    pub fn has_backlog(&self) -> bool {
        self.engine.has_backlog()
    }
}

impl Kit<Hand> {
    pub fn new(limits: RiskLimits) -> Kit<Hand> {
        Kit::over(limits, Hand::default())
    }

    pub fn ready(limits: RiskLimits) -> Kit<Hand> {
        let mut kit = Kit::new(limits);
        kit.start();
        kit
    }

    /// A world in which gateway 0 has this throttle.
    pub fn throttled(limits: RiskLimits, throttle: Throttle) -> Kit<Hand> {
        let config = EngineConfig { throttles: vec![throttle], ..config(limits) };
        let mut kit = Kit::of(&config, Hand::default());
        kit.start();
        kit
    }

    pub fn hand(&self) -> std::sync::MutexGuard<'_, Script> {
        self.engine.strategy().on()
    }

    /// Has the strategy ask for these in one callback.
    pub fn ask_all(&mut self, intents: &[Intent]) -> Vec<OrderCommand> {
        self.hand().next.extend_from_slice(intents);
        self.timer()
    }

    /// Has the strategy ask for one thing; its command or its refusal (`None`: noted for later).
    pub fn ask(&mut self, intent: Intent) -> Result<Option<OrderCommand>, RiskReject> {
        if !self.has_backlog() {
            self.timer(); // so that only the intent comes between the two hashes
        }
        let before = self.engine.state_hash();
        let commands = self.ask_all(&[intent]);
        match (commands.as_slice(), self.out.refusals()) {
            ([], []) => Ok(None),
            ([one], []) => Ok(Some(*one)),
            ([], [Refusal { intent: i, why }]) => {
                assert_eq!(*i, intent);
                let why = *why;
                assert!(self.hand().told.contains(&Told::Refused(intent, why)), "the strategy is told");
                assert_eq!(self.engine.state_hash(), before, "a refusal changes nothing: {intent:?} {why:?}");
                Err(why)
            }
            other => panic!("one intent caused {other:?}"),
        }
    }

    pub fn refused(&mut self, intent: Intent) -> RiskReject {
        self.ask(intent).expect_err("refused")
    }

    /// A new order or replace that passes; its token.
    pub fn passes(&mut self, intent: Intent) -> u32 {
        self.ask(intent).expect("passes").expect("sends").token().0
    }

    /// A cancel that passes.
    pub fn passes_cancel(&mut self, token: u32) {
        let command = self.ask(cancel(token)).expect("a cancel passes always").expect("at once");
        assert!(matches!(command.kind, CommandKind::Cancel { .. }));
    }

    /// A new order that passes and that the venue accepts as asked; its token.
    pub fn live(&mut self, intent: Intent) -> u32 {
        let token = self.passes(intent);
        self.accept(token);
        token
    }

    pub fn accept(&mut self, token: u32) {
        let o = *self.order(token);
        self.report_of(o.gateway.0, token, accepted_as(o.instrument, o.side, o.short, o.open.0, o.px.0));
        assert!(matches!(self.state(token), Some(OrderState::Live | OrderState::PendingCancel)));
    }

    pub fn told(&self) -> Vec<Told> {
        core::mem::take(&mut self.hand().told)
    }
}

/// SplitMix64: a seeded stream of numbers.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
