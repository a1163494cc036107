//! A benchmark's days, out of a CSV of two columns.
//!
//! ```text
//!   date,close          or          date,return
//!   2012-06-20,85.61                2012-06-20,0.0041
//! ```
//!
//! A close gives the return since the close of the row before, so the first row is none. Days are matched by date with the dates of the files; a day that the benchmark does not have is left out of
//! the comparison, and said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use backtest::metrics::{DAYS, Returns};

use super::figures::{Summary, dollars};
use super::files::{Made, days};
use crate::config::Config;

/// Returns by day, counted from the first of 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Benchmark(BTreeMap<u64, f64>);

/// A benchmark that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row.
    #[error("{}: line {line}: {what}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: &'static str,
    },
}

impl Benchmark {
    /// Reads one.
    ///
    /// # Errors
    /// The file, or its first row that is none.
    pub fn read(path: &Path) -> Result<Benchmark, BenchmarkError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| BenchmarkError::File { path: path.into(), source })?;
        Benchmark::parse(&text).map_err(|(line, what)| BenchmarkError::Row { path: path.into(), line, what })
    }

    fn parse(text: &str) -> Result<Benchmark, (usize, &'static str)> {
        let mut lines = (1..).zip(text.lines().map(str::trim_end));
        let is_close = match lines.next() {
            Some((_, "date,close")) => true,
            Some((_, "date,return")) => false,
            _ => return Err((1, "the head is neither `date,close` nor `date,return`")),
        };
        let (mut all, mut before) = (BTreeMap::new(), None::<(u64, f64)>);
        for (line, row) in lines.filter(|(_, row)| !row.is_empty()) {
            let (date, value) = row.split_once(',').ok_or((line, "a row has two columns"))?;
            let day = date_of(date).ok_or((line, "the date is not YYYY-MM-DD of 1980 to 2099"))?;
            let value = value.parse::<f64>().ok().filter(|v| v.is_finite());
            let value = value.ok_or((line, "the value is not a number"))?;
            if before.is_some_and(|(last, _)| last >= day) {
                return Err((line, "the dates do not rise"));
            }
            if is_close && value <= 0.0 {
                return Err((line, "a close is above 0"));
            }
            match (is_close, before) {
                (false, _) => drop(all.insert(day, value)),
                (true, Some((_, close))) => drop(all.insert(day, value / close - 1.0)),
                (true, None) => {}
            }
            before = Some((day, value));
        }
        Ok(Benchmark(all))
    }

    /// Sets a summary beside it; returns how many of its days the benchmark has.
    pub fn compare(&self, config: &Config, made: &[Made], summary: &mut Summary) -> usize {
        let capital = dollars(config.history.capital.0);
        let mut equity = capital;
        let pairs: Vec<(f64, f64)> = made
            .iter()
            .filter_map(|m| {
                let profit = dollars(m.pnl.0);
                let own = profit / equity;
                equity += profit;
                Some((own, *self.0.get(&(m.midnight.0 / 86_400_000_000_000))?)).filter(|_| own.is_finite())
            })
            .collect();
        let own = Returns::new(pairs.iter().map(|p| p.0), DAYS);
        summary.set_benchmark(&own, &Returns::new(pairs.iter().map(|p| p.1), DAYS));
        pairs.len()
    }
}

fn date_of(text: &str) -> Option<u64> {
    let b = text.as_bytes();
    let digits = |part: &str| part.bytes().all(|c| c.is_ascii_digit()).then(|| part.parse::<u64>().ok())?;
    (b.len() == 10 && b[4] == b'-' && b[7] == b'-' && text.is_ascii())
        .then(|| days(digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..])?))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_and_returns_are_returns() {
        let of = |text: &str| Benchmark::parse(text).map(|b| b.0.into_iter().collect::<Vec<_>>());
        let two = of("date,close\n2012-06-20,100\n2012-06-21,110\r\n2012-06-25,99\n\n").unwrap();
        assert_eq!(two.iter().map(|d| d.0).collect::<Vec<_>>(), [15_512, 15_516]);
        assert!((two[0].1 - 0.1).abs() < 1e-12 && (two[1].1 + 0.1).abs() < 1e-12);
        assert_eq!(of("date,return\n2012-06-21,-0.5\n"), Ok(vec![(15_512, -0.5)]));
        for (text, line) in [
            ("", 1),
            ("day,close\n", 1),
            ("date,close\n2012-06-21\n", 2),
            ("date,close\n2012-06-21,x\n", 2),
            ("date,close\n2012-06-21,inf\n", 2),
            ("date,close\n2012-06-21,0\n", 2),
            ("date,close\n2012-6-21,1\n", 2),
            ("date,close\n2012\u{e9}06-21,1\n", 2),
            ("date,return\n2012-06-21,1\n2012-06-21,1\n", 3),
        ] {
            assert_eq!(of(text).map_err(|e| e.0), Err(line), "{text:?}");
        }
    }
}
