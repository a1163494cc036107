//! Books on the standard library's maps: the oracle that the fast books are compared with, and nothing more.
//!
//! ```text
//!   by_ref: HashMap ref -> (instrument, side, price)        never iterated
//!   sides[instrument][side]: BTreeMap price -> [(ref, shares), ...] in time priority
//! ```
//!
//! Each operation is the sentence of the specification it implements. It allocates, and an order leaves its level in O(level).

use std::collections::{BTreeMap, HashMap};

use model::{InstrumentId, MarketBody, MarketEvent, Px, Qty, Side, VenueRef};

use super::{
    BookCapacity, BookChange, BookStats, Books, Effect, Level, LevelDigest, QueuePosition, RestingOrder, Top,
    price_bits,
};

type Queue = Vec<(VenueRef, u32)>;
type Ladder = BTreeMap<u32, Queue>;

#[derive(Clone, Copy)]
struct Place {
    instrument: InstrumentId,
    side: Side,
    price: u32,
}

/// The oracle. See the module.
pub struct NaiveBooks {
    capacity: BookCapacity,
    by_ref: HashMap<VenueRef, Place>,
    sides: Vec<[Ladder; 2]>,
    levels: usize,
    stats: BookStats,
}

impl NaiveBooks {
    fn ladder(&self, id: InstrumentId, side: Side) -> Option<&Ladder> {
        self.sides.get(id.index()).map(|s| &s[side as usize])
    }

    fn queue(&self, at: Place) -> &Queue {
        &self.sides[at.instrument.index()][at.side as usize][&at.price]
    }

    fn best_first(&self, id: InstrumentId, side: Side) -> impl Iterator<Item = (u32, &Queue)> {
        let ladder = self.ladder(id, side);
        let (up, down) = match side {
            Side::Buy => (None, ladder),
            Side::Sell => (ladder, None),
        };
        let up = up.into_iter().flat_map(|l| l.iter());
        let down = down.into_iter().flat_map(|l| l.iter().rev());
        up.chain(down).map(|(price, queue)| (*price, queue))
    }

    fn remaining(&self, r: VenueRef, at: Place) -> u32 {
        self.queue(at).iter().find(|(o, _)| *o == r).map_or(0, |(_, q)| *q)
    }

    /// Takes up to `qty` shares off a live order and drops it at 0.
    fn take(&mut self, r: VenueRef, at: Place, qty: u32) -> u32 {
        let ladder = &mut self.sides[at.instrument.index()][at.side as usize];
        let queue = ladder.get_mut(&at.price).expect("a live order has a level");
        let i = queue.iter().position(|(o, _)| *o == r).expect("a live order is in its level");
        let taken = qty.min(queue[i].1);
        queue[i].1 -= taken;
        if queue[i].1 == 0 {
            queue.remove(i);
            self.by_ref.remove(&r);
        }
        if queue.is_empty() {
            ladder.remove(&at.price);
            self.levels -= 1;
        }
        taken
    }

    fn put(&mut self, id: InstrumentId, side: Side, r: VenueRef, px: Px, qty: Qty) -> BookChange {
        let refused = |effect| BookChange::nothing(id, effect);
        if id.index() >= self.sides.len() {
            return refused(Effect::UnknownInstrument);
        }
        let Some(price) = price_bits(px) else { return refused(Effect::BadPrice) };
        if qty.is_zero() {
            return refused(Effect::ZeroQty);
        }
        if self.by_ref.contains_key(&r) {
            return refused(Effect::DuplicateRef);
        }
        let new_level = !self.sides[id.index()][side as usize].contains_key(&price);
        if self.by_ref.len() >= self.capacity.live_orders
            || (new_level && self.levels >= self.capacity.levels)
        {
            return refused(Effect::Capacity);
        }
        self.levels += usize::from(new_level);
        self.by_ref.insert(r, Place { instrument: id, side, price });
        self.sides[id.index()][side as usize].entry(price).or_default().push((r, qty.0));
        BookChange { px, qty, side, ..BookChange::nothing(id, Effect::Applied) }
    }

    fn place(&mut self, id: InstrumentId, r: VenueRef) -> Option<Place> {
        let at = *self.by_ref.get(&r)?;
        if at.instrument != id {
            self.stats.instrument_mismatches += 1;
        }
        Some(at)
    }

    fn reduce(&mut self, id: InstrumentId, r: VenueRef, qty: Qty) -> BookChange {
        let Some(at) = self.place(id, r) else { return BookChange::nothing(id, Effect::UnknownRef) };
        if qty.is_zero() {
            return BookChange::nothing(at.instrument, Effect::ZeroQty);
        }
        let taken = self.take(r, at, qty.0);
        let effect = if taken < qty.0 { Effect::OverReduced } else { Effect::Applied };
        let nothing = BookChange::nothing(at.instrument, effect);
        BookChange { px: Px::from_wire(at.price), qty: Qty(taken), side: at.side, ..nothing }
    }

    fn delete(&mut self, id: InstrumentId, r: VenueRef) -> BookChange {
        let Some(at) = self.place(id, r) else { return BookChange::nothing(id, Effect::UnknownRef) };
        let taken = self.take(r, at, u32::MAX);
        let nothing = BookChange::nothing(at.instrument, Effect::Applied);
        BookChange { px: Px::from_wire(at.price), qty: Qty(taken), side: at.side, ..nothing }
    }

    fn replace(&mut self, id: InstrumentId, old: VenueRef, new: VenueRef, px: Px, qty: Qty) -> BookChange {
        let gone = self.delete(id, old);
        if gone.effect != Effect::Applied {
            return gone;
        }
        let come = self.put(gone.instrument, gone.side, new, px, qty);
        BookChange { replaced_px: gone.px, replaced_qty: gone.qty, side: gone.side, ..come }
    }
}

impl Books for NaiveBooks {
    fn new(capacity: &BookCapacity) -> Self {
        NaiveBooks {
            capacity: *capacity,
            by_ref: HashMap::new(),
            sides: (0..capacity.instruments).map(|_| Default::default()).collect(),
            levels: 0,
            stats: BookStats::default(),
        }
    }

    fn anticipate<'a>(&self, _events: impl Iterator<Item = &'a MarketEvent>) {}

    fn apply(&mut self, ev: &MarketEvent) -> BookChange {
        let id = ev.instrument;
        let whose = match ev.body {
            MarketBody::Execute { order, .. }
            | MarketBody::ExecuteAt { order, .. }
            | MarketBody::Reduce { order, .. }
            | MarketBody::Delete { order }
            | MarketBody::Replace { old: order, .. } => {
                self.by_ref.get(&order).map_or(id, |at| at.instrument)
            }
            _ => id,
        };
        let before = self.top(whose);
        let change = match ev.body {
            MarketBody::Add { order, px, qty, side, .. } => self.put(id, side, order, px, qty),
            MarketBody::Execute { order, qty, .. } => self.reduce(id, order, qty).executed(),
            MarketBody::ExecuteAt { order, qty, px, printable, .. } => {
                self.reduce(id, order, qty).executed_at(px, printable)
            }
            MarketBody::Reduce { order, qty } => self.reduce(id, order, qty),
            MarketBody::Delete { order } => self.delete(id, order),
            MarketBody::Replace { old, new, qty, px } => self.replace(id, old, new, px, qty),
            MarketBody::Clear => {
                self.clear();
                return BookChange::nothing(id, Effect::NotBook);
            }
            _ => BookChange::nothing(id, Effect::NotBook),
        };
        self.stats.count(&ev.body, change.effect);
        BookChange { top_changed: self.top(whose) != before, ..change }
    }

    fn top(&self, id: InstrumentId) -> Top {
        let mut best = [Level::default(); 1];
        let mut of = |side| match self.depth(id, side, &mut best) {
            0 => (Px::ZERO, 0),
            _ => (best[0].px, best[0].qty),
        };
        let (bid_px, bid_qty) = of(Side::Buy);
        let (ask_px, ask_qty) = of(Side::Sell);
        Top { bid_px, bid_qty, ask_px, ask_qty }
    }

    fn depth(&self, id: InstrumentId, side: Side, out: &mut [Level]) -> usize {
        let mut n = 0;
        for (slot, (price, queue)) in out.iter_mut().zip(self.best_first(id, side)) {
            let qty = queue.iter().map(|(_, q)| u64::from(*q)).sum();
            *slot = Level { px: Px::from_wire(price), qty, orders: queue.len() as u32 };
            n += 1;
        }
        n
    }

    fn order(&self, r: VenueRef) -> Option<RestingOrder> {
        let at = *self.by_ref.get(&r)?;
        Some(RestingOrder {
            instrument: at.instrument,
            side: at.side,
            px: Px::from_wire(at.price),
            qty: Qty(self.remaining(r, at)),
        })
    }

    fn queue_position(&mut self, r: VenueRef) -> Option<QueuePosition> {
        let at = *self.by_ref.get(&r)?;
        let ahead = self.queue(at).iter().take_while(|(o, _)| *o != r);
        let none = QueuePosition { orders_ahead: 0, qty_ahead: 0 };
        Some(ahead.fold(none, |p, (_, q)| QueuePosition {
            orders_ahead: p.orders_ahead + 1,
            qty_ahead: p.qty_ahead + u64::from(*q),
        }))
    }

    fn live_orders(&self) -> usize {
        self.by_ref.len()
    }

    fn clear(&mut self) {
        self.by_ref.clear();
        self.sides.iter_mut().flatten().for_each(BTreeMap::clear);
        self.levels = 0;
        self.stats = BookStats::default();
    }

    fn walk(&self, id: InstrumentId, side: Side, mut visit: impl FnMut(VenueRef, Px, Qty) -> bool) {
        for (price, queue) in self.best_first(id, side) {
            for (r, qty) in queue {
                if !visit(*r, Px::from_wire(price), Qty(*qty)) {
                    return;
                }
            }
        }
    }

    fn hash(&self, id: InstrumentId) -> u64 {
        let mut digest = LevelDigest::new();
        for side in [Side::Buy, Side::Sell] {
            for (price, queue) in self.best_first(id, side) {
                let qty = queue.iter().map(|(_, q)| u64::from(*q)).sum();
                digest.level(side, price, qty, queue.len() as u32);
            }
        }
        digest.0
    }

    fn stats(&self) -> BookStats {
        self.stats
    }
}
