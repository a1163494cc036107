//! Parameters: a space of them, proposals from it, which days they are chosen and judged on, and what the best of many is worth.
//!
//! ```text
//!   Space --propose--> point --(days in sample)--> value --+--> the best --(days out of sample)--> figures
//!     ^---- grid, random, TPE <---- history of values -----+--> judged over every point that was tried
//! ```
//!
//! Nothing here runs a day: who drives it gives back a value for each point. A proposal hangs on the seed and the history alone, so a search that is taken up again goes on as
//! it would have gone.

pub mod bar;
pub mod judge;
pub mod propose;
pub mod space;
pub mod split;
#[cfg(test)]
mod tests;
mod tpe;

/// A draw from chance that is the same everywhere: SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Of a seed and of which draw of it.
    pub(crate) fn new(seed: u64, which: u64) -> Chance {
        let mut chance = Chance(seed ^ which.wrapping_mul(0xd134_2543_de82_ef95));
        chance.next();
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `n`, exclusive.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u32
    }

    /// From 0 to 1, both exclusive.
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }
}
