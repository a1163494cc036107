//! The release log: one sealed line of JSON for each release and each roll-back, appended, each with the seal of the line before it.
//!
//! ```text
//!   {"number":1,"at_ns":...,"previous":"","text":"<what was signed>","signatures":[{"key":"ed25519:...","signature":"..."}],"seal":"a1..."}
//!   {"number":2,"at_ns":...,"previous":"a1...", ... ,"seal":"b2..."}
//! ```
//!
//! It is read from the first line to the last every time. A line that was changed, removed from the middle, moved or repeated breaks the chain. Lines cut from the end do not: a host that has seen
//! more of the log than there is refuses by itself ([`super::gate`]), and a fleet is compared.
//!
//! The log of a desk holds all its cores and both stages; what is in force for one of them is decided by its latest entry alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use model::Nanos;
use serde::{Deserialize, Serialize};

use super::approval::{Signed, Statement};
use super::evidence::{sealed_text, unsealed};
use super::rollback::Rollback;
use super::{Refused, Stage};

/// Ten thousand releases.
const BYTES_MAX: u64 = 64 << 20;

/// A line, without its seal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    number: u64,
    at_ns: u64,
    previous: String,
    text: String,
    signatures: Vec<Signed>,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Something was approved.
    Release(Box<Statement>),
    /// It was taken back.
    Rollback(Rollback),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 1.
    pub number: u64,
    /// When it was appended.
    pub at: Nanos,
    /// Its seal, which names it.
    pub seal: String,
    /// What was signed.
    pub text: String,
    /// What that says.
    pub said: Said,
    /// By whom.
    pub signatures: Vec<Signed>,
}

impl Entry {
    /// Which core, at which stage.
    #[must_use]
    pub fn of(&self) -> (&str, Stage) {
        match &self.said {
            Said::Release(s) => (&s.core, s.stage),
            Said::Rollback(r) => (&r.core, r.stage),
        }
    }
}

/// What is in force for a core and a stage.
#[derive(Clone, Copy, Debug)]
pub enum Active<'a> {
    /// Nothing ever was.
    Nothing,
    /// What was approved has been taken back, by this entry.
    Withdrawn(&'a Entry),
    /// This.
    Release {
        /// The entry that approved it.
        release: &'a Entry,
        /// What it says.
        statement: &'a Statement,
        /// The entry that put it in force: itself, or a roll-back to it.
        by: &'a Entry,
    },
}

/// A log that holds.
#[derive(Clone, Debug)]
pub struct Log {
    /// Its file.
    pub file: PathBuf,
    /// In their order.
    pub entries: Vec<Entry>,
}

impl Log {
    /// Reads a log, from its first line to its last. One that is not there has no entries.
    ///
    /// # Errors
    /// The first line that does not hold.
    pub fn read(file: &Path) -> Result<Log, Refused> {
        let at = |e: io::Error| Refused::because(format!("{}: {e}", file.display()));
        match File::open(file) {
            Ok(opened) => Log::parse(file, &text_of(opened).map_err(at)?),
            Err(e) if e.kind() == ErrorKind::NotFound => Log::parse(file, ""),
            Err(e) => Err(at(e)),
        }
    }

    fn parse(file: &Path, text: &str) -> Result<Log, Refused> {
        let mut log = Log { file: file.into(), entries: Vec::new() };
        let because = |n: usize, why: &str| Refused::because(format!("{}: line {n} {why}", file.display()));
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(because(text.lines().count(), "is cut off: it does not end with a line feed"));
        }
        for (n, line) in (1..).zip(text.lines()) {
            let entry = log.entry(line).map_err(|why| because(n, why))?;
            log.entries.push(entry);
        }
        Ok(log)
    }

    /// A line as the next entry of this log.
    fn entry(&self, line: &str) -> Result<Entry, &'static str> {
        let changed = "is not as it was written: its seal is broken";
        let (body, seal) = unsealed(line).ok_or(changed)?;
        let seal = seal.to_owned();
        let Line { number, at_ns, previous, text, signatures } =
            serde_json::from_str(&body).map_err(|_| "is no entry of a release log")?;
        if number != self.entries.len() as u64 + 1 || previous != self.head() {
            return Err("does not follow the line before it: one was removed, moved or repeated");
        }
        let said = Statement::parse(&text).map(|s| Said::Release(Box::new(s)));
        let said = said.or_else(|| Rollback::parse(&text).map(Said::Rollback));
        let said = said.ok_or("says what is neither a release nor a roll-back")?;
        let entry = Entry { number, at: Nanos(at_ns), seal, text, said, signatures };
        self.follows(&entry.said)?;
        Ok(entry)
    }

    /// Whether what was signed was signed for this place.
    fn follows(&self, said: &Said) -> Result<(), &'static str> {
        let latest = |core, stage| self.latest(core, stage).map_or("", |e| e.seal.as_str());
        match said {
            Said::Release(s) if s.after != latest(&s.core, s.stage) => {
                Err("was signed for another place in the log (`after`)")
            }
            Said::Rollback(r) if r.from.is_empty() || r.from != latest(&r.core, r.stage) => {
                Err("was signed for another place in the log (`from`)")
            }
            Said::Rollback(r) if !r.to.is_empty() && self.release(&r.to, &r.core, r.stage).is_none() => {
                Err("goes back to what was never approved (`to`)")
            }
            Said::Release(_) | Said::Rollback(_) => Ok(()),
        }
    }

    /// The last entry's seal; empty where there is none.
    #[must_use]
    pub fn head(&self) -> &str {
        self.entries.last().map_or("", |e| &e.seal)
    }

    /// The latest entry of a core and stage.
    #[must_use]
    pub fn latest(&self, core: &str, stage: Stage) -> Option<&Entry> {
        self.entries.iter().rev().find(|e| e.of() == (core, stage))
    }

    /// The release of this seal, of a core and stage.
    #[must_use]
    pub fn release(&self, seal: &str, core: &str, stage: Stage) -> Option<(&Entry, &Statement)> {
        self.entries.iter().find_map(|e| match &e.said {
            Said::Release(s) if e.seal == seal && e.of() == (core, stage) => Some((e, &**s)),
            Said::Release(_) | Said::Rollback(_) => None,
        })
    }

    /// What is in force for a core and stage.
    #[must_use]
    pub fn active(&self, core: &str, stage: Stage) -> Active<'_> {
        let Some(by) = self.latest(core, stage) else { return Active::Nothing };
        match &by.said {
            Said::Release(s) => Active::Release { release: by, statement: s, by },
            Said::Rollback(r) => match self.release(&r.to, core, stage) {
                Some((release, statement)) => Active::Release { release, statement, by },
                None => Active::Withdrawn(by),
            },
        }
    }

    /// The release of a core and stage that was approved last before an entry.
    #[must_use]
    pub fn before(&self, entry: &Entry) -> Option<(&Entry, &Statement)> {
        let (core, stage) = entry.of();
        let earlier = self.entries.iter().rev().filter(|e| e.number < entry.number);
        earlier.filter(|e| e.of() == (core, stage)).find_map(|e| match &e.said {
            Said::Release(s) => Some((e, &**s)),
            Said::Rollback(_) => None,
        })
    }

    /// The cores that have entries of a stage.
    #[must_use]
    pub fn cores(&self, stage: Stage) -> BTreeSet<&str> {
        self.entries.iter().map(Entry::of).filter(|(_, s)| *s == stage).map(|(core, _)| core).collect()
    }

    /// Appends a text with its signatures and makes it durable; the log with it. It is read again under its lock, so that of two who append at once one is refused.
    ///
    /// # Errors
    /// The disk's; a text that was signed for another place: somebody else has appended meanwhile.
    pub fn append(file: &Path, text: &str, signatures: &[Signed], now: Nanos) -> Result<Log, Refused> {
        let at = |e: io::Error| Refused::because(format!("{}: {e}", file.display()));
        let mut opened = File::options().read(true).append(true).create(true).open(file).map_err(at)?;
        opened.lock().map_err(at)?;
        let mut log = Log::parse(file, &text_of(&opened).map_err(at)?)?;
        let line = Line {
            number: log.entries.len() as u64 + 1,
            at_ns: now.0,
            previous: log.head().into(),
            text: text.into(),
            signatures: signatures.to_vec(),
        };
        let body = serde_json::to_string(&line).map_err(|e| at(io::Error::other(e)))?;
        let line = sealed_text(&body);
        let entry = log.entry(line.trim_end());
        let entry =
            entry.map_err(|why| Refused::because(format!("{}: what is new {why}", file.display())))?;
        let length = opened.stream_position().map_err(at)?;
        if let Err(e) = opened.write_all(line.as_bytes()).and_then(|()| opened.sync_all()) {
            // Half a line would have to be taken out by hand.
            let _ = opened.set_len(length);
            return Err(at(e));
        }
        log.entries.push(entry);
        Ok(log)
    }
}

fn text_of(file: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let n = file.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    match n as u64 > BYTES_MAX {
        true => Err(io::Error::new(ErrorKind::InvalidData, "longer than any release log")),
        false => Ok(text),
    }
}
