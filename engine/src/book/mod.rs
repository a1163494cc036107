//! Order books built from a venue's order-by-order feed (level 3): every resting order, every level, the top.
//!
//! ```text
//!   MarketEvent --apply--> [ orders by reference | levels by price | best price first | FIFO in a level ] --> BookChange
//! ```
//!
//! [`Books`] holds the books of all instruments of **one** venue feed, because a message names an order by the venue's
//! reference alone. Two implementations stand under the same tests: [`FlatBooks`], the fast one, and [`NaiveBooks`],
//! ordered maps written to be obviously right. They agree on every returned value, message by message.
//!
//! # Semantics (ITCH 5.0, "Book semantics")
//!
//! * `E`, `C`, `X` take shares off an order where it *rests*; `C`'s own price is only the trade's. At 0 shares the order is gone.
//! * `U` removes the old order entirely and adds the new one at the back of its level, with the side and the
//!   instrument of the old one, even when the price is unchanged.
//! * `P`, `Q`, `B`, `I` and everything administrative leave the book alone ([`Effect::NotBook`]).
//! * Locked and crossed books are normal before the open and in halts; nothing here objects to them.
//!
//! # What a hostile or torn stream does
//!
//! It is counted in [`BookStats`], never invented, never a panic. Checks run in this order, and the first that fails is the [`Effect`]:
//!
//! | message | checks |
//! |---|---|
//! | `A` | instrument in range, price in `0..=u32::MAX`, shares not 0, reference not live, room |
//! | `E` `C` `X` | reference live, shares not 0; more shares than remain removes what remains ([`Effect::OverReduced`]) |
//! | `D` | reference live |
//! | `U` | old reference live (else nothing happens); **the old order is removed**; then the new one passes `A`'s checks or is refused |
//!
//! A refused `U` keeps the removal because the venue has removed the order: a book that shows too little is counted
//! and marked stale; one that shows an order which is gone misleads. `new == old` is legal: the reference is free once the
//! old order is gone. Where a message's instrument differs from its order's, the order's is right and
//! [`BookStats::instrument_mismatches`] counts it.
//!
//! # Capacity
//!
//! Everything is allocated by [`Books::new`]. At [`BookCapacity::live_orders`] or [`BookCapacity::levels`] an add is
//! refused with [`Effect::Capacity`]; from then on that instrument's book lacks an order and must be treated as stale.

mod change;
mod flat;
mod naive;
mod stats;

pub use change::{BookChange, Effect, Level, QueuePosition, RestingOrder, Top, Traded};
pub use flat::{FlatBooks, LOOK_FROM};
pub use naive::NaiveBooks;
pub use stats::{BookStats, UnknownRefs};

use model::{InstrumentId, MarketEvent, Px, Qty, Side, VenueRef};

/// The books that the engine runs on.
pub type Book = FlatBooks;

/// Messages that [`Books::anticipate`] looks at.
pub const AHEAD: usize = 32;

/// What books are sized for. [`FlatBooks`] states what each costs in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookCapacity {
    /// Instruments: ids from 0 to this, exclusive.
    pub instruments: usize,
    /// Orders resting at once, over all instruments.
    pub live_orders: usize,
    /// Price levels with at least one order at once, over all instruments and sides.
    pub levels: usize,
    /// References below this are indexed directly; those at or above go through a bounded hash map.
    pub direct_refs: u64,
}

/// The books of every instrument of one feed.
///
/// Ids out of range are not an error: they have an empty book.
pub trait Books: Sized {
    /// Allocates everything that will ever be needed.
    fn new(capacity: &BookCapacity) -> Self;

    /// Says which messages come next, at most [`AHEAD`] of them: what they will touch may be brought nearer. Changes nothing.
    fn anticipate<'a>(&self, events: impl Iterator<Item = &'a MarketEvent>);

    /// Applies one message. The instrument of `E`, `C`, `X`, `D`, `U` comes from the resting order.
    fn apply(&mut self, ev: &MarketEvent) -> BookChange;

    /// Best prices and the total displayed there. O(1).
    fn top(&self, id: InstrumentId) -> Top;

    /// Fills `out` with the levels of a side, best first, and returns how many. O(levels visited).
    fn depth(&self, id: InstrumentId, side: Side, out: &mut [Level]) -> usize;

    /// A live order.
    fn order(&self, r: VenueRef) -> Option<RestingOrder>;

    /// What stands before an order in its level, or `None` where it is not live. O(orders ahead).
    fn queue_position(&mut self, r: VenueRef) -> Option<QueuePosition>;

    /// Orders resting, over all instruments.
    fn live_orders(&self) -> usize;

    /// A new session: every order gone and every counter zero; memory is kept.
    fn clear(&mut self);

    /// Orders of a side, best price first and in time priority inside a level, until `visit` returns false. O(orders visited).
    fn walk(&self, id: InstrumentId, side: Side, visit: impl FnMut(VenueRef, Px, Qty) -> bool);

    /// The orders at a price in time priority. O(orders visited); [`FlatBooks`] visits those of the level alone.
    fn walk_level(&self, id: InstrumentId, side: Side, at: Px, mut visit: impl FnMut(VenueRef, Qty)) {
        self.for_each_order(id, side, |r, px, qty| {
            if px == at {
                visit(r, qty);
            }
        });
    }

    /// Every order of a side, as [`Books::walk`] has them.
    fn for_each_order(&self, id: InstrumentId, side: Side, mut f: impl FnMut(VenueRef, Px, Qty)) {
        self.walk(id, side, |r, px, qty| {
            f(r, px, qty);
            true
        });
    }

    /// A digest of all levels of an instrument (price, shares, orders; both sides), equal for equal books whatever the
    /// implementation and the history. O(levels).
    fn hash(&self, id: InstrumentId) -> u64;

    /// What was refused or repaired since the start or [`Books::clear`].
    fn stats(&self) -> BookStats;
}

/// The price as a book key's 32 bits, or `None` where it does not fit.
#[inline]
fn price_bits(px: Px) -> Option<u32> {
    u32::try_from(px.0).ok()
}

/// The digest behind [`Books::hash`]: levels of the bids best first, then of the offers.
struct LevelDigest(u64);

impl LevelDigest {
    fn new() -> LevelDigest {
        LevelDigest(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, w: u64) {
        let x = (self.0 ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = x ^ (x >> 29);
    }

    fn level(&mut self, side: Side, price: u32, qty: u64, orders: u32) {
        self.word(u64::from(price) << 1 | side as u64);
        self.word(qty);
        self.word(u64::from(orders));
    }
}
