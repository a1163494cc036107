//! What all positions together can come to in money: the worst cases, long and short.
//!
//! ```text
//!   of an instrument      up = (shares + open buys) * mark      down = (shares - open sells) * mark
//!                         gross = the greater of up and -down, and at least what is held
//!   of a scope            the sums over its instruments
//! ```
//!
//! An instrument's part is made anew when something of it has changed (an order, a fill, its mark while something is held or open), so a look at a limit is
//! a few additions whatever the number of instruments.

use model::{GatewayId, InstrumentId, Px, Side, Usd};

use super::RiskReject;
use super::scopes::{ScopeLimits, Scopes};
use crate::position::Overflow;

/// An instrument's part, or a scope's sum; 1e-4 USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) gross: i64,
    pub(crate) up: i64,
    pub(crate) down: i64,
    pub(crate) orders: u32,
}

impl Value {
    /// `None` where it cannot be counted.
    #[inline]
    pub(crate) fn of(shares: i64, (buys, sells): (u64, u64), px: Px, orders: u32) -> Option<Value> {
        let up = shares.checked_add(i64::try_from(buys).ok()?)?.checked_mul(px.0)?;
        let down = shares.checked_sub(i64::try_from(sells).ok()?)?.checked_mul(px.0)?;
        Some(Value { gross: up.max(down.checked_neg()?), up, down, orders })
    }
}

/// A sum and its limits.
#[derive(Clone, Copy, Debug)]
struct Book {
    sum: Value,
    gross: i64,
    net: i64,
    orders: u32,
}

impl Book {
    fn new(of: &[ScopeLimits]) -> Book {
        let least = |each: fn(&ScopeLimits) -> Option<Usd>| {
            of.iter().filter_map(each).map(|m| m.0).min().unwrap_or(i64::MAX)
        };
        Book {
            sum: Value::default(),
            gross: least(|s| s.max_gross_notional),
            net: least(|s| s.max_net_notional),
            orders: of.iter().filter_map(|s| s.max_open_orders).min().unwrap_or(u32::MAX),
        }
    }
}

/// See the module.
pub(crate) struct Worth {
    each: Vec<Value>,
    /// The whole engine's, then each gateway's.
    books: Vec<Book>,
}

impl Worth {
    /// `None` where nothing of it is limited.
    pub(crate) fn new(scopes: &Scopes, instruments: usize, gateways: usize) -> Option<Worth> {
        let account = |g: usize| scopes.accounts.get(g).copied().unwrap_or_default();
        let whole = [scopes.firm, scopes.strategy];
        let is_limited = |s: &ScopeLimits| {
            s.max_gross_notional.is_some() || s.max_net_notional.is_some() || s.max_open_orders.is_some()
        };
        let any = whole.iter().any(is_limited) || (0..gateways).any(|g| is_limited(&account(g)));
        let accounts = (0..gateways).map(|g| Book::new(&[account(g)]));
        any.then(|| Worth {
            each: vec![Value::default(); instruments],
            books: [Book::new(&whole)].into_iter().chain(accounts).collect(),
        })
    }

    /// Takes in what became of an instrument.
    ///
    /// # Errors
    /// Where a sum cannot be counted; nothing has changed then.
    pub(crate) fn refresh(
        &mut self,
        id: InstrumentId,
        gateway: GatewayId,
        now: Value,
    ) -> Result<(), Overflow> {
        let before = self.each[id.index()];
        let places = [0, gateway.index() + 1];
        let mut sums = [Value::default(); 2];
        for (sum, at) in sums.iter_mut().zip(places) {
            *sum = self.books[at].sum.with(before, now).ok_or(Overflow)?;
        }
        for (sum, at) in sums.into_iter().zip(places) {
            self.books[at].sum = sum;
        }
        self.each[id.index()] = now;
        Ok(())
    }

    /// Whether an instrument may come to `then` by an order of `side`. What makes nothing worse passes.
    ///
    /// # Errors
    /// The limit that it would pass.
    #[inline(always)]
    pub(crate) fn fits(
        &self,
        id: InstrumentId,
        gateway: GatewayId,
        side: Side,
        then: Value,
    ) -> Result<(), RiskReject> {
        let before = &self.each[id.index()];
        // Neither way is ever further out than gross, of an instrument as of a sum: where gross can be counted, all can, however the steps to it wrap.
        let (was, will) = match side {
            Side::Buy => (before.up, then.up),
            Side::Sell => (before.down.wrapping_neg(), then.down.wrapping_neg()),
        };
        for book in [&self.books[0], &self.books[gateway.index() + 1]] {
            let orders =
                (book.sum.orders - before.orders).checked_add(then.orders).ok_or(RiskReject::Overflow)?;
            if then.orders > before.orders && orders > book.orders {
                return Err(RiskReject::OpenOrders);
            }
            let gross = book.sum.gross.checked_sub(before.gross).and_then(|g| g.checked_add(then.gross));
            let gross = gross.ok_or(RiskReject::Overflow)?;
            if then.gross > before.gross && gross > book.gross {
                return Err(RiskReject::GrossNotional);
            }
            let out = match side {
                Side::Buy => book.sum.up,
                Side::Sell => book.sum.down.wrapping_neg(),
            };
            if will > was && out.wrapping_sub(was).wrapping_add(will) > book.net {
                return Err(RiskReject::NetNotional);
            }
        }
        Ok(())
    }

    /// The whole engine's worst cases and what they may be: gross, then net.
    pub(crate) fn used(&self) -> [(i64, i64); 2] {
        let Book { sum, gross, net, .. } = self.books[0];
        [(sum.gross, gross), (sum.up.max(sum.down.saturating_neg()), net)]
    }
}

impl Value {
    /// The sum when a part of it that was `before` is `now`.
    #[inline]
    fn with(self, before: Value, now: Value) -> Option<Value> {
        let step = |sum: i64, before: i64, now: i64| sum.checked_sub(before)?.checked_add(now);
        Some(Value {
            gross: step(self.gross, before.gross, now.gross)?,
            up: step(self.up, before.up, now.up)?,
            down: step(self.down, before.down, now.down)?,
            orders: self.orders.checked_sub(before.orders)?.checked_add(now.orders)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GATEWAY: GatewayId = GatewayId(0);

    fn value(shares: i64, buys: u64, sells: u64, px: i64) -> Value {
        Value::of(shares, (buys, sells), Px(px), 0).unwrap()
    }

    #[test]
    fn the_worst_case_of_both_ways() {
        assert_eq!(value(0, 100, 50, 2), Value { gross: 200, up: 200, down: -100, orders: 0 });
        assert_eq!(value(-100, 20, 50, 2), Value { gross: 300, up: -160, down: -300, orders: 0 });
        assert_eq!(value(100, 0, 50, 2).gross, 200, "what is held counts until it is sold");
        assert_eq!(Value::of(i64::MAX, (1, 0), Px(1), 0), None);
        assert_eq!(Value::of(1 << 40, (0, 0), Px(1 << 40), 0), None);
        assert_eq!(Value::of(0, (u64::MAX, 0), Px(1), 0), None);
    }

    #[test]
    fn what_makes_nothing_worse_passes_a_limit_that_is_passed_already() {
        let firm = ScopeLimits { max_gross_notional: Some(Usd(100)), ..ScopeLimits::default() };
        let mut worth = Worth::new(&Scopes { firm, ..Scopes::default() }, 2, 1).unwrap();
        let (a, b) = (InstrumentId(0), InstrumentId(1));
        worth.refresh(a, GATEWAY, value(150, 0, 0, 1)).unwrap();
        assert_eq!(worth.fits(a, GATEWAY, Side::Sell, value(150, 0, 150, 1)), Ok(()));
        let grown = worth.fits(a, GATEWAY, Side::Buy, value(150, 1, 0, 1));
        assert_eq!(grown, Err(RiskReject::GrossNotional));
        assert_eq!(worth.fits(b, GATEWAY, Side::Sell, value(0, 0, 1, 1)), Err(RiskReject::GrossNotional));
        assert_eq!(worth.used()[0], (150, 100));

        let firm = ScopeLimits { max_net_notional: Some(Usd(100)), ..ScopeLimits::default() };
        let mut net = Worth::new(&Scopes { firm, ..Scopes::default() }, 1, 1).unwrap();
        net.refresh(a, GATEWAY, value(150, 0, 0, 1)).unwrap();
        assert_eq!(net.fits(a, GATEWAY, Side::Buy, value(150, 0, 0, 1)), Ok(()));
        assert_eq!(net.fits(a, GATEWAY, Side::Buy, value(150, 1, 0, 1)), Err(RiskReject::NetNotional));

        let firm = ScopeLimits { max_open_orders: Some(1), ..ScopeLimits::default() };
        let mut open = Worth::new(&Scopes { firm, ..Scopes::default() }, 1, 1).unwrap();
        let orders = |orders| Value { orders, ..Value::default() };
        open.refresh(a, GATEWAY, orders(2)).unwrap();
        assert_eq!(open.fits(a, GATEWAY, Side::Buy, orders(2)), Ok(()), "a replace of one of them");
        assert_eq!(open.fits(a, GATEWAY, Side::Buy, orders(3)), Err(RiskReject::OpenOrders));
    }

    proptest! {
        /// The sums are what adding everything up gives, whatever order things come in.
        #[test]
        fn sums_are_what_adding_up_gives(
            steps in prop::collection::vec((0..4usize, -1_000i64..1_000, 0..1_000u64, 0..1_000u64, 1..1_000i64, 0..9u32), 1..60)
        ) {
            let strategy = ScopeLimits { max_net_notional: Some(Usd(1)), ..ScopeLimits::default() };
            let mut worth = Worth::new(&Scopes { strategy, ..Scopes::default() }, 4, 2).unwrap();
            let mut model = [Value::default(); 4];
            for (k, shares, buys, sells, px, orders) in steps {
                let v = Value::of(shares, (buys, sells), Px(px), orders).unwrap();
                worth.refresh(InstrumentId(k as u16), GatewayId(k as u8 % 2), v).unwrap();
                model[k] = v;
                for (at, of) in [(0, vec![0, 1, 2, 3]), (1, vec![0, 2]), (2, vec![1, 3])] {
                    let sum = worth.books[at].sum;
                    prop_assert_eq!(sum.gross, of.iter().map(|k| model[*k].gross).sum::<i64>());
                    prop_assert_eq!(sum.up, of.iter().map(|k| model[*k].up).sum::<i64>());
                    prop_assert_eq!(sum.down, of.iter().map(|k| model[*k].down).sum::<i64>());
                    prop_assert_eq!(sum.orders, of.iter().map(|k| model[*k].orders).sum::<u32>());
                }
            }
        }
    }
}
