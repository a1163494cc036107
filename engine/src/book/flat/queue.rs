//! Time priority inside a level: references in arrival order, in chunks of 15.
//!
//! ```text
//!   chunk = 16 words   [ next:32, blank:16 << 32 | ref | ref | ... | ref ]     two cache lines; the link shares the first
//!   level -> chunk[level id] (its own for ever) -> extra -> extra (tail, tail_len entries)
//! ```
//!
//! Only an add writes here. Orders that go leave their entry behind as a tombstone, but for the youngest of a level, whose entry is taken
//! back ([`Queues::take_back`]): most orders are gone before another joins them. Whether an entry is live is asked of the order's
//! slot ([`Refs::resting`]).
//!
//! Tombstones go when a level runs out of orders, or by [`Queues::compact`]: before a query that would have to step over too many; while
//! more than half of the extra chunks are in use, before a chunk is added to a queue that is mostly tombstones; and for every level
//! should they run out. After that at most half of them are in use, so it is O(1) an add.
//!
//! A bit of `blank` kills an entry whose reference lives again in the same level at a later place.

use super::levels::{Level, NONE};
use super::refs::Refs;

/// Entries of a chunk.
pub(super) const CHUNK: usize = 15;
const WORDS: usize = CHUNK + 1;
const BLANK_SHIFT: u32 = 32;

/// The chunks of all levels. See the module.
pub(super) struct Queues {
    chunks: Vec<[u64; WORDS]>,
    /// Extra chunks start here.
    own: usize,
    /// Extra chunks never used start here.
    next: usize,
    free: u32,
    /// Extra chunks that no level has.
    spare: usize,
    /// As many as they are at most half of all.
    scarce: usize,
}

impl Queues {
    /// A chunk for each of `levels`, and extras for `live_orders` over any of them.
    pub(super) fn new(levels: usize, live_orders: usize) -> Queues {
        let extra = live_orders / CHUNK * 2 + 64;
        // Zeroed and so mapped lazily: what is never touched costs no memory.
        let chunks = vec![[0; WORDS]; levels + extra];
        Queues { chunks, own: levels, next: levels, free: NONE, spare: extra, scarce: extra / 2 }
    }

    pub(super) fn clear(&mut self) {
        self.next = self.own;
        self.free = NONE;
        self.spare = self.chunks.len() - self.own;
    }

    /// Asks for where the next reference of a level will be written.
    #[inline]
    pub(super) fn fetch_end(&self, level: &Level) {
        if let Some(chunk) = self.chunks.get(level.tail as usize) {
            prefetch::line(&chunk[(level.tail_len as usize + 1).min(CHUNK)]);
        }
    }

    /// Adds a reference at the back and returns where it stands, or `None` where the last chunk is full.
    #[inline(always)]
    pub(super) fn append(&mut self, level: &mut Level, r: u64) -> Option<u64> {
        let at = level.tail_len as usize;
        if at >= CHUNK {
            return None;
        }
        let chunk = self.chunks.get_mut(level.tail as usize)?;
        if at == 0 {
            chunk[0] = u64::from(NONE);
        }
        chunk[at + 1] = r;
        level.tail_len += 1;
        level.last = u32::try_from(r).unwrap_or(NONE);
        Some(entry(level.tail, at))
    }

    /// Takes the last entry off, where it is that of `r`, which has just gone: no tombstone is left. Neither the queue is looked at nor is there a branch,
    /// for half of all orders are the last of their level when they go. Which entry is the last then is not known.
    #[inline]
    pub(super) fn take_back(level: &mut Level, r: u64) {
        let is_last = r < u64::from(NONE) && u64::from(level.last) == r;
        level.tail_len -= u8::from(is_last);
        level.last |= u32::from(is_last).wrapping_neg();
    }

    /// Adds an empty chunk at the back; false where none is left.
    pub(super) fn extend(&mut self, level: &mut Level) -> bool {
        let id = if self.free != NONE {
            let id = self.free;
            self.free = self.link(id);
            id
        } else if self.next < self.chunks.len() {
            self.next += 1;
            (self.next - 1) as u32
        } else {
            return false;
        };
        self.set_link(level.tail, id);
        self.spare -= 1;
        level.tail = id;
        level.tail_len = 0;
        level.chunks += 1;
        true
    }

    /// A level that has no order left forgets its queue.
    #[inline]
    pub(super) fn reset(&mut self, id: u32, level: &mut Level) {
        level.tail_len = 0;
        if level.chunks > 1 {
            self.free_after(id, 1, level);
        }
    }

    /// Frees the chunks after `last`, which becomes the tail; it is the `kept`-th.
    fn free_after(&mut self, last: u32, kept: u32, level: &mut Level) {
        let first = self.link(last);
        self.set_link(level.tail, self.free);
        self.free = first;
        level.tail = last;
        self.spare += (level.chunks - kept) as usize;
        level.chunks = kept;
    }

    /// Whether a walk would step over too many tombstones.
    pub(super) fn is_worth_compacting(level: &Level) -> bool {
        u64::from(level.chunks) * 8 > u64::from(level.count) * 2 + 16
    }

    /// Whether to compact rather than to add a chunk: chunks are scarce, and the level's are mostly tombstones.
    pub(super) fn should_compact(&self, level: &Level) -> bool {
        self.spare <= self.scarce && u64::from(level.chunks) * CHUNK as u64 > u64::from(level.count) * 4 + 64
    }

    /// Whether compacting would free a chunk.
    pub(super) fn is_loose(level: &Level) -> bool {
        level.chunks > 1 && level.chunks > level.count.div_ceil(CHUNK as u32)
    }

    /// Drops every tombstone of a level that has orders. O(entries).
    pub(super) fn compact(&mut self, id: u32, level: &mut Level, refs: &mut Refs) {
        let (mut to, mut len, mut used) = (id, 0, 1);
        let mut from = id;
        for n in 1..=level.chunks {
            let chunk = self.chunks[from as usize];
            // Its entries are in the copy; what is written here from now on is live.
            self.chunks[from as usize][0] = u64::from(chunk[0] as u32);
            let len_from = if n == level.chunks { level.tail_len as usize } else { CHUNK };
            for (r, _) in resting(&chunk, len_from, refs, id, from) {
                if len == CHUNK {
                    (to, len, used) = (self.link(to), 0, used + 1);
                }
                self.chunks[to as usize][len + 1] = r;
                refs.moved(r, entry(to, len));
                len += 1;
            }
            from = chunk[0] as u32;
        }
        level.tail_len = len as u8;
        if used < level.chunks {
            self.free_after(to, used, level);
        }
    }

    /// Kills the entries of a reference that is about to be added to the level again. O(entries).
    pub(super) fn blank(&mut self, id: u32, level: &Level, r: u64) {
        let mut at = id;
        for n in 1..=level.chunks {
            let len = if n == level.chunks { level.tail_len as usize } else { CHUNK };
            let chunk = &mut self.chunks[at as usize];
            for i in 0..len {
                if chunk[i + 1] == r {
                    chunk[0] |= 1 << (BLANK_SHIFT + i as u32);
                }
            }
            at = chunk[0] as u32;
        }
    }

    /// Visits the live orders of a level in time priority until `visit` returns false.
    pub(super) fn walk(&self, id: u32, level: &Level, refs: &Refs, mut visit: impl FnMut(u64, u32) -> bool) {
        let mut at = id;
        for n in 1..=level.chunks {
            let chunk = &self.chunks[at as usize];
            let len = if n == level.chunks { level.tail_len as usize } else { CHUNK };
            for (r, qty) in resting(chunk, len, refs, id, at) {
                if !visit(r, qty) {
                    return;
                }
            }
            at = chunk[0] as u32;
        }
    }

    fn link(&self, chunk: u32) -> u32 {
        self.chunks[chunk as usize][0] as u32
    }

    /// Sets the link and leaves the blank bits.
    fn set_link(&mut self, chunk: u32, next: u32) {
        let word = &mut self.chunks[chunk as usize][0];
        *word = *word >> BLANK_SHIFT << BLANK_SHIFT | u64::from(next);
    }
}

/// The live ones among the first `len` entries of a chunk: reference and shares.
#[inline]
fn resting(
    chunk: &[u64; WORDS],
    len: usize,
    refs: &Refs,
    level: u32,
    id: u32,
) -> impl Iterator<Item = (u64, u32)> + use<> {
    let [link, entries @ ..] = *chunk;
    // Entries past `len` are old: they are asked for like the others and left out here.
    let blank = link >> BLANK_SHIFT | u64::MAX << len;
    let shares = refs.resting(&entries, level, entry(id, 0));
    (0..CHUNK).filter(move |i| blank >> i & 1 == 0 && shares[*i] != 0).map(move |i| (entries[i], shares[i]))
}

/// Where entry `i` of a chunk is, as one number.
#[inline]
fn entry(chunk: u32, i: usize) -> u64 {
    u64::from(chunk) * WORDS as u64 + i as u64
}
