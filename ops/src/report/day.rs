//! A day in UTC.

use std::fmt;

use colo::logs::timestamp;
use model::Nanos;

/// A day's length, ns.
const DAY_NS: u64 = 86_400_000_000_000;

/// A day in UTC, counted from the first of 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u32);

impl Day {
    /// The day of a time, ns since the Unix epoch.
    #[must_use]
    pub fn of(ns: u64) -> Day {
        Day((ns / DAY_NS) as u32)
    }

    /// Its first ns, and that of the next.
    #[must_use]
    pub fn span(self) -> (u64, u64) {
        (u64::from(self.0) * DAY_NS, (u64::from(self.0) + 1) * DAY_NS)
    }

    /// Reads `2026-11-23` (days-from-civil after Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    ///
    /// # Errors
    /// It is no date, or before 1970 or behind 2261, where ns end.
    pub fn parse(text: &str) -> Result<Day, String> {
        let wrong = || format!("{text:?} is no day; allowed: YYYY-MM-DD from 1970-01-01 to 2261-12-31");
        let mut parts = text.split('-').map(|p| p.parse::<u32>().ok());
        let (Some(Some(y)), Some(Some(m)), Some(Some(d)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        if !(1970..=2261).contains(&y) || !(1..=12).contains(&m) || !(1..=31).contains(&d) {
            return Err(wrong());
        }
        let y = if m <= 2 { y - 1 } else { y };
        let (era, yoe) = (y / 400, y % 400);
        let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + d - 1;
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        let day = Day((era * 146_097 + doe).checked_sub(719_468).ok_or_else(wrong)?);
        // The thirtieth of February is read as another day.
        if day.to_string() == text { Ok(day) } else { Err(wrong()) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&timestamp(Nanos(self.span().0))[..10])
    }
}

impl serde::Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_is_written() {
        for text in ["1970-01-01", "2000-02-29", "2026-11-23", "2100-03-01", "2261-12-31"] {
            assert_eq!(Day::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "2100-02-29",
            "26-1-1",
            "1969-12-31",
            "2262-01-01",
            "2026-11-23-1",
            "a-b-c",
        ] {
            assert!(Day::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Day::of(Day::parse("2026-11-23").unwrap().span().1 - 1).to_string(), "2026-11-23");
    }
}
