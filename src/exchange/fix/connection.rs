//! One client's connection to the FIX port, and the account's session that outlives it.
//!
//! ```text
//!            Logon of an account, shown to the desk      answered         Logout, silence, a number too low, replaced
//!  Greeting ---------------------------------> Asking ------------> On --------------------------------------------> Closing
//!     |                                           | refused                                                             ^
//!     +--- silence, no Logon ---------------------+---------------------------------------------------------------------+
//! ```
//!
//! The session with its numbers, and with all that it may have to send again, is lent to the connection and goes back to the desk when that has ended. A message
//! of the stream gets its number when it is written first; what was written into a connection that broke is asked for by the client and comes again as a possible
//! duplicate.
//!
//! Invariants: an account's session is lent to one connection at a time; no more than 64 KiB wait plus what the session holds, whatever the client does.

use gateways::fix::framing::{Framed, Framer};
use gateways::fix::session::{ConfigError, Event, Role, Session, SessionConfig, State as SessionState};
use gateways::fix::store::MemoryStore;
use model::Nanos;

use super::FixRules;
use crate::exchange::connection::Ask;
use crate::exchange::message_log::MessageLog;

/// A client that has not said who it is for so long is dropped.
const CLIENT_SILENCE_NS: u64 = 15_000_000_000;
/// Bytes that may wait for a slow client before the stream is held back.
const OUT_LIMIT: usize = 64 * 1024;
/// The longest Logon.
const LOGON_MAX: usize = 4_096;
/// `PossResend`, behind the header's own fields.
const POSS_RESEND: &[u8] = b"97=Y\x01";

/// An account's session.
#[derive(Debug)]
pub struct Seat {
    session: Session<MemoryStore>,
    /// The message of the stream that was not written yet.
    next: u64,
    /// ns of the Unix epoch at the venue's midnight.
    midnight: u64,
}

impl Seat {
    /// A session that begins with number 1. It forgets nothing, as the stream does.
    ///
    /// # Errors
    /// A CompID or secret that cannot be.
    pub fn new(rules: &FixRules) -> Result<Seat, ConfigError> {
        let config = SessionConfig {
            credentials: rules.credentials.clone(),
            ..SessionConfig::new(Role::Acceptor, rules.version, &rules.venue, &rules.client)
        };
        let session = Session::new(config, MemoryStore::new(usize::MAX))?;
        Ok(Seat { session, next: 1, midnight: rules.midnight })
    }

    fn at(&self, now: u64) -> Nanos {
        Nanos(self.midnight.saturating_add(now))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Asking,
    On { account: u16 },
    Closing,
}

/// One client's connection.
#[derive(Debug)]
pub struct Connection {
    state: State,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    last_in: u64,
    seat: Option<(u16, Box<Seat>)>,
}

impl Connection {
    /// A connection opened at `now`.
    #[must_use]
    pub fn new(now: u64) -> Connection {
        Connection { state: State::Greeting, inbox: Vec::new(), outbox: Vec::new(), last_in: now, seat: None }
    }

    /// The account that is logged on.
    #[must_use]
    pub fn account(&self) -> Option<u16> {
        match self.state {
            State::On { account } => Some(account),
            State::Greeting | State::Asking | State::Closing => None,
        }
    }

    /// Takes bytes as they came, split or joined anywhere. Call [`Self::next_ask`] until it has no more.
    pub fn receive(&mut self, now: u64, bytes: &[u8]) {
        if self.state != State::Closing {
            self.last_in = now;
            self.inbox.extend_from_slice(bytes);
        }
    }

    /// What the client wants next. Nonsense in place of a Logon closes the connection.
    pub fn next_ask(&mut self, now: u64) -> Option<Ask> {
        match self.state {
            State::Closing | State::Asking => None,
            State::Greeting => self.greeting(),
            State::On { .. } => self.converse(now),
        }
    }

    fn greeting(&mut self) -> Option<Ask> {
        if self.inbox.is_empty() {
            return None;
        }
        let known = self.inbox.len().min(LOGON_MAX);
        let mut framer = Framer::new(LOGON_MAX);
        framer.space()[..known].copy_from_slice(&self.inbox[..known]);
        framer.commit(known);
        match framer.next_frame() {
            Some(Framed::Message(at)) => {
                self.state = State::Asking;
                Some(Ask::Logon(framer.bytes(at).to_vec()))
            }
            None if known < LOGON_MAX => None,
            Some(Framed::Garbled) | None => {
                self.close();
                None
            }
        }
    }

    /// Goes on with the session, as far as what the client sent reaches.
    fn converse(&mut self, now: u64) -> Option<Ask> {
        let (_, seat) = self.seat.as_mut()?;
        let at = seat.at(now);
        let ask = loop {
            match seat.session.poll(at) {
                Some(Event::Message { message, .. }) => break Some(Ask::Message(message.bytes().to_vec())),
                Some(_) => continue,
                None => {}
            }
            if seat.session.state() == SessionState::Over {
                break Some(Ask::Logout);
            }
            let space = seat.session.recv_space();
            let n = space.len().min(self.inbox.len());
            if n == 0 {
                break None;
            }
            space[..n].copy_from_slice(&self.inbox[..n]);
            self.inbox.drain(..n);
            seat.session.on_received(at, n);
        };
        self.drain();
        ask
    }

    /// Lends the account's session to the connection and has the Logon answered that was shown. Returns whether the client is logged on; where it is not, what there
    /// is to say to it is said, and the connection closes.
    pub fn attach(&mut self, now: u64, account: u16, mut seat: Box<Seat>, refusal: Option<&str>) -> bool {
        let at = seat.at(now);
        seat.session.on_disconnected();
        seat.session.on_connected(at);
        if let Some(words) = refusal {
            seat.session.refuse(at, words);
        }
        self.seat = Some((account, seat));
        // One message is enough to be logged on; what follows it is asked for in its turn.
        let is_on = refusal.is_none() && self.log_on(now);
        self.drain();
        if is_on {
            self.state = State::On { account };
        } else {
            self.close();
        }
        is_on
    }

    fn log_on(&mut self, now: u64) -> bool {
        let Some((_, seat)) = self.seat.as_mut() else { return false };
        let at = seat.at(now);
        let space = seat.session.recv_space();
        let n = space.len().min(self.inbox.len());
        space[..n].copy_from_slice(&self.inbox[..n]);
        self.inbox.drain(..n);
        seat.session.on_received(at, n);
        matches!(seat.session.poll(at), Some(Event::LoggedOn { .. }))
    }

    /// Gives the session back. What waits to be written still may be; nothing more is read.
    pub fn release(&mut self) -> Option<(u16, Box<Seat>)> {
        self.close();
        self.seat.take()
    }

    /// Whose session it has.
    #[must_use]
    pub fn seated(&self) -> Option<u16> {
        self.seat.as_ref().map(|(account, _)| *account)
    }

    /// The number in the account's stream of the message that is written next.
    #[must_use]
    pub fn next_sequence(&self) -> Option<u64> {
        self.account()?;
        self.seat.as_ref().map(|(_, seat)| seat.next)
    }

    /// Moves what the session has to say to what is written, as far as the client reads.
    fn drain(&mut self) {
        let Some((_, seat)) = &mut self.seat else { return };
        while self.outbox.len() < OUT_LIMIT {
            let bytes = seat.session.transmit();
            if bytes.is_empty() {
                return;
            }
            self.outbox.extend_from_slice(bytes);
            seat.session.transmitted(bytes.len());
        }
    }

    /// Writes a message of the stream, under the session's next number. False where there is no room.
    fn write(&mut self, now: u64, header: &[u8], message: &[u8]) -> bool {
        let Some((_, seat)) = &mut self.seat else { return false };
        let Some((kind, body)) = message.split_first() else { return true };
        let at = seat.at(now);
        let is_sent = seat.session.send_routed(at, &[*kind], header, body).is_ok();
        self.drain();
        is_sent
    }

    /// Writes the next message of the stream, and once more under another number, as one that may have been sent before.
    pub fn stutter(&mut self, now: u64, message: &[u8]) {
        if self.write(now, &[], message) {
            self.pass_over();
            self.write(now, POSS_RESEND, message);
        }
    }

    /// Goes on behind the next message of the stream, which is written already or never is.
    pub fn pass_over(&mut self) {
        if let Some((_, seat)) = &mut self.seat {
            seat.next += 1;
        }
    }

    /// Writes bytes that are no message.
    pub fn babble(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// Writes the first `n` bytes of the next message of the stream, and then no more.
    pub fn break_off(&mut self, now: u64, message: &[u8], n: usize) {
        let before = self.outbox.len();
        if self.write(now, &[], message) {
            self.pass_over();
        }
        self.outbox.truncate(before.saturating_add(n));
        self.close();
    }

    /// Writes what the client has not been sent of its stream up to message `last`, as far as it reads; at the end of the day, a goodbye.
    pub fn pump(&mut self, now: u64, log: &MessageLog, last: u64, ended: bool) {
        self.drain();
        while let Some(next) = self.next_sequence()
            && next <= last
            && self.outbox.len() < OUT_LIMIT
            && let Some(message) = log.get(next)
            && self.write(now, &[], message)
        {
            self.pass_over();
        }
        if ended && self.next_sequence() == Some(log.next()) {
            if let Some((_, seat)) = &mut self.seat {
                let at = seat.at(now);
                seat.session.logout(at, "the day is over");
            }
            self.drain();
        }
    }

    /// Heartbeats, and the end of patience with a silent client. Returns whether the client was dropped just now.
    pub fn tick(&mut self, now: u64) -> bool {
        let is_silent = now.saturating_sub(self.last_in) >= CLIENT_SILENCE_NS;
        match self.state {
            State::Greeting | State::Asking if is_silent => {
                self.close();
                true
            }
            State::Greeting | State::Asking => false,
            State::Closing => {
                // A client that does not read its last words is not waited for either.
                if is_silent {
                    self.outbox.clear();
                }
                false
            }
            State::On { .. } => {
                let Some((_, seat)) = &mut self.seat else { return false };
                let at = seat.at(now);
                seat.session.on_timeout(at, false);
                let is_over = seat.session.state() == SessionState::Over;
                self.drain();
                if is_over {
                    self.close();
                }
                is_over
            }
        }
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_due(&self) -> u64 {
        let silence = self.last_in.saturating_add(CLIENT_SILENCE_NS);
        match (self.state, &self.seat) {
            (State::On { .. }, Some((_, seat))) => {
                let due = seat.session.next_timeout(false);
                due.map_or(u64::MAX, |at| at.0.saturating_sub(seat.midnight))
            }
            (State::Closing, _) if self.outbox.is_empty() => u64::MAX,
            _ => silence,
        }
    }

    /// Reads and promises nothing more; what waits to be written still may be.
    pub fn close(&mut self) {
        self.state = State::Closing;
        self.inbox = Vec::new();
    }

    /// Bytes for the client.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.outbox
    }

    /// The first `n` bytes of [`Self::output`] are written.
    pub fn written(&mut self, n: usize) {
        self.outbox.drain(..n);
        if self.state != State::Closing {
            self.drain();
        }
    }

    /// Whether nothing more will be written or read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Closing && self.outbox.is_empty()
    }
}
