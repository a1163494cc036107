//! Requests to bytes. The fields stand in ascending order of their tags; those that only one version requires are in both, where both have them.

use model::{Nanos, Px, Qty, Side, Symbol, Tif};

use super::super::compose::Fields;
use super::super::session::Version;
use super::super::tags;
use super::names::{Name, Names};

/// What an order is, as every request about it has to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTerms {
    /// Ticker.
    pub symbol: Symbol,
    /// Side.
    pub side: Side,
    /// Whether a sell is short.
    pub short: bool,
    /// Total, executed shares included.
    pub qty: Qty,
    /// Limit.
    pub px: Px,
    /// Time in force.
    pub tif: Tif,
}

impl OrderTerms {
    /// Side (54).
    fn side_letter(&self) -> &'static [u8] {
        match (self.side, self.short) {
            (Side::Buy, _) => b"1",
            (Side::Sell, false) => b"2",
            (Side::Sell, true) => b"5",
        }
    }
}

/// Writes the bodies of requests. Allocates once.
#[derive(Debug)]
pub struct Requests {
    names: Names,
    account: Option<String>,
    version: Version,
    body: Fields,
}

/// The longest body of a request.
const BODY_MAX: usize = 512;

impl Requests {
    /// With an account (1) in each order, where there is one: at most 64 characters.
    #[must_use]
    pub fn new(names: Names, account: Option<String>, version: Version) -> Requests {
        Requests { names, account, version, body: Fields::new(BODY_MAX) }
    }

    /// The names of orders.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    fn begin(&mut self) -> &mut Fields {
        self.body.clear();
        &mut self.body
    }

    fn symbol(symbol: Symbol, room: &mut [u8; 8]) -> &[u8] {
        let length = symbol.0.iter().rposition(|b| *b != b' ').map_or(0, |at| at + 1);
        room[..length].copy_from_slice(&symbol.0[..length]);
        &room[..length]
    }

    /// NewOrderSingle: a limit order for automated execution, of the day or immediate or cancel.
    pub fn new_order(&mut self, now: Nanos, name: Name, terms: &OrderTerms) -> &[u8] {
        self.order(now, name, None, terms)
    }

    /// OrderCancelReplaceRequest: `terms.qty` is the new total.
    pub fn replace(&mut self, now: Nanos, name: Name, old: Name, terms: &OrderTerms) -> &[u8] {
        self.order(now, name, Some(old), terms)
    }

    fn order(&mut self, now: Nanos, name: Name, old: Option<Name>, terms: &OrderTerms) -> &[u8] {
        let (name, old) = (self.names.text(name), old.map(|old| self.names.text(old)));
        let account = self.account.take();
        let body = self.begin();
        if let Some(account) = &account {
            body.text(1, account.as_bytes());
        }
        body.text(tags::CL_ORD_ID, name.as_bytes());
        body.text(tags::HANDL_INST, b"1")
            .uint(tags::ORDER_QTY, terms.qty.0.into())
            .text(tags::ORD_TYPE, b"2");
        if let Some(old) = &old {
            body.text(tags::ORIG_CL_ORD_ID, old.as_bytes());
        }
        body.px(tags::PRICE, terms.px).text(tags::SIDE, terms.side_letter());
        body.text(tags::SYMBOL, Self::symbol(terms.symbol, &mut [0; 8]));
        body.text(
            tags::TIME_IN_FORCE,
            match terms.tif {
                Tif::Day => b"0",
                Tif::Ioc => b"3",
            },
        );
        body.utc(tags::TRANSACT_TIME, now);
        if terms.short {
            // The shares to be sold short are located, as the firm's risk limits have it.
            body.text(tags::LOCATE_REQD, b"N");
        }
        self.account = account;
        self.finished()
    }

    /// OrderCancelRequest of the whole.
    pub fn cancel(&mut self, now: Nanos, name: Name, order: Name, terms: &OrderTerms) -> &[u8] {
        let (name, order) = (self.names.text(name), self.names.text(order));
        let body = self.begin();
        body.text(tags::CL_ORD_ID, name.as_bytes()).uint(tags::ORDER_QTY, terms.qty.0.into());
        body.text(tags::ORIG_CL_ORD_ID, order.as_bytes()).text(tags::SIDE, terms.side_letter());
        body.text(tags::SYMBOL, Self::symbol(terms.symbol, &mut [0; 8])).utc(tags::TRANSACT_TIME, now);
        self.finished()
    }

    /// OrderMassCancelRequest of everything (4.4 only).
    pub fn cancel_all(&mut self, now: Nanos, name: Name) -> &[u8] {
        debug_assert_eq!(self.version, Version::Fix44);
        let name = self.names.text(name);
        let body = self.begin();
        body.text(tags::CL_ORD_ID, name.as_bytes()).utc(tags::TRANSACT_TIME, now);
        body.text(tags::MASS_CANCEL_REQUEST_TYPE, b"7");
        self.finished()
    }

    /// OrderStatusRequest about an order that does not exist, for the sake of its answer.
    pub fn status(&mut self, name: Name, symbol: Symbol) -> &[u8] {
        self.question(name, b"1", symbol)
    }

    /// OrderStatusRequest about an order.
    pub fn status_of(&mut self, order: Name, terms: &OrderTerms) -> &[u8] {
        self.question(order, terms.side_letter(), terms.symbol)
    }

    fn question(&mut self, name: Name, side: &[u8], symbol: Symbol) -> &[u8] {
        let name = self.names.text(name);
        let body = self.begin();
        body.text(tags::CL_ORD_ID, name.as_bytes()).text(tags::SIDE, side);
        body.text(tags::SYMBOL, Self::symbol(symbol, &mut [0; 8]));
        self.finished()
    }

    fn finished(&self) -> &[u8] {
        self.body.finished().expect("every field of a request is bounded, and so is their sum")
    }
}
