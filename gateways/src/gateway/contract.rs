//! What a gateway agent drives, whatever the protocol.

use core::fmt;

use model::{Nanos, OrderCommand, Token};

use super::ReportSink;
use crate::order::EncodeError;

/// One order entry session: codec, session rules and buffers, without socket, clock and thread.
///
/// ```text
///   connect  -> on_connected      read -> recv_space, on_received      write -> transmit, transmitted
///   lost     -> on_disconnected   time -> next_timeout, on_timeout     order -> encode
/// ```
///
/// Contract: an error of [`OrderGateway::on_received`], [`OrderGateway::resume`] or [`OrderGateway::on_timeout`] means: drop the socket and call
/// [`OrderGateway::on_disconnected`]. When [`OrderGateway::is_over`] is true the socket has no further use either. Nothing is sent twice: what is unsent
/// when the connection is lost stays unsent, and what was sent but not answered is for the caller to settle from what the venue repeats. After
/// construction nothing allocates, and no bytes of the peer panic.
pub trait OrderGateway: Send {
    /// Why the socket must be dropped, in words for people.
    type Error: fmt::Display;

    /// A connection is up: whatever logs in is in [`OrderGateway::transmit`]. What was unsent before is forgotten.
    fn on_connected(&mut self, now: Nanos);

    /// The connection is gone; nothing happens if there was none. What was received but not consumed is dropped: it was not counted, so the venue
    /// repeats it. Makes one call to `sink` without asking for room.
    fn on_disconnected(&mut self, now: Nanos, sink: &mut impl ReportSink);

    /// Where the socket reads to. Do not read while it is empty (the sink has no room and the buffer is full): a read into nothing looks
    /// like the end of the stream.
    fn recv_space(&mut self) -> &mut [u8];

    /// `n` bytes were read into [`OrderGateway::recv_space`].
    ///
    /// # Errors
    /// Drop the socket. What came before the offending bytes was delivered.
    ///
    /// # Panics
    /// If `n` exceeds the space: a bug of the caller.
    fn on_received(&mut self, now: Nanos, n: usize, sink: &mut impl ReportSink) -> Result<(), Self::Error>;

    /// Consumes what is buffered, as far as the sink has room.
    ///
    /// # Errors
    /// Drop the socket. The same error again until then.
    fn resume(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), Self::Error>;

    /// When [`OrderGateway::on_timeout`] has something to do; `None` while nothing is timed.
    fn next_timeout(&self) -> Option<Nanos>;

    /// Sends heartbeats, judges silence and the login's time, and ends a replay by quiet. Costs little when nothing is due.
    ///
    /// # Errors
    /// Drop the socket. The same error again until then.
    fn on_timeout(&mut self, now: Nanos, sink: &mut impl ReportSink) -> Result<(), Self::Error>;

    /// Whether the venue has taken the login, so that cancels may be sent.
    fn is_logged_in(&self) -> bool;

    /// Whether new orders and replaces may be sent.
    fn is_ready(&self) -> bool;

    /// Appends a command to what is to be sent. Orders and replaces wait for [`model::SessionEvent::Ready`]; cancels, which add no risk and which
    /// a venue ignores if superfluous, only for [`model::SessionEvent::LoggedIn`].
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was appended, and the token is unused. It is the caller's to tell whoever waits for an answer.
    fn encode(&mut self, now: Nanos, command: &OrderCommand) -> Result<(), EncodeError>;

    /// Asks for every order of this session to be canceled; [`super::Notice::MassCanceled`] with `token` or a later one says that the venue has understood.
    /// Needs the login only. `token` is above all that were used before, and is used up.
    ///
    /// # Errors
    /// [`EncodeError::Full`]: not everything that it takes has found room; ask again. Others as [`OrderGateway::encode`].
    fn cancel_all(&mut self, now: Nanos, token: Token) -> Result<(), EncodeError>;

    /// Asks the venue to take no more orders of the firm, or (`enabled`) to take them again; [`super::Notice::EntryDisabled`] or
    /// [`super::Notice::EntryEnabled`] says that it does. Needs the login only, and uses `token` up.
    ///
    /// # Errors
    /// [`EncodeError::Unsaid`] where the protocol has no such request; others as [`OrderGateway::encode`].
    fn switch_entry(&mut self, now: Nanos, token: Token, enabled: bool) -> Result<(), EncodeError>;

    /// What is to be written to the socket; empty when the session takes nothing more.
    fn transmit(&self) -> &[u8];

    /// The first `n` bytes of [`OrderGateway::transmit`] were taken by the socket.
    ///
    /// # Panics
    /// If `n` exceeds what was pending: a bug of the caller.
    fn transmitted(&mut self, n: usize);

    /// How many requests have not left whole: after a disconnect, until the next connection, those that the venue never had.
    fn unsent_len(&self) -> usize;

    /// Asks the venue to end the session. Nothing is encoded after it, but reports still come until the venue closes.
    fn logout(&mut self, now: Nanos);

    /// Whether the socket has no further use: login rejected or end of session.
    fn is_over(&self) -> bool;

    /// Whether the next login asks to go on in a session that was joined before.
    fn remembers_session(&self) -> bool;

    /// The next login asks for the current session from its start: the caller's choice when a login is rejected because the remembered session is
    /// gone.
    fn forget_session(&mut self);

    /// The highest token that the venue is known to have processed. Whoever hands out tokens must stay above it.
    fn highest_token_seen(&self) -> Token;
}
