//! Instructions of each stage, counted by callgrind: what a shared machine can gate on, for its clock cannot be trusted and its counts can.
//!
//! | | one run |
//! |---|---|
//! | decode | 16,384 ITCH messages to events |
//! | book, book by 32 | these events applied to books of 50 symbols, one by one; to such with some 280,000 orders, announced 32 at a time |
//! | risk gate | 256 ticks to as many approved orders: book, callback, all checks, order state, outbox |
//! | ring | 4,096 values of 64 bytes pushed, then popped |
//! | journal | 4,096 receipts appended |
//! | encode | 256 commands to OUCH 5.0 in packets |
//! | path | 256 packets to 256 orders in the transmit buffer, journal on: all of it |
//!
//! What each needs is made beforehand and not counted. `scripts/instructions` runs this and compares with `benches/instructions.tsv`. Only
//! instructions are compared: what callgrind makes of caches is another machine's.

use std::hint::black_box;

use colo::journal::Record;
use colo::latency::decision::{Decision, TICKS};
use colo::latency::desk::{self, RECEIPT, START, Taker};
use colo::latency::path::{self, PACKETS, Path};
use colo::latency::rings::Value;
use colo::latency::scratch::Scratch;
use colo::latency::tape::{self, SYMBOLS, Tape};
use engine::book::{AHEAD, BookCapacity, Books, FlatBooks, LOOK_FROM};
use feeds::binaryfile::Messages;
use feeds::itch50;
use gateways::gateway::{OrderGateway, OuchGateway};
use gungraun::prelude::*;
use model::MarketEvent;
use ringbuf::spsc;

const MESSAGES: usize = 16_384;
const RESTING: usize = 5_000;
const VALUES: usize = 4_096;
const RECORDS: usize = 4_096;

fn day() -> Vec<u8> {
    Tape::new(1, RESTING, MESSAGES).day
}

#[library_benchmark(setup = day)]
fn decode(day: Vec<u8>) -> Vec<u8> {
    for message in Messages::new(black_box(&day)).flatten() {
        black_box(&itch50::decode(message));
    }
    day
}

type Opened = (FlatBooks, Vec<MarketEvent>);

fn books() -> Opened {
    opened(RESTING)
}

/// Books so large that they are looked ahead of.
fn large_books() -> Opened {
    opened(LOOK_FROM + MESSAGES)
}

fn opened(resting: usize) -> Opened {
    let tape = Tape::new(1, resting, MESSAGES);
    let (mut subscription, opening) = tape.subscribe();
    let events = tape::events(&mut subscription, &tape.day);
    let mut books = FlatBooks::new(&BookCapacity {
        instruments: usize::from(SYMBOLS),
        live_orders: 1 << 19,
        levels: 1 << 17,
        direct_refs: 1 << 24,
    });
    for event in &opening {
        books.apply(event);
    }
    (books, events)
}

#[library_benchmark(setup = books)]
fn book(opened: Opened) -> Opened {
    let (mut books, events) = opened;
    for event in &events {
        black_box(&books.apply(black_box(event)));
    }
    (books, events)
}

#[library_benchmark(setup = large_books)]
fn book_by_32(opened: Opened) -> Opened {
    let (mut books, events) = opened;
    for batch in events.chunks(AHEAD) {
        books.anticipate(black_box(batch).iter());
        for event in batch {
            black_box(&books.apply(black_box(event)));
        }
    }
    (books, events)
}

fn decision() -> Decision<Taker> {
    Decision::new(Taker { beyond: 0 }).causing(TICKS, 0)
}

#[library_benchmark(setup = decision)]
fn risk_gate(decision: Decision<Taker>) -> Decision<Taker> {
    let mut decision = decision;
    decision.pass();
    decision
}

type Ring = (spsc::Producer<Value>, spsc::Consumer<Value>);

fn values() -> Ring {
    spsc::channel(VALUES)
}

#[library_benchmark(setup = values)]
fn ring(ring: Ring) -> Ring {
    let (mut tx, mut rx) = ring;
    for k in 0..VALUES as u64 {
        black_box(tx.push([k; 8]).is_ok());
    }
    while let Some(value) = rx.pop() {
        black_box(value);
    }
    (tx, rx)
}

fn log() -> Scratch {
    let mut log = Scratch::new().expect("a folder under TMPDIR");
    log.tend();
    log
}

#[library_benchmark(setup = log)]
fn journal(log: Scratch) -> Scratch {
    let mut log = log;
    let receipt = Record::Receipt(RECEIPT);
    for _ in 0..RECORDS {
        log.write(black_box(&receipt));
    }
    log
}

#[library_benchmark(setup = path::gateway)]
fn encode(gateway: OuchGateway) -> OuchGateway {
    let mut gateway = gateway;
    for token in 1..=PACKETS as u32 {
        black_box(gateway.encode(START, black_box(&desk::order(token))).is_ok());
    }
    gateway
}

fn whole() -> Path<Taker> {
    let journal = Scratch::new().expect("a folder under TMPDIR");
    let mut path = Path::new(Taker { beyond: 0 }, Some(journal)).sending(PACKETS);
    path.settle();
    path
}

#[library_benchmark(setup = whole)]
fn packet_to_order(path: Path<Taker>) -> Path<Taker> {
    let mut path = path;
    path.pass();
    path
}

library_benchmark_group!(
    name = stages,
    benchmarks = [decode, book, book_by_32, risk_gate, ring, journal, encode, packet_to_order]
);

main!(library_benchmark_groups = stages);
