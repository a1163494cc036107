//! The venue on real sockets: one thread around [`Venue`], which does all the thinking.
//!
//! ```text
//!  loop: step(clock) -> send datagrams -> write clients -> park in poll until a socket, a stop, or the next thing due
//! ```
//!
//! The thread parks in the kernel whenever nothing is due, so that it leaves a small machine to those who work; poll's grain of a millisecond
//! makes a fast flow come in bursts of one millisecond. Datagrams that the kernel does not take are lost, as on a wire.
//!
//! Stamps are nanoseconds since midnight UTC of the day the venue started: the wall clock read once, the monotonic clock from then on, so that
//! they never run backwards and a run over midnight counts on beyond 24 hours.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};
use model::Nanos;
use socket2::{Domain, Protocol, Socket, Type};

use super::ExchangeError;
use super::accounts::AccountView;
use super::config::{AccountConfig, ExchangeConfig};
use super::desk::Host;
use super::fix::doors::TlsDoor;
use super::rest::RestConfig;
use super::rest::doors::Doors;
use super::rest::quota::QuotaCounts;
use super::venue::{ConnectionId, Venue, VenueCounts};
use crate::control::lines::LineServer;

const WAKE: Token = Token(0);
const REREQUEST: Token = Token(1);
/// Listener `n` has this token plus `n`.
const DOORS: usize = 2;
/// Behind all of them.
const CONTROL: Token = Token(CLIENTS - 1);
/// Connection `n` has this token plus `n`.
const CLIENTS: usize = 16;
/// More clients than this wait in the listener's queue.
const MAX_CLIENTS: usize = 256;
const NS_PER_DAY: u128 = 86_400_000_000_000;
/// How long a stop waits, beyond saying the end of the session, for clients that do not read their last messages and for delayed lines.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// How long a connection that the venue ended is kept for the client to read the last bytes and close in its turn. Closing at once with
/// bytes of the client unread would reset the connection, and the reset would overtake the last reports.
const LINGER: Duration = Duration::from_millis(500);

/// What a client that comes by a listener wants.
#[derive(Clone, Copy, Debug)]
enum Door {
    Orders(Host),
    Fix,
    Snapshots,
}

/// Counters of a running venue. Each is written by the venue's thread once a turn (`Relaxed`: they are read alone, for display).
#[derive(Debug, Default)]
pub struct Progress {
    /// ITCH messages published.
    pub messages: AtomicU64,
    /// Datagrams put on the lines.
    pub datagrams: AtomicU64,
    /// Background messages played.
    pub flow_messages: AtomicU64,
    /// Logins accepted.
    pub logins: AtomicU64,
    /// Orders accepted.
    pub accepted: AtomicU64,
    /// Fills.
    pub fills: AtomicU64,
    /// Re-requests answered.
    pub answers: AtomicU64,
    /// Snapshots made.
    pub snapshots: AtomicU64,
    /// The day is over (the flow ended, or a stop was asked for).
    pub closed: AtomicBool,
    /// The day is over and the end was said.
    pub finished: AtomicBool,
}

/// What a venue leaves behind.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The truth about each account, in the order of the configuration.
    pub accounts: Vec<AccountView>,
    /// What happened.
    pub counts: VenueCounts,
    /// Datagrams that the kernel did not take.
    pub send_failures: u64,
    /// What REST was asked, where it listened.
    pub rest: Option<QuotaCounts>,
}

/// A venue on its thread. Dropping it stops it and waits.
#[derive(Debug)]
pub struct Running {
    /// Where order entry listens.
    pub ouch: SocketAddr,
    /// Where its second host does.
    pub mirror: Option<SocketAddr>,
    /// Where FIX is spoken in the clear.
    pub fix: Option<SocketAddr>,
    /// Where it is over TLS.
    pub fix_tls: Option<SocketAddr>,
    /// Where the re-request server listens.
    pub rerequest: Option<SocketAddr>,
    /// Where the snapshot server listens.
    pub glimpse: Option<SocketAddr>,
    /// Where REST and WebSocket listen.
    pub rest: Option<SocketAddr>,
    progress: Arc<Progress>,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<Result<Outcome, ExchangeError>>>,
}

#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    waker: Waker,
}

impl Running {
    /// The counters so far.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Closes the day, waits until it was said to everyone (about the configured time), and gives the venue's truth.
    ///
    /// # Errors
    /// [`ExchangeError::System`] where polling failed, [`ExchangeError::Panicked`] where the thread did.
    pub fn stop(mut self) -> Result<Outcome, ExchangeError> {
        self.ask();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(ExchangeError::Panicked),
        }
    }

    fn ask(&self) {
        // Release pairs with the loop's acquire; the wake-up makes it look.
        self.stop.asked.store(true, Ordering::Release);
        // A failed wake-up only delays the stop until the next heartbeat.
        let _ = self.stop.waker.wake();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.ask();
            let _ = thread.join();
        }
    }
}

/// Starts a venue: binds its sockets, opens its flow and runs it on a thread of its own.
///
/// # Errors
/// [`ExchangeError`] in one sentence: a value not allowed, a file missing or no ITCH, a port in use.
pub fn spawn(config: ExchangeConfig) -> Result<Running, ExchangeError> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let midnight_ns = (unix.as_nanos() % NS_PER_DAY) as u64;
    let clock = Clock { start: Instant::now(), midnight_ns };
    let venue = config.resolve(unix.as_secs())?;

    let system = |what| move |source| ExchangeError::System { what, source };
    let poll = Poll::new().map_err(system("poll"))?;
    let waker = Waker::new(poll.registry(), WAKE).map_err(system("make a waker"))?;

    let on = |what, address| move |source| ExchangeError::Socket { what, address, source };
    let mut doors = Vec::new();
    let mut listen = |door, what, address: SocketAddr| -> Result<SocketAddr, ExchangeError> {
        let mut listener = TcpListener::bind(address).map_err(on(what, address))?;
        let at = listener.local_addr().map_err(system("name its listener"))?;
        poll.registry()
            .register(&mut listener, Token(DOORS + doors.len()), Interest::READABLE)
            .map_err(system("poll its listener"))?;
        doors.push((door, listener));
        Ok(at)
    };
    let ouch = listen(Door::Orders(Host::Primary), "order entry (ouch)", config.ouch)?;
    let mirror = config
        .mirror
        .map(|at| listen(Door::Orders(Host::Mirror), "order entry's second host (mirror)", at))
        .transpose()?;
    let fix_at = config.fix.as_ref().and_then(|fix| fix.listen);
    let fix = fix_at.map(|at| listen(Door::Fix, "FIX (fix.listen)", at)).transpose()?;
    let glimpse =
        config.glimpse.map(|at| listen(Door::Snapshots, "the snapshot server (glimpse)", at)).transpose()?;

    let mut requests = None;
    if let Some(address) = config.rerequest {
        let mut socket =
            UdpSocket::bind(address).map_err(on("the re-request server (rerequest)", address))?;
        poll.registry()
            .register(&mut socket, REREQUEST, Interest::READABLE)
            .map_err(system("poll its re-request socket"))?;
        requests = Some(socket);
    }
    let rerequest = requests.as_ref().and_then(|s| s.local_addr().ok());

    let mut control = None;
    if let Some(path) = &config.control {
        let bound = LineServer::bind(path.clone(), poll.registry(), CONTROL, Vec::new());
        control = Some(bound.map_err(|source| ExchangeError::Control { path: path.clone(), source })?);
    }

    let mut lines = Vec::new();
    for &address in &config.lines {
        let socket = sender(&config, address).map_err(on("a market data line (lines)", address))?;
        lines.push((socket, address));
    }

    let mut venue = Venue::new(venue, clock.now());
    let rest = match &config.rest {
        None => None,
        Some(rest) => Some(open_doors(&config, rest, &clock, unix, &mut venue)?),
    };
    let tls = match config.fix.as_ref().and_then(|fix| Some((fix.tls?, fix.ca_file.as_ref()?))) {
        None => None,
        Some((at, ca_file)) => {
            Some(TlsDoor::open(at, ca_file).map_err(on("FIX over TLS (fix.tls, fix.ca_file)", at))?)
        }
    };
    let fix_tls = tls.as_ref().and_then(|door| door.address().ok());
    let rest_address = rest.as_ref().and_then(|doors| doors.address().ok());

    let stop_patience = STOP_PATIENCE + Duration::from_millis(config.end_of_session_ms);
    let progress = Arc::new(Progress::default());
    let stop = Arc::new(Stop { asked: AtomicBool::new(false), waker });
    let server = Server {
        venue,
        clock,
        poll,
        doors,
        requests,
        rest,
        tls,
        control,
        lines,
        clients: BTreeMap::new(),
        asleep: BTreeSet::new(),
        lingering: BTreeMap::new(),
        stop_patience,
        send_failures: 0,
        progress: Arc::clone(&progress),
        stop: Arc::clone(&stop),
    };
    let thread = std::thread::Builder::new()
        .name(format!("{}-venue", config.name))
        .spawn(move || server.run())
        .map_err(system("start its thread"))?;
    let (rest, thread) = (rest_address, Some(thread));
    Ok(Running { ouch, mirror, fix, fix_tls, rerequest, glimpse, rest, progress, stop, thread })
}

fn open_doors(
    config: &ExchangeConfig,
    rest: &RestConfig,
    clock: &Clock,
    unix: Duration,
    venue: &mut Venue,
) -> Result<Doors, ExchangeError> {
    // Both faces number an account's orders, so one that speaks FIX has no name here.
    fn name(a: &AccountConfig) -> &str {
        if a.fix.is_some() { "\0" } else { &a.username }
    }
    let usernames: Vec<&str> = config.accounts.iter().map(name).collect();
    let clients = rest.clients(&usernames).map_err(|k| ExchangeError::Invalid {
        key: format!("rest.clients[{k}]"),
        value: rest.clients[k].account.clone(),
        allowed: "the username of an account that does not speak FIX, with an api_key or a client_id",
    })?;
    let midnight_ms = (unix.as_millis() as u64).saturating_sub(clock.midnight_ns / 1_000_000);
    let on = |source| ExchangeError::Socket {
        what: "the REST server (rest.listen)",
        address: rest.listen,
        source,
    };
    Doors::open(rest, clients, midnight_ms, venue, clock.now()).map_err(on)
}

/// A socket that sends one line: multicast stays on the interface's network and is looped back to receivers on this host.
fn sender(config: &ExchangeConfig, destination: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // A burst of a step should fit; the kernel clamps what it does not allow.
    socket.set_send_buffer_size(1 << 20)?;
    if destination.ip().is_multicast() {
        socket.set_multicast_if_v4(&config.interface)?;
        socket.set_multicast_loop_v4(true)?;
        socket.set_multicast_ttl_v4(1)?;
    }
    socket.bind(&SocketAddrV4::new(config.interface, 0).into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    start: Instant,
    midnight_ns: u64,
}

impl Clock {
    /// ns since midnight UTC of the day of the start.
    fn now(&self) -> u64 {
        self.midnight_ns + self.start.elapsed().as_nanos() as u64
    }
}

struct Server {
    venue: Venue,
    clock: Clock,
    poll: Poll,
    doors: Vec<(Door, TcpListener)>,
    requests: Option<UdpSocket>,
    rest: Option<Doors>,
    tls: Option<TlsDoor>,
    control: Option<LineServer>,
    lines: Vec<(std::net::UdpSocket, SocketAddr)>,
    clients: BTreeMap<ConnectionId, TcpStream>,
    /// Clients that had something to read while the venue read nothing of them.
    asleep: BTreeSet<ConnectionId>,
    lingering: BTreeMap<ConnectionId, (TcpStream, Instant)>,
    stop_patience: Duration,
    send_failures: u64,
    progress: Arc<Progress>,
    stop: Arc<Stop>,
}

impl Server {
    fn run(mut self) -> Result<Outcome, ExchangeError> {
        let failed = |source| ExchangeError::System { what: "poll", source };
        let mut events = Events::with_capacity(256);
        let mut asked_at: Option<Instant> = None;
        loop {
            self.turn();
            if self.stop.asked.load(Ordering::Acquire) {
                let since = *asked_at.get_or_insert_with(Instant::now);
                self.venue.close(self.clock.now());
                let said = self.venue.is_finished() && self.lingering.is_empty();
                if said || since.elapsed() > self.stop_patience {
                    break;
                }
            }
            let timeout = self.timeout(asked_at.is_some());
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(failed(e)),
                Err(_) | Ok(()) => {}
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    REREQUEST => self.answer(),
                    Token(n) if n < CLIENTS => self.accept(),
                    Token(n) => self.read((n - CLIENTS) as ConnectionId),
                }
            }
        }
        Ok(Outcome {
            accounts: self.venue.accounts(),
            counts: self.venue.counts(),
            send_failures: self.send_failures,
            rest: self.rest.as_ref().map(|doors| doors.desk().counts()),
        })
    }

    /// Until the next thing is due, rounded up to poll's grain; no longer than 10 ms while something is ending, which no event announces.
    fn timeout(&self, stopping: bool) -> Duration {
        let due = self.venue.next_due().saturating_sub(self.clock.now());
        let ending = self.venue.is_closed() && !self.venue.is_finished();
        let watching = stopping || ending || !self.lingering.is_empty();
        let longest = if watching { Duration::from_millis(10) } else { Duration::from_secs(1) };
        // Their sockets are not among those that wake the thread.
        let is_asked = self.control.as_ref().is_some_and(|control| control.clients() > 0);
        let is_polled = self.rest.is_some() || self.tls.is_some() || is_asked;
        let longest = if is_polled { longest.min(Duration::from_millis(1)) } else { longest };
        Duration::from_nanos(due).min(longest)
    }

    fn turn(&mut self) {
        self.venue.step(self.clock.now());
        let (asleep, awake) =
            std::mem::take(&mut self.asleep).into_iter().partition(|id| self.venue.is_deaf(*id));
        self.asleep = asleep;
        let awake: BTreeSet<ConnectionId> = awake;
        awake.into_iter().for_each(|id| self.read(id));
        if let Some(doors) = &mut self.rest {
            doors.turn(&mut self.venue, self.clock.now());
        }
        if let Some(door) = &mut self.tls {
            door.turn(&mut self.venue, self.clock.now());
        }
        if let Some(control) = &mut self.control {
            let now = self.clock.now();
            for heard in control.hear(Nanos(now)) {
                let mut answer = self.venue.on_control(now, &heard.line);
                if let Some(counts) = answer.get_mut("counts") {
                    counts["rest"] = self.rest.as_ref().map(|doors| doors.desk().counts().json()).into();
                }
                control.say(Nanos(now), heard.client, &answer);
            }
            control.flush();
        }
        while let Some((line, bytes)) = self.venue.poll_datagram() {
            let (socket, address) = &self.lines[line];
            if socket.send_to(&bytes, address).is_err() {
                self.send_failures += 1;
            }
        }
        self.write_clients();
        self.lingering.retain(|_, (_, since)| since.elapsed() < LINGER);
        let counts = self.venue.counts();
        let p = &self.progress;
        p.messages.store(counts.messages, Ordering::Relaxed);
        p.datagrams.store(counts.datagrams, Ordering::Relaxed);
        p.flow_messages.store(counts.flow.played, Ordering::Relaxed);
        p.logins.store(counts.logins, Ordering::Relaxed);
        p.accepted.store(counts.accepted, Ordering::Relaxed);
        p.fills.store(counts.fills, Ordering::Relaxed);
        p.answers.store(counts.answers, Ordering::Relaxed);
        p.snapshots.store(counts.snapshots.made, Ordering::Relaxed);
        p.closed.store(self.venue.is_closed(), Ordering::Relaxed);
        p.finished.store(self.venue.is_finished(), Ordering::Relaxed);
    }

    fn accept(&mut self) {
        for i in 0..self.doors.len() {
            self.accept_by(i);
        }
    }

    /// Takes in who waits at one listener.
    fn accept_by(&mut self, i: usize) {
        while self.clients.len() < MAX_CLIENTS {
            let (door, listener) = &self.doors[i];
            match listener.accept() {
                Ok((mut stream, _)) => {
                    // A report must not wait for a segment to fill up. Where that cannot be set it is only late.
                    let _ = stream.set_nodelay(true);
                    let now = self.clock.now();
                    let id = match *door {
                        Door::Snapshots => self.venue.connect_glimpse(now),
                        Door::Orders(host) => self.venue.connect_to(now, host),
                        Door::Fix => self.venue.connect_fix(now),
                    };
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    let token = Token(CLIENTS + id as usize);
                    if self.poll.registry().register(&mut stream, token, interest).is_ok() {
                        self.clients.insert(id, stream);
                    } else {
                        self.venue.disconnect(self.clock.now(), id);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Nobody else waits; or the process is out of descriptors, and the next event tries again.
                Err(_) => break,
            }
        }
    }

    fn answer(&mut self) {
        let Some(socket) = &self.requests else { return };
        let mut buffer = [0; 2048];
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            if let Some(bytes) = self.venue.on_request(&buffer[..n])
                && socket.send_to(&bytes, from).is_err()
            {
                self.send_failures += 1;
            }
        }
    }

    fn read(&mut self, id: ConnectionId) {
        let mut buffer = [0; 16 * 1024];
        while let Some(stream) = self.clients.get_mut(&id) {
            if self.venue.is_deaf(id) {
                // Its event will not come again.
                self.asleep.insert(id);
                return;
            }
            match stream.read(&mut buffer) {
                Ok(0) => self.drop_client(id),
                Ok(n) => self.venue.on_client_bytes(self.clock.now(), id, &buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.drop_client(id),
            }
        }
        while let Some((stream, _)) = self.lingering.get_mut(&id) {
            match stream.read(&mut buffer) {
                Ok(0) => drop(self.lingering.remove(&id)),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => drop(self.lingering.remove(&id)),
            }
        }
    }

    fn write_clients(&mut self) {
        let ids: Vec<ConnectionId> = self.clients.keys().copied().collect();
        for id in ids {
            while let Some(stream) = self.clients.get_mut(&id) {
                if self.venue.is_over(id) {
                    self.end_client(id);
                    break;
                }
                let output = self.venue.output(id);
                if output.is_empty() {
                    break;
                }
                match stream.write(output) {
                    Ok(n) => self.venue.written(id, n),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => self.drop_client(id),
                }
            }
        }
    }

    /// The venue has said its last: what is left to come is the client's own end.
    fn end_client(&mut self, id: ConnectionId) {
        if let Some(stream) = self.clients.remove(&id)
            && stream.shutdown(Shutdown::Write).is_ok()
        {
            self.lingering.insert(id, (stream, Instant::now()));
        }
        self.venue.disconnect(self.clock.now(), id);
        self.accept();
    }

    /// The client's end came, or the socket failed.
    fn drop_client(&mut self, id: ConnectionId) {
        self.clients.remove(&id);
        self.venue.disconnect(self.clock.now(), id);
        // There may be room again for a client that waits; its event came and went.
        self.accept();
    }
}
