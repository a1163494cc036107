//! Replay of a run that was made without sockets: the same commands where nothing was touched, and the very record where something was.

mod run;

use std::fs;
use std::path::{Path, PathBuf};

use colo::cli::{Exit, Failure, Outcome, Registry, replay, strategy};
use colo::journal::{Record, RunDir};
use colo::replay::{Journal, ReplayError, Replayed};
use model::{CommandKind, FeedStatus, Nanos, Qty};
use ringbuf::log::Reader;
use run::{Core, Eager, Run, add, delete, framed, named};

const AAPL: &[u8; 8] = b"AAPL    ";
const MSFT: &[u8; 8] = b"MSFT    ";

/// The head of a session: AAPL, which is wanted, and MSFT, which is not.
fn head(core: &mut Core, aapl: u16, msft: u16) {
    core.packet(&[named(b'R', msft, MSFT)]);
    core.packet(&[named(b'R', aapl, AAPL), named(b'H', aapl, AAPL)]);
    core.status(FeedStatus::Synced { next: core.next });
}

/// Some trading: the bid climbs, orders of the other symbol between.
fn trade(core: &mut Core, aapl: u16, msft: u16, keys: std::ops::Range<u64>) {
    core.packet(&[add(aapl, AAPL, keys.start * 100, false, 1_010_000)]);
    for k in keys {
        let px = 1_000_000 + (k as u32 % 20) * 100;
        core.packet(&[add(msft, MSFT, k * 100 + 1, true, px)]);
        core.packet(&[add(aapl, AAPL, k * 100 + 2, true, px), delete(msft, k * 100 + 1)]);
        core.packet(&[delete(aapl, k * 100 + 2)]);
        if k % 3 == 0 {
            core.answer();
        }
        if k % 10 == 0 {
            core.hash();
        }
    }
    core.answer();
}

fn simple_run() -> Run {
    let mut core = Core::start();
    head(&mut core, 7, 8);
    trade(&mut core, 7, 8, 1..60);
    core.end()
}

fn registry() -> Registry {
    Registry::new(&[strategy::<Eager>()])
}

fn replayed(run: &Path, data: &[PathBuf]) -> Result<Replayed, ReplayError> {
    let journal = Journal::open(run)?.with_data(data)?;
    registry().find("eager").expect("it was registered").replay(&journal)
}

/// By the command, with its JSON.
fn by_command(run: &Path, data: &[PathBuf]) -> (Outcome, serde_json::Value) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("replay.json");
    let args = replay::Args { journal: run.into(), data: data.to_vec(), json: Some(file.clone()) };
    let outcome = replay::run(&args, &registry());
    let json = fs::read_to_string(file).ok().and_then(|t| serde_json::from_str(&t).ok());
    (outcome, json.unwrap_or_default())
}

/// The difference is at `record`, and the command says so with code 5.
fn differs_at(run: &Path, record: u64) -> ReplayError {
    let error = replayed(run, &[]).expect_err("something was changed");
    assert!(error.is_difference(), "{error}");
    assert_eq!(error.record(), Some(record), "{error}");
    let (outcome, json) = by_command(run, &[]);
    let failure = outcome.expect_err("something was changed");
    assert_eq!(failure.exit, Exit::Difference);
    assert!(failure.message.contains(&format!("record {record}")), "{}", failure.message);
    assert_eq!((&json["ok"], &json["record"]), (&false.into(), &record.into()));
    error
}

fn exit_of(outcome: Outcome) -> (Exit, String) {
    let Failure { exit, message } = outcome.expect_err("it cannot be replayed");
    (exit, message)
}

/// Segment file and offset of a record.
fn place(run: &Path, index: u64) -> (PathBuf, usize) {
    let core = RunDir::core(run);
    let mut reader = Reader::open(&core).unwrap();
    loop {
        let r = reader.next().unwrap().expect("the record is there");
        if r.index == index {
            return (core.join(format!("{:08}.log", r.segment)), r.offset as usize);
        }
    }
}

#[test]
fn an_untouched_run_replays_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let made = simple_run();
    let run = made.write(dir.path(), true);
    let r = replayed(&run, &[]).unwrap_or_else(|e| panic!("{e}"));
    let count = |is: fn(&Record) -> bool| made.records.iter().filter(|r| is(r)).count() as u64;
    assert_eq!(r.records, made.records.len() as u64);
    assert_eq!(r.commands, count(|r| matches!(r, Record::Command(_))));
    assert_eq!(r.hashes, count(|r| matches!(r, Record::Hash { .. } | Record::End { .. })));
    assert!(r.ended && r.commands > 20 && r.hashes > 5, "{r:?}");
    assert!(count(|r| matches!(r, Record::Refusal(_))) > 0, "risk has refused something");
    assert!(RunDir::core(&run).read_dir().unwrap().count() > 1 || r.records < 500, "segments");
    // By the folder of runs, too.
    let (outcome, json) = by_command(dir.path(), &[]);
    assert_eq!(outcome.expect("the same"), Exit::Ok);
    assert_eq!((&json["ok"], &json["commands"]), (&true.into(), &r.commands.into()));
    assert_eq!(json["state_hash"], format!("{:016x}", r.state_hash));
}

#[test]
fn a_run_without_captures_replays_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let made = simple_run();
    let run = made.write(dir.path(), false);
    let all: Vec<_> = made.batches.iter().flat_map(|(_, _, m)| m.clone()).collect();
    let file = dir.path().join("f1.itch");
    fs::write(&file, framed(&all)).unwrap();
    assert!(replayed(&run, std::slice::from_ref(&file)).unwrap_or_else(|e| panic!("{e}")).ended);

    let (exit, message) = exit_of(by_command(&run, &[]).0);
    assert!(exit == Exit::Failure && message.contains("feed f1") && message.contains("--data"), "{message}");
    let (exit, _) = exit_of(by_command(&run, &[file.clone(), file.clone()]).0);
    assert_eq!(exit, Exit::Usage);
    // Not the session's: its beginning is missing.
    fs::write(&file, framed(&all[3..])).unwrap();
    assert_eq!(exit_of(by_command(&run, std::slice::from_ref(&file)).0).0, Exit::Difference);
    // Ends too early, and is cut.
    fs::write(&file, framed(&all[..9])).unwrap();
    let (exit, message) = exit_of(by_command(&run, std::slice::from_ref(&file)).0);
    assert!(exit == Exit::Difference && message.contains("there is no market data"), "{message}");
    fs::write(&file, &framed(&all)[..777]).unwrap();
    let (exit, message) = exit_of(by_command(&run, &[file]).0);
    assert!(exit == Exit::Failure && message.contains("cut off at byte"), "{message}");
}

#[test]
fn what_the_run_lost_is_not_learned_from_the_file() {
    let mut core = Core::start();
    core.packet(&[named(b'R', 8, MSFT)]);
    // The file has these, the run had not: AAPL's locate stays unknown until an order names it.
    let lost = vec![named(b'R', 7, AAPL), named(b'H', 7, AAPL), add(7, AAPL, 1, true, 900_000)];
    let from = core.next;
    core.status(FeedStatus::Lost { from, to: from + lost.len() as u64 });
    // So the delete means nothing to the run, in a packet that does.
    core.packet(&[delete(7, 1), named(b'H', 7, AAPL), add(7, AAPL, 2, true, 900_100)]);
    trade(&mut core, 7, 8, 1..10);
    let made = core.end();
    let dir = tempfile::tempdir().unwrap();
    let run = made.write(dir.path(), false);
    let file = dir.path().join("f1.itch");
    let mut all = made.batches[0].2.clone();
    all.extend(lost);
    all.extend(made.batches[1..].iter().flat_map(|(_, _, m)| m.clone()));
    fs::write(&file, framed(&all)).unwrap();
    assert!(replayed(&run, &[file]).unwrap_or_else(|e| panic!("{e}")).ended);
}

#[test]
fn a_new_session_forgets_what_the_old_one_left_unread() {
    let mut core = Core::start();
    head(&mut core, 7, 8);
    trade(&mut core, 7, 8, 1..10);
    // The last of the old session, with nothing for the engine: replay reads it only after the new session began.
    core.packet(&[add(9, b"IBM     ", 77, true, 500)]);
    core.status(FeedStatus::NewSession);
    // Locate 9 is AAPL's now, and only an order says so.
    core.packet(&[add(9, AAPL, 1, true, 990_000), named(b'H', 9, AAPL)]);
    core.status(FeedStatus::Synced { next: core.next });
    trade(&mut core, 9, 8, 1..10);
    let dir = tempfile::tempdir().unwrap();
    let run = core.end().write(dir.path(), true);
    let r = replayed(&run, &[]).unwrap_or_else(|e| panic!("{e}"));
    assert!(r.ended && r.commands > 5, "{r:?}");
}

#[test]
fn a_flipped_byte_is_named_by_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let made = simple_run();
    let run = made.write(dir.path(), true);
    let index = made.find(7, |r| matches!(r, Record::Command(_))) as u64;
    let (file, at) = place(&run, index);
    let mut bytes = fs::read(&file).unwrap();
    bytes[at + ringbuf::log::format::RECORD_HEADER_BYTES + 3] ^= 0x10;
    fs::write(&file, bytes).unwrap();
    assert!(matches!(differs_at(&run, index), ReplayError::Log(_)));
}

#[test]
fn a_changed_command_under_a_right_checksum_is_a_difference() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = simple_run();
    let index = made.find(5, |r| matches!(r, Record::Command(_)));
    let Record::Command(command) = &mut made.records[index] else { unreachable!("it was found as one") };
    let CommandKind::New { qty, .. } = &mut command.kind else { panic!("{command:?}") };
    *qty = Qty(qty.0 + 1);
    let run = made.write(dir.path(), true);
    assert!(matches!(differs_at(&run, index as u64), ReplayError::Difference { .. }));
}

#[test]
fn a_change_of_validity_that_was_not_is_a_difference() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = simple_run();
    let index = made.find(0, |r| matches!(r, Record::Validity(_)));
    let Record::Validity(t) = &mut made.records[index] else { unreachable!("it was found as one") };
    t.reason = engine::Reason::Crossed;
    let run = made.write(dir.path(), true);
    assert!(matches!(differs_at(&run, index as u64), ReplayError::Difference { .. }));
}

#[test]
fn a_command_taken_out_is_missed_at_the_next_record() {
    // Before an input, before a hash, and before the end.
    let is_command = |r: &Record| matches!(r, Record::Command(_));
    let mut core = Core::start();
    head(&mut core, 7, 8);
    core.packet(&[add(7, AAPL, 1, false, 1_010_000)]);
    core.packet(&[add(7, AAPL, 2, true, 1_000_000)]);
    core.hash();
    core.packet(&[add(7, AAPL, 3, true, 1_000_100)]);
    core.packet(&[add(7, AAPL, 4, true, 1_000_200)]);
    let made = core.end();
    let commands = made.records.iter().filter(|r| is_command(r)).count();
    assert!(commands >= 3);
    for nth in 0..commands {
        let dir = tempfile::tempdir().unwrap();
        let mut less =
            Run { toml: made.toml.clone(), records: made.records.clone(), batches: made.batches.clone() };
        let index = less.find(nth, is_command);
        // With its receipt.
        less.records.drain(index..index + 2);
        let run = less.write(dir.path(), true);
        assert!(matches!(differs_at(&run, index as u64), ReplayError::Difference { .. }));
    }
}

#[test]
fn a_run_that_was_killed_replays_as_far_as_it_goes() {
    let made = simple_run();
    let command = made.find(9, |r| matches!(r, Record::Command(_))) as u64;
    for index in [command, command + 1, made.records.len() as u64 - 1] {
        let dir = tempfile::tempdir().unwrap();
        let run = made.write(dir.path(), true);
        let (file, at) = place(&run, index);
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(at as u64 + 9).unwrap();
        // What came in later segments is gone as well.
        let later = |p: &PathBuf| p.file_name() > file.file_name();
        let segments = RunDir::core(&run).read_dir().unwrap().map(|e| e.unwrap().path());
        segments.filter(later).for_each(|p| fs::remove_file(p).unwrap());
        let r = replayed(&run, &[]).unwrap_or_else(|e| panic!("{index}: {e}"));
        assert_eq!((r.records, r.ended), (index, false));
    }
}

#[test]
fn what_is_not_this_run_is_refused() {
    let made = simple_run();
    let dir = tempfile::tempdir().unwrap();
    let run = made.write(dir.path(), true);
    let config = run.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();

    fs::write(&config, text.replace("\"eager\"", "\"absent\"")).unwrap();
    let (exit, message) = exit_of(by_command(&run, &[]).0);
    assert!(
        exit == Exit::Config && message.contains("\"absent\"") && message.contains("\"quoter\""),
        "{message}"
    );
    fs::write(&config, text.replace("max_open_orders = 20", "max_open_orders = 21")).unwrap();
    let (exit, message) = exit_of(by_command(&run, &[]).0);
    assert!(exit == Exit::Difference && message.contains("config.toml"), "{message}");
    fs::write(&config, "name = 1").unwrap();
    assert_eq!(exit_of(by_command(&run, &[]).0).0, Exit::Config);
    fs::remove_file(&config).unwrap();
    assert_eq!(exit_of(by_command(&run, &[]).0).0, Exit::Config);
    assert_eq!(exit_of(by_command(&dir.path().join("absent"), &[]).0).0, Exit::Failure);

    let start = made.records[0];
    for (at, record, what) in [
        (1, start, "a second start"),
        (made.records.len(), Record::Timer { now: Nanos(1) }, "behind the run's end"),
    ] {
        let mut more =
            Run { toml: made.toml.clone(), records: made.records.clone(), batches: made.batches.clone() };
        more.records.insert(at, record);
        let run = more.write(&dir.path().join(what), true);
        let error = differs_at(&run, at as u64);
        assert!(error.to_string().contains(what), "{error}");
    }
}

/// Records with any byte changed under a right checksum: an error or not, but never a panic nor a hang.
#[test]
fn forged_records_never_panic() {
    const SEED: u64 = 0x5EED_F04E;
    let mut core = Core::start();
    head(&mut core, 7, 8);
    trade(&mut core, 7, 8, 1..12);
    let made = core.end();
    let mut state = SEED;
    let mut random = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % n
    };
    for round in 0..150 {
        let mut forged =
            Run { toml: made.toml.clone(), records: made.records.clone(), batches: made.batches.clone() };
        let mut changed = 0;
        while changed < 3 {
            let at = 1 + random(forged.records.len() as u64 - 1) as usize;
            let (kind, mut bytes) = forged.records[at].to_bytes();
            let byte = random(bytes.len() as u64) as usize;
            bytes[byte] = random(256) as u8;
            if let Ok(record) = Record::decode(kind, &bytes) {
                forged.records[at] = record;
                changed += 1;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let run = forged.write(dir.path(), true);
        let result = std::panic::catch_unwind(|| replayed(&run, &[]).is_ok());
        assert!(result.is_ok(), "seed {SEED:#x}, round {round}");
    }
}
