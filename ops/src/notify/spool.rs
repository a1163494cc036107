//! What is to be told and was not yet, one file each.
//!
//! ```text
//!   SPOOL/incidents.json           names of the incidents that are open
//!        /CHANNEL/NNNNNNNNNN.json  a notice, in order of the numbers
//!        /refused/                 what a service will never take, kept to be looked at
//! ```
//!
//! A file is written beside its place, synced and renamed, and its folder synced: after [`Spool::put`] returns it outlives a power failure. What is no notice (cut,
//! scribbled over) is put with the refused and holds up nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::incidents::{Action, Notice};

/// Notices that wait in a channel at most: incidents are few, and a disk that fills with them is one more.
const WAITING_MAX: usize = 10_000;

/// A notice that waits.
#[derive(Debug)]
pub struct Waiting {
    /// Its file.
    pub file: PathBuf,
    /// Its name: channel and number.
    pub id: String,
    /// What is to be told.
    pub notice: Notice,
}

#[derive(Debug)]
struct State {
    next: u64,
    open: BTreeSet<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    channels: Vec<String>,
    state: Mutex<State>,
    came: Condvar,
    _lock: File,
}

fn at(path: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |e| format!("{}: {e}", path.display())
}

impl Spool {
    /// Opens it, or makes it; one process at a time.
    ///
    /// # Errors
    /// In a sentence that names the file.
    pub fn open(folder: &Path, channels: &[String]) -> Result<Spool, String> {
        for channel in channels.iter().map(String::as_str).chain(["refused"]) {
            let path = folder.join(channel);
            fs::create_dir_all(&path).map_err(at(&path))?;
        }
        let lock = File::create(folder.join("lock")).map_err(at(folder))?;
        if lock.try_lock().is_err() {
            return Err(format!("{}: another notifier has it", folder.display()));
        }
        let mut next = 1;
        for channel in channels.iter().map(String::as_str).chain(["refused"]) {
            for file in files(&folder.join(channel)) {
                next = next.max(number(&file).unwrap_or(0).saturating_add(1));
            }
        }
        let open = fs::read(folder.join("incidents.json")).ok();
        let open = open.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Ok(Spool {
            folder: folder.to_path_buf(),
            channels: channels.to_vec(),
            state: Mutex::new(State { next, open }),
            came: Condvar::new(),
            _lock: lock,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names of the incidents that are open.
    #[must_use]
    pub fn open_incidents(&self) -> BTreeSet<String> {
        self.state().open.clone()
    }

    /// Keeps a notice for every channel.
    ///
    /// # Errors
    /// In a sentence; what was kept for some channels stays.
    pub fn put(&self, notice: &Notice) -> Result<(), String> {
        let mut state = self.state();
        let text = serde_json::to_vec(notice).map_err(|e| e.to_string())?;
        for channel in &self.channels {
            let folder = self.folder.join(channel);
            if files(&folder).len() >= WAITING_MAX {
                return Err(format!("{}: {WAITING_MAX} notices wait", folder.display()));
            }
            write(&folder, &format!("{:010}.json", state.next), &text)?;
        }
        state.next += 1;
        match notice.action {
            Action::Trigger => state.open.insert(notice.dedup_key.clone()),
            Action::Resolve => state.open.remove(&notice.dedup_key),
        };
        let open = serde_json::to_vec(&state.open).map_err(|e| e.to_string())?;
        write(&self.folder, "incidents.json", &open)?;
        self.came.notify_all();
        Ok(())
    }

    /// The oldest notice that a channel was not told; none where it was told all.
    #[must_use]
    pub fn oldest(&self, channel: &str) -> Option<Waiting> {
        for file in files(&self.folder.join(channel)) {
            let text = fs::read(&file).ok()?;
            if let Ok(notice) = serde_json::from_slice(&text) {
                let id = format!("{channel}-{}", number(&file).unwrap_or(0));
                return Some(Waiting { file, id, notice });
            }
            self.refuse(channel, &file);
        }
        None
    }

    /// It was taken.
    pub fn done(&self, w: &Waiting) {
        let _ = fs::remove_file(&w.file);
    }

    /// It will never be taken.
    pub fn refuse(&self, channel: &str, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let _ = fs::rename(file, self.folder.join("refused").join(format!("{channel}-{name}")));
    }

    /// Waits until something comes, this long at most.
    pub fn wait(&self, at_most: Duration) {
        let state = self.state();
        // Whoever is woken looks for itself.
        drop(self.came.wait_timeout(state, at_most));
    }
}

fn number(file: &Path) -> Option<u64> {
    let stem = file.file_stem()?.to_str()?;
    stem.rsplit('-').next()?.parse().ok()
}

/// The notices of a folder, the oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<_> =
        entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    all.sort();
    all
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let (beside, path) = (folder.join(format!("{name}.new")), folder.join(name));
    let durable = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(folder)?.sync_all()
    };
    durable().map_err(at(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Nanos;

    fn notice(action: Action, n: u64) -> Notice {
        Notice::new(action, "a", "killed", n.to_string(), Nanos(n))
    }

    fn told(spool: &Spool, channel: &str) -> Vec<u64> {
        std::iter::from_fn(|| {
            let w = spool.oldest(channel)?;
            spool.done(&w);
            Some(w.notice.at_ns)
        })
        .collect()
    }

    #[test]
    fn notices_outlive_the_process_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let channels = ["one", "two"].map(String::from);
        {
            let spool = Spool::open(folder.path(), &channels).unwrap();
            spool.put(&notice(Action::Trigger, 1)).unwrap();
            assert_eq!(told(&spool, "one"), [1]);
            assert!(Spool::open(folder.path(), &channels).unwrap_err().contains("another notifier"));
        }
        let spool = Spool::open(folder.path(), &channels).unwrap();
        assert_eq!(spool.open_incidents().len(), 1);
        spool.put(&notice(Action::Resolve, 2)).unwrap();
        assert!(spool.open_incidents().is_empty());
        assert_eq!((told(&spool, "one"), told(&spool, "two")), (vec![2], vec![1, 2]));
    }

    #[test]
    fn what_is_no_notice_holds_up_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let channels = ["one".to_owned()];
        let spool = Spool::open(folder.path(), &channels).unwrap();
        fs::write(folder.path().join("one/0000000000.json"), b"{\"action\":").unwrap();
        spool.put(&notice(Action::Trigger, 5)).unwrap();
        assert_eq!(told(&spool, "one"), [5]);
        assert!(folder.path().join("refused/one-0000000000.json").exists());
        // A file half written by a process that died is no notice either.
        fs::write(folder.path().join("one/0000000009.json.new"), b"{").unwrap();
        assert!(told(&spool, "one").is_empty());
    }
}
