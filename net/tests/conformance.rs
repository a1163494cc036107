//! One contract (the crate's documentation), every transport.
//!
//! A new transport adds a constructor and a line to the table at the end of each suite. Sockets are on 127.0.0.1 with free ports.
//! Where the host has no multicast on its loopback interface, or this process may not use AF_XDP, that row says so and is skipped.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use net::fault::{Choppy, FaultConfig, Faulty};
use net::line::Line as AnyLine;
use net::pcap::{CaptureLine, CaptureSender};
use net::tcp::TcpLink;
use net::udp::{LineConfig, SenderConfig, UdpLine, UdpRequest, UdpSender};
use net::xdp::{QueueConfig, XdpTcp, XdpTcpConfig};
use net::{ByteStream, DatagramSend, Datagrams, Received, mem};

mod netns;
mod tls_ends;

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Polls without an answer after which a test gives up: loopback delivers within the send, so this is generous.
const POLLS_MAX: u32 = 2_000_000;

fn any_port() -> SocketAddr {
    (LOOPBACK, 0).into()
}

/// Calls `poll` until it gives something.
fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    for _ in 0..POLLS_MAX {
        if let Some(value) = poll() {
            return value;
        }
        std::thread::yield_now();
    }
    panic!("{what}: nothing came in {POLLS_MAX} polls");
}

fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + salt * 7) as u8).collect()
}

// ---------------------------------------------------------------- datagrams

type Line = (Box<dyn DatagramSend>, Box<dyn Datagrams>);
/// `None`: not on this host.
type OpenLine = fn() -> Option<Line>;

fn udp_unicast() -> Option<Line> {
    let line = UdpLine::open(&LineConfig::new(any_port())).unwrap();
    let sender =
        UdpSender::open(&SenderConfig { interface: LOOPBACK, ..SenderConfig::new(line.local_addr()) })
            .unwrap();
    Some((Box::new(sender), Box::new(line)))
}

/// A group of the administratively scoped block, on a port the host gives.
fn udp_multicast() -> Option<Line> {
    let (sender, line) = multicast_pair("239.255.77.1")?;
    Some((Box::new(sender), Box::new(line)))
}

fn multicast_pair(group: &str) -> Option<(UdpSender, UdpLine)> {
    let group: Ipv4Addr = group.parse().unwrap();
    let open = || -> io::Result<(UdpSender, UdpLine)> {
        let line = UdpLine::open(&LineConfig { interface: LOOPBACK, ..LineConfig::new((group, 0).into()) })?;
        let sender =
            UdpSender::open(&SenderConfig { interface: LOOPBACK, ..SenderConfig::new(line.local_addr()) })?;
        Ok((sender, line))
    };
    match open() {
        Ok((mut sender, mut line)) => {
            // A host may accept the join and still not route: one probe decides whether this row can run.
            let routed = sender.send(b"probe").is_ok()
                && (0..1_000).any(|_| matches!(line.recv(&mut [0; 16]), Ok(Some(5))));
            if !routed {
                eprintln!("skipped: multicast is not delivered on this host's loopback interface");
            }
            routed.then_some((sender, line))
        }
        Err(e) => {
            eprintln!("skipped: no multicast on this host's loopback interface: {e}");
            None
        }
    }
}

fn udp_request() -> Option<Line> {
    // The answering end of a re-request, seen as a line: a socket that sends from the very address we are connected to.
    let asked = std::net::UdpSocket::bind(any_port()).unwrap();
    let request = UdpRequest::open(asked.local_addr().unwrap()).unwrap();
    struct Answers(std::net::UdpSocket, SocketAddr);
    impl DatagramSend for Answers {
        fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
            self.0.send_to(bytes, self.1).map(|_| true)
        }
    }
    let to = SocketAddr::from((LOOPBACK, request.local_addr().unwrap().port()));
    Some((Box::new(Answers(asked, to)), Box::new(request)))
}

/// An end with its cable, which is there for as long.
struct Cabled<T>(T, #[allow(dead_code, reason = "held")] netns::Cables);

impl<T: Datagrams> Datagrams for Cabled<T> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        self.0.recv(buf)
    }
}

impl<T: ByteStream> ByteStream for Cabled<T> {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        self.0.recv(buf)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }

    fn flush(&mut self) -> io::Result<bool> {
        self.0.flush()
    }
}

/// From a socket in one network namespace, over a cable, past the kernel of the other.
fn over_cable(address: Ipv4Addr) -> Option<Line> {
    let cables = netns::Cables::lay(1)?;
    let bypass = Some(QueueConfig::new("near0", 0));
    let config = LineConfig { bypass, ..LineConfig::new((address, 26_001).into()) };
    let line = cables.near(|| AnyLine::open(&config)).unwrap();
    assert!(matches!(line, AnyLine::Xdp(_)), "{:?}", line.refusals());
    let to = SenderConfig { interface: netns::far(0), ..SenderConfig::new(line.local_addr()) };
    let sender = cables.far(|| UdpSender::open(&to)).unwrap();
    Some((Box::new(sender), Box::new(Cabled(line, cables))))
}

fn xdp_unicast() -> Option<Line> {
    over_cable(netns::near(0))
}

fn xdp_multicast() -> Option<Line> {
    over_cable(Ipv4Addr::new(239, 88, 0, 2))
}

fn memory() -> Option<Line> {
    let (tx, rx) = mem::datagrams(256, 1 << 16);
    Some((Box::new(tx), Box::new(rx)))
}

fn faultless() -> Option<Line> {
    let (tx, rx) = mem::datagrams(256, 1 << 16);
    Some((Box::new(tx), Box::new(Faulty::new(rx, FaultConfig::default()))))
}

/// A line with its folder, which is there for as long.
struct Filed(CaptureLine, #[allow(dead_code, reason = "held")] tempfile::TempDir);

impl Datagrams for Filed {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        self.0.recv(buf)
    }
}

/// A capture that is followed while it is written.
fn capture() -> Option<Line> {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("day.pcapng"), "239.1.2.3:26001".parse().unwrap());
    let tx = CaptureSender::create(&path, to).unwrap();
    let rx = CaptureLine::open(&path, to).unwrap();
    Some((Box::new(tx), Box::new(Filed(rx, folder))))
}

fn each_line(check: impl Fn(&str, Line)) {
    let table: [(&str, OpenLine); 8] = [
        ("udp unicast", udp_unicast),
        ("udp multicast", udp_multicast),
        ("udp request", udp_request),
        ("xdp unicast", xdp_unicast),
        ("xdp multicast", xdp_multicast),
        ("mem", memory),
        ("pcap", capture),
        ("fault over mem", faultless),
    ];
    for (name, open) in table {
        if let Some(line) = open() {
            check(name, line);
        }
    }
}

fn next(name: &str, rx: &mut dyn Datagrams, buf: &mut [u8]) -> usize {
    until(name, || rx.recv(buf).unwrap_or_else(|e| panic!("{name}: {e}")))
}

#[test]
fn an_idle_line_has_nothing() {
    each_line(|name, (_tx, mut rx)| {
        for _ in 0..3 {
            assert_eq!(rx.recv(&mut [0; 64]).unwrap(), None, "{name}");
        }
    });
}

#[test]
fn datagrams_keep_their_bounds_bytes_and_order() {
    each_line(|name, (mut tx, mut rx)| {
        let mut buf = [0; 2048];
        for (salt, len) in [1, 0, 20, 1472, 2048, 3].into_iter().enumerate() {
            let sent = pattern(len, salt);
            assert!(tx.send(&sent).unwrap(), "{name}");
            let n = next(name, &mut *rx, &mut buf);
            assert_eq!(&buf[..n], sent, "{name}, {len} bytes");
        }
        for i in 0..100u8 {
            assert!(tx.send(&[i; 9]).unwrap(), "{name}");
        }
        for i in 0..100u8 {
            let n = next(name, &mut *rx, &mut buf);
            assert_eq!(&buf[..n], [i; 9], "{name}");
        }
        assert_eq!(rx.recv(&mut buf).unwrap(), None, "{name}");
    });
}

#[test]
fn a_datagram_longer_than_the_buffer_is_dropped_whole() {
    each_line(|name, (mut tx, mut rx)| {
        tx.send(&pattern(100, 1)).unwrap();
        tx.send(&pattern(8, 2)).unwrap();
        let mut buf = [0; 8];
        let n = next(name, &mut *rx, &mut buf);
        assert_eq!(&buf[..n], pattern(8, 2), "{name}: not a part of the long one");
        assert_eq!(rx.recv(&mut buf).unwrap(), None, "{name}");
    });
}

#[test]
fn a_flood_of_over_long_datagrams_does_not_starve_the_rest() {
    each_line(|name, (mut tx, mut rx)| {
        for _ in 0..50 {
            tx.send(&pattern(100, 1)).unwrap();
        }
        tx.send(b"fits").unwrap();
        let mut buf = [0; 8];
        let n = next(name, &mut *rx, &mut buf);
        assert_eq!(&buf[..n], b"fits", "{name}");
    });
}

#[test]
fn overflow_loses_datagrams_and_nothing_else() {
    each_line(|name, (mut tx, mut rx)| {
        const SENT: u32 = 30_000;
        for i in 0..SENT {
            // A sender may be told that there is no room; it must never block or fail.
            tx.send(&[i.to_be_bytes(), (!i).to_be_bytes()].concat())
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        let (mut buf, mut last, mut got) = ([0; 64], None, 0);
        while let Some(n) = rx.recv(&mut buf).unwrap() {
            assert_eq!(n, 8, "{name}");
            let i = u32::from_be_bytes(buf[..4].try_into().unwrap());
            assert_eq!(buf[4..8], (!i).to_be_bytes(), "{name}");
            assert!(last < Some(i), "{name}: {i} after {last:?}");
            (last, got) = (Some(i), got + 1);
        }
        assert!(got > 0, "{name}: nothing arrived");
    });
}

#[test]
fn a_sender_that_is_gone_is_silence() {
    each_line(|name, (mut tx, mut rx)| {
        tx.send(b"last words").unwrap();
        drop(tx);
        let mut buf = [0; 64];
        let n = next(name, &mut *rx, &mut buf);
        assert_eq!(&buf[..n], b"last words", "{name}");
        assert_eq!(rx.recv(&mut buf).unwrap(), None, "{name}");
    });
}

// ---------------------------------------------------------------- byte streams

type Ends = (Box<dyn ByteStream>, Box<dyn ByteStream>);
/// `None`: not on this host.
type OpenEnds = fn() -> Option<Ends>;

fn tcp_pair() -> (TcpLink, TcpLink) {
    let listener = TcpListener::bind(any_port()).unwrap();
    let mut near = TcpLink::start(listener.local_addr().unwrap()).unwrap();
    let far = TcpLink::accepted(listener.accept().unwrap().0).unwrap();
    until("tcp connect", || near.poll_connected().unwrap().then_some(()));
    (near, far)
}

fn tcp() -> Option<Ends> {
    let (near, far) = tcp_pair();
    Some((Box::new(near), Box::new(far)))
}

fn tcp_reversed() -> Option<Ends> {
    let (near, far) = tcp_pair();
    Some((Box::new(far), Box::new(near)))
}

fn mem_streams() -> Option<Ends> {
    let (a, b) = mem::streams(4096);
    Some((Box::new(a), Box::new(b)))
}

fn choppy_streams() -> Option<Ends> {
    let (a, b) = mem::streams(4096);
    Some((Box::new(Choppy::new(a, 11, 700, 100_000)), Box::new(Choppy::new(b, 12, 900, 100_000))))
}

fn tls() -> Option<Ends> {
    let (near, far) = tcp_pair();
    let (near, far) = tls_ends::joined(&tls_ends::Authority::new(), near, far);
    Some((Box::new(near), Box::new(far)))
}

fn tls_reversed() -> Option<Ends> {
    let (near, far) = tcp_pair();
    let (near, far) = tls_ends::joined(&tls_ends::Authority::new(), near, far);
    Some((Box::new(far), Box::new(near)))
}

/// An end past the kernel, and a kernel socket in another network namespace.
fn cabled_streams() -> Option<(Cabled<XdpTcp>, TcpLink)> {
    let cables = netns::Cables::lay(1)?;
    let listener = cables.far(|| TcpListener::bind((netns::far(0), 0))).unwrap();
    let config = XdpTcpConfig::new(QueueConfig::new("near0", 0), Ipv4Addr::new(10, 88, 0, 9), 24);
    let mut near = cables.near(|| XdpTcp::open(&config)).unwrap();
    near.start(listener.local_addr().unwrap()).unwrap();
    until("tcp connect past the kernel", || near.poll_connected().unwrap().then_some(()));
    let (far, from) = listener.accept().unwrap();
    assert_eq!(from, near.local_addr());
    Some((Cabled(near, cables), TcpLink::accepted(far).unwrap()))
}

fn xdp_tcp() -> Option<Ends> {
    let (near, far) = cabled_streams()?;
    Some((Box::new(near), Box::new(far)))
}

fn xdp_tcp_reversed() -> Option<Ends> {
    let (near, far) = cabled_streams()?;
    Some((Box::new(far), Box::new(near)))
}

fn each_stream(check: impl Fn(&str, Ends)) {
    let table: [(&str, OpenEnds); 8] = [
        ("tcp, started end", tcp),
        ("tcp, accepted end", tcp_reversed),
        ("mem", mem_streams),
        ("choppy over mem", choppy_streams),
        ("tls over tcp, client", tls),
        ("tls over tcp, server", tls_reversed),
        ("tcp by af_xdp", xdp_tcp),
        ("tcp to af_xdp", xdp_tcp_reversed),
    ];
    for (name, open) in table {
        if let Some(ends) = open() {
            check(name, ends);
        }
    }
}

/// Hands over all of `bytes`, with room on the other side.
fn send_all(name: &str, end: &mut dyn ByteStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let n = until(name, || Some(end.send(bytes).unwrap()).filter(|&n| n > 0));
        bytes = &bytes[n..];
    }
}

/// Reads up to the peer's close.
fn read_to_close(name: &str, end: &mut dyn ByteStream) -> Vec<u8> {
    let (mut got, mut buf) = (Vec::new(), [0; 1000]);
    loop {
        match until(name, || Some(end.recv(&mut buf).unwrap()).filter(|r| *r != Received::Nothing)) {
            Received::Data(n) => got.extend_from_slice(&buf[..n]),
            Received::Closed => return got,
            Received::Nothing => unreachable!("filtered above"),
        }
    }
}

#[test]
fn an_idle_stream_has_nothing_and_an_empty_buffer_is_refused() {
    each_stream(|name, (mut a, mut b)| {
        assert_eq!(a.recv(&mut [0; 8]).unwrap(), Received::Nothing, "{name}");
        assert_eq!(b.recv(&mut [0; 8]).unwrap(), Received::Nothing, "{name}");
        assert_eq!(a.send(&[]).unwrap(), 0, "{name}");
        assert_eq!(a.recv(&mut []).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
    });
}

#[test]
fn bytes_arrive_in_order_both_ways_at_once() {
    each_stream(|name, (mut a, mut b)| {
        let (there, back) = (pattern(100_000, 1), pattern(70_000, 2));
        let (mut sent, mut got) = ([0, 0], [Vec::new(), Vec::new()]);
        let mut buf = [0; 1500];
        until(name, || {
            sent[0] += a.send(&there[sent[0]..]).unwrap();
            sent[1] += b.send(&back[sent[1]..]).unwrap();
            for (end, got) in [&mut b, &mut a].into_iter().zip(&mut got) {
                if let Received::Data(n) = end.recv(&mut buf).unwrap() {
                    got.extend_from_slice(&buf[..n]);
                }
            }
            (got[0].len() == there.len() && got[1].len() == back.len()).then_some(())
        });
        assert_eq!(got, [there, back], "{name}");
    });
}

#[test]
fn a_full_stream_takes_no_more_and_loses_nothing() {
    each_stream(|name, (mut a, mut b)| {
        let block = pattern(65_536, 3);
        // Full is when nothing was taken many times in a row: a choppy end pauses, a socket buffer grows.
        let (mut sent, mut refusals) = (0usize, 0);
        while refusals < 1_000 {
            match a.send(&block[sent % block.len()..]).unwrap() {
                0 => refusals += 1,
                n => (sent, refusals) = (sent + n, 0),
            }
            assert!(sent < 1 << 30, "{name}: takes without end");
        }
        assert!(sent > 0, "{name}");
        // What an end keeps goes before it does, as there is room.
        let mut got = Vec::new();
        let mut buf = [0; 1000];
        until(name, || {
            let all = a.flush().unwrap();
            if !all && let Received::Data(n) = b.recv(&mut buf).unwrap() {
                got.extend_from_slice(&buf[..n]);
            }
            all.then_some(())
        });
        drop(a);
        got.append(&mut read_to_close(name, &mut *b));
        assert_eq!(got.len(), sent, "{name}");
        assert!(got.iter().enumerate().all(|(i, byte)| *byte == block[i % block.len()]), "{name}: altered");
    });
}

#[test]
fn a_close_comes_after_the_data_and_stays() {
    each_stream(|name, (mut a, mut b)| {
        send_all(name, &mut *a, b"the end");
        drop(a);
        assert_eq!(read_to_close(name, &mut *b), b"the end", "{name}");
        for _ in 0..3 {
            let again =
                until(name, || Some(b.recv(&mut [0; 8]).unwrap()).filter(|r| *r != Received::Nothing));
            assert_eq!(again, Received::Closed, "{name}");
        }
    });
}

#[test]
fn sending_to_a_peer_that_is_gone_fails() {
    each_stream(|name, (mut a, b)| {
        drop(b);
        // TCP takes bytes until the peer's reset is in.
        let error = until(name, || a.send(b"anyone?").err());
        let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{name}: {error}");
    });
}
