//! What carries the core's streams and datagrams in memory: the ends that its agents hold. The world moves what lies in them, and decides what becomes of it.
//!
//! A connection is dialled by a trait that has no place for where it goes ([`Dial`], [`Connect`]), so a call is left in a place of the thread's own, where the
//! world that runs on this thread finds it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use net::{ByteStream, DatagramSend, Datagrams, Received};

use crate::agents::{Connect, FeedLine, RequestServer, Ways};
use crate::config;
use crate::order_protocol::Dial;

/// How a connection stands, as its network has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Dialled, and not answered.
    Calling,
    /// Nobody is there.
    Refused,
    /// Both ways.
    Up,
    /// The venue has ended its side: what it said before can still be read.
    Ended,
    /// Broken.
    Cut,
}

/// One connection, between the agent and the network.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) to: SocketAddr,
    pub(super) state: State,
    /// The agent has let go of it.
    pub(super) is_dropped: bool,
    /// Left the agent, and not yet on its way.
    pub(super) up: VecDeque<u8>,
    /// Arrived, and not read.
    pub(super) down: VecDeque<u8>,
    /// Bytes that the agent had to send, and could not, when it last tried.
    pub(super) left_over: usize,
}

/// Bytes of `up` that the host takes before the agent has to wait.
const SEND_BUFFER: usize = 4_096;

type Shared<T> = Arc<Mutex<T>>;

/// Both ends are on one thread, so nobody ever holds it when another panics.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static CALLS: RefCell<VecDeque<Shared<Wire>>> = const { RefCell::new(VecDeque::new()) };
}

/// The next call of an agent of this thread that was not taken yet.
pub(super) fn next_call() -> Option<Shared<Wire>> {
    CALLS.with_borrow_mut(VecDeque::pop_front)
}

/// An agent's end of a connection.
#[derive(Debug)]
pub(super) struct SimLink(Shared<Wire>);

impl SimLink {
    fn call(to: SocketAddr) -> SimLink {
        let wire = Wire {
            to,
            state: State::Calling,
            is_dropped: false,
            up: VecDeque::new(),
            down: VecDeque::new(),
            left_over: 0,
        };
        let wire = Arc::new(Mutex::new(wire));
        CALLS.with_borrow_mut(|calls| calls.push_back(Arc::clone(&wire)));
        SimLink(wire)
    }

    fn is_connected(&self) -> io::Result<bool> {
        match lock(&self.0).state {
            State::Calling => Ok(false),
            State::Up | State::Ended => Ok(true),
            State::Refused | State::Cut => Err(ErrorKind::ConnectionRefused.into()),
        }
    }
}

impl Dial for SimLink {
    fn start(to: &config::Gateway, _: &mut Option<SimLink>) -> io::Result<SimLink> {
        Ok(SimLink::call(to.account.address))
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        self.is_connected()
    }
}

impl Connect for SimLink {
    fn start(to: SocketAddr) -> io::Result<SimLink> {
        Ok(SimLink::call(to))
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        self.is_connected()
    }
}

impl ByteStream for SimLink {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        let mut w = lock(&self.0);
        if !matches!(w.state, State::Up | State::Ended) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let n = w.down.len().min(buf.len());
        if n == 0 {
            return Ok(if w.state == State::Ended { Received::Closed } else { Received::Nothing });
        }
        take(&mut w.down, &mut buf[..n]);
        Ok(Received::Data(n))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut w = lock(&self.0);
        if w.state != State::Up {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let n = bytes.len().min(SEND_BUFFER.saturating_sub(w.up.len()));
        w.up.extend(&bytes[..n]);
        w.left_over = bytes.len() - n;
        Ok(n)
    }
}

impl Drop for SimLink {
    fn drop(&mut self) {
        lock(&self.0).is_dropped = true;
    }
}

/// Moves the first bytes of a queue, as many as `to` takes.
fn take(from: &mut VecDeque<u8>, to: &mut [u8]) {
    let (a, b) = from.as_slices();
    let first = a.len().min(to.len());
    to[..first].copy_from_slice(&a[..first]);
    let rest = to.len() - first;
    to[first..].copy_from_slice(&b[..rest]);
    from.drain(..first + rest);
}

/// What lies in a socket's receive buffer.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    datagrams: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Behind the last message of the stream that was read out of it.
    pub(super) shown: u64,
}

impl Buffer {
    /// A datagram has arrived; whether there was room.
    pub(super) fn arrive(&mut self, bytes: Vec<u8>, bytes_max: usize) -> bool {
        let fits = self.bytes + bytes.len() <= bytes_max;
        if fits {
            self.bytes += bytes.len();
            self.datagrams.push_back(bytes);
        }
        fits
    }

    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    fn read(&mut self, buf: &mut [u8]) -> Option<usize> {
        let bytes = self.datagrams.pop_front()?;
        self.bytes -= bytes.len();
        self.shown = self.shown.max(range(&bytes).1);
        buf[..bytes.len()].copy_from_slice(&bytes);
        Some(bytes.len())
    }
}

/// The messages of a MoldUDP64 packet, first and behind the last; read by hand.
pub(super) fn range(packet: &[u8]) -> (u64, u64) {
    let int = |from: usize, n: usize| packet[from..from + n].iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
    match (int(10, 8), int(18, 2)) {
        // The end of the session.
        (first, 0xFFFF) => (first, first),
        (first, count) => (first, first + count),
    }
}

/// An agent's end of a line.
#[derive(Debug)]
pub(super) struct SimLine(pub(super) Shared<Buffer>);

impl Datagrams for SimLine {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(lock(&self.0).read(buf))
    }
}

impl FeedLine for SimLine {}

/// An agent's end of a re-request server: its questions, and the answers.
#[derive(Debug)]
pub(super) struct SimServer {
    pub(super) asked: Shared<VecDeque<Vec<u8>>>,
    pub(super) answers: Shared<Buffer>,
}

impl Datagrams for SimServer {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(lock(&self.answers).read(buf))
    }
}

impl DatagramSend for SimServer {
    fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        lock(&self.asked).push_back(bytes.to_vec());
        Ok(true)
    }
}

impl RequestServer for SimServer {}

/// All of it in memory.
pub(super) struct InMemory;

impl Ways for InMemory {
    type Line = SimLine;
    type Server = SimServer;
    type Snapshot = SimLink;
}
