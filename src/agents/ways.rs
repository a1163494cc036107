//! By what a feed's agent hears its venue: sockets in a core, memory in the simulator. Static: a core's agent is compiled over its sockets alone.

use std::io;
use std::net::SocketAddr;

use net::line::Line;
use net::tcp::TcpLink;
use net::udp::{DropCount, Stamp, UdpRequest};
use net::{ByteStream, DatagramSend, Datagrams};

/// See the module.
pub trait Ways: Send {
    /// A receiving line.
    type Line: FeedLine;
    /// A re-request server.
    type Server: RequestServer;
    /// The connection to the snapshot server.
    type Snapshot: Connect;
}

/// A receiving line, with what is counted about it.
pub trait FeedLine: Datagrams + Send {
    /// When the datagram that was just received was stamped on its way, where it was.
    #[inline]
    fn stamp(&self) -> Option<Stamp> {
        None
    }

    /// Datagrams dropped because they were longer than the buffer given.
    fn oversize(&self) -> u64 {
        0
    }

    /// Datagrams of others that went past.
    fn strays(&self) -> u64 {
        0
    }

    /// Frames that were no datagram of this line.
    fn rejected(&self) -> u64 {
        0
    }

    /// What the kernel dropped, for a reader of its own; `None` where there is no kernel.
    ///
    /// # Errors
    /// No descriptor is to be had.
    fn drop_count(&self) -> io::Result<Option<DropCount>> {
        Ok(None)
    }
}

/// A server that is asked for what no line brought, by datagrams both ways.
pub trait RequestServer: DatagramSend + Datagrams + Send {
    /// How often it was said that nobody listens there.
    fn refused(&self) -> u64 {
        0
    }

    /// Answers dropped because they were longer than the buffer given.
    fn oversize(&self) -> u64 {
        0
    }
}

/// A connection that is begun and then waited for, without blocking.
pub trait Connect: ByteStream + Send + Sized {
    /// Begins to connect.
    ///
    /// # Errors
    /// What is known at once; with the address in it.
    fn start(to: SocketAddr) -> io::Result<Self>;

    /// Whether the connection stands and takes bytes. `false`: not yet, ask again.
    ///
    /// # Errors
    /// The connection failed. Stays failed; start a new one.
    fn poll_connected(&mut self) -> io::Result<bool>;
}

/// The host's.
pub struct Sockets;

impl Ways for Sockets {
    type Line = Line;
    type Server = UdpRequest;
    type Snapshot = TcpLink;
}

impl FeedLine for Line {
    #[inline]
    fn stamp(&self) -> Option<Stamp> {
        Line::stamp(self)
    }

    fn oversize(&self) -> u64 {
        Line::oversize(self)
    }

    fn strays(&self) -> u64 {
        Line::strays(self)
    }

    fn rejected(&self) -> u64 {
        Line::rejected(self)
    }

    fn drop_count(&self) -> io::Result<Option<DropCount>> {
        Line::drop_count(self)
    }
}

impl RequestServer for UdpRequest {
    fn refused(&self) -> u64 {
        UdpRequest::refused(self)
    }

    fn oversize(&self) -> u64 {
        UdpRequest::oversize(self)
    }
}

impl Connect for TcpLink {
    fn start(to: SocketAddr) -> io::Result<TcpLink> {
        TcpLink::start(to)
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        TcpLink::poll_connected(self)
    }
}
