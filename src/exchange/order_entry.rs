//! What the venue does with a request: the life of an account's order.
//!
//! ```text
//!            refused -> J                            replace: U, a new number, the back of the queue
//!  Enter --+                                        +-----------+
//!          +-> A --> (trades now: E ...) --> live --+<----------+--> E ... until nothing is open
//!          |               |                        |
//!          +-> A dead      +-> IOC: C 'I'           +--> X, mass cancel, time out, halt, close, disconnect: C
//! ```
//!
//! A replace of a live order has four ends: silence (the new number was used already), `C` (the replace itself is invalid; the number stays
//! free), `J` (the order cannot be touched now; the number is used) and `U`. Of a dead order it ends in silence.
//!
//! An order for a cross is live in the ledger and in no book; [`super::auction`] trades it.

mod taking;

use model::{Qty, Symbol};

use super::accounts::{Account, Order};
use super::codec::Asked;
use super::entry::{Cause, Name, Reason, Report, Request};
use super::floor::{Floor, Late};
use super::matching::{OrderKey, Resting};

/// Carries out one request of `account`.
pub fn apply(floor: &mut Floor, account: u16, asked: impl Into<Asked>) {
    let now = floor.now;
    let own = &floor.accounts[usize::from(account)];
    let refusal = own.refusing.filter(|(until, _)| *until > now).map(|(_, cause)| cause);
    answer(floor, account, asked.into(), refusal);
}

/// Carries out one request of `account` that is over its rate: a new order or a replace is refused, the rest is done.
pub fn apply_over_rate(floor: &mut Floor, account: u16, asked: Asked) {
    answer(floor, account, asked, Some(Cause::RiskPortRate));
}

/// What the account is told meanwhile answers the request.
fn answer(floor: &mut Floor, account: u16, asked: Asked, refusal: Option<Cause>) {
    let at = usize::from(account);
    floor.accounts[at].codec.begin(asked.ticket);
    if let Some(request) = asked.request {
        carry_out(floor, account, request, refusal);
    }
    let now = floor.now;
    floor.accounts[at].finish(now);
}

fn carry_out(floor: &mut Floor, account: u16, request: Request, refusal: Option<Cause>) {
    let mut desk = Desk { floor, account };
    match request {
        Request::Enter(enter) => desk.enter(&enter, refusal),
        Request::Replace(replace) => desk.replace(&replace, refusal),
        Request::Cancel { number, quantity, tags } => desk.cancel(desk.key(tags.idx, number), Qty(quantity)),
        Request::Modify { number, side, quantity, tags } => {
            desk.modify(desk.key(tags.idx, number), side, Qty(quantity));
        }
        Request::TradeNow { number } => desk.trade_now(desk.key(0, number)),
        Request::MassCancel { number, firm, symbol, tags } => {
            if desk.take_number(tags.idx, number, firm) {
                desk.tell(&Report::MassCanceled { name: Name { idx: tags.idx, number }, firm, symbol });
                desk.cancel_where(Reason::User, |o| {
                    o.firm == firm
                        && (symbol == Symbol::BLANK || o.symbol == symbol)
                        && tags.side.is_none_or(|side| side == o.side_letter)
                        && tags.group.is_none_or(|group| o.tags.group.unwrap_or(0) == group)
                });
            }
        }
        Request::Disable { number, firm, tags } => desk.switch_entry(tags.idx, number, firm, false),
        Request::Enable { number, firm, tags } => desk.switch_entry(tags.idx, number, firm, true),
        Request::Query { tags } => {
            let number = desk.account().next_number(tags.idx);
            desk.tell(&Report::NextNumber { next: Name { idx: tags.idx, number } });
        }
    }
}

/// Cancels every live order of `account`, in the order of their numbers.
pub fn cancel_all(floor: &mut Floor, account: u16, reason: Reason) {
    Desk { floor, account }.cancel_where(reason, |_| true);
}

/// Cancels the live orders of all accounts that `which` chooses.
pub fn cancel_of_all(floor: &mut Floor, reason: Reason, which: impl Fn(&Order) -> bool) {
    for account in 0..floor.accounts.len() as u16 {
        Desk { floor, account }.cancel_where(reason, &which);
    }
}

/// Cancels what has lived its time.
pub fn expire(floor: &mut Floor) {
    while let Some(&(due, key)) = floor.expiries.first()
        && due <= floor.now
    {
        floor.expiries.pop_first();
        let mut desk = Desk { floor, account: key.account };
        if let Some(order) = desk.order(key).filter(|o| o.expires_at == Some(due)) {
            desk.cancel_open(key, order.open, Reason::Timeout);
        }
    }
}

/// Gives an order at rest another price in the book, told as a priority update; it trades there first if it can.
pub fn reprice(floor: &mut Floor, key: OrderKey, px: model::Px) {
    let mut desk = Desk { floor, account: key.account };
    let Some(order) = desk.order(key) else { return };
    desk.floor.delete(order.listing, order.id);
    let order_ref = desk.floor.take_id();
    if let Some(order) = desk.account().orders.get_mut(&key.name()) {
        (order.px, order.id) = (px, order_ref);
    }
    desk.tell(&Report::Priority { name: key.name(), px, display: order.display, order_ref });
    desk.work(key);
}

/// Ends or begins the late period of a listing; what was asked to be canceled meanwhile is canceled at its end.
pub fn set_late_cross(floor: &mut Floor, listing: usize, late: Late) {
    floor.listings[listing].late = late;
    if late == Late::No {
        cancel_of_all(floor, Reason::User, |o| o.listing == listing && o.cancel_pending);
    }
}

/// One account at the floor.
struct Desk<'a> {
    floor: &'a mut Floor,
    account: u16,
}

impl Desk<'_> {
    fn account(&mut self) -> &mut Account {
        &mut self.floor.accounts[usize::from(self.account)]
    }

    fn key(&self, idx: u8, number: u32) -> OrderKey {
        OrderKey { account: self.account, idx, number }
    }

    fn order(&self, key: OrderKey) -> Option<Order> {
        self.floor.accounts[usize::from(self.account)].order(key).copied()
    }

    fn tell(&mut self, report: &Report) {
        let now = self.floor.now;
        self.account().tell(now, report);
    }

    fn ignore(&mut self) {
        self.account().counts.ignored += 1;
    }

    /// Whether an order cannot be canceled or replaced now.
    fn is_late(&self, order: &Order) -> bool {
        match self.floor.listings[order.listing].late {
            Late::No => false,
            Late::CrossOrders => order.is_for_cross(),
            Late::All => true,
        }
    }

    fn cancel(&mut self, key: OrderKey, total: Qty) {
        let Some(order) = self.order(key) else { return self.ignore() };
        let gone = order.open.saturating_sub(total.saturating_sub(order.spent));
        if gone.is_zero() {
            return self.ignore();
        }
        if !self.is_late(&order) {
            return self.cancel_open(key, gone, Reason::User);
        }
        let Some(held) = self.account().orders.get_mut(&key.name()) else { return };
        let told = if gone == order.open {
            std::mem::replace(&mut held.cancel_pending, true)
        } else {
            std::mem::replace(&mut held.cancel_rejected, true)
        };
        if told {
            self.ignore();
        } else if gone == order.open {
            self.tell(&Report::CancelPending { name: key.name() });
        } else {
            self.tell(&Report::CancelRejected { name: key.name() });
        }
    }

    fn modify(&mut self, key: OrderKey, side: u8, total: Qty) {
        let Some(order) = self.order(key) else { return self.ignore() };
        let side_ok = matches!(
            (order.side_letter, side),
            (b'S', b'E' | b'T') | (b'E', b'T') | (b'B', b'B') | (b'S', b'S') | (b'T', b'T') | (b'E', b'E')
        );
        let gone = order.open.saturating_sub(total.saturating_sub(order.spent));
        if !side_ok || (side == order.side_letter && gone.is_zero()) {
            return self.ignore();
        }
        if gone == order.open {
            return self.cancel_open(key, gone, Reason::User);
        }
        self.take_off_book(&order, gone);
        let open = Qty(order.open.0 - gone.0);
        if let Some(order) = self.account().orders.get_mut(&key.name()) {
            order.open = open;
            order.side_letter = side;
        }
        self.tell(&Report::Modified { name: key.name(), side, open });
    }

    /// An order at rest has traded with all that it may: there is nothing to do but to say so.
    fn trade_now(&mut self, key: OrderKey) {
        match self.order(key) {
            Some(_) => self.tell(&Report::TradingNow { name: key.name() }),
            None => self.ignore(),
        }
    }

    fn switch_entry(&mut self, idx: u8, number: u32, firm: [u8; 4], enabled: bool) {
        if self.take_number(idx, number, firm) {
            self.account().entry_disabled = !enabled;
            let name = Name { idx, number };
            self.tell(&Report::EntrySwitched { name, firm, is_enabled: enabled });
        }
    }

    /// Whether a request of the whole account stands: its number is new (else silence) and its firm is the account's (else `J`).
    fn take_number(&mut self, idx: u8, number: u32, firm: [u8; 4]) -> bool {
        if !self.account().is_new(idx, number) {
            self.ignore();
            return false;
        }
        self.account().consume(idx, number);
        if !self.account().may_trade_for(firm) {
            let (now, key) = (self.floor.now, self.key(idx, number));
            self.account().reject(now, key, Cause::FirmNotAuthorized, [b' '; 14]);
            return false;
        }
        true
    }

    fn cancel_where(&mut self, reason: Reason, which: impl Fn(&Order) -> bool) {
        let live = &self.floor.accounts[usize::from(self.account)].orders;
        let chosen: Vec<_> = live.iter().filter(|(_, o)| which(o)).map(|(k, o)| (*k, o.open)).collect();
        for (name, open) in chosen {
            self.cancel_open(self.key(name.idx, name.number), open, reason);
        }
    }

    fn cancel_open(&mut self, key: OrderKey, shares: Qty, reason: Reason) {
        if let Some(order) = self.order(key) {
            self.take_off_book(&order, shares);
            let now = self.floor.now;
            self.account().cancel(now, key, shares, reason);
        }
    }

    /// Takes shares of an order off the book: those that nobody sees first.
    fn take_off_book(&mut self, order: &Order, shares: Qty) {
        let shown = self.floor.listings[order.listing].book.get(order.id).map_or(Qty::ZERO, |o| o.shares);
        let reserve = order.open.saturating_sub(shown);
        self.floor.reduce(order.listing, order.id, shares.saturating_sub(reserve));
    }
}

/// Whether two orders of one account are kept from trading with each other: all are, or those of one group.
fn are_of_one_group(floor: &Floor, order: &Order, other: &Resting, key: OrderKey) -> bool {
    let other = floor.accounts[usize::from(key.account)].order(key).filter(|o| o.id == other.id);
    other.is_some_and(|other| order.tags.self_match_group == other.tags.self_match_group)
}
