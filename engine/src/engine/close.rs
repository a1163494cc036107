//! The end of the day: some time after an instrument's market hours it has to be flat, with nothing held and no order open; what is not is said, an alarm each.
//!
//! ```text
//!   M (or E, C), or the end of the feed's session ---> due = now + flat_after_close ---> every instrument whose hours are over is looked at, once a day
//! ```
//!
//! The venue says that its hours are over on the feed, and what it cancels at the close on another line: the time between is for that. Nothing is traded for it: who may
//! not hold over night has to sell before, and a person has to hear of what was not.

use model::{Canary, InstrumentId, Nanos};

use super::{Engine, Outbox};
use crate::breaker::Alarm;
use crate::hash::StateHash;
use crate::limits::ALARMS_PER_INPUT;
use crate::strategy::Strategy;
use crate::validity::{Phase, Soundness};

/// Never.
const NEVER: Nanos = Nanos(u64::MAX);

/// When instruments have to be flat.
pub(super) struct Close {
    /// After their market hours; `None`: nobody asks.
    within: Option<Nanos>,
    /// When they are looked at next.
    due: Nanos,
    /// The instrument to go on with.
    next: usize,
    /// By feed: its close has been looked at, or will be.
    seen: Vec<bool>,
}

impl Close {
    pub(super) fn new(within: Option<Nanos>, feeds: usize) -> Close {
        Close { within, due: NEVER, next: 0, seen: vec![false; feeds] }
    }

    #[inline]
    pub(super) fn due(&self) -> Nanos {
        self.due
    }

    pub(super) fn absorb(&self, h: &mut StateHash) {
        if self.within.is_some() {
            h.word(self.due.0);
            h.word(self.next as u64);
            self.seen.iter().for_each(|s| h.word(u64::from(*s)));
        }
    }
}

impl<S: Strategy> Engine<S> {
    /// Whether an instrument's hours are over.
    fn is_over(&self, id: InstrumentId) -> bool {
        let over = matches!(
            self.instruments.market(id).phase,
            Phase::MarketOver | Phase::SystemOver | Phase::MessagesOver
        );
        over || self.instruments.of(id).soundness == Soundness::Ended
    }

    /// What a feed said may have ended its market's hours, or begun them anew.
    #[cold]
    pub(super) fn look_for_close(&mut self, feed: usize) {
        let Some(within) = self.close.within else { return };
        let first = self.instruments.all().iter().find(|i| i.instrument.feed.index() == feed);
        let Some(first) = first.map(|i| i.instrument.id) else { return };
        let is_over = self.is_over(first);
        if is_over && !self.close.seen[feed] {
            self.close.due = self.close.due.min(self.now.after(within));
            self.instruments.look_by(self.close.due);
        }
        self.close.seen[feed] = is_over;
    }

    /// Says what is not flat, a part at a time.
    #[cold]
    pub(super) fn on_close_due(&mut self, out: &Outbox) {
        let mut room = ALARMS_PER_INPUT.saturating_sub(self.alarms.len() + out.alarms().len());
        while let Some(state) = self.instruments.all().get(self.close.next) {
            let id = state.instrument.id;
            let (shares, orders) = (self.positions.of(id).shares, self.orders.exposure(id).orders);
            let is_flat = (shares, orders) == (0, 0) || Canary::QuietClose.sings();
            if self.is_over(id) && !is_flat {
                if room == 0 {
                    // The rest with the next input, which is due at once.
                    return;
                }
                room -= 1;
                self.alarm(Alarm::NotFlat { instrument: id, shares, orders });
            }
            self.close.next += 1;
        }
        (self.close.due, self.close.next) = (NEVER, 0);
    }
}
