//! The numbers the gate compares with.

use model::{Nanos, Qty, Usd};

/// Limits of one engine. Units are in the types; a limit of zero forbids, it never means "none".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskLimits {
    /// Largest order, shares.
    pub max_order_quantity: Qty,
    /// Largest order, money at its limit price.
    pub max_order_notional: Usd,
    /// Largest position either way with everything open filled, shares an instrument.
    pub max_position: i64,
    /// Orders open at once, over all instruments.
    pub max_open_orders: u32,
    /// New orders and replaces in any second; cancels count but always pass.
    pub max_messages_per_second: u32,
    /// Furthest limit price from the reference, 1/100 of a percent.
    pub price_collar_bps: i64,
    /// Loss at which trading halts and everything is canceled.
    pub max_daily_loss: Usd,
    /// A new order equal to one this recent is refused.
    pub duplicate_window: Nanos,
    /// Market data older than this is no ground to trade on.
    pub max_market_age: Nanos,
}

impl Default for RiskLimits {
    /// Small: a configuration raises them knowingly.
    fn default() -> Self {
        RiskLimits {
            max_order_quantity: Qty(1_000),
            max_order_notional: Usd(100_000 * 10_000),
            max_position: 1_000,
            max_open_orders: 16,
            max_messages_per_second: 100,
            price_collar_bps: 500,
            max_daily_loss: Usd(10_000 * 10_000),
            duplicate_window: Nanos::from_millis(1),
            max_market_age: Nanos::from_millis(3_000),
        }
    }
}
