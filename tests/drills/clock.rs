//! T16. The wall clock is stepped, and decisions do not change: by leap seconds, by hours, to 1970 and by years ahead (`colo::sim::clock_steps` has the story).
//!
//! `COLO_T16_STEPS=n` is how many steps in all; `SEED=n` begins with that one.

use colo::sim::clock_steps;

use crate::number;

/// Steps of one day: what its journal in memory has room for.
const A_DAY: u64 = 5_000;

#[test]
fn clock_steps_change_no_decision() {
    let (steps, first) = (number("COLO_T16_STEPS", 100), number("SEED", 1));
    let (mut done, mut decisions, mut days, mut lasted_s) = (0, 0, 0, 0);
    while done < steps {
        let seed = first + days;
        println!("seed {seed}");
        let day = clock_steps(seed, A_DAY.min(steps - done), true).unwrap_or_else(|e| panic!("{e}"));
        assert!(day.same, "seed {seed}: another decision, or another time for it: {day:?}");
        (done, decisions, days) = (done + day.steps, decisions + day.decisions, days + 1);
        lasted_s += day.lasted_ns / 1_000_000_000;
    }
    println!("\nT16 steps={done} days={days} decisions={decisions} same=yes virtual_s={lasted_s}");
}

/// Decisions that do hang on the time are seen to differ: the comparison can fail.
#[test]
fn clock_of_a_strategy_that_goes_by_the_time_is_seen() {
    let differs = |seed| {
        let day = clock_steps(seed, 60, false).unwrap_or_else(|e| panic!("{e}"));
        !day.same
    };
    let seen = (1..=5).filter(|seed| differs(*seed)).count();
    println!("\ncanary: a strategy that goes by the time is seen in {seen} of 5 days");
    assert!(seen > 0);
}
