//! WebSocket (RFC 6455) by `tungstenite`, over a polled stream.

use std::io::{self, ErrorKind, Read, Write};

use net::{ByteStream, Received};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use super::http;

/// Longest message that is taken, bytes.
const MESSAGE_MAX: usize = 1 << 20;

/// The stream as `tungstenite` wants it: "not now" is `WouldBlock`.
#[derive(Debug)]
struct Polled<S>(S);

impl<S: ByteStream> Read for Polled<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.recv(buf)? {
            Received::Data(n) => Ok(n),
            Received::Closed => Ok(0),
            Received::Nothing => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: ByteStream> Write for Polled<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.send(bytes)? {
            0 if !bytes.is_empty() => Err(ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush()? {
            true => Ok(()),
            false => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
        .read_buffer_size(64 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MESSAGE_MAX)
}

fn failed(error: &Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("websocket: {error}"))
}

/// A client's opening handshake, under way.
pub struct Opening<S: ByteStream>(Option<MidHandshake<ClientHandshake<Polled<S>>>>);

impl<S: ByteStream> Opening<S> {
    /// Asks for `path` at `authority` over a stream that stands.
    ///
    /// # Errors
    /// The path is none, or the stream failed.
    pub fn new(stream: S, authority: &str, path: &str) -> io::Result<Opening<S>> {
        // The scheme says nothing here: the stream is what it is.
        let request = format!("ws://{authority}{path}").into_client_request().map_err(|e| failed(&e))?;
        let mid = ClientHandshake::start(Polled(stream), request, Some(config())).map_err(|e| failed(&e))?;
        Ok(Opening(Some(mid)))
    }

    /// The socket, when it is open. `None`: not yet, ask again.
    ///
    /// # Errors
    /// Refused, or no WebSocket. There is nothing more to ask then.
    pub fn poll(&mut self) -> io::Result<Option<Socket<S>>> {
        let Some(mid) = self.0.take() else { return Ok(None) };
        match mid.handshake() {
            Ok((socket, _)) => Ok(Some(Socket(socket))),
            Err(HandshakeError::Interrupted(mid)) => {
                self.0 = Some(mid);
                Ok(None)
            }
            Err(HandshakeError::Failure(error)) => Err(failed(&error)),
        }
    }
}

/// An open WebSocket, either end.
#[derive(Debug)]
pub struct Socket<S: ByteStream>(WebSocket<Polled<S>>);

/// What a poll found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A text.
    Text(String),
    /// A sign of life.
    Life,
    /// Nothing now.
    Nothing,
    /// The peer has closed.
    Closed,
}

impl<S: ByteStream> Socket<S> {
    /// The server's end, over a stream on which the client has asked by `request`; `rest` came behind that. `None`: it is no such request.
    pub fn accepted(stream: S, request: &http::Request, rest: Vec<u8>) -> Option<Socket<S>> {
        let asked = request.headers.get("upgrade").is_some_and(|v| v.eq_ignore_ascii_case("websocket"));
        let key = request.headers.get("sec-websocket-key").filter(|_| asked)?;
        let headers = [
            ("Upgrade", "websocket".to_owned()),
            ("Connection", "Upgrade".to_owned()),
            ("Sec-WebSocket-Accept", derive_accept_key(key.as_bytes())),
        ];
        let mut answer = Vec::new();
        http::put_response(&mut answer, 101, &headers, "");
        let mut polled = Polled(stream);
        // The first bytes of a connection's answer find room, or it is of no use.
        (polled.0.send(&answer).ok()? == answer.len()).then_some(())?;
        Some(Socket(WebSocket::from_partially_read(polled, rest, Role::Server, Some(config()))))
    }

    /// The next message, if there is one. Answers pings.
    ///
    /// # Errors
    /// The stream failed, or the peer does not keep to the protocol.
    pub fn poll(&mut self) -> io::Result<Heard> {
        match self.0.read() {
            Ok(Message::Text(text)) => Ok(Heard::Text(text.as_str().to_owned())),
            Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => Ok(Heard::Closed),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_)) => {
                Ok(Heard::Life)
            }
            Err(Error::Io(e)) if e.kind() == ErrorKind::WouldBlock => {
                self.flush()?;
                Ok(Heard::Nothing)
            }
            Err(e) => Err(failed(&e)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Ok(()) => Ok(()),
            Err(Error::Io(e)) if e.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(failed(&e)),
        }
    }

    fn put(&mut self, message: Message) -> io::Result<()> {
        match self.0.send(message) {
            Ok(()) => Ok(()),
            // It is in the buffer.
            Err(Error::Io(e)) if e.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(failed(&e)),
        }
    }

    /// Sends a text.
    ///
    /// # Errors
    /// The stream failed, or the peer takes nothing any more and more waits than is kept.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.put(Message::text(text))
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn ping(&mut self) -> io::Result<()> {
        self.put(Message::Ping(Vec::new().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::mem;

    #[test]
    fn two_ends_talk_over_a_stream_that_takes_little() {
        let (a, mut b) = mem::streams(256);
        let mut opening = Opening::new(a, "h:1", "/ws/key").unwrap();
        let mut head = Vec::new();
        let request = loop {
            assert!(opening.poll().unwrap().is_none());
            let mut buf = [0; 100];
            if let Received::Data(n) = b.recv(&mut buf).unwrap() {
                head.extend_from_slice(&buf[..n]);
            }
            if let Some(request) = http::take_request(&mut head, 0).unwrap() {
                break request;
            }
        };
        assert_eq!(request.path, "/ws/key");
        let mut far = Socket::accepted(b, &request, head).expect("a websocket's request");
        let mut near = loop {
            if let Some(near) = opening.poll().unwrap() {
                break near;
            }
        };
        let long = "x".repeat(5_000);
        far.send("hello").unwrap();
        far.send(&long).unwrap();
        near.ping().unwrap();
        let mut heard = Vec::new();
        while heard.len() < 2 {
            if let Heard::Text(text) = near.poll().unwrap() {
                heard.push(text);
            }
            far.poll().unwrap();
        }
        assert_eq!(heard, ["hello".to_owned(), long]);
        drop(far);
        while near.poll().is_ok_and(|heard| heard != Heard::Closed) {}
    }

    #[test]
    fn what_is_no_websocket_is_refused() {
        let mut plain = b"GET /ws/k HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
        let request = http::take_request(&mut plain, 0).unwrap().unwrap();
        let (a, _b) = mem::streams(1_000);
        assert!(Socket::accepted(a, &request, Vec::new()).is_none());

        let (a, mut b) = mem::streams(4_000);
        let mut opening = Opening::new(a, "h:1", "/ws/key").unwrap();
        b.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert!((0..10).any(|_| opening.poll().is_err()));
    }
}
