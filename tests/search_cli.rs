//! `colo search` over days: the same for the same question whatever the threads, taken up again where it was broken off, and judged on days that it was not chosen on.

mod program;

use std::path::PathBuf;

use program::desk::Desk;
use program::{Ended, colo, shared};
use serde_json::Value;

/// A desk, its configuration, and so many days, each the head of a real hour under a date of its own.
fn days(n: usize, messages: usize) -> Option<(Desk, String, Vec<PathBuf>)> {
    let hour = std::fs::read(shared("data/itch50/aapl_20120621_0930.itch")?).unwrap();
    let desk = Desk::new();
    let mut end = 0;
    for _ in 0..messages {
        end += 2 + usize::from(u16::from_be_bytes([hour[end], hour[end + 1]]));
    }
    let files = (0..n).map(|k| desk.write(&format!("201206{:02}.itch", 11 + k), &hour[..end])).collect();
    let config = desk.core().replace("[strategy]", "[backtest]\nhours = \"always\"\n[strategy]");
    let config = desk.write("colo.toml", config).display().to_string();
    Some((desk, config, files))
}

fn search(config: &str, data: &[PathBuf], more: &[&str]) -> Ended {
    let mut arguments = vec!["search".to_owned(), "--config".into(), config.into()];
    for file in data {
        arguments.extend(["--data".into(), file.display().to_string()]);
    }
    arguments.extend(more.iter().map(|s| (*s).to_owned()));
    colo(arguments)
}

/// What was found, without how much of it had to be run.
fn found(ended: Ended) -> (Value, u64, u64) {
    let mut all: Value = serde_json::from_str(&ended.exits(0).stdout).expect("JSON");
    let runs = all["runs"].take().as_u64().unwrap();
    let from_record = all["from_record"].take().as_u64().unwrap();
    (all, runs, from_record)
}

#[test]
fn a_walk_is_judged_outside_and_goes_on_where_it_was_broken_off() {
    let Some((desk, config, data)) = days(5, 12_000) else { return };
    let record = desk.file("trials.jsonl").display().to_string();
    let walk =
        ["--grid", "quantity=50:250:50", "--walk-forward", "2:1:1", "--record", &record, "--json", "-"];
    let (one, runs, had) = found(search(&config, &data, &walk));
    let windows = one["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 2);
    // Five sets on days 0 1, then 1 2; and the best of each on day 3, and 4. Day 1 is run once.
    assert_eq!((runs, had), (5 * 3 + 2, 5));
    let names = |w: &Value, of: &str| -> Vec<String> {
        let file =
            |f: &Value| PathBuf::from(f.as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
        w[of].as_array().unwrap().iter().map(file).collect()
    };
    assert_eq!(names(&windows[0], "chosen_on"), ["20120611.itch", "20120612.itch"]);
    assert_eq!(names(&windows[0], "judged_on"), ["20120614.itch"]);
    assert_eq!(names(&windows[1], "judged_on"), ["20120615.itch"]);
    let outside: f64 = windows.iter().map(|w| w["pnl"].as_f64().unwrap()).sum();
    assert!((one["out_of_sample_pnl"].as_f64().unwrap() - outside).abs() < 1e-6);
    assert!(one["best"].is_null(), "nothing in sample is called the result");
    assert_eq!(one["windows"][0]["verdict"]["trials"], 5);
    // Again: nothing is run, and nothing is different. Broken off in the middle of a line: the rest is run, and nothing is different.
    let (again, runs, had) = found(search(&config, &data, &walk));
    assert_eq!((&again, runs, had), (&one, 0, 22));
    let whole = std::fs::read(&record).unwrap();
    std::fs::write(&record, &whole[..whole.len() / 4]).unwrap();
    let (again, runs, had) = found(search(&config, &data, &walk));
    assert_eq!(again, one);
    assert!(runs > 5 && runs + had == 22, "{runs} run, {had} found");
    // Another strategy's or configuration's runs are not taken for these.
    let other = desk.write(
        "other.toml",
        std::fs::read_to_string(&config).unwrap().replace("max_position = 5000", "max_position = 300"),
    );
    let (_, runs, had) = found(search(&other.display().to_string(), &data, &walk));
    assert_eq!((runs, had), (17, 5));
    // A record that has lost a line is not believed.
    let lines = String::from_utf8(whole).unwrap().replacen("\"kind\":\"day\"", "\"kind\":\"dog\"", 1);
    std::fs::write(&record, lines).unwrap();
    let refused = search(&config, &data, &walk).exits(1);
    assert!(refused.stderr.contains("trials.jsonl: line 1"), "{}", refused.stderr);
}

#[test]
fn every_method_is_a_function_of_its_seed() {
    let Some((desk, config, data)) = days(2, 8_000) else { return };
    let space =
        desk.write("space.toml", "[quantity]\nlow = 1\nhigh = 900\nlog = true\n").display().to_string();
    for method in ["random", "tpe"] {
        let ask = |seed: &str, threads: &str| {
            let trials = if method == "tpe" { "14" } else { "6" };
            let more = [
                "--space",
                &space,
                "--method",
                method,
                "--trials",
                trials,
                "--seed",
                seed,
                "--objective",
                "pnl",
                "--threads",
                threads,
                "--json",
                "-",
            ];
            found(search(&config, &data, &more)).0
        };
        let one = ask("3", "1");
        assert_eq!(one, ask("3", "2"), "{method}: whatever the threads");
        assert_ne!(one["best"], ask("4", "2")["best"]);
        let best = &one["best"];
        // What was found is what `colo backtest` makes of it.
        let quantity = format!("quantity={}", best["params"]["quantity"]);
        let mut arguments =
            vec!["backtest".to_owned(), "--config".into(), config.clone(), "--params".into(), quantity];
        data.iter().for_each(|f| arguments.extend(["--data".into(), f.display().to_string()]));
        arguments.extend(["--json".into(), "-".into()]);
        let alone: Value = serde_json::from_str(&colo(arguments).exits(0).stdout).unwrap();
        let (ours, alone) = (best["in_sample"].as_f64().unwrap(), alone["pnl"].as_f64().unwrap());
        assert!((ours - alone).abs() < 1e-6, "{method}: {ours}, alone {alone}");
    }
}

#[test]
fn what_cannot_be_searched_is_a_sentence() {
    let Some((desk, config, data)) = days(2, 1_000) else { return };
    for (more, exit, says) in [
        (&["--grid", "quantity=1:x"][..], 2, "quantity=1:x"),
        (&["--grid", "quantity=1:9", "--walk-forward", "2:1"], 2, "2 days are too few: 3 are wanted"),
        (&["--grid", "quantity=1:9", "--folds", "1"], 2, "FOLDS"),
        (&["--grid", "quantity=0:9"], 3, "quantity"),
        (&["--grid", "colour=1:9"], 3, "colour"),
        (&["--space", "nowhere.toml"], 3, "nowhere.toml"),
        (&[], 2, "--space"),
    ] {
        let ended = search(&config, &data, more).exits(exit);
        assert!(ended.stderr.contains(says), "{more:?}: {}", ended.stderr);
    }
    let missing = desk.file("missing.itch");
    let ended = search(&config, &[missing], &["--grid", "quantity=1:9"]).exits(1);
    assert!(ended.stderr.contains("missing.itch"), "{}", ended.stderr);
}
