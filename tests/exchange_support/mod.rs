//! What the tests of the simulated exchange share: a decoder of its tape, a client of its order entry, written for the tests alone.
#![allow(dead_code)] // each test crate uses its part

pub mod client;
pub mod heard;
pub mod tape;

use colo::exchange::accounts::Credentials;
use colo::exchange::faults::LineFaults;
use colo::exchange::flow::Flow;
use colo::exchange::flow::file::{FileFlow, Speed};
use colo::exchange::flow::reader::BinaryFile;
use colo::exchange::glimpse::SnapshotFaults;
use colo::exchange::market::MarketRules;
use colo::exchange::{BookSnapshot, Venue, VenueConfig};
use model::{Px, Qty, Side, Symbol};

use client::Client;
use tape::Tape;

pub const SESSION: [u8; 10] = *b"SESSION001";
pub const FIRM: [u8; 4] = *b"ABCD";
/// Some time of day, ns.
pub const MORNING: u64 = 9 * 3_600_000_000_000;
pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000_000_000;

pub fn symbol(s: &str) -> Symbol {
    Symbol::new(s).unwrap()
}

/// A venue for AAPL and MSFT with two accounts and no background.
pub fn config() -> VenueConfig {
    let account = |n: &str| Credentials { username: n.into(), password: "pass".into(), firm: FIRM }.into();
    VenueConfig {
        session: SESSION,
        symbols: vec![symbol("AAPL"), symbol("MSFT")],
        lines: vec![LineFaults::default(), LineFaults::default()],
        rerequest_loss: 0.0,
        snapshot_faults: SnapshotFaults::default(),
        accounts: vec![account("user01"), account("user02")],
        flow: Flow::Silent,
        seed: 1,
        cancel_on_disconnect: false,
        self_match_prevention: false,
        wait_for_login: false,
        close_with_flow: false,
        end_of_session_ns: 200 * MS,
        market: MarketRules::default(),
        script: Vec::new(),
    }
}

/// A file flow of messages that the test writes, each at `(ms after the first, message)`.
pub fn file_flow(messages: &[(u64, Vec<u8>)]) -> Flow {
    let mut bytes = Vec::new();
    for (ms, message) in messages {
        let mut message = message.clone();
        message[5..11].copy_from_slice(&(MORNING + ms * MS).to_be_bytes()[2..]);
        bytes.extend_from_slice(&(message.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&message);
    }
    let file = BinaryFile::from_bytes(bytes);
    Flow::File(Box::new(FileFlow::new(file, Speed::Scaled(1.0), Vec::new())))
}

/// Messages of a file under test, laid down by hand; the stamp is filled in by [`file_flow`].
pub mod itch {
    fn head(kind: u8) -> Vec<u8> {
        [&[kind][..], &[0, 1], &[0; 8]].concat()
    }
    pub fn add(id: u64, side: u8, shares: u32, px: u32) -> Vec<u8> {
        let (id, shares, px) = (id.to_be_bytes(), shares.to_be_bytes(), px.to_be_bytes());
        [&head(b'A')[..], &id, &[side], &shares, b"AAPL    ", &px].concat()
    }
    pub fn exec(id: u64, shares: u32) -> Vec<u8> {
        [&head(b'E')[..], &id.to_be_bytes(), &shares.to_be_bytes(), &77u64.to_be_bytes()].concat()
    }
    pub fn exec_at(id: u64, shares: u32, printable: u8, px: u32) -> Vec<u8> {
        let mut m = exec(id, shares);
        m[0] = b'C';
        m.push(printable);
        m.extend_from_slice(&px.to_be_bytes());
        m
    }
    pub fn reduce(id: u64, shares: u32) -> Vec<u8> {
        [&head(b'X')[..], &id.to_be_bytes(), &shares.to_be_bytes()].concat()
    }
    pub fn delete(id: u64) -> Vec<u8> {
        [&head(b'D')[..], &id.to_be_bytes()].concat()
    }
    pub fn replace(old: u64, new: u64, shares: u32, px: u32) -> Vec<u8> {
        let (old, new) = (old.to_be_bytes(), new.to_be_bytes());
        [&head(b'U')[..], &old, &new, &shares.to_be_bytes(), &px.to_be_bytes()].concat()
    }
    pub fn action(state: u8) -> Vec<u8> {
        [&head(b'H')[..], b"AAPL    ", &[state, b' '], b"T1  "].concat()
    }
}

/// A venue with clients, in virtual time.
pub struct Bench {
    pub venue: Venue,
    pub now: u64,
    pub tape: Tape,
    /// `(when, line, bytes)` of what reached the far end of the lines.
    pub datagrams: Vec<(u64, usize, Vec<u8>)>,
    heard: u64,
}

impl Bench {
    pub fn new(config: VenueConfig) -> Bench {
        let venue = Venue::new(config, MORNING);
        let mut bench = Bench { venue, now: MORNING, tape: Tape::default(), datagrams: Vec::new(), heard: 0 };
        bench.run(0);
        bench
    }

    /// Lets `ms` milliseconds pass, one at a time.
    pub fn run(&mut self, ms: u64) {
        self.turn();
        for _ in 0..ms {
            self.now += MS;
            self.turn();
        }
        self.listen();
    }

    /// One step, and what it put on the lines.
    pub fn turn(&mut self) {
        self.venue.step(self.now);
        while let Some((line, bytes)) = self.venue.poll_datagram() {
            self.datagrams.push((self.now, line, bytes));
        }
    }

    /// Reads the tape and compares the books it makes with the venue's.
    pub fn listen(&mut self) {
        while let Some(message) = self.venue.published(self.heard + 1) {
            self.tape.apply(message);
            self.heard += 1;
        }
        for symbol in self.venue.symbols() {
            let BookSnapshot { bids, asks } = self.venue.book_snapshot(symbol).unwrap();
            for (side, orders) in [(Side::Buy, bids), (Side::Sell, asks)] {
                let venue: Vec<_> = orders.iter().map(|o| (o.order_ref, o.px, o.shares)).collect();
                assert_eq!(self.tape.queue(symbol, side), venue, "{symbol} {side:?}");
            }
        }
    }

    /// A client that is logged in as `user01` (0) or `user02` (1) and has read what there was.
    pub fn client(&mut self, account: usize) -> Client {
        let mut client = self.login(["user01", "user02"][account], "pass", "", "1");
        assert!(client.logged_in);
        client.reports.clear();
        client
    }

    pub fn login(&mut self, user: &str, password: &str, session: &str, sequence: &str) -> Client {
        let mut client = Client::new(self.venue.connect(self.now));
        self.bytes(&mut client, &client::login(user, password, session, sequence));
        client
    }

    pub fn bytes(&mut self, client: &mut Client, bytes: &[u8]) {
        self.venue.on_client_bytes(self.now, client.id, bytes);
        self.read(client);
    }

    /// Reads what the venue has for a client.
    pub fn read(&mut self, client: &mut Client) {
        loop {
            let output = self.venue.output(client.id).to_vec();
            if output.is_empty() {
                break;
            }
            client.receive(&output);
            self.venue.written(client.id, output.len());
        }
        self.listen();
    }

    /// Sends one OUCH message and gives the reports that came since the last time.
    pub fn ask(&mut self, client: &mut Client, message: &[u8]) -> Vec<client::Report> {
        self.bytes(client, &client::packet(b'U', message));
        std::mem::take(&mut client.reports)
    }

    /// Lets time pass and gives the reports that came.
    pub fn wait(&mut self, client: &mut Client, ms: u64) -> Vec<client::Report> {
        self.run(ms);
        self.read(client);
        std::mem::take(&mut client.reports)
    }

    /// `(price, shares, is an account's)` of a side of AAPL, in queue order.
    pub fn queue(&self, side: Side) -> Vec<(i64, u32, bool)> {
        let book = self.venue.book_snapshot(symbol("AAPL")).unwrap();
        let orders = match side {
            Side::Buy => book.bids,
            Side::Sell => book.asks,
        };
        orders.iter().map(|o| (o.px.0, o.shares.0, o.owner.is_some())).collect()
    }

    pub fn position(&self, user: &str) -> i64 {
        self.venue.account(user).unwrap().positions.get(&symbol("AAPL")).copied().unwrap_or(0)
    }
}

/// The stored public data, where this checkout has it beside the repository; with `COLO_REQUIRE_SHARED=1` it has to be there.
pub fn shared(path: &str) -> Option<std::path::PathBuf> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var("COLO_REQUIRE_SHARED").as_deref() != Ok("1"), "{} is absent", path.display());
    let mut err = std::io::stderr();
    let _ =
        std::io::Write::write_all(&mut err, format!("skipped: {} is absent\n", path.display()).as_bytes());
    None
}

pub fn px(raw: i64) -> Px {
    Px(raw)
}

pub fn qty(n: u32) -> Qty {
    Qty(n)
}
