//! The fast books: flat arrays addressed by computation, no hashing and no search on the common path.
//!
//! ```text
//!   A  price --computed--> level (home) ------+--> tops[instrument]      one line: id, key, shares of both best levels
//!      ref ---directory--> slot = level,qty   +--> queues: ref appended  one chunk of 15
//!   E C X D U  ref --directory--> slot --> level --> tops                the queue is not touched
//!   a level is created, the top runs out:  ladders                       16 best keys in a line, the rest in a B+ tree
//! ```
//!
//! | part | holds | bytes | resident |
//! |---|---|---|---|
//! | [`refs`] | reference to slot | `direct_refs / 8` + 272 x `live_orders` + sparse map of 2 x `live_orders` (34 to 68 x `live_orders`) | directory and slots as touched; the map's control bytes (2 to 4 x `live_orders`) |
//! | [`levels`] | price levels | 32 x (128 x `instruments` + 2 x `levels` + 64) | homes (4 KiB an instrument) at once, the rest as touched |
//! | [`queue`] | time priority | 128 x (128 x `instruments` + 2 x `levels` + `live_orders` / 7.5 + 128) | as touched |
//! | [`ladder`], [`deep`] | order of levels | 384 x `instruments` + 128 x (34 x `instruments` + `levels` / 2 + 208) | ladders at once, nodes as touched |
//! | tops | best prices | 32 x `instruments` | at once |
//!
//! "As touched" memory is reserved at construction and mapped by the kernel on first use, 4 KiB at a time, so that books for
//! 6,000 instruments, 2 M orders and 1.2e9 references are built in milliseconds. Nothing here allocates after construction.
//!
//! Two levels per price level of the capacity are kept as spares because emptied levels stay listed for a while; when
//! spares run out all sides are swept, after which at least half are free. The same holds for the chunks of the queues. So
//! refusals depend on the numbers of live orders and live levels alone, as in [`super::NaiveBooks`]: up to 33,554,430
//! live orders, the most that the directory can address (a larger capacity is cut to it).

mod ahead;
mod deep;
mod ladder;
mod levels;
mod queue;
mod refs;

use model::{InstrumentId, MarketBody, MarketEvent, Px, Qty, Side, VenueRef};

use super::{
    BookCapacity, BookChange, BookStats, Books, Effect, LevelDigest, QueuePosition, RestingOrder, Top,
    price_bits,
};
pub use ahead::LOOK_FROM;
use ladder::Ladders;
use levels::{Level, Levels, NONE, WINDOW, key, price};
use queue::Queues;
use refs::{Refs, Slot, SlotAt, Vacancy};

/// The best levels of one instrument, `[bids, offers]`.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct TopLine {
    id: [u32; 2],
    key: [u32; 2],
    qty: [u64; 2],
}

const _: () = assert!(size_of::<TopLine>() == 32);

impl TopLine {
    const EMPTY: TopLine = TopLine { id: [NONE; 2], key: [0; 2], qty: [0; 2] };

    /// New shares of a side's best level, where it was that that changed: no branch, for every other message would be mispredicted.
    #[inline]
    fn set_qty(&mut self, side: usize, qty: u64, changed: bool) {
        self.qty[side] = if changed { qty } else { self.qty[side] };
    }
}

/// Books of a whole feed, sized once. See the module for the layout and what it costs.
pub struct FlatBooks {
    tops: Vec<TopLine>,
    levels: Levels,
    refs: Refs,
    queues: Queues,
    ladders: Ladders,
    live_orders: usize,
    live_orders_max: usize,
    live_levels: usize,
    live_levels_max: usize,
    stats: BookStats,
}

impl FlatBooks {
    fn add(&mut self, id: InstrumentId, side: Side, r: VenueRef, px: Px, qty: Qty) -> BookChange {
        let refused = |effect| BookChange::nothing(id, effect);
        if id.index() >= self.tops.len() {
            return refused(Effect::UnknownInstrument);
        }
        let Some(price) = price_bits(px) else { return refused(Effect::BadPrice) };
        if qty.is_zero() {
            return refused(Effect::ZeroQty);
        }
        let (at, used_before) = match self.refs.vacancy(r.0) {
            Vacancy::Free { at, used_before } => (at, used_before),
            Vacancy::Live => return refused(Effect::DuplicateRef),
            Vacancy::Full => return refused(Effect::Capacity),
        };
        if self.live_orders >= self.live_orders_max {
            return refused(Effect::Capacity);
        }
        let key = key(side, price);
        let home = Levels::home(id, side, price);
        let level = self.levels.get(home);
        let level_id = if level.key == key && level.is_listed() {
            home
        } else {
            match self.level_away_from_home(id, side, key, home) {
                Some(level_id) => level_id,
                None => return refused(Effect::Capacity),
            }
        };
        let level = self.levels.get_mut(level_id);
        let starts = level.count == 0;
        if starts && self.live_levels >= self.live_levels_max {
            return refused(Effect::Capacity);
        }
        if used_before {
            self.queues.blank(level_id, level, r.0);
        }
        let entry_at = match self.queues.append(level, r.0) {
            Some(entry_at) => entry_at,
            None => match self.append_to_full(level_id, r.0) {
                Some(entry_at) => entry_at,
                None => return refused(Effect::Capacity),
            },
        };
        self.refs.occupy(r.0, at, Slot { level: level_id, qty: qty.0 }, entry_at);
        self.live_orders += 1;
        self.live_levels += usize::from(starts);
        let level = self.levels.get_mut(level_id);
        level.count += 1;
        level.qty += u64::from(qty.0);
        let (level_qty, s) = (level.qty, side as usize);
        let top = &mut self.tops[id.index()];
        let mut top_changed = top.id[s] == level_id;
        if starts && (top.qty[s] == 0 || key > top.key[s]) {
            top.id[s] = level_id;
            top.key[s] = key;
            top_changed = true;
        }
        top.set_qty(s, level_qty, top_changed);
        BookChange { px, qty, side, top_changed, ..BookChange::nothing(id, Effect::Applied) }
    }

    /// The level of a price that is not at its home: found, or created there or as a spare.
    #[inline(never)]
    fn level_away_from_home(&mut self, id: InstrumentId, side: Side, key: u32, home: u32) -> Option<u32> {
        let ladder = id.index() * 2 + side as usize;
        if let Some(level_id) = self.ladders.find(ladder, key) {
            return Some(level_id);
        }
        if self.live_levels >= self.live_levels_max {
            return None;
        }
        if self.ladders.is_sweep_due(ladder) {
            self.ladders.sweep(ladder, &mut self.levels);
        }
        let level_id = if self.levels.get(home).is_listed() { self.take_spare()? } else { home };
        self.levels.list(level_id, id, side, key);
        if !self.ladders.insert(ladder, key, level_id) {
            self.levels.unlist(level_id);
            return None;
        }
        Some(level_id)
    }

    fn take_spare(&mut self) -> Option<u32> {
        self.levels.take_spare().or_else(|| {
            for ladder in 0..self.tops.len() * 2 {
                self.ladders.sweep(ladder, &mut self.levels);
            }
            self.levels.take_spare()
        })
    }

    /// Appends where the queue's last chunk is full.
    #[cold]
    fn append_to_full(&mut self, level_id: u32, r: u64) -> Option<u64> {
        let level = self.levels.get_mut(level_id);
        if self.queues.should_compact(level) {
            self.queues.compact(level_id, level, &mut self.refs);
        }
        if let Some(entry_at) = self.queues.append(level, r) {
            return Some(entry_at);
        }
        if !self.queues.extend(level) {
            for id in 0..self.levels.len() as u32 {
                let level = self.levels.get_mut(id);
                if level.count > 0 && Queues::is_loose(level) {
                    self.queues.compact(id, level, &mut self.refs);
                }
            }
            let level = self.levels.get_mut(level_id);
            if let Some(entry_at) = self.queues.append(level, r) {
                return Some(entry_at);
            }
            if !self.queues.extend(level) {
                return None;
            }
        }
        self.queues.append(self.levels.get_mut(level_id), r)
    }

    /// Takes an order off the book; its level may run out, and the top with it.
    #[inline]
    fn remove(&mut self, id: InstrumentId, r: VenueRef, at: SlotAt, slot: Slot) -> BookChange {
        self.refs.release(r.0, at);
        self.live_orders -= 1;
        let level = self.levels.get_mut(slot.level);
        level.qty -= u64::from(slot.qty);
        level.count -= 1;
        let (side, key, level_qty, ends) = (level.side(), level.key, level.qty, level.count == 0);
        if ends {
            self.live_levels -= 1;
            self.queues.reset(slot.level, level);
        } else {
            Queues::take_back(level, r.0);
        }
        let s = side as usize;
        let top = &mut self.tops[id.index()];
        let top_changed = top.id[s] == slot.level;
        top.set_qty(s, level_qty, top_changed);
        if top_changed & ends {
            self.pass_top(id, s);
        }
        let px = Px::from_wire(price(side, key));
        BookChange { px, qty: Qty(slot.qty), side, top_changed, ..BookChange::nothing(id, Effect::Applied) }
    }

    /// The best level of a side ran out: unlists it and every zombie after it, up to the next level with orders.
    #[inline]
    fn pass_top(&mut self, id: InstrumentId, s: usize) {
        let ladder = id.index() * 2 + s;
        let top = &mut self.tops[id.index()];
        while let Some(best) = self.ladders.best(ladder) {
            let level = self.levels.get(best);
            if level.count > 0 {
                top.id[s] = best;
                top.key[s] = level.key;
                top.qty[s] = level.qty;
                return;
            }
            self.ladders.pop_best(ladder);
            self.levels.unlist(best);
        }
        top.id[s] = NONE;
        top.key[s] = 0;
        top.qty[s] = 0;
    }

    /// A live order and whose book it rests in.
    #[inline]
    fn find(&mut self, claimed: InstrumentId, r: VenueRef) -> Option<(InstrumentId, SlotAt, Slot)> {
        let (at, slot) = self.refs.find(r.0)?;
        let whose = self.levels.get(slot.level).instrument;
        if whose != claimed.0 {
            return Some((self.mismatch(whose), at, slot));
        }
        // Not `whose`: the message's own number lets the processor fetch the top before the slot has come.
        Some((claimed, at, slot))
    }

    #[cold]
    #[inline(never)]
    fn mismatch(&mut self, whose: u16) -> InstrumentId {
        self.stats.instrument_mismatches += 1;
        InstrumentId(whose)
    }

    #[inline]
    fn delete(&mut self, id: InstrumentId, r: VenueRef) -> BookChange {
        match self.find(id, r) {
            Some((id, at, slot)) => self.remove(id, r, at, slot),
            None => BookChange::nothing(id, Effect::UnknownRef),
        }
    }

    #[inline]
    fn reduce(&mut self, id: InstrumentId, r: VenueRef, qty: Qty) -> BookChange {
        let Some((id, at, slot)) = self.find(id, r) else {
            return BookChange::nothing(id, Effect::UnknownRef);
        };
        if qty.is_zero() {
            return BookChange::nothing(id, Effect::ZeroQty);
        }
        if qty.0 >= slot.qty {
            let effect = if qty.0 > slot.qty { Effect::OverReduced } else { Effect::Applied };
            return BookChange { effect, ..self.remove(id, r, at, slot) };
        }
        self.refs.resize(at, Slot { qty: slot.qty - qty.0, ..slot });
        let level = self.levels.get_mut(slot.level);
        level.qty -= u64::from(qty.0);
        let (side, key, level_qty) = (level.side(), level.key, level.qty);
        let s = side as usize;
        let top = &mut self.tops[id.index()];
        let top_changed = top.id[s] == slot.level;
        top.set_qty(s, level_qty, top_changed);
        let px = Px::from_wire(price(side, key));
        BookChange { px, qty, side, top_changed, ..BookChange::nothing(id, Effect::Applied) }
    }

    fn replace(&mut self, id: InstrumentId, old: VenueRef, new: VenueRef, px: Px, qty: Qty) -> BookChange {
        let Some((id, at, slot)) = self.find(id, old) else {
            return BookChange::nothing(id, Effect::UnknownRef);
        };
        if old == new && self.is_alone_at(slot.level, px) && !qty.is_zero() {
            return self.restate(id, at, Slot { qty: qty.0, ..slot }, Qty(slot.qty));
        }
        let s = self.levels.get(slot.level).side() as usize;
        let top = |books: &FlatBooks| (books.tops[id.index()].key[s], books.tops[id.index()].qty[s]);
        let before = top(self);
        let gone = self.remove(id, old, at, slot);
        let come = self.add(id, gone.side, new, px, qty);
        let top_changed = top(self) != before;
        BookChange { replaced_px: gone.px, replaced_qty: gone.qty, side: gone.side, top_changed, ..come }
    }

    /// Whether a level is of this price and has one order.
    #[inline]
    fn is_alone_at(&self, level_id: u32, px: Px) -> bool {
        let level = self.levels.get(level_id);
        level.count == 1 && Px::from_wire(price(level.side(), level.key)) == px
    }

    /// Other shares of an order that has its level to itself, as feeds of levels tell them: nobody stands before or behind it, so it is neither taken off nor added.
    #[inline]
    fn restate(&mut self, id: InstrumentId, at: SlotAt, slot: Slot, was: Qty) -> BookChange {
        self.refs.resize(at, slot);
        let level = self.levels.get_mut(slot.level);
        level.qty = u64::from(slot.qty);
        let (side, px) = (level.side(), Px::from_wire(price(level.side(), level.key)));
        let (s, qty) = (side as usize, Qty(slot.qty));
        let top = &mut self.tops[id.index()];
        let is_top = top.id[s] == slot.level;
        top.set_qty(s, u64::from(slot.qty), is_top);
        BookChange {
            px,
            replaced_px: px,
            qty,
            replaced_qty: was,
            side,
            top_changed: is_top && qty != was,
            ..BookChange::nothing(id, Effect::Applied)
        }
    }

    /// Visits the levels of a side that have orders, best first, until `visit` returns false.
    fn best_first(&self, id: InstrumentId, side: Side, mut visit: impl FnMut(u32, &Level) -> bool) {
        if id.index() >= self.tops.len() {
            return;
        }
        self.ladders.best_first(id.index() * 2 + side as usize, |level_id| {
            let level = self.levels.get(level_id);
            level.count == 0 || visit(level_id, level)
        });
    }
}

impl Books for FlatBooks {
    fn new(capacity: &BookCapacity) -> Self {
        let instruments = capacity.instruments.min(1 << 16);
        let live_orders = capacity.live_orders.min(Refs::LIVE_MAX);
        let spares = capacity.levels * 2 + 64;
        let levels = instruments * 2 * WINDOW + spares;
        FlatBooks {
            tops: vec![TopLine::EMPTY; instruments],
            levels: Levels::new(instruments, spares),
            refs: Refs::new(live_orders, capacity.direct_refs),
            queues: Queues::new(levels, live_orders),
            ladders: Ladders::new(instruments * 2, levels),
            live_orders: 0,
            live_orders_max: live_orders,
            live_levels: 0,
            live_levels_max: capacity.levels,
            stats: BookStats::default(),
        }
    }

    fn anticipate<'a>(&self, events: impl Iterator<Item = &'a MarketEvent>) {
        self.touch(events);
    }

    // Always: where the kind of message is known already, nothing is left to choose.
    #[inline(always)]
    fn apply(&mut self, ev: &MarketEvent) -> BookChange {
        let id = ev.instrument;
        let change = match ev.body {
            MarketBody::Add { order, px, qty, side, .. } => self.add(id, side, order, px, qty),
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
            _ => return BookChange::nothing(id, Effect::NotBook),
        };
        self.stats.count(&ev.body, change.effect);
        change
    }

    #[inline]
    fn top(&self, id: InstrumentId) -> Top {
        let Some(line) = self.tops.get(id.index()) else { return Top::default() };
        let px = |side: Side| match line.qty[side as usize] {
            0 => Px::ZERO,
            _ => Px::from_wire(price(side, line.key[side as usize])),
        };
        Top { bid_px: px(Side::Buy), bid_qty: line.qty[0], ask_px: px(Side::Sell), ask_qty: line.qty[1] }
    }

    fn depth(&self, id: InstrumentId, side: Side, out: &mut [super::Level]) -> usize {
        let mut n = 0;
        self.best_first(id, side, |_, level| {
            let Some(slot) = out.get_mut(n) else { return false };
            let px = Px::from_wire(price(side, level.key));
            *slot = super::Level { px, qty: level.qty, orders: level.count };
            n += 1;
            true
        });
        n
    }

    fn order(&self, r: VenueRef) -> Option<RestingOrder> {
        let (_, slot) = self.refs.find(r.0)?;
        let level = self.levels.get(slot.level);
        let side = level.side();
        let px = Px::from_wire(price(side, level.key));
        Some(RestingOrder { instrument: InstrumentId(level.instrument), side, px, qty: Qty(slot.qty) })
    }

    /// Compacts the queue first where it holds many tombstones.
    fn queue_position(&mut self, r: VenueRef) -> Option<QueuePosition> {
        let (_, slot) = self.refs.find(r.0)?;
        let level = self.levels.get_mut(slot.level);
        if Queues::is_worth_compacting(level) {
            self.queues.compact(slot.level, level, &mut self.refs);
        }
        let mut ahead = QueuePosition { orders_ahead: 0, qty_ahead: 0 };
        self.queues.walk(slot.level, self.levels.get(slot.level), &self.refs, |other, qty| {
            if other == r.0 {
                return false;
            }
            ahead.orders_ahead += 1;
            ahead.qty_ahead += u64::from(qty);
            true
        });
        Some(ahead)
    }

    fn live_orders(&self) -> usize {
        self.live_orders
    }

    fn clear(&mut self) {
        self.tops.fill(TopLine::EMPTY);
        self.levels.clear();
        self.refs.clear();
        self.queues.clear();
        self.ladders.clear();
        self.live_orders = 0;
        self.live_levels = 0;
        self.stats = BookStats::default();
    }

    fn walk(&self, id: InstrumentId, side: Side, mut visit: impl FnMut(VenueRef, Px, Qty) -> bool) {
        self.best_first(id, side, |level_id, level| {
            let px = Px::from_wire(price(side, level.key));
            let mut goes_on = true;
            self.queues.walk(level_id, level, &self.refs, |r, qty| {
                goes_on = visit(VenueRef(r), px, Qty(qty));
                goes_on
            });
            goes_on
        });
    }

    fn walk_level(&self, id: InstrumentId, side: Side, px: Px, mut visit: impl FnMut(VenueRef, Qty)) {
        let Some(price) = price_bits(px).filter(|_| id.index() < self.tops.len()) else { return };
        let (key, home) = (key(side, price), Levels::home(id, side, price));
        let level = self.levels.get(home);
        let at_home = (level.key == key && level.is_listed()).then_some(home);
        let Some(level_id) = at_home.or_else(|| self.ladders.find(id.index() * 2 + side as usize, key))
        else {
            return;
        };
        let level = self.levels.get(level_id);
        if level.count != 0 {
            self.queues.walk(level_id, level, &self.refs, |r, qty| {
                visit(VenueRef(r), Qty(qty));
                true
            });
        }
    }

    fn hash(&self, id: InstrumentId) -> u64 {
        let mut digest = LevelDigest::new();
        for side in [Side::Buy, Side::Sell] {
            self.best_first(id, side, |_, level| {
                digest.level(side, price(side, level.key), level.qty, level.count);
                true
            });
        }
        digest.0
    }

    fn stats(&self) -> BookStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Nanos;

    const A: InstrumentId = InstrumentId(0);

    fn say(books: &mut FlatBooks, instrument: InstrumentId, body: MarketBody) -> Effect {
        books.apply(&MarketEvent { ts_event: Nanos::ZERO, instrument, body }).effect
    }

    fn add(books: &mut FlatBooks, id: InstrumentId, r: u64, px: i64) {
        let (order, qty) = (VenueRef(r), Qty(1));
        let body = MarketBody::Add { order, px: Px(px), qty, side: Side::Buy, mpid: *b"    " };
        assert_eq!(say(books, id, body), Effect::Applied, "{r} at {px}");
    }

    fn delete(books: &mut FlatBooks, id: InstrumentId, r: u64) {
        assert_eq!(say(books, id, MarketBody::Delete { order: VenueRef(r) }), Effect::Applied);
    }

    fn books(instruments: usize, live_orders: usize, levels: usize) -> FlatBooks {
        FlatBooks::new(&BookCapacity { instruments, live_orders, levels, direct_refs: 1 << 20 })
    }

    /// Levels that share one home, created and emptied behind the top.
    fn leave_zombies(books: &mut FlatBooks, id: InstrumentId, n: u64) {
        let first = 1_000 * (u64::from(id.0) + 1);
        add(books, id, first, 6_400_000);
        for r in 1..=n {
            add(books, id, first + r, 6_400 * (1_000 - r as i64));
            delete(books, id, first + r);
        }
    }

    #[test]
    fn a_side_sweeps_its_zombies() {
        let mut books = books(1, 1_000, 1_000);
        leave_zombies(&mut books, A, 900);
        assert!(books.ladders.listed(0) <= 2 * 2 + 32, "{}", books.ladders.listed(0));
        assert_eq!(books.live_levels, 1);
    }

    #[test]
    fn spare_levels_come_back_from_all_sides() {
        // 40 sides each keep fewer zombies than a side sweeps by itself, together more than there are spares.
        let mut books = books(40, 1_000, 50);
        for round in 0..3 {
            for i in 0..40 {
                leave_zombies(&mut books, InstrumentId(i), 30);
            }
            for i in 0..40u64 {
                delete(&mut books, InstrumentId(i as u16), 1_000 * (i + 1));
            }
            assert_eq!((round, books.live_levels, books.live_orders), (round, 0, 0));
        }
    }

    #[test]
    fn an_order_that_nothing_joined_leaves_no_tombstone() {
        let mut books = books(1, 1_500, 10);
        add(&mut books, A, 1, 700);
        for r in 2..20_000 {
            add(&mut books, A, r, 700);
            delete(&mut books, A, r);
            let (_, slot) = books.refs.find(1).expect("stands since the start");
            assert_eq!(books.levels.get(slot.level).chunks, 1);
        }
    }

    #[test]
    fn tombstones_do_not_pile_up_in_a_level() {
        // Each goes when another has joined it. There are 264 extra chunks, and from the half of them on they are not taken lightly.
        let mut books = books(1, 1_500, 10);
        add(&mut books, A, 1, 700);
        for r in 2..40_000 {
            add(&mut books, A, r, 700);
            if r > 2 {
                delete(&mut books, A, r - 1);
            }
            let (_, slot) = books.refs.find(1).expect("stands since the start");
            assert!(books.levels.get(slot.level).chunks <= 264 / 2 + 2);
        }
        let first = books.queue_position(VenueRef(39_999));
        assert_eq!(first, Some(QueuePosition { orders_ahead: 1, qty_ahead: 1 }));
    }

    #[test]
    fn chunks_come_back_from_all_levels() {
        // 20 levels of one order and 73 tombstones: 80 extra chunks wanted, 68 there.
        let mut books = books(1, 44, 30);
        for level in 0..20 {
            let first = 100 * level;
            for r in first..first + 74 {
                add(&mut books, A, r, 700 + level as i64);
                if r > first {
                    delete(&mut books, A, r);
                }
            }
        }
        for level in 0..20 {
            add(&mut books, A, 100 * level + 99, 700 + level as i64);
            let p = books.queue_position(VenueRef(100 * level + 99));
            assert_eq!(p, Some(QueuePosition { orders_ahead: 1, qty_ahead: 1 }));
        }
    }

    /// Gigabytes reserved, megabytes touched: otherwise this test would not fit in its machine.
    #[test]
    fn a_whole_feed_can_be_built() {
        let mut books = FlatBooks::new(&BookCapacity {
            instruments: 9_000,
            live_orders: 2_000_000,
            levels: 1_000_000,
            direct_refs: 1_500_000_000,
        });
        add(&mut books, InstrumentId(8_999), 1_499_999_999, 700);
        assert_eq!(books.top(InstrumentId(8_999)).bid_qty, 1);
    }
}
