//! A segment of the log: as raw bytes, and as a good one that was damaged.
//!
//! Held to: no panic and no endless scan, whatever the bytes; and of a damaged segment, that every record read is the one
//! that was written at its index. The damage is at most three bytes: a checksum is no seal against a forger.
#![no_main]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ringbuf::log::format::{HEADER_BYTES, Header, SEGMENT_BYTES_MIN, open_segment, record_bytes};
use ringbuf::log::record::{END, publish};
use ringbuf::log::scan::{Scan, Step};

const RECORDS: u64 = 40;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a [u8]),
    Damaged { flips: [(u16, u8); 3], length: Option<u16> },
}

/// What was written at an index: its kind and its payload.
fn written(index: u64) -> (u16, Vec<u8>) {
    let length = (index * 7 % 60) as usize;
    (index as u16 * 3, (0..length).map(|at| (index as usize * 31 + at) as u8).collect())
}

/// A segment of [`RECORDS`] records, cleanly ended.
fn good() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let header = Header { log_id: 77, segment: 0, segment_bytes: SEGMENT_BYTES_MIN };
        let words: Vec<AtomicU64> = (0..SEGMENT_BYTES_MIN / 8).map(|_| AtomicU64::new(0)).collect();
        for (word, bytes) in words.iter().zip(header.encode().chunks_exact(8)) {
            word.store(u64::from_le_bytes(bytes.try_into().expect("eight bytes")), Ordering::Relaxed);
        }
        open_segment(&words, header.seed(), 0);
        let mut at = HEADER_BYTES / 8;
        for index in 0..RECORDS {
            let (kind, payload) = written(index);
            let place = at..at + record_bytes(payload.len()) / 8;
            at = place.end;
            publish(&words[place], header.seed(), index, kind, 0, &payload);
        }
        publish(&words[at..at + record_bytes(0) / 8], header.seed(), RECORDS, 0, END, &[]);
        words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect()
    })
}

/// Scans to where it stops; gives the records passed and what it stopped at.
fn scan(bytes: &[u8], mut record: impl FnMut(u64, u16, &[u8])) -> (u64, Option<Step>) {
    let Ok(Some(mut scan)) = Scan::open(bytes) else { return (0, None) };
    let mut records = 0;
    loop {
        match scan.step() {
            Ok(Step::Record { index, kind, .. }) => {
                record(index, kind, scan.payload());
                records += 1;
                assert!(records <= bytes.len() as u64 / 16, "more records than there is room for");
            }
            Ok(stop) => {
                let _ = scan.later_record();
                return (records, Some(stop));
            }
            Err(_) => return (records, None),
        }
    }
}

fuzz_target!(|input: Input| match input {
    Input::Raw(bytes) => {
        scan(bytes, |_, _, _| {});
    }
    Input::Damaged { flips, length } => {
        let mut bytes = good().to_vec();
        for (at, mask) in flips {
            let length = bytes.len();
            bytes[usize::from(at) % length] ^= mask;
        }
        bytes.truncate(length.map_or(bytes.len(), usize::from));
        let whole = bytes == good();
        let mut next = 0;
        let (records, stop) = scan(&bytes, |index, kind, payload| {
            assert_eq!(index, next, "in order");
            assert_eq!((kind, payload.to_vec()), written(index), "as written");
            next += 1;
        });
        if whole {
            assert_eq!(
                (records, stop),
                (RECORDS, Some(Step::Ended(RECORDS))),
                "a good segment is read whole"
            );
        }
    }
});
