//! The audit trail's chain: a hash over every record of a core's journal, each over the one before it, and seals of it in a file beside.
//!
//! ```text
//!   h0 = SHA-256(config.toml | last seal of the run before)      hN = SHA-256(hN-1 | index u64 | kind u16 | length u32 | payload)
//!
//!   seals.jsonl    {"run":7,"before":"h of run 6"}               first line
//!                  {"records":1802,"chain":"hN","at_ns":...}     once a second where something came, and at the end
//! ```
//!
//! The journal's own checksums find accidents: whoever changes a record can make them anew. A changed record changes every later link, so it shows wherever one later seal was
//! kept out of reach: `colo journal audit` prints the last, and the next run's chain begins with it. The cold thread makes the chain as it follows the journal for the
//! log; the hot thread does nothing for it. What a killed process had appended behind its last seal is in the journal and not sealed: `colo journal audit` says from where.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use model::Nanos;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Between two seals.
const EVERY: Nanos = Nanos::from_millis(1_000);
const FILE: &str = "seals.jsonl";

/// Why seals cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The disk says no.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is none of ours.
    #[error("{path}: line {line} is no seal")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

/// A link: 32 bytes, 64 digits in text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Link([u8; 32]);

impl Link {
    fn of(hash: Sha256) -> Link {
        Link(hash.finalize().into())
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The chain, as far as records were added.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    link: Link,
    records: u64,
}

impl Chain {
    /// Begins the chain of a run by its configuration and what the run before ended with.
    #[must_use]
    pub fn begin(config_toml: &[u8], before: Option<&str>) -> Chain {
        let mut hash = Sha256::new();
        hash.update((config_toml.len() as u64).to_le_bytes());
        hash.update(config_toml);
        hash.update(before.unwrap_or_default());
        Chain { link: Link::of(hash), records: 0 }
    }

    /// Adds the next record.
    pub fn add(&mut self, index: u64, kind: u16, payload: &[u8]) {
        let mut hash = Sha256::new();
        hash.update(self.link.0);
        hash.update(index.to_le_bytes());
        hash.update(kind.to_le_bytes());
        hash.update((payload.len() as u32).to_le_bytes());
        hash.update(payload);
        self.link = Link::of(hash);
        self.records += 1;
    }

    /// The last link.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link
    }

    /// Records added.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }
}

/// The first line of a file of seals.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
struct Head {
    run: u32,
    before: Option<String>,
}

/// One seal.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Seal {
    /// Records that the chain holds.
    pub records: u64,
    /// Its last link.
    pub chain: String,
    /// When, ns since the Unix epoch.
    pub at_ns: u64,
}

/// The file of a run, being written.
#[derive(Debug)]
pub struct Seals {
    file: File,
    chain: Chain,
    sealed: u64,
    at: Nanos,
}

impl Seals {
    /// Begins the chain of the run in folder `run`, whose `config.toml` is there.
    ///
    /// # Errors
    /// The disk's. Seals of the run before that cannot be read begin no chain: its last link is then left out, and `colo journal audit` of that run says why.
    pub fn create(run: &Path, number: u32) -> io::Result<Seals> {
        let config = fs::read(run.join("config.toml"))?;
        let before = previous(run, number).and_then(|run| last_link(&run));
        let mut file = File::create_new(run.join(FILE))?;
        let chain = Chain::begin(&config, before.as_deref());
        write_line(&mut file, &Head { run: number, before })?;
        Ok(Seals { file, chain, sealed: 0, at: Nanos::ZERO })
    }

    /// Adds the next record.
    pub fn add(&mut self, index: u64, kind: u16, payload: &[u8]) {
        self.chain.add(index, kind, payload);
    }

    /// Seals what came since the last time, where it is time to.
    ///
    /// # Errors
    /// The disk's.
    pub fn tend(&mut self, now: Nanos) -> io::Result<()> {
        if now.since(self.at).0 < EVERY.0 { Ok(()) } else { self.seal(now) }
    }

    /// Seals what came since the last time.
    ///
    /// # Errors
    /// The disk's.
    pub fn seal(&mut self, now: Nanos) -> io::Result<()> {
        self.at = now;
        if self.chain.records() == self.sealed {
            return Ok(());
        }
        self.sealed = self.chain.records();
        let chain = self.chain.link().to_string();
        write_line(&mut self.file, &Seal { records: self.sealed, chain, at_ns: now.0 })
    }
}

fn write_line(file: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())
}

/// The folder of the run before, where it is still there.
fn previous(run: &Path, number: u32) -> Option<PathBuf> {
    let found = run.parent()?.join(format!("run-{:06}", number.checked_sub(1)?));
    found.is_dir().then_some(found)
}

/// The last whole seal of a run, read from the end of its file: a day has a seal a second.
fn last_link(run: &Path) -> Option<String> {
    const TAIL: u64 = 4096;
    let mut file = File::open(run.join(FILE)).ok()?;
    let from = file.metadata().ok()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let end = tail.iter().rposition(|b| *b == b'\n')?;
    let begin = tail[..end].iter().rposition(|b| *b == b'\n')?;
    serde_json::from_slice::<Seal>(&tail[begin + 1..end]).ok().map(|seal| seal.chain)
}

/// What a run's file of seals says.
#[derive(Debug)]
pub struct Sealed {
    /// The link that the chain begins with, as the run was told.
    pub before: Option<String>,
    /// The last link of the run before as its own file has it now; `None` where that is not there.
    pub before_now: Option<String>,
    /// The seals, in order.
    pub seals: Vec<Seal>,
}

/// Reads the seals of the run in folder `run`. A last line that was cut by the end of its process is none.
///
/// # Errors
/// [`SealError`].
pub fn read(run: &Path) -> Result<Sealed, SealError> {
    let path = run.join(FILE);
    let text = fs::read_to_string(&path).map_err(|source| SealError::Io { path: path.clone(), source })?;
    let malformed = |line| SealError::Malformed { path: path.clone(), line };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = whole.lines();
    let head: Head = lines.next().and_then(|l| serde_json::from_str(l).ok()).ok_or_else(|| malformed(1))?;
    let mut seals = Vec::new();
    for (k, line) in lines.enumerate() {
        seals.push(serde_json::from_str::<Seal>(line).map_err(|_| malformed(k + 2))?);
    }
    let before_now = previous(run, head.run).and_then(|run| last_link(&run));
    Ok(Sealed { before: head.before, before_now, seals })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(dir: &Path, number: u32, records: &[&[u8]]) -> PathBuf {
        let path = dir.join(format!("run-{number:06}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("config.toml"), format!("n = {number}")).unwrap();
        let mut seals = Seals::create(&path, number).unwrap();
        for (k, payload) in records.iter().enumerate() {
            seals.add(k as u64, 6, payload);
            seals.tend(Nanos(k as u64 * 600_000_000 + 5_000_000_000)).unwrap();
        }
        seals.seal(Nanos(9_000_000_000)).unwrap();
        path
    }

    #[test]
    fn a_seal_is_written_once_a_second_and_runs_hang_together() {
        let dir = tempfile::tempdir().unwrap();
        let one = read(&run(dir.path(), 1, &[b"a", b"b", b"c", b"d"])).unwrap();
        assert_eq!(one.seals.iter().map(|s| s.records).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!((one.before.clone(), one.before_now.clone()), (None, None));
        let two = read(&run(dir.path(), 2, &[b"a"])).unwrap();
        let last = one.seals.last().map(|seal| seal.chain.clone());
        assert_eq!((&two.before, &two.before_now), (&last, &last));
        assert!(two.before.is_some() && two.seals[0].chain != one.seals[0].chain);
    }

    #[test]
    fn every_change_changes_what_follows() {
        let chain = |config: &[u8], before, records: &[(u64, u16, &[u8])]| {
            let mut chain = Chain::begin(config, before);
            records.iter().for_each(|(index, kind, payload)| chain.add(*index, *kind, payload));
            chain.link()
        };
        let good: [(u64, u16, &[u8]); 2] = [(0, 1, b"ab"), (1, 2, b"c")];
        let link = chain(b"x", Some("y"), &good);
        assert_eq!(link, chain(b"x", Some("y"), &good));
        for other in [
            chain(b"xy", Some(""), &good),
            chain(b"x", None, &good),
            chain(b"x", Some("y"), &good[..1]),
            chain(b"x", Some("y"), &[(0, 1, b"a"), (1, 2, b"bc")]),
            chain(b"x", Some("y"), &[(0, 1, b"ab"), (2, 2, b"c")]),
            chain(b"x", Some("y"), &[(0, 1, b"ab"), (1, 3, b"c")]),
            chain(b"x", Some("y"), &[(1, 2, b"c"), (0, 1, b"ab")]),
        ] {
            assert_ne!(link, other);
        }
    }

    #[test]
    fn a_line_that_was_cut_is_none_and_one_that_is_not_a_seal_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = run(dir.path(), 1, &[b"a", b"b"]);
        let file = path.join(FILE);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}{{\"records\":9")).unwrap();
        assert_eq!(read(&path).unwrap().seals.len(), 2);
        fs::write(&file, format!("{text}nonsense\n")).unwrap();
        assert!(matches!(read(&path), Err(SealError::Malformed { line: 4, .. })));
        fs::write(&file, "").unwrap();
        assert!(matches!(read(&path), Err(SealError::Malformed { line: 1, .. })));
        assert!(matches!(read(dir.path()), Err(SealError::Io { .. })));
    }
}
