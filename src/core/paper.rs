//! A core on paper: the agent that takes the gateways' place, and the rings that lead through it.

use std::sync::Arc;

use backtest::beside::{Beside, Settings};
use backtest::latency::Latency;
use model::FeedId;
use ringbuf::spsc::{self, Consumer};

use super::{Plan, Stage, StartError};
use crate::agents::{Ending, FeedItem, GatewayAgent, PaperAgent, PaperParts, PaperPort, PaperTap};
use crate::clock::Clock;
use crate::config::Config;
use crate::protocol::FeedProtocol;

/// What is collected while a core is put together.
pub(super) struct OnPaper<'a> {
    latency: &'a Latency,
    feed_ring: usize,
    taps: Vec<PaperTap>,
    pub(super) ports: Vec<PaperPort>,
}

impl<'a> OnPaper<'a> {
    /// Of a plan that is for paper.
    pub(super) fn of(plan: &'a Plan, feed_ring: usize) -> Option<OnPaper<'a>> {
        match &plan.stage {
            Stage::Paper(latency) => {
                Some(OnPaper { latency, feed_ring, taps: Vec::new(), ports: Vec::new() })
            }
            Stage::Test | Stage::Live => None,
        }
    }

    /// Leads a feed's ring through the simulated venue; what comes out of it is the strategy's.
    pub(super) fn tap(&mut self, id: FeedId, items: Consumer<FeedItem>) -> Consumer<FeedItem> {
        let (out, passed_on) = spsc::channel(self.feed_ring);
        self.taps.push(PaperTap { id, items, out });
        passed_on
    }

    /// The agent.
    pub(super) fn agent(
        self,
        config: &Config,
        clock: &Clock,
        ending: &Arc<Ending>,
    ) -> Result<GatewayAgent, StartError> {
        let venue = Beside::new(&beside(config, self.latency))?;
        let (taps, ports, instruments) = (self.taps, self.ports, config.instruments.clone());
        let (clock, ending) = (clock.clone(), Arc::clone(ending));
        let parts = PaperParts { venue, taps, ports, instruments, clock, ending };
        Ok(GatewayAgent::Paper(Box::new(PaperAgent::new(parts))))
    }
}

/// What the venue of paper is like under a configuration.
pub(crate) fn beside(config: &Config, latency: &Latency) -> Settings {
    Settings {
        instruments: config.instruments.clone(),
        feeds: config.feeds.iter().map(|f| f.protocol == FeedProtocol::Depth).collect(),
        gateways: config.gateways.len(),
        book: config.engine().book,
        rules: config.history.rules,
        latency: latency.clone(),
    }
}
