//! `[expectation]`: bounds made of history, and a core that is held to them.

mod program;

use colo::journal::Record;
use model::{Control, DriftFigure};
use program::colo;
use program::desk::Desk;
use program::json::Report;
use ringbuf::log;

/// A core trades more than was expected of it: an alarm in the journal, the log, the status and the report, and it trades on.
#[test]
fn what_is_not_as_expected_is_an_alarm() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let bounds = r#"{"window_s": 10, "orders": {"least": 1000000, "most": 2000000}, "pnl_e4_usd": {"least": -10000000000, "most": 10000000000}}"#;
    desk.write("expected.json", bounds);
    let config = format!("{}\n[expectation]\nfile = \"expected.json\"\n", desk.core());
    let mut core = desk.start_core(&config, &["--mode", "paper"]);
    let status = desk.until_status("drift", &mut core, |s| s.count("/cold/drift") == 2);
    status.is("/risk/level", "normal").is("/risk/halted", ());
    core.signal("TERM");
    core.end().exits(130);

    let report = desk.report();
    report.is("/alarms", 1).is("/alarm_list/0/kind", "drift").is("/alarm_list/0/figure", "orders");
    report.is("/alarm_list/0/bound", 1_000_000).is("/reconciled", true);
    let run = std::path::PathBuf::from(report.at("/journal").as_str().unwrap());
    let mut reader = log::Reader::open(run.join("core")).expect("a journal");
    let mut found = Vec::new();
    while let Some(r) = reader.next().expect("whole") {
        match Record::decode(r.kind, r.payload).expect("a record") {
            Record::Control { control: Control::Drift(d), .. } => found.push(("asked", d)),
            Record::Alarm(engine::Alarm::Drift(d)) => found.push(("alarm", d)),
            _ => {}
        }
    }
    let words: Vec<_> = found.iter().map(|(what, d)| (*what, d.figure, d.is_beyond)).collect();
    assert_eq!(words, [("asked", DriftFigure::Orders, true), ("alarm", DriftFigure::Orders, true)]);
    let log = std::fs::read_to_string(run.join("log.jsonl")).expect("a log");
    assert!(log.contains("not what was expected of the strategy"), "{log}");
    colo(["replay".as_ref(), "--journal".as_ref(), run.as_os_str()]).exits(0);
}

/// What fills cost beyond the middles that their orders were decided at is read out of shared memory as the engine counts it.
#[test]
fn slippage_is_held_to_what_was_expected() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    // No fill costs a thousand times what it is of.
    let bounds = "bounds = { window_s = 10, slippage_ppm = { least = 1000000000, most = 2000000000 } }";
    let config = format!("{}\n[expectation]\n{bounds}\n", desk.core());
    let mut core = desk.start_core(&config, &["--mode", "paper"]);
    let status = desk.until_status("drift", &mut core, |s| s.count("/cold/drift") == 32);
    assert!(status.at("/risk/slippage_of").as_f64() > Some(0.0), "{status:?}");
    core.signal("TERM");
    core.end().exits(130);
    desk.report().is("/alarm_list/0/figure", "slippage_ppm").is("/alarm_list/0/bound", 1_000_000_000);
}

/// With a level it restrains too, by name.
#[test]
fn a_level_restrains() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let bounds = "bounds = { window_s = 10, orders = { least = 1000000, most = 2000000 } }";
    let config = format!("{}\n[expectation]\nlevel = \"cancel_only\"\n{bounds}\n", desk.core());
    let mut core = desk.start_core(&config, &["--mode", "paper"]);
    let status = desk.until_status("restraint", &mut core, |s| {
        s.0.pointer("/risk/level").is_some_and(|level| level == "cancel_only")
    });
    status.is("/risk/restrained_by", "expectation");
    core.signal("TERM");
    core.end().exits(130);
}

/// Bounds come from a backtest, and hold the day that they come from.
#[test]
fn bounds_are_made_of_history() {
    let Some(day) = program::shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let desk = Desk::new();
    let table =
        "[backtest]\nhours = \"always\"\n[expectation]\nfile = \"expected.json\"\nbenchmark = \"AAPL\"\n";
    let config = desk.write("colo.toml", format!("{}\n{table}", desk.core()));
    let into = desk.file("expected.json");
    let words = ["backtest", "--config", config.to_str().unwrap(), "--data", day.to_str().unwrap()];
    let more = ["--expect", into.to_str().unwrap(), "--expect-window-s", "60", "--json", "-"];
    let ended = colo(words.into_iter().chain(more)).exits(0);
    let report = Report::of(&ended);
    report.some("/orders_sent");
    let made = Report::read(&into);
    made.is("/window_s", 60);
    assert!(made.count("/windows") >= 5, "{made:?}");
    for figure in
        ["pnl_e4_usd", "orders", "fills_per_10k_orders", "markout_1s_ppm", "excess_ppm", "slippage_ppm"]
    {
        let of = |bound: &str| made.at(&format!("/{figure}/{bound}")).as_i64().expect("a bound");
        assert!(of("least") < of("most"), "{figure}: {made:?}");
    }
    // Now the configuration stands by itself.
    colo(["config", "check", config.to_str().unwrap()]).exits(0);
    // A day of few windows lets nothing be expected.
    let more = ["--expect", into.to_str().unwrap(), "--expect-window-s", "86400"];
    colo(words.into_iter().chain(more)).exits(1).says(&["windows of history"]);
}
