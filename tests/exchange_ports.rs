//! Order entry's ports over real sockets: several accounts with rules of their own, a second host, and what the script does to a connection as
//! the kernel shows it to a client.

mod exchange_support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use colo::exchange::{ExchangeConfig, Running, spawn};
use exchange_support::client::{Client, enter, login, packet};

/// Long enough for any machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A venue with user01 and user02, each with keys of its own, and a script.
fn venue(first: &str, second: &str, script: &str) -> Running {
    // Nobody listens to the feed; where it goes was free a moment ago.
    let line = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        r#"
        symbols = ["AAPL"]
        lines = ["{line}"]
        ouch = "127.0.0.1:0"
        mirror = "127.0.0.1:0"
        end_of_session_ms = 1
        [[accounts]]
        username = "user01"
        password = "pass"
        firm = "ABCD"
        {first}
        [[accounts]]
        username = "user02"
        password = "pass"
        firm = "EFGH"
        {second}
        {script}
        [flow]
        kind = "silent"
        "#
    );
    spawn(ExchangeConfig::from_toml(&text, Path::new(".")).unwrap()).unwrap()
}

struct Connected {
    stream: TcpStream,
    client: Client,
}

impl Connected {
    fn new(at: SocketAddr, user: &str) -> Connected {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut c = Connected { stream, client: Client::new(0) };
        c.send(&login(user, "pass", "", "1"));
        c.until(|c| c.logged_in);
        c
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn order(&mut self, number: u32) {
        self.send(&packet(b'U', &enter(number, b'B', 10, 1_000_000)));
    }

    fn until(&mut self, done: impl Fn(&Client) -> bool) {
        let mut buffer = [0; 4096];
        while !done(&self.client) {
            let n = self.stream.read(&mut buffer).unwrap();
            assert!(n > 0, "the venue hung up");
            self.client.receive(&buffer[..n]);
        }
    }

    /// Waits until so many reports of `kind` came.
    fn reports(&mut self, kind: char, n: usize) {
        self.until(|c| c.reports.iter().filter(|r| r.kind == kind).count() >= n);
    }

    /// All bytes until the venue hangs up, in order or with a reset.
    fn until_the_end(mut self) -> Vec<u8> {
        let mut all = Vec::new();
        match self.stream.read_to_end(&mut all) {
            Ok(_) => {}
            Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset, "{e}"),
        }
        all
    }
}

#[test]
fn one_account_s_orders_go_with_its_connection_and_the_other_s_stay() {
    let venue = venue("cancel_on_disconnect = true", "", "");
    let mut one = Connected::new(venue.ouch, "user01");
    let mut two = Connected::new(venue.ouch, "user02");
    one.order(1);
    two.order(1);
    one.reports('A', 1);
    two.reports('A', 1);
    drop((one, two));
    let mut one = Connected::new(venue.ouch, "user01");
    one.reports('C', 1);
    let mut two = Connected::new(venue.ouch, "user02");
    two.send(&packet(b'U', b"Q"));
    two.reports('Q', 1);
    assert!(two.client.reports.iter().all(|r| r.kind != 'C'));
    let outcome = venue.stop().unwrap();
    assert_eq!([0, 1].map(|i| outcome.accounts[i].counts.canceled), [1, 1], "the other's at the close only");
}

#[test]
fn a_port_s_rate_is_its_own() {
    let venue = venue("messages_per_second = 5", "messages_per_second = 5\n over_rate = \"disconnect\"", "");
    let mut one = Connected::new(venue.ouch, "user01");
    let mut two = Connected::new(venue.ouch, "user02");
    // All at once, so that whatever the machine does they are one burst at the venue.
    let burst: Vec<u8> = (1..=20).flat_map(|n| packet(b'U', &enter(n, b'B', 10, 1_000_000))).collect();
    one.send(&burst);
    one.until(|c| c.reports.len() >= 21);
    let codes: Vec<_> = one.client.reports.iter().filter(|r| r.kind == 'J').map(|r| r.code).collect();
    assert!((1..=15).contains(&codes.len()) && codes.iter().all(|c| *c == 0x29), "{codes:x?}");
    two.send(&burst);
    two.until_the_end();
    let outcome = venue.stop().unwrap();
    assert!((5..20).contains(&outcome.accounts[1].counts.accepted));
    assert!(outcome.counts.throttled > codes.len() as u64);
}

#[test]
fn the_second_host_says_what_the_first_says() {
    let venue = venue("", "", "");
    let mut one = Connected::new(venue.ouch, "user01");
    let mut two = Connected::new(venue.mirror.unwrap(), "user01");
    one.order(1);
    one.reports('A', 1);
    two.reports('A', 1);
    two.order(2);
    one.reports('A', 2);
    two.reports('A', 2);
    assert_eq!(one.client.reports, two.client.reports);
    venue.stop().unwrap();
}

#[test]
fn a_report_is_cut_in_the_middle_and_whole_after_the_next_login() {
    let script = "[[script]]\n account = \"user01\"\n report = 1\n type = \"A\"\n do = \"cut\"\n bytes = 40";
    let venue = venue("", "", script);
    let mut one = Connected::new(venue.ouch, "user01");
    one.reports('S', 1);
    one.order(1);
    let got = one.until_the_end();
    assert_eq!(got.len(), 40);
    let mut one = Connected::new(venue.ouch, "user01");
    one.reports('A', 1);
    assert_eq!(packet(b'S', &one.client.reports[1].raw)[..40], got);
    let outcome = venue.stop().unwrap();
    assert_eq!((outcome.counts.script_steps, outcome.accounts[0].counts.accepted), (1, 1));
}

/// A venue that does not read: its window closes, and the client's writes come to a stand.
#[test]
fn a_deaf_venue_closes_its_window() {
    let script =
        "[[script]]\n account = \"user01\"\n report = 1\n type = \"A\"\n do = \"deaf\"\n for_ms = 86400000";
    let venue = venue("", "", script);
    let mut one = Connected::new(venue.ouch, "user01");
    one.order(1);
    one.reports('A', 1);
    one.stream.set_nonblocking(true).unwrap();
    let heartbeats: Vec<u8> = packet(b'R', b"").repeat(100_000);
    let mut written = 0usize;
    // The kernels' buffers take some megabytes before the window is closed; far more than that means that somebody reads.
    let mut stands = 0;
    while stands < 100 {
        match one.stream.write(&heartbeats) {
            Ok(n) => {
                written += n;
                stands = 0;
                assert!(written < 256 << 20, "the venue reads");
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::WouldBlock, "{e}");
                stands += 1;
                std::thread::yield_now();
            }
        }
    }
    // Everybody else is served.
    let mut two = Connected::new(venue.ouch, "user02");
    two.order(1);
    two.reports('A', 1);
    venue.stop().unwrap();
}
