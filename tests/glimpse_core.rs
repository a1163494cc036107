//! A whole core against the embedded exchange over real sockets: both lines lose the same packets and no re-request is answered, or the core joins in
//! mid-day. At the next quiescent point its books are the venue's, as the venue's own snapshot tells them, and the run replays to the same.

mod exchange_support;
#[path = "exchange_support/mirror.rs"]
mod mirror;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use colo::config::{Account, Config, Secrets, Written, parse_toml};
use colo::core::{Plan, Running, start};
use colo::exchange::{self, ExchangeConfig};
use colo::journal::{Record, RunDir};
use colo::replay::{Journal, ReplayError, replay};
use colo::telemetry::region_path;
use engine::strategy::Strategy;
use exchange_support::client::login;
use exchange_support::heard::Heard;
use exchange_support::symbol;
use exchange_support::tape::Tape;
use mirror::{Mirror, Orders};
use model::{FeedStatus, InstrumentId, Side};
use ringbuf::log::{self, Reader};

const VENUE: &str = r#"
    symbols = ["AAPL", "MSFT", "AMZN"]
    lines = ["127.0.0.1:1"]
    rerequest = "127.0.0.1:0"
    ouch = "127.0.0.1:0"
    glimpse = "127.0.0.1:0"
    close_with_flow = false
    [[accounts]]
    username = "user01"
    password = "pass"
    firm = "ABCD"
    [flow]
    kind = "generated"
    seed = 11
    messages_per_second = 4000
    messages = 6000
"#;
/// Looks before a wait is given up: far more than a working core needs.
const LOOKS_MAX: usize = 12_000;

struct World {
    config: Config,
    venue: exchange::Running,
    mirror: Mirror,
    folder: tempfile::TempDir,
}

impl World {
    fn new(test: &str, topology: &str, change: impl FnOnce(&mut ExchangeConfig)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("glimpse-{test}-{topology}-{}", std::process::id());
        let journal = folder.path().join("journal");
        let file = Path::new("core.toml");
        let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
        written.name = name;
        written.journal_dir = journal.display().to_string();
        written.topology = topology.into();
        written.feeds[0].snapshot_after_messages = 500;
        let mut msft = written.instruments[0].clone();
        msft.symbol = "MSFT".into();
        written.instruments.push(msft);
        written.strategy.name = Mirror::NAME.into();
        let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
        let mut venue = ExchangeConfig::from_toml(VENUE, Path::new(".")).unwrap();
        change(&mut venue);
        // Both ports are picked at once, so that they differ, and were free a moment ago.
        let ports = [(), ()].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        venue.lines = ports.iter().map(|s| s.local_addr().unwrap()).collect();
        drop(ports);
        config.feeds[0].lines.clone_from(&venue.lines);
        let venue = exchange::spawn(venue).unwrap();
        config.feeds[0].rerequest = venue.rerequest.into_iter().collect();
        config.feeds[0].glimpse = Some(Account {
            address: venue.glimpse.unwrap(),
            username: "user01".into(),
            password: "pass".into(),
        });
        config.gateways[0].account.address = venue.ouch;
        config.gateways[0].account.password = "pass".into();
        World { config, venue, mirror: Mirror::default(), folder }
    }

    fn start(&self) -> Running<Mirror> {
        start(&self.config, &Plan::new(&self.config, 1), self.mirror.clone()).unwrap()
    }

    /// Waits until the flow has ended, then until the core's books are the venue's.
    fn until_level(&self) {
        look("the end of the flow", || self.venue.progress().flow_messages.load(Ordering::Relaxed) >= 6_000);
        let mut last = None;
        look("the same books", || {
            // The venue refuses and cuts its own test's snapshots as well.
            let Some(books) = self.venue_books() else { return false };
            let own = [0, 1].map(|k| self.mirror.seen(InstrumentId(k)));
            let is_level = own.iter().all(|s| s.valid) && own.each_ref().map(|s| s.orders.clone()) == books;
            last = Some((own, books));
            is_level
        });
    }

    /// AAPL's and MSFT's books, as the venue tells them.
    fn venue_books(&self) -> Option<[[Orders; 2]; 2]> {
        let heard = self.snapshot();
        heard.next()?;
        let mut tape = Tape::default();
        heard.messages[..heard.messages.len() - 1].iter().for_each(|m| tape.apply(m));
        let book = |name: &str| {
            [Side::Buy, Side::Sell].map(|side| {
                let queue = tape.queue(symbol(name), side);
                queue.into_iter().map(|(id, px, qty)| (id, px.0, qty.0)).collect()
            })
        };
        Some([book("AAPL"), book("MSFT")])
    }

    fn snapshot(&self) -> Heard {
        let mut stream = TcpStream::connect(self.venue.glimpse.unwrap()).unwrap();
        stream.write_all(&login("user01", "pass", "", "1")).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let mut heard = Heard::default();
        heard.receive(&bytes);
        heard
    }

    /// Ends the core; its journal is whole, names snapshots and replays to the same.
    fn end(self, core: Running<Mirror>) -> (Vec<Record>, exchange::Outcome) {
        let report = core.end();
        let _ = std::fs::remove_file(region_path(&self.config.name));
        let _ = std::fs::remove_file(format!("/dev/shm/colo-{}.lock", self.config.name));
        let run = report.journal.clone();
        for log in ["core", "feed-f1"] {
            log::verify(run.join(log)).unwrap_or_else(|e| panic!("{log}: {e}"));
        }
        let replayed = replay::<Mirror>(&Journal::open(&run).unwrap()).unwrap();
        assert!(replayed.ended);
        assert_eq!((replayed.state_hash, replayed.stats), (report.state_hash, report.stats));

        let mut reader = Reader::open(RunDir::core(&run)).unwrap();
        let mut records = Vec::new();
        while let Some(r) = reader.next().unwrap() {
            records.push(Record::decode(r.kind, r.payload).unwrap());
        }
        (records, self.venue.stop().unwrap())
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

/// How often each of these came: begun, ended, batches of snapshots, synced, lost.
fn counted(records: &[Record]) -> [usize; 5] {
    let mut n = [0; 5];
    for r in records {
        match r {
            Record::Feed { status: FeedStatus::SnapshotBegin, .. } => n[0] += 1,
            Record::Feed { status: FeedStatus::SnapshotEnd { .. }, .. } => n[1] += 1,
            Record::Snapshot { .. } => n[2] += 1,
            Record::Feed { status: FeedStatus::Synced { .. }, .. } => n[3] += 1,
            Record::Feed { status: FeedStatus::Lost { .. }, .. } => n[4] += 1,
            _ => {}
        }
    }
    n
}

#[test]
fn both_lines_lose_the_same_and_no_re_request_is_answered() {
    for topology in ["pipelined", "inline"] {
        let world = World::new("loss", topology, |v| {
            v.wait_for_login = true;
            v.faults.seed = 3;
            v.faults.line_a.loss = 0.1;
            v.faults.line_b.loss = 0.1;
            v.faults.rerequest_loss = 1.0;
            v.faults.glimpse_refused = 0.2;
            v.faults.glimpse_cut = 0.2;
        });
        let core = world.start();
        world.until_level();
        let (records, outcome) = world.end(core);
        let [begun, ended, batches, synced, lost] = counted(&records);
        assert!(
            begun >= ended && ended > 0 && batches > 0 && synced > 0,
            "{begun} {ended} {batches} {synced}"
        );
        assert_eq!(lost, 0);
        assert!(outcome.counts.requests > 0 && outcome.counts.answers == 0, "{:?}", outcome.counts);
        assert!(outcome.counts.lost > 0);
    }
}

#[test]
fn a_core_that_joins_in_mid_day_takes_a_snapshot() {
    let world = World::new("join", "inline", |_| {});
    look("a day's beginning", || world.venue.progress().messages.load(Ordering::Relaxed) > 1_500);
    let core = world.start();
    world.until_level();
    // A file has no snapshots, so it cannot stand for the capture.
    let (run, file) = (core.journal().to_owned(), world.folder.path().join("day.itch"));
    let heard = world.snapshot();
    let framed = |m: &Vec<u8>| [&(m.len() as u16).to_be_bytes()[..], m].concat();
    let whole = &heard.messages[..heard.messages.len() - 1];
    std::fs::write(&file, whole.iter().flat_map(framed).collect::<Vec<u8>>()).unwrap();
    let journal = Journal::open(&run).unwrap().with_data(&[file]).unwrap();
    let error = replay::<Mirror>(&journal).unwrap_err();
    assert!(matches!(error, ReplayError::SnapshotNotInFile { .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);

    let (records, outcome) = world.end(core);
    let [begun, ended, batches, _, lost] = counted(&records);
    assert_eq!((begun, ended, lost), (1, 1, 0));
    assert!(batches > 0);
    assert_eq!(outcome.counts.requests, 0, "nobody was asked for 1,500 messages");
}
