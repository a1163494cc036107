//! A whole core that trades over FIX with the simulated venue, over real sockets, in the clear and by TLS. The venue loses connections in the middle of what it says,
//! says things twice, and writes what is no message; at the end both sides have the same figures, and the run replays to the same.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::core::{Plan, Running, start};
use colo::exchange::{self, ExchangeConfig};
use colo::reconcile::{Figures, Verdict};
use colo::replay::{Journal, replay};
use colo::telemetry::region_path;
use engine::OrderState;
use engine::book::BookChange;
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use model::{Px, Qty};

/// Orders that the strategy keeps open.
const ORDERS: usize = 5;
/// Looks before a wait is given up: far more than a working core needs.
const LOOKS_MAX: usize = 12_000;

/// Of the account's reports the first is made and never written, the third breaks off in its head, the fourth comes twice, the fifth breaks off before its end, and
/// the seventh is preceded by noise.
const VENUE: &str = r#"
    symbols = ["AAPL"]
    lines = ["127.0.0.1:1"]
    rerequest = "127.0.0.1:0"
    ouch = "127.0.0.1:0"
    close_with_flow = false
    [fix]
    listen = "127.0.0.1:0"
    tls = "127.0.0.1:0"
    ca_file = "ca.pem"
    [[accounts]]
    username = "user01"
    password = "secret"
    firm = "ABCD"
    protocol = "fix44"
    fix = { comp_id = "CLIENT" }
    [[script]]
    account = "user01"
    report = 1
    do = "disconnect"
    [[script]]
    account = "user01"
    report = 3
    do = "cut"
    bytes = 20
    [[script]]
    account = "user01"
    report = 4
    do = "repeat"
    [[script]]
    account = "user01"
    report = 5
    do = "cut"
    bytes = 150
    [[script]]
    account = "user01"
    report = 7
    do = "garbage"
    bytes = 300
    [flow]
    kind = "generated"
    seed = 11
    messages_per_second = 4000
"#;

/// Buys once at the market, and rests orders far from it.
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
        let held = view.position(id).shares > 0;
        self.0.store(if held { live } else { 0 }, Ordering::Release);
        if !view.can_trade(id) || open >= ORDERS || top.bid_qty == 0 || top.ask_qty == 0 {
            return;
        }
        if !held && open == 0 {
            // So far beyond the best offer that it trades, however late it comes.
            let above = top.ask_px.0 * 102 / 100;
            return out.buy(id, Qty(100), Px(above - above % 100));
        }
        let below = top.bid_px.0 * (95 - open as i64) / 100;
        out.buy(id, Qty(100), Px(below - below % 100));
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

fn configured(tls: bool, folder: &Path, venue: &mut ExchangeConfig) -> Written {
    let file = Path::new("core.toml");
    let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
    written.name = format!("fix-{}-{}", if tls { "tls" } else { "tcp" }, std::process::id());
    written.journal_dir = folder.display().to_string();
    written.topology = "pipelined".into();
    written.strategy.name = Ladder::NAME.into();
    written.risk.max_open_orders = Some(50);
    written.risk.price_collar_bps = Some(1_000);
    written.gateways[0].protocol = "fix44".into();
    let mut fix = "sender_comp_id = \"CLIENT\"\ntarget_comp_id = \"VENUE\"\nheartbeat_s = 5\n".to_owned();
    if tls {
        fix += &format!(
            "tls_name = \"127.0.0.1\"\ntls_roots_file = {:?}\n",
            folder.join("ca.pem").display().to_string()
        );
    }
    written.gateways[0].fix = Some(parse_toml(&fix, file).unwrap());
    // Both ports are picked at once, so that they differ, and were free a moment ago.
    let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    venue.lines = ports.iter().map(|s| s.local_addr().unwrap()).collect();
    written.feeds[0].lines = venue.lines.iter().map(ToString::to_string).collect();
    std::fs::write(folder.join("pw"), "secret").unwrap();
    written
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
fn orders_live_through_lost_connections_and_both_sides_have_the_same_figures() {
    for tls in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut venue = ExchangeConfig::from_toml(VENUE, folder.path()).unwrap();
        let mut written = configured(tls, folder.path(), &mut venue);
        let venue = exchange::spawn(venue).unwrap();
        let address = if tls { venue.fix_tls } else { venue.fix };
        written.gateways[0].address = address.unwrap().to_string();
        written.feeds[0].rerequest = venue.rerequest.iter().map(ToString::to_string).collect();
        let config = Config::resolve(written, &folder.path().join("core.toml"), Secrets::Read).unwrap();
        // Twice: the second run goes on with the sequence numbers of the first, and learns from the replay that nothing is open and what is held.
        let mut last = None;
        for run in 1..=2 {
            let ladder = Ladder::default();
            let core = start(&config, &Plan::new(&config, 1), ladder.clone()).unwrap();
            look("resting orders", || {
                assert!(!core.has_ended(), "it ended");
                ladder.0.load(Ordering::Acquire) == ORDERS
            });
            let report = ended(&config, core);
            assert_eq!((report.open_orders, report.failures.clone()), (0, Vec::new()), "{report:#?}");
            let accepted = venue.progress().accepted.load(Ordering::Relaxed);
            assert!(accepted >= (run * ORDERS) as u64, "{accepted} accepted");
            last = Some(report);
        }
        let truth = venue.stop().unwrap();
        assert_eq!((truth.counts.script_steps, truth.counts.malformed), (5, 0), "{:?}", truth.counts);
        assert!(truth.counts.logins >= 5, "three connections were lost: {:?}", truth.counts);
        let verdict = Verdict::of(&Figures::ours(&last.unwrap()), &Figures::of_accounts(&truth.accounts));
        assert!(matches!(verdict, Verdict::Equal(_)), "{verdict:?}");
        let counts = &truth.accounts[0].counts;
        assert_eq!((counts.rejected, counts.accepted - counts.canceled), (0, 1), "one traded: {counts:?}");
    }
}

/// Lines of the runs' logs in `folder` that say this.
fn logged(folder: &Path, what: &str) -> Vec<serde_json::Value> {
    let runs = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let logs = runs.filter_map(|run| std::fs::read_to_string(run.path().join("log.jsonl")).ok());
    let lines = logs.flat_map(|log| log.lines().map(str::to_owned).collect::<Vec<_>>());
    // The last one may be half written.
    lines
        .filter_map(|line| serde_json::from_str(&line).ok())
        .filter(|l: &serde_json::Value| l["message"] == what)
        .collect()
}

#[test]
fn a_venue_that_does_not_prove_its_name_is_no_venue_and_the_log_says_why_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut venue = ExchangeConfig::from_toml(VENUE, folder.path()).unwrap();
    let mut written = configured(true, folder.path(), &mut venue);
    written.name += "-name";
    let venue = exchange::spawn(venue).unwrap();
    written.gateways[0].address = venue.fix_tls.unwrap().to_string();
    written.gateways[0].fix.as_mut().unwrap().tls_name = Some("fix.venue.example".into());
    written.feeds[0].rerequest = venue.rerequest.iter().map(ToString::to_string).collect();
    let config = Config::resolve(written, &folder.path().join("core.toml"), Secrets::Read).unwrap();
    let core = start(&config, &Plan::new(&config, 1), Ladder::default()).unwrap();
    look("a word about it", || !logged(&config.journal_dir, "no connection").is_empty());
    let report = ended(&config, core);
    assert_eq!((report.open_orders, report.failures.clone()), (0, Vec::new()), "{report:#?}");
    let said = logged(&config.journal_dir, "no connection");
    assert_eq!((said.len(), &said[0]["connection"]), (1, &"gateway-g1".into()), "{said:?}");
    let why = said[0]["why"].as_str().unwrap();
    assert!(why.contains("tls with fix.venue.example") && why.contains("certificate"), "{why}");
    assert_eq!(venue.stop().unwrap().counts.logins, 0);
}
