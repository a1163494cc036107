//! One run of the core in one thread: the agents of a core over the simulator's network, the seams between them, and what its cold thread does. Its folder, its
//! journal, its tokens and its shared memory are real; the disk under the journal can be told to fail.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::sync_channel;

use engine::Engine;
use feeds::itch50::Subscription;
use gateways::gateway::OuchGateway;
use model::{BreakerLevel, Control, FeedId, GatewayId, Nanos, Token, Usd};
use ringbuf::log::{self, DiskOp, Keeper, LogConfig, LogError};
use ringbuf::spsc::{self, Producer};

use super::Setup;
use super::canary::Canary;
use super::lines::Lines;
use super::link::{InMemory, SimLink};
use super::seams::{FeedSeam, OrderSeam, ReportSeam};
use super::trader::Trader;
use crate::agent::Agent;
use crate::agents::{
    ControlItem, Ending, FeedOf, FeedParts, FeedPort, GatewayOf, GatewayParts, GatewayPort, SWEEP_TOKENS,
    StrategyAgent, StrategyParts, WORDS,
};
use crate::clock::{Clock, Discipline};
use crate::config::{Config, Written};
use crate::journal::{Record, RunDir, TokenBlocks, record};
use crate::order_protocol::Configured;
use crate::telemetry::publish::Publication;
use crate::telemetry::region_path;

/// The gateway of the configuration.
pub(super) const GATEWAY: GatewayId = GatewayId(0);
const FEED: FeedId = FeedId(0);
/// What the journal keeps back, as a core's does.
const RESERVE: usize = 256 * 1024;
/// How often the cold side looks after the logs, ns.
const COLD: u64 = 50_000_000;
/// How often the clock is bent towards the wall clock, ns.
const CLOCK: u64 = 1_000_000_000;

/// How the disk under the logs does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Disk {
    /// Well.
    Well = 0,
    /// There is no room for another segment.
    Full = 1,
    /// Whatever is asked of it fails.
    Broken = 2,
}

/// The disk, as the process and the world share it.
#[derive(Clone, Debug, Default)]
pub(super) struct DiskState(Arc<AtomicU8>);

impl DiskState {
    pub(super) fn set(&self, disk: Disk) {
        self.0.store(disk as u8, Ordering::Relaxed);
    }

    fn gate(&self) -> impl FnMut(DiskOp) -> io::Result<()> + Send + 'static {
        let state = Arc::clone(&self.0);
        move |op| match (state.load(Ordering::Relaxed), op) {
            (0, _) => Ok(()),
            (1, DiskOp::Reserve { .. }) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            (1, _) => Ok(()),
            _ => Err(io::Error::from_raw_os_error(libc::EIO)),
        }
    }
}

/// See the module.
pub(super) struct Process {
    pub(super) feed: FeedOf<Subscription, InMemory>,
    pub(super) strategy: StrategyAgent<Trader>,
    pub(super) gateway: GatewayOf<OuchGateway, SimLink>,
    pub(super) market: FeedSeam,
    pub(super) orders: OrderSeam,
    pub(super) reports: ReportSeam,
    pub(super) control: Producer<ControlItem>,
    pub(super) ending: Arc<Ending>,
    pub(super) run: PathBuf,
    /// How far it was told to restrain itself since a person's last resume; and of that the strategy has taken.
    due: BreakerLevel,
    pub(super) told: BreakerLevel,
    /// A resume may be on its way.
    pub(super) resumes: bool,
    canary: Option<Canary>,
    clock: Clock,
    discipline: Option<Discipline>,
    keepers: Vec<Option<Keeper>>,
    tokens: TokenBlocks,
    tended: u64,
    adjusted: u64,
    _run: RunDir,
}

/// Why the host does not let a process be simulated.
pub(super) type HostError = Box<dyn std::error::Error + Send + Sync>;

/// Where the engine's part of a block ends: the last of it is for a sweep.
fn before(end: Token) -> Token {
    Token(end.0.saturating_sub(SWEEP_TOKENS))
}

impl Process {
    /// Starts one. `now`: the true time in ns, `counter`: the processor's counter, which stands for it, `wall`: what the wall clock says.
    pub(super) fn start(
        setup: &Setup,
        lines: &mut Lines,
        disk: &DiskState,
        counter: &quanta::Clock,
        (now, wall): (u64, u64),
    ) -> Result<Process, HostError> {
        let config = &setup.config;
        let clock = Clock::anchored(counter.clone(), counter.raw(), Nanos(wall));
        let toml = config.to_toml();
        let run = RunDir::create(&config.journal_dir, &toml)?;
        let mut tokens = TokenBlocks::open(&config.journal_dir)?;
        let (first, end) = tokens.grant()?;
        let mut keepers = Vec::new();
        let mut open_log = |dir: PathBuf| -> Result<log::Writer, LogError> {
            let log = LogConfig {
                dir,
                segment_bytes: config.journal.segment_bytes,
                reserve_bytes: RESERVE.min(config.journal.segment_bytes / 4),
                sync: config.journal.sync,
            };
            let (writer, keeper) = log::create_gated(log, disk.gate())?;
            keepers.push(Some(keeper));
            Ok(writer)
        };
        let mut journal = open_log(RunDir::core(&run.path))?;
        let capture = open_log(RunDir::capture(&run.path, &config.feeds[0].id))?;
        let begin = Record::Start {
            format: record::FORMAT,
            run: run.number,
            config_hash: crate::core::config_hash(&toml),
            now: clock.now(),
        };
        begin.append(&mut journal)?;
        let mut publication = Publication::create(config, &[], clock.now())?;
        // Its writers keep the memory; nobody else is to find it.
        let _ = std::fs::remove_file(region_path(&config.name));

        let ending = Arc::new(Ending::default());
        let (words, _) = sync_channel(WORDS);
        let ring = config.capacity.gateway_ring;
        let (to_order_seam, from_strategy) = spsc::channel(ring);
        let (to_gateway, orders) = spsc::channel(ring);
        let (out, from_gateway) = spsc::channel(ring);
        let (to_strategy, items) = spsc::channel(ring);
        let parts = GatewayParts {
            id: GATEWAY,
            config: config.gateways[0].clone(),
            orders,
            out,
            publisher: publication.gateway(0)?,
            clock: clock.clone(),
            sample_every: 0,
            ending: Arc::clone(&ending),
            words: words.clone(),
        };
        let session = OuchGateway::configured(&parts.config, GATEWAY, &config.instruments)?;
        let gateway = GatewayOf::new(parts, session, &mut Vec::new());
        let (feed_out, from_feed) = spsc::channel(config.capacity.feed_ring);
        let (to_market, market) = spsc::channel(config.capacity.feed_ring);
        let parts = FeedParts {
            id: FEED,
            config: config.feeds[0].clone(),
            instruments: config.instruments.clone(),
            out: feed_out,
            capture: Some(capture),
            publisher: publication.feed(0)?,
            clock: clock.clone(),
            sample_every: 0,
            words,
        };
        let (ends, servers) = lines.open();
        let feed = FeedOf::new(parts, ends, servers)?;
        let (mut control, controls) = spsc::channel(64);
        let _ = control.push(Control::Tokens { first, end: before(end) }.into());
        let mut engine = config.engine();
        if setup.canary == Some(Canary::ReservesNothing) {
            engine.limits.max_position *= 3;
        }
        if setup.canary == Some(Canary::Overspends) {
            let strategy = &mut engine.scopes.strategy;
            for most in
                [&mut strategy.max_gross_notional, &mut strategy.max_net_notional].into_iter().flatten()
            {
                most.0 *= 3;
            }
        }
        if setup.canary == Some(Canary::IgnoresLoss) {
            engine.limits.max_daily_loss = Usd(i64::MAX / 2);
        }
        if setup.canary == Some(Canary::IgnoresBreakers) {
            engine.breakers.rules.clear();
        }
        if setup.canary == Some(Canary::Outpaces) {
            for throttle in &mut engine.throttles {
                throttle.windows.iter_mut().for_each(|w| w.limit *= 2);
                throttle.bucket.iter_mut().for_each(|b| b.burst *= 2);
            }
        }
        let strategy = StrategyAgent::new(StrategyParts {
            engine: Engine::new(&engine, crate::cli::make(config)?),
            feeds: vec![FeedPort::new(FEED, market)],
            gateways: vec![GatewayPort { id: GATEWAY, items, orders: to_order_seam }],
            control: controls,
            journal,
            publisher: publication.core()?,
            clock: clock.clone(),
            ending: Arc::clone(&ending),
        });
        Ok(Process {
            feed,
            strategy,
            gateway,
            market: FeedSeam::new(from_feed, to_market, setup.canary),
            orders: OrderSeam::new(from_strategy, to_gateway, setup.canary),
            reports: ReportSeam::new(from_gateway, to_strategy, setup.canary),
            control,
            ending,
            run: run.path.clone(),
            due: BreakerLevel::Normal,
            told: BreakerLevel::Normal,
            resumes: false,
            canary: setup.canary,
            discipline: clock.discipline(),
            clock,
            keepers,
            tokens,
            tended: now,
            adjusted: now,
            _run: run,
        })
    }

    /// Its time.
    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    pub(super) fn engine(&self) -> &Engine<Trader> {
        self.strategy.engine()
    }

    /// Whether nothing waits in a ring or a seam.
    pub(super) fn is_idle(&self) -> bool {
        self.market.from.is_empty()
            && self.market.is_between()
            && self.orders.from.is_empty()
            && self.reports.from.is_empty()
            && !self.engine().has_backlog()
    }

    /// Passes on what a person or the cold thread says; whether there was room for it.
    pub(super) fn tell(&mut self, control: Control) -> bool {
        let is_lost = self.canary == Some(Canary::MissesTrip) && matches!(control, Control::Trip { .. });
        if !is_lost && self.control.push(control.into()).is_err() {
            return false;
        }
        match control {
            Control::Halt(_) => self.due = BreakerLevel::Halted,
            Control::Trip { level, .. } => self.due = self.due.max(level),
            Control::Resume => {
                (self.due, self.told) = (BreakerLevel::Normal, BreakerLevel::Normal);
                self.resumes = true;
            }
            _ => {}
        }
        true
    }

    /// Whether the strategy has taken all that it was told.
    pub(super) fn has_heard(&self) -> bool {
        self.control.free() == self.control.capacity()
    }

    /// The strategy has had its cycle.
    pub(super) fn hear(&mut self) {
        if self.has_heard() {
            (self.told, self.resumes) = (self.due, false);
        }
    }

    /// What the cold thread does, where it is time: segments, tokens, clock.
    pub(super) fn tend(&mut self, now: u64, wall: u64) {
        if now.saturating_sub(self.tended) >= COLD {
            self.tended = now;
            for keeper in &mut self.keepers {
                // A disk that is full may have room again; anything else does not heal.
                let failed = keeper.as_mut().and_then(|k| k.tend().err());
                if failed.is_some_and(|e| !matches!(e, LogError::DiskFull { .. })) {
                    *keeper = None;
                }
            }
            if self.engine().tokens_left() < TokenBlocks::BLOCK / 2
                && let Ok((first, end)) = self.tokens.grant()
            {
                let _ = self.control.push(Control::Tokens { first: before(first), end: before(end) }.into());
            }
        }
        if now.saturating_sub(self.adjusted) >= CLOCK {
            self.adjusted = now;
            if let Some(discipline) = &mut self.discipline {
                discipline.follow(Nanos(wall));
            }
        }
    }

    /// The agents are done: they end, the strategy's with what the gateway has said last.
    pub(super) fn end_agents(&mut self) {
        self.reports.pass();
        self.strategy.on_close();
        self.gateway.on_close();
        self.feed.on_close();
    }

    /// Closes the logs of agents that have ended.
    pub(super) fn close(mut self) {
        for keeper in self.keepers.drain(..).flatten() {
            // What the disk refused has been seen; the journal's reader judges what is there.
            let _ = keeper.close();
        }
    }
}

/// A configuration of the core for one seed, in a folder.
pub(super) fn configure(
    folder: &std::path::Path,
    name: &str,
    seed: u64,
    trades_every: u64,
    more: impl FnOnce(&mut Written),
) -> Result<Config, HostError> {
    let file = folder.join("core.toml");
    let mut written = crate::config::parse_toml::<Written>(include_str!("core.toml"), &file)?;
    written.name = name.to_owned();
    let params = [("seed", seed >> 1), ("every", trades_every)];
    for (param, value) in params {
        written.strategy.params.insert(param.into(), toml::Value::Integer(value as i64));
    }
    more(&mut written);
    let mut config = Config::resolve(written, &file, crate::config::Secrets::Skip)?;
    // The simulated venue's; no file is read for it.
    config.gateways[0].account.password = "pass".into();
    if let Some(snapshots) = &mut config.feeds[0].glimpse {
        snapshots.password = "pass".into();
    }
    Ok(config)
}
