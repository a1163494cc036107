//! A strategy agent on a bench: the test is its feed, its gateway, its control and its clock. What it approves is real, so it also feeds gateways under test.

use std::path::Path;
use std::sync::Arc;

use engine::Engine;
use engine::book::BookChange;
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use model::{
    Control, FeedId, FeedStatus, GatewayId, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty,
    SessionEvent, Side, Symbol, Token, TradingState, VenueRef,
};
use ringbuf::log::{self, Keeper, LogConfig, SyncPolicy};
use ringbuf::spsc::{self, Consumer, Producer};

use super::{
    ControlItem, Ending, FeedItem, FeedPort, GatewayItem, GatewayPort, OrderItem, StrategyAgent,
    StrategyParts,
};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::config::{Config, Secrets, Written, parse_toml};
use crate::telemetry::publish::Publication;
use crate::telemetry::region_path;

/// Orders that [`Crowd`] sends for each change of a book.
pub const EACH: usize = 16;

/// Sends as much as one callback may, at each change of a book, and each order at a price of its own.
pub struct Crowd(i64);

impl Strategy for Crowd {
    const NAME: &'static str = "crowd";

    fn new(_: &mut Params) -> Result<Crowd, ParamError> {
        Ok(Crowd(0))
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let id = change.instrument;
        if view.can_trade(id) && view.top(id).ask_qty > 0 {
            for _ in 0..EACH {
                self.0 += 1;
                out.buy(id, Qty(1), Px(1_000_000 - 100 * self.0));
            }
        }
    }
}

/// See the module.
pub struct Rig {
    pub agent: StrategyAgent<Crowd>,
    pub feed: Producer<FeedItem>,
    pub reports: Producer<GatewayItem>,
    pub orders: Consumer<OrderItem>,
    pub control: Producer<ControlItem>,
    pub ending: Arc<Ending>,
    pub config: Config,
    pub publication: Publication,
    pub now: Nanos,
    pub folder: tempfile::TempDir,
    _keeper: Keeper,
    next: u64,
}

impl Rig {
    /// An agent that trades at the next change of its book; nobody empties its ring of so many orders but the test.
    pub fn new(test: &str, ring: usize) -> Rig {
        let mut rig = Rig::quiet(test, ring);
        rig.open_market();
        rig
    }

    /// Its book begins, and is traded on.
    pub fn open_market(&mut self) {
        let symbol = Symbol(*b"AAPL    ");
        self.packet(&[MarketBody::TradingAction { symbol, state: TradingState::Trading, reason: *b"    " }]);
        let rests = |order, side, px| MarketBody::Add {
            order: VenueRef(order),
            px: Px(px),
            qty: Qty(100),
            side,
            mpid: *b"    ",
        };
        self.packet(&[rests(1, Side::Buy, 1_000_000)]);
        self.packet(&[rests(2, Side::Sell, 1_000_100)]);
    }

    /// An agent that has a session and no market.
    pub fn quiet(test: &str, ring: usize) -> Rig {
        Rig::paced(test, ring, 60_000)
    }

    /// As [`Rig::quiet`], with so many messages a second at most.
    pub fn paced(test: &str, ring: usize, per_second: i64) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let file = Path::new("rig.toml");
        let mut written: Written = parse_toml(include_str!("../../tests/fixtures/core.toml"), file).unwrap();
        written.name = format!("rig-{test}-{}", std::process::id());
        written.risk.max_open_orders = Some(2_000);
        written.risk.max_position = Some(1_000_000);
        written.risk.max_messages_per_second = Some(per_second);
        written.risk.price_collar_bps = Some(1_000);
        written.risk.max_market_age_ms = Some(60_000);
        let config = Config::resolve(written, file, Secrets::Skip).unwrap();
        let names = ["gateway-g1", "strategy", "feed-f1"].map(String::from);
        let mut publication = Publication::create(&config, &names, Nanos(1)).unwrap();
        let cfg = LogConfig {
            dir: folder.path().join("core"),
            segment_bytes: 1 << 20,
            reserve_bytes: 0,
            sync: SyncPolicy::Off,
        };
        let (journal, keeper) = log::create(cfg).unwrap();
        let (feed, items) = spsc::channel(4_096);
        let (reports, from_gateway) = spsc::channel(64);
        let (to_gateway, orders) = spsc::channel(ring);
        let (control, controls) = spsc::channel(8);
        let ending = Arc::new(Ending::default());
        let agent = StrategyAgent::new(StrategyParts {
            engine: Engine::new(&config.engine(), Crowd(0)),
            feeds: vec![FeedPort::new(FeedId(0), items)],
            gateways: vec![GatewayPort { id: GatewayId(0), items: from_gateway, orders: to_gateway }],
            control: controls,
            journal,
            publisher: publication.core().unwrap(),
            clock: Clock::new(),
            ending: Arc::clone(&ending),
        });
        let now = Nanos(1_000_000_000);
        let mut rig = Rig {
            agent,
            feed,
            reports,
            orders,
            control,
            ending,
            config,
            publication,
            now,
            folder,
            _keeper: keeper,
            next: 1,
        };
        rig.control.push(Control::Tokens { first: Token(1), end: Token(100_000) }.into()).unwrap();
        let ready = SessionEvent::Ready { next_token: Token(0), proven: true };
        rig.reports.push(GatewayItem::Session { received: now, event: ready }).unwrap();
        rig.feed.push(FeedItem::Status { received: now, status: FeedStatus::Synced { next: 1 } }).unwrap();
        rig
    }

    /// A packet with these events.
    pub fn packet(&mut self, bodies: &[MarketBody]) {
        let (received, count) = (self.now, bodies.len() as u32);
        let head = FeedItem::Packet {
            received,
            is_snapshot: false,
            first: self.next,
            count,
            events: count,
            pushed: Nanos::ZERO,
        };
        self.feed.push(head).unwrap();
        self.next += u64::from(count);
        for body in bodies {
            let event = MarketEvent { ts_event: Nanos(1), instrument: InstrumentId(0), body: *body };
            self.feed.push(FeedItem::Event(event)).unwrap();
        }
    }

    /// Changes of the book, in packets of so many.
    pub fn changes(&mut self, packets: u64, each: u64) {
        for _ in 0..packets {
            let first = self.next;
            let bodies: Vec<_> = (first..first + each)
                .map(|n| MarketBody::Add {
                    order: VenueRef(10 + n),
                    px: Px(1_000_000),
                    qty: Qty(100),
                    side: Side::Buy,
                    mpid: *b"    ",
                })
                .collect();
            self.packet(&bodies);
        }
    }

    /// Duty cycles until one finds nothing to do.
    pub fn settle(&mut self) {
        while self.step() > 0 {}
    }

    /// One duty cycle, a microsecond after the last.
    pub fn step(&mut self) -> usize {
        self.now = self.now.after(Nanos(1_000));
        self.agent.do_work(self.now)
    }

    /// Real orders, at least so many.
    pub fn approved(test: &str, count: usize) -> (Vec<OrderItem>, Rig) {
        let mut rig = Rig::new(test, 4_096);
        rig.changes((count / EACH) as u64 + 1, 1);
        rig.settle();
        let orders: Vec<_> = std::iter::from_fn(|| rig.orders.pop()).take(count).collect();
        assert_eq!(orders.len(), count, "the strategy sent too few");
        (orders, rig)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(region_path(&self.config.name));
    }
}
