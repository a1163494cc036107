//! The venue's own source of chance: SplitMix64 (Steele, Lea, Flood 2014), one 64-bit word of state, the same numbers on every
//! machine for one seed. Faults and the generated flow draw from separate instances, so that one never shifts the other.

/// A seeded generator.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator for `seed`; `stream` separates uses of the same seed.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Rng {
        let mut rng = Rng(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        rng.word();
        rng
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..n`, or 0 for `n == 0` (the bias of the multiply-shift is below 2^-32 for the small `n` used here).
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(n)) >> 64) as u64
    }

    /// Whether an event of probability `p` happened.
    pub fn chance(&mut self, p: f64) -> bool {
        // 53 bits are what an f64 holds exactly; p = 1 is always, p = 0 never.
        ((self.word() >> 11) as f64) < p * (1u64 << 53) as f64
    }

    /// How many times a coin of probability one half came up heads in a row, at most `max`.
    pub fn heads(&mut self, max: u32) -> u32 {
        self.word().trailing_ones().min(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_sequence() {
        // First outputs of SplitMix64 seeded with 0 (Vigna's reference code); `new` discards one word.
        let mut r = Rng::new(0, 0);
        assert_eq!(r.word(), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(r.word(), 0x06C4_5D18_8009_454F);
    }

    #[test]
    fn chances_at_the_ends_and_between() {
        let mut r = Rng::new(7, 1);
        assert!((0..1000).all(|_| !r.chance(0.0)));
        assert!((0..1000).all(|_| r.chance(1.0)));
        let hits = (0..10_000).filter(|_| r.chance(0.25)).count();
        assert!((2_200..2_800).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| r.below(7) < 7));
        assert_eq!(r.below(0), 0);
    }
}
