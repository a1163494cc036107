//! Records into the journal, as the hot thread appends them.
//!
//! | | each record |
//! |---|---|
//! | floor, memcpy | 64 bytes into the next place of a buffer of a segment's size |
//! | ours, receipt | `Record::Receipt` encoded and appended: 37 bytes, checksum, commit |
//! | ours, market | `Record::Market`, the most frequent one: 21 bytes |
//! | peer, rtrb | 64 bytes pushed into a ring: what handing the record to a writing thread would cost the hot one |
//!
//! The log lies under `TMPDIR` and is not synced by us.

use std::hint::black_box;

use colo::journal::{Receipt, Record};
use colo::latency::scratch::Scratch;
use criterion::Criterion;
use measure::{Role, Stage};
use model::{FeedId, GatewayId, Nanos, Token};

const RECORDS: usize = 4_096;
/// Buffer of the floor: as many lines as a segment of the log has.
const LINES: usize = (16 << 20) / 64;

fn main() {
    measure::run(&[journal]);
}

fn journal(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "journal record");

    let line = [7u64; 8];
    let mut buffer = (vec![[1u64; 8]; LINES], 0);
    stage.time(
        Role::Floor,
        "memcpy",
        RECORDS,
        &mut buffer,
        |_| {},
        |(buffer, at)| {
            for to in &mut buffer[*at..*at + RECORDS] {
                *to = *black_box(&line);
            }
            *at = (*at + RECORDS) % LINES;
            black_box(buffer);
        },
    );

    let receipt = Record::Receipt(Receipt {
        token: Token(7),
        gateway: GatewayId(0),
        received: Nanos(1_700_000_000_000_000_000),
        decoded: Nanos(1_700_000_000_000_000_200),
        decided: Nanos(1_700_000_000_000_000_700),
        sent: Nanos(1_700_000_000_000_003_000),
    });
    append(&mut stage, "receipt", receipt);
    let now = Nanos(1_700_000_000_000_000_000);
    append(&mut stage, "market", Record::Market { now, feed: FeedId(0), count: 3, first: 1 << 28 });

    let mut ring = rtrb::RingBuffer::<[u64; 8]>::new(RECORDS);
    stage.time(
        Role::Peer,
        "rtrb push",
        RECORDS,
        &mut ring,
        |(_, rx)| while rx.pop().is_ok() {},
        |(tx, _)| {
            for _ in 0..RECORDS {
                assert!(tx.push(*black_box(&line)).is_ok());
            }
        },
    );
}

fn append(stage: &mut Stage<'_>, name: &str, record: Record) {
    let pass = |log: &mut Scratch| {
        for _ in 0..RECORDS {
            log.write(black_box(&record));
        }
    };
    stage.time(
        Role::Ours,
        name,
        RECORDS,
        &mut Scratch::new().expect("a folder under TMPDIR"),
        Scratch::tend,
        pass,
    );
}
