//! The composition of session, codec and barrier.

use model::{Instrument, Nanos, OrderCommand, Qty, SessionEvent, Side, Symbol, Token};

use super::barrier::ReplayBarrier;
use super::{ConfigError, GatewayConfig, Notice, ReportSink};
use crate::ouch50::{Decoded, Decoder, EncodeError, Encoder, Outbound, wire};
use crate::soupbintcp::packet_type::UNSEQUENCED;
use crate::soupbintcp::{
    ClientSession, Deframer, Event, LoginAccepted, Packet, SessionName, State, Transmit,
};

/// Why the socket must be dropped.
pub use crate::soupbintcp::SessionError as ProtocolError;

/// A request that had not left when the connection was lost: the venue never had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// `O` enter, `U` replace, `X` cancel, `M` modify, `C` mass cancel, `D` and `E` entry switches.
    pub letter: u8,
    /// The token it would have introduced; for `X` and `M` the one it names.
    pub token: Token,
}

/// What happened since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sequenced messages.
    pub sequenced: u64,
    /// Of them not understood.
    pub undecodable: u64,
    /// Of them of other channels.
    pub other_channel: u64,
    /// Unsequenced messages from the server; OUCH has none, and they are dropped.
    pub unsequenced: u64,
    /// Debug packets, dropped.
    pub debug: u64,
    /// Commands written.
    pub commands: u64,
}

/// An OUCH 5.0 port. Allocates in [`OuchGateway::new`] only.
#[derive(Debug)]
pub struct OuchGateway {
    deframer: Deframer,
    port: Port,
    /// Complete packets wait for the sink.
    paused: bool,
    fault: Option<ProtocolError>,
}

/// Everything but the receive buffer, so that a packet can be borrowed from that while this changes.
#[derive(Debug)]
struct Port {
    session: ClientSession,
    encoder: Encoder,
    decoder: Decoder,
    tx: Transmit,
    barrier: ReplayBarrier,
    highest_seen: Token,
    /// The session and the next message in it when this object last stopped listening.
    left_off: Option<(SessionName, u64)>,
    counters: Counters,
}

impl OuchGateway {
    /// For the instruments of `instruments` that trade through `config.id`.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn new(config: GatewayConfig, instruments: &[Instrument]) -> Result<OuchGateway, ConfigError> {
        config.check()?;
        Ok(OuchGateway {
            deframer: Deframer::new(config.receive_capacity),
            port: Port {
                session: ClientSession::new(&config.session)?,
                encoder: Encoder::new(config.id, config.firm, config.orders, instruments),
                decoder: Decoder::new(config.id, instruments).map_err(ConfigError::DuplicateSymbol)?,
                tx: Transmit::new(config.transmit_capacity),
                barrier: ReplayBarrier::new(config.barrier, config.quiet, config.patience),
                highest_seen: Token(0),
                left_off: None,
                counters: Counters::default(),
            },
            paused: false,
            fault: None,
        })
    }

    /// A connection is up. The login request is in [`OuchGateway::transmit`]; what was unsent before is forgotten.
    pub fn on_connected(&mut self, now: Nanos) {
        self.start_afresh();
        self.port.tx.clear();
        self.port.session.on_connected(now, &mut self.port.tx);
    }

    /// The connection is gone; nothing happens if there was none. Packets that were received but not consumed are dropped: they were not
    /// counted, so the server repeats them. Requests that had not left can be read from [`OuchGateway::unsent`] until the next connection.
    /// Makes one call to `sink` without asking for room.
    pub fn on_disconnected(&mut self, _now: Nanos, sink: &mut impl ReportSink) {
        if self.port.session.state() != State::Disconnected {
            self.start_afresh();
            self.port.on_disconnected();
            sink.session(SessionEvent::Disconnected);
        }
    }

    fn start_afresh(&mut self) {
        self.deframer.clear();
        self.paused = false;
        self.fault = None;
    }

    /// Where the socket reads to. Do not read while it is empty (the sink has no room and the buffer is full): a read into nothing looks
    /// like the end of the stream.
    #[inline]
    pub fn recv_space(&mut self) -> &mut [u8] {
        self.deframer.space()
    }

    /// `n` bytes were read into [`OuchGateway::recv_space`].
    ///
    /// # Errors
    /// [`ProtocolError`]: drop the socket. What came before the offending packet was delivered.
    ///
    /// # Panics
    /// If `n` exceeds the space: a bug of the caller.
    #[inline]
    pub fn on_received(
        &mut self,
        now: Nanos,
        n: usize,
        sink: &mut impl ReportSink,
    ) -> Result<(), ProtocolError> {
        self.deframer.commit(n);
        if n > 0 {
            self.port.session.on_heard(now);
        }
        self.resume(now, sink)
    }

    /// Consumes what is buffered, as far as the sink has room.
    ///
    /// # Errors
    /// [`ProtocolError`]: drop the socket. The same error again until then.
    pub fn resume(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.port.session.state() == State::Disconnected {
            self.deframer.clear();
            return Ok(());
        }
        self.consume(now, sink).inspect_err(|fault| self.fault = Some(*fault))
    }

    fn consume(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        let was_paused = self.paused;
        while sink.has_room() {
            match self.deframer.next_packet()? {
                Some(packet) => self.port.on_packet(now, packet, sink)?,
                None => break,
            }
        }
        self.paused = self.deframer.has_packet();
        if was_paused && !self.paused {
            // The time that the peer's bytes had to wait for us is not its silence.
            self.port.session.on_heard(now);
        }
        Ok(())
    }

    /// When [`OuchGateway::on_timeout`] has something to do; `None` while nothing is timed.
    #[inline]
    #[must_use]
    pub fn next_timeout(&self) -> Option<Nanos> {
        if self.fault.is_some() {
            return None;
        }
        let session = self.port.session.next_timeout(self.paused);
        match self.replay_timeout() {
            Some(replay) => Some(session.map_or(replay, |s| s.min(replay))),
            None => session,
        }
    }

    /// When quiet ends the replay. Never while a part of a message waits: that is not quiet.
    #[inline]
    fn replay_timeout(&self) -> Option<Nanos> {
        if self.port.session.state() != State::LoggedIn || self.deframer.buffered() > 0 {
            return None;
        }
        self.port.barrier.next_timeout(self.port.session.last_heard())
    }

    /// Sends heartbeats, judges silence and the login's time, and ends a replay by quiet. Costs little when nothing is due.
    ///
    /// # Errors
    /// [`ProtocolError`]: drop the socket. The same error again until then.
    pub fn on_timeout(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let Port { session, tx, .. } = &mut self.port;
        session.on_timeout(now, self.paused, tx).inspect_err(|fault| self.fault = Some(*fault))?;
        if self.replay_timeout().is_some() && sink.has_room() {
            let last_heard = self.port.session.last_heard();
            if let Some(next_token) = self.port.barrier.on_timeout(now, last_heard) {
                sink.session(SessionEvent::Ready { next_token, proven: false });
            }
        }
        Ok(())
    }

    /// Whether new orders and replaces may be sent.
    #[inline]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_open() && self.port.barrier.is_passed()
    }

    #[inline]
    fn is_open(&self) -> bool {
        self.port.session.state() == State::LoggedIn && self.fault.is_none()
    }

    #[inline]
    fn open(&mut self) -> Result<&mut Port, EncodeError> {
        if self.is_open() { Ok(&mut self.port) } else { Err(EncodeError::NotReady) }
    }

    /// Appends a command to the transmit buffer. Orders and replaces wait for [`SessionEvent::Ready`]; cancels, which add no risk and which
    /// the venue ignores if superfluous, only for [`SessionEvent::LoggedIn`].
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was appended, and the token is unused. It is the caller's to tell whoever waits for an answer.
    #[inline]
    pub fn encode(&mut self, now: Nanos, command: &OrderCommand) -> Result<(), EncodeError> {
        let port = self.open()?;
        port.encoder.encode(command, port.barrier.is_passed(), &mut port.tx)?;
        port.wrote(now);
        Ok(())
    }

    /// Appends a Modify: fewer shares, or another kind of sell. `qty` is the new total.
    ///
    /// # Errors
    /// As [`OuchGateway::encode`].
    pub fn modify(
        &mut self,
        now: Nanos,
        token: Token,
        side: Side,
        short: bool,
        qty: Qty,
    ) -> Result<(), EncodeError> {
        let port = self.open()?;
        port.encoder.modify(token, side, short, qty, &mut port.tx)?;
        port.wrote(now);
        Ok(())
    }

    /// Appends a Mass Cancel of the firm's orders in `symbol`, or with [`Symbol::BLANK`] in all. Needs the login only. It takes a token of
    /// its own, and the venue ignores it silently if that was used before.
    ///
    /// # Errors
    /// As [`OuchGateway::encode`].
    pub fn mass_cancel(&mut self, now: Nanos, token: Token, symbol: Symbol) -> Result<(), EncodeError> {
        let port = self.open()?;
        port.encoder.mass_cancel(token, symbol, &mut port.tx)?;
        port.wrote(now);
        Ok(())
    }

    /// Appends a Disable Order Entry of the firm. Needs the login only.
    ///
    /// # Errors
    /// As [`OuchGateway::encode`].
    pub fn disable_entry(&mut self, now: Nanos, token: Token) -> Result<(), EncodeError> {
        let port = self.open()?;
        port.encoder.switch_entry(token, false, &mut port.tx)?;
        port.wrote(now);
        Ok(())
    }

    /// Appends an Enable Order Entry of the firm. Needs the login only.
    ///
    /// # Errors
    /// As [`OuchGateway::encode`].
    pub fn enable_entry(&mut self, now: Nanos, token: Token) -> Result<(), EncodeError> {
        let port = self.open()?;
        port.encoder.switch_entry(token, true, &mut port.tx)?;
        port.wrote(now);
        Ok(())
    }

    /// What is to be written to the socket; empty when the session takes nothing more.
    #[inline]
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        match self.port.session.state() {
            State::LoginSent | State::LoggedIn | State::LoggingOut if self.fault.is_none() => {
                self.port.tx.pending()
            }
            _ => &[],
        }
    }

    /// The first `n` bytes of [`OuchGateway::transmit`] were taken by the socket.
    ///
    /// # Panics
    /// If `n` exceeds what was pending: a bug of the caller.
    #[inline]
    pub fn transmitted(&mut self, n: usize) {
        self.port.tx.sent(n);
    }

    /// The requests that have not left whole, oldest first: after a disconnect those that the venue never had. What did leave may or may not
    /// have been processed; the replay tells.
    pub fn unsent(&self) -> impl Iterator<Item = Unsent> + '_ {
        self.port.tx.unsent().filter_map(|packet| match packet.split_first()? {
            (&UNSEQUENCED, message) if message != b"Q" => {
                wire::letter_and_token(message).map(|(letter, token)| Unsent { letter, token })
            }
            _ => None,
        })
    }

    /// Asks the server to end the connection. Nothing is encoded after it, but reports still come until the server closes.
    pub fn logout(&mut self, now: Nanos) {
        if self.is_open() {
            self.port.session.logout(now, &mut self.port.tx);
        }
    }

    /// Whether the socket has no further use: login rejected or end of session.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.port.session.is_over()
    }

    /// The next login asks for the current session from its start: the caller's choice when a login is rejected with `S`, the remembered
    /// session being gone.
    pub fn forget_session(&mut self) {
        self.port.session.forget();
        self.port.left_off = None;
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.port.session.state()
    }

    /// The session, and the number of the next message in it: what to ask for after a restart.
    #[must_use]
    pub fn position(&self) -> (SessionName, u64) {
        (self.port.session.session(), self.port.session.next_sequence())
    }

    /// The highest token that the venue is known to have processed, from its reports and its answers to queries. Whoever hands out tokens
    /// must stay above it.
    #[must_use]
    pub fn highest_token_seen(&self) -> Token {
        self.port.highest_seen
    }

    /// What happened since construction.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.port.counters
    }
}

impl Port {
    #[inline]
    fn wrote(&mut self, now: Nanos) {
        self.counters.commands += 1;
        self.session.on_sent(now);
    }

    fn on_disconnected(&mut self) {
        if matches!(self.session.state(), State::LoggedIn | State::LoggingOut) {
            self.left_off = Some((self.session.session(), self.session.next_sequence()));
        }
        let queries = self.tx.unsent().filter(|packet| packet == b"UQ").count();
        self.barrier.on_disconnected(queries as u32);
        self.session.on_disconnected();
    }

    #[inline]
    fn on_packet(
        &mut self,
        now: Nanos,
        packet: Packet<'_>,
        sink: &mut impl ReportSink,
    ) -> Result<(), ProtocolError> {
        match self.session.on_packet(packet)? {
            Event::Sequenced { seq, message } => self.on_message(seq, message, sink),
            Event::Heartbeat => {}
            Event::Debug(_) => self.counters.debug += 1,
            Event::Unsequenced(_) => self.counters.unsequenced += 1,
            Event::LoggedIn { accepted, asked, continued } => {
                let LoginAccepted { session: name, next } = accepted;
                let watched = self.left_off == Some((name, next));
                if !continued {
                    // Numbers of another session say nothing about this one; the replay restores what does.
                    self.highest_seen = Token(0);
                }
                self.encoder.reset(self.highest_seen);
                for _ in 0..self.barrier.on_login(now, watched) {
                    let fits = self.tx.push(&wire::account_query(), 0);
                    debug_assert!(fits, "queries fit in a buffer that held a login");
                    self.session.on_sent(now);
                }
                sink.notice(Notice::Session { name, continued, asked, next });
                sink.session(SessionEvent::LoggedIn);
            }
            Event::LoginRejected { code } => sink.session(SessionEvent::LoginRejected { code }),
            Event::EndOfSession => {
                self.left_off = None;
                self.barrier.on_disconnected(0);
                sink.session(SessionEvent::EndOfSession);
            }
        }
        Ok(())
    }

    /// One message of the sequenced stream. At most one call to the sink.
    #[inline]
    fn on_message(&mut self, seq: u64, message: &[u8], sink: &mut impl ReportSink) {
        self.counters.sequenced += 1;
        let body = match self.decoder.decode(seq, message) {
            Ok(Decoded { channel: 0, body }) => body,
            Ok(Decoded { channel, .. }) => {
                self.counters.other_channel += 1;
                return sink.notice(Notice::OtherChannel { seq, channel });
            }
            Err(error) => {
                self.counters.undecodable += 1;
                return sink.notice(Notice::Undecodable { seq, error });
            }
        };
        match body {
            Outbound::Report(report) => {
                self.processed(report.token);
                sink.report(report);
            }
            Outbound::MassCanceled { ts_event, token, symbol, .. } => {
                self.processed(token);
                sink.notice(Notice::MassCanceled { ts_event, token, symbol });
            }
            Outbound::EntryDisabled { ts_event, token, .. } => {
                self.processed(token);
                sink.notice(Notice::EntryDisabled { ts_event, token });
            }
            Outbound::EntryEnabled { ts_event, token, .. } => {
                self.processed(token);
                sink.notice(Notice::EntryEnabled { ts_event, token });
            }
            Outbound::NextToken { next, .. } => {
                self.processed(Token(next.0.saturating_sub(1)));
                if let Some(next_token) = self.barrier.on_answer(next) {
                    sink.session(SessionEvent::Ready { next_token, proven: true });
                }
            }
        }
    }

    /// The venue has processed `token`.
    #[inline]
    fn processed(&mut self, token: Token) {
        self.highest_seen = self.highest_seen.max(token);
        self.encoder.raise(token);
    }
}
