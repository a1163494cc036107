//! A 64-bit hash of state, the same on every machine and in every mode. Not cryptographic: it tells two runs apart, it proves nothing to an adversary.

/// Absorbs 64-bit words in order (the SplitMix64 finaliser of Steele, Lea and Flood 2014 over a running sum).
#[derive(Clone, Copy, Debug)]
pub struct StateHash(u64);

impl Default for StateHash {
    fn default() -> Self {
        StateHash(0x9e37_79b9_7f4a_7c15)
    }
}

impl StateHash {
    /// Absorbs one word.
    #[inline]
    pub fn word(&mut self, w: u64) {
        let mut z = (self.0 ^ w).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = z ^ (z >> 31);
    }

    /// Absorbs a signed word.
    #[inline]
    pub fn signed(&mut self, w: i64) {
        self.word(w.cast_unsigned());
    }

    /// The hash of what was absorbed.
    #[inline]
    #[must_use]
    pub fn finish(self) -> u64 {
        self.0
    }
}

/// Fails where two of these states hash alike, and names the later.
#[cfg(test)]
#[track_caller]
pub(crate) fn all_differ<T>(states: &[T], absorb: impl Fn(&T, &mut StateHash)) {
    let of = |state: &T| {
        let mut h = StateHash::default();
        absorb(state, &mut h);
        h.finish()
    };
    let hashes: Vec<u64> = states.iter().map(of).collect();
    for (k, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..k].contains(hash), "state {k} hashes as one before it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_content_count() {
        let of = |ws: &[u64]| {
            let mut h = StateHash::default();
            ws.iter().for_each(|w| h.word(*w));
            h.finish()
        };
        assert_eq!(of(&[1, 2]), of(&[1, 2]));
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[1]), of(&[1, 0]));
        assert_ne!(of(&[]), of(&[0]));
    }
}
