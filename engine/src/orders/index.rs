//! From a token to an order's slot: open addressing with linear probing over a table that is never more than a quarter full, and deletion
//! by backward shift (Knuth 6.4, algorithm R), so that no tombstones gather over a day.

use model::Token;

#[derive(Clone, Copy)]
struct Entry {
    token: u32,
    slot: u32,
}

const EMPTY: Entry = Entry { token: 0, slot: 0 };

/// Tokens of open orders. No allocation after construction.
pub(crate) struct TokenIndex {
    table: Box<[Entry]>,
    mask: usize,
    len: usize,
}

impl TokenIndex {
    /// Room for `entries` tokens.
    pub(crate) fn new(entries: usize) -> TokenIndex {
        let size = (entries.max(4) * 4).next_power_of_two();
        TokenIndex { table: vec![EMPTY; size].into_boxed_slice(), mask: size - 1, len: 0 }
    }

    #[inline]
    fn home(&self, token: u32) -> usize {
        // Tokens count upwards, so their low bits already spread.
        token as usize & self.mask
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
