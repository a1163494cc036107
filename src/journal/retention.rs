//! What becomes of journals with age: segments that are written no more are packed, runs that are old enough or too many are removed.
//!
//! ```text
//!   cold thread --- closed below N ---> Archive's thread (nice 19, idle I/O): packs all but the last closed segment of the run that goes on,
//!                                                                             once an hour packs and removes runs that are over
//! ```
//!
//! # Invariants
//!
//! * Nobody waits for it, and it starts nothing while the disk has little room: the journal's own need comes first.
//! * Never touched: the run that goes on, but for its closed segments; the run before it, which a start and the chain of seals need; a log that a reader is at, in any process (a shared lock on its folder).
//! * A run is renamed before it is removed, so half of one is never taken for a run. Of a segment that is being packed, one whole form is always there ([`ringbuf::log::pack`]).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use ringbuf::log::{self, LogError, PackStep};
use serde_json::{Value, json};

use super::run::{last_before, runs};
use crate::host;

/// Closed segments of the run that goes on which stay plain: the one that a start and whoever follows are most likely to read.
const KEEP_PLAIN: u32 = 1;
/// Between two looks at the runs that are over.
const EVERY: Duration = Duration::from_secs(3_600);
/// How often what was closed is looked at when nothing is said.
const LOOK: Duration = Duration::from_millis(500);
/// Room that is left to the journal, beside what packing takes.
const SPARE_BYTES: u64 = 64 << 20;
/// What a run is called while it is being removed.
const GONE: &str = "gone-";

/// What is kept, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Runs whose last change is longer ago are removed; 0: none for its age.
    pub keep_days: u32,
    /// The oldest runs are removed while all together take more; 0: none for its size.
    pub keep_bytes: u64,
    /// Whether segments that are written no more are packed.
    pub compress: bool,
}

impl Retention {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn keeps_all(&self) -> bool {
        *self == Retention::default()
    }
}

/// A line for the log: level, message, fields.
pub type Said = (&'static str, &'static str, Value);

/// The thread that does it, as the cold thread knows it.
pub struct Archive {
    to: Option<Sender<(PathBuf, u32)>>,
    said: Receiver<Said>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    told: BTreeMap<PathBuf, u32>,
}

impl Archive {
    /// Starts the thread for the journals in `folder`, of which `current` is the run that goes on.
    ///
    /// # Errors
    /// The host gives no thread.
    pub fn start(
        folder: PathBuf,
        current: u32,
        retention: Retention,
        confined: Option<host::Kept>,
    ) -> io::Result<Archive> {
        let (to, closed) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("archive".into()).spawn(move || {
            // What is refused of either makes it dearer for others, and no different.
            let _ = host::yield_to_all();
            let _ = confined.map(host::drop_capabilities);
            Work { folder, current, retention, stop: stopped, say }.run(&closed);
        })?;
        Ok(Archive { to: Some(to), said, stop, thread: Some(thread), told: BTreeMap::new() })
    }

    /// Segments of the log in `dir` below this one are written no more.
    pub fn closed(&mut self, dir: &Path, below: u32) {
        if self.told.get(dir).is_some_and(|told| *told >= below) || below == 0 {
            return;
        }
        self.told.insert(dir.to_path_buf(), below);
        // A thread that is gone packs nothing, and its panic is on stderr.
        let _ = self.to.as_ref().map(|to| to.send((dir.to_path_buf(), below)));
    }

    /// Lines for the log.
    pub fn said(&mut self) -> impl Iterator<Item = Said> + '_ {
        self.said.try_iter()
    }
}

impl Drop for Archive {
    /// Breaks off what it is at, and waits for that: what was begun is made anew by the next run.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.to = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    folder: PathBuf,
    current: u32,
    retention: Retention,
    stop: Arc<AtomicBool>,
    say: Sender<Said>,
}

impl Work {
    fn run(&self, closed: &Receiver<(PathBuf, u32)>) {
        let mut looked: Option<Instant> = None;
        // By log: the next segment to pack, and below which it may be.
        let mut logs: BTreeMap<PathBuf, (u32, u32)> = BTreeMap::new();
        while !self.is_stopped() {
            match closed.recv_timeout(LOOK) {
                Ok((dir, below)) => logs.entry(dir).or_default().1 = below.saturating_sub(KEEP_PLAIN),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.retention.compress {
                for (dir, (next, below)) in &mut logs {
                    while *next < *below && !self.is_stopped() && self.pack(dir, *next) {
                        *next += 1;
                    }
                }
            }
            if looked.is_none_or(|at| at.elapsed() >= EVERY) {
                looked = Some(Instant::now());
                if let Err(e) = self.look_at_runs() {
                    self.tell(
                        "warn",
                        "the runs that are over cannot be looked at",
                        json!({"error.message": e}),
                    );
                }
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn tell(&self, level: &'static str, message: &'static str, fields: Value) {
        // Nobody listens any more only when the core is over.
        let _ = self.say.send((level, message, fields));
    }

    /// Packs one segment; `false` where it is to be tried later.
    fn pack(&self, dir: &Path, segment: u32) -> bool {
        let stopped = || io::Error::new(ErrorKind::Interrupted, "the core ends");
        let plain = fs::metadata(dir.join(format!("{segment:08}.log"))).map_or(0, |m| m.len());
        let free = host::free_bytes(dir).unwrap_or(0);
        if free < plain.saturating_mul(2).saturating_add(SPARE_BYTES) {
            return false;
        }
        let packed = log::pack(dir, segment, |step| match step {
            PackStep::Written if self.is_stopped() => Err(stopped()),
            _ => Ok(()),
        });
        match packed {
            Ok(_) => true,
            Err(LogError::Io { source, .. }) if source.kind() == ErrorKind::Interrupted => false,
            Err(e) => {
                let _ = fs::remove_file(dir.join(format!("{segment:08}.pack")));
                let fields = json!({"log": dir.display().to_string(), "error.message": e.to_string()});
                self.tell("warn", "a segment cannot be packed and stays as it is", fields);
                true
            }
        }
    }

    /// Removes runs that are to go, and packs what stays of those that are over.
    fn look_at_runs(&self) -> Result<(), String> {
        for entry in fs::read_dir(&self.folder).map_err(|e| e.to_string())?.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(GONE)) {
                fs::remove_dir_all(entry.path()).map_err(|e| e.to_string())?;
            }
        }
        let before =
            last_before(&self.folder, self.current).map_err(|e| e.to_string())?.map_or(0, |(n, _)| n);
        let mut all = runs(&self.folder).map_err(|e| e.to_string())?;
        all.sort_unstable();
        let sizes: Vec<Size> = all.iter().map(|(_, path)| Size::of(path)).collect();
        let mut total: u64 = sizes.iter().map(|s| s.bytes).sum();
        for ((number, path), size) in all.iter().zip(&sizes) {
            if self.is_stopped() || *number >= before {
                break;
            }
            let age = size.changed.and_then(|at| at.elapsed().ok()).unwrap_or_default();
            let days = u64::from(self.retention.keep_days);
            let is_old = days > 0 && age.as_secs() >= days * 86_400;
            let is_beyond = self.retention.keep_bytes > 0 && total > self.retention.keep_bytes;
            if !(is_old || is_beyond) {
                self.pack_run(path);
                continue;
            }
            match remove(path) {
                Ok(true) => {
                    total -= size.bytes;
                    let why = if is_old { "keep_days" } else { "keep_gib" };
                    let fields = json!({"colo.run": number, "bytes": size.bytes, "by": why});
                    self.tell("info", "a run was removed", fields);
                }
                Ok(false) => {
                    self.tell("info", "a run that is to go is being read", json!({"colo.run": number}));
                }
                Err(e) => {
                    let fields = json!({"colo.run": number, "error.message": e.to_string()});
                    self.tell("warn", "a run cannot be removed", fields);
                }
            }
        }
        Ok(())
    }

    /// Packs every segment of a run that is over, as it is: what was made ready and what was torn stay what they were.
    fn pack_run(&self, run: &Path) {
        if !self.retention.compress {
            return;
        }
        for log in logs_of(run) {
            let names = fs::read_dir(&log).into_iter().flatten().flatten();
            let mut segments: Vec<u32> =
                names.filter_map(|e| e.file_name().to_str()?.strip_suffix(".log")?.parse().ok()).collect();
            segments.sort_unstable();
            for segment in segments {
                if self.is_stopped() || !self.pack(&log, segment) {
                    return;
                }
            }
        }
    }
}

/// The folders of a run's logs.
fn logs_of(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run).into_iter().flatten().flatten().map(|e| e.path());
    let is_log = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        path.is_dir() && (name == "core" || name.starts_with("feed-"))
    };
    entries.filter(is_log).collect()
}

/// What a run takes, and when anything of it last changed.
#[derive(Default)]
struct Size {
    bytes: u64,
    changed: Option<SystemTime>,
}

impl Size {
    fn of(run: &Path) -> Size {
        let mut size = Size::default();
        let folders = std::iter::once(run.to_path_buf()).chain(logs_of(run));
        for entry in folders.filter_map(|f| fs::read_dir(f).ok()).flatten().flatten() {
            let Ok(there) = entry.metadata() else { continue };
            if there.is_file() {
                size.bytes += there.len();
                size.changed = size.changed.max(there.modified().ok());
            }
        }
        size
    }
}

/// Removes a run; `false` where somebody reads it.
fn remove(run: &Path) -> io::Result<bool> {
    let mut held = Vec::new();
    for log in logs_of(run) {
        let folder = File::open(&log)?;
        match folder.try_lock() {
            Ok(()) => held.push(folder),
            Err(fs::TryLockError::WouldBlock) => return Ok(false),
            Err(fs::TryLockError::Error(e)) => return Err(e),
        }
    }
    let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let gone = run.with_file_name(format!("{GONE}{name}"));
    fs::rename(run, &gone)?;
    fs::remove_dir_all(&gone)?;
    Ok(true)
}
