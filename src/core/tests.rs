//! Cores against the embedded exchange that end in disorder: an agent panics, the journal takes no more. Whatever it is, nothing may stay open at the venue,
//! and the oracle is the venue's own stream, read again when the core is gone and before the venue's day ends.

use std::io::Error;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use engine::OrderState;
use engine::book::BookChange;
use engine::strategy::{Intents, ParamError, Params, View};
use model::{Control, Px, Qty};
use ringbuf::log::DiskOp;

use super::*;
use crate::agents::SWEEP_TOKENS;
use crate::config::{Secrets, Written, parse_toml};
use crate::exchange::{self, ExchangeConfig};
use crate::{control, reconcile};

/// Orders that the strategy keeps open.
const ORDERS: usize = 5;
/// Looks before a wait is given up: far more than a working core needs.
const LOOKS_MAX: usize = 3_000;

const VENUE: &str = r#"
    symbols = ["AAPL"]
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
    seed = 11
    messages_per_second = 4000
"#;

/// What a test has to do with its strategy.
#[derive(Default)]
struct Wires {
    live: AtomicUsize,
    panic: AtomicBool,
}

/// Rests orders far from the market, where nothing trades with them, and panics when told to.
struct Ladder(Arc<Wires>);

impl Strategy for Ladder {
    const NAME: &'static str = "ladder";

    fn new(_: &mut Params) -> Result<Ladder, ParamError> {
        Ok(Ladder(Arc::default()))
    }

    fn on_book(&mut self, view: &View<'_>, change: &BookChange, out: &mut Intents) {
        let (id, top) = (change.instrument, view.top(change.instrument));
        let open = view.orders(id).count();
        let live = view.orders(id).filter(|o| o.state() == OrderState::Live).count();
        self.0.live.store(live, Ordering::Release);
        assert!(!self.0.panic.load(Ordering::Acquire), "told to");
        if view.can_trade(id) && open < ORDERS && top.bid_qty > 0 {
            let below = top.bid_px.0 * (95 - open as i64) / 100;
            out.buy(id, Qty(100), Px(below - below % 100));
        }
    }
}

struct World {
    config: Config,
    venue: exchange::Running,
    wires: Arc<Wires>,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(test: &str, topology: &str) -> World {
        World::speaking("ouch50", test, topology)
    }

    /// Core and venue speak an order entry protocol.
    fn speaking(protocol: &str, test: &str, topology: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let (name, journal) = (format!("core-{test}-{topology}-{}", std::process::id()), folder.path());
        let file = Path::new("core.toml");
        let mut written: Written = parse_toml(include_str!("../../tests/fixtures/core.toml"), file).unwrap();
        written.name = name;
        written.journal_dir = journal.display().to_string();
        written.topology = topology.into();
        // The cold thread comes to the disk while a core trades.
        written.journal.sync = "interval".into();
        written.strategy.name = Ladder::NAME.into();
        written.gateways[0].protocol = protocol.into();
        written.risk.max_open_orders = Some(50);
        written.risk.price_collar_bps = Some(1_000);
        let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
        let venue = VENUE.replace("firm =", &format!("protocol = \"{protocol}\"\nfirm ="));
        let mut venue = ExchangeConfig::from_toml(&venue, Path::new(".")).unwrap();
        // Both ports are picked at once, so that they differ, and were free a moment ago.
        let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        venue.lines = ports.iter().map(|s| s.local_addr().unwrap()).collect();
        drop(ports);
        config.feeds[0].lines.clone_from(&venue.lines);
        let venue = exchange::spawn(venue).unwrap();
        config.feeds[0].rerequest = venue.rerequest.into_iter().collect();
        config.gateways[0].account.address = venue.ouch;
        config.gateways[0].account.password = "pass".into();
        World { config, venue, wires: Arc::default(), _folder: folder }
    }

    fn start(&self, create: Create<'_>) -> Running<Ladder> {
        let plan = Plan::new(&self.config, 1);
        start_with(&self.config, &plan, Ladder(Arc::clone(&self.wires)), create).unwrap()
    }

    /// Waits until the orders rest at the venue.
    fn until_live(&self, core: &Running<Ladder>) {
        look("resting orders", || {
            assert!(!core.has_ended(), "it ended");
            self.wires.live.load(Ordering::Acquire) == ORDERS
        });
    }

    /// Ends the core, and looks at what the venue has of it.
    fn end(self, core: Running<Ladder>) -> RunReport {
        let report = core.end();
        let (gateway, instruments) = (&self.config.gateways[0], &self.config.instruments);
        let venue = reconcile::from_stream(gateway, GatewayId(0), instruments, report.began);
        leave_nothing(&self.config.name);
        let truth = self.venue.stop().unwrap();
        assert!(
            truth.accounts[0].counts.accepted >= ORDERS as u64,
            "there was something to cancel: {truth:?}"
        );
        assert_eq!(venue.unwrap().open, 0, "orders are open at the venue: {report:#?}");
        report
    }
}

fn look(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is() {
            return;
        }
        std::thread::sleep(LOOK);
    }
    panic!("waited in vain for {what}");
}

#[track_caller]
fn says(report: &RunReport, words: &[&str]) {
    let found = report.failures.iter().any(|f| words.iter().all(|w| f.contains(w)));
    assert!(found, "{words:?}: {:#?}", report.failures);
}

#[test]
fn a_strategy_that_panics_leaves_nothing_open() {
    // OUCH 5.0 has one request that cancels all, OUCH 4.2 has none.
    for (protocol, topology) in [("ouch50", "pipelined"), ("ouch50", "inline"), ("ouch42", "inline")] {
        let world = World::speaking(protocol, &format!("panic{}", &protocol[4..]), topology);
        let core = world.start(&mut |_, log| log::create(log));
        world.until_live(&core);
        world.wires.panic.store(true, Ordering::Release);
        look("the end", || core.has_ended());
        let report = world.end(core);
        says(&report, &["agent strategy panicked", "told to"]);
        assert_eq!(report.failures.len(), 1, "the venue confirmed: {:#?}", report.failures);
        assert_eq!((report.gateways["mass_cancels"], report.gateways["mass_canceled"]), (1, 1));
    }
}

#[test]
fn the_last_tokens_of_a_durable_block_are_left_to_the_gateways() {
    let world = World::new("tokens", "inline");
    let core = world.start(&mut |_, log| log::create(log));
    world.until_live(&core);
    let tokens = core.journal().parent().unwrap().join("tokens");
    assert_eq!(std::fs::read_to_string(tokens).unwrap(), "next = 65537\n");
    let mut journal = log::Reader::open(RunDir::core(core.journal())).unwrap();
    let granted = loop {
        let record = journal.next().unwrap().expect("a grant");
        if let Ok(Record::Control { control: Control::Tokens { first, end }, .. }) =
            Record::decode(record.kind, record.payload)
        {
            break (first.0, end.0);
        }
    };
    assert_eq!(granted, (1, 65_537 - SWEEP_TOKENS));
    let report = world.end(core);
    assert_eq!(
        (report.failures, report.gateways["mass_cancels"]),
        (Vec::new(), 0),
        "an end in order needs none"
    );
}

#[test]
fn a_core_whose_cold_thread_panics_ends_in_order() {
    let world = World::new("cold", "pipelined");
    let broken = Arc::new(AtomicBool::new(false));
    let core = world.start(&mut |_, log| {
        let broken = Arc::clone(&broken);
        log::create_gated(log, move |_| {
            assert!(!broken.load(Ordering::Acquire), "told to");
            Ok(())
        })
    });
    world.until_live(&core);
    broken.store(true, Ordering::Release);
    look("the end", || core.has_ended());
    let report = world.end(core);
    says(&report, &["agent cold panicked", "told to"]);
    assert_eq!((report.open_orders, report.gateways["mass_cancels"]), (0, 0), "the engine canceled");
    assert!(report.stats.cancels >= ORDERS as u64, "{:?}", report.stats);
}

#[test]
fn a_journal_that_takes_no_more_leaves_nothing_open() {
    for topology in ["pipelined", "inline"] {
        let world = World::new("blind", topology);
        let full = Arc::new(AtomicBool::new(false));
        let core = world.start(&mut |name, log| match name {
            "core journal" => {
                let full = Arc::clone(&full);
                // Without a reserve there is no warning before the end.
                let log = LogConfig { reserve_bytes: 0, segment_bytes: 64 * 1024, ..log };
                log::create_gated(log, move |op| match op {
                    // A full disk may have room again, so nobody halts for it before the end.
                    DiskOp::Reserve { .. } if full.load(Ordering::Acquire) => {
                        Err(Error::from_raw_os_error(libc::ENOSPC))
                    }
                    _ => Ok(()),
                })
            }
            _ => log::create(log),
        });
        world.until_live(&core);
        full.store(true, Ordering::Release);
        look("the end", || core.has_ended());
        let report = world.end(core);
        says(&report, &["journal refused a record"]);
        assert_eq!(report.gateways["mass_canceled"], 1, "{topology}");
        assert!(report.open_orders > 0, "the engine never heard of it");
    }
}

#[test]
fn a_disk_that_stands_still_keeps_no_halt_and_no_end_waiting() {
    let world = World::new("disk", "pipelined");
    let (held, stuck) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let core = world.start(&mut |_, log| {
        let (held, stuck) = (Arc::clone(&held), Arc::clone(&stuck));
        log::create_gated(log, move |_| {
            while held.load(Ordering::Acquire) {
                stuck.store(true, Ordering::Release);
                std::thread::park_timeout(LOOK);
            }
            Ok(())
        })
    });
    world.until_live(&core);
    held.store(true, Ordering::Release);
    look("the disk", || stuck.load(Ordering::Acquire));
    let answer = control::ask(&world.config.name, control::Command::Halt.into()).expect("an answer");
    assert_eq!(answer["ok"], true, "{answer}");
    look("the halt", || core.viewer().read().risk.is_some_and(|r| r.halted == Some("operator")));
    core.ask_to_end();
    look("the end of the strategy", || core.has_ended());
    held.store(false, Ordering::Release);
    let report = world.end(core);
    assert_eq!((report.open_orders, report.failures), (0, Vec::new()));
}
