//! FIX over TLS: accepts, and moves bytes between the encrypted connections and the venue. Polled by the venue's thread, once a turn.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use net::tcp::TcpLink;
use net::tls::{TlsServer, TlsStream};
use net::{ByteStream, Received};

use crate::exchange::rest::doors::certify;
use crate::exchange::venue::{ConnectionId, Venue};

/// More connections than this wait in the listener's queue.
const CONNECTIONS_MAX: usize = 64;

/// The door, with who came in by it.
pub struct TlsDoor {
    listener: TcpListener,
    tls: TlsServer,
    clients: BTreeMap<ConnectionId, TlsStream<TcpLink>>,
}

impl TlsDoor {
    /// Opens it, with a certificate made for its address. The certificate of the authority behind that, which nobody else has, is written to `ca_file`.
    ///
    /// # Errors
    /// The port is taken, or the file cannot be written.
    pub fn open(listen: SocketAddr, ca_file: &Path) -> io::Result<TlsDoor> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let (tls, root) = certify(listen.ip()).map_err(io::Error::other)?;
        std::fs::write(ca_file, root)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", ca_file.display())))?;
        Ok(TlsDoor { listener, tls, clients: BTreeMap::new() })
    }

    /// Where it is.
    ///
    /// # Errors
    /// The descriptor is broken.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Does what there is to do.
    pub fn turn(&mut self, venue: &mut Venue, now: u64) {
        self.accept(venue, now);
        let mut gone = Vec::new();
        for (id, stream) in &mut self.clients {
            if move_bytes(*id, stream, venue, now).is_err() || venue.is_over(*id) {
                gone.push(*id);
            }
        }
        for id in gone {
            self.clients.remove(&id);
            venue.disconnect(now, id);
        }
    }

    fn accept(&mut self, venue: &mut Venue, now: u64) {
        while self.clients.len() < CONNECTIONS_MAX {
            // Nobody else waits; or the process is out of descriptors, and the next turn tries again.
            let Ok((stream, _)) = self.listener.accept() else { return };
            let stream = TcpLink::accepted(stream).and_then(|link| self.tls.accept(link));
            if let Ok(stream) = stream {
                self.clients.insert(venue.connect_fix(now), stream);
            }
        }
    }
}

/// An error: the connection has no further use.
fn move_bytes(
    id: ConnectionId,
    stream: &mut TlsStream<TcpLink>,
    venue: &mut Venue,
    now: u64,
) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    while !venue.is_deaf(id) {
        match stream.recv(&mut buffer)? {
            Received::Data(n) => venue.on_client_bytes(now, id, &buffer[..n]),
            Received::Nothing => break,
            Received::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    while !venue.output(id).is_empty() {
        match stream.send(venue.output(id))? {
            0 => break,
            n => venue.written(id, n),
        }
    }
    stream.flush().map(drop)
}
