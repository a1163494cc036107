//! The engine's counters.

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Inputs applied.
    pub inputs: u64,
    /// Inputs that name a feed, gateway or instrument which the configuration lacks, or an instrument of another feed; ignored.
    pub unroutable: u64,
    /// Market events applied.
    pub market_events: u64,
    /// Trades of the market that the venue declared void.
    pub broken_prints: u64,
    /// New orders sent.
    pub new_orders: u64,
    /// Replaces sent.
    pub replaces: u64,
    /// Cancels sent.
    pub cancels: u64,
    /// New orders and replaces that waited for room.
    pub held: u64,
    /// Of these, what was not sent.
    pub dropped: u64,
    /// Intents refused by risk.
    pub refusals: u64,
    /// Breakers that tripped or were taken back, instruments disabled, warnings.
    pub alarms: u64,
    /// Reports applied.
    pub reports: u64,
    /// Orders the venue accepted.
    pub accepted: u64,
    /// Orders and replaces the venue refused.
    pub rejected: u64,
    /// Fills.
    pub fills: u64,
    /// Shares traded.
    pub shares: u64,
    /// Twice what shares cost beyond the middle of the book that their order was asked for at, 1e-4 USD: positive is bad. Of fills whose order had a middle; what the venue broke or corrected stays in it.
    pub slippage2: i64,
    /// Money of these fills, 1e-4 USD.
    pub slippage_of: i64,
    /// Fills that the venue corrected.
    pub corrected: u64,
    /// Reports seen before, by their sequence.
    pub duplicate_reports: u64,
    /// Reports about orders that have ended, or that need no action.
    pub late_reports: u64,
    /// Orders of an earlier run taken over.
    pub adopted: u64,
    /// Reports that cannot be true of what we know, and streams that lack a part; each halts trading.
    pub anomalies: u64,
    /// Orders that stayed unknown though their session became ready: the end of its replay was not proven, or it tells nothing of them.
    pub unsettled: u64,
    /// Orders that a person wrote off.
    pub written_off: u64,
    /// Words of an operator that were refused: a resume that cannot be, a write-off of an order that is not lost.
    pub controls_refused: u64,
}
