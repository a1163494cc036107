//! The agent of a depth feed against a venue that refuses, lies and falls silent, over real sockets. Time goes as the test gives it.

use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use colo::agent::Agent;
use colo::agents::{FeedAgent, FeedItem, FeedParts};
use colo::clock::Clock;
use colo::config::{Config, Secrets, Written, parse_toml};
use colo::telemetry::publish::Publication;
use colo::telemetry::region_path;
use colo::telemetry::snapshot::Viewer;
use colo::web::http;
use colo::web::socket::Socket;
use model::{FeedId, FeedStatus, MarketBody, Nanos};
use net::tcp::TcpLink;
use net::{ByteStream, Received};
use ringbuf::spsc::{self, Consumer};

const INFO: &str = r#"{"symbols":[{"symbol":"AAPL","status":"TRADING","filters":[
    {"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","stepSize":"1"}]}]}"#;
const SNAPSHOT: &str = r#"{"lastUpdateId":100,"bids":[["100.00","7"]],"asks":[["100.02","5"]]}"#;
/// Turns before a wait is given up.
const TURNS_MAX: u32 = 200_000;

type Answer = (u16, Vec<(&'static str, String)>, String);

fn ok(body: &str) -> Answer {
    (200, Vec::new(), body.to_owned())
}

/// The venue, polled in turn with the agent.
struct Venue {
    listener: TcpListener,
    connections: Vec<(Option<TcpLink>, Vec<u8>)>,
    stream: Option<Socket<TcpLink>>,
    /// Streams opened.
    opened: usize,
    /// What was asked for, in order.
    asked: Vec<String>,
    info: Answer,
    snapshot: Answer,
}

impl Venue {
    fn turn(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            self.connections.push((Some(TcpLink::accepted(stream).unwrap()), Vec::new()));
        }
        for (link, input) in &mut self.connections {
            let Some(open) = link else { continue };
            let mut buffer = [0; 4_096];
            match open.recv(&mut buffer) {
                Ok(Received::Data(n)) => input.extend_from_slice(&buffer[..n]),
                Ok(Received::Nothing) => {}
                Ok(Received::Closed) | Err(_) => {
                    *link = None;
                    continue;
                }
            }
            let Some(request) = http::take_request(input, 0).unwrap() else { continue };
            if request.path == "/stream" {
                assert!(request.query.contains("aapl@depth@100ms"), "{}", request.query);
                self.stream = Socket::accepted(link.take().unwrap(), &request, Vec::new());
                self.opened += 1;
                continue;
            }
            let (status, headers, body) =
                if request.path.ends_with("exchangeInfo") { &self.info } else { &self.snapshot };
            self.asked.push(request.path.rsplit_once('/').unwrap().1.to_owned());
            let mut output = Vec::new();
            http::put_response(&mut output, *status, headers, body);
            assert_eq!(open.send(&output).unwrap(), output.len());
        }
    }

    fn say(&mut self, text: &str) {
        self.stream.as_mut().expect("a stream").send(text).unwrap();
    }

    fn count(&self, what: &str) -> usize {
        self.asked.iter().filter(|a| *a == what).count()
    }
}

fn diff(first: u64, last: u64) -> String {
    format!(
        r#"{{"e":"depthUpdate","E":1,"s":"AAPL","U":{first},"u":{last},"b":[["100.00","{last}"]],"a":[]}}"#
    )
}

struct World {
    venue: Venue,
    agent: FeedAgent,
    items: Consumer<FeedItem>,
    viewer: Viewer,
    name: String,
    now: Nanos,
    status: Vec<FeedStatus>,
    events: Vec<MarketBody>,
}

impl World {
    fn new(test: &str, weight_per_minute: u32) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fixture = include_str!("fixtures/core.toml");
        let (head, rest) = fixture.split_once("[[feeds]]").unwrap();
        let (_, tail) = rest.split_once("[[gateways]]").unwrap();
        let feed = format!(
            "[[feeds]]\nid = \"f1\"\nprotocol = \"depth\"\nsilence_ms = 10000\n[feeds.depth]\nmarket = \"spot\"\n\
             base_url = \"{url}\"\nweight_per_minute = {weight_per_minute}\n"
        );
        let file = Path::new("depth.toml");
        let mut written: Written = parse_toml(&format!("{head}{feed}[[gateways]]{tail}"), file).unwrap();
        written.name = format!("depth-agent-{test}-{}", std::process::id());
        let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
        let clock = Clock::new();
        let mut publication = Publication::create(&config, &["feed-f1".into()], clock.now()).unwrap();
        let (out, items) = spsc::channel(1_024);
        let now = clock.now();
        let agent = FeedAgent::open(FeedParts {
            id: FeedId(0),
            config: config.feeds.remove(0),
            instruments: config.instruments,
            out,
            capture: None,
            publisher: publication.feed(0).unwrap(),
            clock,
            sample_every: 0,
            words: sync_channel(1).0,
        })
        .unwrap();
        let venue = Venue {
            listener,
            connections: Vec::new(),
            stream: None,
            opened: 0,
            asked: Vec::new(),
            info: ok(INFO),
            snapshot: ok(SNAPSHOT),
        };
        let viewer = Viewer::open(&config.name).unwrap();
        World { venue, agent, items, viewer, name: config.name, now, status: Vec::new(), events: Vec::new() }
    }

    fn turn(&mut self) {
        self.venue.turn();
        self.agent.do_work(self.now);
        while let Some(item) = self.items.pop() {
            match item {
                FeedItem::Event(event) => self.events.push(event.body),
                FeedItem::Status { status: FeedStatus::Heartbeat, .. } => {}
                FeedItem::Status { status, .. } => self.status.push(status),
                FeedItem::Packet { .. } | FeedItem::CaptureLow { .. } => {}
            }
        }
    }

    /// Turns at this time until it is so.
    fn until(&mut self, what: &str, is: impl Fn(&World) -> bool) {
        for _ in 0..TURNS_MAX {
            if is(self) {
                return;
            }
            self.turn();
        }
        panic!("waited in vain for {what}: {:?}, asked {:?}", self.status, self.venue.asked);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.after(Nanos::from_millis(ms));
    }

    /// Some turns in which nothing is to happen.
    fn idle(&mut self) {
        for _ in 0..2_000 {
            self.turn();
        }
    }

    fn counter(&mut self, name: &str) -> u64 {
        self.pass(10);
        self.turn();
        self.viewer.read().feeds[0].counters[name]
    }

    /// A stream with a book in sequence behind 101.
    fn live(test: &str, weight_per_minute: u32) -> World {
        let mut w = World::new(test, weight_per_minute);
        w.until("a stream", |w| w.venue.stream.is_some());
        w.venue.say(&diff(99, 101));
        w.until("a book", |w| w.status.len() == 1);
        assert!(matches!(w.status[0], FeedStatus::Synced { .. }));
        assert_eq!(w.venue.asked, ["exchangeInfo", "depth"]);
        w
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(region_path(&self.name));
    }
}

#[test]
fn a_venue_that_says_it_is_too_much_is_left_alone_for_as_long_as_it_says() {
    for status in [429, 418] {
        let mut w = World::new(&format!("much-{status}"), 1_200);
        w.venue.info = (status, vec![("Retry-After", "7".into())], "{}".into());
        w.until("the refusal", |w| w.venue.count("exchangeInfo") == 1);
        w.idle();
        w.venue.info = ok(INFO);
        w.pass(6_900);
        w.idle();
        assert_eq!(w.venue.count("exchangeInfo"), 1, "{status}: not before its time");
        w.pass(200);
        w.until("the next question", |w| w.venue.count("exchangeInfo") == 2 && w.venue.stream.is_some());
    }
}

#[test]
fn no_more_weight_is_asked_for_than_the_limit_leaves() {
    // 80 of 100 may be used: the list is 20, a snapshot 50.
    let mut w = World::live("weight", 100);
    w.venue.snapshot = ok(&SNAPSHOT.replace("100,", "200,"));
    w.venue.say(&diff(200, 201));
    w.until("the gap", |w| matches!(w.status[..], [_, FeedStatus::Recovering { from: 102, to: 200 }]));
    for _ in 0..5 {
        w.pass(9_000);
        let next = diff(202, 202);
        w.venue.say(&next);
        w.idle();
    }
    assert_eq!(w.venue.count("depth"), 1, "a minute has not passed");
    for _ in 0..2 {
        w.pass(9_000);
        w.venue.say(&diff(202, 202));
        w.idle();
    }
    w.until("the snapshot", |w| w.venue.count("depth") == 2);
    w.until("the book", |w| w.status.len() == 3 && matches!(w.status[2], FeedStatus::Synced { .. }));
}

#[test]
fn a_stream_without_a_sign_of_life_is_given_up_and_opened_again() {
    let mut w = World::live("silence", 1_200);
    w.pass(9_900);
    w.idle();
    assert_eq!(w.status.len(), 1);
    // The venue was asked for a sign of life, and does not look at its socket.
    w.pass(200);
    w.until("its end", |w| w.status.len() == 2);
    assert_eq!(w.status[1], FeedStatus::Silent);
    w.pass(10_000);
    w.until("another stream", |w| w.venue.opened == 2);
    w.venue.say(&diff(99, 101));
    w.until("the book", |w| matches!(w.status.last(), Some(FeedStatus::Synced { .. })));
    assert_eq!(w.venue.count("exchangeInfo"), 1, "the list is still good");
    // One that closes in order is opened again too, and is no silence.
    w.venue.stream = None;
    w.until("its end", |w| matches!(w.status.last(), Some(FeedStatus::Recovering { .. })));
    w.pass(10_000);
    w.until("the third", |w| w.venue.opened == 3);
}

#[test]
fn a_stream_that_is_closed_as_soon_as_it_opens_is_opened_ever_more_seldom() {
    let mut w = World::new("flap", 1_200);
    w.until("a stream", |w| w.venue.opened == 1);
    for (n, least) in [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].into_iter().enumerate() {
        w.venue.stream = None;
        w.idle();
        w.pass(least - 1);
        w.idle();
        assert_eq!(w.venue.opened, n + 1, "not before {least} ms");
        w.pass(1 + least / 4);
        w.until("another", |w| w.venue.opened == n + 2);
    }
    // One that says something is worth opening soon again.
    w.venue.say(&diff(99, 101));
    w.until("its book", |w| !w.status.is_empty());
    w.venue.stream = None;
    w.until("its end", |w| w.status.len() == 2);
    w.pass(63);
    w.until("another", |w| w.venue.opened == 11);
    // And so is one that stood, with nothing to say.
    for opened in 12..=13 {
        w.idle();
        w.pass(6_000);
        w.idle();
        w.venue.stream = None;
        w.idle();
        w.pass(63);
        w.until("another", |w| w.venue.opened == opened);
    }
}

#[test]
fn books_that_a_person_does_not_believe_are_made_anew() {
    let mut w = World::live("resync", 1_200);
    let seen = w.events.len();
    w.agent.door().unwrap().resync().unwrap();
    w.pass(10);
    w.until("the doubt", |w| w.status.len() == 2);
    assert_eq!((w.status[1], w.events[seen]), (FeedStatus::Doubted, MarketBody::Clear));
    w.venue.say(&diff(102, 102));
    w.venue.snapshot = ok(&SNAPSHOT.replace("100,", "101,"));
    w.until("the books", |w| w.venue.count("depth") == 2 && w.status.len() == 3);
    assert_eq!(w.events[seen + 1..].iter().filter(|e| matches!(e, MarketBody::Add { .. })).count(), 2);
    // A person may have the stream begun anew, too.
    w.agent.door().unwrap().reconnect().unwrap();
    w.pass(10);
    w.until("its end", |w| matches!(w.status[3..], [FeedStatus::Recovering { .. }]));
    w.pass(5_000);
    w.until("another stream", |w| w.venue.opened == 2);
}

#[test]
fn what_the_venue_cannot_mean_is_counted_and_asked_again() {
    let mut w = World::new("hostile", 100_000);
    for info in ["", "[]", "{\"symbols\":7}", "{\"symbols\":[{\"symbol\":\"AAPL\"}]}"] {
        let before = w.venue.count("exchangeInfo");
        w.venue.info = ok(info);
        w.until("a question", |w| w.venue.count("exchangeInfo") > before);
        w.idle();
        assert!(w.venue.stream.is_none(), "{info}");
        w.pass(2_000);
    }
    w.venue.info = ok(INFO);
    w.until("a stream", |w| w.venue.stream.is_some());
    for snapshot in
        ["", "{}", "{\"lastUpdateId\":-1}", "{\"lastUpdateId\":100,\"bids\":[[\"1\"]],\"asks\":[]}"]
    {
        let before = w.venue.count("depth");
        w.venue.snapshot = ok(snapshot);
        // Ever longer between two questions; less than the stream's silence at a time.
        while w.venue.count("depth") == before {
            w.pass(5_000);
            w.venue.say(&diff(99, 101));
            w.venue.say("\u{0}{\"e\":");
            w.idle();
            assert_eq!(w.venue.opened, 1, "a text that is none is no reason to close");
        }
    }
    w.venue.snapshot = ok(SNAPSHOT);
    while w.status.is_empty() {
        w.pass(5_000);
        w.venue.say(&diff(99, 101));
        w.idle();
    }
    assert!(matches!(w.status[..], [FeedStatus::Synced { .. }]));
    assert!(w.counter("malformed") >= 8 && w.counter("snapshots_failed") >= 4);
    assert_eq!(w.events.iter().filter(|e| matches!(e, MarketBody::Add { .. })).count(), 2);
}
