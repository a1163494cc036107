//! A whole core trades at the simulated venue's REST face on what its depth stream says, over real sockets: differences are lost and connections end, each makes
//! the books unsound until a snapshot, and the run replays to the same.

use std::sync::atomic::Ordering;

use colo::config::{Config, Secrets, Written, parse_toml};
use colo::core::{LOOK, Plan, Running, leave_nothing, start};
use colo::exchange::{self, ExchangeConfig};
use colo::reconcile::{Figures, Verdict};
use colo::replay::{Journal, replay};
use engine::strategy::{Params, Quoter, Strategy};

const VENUE: &str = r#"
    symbols = ["AAPL"]
    lines = ["127.0.0.1:1"]
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
    weight_per_minute = 100000
    orders_per_10_s = 10000
    [[rest.clients]]
    account = "user01"
    api_key = "the-key"
    secret = "the-secret"
    [rest.market_data]
    depth_ms = 10
"#;
/// Looks before a wait is given up: far more than a working core needs.
const LOOKS_MAX: usize = 12_000;

struct World {
    config: Config,
    venue: exchange::Running,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(test: &str, tls: bool, change: impl FnOnce(&mut ExchangeConfig)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut venue = ExchangeConfig::from_toml(VENUE, folder.path()).unwrap();
        if tls {
            venue.rest.as_mut().unwrap().ca_file = Some(folder.path().join("ca.pem"));
        }
        change(&mut venue);
        let venue = exchange::spawn(venue).unwrap();
        let url = format!("{}://{}", if tls { "https" } else { "http" }, venue.rest.unwrap());
        let at = format!("base_url = \"{url}\"\n{}", if tls { "ca_file = \"ca.pem\"\n" } else { "" });
        let feed = format!(
            "[[feeds]]\nid = \"f1\"\nprotocol = \"depth\"\n[feeds.depth]\nmarket = \"spot\"\nweight_per_minute = 100000\n{at}"
        );
        let gateway = format!(
            "[[gateways]]\nid = \"g1\"\nprotocol = \"rest_ws\"\nenvironment = \"test\"\n\
             [gateways.rest]\napi_key_file = \"key\"\nsecret_file = \"secret\"\n{at}"
        );
        std::fs::write(folder.path().join("key"), "the-key\n").unwrap();
        std::fs::write(folder.path().join("secret"), "the-secret\n").unwrap();
        let fixture = include_str!("fixtures/core.toml");
        let (head, rest) = fixture.split_once("[[feeds]]").unwrap();
        let (_, tail) = rest.split_once("[[instruments]]").unwrap();
        let file = folder.path().join("core.toml");
        let text = format!("{head}{feed}{gateway}[[instruments]]{tail}");
        let mut written: Written = parse_toml(&text, &file).unwrap();
        written.name = format!("depth-{test}-{}", std::process::id());
        written.journal_dir = folder.path().join("journal").display().to_string();
        written.idle = "park".into();
        written.strategy.name = Quoter::NAME.into();
        let config = Config::resolve(written, &file, Secrets::Read).unwrap();
        World { config, venue, _folder: folder }
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

    fn fills(&self) -> u64 {
        self.venue.progress().fills.load(Ordering::Relaxed)
    }

    /// Ends the core: the venue's ledger says what we do, and the journal with its capture replays to the same.
    fn end(self, core: Running<Quoter>) {
        let report = core.end();
        leave_nothing(&self.config.name);
        let outcome = self.venue.stop().unwrap();
        assert_eq!(report.failures, [] as [String; 0]);
        let verdict = Verdict::of(&Figures::ours(&report), &Figures::of_accounts(&outcome.accounts));
        assert!(verdict.is_equal(), "{verdict}");
        assert_eq!(verdict.left_open(), 0);
        let journal = Journal::open(&report.journal).unwrap();
        let replayed = replay::<Quoter>(&journal).unwrap();
        assert!(replayed.ended);
        assert_eq!((replayed.state_hash, replayed.stats), (report.state_hash, report.stats));
    }
}

/// How often the instrument became this because of a gap.
fn by_gap(core: &Running<Quoter>, word: &str) -> u64 {
    // What has not happened yet is not named.
    core.viewer().read().transitions.get(word).and_then(|why| why.get("gap")).copied().unwrap_or(0)
}

fn feed(core: &Running<Quoter>, counter: &str) -> u64 {
    core.viewer().read().feeds[0].counters[counter]
}

#[test]
fn a_core_trades_on_a_depth_stream_that_loses_differences() {
    let world = World::new("loss", true, |venue| {
        venue.rest.as_mut().unwrap().market_data.depth_loss = 0.002;
    });
    let core = world.start();
    world.until(&core, "gaps, recoveries and fills", |w| {
        // The feed's figures are its own thread's, the words the strategy's: one is shown before the other.
        let is_told = by_gap(&core, "recovering") >= 3 && by_gap(&core, "valid") >= 3;
        feed(&core, "gaps_filled") >= 3 && is_told && w.fills() >= 20
    });
    assert!(feed(&core, "snapshots") >= 4 && feed(&core, "malformed") == 0);
    world.end(core);
}

#[test]
fn a_stream_that_ends_again_and_again_is_opened_again() {
    let world = World::new("life", false, |venue| {
        venue.rest.as_mut().unwrap().market_data.stream_life_ms = 2_000;
    });
    let core = world.start();
    world.until(&core, "several streams and fills", |w| {
        feed(&core, "snapshots") >= 4 && by_gap(&core, "valid") >= 2 && w.fills() >= 20
    });
    assert_eq!(feed(&core, "gaps"), 0, "an end is no gap");
    world.end(core);
}
