//! `colo recalibrate`: a small grid of parameters over the latest days, which ends in a proposal to the running core or in none. It applies nothing: that is a person's word.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::{Exit, Failure, Outcome, Registry, live, report};
use crate::config::{Config, Secrets, Written, read_toml};
use crate::control::{self, Command, Request};
use crate::research::grid::{self, Bar, Set, Trial};
use crate::research::{Job, Trouble};

/// Tries other parameters on the latest days, and proposes the best where it is worth it. Changes nothing.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo recalibrate --config colo.toml --data 20260105.itch --data 20260106.itch --grid quantity=50,100,200
  colo recalibrate --name desk1 --config colo.toml --folder captures --latest 5 --grid quantity=50,100 --grid edge_ticks=0,1,2

With --name it begins from what is in force in that core and ends in `ctl params propose` there; an operator looks at it and applies it, or drops it. Without, it begins from the configuration and prints the
proposal. The best set is chosen by all but the last days (--hold-out), and is proposed where it is also better on those, on more than half of all days, and by more than --margin percent in all.
Exit code 0, whether there is a proposal or not. deploy/systemd has it as a timer.")]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The running core to propose to
    #[arg(long)]
    name: Option<String>,
    /// A day, oldest first; as often as there are days
    #[arg(long, value_name = "FILE", required_unless_present = "folder", conflicts_with = "folder")]
    data: Vec<PathBuf>,
    /// A folder of recorded days, of which the latest are taken
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// How many
    #[arg(long, value_name = "N", default_value = "5", requires = "folder", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    latest: u64,
    /// A parameter and the values to try
    #[arg(long, value_name = "NAME=V,V..", required = true)]
    grid: Vec<String>,
    /// Days at the end that choose nothing; a third of them where absent
    #[arg(long, value_name = "N")]
    hold_out: Option<usize>,
    /// How much better, in percent of what the parameters in force made
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    margin: u32,
    /// Days at once; all cores where absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    threads: Option<u64>,
    /// Write every trial and the proposal as JSON to this file, `-` for stdout
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// A grid that is none (2), an invalid configuration or set (3), days that cannot be read or a core that does not answer (1).
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    let usage = |e: String| Failure::with(Exit::Usage, e);
    let axes = args.grid.iter().map(|g| grid::axis(g)).collect::<Result<Vec<_>, _>>().map_err(usage)?;
    let written: Written = read_toml(&args.config).map_err(|e| Failure::with(Exit::Config, e))?;
    if let Some(file) = &args.json {
        report::check_folder(file)?;
    }
    let days = match &args.folder {
        Some(folder) => latest(folder, args.latest as usize)?,
        None => args.data.clone(),
    };
    let base = match &args.name {
        Some(name) => in_force(name, &written.strategy.name)?,
        None => written.strategy.params.clone().into_iter().collect(),
    };
    let sets = grid::points(&base, &axes).map_err(usage)?;
    // Every set is checked before the first is run.
    let base_config = resolved(args, registry, &written, &base)?;
    let configs =
        sets.iter().map(|set| resolved(args, registry, &written, set)).collect::<Result<Vec<_>, _>>()?;
    let entry = registry
        .find(&base_config.strategy)
        .ok_or_else(|| Failure::new("the strategy was here a moment ago"))?;
    let threads = args
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |n| n as usize);
    let trial = |config: &Config, set: &Set| -> Result<Trial, Failure> {
        let job = Job {
            config,
            data: &days,
            as_recorded: false,
            keep: None,
            threads,
            details: false,
            done: &|_| {},
        };
        let made = entry.backtest(&job).map_err(failed)?;
        Ok(Trial { set: set.clone(), pnl: made.iter().map(|m| m.pnl.0).collect() })
    };
    let first = trial(&base_config, &base)?;
    let mut trials = Vec::with_capacity(sets.len());
    for (k, (config, set)) in configs.iter().zip(&sets).enumerate() {
        trials.push(trial(config, set)?);
        live::say(&format!("{} of {} sets over {} days", k + 1, sets.len(), days.len()));
    }
    let held_out = args.hold_out.unwrap_or(days.len() / 3).min(days.len() - 1);
    let verdict = grid::worth_proposing(&first, &trials, Bar { held_out, margin_percent: args.margin });
    let proposal = match &verdict {
        Ok(best) => Some(propose(args, &first, best)?),
        Err(_) => None,
    };
    if let Some(file) = &args.json {
        let why = verdict.as_ref().err();
        let value = json!({
            "days": days, "held_out": held_out, "in_force": to_json(&first),
            "trials": trials.iter().map(to_json).collect::<Vec<_>>(), "proposal": proposal.as_ref().map(|p| &p.0), "why_none": why,
        });
        report::write_json(&value, file)?;
    }
    if args.json.as_deref() != Some(Path::new("-")) {
        super::print(&match (&proposal, verdict) {
            (Some((_, words)), _) => words.clone(),
            (None, Err(why)) => format!("no proposal: {why}\n"),
            (None, Ok(_)) => String::new(),
        });
    }
    Ok(Exit::Ok)
}

fn failed(e: Trouble) -> Failure {
    let is_config = matches!(e, Trouble::Params(_) | Trouble::Settings(_) | Trouble::Journal { .. });
    Failure::with(if is_config { Exit::Config } else { Exit::Failure }, e)
}

/// The configuration with these parameters.
fn resolved(args: &Args, registry: &Registry, written: &Written, set: &Set) -> Result<Config, Failure> {
    let invalid =
        |e: &dyn std::fmt::Display| Failure::with(Exit::Config, format!("{}: {e}", args.config.display()));
    let mut written = written.clone();
    written.strategy.params.clear();
    written.strategy.params.extend(set.clone());
    let config =
        Config::resolve(written, &args.config, Secrets::Skip).map_err(|e| Failure::with(Exit::Config, e))?;
    let entry = registry.find(&config.strategy).ok_or_else(|| {
        invalid(&format!("`strategy.name` is {:?}; allowed: {}", config.strategy, registry.names()))
    })?;
    entry.check(&config).map_err(|e| invalid(&e))?;
    Ok(config)
}

/// What is in force in a running core.
fn in_force(name: &str, strategy: &str) -> Result<Set, Failure> {
    let answer = control::ask(name, Request::from(Command::Params)).map_err(Failure::new)?;
    if answer["ok"] != Value::Bool(true) {
        return Err(Failure::new(answer["error"].as_str().unwrap_or("the core refused without a reason")));
    }
    if answer["strategy"] != strategy {
        let runs = &answer["strategy"];
        return Err(Failure::new(format!(
            "core {name:?} runs {runs}, and the configuration is of {strategy:?}"
        )));
    }
    let mut set = Set::new();
    for p in answer["params"].as_array().into_iter().flatten() {
        let value = match &p["value"] {
            Value::Bool(on) => Some(toml::Value::Boolean(*on)),
            other => other.as_i64().map(toml::Value::Integer),
        };
        if let (Some(name), Some(value)) = (p["name"].as_str(), value) {
            set.insert(name.to_owned(), value);
        }
    }
    Ok(set)
}

/// The files of a folder that are market data by their names, the latest of them, oldest first.
fn latest(folder: &Path, count: usize) -> Result<Vec<PathBuf>, Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", folder.display()));
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let plain = name.trim_end_matches(".gz").trim_end_matches(".zst");
        if [".itch", ".pcap", ".pcapng", ".dbn"].iter().any(|end| plain.ends_with(end))
            && !name.contains(".snapshot-")
        {
            let changed = path.metadata().and_then(|m| m.modified()).map_err(failed)?;
            found.push((changed, path));
        }
    }
    found.sort();
    let days: Vec<_> = found.split_off(found.len().saturating_sub(count)).into_iter().map(|f| f.1).collect();
    if days.is_empty() {
        return Err(Failure::new(format!("{}: no recorded day is there", folder.display())));
    }
    Ok(days)
}

fn to_json(t: &Trial) -> Value {
    let pnl: Vec<f64> = t.pnl.iter().map(|p| *p as f64 / 10_000.0).collect();
    json!({"params": t.set, "pnl": pnl, "total": pnl.iter().sum::<f64>()})
}

/// Hands the best set over: to the core, or in words.
fn propose(args: &Args, first: &Trial, best: &Trial) -> Result<(Value, String), Failure> {
    let usd = |t: &Trial| t.pnl.iter().sum::<i64>() as f64 / 10_000.0;
    let (old, new, days) = (usd(first), usd(best), first.pnl.len());
    let reason = format!("recalibration over {days} days: {new:.2} USD instead of {old:.2}");
    let changed: Vec<_> =
        best.set.iter().filter(|(name, value)| first.set.get(*name) != Some(value)).collect();
    let values: Vec<String> = changed.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let Some(name) = &args.name else {
        let values = values.join(" ");
        let words =
            format!("{reason}\n  colo ctl --name NAME params propose {values} --reason \"recalibration\"\n");
        return Ok((json!({"params": best.set, "reason": reason, "id": null}), words));
    };
    let mut request = Request {
        operator: Some("recalibrate".into()),
        reason: Some(reason.clone()),
        ..Command::ParamsPropose.into()
    };
    for (name, value) in changed {
        request.params.insert(name.clone(), json!(value));
    }
    let answer = control::ask(name, request).map_err(Failure::new)?;
    if answer["ok"] != Value::Bool(true) {
        return Err(Failure::new(answer["error"].as_str().unwrap_or("the core refused without a reason")));
    }
    let id = &answer["proposal"];
    let words = format!(
        "{reason}\nproposal {id}: {}\nnot in force: colo ctl --name {name} params apply {id} --operator WHO --reason TEXT\n",
        values.join(" ")
    );
    Ok((json!({"params": best.set, "reason": reason, "id": id}), words))
}
