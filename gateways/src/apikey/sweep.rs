//! The last act: everything of ours is canceled, symbol by symbol, and the venue's answers say when nothing can be open any more.
//!
//! ```text
//!   Due --sent--> Sent --a good answer, and nothing of the symbol was under way as it was sent--> (gone: this symbol is swept)
//!    ^             |  \--a good answer otherwise--> Early --nothing of the symbol is under way any more--+
//!    +-- no, or no good answer                                                                          |
//!    +--------------------------------------------------------------------------------------------------+
//! ```
//!
//! An order goes by another connection than the cancel of its symbol, so one that is not answered may come to the venue behind that cancel, and rest there after it was
//! confirmed. The cancel is sent at once all the same, for what rests cannot wait; but its answer is the end only where no order was under way.

/// How far a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Its cancel is to be sent.
    Due,
    /// It was sent; whether no order of the symbol was under way then.
    Sent { alone: bool },
    /// It is done, and what was under way then may have come behind it.
    Early,
}

/// The symbols that are not swept.
#[derive(Debug)]
pub(super) struct Sweep {
    left: Vec<(usize, Step)>,
}

impl Sweep {
    /// Of this many symbols.
    pub(super) fn of(symbols: usize) -> Sweep {
        Sweep { left: (0..symbols).map(|symbol| (symbol, Step::Due)).collect() }
    }

    /// Whether all of them are.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// The symbol whose cancel is to be sent next, where an order of a symbol may be under way as `is_under_way` says.
    pub(super) fn next(&self, is_under_way: impl Fn(usize) -> bool) -> Option<usize> {
        let first = |wanted: Step| self.left.iter().filter(move |(_, step)| *step == wanted);
        // What was never canceled goes before what is canceled again.
        let due = first(Step::Due).map(|(symbol, _)| *symbol).next();
        due.or_else(|| first(Step::Early).map(|(symbol, _)| *symbol).find(|symbol| !is_under_way(*symbol)))
    }

    /// A symbol's cancel is sent; `alone`: no order of it is under way.
    pub(super) fn sent(&mut self, symbol: usize, alone: bool) {
        self.set(symbol, Step::Sent { alone });
    }

    /// The venue has done what it was asked, for there was something to cancel or nothing.
    pub(super) fn done(&mut self, symbol: usize) {
        self.left.retain(|entry| *entry != (symbol, Step::Sent { alone: true }));
        self.set(symbol, Step::Early);
    }

    /// It has not, or it is not known.
    pub(super) fn failed(&mut self, symbol: usize) {
        self.set(symbol, Step::Due);
    }

    fn set(&mut self, symbol: usize, to: Step) {
        if let Some((_, step)) = self.left.iter_mut().find(|(s, _)| *s == symbol) {
            *step = to;
        }
    }
}
