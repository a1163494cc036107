//! What we hold and what it made: the accounts of all instruments, made from fills, and made anew from them when the venue takes one back.
//!
//! | module | story |
//! |---|---|
//! | `account` | one instrument: cash, cost by two methods, P&L |
//! | `lots` | what is held, oldest first |
//! | `fees` | what a venue takes or gives for a trade |
//! | `fills` | the fills that can still be taken back |
//!
//! A trade that is broken or corrected changes what every later trade of the instrument realised. So nothing is reversed: each account has a *base*, which is what it was
//! before the oldest fill that is remembered, and is made anew from there without the trade.

mod account;
mod fees;
mod fills;
mod lots;
mod matches;

pub use account::Position;
pub use fees::{FEE_MAX, Fees};
use fills::{FillMemory, REMEMBERED, Remembered};
use lots::Lots;
use model::{GatewayId, InstrumentId, Px, Qty, Token, Usd};

use crate::hash::StateHash;
use crate::strategy::Fill;

/// Arithmetic left the range of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shares times price is beyond what can be counted")]
pub struct Overflow;

/// What is held at the start of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The instrument.
    pub instrument: InstrumentId,
    /// Shares; negative when short.
    pub shares: i64,
    /// What each stands for: P&L of the day is counted from there.
    pub px: Px,
}

impl Opening {
    /// Whether it can be counted. [`Engine::new`](crate::Engine::new) panics where not.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn check(&self) -> Result<(), Overflow> {
        Position::open(self.shares, self.px).map(|_| ())
    }
}

/// The accounts of all instruments and their sum.
pub struct Positions {
    each: Vec<Position>,
    lots: Vec<Lots>,
    base: Vec<(Position, Lots)>,
    fills: FillMemory,
    /// By gateway; those left out take nothing.
    fees: Vec<Fees>,
    pnl: Usd,
    /// 1e-6 USD.
    fees_paid: i64,
}

impl Positions {
    /// # Panics
    /// Where an opening position is of no instrument or cannot be counted.
    pub(crate) fn new(instruments: usize, openings: &[Opening], fees: &[Fees]) -> Positions {
        Positions::remembering(REMEMBERED, instruments, openings, fees)
    }

    fn remembering(fills: usize, instruments: usize, openings: &[Opening], fees: &[Fees]) -> Positions {
        let mut base = vec![(Position::default(), Lots::EMPTY); instruments];
        for o in openings {
            base[o.instrument.index()] =
                Position::open(o.shares, o.px).expect("whoever reads a configuration checks its positions");
        }
        Positions {
            each: base.iter().map(|(p, _)| *p).collect(),
            lots: base.iter().map(|(_, lots)| *lots).collect(),
            base,
            fills: FillMemory::new(fills),
            fees: fees.to_vec(),
            pnl: Usd::ZERO,
            fees_paid: 0,
        }
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

    /// Profit and loss of all instruments together at their marks, after fees. What fees leave of a unit is rounded against us.
    #[inline]
    #[must_use]
    pub fn pnl(&self) -> Usd {
        Usd(self.pnl.0.saturating_sub(-(-self.fees_paid).div_euclid(100)))
    }

    /// Fees paid less rebates received, 1e-6 USD.
    #[inline]
    #[must_use]
    pub fn fees(&self) -> i64 {
        self.fees_paid
    }

    /// Fills that found no room for a lot of their own, over all instruments: their shares leave at the average of the lot that they joined.
    #[must_use]
    pub fn lots_merged(&self) -> u64 {
        self.lots.iter().map(|l| l.merged).sum()
    }

    #[inline]
    fn fee(&self, gateway: GatewayId, fill: &Fill) -> i64 {
        self.fees.get(gateway.index()).map_or(0, |f| f.of(fill.liquidity, fill.qty.0))
    }

    /// Whether this trade is booked for this token, as far back as fills are remembered.
    #[inline]
    pub(crate) fn has_booked(&self, gateway: GatewayId, token: Token, match_number: u64) -> bool {
        self.fills.has(gateway, token, match_number)
    }

    /// Applies a fill that `gateway` reported under `token`.
    pub(crate) fn on_fill(&mut self, gateway: GatewayId, token: Token, fill: Fill) -> Result<(), Overflow> {
        let fee = self.fee(gateway, &fill);
        let k = fill.instrument.index();
        let mut after = self.each[k];
        after.trade(&mut self.lots[k], fill.side, fill.qty, fill.px, fee)?;
        self.put(k, after)?;
        if let Some(Remembered { gateway, fill, .. }) = self.fills.remember(gateway, token, fill) {
            // It cannot be taken back any more.
            let (fee, (p, lots)) = (self.fee(gateway, &fill), &mut self.base[fill.instrument.index()]);
            p.trade(lots, fill.side, fill.qty, fill.px, fee)?;
        }
        Ok(())
    }

    /// Takes a fill back that the venue broke; `None` where it is not known.
    pub(crate) fn on_broken(
        &mut self,
        gateway: GatewayId,
        token: Token,
        match_number: u64,
    ) -> Option<(Fill, Result<(), Overflow>)> {
        let fill = self.fills.forget(gateway, token, match_number)?;
        Some((fill, self.make_anew(fill.instrument)))
    }

    /// Books a fill as the venue corrected it; `None` where it is not known.
    pub(crate) fn on_corrected(
        &mut self,
        gateway: GatewayId,
        token: Token,
        match_number: u64,
        now: (Qty, Px, u8),
    ) -> Option<(Fill, Fill, Result<(), Overflow>)> {
        let (was, is) = self.fills.correct(gateway, token, match_number, now)?;
        Some((was, is, self.make_anew(was.instrument)))
    }

    /// Makes an account anew from its base and the fills since. Cost: a pass over the fills remembered.
    #[cold]
    fn make_anew(&mut self, id: InstrumentId) -> Result<(), Overflow> {
        let k = id.index();
        let (mut p, mut lots) = self.base[k];
        for m in self.fills.of(id) {
            let fee = self.fee(m.gateway, &m.fill);
            p.trade(&mut lots, m.fill.side, m.fill.qty, m.fill.px, fee)?;
        }
        p.mark = self.each[k].mark;
        self.put(k, p)?;
        self.lots[k] = lots;
        Ok(())
    }

    /// Values what is held at `px`; returns whether that changed what was made.
    #[inline]
    pub(crate) fn on_mark(&mut self, id: InstrumentId, px: Px) -> Result<bool, Overflow> {
        let p = &mut self.each[id.index()];
        if p.mark == px {
            return Ok(false);
        }
        if p.shares == 0 {
            p.mark = px;
            return Ok(false);
        }
        let marked = Position { mark: px, ..*p };
        self.put(id.index(), marked).map(|()| true)
    }

    /// Puts an account in the place of the one before, and their difference into the sums.
    #[inline]
    fn put(&mut self, k: usize, after: Position) -> Result<(), Overflow> {
        let before = &mut self.each[k];
        let delta = after.pnl().zip(before.pnl()).and_then(|(a, b)| a.0.checked_sub(b.0)).ok_or(Overflow)?;
        let pnl = self.pnl.checked_add(Usd(delta)).ok_or(Overflow)?;
        let fees = after.fees.checked_sub(before.fees).and_then(|d| self.fees_paid.checked_add(d));
        self.fees_paid = fees.ok_or(Overflow)?;
        self.pnl = pnl;
        *before = after;
        Ok(())
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        self.each.iter().for_each(|p| p.absorb(h));
        h.signed(self.pnl.0);
        h.signed(self.fees_paid);
        self.fills.absorb(h);
    }
}

#[cfg(test)]
mod tests;
