//! Latencies by the minute as a file of the run: an interval log of HdrHistogram, written by the cold thread out of the histograms in shared memory.
//!
//! ```text
//!   #[StartTime: 1794830400.000 (seconds since epoch)]
//!   #[BaseTime: 1794830400.000 (seconds since epoch)]
//!   Tag=tick_to_order,0.000,60.000,0.091,HISTFAAAA...        stage, from the base, length in s, largest in ms; base64 of the packed V2 encoding: values in ns
//! ```
//!
//! A stage that counted nothing in a minute has no line. HdrHistogram's own tools read it, and `[backtest]` takes a leg of latency from it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use model::Nanos;
use ringbuf::histogram::Snapshot as Counts;

use super::snapshot::Viewer;
use super::stages::merged;

/// Its name in the run's folder.
pub const FILE: &str = "latency.hlog";

/// How often a line is written.
const EVERY: Nanos = Nanos::from_millis(60_000);

/// See the module.
pub struct Intervals {
    file: File,
    began: Nanos,
    from: Nanos,
    /// The last look.
    now: Nanos,
    /// By stage, as they were at `from`: one for each thread that has it.
    seen: Vec<Vec<Counts>>,
}

impl Intervals {
    /// Makes the file in a run's folder.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(run: &Path, now: Nanos) -> std::io::Result<Intervals> {
        let mut file = File::create_new(run.join(FILE))?;
        let at = seconds(now);
        let head = format!(
            "#[StartTime: {at} (seconds since epoch)]\n#[BaseTime: {at} (seconds since epoch)]\n\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
        );
        file.write_all(head.as_bytes())?;
        Ok(Intervals { file, began: now, from: now, now, seen: Vec::new() })
    }

    /// Writes what was counted since the last lines, where a minute is over.
    ///
    /// # Errors
    /// The disk's; the file may end within a line then.
    pub fn look(&mut self, now: Nanos, viewer: &Viewer) -> std::io::Result<()> {
        self.now = now;
        if now.since(self.from).0 < EVERY.0 { Ok(()) } else { self.write(viewer) }
    }

    /// Writes what is left, once nothing counts any more.
    ///
    /// # Errors
    /// As [`Intervals::look`].
    pub fn write(&mut self, viewer: &Viewer) -> std::io::Result<()> {
        let now = self.now;
        let stages = viewer.stages();
        let (start, length) = (seconds(Nanos(self.from.since(self.began).0)), seconds(now.since(self.from)));
        let mut lines = String::new();
        for (k, (name, counts)) in stages.iter().enumerate() {
            let before = self.seen.get(k);
            let since = |(k, now): (usize, &Counts)| match before.and_then(|b| b.get(k)) {
                Some(before) => now.since(before),
                None => now.clone(),
            };
            let histogram = merged(&counts.iter().enumerate().map(since).collect::<Vec<_>>());
            if histogram.is_empty() {
                continue;
            }
            let mut bytes = Vec::new();
            // Counts are bounded, so nothing of them has no place in the encoding.
            if V2DeflateSerializer::new().serialize(&histogram, &mut bytes).is_ok() {
                let largest = histogram.max() as f64 / 1e6;
                let _ =
                    writeln!(lines, "Tag={name},{start},{length},{largest:.3},{}", STANDARD.encode(bytes));
            }
        }
        self.seen = stages.into_iter().map(|(_, counts)| counts).collect();
        self.from = now;
        // At once, so that who reads meanwhile finds whole lines.
        self.file.write_all(lines.as_bytes())
    }
}

fn seconds(ns: Nanos) -> String {
    format!("{}.{:03}", ns.0 / 1_000_000_000, ns.0 / 1_000_000 % 1_000)
}
