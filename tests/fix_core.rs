//! A whole core that trades over FIX, against a venue of a few lines behind an acceptor session, over real sockets. The venue loses its connections in the
//! middle of what it says; what it believes to be open and what the core believes is compared at the end, and the run replays to the same.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::core::{Plan, Running, start};
use colo::exchange::{self, ExchangeConfig};
use colo::replay::{Journal, replay};
use colo::telemetry::region_path;
use engine::OrderState;
use engine::book::BookChange;
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use gateways::fix::framing::Message;
use gateways::fix::logon::Credentials;
use gateways::fix::session::{Event, Role, Session, SessionConfig, Version};
use gateways::fix::store::MemoryStore;
use model::{Nanos, Px, Qty};
use net::tcp::TcpLink;
use net::{ByteStream, Received};

/// Orders that the strategy keeps open.
const ORDERS: usize = 5;
/// Looks before a wait is given up: far more than a working core needs.
const LOOKS_MAX: usize = 12_000;
/// The venue cuts its first, second and third connection when it has made so many reports in all; those of that moment are lost with it.
const CUTS: [usize; 3] = [1, 3, 5];

const FLOW: &str = r#"
    symbols = ["AAPL"]
    lines = ["127.0.0.1:1"]
    rerequest = "127.0.0.1:0"
    ouch = "127.0.0.1:0"
    close_with_flow = false
    [flow]
    kind = "generated"
    seed = 11
    messages_per_second = 4000
"#;

/// Rests orders far from the market.
#[derive(Clone, Default)]
struct Ladder(Arc<AtomicUsize>);

impl Strategy for Ladder {
    const NAME: &'static str = "ladder";

    fn new(_: &mut Params) -> Result<Ladder, ParamError> {
        Ok(Ladder::default())
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let (id, top) = (change.instrument, view.top(change.instrument));
        let open = view.orders(id).count();
        let live = view.orders(id).filter(|o| o.state() == OrderState::Live).count();
        self.0.store(live, Ordering::Release);
        if view.can_trade(id) && open < ORDERS && top.bid_qty > 0 {
            let below = top.bid_px.0 * (95 - open as i64) / 100;
            out.buy(id, Qty(100), Px(below - below % 100));
        }
    }
}

/// What the venue's application knows.
#[derive(Default)]
struct Floor {
    /// Open orders by ClOrdID: shares and limit as written.
    open: BTreeMap<String, (String, String)>,
    accepted: usize,
    reports: usize,
    connections: usize,
}

impl Floor {
    /// The answers to one message: type and body.
    fn answer(&mut self, m: &Message<'_>) -> Vec<(&'static [u8], String)> {
        let get = |tag| String::from_utf8_lossy(m.get(tag).unwrap_or_default()).into_owned();
        let name = get(11);
        match m.kind() {
            b"D" => {
                self.open.insert(name.clone(), (get(38), get(44)));
                self.accepted += 1;
                let (qty, px) = (get(38), get(44));
                vec![(b"8", self.report(&name, "0", &format!("14=0|38={qty}|39=0|44={px}|151={qty}|")))]
            }
            b"F" => {
                let order = get(41);
                match self.open.remove(&order) {
                    Some((qty, _)) => {
                        vec![(
                            b"8",
                            self.report(&name, "4", &format!("14=0|38={qty}|39=4|41={order}|151=0|")),
                        )]
                    }
                    None => vec![(b"9", format!("11={name}|37=NONE|39=8|41={order}|102=1|434=1|"))],
                }
            }
            b"H" => vec![(b"8", self.report(&name, "I", "14=0|39=8|151=0|"))],
            kind => panic!("{}", String::from_utf8_lossy(kind)),
        }
    }

    fn report(&mut self, name: &str, what: &str, rest: &str) -> String {
        self.reports += 1;
        format!("6=0|11={name}|17={}|37={}|54=1|55=AAPL|150={what}|{rest}", self.reports, self.accepted)
    }
}

/// The venue on its thread.
struct Venue {
    address: SocketAddr,
    floor: Arc<Mutex<Floor>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn now() -> Nanos {
    Nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64)
}

impl Venue {
    fn start() -> Venue {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let floor = Arc::new(Mutex::new(Floor::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, told) = (Arc::clone(&floor), Arc::clone(&stop));
        let thread = std::thread::spawn(move || run(&listener, &shared, &told));
        Venue { address, floor, stop, thread: Some(thread) }
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn run(listener: &TcpListener, floor: &Mutex<Floor>, stop: &AtomicBool) {
    let credentials = Credentials::Password { user: "user01".into(), password: "secret".into() };
    let config = SessionConfig {
        credentials,
        ..SessionConfig::new(Role::Acceptor, Version::Fix44, "VENUE", "CLIENT")
    };
    let mut session = Session::new(config, MemoryStore::new(1 << 20)).unwrap();
    let mut link: Option<TcpLink> = None;
    while !stop.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_micros(200));
        if let Ok((stream, _)) = listener.accept() {
            session.on_disconnected();
            session.on_connected(now());
            link = Some(TcpLink::accepted(stream).unwrap());
            floor.lock().unwrap().connections += 1;
        }
        let Some(line) = &mut link else { continue };
        let mut gone = match line.recv(session.recv_space()) {
            Ok(Received::Data(n)) => {
                session.on_received(now(), n);
                false
            }
            Ok(Received::Nothing) => false,
            Ok(Received::Closed) | Err(_) => true,
        };
        let mut floor = floor.lock().unwrap();
        let before = floor.reports;
        loop {
            let answers = match session.poll(now()) {
                None => break,
                Some(Event::Message { message, .. }) => floor.answer(&message),
                Some(_) => continue,
            };
            for (kind, body) in answers {
                session.send(now(), kind, body.replace('|', "\x01").as_bytes()).unwrap();
            }
        }
        let cut = CUTS.get(floor.connections - 1);
        gone |= floor.reports > before && cut.is_some_and(|cut| floor.reports >= *cut);
        if !gone && let Ok(n) = line.send(session.transmit()) {
            session.transmitted(n);
        }
        if gone || session.is_over() {
            link = None;
            session.on_disconnected();
        }
    }
}

fn look(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

fn configured(topology: &str, venue: &Venue, folder: &Path, flow: &mut ExchangeConfig) -> Config {
    let file = Path::new("core.toml");
    let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
    written.name = format!("fix-{topology}-{}", std::process::id());
    written.journal_dir = folder.display().to_string();
    written.topology = topology.into();
    written.strategy.name = Ladder::NAME.into();
    written.risk.max_open_orders = Some(50);
    written.risk.price_collar_bps = Some(1_000);
    written.gateways[0].protocol = "fix44".into();
    let fix = "sender_comp_id = \"CLIENT\"\ntarget_comp_id = \"VENUE\"\nheartbeat_s = 5";
    written.gateways[0].fix = Some(parse_toml(fix, file).unwrap());
    let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
    // Both ports are picked at once, so that they differ, and were free a moment ago.
    let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    flow.lines = ports.iter().map(|s| s.local_addr().unwrap()).collect();
    config.feeds[0].lines.clone_from(&flow.lines);
    config.gateways[0].account.address = venue.address;
    config.gateways[0].account.password = "secret".into();
    config
}

fn ended(config: &Config, core: Running<Ladder>) -> colo::core::RunReport {
    let report = core.end();
    let _ = std::fs::remove_file(region_path(&config.name));
    let _ = std::fs::remove_file(format!("/dev/shm/colo-{}.lock", config.name));
    let replayed = replay::<Ladder>(&Journal::open(&report.journal).unwrap()).unwrap();
    assert_eq!((replayed.state_hash, replayed.stats), (report.state_hash, report.stats));
    report
}

#[test]
fn orders_live_through_lost_connections_and_all_are_canceled_at_the_end() {
    for topology in ["pipelined", "inline"] {
        let (venue, folder) = (Venue::start(), tempfile::tempdir().unwrap());
        let mut flow = ExchangeConfig::from_toml(FLOW, Path::new(".")).unwrap();
        let mut config = configured(topology, &venue, folder.path(), &mut flow);
        let market = exchange::spawn(flow).unwrap();
        config.feeds[0].rerequest = market.rerequest.into_iter().collect();
        // Twice: the second run goes on with the sequence numbers of the first, and learns from the replay that nothing is open.
        for run in 1..=2 {
            let ladder = Ladder::default();
            let core = start(&config, &Plan::new(&config, 1), ladder.clone()).unwrap();
            look("resting orders", || {
                assert!(!core.has_ended(), "it ended");
                ladder.0.load(Ordering::Acquire) == ORDERS
            });
            assert_eq!(venue.floor.lock().unwrap().open.len(), ORDERS);
            let report = ended(&config, core);
            assert_eq!((report.open_orders, report.failures.clone()), (0, Vec::new()), "{report:#?}");
            let floor = venue.floor.lock().unwrap();
            assert!(floor.open.is_empty() && floor.accepted >= run * ORDERS, "{:?}", floor.open);
            assert!(floor.connections > CUTS.len(), "{} connections", floor.connections);
        }
        market.stop().unwrap();
    }
}
