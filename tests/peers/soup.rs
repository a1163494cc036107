//! Order entry under other people's eyes: Nasdaq's own open library `nasdaq-protocols` as the server of our gateway and as a client of the simulated
//! exchange, and tshark over what the two of ours say to each other.
//!
//! Who was right where they differ, by the protocol notes: `nasdaq-protocols` pads session and sequence on the wrong side and with NUL; both of ours read that,
//! and write what the specification has.
//!
//! `COLO_PEER_SECONDS=60` is how long a session is kept alive by nothing but heartbeats; a test run has time for a few, `scripts/drill-gateway` for all.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use colo::exchange::{ExchangeConfig, Running, spawn};
use gateways::gateway::{Barrier, GatewayConfig, Notice, OrderGateway as _, OuchGateway, ReportSink};
use gateways::soupbintcp::ClientConfig;
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    ReportKind, SessionEvent, Side, Symbol, Tif, Token,
};

use crate::books;
use crate::client::{Report, report};
use crate::program::{Ended, Program, shared, until};

/// Only a failing test waits for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Heartbeats are a second apart, so that each side sends one or two in this time.
const SECONDS: u64 = 3;

fn seconds() -> u64 {
    std::env::var("COLO_PEER_SECONDS").map_or(SECONDS, |s| s.parse().expect("COLO_PEER_SECONDS: seconds"))
}

#[derive(Default)]
pub struct Ears {
    pub reports: Vec<ExecutionReport>,
    pub events: Vec<SessionEvent>,
}

impl ReportSink for Ears {
    fn report(&mut self, report: ExecutionReport) {
        self.reports.push(report);
    }
    fn session(&mut self, event: SessionEvent) {
        self.events.push(event);
    }
    fn notice(&mut self, notice: Notice) {
        assert!(!matches!(notice, Notice::Undecodable { .. }), "{notice:?}");
    }
    fn has_room(&self) -> bool {
        true
    }
}

/// Our gateway on a socket, with all that went over it.
pub struct Wired {
    pub gateway: OuchGateway,
    pub ears: Ears,
    stream: Option<TcpStream>,
    began: Instant,
    /// `(from us, bytes)`, in order.
    pub said: Vec<(bool, Vec<u8>)>,
    pub ports: (u16, u16),
}

impl Wired {
    pub fn new(password: &str, next: u64) -> Wired {
        // The peer sends its heartbeats each ten seconds, the first of them after twenty; and it does not answer queries.
        let silence = Nanos::from_millis(45_000);
        let login = ClientConfig { next_sequence: next, silence, ..ClientConfig::new("user01", password) };
        let config =
            GatewayConfig { barrier: Barrier::None, ..GatewayConfig::new(GatewayId(0), *b"ABCD", login) };
        let aapl = Instrument {
            id: InstrumentId(0),
            symbol: Symbol::new("AAPL").unwrap(),
            feed: FeedId(0),
            gateway: GatewayId(0),
        };
        Wired {
            gateway: OuchGateway::new(config, &[aapl]).unwrap(),
            ears: Ears::default(),
            stream: None,
            began: Instant::now(),
            said: Vec::new(),
            ports: (0, 0),
        }
    }

    fn now(&self) -> Nanos {
        Nanos(1 + self.began.elapsed().as_nanos() as u64)
    }

    /// Connects to whoever listens there, or soon will.
    pub fn connect(&mut self, address: SocketAddr) {
        let stream = until("a listener", || TcpStream::connect(address).ok());
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        self.ports = (stream.local_addr().unwrap().port(), address.port());
        self.stream = Some(stream);
        self.gateway.on_connected(self.now());
    }

    pub fn hang_up(&mut self) {
        self.stream = None;
        self.gateway.on_disconnected(self.now(), &mut self.ears);
    }

    fn step(&mut self) {
        let now = self.now();
        if self.gateway.next_timeout().is_some_and(|at| at <= now) {
            self.gateway.on_timeout(now, &mut self.ears).expect("a server that keeps the rules");
        }
        let Some(stream) = &mut self.stream else { return };
        let bytes = self.gateway.transmit().to_vec();
        if !bytes.is_empty() {
            stream.write_all(&bytes).unwrap();
            self.gateway.transmitted(bytes.len());
            self.said.push((true, bytes));
        }
        let space = self.gateway.recv_space();
        match stream.read(space) {
            Ok(0) => self.hang_up(),
            Ok(n) => {
                self.said.push((false, space[..n].to_vec()));
                let now = self.now();
                self.gateway.on_received(now, n, &mut self.ears).expect("a server that keeps the rules");
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => panic!("{e}"),
        }
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, is: impl Fn(&Wired) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}: {:?}", self.ears.events);
            self.step();
        }
    }

    pub fn send(&mut self, kind: CommandKind) {
        let command = OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind };
        self.gateway.encode(self.now(), &command).unwrap();
    }

    pub fn is_closed(&self) -> bool {
        self.stream.is_none()
    }

    fn reports(&self) -> Vec<(u64, u32, char)> {
        let brief = |r: &ExecutionReport| {
            let letter = match r.kind {
                ReportKind::System { .. } => 'S',
                ReportKind::Accepted { .. } => 'A',
                ReportKind::Canceled { .. } => 'C',
                _ => '?',
            };
            (r.seq, r.token.0, letter)
        };
        self.ears.reports.iter().map(brief).collect()
    }

    /// Packets of one type that came or went.
    pub fn packets(&self, ours: bool, kind: u8) -> usize {
        packets(&self.said, ours).iter().filter(|p| p[0] == kind).count()
    }
}

/// What one side said, packet by packet, read by hand: type and payload.
pub fn packets(said: &[(bool, Vec<u8>)], ours: bool) -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = said.iter().filter(|(o, _)| *o == ours).flat_map(|(_, b)| b).copied().collect();
    let (mut rest, mut packets) = (&bytes[..], Vec::new());
    while let [a, b, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        if tail.len() < length {
            break;
        }
        let (packet, more) = tail.split_at(length);
        packets.push(packet.to_vec());
        rest = more;
    }
    packets
}

pub fn buy(token: u32, px: i64) -> CommandKind {
    let (token, qty, px) = (Token(token), Qty(100), Px(px));
    CommandKind::New { token, side: Side::Buy, short: false, qty, px, tif: Tif::Day }
}

pub fn cancel(token: u32) -> CommandKind {
    CommandKind::Cancel { token: Token(token), qty: Qty::ZERO }
}

/// The peer and its interpreter; a test without them is skipped, and says so.
fn peer() -> Option<(PathBuf, PathBuf)> {
    Some((books::python()?, shared("tools/soup_peer.py")?))
}

/// The peer as a server, and where it listens.
fn serve(more: &[&str]) -> Option<(Program, SocketAddr)> {
    let (python, script) = peer()?;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (port, secs) = (address.port().to_string(), (seconds() + 600).to_string());
    let mut command = Command::new(python);
    command.arg("-Bu").arg(script).args(["server", &port, "--secs", &secs]).args(more);
    Some((Program::start(&mut command), address))
}

#[test]
fn nasdaqs_library_serves_our_gateway() {
    let Some((server, address)) = serve(&["--session", "SESS01", "--preload", "3"]) else { return };
    let mut first = Wired::new("pass", 1);
    first.connect(address);
    first.until("the replay", |w| w.gateway.is_ready() && w.ears.reports.len() == 3);
    first.send(buy(1, 1_503_400));
    first.send(buy(2, 1_503_500));
    first.until("two orders", |w| w.ears.reports.len() == 5);
    first.send(cancel(1));
    first.until("a cancel", |w| w.ears.reports.len() == 6);
    let all = [(1, 0, 'S'), (2, 0, 'S'), (3, 0, 'S'), (4, 1, 'A'), (5, 2, 'A'), (6, 1, 'C')];
    assert_eq!(first.reports(), all);

    // Again, at the message after the last; and another process, from the fifth message on.
    first.hang_up();
    first.connect(address);
    first.until("the session", |w| w.gateway.is_ready());
    first.send(buy(3, 1_503_600));
    first.until("an order", |w| w.ears.reports.len() == 7);
    assert_eq!(first.reports()[6], (7, 3, 'A'), "nothing came twice");
    let mut other = Wired::new("pass", 5);
    other.connect(address);
    other.until("the replay", |w| w.gateway.is_ready());
    assert_eq!(other.reports(), [(5, 2, 'A'), (6, 1, 'C'), (7, 3, 'A')]);
    other.hang_up();

    // Nothing but heartbeats. The peer drops a client that sends none for twenty seconds.
    let (began, seconds) = (Instant::now(), seconds());
    let (ours, theirs) = (first.packets(true, b'R'), first.packets(false, b'H'));
    first.until("its time", |w| began.elapsed().as_secs() >= seconds || w.is_closed());
    assert!(!first.is_closed() && first.gateway.is_ready(), "the session stood for {seconds} s");
    let (ours, theirs) = (first.packets(true, b'R') - ours, first.packets(false, b'H') - theirs);
    println!("{seconds} s on heartbeats alone: {ours} of ours, {theirs} of the peer's");
    assert!(ours as u64 >= seconds / 2, "{ours} heartbeats in {seconds} s");
    assert!(theirs as u64 >= seconds / 20, "{theirs} heartbeats of the peer in {seconds} s");
    first.send(buy(4, 1_503_700));
    first.until("an order", |w| w.ears.reports.len() == 8);

    first.gateway.logout(first.now());
    first.until("the end", Wired::is_closed);
    let said = server.kill();
    let logins: Vec<&str> = said.stdout.lines().filter(|l| l.starts_with("login")).collect();
    assert_eq!(logins, ["login user01 '' 1", "login user01 'SESS01' 7", "login user01 '' 5"], "{said:?}");
    assert_eq!(said.stdout.matches("unseq b'O' 47").count(), 4, "{said:?}");
    assert_eq!(said.stdout.matches("unseq b'X' 9").count(), 1, "{said:?}");
}

#[test]
fn nasdaqs_library_refuses_our_gateway() {
    for (code, letter) in [("A", b'A'), ("S", b'S')] {
        let Some((_server, address)) = serve(&["--reject", code]) else { return };
        let mut w = Wired::new("wrong", 1);
        w.connect(address);
        w.until("the refusal", |w| w.gateway.is_over());
        assert_eq!(w.ears.events, [SessionEvent::LoginRejected { code: letter }]);
        w.until("the end", Wired::is_closed);
    }
}

/// An exchange whose market stands still, in this process; its day ends at once or not at all.
pub fn exchange(ends: bool) -> Running {
    let text = format!(
        r#"
        name = "soup"
        session = "SESSION001"
        symbols = ["AAPL"]
        lines = ["127.0.0.1:9"]
        ouch = "127.0.0.1:0"
        end_of_session_ms = 10
        close_with_flow = {ends}
        [[accounts]]
        username = "user01"
        password = "pass"
        firm = "ABCD"
        [flow]
        kind = "generated"
        seed = 7
        messages_per_second = 1
        messages = 1
        "#
    );
    spawn(ExchangeConfig::from_toml(&text, Path::new(".")).unwrap()).unwrap()
}

/// The peer as a client that sends so many orders, and is patient for so long.
fn ask(at: SocketAddr, password: &str, orders: &str, seconds: u64, more: &[&str]) -> Option<Ended> {
    let (python, script) = peer()?;
    let (port, seconds) = (at.port().to_string(), seconds.to_string());
    let mut command = Command::new(python);
    command.arg("-Bu").arg(script).args(["client", &port, "user01", password]);
    command.args(["--orders", orders, "--secs", &seconds]).args(more);
    let (mut client, began) = (Program::start(&mut command), Instant::now());
    // It may be told to stay for longer than a program's end is usually waited for.
    while client.runs() && began.elapsed() < PATIENCE * 2 {
        std::thread::sleep(Duration::from_millis(25));
    }
    Some(client.end())
}

/// The sequenced messages that the peer says it received, and the number that it had counted to when it last said so. (It says that beside each message, but
/// has often counted on by then.)
fn received(said: &Ended) -> (Vec<Report>, u64) {
    let (mut reports, mut count) = (Vec::new(), 0);
    for line in said.stdout.lines().filter_map(|l| l.strip_prefix("recv SequencedData ")) {
        let (hex, seq) = line.split_once(" seq ").unwrap();
        let bytes = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap());
        reports.push(report(&bytes.collect::<Vec<_>>()));
        count = seq.parse().unwrap();
    }
    (reports, count)
}

#[test]
fn nasdaqs_library_trades_at_our_exchange() {
    let venue = exchange(false);
    let began = Instant::now();
    let Some(said) = ask(venue.ouch, "pass", "3", seconds(), &[]) else { return };
    let said = said.exits(0);
    let (all, count) = received(&said);
    let brief: Vec<_> = all.iter().map(|r| (r.kind, r.number)).collect();
    assert_eq!((&brief[..], count), (&[('S', 0), ('A', 1), ('A', 2), ('A', 3)][..], 4), "{said:?}");
    assert!(all[1..].iter().all(|r| (r.quantity, r.px) == (100, 1_503_400)), "{said:?}");
    // It goes as soon as the session ends, and says the same then as when its time is over.
    assert!(began.elapsed().as_secs() >= seconds(), "the session stood to the end: {said:?}");

    // From the third message on; only what comes; and beyond the end, by name, with the password in capitals.
    for (more, from, next) in [
        (&["--seq", "3"][..], 2, 3),
        (&["--seq", "0"], 4, 5),
        (&["--seq", "99", "--session", "session001"], 4, 5),
    ] {
        let said = ask(venue.ouch, "PASS", "0", 1, more).unwrap().exits(0);
        assert_eq!(received(&said).0, all[from..], "{more:?}: {said:?}");
        let counted = format!("sequence {}", next - 1);
        assert!(said.stdout.lines().next().is_some_and(|l| l.ends_with(&counted)), "{said:?}");
    }
    for (password, more, why) in
        [("wrong", &[][..], "NOT_AUTHORIZED"), ("pass", &["--session", "OTHER"], "SESSION_NOT_AVAILABLE")]
    {
        let said = ask(venue.ouch, password, "0", 1, more).unwrap();
        assert!(said.code != Some(0) && said.stderr.contains(why), "{said:?}");
    }
    venue.stop().unwrap();
}
