//! New orders and replaces: taken or refused, then to the market.

use model::{Px, Qty, Side};

use super::{Desk, are_of_one_group};
use crate::exchange::accounts::{Order, Prevented, SelfMatch};
use crate::exchange::admission::{self, Admitted, Asked};
use crate::exchange::entry::{Cause, Enter, Reason, Replace, Report, Tags, Terms};
use crate::exchange::floor::Aggressor;
use crate::exchange::market::PostOnly;
use crate::exchange::matching::{OrderKey, Owner, Resting, Verdict};

/// 1e-4 USD of a step of price from a dollar on; below it is 1.
const TICK: i64 = 100;
const DOLLAR: i64 = 10_000;

/// What a post-only order may still be.
enum Posting {
    Rests,
    Canceled,
    Dead,
}

impl Desk<'_> {
    pub(super) fn enter(&mut self, e: &Enter, refusal: Option<Cause>) {
        let key = self.key(e.tags.idx, e.number);
        if !self.account().is_new(key.idx, key.number) {
            return self.ignore();
        }
        self.account().consume(key.idx, key.number);
        let now = self.floor.now;
        let admitted = match refusal {
            Some(cause) => Err(cause),
            None => admission::admit(self.floor, self.account, e),
        };
        let Admitted { listing, side, px, expires_at } = match admitted {
            Ok(admitted) => admitted,
            Err(cause) => return self.account().reject(now, key, cause, e.clordid),
        };
        let order = Order {
            id: self.floor.take_id(),
            listing,
            symbol: e.symbol,
            side,
            side_letter: e.side,
            px,
            asked_px: Px(e.price as i64),
            open: Qty(e.quantity),
            spent: Qty::ZERO,
            tif: e.tif,
            display: e.display,
            capacity: e.capacity,
            iso: e.iso,
            cross_type: e.cross_type,
            firm: e.tags.firm.unwrap_or(self.account().credentials.firm),
            tags: e.tags,
            expires_at,
            clordid: e.clordid,
            cancel_pending: false,
            cancel_rejected: false,
        };
        self.account().counts.accepted += 1;
        self.take(key, order, |terms| Report::Accepted { name: key.name(), terms });
    }

    /// Registers an order, tells of it by `report`, and brings it to the market.
    fn take(&mut self, key: OrderKey, mut order: Order, report: impl FnOnce(Terms) -> Report) {
        let posting = self.post(&mut order);
        if let Posting::Dead = posting {
            let terms = Terms { is_dead: true, ..order.terms() };
            return self.tell(&report(terms));
        }
        self.account().orders.insert(key.name(), order);
        self.tell(&report(order.terms()));
        if let Some(due) = order.expires_at {
            self.floor.expiries.insert((due, key));
        }
        match posting {
            Posting::Canceled => self.cancel_open(key, order.open, Reason::PostOnly),
            Posting::Rests | Posting::Dead => self.work(key),
        }
    }

    /// What a post-only order that would trade becomes.
    fn post(&mut self, order: &mut Order) -> Posting {
        if order.tags.post_only != Some(b'P') || order.is_for_cross() {
            return Posting::Rests;
        }
        let Some(best) = self.floor.reached(order.listing, order.side, order.limit()).next().map(|o| o.px)
        else {
            return Posting::Rests;
        };
        match self.floor.rules.post_only {
            PostOnly::Cancel => Posting::Canceled,
            PostOnly::Dead => Posting::Dead,
            PostOnly::Slide => {
                let below = |px: i64| if px > DOLLAR { TICK } else { 1 };
                let above = |px: i64| if px >= DOLLAR { TICK } else { 1 };
                let px = match order.side {
                    Side::Buy => best.0 - below(best.0),
                    Side::Sell => best.0 + above(best.0),
                };
                if px <= 0 {
                    return Posting::Canceled;
                }
                order.px = Px(px);
                Posting::Rests
            }
        }
    }

    /// Trades an order that is registered but not at rest, then rests or cancels what is open.
    pub(super) fn work(&mut self, key: OrderKey) {
        let Some(order) = self.order(key).filter(|o| !o.is_for_cross()) else { return };
        if order.tif == b'3' && !self.has_minimum(&order) {
            return self.cancel_open(key, order.open, Reason::Ioc);
        }
        self.sweep(key);
        let Some(order) = self.order(key) else { return };
        if order.tif == b'3' || order.is_market() {
            let is_collared = self.floor.market_limit(&order) != order.limit();
            let reason = if is_collared { Reason::Collars } else { Reason::Ioc };
            return self.cancel_open(key, order.open, reason);
        }
        self.floor.rest(order.listing, order.resting(key), order.mpid());
    }

    /// Whether as many shares as the order wants at least are there to trade with.
    fn has_minimum(&self, order: &Order) -> bool {
        let least = u64::from(order.tags.min_quantity.unwrap_or(0));
        let own = |o: &&Resting| match o.owner {
            Owner::Account(key) => key.account != self.account,
            Owner::Background(_) => true,
        };
        let limit = self.floor.market_limit(order);
        let there = self.floor.reached(order.listing, order.side, limit).filter(own);
        least == 0 || there.map(|o| u64::from(o.shares.0)).sum::<u64>() >= least
    }

    /// Trades with all that the order reaches, but not with the account itself where that is prevented.
    fn sweep(&mut self, key: OrderKey) {
        while let Some(order) = self.order(key) {
            let policy = self.policy(&order);
            let mut own = None;
            let aggressor = Aggressor {
                side: order.side,
                limit: self.floor.market_limit(&order),
                shares: order.open,
                taker: Some(key),
            };
            let foes = self.prevented(&order, policy);
            let left = self.floor.aggress(order.listing, aggressor, None, |o| {
                if foes.contains(&o.id) {
                    own = Some(*o);
                    return Verdict::Stop;
                }
                Verdict::Trade
            });
            let Some(resting) = own.filter(|_| !left.is_zero()) else { return };
            if !self.prevent(key, left, &resting, policy) {
                return;
            }
        }
    }

    /// Numbers of the account's own orders at rest that an order must not trade with.
    fn prevented(&self, order: &Order, policy: SelfMatch) -> Vec<u64> {
        if policy == SelfMatch::Allow {
            return Vec::new();
        }
        let limit = self.floor.market_limit(order);
        let reached = self.floor.reached(order.listing, order.side, limit);
        let own = reached.filter(|o| match o.owner {
            Owner::Account(key) => key.account == self.account && are_of_one_group(self.floor, order, o, key),
            Owner::Background(_) => false,
        });
        own.map(|o| o.id).collect()
    }

    fn policy(&self, order: &Order) -> SelfMatch {
        let rules = &self.floor.accounts[usize::from(self.account)].rules;
        let asked = order.tags.self_match.and_then(SelfMatch::of_letter);
        asked.or(rules.self_match).unwrap_or(self.floor.rules.self_match)
    }

    /// Takes off what the strategy says of an order that comes, with `left` shares, and of its account's own that it meets. Returns whether the
    /// one that comes goes on.
    fn prevent(&mut self, key: OrderKey, left: Qty, resting: &Resting, strategy: SelfMatch) -> bool {
        let Owner::Account(other) = resting.owner else { return false };
        let Some(whole) = self.order(other) else { return false };
        let (now, px, shares) = (self.floor.now, resting.px, left.min(resting.shares));
        let (old, new) = match strategy {
            SelfMatch::Allow => return false,
            SelfMatch::Oldest => (whole.open, Qty::ZERO),
            SelfMatch::Newest => (Qty::ZERO, left),
            SelfMatch::Both => (whole.open, left),
            SelfMatch::Decrement => (shares, shares),
        };
        if !old.is_zero() {
            self.take_off_book(&whole, old);
            let prevented = Prevented { decrement: old, shares, px, liquidity: b'A', strategy };
            self.account().prevent_self_match(now, other, &prevented);
        }
        if !new.is_zero() {
            let prevented = Prevented { decrement: new, shares, px, liquidity: b'R', strategy };
            self.account().prevent_self_match(now, key, &prevented);
        }
        new < left
    }

    pub(super) fn replace(&mut self, r: &Replace, refusal: Option<Cause>) {
        let idx = r.tags.idx;
        let (old_key, key) = (self.key(idx, r.old), self.key(idx, r.number));
        let (Some(old), true) = (self.order(old_key), self.account().is_new(idx, r.number)) else {
            return self.ignore();
        };
        let now = self.floor.now;
        let is_late = self.is_late(&old);
        let late = if old.cancel_pending { Cause::CancelPending } else { Cause::ReplaceNotAllowed };
        if let Some(cause) = refusal.or(is_late.then_some(late)) {
            self.account().consume(idx, r.number);
            return self.account().reject(now, key, cause, r.clordid);
        }
        let Some(new) = self.replacement(&old, r) else {
            return self.cancel_open(old_key, old.open, Reason::User);
        };
        let new = Order { id: self.floor.take_id(), ..new };
        let account = self.account();
        account.consume(idx, r.number);
        account.counts.replaced += 1;
        account.orders.remove(&old_key.name());
        let report = |terms| Report::Replaced { old: r.old, name: key.name(), terms };

        // On the tape, a replace that only moves the order is one message; one that trades is a removal, the trades, and an addition. So is
        // one that changes what is shown of it, which the one message cannot say.
        let own = self.prevented(&new, self.policy(&new));
        let verdict = |o: &Resting| if own.contains(&o.id) { Verdict::Stop } else { Verdict::Trade };
        let trades = self.floor.would_hit(new.listing, new.side, new.limit(), verdict);
        let is_plain = |o: &Order| matches!(o.display, b'Y' | b'A') && !o.is_market();
        let moves = !trades && new.tif != b'3' && new.display == old.display && is_plain(&new);
        let rests = self.floor.listings[old.listing].book.get(old.id).is_some();
        if moves && rests && !new.is_for_cross() {
            self.account().orders.insert(key.name(), new);
            self.tell(&report(new.terms()));
            if let Some(due) = new.expires_at {
                self.floor.expiries.insert((due, key));
            }
            self.floor.replace(old.listing, old.id, new.resting(key));
        } else {
            self.floor.delete(old.listing, old.id);
            self.take(key, new, report);
        }
    }

    /// The order as a replace wants it, or `None` where that is no order: values out of range, nothing left beyond what traded already.
    fn replacement(&mut self, old: &Order, r: &Replace) -> Option<Order> {
        let open = Qty(r.quantity).saturating_sub(old.spent);
        let side_letter = r.tags.side.unwrap_or(old.side_letter);
        let mut tags = inherited(&old.tags, &r.tags);
        // Without a new time to live the old one goes on running.
        let keeps_time = r.tags.expire_s.is_none() && r.tif == old.tif;
        if keeps_time {
            tags.expire_s = old.tags.expire_s;
        }
        let asked = Asked {
            listing: old.listing,
            symbol: old.symbol,
            side: side_letter,
            quantity: r.quantity,
            price: r.price,
            tif: r.tif,
            display: r.display,
            iso: r.iso,
            cross_type: old.cross_type,
            tags,
        };
        let valid = admission::is_quantity(r.quantity)
            && !open.is_zero()
            && admission::side_of(side_letter) == Some(old.side)
            && !self.account().entry_disabled;
        if !valid {
            return None;
        }
        let Admitted { px, expires_at, .. } = admission::admit_values(self.floor, &asked).ok()?;
        admission::risk(self.floor, self.account, &asked, Some(old)).ok()?;
        Some(Order {
            px,
            asked_px: Px(r.price as i64),
            open,
            side_letter,
            tif: r.tif,
            display: r.display,
            iso: r.iso,
            tags,
            expires_at: if keeps_time { old.expires_at } else { expires_at },
            clordid: r.clordid,
            cancel_pending: false,
            cancel_rejected: false,
            ..*old
        })
    }
}

/// What a replace does not say is as it was, but for where shares are located. The time to live is its caller's: it goes with the time in force.
fn inherited(old: &Tags, new: &Tags) -> Tags {
    Tags {
        firm: old.firm,
        group: old.group,
        customer: old.customer,
        min_quantity: new.min_quantity.or(old.min_quantity),
        max_floor: new.max_floor.or(old.max_floor),
        price_type: new.price_type.or(old.price_type),
        post_only: new.post_only.or(old.post_only),
        random_reserve: new.random_reserve.or(old.random_reserve),
        trade_now: new.trade_now.or(old.trade_now),
        handling: new.handling.or(old.handling),
        self_match: new.self_match.or(old.self_match),
        self_match_group: new.self_match_group.or(old.self_match_group),
        ..*new
    }
}
