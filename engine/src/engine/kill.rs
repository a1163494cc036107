//! The kill switch: what it blocks, what it cancels, and when nothing of it lives any more.
//!
//! ```text
//!            Kill { all }                                   Unkill { all }             Resume
//!   trading -------------> halted (killed), resume refused ---------------> halted ----------> trading
//!            Kill { one }                                   Unkill { one }
//!   trading -------------> that instrument gets no orders  ---------------> trading
//! ```
//!
//! A halt for another reason, from before the kill or while it holds, is not lifted with it: unkilled, the core is halted for the gravest of them, or for
//! `operator` where there was none.
//!
//! A kill of all asks each port for a mass cancel, and to take no more orders, as soon as its session is ready; its gateway drops what the protocol cannot say. The
//! sweep cancels order by order beside that, of one instrument it alone does. What a venue replays later is canceled as it is adopted.

use model::{CommandKind, Control, GatewayId, HaltReason, InstrumentId, PortRequest, ReportKind, Token};

use super::halt::gravity;
use super::{Engine, Outbox};
use crate::hash::StateHash;
use crate::instruments::InstrumentChange;
use crate::risk::{DropReason, Flush};
use crate::strategy::Strategy;

/// What is killed.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    all: bool,
    instruments: Vec<bool>,
    count: usize,
    /// The gravest halt that a kill of all stands before: what holds again when the kill is taken back.
    below: Option<HaltReason>,
}

impl Kills {
    pub(super) fn new(instruments: usize) -> Kills {
        Kills { all: false, instruments: vec![false; instruments], count: 0, below: None }
    }

    /// Whether this instrument may get no orders.
    #[inline]
    pub(crate) fn holds(&self, id: InstrumentId) -> bool {
        self.all || (self.count != 0 && self.instruments[id.index()])
    }

    /// Whether all is killed, which no resume lifts.
    pub(super) fn all(&self) -> bool {
        self.all
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        if self.all || self.count != 0 {
            h.word(u64::from(self.all));
            let each = self.instruments.iter().enumerate().filter(|(_, killed)| **killed);
            each.for_each(|(k, _)| h.word(k as u64));
            if let Some(reason) = self.below {
                h.word(reason as u64);
            }
        }
    }

    /// Notes a halt that a kill stands before.
    pub(super) fn hide(&mut self, reason: HaltReason) {
        if self.below.is_none_or(|standing| gravity(reason) > gravity(standing)) {
            self.below = Some(reason);
        }
    }
}

/// Where the kill switch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KillState {
    /// Nothing is killed.
    Off = 0,
    /// Orders within its scope may live.
    Canceling = 1,
    /// Every order within its scope has ended by the venue's word, and every session that could tell of another is ready.
    Flat = 2,
}

impl<S: Strategy> Engine<S> {
    /// Where the kill switch stands. Cost: nothing while it is off; else a pass over the order slots.
    #[must_use]
    pub fn kill_state(&self) -> KillState {
        if !self.kills.all && self.kills.count == 0 {
            return KillState::Off;
        }
        let lives = self.orders.iter().any(|o| !o.foreign && self.kills.holds(o.instrument));
        let tells = |g: usize| self.sessions[g].is_copy || self.sessions[g].ready;
        let told = match self.kills.all {
            true => (0..self.sessions.len()).all(tells),
            false => {
                let killed = |i: &&crate::instruments::InstrumentState| self.kills.holds(i.instrument.id);
                self.instruments.all().iter().filter(killed).all(|i| tells(i.instrument.gateway.index()))
            }
        };
        if lives || !told || self.sweep.is_some() { KillState::Canceling } else { KillState::Flat }
    }

    /// Whether all is killed.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.kills.all
    }

    /// Whether an instrument is killed, alone or with all.
    #[must_use]
    pub fn is_killed_of(&self, id: InstrumentId) -> bool {
        id.index() < self.untold.len() && self.kills.holds(id)
    }

    pub(super) fn on_kill_control(&mut self, control: Control, out: &mut Outbox) {
        match control {
            Control::Kill { instrument: None } => self.kill(),
            Control::Kill { instrument: Some(id) } if id.index() < self.untold.len() => {
                self.kill_instrument(id)
            }
            Control::Unkill { instrument: None } => self.unkill(),
            Control::Unkill { instrument: Some(id) } if id.index() < self.untold.len() => {
                self.unkill_instrument(id);
            }
            Control::NeverSent { token } => self.never_sent(token, out),
            _ => self.unroutable(),
        }
    }

    fn kill(&mut self) {
        self.kills.all = true;
        if let Some(standing) = self.halt.filter(|standing| gravity(*standing) < gravity(HaltReason::Killed))
        {
            self.kills.hide(standing);
        }
        for session in self.sessions.iter_mut().filter(|s| !s.is_copy) {
            session.asks = PORT_ASKS;
        }
        self.halt(HaltReason::Killed);
    }

    fn kill_instrument(&mut self, id: InstrumentId) {
        let killed = core::mem::replace(&mut self.kills.instruments[id.index()], true);
        self.kills.count += usize::from(!killed);
        self.sweep_killed();
        self.tell(id, Some(InstrumentChange::Halt { halted: true }));
    }

    fn unkill(&mut self) {
        if !core::mem::replace(&mut self.kills.all, false) {
            self.stats.controls_refused += 1;
            return;
        }
        self.sessions.iter_mut().for_each(|s| s.asks = 0);
        let below = self.kills.below.take();
        // Trading goes on when a person says that too, and sees what else there was to look at.
        if self.halt == Some(HaltReason::Killed) {
            let standing = below.unwrap_or(HaltReason::Operator);
            self.halt = Some(standing);
            if below.is_some() {
                self.alarm_of_halt(standing);
            }
        }
    }

    fn unkill_instrument(&mut self, id: InstrumentId) {
        if !core::mem::replace(&mut self.kills.instruments[id.index()], false) {
            self.stats.controls_refused += 1;
            return;
        }
        self.kills.count -= 1;
        let halted = self.halt.is_some();
        self.tell(id, Some(InstrumentChange::Halt { halted }));
    }

    /// The gateway held a request back, so the venue will never answer it.
    fn never_sent(&mut self, token: Token, out: &mut Outbox) {
        let Some((order, truth)) = self.orders.change(token, |o| o.on_rejected(token)) else {
            self.stats.controls_refused += 1;
            return;
        };
        if truth.is_err() {
            return self.anomaly();
        }
        self.cancels_waiting |= order.cancel_wanted;
        let kind = ReportKind::Rejected { reason: NEVER_SENT };
        self.call(out, |s, view, intents| s.on_order(view, &order, &kind, intents));
    }

    /// A session became ready while all is killed: what it replayed may live.
    pub(super) fn on_ready_killed(&mut self, gateway: GatewayId) {
        if self.kills.all && !self.sessions[gateway.index()].is_copy {
            self.sessions[gateway.index()].asks = PORT_ASKS;
        }
    }

    /// Whether a port is still to be asked something and can be.
    pub(super) fn has_asks(&self) -> bool {
        self.kills.all && self.sessions.iter().any(|s| s.asks != 0 && s.ready)
    }

    /// Asks ready ports for what a kill wants of them: both requests of a port, or none.
    #[cold]
    pub(super) fn ask_ports(&mut self, out: &mut Outbox, budget: &mut usize) {
        for g in 0..self.sessions.len() {
            let gateway = GatewayId(g as u8);
            while *budget > 0 && self.sessions[g].ready && self.sessions[g].asks != 0 {
                let asks = self.sessions[g].asks;
                let request = match asks == PORT_ASKS {
                    true => PortRequest::MassCancel,
                    false => PortRequest::EntryOff,
                };
                self.sessions[g].asks = asks - 1;
                // Without a token nothing can be asked, and order by order is what is left.
                if let Some(approved) = self.gate.port(self.now, gateway, request) {
                    let CommandKind::Port { token, .. } = approved.command().kind else { continue };
                    self.gate.flush(gateway, Flush { before: token, why: DropReason::TokenPassed });
                    out.send(approved);
                    *budget -= 1;
                }
            }
        }
    }

    /// Tells the strategy of the instruments that stay killed while all others trade again.
    pub(super) fn tell_killed(&mut self) {
        for k in 0..self.kills.instruments.len() {
            if self.kills.instruments[k] {
                self.tell(InstrumentId(k as u16), Some(InstrumentChange::Halt { halted: true }));
            }
        }
    }
}

/// Requests that a kill makes of a port: the mass cancel, then that it takes no more orders.
const PORT_ASKS: u8 = 2;
/// The reason of a refusal that is our own gateway's, as a venue with API keys has it.
const NEVER_SENT: u16 = 65_006;
