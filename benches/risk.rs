//! One market event that makes the engine decide: the risk gate and what is kept of an order.
//!
//! | | each input |
//! |---|---|
//! | floor, no intent | the same event applied to the book, under a strategy that wants nothing |
//! | ours, approved | an order passes every check, takes its slot and its token, and is in the outbox |
//! | ours, refused | the price collar refuses it, half way down the checks; the refusal is in the outbox |
//!
//! There is no peer: no published gate takes the same limits. What ours minus floor leaves is the callback, the gate and the order's state.

use colo::latency::decision::{Decision, TICKS};
use colo::latency::desk::Taker;
use criterion::Criterion;
use engine::strategy::Observer;
use measure::{Role, Stage};

fn main() {
    measure::run(&[risk]);
}

fn risk(criterion: &mut Criterion) {
    let mut stage = Stage::new(criterion, "risk input");
    let mut wants_nothing = Decision::new(Observer).causing(0, 0);
    let mut approved = Decision::new(Taker { beyond: 0 }).causing(TICKS, 0);
    let mut refused = Decision::new(Taker { beyond: 100_000 }).causing(0, TICKS);
    stage.time(Role::Floor, "no intent", TICKS, &mut wants_nothing, Decision::settle, Decision::pass);
    stage.time(Role::Ours, "approved", TICKS, &mut approved, Decision::settle, Decision::pass);
    stage.time(Role::Ours, "refused by the collar", TICKS, &mut refused, Decision::settle, Decision::pass);
}
