//! `colo run` against `colo exchange`, two processes: a day's start, its end, a restart, and what either does when the other is gone.

mod program;

use std::path::{Path, PathBuf};

use colo::journal::Record;
use program::desk::{Desk, open_orders};
use program::json::Report;
use program::{Ended, Program, colo, until};
use ringbuf::log::{self, End};

/// The records of a core journal.
fn records(run: &Path) -> Vec<Record> {
    let mut reader = log::Reader::open(run.join("core")).expect("a core journal");
    let mut records = Vec::new();
    while let Some(r) = reader.next().expect("a whole journal") {
        records.push(Record::decode(r.kind, r.payload).expect("a record"));
    }
    records
}

fn tokens_of(records: &[Record]) -> Vec<u32> {
    let commands = records.iter().filter_map(|r| match r {
        Record::Command(c) => Some(c),
        _ => None,
    });
    let named = commands.filter_map(|c| match c.kind {
        model::CommandKind::New { token, .. }
        | model::CommandKind::Replace { token, .. }
        | model::CommandKind::Port { token, .. } => Some(token.0),
        model::CommandKind::Cancel { .. } => None,
    });
    named.collect()
}

/// The journal of the last run.
fn journal(report: &Report) -> PathBuf {
    PathBuf::from(report.at("/journal").as_str().expect("a folder"))
}

/// The journal holds all that moved the engine, which decides the same again.
#[track_caller]
fn replays(run: &Path) {
    colo(["replay".as_ref(), "--journal".as_ref(), run.as_os_str()]).exits(0);
}

/// What a run that ended in order shows.
#[track_caller]
fn ended_in_order(desk: &Desk, ended: Ended, code: i32) -> Report {
    ended.exits(code);
    let report = desk.report();
    report.is("/reconciled", true).is("/open_orders", 0).is("/rejected", 0).is("/gaps_open", 0);
    report.is("/failures", Vec::<String>::new());
    let run = journal(&report);
    for log in ["core", "feed-f1"] {
        let verified = log::verify(run.join(log)).unwrap_or_else(|e| panic!("{log}: {e}"));
        assert_eq!(verified.end, End::Clean, "{log}");
    }
    assert!(matches!(records(&run).last(), Some(Record::End { .. })), "the journal has no end");
    replays(&run);
    report
}

/// Runs a core until it has traded and has orders open, however long a busy host takes for it, and ends it in order.
#[track_caller]
fn trades(desk: &Desk, config: &str) -> Report {
    let mut core = desk.start_core(config, &[]);
    desk.until_trading(&mut core);
    core.signal("TERM");
    ended_in_order(desk, core.end(), 130)
}

#[test]
fn a_run_and_a_restart_reconcile_and_use_no_token_twice() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let first = trades(&desk, &desk.core());
    first.some("/orders_sent").some("/fills").is("/halted", ());
    let (next, sent) = (desk.next_token(), first.count("/orders_sent"));

    let again = trades(&desk, &desk.core());
    assert!(again.count("/fills") >= first.count("/fills"), "the venue's replay counts too: {again:?}");
    assert!(desk.next_token() > next, "a restart takes tokens of its own");
    let (old, new) = (tokens_of(&records(&journal(&first))), tokens_of(&records(&journal(&again))));
    let (highest, lowest) = (old.iter().max().expect("orders"), new.iter().min().expect("orders"));
    assert!(highest < lowest, "tokens up to {highest} were used, and {lowest} again");

    let truth = desk.end_venue(venue);
    let ours = again.count("/orders_sent") + sent;
    assert_eq!(truth.count("/accounts/0/accepted"), ours, "every order was accepted: {truth:?} {again:?}");
    truth.is("/accounts/0/rejected", 0).is("/accounts/0/live_orders", 0).is("/logins", 4);
    for pointer in ["fills", "shares"] {
        let (at_venue, here) = (format!("/accounts/0/{pointer}"), format!("/{pointer}"));
        assert_eq!(truth.count(&at_venue), again.count(&here), "{pointer}: {truth:?} {again:?}");
    }
    let position = truth.0.pointer("/accounts/0/positions/AAPL").and_then(|p| p.as_i64()).unwrap_or(0);
    again.is("/positions/AAPL", position);
}

#[test]
fn inline_runs_against_a_venue_too() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let config = desk.core().replace("pipelined", "inline");
    trades(&desk, &config).some("/fills");
}

/// The configurations that come with it are those of one venue and one core before it. On ports of the desk's own here.
#[test]
fn the_configurations_that_come_with_it_trade() {
    let desk = Desk::new();
    let Desk { name, lines: [a, b], rerequest, ouch, .. } = &desk;
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let Ok(std::net::SocketAddr::V4(glimpse)) = free else { panic!("{free:?}") };
    let own = |text: &str| {
        let mut text =
            text.replace("name = \"sim\"", &format!("name = \"{name}\"")).replace("../journal", "journal");
        let ports = [
            ("127.0.0.1:26001", a),
            ("127.0.0.1:26002", b),
            ("127.0.0.1:26003", rerequest),
            ("127.0.0.1:26010", ouch),
            ("127.0.0.1:26011", &glimpse),
        ];
        for (port, ours) in ports {
            assert!(text.contains(port), "{port}");
            text = text.replace(port, &ours.to_string());
        }
        text
    };
    desk.write("sim.password", include_str!("../configs/sim.password"));
    let venue = desk.start_venue(&own(include_str!("../configs/exchange.toml")));
    trades(&desk, &own(include_str!("../configs/sim.toml"))).some("/orders_sent").some("/fills");
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}

#[test]
fn a_signal_ends_a_run_in_order() {
    for signal in ["TERM", "INT"] {
        let desk = Desk::new();
        let venue = desk.start_venue(&desk.venue());
        let mut core = desk.start_core(&desk.core(), &[]);
        desk.until_trading(&mut core);
        core.signal(signal);
        ended_in_order(&desk, core.end(), 130).some("/cancels_sent").some("/fills");
        assert!(!desk.in_shared_memory().iter().any(|f| f.ends_with(".sock")), "the control socket is gone");
        let (code, sentence) = (1, "no core named");
        desk.ctl("status").exits(code).says(&[sentence, &desk.name]);
        desk.end_venue(venue).is("/accounts/0/live_orders", 0);
    }
}

#[test]
fn a_core_that_was_killed_comes_back_and_takes_its_orders_over() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    core.kill();
    let first = desk.journals().join("run-000001");
    // What was committed is there: the log ends where the writer was, and nothing in it is damaged.
    let verified = log::verify(first.join("core")).expect("a journal without damage");
    assert!(matches!(verified.end, End::Torn { .. }), "{verified:?}");
    replays(&first);

    let again = trades(&desk, &desk.core());
    again.some("/orders_sent");
    let (old, new) = (tokens_of(&records(&first)), tokens_of(&records(&journal(&again))));
    assert!(old.iter().max() < new.iter().min(), "a token was used twice");
    let truth = desk.end_venue(venue);
    truth.is("/accounts/0/rejected", 0).is("/accounts/0/live_orders", 0);
    assert_eq!(truth.count("/accounts/0/fills"), again.count("/fills"));
}

#[test]
fn a_name_runs_once() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    let journals = std::fs::read_dir(desk.journals()).unwrap().count();
    let second = colo(["run".as_ref(), "--config".as_ref(), desk.file("colo.toml").as_os_str()]);
    second.exits(1).says(&[&desk.name, "running already"]);
    assert_eq!(std::fs::read_dir(desk.journals()).unwrap().count(), journals, "the second made a run");
    core.signal("TERM");
    ended_in_order(&desk, core.end(), 130);
}

/// A core before a venue that came back under another session, without the orders that were open.
fn lost_orders(desk: &Desk) -> (Program, Program) {
    let session = |name: &str| format!("session = \"{name}\"\n{}", desk.venue());
    let venue = desk.start_venue(&session("DAY1"));
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    venue.kill();
    desk.until_status("the disconnect", &mut core, |s| s.count("/gateways/0/disconnects") > 0);
    let venue = desk.start_venue(&session("DAY2"));
    // Orders that were open are nowhere any more, and nobody can say what became of them: the core does not guess.
    desk.until_status("the halt", &mut core, |s| halted(s) == Some("reconciliation"));
    (core, venue)
}

fn halted(status: &Report) -> Option<&str> {
    status.0.pointer("/risk/halted").and_then(|h| h.as_str())
}

#[test]
fn a_venue_that_lost_our_orders_halts_the_core_for_reconciliation() {
    let desk = Desk::new();
    let (mut core, _venue) = lost_orders(&desk);
    let sent = desk.status().map(|s| s.count("/engine/new_orders"));
    let now = desk.until_status("the session", &mut core, |s| s.count("/gateways/0/state") == 3);
    assert_eq!(Some(now.count("/engine/new_orders")), sent, "new orders after the halt");
    core.signal("TERM");
    let ended = core.end().exits(5);
    assert!(ended.stdout.is_empty() || ended.stdout.contains("NOT RECONCILED"), "{ended:#?}");
    let report = desk.report();
    report.is("/reconciled", false).is("/halted", "reconciliation").some("/open_orders");
    assert!(!report.at("/differences").as_array().expect("a list").is_empty(), "{report:?}");
}

#[test]
fn orders_that_nobody_knows_of_are_written_off_before_trading_goes_on() {
    let desk = Desk::new();
    let (mut core, _venue) = lost_orders(&desk);
    let status = desk.until_status("the session", &mut core, |s| s.count("/gateways/0/state") == 3);
    let sent = status.count("/engine/new_orders");
    desk.ctl("resume").exits(0);
    let status = desk.until_status("the refusal", &mut core, |s| s.count("/engine/controls_refused") > 0);
    assert_eq!(halted(&status), Some("reconciliation"), "not while an order is in the dark: {status:?}");

    let lost: Vec<u64> =
        status.at("/orders").as_array().expect("a list").iter().filter_map(|o| o["token"].as_u64()).collect();
    assert!(!lost.is_empty(), "{status:?}");
    let write_off = |token: &str| desk.ctl_with("write-off", &["--token", token]);
    for token in &lost {
        write_off(&token.to_string()).exits(0);
    }
    colo(["ctl", "--name", &desk.name, "write-off"]).exits(2);
    let status =
        desk.until_status("an empty book of orders", &mut core, |s| s.count("/risk/open_orders") == 0);
    assert_eq!(status.count("/engine/written_off"), lost.len() as u64, "{status:?}");
    desk.ctl("resume").exits(0);
    desk.until_status("new orders", &mut core, |s| {
        halted(s).is_none() && s.count("/engine/new_orders") > sent
    });
    core.signal("TERM");
    // What was filled in the lost session is in no stream that can be read again: that is said.
    core.end().exits(5);
}

#[test]
fn a_venue_that_restarts_its_session_empty_is_not_believed_either() {
    let desk = Desk::new();
    let config = format!("session = \"DAY1\"\n{}", desk.venue());
    let venue = desk.start_venue(&config);
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    venue.kill();
    desk.until_status("the disconnect", &mut core, |s| s.count("/gateways/0/disconnects") > 0);
    // The same session by name, but its stream begins again: what we remember of it never happened.
    let _venue = desk.start_venue(&config);
    desk.until_status("the halt", &mut core, |s| {
        s.0.pointer("/risk/halted").is_some_and(|h| h == "reconciliation")
    });
    core.signal("TERM");
    core.end().exits(5);
    desk.report().is("/reconciled", false).is("/halted", "reconciliation");
}

#[test]
fn a_venue_that_never_comes_back_is_told_in_the_verdict() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    venue.kill();
    desk.until_status("the disconnect", &mut core, |s| s.count("/gateways/0/disconnects") > 0);
    core.signal("TERM");
    core.end().exits(5);
    let report = desk.report();
    report.is("/reconciled", false);
    let why = report.at("/differences/0").as_str().expect("a sentence");
    assert!(why.contains("g1") && why.contains(&desk.ouch.to_string()), "{why}");
}

#[test]
fn a_venue_that_closes_its_day_ends_nothing_but_the_day() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    // Nothing in flight at the close: what is never answered would rightly stay unknown.
    desk.ctl("halt").exits(0);
    desk.until_status("no open orders", &mut core, |s| open_orders(s) == 0);
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
    desk.until_status("the end of the session", &mut core, |s| s.count("/gateways/0/disconnects") > 0);
    core.signal("TERM");
    // There is nobody left to ask, and that is what the verdict says.
    core.end().exits(5);
    desk.report().is("/reconciled", false).is("/open_orders", 0).is("/halted", "operator");
}

#[test]
fn a_venue_that_comes_late_is_waited_for() {
    let desk = Desk::new();
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_status("the first refused connection", &mut core, |s| s.count("/gateways/0/state") < 2);
    until("the warning", || {
        assert!(core.runs(), "{}", core.stderr());
        core.stderr().contains("cannot be reached").then_some(())
    });
    let venue = desk.start_venue(&desk.venue());
    desk.until_trading(&mut core);
    core.signal("TERM");
    ended_in_order(&desk, core.end(), 130).some("/fills");
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}
