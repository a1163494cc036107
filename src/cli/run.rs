//! `colo run`: the core against the venues of a configuration.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use model::GatewayId;

use super::{Exit, Failure, Outcome, Registry, alarms, live, paper, report, session, signals};
use crate::clock::Clock;
use crate::config::{Config, Secrets};
use crate::core::{Plan, RunReport, Stage};
use crate::host;
use crate::manifest::{Pair, Ran};
use crate::reconcile::{self, Figures, Verdict};
use crate::release::params_sha256;

/// Where orders go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Nowhere: fills are simulated against the live market.
    Paper,
    /// To gateways marked `environment = "test"`.
    Test,
    /// To production.
    Live,
}

/// The core against the venues of a configuration. Ends in order on SIGTERM or SIGINT: no new orders, cancel all, wait for the venue, flush.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  colo run --config colo.toml --mode test --seconds 60 --json report.json")]
pub struct Args {
    /// The configuration.
    #[arg(long)]
    config: PathBuf,
    /// Where orders go: `test` reaches only gateways marked `environment = "test"`, `live` only such as are marked "production", and only with a valid approval (`colo promote`).
    #[arg(long, value_enum, default_value = "test")]
    mode: Mode,
    /// Ends after so many seconds.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=864_000))]
    seconds: Option<u64>,
    /// Writes the report as JSON to this file, `-` for stdout.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// In a sentence, with the exit code.
pub fn run(args: &Args, registry: &Registry) -> Outcome {
    let hidden = host::hide_memory();
    if !hidden.is_done() {
        super::warn(&hidden.to_string());
    }
    let is_paper = args.mode == Mode::Paper;
    // On paper nothing can leave for a venue: what would let it in there is not even read.
    let config = load(&args.config, registry, if is_paper { Secrets::Market } else { Secrets::Read })?;
    if let Some(file) = &args.json {
        report::check_folder(file)?;
    }
    let unmet = match args.mode {
        Mode::Test => None,
        _ if model::canary::IN_THIS_BUILD => {
            Some("this build has planted faults (feature `canaries`) and runs in no other mode")
        }
        Mode::Live | Mode::Paper => None,
    };
    if let Some(why) = unmet {
        return Err(Failure::with(Exit::Gate, format!("{why}; use --mode test")));
    }
    if let Some(fault) = model::canary::planted() {
        super::warn(&format!("PLANTED FAULT: {}; this core does wrong on purpose", fault.name()));
    }
    if args.mode == Mode::Test {
        session::reaches_no_production(&config, &args.config)?;
    }
    if let Some(why) = config.openings.as_ref().and_then(|o| o.unfit(Clock::new().now())) {
        return Err(Failure::with(Exit::Config, format!("{}: {why}", args.config.display())));
    }
    let pair = Pair::of(&config).map_err(|e| Failure::new(format!("the own program cannot be read: {e}")))?;
    if let Some(approved) = &config.approved {
        pair.approved_by(approved).map_err(|e| {
            Failure::with(Exit::Gate, format!("{}: {e}; nothing has logged in", args.config.display()))
        })?;
    }
    let admission = match args.mode {
        Mode::Live => Some(session::admitted(&config, &pair, &args.config)?),
        Mode::Paper | Mode::Test => None,
    };
    let params_may_change = admission.as_ref().is_none_or(|a| a.params_may_change);
    let approval = admission.map(|a| a.approval);
    let Some(entry) = registry.find(&config.strategy) else { unreachable!("load() checked the strategy") };
    let mut plan = Plan::new(&config, 0);
    plan.sandbox = config.sandbox;
    plan.manifest = Some(Ran {
        pair: pair.clone(),
        approval_sha256: approval.clone(),
        params_sha256: Some(params_sha256(&config)),
        params_in_force_sha256: None,
    });
    plan.params_may_change = params_may_change;
    plan.stage = match args.mode {
        Mode::Test => Stage::Test,
        Mode::Paper => paper::stage(&config)?,
        Mode::Live => Stage::Live,
    };
    let stop = signals::install().map_err(Failure::new)?;
    let began = Instant::now();
    let span = args.seconds.map(Duration::from_secs);
    let mut progress = live::Progress::new(span.unwrap_or_default());
    let mut hint = Some(Duration::from_secs(2));
    let outcome = entry.run(&config, &plan, &mut |viewer, _| {
        let snapshot = viewer.read();
        progress.show(&snapshot, began.elapsed());
        // A venue that is down is retried for as long as it takes, but not in silence.
        if hint.is_some_and(|h| began.elapsed() > h) {
            hint = None;
            for g in snapshot.gateways.iter().filter(|g| g.counters.get("state") != Some(&3)) {
                super::warn(&unreached(&config, g));
            }
        }
        span.is_none_or(|s| began.elapsed() < s) && !stop.raised()
    });
    progress.end();
    let run = outcome?;
    if config.breakers.flat_after_close.is_some() {
        let held = run.positions.iter().filter(|(_, p)| p.shares != 0);
        let held: Vec<_> = held.map(|(symbol, p)| format!("{} {symbol}", p.shares)).collect();
        if !held.is_empty() || run.open_orders > 0 {
            let held = if held.is_empty() { "nothing".into() } else { held.join(", ") };
            super::warn(&format!("NOT FLAT: {held} held, {} orders open", run.open_orders));
        }
    }
    let verdict = match &run.on_paper {
        Some(venue) => Verdict::of(&Figures::ours(&run), venue),
        None => verdict(&config, &run),
    };
    if let Some(file) = &args.json {
        let mut value = report::to_json(&run, &verdict);
        alarms::add(&mut value, (&config, &plan), &pair, &run);
        report::write_text(&session::sealed(value, &pair, approval.as_deref(), &config), file)?;
    }
    if args.json.as_deref() != Some(Path::new("-")) {
        super::print(&report::to_text(&run, &verdict));
    }
    // Both sides agree, and yet an order that nobody watches lives on at the venue.
    let left = verdict.left_open();
    match verdict {
        Verdict::Equal(_) if !run.failures.is_empty() || left > 0 => Ok(Exit::Failure),
        Verdict::Others if !run.failures.is_empty() => Ok(Exit::Failure),
        Verdict::Equal(_) | Verdict::Others => Ok(if stop.raised() { Exit::Interrupted } else { Exit::Ok }),
        Verdict::Different(_) => Ok(Exit::Difference),
        Verdict::Unknown(why) if run.stats.accepted == 0 => Err(Failure::new(why)),
        Verdict::Unknown(_) => Ok(Exit::Difference),
    }
}

fn unreached(config: &Config, g: &crate::telemetry::snapshot::Port) -> String {
    let of = |k: &str| g.counters.get(k).copied().unwrap_or(0);
    let address = config.gateways.iter().find(|c| c.id == g.id).map_or_else(String::new, |c| match &c.rest {
        Some(rest) => rest.base_url.clone(),
        None => c.account.address.to_string(),
    });
    if of("given_up") == 2 {
        let what = "refuses the logon, for it counts other sequence numbers than the session's store";
        format!("gateway {}: {address} {what}; not trying again: agree with the venue and restart", g.id)
    } else if of("given_up") > 0 {
        let what = "refuses the login (username or password)";
        format!(
            "gateway {}: {address} {what}; not trying again, for venues lock accounts: repair it and restart",
            g.id
        )
    } else if of("login_rejects") > 0 {
        format!("gateway {}: {address} refuses the login (the session is not there); trying again", g.id)
    } else if of("connects") == 0 {
        format!("gateway {}: {address} cannot be reached; trying again", g.id)
    } else {
        format!("gateway {}: {address} is connected but the session is not ready", g.id)
    }
}

/// Loads a configuration and checks its strategy too.
///
/// # Errors
/// Exit code 3, naming file, key, value and what is allowed.
pub fn load(file: &Path, registry: &Registry, secrets: Secrets) -> Result<Config, Failure> {
    let invalid = |e: &dyn std::fmt::Display| Failure::with(Exit::Config, e);
    let config = Config::load(file, secrets).map_err(|e| invalid(&e))?;
    let Some(entry) = registry.find(&config.strategy) else {
        let what = format!("`strategy.name` is {:?}; allowed: {}", config.strategy, registry.names());
        return Err(invalid(&format!("{}: {what}", file.display())));
    };
    entry.check(&config).map_err(|e| invalid(&format!("{}: {e}", file.display())))?;
    Ok(config)
}

/// The venue's own stream against what we believe.
fn verdict(config: &Config, run: &RunReport) -> Verdict {
    if config.drop_copies().next().is_some() {
        return Verdict::Others;
    }
    let mut venue = Figures::default();
    for (k, g) in config.gateways.iter().enumerate() {
        match reconcile::from_stream(g, GatewayId(k as u8), &config.instruments, run.began) {
            Ok(f) => venue.add(&f),
            Err(why) => return Verdict::Unknown(format!("gateway {}: {why}", g.id)),
        }
    }
    Verdict::of(&Figures::ours(run), &venue)
}
