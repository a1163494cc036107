//! Messages counted by type.

use super::wire::LENGTHS;

/// How many messages of each type were seen, types that are not known included. 2 KiB; counting is one add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    by_kind: [u64; 256],
    empty: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Tally { by_kind: [0; 256], empty: 0 }
    }
}

impl Tally {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> Tally {
        Tally::default()
    }

    /// Counts one message by its first byte.
    #[inline]
    pub fn count(&mut self, msg: &[u8]) {
        match msg.first() {
            Some(kind) => self.by_kind[usize::from(*kind)] += 1,
            None => self.empty += 1,
        }
    }

    /// Messages seen with this letter.
    #[must_use]
    pub fn of(&self, kind: u8) -> u64 {
        self.by_kind[usize::from(kind)]
    }

    /// Messages without any byte.
    #[must_use]
    pub fn empty(&self) -> u64 {
        self.empty
    }

    /// Messages whose letter no type has.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.by_kind.iter().zip(&LENGTHS).filter(|(_, len)| **len == 0).map(|(n, _)| n).sum()
    }

    /// All messages.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.empty + self.by_kind.iter().sum::<u64>()
    }

    /// The letters seen with their counts, by letter.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        (0u8..=255).zip(self.by_kind).filter(|(_, n)| *n != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_letter_unknown_and_empty() {
        let mut tally = Tally::new();
        for msg in [&b"A.."[..], b"A", b"h", b"\xFF", b""] {
            tally.count(msg);
        }
        assert_eq!((tally.of(b'A'), tally.of(b'h'), tally.of(b'H')), (2, 1, 0));
        assert_eq!((tally.unknown(), tally.empty(), tally.total()), (1, 1, 5));
        assert_eq!(tally.iter().collect::<Vec<_>>(), [(b'A', 2), (b'h', 1), (0xFF, 1)]);
    }
}
