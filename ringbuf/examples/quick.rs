//! What the hot calls cost, in a tight loop: a first look, not a benchmark (those are in `benches/`).
//!
//! `cargo run --release -p ringbuf --example quick [folder for the log]`
#![allow(clippy::print_stdout)]

use ringbuf::cell::SeqCell;
use ringbuf::counters::Counters;
use ringbuf::histogram::{self, Histogram};
use ringbuf::log::{self, LogConfig, SyncPolicy};
use ringbuf::spsc;
use ringbuf::words::Words;
use std::hint::black_box;
use std::time::Instant;

const BATCH: u64 = 100;

/// Nanoseconds a call, over batches of 100 so that the clock does not count: p50, p99, largest.
fn measure(name: &str, batches: usize, mut call: impl FnMut(u64), mut between: impl FnMut()) {
    let mut times: Vec<u64> = (0..batches as u64)
        .map(|batch| {
            between();
            let start = Instant::now();
            for n in 0..BATCH {
                call(batch * BATCH + n);
            }
            start.elapsed().as_nanos() as u64
        })
        .collect();
    times.sort_unstable();
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize] as f64 / BATCH as f64;
    println!("{name:28} p50 {:7.1}  p99 {:7.1}  max {:9.1} ns", at(0.5), at(0.99), at(1.0));
}

fn main() -> Result<(), log::LogError> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    for size in [0, 16, 32, 64, 128, 256] {
        let dir = folder.join(format!("ringbuf-quick-{}-{size}", std::process::id()));
        let cfg = LogConfig {
            dir: dir.clone(),
            segment_bytes: 64 << 20,
            reserve_bytes: 1 << 20,
            sync: SyncPolicy::Off,
        };
        let (mut writer, mut keeper) = log::create(cfg)?;
        let payload = vec![7; size];
        let append = |_| {
            black_box(writer.append(1, black_box(&payload)).ok());
        };
        // In life the keeper is on another core: rarely here, so that it does not cool the caches each time.
        let mut batch = 0u32;
        measure(&format!("log append {size} bytes"), 10_000, append, || {
            if batch.is_multiple_of(500) {
                black_box(keeper.tend().ok());
            }
            batch += 1;
        });
        let parts = payload.split_at(size / 3);
        let append = |_| {
            black_box(writer.append_parts(1, black_box(&[parts.0, parts.1])).ok());
        };
        measure("  in two parts", 10_000, append, || {
            if batch.is_multiple_of(500) {
                black_box(keeper.tend().ok());
            }
            batch += 1;
        });
        drop((writer, keeper));
        std::fs::remove_dir_all(&dir).ok();
    }

    let (mut tx, mut rx) = spsc::channel::<[u64; 8]>(1024);
    let push = |n| {
        black_box(tx.push([n; 8]).ok());
    };
    measure("spsc push 64 bytes", 20_000, push, || {
        rx.drain(usize::MAX, |value| {
            black_box(value);
        });
    });

    let mut cell = SeqCell::<8>::over(Words::zeroed(9)).expect("nine words");
    measure("cell store 64 bytes", 20_000, |n| cell.store(black_box([n; 8])), || {});
    let reader = cell.reader();
    let load = |_| {
        black_box(reader.load());
    };
    measure("cell load 64 bytes", 20_000, load, || {});
    let mut counters = Counters::over(Words::zeroed(8));
    measure("counter add", 20_000, |n| counters.add(black_box(3), n), || {});
    let mut histogram = Histogram::over(Words::zeroed(histogram::WORDS)).expect("enough words");
    measure("histogram record", 20_000, |n| histogram.record(black_box(n * 97 % 100_000)), || {});
    Ok(())
}
