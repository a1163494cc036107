//! The `inline` topology: feeds, strategy and gateways in turn on one thread. The rings between them stay, as queues that never leave one core's cache, so
//! the agents are the same code; the clock is read again between two of them only when the one before did something.

use model::Nanos;

use super::{FeedAgent, GatewayAgent};
use crate::agent::Agent;
use crate::clock::Clock;

/// One hot thread.
pub struct Inline<S> {
    feeds: Vec<FeedAgent>,
    strategy: S,
    gateways: Vec<GatewayAgent>,
    clock: Clock,
}

impl<S: Agent> Inline<S> {
    /// Puts the agents of a core onto one thread.
    pub fn new(feeds: Vec<FeedAgent>, strategy: S, gateways: Vec<GatewayAgent>, clock: Clock) -> Inline<S> {
        Inline { feeds, strategy, gateways, clock }
    }

    /// Gives the agents back.
    pub fn into_parts(self) -> (Vec<FeedAgent>, S, Vec<GatewayAgent>) {
        (self.feeds, self.strategy, self.gateways)
    }
}

impl<S: Agent> Agent for Inline<S> {
    fn name(&self) -> &str {
        "inline"
    }

    fn do_work(&mut self, mut now: Nanos) -> usize {
        let mut work = 0;
        for feed in &mut self.feeds {
            work += feed.do_work(now);
        }
        if work > 0 {
            now = self.clock.now();
        }
        // An ended strategy takes nothing more; its gateways still have to say goodbye.
        let decided = if self.strategy.is_done() { 0 } else { self.strategy.do_work(now) };
        if decided > 0 {
            now = self.clock.now();
        }
        work += decided;
        for gateway in &mut self.gateways {
            work += gateway.do_work(now);
        }
        work
    }

    fn is_done(&self) -> bool {
        self.strategy.is_done() && self.gateways.iter().all(Agent::is_done)
    }

    fn on_start(&mut self) {
        self.feeds.iter_mut().for_each(Agent::on_start);
        self.strategy.on_start();
        self.gateways.iter_mut().for_each(Agent::on_start);
    }

    fn on_close(&mut self) {
        self.strategy.on_close();
        self.feeds.iter_mut().for_each(Agent::on_close);
        self.gateways.iter_mut().for_each(Agent::on_close);
    }
}
