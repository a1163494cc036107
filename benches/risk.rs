//! One market event that makes the engine decide: the risk gate and what is kept of an order.
//!
//! | | each input |
//! |---|---|
//! | floor, no intent | the same event applied to the book, under a strategy that wants nothing |
//! | ours, approved | an order passes every check, takes its slot and its token, and is in the outbox |
//! | ours, refused | the price collar refuses it, half way down the checks; the refusal is in the outbox |
//!
//! There is no peer: no published gate takes the same limits. What ours minus floor leaves is the callback, the gate and the order's state.

mod desk;
mod measure;

use std::hint::black_box;

use criterion::Criterion;
use desk::{FEED, INSTRUMENTS, START, STEP, Taker, Venue};
use engine::strategy::{Observer, Strategy};
use engine::{Engine, Outbox};
use feeds::itch50::Subscription;
use measure::{Role, Stage};
use model::{Input, Nanos};

const TICKS: usize = INSTRUMENTS as usize;

fn main() {
    measure::run(&[risk]);
}

/// An engine and one tick of each instrument.
struct Bench<S> {
    engine: Engine<S>,
    out: Outbox,
    venue: Venue,
    now: Nanos,
    ticks: Vec<Input>,
}

impl<S: Strategy> Bench<S> {
    fn new(strategy: S) -> Bench<S> {
        let mut subscription = Subscription::new(&desk::instruments());
        let mut input = |message: Vec<u8>| {
            let event = subscription.event(&message).expect("well-formed").expect("subscribed");
            Input::Market(FEED, event)
        };
        let (mut engine, mut out) = (desk::engine(strategy), Outbox::default());
        for message in desk::opening() {
            engine.apply(START, &input(message), &mut out);
        }
        assert!(
            out.commands().is_empty() && out.refusals().is_empty(),
            "nothing trades before the first tick"
        );
        out.clear();
        let ticks = (0..INSTRUMENTS).map(|k| input(desk::tick(k))).collect();
        Bench { engine, out, venue: Venue::default(), now: START, ticks }
    }

    /// Makes one pass, which must end in so many orders and refusals.
    fn causing(mut self, orders: usize, refusals: usize) -> Bench<S> {
        self.pass();
        let stats = self.engine.stats();
        assert_eq!((stats.new_orders, stats.refusals), (orders as u64, refusals as u64));
        self.settle();
        self
    }

    fn settle(&mut self) {
        self.venue.refuse_all(self.now, &mut self.engine, &mut self.out);
    }

    fn pass(&mut self) {
        for tick in &self.ticks {
            self.now.0 += STEP;
            self.engine.apply(self.now, black_box(tick), &mut self.out);
            for approved in self.out.commands() {
                self.venue.note(approved.command().token());
            }
            black_box(self.out.refusals());
            self.out.clear();
        }
    }
}

fn risk(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "risk input");
    let mut wants_nothing = Bench::new(Observer).causing(0, 0);
    let mut approved = Bench::new(Taker { beyond: 0 }).causing(TICKS, 0);
    let mut refused = Bench::new(Taker { beyond: 100_000 }).causing(0, TICKS);
    stage.time(Role::Floor, "no intent", TICKS, &mut wants_nothing, Bench::settle, Bench::pass);
    stage.time(Role::Ours, "approved", TICKS, &mut approved, Bench::settle, Bench::pass);
    stage.time(Role::Ours, "refused by the collar", TICKS, &mut refused, Bench::settle, Bench::pass);
}
