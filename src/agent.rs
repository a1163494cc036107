//! Agents and the threads that run them.
//!
//! An [`Agent`] has a name and a duty cycle; it knows nothing of threads, clocks or cores. A [`Runner`] calls its duty cycle in a loop
//! with the clock read once a cycle, and [`spawn`] gives a runner a thread of its own, pinned and scheduled as configured.
//!
//! ```text
//!   spawn ──► thread: pin, schedule ──► on_start ──► ┌─ now ─ do_work(now) ─ heartbeat ─ idle ─┐
//!                                                    └─ until is_done(), or stopped and on_stop() ─┘ ──► on_close ──► join: the agent
//!                                            a panic anywhere ──► stop flag set for all, join: AgentPanic
//! ```
//!
//! The stop flag ends the loop at once, save for an agent whose [`Agent::on_stop`] says that it has something to wind down: orders that are open at a
//! venue do not go away with the thread that sent them. Such an agent is given cycles until it [is done](Agent::is_done), which it bounds in time itself.
//!
//! A panic is a bug, and after it the state of that agent is not to be trusted: it is dropped, the flag stops the others in order,
//! and `join` reports it. Nothing is restarted. An agent made of several ([`crate::agents::Inline`]) loses only the one that panicked
//! ([`Agent::on_panic`]); the rest of it winds down.
//!
//! Cost of a cycle beyond the agent's own: one [`Clock::now`], one relaxed-cost load of the stop flag, the heartbeat's stores
//! (for [`AgentCounters`]: three to one cache line that only readers share). No allocation, no lock; the idle strategies `Yield`
//! and `Park` make system calls, but only in cycles without work.

#![forbid(unsafe_code)]

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use model::Nanos;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::host::{self, Outcome};

/// A piece of the core with a duty cycle.
pub trait Agent: Send {
    /// What it is called; also the thread's name (Linux shows the first 15 bytes).
    fn name(&self) -> &str;

    /// One duty cycle: does what there is to do now without waiting, and returns how much that was (0: idle).
    fn do_work(&mut self, now: Nanos) -> usize;

    /// Called once on its thread before the first cycle.
    fn on_start(&mut self) {}

    /// Called on its thread after the last cycle, however the loop ended, save by a panic that was its last.
    fn on_close(&mut self) {}

    /// Called once when the stop flag is seen: the core ends in disorder. Says whether there is something to wind down; if so, cycles go on until
    /// [`Agent::is_done`], which must come true within a bounded time.
    fn on_stop(&mut self, _now: Nanos) -> bool {
        false
    }

    /// A call of it panicked with this message. An agent of several parts gives up the part that did, and says that the others go on: to wind down, for
    /// the stop flag is set. Whoever says so remembers the panic, for `join` will not report it.
    fn on_panic(&mut self, _message: &str) -> bool {
        false
    }

    /// Whether there is nothing left to do, ever. Asked after each cycle.
    fn is_done(&self) -> bool {
        false
    }
}

/// What a thread does after a cycle without work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdleStrategy {
    /// Spin: the lowest latency, and a whole core. For isolated cores.
    Spin,
    /// Give the core to whoever wants it: for more threads than cores.
    #[default]
    Yield,
    /// Spin, then yield, then sleep in steps of [`PARK`]: for what is cold, and for laptops.
    Park,
}

/// One sleep of [`IdleStrategy::Park`]. The kernel adds the thread's timer slack; see `host::set_timer_slack`.
pub const PARK: Duration = Duration::from_micros(50);
/// Idle cycles that [`IdleStrategy::Park`] spins before it yields ...
const SPINS: u32 = 100;
/// ... and cycles, these included, before it sleeps.
const SPINS_AND_YIELDS: u32 = 200;

/// An idle strategy at work.
#[derive(Clone, Copy, Debug)]
pub struct Idler {
    strategy: IdleStrategy,
    idle_cycles: u32,
}

impl Idler {
    /// With no idle cycle behind it.
    #[must_use]
    pub fn new(strategy: IdleStrategy) -> Idler {
        Idler { strategy, idle_cycles: 0 }
    }

    /// After a cycle that did `work`: returns at once if there was some, else idles for one step.
    #[inline]
    pub fn idle(&mut self, work: usize) {
        if work > 0 {
            self.idle_cycles = 0;
            return;
        }
        match self.strategy {
            IdleStrategy::Spin => std::hint::spin_loop(),
            IdleStrategy::Yield => thread::yield_now(),
            IdleStrategy::Park => self.back_off(),
        }
    }

    fn back_off(&mut self) {
        self.idle_cycles = self.idle_cycles.saturating_add(1);
        match self.idle_cycles {
            ..SPINS => std::hint::spin_loop(),
            SPINS..SPINS_AND_YIELDS => thread::yield_now(),
            _ => thread::park_timeout(PARK),
        }
    }
}

/// Where an agent is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Not yet in its loop.
    Starting = 0,
    /// In its loop.
    Running = 1,
    /// Ended in order.
    Closed = 2,
    /// Ended by a panic.
    Failed = 3,
}

/// What a runner says of its agent after every cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// When the cycle began.
    pub now: Nanos,
    /// Cycles so far.
    pub cycles: u64,
    /// Cycles that found work.
    pub busy_cycles: u64,
    /// Sum of the work.
    pub work: u64,
}

/// Where pulses are published: counters on the heap ([`AgentCounters`]) or in shared memory. Called on the hot path: stores only.
pub trait Heartbeat: Send {
    /// Takes one pulse.
    fn pulse(&mut self, pulse: &Pulse);
    /// Takes a change of phase.
    fn phase(&mut self, phase: Phase);
}

/// Counters of one agent, written by its runner alone (relaxed stores) and read by anybody.
///
/// One cache line of plain atomics with a fixed layout, so that it can lie in a shared region as it is.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct AgentCounters {
    heartbeat_ns: AtomicU64,
    cycles: AtomicU64,
    busy_cycles: AtomicU64,
    work: AtomicU64,
    phase: AtomicU32,
}

const _: () = assert!(size_of::<AgentCounters>() == 64);

impl AgentCounters {
    /// The last pulse. Its fields are read one by one and may be of neighbouring cycles.
    #[must_use]
    pub fn last(&self) -> Pulse {
        Pulse {
            now: Nanos(self.heartbeat_ns.load(Ordering::Relaxed)),
            cycles: self.cycles.load(Ordering::Relaxed),
            busy_cycles: self.busy_cycles.load(Ordering::Relaxed),
            work: self.work.load(Ordering::Relaxed),
        }
    }

    /// Where the agent is in its life.
    #[must_use]
    pub fn current_phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Running,
            2 => Phase::Closed,
            _ => Phase::Failed,
        }
    }
}

impl<T: std::ops::Deref<Target = AgentCounters> + Send> Heartbeat for T {
    #[inline]
    fn pulse(&mut self, pulse: &Pulse) {
        self.heartbeat_ns.store(pulse.now.0, Ordering::Relaxed);
        self.cycles.store(pulse.cycles, Ordering::Relaxed);
        self.busy_cycles.store(pulse.busy_cycles, Ordering::Relaxed);
        self.work.store(pulse.work, Ordering::Relaxed);
    }

    fn phase(&mut self, phase: Phase) {
        self.phase.store(phase as u32, Ordering::Relaxed);
    }
}

/// An agent that panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("agent {name} panicked: {message}")]
pub struct AgentPanic {
    /// The agent's name.
    pub name: String,
    /// What it said.
    pub message: String,
}

/// The text of a panic.
fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)").to_owned()
}

/// Runs one agent on the thread that calls [`Runner::run`].
#[derive(Debug)]
pub struct Runner<A, H> {
    /// The agent.
    pub agent: A,
    /// What to do when idle.
    pub idle: IdleStrategy,
    /// The thread's handle of the clock.
    pub clock: Clock,
    /// Ends the loop, here and wherever else it is looked at; set here when the agent panics.
    pub stop: Arc<AtomicBool>,
    /// Takes the pulses.
    pub heartbeat: H,
}

impl<A: Agent, H: Heartbeat> Runner<A, H> {
    /// Runs the agent to its end and gives it back. Its phase is then `Closed`, or `Failed` where a part of it panicked.
    ///
    /// # Errors
    /// The agent panicked and did not go on; it has been dropped and the stop flag is set.
    pub fn run(self) -> Result<A, AgentPanic> {
        let Runner { mut agent, idle, clock, stop, mut heartbeat } = self;
        let name = agent.name().to_owned();
        heartbeat.phase(Phase::Starting);
        let (mut started, mut failed) = (false, false);
        let mut pulse = Pulse::default();
        loop {
            // Unwind safety: after a panic nothing of the agent is looked at again but what `on_panic` vouches for; otherwise it is only dropped.
            let ended = catch_unwind(AssertUnwindSafe(|| {
                if !std::mem::replace(&mut started, true) {
                    agent.on_start();
                    heartbeat.phase(Phase::Running);
                }
                cycle_until_stopped(&mut agent, Idler::new(idle), &clock, &stop, &mut heartbeat, &mut pulse);
                agent.on_close();
            }));
            let Err(payload) = ended else { break };
            // First of all: nobody should trade on beside a core that is broken.
            stop.store(true, Ordering::Release);
            heartbeat.phase(Phase::Failed);
            failed = true;
            let message = message_of(&*payload);
            if !catch_unwind(AssertUnwindSafe(|| agent.on_panic(&message))).unwrap_or(false) {
                // A drop that panics over the broken state adds nothing to the report.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(agent)));
                return Err(AgentPanic { name, message });
            }
        }
        if !failed {
            heartbeat.phase(Phase::Closed);
        }
        Ok(agent)
    }
}

/// The loop itself.
fn cycle_until_stopped<A: Agent, H: Heartbeat>(
    agent: &mut A,
    mut idler: Idler,
    clock: &Clock,
    stop: &AtomicBool,
    heartbeat: &mut H,
    pulse: &mut Pulse,
) {
    let mut stopped = false;
    loop {
        let now = clock.now();
        if !stopped && stop.load(Ordering::Acquire) {
            stopped = true;
            if !agent.on_stop(now) {
                break;
            }
        }
        let work = agent.do_work(now);
        pulse.now = now;
        pulse.cycles += 1;
        pulse.busy_cycles += u64::from(work > 0);
        pulse.work += work as u64;
        heartbeat.pulse(pulse);
        if agent.is_done() {
            break;
        }
        idler.idle(work);
    }
}

/// Where and how an agent's thread runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreConfig {
    /// The core to pin to; `None`: the scheduler decides.
    pub core: Option<usize>,
    /// Priority for `SCHED_FIFO`, 1 to 99; `None`: the default policy.
    pub scheduling: Option<u8>,
    /// What to do when idle.
    pub idle: IdleStrategy,
    /// Gives up all capabilities but these once it is placed; `None`: keeps what it has.
    pub confined: Option<host::Kept>,
}

/// A spawned agent.
#[derive(Debug)]
pub struct AgentHandle<A> {
    name: String,
    thread: thread::JoinHandle<Result<A, AgentPanic>>,
    outcomes: Vec<Outcome>,
}

impl<A> AgentHandle<A> {
    /// The agent's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What became of pinning and scheduling; refusals are for the caller to print once.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Whether the thread has ended, so that [`AgentHandle::join`] will not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end and gives the agent back.
    ///
    /// # Errors
    /// The agent panicked.
    pub fn join(self) -> Result<A, AgentPanic> {
        let AgentHandle { name, thread, .. } = self;
        thread.join().unwrap_or_else(|payload| Err(AgentPanic { name, message: message_of(&*payload) }))
    }
}

/// Runs `agent` on a thread of its own. Returns when that thread is placed (pinned and scheduled, or refused) and is about to start
/// the agent.
///
/// # Errors
/// The host gives no thread.
pub fn spawn<A, H>(
    agent: A,
    config: CoreConfig,
    clock: Clock,
    stop: Arc<AtomicBool>,
    heartbeat: H,
) -> io::Result<AgentHandle<A>>
where
    A: Agent + 'static,
    H: Heartbeat + 'static,
{
    let name = agent.name().to_owned();
    let runner = Runner { agent, idle: config.idle, clock, stop, heartbeat };
    let (placed, placement) = mpsc::channel();
    // A thread's name must not hold NUL.
    let thread = thread::Builder::new().name(name.replace('\0', "")).spawn(move || {
        // Nobody waits for the answer if `spawn` itself was unwound.
        let _ = placed.send(place(config));
        runner.run()
    })?;
    // The sender is gone without a word only if the thread panicked in `place`; `join` then says so.
    let outcomes = placement.recv().unwrap_or_default();
    Ok(AgentHandle { name, thread, outcomes })
}

/// Places the calling thread.
fn place(config: CoreConfig) -> Vec<Outcome> {
    // A first use of deep stack in the middle of the day would be a page fault.
    host::prefault_stack(host::STACK_PREFAULT_MAX);
    let pinned = config.core.map(host::pin_to);
    let scheduled = config.scheduling.map(host::use_fifo);
    // Last: what is above takes capabilities.
    let confined = config.confined.map(host::drop_capabilities);
    pinned.into_iter().chain(scheduled).chain(confined).collect()
}

#[cfg(test)]
mod tests;
