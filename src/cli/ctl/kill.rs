//! `ctl kill` and `ctl unkill`: what is waited for, what is said, and how a core that does not run is killed and released.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use model::Nanos;
use serde_json::{Value, json};

use super::{Args, Verb};
use crate::cli::{Exit, Failure, Outcome};
use crate::config::{Config, Secrets};
use crate::control::{self, Command, Request};
use crate::host::{self, Peer};
use crate::journal::RunDir;
use crate::latch::{Latch, Release, Scope, Word};
use crate::logs::timestamp;

/// How often the core is asked whether the venue has confirmed.
const ASK: Duration = Duration::from_millis(50);

/// The kill switch in a status: nothing while nothing is killed.
pub(super) fn status(kill: &Value) -> String {
    let mut out = String::new();
    for latched in kill["latched"].as_array().into_iter().flatten() {
        let (scope, by) = (scope_word(&latched["scope"]), &latched["by"]);
        let text = |key: &str| by[key].as_str().unwrap_or("?").to_owned();
        let since = timestamp(Nanos(by["at_ns"].as_u64().unwrap_or(0)));
        out.push_str(&format!(
            "KILLED ({scope}) by {} since {since}: {}\n",
            text("operator"),
            text("reason")
        ));
        for release in latched["releases"].as_array().into_iter().flatten() {
            out.push_str(&format!("  released by {}; another operator is needed\n", release["operator"]));
        }
    }
    if !kill.is_null() {
        out.push_str(&figures(kill));
        out.push('\n');
    }
    out
}

fn scope_word(scope: &Value) -> String {
    scope["symbol"].as_str().map_or_else(|| "all".into(), |symbol| format!("symbol {symbol}"))
}

/// What a kill took, in a line.
fn figures(kill: &Value) -> String {
    let last = match kill["last_order_after_ns"].as_u64() {
        Some(ns) => format!("; last new order {} us after the kill", ns / 1_000),
        None => String::new(),
    };
    match kill["flat_after_ns"].as_u64() {
        Some(flat) => format!("confirmed flat after {:.1} ms{last}", flat as f64 / 1_000_000.0),
        None => format!("NOT CONFIRMED FLAT: orders may live{last}"),
    }
}

/// Waits until the venue has confirmed that nothing lives.
pub(super) fn await_flat(args: &Args, name: &str) -> Outcome {
    let by = Instant::now() + Duration::from_secs(args.wait_s);
    let last = loop {
        let answer = control::ask(name, Request::from(Command::Status)).map_err(Failure::new)?;
        let kill = answer["status"]["kill"].clone();
        if kill["state"] == "flat" || Instant::now() >= by {
            break kill;
        }
        std::thread::sleep(ASK);
    };
    let is_flat = last["state"] == "flat";
    if args.json {
        crate::cli::print(&format!("{}\n", json!({"ok": is_flat, "latched": true, "kill": last})));
    } else {
        crate::cli::print(&format!("killed, latched on disk; {}\n", figures(&last)));
    }
    match is_flat {
        true => Ok(Exit::Ok),
        false => Err(Failure::new(format!(
            "the venue has not confirmed within {} s that nothing lives: see `status`, and call its desk",
            args.wait_s
        ))),
    }
}

/// What came of a release.
pub(super) fn released(answer: &Value) -> String {
    match answer["operators_missing"].as_u64() {
        Some(missing) => format!("noted: {missing} more operator has to release it\n"),
        None => "released; order entry may be off at the venue (`entry-on`), and trading stays halted until `resume`\n".into(),
    }
}

/// Without a core.
pub(super) fn offline(args: &Args, folder: &Path) -> Outcome {
    let peer = Peer { uid: host::own_uid(), pid: std::process::id() };
    let command = if args.verb == Verb::Kill { Command::Kill } else { Command::Unkill };
    let request = Request { operator: args.operator.clone(), reason: args.reason.clone(), ..command.into() };
    let by = request.by(peer).map_err(|why| Failure::with(Exit::Usage, why))?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    let word = Word::new(by.operator.as_str(), by.reason.as_str(), by.uid, at);
    let scope = args.symbol.clone().map_or(Scope::All, Scope::Symbol);
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", folder.display()));
    let needed = operators_needed(folder);
    if args.verb == Verb::Kill {
        // A core that runs sees it within a second, and kills.
        Latch::add(folder, scope, word, needed).map_err(failed)?;
        crate::cli::print("latched; a core that runs here kills by it, and one that starts starts killed\n");
        return Ok(Exit::Ok);
    }
    // A core that runs has the switch in its memory, and is to be asked.
    let _held = RunDir::hold(folder).map_err(|e| Failure::new(format!("{e}: ask it by --name")))?;
    match Latch::release(folder, &scope, word, needed).map_err(failed)?.0 {
        Release::Cleared => {
            crate::cli::print("released; the next start trades as soon as its session is ready\n")
        }
        Release::Noted(missing) => crate::cli::print(&released(&json!({"operators_missing": missing}))),
        Release::SameOperator => {
            return Err(Failure::new("this operator has released it already: another one is needed"));
        }
        Release::NotLatched => return Err(Failure::new(format!("not killed ({scope})"))),
    }
    Ok(Exit::Ok)
}

/// By the configuration of the last run; two where that cannot be read.
fn operators_needed(folder: &Path) -> usize {
    let config = RunDir::find(folder).join("config.toml");
    Config::load(&config, Secrets::Skip).map_or(2, |config| config.operators_needed())
}
