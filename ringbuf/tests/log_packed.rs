//! Packed segments: read as they were, whatever moment the packing was broken off in; and places to go on from.

use proptest::test_runner::{Config, TestRunner};
use ringbuf::log::{self, End, LogConfig, LogError, PackStep, Place, Reader, SyncPolicy, pack, verify};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const SEGMENT: usize = 8192;

fn record(k: u64) -> Vec<u8> {
    (0..k % 90).map(|at| (k * 7 + at) as u8).collect()
}

/// A log of `records` records in several segments; finished where asked.
fn log_of(dir: &Path, records: u64, finish: bool) -> PathBuf {
    let dir = dir.join("log");
    let cfg = LogConfig { dir: dir.clone(), segment_bytes: SEGMENT, reserve_bytes: 0, sync: SyncPolicy::Off };
    let (mut writer, mut keeper) = log::create(cfg).unwrap();
    for k in 0..records {
        writer.append(k as u16 % 100, &record(k)).unwrap();
        keeper.tend().unwrap();
    }
    if finish {
        writer.finish();
        keeper.close().unwrap();
    }
    dir
}

fn check(reader: &mut Reader, from: u64, to: u64) {
    for k in from..to {
        let r = reader.next().unwrap().unwrap_or_else(|| panic!("record {k} of {to}"));
        assert_eq!((r.index, r.kind, r.payload), (k, k as u16 % 100, &record(k)[..]));
    }
    assert!(reader.next().unwrap().is_none());
}

fn segments(dir: &Path) -> Vec<u32> {
    let mut all: Vec<u32> = fs::read_dir(dir)
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().to_str()?.strip_suffix(".log")?.parse().ok())
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn a_log_reads_the_same_packed_in_part_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    for finish in [true, false] {
        let dir = log_of(&folder.path().join(finish.to_string()), 1_000, finish);
        let plain = verify(&dir).unwrap();
        assert_eq!(plain.end == End::Clean, finish);
        let mut open = Reader::open(&dir).unwrap();
        assert!(open.next().unwrap().is_some());
        let all = segments(&dir);
        assert!(all.len() > 4, "{all:?}");
        for segment in all {
            let packed = pack(&dir, segment, |_| Ok(())).unwrap().expect("a plain segment");
            assert!(packed.to_bytes < packed.from_bytes, "{packed:?}");
            assert_eq!(verify(&dir).unwrap(), plain, "segment {segment}");
            assert_eq!(pack(&dir, segment, |_| Ok(())).unwrap(), None, "packed already");
        }
        assert!(segments(&dir).is_empty());
        // One that was in a file when that lost its name goes on, and into the packed ones.
        check(&mut open, 1, 1_000);
    }
}

/// Packing is broken off at every step, and nothing is lost; the next attempt does it.
#[test]
fn broken_off_anywhere_it_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = log_of(folder.path(), 1_500, true);
    let plain = verify(&dir).unwrap();
    let mut broken = Vec::new();
    let steps = [PackStep::Written, PackStep::Synced, PackStep::Compared, PackStep::Named, PackStep::Removed];
    for (segment, kill_at) in segments(&dir).into_iter().zip(steps.into_iter().cycle()) {
        let ended = pack(&dir, segment, |step| {
            if step == kill_at { Err(io::Error::other("the process ends here")) } else { Ok(()) }
        });
        assert!(matches!(ended, Err(LogError::Io { .. })), "{ended:?}");
        assert_eq!(verify(&dir).unwrap(), plain, "after {kill_at:?}");
        let again = pack(&dir, segment, |_| Ok(())).unwrap();
        assert_eq!(again.is_some(), kill_at != PackStep::Removed);
        assert_eq!(verify(&dir).unwrap(), plain, "{kill_at:?}, made anew");
        broken.push(kill_at);
    }
    assert!(steps.iter().all(|step| broken.contains(step)), "{broken:?}");
    let left: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_str().unwrap().ends_with(".log.zst")), "{left:?}");
}

#[test]
fn a_packed_segment_that_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = log_of(folder.path(), 400, true);
    let plain = verify(&dir).unwrap();
    pack(&dir, 1, |_| Ok(())).unwrap();
    let path = dir.join("00000001.log.zst");
    let whole = fs::read(&path).unwrap();
    let mut runner = TestRunner::new(Config::with_cases(400));
    let run = runner.run(&(0..whole.len() * 8, 0..whole.len()), |(bit, cut)| {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        // A bit of the frame's head that says nothing may change nothing; never another record.
        assert!(verify(&dir).is_err() || verify(&dir).unwrap() == plain, "bit {bit}");
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(verify(&dir).is_err(), "cut at {cut}");
        Ok(())
    });
    run.unwrap_or_else(|why| panic!("{why}"));
    // What unpacks to more than any segment is not followed to its end.
    fs::write(&path, zstd::encode_all(io::repeat(0).take_of((1 << 30) + 1), 1).unwrap()).unwrap();
    assert!(verify(&dir).is_err());
    fs::write(&path, &whole).unwrap();
    assert_eq!(verify(&dir).unwrap(), plain);
}

trait TakeOf: io::Read + Sized {
    fn take_of(self, bytes: u64) -> io::Take<Self> {
        self.take(bytes)
    }
}

impl TakeOf for io::Repeat {}

/// From every place that a reader had, another goes on with the same records; a place that is none is refused.
#[test]
fn a_reader_goes_on_from_any_place() {
    let folder = tempfile::tempdir().unwrap();
    let dir = log_of(folder.path(), 500, false);
    let mut reader = Reader::open(&dir).unwrap();
    let mut places = Vec::new();
    loop {
        places.extend(reader.place());
        if reader.next().unwrap().is_none() {
            break;
        }
    }
    assert!(places.len() > 480, "{}", places.len());
    for segment in [0, 2, 3] {
        pack(&dir, segment, |_| Ok(())).unwrap();
    }
    for place in &places {
        check(&mut Reader::open_at(&dir, *place).unwrap(), place.index, 500);
    }
    let good = places[200];
    let wrong = [
        Place { log_id: good.log_id ^ 1, ..good },
        Place { segment_bytes: SEGMENT * 2, ..good },
        Place { segment: good.segment + 1, ..good },
        Place { segment: 77, ..good },
        Place { index: good.index + 1, ..good },
        Place { index: u64::MAX, ..good },
        Place { offset: good.offset + 8, ..good },
        Place { offset: good.offset + 3, ..good },
        Place { offset: 1 << 40, ..good },
        Place { offset: 0, ..good },
    ];
    for place in wrong {
        let read = Reader::open_at(&dir, place).and_then(|mut reader| {
            let found = reader.next()?.map(|r| r.index);
            assert_eq!(found, None, "{place:?}");
            reader.end()
        });
        assert!(read.is_err(), "{place:?}: {read:?}");
    }
}

#[test]
fn a_reader_holds_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let dir = log_of(folder.path(), 10, true);
    let alone = || fs::File::open(&dir).unwrap().try_lock().is_ok();
    assert!(alone());
    let reader = Reader::open(&dir).unwrap();
    assert!(!alone());
    drop(reader);
    assert!(alone());
}

#[test]
fn the_last_segment_that_was_begun_is_where_what_is_new_stands() {
    let folder = tempfile::tempdir().unwrap();
    // Finished: no reserve behind it. Going on: the segment behind the last record's is a reserve.
    for finish in [true, false] {
        let dir = log_of(&folder.path().join(finish.to_string()), 500, finish);
        let mut reader = Reader::open_last(&dir).unwrap();
        let first = reader.next().unwrap().expect("a record").index;
        assert!(first > 0 && first < 500, "{first}");
        check(&mut reader, first + 1, 500);
    }
    assert!(matches!(Reader::open_last(folder.path()), Err(LogError::Empty { .. })));
}
