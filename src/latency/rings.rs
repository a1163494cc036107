//! Values of one cache line from one thread to another, and back.
//!
//! | | there and back |
//! |---|---|
//! | floor, cache line | the value itself, its last word saying that it is new: one line there, one back |
//! | ring | [`ringbuf::spsc`], a push and a pop each way |
//!
//! The two threads are pinned to the first two cores that the process may use; where these share their execution units, or other work runs on
//! them, that is what is measured. A hop is half of the way there and back. With one core only there is nothing to see, and no row.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use model::Nanos;
use ringbuf::spsc;

use super::Row;
use super::open_loop::{Timed, open_loop};
use crate::host;

/// One cache line.
pub type Value = [u64; 8];

const SLOTS: usize = 1_024;
/// Between two values.
const EVERY: Nanos = Nanos(2_000);

/// The ring beside the cache line.
#[must_use]
pub fn run(values: usize) -> Vec<Row> {
    if host::available_core_count() < 2 {
        return Vec::new();
    }
    // A thread of its own, so that the caller's is not moved.
    let rows = thread::spawn(move || {
        pin(0);
        let floor = cache_line(values);
        vec![Row::new("ring_round_trip", &ring(values), &floor)]
    });
    rows.join().unwrap_or_default()
}

fn cache_line(values: usize) -> Timed {
    let lines = Arc::new([Line::default(), Line::default()]);
    let (theirs, mut echoed, mut seen) = (Arc::clone(&lines), 0, 0);
    let _far = Far::start(move || {
        let Some(value) = theirs[0].take(echoed) else { return false };
        echoed = value[7];
        theirs[1].put(value);
        true
    });
    let answer = || lines[1].take(seen).inspect(|value| seen = value[7]);
    there_and_back(values, |v| lines[0].put(v), answer)
}

fn ring(values: usize) -> Timed {
    let (mut tx, mut far_rx) = spsc::channel::<Value>(SLOTS);
    let (mut far_tx, mut rx) = spsc::channel::<Value>(SLOTS);
    let _far = Far::start(move || far_rx.pop().is_some_and(|value| far_tx.push(value).is_ok()));
    let send = |v| {
        // One value is on its way at a time, so there is room.
        let _ = tx.push(v);
    };
    there_and_back(values, send, || rx.pop())
}

fn there_and_back(
    values: usize,
    mut send: impl FnMut(Value),
    mut receive: impl FnMut() -> Option<Value>,
) -> Timed {
    let mut number = 0;
    open_loop(
        &mut number,
        values,
        values,
        EVERY,
        |_| {},
        |number, _| {
            *number += 1;
            send([*number; 8]);
            let mut idle = 0;
            while receive().is_none() {
                pause(&mut idle);
            }
        },
    )
}

/// Puts this thread onto the `nth` core that the process may use, if there is one.
pub fn pin(nth: usize) {
    // Asked once, before the first thread is pinned: those that it starts inherit its one core.
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    if let Some(core) = CORES.get_or_init(host::allowed_cores).get(nth) {
        // Where it is refused, the thread runs where it runs, and that is measured.
        let _ = host::pin_to(*core);
    }
}

/// Waits a moment; now and then in favour of whoever else wants this core.
pub fn pause(idle: &mut u32) {
    *idle = idle.wrapping_add(1);
    if idle.is_multiple_of(4_096) {
        thread::yield_now();
    } else {
        spin_loop();
    }
}

/// The other thread: does its turn again and again until this is dropped.
pub struct Far {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Far {
    /// `turn` tells whether there was something to do.
    #[must_use]
    pub fn start(mut turn: impl FnMut() -> bool + Send + 'static) -> Far {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let body = move || {
            pin(1);
            let mut idle = 0;
            while !stopped.load(Ordering::Relaxed) {
                if !turn() {
                    pause(&mut idle);
                }
            }
        };
        Far { stop, thread: Some(thread::spawn(body)) }
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.thread.take().map(JoinHandle::join);
        debug_assert!(matches!(joined, Some(Ok(()))), "the other thread panicked");
    }
}

/// A line that one thread writes and one reads; two lines apart from any other, for the prefetcher takes pairs.
#[derive(Default)]
#[repr(align(128))]
pub struct Line(pub [AtomicU64; 8]);

impl Line {
    #[inline]
    /// Makes the value whole, its last word last.
    pub fn put(&self, value: Value) {
        let [words @ .., last] = &self.0;
        for (word, v) in words.iter().zip(value) {
            word.store(v, Ordering::Relaxed);
        }
        // Release: whoever sees the last word sees the others.
        last.store(value[7], Ordering::Release);
    }

    /// The value, if its last word is not the one seen before.
    #[inline]
    pub fn take(&self, seen: u64) -> Option<Value> {
        // Acquire: partner of the release in `put`.
        if self.0[7].load(Ordering::Acquire) == seen {
            return None;
        }
        Some(std::array::from_fn(|k| self.0[k].load(Ordering::Relaxed)))
    }
}
