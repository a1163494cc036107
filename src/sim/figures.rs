//! What was simulated, in numbers.

use std::fmt;

use super::faults::FaultCounts;

/// Of one seed, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Seeds run to their end.
    pub seeds: u64,
    /// Inputs that engines took.
    pub events: u64,
    /// Steps, after each of which everything was looked at.
    pub steps: u64,
    /// New orders, ...
    pub orders: u64,
    /// ... replaces ...
    pub replaces: u64,
    /// ... and cancels that were decided.
    pub cancels: u64,
    /// Fills, by the venue's count.
    pub fills: u64,
    /// Processes that did not live to the end of their seed.
    pub restarts: u64,
    /// Journals replayed.
    pub replays: u64,
    /// Times at which nothing was in flight, and live orders, positions and cash were compared.
    pub barriers: u64,
    /// Times at which nothing was in the core's way, and it had to come to rest.
    pub calms: u64,
    /// Comparisons of best prices, ...
    pub compared: u64,
    /// ... and of whole books.
    pub whole: u64,
    /// Requests that took the last room that a throttle had, ...
    pub full: u64,
    /// ... and cancels that left while it had none.
    pub passed: u64,
    /// Orders sent while only such were allowed as take a position down.
    pub reducing: u64,
    /// Orders of which it was counted what all positions could come to in money with them.
    pub measured: u64,
    /// Times at rest beyond what may be lost.
    pub stopped: u64,
    /// Seeds that were run twice, and did the same.
    pub twins: u64,
    /// What went wrong, by kind.
    pub faults: FaultCounts,
    /// A hash of all that happened: of one seed alone.
    pub trace: u64,
}

impl Figures {
    /// Adds another seed's.
    pub fn add(&mut self, o: &Figures) {
        self.seeds += o.seeds;
        self.events += o.events;
        self.steps += o.steps;
        self.orders += o.orders;
        self.replaces += o.replaces;
        self.cancels += o.cancels;
        self.fills += o.fills;
        self.restarts += o.restarts;
        self.replays += o.replays;
        self.barriers += o.barriers;
        self.calms += o.calms;
        self.compared += o.compared;
        self.whole += o.whole;
        self.full += o.full;
        self.passed += o.passed;
        self.reducing += o.reducing;
        self.measured += o.measured;
        self.stopped += o.stopped;
        self.twins += o.twins;
        self.faults.merge(&o.faults);
        self.trace = 0;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seeds={} events={} steps={} orders={} replaces={} cancels={} fills={} restarts={} replays={} barriers={} calms={} \
             compared={} whole={} throttle_full={} cancels_passed={} reducing={} measured={} stopped={} twins={} {}",
            self.seeds,
            self.events,
            self.steps,
            self.orders,
            self.replaces,
            self.cancels,
            self.fills,
            self.restarts,
            self.replays,
            self.barriers,
            self.calms,
            self.compared,
            self.whole,
            self.full,
            self.passed,
            self.reducing,
            self.measured,
            self.stopped,
            self.twins,
            self.faults
        )
    }
}
