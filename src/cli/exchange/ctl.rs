//! `colo exchange ctl`: the control socket of a running exchange.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::{self, Exit, Failure, Outcome};
use crate::control::lines;
use crate::exchange::venue::operator::Command;

/// Commands a running exchange through the socket that its configuration names (`control`).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  colo exchange ctl --socket venue.sock break 17\n  colo exchange ctl --socket venue.sock halt AAPL"
)]
pub struct Args {
    /// The socket.
    #[arg(long)]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

/// Asks, and prints what was done.
///
/// # Errors
/// In a sentence: nobody listens there, or it refused.
pub fn run(args: &Args) -> Outcome {
    let answer = lines::ask(&args.socket, &args.command, "no exchange listens here").map_err(Failure::new)?;
    if answer["ok"] != Value::Bool(true) {
        return Err(Failure::new(answer["error"].as_str().unwrap_or("it refused without a reason")));
    }
    cli::print(&format!("ok {answer}\n"));
    Ok(Exit::Ok)
}
