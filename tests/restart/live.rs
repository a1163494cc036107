//! Real processes: what was restrained stays so over `kill -9` and over an end in order, and a core is ready soon after a long day.

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use colo::journal::standing::{EVERY_RECORDS, of_all, of_run};
use colo::journal::{Record, RunDir};
use model::{Control, HaltReason, SessionEvent, Usd};
use ringbuf::log::Reader;
use serde_json::Value;

use super::day::{Day, Shape};
use crate::program::desk::Desk;
use crate::program::json::Report;
use crate::program::until;

fn halted(status: &Report) -> Option<String> {
    status.0.pointer("/risk/halted").and_then(Value::as_str).map(Into::into)
}

/// The inputs of a run up to the first that is no control input.
fn first_controls(run: &Path) -> Vec<Control> {
    let mut reader = Reader::open(RunDir::core(run)).unwrap();
    let mut controls = Vec::new();
    while let Some(r) = reader.next().unwrap() {
        match Record::decode(r.kind, r.payload).unwrap() {
            Record::Control { control, .. } => controls.push(control),
            record if record.is_input() => break,
            _ => {}
        }
    }
    controls
}

#[test]
fn a_halt_outlives_its_process_and_a_resume_ends_it_for_good() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    desk.ctl("halt").exits(0);
    desk.until_status("the halt", &mut core, |s| halted(s).as_deref() == Some("operator"));
    core.kill();
    let run = |n: u32| desk.journals().join(format!("run-{n:06}"));
    // Its standing is the same however much of it is on the disk.
    let stood = of_run(&run(1), 1).unwrap().standing;
    assert_eq!(stood, of_all(&run(1)).unwrap().0);
    assert_eq!(stood.restraint.words(), ["halted (operator)"]);

    let mut core = desk.start_core(&desk.core(), &[]);
    let status = desk.until_status("the session", &mut core, |s| s.count("/gateways/0/state") == 3);
    assert_eq!(halted(&status).as_deref(), Some("operator"), "{:#}", status.0);
    assert_eq!(first_controls(&run(2))[0], Control::Halt(HaltReason::Operator), "the first input of all");
    // Positions are the venue's, which has told all of it again: those that stood, and what traded as the process was being killed.
    let shares = status.0.pointer("/instruments/0/position").and_then(Value::as_i64);
    let told = until("the replay in the journal", || {
        let told = of_all(&run(2)).unwrap().0;
        (told.sessions.get(&0).is_some_and(|s| s.ready)
            && told.sessions[&0].heard >= stood.sessions[&0].heard)
            .then_some(told)
    });
    if told.sessions[&0].heard == stood.sessions[&0].heard {
        assert_eq!(told.held, stood.held);
    }
    assert!(shares.is_none_or(|s| s == told.shares(model::InstrumentId(0))), "{shares:?} {:?}", told.held);
    // An end in order takes nothing off it either.
    core.signal("TERM");
    core.end();
    assert!(run(2).join("standing").is_file(), "an end in order leaves a standing");
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_status("the session", &mut core, |s| halted(s).as_deref() == Some("operator"));
    assert!(core.stderr().contains("left trading restrained: halted (operator)"), "{}", core.stderr());
    desk.until_status("the session", &mut core, |s| s.count("/gateways/0/state") == 3);
    desk.ctl("resume").exits(0);
    desk.until_status("the resume", &mut core, |s| halted(s).is_none());
    core.kill();
    let mut core = desk.start_core(&desk.core(), &[]);
    let status = desk.until_status("the session", &mut core, |s| s.count("/gateways/0/state") == 3);
    assert_eq!(halted(&status), None);
    core.signal("TERM");
    core.end();
    // A journal that cannot be read lets nobody trade on it unseen.
    let last = run(4);
    let segment = RunDir::core(&last).join("00000000.log");
    fs::remove_file(last.join("standing")).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[64 + 20] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let mut core = desk.start_core(&desk.core(), &[]);
    let status = desk.until_status("the session", &mut core, |s| s.count("/gateways/0/state") == 3);
    assert_eq!(halted(&status).as_deref(), Some("reconciliation"));
    assert!(core.stderr().contains("cannot be told"), "{}", core.stderr());
    core.kill();
    desk.end_venue(venue);
}

/// The time from the start of a core's process to its session being ready, ms, of its own journal.
fn ready_after_ms(desk: &Desk, number: u32) -> u64 {
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_status("the session", &mut core, |s| s.count("/gateways/0/state") == 3);
    core.kill();
    let mut reader = Reader::open(RunDir::core(&desk.journals().join(format!("run-{number:06}")))).unwrap();
    loop {
        let r = reader.next().unwrap().expect("a session that is ready");
        let record = Record::decode(r.kind, r.payload).unwrap();
        if let Record::Session { now, event: SessionEvent::Ready { .. }, .. } = record {
            return now.0.saturating_sub(began) / 1_000_000;
        }
    }
}

/// A day of many records (`COLO_RESTART_RECORDS`), and what a start after it reads and takes.
#[test]
#[allow(clippy::print_stdout)]
fn a_start_reads_a_bounded_part_of_a_long_day() {
    let records = std::env::var("COLO_RESTART_RECORDS").map_or(700_000, |n| n.parse().expect("a number"));
    let desk = Desk::new();
    let folder = desk.journals();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    // 10 million records are a day of some hours.
    let shape = Shape { segment_bytes: 32 << 20, now: now - records * 4_000_000, pace: 2_000_000 };
    let mut day = Day::with(&folder, 1, 77, &desk.core(), &shape);
    let began = Instant::now();
    while day.place().index < records {
        day.go_on(50_000);
    }
    let written = began.elapsed();
    let run = day.end(false).run;
    let files: Vec<_> = fs::read_dir(RunDir::core(&run)).unwrap().map(Result::unwrap).collect();
    let bytes: u64 = files.iter().map(|f| f.metadata().unwrap().len()).sum();
    let found = of_run(&run, 1).unwrap();
    let began = Instant::now();
    let (all, read) = of_all(&run).unwrap();
    let without = began.elapsed();
    assert!(found.standing == all && found.unfit.is_none() && read >= records);
    assert!(found.records_read < 2 * EVERY_RECORDS, "{} of {read}", found.records_read);
    println!(
        "restart: {read} records in {} segments ({} MB, written and followed in {:.1} s); standing: {} records read in {:.1} ms; every record: {:.1} ms",
        files.len(),
        bytes >> 20,
        written.as_secs_f64(),
        found.records_read,
        found.took.as_secs_f64() * 1e3,
        without.as_secs_f64() * 1e3,
    );
    // What a start takes on this host, whatever there was before.
    let first = Desk::new();
    let venue = first.start_venue(&first.venue());
    let none = ready_after_ms(&first, 1);
    first.end_venue(venue);
    let venue = desk.start_venue(&desk.venue());
    let with = ready_after_ms(&desk, 2);
    let best = Control::Best { pnl: Usd(all.best.expect("a day of many records has a best")) };
    assert!(first_controls(&folder.join("run-000002")).contains(&best), "{best:?}");
    // What came since is a run of its own: the day again as the last one, and without its standing.
    for n in [2, 1] {
        let path = folder.join(format!("run-{n:06}"));
        if n == 2 {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path.join("standing")).unwrap();
        }
    }
    let blind = ready_after_ms(&desk, 2);
    println!(
        "restart: {with} ms from the start of the process to a session that is ready; without a standing {blind} ms, with no run before {none} ms"
    );
    // A test sets no times; the drill does, on a host that has some to itself.
    if let Ok(most) = std::env::var("COLO_RESTART_READY_MS") {
        let most: u64 = most.parse().expect("COLO_RESTART_READY_MS: a number");
        assert!(with <= most, "ready after {with} ms");
    }
    desk.end_venue(venue);
}
