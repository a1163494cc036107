//! A core: agents, rings, journal, shared memory and threads put together from a configuration, and taken down in order.
//!
//! Start: lock and folder, logs, tokens, region, sockets, then threads; whatever fails, fails before the first thread runs.
//! End: the strategy thread is told to shut down (no new orders, cancel all, wait for the venue), then gateways log out, then feeds stop, then the cold
//! thread closes the logs.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::strategy::Strategy;
use engine::{Engine, EngineStats, Position};
use gateways::gateway::{Barrier, GatewayConfig, OuchGateway};
use gateways::soupbintcp::ClientConfig;
use model::{Control, FeedId, GatewayId, HaltReason, Usd};
use ringbuf::counters::Counters;
use ringbuf::log::{self, LogConfig, LogError};
use ringbuf::region::RegionError;
use ringbuf::spsc;

use crate::agent::{AgentHandle, AgentPanic, CoreConfig, Heartbeat, IdleStrategy, Phase, Pulse, spawn};
use crate::agents::{
    ColdAgent, ColdParts, FeedAgent, FeedParts, FeedPort, GatewayAgent, GatewayParts, GatewayPort, Inline,
    StrategyAgent, StrategyParts,
};
use crate::clock::Clock;
use crate::config::{Config, Topology};
use crate::control::ControlServer;
use crate::host;
use crate::journal::{Record, RunDir, RunError, TokenBlocks, record, take_name};
use crate::logs::{LogWriter, Names};
use crate::telemetry::counters::agent as counter;
use crate::telemetry::publish::Publication;
use crate::telemetry::region_path;
use crate::telemetry::snapshot::{Percentiles, SnapshotError, Viewer, halt_word};

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
    /// A gateway's configuration does not suit its protocol.
    #[error("gateway {id}: {source}")]
    Gateway {
        /// Which.
        id: String,
        /// Why.
        source: gateways::gateway::ConfigError,
    },
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}

/// How a configuration is put on this host, and what had to give.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The topology.
    pub topology: Topology,
    /// What idle threads do.
    pub idle: IdleStrategy,
    /// What the person should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Fits the configuration to the cores there are. `others`: busy threads of this process beside the core's.
    #[must_use]
    pub fn new(config: &Config, others: usize) -> Plan {
        let cores = host::available_core_count();
        let hot = match config.topology {
            Topology::Pipelined => config.feeds.len() + 1 + config.gateways.len(),
            Topology::Inline => 1,
        };
        let mut plan = Plan { topology: config.topology, idle: config.idle, warnings: Vec::new() };
        if hot + others > cores && plan.idle != IdleStrategy::Park {
            plan.idle = IdleStrategy::Park;
            plan.warnings.push(format!(
                "{hot} hot thread(s) on {cores} core(s): idle threads back off and sleep instead of spinning, which adds tens of \
                 microseconds; use topology \"inline\", or a host with at least {} cores",
                hot + others + 1
            ));
        }
        plan
    }
}

/// Pulses into shared memory.
struct RegionHeartbeat(Counters);

impl Heartbeat for RegionHeartbeat {
    #[inline]
    fn pulse(&mut self, p: &Pulse) {
        self.0.set(counter::heartbeat_ns, p.now.0);
        self.0.set(counter::cycles, p.cycles);
        self.0.set(counter::work, p.work);
    }

    fn phase(&mut self, _phase: Phase) {}
}

/// The hot threads.
enum Hot<S> {
    Pipelined {
        feeds: Vec<AgentHandle<FeedAgent>>,
        strategy: AgentHandle<StrategyAgent<S>>,
        gateways: Vec<AgentHandle<GatewayAgent>>,
    },
    Inline(AgentHandle<Inline<StrategyAgent<S>>>),
}

/// A running core.
pub struct Running<S> {
    hot: Hot<S>,
    cold: AgentHandle<ColdAgent>,
    /// Ends the feeds' and, after a panic, all hot threads at once.
    stop: Arc<AtomicBool>,
    cold_stop: Arc<AtomicBool>,
    asked_to_end: Arc<AtomicBool>,
    leave: Arc<AtomicBool>,
    viewer: Viewer,
    run: RunDir,
    /// Keeps the name for as long as the core lives.
    _name: File,
    /// Keeps cores out of deep idle states for as long as the core lives.
    _latency_hold: Option<host::CpuLatencyHold>,
    config: Config,
    /// What stands behind books and rings.
    pub memory: host::Backed,
    /// What the host refused, one sentence each.
    pub warnings: Vec<String>,
}

/// What a core leaves behind.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Journal folder of the run.
    pub journal: PathBuf,
    /// The engine's counts.
    pub stats: EngineStats,
    /// Positions by symbol.
    pub positions: BTreeMap<String, Position>,
    /// Orders still open: the venue did not confirm their end in time.
    pub open_orders: usize,
    /// Profit and loss.
    pub pnl: Usd,
    /// The engine's hash.
    pub state_hash: u64,
    /// Why trading was halted, beside the shutdown itself.
    pub halted: Option<HaltReason>,
    /// Latencies by stage.
    pub latency_ns: BTreeMap<&'static str, Percentiles>,
    /// Feed counters, summed over feeds.
    pub feeds: BTreeMap<&'static str, u64>,
    /// Gateway counters, summed over gateways.
    pub gateways: BTreeMap<&'static str, u64>,
    /// What went wrong, in words.
    pub failures: Vec<String>,
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
    let mut warnings = plan.warnings.clone();
    for f in config.feeds.iter().filter(|f| f.glimpse.is_some()) {
        warnings.push(format!(
            "feed {}: `glimpse` is not used: this version takes no snapshots, and re-requests what is missing",
            f.id
        ));
    }
    let mut latency_hold = None;
    if config.cores.realtime.is_some() {
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
    let mut tokens = TokenBlocks::open(&config.journal_dir)?;
    let granted = tokens.grant()?;

    let mut keepers = Vec::new();
    let mut open_log = |name: &str, dir: PathBuf| -> Result<log::Writer, LogError> {
        let (writer, keeper) = log::create(LogConfig {
            dir,
            segment_bytes: config.journal.segment_bytes,
            reserve_bytes: RESERVE.min(config.journal.segment_bytes / 4),
            sync: config.journal.sync,
        })?;
        keepers.push((name.to_string(), keeper));
        Ok(writer)
    };
    let core_dir = RunDir::core(&run.path);
    let mut journal = open_log("core journal", core_dir.clone())?;
    let mut captures = Vec::new();
    for f in &config.feeds {
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
    begin.encode(|kind, bytes| journal.append(kind, bytes)).expect("an empty segment takes a record");

    let names = agent_names(config, plan.topology);
    let mut publication = Publication::create(config, &names, clock.now())?;
    begun.region = Some(region_path(&config.name));
    let leave = Arc::new(AtomicBool::new(false));
    let cold_stop = Arc::new(AtomicBool::new(false));

    let mut gateway_agents = Vec::new();
    let mut gateway_ports = Vec::new();
    for (k, g) in config.gateways.iter().enumerate() {
        let (to_gateway, orders) = spsc::channel(config.capacity.gateway_ring);
        let (out, items) = spsc::channel(config.capacity.gateway_ring);
        let id = GatewayId(k as u8);
        let mut session =
            GatewayConfig::new(id, g.firm, ClientConfig::new(&g.account.username, &g.account.password));
        session.barrier = if g.account_query { Barrier::AccountQuery } else { Barrier::None };
        let gateway = OuchGateway::new(session, &config.instruments)
            .map_err(|source| StartError::Gateway { id: g.id.clone(), source })?;
        gateway_agents.push(GatewayAgent::new(GatewayParts {
            id,
            name: g.id.clone(),
            address: g.account.address,
            gateway,
            orders,
            out,
            publisher: publication.gateway(k)?,
            clock: clock.clone(),
            sample_every: config.sample_every,
            leave: Arc::clone(&leave),
        }));
        gateway_ports.push(GatewayPort { id, items, orders: to_gateway });
    }
    let mut feed_agents = Vec::new();
    let mut feed_ports = Vec::new();
    let mut watches = Vec::new();
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
        })
        .map_err(io(format!("feed {}", f.id)))?;
        warnings.extend(agent.warnings());
        watches.push(agent.watch().map_err(io(format!("feed {}", f.id)))?);
        feed_agents.push(agent);
        feed_ports.push(FeedPort::new(id, items));
    }
    let (control_ring, control) = spsc::channel::<Control>(CONTROL_RING);
    let strategy_agent = StrategyAgent::new(StrategyParts {
        engine: Engine::new(&config.engine(), strategy),
        feeds: feed_ports,
        gateways: gateway_ports,
        control,
        journal,
        publisher: publication.core()?,
        clock: clock.clone(),
        leave: Arc::clone(&leave),
    });
    let log_file = run.path.join("log.jsonl");
    let log_names = Names {
        feeds: config.feeds.iter().map(|f| f.id.clone()).collect(),
        gateways: config.gateways.iter().map(|g| g.id.clone()).collect(),
        instruments: config.instruments.clone(),
    };
    let log =
        LogWriter::create(&log_file, &core_dir, log_names).map_err(io(log_file.display().to_string()))?;
    let socket = ControlServer::bind(&config.name, control_ring).map_err(io("control socket"))?;
    let asked_to_end = Arc::new(AtomicBool::new(false));
    let cold_agent = ColdAgent::new(ColdParts {
        keepers,
        watches,
        log,
        control: socket,
        tokens,
        granted,
        name: config.name.clone(),
        asked_to_end: Arc::clone(&asked_to_end),
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
    let hot_core = |core| CoreConfig { core, scheduling: config.cores.realtime, idle: plan.idle };
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
    let beat = heartbeat(config.cores.cold)?;
    let core = CoreConfig { core: config.cores.cold, scheduling: None, idle: IdleStrategy::Park };
    let cold = spawn(cold_agent, core, clock, Arc::clone(&cold_stop), beat).map_err(io("cold thread"))?;
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
    let config = config.clone();
    begun.succeeded();
    Ok(Running {
        hot,
        cold,
        stop,
        cold_stop,
        asked_to_end,
        leave,
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

fn agent_names(config: &Config, topology: Topology) -> Vec<String> {
    let mut names = match topology {
        Topology::Inline => vec!["inline".to_string()],
        Topology::Pipelined => {
            let gateways = config.gateways.iter().map(|g| format!("gateway-{}", g.id));
            let feeds = config.feeds.iter().map(|f| format!("feed-{}", f.id));
            gateways.chain(["strategy".to_string()]).chain(feeds).collect()
        }
    };
    names.push("cold".into());
    names
}

/// FNV-1a over the configuration's text: tells two configurations apart in a journal.
#[must_use]
pub fn config_hash(toml: &str) -> u64 {
    toml.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

impl<S: Strategy> Running<S> {
    /// The shared memory, for whoever shows progress.
    #[must_use]
    pub fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Journal folder of the run.
    #[must_use]
    pub fn journal(&self) -> &std::path::Path {
        &self.run.path
    }

    /// Asks it to end in order; returns at once.
    pub fn ask_to_end(&self) {
        self.asked_to_end.store(true, Ordering::Release);
    }

    /// Whether the strategy thread has ended, asked or not.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match &self.hot {
            Hot::Inline(h) => h.is_finished(),
            Hot::Pipelined { strategy, .. } => strategy.is_finished(),
        }
    }

    /// Ends it in order and waits.
    #[must_use]
    pub fn end(self) -> RunReport {
        self.ask_to_end();
        let mut failures = Vec::new();
        let mut panicked = |p: AgentPanic| failures.push(p.to_string());
        let strategy = match self.hot {
            Hot::Inline(h) => {
                let joined = h.join().map_err(&mut panicked).ok();
                joined.map(|inline| inline.into_parts().1)
            }
            Hot::Pipelined { feeds, strategy, gateways } => {
                let strategy = strategy.join().map_err(&mut panicked).ok();
                // A strategy that panicked has told nobody that it is done.
                self.leave.store(true, Ordering::Release);
                for g in gateways {
                    let _ = g.join().map_err(&mut panicked);
                }
                self.stop.store(true, Ordering::Release);
                for f in feeds {
                    let _ = f.join().map_err(&mut panicked);
                }
                strategy
            }
        };
        self.cold_stop.store(true, Ordering::Release);
        match self.cold.join() {
            Ok(cold) => failures.extend(cold.failures().iter().cloned()),
            Err(p) => failures.push(p.to_string()),
        }
        let snapshot = self.viewer.read();
        let sum = |ports: &mut dyn Iterator<Item = &BTreeMap<&'static str, u64>>| {
            let mut all = BTreeMap::new();
            for (name, v) in ports.flatten() {
                *all.entry(*name).or_default() += v;
            }
            all
        };
        let symbol = |k: usize| self.config.instruments[k].symbol.to_string();
        let engine = strategy.as_ref().map(StrategyAgent::engine);
        RunReport {
            journal: self.run.path.clone(),
            stats: engine.map(Engine::stats).unwrap_or_default(),
            positions: engine
                .map(|e| e.positions().all().iter().enumerate().map(|(k, p)| (symbol(k), *p)).collect())
                .unwrap_or_default(),
            open_orders: engine.map_or(0, |e| e.orders().open()),
            pnl: engine.map(Engine::pnl).unwrap_or_default(),
            state_hash: engine.map_or(0, Engine::state_hash),
            halted: strategy.as_ref().and_then(StrategyAgent::halted),
            latency_ns: snapshot.latency_ns,
            feeds: sum(&mut snapshot.feeds.iter().map(|f| &f.counters)),
            gateways: sum(&mut snapshot.gateways.iter().map(|g| &g.counters)),
            failures,
        }
    }
}

impl RunReport {
    /// Why trading had stopped, in one word.
    #[must_use]
    pub fn halt_word(&self) -> Option<&'static str> {
        self.halted.map(halt_word)
    }
}

/// How often something that waits looks again.
pub const LOOK: Duration = Duration::from_millis(20);
