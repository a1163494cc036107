//! What the best of many is worth: judged over every point that was tried, for leaving out the bad ones is how luck is taken for skill.

use serde::Serialize;

use crate::metrics::{Returns, reality_check, trial_sharpe};

/// Bootstraps of the reality check.
const DRAWS: usize = 1_000;
/// Periods of a block in the mean.
const BLOCK: f64 = 10.0;

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// How many were tried, and have figures over all the periods.
    pub trials: usize,
    /// Periods of each.
    pub periods: usize,
    /// Probability that the best has a Sharpe ratio beyond what the best of as many without skill would show (Bailey and López de Prado 2014): above 0.95 is taken for skill.
    pub deflated_sharpe: Option<f64>,
    /// Probability that luck alone brings the best so far (White 2000): below 0.05 is taken for skill.
    pub reality_check_p: Option<f64>,
    /// Sharpe ratio of one period of the best.
    pub best_sharpe: Option<f64>,
    /// Mean of that of all.
    pub mean_sharpe: Option<f64>,
}

/// Judges the one at `best` among all; each is its returns, period by period, and all are of one length.
#[must_use]
pub fn judge(trials: &[Vec<f64>], best: usize, seed: u64) -> Verdict {
    let periods = trials.first().map_or(0, Vec::len);
    let of = |t: &Vec<f64>| Returns::new(t.iter().copied(), 1.0);
    let sharpes: Vec<f64> = trials.iter().filter_map(|t| trial_sharpe(&of(t))).collect();
    let chosen = trials.get(best).map(of);
    let all: f64 = sharpes.iter().sum();
    Verdict {
        trials: trials.len(),
        periods,
        deflated_sharpe: chosen.as_ref().and_then(|r| r.deflated_sharpe(&sharpes)),
        reality_check_p: reality_check(trials, BLOCK, DRAWS, seed),
        best_sharpe: chosen.as_ref().and_then(trial_sharpe),
        mean_sharpe: (!sharpes.is_empty()).then(|| all / sharpes.len() as f64),
    }
}
