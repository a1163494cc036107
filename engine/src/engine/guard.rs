//! Circuit breakers, losses and warnings: what of the engine's state restrains it, and what a person is told of.

use model::{BreakerCause, BreakerLevel, CommandKind, HaltReason, InstrumentId, Usd};

use super::{Engine, Outbox};
use crate::breaker::{Alarm, MEASURES, Measure, Steps, Trigger};
use crate::instruments::InstrumentChange;
use crate::limits::ALARMS_PER_INPUT;
use crate::risk::{DropReason, RiskReject};
use crate::strategy::{Intent, Strategy};

/// What was warned of.
pub(super) struct Warned {
    /// Of the whole, by measure.
    whole: [Steps; MEASURES],
    /// Of each instrument's position.
    positions: Vec<Steps>,
}

impl Warned {
    pub(super) fn new(instruments: usize) -> Warned {
        Warned { whole: Default::default(), positions: vec![Steps::default(); instruments] }
    }
}

/// What an alarm says of a halt.
const fn cause_of(reason: HaltReason) -> BreakerCause {
    match reason {
        HaltReason::Operator => BreakerCause::Operator,
        HaltReason::Shutdown => BreakerCause::Shutdown,
        HaltReason::Journal => BreakerCause::Journal,
        HaltReason::Loss => BreakerCause::Loss,
        HaltReason::Drawdown => BreakerCause::Drawdown,
        HaltReason::Reconciliation => BreakerCause::Reconciliation,
        HaltReason::Overflow => BreakerCause::Overflow,
        HaltReason::Killed => BreakerCause::Kill,
        HaltReason::RejectRate | HaltReason::Breaker => BreakerCause::Rejects,
    }
}

impl<S: Strategy> Engine<S> {
    pub(super) fn alarm(&mut self, alarm: Alarm) {
        self.stats.alarms += 1;
        if self.alarms.len() < ALARMS_PER_INPUT {
            self.alarms.push(alarm);
        }
    }

    /// Has the journal know the day's best P&L.
    pub(super) fn note_best(&mut self, best: Option<Usd>) {
        if let Some(pnl) = best
            && self.alarms.len() < ALARMS_PER_INPUT
        {
            self.alarms.push(Alarm::Best { pnl });
        }
    }

    /// Says that trading is halted.
    pub(super) fn alarm_of_halt(&mut self, reason: HaltReason) {
        // A breaker that halts has said why.
        if reason != HaltReason::Breaker {
            self.alarm(Alarm::Breaker { level: BreakerLevel::Halted, cause: cause_of(reason) });
        }
    }

    /// Restrains trading where it is not restrained more already.
    #[cold]
    pub(super) fn trip(&mut self, level: BreakerLevel, cause: BreakerCause) {
        if level == BreakerLevel::Halted {
            if !self.must_be_flat_of_orders() {
                self.alarm(Alarm::Breaker { level, cause });
                self.halt(HaltReason::Breaker);
            }
        } else if self.breaker.raise(level, cause) {
            self.alarm(Alarm::Breaker { level, cause });
            if level >= BreakerLevel::CancelOnly {
                self.gate.flush_all(DropReason::Halted);
            }
            self.tell_all(None, InstrumentChange::Breaker { level });
        }
    }

    /// Counts an event for the rules.
    #[inline]
    pub(super) fn trigger(&mut self, trigger: Trigger) {
        if let Some((level, cause)) = self.breaker.count(self.now, trigger) {
            self.trip(level, cause);
        }
    }

    /// Counts the messages that this input caused.
    #[inline]
    pub(super) fn count_messages(&mut self, out: &Outbox) {
        for _ in out.commands() {
            if let Some((level, cause)) = self.breaker.on_message(self.now) {
                self.trip(level, cause);
            }
        }
    }

    /// Notes the middles that requests of this input were decided at: none of them waits for it, and no command hangs on it.
    #[inline]
    pub(super) fn note_decided(&mut self, out: &Outbox) {
        for approved in out.commands() {
            let command = approved.command();
            if let CommandKind::New { token, .. } | CommandKind::Replace { token, .. } = command.kind {
                let mid2 = self.top(command.instrument).mid2();
                self.orders.decided_at(token, mid2);
            }
        }
    }

    /// Looks at the P&L: after each fill and each mark, and when a loss wants confirming.
    #[inline]
    pub(super) fn check_loss(&mut self) {
        let pnl = self.positions.pnl();
        if self.loss.is_quiet(pnl) {
            return;
        }
        let beyond = self.loss.look(pnl, self.stats.inputs, self.now);
        // Where there is no room for it, it is said with the next input.
        if self.alarms.len() < ALARMS_PER_INPUT {
            let best = self.loss.best_to_say(pnl);
            self.note_best(best);
        }
        self.warn_of_loss(pnl);
        let warned =
            [Measure::Loss, Measure::Drawdown].iter().any(|m| self.warned.whole[*m as usize].is_said());
        self.loss.settle(warned);
        if let Some(cause) = beyond
            && !self.must_be_flat_of_orders()
        {
            self.halt(match cause {
                BreakerCause::Drawdown => HaltReason::Drawdown,
                _ => HaltReason::Loss,
            });
        }
    }

    #[inline]
    fn warn_of_loss(&mut self, pnl: Usd) {
        let most = self.gate.limits().max_daily_loss.0;
        self.warn(Measure::Loss, pnl.0.saturating_neg(), most);
        if let Some((lost, most)) = self.loss.drawdown(pnl) {
            self.warn(Measure::Drawdown, lost, most);
        }
    }

    #[inline]
    fn warn(&mut self, measure: Measure, value: i64, limit: i64) {
        if let Some(percent) = self.warned.whole[measure as usize].look(value, limit) {
            self.alarm(Alarm::Warning { measure, instrument: None, percent, value, limit });
        }
    }

    /// Looks at the limits that hang on what has changed of instruments.
    #[inline]
    pub(super) fn look_at_touched(&mut self) {
        while let Some(id) = self.orders.take_touched() {
            let (e, p) = (self.orders.exposure(id), self.positions.of(id));
            let (shares, mark) = (p.shares, p.mark);
            let instrument = self.instruments.of(id).instrument;
            if self.gate.refresh(&instrument, (shares, mark), e).is_err() {
                self.halt(HaltReason::Overflow);
            }
            let open = |shares: u64| i64::try_from(shares).unwrap_or(i64::MAX);
            let up = shares.saturating_add(open(e.buy));
            let down = open(e.sell).saturating_sub(shares);
            let (value, limit) = (up.max(down), self.gate.bounds(id).position);
            if let Some(percent) = self.warned.positions[id.index()].look(value, limit) {
                let (measure, instrument) = (Measure::Position, Some(id));
                self.alarm(Alarm::Warning { measure, instrument, percent, value, limit });
            }
        }
        let open = self.orders.open() as i64;
        self.warn(Measure::OpenOrders, open, self.gate.limits().max_open_orders.into());
        if let Some([gross, net]) = self.gate.worth() {
            self.warn(Measure::GrossNotional, gross.0, gross.1);
            self.warn(Measure::NetNotional, net.0, net.1);
        }
    }

    /// What a refusal restrains beyond the request it is of, if anything.
    #[cold]
    pub(super) fn on_grave_refusal(&mut self, intent: &Intent, why: RiskReject) {
        match why {
            // A strategy that runs into a limit of the whole has lost count of it.
            RiskReject::GrossNotional | RiskReject::NetNotional | RiskReject::OpenOrders => {
                self.trip(self.on_exposure, BreakerCause::Exposure);
            }
            // A pause of the whole strategy: it is its row of orders that led there.
            RiskReject::Impact => self.trip(BreakerLevel::CancelOnly, BreakerCause::Impact),
            RiskReject::Repeated => {
                let instrument = match *intent {
                    Intent::New { instrument, .. } => Some(instrument),
                    Intent::Replace { order, .. } => self.orders.get(order).map(|o| o.instrument),
                    Intent::Reduce { .. } | Intent::Cancel { .. } => None,
                };
                if let Some(id) = instrument.filter(|id| self.gate.disable(*id)) {
                    self.alarm(Alarm::Disabled { instrument: id, cause: BreakerCause::Repeated });
                }
            }
            _ => {}
        }
    }

    /// Has the orders of an instrument canceled that may not be traded any more.
    #[cold]
    pub(super) fn pull(&mut self, id: InstrumentId) {
        let mut from = 0;
        while let Some((slot, o)) = self.orders.next_where(from, |o| {
            o.instrument == id && !o.foreign && !o.is_being_canceled() && !o.is_waiting()
        }) {
            self.orders.change(o.token, |o| o.cancel_wanted = true);
            self.cancels_waiting = true;
            from = slot + 1;
        }
    }
}
