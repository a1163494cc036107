//! `scripts/optuna-study`: two workers, each a process, share a study on a PostgreSQL of this test's own; every trial is a `colo backtest`.
//!
//! `scripts/test` installs Optuna and PostgreSQL; without them this is skipped, and says so.

mod program;
#[path = "../ops/tests/desk/services.rs"]
#[allow(dead_code)] // the storage drill starts others too
mod services;

use std::process::{Command, Stdio};

use program::desk::Desk;
use program::{COLO, colo, shared};
use serde_json::Value;

/// Trials of each worker.
const TRIALS: usize = 6;

#[test]
fn two_workers_share_a_study() {
    let Ok(python) = std::env::var("COLO_PEERS_PYTHON") else {
        eprintln!("SKIPPED: COLO_PEERS_PYTHON names no interpreter with Optuna (scripts/test installs it)");
        return;
    };
    let Some(hour) = shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some((server, _)) = services::postgres(folder.path()) else { return };
    let storage = format!("postgresql+psycopg://colo@127.0.0.1:{}/postgres", server.port);
    let desk = Desk::new();
    let config = desk.core().replace("[strategy]", "[backtest]\nhours = \"always\"\n[strategy]");
    let config = desk.write("colo.toml", config).display().to_string();
    let space =
        desk.write("space.toml", "[quantity]\nlow = 50\nhigh = 900\nstep = 50\n").display().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/optuna-study");
    let worker = |seed: &str| {
        let mut command = Command::new(&python);
        command.args([
            script,
            "--study",
            "june",
            "--space",
            &space,
            "--trials",
            &TRIALS.to_string(),
            "--seed",
            seed,
        ]);
        command.args(["--value", "pnl", "--", "--config", &config, "--threads", "1", "--data"]).arg(&hour);
        command.env("COLO", COLO).env("OPTUNA_STORAGE", &storage).stdout(Stdio::null());
        command
    };
    let both = ["1", "2"].map(|seed| worker(seed).spawn().unwrap());
    for mut one in both {
        assert!(one.wait().unwrap().success(), "a worker has failed");
    }
    // What the study knows, asked by a third process.
    let ask = "import json, optuna, os\n\
               s = optuna.load_study(study_name='june', storage=os.environ['OPTUNA_STORAGE'])\n\
               print(json.dumps({'best': s.best_value, 'trials': [dict(number=t.number, state=t.state.name, value=t.value, params=t.params, **t.user_attrs) for t in s.trials]}))";
    let asked = Command::new(&python).args(["-c", ask]).env("OPTUNA_STORAGE", &storage).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let study: Value = serde_json::from_slice(&asked.stdout).unwrap();
    let trials = study["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 2 * TRIALS);
    let mut workers = std::collections::BTreeMap::new();
    for (k, t) in trials.iter().enumerate() {
        assert_eq!((t["number"].as_u64(), t["state"].as_str()), (Some(k as u64), Some("COMPLETE")), "{t}");
        assert!((50..=900).contains(&t["params"]["quantity"].as_i64().unwrap()), "{t}");
        *workers.entry(t["worker"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert_eq!(workers.values().copied().collect::<Vec<_>>(), [TRIALS, TRIALS], "{workers:?}");
    let value = |t: &Value| t["value"].as_f64().unwrap();
    let best = trials.iter().max_by(|a, b| value(a).total_cmp(&value(b))).unwrap();
    assert_eq!(study["best"].as_f64(), best["value"].as_f64());
    // What a trial says is what the command makes of its parameters.
    let quantity = format!("quantity={}", best["params"]["quantity"]);
    let hour = hour.display().to_string();
    let again =
        colo(["backtest", "--config", &config, "--data", &hour, "--params", &quantity, "--json", "-"])
            .exits(0);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(
        (&again["pnl"], &again["days"][0]["commands_hash"]),
        (&best["pnl"], &best["commands_hash"][0])
    );
    eprintln!("{} trials of two workers; the best makes {} USD with {quantity}", trials.len(), best["value"]);
}
