//! The sockets of the REST face: accepts, reads requests, writes answers, and keeps the streams. Polled by the venue's thread, once a turn.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};

use net::tcp::TcpLink;
use net::tls::TlsServer;
use net::{ByteStream, Received};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::config::{Client, RestConfig};
use super::desk::{Ask, Desk};
use super::user_stream::UserStream;
use crate::exchange::venue::Venue;
use crate::web::Link;
use crate::web::http::{self, HEAD_MAX};
use crate::web::socket::{Heard, Socket};

/// Longest body of a request.
const BODY_MAX: usize = 16 * 1024;
/// More connections than this wait in the listener's queue.
const CONNECTIONS_MAX: usize = 64;
/// Who has said no whole request for so long, having begun one or not, or does not read the answer, is gone.
const STALLED_NS: u64 = 15_000_000_000;
/// So is who asks no more; between two requests a connection may rest longer, as at the large venues.
const IDLE_NS: u64 = 60_000_000_000;
/// Messages of a stream that are written in one turn.
const BURST: usize = 256;

/// The venue's doors for REST, with the desk behind them.
pub struct Doors {
    listener: TcpListener,
    tls: Option<TlsServer>,
    desk: Desk,
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

enum Connection {
    Http(Http),
    Stream { socket: Box<Socket<Link>>, whose: Whose },
    Over,
}

/// A connection for requests.
struct Http {
    link: Link,
    /// Whose address.
    from: u64,
    input: Vec<u8>,
    output: Vec<u8>,
    /// When it last began or ended something: itself, a request, reading an answer. The venue's clock.
    since: u64,
    has_asked: bool,
}

impl Http {
    /// The next request; an error also where it takes too long.
    fn poll(&mut self, now: u64) -> io::Result<Option<http::Request>> {
        let (was_silent, was_unread) = (self.input.is_empty(), !self.output.is_empty());
        let asked = read(&mut self.link, &mut self.input, &mut self.output)?;
        let began = was_silent && !self.input.is_empty();
        let was_read = was_unread && self.output.is_empty();
        self.has_asked |= asked.is_some();
        if asked.is_some() || began || was_read {
            self.since = now;
        }
        let rests = self.has_asked && self.input.is_empty() && self.output.is_empty();
        let patience = if rests { IDLE_NS } else { STALLED_NS };
        if now.saturating_sub(self.since) >= patience { Err(over("it is silent")) } else { Ok(asked) }
    }
}

/// What a stream says.
#[derive(Clone, Copy)]
enum Whose {
    /// What becomes of a client's orders.
    User(UserStream),
    /// What everybody may hear.
    Market(u64),
}

impl Whose {
    /// The next message; an error when the stream is over.
    fn poll(self, desk: &mut Desk) -> io::Result<Option<String>> {
        let (said, is_open) = match self {
            Whose::User(stream) => (desk.poll_stream(stream), desk.is_streaming(stream)),
            Whose::Market(listener) => {
                let market = desk.market_data();
                (market.poll(listener), market.is_open(listener))
            }
        };
        if said.is_none() && !is_open { Err(over("the stream is over")) } else { Ok(said) }
    }

    fn close(self, desk: &mut Desk) {
        match self {
            Whose::User(stream) => desk.close_stream(stream),
            Whose::Market(listener) => desk.market_data().close(listener),
        }
    }
}

/// A certificate for the address, and the certificate of the authority that vouches for it, which nobody else has.
pub(in crate::exchange) fn certify(ip: IpAddr) -> Result<(TlsServer, String), String> {
    let words = |e: rcgen::Error| e.to_string();
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().map_err(words)?;
    let root_pem = root.self_signed(&root_key).map_err(words)?.pem();
    let issuer = Issuer::new(root, root_key);
    let key = KeyPair::generate().map_err(words)?;
    let names = vec![ip.to_string(), "localhost".to_owned()];
    let leaf = CertificateParams::new(names).and_then(|p| p.signed_by(&key, &issuer)).map_err(words)?;
    let server =
        TlsServer::new(leaf.pem().as_bytes(), key.serialize_pem().as_bytes()).map_err(|e| e.to_string())?;
    Ok((server, root_pem))
}

impl Doors {
    /// Opens them. `midnight_ms`: ms of the Unix epoch at the midnight that the venue counts from.
    ///
    /// # Errors
    /// The port is taken, or the certificate's file cannot be written.
    pub fn open(
        config: &RestConfig,
        clients: Vec<Client>,
        midnight_ms: u64,
        venue: &mut Venue,
        now: u64,
    ) -> io::Result<Doors> {
        let listener = TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let tls = match &config.ca_file {
            None => None,
            Some(path) => {
                let (server, root) = certify(config.listen.ip()).map_err(io::Error::other)?;
                std::fs::write(path, root)
                    .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
                Some(server)
            }
        };
        let desk = venue.at_floor(now, |floor| Desk::new(config, clients, midnight_ms, floor));
        Ok(Doors { listener, tls, desk, connections: BTreeMap::new(), next: 0 })
    }

    /// Where they are.
    ///
    /// # Errors
    /// The descriptor is broken.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The desk, for what it counted.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Does what there is to do.
    pub fn turn(&mut self, venue: &mut Venue, now: u64) {
        self.accept(now);
        venue.at_floor(now, |floor| self.desk.tick(floor));
        for connection in self.connections.values_mut() {
            if connection.turn(&mut self.desk, venue, now).is_err() {
                if let Connection::Stream { whose, .. } = connection {
                    whose.close(&mut self.desk);
                }
                *connection = Connection::Over;
            }
        }
        self.connections.retain(|_, c| !matches!(c, Connection::Over));
    }

    fn accept(&mut self, now: u64) {
        while self.connections.len() < CONNECTIONS_MAX {
            // Nobody else waits; or the process is out of descriptors, and the next turn tries again.
            let Ok((stream, peer)) = self.listener.accept() else { return };
            let link = TcpLink::accepted(stream).and_then(|link| match &self.tls {
                Some(tls) => Ok(Link::Tls(Box::new(tls.accept(link)?))),
                None => Ok(Link::Plain(link)),
            });
            let Ok(link) = link else { continue };
            let from = match peer.ip() {
                IpAddr::V4(ip) => ip.to_bits().into(),
                IpAddr::V6(_) => 0,
            };
            self.next += 1;
            let http =
                Http { link, from, input: Vec::new(), output: Vec::new(), since: now, has_asked: false };
            self.connections.insert(self.next, Connection::Http(http));
        }
    }
}

fn over(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

impl Connection {
    /// An error: the connection has no further use.
    fn turn(&mut self, desk: &mut Desk, venue: &mut Venue, now: u64) -> io::Result<()> {
        match self {
            Connection::Http(http) => {
                let Some(request) = http.poll(now)? else { return Ok(()) };
                if request.path.starts_with("/ws/") || request.path == "/stream" {
                    let whose = open_stream(desk, venue, now, &request)?;
                    let Connection::Http(Http { link, input: rest, .. }) =
                        std::mem::replace(self, Connection::Over)
                    else {
                        return Ok(());
                    };
                    let Some(socket) = Socket::accepted(link, &request, rest) else {
                        whose.close(desk);
                        return Err(over("no websocket"));
                    };
                    *self = Connection::Stream { socket: Box::new(socket), whose };
                    return Ok(());
                }
                let ask = Ask {
                    from: http.from,
                    method: &request.method,
                    path: &request.path,
                    query: &request.query,
                    key: request.headers.get("x-mbx-apikey"),
                    bearer: request.headers.get("authorization"),
                    body: std::str::from_utf8(&request.body).unwrap_or_default(),
                };
                let answer = venue.at_floor(now, |floor| desk.answer(floor, &ask));
                http::put_response(&mut http.output, answer.status, &answer.headers, &answer.body);
                write(&mut http.link, &mut http.output)
            }
            Connection::Stream { socket, whose } => {
                for _ in 0..BURST {
                    match socket.poll()? {
                        Heard::Nothing => break,
                        Heard::Closed => return Err(over("the client has closed")),
                        // It has nothing to say here; that it is there is enough.
                        Heard::Text(_) | Heard::Life => {}
                    }
                }
                for _ in 0..BURST {
                    match whose.poll(desk)? {
                        Some(text) => socket.send(&text)?,
                        None => break,
                    }
                }
                Ok(())
            }
            Connection::Over => Err(over("over")),
        }
    }
}

fn open_stream(desk: &mut Desk, venue: &mut Venue, now: u64, request: &http::Request) -> io::Result<Whose> {
    if request.path == "/stream" || request.path.contains('@') {
        let opened = venue.at_floor(now, |floor| {
            let now = desk.now_ms(floor);
            desk.market_data().open(floor, now, &request.path, &request.query)
        });
        return opened.map(Whose::Market).ok_or_else(|| over("no such stream"));
    }
    desk.open_stream(&request.path).map(Whose::User).ok_or_else(|| over("no such listen key"))
}

/// The next request, when it is whole and the last answer has left.
fn read(link: &mut Link, input: &mut Vec<u8>, output: &mut Vec<u8>) -> io::Result<Option<http::Request>> {
    write(link, output)?;
    if !output.is_empty() {
        return Ok(None);
    }
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(request) = http::take_request(input, BODY_MAX).map_err(|e| over(&e.to_string()))? {
            return Ok(Some(request));
        }
        if input.len() > HEAD_MAX + BODY_MAX {
            return Err(over("too long"));
        }
        match link.recv(&mut buffer)? {
            Received::Data(n) => input.extend_from_slice(&buffer[..n]),
            Received::Nothing => return Ok(None),
            Received::Closed => return Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn write(link: &mut Link, output: &mut Vec<u8>) -> io::Result<()> {
    while !output.is_empty() {
        match link.send(output)? {
            0 => break,
            n => drop(output.drain(..n)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::exchange::rest::tests::{MIDNIGHT_MS, START, venue};

    const SECOND: u64 = 1_000_000_000;

    /// A venue's doors, and the time that they are told.
    struct World {
        doors: Doors,
        venue: Venue,
        now: u64,
    }

    impl World {
        fn turn_until(&mut self, what: &str, mut is: impl FnMut() -> bool) {
            for _ in 0..1_000_000 {
                self.doors.turn(&mut self.venue, self.now);
                if is() {
                    return;
                }
            }
            panic!("waited in vain for {what}");
        }

        fn connect(&self, words: &[u8]) -> TcpStream {
            let mut client = TcpStream::connect(self.doors.address().unwrap()).unwrap();
            client.write_all(words).unwrap();
            client.set_nonblocking(true).unwrap();
            client
        }

        fn answered(&mut self, client: &mut TcpStream) {
            let (mut answer, mut buffer) = (Vec::new(), [0; 1_024]);
            self.turn_until("an answer", || {
                answer.extend_from_slice(client.read(&mut buffer).map_or(&[], |n| &buffer[..n]));
                answer.ends_with(b"{}")
            });
            assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
        }

        fn closed(&mut self, client: &mut TcpStream) {
            self.turn_until("an end", || !is_open(client));
        }
    }

    fn is_open(client: &mut TcpStream) -> bool {
        client.read(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn who_says_nothing_or_reads_nothing_does_not_keep_the_door() {
        const PING: &[u8] = b"GET /api/v3/ping HTTP/1.1\r\nHost: h\r\n\r\n";
        let (config, mut venue) = venue();
        let rest = config.rest.unwrap();
        let clients = rest.clients(&["user01"]).unwrap();
        let doors = Doors::open(&rest, clients, MIDNIGHT_MS, &mut venue, START).unwrap();
        let mut w = World { doors, venue, now: START };
        let mut mute: Vec<TcpStream> = (0..62).map(|_| w.connect(b"")).collect();
        let mut begun = w.connect(&PING[..20]);
        // It is the last of the 64, so when it is answered all are in.
        let mut resting = w.connect(PING);
        w.answered(&mut resting);
        let mut waiting = w.connect(PING);
        w.now = START + 15 * SECOND - 1;
        w.doors.turn(&mut w.venue, w.now);
        assert!(mute.iter_mut().all(is_open) && is_open(&mut waiting), "not before their time");
        // One byte more is no request.
        begun.write_all(&PING[20..21]).unwrap();
        w.now = START + 15 * SECOND;
        for client in &mut mute {
            w.closed(client);
        }
        w.answered(&mut waiting);
        // However late its bytes came.
        w.now = START + 30 * SECOND;
        w.closed(&mut begun);
        // One that has asked may rest for a while, and ask again.
        w.now = START + 59 * SECOND;
        assert!(is_open(&mut resting));
        resting.write_all(PING).unwrap();
        w.answered(&mut resting);
        w.now = START + 119 * SECOND;
        w.closed(&mut resting);
    }
}
