//! ITCH bytes to order books.
//!
//! | group | day ([`measure::mix`]) |
//! |---|---|
//! | book hot, book big | 50 symbols that fit the caches; 6,000 that do not. With `COLO_BENCH_ITCH=FILE` that file instead of both: book file |
//! | book far, book bursts, book storm | far from the touch; bursts of deletes; one symbol |
//! | book event | events decoded before, 50 symbols and some 50,000 orders: the book alone, caches warm |
//!
//! | | each message |
//! |---|---|
//! | floor, walk | its length and its type are read |
//! | floor, random load | one word is read somewhere in 512 MiB, from where is known long before |
//! | ours, flat | decoded and applied to `FlatBooks`, which the engine runs on |
//! | ours, flat by 32 | 32 decoded, announced to the books, then applied: what a burst gets |
//! | peer, naive | decoded and applied to `NaiveBooks`, ordered maps: the plain way |
//! | peer, hftbacktest | level updates made beforehand, given to its depth: no orders, no decoding (feature `hftbacktest`: `scripts/bench --peers all`) |
//!
//! No crate builds books of ITCH: of those that name ITCH some decode, and those that name books match orders of their own.
//! Fast and naive books are compared at the end of each day: equal, or the benchmark fails.

use std::hint::black_box;

use colo::latency::tape::{self, SYMBOLS, Tape};
use criterion::Criterion;
use engine::book::{AHEAD, BookCapacity, BookStats, Books, FlatBooks, NaiveBooks};
use feeds::binaryfile::Messages;
use feeds::itch50;
use measure::mix::{Mix, Shape, Twist};
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

/// Words that are loaded from somewhere: 512 MiB of them.
const WORDS: usize = 1 << 26;

fn main() {
    measure::run(&[file, hot, big, far, bursts, storm, event]);
}

fn file(criterion: &mut Criterion) {
    if let Some(mix) = Mix::given() {
        compare(&mut Stage::new(criterion, "book file message"), &mix, 3);
    }
}

fn hot(criterion: &mut Criterion) {
    made(criterion, "book hot message", Shape::hot());
}

fn big(criterion: &mut Criterion) {
    made(criterion, "book big message", Shape::big());
}

fn made(criterion: &mut Criterion, name: &str, shape: Shape) {
    if std::env::var_os("COLO_BENCH_ITCH").is_none() {
        compare(&mut Stage::new(criterion, name), &Mix::new(3, shape), 3);
    }
}

fn far(criterion: &mut Criterion) {
    let mix = Mix::new(4, Shape::adverse(50, Twist::Far));
    compare(&mut Stage::new(criterion, "book far message"), &mix, 7);
}

fn bursts(criterion: &mut Criterion) {
    let mix = Mix::new(5, Shape::adverse(50, Twist::Bursts));
    compare(&mut Stage::new(criterion, "book bursts message"), &mix, 7);
}

fn storm(criterion: &mut Criterion) {
    let mix = Mix::new(6, Shape::adverse(1, Twist::None));
    compare(&mut Stage::new(criterion, "book storm message"), &mix, 7);
}

/// Everybody over one day.
fn compare(stage: &mut Stage<'_>, mix: &Mix, times: usize) {
    let n = mix.messages;
    let walk = |(): &mut ()| {
        for message in Messages::new(black_box(&mix.bytes)).flatten() {
            black_box(message.len() + usize::from(message[0]));
        }
    };
    stage.day(Role::Floor, "walk", (n, times), &mut (), |()| {}, walk);
    let look = |messages: &mut Messages, _| {
        let message = messages.next().expect("as many as there are").expect("whole");
        black_box(message.len() + usize::from(message[0]));
    };
    let anew = || Messages::new(black_box(&mix.bytes));
    stage.tails(Role::Floor, "walk", (n, 1), &mut anew(), |messages| *messages = anew(), look);
    let mut words = vec![1u64; WORDS];
    stage.day(Role::Floor, "random load", (n, times), &mut words, |_| {}, |words| load(words, n));
    drop(words);

    let mut flat = FlatBooks::new(&capacity(mix));
    single(&mut flat, mix);
    let digest = digest(&flat, mix);
    stage.day(Role::Ours, "flat", (n, times), &mut flat, Books::clear, |flat| single(flat, mix));
    stage.day(Role::Ours, "flat by 32", (n, times), &mut flat, Books::clear, |flat| batched(flat, mix));
    let mut one = (flat, anew());
    let apply = |(flat, messages): &mut (FlatBooks, Messages), _| {
        let message = messages.next().expect("as many as there are").expect("whole");
        let _ = itch50::decode_with(message, |event| black_box(&flat.apply(&event)).effect);
    };
    let begin = |(flat, messages): &mut (FlatBooks, _)| {
        flat.clear();
        *messages = anew();
    };
    stage.tails(Role::Ours, "flat", (n, 1), &mut one, begin, apply);
    batched_is_the_same(one.0, mix, &digest);

    let mut naive = NaiveBooks::new(&capacity(mix));
    // Once, for it is slow; what it holds then is what ours is compared with.
    single_or_timed(stage, &mut naive, mix);
    assert_eq!(crate::digest(&naive, mix), digest, "both end the day with the same books");
    drop(naive);
    #[cfg(feature = "hftbacktest")]
    measure::depth::compare(stage, mix, FlatBooks::new(&capacity(mix)), times);
}

/// The naive books' day, timed unless the command line wants other figures.
fn single_or_timed(stage: &mut Stage<'_>, naive: &mut NaiveBooks, mix: &Mix) {
    let day = |naive: &mut NaiveBooks| single(naive, mix);
    stage.day(Role::Peer, "naive", (mix.messages, 1), naive, Books::clear, day);
    if naive.live_orders() == 0 {
        day(naive);
    }
}

fn batched_is_the_same(mut flat: FlatBooks, mix: &Mix, digest: &[u64]) {
    flat.clear();
    batched(&mut flat, mix);
    assert_eq!(crate::digest(&flat, mix), digest, "announced or not, the books are the same");
}

fn capacity(mix: &Mix) -> BookCapacity {
    let live_orders = (mix.messages / 2).clamp(1 << 18, 1 << 22);
    BookCapacity {
        instruments: mix.locates,
        live_orders,
        levels: live_orders / 2,
        direct_refs: mix.refs.next_multiple_of(1 << 20),
    }
}

/// Reads a word for each message; where the next one is does not hang on the last one.
fn load(words: &[u64], n: usize) {
    let (mut at, mut sum) = (1u64, 0);
    for _ in 0..n {
        at = at.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        sum += words[(at >> 38) as usize];
    }
    black_box(sum);
}

/// The whole day, message by message.
fn single<B: Books>(books: &mut B, mix: &Mix) {
    for message in Messages::new(black_box(&mix.bytes)).flatten() {
        let _ = itch50::decode_with(message, |event| black_box(&books.apply(&event)).effect);
    }
}

/// The whole day, as many at once as the books look at.
fn batched(books: &mut FlatBooks, mix: &Mix) {
    let mut messages = Messages::new(black_box(&mix.bytes)).flatten();
    let mut batch: Vec<MarketEvent> = Vec::with_capacity(AHEAD);
    loop {
        batch.clear();
        for message in messages.by_ref().take(AHEAD) {
            let _ = itch50::decode_with(message, |event| batch.push(event));
        }
        if batch.is_empty() {
            break;
        }
        books.anticipate(batch.iter());
        for event in &batch {
            black_box(&books.apply(event));
        }
    }
}

/// What the books hold at the end of a day that nothing was refused in.
fn digest<B: Books>(books: &B, mix: &Mix) -> Vec<u64> {
    assert_eq!(books.stats(), BookStats::default(), "the day fits the books");
    let hashes = (0..mix.locates).map(|k| books.hash(InstrumentId(k as u16)));
    hashes.chain([books.live_orders() as u64]).collect()
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

fn event(criterion: &mut Criterion) {
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
