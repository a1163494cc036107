//! Evidence: what tools say of themselves, as JSON on one line that is stamped and sealed.
//!
//! ```text
//!   {"kind":"session","at_ns":...,"host":"...","strategy":"...","binary_sha256":"...","config_sha256":"...","params_sha256":"...", ... ,"seal":"<SHA-256 of the rest>"}
//! ```
//!
//! | kind | left by | what counts |
//! |---|---|---|
//! | `backtest` | `colo backtest --json FILE` | days, figures, and the SHA-256 of each file of the market |
//! | `replay` | `colo replay --json FILE` | that no command differed, and the state at the end |
//! | `session` | `colo run --json FILE` | mode, from when to when, and how it ended |
//! | `drill` | `scripts/drill --evidence FOLDER` | its number, and whether it passed |
//! | `doctor` | `colo doctor --evidence FILE` | how many rows warn or fail |
//!
//! The seal is over the bytes before it, a closing brace in its place: it is checked without a JSON parser, made by a shell, and broken by whoever edits or reformats the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use model::Nanos;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refused;
use crate::config::Config;
use crate::manifest::{Pair, of_text};

/// A report of a long backtest is some hundred KiB.
const BYTES_MAX: u64 = 64 << 20;
/// Files of a folder.
const FILES_MAX: usize = 10_000;
const SEAL: &str = ",\"seal\":\"";

/// A value as a sealed line.
///
/// # Panics
/// Where it is no object, or an empty one: there is nothing to be sealed.
#[must_use]
pub fn sealed(value: &Value) -> String {
    assert!(value.as_object().is_some_and(|o| !o.is_empty()), "an object with something in it");
    sealed_text(&value.to_string())
}

/// An object's text as a sealed line.
pub(super) fn sealed_text(body: &str) -> String {
    format!("{}{SEAL}{}\"}}\n", &body[..body.len() - 1], of_text(body))
}

/// What was sealed, and its seal; nothing where one byte of it is another.
#[must_use]
pub fn unsealed(text: &str) -> Option<(String, &str)> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let at = text.len().checked_sub(SEAL.len() + 64 + 2)?;
    let seal = text.get(at..)?.strip_prefix(SEAL)?.strip_suffix("\"}")?;
    let body = format!("{}}}", text.get(..at)?);
    (of_text(&body) == seal).then_some((body, seal))
}

/// Says of a report what it is evidence of.
///
/// # Panics
/// Where it is no object.
pub fn stamp(report: &mut Value, kind: &str, config: &Config, binary_sha256: &str, now: Nanos) {
    let pair = Pair { binary_sha256: binary_sha256.into(), config_sha256: config.sha256.clone() };
    stamp_host(report, kind, &pair.binary_sha256, now);
    report["core"] = json!(config.name);
    report["strategy"] = json!(config.strategy);
    report["config_sha256"] = json!(pair.config_sha256);
    report["params_sha256"] = json!(super::params_sha256(config));
}

/// The same for what is about a host and no configuration.
///
/// # Panics
/// Where it is no object.
pub fn stamp_host(report: &mut Value, kind: &str, binary_sha256: &str, now: Nanos) {
    report["kind"] = json!(kind);
    report["at_ns"] = json!(now.0);
    report["host"] = json!(host());
    report["binary_sha256"] = json!(binary_sha256);
}

/// This host's name.
#[must_use]
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// One file of evidence.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its name in the folder.
    pub file: String,
    /// Its seal, which is of its bytes.
    pub sha256: String,
    /// What all have.
    pub stamp: Stamp,
    /// What it shows.
    pub shown: Shown,
}

/// What all evidence says. What has no configuration has no such words.
#[derive(Clone, Debug, Deserialize)]
pub struct Stamp {
    kind: String,
    /// When it was made.
    pub at_ns: u64,
    /// Where.
    pub host: String,
    /// By which program.
    pub binary_sha256: String,
    /// The strategy's name.
    #[serde(default)]
    pub strategy: String,
    /// Under which configuration.
    #[serde(default)]
    pub config_sha256: String,
    /// [`super::params_sha256`].
    #[serde(default)]
    pub params_sha256: String,
}

/// What a file shows, by its kind.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Days of history.
    Backtest(Backtest),
    /// A journal gave the same commands again, or did not.
    Replay(Replay),
    /// A core ran.
    Session(Session),
    /// A drill was held.
    Drill(Drill),
    /// A host was looked at.
    Doctor(Doctor),
}

/// Days of history.
#[derive(Clone, Debug, Deserialize)]
pub struct Backtest {
    /// [`super::model_sha256`].
    #[serde(default)]
    pub model_sha256: String,
    /// The files of the market.
    pub data: Vec<MarketFile>,
    /// After fees, USD.
    pub pnl: f64,
    /// Figures of the equity.
    pub returns: Series,
    days: Vec<Day>,
}

/// A day of the market: a file, or a run's captures.
#[derive(Clone, Debug, Deserialize)]
pub struct MarketFile {
    /// [`crate::research::market::sha256`]; nothing of what came by a pipe, which counts for nothing.
    pub sha256: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Day {
    fills: u64,
}

/// By day where there are several, and by grain.
#[derive(Clone, Debug, Deserialize)]
pub struct Series {
    by_day: Option<Figures>,
    by_grain: Figures,
}

/// Of a series. What is not defined is not there.
#[derive(Clone, Debug, Deserialize)]
pub struct Figures {
    /// To a year.
    pub sharpe: Option<f64>,
    /// A negative part of the peak.
    pub max_drawdown: Option<f64>,
}

impl Backtest {
    /// Fills of all days.
    #[must_use]
    pub fn fills(&self) -> u64 {
        self.days.iter().map(|d| d.fills).fold(0, u64::saturating_add)
    }

    /// To a year, of days; of a single day of its grains.
    #[must_use]
    pub fn sharpe(&self) -> Option<f64> {
        self.returns.by_day.as_ref().unwrap_or(&self.returns.by_grain).sharpe
    }

    /// The deepest fall, within days as between them: a negative part of the peak. `None` where one of them is not defined.
    #[must_use]
    pub fn max_drawdown(&self) -> Option<f64> {
        let of_grains = self.returns.by_grain.max_drawdown?;
        let Some(by_day) = &self.returns.by_day else { return Some(of_grains) };
        Some(by_day.max_drawdown?.min(of_grains))
    }
}

/// A journal was run again.
#[derive(Clone, Debug, Deserialize)]
pub struct Replay {
    /// Every command and hash was the same.
    pub ok: bool,
    /// The state at the end.
    #[serde(default)]
    pub state_hash: String,
}

/// A core ran.
#[derive(Clone, Debug, Deserialize)]
pub struct Session {
    /// `paper`, `test` or `live`.
    pub mode: String,
    /// When it began.
    pub started_ns: u64,
    /// When it had ended.
    pub ended_ns: u64,
    /// Our state was the venue's.
    pub reconciled: bool,
    /// Gaps of the market data that were open at the end.
    pub gaps_open: u64,
    /// Why trading had stopped.
    pub halted: Option<String>,
    /// Breakers, disabled instruments, warnings.
    pub alarms: u64,
    /// Whether the journal could be read to its end: where not, alarms may be missing.
    #[serde(default = "yes")]
    pub journal_read: bool,
    /// The last change of parameters or limits while it ran; 0 where there was none.
    #[serde(default)]
    pub settings_change: u64,
    /// Orders filled.
    pub fills: u64,
    /// Orders open at the end.
    pub open_orders: u64,
    /// Agents that failed.
    pub failures: Vec<String>,
    /// The state at the end.
    pub state_hash: String,
    /// The approval that it ran under, live.
    #[serde(default)]
    pub approval: Option<String>,
}

const fn yes() -> bool {
    true
}

impl Session {
    /// What is not as it should be; nothing of a clean one.
    #[must_use]
    pub fn blemish(&self, alarms_max: u64) -> Option<String> {
        if !self.failures.is_empty() {
            return Some(format!("it failed ({})", self.failures.join("; ")));
        }
        if let Some(why) = &self.halted {
            return Some(format!("trading was halted ({why})"));
        }
        if !self.journal_read {
            return Some("its journal could not be read to its end".into());
        }
        if self.settings_change > 0 {
            return Some(
                "its parameters or limits changed while it ran, so it shows nothing of one set".into(),
            );
        }
        if !self.reconciled {
            return Some("it was not reconciled".into());
        }
        let counts = [("gaps", self.gaps_open), ("orders", self.open_orders)];
        if let Some((what, n)) = counts.into_iter().find(|(_, n)| *n > 0) {
            return Some(format!("{n} {what} were open at its end"));
        }
        (self.alarms > alarms_max).then(|| format!("{} alarms, and {alarms_max} are allowed", self.alarms))
    }
}

/// A drill was held.
#[derive(Clone, Debug, Deserialize)]
pub struct Drill {
    /// Its number, such as `t9`.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
}

/// A host was looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct Doctor {
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    id: String,
    status: String,
}

impl Doctor {
    /// The rows of a status.
    #[must_use]
    pub fn rows_with(&self, status: &str) -> Vec<&str> {
        self.rows.iter().filter(|r| r.status == status).map(|r| r.id.as_str()).collect()
    }
}

/// Reads every `*.json` of a folder. One that is damaged is not passed over: it may be the one that speaks against.
///
/// # Errors
/// Each file that is not whole, by its name; a folder that cannot be read, or has too many.
pub fn read_folder(folder: &Path) -> Result<Vec<Piece>, Refused> {
    let unreadable = |e: std::io::Error| Refused::because(format!("{}: {e}", folder.display()));
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if name.ends_with(".json") {
            files.insert(name, path);
        }
        if files.len() > FILES_MAX {
            return Err(Refused::because(format!("{}: more than {FILES_MAX} files", folder.display())));
        }
    }
    let (mut pieces, mut damaged) = (Vec::new(), Vec::new());
    for (file, path) in files {
        match read(&path) {
            Ok((sha256, stamp, shown)) => pieces.push(Piece { file, sha256, stamp, shown }),
            Err(why) => damaged.push(format!("evidence {}: {why}", path.display())),
        }
    }
    match damaged.is_empty() {
        true => Ok(pieces),
        false => Err(Refused(damaged)),
    }
}

fn read(path: &Path) -> Result<(String, Stamp, Shown), String> {
    let about = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !about.is_file() || about.len() > BYTES_MAX {
        return Err("is no file of evidence: not a regular file of 64 MiB at most".into());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    let (body, seal) =
        unsealed(&text).ok_or("is not as it was written: its seal is broken, or was never there")?;
    let understood = |e: serde_json::Error| format!("is not understood: {e}");
    let stamp: Stamp = serde_json::from_str(&body).map_err(understood)?;
    let shown = match stamp.kind.as_str() {
        "backtest" => serde_json::from_str(&body).map(Shown::Backtest),
        "replay" => serde_json::from_str(&body).map(Shown::Replay),
        "session" => serde_json::from_str(&body).map(Shown::Session),
        "drill" => serde_json::from_str(&body).map(Shown::Drill),
        "doctor" => serde_json::from_str(&body).map(Shown::Doctor),
        other => {
            return Err(format!("is of kind {other:?}; known: backtest, replay, session, drill, doctor"));
        }
    };
    Ok((seal.to_owned(), stamp, shown.map_err(understood)?))
}
