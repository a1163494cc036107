//! What was run and tried, a line of JSON each: appended, never rewritten, and read again by the search that goes on.
//!
//! | `kind` | fields |
//! |---|---|
//! | `day` | `on` (program, configuration without the parameters that are searched, file: their hash), `params`, `file`, `pnl_e4`, `orders`, `fills`, `commands_hash`, `first_minute`, `minutes` (P&L of each, 1e-4 USD) |
//! | `trial` | `window`, `number`, `params`, `days`, `objective`, `value`, `pnl` |
//!
//! A process that is killed in the middle of a line leaves one without its end: that is cut off, and run again. Any other line that cannot be read is named, for a record that leaves out trials
//! would make the best of the rest look better than it is.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Objective;
use crate::manifest;

/// Names and values of what is searched over.
pub type Shown = BTreeMap<String, serde_json::Value>;

/// Which run of a day: the same program, configuration, parameters and file give the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DayKey {
    /// Program, configuration without these parameters, file.
    on: String,
    /// The parameters, by name: a map of JSON values has no hash, its words have.
    params: String,
}

impl DayKey {
    fn new(on: &str, params: &Shown) -> DayKey {
        // What was made of integers, switches and words can be written.
        DayKey { on: on.into(), params: serde_json::to_string(params).unwrap_or_default() }
    }
}

/// What a set of parameters made of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayResult {
    /// Program, configuration without the parameters, file: their hash.
    pub on: String,
    /// The parameters that were searched over.
    pub params: Shown,
    /// The day.
    pub file: String,
    /// P&L after fees, 1e-4 USD.
    pub pnl_e4: i64,
    /// New orders.
    pub orders: u64,
    /// Fills.
    pub fills: usize,
    /// Of every command and its time.
    pub commands_hash: String,
    /// The minute of the day that `minutes` begins with.
    pub first_minute: u64,
    /// P&L of each minute, 1e-4 USD.
    pub minutes: Vec<i64>,
}

/// A trial.
#[derive(Clone, Debug, Serialize)]
pub struct TrialLine {
    /// Of which window, from 0.
    pub window: usize,
    /// Which of it, from 0.
    pub number: usize,
    /// Its parameters.
    pub params: Shown,
    /// Days that it was run on.
    pub days: usize,
    /// What is to be large,
    pub objective: Objective,
    /// and how large it was.
    pub value: Option<f64>,
    /// P&L over the days, USD.
    pub pnl: f64,
}

#[derive(Deserialize, Serialize)]
struct DayLine {
    kind: String,
    #[serde(flatten)]
    result: DayResult,
}

#[derive(Serialize)]
struct Trial<'a> {
    kind: &'static str,
    #[serde(flatten)]
    line: &'a TrialLine,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// A record that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The system.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line.
    #[error("{}: line {line} is no line of a search's record: {what}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// See the module. Without a file it lives as long as its search.
pub struct Record {
    path: PathBuf,
    file: Option<File>,
    days: HashMap<DayKey, DayResult>,
    /// The program that runs, and the configuration without what is searched.
    program: String,
    base: String,
}

impl Record {
    /// One that nobody keeps, for searches with this configuration, written without the parameters that are searched.
    ///
    /// # Errors
    /// The own program cannot be read.
    pub fn in_memory(base: &str) -> Result<Record, RecordError> {
        let program = manifest::of_this_program();
        let program =
            program.map_err(|source| RecordError::File { path: "/proc/self/exe".into(), source })?;
        let base = manifest::of_text(base);
        Ok(Record { path: PathBuf::new(), file: None, days: HashMap::new(), program, base })
    }

    /// Opens one, or begins it. Only one search at a time writes it: its lock is held until the end.
    ///
    /// # Errors
    /// [`RecordError`]; a record that another search holds is [`RecordError::File`].
    pub fn open(path: &Path, base: &str) -> Result<Record, RecordError> {
        let failed = |source| RecordError::File { path: path.into(), source };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        file.try_lock().map_err(|e| failed(e.into()))?;
        let mut record = Record { path: path.into(), ..Record::in_memory(base)? };
        record.read(&file)?;
        record.file = Some(file);
        Ok(record)
    }

    fn read(&mut self, mut file: &File) -> Result<(), RecordError> {
        let path = self.path.clone();
        let failed = |source| RecordError::File { path: path.clone(), source };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        }
        for (line, text) in (1..).zip(bytes[..whole].split(|b| *b == b'\n')) {
            if text.is_empty() {
                continue;
            }
            let bad = |what: String| RecordError::Line { path: path.clone(), line, what };
            let Kind { kind } = serde_json::from_slice(text).map_err(|e| bad(e.to_string()))?;
            match kind.as_str() {
                "day" => {
                    let day: DayLine = serde_json::from_slice(text).map_err(|e| bad(e.to_string()))?;
                    self.keep(vec![day.result]);
                }
                "trial" => {}
                other => return Err(bad(format!("kind {other:?}; known are \"day\" and \"trial\""))),
            }
        }
        Ok(())
    }

    /// The hash of what a day is run on.
    ///
    /// # Errors
    /// The day's file is not there.
    pub fn on(&self, file: &Path) -> Result<String, RecordError> {
        let failed = |source| RecordError::File { path: file.into(), source };
        let about = file.metadata().map_err(failed)?;
        let path = file.canonicalize().map_err(failed)?;
        let stamp = (about.len(), about.mtime(), about.mtime_nsec());
        let words = format!("{} {} {} {stamp:?}", self.program, self.base, path.display());
        Ok(manifest::of_text(&words)[..32].to_owned())
    }

    /// What is known of a run.
    #[must_use]
    pub fn get(&self, on: &str, params: &Shown) -> Option<&DayResult> {
        self.days.get(&DayKey::new(on, params))
    }

    /// Knows these from now on.
    pub fn keep(&mut self, made: Vec<DayResult>) {
        self.days.extend(made.into_iter().map(|day| (DayKey::new(&day.on, &day.params), day)));
    }

    /// Every set of parameters of which each of these days is known, with what it made of them, day by day, in the order of their words.
    #[must_use]
    pub fn all_on(&self, days: &[String]) -> Vec<(&Shown, Vec<&DayResult>)> {
        let first = self.days.values().filter(|day| days.first() == Some(&day.on));
        let whole = first.filter_map(|day| {
            let all = days.iter().map(|on| self.get(on, &day.params)).collect::<Option<Vec<_>>>()?;
            Some((&day.params, all))
        });
        let mut all: Vec<_> = whole.collect();
        all.sort_by_cached_key(|(params, _)| serde_json::to_string(params).unwrap_or_default());
        all
    }

    /// Appends a run of a day.
    ///
    /// # Errors
    /// The file.
    pub fn day(&mut self, result: &DayResult) -> Result<(), RecordError> {
        self.append(&DayLine { kind: "day".into(), result: result.clone() })
    }

    /// Appends a trial.
    ///
    /// # Errors
    /// The file.
    pub fn trial(&mut self, line: &TrialLine) -> Result<(), RecordError> {
        self.append(&Trial { kind: "trial", line })
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), RecordError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let failed = |source| RecordError::File { path: self.path.clone(), source };
        let mut text = serde_json::to_vec(line).map_err(|e| failed(e.into()))?;
        text.push(b'\n');
        // One call, so that a line is whole or has no end.
        file.write_all(&text).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64, file: &str) -> DayResult {
        let params = BTreeMap::from([("quantity".to_owned(), n.into())]);
        let (file, on) = (file.to_owned(), format!("on {file}"));
        DayResult { on, params, file, pnl_e4: n, minutes: vec![n, -n], ..DayResult::default() }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_its_broken_end_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.jsonl");
        let mut record = Record::open(&path, "").unwrap();
        for (n, file) in [(1, "a"), (1, "b"), (2, "a")] {
            record.day(&day(n, file)).unwrap();
        }
        let line = TrialLine {
            window: 0,
            number: 0,
            params: BTreeMap::new(),
            days: 2,
            objective: Objective::Pnl,
            value: Some(0.5),
            pnl: 1.0,
        };
        record.trial(&line).unwrap();
        assert!(Record::open(&path, "").is_err(), "two searches do not write one record");
        drop(record);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], b"{\"kind\":\"da"].concat()).unwrap();
        let record = Record::open(&path, "").unwrap();
        assert_eq!(record.get("on a", &day(2, "a").params), Some(&day(2, "a")));
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        // Only the first set has both days.
        assert_eq!(record.all_on(&["on a".into(), "on b".into()]).len(), 1);
        assert_eq!(record.all_on(&["on a".into()]).len(), 2);
        assert_eq!(record.all_on(&["on c".into()]).len(), 0);
        drop(record);
        for bad in ["{}\n", "x\n", "{\"kind\":\"day\"}\n", "{\"kind\":\"other\"}\n", "\u{0}\n"] {
            std::fs::write(&path, [&whole[..], bad.as_bytes()].concat()).unwrap();
            let e = Record::open(&path, "").err().expect("it is refused").to_string();
            assert!(e.contains("line 5"), "{bad:?}: {e}");
        }
    }
}
