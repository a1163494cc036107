//! What one account's orders are called, and where they stand in FIX's words: the quantities of a whole chain of replaces, the average price, the status.
//!
//! It is made of nothing but what the account was told, so a copy of another account's reports makes the same.
//!
//! Invariants: ClOrdIDs are used once; a number belongs to one order; shares ordered = executed + open + those that self-match prevention took.

use std::collections::BTreeMap;

use gateways::fix::compose::Fields;
use gateways::fix::session::Version;
use model::{Nanos, Px, Qty, Symbol};

use super::FixRules;
use super::requests::Ticket;
use crate::exchange::entry::{MARKET_PRICE, Name, Terms};

/// A body is never longer: every text in it is bounded.
const BODY_MAX: usize = 2_048;
/// The longest ClOrdID, and other text of a client's, that is taken.
pub(super) const TEXT_MAX: usize = 64;

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Live,
    /// It has another number now.
    Replaced(u32),
    Canceled,
    Expired,
    Rejected,
}

/// One order, or one link of the chain that replaces make.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: Vec<u8>,
    pub(super) order_ref: u64,
    pub(super) symbol: Symbol,
    pub(super) side: u8,
    pub(super) px: Px,
    pub(super) tif: u8,
    pub(super) stage: Stage,
    /// Shares ordered, as far as they were not taken back by the venue.
    pub(super) ordered: Qty,
    /// Shares open.
    pub(super) leaves: Qty,
    /// Shares executed, over the chain.
    pub(super) cum: Qty,
    /// Their price times shares, 1e-4 USD.
    pub(super) value: i128,
    /// Shares that self-match prevention took, over the chain.
    pub(super) prevented: Qty,
    /// The cancel that waits for a cross.
    pub(super) pending: Option<Vec<u8>>,
}

impl Known {
    pub(super) fn new(id: Vec<u8>, terms: &Terms) -> Known {
        Known {
            id,
            order_ref: terms.order_ref,
            symbol: terms.symbol,
            side: terms.side,
            px: terms.price,
            tif: terms.tif,
            stage: Stage::Live,
            ordered: terms.quantity,
            leaves: terms.quantity,
            cum: Qty::ZERO,
            value: 0,
            prevented: Qty::ZERO,
            pending: None,
        }
    }

    /// OrdStatus (39).
    pub(super) fn status(&self) -> u8 {
        match self.stage {
            Stage::Live if self.leaves.is_zero() && self.cum.is_zero() => b'4',
            Stage::Live if self.leaves.is_zero() => b'2',
            Stage::Live if self.pending.is_some() => b'6',
            Stage::Live if self.cum.is_zero() => b'0',
            Stage::Live => b'1',
            Stage::Replaced(_) => b'5',
            Stage::Canceled => b'4',
            Stage::Expired => b'C',
            Stage::Rejected => b'8',
        }
    }

    fn average(&self) -> Px {
        match i128::from(self.cum.0) {
            0 => Px::ZERO,
            shares => Px(((self.value + shares / 2) / shares) as i64),
        }
    }
}

/// A fill that may be broken or corrected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    pub(super) name: Name,
    pub(super) qty: Qty,
    pub(super) px: Px,
}

/// The orders of one account's day.
#[derive(Debug)]
pub struct Orders {
    pub(super) version: Version,
    pub(super) midnight: u64,
    pub(super) firm: [u8; 4],
    /// ClOrdIDs that were used; the number of the order of that name, 0 of another request.
    pub(super) ids: BTreeMap<Vec<u8>, u32>,
    pub(super) known: BTreeMap<Name, Known>,
    pub(super) fills: BTreeMap<(u64, Name), Fill>,
    /// How ExecIDs of reports that are no fills begin.
    prefix: String,
    reports: u64,
    numbers: u32,
    /// The request that is carried out now.
    pub(super) ticket: Option<Box<Ticket>>,
}

impl Orders {
    /// Nothing asked and nothing told.
    #[must_use]
    pub fn new(rules: &FixRules, firm: [u8; 4]) -> Orders {
        Orders::telling(rules, firm, "E".into())
    }

    /// Those of another account, to be copied: its reports have ExecIDs of their own.
    pub(super) fn of_source(rules: &FixRules, source: u16) -> Orders {
        Orders::telling(rules, [b' '; 4], format!("C{source}-"))
    }

    fn telling(rules: &FixRules, firm: [u8; 4], prefix: String) -> Orders {
        Orders {
            version: rules.version,
            midnight: rules.midnight,
            firm,
            ids: BTreeMap::new(),
            known: BTreeMap::new(),
            fills: BTreeMap::new(),
            prefix,
            reports: 0,
            numbers: 0,
            ticket: None,
        }
    }

    /// The next number.
    pub(super) fn take_number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// What an order is called; nothing where it has no name.
    #[must_use]
    pub fn id_of(&self, name: Name) -> Vec<u8> {
        self.known.get(&name).map(|known| known.id.clone()).unwrap_or_default()
    }

    pub(super) fn at(&self, now: u64) -> Nanos {
        Nanos(self.midnight.saturating_add(now))
    }

    /// The order that a name has become by replaces.
    pub(super) fn current(&self, mut name: Name) -> Name {
        while let Some(Known { stage: Stage::Replaced(next), .. }) = self.known.get(&name) {
            name.number = *next;
        }
        name
    }

    /// A report's ExecID, where it is no fill: those have the number of their trade, which no letter begins.
    fn exec_id(&mut self) -> String {
        self.reports += 1;
        format!("{}{}", self.prefix, self.reports)
    }

    /// An ExecutionReport of an order. `what` is ExecType (150); `id` and `orig` are said in place of the order's own; `more` adds what is special.
    pub(super) fn report(
        &mut self,
        now: u64,
        known: &Known,
        what: u8,
        said: Said<'_>,
        more: impl FnOnce(&mut Fields),
    ) -> Vec<u8> {
        let exec_id = said.trade.map_or_else(|| self.exec_id(), |number| number.to_string());
        let mut body = Fields::new(BODY_MAX);
        match known.order_ref {
            0 => body.text(37, b"NONE"),
            number => body.text(37, number.to_string().as_bytes()),
        };
        let id = said.id.unwrap_or(&known.id);
        // An order that came another way has no name here.
        if !id.is_empty() {
            body.text(11, id);
        }
        if let Some(orig) = said.orig {
            body.text(41, orig);
        }
        body.text(17, exec_id.as_bytes());
        let status = known.status();
        match self.version {
            Version::Fix44 => body.text(150, &[what]).text(39, &[status]),
            // What a report is of, and where the order stands, are in one field here, and another says whether it takes something back.
            Version::Fix42 => match what {
                b'F' => body.text(20, b"0").text(150, &[status]).text(39, &[status]),
                b'G' => body.text(20, b"2").text(150, &[status]).text(39, &[status]),
                b'H' => body.text(20, b"1").text(150, &[status]).text(39, &[status]),
                b'I' => body.text(20, b"3").text(150, &[status]).text(39, &[status]),
                b'5' => body.text(20, b"0").text(150, b"5").text(39, b"5"),
                what => body.text(20, b"0").text(150, &[what]).text(39, &[status]),
            },
        };
        body.text(55, symbol_text(&known.symbol)).text(54, super::words::side(known.side));
        body.uint(38, known.ordered.0.into());
        if known.px.0 < MARKET_PRICE as i64 {
            body.text(40, b"2").px(44, known.px);
        } else {
            body.text(40, b"1");
        }
        body.text(59, if known.tif == b'3' { b"3" } else { b"0" });
        body.uint(151, known.leaves.0.into()).uint(14, known.cum.0.into()).px(6, known.average());
        more(&mut body);
        body.utc(60, self.at(now));
        message(b'8', &body)
    }
}

/// What a report says in place of the order's own words.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    /// ClOrdID.
    pub(super) id: Option<&'a [u8]>,
    /// OrigClOrdID.
    pub(super) orig: Option<&'a [u8]>,
    /// The number of the trade.
    pub(super) trade: Option<u64>,
}

/// A message of the stream: its type, then everything behind the header.
pub(super) fn message(kind: u8, body: &Fields) -> Vec<u8> {
    let body = body.finished().expect("every text of a body is bounded, and so is their sum");
    [&[kind], body].concat()
}

fn symbol_text(symbol: &Symbol) -> &[u8] {
    let length = symbol.0.iter().rposition(|b| *b != b' ').map_or(0, |at| at + 1);
    &symbol.0[..length]
}
