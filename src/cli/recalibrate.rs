//! `colo recalibrate`: a small grid of parameters over the latest days, which ends in a proposal to the running core or in none. It applies nothing: that is a person's word.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use backtest::search::bar::Bar;
use backtest::search::judge::Verdict as Judged;
use backtest::search::propose::Method;
use backtest::search::space::Space;
use backtest::search::split::Splits;
use model::Usd;
use serde_json::{Value, json};

use super::{Exit, Failure, Outcome, Registry, live, report, search};
use crate::config::{Config, Written, read_toml};
use crate::control::{self, Command, Request};
use crate::research::Job;
use crate::research::search::{
    DayResult, Driver, Objective, Params, Plan, Record, Search, Stopped, TrialLine, from_words, params,
    shown, value,
};

/// Tries other parameters on the latest days, and proposes the best where it is worth it. Changes nothing.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo recalibrate --config colo.toml --data 20260105.itch --data 20260106.itch --grid quantity=50,100,200
  colo recalibrate --name desk1 --config colo.toml --folder captures --latest 5 --grid quantity=50,100 --grid edge_ticks=0,1,2

With --name it begins from what is in force in that core and ends in `ctl params propose` there; an operator looks at it and applies it, or drops it. Without, it begins from the configuration and prints the
proposal. The grid is searched as `colo search` searches one: the best set is chosen by all but the last days (--hold-out), which it alone is run on, and is proposed where it is also better on those, on more than
half of all days, and by more than --margin percent in all. --json has what it is worth among all that were tried (`judged`: deflated Sharpe ratio, White's reality check).
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
    /// A parameter and the values to try: NAME=VALUE,VALUE,.. or NAME=LOW:HIGH[:STEP]
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

/// Sets of one grid at most.
const POINTS_MAX: u64 = 1_024;

/// A set of parameters and what it made of the days that it was run on, 1e-4 USD after fees.
struct Trial {
    set: Params,
    pnl: Vec<Usd>,
}

/// Runs it.
///
/// # Errors
/// A grid that is none (2), an invalid configuration or set (3), days that cannot be read or a core that does not answer (1).
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    let usage = |e: String| Failure::with(Exit::Usage, e);
    let space = from_words(&args.grid).map_err(|e| usage(format!("--grid {e}")))?;
    if space.size().is_none_or(|n| n > POINTS_MAX) {
        return Err(usage(format!("more than {POINTS_MAX} sets: make the grid smaller")));
    }
    let mut written: Written = read_toml(&args.config).map_err(search::invalid)?;
    if let Some(file) = &args.json {
        report::check_folder(file)?;
    }
    let days = match &args.folder {
        Some(folder) => latest(folder, args.latest as usize)?,
        None => args.data.clone(),
    };
    if let Some(name) = &args.name {
        written.strategy.params = in_force(name, &written.strategy.name)?;
    }
    let found = tried(args, registry, &written, &space, &days)?;
    let proposal = match &found.verdict {
        Ok(()) => Some(propose(args, &found)?),
        Err(_) => None,
    };
    if let Some(file) = &args.json {
        let whole = |t: &Trial| to_json(&written, t);
        let value = json!({
            "days": days, "held_out": found.held_out, "in_force": whole(&found.in_force),
            "trials": found.trials.iter().map(whole).collect::<Vec<_>>(), "judged": found.judged,
            "proposal": proposal.as_ref().map(|p| &p.0), "why_none": found.verdict.as_ref().err(),
        });
        report::write_json(&value, file)?;
    }
    if args.json.as_deref() != Some(Path::new("-")) {
        super::print(&match (&proposal, found.verdict) {
            (Some((_, words)), _) => words.clone(),
            (None, Err(why)) => format!("no proposal: {why}\n"),
            (None, Ok(())) => String::new(),
        });
    }
    Ok(Exit::Ok)
}

/// What the grid came to.
struct Tried {
    held_out: usize,
    in_force: Trial,
    /// Each on the days that chose; the best of them on all.
    trials: Vec<Trial>,
    best: Params,
    /// What the best is worth among all that were tried.
    judged: Option<Judged>,
    /// Whether it is worth a proposal, or why not.
    verdict: Result<(), String>,
}

/// Searches the grid: the best of the first days, judged on the rest.
fn tried(
    args: &Args,
    registry: &Registry,
    written: &Written,
    space: &Space,
    days: &[PathBuf],
) -> Result<Tried, Failure> {
    // What is in force, of the parameters that are searched.
    let set = space
        .dimensions()
        .iter()
        .filter_map(|d| Some((d.name.clone(), value(written.strategy.params.get(&d.name)?.clone())?)));
    let in_force: Params = set.collect();
    let with = |params: &Params| search::configured(written, &args.config, params);
    let config = with(&in_force).map_err(search::failure)?;
    let at = args.config.display();
    let entry = registry.find(&config.strategy).ok_or_else(|| {
        let (found, known) = (&config.strategy, registry.names());
        search::invalid(format!("{at}: `strategy.name` is {found:?}; allowed: {known}"))
    })?;
    let with = |params: &Params| -> Result<Config, Stopped> {
        let config = with(params)?;
        entry.check(&config).map_err(|e| Stopped::Config(format!("{at}: {e}")))?;
        Ok(config)
    };
    let size = space.size().unwrap_or(POINTS_MAX);
    let sets: Vec<Params> = (0..size).map(|n| params(space, &space.point(n))).collect();
    // Every set is checked before the first is run.
    [&in_force].into_iter().chain(&sets).try_for_each(|set| with(set).map(drop)).map_err(search::failure)?;
    let held_out = args.hold_out.unwrap_or(days.len() / 3).min(days.len() - 1);
    let chosen_on = days.len() - held_out;
    let splits = Splits::WalkForward { chosen: chosen_on, judged: held_out, purge: 0 };
    let plan = Plan {
        space,
        method: Method::Grid,
        trials: sets.len(),
        seed: 1,
        objective: Objective::Pnl,
        splits: (held_out > 0).then(|| splits.of(days.len())).transpose().map_err(Failure::new)?,
        data: days,
        threads: args
            .threads
            .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |n| n as usize),
    };
    let done = |line: &TrialLine| {
        live::say(&format!("{} of {} sets over {} days", line.number + 1, plan.trials, line.days));
    };
    let run = |job: &Job<'_>| entry.backtest(job);
    let driver = Driver { config: &with, run: &run, done: &|| {}, tried: &done };
    let mut record = Record::in_memory(&search::base(written, space, &config)?).map_err(Failure::new)?;
    let all: Vec<usize> = (0..days.len()).collect();
    let pnl = |results: Vec<DayResult>| results.iter().map(|d| Usd(d.pnl_e4)).collect::<Vec<_>>();
    let mut first = Search::new(&plan, &driver, &mut record);
    let before = pnl(first.results(&in_force, &all).map_err(search::failure)?);
    let in_force = Trial { set: in_force, pnl: before };
    if sets.iter().all(|set| *set == in_force.set) {
        let (best, verdict) = (in_force.set.clone(), Err("the grid has no set but the one in force".into()));
        return Ok(Tried { held_out, in_force, trials: Vec::new(), best, judged: None, verdict });
    }
    let found = Search::new(&plan, &driver, &mut record).run().map_err(search::failure)?;
    let window = found.best.as_ref().or(found.windows.first());
    let is_best = |set: &&Params| window.is_some_and(|w| w.params == shown(set));
    let best = sets.iter().find(is_best).cloned().unwrap_or_else(|| in_force.set.clone());
    let mut again = Search::new(&plan, &driver, &mut record);
    let mut trial = |set: &Params| {
        let days = if *set == best { &all[..] } else { &all[..chosen_on] };
        Ok(Trial { set: set.clone(), pnl: pnl(again.results(set, days)?) })
    };
    let trials = sets.iter().filter(|set| **set != in_force.set).map(&mut trial);
    let trials = trials.collect::<Result<Vec<_>, _>>().map_err(search::failure)?;
    let made = trial(&best).map_err(search::failure)?.pnl;
    let bar = Bar { chosen_on, margin_percent: args.margin };
    let verdict = bar.cleared(&in_force.pnl, &made).map_err(|why| why.to_string());
    Ok(Tried { held_out, in_force, trials, best, judged: window.map(|w| w.verdict), verdict })
}

/// What is in force in a running core.
fn in_force(name: &str, strategy: &str) -> Result<BTreeMap<String, toml::Value>, Failure> {
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
    let mut set = BTreeMap::new();
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

fn to_json(written: &Written, t: &Trial) -> Value {
    let pnl: Vec<f64> = t.pnl.iter().map(|p| p.0 as f64 / 10_000.0).collect();
    let mut params = json!(written.strategy.params);
    shown(&t.set).into_iter().for_each(|(name, value)| params[name] = value);
    json!({"params": params, "pnl": pnl, "total": pnl.iter().sum::<f64>()})
}

/// Hands the best set over: to the core, or in words.
fn propose(args: &Args, found: &Tried) -> Result<(Value, String), Failure> {
    let usd = |t: &Trial| t.pnl.iter().map(|p| p.0).sum::<i64>() as f64 / 10_000.0;
    let best = found.trials.iter().find(|t| t.set == found.best);
    let (old, new) = (usd(&found.in_force), best.map_or(0.0, usd));
    let days = found.in_force.pnl.len();
    let reason = format!("recalibration over {days} days: {new:.2} USD instead of {old:.2}");
    let before = shown(&found.in_force.set);
    let changed: Vec<_> =
        shown(&found.best).into_iter().filter(|(name, value)| before.get(name) != Some(value)).collect();
    let values: Vec<String> = changed.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let Some(name) = &args.name else {
        let values = values.join(" ");
        let words =
            format!("{reason}\n  colo ctl --name NAME params propose {values} --reason \"recalibration\"\n");
        return Ok((json!({"params": shown(&found.best), "reason": reason, "id": null}), words));
    };
    let mut request = Request {
        operator: Some("recalibrate".into()),
        reason: Some(reason.clone()),
        ..Command::ParamsPropose.into()
    };
    request.params.extend(changed);
    let answer = control::ask(name, request).map_err(Failure::new)?;
    if answer["ok"] != Value::Bool(true) {
        return Err(Failure::new(answer["error"].as_str().unwrap_or("the core refused without a reason")));
    }
    let id = &answer["proposal"];
    let words = format!(
        "{reason}\nproposal {id}: {}\nnot in force: colo ctl --name {name} params apply {id} --operator WHO --reason TEXT\n",
        values.join(" ")
    );
    Ok((json!({"params": shown(&found.best), "reason": reason, "id": id}), words))
}
