//! Days out of files, each run by itself, as many at once as there are cores.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use backtest::day::{Day, Ran, Settings};
use backtest::drift::Sample;
use backtest::latency::Latency;
use backtest::record::Recorder;
use engine::strategy::Strategy;
use engine::{EngineStats, Position, Reason};
use feeds::itch50::Subscription;
use model::{MarketBody, MarketEvent, Nanos, Symbol, TradingState, Usd, Validity};

use super::sampled::Sampled;
use super::{measured, recorded};
use crate::cli::make;
use crate::config::Config;
use crate::source::{Source, SourceError};

/// What is to be run.
pub struct Job<'a> {
    /// The strategy, its limits and its venue.
    pub config: &'a Config,
    /// One for each day.
    pub data: &'a [PathBuf],
    /// Of a journal: its reports as they came, instead of a simulated venue's.
    pub as_recorded: bool,
    /// Where a journal of each day is left.
    pub keep: Option<&'a Path>,
    /// Days at once.
    pub threads: usize,
    /// Keep what a report's pictures are made of, and how long the legs took.
    pub details: bool,
    /// Told after each day: how many are done.
    pub done: &'a (dyn Fn(usize) + Sync),
}

/// What a day left.
pub struct Made {
    /// Its file.
    pub file: PathBuf,
    /// The engine's time at its midnight.
    pub midnight: Nanos,
    /// What it came to.
    pub ran: Ran,
    /// The engine's counts.
    pub stats: EngineStats,
    /// By instrument, at the end.
    pub positions: Vec<Position>,
    /// After fees.
    pub pnl: Usd,
    /// 1e-6 USD.
    pub fees: i64,
    /// Equity, fills, round trips.
    pub recorder: Recorder,
    /// Sums, about one a second.
    pub samples: Vec<Sample>,
}

/// Why a day could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A message that its own format does not allow.
    #[error("{}: message {number}: {what}", file.display())]
    Message {
        /// The file.
        file: PathBuf,
        /// Which, from 1.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
    /// None of the configuration's instruments is in the file.
    #[error("{}: none of its {messages} messages is of an instrument of the configuration", file.display())]
    NothingOfOurs {
        /// The file.
        file: PathBuf,
        /// How many it has.
        messages: u64,
    },
    /// The strategy's parameters.
    #[error(transparent)]
    Params(#[from] engine::strategy::ParamError),
    /// No order could have been sent.
    #[error("{}: the market never opens in it: a file without its hours wants `backtest.hours = \"always\"`", .0.display())]
    NeverOpen(PathBuf),
    /// What the days are run with.
    #[error(transparent)]
    Settings(#[from] backtest::day::SettingsError),
    /// A journal, as a day or for a latency that is to be measured by it; or a histogram, for that.
    #[error("{}: {what}", journal.display())]
    Journal {
        /// The folder or file.
        journal: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Runs every day of the job; in the order of its files, whichever ended first.
///
/// # Errors
/// The first that could not be run.
pub fn over<S: Strategy>(job: &Job<'_>) -> Result<Vec<Made>, Trouble> {
    make::<S>(job.config)?;
    let latency = measured::latency(job.config)?;
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let made: Mutex<Vec<Option<Result<Made, Trouble>>>> = Mutex::new(job.data.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..job.threads.clamp(1, job.data.len().max(1)) {
            scope.spawn(|| {
                while let Some((k, file)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|k| Some((k, job.data.get(k)?)))
                {
                    let result = match file.is_dir() || job.keep.is_some() {
                        true => recorded::day::<S>(job, &latency, file, midnight(file, k)),
                        false => day::<S>(job, &latency, file, k),
                    };
                    let failed = result.is_err();
                    if let Ok(mut made) = made.lock() {
                        made[k] = Some(result);
                    }
                    (job.done)(done.fetch_add(1, Ordering::Relaxed) + 1);
                    if failed {
                        // Nobody begins another day for a job that has failed.
                        next.fetch_add(job.data.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let made = made.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    made.into_iter().flatten().collect()
}

/// A file's messages as events of the configuration's instruments, until one cannot be had. Of an instrument whose orders come before the venue has said whether it trades (a file that begins in mid-day)
/// it is taken that it does.
struct Events<'a> {
    source: Source,
    subscription: &'a mut Subscription,
    messages: u64,
    trouble: &'a mut Option<Trouble>,
    file: &'a Path,
    /// By instrument: the venue has said whether it trades, or it is taken so.
    is_told: Vec<bool>,
    /// Behind what was made up.
    held: Option<MarketEvent>,
    /// Hours are left out.
    always_open: bool,
}

impl Events<'_> {
    /// The event, or before it what the file does not say.
    #[inline]
    fn told(&mut self, event: MarketEvent) -> MarketEvent {
        let Some(is_told) = self.is_told.get_mut(event.instrument.index()).filter(|told| !**told) else {
            return event;
        };
        let says = matches!(event.body, MarketBody::TradingAction { .. });
        if !says && !event.body.touches_book() {
            return event;
        }
        *is_told = true;
        if says {
            return event;
        }
        self.held = Some(event);
        let body = MarketBody::TradingAction {
            symbol: Symbol::BLANK,
            state: TradingState::Trading,
            reason: *b"    ",
        };
        MarketEvent { body, ..event }
    }
}

impl Iterator for Events<'_> {
    type Item = MarketEvent;

    #[inline]
    fn next(&mut self) -> Option<MarketEvent> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        loop {
            match self.source.next() {
                Ok(Some(message)) => {
                    self.messages += 1;
                    match self.subscription.event(message) {
                        Ok(Some(event))
                            if self.always_open && matches!(event.body, MarketBody::System { .. }) => {}
                        Ok(Some(event)) => return Some(self.told(event)),
                        Ok(None) => {}
                        Err(e) => {
                            let (file, number, what) =
                                (self.file.to_path_buf(), self.messages, e.to_string());
                            *self.trouble = Some(Trouble::Message { file, number, what });
                            return None;
                        }
                    }
                }
                Ok(None) => return None,
                Err(e) => {
                    *self.trouble = Some(e.into());
                    return None;
                }
            }
        }
    }
}

fn day<S: Strategy>(job: &Job<'_>, latency: &Latency, file: &Path, nth: usize) -> Result<Made, Trouble> {
    let config = job.config;
    let midnight = midnight(file, nth);
    let settings = Settings {
        engine: config.engine(),
        rules: config.history.rules,
        latency: latency.clone(),
        midnight: Nanos(midnight),
    };
    let mut recorder = Recorder::new(config.history.grain);
    if job.details {
        recorder = recorder.with_details(settings.midnight);
    }
    let day = Day::new(&settings, make::<S>(config)?, Sampled::new(&mut recorder, config))?;
    let mut subscription = Subscription::new(&config.instruments);
    let mut trouble = None;
    let source = match config.history.rules.queue.is_of_levels() {
        true => Source::open_levels(file)?,
        false => Source::open(file)?,
    };
    let events = Events {
        source,
        subscription: &mut subscription,
        messages: 0,
        trouble: &mut trouble,
        file,
        is_told: vec![false; config.instruments.len()],
        held: None,
        always_open: config.history.always_open,
    };
    let (ran, engine, recorder_of_day) = day.run(events);
    let samples = recorder_of_day.close(&engine);
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    if ran.messages == 0 {
        let (file, messages) = (file.to_path_buf(), subscription.filtered());
        return Err(Trouble::NothingOfOurs { file, messages });
    }
    let turns = engine.instruments().transitions();
    let was_valid = Reason::ALL.into_iter().any(|why| turns.of(Validity::Valid, why) > 0);
    if !was_valid && ran.messages > 1_000 {
        return Err(Trouble::NeverOpen(file.to_path_buf()));
    }
    Ok(Made {
        file: file.to_path_buf(),
        midnight: Nanos(midnight),
        ran,
        stats: engine.stats(),
        positions: engine.positions().all().to_vec(),
        pnl: engine.pnl(),
        fees: engine.positions().fees(),
        recorder,
        samples,
    })
}

/// The midnight of a file's day, ns since the Unix epoch: by its name, or by its place among the files.
fn midnight(file: &Path, nth: usize) -> u64 {
    date_in(file).unwrap_or(nth as u64) * 86_400 * 1_000_000_000
}

/// Days since 1970 of the date in a file's name: `20120621`, `2012-06-21`, or as Nasdaq writes them `06212012` and `S062112`.
fn date_in(file: &Path) -> Option<u64> {
    let name = file.file_name()?.to_str()?;
    let digits: Vec<u8> = name.bytes().map(|b| if b.is_ascii_digit() { b - b'0' } else { 10 }).collect();
    let number = |at: &[u8]| at.iter().fold(0u64, |n, d| n * 10 + u64::from(*d));
    let plain = |at: &[u8]| at.iter().all(|d| *d < 10);
    let dashed = digits
        .windows(10)
        .filter(|w| w[4] == 10 && w[7] == 10 && plain(&w[..4]) && plain(&w[5..7]) && plain(&w[8..]));
    let dashed = dashed.filter_map(|w| days(number(&w[..4]), number(&w[5..7]), number(&w[8..]))).next();
    let runs = || digits.split(|d| *d == 10);
    let eight = runs().filter(|r| r.len() == 8).filter_map(|r| {
        let first = days(number(&r[..4]), number(&r[4..6]), number(&r[6..]));
        first.or_else(|| days(number(&r[4..]), number(&r[..2]), number(&r[2..4])))
    });
    let six = runs().filter(|r| r.len() == 6);
    let six = six.filter_map(|r| days(2000 + number(&r[4..]), number(&r[..2]), number(&r[2..4])));
    dashed.or_else(|| eight.chain(six).next())
}

/// Days since 1970 of a date of the years 1980 to 2099 (Hinnant, "chrono-compatible low-level date algorithms").
pub(super) fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1980..2100).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (y / 400, y % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_found_in_a_name() {
        let of = |name: &str| date_in(Path::new(name));
        let day = Some(15_512); // date -d 2012-06-21 +%s / 86400
        for name in [
            "a/aapl_20120621_0930.itch",
            "AAPL_2012-06-21_34200000_37800000_message_10.csv",
            "S062112-v50.txt.gz",
            "06212012.NASDAQ_ITCH50",
        ] {
            assert_eq!(of(name), day, "{name}");
        }
        assert_eq!(of("seven_messages.itch"), None);
        assert_eq!(of("99999999.itch"), None);
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(1980, 1, 1), Some(3_652));
    }
}
