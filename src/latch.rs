//! The kill switch's latch: a file in the folder of a core's journals that outlives the core. While it is there, a core of that folder starts killed.
//!
//! ```text
//!   killed        colo kill latch 1 crc32c 0a1b2c3d
//!                 {"kills": [{"scope": "all", "operator": "anna", "reason": "...", "at_ns": ..., "operators_needed": 1, "releases": []}]}
//!   kills.jsonl   one line for each kill and each release, appended: what was, after the latch is gone
//! ```
//!
//! # Invariants
//!
//! * A latch is written beside its place, synced, renamed into it, and the folder synced: it is there whole or not at all. A sync that fails is not tried again.
//! * What is there and cannot be read, or is not what was written, is a kill of all. Nothing but a release, which names an operator and a reason, takes it away.
//! * Whoever changes it holds a lock, so that a kill and a release of another scope do not write over each other. A core that is stopped could hold it: a kill waits for it a quarter of a second and is
//!   written all the same; a release is refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Canary;
use serde::{Deserialize, Serialize};

use crate::journal::{OPERATOR_MAX, REASON_MAX, Text};

/// The latch's name in the folder.
pub const FILE: &str = "killed";
/// The name of what was.
const HISTORY: &str = "kills.jsonl";
const HEAD: &str = "colo kill latch 1 crc32c ";
/// A latch is some kills of some hundred bytes; what is longer is none.
const BYTES_MAX: u64 = 4 << 20;
/// Whoever changes the latch holds this file.
const LOCK: &str = "killed.lock";
/// How long it is waited for, in looks a millisecond apart.
const LOOKS: usize = 250;

/// What is killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything. The one strategy of a core is killed by it too.
    All,
    /// One instrument, by its ticker.
    Symbol(String),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::All => f.write_str("all"),
            Scope::Symbol(symbol) => write!(f, "symbol {symbol}"),
        }
    }
}

/// A person's word, escaped and bounded as [`Text`] has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// Who.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// The user of the process that said it.
    pub uid: u32,
    /// When, ns since the Unix epoch.
    pub at_ns: u64,
}

impl Word {
    /// Escapes and cuts what was given.
    #[must_use]
    pub fn new(operator: &str, reason: &str, uid: u32, at_ns: u64) -> Word {
        let operator = Text::<OPERATOR_MAX>::escaped(operator).as_str().into();
        let reason = Text::<REASON_MAX>::escaped(reason).as_str().into();
        Word { operator, reason, uid, at_ns }
    }
}

/// One kill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// What is killed.
    pub scope: Scope,
    /// Who killed it, and why.
    pub by: Word,
    /// How many different operators have to release it.
    pub operators_needed: usize,
    /// Who has released it so far.
    pub releases: Vec<Word>,
}

/// What is latched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latch {
    /// One for each scope, the oldest first.
    pub kills: Vec<Kill>,
}

/// What came of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// This scope is not latched.
    NotLatched,
    /// Noted; so many more operators have to say so too.
    Noted(usize),
    /// This operator has said so already, and another one is needed.
    SameOperator,
    /// It is latched no more.
    Cleared,
}

impl Latch {
    /// Whether everything is killed.
    #[must_use]
    pub fn holds_all(&self) -> bool {
        self.kills.iter().any(|k| k.scope == Scope::All)
    }

    /// Whether nothing is latched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kills.is_empty()
    }

    /// Reads what stands in a folder. What cannot be read is a kill of all.
    #[must_use]
    pub fn read(folder: &Path) -> Latch {
        let path = folder.join(FILE);
        match read_file(&path) {
            _ if Canary::DeafToLatch.sings() => Latch::default(),
            Err(e) if e.kind() == ErrorKind::NotFound => Latch::default(),
            Err(e) => Latch::damaged(&format!("{}: {e}", path.display())),
            Ok(bytes) => {
                parse(&bytes).unwrap_or_else(|what| Latch::damaged(&format!("{}: {what}", path.display())))
            }
        }
    }

    /// A latch that nobody can read any more: everything. How many operators it takes is for whoever releases it to know.
    fn damaged(why: &str) -> Latch {
        let by = Word::new("nobody", &format!("the latch is damaged, which counts as killed: {why}"), 0, 0);
        Latch { kills: vec![Kill { scope: Scope::All, by, operators_needed: 1, releases: Vec::new() }] }
    }

    /// Adds a kill and makes it durable; what is latched then. Of a scope that is latched the first word stays, and releases said so far are void.
    ///
    /// # Errors
    /// The disk's. The latch is as it was, or it is the new one and may not outlive a power failure.
    pub fn add(folder: &Path, scope: Scope, by: Word, operators_needed: usize) -> io::Result<Latch> {
        // Where somebody holds it for longer, a kill is written all the same.
        let held = hold(folder).ok();
        let latch = Latch::with(folder, &scope, &by, operators_needed)?;
        drop(held);
        remember(folder, "kill", &scope, &by)?;
        Ok(latch)
    }

    /// Writes what stands there, and this kill with it.
    fn with(folder: &Path, scope: &Scope, by: &Word, operators_needed: usize) -> io::Result<Latch> {
        let mut latch = Latch::read(folder);
        match latch.kills.iter_mut().find(|k| k.scope == *scope) {
            Some(standing) => {
                standing.releases.clear();
                standing.operators_needed = standing.operators_needed.max(operators_needed);
            }
            None => {
                let kill =
                    Kill { scope: scope.clone(), by: by.clone(), operators_needed, releases: Vec::new() };
                latch.kills.push(kill);
            }
        }
        latch.write(folder)?;
        Ok(latch)
    }

    /// Takes one operator's release and makes it durable; what came of it, and what is latched then. At least `operators_needed` different names are needed, and
    /// as many as the kill itself says.
    ///
    /// # Errors
    /// The disk's.
    pub fn release(
        folder: &Path,
        scope: &Scope,
        by: Word,
        operators_needed: usize,
    ) -> io::Result<(Release, Latch)> {
        let _held = hold(folder)?;
        let (outcome, latch) = Latch::read(folder).released(scope, &by, operators_needed);
        if !matches!(outcome, Release::NotLatched | Release::SameOperator) {
            // Said before it is done: a latch that is gone has its reason on the disk.
            remember(folder, "release", scope, &by)?;
            latch.write(folder)?;
        }
        Ok((outcome, latch))
    }

    /// What one operator's release makes of it.
    fn released(mut self, scope: &Scope, by: &Word, operators_needed: usize) -> (Release, Latch) {
        let Some(at) = self.kills.iter().position(|k| k.scope == *scope) else {
            return (Release::NotLatched, self);
        };
        let kill = &mut self.kills[at];
        if kill.releases.iter().any(|r| r.operator == by.operator) {
            return (Release::SameOperator, self);
        }
        kill.releases.push(by.clone());
        let missing = operators_needed.max(kill.operators_needed).saturating_sub(kill.releases.len());
        let outcome = match missing {
            0 => {
                self.kills.remove(at);
                Release::Cleared
            }
            missing => Release::Noted(missing),
        };
        (outcome, self)
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(FILE);
        if self.kills.is_empty() {
            fs::remove_file(&path)?;
            return File::open(folder)?.sync_all();
        }
        let body = serde_json::to_string(self)?;
        let text = format!("{HEAD}{:08x}\n{body}\n", crc32c::crc32c(body.as_bytes()));
        // Of this process: a watchdog and a core may write at once, and the later rename stands.
        let new = folder.join(format!("{FILE}.new.{}", std::process::id()));
        let written = write_file(&new, text.as_bytes()).and_then(|()| fs::rename(&new, &path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written?;
        File::open(folder)?.sync_all()
    }
}

/// Holds the latch of a folder, until it is dropped.
fn hold(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options =
        options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(folder.join(LOCK))?;
    for _ in 0..LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
    Err(io::Error::new(ErrorKind::WouldBlock, "somebody else has held the latch for a quarter of a second"))
}

fn parse(bytes: &[u8]) -> Result<Latch, &'static str> {
    let text = str::from_utf8(bytes).map_err(|_| "not text")?;
    let (head, body) = text.split_once('\n').ok_or("torn")?;
    let body = body.strip_suffix('\n').ok_or("torn")?;
    let sum = head.strip_prefix(HEAD).and_then(|sum| u32::from_str_radix(sum, 16).ok());
    if sum != Some(crc32c::crc32c(body.as_bytes())) {
        return Err("not what was written");
    }
    let latch: Latch = serde_json::from_str(body).map_err(|_| "not a latch")?;
    if latch.kills.is_empty() { Err("a latch of nothing") } else { Ok(latch) }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let there = file.metadata()?;
    if !there.is_file() || there.len() > BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "not a latch"));
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, BYTES_MAX), &mut bytes)?;
    Ok(bytes)
}

fn write_file(path: &PathBuf, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Appends to what was.
fn remember(folder: &Path, what: &str, scope: &Scope, by: &Word) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(folder.join(HISTORY))?;
    let line = serde_json::json!({"what": what, "scope": scope.to_string(), "by": by});
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(operator: &str) -> Word {
        Word::new(operator, "a drill", 7, 1)
    }

    /// Whoever releases one scope while another is killed takes away none but that.
    #[test]
    fn a_kill_is_not_lost_in_a_release_of_another_scope() {
        for _ in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path();
            let symbol = Scope::Symbol("AAPL".into());
            Latch::add(dir, symbol.clone(), word("anna"), 1).unwrap();
            std::thread::scope(|s| {
                s.spawn(|| Latch::add(dir, Scope::All, word("watchdog"), 1).unwrap());
                // One that was written over in between says so, or is done.
                s.spawn(|| drop(Latch::release(dir, &symbol, word("bert"), 1)));
            });
            assert!(Latch::read(dir).holds_all());
        }
    }

    #[test]
    fn a_latch_outlives_whoever_wrote_it_and_goes_only_by_release() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(Latch::read(dir).is_empty());
        let symbol = Scope::Symbol("AAPL".into());
        Latch::add(dir, symbol.clone(), word("anna"), 1).unwrap();
        assert!(!Latch::read(dir).holds_all());
        let latch = Latch::add(dir, Scope::All, word("bert"), 1).unwrap();
        assert_eq!(latch, Latch::read(dir));
        assert!(latch.holds_all() && latch.kills.len() == 2);
        // The first word stands.
        let again = Latch::add(dir, Scope::All, word("carl"), 1).unwrap();
        assert_eq!(again.kills[1].by.operator, "bert");
        let (outcome, left) = Latch::release(dir, &Scope::All, word("anna"), 1).unwrap();
        assert_eq!((outcome, left.kills.len()), (Release::Cleared, 1));
        assert_eq!(Latch::release(dir, &Scope::All, word("anna"), 1).unwrap().0, Release::NotLatched);
        let (outcome, left) = Latch::release(dir, &symbol, word("anna"), 1).unwrap();
        assert!(outcome == Release::Cleared && left.is_empty() && Latch::read(dir).is_empty());
        let history = fs::read_to_string(dir.join(HISTORY)).unwrap();
        assert_eq!(history.lines().count(), 5, "{history}");
    }

    #[test]
    fn two_operators_are_two_names() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        Latch::add(dir, Scope::All, word("anna"), 2).unwrap();
        let release = |who: &str| Latch::release(dir, &Scope::All, word(who), 1).unwrap().0;
        assert_eq!(release("bert"), Release::Noted(1));
        assert_eq!(release("bert"), Release::SameOperator);
        assert!(Latch::read(dir).holds_all());
        // A kill in between begins anew.
        Latch::add(dir, Scope::All, word("anna"), 1).unwrap();
        assert_eq!((release("carl"), release("bert")), (Release::Noted(1), Release::Cleared));
    }

    #[test]
    fn whatever_is_not_as_it_was_written_is_a_kill_of_all() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        Latch::add(dir, Scope::Symbol("AAPL".into()), word("anna"), 1).unwrap();
        let path = dir.join(FILE);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            fs::write(&path, &whole[..at]).unwrap();
            assert!(Latch::read(dir).holds_all(), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                fs::write(&path, &flipped).unwrap();
                let latch = Latch::read(dir);
                // The case of a digit of the sum is the one thing that does not matter.
                let same_sum = parse(&flipped).is_ok() && flipped[at].eq_ignore_ascii_case(&whole[at]);
                assert!(latch.holds_all() || same_sum, "bit {bit} of {at}");
            }
        }
        let other = [&b""[..], b"\0", b"colo kill latch 1 crc32c 00000000\n{}\n"];
        for bytes in other {
            fs::write(&path, bytes).unwrap();
            assert!(Latch::read(dir).holds_all(), "{bytes:?}");
        }
        // A link, a folder and a pipe are no latch, and nobody hangs at them.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(Latch::read(dir).holds_all());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(Latch::read(dir).holds_all());
    }

    #[test]
    fn a_damaged_latch_is_released_like_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join(FILE), "x").unwrap();
        assert_eq!(Latch::release(dir, &Scope::All, word("anna"), 2).unwrap().0, Release::Noted(1));
        assert!(Latch::read(dir).holds_all());
        assert_eq!(Latch::release(dir, &Scope::All, word("bert"), 2).unwrap().0, Release::Cleared);
        assert!(Latch::read(dir).is_empty());
    }
}
