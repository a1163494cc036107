//! Seeded order flow for the book's tests and its cost example: market events, well-formed and not.
//!
//! The generator keeps its own list of what should be live, so that it can name orders; what the books make of an event is for
//! them to say.
#![allow(dead_code)]

pub mod itch;

use engine::book::Top;
use model::{InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, VenueRef};

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(n)) >> 64) as u64
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Geometric: how often a coin that continues with `num / 256` says so.
    pub fn run(&mut self, num: u64) -> u64 {
        let mut n = 0;
        while self.below(256) < num && n < 100_000 {
            n += 1;
        }
        n
    }
}

/// Where prices come from.
#[derive(Clone, Copy, Debug)]
pub enum Prices {
    /// A few ticks from the touch, one in `far` many more.
    Touch { far: u64 },
    /// Any 32-bit value, the ends often.
    Wide,
    /// A few hundred prices that share very few home levels.
    Colliding,
    /// This many prices for both sides: locked and crossed all the time.
    Few(u64),
}

/// Where order references come from.
#[derive(Clone, Copy, Debug)]
pub enum Refs {
    /// Counting, with small gaps.
    Dense,
    /// Counting, in a shuffled order inside blocks of 4,096.
    Shuffled,
    /// Any 64-bit value.
    Sparse,
    /// Out of this many: dead ones come back soon.
    Reused(u64),
    /// Around a boundary, on both sides of it.
    Around(u64),
}

/// A kind of flow. Weights are relative.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    pub name: &'static str,
    pub instruments: u16,
    /// Orders that the flow tries to keep live.
    pub live: usize,
    pub add: u64,
    pub delete: u64,
    pub replace: u64,
    pub execute: u64,
    pub reduce: u64,
    pub trade: u64,
    /// Messages that are wrong in some way.
    pub hostile: u64,
    /// How many events a phase of mostly adds or mostly deletes lasts; 0: no phases.
    pub phase: u64,
    pub prices: Prices,
    pub refs: Refs,
}

/// The mix of a real day on few symbols: 50 symbols, 46 % add, 39 % delete.
pub const HOT: Mix = Mix {
    name: "hot",
    instruments: 50,
    live: 100_000,
    add: 460,
    delete: 390,
    replace: 80,
    execute: 40,
    reduce: 20,
    trade: 10,
    hostile: 0,
    phase: 0,
    prices: Prices::Touch { far: 200 },
    refs: Refs::Dense,
};

#[derive(Clone, Copy)]
struct Order {
    r: u64,
    side: Side,
    px: i64,
    qty: u32,
}

/// The generator. See the module.
pub struct Flow {
    pub rng: Rng,
    pub mix: Mix,
    live: Vec<Vec<Order>>,
    live_count: usize,
    last_ref: u64,
    shuffled: Vec<u64>,
    n: u64,
}

impl Flow {
    pub fn new(mix: Mix, seed: u64) -> Flow {
        Flow {
            rng: Rng(seed),
            mix,
            live: vec![Vec::new(); usize::from(mix.instruments)],
            live_count: 0,
            last_ref: 1_000,
            shuffled: Vec::new(),
            n: 0,
        }
    }

    /// The next event; `top` tells the touch of an instrument.
    pub fn next(&mut self, top: impl Fn(InstrumentId) -> Top) -> MarketEvent {
        self.n += 1;
        let m = self.mix;
        let i = self.instrument();
        let id = InstrumentId(i as u16);
        let (mut add, mut delete) = (m.add, m.delete);
        // Adds for a while, then bursts of deletes.
        match self.n.checked_div(m.phase) {
            Some(phase) if phase % 2 == 0 => delete /= 4,
            Some(_) => add /= 4,
            None => {}
        }
        if self.live_count < m.live {
            delete = delete * self.live_count as u64 / m.live as u64;
        } else {
            add /= 2;
        }
        let weights = [add, delete, m.replace, m.execute, m.reduce, m.trade, m.hostile];
        let mut pick = self.rng.below(weights.iter().sum());
        let kind = weights.iter().position(|w| {
            let here = pick < *w;
            pick = pick.wrapping_sub(*w);
            here
        });
        let kind = kind.expect("weights add up");
        let empty = self.live[i].is_empty();
        let body = match kind {
            _ if empty && (1..=4).contains(&kind) => self.add(i, top(id)),
            0 => self.add(i, top(id)),
            1 => {
                let order = self.take(i).r;
                MarketBody::Delete { order: VenueRef(order) }
            }
            2 => self.replace(i, top(id)),
            3 => self.execute(i),
            4 => self.reduce(i),
            5 => {
                let qty = Qty(self.rng.below(1_000) as u32);
                MarketBody::Trade { px: Px::USD, qty, match_number: self.n, side: Side::Buy }
            }
            _ => return self.hostile(i, top(id)),
        };
        self.event(id, body)
    }

    fn event(&self, instrument: InstrumentId, body: MarketBody) -> MarketEvent {
        MarketEvent { ts_event: Nanos(self.n), instrument, body }
    }

    fn instrument(&mut self) -> usize {
        // Skewed towards the first ones.
        let n = u64::from(self.mix.instruments);
        let a = self.rng.below(n);
        self.rng.below(a + 1) as usize
    }

    fn fresh_ref(&mut self) -> u64 {
        match self.mix.refs {
            Refs::Dense => {
                self.last_ref += 1 + if self.rng.one_in(4) { self.rng.below(3) } else { 0 };
                self.last_ref
            }
            Refs::Shuffled => {
                if self.shuffled.is_empty() {
                    self.shuffled = (self.last_ref..self.last_ref + 4_096).collect();
                    self.last_ref += 4_096;
                    for k in (1..self.shuffled.len()).rev() {
                        let other = self.rng.below(k as u64 + 1) as usize;
                        self.shuffled.swap(k, other);
                    }
                }
                self.shuffled.pop().expect("just filled")
            }
            Refs::Sparse => match self.rng.below(50) {
                0 => self.rng.below(2),
                1 => u64::MAX - self.rng.below(2),
                _ => self.rng.word() >> self.rng.below(40),
            },
            Refs::Reused(n) => self.rng.below(n),
            Refs::Around(boundary) => boundary.wrapping_add(self.rng.below(2_000)).wrapping_sub(1_000),
        }
    }

    fn is_live(&self, r: u64) -> bool {
        self.live.iter().flatten().any(|o| o.r == r)
    }

    fn unused_ref(&mut self) -> u64 {
        let counting = matches!(self.mix.refs, Refs::Dense | Refs::Shuffled);
        for _ in 0..20 {
            let r = self.fresh_ref();
            if counting || !self.is_live(r) {
                return r;
            }
        }
        // The pool is nearly exhausted: a duplicate, then.
        self.fresh_ref()
    }

    fn price(&mut self, i: usize, side: Side, top: Top) -> i64 {
        match self.mix.prices {
            Prices::Touch { far } => {
                let mid = 1_000_000 + i as i64 * 137_000;
                let own = match side {
                    Side::Buy => (top.bid_qty > 0).then_some(top.bid_px.0),
                    Side::Sell => (top.ask_qty > 0).then_some(top.ask_px.0),
                };
                let best = own.unwrap_or(mid - 100 * side.sign());
                let other = match side {
                    Side::Buy => (top.ask_qty > 0).then_some(top.ask_px.0),
                    Side::Sell => (top.bid_qty > 0).then_some(top.bid_px.0),
                };
                if self.rng.one_in(12) {
                    // Inside the spread, where there is room.
                    let better = best + 100 * side.sign();
                    if other.is_none_or(|o| (o - better) * side.sign() > 0) {
                        return better.max(100);
                    }
                }
                let ticks =
                    if self.rng.one_in(far) { 20 + self.rng.run(250) } else { self.rng.run(180) } as i64;
                let sub = if self.rng.one_in(500) { self.rng.below(100) as i64 } else { 0 };
                (best - ticks * 100 * side.sign() + sub).max(1)
            }
            Prices::Wide => match self.rng.below(20) {
                0 => 0,
                1 => i64::from(u32::MAX),
                2 => i64::from(u32::MAX) - self.rng.below(3) as i64,
                3 => self.rng.below(3) as i64,
                4 => 0x7fff_ffff + self.rng.below(3) as i64,
                _ => i64::from(self.rng.word() as u32),
            },
            Prices::Colliding => 6_400 * (1 + self.rng.below(400) as i64) + 100 * self.rng.below(3) as i64,
            Prices::Few(n) => 500_000 + 100 * self.rng.below(n) as i64,
        }
    }

    fn side(&mut self) -> Side {
        if self.rng.one_in(2) { Side::Buy } else { Side::Sell }
    }

    fn qty(&mut self) -> u32 {
        match self.rng.below(10) {
            0..6 => 100,
            6..9 => 1 + self.rng.below(1_000) as u32,
            _ if self.rng.one_in(50) => u32::MAX,
            _ => 100 * (1 + self.rng.below(50) as u32),
        }
    }

    fn add(&mut self, i: usize, top: Top) -> MarketBody {
        let (r, side, qty) = (self.unused_ref(), self.side(), self.qty());
        let px = self.price(i, side, top);
        self.live[i].push(Order { r, side, px, qty });
        self.live_count += 1;
        MarketBody::Add { order: VenueRef(r), px: Px(px), qty: Qty(qty), side, mpid: *b"    " }
    }

    /// Which live order a message names: mostly a recent one.
    fn pick(&mut self, i: usize) -> usize {
        let n = self.live[i].len();
        let recent = self.rng.run(235) as usize;
        if !self.rng.one_in(4) && recent < n { n - 1 - recent } else { self.rng.below(n as u64) as usize }
    }

    fn take(&mut self, i: usize) -> Order {
        let k = self.pick(i);
        self.live_count -= 1;
        self.live[i].swap_remove(k)
    }

    fn replace(&mut self, i: usize, top: Top) -> MarketBody {
        let old = self.take(i);
        let new = self.unused_ref();
        let px = if self.rng.one_in(2) { self.price(i, old.side, top) } else { old.px };
        let qty = if self.rng.one_in(3) { self.qty() } else { old.qty };
        self.live[i].push(Order { r: new, px, qty, ..old });
        self.live_count += 1;
        MarketBody::Replace { old: VenueRef(old.r), new: VenueRef(new), qty: Qty(qty), px: Px(px) }
    }

    fn execute(&mut self, i: usize) -> MarketBody {
        // The best of a few, as trades happen at the touch.
        let side = self.side();
        let mut k = self.pick(i);
        for _ in 0..16 {
            let other = self.pick(i);
            let (a, b) = (self.live[i][k], self.live[i][other]);
            if b.side == side && (a.side != side || (b.px - a.px) * side.sign() > 0) {
                k = other;
            }
        }
        let (order, qty) = self.shave(i, k);
        let match_number = self.n;
        if self.rng.one_in(16) {
            let px = Px(self.live[i].first().map_or(1, |o| o.px));
            return MarketBody::ExecuteAt { order, qty, match_number, px, printable: self.rng.one_in(2) };
        }
        MarketBody::Execute { order, qty, match_number }
    }

    fn reduce(&mut self, i: usize) -> MarketBody {
        let k = self.pick(i);
        let (order, qty) = self.shave(i, k);
        MarketBody::Reduce { order, qty }
    }

    fn shave(&mut self, i: usize, k: usize) -> (VenueRef, Qty) {
        let o = &mut self.live[i][k];
        let r = VenueRef(o.r);
        let all = o.qty;
        let qty = if self.rng.one_in(2) { all } else { 1 + self.rng.below(u64::from(all)) as u32 };
        o.qty -= qty;
        if o.qty == 0 {
            self.live[i].swap_remove(k);
            self.live_count -= 1;
        }
        (r, Qty(qty))
    }

    /// Something that a correct venue never sends. The generator's own list may be wrong afterwards: that is more of the same.
    fn hostile(&mut self, i: usize, top: Top) -> MarketEvent {
        let id = InstrumentId(i as u16);
        let elsewhere = InstrumentId(((i + 1) % usize::from(self.mix.instruments)) as u16);
        let n = self.live[i].len();
        let known = if n > 0 { self.live[i][self.rng.below(n as u64) as usize].r } else { 7 };
        let known = VenueRef(known);
        let unknown = VenueRef(self.rng.word() >> self.rng.below(64));
        let (side, qty) = (self.side(), Qty(self.qty()));
        let px = Px(self.price(i, side, top));
        let mpid = *b"EVIL";
        let body = match self.rng.below(15) {
            0 => MarketBody::Delete { order: unknown },
            1 => MarketBody::Execute { order: unknown, qty, match_number: 0 },
            2 => MarketBody::ExecuteAt { order: unknown, qty, match_number: 0, px, printable: false },
            3 => MarketBody::Reduce { order: unknown, qty },
            4 => MarketBody::Replace { old: unknown, new: known, qty, px },
            5 => MarketBody::Add { order: known, px, qty, side, mpid },
            6 => MarketBody::Add { order: unknown, px, qty: Qty::ZERO, side, mpid },
            7 => {
                let bad = [Px(-1), Px(1 << 32), Px(i64::MIN), Px(i64::MAX)];
                MarketBody::Add { order: unknown, px: bad[self.rng.below(4) as usize], qty, side, mpid }
            }
            8 => MarketBody::Reduce { order: known, qty: Qty(u32::MAX) },
            9 => MarketBody::Execute { order: known, qty: Qty::ZERO, match_number: 0 },
            10 => MarketBody::Replace { old: known, new: known, qty, px },
            11 => {
                let other = self.live[elsewhere.index()].last().map_or(unknown, |o| VenueRef(o.r));
                MarketBody::Replace { old: known, new: other, qty, px }
            }
            12 => MarketBody::Replace { old: known, new: unknown, qty, px: Px(-5) },
            13 => return self.event(elsewhere, MarketBody::Reduce { order: known, qty: Qty(1) }),
            _ => {
                let nowhere = InstrumentId(self.mix.instruments);
                return self.event(nowhere, MarketBody::Add { order: unknown, px, qty, side, mpid });
            }
        };
        self.event(id, body)
    }
}
