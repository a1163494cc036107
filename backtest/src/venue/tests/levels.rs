//! Orders of ours in books of levels: told flows, and random ones in which nothing fills that had no reason to.

use super::*;
use crate::venue::queue::Queue;

/// The level of a price, as depth streams number it.
fn level(side: Side, px: i64) -> VenueRef {
    VenueRef((side as u64) << 40 | px.cast_unsigned())
}

fn comes(side: Side, px: i64, qty: u32) -> MarketEvent {
    ev(MarketBody::Add { order: level(side, px), px: Px(px), qty: Qty(qty), side, mpid: *b"    " })
}

fn falls(side: Side, px: i64, by: u32) -> MarketEvent {
    ev(MarketBody::Reduce { order: level(side, px), qty: Qty(by) })
}

fn grows(side: Side, px: i64, to: u32) -> MarketEvent {
    ev(MarketBody::Replace { old: level(side, px), new: level(side, px), qty: Qty(to), px: Px(px) })
}

fn goes(side: Side, px: i64) -> MarketEvent {
    ev(MarketBody::Delete { order: level(side, px) })
}

fn trade(side: Side, px: i64, qty: u32) -> MarketEvent {
    ev(MarketBody::Trade { px: Px(px), qty: Qty(qty), match_number: 1, side })
}

fn desk(queue: Queue) -> Desk {
    Desk::by(Rules { queue, ..Rules::default() })
}

#[test]
fn ours_waits_for_its_turn_at_its_level() {
    let mut d = desk(Queue::Back);
    d.market(comes(Side::Buy, 100, 300));
    d.ask(new(1, Side::Buy, 100, 50, Tif::Day));
    assert_eq!(d.venue.ahead(Token(1)), Some(300));
    // What comes stands behind us; who leaves is taken to have stood there too, as long as there were any.
    d.market(grows(Side::Buy, 100, 500));
    d.market(falls(Side::Buy, 100, 150));
    assert_eq!(d.venue.ahead(Token(1)), Some(300));
    d.market(falls(Side::Buy, 100, 100));
    assert_eq!(d.venue.ahead(Token(1)), Some(250));
    // Trades at our price, of our side; the level's word on them follows.
    assert_eq!(d.market(trade(Side::Buy, 100, 200)), []);
    d.market(falls(Side::Buy, 100, 200));
    assert_eq!(d.venue.ahead(Token(1)), Some(50));
    assert_eq!(d.market(trade(Side::Sell, 100, 500)), [], "of the other side");
    assert_eq!(d.market(trade(Side::Buy, 100, 80)), [(1, 30, 100)]);
    // A level that is gone leaves nobody before us.
    d.market(goes(Side::Buy, 100));
    assert_eq!(d.market(trade(Side::Buy, 100, 5)), [(1, 5, 100)]);
    assert_eq!(d.market(trade(Side::Buy, 99, 100)), [(1, 15, 100)], "past our price: ours first");
}

#[test]
fn a_belief_moves_us_on_as_others_give_up() {
    // Of 100 that go, with 300 before us and 600 behind: 27 of 243 stood before us, or ln 301 of ln 301 + ln 601.
    for (queue, before) in [(Queue::Back, 300), (Queue::Power(300), 289), (Queue::Log, 253)] {
        let mut d = desk(queue);
        d.market(comes(Side::Buy, 100, 300));
        d.ask(new(1, Side::Buy, 100, 50, Tif::Day));
        d.market(grows(Side::Buy, 100, 900));
        d.market(falls(Side::Buy, 100, 100));
        assert_eq!(d.venue.ahead(Token(1)), Some(before), "{queue:?}");
    }
}

#[test]
fn what_crosses_trades_and_shares_of_a_level_are_taken_once() {
    let mut d = desk(Queue::Log);
    d.market(comes(Side::Sell, 101, 100));
    assert_eq!(d.ask(new(1, Side::Buy, 101, 150, Tif::Day)), [(1, 100, 101)]);
    // The rest of ours stands where the level is believed to be still: nothing comes of that by itself.
    assert_eq!(d.market(falls(Side::Sell, 101, 10)), []);
    // What the level grows by would have met us.
    assert_eq!(d.market(grows(Side::Sell, 101, 120)), [(1, 30, 101)]);
    assert_eq!(d.market(comes(Side::Sell, 99, 500)), [(1, 20, 101)]);
    // 480 are left of the 500 at 99; all 120 at 101 were ours.
    assert_eq!(d.ask(new(2, Side::Buy, 101, 600, Tif::Ioc)), [(2, 480, 99)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What fills while it rests is at most what traded or came across since, on its side and at its price or worse; and who is believed to stand before us never grows in number.
    #[test]
    fn nothing_fills_without_a_reason(
        model in 0usize..5,
        steps in proptest::collection::vec((0u8..6, any::<bool>(), 95i64..106, 1u32..400), 1..200),
    ) {
        let queue = [Queue::Back, Queue::Power(300), Queue::Power3(200), Queue::Log, Queue::Log2][model];
        let mut d = desk(queue);
        let mut levels: BTreeMap<(bool, i64), u32> = BTreeMap::new();
        let (mut token, mut ours) = (0u32, BTreeMap::<u32, (Side, i64, u32)>::new());
        for (what, buy, px, qty) in steps {
            let side = if buy { Side::Buy } else { Side::Sell };
            let places: BTreeMap<u32, u64> = ours.keys().filter_map(|t| Some((*t, d.venue.ahead(Token(*t))?))).collect();
            let before: u32 = ours.values().map(|o| o.2).sum();
            let held = levels.get(&(buy, px)).copied();
            let (fills, most) = match (what, held) {
                (0, _) => {
                    token += 1;
                    ours.insert(token, (side, px, qty));
                    let fills = d.ask(new(token, side, px, qty, Tif::Day));
                    // It takes what rests on the other side; none that rested before trades.
                    prop_assert!(fills.iter().all(|f| f.0 == token));
                    (fills, u32::MAX)
                }
                (1, _) => (d.market(trade(side, px, qty)), qty),
                (2, None) => {
                    levels.insert((buy, px), qty);
                    (d.market(comes(side, px, qty)), qty)
                }
                (3, Some(was)) => {
                    levels.insert((buy, px), was + qty);
                    (d.market(grows(side, px, was + qty)), qty)
                }
                (4, Some(was)) if qty < was => {
                    levels.insert((buy, px), was - qty);
                    (d.market(falls(side, px, qty)), 0)
                }
                (5, Some(_)) => {
                    levels.remove(&(buy, px));
                    (d.market(goes(side, px)), 0)
                }
                _ => continue,
            };
            let filled: u32 = fills.iter().map(|f| f.1).sum();
            prop_assert!(filled <= most && filled <= before.max(qty), "{filled} shares of an event of {most}");
            for (t, n, at) in fills {
                let own = ours.get_mut(&t).unwrap();
                if what != 0 {
                    let rests = if what == 1 { side } else { side.opposite() };
                    prop_assert!(own.0 == rests && !better(rests, Px(px), Px(own.1)), "order {own:?} by {side:?} at {px}");
                    prop_assert_eq!(at, own.1);
                }
                own.2 -= n;
                if own.2 == 0 {
                    ours.remove(&t);
                }
            }
            for (t, was) in places {
                if let Some(now) = d.venue.ahead(Token(t)) {
                    prop_assert!(now <= was, "order {t}: {was}, then {now} before it");
                }
            }
            prop_assert_eq!(d.venue.resting(), ours.len());
        }
    }
}
