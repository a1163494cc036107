//! Reading the time.
//!
//! | | each read |
//! |---|---|
//! | floor, counter | the processor's counter alone, by `quanta` |
//! | ours, Clock::now | ns since the Unix epoch, never going back |
//! | peers | the standard library's two clocks (`clock_gettime` by the vDSO), `quanta`'s own |

use std::hint::black_box;
use std::time::{Instant, SystemTime};

use colo::clock::Clock;
use criterion::Criterion;
use measure::{Role, Stage};

const READS: usize = 1_024;

fn main() {
    measure::run(&[clock]);
}

fn clock(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "clock read");
    let counter = quanta::Clock::new();
    let ours = Clock::new();
    read(&mut stage, Role::Floor, "counter", || counter.raw());
    read(&mut stage, Role::Ours, "Clock now", || ours.now());
    read(&mut stage, Role::Peer, "std Instant", Instant::now);
    read(&mut stage, Role::Peer, "std SystemTime", SystemTime::now);
    read(&mut stage, Role::Peer, "quanta", || counter.now());
}

fn read<T>(stage: &mut Stage<'_>, role: Role, name: &str, now: impl Fn() -> T) {
    let pass = |(): &mut ()| {
        for _ in 0..READS {
            black_box(now());
        }
    };
    stage.time(role, name, READS, &mut (), |()| {}, pass);
}
