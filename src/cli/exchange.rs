//! `colo exchange`: the simulated exchange alone.

mod ctl;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Exit, Failure, Outcome, live, report, signals};
use crate::exchange::{self, ExchangeConfig, ExchangeError};

/// The simulated exchange alone: ITCH 5.0 over MoldUDP64 on two lines, a re-request server, OUCH 5.0 over SoupBinTCP.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  colo exchange --config exchange.toml --seconds 60\n  colo exchange ctl --socket venue.sock break 17"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The configuration.
    #[arg(long, required = true)]
    config: Option<PathBuf>,
    /// Ends after so many seconds; otherwise with the flow, or on SIGTERM or SIGINT.
    #[arg(long)]
    seconds: Option<u64>,
    /// Writes the accounts and counts at the end as JSON to this file, `-` for stdout.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Ctl(ctl::Args),
}

/// Runs it, or commands one that runs.
///
/// # Errors
/// In a sentence, with the exit code.
pub fn run(args: &Args) -> Outcome {
    if let Some(Verb::Ctl(ctl)) = &args.verb {
        return ctl::run(ctl);
    }
    let Some(file) = &args.config else { return Err(Failure::with(Exit::Usage, "--config is missing")) };
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::with(Exit::Config, format!("{}: unreadable ({e})", file.display())))?;
    let invalid = |e: ExchangeError| match e {
        ExchangeError::Toml { .. } | ExchangeError::Invalid { .. } | ExchangeError::PasswordFile { .. } => {
            Failure::with(Exit::Config, format!("{}: {e}", file.display()))
        }
        other => Failure::new(other),
    };
    let config =
        ExchangeConfig::from_toml(&text, file.parent().unwrap_or(Path::new("."))).map_err(invalid)?;
    if let Some(file) = &args.json {
        report::check_folder(file)?;
    }
    let venue = exchange::spawn(config).map_err(invalid)?;
    let rerequest = venue.rerequest.map_or_else(|| "none".into(), |a| a.to_string());
    let glimpse = venue.glimpse.map_or_else(|| "none".into(), |a| a.to_string());
    let mirror = venue.mirror.map_or_else(String::new, |a| format!(" and {a}"));
    live::say(&format!(
        "exchange: order entry on {}{mirror}, re-requests on {rerequest}, snapshots on {glimpse}",
        venue.ouch
    ));
    let stop = signals::install().map_err(Failure::new)?;
    let began = Instant::now();
    let mut told = Duration::ZERO;
    while !stop.raised() && args.seconds.is_none_or(|s| began.elapsed() < Duration::from_secs(s)) {
        let p = venue.progress();
        if p.finished.load(Ordering::Relaxed) {
            break;
        }
        if began.elapsed() - told >= Duration::from_secs(5) {
            told = began.elapsed();
            let of = |a: &std::sync::atomic::AtomicU64| report::grouped(a.load(Ordering::Relaxed));
            live::say(&format!(
                "{:>6.1} s  messages {}  logins {}  accepted {}  fills {}",
                told.as_secs_f64(),
                of(&p.messages),
                of(&p.logins),
                of(&p.accepted),
                of(&p.fills)
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let outcome = venue.stop().map_err(Failure::new)?;
    let accounts: Vec<_> = outcome
        .accounts
        .iter()
        .map(|a| {
            json!({
                "username": a.username,
                "positions": a.positions.iter().map(|(s, v)| (s.to_string(), *v)).collect::<std::collections::BTreeMap<_, _>>(),
                "cash": a.cash_e4 as f64 / 10_000.0,
                "accepted": a.counts.accepted,
                "rejected": a.counts.rejected,
                "fills": a.counts.fills,
                "broken": a.counts.broken,
                "shares": a.counts.shares,
                "live_orders": a.live_orders.len(),
            })
        })
        .collect();
    let value = json!({
        "messages": outcome.counts.messages,
        "datagrams": outcome.counts.datagrams,
        "datagrams_lost": outcome.counts.lost,
        "logins": outcome.counts.logins,
        "requests_dropped": outcome.counts.dropped,
        "requests_throttled": outcome.counts.throttled,
        "script_steps": outcome.counts.script_steps,
        "rest": outcome.rest.map(|counts| counts.json()),
        "accounts": accounts,
    });
    match &args.json {
        Some(to) => report::write_json(&value, to)?,
        None => super::print(&format!("{value:#}\n")),
    }
    Ok(if stop.raised() { Exit::Interrupted } else { Exit::Ok })
}
