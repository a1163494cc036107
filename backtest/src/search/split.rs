//! Which days parameters are chosen on, and which they are judged on: never the same, and with days between them that belong to neither.
//!
//! ```text
//!   walk-forward 4:2:1    IIII.OO               five folds, purge 1, embargo 1, second fold
//!                           IIII.OO             II.TTTT..IIIIIIIII
//!                             IIII.OO
//! ```
//!
//! What is learned of a day may reach into the days beside it (positions that are carried, features over several days), so these are *purged* from the days in sample; behind the days that are judged
//! an *embargo* of more days is left out as well (López de Prado 2018, "Advances in Financial Machine Learning", 7.4).

use std::ops::Range;

/// Days, by their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Parameters are chosen on these.
    pub chosen_on: Vec<usize>,
    /// And judged on these.
    pub judged_on: Range<usize>,
}

/// How days are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splits {
    /// Windows that move on by as many days as are judged.
    WalkForward {
        /// Days in sample.
        chosen: usize,
        /// Days out of sample.
        judged: usize,
        /// Days between them.
        purge: usize,
    },
    /// Every day is judged once, the others around it chosen on.
    Folds {
        /// How many.
        folds: usize,
        /// Days left out on both sides of what is judged.
        purge: usize,
        /// And more of them behind it.
        embargo: usize,
    },
}

/// Splits that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// The words.
    #[error("{0:?} is no split: allowed is {1}, whole numbers of days")]
    Words(String, &'static str),
    /// The days.
    #[error("{0} days are too few: {1} are wanted")]
    TooFew(usize, usize),
}

impl Splits {
    /// `IS:OOS` or `IS:OOS:PURGE`.
    ///
    /// # Errors
    /// [`SplitError::Words`].
    pub fn walk_forward(text: &str) -> Result<Splits, SplitError> {
        match numbers(text).as_deref() {
            Some([chosen, judged, rest @ ..]) if *chosen >= 1 && *judged >= 1 && rest.len() <= 1 => {
                let purge = rest.first().copied().unwrap_or(0);
                Ok(Splits::WalkForward { chosen: *chosen, judged: *judged, purge })
            }
            _ => Err(SplitError::Words(text.into(), "IN_SAMPLE:OUT_OF_SAMPLE[:PURGE]")),
        }
    }

    /// `FOLDS`, `FOLDS:PURGE` or `FOLDS:PURGE:EMBARGO`.
    ///
    /// # Errors
    /// [`SplitError::Words`].
    pub fn folds(text: &str) -> Result<Splits, SplitError> {
        match numbers(text).as_deref() {
            Some([folds, rest @ ..]) if *folds >= 2 && rest.len() <= 2 => Ok(Splits::Folds {
                folds: *folds,
                purge: rest.first().copied().unwrap_or(0),
                embargo: rest.get(1).copied().unwrap_or(0),
            }),
            _ => Err(SplitError::Words(text.into(), "FOLDS[:PURGE[:EMBARGO]], at least 2 folds")),
        }
    }

    /// The splits of so many days, in the order of what is judged; days that are left over at the end of a walk are judged nowhere.
    ///
    /// # Errors
    /// [`SplitError::TooFew`]: there is no split, or one without a day to choose on.
    pub fn of(&self, days: usize) -> Result<Vec<Split>, SplitError> {
        match *self {
            Splits::WalkForward { chosen, judged, purge } => {
                let wanted = chosen.saturating_add(purge).saturating_add(judged);
                if days < wanted {
                    return Err(SplitError::TooFew(days, wanted));
                }
                let starts = (0..=days - wanted).step_by(judged);
                Ok(starts
                    .map(|at| Split {
                        chosen_on: (at..at + chosen).collect(),
                        judged_on: at + chosen + purge..at + wanted,
                    })
                    .collect())
            }
            Splits::Folds { folds, purge, embargo } => {
                if days < folds {
                    return Err(SplitError::TooFew(days, folds));
                }
                let end = |k: usize| k * days / folds;
                let all: Vec<Split> = (0..folds)
                    .map(|k| {
                        let judged_on = end(k)..end(k + 1);
                        let before = judged_on.start.saturating_sub(purge);
                        let behind = judged_on.end.saturating_add(purge).saturating_add(embargo);
                        let chosen_on = (0..before).chain(behind..days).collect();
                        Split { chosen_on, judged_on }
                    })
                    .collect();
                let short = all.iter().any(|s| s.chosen_on.is_empty());
                let wanted = days.div_ceil(folds).saturating_add(2 * purge).saturating_add(embargo) + 1;
                if short { Err(SplitError::TooFew(days, wanted.max(days + 1))) } else { Ok(all) }
            }
        }
    }
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(':').map(|part| part.trim().parse().ok()).collect()
}
