//! One market event that makes the engine decide: book, callback, the risk gate, and what is kept of an order.

use std::hint::black_box;

use engine::strategy::Strategy;
use engine::{Engine, Outbox};
use feeds::itch50::Subscription;
use model::{Input, Nanos};

use super::desk::{self, FEED, INSTRUMENTS, START, STEP, Venue};

/// Ticks of a pass.
pub const TICKS: usize = INSTRUMENTS as usize;

/// An engine and one tick of each instrument.
///
/// What goes otherwise than it should is a fault of the program, so every method panics of it.
pub struct Decision<S> {
    engine: Engine<S>,
    out: Outbox,
    venue: Venue,
    now: Nanos,
    ticks: Vec<Input>,
}

impl<S: Strategy> Decision<S> {
    /// Books with the opening in them.
    #[must_use]
    pub fn new(strategy: S) -> Decision<S> {
        Decision::at_rate(strategy, desk::RATE)
    }

    /// The same with so many messages in a second that may be sent: the last check of all.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "said of the type")]
    pub fn at_rate(strategy: S, rate: u32) -> Decision<S> {
        let mut subscription = Subscription::new(&desk::instruments());
        let mut input = |message: Vec<u8>| {
            let event = subscription.event(&message).expect("well-formed").expect("subscribed");
            Input::Market(FEED, event)
        };
        let (mut engine, mut out) = (desk::engine(strategy, rate), Outbox::default());
        for message in desk::opening() {
            engine.apply(START, &input(message), &mut out);
        }
        assert!(
            out.commands().is_empty() && out.refusals().is_empty(),
            "nothing trades before the first tick"
        );
        out.clear();
        let ticks = (0..INSTRUMENTS).map(|k| input(desk::tick(k))).collect();
        Decision { engine, out, venue: Venue::default(), now: START, ticks }
    }

    /// Makes one pass, which must end in so many orders and refusals.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "said of the type")]
    pub fn causing(mut self, orders: usize, refusals: usize) -> Decision<S> {
        self.pass();
        let stats = self.engine.stats();
        assert_eq!((stats.new_orders, stats.refusals), (orders as u64, refusals as u64));
        self.settle();
        self
    }

    /// The venue refuses what is open, as before each pass.
    pub fn settle(&mut self) {
        self.venue.refuse_all(self.now, &mut self.engine, &mut self.out);
    }

    /// All ticks.
    pub fn pass(&mut self) {
        for k in 0..self.ticks.len() {
            self.tick(k);
        }
    }

    /// Tick `k` of a pass; each comes once in a pass.
    #[inline]
    pub fn tick(&mut self, k: usize) {
        self.now.0 += STEP;
        self.engine.apply(self.now, black_box(&self.ticks[k]), &mut self.out);
        for approved in self.out.commands() {
            self.venue.note(approved.command().token());
        }
        black_box(self.out.refusals());
        self.out.clear();
    }
}
