//! `colo fleet`: whether the servers of a fleet run the same, and what they may come to together.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Exit, Failure, Outcome};
use crate::config::{Config, Secrets};
use crate::release::firm::{self, Share};
use crate::release::fleet::{Compare, differences, read};

/// Compares what the servers of a fleet run, and adds up what they may.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colo fleet check ny4-7=fleet/ny4-7/manifest.toml ny4-8=fleet/ny4-8/manifest.toml
  colo fleet check --programs fleet/*/journal/desk1
  colo fleet limits --firm firm.toml fleet/*/colo.toml

Exit code 4: they differ; who, and in what. Or they may come to more than the firm; in what.")]
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
    /// Adds up what the configurations let their cores come to; exits 4 where that is more than the firm's file allows, or where one has no such limit.
    Limits {
        /// The firm's limits.
        #[arg(long, value_name = "FILE")]
        firm: PathBuf,
        /// The configuration of each core.
        #[arg(required = true, num_args = 1.., value_name = "CONFIG")]
        cores: Vec<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Compares, or adds up.
///
/// # Errors
/// They differ or may come to too much (4), or one cannot be read (1; a configuration or the firm's file: 3).
pub fn run(args: &Args) -> Outcome {
    match &args.verb {
        Verb::Check { servers, programs, json } => check(servers, *programs, *json),
        Verb::Limits { firm, cores, json } => limits(firm, cores, *json),
    }
}

fn limits(firm: &Path, cores: &[PathBuf], json: bool) -> Outcome {
    let firm = firm::read(firm).map_err(|e| Failure::with(Exit::Config, e))?;
    let load = |file: &PathBuf| Config::load(file, Secrets::Skip).map_err(|e| Failure::with(Exit::Config, e));
    let cores = cores.iter().map(load).collect::<Result<Vec<_>, _>>()?;
    let shares = firm.shares(&cores);
    let holds = shares.iter().all(Share::holds);
    if json {
        let each = |s: &Share| serde_json::json!({ "given": s.given(), "holds": s.holds(), "share": s });
        let told =
            serde_json::json!({ "holds": holds, "limits": shares.iter().map(each).collect::<Vec<_>>() });
        super::print(&format!("{told}\n"));
    } else {
        let mut text = format!("{:<32} {:>14} {:>14}\n", "limit", "the firm's", "given out");
        for share in &shares {
            let given = share.given().map_or("without end".into(), |n| n.to_string());
            let mark = if share.holds() { "" } else { "  TOO MUCH" };
            let _ = writeln!(text, "{:<32} {:>14} {given:>14}{mark}", share.limit, share.whole);
            for (core, part) in &share.cores {
                let part = part.map_or("no limit".into(), |n| n.to_string());
                let _ = writeln!(text, "  {core:<45} {part:>14}");
            }
        }
        super::print(&text);
    }
    if holds {
        Ok(Exit::Ok)
    } else {
        Err(Failure::with(Exit::Gate, "the cores may come to more than the firm"))
    }
}

fn check(servers: &[String], programs: bool, json: bool) -> Outcome {
    let read = |given: &String| read(given).map_err(|e| Failure::new(format!("{given}: {e}")));
    let fleet = servers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let compare = if programs { Compare::Programs } else { Compare::Everything };
    let said = differences(&fleet, compare);
    if json {
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
