//! A whole core trades at the simulated venue's REST face, over real sockets with TLS: fills, positions and cash equal the venue's own ledger, and what the venue's
//! lists say when they are read again. Signed by a key; and as an OAuth client whose token and listen key end again and again.

use std::net::UdpSocket;
use std::sync::atomic::Ordering;

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::core::{LOOK, Plan, RunReport, Running, leave_nothing, start};
use colo::exchange::{self, ExchangeConfig};
use colo::reconcile::{self, Figures, Verdict};
use colo::replay::{Journal, replay};
use colo::telemetry::region_path;
use engine::strategy::{Params, Quoter, Strategy};
use model::{GatewayId, Nanos};

const VENUE: &str = r#"
    symbols = ["AAPL"]
    lines = ["127.0.0.1:1"]
    rerequest = "127.0.0.1:0"
    ouch = "127.0.0.1:0"
    close_with_flow = false
    [[accounts]]
    username = "user01"
    password = "pass"
    firm = "ABCD"
    [flow]
    kind = "generated"
    seed = 5
    messages_per_second = 2000
    [rest]
    listen = "127.0.0.1:0"
    ca_file = "ca.pem"
    weight_per_minute = 100000
    orders_per_10_s = 10000
    [[rest.clients]]
    account = "user01"
    api_key = "the-key"
    secret = "the-secret"
    client_id = "the-client"
    client_secret = "another=secret"
"#;
/// Looks before a wait is given up: far more than a working core needs.
const LOOKS_MAX: usize = 12_000;

struct World {
    config: Config,
    venue: exchange::Running,
    folder: tempfile::TempDir,
}

/// The files of a gateway's secrets, by their keys in the table.
type Files<'a> = &'a [(&'a str, &'a str)];

const BY_KEY: Files<'_> = &[("api_key_file", "the-key"), ("secret_file", "the-secret")];
const BY_CLIENT: Files<'_> = &[("client_id_file", "the-client"), ("client_secret_file", "another=secret")];

impl World {
    fn new(test: &str, tls: bool, files: Files<'_>, change: impl FnOnce(&mut ExchangeConfig)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut venue = ExchangeConfig::from_toml(VENUE, folder.path()).unwrap();
        if !tls {
            venue.rest.as_mut().unwrap().ca_file = None;
        }
        change(&mut venue);
        let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        venue.lines = ports.iter().map(|s| s.local_addr().unwrap()).collect();
        drop(ports);
        let lines: Vec<String> = venue.lines.iter().map(ToString::to_string).collect();
        let venue = exchange::spawn(venue).unwrap();

        let address = venue.rest.unwrap();
        let mut gateway = format!(
            "[[gateways]]\nid = \"g1\"\nprotocol = \"rest_ws\"\nenvironment = \"test\"\n[gateways.rest]\nbase_url = \"{}://{address}\"\n",
            if tls { "https" } else { "http" }
        );
        if tls {
            gateway.push_str("ca_file = \"ca.pem\"\n");
        }
        for (name, text) in files {
            std::fs::write(folder.path().join(name), format!("{text}\n")).unwrap();
            gateway.push_str(&format!("{name} = \"{name}\"\n"));
        }
        let file = folder.path().join("core.toml");
        let fixture = include_str!("fixtures/core.toml");
        let (head, rest) = fixture.split_once("[[gateways]]").unwrap();
        let (_, tail) = rest.split_once("[[instruments]]").unwrap();
        let text = format!("{head}{gateway}[[instruments]]{tail}");
        let mut written: Written = parse_toml(&text, &file).unwrap();
        written.name = format!("rest-{test}-{}", std::process::id());
        written.journal_dir = folder.path().join("journal").display().to_string();
        written.topology = "pipelined".into();
        written.idle = "park".into();
        written.strategy.name = Quoter::NAME.into();
        written.feeds[0].lines = lines;
        let mut config = Config::resolve(written, &file, Secrets::Read).unwrap();
        config.feeds[0].rerequest = venue.rerequest.into_iter().collect();
        World { config, venue, folder }
    }

    fn start(&self) -> Running<Quoter> {
        let strategy = Quoter::new(&mut Params::default()).unwrap();
        start(&self.config, &Plan::new(&self.config, 2), strategy).unwrap()
    }

    fn until(&self, core: &Running<Quoter>, what: &str, is: impl Fn(&World) -> bool) {
        for _ in 0..LOOKS_MAX {
            if is(self) {
                return;
            }
            assert!(!core.has_ended(), "it ended");
            std::thread::sleep(LOOK);
        }
        panic!("waited in vain for {what}: {:?}", core.viewer().read());
    }

    /// Ends the core; both the venue's ledger and its lists say what we do, and the journal replays to the same.
    fn end(self, core: Running<Quoter>) -> (RunReport, exchange::Outcome) {
        let report = core.end();
        let read = |since| {
            reconcile::from_stream(&self.config.gateways[0], GatewayId(0), &self.config.instruments, since)
        };
        let lists = read(report.began);
        let tomorrow = read(report.began.after(Nanos::from_millis(86_400_000)));
        leave_nothing(&self.config.name);
        let outcome = self.venue.stop().unwrap();
        assert_eq!(report.failures, [] as [String; 0]);
        assert_eq!(tomorrow.unwrap(), Figures::default(), "of the day in which a run began, and no other");
        let ours = Figures::ours(&report);
        for (whose, theirs) in
            [("ledger", Figures::of_accounts(&outcome.accounts)), ("lists", lists.unwrap())]
        {
            let verdict = Verdict::of(&ours, &theirs);
            assert!(verdict.is_equal(), "{whose}: {verdict}");
            assert_eq!(verdict.left_open(), 0, "{whose}");
        }
        let journal = Journal::open(&report.journal).unwrap();
        let replayed = replay::<Quoter>(&journal).unwrap();
        assert!(replayed.ended);
        assert_eq!((replayed.state_hash, replayed.stats), (report.state_hash, report.stats));
        drop(self.folder);
        (report, outcome)
    }
}

#[test]
fn a_core_trades_over_tls_by_a_key() {
    let world = World::new("key", true, BY_KEY, |_| {});
    let core = world.start();
    world.until(&core, "fills", |w| w.venue.progress().fills.load(Ordering::Relaxed) >= 20);
    let (report, outcome) = world.end(core);
    assert!(report.stats.fills >= 20);
    let counts = outcome.rest.unwrap();
    assert_eq!((counts.throttled, counts.banned), (0, 0));
}

#[test]
fn tokens_and_listen_keys_end_and_nothing_is_lost() {
    let world = World::new("client", false, BY_CLIENT, |venue| {
        let rest = venue.rest.as_mut().unwrap();
        rest.token_life_s = 2;
        rest.listen_key_life_ms = 1_500;
    });
    let core = world.start();
    let lost = |core: &Running<Quoter>| core.viewer().read().gateways[0].counters["disconnects"];
    world.until(&core, "fills over several streams", |w| {
        lost(&core) >= 3 && w.venue.progress().fills.load(Ordering::Relaxed) >= 20
    });
    world.end(core);
}

#[test]
fn a_venue_that_does_not_know_the_key_is_asked_once() {
    let files = &[("api_key_file", "another-key"), ("secret_file", "the-secret")];
    let world = World::new("stranger", true, files, |_| {});
    let core = world.start();
    world.until(&core, "the refusal", |_| core.viewer().read().gateways[0].counters["given_up"] > 0);
    let _ = core.end();
    let _ = std::fs::remove_file(region_path(&world.config.name));
    let _ = std::fs::remove_file(format!("/dev/shm/colo-{}.lock", world.config.name));
    // The time, the instruments, the key: and no more.
    let counts = world.venue.stop().unwrap().rest.unwrap();
    assert_eq!(counts.requests, 3, "{counts:?}");
}
