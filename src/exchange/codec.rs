//! The protocols of order entry: how an account's bytes become requests, and reports bytes.
//!
//! A protocol is one file beside this one with `parse` and `encode`, and an arm in each function here. It sees no order and no book; what it
//! has to remember (names that are not numbers) is its own.

use serde::Deserialize;

use super::accounts::AccountSetup;
use super::entry::{Name, Report, Request};
use super::fix::{Copies, Orders, Ticket};
use super::{ouch, ouch42};

/// What an account's port speaks, as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OUCH 5.0.
    #[default]
    Ouch50,
    /// OUCH 4.2.
    Ouch42,
    /// FIX 4.4.
    Fix44,
    /// FIX 4.2.
    Fix42,
}

/// What a client's message asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// OUCH 5.0's letter of the nearest request.
    pub letter: u8,
    /// What the floor is to do; nothing where the protocol alone has the answer.
    pub request: Option<Request>,
    /// What the protocol needs to know for its answer.
    pub ticket: Option<Box<Ticket>>,
}

/// A request that a protocol has nothing to remember of.
impl From<Request> for Asked {
    fn from(request: Request) -> Asked {
        Asked { letter: request.letter(), request: Some(request), ticket: None }
    }
}

impl Asked {
    /// One that the floor has nothing to do with.
    #[must_use]
    pub fn answered(letter: u8, ticket: Box<Ticket>) -> Asked {
        Asked { letter, request: None, ticket: Some(ticket) }
    }
}

/// One account's protocol, with what it remembers.
#[derive(Debug)]
pub enum Codec {
    /// OUCH 5.0, which remembers nothing.
    Ouch50,
    /// OUCH 4.2, which remembers the names of orders.
    Ouch42(ouch42::Names),
    /// FIX, which remembers what it said of orders.
    Fix(Box<Orders>),
    /// FIX of one that only listens.
    Copy(Box<Copies>),
}

impl Codec {
    /// An account's codec at the start of the day.
    #[must_use]
    pub fn new(setup: &AccountSetup) -> Codec {
        match (setup.rules.protocol, &setup.rules.fix) {
            (Protocol::Fix44 | Protocol::Fix42, Some(rules)) if !rules.drop_copy_of.is_empty() => {
                Codec::Copy(Box::new(Copies::new(rules)))
            }
            (Protocol::Fix44 | Protocol::Fix42, Some(rules)) => {
                Codec::Fix(Box::new(Orders::new(rules, setup.credentials.firm)))
            }
            (Protocol::Ouch42, _) => Codec::Ouch42(ouch42::Names::default()),
            (Protocol::Ouch50 | Protocol::Fix44 | Protocol::Fix42, _) => Codec::Ouch50,
        }
    }

    /// A client's message, at `now`; `None` where it is none.
    pub fn parse(&mut self, now: u64, message: &[u8]) -> Option<Asked> {
        match self {
            Codec::Ouch50 => ouch::parse(message).map(Asked::from),
            Codec::Ouch42(names) => names.parse(message).map(Asked::from),
            Codec::Fix(orders) => orders.parse(now, message),
            Codec::Copy(copies) => copies.parse(message),
        }
    }

    /// The protocol, where it has no word for a trade that gets another price.
    #[must_use]
    pub fn has_no_corrections(&self) -> Option<&'static str> {
        matches!(self, Codec::Ouch50).then_some("OUCH 5.0")
    }

    /// What is told now answers this request, up to [`Codec::finish`].
    pub fn begin(&mut self, ticket: Option<Box<Ticket>>) {
        match self {
            Codec::Ouch50 | Codec::Ouch42(_) => {}
            Codec::Fix(orders) => orders.begin(ticket),
            Codec::Copy(copies) => copies.begin(ticket),
        }
    }

    /// The request is carried out: the answer of a protocol that has one where the floor has said nothing, with OUCH 5.0's letter of the nearest report.
    pub fn finish(&mut self, now: u64) -> Option<(u8, Vec<u8>)> {
        match self {
            Codec::Ouch50 | Codec::Ouch42(_) => None,
            Codec::Fix(orders) => orders.finish(now),
            Codec::Copy(copies) => copies.finish(now),
        }
    }

    /// The messages to the client that say this, made at `now` (ns since midnight); none where the protocol has no word for it.
    pub fn encode(&mut self, now: u64, report: &Report) -> Vec<Vec<u8>> {
        match self {
            Codec::Ouch50 => ouch::encode(now, report).into_iter().collect(),
            Codec::Ouch42(names) => names.encode(now, report).into_iter().collect(),
            Codec::Fix(orders) => orders.encode(now, report),
            // It has no orders, and system events are not said.
            Codec::Copy(_) => Vec::new(),
        }
    }

    /// What an order is called between the account and its client.
    #[must_use]
    pub fn id_of(&self, name: Name) -> Vec<u8> {
        match self {
            Codec::Ouch50 if name.idx == 0 => name.number.to_string().into_bytes(),
            Codec::Ouch50 => format!("{}.{}", name.idx, name.number).into_bytes(),
            Codec::Ouch42(names) => names.of(name).trim_ascii().into(),
            Codec::Fix(orders) => orders.id_of(name),
            Codec::Copy(_) => Vec::new(),
        }
    }

    /// The messages that say what account `source` was told of an order of that name; none but for one that listens.
    pub fn copy(&mut self, now: u64, source: u16, id: &[u8], report: &Report) -> Vec<Vec<u8>> {
        match self {
            Codec::Copy(copies) => copies.encode(now, source, id, report),
            Codec::Ouch50 | Codec::Ouch42(_) | Codec::Fix(_) => Vec::new(),
        }
    }
}
