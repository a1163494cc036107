//! What a venue takes or gives for a trade, by its liquidity flag.

/// Fees of one venue for each share, 1e-6 USD: positive is paid, negative is a rebate. By default nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fees(Box<[i64; 256]>);

/// Largest fee for a share either way, 1e-6 USD.
pub const FEE_MAX: i64 = 1_000_000;

impl Default for Fees {
    fn default() -> Self {
        Fees(Box::new([0; 256]))
    }
}

impl Fees {
    /// Sets the fee of one liquidity flag. One beyond [`FEE_MAX`] is cut to it.
    pub fn set(&mut self, liquidity: u8, per_share: i64) {
        self.0[usize::from(liquidity)] = per_share.clamp(-FEE_MAX, FEE_MAX);
    }

    /// Sets the fee of every flag.
    pub fn set_all(&mut self, per_share: i64) {
        (0..=u8::MAX).for_each(|liquidity| self.set(liquidity, per_share));
    }

    /// The fee of a trade of so many shares, 1e-6 USD.
    #[inline]
    #[must_use]
    pub fn of(&self, liquidity: u8, shares: u32) -> i64 {
        self.0[usize::from(liquidity)] * i64::from(shares)
    }
}
