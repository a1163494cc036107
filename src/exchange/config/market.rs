//! The market's rules as written.

use serde::Deserialize;

use super::invalid;
use crate::exchange::ExchangeError;
use crate::exchange::market::{Bands, BeyondBands, HaltedOrders, Hours, MarketRules, PostOnly};

/// A day, ms.
const DAY_MS: u64 = 86_400_000;
/// ns in a ms.
const MS: u64 = 1_000_000;

/// The market as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarketConfig {
    /// `"cancel"`, `"dead"` or `"slide"`.
    pub post_only: PostOnlyConfig,
    /// `"hold"` or `"cancel"`.
    pub halted_orders: HaltedConfig,
    /// How often imbalances are said, ms; never where 0.
    pub imbalance_ms: u64,
    /// When the market is open; from the first moment to the last where absent.
    pub hours: Option<HoursConfig>,
    /// Limits of price; none where absent.
    pub bands: Option<BandsConfig>,
}

/// What becomes of a post-only order that would trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostOnlyConfig {
    /// Taken, and canceled.
    #[default]
    Cancel,
    /// Taken, dead at once.
    Dead,
    /// Taken a step of price away.
    Slide,
}

/// What becomes of orders at rest in a halt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HaltedConfig {
    /// They wait for the cross.
    #[default]
    Hold,
    /// They are canceled.
    Cancel,
}

/// Market hours as written, ms after the day's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursConfig {
    /// The opening cross.
    pub open_ms: u64,
    /// The closing cross, and the end of the day.
    #[serde(default)]
    pub close_ms: Option<u64>,
    /// For how long before a cross its orders cannot be canceled.
    #[serde(default)]
    pub late_ms: u64,
}

/// Bands as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandsConfig {
    /// How far from the reference, in 1/10,000 of it.
    pub width_bp: u32,
    /// `"reject"` or `"slide"`.
    #[serde(default)]
    pub beyond: BeyondConfig,
    /// How long the best price may stand at its limit.
    #[serde(default = "limit_state_ms")]
    pub limit_state_ms: u64,
    /// How long a pause lasts.
    #[serde(default = "pause_ms")]
    pub pause_ms: u64,
}

/// What becomes of an order beyond the bands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BeyondConfig {
    /// Refused.
    #[default]
    Reject,
    /// Taken at the limit.
    Slide,
}

fn limit_state_ms() -> u64 {
    15_000
}
fn pause_ms() -> u64 {
    300_000
}

impl MarketConfig {
    /// The rules.
    ///
    /// # Errors
    /// The first value that is not allowed.
    pub(super) fn resolve(&self) -> Result<MarketRules, ExchangeError> {
        let ns = |key: &str, ms: u64| match ms {
            0..=DAY_MS => Ok(ms * MS),
            _ => Err(invalid(format!("market.{key}"), ms, "at most 86400000")),
        };
        let hours = match self.hours {
            None => None,
            Some(HoursConfig { open_ms, close_ms, late_ms }) => {
                if close_ms.is_some_and(|close| close <= open_ms) {
                    let close = close_ms.unwrap_or_default();
                    return Err(invalid("market.hours.close_ms", close, "after open_ms"));
                }
                Some(Hours {
                    open_ns: ns("hours.open_ms", open_ms)?,
                    close_ns: close_ms.map(|close| ns("hours.close_ms", close)).transpose()?,
                    late_ns: ns("hours.late_ms", late_ms)?,
                })
            }
        };
        let bands = match self.bands {
            None => None,
            Some(bands) if !(1..=9_999).contains(&bands.width_bp) => {
                return Err(invalid("market.bands.width_bp", bands.width_bp, "1 to 9999"));
            }
            Some(bands) => Some(Bands {
                width_bp: bands.width_bp,
                beyond: match bands.beyond {
                    BeyondConfig::Reject => BeyondBands::Reject,
                    BeyondConfig::Slide => BeyondBands::Slide,
                },
                limit_state_ns: ns("bands.limit_state_ms", bands.limit_state_ms)?,
                pause_ns: ns("bands.pause_ms", bands.pause_ms)?,
            }),
        };
        Ok(MarketRules {
            self_match: Default::default(),
            post_only: match self.post_only {
                PostOnlyConfig::Cancel => PostOnly::Cancel,
                PostOnlyConfig::Dead => PostOnly::Dead,
                PostOnlyConfig::Slide => PostOnly::Slide,
            },
            halted: match self.halted_orders {
                HaltedConfig::Hold => HaltedOrders::Hold,
                HaltedConfig::Cancel => HaltedOrders::Cancel,
            },
            hours,
            bands,
            imbalance_every_ns: ns("imbalance_ms", self.imbalance_ms)?,
        })
    }
}
