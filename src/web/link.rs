//! A connection that is plain or TLS, as the address says.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use net::tcp::TcpLink;
use net::tls::{TlsClient, TlsStream, check_name};
use net::{ByteStream, Received};

/// Either.
#[derive(Debug)]
pub enum Link {
    /// `http`, `ws`.
    Plain(TcpLink),
    /// `https`, `wss`.
    Tls(Box<TlsStream<TcpLink>>),
}

impl Link {
    /// Whether it stands. `false`: not yet, ask again.
    ///
    /// # Errors
    /// The connection or its handshake failed.
    pub fn poll_connected(&mut self) -> io::Result<bool> {
        match self {
            Link::Plain(link) => link.poll_connected(),
            Link::Tls(link) => link.poll_connected(),
        }
    }
}

impl ByteStream for Link {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        match self {
            Link::Plain(link) => link.recv(buf),
            Link::Tls(link) => link.recv(buf),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Link::Plain(link) => link.send(bytes),
            Link::Tls(link) => link.send(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<bool> {
        match self {
            Link::Plain(link) => link.flush(),
            Link::Tls(link) => link.flush(),
        }
    }
}

/// `https://host:port`, read and not looked up.
#[derive(Clone, Debug)]
pub struct Address {
    is_secure: bool,
    host: String,
    port: u16,
    /// As in a `Host` header.
    authority: String,
}

impl Address {
    /// Reads `http://host:port`, `https://...`, `ws://...` or `wss://...`, without a path.
    ///
    /// # Errors
    /// What is wrong with it, in words for a person.
    pub fn read(url: &str) -> Result<Address, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
        let is_secure = match scheme {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(format!("scheme {scheme:?} is not http, https, ws or wss")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:".contains(&b);
        if authority.is_empty() || !authority.bytes().all(plain) {
            return Err("it is not a host and a port alone".into());
        }
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| format!("{port:?} is no port"))?),
            None => (authority, if is_secure { 443 } else { 80 }),
        };
        if is_secure {
            check_name(host).map_err(|e| e.to_string())?;
        }
        Ok(Address { is_secure, host: host.to_owned(), port, authority: authority.to_owned() })
    }
}

/// Where to connect to, resolved once.
#[derive(Clone, Debug)]
pub struct Endpoint {
    address: SocketAddr,
    host: String,
    authority: String,
    tls: Option<TlsClient>,
}

impl Endpoint {
    /// Reads an [`Address`], and looks its host up.
    ///
    /// # Errors
    /// What is wrong with it, in words for a person; or that the host has no address.
    ///
    /// Cost: may ask a name server, and wait for it.
    pub fn new(url: &str, tls: &TlsClient) -> Result<Endpoint, String> {
        let Address { is_secure, host, port, authority } = Address::read(url)?;
        let mut found = (&*host, port).to_socket_addrs().map_err(|e| format!("{host}: {e}"))?;
        let address = found.find(SocketAddr::is_ipv4).ok_or_else(|| format!("{host} has no IPv4 address"))?;
        Ok(Endpoint { address, host, authority, tls: is_secure.then(|| tls.clone()) })
    }

    /// Begins to connect.
    ///
    /// # Errors
    /// What is known at once; with the address in it.
    pub fn start(&self) -> io::Result<Link> {
        let link = TcpLink::start(self.address)?;
        Ok(match &self.tls {
            None => Link::Plain(link),
            Some(tls) => Link::Tls(Box::new(tls.connect(link, &self.host)?)),
        })
    }

    /// Host and port, as a `Host` header says them.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_a_port() {
        let tls = TlsClient::public().unwrap();
        let secure = Endpoint::new("https://127.0.0.1:8443/", &tls).unwrap();
        assert_eq!(secure.address(), SocketAddr::from(([127, 0, 0, 1], 8443)));
        assert!(secure.tls.is_some() && secure.authority() == "127.0.0.1:8443");
        let plain = Endpoint::new("ws://127.0.0.1", &tls).unwrap();
        assert!(plain.tls.is_none() && plain.address().port() == 80);
        for (bad, part) in [
            ("127.0.0.1:1", "no scheme"),
            ("ftp://127.0.0.1", "ftp"),
            ("http://", "host and a port"),
            ("http://127.0.0.1/path", "host and a port"),
            ("http://a\r\nb", "host and a port"),
            ("http://127.0.0.1:99999", "99999"),
            ("https://a..b", "server name"),
        ] {
            let why = Endpoint::new(bad, &tls).unwrap_err();
            assert!(why.contains(part), "{bad}: {why}");
        }
    }
}
