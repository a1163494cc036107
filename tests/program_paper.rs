//! `colo run --mode paper`: a live feed, a venue of the core's own, and nothing that leaves for anybody.

mod program;

use std::net::TcpListener;
use std::path::PathBuf;

use program::colo;
use program::desk::{Desk, open_orders};
use program::json::Report;
use ringbuf::log::{self, End};

fn journal(report: &Report) -> PathBuf {
    PathBuf::from(report.at("/journal").as_str().expect("a folder"))
}

/// Runs a core on paper until it has traded and has orders open, and ends it in order.
#[track_caller]
fn trades(desk: &Desk, config: &str) -> Report {
    let mut core = desk.start_core(config, &["--mode", "paper"]);
    let status = desk.until_trading(&mut core);
    status.is("/mode", "paper");
    core.signal("TERM");
    core.end().exits(130);
    let report = desk.report();
    report.is("/mode", "paper").is("/reconciled", true).is("/open_orders", 0).is("/gaps_open", 0);
    report.is("/failures", Vec::<String>::new()).some("/orders_sent").some("/accepted").some("/fills");
    let run = journal(&report);
    for log in ["core", "feed-f1"] {
        let verified = log::verify(run.join(log)).unwrap_or_else(|e| panic!("{log}: {e}"));
        assert_eq!(verified.end, End::Clean, "{log}");
    }
    colo(["replay".as_ref(), "--journal".as_ref(), run.as_os_str()]).exits(0);
    report
}

/// The listener stands where the configuration's gateway is, and nobody has knocked.
#[track_caller]
fn nobody_came(door: &TcpListener) {
    door.set_nonblocking(true).expect("a listener");
    let came = door.accept().map(|(_, from)| from);
    assert!(came.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "somebody connected");
}

#[test]
fn paper_trades_beside_the_market_and_nothing_reaches_the_venue() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let report = trades(&desk, &desk.core());
    // What a gate between stages reads.
    for pointer in ["/binary_sha256", "/config_sha256"] {
        assert_eq!(report.at(pointer).as_str().map(str::len), Some(64), "{pointer}: {report:?}");
    }
    report.is("/strategy", "quoter").is("/params/quantity", 100).is("/journal_read", true).is("/alarms", 0);
    assert!(report.count("/started_ns") > 0 && report.count("/started_ns") < report.count("/ended_ns"));
    let manifest = std::fs::read_to_string(journal(&report).join("manifest.toml")).expect("a manifest");
    assert!(manifest.contains(report.at("/config_sha256").as_str().unwrap()), "{manifest}");

    let truth = desk.end_venue(venue);
    truth.is("/logins", 0).is("/accounts/0/accepted", 0).is("/accounts/0/fills", 0);
}

/// Credentials are not there to be read, the gateway is the market's, and what stands at its address hears nothing: pipelined and inline.
#[test]
fn a_production_gateway_is_neither_asked_nor_known() {
    for topology in ["pipelined", "inline"] {
        let desk = Desk::new();
        let _venue = desk.start_venue(&desk.venue());
        let door = TcpListener::bind((*desk.ouch.ip(), 0)).expect("a free port");
        let config = desk
            .core()
            .replace("environment = \"test\"", "environment = \"production\"")
            .replace("\"pipelined\"", &format!("\"{topology}\""))
            .replace(&desk.ouch.to_string(), &door.local_addr().unwrap().to_string())
            .replace("password_file = \"pw\"", "password_file = \"no/such/file\"");
        trades(&desk, &config);
        nobody_came(&door);
        // The same in the mode that would log in is refused before anything is opened.
        desk.run_core(&config, &["--mode", "test", "--seconds", "1"]).exits(3).says(&["password_file"]);
        nobody_came(&door);
    }
}

#[test]
fn a_run_on_paper_begins_flat_and_takes_tokens_of_its_own() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let first = trades(&desk, &desk.core());
    let next = desk.next_token();
    let again = trades(&desk, &desk.core());
    assert!(desk.next_token() > next, "no token is used twice, whatever the mode");
    assert_ne!(journal(&first), journal(&again));
    // Figures of the second run are its own alone: the venue's account and ours agree without what the first one held.
    again.is("/reconciled", true);
}

/// What is far away is far away: reports come no sooner than the legs take, by the core's own journal.
#[test]
fn reports_take_as_long_as_the_legs() {
    use colo::journal::Record;
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let legs = "\n[backtest]\norder_latency = { fixed_us = 3000 }\nreport_latency = { fixed_us = 2000 }\nfeed_latency = { fixed_us = 0 }\n";
    let report = trades(&desk, &format!("{}{legs}", desk.core()));
    let mut reader = log::Reader::open(journal(&report).join("core")).expect("a journal");
    let (mut sent, mut answered) = (std::collections::HashMap::new(), Vec::new());
    let mut reports = Vec::new();
    while let Some(r) = reader.next().expect("whole") {
        match Record::decode(r.kind, r.payload).expect("a record") {
            Record::Receipt(r) => {
                sent.entry(r.token).or_insert(r.sent);
            }
            Record::Report { now, report } if matches!(report.kind, model::ReportKind::Accepted { .. }) => {
                reports.push((report.token, now));
            }
            _ => {}
        }
    }
    for (token, now) in reports {
        answered.push(now.0 - sent[&token].0);
    }
    assert!(!answered.is_empty());
    let soonest = answered.iter().min().unwrap();
    assert!(*soonest >= 5_000_000, "an answer after {soonest} ns over legs of 5 ms");
}

#[test]
fn a_watchdog_leaves_a_core_on_paper_alone() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &["--mode", "paper"]);
    desk.until_trading(&mut core);
    let config = desk.file("colo.toml");
    let dog = || ["watchdog".as_ref(), "--config".as_ref(), config.as_os_str()];
    colo(dog()).exits(4).says(&["paper"]);
    let now = ["--now".as_ref(), "--reason".as_ref(), "a test".as_ref()];
    colo(dog().into_iter().chain(now)).exits(4).says(&["paper"]);
    assert!(core.runs(), "it trades on");
    core.signal("TERM");
    core.end().exits(130);
    desk.end_venue(venue).is("/logins", 0);
}

/// A kill holds on paper as it does at a venue.
#[test]
fn a_kill_holds_on_paper_too() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &["--mode", "paper"]);
    desk.until_trading(&mut core);
    desk.ctl("kill").exits(0);
    desk.until_status("flat", &mut core, |s| s.count("/engine/kill") == 2 && open_orders(s) == 0);
    desk.ctl("unkill").exits(0);
    desk.ctl_with("entry-on", &["--gateway", "g1"]).exits(0);
    desk.ctl("resume").exits(0);
    desk.until_status("orders again", &mut core, |s| open_orders(s) > 0);
    core.signal("TERM");
    core.end().exits(130);
    desk.report().is("/reconciled", true).is("/open_orders", 0);
}
