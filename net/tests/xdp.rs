//! Lines and connections by AF_XDP over a cable between two network namespaces: what is heard, what is refused, what is left behind.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a skipped test says so, and a child speaks to its parent"
)]

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use net::line::Line;
use net::tcp::TcpLink;
use net::udp::{LineConfig, SenderConfig, UdpSender};
use net::xdp::{FrameQueue, Mode, QueueConfig, Rejected, XdpLine, XdpTcp, XdpTcpConfig};
use net::{ByteStream, DatagramSend, Datagrams, Received};

mod netns;

use netns::{Cables, far, near, shell};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 88, 0, 1);
const POLLS_MAX: u32 = 2_000_000;

fn config(address: Ipv4Addr, port: u16, mode: Mode) -> LineConfig {
    let bypass = Some(QueueConfig { mode, ..QueueConfig::new("near0", 0) });
    LineConfig { bypass, ..LineConfig::new((address, port).into()) }
}

fn open(cables: &Cables, config: &LineConfig) -> Box<XdpLine> {
    match cables.near(|| Line::open(config)).unwrap() {
        Line::Xdp(line) => line,
        other => panic!("not by AF_XDP: {:?}", other.refusals()),
    }
}

fn sender(cables: &Cables, to: SocketAddr) -> UdpSender {
    cables.far(|| UdpSender::open(&SenderConfig { interface: far(0), ..SenderConfig::new(to) })).unwrap()
}

fn next(line: &mut dyn Datagrams) -> Vec<u8> {
    let mut buf = [0; 9_000];
    let found = (0..POLLS_MAX).find_map(|_| {
        std::thread::yield_now();
        line.recv(&mut buf).unwrap()
    });
    buf[..found.expect("nothing came")].to_vec()
}

/// How often the interface says that it has a program.
fn programs(cables: &Cables) -> usize {
    cables.near(|| shell("ip link show near0")).unwrap().matches("xdp").count()
}

#[test]
fn a_group_is_heard_past_the_kernel_and_all_else_goes_on_to_it() {
    let Some(cables) = Cables::lay(1) else { return };
    let mut line = open(&cables, &config(GROUP, 26_001, Mode::Copy));
    let sender_to = |port| sender(&cables, (GROUP, port).into());
    let (mut ours, mut other) = (sender_to(26_001), sender_to(26_002));
    let same_port = cables.near(|| UdpSocket::bind((near(0), 26_001))).unwrap();
    let mut unicast = sender(&cables, (near(0), 26_001).into());
    for k in 0..500u32 {
        assert!(other.send(b"of another port").unwrap() && unicast.send(b"to the host itself").unwrap());
        assert!(ours.send(&k.to_be_bytes()).unwrap());
        assert_eq!(next(&mut *line), k.to_be_bytes());
    }
    assert_eq!(line.strays(), 0, "each of them by the ring");
    assert!(line.rejected().all(|(_, count)| count == 0), "the program has filtered");
    let mut buf = [0; 64];
    assert_eq!(same_port.recv(&mut buf).unwrap(), 18);
    assert_eq!(line.drop_count().unwrap().read().unwrap(), 0);
}

#[test]
fn what_the_program_leaves_to_the_kernel_is_heard_too() {
    let Some(cables) = Cables::lay(1) else { return };
    let mut line = open(&cables, &config(near(0), 26_003, Mode::Auto));
    assert!(line.refusals().iter().any(|r| r.option == "XDP_ZEROCOPY"), "{:?}", line.refusals());
    let mut sender = sender(&cables, line.local_addr());
    let long: Vec<u8> = (0..8_000).map(|k| (k * 7) as u8).collect();
    for k in 1..=20 {
        assert!(sender.send(&long).unwrap());
        assert_eq!(next(&mut *line), long, "put together from its fragments");
        assert!(sender.send(b"short").unwrap());
        assert_eq!(next(&mut *line), b"short");
        assert_eq!(line.strays(), k);
    }
}

#[test]
fn a_wanted_mode_that_the_device_has_not_is_said_and_the_next_best_taken() {
    let Some(cables) = Cables::lay(1) else { return };
    let mut line = open(&cables, &config(GROUP, 26_004, Mode::ZeroCopy));
    let said: Vec<String> = line.refusals().iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|s| s.starts_with("XDP_ZEROCOPY") && s.contains("os error 95")), "{said:?}");
    sender(&cables, line.local_addr()).send(b"word").unwrap();
    assert_eq!(next(&mut *line), b"word");
}

#[test]
fn a_line_that_cannot_have_its_queue_goes_by_the_kernel_and_says_why() {
    let Some(cables) = Cables::lay(1) else { return };
    let first = open(&cables, &config(GROUP, 26_005, Mode::Copy));
    let taken = config(near(0), 26_006, Mode::Copy);
    let elsewhere = |interface: &str, queue| {
        let bypass = Some(QueueConfig::new(interface, queue));
        LineConfig { bypass, ..LineConfig::new((near(0), 26_006).into()) }
    };
    for (config, why) in [
        (taken, "near0 queue 0"),
        (elsewhere("near0", 7), "near0 queue 7"),
        (elsewhere("nosuch0", 0), "nosuch0"),
    ] {
        let mut line = cables.near(|| Line::open(&config)).unwrap();
        assert!(matches!(line, Line::Udp(_)), "{why}");
        let said: Vec<String> = line.refusals().iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|s| s.starts_with("AF_XDP") && s.contains(why)), "{said:?}");
        sender(&cables, line.local_addr()).send(b"word").unwrap();
        assert_eq!(next(&mut line), b"word", "{why}");
    }
    drop(first);
}

#[test]
fn a_foreign_source_is_not_heard() {
    let Some(cables) = Cables::lay(1) else { return };
    let source = Some(Ipv4Addr::new(10, 88, 0, 3));
    let mut line = open(&cables, &LineConfig { source, ..config(GROUP, 26_007, Mode::Copy) });
    cables.far(|| shell("ip addr add 10.88.0.3/24 dev far0")).unwrap();
    sender(&cables, line.local_addr()).send(b"false").unwrap();
    let right =
        SenderConfig { interface: Ipv4Addr::new(10, 88, 0, 3), ..SenderConfig::new(line.local_addr()) };
    cables.far(|| UdpSender::open(&right)).unwrap().send(b"right").unwrap();
    assert_eq!(next(&mut *line), b"right");
    assert!(line.rejected().any(|r| r == (Rejected::Source, 1)));
}

#[test]
fn what_one_queue_hears_no_other_takes_over() {
    let Some(cables) = Cables::lay(2) else { return };
    let on = |queue| {
        let bypass = Some(QueueConfig { mode: Mode::Copy, ..QueueConfig::new("near0", queue) });
        LineConfig { bypass, ..config(GROUP, 26_009, Mode::Copy) }
    };
    let mut first = open(&cables, &on(0));
    let second = cables.near(|| Line::open(&on(1))).unwrap();
    let said: Vec<String> = second.refusals().iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|s| s.contains("26009") && s.contains("another socket")), "{said:?}");
    drop(second);
    sender(&cables, first.local_addr()).send(b"word").unwrap();
    assert_eq!((&next(&mut *first)[..], first.strays()), (&b"word"[..], 0));
}

#[test]
fn the_program_goes_with_the_last_line() {
    let Some(cables) = Cables::lay(1) else { return };
    assert_eq!(programs(&cables), 0);
    let mut line = open(&cables, &config(GROUP, 26_008, Mode::Copy));
    assert!(programs(&cables) > 0);
    let drops = line.drop_count().unwrap();
    drop(line);
    assert_eq!(programs(&cables), 0);
    drop(drops);
    // The queue comes back some time later: opening waits for that.
    line = open(&cables, &config(GROUP, 26_008, Mode::Copy));
    sender(&cables, line.local_addr()).send(b"word").unwrap();
    assert_eq!(next(&mut *line), b"word");
    assert_eq!(line.strays(), 0);
}

const HOST: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 9);

fn host() -> XdpTcpConfig {
    XdpTcpConfig::new(QueueConfig::new("near0", 0), HOST, 24)
}

/// What polling for the connection ends in.
fn outcome(link: &mut XdpTcp) -> io::Result<()> {
    let end = (0..POLLS_MAX).find_map(|_| {
        std::thread::yield_now();
        link.poll_connected().map(|connected| connected.then_some(())).transpose()
    });
    end.expect("neither connected nor failed")
}

fn until_received(link: &mut impl ByteStream, buf: &mut [u8]) -> Received {
    let heard = |link: &mut dyn ByteStream, buf: &mut [u8]| {
        Some(link.recv(buf).unwrap()).filter(|r| *r != Received::Nothing)
    };
    (0..POLLS_MAX).find_map(|_| heard(link, buf)).expect("nothing came")
}

#[test]
fn a_connection_that_ended_is_started_anew_by_the_queue_that_it_has() {
    let Some(cables) = Cables::lay(1) else { return };
    let listener = cables.far(|| TcpListener::bind((far(0), 0))).unwrap();
    let mut link = cables.near(|| XdpTcp::open(&host())).unwrap();
    link.start(listener.local_addr().unwrap()).unwrap();
    let mut ports = Vec::new();
    for round in 0..5u8 {
        assert_eq!(link.send(b"early").unwrap(), 0, "nothing flows before the connection is polled");
        outcome(&mut link).unwrap();
        let (stream, from) = listener.accept().unwrap();
        assert_eq!((from.ip(), from), (HOST.into(), link.local_addr()));
        ports.push(from.port());
        let mut end = TcpLink::accepted(stream).unwrap();
        let mut buf = [0; 64];
        assert_eq!(link.send(&[round; 9]).unwrap(), 9);
        assert_eq!(until_received(&mut end, &mut buf), Received::Data(9));
        assert_eq!(buf[..9], [round; 9]);
        assert_eq!(end.send(b"report").unwrap(), 6);
        assert_eq!(until_received(&mut link, &mut buf), Received::Data(6));
        if round % 2 == 0 {
            drop(end);
            assert_eq!(until_received(&mut link, &mut buf), Received::Closed);
            link.start(listener.local_addr().unwrap()).unwrap();
        } else {
            link.start(listener.local_addr().unwrap()).unwrap();
            assert_eq!(until_received(&mut end, &mut buf), Received::Closed, "we have said goodbye");
        }
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 5, "a port of its own each time");
}

#[test]
fn a_refusal_names_the_address_and_stays_until_the_next_start() {
    let Some(cables) = Cables::lay(1) else { return };
    let free = cables.far(|| TcpListener::bind((far(0), 0))).unwrap().local_addr().unwrap();
    let mut link = cables.near(|| XdpTcp::open(&host())).unwrap();
    link.start(free).unwrap();
    let first = outcome(&mut link).unwrap_err();
    assert_eq!(first.kind(), io::ErrorKind::ConnectionRefused);
    assert!(first.to_string().contains(&free.to_string()), "{first}");
    assert_eq!(link.poll_connected().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    let _listener = cables.far(|| TcpListener::bind(free)).unwrap();
    link.start(free).unwrap();
    outcome(&mut link).unwrap();
}

#[test]
fn a_queue_that_was_just_given_back_is_waited_for() {
    let Some(cables) = Cables::lay(1) else { return };
    let listener = cables.far(|| TcpListener::bind((far(0), 0))).unwrap();
    let line = open(&cables, &config(GROUP, 26_010, Mode::Copy));
    let error = cables.near(|| FrameQueue::open(&host().queue, 0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy, "{error}");
    drop(line);
    let mut link = cables.near(|| XdpTcp::open(&host())).unwrap();
    link.start(listener.local_addr().unwrap()).unwrap();
    outcome(&mut link).unwrap();
}

#[test]
fn an_address_that_the_kernel_has_is_refused() {
    let Some(cables) = Cables::lay(1) else { return };
    let kernels = XdpTcpConfig { address: near(0), ..host() };
    let error = cables.near(|| XdpTcp::open(&kernels)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains("10.88.0.1"), "{error}");
}

/// Set in the child that is killed.
const CHILD: &str = "COLO_TEST_XDP_CHILD";

/// Without [`CHILD`] this is no child, and nothing happens.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let line = Line::open(&config(GROUP, 26_009, Mode::Copy)).unwrap();
    println!("\nby af_xdp: {}", matches!(line, Line::Xdp(_)));
    io::stdin().lines().for_each(drop);
}

fn start_child(cables: &Cables) -> Child {
    let binary = std::env::current_exe().unwrap();
    let mut command = Command::new(binary);
    command.args(["--exact", "child", "--nocapture"]).env(CHILD, "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = cables.near(|| command.spawn()).unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.find(|l| l.starts_with("by af_xdp")).as_deref(), Some("by af_xdp: true"));
    child
}

#[test]
fn sigkill_leaves_nothing_attached() {
    let Some(cables) = Cables::lay(1) else { return };
    for _ in 0..2 {
        // The second takes the queue behind the first, which the kernel may not have given back yet.
        let mut child = start_child(&cables);
        assert!(programs(&cables) > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = (0..10_000).any(|_| programs(&cables) == 0);
        assert!(gone, "the program outlives the process");
    }
}
