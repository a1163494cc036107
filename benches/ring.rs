//! Values of one cache line from one thread to another.
//!
//! Round trip, each (there and back: two hops):
//!
//! | | |
//! |---|---|
//! | floor, cache line | the value itself, its last word saying that it is new: one line there, one back |
//! | ours, spsc | `ringbuf::spsc`, a push and a pop each way |
//! | peers | `rtrb`, which ours is made of; `ringbuf` of crates.io; `disruptor`, one producer and a polled consumer; `crossbeam` bounded; `sync_channel` of std |
//!
//! Stream, each value:
//!
//! | | |
//! |---|---|
//! | floor, memcpy | copied from one buffer to another by one thread |
//! | ours, spsc; spsc batch | one at a time; 32 published at once and drained |
//! | peers | the same, one at a time, and 32 at once where they have a way to |
//!
//! All wait the same way, by looking again (`sync_channel` too: blocking it would add a wake-up by the kernel). The two threads are
//! pinned to the first two cores that the process may use; where these share their execution units, or other work runs on
//! them, that is what is measured. With one core only there is nothing to see.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;

use colo::latency::rings::{Far, Line, Value, pause, pin};
use criterion::Criterion;
use disruptor::{BusySpin, EventGuard, Producer as _, build_single_producer};
use measure::{Role, Stage};
use ringbuf::spsc;
use ringbuf_rs::HeapRb;
use ringbuf_rs::traits::{Consumer as _, Producer as _, Split as _};

const ROUND_TRIPS: usize = 256;
/// Passes whose round trips are timed one by one.
const PASSES: usize = 400;
const VALUES: usize = 8_192;
const BATCH: usize = 32;
const SLOTS: usize = 1_024;

fn main() {
    pin(0);
    measure::run(&[round_trip, stream]);
}

fn round_trip(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "ring round trip");

    let lines = Arc::new([Line::default(), Line::default()]);
    let (theirs, mut echoed, mut seen) = (Arc::clone(&lines), 0, 0);
    let echo = move || {
        let Some(value) = theirs[0].take(echoed) else { return false };
        echoed = value[7];
        theirs[1].put(value);
        true
    };
    let answer = || lines[1].take(seen).inspect(|value| seen = value[7]);
    there_and_back(&mut stage, Role::Floor, "cache line", echo, |v| lines[0].put(v), answer);

    let (mut tx, mut far_rx) = spsc::channel::<Value>(SLOTS);
    let (mut far_tx, mut rx) = spsc::channel::<Value>(SLOTS);
    let echo = move || far_rx.pop().is_some_and(|value| far_tx.push(value).is_ok());
    there_and_back(&mut stage, Role::Ours, "spsc", echo, |v| assert!(tx.push(v).is_ok()), || rx.pop());

    let (mut tx, mut far_rx) = rtrb::RingBuffer::<Value>::new(SLOTS);
    let (mut far_tx, mut rx) = rtrb::RingBuffer::<Value>::new(SLOTS);
    let echo = move || far_rx.pop().is_ok_and(|value| far_tx.push(value).is_ok());
    there_and_back(&mut stage, Role::Peer, "rtrb", echo, |v| assert!(tx.push(v).is_ok()), || rx.pop().ok());

    let (mut tx, mut far_rx) = HeapRb::<Value>::new(SLOTS).split();
    let (mut far_tx, mut rx) = HeapRb::<Value>::new(SLOTS).split();
    let echo = move || far_rx.try_pop().is_some_and(|value| far_tx.try_push(value).is_ok());
    let send = |v| assert!(tx.try_push(v).is_ok());
    there_and_back(&mut stage, Role::Peer, "ringbuf", echo, send, || rx.try_pop());

    let (mut far_rx, near) = build_single_producer(SLOTS, Value::default, BusySpin).new_event_poller();
    let (mut rx, far) = build_single_producer(SLOTS, Value::default, BusySpin).new_event_poller();
    let (mut tx, mut far_tx) = (near.build(), far.build());
    let echo = move || {
        let Ok(mut values) = far_rx.poll() else { return false };
        (&mut values).all(|value| far_tx.try_publish(|slot| *slot = *value).is_ok())
    };
    let send = |v| assert!(tx.try_publish(|slot| *slot = v).is_ok());
    // One value is on its way at a time, so the first one is all there is.
    let answer = || rx.poll().ok().and_then(|mut values| (&mut values).next().copied());
    there_and_back(&mut stage, Role::Peer, "disruptor", echo, send, answer);

    let (tx, far_rx) = crossbeam_channel::bounded::<Value>(SLOTS);
    let (far_tx, rx) = crossbeam_channel::bounded::<Value>(SLOTS);
    let echo = move || far_rx.try_recv().is_ok_and(|value| far_tx.try_send(value).is_ok());
    let send = |v| assert!(tx.try_send(v).is_ok());
    there_and_back(&mut stage, Role::Peer, "crossbeam bounded", echo, send, || rx.try_recv().ok());

    let (tx, far_rx) = sync_channel::<Value>(SLOTS);
    let (far_tx, rx) = sync_channel::<Value>(SLOTS);
    let echo = move || far_rx.try_recv().is_ok_and(|value| far_tx.try_send(value).is_ok());
    let send = |v| assert!(tx.try_send(v).is_ok());
    there_and_back(&mut stage, Role::Peer, "std sync_channel", echo, send, || rx.try_recv().ok());
}

fn there_and_back(
    stage: &mut Stage<'_>,
    role: Role,
    name: &str,
    echo: impl FnMut() -> bool + Send + 'static,
    mut send: impl FnMut(Value),
    mut receive: impl FnMut() -> Option<Value>,
) {
    let _far = Far::start(echo);
    let mut there = |number: &mut u64, _: usize| {
        *number += 1;
        send([*number; 8]);
        let mut idle = 0;
        let back = loop {
            match receive() {
                Some(value) => break value,
                None => pause(&mut idle),
            }
        };
        assert_eq!(back, [*number; 8]);
    };
    let mut number = 0;
    let pass = |number: &mut u64| (0..ROUND_TRIPS).for_each(|k| there(number, k));
    stage.time(role, name, ROUND_TRIPS, &mut number, |_| {}, pass);
    stage.tails(role, name, (ROUND_TRIPS, PASSES), &mut number, |_| {}, there);
}

fn stream(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "ring stream value");

    let from: Vec<Value> = (0..VALUES as u64).map(|k| [k; 8]).collect();
    let copy = |to: &mut Vec<Value>| {
        for (to, from) in to.iter_mut().zip(&from) {
            *to = *black_box(from);
        }
        black_box(to);
    };
    stage.time(Role::Floor, "memcpy", VALUES, &mut vec![[0; 8]; VALUES], |_| {}, copy);

    let (mut tx, mut rx) = spsc::channel::<Value>(SLOTS);
    let take = move || usize::from(rx.pop().map(black_box).is_some());
    one_way(&mut stage, Role::Ours, "spsc", take, |first| usize::from(tx.push([first; 8]).is_ok()));

    let (mut tx, mut rx) = spsc::channel::<Value>(SLOTS);
    let take = move || {
        rx.drain(SLOTS, |value| {
            black_box(*value);
        })
    };
    one_way(&mut stage, Role::Ours, "spsc batch", take, |first| match tx.push_all(&batch(first)) {
        Ok(()) => BATCH,
        Err(_) => 0,
    });

    let (mut tx, mut rx) = rtrb::RingBuffer::<Value>::new(SLOTS);
    let take = move || usize::from(rx.pop().map(black_box).is_ok());
    one_way(&mut stage, Role::Peer, "rtrb", take, |first| usize::from(tx.push([first; 8]).is_ok()));

    let (mut tx, mut rx) = rtrb::RingBuffer::<Value>::new(SLOTS);
    let take = move || {
        let Ok(chunk) = rx.read_chunk(rx.slots()) else { return 0 };
        let (a, b) = chunk.as_slices();
        for value in a.iter().chain(b) {
            black_box(*value);
        }
        let taken = chunk.len();
        chunk.commit_all();
        taken
    };
    let send = |first| match tx.push_entire_slice(&batch(first)) {
        Ok(()) => BATCH,
        Err(_) => 0,
    };
    one_way(&mut stage, Role::Peer, "rtrb batch", take, send);

    let (mut tx, mut rx) = HeapRb::<Value>::new(SLOTS).split();
    let take = move || usize::from(rx.try_pop().map(black_box).is_some());
    let send = |first| usize::from(tx.try_push([first; 8]).is_ok());
    one_way(&mut stage, Role::Peer, "ringbuf", take, send);

    let (mut tx, mut rx) = HeapRb::<Value>::new(SLOTS).split();
    let take = move || {
        let mut n = 0;
        for value in rx.pop_iter() {
            black_box(value);
            n += 1;
        }
        n
    };
    one_way(&mut stage, Role::Peer, "ringbuf batch", take, |first| tx.push_slice(&batch(first)));

    let (mut rx, near) = build_single_producer(SLOTS, Value::default, BusySpin).new_event_poller();
    let mut tx = near.build();
    let take = move || rx.poll().map_or(0, taken);
    let send = |first| usize::from(tx.try_publish(|slot| *slot = [first; 8]).is_ok());
    one_way(&mut stage, Role::Peer, "disruptor", take, send);

    let (mut rx, near) = build_single_producer(SLOTS, Value::default, BusySpin).new_event_poller();
    let mut tx = near.build();
    let take = move || rx.poll().map_or(0, taken);
    let send = |first| {
        let fill = tx.try_batch_publish(BATCH, |slots| {
            for (slot, value) in slots.zip(batch(first)) {
                *slot = value;
            }
        });
        if fill.is_ok() { BATCH } else { 0 }
    };
    one_way(&mut stage, Role::Peer, "disruptor batch", take, send);

    let (tx, rx) = crossbeam_channel::bounded::<Value>(SLOTS);
    let take = move || usize::from(rx.try_recv().map(black_box).is_ok());
    let send = |first| usize::from(tx.try_send([first; 8]).is_ok());
    one_way(&mut stage, Role::Peer, "crossbeam bounded", take, send);

    let (tx, rx) = sync_channel::<Value>(SLOTS);
    let take = move || usize::from(rx.try_recv().map(black_box).is_ok());
    let send = |first| usize::from(tx.try_send([first; 8]).is_ok());
    one_way(&mut stage, Role::Peer, "std sync_channel", take, send);
}

/// Reads what was polled; how many there were.
fn taken<B>(mut values: EventGuard<'_, Value, B>) -> usize {
    let mut n = 0;
    for value in &mut values {
        black_box(*value);
        n += 1;
    }
    n
}

fn batch(first: u64) -> [Value; BATCH] {
    std::array::from_fn(|k| [first + k as u64; 8])
}

/// `send` gets the next number and tells how many values it sent; `take` how many it took. A pass ends when the last one was taken.
fn one_way(
    stage: &mut Stage<'_>,
    role: Role,
    name: &str,
    mut take: impl FnMut() -> usize + Send + 'static,
    mut send: impl FnMut(u64) -> usize,
) {
    let taken = Arc::new(Line::default());
    let told = Arc::clone(&taken);
    let mut total = 0;
    let _far = Far::start(move || {
        let n = take() as u64;
        total += n;
        if n != 0 {
            told.0[0].store(total, Ordering::Release);
        }
        n != 0
    });
    let pass = |sent: &mut u64| {
        let end = *sent + VALUES as u64;
        let mut idle = 0;
        while *sent < end {
            match send(*sent) {
                0 => pause(&mut idle),
                n => *sent += n as u64,
            }
        }
        while taken.0[0].load(Ordering::Acquire) < end {
            pause(&mut idle);
        }
    };
    stage.time(role, name, VALUES, &mut 0, |_| {}, pass);
}
