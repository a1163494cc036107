//! A day of history with a strategy in it.
//!
//! | group | strategy |
//! |---|---|
//! | backtest replay | none: every event reaches the venue, the feed leg and the strategy's book |
//! | backtest quote | every 100 ms of history: a lot at each best price, canceled where that has moved |
//!
//! | | |
//! |---|---|
//! | floor | the events are read |
//! | ours, levels | `backtest::day`: venue of levels with a belief of their queues, engine with risk and order state, three legs of 10 us |
//! | ours, orders | the same over the orders that made these levels, each with its true place |
//! | peer, hftbacktest | its L2 exchange, local and asset with the same belief and legs, over the same levels (feature `hftbacktest`: `scripts/bench --peers all`) |
//!
//! The day is one symbol's, an event each millisecond ([`measure::mix`], the storm). An item is an event of history. Nothing of it is read from a file: decoding is in `benches/decode.rs`.

use std::collections::HashMap;
use std::hint::black_box;

use backtest::day::{Day, Nobody, Ran, Settings};
use backtest::latency::{Latency, Leg};
use backtest::venue::Rules;
use backtest::venue::queue::Queue;
use criterion::Criterion;
use engine::book::{BookCapacity, BookChange, Books, FlatBooks};
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use engine::{BookSanity, Breakers, EngineConfig, RiskLimits, Scopes};
use feeds::binaryfile::Messages;
use feeds::itch50;
use measure::mix::{Mix, Shape, Twist};
use measure::{Role, Stage};
use model::{
    FeedId, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, Symbol,
    TradingState, Usd, VenueRef,
};

/// Between two events.
const APART: u64 = 1_000_000;
const OPEN: u64 = 34_200_000_000_000;
/// Between two looks of the strategy.
const LOOK: Nanos = Nanos::from_millis(100);
const LEG: u64 = 10_000;
const LOT: u32 = 10;
const MOST: i64 = 1_000;
const ID: InstrumentId = InstrumentId(0);

fn main() {
    measure::run(&[replay, quote]);
}

/// A lot at each best price.
struct Toucher {
    quotes: bool,
    is_awake: bool,
}

impl Strategy for Toucher {
    const NAME: &'static str = "toucher";

    fn new(_: &mut Params) -> Result<Self, ParamError> {
        Ok(Toucher { quotes: true, is_awake: false })
    }

    fn on_book(&mut self, view: &View<'_>, _: &BookChange, out: &mut Intents) {
        if self.quotes && !self.is_awake {
            self.is_awake = true;
            out.wake_at(view.now().after(LOOK));
        }
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        out.wake_at(view.now().after(LOOK));
        let top = view.top(ID);
        if top.bid_qty == 0 || top.ask_qty == 0 {
            return;
        }
        let held = view.position(ID).shares;
        for (side, px) in [(Side::Buy, top.bid_px), (Side::Sell, top.ask_px)] {
            match view.orders(ID).find(|o| o.side == side) {
                Some(o) if o.px != px && o.is_quiet() => out.cancel(o.id),
                Some(_) => {}
                None if side == Side::Buy && held < MOST => out.buy(ID, Qty(LOT), px),
                None if side == Side::Sell && held > -MOST => out.sell(ID, Qty(LOT), px),
                None => {}
            }
        }
    }
}

/// One day, as orders and as the levels that they make.
struct Stream {
    orders: Vec<MarketEvent>,
    levels: Vec<MarketEvent>,
    highest: Px,
}

fn opening() -> MarketEvent {
    let body =
        MarketBody::TradingAction { symbol: Symbol::BLANK, state: TradingState::Trading, reason: *b"    " };
    MarketEvent { ts_event: Nanos(OPEN), instrument: ID, body }
}

impl Stream {
    fn new() -> Stream {
        let mix = Mix::new(6, Shape::adverse(1, Twist::None));
        let mut books = FlatBooks::new(&capacity());
        let mut s = Stream { orders: vec![opening()], levels: vec![opening()], highest: Px(0) };
        let mut shares: HashMap<(Side, Px), u32> = HashMap::new();
        for message in Messages::new(&mix.bytes).flatten() {
            let Ok(event) = itch50::decode(message) else { continue };
            if !event.body.touches_book() {
                continue;
            }
            let ts_event = Nanos(OPEN + s.orders.len() as u64 * APART);
            let event = MarketEvent { ts_event, instrument: ID, ..event };
            s.orders.push(event);
            let change = books.apply(&event);
            let trades = matches!(event.body, MarketBody::Execute { .. } | MarketBody::ExecuteAt { .. });
            let joins = matches!(event.body, MarketBody::Add { .. } | MarketBody::Replace { .. });
            let BookChange { side, px, qty, replaced_px, replaced_qty, .. } = change;
            if trades {
                let body = MarketBody::Trade { px, qty, match_number: 1, side };
                s.levels.push(MarketEvent { body, ..event });
            }
            for (px, less, more) in [
                (replaced_px, replaced_qty.0, 0),
                (px, if joins { 0 } else { qty.0 }, if joins { qty.0 } else { 0 }),
            ] {
                if less != 0 || more != 0 {
                    s.level(&mut shares, event, (side, px), (less, more));
                }
            }
        }
        s
    }

    /// A level has less, or more.
    fn level(
        &mut self,
        shares: &mut HashMap<(Side, Px), u32>,
        event: MarketEvent,
        (side, px): (Side, Px),
        (less, more): (u32, u32),
    ) {
        self.highest = self.highest.max(px);
        // Small, so that the books find it directly.
        let order = VenueRef(px.0.cast_unsigned() / 100 * 2 + side as u64);
        let was = shares.get(&(side, px)).copied().unwrap_or(0);
        let now = was - less + more;
        let body = match (was, now) {
            (_, 0) => MarketBody::Delete { order },
            (0, _) => MarketBody::Add { order, px, qty: Qty(now), side, mpid: *b"    " },
            _ if now < was => MarketBody::Reduce { order, qty: Qty(was - now) },
            _ => MarketBody::Replace { old: order, new: order, qty: Qty(now), px },
        };
        match now {
            0 => shares.remove(&(side, px)),
            now => shares.insert((side, px), now),
        };
        self.levels.push(MarketEvent { body, ..event });
    }
}

fn capacity() -> BookCapacity {
    BookCapacity { instruments: 2, live_orders: 1 << 17, levels: 1 << 14, direct_refs: 1 << 21 }
}

fn settings(queue: Queue) -> Settings {
    let symbol = Symbol::new("AAAA").expect("a ticker");
    let limits = RiskLimits {
        max_position: 1_000_000,
        max_order_notional: Usd(i64::MAX / 4),
        max_messages_per_second: 5_000,
        max_daily_loss: Usd(i64::MAX / 4),
        ..RiskLimits::default()
    };
    let engine = EngineConfig {
        instruments: vec![Instrument { id: ID, symbol, feed: FeedId(0), gateway: GatewayId(0) }],
        feeds: 1,
        gateways: 1,
        limits,
        drop_copies: Vec::new(),
        throttles: Vec::new(),
        fees: Vec::new(),
        openings: Vec::new(),
        sanity: BookSanity::default(),
        scopes: Scopes::default(),
        breakers: Breakers::default(),
        book: BookCapacity { instruments: 1, ..capacity() },
    };
    let leg = || Leg::Fixed(Nanos(LEG));
    let latency = Latency { feed: leg(), order: leg(), report: leg(), seed: 1 };
    Settings { engine, rules: Rules { queue, ..Rules::default() }, latency, midnight: Nanos(0) }
}

/// A day of ours, made and not begun.
fn day(queue: Queue, quotes: bool) -> Day<Toucher, Nobody> {
    Day::new(&settings(queue), Toucher { quotes, is_awake: false }, Nobody)
        .expect("settings that go together")
}

fn run(day: &mut Option<Day<Toucher, Nobody>>, events: &[MarketEvent]) -> Ran {
    day.take().expect("a day that has begun").run(events.iter().copied()).0
}

fn replay(criterion: &mut Criterion) {
    compare(&mut Stage::new(criterion, "backtest replay event"), false);
}

fn quote(criterion: &mut Criterion) {
    compare(&mut Stage::new(criterion, "backtest quote event"), true);
}

fn compare(stage: &mut Stage<'_>, quotes: bool) {
    let stream = Stream::new();
    let times = 5;
    let levels = stream.levels.len();
    let begin = |_: &mut ()| {};
    stage.day(Role::Floor, "read", (levels, times), &mut (), begin, |()| {
        stream.levels.iter().for_each(|ev| {
            black_box(ev);
        });
    });
    for (name, queue, events) in
        [("levels", Queue::Power3(300), &stream.levels), ("orders", Queue::Orders, &stream.orders)]
    {
        let mut ran = None;
        let mut ours: Option<Day<Toucher, Nobody>> = None;
        let begin = |ours: &mut Option<_>| *ours = Some(day(queue, quotes));
        stage.day(Role::Ours, name, (events.len(), times), &mut ours, begin, |ours| {
            ran = Some(run(ours, events));
        });
        if let Some(ran) = ran {
            assert_eq!(ran.messages, events.len() as u64);
            assert!(!quotes || ran.venue.made > 0, "a strategy that never trades measures nothing: {ran:?}");
            told(&format!(
                "{name}: {} events, {} commands, {} shares made",
                ran.messages, ran.commands, ran.venue.made
            ));
        }
    }
    #[cfg(feature = "hftbacktest")]
    peer::compare(stage, &stream, quotes, times);
}

/// What was run, beside what it took.
#[expect(clippy::print_stderr, reason = "a benchmark says what it measured")]
fn told(words: &str) {
    eprintln!("    {words}");
}

#[cfg(feature = "hftbacktest")]
mod peer {
    //! The same day and strategy in hftbacktest.

    use hftbacktest::backtest::assettype::LinearAsset;
    use hftbacktest::backtest::data::{Data, DataSource};
    use hftbacktest::backtest::models::{
        CommonFees, ConstantLatency, PowerProbQueueFunc3, ProbQueueModel, TradingValueFeeModel,
    };
    use hftbacktest::backtest::{Backtest, ExchangeKind, L2AssetBuilder};
    use hftbacktest::depth::{HashMapMarketDepth, L2MarketDepth, MarketDepth, ROIVectorMarketDepth};
    use hftbacktest::prelude::{Bot, ElapseResult};
    use hftbacktest::types::{
        BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, Event, LOCAL_EVENT, OrdType, SELL_EVENT, Side as TheirSide,
        Status, TRADE_EVENT, TimeInForce,
    };
    use measure::{Role, Stage};
    use model::{MarketBody, Side};

    use super::{LEG, LOOK, LOT, MOST, Stream, told};

    const TICK: f64 = 0.01;

    /// The levels in its words: each the shares that are there now.
    fn events(stream: &Stream) -> Vec<Event> {
        let mut shares = std::collections::HashMap::new();
        let each = stream.levels.iter().filter_map(|ev| {
            let (kind, side, px, qty) = match ev.body {
                MarketBody::Trade { px, qty, side, .. } => (TRADE_EVENT, side, px, qty.0),
                MarketBody::Add { order, px, qty, side, .. } => {
                    shares.insert(order, (side, px, qty.0));
                    (DEPTH_EVENT, side, px, qty.0)
                }
                MarketBody::Replace { new, qty, .. } => {
                    let held = shares.get_mut(&new)?;
                    held.2 = qty.0;
                    (DEPTH_EVENT, held.0, held.1, qty.0)
                }
                MarketBody::Reduce { order, qty } => {
                    let held = shares.get_mut(&order)?;
                    held.2 -= qty.0;
                    (DEPTH_EVENT, held.0, held.1, held.2)
                }
                MarketBody::Delete { order } => {
                    let (side, px, _) = shares.remove(&order)?;
                    (DEPTH_EVENT, side, px, 0)
                }
                _ => return None,
            };
            // Of a trade it names who came, where ours names who rested.
            let buys = (side == Side::Buy) == (kind == DEPTH_EVENT);
            let at = ev.ts_event.0 as i64;
            Some(Event {
                ev: kind | if buys { BUY_EVENT } else { SELL_EVENT } | EXCH_EVENT | LOCAL_EVENT,
                exch_ts: at,
                local_ts: at + LEG as i64,
                px: px.0 as f64 / 10_000.0,
                qty: f64::from(qty),
                order_id: 0,
                ival: 0,
                fval: 0.0,
            })
        });
        each.collect()
    }

    fn begin<D: MarketDepth + L2MarketDepth + 'static>(
        events: &[Event],
        depth: impl Fn() -> D + 'static,
    ) -> Backtest<D> {
        let asset = L2AssetBuilder::new()
            .data(vec![DataSource::Data(Data::from_data(events))])
            .latency_model(ConstantLatency::new(LEG as i64, LEG as i64))
            .asset_type(LinearAsset::new(1.0))
            .fee_model(TradingValueFeeModel::new(CommonFees::new(0.0, 0.0)))
            .exchange(ExchangeKind::NoPartialFillExchange)
            .queue_model(ProbQueueModel::new(PowerProbQueueFunc3::new(3.0)))
            .depth(depth)
            .build()
            .expect("an asset");
        Backtest::builder().add_asset(asset).build().expect("a backtest")
    }

    /// The strategy of ours, and how many requests it made.
    fn run<D: MarketDepth>(hbt: &mut Backtest<D>, quotes: bool) -> (u64, i64)
    where
        Backtest<D>: Bot<D>,
        <Backtest<D> as Bot<D>>::Error: std::fmt::Debug,
    {
        let (mut id, mut requests) = (0, 0);
        while hbt.elapse(LOOK.0 as i64).expect("a day") == ElapseResult::Ok {
            if !quotes {
                continue;
            }
            hbt.clear_inactive_orders(Some(0));
            let depth = hbt.depth(0);
            let (bid, ask) = (depth.best_bid_tick(), depth.best_ask_tick());
            if depth.best_bid().is_nan() || depth.best_ask().is_nan() {
                continue;
            }
            let held = hbt.position(0);
            for (side, tick) in [(TheirSide::Buy, bid), (TheirSide::Sell, ask)] {
                let of_side = |o: &&hftbacktest::types::Order| o.side == side && o.status != Status::Filled;
                let open = hbt.orders(0).values().find(of_side);
                match open.map(|o| (o.order_id, o.price_tick, o.cancellable())) {
                    Some((order, at, true)) if at != tick => {
                        hbt.cancel(0, order, false).expect("a cancel");
                        requests += 1;
                    }
                    Some(_) => {}
                    None => {
                        let px = tick as f64 * TICK;
                        let (gtc, limit) = (TimeInForce::GTC, OrdType::Limit);
                        if side == TheirSide::Buy && held < MOST as f64 {
                            id += 1;
                            requests += 1;
                            hbt.submit_buy_order(0, id, px, f64::from(LOT), gtc, limit, false)
                                .expect("an order");
                        } else if side == TheirSide::Sell && held > -(MOST as f64) {
                            id += 1;
                            requests += 1;
                            hbt.submit_sell_order(0, id, px, f64::from(LOT), gtc, limit, false)
                                .expect("an order");
                        }
                    }
                }
            }
        }
        (requests, hbt.state_values(0).num_trades)
    }

    pub(super) fn compare(stage: &mut Stage<'_>, stream: &Stream, quotes: bool, times: usize) {
        let events = events(stream);
        let n = events.len();
        let mut last = None;
        let mut map: Option<Backtest<HashMapMarketDepth>> = None;
        let fresh = |hbt: &mut Option<_>| *hbt = Some(begin(&events, || HashMapMarketDepth::new(TICK, 1.0)));
        stage.day(Role::Peer, "hftbacktest L2, map", (n, times), &mut map, fresh, |hbt| {
            last = hbt.as_mut().map(|hbt| run(hbt, quotes));
        });
        let highest = stream.highest.0 as f64 / 10_000.0 + 1.0;
        let mut vector: Option<Backtest<ROIVectorMarketDepth>> = None;
        let fresh = |hbt: &mut Option<_>| {
            *hbt = Some(begin(&events, move || ROIVectorMarketDepth::new(TICK, 1.0, 0.0, highest)));
        };
        stage.day(Role::Peer, "hftbacktest L2, vector", (n, times), &mut vector, fresh, |hbt| {
            last = hbt.as_mut().map(|hbt| run(hbt, quotes));
        });
        if let Some((requests, trades)) = last {
            told(&format!("hftbacktest: {n} events, {requests} requests, {trades} trades"));
        }
    }
}
