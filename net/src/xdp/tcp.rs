//! A TCP connection past the kernel: smoltcp over a queue of an interface.
//!
//! ```text
//!  open ──► idle ──start──► connecting ──poll_connected──► connected ──recv: Closed / Err──► start, end
//!            ▲                  └────► failed ──► start                                        │
//!            └─────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! * A queue that was given back is not free at once, so what is opened is kept for the next connection: [`XdpTcp::start`] ends the one before.
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
use super::stack::Stack;
use crate::udp::Refusal;
use crate::{ByteStream, Received, context, empty_buffer};

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
    Idle,
    Connecting {
        since: Instant,
    },
    Connected,
    /// With the kind of the error, for the message itself was given out when it happened.
    Failed(io::ErrorKind),
}

/// See the module.
pub struct XdpTcp {
    stack: Stack,
    unacknowledged_max: Duration,
    peer: SocketAddrV4,
    local: SocketAddrV4,
    phase: Phase,
    refusals: Vec<Refusal>,
    /// Polls since the last look at the time.
    idle: u32,
    /// Reads since the last acknowledgement.
    reads: u32,
}

impl std::fmt::Debug for XdpTcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XdpTcp").field("local", &self.local).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl XdpTcp {
    /// Takes the queue, and waits up to three seconds for one that its last owner has just given back.
    ///
    /// # Errors
    /// AF_XDP is not possible here, with interface and queue: then a [`TcpLink`](crate::tcp::TcpLink) may be.
    ///
    /// Cost: some milliseconds, for memory is pinned.
    pub fn open(config: &XdpTcpConfig) -> io::Result<XdpTcp> {
        let mut stack = Stack::open(config)?;
        Ok(XdpTcp {
            refusals: stack.take_refusals(),
            stack,
            unacknowledged_max: config.unacknowledged_max,
            peer: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            local: SocketAddrV4::new(config.address, 0),
            phase: Phase::Idle,
            idle: 0,
            reads: 0,
        })
    }

    /// Ends the connection that there is, and begins one to `peer`; [`XdpTcp::poll_connected`] tells the outcome.
    ///
    /// # Errors
    /// `Unsupported` for an IPv6 peer; the interface is down or gone.
    pub fn start(&mut self, peer: SocketAddr) -> io::Result<()> {
        self.end();
        let named = |e| context(e, "tcp by af_xdp to", peer);
        let SocketAddr::V4(peer) = peer else {
            return Err(named(io::Error::new(io::ErrorKind::Unsupported, "IPv4 only")));
        };
        self.peer = peer;
        self.local = self.stack.connect(peer).map_err(named)?;
        self.phase = Phase::Connecting { since: Instant::now() };
        Ok(())
    }

    /// Ends the connection, if there is one: the peer reads what it has acknowledged, then the end. The queue stays ours.
    pub fn end(&mut self) {
        if matches!(self.phase, Phase::Connecting { .. } | Phase::Connected) {
            self.stack.end();
        }
        self.phase = Phase::Idle;
    }

    #[cold]
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.phase = Phase::Failed(error.kind());
        context(error, "tcp by af_xdp to", self.peer)
    }

    /// Whether the connection stands. `false`: not yet, ask again.
    ///
    /// # Errors
    /// The connection failed (`ConnectionRefused`, `TimedOut`), with the address in the message. Stays failed; start again.
    pub fn poll_connected(&mut self) -> io::Result<bool> {
        let since = match self.phase {
            Phase::Connected => return Ok(true),
            Phase::Failed(kind) => return Err(context(kind.into(), "tcp by af_xdp to", self.peer)),
            Phase::Idle => return Ok(false),
            Phase::Connecting { since } => since,
        };
        self.stack.receive();
        self.stack.transmit()?;
        match self.stack.socket().state() {
            State::SynSent | State::SynReceived => Ok(false),
            // A reset, or nothing for too long: the stack forgets which.
            State::Closed if since.elapsed() < self.unacknowledged_max => {
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

    /// This end's address, of the last connection begun.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local.into()
    }

    /// What the host refused; for one warning.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
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
        if !matches!(self.phase, Phase::Connected) {
            return Ok(Received::Nothing);
        }
        let stack = &mut self.stack;
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
        if bytes.is_empty() || !matches!(self.phase, Phase::Connected) {
            return Ok(0);
        }
        let stack = &mut self.stack;
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
        if !matches!(self.phase, Phase::Connected) {
            return Ok(true);
        }
        self.stack.receive();
        self.stack.transmit()?;
        let socket = self.stack.socket();
        match socket.send_queue() {
            0 => Ok(true),
            _ if socket.is_open() => Ok(false),
            _ => Err(self.reset("tcp by af_xdp send to")),
        }
    }
}

impl Drop for XdpTcp {
    fn drop(&mut self) {
        self.end();
    }
}
