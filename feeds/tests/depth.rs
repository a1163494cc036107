//! A depth stream over a network that loses, doubles, damages and is late, against a model of the venue: whenever its books are said to be sound they are the
//! venue's, and they become sound again.

#![allow(clippy::print_stdout, reason = "a storm says its figures")]

use std::collections::BTreeMap;

use feeds::channel::{Sink, Taken};
use feeds::depth::{DepthConfig, DepthStats, DepthStream, Market, Subscription, Want};
use feeds::protocol::{Decode, Refusal, Wanted};
use model::{
    FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side,
    Symbol, VenueRef,
};
use serde_json::{Value, json};

/// Ticks of 0.1 to lots of 0.001, of both sides.
type Levels = [BTreeMap<u64, u64>; 2];

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn decimal(value: u64, decimals: u32) -> String {
    let scale = 10_u64.pow(decimals);
    format!("{}.{:0width$}", value / scale, value % scale, width = decimals as usize)
}

/// The venue: what each book was at each update id.
struct Venue {
    market: Market,
    name: &'static str,
    dice: Dice,
    levels: Levels,
    middle: u64,
    id: u64,
    /// `u` of the last event.
    told: u64,
    history: BTreeMap<u64, Levels>,
}

impl Venue {
    fn new(market: Market, name: &'static str, seed: u64) -> Venue {
        let levels = Levels::default();
        Venue {
            market,
            name,
            dice: Dice(seed),
            levels: levels.clone(),
            middle: 618_000,
            id: 1_000,
            told: 1_000,
            history: [(1_000, levels)].into(),
        }
    }

    /// Some levels change; the event that says so.
    fn step(&mut self) -> String {
        let before = self.levels.clone();
        let first = self.id + 1 + if self.market == Market::Spot { 0 } else { self.dice.below(3) };
        self.id = first - 1;
        self.middle = (self.middle + self.dice.below(5)).saturating_sub(2);
        for _ in 0..=self.dice.below(6) {
            self.id += 1;
            let away = 1 + self.dice.below(12);
            let side = self.dice.below(2) as usize;
            let px = if side == 0 { self.middle - away } else { self.middle + away };
            match self.dice.below(4) {
                0 => drop(self.levels[side].remove(&px)),
                _ => drop(self.levels[side].insert(px, 1 + self.dice.below(5_000))),
            }
        }
        // What the middle has passed has traded.
        let middle = self.middle;
        self.levels[0].retain(|px, _| *px < middle);
        self.levels[1].retain(|px, _| *px > middle);
        self.history.insert(self.id, self.levels.clone());
        let changed = |side: usize| -> Vec<Value> {
            let all = before[side].keys().chain(self.levels[side].keys());
            let now = |px: &u64| self.levels[side].get(px).copied().unwrap_or(0);
            let differs = all.filter(|px| before[side].get(px).copied().unwrap_or(0) != now(px));
            differs.map(|px| json!([decimal(*px, 1), decimal(now(px), 3)])).collect()
        };
        let mut event = json!({
            "e": "depthUpdate", "E": 7, "s": self.name, "U": first, "u": self.id, "b": changed(0), "a": changed(1),
        });
        if self.market == Market::Perpetual {
            event["pu"] = json!(self.told);
        }
        self.told = self.id;
        event.to_string()
    }

    /// A snapshot of some moment not long ago.
    fn snapshot(&mut self) -> String {
        let back = self.dice.below(3) as usize * self.dice.below(3) as usize;
        let (id, levels) = self.history.iter().rev().nth(back.min(self.history.len() - 1)).unwrap();
        let side = |k: usize| -> Vec<Value> {
            levels[k].iter().map(|(px, n)| json!([decimal(*px, 1), decimal(*n, 3)])).collect()
        };
        json!({ "lastUpdateId": id, "bids": side(0), "asks": side(1) }).to_string()
    }
}

/// What the core believes: orders by reference, and which update each book is at.
struct Core {
    subscription: Subscription,
    orders: BTreeMap<VenueRef, (InstrumentId, Side, Px, Qty)>,
    at: Vec<u64>,
    symbols: Vec<&'static str>,
    synced: bool,
    next: u64,
    breaks: u64,
}

impl Core {
    fn take(&mut self, event: &MarketEvent) {
        let id = event.instrument;
        match event.body {
            MarketBody::Add { order, px, qty, side, .. } => {
                assert!(self.orders.insert(order, (id, side, px, qty)).is_none(), "{event:?}");
            }
            MarketBody::Reduce { order, qty } => {
                let held = self.orders.get_mut(&order).expect("a level that is there");
                assert!(qty < held.3 && !qty.is_zero() && held.0 == id, "{event:?} of {held:?}");
                held.3 = Qty(held.3.0 - qty.0);
            }
            MarketBody::Delete { order } => {
                assert!(self.orders.remove(&order).is_some(), "{event:?}");
            }
            MarketBody::Replace { old, new, qty, px } => {
                let held = self.orders.get_mut(&old).expect("a level that is there");
                assert!(old == new && px == held.2 && qty > held.3, "{event:?} of {held:?}");
                held.3 = qty;
            }
            MarketBody::TradingAction { .. } => {}
            other => panic!("{other:?}"),
        }
        let of = |side| self.orders.values().filter(move |o| o.0 == id && o.1 == side).map(|o| o.2);
        if let (Some(bid), Some(ask)) = (of(Side::Buy).max(), of(Side::Sell).min()) {
            assert!(bid < ask, "crossed by {event:?}");
        }
    }

    fn levels(&self, k: usize) -> Levels {
        let of = |side| {
            let orders = self.orders.values().filter(|o| o.0.index() == k && o.1 == side);
            orders.map(|o| (o.2.0.unsigned_abs(), o.3.0.into())).collect()
        };
        [of(Side::Buy), of(Side::Sell)]
    }
}

impl Sink for Core {
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        assert_eq!(seq, self.next);
        self.next += 1;
        let mut events = Vec::new();
        let said = self.subscription.decode(msg, |e| events.push(e));
        if said == Err(Refusal::Lost) {
            assert!(events.is_empty());
            return Taken::Undecodable;
        }
        events.iter().for_each(|e| self.take(e));
        let (symbol, id, text) = match msg[0] {
            b'S' => {
                (std::str::from_utf8(&msg[1..9]).unwrap().trim_end().to_owned(), "lastUpdateId", &msg[9..])
            }
            _ => (String::new(), "u", &msg[1..]),
        };
        let text: Value = serde_json::from_slice(text).unwrap();
        let symbol = if symbol.is_empty() { text["s"].as_str().unwrap_or_default() } else { &symbol };
        if let (Some(k), Some(id)) = (self.symbols.iter().position(|s| *s == symbol), text[id].as_u64()) {
            self.at[k] = id;
        }
        Taken::Whole
    }

    fn status(&mut self, status: FeedStatus) {
        match status {
            FeedStatus::Synced { next } => {
                assert!(next == self.next && !self.synced);
                self.synced = true;
            }
            FeedStatus::Recovering { from, to } => {
                assert!(from <= to);
                self.breaks += u64::from(self.synced);
                self.synced = false;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn info(symbols: &[&str]) -> String {
    let one = |s: &&str| {
        json!({ "symbol": s, "status": "TRADING", "filters": [
            { "filterType": "PRICE_FILTER", "tickSize": "0.10" }, { "filterType": "LOT_SIZE", "stepSize": "0.001" } ] })
    };
    json!({ "symbols": symbols.iter().map(one).collect::<Vec<_>>() }).to_string()
}

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

/// A run over so many steps of 100 ms, of which the last 600 are calm.
fn run(market: Market, seed: u64, steps: u64) -> (DepthStats, u64) {
    let names = ["BTCUSDT", "ETHUSDT"];
    let mut venues = [0, 1].map(|k| Venue::new(market, names[k], seed * 2 + k as u64));
    let mut dice = Dice(seed ^ 0x5EED);
    let instruments = [0, 1].map(|k| Instrument {
        id: InstrumentId(k as u16),
        symbol: symbol(names[k]),
        feed: FeedId(0),
        gateway: GatewayId(0),
    });
    let mut core = Core {
        subscription: Subscription::new(Wanted { instruments: &instruments, live_orders: 1_000 }),
        orders: BTreeMap::new(),
        at: vec![0; 2],
        symbols: names.to_vec(),
        synced: false,
        next: 1,
        breaks: 0,
    };
    let mut stream = DepthStream::new(DepthConfig {
        held: (20, 50_000),
        ..DepthConfig::new(market, names.map(symbol).to_vec())
    });
    let (mut now, mut open) = (Nanos::from_millis(1_000), false);
    // Answers on their way, each with when it comes.
    let mut answers: Vec<(u64, Want, Option<String>)> = Vec::new();
    for step in 0..steps {
        let stormy = step + 600 < steps;
        let chance = |dice: &mut Dice, of_1000: u64| stormy && dice.below(1_000) < of_1000;
        now = now.after(Nanos::from_millis(100));
        for venue in &mut venues {
            let text = venue.step();
            if !open || chance(&mut dice, 12) {
                continue;
            }
            if chance(&mut dice, 5) {
                // Some bytes of it are others: it is passed over, or cannot be decoded.
                let damaged = text.replace(":[[\"", ":[[\"x");
                let _ = stream.on_text(now, damaged.as_bytes(), &mut core);
                continue;
            }
            for _ in 0..1 + u64::from(chance(&mut dice, 20)) {
                stream.on_text(now, text.as_bytes(), &mut core).unwrap();
            }
        }
        match open {
            true if chance(&mut dice, 4) => {
                open = false;
                answers.clear();
                stream.on_closed(&mut core);
            }
            false if stream.wants_stream() && !chance(&mut dice, 900) => {
                open = true;
                stream.on_open(now);
            }
            _ => {}
        }
        while let Some(want) = stream.poll(now) {
            let answer = match want {
                _ if chance(&mut dice, 100) => None,
                Want::Info => Some(info(&names)),
                Want::Snapshot(k) => Some(venues[k].snapshot()),
            };
            let late = if stormy { dice.below(30) } else { 1 };
            answers.push((step + late, want, answer));
        }
        for (_, want, answer) in answers.extract_if(.., |a| a.0 <= step) {
            match answer {
                Some(body) => stream.on_answer(now, want, body.as_bytes(), &mut core).unwrap(),
                None => stream.on_no_answer(now, want),
            }
        }
        assert_eq!(stream.is_synced(), core.synced);
        for (k, venue) in venues.iter().enumerate().filter(|_| core.synced) {
            assert_eq!(core.levels(k), venue.history[&core.at[k]], "seed {seed}, step {step}, book {k}");
        }
    }
    assert!(core.synced && stream.gaps_open() == 0, "seed {seed}: not whole at the end: {stream:?}");
    for (k, venue) in venues.iter().enumerate() {
        assert_eq!(core.levels(k), venue.levels, "seed {seed}: not the venue's book at the end");
    }
    (*stream.stats(), core.breaks)
}

fn storm(market: Market) {
    let (mut all, mut breaks) = (DepthStats::default(), 0);
    for seed in 1..=30 {
        let (stats, broke) = run(market, seed, 2_000);
        breaks += broke;
        all.old += stats.old;
        all.gaps += stats.gaps;
        all.snapshots += stats.snapshots;
        all.snapshots_failed += stats.snapshots_failed;
        all.undecodable += stats.undecodable;
        all.let_go += stats.let_go;
    }
    println!("{market:?}: {breaks} times not sound, {all:?}");
    let counts =
        [all.old, all.gaps, all.snapshots, all.snapshots_failed, all.undecodable, all.let_go, breaks];
    assert!(counts.iter().all(|n| *n > 30), "the weather was fair: {all:?}");
}

#[test]
fn a_spot_stream_is_the_venue_s_books_or_says_that_it_is_not() {
    storm(Market::Spot);
}

#[test]
fn a_perpetual_stream_is_the_venue_s_books_or_says_that_it_is_not() {
    storm(Market::Perpetual);
}
