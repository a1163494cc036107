//! A book that may be wrong never looks right: whole days of the simulated venue through channel, decoder and engine in virtual time, seeded, over lines that
//! lose up to 10 %, double up to 50 %, reorder by 64, fall silent for a second, alone and together, and lose the same packets; with re-request servers that
//! answer late, in part, seldom or never, and snapshots that are refused, cut, slow or hang.
//!
//! After every message: an instrument that is valid has the venue's book as of that message, and the core has all that the lines have told of. In each calm: every
//! instrument is valid and its book is the venue's own. That the check can fail is proved by channels that are broken on purpose.
//!
//! * `COLO_T2_MESSAGES=100000000` says how many messages; `scripts/drill-feed` runs it optimised.
//! * `SEED=n` runs that day alone.

mod core;
mod day;
#[path = "../exchange_support/mod.rs"]
mod exchange_support;
mod glimpse;
mod judge;
mod weather;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::core::Lie;
use day::{Day, Ran};

/// Messages of a day at least.
const DAY: u64 = 400_000;
/// Messages without `COLO_T2_MESSAGES`: what a test run can spare.
const MESSAGES: u64 = 2_000_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number is wanted")))
}

fn day(seed: u64, lie: Option<Lie>) -> Result<Ran, String> {
    Day::new(seed, lie).run(DAY)
}

#[test]
fn a_valid_book_is_the_venues_after_every_message() {
    let messages = number("COLO_T2_MESSAGES").unwrap_or(MESSAGES);
    let seeds = number("SEED").map_or(1..u64::MAX, |seed| seed..seed + 1);
    let (next, sum) = (AtomicU64::new(seeds.start), Mutex::new(Ran::default()));
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while sum.lock().unwrap().messages < messages {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    let ran = day(seed, None).unwrap_or_else(|fault| panic!("SEED={seed}: {fault}"));
                    sum.lock().unwrap().add(ran);
                }
            });
        }
    });
    let ran = sum.into_inner().unwrap();
    let rate = ran.messages as f64 / began.elapsed().as_secs_f64();
    let last = next.into_inner() - 1;
    println!("seeds {} to {last}, {rate:.0} messages/s on {threads} threads: {ran:?}", seeds.start);
    if number("SEED").is_none() {
        assert!(ran.messages >= messages);
        assert!(ran.compared > ran.messages, "five instruments, and hardly ever valid: {ran:?}");
        let all = [ran.gaps, ran.requests, ran.snapshots, ran.snapshots_failed, ran.whole, ran.calms];
        assert!(all.iter().all(|n| *n > 0), "the weather was too good to prove anything: {ran:?}");
    }
}

#[test]
fn a_channel_that_is_broken_on_purpose_is_caught() {
    for (lie, words) in [
        (Lie::SkipsGap, "valid"),
        (Lie::DropsOfOverlap, "valid, before message"),
        (Lie::SyncsInGap, "and the lines are at"),
        (Lie::SyncsInSnapshot, "valid, before message"),
    ] {
        let mut caught = 0;
        for seed in 1..=6 {
            // On a quiet day it may be about nothing that a book shows.
            if let Err(fault) = day(seed, Some(lie)) {
                assert!(fault.contains(words), "{lie:?} SEED={seed}: {fault}");
                caught += 1;
            }
        }
        assert!(caught >= 4, "{lie:?} was caught on {caught} days of 6");
    }
}
