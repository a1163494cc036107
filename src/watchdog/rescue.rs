//! A core that trades nothing: it joins the sessions of one that is gone, with the latch in place, and ends when the venue has confirmed that nothing lives.
//!
//! It is an ordinary run in the same folder, with a journal that says what it found and canceled. It takes the folder's lock, so it never runs beside the core.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine::strategy::{Observer, Params, Strategy};
use model::PortRequest;

use crate::agent::IdleStrategy;
use crate::config::{Config, Cores};
use crate::core::{Plan, Running, StartError, start};
use crate::journal::RunError;
use crate::telemetry::snapshot::{Port, Snapshot, Viewer};

const LOOK: Duration = Duration::from_millis(5);
/// How often it is said what is waited for, and how long before a start that failed is tried again.
const SAY: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(500);

/// Nothing lives.
pub(super) struct Flat {
    /// When the venue had confirmed it.
    pub(super) at: Instant,
    /// Orders that were found alive.
    pub(super) canceled: u64,
    /// Where it is written.
    pub(super) journal: PathBuf,
}

/// The configuration of a core that is, as one that only ends what it left.
fn harmless(config: &Config) -> Config {
    let mut config = config.clone();
    config.strategy = Observer::NAME.into();
    config.params = Params::new(std::collections::BTreeMap::new());
    config.written.strategy.name = Observer::NAME.into();
    config.written.strategy.params.clear();
    config.cores = Cores {
        feeds: vec![None; config.feeds.len()],
        gateways: vec![None; config.gateways.len()],
        ..Cores::default()
    };
    config.idle = IdleStrategy::Park;
    config
}

/// Goes on until nothing lives.
pub(super) fn until_flat(
    config: &Config,
    say: &mut dyn FnMut(&str),
    give_up: &dyn Fn() -> bool,
) -> Result<Flat, String> {
    let config = harmless(config);
    let mut plan = Plan::new(&config, 0);
    plan.hears = false;
    let knows = |g: &&crate::config::Gateway| {
        let is_copy = g.fix.as_ref().is_some_and(|fix| fix.drop_copy);
        g.protocol.knows(PortRequest::MassCancel) && !is_copy
    };
    let asked: Vec<usize> =
        config.gateways.iter().enumerate().filter(|(_, g)| knows(g)).map(|(k, _)| k).collect();
    let mut last = String::new();
    let mut tell = |what: String, say: &mut dyn FnMut(&str)| {
        if what != last {
            say(&what);
            last = what;
        }
    };
    loop {
        if give_up() {
            return Err("given up before the venue had confirmed that nothing lives: orders may live".into());
        }
        match start(&config, &plan, Observer) {
            Ok(core) => {
                if let Some(flat) = of_core(core, &asked, say, give_up) {
                    return Ok(flat);
                }
            }
            // Started again by somebody: it starts killed, and does the same.
            Err(StartError::Run(RunError::Locked(_))) => {
                if let Some(flat) = of_other(&config.name) {
                    return Ok(flat);
                }
                tell(
                    "another core has the folder: it started killed, and its word is waited for".into(),
                    say,
                );
            }
            Err(e) => tell(format!("cannot start to cancel: {e}; trying again"), say),
        }
        std::thread::sleep(AGAIN);
    }
}

/// Waits for the word of a core of our own, and ends it. `None`: it ended without.
/// `asked`: the gateways whose venue is asked to cancel all of the port, and has to have said so.
fn of_core(
    core: Running<Observer>,
    asked: &[usize],
    say: &mut dyn FnMut(&str),
    give_up: &dyn Fn() -> bool,
) -> Option<Flat> {
    let mut said = Instant::now();
    let journal = core.journal().to_owned();
    loop {
        let s = core.viewer().read();
        if core.viewer().kill().figures(model::Nanos(1), true).flat_after_ns.is_some()
            && asked.iter().all(|g| of(&s.gateways[*g], "mass_canceled") != 0)
        {
            let at = Instant::now();
            let report = core.end();
            report.failures.iter().for_each(|f| say(f));
            return Some(Flat { at, canceled: report.stats.cancels, journal });
        }
        if core.has_ended() || give_up() {
            let report = core.end();
            report.failures.iter().for_each(|f| say(f));
            return None;
        }
        if said.elapsed() >= SAY {
            said = Instant::now();
            say(&format!("not confirmed: {}", waits_for(&s)));
        }
        std::thread::sleep(LOOK);
    }
}

fn of_other(name: &str) -> Option<Flat> {
    let viewer = Viewer::open(name).ok()?;
    let snapshot = viewer.read();
    let is_flat = snapshot.alive && viewer.kill().figures(model::Nanos(1), true).flat_after_ns.is_some();
    let canceled = snapshot.engine.get("cancels").copied().unwrap_or(0);
    is_flat.then(|| Flat { at: Instant::now(), canceled, journal: PathBuf::from(name) })
}

fn of(g: &Port, key: &str) -> u64 {
    g.counters.get(key).copied().unwrap_or(0)
}

/// What is still missing, in words.
fn waits_for(s: &Snapshot) -> String {
    let mut missing: Vec<String> = Vec::new();
    for g in &s.gateways {
        if of(g, "given_up") != 0 {
            missing.push(format!("gateway {} is refused its login: call the venue's desk", g.id));
        } else if of(g, "state") != 3 {
            missing.push(format!("gateway {} has no session", g.id));
        }
    }
    match s.risk.as_ref().map_or(0, |r| r.open_orders) {
        0 => {}
        open => missing.push(format!("{open} orders are open")),
    }
    missing.join(", ")
}
