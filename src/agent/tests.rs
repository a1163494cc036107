//! Agents run to their end, are stopped, wind down and panic.

use super::*;

#[derive(Default)]
struct Counted {
    cycles_left: usize,
    panic_at: Option<usize>,
    log: Vec<&'static str>,
    last: Nanos,
    thread: Option<String>,
}

impl Agent for Counted {
    fn name(&self) -> &str {
        "counted"
    }
    fn on_start(&mut self) {
        self.log.push("start");
        self.thread = thread::current().name().map(str::to_owned);
    }
    fn do_work(&mut self, now: Nanos) -> usize {
        assert!(now >= self.last, "time went back");
        self.last = now;
        assert_ne!(Some(self.cycles_left), self.panic_at, "told to");
        self.cycles_left = self.cycles_left.saturating_sub(1);
        self.cycles_left % 3
    }
    fn on_close(&mut self) {
        self.log.push("close");
    }
    fn is_done(&self) -> bool {
        self.cycles_left == 0
    }
}

type Shared = (Arc<AtomicBool>, Arc<AgentCounters>);

fn shared() -> Shared {
    Shared::default()
}

#[test]
fn an_agent_runs_to_its_end_and_comes_back() {
    for idle in [IdleStrategy::Spin, IdleStrategy::Yield, IdleStrategy::Park] {
        let (stop, counters) = shared();
        let agent = Counted { cycles_left: 300, ..Counted::default() };
        let config = CoreConfig { idle, ..CoreConfig::default() };
        let handle = spawn(agent, config, Clock::new(), Arc::clone(&stop), Arc::clone(&counters)).unwrap();
        assert!(handle.outcomes().is_empty(), "nothing was asked");
        let agent = handle.join().unwrap();
        assert_eq!(agent.log, ["start", "close"]);
        assert_eq!(agent.thread.as_deref(), Some("counted"));
        let pulse = counters.last();
        assert_eq!((pulse.cycles, pulse.busy_cycles, pulse.work), (300, 200, 300));
        assert_eq!(pulse.now, agent.last);
        assert_eq!(counters.current_phase(), Phase::Closed);
        assert!(!stop.load(Ordering::Relaxed), "an agent that is done stops nobody");
    }
}

#[test]
fn the_stop_flag_ends_it_in_order() {
    let (stop, counters) = shared();
    let agent = Counted { cycles_left: usize::MAX, ..Counted::default() };
    let handle =
        spawn(agent, CoreConfig::default(), Clock::new(), Arc::clone(&stop), Arc::clone(&counters)).unwrap();
    while counters.last().cycles < 10 {
        thread::yield_now();
    }
    assert_eq!(counters.current_phase(), Phase::Running);
    stop.store(true, Ordering::Release);
    assert_eq!(handle.join().unwrap().log, ["start", "close"]);
    assert_eq!(counters.current_phase(), Phase::Closed);
}

#[test]
fn a_panic_is_reported_and_stops_the_others() {
    let (stop, counters) = shared();
    let other = Counted { cycles_left: usize::MAX, ..Counted::default() };
    let other = spawn(other, CoreConfig::default(), Clock::new(), Arc::clone(&stop), shared().1).unwrap();
    let agent = Counted { cycles_left: 50, panic_at: Some(20), ..Counted::default() };
    let handle =
        spawn(agent, CoreConfig::default(), Clock::new(), Arc::clone(&stop), Arc::clone(&counters)).unwrap();
    let panic = handle.join().err().expect("it was told to panic");
    assert_eq!(panic.name, "counted");
    assert!(panic.message.contains("told to"), "{panic}");
    assert_eq!(counters.current_phase(), Phase::Failed);
    assert_eq!(counters.last().cycles, 30);
    assert_eq!(other.join().unwrap().log, ["start", "close"], "the other ends, and in order");
}

#[test]
fn a_panic_in_a_drop_is_no_abort() {
    struct Bomb;
    impl Agent for Bomb {
        fn name(&self) -> &str {
            "bo\0mb"
        }
        fn do_work(&mut self, _: Nanos) -> usize {
            panic!("first")
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("second");
        }
    }
    let (stop, counters) = shared();
    let handle = spawn(Bomb, CoreConfig::default(), Clock::new(), Arc::clone(&stop), counters).unwrap();
    assert_eq!(handle.join().err().unwrap().message, "first");
    assert!(stop.load(Ordering::Acquire));
}

#[test]
fn placement_is_done_or_refused_by_name() {
    let (stop, counters) = shared();
    let agent = Counted { cycles_left: 1, ..Counted::default() };
    // No host has this core; the agent runs all the same.
    let config = CoreConfig { core: Some(1 << 20), ..CoreConfig::default() };
    let handle = spawn(agent, config, Clock::new(), stop, counters).unwrap();
    assert!(matches!(handle.outcomes(), [Outcome::Refused { .. }]), "{:?}", handle.outcomes());
    assert!(handle.join().is_ok());
}

#[test]
fn an_idler_sleeps_only_after_spinning_and_yielding() {
    let mut idler = Idler::new(IdleStrategy::Park);
    for cycle in 1..SPINS_AND_YIELDS {
        idler.idle(0);
        assert_eq!(idler.idle_cycles, cycle);
    }
    idler.idle(1);
    assert_eq!(idler.idle_cycles, 0, "work starts it anew");
}

/// Has so many cycles of winding down to do, and parts that panic and are given up one by one.
struct Winding {
    cycles_left: usize,
    parts: usize,
    stopped: bool,
    said: Vec<String>,
}

impl Agent for Winding {
    fn name(&self) -> &str {
        "winding"
    }
    fn do_work(&mut self, _: Nanos) -> usize {
        assert!(self.parts == 0, "part {}", self.parts);
        if self.stopped {
            self.cycles_left -= 1;
        }
        0
    }
    fn is_done(&self) -> bool {
        self.cycles_left == 0
    }
    fn on_stop(&mut self, _: Nanos) -> bool {
        self.stopped = true;
        true
    }
    fn on_panic(&mut self, message: &str) -> bool {
        self.said.push(message.into());
        self.parts -= 1;
        true
    }
}

#[test]
fn an_agent_with_something_to_wind_down_gets_its_cycles() {
    let (stop, counters) = shared();
    let winding = Winding { cycles_left: 7, parts: 0, stopped: false, said: Vec::new() };
    let winding =
        spawn(winding, CoreConfig::default(), Clock::new(), Arc::clone(&stop), Arc::clone(&counters))
            .unwrap();
    let bad = Counted { cycles_left: 3, panic_at: Some(1), ..Counted::default() };
    let bad = spawn(bad, CoreConfig::default(), Clock::new(), stop, shared().1).unwrap();
    assert!(bad.join().is_err());
    let winding = winding.join().unwrap();
    assert!(winding.stopped && winding.cycles_left == 0);
    assert_eq!(counters.current_phase(), Phase::Closed, "nothing of it failed");
}

#[test]
fn an_agent_of_parts_outlives_those_that_panic() {
    let (stop, counters) = shared();
    let winding = Winding { cycles_left: 3, parts: 2, stopped: false, said: Vec::new() };
    let handle =
        spawn(winding, CoreConfig::default(), Clock::new(), Arc::clone(&stop), Arc::clone(&counters))
            .unwrap();
    let winding = handle.join().unwrap();
    assert_eq!(winding.said, ["part 2", "part 1"]);
    assert!(winding.stopped && winding.cycles_left == 0, "the rest winds down");
    assert!(stop.load(Ordering::Acquire), "and so do the others");
    assert_eq!(counters.current_phase(), Phase::Failed);
}
