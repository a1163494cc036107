//! A core: agents, rings, journal, shared memory and threads put together from a configuration, and taken down in order.
//!
//! Start: lock and folder, logs, tokens, region, sockets, then threads; whatever fails, fails before the first thread runs.
//! End: the strategy thread is told to shut down (no new orders, cancel all, wait for the venue), then gateways log out, then feeds stop, then control, then
//! the cold thread closes the logs.

mod paper;
mod plan;
mod running;
mod taken_over;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use engine::Engine;
use engine::strategy::{Strategy, try_out};
use model::{FeedId, GatewayId, Nanos};
use ringbuf::counters::Counters;
use ringbuf::log::{self, LogConfig, LogError, SyncPolicy};
use ringbuf::region::RegionError;
use ringbuf::spsc;
use serde_json::json;

use self::paper::OnPaper;
pub(crate) use self::paper::beside;
pub use self::plan::{Plan, Stage};
use self::running::Hot;
pub use self::running::{RunReport, Running};
use self::taken_over::TakenOver;
use crate::agent::{AgentHandle, CoreConfig, Heartbeat, IdleStrategy, Phase, Pulse, spawn};
use crate::agents::{
    ColdAgent, ColdParts, ControlAgent, ControlItem, ControlParts, Ending, FeedAgent, FeedParts, FeedPort,
    GatewayAgent, GatewayParts, GatewayPort, Inline, OpenError, PaperPort, StrategyAgent, StrategyParts,
    WORDS,
};
use crate::clock::Clock;
use crate::config::{Config, Topology};
use crate::control::{ControlServer, KillParts, ServerParts, SettingsParts};
use crate::host;
use crate::journal::standing::Keeping;
use crate::journal::{
    Archive, Record, RunDir, RunError, Seals, TokenBlocks, give_up_name, record, take_name,
};
use crate::latch::{Latch, Word};
use crate::logs::{LogWriter, Names, timestamp};
use crate::manifest;
use crate::release::Traded;
use crate::telemetry::counters::{agent as counter, control as control_counter};
use crate::telemetry::intervals::{self, Intervals};
use crate::telemetry::publish::Publication;
use crate::telemetry::region_path;
use crate::telemetry::snapshot::{SnapshotError, Viewer};

/// Control inputs that may wait for the strategy thread.
const CONTROL_RING: usize = 64;
/// What the journal keeps back so that a halt's cancels can still be written.
const RESERVE: usize = 256 * 1024;

/// Why a core could not start. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A log.
    #[error("journal: {0}")]
    Log(#[from] LogError),
    /// The shared-memory region.
    #[error("shared memory: {0}")]
    Region(#[from] RegionError),
    /// A socket or a thread.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The own region cannot be read back.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// What a simulated venue is to be like.
    #[error("`backtest`: {0}")]
    Latency(#[from] backtest::latency::LatencyError),
    /// A gateway's configuration does not suit its protocol.
    #[error("gateway {id}: {source}")]
    Gateway {
        /// Which.
        id: String,
        /// Why.
        source: OpenError,
    },
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}

/// Pulses into shared memory.
struct RegionHeartbeat(Counters);

impl Heartbeat for RegionHeartbeat {
    #[inline]
    fn pulse(&mut self, p: &Pulse) {
        self.0.set(counter::heartbeat_ns, p.now.0);
        self.0.set(counter::cycles, p.cycles);
        self.0.set(counter::work, p.work);
        self.0.set(counter::allocations, host::allocations());
    }

    fn phase(&mut self, phase: Phase) {
        self.0.set(counter::phase, phase as u64);
    }
}

/// What a start has made so far. When the start fails it is taken away again: a run that never was leaves no journal and no region.
struct Begun {
    run: Option<PathBuf>,
    region: Option<PathBuf>,
    stop: Arc<AtomicBool>,
}

impl Begun {
    fn succeeded(&mut self) {
        (self.run, self.region) = (None, None);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            // Where the host gave the first threads and then no more.
            self.stop.store(true, Ordering::Release);
            // The failure itself is what the person is told; what cannot be removed is in nobody's way.
            let _ = std::fs::remove_dir_all(run);
        }
        if let Some(region) = self.region.take() {
            let _ = std::fs::remove_file(region);
        }
    }
}

/// Builds a core and starts its threads.
///
/// # Errors
/// [`StartError`]: nothing was started.
pub fn start<S: Strategy>(config: &Config, plan: &Plan, strategy: S) -> Result<Running<S>, StartError> {
    start_with(config, plan, strategy, &mut |_, log| log::create(log))
}

/// Opens a log, named as a person would.
type Create<'a> = &'a mut dyn FnMut(&str, LogConfig) -> Result<(log::Writer, log::Keeper), LogError>;

/// [`start`] with logs of one's own making, for drills of what fails.
fn start_with<S: Strategy>(
    config: &Config,
    plan: &Plan,
    strategy: S,
    create: Create<'_>,
) -> Result<Running<S>, StartError> {
    let mut warnings = plan.warnings.clone();
    let mut latency_hold = None;
    if plan.realtime.is_some() {
        let (hold, outcome) = host::hold_cpu_latency(0);
        latency_hold = hold;
        if !outcome.is_done() {
            warnings.push(outcome.to_string());
        }
    }
    // Park sleeps 50 us; the kernel's default slack would make 100 of them.
    let _ = host::set_timer_slack(1_000);
    let clock = Clock::new();
    let toml = config.to_toml();
    let name = take_name(&config.name)?;
    let run = RunDir::create(&config.journal_dir, &toml)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut begun = Begun { run: Some(run.path.clone()), region: None, stop: Arc::clone(&stop) };
    if let Some(ran) = &plan.manifest {
        ran.leave(&run.path).map_err(io(run.path.join(manifest::FILE).display().to_string()))?;
    }
    let mut tokens = TokenBlocks::open(&config.journal_dir)?;
    let granted = tokens.grant()?;

    let mut keepers = Vec::new();
    let mut open_log = |name: &str, dir: PathBuf| -> Result<log::Writer, LogError> {
        let log = LogConfig {
            dir,
            segment_bytes: config.journal.segment_bytes,
            reserve_bytes: RESERVE.min(config.journal.segment_bytes / 4),
            sync: config.journal.sync,
        };
        let (writer, keeper) = create(name, log)?;
        keepers.push((name.to_string(), keeper));
        Ok(writer)
    };
    let core_dir = RunDir::core(&run.path);
    let mut journal = open_log("core journal", core_dir.clone())?;
    let mut captures = Vec::new();
    for f in config.feeds.iter().filter(|_| plan.hears) {
        let dir = RunDir::capture(&run.path, &f.id);
        captures.push(if config.journal.capture {
            Some(open_log(&format!("capture of {}", f.id), dir)?)
        } else {
            None
        });
    }
    let begin = Record::Start {
        format: record::FORMAT,
        run: run.number,
        config_hash: config_hash(&toml),
        now: clock.now(),
    };
    begin.append(&mut journal).expect("an empty segment takes a record");

    let names = agent_names(config, plan);
    let mut publication = Publication::create(config, &names, clock.now())?;
    publication.kept_in(&run.path)?;
    begun.region = Some(region_path(&config.name));
    let ending = Arc::new(Ending::default());

    let (say, words) = mpsc::sync_channel(WORDS);
    let mut gateway_agents = Vec::new();
    let mut gateway_ports = Vec::new();
    let mut on_paper = OnPaper::of(plan, config.capacity.feed_ring);
    for (k, g) in config.gateways.iter().enumerate() {
        let (to_gateway, orders) = spsc::channel(config.capacity.gateway_ring);
        let (out, items) = spsc::channel(config.capacity.gateway_ring);
        let id = GatewayId(k as u8);
        gateway_ports.push(GatewayPort { id, items, orders: to_gateway });
        if let Some(paper) = &mut on_paper {
            paper.ports.push(PaperPort { id, orders, out, publisher: publication.gateway(k)? });
            continue;
        }
        let parts = GatewayParts {
            id,
            config: g.clone(),
            orders,
            out,
            publisher: publication.gateway(k)?,
            clock: clock.clone(),
            sample_every: config.sample_every,
            ending: Arc::clone(&ending),
            words: say.clone(),
        };
        let agent = GatewayAgent::open(parts, &config.instruments, &mut warnings)
            .map_err(|source| StartError::Gateway { id: g.id.clone(), source })?;
        gateway_agents.push(agent);
    }
    let mut feed_agents = Vec::new();
    let mut feed_ports = Vec::new();
    let mut watches = Vec::new();
    let mut doors = Vec::new();
    for (k, (f, capture)) in config.feeds.iter().zip(captures).enumerate() {
        let (out, items) = spsc::channel(config.capacity.feed_ring);
        let id = FeedId(k as u8);
        let agent = FeedAgent::open(FeedParts {
            id,
            config: f.clone(),
            instruments: config.instruments.iter().filter(|i| i.feed == id).copied().collect(),
            out,
            capture,
            publisher: publication.feed(k)?,
            clock: clock.clone(),
            sample_every: config.sample_every,
            words: say.clone(),
        })
        .map_err(io(format!("feed {}", f.id)))?;
        warnings.extend(agent.warnings());
        watches.push(agent.watch().map_err(io(format!("feed {}", f.id)))?);
        doors.push(agent.door().map_err(io(format!("feed {}", f.id)))?);
        feed_agents.push(agent);
        let items = match &mut on_paper {
            Some(paper) => paper.tap(id, items),
            None => items,
        };
        feed_ports.push(FeedPort::new(id, items));
    }
    if let Some(paper) = on_paper {
        gateway_agents.push(paper.agent(config, &clock, &ending)?);
    }
    let (control_ring, control) = spsc::channel::<ControlItem>(CONTROL_RING);
    // Whoever made the strategy has made it from these; one made otherwise takes none while it runs.
    let params = config.params.read_by::<S>().unwrap_or_default();
    let mut strategy_agent = StrategyAgent::new(StrategyParts {
        engine: Engine::new(&config.engine(), strategy).with_params(params.clone()),
        feeds: feed_ports,
        gateways: gateway_ports,
        control,
        journal,
        publisher: publication.core()?,
        clock: clock.clone(),
        ending: Arc::clone(&ending),
    });
    let taken = TakenOver::of(&config.journal_dir, run.number, clock.now());
    strategy_agent.take_over(clock.now(), &taken.controls);
    warnings.extend(taken.warnings);
    let latch = Latch::read(&config.journal_dir);
    for kill in &latch.kills {
        let Word { operator, reason, at_ns, .. } = &kill.by;
        let since = timestamp(Nanos(*at_ns));
        warnings.push(format!(
            "KILLED ({}) since {since} by {operator}: {reason}; nothing new is sent and what the venue replays is canceled, until `colo ctl unkill`",
            kill.scope
        ));
    }
    let log_file = run.path.join("log.jsonl");
    let log_names = Names {
        feeds: config.feeds.iter().map(|f| f.id.clone()).collect(),
        gateways: config.gateways.iter().map(|g| g.id.clone()).collect(),
        instruments: config.instruments.clone(),
    };
    let mut log =
        LogWriter::create(&log_file, &core_dir, log_names).map_err(io(log_file.display().to_string()))?;
    let seals = Seals::create(&run.path, run.number).map_err(io(run.path.display().to_string()))?;
    let durable = config.journal.sync != SyncPolicy::Off;
    let keeping = Keeping::new(&run.path, run.number, config_hash(&toml), durable);
    log = log.sealing(seals).of(&config.name, run.number).keeping(keeping);
    for (level, message, fields) in taken.said {
        log.say(clock.now(), level, message, fields);
    }
    if !latch.is_empty() {
        log.say(clock.now(), "error", "the core starts killed", json!({"latched": latch.kills}));
    }
    let ports = config.gateways.iter().map(|g| (g.id.clone(), g.protocol)).collect();
    // What is bound to the kernel by other means than sockets stands by now, and no thread has been started.
    let confined = plan.sandbox.then(|| kept_capabilities(config));
    if plan.sandbox {
        let outcome = host::refuse_foreign_calls(config.goes_past_the_kernel());
        warnings.extend((!outcome.is_done()).then(|| outcome.to_string()));
    }
    let server = ControlServer::bind(ServerParts {
        name: config.name.clone(),
        ring: control_ring,
        feeds: doors,
        ports,
        roles: config.roles.clone(),
        kill: KillParts {
            folder: config.journal_dir.clone(),
            latch: latch.clone(),
            ending: Arc::clone(&ending),
            instruments: config.instruments.clone(),
            operators_needed: config.operators_needed(),
            confined,
        },
        settings: SettingsParts {
            strategy: config.strategy.clone(),
            params,
            limits: config.limits,
            try_out: try_out::<S>,
            operators_needed: config.operators_needed(),
            traded: Traded::of(config),
            approval: plan.manifest.as_ref().and_then(|ran| ran.approval_sha256.clone()),
            may_change: plan.params_may_change,
        },
        clock: clock.clone(),
    })
    .map_err(io("control socket"))?;
    let (grants, tokens_granted) = mpsc::channel();
    let (said, commands) = mpsc::channel();
    let mut control_counters = publication.control()?;
    control_counters.set(control_counter::mode, plan.stage.code() as u64);
    let control_agent = ControlAgent::new(ControlParts {
        server,
        tokens: tokens_granted,
        said,
        counters: control_counters,
        ending: Arc::clone(&ending),
    });
    let retention = config.journal.retention;
    let archive = (!retention.keeps_all())
        .then(|| Archive::start(config.journal_dir.clone(), run.number, retention, confined))
        .transpose()
        .map_err(io("archive thread"))?;
    let cold_agent = ColdAgent::new(ColdParts {
        keepers,
        watches,
        log,
        discipline: clock.discipline(),
        wall_error: host::wall_error,
        tokens,
        granted,
        grants,
        said: commands,
        words,
        name: config.name.clone(),
        counters: publication.cold()?,
        manifest: plan.manifest.clone().map(|ran| (run.path.clone(), ran)),
        intervals: Intervals::create(&run.path, clock.now()).map_err(io(intervals::FILE))?,
        outside: (config.outside.clone(), config.journal_dir.clone()),
        expectation: config.expectation.clone(),
        lists: (config.lists.clone(), config.instruments.clone()),
        archive,
        ending: Arc::clone(&ending),
    });

    // Everything hot is allocated, and nothing hot runs.
    let (memory, refused) = host::back_memory();
    warnings.extend(refused.iter().map(ToString::to_string));
    if config.cores.lock_memory {
        let outcome = host::lock_memory();
        if !outcome.is_done() {
            warnings.push(outcome.to_string());
        }
    }

    let mut next_agent = 0;
    let mut heartbeat = |core: Option<usize>| -> Result<RegionHeartbeat, RegionError> {
        let mut c = publication.agent(next_agent)?;
        next_agent += 1;
        c.set(counter::core, core.map_or(0, |c| c as u64 + 1));
        Ok(RegionHeartbeat(c))
    };
    let hot_core = |core| CoreConfig { core, scheduling: plan.realtime, idle: plan.idle, confined };
    let hot = match plan.topology {
        Topology::Inline => {
            let agent = Inline::new(feed_agents, strategy_agent, gateway_agents, clock.clone());
            let beat = heartbeat(config.cores.strategy)?;
            let handle =
                spawn(agent, hot_core(config.cores.strategy), clock.clone(), Arc::clone(&stop), beat);
            Hot::Inline(handle.map_err(io("hot thread"))?)
        }
        Topology::Pipelined => {
            // The consumers first, so that nothing waits in a ring at the start.
            let mut gateways = Vec::new();
            for (agent, core) in gateway_agents.into_iter().zip(&config.cores.gateways) {
                let beat = heartbeat(*core)?;
                let handle = spawn(agent, hot_core(*core), clock.clone(), Arc::clone(&stop), beat);
                gateways.push(handle.map_err(io("gateway thread"))?);
            }
            let beat = heartbeat(config.cores.strategy)?;
            let core = hot_core(config.cores.strategy);
            let strategy = spawn(strategy_agent, core, clock.clone(), Arc::clone(&stop), beat)
                .map_err(io("strategy thread"))?;
            let mut feeds = Vec::new();
            for (agent, core) in feed_agents.into_iter().zip(&config.cores.feeds) {
                let beat = heartbeat(*core)?;
                let handle = spawn(agent, hot_core(*core), clock.clone(), Arc::clone(&stop), beat);
                feeds.push(handle.map_err(io("feed thread"))?);
            }
            Hot::Pipelined { feeds, strategy, gateways }
        }
    };
    // Each with a stop flag of its own: one that panics must not take the other with it.
    let cold_core =
        CoreConfig { core: config.cores.cold, scheduling: None, idle: IdleStrategy::Park, confined };
    let (cold_stop, control_stop) = (Arc::default(), Arc::default());
    let beat = heartbeat(config.cores.cold)?;
    let cold = spawn(cold_agent, cold_core, clock.clone(), Arc::clone(&cold_stop), beat)
        .map_err(io("cold thread"))?;
    let beat = heartbeat(config.cores.cold)?;
    let control = spawn(control_agent, cold_core, clock, Arc::clone(&control_stop), beat)
        .map_err(io("control thread"))?;
    let viewer = Viewer::open(&config.name)?;
    match &hot {
        Hot::Inline(h) => note(&mut warnings, h),
        Hot::Pipelined { feeds, strategy, gateways } => {
            feeds.iter().for_each(|h| note(&mut warnings, h));
            note(&mut warnings, strategy);
            gateways.iter().for_each(|h| note(&mut warnings, h));
        }
    }
    note(&mut warnings, &cold);
    note(&mut warnings, &control);
    // The threads needed them to be placed.
    if let Some(kept) = confined {
        let outcome = host::drop_capabilities(kept);
        warnings.extend((!outcome.is_done()).then(|| outcome.to_string()));
    }
    let config = config.clone();
    begun.succeeded();
    Ok(Running {
        hot,
        cold,
        control,
        stop,
        cold_stop,
        control_stop,
        ending,
        viewer,
        run,
        _name: name,
        _latency_hold: latency_hold,
        config,
        memory,
        warnings,
    })
}

/// Tells once what the host refused to a thread.
fn note<A>(warnings: &mut Vec<String>, handle: &AgentHandle<A>) {
    for outcome in handle.outcomes().iter().filter(|o| !o.is_done()) {
        let text = outcome.to_string();
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }
}

fn agent_names(config: &Config, plan: &Plan) -> Vec<String> {
    let mut names = match plan.topology {
        Topology::Inline => vec!["inline".to_string()],
        Topology::Pipelined => {
            let names = config.gateways.iter().map(|g| format!("gateway-{}", g.id));
            let gateways: Vec<_> = match plan.stage {
                Stage::Paper(_) => vec!["paper".into()],
                Stage::Test | Stage::Live => names.collect(),
            };
            let feeds = config.feeds.iter().filter(|_| plan.hears).map(|f| format!("feed-{}", f.id));
            gateways.into_iter().chain(["strategy".to_string()]).chain(feeds).collect()
        }
    };
    names.extend(["cold", "control"].map(String::from));
    names
}

/// What a core still needs to be able to: the segments to come are locked too where memory is, and made in a folder that may be another user's.
fn kept_capabilities(config: &Config) -> host::Kept {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(&config.journal_dir).map_or(host::own_uid(), |there| there.uid());
    host::Kept::default()
        .with(host::IPC_LOCK, config.cores.lock_memory)
        .with(host::DAC_OVERRIDE, owner != host::own_uid())
}

/// Removes what a core that has ended leaves in shared memory: its region, which a monitor could still read, and its name.
pub fn leave_nothing(name: &str) {
    let _ = std::fs::remove_file(region_path(name));
    give_up_name(name);
}

/// FNV-1a over the configuration's text: tells two configurations apart in a journal.
#[must_use]
pub fn config_hash(toml: &str) -> u64 {
    toml.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// How often something that waits looks again.
pub const LOOK: Duration = Duration::from_millis(20);
