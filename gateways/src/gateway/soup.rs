//! The composition of session, codec and barrier, for any protocol that SoupBinTCP carries.

use model::{Instrument, Nanos, OrderCommand, SessionEvent, Symbol, Token};

use super::barrier::ReplayBarrier;
use super::{
    Barrier, ConfigError, GatewayConfig, LiveOrders, Notice, OrderGateway, ReportSink, SessionMemory,
};
use crate::codec::{CancelAll, Message, SoupProtocol};
use crate::order::EncodeError;
use crate::soupbintcp::packet_type::UNSEQUENCED;
use crate::soupbintcp::{
    ClientSession, Deframer, Event, LoginAccepted, Packet, SessionName, State, Transmit,
};

/// Why the socket must be dropped.
pub use crate::soupbintcp::SessionError as ProtocolError;

/// A request that had not left when the connection was lost: the venue never had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// Its letter in the protocol: `O` enter, `U` replace, `X` cancel, `M` modify, ...
    pub letter: u8,
    /// The token it would have introduced; where it introduces none (`X`, `M`) the one it names.
    pub token: Token,
}

/// What happened since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sequenced messages, without those that were repeated.
    pub sequenced: u64,
    /// Sequenced messages that were heard before in the same session, dropped.
    pub repeated: u64,
    /// Of them not understood.
    pub undecodable: u64,
    /// Of them about orders that are not ours.
    pub foreign: u64,
    /// Unsequenced messages from the server; the protocols have none, and they are dropped.
    pub unsequenced: u64,
    /// Debug packets, dropped.
    pub debug: u64,
    /// Commands written.
    pub commands: u64,
}

/// A port that speaks `P`. Allocates in [`SoupGateway::new`] only.
#[derive(Debug)]
pub struct SoupGateway<P> {
    deframer: Deframer,
    port: Port<P>,
    /// Complete packets wait for the sink.
    paused: bool,
    fault: Option<ProtocolError>,
}

/// Everything but the receive buffer, so that a packet can be borrowed from that while this changes.
#[derive(Debug)]
struct Port<P> {
    session: ClientSession,
    protocol: P,
    tx: Transmit,
    barrier: ReplayBarrier,
    highest_seen: Token,
    sweep: Sweep,
    /// The session and the next message in it when this object last stopped listening.
    left_off: Option<(SessionName, u64)>,
    /// The first message of the session that was not heard yet. Beyond what the session counts where it is read again from its start.
    unheard: u64,
    /// Of this process and those before it.
    memory: Option<Box<dyn SessionMemory>>,
    /// This process has been in no session yet.
    fresh: bool,
    counters: Counters,
}

impl<P: SoupProtocol> SoupGateway<P> {
    /// For the instruments of `instruments` that trade through `config.id`. A protocol without a query has no barrier, whatever `config` says.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn new(config: GatewayConfig, instruments: &[Instrument]) -> Result<SoupGateway<P>, ConfigError> {
        config.check()?;
        let protocol = P::new(config.id, config.firm, config.orders, instruments)
            .map_err(ConfigError::DuplicateSymbol)?;
        let barrier = if P::QUERY.is_some() { config.barrier } else { Barrier::None };
        Ok(SoupGateway {
            deframer: Deframer::new(config.receive_capacity),
            port: Port {
                session: ClientSession::new(&config.session)?,
                protocol,
                tx: Transmit::new(config.transmit_capacity),
                barrier: ReplayBarrier::new(barrier, config.quiet, config.patience),
                highest_seen: Token(0),
                sweep: Sweep::new(if keeps_live::<P>() { config.live_orders } else { 0 }),
                left_off: None,
                unheard: 0,
                memory: None,
                fresh: true,
                counters: Counters::default(),
            },
            paused: false,
            fault: None,
        })
    }

    /// Has `memory` keep the names of the sessions that are joined. Where a process before this one was in another, the first login is followed by a
    /// [`Notice::Lost`]; what this process was in itself, it has heard.
    #[must_use]
    pub fn with_memory(mut self, memory: Box<dyn SessionMemory>) -> SoupGateway<P> {
        self.port.memory = Some(memory);
        self
    }

    fn start_afresh(&mut self) {
        self.deframer.clear();
        self.paused = false;
        self.fault = None;
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

    /// When quiet ends the replay. Never while a part of a message waits: that is not quiet.
    #[inline]
    fn replay_timeout(&self) -> Option<Nanos> {
        if self.port.session.state() != State::LoggedIn || self.deframer.buffered() > 0 {
            return None;
        }
        self.port.barrier.next_timeout(self.port.session.last_heard())
    }

    /// Writes a request that the protocol has beside commands. Needs the login only.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was written.
    #[inline]
    pub fn request(
        &mut self,
        now: Nanos,
        write: impl FnOnce(&mut P, &mut Transmit) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if !self.is_logged_in() {
            return Err(EncodeError::NotReady);
        }
        let port = &mut self.port;
        write(&mut port.protocol, &mut port.tx)?;
        port.counters.commands += 1;
        port.session.on_sent(now);
        Ok(())
    }

    /// The requests that have not left whole, oldest first: after a disconnect those that the venue never had. What did leave may or may not
    /// have been processed; the replay tells.
    pub fn unsent(&self) -> impl Iterator<Item = Unsent> + '_ {
        self.port.tx.unsent().filter_map(|packet| match packet.split_first()? {
            (&UNSEQUENCED, message) if !is_query::<P>(message) => {
                P::letter_and_token(message).map(|(letter, token)| Unsent { letter, token })
            }
            _ => None,
        })
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

    /// What happened since construction.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.port.counters
    }
}

/// Whether what may be open is kept: a constant of the protocol, so that the others pay nothing for it.
const fn keeps_live<P: SoupProtocol>() -> bool {
    matches!(P::CANCEL_ALL, CancelAll::OneByOne(_))
}

/// Cancels of everything, order by order.
#[derive(Debug)]
struct Sweep {
    live: LiveOrders,
    /// Everything is to be canceled; the token of the request that said so last.
    asked: Option<Token>,
    /// The venue's last stamp.
    heard: Nanos,
}

impl Sweep {
    fn new(orders: usize) -> Sweep {
        Sweep { live: LiveOrders::new(orders), asked: None, heard: Nanos::ZERO }
    }

    /// The answer that the venue does not give, once nothing can be open.
    fn answer(&mut self) -> Option<Notice> {
        if !self.live.is_known_flat() {
            return None;
        }
        let token = self.asked.take()?;
        Some(Notice::MassCanceled { ts_event: self.heard, token, symbol: Symbol::BLANK })
    }
}

fn is_query<P: SoupProtocol>(message: &[u8]) -> bool {
    P::QUERY.is_some_and(|query| message.first() == Some(&query.letter))
}

impl<P: SoupProtocol> OrderGateway for SoupGateway<P> {
    type Error = ProtocolError;

    fn on_connected(&mut self, now: Nanos) {
        self.start_afresh();
        if keeps_live::<P>() {
            self.port.sweep.live.on_connected();
        }
        self.port.tx.clear();
        self.port.session.on_connected(now, &mut self.port.tx);
    }

    fn on_disconnected(&mut self, _now: Nanos, sink: &mut impl ReportSink) {
        if self.port.session.state() != State::Disconnected {
            self.start_afresh();
            if keeps_live::<P>() {
                let live = &mut self.port.sweep.live;
                for packet in self.port.tx.unsent().filter_map(<[u8]>::split_first) {
                    if let (&UNSEQUENCED, message) = packet
                        && let Some((b'O' | b'U', token)) = P::letter_and_token(message)
                    {
                        live.on_unsent(token);
                    }
                }
            }
            self.port.on_disconnected();
            sink.session(SessionEvent::Disconnected);
        }
    }

    #[inline]
    fn recv_space(&mut self) -> &mut [u8] {
        self.deframer.space()
    }

    #[inline]
    fn on_received(&mut self, now: Nanos, n: usize, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        self.deframer.commit(n);
        if n > 0 {
            self.port.session.on_heard(now);
        }
        self.resume(now, sink)
    }

    fn resume(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.port.session.state() == State::Disconnected {
            self.deframer.clear();
            return Ok(());
        }
        self.consume(now, sink).inspect_err(|fault| self.fault = Some(*fault))
    }

    #[inline]
    fn next_timeout(&self) -> Option<Nanos> {
        if self.fault.is_some() {
            return None;
        }
        if self.port.owes_answer() {
            return Some(Nanos::ZERO);
        }
        let session = self.port.session.next_timeout(self.paused);
        match self.replay_timeout() {
            Some(replay) => Some(session.map_or(replay, |s| s.min(replay))),
            None => session,
        }
    }

    fn on_timeout(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), ProtocolError> {
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
        if self.port.owes_answer() && sink.has_room() {
            self.port.sweep.answer().into_iter().for_each(|notice| sink.notice(notice));
        }
        Ok(())
    }

    #[inline]
    fn is_logged_in(&self) -> bool {
        self.port.session.state() == State::LoggedIn && self.fault.is_none()
    }

    #[inline]
    fn is_ready(&self) -> bool {
        self.is_logged_in() && self.port.barrier.is_passed()
    }

    #[inline]
    fn encode(&mut self, now: Nanos, command: &OrderCommand) -> Result<(), EncodeError> {
        let ready = self.port.barrier.is_passed();
        self.request(now, |protocol, tx| protocol.encode(command, ready, tx))?;
        if keeps_live::<P>() {
            self.port.sweep.live.on_written(command);
        }
        Ok(())
    }

    fn cancel_all(&mut self, now: Nanos, token: Token) -> Result<(), EncodeError> {
        if !self.is_logged_in() {
            return Err(EncodeError::NotReady);
        }
        match P::CANCEL_ALL {
            CancelAll::AtOnce(write) => self.request(now, |protocol, tx| write(protocol, token, tx)),
            CancelAll::OneByOne(write) => {
                let Port { protocol, tx, session, counters, sweep, .. } = &mut self.port;
                let outcome = sweep.live.ask_each(|order| {
                    write(protocol, order, tx)?;
                    counters.commands += 1;
                    session.on_sent(now);
                    Ok(())
                });
                outcome.map(|()| sweep.asked = Some(token))
            }
        }
    }

    fn switch_entry(&mut self, now: Nanos, token: Token, enabled: bool) -> Result<(), EncodeError> {
        let write = P::SWITCH_ENTRY.ok_or(EncodeError::Unsaid)?;
        self.request(now, |protocol, tx| write(protocol, token, enabled, tx))
    }

    #[inline]
    fn transmit(&self) -> &[u8] {
        match self.port.session.state() {
            State::LoginSent | State::LoggedIn | State::LoggingOut if self.fault.is_none() => {
                self.port.tx.pending()
            }
            _ => &[],
        }
    }

    #[inline]
    fn transmitted(&mut self, n: usize) {
        self.port.tx.sent(n);
    }

    fn unsent_len(&self) -> usize {
        self.unsent().count()
    }

    fn logout(&mut self, now: Nanos) {
        if self.is_logged_in() {
            self.port.session.logout(now, &mut self.port.tx);
        }
    }

    fn is_over(&self) -> bool {
        self.port.session.is_over()
    }

    fn remembers_session(&self) -> bool {
        self.port.session.session() != SessionName::BLANK
    }

    fn forget_session(&mut self) {
        self.port.session.forget();
        self.port.left_off = None;
    }

    fn highest_token_seen(&self) -> Token {
        self.port.highest_seen
    }
}

impl<P: SoupProtocol> Port<P> {
    fn on_disconnected(&mut self) {
        if matches!(self.session.state(), State::LoggedIn | State::LoggingOut) {
            self.left_off = Some((self.session.session(), self.session.next_sequence()));
        }
        let queries = self.tx.unsent().filter(|packet| {
            packet.split_first().is_some_and(|(kind, message)| *kind == UNSEQUENCED && is_query::<P>(message))
        });
        let queries = queries.count();
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
                    self.unheard = next;
                }
                self.protocol.reset(self.highest_seen);
                let queries = self.barrier.on_login(now, watched);
                for query in P::QUERY.iter().cycle().take(queries as usize) {
                    let outcome = (query.write)(&mut self.protocol, &mut self.tx);
                    debug_assert!(outcome.is_ok(), "queries fit in a buffer that held a login: {outcome:?}");
                    self.session.on_sent(now);
                }
                let joined = self.memory.as_mut().filter(|_| !continued);
                let was_elsewhere = joined.is_some_and(|m| m.join(now, name));
                if was_elsewhere && self.fresh {
                    sink.notice(Notice::Lost { from: 0, to: 0 });
                }
                self.fresh = false;
                sink.notice(Notice::Session { continued, asked, next });
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
        if seq < self.unheard {
            // Applied again, it would be booked twice: a session that the venue refused to continue and then served is read from its start.
            self.counters.repeated += 1;
            return;
        }
        self.unheard = seq.saturating_add(1);
        self.counters.sequenced += 1;
        let message = match self.protocol.decode(seq, message) {
            Ok(message) => message,
            Err(error) => {
                self.counters.undecodable += 1;
                return sink.notice(Notice::Undecodable { seq, error });
            }
        };
        match message {
            Message::Report(report) => {
                self.processed(report.token);
                sink.report(report);
                if keeps_live::<P>() {
                    self.sweep.live.on_report(&report);
                    self.sweep.heard = report.ts_event;
                    if self.owes_answer() {
                        self.sweep.answer().into_iter().for_each(|notice| sink.notice(notice));
                    }
                }
            }
            Message::Foreign => {
                self.counters.foreign += 1;
                sink.notice(Notice::Foreign { seq });
            }
            Message::MassCanceled { ts_event, token, symbol } => {
                self.processed(token);
                sink.notice(Notice::MassCanceled { ts_event, token, symbol });
            }
            Message::EntrySwitched { ts_event, token, enabled } => {
                self.processed(token);
                sink.notice(if enabled {
                    Notice::EntryEnabled { ts_event, token }
                } else {
                    Notice::EntryDisabled { ts_event, token }
                });
            }
            Message::NextToken(next) => {
                self.processed(Token(next.0.saturating_sub(1)));
                if let Some(next_token) = self.barrier.on_answer(next) {
                    sink.session(SessionEvent::Ready { next_token, proven: true });
                }
            }
        }
    }

    /// Whether everything was to be canceled and is, as far as the replay's end lets that be known.
    #[inline]
    fn owes_answer(&self) -> bool {
        keeps_live::<P>()
            && self.sweep.asked.is_some()
            && self.barrier.is_passed()
            && self.sweep.live.is_known_flat()
    }

    /// The venue has processed `token`.
    #[inline]
    fn processed(&mut self, token: Token) {
        self.highest_seen = self.highest_seen.max(token);
        self.protocol.raise(token);
    }
}
