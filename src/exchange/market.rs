//! What holds for the market as a whole: hours, auctions, halts, price bands.

use super::accounts::SelfMatch;

/// The rules. Without any of its own a market trades from the first moment to the last, without auctions and bands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarketRules {
    /// What happens to two orders of one account, where the account does not say.
    pub self_match: SelfMatch,
    /// What becomes of a post-only order that would trade.
    pub post_only: PostOnly,
    /// What becomes of the orders at rest when their symbol is halted.
    pub halted: HaltedOrders,
    /// When the market is open; always where `None`.
    pub hours: Option<Hours>,
    /// Limits of price; none where `None`.
    pub bands: Option<Bands>,
    /// How often an auction's imbalance is said while orders are collected, ns.
    pub imbalance_every_ns: u64,
}

/// What becomes of a post-only order that would trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostOnly {
    /// Taken, and canceled.
    #[default]
    Cancel,
    /// Taken, dead at once.
    Dead,
    /// Taken at the best price at which it trades with nobody.
    Slide,
}

/// What becomes of the orders at rest when their symbol is halted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HaltedOrders {
    /// They wait, and take part in the cross.
    #[default]
    Hold,
    /// They are canceled.
    Cancel,
}

/// Hours of the market, ns after the day's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The opening cross.
    pub open_ns: u64,
    /// The closing cross; the day goes on for as long as it would without where `None`.
    pub close_ns: Option<u64>,
    /// For how long before a cross its orders cannot be canceled.
    pub late_ns: u64,
}

/// Limits of price, in the manner of limit up, limit down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bands {
    /// How far from the reference, in 1/10,000 of it.
    pub width_bp: u32,
    /// What becomes of an order's price beyond them.
    pub beyond: BeyondBands,
    /// For how long the best price may stand at its limit before trading is paused, ns.
    pub limit_state_ns: u64,
    /// How long a pause lasts, ns.
    pub pause_ns: u64,
}

/// What becomes of an order whose price is beyond the bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeyondBands {
    /// It is refused.
    Reject,
    /// Its price becomes the limit; when the bands move it follows, up to the price that was asked.
    Slide,
}
