//! The sending end of a line.
//!
//! The socket is not connected on purpose: a connected UDP socket reports the ICMP "port unreachable" of a receiver that is
//! not there (yet) as an error of the *next* send, which is then not sent. A line is one-way and must not notice.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::group_of;
use crate::{DatagramSend, context, is_later};

/// Where to send, and how.
#[derive(Clone, Debug)]
pub struct SenderConfig {
    /// A unicast address or a multicast group, with its port.
    pub to: SocketAddr,
    /// The interface, by its address, that datagrams leave by; unspecified: the host's route decides.
    pub interface: Ipv4Addr,
    /// Routers a multicast datagram may pass, plus one; 1 stays on the link.
    pub ttl: u32,
    /// Whether receivers on this host hear a multicast datagram too.
    pub loopback: bool,
}

impl SenderConfig {
    /// To `to` by the host's route, on the link only, heard on this host.
    #[must_use]
    pub fn new(to: SocketAddr) -> SenderConfig {
        SenderConfig { to, interface: Ipv4Addr::UNSPECIFIED, ttl: 1, loopback: true }
    }
}

/// A UDP socket that sends to one address.
#[derive(Debug)]
pub struct UdpSender {
    socket: UdpSocket,
    to: SocketAddr,
}

impl UdpSender {
    /// Opens the socket.
    ///
    /// # Errors
    /// The interface is not one of this host's, or an option is refused; `Unsupported` for IPv6 groups.
    pub fn open(config: &SenderConfig) -> io::Result<UdpSender> {
        let to = config.to;
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))
            .map_err(|e| context(e, "udp socket to", to))?;
        socket.set_nonblocking(true).map_err(|e| context(e, "udp non-blocking", to))?;
        if group_of(to)?.is_some() {
            socket
                .set_multicast_if_v4(&config.interface)
                .map_err(|e| context(e, &format!("udp send by {} to", config.interface), to))?;
            socket.set_multicast_ttl_v4(config.ttl).map_err(|e| context(e, "udp IP_MULTICAST_TTL", to))?;
            socket
                .set_multicast_loop_v4(config.loopback)
                .map_err(|e| context(e, "udp IP_MULTICAST_LOOP", to))?;
        }
        if to.is_ipv4() {
            let from = SocketAddr::new(IpAddr::V4(config.interface), 0);
            socket.bind(&from.into()).map_err(|e| context(e, "udp bind", from))?;
        }
        Ok(UdpSender { socket: socket.into(), to })
    }

    /// The address datagrams go to.
    #[must_use]
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// The address datagrams come from.
    ///
    /// # Errors
    /// The descriptor is broken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl DatagramSend for UdpSender {
    #[inline]
    fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        match self.socket.send_to(bytes, self.to) {
            Ok(_) => Ok(true),
            Err(e) if is_later(&e) || e.raw_os_error() == Some(libc::ENOBUFS) => Ok(false),
            Err(e) => Err(context(e, "udp send to", self.to)),
        }
    }
}
