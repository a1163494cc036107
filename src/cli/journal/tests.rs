//! The tools over logs that the tests write.

use std::fs;

use model::{FeedId, GatewayId, Nanos, Token};
use ringbuf::log::{self, LogConfig, SyncPolicy, Writer};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::journal::{Receipt, record};

fn start() -> Record {
    Record::Start { format: record::FORMAT, run: 1, config_hash: 2, now: Nanos(3) }
}

fn timers(n: u64) -> Vec<Record> {
    let timers = (0..n).map(|k| Record::Timer { now: Nanos(k) });
    std::iter::once(start()).chain(timers).chain([Record::End { hash: 9 }]).collect()
}

fn write(dir: &Path, records: &[Record], finish: bool) {
    let cfg =
        LogConfig { dir: dir.into(), segment_bytes: 16_384, reserve_bytes: 4_096, sync: SyncPolicy::Off };
    let (mut writer, mut keeper) = log::create(cfg).unwrap();
    for r in records {
        r.append(&mut writer).unwrap();
        keeper.tend().unwrap();
    }
    if finish {
        writer.finish();
        keeper.close().unwrap();
    }
}

/// Runs a tool; its exit code and what it wrote.
fn ran(dir: &TempDir, tool: Tool) -> (Exit, String) {
    let file = dir.path().join("out.txt");
    let mut out = Out::create(&file, &[]).unwrap_or_else(|f| panic!("{}", f.message));
    let exit = match run_to(&Args { tool }, &mut out) {
        Ok(exit) => exit,
        Err(Stop::Failed(f)) => {
            drop(out);
            let text = fs::read_to_string(&file).unwrap();
            return (f.exit, text + &f.message);
        }
        Err(Stop::Unread) => panic!("a file has no reader"),
    };
    drop(out);
    (exit, fs::read_to_string(&file).unwrap())
}

fn dump(dir: &Path, show: Show) -> Tool {
    Tool::Dump { dir: dir.into(), show }
}

fn tail(dir: &Path, show: Show, lines: usize, follow: bool) -> Tool {
    Tool::Tail { dir: dir.into(), show, lines, follow }
}

#[test]
fn an_order_that_moves_is_shown_with_the_record_that_moved_it() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, instrument, token) = (GatewayId(0), model::InstrumentId(0), Token(12));
    let (qty, px, side) = (model::Qty(5), model::Px(100), model::Side::Buy);
    let kind = model::CommandKind::New { token, side, short: false, qty, px, tif: model::Tif::Day };
    let report = |seq, kind| {
        let report = model::ExecutionReport { ts_event: Nanos(1), seq, token, gateway, kind };
        Record::Report { now: Nanos(4), report }
    };
    let fill =
        |qty| model::ReportKind::Executed { qty: model::Qty(qty), px, match_number: 1, liquidity: b'A' };
    let (order, instrument_named) = (model::VenueRef(1), Some(instrument));
    let accepted = model::ReportKind::Accepted {
        order,
        px,
        qty,
        side,
        short: false,
        instrument: instrument_named,
        dead: false,
    };
    let records = [
        start(),
        Record::Command(model::OrderCommand { gateway, instrument, kind }),
        report(88, accepted),
        report(89, fill(2)),
        report(90, fill(3)),
        Record::End { hash: 1 },
    ];
    write(&dir.path().join("core"), &records, true);
    // What came before the first record shown is known all the same.
    for from in [0, 4] {
        let (_, text) = ran(&dir, dump(dir.path(), Show { from, json: true, ..Show::default() }));
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let moves: Vec<_> =
            lines.iter().filter_map(|l| Some((l["index"].as_u64()?, l["moves"].as_str()?))).collect();
        let all = [(1, "12:none>pending_new"), (2, "12:pending_new>live"), (4, "12:live>filled")];
        assert_eq!(moves, all.into_iter().filter(|(k, _)| *k >= from).collect::<Vec<_>>());
    }
}

fn indexes(json_lines: &str) -> Vec<u64> {
    let index = |l: &str| serde_json::from_str::<Value>(l).unwrap()["index"].as_u64().unwrap();
    json_lines.lines().map(index).collect()
}

fn json() -> Show {
    Show { json: true, ..Show::default() }
}

#[test]
fn a_sound_run_is_verified_and_a_flipped_bit_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run-000004");
    write(&run.join("core"), &timers(2_000), true);
    let batch = Batch { received: Nanos(1), is_snapshot: false, first: 1, count: 1, framed: b"\0\x01x" };
    let capture = run.join("feed-f1");
    let cfg = LogConfig {
        dir: capture.clone(),
        segment_bytes: 16_384,
        reserve_bytes: 4_096,
        sync: SyncPolicy::Off,
    };
    let (mut writer, keeper) = log::create(cfg).unwrap();
    batch.append(&mut writer).unwrap();
    Batch { is_snapshot: true, first: 0, ..batch }.append(&mut writer).unwrap();
    drop((writer, keeper));

    // By its run, by the folder of runs, and a log alone.
    for given in [run.clone(), dir.path().into()] {
        let (exit, text) = ran(&dir, Tool::Verify { dir: given, json: false });
        assert_eq!(exit, Exit::Ok, "{text}");
        assert!(text.contains("core         2002 records") && text.contains("ends in order"), "{text}");
        assert!(text.contains("feed-f1      2 records") && text.contains("stops before record 2 "), "{text}");
    }
    let (exit, text) = ran(&dir, Tool::Verify { dir: run.join("core"), json: true });
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((exit, &result["ok"], &result["logs"][0]["end"]), (Exit::Ok, &true.into(), &"clean".into()));
    assert!(result["logs"][0]["segments"].as_u64().unwrap() > 1, "{text}");
    let (exit, text) = ran(&dir, dump(&capture, json()));
    assert_eq!((exit, indexes(&text)), (Exit::Ok, vec![0, 1]));
    let kinds: Vec<_> =
        text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["batch", "snapshot"]);

    let mut reader = Reader::open(run.join("core")).unwrap();
    let at = loop {
        let r = reader.next().unwrap().unwrap();
        if r.index == 1_234 {
            break (r.segment, r.offset);
        }
    };
    let file = run.join("core").join(format!("{:08}.log", at.0));
    let mut bytes = fs::read(&file).unwrap();
    bytes[at.1 as usize + log::format::RECORD_HEADER_BYTES] ^= 1;
    fs::write(&file, bytes).unwrap();
    for as_json in [false, true] {
        let (exit, text) = ran(&dir, Tool::Verify { dir: run.clone(), json: as_json });
        assert_eq!(exit, Exit::Difference);
        assert!(text.contains("record 1234 is corrupt"), "{text}");
    }
    let (exit, text) = ran(&dir, dump(&run, Show { from: 1_230, ..json() }));
    let (lines, sentence) = text.rsplit_once('\n').unwrap();
    assert_eq!((exit, indexes(lines)), (Exit::Difference, vec![1_230, 1_231, 1_232, 1_233]));
    assert!(sentence.contains("record 1234"), "{sentence}");
}

#[test]
fn a_record_that_is_none_is_named_though_its_checksum_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let core = dir.path().join("core");
    let cfg =
        LogConfig { dir: core.clone(), segment_bytes: 16_384, reserve_bytes: 4_096, sync: SyncPolicy::Off };
    let (mut writer, _keeper) = log::create(cfg).unwrap();
    start().append(&mut writer).unwrap();
    writer.append(99, b"from another version").unwrap();
    for tool in [Tool::Verify { dir: core.clone(), json: false }, dump(&core, Show::default())] {
        let (exit, text) = ran(&dir, tool);
        assert_eq!(exit, Exit::Difference);
        assert!(text.contains("record 1: record kind 99 is not known"), "{text}");
    }
}

#[test]
fn records_are_chosen_by_place_and_kind() {
    let dir = tempfile::tempdir().unwrap();
    let core = dir.path().join("core");
    write(&core, &timers(100), true);
    let (_, text) = ran(&dir, dump(&core, Show { from: 99, ..json() }));
    assert_eq!(indexes(&text), [99, 100, 101]);
    let (_, text) = ran(&dir, dump(&core, Show { kind: Some(Kind::End), ..json() }));
    assert_eq!(indexes(&text), [101]);
    let (_, text) = ran(&dir, tail(&core, json(), 3, false));
    assert_eq!(indexes(&text), [99, 100, 101]);
    let (_, text) = ran(&dir, tail(&core, Show { kind: Some(Kind::Timer), ..json() }, 2, true));
    assert_eq!(indexes(&text), [99, 100], "a log that has ended is not followed further");
    let (_, text) = ran(&dir, tail(&core, Show::default(), 1, false));
    assert_eq!(text, "     101 end      hash=0000000000000009\n");
    let (_, text) = ran(&dir, tail(&core, json(), 0, false));
    assert_eq!(text, "");
    let (exit, text) = ran(&dir, dump(&dir.path().join("nothing"), Show::default()));
    assert!(exit == Exit::Failure && text.contains("no such folder"), "{text}");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let (exit, text) = ran(&dir, dump(&empty, Show::default()));
    assert!(exit == Exit::Failure && text.contains("holds neither a log nor runs"), "{text}");
}

/// Appends while the tool follows: the writer waits until the tool has shown what came before.
#[test]
fn a_growing_log_is_followed_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let core = dir.path().join("core");
    let cfg =
        LogConfig { dir: core.clone(), segment_bytes: 16_384, reserve_bytes: 4_096, sync: SyncPolicy::Off };
    let (mut writer, mut keeper) = log::create(cfg).unwrap();
    let append = |w: &mut Writer, r: Record| r.append(w).unwrap();
    append(&mut writer, start());
    let file = dir.path().join("followed.txt");
    let shown = |n: usize| loop {
        if fs::read_to_string(&file).is_ok_and(|t| t.lines().count() >= n) {
            break;
        }
        std::thread::yield_now();
    };
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut out = Out::create(&file, &[]).unwrap_or_else(|f| panic!("{}", f.message));
            run_to(&Args { tool: tail(&core, json(), 10, true) }, &mut out).is_ok_and(|e| e == Exit::Ok)
        });
        shown(1);
        for k in 0..1_500 {
            append(&mut writer, Record::Timer { now: Nanos(k) });
            keeper.tend().unwrap();
        }
        shown(1_501);
        let receipt = Receipt {
            token: Token(1),
            gateway: GatewayId(0),
            received: Nanos(1),
            decoded: Nanos(2),
            decided: Nanos(3),
            sent: Nanos(4),
        };
        append(&mut writer, Record::Receipt(receipt));
        append(&mut writer, Record::Market { now: Nanos(5), feed: FeedId(0), count: 1, first: 7 });
        writer.finish();
        keeper.close().unwrap();
        assert!(follower.join().unwrap());
    });
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(indexes(&text), (0..1_503).collect::<Vec<_>>());
}

/// A run with an order in it, sealed behind each record; `forged` is what somebody made of its journal afterwards.
fn sealed_run(dir: &TempDir, forged: Option<u32>) -> PathBuf {
    let run = dir.path().join("run-000001");
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("config.toml"), "").unwrap();
    let order = |qty| {
        let (token, side, px, tif) = (Token(7), model::Side::Buy, model::Px(12_300), model::Tif::Day);
        let kind = model::CommandKind::New { token, side, short: false, qty: model::Qty(qty), px, tif };
        Record::Command(model::OrderCommand {
            gateway: GatewayId(0),
            instrument: model::InstrumentId(0),
            kind,
        })
    };
    let records =
        |qty| [start(), Record::Timer { now: Nanos(1_500_000_000) }, order(qty), Record::End { hash: 9 }];
    let mut seals = crate::journal::Seals::create(&run, 1).unwrap();
    for (k, record) in records(100).iter().enumerate() {
        let (kind, payload) = record.to_bytes();
        seals.add(k as u64, kind, &payload);
        seals.seal(Nanos(k as u64)).unwrap();
    }
    write(&RunDir::core(&run), &records(forged.unwrap_or(100)), true);
    run
}

#[test]
fn a_trail_is_exported_with_its_chain() {
    let dir = tempfile::tempdir().unwrap();
    let run = sealed_run(&dir, None);
    let (exit, csv) = ran(&dir, Tool::Audit { dir: run.clone(), json: false });
    assert_eq!(exit, Exit::Ok, "{csv}");
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "index,time,event,gateway,symbol,order,token,side,qty,px,detail,chain");
    assert_eq!(lines.len(), 4, "the start, the order, the end: {csv}");
    assert!(
        lines[2].starts_with("2,1970-01-01T00:00:01.500000000Z,command,"),
        "the time of the input before: {csv}"
    );
    assert!(lines[2].contains(",new,7,B,100,1.2300,"), "{csv}");
    let (exit, text) = ran(&dir, Tool::Audit { dir: run, json: true });
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (exit, last["event"].as_str(), last["chain"].as_str().map(str::len)),
        (Exit::Ok, Some("end"), Some(64))
    );
}

#[test]
fn a_record_that_was_made_anew_with_its_checksum_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let run = sealed_run(&dir, Some(1_000));
    // Its own checksums are in order.
    assert_eq!(ran(&dir, Tool::Verify { dir: run.clone(), json: false }).0, Exit::Ok);
    assert_eq!(ran(&dir, Tool::Audit { dir: run.clone(), json: false }).0, Exit::Difference);
    // Nor is a trail believed whose configuration is another, or whose seals are not there.
    let run = sealed_run(&tempfile::tempdir().unwrap(), None);
    assert!(!run.exists());
    let other = tempfile::tempdir().unwrap();
    let run = sealed_run(&other, None);
    fs::write(run.join("config.toml"), "name = \"x\"").unwrap();
    assert_eq!(ran(&other, Tool::Audit { dir: run.clone(), json: false }).0, Exit::Difference);
    fs::remove_file(run.join("seals.jsonl")).unwrap();
    assert_eq!(ran(&other, Tool::Audit { dir: run, json: false }).0, Exit::Failure);
}

#[test]
fn records_that_were_taken_away_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let run = sealed_run(&dir, None);
    fs::remove_dir_all(RunDir::core(&run)).unwrap();
    write(&RunDir::core(&run), &[start()], true);
    assert_eq!(ran(&dir, Tool::Audit { dir: run, json: false }).0, Exit::Difference);
}
