//! QuickFIX as the client of our acceptor.

use std::net::TcpListener;

use gateways::fix::logon::Credentials;
use gateways::fix::session::{Event, Role, Session, SessionConfig, State, Version};
use gateways::fix::store::MemoryStore;
use net::tcp::TcpLink;
use net::{ByteStream, Received};

use crate::authority::Authority;
use crate::peer::{Line, Peer, Setup, field, now, python, until};

/// Our end: a listener, a session, and what its application was told.
struct Venue {
    listener: TcpListener,
    tls: Option<net::tls::TlsServer>,
    session: Session<MemoryStore>,
    line: Option<Line>,
    told: Vec<String>,
    seen: usize,
}

impl Venue {
    fn turn(&mut self) {
        if self.line.is_none() {
            let Ok((stream, _)) = self.listener.accept() else { return };
            let link = TcpLink::accepted(stream).unwrap();
            self.line = Some(match &self.tls {
                None => Line::Plain(link),
                Some(tls) => Line::Tls(Box::new(tls.accept(link).unwrap())),
            });
            self.session.on_connected(now());
        }
        let Some(line) = &mut self.line else { return };
        let space = self.session.recv_space();
        match line.recv(space) {
            Ok(Received::Data(n)) => self.session.on_received(now(), n),
            Ok(Received::Nothing) => {}
            Ok(Received::Closed) | Err(_) => return self.cut(),
        }
        while let Some(event) = self.session.poll(now()) {
            self.told.push(match event {
                Event::Message { message, .. } => {
                    format!("app {}", String::from_utf8_lossy(message.bytes()).replace('\x01', "|"))
                }
                other => format!("{other:?}"),
            });
        }
        let line = self.line.as_mut().expect("a line");
        if let Ok(n) = line.send(self.session.transmit()) {
            self.session.transmitted(n);
        }
        if self.session.is_over() {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.line = None;
        self.session.on_disconnected();
    }

    /// The next thing its application was told that begins with `word`.
    fn hears(&mut self, word: &str) -> String {
        until(word, || {
            self.turn();
            let at = (self.seen..self.told.len()).find(|at| self.told[*at].starts_with(word))?;
            self.seen = at + 1;
            Some(self.told[at].clone())
        })
    }

    fn send(&mut self, kind: &[u8], body: &str) {
        self.session.send(now(), kind, body.replace('|', "\x01").as_bytes()).unwrap();
    }
}

const TIME: &str = "20240102-12:00:00";

fn a_day(version: Version, tls: bool, shows: Option<&str>, wants: Credentials) {
    let Some(python) = python() else { return };
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = SessionConfig {
        credentials: wants,
        ..SessionConfig::new(Role::Acceptor, version, "VENUE", "CLIENT")
    };
    let mut venue = Venue {
        listener,
        tls: tls.then(|| authority.server("127.0.0.1")),
        session: Session::new(config, MemoryStore::new(1 << 20)).unwrap(),
        line: None,
        told: Vec::new(),
        seen: 0,
    };
    let setup = Setup { role: "initiator", version, port, tls, authority: &authority, credentials: shows };
    let mut peer = Peer::start(&python, &setup);
    assert_eq!(venue.hears("LoggedOn"), "LoggedOn { reset: false }");
    peer.says("logon", || venue.turn());
    let trans = if version == Version::Fix42 { "20=0|" } else { "" };
    let fill = if version == Version::Fix42 { "1" } else { "F" };

    peer.tell(&format!("send D 11=a|21=1|38=100|40=2|44=10.5|54=1|55=AAPL|59=0|60={TIME}"));
    assert_eq!(field(&venue.hears("app"), 35), "D");
    venue.send(
        b"8",
        &format!("6=0|11=a|14=0|17=1|{trans}37=7|38=100|39=0|44=10.5|54=1|55=AAPL|150=0|151=100|"),
    );
    venue.send(
        b"8",
        &format!(
            "6=10.5|11=a|14=40|17=2|{trans}31=10.5|32=40|37=7|38=100|39=1|54=1|55=AAPL|150={fill}|151=60|"
        ),
    );
    assert_eq!(field(&peer.says("app", || venue.turn()), 17), "1");
    assert_eq!(field(&peer.says("app", || venue.turn()), 17), "2");
    peer.tell(&format!("send G 11=b|21=1|38=120|40=2|41=a|44=10.6|54=1|55=AAPL|60={TIME}"));
    assert_eq!(field(&venue.hears("app"), 41), "a");
    venue.send(
        b"8",
        &format!("6=10.5|11=b|14=40|17=3|{trans}37=7|38=120|39=1|41=a|44=10.6|54=1|55=AAPL|150=5|151=80|"),
    );
    assert_eq!(field(&peer.says("app", || venue.turn()), 150), "5");
    peer.tell(&format!("send F 11=c|38=120|41=x|54=1|55=AAPL|60={TIME}"));
    assert_eq!(field(&venue.hears("app"), 35), "F");
    venue.send(b"9", "11=c|37=NONE|39=8|41=x|102=1|434=1|");
    assert_eq!(field(&peer.says("app", || venue.turn()), 35), "9");

    // The connection is cut with a report on its way: it comes again, as a possible duplicate.
    venue.send(
        b"8",
        &format!(
            "6=10.5|11=b|14=50|17=4|{trans}31=10.5|32=10|37=7|38=120|39=1|54=1|55=AAPL|150={fill}|151=70|"
        ),
    );
    venue.cut();
    peer.says("logout", || {});
    assert_eq!(venue.hears("ResendAsked").split(',').count(), 2);
    let again = peer.says("app", || venue.turn());
    assert_eq!((field(&again, 17), field(&again, 43)), ("4".into(), "Y".into()));

    // It uses numbers that it never sent: the gap is asked for and filled.
    peer.tell("skip 3");
    if version == Version::Fix44 {
        peer.tell(&format!("send q 11=d|530=7|60={TIME}"));
        assert_eq!(field(&venue.hears("app"), 35), "q");
        venue.send(b"r", "11=d|37=8|530=7|531=7|533=1|");
        assert_eq!(field(&peer.says("app", || venue.turn()), 531), "7");
    } else {
        peer.tell("send H 11=b|54=1|55=AAPL");
        assert_eq!(field(&venue.hears("app"), 35), "H");
    }
    // What QuickFIX sends without what the dictionary requires is rejected, and it is told why.
    peer.nothing_was_refused();
    peer.tell("send D 11=e|21=1|38=100|40=2|44=10.5|54=1|55=AAPL|59=0");
    let rejected = peer.says("rejected", || venue.turn());
    assert_eq!((field(&rejected, 371), field(&rejected, 373)), ("60".into(), "1".into()));
    peer.tell("logout");
    peer.says("logout", || venue.turn());
    assert_ne!(venue.session.state(), State::Active);
}

#[test]
fn a_client_with_a_password_over_tcp() {
    let wants = Credentials::Password { user: "me".into(), password: "secret".into() };
    a_day(Version::Fix44, false, Some("me:secret"), wants);
}

#[test]
fn a_client_that_signs_over_tls() {
    let wants = Credentials::Hmac { user: String::new(), password: String::new(), key: (0..32).collect() };
    a_day(Version::Fix44, true, Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), wants);
}

#[test]
fn a_client_of_42() {
    a_day(Version::Fix42, false, None, Credentials::None);
}
