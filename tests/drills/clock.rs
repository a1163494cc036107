//! T16. The wall clock is stepped, and decisions do not change: by leap seconds, by hours, to 1970 and by years ahead (`colo::sim::clock_steps` has the story). In virtual time a whole day, and
//! under a real core that trades, whose wall clock libfaketime steps while its processor's counter goes on.
//!
//! `COLO_T16_STEPS=n` is how many steps in all; `SEED=n` begins with that one.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use colo::journal::Record;
use colo::sim::clock_steps;

use crate::ledger;
use crate::number;
use crate::program::desk::{Desk, open_orders};
use crate::program::{COLO, Program, colo, skipped};

/// Steps of one day: what its journal in memory has room for.
const A_DAY: u64 = 5_000;

#[test]
fn clock_steps_change_no_decision() {
    let (steps, first) = (number("COLO_T16_STEPS", 100), number("SEED", 1));
    let (mut done, mut decisions, mut days, mut lasted_s) = (0, 0, 0, 0);
    while done < steps {
        let seed = first + days;
        println!("seed {seed}");
        let day = clock_steps(seed, A_DAY.min(steps - done), true).unwrap_or_else(|e| panic!("{e}"));
        assert!(day.same, "seed {seed}: another decision, or another time for it: {day:?}");
        (done, decisions, days) = (done + day.steps, decisions + day.decisions, days + 1);
        lasted_s += day.lasted_ns / 1_000_000_000;
    }
    println!("\nT16 steps={done} days={days} decisions={decisions} same=yes virtual_s={lasted_s}");
}

/// Decisions that do hang on the time are seen to differ: the comparison can fail.
#[test]
fn clock_of_a_strategy_that_goes_by_the_time_is_seen() {
    let differs = |seed| {
        let day = clock_steps(seed, 60, false).unwrap_or_else(|e| panic!("{e}"));
        !day.same
    };
    let seen = (1..=5).filter(|seed| differs(*seed)).count();
    println!("\ncanary: a strategy that goes by the time is seen in {seen} of 5 days");
    assert!(seen > 0);
}

/// Where Debian puts the library that answers for the wall clock.
fn libfaketime() -> Option<String> {
    let machine = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    Path::new(&machine).is_file().then_some(machine)
}

#[test]
fn clock_of_a_core_that_trades_is_stepped() {
    let Some(library) = libfaketime() else {
        return skipped("libfaketime is not installed (scripts/test does)");
    };
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let wall = desk.write("wall", "+0\n");
    let config = desk.write("colo.toml", desk.core());
    let mut command = Command::new(COLO);
    command.args(["run", "--config"]).arg(config).arg("--json").arg(desk.file("run.json"));
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", wall).env("FAKETIME_NO_CACHE", "1");
    // What is measured by the monotonic clock, and when a file was written, is as it was.
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    let mut core = Program::start(&mut command);
    desk.until_trading(&mut core);
    let began = Instant::now();
    let at = desk.until_status("a status", &mut core, |_| true).count("/risk/now_ns");

    // A leap second and back, hours, a day back, years ahead, before 1970, and right again.
    let steps = ["+1", "+0", "+3600", "-86400", "+946080000", "-2524608000", "+0"];
    for (k, offset) in (1..).zip(steps) {
        desk.write("wall", format!("{offset}\n"));
        let s = desk
            .until_status(&format!("step {k}, {offset}"), &mut core, |s| s.count("/cold/clock_steps") >= k);
        let sent = s.count("/engine/new_orders");
        let s = desk.until_status("more orders", &mut core, |s| {
            s.count("/engine/new_orders") > sent + 5 && open_orders(s) > 0
        });
        assert!(s.at("/risk/halted").is_null(), "{offset}: {s:?}");
    }
    let passed = began.elapsed().as_nanos() as u64;
    let told = desk.until_status("a status", &mut core, |_| true).count("/risk/now_ns") - at;
    // A clock that went along would be years ahead; a host that is busy is late by less than this.
    assert!(told.abs_diff(passed) < 60_000_000_000, "the core counted {told} ns in {passed}");

    core.signal("TERM");
    core.end().exits(130);
    desk.report().is("/reconciled", true).is("/open_orders", 0);
    let run = ledger::last_run(&desk);
    // Each agent has a time of its own for what it received; that of one never goes back.
    let received = |r: &Record| match r {
        Record::Market { now, .. } => Some(*now),
        _ => None,
    };
    let times: Vec<_> = ledger::records(&run).iter().filter_map(received).collect();
    assert!(
        times.len() > 1_000 && times.is_sorted(),
        "of {} packets one was before the one before it",
        times.len()
    );
    colo(["replay".as_ref(), "--journal".as_ref(), run.as_os_str()]).exits(0).shows(&["no difference"]);
    desk.end_venue(venue);
    println!(
        "\nT16 live: {} steps of a running core's wall clock, {} packets, none halted, replayed alike",
        steps.len(),
        times.len()
    );
}
