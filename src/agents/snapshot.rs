//! The feed's session with its snapshot server: SoupBinTCP over TCP, opened when the channel wants a snapshot and closed with it.
//!
//! ```text
//!          channel.poll_snapshot()          connected                     G: channel.on_snapshot_end()
//!   Idle --------------------------> Connecting --------> Up -- messages --------------------------> Idle
//!    ^                                   |                |
//!    +------- refused, silent, broken, given up by the channel: channel.on_snapshot_failed() -------+
//! ```
//!
//! Never blocks. The buffers are taken at the start, so a snapshot allocates nothing here; its system calls are a read or two in each duty cycle while it
//! runs, and none otherwise. How long a snapshot may take, and when the next is tried, is the channel's to say.
//!
//! A login that the server refuses for user or password is not tried again before a person says so: venues lock accounts that keep trying.

use std::io;
use std::net::SocketAddr;

use feeds::channel::{Channel, Sink};
use feeds::glimpse::{Part, Snapshot};
use gateways::soupbintcp::{ClientConfig, ClientSession, Deframer, Event, Transmit};
use model::Nanos;
use net::Received;
use net::tcp::TcpLink;

use super::ways::Connect;
use crate::config::Account;

/// Bytes of the receive buffer: more than the longest packet.
const RECEIVE: usize = 128 * 1024;
/// Bytes of the transmit buffer: a login, a logout, a heartbeat.
const TRANSMIT: usize = 256;
/// Messages taken in a duty cycle, so that the lines are heard in between.
const MESSAGES: usize = 256;
/// Code of a login that is refused for its user or password.
const NOT_AUTHORISED: u8 = b'A';

enum Link<L> {
    Idle,
    Connecting(L),
    Up(L),
}

/// See the module. `L` is its connection.
pub(crate) struct SnapshotSession<L = TcpLink> {
    address: SocketAddr,
    session: ClientSession,
    link: Link<L>,
    rx: Deframer,
    tx: Transmit,
    snapshot: Snapshot,
    given_up: bool,
}

/// Why a session has no further use: its snapshot is whole, or will not come.
enum Over {
    Whole,
    Failed,
}

impl<L: Connect> SnapshotSession<L> {
    /// A session that is not connected.
    ///
    /// # Errors
    /// The account does not suit the protocol.
    pub(crate) fn new(account: &Account) -> io::Result<SnapshotSession<L>> {
        let session = ClientSession::new(&ClientConfig::new(&account.username, &account.password))
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, format!("glimpse: {e}")))?;
        Ok(SnapshotSession {
            address: account.address,
            session,
            link: Link::Idle,
            rx: Deframer::new(RECEIVE),
            tx: Transmit::new(TRANSMIT),
            snapshot: Snapshot::new(),
            given_up: false,
        })
    }

    /// Whether there is no connection, nor one in the making.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.link, Link::Idle)
    }

    /// Whether the server refused user or password.
    pub(crate) fn given_up(&self) -> bool {
        self.given_up
    }

    /// A turn of the session that `channel` asked for; what it brings goes through the channel to `sink`.
    pub(crate) fn poll<S: Sink>(&mut self, now: Nanos, channel: &mut Channel, sink: &mut S) -> usize {
        if !channel.is_snapshot_open() {
            // Its time was up, or the venue began another session.
            self.close();
            return 1;
        }
        match self.turn(now, channel, sink) {
            Ok(work) => work,
            Err(over) => {
                if matches!(over, Over::Failed) {
                    channel.on_snapshot_failed(now);
                }
                self.close();
                1
            }
        }
    }

    /// Begins anew, with a server that refused the login too: a person says that it will be different now.
    pub(super) fn reconnect(&mut self, now: Nanos, channel: &mut Channel) {
        self.given_up = false;
        if !self.is_idle() {
            channel.on_snapshot_failed(now);
            self.close();
        }
        channel.hurry_snapshot();
    }

    fn close(&mut self) {
        self.session.on_disconnected();
        self.link = Link::Idle;
    }

    fn turn<S: Sink>(&mut self, now: Nanos, channel: &mut Channel, sink: &mut S) -> Result<usize, Over> {
        match &mut self.link {
            Link::Idle => {
                if self.given_up {
                    return Err(Over::Failed);
                }
                self.link = Link::Connecting(L::start(self.address).map_err(|_| Over::Failed)?);
                Ok(1)
            }
            Link::Connecting(link) => {
                if !link.poll_connected().map_err(|_| Over::Failed)? {
                    return Ok(0);
                }
                let Link::Connecting(link) = std::mem::replace(&mut self.link, Link::Idle) else {
                    return Ok(0);
                };
                self.link = Link::Up(link);
                // Each login is for a snapshot of its own: the current session, from 1.
                self.session.forget();
                self.rx.clear();
                self.tx.sent(self.tx.pending().len());
                self.snapshot = Snapshot::new();
                self.session.on_connected(now, &mut self.tx);
                self.send()?;
                Ok(1)
            }
            Link::Up(_) => {
                let work = self.receive(now)?;
                self.take(now, channel, sink)?;
                self.session.on_timeout(now, false, &mut self.tx).map_err(|_| Over::Failed)?;
                self.send()?;
                Ok(work)
            }
        }
    }

    fn send(&mut self) -> Result<(), Over> {
        let Link::Up(link) = &mut self.link else { return Ok(()) };
        if !self.tx.pending().is_empty() {
            let n = link.send(self.tx.pending()).map_err(|_| Over::Failed)?;
            self.tx.sent(n);
        }
        Ok(())
    }

    /// Reads once. The end of the connection is only an end when what came before it is taken.
    fn receive(&mut self, now: Nanos) -> Result<usize, Over> {
        let Link::Up(link) = &mut self.link else { return Ok(0) };
        if self.rx.has_packet() {
            return Ok(1);
        }
        match link.recv(self.rx.space()) {
            Ok(Received::Data(n)) => {
                self.rx.commit(n);
                self.session.on_heard(now);
                Ok(1)
            }
            Ok(Received::Nothing) => Ok(0),
            Ok(Received::Closed) | Err(_) => Err(self.broken_off()),
        }
    }

    /// The session ended by itself: before `G`, or the loop would have ended with it.
    fn broken_off(&mut self) -> Over {
        match self.snapshot.on_end() {
            Ok(_) => Over::Whole,
            Err(_) => Over::Failed,
        }
    }

    fn take<S: Sink>(&mut self, now: Nanos, channel: &mut Channel, sink: &mut S) -> Result<(), Over> {
        for _ in 0..MESSAGES {
            let Some(packet) = self.rx.next_packet().map_err(|_| Over::Failed)? else { break };
            match self.session.on_packet(packet).map_err(|_| Over::Failed)? {
                Event::Sequenced { message, .. } => {
                    match self.snapshot.on_message(message).map_err(|_| Over::Failed)? {
                        Part::Message(message) => channel.on_snapshot_message(now, message, sink),
                        Part::End { next } => {
                            channel.on_snapshot_end(now, next, sink);
                            self.session.logout(now, &mut self.tx);
                            // Politeness: where it cannot be sent, the closed socket says the same.
                            let _ = self.send();
                            return Err(Over::Whole);
                        }
                    }
                    if !channel.is_snapshot_open() {
                        // One of its messages could not be decoded.
                        return Err(Over::Whole);
                    }
                }
                // A stream that does not begin with its first message is not a whole snapshot.
                Event::LoggedIn { accepted, .. } if accepted.next != 1 => return Err(Over::Failed),
                Event::LoginRejected { code } => {
                    self.given_up = code == NOT_AUTHORISED;
                    return Err(Over::Failed);
                }
                Event::EndOfSession => return Err(self.broken_off()),
                Event::LoggedIn { .. } | Event::Unsequenced(_) | Event::Debug(_) | Event::Heartbeat => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use feeds::channel::{ChannelConfig, SnapshotLimits, Taken};
    use model::FeedStatus;

    use super::*;

    #[derive(Default)]
    struct Said(Vec<FeedStatus>);

    impl Sink for Said {
        fn message(&mut self, _: u64, _: &[u8]) -> Taken {
            Taken::Whole
        }
        fn snapshot(&mut self, _: &[u8]) -> Taken {
            Taken::Whole
        }
        fn status(&mut self, status: FeedStatus) {
            self.0.push(status);
        }
    }

    /// Logs in at a server that says that its first message has this number; what it was asked, and what became of the snapshot.
    fn logged_in(first: u64) -> (Vec<u8>, bool) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let account = Account { address, username: "user01".into(), password: "pass".into() };
        let mut session: SnapshotSession = SnapshotSession::new(&account).unwrap();
        let limits = SnapshotLimits { after_messages: 0, ..SnapshotLimits::default() };
        let mut channel =
            Channel::new(ChannelConfig { lines: 1, snapshots: Some(limits), ..ChannelConfig::default() });
        let (mut said, mut now) = (Said::default(), Nanos(1));
        // The session's fifth message is the first that is heard: what was before is not asked for.
        let packet = [b"SESSION001", &5u64.to_be_bytes()[..], &1u16.to_be_bytes(), &[0, 1, b'x']].concat();
        channel.on_datagram(now, 0, &packet, &mut said);
        now = Nanos::from_millis(10);
        channel.on_timeout(now, &mut said);
        assert!(channel.poll_snapshot(now));
        let mut turn = || session.poll(now, &mut channel, &mut said);
        turn();
        let (mut stream, _) = server.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut login = Vec::new();
        while login.len() < 49 {
            turn();
            let mut bytes = [0; 64];
            if let Ok(n) = stream.read(&mut bytes) {
                login.extend_from_slice(&bytes[..n]);
            }
        }
        // Accepted, and at once a whole snapshot: `G` with where the stream goes on.
        let end = format!("G{:>20}", 5);
        let accepted = format!("A{:>10}{first:>20}", "SESSION001");
        for packet in [accepted, format!("S{end}")] {
            stream.write_all(&(packet.len() as u16).to_be_bytes()).unwrap();
            stream.write_all(packet.as_bytes()).unwrap();
        }
        while !session.is_idle() {
            session.poll(now, &mut channel, &mut said);
        }
        (login, said.0.iter().any(|s| matches!(s, FeedStatus::SnapshotEnd { next: 5 })))
    }

    #[test]
    fn a_snapshot_is_asked_for_from_its_first_message_in_the_current_session() {
        let (login, is_whole) = logged_in(1);
        let asked = format!("L{:<6}{:<10}{:>10}{:>20}", "user01", "pass", "", 1);
        assert_eq!(login, [&47u16.to_be_bytes()[..], asked.as_bytes()].concat());
        assert!(is_whole);
    }

    #[test]
    fn one_that_begins_elsewhere_is_not_whole() {
        for first in [2, 17] {
            assert!(!logged_in(first).1, "{first}");
        }
    }
}
