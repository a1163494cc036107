//! What a message costs as there is more of everything.
//!
//! | group | grows | stays |
//! |---|---|---|
//! | scale N orders | orders resting: 1 K, 10 K, 100 K, 1 M; 10 M with `COLO_BENCH_FULL` | 100 instruments, one feed |
//! | scale N instruments | instruments: 1, 100, 10,000 | 100 K orders, one feed |
//! | scale N feeds | feeds, each with books of its own: 1, 2, 8; messages in turns | 100 instruments and 100 K orders in all |
//!
//! | | each message |
//! |---|---|
//! | floor, random load | a word of one of as many 64-byte lines as orders rest |
//! | ours, flat | half of them delete an order, any of those that rest; half add one in its place, at another price and under a number that was never used |
//! | ours, numbers again | the same where the new order takes the number of the old one, which no venue does in a day: where the old one rested at that price too, its level's queue is searched for it |
//!
//! Nothing is recent here, which is what a day's messages mostly are: the curve shows the memory, not a day.

use std::hint::black_box;

use colo::exchange::rng::Rng;
use criterion::Criterion;
use engine::book::{BookCapacity, BookStats, Books, FlatBooks};
use measure::{Role, Stage, unless_test};
use model::{InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, VenueRef};

/// Orders deleted and added again in a pass, at most.
const TURN: usize = 4_096;
/// Numbers of a day, of which no pass comes near the end.
const NUMBERS: u64 = 1 << 30;
/// Levels of a side, one tick apart.
const LEVELS: u64 = 64;

fn main() {
    measure::run(&[orders, instruments, feeds]);
}

fn orders(criterion: &mut Criterion) {
    let most = if std::env::var_os("COLO_BENCH_FULL").is_some() { 5 } else { 4 };
    for (n, name) in [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
        .into_iter()
        .zip(["1 K", "10 K", "100 K", "1 M", "10 M"])
        .take(unless_test(most, 2))
    {
        point(
            criterion,
            &format!("scale {name} orders message"),
            Market { orders: n, instruments: 100, feeds: 1 },
        );
    }
}

fn instruments(criterion: &mut Criterion) {
    for (n, name) in [(1, "1"), (100, "100"), (10_000, "10 K")] {
        let market = Market { orders: unless_test(100_000, 10_000), instruments: n, feeds: 1 };
        point(criterion, &format!("scale {name} instruments message"), market);
    }
}

fn feeds(criterion: &mut Criterion) {
    for n in [1, 2, 8] {
        let market = Market { orders: unless_test(100_000, 10_000), instruments: 100, feeds: n };
        point(criterion, &format!("scale {n} feeds message"), market);
    }
}

#[derive(Clone, Copy)]
struct Market {
    orders: usize,
    instruments: u16,
    feeds: usize,
}

/// Orders that a pass deletes and adds again.
fn turn(market: Market) -> usize {
    TURN.min(market.orders / 4)
}

/// Books in which all orders rest between two passes.
struct Turning {
    books: Vec<FlatBooks>,
    market: Market,
    rng: Rng,
    /// All of them, those that were chosen last in front.
    order: Vec<u64>,
    /// By order, the number that the venue gave it last.
    number: Vec<u64>,
    /// The number that comes next; none does where numbers come again.
    next: Option<u64>,
    /// Deletes of the next pass, then adds.
    pass: Vec<(usize, MarketEvent)>,
}

impl Turning {
    fn new(market: Market, again: bool) -> Turning {
        let capacity = BookCapacity {
            instruments: usize::from(market.instruments),
            live_orders: market.orders + 1,
            levels: 2 * LEVELS as usize * usize::from(market.instruments),
            direct_refs: if again { market.orders as u64 + 1 } else { NUMBERS },
        };
        let books = (0..market.feeds).map(|_| FlatBooks::new(&capacity)).collect();
        let mut turning = Turning {
            books,
            market,
            rng: Rng::new(7, market.orders as u64),
            order: (0..market.orders as u64).collect(),
            number: (0..market.orders as u64).collect(),
            next: None,
            pass: Vec::new(),
        };
        for order in 0..market.orders as u64 {
            let (feed, event) = turning.add(order);
            turning.books[feed].apply(&event);
        }
        turning.next = (!again).then_some(market.orders as u64);
        turning
    }

    fn event(&self, order: u64, body: MarketBody) -> (usize, MarketEvent) {
        // An order keeps its feed, instrument and side.
        let instrument = InstrumentId((order / 2 % u64::from(self.market.instruments)) as u16);
        let feed = order as usize % self.market.feeds;
        (feed, MarketEvent { ts_event: Nanos(order), instrument, body })
    }

    fn add(&mut self, order: u64) -> (usize, MarketEvent) {
        let side = if (order / 2 / u64::from(self.market.instruments)).is_multiple_of(2) {
            Side::Buy
        } else {
            Side::Sell
        };
        let px = Px(1_000_000 - side.sign() * 100 * (1 + self.rng.below(LEVELS) as i64));
        let number = &mut self.number[order as usize];
        if let Some(next) = &mut self.next {
            *number = *next;
            *next += 1;
        }
        let body = MarketBody::Add { order: VenueRef(*number), px, qty: Qty(100), side, mpid: *b"    " };
        self.event(order, body)
    }

    /// Chooses who goes and comes back.
    fn choose(&mut self) {
        let n = turn(self.market);
        self.pass.clear();
        for comes in [false, true] {
            // The first time from all, the second time these in another order.
            let from = if comes { n } else { self.order.len() };
            for i in 0..n {
                let j = i + self.rng.below((from - i) as u64) as usize;
                self.order.swap(i, j);
                let order = self.order[i];
                let event = match comes {
                    false => {
                        let number = VenueRef(self.number[order as usize]);
                        self.event(order, MarketBody::Delete { order: number })
                    }
                    true => self.add(order),
                };
                self.pass.push(event);
            }
        }
    }

    fn turn(&mut self) {
        for (feed, event) in &self.pass {
            black_box(&self.books[*feed].apply(black_box(event)));
        }
    }
}

/// As many lines as orders rest, and which of them are read next.
struct Lines {
    lines: Vec<[u64; 8]>,
    rng: Rng,
    pass: Vec<u32>,
}

fn point(criterion: &mut Criterion, name: &str, market: Market) {
    let items = 2 * turn(market);
    let mut stage = Stage::new(criterion, name);
    let mut lines = Lines { lines: vec![[1; 8]; market.orders], rng: Rng::new(8, 0), pass: Vec::new() };
    let choose = |l: &mut Lines| {
        let n = l.lines.len() as u64;
        l.pass = (0..items).map(|_| l.rng.below(n) as u32).collect();
    };
    let load = |l: &mut Lines| {
        black_box(l.pass.iter().map(|at| l.lines[*at as usize][0]).sum::<u64>());
    };
    stage.time(Role::Floor, "random load", items, &mut lines, choose, load);
    drop(lines);
    for (name, again) in [("flat", false), ("numbers again", true)] {
        let mut turning = Turning::new(market, again);
        stage.time(Role::Ours, name, items, &mut turning, Turning::choose, Turning::turn);
        for books in &turning.books {
            assert_eq!(books.stats(), BookStats::default(), "everything was found and fitted");
        }
    }
}
