//! `colo sim`: the core, its venue and everything between them in virtual time, with everything going wrong, by seed.

use std::path::PathBuf;
use std::time::Instant;

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use super::{Exit, Failure, Outcome, live, report};
use crate::host;
use crate::sim::{self, Canary, Fault, Figures, Order, SimError};

/// Simulates the core by seed and fails on the first invariant that does not hold.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colo sim --seeds 1000
  colo sim --seed 4711 --events 200000

A failure names seed, step and invariant; `--seed` with that number and the same `--events` shows it again. Exit code 1 then.")]
pub struct Args {
    /// How many seeds; with --seed and without this, that one alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Inputs of the engine in each seed, at least
    #[arg(long, value_name = "M", default_value_t = 200_000)]
    events: u64,
    /// Threads, each with seeds of its own; as many as there are cores where absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Break the core on purpose in this way, to see that it is caught
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Canary::ALL.map(Canary::name)))]
    canary: Option<String>,
    /// Write the figures as JSON ("-" is stdout)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Seeds without a word about them.
const SEEDS: u64 = 100;

/// Runs the command.
///
/// # Errors
/// An invariant that does not hold; what the host refuses.
pub fn run(args: &Args) -> Outcome {
    if let Some(file) = &args.json {
        report::check_folder(file)?;
    }
    let threads = args.threads.map_or_else(host::available_core_count, usize::from);
    let seeds = args.seeds.unwrap_or(if args.seed.is_some() { 1 } else { SEEDS });
    let order = Order {
        first: args.seed.unwrap_or(1),
        seeds,
        events: args.events,
        threads: usize::try_from(seeds).map_or(threads, |seeds| threads.min(seeds)),
        canary: args.canary.as_deref().and_then(Canary::named),
    };
    let began = Instant::now();
    let outcome = sim::run(&order);
    let seconds = began.elapsed().as_secs_f64();
    if let Some(file) = &args.json {
        report::write_json(&as_json(&order, &outcome, seconds), file)?;
    }
    match outcome {
        Ok(figures) => {
            let line = line(&order, &figures, seconds);
            // Figures are data; where stdout has the JSON they go to the person.
            match args.json.as_deref().is_some_and(|f| f.as_os_str() == "-") {
                true => live::say(&line),
                false => super::print(&format!("{line}\n")),
            }
            Ok(Exit::Ok)
        }
        Err(SimError::Failed(failure)) => {
            let canary = order.canary.map_or(String::new(), |c| format!(" --canary {}", c.name()));
            let again = format!("colo sim --seed {} --events {}{canary}", failure.seed, order.events);
            Err(Failure::new(format!("sim: {failure}\nagain: {again}")))
        }
        Err(e) => Err(Failure::new(format!("sim: {e}"))),
    }
}

/// Time that this process has had on a core, seconds; `None` where the host does not say.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may hold anything, the twelfth and the thirteenth: hundredths of a second in user and in kernel mode (proc(5)).
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some((next()? + next()?) as f64 / 100.0)
}

/// Inputs in a second of one core, whoever else is on it: seeds that were run twice count twice.
fn rate(figures: &Figures, order: &Order, seconds: f64) -> f64 {
    let events = figures.events + figures.events / figures.seeds.max(1) * figures.twins;
    let on_cores = cpu_seconds().unwrap_or(seconds * order.threads as f64);
    events as f64 / on_cores.max(0.01)
}

fn line(order: &Order, figures: &Figures, seconds: f64) -> String {
    let rate = rate(figures, order, seconds);
    format!("sim: events_per_s_and_core={rate:.0} threads={} seconds={seconds:.1} {figures}", order.threads)
}

fn as_json(order: &Order, outcome: &Result<Figures, SimError>, seconds: f64) -> Value {
    match outcome {
        Ok(f) => {
            let faults: serde_json::Map<_, _> =
                Fault::ALL.into_iter().map(|fault| (fault.name(), f.faults.of(fault).into())).collect();
            json!({
                "ok": true, "first_seed": order.first, "seeds": f.seeds, "events": f.events, "seconds": seconds,
                "threads": order.threads, "events_per_s_and_core": rate(f, order, seconds), "steps": f.steps,
                "orders": f.orders, "replaces": f.replaces, "cancels": f.cancels, "fills": f.fills,
                "restarts": f.restarts, "replays": f.replays, "barriers": f.barriers, "calms": f.calms,
                "books_compared": f.compared, "whole_books_compared": f.whole, "throttle_full": f.full, "cancels_passed": f.passed, "reducing": f.reducing, "measured": f.measured, "stopped": f.stopped,
                "run_twice": f.twins, "faults": faults,
            })
        }
        Err(SimError::Failed(f)) => json!({
            "ok": false, "seed": f.seed, "step": f.step, "events_per_seed": order.events,
            "invariant": f.violation.invariant.to_string(), "found": f.violation.found,
        }),
        Err(e) => json!({ "ok": false, "error": e.to_string() }),
    }
}
