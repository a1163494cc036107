//! The connection of a FIX session: TCP, or TLS over it where the configuration names the venue's certificate.

use std::io;

use net::tcp::TcpLink;
use net::tls::{TlsClient, TlsStream};
use net::{ByteStream, Received};

use crate::config;
use crate::order_link::OrderLink;
use crate::order_protocol::Dial;

/// See the module.
#[derive(Debug)]
pub enum FixLink {
    /// In the clear.
    Plain(OrderLink),
    /// Encrypted, and the venue proven to be who it should be.
    Tls(Box<TlsStream<TcpLink>>),
}

impl Dial for FixLink {
    fn prepare(to: &config::Gateway) -> (Option<FixLink>, Vec<String>) {
        let (kept, warnings) = OrderLink::prepare(to);
        (kept.map(FixLink::Plain), warnings)
    }

    fn start(to: &config::Gateway, kept: &mut Option<FixLink>) -> io::Result<FixLink> {
        Ok(match to.fix.as_ref().and_then(|fix| fix.tls.as_ref()) {
            None => {
                let mut below = match kept.take() {
                    Some(FixLink::Plain(link)) => Some(link),
                    Some(FixLink::Tls(_)) | None => None,
                };
                let link = OrderLink::start(to, &mut below);
                *kept = below.map(FixLink::Plain);
                FixLink::Plain(link?)
            }
            Some(tls) => {
                let link = TcpLink::start(to.account.address)?;
                let client = match &tls.roots {
                    Some(pem) => TlsClient::trusting(pem)?,
                    None => TlsClient::public()?,
                };
                FixLink::Tls(Box::new(client.connect(link, &tls.name)?))
            }
        })
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        match self {
            FixLink::Plain(link) => link.poll_connected(),
            FixLink::Tls(stream) => stream.poll_connected(),
        }
    }

    fn end(self) -> Option<FixLink> {
        match self {
            FixLink::Plain(link) => link.end().map(FixLink::Plain),
            FixLink::Tls(_) => None,
        }
    }
}

impl ByteStream for FixLink {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        match self {
            FixLink::Plain(link) => link.recv(buf),
            FixLink::Tls(stream) => stream.recv(buf),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            FixLink::Plain(link) => link.send(bytes),
            FixLink::Tls(stream) => stream.send(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<bool> {
        match self {
            FixLink::Plain(link) => link.flush(),
            FixLink::Tls(stream) => stream.flush(),
        }
    }
}
