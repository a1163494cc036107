//! The numbers the gate compares with.

use model::{Nanos, Qty, Usd};
use thiserror::Error;

use crate::limits::{DUPLICATE_MEMORY_MAX, MESSAGES_PER_SECOND_MAX, OPEN_ORDERS_MAX};

/// Limits that no engine can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitsError {
    /// More orders than there is room for.
    #[error("max_open_orders: {0} is above {OPEN_ORDERS_MAX}")]
    OpenOrders(u32),
    /// More messages than can be counted.
    #[error("max_messages_per_second: {0} is above {MESSAGES_PER_SECOND_MAX}")]
    MessageRate(u32),
    /// The duplicate check cannot remember all that may be sent within its window.
    #[error(
        "duplicate_window: {orders} new orders may be sent within {} ms at max_messages_per_second, and {DUPLICATE_MEMORY_MAX} can be remembered; lower either",
        window.0.div_ceil(1_000_000)
    )]
    DuplicateWindow {
        /// The window.
        window: Nanos,
        /// Orders that the rate lets pass in it.
        orders: u64,
    },
}

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

impl RiskLimits {
    /// How many new orders the message rate lets pass within the duplicate window.
    pub(super) fn orders_in_duplicate_window(&self) -> u64 {
        let seconds = self.duplicate_window.0.div_ceil(1_000_000_000);
        seconds.saturating_mul(self.max_messages_per_second.into())
    }

    /// Whether an engine can keep these limits. [`Engine::new`](crate::Engine::new) panics where not.
    ///
    /// # Errors
    /// The field and what it may be.
    pub fn check(&self) -> Result<(), LimitsError> {
        if self.max_open_orders as usize > OPEN_ORDERS_MAX {
            return Err(LimitsError::OpenOrders(self.max_open_orders));
        }
        if self.max_messages_per_second as usize > MESSAGES_PER_SECOND_MAX {
            return Err(LimitsError::MessageRate(self.max_messages_per_second));
        }
        let orders = self.orders_in_duplicate_window();
        if orders > DUPLICATE_MEMORY_MAX as u64 {
            return Err(LimitsError::DuplicateWindow { window: self.duplicate_window, orders });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_cannot_be_kept_are_refused() {
        assert_eq!(RiskLimits::default().check(), Ok(()));
        let of = |rate: u32, ms: u64| {
            let limits = RiskLimits {
                max_messages_per_second: rate,
                duplicate_window: Nanos::from_millis(ms),
                ..RiskLimits::default()
            };
            limits.check()
        };
        for (rate, ms) in [(65_536, 1_000), (65_536, 2_000), (2_184, 60_000), (0, u64::MAX / 1_000_000)] {
            assert_eq!(of(rate, ms), Ok(()), "{rate} {ms}");
        }
        assert_eq!(of(65_537, 1), Err(LimitsError::MessageRate(65_537)));
        for (rate, ms) in [(65_536, 2_001), (2_185, 60_000)] {
            let why = of(rate, ms).unwrap_err();
            assert!(why.to_string().starts_with("duplicate_window: 1"), "{why}");
        }
        let most = RiskLimits { max_open_orders: 8_192, ..RiskLimits::default() };
        assert_eq!(most.check(), Ok(()));
        let limits = RiskLimits { max_open_orders: 8_193, ..RiskLimits::default() };
        assert_eq!(limits.check(), Err(LimitsError::OpenOrders(8_193)));
    }
}
