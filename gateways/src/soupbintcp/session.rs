//! The client's session: who is logged in to what, and which message is next.
//!
//! ```text
//!                 on_connected           A                    Z
//!   Disconnected -------------> LoginSent -----> LoggedIn --------> Ended
//!        ^                          |                |                ^
//!        |                          | J              | logout()       |
//!        |                          +---> Ended      +--> LoggingOut -+ Z
//!        +---------------- on_disconnected, from anywhere -------------
//! ```
//!
//! Invariants: `next` is the number of the sequenced message expected next, counted here and never sent by the server after the login
//! answer; only `S` moves it. It survives a disconnect, and the next login asks for it in the same session. `Z` makes both void: the next
//! login asks for the current session from its start.
//!
//! Times are whatever clock the caller has, in ns; only differences count.

use core::fmt;

use model::Nanos;
use thiserror::Error;

use super::packet_type as pt;
use super::{FrameError, LoginAccepted, LoginRequest, Packet, SessionName, Transmit};

/// How a client logs in and how it judges the peer. The password does not show in `Debug`.
#[derive(Clone)]
pub struct ClientConfig {
    /// 1 to 6 printable ASCII characters.
    pub username: String,
    /// 0 to 10 printable ASCII characters.
    pub password: String,
    /// The session to join first, up to 10 printable ASCII characters; blank for the current one.
    pub session: String,
    /// The first sequenced message wanted at the first login: 1 for all of the session, 0 for the most recent only, or one past the last
    /// one that was journaled (with `session` as it was named then).
    pub next_sequence: u64,
    /// A heartbeat is sent after this span without sending. The protocol wants 1 s.
    pub heartbeat: Nanos,
    /// A server silent for this span is gone.
    pub silence: Nanos,
    /// The login's answer must come within this span.
    pub login_timeout: Nanos,
}

impl ClientConfig {
    /// The current session from its start, with heartbeats of 1 s, a silence limit of 15 s and 5 s for the login.
    #[must_use]
    pub fn new(username: &str, password: &str) -> ClientConfig {
        ClientConfig {
            username: username.into(),
            password: password.into(),
            session: String::new(),
            next_sequence: 1,
            heartbeat: Nanos::from_millis(1_000),
            silence: Nanos::from_millis(15_000),
            login_timeout: Nanos::from_millis(5_000),
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("username", &self.username)
            .field("session", &self.session)
            .field("next_sequence", &self.next_sequence)
            .field("heartbeat", &self.heartbeat)
            .field("silence", &self.silence)
            .field("login_timeout", &self.login_timeout)
            .finish_non_exhaustive()
    }
}

/// Why a configuration cannot log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The user name's length or characters.
    #[error("username: 1 to 6 printable ASCII characters without spaces")]
    Username,
    /// The password's length or characters.
    #[error("password: at most 10 printable ASCII characters without spaces")]
    Password,
    /// The session's length or characters.
    #[error("session: at most 10 printable ASCII characters")]
    Session,
    /// A span of 0, or a heartbeat that would be sent after the silence limit.
    #[error("heartbeat, silence and login_timeout: above 0, heartbeat below silence")]
    Timing,
}

/// Where the session stands; the picture is in the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No connection.
    Disconnected,
    /// Connected; the login's answer is awaited.
    LoginSent,
    /// Messages flow.
    LoggedIn,
    /// A logout was written; what the server sent before it saw that still comes.
    LoggingOut,
    /// The server said that nothing more will come: end of session or login rejected.
    Ended,
}

/// Why the connection must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The stream is not packets.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A packet that the server may not send now.
    #[error("packet type 0x{kind:02x} while {state:?}")]
    Unexpected {
        /// Its type byte.
        kind: u8,
        /// Where the session stood.
        state: State,
    },
    /// A login answer that cannot be read.
    #[error("malformed login answer")]
    LoginAnswer,
    /// The login's answer did not come in time.
    #[error("no answer to the login")]
    LoginTimeout,
    /// Nothing came for longer than the silence limit.
    #[error("the server is silent")]
    Silent,
    /// The count of messages left 64 bits.
    #[error("sequence number beyond 64 bits")]
    Sequence,
}

/// What a packet means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The login was accepted.
    LoggedIn {
        /// What the server said. Its `next` holds from now on, whatever was asked for.
        accepted: LoginAccepted,
        /// The sequence that was asked for.
        asked: u64,
        /// Whether this is the session that was joined before, so that its numbers go on.
        continued: bool,
    },
    /// The login was refused; the server closes.
    LoginRejected {
        /// `A` not authorised, `S` session not available.
        code: u8,
    },
    /// A message of the sequenced stream.
    Sequenced {
        /// Its number.
        seq: u64,
        /// Its bytes.
        message: &'a [u8],
    },
    /// A message outside the stream, never repeated.
    Unsequenced(&'a [u8]),
    /// Text for people.
    Debug(&'a [u8]),
    /// The server is there.
    Heartbeat,
    /// The session is over for good.
    EndOfSession,
}

/// The state machine. It owns no buffer: packets come from a [`super::Deframer`], what it sends goes to a [`Transmit`].
#[derive(Debug)]
pub struct ClientSession {
    login: Credentials,
    heartbeat: Nanos,
    silence: Nanos,
    login_timeout: Nanos,
    state: State,
    /// What the next login asks for.
    session: SessionName,
    next: u64,
    /// The session that was joined last, and stays so when the next login does not name it: a server may refuse it and then serve it all the same.
    joined: SessionName,
    last_sent: Nanos,
    last_heard: Nanos,
}

#[derive(Clone, Copy)]
struct Credentials {
    username: [u8; 6],
    password: [u8; 10],
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// `text` left-justified in `N` bytes; `None` where it does not fit or is not printable ASCII without spaces.
fn left<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [b' '; N];
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    out.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(out)
}

impl ClientSession {
    /// A session that is not connected.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn new(config: &ClientConfig) -> Result<ClientSession, ConfigError> {
        let username = match left(&config.username) {
            Some(u) if !config.username.is_empty() => u,
            _ => return Err(ConfigError::Username),
        };
        let password = left(&config.password).ok_or(ConfigError::Password)?;
        let session = SessionName::new(config.session.as_bytes()).ok_or(ConfigError::Session)?;
        let ClientConfig { heartbeat, silence, login_timeout, .. } = *config;
        if heartbeat.0 == 0 || heartbeat >= silence || login_timeout.0 == 0 {
            return Err(ConfigError::Timing);
        }
        Ok(ClientSession {
            login: Credentials { username, password },
            heartbeat,
            silence,
            login_timeout,
            state: State::Disconnected,
            session,
            next: config.next_sequence,
            joined: SessionName::BLANK,
            last_sent: Nanos::ZERO,
            last_heard: Nanos::ZERO,
        })
    }

    /// Where the session stands.
    #[inline]
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The session joined, or to be asked for.
    #[must_use]
    pub fn session(&self) -> SessionName {
        self.session
    }

    /// The number of the sequenced message expected next, or to be asked for.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Whether the connection has no further use: end of session, or login rejected.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Ended
    }

    /// The next login asks for the current session from its start. For a session that the server no longer has (`J` with `S`): what was
    /// missed in it is then not repeated, so this is for the caller to decide. Should the server serve that very session after all, it is *continued*, from 1.
    pub fn forget(&mut self) {
        self.session = SessionName::BLANK;
        self.next = 1;
    }

    /// A connection is up: the login request goes out at once, as a silent socket is dropped. `tx` must be empty.
    pub fn on_connected(&mut self, now: Nanos, tx: &mut Transmit) {
        let request = LoginRequest {
            username: self.login.username,
            password: self.login.password,
            session: self.session,
            sequence: self.next,
        };
        let fits = tx.push(&request.encode(), 0);
        debug_assert!(fits, "an empty transmit buffer takes a login");
        self.state = State::LoginSent;
        self.last_sent = now;
        self.last_heard = now;
    }

    /// The connection is gone. Session and sequence stay for the next login.
    pub fn on_disconnected(&mut self) {
        self.state = State::Disconnected;
    }

    /// Bytes of whatever kind came.
    #[inline]
    pub fn on_heard(&mut self, now: Nanos) {
        self.last_heard = now;
    }

    /// When the last bytes came.
    #[inline]
    #[must_use]
    pub fn last_heard(&self) -> Nanos {
        self.last_heard
    }

    /// Something was written to the transmit buffer.
    #[inline]
    pub fn on_sent(&mut self, now: Nanos) {
        self.last_sent = now;
    }

    /// Takes in one packet.
    ///
    /// # Errors
    /// [`SessionError`]: drop the connection. The count of messages is then as before the packet.
    #[inline]
    pub fn on_packet<'a>(&mut self, packet: Packet<'a>) -> Result<Event<'a>, SessionError> {
        let flowing = matches!(self.state, State::LoggedIn | State::LoggingOut);
        match packet.kind {
            pt::SEQUENCED if flowing => {
                let seq = self.next;
                self.next = seq.checked_add(1).ok_or(SessionError::Sequence)?;
                Ok(Event::Sequenced { seq, message: packet.payload })
            }
            pt::UNSEQUENCED if flowing => Ok(Event::Unsequenced(packet.payload)),
            pt::SERVER_HEARTBEAT if self.state != State::Ended => Ok(Event::Heartbeat),
            pt::DEBUG => Ok(Event::Debug(packet.payload)),
            pt::END_OF_SESSION if flowing => {
                self.state = State::Ended;
                self.forget();
                Ok(Event::EndOfSession)
            }
            pt::LOGIN_ACCEPTED if self.state == State::LoginSent => self.accepted(packet.payload),
            pt::LOGIN_REJECTED if self.state == State::LoginSent => {
                let code = *packet.payload.first().ok_or(SessionError::LoginAnswer)?;
                self.state = State::Ended;
                Ok(Event::LoginRejected { code })
            }
            kind => Err(SessionError::Unexpected { kind, state: self.state }),
        }
    }

    #[cold]
    fn accepted<'a>(&mut self, payload: &[u8]) -> Result<Event<'a>, SessionError> {
        let accepted = LoginAccepted::parse(payload).ok_or(SessionError::LoginAnswer)?;
        let asked = self.next;
        let again = self.joined != SessionName::BLANK && self.joined == accepted.session;
        let continued = again || (self.session == accepted.session && asked > 1);
        self.session = accepted.session;
        self.next = accepted.next;
        self.joined = accepted.session;
        self.state = State::LoggedIn;
        Ok(Event::LoggedIn { accepted, asked, continued })
    }

    /// When [`ClientSession::on_timeout`] has something to do; `None` while nothing is timed. `paused` means that received packets wait
    /// for the caller: then the server's silence is the caller's own and not judged.
    #[inline]
    #[must_use]
    pub fn next_timeout(&self, paused: bool) -> Option<Nanos> {
        match (self.state, paused) {
            (State::Disconnected | State::Ended, _) | (State::LoginSent, true) => None,
            (State::LoginSent, false) => Some(self.last_sent.after(self.login_timeout)),
            (State::LoggedIn | State::LoggingOut, true) => Some(self.last_sent.after(self.heartbeat)),
            (State::LoggedIn | State::LoggingOut, false) => {
                Some(self.last_sent.after(self.heartbeat).min(self.last_heard.after(self.silence)))
            }
        }
    }

    /// Sends a heartbeat if one is due, and judges the server's silence. Nothing is added while bytes wait to be sent: they are a sign of
    /// life by themselves, and a blocked socket must not fill the buffer with heartbeats.
    ///
    /// # Errors
    /// [`SessionError::LoginTimeout`], [`SessionError::Silent`]: drop the connection.
    pub fn on_timeout(&mut self, now: Nanos, paused: bool, tx: &mut Transmit) -> Result<(), SessionError> {
        match self.state {
            State::Disconnected | State::Ended => Ok(()),
            State::LoginSent if !paused && now >= self.last_sent.after(self.login_timeout) => {
                Err(SessionError::LoginTimeout)
            }
            State::LoginSent => Ok(()),
            State::LoggedIn | State::LoggingOut => {
                if !paused && now >= self.last_heard.after(self.silence) {
                    return Err(SessionError::Silent);
                }
                if now >= self.last_sent.after(self.heartbeat) {
                    if tx.pending().is_empty() && self.state == State::LoggedIn {
                        let fits = tx.push(&[0, 1, pt::CLIENT_HEARTBEAT], 0);
                        debug_assert!(fits, "an empty transmit buffer takes a heartbeat");
                    }
                    self.last_sent = now;
                }
                Ok(())
            }
        }
    }

    /// Asks the server to end the connection; it closes at once, but what it sent before is still to be read. Nothing but while logged in.
    pub fn logout(&mut self, now: Nanos, tx: &mut Transmit) {
        if self.state == State::LoggedIn && tx.push(&[0, 1, pt::LOGOUT_REQUEST], 0) {
            self.state = State::LoggingOut;
            self.last_sent = now;
        }
    }
}
