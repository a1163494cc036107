//! The hot agents allocate nothing after their warm-up, while orders, fills, reports, gaps and rolling logs go through them.
//!
//! A counting allocator stands before the system's. It counts on threads that were armed and on no other: each agent is wrapped so that its own thread arms
//! itself when the test says that the warm-up is over, and stays so until the agent is closed. What is freed counts as much as what is taken: the allocator
//! takes a lock for either.
//!
//! The first allocation of an armed thread prints where it came from.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "where an allocation came from is known only there and then"
)]

mod hot;

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use colo::agent::{Agent, AgentCounters, CoreConfig, spawn};
use colo::clock::Clock;
use hot::{Hot, World};
use model::Nanos;

/// What an armed thread did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    taken: u64,
    freed: u64,
}

thread_local! {
    // Both are constants without a destructor, so that reading them allocates nothing.
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { taken: 0, freed: 0 }) };
}

struct Counting;

fn count(add: fn(&mut Counts)) {
    if !ARMED.get() {
        return;
    }
    let mut counts = COUNTS.get();
    let first = counts == Counts::default();
    add(&mut counts);
    COUNTS.set(counts);
    if first {
        // What tells about it allocates, and is not counted.
        ARMED.set(false);
        tell();
        ARMED.set(true);
    }
}

#[cold]
fn tell() {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?");
    eprintln!("first allocation on thread {name}:\n{}", Backtrace::force_capture());
}

// SAFETY: every call is passed on to `System` as it came, which keeps the contract; counting touches no memory that is asked for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|c| c.taken += 1);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(|c| c.freed += 1);
        // SAFETY: the caller's contract is that of `System`, and `at` came from it.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(|c| c.taken += 1);
        // SAFETY: the caller's contract is that of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(|c| c.taken += 1);
        // SAFETY: the caller's contract is that of `System`, and `at` came from it.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// When the warm-up is over, and how many agents have armed their threads.
#[derive(Clone, Default)]
struct Signal {
    over: Arc<AtomicBool>,
    armed: Arc<AtomicUsize>,
}

/// An agent whose thread counts from the first cycle after the warm-up to its close: the agent and the loop around it.
struct Counted<A> {
    agent: A,
    signal: Signal,
    armed: bool,
    counts: Counts,
}

impl<A: Agent> Counted<A> {
    fn new(agent: A, signal: &Signal) -> Counted<A> {
        Counted { agent, signal: signal.clone(), armed: false, counts: Counts::default() }
    }
}

impl<A: Agent> Agent for Counted<A> {
    fn name(&self) -> &str {
        self.agent.name()
    }

    fn on_start(&mut self) {
        self.agent.on_start();
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        if !self.armed && self.signal.over.load(Ordering::Acquire) {
            self.armed = true;
            ARMED.set(true);
            self.signal.armed.fetch_add(1, Ordering::Release);
        }
        self.agent.do_work(now)
    }

    fn is_done(&self) -> bool {
        self.agent.is_done()
    }

    fn on_close(&mut self) {
        ARMED.set(false);
        self.counts = COUNTS.get();
        self.agent.on_close();
    }
}

/// Warms up the world's agents, of which `threads` are wrapped, and lets them do everything once more.
fn work_armed(world: &mut World, signal: &Signal, threads: usize) {
    let cold = hot::Work::default();
    world.wait_for("the end of the warm-up", |work| work.is_all_since(&cold));
    signal.over.store(true, Ordering::Release);
    let warm = world.wait_for("armed threads", |_| signal.armed.load(Ordering::Acquire) == threads);
    let done = world.wait_for("enough work", |work| work.is_all_since(&warm));
    world.stop();
    println!("warm: {warm:?}\ndone: {done:?}");
}

#[test]
fn hot_agents_allocate_nothing_after_the_warm_up() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, Hot { feed, strategy, gateway }) =
        World::new(dir.path(), &format!("hot-alloc-{}", std::process::id()));
    let signal = Signal::default();
    let gateway = world.spawn(Counted::new(gateway, &signal));
    let strategy = world.spawn(Counted::new(strategy, &signal));
    let feed = world.spawn(Counted::new(feed, &signal));
    work_armed(&mut world, &signal, 3);
    let counts = [
        ("feed", feed.join().unwrap().counts),
        ("strategy", strategy.join().unwrap().counts),
        ("gateway", gateway.join().unwrap().counts),
    ];
    for (agent, counts) in counts {
        assert_eq!(counts, Counts::default(), "{agent} allocated; its first allocation is above");
    }
}

#[test]
fn nor_do_they_on_one_thread() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, hot) = World::new(dir.path(), &format!("hot-alloc-inline-{}", std::process::id()));
    let signal = Signal::default();
    let all = world.spawn(Counted::new(hot.inline(), &signal));
    work_armed(&mut world, &signal, 1);
    let counts = all.join().unwrap().counts;
    assert_eq!(counts, Counts::default(), "the first allocation is above");
}

/// Grows a vector, or not, in each cycle after the warm-up.
struct Canary {
    grows: bool,
    grown: Vec<u64>,
    cycles_left: u64,
}

impl Agent for Canary {
    fn name(&self) -> &str {
        "canary"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.cycles_left -= 1;
        if self.grows {
            self.grown = Vec::new();
            self.grown.push(now.0);
        }
        1
    }

    fn is_done(&self) -> bool {
        self.cycles_left == 0
    }
}

fn counts_of(grows: bool, over: bool) -> Counts {
    let signal = Signal::default();
    signal.over.store(over, Ordering::Release);
    let canary = Canary { grows, grown: Vec::new(), cycles_left: 100 };
    let (stop, heartbeat) = (Arc::default(), Arc::new(AgentCounters::default()));
    let agent = Counted::new(canary, &signal);
    spawn(agent, CoreConfig::default(), Clock::new(), stop, heartbeat).unwrap().join().unwrap().counts
}

#[test]
fn an_agent_that_allocates_is_counted() {
    // A vector in each of its hundred cycles, and each but the last is freed in the next.
    assert_eq!(counts_of(true, true), Counts { taken: 100, freed: 99 });
}

#[test]
fn nothing_is_counted_where_nothing_is_allocated_or_before_the_warm_up_is_over() {
    assert_eq!(counts_of(false, true), Counts::default());
    assert_eq!(counts_of(true, false), Counts::default());
}
