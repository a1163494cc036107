//! Writer, keeper and reader together: rolling, headroom, policies, faults, ends.
#![cfg(not(loom))]

use proptest::prelude::*;
use ringbuf::log::{self, AppendError, DiskOp, End, LogConfig, LogError, Reader, SyncPolicy, WriterState};
use ringbuf::log::{TornCause, format::record_bytes};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;

fn config(dir: &Path, segment_bytes: usize, sync: SyncPolicy) -> LogConfig {
    LogConfig { dir: dir.join("log"), segment_bytes, reserve_bytes: 1024, sync }
}

fn files(dir: &Path) -> Vec<(String, u64)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .expect("list")
        .map(|entry| entry.expect("entry"))
        .map(|entry| (entry.file_name().into_string().expect("name"), entry.metadata().expect("stat").len()))
        .collect();
    files.sort();
    files
}

fn read_all(dir: &Path) -> Vec<(u64, u16, Vec<u8>)> {
    let mut reader = Reader::open(dir).expect("open");
    let mut records = Vec::new();
    while let Some(record) = reader.next().expect("next") {
        records.push((record.index, record.kind, record.payload.to_vec()));
    }
    records
}

#[test]
fn a_closed_log_is_clean_cut_to_length_and_read_whole() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::EverySegment);
    let dir = cfg.dir.clone();
    let (mut writer, mut keeper) = log::create(cfg).expect("create");
    let mut expected = Vec::new();
    for n in 0..500u64 {
        let payload = vec![n as u8; (n % 97) as usize];
        assert_eq!(writer.append(n as u16, &payload), Ok(n));
        expected.push((n, n as u16, payload));
        if n % 10 == 0 {
            let report = keeper.tend().expect("tend");
            assert_eq!(report.writer, WriterState::Active);
        }
    }
    writer.finish();
    assert_eq!(keeper.writer_state(), WriterState::Finished);
    let closed = keeper.close().expect("close");
    assert_eq!(read_all(&dir), expected);
    let verified = log::verify(&dir).expect("verify");
    assert_eq!((verified.records, verified.end), (500, End::Clean));
    assert_eq!(verified.bytes, expected.iter().map(|record| record.2.len() as u64).sum::<u64>());
    assert_eq!((verified.segments, files(&dir).len()), (closed.segments, closed.segments as usize));
    let last = &files(&dir)[closed.segments as usize - 1];
    assert_eq!(last.1, closed.last_bytes);
    assert!(files(&dir).iter().all(|(_, bytes)| *bytes < 4096), "{:?}", files(&dir));
}

#[test]
fn a_tail_goes_on_across_segments_and_sees_the_end() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Off);
    let (mut writer, mut keeper) = log::create(cfg.clone()).expect("create");
    let mut reader = Reader::open(&cfg.dir).expect("open");
    for n in 0..400u64 {
        assert!(reader.next().expect("next").is_none());
        assert!(!reader.is_ended());
        writer.append(1, &n.to_le_bytes()).expect("append");
        writer.append(2, &[7; 100]).expect("append");
        keeper.tend().expect("tend");
        let record = reader.next().expect("next").expect("committed");
        assert_eq!((record.index, record.payload), (2 * n, &n.to_le_bytes()[..]));
        assert_eq!(reader.next().expect("next").expect("committed").kind, 2);
    }
    writer.finish();
    assert!(reader.next().expect("next").is_none());
    assert!(reader.is_ended(), "seen before the keeper closes");
    keeper.close().expect("close");
    assert_eq!(reader.end().expect("end"), End::Clean);
}

#[test]
fn a_log_that_was_not_finished_is_torn_and_cannot_be_closed_clean() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Off);
    let (mut writer, mut keeper) = log::create(cfg.clone()).expect("create");
    writer.append(1, b"x").expect("append");
    assert_eq!(keeper.writer_state(), WriterState::Active);
    drop(writer);
    assert_eq!(keeper.tend().expect("tend").writer, WriterState::Gone);
    assert!(matches!(keeper.close(), Err(LogError::WriterActive)));
    let torn = End::Torn { segment: 0, offset: 64 + 24, index: 1, cause: TornCause::Unwritten };
    assert_eq!(log::verify(&cfg.dir).expect("verify").end, torn);
}

#[test]
fn the_writer_outlives_its_keeper() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Off);
    let (mut writer, keeper) = log::create(cfg.clone()).expect("create");
    drop(keeper);
    let mut count = 0;
    while writer.append(1, &[1; 64]).is_ok() {
        count += 1;
    }
    assert_eq!(count, 2 * ((4096 - 64 - 16) / 80));
    assert_eq!(writer.append(1, &[1; 64]), Err(AppendError::NoSegment));
    writer.finish();
    assert_eq!(log::verify(&cfg.dir).expect("verify").records, count);
}

#[test]
fn parts_are_joined() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Off);
    let (mut writer, _keeper) = log::create(cfg.clone()).expect("create");
    writer.append_parts(3, &[b"abc", b"", b"defghijklmno", b"p"]).expect("append");
    writer.append_parts(4, &[]).expect("append");
    let records = read_all(&cfg.dir);
    assert_eq!(records[0], (0, 3, b"abcdefghijklmnop".to_vec()));
    assert_eq!(records[1], (1, 4, Vec::new()));
}

#[test]
fn too_large_is_refused_and_changes_nothing() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Off);
    let (mut writer, _keeper) = log::create(cfg.clone()).expect("create");
    let largest = vec![9; writer.payload_max()];
    assert_eq!(record_bytes(largest.len()), 512);
    assert_eq!(writer.append(1, &vec![9; largest.len() + 1]), Err(AppendError::TooLarge));
    assert_eq!(writer.append(1, &largest), Ok(0));
    assert_eq!(read_all(&cfg.dir), [(0, 1, largest)]);
}

#[test]
fn impossible_configurations_are_refused() {
    let temp = tempfile::tempdir().expect("folder");
    for (segment_bytes, reserve_bytes, field) in [
        (0, 0, "segment_bytes"),
        (4095, 0, "segment_bytes"),
        (5000, 0, "segment_bytes"),
        ((1 << 30) + 4096, 0, "segment_bytes"),
        (4096, 4096 - 79, "reserve_bytes"),
    ] {
        let sync = SyncPolicy::Off;
        let cfg = LogConfig { dir: temp.path().join("log"), segment_bytes, reserve_bytes, sync };
        match log::create(cfg) {
            Err(LogError::Config { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{segment_bytes} {reserve_bytes}: {other:?}"),
        }
    }
}

#[test]
fn a_folder_holds_one_log() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Off);
    assert!(matches!(Reader::open(temp.path()), Err(LogError::Empty { .. })));
    let _log = log::create(cfg.clone()).expect("create");
    assert!(matches!(log::create(cfg), Err(LogError::NotEmpty { .. })));
}

/// Runs `append` and `tend` until the writer is out of segments, checking that `low` turned true before.
fn fill(writer: &mut log::Writer, mut tend: impl FnMut()) -> u64 {
    let mut low_at = None;
    loop {
        tend();
        if low_at.is_none() && writer.low() {
            low_at = Some(writer.headroom());
        }
        match writer.append(1, &[5; 40]) {
            Ok(_) => {}
            Err(AppendError::NoSegment) => {
                assert!(low_at.is_some(), "out of segments without a warning");
                return writer.next_index();
            }
            Err(AppendError::TooLarge) => unreachable!("40 bytes"),
        }
    }
}

#[test]
fn a_full_disk_is_an_error_of_the_keeper_and_a_warning_to_the_writer() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Off);
    let full = Arc::new(Mutex::new(true));
    let gate = Arc::clone(&full);
    let (mut writer, mut keeper) = log::create_gated(cfg.clone(), move |op| match op {
        DiskOp::Reserve { segment, .. } if segment >= 3 && *gate.lock().expect("lock") => {
            Err(io::Error::from_raw_os_error(NO_SPACE))
        }
        _ => Ok(()),
    })
    .expect("create");
    let mut refused = 0;
    let count = fill(&mut writer, || match keeper.tend() {
        Ok(_) => {}
        Err(LogError::DiskFull { segment: 3 }) => refused += 1,
        Err(other) => panic!("{other}"),
    });
    assert!(refused > 1, "tried again at each round");
    assert_eq!(read_all(&cfg.dir).len() as u64, count);
    // Space came back: the log goes on.
    *full.lock().expect("lock") = false;
    keeper.tend().expect("tend");
    assert!(!writer.low());
    assert_eq!(writer.append(1, &[5; 40]), Ok(count));
    writer.finish();
    keeper.close().expect("close");
    assert_eq!(log::verify(&cfg.dir).expect("verify").records, count + 1);
}

#[test]
fn a_full_disk_at_the_start_leaves_no_segment_behind() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Off);
    for failing in [0, 1] {
        let made = log::create_gated(cfg.clone(), move |op| match op {
            DiskOp::Reserve { segment, .. } if segment == failing => {
                Err(io::Error::from_raw_os_error(NO_SPACE))
            }
            _ => Ok(()),
        });
        assert!(matches!(made, Err(LogError::DiskFull { .. })));
        assert_eq!(files(&cfg.dir), []);
    }
    assert!(log::create(cfg).is_ok());
}

#[test]
fn a_failed_sync_is_never_retried_and_the_writer_goes_on() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Interval(Duration::ZERO));
    let syncs = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&syncs);
    let (mut writer, mut keeper) = log::create_gated(cfg.clone(), move |op| {
        if let DiskOp::Sync { segment, .. } = op {
            let mut seen = seen.lock().expect("lock");
            seen.push(segment);
            if segment == 1 {
                return Err(io::Error::from_raw_os_error(IO_ERROR));
            }
        }
        Ok(())
    })
    .expect("create");
    let mut failures = 0;
    for n in 0..300 {
        assert_eq!(writer.append(1, &[5; 40]), Ok(n), "the hot side is unharmed");
        match keeper.tend() {
            Ok(_) => assert_eq!(failures, 0, "forgotten"),
            Err(LogError::SyncFailed { segment: 1, errno: IO_ERROR }) => failures += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(failures > 100);
    let of_segment_1 = syncs.lock().expect("lock").iter().filter(|segment| **segment >= 1).count();
    assert_eq!(of_segment_1, 1, "nothing is synced after the failure");
    writer.finish();
    assert!(matches!(keeper.close(), Err(LogError::SyncFailed { .. })));
    assert_eq!(log::verify(&cfg.dir).expect("verify").records, 300);
}

#[test]
fn a_disk_that_hangs_does_not_hold_up_the_writer() {
    let temp = tempfile::tempdir().expect("folder");
    let cfg = config(temp.path(), 4096, SyncPolicy::Interval(Duration::ZERO));
    let (entered, hangs) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (mut writer, mut keeper) = log::create_gated(cfg.clone(), move |op| {
        if matches!(op, DiskOp::Sync { .. }) {
            entered.send(()).expect("test listens");
            released.recv().expect("test releases");
        }
        Ok(())
    })
    .expect("create");
    writer.append(1, &[5; 40]).expect("append");
    let tending = std::thread::spawn(move || {
        keeper.tend().expect("tend");
        keeper
    });
    hangs.recv().expect("the keeper is in the sync");
    // The rest of this segment and all of the next, and a warning before they run out.
    let count = fill(&mut writer, || ());
    assert_eq!(count, 2 * ((4096 - 64 - 16) / 56));
    drop(hangs);
    release.send(()).expect("keeper waits");
    drop(tending.join().expect("keeper"));
    assert_eq!(read_all(&cfg.dir).len() as u64, count);
}

#[test]
fn each_policy_syncs_what_it_says() {
    for (sync, interval, segments) in [
        (SyncPolicy::Off, false, false),
        (SyncPolicy::EverySegment, false, true),
        (SyncPolicy::Interval(Duration::ZERO), true, true),
        (SyncPolicy::Interval(Duration::from_secs(1 << 40)), false, true),
    ] {
        let temp = tempfile::tempdir().expect("folder");
        let cfg = config(temp.path(), 4096, sync);
        let synced: Arc<Mutex<Vec<(u32, usize)>>> = Arc::default();
        let seen = Arc::clone(&synced);
        let (mut writer, mut keeper) = log::create_gated(cfg, move |op| {
            if let DiskOp::Sync { segment, bytes } = op {
                seen.lock().expect("lock").push((segment, bytes));
            }
            Ok(())
        })
        .expect("create");
        writer.append(1, &[1; 40]).expect("append");
        let report = keeper.tend().expect("tend");
        let written = 64 + 56;
        assert_eq!(report.synced_bytes, if interval { written } else { 0 }, "{sync:?}");
        assert_eq!(report.unsynced_bytes, if interval { 0 } else { written }, "{sync:?}");
        for _ in 0..80 {
            writer.append(1, &[1; 40]).expect("append");
        }
        let report = keeper.tend().expect("tend");
        assert_eq!((report.made, report.cut), (1, 1), "{sync:?}");
        assert_eq!(synced.lock().expect("lock").iter().any(|(segment, _)| *segment == 0), segments);
        writer.finish();
        keeper.close().expect("close");
        assert_eq!(synced.lock().expect("lock").iter().any(|(segment, _)| *segment == 1), segments);
    }
}

#[test]
fn segments_of_another_log_or_place_are_refused() {
    let temp = tempfile::tempdir().expect("folder");
    let dirs: Vec<PathBuf> = ["a", "b"].iter().map(|name| temp.path().join(name)).collect();
    for dir in &dirs {
        let cfg = config(dir, 4096, SyncPolicy::Off);
        let (mut writer, mut keeper) = log::create(cfg).expect("create");
        for _ in 0..200 {
            writer.append(1, &[1; 40]).expect("append");
            keeper.tend().expect("tend");
        }
        writer.finish();
        keeper.close().expect("close");
    }
    let (a, b) = (dirs[0].join("log"), dirs[1].join("log"));
    std::fs::copy(b.join("00000001.log"), a.join("00000001.log")).expect("copy");
    assert!(matches!(log::verify(&a), Err(LogError::Header { segment: 1, .. })));
    std::fs::copy(a.join("00000000.log"), a.join("00000001.log")).expect("copy");
    assert!(matches!(log::verify(&a), Err(LogError::Header { segment: 1, .. })));
    std::fs::remove_file(b.join("00000001.log")).expect("remove");
    assert!(matches!(log::verify(&b), Err(LogError::Corrupt { segment: 1, .. })), "one is missing");
    std::fs::remove_file(b.join("00000000.log")).expect("remove");
    let first = Reader::open(&b).expect("archived").next().expect("next").expect("record").index;
    assert!(first > 0, "reading begins at the first segment that is there");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is read is what was written, whatever the sizes and however often the keeper comes round.
    #[test]
    fn round_trip(
        records in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..496)), 0..60),
        pages in 1usize..4,
    ) {
        let temp = tempfile::tempdir().expect("folder");
        let cfg = config(temp.path(), pages * 4096, SyncPolicy::Off);
        let (mut writer, mut keeper) = log::create(cfg.clone()).expect("create");
        for (kind, payload) in &records {
            writer.append(*kind, payload).expect("append");
            keeper.tend().expect("tend");
        }
        writer.finish();
        keeper.close().expect("close");
        let read: Vec<_> = read_all(&cfg.dir).into_iter().map(|(_, kind, payload)| (kind, payload)).collect();
        prop_assert_eq!(read, records);
        prop_assert_eq!(log::verify(&cfg.dir).expect("verify").end, End::Clean);
    }

    /// Whatever fits the headroom is taken, whatever its sizes, with no help from the keeper.
    #[test]
    fn headroom_is_a_promise(
        before in prop::collection::vec(0usize..=496, 0..12),
        sizes in prop::collection::vec(prop_oneof![0usize..=496, Just(496)], 0..100),
    ) {
        let temp = tempfile::tempdir().expect("folder");
        let cfg = config(temp.path(), 4096, SyncPolicy::Off);
        let (mut writer, _keeper) = log::create(cfg).expect("create");
        for size in before {
            if writer.append(1, &[0; 496][..size]).is_err() {
                break;
            }
        }
        let mut promised = writer.headroom();
        for size in sizes {
            let bytes = record_bytes(size) as u64;
            if bytes > promised {
                break;
            }
            promised -= bytes;
            prop_assert!(writer.append(1, &[0; 496][..size]).is_ok());
            prop_assert!(writer.headroom() >= promised);
        }
    }
}
