//! Memory asked for before it is needed.
//!
//! What one message touches is a chain: directory, slot, level, top, queue, each address known only when the word before it has come. On a book beyond
//! the caches that chain is most of a message's time. Of a run of messages the chains are independent, so here all first lines are asked for
//! one behind the other, then all second ones: the processor waits for them at the same time. Nothing is changed, and nothing that is read
//! is believed; [`super::FlatBooks::apply`] finds the lines in its cache.
//!
//! ```text
//!   run of messages   r r r r ...   directory, top, home level   d d d d ...   slot   s s s s ...   level, or queue of an add
//! ```
//!
//! Asked for by prefetches, not read: a load that waits holds the processor's queue, and of loads so many are under way only as fit into it. On the big day of `benches/book.rs`
//! by 32, a message took 0.65 of what it took with loads.

use model::{MarketBody, MarketEvent};

use super::FlatBooks;
use super::levels::{Levels, NONE};
use crate::book::AHEAD;

/// Live orders from which on [`Books::anticipate`](crate::book::Books::anticipate) looks ahead of [`FlatBooks`], for there it pays: what they take is then beyond a core's own caches. Measured by 32 over the days of
/// `benches/book.rs`, ns a message, looking ahead from 4,096 on against not at all: hot (107,000 orders at its end) 60 to 58, bursts 32 to 27; big (from 600,000 on) 103 to 116, one by one 170 to 190.
pub const LOOK_FROM: usize = 1 << 18;

/// What a message names, as far as it is known: what is not named is [`NO_REF`] or [`NONE`], and then some other line is read in its place. Whether
/// something is named is known to no branch predictor, so nothing here branches on it.
#[derive(Clone, Copy)]
struct Named {
    /// The order that it is about.
    order: u64,
    /// The order that it makes.
    made: u64,
    /// The level that it joins.
    level: u32,
}

const NO_REF: u64 = 0;
const NOTHING: Named = Named { order: NO_REF, made: NO_REF, level: NONE };

impl FlatBooks {
    /// Asks for what a run of messages is going to touch: the first [`AHEAD`] of them.
    pub(super) fn touch<'a>(&self, events: impl Iterator<Item = &'a MarketEvent>) {
        // Books in the caches have nothing to wait for, and looking costs its own time. Without an instrument there is no level, not even another one.
        if self.live_orders < LOOK_FROM || self.tops.is_empty() {
            return;
        }
        let mut named = [NOTHING; AHEAD];
        let mut n = 0;
        for (entry, event) in named.iter_mut().zip(events) {
            n += 1;
            let (order, made, level) = match event.body {
                MarketBody::Add { order, side, px, .. } => {
                    (NO_REF, order.0, Levels::home(event.instrument, side, px.0 as u32))
                }
                MarketBody::Execute { order, .. }
                | MarketBody::ExecuteAt { order, .. }
                | MarketBody::Reduce { order, .. }
                | MarketBody::Delete { order } => (order.0, NO_REF, NONE),
                MarketBody::Replace { old, new, .. } => (old.0, new.0, NONE),
                _ => (NO_REF, NO_REF, NONE),
            };
            *entry = Named { order, made, level };
            self.refs.fetch_entry(order);
            self.refs.fetch_entry(made);
            prefetch::line(self.levels.near(level));
            if let Some(top) = self.tops.get(event.instrument.index()) {
                prefetch::line(top);
            }
        }
        for named in &named[..n] {
            self.refs.fetch_slot(named.order);
            self.refs.fetch_slot(named.made);
        }
        for named in &named[..n] {
            if named.level == NONE {
                prefetch::line(self.levels.near(self.refs.level_of(named.order)));
            } else {
                self.queues.fetch_end(self.levels.near(named.level));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{InstrumentId, Nanos, Px, Qty, Side, VenueRef};

    use super::*;
    use crate::book::{BookCapacity, Books};

    /// Whatever is named: nothing of it has to be there, and nothing changes.
    #[test]
    fn looking_ahead_changes_nothing_whatever_comes() {
        for instruments in [0, 1, 3] {
            let capacity = BookCapacity { instruments, live_orders: 40, levels: 20, direct_refs: 64 };
            let mut books = FlatBooks::new(&capacity);
            let refs = [0, 1, 33, 63, 64, u64::from(u32::MAX), u64::MAX].map(VenueRef);
            let prices = [0, 100, i64::from(u32::MAX), i64::MIN, i64::MAX].map(Px);
            let mut events = Vec::new();
            for instrument in [0, 1, 2, u16::MAX].map(InstrumentId) {
                for (k, order) in refs.into_iter().enumerate() {
                    let (px, qty) = (prices[k % prices.len()], Qty(1 + k as u32));
                    let side = if k % 2 == 0 { Side::Buy } else { Side::Sell };
                    for body in [
                        MarketBody::Add { order, px, qty, side, mpid: *b"    " },
                        MarketBody::Execute { order, qty, match_number: 1 },
                        MarketBody::Reduce { order, qty },
                        MarketBody::Replace { old: order, new: refs[6 - k], qty, px },
                        MarketBody::Delete { order },
                        MarketBody::Clear,
                    ] {
                        events.push(MarketEvent { ts_event: Nanos::ZERO, instrument, body });
                    }
                }
            }
            for n in 0..events.len() {
                let before = (books.live_orders(), books.hash(InstrumentId(0)), books.stats());
                books.touch(events[n..].iter());
                assert_eq!((books.live_orders(), books.hash(InstrumentId(0)), books.stats()), before);
                books.apply(&events[n]);
            }
        }
    }
}
