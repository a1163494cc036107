//! `u64` counters with fixed ids: id `n` is word `n`.
//!
//! One writer, so that adding is a load and a store with no `lock` prefix; readers load. All orderings are
//! relaxed: a counter orders nothing else, and each of them alone only moves as its writer moved it. Give
//! every writing thread counters of its own, on cache lines of its own (16 words apart at least).
use crate::sync::Ordering;
use crate::words::{ReadWords, Words};

/// The writing end.
#[derive(Debug)]
pub struct Counters {
    words: Words,
}

/// A reading end, in this process or another.
#[derive(Debug, Clone)]
pub struct CounterReader {
    words: ReadWords,
}

impl Counters {
    /// One counter per word, keeping the counts that are there.
    #[must_use]
    pub fn over(words: Words) -> Self {
        Self { words }
    }

    /// Adds `n` to counter `id` (wraps after 2^64). A load and a store.
    ///
    /// # Panics
    ///
    /// When there is no such id: ids are constants, so that is a bug.
    #[inline]
    pub fn add(&mut self, id: usize, n: u64) {
        let word = &self.words[id];
        // Relaxed load and store, not `fetch_add`: `&mut self` on a handle that is not `Clone` makes this
        // the only writer.
        word.store(word.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets counter `id`, for gauges. One store.
    ///
    /// # Panics
    ///
    /// As [`add`](Self::add).
    #[inline]
    pub fn set(&mut self, id: usize, value: u64) {
        self.words[id].store(value, Ordering::Relaxed);
    }

    /// The value of counter `id`; `None` past the last.
    #[inline]
    #[must_use]
    pub fn get(&self, id: usize) -> Option<u64> {
        self.words.get(id).map(|word| word.load(Ordering::Relaxed))
    }

    /// A reading end in this process.
    #[must_use]
    pub fn reader(&self) -> CounterReader {
        CounterReader { words: self.words.reader() }
    }
}

impl CounterReader {
    /// One counter per word.
    #[must_use]
    pub fn over(words: ReadWords) -> Self {
        Self { words }
    }

    /// The value of counter `id`; `None` past the last.
    #[inline]
    #[must_use]
    pub fn get(&self, id: usize) -> Option<u64> {
        self.words.load(id, Ordering::Relaxed)
    }

    /// All values by id. Each is true of some moment; together they are not one instant.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.atoms().iter().map(|word| word.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn ids_are_words() {
        let mut counters = Counters::over(Words::zeroed(3));
        let reader = counters.reader();
        counters.add(0, 2);
        counters.add(0, 3);
        counters.set(2, 9);
        assert_eq!(reader.iter().collect::<Vec<_>>(), [5, 0, 9]);
        assert_eq!((counters.get(0), reader.get(2), reader.get(3)), (Some(5), Some(9), None));
    }

    #[test]
    fn counts_survive_their_writer_and_wrap() {
        let words = Words::zeroed(1);
        words[0].store(u64::MAX, Ordering::Relaxed);
        let mut counters = Counters::over(words);
        counters.add(0, 2);
        assert_eq!(counters.get(0), Some(1));
    }
}
