//! The last value of a few words, published by one writer to any number of readers: a seqlock.
//!
//! ```text
//!   word 0      word 1 .. word N
//!   sequence    value
//!   even: at rest      odd: being written
//! ```
//!
//! # Protocol
//!
//! | writer | reader |
//! |---|---|
//! | W1 sequence := odd, relaxed | R1 load sequence, **acquire** (pairs with W4) ; odd: retry |
//! | W2 **release fence** (pairs with R3) | R2 load value, relaxed |
//! | W3 store value, relaxed | R3 **acquire fence** (pairs with W2) |
//! | W4 sequence := next even, **release** (pairs with R1) | R4 load sequence, relaxed ; differs from R1: retry |
//!
//! If R2 saw any word of a W3, then W2 happens before R3, so that R4 sees that W1 or later and the value is
//! thrown away. The value is stored as atomic words, so a race is a wrong *value* that is thrown away, never
//! undefined behaviour.
//!
//! # Bounds
//!
//! A reader tries [`ATTEMPTS`] times and then says `None`: a writer that died between W1 and W4, or another
//! process scribbling over the sequence, costs a reader nothing more. A new writer over the same words
//! repairs an odd sequence with its first store.
use crate::sync::{AtomicU64, Ordering, fence};
use crate::words::{ReadWords, TooFewWords, Words};

/// How often a reader tries before it gives up with `None`. Two under loom, to keep its search finite.
pub const ATTEMPTS: usize = if cfg!(loom) { 2 } else { 64 };

/// The writing end: `N` words of value in `N + 1` words of memory.
#[derive(Debug)]
pub struct SeqCell<const N: usize> {
    words: Words,
}

/// A reading end, in this process or another.
#[derive(Debug, Clone)]
pub struct CellReader<const N: usize> {
    words: ReadWords,
}

impl<const N: usize> SeqCell<N> {
    /// Words of memory that a cell takes.
    pub const WORDS: usize = N + 1;

    /// Lays a cell over the first [`WORDS`](Self::WORDS) of `words`, keeping the value that is there.
    ///
    /// # Errors
    ///
    /// [`TooFewWords`].
    pub fn over(words: Words) -> Result<Self, TooFewWords> {
        enough::<N>(words.len())?;
        Ok(Self { words })
    }

    /// Publishes `value`. Plain stores; never waits for a reader.
    #[inline]
    pub fn store(&mut self, value: [u64; N]) {
        let [sequence, cell @ ..] = &self.words[..=N] else { return };
        // Even -> next odd; odd (a writer died inside) -> the odd after it.
        let odd = (sequence.load(Ordering::Relaxed).wrapping_add(1)) | 1;
        sequence.store(odd, Ordering::Relaxed); // W1
        fence(Ordering::Release); // W2, pairs with R3
        for (word, value) in cell.iter().zip(value) {
            word.store(value, Ordering::Relaxed); // W3
        }
        sequence.store(odd.wrapping_add(1), Ordering::Release); // W4, pairs with R1
    }

    /// The value, as a reader sees it.
    #[must_use]
    pub fn load(&self) -> Option<[u64; N]> {
        load(&self.words)
    }

    /// A reading end in this process.
    #[must_use]
    pub fn reader(&self) -> CellReader<N> {
        CellReader { words: self.words.reader() }
    }
}

impl<const N: usize> CellReader<N> {
    /// Lays a reading end over the first `N + 1` of `words`.
    ///
    /// # Errors
    ///
    /// [`TooFewWords`].
    pub fn over(words: ReadWords) -> Result<Self, TooFewWords> {
        enough::<N>(words.len())?;
        Ok(Self { words })
    }

    /// The value last published, whole; all zero before the first store. `None` when [`ATTEMPTS`] tries all
    /// met a writer at work: it is very busy, stopped in the middle, or dead.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Option<[u64; N]> {
        load(self.words.atoms())
    }

    /// How many values were published. Two equal answers mean that nothing changed in between.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.words.load(0, Ordering::Acquire).map_or(0, |sequence| sequence / 2)
    }
}

fn enough<const N: usize>(have: usize) -> Result<(), TooFewWords> {
    if have > N { Ok(()) } else { Err(TooFewWords { need: N + 1, have }) }
}

fn load<const N: usize>(words: &[AtomicU64]) -> Option<[u64; N]> {
    let (sequence, cell) = words.split_first()?;
    let cell: &[AtomicU64; N] = cell.first_chunk()?;
    for _ in 0..ATTEMPTS {
        let before = sequence.load(Ordering::Acquire); // R1, pairs with W4
        if before & 1 == 0 {
            let value = std::array::from_fn(|at| cell[at].load(Ordering::Relaxed)); // R2
            fence(Ordering::Acquire); // R3, pairs with W2
            if sequence.load(Ordering::Relaxed) == before || cfg!(feature = "canary-mixed-values") {
                return Some(value); // R4
            }
        }
        std::hint::spin_loop();
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded() {
        let mut cell = SeqCell::<3>::over(Words::zeroed(4)).expect("four words");
        let reader = cell.reader();
        assert_eq!((reader.load(), reader.version()), (Some([0; 3]), 0));
        cell.store([1, 2, 3]);
        cell.store([4, 5, 6]);
        assert_eq!((reader.load(), reader.version()), (Some([4, 5, 6]), 2));
        assert_eq!(cell.load(), reader.load());
    }

    #[test]
    fn too_few_words_are_refused() {
        let refused = Err(TooFewWords { need: 4, have: 3 });
        assert_eq!(SeqCell::<3>::over(Words::zeroed(3)).map(|_| ()), refused);
        assert_eq!(CellReader::<3>::over(Words::zeroed(3).reader()).map(|_| ()), refused);
    }

    #[test]
    fn a_writer_that_died_inside_gives_none_and_the_next_one_repairs() {
        let words = Words::zeroed(3);
        words[0].store(7, Ordering::Relaxed);
        let mut cell = SeqCell::<2>::over(words).expect("three words");
        let reader = cell.reader();
        assert_eq!(reader.load(), None);
        cell.store([8, 9]);
        assert_eq!(reader.load(), Some([8, 9]));
    }

    #[test]
    fn the_sequence_wraps() {
        let words = Words::zeroed(2);
        words[0].store(u64::MAX - 1, Ordering::Relaxed);
        let mut cell = SeqCell::<1>::over(words).expect("two words");
        cell.store([5]);
        assert_eq!(cell.load(), Some([5]));
    }

    #[test]
    fn a_value_is_never_a_mixture() {
        let mut cell = SeqCell::<8>::over(Words::zeroed(9)).expect("nine words");
        let reader = cell.reader();
        let watcher = std::thread::spawn(move || {
            let mut last = 0;
            while last < 200_000 {
                if let Some(value) = reader.load() {
                    assert_eq!(value, [value[0]; 8]);
                    assert!(value[0] >= last, "went back");
                    last = value[0];
                }
                std::thread::yield_now();
            }
        });
        for n in 1..=200_000 {
            cell.store([n; 8]);
        }
        watcher.join().expect("watcher");
    }
}
