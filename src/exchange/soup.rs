//! SoupBinTCP 3.00/4.00, the venue's side of one connection: bytes in, packets out, no socket.
//!
//! ```text
//!            login accepted              logout, silence, nonsense, replaced
//!  Greeting ----------------> Streaming ------------------------------------> Closing
//!     |                          | end of session: all that is missing, then `Z`  ^
//!     | login rejected, silence  +------------------------------------------------|
//!     +--------------------------------------------------------------------------->
//! ```
//!
//! A packet is `length(2) type(1) payload`, the length counting type and payload. The sequenced stream belongs to the account and outlives
//! the connection: [`Connection::pump`] copies from the account's log what this client has not had, as long as the client reads.
//!
//! Invariants: sequenced packets leave in the log's order without a gap; no more than 64 KiB wait plus one packet, whatever the
//! client does; nothing is read after the connection began to close.

use super::message_log::MessageLog;

/// A client that has been silent for this long is dropped.
const CLIENT_SILENCE_NS: u64 = 15_000_000_000;
/// The venue is not silent for longer than this.
const HEARTBEAT_NS: u64 = 1_000_000_000;
/// Bytes that may wait for a slow client before the stream is held back.
const OUT_LIMIT: usize = 64 * 1024;

/// What a client wants, beyond what the connection sees to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To log in.
    Login(Login),
    /// One unsequenced message.
    Message(Vec<u8>),
    /// To go.
    Logout,
}

/// A login request, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Lower case.
    pub username: String,
    /// Lower case.
    pub password: String,
    /// Lower case; empty for the current session.
    pub session: String,
    /// The first message wanted; 0 (or blank) for new ones only, `None` where it is no number.
    pub sequence: Option<u64>,
}

impl Login {
    /// Whether it asks for this session by name.
    #[must_use]
    pub fn names_session(&self, session: &[u8; 10]) -> bool {
        self.session == field(session)
    }
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `A`.
    NotAuthorised,
    /// `S`.
    NoSuchSession,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Streaming { account: u16, next: u64 },
    Closing,
}

/// One client's connection.
#[derive(Debug)]
pub struct Connection {
    state: State,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    last_in: u64,
    last_out: u64,
}

impl Connection {
    /// A connection opened at `now`.
    #[must_use]
    pub fn new(now: u64) -> Connection {
        Connection {
            state: State::Greeting,
            inbox: Vec::new(),
            outbox: Vec::new(),
            last_in: now,
            last_out: now,
        }
    }

    /// The account that is logged in.
    #[must_use]
    pub fn account(&self) -> Option<u16> {
        match self.state {
            State::Streaming { account, .. } => Some(account),
            State::Greeting | State::Closing => None,
        }
    }

    /// Takes bytes as they came, split or joined anywhere. Call [`Self::next_ask`] until it has no more.
    pub fn receive(&mut self, now: u64, bytes: &[u8]) {
        if self.state != State::Closing {
            self.last_in = now;
            self.inbox.extend_from_slice(bytes);
        }
    }

    /// The next complete packet that needs an answer. Nonsense closes the connection.
    pub fn next_ask(&mut self) -> Option<Ask> {
        while self.state != State::Closing {
            let (length, _) = self.inbox.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(*length));
            if length == 0 {
                self.close();
                return None;
            }
            if self.inbox.len() < 2 + length {
                return None;
            }
            let packet: Vec<u8> = self.inbox.drain(..2 + length).skip(2).collect();
            let streaming = matches!(self.state, State::Streaming { .. });
            match (packet[0], streaming) {
                (b'L', false) => match parse_login(&packet[1..]) {
                    Some(login) => return Some(Ask::Login(login)),
                    None => self.close(),
                },
                (b'U', true) => return Some(Ask::Message(packet[1..].to_vec())),
                (b'O', _) => return Some(Ask::Logout),
                // Debug text, heartbeats; and what a later revision may add is no reason to hang up on a client that is logged in.
                (b'+' | b'R', _) | (_, true) => {}
                (_, false) => self.close(),
            }
        }
        None
    }

    /// Answers a login: the stream goes on from `next`, and `said` is what the client is told (the same, where the venue behaves).
    pub fn accept(&mut self, now: u64, account: u16, session: &[u8; 10], said: u64, next: u64) {
        let text = String::from_utf8_lossy(session);
        self.packet(now, b'A', format!("{:>10}{said:>20}", text.trim()).as_bytes());
        self.state = State::Streaming { account, next };
    }

    /// The sequence number of the next message of the stream, where one is streamed.
    #[must_use]
    pub fn next_sequence(&self) -> Option<u64> {
        match self.state {
            State::Streaming { next, .. } => Some(next),
            State::Greeting | State::Closing => None,
        }
    }

    /// Writes the next message of the stream twice.
    pub fn stutter(&mut self, now: u64, message: &[u8]) {
        self.packet(now, b'S', message);
    }

    /// Writes bytes that are no packet.
    pub fn babble(&mut self, now: u64, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
        self.last_out = now;
    }

    /// Writes the first `n` bytes of the next message's packet, and then no more.
    pub fn break_off(&mut self, now: u64, message: &[u8], n: usize) {
        let before = self.outbox.len();
        self.packet(now, b'S', message);
        self.outbox.truncate(before + n);
        self.close();
    }

    /// Counts as having heard the client now.
    pub fn heard(&mut self, now: u64) {
        self.last_in = now;
    }

    /// Refuses a login and closes.
    pub fn refuse(&mut self, now: u64, why: Refusal) {
        let code = match why {
            Refusal::NotAuthorised => b'A',
            Refusal::NoSuchSession => b'S',
        };
        self.packet(now, b'J', &[code]);
        self.close();
    }

    /// Writes what the client has not had of its stream up to message `last`, as far as it reads; at the end of the session, the end.
    /// Returns whether the whole log is written.
    pub fn pump(&mut self, now: u64, log: &MessageLog, last: u64, ended: bool) -> bool {
        let State::Streaming { account, mut next } = self.state else { return false };
        while self.outbox.len() < OUT_LIMIT
            && next <= last
            && let Some(message) = log.get(next)
        {
            self.packet(now, b'S', message);
            next += 1;
        }
        self.state = State::Streaming { account, next };
        if ended && next == log.next() {
            self.packet(now, b'Z', b"");
            self.close();
        }
        next == log.next()
    }

    /// Heartbeats, and the end of patience with a silent client. Returns whether the client was dropped just now.
    pub fn tick(&mut self, now: u64) -> bool {
        if self.state == State::Closing {
            // A client that does not read its last words is not waited for either.
            if now.saturating_sub(self.last_in) >= CLIENT_SILENCE_NS {
                self.outbox.clear();
            }
            return false;
        }
        if now.saturating_sub(self.last_in) >= CLIENT_SILENCE_NS {
            self.close();
            self.outbox.clear();
            return true;
        }
        let streaming = matches!(self.state, State::Streaming { .. });
        if streaming && now.saturating_sub(self.last_out) >= HEARTBEAT_NS && self.outbox.len() < OUT_LIMIT {
            self.packet(now, b'H', b"");
        }
        false
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_due(&self) -> u64 {
        let silence = self.last_in.saturating_add(CLIENT_SILENCE_NS);
        match self.state {
            State::Greeting => silence,
            State::Streaming { .. } if self.outbox.len() < OUT_LIMIT => {
                silence.min(self.last_out.saturating_add(HEARTBEAT_NS))
            }
            State::Closing if self.outbox.is_empty() => u64::MAX,
            State::Streaming { .. } | State::Closing => silence,
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
    }

    /// Whether nothing more will be written or read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Closing && self.outbox.is_empty()
    }

    fn packet(&mut self, now: u64, kind: u8, payload: &[u8]) {
        self.outbox.extend_from_slice(&(payload.len() as u16 + 1).to_be_bytes());
        self.outbox.push(kind);
        self.outbox.extend_from_slice(payload);
        self.last_out = now;
    }
}

/// Fields are padded on whichever side the client likes, with blanks or NULs, in any case.
fn field(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches([' ', '\0']).to_ascii_lowercase()
}

fn parse_login(payload: &[u8]) -> Option<Login> {
    let (username, rest) = payload.split_at_checked(6)?;
    let (password, rest) = rest.split_at_checked(10)?;
    let (session, rest) = rest.split_at_checked(10)?;
    let (sequence, _) = rest.split_at_checked(20)?;
    let sequence = field(sequence);
    Some(Login {
        username: field(username),
        password: field(password),
        session: field(session),
        sequence: if sequence.is_empty() { Some(0) } else { sequence.parse().ok() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
        [&(payload.len() as u16 + 1).to_be_bytes()[..], &[kind], payload].concat()
    }

    fn login(text: &str) -> Vec<u8> {
        assert_eq!(text.len(), 46);
        packet(b'L', text.as_bytes())
    }

    fn asks(c: &mut Connection) -> Vec<Ask> {
        std::iter::from_fn(|| c.next_ask()).collect()
    }

    fn want(sequence: Option<u64>) -> Ask {
        Ask::Login(Login {
            username: "user01".into(),
            password: "pass".into(),
            session: String::new(),
            sequence,
        })
    }

    #[test]
    fn logins_in_every_padding() {
        for (text, sequence) in [
            ("user01pass                                   1", Some(1)),
            ("USER01PASS                1                   ", Some(1)),
            ("user01pass\0\0\0\0\0\0                             0", Some(0)),
            ("user01      pass                              ", Some(0)),
            ("user01pass                00000000000000000017", Some(17)),
            ("user01pass                                  -1", None),
        ] {
            let mut c = Connection::new(0);
            c.receive(0, &login(text));
            assert_eq!(asks(&mut c), [want(sequence)], "{text:?}");
        }
    }

    #[test]
    fn the_answer_is_left_padded() {
        let mut c = Connection::new(0);
        c.accept(0, 0, b"SESS01    ", 135, 135);
        assert_eq!(c.output(), packet(b'A', b"    SESS01                 135"));
    }

    #[test]
    fn bytes_may_be_split_anywhere() {
        let bytes = [
            packet(b'+', b"hello"),
            login("user01pass                                   1"),
            packet(b'R', b""),
            packet(b'+', b""),
        ]
        .concat();
        for cut in 0..bytes.len() {
            let mut c = Connection::new(0);
            c.receive(0, &bytes[..cut]);
            let mut got = asks(&mut c);
            c.receive(0, &bytes[cut..]);
            got.extend(asks(&mut c));
            assert_eq!(got, [want(Some(1))], "cut at {cut}");
        }
    }

    #[test]
    fn nonsense_closes() {
        for bytes in [&b"\0\0"[..], b"GET / HTTP/1.1\r\n", b"\0\x01U", b"\0\x05Luser"] {
            let mut c = Connection::new(0);
            c.receive(0, bytes);
            assert_eq!(asks(&mut c), []);
            // "GE" is a length of 18,245: such a client only runs into the silence limit.
            if bytes[0] == 0 {
                assert!(c.is_over(), "{bytes:?}");
            } else {
                assert!(!c.is_over() && c.tick(CLIENT_SILENCE_NS) && c.is_over());
            }
        }
    }

    #[test]
    fn heartbeats_and_patience() {
        let mut c = Connection::new(0);
        c.accept(0, 0, b"SESS01    ", 1, 1);
        c.written(c.output().len());
        assert_eq!(c.next_due(), HEARTBEAT_NS);
        assert!(!c.tick(HEARTBEAT_NS - 1) && c.output().is_empty());
        assert!(!c.tick(HEARTBEAT_NS));
        assert_eq!(c.output(), packet(b'H', b""));
        c.receive(5, &packet(b'R', b""));
        assert!(!c.tick(CLIENT_SILENCE_NS + 4));
        assert!(c.tick(CLIENT_SILENCE_NS + 5));
        assert!(!c.tick(CLIENT_SILENCE_NS + 6), "only once");
    }

    #[test]
    fn the_stream_starts_where_asked_and_waits_for_a_slow_client() {
        let mut log = MessageLog::default();
        for i in 0..5_000u32 {
            log.push(&[i.to_be_bytes(); 8].concat());
        }
        let mut c = Connection::new(0);
        c.accept(0, 0, b"SESS01    ", 3, 3);
        c.written(c.output().len());
        c.pump(0, &log, u64::MAX, true);
        assert!(c.output().len() < OUT_LIMIT + 100);
        let mut stream = Vec::new();
        while !c.is_over() {
            stream.extend_from_slice(c.output());
            c.written(c.output().len());
            c.pump(0, &log, u64::MAX, true);
        }
        let mut want: Vec<u8> =
            (2..5_000u32).flat_map(|i| packet(b'S', &[i.to_be_bytes(); 8].concat())).collect();
        want.extend(packet(b'Z', b""));
        assert!(stream == want);
    }
}
