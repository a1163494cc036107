//! Whole days: engine, venue and the three legs together.

use backtest::day::{Day, Nobody, Ran, Settings, SettingsError};
use backtest::latency::{Latency, LatencyError, Leg};
use backtest::record::Recorder;
use backtest::venue::{Impact, Rules};
use engine::book::BookChange;
use engine::book::{BookCapacity, BookStats};
use engine::strategy::{Intents, ParamError, ParamValue, Params, Quoter, Strategy, View};
use engine::{BookSanity, Breakers, EngineConfig, RiskLimits, Scopes};
use model::{
    FeedId, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, Symbol,
    TradingState, Usd, VenueRef,
};

const ID: InstrumentId = InstrumentId(0);

fn settings(impact: Impact, latency: Latency) -> Settings {
    let symbol = Symbol::new("AAPL").unwrap();
    let engine = EngineConfig {
        instruments: vec![Instrument { id: ID, symbol, feed: FeedId(0), gateway: GatewayId(0) }],
        feeds: 1,
        gateways: 1,
        limits: RiskLimits { max_position: 1_000, max_messages_per_second: 5_000, ..RiskLimits::default() },
        drop_copies: Vec::new(),
        throttles: Vec::new(),
        fees: Vec::new(),
        openings: Vec::new(),
        sanity: BookSanity::default(),
        scopes: Scopes::default(),
        breakers: Breakers::default(),
        book: BookCapacity { instruments: 1, live_orders: 1 << 14, levels: 1 << 10, direct_refs: 1 << 20 },
    };
    Settings {
        engine,
        rules: Rules { impact, ..Rules::default() },
        latency,
        midnight: Nanos(1_700_000_000_000_000_000),
    }
}

fn fixed(feed: u64, order: u64, report: u64) -> Latency {
    let leg = |us: u64| Leg::Fixed(Nanos(us * 1_000));
    Latency { feed: leg(feed), order: leg(order), report: leg(report), seed: 1 }
}

/// A market that wanders: orders come, trade from the front, and leave, one message some 100 us behind another.
fn history(seed: u64, n: usize) -> Vec<MarketEvent> {
    let mut state = seed;
    let mut draw = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut at = 34_200_000_000_000u64;
    let mut events = Vec::new();
    let mut say = |at: u64, body| events.push(MarketEvent { ts_event: Nanos(at), instrument: ID, body });
    say(
        at,
        MarketBody::TradingAction { symbol: Symbol::BLANK, state: TradingState::Trading, reason: *b"    " },
    );
    // By side, price in cents: references and shares, oldest first.
    let mut books: [std::collections::BTreeMap<i64, Vec<(u64, u32)>>; 2] = Default::default();
    let mut next = 1u64;
    for k in 0..n {
        at += draw(200_000);
        let buy = draw(2) == 0;
        let best = |books: &[std::collections::BTreeMap<i64, Vec<(u64, u32)>>; 2], s: usize| match s {
            0 => books[0].keys().next_back().copied(),
            _ => books[1].keys().next().copied(),
        };
        let s = usize::from(!buy);
        let (side, other) = (if buy { Side::Buy } else { Side::Sell }, best(&books, 1 - s));
        let far = draw(5) as i64 + i64::from(k < 40);
        match draw(10) {
            0..=4 => {
                let cents = match side {
                    Side::Buy => other.unwrap_or(10_001) - 1 - far,
                    Side::Sell => other.unwrap_or(9_999) + 1 + far,
                };
                let (order, qty) = (VenueRef(next), Qty(1 + draw(300) as u32));
                books[s].entry(cents).or_default().push((next, qty.0));
                next += 1;
                say(at, MarketBody::Add { order, px: Px(cents * 100), qty, side, mpid: *b"    " });
            }
            5..=7 => {
                let Some(cents) = best(&books, s) else { continue };
                let queue = books[s].get_mut(&cents).unwrap();
                let (order, open) = queue[0];
                let qty = (1 + draw(200) as u32).min(open);
                queue[0].1 -= qty;
                if queue[0].1 == 0 {
                    queue.remove(0);
                }
                if queue.is_empty() {
                    books[s].remove(&cents);
                }
                say(
                    at,
                    MarketBody::Execute { order: VenueRef(order), qty: Qty(qty), match_number: k as u64 },
                );
            }
            _ => {
                let Some((cents, queue)) = books[s].iter_mut().nth(draw(3) as usize) else { continue };
                let cents = *cents;
                let (order, _) = queue.remove(draw(queue.len() as u64) as usize);
                if queue.is_empty() {
                    books[s].remove(&cents);
                }
                say(at, MarketBody::Delete { order: VenueRef(order) });
            }
        }
    }
    events
}

fn quoter() -> Quoter {
    let values = [("quantity".to_owned(), ParamValue::Int(100))];
    Quoter::new(&mut Params::new(values.into())).unwrap()
}

fn run(settings: &Settings, history: &[MarketEvent]) -> (Ran, Recorder) {
    let mut recorder = Recorder::new(Nanos::from_millis(1_000));
    let day = Day::new(settings, quoter(), &mut recorder).unwrap();
    let (ran, engine, recorder_again) = day.run(history.iter().copied());
    assert_eq!(engine.stats().anomalies, 0, "the venue and the engine agree");
    assert_eq!(engine.book_stats(FeedId(0)), BookStats::default(), "what the feed shows is a feed");
    recorder_again.close(&engine);
    let made: i64 = recorder.fills.iter().map(|f| -f.side.sign() * f.px.0 * i64::from(f.qty.0)).sum();
    let held = engine.positions().of(ID);
    let beyond = recorder.fills.iter().map(|f| f.slippage2().unwrap_or(0) * i64::from(f.qty.0)).sum();
    assert_eq!(engine.stats().slippage2, beyond, "by the middles that the orders were decided at");
    assert_eq!(engine.pnl(), Usd(made + held.shares * held.mark.0), "every fill, and nothing else");
    (ran, recorder)
}

#[test]
fn a_day_is_a_function_of_its_settings() {
    let history = history(3, 20_000);
    for impact in [Impact::None, Impact::Displayed] {
        let leg = Leg::Uniform(Nanos(5_000), Nanos(400_000));
        let drawn = Latency { feed: leg.clone(), order: leg.clone(), report: leg, seed: 9 };
        for latency in [fixed(0, 0, 0), fixed(20, 50, 30), drawn] {
            let settings = settings(impact, latency);
            let (ran, recorder) = run(&settings, &history);
            let (again, _) = run(&settings, &history);
            assert_eq!(ran, again);
            assert!(
                ran.commands > 200 && recorder.fills.len() > 20,
                "{ran:?}, {} fills",
                recorder.fills.len()
            );
            let mut silent = Day::new(&settings, quoter(), Nobody).unwrap().run(history.iter().copied()).0;
            silent.messages = ran.messages;
            assert_eq!(silent, ran, "who looks on changes nothing");
        }
    }
}

#[test]
fn latency_costs() {
    let history = history(5, 40_000);
    let made = |us| run(&settings(Impact::None, fixed(us, us, us)), &history).1.marks.last().unwrap().pnl;
    assert_ne!(made(0), made(2_000), "a quote that comes too late is another quote");
}

#[test]
fn markouts_and_trips_add_up() {
    let history = history(8, 40_000);
    let (_, recorder) = run(&settings(Impact::None, fixed(1, 1, 1)), &history);
    let traded: u64 = recorder.fills.iter().map(|f| u64::from(f.qty.0)).sum();
    let closed: u64 = recorder.trips.iter().map(|t| u64::from(t.qty.0)).sum();
    let open: i64 = recorder.fills.iter().map(|f| f.side.sign() * i64::from(f.qty.0)).sum();
    assert_eq!(traded, 2 * closed + open.unsigned_abs());
    let early = recorder.fills.iter().filter(|f| f.markout2(0).is_some()).count();
    let late = recorder.fills.iter().filter(|f| f.markout2(4).is_some()).count();
    assert!(
        early * 10 > recorder.fills.len() * 9,
        "{early} of {}: a side may be empty",
        recorder.fills.len()
    );
    assert!(late < early, "the day ends within the last fills' ten seconds");
    assert!(recorder.marks.is_sorted_by_key(|m| m.at));
}

/// Buys a hundred once.
struct Once(bool);

impl Strategy for Once {
    const NAME: &'static str = "once";

    fn new(_: &mut Params) -> Result<Once, ParamError> {
        Ok(Once(false))
    }

    fn on_book(&mut self, view: &View<'_>, _: &BookChange, out: &mut Intents) {
        let ask = view.top(ID);
        if ask.ask_qty != 0 && ask.bid_qty != 0 && !std::mem::replace(&mut self.0, true) {
            out.buy(ID, Qty(100), ask.ask_px);
        }
    }
}

#[test]
fn a_markout_is_of_the_book_at_its_time() {
    const S: u64 = 1_000_000_000;
    let begin = 34_200 * S;
    let event = |at: u64, body| MarketEvent { ts_event: Nanos(begin + at), instrument: ID, body };
    let state = TradingState::Trading;
    let add = |order, side, cents: i64, qty| {
        let (order, px) = (VenueRef(order), Px(cents * 100));
        MarketBody::Add { order, px, qty: Qty(qty), side, mpid: *b"    " }
    };
    let moves = |old, new, cents: i64| {
        let (old, new, px) = (VenueRef(old), VenueRef(new), Px(cents * 100));
        MarketBody::Replace { old, new, qty: Qty(500), px }
    };
    let history = [
        event(0, MarketBody::TradingAction { symbol: Symbol::BLANK, state, reason: *b"    " }),
        event(0, add(1, Side::Buy, 9_999, 500)),
        event(0, add(2, Side::Sell, 10_001, 500)),
        // The strategy knows of its fill 3 us later: what comes a second behind that, to the nanosecond, is of that second's book.
        event(S + 2_000, moves(2, 3, 10_003)),
        event(S + 2_000, add(4, Side::Buy, 9_000, 1)),
        event(5 * S, moves(3, 5, 10_201)),
        event(5 * S, moves(1, 6, 10_199)),
        // The last one: the book at 10 s is known, that at 60 s is not.
        event(15 * S, moves(5, 7, 10_401)),
    ];
    for impact in [Impact::None, Impact::Displayed] {
        let mut recorder = Recorder::new(Nanos(S));
        let day = Day::new(&settings(impact, fixed(1, 1, 1)), Once(false), &mut recorder).unwrap();
        let (_, engine, recorder_again) = day.run(history);
        recorder_again.close(&engine);
        let [fill] = recorder.fills[..] else { panic!("{:?}", recorder.fills) };
        assert_eq!((fill.qty, fill.px, fill.decided_mid2), (Qty(100), Px(1_000_100), 2_000_000));
        assert_eq!(fill.at.0 - settings(impact, fixed(1, 1, 1)).midnight.0 - begin, 3_000);
        let later = [2_000_000, 2_000_000, 2_000_000, 2_000_200, 2_040_000, 0];
        assert_eq!(fill.later_mid2, later, "{impact:?}");
        assert_eq!(fill.markout2(2), Some(-200));
    }
}

#[test]
fn settings_that_no_day_can_be_run_with_are_refused() {
    let mut bad = settings(Impact::None, fixed(1, 1, 1));
    bad.latency.order = Leg::Measured([].into());
    let refused = Day::new(&bad, quoter(), Nobody).err();
    assert_eq!(refused, Some(SettingsError::Leg("order", LatencyError::Empty)));
    bad.engine.feeds = 2;
    assert_eq!(bad.check(), Err(SettingsError::Feeds(2)));
}
