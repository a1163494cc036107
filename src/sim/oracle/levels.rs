//! Breakers by fills, counted by hand: where more came in a window than a rule allows, trading is restrained at least so far; where fewer came, not by them.
//!
//! Counted is what the strategy has heard of a session that was ready: what a venue tells a process that starts happened long ago. What it tells one whose session was
//! cut may count.

use std::collections::VecDeque;

use model::{BreakerCause, BreakerLevel};

use super::{Check, Invariant, violated};

const MS: u64 = 1_000_000;
/// What the engine's time and the time of a step may differ by, twice, ns.
const MARGIN: u64 = 2 * crate::agents::BEHIND.0;

/// More fills than these in so many milliseconds restrain to a level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FillRule {
    pub(crate) limit: u64,
    pub(crate) ms: u64,
    pub(crate) level: BreakerLevel,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    rules: Vec<FillRule>,
    /// When fills were heard of, and whether they count for sure.
    fills: VecDeque<(u64, bool)>,
    was: BreakerLevel,
}

impl Levels {
    pub(crate) fn new(rules: Vec<FillRule>) -> Levels {
        Levels { rules, ..Levels::default() }
    }

    /// Another process counts from nothing.
    pub(crate) fn forget(&mut self) {
        self.fills.clear();
        self.was = BreakerLevel::Normal;
    }

    /// The strategy has heard of so many fills more, and restrains itself so far; `resumes`: a person's word may have come between.
    pub(crate) fn look(
        &mut self,
        now: u64,
        [sure, told_again]: [u64; 2],
        (level, cause): (BreakerLevel, Option<BreakerCause>),
        resumes: bool,
    ) -> Check {
        let was = std::mem::replace(&mut self.was, level);
        self.fills.extend((0..sure).map(|_| (now, true)));
        self.fills.extend((0..told_again).map(|_| (now, false)));
        if resumes {
            // It forgets what was counted; how much of this came before it is not known.
            self.fills.iter_mut().for_each(|(_, is_sure)| *is_sure = false);
            return Ok(());
        }
        let longest = self.rules.iter().map(|r| r.ms * MS).max().unwrap_or(0);
        while self.fills.front().is_some_and(|(at, _)| at + 2 * longest < now) {
            self.fills.pop_front();
        }
        let within = |span: u64| self.fills.iter().rev().take_while(move |(at, _)| *at + span > now);
        for rule in &self.rules {
            let found = within(rule.ms * MS - MARGIN).filter(|(_, is_sure)| *is_sure).count() as u64;
            if found > rule.limit && level < rule.level {
                let found = format!("{found} fills, more than {rule:?} allows, and the level is {level:?}");
                return Err(violated(Invariant::Restrained, found));
            }
        }
        // The engine counts in sixteenths of a window.
        let by_fills = |rule: &FillRule| within(rule.ms * MS * 9 / 8 + MARGIN).count() as u64 > rule.limit;
        let is_raised = level > was && level < BreakerLevel::Halted;
        if is_raised && cause == Some(BreakerCause::Fills) && !self.rules.iter().any(by_fills) {
            let found = format!("{level:?} by fills, and {} came lately: {:?}", self.fills.len(), self.rules);
            return Err(violated(Invariant::Restrained, found));
        }
        Ok(())
    }
}
