//! T15. A core lives through one day after the other: the venue opens, crosses, closes, ends its sessions and is gone; the next morning another session of feed and orders begins on the same
//! addresses. A day takes seconds, but has all of a day's turns. Nothing may be left of one in the next: no descriptor, no memory, no order, no number out of step.
//!
//! `COLO_T15_DAYS=20` is how many are compared, two at least, after one to get warm.

use std::fs;

use colo::journal::Record;
use model::CommandKind;

use crate::ledger;
use crate::program::desk::Desk;
use crate::program::json::Report;
use crate::program::{COLO, colo};
use crate::{number, start};

/// Memory that days may differ in, KiB: what an allocator keeps at one time and not at another.
const SPREAD_KIB: u64 = 1_024;
/// Days after which everything that is taken once has been taken.
const WARM: usize = 1;

/// What a process has of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken {
    /// Memory that is no file's, KiB.
    anonymous_kib: u64,
    descriptors: Vec<String>,
    threads: usize,
    /// Pages that hot threads had to wait for since they began.
    hot_faults: u64,
}

fn taken(pid: u32) -> Taken {
    let of = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a process");
    let status = of("status");
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|l| l.strip_prefix(name)).expect("a field of status");
        line.split_ascii_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
    };
    let list = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).expect("a folder").flatten();
    // By what they are, so that a leak says what leaks.
    let kind = |entry: fs::DirEntry| {
        let to = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
        let to = to.split('[').next().unwrap_or_default().to_owned();
        let name = to.rsplit('/').next().unwrap_or_default();
        name.chars().filter(|c| c.is_ascii_alphabetic()).collect::<String>()
    };
    let mut descriptors: Vec<_> = list("fd").map(kind).collect();
    descriptors.sort();
    let hot = |task: &fs::DirEntry| {
        let comm = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        ["strategy", "feed-f1", "gateway-g1"].contains(&comm.trim())
    };
    let faults = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // Behind the name, the eighth (proc(5), minflt).
        let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest).to_owned();
        after.split_ascii_whitespace().nth(7).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    Taken {
        anonymous_kib: field("RssAnon:"),
        descriptors,
        threads: list("task").count(),
        hot_faults: list("task").filter(hot).map(faults).sum(),
    }
}

fn venue(desk: &Desk, day: u64) -> String {
    let hours = "[market]\nimbalance_ms = 200\nhours = { open_ms = 500, close_ms = 3500, late_ms = 200 }\n\n[[accounts]]";
    // So many that the captures of a few days fill more than one segment.
    let busy = desk.venue().replace("messages_per_second = 2000", "messages_per_second = 6000");
    let venue = busy.replace("[[accounts]]", hours).replace("seed = 1", &format!("seed = {day}"));
    format!(
        "wait_for_login = true\nsession = \"DAY{day:07}\"\ncontrol = \"venue.sock\"\nend_of_session_ms = 300\n{venue}"
    )
}

fn position(report: &Report) -> i64 {
    report.0.pointer("/accounts/0/positions/AAPL").and_then(|p| p.as_i64()).unwrap_or(0)
}

#[test]
fn soak_days_follow_each_other_and_leave_nothing_behind() {
    let days = number("COLO_T15_DAYS", 2).max(2) + WARM as u64;
    let desk = Desk::new();
    // Segments as small as they may be: the journal rolls many times.
    let config = format!("{}\nflat_after_close_ms = 100\n\n[journal]\nsegment_mib = 1\n", desk.core());
    let mut exchange = desk.start_venue(&venue(&desk, 1));
    let mut core = start(&desk, COLO.as_ref(), &config);
    let (mut held, mut readings, mut before) = (0, Vec::new(), (0, 0));
    for day in 1..=days {
        // Trading, in this day's session.
        let status = desk.until_status("the day's orders", &mut core, |s| {
            let valid = s.at("/instruments/0/validity") == "valid";
            valid
                && s.count("/engine/new_orders") > before.0 + 5
                && s.count("/engine/market_events") > before.1 + 300
        });
        status.is("/risk/halted", ());
        readings.push(taken(core.pid()));
        // The closing cross, the end of both sessions, and the venue is gone.
        exchange.end().exits(0);
        let report = Report::read(&desk.file("venue.json"));
        report.is("/accounts/0/rejected", 0);
        held += position(&report);
        let status = desk.until_status("the close", &mut core, |s| {
            s.at("/instruments/0/reason") == "end_of_session" && s.count("/gateways/0/state") != 3
        });
        status.is("/instruments/0/position", held).is("/risk/open_orders", 0).is("/risk/halted", ());
        status.is("/feeds/0/messages_lost", 0).is("/feeds/0/gaps_open", 0);
        before = (status.count("/engine/new_orders"), status.count("/engine/market_events"));
        exchange = if day < days { desk.start_venue(&venue(&desk, day + 1)) } else { break };
    }
    let (first, last) = (&readings[WARM], readings.last().expect("days"));
    for (day, r) in readings.iter().enumerate() {
        println!(
            "day {}: {} KiB, {} descriptors, {} threads, {} faults of hot threads",
            day + 1,
            r.anonymous_kib,
            r.descriptors.len(),
            r.threads,
            r.hot_faults
        );
    }
    assert_eq!(last.descriptors, first.descriptors, "descriptors of the first warm day and of the last");
    assert_eq!(last.threads, first.threads, "threads");
    let most = readings[WARM..].iter().map(|r| r.anonymous_kib).max().unwrap_or(0);
    assert!(most <= first.anonymous_kib + SPREAD_KIB, "memory grows: {} KiB to {most}", first.anonymous_kib);

    core.signal("TERM");
    let _ = core.end();
    let run = ledger::last_run(&desk);
    colo(["journal".as_ref(), "verify".as_ref(), run.as_os_str()]).exits(0);
    colo(["replay".as_ref(), "--journal".as_ref(), run.as_os_str()]).exits(0);
    let records = ledger::records(&run);
    // Tokens only ever grow, over all sessions.
    let tokens: Vec<u32> = records
        .iter()
        .filter_map(|r| match r {
            Record::Command(c) => match c.kind {
                CommandKind::New { token, .. } | CommandKind::Replace { token, .. } => Some(token.0),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert!(tokens.is_sorted_by(|a, b| a < b), "tokens");
    let segments = fs::read_dir(run.join("feed-f1")).expect("a capture").count();
    assert!(segments > 1, "the capture has not rolled: {segments} segments");
    println!(
        "\nT15 days={days} orders={} events={} segments={segments} descriptors={} anonymous_kib={}..{most} growth_kib={} position={held}",
        tokens.len(),
        before.1,
        last.descriptors.len(),
        first.anonymous_kib,
        most.saturating_sub(first.anonymous_kib)
    );
}
