//! A world for the hot agents: the embedded exchange on loopback sockets with a generated flow and lossy lines, and the three agents of a core
//! before it, each to be wrapped by a test and run on a thread of its own, or all on one.
//!
//! What `colo::core` does around the agents is done here by the test's own thread: it tends the logs while it waits. Segments are small, so that the logs
//! roll while a test watches, and both lines lose datagrams, so that gaps are opened, asked for and filled: what is proven of the hot path is proven
//! of these paths, too.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use colo::agent::{Agent, AgentCounters, AgentHandle, CoreConfig, IdleStrategy, spawn};
use colo::agents::{
    ControlItem, Ending, FeedAgent, FeedParts, FeedPort, GatewayAgent, GatewayParts, GatewayPort, Inline,
    StrategyAgent, StrategyParts,
};
use colo::clock::Clock;
use colo::config::{Config, Secrets, Written, parse_toml};
use colo::exchange::{self, ExchangeConfig};
use colo::telemetry::publish::Publication;
use colo::telemetry::region_path;
use colo::telemetry::snapshot::Viewer;
use engine::Engine;
use engine::strategy::{Quoter, Strategy};
use model::{Control, FeedId, GatewayId, Token};
use ringbuf::log::{self, Keeper, LogConfig, SyncPolicy, Writer};
use ringbuf::spsc::{self, Producer};

/// Bytes of a segment: each log rolls every few seconds, and a test thread that the host keeps waiting for one has room for as long again.
const SEGMENT: usize = 256 * 1024;
/// Bytes kept back for a halt.
const RESERVE: usize = 16 * 1024;
/// From one look to the next.
const LOOK: Duration = Duration::from_millis(2);
/// Looks without an end to the wait: some minutes, on a host where the wait is a second.
const LOOKS_MAX: usize = 100_000;

/// The venue.
const VENUE: &str = r#"
    symbols = ["AAPL", "MSFT"]
    lines = ["127.0.0.1:1"]
    rerequest = "127.0.0.1:0"
    ouch = "127.0.0.1:0"
    wait_for_login = true
    [[accounts]]
    username = "user01"
    password = "pass"
    firm = "ABCD"
    [flow]
    kind = "generated"
    seed = 7
    messages_per_second = 4000
    [faults]
    seed = 7
    line_a = { loss = 0.15, duplicate = 0.02, reorder = 0.02 }
    line_b = { loss = 0.15, duplicate = 0.02, reorder = 0.02 }
"#;

/// The three agents of a core.
pub struct Hot {
    pub feed: FeedAgent,
    pub strategy: StrategyAgent<Quoter>,
    pub gateway: GatewayAgent,
}

impl Hot {
    /// All on one thread.
    pub fn inline(self) -> Inline<StrategyAgent<Quoter>> {
        Inline::new(vec![self.feed], self.strategy, vec![self.gateway], Clock::new())
    }
}

/// What a run has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub ready: bool,
    pub orders: u64,
    pub replaces: u64,
    pub reports: u64,
    pub fills: u64,
    pub gaps_filled: u64,
    pub rerequests: u64,
    pub segments: u64,
    pub now_ns: u64,
}

impl Work {
    /// Whether all that a hot path does was done since `earlier`, each several times, and what is done once a second (the state hash, heartbeats of
    /// the session) at least once.
    pub fn is_all_since(&self, earlier: &Work) -> bool {
        self.ready
            && self.orders >= earlier.orders + 20
            && self.replaces >= earlier.replaces + 20
            && self.reports >= earlier.reports + 40
            && self.fills >= earlier.fills + 10
            && self.gaps_filled >= earlier.gaps_filled + 3
            && self.rerequests >= earlier.rerequests + 3
            && self.segments > earlier.segments
            && self.now_ns >= earlier.now_ns + 2_500_000_000
    }
}

/// Starts the venue on free ports and writes them into the core's configuration.
fn start_venue(core: &mut Config) -> exchange::Running {
    let mut venue = ExchangeConfig::from_toml(VENUE, Path::new(".")).unwrap();
    // The lines go to sockets that the core opens later: both ports are picked at once, so that they differ, and were free a moment ago.
    let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    venue.lines = ports.iter().map(|s| s.local_addr().unwrap()).collect();
    drop(ports);
    core.feeds[0].lines.clone_from(&venue.lines);
    let running = exchange::spawn(venue).unwrap();
    core.feeds[0].rerequest = running.rerequest.into_iter().collect();
    core.gateways[0].account.address = running.ouch;
    core.gateways[0].account.password = "pass".into();
    running
}

/// Everything around the agents.
pub struct World {
    name: String,
    clock: Clock,
    stop: Arc<AtomicBool>,
    viewer: Viewer,
    keepers: Vec<Keeper>,
    segments: u64,
    _control: Producer<ControlItem>,
    _venue: exchange::Running,
}

impl World {
    /// Starts the venue and makes the agents; logs lie in `dir`, shared memory under `name`.
    pub fn new(dir: &Path, name: &str) -> (World, Hot) {
        let clock = Clock::new();
        let file = Path::new("hot.toml");
        let mut written: Written = parse_toml(include_str!("../fixtures/core.toml"), file).unwrap();
        written.name = name.into();
        written.journal_dir = dir.display().to_string();
        let mut msft = written.instruments[0].clone();
        msft.symbol = "MSFT".into();
        written.instruments.push(msft);
        written.strategy.name = Quoter::NAME.into();
        written.strategy.params.insert("quantity".into(), 100.into());
        written.risk.max_open_orders = Some(50);
        written.risk.max_position = Some(100_000);
        written.risk.max_messages_per_second = Some(10_000);
        written.risk.max_daily_loss_usd = Some(100_000_000);
        written.capacity.live_orders = 1 << 16;
        written.capacity.levels = 1 << 14;
        written.capacity.direct_refs = 1 << 20;
        written.telemetry.sample_every = 4;
        let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
        // Where the gateway keeps the names of its sessions.
        std::fs::create_dir_all(&config.journal_dir).unwrap();
        let agents = ["gateway-g1", "strategy", "feed-f1"].map(String::from);
        let mut publication = Publication::create(&config, &agents, clock.now()).unwrap();
        let mut keepers = Vec::new();
        let mut open = |log: &str| -> Writer {
            let (segment_bytes, reserve_bytes) = (SEGMENT, RESERVE);
            let dir = dir.join(log);
            let cfg = LogConfig { dir, segment_bytes, reserve_bytes, sync: SyncPolicy::Off };
            let (writer, keeper) = log::create(cfg).unwrap();
            keepers.push(keeper);
            writer
        };

        let venue = start_venue(&mut config);
        let (out, items) = spsc::channel(config.capacity.feed_ring);
        let feed = FeedAgent::open(FeedParts {
            id: FeedId(0),
            config: config.feeds[0].clone(),
            instruments: config.instruments.clone(),
            out,
            capture: Some(open("capture")),
            publisher: publication.feed(0).unwrap(),
            clock: clock.clone(),
            sample_every: config.sample_every,
            words: sync_channel(1).0,
        })
        .unwrap();

        let (to_gateway, orders) = spsc::channel(config.capacity.gateway_ring);
        let (out, reports) = spsc::channel(config.capacity.gateway_ring);
        let ending = Arc::new(Ending::default());
        let parts = GatewayParts {
            id: GatewayId(0),
            config: config.gateways[0].clone(),
            orders,
            out,
            publisher: publication.gateway(0).unwrap(),
            clock: clock.clone(),
            sample_every: config.sample_every,
            ending: Arc::clone(&ending),
            words: sync_channel(1).0,
        };
        let gateway = GatewayAgent::open(parts, &config.instruments, &mut Vec::new()).unwrap();
        let (mut control, controls) = spsc::channel(4);
        control.push(Control::Tokens { first: Token(1), end: Token(1_000_000) }.into()).unwrap();
        let strategy = StrategyAgent::new(StrategyParts {
            engine: Engine::new(&config.engine(), Quoter::new(&mut config.params.clone()).unwrap()),
            feeds: vec![FeedPort::new(FeedId(0), items)],
            gateways: vec![GatewayPort { id: GatewayId(0), items: reports, orders: to_gateway }],
            control: controls,
            journal: open("core"),
            publisher: publication.core().unwrap(),
            clock: clock.clone(),
            ending,
        });
        let viewer = Viewer::open(name).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (name, segments) = (name.to_owned(), 0);
        let world = World { name, clock, stop, viewer, keepers, segments, _control: control, _venue: venue };
        (world, Hot { feed, strategy, gateway })
    }

    /// Runs an agent on a thread of its own. Idle threads yield: kind to a small host, and the one system call that idling makes is `sched_yield`.
    pub fn spawn<A: Agent + 'static>(&self, agent: A) -> AgentHandle<A> {
        let core = CoreConfig { idle: IdleStrategy::Yield, ..CoreConfig::default() };
        let (clock, stop) = (self.clock.clone(), Arc::clone(&self.stop));
        spawn(agent, core, clock, stop, Arc::new(AgentCounters::default())).unwrap()
    }

    /// Ends all agents after their present cycle.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// What was done so far. Tends the logs.
    pub fn work(&mut self) -> Work {
        for keeper in &mut self.keepers {
            self.segments += u64::from(keeper.tend().unwrap().made);
        }
        let s = self.viewer.read();
        let risk = s.risk.expect("nobody writes it for that long");
        assert_eq!(risk.halted, None, "trading was halted");
        let (feed, gateway) = (&s.feeds[0].counters, &s.gateways[0].counters);
        assert_eq!((gateway["disconnects"], feed["messages_lost"]), (0, 0));
        Work {
            ready: gateway["state"] == 3,
            orders: s.engine["new_orders"],
            replaces: s.engine["replaces"],
            reports: s.engine["reports"],
            fills: s.engine["fills"],
            gaps_filled: feed["gaps_filled"],
            rerequests: feed["rerequests"],
            segments: self.segments,
            now_ns: risk.now_ns,
        }
    }

    /// Waits until what was done is enough; a panic where it never is, or where an agent has ended (the stop flag is set by one that panicked).
    pub fn wait_for(&mut self, what: &str, mut enough: impl FnMut(&Work) -> bool) -> Work {
        let mut work = Work::default();
        for _ in 0..LOOKS_MAX {
            work = self.work();
            if enough(&work) {
                return work;
            }
            assert!(
                !self.stop.load(Ordering::Acquire),
                "an agent panicked while waiting for {what}: {work:?}"
            );
            std::thread::park_timeout(LOOK);
        }
        panic!("never came to {what}: {work:?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_file(region_path(&self.name));
    }
}
