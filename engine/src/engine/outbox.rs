//! What one input caused: approved commands and refusals, bounded and allocated once.

use crate::limits::COMMANDS_PER_INPUT;
use crate::risk::{Approved, RiskReject};
use crate::strategy::Intent;

/// An intent that risk refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked.
    pub intent: Intent,
    /// Why not.
    pub why: RiskReject,
}

/// What one input caused. The caller drains it after each [`Engine::apply`](super::Engine::apply).
#[derive(Debug)]
pub struct Outbox {
    commands: Vec<Approved>,
    refusals: Vec<Refusal>,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            commands: Vec::with_capacity(COMMANDS_PER_INPUT),
            refusals: Vec::with_capacity(COMMANDS_PER_INPUT),
        }
    }
}

impl Outbox {
    /// What may be sent, in order.
    pub fn commands(&self) -> &[Approved] {
        &self.commands
    }

    /// What was refused (at most [`COMMANDS_PER_INPUT`] an input; [`EngineStats::refusals`](super::EngineStats::refusals) counts all).
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Whether there is nothing in it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.refusals.is_empty()
    }

    /// Empties it.
    #[inline]
    pub fn clear(&mut self) {
        self.commands.clear();
        self.refusals.clear();
    }

    pub(super) fn room(&self) -> usize {
        COMMANDS_PER_INPUT - self.commands.len()
    }

    pub(super) fn send(&mut self, a: Approved) {
        assert!(self.room() > 0, "one input's commands are bounded");
        self.commands.push(a);
    }

    pub(super) fn refuse(&mut self, intent: Intent, why: RiskReject) {
        if self.refusals.len() < COMMANDS_PER_INPUT {
            self.refusals.push(Refusal { intent, why });
        }
    }
}
