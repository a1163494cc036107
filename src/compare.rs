//! Two runs over one day compared: live, paper, backtest, in any pairing. Their decisions, and where the difference in money comes from.
//!
//! | module | story |
//! |---|---|
//! | `lockstep` | how far both were given the same, and whether they decided the same of it |
//! | `side` | one run: what it heard, what it decided, what became of it |
//! | [`backtest::attribution`] | which orders are the same, and what each difference made |

mod lockstep;
mod side;

use std::path::{Path, PathBuf};

use backtest::attribution::{Pair, Parts, explain, pairs};
use model::OrderCommand;

pub use self::lockstep::{Lockstep, Parting};
pub use self::side::{Decision, Side};
use crate::journal::Record;
use crate::replay::{Journal, ReplayError};

/// A decision of one run that the other did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alone {
    /// The record, in its journal.
    pub index: u64,
    /// What was decided.
    pub command: OrderCommand,
    /// Of what: the input before it.
    pub cause: Record,
    /// That input is of the market and not in the other run's data.
    pub is_orphan: bool,
}

/// What a comparison found.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Whether strategy, parameters and limits are the same.
    pub same_settings: bool,
    /// How far both were given the same.
    pub lockstep: Lockstep,
    /// Market events that only one heard, and that both did.
    pub events: Overlap,
    /// New orders of both, paired.
    pub pairs: Vec<Pair>,
    /// New orders that only A sent, and only B.
    pub alone: [Vec<Alone>; 2],
    /// Commands of all kinds.
    pub commands: [u64; 2],
    /// Profit after fees, 1e-6 USD.
    pub net: [i128; 2],
    /// What A made more than B, by where it comes from, 1e-6 USD.
    pub parts: Parts,
}

impl Comparison {
    /// Whether the same was decided differently: no difference of inputs explains that.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        matches!(self.lockstep.parting, Parting::Decision { .. })
    }
}

/// What two runs heard of the market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// By both.
    pub both: u64,
    /// By A alone.
    pub only_a: u64,
    /// By B alone.
    pub only_b: u64,
    /// By both, and not the same.
    pub other: u64,
}

/// Why two runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A journal, or its market data.
    #[error("{}: {source}", run.display())]
    Journal {
        /// Whose.
        run: PathBuf,
        /// Why.
        source: ReplayError,
    },
    /// They mean other things by their numbers.
    #[error("the two runs are of other {0}")]
    Others(&'static str),
}

/// Compares two runs: each a run's folder, or a folder of runs (its last one).
///
/// # Errors
/// A journal or its market data that cannot be read.
pub fn compare(a: &Path, b: &Path) -> Result<Comparison, CompareError> {
    let at = |run: &Path| {
        let run = run.to_path_buf();
        |source| CompareError::Journal { run, source }
    };
    let (a, b) = (Journal::open(a).map_err(at(a))?, Journal::open(b).map_err(at(b))?);
    if a.config.instruments != b.config.instruments {
        return Err(CompareError::Others("instruments, feeds or gateways"));
    }
    let lockstep = lockstep::walk(&a, &b).map_err(at(&a.run))?;
    let mut of_a = Side::read(&a).map_err(at(&a.run))?;
    let mut of_b = Side::read(&b).map_err(at(&b.run))?;
    let events = of_a.overlap(&of_b);
    of_a.settle(&of_b);
    of_b.settle(&of_a);
    let found = pairs(&of_a.account.chains, &of_b.account.chains);
    let parts = explain(&of_a.account, &of_b.account, &found);
    let alone = [of_a.alone(found.iter().map(|p| p.a)), of_b.alone(found.iter().map(|p| p.b))];
    let settings = |j: &Journal| (j.config.written.strategy.clone(), j.config.written.risk.clone());
    let words = |j: &Journal| format!("{:?}", settings(j));
    Ok(Comparison {
        same_settings: words(&a) == words(&b),
        lockstep,
        events,
        pairs: found,
        alone,
        commands: [of_a.commands, of_b.commands],
        net: [of_a.account.net(), of_b.account.net()],
        parts,
    })
}
