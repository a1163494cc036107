//! A seeded ITCH 5.0 day in small: what the decoding and book stages are timed on. No file is needed.
//!
//! ```text
//!   opening: R and H of each symbol, then resting orders        day: the mix below, every reference live
//! ```
//!
//! | | A, F | D | U | E, C | X | P |
//! |---|---|---|---|---|---|---|
//! | % of the day's messages | 46 | 39 | 8 | 4 | 2 | 1 |
//!
//! Messages name mostly recent orders, and executions those near the touch, as a real day's do. Prices stand a geometric number of
//! ticks from a middle that does not move, so the books never cross. The bytes are laid down by the simulated exchange's own
//! encoder, which shares nothing with the decoder that is timed.

use crate::exchange::itch::{self, Stamp};
use crate::exchange::rng::Rng;
use feeds::binaryfile::{self, Messages};
use feeds::itch50::Subscription;
use model::{FeedId, GatewayId, Instrument, InstrumentId, MarketEvent, Px, Qty, Side, Symbol};

/// Symbols of the day.
pub const SYMBOLS: u16 = 50;
/// The tick, in 1e-4 USD.
const TICK: i64 = 100;

/// The bytes of a day, each message behind its length in two bytes.
pub struct Tape {
    /// Its symbols, at the index of their id.
    pub instruments: Vec<Instrument>,
    /// Directory, trading state and resting orders.
    pub opening: Vec<u8>,
    /// What is timed.
    pub day: Vec<u8>,
}

impl Tape {
    /// A day of `messages` messages after an opening of `resting` orders; equal for equal arguments.
    pub fn new(seed: u64, resting: usize, messages: usize) -> Tape {
        let instruments: Vec<Instrument> = (0..SYMBOLS).map(instrument).collect();
        let mut flow = Flow {
            rng: Rng::new(seed, 0),
            live: Vec::with_capacity(2 * (resting + messages)),
            last_id: 0,
            now: 34_200_000_000_000,
            kinds: [0; 6],
        };
        let mut opening = Vec::new();
        for i in &instruments {
            let stamp = Stamp { locate: i.id.0 + 1, now: flow.now };
            write(&mut opening, &itch::directory(stamp, i.symbol));
            write(&mut opening, &itch::trading_action(stamp, i.symbol, b'T', *b"    "));
        }
        for _ in 0..resting {
            let message = flow.add();
            write(&mut opening, &message);
        }
        flow.kinds = [0; 6];
        let mut day = Vec::new();
        for _ in 0..messages {
            let message = flow.next();
            write(&mut day, &message);
        }
        // Without this a slip in the generator would quietly change what every figure means.
        for (percent, count) in [46, 39, 8, 4, 2, 1].into_iter().zip(flow.kinds) {
            assert!((count * 100 / messages).abs_diff(percent) <= 1, "the mix is {:?}", flow.kinds);
        }
        Tape { instruments, opening, day }
    }

    /// A subscription to all symbols that has seen the opening, and the opening's events.
    pub fn subscribe(&self) -> (Subscription, Vec<MarketEvent>) {
        let mut subscription = Subscription::new(&self.instruments);
        let opening = events(&mut subscription, &self.opening);
        (subscription, opening)
    }
}

/// What a subscription makes of framed messages.
pub fn events(subscription: &mut Subscription, framed: &[u8]) -> Vec<MarketEvent> {
    let decode = |message: &[u8]| subscription.event(message).expect("well-formed").expect("subscribed");
    Messages::new(framed).map(|message| message.expect("whole")).map(decode).collect()
}

/// Symbol `k`, all on one feed and one gateway.
pub fn instrument(k: u16) -> Instrument {
    let symbol = Symbol::new(&format!("SYM{k}")).expect("at most eight letters");
    Instrument { id: InstrumentId(k), symbol, feed: FeedId(0), gateway: GatewayId(0) }
}

fn write(out: &mut Vec<u8>, message: &[u8]) {
    binaryfile::write(out, message).expect("memory takes it");
}

#[derive(Clone, Copy)]
struct Resting {
    id: u64,
    symbol: u16,
    side: Side,
    px: i64,
    qty: u32,
}

struct Flow {
    rng: Rng,
    live: Vec<Resting>,
    last_id: u64,
    now: u64,
    /// Messages by column of the mix.
    kinds: [usize; 6],
}

impl Flow {
    fn next(&mut self) -> Vec<u8> {
        self.now += 1 + self.rng.below(5_000);
        let (kind, message) = match self.rng.below(100) {
            0..46 => (0, self.add()),
            46..85 => (1, self.delete()),
            85..93 => (2, self.replace()),
            93..97 => (3, self.execute()),
            97..99 => (4, self.reduce()),
            _ => (5, self.trade()),
        };
        self.kinds[kind] += 1;
        message
    }

    fn stamp(&self, symbol: u16) -> Stamp {
        Stamp { locate: symbol + 1, now: self.now }
    }

    fn middle(symbol: u16) -> i64 {
        TICK * (2_000 + 700 * i64::from(symbol))
    }

    fn price(&mut self, symbol: u16, side: Side) -> i64 {
        // One in fifty stands far from the touch.
        let far = if self.rng.below(50) == 0 { self.rng.below(800) } else { 0 };
        let ticks = 1 + far + self.rng.below(4) + u64::from(self.rng.heads(16));
        Self::middle(symbol) - ticks as i64 * TICK * side.sign()
    }

    fn shares(&mut self) -> u32 {
        if self.rng.below(3) == 0 { 1 + self.rng.below(999) as u32 } else { 100 }
    }

    fn id(&mut self) -> u64 {
        self.last_id += 1 + self.rng.below(8);
        self.last_id
    }

    fn rest(&mut self, symbol: u16, side: Side) -> Resting {
        let order = Resting { id: self.id(), symbol, side, px: self.price(symbol, side), qty: self.shares() };
        self.live.push(order);
        order
    }

    fn add(&mut self) -> Vec<u8> {
        // A product of two draws: the first symbols are the busy ones.
        let symbol =
            self.rng.below(u64::from(SYMBOLS)) * self.rng.below(u64::from(SYMBOLS)) / u64::from(SYMBOLS);
        let side = if self.rng.below(2) == 0 { Side::Buy } else { Side::Sell };
        let o = self.rest(symbol as u16, side);
        let mpid = (self.rng.below(16) == 0).then_some(*b"MPID");
        itch::add(self.stamp(o.symbol), instrument(o.symbol).symbol, o.id, side, Qty(o.qty), Px(o.px), mpid)
    }

    /// The place of a live order, three times of four one of the latest.
    fn pick(&mut self) -> usize {
        let n = self.live.len() as u64;
        assert!(n > 0, "the opening leaves enough orders for the day");
        let span = if self.rng.below(4) == 0 { n } else { n.min(512) };
        (n - 1 - self.rng.below(span)) as usize
    }

    fn delete(&mut self) -> Vec<u8> {
        let at = self.pick();
        let o = self.live.swap_remove(at);
        itch::deleted(self.stamp(o.symbol), o.id)
    }

    fn replace(&mut self) -> Vec<u8> {
        let at = self.pick();
        let old = self.live.swap_remove(at);
        let new = self.rest(old.symbol, old.side);
        itch::replaced(self.stamp(old.symbol), old.id, new.id, Qty(new.qty), Px(new.px))
    }

    /// Takes shares off an order, all of them half the time.
    fn shave(&mut self, at: usize) -> (Resting, Qty) {
        let order = self.live[at];
        let all = order.qty == 1 || self.rng.below(2) == 0;
        let shares = if all { order.qty } else { 1 + self.rng.below(u64::from(order.qty) - 1) as u32 };
        if shares == order.qty {
            self.live.swap_remove(at);
        } else {
            self.live[at].qty -= shares;
        }
        (order, Qty(shares))
    }

    fn execute(&mut self) -> Vec<u8> {
        let mut at = self.pick();
        for _ in 0..7 {
            let other = self.pick();
            let away = |o: &Resting| o.px.abs_diff(Self::middle(o.symbol));
            if away(&self.live[other]) < away(&self.live[at]) {
                at = other;
            }
        }
        let (order, shares) = self.shave(at);
        let stamp = self.stamp(order.symbol);
        match self.rng.below(16) {
            0 => itch::executed_at(stamp, order.id, shares, self.now, true, Px(order.px)),
            _ => itch::executed(stamp, order.id, shares, self.now),
        }
    }

    fn reduce(&mut self) -> Vec<u8> {
        let at = self.pick();
        let (order, shares) = self.shave(at);
        itch::reduced(self.stamp(order.symbol), order.id, shares)
    }

    fn trade(&mut self) -> Vec<u8> {
        let symbol = self.rng.below(u64::from(SYMBOLS)) as u16;
        let shares = Qty(self.shares());
        itch::trade(self.stamp(symbol), instrument(symbol).symbol, shares, Px(Self::middle(symbol)), self.now)
    }
}
