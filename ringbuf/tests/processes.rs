//! Two processes over one memory: a writer that is this very test binary, started again, and killed.
//!
//! Reliability rows T4 and T17: a killed writer costs its readers nothing but what it had not committed.
#![cfg(not(loom))]

use ringbuf::cell::{CellReader, SeqCell};
use ringbuf::counters::{CounterReader, Counters};
use ringbuf::histogram::{self, Histogram, HistogramReader};
use ringbuf::log::{self, LogConfig, LogError, Reader, SyncPolicy};
use ringbuf::region::Region;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const LAYOUT: u32 = 5;
const CELL: usize = 0;
const COUNTERS: usize = 16;
const HISTOGRAM: usize = 32;
const BYTES: usize = (HISTOGRAM + histogram::WORDS) * 8;

/// Starts this binary again, to run `child` as `role` on `path`, and waits until it is ready.
fn start(role: &str, path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "child", "--nocapture"])
        .env("RINGBUF_CHILD_ROLE", role)
        .env("RINGBUF_CHILD_PATH", path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("start");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let ready = output.lines().any(|line| line.expect("line").ends_with("ready"));
    assert!(ready, "the child ended before it was ready");
    child
}

fn ready() {
    let mut output = std::io::stdout();
    writeln!(output, "\nready").and_then(|()| output.flush()).expect("parent reads");
}

fn kill(mut child: Child) {
    child.kill().expect("kill");
    child.wait().expect("wait");
}

/// Not a test: what the other process runs. Returns at once in an ordinary run.
#[test]
fn child() {
    let (Ok(role), Ok(path)) = (std::env::var("RINGBUF_CHILD_ROLE"), std::env::var("RINGBUF_CHILD_PATH"))
    else {
        return;
    };
    match role.as_str() {
        "publish" => publish(Path::new(&path)),
        "append" => append(Path::new(&path)),
        other => panic!("no role {other}"),
    }
}

fn publish(path: &Path) -> ! {
    let mut region = Region::create(path, LAYOUT, BYTES, 1).expect("create");
    let mut cell = SeqCell::<8>::over(region.words(CELL, 9).expect("inside")).expect("enough");
    let mut counters = Counters::over(region.words(COUNTERS, 2).expect("inside"));
    let words = region.words(HISTOGRAM, histogram::WORDS).expect("inside");
    let mut histogram = Histogram::over(words).expect("enough");
    ready();
    for n in 1u64.. {
        cell.store([n; 8]);
        counters.add(0, 1);
        counters.add(1, 3);
        histogram.record(n % 1000);
    }
    unreachable!("killed before");
}

#[test]
fn a_reader_follows_a_writer_in_another_process_and_outlives_it() {
    let temp = tempfile::tempdir().expect("folder");
    let path = temp.path().join("region");
    let child = start("publish", &path);
    let region = Region::open(&path, LAYOUT).expect("open");
    assert_eq!(region.writer_pid(), u64::from(child.id()));
    let cell = CellReader::<8>::over(region.words(CELL, 9).expect("inside")).expect("enough");
    let counters = CounterReader::over(region.words(COUNTERS, 2).expect("inside"));
    let words = region.words(HISTOGRAM, histogram::WORDS).expect("inside");
    let histogram = HistogramReader::over(words).expect("enough");
    let (mut last, mut changes) = (0, 0);
    while changes < 2_000 {
        if let Some(value) = cell.load() {
            assert_eq!(value, [value[0]; 8], "a mixture");
            assert!(value[0] >= last, "went back");
            if value[0] != last {
                changes += 1;
                last = value[0];
                continue;
            }
        }
        // On one core, nothing changes while this process has it.
        std::thread::yield_now();
    }
    kill(child);
    // Wherever it died: an answer, whole or none.
    if let Some(value) = cell.load() {
        assert_eq!(value, [value[0]; 8]);
    }
    let (once, thrice) = (counters.get(0).expect("id"), counters.get(1).expect("id"));
    assert!(once >= changes && (thrice == 3 * once || thrice + 3 == 3 * once));
    let snapshot = histogram.snapshot();
    assert!(snapshot.count() >= changes && snapshot.quantile(1.0) <= 999);
}

#[test]
fn a_region_scribbled_over_by_another_process_gives_values_or_none() {
    let temp = tempfile::tempdir().expect("folder");
    let path = temp.path().join("region");
    let _writer = Region::create(&path, LAYOUT, BYTES, 1).expect("create");
    let region = Region::open(&path, LAYOUT).expect("open");
    let cell = CellReader::<8>::over(region.words(CELL, 9).expect("inside")).expect("enough");
    let words = region.words(HISTOGRAM, histogram::WORDS).expect("inside");
    let histogram = HistogramReader::over(words).expect("enough");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("open");
    let mut state = 9u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let (mut some, mut none) = (0, 0);
    let rounds: u64 = std::env::var("SCRIBBLES").map_or(20_000, |n| n.parse().expect("SCRIBBLES: a number"));
    for round in 0..rounds {
        let bytes: Vec<u8> = (0..32).map(|_| next() as u8).collect();
        let at = if round % 2 == 0 { 128 } else { next() % (128 + BYTES as u64 - 32) };
        file.write_all_at(&bytes, at).expect("scribble");
        match cell.load() {
            Some(_) => some += 1,
            None => none += 1,
        }
        if round % 200 == 0 {
            let snapshot = histogram.snapshot();
            let _ = (snapshot.quantile(0.99), snapshot.since(&snapshot).count(), snapshot.to_hdr().len());
            // The header may be anything by now: any answer but a panic.
            let _ = Region::open(&path, LAYOUT).map(|region| region.words(0, usize::MAX).is_err());
        }
    }
    assert!(some > 0 && none > 0, "both ways were met: {some} {none}");
}

fn payload(index: u64) -> Vec<u8> {
    (0..index % 60).map(|at| (index * 31 + at) as u8).collect()
}

fn append(dir: &Path) -> ! {
    let cfg = LogConfig {
        dir: dir.to_owned(),
        segment_bytes: 64 * 1024,
        reserve_bytes: 4096,
        sync: SyncPolicy::Off,
    };
    let (mut writer, mut keeper) = log::create(cfg).expect("create");
    std::thread::spawn(move || {
        loop {
            keeper.tend().expect("tend");
            std::thread::yield_now();
        }
    });
    ready();
    loop {
        let index = writer.next_index();
        while writer.append(index as u16, &payload(index)).is_err() {
            std::thread::yield_now();
        }
        // The parent decides how long this runs; it must not fill the disk meanwhile.
        if index.is_multiple_of(64) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_writer_killed_while_appending_leaves_a_valid_prefix() {
    for round in 0..10u64 {
        let temp = tempfile::tempdir().expect("folder");
        let dir = temp.path().join("log");
        let child = start("append", &dir);
        let mut reader = Reader::open(&dir).expect("open");
        let follow = 500 + round * 1_501;
        let mut seen = 0;
        let mut read = |reader: &mut Reader| match reader.next() {
            Ok(Some(record)) => {
                assert_eq!((record.index, record.kind), (seen, seen as u16), "round {round}");
                assert_eq!(record.payload, payload(seen), "round {round}");
                seen += 1;
                Ok(Some(seen))
            }
            Ok(None) => Ok(None),
            Err(error) => Err::<_, LogError>(error),
        };
        loop {
            match read(&mut reader).expect("live") {
                Some(count) if count >= follow => break,
                Some(_) => {}
                None => std::thread::yield_now(),
            }
        }
        kill(child);
        while read(&mut reader).expect("whatever was committed").is_some() {}
        let verified = log::verify(&dir).expect("a valid prefix");
        assert_eq!(verified.records, seen, "round {round}");
        assert!(matches!(verified.end, log::End::Torn { .. }), "round {round}: {:?}", verified.end);
    }
}
