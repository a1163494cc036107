//! Repeated executions: the same order again and again, each behind a fill of the one before (RTS 6 art. 15(3)).
//!
//! ```text
//!   order of 100 -> filled -> order of 100 -> filled -> order of 100 ...      every arrow back is one repetition
//! ```
//!
//! Knight 2012 sent child orders whose fills nobody counted. A strategy that follows its own fills repeats itself without end; a person has to say that it
//! may go on.

use model::{Canary, InstrumentId, Nanos, Qty, Side};

use super::scopes::RepeatLimit;
use crate::breaker::Sliding;
use crate::hash::StateHash;

/// One side of one instrument.
#[derive(Clone)]
struct Cycle {
    /// The size of its last order.
    qty: Qty,
    /// Whether an order of it has traded since.
    filled: bool,
    repeats: Sliding,
}

/// See the module.
pub(crate) struct Repeats {
    limit: u64,
    /// Two for each instrument; none without a limit.
    cycles: Vec<Cycle>,
}

impl Repeats {
    pub(crate) fn new(limit: Option<RepeatLimit>, instruments: usize) -> Repeats {
        let cycle = |l: RepeatLimit| Cycle { qty: Qty::ZERO, filled: false, repeats: Sliding::new(l.window) };
        Repeats {
            limit: limit.map_or(0, |l| l.count.into()),
            cycles: limit.map_or(Vec::new(), |l| vec![cycle(l); instruments * 2]),
        }
    }

    #[inline]
    fn of(&mut self, id: InstrumentId, side: Side) -> Option<&mut Cycle> {
        self.cycles.get_mut(place(id, side))
    }

    /// One of our orders traded.
    #[inline]
    pub(crate) fn on_fill(&mut self, id: InstrumentId, side: Side) {
        if let Some(c) = self.of(id, side) {
            c.filled = true;
        }
    }

    /// Whether such an order would be one repetition too many.
    #[inline(always)]
    pub(crate) fn is_beyond(&self, id: InstrumentId, side: Side, qty: Qty, now: Nanos) -> bool {
        let cycle = self.cycles.get(place(id, side));
        cycle.is_some_and(|c| c.filled && c.qty == qty && c.repeats.total(now) >= self.limit)
    }

    /// A new order goes.
    #[inline(always)]
    pub(crate) fn on_sent(&mut self, id: InstrumentId, side: Side, qty: Qty, now: Nanos) {
        if let Some(c) = self.of(id, side) {
            if c.filled && c.qty == qty && !Canary::EndlessRepeats.sings() {
                c.repeats.count(now);
            }
            (c.qty, c.filled) = (qty, false);
        }
    }

    /// A person has looked at it.
    pub(crate) fn resume(&mut self) {
        self.cycles.iter_mut().for_each(|c| {
            c.filled = false;
            c.repeats.clear();
        });
    }

    pub(crate) fn absorb(&self, h: &mut StateHash) {
        for c in &self.cycles {
            h.word(u64::from(c.qty.0) << 1 | u64::from(c.filled));
            c.repeats.absorb(h);
        }
    }
}

#[inline]
fn place(id: InstrumentId, side: Side) -> usize {
    id.index() * 2 + usize::from(side == Side::Sell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::all_differ;

    #[test]
    fn size_fill_and_repetitions_are_of_the_state() {
        let limit = RepeatLimit { count: 5, window: Nanos::from_millis(1_000) };
        let id = InstrumentId(0);
        let of = |orders: &[u32], filled| {
            let mut r = Repeats::new(Some(limit), 1);
            for qty in orders {
                r.on_sent(id, Side::Buy, Qty(*qty), Nanos(7));
                r.on_fill(id, Side::Buy);
            }
            r.cycles[0].filled = filled;
            r
        };
        let states = [of(&[], false), of(&[], true), of(&[2], false), of(&[3], false), of(&[2, 2], false)];
        all_differ(&states, Repeats::absorb);
    }

    const BUY: (InstrumentId, Side) = (InstrumentId(1), Side::Buy);

    fn repeats() -> Repeats {
        Repeats::new(Some(RepeatLimit { count: 1, window: Nanos::from_millis(1_000) }), 3)
    }

    fn sends(r: &mut Repeats, (id, side): (InstrumentId, Side), qty: u32) {
        r.on_sent(id, side, Qty(qty), Nanos(7));
    }

    fn is_beyond(r: &Repeats, (id, side): (InstrumentId, Side), qty: u32) -> bool {
        r.is_beyond(id, side, Qty(qty), Nanos(7))
    }

    #[test]
    fn a_repetition_is_of_the_same_size_behind_a_fill() {
        let mut r = repeats();
        // Of other sizes behind their fills, and of the same without one: none repeats.
        for qty in [100, 200, 200] {
            sends(&mut r, BUY, qty);
            if qty == 100 {
                r.on_fill(BUY.0, BUY.1);
            }
        }
        r.on_fill(BUY.0, BUY.1);
        assert!(!is_beyond(&r, BUY, 200), "the first repetition");
        sends(&mut r, BUY, 200);
        assert!(!is_beyond(&r, BUY, 200), "nothing of it has traded");
        r.on_fill(BUY.0, BUY.1);
        assert!(is_beyond(&r, BUY, 200) && !is_beyond(&r, BUY, 300));
        r.resume();
        assert!(!is_beyond(&r, BUY, 200), "a person has looked at it");
        r.on_fill(BUY.0, BUY.1);
        assert!(!is_beyond(&r, BUY, 200), "counted from nothing");
    }

    #[test]
    fn instruments_and_sides_repeat_by_themselves() {
        let all: Vec<_> =
            (0..3).flat_map(|i| [Side::Buy, Side::Sell].map(|s| (InstrumentId(i), s))).collect();
        for one in &all {
            let mut r = repeats();
            for _ in 0..2 {
                sends(&mut r, *one, 100);
                r.on_fill(one.0, one.1);
            }
            for other in &all {
                r.on_fill(other.0, other.1);
                assert_eq!(is_beyond(&r, *other, 100), other == one, "{other:?} after {one:?}");
            }
        }
    }
}
