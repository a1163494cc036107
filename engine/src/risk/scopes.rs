//! Limits by scope: the firm's, an account's, the strategy's, a symbol's. The tightest wins.
//!
//! | limit | firm | account | strategy | symbol |
//! |---|---|---|---|---|
//! | order, shares and money | x | x | [`RiskLimits`] | x, and a part of the average daily volume |
//! | position | x | x | [`RiskLimits`] | x, and a part of the average daily volume |
//! | orders open | x | x | [`RiskLimits`] | |
//! | gross and net notional | x | x | x | |
//!
//! An account is a gateway: what one session's orders can come to. One engine runs one strategy, so what the firm and the strategy may do together is added up over
//! the same orders; the firm's numbers are its own all the same, for they are another person's to set (SEC 15c3-5(d): limits under the broker's direct and exclusive
//! control).

use model::{Instrument, InstrumentId, Nanos, Px, Qty, Side, Usd};
use thiserror::Error;

use super::RiskLimits;
use crate::hash::StateHash;

/// Limits of one scope; what is `None` is not limited there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeLimits {
    /// Largest order, shares.
    pub max_order_quantity: Option<Qty>,
    /// Largest order, money at its limit price.
    pub max_order_notional: Option<Usd>,
    /// Largest position of an instrument either way with everything open filled, shares.
    pub max_position: Option<i64>,
    /// Orders open at once.
    pub max_open_orders: Option<u32>,
    /// The worst cases of all positions added, long and short alike, at their marks.
    pub max_gross_notional: Option<Usd>,
    /// The worst cases of all positions, long against short, either way, at their marks.
    pub max_net_notional: Option<Usd>,
}

/// Limits of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SymbolLimits {
    /// Largest order, shares.
    pub max_order_quantity: Option<Qty>,
    /// Largest order, money at its limit price.
    pub max_order_notional: Option<Usd>,
    /// Largest position either way with everything open filled, shares.
    pub max_position: Option<i64>,
    /// Average daily volume, shares: what the parts of [`AdvLimits`] are taken of.
    pub adv: Option<u64>,
    /// May not be traded (restricted list).
    pub restricted: bool,
    /// May not be sold short (no shares to be borrowed).
    pub no_short: bool,
}

/// Parts of an instrument's average daily volume, 1/100 of a percent; one whose volume is not known may not be traded (Merrill 2016: a cap of 5,000,000 shares
/// on a stock that traded 79,000 a day).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdvLimits {
    /// Largest order.
    pub max_order_bps: Option<u32>,
    /// Largest position.
    pub max_position_bps: Option<u32>,
}

/// How far a row of orders may lead away from where the price was (Everbright 2013; RTS 6 art. 15(1)(a) over time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftLimit {
    /// Furthest limit price beyond the reference at the window's begin, 1/100 of a percent.
    pub bps: u32,
    /// The window; it begins with an order.
    pub window: Nanos,
}

/// How often the same order may follow its own fill (RTS 6 art. 15(3); Knight 2012).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatLimit {
    /// Orders of the same instrument, side and size, each behind a fill of the one before.
    pub count: u32,
    /// In so much time, counted in sixteenths.
    pub window: Nanos,
}

/// Limits beside [`RiskLimits`], which are the strategy's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// The firm's.
    pub firm: ScopeLimits,
    /// The strategy's, as far as [`RiskLimits`] has no word for them.
    pub strategy: ScopeLimits,
    /// By gateway; those left out have none.
    pub accounts: Vec<ScopeLimits>,
    /// By instrument; those left out have none.
    pub symbols: Vec<SymbolLimits>,
    /// Parts of the average daily volume.
    pub adv: AdvLimits,
    /// Over time.
    pub drift: Option<DriftLimit>,
    /// Of repeated executions.
    pub repeat: Option<RepeatLimit>,
}

/// Scopes that contradict the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScopesError {
    /// More accounts than gateways, or more symbols than instruments.
    #[error("{0} of them, and there are {1}")]
    TooMany(usize, usize),
    /// A window of no span.
    #[error("a window of no span limits nothing")]
    NoTime,
}

impl Scopes {
    /// Whether an engine can keep them. [`Engine::new`](crate::Engine::new) panics where not.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, instruments: usize, gateways: usize) -> Result<(), ScopesError> {
        for (of, there) in [(self.accounts.len(), gateways), (self.symbols.len(), instruments)] {
            if of > there {
                return Err(ScopesError::TooMany(of, there));
            }
        }
        let windows = [self.drift.map(|d| d.window), self.repeat.map(|r| r.window)];
        if windows.into_iter().flatten().any(|w| w.0 == 0) { Err(ScopesError::NoTime) } else { Ok(()) }
    }
}

/// What holds for one instrument: the tightest of all scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) order: Qty,
    pub(crate) notional: Usd,
    pub(crate) position: i64,
    pub(crate) restricted: bool,
    pub(crate) no_short: bool,
}

impl Bounds {
    pub(crate) fn of(i: &Instrument, limits: &RiskLimits, scopes: &Scopes) -> Bounds {
        let account = scopes.accounts.get(i.gateway.index()).copied().unwrap_or_default();
        let symbol = scopes.symbols.get(i.id.index()).copied().unwrap_or_default();
        let part = |bps: Option<u32>| -> Option<u64> {
            let adv = symbol.adv.unwrap_or(0);
            Some(u64::try_from(u128::from(adv) * u128::from(bps?) / 10_000).unwrap_or(u64::MAX))
        };
        let adv_order = part(scopes.adv.max_order_bps).map(|n| Qty(u32::try_from(n).unwrap_or(u32::MAX)));
        let adv_position = part(scopes.adv.max_position_bps).map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let of = [scopes.firm, scopes.strategy, account];
        let order = of.iter().map(|s| s.max_order_quantity).chain([symbol.max_order_quantity, adv_order]);
        let notional = of.iter().map(|s| s.max_order_notional).chain([symbol.max_order_notional]);
        let position = of.iter().map(|s| s.max_position).chain([symbol.max_position, adv_position]);
        Bounds {
            order: order.flatten().fold(limits.max_order_quantity, Ord::min),
            notional: Usd(notional.flatten().map(|m| m.0).fold(limits.max_order_notional.0, Ord::min)),
            position: position.flatten().fold(limits.max_position, Ord::min),
            restricted: symbol.restricted,
            no_short: symbol.no_short,
        }
    }
}

/// The price of the window's begin, for each instrument.
pub(crate) struct Drift {
    limit: Option<DriftLimit>,
    begun: Vec<(Px, Nanos)>,
}

impl Drift {
    pub(crate) fn new(limit: Option<DriftLimit>, instruments: usize) -> Drift {
        let begun = if limit.is_some() { instruments } else { 0 };
        Drift { limit, begun: vec![(Px::ZERO, Nanos::ZERO); begun] }
    }

    /// Whether an order at `px` leads too far; `reference` is today's word of the price.
    #[inline(always)]
    pub(crate) fn is_beyond(&self, i: InstrumentId, side: Side, px: Px, now: Nanos) -> bool {
        let Some(limit) = self.limit else { return false };
        let (from, at) = self.begun[i.index()];
        if from == Px::ZERO || now.since(at) >= limit.window {
            return false;
        }
        // Only where it pays more or takes less: that is how an order moves a price.
        !from.is_within((px - from).0 * side.sign(), i64::from(limit.bps))
    }

    /// An order goes.
    #[inline(always)]
    pub(crate) fn on_sent(&mut self, i: InstrumentId, reference: Px, now: Nanos) {
        let Some(limit) = self.limit else { return };
        let (from, at) = &mut self.begun[i.index()];
        if *from == Px::ZERO || now.since(*at) >= limit.window {
            (*from, *at) = (reference, now);
        }
    }

    /// A person trades on: every window begins anew.
    pub(crate) fn resume(&mut self) {
        self.begun.iter_mut().for_each(|b| b.0 = Px::ZERO);
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        for (px, at) in &self.begun {
            h.signed(px.0);
            h.word(at.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;

    #[test]
    fn where_a_window_began_is_of_the_state() {
        let of = |px, at| {
            let mut d = Drift::new(Some(DriftLimit { bps: 10, window: Nanos(100) }), 1);
            d.on_sent(InstrumentId(0), Px(px), Nanos(at));
            d
        };
        all_differ(&[of(1, 1), of(2, 1), of(1, 2)], Drift::absorb);
    }

    #[test]
    fn a_window_that_is_over_begins_anew_with_the_next_order() {
        let mut d = Drift::new(Some(DriftLimit { bps: 100, window: Nanos(100) }), 1);
        let beyond = |d: &Drift, px, now| d.is_beyond(InstrumentId(0), Side::Buy, Px(px), Nanos(now));
        d.on_sent(InstrumentId(0), Px(1_000), Nanos(5));
        d.on_sent(InstrumentId(0), Px(2_000), Nanos(104));
        assert!(!beyond(&d, 1_010, 104) && beyond(&d, 1_011, 104), "measured by where it began");
        assert!(!beyond(&d, 1_011, 105), "a span later nothing holds it");
        d.on_sent(InstrumentId(0), Px(2_000), Nanos(105));
        assert!(!beyond(&d, 2_020, 105) && beyond(&d, 2_021, 105));
        let sells = |px| d.is_beyond(InstrumentId(0), Side::Sell, Px(px), Nanos(105));
        assert!(!sells(2_021) && !sells(1_980) && sells(1_979));
    }

    #[test]
    fn scopes_that_nothing_stands_for_are_refused() {
        let symbols = |n| Scopes { symbols: vec![SymbolLimits::default(); n], ..Scopes::default() };
        let accounts = |n| Scopes { accounts: vec![ScopeLimits::default(); n], ..Scopes::default() };
        for fits in [symbols(2), accounts(1), Scopes::default()] {
            assert_eq!(fits.check(2, 1), Ok(()));
        }
        assert_eq!(symbols(3).check(2, 1), Err(ScopesError::TooMany(3, 2)));
        assert_eq!(accounts(2).check(2, 1), Err(ScopesError::TooMany(2, 1)));
        let drift = |window| Scopes { drift: Some(DriftLimit { bps: 1, window }), ..Scopes::default() };
        let repeat = |window| Scopes { repeat: Some(RepeatLimit { count: 1, window }), ..Scopes::default() };
        for of in [drift, repeat] {
            assert_eq!(of(Nanos(0)).check(2, 1), Err(ScopesError::NoTime));
            assert_eq!(of(Nanos(1)).check(2, 1), Ok(()));
        }
    }
}
