//! Price levels: where each lives, and which are in use.
//!
//! ```text
//!   ids   0 ............................................ homes | homes ........................ homes + spare
//!         64 for each instrument and side; which of the 64 is    for a price whose home holds another price;
//!         computed from the price: (cents + fraction) % 64       found through the side's order index
//! ```
//!
//! The touched prices of a side span a few dozen ticks, so nearly every level lives at its home: an add reaches it
//! straight from the message, without a search.
//!
//! A level is `listed` while the order index of its side holds its key. One that runs out of orders **stays listed** (a zombie):
//! it is likely to be used again, and unlisting costs a search. The top of the book passing it, or a sweep, unlists it.

use model::{InstrumentId, Side};

/// No level.
pub(super) const NONE: u32 = u32::MAX;

/// Home levels of a side.
pub(super) const WINDOW: usize = 64;

const SIDE: u8 = 1;
const LISTED: u8 = 2;

/// One price of one side of one book. Two to a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Level {
    /// Shares displayed.
    pub qty: u64,
    /// Live orders; 0 and listed is a zombie.
    pub count: u32,
    /// Its price as a [`key`].
    pub key: u32,
    /// The queue's last chunk.
    pub tail: u32,
    /// Chunks of the queue, at least 1: a level's first chunk is its own for ever.
    pub chunks: u32,
    /// The reference queued last, [`NONE`] where that is not known or does not fit. Of a free spare level: the next free one.
    pub last: u32,
    /// Whose book.
    pub instrument: u16,
    flags: u8,
    /// Entries in the last chunk.
    pub tail_len: u8,
}

const _: () = assert!(size_of::<Level>() == 32);

impl Level {
    const EMPTY: Level = Level {
        qty: 0,
        count: 0,
        key: 0,
        tail: NONE,
        chunks: 1,
        last: NONE,
        instrument: 0,
        flags: 0,
        tail_len: 0,
    };

    #[inline]
    pub(super) fn side(&self) -> Side {
        if self.flags & SIDE == 0 { Side::Buy } else { Side::Sell }
    }

    #[inline]
    pub(super) fn is_listed(&self) -> bool {
        self.flags & LISTED != 0
    }
}

/// A price as a key that is larger where the price is better, on both sides.
#[inline]
pub(super) fn key(side: Side, price: u32) -> u32 {
    // All bits of a sell's price are turned; not by a branch, for sides come as they like.
    price ^ (side as u32).wrapping_neg()
}

/// The price of a [`key`].
#[inline]
pub(super) fn price(side: Side, key: u32) -> u32 {
    // Its own inverse.
    self::key(side, key)
}

/// All levels of all books. See the module.
pub(super) struct Levels {
    all: Vec<Level>,
    homes: usize,
    free: u32,
}

impl Levels {
    /// `spare` levels beside the homes of `instruments`.
    pub(super) fn new(instruments: usize, spare: usize) -> Levels {
        let homes = instruments * 2 * WINDOW;
        let mut all = Vec::with_capacity(homes + spare);
        for side in 0..instruments * 2 {
            let flags = if side % 2 == 0 { 0 } else { SIDE };
            for _ in 0..WINDOW {
                let tail = all.len() as u32;
                all.push(Level { instrument: (side / 2) as u16, flags, tail, ..Level::EMPTY });
            }
        }
        Levels { all, homes, free: NONE }
    }

    pub(super) fn clear(&mut self) {
        self.all.truncate(self.homes);
        self.free = NONE;
        for id in 0..self.homes as u32 {
            self.unlist(id);
        }
    }

    /// Levels there ever were, free ones included.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    #[inline]
    pub(super) fn home(id: InstrumentId, side: Side, price: u32) -> u32 {
        let window = (id.index() * 2 + side as usize) * WINDOW;
        (window + ((price / 100 + price % 100) as usize & (WINDOW - 1))) as u32
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> &Level {
        &self.all[id as usize]
    }

    /// A level; in the place of one that is none, another, without a branch. There is one where there is an instrument.
    #[inline]
    pub(super) fn near(&self, id: u32) -> &Level {
        &self.all[(id as usize).min(self.all.len() - 1)]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> &mut Level {
        &mut self.all[id as usize]
    }

    /// A free spare level, or `None`.
    pub(super) fn take_spare(&mut self) -> Option<u32> {
        if self.free != NONE {
            let id = self.free;
            self.free = self.get(id).last;
            return Some(id);
        }
        if self.all.len() == self.all.capacity() {
            return None;
        }
        let id = self.all.len() as u32;
        self.all.push(Level { tail: id, ..Level::EMPTY });
        Some(id)
    }

    /// Gives a level that is not listed to a price.
    pub(super) fn list(&mut self, id: u32, instrument: InstrumentId, side: Side, key: u32) {
        let level = self.get_mut(id);
        level.key = key;
        level.instrument = instrument.0;
        level.flags = side as u8 | LISTED;
        level.last = NONE;
    }

    /// An empty level leaves the order index.
    pub(super) fn unlist(&mut self, id: u32) {
        let (spare, free) = (id as usize >= self.homes, self.free);
        let level = self.get_mut(id);
        *level = Level { instrument: level.instrument, flags: level.flags & SIDE, tail: id, ..Level::EMPTY };
        if spare {
            level.last = free;
            self.free = id;
        }
    }
}
