//! `colo ctl`: the control socket of a running core.

use clap::ValueEnum;
use serde_json::Value;

use super::{Exit, Failure, Outcome};
use crate::control::{self, Command, Request};

/// What to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verb {
    /// The whole snapshot.
    Status,
    /// No new orders until `resume`; the strategy pulls its quotes.
    Halt,
    /// Trade again after a halt.
    Resume,
    /// Cancel every open order once.
    CancelAll,
    /// Give up an order of which the venue will not tell what became (`--token`): it counts for nothing any more. For when the venue's desk has said
    /// that it is gone.
    WriteOff,
    /// End in order: no new orders, cancel all, wait for the venue, flush, exit.
    Shutdown,
}

/// Asks a running core through its control socket.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  colo ctl --name desk1 halt\n  colo ctl --name desk1 status --json")]
pub struct Args {
    /// The core's name.
    #[arg(long)]
    name: String,
    /// What to ask.
    #[arg(value_enum)]
    verb: Verb,
    /// The order, as `status --json` names it.
    #[arg(long, required_if_eq("verb", "write-off"))]
    token: Option<u32>,
    /// Prints the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Asks.
///
/// # Errors
/// In a sentence: no such core, or it refused.
pub fn run(args: &Args) -> Outcome {
    let command = match args.verb {
        Verb::Status => Command::Status,
        Verb::Halt => Command::Halt,
        Verb::Resume => Command::Resume,
        Verb::CancelAll => Command::CancelAll,
        Verb::WriteOff => Command::WriteOff,
        Verb::Shutdown => Command::Shutdown,
    };
    let token = args.token.filter(|_| args.verb == Verb::WriteOff);
    let answer = control::ask(&args.name, Request { command, token }).map_err(Failure::new)?;
    if args.json {
        super::print(&format!("{answer}\n"));
    }
    if answer["ok"] != Value::Bool(true) {
        return Err(Failure::new(answer["error"].as_str().unwrap_or("the core refused without a reason")));
    }
    if !args.json {
        match args.verb {
            Verb::Status => super::print(&status(&answer["status"])),
            _ => super::print("ok\n"),
        }
    }
    Ok(Exit::Ok)
}

/// The status in a few lines; `colo-monitor` shows more.
fn status(s: &Value) -> String {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_string);
    let mut out = format!("{}  pid {}\n", text(&s["name"]), s["pid"]);
    let risk = &s["risk"];
    let halted = risk["halted"].as_str().map_or_else(|| "trading".to_string(), |h| format!("HALTED ({h})"));
    out.push_str(&format!(
        "{halted}  P&L {} USD  open orders {}/{}  tradable instruments {}\n",
        risk["pnl"], risk["open_orders"], risk["max_open_orders"], risk["tradable"]
    ));
    let states = ["disconnected", "connecting", "logged in", "ready"];
    for g in s["gateways"].as_array().into_iter().flatten() {
        let state = match g["given_up"] == 1 {
            true => "LOGIN REFUSED (no further attempt before a restart)",
            false => states.get(g["state"].as_u64().unwrap_or(9) as usize).copied().unwrap_or("?"),
        };
        out.push_str(&format!(
            "gateway {:<10} {state}, {} sent, {} reports\n",
            text(&g["id"]),
            g["sent"],
            g["reports"]
        ));
    }
    for f in s["feeds"].as_array().into_iter().flatten() {
        let synced = if f["synced"] == 1 { "synced" } else { "NOT SYNCED" };
        let lines = f["lines"].as_array().into_iter().flatten().enumerate();
        let silent: String = lines
            .filter(|(_, line)| line["silent"] == 1)
            .map(|(k, _)| format!(", LINE {k} SILENT"))
            .collect();
        out.push_str(&format!(
            "feed    {:<10} {synced}, {} messages, {} gaps ({} open){silent}\n",
            text(&f["id"]),
            f["messages"],
            f["gaps"],
            f["gaps_open"]
        ));
    }
    for i in s["instruments"].as_array().into_iter().flatten() {
        out.push_str(&format!(
            "{:<8} {:<10} {:<10} {} x {} / {} x {}  position {}\n",
            text(&i["symbol"]),
            text(&i["validity"]),
            text(&i["trading"]),
            i["bid_qty"],
            i["bid"],
            i["ask"],
            i["ask_qty"],
            i["position"]
        ));
    }
    out
}
