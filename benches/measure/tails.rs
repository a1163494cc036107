//! Single items between two looks at the processor's counter.
//!
//! A counter may move in steps of many ticks (on some virtual machines of 10 ns): what is shorter than a step is 0 or one. The step is told with the figures.
//!
//! Times are kept in ticks, in the order they were taken, and are looked at afterwards: no histogram is touched between two items.

use std::hint::black_box;

use quanta::Clock;

/// Looks at the counter that tell what one costs.
const LOOKS: usize = 100_000;

/// What each item took.
#[derive(Clone, Debug)]
pub struct Tails {
    /// Ticks, sorted.
    ticks: Vec<u32>,
    /// Ticks that a look costs.
    clock: u32,
    /// Ticks that the counter moves by, as far as the looks show.
    step: u32,
    ns_per_tick: f64,
}

impl Tails {
    /// So many of all items took at most this, ns; without what the clock costs. 0 of none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        let last = self.ticks.len().saturating_sub(1);
        let ticks = self.ticks.get((last as f64 * q).round() as usize).copied().unwrap_or(0);
        f64::from(ticks.saturating_sub(self.clock)) * self.ns_per_tick
    }

    /// How many items.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ticks.len()
    }

    /// What was taken off each, ns.
    #[must_use]
    pub fn clock_ns(&self) -> f64 {
        f64::from(self.clock) * self.ns_per_tick
    }

    /// What the counter tells apart, ns.
    #[must_use]
    pub fn step_ns(&self) -> f64 {
        f64::from(self.step) * self.ns_per_tick
    }
}

fn common(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common(b, a % b) }
}

/// Times `passes` times `items` items one by one, with `between` before each pass and `after` behind each item, neither timed.
pub fn each<S>(
    (items, passes): (usize, usize),
    state: &mut S,
    mut between: impl FnMut(&mut S),
    mut item: impl FnMut(&mut S, usize),
    mut after: impl FnMut(&mut S),
) -> Tails {
    let clock = Clock::new();
    let ns_per_tick = clock.delta_as_nanos(0, 1 << 40) as f64 / (1u64 << 40) as f64;
    let took = |from: u64, to: u64| u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);

    let mut looks: Vec<u32> = vec![0; LOOKS];
    for look in &mut looks {
        let start = clock.raw();
        black_box(());
        *look = took(start, clock.raw());
    }
    looks.sort_unstable();
    let step = looks.iter().copied().fold(0, common);

    // Written before it is used, or the kernel would map its pages between the items.
    let mut ticks: Vec<u32> = vec![1; items * passes];
    for pass in ticks.chunks_mut(items) {
        between(state);
        for (k, ticks) in pass.iter_mut().enumerate() {
            let start = clock.raw();
            item(state, k);
            *ticks = took(start, clock.raw());
            after(state);
        }
    }
    ticks.sort_unstable();
    Tails { ticks, clock: looks[LOOKS / 2], step, ns_per_tick }
}
