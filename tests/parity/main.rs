//! One strategy, four ways to run it: against a venue, on paper, in a replay, over history. With the same inputs its commands are the same, byte for byte.
//!
//! *Inputs* are what the engine is given, in order and with their times: market events as they were received, feed statuses, reports, sessions, control, timers.

mod agents;
#[path = "../program/mod.rs"]
mod program;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use colo::journal::Record;
use program::colo;
use program::desk::Desk;
use program::json::Report;
use ringbuf::log;

/// Records of a journal as they lie there.
fn bytes(run: &Path, which: impl Fn(&Record) -> bool) -> Vec<(u16, Vec<u8>)> {
    let mut reader = log::Reader::open(run.join("core")).expect("a core journal");
    let mut found = Vec::new();
    while let Some(r) = reader.next().expect("a whole journal") {
        if which(&Record::decode(r.kind, r.payload).expect("a record")) {
            found.push((r.kind, r.payload.to_vec()));
        }
    }
    found
}

fn is_command(r: &Record) -> bool {
    matches!(r, Record::Command(_))
}

/// Commands and all else that the engine said, and what it was given.
fn is_of_the_engine(r: &Record) -> bool {
    !matches!(r, Record::Start { .. } | Record::Receipt(_) | Record::Operator { .. } | Record::Hash { .. })
}

#[track_caller]
fn runs(desk: &Desk, mode: &str) -> PathBuf {
    let mut core = desk.start_core(&desk.core(), &["--mode", mode]);
    desk.until_trading(&mut core);
    core.signal("TERM");
    core.end().exits(130);
    let report = desk.report();
    report.is("/mode", mode).is("/reconciled", true).some("/fills");
    PathBuf::from(report.at("/journal").as_str().expect("a folder"))
}

/// `colo backtest` over a run's journal; the folder of what it left, and its report.
#[track_caller]
fn backtests(desk: &Desk, run: &Path, reports: &str) -> (PathBuf, Report) {
    let (config, into, json) = (desk.file("colo.toml"), desk.file("again"), desk.file("again.json"));
    let words = ["backtest", "--config", config.to_str().unwrap(), "--data", run.to_str().unwrap()];
    let more = ["--reports", reports, "--journal", into.to_str().unwrap(), "--json", json.to_str().unwrap()];
    colo(words.into_iter().chain(more)).exits(0);
    let report = Report::read(&json);
    (PathBuf::from(report.at("/days/0/file").as_str().expect("a folder")), report)
}

#[track_caller]
fn replays(run: &Path) -> u64 {
    let ended = colo(["replay", "--journal", run.to_str().unwrap(), "--json", "-"]).exits(0);
    let report = Report::of(&ended);
    report.is("/ok", true);
    report.count("/commands")
}

#[test]
fn live_paper_replay_and_backtest_decide_the_same_on_the_same_inputs() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let mut markets = BTreeSet::new();
    for mode in ["test", "paper"] {
        let run = runs(&desk, mode);
        let commands = bytes(&run, is_command);
        assert!(!commands.is_empty());
        assert_eq!(replays(&run), commands.len() as u64, "{mode}");

        let (again, report) = backtests(&desk, &run, "recorded");
        let market = report.at("/data/0/sha256").as_str().expect("a hash").to_owned();
        assert!(market.len() == 64 && markets.insert(market), "{mode}: another day, another hash");
        assert!(bytes(&again, is_command) == commands, "{mode}: a command differs");
        assert!(bytes(&again, is_of_the_engine) == bytes(&run, is_of_the_engine), "{mode}: a record differs");
        report.is("/days/0/fills", desk.report().count("/fills"));
        // What the backtest left is a journal as any other.
        assert_eq!(replays(&again), commands.len() as u64, "{mode}");

        // The agents of a core on paper, given what this run was given.
        let dir = tempfile::tempdir().expect("a folder");
        agents::on_paper(&run, &format!("{}-again-{mode}", desk.name), dir.path());
        assert!(bytes(dir.path(), is_command) == commands, "{mode}: on paper a command differs");
        let end = |r: &Record| is_of_the_engine(r) && !matches!(r, Record::End { .. });
        assert!(bytes(dir.path(), end) == bytes(&run, end), "{mode}: on paper a record differs");

        // With a venue of its own it is another day, which replays as well.
        let (simulated, report) = backtests(&desk, &run, "simulated");
        report.some("/orders_sent");
        assert_eq!(replays(&simulated), bytes(&simulated, is_command).len() as u64, "{mode}");
    }
}

#[test]
fn a_journal_of_other_instruments_is_no_history_for_a_configuration() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let run = runs(&desk, "paper");
    let other = desk.write("colo.toml", desk.core().replace("AAPL", "MSFT"));
    let words = ["backtest", "--config", other.to_str().unwrap(), "--data", run.to_str().unwrap()];
    colo(words).exits(3).says(&["instruments"]);
}
