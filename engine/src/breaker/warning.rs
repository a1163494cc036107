//! What a person is warned of: half, three quarters and nine tenths of a limit.
//!
//! Each step is said once as it is passed, and again only after what is used has fallen a tenth of the limit below it: a figure that trembles at a step says
//! nothing (Citi 2022: 711 warnings in one pop-up).

const STEPS: [u8; 3] = [50, 75, 90];
/// Percent of a limit below a step at which it can be said again.
const BACK: u8 = 10;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Measure {
    /// The day's loss, 1e-4 USD.
    Loss = 0,
    /// What was lost since the day's best, 1e-4 USD.
    Drawdown = 1,
    /// The worst case of an instrument's position, shares.
    Position = 2,
    /// Orders open.
    OpenOrders = 3,
    /// The worst case of all positions, long and short added, 1e-4 USD.
    GrossNotional = 4,
    /// The worst case of all positions, long against short, 1e-4 USD.
    NetNotional = 5,
}

/// How many measures there are.
pub(crate) const MEASURES: usize = Measure::ALL.len();

impl Measure {
    /// Every one, by code.
    pub const ALL: [Measure; 6] = [
        Measure::Loss,
        Measure::Drawdown,
        Measure::Position,
        Measure::OpenOrders,
        Measure::GrossNotional,
        Measure::NetNotional,
    ];

    /// It in one word, as logs have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Measure::Loss => "loss",
            Measure::Drawdown => "drawdown",
            Measure::Position => "position",
            Measure::OpenOrders => "open_orders",
            Measure::GrossNotional => "gross_notional",
            Measure::NetNotional => "net_notional",
        }
    }

    /// Whether its unit is money.
    #[must_use]
    pub const fn is_money(self) -> bool {
        !matches!(self, Measure::Position | Measure::OpenOrders)
    }
}

/// Steps that were said of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    said: u8,
}

impl Steps {
    /// Takes in what is used; returns the highest step newly passed, in percent. A limit of zero or less has no steps.
    #[inline]
    pub(crate) fn look(&mut self, value: i64, limit: i64) -> Option<u8> {
        // What is said of nearly all looks, without a multiplication of 128 bits.
        if self.said == 0 && value < limit >> 1 {
            return None;
        }
        self.step(value, limit)
    }

    /// Whether any step is.
    pub(crate) fn is_said(self) -> bool {
        self.said != 0
    }

    fn step(&mut self, value: i64, limit: i64) -> Option<u8> {
        let reaches =
            |percent: u8| limit > 0 && i128::from(value) * 100 >= i128::from(limit) * i128::from(percent);
        let passed = STEPS.iter().filter(|step| reaches(**step)).count() as u8;
        if passed > self.said {
            self.said = passed;
            return Some(STEPS[usize::from(passed) - 1]);
        }
        while self.said > passed && !reaches(STEPS[usize::from(self.said) - 1] - BACK) {
            self.said -= 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_said_once_and_again_only_after_a_tenth_less() {
        let mut s = Steps::default();
        let said: Vec<_> = [0, 49, 50, 74, 50, 41, 50, 76, 75, 91, 89, 90, 81, 90, 79, 90, 100, 200, -5, 100]
            .into_iter()
            .map(|value| s.look(value, 100))
            .collect();
        let at = |k: usize| said[k];
        assert_eq!((at(2), at(7), at(9), at(15), at(19)), (Some(50), Some(75), Some(90), Some(90), Some(90)));
        assert_eq!(said.iter().flatten().count(), 5, "{said:?}");
    }

    #[test]
    fn a_step_is_said_until_it_is_taken_back() {
        let mut s = Steps::default();
        let said = [49, 50, 41, 39].map(|value| {
            s.look(value, 100);
            s.is_said()
        });
        assert_eq!(said, [false, true, true, false]);
    }

    #[test]
    fn limits_at_the_ends_are_no_wrap() {
        let mut s = Steps::default();
        assert_eq!(s.look(i64::MAX, i64::MAX), Some(90));
        assert_eq!(Steps::default().look(5, 0), None);
        assert_eq!(Steps::default().look(i64::MIN, i64::MAX), None);
        assert_eq!(Steps::default().look(1, 1), Some(90));
    }

    #[test]
    fn codes_are_places() {
        for (k, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure as usize, k);
        }
    }

    #[test]
    fn words_are_as_journals_and_metrics_have_them() {
        let words = Measure::ALL.map(Measure::word);
        assert_eq!(words, ["loss", "drawdown", "position", "open_orders", "gross_notional", "net_notional"]);
        let money = Measure::ALL.map(Measure::is_money);
        assert_eq!(money, [true, true, false, false, true, true]);
    }
}
