//! What we hold and what it made: signed shares and cash flow per instrument, in integers.
//!
//! P&L is `cash + position * mark`, exact in 1e-4 USD; no average price is kept, so nothing is ever rounded. Fees are a later issue's.

use model::{InstrumentId, Px, Qty, Side, Usd};

use crate::hash::StateHash;
use crate::orders::signed;

/// One instrument's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Shares held; negative when short.
    pub shares: i64,
    /// Money received less money paid, 1e-4 USD.
    pub cash: Usd,
    /// Shares bought.
    pub bought: u64,
    /// Shares sold.
    pub sold: u64,
    /// Fills applied.
    pub fills: u64,
    /// The last price used to value what is held.
    pub mark: Px,
}

impl Position {
    /// Cash plus what is held at the mark, or `None` on overflow.
    #[inline]
    #[must_use]
    pub fn pnl(&self) -> Option<Usd> {
        self.shares.checked_mul(self.mark.0).and_then(|v| self.cash.0.checked_add(v)).map(Usd)
    }
}

/// Arithmetic left the range of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// The accounts of all instruments and their sum.
pub struct Positions {
    each: Vec<Position>,
    pnl: Usd,
}

impl Positions {
    pub(crate) fn new(instruments: usize) -> Positions {
        Positions { each: vec![Position::default(); instruments], pnl: Usd::ZERO }
    }

    /// One instrument's account.
    #[inline]
    #[must_use]
    pub fn of(&self, id: InstrumentId) -> &Position {
        &self.each[id.index()]
    }

    /// Every account, by instrument.
    #[must_use]
    pub fn all(&self) -> &[Position] {
        &self.each
    }

    /// Profit and loss of all instruments together at their marks.
    #[inline]
    #[must_use]
    pub fn pnl(&self) -> Usd {
        self.pnl
    }

    /// Applies a fill.
    pub(crate) fn on_fill(&mut self, id: InstrumentId, side: Side, qty: Qty, px: Px) -> Result<(), Overflow> {
        self.book_trade(id, side, qty, px)?;
        let p = &mut self.each[id.index()];
        p.fills += 1;
        match side {
            Side::Buy => p.bought += u64::from(qty.0),
            Side::Sell => p.sold += u64::from(qty.0),
        }
        Ok(())
    }

    /// Takes a fill back that the venue broke.
    pub(crate) fn on_broken(
        &mut self,
        id: InstrumentId,
        side: Side,
        qty: Qty,
        px: Px,
    ) -> Result<(), Overflow> {
        self.book_trade(id, side.opposite(), qty, px)?;
        let p = &mut self.each[id.index()];
        p.fills = p.fills.saturating_sub(1);
        match side {
            Side::Buy => p.bought = p.bought.saturating_sub(u64::from(qty.0)),
            Side::Sell => p.sold = p.sold.saturating_sub(u64::from(qty.0)),
        }
        Ok(())
    }

    /// Values what is held at `px`.
    #[inline]
    pub(crate) fn on_mark(&mut self, id: InstrumentId, px: Px) -> Result<(), Overflow> {
        if self.each[id.index()].mark == px {
            return Ok(());
        }
        self.revalue(id, |p| {
            p.mark = px;
            Ok(())
        })
    }

    fn book_trade(&mut self, id: InstrumentId, side: Side, qty: Qty, px: Px) -> Result<(), Overflow> {
        let notional = px.notional(qty).ok_or(Overflow)?;
        let paid = notional.0.checked_mul(-side.sign()).ok_or(Overflow)?;
        self.revalue(id, |p| {
            p.shares = p.shares.checked_add(signed(side, qty)).ok_or(Overflow)?;
            p.cash = p.cash.checked_add(Usd(paid)).ok_or(Overflow)?;
            if p.mark == Px::ZERO {
                p.mark = px;
            }
            Ok(())
        })
    }

    #[inline]
    fn revalue(
        &mut self,
        id: InstrumentId,
        f: impl FnOnce(&mut Position) -> Result<(), Overflow>,
    ) -> Result<(), Overflow> {
        let p = &mut self.each[id.index()];
        let mut after = *p;
        f(&mut after)?;
        let delta = after.pnl().zip(p.pnl()).and_then(|(a, b)| a.0.checked_sub(b.0)).ok_or(Overflow)?;
        self.pnl = self.pnl.checked_add(Usd(delta)).ok_or(Overflow)?;
        *p = after;
        Ok(())
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        for p in &self.each {
            h.signed(p.shares);
            h.signed(p.cash.0);
            h.word(p.fills);
            h.signed(p.mark.0);
        }
        h.signed(self.pnl.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cash_and_mark_make_the_pnl() {
        let id = InstrumentId(0);
        let mut p = Positions::new(2);
        p.on_fill(id, Side::Buy, Qty(100), Px(1_000_000)).unwrap();
        assert_eq!(p.pnl(), Usd(0));
        p.on_mark(id, Px(1_000_500)).unwrap();
        assert_eq!(p.pnl(), Usd(50_000)); // 100 shares, 5 cents up: 5 USD
        p.on_fill(id, Side::Sell, Qty(150), Px(1_001_000)).unwrap();
        p.on_mark(id, Px(1_002_000)).unwrap();
        // +10 USD on the round trip of 100, -5 USD on the short 50
        assert_eq!((p.of(id).shares, p.pnl()), (-50, Usd(50_000)));
        p.on_fill(InstrumentId(1), Side::Buy, Qty(1), Px(10_000)).unwrap();
        p.on_mark(InstrumentId(1), Px(20_000)).unwrap();
        assert_eq!(p.pnl(), Usd(60_000));
    }

    #[test]
    fn a_broken_trade_leaves_no_trace() {
        let id = InstrumentId(0);
        let mut p = Positions::new(1);
        p.on_fill(id, Side::Sell, Qty(10), Px(500)).unwrap();
        p.on_broken(id, Side::Sell, Qty(10), Px(500)).unwrap();
        assert_eq!(Position { mark: Px::ZERO, ..*p.of(id) }, Position::default());
        assert_eq!(p.pnl(), Usd(0));
    }

    #[test]
    fn overflow_is_an_error_and_changes_nothing() {
        let id = InstrumentId(0);
        let mut p = Positions::new(1);
        assert_eq!(p.on_fill(id, Side::Buy, Qty(u32::MAX), Px(i64::MAX / 2)), Err(Overflow));
        assert_eq!(p.on_fill(id, Side::Buy, Qty(1), Px(i64::MIN)), Err(Overflow), "has no negative");
        assert_eq!(*p.of(id), Position::default());
    }
}
