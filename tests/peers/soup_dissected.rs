//! What tshark reads in what our gateway and the simulated exchange say to each other: no packet malformed, and each the one that was sent.

use std::fs;
use std::process::Command;

use gateways::gateway::OrderGateway as _;
use gateways::soupbintcp::State;
use model::{CommandKind, Nanos, Px, Qty, SessionEvent, Tif, Token};

use crate::client::packet;
use crate::program::{Program, skipped};
use crate::soup::{Wired, buy, cancel, exchange, packets};

/// Bytes of a TCP segment: as ours are, and so few that packets begin and end anywhere in one, and the longest takes more than one.
const WHOLE: usize = 1_460;
const SPLIT: usize = 50;

/// What was said over one connection, ours or not, as a classic pcap of Ethernet frames between these ports.
pub fn pcap(said: &[(bool, Vec<u8>)], ports: (u16, u16), segment: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4, 4 << 16 | 2, 0, 0, 65_535, 1u32] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    // Bytes of ours and of theirs so far.
    let mut sequence = [1u32, 1];
    let segments = said.iter().flat_map(|(ours, bytes)| bytes.chunks(segment).map(move |c| (*ours, c)));
    for ((ours, bytes), n) in segments.zip(0u32..) {
        let (us, them) = if ours { (0, 1) } else { (1, 0) };
        let (from, to) = if ours { ports } else { (ports.1, ports.0) };
        let mut tcp = Vec::new();
        tcp.extend_from_slice(&from.to_be_bytes());
        tcp.extend_from_slice(&to.to_be_bytes());
        tcp.extend_from_slice(&sequence[us].to_be_bytes());
        tcp.extend_from_slice(&sequence[them].to_be_bytes());
        // Header of five words, PSH and ACK, a window; neither checksum nor urgent data.
        tcp.extend_from_slice(&[0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
        tcp.extend_from_slice(bytes);
        sequence[us] += bytes.len() as u32;
        let mut ip = vec![0x45, 0];
        ip.extend_from_slice(&u16::try_from(20 + tcp.len()).unwrap().to_be_bytes());
        ip.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0]);
        ip.extend_from_slice(if ours {
            &[127, 0, 0, 1, 127, 0, 0, 2]
        } else {
            &[127, 0, 0, 2, 127, 0, 0, 1]
        });
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend(ip);
        frame.extend(tcp);
        let len = u32::try_from(frame.len()).unwrap();
        for word in [1_700_000_000 + n / 1_000, n % 1_000 * 1_000, len, len] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// What tshark lists of one frame, by field.
struct Row {
    ours: bool,
    fields: Vec<Vec<String>>,
    malformed: String,
}

const SOUP: [&str; 7] = [
    "soupbintcp.packet_type",
    "soupbintcp.packet_length",
    "soupbintcp.message",
    "soupbintcp.username",
    "soupbintcp.session",
    "soupbintcp.seq_num",
    "soupbintcp.reject_code",
];

/// What tshark lists, frame by frame.
struct Read(Vec<Row>);

impl Read {
    /// One field of one side's packets, in order.
    fn column(&self, ours: bool, field: &str) -> Vec<String> {
        let k = SOUP.iter().position(|f| *f == field).expect("a field that was asked for");
        self.0.iter().filter(|r| r.ours == ours).flat_map(|r| r.fields[k].clone()).collect()
    }

    fn malformed(&self) -> Vec<&str> {
        self.0.iter().map(|r| r.malformed.as_str()).filter(|m| !m.is_empty()).collect()
    }
}

/// `None` where there is no tshark; then the test says that it is skipped.
fn read(w: &Wired, segment: usize) -> Option<Read> {
    if Command::new("tshark").arg("--version").output().is_err() {
        skipped("tshark is not installed (scripts/test installs it)");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("session.pcap");
    fs::write(&capture, pcap(&w.said, w.ports, segment)).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(&capture);
    tshark.arg("-d").arg(format!("tcp.port=={},soupbintcp", w.ports.1));
    // It knows OUCH 4.x (`orders` has that), and takes what of 5.0 is as long for it.
    tshark.args(["--disable-protocol", "ouch"]);
    tshark.args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"]);
    tshark.args(["-e", "tcp.srcport"]);
    for field in SOUP {
        tshark.args(["-e", field]);
    }
    for field in ["_ws.malformed", "soupbintcp.req_seq_num.invalid", "soupbintcp.next_seq_num.invalid"] {
        tshark.arg("-e").arg(field);
    }
    let ended = Program::start(&mut tshark).end().exits(0);
    let row = |line: &str| {
        let all: Vec<&str> = line.split('\t').collect();
        let (fields, faults) = all[1..].split_at(SOUP.len());
        let list = |f: &&str| f.split('|').filter(|f| !f.is_empty()).map(String::from).collect();
        Row {
            ours: all[0] == w.ports.0.to_string(),
            fields: fields.iter().map(list).collect(),
            malformed: faults.concat(),
        }
    };
    Some(Read(ended.stdout.lines().map(row).collect()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Everything that tshark has read of a conversation is what was said in it.
fn agrees(w: &Wired, segment: usize) -> bool {
    let Some(read) = read(w, segment) else { return false };
    assert_eq!(read.malformed(), [""; 0]);
    for ours in [true, false] {
        let said = packets(&w.said, ours);
        let kinds: Vec<String> = said.iter().map(|p| format!("0x{:02x}", p[0])).collect();
        let types = read.column(ours, "soupbintcp.packet_type");
        assert_eq!(
            types.iter().map(|k| kind_of(k)).collect::<Vec<_>>(),
            kinds,
            "types of packets, ours: {ours}"
        );
        let lengths: Vec<String> = said.iter().map(|p| p.len().to_string()).collect();
        assert_eq!(read.column(ours, "soupbintcp.packet_length"), lengths, "ours: {ours}");
        let messages: Vec<String> =
            said.iter().filter(|p| matches!(p[0], b'S' | b'U')).map(|p| hex(&p[1..])).collect();
        assert_eq!(read.column(ours, "soupbintcp.message"), messages, "ours: {ours}");
    }
    true
}

/// tshark writes a character as itself in quotes, or as a number: as it was built.
fn kind_of(text: &str) -> String {
    match text.trim_matches('\'').as_bytes() {
        [letter] => format!("0x{letter:02x}"),
        _ => text.to_ascii_lowercase(),
    }
}

#[test]
fn tshark_reads_what_gateway_and_exchange_say() {
    let venue = exchange(false);
    let mut w = Wired::new("pass", 1);
    w.connect(venue.ouch);
    w.until("the session", |w| w.gateway.is_ready());
    let before = w.ears.reports.len();
    w.send(buy(1, 1_500_000));
    w.send(buy(2, 1_500_050));
    let (old, token, qty, px) = (Token(1), Token(3), Qty(50), Px(1_499_900));
    w.send(CommandKind::Replace { old, token, qty, px, tif: Tif::Day });
    w.send(cancel(3));
    w.until("four answers", |w| w.ears.reports.len() == before + 4);
    w.until("heartbeats of both", |w| w.packets(true, b'R') > 0 && w.packets(false, b'H') > 0);
    w.gateway.logout(Nanos(1));
    w.until("the end", Wired::is_closed);
    if !agrees(&w, WHOLE) {
        return;
    }
    agrees(&w, SPLIT);
    let read = read(&w, WHOLE).unwrap();
    assert_eq!(read.column(true, "soupbintcp.username"), ["user01"]);
    assert_eq!(read.column(false, "soupbintcp.session"), ["SESSION001"]);
    // It counts the sequenced messages itself, from the login's answer on.
    assert_eq!(read.column(false, "soupbintcp.seq_num").len() as u64, w.gateway.position().1 - 1);

    // The same session again: the second login names it, and what is repeated is counted on.
    let mut again = Wired::new("pass", 3);
    again.connect(venue.ouch);
    again.until("the session", |w| w.gateway.is_ready());
    again.hang_up();
    // Not split: of a login's answer that shares its segment with half a packet, tshark 4.0 loses what follows.
    assert!(agrees(&again, WHOLE));
    let mut refused = Wired::new("wrong", 1);
    refused.connect(venue.ouch);
    refused.until("the refusal", Wired::is_closed);
    assert!(matches!(refused.ears.events[0], SessionEvent::LoginRejected { code: b'A' }));
    assert!(agrees(&refused, SPLIT));
    let read = self::read(&refused, WHOLE).unwrap();
    assert_eq!(
        read.column(false, "soupbintcp.reject_code").iter().map(|k| kind_of(k)).collect::<Vec<_>>(),
        ["0x41"]
    );
    venue.stop().unwrap();
}

#[test]
fn tshark_would_say_what_is_wrong() {
    let mut w = Wired::new("pass", 1);
    w.ports = (40_000, 26_400);
    for (login, is_right) in [
        ("user01pass                                   1", true),
        ("user01pass                1                   ", false),
    ] {
        w.said = vec![(true, packet(b'L', login.as_bytes()))];
        let Some(read) = read(&w, WHOLE) else { return };
        assert_eq!(read.malformed().is_empty(), is_right, "{login:?}");
    }
}

#[test]
fn tshark_reads_the_end_of_a_session() {
    let venue = exchange(true);
    let mut w = Wired::new("pass", 1);
    w.connect(venue.ouch);
    w.until("the end of the session", |w| w.gateway.is_over());
    assert_eq!((w.gateway.state(), w.packets(false, b'Z')), (State::Ended, 1));
    w.until("the end", Wired::is_closed);
    agrees(&w, WHOLE);
}
