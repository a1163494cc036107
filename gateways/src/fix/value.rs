//! Values as text: whole numbers, decimals as integers of 1e-4, UTC timestamps as nanoseconds since the Unix epoch. No float anywhere.

use model::{Nanos, Px, Qty};

const SECOND: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

/// A whole number without sign; `None` for anything else, or beyond 64 bits.
#[must_use]
pub fn uint(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// A decimal in units of 1e-4: `12`, `12.5`, `-0.0001`, `.5`, `7.`. More than four decimals are refused unless the rest are zeros: nothing is rounded.
#[must_use]
pub fn decimal_e4(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let point = digits.iter().position(|b| *b == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (kept, rest) = fraction.split_at(fraction.len().min(4));
    if rest.iter().any(|b| *b != b'0') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { i64::try_from(uint(whole)?).ok()? };
    let fraction = if kept.is_empty() { 0 } else { uint(kept)? * [0, 1_000, 100, 10, 1][kept.len()] };
    let value = whole.checked_mul(10_000)?.checked_add(fraction as i64)?;
    Some(if negative { -value } else { value })
}

/// A price.
#[must_use]
pub fn px(text: &[u8]) -> Option<Px> {
    decimal_e4(text).map(Px)
}

/// Shares: a decimal without a fraction (`200`, `200.00`), at most 32 bits.
#[must_use]
pub fn qty(text: &[u8]) -> Option<Qty> {
    let value = decimal_e4(text).filter(|v| v % 10_000 == 0)?;
    u32::try_from(value / 10_000).ok().map(Qty)
}

/// `YYYYMMDD-HH:MM:SS` with no, 3, 6 or 9 decimals of the second, as ns since the Unix epoch. Years 1970 to 2200; a leap second is the second before it.
#[must_use]
pub fn utc(text: &[u8]) -> Option<Nanos> {
    let (clock, fraction) = text.split_at_checked(17)?;
    let number = |range: core::ops::Range<usize>| uint(&clock[range]);
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(12..14)?, number(15..17)?);
    if [clock[8], clock[11], clock[14]] != *b"-::" || !(1970..=2200).contains(&year) {
        return None;
    }
    let days_in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let ns = match fraction.split_first() {
        None => 0,
        Some((b'.', digits)) if matches!(digits.len(), 3 | 6 | 9) => {
            uint(digits)? * [1, 1_000, 1_000_000][3 - digits.len() / 3]
        }
        Some(_) => return None,
    };
    let seconds = ((days_from_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second.min(59);
    Some(Nanos(seconds * SECOND + ns))
}

/// Days since 1970-01-01 in the Gregorian calendar, for years from 1970. March is taken for the first month, so that the leap day is a year's last.
const fn days_from_epoch(year: u64, month: u64, day: u64) -> u64 {
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468
}

/// The inverse of [`days_from_epoch`]: year, month, day.
const fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let y = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * y + y / 4 - y / 100);
    let m = (5 * of_year + 2) / 153;
    let (month, carry) = if m < 10 { (m + 3, 0) } else { (m - 9, 1) };
    (era * 400 + y + carry, month, of_year - (153 * m + 2) / 5 + 1)
}

/// `YYYYMMDD-HH:MM:SS.sss`.
#[must_use]
pub fn utc_text(at: Nanos) -> [u8; 21] {
    let mut out = *b"00000000-00:00:00.000";
    let seconds = at.0 / SECOND;
    let (year, month, day) = civil(seconds / DAY_S);
    let mut put = |range: core::ops::Range<usize>, mut n: u64| {
        for digit in out[range].iter_mut().rev() {
            *digit = b'0' + (n % 10) as u8;
            n /= 10;
        }
    };
    put(0..4, year);
    put(4..6, month);
    put(6..8, day);
    put(9..11, seconds / 3_600 % 24);
    put(12..14, seconds / 60 % 60);
    put(15..17, seconds % 60);
    put(18..21, at.0 / 1_000_000 % 1_000);
    out
}

/// Nanoseconds since that day's midnight, UTC.
#[must_use]
pub fn since_midnight(at: Nanos) -> Nanos {
    Nanos(at.0 % (DAY_S * SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, value) in [
            ("12", 120_000),
            ("12.5", 125_000),
            ("-0.0001", -1),
            (".5", 5_000),
            ("7.", 70_000),
            ("002000.00", 20_000_000),
            ("1.23450000", 12_345),
        ] {
            assert_eq!(decimal_e4(text.as_bytes()), Some(value), "{text}");
        }
        for bad in ["", "-", ".", "+1", "1.00001", "1e4", "1.2.3", "--1", "9999999999999999", " 1"] {
            assert_eq!(decimal_e4(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(
            (qty(b"200.00"), qty(b"0"), qty(b"1.5"), qty(b"-1")),
            (Some(Qty(200)), Some(Qty(0)), None, None)
        );
        assert_eq!(qty(b"4294967296"), None);
    }

    #[test]
    fn timestamps_read_and_write_the_same() {
        for (text, seconds) in [
            ("19700101-00:00:00.000", 0),
            ("20000229-12:34:56.789", 951_827_696),
            ("20240301-00:00:00.001", 1_709_251_200),
            ("21000301-23:59:59.999", 4_107_628_799),
        ] {
            let at = utc(text.as_bytes()).unwrap();
            assert_eq!(at.0 / SECOND, seconds, "{text}");
            assert_eq!(utc_text(at), text.as_bytes(), "{text}");
        }
        assert_eq!(utc(b"20240301-00:00:00.000000001"), Some(Nanos(1_709_251_200 * SECOND + 1)));
        assert_eq!(utc(b"20161231-23:59:60"), utc(b"20161231-23:59:59"), "a leap second");
        for bad in [
            "20230229-00:00:00",
            "20240101",
            "20240101-24:00:00",
            "20240101 00:00:00",
            "20241301-00:00:00",
            "20240101-00:00:00.12",
        ] {
            assert_eq!(utc(bad.as_bytes()), None, "{bad}");
        }
    }
}
