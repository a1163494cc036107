//! TLS 1.2 and 1.3 over any [`ByteStream`], by rustls: a stream like the one below it, that nobody on the way reads or alters.
//!
//! ```text
//!  connect / accept ──► handshake ──poll_connected: true──► open ──peer's close_notify──► Closed
//!                           │  recv: Nothing, send: 0         │
//!                           └──────────────► failed ◄─────────┴── a bad record, an end without close_notify
//! ```
//!
//! * The server's name is checked against its certificate, and the certificate against the roots given: there is no way to
//!   switch either off.
//! * An end that was said (`close_notify`) is [`Received::Closed`]. One that was not is an error of kind `UnexpectedEof`: somebody may
//!   have cut the stream, so what came may not be all.
//! * Bounded: at most one record's plaintext ([`RECORD`] bytes) is taken before the stream below has had the last one whole, and nothing is read from
//!   below while plaintext waits here. What a peer can make rustls hold is rustls's to bound (one record, one handshake message of 64 KiB).
//! * What was taken may still be here when the stream below has no more room; [`ByteStream::flush`] tells. Dropping the stream hands over
//!   what it can at once, and the peer of one dropped too early sees the end that was not said.
//! * Neither end is told how long a handshake may take: no clock is read here but the certificate's (by rustls, once a handshake).
//!
//! It allocates on its data paths, so nothing that must not is given one. Sources: RFC 8446 section 6.1 (closure alerts), RFC 5246.

mod identity;

use std::io::{self, ErrorKind, Read, Write};

use rustls::Connection;

pub use self::identity::{TlsClient, TlsServer, check_name};
use crate::tcp::TcpLink;
use crate::{ByteStream, Received, empty_buffer};

/// Plaintext bytes that one record carries at most (RFC 8446 section 5.1).
pub const RECORD: usize = 1 << 14;

/// Reads of the stream below in one call: a peer that sends records without content does not keep the caller.
const READS: usize = 16;

/// The stream below as `std` has it, for rustls: "not now" is `WouldBlock`.
struct Below<'a, S>(&'a mut S);

impl<S: ByteStream> Read for Below<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.recv(buf)? {
            Received::Data(n) => Ok(n),
            Received::Closed => Ok(0),
            Received::Nothing => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: ByteStream> Write for Below<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.send(bytes)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One TLS connection over `S`, either end of it.
#[derive(Debug)]
pub struct TlsStream<S: ByteStream> {
    below: S,
    session: Connection,
    /// Whom we talk to, for messages.
    peer: String,
    /// Why TLS is over; what is wrong with the stream below, that says each time.
    failed: Option<(ErrorKind, String)>,
}

impl<S: ByteStream> TlsStream<S> {
    fn new(below: S, session: Connection, peer: String) -> TlsStream<S> {
        let mut stream = TlsStream { below, session, peer, failed: None };
        // Only what the stream below has no room for is kept, and `send` gives it one record at a time.
        stream.session.set_buffer_limit(Some(RECORD));
        stream
    }

    /// Whether the handshake is through. `false`: not yet, ask again.
    ///
    /// # Errors
    /// The other end is not whom it should be (`InvalidData`, with rustls's word for why), speaks no TLS, or is gone. Stays failed.
    ///
    /// Cost: system calls of the stream below until through, none afterwards.
    pub fn poll_handshake(&mut self) -> io::Result<bool> {
        for _ in 0..READS {
            if !self.session.is_handshaking() {
                // What is left of our last flight.
                self.write_below()?;
                return Ok(true);
            }
            self.check()?;
            if !self.read_below()? {
                break;
            }
        }
        Ok(!self.session.is_handshaking())
    }

    /// The stream below.
    pub fn below(&self) -> &S {
        &self.below
    }

    #[cold]
    fn fail(&mut self, kind: ErrorKind, why: String) -> io::Error {
        let message = format!("tls with {}: {why}", self.peer);
        self.failed = Some((kind, message.clone()));
        io::Error::new(kind, message)
    }

    fn check(&self) -> io::Result<()> {
        match &self.failed {
            None => Ok(()),
            Some((kind, message)) => Err(io::Error::new(*kind, message.clone())),
        }
    }

    /// Hands over what is encrypted and waits; whether nothing does any more.
    fn write_below(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Below(&mut self.below)) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Takes in what has arrived below; whether there was anything, an end included.
    fn read_below(&mut self) -> io::Result<bool> {
        // A peer that takes nothing any more may yet have said something worth reading, so that comes first.
        let written = self.write_below();
        match self.session.read_tls(&mut Below(&mut self.below)) {
            Ok(n) => {
                if let Err(e) = self.session.process_new_packets() {
                    // The alert that says why; whether it arrives changes nothing.
                    let _ = self.write_below();
                    return Err(self.fail(ErrorKind::InvalidData, e.to_string()));
                }
                if n == 0 && self.session.is_handshaking() {
                    let why = "the connection ended in the handshake".to_owned();
                    return Err(self.fail(ErrorKind::UnexpectedEof, why));
                }
                let _ = self.write_below();
                Ok(true)
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => written.map(|_| false),
            Err(e) => Err(e),
        }
    }
}

impl TlsStream<TcpLink> {
    /// Whether connection and handshake stand. `false`: not yet, ask again.
    ///
    /// # Errors
    /// As [`TcpLink::poll_connected`] and [`TlsStream::poll_handshake`].
    pub fn poll_connected(&mut self) -> io::Result<bool> {
        Ok(self.below.poll_connected()? && self.poll_handshake()?)
    }
}

impl<S: ByteStream> ByteStream for TlsStream<S> {
    /// Goes on with the handshake too, where that is not through.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        if buf.is_empty() {
            return Err(empty_buffer());
        }
        for _ in 0..READS {
            match self.session.reader().read(buf) {
                Ok(0) => return Ok(Received::Closed),
                Ok(n) => return Ok(Received::Data(n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => {
                    let why = "the stream ended and the peer had not said so: what came may not be all";
                    return Err(self.fail(e.kind(), why.to_owned()));
                }
            }
            self.check()?;
            if !self.read_below()? {
                break;
            }
        }
        Ok(Received::Nothing)
    }

    /// Takes nothing while the handshake is not through, or while the last record has not left.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        if bytes.is_empty() || !self.write_below()? || self.session.is_handshaking() {
            return Ok(0);
        }
        let n = self.session.writer().write(&bytes[..bytes.len().min(RECORD)])?;
        self.write_below()?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<bool> {
        self.check()?;
        self.write_below()
    }
}

impl<S: ByteStream> Drop for TlsStream<S> {
    /// Says the end, as far as the stream below takes it.
    fn drop(&mut self) {
        if self.failed.is_none() {
            self.session.send_close_notify();
            let _ = self.write_below();
        }
    }
}
