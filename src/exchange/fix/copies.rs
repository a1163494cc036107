//! Drop copies: what other accounts are told, told again to one that only listens.
//!
//! A copy has the ClOrdID that the order has in its own session: FIX's and OUCH 4.2's as they are, OUCH 5.0's `UserRefNum` as a number. OrderIDs and the numbers of trades
//! are the venue's own, the same in all protocols. Refusals, and what only announces something, are the client's own affair and not copied.

use std::collections::BTreeMap;

use super::FixRules;
use super::orders::Orders;
use super::requests::Ticket;
use crate::exchange::codec::Asked;
use crate::exchange::entry::Report;

/// The copies of one account.
#[derive(Debug)]
pub struct Copies {
    rules: FixRules,
    /// For what its client asks all the same.
    own: Orders,
    sources: BTreeMap<u16, Orders>,
}

impl Copies {
    /// Nothing heard yet.
    #[must_use]
    pub fn new(rules: &FixRules) -> Copies {
        Copies { rules: rules.clone(), own: Orders::new(rules, [b' '; 4]), sources: BTreeMap::new() }
    }

    /// A client's message: whatever it is, it is refused.
    pub fn parse(&mut self, bytes: &[u8]) -> Option<Asked> {
        self.own.refuse_all(bytes)
    }

    /// As [`Orders::begin`].
    pub fn begin(&mut self, ticket: Option<Box<Ticket>>) {
        self.own.begin(ticket);
    }

    /// As [`Orders::finish`].
    pub fn finish(&mut self, now: u64) -> Option<(u8, Vec<u8>)> {
        self.own.finish(now)
    }

    /// The messages that say what account `source` was told; `id` is the name that the order has there.
    pub fn encode(&mut self, now: u64, source: u16, id: &[u8], report: &Report) -> Vec<Vec<u8>> {
        let rules = &self.rules;
        let orders = self.sources.entry(source).or_insert_with(|| Orders::of_source(rules, source));
        match report {
            Report::Rejected { .. } | Report::CancelPending { .. } | Report::MassCanceled { .. } => {
                Vec::new()
            }
            report => orders.encode_as(now, report, Some(id)),
        }
    }
}
