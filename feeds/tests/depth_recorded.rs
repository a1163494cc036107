//! The recorded stream of a perpetual, 6,551 differences with the snapshot that was taken beside them: after each one our book is what an independent replay of
//! the recording holds, and its best prices are those that the venue's own ticker says for that update. Skipped, and said so, where the recording is not beside
//! the repository; a failure with `COLO_REQUIRE_SHARED=1`.

#![allow(clippy::print_stdout, reason = "says what was compared")]
#![allow(clippy::print_stderr, reason = "says what was skipped")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use feeds::channel::{Sink, Taken};
use feeds::depth::{DepthConfig, DepthStream, Market, Subscription, Want};
use feeds::protocol::{Decode, Wanted};
use model::{
    FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, MarketBody, Nanos, Side, Symbol, VenueRef,
};
use serde_json::Value;

const INFO: &str = r#"{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","filters":[
    {"filterType":"PRICE_FILTER","tickSize":"0.10"},{"filterType":"LOT_SIZE","stepSize":"0.001"}]}]}"#;

fn lines() -> Option<Vec<String>> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/crypto/btcusdt_perp_20240808.jsonl.gz");
    if !file.exists() {
        assert!(std::env::var("COLO_REQUIRE_SHARED").as_deref() != Ok("1"), "no {}", file.display());
        eprintln!("skipped: no {}", file.display());
        return None;
    }
    let gz = flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap());
    Some(BufReader::new(gz).lines().map(Result::unwrap).collect())
}

/// A decimal with its point left out: cents of a dollar, thousandths of a coin.
fn digits(text: &Value) -> u64 {
    text.as_str().unwrap().replace('.', "").parse().unwrap()
}

/// The naive replay: prices in 0.01 USD, quantities in 0.001 BTC.
#[derive(Default)]
struct Naive([BTreeMap<u64, u64>; 2]);

impl Naive {
    fn set(&mut self, side: usize, levels: &Value) {
        for level in levels.as_array().unwrap() {
            match (digits(&level[0]), digits(&level[1])) {
                (px, 0) => drop(self.0[side].remove(&px)),
                (px, qty) => drop(self.0[side].insert(px, qty)),
            }
        }
    }

    fn top(&self) -> [(u64, u64); 2] {
        let of = |level: (&u64, &u64)| (*level.0, *level.1);
        [of(self.0[0].last_key_value().unwrap()), of(self.0[1].first_key_value().unwrap())]
    }
}

struct Core {
    subscription: Subscription,
    /// Prices as the core has them, 1e-4 USD for 0.001 BTC: a tenth of the naive one's.
    levels: [BTreeMap<u64, u64>; 2],
    places: BTreeMap<VenueRef, (usize, u64)>,
    status: Vec<FeedStatus>,
    /// Trades, and their units.
    trades: (u64, u64),
}

impl Sink for Core {
    fn message(&mut self, _: u64, msg: &[u8]) -> Taken {
        let Core { subscription, levels, places, trades, .. } = self;
        let taken = subscription.decode(msg, |event| match event.body {
            MarketBody::Add { order, px, qty, side, .. } => {
                let k = usize::from(side == Side::Sell);
                assert!(places.insert(order, (k, px.0.unsigned_abs())).is_none());
                levels[k].insert(px.0.unsigned_abs(), qty.0.into());
            }
            MarketBody::Reduce { order, qty } => {
                let (k, px) = places[&order];
                *levels[k].get_mut(&px).unwrap() -= u64::from(qty.0);
            }
            MarketBody::Replace { new, qty, .. } => {
                let (k, px) = places[&new];
                levels[k].insert(px, qty.0.into());
            }
            MarketBody::Delete { order } => {
                let (k, px) = places.remove(&order).unwrap();
                levels[k].remove(&px);
            }
            MarketBody::Trade { qty, .. } => *trades = (trades.0 + 1, trades.1 + u64::from(qty.0)),
            MarketBody::TradingAction { .. } => {}
            other => panic!("{other:?}"),
        });
        assert_eq!(taken, Ok(()));
        Taken::Whole
    }
    fn status(&mut self, status: FeedStatus) {
        self.status.push(status);
    }
}

#[test]
fn every_book_of_the_recording_is_that_of_a_naive_replay_and_of_the_venue_s_ticker() {
    let Some(lines) = lines() else { return };
    let texts: Vec<(&str, Value)> = lines
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .map(|text| (text, serde_json::from_str(text).unwrap()))
        .collect();
    let data = |text: &Value| text["data"].clone();
    let mut tickers: BTreeMap<u64, [(u64, u64); 2]> = BTreeMap::new();
    for (_, text) in texts.iter().filter(|(_, t)| t["data"]["e"] == "bookTicker") {
        let t = data(text);
        let top = [(digits(&t["b"]), digits(&t["B"])), (digits(&t["a"]), digits(&t["A"]))];
        tickers.insert(t["u"].as_u64().unwrap(), top);
    }

    let symbol = Symbol::new("BTCUSDT").unwrap();
    let btc = Instrument { id: InstrumentId(0), symbol, feed: FeedId(0), gateway: GatewayId(0) };
    let mut core = Core {
        subscription: Subscription::new(Wanted { instruments: &[btc], live_orders: 20_000 }),
        levels: Default::default(),
        places: BTreeMap::new(),
        status: Vec::new(),
        trades: (0, 0),
    };
    let mut stream = DepthStream::new(DepthConfig::new(Market::Perpetual, vec![symbol]));
    let now = Nanos::from_millis(1);
    assert_eq!(stream.poll(now), Some(Want::Info));
    stream.on_answer(now, Want::Info, INFO.as_bytes(), &mut core).unwrap();
    stream.on_open(now);

    let (mut naive, mut held, mut from) = (Naive::default(), Vec::new(), None);
    let (mut compared, mut by_ticker, mut traded, mut last) = (0, 0, 0, 0);
    for (raw, text) in &texts {
        if text["lastUpdateId"].is_u64() {
            assert_eq!(stream.poll(now), Some(Want::Snapshot(0)));
            stream.on_answer(now, Want::Snapshot(0), raw.as_bytes(), &mut core).unwrap();
            naive.set(0, &text["bids"]);
            naive.set(1, &text["asks"]);
            from = text["lastUpdateId"].as_u64();
        } else {
            stream.on_text(now, raw.as_bytes(), &mut core).unwrap();
            let said = data(text);
            match said["e"].as_str().unwrap() {
                "depthUpdate" => held.push(said),
                "trade" => traded += digits(&said["q"]),
                _ => continue,
            }
        }
        let Some(from) = from else { continue };
        for event in held.drain(..).filter(|e| e["u"].as_u64().unwrap() >= from) {
            naive.set(0, &event["b"]);
            naive.set(1, &event["a"]);
            last = event["u"].as_u64().unwrap();
        }
        if !stream.is_synced() {
            continue;
        }
        let top = naive.top();
        assert!(top[0].0 < top[1].0);
        for (ours, theirs) in core.levels.iter().zip(&naive.0) {
            assert_eq!(ours.len(), theirs.len(), "at {last}");
            assert!(ours.iter().zip(theirs).all(|(a, b)| a.0 * 10 == *b.0 && a.1 == b.1), "at {last}");
        }
        compared += 1;
        if let Some((_, ticker)) = tickers.range(..=last).next_back() {
            assert_eq!(*ticker, top, "the ticker at {last}");
            by_ticker += 1;
        }
    }
    let stats = *stream.stats();
    println!("{compared} books compared, {by_ticker} with the ticker; {stats:?}");
    assert_eq!(core.status.len(), 1, "sound once, and never lost: {:?}", core.status);
    assert_eq!((stats.gaps, stats.malformed, stats.undecodable, stats.snapshots), (0, 0, 0, 1));
    assert!(compared > 25_000 && by_ticker == compared);
    assert_eq!(core.trades, (21_313, traded));
}
