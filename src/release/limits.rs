//! Limits that grow with clean sessions: each of a configuration is at most so many percent of the policy's target.
//!
//! A limit of the target has to stand in the configuration: what is left to a default is nobody's decision. Parts are rounded down, so that a step is never passed by a rounding.

use serde_json::{Value, json};

use super::policy::{Limits, Target};
use crate::config::Config;

/// What a configuration says of each limit that a policy may have a target for.
fn of(config: &Config) -> [(&'static str, Option<i64>); 9] {
    let r = &config.written.risk;
    [
        ("max_order_quantity", r.max_order_quantity),
        ("max_order_notional_usd", r.max_order_notional_usd),
        ("max_position", r.max_position),
        ("max_open_orders", r.max_open_orders),
        ("max_messages_per_second", r.max_messages_per_second),
        ("max_daily_loss_usd", r.max_daily_loss_usd),
        ("max_gross_notional_usd", r.max_gross_notional_usd),
        ("max_net_notional_usd", r.max_net_notional_usd),
        ("max_drawdown_usd", r.max_drawdown_usd),
    ]
}

/// What a configuration's limits are, for a report.
#[must_use]
pub fn told(config: &Config) -> Value {
    let given = of(config).into_iter().filter_map(|(name, v)| Some((name.to_owned(), json!(v?))));
    Value::Object(given.collect())
}

/// Each limit that is above so many percent of its target, or missing, in a sentence.
#[must_use]
pub fn above(target: &Target, percent: u32, config: &Config) -> Vec<String> {
    let both = target.named().into_iter().zip(of(config));
    let targeted = both.filter_map(|((name, target), (_, given))| Some((name, target?, given)));
    targeted
        .filter_map(|(name, target, given)| {
            // At most 100 times what an i64 holds, so in 128 bits.
            let most = i128::from(target) * i128::from(percent) / 100;
            match given {
                Some(v) if i128::from(v) <= most => None,
                Some(v) => Some(format!(
                    "limits: `risk.{name}` is {v}, and {percent} % of the target of {target} are {most}"
                )),
                None => Some(format!(
                    "limits: `risk.{name}` is not given; allowed: up to {most}, {percent} % of the target of {target}"
                )),
            }
        })
        .collect()
}

/// The step after one; nothing after the last.
#[must_use]
pub fn next(limits: &Limits, percent: u32) -> Option<u32> {
    limits.steps_percent.iter().copied().find(|step| *step > percent)
}
