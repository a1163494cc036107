//! From a venue's order reference to the order's 8-byte slot, without hashing.
//!
//! ```text
//!   reference r < direct_refs:      directory[r / 32] = { page:25 | reused:1 | live:6 }      page 0: none
//!                                                         |
//!                                   slots[page * 32 + r % 32] = { level:32 | shares:32 }      shares 0: not live
//!
//!   reference r >= direct_refs:     sparse: HashMap r -> pair
//!                                   slots[pair], slots[pair + 1] = { level | shares }, where in the queue it stands
//! ```
//!
//! A venue numbers its day's orders almost densely, but most are dead soon: a flat table of a day (1.2e9 references) would
//! need 9.6 GB. Here a day costs 4 bytes per 32 references of directory (150 MB for 1.2e9, of which only touched 4 KiB pages
//! are resident) and at most 256 bytes a live order: a page whose 32 slots are all dead is recycled, last in first
//! out, unless it is the newest, which is about to be filled.
//!
//! # Used before
//!
//! A level's queue keeps the references of dead orders until it is compacted ([`super::queue`]). Should a reference live
//! again in the same level, its old entry would count for the new order. So a slot remembers that it was used
//! ([`USED`] instead of 0), and the directory remembers it for a page that was recycled (`reused`); [`Refs::vacancy`]
//! reports it and the book then blanks the old entry. In ITCH this happens for a `U` onto its own number at most. Sparse references
//! keep the position of their entry instead, which is exact by itself.
//!
//! # Invariants
//!
//! * `live` of a directory entry equals the number of slots with shares in its page; an entry without a page has `live` 0.
//! * Pages in use are at most live direct references + 1 (the newest may be empty): `pages = live_orders + 2` never run out.
//! * The sparse map is built for twice the orders it may hold, so that it never grows: it only rehashes in place.

use std::collections::HashMap;

/// References in a page.
const PAGE: usize = 32;
const LIVE_BITS: u32 = 6;
const LIVE_MASK: u32 = (1 << LIVE_BITS) - 1;
const REUSED: u32 = 1 << LIVE_BITS;
const PAGE_SHIFT: u32 = LIVE_BITS + 1;
/// Most pages that a directory entry can name.
const PAGES_MAX: usize = 1 << (32 - PAGE_SHIFT);

/// A slot that is not live but was.
const USED: u64 = (u32::MAX as u64) << 32;

/// A slot's place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotAt(usize);

/// What a live slot says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub level: u32,
    pub qty: u32,
}

impl Slot {
    #[inline]
    fn word(self) -> u64 {
        u64::from(self.level) << 32 | u64::from(self.qty)
    }

    #[inline]
    fn of(word: u64) -> Option<Slot> {
        let slot = Slot { level: (word >> 32) as u32, qty: word as u32 };
        (slot.qty != 0).then_some(slot)
    }
}

/// Whether a reference may be added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Vacancy {
    /// It may, at this slot; `used_before` tells that queues may still hold its old entry.
    Free { at: SlotAt, used_before: bool },
    /// It is live.
    Live,
    /// No page or pair is left.
    Full,
}

/// The index. See the module.
pub(super) struct Refs {
    directory: Vec<u32>,
    slots: Vec<u64>,
    /// Pages never used start here; page 0 is none.
    next_page: usize,
    pages: usize,
    /// Head of the recycled pages, linked through the first word of each; 0 is none.
    free_page: usize,
    newest_page: usize,
    /// Which directory entry took the newest page.
    newest_entry: usize,
    /// One past the highest directory entry ever used: what `clear` must wipe.
    entries_used: usize,
    sparse: HashMap<u64, u32>,
    sparse_max: usize,
    /// Pairs never used start here, up to the end of `slots`.
    next_pair: usize,
    /// Head of the freed pairs, linked through their first word; 0 is none.
    free_pair: usize,
}

impl Refs {
    /// Most live orders that a directory can address.
    pub(super) const LIVE_MAX: usize = PAGES_MAX - 2;

    pub(super) fn new(live_orders: usize, direct_refs: u64) -> Refs {
        let entries = usize::try_from(direct_refs.div_ceil(PAGE as u64)).unwrap_or(usize::MAX);
        let direct_orders = if entries == 0 { 0 } else { live_orders };
        let pages = direct_orders + 2;
        Refs {
            directory: vec![0; entries],
            slots: vec![0; pages * PAGE + live_orders * 2],
            next_page: 1,
            pages,
            free_page: 0,
            newest_page: 0,
            newest_entry: 0,
            entries_used: 0,
            sparse: HashMap::with_capacity(live_orders * 2),
            sparse_max: live_orders,
            next_pair: pages * PAGE,
            free_pair: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.directory[..self.entries_used].fill(0);
        self.next_page = 1;
        self.free_page = 0;
        self.newest_page = 0;
        self.newest_entry = 0;
        self.entries_used = 0;
        self.sparse.clear();
        self.next_pair = self.pages * PAGE;
        self.free_pair = 0;
    }

    /// The live order behind a reference.
    #[inline]
    pub(super) fn find(&self, r: u64) -> Option<(SlotAt, Slot)> {
        let at = match self.directory.get((r / PAGE as u64) as usize) {
            Some(entry) => slot_index(*entry, r),
            None => self.find_sparse(r)?,
        };
        // A reference without a page reads page 0, whose slots are never live.
        Slot::of(*self.slots.get(at)?).map(|slot| (SlotAt(at), slot))
    }

    /// Asks for the directory entry of a reference; of one that has none, for another's: which it is must not be a branch.
    #[inline]
    pub(super) fn fetch_entry(&self, r: u64) {
        if let Some(entry) = self.directory.get(self.near(r)) {
            prefetch::line(entry);
        }
    }

    /// Asks for the slot of a direct reference, whose entry has been asked for; of another, for some slot.
    #[inline]
    pub(super) fn fetch_slot(&self, r: u64) {
        if let Some(slot) = self.slots.get(slot_index(self.entry(r), r)) {
            prefetch::line(slot);
        }
    }

    /// The level that the slot of a direct reference names, live or not; of another, what some slot names.
    #[inline]
    pub(super) fn level_of(&self, r: u64) -> u32 {
        (self.slots.get(slot_index(self.entry(r), r)).copied().unwrap_or(0) >> 32) as u32
    }

    #[inline]
    fn entry(&self, r: u64) -> u32 {
        self.directory.get(self.near(r)).copied().unwrap_or(0)
    }

    #[inline]
    fn near(&self, r: u64) -> usize {
        (r / PAGE as u64).min((self.directory.len() as u64).wrapping_sub(1)) as usize
    }

    #[cold]
    fn find_sparse(&self, r: u64) -> Option<usize> {
        self.sparse.get(&r).map(|at| *at as usize)
    }

    /// Whether a reference may be added, and where. Takes a page or a pair for it where it has none.
    #[inline]
    pub(super) fn vacancy(&mut self, r: u64) -> Vacancy {
        let e = (r / PAGE as u64) as usize;
        let Some(entry) = self.directory.get(e) else { return self.vacancy_sparse(r) };
        let mut entry = *entry;
        if entry >> PAGE_SHIFT == 0 {
            match self.take_page(e) {
                Some(taken) => entry = taken,
                None => return Vacancy::Full,
            }
        }
        let at = slot_index(entry, r);
        match self.slots.get(at) {
            Some(0) => Vacancy::Free { at: SlotAt(at), used_before: false },
            Some(&USED) => Vacancy::Free { at: SlotAt(at), used_before: true },
            _ => Vacancy::Live,
        }
    }

    #[cold]
    fn vacancy_sparse(&mut self, r: u64) -> Vacancy {
        if self.sparse.contains_key(&r) {
            return Vacancy::Live;
        }
        // The pair is taken by `occupy`, when nothing can refuse the order any more.
        match self.free_pair {
            _ if self.sparse.len() >= self.sparse_max => Vacancy::Full,
            0 => Vacancy::Free { at: SlotAt(self.next_pair), used_before: false },
            pair => Vacancy::Free { at: SlotAt(pair), used_before: false },
        }
    }

    /// Makes a vacant slot live. `entry_at` is where the reference stands in its level's queue.
    #[inline]
    pub(super) fn occupy(&mut self, r: u64, at: SlotAt, slot: Slot, entry_at: u64) {
        match self.directory.get_mut((r / PAGE as u64) as usize) {
            Some(entry) => *entry += 1,
            None => self.occupy_sparse(r, at, entry_at),
        }
        self.slots[at.0] = slot.word();
    }

    #[cold]
    fn occupy_sparse(&mut self, r: u64, at: SlotAt, entry_at: u64) {
        if at.0 == self.free_pair {
            self.free_pair = self.slots[at.0] as usize;
        } else {
            self.next_pair += 2;
        }
        self.slots[at.0 + 1] = entry_at;
        self.sparse.insert(r, at.0 as u32);
    }

    /// New shares, not 0, of a live order.
    #[inline]
    pub(super) fn resize(&mut self, at: SlotAt, slot: Slot) {
        self.slots[at.0] = slot.word();
    }

    /// The order is gone.
    #[inline]
    pub(super) fn release(&mut self, r: u64, at: SlotAt) {
        let e = (r / PAGE as u64) as usize;
        let Some(entry) = self.directory.get_mut(e) else { return self.release_sparse(r, at) };
        *entry -= 1;
        self.slots[at.0] = USED;
        let entry = *entry;
        if entry & LIVE_MASK == 0 && (entry >> PAGE_SHIFT) as usize != self.newest_page {
            self.recycle(e);
        }
    }

    #[cold]
    fn release_sparse(&mut self, r: u64, at: SlotAt) {
        self.sparse.remove(&r);
        self.slots[at.0] = self.free_pair as u64;
        self.free_pair = at.0;
    }

    #[inline]
    fn recycle(&mut self, e: usize) {
        let page = (self.directory[e] >> PAGE_SHIFT) as usize;
        self.directory[e] = REUSED;
        self.slots[page * PAGE] = self.free_page as u64;
        self.free_page = page;
    }

    #[inline(never)]
    fn take_page(&mut self, e: usize) -> Option<u32> {
        let before = self.newest_entry;
        if self.newest_page != 0 && self.directory[before] & LIVE_MASK == 0 {
            self.newest_page = 0;
            self.recycle(before);
        }
        let page = if self.free_page != 0 {
            let page = self.free_page;
            self.free_page = self.slots[page * PAGE] as usize;
            page
        } else if self.next_page < self.pages {
            self.next_page += 1;
            self.next_page - 1
        } else {
            return None;
        };
        let reused = self.directory[e] & REUSED;
        let unused = if reused == 0 { 0 } else { USED };
        self.slots[page * PAGE..][..PAGE].fill(unused);
        self.directory[e] = (page as u32) << PAGE_SHIFT | reused;
        self.newest_page = page;
        self.newest_entry = e;
        self.entries_used = self.entries_used.max(e + 1);
        Some(self.directory[e])
    }

    /// The shares behind each of a chunk's entries, 0 for the trace of an order that left `level`. `first_at` is where the
    /// first of them stands.
    ///
    /// Old entries' slots are seldom cached: all are asked for before any answer is looked at, so that they come together.
    #[inline]
    pub(super) fn resting<const N: usize>(&self, refs: &[u64; N], level: u32, first_at: u64) -> [u32; N] {
        let mut words = [0; N];
        for (i, (word, r)) in words.iter_mut().zip(refs).enumerate() {
            *word = match self.directory.get((*r / PAGE as u64) as usize) {
                Some(entry) => self.slots.get(slot_index(*entry, *r)).copied().unwrap_or(0),
                None => self.sparse_word(*r, first_at + i as u64),
            };
        }
        words.map(|word| if (word >> 32) as u32 == level { word as u32 } else { 0 })
    }

    /// The slot of a sparse reference whose queue entry is this one; 0 otherwise.
    #[cold]
    fn sparse_word(&self, r: u64, entry_at: u64) -> u64 {
        match self.find_sparse(r) {
            Some(at) if self.slots[at + 1] == entry_at => self.slots[at],
            _ => 0,
        }
    }

    /// The entry of a live order moved inside its queue.
    #[inline]
    pub(super) fn moved(&mut self, r: u64, entry_at: u64) {
        if self.is_sparse(r)
            && let Some(at) = self.find_sparse(r)
        {
            self.slots[at + 1] = entry_at;
        }
    }

    #[inline]
    fn is_sparse(&self, r: u64) -> bool {
        r / PAGE as u64 >= self.directory.len() as u64
    }
}

#[inline]
fn slot_index(entry: u32, r: u64) -> usize {
    (entry >> PAGE_SHIFT) as usize * PAGE + (r % PAGE as u64) as usize
}
