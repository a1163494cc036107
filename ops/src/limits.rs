//! How much of each limit is used that shared memory shows both sides of.

use colo::telemetry::snapshot::Snapshot;
use serde::Serialize;

/// One limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// Of what.
    pub name: &'static str,
    /// What is used of it.
    pub used: f64,
    /// The limit, in the same unit.
    pub limit: f64,
    /// `USD`, `shares` or `orders`.
    pub unit: &'static str,
}

impl Limit {
    /// The share that is used, from 0; 0 where there is no limit to speak of.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.limit > 0.0 { (self.used / self.limit).max(0.0) } else { 0.0 }
    }
}

/// The limits of a core.
#[must_use]
pub fn of(s: &Snapshot) -> Vec<Limit> {
    let Some(r) = &s.risk else { return Vec::new() };
    let largest = s.instruments.iter().map(|i| i.position.unsigned_abs()).max().unwrap_or(0);
    vec![
        Limit { name: "loss", used: (-r.pnl).max(0.0), limit: r.max_daily_loss, unit: "USD" },
        Limit { name: "position", used: largest as f64, limit: r.max_position as f64, unit: "shares" },
        Limit {
            name: "open orders",
            used: r.open_orders as f64,
            limit: r.max_open_orders as f64,
            unit: "orders",
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen;

    #[test]
    fn a_gain_uses_nothing_of_the_loss_and_a_short_position_counts_as_much_as_a_long_one() {
        let mut s = specimen::trading();
        s.risk.as_mut().unwrap().pnl = 12.5;
        s.instruments[0].position = -250;
        let all = of(&s);
        assert_eq!((all[0].used, all[0].share()), (0.0, 0.0));
        assert_eq!((all[1].used, all[1].limit), (250.0, 1_000.0));
        s.risk = None;
        assert_eq!(of(&s), [], "nothing is shown as zero");
    }

    #[test]
    fn no_limit_is_no_share() {
        let none = Limit { name: "loss", used: 5.0, limit: 0.0, unit: "USD" };
        assert_eq!(none.share(), 0.0);
    }
}
