//! From a token to an order's slot: open addressing with linear probing over a table that is never more than a quarter full, and deletion
//! by backward shift (Knuth 6.4, algorithm R), so that no tombstones gather over a day.
//!
//! Tokens count upwards. Were each at home where it counts to, those of a thousand open orders would be one run of entries, and a deletion looks at all that is
//! left of a run. So eight tokens in a row share a cache line, and the lines are spread.

use model::Token;

#[derive(Clone, Copy)]
struct Entry {
    token: u32,
    slot: u32,
}

const EMPTY: Entry = Entry { token: 0, slot: 0 };

/// Tokens that count up within one line of the table.
const LINE: usize = 8;

/// Tokens of open orders. No allocation after construction.
pub(crate) struct TokenIndex {
    table: Box<[Entry]>,
    mask: usize,
    /// 32 less the bits of a line's number.
    shift: u32,
    len: usize,
}

impl TokenIndex {
    /// Room for `entries` tokens.
    pub(crate) fn new(entries: usize) -> TokenIndex {
        let size = (entries.max(4) * 4).next_power_of_two();
        let shift = 32 - (size / LINE).trailing_zeros();
        TokenIndex { table: vec![EMPTY; size].into_boxed_slice(), mask: size - 1, shift, len: 0 }
    }

    #[inline]
    fn home(&self, token: u32) -> usize {
        // Fibonacci hashing of the line (Knuth 6.4): its uppermost bits, as many as there are lines.
        let line = u64::from((token / LINE as u32).wrapping_mul(0x9E37_79B1)) >> self.shift;
        (line as usize * LINE) | (token as usize % LINE)
    }

    #[inline]
    fn find(&self, token: u32) -> Result<usize, usize> {
        let mut at = self.home(token);
        loop {
            match self.table[at].token {
                t if t == token => return Ok(at),
                0 => return Err(at),
                _ => at = (at + 1) & self.mask,
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, token: Token) -> Option<usize> {
        if token.0 == 0 {
            return None;
        }
        self.find(token.0).ok().map(|at| self.table[at].slot as usize)
    }

    pub(crate) fn insert(&mut self, token: Token, slot: usize) {
        assert!(token.0 != 0 && self.len < self.table.len() / 2, "token index over capacity");
        match self.find(token.0) {
            Ok(at) => self.table[at].slot = slot as u32,
            Err(at) => {
                self.table[at] = Entry { token: token.0, slot: slot as u32 };
                self.len += 1;
            }
        }
    }

    pub(crate) fn remove(&mut self, token: Token) {
        if token.0 == 0 {
            return;
        }
        let Ok(mut hole) = self.find(token.0) else { return };
        self.len -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask;
            let e = self.table[at];
            if e.token == 0 {
                break;
            }
            // Move an entry back when its home does not lie strictly between the hole and where it is.
            let home = self.home(e.token);
            if (at.wrapping_sub(home) & self.mask) >= (at.wrapping_sub(hole) & self.mask) {
                self.table[hole] = e;
                hole = at;
            }
        }
        self.table[hole] = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The longest run of entries, which is what a deletion may have to look at.
    fn longest_run(index: &TokenIndex) -> usize {
        let taken = index.table.iter().map(|e| e.token != 0);
        let run = |(longest, now): (usize, usize), taken: bool| {
            let now = if taken { now + 1 } else { 0 };
            (longest.max(now), now)
        };
        taken.fold((0, 0), run).0
    }

    #[test]
    fn tokens_that_count_up_are_no_run() {
        for first in [1, 8, 1_000_000, u32::MAX - 9_000] {
            let mut index = TokenIndex::new(8_192);
            (first..first + 8_192).for_each(|t| index.insert(Token(t), 1));
            assert!(longest_run(&index) <= 64, "from {first}: {}", longest_run(&index));
            // And none of orders that stand while thousands go by.
            for t in first..first + 8_000 {
                index.remove(Token(t));
            }
            assert!(longest_run(&index) <= 64);
            assert!((first + 8_000..first + 8_192).all(|t| index.get(Token(t)) == Some(1)));
        }
    }

    #[test]
    fn equals_a_map_under_random_use() {
        let mut index = TokenIndex::new(64);
        let mut map = BTreeMap::new();
        let mut x = 1u64;
        for _ in 0..200_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Few distinct low bits, so that probes collide and wrap around.
            let token = Token((((x >> 33) % 50) * 64 + 250 + ((x >> 20) % 3)) as u32);
            if map.len() < 64 && x & 1 == 0 {
                index.insert(token, (x >> 50) as usize);
                map.insert(token, (x >> 50) as usize);
            } else {
                index.remove(token);
                map.remove(&token);
            }
            assert_eq!(index.get(token), map.get(&token).copied());
        }
        for (t, s) in &map {
            assert_eq!(index.get(*t), Some(*s));
        }
        assert_eq!(index.get(Token(0)), None);
    }
}
