//! The `inline` topology: feeds, strategy and gateways in turn on one thread. The rings between them stay, as queues that never leave one core's cache, so
//! the agents are the same code; the clock is read again between two of them only when the one before did something.
//!
//! A panic ends the agent that it came from and no other: its orders are at a venue, and the gateways beside it have still to cancel them. Which one it
//! came from is told by a mark that is set before each call, so that a cycle needs no `catch_unwind` of its own beside the runner's.

use model::Nanos;

use super::{FeedAgent, GatewayAgent};
use crate::agent::{Agent, AgentPanic};
use crate::clock::Clock;

/// One hot thread.
pub struct Inline<S, F = FeedAgent, G = GatewayAgent> {
    feeds: Vec<Option<F>>,
    strategy: Option<S>,
    gateways: Vec<Option<G>>,
    clock: Clock,
    /// Whose call it is that is under way.
    running: Part,
    panics: Vec<AgentPanic>,
    /// The core stops: feeds have ended.
    stopped: bool,
}

/// What is left of an [`Inline`] at its end: the agents that did not panic, and the panics of the others.
pub struct Remains<S, F = FeedAgent, G = GatewayAgent> {
    /// The feeds.
    pub feeds: Vec<F>,
    /// The strategy.
    pub strategy: Option<S>,
    /// The gateways.
    pub gateways: Vec<G>,
    /// What was said by those that panicked.
    pub panics: Vec<AgentPanic>,
}

#[derive(Clone, Copy)]
enum Part {
    Feed(usize),
    Strategy,
    Gateway(usize),
}

impl<S: Agent, F: Agent, G: Agent> Inline<S, F, G> {
    /// Puts the agents of a core onto one thread.
    pub fn new(feeds: Vec<F>, strategy: S, gateways: Vec<G>, clock: Clock) -> Inline<S, F, G> {
        Inline {
            feeds: feeds.into_iter().map(Some).collect(),
            strategy: Some(strategy),
            gateways: gateways.into_iter().map(Some).collect(),
            clock,
            running: Part::Strategy,
            panics: Vec::new(),
            stopped: false,
        }
    }

    /// Gives the agents back.
    pub fn into_remains(self) -> Remains<S, F, G> {
        Remains {
            feeds: self.feeds.into_iter().flatten().collect(),
            strategy: self.strategy,
            gateways: self.gateways.into_iter().flatten().collect(),
            panics: self.panics,
        }
    }

    /// Calls `f` for every agent that is left, marked as the one running.
    fn each(&mut self, mut f: impl FnMut(&mut dyn Agent)) {
        if let Some(strategy) = &mut self.strategy {
            self.running = Part::Strategy;
            f(strategy);
        }
        for (k, feed) in self.feeds.iter_mut().enumerate() {
            self.running = Part::Feed(k);
            feed.iter_mut().for_each(|a| f(a));
        }
        for (k, gateway) in self.gateways.iter_mut().enumerate() {
            self.running = Part::Gateway(k);
            gateway.iter_mut().for_each(|a| f(a));
        }
    }
}

/// Takes an agent out of its place, with its name.
fn give_up<A: Agent + 'static>(place: &mut Option<A>) -> Option<(String, Box<dyn Agent>)> {
    let agent = place.take()?;
    let name = agent.name().to_owned();
    Some((name, Box::new(agent)))
}

impl<S: Agent + 'static, F: Agent + 'static, G: Agent + 'static> Agent for Inline<S, F, G> {
    fn name(&self) -> &str {
        "inline"
    }

    fn do_work(&mut self, mut now: Nanos) -> usize {
        let mut work = 0;
        if !self.stopped {
            for (k, feed) in self.feeds.iter_mut().enumerate() {
                self.running = Part::Feed(k);
                if let Some(feed) = feed {
                    work += feed.do_work(now);
                }
            }
        }
        if work > 0 {
            now = self.clock.now();
        }
        self.running = Part::Strategy;
        // An ended strategy takes nothing more; its gateways still have to say goodbye.
        let decided = match &mut self.strategy {
            Some(strategy) if !strategy.is_done() => strategy.do_work(now),
            _ => 0,
        };
        if decided > 0 {
            now = self.clock.now();
        }
        work += decided;
        for (k, gateway) in self.gateways.iter_mut().enumerate() {
            self.running = Part::Gateway(k);
            if let Some(gateway) = gateway {
                work += gateway.do_work(now);
            }
        }
        work
    }

    fn is_done(&self) -> bool {
        self.strategy.as_ref().is_none_or(Agent::is_done)
            && self.gateways.iter().flatten().all(Agent::is_done)
    }

    fn on_start(&mut self) {
        self.each(|agent| agent.on_start());
    }

    fn on_close(&mut self) {
        self.each(|agent| agent.on_close());
    }

    fn on_stop(&mut self, now: Nanos) -> bool {
        self.stopped = true;
        let mut winding = false;
        self.each(|agent| winding |= agent.on_stop(now));
        winding
    }

    fn on_panic(&mut self, message: &str) -> bool {
        let lost = match self.running {
            Part::Feed(k) => give_up(&mut self.feeds[k]),
            Part::Strategy => give_up(&mut self.strategy),
            Part::Gateway(k) => give_up(&mut self.gateways[k]),
        };
        // Without an agent to blame there is none to trust.
        let Some((name, agent)) = lost else { return false };
        self.panics.push(AgentPanic { name, message: message.to_owned() });
        // Its ends of the rings go with it, so that the others do not wait for it. A drop that panics over the broken state adds nothing to the report.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(agent)));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::agent::{AgentCounters, CoreConfig, Phase, spawn};

    struct Part {
        name: &'static str,
        cycles: usize,
        panics_at: usize,
        winds_down: bool,
        stopped: bool,
        closed: bool,
    }

    fn part(name: &'static str, panics_at: usize, winds_down: bool) -> Part {
        Part { name, cycles: 0, panics_at, winds_down, stopped: false, closed: false }
    }

    impl Agent for Part {
        fn name(&self) -> &str {
            self.name
        }
        fn do_work(&mut self, _: Nanos) -> usize {
            self.cycles += 1;
            assert_ne!(self.cycles, self.panics_at, "told to");
            1
        }
        fn is_done(&self) -> bool {
            self.stopped && self.cycles >= 20
        }
        fn on_stop(&mut self, _: Nanos) -> bool {
            self.stopped = true;
            self.winds_down
        }
        fn on_close(&mut self) {
            self.closed = true;
        }
    }

    fn run(feed: usize, strategy: usize, gateway: usize) -> (Remains<Part, Part, Part>, Phase, bool) {
        let never = 0;
        let inline = Inline::new(
            vec![part("f1", never, false), part("f2", feed, false)],
            part("strategy", strategy, true),
            vec![part("g1", gateway, true), part("g2", never, true)],
            Clock::new(),
        );
        let (stop, counters) = (Arc::new(AtomicBool::new(false)), Arc::new(AgentCounters::default()));
        let handle =
            spawn(inline, CoreConfig::default(), Clock::new(), Arc::clone(&stop), Arc::clone(&counters));
        let remains = handle.unwrap().join().expect("it outlives its parts").into_remains();
        (remains, counters.current_phase(), stop.load(Ordering::Acquire))
    }

    #[test]
    fn whichever_panics_the_others_wind_down() {
        for (at, name) in [((7, 0, 0), "f2"), ((0, 7, 0), "strategy"), ((0, 0, 7), "g1")] {
            let (left, phase, stopped) = run(at.0, at.1, at.2);
            let [panic] = &left.panics[..] else { panic!("{:?}", left.panics) };
            assert_eq!(panic.name, name);
            assert!(panic.message.contains("told to"));
            assert_eq!((phase, stopped), (Phase::Failed, true));
            assert_eq!(left.feeds.len() + left.gateways.len() + usize::from(left.strategy.is_some()), 4);
            for gateway in &left.gateways {
                assert!(gateway.stopped && gateway.closed && gateway.cycles >= 20, "{}", gateway.name);
            }
            assert!(left.feeds.iter().all(|f| f.closed && f.cycles < 20), "feeds end at once");
        }
    }

    #[test]
    fn several_may_panic() {
        let (left, ..) = run(5, 9, 12);
        let names: Vec<_> = left.panics.iter().map(|p| &p.name[..]).collect();
        assert_eq!(names, ["f2", "strategy", "g1"]);
        assert!(left.gateways[0].name == "g2" && left.gateways[0].closed);
    }
}
