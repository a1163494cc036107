//! A core that runs, how it is ended, and what it leaves behind.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::strategy::{ParamValue, Strategy};
use engine::{Engine, EngineStats, Position};
use model::{HaltReason, Nanos, Usd};

use crate::agent::{AgentHandle, AgentPanic};
use crate::agents::{
    ColdAgent, ControlAgent, Ending, Farewell, FeedAgent, GatewayAgent, Inline, StrategyAgent,
};
use crate::clock::Clock;
use crate::config::Config;
use crate::host;
use crate::journal::RunDir;
use crate::reconcile::Figures;
use crate::telemetry::snapshot::{Viewer, halt_word};
use crate::telemetry::stages::Percentiles;

/// The hot threads.
pub(super) enum Hot<S> {
    Pipelined {
        feeds: Vec<AgentHandle<FeedAgent>>,
        strategy: AgentHandle<StrategyAgent<S>>,
        gateways: Vec<AgentHandle<GatewayAgent>>,
    },
    Inline(AgentHandle<Inline<StrategyAgent<S>>>),
}

/// A running core.
pub struct Running<S> {
    pub(super) hot: Hot<S>,
    pub(super) cold: AgentHandle<ColdAgent>,
    pub(super) control: AgentHandle<ControlAgent>,
    /// Ends the feeds and, after a panic, lets all hot threads wind down.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) cold_stop: Arc<AtomicBool>,
    pub(super) control_stop: Arc<AtomicBool>,
    pub(super) ending: Arc<Ending>,
    pub(super) viewer: Viewer,
    pub(super) run: RunDir,
    /// Keeps the name for as long as the core lives.
    pub(super) _name: File,
    /// Keeps cores out of deep idle states for as long as the core lives.
    pub(super) _latency_hold: Option<host::CpuLatencyHold>,
    pub(super) config: Config,
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
    /// When it began.
    pub began: Nanos,
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
    /// Number of the last change of parameters and limits while it ran; 0 where it ran as configured.
    pub change: u32,
    /// The strategy's parameters at the end.
    pub params: BTreeMap<&'static str, ParamValue>,
    /// Latencies by stage.
    pub latency_ns: BTreeMap<&'static str, Percentiles>,
    /// Feed counters, summed over feeds.
    pub feeds: BTreeMap<&'static str, u64>,
    /// Gateway counters, summed over gateways.
    pub gateways: BTreeMap<&'static str, u64>,
    /// What the venue says was done, where it was simulated.
    pub on_paper: Option<Figures>,
    /// When it had ended.
    pub ended: Nanos,
    /// What went wrong, in words.
    pub failures: Vec<String>,
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
        self.ending.ask();
    }

    /// Whether it is over, asked or not: the strategy thread has ended, as it does when a thread is gone without which it must not go on ([`Ending`]).
    /// [`Running::end`] is then to be called.
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
        let mut gateways_left = Vec::new();
        let strategy = match self.hot {
            Hot::Inline(h) => {
                let remains = h.join().map_err(&mut panicked).ok().map(Inline::into_remains);
                remains.and_then(|r| {
                    r.panics.into_iter().for_each(&mut panicked);
                    gateways_left = r.gateways;
                    r.strategy
                })
            }
            Hot::Pipelined { feeds, strategy, gateways } => {
                let strategy = strategy.join().map_err(&mut panicked).ok();
                // A strategy that panicked has told nobody how to end.
                self.ending.raise(if strategy.is_some() { Farewell::LogOut } else { Farewell::Sweep });
                for g in gateways {
                    gateways_left.extend(g.join().map_err(&mut panicked));
                }
                self.stop.store(true, Ordering::Release);
                for f in feeds {
                    let _ = f.join().map_err(&mut panicked);
                }
                strategy
            }
        };
        self.control_stop.store(true, Ordering::Release);
        let _ = self.control.join().map_err(&mut panicked);
        failures.extend(strategy.as_ref().and_then(StrategyAgent::failure));
        failures.extend(gateways_left.iter().filter_map(GatewayAgent::failure));
        let on_paper = gateways_left.iter().find_map(GatewayAgent::on_paper);
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
            began: Nanos(snapshot.started_ns),
            stats: engine.map(Engine::stats).unwrap_or_default(),
            positions: engine
                .map(|e| e.positions().all().iter().enumerate().map(|(k, p)| (symbol(k), *p)).collect())
                .unwrap_or_default(),
            open_orders: engine.map_or(0, |e| e.orders().ours_open()),
            pnl: engine.map(Engine::pnl).unwrap_or_default(),
            state_hash: engine.map_or(0, Engine::state_hash),
            halted: strategy.as_ref().and_then(StrategyAgent::halted),
            change: engine.map_or(0, Engine::last_change),
            params: engine
                .and_then(Engine::params)
                .map(|p| p.known().map(|(name, _, value)| (name, value)).collect())
                .unwrap_or_default(),
            latency_ns: snapshot.latency_ns,
            feeds: sum(&mut snapshot.feeds.iter().map(|f| &f.counters)),
            gateways: sum(&mut snapshot.gateways.iter().map(|g| &g.counters)),
            on_paper,
            ended: Clock::new().now(),
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
