//! Torn and damaged logs (reliability row T4): the longest valid prefix or a typed refusal, never a panic and never
//! a record that was not written.
//!
//! The oracle is the list of what was appended and its own arithmetic of where each record ends; it shares no
//! code with the decoder. `SEED=n` repeats a run, `CASES=n` lengthens it.
#![cfg(not(loom))]

use proptest::prelude::*;
use ringbuf::log::scan::{Scan, ScanError, Step};
use ringbuf::log::{self, CorruptFault, End, LogConfig, LogError, Reader, SyncPolicy, TornCause};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const HEADER: usize = 64;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// A record as it was appended, and where it ends in its segment.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    kind: u16,
    payload: Vec<u8>,
    end: usize,
}

/// Writes records of random sizes until `segments` are used, and leaves the log finished or not. Returns its folder
/// and the records of each segment.
fn write_log(
    dir: &Path,
    segment_bytes: usize,
    segments: usize,
    finish: bool,
    random: &mut Random,
) -> (PathBuf, Vec<Vec<Written>>) {
    let dir = dir.join("log");
    let cfg = LogConfig { dir: dir.clone(), segment_bytes, reserve_bytes: 0, sync: SyncPolicy::Off };
    let (mut writer, mut keeper) = log::create(cfg).expect("create");
    let mut written = vec![Vec::new()];
    let mut end = HEADER;
    loop {
        let payload: Vec<u8> = (0..random.below(120)).map(|_| random.next() as u8).collect();
        let bytes = 16 + payload.len().div_ceil(8) * 8;
        if end + bytes > segment_bytes - 16 {
            if written.len() == segments {
                break;
            }
            written.push(Vec::new());
            end = HEADER;
        }
        end += bytes;
        let kind = random.next() as u16;
        writer.append(kind, &payload).expect("append");
        written.last_mut().expect("a segment").push(Written { kind, payload, end });
        keeper.tend().expect("tend");
    }
    if finish {
        writer.finish();
        keeper.close().expect("close");
    }
    (dir, written)
}

fn segment_path(dir: &Path, segment: usize) -> PathBuf {
    dir.join(format!("{segment:08}.log"))
}

/// Scans a segment's bytes to where it stops; checks each record against the oracle. How many, and how it stopped.
fn scan(bytes: &[u8], written: &[Written], context: &dyn Fn() -> String) -> (usize, Result<Step, ScanError>) {
    let mut scan = match Scan::open(bytes) {
        Ok(Some(scan)) => scan,
        Ok(None) => return (0, Ok(Step::Pending(TornCause::Unwritten))),
        Err(error) => return (0, Err(error)),
    };
    let mut count = 0;
    loop {
        match scan.step() {
            Ok(Step::Record { index, kind, .. }) => {
                let expected = written.get(count).unwrap_or_else(|| panic!("invented: {}", context()));
                assert_eq!(index, count as u64, "{}", context());
                assert_eq!((kind, scan.payload()), (expected.kind, &expected.payload[..]), "{}", context());
                count += 1;
            }
            other => return (count, other),
        }
    }
}

#[test]
fn cut_at_every_byte_leaves_the_longest_valid_prefix() {
    let temp = tempfile::tempdir().expect("folder");
    let (dir, written) = write_log(temp.path(), 64 * 1024, 1, true, &mut Random(1));
    let bytes = std::fs::read(segment_path(&dir, 0)).expect("read");
    assert!(bytes.len() > 64 * 1024 - 200);
    for len in 0..bytes.len() {
        let (count, stopped) = scan(&bytes[..len], &written[0], &|| format!("cut at {len}"));
        assert_eq!(count, written[0].iter().filter(|record| record.end <= len).count(), "cut at {len}");
        match stopped {
            Err(ScanError::Header(_)) if len < HEADER => {}
            Ok(Step::Pending(TornCause::Cut)) if len >= HEADER => {}
            other => panic!("cut at {len}: {other:?}"),
        }
    }
    let (count, stopped) = scan(&bytes, &written[0], &|| "whole".to_owned());
    assert!(matches!(stopped, Ok(Step::Ended(n)) if n == count as u64));
}

/// Checks one damaged segment: all records before the first damaged byte, none changed, no clean end.
fn check_damaged(bytes: &[u8], first: usize, written: &[Written], context: &dyn Fn() -> String) {
    let (count, stopped) = scan(bytes, written, context);
    let whole = written.iter().filter(|record| record.end <= first).count();
    if first >= HEADER {
        assert_eq!(count, whole, "{}", context());
        let refused = matches!(stopped, Ok(Step::Pending(_)) | Err(ScanError::Corrupt { .. }));
        assert!(refused, "{}: {stopped:?}", context());
    } else {
        assert!(count == 0 && !matches!(stopped, Ok(Step::Ended(_))), "{}", context());
    }
}

#[test]
fn every_single_bit_flip_is_noticed() {
    let temp = tempfile::tempdir().expect("folder");
    let (dir, written) = write_log(temp.path(), 4096, 1, true, &mut Random(2));
    let mut bytes = std::fs::read(segment_path(&dir, 0)).expect("read");
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        check_damaged(&bytes, bit / 8, &written[0], &|| format!("bit {bit}"));
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn random_damage_never_passes() {
    let seed = setting("SEED", 3);
    let mut random = Random(seed);
    let temp = tempfile::tempdir().expect("folder");
    let (dir, written) = write_log(temp.path(), 16 * 1024, 1, true, &mut random);
    let whole = std::fs::read(segment_path(&dir, 0)).expect("read");
    for case in 0..setting("CASES", 20_000) {
        let mut bytes = whole.clone();
        let context = || format!("SEED={seed}, case {case}");
        match random.below(4) {
            // A few flipped bits.
            0 => {
                for _ in 0..=random.below(8) {
                    let bit = random.below(bytes.len() * 8);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
            // A run of garbage.
            1 => {
                let from = random.below(bytes.len());
                let to = (from + random.below(64)).min(bytes.len());
                bytes[from..to].iter_mut().for_each(|byte| *byte = random.next() as u8);
            }
            // A lost page or part of one.
            2 => {
                let from = random.below(bytes.len());
                let to = (from + random.below(4096)).min(bytes.len());
                bytes[from..to].fill(0);
            }
            // A piece copied from elsewhere in the segment: valid records in the wrong place.
            _ => {
                let (from, to) = (random.below(bytes.len() / 8) * 8, random.below(bytes.len() / 8) * 8);
                let len = random.below(512).min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + len, to);
            }
        }
        if let Some(first) = bytes.iter().zip(&whole).position(|(now, then)| now != then) {
            check_damaged(&bytes, first, &written[0], &context);
        }
    }
}

#[test]
fn damage_in_any_file_of_a_closed_log_is_never_read_as_clean() {
    let seed = setting("SEED", 4);
    let mut random = Random(seed);
    let temp = tempfile::tempdir().expect("folder");
    let (dir, written) = write_log(temp.path(), 4096, 4, true, &mut random);
    let total: usize = written.iter().map(Vec::len).sum();
    assert_eq!(log::verify(&dir).expect("verify").records, total as u64);
    for case in 0..setting("CASES", 20_000) / 20 {
        let segment = random.below(4);
        let path = segment_path(&dir, segment);
        let whole = std::fs::read(&path).expect("read");
        let mut bytes = whole.clone();
        let at = random.below(bytes.len());
        if random.below(2) == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << random.below(8);
        }
        std::fs::write(&path, &bytes).expect("write");
        let mut reader = Reader::open(&dir);
        let mut count = 0;
        let flat: Vec<&Written> = written.iter().flatten().collect();
        if let Ok(reader) = &mut reader {
            while let Ok(Some(record)) = reader.next() {
                let expected = flat[count];
                assert_eq!((record.kind, record.payload), (expected.kind, &expected.payload[..]));
                count += 1;
            }
        }
        let before: usize = written[..segment].iter().map(Vec::len).sum();
        let whole_here = written[segment].iter().filter(|record| at >= HEADER && record.end <= at).count();
        assert_eq!(count, before + whole_here, "SEED={seed}, case {case}: segment {segment} at {at}");
        match log::verify(&dir) {
            Err(LogError::Header { .. } | LogError::Corrupt { .. }) => {}
            // Only at the very end can damage look like a record that never came.
            Ok(verified) if segment == 3 => assert!(matches!(verified.end, End::Torn { .. })),
            other => panic!("SEED={seed}, case {case}: segment {segment} at {at}: {other:?}"),
        }
        std::fs::write(&path, &whole).expect("restore");
    }
}

#[test]
fn a_lost_page_is_a_hole_and_not_the_end() {
    let temp = tempfile::tempdir().expect("folder");
    let (dir, written) = write_log(temp.path(), 16 * 1024, 1, false, &mut Random(5));
    let file = std::fs::OpenOptions::new().write(true).open(segment_path(&dir, 0)).expect("open");
    let hole = written[0].iter().map(|record| record.end).find(|end| *end >= 4096).expect("a record");
    file.write_all_at(&[0; 4096], hole as u64).expect("write");
    let mut reader = Reader::open(&dir).expect("open");
    let mut last = None;
    while let Some(record) = reader.next().expect("a live reader cannot know") {
        last = Some(record.index);
    }
    match reader.end() {
        Err(LogError::Corrupt { segment: 0, offset, index, fault: CorruptFault::Hole }) => {
            assert_eq!((offset, Some(index - 1)), (hole as u64, last));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(reader.next(), Err(LogError::Corrupt { .. })), "stays refused");
}

#[test]
fn garbage_behind_the_last_record_is_a_torn_tail() {
    let temp = tempfile::tempdir().expect("folder");
    let mut random = Random(6);
    let dir = temp.path().join("log");
    let cfg = LogConfig { dir: dir.clone(), segment_bytes: 8192, reserve_bytes: 0, sync: SyncPolicy::Off };
    let (mut writer, keeper) = log::create(cfg).expect("create");
    for _ in 0..10 {
        writer.append(1, &[3; 24]).expect("append");
    }
    drop((writer, keeper));
    let file = std::fs::OpenOptions::new().write(true).open(segment_path(&dir, 0)).expect("open");
    let garbage: Vec<u8> = (0..2000).map(|_| random.next() as u8).collect();
    file.write_all_at(&garbage, 64 + 400).expect("write");
    let verified = log::verify(&dir).expect("verify");
    let torn = End::Torn { segment: 0, offset: 464, index: 10, cause: TornCause::Garbage };
    assert_eq!((verified.records, verified.end), (10, torn));
}

/// Found by the simulator: the end is judged by two searches, and the second began where the first had left the buffer.
#[test]
fn garbage_far_before_the_end_of_its_segment_is_a_torn_tail() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let dir = folder.path().join("log");
    let cfg = LogConfig { dir: dir.clone(), segment_bytes: 1 << 20, reserve_bytes: 0, sync: SyncPolicy::Off };
    let (mut writer, _keeper) = log::create(cfg).expect("create");
    for _ in 0..100 {
        writer.append(1, &[7; 24]).expect("append");
    }
    drop(writer);
    let file = std::fs::OpenOptions::new().write(true).open(segment_path(&dir, 0)).expect("open");
    // Too long for any record.
    file.write_all_at(&[0xFF; 8], (HEADER + 100 * 40) as u64).expect("write");
    let verified = log::verify(&dir).expect("a torn tail is no error");
    assert_eq!(verified.records, 100);
    assert!(matches!(verified.end, End::Torn { index: 100, cause: TornCause::Garbage, .. }), "{verified:?}");
}

#[test]
fn a_file_that_shrinks_under_its_reader_is_no_fault() {
    let temp = tempfile::tempdir().expect("folder");
    let (dir, written) = write_log(temp.path(), 64 * 1024, 1, false, &mut Random(7));
    for len in [40_000, 5000, 64, 10, 0] {
        let mut reader = Reader::open(&dir).expect("open");
        assert!(reader.next().expect("next").is_some());
        let file = std::fs::OpenOptions::new().write(true).open(segment_path(&dir, 0)).expect("open");
        let whole = std::fs::read(segment_path(&dir, 0)).expect("read");
        file.set_len(len).expect("cut");
        let mut count = 1;
        while let Some(record) = reader.next().expect("short, not wrong") {
            assert_eq!(record.payload, written[0][count].payload);
            count += 1;
        }
        assert!(count < written[0].len());
        std::fs::write(segment_path(&dir, 0), whole).expect("restore");
    }
}

proptest! {
    /// Any bytes at all, behind a right header or not: an answer, and no record.
    #[test]
    fn arbitrary_bytes_are_no_records(
        bytes in prop::collection::vec(prop_oneof![3 => Just(0u8), 2 => any::<u8>(), 1 => 0u8..32], 0..6000),
        with_header: bool,
    ) {
        let mut file = Vec::new();
        if with_header {
            let header = log::format::Header { log_id: 1, segment: 0, segment_bytes: 8192 };
            file.extend(header.encode());
            let opened = u64::from(crc32c::crc32c_append(header.seed(), &[0; 8]))
                | u64::from(log::format::OPENED) << 32;
            file[56..64].copy_from_slice(&opened.to_le_bytes());
        }
        file.extend(bytes);
        let (count, _) = scan(&file, &[], &|| "arbitrary bytes".to_owned());
        prop_assert_eq!(count, 0);
    }
}

/// Headers that could be records at every place, all with wrong checksums: the search behind them ends.
#[test]
fn a_file_made_to_defeat_the_search_is_refused() {
    let header = log::format::Header { log_id: 1, segment: 0, segment_bytes: 1 << 20 };
    let mut file = header.encode().to_vec();
    let opened =
        u64::from(crc32c::crc32c_append(header.seed(), &[0; 8])) | u64::from(log::format::OPENED) << 32;
    file[56..64].copy_from_slice(&opened.to_le_bytes());
    // Length and index of each place are the bytes of its neighbours: 16 and up, index 1.
    while file.len() < 1 << 20 {
        file.extend([0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    }
    file[64..72].copy_from_slice(&[9; 8]);
    let (count, stopped) = scan(&file, &[], &|| "made".to_owned());
    assert_eq!(count, 0);
    assert!(matches!(stopped, Ok(Step::Pending(_)) | Err(ScanError::Corrupt { .. })), "{stopped:?}");
}
