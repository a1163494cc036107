//! The protocols under every interleaving and every value a load may see.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ringbuf --release --test loom`
#![cfg(loom)]

use loom::thread;
use ringbuf::cell::SeqCell;
use ringbuf::counters::Counters;
use ringbuf::log::format::{HEADER_BYTES, Header, open_segment};
use ringbuf::log::record::publish;
use ringbuf::log::scan::{Scan, Source, Step};
use ringbuf::words::{ReadWords, Words};
use std::io;
use std::sync::atomic::Ordering;

#[test]
fn a_cell_is_never_a_mixture() {
    loom::model(|| {
        let mut cell = SeqCell::<2>::over(Words::zeroed(3)).expect("three words");
        let reader = cell.reader();
        let writer = thread::spawn(move || {
            cell.store([1, 1]);
            cell.store([2, 2]);
        });
        if let Some([a, b]) = reader.load() {
            assert_eq!(a, b);
        }
        writer.join().expect("writer");
        assert_eq!(reader.load(), Some([2, 2]));
    });
}

#[test]
fn a_cell_never_goes_back() {
    loom::model(|| {
        let mut cell = SeqCell::<1>::over(Words::zeroed(2)).expect("two words");
        let reader = cell.reader();
        let writer = thread::spawn(move || cell.store([1]));
        let first = reader.load();
        let second = reader.load();
        if let (Some(first), Some(second)) = (first, second) {
            assert!(first <= second);
        }
        writer.join().expect("writer");
    });
}

#[test]
fn a_counter_loses_nothing_and_never_goes_back() {
    loom::model(|| {
        let mut counters = Counters::over(Words::zeroed(1));
        let reader = counters.reader();
        let writer = thread::spawn(move || {
            counters.add(0, 1);
            counters.add(0, 1);
        });
        let first = reader.get(0).expect("id 0");
        let second = reader.get(0).expect("id 0");
        assert!(first <= second && second <= 2);
        writer.join().expect("writer");
        assert_eq!(reader.get(0), Some(2));
    });
}

const HEADER: Header = Header { log_id: 1, segment: 0, segment_bytes: 4096 };

/// A segment whose first bytes do not change; the words behind them do. Copies the words in the worst order, the
/// last first, and with no ordering at all: `pread` promises none.
struct Copied {
    fixed: Vec<u8>,
    words: ReadWords,
}

impl Source for Copied {
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut all = self.fixed.clone();
        all.resize(self.fixed.len() + self.words.len() * 8, 0);
        let copied = offset as usize..all.len().min(offset as usize + to.len());
        for at in (0..self.words.len()).rev() {
            let place = self.fixed.len() + at * 8;
            if copied.contains(&place) {
                let word = self.words.load(at, Ordering::Relaxed).expect("inside");
                all[place..place + 8].copy_from_slice(&word.to_le_bytes());
            }
        }
        let bytes = all.get(copied).unwrap_or(&[]);
        to[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

/// The words of a segment that is prepared, not begun.
fn prepared() -> Words {
    let words = Words::zeroed(HEADER_BYTES / 8);
    for (place, word) in words.iter().zip(HEADER.encode().as_chunks::<8>().0) {
        place.store(u64::from_le_bytes(*word), Ordering::Relaxed);
    }
    words
}

#[test]
fn a_record_is_seen_whole_or_not_at_all() {
    loom::model(|| {
        let header = prepared();
        open_segment(&header, HEADER.seed(), 0);
        let fixed = header.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        let words = Words::zeroed(3);
        let source = Copied { fixed, words: words.reader() };
        let writer = thread::spawn(move || {
            publish(&words, HEADER.seed(), 0, 7, 0, b"payload!");
        });
        let mut scan = Scan::open(source).expect("header").expect("opened");
        for _ in 0..2 {
            // An error here would be a record taken for corrupt while it is being written.
            match scan.step().expect("no corruption") {
                Step::Record { index: 0, kind: 7, .. } => {
                    assert_eq!(scan.payload(), b"payload!");
                    break;
                }
                Step::Pending(_) => {}
                other => panic!("{other:?}"),
            }
        }
        writer.join().expect("writer");
    });
}

#[test]
fn a_segment_is_opened_whole_or_not_at_all() {
    loom::model(|| {
        let words = prepared();
        let source = Copied { fixed: Vec::new(), words: words.reader() };
        let writer = thread::spawn(move || open_segment(&words, HEADER.seed(), 5));
        let opened = Scan::open(source).expect("header");
        assert!(opened.is_none_or(|scan| scan.first_index() == 5));
        writer.join().expect("writer");
    });
}
