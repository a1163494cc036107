//! The venue's ledger: for each account its numbers, live orders, position, cash and the stream of everything it was told.
//!
//! This is the truth that a trading core's own state is reconciled with, so nothing here is derived from what was sent: a fill moves
//! position and cash at the moment of the trade.
//!
//! Invariants: `UserRefNum` only grows, per account and `UserRefIdx`; only live orders are kept, each with open shares; position is the
//! sum of signed fills, cash minus the sum of signed fills times price.

use std::collections::BTreeMap;

use model::{Px, Qty, Side, Symbol};

use super::codec::{Codec, Protocol};
use super::entry::{Cause, Name, Reason, Report, Tags, Terms};
use super::matching::OrderKey;
use super::message_log::MessageLog;

/// An account as it is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSetup {
    /// Who may log in.
    pub credentials: Credentials,
    /// What holds for it alone.
    pub rules: AccountRules,
}

impl From<Credentials> for AccountSetup {
    fn from(credentials: Credentials) -> AccountSetup {
        AccountSetup { credentials, rules: AccountRules::default() }
    }
}

/// What holds for one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountRules {
    /// What its port speaks.
    pub protocol: Protocol,
    /// Whether its orders are canceled when its connection ends; as the venue's where `None`.
    pub cancel_on_disconnect: Option<bool>,
}

/// Who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// 1 to 6 letters or digits.
    pub username: String,
    /// 1 to 10 printable characters.
    pub password: String,
    /// The account's firm.
    pub firm: [u8; 4],
}

/// A live order of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The venue's number for it.
    pub id: u64,
    /// Which listing.
    pub listing: usize,
    /// Its symbol.
    pub symbol: Symbol,
    /// Side of the book.
    pub side: Side,
    /// Side as entered: B, S, T or E.
    pub side_letter: u8,
    /// Limit.
    pub px: Px,
    /// Open shares, never 0.
    pub open: Qty,
    /// Shares of the chain that traded or were taken off by self-match prevention: what a replace's total counts besides the open ones.
    pub spent: Qty,
    /// Time in force as entered.
    pub tif: u8,
    /// Display as entered.
    pub display: u8,
    /// Capacity as entered.
    pub capacity: u8,
    /// Inter-market sweep as entered.
    pub iso: u8,
    /// The cross it is for.
    pub cross_type: u8,
    /// For whom.
    pub firm: [u8; 4],
    /// What was said beyond that.
    pub tags: Tags,
    /// The client's text.
    pub clordid: [u8; 14],
    /// Its cancel waits for the cross, and the client was told.
    pub cancel_pending: bool,
    /// A partial cancel was refused, and the client was told.
    pub cancel_rejected: bool,
}

impl Order {
    /// Its values as the client is told them.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            side: self.side_letter,
            quantity: self.open,
            symbol: self.symbol,
            price: self.px,
            tif: self.tif,
            display: self.display,
            order_ref: self.id,
            capacity: self.capacity,
            iso: self.iso,
            cross_type: self.cross_type,
            is_dead: false,
            clordid: self.clordid,
            tags: self.tags,
        }
    }
}

/// What happened to an account's orders, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Orders taken.
    pub accepted: u64,
    /// Orders and replaces refused.
    pub rejected: u64,
    /// `C` messages.
    pub canceled: u64,
    /// `U` messages.
    pub replaced: u64,
    /// Fills.
    pub fills: u64,
    /// Shares filled.
    pub shares: u64,
    /// Messages that were none, or asked for what needs no answer (known numbers, dead orders).
    pub ignored: u64,
}

/// One account's day.
#[derive(Debug)]
pub struct Account {
    pub(super) credentials: Credentials,
    pub(super) rules: AccountRules,
    pub(super) codec: Codec,
    pub(super) index: u16,
    pub(super) stream: MessageLog,
    pub(super) orders: BTreeMap<Name, Order>,
    pub(super) entry_disabled: bool,
    pub(super) counts: Counts,
    last_numbers: BTreeMap<u8, u32>,
    positions: BTreeMap<Symbol, i64>,
    cash_e4: i128,
    /// What it was told and when, beside the stream, where the venue's other face listens.
    heard: Option<Vec<(u64, Report)>>,
}

impl Account {
    /// An account that has done nothing yet.
    #[must_use]
    pub fn new(index: u16, setup: AccountSetup) -> Account {
        Account {
            credentials: setup.credentials,
            codec: Codec::new(setup.rules.protocol),
            rules: setup.rules,
            index,
            stream: MessageLog::default(),
            orders: BTreeMap::new(),
            entry_disabled: false,
            counts: Counts::default(),
            last_numbers: BTreeMap::new(),
            positions: BTreeMap::new(),
            cash_e4: 0,
            heard: None,
        }
    }

    /// The number that comes next on a channel.
    #[must_use]
    pub fn next_number(&self, idx: u8) -> u32 {
        self.last_numbers.get(&idx).map_or(1, |last| last.saturating_add(1))
    }

    /// Whether a request's number is new: above every one used on its channel.
    #[must_use]
    pub fn is_new(&self, idx: u8, number: u32) -> bool {
        number > self.last_numbers.get(&idx).copied().unwrap_or(0)
    }

    /// Uses a number up.
    pub fn consume(&mut self, idx: u8, number: u32) {
        self.last_numbers.insert(idx, number);
    }

    /// The name of one of this account's orders.
    #[must_use]
    pub fn key(&self, idx: u8, number: u32) -> OrderKey {
        OrderKey { account: self.index, idx, number }
    }

    /// A live order.
    #[must_use]
    pub fn order(&self, key: OrderKey) -> Option<&Order> {
        self.orders.get(&key.name())
    }

    /// Says something to the client: the next message of its stream.
    pub fn tell(&mut self, now: u64, report: &Report) {
        if let Some(heard) = &mut self.heard {
            heard.push((now, *report));
        }
        if let Some(message) = self.codec.encode(now, report) {
            self.stream.push(&message);
        }
    }

    /// From now on what it is told is kept for [`Account::take_heard`].
    pub fn listen(&mut self) {
        self.heard.get_or_insert_default();
    }

    /// What it was told since the last call.
    pub fn take_heard(&mut self) -> Vec<(u64, Report)> {
        self.heard.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Books a fill and tells the client. Returns the shares still open.
    ///
    /// # Panics
    /// If the order is not live or has fewer shares: the book and the ledger would disagree.
    pub fn fill(
        &mut self,
        now: u64,
        key: OrderKey,
        quantity: Qty,
        px: Px,
        liquidity: u8,
        match_number: u64,
    ) -> Qty {
        let order = self.orders.get_mut(&key.name()).expect("a fill is for a live order");
        assert!(order.open >= quantity, "a fill of {quantity} shares for an order with {}", order.open);
        order.open = Qty(order.open.0 - quantity.0);
        order.spent = Qty(order.spent.0 + quantity.0);
        let open = order.open;
        *self.positions.entry(order.symbol).or_default() += order.side.sign() * i64::from(quantity.0);
        self.cash_e4 -= i128::from(order.side.sign()) * i128::from(px.0) * i128::from(quantity.0);
        self.counts.fills += 1;
        self.counts.shares += u64::from(quantity.0);
        if open.is_zero() {
            self.orders.remove(&key.name());
        }
        self.tell(now, &Report::Executed { name: key.name(), quantity, open, px, liquidity, match_number });
        open
    }

    /// Takes `shares` (at most what is open) off an order and tells the client.
    pub fn cancel(&mut self, now: u64, key: OrderKey, shares: Qty, reason: Reason) {
        let Some(order) = self.orders.get_mut(&key.name()) else { return };
        let quantity = order.open.min(shares);
        order.open = Qty(order.open.0 - quantity.0);
        let open = order.open;
        if open.is_zero() {
            self.orders.remove(&key.name());
        }
        self.counts.canceled += 1;
        self.tell(now, &Report::Canceled { name: key.name(), quantity, open, reason });
    }

    /// Takes an order off, as it stood in the way of its own account.
    pub fn prevent_self_match(&mut self, now: u64, key: OrderKey, prevented: Qty) {
        let Some(order) = self.orders.remove(&key.name()) else { return };
        self.counts.canceled += 1;
        let report = Report::SelfMatch {
            name: key.name(),
            decrement: order.open,
            open: Qty::ZERO,
            prevented,
            px: order.px,
            liquidity: b'A',
            strategy: b' ',
        };
        self.tell(now, &report);
    }

    /// Refuses an order.
    pub fn reject(&mut self, now: u64, key: OrderKey, cause: Cause, clordid: [u8; 14]) {
        self.counts.rejected += 1;
        self.tell(now, &Report::Rejected { name: key.name(), cause, clordid });
    }

    /// The account as the venue sees it.
    #[must_use]
    pub fn view(&self) -> AccountView {
        let live_orders = self
            .orders
            .iter()
            .map(|(name, o)| LiveOrder {
                idx: name.idx,
                number: name.number,
                order_ref: o.id,
                symbol: o.symbol,
                side: o.side,
                px: o.px,
                open: o.open,
                spent: o.spent,
            })
            .collect();
        AccountView {
            username: self.credentials.username.clone(),
            positions: self.positions.clone(),
            cash_e4: self.cash_e4,
            live_orders,
            counts: self.counts,
            next_sequence: self.stream.next(),
        }
    }
}

/// A live order as the venue sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOrder {
    /// `UserRefIdx`.
    pub idx: u8,
    /// `UserRefNum`.
    pub number: u32,
    /// The venue's number for it, as ITCH says it.
    pub order_ref: u64,
    /// Ticker.
    pub symbol: Symbol,
    /// Side of the book.
    pub side: Side,
    /// Limit.
    pub px: Px,
    /// Open shares.
    pub open: Qty,
    /// Shares of its chain that traded.
    pub spent: Qty,
}

/// The venue's truth about an account, for reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Who.
    pub username: String,
    /// Signed shares of each symbol that was traded (0 where it went back to flat).
    pub positions: BTreeMap<Symbol, i64>,
    /// Cash from trading in 1e-4 USD: sales add, purchases take.
    pub cash_e4: i128,
    /// Live orders, by number.
    pub live_orders: Vec<LiveOrder>,
    /// What happened.
    pub counts: Counts,
    /// Sequence number of the next message of the account's stream.
    pub next_sequence: u64,
}
