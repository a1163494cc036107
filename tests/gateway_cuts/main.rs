//! A connection cut anywhere costs nothing but the connection: the engine, the gateway's agent as it runs in a core, and the simulated venue, joined by rings and
//! by two byte pipes, in virtual time, over OUCH 5.0 and OUCH 4.2. Each request, in each situation that has an answer of its own, is cut after every byte that
//! leaves, every byte that arrives and every byte of the answer; so are the login, the replay and the query behind it; at a port that cancels on disconnect, one
//! that does not, and one that notices late; with the process living on, and with another in its place. Then come random sessions, half of them at a venue that
//! misbehaves as a script says ([`misbehaviour`] has what is asked of a core then).
//!
//! At every step: a request on the wire was decided by the engine for that very connection, save the cancels of a sweep; no token comes twice; a cut releases
//! nothing; what is held and reserved covers what the venue has done and may do. At rest: live orders, positions and cash are the venue's, nothing is unknown,
//! and a new order lives.
//!
//! OUCH 4.2 can prove less, and this is what is shown of it. It has no query, so a quiet line is all that ends its replay, and the lines here are quiet only when
//! nothing is under way. What is unanswered then stays unknown, reserved and being canceled until the venue takes a later order, which settles it: so at rest
//! means behind that order, and behind a late period, in which no order can be canceled. It has no mass cancel, so a sweep is a cancel for each order.
//!
//! That the checks can fail is proved by cores that are wrong on purpose. The agent of these is right: what they do wrong is the strategy's side of it.
//!
//! * `COLO_T6_RUNS=1000000` says how many random sessions; `scripts/drill-gateway` runs them optimised.
//! * `SEED=n` runs that session alone.

mod agent;
#[expect(clippy::print_stderr, reason = "one session that is run alone tells what it hears")]
mod core;
#[path = "../exchange_support/mod.rs"]
mod exchange_support;
mod line;
mod misbehaviour;
mod random;
mod stories;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::core::Lie;
use line::{SPOKEN, Spoken};
use random::Ran;
use stories::{Cut, Fate, STORIES, Story};
use world::{Bytes, PORTS};

/// Random sessions without `COLO_T6_RUNS`: what a test run can spare.
const RUNS: u64 = 5_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number is wanted")))
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// Every cut of every story.
fn all_cuts(spoken: Spoken) -> Vec<(&'static Story, Cut)> {
    let mut all = Vec::new();
    for story in STORIES {
        for port in PORTS {
            for (traded, fate) in [
                (false, Fate::Reconnects),
                (true, Fate::Reconnects),
                (false, Fate::Restarts),
                (true, Fate::Restarts),
            ] {
                let cut = Cut { spoken, port, traded, fate, first: Bytes::ALL, late: false, second: None };
                let fail = |why| panic!("{}: {cut:?}: {why}", story.name);
                let mut cuts = story.cuts(cut).unwrap_or_else(fail);
                cuts.extend(story.second_cuts(cut).unwrap_or_else(fail));
                all.extend(cuts.into_iter().map(|cut| (story, cut)));
            }
        }
    }
    all
}

/// Sessions take turns.
fn spoken_in(seed: u64) -> Spoken {
    SPOKEN[(seed % 2) as usize]
}

#[test]
fn each_story_gets_the_answer_that_it_is_about() {
    for (spoken, story) in SPOKEN.into_iter().flat_map(|s| STORIES.iter().map(move |story| (s, story))) {
        assert_eq!(story.letters(spoken), Ok(story.answer(spoken)), "{spoken:?}: {}", story.name);
    }
}

#[test]
fn a_request_cut_anywhere_leaves_what_the_venue_has() {
    let began = Instant::now();
    let cuts: Vec<_> = SPOKEN.into_iter().flat_map(all_cuts).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some((story, cut)) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    story.run(cut, None).unwrap_or_else(|why| panic!("{}: {cut:?}: {why}", story.name));
                }
            });
        }
    });
    println!("{} stories, {} cuts, {:.1?}", STORIES.len(), cuts.len(), began.elapsed());
    assert!(cuts.len() > 100_000, "{}", cuts.len());
}

#[test]
fn random_sessions_cut_anywhere_come_to_what_the_venue_has() {
    let runs = number("COLO_T6_RUNS").unwrap_or(RUNS);
    let seeds = number("SEED").map_or(1..runs + 1, |seed| seed..seed + 1);
    let next = AtomicU64::new(seeds.start);
    let (sum, wrong) = (Mutex::new(Ran::default()), Mutex::new(Vec::new()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    match random::run(spoken_in(seed), seed, None) {
                        Ok(ran) => sum.lock().unwrap().add(ran),
                        Err(why) => wrong.lock().unwrap().push(format!("SEED={seed}: {why}")),
                    }
                }
            });
        }
    });
    let (ran, took) = (sum.into_inner().unwrap(), began.elapsed());
    let rate = (seeds.end - seeds.start) as f64 / took.as_secs_f64();
    println!("seeds {} to {}, {rate:.0} sessions/s, {took:.1?}: {ran:?}", seeds.start, seeds.end - 1);
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    if number("SEED").is_none() {
        let all = [ran.cuts, ran.restarts, ran.torn, ran.requests, ran.fills, ran.waited, ran.steps];
        assert!(all.iter().all(|n| *n > runs / 4), "nothing happened: {ran:?}");
    }
}

/// What each wrong core is caught by.
const LIES: [(Lie, &str); 7] = [
    (Lie::ResendsUnanswered, "without a decision"),
    (Lie::UnansweredIsDead, "a cut has released"),
    (Lie::OrdersDieWithTheLine, "a cut has released"),
    (Lie::SkipsReplayedFill, "the venue's"),
    (Lie::IgnoresBarrier, "reserved"),
    (Lie::ReusesTokens, "used again"),
    (Lie::IgnoresEpoch, "without a decision"),
];

/// How often a wrong core was caught; at least once by what it is wrong about.
fn caught_of(lie: Lie, words: &str, caught: &[String]) -> String {
    let named = caught.iter().filter(|why| why.contains(words)).count();
    assert!(named > 0, "{lie:?}: {caught:?}");
    format!("{lie:?}: caught {} times, {named} of them by {words:?}", caught.len())
}

#[test]
fn a_core_that_is_wrong_about_a_cut_is_caught_at_random() {
    for (spoken, (lie, words)) in SPOKEN.into_iter().flat_map(|s| LIES.map(|l| (s, l))) {
        // In a calm session it may be about nothing.
        let run = |seed| random::run(spoken, seed, Some(lie)).err();
        let caught: Vec<String> = (1..=1_200).filter_map(run).collect();
        println!("{spoken:?}: {}, in 1,200 random sessions", caught_of(lie, words, &caught));
    }
}

#[test]
fn a_core_that_is_wrong_about_a_cut_is_caught_by_the_stories() {
    for spoken in SPOKEN {
        let cuts = all_cuts(spoken);
        for (lie, words) in LIES {
            // Nothing waits in the rings of a story.
            if lie == Lie::IgnoresEpoch {
                continue;
            }
            let some: Vec<_> = cuts.iter().step_by(61).collect();
            let caught: Vec<String> =
                some.iter().filter_map(|(s, cut)| s.run(cut, Some(lie)).err()).collect();
            println!("{spoken:?}: {}, in {} cuts", caught_of(lie, words, &caught), some.len());
        }
    }
}
