//! What may be lost: in the day, and since its best.
//!
//! Both are of realised and marked P&L after fees. A mark can be wrong for a moment, so what is over a limit has to be so over a number of samples in a row before
//! it counts: one bad tick stops nobody, and a book that stays wrong is another check's. A sample is another P&L (a mark of what is held, a fill), or the same a tenth of a
//! second later: what comes of other instruments meanwhile says nothing of a bad tick.
//!
//! The day's best outlives the process: once a sixteenth of what may be lost since is lost, the journal is told of it, and the next start of the same day begins with it.

use model::{BreakerCause, Nanos, Usd};

use crate::hash::StateHash;

/// What may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossLimits {
    /// Since the best of the day, which began with nothing.
    pub max_drawdown: Option<Usd>,
    /// Samples in a row that have to show a loss beyond a limit; 1 for the first.
    pub confirm: u32,
}

impl Default for LossLimits {
    fn default() -> Self {
        LossLimits { max_drawdown: None, confirm: 1 }
    }
}

/// Of what may be lost since the best, the part that a restart may forget.
const BEST_PART: i64 = 16;
/// The same P&L so much later is a sample of its own.
const RESAMPLED: Nanos = Nanos::from_millis(100);

/// Looks at the P&L.
pub(crate) struct LossWatch {
    max_loss: i64,
    limits: LossLimits,
    /// The best since the start, when nothing was made, or since a person's last resume.
    best: i64,
    /// The best that the journal has: of the start it is known to be nothing.
    said: i64,
    /// The best before a restart, until the venue has told again what was made.
    carried: Option<i64>,
    /// Samples in a row that showed a loss beyond a limit.
    over: u32,
    /// The last input that was counted, when, and what it showed.
    counted: (u64, Nanos, i64),
    /// Above this and up to the best, a look would change nothing; follows from the others and from what was warned of.
    quiet_above: i64,
}

impl LossWatch {
    pub(crate) fn new(max_loss: Usd, limits: LossLimits) -> LossWatch {
        let (best, said, carried, over) = (0, 0, None, 0);
        let (counted, quiet_above) = ((u64::MAX, Nanos::ZERO, 0), i64::MAX);
        LossWatch { max_loss: max_loss.0, limits, best, said, carried, over, counted, quiet_above }
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
        // The first word is said at half of a limit, and of a best that nobody knows yet earlier.
        let is_known = self.best == self.said;
        let below = |most: i64| self.best.saturating_sub(if is_known { most / 2 } else { most / BEST_PART });
        let drawdown = self.limits.max_drawdown.map_or(i64::MIN, |most| below(most.0));
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

    /// Takes in the P&L as input number `input` shows it at `now`; returns the limit that it is beyond for long enough.
    #[inline]
    pub(crate) fn look(&mut self, pnl: Usd, input: u64, now: Nanos) -> Option<BreakerCause> {
        self.best = self.best.max(pnl.0);
        let Some(cause) = self.beyond(pnl.0) else {
            self.over = 0;
            return None;
        };
        let (last, at, showed) = self.counted;
        let is_another = pnl.0 != showed || now >= at.after(RESAMPLED);
        if self.over == 0 || (last != input && is_another) {
            self.over = self.over.saturating_add(1);
            self.counted = (input, now, pnl.0);
        }
        (self.over >= self.limits.confirm).then_some(cause)
    }

    /// After a look at this P&L: the day's best, once each that enough was lost since. While one is carried the journal keeps that: what a replay passes through is no best of the day.
    #[inline]
    pub(crate) fn best_to_say(&mut self, pnl: Usd) -> Option<Usd> {
        let most = self.limits.max_drawdown?.0;
        let is_news = self.best != self.said && self.carried.is_none();
        let due = is_news && self.best.saturating_sub(pnl.0) >= most / BEST_PART;
        due.then(|| {
            self.said = self.best;
            Usd(self.best)
        })
    }

    /// The best of the same day before a restart; it counts from [`LossWatch::told`] on, for until then the P&L is not the day's.
    pub(crate) fn carry(&mut self, best: Usd) {
        self.carried = Some(best.0);
    }

    /// The venues have told what was made before the start.
    pub(crate) fn told(&mut self) {
        if let Some(best) = self.carried.take() {
            self.best = self.best.max(best);
            self.said = best;
            self.quiet_above = i64::MAX;
        }
    }

    /// When a loss wants looking at again, if nothing of it changes before; `u64::MAX` where none wants confirming.
    #[inline]
    pub(crate) fn due(&self) -> Nanos {
        if self.over != 0 && self.over < self.limits.confirm {
            self.counted.1.after(RESAMPLED)
        } else {
            Nanos(u64::MAX)
        }
    }

    /// A person trades on knowingly: what was lost since the best is forgiven, the day's loss is not. Returns the best that the journal does not have.
    pub(crate) fn resume(&mut self, pnl: Usd) -> Option<Usd> {
        let is_news = self.limits.max_drawdown.is_some() && (self.said != pnl.0 || self.carried.is_some());
        (self.best, self.said, self.carried) = (pnl.0, pnl.0, None);
        self.over = 0;
        self.quiet_above = i64::MAX;
        is_news.then_some(pnl)
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
        h.signed(self.said);
        h.signed(self.carried.unwrap_or(i64::MIN));
        h.word(u64::from(self.over));
        if self.over != 0 {
            h.word(self.counted.1.0);
            h.signed(self.counted.2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;

    /// As an input of its own, a tenth of a second after the one before.
    fn look(w: &mut LossWatch, pnl: i64, input: u64) -> Option<BreakerCause> {
        w.look(Usd(pnl), input, Nanos::from_millis(100 * input))
    }

    fn watch(drawdown: Option<i64>, confirm: u32) -> LossWatch {
        LossWatch::new(Usd(100), LossLimits { max_drawdown: drawdown.map(Usd), confirm })
    }

    #[test]
    fn one_bad_tick_is_not_confirmed_and_a_loss_that_stays_is() {
        let mut w = watch(None, 3);
        assert_eq!(look(&mut w, -100, 1), None);
        assert_eq!(look(&mut w, -500, 1), None, "the same input again is no second sample");
        assert_eq!(w.due(), Nanos::from_millis(200), "it wants confirming");
        assert_eq!(look(&mut w, -99, 2), None);
        assert_eq!(w.due(), Nanos(u64::MAX));
        for input in 3..5 {
            assert_eq!(look(&mut w, -100, input), None);
        }
        assert_eq!(look(&mut w, -100, 5), Some(BreakerCause::Loss));
        let mut first = watch(None, 1);
        assert_eq!(look(&mut first, -100, 1), Some(BreakerCause::Loss));
        assert_eq!(first.due(), Nanos(u64::MAX), "what counts wants nothing more");
    }

    #[test]
    fn what_says_nothing_new_confirms_nothing_before_a_tenth_of_a_second() {
        let at = |ms| Nanos::from_millis(ms);
        let mut w = watch(None, 3);
        for input in 1..50 {
            assert_eq!(w.look(Usd(-150), input, at(input)), None, "others' messages");
        }
        assert_eq!((w.over, w.due()), (1, at(101)));
        assert_eq!(w.look(Usd(-150), 50, at(101)), None);
        assert_eq!((w.over, w.due()), (2, at(201)));
        assert_eq!(w.look(Usd(-151), 50, at(102)), None, "one input is one sample");
        assert_eq!(w.look(Usd(-151), 51, at(102)), Some(BreakerCause::Loss), "another mark");
    }

    #[test]
    fn what_it_goes_by_is_of_the_state() {
        let of = |best, said, carried, over| LossWatch { best, said, carried, over, ..watch(None, 1) };
        let states = [
            of(0, 0, None, 0),
            of(1, 0, None, 0),
            of(0, 1, None, 0),
            of(0, 0, Some(1), 0),
            of(0, 0, None, 1),
        ];
        all_differ(&states, LossWatch::absorb);
    }

    #[test]
    fn a_drawdown_trails_the_best_and_a_person_forgives_it() {
        let mut w = watch(Some(50), 1);
        assert_eq!(look(&mut w, -49, 1), None, "the best is zero before anything was made");
        assert_eq!(look(&mut w, 80, 2), None);
        assert_eq!(w.drawdown(Usd(31)), Some((49, 50)));
        assert_eq!(look(&mut w, 31, 3), None);
        assert_eq!(look(&mut w, 30, 4), Some(BreakerCause::Drawdown));
        assert_eq!(w.resume(Usd(30)), Some(Usd(30)));
        assert_eq!(look(&mut w, 30, 5), None);
        assert_eq!(look(&mut w, -19, 6), None);
        assert_eq!(look(&mut w, -20, 7), Some(BreakerCause::Drawdown));
        assert!(!w.is_lost(Usd(-99)) && w.is_lost(Usd(-100)));
    }

    #[test]
    fn the_best_is_said_once_each_that_a_sixteenth_of_the_limit_is_lost_since() {
        let mut w = watch(Some(160), 1);
        let mut said = |pnl, input| {
            look(&mut w, pnl, input);
            let best = w.best_to_say(Usd(pnl));
            w.settle(false);
            (best, w.is_quiet(Usd(pnl - 5)))
        };
        assert_eq!(said(100, 1), (None, true), "5 less would change nothing");
        assert_eq!(said(95, 2), (None, false), "10 less than the best has to be looked at");
        assert_eq!(said(90, 3), (Some(Usd(100)), true));
        assert_eq!(said(60, 4), (None, true), "it was said");
        assert_eq!(said(101, 5), (None, true));
        assert_eq!(said(40, 6), (Some(Usd(101)), true));
    }

    #[test]
    fn looks_are_left_out_above_half_of_a_limit_and_while_nothing_is_said_or_unconfirmed() {
        let mut w = watch(None, 2);
        assert_eq!(look(&mut w, 0, 1), None);
        w.settle(false);
        assert!(w.is_quiet(Usd(-49)) && !w.is_quiet(Usd(-50)));
        w.settle(true);
        assert!(!w.is_quiet(Usd(-1)), "what is said has to be taken back");
        assert_eq!(look(&mut w, -100, 2), None);
        w.settle(false);
        assert!(!w.is_quiet(Usd(-1)), "a loss wants confirming");
    }

    #[test]
    fn a_best_that_is_carried_counts_when_the_venues_have_told_and_not_before() {
        let mut w = watch(Some(50), 1);
        w.carry(Usd(80));
        assert_eq!(look(&mut w, 0, 1), None, "nothing was told yet of what had been made");
        w.told();
        assert_eq!(look(&mut w, 31, 2), None);
        assert_eq!(look(&mut w, 30, 3), Some(BreakerCause::Drawdown));
        assert_eq!(w.best_to_say(Usd(30)), None, "the journal has it");
        assert_eq!(w.resume(Usd(30)), Some(Usd(30)), "and has to hear what a person forgave");
        w.told();
        assert_eq!(w.drawdown(Usd(30)), Some((0, 50)));
        assert_eq!(watch(None, 1).resume(Usd(30)), None, "nobody asks for it");
    }

    #[test]
    fn a_best_that_is_carried_stays_in_the_journal_until_it_counts_or_is_forgiven() {
        let mut w = watch(Some(160), 1);
        w.carry(Usd(500));
        for (pnl, input) in [(100, 1), (80, 2)] {
            assert_eq!(look(&mut w, pnl, input), None);
            assert_eq!(w.best_to_say(Usd(pnl)), None, "a replay was at 100 for a moment");
        }
        w.told();
        assert_eq!(w.drawdown(Usd(450)), Some((50, 160)));
        let mut forgiven = watch(Some(160), 1);
        forgiven.carry(Usd(500));
        assert_eq!(forgiven.resume(Usd(0)), Some(Usd(0)), "or the next start would carry 500 again");
    }

    #[test]
    fn the_ends_of_the_range_are_no_wrap() {
        let mut w = watch(Some(i64::MAX), 1);
        look(&mut w, i64::MAX, 1);
        assert_eq!(look(&mut w, -99, 2), Some(BreakerCause::Drawdown));
        assert_eq!(look(&mut w, i64::MIN, 3), Some(BreakerCause::Loss));
    }
}
