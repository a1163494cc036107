//! What one event costs the books, beside a walk over the same events.
//!
//! ```text
//! cargo run --release -p engine --example book_cost -- [--events N] [--file X.itch] [--rounds N] [--no-naive]
//! ```
//!
//! Without a file: a generated flow of 50 symbols (A 46 %, D 39 %, U 8 %, E and C 4 %, X 2 %, P 1 %). Everything is decoded before
//! the clock starts. `walk` reads each event's type and instrument: the floor of anything that looks at events at all. The first
//! round of the books maps their memory as it goes (`first`); each later one starts from cleared books, as a second day would
//! (`median`). `quiet` adds up the fastest round of each 4,096 events, which a busy host disturbs least: the work of such a
//! stretch is the same in every round. A digest of all books is printed, which must be the same for both.
#![expect(clippy::disallowed_methods, reason = "an example measures; the crate itself is told the time")]
#![allow(clippy::print_stdout)]

#[path = "../tests/book_flow/mod.rs"]
mod book_flow;

use std::hint::black_box;
use std::time::Instant;

use book_flow::{Flow, HOT, itch};
use engine::book::{BookCapacity, Books, FlatBooks, NaiveBooks};
use model::{InstrumentId, MarketBody, MarketEvent};

/// Events timed at once.
const STRETCH: usize = 4_096;

fn main() {
    let mut events = 3_000_000;
    let mut rounds = 5;
    let mut file = None;
    let mut naive = true;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| usage());
        match arg.as_str() {
            "--events" => events = value().parse().unwrap_or_else(|_| usage()),
            "--rounds" => rounds = value().parse().unwrap_or_else(|_| usage()),
            "--file" => file = Some(value()),
            "--no-naive" => naive = false,
            _ => usage(),
        }
    }
    let capacity = BookCapacity {
        instruments: 8_192,
        live_orders: 2 << 20,
        levels: 1 << 20,
        direct_refs: 1_200_000_000,
    };
    let tape = match file {
        Some(path) => match std::fs::read(&path) {
            Ok(bytes) => itch::events(&bytes),
            Err(e) => {
                println!("{path}: {e}");
                std::process::exit(1);
            }
        },
        None => generate(events, &capacity),
    };
    println!("{} events", tape.len());

    time("walk", &tape, rounds, &mut (), |_, ev| black_box(touch(ev)), |_| {}, |_| 0);
    let apply = |b: &mut FlatBooks, ev: &MarketEvent| u64::from(b.apply(ev).top_changed);
    time("flat", &tape, rounds, &mut FlatBooks::new(&capacity), apply, Books::clear, digest);
    if naive {
        let apply = |b: &mut NaiveBooks, ev: &MarketEvent| u64::from(b.apply(ev).top_changed);
        time("naive", &tape, 2, &mut NaiveBooks::new(&capacity), apply, Books::clear, digest);
    }
}

fn usage() -> ! {
    println!("usage: book_cost [--events N] [--file X.itch] [--rounds N] [--no-naive]");
    std::process::exit(2);
}

fn generate(events: usize, capacity: &BookCapacity) -> Vec<MarketEvent> {
    let mut books = FlatBooks::new(capacity);
    let mut flow = Flow::new(HOT, 1);
    let mut next = || {
        let ev = flow.next(|id| books.top(id));
        books.apply(&ev);
        ev
    };
    (0..events).map(|_| next()).collect()
}

fn touch(ev: &MarketEvent) -> u64 {
    u64::from(ev.instrument.0) + u64::from(matches!(ev.body, MarketBody::Add { .. }))
}

fn digest<B: Books>(books: &B) -> u64 {
    let all = (0..8_192).map(|i| books.hash(InstrumentId(i)).rotate_left(u32::from(i) % 64));
    all.fold(books.live_orders() as u64, |a, h| a.wrapping_mul(31).wrapping_add(h))
}

fn time<S>(
    name: &str,
    tape: &[MarketEvent],
    rounds: usize,
    state: &mut S,
    mut step: impl FnMut(&mut S, &MarketEvent) -> u64,
    clear: impl Fn(&mut S),
    digest: impl Fn(&S) -> u64,
) {
    let mut took = Vec::new();
    let mut quiet = vec![u64::MAX; tape.len().div_ceil(STRETCH)];
    let mut said = (0, 0);
    let per_event = |ns: u64| ns as f64 / tape.len().max(1) as f64;
    for _ in 0..rounds.max(2) {
        clear(state);
        let (mut sum, mut round) = (0, 0);
        for (stretch, fastest) in tape.chunks(STRETCH).zip(&mut quiet) {
            let start = Instant::now();
            sum += stretch.iter().map(|ev| step(state, ev)).sum::<u64>();
            let ns = start.elapsed().as_nanos() as u64;
            *fastest = ns.min(*fastest);
            round += ns;
        }
        took.push(per_event(round));
        said = (sum, digest(state));
    }
    let first = took.remove(0);
    took.sort_by(f64::total_cmp);
    let (median, quiet) = (took[took.len() / 2], per_event(quiet.iter().sum()));
    let (tops, books) = said;
    println!(
        "{name:>6}: quiet {quiet:8.2} median {median:8.2} first {first:8.2} ns/event   {tops} digest {books:016x}"
    );
}
