//! A short day of the simulated exchange, with every datagram that went over its sockets.
//!
//! ```text
//!   exchange --line A, 1400 bytes--> receiver a --+
//!            --line B,  300 bytes--> receiver b --+--> log, in order of arrival --> pcap
//!            <--------- requests --- asker     ---+
//!            ---------- answers ---> asker     ---+
//! ```
//!
//! The day: a login, an order that trades, a flow that ends, silence until both lines have told that they live, re-requests, the end of the session.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use colo::exchange::{ExchangeConfig, spawn};
use feeds::moldudp64::{END_OF_SESSION, HEADER, Request};

use crate::client::{Client, enter, login, packet};

/// The session of the day.
pub const SESSION: &str = "SESSION001";
/// Largest UDP payload of line A and of the answer to a re-request, bytes.
pub const DATAGRAM: usize = 1400;
/// The same of line B.
pub const NARROW: usize = 300;
/// Only a failing test waits for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// One UDP datagram.
#[derive(Clone, Debug)]
pub struct Datagram {
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub bytes: Vec<u8>,
}

impl Datagram {
    /// The count of its header.
    pub fn count(&self) -> u16 {
        u16::from_be_bytes(self.bytes[HEADER - 2..HEADER].try_into().unwrap())
    }
}

/// What was captured of a day.
pub struct Day {
    pub datagrams: Vec<Datagram>,
    /// Where lines A and B went.
    pub lines: [SocketAddrV4; 2],
    /// The re-request server.
    pub server: SocketAddrV4,
    /// Who asked it.
    pub asker: SocketAddrV4,
    /// Messages that the venue says it published.
    pub messages: u64,
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(v4) => v4,
        SocketAddr::V6(v6) => panic!("{v6} is not IPv4"),
    }
}

fn receiver() -> (UdpSocket, SocketAddrV4) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 20).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let socket: UdpSocket = socket.into();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = v4(socket.local_addr().unwrap());
    (socket, address)
}

fn receive(socket: &UdpSocket, to: SocketAddrV4) -> Datagram {
    let mut buffer = [0; 2048];
    let (n, from) = socket.recv_from(&mut buffer).expect("a datagram");
    Datagram { from: v4(from), to, bytes: buffer[..n].to_vec() }
}

/// Logs what a line carries until its session has ended, and tells of its first heartbeat.
fn listen(socket: UdpSocket, to: SocketAddrV4, log: Sender<Datagram>, alive: Sender<()>) {
    let mut silent = true;
    loop {
        let datagram = receive(&socket, to);
        let count = datagram.count();
        log.send(datagram).unwrap();
        match count {
            0 if silent => {
                silent = false;
                alive.send(()).unwrap();
            }
            END_OF_SESSION => return,
            _ => {}
        }
    }
}

/// One order that takes what is offered, so that the day has an account's trade in it too.
fn trade(ouch: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(ouch).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::new(0);
    stream.write_all(&login("user01", "pass", "", "1")).unwrap();
    stream.write_all(&packet(b'U', &enter(1, b'B', 300, 90_000_000))).unwrap();
    let mut buffer = [0; 4096];
    while !client.reports.iter().any(|r| r.kind == 'E') {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "the venue hung up");
        client.receive(&buffer[..n]);
    }
    stream
}

/// Asks for what a follower of the feed may ask for: one, some, more than fits, the last.
fn ask(server: SocketAddrV4, messages: u64, log: &Sender<Datagram>) -> SocketAddrV4 {
    let (socket, asker) = receiver();
    let session = SESSION.as_bytes().try_into().unwrap();
    for (from, to) in [(1, 2), (3, 13), (40, messages + 1), (messages, messages + 1)] {
        let bytes = Request::range(session, from, to).encode().to_vec();
        log.send(Datagram { from: asker, to: server, bytes: bytes.clone() }).unwrap();
        socket.send_to(&bytes, server).unwrap();
        log.send(receive(&socket, asker)).unwrap();
    }
    asker
}

/// Runs the day.
pub fn day() -> Day {
    let ((a, line_a), (b, line_b)) = (receiver(), receiver());
    let text = format!(
        r#"
        name = "peers"
        session = "{SESSION}"
        symbols = ["AAPL", "MSFT", "BRK.B"]
        lines = ["{line_a}", "{line_b}"]
        rerequest = "127.0.0.1:0"
        ouch = "127.0.0.1:0"
        wait_for_login = true
        close_with_flow = false
        end_of_session_ms = 50
        faults.line_b = {{ datagram_bytes = {NARROW} }}
        [[accounts]]
        username = "user01"
        password = "pass"
        firm = "ABCD"
        [flow]
        kind = "generated"
        seed = 7
        messages_per_second = 2000
        messages = 2000
        "#
    );
    let config = ExchangeConfig::from_toml(&text, Path::new(".")).unwrap();
    let (log, logged): (Sender<Datagram>, Receiver<Datagram>) = channel();
    let (alive, lives) = channel();
    let lines = [(a, line_a), (b, line_b)].map(|(socket, to)| {
        let (log, alive) = (log.clone(), alive.clone());
        thread::spawn(move || listen(socket, to, log, alive))
    });
    let running = spawn(config).unwrap();
    let trader = trade(running.ouch);
    for _ in &lines {
        lives.recv_timeout(PATIENCE).expect("a heartbeat of each line");
    }
    let server = v4(running.rerequest.unwrap());
    let messages = running.progress().messages.load(std::sync::atomic::Ordering::Relaxed);
    let asker = ask(server, messages, &log);
    let outcome = running.stop().unwrap();
    drop(trader);
    lines.into_iter().for_each(|line| line.join().unwrap());
    drop(log);
    assert_eq!(outcome.send_failures, 0);
    let datagrams = logged.into_iter().collect();
    Day { datagrams, lines: [line_a, line_b], server, asker, messages: outcome.counts.messages }
}

/// A classic pcap of Ethernet frames, a millisecond apart.
pub fn pcap(datagrams: &[Datagram]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4, 4 << 16 | 2, 0, 0, 65_535, 1u32] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (datagram, n) in datagrams.iter().zip(0u32..) {
        let frame = ethernet(datagram);
        let len = u32::try_from(frame.len()).unwrap();
        for word in [1_700_000_000 + n / 1_000, n % 1_000 * 1_000, len, len] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&frame);
    }
    file
}

/// A datagram as it is on a wire: Ethernet, IPv4 with its checksum, UDP without one.
fn ethernet(datagram: &Datagram) -> Vec<u8> {
    let udp = u16::try_from(8 + datagram.bytes.len()).unwrap();
    let mut ip = vec![0x45, 0];
    ip.extend_from_slice(&(20 + udp).to_be_bytes());
    ip.extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend_from_slice(&datagram.from.ip().octets());
    ip.extend_from_slice(&datagram.to.ip().octets());
    let sum: u32 = ip.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let sum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend(ip);
    for word in [datagram.from.port(), datagram.to.port(), udp, 0] {
        frame.extend_from_slice(&word.to_be_bytes());
    }
    frame.extend_from_slice(&datagram.bytes);
    frame
}
