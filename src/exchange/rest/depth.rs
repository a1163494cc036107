//! Public market data: books by level with update ids of the venue's own, differences of them, trades and best prices.
//!
//! ```text
//!   floor's book --look--> levels, each change under an id --every `depth_ms`--> one difference for all that changed since the last: U..=u
//!                             '--> snapshot: as of now, under the last id, which may lie inside the next difference
//! ```
//!
//! A book is looked at from when somebody first asks for it. What the market does not see is in none of this.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Px, Side, Symbol};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::parameter;
use crate::exchange::floor::Floor;
use crate::exchange::matching::Book;
use crate::exchange::rng::Rng;

/// Messages that wait for their connection; one that is further behind is closed.
const EVENTS_MAX: usize = 10_000;
/// Streams of one connection.
const STREAMS_MAX: usize = 64;
/// Which draws of a seed these are.
const CHANCE: u64 = 0xDE97;

/// The table `[rest.market_data]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketDataConfig {
    /// Between two differences of a book, ms.
    pub depth_ms: u64,
    /// Probability that a difference is not sent.
    pub depth_loss: f64,
    /// Where its chance starts.
    pub loss_seed: u64,
    /// How long a connection lasts, ms.
    pub stream_life_ms: u64,
}

impl Default for MarketDataConfig {
    fn default() -> MarketDataConfig {
        MarketDataConfig { depth_ms: 100, depth_loss: 0.0, loss_seed: 1, stream_life_ms: 86_400_000 }
    }
}

/// A stream of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Depth,
    Trade,
    Ticker,
}

/// A level: whether it is an offer, and its price.
type Place = (bool, Px);
type Levels = BTreeMap<Place, u64>;

/// A book as it was last looked at.
#[derive(Debug, Default)]
struct Watched {
    levels: Levels,
    /// The last update.
    id: u64,
    /// The last that a difference told.
    told: u64,
    /// What changed since.
    changed: BTreeSet<Place>,
    ticker: Option<[(Px, u64); 2]>,
}

fn levels(book: &Book) -> Levels {
    let mut levels = Levels::new();
    for side in [Side::Buy, Side::Sell] {
        for order in book.queue(side).filter(|o| o.is_shown) {
            *levels.entry((side == Side::Sell, order.px)).or_default() += u64::from(order.shares.0);
        }
    }
    levels
}

impl Watched {
    fn new(book: &Book) -> Watched {
        let levels = levels(book);
        let id = levels.len() as u64 + 1;
        Watched { levels, id, told: id, ..Watched::default() }
    }

    fn look(&mut self, book: &Book) {
        let now = levels(book);
        let differs = |level: &&Place| self.levels.get(level) != now.get(level);
        let changed: BTreeSet<_> = self.levels.keys().chain(now.keys()).filter(differs).copied().collect();
        self.id += changed.len() as u64;
        self.changed.extend(changed);
        self.levels = now;
    }

    /// Best first.
    fn side(&self, side: Side) -> Vec<(Px, u64)> {
        let of_side = self.levels.iter().filter(|((is_offer, _), _)| *is_offer == (side == Side::Sell));
        let mut all: Vec<_> = of_side.map(|((_, px), n)| (*px, *n)).collect();
        if side == Side::Buy {
            all.reverse();
        }
        all
    }

    fn top(&self) -> [(Px, u64); 2] {
        [Side::Buy, Side::Sell].map(|side| self.side(side).first().copied().unwrap_or((Px::ZERO, 0)))
    }
}

fn text((px, shares): (Px, u64)) -> Value {
    json!([px.to_string(), format!("{shares}.000")])
}

/// Who listens by one connection.
#[derive(Debug)]
struct Listener {
    wants: BTreeSet<(usize, What)>,
    /// Each message has its stream's name around it.
    is_combined: bool,
    events: VecDeque<String>,
    /// Until when, ms.
    until: u64,
}

/// See the module.
#[derive(Debug)]
pub struct MarketData {
    config: MarketDataConfig,
    rng: Rng,
    watched: BTreeMap<usize, Watched>,
    listeners: BTreeMap<u64, Listener>,
    next_listener: u64,
    next_ms: u64,
    lost: u64,
}

impl MarketData {
    /// Nobody listens.
    #[must_use]
    pub fn new(config: MarketDataConfig) -> MarketData {
        MarketData {
            rng: Rng::new(config.loss_seed, CHANCE),
            config,
            watched: BTreeMap::new(),
            listeners: BTreeMap::new(),
            next_listener: 0,
            next_ms: 0,
            lost: 0,
        }
    }

    /// Differences that were not sent.
    #[must_use]
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// The book as it is now.
    pub fn snapshot(&mut self, floor: &Floor, listing: usize, limit: usize) -> Value {
        let watched = self.watch(floor, listing);
        watched.look(&floor.listings[listing].book);
        let side = |side| watched.side(side).into_iter().take(limit).map(text).collect::<Vec<_>>();
        json!({ "lastUpdateId": watched.id, "bids": side(Side::Buy), "asks": side(Side::Sell) })
    }

    fn watch(&mut self, floor: &Floor, listing: usize) -> &mut Watched {
        self.watched.entry(listing).or_insert_with(|| Watched::new(&floor.listings[listing].book))
    }

    /// A connection that asks for streams: `/ws/<stream>`, or `/stream?streams=<stream>/<stream>`. `None`: there is one that nobody has.
    pub fn open(&mut self, floor: &mut Floor, now: u64, path: &str, query: &str) -> Option<u64> {
        let (names, is_combined) = match path.strip_prefix("/ws/") {
            Some(name) => (name.to_owned(), false),
            None => (parameter(query, "streams").filter(|_| path == "/stream")?, true),
        };
        let wants = names.split('/').take(STREAMS_MAX + 1).map(|name| stream(floor, name));
        let wants: BTreeSet<_> = wants.collect::<Option<_>>()?;
        if wants.len() > STREAMS_MAX {
            return None;
        }
        for (listing, _) in &wants {
            self.watch(floor, *listing);
        }
        floor.listen_to_trades();
        self.next_listener += 1;
        let until = now + self.config.stream_life_ms;
        self.listeners
            .insert(self.next_listener, Listener { wants, is_combined, events: VecDeque::new(), until });
        Some(self.next_listener)
    }

    /// The connection is gone.
    pub fn close(&mut self, listener: u64) {
        self.listeners.remove(&listener);
    }

    /// Whether the connection is to stay open.
    #[must_use]
    pub fn is_open(&self, listener: u64) -> bool {
        self.listeners.contains_key(&listener)
    }

    /// The next message of a connection.
    pub fn poll(&mut self, listener: u64) -> Option<String> {
        self.listeners.get_mut(&listener)?.events.pop_front()
    }

    /// Says what has happened, when it is time.
    pub fn tick(&mut self, floor: &mut Floor, now: u64) {
        for print in floor.take_trades() {
            let symbol = floor.listings[print.listing].symbol;
            let said = json!({
                "e": "trade", "E": now, "T": now, "s": symbol.to_string(), "t": print.number,
                "p": print.px.to_string(), "q": format!("{}.000", print.shares), "m": print.maker == Side::Buy,
            });
            self.tell(symbol, (print.listing, What::Trade), &said);
        }
        if now < self.next_ms {
            return;
        }
        self.next_ms = now + self.config.depth_ms.max(1);
        for listing in self.watched.keys().copied().collect::<Vec<_>>() {
            self.tell_changes(floor, listing, now);
        }
        self.listeners.retain(|_, l| now < l.until && l.events.len() <= EVENTS_MAX);
    }

    fn tell_changes(&mut self, floor: &Floor, listing: usize, now: u64) {
        let (symbol, name) = (floor.listings[listing].symbol, floor.listings[listing].symbol.to_string());
        let watched = self.watch(floor, listing);
        watched.look(&floor.listings[listing].book);
        if watched.changed.is_empty() {
            return;
        }
        let changed = std::mem::take(&mut watched.changed);
        let of = |side: Side| {
            let one = changed.iter().filter(|(is_offer, _)| *is_offer == (side == Side::Sell));
            one.map(|level| text((level.1, watched.levels.get(level).copied().unwrap_or(0))))
                .collect::<Vec<_>>()
        };
        let diff = json!({
            "e": "depthUpdate", "E": now, "s": name, "U": watched.told + 1, "u": watched.id,
            "b": of(Side::Buy), "a": of(Side::Sell),
        });
        watched.told = watched.id;
        let top = watched.top();
        let ticker = (watched.ticker.replace(top) != Some(top)).then(|| {
            let [(bid, bids), (ask, asks)] = top.map(|(px, n)| (px.to_string(), format!("{n}.000")));
            json!({ "u": watched.id, "s": name, "b": bid, "B": bids, "a": ask, "A": asks })
        });
        match self.rng.chance(self.config.depth_loss) {
            true => self.lost += 1,
            false => self.tell(symbol, (listing, What::Depth), &diff),
        }
        if let Some(ticker) = ticker {
            self.tell(symbol, (listing, What::Ticker), &ticker);
        }
    }

    fn tell(&mut self, symbol: Symbol, what: (usize, What), said: &Value) {
        let plain = said.to_string();
        let word = match what.1 {
            What::Depth => "depth@100ms",
            What::Trade => "trade",
            What::Ticker => "bookTicker",
        };
        let name = symbol.to_string().to_ascii_lowercase();
        for listener in self.listeners.values_mut().filter(|l| l.wants.contains(&what)) {
            listener.events.push_back(match listener.is_combined {
                true => format!(r#"{{"stream":"{name}@{word}","data":{plain}}}"#),
                false => plain.clone(),
            });
        }
    }
}

/// What a stream's name means.
fn stream(floor: &Floor, name: &str) -> Option<(usize, What)> {
    let (symbol, what) = name.split_once('@')?;
    let what = match what {
        "depth" | "depth@100ms" => What::Depth,
        "trade" => What::Trade,
        "bookTicker" => What::Ticker,
        _ => return None,
    };
    Some((floor.find(Symbol::new(&symbol.to_ascii_uppercase())?)?, what))
}

/// How many levels a side are asked for, and what that weighs.
pub(super) fn limit_of(query: &str) -> (usize, u32) {
    let limit = parameter(query, "limit").and_then(|v| v.parse().ok()).unwrap_or(100);
    match limit {
        ..=100 => (limit, 5),
        101..=500 => (limit, 25),
        501..=1_000 => (limit, 50),
        _ => (limit.min(5_000), 250),
    }
}
