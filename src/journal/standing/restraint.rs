//! What restrains trading, as a journal tells it, and as a start gives it to the next engine.

use std::collections::BTreeSet;

use engine::Alarm;
use model::{BreakerCause, BreakerLevel, Control, HaltReason};
use serde::{Deserialize, Serialize};

use super::super::Record;

/// What a person, a limit or a breaker has restrained and nobody has resumed. What ends with the process (a shutdown, a journal that took no more) and what has a latch of its own
/// (a kill) is not among it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restraint {
    /// The cause of the halt that stands, as [`BreakerCause`] has it.
    halted: Option<u8>,
    /// Below a halt: the level that stands, and its cause.
    level: Option<(u8, u8)>,
    /// Instruments that are not traded until a person resumes.
    disabled: BTreeSet<u16>,
    /// The strategy is taken off trading.
    declutched: bool,
}

impl Restraint {
    /// What stands of it in words, the gravest first.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.halted().map(|cause| format!("halted ({})", cause.word())));
        words.extend(self.level().map(|(level, cause)| format!("{} ({})", level.word(), cause.word())));
        if !self.disabled.is_empty() {
            words.push(format!("{} instruments disabled", self.disabled.len()));
        }
        words.extend(self.declutched.then(|| "clutch out".to_owned()));
        words
    }

    /// Nothing restrains.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Restraint::default()
    }

    /// The inputs that restrain another engine as this one was. An instrument that was disabled has none of its own: there the whole core only reduces, until a person resumes.
    #[must_use]
    pub fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut level = self.level();
        if !self.disabled.is_empty() && level.is_none() {
            level = Some((BreakerLevel::ReduceOnly, BreakerCause::Repeated));
        }
        controls.extend(level.map(|(level, cause)| Control::Trip { level, cause }));
        controls.extend(self.halted().map(|cause| match cause {
            BreakerCause::Operator => Control::Halt(HaltReason::Operator),
            BreakerCause::Loss => Control::Halt(HaltReason::Loss),
            BreakerCause::Drawdown => Control::Halt(HaltReason::Drawdown),
            BreakerCause::Reconciliation => Control::Halt(HaltReason::Reconciliation),
            BreakerCause::Overflow => Control::Halt(HaltReason::Overflow),
            cause => Control::Trip { level: BreakerLevel::Halted, cause },
        }));
        controls.extend(self.declutched.then_some(Control::Clutch { engaged: false }));
        controls
    }

    pub(super) fn on_record(&mut self, record: &Record) {
        match *record {
            Record::Alarm(Alarm::Breaker { level: BreakerLevel::Normal, .. }) => {
                *self = Restraint { declutched: self.declutched, ..Restraint::default() };
            }
            Record::Alarm(Alarm::Breaker { cause, .. }) if ends_with_the_process(cause) => {}
            Record::Alarm(Alarm::Breaker { level: BreakerLevel::Halted, cause }) => {
                // Of two halts the later is the graver, but for a person's, which any other stands above.
                let stays = self.halted.filter(|_| cause == BreakerCause::Operator);
                self.halted = stays.or(Some(cause as u8));
            }
            Record::Alarm(Alarm::Breaker { level, cause }) => {
                let raised = (level as u8, cause as u8);
                self.level = self.level.filter(|standing| standing.0 >= raised.0).or(Some(raised));
            }
            Record::Alarm(Alarm::Disabled { instrument, .. }) => {
                self.disabled.insert(instrument.0);
            }
            Record::Control { control: Control::Clutch { engaged }, .. } => self.declutched = !engaged,
            _ => {}
        }
    }

    fn halted(&self) -> Option<BreakerCause> {
        self.halted.and_then(cause_of)
    }

    fn level(&self) -> Option<(BreakerLevel, BreakerCause)> {
        let (level, cause) = self.level?;
        Some((*BreakerLevel::ALL.get(usize::from(level))?, cause_of(cause)?))
    }

    /// Whether its codes are ones that this version knows.
    pub(super) fn is_understood(&self) -> bool {
        self.halted.is_none_or(|c| cause_of(c).is_some()) && (self.level.is_none() || self.level().is_some())
    }
}

fn cause_of(code: u8) -> Option<BreakerCause> {
    BreakerCause::ALL.into_iter().find(|c| *c as u8 == code)
}

/// Causes that the next process does not have, or finds by itself.
const fn ends_with_the_process(cause: BreakerCause) -> bool {
    matches!(
        cause,
        BreakerCause::Shutdown
            | BreakerCause::Kill
            | BreakerCause::Journal
            | BreakerCause::Disk
            | BreakerCause::Heartbeat
    )
}
