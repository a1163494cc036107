//! `colo latency`: what this host makes of the core.

use std::path::{Path, PathBuf};

use super::{Exit, Failure, Outcome, live, report};
use crate::host;
use crate::latency::{self, Effort, Row};

/// Measures this host: stages, ring and loopback wire, each beside its floor and timed from when it was due.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  colo latency\n  colo latency --short --json latency.json")]
pub struct Args {
    /// A look in passing: some seconds, tails that mean little.
    #[arg(long)]
    short: bool,
    /// Writes the rows as a JSON list to this file, `-` for stdout.
    #[arg(long)]
    json: Option<PathBuf>,
}

const LONG: Effort = Effort { operations: 500_000, datagrams: 20_000 };
const SHORT: Effort = Effort { operations: 20_000, datagrams: 500 };

/// Measures and prints.
///
/// # Errors
/// What could not be measured, in a sentence.
pub fn run(args: &Args) -> Outcome {
    if let Some(file) = &args.json {
        report::check_folder(file)?;
    }
    if cfg!(debug_assertions) {
        live::say(
            "latency: this is a build for debugging, its figures say nothing of the core: cargo run --release",
        );
    }
    let effort = if args.short { SHORT } else { LONG };
    let rows = latency::run(effort, |what| live::say(&format!("latency: {what}"))).map_err(Failure::new)?;
    if let Some(file) = &args.json {
        report::write_json(&serde_json::to_value(&rows).map_err(Failure::new)?, file)?;
    }
    if args.json.as_deref() != Some(Path::new("-")) {
        super::print(&text(&rows));
    }
    Ok(Exit::Ok)
}

/// The host, as far as figures hang on it.
fn host_line() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, {} core(s) for us, Linux {}, load {}",
        model.trim_start_matches([' ', '\t', ':']),
        host::available_core_count(),
        kernel.trim(),
        load.split(' ').next().unwrap_or("?")
    )
}

fn text(rows: &[Row]) -> String {
    let mut out = format!("{}\n\n", host_line());
    out.push_str(&format!(
        "{:<17} {:>9} {:>9} {:>9} {:>10} {:>10} {:>9} {:>9}\n",
        "ns", "p50", "p99", "p99.9", "max", "floor p50", "p50/floor", "n"
    ));
    for r in rows {
        out.push_str(&format!(
            "{:<17} {:>9} {:>9} {:>9} {:>10} {:>10} {:>9.2} {:>9}\n",
            r.name, r.p50, r.p99, r.p999, r.max, r.floor_p50, r.ratio_p50, r.n
        ));
    }
    out.push_str("\nFrom when each was due, one look at the clock included, in the floor too. `colo doctor` says what holds this host back.\n");
    if host::available_core_count() < 2 {
        out.push_str("The ring and the wire want two cores at least, and this process may use one.\n");
    }
    out
}
