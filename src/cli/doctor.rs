//! `colo doctor`: is this host tuned?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Exit, Failure, Outcome, report};
use crate::clock::Clock;
use crate::config::{Config, Secrets, Way};
use crate::doctor::{Focus, Status, rows};
use crate::manifest;
use crate::release::evidence;

/// Is this host tuned for low latency? Each row with its fix.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  colo doctor --config core.toml --interface eth1\n  colo doctor --json --strict"
)]
pub struct Args {
    /// Prints a JSON list.
    #[arg(long)]
    json: bool,
    /// Looks for this core's sake: at the cores that it pins to, and the interfaces that it takes queues of.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Looks at this network interface too; may be given again.
    #[arg(long, value_name = "IF")]
    interface: Vec<String>,
    /// Writes the rows as evidence for `colo promote` to this file, whatever they say.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Exits 4 unless every row that can be told passes.
    #[arg(long)]
    strict: bool,
}

/// Looks.
///
/// # Errors
/// A configuration that is none.
pub fn run(args: &Args) -> Outcome {
    let mut focus = match &args.config {
        Some(file) => {
            focus_of(&Config::load(file, Secrets::Skip).map_err(|e| Failure::with(Exit::Config, e))?)
        }
        None => Focus::default(),
    };
    focus.interfaces.extend(args.interface.iter().cloned());
    let rows = rows(Path::new("/"), &focus);
    if let Some(file) = &args.evidence {
        let mut told = json!({ "rows": rows });
        let binary = manifest::of_this_program().map_err(Failure::new)?;
        evidence::stamp_host(&mut told, "doctor", &binary, Clock::new().now());
        report::write_text(&evidence::sealed(&told), file)?;
    }
    if args.json {
        super::print(&format!("{}\n", serde_json::to_string(&rows).map_err(Failure::new)?));
    } else {
        let mut text = String::new();
        for r in &rows {
            let mark = match r.status {
                Status::Pass => "pass",
                Status::Warn => "WARN",
                Status::Fail => "FAIL",
                Status::Unknown => "  ? ",
            };
            text.push_str(&format!("{mark}  {:<34} {}\n", r.what, r.found));
            if !r.fix.is_empty() && r.status != Status::Pass {
                text.push_str(&format!("      fix: {} ({})\n", r.fix, r.tool));
            }
        }
        let count = |s: Status| rows.iter().filter(|r| r.status == s).count();
        text.push_str(&format!(
            "{} pass, {} warn, {} fail, {} unknown\n",
            count(Status::Pass),
            count(Status::Warn),
            count(Status::Fail),
            count(Status::Unknown)
        ));
        super::print(&text);
    }
    let bad = rows.iter().any(|r| matches!(r.status, Status::Warn | Status::Fail));
    Ok(if args.strict && bad { Exit::Gate } else { Exit::Ok })
}

/// What the doctor is to look at for a core: each core and interface once.
fn focus_of(config: &Config) -> Focus {
    let cores = &config.cores;
    let hot = cores.feeds.iter().chain(&cores.gateways).flatten().copied().chain(cores.strategy);
    let lines = config.feeds.iter().flat_map(|f| f.ways.iter().filter_map(Way::queue));
    let queues = lines.chain(config.gateways.iter().filter_map(|g| g.bypass.as_ref()).map(|b| &b.queue));
    let (hot, interfaces): (BTreeSet<_>, BTreeSet<_>) =
        (hot.collect(), queues.map(|q| q.interface.clone()).collect());
    Focus { hot_cores: hot.into_iter().collect(), interfaces: interfaces.into_iter().collect() }
}
