//! Decimal text and integers: what is between a venue's `"61800.20"` and a price, without a float.

use core::str::FromStr;

/// A decimal of at most 18 digits, not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: u64,
    /// How many of them are behind the point; the last of these is not 0.
    decimals: u32,
}

/// Text that is no decimal, or one of more digits than fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal of at most 18 digits")]
pub struct ParseDecimalError;

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
    /// How many digits are behind the point, zeros at the end not counted.
    #[must_use]
    pub fn decimals(self) -> u32 {
        self.decimals
    }

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

/// `value * 10^-decimals` as plain text.
#[must_use]
pub fn text(value: u64, decimals: i32) -> String {
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
        assert_eq!(of("000.100").decimals(), 1);
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
