//! What a book may show while its instrument trades: not locked or crossed for long, and no jump of its best prices.
//!
//! One venue's book is never locked or crossed in continuous trading: it would have traded. One that stays so is a wrong book, whatever the sequence
//! numbers say. Before the open, in halts and in auctions it is normal, so a book is watched only while its instrument is in continuous trading.
//!
//! ```text
//!              bid >= offer              for max_locked
//!   proper ------------------> locked -------------------> Stale, Locked  --- bid < offer ---> proper
//!      |       bid > offer               for max_crossed
//!      +---------------------> crossed ------------------> Stale, Crossed --- bid <= offer --> locked
//!      |       the reference moved by more than max_jump
//!      +-------------------------------------------------> Stale, PriceBand --- no such jump for jump_rest ---> proper
//! ```
//!
//! # Rules
//!
//! * A book that is crossed is locked too: one that changes between the two does not escape the longer time.
//! * A jump is from the last reference to the next one, however long there was none between. It counts from the first reference on that continuous trading
//!   gave: what a halt, a gap or the night moved is no jump.
//! * Each jump starts `jump_rest` anew. So one that comes back at once (a bad tick) makes no flapping, and nothing latches: a book that stands still, at
//!   whatever price, is trusted again.

use model::{Nanos, Px};
use thiserror::Error;

use crate::book::Top;
use crate::validity::Reason;

/// Limits of what a book may show. Unlike a risk limit, 0 switches a check off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookSanity {
    /// A book crossed for this long is stale.
    pub max_crossed: Nanos,
    /// A book locked or crossed for this long is stale.
    pub max_locked: Nanos,
    /// Furthest step of the reference, 1/100 of a percent.
    pub max_jump_bps: i64,
    /// How long there must have been no such step for the book to be trusted again.
    pub jump_rest: Nanos,
}

impl Default for BookSanity {
    fn default() -> Self {
        BookSanity {
            max_crossed: Nanos::from_millis(100),
            max_locked: Nanos::from_millis(1_000),
            max_jump_bps: 500,
            jump_rest: Nanos::from_millis(1_000),
        }
    }
}

/// Limits that contradict themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SanityError {
    /// A jump that has no rest would not be seen.
    #[error("jump_rest: 0 with max_jump_bps on: a jump would be over as it comes")]
    NoRest,
    /// A share of a price is not negative.
    #[error("max_jump_bps: {0} is negative")]
    Negative(i64),
}

impl BookSanity {
    /// Whether a book can be watched by these. [`Engine::new`](crate::Engine::new) panics where not.
    ///
    /// # Errors
    /// The field and what is wrong with it.
    pub fn check(&self) -> Result<(), SanityError> {
        if self.max_jump_bps < 0 {
            return Err(SanityError::Negative(self.max_jump_bps));
        }
        if self.max_jump_bps != 0 && self.jump_rest == Nanos::ZERO {
            return Err(SanityError::NoRest);
        }
        Ok(())
    }
}

/// Not at any time.
const NEVER: Nanos = Nanos(u64::MAX);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Proper,
    Locked,
    Crossed,
}

/// One instrument's book, watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Whether the instrument is in continuous trading; nothing below means anything where not.
    continuous: bool,
    shape: Shape,
    is_locked_for_long: bool,
    is_crossed_for_long: bool,
    has_jumped: bool,
    locked_due: Nanos,
    crossed_due: Nanos,
    jump_over: Nanos,
    /// The last reference; zero before the first.
    anchor: Px,
}

impl Watch {
    pub(crate) const OFF: Watch = Watch {
        continuous: false,
        shape: Shape::Proper,
        is_locked_for_long: false,
        is_crossed_for_long: false,
        has_jumped: false,
        locked_due: NEVER,
        crossed_due: NEVER,
        jump_over: NEVER,
        anchor: Px::ZERO,
    };

    /// Begins or ends to watch; whoever begins shows it the book next.
    pub(crate) fn set_continuous(&mut self, continuous: bool) {
        if self.continuous != continuous {
            *self = Watch { continuous, ..Watch::OFF };
        }
    }

    /// Looks at the best prices and the reference that they gave. Returns whether anything began or ended.
    #[inline]
    pub(crate) fn look(&mut self, limits: &BookSanity, top: &Top, reference: Option<Px>, now: Nanos) -> bool {
        if !self.continuous {
            return false;
        }
        let shape = if top.bid_qty == 0 || top.ask_qty == 0 || top.bid_px < top.ask_px {
            Shape::Proper
        } else if top.bid_px == top.ask_px {
            Shape::Locked
        } else {
            Shape::Crossed
        };
        let mut changed = false;
        if shape != self.shape {
            self.turn(limits, shape, now);
            changed = true;
        }
        match reference {
            Some(px) if px != self.anchor => changed | self.step(limits, px, now),
            _ => changed,
        }
    }

    #[cold]
    fn turn(&mut self, limits: &BookSanity, shape: Shape, now: Nanos) {
        let was = core::mem::replace(&mut self.shape, shape);
        if shape != Shape::Crossed {
            (self.crossed_due, self.is_crossed_for_long) = (NEVER, false);
        } else {
            self.crossed_due = due(now, limits.max_crossed);
        }
        if shape == Shape::Proper {
            (self.locked_due, self.is_locked_for_long) = (NEVER, false);
        } else if was == Shape::Proper {
            self.locked_due = due(now, limits.max_locked);
        }
    }

    #[inline]
    fn step(&mut self, limits: &BookSanity, px: Px, now: Nanos) -> bool {
        let from = core::mem::replace(&mut self.anchor, px);
        let step = i128::from((px - from).0.abs()) * 10_000;
        let room = i128::from(from.0) * i128::from(limits.max_jump_bps);
        if limits.max_jump_bps == 0 || from == Px::ZERO || step <= room {
            return false;
        }
        (self.has_jumped, self.jump_over) = (true, now.after(limits.jump_rest));
        true
    }

    /// Time passed. Returns whether anything began or ended.
    pub(crate) fn on_time(&mut self, now: Nanos) -> bool {
        let mut changed = false;
        let times = [
            (&mut self.locked_due, &mut self.is_locked_for_long, true),
            (&mut self.crossed_due, &mut self.is_crossed_for_long, true),
            (&mut self.jump_over, &mut self.has_jumped, false),
        ];
        for (due, verdict, becomes) in times {
            if *due <= now {
                (*due, *verdict, changed) = (NEVER, becomes, true);
            }
        }
        changed
    }

    /// When [`Watch::on_time`] is next worth calling.
    #[inline]
    pub(crate) fn due(&self) -> Nanos {
        self.locked_due.min(self.crossed_due).min(self.jump_over)
    }

    /// What is wrong with the book.
    pub(crate) fn verdict(&self) -> Option<Reason> {
        match (self.is_crossed_for_long, self.is_locked_for_long, self.has_jumped) {
            (true, _, _) => Some(Reason::Crossed),
            (_, true, _) => Some(Reason::Locked),
            (_, _, true) => Some(Reason::PriceBand),
            _ => None,
        }
    }

    /// All of it in words that tell any two apart.
    pub(crate) fn words(&self) -> [u64; 5] {
        let flags = [self.continuous, self.is_locked_for_long, self.is_crossed_for_long, self.has_jumped];
        let flags = flags.into_iter().fold(self.shape as u64, |w, f| w << 1 | u64::from(f));
        [flags, self.locked_due.0, self.crossed_due.0, self.jump_over.0, self.anchor.0.cast_unsigned()]
    }
}

fn due(now: Nanos, max: Nanos) -> Nanos {
    if max == Nanos::ZERO { NEVER } else { now.after(max) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BookSanity =
        BookSanity { max_crossed: Nanos(10), max_locked: Nanos(30), max_jump_bps: 100, jump_rest: Nanos(50) };

    fn top(bid: i64, ask: i64) -> Top {
        Top { bid_px: Px(bid), bid_qty: 1, ask_px: Px(ask), ask_qty: 1 }
    }

    fn on() -> Watch {
        let mut w = Watch::OFF;
        w.set_continuous(true);
        w
    }

    /// What is wrong at a time, and whether that or a time changed.
    fn at(w: &mut Watch, now: u64) -> Option<Reason> {
        w.on_time(Nanos(now));
        w.verdict()
    }

    #[test]
    fn limits_that_cannot_be_are_refused() {
        assert_eq!(BookSanity::default().check(), Ok(()));
        let off = BookSanity { max_jump_bps: 0, jump_rest: Nanos::ZERO, ..LIMITS };
        assert_eq!(off.check(), Ok(()));
        assert_eq!(BookSanity { jump_rest: Nanos::ZERO, ..LIMITS }.check(), Err(SanityError::NoRest));
        assert_eq!(BookSanity { max_jump_bps: -1, ..LIMITS }.check(), Err(SanityError::Negative(-1)));
    }

    #[test]
    fn a_book_that_is_crossed_is_locked_too() {
        let mut w = on();
        w.look(&LIMITS, &top(101, 100), None, Nanos(100));
        assert_eq!((at(&mut w, 109), w.due()), (None, Nanos(110)));
        assert_eq!((at(&mut w, 110), w.due()), (Some(Reason::Crossed), Nanos(130)));
        assert!(w.look(&LIMITS, &top(100, 100), None, Nanos(120)));
        assert_eq!(w.verdict(), None, "not crossed any more");
        assert!(w.look(&LIMITS, &top(101, 100), None, Nanos(125)));
        assert_eq!(at(&mut w, 129), None);
        assert_eq!(at(&mut w, 130), Some(Reason::Locked), "since 100, whatever between");
        assert_eq!(at(&mut w, 135), Some(Reason::Crossed));
        w.look(&LIMITS, &Top { bid_qty: 0, ..top(0, 100) }, None, Nanos(140));
        assert_eq!((w.verdict(), w.due()), (None, NEVER), "one side is no lock");
    }

    #[test]
    fn a_jump_is_over_when_there_was_none_for_its_rest() {
        let mut w = on();
        assert!(!w.look(&LIMITS, &top(9_999, 10_001), Some(Px(10_000)), Nanos(1)), "the first is none");
        assert!(!w.look(&LIMITS, &top(9_999, 10_201), Some(Px(10_100)), Nanos(2)), "just one percent");
        w.look(&LIMITS, &top(0, 0), None, Nanos(3));
        assert!(w.look(&LIMITS, &top(9_997, 9_999), Some(Px(9_998)), Nanos(4)), "from the last there was");
        assert_eq!((at(&mut w, 53), w.due()), (Some(Reason::PriceBand), Nanos(54)));
        // A bad tick that goes back.
        w.look(&LIMITS, &top(11_000, 11_002), Some(Px(11_001)), Nanos(20));
        w.look(&LIMITS, &top(9_997, 9_999), Some(Px(9_998)), Nanos(21));
        assert_eq!(at(&mut w, 70), Some(Reason::PriceBand));
        assert_eq!((at(&mut w, 71), w.due()), (None, NEVER));
    }

    #[test]
    fn nothing_is_watched_outside_continuous_trading() {
        let mut w = on();
        w.look(&LIMITS, &top(101, 100), Some(Px(100)), Nanos(1));
        at(&mut w, 11);
        w.set_continuous(false);
        assert_eq!((w, w.verdict(), w.due()), (Watch::OFF, None, NEVER));
        assert!(!w.look(&LIMITS, &top(102, 100), Some(Px(500)), Nanos(12)));
        assert_eq!(w, Watch::OFF);
    }

    #[test]
    fn zero_switches_off() {
        let limits = BookSanity {
            max_crossed: Nanos::ZERO,
            max_locked: Nanos::ZERO,
            max_jump_bps: 0,
            jump_rest: Nanos::ZERO,
        };
        let mut w = on();
        w.look(&limits, &top(101, 100), Some(Px(100)), Nanos(1));
        w.look(&limits, &top(901, 900), Some(Px(900)), Nanos(2));
        assert_eq!((at(&mut w, 1 << 60), w.due()), (None, NEVER));
    }
}
