//! A log-linear histogram of durations, cheap enough to record every packet.
//!
//! ```text
//!   value        bucket                              width
//!   0   .. 128   one each                            1 ns
//!   128 .. 256   64                                  2 ns
//!   256 .. 512   64                                  4 ns         bucket = (shift << 6) + (value >> shift)
//!   ...                                                           shift  = max(0, top bit - 6)
//!   2^41 .. 2^42 64                                  2^35 ns
//!
//!   word 0: sum   word 1: largest   word 2: over range   3-7: zero   8..: one count a bucket
//! ```
//!
//! # Precision
//!
//! A bucket is never wider than 1/64 of its lower bound, and a quantile answers with the bucket's upper
//! bound: it is never below the true value and at most **1.6 %** above. Values from [`RANGE`] (2^42 ns, 73
//! minutes) on are counted in the last bucket and in the over-range word; sum and largest stay exact.
//!
//! # Sharing
//!
//! One writer, plain loads and stores, all relaxed. A snapshot taken meanwhile may miss records still under
//! way; it may also hold a bucket without its part of the sum. Both heal with the next snapshot.
use crate::sync::Ordering;
use crate::words::{ReadWords, TooFewWords, Words};

/// log2 of the buckets in an octave.
const SUB_BITS: u32 = 6;
const RANGE_BITS: u32 = 42;
const SUM: usize = 0;
const LARGEST: usize = 1;
const OVER: usize = 2;
const HEADER: usize = 8;

/// First value that is out of range, in the unit recorded (nanoseconds by convention).
pub const RANGE: u64 = 1 << RANGE_BITS;
/// Number of buckets.
pub const BUCKETS: usize = (((RANGE_BITS - 1 - SUB_BITS) as usize) << SUB_BITS) + (2 << SUB_BITS);
/// Words of memory that a histogram takes.
pub const WORDS: usize = HEADER + BUCKETS;

const _: () = assert!(bucket(RANGE - 1) == BUCKETS - 1 && bucket(0) == 0 && bucket(128) == 128);

const fn bucket(value: u64) -> usize {
    let shift = (63 - (value | (1 << SUB_BITS)).leading_zeros()) - SUB_BITS;
    ((shift as usize) << SUB_BITS) + (value >> shift) as usize
}

/// Largest value that falls into `bucket`.
const fn upper(bucket: usize) -> u64 {
    let shift = (bucket >> SUB_BITS).saturating_sub(1) as u32;
    let top = (bucket - ((shift as usize) << SUB_BITS)) as u64;
    ((top + 1) << shift) - 1
}

/// The writing end.
#[derive(Debug)]
pub struct Histogram {
    words: Words,
}

/// A reading end, in this process or another.
#[derive(Debug, Clone)]
pub struct HistogramReader {
    words: ReadWords,
}

/// The counts of one moment, to ask questions of (about 19 KB on the heap).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    counts: Box<[u64]>,
    sum: u64,
    largest: u64,
    over_range: u64,
}

impl Histogram {
    /// Lays a histogram over the first [`WORDS`] of `words`, keeping the counts that are there.
    ///
    /// # Errors
    ///
    /// [`TooFewWords`].
    pub fn over(words: Words) -> Result<Self, TooFewWords> {
        enough(words.len())?;
        Ok(Self { words })
    }

    /// Counts one value (nanoseconds by convention). Three plain loads, two or three stores.
    #[inline]
    pub fn record(&mut self, value: u64) {
        let words = &self.words[..WORDS];
        let add = |at: usize, n: u64| {
            words[at].store(words[at].load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
        };
        add(HEADER + bucket(value.min(RANGE - 1)), 1);
        add(SUM, value);
        if value > words[LARGEST].load(Ordering::Relaxed) {
            words[LARGEST].store(value, Ordering::Relaxed);
        }
        if value >= RANGE {
            add(OVER, 1);
        }
    }

    /// Forgets everything. A reader may see it half done.
    pub fn clear(&mut self) {
        for word in &self.words[..WORDS] {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// A reading end in this process.
    #[must_use]
    pub fn reader(&self) -> HistogramReader {
        HistogramReader { words: self.words.reader() }
    }
}

impl HistogramReader {
    /// Lays a reading end over the first [`WORDS`] of `words`.
    ///
    /// # Errors
    ///
    /// [`TooFewWords`].
    pub fn over(words: ReadWords) -> Result<Self, TooFewWords> {
        enough(words.len())?;
        Ok(Self { words })
    }

    /// Copies the counts (allocates).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let load = |at: usize| self.words.load(at, Ordering::Relaxed).unwrap_or(0);
        Snapshot {
            counts: (HEADER..WORDS).map(load).collect(),
            sum: load(SUM),
            largest: load(LARGEST),
            over_range: load(OVER),
        }
    }
}

fn enough(have: usize) -> Result<(), TooFewWords> {
    if have >= WORDS { Ok(()) } else { Err(TooFewWords { need: WORDS, have }) }
}

impl Snapshot {
    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |total, n| total.saturating_add(*n))
    }

    /// Exact sum of all values (wraps after 2^64 ns, 584 years).
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Exact largest value since the start; 0 when there is none. In a difference, still since the start.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// How many values were [`RANGE`] or more.
    #[must_use]
    pub fn over_range(&self) -> u64 {
        self.over_range
    }

    /// Smallest recorded bound that at least the share `q` (0 to 1) of the values do not exceed: 0.99 is p99.
    /// Never below the true quantile, at most 1.6 % above. 0 when nothing was recorded.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = ((self.count() as f64 * q.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0u64;
        for (bucket, n) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*n);
            if seen >= rank {
                // The last bucket also holds what is over range; its bound would be below those.
                let over = bucket == BUCKETS - 1;
                return if over { self.largest } else { upper(bucket).min(self.largest) };
            }
        }
        0
    }

    /// What was recorded after `earlier` was taken.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: self.counts.iter().zip(&earlier.counts).map(|(a, b)| a.saturating_sub(*b)).collect(),
            sum: self.sum.wrapping_sub(earlier.sum),
            largest: self.largest,
            over_range: self.over_range.saturating_sub(earlier.over_range),
        }
    }

    /// Buckets that hold something: (largest value of the bucket, count), ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.counts.iter().enumerate().filter(|(_, n)| **n > 0).map(|(at, n)| (upper(at), *n))
    }

    /// The same counts as an `hdrhistogram` with three significant digits, for its tools and its wire format
    /// (allocates). Adds no precision: each value stands at its bucket's upper bound.
    #[must_use]
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        // Bounds are constants that `new_with_max` accepts.
        let mut hdr = hdrhistogram::Histogram::new_with_max(RANGE, 3).expect("constant bounds");
        for (value, n) in self.buckets() {
            hdr.saturating_record_n(value, n);
        }
        hdr
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recorded(values: &[u64]) -> Snapshot {
        let mut histogram = Histogram::over(Words::zeroed(WORDS)).expect("enough words");
        for value in values {
            histogram.record(*value);
        }
        histogram.reader().snapshot()
    }

    #[test]
    fn buckets_tile_the_range() {
        let mut expected = 0;
        for at in 0..BUCKETS {
            assert_eq!(bucket(expected), at, "first value of bucket {at}");
            assert_eq!(bucket(upper(at)), at, "last value of bucket {at}");
            expected = upper(at) + 1;
        }
        assert_eq!(expected, RANGE);
    }

    #[test]
    fn nothing_recorded_is_zero() {
        let empty = recorded(&[]);
        assert_eq!((empty.count(), empty.quantile(0.5), empty.largest()), (0, 0, 0));
    }

    #[test]
    fn over_range_is_counted_and_not_hidden() {
        let snapshot = recorded(&[1, RANGE, u64::MAX]);
        assert_eq!((snapshot.count(), snapshot.over_range()), (3, 2));
        assert_eq!((snapshot.quantile(1.0), snapshot.largest()), (u64::MAX, u64::MAX));
    }

    #[test]
    fn too_few_words_are_refused() {
        assert!(Histogram::over(Words::zeroed(WORDS - 1)).is_err());
        assert!(HistogramReader::over(Words::zeroed(WORDS - 1).reader()).is_err());
    }

    #[test]
    fn since_and_clear() {
        let mut histogram = Histogram::over(Words::zeroed(WORDS)).expect("enough words");
        histogram.record(10);
        let first = histogram.reader().snapshot();
        histogram.record(1000);
        let later = histogram.reader().snapshot().since(&first);
        assert_eq!((later.count(), later.sum()), (1, 1000));
        assert!((1000..=1016).contains(&later.quantile(0.5)));
        histogram.clear();
        assert_eq!(histogram.reader().snapshot(), recorded(&[]));
    }

    #[test]
    fn hostile_counts_do_not_overflow() {
        let words = Words::zeroed(WORDS);
        words.iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        let reader = HistogramReader::over(words.reader()).expect("enough words");
        let snapshot = reader.snapshot();
        assert_eq!(snapshot.count(), u64::MAX);
        assert_eq!(snapshot.quantile(0.999), 0, "the first bucket alone is more than can be counted");
        assert_eq!(snapshot.to_hdr().len(), u64::MAX);
        let mut histogram = Histogram::over(words).expect("enough words");
        histogram.record(u64::MAX);
    }

    proptest! {
        /// Against sorting the values: never below the true quantile, at most 1/64 above.
        #[test]
        fn quantiles_are_within_the_stated_error(
            values in prop::collection::vec((0u32..42).prop_flat_map(|bits| 0..(1u64 << bits) + 1), 1..400),
            q in 0.0f64..=1.0,
        ) {
            let snapshot = recorded(&values);
            let mut sorted = values;
            sorted.sort_unstable();
            let rank = ((sorted.len() as f64 * q).ceil() as usize).max(1);
            let exact = sorted[rank - 1];
            let found = snapshot.quantile(q);
            prop_assert!(found >= exact, "{found} below {exact}");
            prop_assert!(found - exact <= exact / 64, "{found} too far above {exact}");
            prop_assert_eq!(snapshot.sum(), sorted.iter().sum::<u64>());
            prop_assert_eq!(snapshot.largest(), sorted[sorted.len() - 1]);
            prop_assert_eq!(snapshot.to_hdr().len(), sorted.len() as u64);
        }
    }
}
