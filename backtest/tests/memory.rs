//! A day takes as much memory as its book and its fills, whatever its length: history is read once, and nothing of it is kept.

use std::collections::VecDeque;

use backtest::day::{Day, Nobody, Settings};
use backtest::latency::{Latency, Leg};
use backtest::venue::Rules;
use engine::book::BookCapacity;
use engine::strategy::{ParamValue, Params, Quoter, Strategy};
use engine::{BookSanity, Breakers, EngineConfig, RiskLimits, Scopes};
use model::{
    FeedId, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, Symbol,
    TradingState, VenueRef,
};

const ID: InstrumentId = InstrumentId(0);
/// Orders that rest at once.
const LIVE: usize = 500;

/// A market of a few hundred orders that goes on for as long as it is asked, one event each 100 us.
struct Market {
    state: u64,
    at: u64,
    next: u64,
    live: VecDeque<(u64, u32)>,
}

impl Market {
    fn draw(&mut self, n: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % n
    }
}

impl Iterator for Market {
    type Item = MarketEvent;

    fn next(&mut self) -> Option<MarketEvent> {
        self.at += 100_000;
        let body = if self.at == 100_000 {
            MarketBody::TradingAction {
                symbol: Symbol::BLANK,
                state: TradingState::Trading,
                reason: *b"    ",
            }
        } else if self.live.len() < LIVE || (self.live.len() < 2 * LIVE && self.draw(2) == 0) {
            let far = (self.draw(10) * 100) as i64;
            let (side, px) =
                if self.draw(2) == 0 { (Side::Buy, 999_900 - far) } else { (Side::Sell, 1_000_100 + far) };
            let (order, qty) = (self.next, 1 + self.draw(300) as u32);
            self.next += 1;
            self.live.push_back((order, qty));
            MarketBody::Add { order: VenueRef(order), px: Px(px), qty: Qty(qty), side, mpid: *b"    " }
        } else {
            let at = self.draw(self.live.len() as u64) as usize;
            let (order, qty) = self.live.remove(at)?;
            let order = VenueRef(order);
            match self.draw(3) {
                0 => MarketBody::Execute { order, qty: Qty(qty), match_number: self.at },
                _ => MarketBody::Delete { order },
            }
        };
        let ts_event = Nanos(1_000_000_000_000 + self.at);
        Some(MarketEvent { ts_event, instrument: ID, body })
    }
}

fn settings() -> Settings {
    let symbol = Symbol::new("AAPL").unwrap();
    let engine = EngineConfig {
        instruments: vec![Instrument { id: ID, symbol, feed: FeedId(0), gateway: GatewayId(0) }],
        feeds: 1,
        gateways: 1,
        limits: RiskLimits { max_messages_per_second: 5_000, ..RiskLimits::default() },
        drop_copies: Vec::new(),
        throttles: Vec::new(),
        fees: Vec::new(),
        openings: Vec::new(),
        sanity: BookSanity::default(),
        scopes: Scopes::default(),
        breakers: Breakers::default(),
        // References beyond the direct ones are kept in a map of those that live.
        book: BookCapacity { instruments: 1, live_orders: 1 << 12, levels: 1 << 10, direct_refs: 1 << 16 },
    };
    let leg = Leg::Uniform(Nanos(5_000), Nanos(400_000));
    let latency = Latency { feed: leg.clone(), order: leg.clone(), report: leg, seed: 9 };
    Settings { engine, rules: Rules::default(), latency, midnight: Nanos(0) }
}

/// What this process has in memory, bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Runs so many events and gives what the process had in memory near the end.
fn run(events: usize) -> (u64, u64) {
    let values = [("quantity".to_owned(), ParamValue::Int(100))];
    let quoter = Quoter::new(&mut Params::new(values.into())).unwrap();
    let market = Market { state: 5, at: 0, next: 1, live: VecDeque::new() };
    let mut most = 0;
    let looked = market.take(events).enumerate().inspect(|(k, _)| {
        if k.is_multiple_of(100_000) {
            most = most.max(resident());
        }
    });
    let (ran, _, _) = Day::new(&settings(), quoter, Nobody).unwrap().run(looked.map(|(_, ev)| ev));
    assert_eq!(ran.messages, events as u64);
    (most, ran.commands)
}

#[test]
fn a_longer_day_takes_no_more_memory() {
    let (short, commands) = run(250_000);
    let (long, more) = run(1_500_000);
    eprintln!("250,000 events, {commands} commands: {short} bytes resident; 1,500,000, {more}: {long}");
    assert!(commands > 1_000 && more > 4 * commands, "{commands}, then {more}");
    // A page a thousand events would be 14 MB.
    assert!(long < short + (2 << 20), "{short} bytes, then {long}");
}
