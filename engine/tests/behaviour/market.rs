//! What market data does to the ground that orders stand on: reference, validity, trading state.

use engine::book::BookCapacity;
use engine::{Reason, RiskReject, Soundness};
use model::{
    FeedStatus, Input, InstrumentId, MarketBody, Px, Qty, Side, Symbol, TradingState, Usd, Validity, VenueRef,
};

use crate::kit::*;

fn reference(kit: &Kit<Hand>) -> Px {
    kit.engine.instruments().of(A).reference
}

#[test]
fn a_book_without_two_sides_gives_no_reference() {
    let mut kit = Kit::ready(wide());
    assert_eq!(reference(&kit), Px(MID));
    kit.unquote(A, VenueRef(1));
    assert_eq!(reference(&kit), Px::ZERO);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::NoReference);
    // Locked is no market either.
    kit.quote(A, Side::Buy, 10, MID + 100);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::NoReference);
    let crossed = kit.quote(A, Side::Buy, 10, MID + 200);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::NoReference);
    kit.unquote(A, crossed);
    kit.unquote(A, VenueRef(crossed.0 - 1));
    kit.quote(A, Side::Buy, 10, MID - 100);
    kit.passes(buy(A, 1, MID));
}

#[test]
fn the_middle_of_a_stub_quote_is_no_reference() {
    let mut kit = Kit::ready(wide()); // collar 5 percent
    let pnl = kit.engine.pnl();
    kit.unquote(A, VenueRef(2));
    let stub = kit.quote(A, Side::Sell, 10, 1_999_990_000);
    for at in [MID, 1_000_500_000] {
        assert_eq!(kit.refused(buy(A, 1, at)), RiskReject::NoReference);
    }
    assert_eq!(kit.engine.pnl(), pnl);
    kit.unquote(A, stub);
    // 95.00 by 105.00 is just inside the collar around its middle.
    kit.unquote(A, VenueRef(1));
    kit.quote(A, Side::Buy, 10, MID - 50_000);
    kit.quote(A, Side::Sell, 10, MID + 50_000);
    assert_eq!(reference(&kit), Px(MID));
    kit.passes(buy(A, 1, MID));
    kit.unquote(A, VenueRef(stub.0 + 1));
    kit.quote(A, Side::Buy, 10, MID - 50_002);
    assert_eq!(reference(&kit), Px::ZERO);
}

#[test]
fn a_stub_quote_does_not_bring_a_loss() {
    let mut kit = Kit::ready(engine::RiskLimits { max_daily_loss: Usd(1_000 * 10_000), ..wide() });
    let t = kit.live(sell(A, 100, MID));
    kit.report(t, executed(100, MID, 1));
    kit.quote(A, Side::Sell, 10, 1_999_990_000);
    kit.unquote(A, VenueRef(2));
    assert_eq!((kit.engine.halted(), kit.engine.pnl()), (None, Usd(0)));
}

#[test]
fn a_book_synced_has_a_reference_at_once_and_not_an_old_one() {
    let mut kit = Kit::ready(wide());
    kit.give(Input::Feed(FEED, FeedStatus::Recovering { from: 1, to: 9 }));
    kit.quote(A, Side::Buy, 10, MID - 50);
    kit.unquote(A, VenueRef(2));
    kit.quote(A, Side::Sell, 10, MID + 250);
    assert_eq!(reference(&kit), Px(MID), "not looked at while it cannot be trusted");
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 9 }));
    assert_eq!(reference(&kit), Px(MID + 100));
    // A late join: the book was built before it was valid.
    let mut kit = Kit::new(wide());
    kit.tokens(1, 9);
    kit.session(0, model::SessionEvent::Ready { next_token: model::Token(0), proven: true });
    kit.trading(A, TradingState::Trading);
    kit.quote(A, Side::Buy, 10, MID - 100);
    kit.quote(A, Side::Sell, 10, MID + 100);
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 4 }));
    kit.passes(buy(A, 1, MID));
}

#[test]
fn a_snapshot_builds_the_book_anew_and_only_a_whole_one_makes_it_valid() {
    let mut kit = Kit::ready(wide());
    kit.quote(A, Side::Buy, 10, MID - 100);
    kit.quote(A, Side::Sell, 10, MID + 100);
    kit.give(Input::Feed(FEED, FeedStatus::Lost { from: 5, to: 6 }));
    for is_whole in [false, true] {
        kit.give(Input::Feed(FEED, FeedStatus::SnapshotBegin));
        assert_eq!(kit.engine.top(A), engine::book::Top::default(), "what was known is void");
        let i = *kit.engine.instruments().of(A);
        assert_eq!((i.validity, i.trading, i.lost), (Validity::Recovering, TradingState::Unknown, false));
        kit.trading(A, TradingState::Trading);
        kit.quote(A, Side::Buy, 10, MID - 300);
        kit.quote(A, Side::Sell, 10, MID + 300);
        assert_eq!(reference(&kit), Px::ZERO, "not looked at while it is built");
        assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::StaleMarket);
        if is_whole {
            kit.give(Input::Feed(FEED, FeedStatus::SnapshotEnd { next: 40 }));
            let i = *kit.engine.instruments().of(A);
            assert_eq!(i.validity, Validity::Recovering, "until the stream is there");
        }
    }
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 41 }));
    assert_eq!(kit.engine.instruments().of(A).validity, Validity::Valid);
    assert_eq!(reference(&kit), Px(MID));
    kit.passes(buy(A, 1, MID));
    // Another feed's books are its own.
    kit.give(Input::Feed(FEED, FeedStatus::SnapshotBegin));
    kit.passes(buy(C, 1, MID));
}

#[test]
fn a_new_session_voids_all_that_was_known() {
    let mut kit = Kit::ready(wide());
    kit.give(Input::Feed(FEED, FeedStatus::NewSession));
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 1 }));
    let i = *kit.engine.instruments().of(A);
    assert_eq!((i.trading, i.reference, i.last), (TradingState::Unknown, Px::ZERO, Px::ZERO));
    kit.quote(A, Side::Buy, 10, MID - 100);
    kit.quote(A, Side::Sell, 10, MID + 100);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::NotTrading, "not named by the new session yet");
    kit.trading(A, TradingState::Trading);
    kit.passes(buy(A, 1, MID));
    kit.passes(buy(C, 1, MID)); // the other feed's session is its own
}

#[test]
fn a_book_that_a_message_does_not_fit_is_stale() {
    let r = VenueRef(1);
    let add = |order, px, qty| MarketBody::Add {
        order,
        px: Px(px),
        qty: Qty(qty),
        side: Side::Buy,
        mpid: *b"    ",
    };
    let unfit = [
        MarketBody::Delete { order: VenueRef(999) },
        MarketBody::Execute { order: VenueRef(999), qty: Qty(1), match_number: 1 },
        MarketBody::Reduce { order: r, qty: Qty(1_001) },
        MarketBody::Replace { old: VenueRef(999), new: VenueRef(998), qty: Qty(1), px: Px(MID - 100) },
        MarketBody::Replace { old: r, new: VenueRef(2), qty: Qty(1), px: Px(MID - 100) },
        add(r, MID, 5),
        add(VenueRef(777), -1, 5),
    ];
    for body in unfit {
        let mut kit = Kit::ready(wide());
        kit.market(A, body);
        assert_eq!(kit.engine.instruments().of(A).validity, Validity::Stale, "{body:?}");
        assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::StaleMarket, "{body:?}");
        kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 9 }));
        assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::StaleMarket, "{body:?}");
        kit.passes(buy(C, 1, MID));
        kit.give(Input::Feed(FEED, FeedStatus::NewSession));
        kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 1 }));
        let i = kit.engine.instruments().of(A);
        let (word, why) = (Validity::Halted, Reason::NotNamed);
        assert_eq!((i.soundness, i.validity, i.reason), (Soundness::Sound, word, why), "{body:?}");
    }
    let mut kit = Kit::ready(wide());
    kit.market(A, add(VenueRef(777), MID - 200, 0)); // nothing was to be added, nothing lacks
    kit.market(A, MarketBody::Reduce { order: r, qty: Qty(10) });
    kit.passes(buy(A, 1, MID));
}

#[test]
fn a_book_without_room_is_stale() {
    let mut config = config(wide());
    config.book = BookCapacity { live_orders: 4, ..config.book };
    let mut kit = Kit::ready(wide());
    kit.engine = engine::Engine::new(&config, Hand::default());
    kit.start();
    kit.passes(buy(A, 1, MID));
    for _ in 0..3 {
        kit.quote(A, Side::Buy, 10, MID - 200);
    }
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::StaleMarket);
    kit.passes(buy(C, 1, MID));
}

#[test]
fn an_operational_halt_ends_by_itself_and_ends_nothing_else() {
    let mut kit = Kit::ready(wide());
    let h = |kit: &mut Kit<Hand>, market, action| {
        kit.market(A, MarketBody::OperationalHalt { symbol: Symbol::BLANK, market, action });
        kit.engine.instruments().of(A).trading
    };
    assert_eq!(h(&mut kit, b'Q', b'H'), TradingState::Halted);
    assert_eq!(h(&mut kit, b'B', b'H'), TradingState::Halted);
    assert_eq!(h(&mut kit, b'B', b'T'), TradingState::Halted, "one market's is no other's");
    assert_eq!(h(&mut kit, b'Q', b'T'), TradingState::Trading);
    for state in [TradingState::Halted, TradingState::Paused, TradingState::QuotationOnly] {
        kit.trading(A, state);
        assert_eq!(h(&mut kit, b'Q', b'T'), state, "a regulatory halt stays");
        h(&mut kit, b'Q', b'H');
        assert_eq!(h(&mut kit, b'Q', b'T'), state);
    }
    h(&mut kit, b'Q', b'H');
    kit.trading(A, TradingState::Trading);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::NotTrading);
    assert_eq!(h(&mut kit, b'Q', b'T'), TradingState::Trading);
    kit.market(InstrumentId(0), MarketBody::CircuitBreaker { level: b'1' });
    assert_eq!(h(&mut kit, b'Q', b'T'), TradingState::Halted);
    kit.trading(A, TradingState::Trading);
    kit.passes(buy(A, 1, MID));
}

#[test]
fn market_data_is_as_old_as_its_packet() {
    let mut kit = Kit::ready(wide()); // at most 3 s
    let received = kit.now;
    kit.now.0 += 5 * SECOND;
    kit.timer();
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::StaleMarket, "silence");
    // A packet that lay in the ring, or in the socket, for 4 s.
    let late = kit.now;
    kit.now = received;
    kit.now.0 += SECOND;
    kit.quote(A, Side::Buy, 10, MID - 200);
    kit.give(Input::Feed(FEED, FeedStatus::Heartbeat));
    kit.now = late;
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::StaleMarket);
    // 2.9 s is not too old, and what comes after it out of time takes nothing back.
    kit.now.0 -= 2_900_000_000;
    kit.quote(A, Side::Buy, 10, MID - 200);
    kit.now = received;
    kit.give(Input::Feed(FEED, FeedStatus::Heartbeat));
    kit.now = late;
    kit.passes(buy(A, 1, MID));
}

#[test]
fn prints_are_told_and_are_the_last_price() {
    let mut kit = Kit::ready(wide());
    kit.told();
    let last = |kit: &Kit<Hand>| kit.engine.instruments().of(A).last.0;
    kit.market(A, MarketBody::Execute { order: VenueRef(1), qty: Qty(10), match_number: 1 });
    assert_eq!(last(&kit), MID - 100);
    let at = |order, px, printable| MarketBody::ExecuteAt {
        order: VenueRef(order),
        qty: Qty(10),
        match_number: 2,
        px: Px(px),
        printable,
    };
    kit.market(A, at(2, MID + 50, true));
    assert_eq!(last(&kit), MID + 50);
    kit.market(A, at(2, MID + 60, false)); // comes again in the cross
    assert_eq!(last(&kit), MID + 50);
    kit.market(A, MarketBody::Trade { px: Px(MID), qty: Qty(7), match_number: 3, side: Side::Buy });
    let cross = model::CrossKind::Opening;
    kit.market(A, MarketBody::Cross { qty: 9, match_number: 4, px: Px(MID + 1), cross });
    kit.market(A, MarketBody::Cross { qty: 0, match_number: 5, px: Px(MID + 2), cross });
    assert_eq!(last(&kit), MID + 1);
    let prints: Vec<_> = kit
        .told()
        .into_iter()
        .filter_map(|t| match t {
            Told::Trade(t) => Some((t.px.0 - MID, t.qty, t.resting)),
            _ => None,
        })
        .collect();
    let (b, s) = (Some(Side::Buy), Some(Side::Sell));
    assert_eq!(prints, [(-100, 10, b), (50, 10, s), (0, 7, None), (1, 9, None)]);
}
