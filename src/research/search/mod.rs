//! A search: parameter sets over days, on all cores, recorded.
//!
//! ```text
//!   proposals --> (parameters, day), each once, over all cores --> record.jsonl --> values in sample --> more proposals
//!                                                                     |              the best --> days out of sample --> figures
//!                                                                     +--> every set of parameters that was ever run on these days: the verdict
//! ```
//!
//! A day begins flat, so what a set of parameters made of it is the same whichever search or window asks: it is run once, and taken from the record after that. A search that
//! was broken off and is started again proposes the same, finds what it had, and goes on.

mod record;
mod spaces;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use backtest::metrics::{DAYS, Figures, Returns};
use backtest::search::judge::{Verdict, judge};
use backtest::search::propose::Method;
use backtest::search::space::{Point, Space};
use backtest::search::split::Split;
use engine::strategy::ParamValue;
use model::Nanos;
use serde::Serialize;

use super::figures::dollars;
use super::files::{Job, Made, Trouble};
use crate::config::Config;

pub use record::{DayResult, Record, RecordError, Shown, TrialLine};
pub use spaces::{SpaceTrouble, from_file, from_words, value};

/// Periods that trials are judged by: minutes of P&L.
const MINUTE: u64 = 60_000_000_000;
/// Days from which on a value is made of days and no more of minutes.
const DAYS_ENOUGH: usize = 20;
/// Proposals that know the same history, and run beside each other. Not the number of cores: what is proposed must not hang on that.
const ROUND: usize = 4;

/// What is to be made large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Sharpe ratio.
    Sharpe,
    /// Sortino ratio.
    Sortino,
    /// Calmar ratio.
    Calmar,
    /// P&L after fees.
    Pnl,
}

impl Objective {
    fn of(self, figures: &Figures, pnl: f64) -> Option<f64> {
        match self {
            Objective::Sharpe => figures.sharpe,
            Objective::Sortino => figures.sortino,
            Objective::Calmar => figures.calmar,
            Objective::Pnl => Some(pnl),
        }
    }
}

/// A set of parameters as it is run.
pub type Params = BTreeMap<String, ParamValue>;

/// What a search is made with.
pub struct Plan<'a> {
    /// Which parameters.
    pub space: &'a Space,
    /// How they are found.
    pub method: Method,
    /// How many at most, in each window.
    pub trials: usize,
    /// Of chance.
    pub seed: u64,
    /// What is to be large.
    pub objective: Objective,
    /// Windows; none chooses and looks at all days.
    pub splits: Option<Vec<Split>>,
    /// One for each day.
    pub data: &'a [PathBuf],
    /// Runs at once.
    pub threads: usize,
}

/// What drives it: the strategy, and who looks on.
pub struct Driver<'a> {
    /// A configuration with these parameters.
    pub config: &'a (dyn Fn(&Params) -> Result<Config, Stopped> + Sync),
    /// Runs days.
    pub run: &'a (dyn Fn(&Job<'_>) -> Result<Vec<Made>, Trouble> + Sync),
    /// Told of each run of a day that is done.
    pub done: &'a (dyn Fn() + Sync),
    /// Told of each trial with its value.
    pub tried: &'a dyn Fn(&TrialLine),
}

/// Why a search ends early.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// Parameters that the strategy or the configuration does not take.
    #[error("{0}")]
    Config(String),
    /// A day.
    #[error(transparent)]
    Day(#[from] Trouble),
    /// The record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// One window.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// Files.
    pub chosen_on: Vec<String>,
    /// Files.
    pub judged_on: Vec<String>,
    /// The best in sample.
    pub params: Shown,
    /// Its value in sample.
    pub in_sample: Option<f64>,
    /// And out of sample.
    pub out_of_sample: Option<f64>,
    /// P&L out of sample, USD.
    pub pnl: f64,
    /// What the best in sample is worth among all that were tried there.
    pub verdict: Verdict,
}

/// What a search came to.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The best over all days, or none where windows were walked.
    pub best: Option<Window>,
    /// The windows.
    pub windows: Vec<Window>,
    /// Figures of the days out of sample put together, and nothing else.
    pub out_of_sample: Option<Figures>,
    /// P&L of these, USD.
    pub out_of_sample_pnl: Option<f64>,
    /// Trials, of all windows.
    pub trials: usize,
    /// Runs of a day that were found in the record.
    pub from_record: usize,
    /// Runs of a day that were made.
    pub runs: usize,
}

/// A search under way.
pub struct Search<'a> {
    plan: &'a Plan<'a>,
    driver: &'a Driver<'a>,
    record: &'a mut Record,
    from_record: usize,
    runs: usize,
    trials: usize,
}

impl<'a> Search<'a> {
    /// Before its first trial.
    pub fn new(plan: &'a Plan<'a>, driver: &'a Driver<'a>, record: &'a mut Record) -> Search<'a> {
        Search { plan, driver, record, from_record: 0, runs: 0, trials: 0 }
    }

    /// All of it.
    ///
    /// # Errors
    /// [`Stopped`]; what was run until then is in the record.
    pub fn run(mut self) -> Result<Found, Stopped> {
        let days = self.plan.data.len();
        let (mut windows, mut outside) = (Vec::new(), Vec::new());
        let mut best = None;
        match self.plan.splits.clone() {
            None => best = Some(self.window(0, (0..days).collect(), &[], &mut outside)?),
            Some(splits) => {
                for (k, split) in splits.into_iter().enumerate() {
                    let judged: Vec<usize> = split.judged_on.collect();
                    windows.push(self.window(k, split.chosen_on, &judged, &mut outside)?);
                }
            }
        }
        let capital = self.capital()?;
        let outside: Vec<&DayResult> = outside.iter().collect();
        let walked = !windows.is_empty();
        Ok(Found {
            best,
            out_of_sample: walked.then(|| figures(&outside, capital).0),
            out_of_sample_pnl: walked.then(|| outside.iter().map(|d| dollars(d.pnl_e4)).sum()),
            windows,
            trials: self.trials,
            from_record: self.from_record,
            runs: self.runs,
        })
    }

    fn capital(&self) -> Result<f64, Stopped> {
        let first = self.plan.space.point(0);
        Ok(dollars((self.driver.config)(&params(self.plan.space, &first))?.history.capital.0))
    }

    /// Chooses on some days and looks at others, whose results join `outside`.
    fn window(
        &mut self,
        number: usize,
        chosen_on: Vec<usize>,
        judged_on: &[usize],
        outside: &mut Vec<DayResult>,
    ) -> Result<Window, Stopped> {
        let plan = self.plan;
        let capital = self.capital()?;
        let mut history: Vec<(Point, Option<f64>)> = Vec::new();
        while history.len() < plan.trials {
            let round = ROUND.min(plan.trials - history.len());
            let points = plan.method.propose(plan.space, plan.seed, &history, round);
            if points.is_empty() {
                break;
            }
            let sets: Vec<Params> = points.iter().map(|p| params(plan.space, p)).collect();
            let results = self.days(&sets, &chosen_on)?;
            for (point, days) in points.into_iter().zip(results) {
                let days: Vec<&DayResult> = days.iter().collect();
                let (value, pnl) = self.value(&days, capital);
                let line = TrialLine {
                    window: number,
                    number: history.len(),
                    params: shown(&params(plan.space, &point)),
                    days: days.len(),
                    objective: plan.objective,
                    value,
                    pnl,
                };
                self.record.trial(&line)?;
                (self.driver.tried)(&line);
                history.push((point, value));
            }
        }
        self.trials += history.len();
        // Of equal ones the first: `max_by` would give the last.
        let by = |a: &&(Point, Option<f64>), b: &&(Point, Option<f64>)| {
            let of = |v: Option<f64>| v.unwrap_or(f64::NEG_INFINITY);
            of(a.1).total_cmp(&of(b.1))
        };
        let (point, in_sample) =
            history.iter().rev().max_by(by).cloned().unwrap_or_else(|| (plan.space.point(0), None));
        let best = params(plan.space, &point);
        let verdict = self.verdict(&shown(&best), &chosen_on, capital)?;
        let mut judged = self.results(&best, judged_on)?;
        let seen: Vec<&DayResult> = judged.iter().collect();
        let (out_of_sample, pnl) =
            if judged_on.is_empty() { (None, 0.0) } else { self.value(&seen, capital) };
        outside.append(&mut judged);
        let names = |days: &[usize]| days.iter().map(|d| plan.data[*d].display().to_string()).collect();
        Ok(Window {
            chosen_on: names(&chosen_on),
            judged_on: names(judged_on),
            params: shown(&best),
            in_sample,
            out_of_sample,
            pnl,
            verdict,
        })
    }

    fn value(&self, days: &[&DayResult], capital: f64) -> (Option<f64>, f64) {
        let (figures, pnl) = figures(days, capital);
        (self.plan.objective.of(&figures, pnl), pnl)
    }

    /// Judged over every set of parameters of which the record has all these days, whichever search ran it.
    fn verdict(&self, best: &Shown, days: &[usize], capital: f64) -> Result<Verdict, Stopped> {
        let on = |day: &usize| self.record.on(&self.plan.data[*day]);
        let on = days.iter().map(on).collect::<Result<Vec<_>, _>>()?;
        let series = self.record.all_on(&on);
        // The same minutes for each: what one has no word of, it made nothing in.
        let mut width: Vec<(u64, u64)> = vec![(u64::MAX, 0); days.len()];
        for (_, set) in &series {
            for (w, day) in width.iter_mut().zip(set) {
                *w = (w.0.min(day.first_minute), w.1.max(day.first_minute + day.minutes.len() as u64));
            }
        }
        let chosen = series.iter().position(|(params, _)| *params == best);
        let returns: Vec<Vec<f64>> = series
            .iter()
            .map(|(_, set)| {
                let each = set.iter().zip(&width).flat_map(|(day, (from, to))| {
                    (*from..*to).map(|minute| {
                        let at = minute.checked_sub(day.first_minute).map(|at| at as usize);
                        at.and_then(|at| day.minutes.get(at)).map_or(0.0, |e4| dollars(*e4) / capital)
                    })
                });
                each.collect()
            })
            .collect();
        Ok(judge(&returns, chosen.unwrap_or(0), self.plan.seed))
    }

    /// What one set made of these days, in their order: out of the record, and run where it is not there. The set may be none of the space's.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn results(&mut self, set: &Params, days: &[usize]) -> Result<Vec<DayResult>, Stopped> {
        Ok(self.days(std::slice::from_ref(set), days)?.pop().unwrap_or_default())
    }

    /// What each set made of each day, in their order.
    fn days(&mut self, sets: &[Params], days: &[usize]) -> Result<Vec<Vec<DayResult>>, Stopped> {
        let shown: Vec<Shown> = sets.iter().map(shown).collect();
        let on = days.iter().map(|day| self.record.on(&self.plan.data[*day]));
        let on = on.collect::<Result<Vec<String>, _>>()?;
        // Which set, and which of these days.
        let wanted = || (0..sets.len()).flat_map(|k| (0..days.len()).map(move |d| (k, d)));
        let missing: Vec<(usize, usize)> =
            wanted().filter(|(k, d)| self.record.get(&on[*d], &shown[*k]).is_none()).collect();
        self.from_record += wanted().count() - missing.len();
        self.runs += missing.len();
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let made: Mutex<Vec<DayResult>> = Mutex::new(Vec::new());
        let trouble: Mutex<Option<Stopped>> = Mutex::new(None);
        let record = Mutex::new(&mut *self.record);
        let (plan, driver) = (self.plan, self.driver);
        let one = |k: usize, d: usize| -> Result<(), Stopped> {
            let config = (driver.config)(&sets[k])?;
            let data = std::slice::from_ref(&plan.data[days[d]]);
            let job = Job {
                config: &config,
                data,
                as_recorded: false,
                keep: None,
                threads: 1,
                details: false,
                done: &|_| {},
            };
            let ran = (driver.run)(&job)?;
            let Some(result) = ran.first().map(|m| reduced(m, on[d].clone(), shown[k].clone())) else {
                return Ok(());
            };
            // Written before it is believed: what is lost with the process is run again.
            if let Ok(mut record) = record.lock() {
                record.day(&result)?;
            }
            if let Ok(mut made) = made.lock() {
                made.push(result);
            }
            (driver.done)();
            Ok(())
        };
        std::thread::scope(|scope| {
            for _ in 0..plan.threads.clamp(1, missing.len().max(1)) {
                scope.spawn(|| {
                    while !failed.load(Ordering::Relaxed)
                        && let Some((k, d)) = missing.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        if let Err(e) = one(*k, *d) {
                            failed.store(true, Ordering::Relaxed);
                            if let Ok(mut trouble) = trouble.lock() {
                                trouble.get_or_insert(e);
                            }
                        }
                    }
                });
            }
        });
        if let Some(trouble) = trouble.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Err(trouble);
        }
        let made = made.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.record.keep(made);
        let of = |k: usize| on.iter().filter_map(|on| self.record.get(on, &shown[k]).cloned()).collect();
        Ok((0..sets.len()).map(of).collect())
    }
}

/// A point as a set of parameters.
#[must_use]
pub fn params(space: &Space, point: &[u32]) -> Params {
    space.values(point).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A set as the record has it.
#[must_use]
pub fn shown(set: &Params) -> Shown {
    let json = |v: &ParamValue| match v {
        ParamValue::Int(n) => (*n).into(),
        ParamValue::Bool(b) => (*b).into(),
        ParamValue::Text(s) => s.clone().into(),
    };
    set.iter().map(|(name, value)| (name.clone(), json(value))).collect()
}

/// Figures of days put together, by days where there are enough of them and else by minutes; and their P&L.
fn figures(days: &[&DayResult], capital: f64) -> (Figures, f64) {
    let pnl = days.iter().map(|d| dollars(d.pnl_e4)).sum();
    let returns = if days.len() >= DAYS_ENOUGH {
        Returns::of_profits(days.iter().map(|d| dollars(d.pnl_e4)), capital, DAYS)
    } else {
        Returns::of_days(days.iter().map(|d| d.minutes.iter().map(|e4| dollars(*e4))), capital)
    };
    (returns.figures(), pnl)
}

/// What is kept of a day.
fn reduced(m: &Made, on: String, params: Shown) -> DayResult {
    let minute = |at: Nanos| at.since(m.midnight).0 / MINUTE;
    let first_minute = m.recorder.marks.first().map_or(0, |k| minute(k.at));
    let mut minutes: Vec<i64> = Vec::new();
    let mut before = 0;
    for mark in &m.recorder.marks {
        let at = minute(mark.at).saturating_sub(first_minute) as usize;
        minutes.resize(minutes.len().max(at + 1), 0);
        minutes[at] += mark.pnl.0 - before;
        before = mark.pnl.0;
    }
    DayResult {
        on,
        params,
        file: m.file.display().to_string(),
        pnl_e4: m.pnl.0,
        orders: m.stats.new_orders,
        fills: m.recorder.fills.len(),
        commands_hash: format!("{:016x}", m.ran.commands_hash),
        first_minute,
        minutes,
    }
}
