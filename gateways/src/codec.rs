//! What an order entry protocol over SoupBinTCP is to the rest: commands to bytes, the stream's messages to what they mean.
//!
//! [`crate::gateway::SoupGateway`] puts a session and a [`SoupProtocol`] together. A protocol is a folder of this crate with one `impl` of the trait.

use core::fmt;

use model::{ExecutionReport, GatewayId, Instrument, Nanos, OrderCommand, Symbol, Token};
use thiserror::Error;

use crate::order::{EncodeError, OrderDefaults};
use crate::soupbintcp::Transmit;

/// Why a message of the sequenced stream is not understood. What it said about an order is then unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A sequenced packet without a message.
    #[error("empty message")]
    Empty,
    /// A letter that the protocol does not have.
    #[error("unknown message type 0x{0:02x}")]
    UnknownType(u8),
    /// Fewer bytes than the letter's fixed part.
    #[error("message '{}' has {len} bytes, its fixed part {least}", *kind as char)]
    Short {
        /// The letter.
        kind: u8,
        /// Bytes there.
        len: usize,
        /// Bytes needed.
        least: usize,
    },
    /// The appendage is missing or its sizes do not add up.
    #[error("malformed appendage")]
    Appendage,
    /// A side letter other than B, S, T, E.
    #[error("unknown side 0x{0:02x}")]
    Side(u8),
    /// An order state other than L, D.
    #[error("unknown order state 0x{0:02x}")]
    OrderState(u8),
    /// A price beyond 63 bits.
    #[error("price beyond 63 bits")]
    Price,
    /// A field that is missing, or not what it should be (FIX: its tag).
    #[error("field {0} is missing or not understood")]
    Field(i32),
    /// The names of a replaced order before and after are the same, or of two clients.
    #[error("a replaced order with names that cannot be")]
    Replaced,
}

/// What a message of the sequenced stream means to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// About an order of ours, or the day.
    Report(ExecutionReport),
    /// About an order that is not ours: someone else trades on the account.
    Foreign,
    /// A mass cancel was taken; each order's own Canceled is still to come.
    MassCanceled {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The request.
        token: Token,
        /// Of which symbol, blank for all.
        symbol: Symbol,
    },
    /// The firm's order entry was switched.
    EntrySwitched {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The request.
        token: Token,
        /// Whether orders are taken from now on.
        enabled: bool,
    },
    /// The answer to a query: the lowest token that was not processed.
    NextToken(Token),
}

/// A request for the next token.
#[derive(Clone, Copy, Debug)]
pub struct Query<P> {
    /// Its letter.
    pub letter: u8,
    /// Writes it.
    pub write: fn(&mut P, &mut Transmit) -> Result<(), EncodeError>,
}

/// Writes one request that names `token`.
pub type Write<P> = fn(&mut P, Token, &mut Transmit) -> Result<(), EncodeError>;

/// Writes a request that switches something, with a token of its own.
pub type Switch<P> = fn(&mut P, Token, bool, &mut Transmit) -> Result<(), EncodeError>;

/// How everything is canceled at once.
#[derive(Clone, Copy, Debug)]
pub enum CancelAll<P> {
    /// By one request, which takes a token of its own and is answered by [`Message::MassCanceled`].
    AtOnce(Write<P>),
    /// There is no such request: by the cancel of each order that may be open, which the gateway keeps count of.
    OneByOne(Write<P>),
}

/// An order entry protocol whose messages SoupBinTCP carries, the client's side.
///
/// An implementation allocates in [`SoupProtocol::new`] only. No bytes of a venue make it panic.
pub trait SoupProtocol: Send + Sized + fmt::Debug {
    /// The request whose answer ([`Message::NextToken`]) stands in the stream behind all that came before it; `None` where the protocol has no such
    /// request, and the end of a replay cannot be asked for.
    const QUERY: Option<Query<Self>>;

    /// How everything is canceled at once.
    const CANCEL_ALL: CancelAll<Self>;

    /// How the firm's order entry is switched off and on; `None` where the protocol has no such request.
    const SWITCH_ENTRY: Option<Switch<Self>>;

    /// For the instruments of `instruments` that trade through `gateway`.
    ///
    /// # Errors
    /// The ticker that two of them have.
    fn new(
        gateway: GatewayId,
        firm: [u8; 4],
        orders: OrderDefaults,
        instruments: &[Instrument],
    ) -> Result<Self, Symbol>;

    /// Writes one command as a whole packet. `ready` tells whether new risk may be sent; a cancel needs only the login.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was written, and the token is unused.
    fn encode(&mut self, command: &OrderCommand, ready: bool, tx: &mut Transmit) -> Result<(), EncodeError>;

    /// What message number `seq` of the stream means.
    ///
    /// # Errors
    /// [`DecodeError`]; its meaning is then unknown.
    fn decode(&self, seq: u64, message: &[u8]) -> Result<Message, DecodeError>;

    /// The venue has processed `token`: neither it nor a lower one may be used.
    fn raise(&mut self, token: Token);

    /// A new connection: tokens above `processed` may be used.
    fn reset(&mut self, processed: Token);

    /// Of a request (what follows the packet's type): its letter, and the token it introduces or, where it introduces none, names. `None` for what is
    /// no request of ours.
    fn letter_and_token(message: &[u8]) -> Option<(u8, Token)>;
}
