//! Journals for these tests, and what is in them by a reading of one's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use colo::journal::{Batch, Record, RunDir};
use model::{FeedStatus, ReportKind};
use ringbuf::log::{self, Keeper, LogConfig, Reader, SyncPolicy, Writer};

use crate::run::{Core, Run, add, delete, framed, named};

const AAPL: &[u8; 8] = b"AAPL    ";

/// A run that trades for a while.
pub fn traded(steps: u64) -> Run {
    let mut core = Core::start();
    core.packet(&[named(b'R', 7, AAPL), named(b'H', 7, AAPL)]);
    core.status(FeedStatus::Synced { next: core.next });
    core.packet(&[add(7, AAPL, 1, false, 1_010_000)]);
    for k in 1..steps {
        let px = 1_000_000 + (k as u32 % 20) * 100;
        core.packet(&[add(7, AAPL, k * 10 + 2, true, px)]);
        if k % 3 == 0 {
            core.answer();
        }
        if k % 50 == 0 {
            core.hash();
        }
        core.packet(&[delete(7, k * 10 + 2)]);
    }
    core.answer();
    core.end()
}

/// The logs of a run that is written.
pub struct Live {
    pub path: PathBuf,
    core: (Writer, Keeper),
    capture: (Writer, Keeper),
    batch: usize,
    record: usize,
    _dir: RunDir,
}

impl Live {
    /// Begins the next run in a core's folder.
    pub fn begin(folder: &Path, run: &Run) -> Live {
        let dir = RunDir::create(folder, &run.toml).unwrap();
        let open = |dir: PathBuf| {
            let (segment_bytes, reserve_bytes) = (1 << 16, 1 << 12);
            log::create(LogConfig { dir, segment_bytes, reserve_bytes, sync: SyncPolicy::Off }).unwrap()
        };
        let (core, capture) = (open(RunDir::core(&dir.path)), open(RunDir::capture(&dir.path, "f1")));
        Live { path: dir.path.clone(), core, capture, batch: 0, record: 0, _dir: dir }
    }

    /// Writes the next records, each behind the market data that it names, as a core does.
    pub fn write(&mut self, run: &Run, records: usize) {
        for record in run.records.iter().skip(self.record).take(records) {
            if let Record::Market { now, .. } = record {
                while let Some((received, first, messages)) =
                    run.batches.get(self.batch).filter(|b| b.0 <= *now)
                {
                    let framed = framed(messages);
                    let count = messages.len() as u32;
                    let batch = Batch {
                        received: *received,
                        is_snapshot: false,
                        first: *first,
                        count,
                        framed: &framed,
                    };
                    batch.append(&mut self.capture.0).unwrap();
                    self.capture.1.tend().unwrap();
                    self.batch += 1;
                }
            }
            record.append(&mut self.core.0).unwrap();
            self.core.1.tend().unwrap();
            self.record += 1;
        }
    }

    /// Ends as a core that is shut down.
    pub fn end(mut self, run: &Run) {
        self.write(run, usize::MAX);
        self.core.0.finish();
        self.core.1.close().unwrap();
        self.capture.0.finish();
        self.capture.1.close().unwrap();
    }
}

/// What of a journal should be how many rows, by table and kind: counted from its records, by no code of the shipper.
pub fn counted(run: &Path) -> BTreeMap<String, i64> {
    let mut reader = Reader::open(RunDir::core(run)).unwrap();
    let mut found = BTreeMap::new();
    while let Some(r) = reader.next().unwrap() {
        let record = Record::decode(r.kind, r.payload).unwrap();
        let mut count = |what: &str| *found.entry(what.to_owned()).or_insert(0) += 1;
        match record {
            Record::Command(_) => count("commands"),
            Record::Report { report, .. } => {
                count("reports");
                if matches!(report.kind, ReportKind::Executed { .. }) {
                    count("fills");
                }
            }
            Record::Receipt(_) => count("receipts"),
            Record::Dropped(_) => count("dropped"),
            Record::Refusal(_)
            | Record::Alarm(_)
            | Record::Control { .. }
            | Record::Operator { .. }
            | Record::Validity(_) => {
                count("risk");
            }
            Record::Feed { status: FeedStatus::Heartbeat, .. } => {}
            Record::Feed { .. } | Record::Session { .. } | Record::Start { .. } | Record::End { .. } => {
                count("links")
            }
            Record::Market { .. } | Record::Snapshot { .. } | Record::Timer { .. } | Record::Hash { .. } => {}
        }
    }
    found
}
