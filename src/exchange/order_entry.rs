//! What the venue does with a request: the life of an account's order.
//!
//! ```text
//!            refused -> J                            replace: U, a new number, the back of the queue
//!  Enter --+                                        +-----------+
//!          +-> A --> (trades now: E ...) --> live --+<----------+--> E ... until nothing is open
//!                          |                        |
//!                          +-> IOC: C 'I'           +--> X, mass cancel, close, disconnect: C
//! ```
//!
//! A replace of a live order has four ends: silence (the new number was used already), `C` (the replace itself is invalid; the number stays
//! free), `J` (the order cannot be touched now; the number is used) and `U`. Of a dead order it ends in silence.
//!
//! Only displayed limit orders for the continuous book, day or immediate-or-cancel, are taken; everything else is refused with the code
//! that comes nearest.

use model::{Px, Qty, Side, Symbol};

use super::accounts::Order;
use super::entry::{Cause, Enter, MARKET_PRICE, Name, Reason, Replace, Report, Request, Tags};
use super::floor::{Aggressor, Floor};
use super::matching::{OrderKey, Owner, Resting, Verdict};

/// Prices of a dollar and more are whole cents.
const DOLLAR: u64 = 10_000;
const CENT: u64 = 100;

/// Carries out one request of `account`.
pub fn apply(floor: &mut Floor, account: u16, request: Request) {
    let mut desk = Desk { floor, account };
    match request {
        Request::Enter(enter) => desk.enter(&enter),
        Request::Replace(replace) => desk.replace(&replace),
        Request::Cancel { number, quantity, tags } => desk.cancel(desk.key(tags.idx, number), Qty(quantity)),
        Request::Modify { number, side, quantity, tags } => {
            desk.modify(desk.key(tags.idx, number), side, Qty(quantity));
        }
        Request::MassCancel { number, firm, symbol, tags } => {
            if desk.take_number(tags.idx, number, firm) {
                desk.tell(&Report::MassCanceled { name: Name { idx: tags.idx, number }, firm, symbol });
                desk.cancel_where(Reason::User, |o| {
                    (symbol == Symbol::BLANK || o.symbol == symbol)
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

/// Ends or begins the late period of a listing; what was asked to be canceled meanwhile is canceled at its end.
pub fn set_late_cross(floor: &mut Floor, listing: usize, late: bool) {
    floor.listings[listing].late_cross = late;
    if !late {
        for account in 0..floor.accounts.len() as u16 {
            Desk { floor, account }.cancel_where(Reason::User, |o| o.listing == listing && o.cancel_pending);
        }
    }
}

/// One account at the floor.
struct Desk<'a> {
    floor: &'a mut Floor,
    account: u16,
}

impl Desk<'_> {
    fn account(&mut self) -> &mut super::accounts::Account {
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

    fn enter(&mut self, e: &Enter) {
        let key = self.key(e.tags.idx, e.number);
        if !self.account().is_new(key.idx, key.number) {
            return self.ignore();
        }
        self.account().consume(key.idx, key.number);
        let now = self.floor.now;
        match self.check(e) {
            Err(code) => self.account().reject(now, key, code, e.clordid),
            Ok((listing, side, px)) => {
                let order = Order {
                    id: self.floor.take_id(),
                    listing,
                    symbol: e.symbol,
                    side,
                    side_letter: e.side,
                    px,
                    open: Qty(e.quantity),
                    spent: Qty::ZERO,
                    tif: e.tif,
                    display: e.display,
                    capacity: e.capacity,
                    iso: e.iso,
                    cross_type: e.cross_type,
                    firm: e.tags.firm.unwrap_or(self.account().credentials.firm),
                    tags: e.tags,
                    clordid: e.clordid,
                    cancel_pending: false,
                    cancel_rejected: false,
                };
                let account = self.account();
                account.counts.accepted += 1;
                account.orders.insert(key.name(), order);
                self.tell(&Report::Accepted { name: key.name(), terms: order.terms() });
                self.work(key);
            }
        }
    }

    /// Everything about a new order that can be wrong, in the order a client would ask about it.
    fn check(&mut self, e: &Enter) -> Result<(usize, Side, Px), Cause> {
        let account = self.account();
        let own_firm = account.credentials.firm;
        if account.entry_disabled || e.tags.firm.is_some_and(|firm| firm != own_firm) {
            return Err(Cause::FirmNotAuthorized);
        }
        let side = side_of(e.side).ok_or(Cause::Side)?;
        if !is_quantity(e.quantity) {
            return Err(Cause::Quantity);
        }
        let listing = self.floor.find(e.symbol).ok_or(Cause::Symbol)?;
        if self.floor.listings[listing].state != b'T' {
            return Err(Cause::Halted);
        }
        if e.cross_type != b'N' {
            return Err(Cause::CrossOrder);
        }
        let px = limit_price(e.price).ok_or(Cause::Price)?;
        if !is_displayed(e.display) {
            return Err(Cause::Display);
        }
        if !is_tif(e.tif) || !matches!(e.capacity, b'A' | b'P' | b'R' | b'O') {
            return Err(Cause::Other);
        }
        match unsupported(&e.tags) {
            Some(cause) => Err(cause),
            None => Ok((listing, side, px)),
        }
    }

    /// Trades an order that is registered but not at rest, then rests or cancels what is open.
    fn work(&mut self, key: OrderKey) {
        let Some(order) = self.order(key) else { return };
        let aggressor = Aggressor { side: order.side, limit: order.px, shares: order.open, taker: Some(key) };
        let verdict = self.verdict();
        let left = self.floor.aggress(order.listing, aggressor, None, verdict);
        if left.is_zero() {
            return;
        }
        if order.tif == b'3' {
            let now = self.floor.now;
            return self.account().cancel(now, key, left, Reason::Ioc);
        }
        let mpid = (order.display == b'A').then_some(order.firm);
        self.floor.rest(order.listing, resting(&order, key, left), mpid);
    }

    /// An account's order trades with everyone, or with everyone but itself.
    fn verdict(&self) -> impl Fn(&Resting) -> Verdict + use<> {
        let own = self.floor.self_match_prevention.then_some(self.account);
        move |o: &Resting| match o.owner {
            Owner::Account(key) if Some(key.account) == own => Verdict::Kill,
            Owner::Account(_) | Owner::Background(_) => Verdict::Trade,
        }
    }

    fn replace(&mut self, r: &Replace) {
        let idx = r.tags.idx;
        let (old_key, key) = (self.key(idx, r.old), self.key(idx, r.number));
        let (Some(old), true) = (self.order(old_key), self.account().is_new(idx, r.number)) else {
            return self.ignore();
        };
        let now = self.floor.now;
        if self.floor.listings[old.listing].late_cross {
            self.account().consume(idx, r.number);
            return self.account().reject(now, key, Cause::ReplaceNotAllowed, r.clordid);
        }
        let Some(new) = self.replacement(&old, r) else {
            return self.cancel_open(old_key, old.open, Reason::User);
        };
        let new = Order { id: self.floor.take_id(), ..new };
        let account = self.account();
        account.consume(idx, r.number);
        account.counts.replaced += 1;
        account.orders.remove(&old_key.name());
        account.orders.insert(key.name(), new);
        self.tell(&Report::Replaced { old: r.old, name: key.name(), terms: new.terms() });

        // On the tape, a replace that only moves the order is one message; one that trades is a removal, the trades, and an addition. So is
        // one that changes the attribution, which the one message cannot say.
        let trades = self.floor.would_hit(new.listing, new.side, new.px, self.verdict());
        if trades || new.tif == b'3' || new.display != old.display {
            self.floor.delete(old.listing, old.id);
            self.work(key);
        } else {
            self.floor.replace(old.listing, old.id, resting(&new, key, new.open));
        }
    }

    /// The order as a replace wants it, or `None` where that is no order: values out of range, nothing left beyond what traded already.
    fn replacement(&mut self, old: &Order, r: &Replace) -> Option<Order> {
        let px = limit_price(r.price)?;
        let open = Qty(r.quantity).saturating_sub(old.spent);
        let side_letter = r.tags.side.unwrap_or(old.side_letter);
        let valid = is_quantity(r.quantity)
            && !open.is_zero()
            && is_tif(r.tif)
            && is_displayed(r.display)
            && side_of(side_letter) == Some(old.side)
            && unsupported(&r.tags).is_none()
            && self.floor.listings[old.listing].state == b'T'
            && !self.account().entry_disabled;
        valid.then_some(Order {
            px,
            open,
            side_letter,
            tif: r.tif,
            display: r.display,
            iso: r.iso,
            clordid: r.clordid,
            cancel_pending: false,
            cancel_rejected: false,
            ..*old
        })
    }

    fn cancel(&mut self, key: OrderKey, total: Qty) {
        let Some(order) = self.order(key) else { return self.ignore() };
        let gone = order.open.saturating_sub(total.saturating_sub(order.spent));
        if gone.is_zero() {
            return self.ignore();
        }
        if !self.floor.listings[order.listing].late_cross {
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
        self.floor.reduce(order.listing, order.id, gone);
        let open = Qty(order.open.0 - gone.0);
        if let Some(order) = self.account().orders.get_mut(&key.name()) {
            order.open = open;
            order.side_letter = side;
        }
        self.tell(&Report::Modified { name: key.name(), side, open });
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
        if self.account().credentials.firm != firm {
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
            self.floor.reduce(order.listing, order.id, shares);
            let now = self.floor.now;
            self.account().cancel(now, key, shares, reason);
        }
    }
}

fn resting(order: &Order, key: OrderKey, shares: Qty) -> Resting {
    Resting { id: order.id, side: order.side, px: order.px, shares, owner: Owner::Account(key) }
}

fn side_of(letter: u8) -> Option<Side> {
    match letter {
        b'B' => Some(Side::Buy),
        b'S' | b'T' | b'E' => Some(Side::Sell),
        _ => None,
    }
}

/// Why an order with these tags is not taken.
fn unsupported(tags: &Tags) -> Option<Cause> {
    let minimum = tags.min_quantity.is_some_and(|n| n > 0).then_some(Cause::MinQuantity);
    let reserve = tags.max_floor.is_some_and(|n| n > 0) || tags.random_reserve.is_some();
    let is_other = |tag: Option<u8>| tag.is_some_and(|letter| letter != b'N');
    let other = is_other(tags.post_only) || is_other(tags.trade_now) || tags.expire_s.is_some();
    tags.refusal.or(minimum).or(reserve.then_some(Cause::MaxFloor)).or(other.then_some(Cause::Other))
}

fn is_quantity(quantity: u32) -> bool {
    (1..=Qty::MAX_ORDER.0).contains(&quantity)
}

fn is_tif(tif: u8) -> bool {
    matches!(tif, b'0' | b'3')
}

fn is_displayed(display: u8) -> bool {
    matches!(display, b'Y' | b'A')
}

/// A limit the continuous book takes: above 0, no market price, whole cents from a dollar on.
fn limit_price(raw: u64) -> Option<Px> {
    let px = Px(i64::try_from(raw).ok()?);
    let fits = px.is_orderable() && raw < MARKET_PRICE && (raw < DOLLAR || raw.is_multiple_of(CENT));
    fits.then_some(px)
}
