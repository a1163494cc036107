//! What a throttle costs the order that passes: `cargo run --release -p engine --example gate_cost`.
//!
//! A tick makes a strategy send one order, which the venue refuses, so that every pass finds what the last one did. The smallest of many passes is told, for the rest is what
//! else the machine did.
#![expect(clippy::disallowed_methods, reason = "an example measures; the crate itself is told the time")]
#![allow(clippy::print_stdout)]

use std::time::Instant;

use engine::book::{BookCapacity, BookChange};
use engine::strategy::{Intent, Intents, ParamError, Params, Strategy, View};
use engine::{
    BackOff, BookSanity, Breakers, BucketLimit, Engine, EngineConfig, Outbox, QueueLimit, RiskLimits, Scopes,
    Throttle, WindowLimit,
};
use model::{
    Control, ExecutionReport, FeedId, FeedStatus, GatewayId, Input, Instrument, InstrumentId, MarketBody,
    MarketEvent, Nanos, Px, Qty, ReportKind, SessionEvent, Side, Symbol, Tif, Token, TradingState, Usd,
    VenueRef,
};

const ID: InstrumentId = InstrumentId(0);
const GATEWAY: GatewayId = GatewayId(0);
const FEED: FeedId = FeedId(0);
const TICKS: u64 = 16;
const PASSES: usize = 50_000;

/// Sends an order at each change of the book.
struct Taker;

impl Strategy for Taker {
    const NAME: &'static str = "taker";

    fn new(_: &mut Params) -> Result<Taker, ParamError> {
        Ok(Taker)
    }

    fn on_book(&mut self, view: &View<'_>, _: &BookChange, out: &mut Intents) {
        if view.can_trade(ID) {
            out.push(Intent::New {
                instrument: ID,
                side: Side::Buy,
                qty: Qty(1),
                px: Px(999_900),
                tif: Tif::Day,
            });
        }
    }
}

fn event(body: MarketBody) -> Input {
    Input::Market(FEED, MarketEvent { ts_event: Nanos(1), instrument: ID, body })
}

fn engine(throttles: Vec<Throttle>) -> Engine<Taker> {
    let symbol = Symbol::new("A").expect("a symbol");
    let config = EngineConfig {
        instruments: vec![Instrument { id: ID, symbol, feed: FEED, gateway: GATEWAY }],
        feeds: 1,
        gateways: 1,
        limits: RiskLimits {
            max_order_quantity: Qty(1_000),
            max_order_notional: Usd(i64::MAX),
            max_position: 1_000_000,
            max_open_orders: 1_024,
            max_messages_per_second: 65_536,
            duplicate_window: Nanos::ZERO,
            ..RiskLimits::default()
        },
        scopes: Scopes::default(),
        breakers: Breakers::default(),
        drop_copies: Vec::new(),
        throttles,
        fees: Vec::new(),
        openings: Vec::new(),
        sanity: BookSanity::default(),
        book: BookCapacity { instruments: 1, live_orders: 100, levels: 100, direct_refs: 1_000 },
    };
    let mut engine = Engine::new(&config, Taker);
    let mut out = Outbox::default();
    let mpid = *b"    ";
    let add = |order, side, px| {
        event(MarketBody::Add { order: VenueRef(order), px: Px(px), qty: Qty(u32::MAX), side, mpid })
    };
    for input in [
        Input::Control(Control::Tokens { first: Token(1), end: Token(u32::MAX) }),
        Input::Session(GATEWAY, SessionEvent::Ready { next_token: Token(0), proven: true }),
        Input::Feed(FEED, FeedStatus::Synced { next: 1 }),
        event(MarketBody::TradingAction { symbol, state: TradingState::Trading, reason: mpid }),
        add(1, Side::Buy, 999_900),
        add(2, Side::Sell, 1_000_100),
    ] {
        engine.apply(Nanos(1), &input, &mut out);
        out.clear();
    }
    engine
}

/// ns for an order, the least of all passes.
fn measure(throttles: Vec<Throttle>) -> f64 {
    let mut engine = engine(throttles);
    let (mut out, mut now, mut seq) = (Outbox::default(), Nanos(1_000_000_000), 0);
    let mut sent = Vec::with_capacity(TICKS as usize);
    let tick = event(MarketBody::Reduce { order: VenueRef(1), qty: Qty(1) });
    let mut least = f64::MAX;
    for _ in 0..PASSES {
        let began = Instant::now();
        for _ in 0..TICKS {
            now.0 += 20_000;
            engine.apply(now, &tick, &mut out);
            sent.extend(out.commands().iter().map(|a| a.command().token()));
            out.clear();
        }
        least = least.min(began.elapsed().as_nanos() as f64 / TICKS as f64);
        assert_eq!(sent.len() as u64, TICKS, "every tick is an order");
        for token in sent.drain(..) {
            seq += 1;
            let kind = ReportKind::Rejected { reason: 1 };
            let report = ExecutionReport { ts_event: Nanos(1), seq, token, gateway: GATEWAY, kind };
            engine.apply(now, &Input::Report(report), &mut out);
            out.clear();
        }
    }
    least
}

fn main() {
    let second = Nanos::from_millis(1_000);
    let guard = Throttle {
        back_off: Some(BackOff { codes: vec![0x28], first: second, longest: second }),
        breaker: Some(WindowLimit { limit: 65_536, span: Nanos(1) }),
        ..Throttle::default()
    };
    let full = Throttle {
        windows: vec![WindowLimit { limit: 65_536, span: second }; 2],
        bucket: Some(BucketLimit { per_second: 65_536, burst: 65_536 }),
        cancel_reserve: 100,
        queue: Some(QueueLimit { slots: 64, patience: second }),
        ..guard.clone()
    };
    for _ in 0..3 {
        println!(
            "a tick and its order: {:.1} ns without a throttle, {:.1} ns with back-off and breaker, {:.1} ns with two windows, a bucket and a queue beside them",
            measure(Vec::new()),
            measure(vec![guard.clone()]),
            measure(vec![full.clone()])
        );
    }
}
