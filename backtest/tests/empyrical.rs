//! Figures of returns beside those of empyrical-reloaded (PyPI), the package that most published figures were made with, and scipy's where it has none: equal to 1e-9.
//!
//! `scripts/test` installs them and names the interpreter by `COLO_PEERS_PYTHON`; without it this is skipped, and says so.

use std::io::Write as _;
use std::process::{Command, Stdio};

use backtest::metrics::Returns;
use serde_json::{Value, json};

/// Noise of a seed: mean 0, deviation 1 or so; every twentieth far out.
fn noise(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut draw = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..n)
        .map(|k| {
            let usual = (0..12).map(|_| draw()).sum::<f64>() - 6.0;
            if k % 20 == 19 { usual * 4.0 } else { usual }
        })
        .collect()
}

struct Case {
    returns: Vec<f64>,
    benchmark: Vec<f64>,
    periods: f64,
    trials: Vec<f64>,
}

/// Series of many lengths, sizes and drifts, with ties and with stretches in which nothing happens.
fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (k, n) in [2usize, 3, 5, 20, 21, 100, 252, 253, 1_000, 5_000].into_iter().enumerate() {
        for (j, (size, drift)) in
            [(0.01, 0.0), (0.002, 0.0005), (0.05, -0.004), (1e-6, 1e-8)].into_iter().enumerate()
        {
            let seed = (k * 10 + j) as u64 + 1;
            let benchmark: Vec<f64> = noise(seed + 1_000, n).iter().map(|x| x * 0.01 + 0.0002).collect();
            let own = noise(seed, n).into_iter().zip(&benchmark);
            let mut returns: Vec<f64> = own.map(|(x, b)| x * size + drift + 0.3 * b).collect();
            if j == 1 {
                // As a strategy's are: in cents, so that many are equal, and often nothing.
                returns.iter_mut().enumerate().for_each(|(i, r)| {
                    *r = if i % 3 == 0 { 0.0 } else { (*r * 1_000.0).round() / 1_000.0 };
                });
            }
            let trials = noise(seed + 2_000, 1 + (k * 7) % 40).iter().map(|x| x * 0.05).collect();
            let periods = [252.0, 52.0, 12.0, 5_896_800.0][j];
            all.push(Case { returns, benchmark, periods, trials });
        }
    }
    all
}

fn peers(python: &str, cases: &[Case]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/empyrical_figures.py");
    let mut child = Command::new(python)
        .args(["-W", "ignore", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter that COLO_PEERS_PYTHON names");
    let asked: Vec<Value> = cases
        .iter()
        .map(|c| json!({ "returns": c.returns, "benchmark": c.benchmark, "periods": c.periods, "trials": c.trials }))
        .collect();
    child.stdin.take().unwrap().write_all(json!(asked).to_string().as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    serde_json::from_slice(&ended.stdout).unwrap()
}

#[test]
fn every_figure_is_empyricals() {
    let Ok(python) = std::env::var("COLO_PEERS_PYTHON") else {
        eprintln!(
            "SKIPPED: COLO_PEERS_PYTHON names no interpreter with empyrical-reloaded (scripts/test installs it)"
        );
        return;
    };
    let cases = cases();
    let theirs = peers(&python, &cases);
    assert_eq!(theirs.len(), cases.len());
    let mut compared = 0;
    for (k, (case, theirs)) in cases.iter().zip(&theirs).enumerate() {
        let returns = Returns::new(case.returns.iter().copied(), case.periods);
        let benchmark = Returns::new(case.benchmark.iter().copied(), case.periods);
        let mut ours = serde_json::to_value(returns.figures()).unwrap();
        let beside = serde_json::to_value(returns.beside(&benchmark)).unwrap();
        ours.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        ours["deflated_sharpe"] = json!(returns.deflated_sharpe(&case.trials));
        for (name, theirs) in theirs.as_object().unwrap() {
            let (Some(a), Some(b)) = (ours[name].as_f64(), theirs.as_f64()) else {
                assert_eq!(
                    ours[name].as_f64(),
                    theirs.as_f64(),
                    "series {k}: {name} is defined for one only"
                );
                continue;
            };
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "series {k}: {name} is {a}, theirs {b}");
            compared += 1;
        }
        let known = theirs.as_object().unwrap().len() + 1; // and `periods`
        assert_eq!(ours.as_object().unwrap().len(), known, "a figure that nobody judges: {ours}");
    }
    assert!(compared > cases.len() * 16, "{compared} figures of {} series", cases.len());
    eprintln!("{compared} figures of {} series are equal to 1e-9", cases.len());
}
