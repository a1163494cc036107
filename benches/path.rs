//! One packet's bytes to one order's bytes ([`colo::latency::path`]).
//!
//! | | each packet |
//! |---|---|
//! | floor, clock read | `Clock::now` once: nothing with a receive stamp is cheaper |
//! | ours, to the book | the packet ends in a changed book; the strategy wants nothing |
//! | ours, to an order | the packet ends in an order in the transmit buffer, the input and the command journaled before |
//! | ours, to an order, journal off | the same without the two records |
//!
//! A single packet is timed until the order's bytes are there; what is counted behind it, before the next packet, is in the time of many.

use std::hint::black_box;

use colo::clock::Clock;
use colo::latency::desk::Taker;
use colo::latency::path::{PACKETS, Path};
use colo::latency::scratch::Scratch;
use criterion::Criterion;
use engine::strategy::{Observer, Strategy};
use measure::{Role, Stage};

/// Passes whose packets are timed one by one.
const PASSES: usize = 400;

fn main() {
    measure::run(&[path]);
}

fn path(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "path packet");
    let read = |clock: &mut Clock| {
        for _ in 0..PACKETS {
            black_box(clock.now());
        }
    };
    stage.time(Role::Floor, "clock read", PACKETS, &mut Clock::new(), |_| {}, read);
    let read = |clock: &mut Clock, _| {
        black_box(clock.now());
    };
    stage.tails(Role::Floor, "clock read", (PACKETS, PASSES), &mut Clock::new(), |_| {}, read);
    let journal = || Some(Scratch::new().expect("a folder under TMPDIR"));
    time(&mut stage, "to the book", &mut Path::new(Observer, journal()).sending(0));
    time(&mut stage, "to an order", &mut Path::new(Taker { beyond: 0 }, journal()).sending(PACKETS));
    let mut unjournaled = Path::new(Taker { beyond: 0 }, None).sending(PACKETS);
    time(&mut stage, "to an order, journal off", &mut unjournaled);
}

fn time<S: Strategy>(stage: &mut Stage<'_>, name: &str, path: &mut Path<S>) {
    stage.time(Role::Ours, name, PACKETS, path, Path::settle, Path::pass);
    let item = (Path::on_packet, Path::account);
    stage.tails_until(Role::Ours, name, (PACKETS, PASSES), path, Path::settle, item);
}
