//! ITCH days in the proportions of a real one, in the shapes that books are compared on, and in those that hurt them.
//!
//! | shape | symbols | orders before it is a day like any other | messages |
//! |---|---|---|---|
//! | hot | 50 | 10,000 | 2 M, all of 5 M with `COLO_BENCH_FULL` |
//! | big | 6,000 | 600,000 | 8 M, all of 25 M with `COLO_BENCH_FULL` |
//! | far | 50 | 10,000 | 256 K; adds and replaces 100 to 5,000 ticks from the touch |
//! | bursts | 50 | 10,000 | 256 K; 1,024 adds, then their 1,024 deletes in any order, and again |
//! | storm | 1 | 10,000 | 256 K |
//!
//! | | A, F | D | U | E, C | X | P |
//! |---|---|---|---|---|---|---|
//! | % of messages, but for the opening and the bursts | 46 | 39 | 8 | 4 | 2 | 1 |
//!
//! Symbols are of Zipf's distribution with exponent 1, and one message of two is of a symbol that was just busy. Prices hang on the best ones of the moment: a third
//! joins them, a tenth betters them, most others lie a few ticks behind. Executions take the oldest order at a best price; other messages name mostly recent orders.
//!
//! A file of one's own is read instead of the two large days with `COLO_BENCH_ITCH=FILE`: a BinaryFILE, 2 bytes of length before each message.

use std::collections::{BTreeMap, VecDeque};

use colo::exchange::itch::{self, Stamp};
use colo::exchange::rng::Rng;
use feeds::binaryfile::{self, Messages};
use feeds::itch50;
use model::{MarketBody, Px, Qty, Side, Symbol};

use crate::unless_test;

/// The tick, in 1e-4 USD.
const TICK: u32 = 100;
/// Adds of a burst, and deletes.
const BURST: usize = 1_024;

/// What is unlike the other days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// Orders far from the touch.
    Far,
    /// Bursts of deletes.
    Bursts,
}

/// A day to make.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// All messages.
    pub messages: usize,
    /// Symbols, locates from 1 on.
    pub symbols: u16,
    /// Adds before the mix is a day's.
    pub opening: usize,
    /// What is unlike the other days.
    pub twist: Twist,
}

fn full() -> bool {
    std::env::var_os("COLO_BENCH_FULL").is_some()
}

impl Shape {
    /// Few symbols, fewer orders: what fits the caches.
    #[must_use]
    pub fn hot() -> Shape {
        let messages = if full() { 5_000_000 } else { 2_000_000 };
        Shape { messages: unless_test(messages, 50_000), symbols: 50, opening: 10_000, twist: Twist::None }
    }

    /// A whole market: what does not.
    #[must_use]
    pub fn big() -> Shape {
        let messages = if full() { 25_000_000 } else { 8_000_000 };
        Shape {
            messages: unless_test(messages, 50_000),
            symbols: unless_test(6_000, 300) as u16,
            opening: unless_test(600_000, 6_000),
            twist: Twist::None,
        }
    }

    /// A small day that is made to hurt.
    #[must_use]
    pub fn adverse(symbols: u16, twist: Twist) -> Shape {
        Shape { messages: unless_test(262_144, 50_000), symbols, opening: 10_000, twist }
    }
}

/// The bytes of a day and what books need to be for it.
pub struct Mix {
    /// Each message behind its length in two bytes.
    pub bytes: Vec<u8>,
    /// How many.
    pub messages: usize,
    /// One above the highest locate.
    pub locates: usize,
    /// One above the highest reference.
    pub refs: u64,
}

impl Mix {
    /// A day of this shape; equal for equal arguments.
    ///
    /// # Panics
    /// When the generator has slipped: its mix is not what it says.
    #[must_use]
    pub fn new(seed: u64, shape: Shape) -> Mix {
        Flow::new(seed, shape).run()
    }

    /// The file that the environment names, if it names one.
    ///
    /// # Panics
    /// When it is not a whole BinaryFILE.
    #[must_use]
    pub fn given() -> Option<Mix> {
        let path = std::env::var_os("COLO_BENCH_ITCH")?;
        let bytes =
            std::fs::read(&path).unwrap_or_else(|e| panic!("COLO_BENCH_ITCH, {}: {e}", path.display()));
        let mut mix = Mix { bytes: Vec::new(), messages: 0, locates: 0, refs: 0 };
        for message in Messages::new(&bytes) {
            let event = itch50::decode(message.expect("a whole BinaryFILE")).expect("ITCH 5.0");
            mix.messages += 1;
            mix.locates = mix.locates.max(event.instrument.index() + 1);
            if let MarketBody::Add { order, .. } | MarketBody::Replace { new: order, .. } = event.body {
                mix.refs = mix.refs.max(order.0 + 1);
            }
        }
        mix.bytes = bytes;
        Some(mix)
    }
}

struct Resting {
    id: u64,
    px: u32,
    qty: u32,
    symbol: u16,
    side: Side,
    live: bool,
    /// Where it is among its symbol's live ones.
    at: u32,
}

#[derive(Default)]
struct Queue {
    orders: VecDeque<u32>,
    live: u32,
}

struct Listing {
    symbol: Symbol,
    base: u32,
    sides: [BTreeMap<u32, Queue>; 2],
    live: Vec<u32>,
}

impl Listing {
    fn best(&self, side: Side) -> Option<u32> {
        let side_of = &self.sides[side as usize];
        let best = if side == Side::Buy { side_of.last_key_value() } else { side_of.first_key_value() };
        best.map(|(px, _)| *px)
    }
}

struct Flow {
    rng: Rng,
    shape: Shape,
    orders: Vec<Resting>,
    listings: Vec<Listing>,
    /// Of Zipf's distribution, cumulated.
    share: Vec<f64>,
    /// Which symbol has which share.
    order: Vec<u16>,
    recent: [u16; 8],
    last_id: u64,
    now: u64,
    out: Vec<u8>,
    written: usize,
    /// Messages after the opening by column of the mix.
    kinds: [usize; 6],
}

impl Flow {
    fn new(seed: u64, shape: Shape) -> Flow {
        let mut rng = Rng::new(seed, 1);
        let mut order: Vec<u16> = (0..shape.symbols).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u64 + 1) as usize);
        }
        let mut total = 0.0;
        let weigh = |i| {
            total += 1.0 / f64::from(i + 3);
            total
        };
        let share: Vec<f64> = (0..u32::from(shape.symbols)).map(weigh).collect();
        let share = share.iter().map(|part| part / total).collect();
        let mut listing = |k| {
            let draws: f64 = (0..3).map(|_| unit(&mut rng)).sum();
            let dollars = (3.4 + 1.6 * (draws - 1.5)).exp();
            Listing {
                symbol: Symbol::new(&format!("S{k}")).expect("at most eight letters"),
                base: ((dollars * 100.0) as u32 * TICK).max(200 * TICK),
                sides: Default::default(),
                live: Vec::new(),
            }
        };
        let listings = (0..shape.symbols).map(&mut listing).collect();
        let mut flow = Flow {
            rng,
            shape,
            orders: Vec::with_capacity(shape.messages),
            listings,
            share,
            order,
            recent: [0; 8],
            last_id: 1_000,
            now: 28_800_000_000_000,
            out: Vec::with_capacity(shape.messages * 34),
            written: 0,
            kinds: [0; 6],
        };
        flow.recent = std::array::from_fn(|_| flow.zipf());
        flow
    }

    fn run(mut self) -> Mix {
        for k in 0..self.shape.symbols {
            let (stamp, symbol) = (self.stamp(k), self.listings[usize::from(k)].symbol);
            self.write(&itch::directory(stamp, symbol));
            self.write(&itch::trading_action(stamp, symbol, b'T', *b"    "));
        }
        let mut adds = 0;
        while adds < self.shape.opening && self.written < self.shape.messages {
            let k = self.symbol();
            if self.rng.chance(0.75) {
                self.add(k);
                adds += 1;
            } else {
                self.any(k);
            }
        }
        self.kinds = [0; 6];
        let opening = self.written;
        while self.written < self.shape.messages {
            let k = self.symbol();
            match self.shape.twist {
                Twist::Bursts => self.burst(k),
                Twist::None | Twist::Far => self.any(k),
            }
        }
        let day = self.written - opening;
        if self.shape.twist != Twist::Bursts && day >= 20_000 {
            for (percent, count) in [46, 39, 8, 4, 2, 1].into_iter().zip(self.kinds) {
                assert!((count * 100 / day).abs_diff(percent) <= 2, "the mix is {:?} of {day}", self.kinds);
            }
        }
        Mix {
            bytes: self.out,
            messages: self.written,
            locates: usize::from(self.shape.symbols) + 1,
            refs: self.last_id + 1,
        }
    }

    fn write(&mut self, message: &[u8]) {
        binaryfile::write(&mut self.out, message).expect("memory takes it");
        self.written += 1;
        self.now += 50 + self.rng.below(1_800);
    }

    fn stamp(&self, k: u16) -> Stamp {
        Stamp { locate: k + 1, now: self.now }
    }

    fn zipf(&mut self) -> u16 {
        let at = unit(&mut self.rng);
        let rank = self.share.partition_point(|share| *share < at);
        self.order[rank.min(self.order.len() - 1)]
    }

    fn symbol(&mut self) -> u16 {
        let slot = self.rng.below(8) as usize;
        if self.rng.chance(0.55) {
            self.recent[slot] = self.zipf();
        }
        self.recent[slot]
    }

    /// One message of the mix.
    fn any(&mut self, k: u16) {
        let kind = match self.rng.below(1_000) {
            _ if self.listings[usize::from(k)].live.len() < 4 => 0,
            0..457 => 0,
            457..850 => 1,
            850..930 => 2,
            930..971 => 3,
            971..991 => 4,
            _ => 5,
        };
        let written = match kind {
            0 => self.add(k),
            1 => self.delete(k),
            2 => self.replace(k),
            3 => self.execute(k),
            4 => self.cancel(k),
            _ => self.trade(k),
        };
        self.kinds[kind] += usize::from(written);
    }

    fn burst(&mut self, k: u16) {
        let room = (self.shape.messages - self.written) / 2;
        let first = self.orders.len();
        let n = room.clamp(1, BURST);
        for _ in 0..n {
            self.add(k);
        }
        let mut gone: Vec<usize> = (first..self.orders.len()).collect();
        while !gone.is_empty() && self.written < self.shape.messages {
            let at = self.rng.below(gone.len() as u64) as usize;
            let i = gone.swap_remove(at);
            self.delete_order(i);
        }
    }

    fn shares(&mut self) -> u32 {
        match self.rng.below(100) {
            0..60 => 100,
            60..85 => 100 * (1 + self.rng.below(5) as u32),
            85..95 => 1 + self.rng.below(99) as u32,
            _ => 100 * (1 + self.rng.below(50) as u32),
        }
    }

    /// Ticks behind the best price.
    fn behind(&mut self) -> u32 {
        if self.shape.twist == Twist::Far {
            return 100 + self.rng.below(4_900) as u32;
        }
        match self.rng.below(1_000) {
            0..300 => 0,
            300..940 => 1 + self.geometric(0.25),
            940..995 => 4 + self.geometric(0.02),
            _ => 50 + self.geometric(0.002),
        }
    }

    fn geometric(&mut self, p: f64) -> u32 {
        ((1.0 - unit(&mut self.rng)).ln() / (1.0 - p).ln()) as u32
    }

    fn price(&mut self, k: u16, side: Side) -> u32 {
        let listing = &self.listings[usize::from(k)];
        let (bid, offer) = (listing.best(Side::Buy), listing.best(Side::Sell));
        let middle = match (bid, offer) {
            (Some(bid), Some(offer)) => (bid + offer) / 2 / TICK * TICK,
            (Some(bid), None) => bid + TICK,
            (None, Some(offer)) => offer - TICK,
            (None, None) => listing.base,
        };
        let betters = self.shape.twist != Twist::Far && self.rng.below(10) == 0;
        let behind = self.behind() * TICK;
        if side == Side::Buy {
            let best = bid.unwrap_or(middle - TICK);
            let limit = offer.unwrap_or(middle + 2 * TICK);
            let px = if betters && best + TICK < limit { best + TICK } else { best.saturating_sub(behind) };
            offer.map_or(px, |offer| px.min(offer - TICK)).max(TICK)
        } else {
            let best = offer.unwrap_or(middle + TICK);
            let limit = bid.unwrap_or(middle.saturating_sub(2 * TICK));
            let px = if betters && best - TICK > limit { best - TICK } else { best + behind };
            bid.map_or(px, |bid| px.max(bid + TICK)).max(2 * TICK)
        }
    }

    fn rest(&mut self, k: u16, side: Side, px: u32, qty: u32) -> usize {
        self.last_id += 1 + if self.rng.below(4) == 0 { self.rng.below(3) } else { 0 };
        let (i, listing) = (self.orders.len(), &mut self.listings[usize::from(k)]);
        let at = listing.live.len() as u32;
        self.orders.push(Resting { id: self.last_id, px, qty, symbol: k, side, live: true, at });
        listing.live.push(i as u32);
        let queue = listing.sides[side as usize].entry(px).or_default();
        queue.orders.push_back(i as u32);
        queue.live += 1;
        i
    }

    fn remove(&mut self, i: usize) {
        let Resting { px, symbol, side, at, .. } = self.orders[i];
        self.orders[i].live = false;
        let listing = &mut self.listings[usize::from(symbol)];
        listing.live.swap_remove(at as usize);
        if let Some(moved) = listing.live.get(at as usize) {
            self.orders[*moved as usize].at = at;
        }
        let levels = &mut listing.sides[side as usize];
        let queue = levels.get_mut(&px).expect("the level of a live order");
        queue.live -= 1;
        if queue.live == 0 {
            levels.remove(&px);
        }
    }

    /// One of the last few, three times of four; any, else.
    fn pick(&mut self, k: u16) -> usize {
        let back = self.geometric(0.08) as usize;
        let recent = self.rng.chance(0.75);
        let live = &self.listings[usize::from(k)].live;
        let at = if recent && back < live.len() {
            live.len() - 1 - back
        } else {
            self.rng.below(live.len() as u64) as usize
        };
        live[at] as usize
    }

    fn add(&mut self, k: u16) -> bool {
        let side = if self.rng.chance(0.5) { Side::Buy } else { Side::Sell };
        let (px, qty) = (self.price(k, side), self.shares());
        let i = self.rest(k, side, px, qty);
        let mpid = self.rng.chance(0.03).then_some(*b"NSDQ");
        let (stamp, symbol) = (self.stamp(k), self.listings[usize::from(k)].symbol);
        let id = self.orders[i].id;
        self.write(&itch::add(stamp, symbol, id, side, Qty(qty), Px(px.into()), mpid));
        true
    }

    fn delete(&mut self, k: u16) -> bool {
        let i = self.pick(k);
        self.delete_order(i);
        true
    }

    fn delete_order(&mut self, i: usize) {
        let (id, stamp) = (self.orders[i].id, self.stamp(self.orders[i].symbol));
        self.remove(i);
        self.write(&itch::deleted(stamp, id));
    }

    fn replace(&mut self, k: u16) -> bool {
        let i = self.pick(k);
        let Resting { id, px: old_px, qty: old_qty, side, .. } = self.orders[i];
        self.remove(i);
        let qty = if self.rng.chance(0.7) { old_qty } else { self.shares() };
        let fresh = self.price(k, side);
        // Most move by a tick or two from where they were.
        let near = old_px + self.rng.below(5) as u32 * TICK;
        let near = near.saturating_sub(2 * TICK).max(TICK);
        let listing = &self.listings[usize::from(k)];
        let crosses = match side {
            Side::Buy => listing.best(Side::Sell).is_some_and(|offer| near >= offer),
            Side::Sell => listing.best(Side::Buy).is_some_and(|bid| near <= bid),
        };
        let stays = self.shape.twist != Twist::Far && self.rng.chance(0.6) && !crosses;
        let px = if stays { near } else { fresh };
        let new = self.rest(k, side, px, qty);
        let new = self.orders[new].id;
        let stamp = self.stamp(k);
        self.write(&itch::replaced(stamp, id, new, Qty(qty), Px(px.into())));
        true
    }

    /// Takes these shares off an order.
    fn shave(&mut self, i: usize, shares: u32) {
        if shares == self.orders[i].qty {
            self.remove(i);
        } else {
            self.orders[i].qty -= shares;
        }
    }

    fn execute(&mut self, k: u16) -> bool {
        let first = if self.rng.chance(0.5) { Side::Buy } else { Side::Sell };
        let listing = &mut self.listings[usize::from(k)];
        let Some((side, px)) =
            [first, first.opposite()].into_iter().find_map(|side| listing.best(side).map(|px| (side, px)))
        else {
            return false;
        };
        let queue = listing.sides[side as usize].get_mut(&px).expect("the best level is a level");
        // An order that moved away has left its place behind, as one that is gone.
        while !queue.orders.front().is_none_or(|i| self.orders[*i as usize].live) {
            queue.orders.pop_front();
        }
        let Some(i) = queue.orders.front().map(|i| *i as usize) else { return false };
        let Resting { id, qty, .. } = self.orders[i];
        let shares = if self.rng.chance(0.75) { qty } else { 1 + self.rng.below(qty.into()) as u32 };
        let stamp = self.stamp(k);
        let message = match self.rng.below(16) {
            0 => itch::executed_at(stamp, id, Qty(shares), self.now, true, Px(px.into())),
            _ => itch::executed(stamp, id, Qty(shares), self.now),
        };
        self.write(&message);
        self.shave(i, shares);
        true
    }

    fn cancel(&mut self, k: u16) -> bool {
        let i = self.pick(k);
        let Resting { id, qty, .. } = self.orders[i];
        if qty < 2 {
            return false;
        }
        let shares = 1 + self.rng.below(u64::from(qty) - 1) as u32;
        let stamp = self.stamp(k);
        self.write(&itch::reduced(stamp, id, Qty(shares)));
        self.shave(i, shares);
        true
    }

    fn trade(&mut self, k: u16) -> bool {
        let qty = Qty(self.shares());
        let listing = &self.listings[usize::from(k)];
        let (symbol, px) = (listing.symbol, listing.best(Side::Buy).unwrap_or(listing.base));
        let (stamp, number) = (self.stamp(k), self.now);
        self.write(&itch::trade(stamp, symbol, qty, Px(px.into()), number));
        true
    }
}

/// From 0 to 1, which is not reached.
fn unit(rng: &mut Rng) -> f64 {
    (rng.word() >> 11) as f64 / (1u64 << 53) as f64
}
