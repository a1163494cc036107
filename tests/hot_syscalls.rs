//! The hot agents make no system calls after their warm-up but their sockets' own and the `sched_yield` of an idle cycle.
//!
//! Each agent is wrapped so that, when the warm-up is over, its own thread puts a seccomp filter in force ([`colo::host::allow_only`]); from then on any
//! other call kills the process. So the agents live in a child of this test, and their end is told by how it ends.
//!
//! ```text
//!   test ── spawns its own binary with PART set ──► child: world, three caged agents ── enough work ──► exit(0)
//!     ▲                                                                 └── a call too many ──► SIGSYS     │
//!     └───────────────────────────────────── exit status ◄──────────────────────┴──────────────────────────┘
//! ```
//!
//! The child is ended from its free main thread: a caged thread could not even exit.

#![allow(clippy::print_stderr, reason = "a child tells its test how far it came")]

mod hot;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use colo::agent::{Agent, AgentCounters, CoreConfig, IdleStrategy, spawn};
use colo::clock::Clock;
use colo::host::{self, Outcome, Violation};
use hot::{Hot, World};
use model::Nanos;

/// `recv` and `send` of the sockets, and the idle strategy's own.
const HOT: [libc::c_long; 3] = [libc::SYS_recvfrom, libc::SYS_sendto, libc::SYS_sched_yield];

/// In the environment of a child: what it plays, the folder and the name it may use.
const PART: &str = "COLO_TEST_HOT_PART";
const DIR: &str = "COLO_TEST_HOT_DIR";
const NAME: &str = "COLO_TEST_HOT_NAME";
/// Set where the clock needs a system call.
const CLOCK: &str = "COLO_TEST_HOT_CLOCK";

/// When the warm-up is over, what is allowed from then on, and how many agents have put it in force.
#[derive(Clone)]
struct Cage {
    over: Arc<AtomicBool>,
    caged: Arc<AtomicUsize>,
    calls: Vec<libc::c_long>,
}

impl Cage {
    fn new(calls: &[libc::c_long]) -> Cage {
        Cage { over: Arc::default(), caged: Arc::default(), calls: calls.to_vec() }
    }
}

/// An agent whose thread is caged from the first cycle after the warm-up.
struct Caged<A> {
    agent: A,
    cage: Cage,
    caged: bool,
}

impl<A: Agent> Caged<A> {
    fn new(agent: A, cage: &Cage) -> Caged<A> {
        Caged { agent, cage: cage.clone(), caged: false }
    }
}

impl<A: Agent> Agent for Caged<A> {
    fn name(&self) -> &str {
        self.agent.name()
    }

    fn on_start(&mut self) {
        self.agent.on_start();
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        if !self.caged && self.cage.over.load(Ordering::Acquire) {
            self.caged = true;
            assert_eq!(host::allow_only(&self.cage.calls, Violation::KillProcess), Outcome::Done);
            self.cage.caged.fetch_add(1, Ordering::Release);
        }
        self.agent.do_work(now)
    }

    fn is_done(&self) -> bool {
        self.agent.is_done()
    }

    fn on_close(&mut self) {
        self.agent.on_close();
    }
}

/// Does as the agent does and, once told to, asks for the process's number, once.
struct Leaky<A> {
    agent: A,
    leak: Arc<AtomicBool>,
}

impl<A: Agent> Agent for Leaky<A> {
    fn name(&self) -> &str {
        self.agent.name()
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        if self.leak.swap(false, Ordering::Acquire) {
            std::hint::black_box(std::process::id());
        }
        self.agent.do_work(now)
    }
}

/// What a child plays. Without [`PART`] this is no child, and nothing happens.
#[test]
fn part_of_a_child() {
    let env = |key| std::env::var(key).unwrap_or_default();
    let live = |leaky| live_in_cages(Path::new(&env(DIR)), &env(NAME), leaky);
    match env(PART).as_str() {
        "" => {}
        "agents" => live(false),
        "canary" => live(true),
        "inline" => live_in_one_cage(Path::new(&env(DIR)), &env(NAME)),
        "clock" => read_the_clock(),
        other => panic!("no part {other:?}"),
    }
}

/// Has a child play a part and waits for its end.
fn child(part: &str, clock_is_free: bool) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("hot-{part}-{}", std::process::id());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "part_of_a_child", "--nocapture"]).stdin(Stdio::null());
    child.env(PART, part).env(DIR, dir.path()).env(NAME, &name);
    if !clock_is_free {
        child.env(CLOCK, "1");
    }
    let output = child.output().unwrap();
    // A child that was killed, or that exited with its world standing, has left it.
    let _ = std::fs::remove_file(colo::telemetry::region_path(&name));
    output
}

/// What is allowed here: [`HOT`], and on a host where the clock cannot be read without it, `clock_gettime`.
fn allowed() -> Vec<libc::c_long> {
    let clock = std::env::var_os(CLOCK).map(|_| libc::SYS_clock_gettime);
    HOT.into_iter().chain(clock).collect()
}

/// Reads nothing but the clock, in a cage where nothing but idling is allowed. Ends in order or by SIGSYS.
struct ClockReader {
    clock: Clock,
    reads: Arc<AtomicUsize>,
}

impl Agent for ClockReader {
    fn name(&self) -> &str {
        "clock"
    }

    fn do_work(&mut self, _: Nanos) -> usize {
        std::hint::black_box(self.clock.now());
        self.reads.fetch_add(1, Ordering::Release);
        0
    }
}

/// Reads the clock in a cage, some thousand times.
fn read_the_clock() -> ! {
    let (cage, reads) = (Cage::new(&[libc::SYS_sched_yield]), Arc::new(AtomicUsize::new(0)));
    cage.over.store(true, Ordering::Release);
    let clock = Clock::new();
    let agent = Caged::new(ClockReader { clock: clock.clone(), reads: Arc::clone(&reads) }, &cage);
    let core = CoreConfig { idle: IdleStrategy::Yield, ..CoreConfig::default() };
    let _agent = spawn(agent, core, clock, Arc::default(), Arc::new(AgentCounters::default())).unwrap();
    while reads.load(Ordering::Acquire) < 5_000 {
        std::thread::yield_now();
    }
    std::process::exit(0)
}

/// Whether this host's clock is read without a system call: an invariant counter, or a vDSO that knows the clock source.
fn clock_is_free() -> bool {
    let output = child("clock", true);
    let killed = output.status.signal() == Some(libc::SIGSYS);
    assert!(killed || output.status.code() == Some(0), "{output:?}");
    if killed {
        eprintln!("this host cannot read its clock without a system call: clock_gettime is allowed as well");
    }
    !killed
}

/// Warms the agents up, cages them, and waits until they have done everything once more; `leaky`: then has the strategy's thread make one call.
fn live_in_cages(dir: &Path, name: &str, leaky: bool) -> ! {
    let (mut world, Hot { feed, strategy, gateway }) = World::new(dir, name);
    let cage = Cage::new(&allowed());
    let leak = Arc::new(AtomicBool::new(false));
    let _gateway = world.spawn(Caged::new(gateway, &cage));
    let _strategy = world.spawn(Caged::new(Leaky { agent: strategy, leak: Arc::clone(&leak) }, &cage));
    let _feed = world.spawn(Caged::new(feed, &cage));
    work_in_cages(&mut world, &cage, 3);
    if leaky {
        leak.store(true, Ordering::Release);
        world.wait_for("the leak", |_| !leak.load(Ordering::Acquire));
        let after = world.work();
        world.wait_for("the work of an agent that got away with it", |work| work.orders > after.orders);
    }
    // While the world stands: the agents are not to be closed, for a caged thread can do nothing of what that takes.
    std::process::exit(0)
}

/// As [`live_in_cages`], all agents on one thread.
fn live_in_one_cage(dir: &Path, name: &str) -> ! {
    let (mut world, hot) = World::new(dir, name);
    let cage = Cage::new(&allowed());
    let _all = world.spawn(Caged::new(hot.inline(), &cage));
    work_in_cages(&mut world, &cage, 1);
    std::process::exit(0)
}

fn work_in_cages(world: &mut World, cage: &Cage, threads: usize) {
    let cold = hot::Work::default();
    world.wait_for("the end of the warm-up", |work| work.is_all_since(&cold));
    cage.over.store(true, Ordering::Release);
    let warm = world.wait_for("the cages", |_| cage.caged.load(Ordering::Acquire) == threads);
    eprintln!("caged: {warm:?}");
    let done = world.wait_for("enough work", |work| work.is_all_since(&warm));
    eprintln!("done:  {done:?}");
}

#[test]
fn hot_agents_make_no_calls_but_their_sockets() {
    let clock_is_free = clock_is_free();
    for part in ["agents", "inline"] {
        let output = child(part, clock_is_free);
        let told = String::from_utf8_lossy(&output.stderr);
        println!("{part}: {told}");
        assert_ne!(output.status.signal(), Some(libc::SIGSYS), "{part}: another call was made:\n{told}");
        assert_eq!(output.status.code(), Some(0), "{part}: {}:\n{told}", output.status);
        assert!(told.contains("done:"), "the part was played: {told}");
    }
}

#[test]
fn one_call_of_a_caged_agent_is_caught() {
    let output = child("canary", clock_is_free());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("done:"), "it did all its work in the cage before: {told}");
    assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{}:\n{told}", output.status);
}
