//! `[start_of_day]`: what is held as the day begins, as written and resolved.
//!
//! ```toml
//! [start_of_day]
//! file = "positions.toml"          # the same keys, in a file of their own; or here:
//! date = "2026-11-23"              # UTC, of the day that begins
//! positions = [{ symbol = "AAPL", shares = -100, average_px = "190.1234" }]
//! ```
//!
//! What a file says is taken into the configuration, and with it into the run's own copy, so that a replay needs no file. A run does not start with positions of another day.

use std::collections::BTreeSet;
use std::path::Path;

use engine::{Opening, RiskLimits};
use model::{Instrument, Nanos, Px, Symbol};
use serde::{Deserialize, Serialize};

use super::resolve::Checks;
use crate::logs::timestamp;

/// As written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StartOfDay {
    /// Where the rest is, relative to the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The day that begins, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// What is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<Held>,
}

/// What is held of one instrument.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Its ticker.
    pub symbol: String,
    /// Shares; negative when short.
    pub shares: i64,
    /// What each stands for, USD with at most four decimals: profit and loss of the day is counted from there.
    pub average_px: String,
}

/// Resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Openings {
    /// The day that begins, UTC.
    pub date: String,
    /// What is held.
    pub positions: Vec<Opening>,
}

impl Openings {
    /// Why a run may not start with them at `now`, if it may not: they are of a day that is over, or of one that is further off than the next.
    #[must_use]
    pub fn unfit(&self, now: Nanos) -> Option<String> {
        let day = |at: Nanos| timestamp(at)[..10].to_owned();
        let (today, next) = (day(now), day(now.after(Nanos(86_400_000_000_000))));
        let fits = self.date == today || self.date == next;
        (!fits).then(|| {
            format!(
                "`start_of_day.date` is {:?}; allowed: {today} or {next} (UTC): positions of another day",
                self.date
            )
        })
    }
}

/// Takes what `file` says into what is written.
pub(super) fn read(c: &mut Checks, written: &mut StartOfDay, base: &Path) {
    let Some(file) = written.file.take() else { return };
    if written.date.is_some() || !written.positions.is_empty() {
        c.problem("start_of_day.file", format!("{file:?}"), "either a file, or date and positions here");
        return;
    }
    let text = std::fs::read_to_string(base.join(&file)).map_err(|e| format!("unreadable ({e})"));
    let parsed = text.and_then(|t| toml::from_str::<StartOfDay>(&t).map_err(|e| format!("malformed ({e})")));
    match parsed {
        Ok(day) if day.file.is_none() => *written = day,
        Ok(_) => c.problem(
            "start_of_day.file",
            format!("{file:?}, which names a file"),
            "a file with date and positions",
        ),
        Err(why) => c.problem("start_of_day.file", format!("{file:?}, {why}"), "a readable TOML file"),
    }
}

pub(super) fn resolve(
    c: &mut Checks,
    written: &StartOfDay,
    instruments: &[Instrument],
    limits: &RiskLimits,
) -> Openings {
    let date = written.date.clone().unwrap_or_default();
    if !is_date(&date) {
        c.problem("start_of_day.date", format!("{date:?}"), "the day that begins, as \"2026-11-23\"");
    }
    let mut seen = BTreeSet::new();
    let mut positions = Vec::with_capacity(written.positions.len());
    for (k, held) in written.positions.iter().enumerate() {
        let key = |name: &str| format!("start_of_day.positions[{k}].{name}");
        let symbol = Symbol::new(&held.symbol);
        let Some(i) = instruments.iter().find(|i| Some(i.symbol) == symbol) else {
            c.problem(key("symbol"), format!("{:?}", held.symbol), "the symbol of an instrument");
            continue;
        };
        if !seen.insert(i.id) {
            c.problem(key("symbol"), format!("{:?}, named before", held.symbol), "each symbol once");
        }
        let px = held.average_px.parse::<Px>().ok().filter(|px| (Px(1)..=Px::MAX).contains(px));
        if px.is_none() {
            let allowed = format!("a price of at most four decimals, up to {}", Px::MAX);
            c.problem(key("average_px"), format!("{:?}", held.average_px), allowed);
        }
        // The gate would refuse whatever makes it larger, and it was not to become so large.
        if held.shares.unsigned_abs() > limits.max_position.unsigned_abs() {
            c.problem(
                key("shares"),
                held.shares,
                format!("within risk.max_position, {}", limits.max_position),
            );
        }
        let opening = Opening { instrument: i.id, shares: held.shares, px: px.unwrap_or(Px(1)) };
        if let Err(e) = opening.check() {
            c.problem(key("shares"), held.shares, e.to_string());
        }
        positions.push(opening);
    }
    Openings { date, positions }
}

fn is_date(s: &str) -> bool {
    let part = |range: std::ops::Range<usize>| s.get(range).and_then(|d| d.parse::<u32>().ok());
    let shape = s.len() == 10
        && s.bytes().enumerate().all(|(k, b)| if k == 4 || k == 7 { b == b'-' } else { b.is_ascii_digit() });
    shape
        && part(5..7).is_some_and(|m| (1..=12).contains(&m))
        && part(8..10).is_some_and(|d| (1..=31).contains(&d))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Secrets};
    use super::*;
    use engine::Fees;
    use model::{GatewayId, InstrumentId};

    const CORE: &str = include_str!("../../tests/fixtures/core.toml");

    fn resolved(more: &str, base: &Path) -> Result<Config, Vec<String>> {
        let written = toml::from_str(&format!("{CORE}\n{more}")).map_err(|e| vec![e.to_string()])?;
        Config::resolve(written, &base.join("core.toml"), Secrets::Skip)
            .map_err(|e| e.problems.iter().map(ToString::to_string).collect())
    }

    const DAY: &str = "date = \"2026-11-23\"\npositions = [{ symbol = \"AAPL\", shares = -100, average_px = \"190.12\" }]\n";

    #[test]
    fn what_is_held_reaches_the_engine_from_the_file_and_from_the_copy_of_a_run() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("day.toml"), DAY).unwrap();
        let from_file = resolved("[start_of_day]\nfile = \"day.toml\"", dir.path()).unwrap();
        let expected = Opening { instrument: InstrumentId(0), shares: -100, px: Px(1_901_200) };
        assert_eq!(from_file.engine().openings, [expected]);
        // The copy stands alone.
        std::fs::remove_file(dir.path().join("day.toml")).unwrap();
        let copy = toml::from_str(&from_file.to_toml()).unwrap();
        let copy = Config::resolve(copy, &dir.path().join("config.toml"), Secrets::Skip).unwrap();
        assert_eq!(copy.engine().openings, [expected]);
        assert_eq!(copy.openings.unwrap().date, "2026-11-23");
        assert!(resolved("", dir.path()).unwrap().openings.is_none());
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("loop.toml"), "file = \"loop.toml\"").unwrap();
        let of = |date: &str, symbol: &str, shares: i64, px: &str| {
            format!(
                "date = \"{date}\"\npositions = [{{ symbol = \"{symbol}\", shares = {shares}, average_px = \"{px}\" }}]"
            )
        };
        let twice = DAY.replace("}]", "}, { symbol = \"AAPL\", shares = 1, average_px = \"1\" }]");
        for (written, key) in [
            (of("2026-13-01", "AAPL", 1, "1"), "start_of_day.date"),
            (of("tomorrow", "AAPL", 1, "1"), "start_of_day.date"),
            ("positions = []".to_owned(), "start_of_day.date"),
            (of("2026-11-23", "MSFT", 1, "1"), "start_of_day.positions[0].symbol"),
            (of("2026-11-23", "AAPL", 1_001, "1"), "start_of_day.positions[0].shares"),
            (of("2026-11-23", "AAPL", i64::MIN, "1"), "start_of_day.positions[0].shares"),
            (of("2026-11-23", "AAPL", 1, "0"), "start_of_day.positions[0].average_px"),
            (of("2026-11-23", "AAPL", 1, "1.00001"), "start_of_day.positions[0].average_px"),
            (twice, "start_of_day.positions[1].symbol"),
            ("file = \"absent.toml\"".to_owned(), "start_of_day.file"),
            ("file = \"loop.toml\"".to_owned(), "start_of_day.file"),
            (format!("file = \"day.toml\"\n{DAY}"), "start_of_day.file"),
        ] {
            let problems = resolved(&format!("[start_of_day]\n{written}"), dir.path()).expect_err(&written);
            assert!(problems.iter().any(|p| p.contains(key)), "{written}: {problems:?}");
        }
    }

    #[test]
    fn positions_of_another_day_are_unfit() {
        let openings = Openings { date: "2026-11-23".into(), positions: Vec::new() };
        let day = 86_400_000_000_000;
        let noon = 1_795_435_200_000_000_000; // date -u -d '2026-11-23 12:00' +%s
        assert_eq!(openings.unfit(Nanos(noon)), None);
        assert_eq!(openings.unfit(Nanos(noon - day)), None, "the evening before");
        for off in [Nanos(noon + day), Nanos(noon - 2 * day)] {
            assert!(openings.unfit(off).unwrap().contains("start_of_day.date"));
        }
    }

    #[test]
    fn fees_are_by_gateway_and_flag() {
        let dir = tempfile::tempdir().unwrap();
        let with = |fees: &str| {
            let core = CORE.replace("firm = \"ABCD\"", &format!("firm = \"ABCD\"\nfees_micro_usd = {fees}"));
            let written = toml::from_str(&core).expect("TOML");
            Config::resolve(written, &dir.path().join("core.toml"), Secrets::Skip)
        };
        let fees = with("{ A = -2000, other = 3000 }").unwrap().engine().fees;
        let mut expected = Fees::default();
        expected.set_all(3_000);
        expected.set(b'A', -2_000);
        assert_eq!(fees[GatewayId(0).index()], expected);
        for bad in ["{ AB = 1 }", "{ A = 1000001 }", "{ \"\" = 1 }"] {
            let e = with(bad).expect_err(bad).to_string();
            assert!(e.contains("gateways[0].fees_micro_usd"), "{bad}: {e}");
        }
    }
}
