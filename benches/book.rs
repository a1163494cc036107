//! Market events to order books of 50 symbols with some 50,000 orders resting.
//!
//! | | each event |
//! |---|---|
//! | floor, walk | its type and instrument are read |
//! | ours, flat | `FlatBooks`, which the engine runs on |
//! | peer, naive | `NaiveBooks`, ordered maps: the plain way (no published book takes these events) |
//!
//! A stretch of the day is timed at once, in order; after the last the books are cleared and the opening is applied, untimed.

use std::hint::black_box;

use colo::latency::tape::{self, SYMBOLS, Tape};
use criterion::Criterion;
use engine::book::{BookCapacity, BookStats, Books, FlatBooks, NaiveBooks};
use measure::{Role, Stage};
use model::{InstrumentId, MarketBody, MarketEvent};

/// Events timed at once: well below a millisecond for the flat books.
const STRETCH: usize = 8_192;
const MESSAGES: usize = 16 * STRETCH;
const CAPACITY: BookCapacity = BookCapacity {
    instruments: SYMBOLS as usize,
    live_orders: 1 << 18,
    levels: 1 << 17,
    direct_refs: 1 << 24,
};

fn main() {
    measure::run(&[book]);
}

/// Books on their way through the day.
struct Day<'a, B> {
    books: B,
    opening: &'a [MarketEvent],
    day: &'a [MarketEvent],
    at: usize,
}

impl<'a, B: Books> Day<'a, B> {
    fn new(opening: &'a [MarketEvent], day: &'a [MarketEvent]) -> Day<'a, B> {
        let mut day = Day { books: B::new(&CAPACITY), opening, day, at: 0 };
        day.open();
        day
    }

    fn open(&mut self) {
        self.books.clear();
        for event in self.opening {
            self.books.apply(event);
        }
        self.at = 0;
    }

    fn open_when_over(&mut self) {
        if self.at == self.day.len() {
            self.open();
        }
    }

    fn stretch(&mut self) {
        for event in &self.day[self.at..self.at + STRETCH] {
            black_box(&self.books.apply(black_box(event)));
        }
        self.at += STRETCH;
    }

    /// What the books hold at the end of a day that nothing was refused in.
    fn digest(&mut self) -> Vec<u64> {
        self.open();
        while self.at < self.day.len() {
            self.stretch();
        }
        assert_eq!(self.books.stats(), BookStats::default(), "the day fits the books");
        let live = self.books.live_orders() as u64;
        (0..SYMBOLS).map(|k| self.books.hash(InstrumentId(k))).chain([live]).collect()
    }
}

fn book(criterion: &mut Criterion) {
    let tape = Tape::new(2, 50_000, MESSAGES);
    let (mut subscription, opening) = tape.subscribe();
    let events = tape::events(&mut subscription, &tape.day);
    assert_eq!(events.len(), MESSAGES);
    let mut flat = Day::<FlatBooks>::new(&opening, &events);
    let mut naive = Day::<NaiveBooks>::new(&opening, &events);
    assert_eq!(flat.digest(), naive.digest(), "both end the day with the same books");

    let mut stage = Stage::new(criterion, "book event");
    let walk = |at: &mut usize| {
        for event in &events[*at..*at + STRETCH] {
            let event = black_box(event);
            black_box(event.instrument.index() + usize::from(matches!(event.body, MarketBody::Add { .. })));
        }
        *at = (*at + STRETCH) % MESSAGES;
    };
    stage.time(Role::Floor, "walk", STRETCH, &mut 0, |_| {}, walk);
    stage.time(Role::Ours, "flat", STRETCH, &mut flat, Day::open_when_over, Day::stretch);
    stage.time(Role::Peer, "naive", STRETCH, &mut naive, Day::open_when_over, Day::stretch);
}
