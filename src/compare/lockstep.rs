//! Two journals side by side: as long as both were given the same, time included, both must have decided the same.

use model::MarketEvent;

use crate::journal::Record;
use crate::replay::{Journal, ReplayError, Tape};

/// Where the two part.
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// Nowhere: the one that is shorter is the beginning of the other.
    Nowhere,
    /// At an input that differs: what follows may differ too.
    Input {
        /// The record in A, and what it is.
        a: (u64, Record),
        /// In B.
        b: (u64, Record),
    },
    /// At a decision, of the same inputs: that must not be.
    Decision {
        /// What A decided there, if anything.
        a: Option<(u64, Record)>,
        /// And B.
        b: Option<(u64, Record)>,
        /// The input of both before it.
        cause: Option<Record>,
    },
}

/// How far both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockstep {
    /// Inputs that are the same from the start on.
    pub inputs: u64,
    /// Commands that they caused, the same too.
    pub commands: u64,
    /// Where the two part.
    pub parting: Parting,
}

/// An input or a command, with what of the market came by it; and what stands between them that is neither.
struct Walk {
    tape: Tape,
    has_ended: bool,
}

impl Walk {
    fn open(journal: &Journal) -> Result<Walk, ReplayError> {
        Ok(Walk { tape: Tape::open(journal)?, has_ended: false })
    }

    fn next(&mut self) -> Result<Option<(u64, Record)>, ReplayError> {
        while let Some((index, record)) = self.tape.advance()? {
            self.has_ended |= matches!(record, Record::End { .. });
            if record.is_input() || matches!(record, Record::Command(_)) {
                return Ok(Some((index, record)));
            }
        }
        Ok(None)
    }

    fn events(&self) -> &[MarketEvent] {
        self.tape.events()
    }
}

/// Walks both to where they part.
///
/// # Errors
/// A journal that cannot be read.
pub(super) fn walk(a: &Journal, b: &Journal) -> Result<Lockstep, ReplayError> {
    let (mut a, mut b) = (Walk::open(a)?, Walk::open(b)?);
    let mut found = Lockstep { inputs: 0, commands: 0, parting: Parting::Nowhere };
    let mut cause = None;
    loop {
        let (ours, theirs) = (a.next()?, b.next()?);
        found.parting = match (ours, theirs) {
            (None, None) => return Ok(found),
            (Some((_, of_a)), Some((_, of_b))) if of_a == of_b && a.events() == b.events() => {
                match of_a.is_input() {
                    true => (found.inputs, cause) = (found.inputs + 1, Some(of_a)),
                    false => found.commands += 1,
                }
                continue;
            }
            (Some(of_a), Some(of_b)) if of_a.1.is_input() && of_b.1.is_input() => {
                Parting::Input { a: of_a, b: of_b }
            }
            // One had more to say where the other went on, or was over.
            (Some(of_a), Some(of_b)) => Parting::Decision {
                a: Some(of_a).filter(|r| !r.1.is_input()),
                b: Some(of_b).filter(|r| !r.1.is_input()),
                cause,
            },
            (Some(of_a), None) if !of_a.1.is_input() && b.has_ended => {
                Parting::Decision { a: Some(of_a), b: None, cause }
            }
            (None, Some(of_b)) if !of_b.1.is_input() && a.has_ended => {
                Parting::Decision { a: None, b: Some(of_b), cause }
            }
            (Some(_), None) | (None, Some(_)) => Parting::Nowhere,
        };
        return Ok(found);
    }
}
