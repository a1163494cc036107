//! What the venue does with an OUCH request: the life of an account's order.
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
use super::floor::{Aggressor, Floor};
use super::matching::{OrderKey, Owner, Resting, Verdict};
use super::ouch::{Enter, Replace, Request, answer, reason, reject};

/// From here on a price means "market".
const MARKET_PRICE: u64 = 2_000_000_000;
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
                let message = answer::mass_canceled(desk.floor.now, tags.idx, number, firm, symbol);
                desk.tell(&message);
                desk.cancel_where(reason::USER, |o| {
                    (symbol == Symbol::BLANK || o.symbol == symbol)
                        && tags.side.is_none_or(|side| side == o.side_letter)
                        && tags.group.is_none_or(|group| o.group.unwrap_or(0) == group)
                });
            }
        }
        Request::Disable { number, firm, tags } => desk.switch_entry(tags.idx, number, firm, false),
        Request::Enable { number, firm, tags } => desk.switch_entry(tags.idx, number, firm, true),
        Request::Query { tags } => {
            let next = desk.account().next_number(tags.idx);
            desk.tell(&answer::next_number(desk.floor.now, tags.idx, next));
        }
    }
}

/// Cancels every live order of `account`, in the order of their numbers.
pub fn cancel_all(floor: &mut Floor, account: u16, reason: u8) {
    Desk { floor, account }.cancel_where(reason, |_| true);
}

/// Ends or begins the late period of a listing; what was asked to be canceled meanwhile is canceled at its end.
pub fn set_late_cross(floor: &mut Floor, listing: usize, late: bool) {
    floor.listings[listing].late_cross = late;
    if !late {
        for account in 0..floor.accounts.len() as u16 {
            Desk { floor, account }.cancel_where(reason::USER, |o| o.listing == listing && o.cancel_pending);
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

    fn tell(&mut self, message: &[u8]) {
        self.account().stream.push(message);
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
                    firm: e.tags.firm.unwrap_or(self.account().credentials.firm),
                    group: e.tags.group,
                    clordid: e.clordid,
                    cancel_pending: false,
                    cancel_rejected: false,
                };
                let account = self.account();
                account.counts.accepted += 1;
                account.orders.insert((key.idx, key.number), order);
                let terms = answer::Terms { firm: e.tags.firm, ..terms(&order) };
                self.tell(&answer::accepted(now, key.idx, key.number, &terms));
                self.work(key);
            }
        }
    }

    /// Everything about a new order that can be wrong, in the order a client would ask about it.
    fn check(&mut self, e: &Enter) -> Result<(usize, Side, Px), u16> {
        let account = self.account();
        let own_firm = account.credentials.firm;
        if account.entry_disabled || e.tags.firm.is_some_and(|firm| firm != own_firm) {
            return Err(reject::FIRM);
        }
        let side = side_of(e.side).ok_or(reject::SIDE)?;
        if !is_quantity(e.quantity) {
            return Err(reject::QUANTITY);
        }
        let listing = self.floor.find(e.symbol).ok_or(reject::SYMBOL)?;
        if self.floor.listings[listing].state != b'T' {
            return Err(reject::HALTED);
        }
        if e.cross_type != b'N' {
            return Err(reject::CROSS_ORDER);
        }
        let px = limit_price(e.price).ok_or(reject::PRICE)?;
        if !is_displayed(e.display) {
            return Err(reject::DISPLAY);
        }
        if !is_tif(e.tif) || !matches!(e.capacity, b'A' | b'P' | b'R' | b'O') {
            return Err(reject::OTHER);
        }
        match e.tags.refusal {
            Some(code) => Err(code),
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
            return self.account().cancel(now, key, left, reason::IOC);
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
            return self.account().reject(now, key, reject::REPLACE_NOT_ALLOWED, r.clordid);
        }
        let Some(new) = self.replacement(&old, r) else {
            return self.cancel_open(old_key, old.open, reason::USER);
        };
        let new = Order { id: self.floor.take_id(), ..new };
        let account = self.account();
        account.consume(idx, r.number);
        account.counts.replaced += 1;
        account.orders.remove(&(old_key.idx, old_key.number));
        account.orders.insert((key.idx, key.number), new);
        self.tell(&answer::replaced(now, idx, r.old, r.number, &terms(&new)));

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
            && r.tags.refusal.is_none()
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
            return self.cancel_open(key, gone, reason::USER);
        }
        let now = self.floor.now;
        let Some(held) = self.account().orders.get_mut(&(key.idx, key.number)) else { return };
        let told = if gone == order.open {
            std::mem::replace(&mut held.cancel_pending, true)
        } else {
            std::mem::replace(&mut held.cancel_rejected, true)
        };
        if told {
            self.ignore();
        } else if gone == order.open {
            self.tell(&answer::cancel_pending(now, key.idx, key.number));
        } else {
            self.tell(&answer::cancel_rejected(now, key.idx, key.number));
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
            return self.cancel_open(key, gone, reason::USER);
        }
        self.floor.reduce(order.listing, order.id, gone);
        let now = self.floor.now;
        let open = Qty(order.open.0 - gone.0);
        if let Some(order) = self.account().orders.get_mut(&(key.idx, key.number)) {
            order.open = open;
            order.side_letter = side;
        }
        self.tell(&answer::modified(now, key.idx, key.number, side, open));
    }

    fn switch_entry(&mut self, idx: u8, number: u32, firm: [u8; 4], enabled: bool) {
        if self.take_number(idx, number, firm) {
            self.account().entry_disabled = !enabled;
            self.tell(&answer::entry_switched(self.floor.now, idx, number, firm, enabled));
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
            self.account().reject(now, key, reject::FIRM, [b' '; 14]);
            return false;
        }
        true
    }

    fn cancel_where(&mut self, reason: u8, which: impl Fn(&Order) -> bool) {
        let live = &self.floor.accounts[usize::from(self.account)].orders;
        let chosen: Vec<_> = live.iter().filter(|(_, o)| which(o)).map(|(k, o)| (*k, o.open)).collect();
        for ((idx, number), open) in chosen {
            self.cancel_open(self.key(idx, number), open, reason);
        }
    }

    fn cancel_open(&mut self, key: OrderKey, shares: Qty, reason: u8) {
        if let Some(order) = self.order(key) {
            self.floor.reduce(order.listing, order.id, shares);
            let now = self.floor.now;
            self.account().cancel(now, key, shares, reason);
        }
    }
}

fn terms(order: &Order) -> answer::Terms {
    answer::Terms {
        side: order.side_letter,
        quantity: order.open,
        symbol: order.symbol,
        price: order.px,
        tif: order.tif,
        display: order.display,
        order_ref: order.id,
        capacity: order.capacity,
        iso: order.iso,
        clordid: order.clordid,
        firm: None,
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
