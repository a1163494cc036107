//! A datagram in, an order out, over loopback, through the real core: sockets, agents, journal and all.
//!
//! ```text
//!   this thread:  due ---> UDP: one tick in its MoldUDP64 packet ---> the core ---> TCP: one OUCH order ---> seen here
//!                 |<--------------------------------- measured ----------------------------------------------->|
//! ```
//!
//! The floor is a thread in the core's place that does nothing: it answers each datagram with as many bytes as an order has. Both are asked by the same thread,
//! at the same times, through the same kernel. This thread never sleeps, so a host needs a core for it beside those that the topology takes; where
//! it has none, the row says what that costs (`core::Plan` then makes the core's threads sleep).

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};

use model::Nanos;

use super::Row;
use super::desk::{self, Taker};
use super::open_loop::Timed;
use super::rings::Far;
use crate::clock::Clock;
use crate::config::{Config, Secrets, Topology, parse_toml};
use crate::core::{self, Plan, Running};
use crate::exchange::entry::{Name, Report, Request, Terms};
use crate::exchange::message_log::MessageLog;
use crate::exchange::ouch;
use crate::exchange::soup::{Ask, Connection};
use crate::host;

/// Between two datagrams.
const EVERY: Nanos = Nanos(300_000);
/// Instruments that tick in turn.
const SYMBOLS: u16 = 64;
/// Orders one behind the other before anything is measured: the session stands, the books are whole, memory and branches are warm.
const WARM: usize = 200;
/// Silence after which it is given up.
const PATIENCE: Nanos = Nanos::from_millis(5_000);
const SESSION: &[u8; 10] = b"LATENCY001";
/// An OUCH 5.0 order without appendage, in its packet.
const ORDER_BYTES: usize = 3 + 47;

/// The floor, whose tail is a figure too, and both topologies beside it; the inline one also without the clock reads that time its own stages.
///
/// # Errors
/// A socket, a folder or a core that is not to be had; an order that did not come.
pub fn run(n: usize) -> Result<Vec<Row>, String> {
    let cores = host::available_core_count();
    if cores < 2 {
        return Ok(Vec::new());
    }
    let floor = bare(n)?;
    let mut rows = vec![Row::new("wire_floor", &floor, &floor)];
    for (name, topology, is_timed) in [
        ("wire_inline_untimed", Topology::Inline, false),
        ("wire_inline", Topology::Inline, true),
        ("wire_pipelined", Topology::Pipelined, true),
    ] {
        rows.push(Row::new(name, &through_core(n, topology, is_timed)?, &floor));
    }
    Ok(rows)
}

fn said(what: &str) -> impl FnOnce(std::io::Error) -> String {
    move |e| format!("{what}: {e}")
}

/// What hears the orders: the venue's end of a TCP connection.
trait Ear {
    /// Orders that have come since the last look.
    fn heard(&mut self, clock: &Clock) -> Result<usize, String>;
}

/// Sends each datagram when it is due and records its order when it is heard; the n-th order is the n-th datagram's.
fn ask(
    n: usize,
    mut send: impl FnMut(usize) -> Result<(), String>,
    ear: &mut impl Ear,
) -> Result<Timed, String> {
    let clock = Clock::new();
    let start = clock.now().after(EVERY);
    let due = |k: usize| Nanos(start.0 + k as u64 * EVERY.0);
    let (mut sent, mut heard) = (0, 0);
    let mut last = start;
    let mut timed = Timed::new();
    while heard < n {
        if sent < n && clock.now() >= due(sent) {
            send(sent)?;
            sent += 1;
        }
        let orders = ear.heard(&clock)?;
        let now = clock.now();
        for _ in 0..orders {
            if heard >= sent {
                return Err(format!("order {heard} came before its datagram"));
            }
            timed.record(now.since(due(heard)));
            heard += 1;
            last = now;
        }
        if now.since(last.max(due(sent.saturating_sub(1)))) > PATIENCE {
            return Err(format!("{sent} datagrams were sent and {heard} orders came"));
        }
    }
    Ok(timed)
}

/// A socket that sends to `port`.
fn sender(to: SocketAddr) -> Result<UdpSocket, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(said("a UDP socket"))?;
    socket.connect(to).map_err(said("a UDP socket"))?;
    Ok(socket)
}

/// Counts bytes, and nothing else.
struct Count {
    stream: TcpStream,
    bytes: usize,
}

impl Ear for Count {
    fn heard(&mut self, _: &Clock) -> Result<usize, String> {
        let mut room = [0; 4_096];
        match self.stream.read(&mut room) {
            Ok(0) => return Err("the floor's connection was closed".into()),
            Ok(n) => self.bytes += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e.to_string()),
        }
        let orders = self.bytes / ORDER_BYTES;
        self.bytes %= ORDER_BYTES;
        Ok(orders)
    }
}

/// The floor.
fn bare(n: usize) -> Result<Timed, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(said("a TCP port"))?;
    let to = listener.local_addr().map_err(said("a TCP port"))?;
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(said("a UDP port"))?;
    udp.set_nonblocking(true).map_err(said("a UDP port"))?;
    let feed = udp.local_addr().map_err(said("a UDP port"))?;
    let mut near = TcpStream::connect(to).map_err(said("loopback TCP"))?;
    let (far, _) = listener.accept().map_err(said("loopback TCP"))?;
    for stream in [&near, &far] {
        stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).map_err(said("loopback TCP"))?;
    }
    let mut room = [0; 2_048];
    let order = [7; ORDER_BYTES];
    let _answers = Far::start(move || {
        let came = udp.recv(&mut room).is_ok();
        // 50 bytes find room in a socket whose other end reads without a pause.
        came && near.write(&order).is_ok()
    });
    let udp = sender(feed)?;
    let mut ear = Count { stream: far, bytes: 0 };
    let send = |k: usize| {
        udp.send(&packet(&[desk::tick(k as u16 % SYMBOLS)], 1)).map(drop).map_err(|e| e.to_string())
    };
    ask(WARM, send, &mut ear)?;
    ask(n, send, &mut ear)
}

/// A MoldUDP64 packet of messages from number `first` on.
fn packet(messages: &[Vec<u8>], first: u64) -> Vec<u8> {
    let mut out = [&SESSION[..], &first.to_be_bytes(), &(messages.len() as u16).to_be_bytes()].concat();
    for message in messages {
        out.extend_from_slice(&(message.len() as u16).to_be_bytes());
        out.extend_from_slice(message);
    }
    out
}

/// The venue's end of order entry: takes every order, and it is dead at once, so nothing is open and nothing trades.
struct Port {
    listener: TcpListener,
    stream: Option<TcpStream>,
    connection: Connection,
    log: MessageLog,
    /// One above every number seen.
    next: u32,
}

impl Port {
    fn open() -> Result<Port, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(said("a TCP port"))?;
        listener.set_nonblocking(true).map_err(said("a TCP port"))?;
        Ok(Port {
            listener,
            stream: None,
            connection: Connection::new(0),
            log: MessageLog::default(),
            next: 1,
        })
    }

    fn say(&mut self, report: &Report) {
        if let Some(message) = ouch::encode(34_200_000_000_000, report) {
            self.log.push(&message);
        }
    }

    /// Answers what was asked; how many of it were orders.
    fn answer(&mut self, now: u64) -> usize {
        let mut orders = 0;
        while let Some(ask) = self.connection.next_ask() {
            match ask {
                Ask::Login(_) => self.connection.accept(now, 0, SESSION, self.log.next(), self.log.next()),
                Ask::Logout => self.connection.close(),
                Ask::Message(message) => match ouch::parse(&message) {
                    Some(Request::Enter(e)) => {
                        orders += 1;
                        self.next = self.next.max(e.number.saturating_add(1));
                        let terms = Terms {
                            side: e.side,
                            quantity: model::Qty(e.quantity),
                            symbol: e.symbol,
                            price: model::Px(e.price.cast_signed()),
                            tif: e.tif,
                            display: e.display,
                            order_ref: u64::from(e.number),
                            capacity: e.capacity,
                            iso: e.iso,
                            cross_type: e.cross_type,
                            is_dead: true,
                            clordid: e.clordid,
                            tags: e.tags,
                        };
                        self.say(&Report::Accepted { name: Name { idx: 0, number: e.number }, terms });
                    }
                    Some(Request::Query { .. }) => {
                        self.say(&Report::NextNumber { next: Name { idx: 0, number: self.next } });
                    }
                    _ => {}
                },
            }
        }
        orders
    }
}

impl Ear for Port {
    fn heard(&mut self, clock: &Clock) -> Result<usize, String> {
        let Some(stream) = &mut self.stream else {
            if let Ok((stream, _)) = self.listener.accept() {
                let set = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
                set.map_err(said("the core's connection"))?;
                self.stream = Some(stream);
                self.connection = Connection::new(clock.now().0);
            }
            return Ok(0);
        };
        let mut room = [0; 4_096];
        match stream.read(&mut room) {
            Ok(0) => self.connection.close(),
            Ok(n) => self.connection.receive(clock.now().0, &room[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                if self.connection.next_due() > clock.now().0 {
                    return Ok(0);
                }
            }
            Err(_) => self.connection.close(),
        }
        let now = clock.now().0;
        let orders = self.answer(now);
        self.connection.tick(now);
        self.connection.pump(now, &self.log, u64::MAX, false);
        if let Some(stream) = &mut self.stream {
            // What finds no room is written at the next look that has something to say; a core that reads leaves room.
            match stream.write(self.connection.output()) {
                Ok(n) => self.connection.written(n),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.connection.close(),
            }
        }
        if self.connection.is_over() {
            self.stream = None;
        }
        Ok(orders)
    }
}

/// A core, and what is to be gone with it.
struct Started {
    running: Option<Running<Taker>>,
    name: String,
    folder: PathBuf,
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.running.take().map(Running::end));
        core::leave_nothing(&self.name);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn start(
    topology: Topology,
    is_timed: bool,
    feed: SocketAddr,
    orders: SocketAddr,
) -> Result<Started, String> {
    let word = match topology {
        Topology::Inline => "inline",
        Topology::Pipelined => "pipelined",
    };
    let name = format!("latency-{word}-{}", std::process::id());
    let folder = std::env::temp_dir().join(&name);
    let mut text = format!(
        "name = {name:?}\njournal_dir = {:?}\ntopology = {word:?}\nidle = \"yield\"\n\
         [[feeds]]\nid = \"f\"\nprotocol = \"itch50\"\nlines = [\"{feed}\"]\n\
         [[gateways]]\nid = \"g\"\nprotocol = \"ouch50\"\nenvironment = \"test\"\naddress = \"{orders}\"\n\
         username = \"user01\"\npassword_env = \"COLO_LATENCY_PASSWORD\"\nfirm = \"FIRM\"\n\
         [strategy]\nname = \"taker\"\n\
         [risk]\nmax_order_quantity = 1000\nmax_order_notional_usd = 1000000\nmax_position = 1000000\nmax_open_orders = 1000\n\
         max_messages_per_second = 60000\nprice_collar_bps = 500\nmax_daily_loss_usd = 1000000\n\
         duplicate_window_ms = 0\n",
        folder.display().to_string(),
    );
    for i in &desk::instruments()[..usize::from(SYMBOLS)] {
        text.push_str(&format!(
            "[[instruments]]\nsymbol = \"{}\"\nfeed = \"f\"\ngateway = \"g\"\n",
            i.symbol
        ));
    }
    let file = Path::new("latency.toml");
    let written = parse_toml(&text, file).map_err(|e| e.to_string())?;
    let mut config = Config::resolve(written, file, Secrets::Skip).map_err(|e| e.to_string())?;
    config.gateways[0].account.password = "secret".into();
    if !is_timed {
        config.sample_every = 0;
    }
    let plan = Plan::new(&config, 1);
    let running = core::start(&config, &plan, Taker { beyond: 0 }).map_err(|e| e.to_string())?;
    Ok(Started { running: Some(running), name, folder })
}

fn through_core(n: usize, topology: Topology, is_timed: bool) -> Result<Timed, String> {
    let mut port = Port::open()?;
    let orders = port.listener.local_addr().map_err(said("a TCP port"))?;
    // A port that nobody has now; should somebody take it meanwhile, the core says so.
    let feed =
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|s| s.local_addr()).map_err(said("a UDP port"))?;
    let udp = sender(feed)?;
    let started = start(topology, is_timed, feed, orders)?;
    let clock = Clock::new();
    let mut seq = 1;
    let mut tell = |messages: &[Vec<u8>]| -> Result<(), String> {
        let bytes = packet(messages, seq);
        seq += messages.len() as u64;
        match udp.send(&bytes) {
            // What nobody listens to yet is lost, like the rest of a day that began before: the core starts with what it hears first.
            Ok(_) => Ok(()),
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(e) => Err(e.to_string()),
        }
    };
    // The session first: without one the strategy wants nothing. It stands when the query is answered, and then some.
    let began = clock.now();
    while port.log.next() == 1 {
        port.heard(&clock)?;
        if clock.now().since(began) > PATIENCE {
            return Err(format!("{}: no session within 5 s", started.name));
        }
    }
    let opening = desk::opening();
    for messages in opening[..usize::from(SYMBOLS) * desk::OPENING_EACH].chunks(16) {
        tell(messages)?;
    }
    let (mut warm, mut sent, mut due) = (0, 0usize, clock.now());
    while warm < WARM {
        if clock.now() >= due {
            tell(&[desk::tick(sent as u16 % SYMBOLS)])?;
            sent += 1;
            due = clock.now().after(Nanos(EVERY.0 * 2));
        }
        warm += port.heard(&clock)?;
        if clock.now().since(began) > Nanos(PATIENCE.0 * 2) {
            return Err(format!("{}: {sent} ticks and {warm} orders in 10 s", started.name));
        }
    }
    // Whatever is still on its way is none of ours.
    let quiet = clock.now().after(Nanos::from_millis(100));
    while clock.now() < quiet {
        port.heard(&clock)?;
    }
    ask(n, |k| tell(&[desk::tick((sent + k) as u16 % SYMBOLS)]), &mut port)
}
