//! How every stage is timed, so that the figures of one group can be divided by each other.
//!
//! ```text
//!   pass:  [between]  |start ... items ... stop|  [between]  |start ... items ... stop|  ..
//!           untimed     one clock read a side      untimed
//! ```
//!
//! * **One iteration is one item** (a message, an event, a record): criterion's ns are ns an item. Items are done in passes of a
//!   fixed number, long enough that reading the clock does not count, and a sample is one or more whole passes.
//! * A sample lasts a few milliseconds: on a busy machine many samples then pass without being preempted, and the median is
//!   of those. It is a figure of warm caches, hence a lower bound: tails are not measured here.
//! * Each group has a floor (the same bytes and no work), ours, and a peer where there is one; `scripts/bench` divides.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};

/// Samples of one benchmark.
const SAMPLES: usize = 60;
/// Time spent on them, about: 5 ms each.
const MEASURE: Duration = Duration::from_millis(300);
/// Time spent before them.
const WARM_UP: Duration = Duration::from_millis(150);

/// Runs the groups of one file; the command line changes the times (`--sample-size`, `--measurement-time`), picks and tests.
pub fn run(stages: &[fn(&mut Criterion)]) {
    let times = Criterion::default().sample_size(SAMPLES).measurement_time(MEASURE).warm_up_time(WARM_UP);
    let mut criterion = times.configure_from_args();
    for stage in stages {
        stage(&mut criterion);
    }
    criterion.final_summary();
}

/// What a figure is for.
#[derive(Clone, Copy)]
pub enum Role {
    /// The same bytes, no work.
    Floor,
    /// This repository's.
    Ours,
    /// Somebody else's, or the plain way.
    Peer,
}

/// One group of figures.
pub struct Stage<'a>(BenchmarkGroup<'a, WallTime>);

impl<'a> Stage<'a> {
    /// A group; the name ends with what one item is.
    pub fn new(criterion: &'a mut Criterion, name: &str) -> Stage<'a> {
        let mut group = criterion.benchmark_group(name);
        // Passes have one length, so samples have too.
        group.sampling_mode(SamplingMode::Flat);
        Stage(group)
    }

    /// Times `pass`, which does `items` items, with `between` before each and not timed.
    pub fn time<S>(
        &mut self,
        role: Role,
        name: &str,
        items: usize,
        state: &mut S,
        mut between: impl FnMut(&mut S),
        mut pass: impl FnMut(&mut S),
    ) {
        let role = match role {
            Role::Floor => "floor",
            Role::Ours => "ours",
            Role::Peer => "peer",
        };
        self.0.bench_function(BenchmarkId::new(role, name), |bencher| {
            bencher.iter_custom(|iterations| {
                let passes = iterations.div_ceil(items as u64);
                let mut timed = Duration::ZERO;
                for _ in 0..passes {
                    between(state);
                    let start = Instant::now();
                    pass(state);
                    timed += start.elapsed();
                }
                timed.mul_f64(iterations as f64 / (passes * items as u64) as f64)
            });
        });
    }
}
