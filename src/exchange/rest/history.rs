//! What became of one account's orders, as REST and its stream say it.

use std::collections::BTreeMap;

use model::{Px, Qty, Side, Symbol};
use serde_json::{Value, json};

use crate::exchange::entry::{Reason, Report};

/// An order, live or not.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) id: u64,
    pub(super) number: u32,
    pub(super) client_id: String,
    pub(super) symbol: Symbol,
    side: Side,
    px: Px,
    pub(super) qty: Qty,
    pub(super) executed: Qty,
    tif: u8,
    pub(super) status: &'static str,
    pub(super) time: u64,
    updated: u64,
}

impl Held {
    pub(super) fn is_live(&self) -> bool {
        matches!(self.status, "NEW" | "PARTIALLY_FILLED")
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "symbol": self.symbol.to_string(),
            "orderId": self.id,
            "clientOrderId": self.client_id,
            "price": self.px.to_string(),
            "origQty": self.qty.to_string(),
            "executedQty": self.executed.to_string(),
            "status": self.status,
            "timeInForce": if self.tif == b'3' { "IOC" } else { "GTC" },
            "type": "LIMIT",
            "side": side_word(self.side),
            "time": self.time,
            "updateTime": self.updated,
        })
    }
}

fn side_word(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

#[derive(Clone, Debug)]
pub(super) struct Trade {
    pub(super) id: u64,
    pub(super) order: u64,
    pub(super) symbol: Symbol,
    side: Side,
    px: Px,
    qty: Qty,
    is_maker: bool,
    pub(super) time: u64,
}

impl Trade {
    pub(super) fn json(&self) -> Value {
        json!({
            "symbol": self.symbol.to_string(),
            "id": self.id,
            "orderId": self.order,
            "price": self.px.to_string(),
            "qty": self.qty.to_string(),
            "commission": "0.0000",
            "time": self.time,
            "isBuyer": self.side == Side::Buy,
            "isMaker": self.is_maker,
        })
    }
}

/// One account's day.
#[derive(Debug, Default)]
pub(super) struct History {
    /// By the venue's number.
    pub(super) orders: BTreeMap<u64, Held>,
    by_number: BTreeMap<u32, u64>,
    pub(super) by_client: BTreeMap<String, u64>,
    /// Client ids of requests that are being carried out.
    names: BTreeMap<u32, String>,
    pub(super) trades: Vec<Trade>,
}

impl History {
    /// The request `number` goes under this client id.
    pub(super) fn name(&mut self, number: u32, client_id: &str) {
        self.names.insert(number, client_id.to_owned());
    }

    pub(super) fn by_client(&self, client_id: &str) -> Option<&Held> {
        self.orders.get(self.by_client.get(client_id)?)
    }

    /// Takes in what the account was told; the stream's message about it.
    pub(super) fn told(&mut self, now_ms: u64, report: &Report) -> Option<String> {
        match *report {
            Report::Accepted { name, terms } => {
                // An order that came by another port has no client id; the venue makes one.
                let client_id =
                    self.names.remove(&name.number).unwrap_or_else(|| format!("venue-{}", name.number));
                let held = Held {
                    id: terms.order_ref,
                    number: name.number,
                    client_id: client_id.clone(),
                    symbol: terms.symbol,
                    side: if terms.side == b'B' { Side::Buy } else { Side::Sell },
                    px: terms.price,
                    qty: terms.quantity,
                    executed: Qty::ZERO,
                    tif: terms.tif,
                    status: "NEW",
                    time: now_ms,
                    updated: now_ms,
                };
                let message = event(&held, "NEW", None, &client_id, "");
                self.by_number.insert(name.number, held.id);
                self.by_client.insert(client_id, held.id);
                self.orders.insert(held.id, held);
                Some(message)
            }
            Report::Executed { name, quantity, open, px, liquidity, match_number } => {
                let held = self.held(name.number)?;
                held.executed = Qty(held.executed.0 + quantity.0);
                held.status = if open.is_zero() { "FILLED" } else { "PARTIALLY_FILLED" };
                held.updated = now_ms;
                let trade = Trade {
                    id: match_number,
                    order: held.id,
                    symbol: held.symbol,
                    side: held.side,
                    px,
                    qty: quantity,
                    is_maker: liquidity == b'A',
                    time: now_ms,
                };
                let message = event(held, "TRADE", Some(&trade), &held.client_id, "");
                self.trades.push(trade);
                Some(message)
            }
            Report::Canceled { name, open, reason, .. } if open.is_zero() => {
                let held = self.held(name.number)?;
                let asked = matches!(reason, Reason::User);
                held.status = if asked { "CANCELED" } else { "EXPIRED" };
                held.updated = now_ms;
                // A cancel has an id of its own, and names the order's beside it.
                let own = format!("web_{}", held.id);
                let (id, original) = if asked { (&own, &*held.client_id) } else { (&held.client_id, "") };
                Some(event(held, held.status, None, id, original))
            }
            Report::SelfMatch { name, open, .. } if open.is_zero() => {
                let held = self.held(name.number)?;
                held.status = "EXPIRED_IN_MATCH";
                held.updated = now_ms;
                Some(event(held, "TRADE_PREVENTION", None, &held.client_id, ""))
            }
            Report::Rejected { name, .. } => {
                self.names.remove(&name.number);
                None
            }
            // What this face of the venue has no word for.
            _ => None,
        }
    }

    fn held(&mut self, number: u32) -> Option<&mut Held> {
        self.orders.get_mut(self.by_number.get(&number)?)
    }
}

fn event(held: &Held, kind: &str, trade: Option<&Trade>, client_id: &str, original_id: &str) -> String {
    let none = Qty::ZERO;
    json!({
        "e": "executionReport",
        "E": held.updated,
        "s": held.symbol.to_string(),
        "c": client_id,
        "S": side_word(held.side),
        "o": "LIMIT",
        "f": if held.tif == b'3' { "IOC" } else { "GTC" },
        "q": held.qty.to_string(),
        "p": held.px.to_string(),
        "C": original_id,
        "x": kind,
        "X": held.status,
        "r": "NONE",
        "i": held.id,
        "l": trade.map_or(none, |t| t.qty).to_string(),
        "z": held.executed.to_string(),
        "L": trade.map_or(Px::ZERO, |t| t.px).to_string(),
        "t": trade.map_or(-1, |t| i64::try_from(t.id).unwrap_or(i64::MAX)),
        "m": trade.is_some_and(|t| t.is_maker),
        "T": held.updated,
    })
    .to_string()
}
