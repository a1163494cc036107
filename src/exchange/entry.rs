//! What a client can ask of the venue and what it is told, in the venue's own words: no bytes, no protocol.
//!
//! ```text
//!  bytes --> codec: parse --> Request --> order_entry --> Report --> codec: encode --> bytes of the account's stream
//! ```
//!
//! The words are those of OUCH 5.0, the richest of the protocols: its letters for sides, times in force and displays, its numbers for refusals. A
//! protocol that has others translates; one that names orders otherwise (a token of letters, a `ClOrdID`) keeps the names and gives each a
//! number. A message that a protocol has no word for is left out by its codec.

mod why;

use model::{Px, Qty, Symbol};

pub use why::{Cause, Reason};

/// From here on a price means "market".
pub const MARKET_PRICE: u64 = 2_000_000_000;

/// What a request says beyond its fixed fields. `None` where it does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// For whom (tag 2).
    pub firm: Option<[u8; 4]>,
    /// Trades only if so many shares trade (3).
    pub min_quantity: Option<u32>,
    /// R or N (4).
    pub customer: Option<u8>,
    /// Shares shown of a reserve order (5).
    pub max_floor: Option<u32>,
    /// L limit (6).
    pub price_type: Option<u8>,
    /// P post-only, N not (12).
    pub post_only: Option<u8>,
    /// By how many shares what is shown of a reserve order may differ (13).
    pub random_reserve: Option<u32>,
    /// Seconds to live, for time in force 6 (15).
    pub expire_s: Option<u32>,
    /// Trade now (16).
    pub trade_now: Option<u8>,
    /// Handling instruction (17).
    pub handling: Option<u8>,
    /// Group, for mass cancels (24).
    pub group: Option<u16>,
    /// Y where shares are located for a short sale (25).
    pub located: Option<u8>,
    /// Where they are located (26).
    pub locate_broker: Option<[u8; 4]>,
    /// Side, in a replace or a mass cancel (27).
    pub side: Option<u8>,
    /// `UserRefIdx` (28); 0 where absent.
    pub idx: u8,
    /// Which of two orders goes that would trade with each other (29).
    pub self_match: Option<u8>,
    /// Only orders of one group are kept from trading with each other (30).
    pub self_match_group: Option<[u8; 2]>,
    /// Why an order with this cannot be taken.
    pub refusal: Option<Cause>,
}

/// A new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enter {
    /// `UserRefNum`.
    pub number: u32,
    /// B, S, T (short) or E (short exempt).
    pub side: u8,
    /// Shares.
    pub quantity: u32,
    /// Ticker as sent.
    pub symbol: Symbol,
    /// Limit, 1e-4 USD, as sent; from [`MARKET_PRICE`] on no limit.
    pub price: u64,
    /// 0 day, 3 immediate or cancel, 5 extended hours, 6 until a time, E after hours.
    pub tif: u8,
    /// Y shown, N not, A shown with the firm's name.
    pub display: u8,
    /// A, P, R or O.
    pub capacity: u8,
    /// Inter-market sweep, Y or N.
    pub iso: u8,
    /// N for the continuous book; O, C, H for the opening, closing, halt cross.
    pub cross_type: u8,
    /// The client's own text.
    pub clordid: [u8; 14],
    /// The rest.
    pub tags: Tags,
}

/// Another price or size for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replace {
    /// The order until now.
    pub old: u32,
    /// Its name from now on.
    pub number: u32,
    /// Total of the chain, executed shares included.
    pub quantity: u32,
    /// Limit, 1e-4 USD, as sent.
    pub price: u64,
    /// As in [`Enter`].
    pub tif: u8,
    /// As in [`Enter`].
    pub display: u8,
    /// As in [`Enter`].
    pub iso: u8,
    /// The client's own text.
    pub clordid: [u8; 14],
    /// The rest.
    pub tags: Tags,
}

/// What a client can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new order.
    Enter(Enter),
    /// Another price or size for an order.
    Replace(Replace),
    /// A new, smaller total.
    Cancel {
        /// The order.
        number: u32,
        /// New intended total; 0 cancels what is open.
        quantity: u32,
        /// The rest.
        tags: Tags,
    },
    /// Another sell side or fewer shares, in place.
    Modify {
        /// The order.
        number: u32,
        /// B, S, T or E.
        side: u8,
        /// New intended total.
        quantity: u32,
        /// The rest.
        tags: Tags,
    },
    /// Trade an order at rest with what it may trade with and has not.
    TradeNow {
        /// The order.
        number: u32,
    },
    /// Cancel many.
    MassCancel {
        /// `UserRefNum` of the request.
        number: u32,
        /// Whose orders.
        firm: [u8; 4],
        /// Which symbol; blanks for all.
        symbol: Symbol,
        /// The rest.
        tags: Tags,
    },
    /// Take no more orders.
    Disable {
        /// `UserRefNum` of the request.
        number: u32,
        /// Whose.
        firm: [u8; 4],
        /// The rest.
        tags: Tags,
    },
    /// Take orders again.
    Enable {
        /// `UserRefNum` of the request.
        number: u32,
        /// Whose.
        firm: [u8; 4],
        /// The rest.
        tags: Tags,
    },
    /// Which number comes next.
    Query {
        /// The rest.
        tags: Tags,
    },
}

impl Request {
    /// OUCH 5.0's letter for it; OUCH 4.2's where that has none.
    #[must_use]
    pub const fn letter(&self) -> u8 {
        match self {
            Request::Enter(_) => b'O',
            Request::Replace(_) => b'U',
            Request::Cancel { .. } => b'X',
            Request::Modify { .. } => b'M',
            Request::TradeNow { .. } => b'N',
            Request::MassCancel { .. } => b'C',
            Request::Disable { .. } => b'D',
            Request::Enable { .. } => b'E',
            Request::Query { .. } => b'Q',
        }
    }
}

/// An account's name for an order or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// `UserRefIdx`.
    pub idx: u8,
    /// `UserRefNum`.
    pub number: u32,
}

/// The values of an order, as it is taken or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// B, S, T or E.
    pub side: u8,
    /// Shares: as entered where taken, open where replaced.
    pub quantity: Qty,
    /// Ticker.
    pub symbol: Symbol,
    /// Limit.
    pub price: Px,
    /// Time in force.
    pub tif: u8,
    /// Display.
    pub display: u8,
    /// The venue's number in its book.
    pub order_ref: u64,
    /// Capacity.
    pub capacity: u8,
    /// Inter-market sweep.
    pub iso: u8,
    /// Cross.
    pub cross_type: u8,
    /// Whether the order is dead at once, and nothing more comes about it.
    pub is_dead: bool,
    /// The client's own text.
    pub clordid: [u8; 14],
    /// What the client said beyond that.
    pub tags: Tags,
}

/// What an account is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// `S` start of day, `E` end of day.
    SystemEvent(u8),
    /// Taken.
    Accepted {
        /// The order.
        name: Name,
        /// Its values, which may differ from those entered.
        terms: Terms,
    },
    /// New values and a new name.
    Replaced {
        /// Its number until now.
        old: u32,
        /// Its name from now on.
        name: Name,
        /// Its values; the quantity is what is open.
        terms: Terms,
    },
    /// Shares left the order.
    Canceled {
        /// The order.
        name: Name,
        /// How many.
        quantity: Qty,
        /// What is open now.
        open: Qty,
        /// Why.
        reason: Reason,
    },
    /// Shares left the order as they would have traded with the account's own.
    SelfMatch {
        /// The order.
        name: Name,
        /// Shares that left.
        decrement: Qty,
        /// What is open now.
        open: Qty,
        /// Shares that did not trade.
        prevented: Qty,
        /// At which price.
        px: Px,
        /// `A` would have added liquidity, `R` removed.
        liquidity: u8,
        /// Which of the two goes: O the older, N the newer, B both, D the smaller's shares of both.
        strategy: u8,
    },
    /// Shares traded.
    Executed {
        /// The order.
        name: Name,
        /// How many.
        quantity: Qty,
        /// What is open now.
        open: Qty,
        /// At which price.
        px: Px,
        /// `A` added, `R` removed, `O` `C` `H` in a cross.
        liquidity: u8,
        /// The trade's number, the same on both sides.
        match_number: u64,
    },
    /// A trade that was reported is undone.
    Broken {
        /// The order.
        name: Name,
        /// The trade.
        match_number: u64,
        /// E erroneous, C consent, S supervisory, X external.
        reason: u8,
        /// The client's own text.
        clordid: [u8; 14],
    },
    /// A trade that was reported has another price.
    Corrected {
        /// The order.
        name: Name,
        /// Shares of the trade, as they were.
        quantity: Qty,
        /// Its price from now on.
        px: Px,
        /// As it was reported.
        liquidity: u8,
        /// The trade.
        match_number: u64,
        /// As in [`Report::Broken`].
        reason: u8,
    },
    /// Refused.
    Rejected {
        /// The order or request.
        name: Name,
        /// Why.
        cause: Cause,
        /// The client's own text.
        clordid: [u8; 14],
    },
    /// The cancel will happen after the cross.
    CancelPending {
        /// The order.
        name: Name,
    },
    /// The partial cancel is refused, the order lives.
    CancelRejected {
        /// The order.
        name: Name,
    },
    /// The request to trade now was understood.
    TradingNow {
        /// The order.
        name: Name,
    },
    /// Side or shares changed in place.
    Modified {
        /// The order.
        name: Name,
        /// B, S, T or E.
        side: u8,
        /// What is open.
        open: Qty,
    },
    /// The order has another place in the book.
    Priority {
        /// The order.
        name: Name,
        /// Its price there.
        px: Px,
        /// Display.
        display: u8,
        /// Its new number there.
        order_ref: u64,
    },
    /// A reserve order shows more shares.
    Refreshed {
        /// The order.
        name: Name,
        /// Shares shown.
        shown: Qty,
        /// The number that they have in the book.
        order_ref: u64,
    },
    /// The mass cancel was understood.
    MassCanceled {
        /// The request.
        name: Name,
        /// Whose orders.
        firm: [u8; 4],
        /// Which symbol.
        symbol: Symbol,
    },
    /// Order entry is off, or on again.
    EntrySwitched {
        /// The request.
        name: Name,
        /// Whose.
        firm: [u8; 4],
        /// Whether it is on.
        is_enabled: bool,
    },
    /// The number that comes next.
    NextNumber {
        /// `UserRefIdx` and that number.
        next: Name,
    },
}

impl Report {
    /// The order or request that it is about; `None` where it is about none.
    #[must_use]
    pub const fn name(&self) -> Option<Name> {
        match *self {
            Report::SystemEvent(_) | Report::NextNumber { .. } => None,
            Report::Accepted { name, .. }
            | Report::Replaced { name, .. }
            | Report::Canceled { name, .. }
            | Report::SelfMatch { name, .. }
            | Report::Executed { name, .. }
            | Report::Broken { name, .. }
            | Report::Corrected { name, .. }
            | Report::Rejected { name, .. }
            | Report::CancelPending { name }
            | Report::CancelRejected { name }
            | Report::TradingNow { name }
            | Report::Modified { name, .. }
            | Report::Priority { name, .. }
            | Report::Refreshed { name, .. }
            | Report::MassCanceled { name, .. }
            | Report::EntrySwitched { name, .. } => Some(name),
        }
    }

    /// OUCH 5.0's letter for it; OUCH 4.2's where that has none.
    #[must_use]
    pub const fn letter(&self) -> u8 {
        match self {
            Report::SystemEvent(_) => b'S',
            Report::Accepted { .. } => b'A',
            Report::Replaced { .. } => b'U',
            Report::Canceled { .. } => b'C',
            Report::SelfMatch { .. } => b'D',
            Report::Executed { .. } => b'E',
            Report::Broken { .. } => b'B',
            Report::Corrected { .. } => b'F',
            Report::Rejected { .. } => b'J',
            Report::CancelPending { .. } => b'P',
            Report::CancelRejected { .. } => b'I',
            Report::TradingNow { .. } => b'N',
            Report::Modified { .. } => b'M',
            Report::Priority { .. } => b'T',
            Report::Refreshed { .. } => b'R',
            Report::MassCanceled { .. } => b'X',
            Report::EntrySwitched { is_enabled: false, .. } => b'G',
            Report::EntrySwitched { is_enabled: true, .. } => b'K',
            Report::NextNumber { .. } => b'Q',
        }
    }
}
