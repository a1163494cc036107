//! `colo search`: parameters over days that are over.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use backtest::search::propose::Method;
use backtest::search::space::Space;
use backtest::search::split::Splits;
use clap::ValueEnum;
use engine::strategy::ParamValue;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::out::{self, Out, Stop};
use super::{Exit, Failure, Outcome, Registry, live};
use crate::config::{Config, Secrets, Written, read_toml};
use crate::research::search::{
    Driver, Found, Objective, Params, Plan, Record, Search, Stopped, TrialLine, Window, from_file, from_words,
};

/// Parameters of a strategy over history: found on some days, judged on others, and over everything that was tried.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo search --config colo.toml --data 20120621.itch --grid quantity=100:1000:100 --record trials.jsonl
  colo search --config colo.toml --data d1.itch --data d2.itch ... --space space.toml --method tpe --trials 200 --walk-forward 20:5:1 --json -

A space is a TOML file with a table for each parameter: low, high, step and log, or choice = [...]. With --walk-forward or --folds, parameters are chosen on the days in sample, and the
figures are of the days out of sample alone. Every run of a day goes to the record: a search that was broken off goes on from there, and the best is judged among all that was tried
(deflated Sharpe ratio, White's reality check). The same seed and record give the same, whatever the threads. For a search over many machines see docs/backtest.md.

Exit code 3: the configuration, the space or a parameter is invalid. Exit code 1: a file cannot be read to its end.")]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A day; as often as there are days, in their order
    #[arg(long, value_name = "FILE", required = true)]
    pub data: Vec<PathBuf>,
    /// The space of parameters
    #[arg(long, value_name = "FILE.toml", conflicts_with = "grid", required_unless_present = "grid")]
    pub space: Option<PathBuf>,
    /// A parameter of the space: NAME=LOW:HIGH[:STEP], or NAME=VALUE,VALUE,...
    #[arg(long, value_name = "K=A:B:STEP")]
    pub grid: Vec<String>,
    /// How parameters are found
    #[arg(long, value_enum, default_value_t = By::Grid)]
    pub method: By,
    /// Sets of parameters at most, in each window
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub trials: u64,
    /// Of chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What is to be large
    #[arg(long, value_enum, default_value_t = Large::Sharpe)]
    pub objective: Large,
    /// Windows of days: chosen on so many, judged on the next, with days between them that belong to neither
    #[arg(long, value_name = "IS:OOS[:PURGE]", conflicts_with = "folds")]
    pub walk_forward: Option<String>,
    /// Purged folds: each judged once, chosen on the others without the days beside it
    #[arg(long, value_name = "N[:PURGE[:EMBARGO]]")]
    pub folds: Option<String>,
    /// Runs at once; all cores where absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    pub threads: Option<u64>,
    /// Where every run and trial is kept, a line of JSON each; appended to
    #[arg(long, value_name = "FILE.jsonl")]
    pub record: Option<PathBuf>,
    /// Write what was found as JSON ("-" is stdout)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// How parameters are found.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Every one in turn
    Grid,
    /// By chance
    Random,
    /// Tree-structured Parzen estimator (Bergstra et al. 2011)
    Tpe,
}

/// What is to be large.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// Sharpe ratio
    Sharpe,
    /// Sortino ratio
    Sortino,
    /// Calmar ratio
    Calmar,
    /// P&L after fees
    Pnl,
}

/// Runs the command, with the strategies of this binary.
///
/// # Errors
/// An invalid configuration or space (3), a file that cannot be read or written (1).
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    out::outcome(search(args, registry))
}

pub(super) fn invalid(e: impl std::fmt::Display) -> Failure {
    Failure::with(Exit::Config, e)
}

fn search(args: &Args, registry: &Registry) -> Result<Exit, Stop> {
    let space = match &args.space {
        Some(file) => from_file(file).map_err(|e| invalid(format!("{}: {e}", file.display())))?,
        None => from_words(&args.grid).map_err(|e| Failure::with(Exit::Usage, format!("--grid {e}")))?,
    };
    let splits = splits(args)?;
    let written: Written = read_toml(&args.config).map_err(invalid)?;
    let with = |params: &Params| configured(&written, &args.config, params);
    let first: Params = space.values(&space.point(0)).map(|(k, v)| (k.to_owned(), v)).collect();
    let config = with(&first).map_err(invalid)?;
    let at = args.config.display();
    let entry = registry.find(&config.strategy).ok_or_else(|| {
        invalid(format!("{at}: `strategy.name` is {:?}; allowed: {}", config.strategy, registry.names()))
    })?;
    let with = |params: &Params| -> Result<Config, Stopped> {
        let config = with(params)?;
        entry.check(&config).map_err(|e| Stopped::Config(e.to_string()))?;
        Ok(config)
    };
    let json = args.json.as_deref().map(|p| Out::create(p, &[])).transpose()?;
    let base = base(&written, &space, &config)?;
    let mut record = match &args.record {
        Some(file) => Record::open(file, &base),
        None => Record::in_memory(&base),
    }
    .map_err(Failure::new)?;
    let plan = Plan {
        space: &space,
        method: match args.method {
            By::Grid => Method::Grid,
            By::Random => Method::Random,
            By::Tpe => Method::Tpe,
        },
        trials: usize::try_from(space.size().unwrap_or(u64::MAX).min(args.trials)).unwrap_or(usize::MAX),
        seed: args.seed,
        objective: match args.objective {
            Large::Sharpe => Objective::Sharpe,
            Large::Sortino => Objective::Sortino,
            Large::Calmar => Objective::Calmar,
            Large::Pnl => Objective::Pnl,
        },
        splits,
        data: &args.data,
        threads: args
            .threads
            .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |n| n as usize),
    };
    if args.method == By::Grid && space.size().is_none_or(|n| n > args.trials) {
        super::warn(&format!(
            "the space has more than --trials {} points: the rest is not tried",
            args.trials
        ));
    }
    let bar = progress(&plan);
    let done = || bar.inc(1);
    let best = std::cell::Cell::new(f64::NEG_INFINITY);
    let tried = |line: &TrialLine| {
        if line.number == 0 {
            best.set(f64::NEG_INFINITY);
        }
        if line.value.is_some_and(|v| v > best.get()) {
            best.set(line.value.unwrap_or(best.get()));
            let words = format!("window {} trial {}: {}", line.window, line.number, shown(line));
            if bar.is_hidden() { live::say(&words) } else { bar.set_message(words) }
        }
    };
    let run = |job: &crate::research::Job<'_>| entry.backtest(job);
    let driver = Driver { config: &with, run: &run, done: &done, tried: &tried };
    let found = Search::new(&plan, &driver, &mut record).run();
    bar.finish_and_clear();
    let found = found.map_err(failure)?;
    if let Some(mut out) = json {
        let mut all = serde_json::to_value(&found).map_err(Failure::new)?;
        all["strategy"] = json!(config.strategy);
        all["method"] = json!(format!("{:?}", args.method).to_lowercase());
        all["seed"] = json!(args.seed);
        all["objective"] = json!(plan.objective);
        all["space_size"] = json!(space.size());
        out.write(format_args!("{all}\n"))?;
        out.flush()?;
    }
    if !args.json.as_deref().is_some_and(out::is_stdout) {
        let mut out = Out::stdout();
        out.write(format_args!("{}", text(&found, plan.objective)))?;
        out.flush()?;
    }
    Ok(Exit::Ok)
}

fn splits(args: &Args) -> Result<Option<Vec<backtest::search::split::Split>>, Failure> {
    let usage = |e| Failure::with(Exit::Usage, e);
    let splits = match (&args.walk_forward, &args.folds) {
        (Some(text), _) => Splits::walk_forward(text).map_err(usage)?,
        (None, Some(text)) => Splits::folds(text).map_err(usage)?,
        (None, None) => return Ok(None),
    };
    splits.of(args.data.len()).map(Some).map_err(usage)
}

/// The configuration with these parameters in it.
pub(super) fn configured(written: &Written, file: &Path, params: &Params) -> Result<Config, Stopped> {
    let mut written = written.clone();
    for (name, value) in params {
        let value = match value {
            ParamValue::Int(n) => toml::Value::Integer(*n),
            ParamValue::Bool(b) => toml::Value::Boolean(*b),
            ParamValue::Text(s) => toml::Value::String(s.clone()),
        };
        written.strategy.params.insert(name.clone(), value);
    }
    Config::resolve(written, file, Secrets::Skip).map_err(|e| Stopped::Config(e.to_string()))
}

/// The configuration without what is searched, and latencies as they were read: the file that they are of may be another tomorrow.
///
/// # Errors
/// A journal or a histogram of a latency cannot be read.
pub(super) fn base(written: &Written, space: &Space, config: &Config) -> Result<String, Failure> {
    let mut written = written.clone();
    space.dimensions().iter().for_each(|d| drop(written.strategy.params.remove(&d.name)));
    let latency = crate::research::latency(config).map_err(super::backtest::failure)?;
    Ok(format!("{}{latency:?}", toml::to_string(&written).unwrap_or_default()))
}

fn progress(plan: &Plan<'_>) -> ProgressBar {
    let all: usize = match &plan.splits {
        None => plan.trials * plan.data.len(),
        Some(splits) => splits.iter().map(|s| plan.trials * s.chosen_on.len() + s.judged_on.len()).sum(),
    };
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{bar:24} {pos} of at most {len} days, {eta} left  {wide_msg}");
    ProgressBar::with_draw_target(Some(all as u64), target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

pub(super) fn failure(e: Stopped) -> Failure {
    match e {
        Stopped::Config(_) => invalid(e),
        Stopped::Day(e) => super::backtest::failure(e),
        Stopped::Record(_) => Failure::new(e),
    }
}

fn shown(line: &TrialLine) -> String {
    let objective = format!("{:?}", line.objective).to_lowercase();
    let value = line.value.map_or("-".into(), |v| format!("{v:.4}"));
    format!("{objective} {value}, P&L {:.2}, {}", line.pnl, words(&line.params))
}

fn words(params: &crate::research::search::Shown) -> String {
    params.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
}

fn text(found: &Found, objective: Objective) -> String {
    let number = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
    let objective = format!("{objective:?}").to_lowercase();
    let mut t = format!(
        "{} trial(s); {} days run, {} taken from the record\n",
        found.trials, found.runs, found.from_record
    );
    // Writing to a string does not fail.
    let mut window = |name: &str, w: &Window| {
        let _ = writeln!(t, "{name}: {}", words(&w.params));
        let _ = writeln!(
            t,
            "  {:<24}{} over {} day(s)",
            format!("{objective} in sample"),
            number(w.in_sample),
            w.chosen_on.len()
        );
        if !w.judged_on.is_empty() {
            let _ = writeln!(
                t,
                "  {:<24}{} over {} day(s), P&L {:.2} USD",
                format!("{objective} out of sample"),
                number(w.out_of_sample),
                w.judged_on.len(),
                w.pnl
            );
        }
        let v = &w.verdict;
        let _ = writeln!(
            t,
            "  {:<24}deflated Sharpe {}, reality check p = {}, of {} tried over {} minutes",
            "the best of many",
            number(v.deflated_sharpe),
            number(v.reality_check_p),
            v.trials,
            v.periods
        );
    };
    if let Some(best) = &found.best {
        window("best, in sample", best);
    }
    for (k, w) in found.windows.iter().enumerate() {
        window(&format!("window {k}"), w);
    }
    if let (Some(f), Some(pnl)) = (&found.out_of_sample, found.out_of_sample_pnl) {
        let _ = writeln!(
            t,
            "out of sample alone: P&L {pnl:.2} USD, Sharpe {}, Sortino {}, max drawdown {}",
            number(f.sharpe),
            number(f.sortino),
            number(f.max_drawdown)
        );
    }
    t
}
