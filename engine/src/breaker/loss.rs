//! What may be lost: in the day, and since its best.
//!
//! Both are of realised and marked P&L after fees. A mark can be wrong for a moment, so what is over a limit has to be so over a number of inputs in a row before
//! it counts: one bad tick stops nobody, and a book that stays wrong is another check's.

use model::{BreakerCause, Usd};

use crate::hash::StateHash;

/// What may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossLimits {
    /// Since the best of the day, which began with nothing.
    pub max_drawdown: Option<Usd>,
    /// Inputs in a row that have to show a loss beyond a limit; 1 for the first.
    pub confirm: u32,
}

impl Default for LossLimits {
    fn default() -> Self {
        LossLimits { max_drawdown: None, confirm: 1 }
    }
}

/// Looks at the P&L.
pub(crate) struct LossWatch {
    max_loss: i64,
    limits: LossLimits,
    /// The best since the start, when nothing was made, or since a person's last resume.
    best: i64,
    /// Inputs in a row that showed a loss beyond a limit.
    over: u32,
    /// The last input that was counted.
    counted: u64,
    /// Above this and up to the best, a look would change nothing; follows from the others and from what was warned of.
    quiet_above: i64,
}

impl LossWatch {
    pub(crate) fn new(max_loss: Usd, limits: LossLimits) -> LossWatch {
        LossWatch { max_loss: max_loss.0, limits, best: 0, over: 0, counted: u64::MAX, quiet_above: i64::MAX }
    }

    /// The day may lose less from now on.
    pub(crate) fn tighten(&mut self, max_loss: Usd) {
        self.max_loss = max_loss.0;
        self.quiet_above = i64::MAX;
    }

    /// Whether a look at this P&L would change nothing and warn of nothing.
    #[inline]
    pub(crate) fn is_quiet(&self, pnl: Usd) -> bool {
        pnl.0 > self.quiet_above && pnl.0 <= self.best
    }

    /// After a look: finds from where on the next may be left out. None may while something is said or wants confirming.
    #[inline]
    pub(crate) fn settle(&mut self, is_said: bool) {
        // The first word is said at half of a limit.
        let half = |most: i64| self.best.saturating_sub(most / 2);
        let drawdown = self.limits.max_drawdown.map_or(i64::MIN, |most| half(most.0));
        let quiet = drawdown.max(-(self.max_loss / 2));
        self.quiet_above = if is_said || self.over != 0 { i64::MAX } else { quiet };
    }

    /// Which limit `pnl` is beyond.
    fn beyond(&self, pnl: i64) -> Option<BreakerCause> {
        if pnl <= -self.max_loss {
            return Some(BreakerCause::Loss);
        }
        let lost = self.best.saturating_sub(pnl);
        self.limits.max_drawdown.filter(|most| lost >= most.0).map(|_| BreakerCause::Drawdown)
    }

    /// Takes in the P&L as input number `input` shows it; returns the limit that it is beyond for long enough.
    #[inline]
    pub(crate) fn look(&mut self, pnl: Usd, input: u64) -> Option<BreakerCause> {
        self.best = self.best.max(pnl.0);
        let Some(cause) = self.beyond(pnl.0) else {
            self.over = 0;
            return None;
        };
        if self.counted != input {
            self.over = self.over.saturating_add(1);
            self.counted = input;
        }
        (self.over >= self.limits.confirm).then_some(cause)
    }

    /// Whether the next input has to be looked at, whatever it is.
    #[inline]
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.over != 0 && self.over < self.limits.confirm
    }

    /// A person trades on knowingly: what was lost since the best is forgiven, the day's loss is not.
    pub(crate) fn resume(&mut self, pnl: Usd) {
        self.best = pnl.0;
        self.over = 0;
        self.quiet_above = i64::MAX;
    }

    /// Whether the day's loss is beyond its limit.
    pub(crate) fn is_lost(&self, pnl: Usd) -> bool {
        pnl.0 <= -self.max_loss
    }

    /// What is lost since the best, and what may be.
    pub(crate) fn drawdown(&self, pnl: Usd) -> Option<(i64, i64)> {
        self.limits.max_drawdown.map(|most| (self.best.saturating_sub(pnl.0), most.0))
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.signed(self.best);
        h.word(u64::from(self.over));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(drawdown: Option<i64>, confirm: u32) -> LossWatch {
        LossWatch::new(Usd(100), LossLimits { max_drawdown: drawdown.map(Usd), confirm })
    }

    #[test]
    fn one_bad_tick_is_not_confirmed_and_a_loss_that_stays_is() {
        let mut w = watch(None, 3);
        assert_eq!(w.look(Usd(-100), 1), None);
        assert_eq!(w.look(Usd(-500), 1), None, "the same input again is no second sample");
        assert!(w.is_unconfirmed());
        assert_eq!(w.look(Usd(-99), 2), None);
        assert!(!w.is_unconfirmed());
        for input in 3..5 {
            assert_eq!(w.look(Usd(-100), input), None);
        }
        assert_eq!(w.look(Usd(-100), 5), Some(BreakerCause::Loss));
        assert_eq!(watch(None, 1).look(Usd(-100), 1), Some(BreakerCause::Loss));
    }

    #[test]
    fn a_drawdown_trails_the_best_and_a_person_forgives_it() {
        let mut w = watch(Some(50), 1);
        assert_eq!(w.look(Usd(-49), 1), None, "the best is zero before anything was made");
        assert_eq!(w.look(Usd(80), 2), None);
        assert_eq!(w.drawdown(Usd(31)), Some((49, 50)));
        assert_eq!(w.look(Usd(31), 3), None);
        assert_eq!(w.look(Usd(30), 4), Some(BreakerCause::Drawdown));
        w.resume(Usd(30));
        assert_eq!(w.look(Usd(30), 5), None);
        assert_eq!(w.look(Usd(-19), 6), None);
        assert_eq!(w.look(Usd(-20), 7), Some(BreakerCause::Drawdown));
        assert!(!w.is_lost(Usd(-99)) && w.is_lost(Usd(-100)));
    }

    #[test]
    fn the_ends_of_the_range_are_no_wrap() {
        let mut w = watch(Some(i64::MAX), 1);
        w.look(Usd(i64::MAX), 1);
        assert_eq!(w.look(Usd(-99), 2), Some(BreakerCause::Drawdown));
        assert_eq!(w.look(Usd(i64::MIN), 3), Some(BreakerCause::Loss));
    }
}
