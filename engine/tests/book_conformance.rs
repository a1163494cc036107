//! What any book must do, one rule of the specification a test, run on every implementation.

mod book_flow;

use book_flow::itch;
use engine::book::{
    BookCapacity, BookChange, BookStats, Books, Effect, FlatBooks, Level, NaiveBooks, QueuePosition,
    RestingOrder, Top, Traded, UnknownRefs,
};
use model::Side::{Buy, Sell};
use model::{InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, VenueRef};

const CAPACITY: BookCapacity =
    BookCapacity { instruments: 3, live_orders: 100, levels: 50, direct_refs: 1_000 };
const A: InstrumentId = InstrumentId(0);
const B: InstrumentId = InstrumentId(2);

/// One feed into one set of books, in few words.
struct Feed<T> {
    books: T,
    id: InstrumentId,
}

impl<T: Books> Feed<T> {
    fn new() -> Self {
        Feed { books: T::new(&CAPACITY), id: A }
    }

    fn say(&mut self, body: MarketBody) -> BookChange {
        self.books.apply(&MarketEvent { ts_event: Nanos(1), instrument: self.id, body })
    }

    fn add(&mut self, r: u64, side: Side, px: i64, qty: u32) -> BookChange {
        self.say(MarketBody::Add { order: VenueRef(r), px: Px(px), qty: Qty(qty), side, mpid: *b"    " })
    }

    fn execute(&mut self, r: u64, qty: u32) -> BookChange {
        self.say(MarketBody::Execute { order: VenueRef(r), qty: Qty(qty), match_number: 9 })
    }

    fn execute_at(&mut self, r: u64, qty: u32, px: i64, printable: bool) -> BookChange {
        let (order, qty, px) = (VenueRef(r), Qty(qty), Px(px));
        self.say(MarketBody::ExecuteAt { order, qty, match_number: 9, px, printable })
    }

    fn reduce(&mut self, r: u64, qty: u32) -> BookChange {
        self.say(MarketBody::Reduce { order: VenueRef(r), qty: Qty(qty) })
    }

    fn delete(&mut self, r: u64) -> BookChange {
        self.say(MarketBody::Delete { order: VenueRef(r) })
    }

    fn replace(&mut self, old: u64, new: u64, px: i64, qty: u32) -> BookChange {
        let (old, new) = (VenueRef(old), VenueRef(new));
        self.say(MarketBody::Replace { old, new, qty: Qty(qty), px: Px(px) })
    }

    fn depth(&self, side: Side) -> Vec<(i64, u64, u32)> {
        let mut out = [Level::default(); 64];
        let n = self.books.depth(self.id, side, &mut out);
        out[..n].iter().map(|l| (l.px.0, l.qty, l.orders)).collect()
    }

    fn orders(&self, side: Side) -> Vec<(u64, i64, u32)> {
        let mut out = Vec::new();
        self.books.for_each_order(self.id, side, |r, px, qty| out.push((r.0, px.0, qty.0)));
        out
    }

    fn ahead(&mut self, r: u64) -> Option<(u32, u64)> {
        let p: Option<QueuePosition> = self.books.queue_position(VenueRef(r));
        p.map(|p| (p.orders_ahead, p.qty_ahead))
    }

    fn top(&self) -> (i64, u64, i64, u64) {
        let Top { bid_px, bid_qty, ask_px, ask_qty } = self.books.top(self.id);
        (bid_px.0, bid_qty, ask_px.0, ask_qty)
    }
}

fn joined(side: Side, px: i64, qty: u32, top_changed: bool) -> BookChange {
    BookChange { px: Px(px), qty: Qty(qty), side, top_changed, ..BookChange::nothing(A, Effect::Applied) }
}

macro_rules! conformance {
    ($($name:ident)*) => {
        mod naive { $(#[test] fn $name() { super::$name::<super::NaiveBooks>(); })* }
        mod flat { $(#[test] fn $name() { super::$name::<super::FlatBooks>(); })* }
    };
}

conformance! {
    an_empty_book_has_nothing
    adds_sort_by_price_and_queue_by_arrival
    the_top_follows_its_level
    an_execution_takes_shares_where_the_order_rests
    an_execution_may_hit_an_order_that_is_not_the_first_of_its_level
    an_execution_at_another_price_leaves_that_price_alone
    no_shares_left_is_no_order
    a_replace_goes_to_the_back_and_keeps_its_side
    a_replace_within_the_top_is_a_change_only_if_it_shows
    a_refused_replace_keeps_the_removal
    unknown_references_are_counted_by_letter
    what_is_wrong_with_an_add
    too_many_shares_remove_what_there_is
    no_shares_is_refused
    the_order_knows_its_instrument
    what_is_not_about_orders_is_not_ours
    a_clear_takes_every_order_of_every_instrument
    crossed_books_are_books
    prices_at_the_ends_of_the_range
    any_reference_will_do
    a_reference_may_live_again
    a_full_book_refuses_and_recovers
    clear_forgets_everything
    equal_books_have_equal_digests
    a_queue_survives_a_crowd
}

fn an_empty_book_has_nothing<T: Books>() {
    let mut f = Feed::<T>::new();
    for id in [A, B, InstrumentId(3), InstrumentId(u16::MAX)] {
        f.id = id;
        assert_eq!(f.top(), (0, 0, 0, 0));
        assert_eq!((f.depth(Buy), f.orders(Sell)), (vec![], vec![]));
    }
    assert_eq!(f.books.order(VenueRef(1)), None);
    assert_eq!(f.ahead(1), None);
    assert_eq!(f.books.live_orders(), 0);
    assert_eq!(f.books.stats(), BookStats::default());
}

fn adds_sort_by_price_and_queue_by_arrival<T: Books>() {
    let mut f = Feed::<T>::new();
    for (r, side, px, qty) in [
        (1, Buy, 100, 10),
        (2, Buy, 300, 20),
        (3, Buy, 200, 30),
        (4, Buy, 300, 40),
        (5, Sell, 900, 1),
        (6, Sell, 700, 2),
        (7, Sell, 800, 3),
        (8, Sell, 700, 4),
    ] {
        assert_eq!(f.add(r, side, px, qty).effect, Effect::Applied);
    }
    assert_eq!(f.depth(Buy), [(300, 60, 2), (200, 30, 1), (100, 10, 1)]);
    assert_eq!(f.depth(Sell), [(700, 6, 2), (800, 3, 1), (900, 1, 1)]);
    assert_eq!(f.orders(Buy), [(2, 300, 20), (4, 300, 40), (3, 200, 30), (1, 100, 10)]);
    assert_eq!(f.orders(Sell), [(6, 700, 2), (8, 700, 4), (7, 800, 3), (5, 900, 1)]);
    assert_eq!(f.top(), (300, 60, 700, 6));
    assert_eq!(
        (f.ahead(2), f.ahead(4), f.ahead(8), f.ahead(3)),
        (Some((0, 0)), Some((1, 20)), Some((1, 2)), Some((0, 0)))
    );
    let mut one = [Level::default(); 1];
    assert_eq!(f.books.depth(A, Buy, &mut one), 1);
    assert_eq!(f.books.depth(A, Buy, &mut []), 0);
    assert_eq!(one[0], Level { px: Px(300), qty: 60, orders: 2 });
    assert_eq!(f.books.live_orders(), 8);
}

fn the_top_follows_its_level<T: Books>() {
    let mut f = Feed::<T>::new();
    assert_eq!(f.add(1, Buy, 500, 10), joined(Buy, 500, 10, true));
    assert_eq!(f.add(2, Buy, 400, 10), joined(Buy, 400, 10, false));
    assert_eq!(f.add(3, Buy, 500, 5), joined(Buy, 500, 5, true));
    assert_eq!(f.top(), (500, 15, 0, 0));
    assert!(f.reduce(1, 3).top_changed);
    assert!(!f.reduce(2, 3).top_changed);
    assert_eq!(f.top(), (500, 12, 0, 0));
    assert_eq!(f.delete(1), joined(Buy, 500, 7, true));
    assert_eq!(f.top(), (500, 5, 0, 0));
    assert!(f.delete(3).top_changed);
    assert_eq!(f.top(), (400, 7, 0, 0));
    assert!(f.delete(2).top_changed);
    assert_eq!(f.top(), (0, 0, 0, 0));
    // Emptied levels behind the top stay out of sight, also when the top runs out towards them.
    for (r, px) in [(10, 500), (11, 499), (12, 498), (13, 497)] {
        f.add(r, Sell, 1_000 - px, 1);
    }
    f.delete(11);
    f.delete(12);
    assert_eq!(f.depth(Sell), [(500, 1, 1), (503, 1, 1)]);
    f.delete(10);
    assert_eq!(f.top(), (0, 0, 503, 1));
    assert!(f.add(14, Sell, 502, 6).top_changed);
    assert_eq!(f.top(), (0, 0, 502, 6));
}

fn an_execution_takes_shares_where_the_order_rests<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Sell, 700, 100);
    let traded = Some(Traded { px: Px(700), printable: true });
    assert_eq!(f.execute(1, 40), BookChange { traded, ..joined(Sell, 700, 40, true) });
    let rests = RestingOrder { instrument: A, side: Sell, px: Px(700), qty: Qty(60) };
    assert_eq!(f.books.order(VenueRef(1)), Some(rests));
    assert_eq!(f.depth(Sell), [(700, 60, 1)]);
}

fn an_execution_may_hit_an_order_that_is_not_the_first_of_its_level<T: Books>() {
    let mut f = Feed::<T>::new();
    for reference in 1..=3 {
        f.add(reference, Sell, 700, 100);
    }
    assert_eq!(f.execute(2, 100).effect, Effect::Applied);
    assert_eq!(f.execute(3, 40).effect, Effect::Applied);
    assert_eq!(f.orders(Sell), [(1, 700, 100), (3, 700, 60)]);
    assert_eq!(f.books.stats(), BookStats::default());
}

fn an_execution_at_another_price_leaves_that_price_alone<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 100);
    f.add(2, Buy, 650, 100);
    for printable in [true, false] {
        let traded = Some(Traded { px: Px(650), printable });
        assert_eq!(f.execute_at(1, 30, 650, printable), BookChange { traded, ..joined(Buy, 700, 30, true) });
    }
    assert_eq!(f.depth(Buy), [(700, 40, 1), (650, 100, 1)]);
}

fn no_shares_left_is_no_order<T: Books>() {
    let mut f = Feed::<T>::new();
    for (r, take) in [
        (1, Feed::<T>::execute as fn(&mut Feed<T>, u64, u32) -> BookChange),
        (2, Feed::<T>::reduce),
        (3, |f, r, n| f.execute_at(r, n, 1, true)),
    ] {
        f.add(r, Buy, 700, 100);
        assert_eq!(take(&mut f, r, 100).effect, Effect::Applied);
        assert_eq!((f.books.order(VenueRef(r)), f.books.live_orders()), (None, 0));
        assert_eq!(take(&mut f, r, 1).effect, Effect::UnknownRef);
        assert_eq!(f.delete(r).effect, Effect::UnknownRef);
    }
    assert_eq!(f.top(), (0, 0, 0, 0));
}

fn a_replace_goes_to_the_back_and_keeps_its_side<T: Books>() {
    let mut f = Feed::<T>::new();
    for r in 1..=3 {
        f.add(r, Sell, 700, 10);
    }
    let change = f.replace(1, 9, 700, 10);
    assert!(!change.top_changed, "one for one");
    assert_eq!((change.px, change.qty, change.side), (Px(700), Qty(10), Sell));
    assert_eq!((change.replaced_px, change.replaced_qty), (Px(700), Qty(10)));
    assert_eq!(f.orders(Sell), [(2, 700, 10), (3, 700, 10), (9, 700, 10)]);
    // The new shares are a total, and the new number may be the old one.
    assert_eq!(f.replace(2, 2, 700, 7).effect, Effect::Applied);
    assert_eq!(f.orders(Sell), [(3, 700, 10), (9, 700, 10), (2, 700, 7)]);
    assert_eq!((f.ahead(2), f.ahead(1)), (Some((2, 20)), None));
    f.replace(3, 4, 800, 25);
    assert_eq!(f.depth(Sell), [(700, 17, 2), (800, 25, 1)]);
    assert_eq!(f.books.live_orders(), 3);
}

fn a_replace_within_the_top_is_a_change_only_if_it_shows<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 10);
    f.add(2, Buy, 600, 10);
    assert!(!f.replace(1, 3, 700, 10).top_changed, "the only order of the top, one for one");
    assert!(f.replace(3, 4, 700, 11).top_changed);
    assert!(f.replace(4, 5, 500, 11).top_changed);
    assert_eq!(f.top(), (600, 10, 0, 0));
    assert!(!f.replace(5, 6, 400, 11).top_changed);
    assert!(f.replace(6, 7, 900, 1).top_changed);
    assert_eq!(f.top(), (900, 1, 0, 0));
}

fn a_refused_replace_keeps_the_removal<T: Books>() {
    for (new, px, qty, effect) in [
        (2, 700, 5, Effect::DuplicateRef),
        (9, -1, 5, Effect::BadPrice),
        (9, 1 << 32, 5, Effect::BadPrice),
        (9, 700, 0, Effect::ZeroQty),
    ] {
        let mut f = Feed::<T>::new();
        f.add(1, Buy, 700, 10);
        f.add(2, Buy, 600, 20);
        let change = f.replace(1, new, px, qty);
        let refused = BookChange::nothing(A, effect);
        let removed = BookChange { replaced_px: Px(700), replaced_qty: Qty(10), ..refused };
        assert_eq!(change, BookChange { side: Buy, top_changed: true, ..removed });
        assert_eq!(f.orders(Buy), [(2, 600, 20)]);
        assert_eq!(f.top(), (600, 20, 0, 0));
    }
}

fn unknown_references_are_counted_by_letter<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 10);
    let nothing = BookChange::nothing(A, Effect::UnknownRef);
    for r in [0, 2, 999, 1_000, u64::MAX] {
        assert_eq!(f.execute(r, 1), nothing);
        assert_eq!(f.execute_at(r, 1, 1, true), nothing);
        assert_eq!(f.reduce(r, 1), nothing);
        assert_eq!(f.delete(r), nothing);
        assert_eq!(f.replace(r, 77, 1, 1), nothing);
    }
    f.delete(5);
    let unknown_refs = UnknownRefs { execute: 5, execute_at: 5, reduce: 5, delete: 6, replace: 5 };
    assert_eq!(f.books.stats(), BookStats { unknown_refs, ..BookStats::default() });
    assert_eq!(unknown_refs.total(), 26);
    assert_eq!(f.orders(Buy), [(1, 700, 10)]);
}

fn what_is_wrong_with_an_add<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 10);
    for (r, px, qty, effect) in [
        (1, 700, 10, Effect::DuplicateRef),
        (1, 701, 10, Effect::DuplicateRef),
        (2, -1, 10, Effect::BadPrice),
        (2, i64::MAX, 10, Effect::BadPrice),
        (2, i64::MIN, 10, Effect::BadPrice),
        (2, 700, 0, Effect::ZeroQty),
        (2, -1, 0, Effect::BadPrice),
        (1, 700, 0, Effect::ZeroQty),
    ] {
        assert_eq!(f.add(r, Sell, px, qty), BookChange::nothing(A, effect));
    }
    f.id = InstrumentId(3);
    assert_eq!(f.add(1, Buy, -1, 0), BookChange::nothing(f.id, Effect::UnknownInstrument));
    f.id = A;
    let counted = BookStats {
        duplicate_refs: 2,
        bad_prices: 4,
        zero_quantities: 2,
        unknown_instruments: 1,
        ..BookStats::default()
    };
    assert_eq!(f.books.stats(), counted);
    assert_eq!((f.orders(Buy), f.orders(Sell)), (vec![(1, 700, 10)], vec![]));
}

fn too_many_shares_remove_what_there_is<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 10);
    let gone = BookChange { effect: Effect::OverReduced, ..joined(Buy, 700, 10, true) };
    let traded = Some(Traded { px: Px(700), printable: true });
    assert_eq!(f.execute(1, 11), BookChange { traded, ..gone });
    f.add(1, Buy, 700, 10);
    assert_eq!(f.reduce(1, u32::MAX), gone);
    assert_eq!(f.books.stats(), BookStats { over_reductions: 2, ..BookStats::default() });
    assert_eq!(f.books.live_orders(), 0);
}

fn no_shares_is_refused<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 10);
    let nothing = BookChange::nothing(A, Effect::ZeroQty);
    assert_eq!((f.execute(1, 0), f.reduce(1, 0), f.execute_at(1, 0, 5, true)), (nothing, nothing, nothing));
    assert_eq!(f.execute(2, 0).effect, Effect::UnknownRef);
    assert_eq!(f.books.stats().zero_quantities, 3);
    assert_eq!(f.orders(Buy), [(1, 700, 10)]);
}

fn the_order_knows_its_instrument<T: Books>() {
    let mut f = Feed::<T>::new();
    for r in 1..=3 {
        f.add(r, Buy, 700, 10);
    }
    f.id = B;
    f.add(9, Buy, 700, 99);
    assert_eq!(f.reduce(1, 4), joined(Buy, 700, 4, true));
    assert_eq!(f.delete(2).instrument, A);
    assert_eq!(f.replace(3, 4, 600, 5).instrument, A);
    f.id = InstrumentId(u16::MAX);
    assert_eq!(f.execute(1, 1).instrument, A);
    assert_eq!(f.books.stats(), BookStats { instrument_mismatches: 4, ..BookStats::default() });
    f.id = B;
    assert_eq!(f.orders(Buy), [(9, 700, 99)]);
    f.id = A;
    assert_eq!(f.orders(Buy), [(1, 700, 5), (4, 600, 5)]);
}

fn what_is_not_about_orders_is_not_ours<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 10);
    let hash = f.books.hash(A);
    for body in [
        MarketBody::Trade { px: Px(700), qty: Qty(10), match_number: 1, side: Buy },
        MarketBody::BrokenTrade { match_number: 1 },
        MarketBody::System { code: b'Q' },
    ] {
        assert!(!body.touches_book());
        assert_eq!(f.say(body), BookChange::nothing(A, Effect::NotBook));
    }
    assert_eq!((f.books.hash(A), f.books.stats()), (hash, BookStats::default()));
}

fn a_clear_takes_every_order_of_every_instrument<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 10);
    f.id = B;
    f.add(2, Sell, 800, 20);
    assert_eq!(f.say(MarketBody::Clear), BookChange::nothing(B, Effect::NotBook));
    assert_eq!((f.books.live_orders(), f.top()), (0, (0, 0, 0, 0)));
    f.add(2, Sell, 900, 5);
    assert_eq!(f.top(), (0, 0, 900, 5), "its numbers may come again");
}

fn crossed_books_are_books<T: Books>() {
    let mut f = Feed::<T>::new();
    f.add(1, Buy, 700, 10);
    f.add(2, Sell, 700, 20);
    f.add(3, Sell, 600, 30);
    assert_eq!(f.top(), (700, 10, 600, 30));
    f.delete(3);
    assert_eq!(f.top(), (700, 10, 700, 20));
}

fn prices_at_the_ends_of_the_range<T: Books>() {
    let max = i64::from(u32::MAX);
    let mut f = Feed::<T>::new();
    for (i, px) in [0, max, 1, max - 1, 0x8000_0000, 0x7fff_ffff].into_iter().enumerate() {
        for side in [Buy, Sell] {
            assert!(f.add(10 + 2 * i as u64 + side as u64, side, px, 1 + i as u32).qty.0 > 0);
        }
    }
    let prices = |rows: Vec<(i64, u64, u32)>| rows.into_iter().map(|r| r.0).collect::<Vec<_>>();
    let mut up = vec![0, 1, 0x7fff_ffff, 0x8000_0000, max - 1, max];
    assert_eq!(prices(f.depth(Sell)), up);
    up.reverse();
    assert_eq!(prices(f.depth(Buy)), up);
    assert_eq!(f.top(), (max, 2, 0, 1));
    // A price of 0 is a price: the shares tell an absent side.
    f.delete(11);
    assert_eq!(f.top(), (max, 2, 1, 3));
}

fn any_reference_will_do<T: Books>() {
    let mut f = Feed::<T>::new();
    let refs = [0, 1, 31, 32, 998, 999, 1_000, 1_001, 1_023, 1_024, u64::from(u32::MAX), 1 << 60, u64::MAX];
    for r in refs.into_iter().rev() {
        assert_eq!(f.add(r, Sell, 700, 1).effect, Effect::Applied, "{r}");
        assert_eq!(f.add(r, Sell, 700, 1).effect, Effect::DuplicateRef, "{r}");
    }
    for (i, r) in refs.into_iter().rev().enumerate() {
        assert_eq!(f.ahead(r), Some((i as u32, i as u64)), "{r}");
    }
    for r in refs {
        assert_eq!(f.delete(r).qty, Qty(1), "{r}");
        assert_eq!(f.delete(r).effect, Effect::UnknownRef, "{r}");
    }
    assert_eq!(f.books.live_orders(), 0);
}

fn a_reference_may_live_again<T: Books>() {
    for r in [5, 1 << 40] {
        let mut f = Feed::<T>::new();
        f.add(r, Buy, 700, 10);
        f.add(1, Buy, 700, 20);
        f.delete(r);
        // Back in the same level: at the back of it, and once.
        f.add(r, Buy, 700, 30);
        assert_eq!(f.orders(Buy), [(1, 700, 20), (r, 700, 30)]);
        assert_eq!(f.ahead(r), Some((1, 20)));
        // Away and back.
        f.replace(r, r, 600, 40);
        f.add(2, Buy, 700, 50);
        f.replace(r, r, 700, 60);
        assert_eq!(f.orders(Buy), [(1, 700, 20), (2, 700, 50), (r, 700, 60)]);
        for n in 0..100 {
            f.replace(r, r, 700, 100 + n);
        }
        assert_eq!(f.orders(Buy), [(1, 700, 20), (2, 700, 50), (r, 700, 199)]);
        // Long dead: enough others in between for its place to be forgotten.
        f.delete(r);
        for n in 0..400 {
            f.add(100 + n, Sell, 900, 1);
            f.delete(100 + n);
        }
        f.add(r, Buy, 700, 1);
        assert_eq!(f.orders(Buy), [(1, 700, 20), (2, 700, 50), (r, 700, 1)]);
        assert_eq!(f.ahead(r), Some((2, 70)));
    }
}

fn a_full_book_refuses_and_recovers<T: Books>() {
    let mut f = Feed::<T>::new();
    let refused = BookChange::nothing(A, Effect::Capacity);
    for r in 0..100 {
        f.add(r, Buy, 700 + (r % 50) as i64, 1);
    }
    assert_eq!(f.add(100, Buy, 700, 1), refused);
    assert_eq!(f.add(99, Buy, 700, 1).effect, Effect::DuplicateRef);
    assert_eq!(f.replace(99, 100, 700, 2).effect, Effect::Applied, "one goes, one comes");
    f.delete(0);
    assert_eq!(f.add(101, Sell, 900, 1), refused, "a 51st level");
    assert_eq!(f.add(101, Buy, 710, 1).effect, Effect::Applied);
    let change = f.replace(49, 102, 900, 5);
    assert_eq!(change.effect, Effect::Applied, "its level goes, another comes");
    let change = f.replace(48, 103, 901, 5);
    assert_eq!((change.effect, change.qty, change.replaced_qty), (Effect::Capacity, Qty(0), Qty(1)));
    assert_eq!(
        f.books.stats(),
        BookStats { capacity_refusals: 3, duplicate_refs: 1, ..BookStats::default() }
    );
    assert_eq!(f.books.live_orders(), 99);
    f.delete(98);
    assert_eq!(f.add(103, Sell, 901, 1).effect, Effect::Applied);
}

fn clear_forgets_everything<T: Books>() {
    let mut f = Feed::<T>::new();
    for day in 0..3 {
        for r in 0..40 {
            assert_eq!(f.add(r, Buy, 700 + 64 * 100 * (r as i64 % 5), 1 + day).effect, Effect::Applied);
            assert_eq!(f.add(2_000 + r, Sell, 900, 1).effect, Effect::Applied);
        }
        f.delete(5_000);
        assert_eq!(f.ahead(39), Some((7, 7 * (1 + u64::from(day)))));
        f.books.clear();
        assert_eq!((f.top(), f.books.live_orders()), ((0, 0, 0, 0), 0));
        assert_eq!((f.orders(Buy), f.orders(Sell)), (vec![], vec![]));
        assert_eq!((f.books.order(VenueRef(1)), f.books.order(VenueRef(2_001))), (None, None));
        assert_eq!(f.books.stats(), BookStats::default());
        assert_eq!(f.books.hash(A), Feed::<T>::new().books.hash(A));
    }
}

fn equal_books_have_equal_digests<T: Books>() {
    let mut f = Feed::<T>::new();
    let mut seen = vec![f.books.hash(A)];
    let mut step = |f: &Feed<T>| {
        let hash = f.books.hash(A);
        assert!(!seen.contains(&hash));
        seen.push(hash);
        hash
    };
    f.add(1, Buy, 700, 10);
    let one = step(&f);
    f.add(2, Sell, 700, 10);
    step(&f);
    f.add(3, Buy, 700, 10);
    step(&f);
    f.reduce(3, 4);
    step(&f);
    f.delete(2);
    step(&f);
    f.delete(3);
    assert_eq!(f.books.hash(A), one, "the way here does not matter");
    // One order of 20 is not two of 10; another instrument is another book.
    let mut g = Feed::<T>::new();
    g.add(1, Buy, 700, 20);
    f.add(4, Buy, 700, 10);
    assert_ne!(f.books.hash(A), g.books.hash(A));
    assert_eq!(f.books.hash(B), g.books.hash(B));
}

/// More orders in one level than a chunk holds, most of them dead, then asked for.
fn a_queue_survives_a_crowd<T: Books>() {
    let mut f = Feed::<T>::new();
    let mut live = Vec::new();
    for r in 0..3_000 {
        let r = if r % 3 == 0 { r + 10_000 } else { r };
        assert_eq!(f.add(r, Buy, 700, 2).effect, Effect::Applied);
        live.push(r);
        if live.len() > 60 {
            f.delete(live.remove((r % 47) as usize));
        }
    }
    let expected: Vec<_> = live.iter().map(|r| (*r, 700, 2)).collect();
    assert_eq!(f.orders(Buy), expected);
    for (i, r) in live.iter().enumerate() {
        assert_eq!(f.ahead(*r), Some((i as u32, 2 * i as u64)));
    }
    assert_eq!(f.orders(Buy), expected);
}

/// As feeds of levels are: one order a level, whose length is told anew. It is taken off and added again, and nothing tells that from a number that changes.
#[test]
fn a_level_that_says_its_length_anew_is_as_one_that_went_and_came() {
    let c = BookCapacity { instruments: 2, live_orders: 8, levels: 4, direct_refs: 64 };
    let (mut flat, mut naive) = (FlatBooks::new(&c), NaiveBooks::new(&c));
    let say =
        |instrument, body| MarketEvent { ts_event: Nanos(1), instrument: InstrumentId(instrument), body };
    let restates = |r: u64, px: i64, qty| MarketBody::Replace {
        old: VenueRef(r),
        new: VenueRef(r),
        qty: Qty(qty),
        px: Px(px),
    };
    let adds = |order: u64, px, qty| MarketBody::Add {
        order: VenueRef(order),
        px: Px(px),
        qty: Qty(qty),
        side: if order.is_multiple_of(2) { Buy } else { Sell },
        mpid: *b"    ",
    };
    for ev in [
        say(0, adds(2, 700, 5)),
        say(0, adds(4, 600, 5)),
        say(0, adds(1_001, 800, 5)),
        say(0, restates(2, 700, 9)),
        say(0, restates(2, 700, 9)),
        say(0, restates(4, 600, 1)),
        say(0, restates(1_001, 800, 7)),
        // Of another book than it says, at another price, of nothing, at no price.
        say(1, restates(4, 600, 3)),
        say(0, restates(4, 650, 3)),
        say(0, restates(4, 650, 0)),
        say(0, restates(2, -1, 3)),
        say(0, adds(2, 700, 5)),
        // No longer alone: it goes to the back.
        say(0, adds(6, 700, 1)),
        say(0, restates(2, 700, 8)),
        say(0, MarketBody::Reduce { order: VenueRef(2), qty: Qty(8) }),
        say(0, restates(6, 700, 3)),
    ] {
        assert_eq!(flat.apply(&ev), naive.apply(&ev), "{ev:?}");
        for id in [0, 1].map(InstrumentId) {
            assert_eq!((flat.hash(id), flat.top(id)), (naive.hash(id), naive.top(id)), "{ev:?}");
        }
        assert_eq!((flat.live_orders(), flat.stats()), (naive.live_orders(), naive.stats()), "{ev:?}");
        for side in [Buy, Sell] {
            let mut orders = (Vec::new(), Vec::new());
            flat.for_each_order(InstrumentId(0), side, |r, px, qty| orders.0.push((r, px, qty)));
            naive.for_each_order(InstrumentId(0), side, |r, px, qty| orders.1.push((r, px, qty)));
            assert_eq!(orders.0, orders.1, "{ev:?}");
        }
    }
}

/// Historical flow, where the shared material is beside the repository; with `COLO_REQUIRE_SHARED=1` it has to be there.
#[test]
#[allow(clippy::print_stdout)]
fn historical_flow_is_the_same_in_both() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/itch50");
    for name in ["aapl_20120621_0930.itch", "three_symbols_20101224.itch"] {
        let Ok(file) = std::fs::read(format!("{root}/{name}")) else {
            assert!(std::env::var("COLO_REQUIRE_SHARED").as_deref() != Ok("1"), "no {root}/{name}");
            println!("skipped: no {name} beside the repository");
            continue;
        };
        let events = itch::events(&file);
        assert!(events.len() > 10_000, "{name}: {}", events.len());
        let c = BookCapacity { instruments: 64, live_orders: 50_000, levels: 20_000, direct_refs: 1 << 28 };
        let (mut flat, mut naive) = (FlatBooks::new(&c), NaiveBooks::new(&c));
        for (n, ev) in events.iter().enumerate() {
            assert_eq!(flat.apply(ev), naive.apply(ev), "{name}: message {n}");
            assert_eq!(flat.top(ev.instrument), naive.top(ev.instrument), "{name}: message {n}");
        }
        assert_eq!(flat.stats(), naive.stats());
        let unknown = flat.stats().unknown_refs.total();
        println!("{name}: {} messages, {} live, {unknown} unknown", events.len(), flat.live_orders());
        assert_eq!(
            unknown > 0,
            name.starts_with("three"),
            "only the artificial day names orders it never added"
        );
        for id in (0..64).map(InstrumentId) {
            assert_eq!(flat.hash(id), naive.hash(id));
            for side in [Buy, Sell] {
                let mut orders = (Vec::new(), Vec::new());
                flat.for_each_order(id, side, |r, px, qty| orders.0.push((r, px, qty)));
                naive.for_each_order(id, side, |r, px, qty| orders.1.push((r, px, qty)));
                assert_eq!(orders.0, orders.1);
                for (r, _, _) in &orders.1 {
                    assert_eq!(flat.queue_position(*r), naive.queue_position(*r));
                }
            }
        }
    }
}
