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

/// Whether an instrument's book equals the venue's. A book that may be wrong is never `Valid`.
///
/// ```text
///              Synced / gap filled                       gap, late join
///   Recovering -------------------> Valid ------------------------------> Recovering
///       |                             |                                        |
///       | gap lost                    | feed silent, book over capacity        | gap lost
///       v                             v                                        v
///     Stale  <------------------------+----------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Validity {
    /// Not yet known, or messages are missing that may still come.
    #[default]
    Recovering = 0,
    /// Every message up to now was applied.
    Valid = 1,
    /// Messages are lost or the feed is silent: the book shows the past.
    Stale = 2,
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
