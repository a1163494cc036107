//! Whether a strategy that runs is the one that was tested: figures of a trailing window against what history had in windows of that length.
//!
//! ```text
//!   samples, one a second --> the window: first ... last --> differences --> within the bounds?
//! ```
//!
//! A figure is judged once the window is full, and told when it leaves its bounds and when it is back: in between nothing is said again. All are integers in the units of their names, so that a
//! file of bounds and a journal's alarm say the same number.

use std::collections::VecDeque;

use model::{Drift as Turn, DriftFigure as Figure, Nanos};
use serde::{Deserialize, Serialize};

/// How long after its trade a share is valued, for [`Figure::Markout`]: from one look to the next.
pub const MARKOUT: Nanos = Nanos::from_millis(1_000);

/// By code; `None` where there is nothing to judge: no order, no trade, no price.
pub type Figures = [Option<i64>; Figure::ALL.len()];

/// What a figure may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// At least.
    pub least: i64,
    /// At most.
    pub most: i64,
}

/// What is expected, as a file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Seconds that a window has.
    pub window_s: u64,
    /// Windows of history that it was made of.
    #[serde(default)]
    pub windows: u64,
    /// Of [`Figure::Pnl`], and so on; what is left out is not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pnl_e4_usd: Option<Bounds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)] // as above
    pub orders: Option<Bounds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub fills_per_10k_orders: Option<Bounds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub markout_1s_ppm: Option<Bounds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub excess_ppm: Option<Bounds>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub slippage_ppm: Option<Bounds>,
}

/// Expectations that nothing can be held to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectationError {
    /// The window.
    #[error("`window_s` is {0}; allowed: 10 to 86400")]
    Window(u64),
    /// A figure's bounds.
    #[error("`{0}`: least is above most")]
    Reversed(&'static str),
    /// Nothing is judged.
    #[error("no figure has bounds")]
    Empty,
    /// Too little history.
    #[error("{0} whole windows of history: at least 5 are needed")]
    Short(u64),
}

impl Expectation {
    /// The bounds of a figure.
    #[must_use]
    pub const fn of(&self, figure: Figure) -> Option<Bounds> {
        match figure {
            Figure::Pnl => self.pnl_e4_usd,
            Figure::Orders => self.orders,
            Figure::FillRatio => self.fills_per_10k_orders,
            Figure::Markout => self.markout_1s_ppm,
            Figure::Excess => self.excess_ppm,
            Figure::Slippage => self.slippage_ppm,
        }
    }

    /// Whether anything can be held to it.
    ///
    /// # Errors
    /// [`ExpectationError`].
    pub fn check(&self) -> Result<(), ExpectationError> {
        if !(10..=86_400).contains(&self.window_s) {
            return Err(ExpectationError::Window(self.window_s));
        }
        let given = || Figure::ALL.into_iter().filter_map(|f| Some((f, self.of(f)?)));
        if given().next().is_none() {
            return Err(ExpectationError::Empty);
        }
        match given().find(|(_, b)| b.least > b.most) {
            Some((figure, _)) => Err(ExpectationError::Reversed(figure.word())),
            None => Ok(()),
        }
    }

    /// What anything fits.
    #[must_use]
    pub const fn of_anything(window_s: u64) -> Expectation {
        Expectation {
            window_s,
            windows: 0,
            pnl_e4_usd: None,
            orders: Some(Bounds { least: 0, most: i64::MAX }),
            fills_per_10k_orders: None,
            markout_1s_ppm: None,
            excess_ppm: None,
            slippage_ppm: None,
        }
    }

    /// From history: for each figure what its windows had, widened by three times what they differ by on average from their mean, and never narrower than what was.
    ///
    /// # Errors
    /// Fewer than five windows.
    pub fn of_history(window_s: u64, windows: &[Figures]) -> Result<Expectation, ExpectationError> {
        let n = windows.len() as u64;
        if n < 5 {
            return Err(ExpectationError::Short(n));
        }
        let bounds = |figure: Figure| {
            let all: Vec<i128> = windows.iter().filter_map(|w| w[figure as usize]).map(i128::from).collect();
            let len = i128::try_from(all.len()).ok().filter(|n| *n > 0)?;
            let mean = all.iter().sum::<i128>() / len;
            let spread = 3 * all.iter().map(|v| (v - mean).abs()).sum::<i128>() / len + 1;
            let (least, most) = (all.iter().min()?, all.iter().max()?);
            let fit = |v: i128| i64::try_from(v).unwrap_or(if v < 0 { i64::MIN } else { i64::MAX });
            Some(Bounds { least: fit((mean - spread).min(*least)), most: fit((mean + spread).max(*most)) })
        };
        let made = Expectation {
            window_s,
            windows: n,
            pnl_e4_usd: bounds(Figure::Pnl),
            orders: bounds(Figure::Orders),
            fills_per_10k_orders: bounds(Figure::FillRatio),
            markout_1s_ppm: bounds(Figure::Markout),
            excess_ppm: bounds(Figure::Excess),
            slippage_ppm: bounds(Figure::Slippage),
        };
        made.check().map(|()| made)
    }
}

/// What trades were worth one look later, over all instruments: what came between two looks is valued at the third.
#[derive(Debug, Default)]
pub struct Markouts {
    seen: Vec<Seen>,
    markout: i64,
    traded: i64,
}

/// An instrument at the look before, and what waits for a price.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    cash: i64,
    shares: i64,
    volume: u64,
    waits: (i64, i64, u64),
}

impl Markouts {
    /// Instrument `k` at this look: money that flowed since the start (1e-4 USD), shares held and shares traded since then, and twice the middle of its book; 0 where there is none.
    pub fn look(&mut self, k: usize, (cash, shares, volume): (i64, i64, u64), mid2: i64) {
        if self.seen.len() <= k {
            self.seen.resize(k + 1, Seen::default());
        }
        let seen = &mut self.seen[k];
        if mid2 != 0 {
            let (money, held, traded) = std::mem::take(&mut seen.waits);
            self.markout = self.markout.saturating_add(money).saturating_add(held.saturating_mul(mid2) / 2);
            self.traded = self.traded.saturating_add((traded.cast_signed()).saturating_mul(mid2) / 2);
        }
        seen.waits.0 = seen.waits.0.saturating_add(cash.saturating_sub(seen.cash));
        seen.waits.1 = seen.waits.1.saturating_add(shares.saturating_sub(seen.shares));
        seen.waits.2 = seen.waits.2.saturating_add(volume.saturating_sub(seen.volume));
        (seen.cash, seen.shares, seen.volume) = (cash, shares, volume);
    }

    /// What trades were worth over what they cost, and the money traded: [`Sample::markout`] and [`Sample::traded`].
    #[must_use]
    pub const fn sums(&self) -> (i64, i64) {
        (self.markout, self.traded)
    }
}

/// The figures of the windows that lie in a row of samples, one behind the other; what is left at the end is none.
#[must_use]
pub fn windows(samples: &[Sample], window_s: u64, capital: i64) -> Vec<Figures> {
    let window = window_s.saturating_mul(1_000_000_000).max(1);
    let mut found = Vec::new();
    let Some((mut first, rest)) = samples.split_first() else { return found };
    for sample in rest {
        if sample.at.since(first.at).0 >= window {
            found.push(figures(first, sample, capital));
            first = sample;
        }
    }
    found
}

/// What is known at one look; all sums since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Nanos,
    /// Profit after fees, 1e-4 USD.
    pub pnl: i64,
    /// New orders.
    pub orders: u64,
    /// Fills.
    pub fills: u64,
    /// What trades were worth a look later over what they cost, 1e-4 USD.
    pub markout: i64,
    /// Money traded, 1e-4 USD.
    pub traded: i64,
    /// The benchmark's price, 1e-4 USD; 0 where there is none.
    pub benchmark: i64,
    /// Twice what trades cost beyond the middles that their orders were decided at, 1e-4 USD.
    pub slippage2: i64,
    /// Money of the trades whose order had such a middle, 1e-4 USD.
    pub slippage_of: i64,
}

/// The figures of a window between two samples.
#[must_use]
pub fn figures(first: &Sample, last: &Sample, capital: i64) -> Figures {
    let ratio = |part: i128, whole: i128, unit: i128| {
        (whole > 0).then(|| i64::try_from(part * unit / whole).unwrap_or(i64::MAX))
    };
    let (orders, fills) = (last.orders.saturating_sub(first.orders), last.fills.saturating_sub(first.fills));
    let pnl = last.pnl.saturating_sub(first.pnl);
    let traded = last.traded.saturating_sub(first.traded);
    let excess = || {
        let ours = ratio(pnl.into(), capital.into(), 1_000_000)?;
        let moved = i128::from(last.benchmark) - i128::from(first.benchmark);
        let theirs = ratio(moved, first.benchmark.into(), 1_000_000).filter(|_| last.benchmark > 0)?;
        Some(ours.saturating_sub(theirs))
    };
    [
        Some(pnl),
        i64::try_from(orders).ok(),
        ratio(fills.into(), orders.into(), 10_000),
        ratio(last.markout.saturating_sub(first.markout).into(), traded.into(), 1_000_000),
        excess(),
        ratio(
            i128::from(last.slippage2) - i128::from(first.slippage2),
            2 * (i128::from(last.slippage_of) - i128::from(first.slippage_of)),
            1_000_000,
        ),
    ]
}

/// See the module.
#[derive(Debug)]
pub struct Drift {
    expected: Expectation,
    capital: i64,
    samples: VecDeque<Sample>,
    /// By figure.
    beyond: [bool; Figure::ALL.len()],
}

impl Drift {
    /// With nothing seen. `capital`: what returns are of, 1e-4 USD.
    #[must_use]
    pub fn new(expected: Expectation, capital: i64) -> Drift {
        Drift { expected, capital, samples: VecDeque::new(), beyond: [false; Figure::ALL.len()] }
    }

    /// Takes a sample; times do not fall. Memory is what a window has of samples.
    pub fn look(&mut self, sample: Sample) -> Vec<Turn> {
        let window = self.expected.window_s.saturating_mul(1_000_000_000);
        self.samples.push_back(sample);
        // The first that stays is the last that is a whole window old.
        while self.samples.get(1).is_some_and(|next| sample.at.since(next.at).0 >= window) {
            self.samples.pop_front();
        }
        let Some(first) = self.samples.front().filter(|first| sample.at.since(first.at).0 >= window) else {
            return Vec::new();
        };
        let figures = figures(first, &sample, self.capital);
        let mut turns = Vec::new();
        for figure in Figure::ALL {
            let (Some(bounds), Some(value)) = (self.expected.of(figure), figures[figure as usize]) else {
                continue;
            };
            let is_beyond = value < bounds.least || value > bounds.most;
            if std::mem::replace(&mut self.beyond[figure as usize], is_beyond) != is_beyond {
                let is_low = value.abs_diff(bounds.least) < value.abs_diff(bounds.most);
                let bound = if is_low { bounds.least } else { bounds.most };
                turns.push(Turn { figure, value, bound, is_beyond });
            }
        }
        turns
    }

    /// Figures that are beyond their bounds now: a bit for each, by code.
    #[must_use]
    pub fn bits(&self) -> u64 {
        Figure::ALL.into_iter().filter(|f| self.beyond[*f as usize]).map(|f| 1 << f as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64, pnl: i64, orders: u64, fills: u64) -> Sample {
        Sample { at: Nanos(s * 1_000_000_000), pnl, orders, fills, ..Sample::default() }
    }

    fn expected(text: &str) -> Expectation {
        let e: Expectation = serde_json::from_str(text).unwrap();
        e.check().unwrap();
        e
    }

    #[test]
    fn a_figure_is_judged_over_a_full_window_and_told_when_it_turns() {
        let e = expected(
            r#"{"window_s": 10, "pnl_e4_usd": {"least": -100, "most": 100}, "fills_per_10k_orders": {"least": 1000, "most": 9000}}"#,
        );
        let mut d = Drift::new(e, 1_000_000);
        for s in 0..10 {
            assert_eq!(d.look(at(s, -1_000_000, 0, 0)), [], "not before the window is full");
        }
        assert_eq!(d.look(at(10, -1_000_000, 10, 5)), []);
        let [turn] = d.look(at(11, -1_000_101, 10, 5))[..] else { panic!("the loss of the window") };
        assert_eq!((turn.figure, turn.value, turn.is_beyond, d.bits()), (Figure::Pnl, -101, true, 1));
        assert_eq!(d.look(at(12, -1_000_200, 10, 5)), [], "said once");
        let turns = d.look(at(13, -1_000_200, 100, 5));
        assert_eq!(turns.len(), 1, "{turns:?}");
        assert_eq!((turns[0].figure, turns[0].value, d.bits()), (Figure::FillRatio, 500, 5));
        let turns = d.look(at(40, -1_000_200, 100, 5));
        assert_eq!(turns.iter().map(|t| (t.figure, t.is_beyond)).collect::<Vec<_>>(), [(Figure::Pnl, false)]);
        assert_eq!(d.bits(), 4, "where nothing is ordered the ratio stays as it was judged");
    }

    #[test]
    fn each_figure_is_of_the_window_alone() {
        let first = Sample {
            pnl: 500,
            orders: 7,
            fills: 3,
            markout: 90,
            traded: 1_000,
            benchmark: 1_000_000,
            slippage2: 60,
            slippage_of: 1_000,
            ..at(0, 0, 0, 0)
        };
        let last = Sample {
            pnl: 1_500,
            orders: 27,
            fills: 8,
            markout: 80,
            traded: 3_000,
            benchmark: 1_000_500,
            slippage2: 50,
            slippage_of: 2_000,
            ..at(9, 0, 0, 0)
        };
        // 1,000 of 10,000,000 are 100 ppm, and the benchmark made 500. Half of -10 in 1,000 are -5,000 ppm: better than the middle.
        let expected = [Some(1_000), Some(20), Some(2_500), Some(-5_000), Some(-400), Some(-5_000)];
        assert_eq!(figures(&first, &last, 10_000_000), expected);
        assert_eq!(figures(&first, &first, 10_000_000), [Some(0), Some(0), None, None, Some(0), None]);
        let none = Sample { benchmark: 0, ..last };
        assert_eq!(figures(&first, &none, 10_000_000)[4], None, "no price, no judgement");
    }

    #[test]
    fn what_trades_is_valued_one_look_later() {
        let mut m = Markouts::default();
        m.look(0, (0, 0, 0), 2_000);
        // Bought 10 at 1,001 between the looks.
        m.look(0, (-10_010, 10, 10), 2_002);
        assert_eq!(m.sums(), (0, 0), "its price is not there yet");
        m.look(0, (-10_010, 10, 10), 0);
        assert_eq!(m.sums(), (0, 0), "nor is it in a book of one side");
        m.look(0, (-10_010, 10, 10), 2_008);
        assert_eq!(m.sums(), (10 * 1_004 - 10_010, 10 * 1_004));
        m.look(0, (-10_010, 10, 10), 9_000);
        assert_eq!(m.sums(), (30, 10_040), "and once");
    }

    #[test]
    fn windows_lie_one_behind_the_other() {
        let samples: Vec<_> = (0..35).map(|s| at(s, i64::try_from(s * s).unwrap(), s, 0)).collect();
        let all = windows(&samples, 10, 1);
        assert_eq!(all.iter().map(|w| w[0].unwrap()).collect::<Vec<_>>(), [100, 300, 500]);
        assert!(windows(&samples[..5], 10, 1).is_empty() && windows(&[], 10, 1).is_empty());
    }

    #[test]
    fn bounds_hold_all_that_history_had() {
        let windows: Vec<_> =
            (0..9).map(|k| [Some(k * 100), Some(50), None, Some(-k), None, Some(k)]).collect();
        let e = Expectation::of_history(600, &windows).unwrap();
        for w in &windows {
            for f in Figure::ALL {
                let Some(v) = w[f as usize] else { continue };
                assert!(e.of(f).is_some_and(|b| b.least <= v && v <= b.most), "{f:?} {v}");
            }
        }
        assert_eq!(
            (e.fills_per_10k_orders, e.excess_ppm),
            (None, None),
            "of what never was nothing is expected"
        );
        let text = serde_json::to_string(&e).unwrap();
        assert_eq!(expected(&text), e);
        assert_eq!(Expectation::of_history(600, &windows[..4]), Err(ExpectationError::Short(4)));
    }

    #[test]
    fn what_nothing_can_be_held_to_is_refused() {
        for (text, wrong) in [
            (r#"{"window_s": 5, "orders": {"least": 0, "most": 1}}"#, ExpectationError::Window(5)),
            (r#"{"window_s": 60, "orders": {"least": 2, "most": 1}}"#, ExpectationError::Reversed("orders")),
            (r#"{"window_s": 60}"#, ExpectationError::Empty),
        ] {
            let e: Expectation = serde_json::from_str(text).unwrap();
            assert_eq!(e.check(), Err(wrong), "{text}");
        }
        assert!(
            serde_json::from_str::<Expectation>(r#"{"window_s": 60, "ordres": {"least": 2, "most": 1}}"#)
                .is_err()
        );
    }
}
