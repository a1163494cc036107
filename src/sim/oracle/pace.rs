//! How fast requests leave, counted by hand: no window and no bucket is passed by what is no cancel, and no cancel waits for them.
//!
//! Counted is when a request leaves the engine, by the core's clock, and not when what it came of was received: a venue knows nothing of the latter.

use std::collections::VecDeque;

use model::Token;

use super::ask::Ask;
use super::{Check, Invariant, violated};
use crate::sim::rules::Pacing;

/// So far the engine's time may be behind the core's clock, ns: with what is that old at most it counts by when it was received.
const BEHIND: u64 = crate::agents::BEHIND.0;
const MS: u64 = 1_000_000;
/// A unit, as the bucket is counted: a nanosecond adds as many as come in a second.
const UNIT: i128 = 1_000_000_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: Option<Pacing>,
    /// What left: when, and units.
    sent: VecDeque<(u64, u32)>,
    level: i128,
    filled: u64,
    /// Cancels decided of which the strategy has not been asked.
    canceled: VecDeque<u32>,
    /// Cancels that the strategy has asked for of which it was looked whether they were decided.
    asked: usize,
    /// Requests that took the last room.
    pub(crate) full: u64,
    /// Cancels that left while there was room for nothing else.
    pub(crate) passed: u64,
}

impl Pace {
    pub(crate) fn new(limits: Option<Pacing>) -> Pace {
        let mut pace = Pace {
            limits,
            sent: VecDeque::new(),
            level: 0,
            filled: 0,
            canceled: VecDeque::new(),
            asked: 0,
            full: 0,
            passed: 0,
        };
        pace.forget();
        pace
    }

    /// Another process counts from nothing.
    pub(crate) fn forget(&mut self) {
        self.sent.clear();
        self.filled = 0;
        self.level =
            self.limits.as_ref().and_then(|l| l.bucket).map_or(0, |(_, burst)| UNIT * i128::from(burst));
        self.canceled.clear();
        self.asked = 0;
    }

    /// The engine has decided it.
    pub(crate) fn decided(&mut self, ask: &Ask, now: u64) -> Check {
        if ask.letter == b'X' && ask.qty == 0 {
            self.canceled.push_back(ask.token);
        }
        let Some(limits) = &self.limits else { return Ok(()) };
        let [new, replace, cancel] = limits.weights;
        let units = match ask.letter {
            b'O' => new,
            b'U' => replace,
            _ => cancel,
        };
        if let Some((rate, burst)) = limits.bucket {
            let full = UNIT * i128::from(burst);
            self.level = full.min(self.level + i128::from(rate) * i128::from(now - self.filled));
        }
        self.filled = now;
        let is_cancel = !matches!(ask.letter, b'O' | b'U');
        if is_cancel {
            self.passed += u64::from(self.lacks(new.max(1), now, 0).is_some());
        } else if units > 0
            && let Some(what) = self.lacks(units, now, BEHIND)
        {
            return Err(violated(Invariant::Pace, format!("{ask:?} is sent, and {what}")));
        }
        self.level -= UNIT * i128::from(units);
        self.sent.push_back((now, units));
        self.full += u64::from(!is_cancel && self.lacks(units.max(1), now, 0).is_some());
        Ok(())
    }

    /// What has no room for so many units more, with a clock that is behind by so much at most.
    fn lacks(&mut self, units: u32, now: u64, behind: u64) -> Option<String> {
        let limits = self.limits.as_ref()?;
        let longest = limits.windows.iter().map(|(_, ms)| ms * MS).max().unwrap_or(0);
        while self.sent.front().is_some_and(|(at, _)| at + longest <= now) {
            self.sent.pop_front();
        }
        let need = units + limits.reserve;
        for (limit, ms) in &limits.windows {
            let within = self.sent.iter().rev().take_while(|(at, _)| at + ms * MS > now + behind);
            let sent: u32 = within.map(|(_, units)| units).sum();
            if sent + need > *limit {
                return Some(format!(
                    "{sent} units of {limit} left in the last {ms} ms, {} kept back",
                    limits.reserve
                ));
            }
        }
        let (rate, burst) = limits.bucket?;
        let least = UNIT * i128::from(need) - i128::from(rate) * i128::from(behind);
        let level = self.level;
        (level < least)
            .then(|| format!("the bucket of {burst} has {level}e-9 units, {} kept back", limits.reserve))
    }

    /// Everything that was decided has passed: so have the cancels that the strategy has asked for at once, whatever the limits say.
    pub(crate) fn cancels(&mut self, asked: &[Token]) -> Check {
        for token in &asked[self.asked..] {
            let found = self.canceled.iter().position(|c| *c == token.0);
            let Some(found) = found else {
                let found = format!("the cancel of order {} was asked for, and is not sent", token.0);
                return Err(violated(Invariant::Cancels, found));
            };
            // Between them are those of a sweep.
            self.canceled.drain(..=found);
        }
        self.asked = asked.len();
        self.canceled.clear();
        Ok(())
    }
}
