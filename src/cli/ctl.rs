//! `colo ctl`: the control socket of a running core.

use clap::ValueEnum;
use serde_json::{Value, json};

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
    /// A feed and its lines: `feed status`, `feed resync`, `feed reconnect`; all feeds without `--feed`.
    Feed,
    /// End in order: no new orders, cancel all, wait for the venue, flush, exit.
    Shutdown,
}

/// What to ask of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FeedVerb {
    /// Its lines, gaps, losses and snapshots.
    Status,
    /// Its books are not believed: make them anew, from a snapshot, or without a snapshot server from the start of the session. Nothing is
    /// traded on them until then.
    Resync,
    /// Join its multicast groups again and begin the session with the snapshot server anew, one that refused the login included.
    Reconnect,
}

/// Asks a running core through its control socket.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  colo ctl --name desk1 halt\n  colo ctl --name desk1 status --json\n  colo ctl --name desk1 feed resync --feed f1"
)]
pub struct Args {
    /// The core's name.
    #[arg(long)]
    name: String,
    /// What to ask.
    #[arg(value_enum)]
    verb: Verb,
    /// With `feed`: what to ask of it.
    #[arg(value_enum, required_if_eq("verb", "feed"))]
    of_feed: Option<FeedVerb>,
    /// With `feed`: which, as the configuration names it.
    #[arg(long)]
    feed: Option<String>,
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
        Verb::Feed => match args.of_feed {
            Some(FeedVerb::Resync) => Command::FeedResync,
            Some(FeedVerb::Reconnect) => Command::FeedReconnect,
            Some(FeedVerb::Status) | None => Command::Status,
        },
        Verb::Shutdown => Command::Shutdown,
    };
    if args.verb != Verb::Feed && (args.of_feed.is_some() || args.feed.is_some()) {
        return Err(Failure::with(Exit::Usage, "only `feed` takes a second verb or --feed"));
    }
    let token = args.token.filter(|_| args.verb == Verb::WriteOff);
    let feed = args.feed.clone().filter(|_| command != Command::Status);
    let mut answer = control::ask(&args.name, Request { command, token, feed }).map_err(Failure::new)?;
    if args.verb == Verb::Feed && command == Command::Status {
        answer = feeds_of(answer, args.feed.as_deref())?;
    }
    if args.json {
        super::print(&format!("{answer}\n"));
    }
    if answer["ok"] != Value::Bool(true) {
        return Err(Failure::new(answer["error"].as_str().unwrap_or("the core refused without a reason")));
    }
    if !args.json {
        match args.verb {
            Verb::Status => super::print(&status(&answer["status"])),
            Verb::Feed if command == Command::Status => super::print(&feed_status(&answer)),
            Verb::Feed => super::print(&feeds_asked(&answer)),
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
        let state = match g["given_up"].as_u64().is_some_and(|why| why > 0) {
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
        let validity = match text(&i["validity"]) {
            valid if valid == "valid" => valid,
            why_not => format!("{why_not} ({})", text(&i["reason"])),
        };
        out.push_str(&format!(
            "{:<8} {:<26} {:<10} {} x {} / {} x {}  position {}\n",
            text(&i["symbol"]),
            validity,
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

/// The feeds of a status, or the one of this id.
fn feeds_of(mut answer: Value, id: Option<&str>) -> Result<Value, Failure> {
    let Some(all) = answer["status"]["feeds"].as_array_mut() else { return Ok(answer) };
    let feeds: Vec<Value> = all.drain(..).filter(|f| id.is_none_or(|id| f["id"] == id)).collect();
    if feeds.is_empty() {
        return Err(Failure::new(format!("there is no feed {:?} here", id.unwrap_or_default())));
    }
    let now_ns = &answer["status"]["now_ns"];
    Ok(json!({"ok": true, "now_ns": now_ns, "feeds": feeds}))
}

/// What was asked of which feeds.
fn feeds_asked(answer: &Value) -> String {
    let word = |f: &Value| {
        let id = f["id"].as_str().unwrap_or("?").to_string();
        if let Some(error) = f["error"].as_str() {
            return format!("{id}: NOT DONE: {error}\n");
        }
        match &f["rejoined"] {
            Value::Null => format!(
                "{id}: its books are to be made anew, and are not believed until then; see `feed status`\n"
            ),
            groups => format!("{id}: {groups} multicast groups joined again\n"),
        }
    };
    answer["feeds"].as_array().into_iter().flatten().map(word).collect()
}

/// Feeds and their lines in words.
fn feed_status(answer: &Value) -> String {
    let mut out = String::new();
    let now = answer["now_ns"].as_u64().unwrap_or(0);
    for f in answer["feeds"].as_array().into_iter().flatten() {
        let synced = if f["synced"] == 1 { "synced" } else { "NOT SYNCED" };
        out.push_str(&format!(
            "{}  {synced}, next message {}, {} messages, {} events\n",
            f["id"].as_str().unwrap_or("?"),
            f["expected"],
            f["messages"],
            f["events"]
        ));
        out.push_str(&format!(
            "  gaps {}: {} filled, {} lost, {} open; {} messages lost, {} undecodable, {} disputed\n",
            f["gaps"],
            f["gaps_filled"],
            f["gaps_lost"],
            f["gaps_open"],
            f["messages_lost"],
            f["undecodable"],
            f["disputed"]
        ));
        let refused =
            if f["snapshot_refused"] == 1 { ", LOGIN REFUSED (`feed reconnect` tries again)" } else { "" };
        out.push_str(&format!(
            "  re-requests {}; snapshots {}, {} failed{refused}; resyncs by hand {}\n",
            f["rerequests"], f["snapshots"], f["snapshots_failed"], f["resyncs"]
        ));
        for (k, line) in f["lines"].as_array().into_iter().flatten().enumerate() {
            let heard = match line["last_heard_ns"].as_u64() {
                None | Some(0) => "never heard".to_string(),
                Some(at) => format!("heard {} ms ago", now.saturating_sub(at) / 1_000_000),
            };
            let silent = if line["silent"] == 1 { ", SILENT" } else { "" };
            out.push_str(&format!(
                "  line {k}: {} packets, {} first, {} again, {} dropped by the kernel, {heard}{silent}\n",
                line["packets"], line["won"], line["duplicates"], line["kernel_drops"]
            ));
        }
    }
    out
}
