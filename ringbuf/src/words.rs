//! A run of shared atomic words: the one safe primitive that cells, counters, histograms and logs stand on.
//!
//! ```text
//!            Words (one writer, not Clone)          ReadWords (Clone, loads only)
//!              base ----+   len                       base ---+   len
//!                       v                                     v
//!   owner: | header | w0 | w1 | w2 | ... |  <- heap box or mapping, alive as long as any handle
//! ```
//!
//! A handle owns a share of the memory behind it, so that it needs no lifetime and can be moved into the
//! agent that writes it.
//!
//! # Invariants
//!
//! * `base .. base + len` lies inside the owner's memory, 8-aligned, and the owner never moves or unmaps it
//!   while a handle lives.
//! * Memory behind a [`Words`] is writable. Memory behind a [`ReadWords`] may be mapped read-only, which is
//!   why it offers loads and no `&AtomicU64`: a store through it would be a fault.
use crate::sync::{AtomicU64, Ordering};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

/// The slice handed over is shorter than the structure that was to be laid over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("needs {need} words, has {have}")]
pub struct TooFewWords {
    /// Words the structure takes.
    pub need: usize,
    /// Words there are.
    pub have: usize,
}

/// Position and owner of a run of words; the part that both handles share.
struct Span {
    base: NonNull<AtomicU64>,
    len: usize,
    /// Never read: it keeps the memory behind `base` alive.
    _owner: Arc<dyn Send + Sync>,
}

// SAFETY: a span is a shared reference to atomics (`Sync`) whose owner is itself `Send + Sync`; the raw
// pointer is only ever turned into `&[AtomicU64]`.
unsafe impl Send for Span {}
// SAFETY: as above.
unsafe impl Sync for Span {}

impl Span {
    #[inline(always)]
    fn atoms(&self) -> &[AtomicU64] {
        // SAFETY: the module's first invariant, upheld by the constructors below; only atomics are ever
        // made over this memory by this crate.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    fn share(&self) -> Self {
        Self { base: self.base, len: self.len, _owner: Arc::clone(&self._owner) }
    }
}

/// A writable run of words; derefs to `[AtomicU64]`.
///
/// Not `Clone`: whoever holds it is the one writer that the structures over it ask for.
pub struct Words(Span);

impl Words {
    /// `len` zeroed words on the heap, for a value that never leaves the process (allocates).
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let owner: Arc<Box<[AtomicU64]>> = Arc::new((0..len).map(|_| AtomicU64::new(0)).collect());
        Self(Span { base: NonNull::from(&**owner).cast(), len, _owner: owner })
    }

    /// `len` words from word `offset` of a writable mapping; `None` when they are not all inside it.
    #[cfg(not(loom))]
    pub(crate) fn mapped(map: &Arc<memmap2::MmapRaw>, offset: usize, len: usize) -> Option<Self> {
        Span::mapped(map, offset, len).map(Self)
    }

    /// A reading handle to the same words (no copy).
    #[must_use]
    pub fn reader(&self) -> ReadWords {
        ReadWords(self.0.share())
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    #[inline(always)]
    fn deref(&self) -> &[AtomicU64] {
        self.0.atoms()
    }
}

/// A run of words that can only be loaded.
pub struct ReadWords(Span);

impl ReadWords {
    /// `len` words from word `offset` of a mapping; `None` when they are not all inside it.
    #[cfg(not(loom))]
    pub(crate) fn mapped(map: &Arc<memmap2::MmapRaw>, offset: usize, len: usize) -> Option<Self> {
        Span::mapped(map, offset, len).map(Self)
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there is no word at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Loads word `at`; `None` past the end. Panics on an ordering that a load cannot have.
    #[inline]
    #[must_use]
    pub fn load(&self, at: usize, order: Ordering) -> Option<u64> {
        self.0.atoms().get(at).map(|word| word.load(order))
    }

    /// The atomics, for code of this crate that only loads.
    #[inline(always)]
    pub(crate) fn atoms(&self) -> &[AtomicU64] {
        self.0.atoms()
    }
}

impl Clone for ReadWords {
    fn clone(&self) -> Self {
        Self(self.0.share())
    }
}

#[cfg(not(loom))]
impl Span {
    fn mapped(map: &Arc<memmap2::MmapRaw>, offset: usize, len: usize) -> Option<Self> {
        let end = offset.checked_add(len)?.checked_mul(8)?;
        if end > map.len() {
            return None;
        }
        // SAFETY: `offset * 8 <= end <= map.len()`, so the pointer stays inside the mapping. A mapping
        // starts on a page, hence a multiple of 8 into it is aligned. `_owner` keeps it mapped.
        let base = unsafe { NonNull::new(map.as_mut_ptr())?.cast::<AtomicU64>().add(offset) };
        Some(Self { base, len, _owner: Arc::<memmap2::MmapRaw>::clone(map) })
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Words({})", self.0.len)
    }
}

impl std::fmt::Debug for ReadWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReadWords({})", self.0.len)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reader_outlives_its_writer() {
        let words = Words::zeroed(3);
        words[2].store(7, Ordering::Relaxed);
        let reader = words.reader();
        drop(words);
        assert_eq!(reader.load(2, Ordering::Acquire), Some(7));
        assert_eq!(reader.load(3, Ordering::Acquire), None);
    }

    #[test]
    fn a_mapped_run_must_lie_inside_its_mapping() {
        let map = memmap2::MmapOptions::new().len(4096).map_anon().expect("anonymous page");
        let map: Arc<memmap2::MmapRaw> = Arc::new(map.into());
        assert!(Words::mapped(&map, 0, 512).is_some());
        assert!(Words::mapped(&map, 1, 512).is_none());
        assert!(Words::mapped(&map, 512, 0).is_some());
        assert!(Words::mapped(&map, 513, 0).is_none());
        assert!(Words::mapped(&map, usize::MAX, 2).is_none());
        assert!(ReadWords::mapped(&map, usize::MAX / 8, usize::MAX / 8).is_none());
        let words = Words::mapped(&map, 500, 12).expect("inside");
        drop(map);
        words[11].store(1, Ordering::Relaxed);
        assert_eq!(words.reader().load(11, Ordering::Relaxed), Some(1));
    }
}
