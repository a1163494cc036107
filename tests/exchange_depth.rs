//! The simulated venue's depth stream against its own floor, in virtual time: what a client makes of snapshots and differences is the floor's book after each
//! difference, however many of them the venue keeps to itself. The client is the core's own, down to the books that the engine runs on.

use std::collections::BTreeMap;
use std::path::Path;

use colo::exchange::rest::{Answer, Ask, Desk};
use colo::exchange::{ExchangeConfig, Venue};
use engine::book::{BookCapacity, Books, FlatBooks, Level};
use feeds::channel::{Sink, Taken};
use feeds::depth::{DepthConfig, DepthStats, DepthStream, Market, Subscription, Want};
use feeds::protocol::{Decode, Refusal, Wanted};
use model::{FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, MarketBody, Nanos, Side, Symbol};

const VENUE: &str = r#"
    symbols = ["AAPL", "MSFT"]
    lines = ["127.0.0.1:1"]
    ouch = "127.0.0.1:0"
    close_with_flow = false
    [[accounts]]
    username = "user01"
    password = "pass"
    firm = "ABCD"
    [flow]
    kind = "generated"
    seed = 5
    messages_per_second = 3000
    [rest]
    listen = "127.0.0.1:0"
    weight_per_minute = 6000
    clients = []
    [rest.market_data]
    depth_ms = 20
"#;
/// 2024-08-08, ms of the Unix epoch, and the venue's clock at the start.
const MIDNIGHT_MS: u64 = 1_723_075_200_000;
const START_MS: u64 = 9 * 3_600_000;

/// Its subscription, and the engine's books behind it.
struct Core {
    subscription: Subscription,
    books: FlatBooks,
    synced: bool,
    prints: u64,
}

impl Sink for Core {
    fn message(&mut self, _: u64, msg: &[u8]) -> Taken {
        let Core { subscription, books, prints, .. } = self;
        let taken = subscription.decode(msg, |event| match event.body {
            body if body.touches_book() => {
                let change = books.apply(&event);
                assert!(change.effect.is_sound(), "{:?} of {event:?}", change.effect);
                let top = books.top(event.instrument);
                assert!(
                    top.bid_qty == 0 || top.ask_qty == 0 || top.bid_px < top.ask_px,
                    "crossed by {event:?}"
                );
            }
            MarketBody::Trade { .. } => *prints += 1,
            MarketBody::TradingAction { .. } => {}
            other => panic!("{other:?}"),
        });
        assert_ne!(taken, Err(Refusal::Lost));
        Taken::Whole
    }
    fn status(&mut self, status: FeedStatus) {
        self.synced = matches!(status, FeedStatus::Synced { .. });
    }
}

fn ask(venue: &mut Venue, desk: &mut Desk, ns: u64, target: &str) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let ask = Ask { from: 1, method: "GET", path, query, key: None, bearer: None, body: "" };
    venue.at_floor(ns, |floor| desk.answer(floor, &ask))
}

/// So many differences, with this many lost in 1,000; how often the books were compared.
fn run(per_mille: u32, seconds: u64) -> (u64, DepthStats, u64) {
    let toml = VENUE.replace("depth_ms = 20", &format!("depth_ms = 20\ndepth_loss = 0.{per_mille:03}"));
    let config = ExchangeConfig::from_toml(&toml, Path::new(".")).unwrap();
    let rest = config.rest.clone().unwrap();
    let mut venue = Venue::new(config.resolve(0).unwrap(), START_MS * 1_000_000);
    let mut desk =
        venue.at_floor(START_MS * 1_000_000, |floor| Desk::new(&rest, Vec::new(), MIDNIGHT_MS, floor));
    let symbols = ["AAPL", "MSFT"].map(|s| Symbol::new(s).unwrap());
    let instruments = [0, 1].map(|k| Instrument {
        id: InstrumentId(k as u16),
        symbol: symbols[k],
        feed: FeedId(0),
        gateway: GatewayId(0),
    });
    let capacity = BookCapacity { instruments: 2, live_orders: 4_000, levels: 4_000, direct_refs: 16 };
    let mut core = Core {
        subscription: Subscription::new(Wanted { instruments: &instruments, live_orders: 4_000 }),
        books: FlatBooks::new(&capacity),
        synced: false,
        prints: 0,
    };
    let market = Market::Spot;
    let mut stream = DepthStream::new(DepthConfig::new(market, symbols.to_vec()));
    let (mut listener, mut compared) = (None, 0);
    for ms in START_MS..START_MS + seconds * 1_000 {
        let (now, ns) = (Nanos::from_millis(MIDNIGHT_MS + ms), ms * 1_000_000);
        venue.step(ns);
        while venue.poll_datagram().is_some() {}
        venue.at_floor(ns, |floor| desk.tick(floor));
        if stream.wants_stream() && listener.is_none() {
            let path = market.stream(&symbols);
            let (path, query) = path.split_once('?').unwrap();
            listener =
                venue.at_floor(ns, |floor| desk.market_data().open(floor, MIDNIGHT_MS + ms, path, query));
            assert!(listener.is_some());
            stream.on_open(now);
        }
        let mut heard = false;
        while let Some(text) = listener.and_then(|l| desk.market_data().poll(l)) {
            heard |= text.contains("depthUpdate");
            stream.on_text(now, text.as_bytes(), &mut core).unwrap();
        }
        // Snapshots that are asked for between two differences have an update id inside the next one.
        if ms % 7 == 0
            && let Some(want) = stream.poll(now)
        {
            let (target, _) = match want {
                Want::Info => market.info(&symbols),
                Want::Snapshot(k) => market.snapshot(symbols[k]),
            };
            let answer = ask(&mut venue, &mut desk, ns, &target);
            assert_eq!(answer.status, 200, "{target}: {}", answer.body);
            stream.on_answer(now, want, answer.body.as_bytes(), &mut core).unwrap();
        }
        assert_eq!(core.synced, stream.is_synced());
        if !(heard && core.synced) {
            continue;
        }
        compared += 1;
        for (k, symbol) in symbols.iter().enumerate() {
            for side in [Side::Buy, Side::Sell] {
                let mut theirs: BTreeMap<_, u64> = BTreeMap::new();
                venue.at_floor(ns, |floor| {
                    let book = &floor.listings[floor.find(*symbol).unwrap()].book;
                    for order in book.queue(side).filter(|o| o.is_shown) {
                        *theirs.entry(order.px).or_default() += u64::from(order.shares.0);
                    }
                });
                let mut ours = vec![Level::default(); theirs.len() + 1];
                let n = core.books.depth(InstrumentId(k as u16), side, &mut ours);
                let ours: BTreeMap<_, u64> = ours[..n].iter().map(|l| (l.px, l.qty)).collect();
                // One that was lost and that nothing has followed yet is not known to be.
                if per_mille == 0 {
                    assert_eq!(ours, theirs, "{symbol} {side:?} at {ms} ms");
                }
            }
        }
    }
    let lost = desk.counts().differences_lost;
    assert!(core.prints > 0);
    (compared, *stream.stats(), lost)
}

#[test]
fn the_books_are_the_floor_s_after_each_difference() {
    let (compared, stats, lost) = run(0, 20);
    assert!(compared > 500, "{compared}");
    assert_eq!((stats.gaps, stats.malformed, stats.undecodable, lost), (0, 0, 0, 0), "{stats:?}");
}

#[test]
fn what_the_venue_keeps_to_itself_is_missed_and_made_good() {
    let (compared, stats, lost) = run(5, 60);
    assert!(lost >= 10, "{lost}");
    // Two that are lost behind each other, or while a snapshot is awaited, are one gap or none.
    assert!(stats.gaps >= 5 && stats.gaps <= lost, "{stats:?}, {lost} lost");
    assert!(compared > 200 && stats.gaps_filled + 2 >= stats.gaps, "{compared}: {stats:?}");
}

#[test]
fn what_nobody_has_is_not_there() {
    let config = ExchangeConfig::from_toml(VENUE, Path::new(".")).unwrap();
    let rest = config.rest.clone().unwrap();
    let ns = START_MS * 1_000_000;
    let mut venue = Venue::new(config.resolve(0).unwrap(), ns);
    let mut desk = venue.at_floor(ns, |floor| Desk::new(&rest, Vec::new(), MIDNIGHT_MS, floor));
    for (target, status, weight) in [
        ("/api/v3/depth?symbol=AAPL", 200, "5"),
        ("/api/v3/depth?symbol=AAPL&limit=101", 200, "30"),
        ("/api/v3/depth?symbol=AAPL&limit=1000", 200, "80"),
        ("/api/v3/depth?symbol=AAPL&limit=9999", 200, "330"),
        ("/api/v3/depth?symbol=NOBODY", 400, "335"),
        ("/api/v3/exchangeInfo?symbols=%5B%22AAPL%22%5D", 200, "355"),
        ("/api/v3/exchangeInfo?symbols=%5B%22NONE%22%5D", 400, "375"),
    ] {
        let answer = ask(&mut venue, &mut desk, ns, target);
        let used = answer.headers.iter().find(|(n, _)| *n == "X-MBX-USED-WEIGHT-1M").unwrap();
        assert_eq!((answer.status, &*used.1), (status, weight), "{target}: {}", answer.body);
    }
    let mut open = |path: &str, query: &str| {
        venue
            .at_floor(ns, |floor| desk.market_data().open(floor, MIDNIGHT_MS + START_MS, path, query))
            .is_some()
    };
    assert!(open("/ws/aapl@depth", "") && open("/stream", "streams=aapl@trade/msft@bookTicker"));
    for (path, query) in
        [("/ws/none@depth", ""), ("/ws/aapl@kline", ""), ("/stream", ""), ("/stream", "streams=aapl")]
    {
        assert!(!open(path, query), "{path}?{query}");
    }
}
