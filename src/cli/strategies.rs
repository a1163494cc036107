//! The strategies a binary knows, by name. Each is monomorphised: the name is looked up once, at the start.

use engine::strategy::{Imbalance, Observer, Quoter, Strategy};

use super::Failure;
use crate::config::Config;
use crate::core::{self, Plan, RunReport};
use crate::replay::{self, Replayed};
use crate::research::{self, Job, Made, Trouble};
use crate::telemetry::snapshot::Viewer;

/// What watches a running core: called every [`core::LOOK`]; `false` ends the run.
pub type Watch<'a> = &'a mut dyn FnMut(&Viewer, &std::path::Path) -> bool;

/// One strategy.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    run: fn(&Config, &Plan, Watch<'_>) -> Result<RunReport, Failure>,
    replay: fn(&replay::Journal) -> Result<Replayed, replay::ReplayError>,
    backtest: fn(&Job<'_>) -> Result<Vec<Made>, Trouble>,
    check: fn(&Config) -> Result<(), engine::strategy::ParamError>,
}

/// A strategy's entry for [`super::main`].
#[must_use]
pub const fn strategy<S: Strategy>() -> Entry {
    Entry {
        name: S::NAME,
        run: run::<S>,
        replay: replay::replay::<S>,
        backtest: research::over::<S>,
        check: check::<S>,
    }
}

/// Makes a strategy from a configuration, refusing parameters it does not know.
///
/// # Errors
/// The first parameter that is wrong.
pub fn make<S: Strategy>(config: &Config) -> Result<S, engine::strategy::ParamError> {
    let mut params = config.params.clone();
    let s = S::new(&mut params)?;
    params.finish()?;
    Ok(s)
}

fn check<S: Strategy>(config: &Config) -> Result<(), engine::strategy::ParamError> {
    make::<S>(config).map(drop)
}

fn run<S: Strategy>(config: &Config, plan: &Plan, watch: Watch<'_>) -> Result<RunReport, Failure> {
    let strategy = make::<S>(config).map_err(|e| Failure::with(super::Exit::Config, e))?;
    let running = core::start(config, plan, strategy).map_err(Failure::new)?;
    for w in &running.warnings {
        super::warn(w);
    }
    super::live::say(&format!("memory: {}", running.memory));
    while !running.has_ended() && watch(running.viewer(), running.journal()) {
        std::thread::sleep(core::LOOK);
    }
    let report = running.end();
    for failure in &report.failures {
        super::live::say(&format!("colo: {failure}"));
    }
    Ok(report)
}

/// The strategies of one binary.
pub struct Registry {
    entries: Vec<Entry>,
}

impl Registry {
    /// A user's own, then those that come with it. A user's own goes before one of the same name.
    #[must_use]
    pub fn new(own: &[Entry]) -> Registry {
        let built_in = [strategy::<Quoter>(), strategy::<Imbalance>(), strategy::<Observer>()];
        Registry { entries: own.iter().copied().chain(built_in).collect() }
    }

    /// The names, for messages.
    #[must_use]
    pub fn names(&self) -> String {
        self.entries.iter().map(|e| format!("\"{}\"", e.name)).collect::<Vec<_>>().join(", ")
    }

    /// The entry of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Entry> {
        self.entries.iter().find(|e| e.name == name).copied()
    }
}

impl Entry {
    /// Checks the strategy's parameters.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(&self, config: &Config) -> Result<(), engine::strategy::ParamError> {
        (self.check)(config)
    }

    /// Runs a core with it until `watch` says no more, or it ends by itself.
    ///
    /// # Errors
    /// It could not start.
    pub fn run(&self, config: &Config, plan: &Plan, watch: Watch<'_>) -> Result<RunReport, Failure> {
        (self.run)(config, plan, watch)
    }

    /// Replays a journal with it.
    ///
    /// # Errors
    /// The journal cannot be read, or a difference.
    pub fn replay(&self, journal: &replay::Journal) -> Result<Replayed, replay::ReplayError> {
        (self.replay)(journal)
    }

    /// Runs it over days that are over.
    ///
    /// # Errors
    /// A day that could not be run.
    pub fn backtest(&self, job: &Job<'_>) -> Result<Vec<Made>, Trouble> {
        (self.backtest)(job)
    }
}
