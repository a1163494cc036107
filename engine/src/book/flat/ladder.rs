//! The listed levels of each side in order of price: the 16 best in one cache line, the rest in a tree.
//!
//! ```text
//!   near   [ k k k ... k | MAX MAX ]   ascending: the best is the last, so that it comes and goes without moving the others
//!   deep   B+ tree of every key worse than near[0]          ([`super::deep`])
//! ```
//!
//! Touched only when a level is created, when the top runs out of orders, and by queries. A full `near` gives its worse half to
//! `deep`; an empty one takes `deep`'s best leaf, so neither happens twice in a row.
//!
//! # Invariants
//!
//! * `deep` is empty where `near` is. Every key of `deep` is smaller than every key of `near`.
//! * Where any level is listed, the best one has orders: zombies are only ever behind the top.
//! * `listed` counts both parts. When it reaches `sweep_at` the zombies are swept out *before* the next level is created;
//!   at least as many levels were created since the last sweep, so a sweep is O(1) a creation.

use super::deep::{Deep, FAN, Tree, rank};
use super::levels::Levels;

const NEAR: usize = 16;
const HALF: usize = NEAR / 2;
const SWEEP_MIN: u32 = 32;

#[derive(Clone)]
#[repr(C, align(64))]
struct Ladder {
    keys: [u32; NEAR],
    ids: [u32; NEAR],
    len: u32,
    listed: u32,
    sweep_at: u32,
    deep: Tree,
}

const _: () = assert!(size_of::<Ladder>() == 192 && FAN < NEAR);

impl Ladder {
    const EMPTY: Ladder = Ladder {
        keys: [u32::MAX; NEAR],
        ids: [0; NEAR],
        len: 0,
        listed: 0,
        sweep_at: SWEEP_MIN,
        deep: Tree::EMPTY,
    };

    fn insert_near(&mut self, at: usize, key: u32, id: u32) {
        let len = self.len as usize;
        self.keys.copy_within(at..len, at + 1);
        self.ids.copy_within(at..len, at + 1);
        self.keys[at] = key;
        self.ids[at] = id;
        self.len += 1;
    }
}

/// The ladders of all sides, `instrument * 2 + side`, and their trees' nodes.
pub(super) struct Ladders {
    sides: Vec<Ladder>,
    deep: Deep,
}

impl Ladders {
    /// Room for `keys` listed levels spread over `sides` sides in any way.
    pub(super) fn new(sides: usize, keys: usize) -> Ladders {
        Ladders { sides: vec![Ladder::EMPTY; sides], deep: Deep::new(keys, sides) }
    }

    pub(super) fn clear(&mut self) {
        self.sides.fill(Ladder::EMPTY);
        self.deep.clear();
    }

    /// The level listed under a key.
    pub(super) fn find(&self, side: usize, key: u32) -> Option<u32> {
        let l = &self.sides[side];
        let at = rank(&l.keys, key);
        if at < l.len as usize && l.keys[at] == key {
            return Some(l.ids[at]);
        }
        if at == 0 { self.deep.find(l.deep, key) } else { None }
    }

    /// Lists a level under a key that is not listed; false, and nothing done, where nodes ran out.
    pub(super) fn insert(&mut self, side: usize, key: u32, id: u32) -> bool {
        let l = &mut self.sides[side];
        let mut at = rank(&l.keys, key);
        let mut to_deep = at == 0 && !l.deep.is_empty();
        if l.len as usize == NEAR || to_deep {
            if !self.deep.has_room(HALF + 1) {
                return false;
            }
            if !to_deep {
                for i in 0..HALF {
                    self.deep.insert(&mut l.deep, l.keys[i], l.ids[i]);
                }
                l.keys.copy_within(HALF.., 0);
                l.ids.copy_within(HALF.., 0);
                l.keys[HALF..].fill(u32::MAX);
                l.len -= HALF as u32;
                to_deep = at < HALF;
                at = at.saturating_sub(HALF);
            }
        }
        if to_deep {
            self.deep.insert(&mut l.deep, key, id);
        } else {
            l.insert_near(at, key, id);
        }
        l.listed += 1;
        true
    }

    /// The best listed level.
    #[inline]
    pub(super) fn best(&self, side: usize) -> Option<u32> {
        let l = &self.sides[side];
        let last = (l.len as usize).checked_sub(1)?;
        l.ids.get(last).copied()
    }

    /// Unlists the best level.
    #[inline]
    pub(super) fn pop_best(&mut self, side: usize) {
        let l = &mut self.sides[side];
        let Some(last) = (l.len as usize).checked_sub(1) else { return };
        if let Some(key) = l.keys.get_mut(last) {
            *key = u32::MAX;
        }
        l.len = last as u32;
        l.listed -= 1;
        if last == 0 {
            self.refill(side);
        }
    }

    #[cold]
    fn refill(&mut self, side: usize) {
        let l = &mut self.sides[side];
        let (keys, ids, len) = self.deep.take_best(&mut l.deep);
        l.keys[..len].copy_from_slice(&keys[..len]);
        l.ids[..len].copy_from_slice(&ids[..len]);
        l.len = len as u32;
    }

    /// Whether zombies should be swept out before another level is listed.
    #[inline]
    pub(super) fn is_sweep_due(&self, side: usize) -> bool {
        let l = &self.sides[side];
        l.listed >= l.sweep_at
    }

    /// Unlists every level without orders. O(listed). `near` keeps the best level, so it does not run out here.
    pub(super) fn sweep(&mut self, side: usize, levels: &mut Levels) {
        let mut keep = |id: u32| {
            let live = levels.get(id).count > 0;
            if !live {
                levels.unlist(id);
            }
            live
        };
        let l = &mut self.sides[side];
        let mut len = 0;
        for i in 0..l.len as usize {
            if keep(l.ids[i]) {
                (l.keys[len], l.ids[len]) = (l.keys[i], l.ids[i]);
                len += 1;
            }
        }
        l.keys[len..].fill(u32::MAX);
        l.listed -= l.len - len as u32;
        l.len = len as u32;
        l.listed -= self.deep.retain(&mut l.deep, keep) as u32;
        l.sweep_at = l.listed * 2 + SWEEP_MIN;
    }

    /// How many levels a side lists.
    #[cfg(test)]
    pub(super) fn listed(&self, side: usize) -> u32 {
        self.sides[side].listed
    }

    /// Visits listed levels, zombies included, best first until `visit` returns false.
    pub(super) fn best_first(&self, side: usize, mut visit: impl FnMut(u32) -> bool) {
        let l = &self.sides[side];
        if l.ids[..l.len as usize].iter().rev().all(|id| visit(*id)) {
            self.deep.best_first(l.deep, &mut visit);
        }
    }
}
