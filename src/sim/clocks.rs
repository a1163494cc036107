//! T16: one day twice, the second time with a wall clock that is stepped again and again, by a leap second or by years, forwards and backwards. Every decision is the same,
//! and made at the same message.
//!
//! The core's clock is the processor's counter, bent towards the wall clock by 500 parts in a million at most (`clock::Discipline`); that bound is held after every step of the
//! simulator ([`Invariant::Clock`](super::Invariant)). So what a strategy does at a message does not hang on the wall clock, and a span that it waits is longer or shorter by that
//! much. Book sanity, whose spans are of the latter kind, is off here. A strategy that does go by the time is seen to do otherwise: that is how it is known that this can fail.

use model::{CommandKind, OrderCommand};

use super::faults::Plan;
use super::oracle::{Invariant, violated};
use super::process::configure;
use super::rules::Rules;
use super::run::{Failure, Scratch, SimError};
use super::trace::Trace;
use super::world::{Outcome, Setup, Stop, World};
use crate::config::Written;
use crate::config::written::Sanity;
use crate::exchange::rng::Rng;

/// Messages of the market in a second: few, so that a day fits into memory.
const RATE: u64 = 100;
/// Virtual time of a step of the simulator, ns.
const TICK: u64 = 40_000_000;
/// Steps of the simulator from one step of the clock to the next: longer than from one look at the wall clock to the next.
const TURNS: u64 = 28;
const SECOND: i64 = 1_000_000_000;

/// What was decided, and at which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decisions {
    count: u64,
    hash: Trace,
}

impl Default for Decisions {
    fn default() -> Decisions {
        Decisions { count: 0, hash: Trace::new() }
    }
}

impl Decisions {
    pub(super) fn note(&mut self, step: u64, c: &OrderCommand) {
        let price = |px: model::Px| px.0.unsigned_abs();
        let words = match c.kind {
            CommandKind::New { token, side, qty, px, .. } => {
                [1, token.0.into(), side.letter().into(), qty.0.into(), price(px)]
            }
            CommandKind::Replace { old, token, qty, px, .. } => {
                [2, token.0.into(), old.0.into(), qty.0.into(), price(px)]
            }
            CommandKind::Cancel { token, qty } => [3, token.0.into(), 0, qty.0.into(), 0],
            CommandKind::Port { token, .. } => [4, token.0.into(), 0, 0, 0],
        };
        self.count += 1;
        [step, c.instrument.0.into()].into_iter().chain(words).for_each(|w| self.hash.word(w));
    }
}

/// What a pair of days was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// Steps of the wall clock.
    pub steps: u64,
    /// Decisions of each day.
    pub decisions: u64,
    /// Whether they were the same.
    pub same: bool,
    /// Virtual time of each day, ns.
    pub lasted_ns: u64,
}

/// How far the wall clock is off after its next step, ns; `true`: as if the host had lost its time.
fn step(rng: &mut Rng, now: i64) -> i64 {
    let by = |rng: &mut Rng, most: i64| rng.below(2 * most.unsigned_abs()) as i64 - most;
    match rng.below(8) {
        // A leap second, in and out.
        0 => SECOND,
        1 => -SECOND,
        2 => by(rng, 1_000_000),
        3 | 4 => by(rng, 4 * SECOND),
        5 => by(rng, 3_600 * SECOND),
        // The Epoch: a host without a clock of its own.
        6 => -now,
        _ => 10 * 365 * 86_400 * SECOND,
    }
}

/// Runs a day of a seed twice, with so many steps of the wall clock in the second. With `by_market` the strategy never looks at the time, and without it does.
///
/// # Errors
/// [`SimError`]: an invariant, or the host. That the days differ is none: [`Stepped::same`].
pub fn clock_steps(seed: u64, steps: u64, by_market: bool) -> Result<Stepped, SimError> {
    let (still, lasted_ns) = day(seed, steps, by_market, false)?;
    let (stepped, _) = day(seed, steps, by_market, true)?;
    Ok(Stepped { steps, decisions: still.count, same: still == stepped, lasted_ns })
}

fn day(seed: u64, steps: u64, by_market: bool, is_stepped: bool) -> Result<(Decisions, u64), SimError> {
    let host = |e: std::io::Error| SimError::Host(e.into());
    let (scratch, name) = Scratch::new().map_err(host)?;
    let plan = Plan {
        rate: RATE,
        tick: TICK,
        trades_every: 4,
        cancel_on_disconnect: false,
        delay: [0, 0],
        datagram_bytes: [1_400, 1_400],
        buffer_bytes: 1 << 20,
        has: [false; 7],
        spacing: 1_000,
    };
    let more = |written: &mut Written| {
        written.strategy.params.insert("by_market".into(), i64::from(by_market).into());
        written.sanity = Sanity {
            max_crossed_ms: Some(0),
            max_locked_ms: Some(0),
            max_jump_bps: Some(0),
            jump_rest_ms: None,
        };
    };
    let config = configure(&scratch.0, &name, seed, plan.trades_every, more).map_err(SimError::Host)?;
    let mut world =
        World::of(Setup { config, plan, rules: Rules::default(), canary: None }, seed, Rng::new(seed, 0x51A));
    let outcome = live(&mut world, seed, steps, is_stepped);
    outcome.map_err(|stop| match stop {
        Stop::Violated(violation) => {
            SimError::Failed(Box::new(Failure { seed, step: world.step, violation }))
        }
        Stop::Host(e) => SimError::Host(e),
    })
}

fn live(world: &mut World, seed: u64, steps: u64, is_stepped: bool) -> Outcome<(Decisions, u64)> {
    let mut rng = Rng::new(seed, 0x7E9);
    let began = world.now;
    world.calm()?;
    for _ in 0..steps {
        let now = world.wall().saturating_add_signed(-world.wall_error) as i64;
        let error = step(&mut rng, now);
        if is_stepped {
            world.wall_error = error;
        }
        for _ in 0..TURNS {
            world.turn()?;
        }
    }
    let found = (world.decisions, world.now - began);
    if found.0.count == 0 {
        return Err(violated(Invariant::Rest, "nothing was decided").into());
    }
    // Its journal gives the same commands and the same state again.
    world.finish()?;
    Ok(found)
}
