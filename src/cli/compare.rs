//! `colo compare`: two runs over one day, live, paper or backtest, and why they differ.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::out::{self, Out, Stop};
use super::{Exit, Failure, Outcome, journal};
use crate::compare::{Alone, Comparison, Parting, compare};
use crate::config::{Config, Secrets};
use crate::journal::{Record, RunDir};

/// Decisions told one by one, of each run.
const TOLD: usize = 20;

/// Two runs over one day: where their decisions part, and what the difference in money comes from.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  colo compare journal/desk1/run-000007 journal/again
  colo backtest --config colo.toml --data journal/desk1/run-000007 --journal journal/again && colo compare journal/desk1/run-000007 journal/again --json -

Each is a run's folder, or a folder of runs (the last one): of `colo run` in any mode, or of `colo backtest --journal`. Both need their captures.
A - B is given in parts that add up to it exactly: data (what one of both did not hear), latency (the same order, that came elsewhere among the market's events), queue (the same
order at the same place, with other fills), fees, and the rest (orders that only one of both sent on the same data).

Exit code 5: both were given the same, and decided differently.")]
pub struct Args {
    /// The one.
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The other.
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Write everything as JSON ("-" is stdout)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or written (1); the same inputs with other decisions are exit code 5.
pub fn run(args: &Args) -> Outcome {
    out::outcome(compared(args))
}

fn compared(args: &Args) -> Result<Exit, Stop> {
    for dir in [&args.a, &args.b] {
        if !dir.is_dir() {
            return Err(Failure::new(format!("{}: there is no such folder", dir.display())).into());
        }
    }
    let json = args.json.as_deref().map(|p| Out::create(p, &[])).transpose()?;
    let found = compare(&args.a, &args.b).map_err(Failure::new)?;
    let config = |dir: &PathBuf| {
        Config::load(&RunDir::find(dir).join("config.toml"), Secrets::Skip).map_err(Failure::new)
    };
    let configs = [config(&args.a)?, config(&args.b)?];
    if let Some(mut out) = json {
        out.write(format_args!("{}\n", as_json(args, &found, &configs)))?;
        out.flush()?;
    }
    if !args.json.as_deref().is_some_and(out::is_stdout) {
        let mut out = Out::stdout();
        out.write(format_args!("{}", as_text(args, &found, &configs)))?;
        out.flush()?;
    }
    Ok(if found.is_broken() { Exit::Difference } else { Exit::Ok })
}

fn shown(at: Option<(u64, Record)>, config: &Config) -> Option<String> {
    at.map(|(index, record)| format!("record {index}: {}", journal::shown(&record, config)))
}

/// Where the two part, in words: what, in A, in B.
fn parting(found: &Comparison, configs: &[Config; 2]) -> (&'static str, Option<String>, Option<String>) {
    match found.lockstep.parting {
        Parting::Nowhere => ("nowhere", None, None),
        Parting::Input { a, b } => ("an input", shown(Some(a), &configs[0]), shown(Some(b), &configs[1])),
        Parting::Decision { a, b, .. } => ("a decision", shown(a, &configs[0]), shown(b, &configs[1])),
    }
}

fn as_json(args: &Args, found: &Comparison, configs: &[Config; 2]) -> Value {
    let (what, a, b) = parting(found, configs);
    let cause = match found.lockstep.parting {
        Parting::Decision { cause, .. } => cause.map(|c| journal::shown(&c, &configs[0])),
        Parting::Nowhere | Parting::Input { .. } => None,
    };
    let money = |v: i128| i64::try_from(v).map_or_else(|_| json!(v.to_string()), |v| json!(v));
    let alone = |k: usize| {
        let told = found.alone[k].iter().map(|d| {
            json!({
                "record": d.index, "is_orphan": d.is_orphan,
                "command": journal::shown(&Record::Command(d.command), &configs[k]),
                "cause": journal::shown(&d.cause, &configs[k]),
            })
        });
        told.collect::<Vec<_>>()
    };
    let exact = found.pairs.iter().filter(|p| p.is_exact).count();
    let (p, e) = (&found.parts, &found.events);
    json!({
        "a": RunDir::find(&args.a).display().to_string(),
        "b": RunDir::find(&args.b).display().to_string(),
        "same_settings": found.same_settings,
        "ok": !found.is_broken(),
        "lockstep": {
            "inputs": found.lockstep.inputs, "commands": found.lockstep.commands,
            "parts_at": what, "a": a, "b": b, "cause": cause,
        },
        "market_events": { "both": e.both, "only_a": e.only_a, "only_b": e.only_b, "other": e.other },
        "commands": { "a": found.commands[0], "b": found.commands[1] },
        "orders": {
            "same": exact, "moved": found.pairs.len() - exact,
            "only_a": found.alone[0].len(), "only_b": found.alone[1].len(),
        },
        "only_a": alone(0), "only_b": alone(1),
        "money_micro_usd": {
            "a": money(found.net[0]), "b": money(found.net[1]), "difference": money(found.net[0] - found.net[1]),
            "data": money(p.data), "latency": money(p.latency), "queue": money(p.queue), "fees": money(p.fees),
            "rest": money(p.rest),
        },
    })
}

fn as_text(args: &Args, found: &Comparison, configs: &[Config; 2]) -> String {
    use std::fmt::Write as _;
    let mut t = format!("A {}\nB {}\n", RunDir::find(&args.a).display(), RunDir::find(&args.b).display());
    let mut line = |name: &str, value: String| {
        let _ = writeln!(t, "  {name:<12}{value}");
    };
    if !found.same_settings {
        line("settings", "strategy, parameters or limits differ".into());
    }
    let (what, a, b) = parting(found, configs);
    let l = &found.lockstep;
    line("the same", format!("{} inputs and {} commands, then {what}", l.inputs, l.commands));
    for (name, at) in [("  A has", a), ("  B has", b)] {
        if what != "nowhere" {
            line(name, at.unwrap_or_else(|| "nothing there".into()));
        }
    }
    let e = &found.events;
    line(
        "market",
        format!(
            "{} events of both, {} of A alone, {} of B alone, {} not the same",
            e.both, e.only_a, e.only_b, e.other
        ),
    );
    let exact = found.pairs.iter().filter(|p| p.is_exact).count();
    let moved = found.pairs.len() - exact;
    let [of_a, of_b] = &found.alone;
    line(
        "orders",
        format!(
            "{exact} the same, {moved} the same at another moment, {} of A alone, {} of B alone",
            of_a.len(),
            of_b.len()
        ),
    );
    for (name, alone, config) in [("A alone", of_a, &configs[0]), ("B alone", of_b, &configs[1])] {
        for d in alone.iter().take(TOLD) {
            line(&format!("  {name}"), told(d, config));
        }
        if alone.len() > TOLD {
            line(&format!("  {name}"), format!("and {} more (--json has all)", alone.len() - TOLD));
        }
    }
    let usd = |v: i128| format!("{:>18.6} USD", v as f64 / 1e6);
    let p = &found.parts;
    line("money", format!("A {:.6}, B {:.6} USD", found.net[0] as f64 / 1e6, found.net[1] as f64 / 1e6));
    for (name, v) in [
        ("  A - B", found.net[0] - found.net[1]),
        ("  data", p.data),
        ("  latency", p.latency),
        ("  queue", p.queue),
        ("  fees", p.fees),
        ("  rest", p.rest),
    ] {
        line(name, usd(v));
    }
    if found.is_broken() {
        line("BROKEN", "both were given the same, and decided differently".into());
    }
    t
}

fn told(d: &Alone, config: &Config) -> String {
    let orphan = if d.is_orphan { ", which the other did not hear" } else { "" };
    let command = journal::shown(&Record::Command(d.command), config);
    format!("record {}: {command}  of  {}{orphan}", d.index, journal::shown(&d.cause, config))
}
