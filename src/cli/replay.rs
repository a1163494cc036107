//! `colo replay`: a run's inputs through the same engine; the first command or hash that differs from the journal ends it.

use std::path::PathBuf;

use serde_json::json;

use super::out::{self, Out, Stop};
use super::{Exit, Failure, Outcome, Registry};
use crate::clock::Clock;
use crate::manifest;
use crate::release::evidence;
use crate::replay::{Journal, ReplayError, Replayed};

/// Re-runs a journal through the engine and fails on the first difference.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo replay --journal journal/demo
  colo replay --journal journal/demo/run-000007 --data f1.itch --json -

Exit code 5: a command or a state hash differs, or the journal is damaged; the record is named.
Exit code 3: the run's strategy is not in this binary, or its configuration is invalid.")]
pub struct Args {
    /// A run's folder, or a core's journal folder (its last run is taken)
    #[arg(long, value_name = "DIR")]
    pub journal: PathBuf,
    /// Market data of a run without captures: the session's messages from the first on; one for each feed, in the configuration's order
    #[arg(long, value_name = "FILE")]
    pub data: Vec<PathBuf>,
    /// Write the result as JSON ("-" is stdout)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Runs the command, with the strategies of this binary.
///
/// # Errors
/// A difference or damage (5), an unknown strategy or an invalid configuration (3), anything that cannot be read or written (1).
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    out::outcome(replay(args, registry))
}

fn replay(args: &Args, registry: &Registry) -> Result<Exit, Stop> {
    if !args.journal.is_dir() {
        return Err(Failure::new(format!("{}: there is no such folder", args.journal.display())).into());
    }
    let journal = Journal::open(&args.journal).and_then(|j| j.with_data(&args.data)).map_err(failure)?;
    let name = &journal.config.strategy;
    let entry = registry.find(name).ok_or_else(|| {
        let run = journal.run.display();
        let known = registry.names();
        let sentence =
            format!("{run}: the run's strategy \"{name}\" is not in this binary, which has {known}");
        Failure::with(Exit::Config, sentence)
    })?;
    // The output first: a day is not replayed for a file that cannot be written.
    let json = args.json.as_deref().map(|p| Out::create(p, &[])).transpose()?;
    let result = entry.replay(&journal);
    if let Some(mut out) = json {
        let mut told = as_json(&journal, &result);
        let binary = manifest::of_this_program().map_err(Failure::new)?;
        evidence::stamp(&mut told, "replay", &journal.config, &binary, Clock::new().now());
        out.write(format_args!("{}", evidence::sealed(&told)))?;
        out.flush()?;
    }
    let replayed = result.map_err(failure)?;
    if !args.json.as_deref().is_some_and(out::is_stdout) {
        let mut out = Out::stdout();
        out.write(format_args!("{}", as_text(&journal, &replayed)))?;
        out.flush()?;
    }
    Ok(Exit::Ok)
}

fn failure(e: ReplayError) -> Failure {
    let exit = match &e {
        ReplayError::Config(_) | ReplayError::Params(_) => Exit::Config,
        ReplayError::TooManyFiles { .. } => Exit::Usage,
        e if e.is_difference() => Exit::Difference,
        _ => Exit::Failure,
    };
    Failure::with(exit, e)
}

fn as_json(journal: &Journal, result: &Result<Replayed, ReplayError>) -> serde_json::Value {
    let run = journal.run.display().to_string();
    match result {
        Ok(r) => json!({
            "ok": true, "journal": run, "records": r.records, "inputs": r.inputs, "commands": r.commands,
            "hashes": r.hashes, "state_hash": format!("{:016x}", r.state_hash), "ended": r.ended,
        }),
        Err(e) => json!({
            "ok": false, "journal": run, "difference": e.is_difference(), "record": e.record(), "error": e.to_string(),
        }),
    }
}

fn as_text(journal: &Journal, r: &Replayed) -> String {
    let ended = if r.ended { "in order" } else { "in the middle: the run was killed, or still goes on" };
    format!(
        "{}: no difference\n  records     {}\n  inputs      {}\n  commands    {} the same\n  hashes      {} the same\n  \
         state hash  {:016x}\n  ends        {ended}\n",
        journal.run.display(),
        r.records,
        r.inputs,
        r.commands,
        r.hashes,
        r.state_hash
    )
}
