//! Auctions: orders are collected, the imbalance is said, then all that can trade does at one price.
//!
//! ```text
//!  before the open:  O orders, the book --> opening cross --> market hours --> C orders, the book --> closing cross
//!  halted, paused:   H orders, the book --> halt cross ----> trading
//! ```
//!
//! The price is the one at which most shares trade; of several the one that leaves fewest over, then the nearest to the reference (the last
//! trade, else the middle of the book). Orders without a limit come first, then by price, then by number. The tape has the book's shares as `C`,
//! not printable and each with a match number, then the whole as one `Q`, whose number the fills of all other orders have. What was for the cross
//! alone and is left over is canceled.

use model::{Px, Qty, Side};

use super::accounts::Match;
use super::entry::Reason;
use super::floor::{Floor, Late};
use super::itch::{self, Imbalance};
use super::matching::{OrderKey, Owner};
use super::order_entry;

/// For how long before the close its imbalance is said, ns.
const CLOSING_IMBALANCE_NS: u64 = 600_000_000_000;

/// An order that takes part.
#[derive(Clone, Copy, Debug)]
struct Interest {
    limit: Px,
    id: u64,
    shares: Qty,
    owner: Owner,
    is_in_book: bool,
    is_shown: bool,
}

/// What would trade, and at which price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Uncross {
    px: Px,
    paired: u64,
    /// Shares to buy less shares to sell at that price.
    surplus: i128,
}

/// What a listing collects orders for now.
fn collects(floor: &Floor, listing: usize) -> Option<u8> {
    let closing = floor.rules.hours.and_then(|h| h.close_ns).is_some_and(|close| {
        floor.is_market_open && floor.now + CLOSING_IMBALANCE_NS >= floor.opened_at + close
    });
    match floor.listings[listing].state {
        _ if !floor.is_market_open => Some(b'O'),
        b'T' => closing.then_some(b'C'),
        _ => Some(b'H'),
    }
}

/// The market's clock: late periods, the opening cross, imbalances. Returns whether the close is due.
pub fn tick(floor: &mut Floor) -> bool {
    let Some(hours) = floor.rules.hours else {
        say_imbalances(floor);
        return false;
    };
    let elapsed = floor.now.saturating_sub(floor.opened_at);
    let next = if floor.is_market_open { hours.close_ns } else { Some(hours.open_ns) };
    let is_late = next.is_some_and(|at| elapsed + hours.late_ns >= at && hours.late_ns > 0);
    for listing in 0..floor.listings.len() {
        if is_late && floor.listings[listing].late == Late::No {
            floor.listings[listing].late = Late::CrossOrders;
        }
    }
    if !floor.is_market_open && elapsed >= hours.open_ns {
        floor.is_market_open = true;
        floor.system_event(b'Q');
        cross_all(floor, b'O');
    }
    say_imbalances(floor);
    hours.close_ns.is_some_and(|close| elapsed >= close)
}

/// When [`tick`] has something to do.
#[must_use]
pub fn next_due(floor: &Floor) -> Option<u64> {
    let hours = floor.rules.hours.and_then(|hours| {
        let next = if floor.is_market_open { hours.close_ns } else { Some(hours.open_ns) };
        let is_late = floor.listings.iter().all(|l| l.late != Late::No);
        next.map(|at| if is_late { at } else { at.saturating_sub(hours.late_ns) })
    });
    let imbalance = (floor.rules.imbalance_every_ns > 0
        && (0..floor.listings.len()).any(|l| collects(floor, l).is_some()))
    .then_some(floor.next_imbalance);
    [hours.map(|at| floor.opened_at.saturating_add(at)), imbalance].into_iter().flatten().min()
}

/// Crosses every symbol; the late period is over.
pub fn cross_all(floor: &mut Floor, kind: u8) {
    for listing in 0..floor.listings.len() {
        // What is halted waits for its own cross.
        if floor.listings[listing].state == b'T' {
            cross(floor, listing, kind);
        }
        order_entry::set_late_cross(floor, listing, Late::No);
    }
}

fn say_imbalances(floor: &mut Floor) {
    let every = floor.rules.imbalance_every_ns;
    if every == 0 || floor.now < floor.next_imbalance {
        return;
    }
    floor.next_imbalance = floor.now + every;
    for listing in 0..floor.listings.len() {
        if let Some(kind) = collects(floor, listing) {
            let said = imbalance(floor, listing, kind);
            floor.publish(&itch::imbalance(floor.stamp(listing), floor.listings[listing].symbol, &said));
        }
    }
}

fn imbalance(floor: &Floor, listing: usize, kind: u8) -> Imbalance {
    let reference = reference(floor, listing);
    let [buys, sells] = [Side::Buy, Side::Sell].map(|side| interests(floor, listing, kind, side));
    let near = uncross(&buys, &sells, reference);
    let only = |interests: &[Interest]| -> Vec<Interest> {
        interests.iter().copied().filter(|i| !i.is_in_book).collect()
    };
    let far = uncross(&only(&buys), &only(&sells), reference);
    Imbalance {
        paired: near.map_or(0, |u| u.paired),
        left: near.map_or(0, |u| u64::try_from(u.surplus.unsigned_abs()).unwrap_or(u64::MAX)),
        direction: match near {
            None => b'O',
            Some(u) if u.surplus > 0 => b'B',
            Some(u) if u.surplus < 0 => b'S',
            Some(_) => b'N',
        },
        far: far.map_or(Px(0), |u| u.px),
        near: near.map_or(Px(0), |u| u.px),
        reference: reference.unwrap_or(Px(0)),
        cross_type: kind,
    }
}

/// Trades all that can of the orders for a cross of `kind` and the book, and cancels what is left of the former.
pub fn cross(floor: &mut Floor, listing: usize, kind: u8) {
    let [buys, sells] = [Side::Buy, Side::Sell].map(|side| interests(floor, listing, kind, side));
    let done = uncross(&buys, &sells, reference(floor, listing));
    let (paired, px) = done.map_or((0, Px(0)), |u| (u.paired, u.px));
    let mut fills = Vec::new();
    for side in [buys, sells] {
        let mut left = paired;
        for interest in side {
            // At most what the interest has, which is 32 bits.
            let shares = Qty(left.min(u64::from(interest.shares.0)) as u32);
            left -= u64::from(shares.0);
            if !shares.is_zero() {
                fills.push((interest, shares));
            }
        }
    }
    // Nobody traded with anybody in particular: only the whole can be undone, and has a number for that.
    let whole = Match { number: 0, trade: floor.take_match_number(), px, liquidity: kind };
    for (interest, shares) in fills.iter().filter(|(i, _)| i.is_shown) {
        let number = floor.take_match_number();
        let resting = floor.listings[listing].book.get(interest.id);
        let shown = resting.map_or(Qty::ZERO, |o| o.shares).min(*shares);
        floor.publish(&itch::executed_at(floor.stamp(listing), interest.id, shown, number, false, px));
        trade(floor, listing, interest, *shares, &Match { number, ..whole });
    }
    let number = floor.take_match_number();
    let symbol = floor.listings[listing].symbol;
    floor.publish(&itch::cross_trade(floor.stamp(listing), symbol, paired, px, number, kind));
    for (interest, shares) in fills.iter().filter(|(i, _)| !i.is_shown) {
        trade(floor, listing, interest, *shares, &Match { number, ..whole });
    }
    if paired > 0 {
        floor.listings[listing].last_px = Some(px);
    }
    order_entry::cancel_of_all(floor, Reason::Closed, |o| o.listing == listing && o.cross_type == kind);
}

fn trade(floor: &mut Floor, listing: usize, of: &Interest, shares: Qty, m: &Match) {
    // Of a reserve order what is shown goes first; the rest is in no book.
    floor.listings[listing].book.reduce(of.id, shares);
    if let Owner::Account(key) = of.owner {
        let open = floor.accounts[usize::from(key.account)].fill(floor.now, key, shares, m);
        if of.is_in_book && !open.is_zero() && floor.listings[listing].book.get(of.id).is_none() {
            floor.refresh(key);
        }
    }
}

/// One side of a cross, in the order in which it trades.
fn interests(floor: &Floor, listing: usize, kind: u8, side: Side) -> Vec<Interest> {
    let mut all = Vec::new();
    for o in floor.listings[listing].book.queue(side) {
        let reserve = match o.owner {
            Owner::Account(key) => floor.accounts[usize::from(key.account)].order(key).map(|o| o.open),
            Owner::Background(_) => None,
        };
        let shares = reserve.unwrap_or(o.shares);
        let (owner, is_shown) = (o.owner, o.is_shown);
        all.push(Interest { limit: o.px, id: o.id, shares, owner, is_in_book: true, is_shown });
    }
    for account in &floor.accounts {
        for (name, o) in &account.orders {
            if o.listing == listing && o.cross_type == kind && o.side == side {
                let key = OrderKey { account: account.index, idx: name.idx, number: name.number };
                let owner = Owner::Account(key);
                let (limit, id, shares) = (o.limit(), o.id, o.open);
                all.push(Interest { limit, id, shares, owner, is_in_book: false, is_shown: false });
            }
        }
    }
    all.sort_by_key(|i| (if side == Side::Buy { -i.limit.0 } else { i.limit.0 }, i.id));
    all
}

/// What two sides compare their prices with: the last trade's, or the middle of the book.
#[must_use]
pub fn reference(floor: &Floor, listing: usize) -> Option<Px> {
    let listing = &floor.listings[listing];
    let best = |side| listing.book.queue(side).next().map(|o| o.px.0);
    let middle = best(Side::Buy).zip(best(Side::Sell)).map(|(bid, ask)| Px((bid + ask) / 2));
    listing.last_px.or(middle)
}

fn uncross(buys: &[Interest], sells: &[Interest], reference: Option<Px>) -> Option<Uncross> {
    let is_limit = |px: &Px| (1..super::entry::MARKET_PRICE as i64).contains(&px.0);
    let limits = buys.iter().chain(sells).map(|i| i.limit).filter(is_limit);
    let mut candidates: Vec<Px> = limits.chain(reference).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let sum = |side: &[Interest], takes: &dyn Fn(Px) -> bool| -> u64 {
        side.iter().filter(|i| takes(i.limit)).map(|i| u64::from(i.shares.0)).sum()
    };
    let at = |px: Px| {
        let to_buy = sum(buys, &|limit| limit >= px);
        let to_sell = sum(sells, &|limit| limit <= px);
        let surplus = i128::from(to_buy) - i128::from(to_sell);
        Uncross { px, paired: to_buy.min(to_sell), surplus }
    };
    let distance = |px: Px| reference.map_or(0, |r| (px.0 - r.0).abs());
    let all = candidates.into_iter().map(at).filter(|u| u.paired > 0);
    all.min_by_key(|u| (std::cmp::Reverse(u.paired), u.surplus.unsigned_abs(), distance(u.px), u.px))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(orders: &[(i64, u32)]) -> Vec<Interest> {
        let interest = |(&(limit, shares), id): (&(i64, u32), u64)| Interest {
            limit: Px(limit),
            id,
            shares: Qty(shares),
            owner: Owner::Background(id),
            is_in_book: false,
            is_shown: false,
        };
        orders.iter().zip(0..).map(interest).collect()
    }

    /// Against every price on its own: nothing trades more, and of what trades as much nothing leaves less over.
    #[test]
    fn the_price_is_where_most_trades() {
        for seed in 0..300 {
            let mut rng = super::super::rng::Rng::new(seed, 1);
            let mut orders = |n| -> Vec<(i64, u32)> {
                (0..n).map(|_| (90 + rng.below(20) as i64, 1 + rng.below(50) as u32)).collect()
            };
            let (buys, sells) = (orders(6), orders(6));
            let got = uncross(&side(&buys), &side(&sells), Some(Px(100)));
            let volume = |px: i64| {
                let to_buy: u64 = buys.iter().filter(|b| b.0 >= px).map(|b| u64::from(b.1)).sum();
                let to_sell: u64 = sells.iter().filter(|s| s.0 <= px).map(|s| u64::from(s.1)).sum();
                (to_buy.min(to_sell), to_buy.abs_diff(to_sell))
            };
            let most = (80..120).map(|px| volume(px).0).max().unwrap();
            assert_eq!(got.map_or(0, |u| u.paired), most, "seed {seed}");
            if let Some(u) = got {
                let (paired, left) = volume(u.px.0);
                assert_eq!((paired, u128::from(left)), (u.paired, u.surplus.unsigned_abs()), "seed {seed}");
                let least = (80..120).map(volume).filter(|v| v.0 == most).map(|v| v.1).min();
                assert!(least.is_some_and(|least| left <= least), "seed {seed}");
            }
        }
    }

    #[test]
    fn orders_without_a_limit_need_a_reference() {
        let (buys, sells) = (side(&[(i64::MAX, 10)]), side(&[(0, 10)]));
        assert_eq!(uncross(&buys, &sells, None), None);
        let done = uncross(&buys, &sells, Some(Px(50)));
        assert_eq!(done, Some(Uncross { px: Px(50), paired: 10, surplus: 0 }));
    }
}
