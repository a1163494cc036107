//! The venue's ledger: for each account its numbers, live orders, position, cash and the stream of everything it was told.
//!
//! This is the truth that a trading core's own state is reconciled with, so nothing here is derived from what was sent: a fill moves
//! position and cash at the moment of the trade.
//!
//! Invariants: `UserRefNum` only grows, per account and `UserRefIdx`; only live orders are kept, each with open shares; position is the
//! sum of signed fills, cash minus the sum of signed fills times price.

mod self_match;
mod view;

use std::collections::BTreeMap;

use model::{Px, Qty, Side, Symbol};

use super::admission::{Limits, Rates};
use super::codec::{Codec, Protocol};
use super::entry::{Cause, MARKET_PRICE, Name, Reason, Report, Tags, Terms};
use super::fix::FixRules;
use super::latency::{Excess, Latency};
use super::matching::{OrderKey, Owner, Resting};
use super::message_log::MessageLog;
use super::rng::Rng;
pub use self_match::{Prevented, SelfMatch};
pub use view::{AccountView, LiveOrder};

/// Shares of a round lot.
pub const ROUND_LOT: u32 = 100;

/// An account as it is set up.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug, Default)]
pub struct AccountRules {
    /// What its port speaks.
    pub protocol: Protocol,
    /// Its FIX session, where it speaks that.
    pub fix: Option<FixRules>,
    /// Whether its orders are canceled when its connection ends; as the venue's where `None`.
    pub cancel_on_disconnect: Option<bool>,
    /// Firms that it may trade for besides its own.
    pub firms: Vec<[u8; 4]>,
    /// What happens to two of its orders that would trade with each other; as the venue's where `None`.
    pub self_match: Option<SelfMatch>,
    /// Orders that are refused.
    pub limits: Limits,
    /// How many messages it may send within a second, and what happens to one more.
    pub rate: Option<(u32, Excess)>,
    /// How long its requests take to the floor.
    pub inbound_latency: Latency,
    /// How long its reports take from the floor.
    pub outbound_latency: Latency,
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
    /// Limit as asked for, which may be beyond what the venue allows.
    pub asked_px: Px,
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
    /// When its time is up.
    pub expires_at: Option<u64>,
    /// The client's text.
    pub clordid: [u8; 14],
    /// Its cancel waits for the cross, and the client was told.
    pub cancel_pending: bool,
    /// A partial cancel was refused, and the client was told.
    pub cancel_rejected: bool,
}

impl Order {
    /// The worst price it trades at.
    #[must_use]
    pub fn limit(&self) -> Px {
        match (self.is_market(), self.side) {
            (false, _) => self.px,
            (true, Side::Buy) => Px(i64::MAX),
            (true, Side::Sell) => Px(0),
        }
    }

    /// Whether it has no limit.
    #[must_use]
    pub fn is_market(&self) -> bool {
        self.px.0 >= MARKET_PRICE as i64
    }

    /// Shares that the market sees or, of an order that is not shown, could trade with.
    #[must_use]
    pub fn shown(&self) -> Qty {
        let Some(floor) = self.tags.max_floor.filter(|n| *n > 0) else { return self.open };
        // By how much it differs is drawn from the order's number, which nobody can foresee.
        let spread = u64::from(self.tags.random_reserve.unwrap_or(0) / ROUND_LOT);
        let lots = Rng::new(self.id, 0x5E5).below(2 * spread + 1) as u32 * ROUND_LOT;
        Qty((floor + lots).saturating_sub(spread as u32 * ROUND_LOT).max(ROUND_LOT)).min(self.open)
    }

    /// The order at rest, under the name of its account.
    #[must_use]
    pub fn resting(&self, key: OrderKey) -> Resting {
        let (id, side, px, shares) = (self.id, self.side, self.px, self.shown());
        Resting { id, side, px, shares, owner: Owner::Account(key), is_shown: self.display != b'N' }
    }

    /// Whose name the market sees on it.
    #[must_use]
    pub fn mpid(&self) -> Option<[u8; 4]> {
        (self.display == b'A').then_some(self.firm)
    }

    /// Whether it is for an auction, and in no book.
    #[must_use]
    pub fn is_for_cross(&self) -> bool {
        self.cross_type != b'N'
    }

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
    /// Fills that were undone; they stay in `fills` and `shares`.
    pub broken: u64,
    /// Messages that were none, or asked for what needs no answer (known numbers, dead orders).
    pub ignored: u64,
}

/// What a fill is of.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    /// Its number on the tape.
    pub number: u64,
    /// What would be undone together: the number again, or one for all of a cross.
    pub trade: u64,
    /// Its price.
    pub px: Px,
    /// `A` added, `R` removed, `O` `C` `H` in a cross.
    pub liquidity: u8,
}

/// A fill as the ledger remembers it.
#[derive(Clone, Copy, Debug)]
struct Fill {
    match_number: u64,
    /// What is undone together: the two sides of a match, all of a cross.
    trade: u64,
    name: Name,
    listing: usize,
    symbol: Symbol,
    signed: i64,
    px: Px,
    liquidity: u8,
    clordid: [u8; 14],
    is_broken: bool,
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
    /// Letters of what it was told and the desk has not looked at.
    pub(super) fresh: Vec<u8>,
    /// Until when all new orders are refused, and why.
    pub(super) refusing: Option<(u64, Cause)>,
    /// The order that a cancel ended last, with what went as its open shares. Of one that lives on nobody could tell a late fill from another.
    pub(super) last_canceled: Option<(Name, Order)>,
    pub(super) rates: Rates,
    fills: Vec<Fill>,
    last_numbers: BTreeMap<u8, u32>,
    positions: BTreeMap<Symbol, i64>,
    cash_e4: i128,
    /// What it was told and when, beside the stream, where the venue's other face listens.
    heard: Option<Vec<(u64, Report)>>,
    /// The accounts that are told a copy of it.
    pub(super) copied_to: Vec<u16>,
    copies: Vec<Told>,
}

/// What an account was told, for those that are told a copy.
#[derive(Clone, Debug)]
pub struct Told {
    now: u64,
    /// The order's name between the account and its client.
    id: Vec<u8>,
    report: Report,
}

impl Account {
    /// An account that has done nothing yet.
    #[must_use]
    pub fn new(index: u16, setup: AccountSetup) -> Account {
        Account {
            codec: Codec::new(&setup),
            credentials: setup.credentials,
            rules: setup.rules,
            index,
            stream: MessageLog::default(),
            orders: BTreeMap::new(),
            entry_disabled: false,
            counts: Counts::default(),
            fresh: Vec::new(),
            refusing: None,
            last_canceled: None,
            rates: Rates::default(),
            fills: Vec::new(),
            last_numbers: BTreeMap::new(),
            positions: BTreeMap::new(),
            cash_e4: 0,
            heard: None,
            copied_to: Vec::new(),
            copies: Vec::new(),
        }
    }

    /// The number that comes next on a channel.
    #[must_use]
    pub fn next_number(&self, idx: u8) -> u32 {
        self.last_numbers.get(&idx).map_or(1, |last| last.saturating_add(1))
    }

    /// Whether it may trade for a firm.
    #[must_use]
    pub fn may_trade_for(&self, firm: [u8; 4]) -> bool {
        firm == self.credentials.firm || self.rules.firms.contains(&firm)
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
        for message in self.codec.encode(now, report) {
            self.stream.push(&message);
            self.fresh.push(report.letter());
        }
        if let Some(name) = report.name().filter(|_| !self.copied_to.is_empty()) {
            self.copies.push(Told { now, id: self.codec.id_of(name), report: *report });
        }
    }

    /// What it was told since the last call, to be copied.
    pub fn take_copies(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.copies)
    }

    /// Is told what another account was.
    pub fn tell_copy(&mut self, source: u16, told: &Told) {
        for message in self.codec.copy(told.now, source, &told.id, &told.report) {
            self.stream.push(&message);
            self.fresh.push(told.report.letter());
        }
    }

    /// A request was carried out: what its protocol still has to say to it is said.
    pub fn finish(&mut self, now: u64) {
        if let Some((letter, message)) = self.codec.finish(now) {
            self.stream.push(&message);
            self.fresh.push(letter);
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
    pub fn fill(&mut self, now: u64, key: OrderKey, quantity: Qty, m: &Match) -> Qty {
        let order = self.orders.get_mut(&key.name()).expect("a fill is for a live order");
        assert!(order.open >= quantity, "a fill of {quantity} shares for an order with {}", order.open);
        order.open = Qty(order.open.0 - quantity.0);
        order.spent = Qty(order.spent.0 + quantity.0);
        let order = *order;
        if order.open.is_zero() {
            self.orders.remove(&key.name());
        }
        self.book(now, key.name(), &order, quantity, m);
        order.open
    }

    /// Books a fill of an order that is dead, and tells the client.
    pub fn fill_late(&mut self, now: u64, name: Name, order: &Order, m: &Match) {
        self.book(now, name, &Order { open: Qty::ZERO, ..*order }, order.open, m);
    }

    fn book(&mut self, now: u64, name: Name, order: &Order, quantity: Qty, m: &Match) {
        let Match { number: match_number, trade, px, liquidity } = *m;
        let signed = order.side.sign() * i64::from(quantity.0);
        self.counts.fills += 1;
        self.counts.shares += u64::from(quantity.0);
        self.post(order.symbol, signed, px);
        let (listing, symbol, clordid) = (order.listing, order.symbol, order.clordid);
        let is_broken = false;
        self.fills.push(Fill {
            match_number,
            trade,
            name,
            listing,
            symbol,
            signed,
            px,
            liquidity,
            clordid,
            is_broken,
        });
        let open = order.open;
        self.tell(now, &Report::Executed { name, quantity, open, px, liquidity, match_number });
    }

    fn post(&mut self, symbol: Symbol, signed: i64, px: Px) {
        *self.positions.entry(symbol).or_default() += signed;
        self.cash_e4 -= i128::from(px.0) * i128::from(signed);
    }

    /// The trade of the last fill that stands.
    #[must_use]
    pub fn last_trade(&self) -> Option<u64> {
        self.fills.iter().rev().find(|f| !f.is_broken).map(|f| f.trade)
    }

    /// The trade of a fill, and whether it was broken.
    #[must_use]
    pub fn trade_of(&self, match_number: u64) -> Option<(u64, bool)> {
        let fill = self.fills.iter().rev().find(|f| f.match_number == match_number)?;
        Some((fill.trade, fill.is_broken))
    }

    /// The fill so many before the last, where it stands: its match number, its symbol, its shares (of a sale below zero).
    #[must_use]
    pub fn fill_before(&self, back: usize) -> Option<(u64, Symbol, i64)> {
        let fill = self.fills.iter().rev().nth(back).filter(|f| !f.is_broken)?;
        Some((fill.match_number, fill.symbol, fill.signed))
    }

    /// Gives the fills of one match another price and tells the client.
    pub fn correct_fills(&mut self, now: u64, match_number: u64, px: Px, reason: u8) {
        let stands = |f: &Fill| f.match_number == match_number && !f.is_broken;
        let mut corrected = Vec::new();
        for fill in self.fills.iter_mut().filter(|f| stands(f)) {
            corrected.push(*fill);
            fill.px = px;
        }
        for fill in corrected {
            self.cash_e4 -= i128::from(px.0 - fill.px.0) * i128::from(fill.signed);
            // A fill has no more shares than an order.
            let quantity = Qty(fill.signed.unsigned_abs() as u32);
            let Fill { name, liquidity, .. } = fill;
            self.tell(now, &Report::Corrected { name, quantity, px, liquidity, match_number, reason });
        }
    }

    /// What an account cannot be told of a corrected trade in: its protocol, where that has no word for it.
    #[must_use]
    pub fn has_no_corrections(&self) -> Option<&'static str> {
        match self.heard {
            Some(_) => Some("REST"),
            None => self.codec.has_no_corrections(),
        }
    }

    /// Undoes the fills of one trade and tells the client. Returns their match numbers, and where they were.
    pub fn break_fills(&mut self, now: u64, trade: u64, reason: u8) -> Vec<(u64, usize)> {
        let mut broken = Vec::new();
        for fill in self.fills.iter_mut().filter(|f| f.trade == trade && !f.is_broken) {
            fill.is_broken = true;
            broken.push(*fill);
        }
        for fill in &broken {
            self.counts.broken += 1;
            self.post(fill.symbol, -fill.signed, fill.px);
            let (name, match_number, clordid) = (fill.name, fill.match_number, fill.clordid);
            self.tell(now, &Report::Broken { name, match_number, reason, clordid });
        }
        broken.iter().map(|f| (f.match_number, f.listing)).collect()
    }

    /// Takes `shares` (at most what is open) off an order and tells the client.
    pub fn cancel(&mut self, now: u64, key: OrderKey, shares: Qty, reason: Reason) {
        let Some(order) = self.orders.get_mut(&key.name()) else { return };
        let quantity = order.open.min(shares);
        order.open = Qty(order.open.0 - quantity.0);
        let (order, open) = (*order, order.open);
        if open.is_zero() {
            self.orders.remove(&key.name());
            self.last_canceled = Some((key.name(), Order { open: quantity, ..order }));
        }
        self.counts.canceled += 1;
        self.tell(now, &Report::Canceled { name: key.name(), quantity, open, reason });
    }

    /// Takes shares off an order that stood against another of its own account. They count in a replace's total, as if they had traded.
    pub fn prevent_self_match(&mut self, now: u64, key: OrderKey, prevented: &Prevented) {
        let Some(order) = self.orders.get_mut(&key.name()) else { return };
        order.open = Qty(order.open.0 - prevented.decrement.0);
        order.spent = Qty(order.spent.0 + prevented.decrement.0);
        let open = order.open;
        if open.is_zero() {
            self.orders.remove(&key.name());
        }
        self.counts.canceled += 1;
        let Prevented { decrement, shares, px, liquidity, strategy } = *prevented;
        let (name, strategy) = (key.name(), strategy.letter());
        let prevented = shares;
        self.tell(now, &Report::SelfMatch { name, decrement, open, prevented, px, liquidity, strategy });
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
                clordid: o.clordid,
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
