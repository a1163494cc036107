//! What one input caused: approved commands and refusals, bounded and allocated once.

use crate::breaker::Alarm;
use crate::limits::{ALARMS_PER_INPUT, COMMANDS_PER_INPUT, DROPPED_PER_INPUT};
use crate::risk::{Approved, Dropped, RiskReject};
use crate::strategy::Intent;
use crate::validity::{Reason, Scope, Transition};
use model::{FeedId, InstrumentId, Validity};

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
    transitions: Vec<Transition>,
    dropped: Vec<Dropped>,
    alarms: Vec<Alarm>,
}

/// Requests dropped of one input: what a release drops, one for each intent that puts another in its place or cancels it, and one whose token is not ours.
const DROPPED_MAX: usize = DROPPED_PER_INPUT + COMMANDS_PER_INPUT + 1;

/// Changes of validity kept of one input: an instrument's own few, and one for each way in which the instruments of a feed went.
const TRANSITIONS_MAX: usize = 32;

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            commands: Vec::with_capacity(COMMANDS_PER_INPUT),
            refusals: Vec::with_capacity(COMMANDS_PER_INPUT),
            transitions: Vec::with_capacity(TRANSITIONS_MAX),
            dropped: Vec::with_capacity(DROPPED_MAX),
            alarms: Vec::with_capacity(ALARMS_PER_INPUT),
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

    /// The changes of validity, in order: at most 32 an input; [`Instruments::transitions`](crate::Instruments::transitions) counts all.
    #[must_use]
    pub fn transitions(&self) -> &[Transition] {
        &self.transitions
    }

    /// The requests that waited and will not be sent, in order.
    #[must_use]
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// What a person has to hear of, in order: at most [`ALARMS_PER_INPUT`] an input; [`EngineStats::alarms`](super::EngineStats::alarms) counts all.
    #[must_use]
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// Whether there is nothing in it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
            && self.refusals.is_empty()
            && self.transitions.is_empty()
            && self.dropped.is_empty()
            && self.alarms.is_empty()
    }

    /// Empties it.
    #[inline]
    pub fn clear(&mut self) {
        self.commands.clear();
        self.refusals.clear();
        self.transitions.clear();
        self.dropped.clear();
        self.alarms.clear();
    }

    /// How many intents may still be carried out: each is a command at most, and drops one request at most.
    pub(super) fn room(&self) -> usize {
        (COMMANDS_PER_INPUT - self.commands.len()).min(DROPPED_MAX - self.dropped.len())
    }

    pub(super) fn send(&mut self, a: Approved) {
        assert!(self.commands.len() < COMMANDS_PER_INPUT, "one input's commands are bounded");
        self.commands.push(a);
    }

    /// Notes a change of one instrument's validity that it does not share with its feed.
    pub(super) fn turn(&mut self, id: InstrumentId, to: Validity, reason: Reason) {
        self.note(Transition { scope: Scope::Instrument(id), to, reason });
    }

    /// Notes one of several changes that the instruments of a feed share.
    pub(super) fn turn_with(&mut self, feed: FeedId, to: Validity, reason: Reason) {
        for t in &mut self.transitions {
            if let Scope::Feed { feed: f, instruments } = &mut t.scope
                && (*f, t.to, t.reason) == (feed, to, reason)
            {
                *instruments += 1;
                return;
            }
        }
        self.note(Transition { scope: Scope::Feed { feed, instruments: 1 }, to, reason });
    }

    fn note(&mut self, t: Transition) {
        if self.transitions.len() < TRANSITIONS_MAX {
            self.transitions.push(t);
        }
    }

    /// Takes over the alarms of an input.
    #[cold]
    pub(super) fn alarm(&mut self, alarms: &mut Vec<Alarm>) {
        let room = ALARMS_PER_INPUT - self.alarms.len();
        self.alarms.extend(alarms.drain(..).take(room));
    }

    pub(super) fn drop(&mut self, d: Dropped) {
        assert!(self.dropped.len() < DROPPED_MAX, "what one input drops is bounded");
        self.dropped.push(d);
    }

    pub(super) fn refuse(&mut self, intent: Intent, why: RiskReject) {
        if self.refusals.len() < COMMANDS_PER_INPUT {
            self.refusals.push(Refusal { intent, why });
        }
    }
}
