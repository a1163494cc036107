//! What a round trip past the kernel costs against one through it: two network namespaces on a cable (veth), both ends spinning, the ways in turns in one run.
//!
//! ```text
//!   cargo run --release -p net --example wire -- [round trips in a turn] [turns]      as root
//! ```
//!
//! | row | there and back |
//! |---|---|
//! | `udp socket` | a datagram by kernel sockets, on a cable without any program |
//! | `udp socket, program` | the same on the cable that has the redirect program |
//! | `af_xdp` | the same datagram by AF_XDP at both ends, headers and sums checked |
//! | `feed in, order out` | a datagram to a line, 49 bytes of TCP back: both by kernel sockets |
//! | `feed in, order out by af_xdp` | the same by `XdpLine` and `XdpTcp`; kernel sockets at the far end |
//!
//! With `CRITERION_HOME` the figures are kept there as those of the benchmarks are, for their table: `GROUP/ROLE/ROW/tails`, p50, p99, p99.9.
//!
//! A veth has no hardware: what is left out here of a real device's cost is the same for both ways, so on one the ratio is nearer to what the kernel's stack costs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is the result")]

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use net::line::Line;
use net::tcp::TcpLink;
use net::udp::{LineConfig, UdpLine};
use net::xdp::{FrameQueue, QueueConfig, XdpTcp, XdpTcpConfig};
use net::{ByteStream, Datagrams, Received};

#[path = "../tests/netns/mod.rs"]
mod netns;

use netns::{Cables, far, mac, near};

const PAYLOAD: usize = 64;
const ORDER: usize = 49;
const HEADERS: usize = 42;
const PORT: u16 = 26_001;
/// The address that the AF_XDP stack has beside the kernel's.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 88, 2, 9);

/// A frame from one end of cable `k` to the other.
fn frame(k: u8, from: u8, to: u8) -> [u8; HEADERS + PAYLOAD] {
    let mut f = [7; HEADERS + PAYLOAD];
    f[..6].copy_from_slice(&mac(k, to));
    f[6..12].copy_from_slice(&mac(k, from));
    let total = (20 + 8 + PAYLOAD) as u8;
    f[12..26].copy_from_slice(&[8, 0, 0x45, 0, 0, total, 0, 0, 0x40, 0, 64, 17, 0, 0]);
    f[26..30].copy_from_slice(&[10, 88, k, from]);
    f[30..34].copy_from_slice(&[10, 88, k, to]);
    let sum: u32 = f[14..34].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    f[24..26].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    let [high, low] = PORT.to_be_bytes();
    f[34..42].copy_from_slice(&[high, low, high, low, 0, 8 + PAYLOAD as u8, 0, 0]);
    f
}

/// Keeps this thread on one core, where there are two for the two ends.
fn pin(core: usize) {
    if std::thread::available_parallelism().is_ok_and(|n| n.get() > core) {
        // SAFETY: zeros are an empty set; the set is live for the call, and its size is given.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(core, &mut set);
            libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
        }
    }
}

/// Counts looks that found nothing, and now and then lets the rest of the host on: the kernel's own thread for packets may wait for this core, and a look
/// at a ring does not enter the kernel.
struct Idle {
    looks: u32,
    /// About 10 us of them.
    looks_max: u32,
}

impl Idle {
    /// Looks that enter the kernel.
    const SOCKET: Idle = Idle { looks: 0, looks_max: 20 };
    /// Looks at a ring.
    const RING: Idle = Idle { looks: 0, looks_max: 1_000 };
    /// Looks at a ring and at a stack.
    const STACK: Idle = Idle { looks: 0, looks_max: 100 };

    fn look(&mut self) {
        self.looks += 1;
        if self.looks >= self.looks_max {
            self.looks = 0;
            std::thread::yield_now();
        }
    }
}

/// The times of `trips` round trips in ns: `ask` here, `answer` on another core until it is over.
fn turn(trips: usize, mut ask: impl FnMut(), mut answer: impl FnMut() + Send) -> Vec<u64> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            while !is_over.load(Ordering::Relaxed) {
                answer();
            }
        });
        pin(0);
        let times = (0..trips)
            .map(|_| {
                let begun = Instant::now();
                ask();
                begun.elapsed().as_nanos() as u64
            })
            .collect();
        is_over.store(true, Ordering::Relaxed);
        times
    })
}

/// Two kernel sockets on cable `k`.
fn udp(cables: &Cables, k: u8, trips: usize) -> Vec<u64> {
    let open = |address: Ipv4Addr| {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        socket.set_nonblocking(true).expect("non-blocking");
        socket
    };
    let (here, there) = (cables.near(|| open(near(k))), cables.far(|| open(far(k))));
    here.connect(there.local_addr().expect("bound")).expect("connected");
    there.connect(here.local_addr().expect("bound")).expect("connected");
    let (mut buf, mut other) = ([0; 2_048], [0; 2_048]);
    let (mut idle, mut far_idle) = (Idle::SOCKET, Idle::SOCKET);
    turn(
        trips,
        || {
            here.send(&[7; PAYLOAD]).expect("sent");
            while here.recv(&mut buf).is_err() {
                idle.look();
            }
        },
        || match there.recv(&mut other) {
            Ok(n) => {
                there.send(&other[..n]).expect("sent");
            }
            Err(_) => far_idle.look(),
        },
    )
}

fn af_xdp(here: &mut FrameQueue, there: &mut FrameQueue, trips: usize) -> Vec<u64> {
    let (ping, pong) = (frame(0, 1, 2), frame(0, 2, 1));
    fn send(queue: &mut FrameQueue, bytes: &[u8]) {
        while queue.send(bytes.len(), |f| f.copy_from_slice(bytes)).is_none() {}
        queue.kick().expect("sent");
    }
    let (mut idle, mut far_idle) = (Idle::RING, Idle::RING);
    turn(
        trips,
        || {
            send(here, &ping);
            while here.recv_udp(|datagram| assert_eq!(datagram.payload.len(), PAYLOAD)).is_none() {
                idle.look();
            }
        },
        || match there.recv_udp(|datagram| assert_eq!(datagram.payload.len(), PAYLOAD)) {
            Some(_) => send(there, &pong),
            None => far_idle.look(),
        },
    )
}

/// A datagram to `line`, an order back by `orders`.
fn product(
    line: &mut (impl Datagrams + ?Sized),
    orders: &mut impl ByteStream,
    feed: &UdpSocket,
    venue: &mut (impl ByteStream + Send),
    mut idle: Idle,
    trips: usize,
) -> Vec<u64> {
    let (mut buf, mut got) = ([0; 2_048], [0; 2_048]);
    // The far end asks, so that what is measured is in to out of the near one.
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let far_end = scope.spawn(|| {
            pin(1);
            let mut far_idle = Idle::SOCKET;
            let ask = || {
                let begun = Instant::now();
                feed.send(&[7; PAYLOAD]).expect("sent");
                let mut heard = 0;
                while heard < ORDER {
                    match venue.recv(&mut got).expect("connected") {
                        Received::Data(n) => heard += n,
                        _ => far_idle.look(),
                    }
                }
                begun.elapsed().as_nanos() as u64
            };
            let times = std::iter::repeat_with(ask).take(trips).collect();
            is_over.store(true, Ordering::Relaxed);
            times
        });
        pin(0);
        while !is_over.load(Ordering::Relaxed) {
            if line.recv(&mut buf).expect("open").is_some() {
                assert_eq!(orders.send(&[9; ORDER]).expect("connected"), ORDER);
            } else {
                idle.look();
            }
            orders.recv(&mut buf).expect("connected");
        }
        far_end.join().expect("the far end")
    })
}

fn connected(mut poll: impl FnMut() -> std::io::Result<bool>) {
    while !poll().expect("a connection") {}
}

fn quantile(sorted: &[u64], q: f64) -> u64 {
    sorted[((sorted.len() - 1) as f64 * q) as usize]
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>().expect("a number"));
    let (trips, turns) = (arguments.next().unwrap_or(20_000), arguments.next().unwrap_or(10));
    let Some(cables) = Cables::lay(5) else { return };

    let to = |address| SocketAddrV4::new(address, PORT);
    let mut queues = [("near0", near(0)), ("far0", far(0))].map(|(name, address)| {
        let open = || FrameQueue::open(&QueueConfig::new(name, 0), 64).expect("a queue");
        let mut queue = if name == "near0" { cables.near(open) } else { cables.far(open) };
        queue.steer_udp(to(address)).expect("steered");
        queue
    });

    // Lines on cable 1 (past the kernel) and 3 (through it), orders on 2 and 4.
    let feed = |k: u8| {
        let socket = cables.far(|| UdpSocket::bind((far(k), 0))).expect("a socket");
        socket.connect(to(near(k))).expect("connected");
        socket
    };
    let venue = |k: u8| cables.far(|| TcpListener::bind((far(k), 0))).expect("a listener");
    let bypass = Some(QueueConfig::new("near1", 0));
    let mut past = cables
        .near(|| Line::open(&LineConfig { bypass, ..LineConfig::new(to(near(1)).into()) }))
        .expect("a line");
    assert!(matches!(past, Line::Xdp(_)), "{:?}", past.refusals());
    let mut through = cables.near(|| UdpLine::open(&LineConfig::new(to(near(3)).into()))).expect("a line");
    let (venues, feeds) = ([venue(2), venue(4)], [feed(1), feed(3)]);
    let host = XdpTcpConfig::new(QueueConfig::new("near2", 0), HOST, 24);
    let mut past_orders = cables.near(|| XdpTcp::open(&host)).expect("a stack");
    past_orders.start(venues[0].local_addr().expect("bound")).expect("begun");
    connected(|| past_orders.poll_connected());
    let mut through_orders =
        cables.near(|| TcpLink::start(venues[1].local_addr().expect("bound"))).expect("a socket");
    connected(|| through_orders.poll_connected());
    let mut accepted =
        venues.map(|v| TcpLink::accepted(v.accept().expect("a connection").0).expect("accepted"));

    const ROWS: [&str; 5] =
        ["udp socket", "udp socket, program", "af_xdp", "feed in, order out", "feed in, order out by af_xdp"];
    let mut times = ROWS.map(|_| Vec::new());
    let [here, there] = &mut queues;
    let [past_venue, through_venue] = &mut accepted;
    for _ in 0..turns {
        times[0].extend(udp(&cables, 3, trips));
        times[1].extend(udp(&cables, 0, trips));
        times[2].extend(af_xdp(here, there, trips));
        times[3].extend(product(
            &mut through,
            &mut through_orders,
            &feeds[1],
            through_venue,
            Idle::SOCKET,
            trips,
        ));
        times[4].extend(product(&mut past, &mut past_orders, &feeds[0], past_venue, Idle::STACK, trips));
    }
    println!("{} round trips each, in {turns} turns; ns", turns * trips);
    println!("{:<30} {:>9} {:>9} {:>9}", "", "min", "median", "p99");
    let summary = times.map(|mut t| {
        t.sort_unstable();
        [t[0], quantile(&t, 0.5), quantile(&t, 0.99), quantile(&t, 0.999)]
    });
    if let Some(home) = std::env::var_os("CRITERION_HOME") {
        let places = [
            ("xdp round trip", "peer"),
            ("xdp round trip", "peer"),
            ("xdp round trip", "ours"),
            ("xdp feed and order", "peer"),
            ("xdp feed and order", "ours"),
        ];
        for (((group, role), name), [_, p50, p99, p999]) in places.into_iter().zip(ROWS).zip(summary) {
            let folder = std::path::Path::new(&home).join(group).join(role).join(name);
            std::fs::create_dir_all(&folder).expect("a folder for the figures");
            let figures = format!("{p50} {p99} {p999} {} 0 1\n", turns * trips);
            std::fs::write(folder.join("tails"), figures).expect("room for a figure");
        }
    }
    for (name, [min, median, p99, _]) in ROWS.iter().zip(summary) {
        println!("{name:<30} {min:>9} {median:>9} {p99:>9}");
    }
    for (ours, floor) in [(2, 0), (2, 1), (4, 3)] {
        let ratio = |k: usize| summary[ours][k] as f64 / summary[floor][k] as f64;
        let names = format!("{} / {}", ROWS[ours], ROWS[floor]);
        println!("{names:<50} min {:.2}  median {:.2}  p99 {:.2}", ratio(0), ratio(1), ratio(2));
    }
}
