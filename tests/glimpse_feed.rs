//! The feed agent with a venue in the test's own hands: what both lines lose and no server repeats comes back by a snapshot. After every message the book
//! is compared with the venue's as of that message, and while they differ it is never valid.

mod exchange_support;
mod feed_bench;
#[path = "exchange_support/mirror.rs"]
mod mirror;

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use colo::agent::Agent;
use colo::agents::FeedItem;
use colo::config::{Account, Config, Secrets, Written, parse_toml};
use colo::exchange::flow::Flow;
use colo::exchange::flow::generated::{GeneratedFlow, Recipe};
use colo::exchange::glimpse::SnapshotFaults;
use colo::exchange::{Venue, VenueConfig};
use engine::strategy::Strategy;
use engine::{Engine, Outbox, Soundness};
use exchange_support::tape::Tape;
use exchange_support::{MORNING, MS, symbol};
use feed_bench::Bench;
use mirror::{Mirror, Orders};
use model::{FeedId, FeedStatus, Input, InstrumentId, MarketBody, Nanos, Side};

const AAPL: InstrumentId = InstrumentId(0);
/// What the agent's clock is moved on by in each turn, beside what passes: so that nobody waits for its back-off.
const STEP: u64 = 50 * MS;

/// The venue's own book after any message.
#[derive(Default)]
struct Truth {
    tape: Tape,
    next: u64,
}

impl Truth {
    fn before(&mut self, venue: &Venue, next: u64) -> [Orders; 2] {
        if self.next == 0 || self.next > next {
            *self = Truth { tape: Tape::default(), next: 1 };
        }
        while self.next < next {
            self.tape.apply(venue.published(self.next).expect("the venue said it"));
            self.next += 1;
        }
        [Side::Buy, Side::Sell].map(|side| {
            let queue = self.tape.queue(symbol("AAPL"), side);
            queue.into_iter().map(|(id, px, qty)| (id, px.0, qty.0)).collect()
        })
    }
}

struct World {
    bench: Bench,
    moved: u64,
    engine: Engine<Mirror>,
    outbox: Outbox,
    /// Events of the packet being taken that are still to come, and where the stream is behind it.
    open: (u32, Option<u64>),
    received: Nanos,
    /// The next message of the stream as the engine has it.
    position: u64,
    statuses: Vec<FeedStatus>,
    truth: Truth,
    /// How often a valid book was compared with the venue's.
    compared: u64,
    venue: Venue,
    now: u64,
    listener: TcpListener,
    clients: Vec<(u64, TcpStream)>,
    /// Connections that are closed before a word is said.
    hang_ups: u32,
    /// The next add of a book that is valid is kept from the engine.
    is_canary: bool,
    /// Percent of the messages whose packet no line brings.
    loss: u64,
}

impl World {
    fn new(test: &str, seed: u64, faults: SnapshotFaults) -> World {
        let file = Path::new("feed.toml");
        let mut written: Written = parse_toml(include_str!("fixtures/core.toml"), file).unwrap();
        written.name = format!("glimpse-{test}-{seed}-{}", std::process::id());
        written.feeds[0].silence_ms = 600_000;
        written.feeds[0].snapshot_after_messages = 300;
        written.feeds[0].reorder_window = 4_096;
        written.strategy.name = Mirror::NAME.into();
        let mut config = Config::resolve(written, file, Secrets::Skip).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        config.feeds[0].glimpse = Some(Account {
            address: listener.local_addr().unwrap(),
            username: "user01".into(),
            password: "pass".into(),
        });
        let recipe = Recipe { seed, messages_per_second: 20_000, messages: None };
        let venue = Venue::new(
            VenueConfig {
                flow: Flow::Generated(Box::new(GeneratedFlow::new(recipe))),
                snapshot_faults: faults,
                seed,
                ..exchange_support::config()
            },
            MORNING,
        );
        World {
            engine: Engine::new(&config.engine(), Mirror::default()),
            bench: Bench::open(config),
            moved: 0,
            outbox: Outbox::default(),
            open: (0, None),
            received: Nanos::ZERO,
            position: 1,
            statuses: Vec::new(),
            truth: Truth::default(),
            compared: 0,
            venue,
            now: MORNING,
            listener,
            clients: Vec::new(),
            hang_ups: 0,
            is_canary: false,
            loss: 0,
        }
    }

    /// A millisecond of the venue.
    fn turn(&mut self) {
        self.now += MS;
        self.venue.step(self.now);
        self.wire();
        self.hear();
    }

    /// What is on its way, both ways.
    fn wire(&mut self) {
        while let Some((line, bytes)) = self.venue.poll_datagram() {
            let sequence = u64::from_be_bytes(bytes[10..18].try_into().unwrap());
            // By message, not by line: what one line loses the other does not bring either.
            let is_lost = sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFFF < self.loss * 655;
            if !is_lost {
                self.bench.send(line, &bytes);
            }
        }
        while let Ok((stream, _)) = self.listener.accept() {
            if self.hang_ups > 0 {
                self.hang_ups -= 1;
                continue;
            }
            stream.set_nonblocking(true).unwrap();
            self.clients.push((self.venue.connect_glimpse(self.now), stream));
        }
        let (venue, now) = (&mut self.venue, self.now);
        self.clients.retain_mut(|(id, stream)| {
            let mut buffer = [0; 1024];
            match stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(n) => venue.on_client_bytes(now, *id, &buffer[..n]),
                Err(e) => {
                    assert!(matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset), "{e}")
                }
            }
            // Little at a time: the market goes on while a snapshot comes.
            let output = venue.output(*id);
            let n = output.len().min(1_500);
            if n > 0 {
                match stream.write(&output[..n]) {
                    Ok(n) => venue.written(*id, n),
                    Err(_) => return false,
                }
            }
            !venue.is_over(*id)
        });
    }

    fn hear(&mut self) {
        self.moved += STEP;
        for _ in 0..20 {
            let now = self.bench.clock.now().after(Nanos(self.moved));
            self.bench.agent.do_work(now);
            while let Some(item) = self.bench.items.pop() {
                self.take(item);
            }
        }
    }

    fn take(&mut self, item: FeedItem) {
        match item {
            FeedItem::Packet { received, is_snapshot, first, count, events, .. } => {
                self.received = received;
                self.open = (events, (!is_snapshot).then_some(first + u64::from(count)));
                return;
            }
            FeedItem::Event(event) => {
                let is_valid = self.engine.instruments().of(AAPL).soundness == Soundness::Sound;
                let is_swallowed = self.is_canary && is_valid && matches!(event.body, MarketBody::Add { .. });
                if is_swallowed {
                    self.is_canary = false;
                } else {
                    self.engine.apply(self.received, &Input::Market(FeedId(0), event), &mut self.outbox);
                }
                self.open.0 -= 1;
                if self.open.0 > 0 {
                    return;
                }
                self.position = self.open.1.unwrap_or(self.position);
            }
            FeedItem::Status { received, status } => {
                self.statuses.push(status);
                if let FeedStatus::Synced { next } | FeedStatus::SnapshotEnd { next } = status {
                    self.position = next;
                }
                self.engine.apply(received, &Input::Feed(FeedId(0), status), &mut self.outbox);
            }
            FeedItem::CaptureLow { .. } => panic!("nothing is captured"),
        }
        if self.engine.instruments().of(AAPL).soundness == Soundness::Sound {
            self.compared += 1;
            let venue = self.truth.before(&self.venue, self.position);
            assert_eq!(self.engine.strategy().orders(AAPL), venue, "a valid book before {}", self.position);
        }
    }

    /// Lets the market rest, and waits until the core has caught up.
    fn until_level(&mut self) {
        self.loss = 0;
        let mut left = 4_000;
        loop {
            self.turn();
            let is_valid = self.engine.instruments().of(AAPL).soundness == Soundness::Sound;
            if is_valid && self.position == self.venue.counts().messages + 1 {
                break;
            }
            left -= 1;
            assert!(left > 0, "not level: at {} of {:?}", self.position, self.bench.feed());
        }
        let venue = self.truth.before(&self.venue, self.position);
        assert!(!venue[0].is_empty() && !venue[1].is_empty());
        assert_eq!(self.engine.strategy().orders(AAPL), venue);
    }

    fn begun(&self) -> usize {
        self.statuses.iter().filter(|s| matches!(s, FeedStatus::SnapshotBegin)).count()
    }
}

#[test]
fn what_both_lines_lose_comes_back_by_snapshots_that_are_refused_and_cut() {
    for seed in 1..=3 {
        let faults = SnapshotFaults { refused: 0.3, cut: 0.3 };
        let mut w = World::new("loss", seed, faults);
        w.turn();
        w.loss = 3;
        for _ in 0..600 {
            w.turn();
        }
        w.until_level();
        for _ in 0..100 {
            w.turn();
        }
        w.until_level();
        let counts = w.venue.counts().snapshots;
        let c = w.bench.feed().counters;
        assert!(c["snapshots"] >= 2 && c["snapshots_failed"] >= 1, "SEED={seed}: {c:?}");
        assert!(counts.cut > 0 || counts.refused > 0, "SEED={seed}: {counts:?}");
        assert_eq!((c["messages_lost"], c["gaps_lost"], c["synced"]), (0, 0, 1), "SEED={seed}: {c:?}");
        assert!(w.compared > 100, "SEED={seed}: compared {} times", w.compared);
        let lost = w.statuses.iter().any(|s| matches!(s, FeedStatus::Lost { .. }));
        assert!(!lost, "SEED={seed}: {:?}", w.statuses);
    }
}

#[test]
fn one_message_that_is_kept_from_the_book_is_caught() {
    let mut w = World::new("canary", 2, SnapshotFaults::default());
    w.until_level();
    w.is_canary = true;
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..200 {
            w.turn();
        }
    }));
    let words = caught.unwrap_err().downcast::<String>().unwrap();
    assert!(words.contains("a valid book before"), "{words}");
}

#[test]
fn who_joins_in_mid_day_takes_one_snapshot() {
    let mut w = World::new("join", 9, SnapshotFaults::default());
    w.loss = 101;
    for _ in 0..100 {
        w.turn();
    }
    let published = w.venue.counts().messages;
    assert!(published > 1_000 && w.statuses.is_empty());
    w.until_level();
    let c = w.bench.feed().counters;
    assert_eq!(
        (c["snapshots"], c["snapshots_failed"], c["rerequests"], c["gaps_lost"]),
        (1, 0, 0, 0),
        "{c:?}"
    );
    assert!(c["snapshot_messages"] > 0 && c["messages"] < w.venue.counts().messages - published + 1_000);
    assert_eq!(w.begun(), 1);
}

#[test]
fn a_server_that_hangs_up_is_tried_again() {
    let mut w = World::new("hang", 5, SnapshotFaults::default());
    w.hang_ups = 3;
    w.loss = 101;
    for _ in 0..50 {
        w.turn();
    }
    w.until_level();
    let c = w.bench.feed().counters;
    assert_eq!((c["snapshots"], c["snapshots_failed"], c["snapshot_refused"]), (1, 3, 0), "{c:?}");
    assert_eq!(w.begun(), 1, "a session without a word of a snapshot voids no book");
}

#[test]
fn a_password_that_is_refused_is_not_tried_again() {
    let mut w = World::new("refused", 5, SnapshotFaults::default());
    // Another venue, whose accounts have another password.
    let mut config = exchange_support::config();
    config.accounts.iter_mut().for_each(|a| a.credentials.password = "other".into());
    let recipe = Recipe { seed: 1, messages_per_second: 20_000, messages: None };
    config.flow = Flow::Generated(Box::new(GeneratedFlow::new(recipe)));
    w.venue = Venue::new(config, MORNING);
    w.loss = 101;
    for _ in 0..50 {
        w.turn();
    }
    w.loss = 0;
    for _ in 0..300 {
        w.turn();
    }
    assert_eq!(w.venue.counts().snapshots.refused, 1);
    let c = w.bench.feed().counters;
    assert_eq!((c["snapshot_refused"], c["snapshots"], c["synced"]), (1, 0, 0), "{c:?}");
    assert_ne!(w.engine.instruments().of(AAPL).soundness, Soundness::Sound);
    // A person says that the account is in order now, and is wrong.
    w.bench.agent.door().unwrap().reconnect().unwrap();
    for _ in 0..300 {
        w.turn();
    }
    assert_eq!((w.venue.counts().snapshots.refused, w.bench.feed().counters["snapshot_refused"]), (2, 1));
}

#[test]
fn books_that_a_person_does_not_believe_come_anew_by_a_snapshot() {
    let mut w = World::new("resync", 7, SnapshotFaults::default());
    w.until_level();
    assert_eq!(w.bench.feed().counters["snapshots"], 0);
    w.bench.agent.door().unwrap().resync().unwrap();
    for _ in 0..50 {
        w.turn();
    }
    w.until_level();
    let c = w.bench.feed().counters;
    assert_eq!((c["resyncs"], c["snapshots"], c["messages_lost"], c["synced"]), (1, 1, 0, 1), "{c:?}");
    assert_eq!(w.begun(), 1, "{:?}", w.statuses);
}
