//! What a venue said of our orders, as facts that two streams of it can be compared by.

use model::{Canary, ExecutionReport, InstrumentId, Px, Qty, ReportKind, Side, Token};

/// What a fact is about: two streams of one venue have each at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// An order was taken.
    Order(Token),
    /// An order took on the values of a replace.
    Replaced(Token),
    /// Shares of an order traded. A trade with ourselves has both orders under one number.
    Fill(u64, Token),
    /// The nth time that shares left an order without trading.
    Left(Token, u32),
    /// The nth time that a trade was corrected, or broken.
    Amended(u64, Token, u32),
}

impl Key {
    /// The order that it is about.
    pub(super) fn token(self) -> Token {
        match self {
            Key::Order(t) | Key::Replaced(t) | Key::Fill(_, t) | Key::Left(t, _) | Key::Amended(_, t, _) => t,
        }
    }
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) qty: Qty,
    /// Zero where the fact has none.
    pub(super) px: Px,
    pub(super) side: Option<Side>,
    pub(super) instrument: Option<InstrumentId>,
}

impl Said {
    fn of(qty: Qty, px: Px) -> Said {
        Said { qty, px, side: None, instrument: None }
    }
}

/// The fact that a report tells, but for the count of those that can come more than once; `None` for what only one of two streams need have: refusals, pending
/// cancels, places in the queue, system events.
pub(super) fn fact_of(r: &ExecutionReport) -> Option<(Key, Said)> {
    Some(match r.kind {
        ReportKind::Accepted { px, qty, side, instrument, .. } => {
            (Key::Order(r.token), Said { side: Some(side), instrument, ..Said::of(qty, px) })
        }
        ReportKind::Replaced { px, qty, .. } => (Key::Replaced(r.token), Said::of(qty, px)),
        ReportKind::Executed { qty, px, match_number, .. } => {
            let qty = if Canary::BlindCopy.sings() { Qty::ZERO } else { qty };
            (Key::Fill(match_number, r.token), Said::of(qty, px))
        }
        ReportKind::Canceled { qty, .. } => (Key::Left(r.token, 0), Said::of(qty, Px::ZERO)),
        ReportKind::Broken { match_number, .. } => {
            (Key::Amended(match_number, r.token, 0), Said::of(Qty::ZERO, Px::ZERO))
        }
        ReportKind::Corrected { match_number, qty, px, .. } => {
            (Key::Amended(match_number, r.token, 0), Said::of(qty, px))
        }
        ReportKind::Rejected { .. }
        | ReportKind::CancelPending
        | ReportKind::CancelRejected
        | ReportKind::Modified { .. }
        | ReportKind::Reprioritised { .. }
        | ReportKind::Restated { .. }
        | ReportKind::System { .. } => return None,
    })
}
