//! What tshark reads in an OUCH 4.2 session between our gateway and the simulated exchange, both ways.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use colo::exchange::{ExchangeConfig, spawn};
use gateways::gateway::{GatewayConfig, Notice, OrderGateway, ReportSink, SoupGateway};
use gateways::order::ClOrdId;
use gateways::ouch42::Ouch42;
use gateways::soupbintcp::ClientConfig;
use model::{
    CommandKind, ExecutionReport, FeedId, GatewayId, Instrument, InstrumentId, Nanos, OrderCommand, Px, Qty,
    ReportKind, SessionEvent, Side, Symbol, Tif, Token,
};

use crate::program::{Program, skipped};

/// Ports in the capture.
const CLIENT: u16 = 40_001;
const SERVER: u16 = 8_001;
const GATEWAY: GatewayId = GatewayId(0);
/// Turns of a millisecond before a wait is given up.
const TURNS_MAX: usize = 60_000;

#[derive(Default)]
struct Reports {
    kinds: Vec<(u32, ReportKind)>,
    ready: bool,
}

impl ReportSink for Reports {
    fn report(&mut self, r: ExecutionReport) {
        self.kinds.push((r.token.0, r.kind));
    }
    fn session(&mut self, event: SessionEvent) {
        self.ready |= matches!(event, SessionEvent::Ready { .. });
    }
    fn notice(&mut self, notice: Notice) {
        assert!(matches!(notice, Notice::Session { .. }), "{notice:?}");
    }
    fn has_room(&self) -> bool {
        true
    }
}

/// The gateway on a socket, and every byte that passed.
struct Session {
    g: SoupGateway<Ouch42>,
    socket: TcpStream,
    now: Nanos,
    reports: Reports,
    /// Who sent, and what.
    segments: Vec<(bool, Vec<u8>)>,
}

impl Session {
    fn new(address: SocketAddr) -> Session {
        let mut config = GatewayConfig::new(GATEWAY, *b"ABCD", ClientConfig::new("user01", "pass"));
        config.orders.clordid = ClOrdId::Tagged(*b"COLO");
        config.orders.send_firm = true;
        let instrument = |k, symbol| Instrument {
            id: InstrumentId(k),
            symbol: Symbol::new(symbol).unwrap(),
            feed: FeedId(0),
            gateway: GATEWAY,
        };
        let all = [instrument(0, "AAPL"), instrument(1, "NONE")];
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut g = SoupGateway::new(config, &all).unwrap();
        g.on_connected(Nanos(0));
        Session { g, socket, now: Nanos(0), reports: Reports::default(), segments: Vec::new() }
    }

    /// A millisecond of it, whatever the clock says: no rule here is about time but the quiet that ends a replay. `false` when the venue has closed.
    fn turn(&mut self) -> bool {
        self.now = self.now.after(Nanos::from_millis(1));
        let bytes = self.g.transmit().to_vec();
        if !bytes.is_empty() {
            self.socket.write_all(&bytes).unwrap();
            self.g.transmitted(bytes.len());
            self.segments.push((true, bytes));
        }
        let space = self.g.recv_space();
        match self.socket.read(space) {
            Ok(0) => return false,
            Ok(n) => {
                self.segments.push((false, space[..n].to_vec()));
                self.g.on_received(self.now, n, &mut self.reports).unwrap();
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                self.g.on_timeout(self.now, &mut self.reports).unwrap();
            }
            Err(e) => panic!("{e}"),
        }
        true
    }

    fn until(&mut self, what: &str, is: impl Fn(&Reports) -> bool) {
        for _ in 0..TURNS_MAX {
            if is(&self.reports) {
                return;
            }
            assert!(self.turn(), "the venue closed before {what}");
        }
        panic!("waited in vain for {what}: {:?}", self.reports.kinds);
    }

    /// Asks, and waits for so many reports.
    fn ask(&mut self, instrument: u16, kind: CommandKind, answers: usize) {
        let want = self.reports.kinds.len() + answers;
        let command = OrderCommand { gateway: GATEWAY, instrument: InstrumentId(instrument), kind };
        self.g.encode(self.now, &command).unwrap();
        self.until(&format!("the answer to {kind:?}"), |r| r.kinds.len() >= want);
    }
}

fn new(token: u32, side: Side, qty: u32, tif: Tif) -> CommandKind {
    let (token, qty, px) = (Token(token), Qty(qty), Px(1_500_000));
    CommandKind::New { token, side, short: false, qty, px, tif }
}

/// A session with each request and as many kinds of answers as one client of a silent market can get.
fn session() -> Session {
    let ports = [(); 1].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let line = ports[0].local_addr().unwrap();
    let text = format!(
        "symbols = [\"AAPL\"]\nlines = [\"{line}\"]\nouch = \"127.0.0.1:0\"\nwait_for_login = true\nclose_with_flow = false\n\
         [[accounts]]\nusername = \"user01\"\npassword = \"pass\"\nfirm = \"ABCD\"\nprotocol = \"ouch42\"\n[flow]\nkind = \"silent\"\n"
    );
    let venue = spawn(ExchangeConfig::from_toml(&text, Path::new(".")).unwrap()).unwrap();
    let mut s = Session::new(venue.ouch);
    s.until("a session", |r| r.ready);
    s.ask(0, new(1, Side::Sell, 100, Tif::Day), 1);
    let replace = CommandKind::Replace {
        old: Token(1),
        token: Token(2),
        qty: Qty(90),
        px: Px(1_500_000),
        tif: Tif::Day,
    };
    s.ask(0, replace, 1);
    s.ask(0, CommandKind::Cancel { token: Token(2), qty: Qty(80) }, 1);
    s.g.modify(s.now, Token(2), Side::Sell, true, Qty(70)).unwrap();
    s.until("a modification", |r| r.kinds.iter().any(|(_, k)| matches!(k, ReportKind::Modified { .. })));
    // Accepted, and both sides of a trade with itself.
    s.ask(0, new(3, Side::Buy, 30, Tif::Day), 3);
    // Accepted, filled with what is left on both sides, and the rest canceled.
    s.ask(0, new(4, Side::Buy, 60, Tif::Ioc), 4);
    s.ask(1, new(5, Side::Buy, 1, Tif::Day), 1);
    s.g.logout(s.now);
    while s.turn() {}
    venue.stop().unwrap();
    s
}

/// The packets of one direction: type and payload.
fn packets(segments: &[(bool, Vec<u8>)], ours: bool) -> Vec<(u8, Vec<u8>)> {
    let stream: Vec<u8> = segments.iter().filter(|s| s.0 == ours).flat_map(|s| s.1.clone()).collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < stream.len() {
        let end = at + 2 + usize::from(u16::from_be_bytes([stream[at], stream[at + 1]]));
        out.push((stream[at + 2], stream[at + 3..end].to_vec()));
        at = end;
    }
    out
}

/// A classic pcap of the segments, one frame each, with a handshake before them.
fn pcap(segments: &[(bool, Vec<u8>)]) -> Vec<u8> {
    const SYN: u8 = 2;
    const ACK: u8 = 16;
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4, 4 << 16 | 2, 0, 0, 65_535, 1u32] {
        file.extend(word.to_le_bytes());
    }
    // What each side has sent, its SYN included.
    let mut sent = [0u32; 2];
    let shake = [(true, SYN), (false, SYN | ACK), (true, ACK)].map(|(ours, flags)| (ours, flags, &[][..]));
    let rest = segments.iter().map(|(ours, bytes)| (*ours, ACK | 8, &bytes[..]));
    for ((ours, flags, bytes), n) in shake.into_iter().chain(rest).zip(0u32..) {
        let (me, peer) = (usize::from(!ours), usize::from(ours));
        let ports = if ours { [CLIENT, SERVER] } else { [SERVER, CLIENT] };
        let mut tcp = Vec::new();
        ports.iter().for_each(|p| tcp.extend(p.to_be_bytes()));
        tcp.extend((1_000 + sent[me]).to_be_bytes());
        tcp.extend((if flags & ACK == 0 { 0 } else { 1_000 + sent[peer] }).to_be_bytes());
        tcp.extend([5 << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        tcp.extend(bytes);
        sent[me] += bytes.len() as u32 + u32::from(flags & SYN != 0);
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        frame.extend((20 + tcp.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        let hosts = if ours { [1, 2] } else { [2, 1] };
        hosts.iter().for_each(|h| frame.extend([127, 0, 0, *h]));
        frame.extend(tcp);
        let len = frame.len() as u32;
        for word in [1_700_000_000 + n / 1_000, n % 1_000 * 1_000, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// What a dissector says of one direction, in order: the packets' types, and type and name of each order message; and everything that it finds wrong.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dissected {
    packets: String,
    messages: Vec<(char, String)>,
}

fn dissect(capture: &Path) -> Option<([Dissected; 2], Vec<String>)> {
    if Command::new("tshark").arg("--version").output().is_err() {
        skipped("tshark is not installed (scripts/test installs it)");
        return None;
    }
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(capture).args(["-d", &format!("tcp.port=={SERVER},soupbintcp")]);
    tshark.args(["--enable-heuristic", "ouch_soupbintcp", "-T", "fields", "-E", "separator=/t"]);
    let fields = ["tcp.srcport", "soupbintcp.packet_type", "ouch.packet_type", "ouch.order_token"];
    let names =
        ["ouch.replacement_order_token", "ouch.unknown_message", "_ws.malformed", "_ws.expert.message"];
    for field in fields.iter().chain(&names) {
        tshark.arg("-e").arg(field);
    }
    let ended = Program::start(&mut tshark).end().exits(0);
    let (mut read, mut notes) = <([Dissected; 2], Vec<String>)>::default();
    for line in ended.stdout.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [port, packets, messages, tokens, replacements, unknown, malformed, expert] = fields[..] else {
            panic!("{} fields: {line}", fields.len())
        };
        let list = |field: &str| -> Vec<String> {
            field
                .split(',')
                .filter(|f| !f.is_empty())
                .map(|f| f.trim_matches('\'').trim_end().into())
                .collect()
        };
        // The handshake has notes of its own.
        if !packets.is_empty() {
            notes.extend([unknown, malformed, expert].iter().filter(|n| !n.is_empty()).map(|n| (*n).into()));
        }
        let read = &mut read[usize::from(port != CLIENT.to_string())];
        list(packets).iter().for_each(|p| read.packets.push_str(p));
        let (mut tokens, mut replacements) = (list(tokens).into_iter(), list(replacements).into_iter());
        for message in list(messages) {
            let letter = message.chars().next().unwrap();
            let name = match letter {
                'U' => replacements.next(),
                'S' => None,
                _ => tokens.next(),
            };
            read.messages.push((letter, name.unwrap_or_default()));
        }
    }
    Some((read, notes))
}

/// The same, read by hand.
fn expected(segments: &[(bool, Vec<u8>)], ours: bool) -> Dissected {
    let mut read = Dissected::default();
    for (kind, payload) in packets(segments, ours) {
        read.packets.push(char::from(kind));
        if matches!(kind, b'S' | b'U') {
            let at = match (payload[0], ours) {
                (b'S', _) => None,
                (b'U', true) => Some(15),
                (_, true) => Some(1),
                (_, false) => Some(9),
            };
            let name = at.map(|at| String::from_utf8(payload[at..at + 14].to_vec()).unwrap());
            read.messages.push((char::from(payload[0]), name.unwrap_or_default().trim_end().into()));
        }
    }
    read
}

#[test]
fn tshark_reads_both_sides_of_an_order_session() {
    let s = session();
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("orders.pcap");
    fs::write(&capture, pcap(&s.segments)).unwrap();
    let Some((read, notes)) = dissect(&capture) else { return };
    assert_eq!(notes, [""; 0], "nothing is malformed");
    let want = [expected(&s.segments, true), expected(&s.segments, false)];
    assert_eq!(read, want);
    let letters = |r: &Dissected| -> BTreeMap<char, usize> {
        let mut count = BTreeMap::new();
        r.messages.iter().for_each(|(letter, _)| *count.entry(*letter).or_default() += 1);
        count
    };
    assert_eq!(letters(&read[0]), BTreeMap::from([('O', 4), ('U', 1), ('X', 1), ('M', 1)]));
    assert_eq!(
        letters(&read[1]),
        BTreeMap::from([('S', 1), ('A', 3), ('U', 1), ('C', 2), ('M', 1), ('E', 4), ('J', 1)])
    );
    assert!(read[0].messages.contains(&('U', "COLO0000000002".into())), "{:?}", read[0]);
}
