//! Proposals against functions whose best is known, spaces and splits by hand.

use std::collections::HashSet;

use engine::strategy::ParamValue;

use super::judge::judge;
use super::propose::Method;
use super::space::{Dimension, Point, Space, SpaceError, Values};
use super::split::{Split, SplitError, Splits};

fn steps(name: &str, low: i64, high: i64, step: i64) -> Dimension {
    Dimension { name: name.into(), values: Values::Steps { low, high, step, log: false } }
}

/// Runs a search and gives the best value.
fn search(
    method: Method,
    space: &Space,
    seed: u64,
    trials: usize,
    f: &dyn Fn(&[ParamValue]) -> f64,
) -> (f64, Vec<(Point, Option<f64>)>) {
    let mut history = Vec::new();
    while history.len() < trials {
        let proposed = method.propose(space, seed, &history, 4.min(trials - history.len()));
        if proposed.is_empty() {
            break;
        }
        for point in proposed {
            let values: Vec<ParamValue> = space.values(&point).map(|(_, v)| v).collect();
            history.push((point, Some(f(&values))));
        }
    }
    (history.iter().filter_map(|h| h.1).fold(f64::NEG_INFINITY, f64::max), history)
}

fn number(v: &ParamValue) -> f64 {
    match v {
        ParamValue::Int(n) => *n as f64,
        _ => panic!("{v} is no number"),
    }
}

/// Branin's function (Dixon and Szegő 1978), its sign turned: three maxima of -0.397887.
fn branin(v: &[ParamValue]) -> f64 {
    use std::f64::consts::PI;
    let (x, y) = (number(&v[0]) / 1_000.0, number(&v[1]) / 1_000.0);
    let bowl = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    -(bowl * bowl + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0)
}

/// A bowl of five parameters whose top, 0, is at (30, -20, 10, 0, 40).
fn bowl(v: &[ParamValue]) -> f64 {
    let top = [30.0, -20.0, 10.0, 0.0, 40.0];
    -v.iter().zip(top).map(|(v, t)| ((number(v) - t) / 100.0).powi(2)).sum::<f64>()
}

#[test]
fn tpe_finds_known_maxima_and_beats_chance() {
    let plane = Space::new(vec![steps("x", -5_000, 10_000, 1), steps("y", 0, 15_000, 1)]).unwrap();
    let five = Space::new((0..5).map(|k| steps(&k.to_string(), -100, 100, 1)).collect()).unwrap();
    type Function<'a> = (&'a str, &'a Space, &'a dyn Fn(&[ParamValue]) -> f64, usize, f64, f64);
    let functions: [Function<'_>; 2] =
        [("branin", &plane, &branin, 120, -0.397_887, 0.6), ("bowl", &five, &bowl, 150, 0.0, 0.12)];
    for (name, space, f, trials, top, within) in functions {
        let seeds = 1..=20u64;
        let best = |method| -> Vec<f64> {
            seeds.clone().map(|seed| search(method, space, seed, trials, f).0).collect()
        };
        let (ours, chance) = (best(Method::Tpe), best(Method::Random));
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let won = ours.iter().zip(&chance).filter(|(a, b)| a > b).count();
        assert!(ours.iter().chain(&chance).all(|v| *v <= top + 1e-6), "{name}: nothing is above the top");
        assert!(top - mean(&ours) < within, "{name}: {} beside {top}", mean(&ours));
        assert!(
            top - mean(&ours) < (top - mean(&chance)) * 0.6 && won >= 14,
            "{name}: {} beside {} by chance, better {won} of 20 times",
            mean(&ours),
            mean(&chance)
        );
    }
}

#[test]
fn tpe_chooses_from_lists_and_over_powers() {
    let words = ["a", "b", "c", "d", "e", "f"].map(|w| ParamValue::Text(w.into()));
    let space = Space::new(vec![
        Dimension { name: "word".into(), values: Values::Choice(words.to_vec()) },
        Dimension {
            name: "size".into(),
            values: Values::Steps { low: 1, high: 100_000, step: 1, log: true },
        },
    ])
    .unwrap();
    // Only `d` is any good, at a size near 50, which is a two-thousandth of the line but not of its logarithm.
    let f = |v: &[ParamValue]| {
        let right = f64::from(u8::from(v[0] == ParamValue::Text("d".into())));
        right * 5.0 - (number(&v[1]) / 50.0).ln().abs()
    };
    let found = (1..=10u64).filter(|seed| search(Method::Tpe, &space, *seed, 80, &f).0 > 4.8).count();
    assert!(found >= 9, "{found} of 10");
}

#[test]
fn a_search_is_a_function_of_its_seed_and_history() {
    let space = Space::new(vec![steps("x", 0, 500, 5), steps("y", 0, 500, 1)]).unwrap();
    let f = |v: &[ParamValue]| -(number(&v[0]) - 100.0).abs() - (number(&v[1]) - 300.0).abs();
    for method in [Method::Grid, Method::Random, Method::Tpe] {
        let (_, one) = search(method, &space, 7, 60, &f);
        assert_eq!(one, search(method, &space, 7, 60, &f).1);
        // Taken up again behind 20 it goes on as it would have gone.
        assert_eq!(
            method.propose(&space, 7, &one[..20], 4),
            one[20..24].iter().map(|h| h.0.clone()).collect::<Vec<_>>()
        );
        let different: HashSet<&Point> = one.iter().map(|h| &h.0).collect();
        assert_eq!(different.len(), one.len(), "{method:?}: nothing is tried twice");
        if method != Method::Grid {
            assert_ne!(one, search(method, &space, 8, 60, &f).1);
        }
    }
}

#[test]
fn a_small_space_is_tried_whole_and_no_more() {
    let space = Space::new(vec![
        steps("x", 10, 30, 10),
        Dimension {
            name: "on".into(),
            values: Values::Choice(vec![ParamValue::Bool(false), ParamValue::Bool(true)]),
        },
    ])
    .unwrap();
    assert_eq!(space.size(), Some(6));
    for method in [Method::Grid, Method::Random, Method::Tpe] {
        let (_, history) = search(method, &space, 3, 100, &|v| number(&v[0]));
        let points: HashSet<Point> = history.iter().map(|h| h.0.clone()).collect();
        assert_eq!((history.len(), points.len()), (6, 6), "{method:?}");
    }
    let grid = Method::Grid.propose(&space, 0, &[], 6);
    let said: Vec<String> =
        grid.iter().map(|p| space.values(p).map(|(n, v)| format!("{n}={v} ")).collect()).collect();
    assert_eq!(said[..3], ["x=10 on=false ", "x=10 on=true ", "x=20 on=false "]);
}

#[test]
fn a_space_that_cannot_be_is_refused() {
    let of = |low, high, step, log| {
        let values = Values::Steps { low, high, step, log };
        Space::new(vec![Dimension { name: "x".into(), values }]).err()
    };
    assert!(matches!(of(5, 4, 1, false), Some(SpaceError::Steps(..))));
    assert!(matches!(of(0, 4, 0, false), Some(SpaceError::Steps(..))));
    assert!(matches!(of(i64::MIN, i64::MAX, 1, false), Some(SpaceError::Steps(..))));
    assert_eq!(of(0, 4, 1, true), Some(SpaceError::Log("x".into())));
    assert_eq!(of(1, 4, 1, true), None);
    let none = Dimension { name: "x".into(), values: Values::Choice(vec![]) };
    assert_eq!(Space::new(vec![none]), Err(SpaceError::Empty("x".into())));
    assert_eq!(
        Space::new(vec![steps("x", 0, 1, 1), steps("x", 0, 1, 1)]),
        Err(SpaceError::Twice("x".into()))
    );
}

#[test]
fn what_is_judged_is_never_chosen_on() {
    let walk = Splits::walk_forward("4:2:1").unwrap();
    let split = |from: usize, judged_on| Split { chosen_on: (from..from + 4).collect(), judged_on };
    assert_eq!(walk.of(11).unwrap(), [split(0, 5..7), split(2, 7..9), split(4, 9..11)]);
    assert_eq!(walk.of(6), Err(SplitError::TooFew(6, 7)));
    for text in ["", "4", "0:1", "4:0", "4:2:1:1", "a:b", "-1:2"] {
        assert!(Splits::walk_forward(text).is_err(), "{text:?}");
    }
    for text in ["1", "0", "", "5:1:1:1", "x"] {
        assert!(Splits::folds(text).is_err(), "{text:?}");
    }
    let second = &Splits::folds("5:1:2").unwrap().of(25).unwrap()[1];
    assert_eq!(second.judged_on, 5..10);
    assert_eq!(second.chosen_on, (0..4).chain(13..25).collect::<Vec<_>>());
    for (days, folds, purge, embargo) in [(10, 3, 0, 0), (10, 3, 1, 1), (37, 5, 2, 3), (7, 7, 0, 0)] {
        let all = Splits::Folds { folds, purge, embargo }.of(days).unwrap();
        let judged: Vec<usize> = all.iter().flat_map(|s| s.judged_on.clone()).collect();
        assert_eq!(judged, (0..days).collect::<Vec<_>>(), "every day once");
        for s in &all {
            let near =
                |day: &usize| *day + purge >= s.judged_on.start && *day < s.judged_on.end + purge + embargo;
            assert!(!s.chosen_on.iter().any(near), "{s:?}");
        }
    }
    assert!(matches!(
        Splits::Folds { folds: 2, purge: 9, embargo: 0 }.of(10),
        Err(SplitError::TooFew(10, _))
    ));
}

#[test]
fn a_verdict_counts_every_trial() {
    let noise = |seed: u64| -> Vec<f64> {
        let mut chance = super::Chance::new(seed, 1);
        (0..250).map(|_| chance.unit() - 0.5).collect()
    };
    let mut trials: Vec<Vec<f64>> = (0..40).map(noise).collect();
    let sum = |t: &Vec<f64>| t.iter().sum::<f64>();
    let best = (0..40).max_by(|a, b| sum(&trials[*a]).total_cmp(&sum(&trials[*b]))).unwrap();
    let luck = judge(&trials, best, 1);
    assert!(luck.deflated_sharpe < Some(0.9) && luck.reality_check_p > Some(0.05), "{luck:?}");
    let alone = judge(&trials[best..=best], 0, 1);
    assert!(alone.deflated_sharpe > Some(0.95), "alone it looks like skill: {alone:?}");
    trials[7].iter_mut().for_each(|r| *r += 0.15);
    let skill = judge(&trials, 7, 1);
    assert!(skill.deflated_sharpe > Some(0.95) && skill.reality_check_p < Some(0.05), "{skill:?}");
    assert_eq!((skill.trials, skill.periods), (40, 250));
}
