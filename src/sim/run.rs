//! Seeds, one after the other on each thread, until the last one or the first violation.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::canary::Canary;
use super::faults::Storm;
use super::figures::Figures;
use super::oracle::{Invariant, Violation, violated};
use super::process::HostError;
use super::world::{Outcome, Stop, World};

/// One seed in so many is run twice, and has to do the same.
const TWIN_EVERY: u64 = 16;

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Order {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// Inputs that the engines of a seed take at least.
    pub events: u64,
    /// Threads, each of which runs seeds of its own.
    pub threads: usize,
    /// A core that is broken on purpose.
    pub canary: Option<Canary>,
}

/// An invariant that did not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// The step of it.
    pub step: u64,
    /// What.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} step {} invariant {}", self.seed, self.step, self.violation)
    }
}

/// Why a simulation did not come to its end.
#[derive(Debug)]
pub enum SimError {
    /// An invariant does not hold.
    Failed(Box<Failure>),
    /// The host refuses something that the simulator stands on: shared memory, a file.
    Host(HostError),
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SimError::Failed(failure) => failure.fmt(f),
            SimError::Host(e) => write!(f, "the host: {e}"),
        }
    }
}

impl std::error::Error for SimError {}

/// A folder in memory that goes with its owner.
pub(super) struct Scratch(pub(super) PathBuf);

/// Tells the folders of one process apart.
static SCRATCHES: AtomicU64 = AtomicU64::new(0);

impl Scratch {
    pub(super) fn new() -> std::io::Result<(Scratch, String)> {
        let name = format!("sim-{}-{}", std::process::id(), SCRATCHES.fetch_add(1, Ordering::Relaxed));
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() { shm.to_path_buf() } else { std::env::temp_dir() };
        let folder = base.join(format!("colo-{name}-folder"));
        std::fs::create_dir_all(&folder)?;
        Ok((Scratch(folder), name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs one seed until its engines have taken so many inputs, and to its end.
///
/// # Errors
/// [`SimError`].
pub fn run_seed(seed: u64, events: u64, canary: Option<Canary>) -> Result<Figures, SimError> {
    let host = |e: std::io::Error| SimError::Host(e.into());
    let (scratch, name) = Scratch::new().map_err(host)?;
    let at = |step: u64, stop: Stop| match stop {
        Stop::Violated(violation) => SimError::Failed(Box::new(Failure { seed, step, violation })),
        Stop::Host(e) => SimError::Host(e),
    };
    let mut world = World::new(&scratch.0, &name, seed, canary).map_err(|stop| at(0, stop))?;
    // What of the world a panic leaves half done is not looked at again, but for the step.
    let lived = catch_unwind(AssertUnwindSafe(|| live(&mut world, events).and_then(|()| world.finish())));
    let outcome = lived.unwrap_or_else(|panic| Err(violated(Invariant::Panic, message(&*panic)).into()));
    outcome.map_err(|stop| at(world.step, stop))
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// Storms and calms take turns.
fn live(world: &mut World, events: u64) -> Outcome {
    world.calm()?;
    while world.events() < events {
        let storm = Storm::draw(&mut world.rng, &world.setup.plan, &mut world.figures.faults);
        let until = world.step + storm.lasts;
        world.change_weather(storm);
        while world.step < until && world.events() < events {
            world.strike()?;
            world.turn()?;
        }
        world.calm()?;
    }
    Ok(())
}

/// Runs all that is ordered.
///
/// # Errors
/// The first failure, by seed.
///
/// # Panics
/// Where a thread of it does; what a seed's core panics with is a failure like others.
pub fn run(order: &Order) -> Result<Figures, SimError> {
    let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (sum, wrong) = (Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    let guard = "a seed's thread has panicked";
    std::thread::scope(|scope| {
        for _ in 0..order.threads.max(1) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let k = next.fetch_add(1, Ordering::Relaxed);
                    if k >= order.seeds {
                        break;
                    }
                    match one(order, order.first.wrapping_add(k)) {
                        Ok(figures) => sum.lock().expect(guard).add(&figures),
                        Err(e) => {
                            is_over.store(true, Ordering::Relaxed);
                            wrong.lock().expect(guard).push((k, e));
                        }
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().expect(guard);
    wrong.sort_by_key(|(k, _)| *k);
    match wrong.into_iter().next() {
        Some((_, e)) => Err(e),
        None => Ok(sum.into_inner().expect(guard)),
    }
}

fn one(order: &Order, seed: u64) -> Result<Figures, SimError> {
    let mut figures = run_seed(seed, order.events, order.canary)?;
    if seed.is_multiple_of(TWIN_EVERY) {
        let twin = run_seed(seed, order.events, order.canary)?;
        if twin != figures {
            let (a, b) = (figures.trace, twin.trace);
            let found = format!("traces {a:016x} and {b:016x}: {figures}; {twin}");
            let violation = violated(Invariant::Trace, found);
            return Err(SimError::Failed(Box::new(Failure { seed, step: figures.steps, violation })));
        }
        figures.twins = 1;
    }
    Ok(figures)
}
