//! How every stage is timed, so that the figures of one group can be divided by each other.
//!
//! ```text
//!   time    [between]  |start ... items ... stop|  [between]  |start ... items ... stop|  ..     ns an item: half of the samples took less
//!   tails   [between]  |item| |item| |item| |item| ..  each between two looks at the counter     p50 p99 p99.9, without what a look costs
//!   day     [begin]    |start ........ all items ........ stop|  as often as is said             ns an item: the middle one
//! ```
//!
//! * **One iteration is one item** (a message, an event, a record): criterion's ns are ns an item. Items are done in passes of a
//!   fixed number, long enough that reading the clock does not count, and a sample is one or more whole passes.
//! * A sample lasts a few milliseconds: on a busy machine many samples then pass without being preempted, and the median is
//!   of those. It is a figure of warm caches, hence a lower bound.
//! * Tails are of single items. A look at the counter is timed as often, back to back, and the median of that is taken off each figure.
//! * A day is too long to be repeated as criterion would, and its caches are not warm: that is what it is for. It is timed by the thread's own clock, which
//!   stands still while somebody else has the core.
//! * Each group has a floor (the same bytes and no work), ours, and a peer where there is one; `scripts/bench` divides. It finds what is
//!   not criterion's in [`figure`]'s files.

#[cfg(feature = "hftbacktest")]
pub mod depth;
pub mod figure;
pub mod mix;
pub mod tails;

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};
use figure::Place;
use rustix::time::{ClockId, clock_gettime};

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

/// Whether each is run once only, to see that it runs.
#[must_use]
pub fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// `whole`, or `part` of it where nothing is measured.
#[must_use]
pub fn unless_test(whole: usize, part: usize) -> usize {
    if is_test() { part } else { whole }
}

/// What a figure is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The same bytes, no work.
    Floor,
    /// This repository's.
    Ours,
    /// Somebody else's, or the plain way.
    Peer,
}

impl Role {
    /// As the figures' folders are called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::Floor => "floor",
            Role::Ours => "ours",
            Role::Peer => "peer",
        }
    }
}

/// One group of figures.
pub struct Stage<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    name: String,
}

impl<'a> Stage<'a> {
    /// A group; the name ends with what one item is.
    pub fn new(criterion: &'a mut Criterion, name: &str) -> Stage<'a> {
        let mut group = criterion.benchmark_group(name);
        // Passes have one length, so samples have too.
        group.sampling_mode(SamplingMode::Flat);
        Stage { group, name: name.to_owned() }
    }

    fn place<'p>(&'p self, role: Role, name: &'p str) -> Place<'p> {
        Place { group: &self.name, role: role.word(), name }
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
        let once = |state: &mut S| {
            between(state);
            let start = Instant::now();
            pass(state);
            start.elapsed()
        };
        self.sample(role, name, items, state, once);
    }

    /// Times by how much longer `pass` takes on the second state than on the first, with `between` before each; `items` is how many items only the
    /// second one does.
    pub fn difference<S>(
        &mut self,
        role: Role,
        name: &str,
        items: usize,
        states: &mut [S; 2],
        mut between: impl FnMut(&mut S),
        mut pass: impl FnMut(&mut S),
    ) {
        let mut once = |state: &mut S| {
            between(state);
            let start = Instant::now();
            pass(state);
            start.elapsed()
        };
        let both = |[without, with]: &mut [S; 2]| {
            let without = once(without);
            once(with).saturating_sub(without)
        };
        self.sample(role, name, items, states, both);
    }

    fn sample<S>(
        &mut self,
        role: Role,
        name: &str,
        items: usize,
        state: &mut S,
        mut once: impl FnMut(&mut S) -> Duration,
    ) {
        self.group.bench_function(BenchmarkId::new(role.word(), name), |bencher| {
            bencher.iter_custom(|iterations| {
                let passes = iterations.div_ceil(items as u64);
                let timed: Duration = (0..passes).map(|_| once(state)).sum();
                timed.mul_f64(iterations as f64 / (passes * items as u64) as f64)
            });
        });
    }

    /// Times each of `passes` times `items` items by itself; `item` is told the how-manieth of its pass it is.
    pub fn tails<S>(
        &mut self,
        role: Role,
        name: &str,
        (items, passes): (usize, usize),
        state: &mut S,
        between: impl FnMut(&mut S),
        item: impl FnMut(&mut S, usize),
    ) {
        self.tails_until(role, name, (items, passes), state, between, (item, |_| {}));
    }

    /// The same of items that leave something to be done behind each, which is not timed.
    pub fn tails_until<S>(
        &mut self,
        role: Role,
        name: &str,
        (items, passes): (usize, usize),
        state: &mut S,
        between: impl FnMut(&mut S),
        (item, after): (impl FnMut(&mut S, usize), impl FnMut(&mut S)),
    ) {
        let place = self.place(role, name);
        if place.is_wanted() {
            let count = (items, unless_test(passes, 1));
            place.note_tails(&tails::each(count, state, between, item, after));
        }
    }

    /// Times all of `items` items in one go, `times` times and each after `begin`, which is not timed; by this thread's own time.
    pub fn day<S>(
        &mut self,
        role: Role,
        name: &str,
        (items, times): (usize, usize),
        state: &mut S,
        mut begin: impl FnMut(&mut S),
        mut day: impl FnMut(&mut S),
    ) {
        let place = self.place(role, name);
        if !place.is_wanted() {
            return;
        }
        let once = |_| {
            begin(state);
            let start = own_ns();
            day(state);
            (own_ns() - start) as f64 / items as f64
        };
        place.note_days((0..unless_test(times, 1)).map(once).collect());
    }
}

/// How long this thread has run, ns.
fn own_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
