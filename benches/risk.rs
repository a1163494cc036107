//! One market event that makes the engine decide: the risk gate and what is kept of an order.
//!
//! | | each input |
//! |---|---|
//! | floor, no intent | the same event applied to the book, under a strategy that wants nothing |
//! | ours, approved | an order passes every check, takes its slot and its token, and is in the outbox |
//! | ours, refused | the price collar refuses it, half way down the checks; the refusal is in the outbox |
//!
//! The gate alone, each request that it is asked for:
//!
//! | | |
//! |---|---|
//! | floor, empty call | a function that does nothing with it |
//! | ours, all checks | by how much longer a tick takes whose callback asks for an order that the last check refuses: the message rate is used up. The refusal is in the outbox |
//! | ours, gate and order state | the same of one that passes: all checks, token, slot, outbox |
//!
//! There is no peer: no published gate takes the same limits.

use std::hint::black_box;

use colo::latency::decision::{Decision, TICKS};
use colo::latency::desk::{RATE, Taker};
use criterion::Criterion;
use engine::book::BookChange;
use engine::strategy::{Intents, Observer, ParamError, Params, Strategy, View};
use measure::{Role, Stage};

fn main() {
    measure::run(&[risk, gate]);
}

/// Passes whose inputs are timed one by one.
const PASSES: usize = 400;

/// Looks at what a taker looks at, and asks for an order or does not.
struct Asker {
    taker: Taker,
    asks: bool,
}

impl Strategy for Asker {
    const NAME: &'static str = "asker";

    fn new(params: &mut Params) -> Result<Asker, ParamError> {
        Ok(Asker { taker: Taker::new(params)?, asks: true })
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        if black_box(self.asks) {
            self.taker.on_book(view, change, out);
        }
    }
}

fn gate(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "risk request");
    let call = |(): &mut ()| (0..TICKS).for_each(|k| empty(black_box(k)));
    stage.time(Role::Floor, "empty call", TICKS, &mut (), |()| {}, call);
    let asker = |asks, rate| Decision::at_rate(Asker { taker: Taker { beyond: 0 }, asks }, rate);
    let mut states = [asker(false, 0).causing(0, 0), asker(true, 0).causing(0, TICKS)];
    let name = "all checks";
    stage.difference(Role::Ours, name, TICKS, &mut states, Decision::settle, Decision::pass);
    let mut states = [asker(false, RATE).causing(0, 0), asker(true, RATE).causing(TICKS, 0)];
    let name = "gate and order state";
    stage.difference(Role::Ours, name, TICKS, &mut states, Decision::settle, Decision::pass);
}

#[inline(never)]
fn empty(k: usize) {
    black_box(k);
}

fn risk(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "risk input");
    let mut wants_nothing = Decision::new(Observer).causing(0, 0);
    let mut approved = Decision::new(Taker { beyond: 0 }).causing(TICKS, 0);
    let mut refused = Decision::new(Taker { beyond: 100_000 }).causing(0, TICKS);
    stage.time(Role::Floor, "no intent", TICKS, &mut wants_nothing, Decision::settle, Decision::pass);
    stage.tails(
        Role::Floor,
        "no intent",
        (TICKS, PASSES),
        &mut wants_nothing,
        Decision::settle,
        Decision::tick,
    );
    stage.time(Role::Ours, "approved", TICKS, &mut approved, Decision::settle, Decision::pass);
    stage.tails(Role::Ours, "approved", (TICKS, PASSES), &mut approved, Decision::settle, Decision::tick);
    stage.time(Role::Ours, "refused by the collar", TICKS, &mut refused, Decision::settle, Decision::pass);
}
