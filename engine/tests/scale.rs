//! A day's references in memory that does not depend on how long the day is: a few orders live at a time, with references that run to 1e9 in the range that
//! is addressed directly, and far beyond it.
//!
//! `COLO_SCALE_MESSAGES=400000000` is a whole day of them; `scripts/drill-feed` runs it optimised.

use std::fs;

use engine::book::{BookCapacity, Books, FlatBooks};
use model::{InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, VenueRef};

/// References below this are addressed directly: those of a whole day.
const DIRECT: u64 = 1 << 30;
const LIVE: u64 = 20_000;
const INSTRUMENTS: usize = 8;
const CAPACITY: BookCapacity = BookCapacity {
    instruments: INSTRUMENTS,
    live_orders: 2 * LIVE as usize,
    levels: 4_096,
    direct_refs: DIRECT,
};

/// What the module of the flat books says that they take, bytes.
fn stated(c: &BookCapacity) -> u64 {
    let (n, live, levels) = (c.instruments as u64, c.live_orders as u64, c.levels as u64);
    let refs = c.direct_refs / 8 + 272 * live + 68 * live;
    let levels_of = 32 * (128 * n + 2 * levels + 64);
    let queues = 128 * (128 * n + 2 * levels + live * 2 / 15 + 128);
    let order = 384 * n + 128 * (34 * n + levels / 2 + 208);
    refs + levels_of + queues + order + 32 * n
}

/// Orders of the day, each added and deleted: what a test run can spare, or half the messages of `COLO_SCALE_MESSAGES`.
fn orders() -> u64 {
    std::env::var("COLO_SCALE_MESSAGES").map_or(2_500_000, |n| n.parse::<u64>().expect("a number") / 2)
}

/// Bytes of the process that are in memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("a proc file system");
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of pages");
    pages * 4_096
}

fn event(instrument: u64, body: MarketBody) -> MarketEvent {
    MarketEvent { instrument: InstrumentId(instrument as u16), ts_event: Nanos(1), body }
}

/// The reference of the `n`th order of a day of `orders` that ends at `last`.
fn reference(n: u64, orders: u64, last: u64) -> u64 {
    1 + n * (last / orders)
}

/// `orders` adds, each deleted [`LIVE`] orders later; whether the book showed each as it was added.
fn day(books: &mut FlatBooks, orders: u64, last: u64) {
    for n in 0..orders {
        let order = VenueRef(reference(n, orders, last));
        let (side, px) = match n % 2 {
            0 => (Side::Buy, 1_000_000 - (n % 500) as i64 * 100),
            _ => (Side::Sell, 1_000_100 + (n % 500) as i64 * 100),
        };
        let (px, qty) = (Px(px), Qty(1 + (n % 900) as u32));
        let instrument = n / 2 % INSTRUMENTS as u64;
        books.apply(&event(instrument, MarketBody::Add { order, side, qty, px, mpid: *b"    " }));
        let shown = books.order(order).expect("it was added");
        assert_eq!((shown.side, shown.px, shown.qty), (side, px, qty), "{n}");
        if let Some(old) = n.checked_sub(LIVE) {
            let order = VenueRef(reference(old, orders, last));
            books.apply(&event(old / 2 % INSTRUMENTS as u64, MarketBody::Delete { order }));
        }
    }
    assert_eq!(books.live_orders(), LIVE as usize);
}

#[test]
fn a_day_of_a_billion_references_stays_within_the_stated_memory() {
    let before = resident();
    let mut books = FlatBooks::new(&CAPACITY);
    // Every page of the directory is touched, for references are at most 400 apart up to 1e9.
    day(&mut books, orders(), 1_000_000_000);
    println!("{} messages", 2 * orders());
    let once = resident();
    books.clear();
    day(&mut books, 2_500_000, 1_000_000_000);
    // Sparse and huge, all of them beyond the direct range but the first few.
    books.clear();
    day(&mut books, 1_000_000, u64::MAX - 1_000_000);
    let stats = books.stats();
    assert_eq!(stats.unknown_refs.total(), 0, "{stats:?}");
    let (grown, bound) = (once.saturating_sub(before), stated(&CAPACITY));
    let more = resident().saturating_sub(once);
    println!("stated {bound} bytes, taken {grown}, {more} more by two days that followed");
    assert!(grown <= bound + (4 << 20), "{grown} bytes where {bound} are stated");
    assert!(more <= 8 << 20, "{more} bytes more");
}
