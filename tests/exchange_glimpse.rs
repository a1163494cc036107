//! The simulated exchange's snapshot server: a raw client, in virtual time and over real sockets. A snapshot and the live stream from its `G` on
//! have to give the venue's own books.

mod exchange_support;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use colo::exchange::flow::Flow;
use colo::exchange::flow::generated::{GeneratedFlow, Recipe};
use colo::exchange::glimpse::SnapshotFaults;
use colo::exchange::{ExchangeConfig, Venue, VenueConfig, spawn};
use exchange_support::client::{enter, login, order};
use exchange_support::heard::Heard;
use exchange_support::tape::Tape;
use exchange_support::{Bench, MS, config, file_flow, itch, symbol};
use model::{Side, Symbol};

fn ask(venue: &mut Venue, now: u64, login: &[u8]) -> Heard {
    let id = venue.connect_glimpse(now);
    let mut heard = Heard::default();
    // A byte at a time: TCP may split anywhere.
    login.iter().for_each(|b| venue.on_client_bytes(now, id, &[*b]));
    while !venue.output(id).is_empty() {
        let output = venue.output(id).to_vec();
        heard.receive(&output);
        venue.written(id, output.len());
    }
    assert!(venue.is_over(id), "one snapshot a login");
    venue.disconnect(now, id);
    heard
}

fn snapshot(b: &mut Bench) -> Heard {
    ask(&mut b.venue, b.now, &login("user01", "pass", "", "1"))
}

/// A book from a snapshot, kept up with the live stream.
struct Follower {
    tape: Tape,
    next: u64,
}

impl Follower {
    fn new(heard: &Heard) -> Follower {
        let next = heard.next().expect("a whole snapshot");
        let mut tape = Tape::default();
        heard.messages[..heard.messages.len() - 1].iter().for_each(|m| tape.apply(m));
        Follower { tape, next }
    }

    fn follow(&mut self, venue: &Venue) {
        while let Some(message) = venue.published(self.next) {
            self.tape.apply(message);
            self.next += 1;
        }
        for symbol in venue.symbols() {
            let book = venue.book_snapshot(symbol).unwrap();
            for (side, orders) in [(Side::Buy, book.bids), (Side::Sell, book.asks)] {
                let want: Vec<_> = orders.iter().map(|o| (o.order_ref, o.px, o.shares)).collect();
                assert_eq!(self.tape.queue(symbol, side), want, "{symbol} {side:?}");
            }
        }
    }
}

fn generated(seed: u64) -> Flow {
    let recipe = Recipe { seed, messages_per_second: 20_000, messages: None };
    Flow::Generated(Box::new(GeneratedFlow::new(recipe)))
}

#[test]
fn a_snapshot_and_what_follows_it_are_the_venue_s_books_whenever_it_is_taken() {
    for seed in 1..=4 {
        let mut b = Bench::new(VenueConfig { flow: generated(seed), ..config() });
        let mut own = b.client(0);
        let mut followers = Vec::new();
        for k in 0..20 {
            b.run(7);
            b.ask(&mut own, &enter(k + 1, b'B', 100, 900_000));
            let heard = snapshot(&mut b);
            assert_eq!(heard.accepted.as_deref(), Some("SESSION001                   1"));
            assert!(heard.ended);
            assert_eq!(
                heard.next(),
                Some(b.venue.counts().messages + 1),
                "the channel's next, at this instant"
            );
            let trades = heard.kinds().chars().filter(|k| !"SRHYAFG".contains(*k)).count();
            assert_eq!(trades, 0, "{}", heard.kinds());
            followers.push(Follower::new(&heard));
            followers.iter_mut().for_each(|f| f.follow(&b.venue));
        }
        assert_eq!(b.venue.counts().snapshots.made, 20, "seed {seed}");
    }
}

#[test]
fn it_tells_the_current_state_in_the_order_of_the_specification() {
    let mut operational = vec![b'h', 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    operational.extend_from_slice(b"AAPL    QH");
    let mut b = Bench::new(VenueConfig {
        flow: file_flow(&[
            (0, itch::add(1, b'B', 100, 100_000)),
            (1, itch::add(2, b'B', 100, 100_000)),
            (2, itch::reduce(1, 40)),
            (3, itch::replace(2, 3, 70, 90_000)),
            (4, itch::add(4, b'S', 10, 110_000)),
            (5, itch::delete(4)),
            (6, operational),
            (7, itch::action(b'H')),
        ]),
        ..config()
    });
    b.run(20);
    let heard = snapshot(&mut b);
    assert_eq!(heard.kinds(), "SRHYhRHYAAG");
    assert_eq!(heard.messages[0][11], b'Q', "the phase as last said");
    assert_eq!(heard.messages[2][19..], *b"H T1  ");
    assert_eq!(heard.messages[4][19..], *b"QH");
    let add = |m: &[u8]| (m[19], m[20..24].to_vec(), m[32..36].to_vec());
    let want = |shares: u32, px: u32| (b'B', shares.to_be_bytes().to_vec(), px.to_be_bytes().to_vec());
    assert_eq!(add(&heard.messages[8]), want(60, 100_000), "what is left of it");
    assert_eq!(add(&heard.messages[9]), want(70, 90_000), "as it is displayed now");
}

#[test]
fn an_attributed_order_keeps_its_name() {
    let mut b = Bench::new(config());
    let mut own = b.client(0);
    let mut named = order(1, b'B', 100, 100_000);
    named.display = b'A';
    b.ask(&mut own, &named.bytes());
    let heard = snapshot(&mut b);
    assert_eq!(heard.kinds(), "SRHYRHYFG");
    assert_eq!(heard.messages[7][36..], *b"ABCD");
}

#[test]
fn only_the_start_of_this_session_s_snapshot_is_given_and_only_to_who_is_known() {
    let mut b = Bench::new(config());
    for (user, password, session, sequence, want) in [
        ("user01", "pass", "", "1", None),
        ("USER02", "PASS", "session001", "1", None),
        ("user01", "wrong", "", "1", Some(b'A')),
        ("nobody", "pass", "", "1", Some(b'A')),
        ("user01", "pass", "OTHER", "1", Some(b'S')),
        ("user01", "pass", "", "0", Some(b'S')),
        ("user01", "pass", "", "2", Some(b'S')),
    ] {
        let heard = ask(&mut b.venue, b.now, &login(user, password, session, sequence));
        assert_eq!(heard.refused, want, "{user} {password} {session} {sequence}");
        assert_eq!(heard.next().is_some(), want.is_none());
    }
    assert_eq!((b.venue.counts().snapshots.made, b.venue.counts().snapshots.refused), (2, 5));
    // Order entry is another service: its session was not disturbed, and its silence is another connection's.
    let id = b.venue.connect_glimpse(b.now);
    b.run(16_000);
    assert!(b.venue.is_over(id), "who says nothing is dropped");
}

#[test]
fn faults_refuse_a_login_or_cut_a_snapshot_before_its_end() {
    let faults = SnapshotFaults { refused: 0.3, cut: 0.5 };
    let mut b = Bench::new(VenueConfig { snapshot_faults: faults, flow: generated(1), ..config() });
    b.run(50);
    let (mut whole, mut cut, mut refused) = (0, 0, 0);
    for _ in 0..60 {
        let heard = snapshot(&mut b);
        match heard.refused {
            Some(code) => {
                assert_eq!((code, heard.messages.len()), (b'S', 0));
                refused += 1;
            }
            None if heard.ended => {
                Follower::new(&heard).follow(&b.venue);
                whole += 1;
            }
            None => {
                assert_eq!(heard.next(), None, "a cut snapshot has no end");
                cut += 1;
            }
        }
    }
    assert!(whole > 5 && cut > 5 && refused > 5, "{whole} {cut} {refused}");
    let counts = b.venue.counts().snapshots;
    assert_eq!((counts.made, counts.cut, counts.refused), (whole + cut, cut, refused));
}

#[test]
fn a_client_that_reads_slowly_gets_the_moment_of_its_login() {
    let mut b = Bench::new(VenueConfig { flow: generated(3), ..config() });
    b.run(500);
    let id = b.venue.connect_glimpse(b.now);
    b.venue.on_client_bytes(b.now, id, &login("user01", "pass", "", "1"));
    let want = snapshot(&mut b);
    let mut heard = Heard::default();
    while !b.venue.is_over(id) {
        let output = b.venue.output(id);
        assert!(output.len() < 65 * 1024, "what waits for a slow client is bounded");
        let n = output.len().min(1_000);
        heard.receive(&output[..n]);
        b.venue.written(id, n);
        b.now += MS;
        b.turn();
    }
    assert!(heard.messages == want.messages && heard.ended);
}

#[test]
fn over_real_sockets() {
    let line = UdpSocket::bind("127.0.0.1:0").unwrap();
    let text = format!(
        r#"
        symbols = ["AAPL", "MSFT"]
        session = "SESSION001"
        lines = ["{}"]
        ouch = "127.0.0.1:0"
        glimpse = "127.0.0.1:0"
        end_of_session_ms = 50
        [[accounts]]
        username = "user01"
        password = "pass"
        firm = "ABCD"
        [flow]
        kind = "generated"
        seed = 4
        messages_per_second = 50000
        messages = 3000
        "#,
        line.local_addr().unwrap()
    );
    let mut config = ExchangeConfig::from_toml(&text, Path::new(".")).unwrap();
    config.close_with_flow = false;
    let running = spawn(config).unwrap();
    let mut snapshots = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(running.glimpse.unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&login("user01", "pass", "", "1")).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let mut heard = Heard::default();
        heard.receive(&bytes);
        assert!(heard.ended, "the end, then the socket's");
        snapshots.push(heard);
    }
    let followers: Vec<_> = snapshots.iter().map(Follower::new).collect();
    assert!(followers.windows(2).all(|f| f[0].next <= f[1].next));
    let listed: Vec<Symbol> = followers[2].tape.locates.keys().copied().collect();
    assert_eq!(listed, [symbol("AAPL"), symbol("MSFT")]);
    let outcome = running.stop().unwrap();
    assert_eq!(outcome.counts.snapshots.made, 3);
}
