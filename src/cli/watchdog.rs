//! `colo watchdog`: a process beside a core that cuts it off when it has stopped.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::Nanos;
use serde_json::json;

use super::{Exit, Failure, Outcome, live, signals};
use crate::config::{Config, Secrets};
use crate::host::{self, Process};
use crate::telemetry::snapshot::Viewer;
use crate::watchdog::{CutOff, Verdict, Watch, cut_off};

/// Watches a running core in shared memory. When an agent of it stops for longer than `[watchdog] cut_off_ms`, or its process goes without an orderly end, it sets the
/// kill switch's latch, ends the process (SIGKILL), joins the core's sessions and cancels everything, until the venue has confirmed that nothing lives. Ends with the core.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  colo watchdog --config colo.toml\n  colo watchdog --config colo.toml --now --reason \"it does not answer\""
)]
pub struct Args {
    /// The core's configuration.
    #[arg(long)]
    config: PathBuf,
    /// Waits for the core to be there for so long.
    #[arg(long, default_value = "30", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    wait_s: u64,
    /// Does not watch: cuts off at once what runs, or what is left of a core that is gone.
    #[arg(long, requires = "reason")]
    now: bool,
    /// With `--now`: why.
    #[arg(long)]
    reason: Option<String>,
    /// Prints the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// A core as it was found.
struct Found {
    viewer: Viewer,
    process: Option<Process>,
}

/// A core on paper has nothing at any venue, and a watchdog would log in there to cancel it.
fn refuse_paper(name: &str) -> Result<(), Failure> {
    match Viewer::open(name) {
        Ok(viewer) if viewer.mode() == "paper" => Err(Failure::with(
            Exit::Gate,
            format!(
                "the core {name} runs on paper: nothing of it is at a venue, so there is nothing to cut off"
            ),
        )),
        _ => Ok(()),
    }
}

/// Watches.
///
/// # Errors
/// In a sentence: there is no core, or it was cut off.
pub fn run(args: &Args) -> Outcome {
    // It reads the core's secrets.
    let hidden = host::hide_memory();
    if !hidden.is_done() {
        super::warn(&hidden.to_string());
    }
    let config = Config::load(&args.config, Secrets::Read).map_err(|e| Failure::with(Exit::Config, e))?;
    let stop = signals::install().map_err(Failure::new)?;
    let say = |what: &str| live::say(&format!("watchdog of {}: {what}", config.name));
    let limits = config.watchdog;
    if args.now {
        refuse_paper(&config.name)?;
        let process = find(&config.name).and_then(|f| f.process);
        let why = format!("cut off by hand: {}", args.reason.as_deref().unwrap_or_default());
        let core = CutOff { config: &config, process, why, since: Instant::now(), noticed_ms: 0, limits };
        return finish(args, cut_off(core, &mut |w| say(w), &|| stop.raised()));
    }
    let by = Instant::now() + Duration::from_secs(args.wait_s);
    let found = loop {
        match find(&config.name) {
            Some(f) if f.process.is_some() => break f,
            _ if stop.raised() => return Ok(Exit::Interrupted),
            _ if Instant::now() >= by => {
                return Err(Failure::new(format!("no core named {:?} is running on this host", config.name)));
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let Found { viewer, process: Some(process) } = found else { unreachable!("the loop ends with one") };
    refuse_paper(&config.name)?;
    say(&format!("watching process {}", process.pid()));
    let pause =
        Duration::from_nanos(limits.late.0 / 8).clamp(Duration::from_millis(5), Duration::from_millis(100));
    let mut watch = Watch::new(limits);
    let mut last = Instant::now();
    loop {
        if stop.raised() {
            say("told to end; the core is watched no more");
            return Ok(Exit::Interrupted);
        }
        std::thread::sleep(pause);
        // Before the beats: one that ended in order has shown that by then.
        let is_gone = process.is_gone();
        let (now, beats) = (Instant::now(), viewer.beats());
        let verdict = watch.look(nanos(now - last), &beats);
        last = now;
        let (why, quiet) = match verdict {
            Verdict::Ended if is_gone => match viewer.read().risk.map_or(0, |r| r.open_orders) {
                0 => {
                    say("the core has ended in order");
                    return Ok(Exit::Ok);
                }
                open => (format!("the core ended with {open} orders open"), Nanos::ZERO),
            },
            _ if is_gone => ("the process is gone without an orderly end".to_owned(), Nanos::ZERO),
            Verdict::Stopped(name, quiet) => (format!("agent {name} has stopped"), quiet),
            Verdict::Late(late) => {
                for (name, quiet) in late {
                    say(&format!("warning: agent {name} has not beaten for {} ms", quiet.0 / 1_000_000));
                }
                continue;
            }
            Verdict::Back(back) => {
                say(&format!("beating again: {}", back.join(", ")));
                continue;
            }
            Verdict::Fine | Verdict::Ended => continue,
        };
        let since = now.checked_sub(Duration::from_nanos(quiet.0)).unwrap_or(now);
        let noticed_ms = if quiet == Nanos::ZERO { 0 } else { watch.noticed_after().0 / 1_000_000 };
        let core = CutOff { config: &config, process: Some(process), why, since, noticed_ms, limits };
        return finish(args, cut_off(core, &mut |w| say(w), &|| stop.raised()));
    }
}

fn find(name: &str) -> Option<Found> {
    let viewer = Viewer::open(name).ok()?;
    let (pid, started) = viewer.process();
    let process = Process::open(pid, started).ok()?;
    Some(Found { viewer, process })
}

fn nanos(d: Duration) -> Nanos {
    Nanos(d.as_nanos() as u64)
}

fn finish(args: &Args, outcome: Result<crate::watchdog::Figures, String>) -> Outcome {
    let figures = outcome.map_err(Failure::new)?;
    match args.json {
        true => super::print(&format!("{}\n", json!(figures))),
        false => super::print(&format!("{figures}\n")),
    }
    let folder = Path::new(&figures.journal);
    Err(Failure::new(format!("the core was cut off and starts killed until `unkill`; {}", folder.display())))
}
