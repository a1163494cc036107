//! The orders that a gateway has at its venue, as far as it needs them to speak of them: every request about an order repeats what it is.

use model::{Qty, Token};

use super::order::OrderTerms;

/// One order, or the replace of one that is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) token: Token,
    /// `qty` is the total that the venue knows.
    pub(super) terms: OrderTerms,
    /// Shares open, in the venue's words so far.
    pub(super) open: Qty,
    /// The message number in its name at the venue, where a part of it was canceled; 0 otherwise.
    pub(super) renamed: u64,
    /// Whether the venue has taken it.
    pub(super) taken: bool,
    /// Whether it has said that it has it, and not decided.
    pub(super) received: bool,
    /// Whether a sweep has canceled it.
    pub(super) swept: bool,
    /// Whether the venue was asked where it stands and has not said.
    pub(super) asked: bool,
}

impl Record {
    /// As it is sent.
    pub(super) fn new(token: Token, terms: OrderTerms) -> Record {
        Record {
            token,
            terms,
            open: terms.qty,
            renamed: 0,
            taken: false,
            received: false,
            swept: false,
            asked: false,
        }
    }
}

/// In the order of their tokens. Never grows beyond its capacity.
#[derive(Debug)]
pub(super) struct Orders(Vec<Record>);

impl Orders {
    pub(super) fn new(capacity: usize) -> Orders {
        Orders(Vec::with_capacity(capacity))
    }

    fn at(&self, token: Token) -> Result<usize, usize> {
        self.0.binary_search_by_key(&token, |record| record.token)
    }

    pub(super) fn get(&mut self, token: Token) -> Option<&mut Record> {
        self.at(token).ok().map(|at| &mut self.0[at])
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() == self.0.capacity()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds or changes a record; one that finds no room is left out.
    pub(super) fn put(&mut self, record: Record) {
        match self.at(record.token) {
            Ok(at) => self.0[at] = record,
            Err(_) if self.is_full() => {}
            Err(at) => self.0.insert(at, record),
        }
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<Record> {
        self.at(token).ok().map(|at| self.0.remove(at))
    }

    /// The first order taken by the venue that no sweep has canceled.
    pub(super) fn unswept(&mut self) -> Option<&mut Record> {
        self.0.iter_mut().find(|record| !record.swept)
    }

    /// The first order above `token`.
    pub(super) fn after(&mut self, token: Token) -> Option<&mut Record> {
        let at = self.0.partition_point(|record| record.token <= token);
        self.0.get_mut(at)
    }

    /// Those that the venue has not taken were never processed, and never will be, where it has not said that it has them.
    pub(super) fn drop_void(&mut self) {
        self.0.retain(|record| record.taken || record.received);
    }

    /// Whether the venue owes an answer where one stands.
    pub(super) fn any_asked(&self) -> bool {
        self.0.iter().any(|record| record.asked)
    }

    /// What was asked on a connection before is asked anew.
    pub(super) fn unask(&mut self) {
        for record in &mut self.0 {
            record.asked = false;
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// A new sweep cancels all again.
    pub(super) fn unsweep(&mut self) {
        for record in &mut self.0 {
            record.swept = false;
        }
    }
}
