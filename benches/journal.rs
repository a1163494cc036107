//! Records into the journal, as the hot thread appends them.
//!
//! | | each record |
//! |---|---|
//! | floor, memcpy | 64 bytes into the next place of a buffer of a segment's size |
//! | ours, receipt | `Record::Receipt` encoded and appended: 37 bytes, checksum, commit |
//! | ours, market | `Record::Market`, the most frequent one: 21 bytes |
//! | peer, rtrb push | 64 bytes pushed into a ring: what handing the record to a writing thread would cost the hot one |
//! | peer, tracing | an event with the receipt's six fields, formatted and handed to the thread of `tracing-appender` |
//!
//! The log lies under `TMPDIR` and is not synced by us. What `tracing`'s thread writes is thrown away, and what it cannot take in time is dropped: only the hot
//! side is compared.

use std::hint::black_box;

use colo::journal::Record;
use colo::latency::desk::RECEIPT;
use colo::latency::scratch::Scratch;
use criterion::Criterion;
use measure::{Role, Stage};
use model::{FeedId, Nanos};
use tracing_appender::non_blocking::NonBlockingBuilder;

const RECORDS: usize = 4_096;
/// Passes whose records are timed one by one.
const PASSES: usize = 64;
/// Buffer of the floor: as many lines as a segment of the log has.
const LINES: usize = (16 << 20) / 64;

fn main() {
    measure::run(&[journal]);
}

fn journal(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "journal record");

    let line = [7u64; 8];
    let mut buffer = (vec![[1u64; 8]; LINES], 0);
    let copy = |(buffer, at): &mut (Vec<[u64; 8]>, usize), k: usize| {
        buffer[*at + k] = *black_box(&line);
        black_box(buffer);
    };
    let on = |(_, at): &mut (Vec<[u64; 8]>, usize)| *at = (*at + RECORDS) % LINES;
    each(&mut stage, Role::Floor, "memcpy", &mut buffer, on, copy);

    let mut append = |name, record: Record| {
        let mut log = Scratch::new().expect("a folder under TMPDIR");
        let write = |log: &mut Scratch, _| log.write(black_box(&record));
        each(&mut stage, Role::Ours, name, &mut log, Scratch::tend, write);
    };
    append("receipt", Record::Receipt(RECEIPT));
    let now = Nanos(1_700_000_000_000_000_000);
    append("market", Record::Market { now, feed: FeedId(0), count: 3, first: 1 << 28 });

    let mut ring = rtrb::RingBuffer::<[u64; 8]>::new(RECORDS);
    let empty = |(_, rx): &mut (rtrb::Producer<_>, rtrb::Consumer<_>)| while rx.pop().is_ok() {};
    let push = |(tx, _): &mut (rtrb::Producer<_>, rtrb::Consumer<_>), _| {
        assert!(tx.push(*black_box(&line)).is_ok());
    };
    each(&mut stage, Role::Peer, "rtrb push", &mut ring, empty, push);

    let (writer, _guard) = NonBlockingBuilder::default().lossy(true).finish(std::io::sink());
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        let event = |(): &mut (), _| {
            let receipt = black_box(&RECEIPT);
            tracing::info!(
                token = receipt.token.0,
                gateway = receipt.gateway.0,
                received = receipt.received.0,
                decoded = receipt.decoded.0,
                decided = receipt.decided.0,
                sent = receipt.sent.0,
            );
        };
        each(&mut stage, Role::Peer, "tracing non-blocking", &mut (), |()| {}, event);
    });
}

/// A pass and its records one by one.
fn each<S>(
    stage: &mut Stage<'_>,
    role: Role,
    name: &str,
    state: &mut S,
    mut between: impl FnMut(&mut S),
    mut item: impl FnMut(&mut S, usize),
) {
    let pass = |state: &mut S| (0..RECORDS).for_each(|k| item(state, k));
    stage.time(role, name, RECORDS, state, &mut between, pass);
    stage.tails(role, name, (RECORDS, PASSES), state, between, item);
}
