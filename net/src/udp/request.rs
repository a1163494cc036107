//! A socket for questions to one peer and its answers: re-requests of lost packets.
//!
//! Connected, so that the kernel lets nobody but the peer answer. The price of that is that a peer which is not listening shows
//! as `ECONNREFUSED` on a later call; here it is a count ([`UdpRequest::refused`]), for the answer to a re-request server that
//! is down is to ask again or to ask another, not to give up the socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::OVERSIZE_SKIPPED_MAX;
use crate::{DatagramSend, Datagrams, context, is_later, sys};

/// A UDP socket connected to one peer.
#[derive(Debug)]
pub struct UdpRequest {
    socket: UdpSocket,
    peer: SocketAddr,
    refused: u64,
    oversize: u64,
}

impl UdpRequest {
    /// Opens a socket on any free port to `peer`.
    ///
    /// # Errors
    /// There is no route to the peer or no socket to be had, with the address in the message.
    pub fn open(peer: SocketAddr) -> io::Result<UdpRequest> {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).map_err(|e| context(e, "udp socket to", peer))?;
        socket.set_nonblocking(true).map_err(|e| context(e, "udp non-blocking", peer))?;
        socket.connect(peer).map_err(|e| context(e, "udp connect to", peer))?;
        Ok(UdpRequest { socket, peer, refused: 0, oversize: 0 })
    }

    /// The peer.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// This end's address.
    ///
    /// # Errors
    /// The descriptor is broken.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// How often the peer's host said that nobody listens there.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Datagrams dropped here because they were longer than the buffer given.
    #[must_use]
    pub fn oversize(&self) -> u64 {
        self.oversize
    }
}

fn is_refused(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

impl DatagramSend for UdpRequest {
    fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        // A refusal here belongs to an earlier datagram and has taken the place of this send, so: once more.
        for _ in 0..2 {
            match self.socket.send(bytes) {
                Ok(_) => return Ok(true),
                Err(e) if is_refused(&e) => self.refused += 1,
                Err(e) if is_later(&e) || e.raw_os_error() == Some(libc::ENOBUFS) => return Ok(false),
                Err(e) => return Err(context(e, "udp send to", self.peer)),
            }
        }
        Ok(false)
    }
}

impl Datagrams for UdpRequest {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        for _ in 0..OVERSIZE_SKIPPED_MAX {
            match sys::recv_datagram(&self.socket, buf) {
                Ok(n) if n <= buf.len() => return Ok(Some(n)),
                Ok(_) => self.oversize += 1,
                Err(e) if is_refused(&e) => self.refused += 1,
                Err(e) if is_later(&e) => return Ok(None),
                Err(e) => return Err(context(e, "udp recv from", self.peer)),
            }
        }
        Ok(None)
    }
}
