//! What a series of returns was worth, in the figures that desks compare.
//!
//! Definitions are those of the Python package empyrical (its maintained successor empyrical-reloaded), which most published figures were made with, so that a figure here is
//! one there; `tests/empyrical.rs` holds them to it. Where a figure is not defined (a deviation of nothing, a series too short) it is `None`, never a number that looks like one.
//!
//! Returns are simple, one for each period: 0.01 is one percent. Nothing here decides anything, so this is the one place with floating point.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// A series of simple returns and how many of its periods make a year.
#[derive(Clone, Debug, PartialEq)]
pub struct Returns {
    values: Vec<f64>,
    periods_per_year: f64,
}

/// Trading days in a year.
pub const DAYS: f64 = 252.0;

/// The figures of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Periods.
    pub periods: usize,
    /// Compounded over all of it.
    pub total_return: Option<f64>,
    /// Compounded to a year.
    pub annual_return: Option<f64>,
    /// Standard deviation, to a year.
    pub annual_volatility: Option<f64>,
    /// Mean over deviation, to a year; risk-free rate 0 (Sharpe 1994).
    pub sharpe: Option<f64>,
    /// Mean over the deviation of losses, to a year; required return 0 (Sortino and Price 1994).
    pub sortino: Option<f64>,
    /// Annual return over the deepest drawdown (Young 1991).
    pub calmar: Option<f64>,
    /// Gains over losses beyond 0 (Keating and Shadwick 2002).
    pub omega: Option<f64>,
    /// Deepest fall from a peak, a negative part of it.
    pub max_drawdown: Option<f64>,
    /// Periods of the longest time below a peak.
    pub longest_drawdown: usize,
    /// The 95th percentile over the 5th, without their signs.
    pub tail_ratio: Option<f64>,
    /// The 5th percentile.
    pub value_at_risk: Option<f64>,
    /// Mean of the returns up to the 5th percentile: as many as lie at or below it, of equal ones no more.
    pub expected_shortfall: Option<f64>,
    /// Third standardised moment.
    pub skew: Option<f64>,
    /// Fourth standardised moment; 3 of a normal distribution.
    pub kurtosis: Option<f64>,
}

/// Figures beside a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// How much of the benchmark's move it makes.
    pub beta: Option<f64>,
    /// What it makes beyond that, to a year.
    pub alpha: Option<f64>,
    /// Mean over deviation of what it makes beyond the benchmark, each period.
    pub information_ratio: Option<f64>,
}

impl Returns {
    /// Of so many periods a year. What is not a number is left out.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = f64>, periods_per_year: f64) -> Returns {
        Returns { values: values.into_iter().filter(|r| r.is_finite()).collect(), periods_per_year }
    }

    /// Of an equity curve: what each period adds to the `capital` that it begins with.
    #[must_use]
    pub fn of_profits(
        profits: impl IntoIterator<Item = f64>,
        capital: f64,
        periods_per_year: f64,
    ) -> Returns {
        let mut equity = capital;
        let values = profits.into_iter().map(|profit| {
            let r = profit / equity;
            equity += profit;
            r
        });
        Returns::new(values.collect::<Vec<_>>(), periods_per_year)
    }

    /// Of what each period of several days made. A year is [`DAYS`] days as these are.
    #[must_use]
    pub fn of_days<D: IntoIterator<Item = f64>>(days: impl IntoIterator<Item = D>, capital: f64) -> Returns {
        let (mut profits, mut n) = (Vec::new(), 0u32);
        for day in days {
            profits.extend(day);
            n += 1;
        }
        let periods_per_year = DAYS * profits.len() as f64 / f64::from(n.max(1));
        Returns::of_profits(profits, capital, periods_per_year)
    }

    /// One for each period.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Growth of 1 behind each period.
    fn wealth(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().scan(1.0, |wealth, r| {
            *wealth *= 1.0 + r;
            Some(*wealth)
        })
    }

    /// All of them.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let v = &self.values;
        let (mean, deviation) = (mean(v), deviation(v));
        let year = self.periods_per_year;
        let total = self.wealth().last();
        let annual_return = total.and_then(|w| defined(w.powf(year / v.len() as f64) - 1.0));
        let downside = mean_of(v.iter().map(|r| r.min(0.0).powi(2))).map(|m| m.sqrt() * year.sqrt());
        let (max_drawdown, longest_drawdown) = self.drawdowns();
        let (low, high) = (percentile(v, 5.0), percentile(v, 95.0));
        let losses: f64 = v.iter().map(|r| (-r).max(0.0)).sum();
        let gains: f64 = v.iter().map(|r| r.max(0.0)).sum();
        Figures {
            periods: v.len(),
            total_return: total.map(|w| w - 1.0),
            annual_return,
            annual_volatility: deviation.map(|d| d * year.sqrt()),
            sharpe: ratio(mean, deviation).map(|s| s * year.sqrt()),
            sortino: ratio(mean.map(|m| m * year), downside),
            calmar: ratio(annual_return, max_drawdown.map(f64::abs)),
            omega: ratio((!v.is_empty()).then_some(gains), Some(losses)),
            max_drawdown,
            longest_drawdown,
            tail_ratio: ratio(high.map(f64::abs), low.map(f64::abs)),
            value_at_risk: low,
            expected_shortfall: shortfall(v, 5.0),
            skew: self.moment(3),
            kurtosis: self.moment(4),
        }
    }

    /// The deepest, and the longest in periods. The peak that a series begins with is its first 1.
    fn drawdowns(&self) -> (Option<f64>, usize) {
        let (mut peak, mut deepest, mut below, mut longest) = (1.0f64, 0.0f64, 0, 0);
        for wealth in self.wealth() {
            below = if wealth < peak { below + 1 } else { 0 };
            peak = peak.max(wealth);
            deepest = deepest.min(wealth / peak - 1.0);
            longest = longest.max(below);
        }
        ((!self.values.is_empty()).then_some(deepest), longest)
    }

    /// A standardised moment, of the population.
    fn moment(&self, power: i32) -> Option<f64> {
        let mean = mean(&self.values)?;
        let around = |power: i32| mean_of(self.values.iter().map(|r| (r - mean).powi(power)));
        defined(around(power)? / around(2)?.sqrt().powi(power))
    }

    /// Beside a benchmark of the same periods; of what one has more, the rest is left out.
    #[must_use]
    pub fn beside(&self, benchmark: &Returns) -> Beside {
        let pairs: Vec<_> = self.values.iter().copied().zip(benchmark.values.iter().copied()).collect();
        let own: Vec<_> = pairs.iter().map(|p| p.0).collect();
        let others: Vec<_> = pairs.iter().map(|p| p.1).collect();
        let active: Vec<_> = pairs.iter().map(|(r, b)| r - b).collect();
        let beta = mean(&own).zip(mean(&others)).and_then(|(m, n)| {
            let together: f64 = pairs.iter().map(|(r, b)| (r - m) * (b - n)).sum();
            let alone: f64 = others.iter().map(|b| (b - n).powi(2)).sum();
            defined(together / alone)
        });
        let alpha = beta.and_then(|beta| {
            let beyond = mean_of(pairs.iter().map(|(r, b)| r - beta * b))?;
            defined((1.0 + beyond).powf(self.periods_per_year) - 1.0)
        });
        Beside { beta, alpha, information_ratio: ratio(mean(&active), deviation(&active)) }
    }

    /// Sharpe ratio of one period.
    fn plain_sharpe(&self) -> Option<f64> {
        ratio(mean(&self.values), deviation(&self.values))
    }

    /// The probability that the best of several trials has a Sharpe ratio above what the best of as many trials without any skill would show (Bailey and López de Prado
    /// 2014, "The deflated Sharpe ratio"). `trials` are the Sharpe ratios of one period of every trial made, this one among them: leaving out the bad ones is how it is fooled.
    #[must_use]
    pub fn deflated_sharpe(&self, trials: &[f64]) -> Option<f64> {
        let (sharpe, n) = (self.plain_sharpe()?, trials.len() as f64);
        if trials.is_empty() {
            return None;
        }
        let normal = Normal::standard();
        let luck = match deviation(trials) {
            Some(spread) if n > 1.0 => {
                let at = |tail: f64| normal.inverse_cdf(1.0 - tail);
                spread * ((1.0 - EULER) * at(1.0 / n) + EULER * at(1.0 / (n * std::f64::consts::E)))
            }
            _ => 0.0,
        };
        let (skew, kurtosis) = (self.moment(3)?, self.moment(4)?);
        let spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe;
        let z = (sharpe - luck) * (self.values.len() as f64 - 1.0).sqrt() / spread.sqrt();
        defined(normal.cdf(z))
    }
}

/// The Sharpe ratio of one period, for [`Returns::deflated_sharpe`].
#[must_use]
pub fn trial_sharpe(returns: &Returns) -> Option<f64> {
    returns.plain_sharpe()
}

/// White's reality check (2000): the probability that the best of several trials beats the benchmark as far as it does by luck alone. Each trial is what it made beyond the
/// benchmark, period by period. The law of the best comes from a stationary bootstrap (Politis and Romano 1994) of blocks of `block` periods in the mean, `draws` times.
///
/// `None` without a trial, or where their lengths differ.
#[must_use]
pub fn reality_check(trials: &[Vec<f64>], block: f64, draws: usize, seed: u64) -> Option<f64> {
    let n = trials.first()?.len();
    if n == 0 || draws == 0 || trials.iter().any(|t| t.len() != n) {
        return None;
    }
    let root = (n as f64).sqrt();
    let means: Vec<_> = trials.iter().map(|t| t.iter().sum::<f64>() / n as f64).collect();
    let best = means.iter().map(|m| m * root).fold(f64::NEG_INFINITY, f64::max);
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / 2f64.powi(64)
    };
    let ends = 1.0 / block.max(1.0);
    let mut beyond = 0usize;
    let mut order = vec![0usize; n];
    for _ in 0..draws {
        let mut at = 0;
        for (k, place) in order.iter_mut().enumerate() {
            at = if k == 0 || draw() < ends { (draw() * n as f64) as usize % n } else { (at + 1) % n };
            *place = at;
        }
        let shown = trials.iter().zip(&means).map(|(t, m)| {
            let again = order.iter().map(|at| t[*at]).sum::<f64>() / n as f64;
            (again - m) * root
        });
        beyond += usize::from(shown.fold(f64::NEG_INFINITY, f64::max) >= best);
    }
    Some(beyond as f64 / draws as f64)
}

fn defined(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

fn ratio(of: Option<f64>, by: Option<f64>) -> Option<f64> {
    defined(of? / by.filter(|by| *by != 0.0)?)
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0usize, 0.0), |(n, sum), x| (n + 1, sum + x));
    (n != 0).then(|| sum / n as f64)
}

fn mean(values: &[f64]) -> Option<f64> {
    mean_of(values.iter().copied())
}

/// Of a sample: divided by one less than there are.
fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Mean of the lowest.
fn shortfall(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = (sorted.len().checked_sub(1)? as f64 * percent / 100.0) as usize;
    mean(&sorted[..=last])
}

/// Between the two nearest, in proportion.
fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = percent / 100.0 * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Option<f64>, b: f64) {
        assert!(a.is_some_and(|a| (a - b).abs() < 1e-9 * b.abs().max(1.0)), "{a:?}, not {b}");
    }

    #[test]
    fn a_series_by_hand() {
        let r = Returns::new([0.1, -0.5, 0.2, f64::NAN], 4.0);
        let f = r.figures();
        assert_eq!((f.periods, f.longest_drawdown), (3, 2));
        near(f.total_return, 1.1 * 0.5 * 1.2 - 1.0);
        near(f.max_drawdown, -0.5);
        near(f.annual_return, 0.66f64.powf(4.0 / 3.0) - 1.0);
        let mean = -0.2 / 3.0;
        let squares = [0.1f64, -0.5, 0.2].map(|r| (r - mean).powi(2)).iter().sum::<f64>();
        near(f.sharpe, mean / (squares / 2.0).sqrt() * 2.0);
        near(f.sortino, mean * 4.0 / ((0.25f64 / 3.0).sqrt() * 2.0));
        near(f.omega, 0.3 / 0.5);
        near(f.value_at_risk, -0.44);
        near(f.expected_shortfall, -0.5);
    }

    #[test]
    fn what_is_not_defined_is_none() {
        let none = Returns::new([], DAYS).figures();
        assert_eq!((none.sharpe, none.max_drawdown, none.total_return, none.omega), (None, None, None, None));
        let one = Returns::new([0.01], DAYS).figures();
        assert_eq!((one.sharpe, one.sortino, one.calmar), (None, None, None));
        assert!(one.annual_return.is_some() && one.max_drawdown == Some(0.0));
        assert_eq!(Returns::new([0.0; 9], DAYS).figures().sharpe, None);
        assert_eq!(Returns::new([0.1, 0.2], DAYS).beside(&Returns::new([0.0, 0.0], DAYS)).beta, None);
        assert_eq!(reality_check(&[], 5.0, 10, 1), None);
        assert_eq!(reality_check(&[vec![1.0], vec![]], 5.0, 10, 1), None);
    }

    /// Noise of a seed, of mean 0 and deviation 1 or so.
    fn noise(seed: u64, n: usize) -> Vec<f64> {
        let mut state = seed;
        let mut draw = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..n).map(|_| (0..12).map(|_| draw()).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn the_best_of_many_is_judged_as_such() {
        let trials: Vec<Vec<f64>> = (0..50).map(|k| noise(k + 1, 250)).collect();
        let of = |t: &Vec<f64>| Returns::new(t.iter().map(|x| x * 0.01), DAYS);
        let sharpes: Vec<f64> = trials.iter().filter_map(|t| of(t).plain_sharpe()).collect();
        let (best, _) = sharpes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        let lucky = of(&trials[best]);
        let alone = lucky.deflated_sharpe(&[lucky.plain_sharpe().unwrap()]).unwrap();
        let among = lucky.deflated_sharpe(&sharpes).unwrap();
        assert!(alone > 0.95, "alone it looks like skill: {alone}");
        assert!(among < 0.8, "the best of fifty does not: {among}");
        let p = reality_check(&trials, 5.0, 300, 7).unwrap();
        assert!(p > 0.05, "{p}");
        // One that has skill is told from luck by both.
        let mut skilled = trials.clone();
        skilled[3].iter_mut().for_each(|x| *x += 0.4);
        assert!(reality_check(&skilled, 5.0, 300, 7).unwrap() < 0.02);
        let sharpes: Vec<f64> = skilled.iter().filter_map(|t| of(t).plain_sharpe()).collect();
        assert!(of(&skilled[3]).deflated_sharpe(&sharpes).unwrap() > 0.99);
    }

    #[test]
    fn a_year_has_as_many_periods_as_its_days_had() {
        // Seven grains in two days: 252 of these have 882.
        let days = [vec![0.0, 30.0, 0.0, 0.0, -10.0], vec![0.0, 15.0]];
        let figures = Returns::of_days(days.into_iter().map(Vec::into_iter), 1_000.0).figures();
        let r = [0.0, 0.03, 0.0, 0.0, -10.0 / 1_030.0, 0.0, 15.0 / 1_020.0];
        let mean = r.iter().sum::<f64>() / 7.0;
        let deviation = (r.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
        let near = |figure: Option<f64>, is: f64| {
            assert!((figure.unwrap() - is).abs() < 1e-9, "{figure:?}, not {is}");
        };
        assert_eq!(figures.periods, 7);
        near(figures.annual_volatility, deviation * 882f64.sqrt());
        near(figures.sharpe, mean / deviation * 882f64.sqrt());
        near(figures.sortino, mean * 882.0 / ((10.0f64 / 1_030.0).powi(2) / 7.0 * 882.0).sqrt());
        near(figures.annual_return, 1.035f64.powi(126) - 1.0);
    }
}
