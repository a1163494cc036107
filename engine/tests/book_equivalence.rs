//! The fast books against the oracle, message by message, on seeded flows that are kind, rough and hostile.
//!
//! `SEED=n` runs one seed; a failure prints the mix, the seed and the event.

mod book_flow;

use book_flow::{Flow, HOT, Mix, Prices, Refs};
use engine::book::{
    BookCapacity, BookChange, BookStats, Books, FlatBooks, Level, NaiveBooks, QueuePosition, RestingOrder,
    Top,
};
use model::{InstrumentId, MarketBody, MarketEvent, Px, Qty, Side, VenueRef};

const ROUGH: Mix = Mix {
    name: "rough",
    instruments: 4,
    live: 600,
    replace: 120,
    execute: 80,
    reduce: 60,
    hostile: 60,
    prices: Prices::Touch { far: 12 },
    ..HOT
};

const MIXES: [Mix; 12] = [
    Mix { name: "hot", instruments: 8, live: 3_000, ..HOT },
    ROUGH,
    Mix { name: "bursts of deletes", phase: 700, ..ROUGH },
    Mix { name: "one-symbol storm", instruments: 1, live: 2_500, prices: Prices::Few(3), ..ROUGH },
    Mix { name: "crossed", prices: Prices::Few(40), phase: 300, ..ROUGH },
    Mix { name: "far levels", live: 2_000, prices: Prices::Colliding, phase: 1_500, ..ROUGH },
    Mix { name: "wide prices", live: 1_500, prices: Prices::Wide, phase: 900, ..ROUGH },
    Mix { name: "sparse references", refs: Refs::Sparse, prices: Prices::Few(6), phase: 400, ..ROUGH },
    Mix { name: "shuffled references", refs: Refs::Shuffled, ..ROUGH },
    Mix { name: "reused references", refs: Refs::Reused(200), live: 120, prices: Prices::Few(4), ..ROUGH },
    Mix { name: "around the boundary", refs: Refs::Around(DIRECT), prices: Prices::Few(12), ..ROUGH },
    Mix { name: "deep and crowded", live: 6_000, instruments: 2, prices: Prices::Colliding, ..ROUGH },
];

const DIRECT: u64 = 1 << 17;

const ROOMY: BookCapacity =
    BookCapacity { instruments: 8, live_orders: 20_000, levels: 20_000, direct_refs: DIRECT };

fn capacity(mix: &Mix) -> BookCapacity {
    BookCapacity { instruments: usize::from(mix.instruments), ..ROOMY }
}

/// What two books disagree on.
#[derive(Debug, PartialEq)]
struct Difference(String);

fn same<T: PartialEq + core::fmt::Debug>(what: &str, fast: T, naive: T) -> Result<(), Difference> {
    if fast == naive {
        return Ok(());
    }
    Err(Difference(format!("{what}: fast {fast:?}, naive {naive:?}")))
}

/// The whole state of both, slow.
fn compare_all(fast: &mut impl Books, naive: &mut NaiveBooks, instruments: u16) -> Result<(), Difference> {
    same("live orders", fast.live_orders(), naive.live_orders())?;
    same("stats", fast.stats(), naive.stats())?;
    for i in 0..=instruments {
        let id = InstrumentId(i);
        same("hash", fast.hash(id), naive.hash(id))?;
        for side in [Side::Buy, Side::Sell] {
            let depth = |books: &dyn Fn(&mut [Level]) -> usize, rows| {
                let mut out = vec![Level::default(); rows];
                let n = books(&mut out);
                out.truncate(n);
                out
            };
            for rows in [0, 1, 5, 20_000] {
                let a = depth(&|out| fast.depth(id, side, out), rows);
                let b = depth(&|out| naive.depth(id, side, out), rows);
                same("depth", a, b)?;
            }
            let (mut a, mut b) = (Vec::new(), Vec::new());
            fast.for_each_order(id, side, |r, px, qty| a.push((r, px, qty)));
            naive.for_each_order(id, side, |r, px, qty| b.push((r, px, qty)));
            same("orders", &a, &b)?;
            for level in b.chunk_by(|x, y| x.1 == y.1) {
                let mut there = Vec::new();
                fast.walk_level(id, side, level[0].1, |r, qty| there.push((r, level[0].1, qty)));
                same("orders of a level", &there[..], level)?;
            }
            // A queue position is O(level) here, so a sample: the ends and some between.
            let step = (b.len() / 60).max(1);
            for (r, _, _) in b.iter().step_by(step).chain(b.last()) {
                same("order", fast.order(*r), naive.order(*r))?;
                same("queue position", fast.queue_position(*r), naive.queue_position(*r))?;
            }
            let mut again = Vec::new();
            fast.for_each_order(id, side, |r, px, qty| again.push((r, px, qty)));
            same("orders after compaction", &again, &b)?;
        }
    }
    Ok(())
}

/// Runs one flow through both; the error names the event.
fn run(
    fast: &mut impl Books,
    naive: &mut NaiveBooks,
    flow: &mut Flow,
    events: usize,
    every: usize,
) -> Result<(), Difference> {
    let mut last = MarketEvent {
        ts_event: model::Nanos::ZERO,
        instrument: InstrumentId(u16::MAX),
        body: MarketBody::Delete { order: VenueRef(u64::MAX) },
    };
    for n in 0..events {
        let ev = flow.next(|id| naive.top(id));
        let at = |d: Difference| Difference(format!("event {n} {ev:?}: {}", d.0));
        // In turns: not told of what comes, told of it, told of what does not come.
        let ahead = [ev, last];
        fast.anticipate(ahead.iter().take(n % 3));
        last = ev;
        same("change", fast.apply(&ev), naive.apply(&ev)).map_err(at)?;
        same("top", fast.top(ev.instrument), naive.top(ev.instrument)).map_err(at)?;
        if n % every == every - 1 {
            compare_all(fast, naive, flow.mix.instruments).map_err(at)?;
        }
    }
    compare_all(fast, naive, flow.mix.instruments)
}

fn seeds() -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (1..=3).collect(),
    }
}

fn check(mix: Mix, capacity: &BookCapacity, seed: u64, events: usize, every: usize) -> BookStats {
    let (mut fast, mut naive) = (FlatBooks::new(capacity), NaiveBooks::new(capacity));
    if let Err(d) = run(&mut fast, &mut naive, &mut Flow::new(mix, seed), events, every) {
        panic!("mix {:?}, SEED={seed}: {}", mix.name, d.0);
    }
    naive.stats()
}

#[test]
fn fast_equals_naive_on_every_mix() {
    for seed in seeds() {
        for mix in MIXES {
            let stats = check(mix, &capacity(&mix), seed, 12_000, 1_999);
            if mix.hostile > 0 {
                let BookStats {
                    unknown_refs,
                    duplicate_refs,
                    over_reductions,
                    unknown_instruments,
                    bad_prices,
                    zero_quantities,
                    capacity_refusals,
                    instrument_mismatches,
                } = stats;
                let all = unknown_refs.by_letter().map(|(_, n)| n);
                assert!(all.iter().all(|n| *n > 0), "{}: {all:?}", mix.name);
                let mismatches = if mix.instruments > 1 { instrument_mismatches } else { 1 };
                let rest =
                    [duplicate_refs, over_reductions, unknown_instruments, bad_prices, zero_quantities];
                assert!(rest.iter().all(|n| *n > 0) && mismatches > 0, "{}: {stats:?}", mix.name);
                assert_eq!(capacity_refusals, 0, "{}", mix.name);
            }
        }
    }
}

#[test]
fn refusals_for_lack_of_room_are_the_same() {
    for seed in seeds() {
        for (live_orders, levels) in [(40, 1_000), (2_000, 9), (33, 11), (0, 10), (10, 0), (1, 1)] {
            for direct_refs in [DIRECT, 40, 0] {
                let mut refusals = 0;
                for mix in MIXES {
                    let c = BookCapacity { live_orders, levels, direct_refs, ..capacity(&mix) };
                    refusals += check(mix, &c, seed, 800, 799).capacity_refusals;
                }
                assert!(refusals > 500, "{live_orders} orders, {levels} levels: {refusals} refusals");
            }
        }
    }
}

/// A little room, a long time: spare levels, tree nodes, pages and chunks go round many times.
#[test]
fn nothing_leaks_over_a_long_run_in_little_room() {
    for seed in seeds() {
        for mix in [
            Mix { name: "levels come and go", live: 150, prices: Prices::Wide, phase: 200, ..ROUGH },
            Mix { name: "long queues", live: 300, prices: Prices::Few(2), phase: 5_000, ..ROUGH },
            Mix { name: "pages come and go", live: 250, refs: Refs::Shuffled, phase: 400, ..ROUGH },
        ] {
            let c = BookCapacity { live_orders: 4_000, levels: 600, ..capacity(&mix) };
            let stats = check(mix, &c, seed, 60_000, 9_999);
            assert_eq!(stats.capacity_refusals, 0, "{}", mix.name);
        }
    }
}

#[test]
fn a_cleared_book_is_a_new_book() {
    for seed in seeds() {
        for mix in MIXES {
            let c = BookCapacity { levels: 3_000, live_orders: 7_000, ..capacity(&mix) };
            let (mut fast, mut naive) = (FlatBooks::new(&c), NaiveBooks::new(&c));
            for day in 0..3 {
                let mut flow = Flow::new(mix, seed + day * 1_000);
                if let Err(d) = run(&mut fast, &mut naive, &mut flow, 2_500, 2_499) {
                    panic!("mix {:?}, SEED={seed}, day {day}: {}", mix.name, d.0);
                }
                fast.clear();
                naive.clear();
                assert_eq!(fast.live_orders(), 0);
                assert_eq!(compare_all(&mut fast, &mut naive, mix.instruments), Ok(()));
            }
        }
    }
}

/// The fast books with one fault, to show that the comparison above finds it.
struct Broken<const FAULT: u8> {
    inner: FlatBooks,
    count: u32,
}

impl<const FAULT: u8> Books for Broken<FAULT> {
    fn new(capacity: &BookCapacity) -> Self {
        Broken { inner: FlatBooks::new(capacity), count: 0 }
    }

    fn anticipate<'a>(&self, events: impl Iterator<Item = &'a MarketEvent>) {
        self.inner.anticipate(events);
    }

    fn apply(&mut self, ev: &MarketEvent) -> BookChange {
        let mut ev = *ev;
        let mut faulty = false;
        if let MarketBody::Reduce { .. } = ev.body {
            self.count += 1;
            faulty = self.count == 200;
        }
        match (FAULT, &mut ev.body) {
            // One cancel is lost, but the answer is what it would have been.
            (0, MarketBody::Reduce { order, .. }) if faulty => {
                let Some(o) = self.inner.order(*order) else { return self.inner.apply(&ev) };
                let mut shadow = FlatBooks::new(&ROOMY);
                let (order, side, px, qty) = (*order, o.side, o.px, o.qty);
                let body = MarketBody::Add { order, px, qty, side, mpid: *b"    " };
                shadow.apply(&MarketEvent { body, instrument: o.instrument, ..ev });
                let best = self.inner.top(o.instrument);
                let top_changed = px == if side == Side::Buy { best.bid_px } else { best.ask_px };
                return BookChange { top_changed, ..shadow.apply(&ev) };
            }
            // One share too few.
            (1, MarketBody::Reduce { qty, .. }) if faulty => qty.0 += 1,
            // A replace at the same price keeps its place in the queue.
            (2, MarketBody::Replace { old, new, qty, px }) if old != new => {
                let same = self.inner.order(*old).filter(|o| o.px == *px && o.qty == *qty);
                if same.is_some() {
                    *new = *old;
                }
            }
            // Adds go to the wrong book.
            (3, MarketBody::Add { .. }) if self.count >= 200 => ev.instrument = InstrumentId(0),
            _ => {}
        }
        self.inner.apply(&ev)
    }

    fn top(&self, id: InstrumentId) -> Top {
        self.inner.top(id)
    }
    fn depth(&self, id: InstrumentId, side: Side, out: &mut [Level]) -> usize {
        self.inner.depth(id, side, out)
    }
    fn order(&self, r: VenueRef) -> Option<RestingOrder> {
        self.inner.order(r)
    }
    fn queue_position(&mut self, r: VenueRef) -> Option<QueuePosition> {
        let p = self.inner.queue_position(r)?;
        let extra = u32::from(FAULT == 4 && p.orders_ahead > 40);
        Some(QueuePosition { orders_ahead: p.orders_ahead + extra, ..p })
    }
    fn live_orders(&self) -> usize {
        self.inner.live_orders()
    }
    fn clear(&mut self) {
        self.inner.clear();
    }
    fn walk(&self, id: InstrumentId, side: Side, visit: impl FnMut(VenueRef, Px, Qty) -> bool) {
        self.inner.walk(id, side, visit);
    }
    fn walk_level(&self, id: InstrumentId, side: Side, px: Px, visit: impl FnMut(VenueRef, Qty)) {
        self.inner.walk_level(id, side, px, visit);
    }
    fn hash(&self, id: InstrumentId) -> u64 {
        self.inner.hash(id)
    }
    fn stats(&self) -> BookStats {
        self.inner.stats()
    }
}

fn canary<const FAULT: u8>() -> Result<(), Difference> {
    let mix = Mix { instruments: 2, live: 1_000, prices: Prices::Few(5), ..ROUGH };
    let c = capacity(&mix);
    let (mut broken, mut naive) = (Broken::<FAULT>::new(&c), NaiveBooks::new(&c));
    run(&mut broken, &mut naive, &mut Flow::new(mix, 1), 12_000, 3_000)
}

#[test]
fn the_comparison_finds_a_broken_book() {
    assert_eq!(canary::<255>(), Ok(()), "the wrapper alone is sound");
    for (fault, found) in [
        ("a lost cancel", canary::<0>()),
        ("a share too many", canary::<1>()),
        ("a replace that keeps its place", canary::<2>()),
        ("a message for another instrument", canary::<3>()),
        ("a queue position off by one", canary::<4>()),
    ] {
        assert!(found.is_err(), "{fault} was not found");
    }
}
