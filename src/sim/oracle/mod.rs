//! What the core is held to. Nothing here decodes, encodes or adds up with what it judges: messages are read by hand from the bytes that the venue published, and
//! requests from those that reached it; positions, cash and live orders are the venue's own ledger.

pub(super) mod ask;
pub(super) mod levels;
pub(super) mod pace;
pub(super) mod requests;
pub(super) mod tape;

use std::fmt;

/// What has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// No token is used twice.
    Token,
    /// What reaches the venue was decided for this very connection, and reaches it once.
    Decided,
    /// Filled, open and in flight together never pass a limit.
    Exposure,
    /// No more is sent in any span of time than the throttle lets pass.
    Pace,
    /// A cancel that the strategy asks for is sent, whatever the limits say.
    Cancels,
    /// No order is sent into a symbol that does not trade.
    Trading,
    /// No order is sent while trading is halted.
    Halted,
    /// Nothing is sent that lets all positions together come to more money than they may.
    Money,
    /// Once more is lost than may be, trading is halted and nothing is open.
    StopLoss,
    /// At each level of restraint nothing is sent that it forbids, and breakers restrain as they are told to.
    Restrained,
    /// A book that is marked sound is the venue's.
    Book,
    /// At rest the orders that live are those that live at the venue.
    LiveSet,
    /// At rest positions, cash and P&L are those of the venue's ledger.
    Ledger,
    /// Every order ends: an end in order leaves nothing open.
    Ends,
    /// With nothing in its way the core comes to rest.
    Rest,
    /// A journal gives the same commands and the same state.
    Replay,
    /// The core's clock never goes back, and is never faster or slower than its bound.
    Clock,
    /// The same seed does the same.
    Trace,
    /// Nothing panics.
    Panic,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = format!("{self:?}");
        f.write_str(&words.to_lowercase())
    }
}

/// What did not hold, and how that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.found)
    }
}

/// What a check gives.
pub(super) type Check = Result<(), Violation>;

/// A violation, found.
#[cold]
pub(super) fn violated(invariant: Invariant, found: impl Into<String>) -> Violation {
    Violation { invariant, found: found.into() }
}
