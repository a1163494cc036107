//! One instrument's account: what is held, what it cost, what it made, in integers.
//!
//! ```text
//!   P&L at the mark  =  cash - opening cost + shares * mark            exact
//!                    =  realised            + unrealised               exact, by either method
//!   realised         =  cash - opening cost + cost of what is held
//!   unrealised       =  shares * mark       - cost of what is held
//! ```
//!
//! So a method is nothing but what it says the shares that are held have cost. By *average cost*, shares that leave take their part of the money with them,
//! rounded towards zero to 1e-4 USD; by *first in, first out*, the oldest lots leave. What is rounded stays with the shares that are left, so the last of them bring
//! it back: over a position that goes flat both methods say the cash, to the last digit.
//!
//! Fees are apart, in 1e-6 USD, and in none of these.

use model::{Px, Qty, Side, Usd};

use super::Overflow;
use super::lots::{Lots, part_of};
use crate::hash::StateHash;
use crate::orders::signed;

/// One instrument's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Shares held; negative when short.
    pub shares: i64,
    /// Money received less money paid since the start of the day, 1e-4 USD; without fees.
    pub cash: Usd,
    /// Shares bought.
    pub bought: u64,
    /// Shares sold.
    pub sold: u64,
    /// Fills applied.
    pub fills: u64,
    /// The last price used to value what is held.
    pub mark: Px,
    /// Shares held at the start of the day; of those held now, or left since.
    pub opening_shares: i64,
    /// Money that these stood for, 1e-4 USD; negative when short.
    pub opening_cost: Usd,
    /// What the shares held have cost by average, 1e-4 USD; negative when short.
    pub cost: Usd,
    /// What they have cost by first in, first out.
    pub fifo_cost: Usd,
    /// Fees paid less rebates received, 1e-6 USD.
    pub fees: i64,
}

impl Position {
    /// Realised and unrealised at the mark, without fees; `None` on overflow.
    #[inline]
    #[must_use]
    pub fn pnl(&self) -> Option<Usd> {
        let held = self.shares.checked_mul(self.mark.0)?;
        self.cash.0.checked_sub(self.opening_cost.0)?.checked_add(held).map(Usd)
    }

    /// What is realised by average cost, without fees. Saturates.
    #[must_use]
    pub fn realised(&self) -> Usd {
        Usd(self.cash.0.saturating_sub(self.opening_cost.0).saturating_add(self.cost.0))
    }

    /// What is realised by first in, first out, without fees. Saturates.
    #[must_use]
    pub fn realised_fifo(&self) -> Usd {
        Usd(self.cash.0.saturating_sub(self.opening_cost.0).saturating_add(self.fifo_cost.0))
    }

    /// What is not realised, by average cost at the mark. Saturates.
    #[must_use]
    pub fn unrealised(&self) -> Usd {
        Usd(self.shares.saturating_mul(self.mark.0).saturating_sub(self.cost.0))
    }

    /// Holds `shares` from the start of the day on, which stand for `px` each.
    pub(super) fn open(shares: i64, px: Px) -> Result<(Position, Lots), Overflow> {
        let cost = shares.checked_mul(px.0).ok_or(Overflow)?;
        let mut lots = Lots::EMPTY;
        lots.push(shares.unsigned_abs(), cost);
        let p = Position {
            shares,
            mark: px,
            opening_shares: shares,
            opening_cost: Usd(cost),
            cost: Usd(cost),
            fifo_cost: Usd(cost),
            ..Position::default()
        };
        Ok((p, lots))
    }

    /// Books a trade.
    ///
    /// # Errors
    /// [`Overflow`]; nothing has changed then.
    pub(super) fn trade(
        &mut self,
        lots: &mut Lots,
        side: Side,
        qty: Qty,
        px: Px,
        fee: i64,
    ) -> Result<(), Overflow> {
        let money = |shares: u64| i64::try_from(shares).ok()?.checked_mul(px.0)?.checked_mul(side.sign());
        let paid = money(qty.0.into()).ok_or(Overflow)?;
        let held = self.shares.unsigned_abs();
        // What closes, and what is opened beyond that.
        let opposite = self.shares.signum() * side.sign() < 0;
        let closing = if opposite { held.min(qty.0.into()) } else { 0 };
        let opening = u64::from(qty.0) - closing;
        let opened = money(opening).ok_or(Overflow)?;
        let left = part_of(self.cost.0, closing, held);
        let mut after = Position {
            shares: self.shares.checked_add(signed(side, qty)).ok_or(Overflow)?,
            cash: Usd(self.cash.0.checked_sub(paid).ok_or(Overflow)?),
            cost: Usd((self.cost.0 - left).checked_add(opened).ok_or(Overflow)?),
            fees: self.fees.checked_add(fee).ok_or(Overflow)?,
            fills: self.fills + 1,
            ..*self
        };
        // Before any lot is touched: all lots are held the same way, so no sum of some is more than that of all.
        self.fifo_cost.0.checked_abs().and_then(|c| c.checked_add(opened.checked_abs()?)).ok_or(Overflow)?;
        after.fifo_cost = Usd(self.fifo_cost.0 - lots.take(closing) + opened);
        lots.push(opening, opened);
        match side {
            Side::Buy => after.bought += u64::from(qty.0),
            Side::Sell => after.sold += u64::from(qty.0),
        }
        if after.mark == Px::ZERO {
            after.mark = px;
        }
        *self = after;
        Ok(())
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        for w in [
            self.shares,
            self.cash.0,
            self.mark.0,
            self.opening_cost.0,
            self.cost.0,
            self.fifo_cost.0,
            self.fees,
        ] {
            h.signed(w);
        }
        h.word(self.fills);
    }
}
