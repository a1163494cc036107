//! T1: the simulator (`colo::sim`, `colo sim`). Seeds hold; each core that is broken on purpose is caught, by an invariant that is about what it does wrong; a failure
//! is shown again by its seed.
//!
//! * `COLO_T1_SEEDS=n` says how many seeds; `scripts/drill-sim` runs them optimised and at length.
//! * `SEED=n` begins with that one.

use std::process::Command;

use colo::sim::{Canary, Failure, Fault, Figures, Invariant, Order, SimError, run, run_seed};

/// Seeds without `COLO_T1_SEEDS`, and inputs in each: what a test run can spare.
const SEEDS: u64 = 32;
const EVENTS: u64 = 15_000;
/// Seeds that a canary has to be caught in: in a quiet one it may be about nothing.
const CANARY_SEEDS: u64 = 48;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number is wanted")))
}

fn order(seeds: u64, canary: Option<Canary>) -> Order {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    Order { first: number("SEED").unwrap_or(1), seeds, events: EVENTS, threads, canary }
}

fn failed(outcome: Result<Figures, SimError>) -> Option<Failure> {
    match outcome {
        Ok(_) => None,
        Err(SimError::Failed(failure)) => Some(*failure),
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn everything_goes_wrong_and_every_invariant_holds() {
    let order = order(number("COLO_T1_SEEDS").unwrap_or(SEEDS), None);
    let figures = run(&order).unwrap_or_else(|e| panic!("{e}"));
    println!("{figures}");
    assert_eq!(figures.seeds, order.seeds);
    assert!(figures.events >= order.seeds * EVENTS);
    if number("SEED").is_none() {
        for fault in Fault::ALL {
            assert!(figures.faults.of(fault) > 0, "{} never came: {figures}", fault.name());
        }
        let all = [
            figures.fills,
            figures.restarts,
            figures.barriers,
            figures.whole,
            figures.full,
            figures.passed,
            figures.reducing,
            figures.measured,
            figures.stopped,
            figures.twins,
        ];
        assert!(all.iter().all(|n| *n > 0), "too little happened to prove anything: {figures}");
        assert!(figures.replays >= order.seeds);
    }
}

#[test]
fn the_same_seed_does_the_same_and_another_does_not() {
    let of = |seed| run_seed(seed, 3_000, None).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(of(5), of(5));
    assert_ne!(of(5).trace, of(6).trace);
}

/// What each canary is to be caught by.
fn about(canary: Canary) -> &'static [Invariant] {
    use Invariant::*;
    match canary {
        Canary::ReusesTokens => &[Token],
        Canary::IgnoresFill => &[Ledger, LiveSet, Exposure, Rest],
        Canary::IgnoresBust => &[Ledger, Exposure],
        Canary::AppliesTwice => &[Book, Rest],
        Canary::MissesMessage => &[Book],
        Canary::SendsAgain => &[Token],
        Canary::AltersOrder => &[Decided],
        Canary::ReservesNothing => &[Exposure],
        Canary::Outpaces => &[Pace],
        Canary::HoldsCancel => &[Cancels],
        Canary::IgnoresBreakers => &[Restrained],
        Canary::MissesTrip => &[Restrained, Halted],
        Canary::Overspends => &[Money],
        Canary::IgnoresLoss => &[StopLoss],
        Canary::SkipsRecord => &[Replay],
        Canary::MissesHalt => &[Trading],
        Canary::LosesRequest => &[LiveSet],
        Canary::ForgetsOrder => &[LiveSet, Exposure, Ledger],
    }
}

#[test]
fn a_core_that_is_broken_on_purpose_is_caught() {
    for canary in Canary::ALL {
        let seeds = 1..=CANARY_SEEDS;
        let caught = seeds.clone().find_map(|seed| failed(run_seed(seed, EVENTS, Some(canary))));
        let caught =
            caught.unwrap_or_else(|| panic!("{canary:?} was caught in none of {CANARY_SEEDS} seeds"));
        println!("{canary:?}: {caught}");
        assert!(about(canary).contains(&caught.violation.invariant), "{canary:?} was caught by: {caught}");
        // By its seed alone it is shown again, at the same step.
        let again = failed(run_seed(caught.seed, EVENTS, Some(canary)));
        assert_eq!(again, Some(caught), "{canary:?}");
    }
}

fn colo(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_colo")).arg("sim").args(args).output().expect("colo");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_ends_with_one_line_of_figures() {
    let (code, out, err) = colo(&["--seeds", "2", "--events", "2000"]);
    assert_eq!((code, out.lines().count()), (Some(0), 1), "{out}{err}");
    for figure in
        [" seeds=2 ", " events=", " orders=", " fills=", " restarts=", " crash=", " events_per_s_and_core="]
    {
        assert!(out.contains(figure), "{figure} in {out}");
    }
    let (code, out, err) = colo(&["--seed", "3", "--events", "2000", "--json", "-"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!(
        (code, &json["ok"], &json["seeds"], &json["first_seed"]),
        (Some(0), &true.into(), &1.into(), &3.into())
    );
    assert!(json["faults"]["torn_tail"].is_u64(), "{json}");
}

#[test]
fn a_failure_names_seed_step_and_invariant_and_its_seed_shows_it_again() {
    let canary = ["--canary", "misses-message", "--events", "10000"];
    let (code, out, err) = colo(&[&canary[..], &["--seeds", "8", "--threads", "1"]].concat());
    assert_eq!((code, &*out), (Some(1), ""), "{err}");
    let line = err.lines().find(|l| l.contains("invariant")).unwrap_or_else(|| panic!("{err}"));
    let words: Vec<&str> = line.split(' ').collect();
    let after = |word: &str| words[1 + words.iter().position(|w| *w == word).expect(word)];
    assert!(after("invariant").starts_with("book"), "{line}");
    let (seed, step) = (after("seed"), after("step"));
    let (code, _, again) = colo(&[&canary[..], &["--seed", seed]].concat());
    assert_eq!(code, Some(1));
    assert!(again.contains(line), "seed {seed} step {step}: {again}");
}
