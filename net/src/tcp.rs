//! A TCP connection that never blocks, from the first SYN on.
//!
//! ```text
//!  start ──► connecting ──poll_connected──► connected ──recv: Closed / Err──► (drop, start again)
//!                │  recv: Nothing, send: 0      ▲
//!                └────► failed                  └── accepted(stream)
//! ```
//!
//! * `TCP_NODELAY` always: an order must not wait for the acknowledgement of the one before.
//! * `TCP_QUICKACK` at the start, and again by [`TcpLink::quick_ack`]. Our own latency gains nothing from it. It helps
//!   where the *peer* runs Nagle's algorithm: its second small report waits for our acknowledgement of the first, which the kernel may
//!   delay by up to 40 ms (`TCP_DELACK_MIN` in the kernel's `include/net/tcp.h`). The kernel clears the option
//!   by itself, hence a method and not only a setting.
//! * Keepalive and `TCP_USER_TIMEOUT` bound how long a dead peer goes unnoticed at this level; the session protocol's
//!   heartbeats are stricter and come first.
//!
//! Sources: tcp(7), socket(7), connect(2) ("EINPROGRESS").

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::{ByteStream, Received, context, empty_buffer, is_later};

/// Whom to connect to, and how.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// The peer.
    pub address: SocketAddr,
    /// The local address to connect from, and so the interface; `None`: the host's route decides.
    pub from: Option<IpAddr>,
    /// Silence after which the kernel probes the peer, in whole seconds; it gives up after 3 probes a second apart.
    pub keepalive: Duration,
    /// How long sent bytes may stay unacknowledged before the connection fails.
    pub unacknowledged_max: Duration,
}

impl TcpConfig {
    /// `address` by the host's route; probes after 5 s of silence, failure after 10 s unacknowledged.
    #[must_use]
    pub fn new(address: SocketAddr) -> TcpConfig {
        TcpConfig {
            address,
            from: None,
            keepalive: Duration::from_secs(5),
            unacknowledged_max: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Connected,
    /// With the kind of the error, for the message itself was given out when it happened.
    Failed(io::ErrorKind),
}

/// One TCP connection.
#[derive(Debug)]
pub struct TcpLink {
    stream: TcpStream,
    peer: SocketAddr,
    state: State,
}

impl TcpLink {
    /// Begins to connect to `address` with the settings of [`TcpConfig::new`].
    ///
    /// # Errors
    /// As [`TcpLink::start_with`].
    pub fn start(address: SocketAddr) -> io::Result<TcpLink> {
        TcpLink::start_with(&TcpConfig::new(address))
    }

    /// Begins to connect and returns at once; [`TcpLink::poll_connected`] tells the outcome.
    ///
    /// # Errors
    /// What the kernel knows at once (no route, no descriptor, local address not ours; on loopback also a refusal), with the address
    /// in the message.
    pub fn start_with(config: &TcpConfig) -> io::Result<TcpLink> {
        let peer = config.address;
        let named = |e| context(e, "tcp connect to", peer);
        let socket =
            Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP)).map_err(named)?;
        socket.set_nonblocking(true).map_err(named)?;
        socket.set_tcp_nodelay(true).map_err(named)?;
        socket.set_tcp_user_timeout(Some(config.unacknowledged_max)).map_err(named)?;
        let probes = TcpKeepalive::new()
            .with_time(config.keepalive)
            .with_interval(Duration::from_secs(1))
            .with_retries(3);
        socket.set_tcp_keepalive(&probes).map_err(named)?;
        if let Some(ip) = config.from {
            let from = SocketAddr::new(ip, 0);
            socket.bind(&from.into()).map_err(|e| context(e, &format!("tcp from {ip} to"), peer))?;
        }
        match socket.connect(&peer.into()) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) || is_later(&e) => {}
            Err(e) => return Err(named(e)),
        }
        // Even a connection that stands at once goes through `poll_connected`: one path, checked once.
        Ok(TcpLink { stream: socket.into(), peer, state: State::Connecting })
    }

    /// Wraps an accepted connection.
    ///
    /// # Errors
    /// The stream is not connected or an option is refused.
    pub fn accepted(stream: TcpStream) -> io::Result<TcpLink> {
        let peer = stream.peer_addr()?;
        stream.set_nonblocking(true).map_err(|e| context(e, "tcp accept from", peer))?;
        stream.set_nodelay(true).map_err(|e| context(e, "tcp accept from", peer))?;
        Ok(TcpLink { stream, peer, state: State::Connected })
    }

    /// Whether the connection stands. `false`: not yet, ask again.
    ///
    /// # Errors
    /// The connection failed, of the kind that the kernel gave (`ConnectionRefused`, `TimedOut`, ...), with the address in the
    /// message. Stays failed; start a new one.
    ///
    /// Cost: two system calls until connected, none afterwards.
    pub fn poll_connected(&mut self) -> io::Result<bool> {
        match self.state {
            State::Connected => return Ok(true),
            State::Failed(kind) => return Err(context(kind.into(), "tcp connect to", self.peer)),
            State::Connecting => {}
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(self.fail(error));
        }
        // `getpeername` is ENOTCONN while the handshake runs, so no poll(2) is needed to tell the two apart.
        match self.stream.peer_addr() {
            // A port of the ephemeral range with no listener can, by TCP's simultaneous open, be connected to itself.
            Ok(peer) if self.stream.local_addr().is_ok_and(|local| local == peer) => {
                Err(self.fail(io::ErrorKind::ConnectionRefused.into()))
            }
            Ok(_) => {
                self.state = State::Connected;
                self.quick_ack();
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(self.fail(e)),
        }
    }

    #[cold]
    fn fail(&mut self, error: io::Error) -> io::Error {
        self.state = State::Failed(error.kind());
        context(error, "tcp connect to", self.peer)
    }

    /// Asks the kernel to acknowledge at once what arrives next; see the module's text. Best effort: a refusal changes no result.
    ///
    /// Cost: one system call.
    pub fn quick_ack(&self) {
        let _ = SockRef::from(&self.stream).set_tcp_quickack(true);
    }

    /// Ends our side in order: the peer reads what was sent, then [`Received::Closed`]. Receiving goes on.
    ///
    /// # Errors
    /// The connection does not stand (any more).
    pub fn shutdown(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write).map_err(|e| context(e, "tcp shutdown to", self.peer))
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// This end's address.
    ///
    /// # Errors
    /// The descriptor is broken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }
}

impl ByteStream for TcpLink {
    /// Before [`TcpLink::poll_connected`] has said `true`, there is nothing.
    #[inline]
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        if buf.is_empty() {
            return Err(empty_buffer());
        }
        if self.state != State::Connected {
            return Ok(Received::Nothing);
        }
        match self.stream.read(buf) {
            Ok(0) => Ok(Received::Closed),
            Ok(n) => Ok(Received::Data(n)),
            Err(e) if is_later(&e) => Ok(Received::Nothing),
            Err(e) => Err(context(e, "tcp recv from", self.peer)),
        }
    }

    /// Before [`TcpLink::poll_connected`] has said `true`, there is no room.
    #[inline]
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() || self.state != State::Connected {
            return Ok(0);
        }
        // `std` sends with MSG_NOSIGNAL: a peer that is gone is an error here, not a SIGPIPE.
        match self.stream.write(bytes) {
            Ok(n) => Ok(n),
            Err(e) if is_later(&e) => Ok(0),
            Err(e) => Err(context(e, "tcp send to", self.peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Polls until there is something; gives up after far more polls than loopback ever needs.
    fn until<T>(mut poll: impl FnMut() -> Option<T>) -> T {
        let mut polls = 0..2_000_000;
        polls
            .find_map(|_| {
                std::thread::yield_now();
                poll()
            })
            .expect("nothing came")
    }

    fn poll_to_end(link: &mut TcpLink) -> io::Result<()> {
        until(|| match link.poll_connected() {
            Ok(connected) => connected.then_some(Ok(())),
            Err(e) => Some(Err(e)),
        })
    }

    fn read(link: &mut TcpLink, buf: &mut [u8]) -> Received {
        until(|| Some(link.recv(buf).unwrap()).filter(|r| *r != Received::Nothing))
    }

    #[test]
    fn a_refusal_names_the_address_and_stays() {
        // Bound but not listening: nobody else can take the port meanwhile, and connecting to it is refused.
        let taken = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        taken.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = taken.local_addr().unwrap().as_socket().unwrap();
        let error = match TcpLink::start(address) {
            Err(e) => e,
            Ok(mut link) => {
                let first = poll_to_end(&mut link).unwrap_err();
                let again = link.poll_connected().unwrap_err();
                assert_eq!(again.kind(), io::ErrorKind::ConnectionRefused);
                first
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[test]
    fn options_are_in_force() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut link = TcpLink::start(listener.local_addr().unwrap()).unwrap();
        poll_to_end(&mut link).unwrap();
        let socket = SockRef::from(&link.stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(10)));
    }

    #[test]
    fn shutdown_ends_one_side_only() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpLink::start(listener.local_addr().unwrap()).unwrap();
        let mut far = TcpLink::accepted(listener.accept().unwrap().0).unwrap();
        poll_to_end(&mut near).unwrap();
        assert_eq!(near.send(b"last").unwrap(), 4);
        near.shutdown().unwrap();

        let (mut buf, mut got) = ([0; 16], Vec::new());
        while let Received::Data(n) = read(&mut far, &mut buf) {
            got.extend_from_slice(&buf[..n]);
        }
        assert_eq!(got, b"last");
        assert_eq!(far.send(b"bye").unwrap(), 3);
        assert_eq!(read(&mut near, &mut buf), Received::Data(3));
        assert_eq!(&buf[..3], b"bye");
    }

    #[test]
    fn nothing_flows_before_the_connection_is_polled() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut link = TcpLink::start(listener.local_addr().unwrap()).unwrap();
        assert_eq!(link.send(b"early").unwrap(), 0);
        assert_eq!(link.recv(&mut [0; 8]).unwrap(), Received::Nothing);
    }
}
