//! What is traded, where, and whether what we believe of it may be trusted.

use crate::{FeedId, GatewayId, InstrumentId, Symbol};

/// An instrument of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Its dense number.
    pub id: InstrumentId,
    /// Its ticker.
    pub symbol: Symbol,
    /// Where its book comes from.
    pub feed: FeedId,
    /// Where its orders go.
    pub gateway: GatewayId,
}

/// Whether an instrument may be traded on what is known of it, in one word. Only `Valid` trades.
///
/// It is derived, never set: from the soundness of the book, the market's phase, the venue's word on trading, and what the book shows. The first that
/// holds is the word:
///
/// ```text
///   session ended, or the market's hours are over ....... Closed
///   messages are missing that may still come ............ Recovering
///   messages are lost, the feed is silent ............... Stale
///   the market's hours have not begun ................... Closed
///   halted, paused, quotation only, not named ........... Halted
///   locked or crossed for too long, or has jumped ....... Stale
///   none of these ....................................... Valid
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Validity {
    /// Not yet known, or messages are missing that may still come.
    #[default]
    Recovering = 0,
    /// Every message up to now was applied, the venue lets it trade, and the book can be.
    Valid = 1,
    /// The book shows the past, or what cannot be.
    Stale = 2,
    /// The book is sound; the venue does not let the instrument trade.
    Halted = 3,
    /// Outside market hours, or after the end of the session.
    Closed = 4,
}

impl Validity {
    /// Every one, by code.
    pub const ALL: [Validity; 5] =
        [Validity::Recovering, Validity::Valid, Validity::Stale, Validity::Halted, Validity::Closed];
}

/// Whether the venue lets an instrument trade (ITCH `H`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum TradingState {
    /// No trading action seen. A venue's pre-open spin names each symbol that trades; what it leaves out is halted.
    #[default]
    Unknown = 0,
    /// `T`.
    Trading = 1,
    /// `H`, or an operational halt at this market.
    Halted = 2,
    /// `P`.
    Paused = 3,
    /// `Q`: quoting only, before an IPO or after a halt.
    QuotationOnly = 4,
}
