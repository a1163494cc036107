//! Transports without trading words: they move datagrams and bytes, and know nothing of what is in them.
//!
//! | | [`Datagrams`] (receive) | [`DatagramSend`] | [`ByteStream`] (both ways) |
//! |---|---|---|---|
//! | sockets | [`udp::UdpLine`], [`udp::UdpRequest`] | [`udp::UdpSender`], [`udp::UdpRequest`] | [`tcp::TcpLink`] |
//! | AF_XDP | [`xdp::XdpLine`], [`line::Line`] (or a socket) | | [`xdp::XdpTcp`] |
//! | a packet capture | [`pcap::CaptureLine`], [`line::Line`] | [`pcap::CaptureSender`] | |
//! | TLS over a stream | | | [`tls::TlsStream`] |
//! | memory | [`mem::DatagramReceiver`] | [`mem::DatagramSender`] | [`mem::MemStream`] |
//! | faults over any of these | [`fault::Faulty`] | | [`fault::Choppy`] |
//!
//! # Contract of every transport
//!
//! * Nothing blocks. "Nothing there now" and "no room now" are values, never errors.
//! * An [`io::Error`] names the operation and the address. It means that the endpoint needs attention (usually: close and
//!   open again), never that one should poll later.
//! * A datagram is delivered whole or not at all. One that does not fit the buffer is dropped and counted.
//! * After construction the data paths neither allocate nor lock (`mem` locks: it is for tests; `tls` allocates: it is for
//!   sessions that may), and make no system call but the socket's own. Error paths allocate their message.
//! * What a stream took and cannot hand over yet stays with it: [`ByteStream::flush`] tells before it is dropped.
//!
//! `tests/conformance.rs` holds every implementation to this. A new transport is a file here, a `mod` line and
//! a line there. Linux only: `SO_BUSY_POLL` and `SO_MEMINFO` are what make the UDP line worth having.

#[cfg(not(target_os = "linux"))]
compile_error!("the `net` crate is for Linux: its sockets rely on SO_BUSY_POLL and SO_MEMINFO");

use std::fmt::Display;
use std::io;

pub mod fault;
pub mod line;
pub mod mem;
pub mod pcap;
mod sys;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod xdp;

/// A source of datagrams that is polled.
pub trait Datagrams {
    /// Copies the next datagram into `buf` and returns its length in bytes; `None` if nothing is there now.
    ///
    /// A datagram may be empty (`Some(0)`). One longer than `buf` is dropped whole and counted by the
    /// implementation, so `buf` should be at least the largest payload of the line.
    ///
    /// # Errors
    /// The endpoint is broken (interface gone, descriptor invalid): with the address in the message.
    ///
    /// Cost: one system call on sockets, no allocation.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Option<usize>>;
}

/// A sink for datagrams: what is handed over may be lost on the way, and nobody is told.
pub trait DatagramSend {
    /// Sends `bytes` as one datagram. `false`: there is no room now and nothing was sent.
    ///
    /// # Errors
    /// The endpoint is broken or the datagram can never be sent (longer than the transport carries).
    ///
    /// Cost: one system call on sockets, no allocation.
    fn send(&mut self, bytes: &[u8]) -> io::Result<bool>;
}

/// What [`ByteStream::recv`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// This many bytes, at least 1, are at the front of the buffer.
    Data(usize),
    /// Nothing there now.
    Nothing,
    /// The peer has ended its side in order and all that it sent has been read. Stays so.
    Closed,
}

/// A reliable, ordered stream of bytes in both directions that is polled.
pub trait ByteStream {
    /// Copies what has arrived to the front of `buf`.
    ///
    /// # Errors
    /// The connection failed (reset, timed out), with the peer's address in the message; `InvalidInput` when `buf` is
    /// empty, for there "nothing" and "closed" could not be told apart.
    ///
    /// Cost: one system call on sockets, no allocation.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received>;

    /// Hands over a prefix of `bytes` and returns its length; 0 when there is no room now (or `bytes` is empty).
    ///
    /// # Errors
    /// The connection failed or the peer is gone.
    ///
    /// Cost: one system call on sockets, no allocation.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Whether everything taken has left this end: `true` always, where nothing is kept here. Every call of
    /// [`ByteStream::recv`] hands over what is kept as well, so only who is about to drop the stream need ask.
    ///
    /// # Errors
    /// As [`ByteStream::send`].
    fn flush(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}

/// `error` with what was being done and to which address, of the same kind.
#[cold]
pub(crate) fn context(error: io::Error, what: &str, whom: impl Display) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {whom}: {error}"))
}

/// The refusal of an empty receive buffer on a stream.
#[cold]
pub(crate) fn empty_buffer() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "recv: the buffer is empty")
}

/// Whether a call should simply be made again later: no data, no room, or a signal came first.
pub(crate) fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
