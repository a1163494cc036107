//! What becomes of journals with age, by the thread that does it.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use colo::journal::standing::of_all;
use colo::journal::{Archive, Retention, RunDir};
use ringbuf::log::{Reader, pack, verify};

use super::day::Day;
use crate::program::desk::Desk;
use crate::program::{colo, until};

fn files(log: &Path, suffix: &str) -> usize {
    let names = fs::read_dir(log).into_iter().flatten().flatten();
    names.filter(|e| e.file_name().to_str().is_some_and(|n| n.ends_with(suffix))).count()
}

fn days(folder: &Path, runs: u32) {
    for number in 1..=runs {
        let mut day = Day::begin(folder, number, number.into());
        day.go_on(900);
        day.end(number % 2 == 0);
    }
}

fn run(folder: &Path, number: u32) -> std::path::PathBuf {
    folder.join(format!("run-{number:06}"))
}

/// Sets the time of the last change of all of a run.
fn age(run: &Path, days: u64) {
    let at = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
    let core = RunDir::core(run);
    let all = [run.to_path_buf(), core].into_iter().flat_map(|f| fs::read_dir(f).unwrap().flatten());
    for file in all.filter(|e| e.path().is_file()) {
        File::options().write(true).open(file.path()).unwrap().set_modified(at).unwrap();
    }
}

#[test]
fn old_runs_go_and_what_a_start_or_a_reader_needs_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    days(folder, 6);
    (1..=6).for_each(|n| age(&run(folder, n), 10));
    age(&run(folder, 3), 1);
    let reader = Reader::open(RunDir::core(&run(folder, 2))).unwrap();
    // A process that ended in the middle of removing one.
    fs::create_dir(folder.join("gone-run-000000")).unwrap();
    let retention = Retention { keep_days: 5, ..Retention::default() };
    let mut archive = Archive::start(folder.to_path_buf(), 6, retention, None).unwrap();
    let mut said = Vec::new();
    until("the fourth to go", || {
        said.extend(archive.said());
        (!run(folder, 4).exists() && said.len() >= 3).then_some(())
    });
    let left: Vec<u32> = (1..=6).filter(|n| run(folder, *n).exists()).collect();
    assert_eq!(left, [2, 3, 5, 6], "read, young, the one before, the one that goes on: {said:?}");
    assert!(!folder.join("gone-run-000000").exists());
    drop(archive);
    drop(reader);
    // The next look takes what nobody reads any more.
    let _archive = Archive::start(folder.to_path_buf(), 6, retention, None).unwrap();
    until("the second to go", || (!run(folder, 2).exists()).then_some(()));
}

#[test]
fn the_oldest_go_while_all_take_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    days(folder, 5);
    let bytes = |n: u32| -> u64 {
        let dirs = [run(folder, n), RunDir::core(&run(folder, n))];
        let all = dirs.iter().flat_map(|d| fs::read_dir(d).unwrap().flatten());
        all.map(|e| e.metadata().unwrap()).filter(|m| m.is_file()).map(|m| m.len()).sum()
    };
    let keep_bytes = bytes(3) + bytes(4) + bytes(5);
    let retention = Retention { keep_bytes, ..Retention::default() };
    let _archive = Archive::start(folder.to_path_buf(), 5, retention, None).unwrap();
    until("the second to go", || (!run(folder, 2).exists()).then_some(()));
    assert!(!run(folder, 1).exists() && (3..=5).all(|n| run(folder, n).exists()));
}

#[test]
fn runs_that_are_over_are_packed_and_read_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    days(folder, 4);
    let before: Vec<_> = (1..=4)
        .map(|n| (verify(RunDir::core(&run(folder, n))).unwrap(), of_all(&run(folder, n)).unwrap()))
        .collect();
    let retention = Retention { compress: true, ..Retention::default() };
    let mut archive = Archive::start(folder.to_path_buf(), 4, retention, None).unwrap();
    let core = |n: u32| RunDir::core(&run(folder, n));
    until("the first two to be packed", || {
        (files(&core(1), ".log") == 0 && files(&core(2), ".log") == 0).then_some(())
    });
    // Of the run that goes on: what is closed, but for the last.
    let all = files(&core(4), ".log");
    archive.closed(&core(4), all as u32 - 1);
    until("its closed segments to be packed", || (files(&core(4), ".log") == 2).then_some(()));
    assert_eq!(files(&core(3), ".zst"), 0, "the run before is left to the start");
    drop(archive);
    let after: Vec<_> =
        (1..=4).map(|n| (verify(core(n)).unwrap(), of_all(&run(folder, n)).unwrap())).collect();
    assert_eq!(before, after);
    let left = files(&core(1), "pack") + files(&core(2), "pack") + files(&core(4), "pack");
    assert_eq!(left, 0);
}

/// A core packs what it has closed while it trades, and every tool says the same of its journal when all of it is packed.
#[test]
fn a_core_packs_as_it_goes_and_every_tool_reads_it() {
    let desk = Desk::new();
    let rate = "messages_per_second = 8000";
    let venue = desk.start_venue(&desk.venue().replace("messages_per_second = 2000", rate));
    let config = format!("{}\n[journal]\nsegment_mib = 1\ncompress = \"zstd\"\n", desk.core());
    let mut core = desk.start_core(&config, &[]);
    desk.until_trading(&mut core);
    let run = run(&desk.journals(), 1);
    let logs = [RunDir::core(&run), RunDir::capture(&run, "f1")];
    until("packed segments", || (files(&logs[1], ".zst") >= 2).then_some(()));
    assert!(core.runs(), "{}", core.stderr());
    core.signal("TERM");
    core.end().exits(130);
    desk.report().is("/reconciled", true);
    desk.end_venue(venue);
    let words = |words: &[&str]| {
        let words = words.iter().map(Into::into).chain([run.clone().into_os_string()]);
        colo(words.collect::<Vec<std::ffi::OsString>>()).exits(0)
    };
    let tools = || {
        words(&["replay", "--journal"]);
        ["verify", "audit", "dump", "standing"].map(|tool| match tool {
            // It says how long it took.
            "standing" => words(&["journal", tool]).stdout.lines().skip(1).collect(),
            tool => words(&["journal", tool]).stdout,
        })
    };
    let before = tools();
    assert!(before.iter().all(|said| !said.is_empty()));
    for log in &logs {
        let plain = fs::read_dir(log).unwrap().flatten();
        let plain = plain.filter_map(|e| e.file_name().to_str()?.strip_suffix(".log")?.parse().ok());
        for segment in plain.collect::<Vec<u32>>() {
            pack(log, segment, |_| Ok(())).unwrap();
        }
        assert_eq!(files(log, ".log"), 0);
    }
    assert!(tools() == before, "packed, it is another journal");
}
