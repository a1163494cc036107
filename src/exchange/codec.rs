//! The protocols of order entry: how an account's bytes become requests, and reports bytes.
//!
//! A protocol is one file beside this one with `parse` and `encode`, and an arm in each function here. It sees no order and no book; what it
//! has to remember (names that are not numbers) is its own.

use serde::Deserialize;

use super::entry::{Report, Request};
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
}

/// One account's protocol, with what it remembers.
#[derive(Debug)]
pub enum Codec {
    /// OUCH 5.0, which remembers nothing.
    Ouch50,
    /// OUCH 4.2, which remembers the names of orders.
    Ouch42(ouch42::Names),
}

impl Codec {
    /// A codec at the start of the day.
    #[must_use]
    pub fn new(protocol: Protocol) -> Codec {
        match protocol {
            Protocol::Ouch50 => Codec::Ouch50,
            Protocol::Ouch42 => Codec::Ouch42(ouch42::Names::default()),
        }
    }

    /// A client's message; `None` where it is none.
    pub fn parse(&mut self, message: &[u8]) -> Option<Request> {
        match self {
            Codec::Ouch50 => ouch::parse(message),
            Codec::Ouch42(names) => names.parse(message),
        }
    }

    /// A message to the client, made at `now` (ns since midnight); `None` where the protocol has no word for it.
    pub fn encode(&mut self, now: u64, report: &Report) -> Option<Vec<u8>> {
        match self {
            Codec::Ouch50 => Some(ouch::encode(now, report)),
            Codec::Ouch42(names) => names.encode(now, report),
        }
    }
}
