//! `colo journal`: what a run's logs hold, read without the core, and never changing them.
//!
//! `DIR` is a run's folder, a core's journal folder (then its last run is meant), or the folder of one log. A log in a folder `feed-*` is a capture of market data, any
//! other a core journal. `verify` reads a whole run; `dump` and `tail` read one log, of a run its core journal.

mod audit;
mod line;
mod standing;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::Turn;
use ringbuf::log::{End, LogError, Reader, TornCause, Verified};
use serde_json::{Value, json};

pub use self::line::Kind;
use self::line::{Line, of_batch, of_record};
use super::out::{self, Out, Stop};
use super::{Exit, Failure, Outcome};
use crate::config::{Config, Secrets};
use crate::journal::{Batch, OrderLives, Record, RunDir, examine};
use crate::logs::Names;

/// How often `--follow` looks for more.
const LOOK: Duration = Duration::from_millis(50);

/// Offline tools over a journal.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo journal verify journal/demo
  colo journal dump journal/demo/run-000007 --kind command --json
  colo journal tail journal/demo --follow
  colo journal standing journal/demo
  colo journal audit journal/demo/run-000007 > trail.csv

DIR is a run's folder, a core's journal folder (its last run is taken), or the folder of one log.
Exit code 5: a record is damaged, or not the one that was sealed.")]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub tool: Tool,
}

/// The tools.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Tool {
    /// Read every record of every log and check each against its checksum and its format
    Verify {
        /// The journal
        dir: PathBuf,
        /// Write the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Export every event of an order, every word of a person and every alarm, and check that nothing was changed since it was sealed
    Audit {
        /// The journal
        dir: PathBuf,
        /// One JSON object a line instead of CSV
        #[arg(long)]
        json: bool,
    },
    /// Show what stood when a run ended: what restrained trading, orders that may be open, positions
    Standing {
        /// The journal
        dir: PathBuf,
        /// Write it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print records, one a line
    Dump {
        /// The journal
        dir: PathBuf,
        /// What to print, and how
        #[command(flatten)]
        show: Show,
    },
    /// Print the last records, and with --follow those that come
    Tail {
        /// The journal
        dir: PathBuf,
        /// What to print, and how
        #[command(flatten)]
        show: Show,
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
        lines: usize,
        /// Go on as the log grows, until it ends or Ctrl-C
        #[arg(long, short)]
        follow: bool,
    },
}

/// Which records, and how.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Show {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Begin at this record, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u64,
    /// Only records of this kind (of a core journal)
    #[arg(long, value_name = "K")]
    pub kind: Option<Kind>,
}

/// Runs the command.
///
/// # Errors
/// There is no log (1), or a record is damaged (5).
pub fn run(args: &Args) -> Outcome {
    out::outcome(run_to(args, &mut Out::stdout()))
}

fn run_to(args: &Args, out: &mut Out) -> Result<Exit, Stop> {
    match &args.tool {
        Tool::Verify { dir, json } => verify(dir, *json, out),
        Tool::Audit { dir, json } => audit::audit(dir, *json, out),
        Tool::Standing { dir, json } => standing::standing(dir, *json, out),
        Tool::Dump { dir, show } => dump(dir, show, out),
        Tool::Tail { dir, show, lines, follow } => tail(dir, show, *lines, *follow, out),
    }
}

/// One log: where it is and what its records are.
struct Log {
    dir: PathBuf,
    name: String,
    is_capture: bool,
}

impl Log {
    fn at(dir: PathBuf) -> Log {
        let name = dir.file_name().map_or_else(|| ".".into(), |n| n.to_string_lossy().into_owned());
        let is_capture = name.starts_with("feed-");
        Log { dir, name, is_capture }
    }

    /// What went wrong with it, and whether that is damage.
    fn failure(&self, e: &LogError) -> Failure {
        let exit = if is_damage(e) { Exit::Difference } else { Exit::Failure };
        let where_ = self.dir.display();
        match e {
            LogError::Empty { .. } | LogError::Io { .. } if !self.dir.is_dir() => {
                Failure::with(exit, format!("{where_}: there is no such folder"))
            }
            LogError::Empty { .. } => Failure::with(exit, format!("{where_}: holds neither a log nor runs")),
            e => Failure::with(exit, format!("{where_}: {e}")),
        }
    }

    fn malformed(&self, index: u64, what: &dyn std::fmt::Display) -> Failure {
        Failure::with(Exit::Difference, format!("{}: record {index}: {what}", self.dir.display()))
    }
}

fn is_damage(e: &LogError) -> bool {
    matches!(e, LogError::Corrupt { .. } | LogError::Header { .. })
}

/// The logs that a path means, the core's first.
fn logs(given: &Path) -> Vec<Log> {
    let run = RunDir::find(given);
    let core = RunDir::core(&run);
    if !core.is_dir() {
        return vec![Log::at(run)];
    }
    let mut feeds: Vec<PathBuf> = std::fs::read_dir(&run)
        .map(|entries| entries.filter_map(Result::ok).map(|e| e.path()).collect())
        .unwrap_or_default();
    feeds.retain(|p| p.is_dir() && Log::at(p.clone()).is_capture);
    feeds.sort();
    std::iter::once(core).chain(feeds).map(Log::at).collect()
}

/// The log that `dump` and `tail` show.
fn first_log(given: &Path) -> Log {
    logs(given).swap_remove(0)
}

/// The names of a run's feeds, gateways and instruments; numbers are shown where its configuration cannot be read.
fn names(log: &Log) -> Names {
    let config = log.dir.parent().map(|run| run.join("config.toml"));
    let config = config.and_then(|file| Config::load(&file, Secrets::Skip).ok());
    config.map_or_else(Names::default, |c| names_of(&c))
}

/// The names of a configuration.
fn names_of(c: &Config) -> Names {
    Names {
        feeds: c.feeds.iter().map(|f| f.id.clone()).collect(),
        gateways: c.gateways.iter().map(|g| g.id.clone()).collect(),
        instruments: c.instruments.clone(),
    }
}

/// A record in a line, as `dump` shows it; without its number.
pub(super) fn shown(record: &Record, config: &Config) -> String {
    let line = of_record(0, record, &names_of(config)).text();
    line.trim_start().trim_start_matches('0').trim_start().to_owned()
}

/// Decodes every record; whether a core's run ended in order.
fn decode_all(log: &Log) -> Result<bool, Failure> {
    let mut reader = Reader::open(&log.dir).map_err(|e| log.failure(&e))?;
    let mut ended = false;
    while let Some(r) = reader.next().map_err(|e| log.failure(&e))? {
        if log.is_capture {
            Batch::decode(r.kind, r.payload)
                .ok_or_else(|| log.malformed(r.index, &"not a batch of messages"))?;
            continue;
        }
        let record = Record::decode(r.kind, r.payload).map_err(|e| log.malformed(r.index, &e))?;
        ended = matches!(record, Record::End { .. });
    }
    Ok(ended)
}

fn verify(dir: &Path, json: bool, out: &mut Out) -> Result<Exit, Stop> {
    let (mut exit, mut all) = (Exit::Ok, Vec::new());
    for log in logs(dir) {
        let examined = examine(&log.dir).map_err(|e| log.failure(&e));
        let found = match examined {
            Ok(v) => decode_all(&log).map(|ended| (v, ended)),
            // There is nothing to verify.
            Err(f) if f.exit == Exit::Failure => return Err(f.into()),
            Err(f) => Err(f),
        };
        if let Err(f) = &found {
            exit = f.exit;
        }
        match json {
            true => all.push(verified_json(&log, &found)),
            false => out.write(format_args!("{}\n", verified_text(&log, &found)))?,
        }
    }
    if json {
        out.write(format_args!("{}\n", json!({"ok": exit == Exit::Ok, "logs": all})))?;
    }
    out.flush()?;
    Ok(exit)
}

type Found = Result<(Option<Verified>, bool), Failure>;

fn verified_text(log: &Log, found: &Found) -> String {
    let (v, ended) = match found {
        Err(f) => return format!("{:<12} DAMAGED: {}", log.name, f.message),
        Ok((None, _)) => return format!("{:<12} is being written; what there is is sound", log.name),
        Ok((Some(v), ended)) => (v, ended),
    };
    let end = match v.end {
        End::Clean if log.is_capture || *ended => "ends in order".into(),
        End::Clean => "closed, but its run did not end in order".into(),
        End::Torn { segment, offset, index, cause } => {
            let there = torn_word(cause);
            format!(
                "stops before record {index} (segment {segment}, byte {offset}: {there}): the writer was killed, or still runs"
            )
        }
    };
    let (records, bytes, segments) = (v.records, v.bytes, v.segments);
    format!("{:<12} {records} records, {bytes} bytes, {segments} segment(s), {end}", log.name)
}

fn verified_json(log: &Log, found: &Found) -> Value {
    let base = json!({"log": log.name, "dir": log.dir.display().to_string()});
    let more = match found {
        Err(f) => json!({"end": "damaged", "error": f.message}),
        Ok((None, _)) => json!({"end": "active"}),
        Ok((Some(v), ended)) => {
            let mut all = json!({"records": v.records, "bytes": v.bytes, "segments": v.segments});
            match v.end {
                End::Clean => all["end"] = "clean".into(),
                End::Torn { segment, offset, index, cause } => {
                    all["end"] = "torn".into();
                    all["torn"] = json!({"segment": segment, "offset": offset, "index": index, "cause": torn_word(cause)});
                }
            }
            if !log.is_capture {
                all["run_ended"] = (*ended).into();
            }
            all
        }
    };
    match (base, more) {
        (Value::Object(mut a), Value::Object(b)) => {
            a.extend(b);
            Value::Object(a)
        }
        (a, _) => a,
    }
}

fn torn_word(cause: TornCause) -> &'static str {
    match cause {
        TornCause::Unwritten => "nothing written",
        TornCause::Cut => "the file is cut",
        TornCause::Garbage => "no record",
    }
}

/// A log read from a record on, as lines.
struct Lines<'a> {
    log: &'a Log,
    reader: Reader,
    names: Names,
    lives: OrderLives,
    /// The orders that the record moved.
    turns: Vec<Turn>,
    show: &'a Show,
    /// The first record shown.
    from: u64,
}

impl<'a> Lines<'a> {
    fn open(log: &'a Log, show: &'a Show) -> Result<Lines<'a>, Failure> {
        if log.is_capture && show.kind.is_some() {
            let sentence =
                format!("{}: a capture has one kind of record: leave --kind out", log.dir.display());
            return Err(Failure::with(Exit::Usage, sentence));
        }
        let reader = Reader::open(&log.dir).map_err(|e| log.failure(&e))?;
        Ok(Lines {
            log,
            reader,
            names: names(log),
            lives: OrderLives::default(),
            turns: Vec::new(),
            show,
            from: show.from,
        })
    }

    /// The next line that is wanted, or `None` when there is nothing more so far.
    fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            let Some(r) = self.reader.next().map_err(|e| self.log.failure(&e))? else { return Ok(None) };
            if let (false, Some(record)) = (self.log.is_capture, Record::decode(r.kind, r.payload).ok()) {
                self.turns.clear();
                self.turns.extend_from_slice(self.lives.on_record(&record));
            }
            if r.index < self.from {
                continue;
            }
            let line: Line = if self.log.is_capture {
                let not = || self.log.malformed(r.index, &"not a batch of messages");
                of_batch(r.index, &Batch::decode(r.kind, r.payload).ok_or_else(not)?)
            } else {
                let record =
                    Record::decode(r.kind, r.payload).map_err(|e| self.log.malformed(r.index, &e))?;
                if self.show.kind.is_some_and(|k| k != Kind::of(&record)) {
                    continue;
                }
                of_record(r.index, &record, &self.names).moving(&self.turns)
            };
            return Ok(Some(if self.show.json { line.json() } else { line.text() }));
        }
    }
}

fn dump(dir: &Path, show: &Show, out: &mut Out) -> Result<Exit, Stop> {
    let log = first_log(dir);
    let mut lines = Lines::open(&log, show)?;
    let end = loop {
        match lines.next() {
            Ok(Some(line)) => out.write(format_args!("{line}\n"))?,
            Ok(None) => break Ok(Exit::Ok),
            Err(f) => break Err(f),
        }
    };
    // What was sound is shown before what was not is told.
    out.flush()?;
    Ok(end?)
}

fn tail(dir: &Path, show: &Show, count: usize, follow: bool, out: &mut Out) -> Result<Exit, Stop> {
    let stop = Arc::new(AtomicBool::new(false));
    if follow {
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop))
                .map_err(|e| Failure::new(format!("signals cannot be caught: {e}")))?;
        }
    }
    let log = first_log(dir);
    let mut lines = Lines::open(&log, show)?;
    if show.kind.is_none() {
        // Counting is much cheaper than making lines that are not shown. Damage is found, and told, again below.
        let mut counted = Reader::open(&log.dir).map_err(|e| log.failure(&e))?;
        let mut next = 0;
        while let Ok(Some(r)) = counted.next() {
            next = r.index + 1;
        }
        lines.from = lines.from.max(next.saturating_sub(count as u64));
    }
    let mut last = VecDeque::new();
    let end = loop {
        match lines.next() {
            Ok(Some(line)) => {
                last.push_back(line);
                if last.len() > count {
                    last.pop_front();
                }
            }
            Ok(None) => break Ok(Exit::Ok),
            Err(f) => break Err(f),
        }
    };
    for line in last {
        out.write(format_args!("{line}\n"))?;
    }
    out.flush()?;
    let mut exit = end?;
    while follow && !lines.reader.is_ended() {
        if stop.load(Ordering::Relaxed) {
            exit = Exit::Interrupted;
            break;
        }
        let mut more = false;
        while let Some(line) = lines.next()? {
            out.write(format_args!("{line}\n"))?;
            more = true;
        }
        match more {
            true => out.flush()?,
            false => std::thread::sleep(LOOK),
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests;
