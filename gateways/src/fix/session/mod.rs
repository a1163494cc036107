//! The session: who is logged on, which message is next in either direction, and what is missing.
//!
//! ```text
//!   initiator   on_connected: Logon sent --> LogonSent --Logon--+                      Logout sent
//!                                                               v        +--> Active ---------------> LogoutSent
//!   acceptor    on_connected -----> AwaitingLogon --Logon, answered--> Active                              |
//!                    |                                                   | Logout, answered                | Logout, or too late
//!                    +--- anything else, or nothing in time ----> Over <-+---------------------------------+
//! ```
//!
//! * A number **above** the one expected is a gap: it is asked for (`ResendRequest` to the end), and what came ahead of it is held, as far as there is room.
//! * A number **below** is a duplicate if it says so (`PossDupFlag`) and is ignored; otherwise one of the two sides has lost its memory, and the session ends.
//! * Numbers that are **skipped** are told. By a reset anything may be lost; of what a gap fill goes over only the counterparty knows whether it was its own
//!   heartbeats. A gap fill over what was heard before, by an earlier process too, and over its Logon and other messages of its own that came ahead of a gap, is not told.
//! * What was **garbled** in transport is ignored, and shows as a gap. What is wrong in itself is rejected and counted.
//! * A message is counted when the next one is polled: a process that dies in between is sent it again.
//! * A `TestRequest` goes out after 1.2 heartbeats of silence, and after 2 the counterparty is gone.
//!
//! Times are ns since the Unix epoch: they are compared with SendingTime.

mod config;
mod held;
mod inbound;
mod outbound;
mod resend;

use core::ops::Range;
use std::collections::VecDeque;

use model::Nanos;
use thiserror::Error;

use self::config::DAY_NS;
use self::held::Held;
use self::inbound::{KNOWN_MAX, Verdict};
use self::resend::Range as ResendRange;
use super::compose::{Fields, Outbox};
use super::dictionary::Dictionary;
use super::framing::{Field, Framed, Framer, Message, split};
use super::store::{Past, Store};
use super::tags::{self, app};

pub use config::{ConfigError, Replay, Resend, Reset, Role, SessionConfig, Version};

/// Where the session stands; the picture is in the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No connection.
    Disconnected,
    /// An acceptor's: the counterparty has to say who it is.
    AwaitingLogon,
    /// An initiator's: the answer is awaited.
    LogonSent,
    /// Messages flow.
    Active,
    /// We said goodbye; what the counterparty sent before still comes.
    LogoutSent,
    /// Nothing more is read. What is in the transmit buffer goes out, then the connection has no further use.
    Over,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum End {
    /// Logouts were exchanged.
    #[error("logged out")]
    LoggedOut,
    /// The counterparty answered our Logon by a Logout, or by closing.
    #[error("the logon was refused")]
    Refused,
    /// The counterparty answered our Logon by a Logout that says that our numbers are not its own.
    #[error("the logon was refused for its sequence number")]
    OutOfStep,
    /// The first message is no Logon, or not one that can be answered.
    #[error("the first message is no valid Logon")]
    NotLogon,
    /// User, password or signature.
    #[error("not authorised")]
    NotAuthorised,
    /// SenderCompID or TargetCompID is another's.
    #[error("CompID problem")]
    CompId,
    /// Another version of FIX.
    #[error("incorrect BeginString")]
    BeginString,
    /// Clocks differ by more than is allowed.
    #[error("SendingTime accuracy problem")]
    SendingTime,
    /// A number below the one expected: one side has lost its memory.
    #[error("MsgSeqNum too low")]
    SequenceTooLow,
    /// A message without a number, or a Logon where none belongs.
    #[error("malformed message")]
    Malformed,
    /// The numbers were reset without being asked for.
    #[error("sequence numbers were reset")]
    UnaskedReset,
    /// What is missing was asked for and did not come.
    #[error("missing messages were not sent again")]
    GapNotFilled,
    /// No answer to the Logon.
    #[error("no answer to the logon")]
    LogonTimeout,
    /// No answer to the Logout.
    #[error("no answer to the logout")]
    LogoutTimeout,
    /// Nothing came for two heartbeats.
    #[error("the counterparty is silent")]
    Silent,
    /// The counterparty does not read: an answer that it must get finds no room.
    #[error("the transmit buffer is full")]
    Stalled,
    /// Numbers can no longer be kept.
    #[error("the session's store failed")]
    Store,
}

/// Why a message was not sent. Nothing was written and no number is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The session does not stand.
    #[error("not logged on")]
    NotActive,
    /// The transmit buffer has no room, or a resend is under way.
    #[error("no room")]
    Full,
    /// The store has failed; the session ends.
    #[error("the session's store failed")]
    Store,
}

/// What the application is told.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Logged on.
    LoggedOn {
        /// Both sequences began anew.
        reset: bool,
    },
    /// Everything that the counterparty had sent before it logged on has come.
    CaughtUp,
    /// Numbers that nobody here has heard are passed over: the messages that had them will not come any more.
    Skipped {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// By a gap fill: what the counterparty does not send again, its own messages as a rule. Otherwise by a reset: anything may be lost.
        filled: bool,
    },
    /// The counterparty does not have our messages from `begin` on; those that are not sent again it will never act upon.
    ResendAsked {
        /// The first that it lacks.
        begin: u64,
        /// The last.
        end: u64,
    },
    /// An application message, or a Reject (3) of one of ours. Each number comes once, in order.
    Message {
        /// Its number.
        seq: u64,
        /// It, until the next poll.
        message: Message<'a>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Signal {
    LoggedOn { reset: bool },
    CaughtUp,
    Skipped { from: u64, to: u64, filled: bool },
    ResendAsked { begin: u64, end: u64 },
}

/// Where the bytes of the message at hand are.
#[derive(Clone, Debug)]
enum Source {
    Framer(Range<usize>),
    Held(usize),
}

/// A session over the store `S`. Allocates in [`Session::new`] only (a [`super::store::MemoryStore`] excepted).
#[derive(Debug)]
pub struct Session<S> {
    framer: Framer,
    /// A held message that is at hand again.
    scratch: Box<[u8]>,
    fields: Vec<Field>,
    core: Core<S>,
}

/// Everything but the received bytes, so that a message can be borrowed from those while this changes.
#[derive(Debug)]
struct Core<S> {
    config: SessionConfig,
    dictionary: Dictionary,
    store: S,
    state: State,
    end: Option<End>,
    /// The number expected next; behind the store's while history is replayed.
    next_in: u64,
    /// A message given to the application and not counted yet.
    uncounted: Option<Uncounted>,
    /// None where nothing is replayed, or it has come.
    history: Option<History>,
    held: Held,
    gap: Option<Gap>,
    /// Numbers at or above the one expected whose messages have come, on this connection or one before, and say nothing of orders.
    known: VecDeque<u64>,
    /// History below this number was missing when the counterparty logged on.
    catch_up: Option<u64>,
    resend: Option<ResendRange>,
    signals: VecDeque<Signal>,
    out: Outbox,
    body: Fields,
    frame: Fields,
    loaded: Box<[u8]>,
    loaded_fields: Vec<Field>,
    heartbeat: Nanos,
    last_sent: Nanos,
    last_heard: Nanos,
    /// A TestRequest went out and nothing came since.
    tested: bool,
    /// This connection's Logon of ours asked for both sequences to begin anew.
    asked_reset: bool,
    deadline: Option<Nanos>,
    garbled: u64,
    /// The counterparty's goodbye came behind everything else.
    heard_all: bool,
}

/// A number, and whether its message told of an order.
#[derive(Clone, Copy, Debug)]
struct Uncounted {
    seq: u64,
    report: bool,
}

/// What an earlier process heard and this one has replayed.
#[derive(Clone, Copy, Debug)]
struct History {
    /// It was below this number,
    below: u64,
    /// and so many reports of it are still to come.
    reports: u64,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The highest number that showed it.
    upto: u64,
    asked_at: Nanos,
    attempts: u32,
}

/// Whether a message tells of an order of itself, and does not only answer a question.
fn is_report(m: &Message<'_>) -> bool {
    let status = m.get(tags::EXEC_TYPE) == Some(b"I") || m.get(tags::EXEC_TRANS_TYPE) == Some(b"3");
    m.kind() == app::EXECUTION_REPORT && !status
}

/// Bytes of the transmit buffer that application messages leave to the session's own.
const ADMIN_RESERVE: usize = 1024;

impl<S: Store> Session<S> {
    /// A session that is not connected.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn new(config: SessionConfig, store: S) -> Result<Session<S>, ConfigError> {
        config.check()?;
        let history = History { below: store.numbers().next_in, reports: store.numbers().reports };
        let history = (config.replay == Replay::All).then_some(history);
        let longest = config.receive_capacity.max(config.transmit_capacity);
        Ok(Session {
            framer: Framer::new(config.receive_capacity),
            scratch: vec![0; config.receive_capacity].into_boxed_slice(),
            fields: Vec::with_capacity(config.receive_capacity / 4),
            core: Core {
                dictionary: config.version.dictionary(),
                state: State::Disconnected,
                end: None,
                next_in: match config.replay {
                    Replay::Missed => store.numbers().next_in,
                    Replay::All => 1,
                },
                store,
                uncounted: None,
                history,
                held: Held::new(config.held_capacity),
                gap: None,
                known: VecDeque::with_capacity(KNOWN_MAX),
                catch_up: None,
                resend: None,
                signals: VecDeque::with_capacity(4),
                out: Outbox::new(config.transmit_capacity),
                body: Fields::new(config.transmit_capacity),
                frame: Fields::new(config.transmit_capacity),
                loaded: vec![0; longest].into_boxed_slice(),
                loaded_fields: Vec::with_capacity(longest / 4),
                heartbeat: Nanos(u64::from(config.heartbeat_s) * 1_000_000_000),
                last_sent: Nanos::ZERO,
                last_heard: Nanos::ZERO,
                tested: false,
                asked_reset: false,
                deadline: None,
                garbled: 0,
                heard_all: false,
                config,
            },
        })
    }

    /// A connection is up. An initiator's Logon is in [`Session::transmit`].
    pub fn on_connected(&mut self, now: Nanos) {
        self.framer.clear();
        self.core.on_connected(now);
    }

    /// The connection is gone. Numbers stay; what was received and not counted comes again.
    pub fn on_disconnected(&mut self) {
        self.framer.clear();
        self.core.state = State::Disconnected;
        self.core.uncounted = None;
        self.core.held.clear();
        self.core.out.clear();
        self.core.signals.clear();
    }

    /// Where the socket reads to. Do not read while it is empty: whole messages wait for [`Session::poll`].
    pub fn recv_space(&mut self) -> &mut [u8] {
        self.core.settle();
        self.framer.space()
    }

    /// `n` bytes were read into [`Session::recv_space`].
    ///
    /// # Panics
    /// If `n` exceeds the space: a bug of the caller.
    pub fn on_received(&mut self, now: Nanos, n: usize) {
        self.framer.commit(n);
        if n > 0 {
            self.core.last_heard = now;
            self.core.tested = false;
        }
    }

    /// The next event; `None` when everything received is dealt with. The message given before is counted now.
    pub fn poll(&mut self, now: Nanos) -> Option<Event<'_>> {
        loop {
            self.core.settle();
            self.core.serve_resend(now);
            if let Some(signal) = self.core.signals.pop_front() {
                return Some(match signal {
                    Signal::LoggedOn { reset } => Event::LoggedOn { reset },
                    Signal::CaughtUp => Event::CaughtUp,
                    Signal::Skipped { from, to, filled } => Event::Skipped { from, to, filled },
                    Signal::ResendAsked { begin, end } => Event::ResendAsked { begin, end },
                });
            }
            if !self.core.is_reading() {
                return None;
            }
            let source = match self.core.take_held(&mut self.scratch) {
                Some(0) => {
                    self.core.count(self.core.next_in);
                    continue;
                }
                Some(length) => Source::Held(length),
                None => match self.framer.next_frame()? {
                    Framed::Message(at) => Source::Framer(at),
                    Framed::Garbled => {
                        self.core.on_garbled();
                        continue;
                    }
                },
            };
            if let Some(seq) = self.act(now, &source) {
                let bytes = match source {
                    Source::Framer(at) => self.framer.bytes(at),
                    Source::Held(length) => &self.scratch[..length],
                };
                return Some(Event::Message { seq, message: Message::new(bytes, &self.fields) });
            }
        }
    }

    /// Acts upon one message; its number if it is the application's.
    fn act(&mut self, now: Nanos, source: &Source) -> Option<u64> {
        let bytes = match source {
            Source::Framer(at) => self.framer.bytes(at.clone()),
            Source::Held(length) => &self.scratch[..*length],
        };
        if split(bytes, &mut self.fields).is_none() {
            self.core.on_garbled();
            return None;
        }
        match self.core.judge(now, &Message::new(bytes, &self.fields)) {
            Verdict::Done => None,
            Verdict::Hold(seq) => {
                self.core.held.push(seq, bytes);
                None
            }
            Verdict::Deliver(seq) => {
                let report = is_report(&Message::new(bytes, &self.fields));
                self.core.uncounted = Some(Uncounted { seq, report });
                Some(seq)
            }
        }
    }

    /// When [`Session::on_timeout`] has something to do. `paused`: received messages wait for the caller, so that the counterparty's silence is not judged.
    #[must_use]
    pub fn next_timeout(&self, paused: bool) -> Option<Nanos> {
        self.core.next_timeout(paused)
    }

    /// Sends heartbeats and test requests, judges silence, asks again for what is missing. Costs little when nothing is due.
    pub fn on_timeout(&mut self, now: Nanos, paused: bool) {
        self.core.settle();
        self.core.on_timeout(now, paused);
        self.core.serve_resend(now);
    }

    /// Sends an application message: `body` is everything behind the header ([`Fields`]). Returns its number. It is in the store before it is in
    /// [`Session::transmit`].
    ///
    /// # Errors
    /// [`SendError`]: nothing was written.
    pub fn send(&mut self, now: Nanos, kind: &[u8], body: &[u8]) -> Result<u64, SendError> {
        self.core.send(now, kind, &[], body)
    }

    /// As [`Session::send`], with further fields of the header, in ascending order and above 56.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub fn send_routed(
        &mut self,
        now: Nanos,
        kind: &[u8],
        header: &[u8],
        body: &[u8],
    ) -> Result<u64, SendError> {
        self.core.send(now, kind, header, body)
    }

    /// Says goodbye; the counterparty answers and what it sent before still comes. Nothing but while logged on.
    pub fn logout(&mut self, now: Nanos, text: &str) {
        if self.core.state == State::Active {
            self.core.say_logout(now, text);
        }
    }

    /// Whether the connection ended by goodbyes, the counterparty's behind all that it had to say.
    #[must_use]
    pub fn has_parted(&self) -> bool {
        self.core.heard_all && self.core.end == Some(End::LoggedOut)
    }

    /// Nothing that was said under the present numbers matters from `from` on: all of it has ended. Nothing but after goodbyes in order.
    pub fn settle(&mut self, from: Nanos) {
        if self.has_parted() {
            // Where it cannot be written the next process asks a person.
            let _ = self.core.store.note(Past { settled: Some(from), forgotten: false });
            self.core.heard_all = false;
        }
    }

    /// An acceptor's: answers the Logon that is awaited by a goodbye, whatever it shows. Nothing in any other state.
    pub fn refuse(&mut self, now: Nanos, text: &str) {
        if self.core.state == State::AwaitingLogon {
            self.core.part(now, text, End::Refused);
        }
    }

    /// What is to be written to the socket.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        match self.core.state {
            State::Disconnected => &[],
            _ => self.core.out.pending(),
        }
    }

    /// The first `n` bytes of [`Session::transmit`] were taken by the socket.
    ///
    /// # Panics
    /// If `n` exceeds what was pending: a bug of the caller.
    pub fn transmitted(&mut self, n: usize) {
        self.core.out.sent(n);
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.state
    }

    /// Why the connection ended, or the last one did.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.core.end
    }

    /// Whether the connection has no further use.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.core.state == State::Over && self.core.out.pending().is_empty()
    }

    /// Whether something received waits to be polled.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.framer.buffered() > 0 || !self.core.signals.is_empty()
    }

    /// When the session's day began that `now` is in: at the daily reset where there is one, at midnight UTC otherwise.
    #[must_use]
    pub fn day_began(&self, now: Nanos) -> Nanos {
        self.core.config.reset.day_began(now)
    }

    /// When the session's day ends that `now` is in.
    #[must_use]
    pub fn day_ends(&self, now: Nanos) -> Nanos {
        Nanos(self.day_began(now).0 + DAY_NS)
    }

    /// The number expected next.
    #[must_use]
    pub fn next_in(&self) -> u64 {
        self.core.next_in
    }

    /// The number of the next message sent.
    #[must_use]
    pub fn next_out(&self) -> u64 {
        self.core.store.numbers().next_out
    }

    /// Messages that were ignored as garbled.
    #[must_use]
    pub fn garbled(&self) -> u64 {
        self.core.garbled
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.core.store
    }
}
