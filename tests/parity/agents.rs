//! The agents of a core on paper, put together as `core::start` does and turned by hand, over the inputs of a run that traded at a venue: what the simulated venue stands between is the same.

use std::path::Path;
use std::sync::Arc;

use backtest::beside::{Beside, Settings};
use backtest::latency::Latency;
use backtest::venue::Rules;
use colo::agent::Agent;
use colo::agents::{
    ControlItem, Ending, FeedItem, FeedPort, GatewayItem, GatewayPort, PaperAgent, PaperParts, PaperPort,
    PaperTap, StrategyAgent, StrategyParts,
};
use colo::clock::Clock;
use colo::journal::Record;
use colo::replay::{Journal, Tape};
use colo::telemetry::publish::Publication;
use colo::telemetry::region_path;
use engine::Engine;
use engine::strategy::{Quoter, Strategy};
use model::{Control, FeedId, GatewayId, MarketEvent, Nanos, SessionEvent};
use ringbuf::log::{self, LogConfig, SyncPolicy};
use ringbuf::spsc::{self, Consumer, Producer};

/// An input of the run, with what it brought of the market.
struct Given {
    record: Record,
    events: Vec<MarketEvent>,
}

/// The core.
struct OnPaper {
    paper: PaperAgent,
    strategy: StrategyAgent<Quoter>,
    feed: Producer<FeedItem>,
    reports: Producer<GatewayItem>,
    control: Producer<ControlItem>,
    /// What the simulated venue says: the run's own reports are given instead.
    unheard: Consumer<GatewayItem>,
    keeper: log::Keeper,
}

impl OnPaper {
    fn new(journal: &Journal, name: &str, dir: &Path) -> OnPaper {
        let mut config = journal.config.clone();
        config.name = name.into();
        let names = ["paper", "strategy", "feed-f1"].map(String::from);
        let mut publication = Publication::create(&config, &names, Nanos(1)).expect("shared memory");
        let (journal, keeper) = log::create(LogConfig {
            dir: dir.join("core"),
            segment_bytes: 64 << 20,
            reserve_bytes: 0,
            sync: SyncPolicy::Off,
        })
        .expect("a log");
        let (feed, items) = spsc::channel(1 << 14);
        let (out, passed_on) = spsc::channel(1 << 14);
        let (to_gateway, orders) = spsc::channel(1 << 14);
        let (said, unheard) = spsc::channel(1 << 14);
        let (reports, heard) = spsc::channel(1 << 14);
        let (control, controls) = spsc::channel(64);
        let (ending, clock) = (Arc::new(Ending::default()), Clock::new());
        let engine = config.engine();
        let venue = Beside::new(&Settings {
            instruments: config.instruments.clone(),
            feeds: vec![false; engine.feeds],
            gateways: engine.gateways,
            book: engine.book,
            rules: Rules::default(),
            latency: Latency::default(),
        })
        .expect("legs");
        let publisher = publication.gateway(0).expect("a gateway");
        let port = PaperPort { id: GatewayId(0), orders, out: said, publisher };
        let paper = PaperAgent::new(PaperParts {
            venue,
            taps: vec![PaperTap { id: FeedId(0), items, out }],
            ports: vec![port],
            instruments: config.instruments.clone(),
            clock: clock.clone(),
            ending: Arc::clone(&ending),
        });
        let strategy = StrategyAgent::new(StrategyParts {
            engine: Engine::new(&engine, Quoter::new(&mut config.params.clone()).expect("its parameters")),
            feeds: vec![FeedPort::new(FeedId(0), passed_on)],
            gateways: vec![GatewayPort { id: GatewayId(0), items: heard, orders: to_gateway }],
            control: controls,
            journal,
            publisher: publication.core().expect("a core"),
            clock,
            ending,
        });
        OnPaper { paper, strategy, feed, reports, control, unheard, keeper }
    }

    /// Puts an input into the ring that it came by.
    fn give(&mut self, given: &Given) {
        match given.record {
            Record::Market { now, count, first, .. } | Record::Snapshot { now, count, first, .. } => {
                let is_snapshot = matches!(given.record, Record::Snapshot { .. });
                let (received, events) = (now, given.events.len() as u32);
                let head =
                    FeedItem::Packet { received, is_snapshot, first, count, events, pushed: Nanos::ZERO };
                self.feed.push(head).expect("room");
                given.events.iter().for_each(|e| self.feed.push(FeedItem::Event(*e)).expect("room"));
            }
            Record::Feed { now: received, status, .. } => {
                self.feed.push(FeedItem::Status { received, status }).expect("room");
            }
            Record::Report { now: received, report } => {
                self.reports.push(GatewayItem::Report { received, report }).expect("room");
            }
            Record::Session { now: received, event: SessionEvent::Doubt, .. } => {
                self.reports.push(GatewayItem::Doubt { received }).expect("room");
            }
            Record::Session { now: received, event, .. } => {
                self.reports.push(GatewayItem::Session { received, event }).expect("room");
            }
            Record::Control { now: received, control: Control::NeverSent { token } } => {
                self.reports.push(GatewayItem::NeverSent { received, token }).expect("room");
            }
            Record::Control { control, .. } => self.control.push(control.into()).expect("room"),
            _ => {}
        }
    }

    /// Turns the agents until all that was given is taken. In the first cycle, at `now`, the engine's timer is looked at, too; at no time it is not.
    fn turn(&mut self, mut now: Nanos) {
        loop {
            let mut work = self.paper.do_work(now);
            work += self.strategy.do_work(now);
            self.keeper.tend().expect("a disk");
            while self.unheard.pop().is_some() {}
            if work == 0 {
                return;
            }
            now = Nanos::ZERO;
        }
    }

    /// Gives a run's inputs. What a cycle of the run took together is taken together here: control first, the timer last.
    fn run(&mut self, inputs: &[Given]) {
        let mut at = 0;
        while let Some(given) = inputs.get(at) {
            let mut now = Nanos::ZERO;
            let mut taken = 1;
            self.give(given);
            let timer_is_due =
                |core: &OnPaper, at: Nanos| core.strategy.engine().next_timer().is_some_and(|due| due <= at);
            // How many inputs behind this one lie before the timer of the cycle at that time.
            let before_timer = |cycle: Nanos| {
                let is_timer = |g: &Given| matches!(g.record, Record::Timer { now } if now == cycle);
                let is_cycle = |g: &&Given| !matches!(g.record, Record::Control { .. });
                inputs[at + 1..].iter().take_while(is_cycle).position(is_timer)
            };
            match given.record {
                Record::Timer { now: told } => {
                    now = told;
                    // One that nobody waits for was told in front of inputs that had waited, in one cycle with them.
                    if !timer_is_due(self, told) {
                        taken += before_timer(told).unwrap_or(1);
                    }
                }
                Record::Control { control: Control::NeverSent { .. }, .. } => {}
                Record::Control { now: asked, .. } => {
                    now = asked;
                    // A timer that was due in that cycle came behind all else that was taken in it.
                    if timer_is_due(self, asked) {
                        taken += before_timer(asked).unwrap_or(0);
                    }
                }
                _ => {}
            }
            for more in inputs.iter().take(at + taken).skip(at + 1) {
                self.give(more);
            }
            self.turn(now);
            at += taken;
        }
    }
}

/// Gives the inputs of `run` to a core on paper, whose journal goes to `dir`.
pub fn on_paper(run: &Path, name: &str, dir: &Path) {
    let journal = Journal::open(run).expect("a journal");
    let mut tape = Tape::open(&journal).expect("a tape");
    let mut inputs = Vec::new();
    while let Some((_, record)) = tape.advance().expect("whole") {
        if record.is_input() {
            inputs.push(Given { record, events: tape.events().to_vec() });
        }
    }
    let mut core = OnPaper::new(&journal, name, dir);
    core.run(&inputs);
    core.strategy.on_close();
    core.keeper.close().expect("a disk");
    let _ = std::fs::remove_file(region_path(name));
}
