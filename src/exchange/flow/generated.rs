//! Background flow from a seed: a market that never sleeps, with the mix of message types of a real day.
//!
//! | message | share | what it is here |
//! |---|---|---|
//! | `A` `F` | 46 % | an order a few cents from the fair price, one in fifteen attributed |
//! | `D` | 39 % | a resting order goes; one that the fair price has passed first |
//! | `U` | 8 % | a resting order moves to the present fair price |
//! | `E` `C` | 4 % | a marketable order takes the best level, whoever rests there, in price-time order |
//! | `X` | 2 % | half of a resting order goes |
//! | `P` | 1 % | a trade with hidden liquidity |
//!
//! Each symbol has a fair price that walks by a cent at a time; symbols are drawn by Zipf's law. The shares are those of what the flow does;
//! a marketable order that meets three resting ones makes three `E`. Orders of the background are placed so that they do not cross each
//! other, but they do trade with an account's order in their way. Same seed, same floor: same flow.

use model::{Px, Qty, Side};

use super::{FlowCounts, arrive, is_sane, relocate};
use crate::exchange::floor::{Aggressor, AtPrice, Floor};
use crate::exchange::itch::Mpid;
use crate::exchange::matching::{Owner, Resting, Verdict};
use crate::exchange::rng::Rng;

/// 1e-4 USD in a cent.
const CENT: i64 = 100;
/// Orders on each side that a symbol opens with.
const OPENING_ORDERS: usize = 25;
/// Below this many resting orders a symbol only gets more, above the other it only gets fewer.
const FEWEST: usize = 20;
const MOST: usize = 4_000;
/// The fair price stays within these, cents.
const FAIR_RANGE: std::ops::RangeInclusive<i64> = 500..=100_000;
const MPIDS: [Mpid; 4] = [*b"NITE", *b"CDRG", *b"JPMS", *b"ETMM"];

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Where chance starts.
    pub seed: u64,
    /// Mean rate.
    pub messages_per_second: u64,
    /// Ends after so many; `None` for never.
    pub messages: Option<u64>,
}

#[derive(Debug)]
struct Market {
    /// Cents.
    fair: i64,
    /// Orders the flow has placed; some are gone already, which is seen when one is drawn.
    ids: Vec<u64>,
}

/// A generated market.
#[derive(Debug)]
pub struct GeneratedFlow {
    recipe: Recipe,
    rng: Rng,
    markets: Vec<Market>,
    /// Cumulative Zipf weights of the markets.
    weights: Vec<u64>,
    next_due: Option<u64>,
    counts: FlowCounts,
}

impl GeneratedFlow {
    /// A flow that begins with [`Self::start`].
    #[must_use]
    pub fn new(recipe: Recipe) -> GeneratedFlow {
        GeneratedFlow {
            recipe,
            rng: Rng::new(recipe.seed, 0xF10),
            markets: Vec::new(),
            weights: Vec::new(),
            next_due: None,
            counts: FlowCounts::default(),
        }
    }

    /// Opens every symbol listed on the floor with some orders.
    pub fn start(&mut self, floor: &mut Floor) {
        let mut total = 0;
        for listing in 0..floor.listings.len() {
            total += 1_000_000 / (listing as u64 + 1);
            self.weights.push(total);
            let fair = 2_000 + self.rng.below(38_000) as i64;
            self.markets.push(Market { fair, ids: Vec::new() });
            for _ in 0..OPENING_ORDERS {
                self.add(floor, listing, Side::Buy);
                self.add(floor, listing, Side::Sell);
            }
        }
        self.next_due = (!self.markets.is_empty()).then_some(floor.now);
        self.schedule();
    }

    /// When the next message is due.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.next_due
    }

    /// Whether the last message was played.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.recipe.messages.is_some_and(|n| self.counts.played >= n)
    }

    /// What became of its messages.
    #[must_use]
    pub fn counts(&self) -> FlowCounts {
        self.counts
    }

    /// Plays the next message.
    pub fn play(&mut self, floor: &mut Floor) {
        if self.next_due.is_none() {
            return;
        }
        self.counts.played += 1;
        let draw = self.rng.below(self.weights.last().copied().unwrap_or(0));
        let listing = self.weights.partition_point(|w| *w <= draw);
        self.walk(listing);
        let side = if self.rng.chance(0.5) { Side::Buy } else { Side::Sell };
        let resting = self.markets[listing].ids.len();
        match self.rng.below(100) {
            0..46 if resting > MOST => self.delete(floor, listing),
            0..46 => self.add(floor, listing, side),
            46..85 if resting < FEWEST => self.add(floor, listing, side),
            46..85 => self.delete(floor, listing),
            85..93 => self.replace(floor, listing),
            93..97 => self.take(floor, listing, side),
            97..99 => self.halve(floor, listing),
            _ => {
                let shares = self.shares();
                floor.hidden_trade(listing, shares, Px(self.markets[listing].fair * CENT + CENT / 2));
            }
        }
        self.schedule();
    }

    /// Messages come at random, evenly between none and twice the mean gap.
    fn schedule(&mut self) {
        if self.is_over() {
            self.next_due = None;
        }
        if let Some(due) = self.next_due.as_mut() {
            let twice_the_mean = 2_000_000_000 / self.recipe.messages_per_second.max(1);
            *due = due.saturating_add(self.rng.below(twice_the_mean + 1));
        }
    }

    fn walk(&mut self, listing: usize) {
        let step = match self.rng.below(100) {
            0 => 1,
            1 => -1,
            _ => 0,
        };
        let fair = &mut self.markets[listing].fair;
        *fair = (*fair + step).clamp(*FAIR_RANGE.start(), *FAIR_RANGE.end());
    }

    fn shares(&mut self) -> Qty {
        let odd = self.rng.chance(0.1);
        Qty(if odd { 1 + self.rng.below(99) } else { 100 * (1 + self.rng.below(5)) } as u32)
    }

    /// A price some cents from the fair one, and beyond what the background rests at on the other side.
    fn price(&mut self, floor: &Floor, listing: usize, side: Side) -> Px {
        let tail = if self.rng.chance(0.2) { self.rng.below(20) } else { 0 };
        let away = CENT * (1 + i64::from(self.rng.heads(8)) + tail as i64);
        let fair = Px(self.markets[listing].fair * CENT);
        let other = best_background(floor, listing, side.opposite()).map(|o| o.px);
        match side {
            Side::Buy => {
                let px = fair - Px(away);
                other.map_or(px, |ask| px.min(ask - Px(CENT)))
            }
            Side::Sell => {
                let px = fair + Px(away);
                other.map_or(px, |bid| px.max(bid + Px(CENT)))
            }
        }
    }

    fn add(&mut self, floor: &mut Floor, listing: usize, side: Side) {
        let px = self.price(floor, listing, side);
        let shares = self.shares();
        let mpid = match self.rng.below(15) {
            0 => Some(MPIDS[self.rng.below(4) as usize]),
            _ => None,
        };
        if !is_sane(px, shares) {
            self.counts.skipped += 1;
            return;
        }
        let id = floor.take_id();
        let order = Resting { id, side, px, shares, owner: Owner::Background(id), is_shown: true };
        arrive(floor, listing, order, mpid, everyone);
        self.markets[listing].ids.push(id);
    }

    /// An order for a cancel or a replace: mostly one that the fair price has passed, else any.
    fn pick(&mut self, floor: &Floor, listing: usize) -> Option<Resting> {
        if self.rng.chance(0.7) {
            let fair = Px(self.markets[listing].fair * CENT);
            let bid = best_background(floor, listing, Side::Buy).filter(|o| o.px >= fair);
            let ask = best_background(floor, listing, Side::Sell).filter(|o| o.px <= fair);
            if let Some(stale) = bid.or(ask) {
                return Some(stale);
            }
        }
        loop {
            let ids = &mut self.markets[listing].ids;
            let i = self.rng.below(ids.len() as u64) as usize;
            let id = *ids.get(i)?;
            if let Some(order) = floor.listings[listing].book.get(id) {
                return Some(order);
            }
            ids.swap_remove(i);
        }
    }

    fn delete(&mut self, floor: &mut Floor, listing: usize) {
        match self.pick(floor, listing) {
            Some(order) => {
                floor.delete(listing, order.id);
            }
            None => self.counts.skipped += 1,
        }
    }

    fn halve(&mut self, floor: &mut Floor, listing: usize) {
        match self.pick(floor, listing) {
            Some(order) => {
                floor.reduce(listing, order.id, Qty(order.shares.0.div_ceil(2)));
            }
            None => self.counts.skipped += 1,
        }
    }

    fn replace(&mut self, floor: &mut Floor, listing: usize) {
        let Some(old) = self.pick(floor, listing) else {
            self.counts.skipped += 1;
            return;
        };
        let px = self.price(floor, listing, old.side);
        let shares = self.shares();
        if !is_sane(px, shares) {
            self.counts.skipped += 1;
            return;
        }
        let id = floor.take_id();
        let new = Resting { id, px, shares, owner: Owner::Background(id), ..old };
        relocate(floor, listing, &old, new, everyone);
        self.markets[listing].ids.push(id);
    }

    /// A marketable order for what rests at the best price, towards the fair one where the book has fallen behind it.
    fn take(&mut self, floor: &mut Floor, listing: usize, side: Side) {
        let fair = Px(self.markets[listing].fair * CENT);
        let best = |side| floor.listings[listing].book.queue(side).next().copied();
        let side = match (best(Side::Buy), best(Side::Sell)) {
            (Some(bid), _) if bid.px >= fair => Side::Sell,
            (_, Some(ask)) if ask.px <= fair => Side::Buy,
            _ => side,
        };
        let Some(first) = best(side.opposite()) else { return self.add(floor, listing, side.opposite()) };
        // Most are no larger than what is first in the queue, as on a real day: three in four make one `E`.
        let shares = match self.rng.below(4) {
            0 => self.shares(),
            _ => self.shares().min(first.shares),
        };
        // One in eight trades half a cent inside, which only `C` can say; accounts always trade at their own price.
        let better = Px(first.px.0 - side.sign() * CENT / 2);
        let inside = self.rng.below(8) == 0 && !first.owner.is_account() && better.0 > 0;
        let at = inside.then_some(AtPrice { id: first.id, px: better, printable: true });
        floor.aggress(listing, Aggressor { side, limit: first.px, shares, taker: None }, at, everyone);
    }
}

fn everyone(_: &Resting) -> Verdict {
    Verdict::Trade
}

fn best_background(floor: &Floor, listing: usize, side: Side) -> Option<Resting> {
    floor.listings[listing].book.queue(side).find(|o| !o.owner.is_account()).copied()
}
