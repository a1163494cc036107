//! `colo doctor`: is this host tuned?

use std::path::Path;

use super::{Exit, Failure, Outcome};
use crate::doctor::{Status, rows};

/// Is this host tuned for low latency? Each row with its fix.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  colo doctor\n  colo doctor --json --strict")]
pub struct Args {
    /// Prints a JSON list.
    #[arg(long)]
    json: bool,
    /// Exits 4 unless every row that can be told passes.
    #[arg(long)]
    strict: bool,
}

/// Looks.
///
/// # Errors
/// None but of printing.
pub fn run(args: &Args) -> Outcome {
    let rows = rows(Path::new("/"));
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
