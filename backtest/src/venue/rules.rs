//! How the venue is, and which orders it refuses.

use model::{CommandKind, Nanos, OrderCommand, Px, Qty, Token, Usd};

use super::Floor;
use super::queue::Queue;

/// Whether history shows what we do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Impact {
    /// History is as it was.
    #[default]
    None,
    /// The feed shows our orders and what they took.
    Displayed,
}

/// How the venue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether history shows what we do.
    pub impact: Impact,
    /// Whether history has orders, or levels alone and what is believed of their queues.
    pub queue: Queue,
    /// What is refused.
    pub admission: Admission,
}

/// What a venue refuses of new orders and replaces, in OUCH 5.0's words. A replace that is refused leaves its order as it was; cancels are never refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Orders are taken while the instrument does not trade, and wait for its auction; else they are refused (07).
    pub takes_while_halted: bool,
    /// Requests of a port, cancels among them, within any second (29).
    pub port_rate: Option<u32>,
    /// New orders and replaces of an instrument within any second (28).
    pub symbol_rate: Option<u32>,
    /// Shares of an order (1E).
    pub max_shares: Option<u32>,
    /// Shares times price of an order (1F).
    pub max_notional: Option<Usd>,
    /// Prices of a dollar and more are whole cents (1D; Regulation NMS, rule 612).
    pub whole_cents: bool,
}

/// OUCH 5.0's reject reasons.
pub(super) const HALTED: u16 = 0x07;
pub(super) const ENTRY_OFF: u16 = 0x0c;
pub(super) const QUANTITY: u16 = 0x13;
pub(super) const PRICE: u16 = 0x1d;
pub(super) const SHARES: u16 = 0x1e;
pub(super) const NOTIONAL: u16 = 0x1f;
pub(super) const SYMBOL_RATE: u16 = 0x28;
pub(super) const PORT_RATE: u16 = 0x29;

/// 1e-4 USD.
const DOLLAR: i64 = 10_000;
const CENT: i64 = 100;
/// OUCH 5.0: shares of an order are fewer.
const SHARES_END: u32 = 1_000_000;
const SECOND: Nanos = Nanos::from_millis(1_000);

impl Admission {
    /// Why an order is refused for what it says.
    pub(super) fn refuses(&self, qty: Qty, px: Px, trading: bool) -> Option<u16> {
        let notional = i128::from(px.0) * i128::from(qty.0);
        if !trading && !self.takes_while_halted {
            Some(HALTED)
        } else if qty.is_zero() || qty.0 >= SHARES_END {
            Some(QUANTITY)
        } else if self.whole_cents && px.0 >= DOLLAR && px.0 % CENT != 0 {
            Some(PRICE)
        } else if self.max_shares.is_some_and(|most| qty.0 > most) {
            Some(SHARES)
        } else if self.max_notional.is_some_and(|most| notional > i128::from(most.0)) {
            Some(NOTIONAL)
        } else {
            None
        }
    }
}

/// What came within the last second. Holds one more than its limit, whatever comes: more than that is over it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate(std::collections::VecDeque<Nanos>);

impl Rate {
    /// Counts one; returns whether it is beyond `most`.
    pub(super) fn is_over(&mut self, now: Nanos, most: u32) -> bool {
        while self.0.front().is_some_and(|at| at.after(SECOND) <= now) {
            self.0.pop_front();
        }
        if self.0.len() > most as usize {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() > most as usize
    }
}

impl Floor {
    /// Which request is refused, and why. Every one counts for its port's rate; cancels are done all the same.
    pub(super) fn refuses(&mut self, c: &OrderCommand) -> Option<(Token, u16)> {
        let rules = self.rules.admission;
        let port = c.gateway.index();
        let over_port = rules.port_rate.is_some_and(|most| self.rates[port].is_over(self.now, most));
        let (token, qty, px) = match c.kind {
            CommandKind::New { token, qty, px, .. } | CommandKind::Replace { token, qty, px, .. } => {
                (token, qty, px)
            }
            CommandKind::Cancel { .. } | CommandKind::Port { .. } => return None,
        };
        let Some(listing) = self.listings.get_mut(c.instrument.index()).filter(|_| !self.refused[port])
        else {
            return Some((token, ENTRY_OFF));
        };
        let over_symbol = rules.symbol_rate.is_some_and(|most| listing.rate.is_over(self.now, most));
        let over = match (over_symbol, over_port) {
            (true, _) => Some(SYMBOL_RATE),
            (false, true) => Some(PORT_RATE),
            (false, false) => None,
        };
        let why = rules.refuses(qty, px, listing.trading).or(over)?;
        // Of an order that is gone the venue says nothing, whatever is asked.
        let is_known = match c.kind {
            CommandKind::Replace { old, .. } => self.of.contains_key(&old),
            _ => true,
        };
        is_known.then_some((token, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_rolls() {
        let mut rate = Rate::default();
        let mut over = |ms: u64| rate.is_over(Nanos::from_millis(ms), 3);
        assert_eq!([0, 10, 20].map(&mut over), [false; 3]);
        assert!(over(999), "the fourth within a second");
        assert!(over(1_000), "10, 20 and 999 are within it still");
        assert!(over(1_019));
        assert!(!over(2_500));
        (0..10_000).for_each(|_| assert!(rate.is_over(Nanos::from_millis(2_600), 3) || rate.0.len() < 4));
        assert_eq!(rate.0.len(), 4, "it does not grow with what comes");
    }

    #[test]
    fn an_order_is_refused_for_the_first_thing_that_is_wrong_with_it() {
        let some = Admission {
            max_shares: Some(500),
            max_notional: Some(Usd(10_000_000)),
            whole_cents: true,
            ..Admission::default()
        };
        for (qty, px, trading, why) in [
            (100, 50_100, true, None),
            (100, 50_100, false, Some(HALTED)),
            (0, 50_100, true, Some(QUANTITY)),
            (1_000_000, 1, true, Some(QUANTITY)),
            (100, 50_150, true, Some(PRICE)),
            (100, 9_999, true, None),
            (501, 100, true, Some(SHARES)),
            (500, 20_100, true, Some(NOTIONAL)),
        ] {
            assert_eq!(some.refuses(Qty(qty), Px(px), trading), why, "{qty} at {px}");
        }
    }
}
