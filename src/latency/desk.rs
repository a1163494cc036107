//! An engine ready to trade, and what moves it: for the stages that end in an order.
//!
//! Each instrument has one large bid at 99.99 and one large offer at 100.01; a tick takes one share off its bid. In a pass each
//! instrument ticks once, so no order meets another of its own instrument; between passes the venue refuses all that is open.

use crate::exchange::itch::{self, Stamp};
use crate::journal::Receipt;
use engine::book::{BookCapacity, BookChange};
use engine::strategy::{Intent, Intents, ParamError, Params, Strategy, View};
use engine::{
    AdvLimits, BookSanity, BreakerRule, Breakers, DriftLimit, Engine, EngineConfig, LossLimits, Outbox,
    RepeatLimit, RiskLimits, ScopeLimits, Scopes, SymbolLimits, Trigger,
};
use model::{
    BreakerLevel, CommandKind, Control, ExecutionReport, FeedId, FeedStatus, GatewayId, Input, Instrument,
    InstrumentId, Nanos, OrderCommand, Px, Qty, ReportKind, SessionEvent, Side, Symbol, Tif, Token, Usd,
};

/// Instruments, and ticks in a pass.
pub const INSTRUMENTS: u16 = 256;
/// The one feed.
pub const FEED: FeedId = FeedId(0);
/// The one gateway.
pub const GATEWAY: GatewayId = GatewayId(0);
/// Between two ticks in the engine's time: 50,000 a second, which the message limit lets through.
pub const STEP: u64 = 20_000;
/// The engine's time at the start.
pub const START: Nanos = Nanos(1_700_000_000_000_000_000);

/// A receipt as an order leaves it.
pub const RECEIPT: Receipt = Receipt {
    token: Token(7),
    gateway: GATEWAY,
    received: START,
    decoded: START.after(Nanos(200)),
    decided: START.after(Nanos(700)),
    sent: START.after(Nanos(3_000)),
};

/// A new order to be encoded.
#[must_use]
pub fn order(token: u32) -> OrderCommand {
    let (side, qty, px) = (Side::Buy, Qty(100), Px(1_000_100));
    let kind = CommandKind::New { token: Token(token), side, short: false, qty, px, tif: Tif::Ioc };
    OrderCommand { gateway: GATEWAY, instrument: InstrumentId(3), kind }
}

/// Every limit there is, none of which an order of a pass comes near.
fn scopes() -> Scopes {
    let wide = ScopeLimits {
        max_order_quantity: Some(Qty(10_000)),
        max_order_notional: Some(Usd(i64::MAX)),
        max_position: Some(1_000_000),
        max_open_orders: Some(8_192),
        max_gross_notional: Some(Usd(i64::MAX)),
        max_net_notional: Some(Usd(i64::MAX)),
    };
    let symbol = SymbolLimits { adv: Some(100_000_000), ..SymbolLimits::default() };
    let minute = Nanos::from_millis(60_000);
    Scopes {
        firm: wide,
        strategy: wide,
        accounts: vec![wide],
        symbols: vec![symbol; usize::from(INSTRUMENTS)],
        adv: AdvLimits { max_order_bps: Some(100), max_position_bps: Some(1_000) },
        drift: Some(DriftLimit { bps: 100, window: minute }),
        repeat: Some(RepeatLimit { count: 100, window: minute }),
    }
}

/// A rule of each kind, and a drawdown.
fn breakers() -> Breakers {
    use Trigger::{Fills, Gaps, Market, MessagesPerFill, Rejects};
    let rule = |trigger| BreakerRule {
        trigger,
        limit: u32::MAX,
        window: Nanos::from_millis(1_000),
        level: BreakerLevel::Halted,
    };
    let loss = LossLimits { max_drawdown: Some(Usd(1_000_000 * 10_000)), confirm: 3 };
    let rules = [Fills, Rejects, MessagesPerFill, Market, Gaps].map(rule).to_vec();
    Breakers { rules, loss, pull_quotes: true, on_exposure: BreakerLevel::ReduceOnly, flat_after_close: None }
}

const BID: i64 = 999_900;
const OFFER: i64 = 1_000_100;
/// Of each resting order: no bench runs long enough to use it up one by one.
const SHARES: Qty = Qty(1_000_000_000);

/// Wants to take when a best bid changes: immediate or cancel, `beyond` the offer.
pub struct Taker {
    /// 1e-4 USD. 0 is approved; what is outside of the price collar is refused.
    pub beyond: i64,
}

impl Strategy for Taker {
    const NAME: &'static str = "taker";

    fn new(_: &mut Params) -> Result<Taker, ParamError> {
        Ok(Taker { beyond: 0 })
    }

    #[inline]
    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let instrument = change.instrument;
        if change.side != Side::Buy || !change.top_changed || !view.can_trade(instrument) {
            return;
        }
        let top = view.top(instrument);
        if top.ask_qty == 0 {
            return;
        }
        let px = Px(top.ask_px.0 + self.beyond);
        out.push(Intent::New { instrument, side: Side::Buy, qty: Qty(100), px, tif: Tif::Ioc });
    }
}

/// The instruments, all on one feed and one gateway.
pub fn instruments() -> Vec<Instrument> {
    let symbol = |k| Symbol::new(&format!("SYM{k}")).expect("at most eight letters");
    let one = |k| Instrument { id: InstrumentId(k), symbol: symbol(k), feed: FEED, gateway: GATEWAY };
    (0..INSTRUMENTS).map(one).collect()
}

/// Messages of [`opening`] for each instrument.
pub const OPENING_EACH: usize = 4;

/// The ITCH messages that make each instrument trade, with its bid and its offer.
pub fn opening() -> Vec<Vec<u8>> {
    let of = |i: Instrument| {
        let stamp = stamp(i.id.0);
        let add = |order, side, px| itch::add(stamp, i.symbol, order, side, SHARES, Px(px), None);
        [
            itch::directory(stamp, i.symbol),
            itch::trading_action(stamp, i.symbol, b'T', *b"    "),
            add(bid(i.id.0), Side::Buy, BID),
            add(bid(i.id.0) + 1, Side::Sell, OFFER),
        ]
    };
    instruments().into_iter().flat_map(of).collect()
}

/// The ITCH message that takes one share off the bid of instrument `k`.
pub fn tick(k: u16) -> Vec<u8> {
    itch::reduced(stamp(k), bid(k), Qty(1))
}

fn stamp(k: u16) -> Stamp {
    Stamp { locate: k + 1, now: 34_200_000_000_000 }
}

/// The reference of an instrument's bid; the next is its offer's.
fn bid(k: u16) -> u64 {
    2 * u64::from(k) + 1
}

/// Messages in a second that no pass comes near.
pub const RATE: u32 = 65_536;

/// An engine with tokens and a session, over a feed that is whole; it has seen no message yet. `rate` is how many messages it may send in a second.
pub fn engine<S: Strategy>(strategy: S, rate: u32) -> Engine<S> {
    let config = EngineConfig {
        instruments: instruments(),
        feeds: 1,
        gateways: 1,
        limits: RiskLimits {
            max_order_quantity: Qty(1_000),
            max_order_notional: Usd(1_000_000 * 10_000),
            max_position: 100_000,
            max_open_orders: 2 * u32::from(INSTRUMENTS),
            max_messages_per_second: rate,
            price_collar_bps: 500,
            max_daily_loss: Usd(1_000_000 * 10_000),
            duplicate_window: Nanos::from_millis(1),
            max_market_age: Nanos::from_millis(3_000),
        },
        scopes: scopes(),
        breakers: breakers(),
        drop_copies: Vec::new(),
        throttles: Vec::new(),
        fees: Vec::new(),
        openings: Vec::new(),
        sanity: BookSanity::default(),
        book: BookCapacity {
            instruments: usize::from(INSTRUMENTS),
            live_orders: 4_096,
            levels: 2_048,
            direct_refs: 4_096,
        },
    };
    let mut engine = Engine::new(&config, strategy);
    let mut out = Outbox::default();
    for input in [
        Input::Control(Control::Tokens { first: Token(1), end: Token(u32::MAX) }),
        Input::Session(GATEWAY, SessionEvent::Ready { next_token: Token(0), proven: true }),
        Input::Feed(FEED, FeedStatus::Synced { next: 1 }),
    ] {
        engine.apply(START, &input, &mut out);
    }
    while engine.next_timer().is_some_and(|at| at <= START) {
        engine.apply(START, &Input::Timer, &mut out);
    }
    assert!(out.commands().is_empty() && out.refusals().is_empty(), "nothing trades yet");
    engine
}

/// The venue: refuses what is open, so that the next pass finds all as the last one did.
#[derive(Default)]
pub struct Venue {
    seq: u64,
    open: Vec<Token>,
}

impl Venue {
    /// Notes an order that was sent.
    #[inline]
    pub fn note(&mut self, token: Token) {
        self.open.push(token);
    }

    /// Refuses every order noted.
    pub fn refuse_all<S: Strategy>(&mut self, now: Nanos, engine: &mut Engine<S>, out: &mut Outbox) {
        for token in self.open.drain(..) {
            self.seq += 1;
            let report = ExecutionReport {
                ts_event: Nanos(self.seq),
                seq: self.seq,
                token,
                gateway: GATEWAY,
                kind: ReportKind::Rejected { reason: 1 },
            };
            engine.apply(now, &Input::Report(report), out);
        }
        out.clear();
        assert_eq!((engine.orders().open(), engine.stats().anomalies), (0, 0), "the venue and we agree");
    }
}
