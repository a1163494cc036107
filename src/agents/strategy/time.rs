//! What time it is, as the engine is told.
//!
//! An input has the time at which it was received. Where this thread was held up, a whole row of them is taken at once, and what the engine counts in windows (a
//! venue's message rate) would let pass in a moment what was meant for all that time. So in front of one that has waited the engine is told what time it is.

use engine::strategy::Strategy;
use model::{Input, Nanos};
use ringbuf::log::Writer;

use super::{Core, INPUT_NEEDS};
use crate::journal::Record;

/// How far the engine's time may be behind, for an input that has waited so long.
pub(crate) const BEHIND: Nanos = Nanos::from_millis(1);

impl<S: Strategy> Core<S> {
    /// Tells the engine what time it is, in front of an input that was received well before that.
    #[inline]
    pub(super) fn catch_up(&mut self, received: Nanos) {
        if self.cycle.since(received) > BEHIND && self.cycle.since(self.engine.now()) > BEHIND {
            self.tell_time(self.cycle);
        }
    }

    #[cold]
    fn tell_time(&mut self, now: Nanos) {
        self.timed = false;
        self.input(now, &Record::Timer { now }, &Input::Timer, now);
    }

    /// Latches trading while the journal can still take the cancels, and gives the engine the time when it asks for it.
    pub(super) fn keep_time(&mut self, now: Nanos) -> usize {
        if self.journal.as_ref().is_some_and(Writer::low) {
            self.latch(now);
        }
        let due = self.engine.next_timer().is_some_and(|at| at <= now);
        if !due || self.room_for(INPUT_NEEDS) == 0 {
            return 0;
        }
        self.tell_time(now);
        1
    }
}
