//! A FIX session as a gateway agent drives it: [`OrderGateway`] over a [`Session`].
//!
//! # When is the replay over, and what is known then?
//!
//! ```text
//!   logged on ──everything the venue sent before has come──► asked ──answer──► Ready, proven
//!                                                             └──nothing in time──► Ready, not proven
//! ```
//!
//! * What the venue had **sent** is known by number: its Logon has the number N, and when all below N have come, the replay is over.
//! * What the venue had **received** is known by number too. It asks for what it lacks of ours, and no request is ever sent again: the gap fill that it gets
//!   instead says that those requests are void.
//! * Between the two lies what the venue has received and its application has not answered yet. So a question is asked whose answer stands behind those of all
//!   earlier requests: an OrderStatusRequest about an order that does not exist, under a name that no other question has. (The assumption: a venue's application
//!   answers a session's requests in order.) With [`Barrier::None`](crate::gateway::Barrier::None), or where no answer comes in time, the end is not called proven.
//!
//! A request that is lost **while** the session stands (the venue asks for it again) ends the connection: at the next one the replay settles what became of it.
//!
//! Pending New and Pending Replace are no answers: the venue has the request, and will carry it out or refuse it later (FIX 4.4 volume 4, OrdStatus). They are told as
//! `Restated`, so that nothing takes the request for one that was never processed.
//!
//! # Numbers that are passed over
//!
//! What is not sent again is not heard, and the number of the venue's Logon no longer says that all before it has come.
//!
//! * A **SequenceReset without gap fill** that skips numbers: the venue has lost those messages, or will not say them. They may have been fills, so this is
//!   [`Notice::Lost`]: the engine halts and what is open stays unknown; the end of this replay is not proven.
//! * A **gap fill** in answer to our ResendRequest. FIX (4.4 volume 2, SequenceReset) has it for two things: administrative messages, which are never sent again
//!   and are in nearly every replay, and application messages that the sender "chooses not to resend" because they are old. Nothing in it tells the two apart. Over numbers
//!   that were heard before it says nothing new. Over others it may hide an acceptance, a fill, the end of an order. The question that ends the
//!   replay proves that the venue has answered all our requests, and not that we have heard the answers: with a hidden acceptance it
//!   would settle an order that lives as one that never was. So before it **each order** that is not known to be over is asked about (OrderStatusRequest under its own name). The
//!   end is proven only if the venue's word on every one is what the reports have left: as many shares open, and nothing known or nothing left of one that it has not taken.
//!   Any difference, an order without an answer, or no question to ask with orders open (a venue that answers none) is [`Notice::Lost`]. A gap fill outside of a replay is too.
//!
//! Of orders that were over before, a correction may hide in a gap fill, as it may in a venue's other silences: the drop copy and the end of day's statement show it.
//!
//! # Days
//!
//! Where the numbers go on for days the replay does too. A trade of before the day on which the process first connected ([`Reset::day_began`](super::session::Reset::day_began)) is in
//! what is held as that day begins, so it is no fill: the order is said to have less open (`Modified`), so that one that lives on is taken over with what is left of it.
//! That a trade of an earlier day was void or corrected on an earlier day says nothing; if it is said today, the engine does not know the trade and halts. A trade
//! that comes again and has no date (neither TransactTime nor OrigSendingTime) is not guessed at: the message is undecodable. One of an earlier day that is first told
//! after the replay is in no statement for certain: [`Notice::Lost`].
//!
//! # A process that is told nothing
//!
//! After a reset (`141=Y`) nothing is replayed. A process that has not been there before then has no orders, and the question finds nothing to settle, while orders of the
//! one before may live and its fills are in the position. The store keeps whether that can be ([`Past`](super::store::Past)): an order or report under the present numbers
//! sets the mark; goodbyes on both sides with everything heard and nothing open take it away (where shares have traded only for the days to come: today's position
//! is lost to a new process). A reset over a mark is [`Notice::Lost`] at the first logon of each process until an order goes out, which nobody but a person can
//! bring about, or the store is moved away.
//!
//! # Reports
//!
//! A report's `seq` is the number of the message, so that one that comes again does nothing. A process that starts has everything replayed from number 1 on
//! ([`Replay::All`](super::session::Replay)): it learns its open orders and its fills from that. What the venue flags `PossResend`, under a new number, is
//! compared with the reports seen before, by their ExecID.
//!
//! Reports of orders that do not have our prefix are [`Notice::Foreign`].
//!
//! # A logon that is refused
//!
//! | code | why | what helps |
//! |---|---|---|
//! | `A` | user, password, signature | a person |
//! | `N` | the venue counts other numbers than we do | a person |
//! | `R` | anything else: not now, too many, no words | time |
//!
//! # Drop copies
//!
//! With [`FixConfig::drop_copy`] the session tells of the orders of others, under the names that their sessions gave them: our prefix and a token, or a number alone. They
//! become reports like those of own orders, for somebody to compare. Nothing is asked and nothing sent: no command can be encoded.
//!
//! So what is passed over there stays unheard: a gap fill over numbers that nobody has heard is [`Notice::Lost`], whatever the venue filled it over, and so is a
//! Logon that begins the numbers anew behind anything but goodbyes with nothing open. Not told is what was filled in before a store heard its first message:
//! that is no hole in what it tells but its beginning.

mod config;
mod desk;
mod reports;
mod requests;

use model::{Instrument, Nanos, OrderCommand, SessionEvent, Token};
use thiserror::Error;

use self::desk::{Desk, Next, Sent};
use super::Session;
use super::session::{End, Event, SendError, State};
use super::store::Store;
use super::tags::app;
use crate::gateway::{Notice, OrderGateway, ReportSink};
use crate::order::EncodeError;

pub use config::{FixConfig, FixConfigError};

/// Why the socket must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The session has ended.
    #[error(transparent)]
    Session(End),
    /// The venue lacks a request of this connection.
    #[error("a request was lost on the way")]
    RequestLost,
}

/// A FIX port. Allocates in [`FixGateway::new`] only, its store excepted.
#[derive(Debug)]
pub struct FixGateway<S> {
    session: Session<S>,
    desk: Desk,
    /// Messages wait for the sink.
    paused: bool,
    /// The end of the connection has been told to the sink.
    told: bool,
    /// Bytes handed to the network on this connection, and where each request of it ends.
    left: u64,
    ends: std::collections::VecDeque<u64>,
}

/// Requests in the transmit buffer whose ends are remembered.
const ENDS_MAX: usize = 4096;

impl<S: Store> FixGateway<S> {
    /// For the instruments of `instruments` that trade through `config.id`.
    ///
    /// # Errors
    /// [`FixConfigError`] names the field.
    pub fn new(
        config: FixConfig,
        store: S,
        instruments: &[Instrument],
    ) -> Result<FixGateway<S>, FixConfigError> {
        let desk = Desk::new(&config, instruments)?;
        Ok(FixGateway {
            session: Session::new(config.session, store)?,
            desk,
            paused: false,
            told: true,
            left: 0,
            ends: std::collections::VecDeque::with_capacity(ENDS_MAX),
        })
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session<S> {
        &self.session
    }

    fn consume(&mut self, now: Nanos, sink: &mut impl ReportSink) {
        while sink.has_room() {
            let joined = self.session.next_in();
            let Some(event) = self.session.poll(now) else {
                self.paused = false;
                return;
            };
            let next = match event {
                Event::LoggedOn { reset } => {
                    self.desk.on_logged_on(reset, self.session.store().numbers().next_in == 1);
                    let continued = self.desk.has_joined() && !reset;
                    self.desk.join(self.session.store().numbers().past.forgotten);
                    sink.notice(Notice::Session { continued, asked: joined, next: joined });
                    sink.session(SessionEvent::LoggedIn);
                    Next::Nothing
                }
                Event::CaughtUp => self.desk.on_caught_up(sink),
                Event::Skipped { from, to, filled } => {
                    self.desk.on_skipped((from, to), filled, sink);
                    Next::Nothing
                }
                Event::ResendAsked { begin, end } => {
                    self.desk.on_resend_asked(begin, end);
                    Next::Nothing
                }
                Event::Message { seq, message } => {
                    self.desk.on_message(seq, &message, sink);
                    Next::Nothing
                }
            };
            if next == Next::Ask {
                self.ask(now);
            }
        }
        self.paused = self.session.has_waiting();
    }

    /// Sends the question whose answer ends the replay, behind those about orders where there are some; as far as there is room for them, then it is tried again.
    fn ask(&mut self, now: Nanos) {
        while let Some(question) = self.desk.question_of_order() {
            match self.session.send(now, app::ORDER_STATUS_REQUEST, question) {
                Ok(seq) => self.desk.on_asked_of_order(seq),
                Err(_) => return,
            }
        }
        let seq = self.session.next_out();
        if self.session.send(now, app::ORDER_STATUS_REQUEST, self.desk.question(seq)) == Ok(seq) {
            self.desk.on_asked(now, seq);
        }
    }

    /// After goodbyes with nothing open: what the next process need not know.
    fn close(&mut self, now: Nanos) {
        if self.session.state() != State::Over {
            return;
        }
        if self.session.has_parted() {
            self.desk.on_parted();
        }
        if self.desk.is_settled() {
            let from = if self.desk.traded { self.session.day_ends(now) } else { Nanos::ZERO };
            self.session.settle(from);
        }
    }

    /// What is due beside the session's own.
    fn look_after(&mut self, now: Nanos, sink: &mut impl ReportSink) {
        if self.session.state() == State::Active {
            if self.desk.wants_to_ask() {
                self.ask(now);
            }
            if sink.has_room() {
                self.desk.on_time(now, sink);
            }
        }
    }

    /// What the end of the session is to the agent. What the session says in parting is sent first.
    fn verdict(&mut self, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        if self.desk.has_lost_request() {
            return Err(ProtocolError::RequestLost);
        }
        let (State::Over, Some(end)) = (self.session.state(), self.session.end()) else { return Ok(()) };
        if !self.told {
            match end {
                End::Refused | End::NotAuthorised | End::OutOfStep if sink.has_room() => {
                    let code = match end {
                        End::NotAuthorised => b'A',
                        End::OutOfStep => b'N',
                        _ => b'R',
                    };
                    sink.session(SessionEvent::LoginRejected { code });
                    self.told = true;
                }
                // Its memory of the session is not ours: what it said of our orders may not be what it believes.
                End::SequenceTooLow | End::UnaskedReset | End::GapNotFilled if sink.has_room() => {
                    sink.session(SessionEvent::Doubt);
                    self.told = true;
                }
                End::Refused
                | End::OutOfStep
                | End::NotAuthorised
                | End::SequenceTooLow
                | End::UnaskedReset
                | End::GapNotFilled => {}
                _ => self.told = true,
            }
        }
        let refused = matches!(end, End::Refused | End::NotAuthorised | End::OutOfStep);
        let orderly = refused || matches!(end, End::LoggedOut | End::LogoutTimeout);
        if orderly || !self.session.transmit().is_empty() || !self.told {
            Ok(())
        } else {
            Err(ProtocolError::Session(end))
        }
    }

    /// Sends a request that the desk has written.
    fn request(
        &mut self,
        now: Nanos,
        write: impl FnOnce(&mut Desk, u64) -> Result<(&'static [u8], Sent), EncodeError>,
    ) -> Result<(), EncodeError> {
        if self.ends.len() == ENDS_MAX {
            return Err(EncodeError::Full);
        }
        let seq = self.session.next_out();
        let (kind, sent) = write(&mut self.desk, seq)?;
        match self.session.send(now, kind, self.desk.body()) {
            Ok(seq) => {
                self.desk.on_sent(seq, kind, sent);
                self.ends.push_back(self.left + self.session.transmit().len() as u64);
                Ok(())
            }
            Err(SendError::Full) => Err(EncodeError::Full),
            Err(SendError::NotActive | SendError::Store) => Err(EncodeError::NotReady),
        }
    }
}

impl<S: Store + Send> OrderGateway for FixGateway<S> {
    type Error = ProtocolError;

    fn on_connected(&mut self, now: Nanos) {
        (self.paused, self.told, self.left) = (false, false, 0);
        self.ends.clear();
        self.session.on_connected(now);
        self.desk.on_connected(self.session.next_out(), self.session.day_began(now));
    }

    fn on_disconnected(&mut self, _now: Nanos, sink: &mut impl ReportSink) {
        if self.session.state() != State::Disconnected {
            if self.session.state() == State::LogonSent && sink.has_room() {
                // It closed without a word. Where that finds no room, only the next wait is shorter.
                sink.session(SessionEvent::LoginRejected { code: b'R' });
            }
            self.session.on_disconnected();
            self.desk.on_disconnected();
            self.paused = false;
            sink.session(SessionEvent::Disconnected);
        }
    }

    fn recv_space(&mut self) -> &mut [u8] {
        self.session.recv_space()
    }

    fn on_received(&mut self, now: Nanos, n: usize, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        self.session.on_received(now, n);
        self.resume(now, sink)
    }

    fn resume(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        if self.session.state() == State::Disconnected {
            return Ok(());
        }
        self.consume(now, sink);
        self.look_after(now, sink);
        self.close(now);
        self.verdict(sink)
    }

    fn next_timeout(&self) -> Option<Nanos> {
        [self.session.next_timeout(self.paused), self.desk.next_timeout()].into_iter().flatten().min()
    }

    fn on_timeout(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        self.session.on_timeout(now, self.paused);
        self.look_after(now, sink);
        self.verdict(sink)
    }

    fn is_logged_in(&self) -> bool {
        self.session.state() == State::Active
    }

    fn is_ready(&self) -> bool {
        self.is_logged_in() && self.desk.is_ready()
    }

    fn encode(&mut self, now: Nanos, command: &OrderCommand) -> Result<(), EncodeError> {
        if !self.is_logged_in() || self.desk.drop_copy {
            return Err(EncodeError::NotReady);
        }
        self.request(now, |desk, seq| desk.write(now, seq, command))
    }

    fn switch_entry(&mut self, _: Nanos, _: Token, _: bool) -> Result<(), EncodeError> {
        Err(EncodeError::Unsaid)
    }

    fn cancel_all(&mut self, now: Nanos, token: Token) -> Result<(), EncodeError> {
        if !self.is_logged_in() || self.desk.drop_copy {
            return Err(EncodeError::NotReady);
        }
        if self.desk.can_mass_cancel() {
            return self.request(now, |desk, _| desk.write_mass_cancel(now, token));
        }
        // One by one: a further call goes on where this one found no room.
        self.desk.begin_sweep(token)?;
        while self.desk.has_unswept() {
            self.request(now, |desk, seq| desk.write_next_of_sweep(now, seq))?;
        }
        self.desk.end_sweep(token);
        Ok(())
    }

    fn transmit(&self) -> &[u8] {
        self.session.transmit()
    }

    fn transmitted(&mut self, n: usize) {
        self.session.transmitted(n);
        self.left += n as u64;
        while self.ends.front().is_some_and(|end| *end <= self.left) {
            self.ends.pop_front();
        }
    }

    fn unsent_len(&self) -> usize {
        self.ends.len()
    }

    fn logout(&mut self, now: Nanos) {
        self.session.logout(now, "");
    }

    fn is_over(&self) -> bool {
        self.session.is_over() && self.told
    }

    /// What is missed is asked for by number, and no logon depends on that.
    fn remembers_session(&self) -> bool {
        false
    }

    fn forget_session(&mut self) {}

    fn highest_token_seen(&self) -> Token {
        self.desk.highest_seen()
    }
}
