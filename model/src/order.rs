//! What we ask of a venue and what it answers.
//!
//! An order is known by its [`Token`]; a replace gives the order a new one, and the chain keeps one life. Quantities of a replace are the
//! chain's *total* (executed shares included), as OUCH 5.0 has it; a cancel's quantity is the new intended total, 0 for all.

use crate::{GatewayId, InstrumentId, Nanos, Px, Qty, Side, Token, VenueRef};

/// How long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Tif {
    /// Until the close.
    Day = 0,
    /// Immediate or cancel.
    Ioc = 1,
}

/// A request to a venue. Only the risk gate makes one that may be sent (`engine::Approved`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderCommand {
    /// Where it goes.
    pub gateway: GatewayId,
    /// What it concerns.
    pub instrument: InstrumentId,
    /// What is asked.
    pub kind: CommandKind,
}

const _: () = assert!(size_of::<OrderCommand>() <= 40);

/// The kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// A new order.
    New {
        /// Its token.
        token: Token,
        /// Its side.
        side: Side,
        /// Whether a sell is short.
        short: bool,
        /// Shares.
        qty: Qty,
        /// Limit.
        px: Px,
        /// Time in force.
        tif: Tif,
    },
    /// A replace of a live order; it loses its place.
    Replace {
        /// The order's token until now.
        old: Token,
        /// Its token from now on.
        token: Token,
        /// New total of the chain, executed shares included.
        qty: Qty,
        /// New limit.
        px: Px,
        /// Time in force.
        tif: Tif,
    },
    /// A cancel, whole or in part.
    Cancel {
        /// The order's token.
        token: Token,
        /// New intended total, executed shares included; 0 cancels what is open.
        qty: Qty,
    },
    /// About the port, not about an order; its instrument is number 0, and means nothing.
    Port {
        /// Its token, used up by it like an order's.
        token: Token,
        /// What is asked.
        request: PortRequest,
    },
}

/// What can be asked of a port as a whole. A venue that has no such request is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PortRequest {
    /// Cancel every order of the port that may be open, by one request where the venue has one.
    MassCancel = 1,
    /// Take no more orders of the firm.
    EntryOff = 2,
    /// Take them again.
    EntryOn = 3,
}

impl OrderCommand {
    /// The token the request introduces, or for a cancel the one it names.
    #[inline]
    #[must_use]
    pub const fn token(&self) -> Token {
        match self.kind {
            CommandKind::New { token, .. }
            | CommandKind::Replace { token, .. }
            | CommandKind::Cancel { token, .. }
            | CommandKind::Port { token, .. } => token,
        }
    }
}

/// A venue's answer, or its unsolicited word, about one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionReport {
    /// The venue's stamp, ns since its midnight.
    pub ts_event: Nanos,
    /// The venue's number of this message in its stream (SoupBinTCP sequence): a fill applies once by it.
    pub seq: u64,
    /// The order, by the token current when the venue sent this.
    pub token: Token,
    /// Who sent it.
    pub gateway: GatewayId,
    /// What happened.
    pub kind: ReportKind,
}

const _: () = assert!(size_of::<ExecutionReport>() <= 64);

/// The kinds of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// The order was taken. Its values may differ from those asked for.
    Accepted {
        /// The venue's number in its book.
        order: VenueRef,
        /// Limit as accepted.
        px: Px,
        /// Shares as accepted.
        qty: Qty,
        /// Side.
        side: Side,
        /// Whether a sell is marked short, exempt or not.
        short: bool,
        /// The ticker's instrument, as the gateway knows it; `None` where the configuration lacks it.
        instrument: Option<InstrumentId>,
        /// Accepted and dead at once: nothing more comes.
        dead: bool,
    },
    /// The order took on the values of a replace.
    Replaced {
        /// The token until now.
        old: Token,
        /// The venue's new number in its book.
        order: VenueRef,
        /// Limit.
        px: Px,
        /// Shares OPEN after the replace (not the chain's total).
        qty: Qty,
        /// Dead at once.
        dead: bool,
    },
    /// Shares left the order without trading. The order may live on.
    Canceled {
        /// Shares that left (a decrement).
        qty: Qty,
        /// The venue's reason letter.
        reason: u8,
    },
    /// Shares traded.
    Executed {
        /// Shares of this fill.
        qty: Qty,
        /// Its price.
        px: Px,
        /// The trade's number.
        match_number: u64,
        /// Liquidity flag.
        liquidity: u8,
    },
    /// The order or the replace was refused.
    Rejected {
        /// The venue's code.
        reason: u16,
    },
    /// A fill is void.
    Broken {
        /// The trade's number.
        match_number: u64,
        /// The venue's reason letter.
        reason: u8,
    },
    /// A fill was of other shares, at another price or under another liquidity flag than it was reported with (OUCH 4.2 `F`). The order stays as it is.
    Corrected {
        /// The trade's number.
        match_number: u64,
        /// Shares of the fill as they are now.
        qty: Qty,
        /// Its price as it is now.
        px: Px,
        /// Its liquidity flag as it is now.
        liquidity: u8,
        /// The venue's reason letter.
        reason: u8,
    },
    /// A cancel will happen after the cross.
    CancelPending,
    /// A cancel was refused; the order lives.
    CancelRejected,
    /// Shares or side changed in place.
    Modified {
        /// Shares open.
        qty: Qty,
        /// Side.
        side: Side,
        /// Whether a sell is marked short, exempt or not.
        short: bool,
    },
    /// The order has a new place in the book.
    Reprioritised {
        /// The venue's new number in its book.
        order: VenueRef,
        /// Displayed price.
        px: Px,
    },
    /// The order was restated (reserve refresh, displayed price). Of a request that the venue has neither taken nor refused it says that the venue has it.
    Restated {
        /// Reason letter; FIX's number; `A` and `E` where FIX has a new order or a replace pending.
        reason: u8,
    },
    /// A message about an order entry session as a whole: S start, E end of day.
    System {
        /// The event's letter.
        code: u8,
    },
}
