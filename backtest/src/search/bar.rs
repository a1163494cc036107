//! Whether a set of parameters is worth putting in place of the one in force: better by a margin, on more days than not, and on days that did not choose it.
//!
//! Whoever tries many sets finds one that did well by chance. This is a filter for what a person is shown; what the best of many is worth says [`judge`](super::judge::judge).

use model::Usd;

/// How much better is better.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// The first so many days have chosen; what was chosen has to hold on the rest.
    pub chosen_on: usize,
    /// Percent of what the parameters in force made, or lost, in all.
    pub margin_percent: u32,
}

/// Why something is not worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Below {
    /// Not by the margin.
    #[error(
        "the best of the grid made {best} USD, what is in force {in_force} USD: not {margin_percent} % better"
    )]
    Margin {
        /// Over all days.
        best: Usd,
        /// Over all days.
        in_force: Usd,
        /// What was asked for.
        margin_percent: u32,
    },
    /// On half of the days, or fewer.
    #[error("the best of the grid is better on {better} of {days} days only")]
    Days {
        /// So many.
        better: usize,
        /// Of so many.
        days: usize,
    },
    /// Not on the days that were held out.
    #[error(
        "the best of the first {chosen_on} days made {best} USD on the days that it was not chosen by, what is in force {in_force} USD"
    )]
    HeldOut {
        /// Days that chose it.
        chosen_on: usize,
        /// Over the others.
        best: Usd,
        /// Over the others.
        in_force: Usd,
    },
}

impl Bar {
    /// Whether `best` clears it: P&L of both day by day, of the same days.
    ///
    /// # Errors
    /// [`Below`], the first that holds.
    pub fn cleared(self, in_force: &[Usd], best: &[Usd]) -> Result<(), Below> {
        let sum = |days: &[Usd]| days.iter().map(|p| i128::from(p.0)).sum::<i128>();
        let usd = |sum: i128| Usd(i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX }));
        let (new, old) = (sum(best), sum(in_force));
        if new <= old + old.abs() * i128::from(self.margin_percent) / 100 {
            let margin_percent = self.margin_percent;
            return Err(Below::Margin { best: usd(new), in_force: usd(old), margin_percent });
        }
        let (better, days) =
            (best.iter().zip(in_force).filter(|(new, old)| new > old).count(), in_force.len());
        if 2 * better <= days {
            return Err(Below::Days { better, days });
        }
        let chosen_on = self.chosen_on.min(days);
        let (new, old) = (sum(&best[chosen_on..]), sum(&in_force[chosen_on..]));
        if chosen_on < days && new <= old {
            return Err(Below::HeldOut { chosen_on, best: usd(new), in_force: usd(old) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_well_by_chance_does_not_clear_it() {
        let usd = |days: &[i64]| days.iter().map(|d| Usd(*d)).collect::<Vec<_>>();
        let bar = Bar { chosen_on: 2, margin_percent: 10 };
        let verdict = |best: &[i64]| bar.cleared(&usd(&[100, 100, 100]), &usd(best));
        assert_eq!(verdict(&[150, 120, 110]), Ok(()));
        for (best, why) in [
            ([110, 110, 110], "not 10 % better"),
            ([900, 90, 90], "better on 1 of 3 days only"),
            ([300, 300, 100], "not chosen by"),
            ([300, 300, 99], "not chosen by"),
        ] {
            let said = verdict(&best).unwrap_err().to_string();
            assert!(said.contains(why), "{best:?}: {said}");
        }
        let alone = Bar { chosen_on: 1, margin_percent: 10 };
        assert_eq!(alone.cleared(&usd(&[-100]), &usd(&[-89])), Ok(()));
        let little = alone.cleared(&usd(&[-100]), &usd(&[-95]));
        assert!(matches!(little, Err(Below::Margin { .. })), "less of a loss, and not by the margin");
    }
}
