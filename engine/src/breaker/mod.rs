//! Circuit breakers: what restrains trading by itself, and what a person is warned of before.
//!
//! ```text
//!   Normal --> ReduceOnly --> CancelOnly --> Halted      up: a rule that trips, a limit, a word from outside the engine, a person
//!      ^______________________________________|          down: a person's resume alone
//!
//!   the clutch: beside all of these; the strategy sees everything and may trade nothing until a person lets it in again
//! ```
//!
//! | module | story |
//! |---|---|
//! | `loss` | the day's loss and the drawdown, confirmed |
//! | `sliding` | how much came lately |
//! | `warning` | half, three quarters and nine tenths of a limit |
//!
//! What asks for it: SEC Rule 15c3-5(c)(1) (financial exposure), RTS 6 art. 12 (kill functionality), 15(1) and (3) (pre-trade limits, repeated execution), 16
//! (alerts in real time).

mod loss;
mod sliding;
mod warning;

use model::{BreakerCause, BreakerLevel, Drift, InstrumentId, Nanos, Usd};
use thiserror::Error;

pub use loss::LossLimits;
pub(crate) use loss::LossWatch;
pub(crate) use sliding::Sliding;
pub use warning::Measure;
pub(crate) use warning::{MEASURES, Steps};

use crate::hash::StateHash;
use crate::limits::BREAKERS_MAX;

/// What a rule counts, in its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Our trades.
    Fills,
    /// The venue's refusals.
    Rejects,
    /// New orders, replaces and cancels for each trade of ours: the limit is this ratio, and nothing is said below [`RATIO_FROM`] messages.
    MessagesPerFill,
    /// Changes of an instrument to stale: silent, lost, locked, crossed, torn.
    Market,
    /// Gaps in a feed.
    Gaps,
}

/// Messages in a window from which on their ratio to trades is one.
pub const RATIO_FROM: u64 = 20;

impl Trigger {
    const fn cause(self) -> BreakerCause {
        match self {
            Trigger::Fills => BreakerCause::Fills,
            Trigger::Rejects => BreakerCause::Rejects,
            Trigger::MessagesPerFill => BreakerCause::MessagesPerFill,
            Trigger::Market => BreakerCause::Market,
            Trigger::Gaps => BreakerCause::Gaps,
        }
    }
}

/// Restrains trading to `level` when more than `limit` came within `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// What is counted.
    pub trigger: Trigger,
    /// How much may come.
    pub limit: u32,
    /// The window; counted in sixteenths, so that up to one more of them counts.
    pub window: Nanos,
    /// Where it leads.
    pub level: BreakerLevel,
}

/// Rules that no engine can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BreakerError {
    /// More than there is room for.
    #[error("{0} rules are more than {BREAKERS_MAX}")]
    Rules(usize),
    /// A window of no span.
    #[error("rule {0}: a window of no span counts nothing")]
    NoTime(usize),
    /// A rule that leads nowhere.
    #[error("rule {0}: its level restrains nothing")]
    NoLevel(usize),
    /// Nothing would confirm a loss.
    #[error("confirm: at least 1 input")]
    Confirm,
}

/// What restrains trading by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakers {
    /// The rules, at most [`BREAKERS_MAX`].
    pub rules: Vec<BreakerRule>,
    /// What may be lost, beside [`RiskLimits::max_daily_loss`](crate::RiskLimits::max_daily_loss).
    pub loss: LossLimits,
    /// Whether an instrument's orders are canceled when it may not be traded any more.
    pub pull_quotes: bool,
    /// Where a refusal for what all instruments come to together leads: gross or net notional, orders open. [`BreakerLevel::Normal`]: nowhere.
    pub on_exposure: BreakerLevel,
    /// How long after its market hours an instrument has to be flat; `None`: nobody asks.
    pub flat_after_close: Option<Nanos>,
}

impl Breakers {
    /// Whether an engine can keep them. [`Engine::new`](crate::Engine::new) panics where not.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), BreakerError> {
        if self.rules.len() > BREAKERS_MAX {
            return Err(BreakerError::Rules(self.rules.len()));
        }
        for (k, rule) in self.rules.iter().enumerate() {
            if rule.window == Nanos::ZERO {
                return Err(BreakerError::NoTime(k));
            }
            if rule.level == BreakerLevel::Normal {
                return Err(BreakerError::NoLevel(k));
            }
        }
        if self.loss.confirm == 0 { Err(BreakerError::Confirm) } else { Ok(()) }
    }
}

/// What a person has to hear of: journaled, logged, and but for [`Alarm::Best`] counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Trading is restrained to a level, or by another cause, or not any more.
    Breaker {
        /// The level.
        level: BreakerLevel,
        /// Why; of [`BreakerLevel::Normal`] who took it back.
        cause: BreakerCause,
    },
    /// An instrument is not traded any more until a person resumes.
    Disabled {
        /// Which.
        instrument: InstrumentId,
        /// Why.
        cause: BreakerCause,
    },
    /// Market hours are over, and an instrument is not flat.
    NotFlat {
        /// Which.
        instrument: InstrumentId,
        /// What is held, negative where it is sold short.
        shares: i64,
        /// Orders open.
        orders: u32,
    },
    /// What the strategy does has left what was expected of it, or is back.
    Drift(Drift),
    /// The day's best P&L, which a drawdown is counted from: nobody is woken by it. The journal has it for the start after a crash.
    Best {
        /// Realised and marked, after fees.
        pnl: Usd,
    },
    /// So much of a limit is used.
    Warning {
        /// Of which.
        measure: Measure,
        /// Of which instrument, where the limit is one's.
        instrument: Option<InstrumentId>,
        /// 50, 75 or 90.
        percent: u8,
        /// What is used, in the limit's unit.
        value: i64,
        /// The limit.
        limit: i64,
    },
}

/// A rule and what it counts.
struct Counted {
    rule: BreakerRule,
    events: Sliding,
    /// Of a ratio, what its limit is multiplied by.
    fills: Sliding,
}

/// The state of all breakers but the halts.
pub(crate) struct Breaker {
    rules: Vec<Counted>,
    /// Whether messages are counted at all.
    counts_messages: bool,
    level: BreakerLevel,
    cause: Option<BreakerCause>,
    /// A person has taken the strategy off trading.
    pub(crate) declutched: bool,
}

impl Breaker {
    pub(crate) fn new(config: &Breakers) -> Breaker {
        let counted = |rule: &BreakerRule| Counted {
            rule: *rule,
            events: Sliding::new(rule.window),
            fills: Sliding::new(rule.window),
        };
        Breaker {
            rules: config.rules.iter().map(counted).collect(),
            counts_messages: config.rules.iter().any(|r| r.trigger == Trigger::MessagesPerFill),
            level: BreakerLevel::Normal,
            cause: None,
            declutched: false,
        }
    }

    /// The level, halts apart.
    #[inline]
    pub(crate) fn level(&self) -> BreakerLevel {
        self.level
    }

    /// What led to it.
    pub(crate) fn cause(&self) -> Option<BreakerCause> {
        self.cause
    }

    /// Restrains to `level` where that is more than now; returns whether it is.
    pub(crate) fn raise(&mut self, level: BreakerLevel, cause: BreakerCause) -> bool {
        let more = level > self.level;
        if more {
            (self.level, self.cause) = (level, Some(cause));
        }
        more
    }

    /// A person takes all restraint back; what was counted is forgotten.
    pub(crate) fn resume(&mut self) {
        self.rules.iter_mut().for_each(|r| {
            r.events.clear();
            r.fills.clear();
        });
        (self.level, self.cause) = (BreakerLevel::Normal, None);
    }

    /// Counts an event; returns the gravest rule that it trips.
    pub(crate) fn count(&mut self, now: Nanos, trigger: Trigger) -> Option<(BreakerLevel, BreakerCause)> {
        let mut tripped = None;
        for r in &mut self.rules {
            let limit = u64::from(r.rule.limit);
            let over = if r.rule.trigger == trigger {
                let events = r.events.count(now);
                match trigger {
                    Trigger::MessagesPerFill => {
                        events >= RATIO_FROM && events > limit * r.fills.total(now).max(1)
                    }
                    _ => events > limit,
                }
            } else {
                if (trigger, r.rule.trigger) == (Trigger::Fills, Trigger::MessagesPerFill) {
                    r.fills.count(now);
                }
                false
            };
            if over {
                tripped = tripped.max(Some((r.rule.level, r.rule.trigger)));
            }
        }
        tripped.map(|(level, trigger)| (level, trigger.cause()))
    }

    /// Counts a message that leaves.
    #[inline]
    pub(crate) fn on_message(&mut self, now: Nanos) -> Option<(BreakerLevel, BreakerCause)> {
        if self.counts_messages { self.count(now, Trigger::MessagesPerFill) } else { None }
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        let cause = self.cause.map_or(0, |c| c as u8);
        h.word(u64::from_le_bytes([self.declutched.into(), cause, self.level as u8, 0, 0, 0, 0, 0]));
        for r in &self.rules {
            r.events.absorb(h);
            r.fills.absorb(h);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;

    fn rule(trigger: Trigger, limit: u32, level: BreakerLevel) -> BreakerRule {
        BreakerRule { trigger, limit, window: Nanos::from_millis(1_000), level }
    }

    #[test]
    fn the_gravest_rule_that_trips_counts_and_nothing_goes_down_by_itself() {
        let mut b = Breaker::new(&Breakers {
            rules: vec![
                rule(Trigger::Fills, 2, BreakerLevel::ReduceOnly),
                rule(Trigger::Fills, 3, BreakerLevel::Halted),
            ],
            ..Breakers::default()
        });
        let now = Nanos(5_000_000_000);
        let trips: Vec<_> = (0..4).map(|_| b.count(now, Trigger::Fills)).collect();
        let fills = |level| Some((level, BreakerCause::Fills));
        assert_eq!(trips, [None, None, fills(BreakerLevel::ReduceOnly), fills(BreakerLevel::Halted)]);
        assert!(b.raise(BreakerLevel::CancelOnly, BreakerCause::Fills));
        assert!(!b.raise(BreakerLevel::ReduceOnly, BreakerCause::Latency));
        assert!(!b.raise(BreakerLevel::CancelOnly, BreakerCause::Latency), "what led there stays the cause");
        assert_eq!((b.level(), b.cause()), (BreakerLevel::CancelOnly, Some(BreakerCause::Fills)));
        b.resume();
        assert_eq!((b.level(), b.cause()), (BreakerLevel::Normal, None));
        assert_eq!(b.count(now, Trigger::Fills), None, "what was counted is forgotten");
        assert_eq!(b.count(now, Trigger::Gaps), None);
    }

    #[test]
    fn level_cause_and_clutch_are_of_the_state() {
        let of = |level, cause, declutched| {
            let mut b = Breaker::new(&Breakers::default());
            b.raise(level, cause);
            b.declutched = declutched;
            b
        };
        let (reduce, cancel) = (BreakerLevel::ReduceOnly, BreakerLevel::CancelOnly);
        let states = [
            of(reduce, BreakerCause::Fills, false),
            of(cancel, BreakerCause::Fills, false),
            of(reduce, BreakerCause::Rejects, false),
            of(reduce, BreakerCause::Fills, true),
        ];
        all_differ(&states, Breaker::absorb);
    }

    #[test]
    fn a_ratio_is_of_messages_to_trades_and_none_of_a_few() {
        let rules = vec![rule(Trigger::MessagesPerFill, 10, BreakerLevel::CancelOnly)];
        let mut b = Breaker::new(&Breakers { rules, ..Breakers::default() });
        let now = Nanos(5_000_000_000);
        for _ in 1..RATIO_FROM {
            assert_eq!(b.on_message(now), None);
        }
        assert_eq!(b.on_message(now), Some((BreakerLevel::CancelOnly, BreakerCause::MessagesPerFill)));
        b.resume();
        for _ in 0..3 {
            b.count(now, Trigger::Fills);
        }
        for _ in 0..30 {
            assert_eq!(b.on_message(now), None);
        }
        assert!(b.on_message(now).is_some());
    }

    #[test]
    fn rules_that_no_engine_can_keep_are_refused() {
        let of = |rules: Vec<BreakerRule>| Breakers { rules, ..Breakers::default() }.check();
        let good = rule(Trigger::Gaps, 0, BreakerLevel::Halted);
        assert_eq!(of(vec![good; BREAKERS_MAX]), Ok(()));
        assert_eq!(of(vec![good; BREAKERS_MAX + 1]), Err(BreakerError::Rules(BREAKERS_MAX + 1)));
        assert_eq!(of(vec![good, BreakerRule { window: Nanos::ZERO, ..good }]), Err(BreakerError::NoTime(1)));
        let nowhere = BreakerRule { level: BreakerLevel::Normal, ..good };
        assert_eq!(of(vec![nowhere]), Err(BreakerError::NoLevel(0)));
        let loss = LossLimits { confirm: 0, ..LossLimits::default() };
        assert_eq!(Breakers { loss, ..Breakers::default() }.check(), Err(BreakerError::Confirm));
    }
}
