//! One book or two: the same day.

use engine::book::BookCapacity;
use engine::strategy::{Intents, ParamError, Params, View};
use engine::{BookSanity, Breakers, RiskLimits, Scopes};
use model::{Instrument, InstrumentId, MarketBody, Px, Qty, Side, Symbol, TradingState, VenueRef};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::*;
use crate::latency::Leg;
use crate::venue::queue::Queue;
use engine::book::BookChange;

const ID: InstrumentId = InstrumentId(0);
const BOOK: BookCapacity =
    BookCapacity { instruments: 1, live_orders: 512, levels: 128, direct_refs: 1 << 12 };

/// Asks for something at every turn: joins, crosses, moves and cancels.
struct Restless(u64);

impl Restless {
    fn draw(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn act(&mut self, view: &View<'_>, out: &mut Intents) {
        let wait = 1 + self.draw(40);
        out.wake_at(view.now().after(Nanos(wait)));
        let top = view.top(ID);
        let (side, touch) =
            if self.draw(2) == 0 { (Side::Buy, top.bid_px) } else { (Side::Sell, top.ask_px) };
        let px = Px((touch.0 / 100 + self.draw(5) as i64 - 2).max(1) * 100);
        let oldest = view.orders(ID).find(|o| o.is_quiet()).map(|o| o.id);
        match (self.draw(6), oldest) {
            (0..=2, _) if side == Side::Buy => out.buy(ID, Qty(1 + self.draw(80) as u32), px),
            (0..=2, _) => out.sell(ID, Qty(1 + self.draw(80) as u32), px),
            (3, Some(id)) => out.cancel(id),
            (4, Some(id)) => out.replace(id, Qty(1 + self.draw(80) as u32), px),
            _ => {}
        }
    }
}

impl Strategy for Restless {
    const NAME: &'static str = "restless";

    fn new(_: &mut Params) -> Result<Self, ParamError> {
        Ok(Restless(1))
    }

    fn on_book(&mut self, view: &View<'_>, _: &BookChange, out: &mut Intents) {
        self.act(view, out);
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        self.act(view, out);
    }
}

/// What was looked at, in its order.
#[derive(Default, PartialEq, Eq, Debug)]
struct Looked(Vec<(Nanos, String, u64)>);

impl Watch<Restless> for &mut Looked {
    fn on_command(&mut self, now: Nanos, command: &OrderCommand, engine: &Engine<Restless>) {
        self.0.push((now, format!("{command:?}"), engine.state_hash()));
    }

    fn on_report(&mut self, now: Nanos, report: &ExecutionReport, engine: &Engine<Restless>) {
        self.0.push((now, format!("{report:?}"), engine.state_hash()));
    }

    fn before_market(&mut self, now: Nanos, engine: &Engine<Restless>) {
        self.0.push((now, "before".into(), engine.state_hash()));
    }

    fn on_market(&mut self, now: Nanos, event: &MarketEvent, engine: &Engine<Restless>) {
        self.0.push((now, format!("{event:?}"), engine.state_hash()));
    }
}

/// A day in which many messages are of one time: `draws` are kind, side, price, shares and time.
fn history(draws: &[(u8, bool, u8, u8, u8)], of_levels: bool) -> Vec<MarketEvent> {
    let mut at = 1_000u64;
    let mut live: Vec<(VenueRef, Side, i64, u32)> = Vec::new();
    let action =
        MarketBody::TradingAction { symbol: Symbol::BLANK, state: TradingState::Trading, reason: *b"    " };
    let mut events = vec![MarketEvent { ts_event: Nanos(at), instrument: ID, body: action }];
    for (n, (kind, buys, far, qty, apart)) in draws.iter().copied().enumerate() {
        // A third at the time of the one before.
        at += u64::from(apart / 3) * u64::from(!apart.is_multiple_of(3));
        let (side, qty) = (if buys { Side::Buy } else { Side::Sell }, u32::from(qty) + 1);
        let px = 10_000 + i64::from(far % 8) * 100 * if buys { -1 } else { 1 };
        let pick = usize::from(far) % live.len().max(1);
        let body = match (kind % 8, live.get(pick).copied()) {
            (0..=2, _) | (_, None) => {
                let order = match of_levels {
                    true => VenueRef(u64::from(buys) << 8 | u64::from(far % 8)),
                    false => VenueRef(n as u64),
                };
                match live.iter().position(|l| l.0 == order) {
                    Some(k) => {
                        live[k].3 = qty;
                        MarketBody::Replace { old: order, new: order, qty: Qty(qty), px: Px(px) }
                    }
                    None => {
                        live.push((order, side, px, qty));
                        MarketBody::Add { order, px: Px(px), qty: Qty(qty), side, mpid: *b"    " }
                    }
                }
            }
            (3, Some((order, ..))) => {
                live.remove(pick);
                MarketBody::Delete { order }
            }
            (4 | 5, Some((order, _, _, open))) => {
                let qty = qty.min(open);
                live[pick].3 -= qty;
                if qty == open {
                    live.remove(pick);
                }
                if kind % 2 == 0 && !of_levels {
                    MarketBody::Execute { order, qty: Qty(qty), match_number: n as u64 }
                } else {
                    MarketBody::Reduce { order, qty: Qty(qty) }
                }
            }
            (6, Some((_, side, px, _))) => {
                MarketBody::Trade { px: Px(px), qty: Qty(qty), match_number: n as u64, side }
            }
            (_, Some((order, _, px, _))) => {
                MarketBody::Replace { old: order, new: order, qty: Qty(qty), px: Px(px) }
            }
        };
        if let MarketBody::Replace { old, qty, .. } = body
            && let Some(l) = live.iter_mut().find(|l| l.0 == old)
        {
            l.3 = qty.0;
        }
        events.push(MarketEvent { ts_event: Nanos(at), instrument: ID, body });
    }
    events
}

fn settings(queue: Queue, latency: Latency) -> Settings {
    let symbol = Symbol::new("AAPL").expect("a ticker");
    let engine = EngineConfig {
        instruments: vec![Instrument { id: ID, symbol, feed: FEED, gateway: GatewayId(0) }],
        feeds: 1,
        gateways: 1,
        limits: RiskLimits {
            max_position: 1_000_000,
            max_messages_per_second: 65_536,
            price_collar_bps: 5_000,
            ..RiskLimits::default()
        },
        drop_copies: Vec::new(),
        throttles: Vec::new(),
        fees: Vec::new(),
        openings: Vec::new(),
        sanity: BookSanity { max_jump_bps: 0, ..BookSanity::default() },
        scopes: Scopes::default(),
        breakers: Breakers::default(),
        book: BOOK,
    };
    Settings { engine, rules: Rules { queue, ..Rules::default() }, latency, midnight: Nanos(77) }
}

/// A day with one book, or with two.
fn run(settings: &Settings, history: &[MarketEvent], shares: bool) -> (Ran, Looked) {
    let mut looked = Looked::default();
    let mut day = Day::new(settings, Restless(9), &mut looked).expect("settings that go together");
    assert!(matches!(day.hall, Hall::Shared(..)), "these legs let them share one");
    if !shares {
        day.hall = Hall::Own(Box::new(Venue::new(settings.rules, &settings.engine.book, 1)));
    }
    let (ran, ..) = day.run(history.iter().copied());
    (ran, looked)
}

fn leg() -> impl proptest::strategy::Strategy<Value = Leg> {
    prop_oneof![
        (0..60u64).prop_map(|ns| Leg::Fixed(Nanos(ns))),
        (0..60u64, 0..60u64).prop_map(|(least, more)| Leg::Uniform(Nanos(least), Nanos(least + more))),
        prop::collection::vec(0..90u32, 1..5).prop_map(|all| Leg::Measured(all.into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever comes at one time, and however long the legs are: what is done, heard and looked at is the same, in the same order.
    #[test]
    fn one_book_or_two_is_the_same_day(
        draws in prop::collection::vec(any::<(u8, bool, u8, u8, u8)>(), 0..200),
        of_levels: bool,
        lag in 0..60u64,
        order in leg(),
        report in leg(),
    ) {
        let report = match report {
            Leg::Fixed(ns) => Leg::Fixed(Nanos(ns.0 + lag)),
            Leg::Uniform(least, most) => Leg::Uniform(Nanos(least.0 + lag), Nanos(most.0 + lag)),
            Leg::Measured(all) => Leg::Measured(all.iter().map(|ns| ns + lag as u32).collect()),
        };
        let latency = Latency { feed: Leg::Fixed(Nanos(lag)), order, report, seed: 5 };
        let settings = settings(if of_levels { Queue::Power3(300) } else { Queue::Orders }, latency);
        let history = history(&draws, of_levels);
        let (one, two) = (run(&settings, &history, true), run(&settings, &history, false));
        prop_assert_eq!(one, two);
    }
}

/// The comparison above would say nothing of a day on which nothing happens.
#[test]
fn the_days_that_are_compared_have_trades() {
    let draws: Vec<_> = (0..400u32).map(|k| k.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let draws: Vec<_> = draws.iter().map(|b| (b[3], b[2] & 1 == 0, b[1], b[0], b[2] >> 2)).collect();
    for (of_levels, queue) in [(false, Queue::Orders), (true, Queue::Power3(300))] {
        let leg = || Leg::Fixed(Nanos(10));
        let latency = Latency { feed: leg(), order: leg(), report: leg(), seed: 5 };
        let history = history(&draws, of_levels);
        let (ran, looked) = run(&settings(queue, latency), &history, true);
        assert!(ran.commands > 50 && ran.venue.made > 50 && ran.venue.taken > 10, "{ran:?}");
        assert!(looked.0.len() > history.len() + 50);
    }
}

/// A report that may come before the message that it is of needs a venue that is ahead of the strategy.
#[test]
fn a_book_is_shared_only_where_nothing_comes_too_soon() {
    let fixed = |ns| Leg::Fixed(Nanos(ns));
    let shares = |feed, report| {
        let latency = Latency { feed, order: fixed(0), report, seed: 1 };
        let day = Day::new(&settings(Queue::Orders, latency), Restless(1), Nobody).expect("settings");
        matches!(day.hall, Hall::Shared(..))
    };
    assert!(shares(fixed(10), fixed(10)) && shares(fixed(0), Leg::Measured([3, 0].into())));
    assert!(!shares(fixed(10), fixed(9)) && !shares(fixed(10), Leg::Uniform(Nanos(9), Nanos(90))));
    assert!(
        !shares(Leg::Uniform(Nanos(1), Nanos(1)), fixed(10))
            && !shares(fixed(4), Leg::Measured([5, 3].into()))
    );
}
