//! A TCP connection past the kernel: smoltcp over a queue of an interface.
//!
//! ```text
//!  start ──► opening ──the queue is ours──► connecting ──poll_connected──► connected ──recv: Closed / Err──► restart
//!               │ taken: tried again               │                                                          (keeps the queue)
//!               └────────────► failed ◄────────────┘
//! ```
//!
//! * A queue that was given back is not free at once (see [`is_busy`]), so a connection that ended is not dropped but started anew: [`XdpTcp::restart`].
//! * No Nagle, acknowledgements at once, as [`TcpLink`](crate::tcp::TcpLink). Data that has come is handed over before it is acknowledged: the acknowledgement is a system call in copy mode.
//! * What is lost on the wire is sent again after a second at the earliest (RFC 6298; Linux: 200 ms).
//! * The kernel does not know of the connection. **A process that is killed sends no reset**: the peer learns of it when its heartbeats stay unanswered, and a venue
//!   that cancels on disconnect cancels that much later. [`Drop`] does say goodbye.
//! * Behind a router one segment a minute waits for an answer to ARP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use smoltcp::socket::tcp::{RecvError, State};

use super::QueueConfig;
use super::queue::is_busy;
use super::stack::Stack;
use crate::udp::Refusal;
use crate::{ByteStream, Received, context, empty_buffer};

/// The first wait for a queue that is taken; doubled each time up to [`BUSY_WAIT_MAX`].
const BUSY_WAIT: Duration = Duration::from_millis(10);
const BUSY_WAIT_MAX: Duration = Duration::from_millis(250);
/// How long it is waited for in all; the kernel takes a queue back up to two seconds after its last owner closed it.
const BUSY_MAX: Duration = Duration::from_secs(3);
/// Polls that find nothing between two looks at what is due by time: 32 of them are some microseconds, and nothing is due sooner.
const IDLE: u32 = 32;
/// Reads that bring something, after which what is to be acknowledged goes all the same.
const UNACKNOWLEDGED_READS: u32 = 8;

/// By which queue, and as who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdpTcpConfig {
    /// The queue; for this connection alone.
    pub queue: QueueConfig,
    /// The local address. The kernel must not have it.
    pub address: Ipv4Addr,
    /// Bits of it that name the network, 0 to 32: what is in it is reached directly.
    pub prefix: u8,
    /// The router to everything else.
    pub router: Option<Ipv4Addr>,
    /// Silence after which the peer is probed.
    pub keepalive: Duration,
    /// How long sent bytes may stay unacknowledged before the connection fails.
    pub unacknowledged_max: Duration,
}

impl XdpTcpConfig {
    /// As `address` of a network of `prefix` bits, without a router; times as those of [`TcpConfig::new`](crate::tcp::TcpConfig::new).
    #[must_use]
    pub fn new(queue: QueueConfig, address: Ipv4Addr, prefix: u8) -> XdpTcpConfig {
        let (keepalive, unacknowledged_max) = (Duration::from_secs(5), Duration::from_secs(10));
        XdpTcpConfig { queue, address, prefix, router: None, keepalive, unacknowledged_max }
    }
}

enum Phase {
    /// The queue is taken.
    Opening {
        since: Instant,
        next: Instant,
        wait: Duration,
    },
    Connecting {
        since: Instant,
    },
    Connected,
    /// With the kind of the error, for the message itself was given out when it happened.
    Failed(io::ErrorKind),
}

/// See the module.
pub struct XdpTcp {
    config: XdpTcpConfig,
    peer: SocketAddrV4,
    local: Option<SocketAddrV4>,
    phase: Phase,
    stack: Option<Stack>,
    refusals: Vec<Refusal>,
    /// Polls since the last look at the time.
    idle: u32,
    /// Reads since the last acknowledgement.
    reads: u32,
}

impl std::fmt::Debug for XdpTcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XdpTcp")
            .field("config", &self.config)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl XdpTcp {
    /// Takes the queue and begins to connect; [`XdpTcp::poll_connected`] tells the outcome. A queue that is still taken is tried again there.
    ///
    /// # Errors
    /// AF_XDP is not possible here, with interface and queue: then a [`TcpLink`](crate::tcp::TcpLink) may be. `Unsupported` for an IPv6 peer.
    ///
    /// Cost: some milliseconds, for memory is pinned.
    pub fn start(config: &XdpTcpConfig, peer: SocketAddr) -> io::Result<XdpTcp> {
        let SocketAddr::V4(peer) = peer else {
            let why = format!("tcp by af_xdp to {peer}: IPv4 only");
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        };
        let now = Instant::now();
        let phase = Phase::Opening { since: now, next: now, wait: BUSY_WAIT };
        let (config, refusals) = (config.clone(), Vec::new());
        let mut link = XdpTcp { config, peer, local: None, phase, stack: None, refusals, idle: 0, reads: 0 };
        link.try_open()?;
        Ok(link)
    }

    /// Ends the connection and begins another to the same peer, by the queue that it has.
    ///
    /// # Errors
    /// As [`XdpTcp::start`].
    pub fn restart(mut self) -> io::Result<XdpTcp> {
        match &mut self.stack {
            Some(stack) => {
                stack.end();
                self.connect()?;
            }
            None => {
                let now = Instant::now();
                self.phase = Phase::Opening { since: now, next: now, wait: BUSY_WAIT };
                self.try_open()?;
            }
        }
        Ok(self)
    }

    /// Takes the queue, if it is time to try and it is free.
    fn try_open(&mut self) -> io::Result<()> {
        let Phase::Opening { since, next, wait } = self.phase else { return Ok(()) };
        let now = Instant::now();
        if now < next {
            return Ok(());
        }
        match Stack::open(&self.config) {
            Ok(mut stack) => {
                self.refusals = stack.take_refusals();
                self.stack = Some(stack);
                self.connect()
            }
            Err(e) if is_busy(&e) && now.duration_since(since) < BUSY_MAX => {
                self.phase = Phase::Opening { since, next: now + wait, wait: (wait * 2).min(BUSY_WAIT_MAX) };
                Ok(())
            }
            Err(e) => Err(self.fail(e)),
        }
    }

    fn connect(&mut self) -> io::Result<()> {
        let Some(stack) = &mut self.stack else { return Ok(()) };
        self.local = Some(stack.connect(self.peer).map_err(|e| context(e, "tcp by af_xdp to", self.peer))?);
        self.phase = Phase::Connecting { since: Instant::now() };
        Ok(())
    }

    #[cold]
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.phase = Phase::Failed(error.kind());
        context(error, "tcp by af_xdp to", self.peer)
    }

    /// Whether the connection stands. `false`: not yet, ask again.
    ///
    /// # Errors
    /// The connection failed (`ConnectionRefused`, `TimedOut`), or the queue stays taken (`ResourceBusy`), with the address in the message. Stays failed;
    /// [`XdpTcp::restart`].
    pub fn poll_connected(&mut self) -> io::Result<bool> {
        let since = match self.phase {
            Phase::Connected => return Ok(true),
            Phase::Failed(kind) => return Err(context(kind.into(), "tcp by af_xdp to", self.peer)),
            Phase::Opening { .. } => return self.try_open().map(|()| false),
            Phase::Connecting { since } => since,
        };
        let Some(stack) = &mut self.stack else { return Ok(false) };
        stack.receive();
        stack.transmit()?;
        match stack.socket().state() {
            State::SynSent | State::SynReceived => Ok(false),
            // A reset, or nothing for too long: the stack forgets which.
            State::Closed if since.elapsed() < self.config.unacknowledged_max => {
                Err(self.fail(io::ErrorKind::ConnectionRefused.into()))
            }
            State::Closed => Err(self.fail(io::ErrorKind::TimedOut.into())),
            _ => {
                self.phase = Phase::Connected;
                Ok(true)
            }
        }
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer.into()
    }

    /// This end's address; `None` before the queue was ours.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local.map(SocketAddr::V4)
    }

    /// What the host refused; for one warning.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Whether the device itself writes to our memory.
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.stack.as_ref().is_some_and(Stack::is_zero_copy)
    }

    #[cold]
    fn reset(&self, what: &str) -> io::Error {
        context(io::ErrorKind::ConnectionReset.into(), what, self.peer)
    }
}

impl ByteStream for XdpTcp {
    /// Before [`XdpTcp::poll_connected`] has said `true`, there is nothing.
    #[inline]
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        if buf.is_empty() {
            return Err(empty_buffer());
        }
        let (Some(stack), Phase::Connected) = (&mut self.stack, &self.phase) else {
            return Ok(Received::Nothing);
        };
        stack.receive();
        let found = stack.socket().recv_slice(buf);
        if let Ok(n @ 1..) = found {
            self.reads += 1;
            if self.reads == UNACKNOWLEDGED_READS {
                self.reads = 0;
                stack.transmit()?;
            }
            self.idle = IDLE;
            return Ok(Received::Data(n));
        }
        self.idle += 1;
        if self.idle >= IDLE {
            (self.idle, self.reads) = (0, 0);
            stack.transmit()?;
        }
        match found {
            Ok(_) => Ok(Received::Nothing),
            Err(RecvError::Finished) => Ok(Received::Closed),
            Err(RecvError::InvalidState) => Err(self.reset("tcp by af_xdp recv from")),
        }
    }

    /// Before [`XdpTcp::poll_connected`] has said `true`, there is no room.
    #[inline]
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (Some(stack), Phase::Connected) = (&mut self.stack, &self.phase) else { return Ok(0) };
        if bytes.is_empty() {
            return Ok(0);
        }
        // What has been acknowledged makes room, and a reset is an answer too.
        if stack.socket().send_queue() > 0 || !stack.socket().may_recv() {
            stack.receive();
        }
        match stack.socket().send_slice(bytes) {
            Ok(n) => {
                stack.transmit()?;
                Ok(n)
            }
            Err(_) => Err(self.reset("tcp by af_xdp send to")),
        }
    }

    /// Whether the peer has acknowledged everything: there is nobody but this to send it again.
    fn flush(&mut self) -> io::Result<bool> {
        let (Some(stack), Phase::Connected) = (&mut self.stack, &self.phase) else { return Ok(true) };
        stack.receive();
        stack.transmit()?;
        let socket = stack.socket();
        match socket.send_queue() {
            0 => Ok(true),
            _ if socket.is_open() => Ok(false),
            _ => Err(self.reset("tcp by af_xdp send to")),
        }
    }
}

impl Drop for XdpTcp {
    fn drop(&mut self) {
        if let Some(stack) = &mut self.stack {
            stack.end();
        }
    }
}
