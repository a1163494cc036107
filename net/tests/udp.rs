//! What UDP sockets do beyond the common contract: counts, refusals, joins.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use net::udp::{LineConfig, SenderConfig, Stamps, UdpLine, UdpRequest, UdpSender};
use net::{DatagramSend, Datagrams};

const POLLS_MAX: u32 = 2_000_000;

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn pair(config: &LineConfig) -> (UdpSender, UdpLine) {
    let line = UdpLine::open(config).unwrap();
    let sender = UdpSender::open(&SenderConfig::new(line.local_addr())).unwrap();
    (sender, line)
}

/// Asks again and again until something is there.
fn next(line: &mut UdpLine, buf: &mut [u8]) -> Vec<u8> {
    let n = (0..POLLS_MAX).find_map(|_| line.recv(buf).unwrap()).expect("a datagram");
    buf[..n].to_vec()
}

#[test]
fn an_over_long_datagram_is_dropped_whole_and_counted() {
    let (mut tx, mut line) = pair(&LineConfig::new(any_port()));
    for bytes in [&[1u8; 16][..], &[2; 17], &[3; 4]] {
        assert!(tx.send(bytes).unwrap());
    }
    let mut buf = [0; 16];
    assert_eq!([next(&mut line, &mut buf), next(&mut line, &mut buf)], [vec![1; 16], vec![3; 4]]);
    assert_eq!(line.oversize(), 1);
}

#[test]
fn a_line_moves_to_another_thread() {
    let (mut tx, mut line) = pair(&LineConfig::new(any_port()));
    assert!(tx.send(b"over there").unwrap());
    let got = std::thread::spawn(move || next(&mut line, &mut [0; 64]));
    assert_eq!(got.join().unwrap(), b"over there");
}

#[test]
fn the_kernels_drops_are_counted() {
    let (mut tx, mut line) = pair(&LineConfig { receive_buffer: 4096, ..LineConfig::new(any_port()) });
    match line.kernel_drops() {
        Ok(n) => assert_eq!(n, 0),
        Err(e) if e.kind() == io::ErrorKind::Unsupported => return eprintln!("skipped: {e}"),
        Err(e) => panic!("{e}"),
    }
    let sent = 500;
    for _ in 0..sent {
        assert!(tx.send(&[7; 1000]).unwrap());
    }
    let (mut got, mut buf) = (0, [0; 1500]);
    while line.recv(&mut buf).unwrap().is_some() {
        got += 1;
    }
    assert!(got < sent, "the buffer of 4 KiB held {got} KB");
    assert_eq!(line.kernel_drops().unwrap(), sent - got, "every datagram is either received or counted");
    let count = line.drop_count().unwrap();
    assert_eq!(std::thread::spawn(move || count.read().unwrap()).join().unwrap(), sent - got);
}

#[test]
fn the_granted_buffer_is_readable_and_less_than_asked_is_a_refusal() {
    let small = UdpLine::open(&LineConfig { receive_buffer: 65_536, ..LineConfig::new(any_port()) }).unwrap();
    assert_eq!(small.receive_buffer(), 65_536);
    assert!(small.refusals().is_empty(), "{:?}", small.refusals());

    let asked = 1 << 30;
    let large = UdpLine::open(&LineConfig { receive_buffer: asked, ..LineConfig::new(any_port()) }).unwrap();
    let refused = large.refusals().iter().any(|r| r.option == "SO_RCVBUF");
    assert_eq!(refused, large.receive_buffer() < asked, "{} of {asked} bytes", large.receive_buffer());
    for refusal in large.refusals() {
        let said = refusal.to_string();
        assert!(said.starts_with("SO_RCVBUF: asked for 1073741824 bytes, granted "), "{said}");
    }
}

#[test]
fn busy_polling_is_granted_or_a_refusal_and_never_an_error() {
    let line = UdpLine::open(&LineConfig { busy_poll_us: Some(50), ..LineConfig::new(any_port()) }).unwrap();
    for refusal in line.refusals() {
        assert!(["SO_BUSY_POLL", "SO_PREFER_BUSY_POLL"].contains(&refusal.option), "{refusal:?}");
    }
}

#[test]
fn a_unicast_port_cannot_be_stolen() {
    let line = UdpLine::open(&LineConfig::new(any_port())).unwrap();
    let error = UdpLine::open(&LineConfig::new(line.local_addr())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&line.local_addr().to_string()), "{error}");
}

#[test]
fn groups_on_one_port_do_not_mix_and_two_lines_share_one() {
    let open = |group: Ipv4Addr, port| {
        UdpLine::open(&LineConfig { interface: Ipv4Addr::LOCALHOST, ..LineConfig::new((group, port).into()) })
    };
    let (one, other) = (Ipv4Addr::new(239, 255, 77, 2), Ipv4Addr::new(239, 255, 77, 3));
    let Ok(mut first) = open(one, 0) else {
        return eprintln!("skipped: no multicast on this host's loopback interface");
    };
    let port = first.local_addr().port();
    let mut second = open(one, port).unwrap();
    let mut elsewhere = open(other, port).unwrap();
    let to = |group: Ipv4Addr| {
        let to = SenderConfig::new((group, port).into());
        UdpSender::open(&SenderConfig { interface: Ipv4Addr::LOCALHOST, ..to }).unwrap()
    };
    let mut buf = [0; 16];
    to(one).send(b"one").unwrap();
    let mut heard = |line: &mut UdpLine| (0..10_000).find_map(|_| line.recv(&mut buf).unwrap());
    if heard(&mut first).is_none() {
        return eprintln!("skipped: multicast is not delivered on this host's loopback interface");
    }
    assert_eq!(heard(&mut second), Some(3), "both lines of a host hear the group");
    to(other).send(b"other").unwrap();
    assert_eq!(heard(&mut elsewhere), Some(5), "and `one` has not come here");
    assert_eq!(heard(&mut first), None);
}

#[test]
fn an_ipv6_group_and_a_foreign_interface_are_clear_errors() {
    let error = UdpLine::open(&LineConfig::new("[ff02::1]:9000".parse().unwrap())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    // TEST-NET-3: no interface of ours.
    let foreign = Ipv4Addr::new(203, 0, 113, 9);
    let group: SocketAddr = "239.255.77.4:0".parse().unwrap();
    let error = UdpLine::open(&LineConfig { interface: foreign, ..LineConfig::new(group) }).unwrap_err();
    assert!(error.to_string().contains("203.0.113.9"), "{error}");
}

#[test]
fn a_request_socket_hears_its_peer_only_and_counts_refusals() {
    let server = std::net::UdpSocket::bind(any_port()).unwrap();
    let mut request = UdpRequest::open(server.local_addr().unwrap()).unwrap();
    assert!(request.send(b"again, please").unwrap());
    let mut buf = [0; 64];
    let (n, from) = server.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..n], b"again, please");

    let stranger = std::net::UdpSocket::bind(any_port()).unwrap();
    stranger.send_to(b"trust me", from).unwrap();
    server.send_to(b"here", from).unwrap();
    let n = (0..POLLS_MAX).find_map(|_| request.recv(&mut buf).unwrap()).expect("the answer");
    assert_eq!(&buf[..n], b"here");
    assert_eq!(request.recv(&mut buf).unwrap(), None, "and nothing from the stranger");

    drop(server);
    for _ in 0..1_000 {
        let _ = request.send(b"anyone?").expect("a server that is down is no error");
        if request.refused() > 0 {
            break;
        }
    }
    assert!(request.refused() > 0, "loopback says that nobody listens");
}

/// ns since the Unix epoch.
fn wall() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

#[test]
fn a_stamp_lies_between_sending_and_receiving() {
    for stamps in [Stamps::Software, Stamps::Hardware] {
        let (mut tx, mut line) = pair(&LineConfig { stamps, ..LineConfig::new(any_port()) });
        assert_eq!((line.refusals().len(), line.stamp()), (0, None));
        // The kernel begins to stamp some time after it was first asked to.
        let between = (0..100_000).find_map(|_| {
            let sent = wall();
            assert!(tx.send(b"when?").unwrap());
            assert_eq!(next(&mut line, &mut [0; 16]), b"when?");
            line.stamp().map(|stamp| (sent, stamp, wall()))
        });
        let (sent, stamp, received) = between.expect("a stamp");
        assert!(sent <= stamp.ns && stamp.ns <= received, "{sent} {stamp:?} {received}");
        assert!(!stamp.is_of_device, "loopback has no device");
        // A stamped line keeps the rest of the contract.
        assert!(tx.send(&[1; 40]).unwrap() && tx.send(b"fits").unwrap());
        assert_eq!(next(&mut line, &mut [0; 16]), b"fits");
        assert_eq!((line.oversize(), line.recv(&mut [0; 16]).unwrap()), (1, None));
    }
    let (mut tx, mut line) = pair(&LineConfig::new(any_port()));
    assert!(tx.send(b"when?").unwrap());
    next(&mut line, &mut [0; 16]);
    assert_eq!(line.stamp(), None, "nobody asked");
}

#[test]
fn the_cpu_that_packets_are_for_is_set_or_said() {
    let config = LineConfig { incoming_cpu: Some(0), ..LineConfig::new(any_port()) };
    let (mut tx, mut line) = pair(&config);
    assert!(line.refusals().is_empty(), "{:?}", line.refusals());
    assert!(tx.send(b"here").unwrap());
    assert_eq!(next(&mut line, &mut [0; 16]), b"here");
}
