//! What one event costs the books, beside a walk over the same events.
//!
//! ```text
//! cargo run --release -p engine --example book_cost -- [--events N] [--file X.itch] [--rounds N] [--no-naive]
//! ```
//!
//! Without a file: a generated flow of 50 symbols (A 46 %, D 39 %, U 8 %, E and C 4 %, X 2 %, P 1 %). Everything is decoded before
//! the clock starts. `walk` reads each event's type and instrument: the floor of anything that looks at events at all. Each
//! round of the books starts from an empty one; the best and the median round are printed, and a digest of all books, which
//! must be the same for both.
#![allow(clippy::print_stdout)]

#[path = "../tests/book_flow/mod.rs"]
mod book_flow;

use std::hint::black_box;
use std::time::Instant;

use book_flow::{Flow, HOT, itch};
use engine::book::{BookCapacity, Books, FlatBooks, NaiveBooks};
use model::{InstrumentId, MarketBody, MarketEvent};

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

    time("walk", &tape, rounds, || (), |_, ev| black_box(touch(ev)), |_| 0);
    let flat = || FlatBooks::new(&capacity);
    time("flat", &tape, rounds, flat, |b, ev| u64::from(b.apply(ev).top_changed), digest);
    if naive {
        let maps = || NaiveBooks::new(&capacity);
        time("naive", &tape, 1, maps, |b, ev| u64::from(b.apply(ev).top_changed), digest);
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
    new: impl Fn() -> S,
    mut step: impl FnMut(&mut S, &MarketEvent) -> u64,
    digest: impl Fn(&S) -> u64,
) {
    let mut took = Vec::new();
    let mut said = (0, 0);
    for _ in 0..rounds {
        let mut state = new();
        let start = Instant::now();
        let sum: u64 = tape.iter().map(|ev| step(&mut state, ev)).sum();
        took.push(start.elapsed().as_nanos() as f64 / tape.len() as f64);
        said = (sum, digest(&state));
    }
    took.sort_by(f64::total_cmp);
    let (min, median) = (took[0], took[took.len() / 2]);
    println!("{name:>6}: {min:7.2} min {median:7.2} median ns/event   sum {} digest {:016x}", said.0, said.1);
}
