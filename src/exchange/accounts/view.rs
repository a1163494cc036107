//! An account as the venue sees it: what others are reconciled with.

use std::collections::BTreeMap;

use model::{Px, Qty, Side, Symbol};

use super::Counts;

/// A live order as the venue sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOrder {
    /// `UserRefIdx`.
    pub idx: u8,
    /// `UserRefNum`.
    pub number: u32,
    /// The venue's number for it, as ITCH says it.
    pub order_ref: u64,
    /// Ticker.
    pub symbol: Symbol,
    /// Side of the book.
    pub side: Side,
    /// Limit.
    pub px: Px,
    /// Open shares.
    pub open: Qty,
    /// Shares of its chain that traded.
    pub spent: Qty,
    /// What the client calls it; OUCH 4.2's name.
    pub clordid: [u8; 14],
}

/// The venue's truth about an account, for reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Who.
    pub username: String,
    /// Signed shares of each symbol that was traded (0 where it went back to flat).
    pub positions: BTreeMap<Symbol, i64>,
    /// Cash from trading in 1e-4 USD: sales add, purchases take.
    pub cash_e4: i128,
    /// Live orders, by number.
    pub live_orders: Vec<LiveOrder>,
    /// What happened.
    pub counts: Counts,
    /// Sequence number of the next message of the account's stream.
    pub next_sequence: u64,
}
