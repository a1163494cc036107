//! `colo fleet`: whether the servers of a fleet run the same.

use super::{Exit, Failure, Outcome};
use crate::release::fleet::{Compare, differences, read};

/// Compares what the servers of a fleet run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colo fleet check ny4-7=fleet/ny4-7/manifest.toml ny4-8=fleet/ny4-8/manifest.toml
  colo fleet check --programs fleet/*/journal/desk1

Exit code 4: they differ; who, and in what.")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Holds the manifests that runs left beside each other; exits 4 where one is not as the rest.
    Check {
        /// `PATH` or `NAME=PATH` of each server: a manifest, a run's folder, or a folder of runs, of which the last is taken.
        #[arg(required = true, num_args = 1..)]
        servers: Vec<String>,
        /// Compares programs alone, for servers whose configurations differ by address and core.
        #[arg(long)]
        programs: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Compares.
///
/// # Errors
/// They differ (4), or one cannot be read (1).
pub fn run(args: &Args) -> Outcome {
    let Verb::Check { servers, programs, json } = &args.verb;
    let read = |given: &String| read(given).map_err(|e| Failure::new(format!("{given}: {e}")));
    let fleet = servers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let compare = if *programs { Compare::Programs } else { Compare::Everything };
    let said = differences(&fleet, compare);
    if *json {
        let told = serde_json::json!({ "same": said.is_empty(), "servers": fleet, "differences": said });
        super::print(&format!("{told}\n"));
    } else if said.is_empty() {
        let ran = &fleet[0].ran;
        super::print(&format!("{} servers run the same program, {}\n", fleet.len(), ran.pair.binary_sha256));
    }
    match said.is_empty() {
        true => Ok(Exit::Ok),
        false => Err(Failure::with(Exit::Gate, said.join("\n"))),
    }
}
