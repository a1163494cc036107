//! `colo ctl`: the control socket of a running core, and the latch of one that does not run.

mod kill;
mod params;

use std::path::PathBuf;

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
    /// Only orders that take a position towards nothing, until `resume`.
    ReduceOnly,
    /// No order and no replace until `resume`; what is open stays until the strategy cancels it.
    CancelOnly,
    /// Take the strategy off trading: it sees everything and trades nothing until `clutch-in`.
    ClutchOut,
    /// Let the strategy trade again after `clutch-out`. Wants `--reason`.
    ClutchIn,
    /// Trade again after a halt or whatever else restrains trading; instruments that were disabled may be traded again too. Wants `--reason`.
    Resume,
    /// The kill switch: nothing new is sent from now on and everything is canceled, or what is of one instrument (`--symbol`), also by the next start, until `unkill`.
    /// Wants `--reason`. Waits until the venue has confirmed that nothing lives.
    Kill,
    /// Release the kill switch. Wants `--reason` and `--operator`; where a gateway leads to production it takes two operators. With `--journal` of a core that does not
    /// run. Trading stays halted until `resume`.
    Unkill,
    /// Cancel every open order once.
    CancelAll,
    /// Give up an order of which the venue will not tell what became (`--token`): it counts for nothing any more. For when the venue's desk has said
    /// that it is gone.
    WriteOff,
    /// Cancel all orders of a gateway (`--gateway`) by the venue's own request, those of earlier runs and other programs on the port among them.
    MassCancel,
    /// Ask the venue of a gateway (`--gateway`) to take no more orders of the firm, and halt trading. `status` shows when it has said so.
    EntryOff,
    /// Ask the venue of a gateway (`--gateway`) to take orders of the firm again. Trading stays halted until `resume`.
    EntryOn,
    /// A feed and its lines: `feed status`, `feed resync`, `feed reconnect`; all feeds without `--feed`.
    Feed,
    /// The strategy's parameters and the limits that may be made tighter; `params propose NAME=VALUE.. --limits KEY=N` checks others and keeps them, `params apply N` puts a proposal in
    /// force between two events, `params drop N` forgets it. In force until the core ends.
    Params,
    /// End in order: no new orders, cancel all, wait for the venue, flush, exit.
    Shutdown,
}

/// What to ask of a feed, or of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Second {
    /// Its lines, gaps, losses and snapshots.
    Status,
    /// Its books are not believed: make them anew, from a snapshot, or without a snapshot server from the start of the session. Nothing is
    /// traded on them until then.
    Resync,
    /// Join its multicast groups again and begin the session with the snapshot server anew, one that refused the login included.
    Reconnect,
    /// Of parameters: check others, and keep them. Wants `--reason`.
    Propose,
    /// Of parameters: put a proposal in force. Wants `--operator` and `--reason`; where a gateway leads to production, of another operator than proposed it.
    Apply,
    /// Of parameters: forget a proposal.
    Drop,
}

/// Asks a running core through its control socket.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  colo ctl --name desk1 halt\n  colo ctl --name desk1 kill --reason \"wrong prices\" --operator anna\n  colo ctl --name desk1 status --json\n  colo ctl --name desk1 feed resync --feed f1\n  colo ctl --name desk1 params propose quantity=50 --limits max_position=500 --reason \"wide spreads\""
)]
pub struct Args {
    /// The core's name.
    #[arg(long, required_unless_present = "journal")]
    name: Option<String>,
    /// With `kill` and `unkill`: the folder of its journals (`journal_dir/NAME`), where no core runs that could be asked.
    #[arg(long, conflicts_with = "name")]
    journal: Option<PathBuf>,
    /// What to ask.
    #[arg(value_enum)]
    verb: Verb,
    /// With `feed` and `params`: what to ask of it.
    #[arg(value_enum, required_if_eq("verb", "feed"))]
    second: Option<Second>,
    /// With `params propose`: parameters; with `params apply` and `params drop`: the proposal's number.
    #[arg(value_name = "NAME=VALUE|N")]
    values: Vec<String>,
    /// With `params propose`: a limit by its key under `[risk]`, no looser than it is.
    #[arg(long, value_name = "KEY=N")]
    limits: Vec<String>,
    /// With `feed`: which, as the configuration names it.
    #[arg(long)]
    feed: Option<String>,
    /// With `mass-cancel`, `entry-off` and `entry-on`: which gateway, as the configuration names it.
    #[arg(long, required_if_eq_any([("verb", "mass-cancel"), ("verb", "entry-off"), ("verb", "entry-on")]))]
    gateway: Option<String>,
    /// The order, as `status --json` names it.
    #[arg(long, required_if_eq("verb", "write-off"))]
    token: Option<u32>,
    /// With `kill` and `unkill`: the one instrument that it is of.
    #[arg(long)]
    symbol: Option<String>,
    /// Why: kept in the journal and the log.
    #[arg(
        long,
        required_if_eq_any([("verb", "resume"), ("verb", "clutch-in"), ("verb", "kill"), ("verb", "unkill"), ("verb", "write-off"), ("verb", "entry-on")])
    )]
    reason: Option<String>,
    /// Who asks, by name: kept beside the reason. The user's number where it is left out.
    #[arg(long, required_if_eq("verb", "unkill"))]
    operator: Option<String>,
    /// With `kill`: how long to wait for the venue's confirmation.
    #[arg(long, default_value = "10", value_parser = clap::value_parser!(u64).range(0..=3_600))]
    wait_s: u64,
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
        Verb::ReduceOnly => Command::ReduceOnly,
        Verb::CancelOnly => Command::CancelOnly,
        Verb::ClutchOut => Command::ClutchOut,
        Verb::ClutchIn => Command::ClutchIn,
        Verb::Resume => Command::Resume,
        Verb::Kill => Command::Kill,
        Verb::Unkill => Command::Unkill,
        Verb::CancelAll => Command::CancelAll,
        Verb::WriteOff => Command::WriteOff,
        Verb::MassCancel => Command::MassCancel,
        Verb::EntryOff => Command::EntryOff,
        Verb::EntryOn => Command::EntryOn,
        Verb::Feed => match args.second {
            Some(Second::Resync) => Command::FeedResync,
            Some(Second::Reconnect) => Command::FeedReconnect,
            Some(Second::Status) | None => Command::Status,
            Some(_) => return Err(Failure::with(Exit::Usage, "`feed` takes status, resync or reconnect")),
        },
        Verb::Params => Command::Params,
        Verb::Shutdown => Command::Shutdown,
    };
    let takes_second = matches!(args.verb, Verb::Feed | Verb::Params);
    if (!takes_second && args.second.is_some()) || (args.verb != Verb::Feed && args.feed.is_some()) {
        return Err(Failure::with(Exit::Usage, "only `feed` takes a second verb or --feed"));
    }
    if args.verb != Verb::Params && !(args.values.is_empty() && args.limits.is_empty()) {
        return Err(Failure::with(Exit::Usage, "only `params` takes NAME=VALUE, a number or --limits"));
    }
    let kills = matches!(args.verb, Verb::Kill | Verb::Unkill);
    if !kills && (args.symbol.is_some() || args.journal.is_some()) {
        return Err(Failure::with(Exit::Usage, "only `kill` and `unkill` take --symbol or --journal"));
    }
    let name = match (&args.name, &args.journal) {
        (Some(name), _) => name,
        (None, Some(folder)) => return kill::offline(args, folder),
        (None, None) => return Err(Failure::with(Exit::Usage, "--name or --journal is needed")),
    };
    let token = args.token.filter(|_| args.verb == Verb::WriteOff);
    let asks_port = matches!(args.verb, Verb::MassCancel | Verb::EntryOff | Verb::EntryOn);
    let gateway = args.gateway.clone().filter(|_| asks_port);
    let feed = args.feed.clone().filter(|_| command != Command::Status);
    let asked = if args.verb == Verb::Params { params::request(args)? } else { command.into() };
    let request = Request {
        token,
        feed,
        gateway,
        symbol: args.symbol.clone(),
        operator: args.operator.clone(),
        reason: args.reason.clone(),
        ..asked
    };
    let mut answer = control::ask(name, request).map_err(|e| match args.verb {
        Verb::Kill => Failure::new(format!(
            "{e}. The kill is not confirmed: see `status`; `ctl kill --journal` needs no answer, and `colo watchdog --now` no core"
        )),
        _ => Failure::new(e),
    })?;
    if args.verb == Verb::Feed && command == Command::Status {
        answer = feeds_of(answer, args.feed.as_deref())?;
    }
    if args.json && args.verb != Verb::Kill {
        super::print(&format!("{answer}\n"));
    }
    if answer["ok"] != Value::Bool(true) {
        return Err(Failure::new(answer["error"].as_str().unwrap_or("the core refused without a reason")));
    }
    if args.verb == Verb::Kill {
        return kill::await_flat(args, name);
    }
    if !args.json {
        match args.verb {
            Verb::Unkill => super::print(&kill::released(&answer)),
            Verb::Status => super::print(&status(&answer["status"])),
            Verb::Feed if command == Command::Status => super::print(&feed_status(&answer)),
            Verb::Feed => super::print(&feeds_asked(&answer)),
            Verb::Params => super::print(&params::words(args, &answer)),
            _ => super::print("ok\n"),
        }
    }
    Ok(Exit::Ok)
}

/// The status in a few lines; `colo-monitor` shows more.
fn status(s: &Value) -> String {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_string);
    let mode = if s["mode"] == "paper" { "  ON PAPER" } else { "" };
    let mut out = format!("{}{mode}  pid {}\n", text(&s["name"]), s["pid"]);
    out.push_str(&kill::status(&s["kill"]));
    out.push_str(&params::status(&s["settings"]));
    let risk = &s["risk"];
    let restrained = match (risk["level"].as_str(), risk["clutch"].as_str()) {
        (Some(level @ ("reduce_only" | "cancel_only")), _) => {
            format!("{} ({})", level.to_uppercase(), risk["restrained_by"].as_str().unwrap_or("unknown"))
        }
        (_, Some("out")) => "CLUTCH OUT".to_owned(),
        _ => "trading".to_owned(),
    };
    let halted = risk["halted"].as_str().map_or(restrained, |h| format!("HALTED ({h})"));
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
            "gateway {:<10} {state}{}, {} sent, {} reports{}\n",
            text(&g["id"]),
            if g["entry_off"] == 1 { ", ORDER ENTRY OFF (`entry-on`)" } else { "" },
            g["sent"],
            g["reports"],
            throttle(&g["throttle"], risk["now_ns"].as_u64().unwrap_or(0))
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

/// A gateway's throttle in words; nothing where it has none. A breaker that has tripped is a halt.
fn throttle(t: &Value, now_ns: u64) -> String {
    if t.is_null() {
        return String::new();
    }
    let until = |key: &str| t[key].as_u64().unwrap_or(0).saturating_sub(now_ns).div_ceil(1_000_000);
    let mut out = match until("room_at_ns") {
        0 => "; room for orders".to_string(),
        ms => format!("; NO ROOM for {ms} ms"),
    };
    if t["waiting"] != 0 {
        out.push_str(&format!(", {} wait", t["waiting"]));
    }
    match until("back_off_until_ns") {
        0 => {}
        ms => out.push_str(&format!(", BACKING OFF for {ms} ms")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_is_told_where_there_is_one() {
        let now = 5_000_000_000;
        let of = |room: u64, waiting: u64, back_off: u64| {
            let t = json!({"room_at_ns": room, "waiting": waiting, "back_off_until_ns": back_off});
            throttle(&t, now)
        };
        assert_eq!(throttle(&Value::Null, now), "");
        assert_eq!(of(0, 0, 0), "; room for orders");
        assert_eq!(of(now + 1, 3, now), "; NO ROOM for 1 ms, 3 wait");
        assert_eq!(of(now + 2_000_000, 0, now + 2_000_000), "; NO ROOM for 2 ms, BACKING OFF for 2 ms");
    }
}
