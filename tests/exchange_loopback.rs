//! The simulated exchange on real loopback sockets: both lines, the re-request server, order entry, the errors of a start.

mod exchange_support;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use colo::exchange::{ExchangeConfig, Running, spawn};
use exchange_support::client::{Client, Report, enter, login, order, packet};
use exchange_support::tape::Tape;
use exchange_support::{SESSION, symbol};
use model::Side;

/// Long enough for any machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn receiver() -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 20).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

fn config(lines: &[&UdpSocket], flow: &str) -> ExchangeConfig {
    let lines: Vec<_> = lines.iter().map(|l| format!("\"{}\"", l.local_addr().unwrap())).collect();
    let text = format!(
        r#"
        name = "test"
        session = "SESSION001"
        symbols = ["AAPL", "MSFT"]
        lines = [{}]
        rerequest = "127.0.0.1:0"
        ouch = "127.0.0.1:0"
        end_of_session_ms = 50
        [[accounts]]
        username = "user01"
        password = "pass"
        firm = "ABCD"
        [flow]
        {flow}
        "#,
        lines.join(", ")
    );
    ExchangeConfig::from_toml(&text, Path::new(".")).unwrap()
}

struct Connected {
    stream: TcpStream,
    client: Client,
}

impl Connected {
    fn new(running: &Running, sequence: &str) -> Connected {
        let stream = TcpStream::connect(running.ouch).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut c = Connected { stream, client: Client::new(0) };
        c.send(&login("user01", "pass", "", sequence));
        c.until(|c| c.logged_in);
        c
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn until(&mut self, done: impl Fn(&Client) -> bool) {
        let mut buffer = [0; 4096];
        while !done(&self.client) {
            let n = self.stream.read(&mut buffer).unwrap();
            assert!(n > 0, "the venue hung up");
            self.client.receive(&buffer[..n]);
        }
    }

    /// Waits for a report of `kind`.
    fn report(&mut self, kind: char) -> Report {
        self.until(|c| c.reports.iter().any(|r| r.kind == kind));
        self.client.reports.iter().find(|r| r.kind == kind).unwrap().clone()
    }
}

/// Messages of one line until its end of session, by number; what the line lost is asked for.
fn whole_stream(line: &UdpSocket, running: &Running) -> Vec<Vec<u8>> {
    let mut got = BTreeMap::new();
    let mut buffer = [0; 2048];
    let end = loop {
        let n = line.recv(&mut buffer).unwrap();
        let (sequence, count) = take(&buffer[..n], &mut got);
        if count == 0xFFFF {
            break sequence;
        }
    };
    let asker = receiver();
    asker.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while let Some(missing) = (1..end).find(|n| !got.contains_key(n)) {
        let request = [&SESSION[..], &missing.to_be_bytes(), &100u16.to_be_bytes()].concat();
        asker.send_to(&request, running.rerequest.unwrap()).unwrap();
        match asker.recv(&mut buffer) {
            Ok(n) => drop(take(&buffer[..n], &mut got)),
            Err(e) => assert!(matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{e}"),
        }
    }
    got.into_values().collect()
}

fn take(datagram: &[u8], got: &mut BTreeMap<u64, Vec<u8>>) -> (u64, u16) {
    assert_eq!(datagram[..10], SESSION);
    let sequence = u64::from_be_bytes(datagram[10..18].try_into().unwrap());
    let count = u16::from_be_bytes(datagram[18..20].try_into().unwrap());
    let mut rest = &datagram[20..];
    let mut number = sequence;
    while let [a, b, tail @ ..] = rest {
        let (m, tail) = tail.split_at(usize::from(u16::from_be_bytes([*a, *b])));
        got.insert(number, m.to_vec());
        number += 1;
        rest = tail;
    }
    (sequence, count)
}

/// Messages of one line by number, from now to its end of session.
fn listen(line: UdpSocket) -> std::thread::JoinHandle<Vec<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut got = BTreeMap::new();
        let mut buffer = [0; 2048];
        loop {
            let n = line.recv(&mut buffer).unwrap();
            if take(&buffer[..n], &mut got).1 == 0xFFFF {
                return got.into_values().collect();
            }
        }
    })
}

#[test]
fn an_order_is_filled_and_both_lines_tell_it() {
    let (a, b) = (receiver(), receiver());
    let mut config = config(&[&a, &b], "kind = \"generated\"\nseed = 4\nmessages_per_second = 500");
    config.wait_for_login = true;
    config.faults.line_b.skew_us = 500;
    config.faults.line_b.datagram_bytes = 300;
    let lines = [listen(a), listen(b)];
    let running = spawn(config).unwrap();
    let mut c = Connected::new(&running, "1");

    // A price above any generated one: it takes what is offered.
    c.send(&packet(b'U', &enter(1, b'B', 300, 90_000_000)));
    assert_eq!(c.report('A').number, 1);
    let fill = c.report('E');
    assert_eq!((fill.number, fill.code), (1, u16::from(b'R')));
    let mut far = order(2, b'B', 100, 10_000);
    far.symbol = "MSFT";
    c.send(&packet(b'U', &far.bytes()));
    c.until(|c| c.reports.iter().any(|r| r.number == 2));
    assert_eq!(running.progress().logins.load(Ordering::Relaxed), 1);

    // Stop: the rest is canceled, the streams end.
    let ouch = running.ouch;
    let stopping = std::thread::spawn(move || running.stop().unwrap());
    c.until(|c| c.ended);
    let next = c.client.next;
    let filled: i64 = c.client.reports.iter().filter(|r| r.kind == 'E').map(|r| i64::from(r.quantity)).sum();
    drop(c);
    let outcome = stopping.join().unwrap();
    let view = &outcome.accounts[0];
    assert!(view.cash_e4 < 0 && view.live_orders.is_empty());
    assert_eq!((view.counts.accepted, outcome.counts.accepted), (2, 2));
    assert_eq!(next, view.next_sequence, "the client heard all of it");
    assert_eq!((filled, true), (view.positions[&symbol("AAPL")], filled > 0));

    let [a, b] = lines.map(|l| l.join().unwrap());
    assert!(a == b, "both lines carry the same");
    assert_eq!(a.len() as u64, outcome.counts.messages);
    let mut tape = Tape::default();
    a.iter().for_each(|m| tape.apply(m));
    assert_eq!(tape.events, "OSQMEC");
    assert!(!tape.queue(symbol("AAPL"), Side::Buy).is_empty());
    assert!(TcpStream::connect(ouch).is_err(), "the port is free again");
}

#[test]
fn a_late_listener_gets_the_past_from_the_re_request_server() {
    let a = receiver();
    let flow = "kind = \"generated\"\nseed = 4\nmessages_per_second = 50000\nmessages = 5000";
    let mut config = config(&[&a], flow);
    config.end_of_session_ms = 300;
    config.faults.line_a.loss = 0.3;
    config.faults.line_a.reorder = 0.2;
    config.faults.rerequest_loss = 0.2;
    let running = spawn(config).unwrap();
    let stream = whole_stream(&a, &running);
    let mut tape = Tape::default();
    stream.iter().for_each(|m| tape.apply(m));
    assert_eq!(tape.events, "OSQMEC");
    let outcome = running.stop().unwrap();
    assert_eq!(outcome.counts.messages, stream.len() as u64);
    assert!(outcome.counts.lost > 0 && outcome.counts.answers > 0);
}

#[test]
fn a_client_comes_back_and_hears_what_it_missed() {
    let a = receiver();
    let running = spawn(config(&[&a], "kind = \"silent\"")).unwrap();
    let mut c = Connected::new(&running, "1");
    c.send(&packet(b'U', &enter(1, b'B', 100, 1_000_000)));
    c.report('A');
    let next = c.client.next;
    drop(c);
    let mut c = Connected::new(&running, &next.to_string());
    // The same request again, as after a lost connection: silence; the next one is answered.
    c.send(&[packet(b'U', &enter(1, b'B', 100, 1_000_000)), packet(b'U', b"Q")].concat());
    assert_eq!(c.report('Q').number, 2);
    assert_eq!(c.client.reports.len(), 1);
    let c2 = Connected::new(&running, "1");
    drop(c2);
    let outcome = running.stop().unwrap();
    assert_eq!(outcome.accounts[0].counts.accepted, 1);
    assert_eq!(outcome.counts.logins, 3);
}

#[test]
fn a_start_that_cannot_be_says_why_in_one_sentence() {
    let a = receiver();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut c = config(&[&a], "kind = \"silent\"");
    c.ouch = taken.local_addr().unwrap();
    let message = spawn(c).unwrap_err().to_string();
    assert!(
        message.contains("ouch") && message.contains(&taken.local_addr().unwrap().to_string()),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1);

    let mut c = config(&[&a], "kind = \"silent\"");
    c.rerequest = Some(a.local_addr().unwrap());
    let message = spawn(c).unwrap_err().to_string();
    assert!(message.contains("rerequest") && message.lines().count() == 1, "{message}");

    let message = spawn(config(&[&a], "kind = \"file\"\npath = \"nowhere.itch\"")).unwrap_err().to_string();
    assert!(message.contains("nowhere.itch") && message.lines().count() == 1, "{message}");
    let toml = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let message = spawn(config(&[&a], &format!("kind = \"file\"\npath = {toml:?}"))).unwrap_err().to_string();
    assert!(message.contains("is not ITCH 5.0"), "{message}");
}
