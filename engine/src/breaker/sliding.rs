//! How much came lately, in constant memory.

use model::Nanos;

use crate::hash::StateHash;

const SLOTS: usize = 17;

/// Counts what came within a span of time. It is kept in sixteenths of the span, and the one under way counts beside sixteen whole ones: never less than the
/// span, and at most a sixteenth more.
#[derive(Clone, Debug)]
pub(crate) struct Sliding {
    width: u64,
    slots: [u32; SLOTS],
    /// The number of the newest slot since the epoch, and the time at which it ends: a division a message is more than all the rest of this.
    at: u64,
    ends: u64,
    total: u64,
}

impl Sliding {
    pub(crate) fn new(span: Nanos) -> Sliding {
        Sliding { width: span.0.div_ceil(16).max(1), slots: [0; SLOTS], at: 0, ends: 0, total: 0 }
    }

    #[inline]
    fn go_to(&mut self, now: Nanos) {
        if now.0 >= self.ends {
            self.roll(now);
        }
    }

    #[cold]
    fn roll(&mut self, now: Nanos) {
        let at = now.0 / self.width;
        // A step back in time is no step.
        let passed = at.saturating_sub(self.at);
        for k in 0..passed.min(SLOTS as u64) {
            let slot = &mut self.slots[((self.at + 1 + k) % SLOTS as u64) as usize];
            self.total -= u64::from(core::mem::take(slot));
        }
        self.at += passed;
        self.ends = (self.at + 1).saturating_mul(self.width);
    }

    /// One more; returns how many there are now.
    pub(crate) fn count(&mut self, now: Nanos) -> u64 {
        self.go_to(now);
        let slot = &mut self.slots[(self.at % SLOTS as u64) as usize];
        let before = *slot;
        *slot = before.saturating_add(1);
        self.total += u64::from(*slot - before);
        self.total
    }

    /// How many there are. Moves nothing, so that a question leaves no trace in a state.
    pub(crate) fn total(&self, now: Nanos) -> u64 {
        if now.0 < self.ends {
            return self.total;
        }
        let passed = (now.0 / self.width).saturating_sub(self.at);
        let left = (SLOTS as u64).saturating_sub(passed);
        // Backwards from the newest.
        (0..left).map(|k| u64::from(self.slots[((self.at + SLOTS as u64 - k) % SLOTS as u64) as usize])).sum()
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.slots = [0; SLOTS];
        self.total = 0;
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        h.word(self.at);
        self.slots.iter().for_each(|n| h.word(u64::from(*n)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;

    #[test]
    fn a_slot_is_not_left_before_its_end() {
        let mut sliding = Sliding::new(Nanos(1_600));
        sliding.count(Nanos(5_050));
        assert_eq!(sliding.ends, 5_100, "of 100 ns each");
    }

    #[test]
    fn it_counts_from_the_first_nanosecond_on() {
        let mut sliding = Sliding::new(Nanos(1_600));
        assert_eq!([50, 90, 110].map(|at| sliding.count(Nanos(at))), [1, 2, 3]);
        assert_eq!([150, 250, 1_650, 1_700, 1_800].map(|at| sliding.total(Nanos(at))), [3, 3, 3, 1, 0]);
    }

    #[test]
    fn what_was_counted_and_when_is_of_the_state() {
        let of = |at: &[u64]| {
            let mut sliding = Sliding::new(Nanos(1_600));
            for at in at {
                sliding.count(Nanos(*at));
            }
            sliding
        };
        all_differ(
            &[of(&[]), of(&[5_000]), of(&[5_000, 5_000]), of(&[5_300]), of(&[5_000, 5_300])],
            Sliding::absorb,
        );
    }

    #[test]
    fn it_counts_at_least_the_span_and_at_most_a_sixteenth_more() {
        let span = 1_600u64;
        let mut sliding = Sliding::new(Nanos(span));
        let (mut all, mut now, mut draw) = (Vec::new(), 1_000_000u64, 7u64);
        for _ in 0..20_000 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now += (draw >> 33) % 90;
            if draw >> 60 == 0 {
                now += 5 * span;
            }
            let total = sliding.count(Nanos(now));
            all.push(now);
            let within = |span: u64| all.iter().rev().take_while(|at| now - **at < span).count() as u64;
            assert!(within(span) <= total && total <= within(span + span / 16), "{total} at {now}");
            let later = now + (draw >> 40) % (2 * span);
            let mut moved = sliding.clone();
            moved.go_to(Nanos(later));
            assert_eq!(sliding.total(Nanos(later)), moved.total, "asking is as moving there");
        }
        // Back in time is no step, and a slot that is full stays so.
        assert!(sliding.total(Nanos(0)) > 0);
        assert_eq!(sliding.total(Nanos(now + 2 * span)), 0);
        sliding.count(Nanos(now + 2 * span));
        sliding.clear();
        assert_eq!(sliding.total(Nanos(now + 2 * span)), 0);
    }
}
