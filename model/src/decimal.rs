//! Decimal text and integers: what is between a venue's `"61800.20"` and a price, without a float; and what a quantity counts where it is not shares.
//!
//! # Units
//!
//! The house counts prices in 1e-4 USD and quantities in whole units. At a venue whose quantities have decimals a [`Unit`] is 10^-u coins, with
//! `u = min(s, 4 - t)` for a lot of `s` decimals and a tick of `t`. Then a tick is a whole number of 1e-4 USD *a unit*, and price times quantity is money
//! without rounding:
//!
//! ```text
//!   BTCUSDT  tick 0.1      lot 0.001    u = 3    a unit is 0.001 BTC      61,800.20 a coin  = 61.8002 a unit
//!   BTCUSDT  tick 0.01     lot 0.00001  u = 2    a unit is 0.01 BTC       (coarser than the lot: 10^-u is a multiple of it)
//!   AAPL     tick 0.01     lot 1        u = 0    a unit is a share
//!   DOGEUSDT tick 0.00001  lot 1        u = -1   a unit is 10 DOGE
//! ```
//!
//! The venue's market data and its order entry say tick and lot alike, so a price of the one is a price of the other.

use core::fmt;
use core::str::FromStr;

use crate::{Px, Qty};

/// A decimal of at most 18 digits, not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: u64,
    /// How many of them are behind the point; the last of these is not 0.
    decimals: u32,
}

/// Text that is no decimal, or one of more digits than fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseDecimalError;

impl fmt::Display for ParseDecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a decimal of at most 18 digits")
    }
}

impl core::error::Error for ParseDecimalError {}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Decimal, ParseDecimalError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) {
            return Err(ParseDecimalError);
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if whole.len() + fraction.len() > 18 {
            return Err(ParseDecimalError);
        }
        let digits = whole.bytes().chain(fraction.bytes()).fold(0, |n, b| n * 10 + u64::from(b - b'0'));
        Ok(Decimal { digits, decimals: fraction.len() as u32 })
    }
}

impl Decimal {
    /// `self * 10^by`, where that is whole and fits.
    #[must_use]
    pub fn scaled(self, by: i32) -> Option<u64> {
        match shift(by, self.decimals)? {
            Shift::Up(factor) => self.digits.checked_mul(factor),
            Shift::Down(factor) => self.digits.is_multiple_of(factor).then(|| self.digits / factor),
        }
    }

    /// `self * 10^by` without its fraction, where that fits.
    #[must_use]
    pub fn floored(self, by: i32) -> Option<u64> {
        match shift(by, self.decimals) {
            Some(Shift::Up(factor)) => self.digits.checked_mul(factor),
            Some(Shift::Down(factor)) => Some(self.digits / factor),
            // More than 10^19 times smaller or larger.
            None => (by < 0 || self.digits == 0).then_some(0),
        }
    }
}

enum Shift {
    Up(u64),
    Down(u64),
}

fn shift(by: i32, decimals: u32) -> Option<Shift> {
    let by = by.checked_sub_unsigned(decimals)?;
    let factor = 10_u64.checked_pow(by.unsigned_abs())?;
    Some(if by < 0 { Shift::Down(factor) } else { Shift::Up(factor) })
}

/// What a quantity of one counts: 10^-u coins (see the module).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit(i32);

impl Unit {
    /// Of an instrument with this tick and this lot.
    #[must_use]
    pub fn of(tick: Decimal, lot: Decimal) -> Unit {
        // Neither has more than 18 decimals.
        Unit((lot.decimals as i32).min(4 - tick.decimals as i32))
    }

    /// A price a coin in 1e-4 USD a unit, where that is whole.
    #[must_use]
    pub fn e4(self, price: Decimal) -> Option<u64> {
        price.scaled(4 - self.0)
    }

    /// How many units a quantity of coins is, where they are whole.
    #[must_use]
    pub fn count(self, coins: Decimal) -> Option<u64> {
        coins.scaled(self.0)
    }

    /// How many whole units are in a quantity of coins.
    #[must_use]
    pub fn whole(self, coins: Decimal) -> Option<u64> {
        coins.floored(self.0)
    }

    /// A price of the venue's.
    #[must_use]
    pub fn px(self, text: &str) -> Option<Px> {
        i64::try_from(self.e4(text.parse().ok()?)?).ok().map(Px)
    }

    /// A quantity of the venue's; `None` where it is no whole number of units.
    #[must_use]
    pub fn qty(self, text: &str) -> Option<Qty> {
        u32::try_from(self.count(text.parse().ok()?)?).ok().map(Qty)
    }

    /// A price as the venue reads it.
    #[must_use]
    pub fn px_text(self, px: Px) -> String {
        text(px.0.unsigned_abs(), 4 - self.0)
    }

    /// A quantity as the venue reads it.
    #[must_use]
    pub fn qty_text(self, qty: Qty) -> String {
        text(qty.0.into(), self.0)
    }
}

/// `value * 10^-decimals` as plain text.
fn text(value: u64, decimals: i32) -> String {
    if decimals <= 0 {
        let zeros = if value == 0 { 0 } else { decimals.unsigned_abs() as usize };
        return format!("{value}{}", "0".repeat(zeros));
    }
    let width = decimals.unsigned_abs() as usize;
    let digits = format!("{value:0>width$}", width = width + 1);
    let (whole, fraction) = digits.split_at(digits.len() - width);
    format!("{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn text_is_read_exactly_or_not_at_all() {
        assert_eq!(of("61800.20").scaled(1), Some(618_002));
        assert_eq!(of("61800.20").scaled(0), None, "not whole");
        assert_eq!(of("0.001").scaled(3), Some(1));
        assert_eq!(of("5000").scaled(-3), Some(5));
        assert_eq!(of("5001").scaled(-3), None);
        assert_eq!(of("5001").floored(-3), Some(5));
        assert_eq!(of("0.0149").floored(3), Some(14));
        assert_eq!(of("000.100").decimals, 1);
        assert_eq!(of("1").scaled(40), None);
        assert_eq!(of("1").floored(-40), Some(0));
        assert_eq!(of("999999999999999999").scaled(2), None, "does not fit");
        for bad in ["", ".", ".5", "-1", "+1", "1e3", "1.2.3", " 1", "1,0", "1234567890123456789", "NaN"] {
            assert_eq!(bad.parse::<Decimal>(), Err(ParseDecimalError), "{bad:?}");
        }
    }

    #[test]
    fn text_is_written_plainly() {
        for (value, decimals, want) in [
            (618_002, 1, "61800.2"),
            (1, 3, "0.001"),
            (0, 2, "0.00"),
            (7, 0, "7"),
            (7, -2, "700"),
            (0, -2, "0"),
        ] {
            assert_eq!(text(value, decimals), want);
        }
    }

    #[test]
    fn the_units_of_the_table() {
        let unit = |tick: &str, lot: &str| Unit::of(of(tick), of(lot));
        let btc = unit("0.10", "0.001");
        assert_eq!(
            (btc, btc.px("61800.20"), btc.qty("2.507")),
            (Unit(3), Some(Px(618_002)), Some(Qty(2_507)))
        );
        assert_eq!((btc.px_text(Px(618_002)), btc.qty_text(Qty(14))), ("61800.2".into(), "0.014".into()));
        let fine = unit("0.01", "0.00001");
        assert_eq!(
            (fine, fine.px("61800.21"), fine.qty("0.05")),
            (Unit(2), Some(Px(6_180_021)), Some(Qty(5)))
        );
        assert_eq!((fine.qty("0.005"), fine.whole(of("0.0199"))), (None, Some(1)));
        let share = unit("0.01", "1");
        assert_eq!(
            (share, share.px("150.25"), share.px_text(Px(1_502_500))),
            (Unit(0), Some(Px(1_502_500)), "150.2500".into())
        );
        let doge = unit("0.00001", "1");
        assert_eq!((doge, doge.px("0.12345"), doge.qty("120")), (Unit(-1), Some(Px(12_345)), Some(Qty(12))));
        assert_eq!(doge.qty_text(Qty(12)), "120");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(value in 0_u64..1_000_000_000_000, decimals in -4_i32..6) {
            prop_assert_eq!(of(&text(value, decimals)).scaled(decimals), Some(value));
        }

        #[test]
        fn no_text_panics(s in "[0-9.]{0,30}", by in -50_i32..50) {
            if let Ok(d) = s.parse::<Decimal>() {
                let exact = d.scaled(by);
                prop_assert!(exact.is_none() || exact == d.floored(by));
            }
        }
    }
}
