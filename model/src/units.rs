//! Prices, quantities, money and time as integers.
//!
//! | type | unit | range in use |
//! |---|---|---|
//! | [`Px`] | 1e-4 USD a share | 0.0001 to 200,000.0000 (ITCH 5.0, OUCH 5.0 limits) |
//! | [`Qty`] | shares | 0 to 2^32 - 1 |
//! | [`Usd`] | 1e-4 USD | sums of `Px * Qty`; checked, 9.2e14 USD fits |
//! | [`Nanos`] | ns | since the Unix epoch for `now` and `ts_recv`; since midnight for `ts_event` of ITCH and OUCH |
//!
//! 1e-4 was chosen over 1e-9 because both wire protocols of the hot path carry exactly four implied decimals:
//! nothing is scaled between a packet and an order, and a price fits the 32-bit keys of the book.

use core::fmt;
use core::ops::{Add, Neg, Sub};
use core::str::FromStr;

/// A price in 1e-4 USD a share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Px(pub i64);

impl Px {
    /// No price: an absent side of the book.
    pub const ZERO: Px = Px(0);
    /// One dollar.
    pub const USD: Px = Px(10_000);
    /// Largest limit price that the venue protocols carry (OUCH 5.0: 199,999.9900).
    pub const MAX: Px = Px(1_999_999_900);

    /// From a 32-bit wire price with four implied decimals (ITCH `Price(4)`).
    #[inline]
    #[must_use]
    pub const fn from_wire(raw: u32) -> Px {
        Px(raw as i64)
    }

    /// Whether this is a price an order may carry: positive and at most [`Px::MAX`].
    #[inline]
    #[must_use]
    pub const fn is_orderable(self) -> bool {
        self.0 > 0 && self.0 <= Self::MAX.0
    }

    /// `self * qty` in 1e-4 USD, or `None` on overflow.
    #[inline]
    #[must_use]
    pub const fn notional(self, qty: Qty) -> Option<Usd> {
        match self.0.checked_mul(qty.0 as i64) {
            Some(v) => Some(Usd(v)),
            None => None,
        }
    }

    /// Whether `far` is at most `bps` / 10,000 of this price, which is not negative: rounded towards zero, and without the division of 128 bits that this would take.
    #[inline]
    #[must_use]
    pub const fn is_within(self, far: i64, bps: i64) -> bool {
        far as i128 * 10_000 <= self.0 as i128 * bps as i128
    }
}

impl Add for Px {
    type Output = Px;
    #[inline]
    fn add(self, o: Px) -> Px {
        Px(self.0 + o.0)
    }
}

impl Sub for Px {
    type Output = Px;
    #[inline]
    fn sub(self, o: Px) -> Px {
        Px(self.0 - o.0)
    }
}

fn fmt_e4(v: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sign = if v < 0 { "-" } else { "" };
    let a = v.unsigned_abs();
    write!(f, "{sign}{}.{:04}", a / 10_000, a % 10_000)
}

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_e4(self.0, f)
    }
}

impl fmt::Debug for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_e4(self.0, f)
    }
}

/// Why a decimal string is not a [`Px`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePxError;

impl fmt::Display for ParsePxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price is digits with at most four decimals, such as 123.4500")
    }
}

impl core::error::Error for ParsePxError {}

impl FromStr for Px {
    type Err = ParsePxError;

    /// Reads `123`, `123.45` or `-0.0001`.
    ///
    /// # Errors
    /// [`ParsePxError`] for anything else, more than four decimals and overflow included.
    fn from_str(s: &str) -> Result<Px, ParsePxError> {
        let (neg, digits) = match s.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, s),
        };
        let (whole, frac) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |p: &str| p.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || frac.len() > 4 || !plain(whole) || !plain(frac) {
            return Err(ParsePxError);
        }
        let w: i64 = whole.parse().map_err(|_| ParsePxError)?;
        let f: i64 = format!("{frac:0<4}").parse().map_err(|_| ParsePxError)?;
        let v = w.checked_mul(10_000).and_then(|w| w.checked_add(f)).ok_or(ParsePxError)?;
        Ok(Px(if neg { -v } else { v }))
    }
}

/// A number of shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Qty(pub u32);

impl Qty {
    /// None.
    pub const ZERO: Qty = Qty(0);
    /// Largest order that OUCH 5.0 takes.
    pub const MAX_ORDER: Qty = Qty(999_999);

    /// Whether this is zero.
    #[inline]
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self - o`, or zero.
    #[inline]
    #[must_use]
    pub const fn saturating_sub(self, o: Qty) -> Qty {
        Qty(self.0.saturating_sub(o.0))
    }
}

impl fmt::Display for Qty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An amount of money in 1e-4 USD, signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Usd(pub i64);

impl Usd {
    /// Nothing.
    pub const ZERO: Usd = Usd(0);

    /// From whole dollars, or `None` on overflow.
    #[must_use]
    pub const fn from_dollars(d: i64) -> Option<Usd> {
        match d.checked_mul(10_000) {
            Some(v) => Some(Usd(v)),
            None => None,
        }
    }

    /// `self + o`, or `None` on overflow.
    #[inline]
    #[must_use]
    pub const fn checked_add(self, o: Usd) -> Option<Usd> {
        match self.0.checked_add(o.0) {
            Some(v) => Some(Usd(v)),
            None => None,
        }
    }
}

impl Neg for Usd {
    type Output = Usd;
    #[inline]
    fn neg(self) -> Usd {
        Usd(-self.0)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_e4(self.0, f)
    }
}

impl fmt::Debug for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_e4(self.0, f)
    }
}

/// A point or a span of time in nanoseconds; what it counts from is said where it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The origin, or no span.
    pub const ZERO: Nanos = Nanos(0);

    /// From whole milliseconds, saturating.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Nanos {
        Nanos(ms.saturating_mul(1_000_000))
    }

    /// `self - earlier`, or zero where `earlier` is later.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self + span`, saturating.
    #[inline]
    #[must_use]
    pub const fn after(self, span: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(span.0))
    }
}

/// Which side of the book an order is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// Bids.
    Buy = 0,
    /// Offers.
    Sell = 1,
}

impl Side {
    /// The other one.
    #[inline]
    #[must_use]
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    /// +1 for a buy, -1 for a sell: the sign of what a fill does to a position.
    #[inline]
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Side::Buy => 1,
            Side::Sell => -1,
        }
    }

    /// `B` or `S`.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Side::Buy => 'B',
            Side::Sell => 'S',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_read_and_write_the_same() {
        for (s, v) in
            [("123.4500", 1_234_500), ("0.0001", 1), ("-0.5000", -5_000), ("200000.0000", 2_000_000_000)]
        {
            assert_eq!(s.parse::<Px>().unwrap(), Px(v));
            assert_eq!(Px(v).to_string(), s);
        }
        assert_eq!("7".parse::<Px>().unwrap(), Px(70_000));
        for bad in ["", ".", "1.23456", "1e4", "+1", "--1", "99999999999999999999"] {
            assert_eq!(bad.parse::<Px>(), Err(ParsePxError), "{bad:?}");
        }
    }

    #[test]
    fn notional_is_checked() {
        assert_eq!(Px(1_000_000).notional(Qty(100)), Some(Usd(100_000_000)));
        assert_eq!(Px(i64::MAX).notional(Qty(2)), None);
    }

    #[test]
    fn within_is_what_rounding_towards_zero_says() {
        for px in [0, 1, 9_999, 10_000, 1_234_567, 2_000_000_000] {
            for bps in [0, 1, 33, 500, 10_000, 10_000_000] {
                let room = (i128::from(px) * i128::from(bps) / 10_000) as i64;
                assert!((px, bps) != (1_234_567, 500) || room == 61_728);
                for far in [room - 1, room, room + 1, i64::MIN, i64::MAX] {
                    assert_eq!(Px(px).is_within(far, bps), far <= room, "{far} of {px} at {bps}");
                }
            }
        }
    }
}
