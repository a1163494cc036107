//! Each refusal of the risk gate, and beside it the nearest request that passes. [`Kit::ask`] checks that a refusal changes no state.

use engine::{RiskLimits, RiskReject};
use model::{
    CommandKind, Control, FeedId, FeedStatus, HaltReason, Input, InstrumentId, MarketBody, Nanos, Px, Qty,
    ReportKind, SessionEvent, Side, Symbol, Tif, Token, TradingState, Usd, VenueRef,
};

use crate::kit::*;

#[test]
fn halted() {
    let mut kit = Kit::ready(wide());
    kit.control(Control::Halt(HaltReason::Operator));
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::Halted);
    kit.control(Control::Resume);
    kit.passes(buy(A, 1, MID));
}

#[test]
fn session_down() {
    let mut kit = Kit::ready(wide());
    kit.session(0, SessionEvent::Disconnected);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::SessionDown);
    kit.session(0, SessionEvent::LoggedIn);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::SessionDown, "reports are still being replayed");
    kit.passes(buy(C, 1, MID)); // the other gateway's
    kit.session(0, SessionEvent::Ready { next_token: Token(0), proven: true });
    kit.passes(buy(A, 1, MID));
}

#[test]
fn no_token() {
    let mut kit = Kit::new(wide());
    kit.start();
    kit.tokens(20_000, 20_002);
    assert_eq!(kit.engine.tokens_left(), 2);
    assert_eq!(kit.passes(buy(A, 1, MID)), 20_000);
    assert_eq!(kit.passes(buy(A, 2, MID)), 20_001);
    assert_eq!(kit.refused(buy(A, 3, MID)), RiskReject::NoToken);
    kit.accept(20_000);
    assert_eq!(kit.refused(replace(20_000, 5, MID)), RiskReject::NoToken, "a replace takes one too");
    kit.tokens(20_002, 20_003);
    assert_eq!(kit.passes(replace(20_000, 5, MID)), 20_002);
}

#[test]
fn quantity() {
    let mut kit = Kit::ready(RiskLimits { max_order_quantity: Qty(500), ..wide() });
    assert_eq!(kit.refused(buy(A, 0, MID)), RiskReject::Quantity);
    assert_eq!(kit.refused(buy(A, 501, MID)), RiskReject::Quantity);
    let token = kit.live(buy(A, 500, MID));
    assert_eq!(kit.refused(replace(token, 501, MID)), RiskReject::Quantity);
    assert_eq!(kit.refused(replace(token, 0, MID)), RiskReject::Quantity);
    kit.passes(replace(token, 499, MID));
    // What the venue cannot take is refused whatever the limit says.
    let mut kit = Kit::ready(RiskLimits { max_order_quantity: Qty(u32::MAX), ..wide() });
    assert_eq!(kit.refused(buy(A, 1_000_000, MID)), RiskReject::Quantity);
    kit.passes(buy(A, 999_999, MID));
}

#[test]
fn a_replace_counts_what_already_traded_towards_the_venues_largest_order() {
    let mut kit = Kit::ready(wide());
    let token = kit.live(buy(A, 999_999, MID));
    kit.report(token, executed(1, MID, 1));
    assert_eq!(kit.refused(replace(token, 999_999, MID)), RiskReject::Quantity);
    let command = kit.ask(replace(token, 999_998, MID - 100)).unwrap().unwrap();
    let CommandKind::Replace { qty, .. } = command.kind else { panic!("{command:?}") };
    assert_eq!(qty, Qty(999_999), "the chain's total");
}

#[test]
fn price() {
    let mut kit = Kit::ready(RiskLimits { price_collar_bps: 10_000_000, ..wide() });
    for at in [0, -1, i64::MIN, i64::MAX, Px::MAX.0 + 1] {
        assert_eq!(kit.refused(buy(A, 1, at)), RiskReject::Price, "{at}");
    }
    let token = kit.live(buy(A, 1, 1));
    assert_eq!(kit.refused(replace(token, 1, 0)), RiskReject::Price);
    kit.passes(buy(B_WITH_BOOK, 1, Px::MAX.0 / 2));
}

const B_WITH_BOOK: InstrumentId = C;

#[test]
fn notional() {
    let mut kit = Kit::ready(RiskLimits { max_order_notional: Usd(500 * MID), ..wide() });
    kit.passes(buy(A, 500, MID));
    assert_eq!(kit.refused(buy(A, 500, MID + 1)), RiskReject::Notional);
    assert_eq!(kit.refused(buy(A, 501, MID)), RiskReject::Notional);
    let token = kit.live(buy(A, 500, MID - 1));
    assert_eq!(kit.refused(replace(token, 501, MID)), RiskReject::Notional);
    kit.passes(replace(token, 500, MID));
}

#[test]
fn not_trading() {
    let mut kit = Kit::ready(wide());
    assert_eq!(kit.refused(buy(B, 1, MID)), RiskReject::NoReference, "B trades; it has no book");
    for state in
        [TradingState::Halted, TradingState::Paused, TradingState::QuotationOnly, TradingState::Unknown]
    {
        kit.trading(A, state);
        assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::NotTrading);
        kit.passes(buy(C, 1, MID));
    }
    kit.trading(A, TradingState::Trading);
    kit.passes(buy(A, 1, MID));
    kit.give(Input::Market(
        FeedId(0),
        model::MarketEvent {
            ts_event: Nanos(1),
            instrument: InstrumentId(0),
            body: MarketBody::CircuitBreaker { level: b'1' },
        },
    ));
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::NotTrading, "a market-wide breach halts all");
}

#[test]
fn stale_market() {
    let mut kit = Kit::ready(wide());
    kit.now = kit.now.after(Nanos::from_millis(3_000));
    kit.passes(buy(A, 1, MID));
    kit.now.0 += 1;
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::StaleMarket);
    kit.give(Input::Feed(FEED, FeedStatus::Heartbeat));
    kit.passes(buy(A, 1, MID));
    for (status, refused) in [
        (FeedStatus::Silent, Some(RiskReject::StaleMarket)),
        (FeedStatus::Heartbeat, Some(RiskReject::StaleMarket)),
        (FeedStatus::Synced { next: 9 }, None),
        (FeedStatus::Recovering { from: 9, to: 12 }, Some(RiskReject::StaleMarket)),
        (FeedStatus::Synced { next: 12 }, None),
        (FeedStatus::EndOfSession, Some(RiskReject::MarketClosed)),
    ] {
        kit.give(Input::Feed(FEED, status));
        assert_eq!(kit.ask(buy(A, 1, MID)).err(), refused, "{status:?}");
    }
}

#[test]
fn what_is_lost_is_stale_until_a_new_session() {
    let mut kit = Kit::ready(wide());
    kit.give(Input::Feed(FEED, FeedStatus::Lost { from: 5, to: 6 }));
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 6 }));
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::StaleMarket);
    kit.give(Input::Feed(FEED, FeedStatus::NewSession));
    assert_eq!(kit.engine.top(A), engine::book::Top::default(), "what was known is void");
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 1 }));
    kit.trading(A, TradingState::Trading);
    kit.quote(A, Side::Buy, 10, MID - 100);
    kit.quote(A, Side::Sell, 10, MID + 100);
    kit.passes(buy(A, 1, MID));
}

#[test]
fn collar() {
    let mut kit = Kit::ready(wide()); // 5 percent of 100.00
    for (at, passes) in
        [(MID - 50_000, true), (MID - 50_001, false), (MID + 50_000, true), (MID + 50_001, false)]
    {
        match kit.ask(buy(A, 1, at)) {
            Ok(_) => assert!(passes, "{at}"),
            Err(why) => assert!(!passes && why == RiskReject::Collar, "{at} {why:?}"),
        }
    }
    let token = kit.live(buy(A, 2, MID));
    assert_eq!(kit.refused(replace(token, 2, MID - 50_001)), RiskReject::Collar);
    kit.passes(replace(token, 2, MID - 50_000));
}

#[test]
fn position() {
    let mut kit = Kit::ready(RiskLimits { max_position: 1_000, ..wide() });
    let first = kit.live(buy(A, 400, MID - 300));
    kit.report(first, executed(100, MID - 300, 1)); // held 100, open 300
    assert_eq!(kit.refused(buy(A, 601, MID - 300)), RiskReject::Position);
    kit.live(buy(A, 600, MID - 300));
    assert_eq!(kit.refused(buy(A, 1, MID - 300)), RiskReject::Position);
    // The other side has its own room: 100 held may go to 1,000 short.
    assert_eq!(kit.refused(sell(A, 1_101, MID + 300)), RiskReject::Position);
    kit.live(sell(A, 1_100, MID + 300));
    assert_eq!(kit.refused(sell(A, 1, MID + 300)), RiskReject::Position);
    // Other instruments have their own.
    kit.passes(buy(C, 1_000, MID));
}

#[test]
fn a_replace_is_measured_by_the_worse_of_both() {
    let mut kit = Kit::ready(RiskLimits { max_position: 1_000, ..wide() });
    let token = kit.live(buy(A, 600, MID - 300));
    assert_eq!(kit.refused(replace(token, 1_001, MID - 300)), RiskReject::Position);
    let second = kit.passes(replace(token, 1_000, MID - 300));
    assert_eq!(kit.refused(buy(A, 1, MID - 300)), RiskReject::Position, "what is in flight counts");
    kit.report(second, rejected());
    kit.passes(buy(A, 400, MID - 300));
}

#[test]
fn a_replace_that_takes_shares_off_passes_over_the_position_limit() {
    let mut kit = Kit::ready(RiskLimits { max_position: 1_000, ..wide() });
    let token = kit.live(buy(A, 900, MID - 300));
    // Another program's order on the account fills: the worst case is 1,500.
    kit.report(5_000, accepted(A, Side::Buy, 600, MID));
    kit.report(5_000, executed(600, MID, 1));
    assert_eq!(kit.refused(replace(token, 901, MID - 300)), RiskReject::Position);
    kit.passes(replace(token, 899, MID - 300));
}

#[test]
fn short_mark() {
    let mut kit = Kit::ready(wide());
    let bought = kit.live(buy(A, 100, MID));
    kit.report(bought, executed(100, MID, 1));
    let long = kit.live(sell(A, 60, MID + 100));
    assert_eq!(kit.refused(replace(long, 101, MID + 100)), RiskReject::ShortMark);
    let moved = kit.passes(replace(long, 100, MID + 100));
    kit.report(moved, replaced(long, 100, MID + 100));
    kit.passes(replace(long, 90, MID + 200)); // fewer: no more short than before
    // Sent as short, it may grow.
    let short = kit.live(sell(A, 10, MID + 300));
    assert!(kit.order(short).short && !kit.order(long).short);
    kit.passes(replace(short, 20, MID + 300));
}

#[test]
fn a_short_order_cannot_be_moved_to_the_bid_under_the_restriction() {
    let mut kit = Kit::ready(wide());
    let short = kit.live(sell(A, 10, MID + 100));
    kit.market(A, MarketBody::ShortSaleRestriction { symbol: Symbol::BLANK, action: b'1' });
    assert_eq!(kit.refused(replace(short, 10, MID - 100)), RiskReject::ShortSale);
    kit.passes(replace(short, 10, MID - 99));
}

#[test]
fn open_orders() {
    let mut kit = Kit::ready(RiskLimits { max_open_orders: 2, ..wide() });
    let first = kit.live(buy(A, 1, MID));
    kit.live(buy(C, 1, MID));
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::OpenOrders);
    kit.passes(replace(first, 2, MID)); // no more orders than before
    kit.report(first, canceled(1));
    kit.passes(buy(A, 1, MID));
}

#[test]
fn message_rate() {
    let mut kit = Kit::ready(RiskLimits { max_messages_per_second: 3, ..wide() });
    let t0 = kit.now.0;
    let first = kit.live(buy(A, 1, MID - 100));
    kit.now = Nanos(t0 + 10);
    kit.passes(buy(A, 1, MID - 100));
    kit.passes(replace(first, 2, MID - 100));
    assert_eq!(kit.refused(buy(A, 1, MID - 100)), RiskReject::MessageRate);
    kit.now = Nanos(t0 + SECOND - 1);
    assert_eq!(kit.refused(buy(A, 1, MID - 100)), RiskReject::MessageRate);
    kit.now = Nanos(t0 + SECOND);
    kit.passes(buy(A, 1, MID - 100));
    assert_eq!(kit.refused(buy(A, 1, MID - 100)), RiskReject::MessageRate);
}

#[test]
fn duplicate() {
    let mut kit = Kit::ready(RiskLimits { duplicate_window: Nanos(1_000), ..wide() });
    kit.passes(buy(A, 7, MID));
    kit.now.0 += 999;
    assert_eq!(kit.refused(buy(A, 7, MID)), RiskReject::Duplicate);
    for other in [buy(A, 8, MID), buy(A, 7, MID - 1), buy(C, 7, MID), sell(A, 7, MID + 1)] {
        kit.passes(other);
    }
    kit.now.0 += 1;
    kit.passes(buy(A, 7, MID));
}

#[test]
fn a_duplicate_is_found_behind_everything_that_the_window_holds() {
    let limits = RiskLimits { duplicate_window: Nanos(60 * SECOND), max_messages_per_second: 4, ..wide() };
    let mut kit = Kit::ready(RiskLimits { max_market_age: Nanos(u64::MAX), ..limits });
    kit.passes(buy(A, 7, MID - 200));
    for n in 0..3 * 59 {
        kit.passes(buy(A, 100 + n, MID - 200));
        if n % 3 == 0 {
            kit.now.0 += SECOND;
        }
    }
    assert_eq!(kit.refused(buy(A, 7, MID - 200)), RiskReject::Duplicate);
    kit.now.0 += SECOND;
    kit.passes(buy(A, 7, MID - 200));
}

#[test]
fn self_trade() {
    let mut kit = Kit::ready(wide());
    let ours = kit.passes(sell(A, 10, MID + 200)); // not yet accepted: it counts all the same
    assert_eq!(kit.refused(buy(A, 1, MID + 200)), RiskReject::SelfTrade);
    let bid = kit.live(buy(A, 1, MID + 199));
    assert_eq!(kit.refused(replace(bid, 1, MID + 200)), RiskReject::SelfTrade);
    kit.passes(buy(C, 1, MID + 200)); // another instrument
    kit.accept(ours);
    // A replace in flight may rest at either price.
    kit.passes(replace(ours, 10, MID + 300));
    assert_eq!(kit.refused(buy(A, 1, MID + 250)), RiskReject::SelfTrade);
    // A cancel in flight has not taken it away.
    let far = kit.live(sell(A, 10, MID + 400));
    kit.ask(cancel(far)).unwrap();
    assert_eq!(kit.refused(buy(A, 1, MID + 400)), RiskReject::SelfTrade);
}

#[test]
fn unknown_order() {
    let mut kit = Kit::ready(wide());
    assert_eq!(kit.refused(cancel(1)), RiskReject::UnknownOrder);
    assert_eq!(kit.refused(replace(1, 1, MID)), RiskReject::UnknownOrder);
    let token = kit.live(buy(A, 10, MID - 100));
    let second = kit.passes(replace(token, 20, MID - 100));
    assert_eq!(kit.refused(cancel(second)), RiskReject::UnknownOrder, "an order keeps its first name");
    kit.report(second, replaced(token, 20, MID - 100));
    assert_eq!(kit.refused(cancel(second)), RiskReject::UnknownOrder);
    kit.ask(cancel(token)).unwrap();
    assert_eq!(kit.cancels(), [second], "the venue is given the name it knows");
    kit.report(second, canceled(20));
    assert_eq!(kit.refused(cancel(token)), RiskReject::UnknownOrder);
}

#[test]
fn busy() {
    let mut kit = Kit::ready(wide());
    let token = kit.passes(buy(A, 10, MID));
    assert_eq!(kit.refused(replace(token, 20, MID)), RiskReject::Busy, "not yet accepted");
    kit.accept(token);
    let second = kit.passes(replace(token, 20, MID));
    assert_eq!(kit.refused(replace(token, 30, MID)), RiskReject::Busy);
    kit.report(second, replaced(token, 20, MID));
    kit.passes(cancel(token));
    assert_eq!(kit.refused(replace(token, 30, MID)), RiskReject::Busy);
    assert_eq!(kit.refused(cancel(token)), RiskReject::Busy);
}

#[test]
fn unknown_instrument() {
    let mut kit = Kit::ready(wide());
    assert_eq!(kit.refused(buy(InstrumentId(3), 1, MID)), RiskReject::UnknownInstrument);
    assert_eq!(kit.refused(buy(InstrumentId(u16::MAX), 1, MID)), RiskReject::UnknownInstrument);
    kit.passes(buy(InstrumentId(2), 1, MID));
}

#[test]
fn too_many_intents() {
    let most = engine::limits::INTENTS_PER_CALLBACK;
    for extra in [0, 1, most, most + 3] {
        let mut kit = Kit::ready(wide());
        let intents: Vec<_> = (1..=(most + extra) as u32).map(|qty| buy(A, qty, MID)).collect();
        assert_eq!(kit.ask_all(&intents).len(), most);
        let refused: Vec<_> = kit.out.refusals().iter().map(|r| (r.intent, r.why)).collect();
        let all = intents[most..].iter().map(|i| (*i, RiskReject::TooManyIntents));
        assert_eq!(refused, all.take(most).collect::<Vec<_>>());
        assert_eq!(kit.engine.stats().refusals, extra as u64, "all are counted");
        let told = kit.told().into_iter().filter(|t| matches!(t, Told::Refused(..))).count();
        assert_eq!(told, refused.len());
        // The next callback starts afresh.
        assert_eq!(kit.ask_all(&[buy(A, 500, MID)]).len(), 1);
    }
}

#[test]
fn short_sale() {
    let mut kit = Kit::ready(wide());
    let restrict = |kit: &mut Kit<Hand>, action| {
        kit.market(A, MarketBody::ShortSaleRestriction { symbol: Symbol::BLANK, action });
    };
    kit.passes(sell(A, 10, MID - 100)); // at the bid, short, no restriction
    for action in [b'1', b'2', b'?'] {
        restrict(&mut kit, action);
        assert_eq!(kit.refused(sell(A, 10, MID - 100)), RiskReject::ShortSale, "at the bid");
        kit.passes(sell(A, 10, MID - 99)); // above it
        kit.passes(sell(C, 10, MID - 100)); // another symbol
    }
    restrict(&mut kit, b'0');
    kit.passes(sell(A, 10, MID - 100));
}

#[test]
fn a_long_sale_is_not_restricted_and_is_marked() {
    let mut kit = Kit::ready(wide());
    kit.market(A, MarketBody::ShortSaleRestriction { symbol: Symbol::BLANK, action: b'1' });
    let bought = kit.live(buy(A, 100, MID));
    kit.report(bought, executed(100, MID, 1));
    let short = |kit: &mut Kit<Hand>, intent| match kit.ask(intent).map(|c| c.unwrap().kind) {
        Ok(CommandKind::New { short, .. }) => Ok(short),
        Ok(other) => panic!("{other:?}"),
        Err(why) => Err(why),
    };
    assert_eq!(short(&mut kit, sell(A, 101, MID - 100)), Err(RiskReject::ShortSale));
    assert_eq!(short(&mut kit, sell(A, 60, MID - 100)), Ok(false));
    // What is open to sell is not there to be sold again.
    assert_eq!(short(&mut kit, sell(A, 41, MID - 100)), Err(RiskReject::ShortSale));
    assert_eq!(short(&mut kit, sell(A, 41, MID + 100)), Ok(true));
}

#[test]
fn cancels_pass_whatever_the_limits_say() {
    type Trouble = fn(&mut Kit<Hand>);
    let troubles: [(&str, Trouble); 7] = [
        ("halted", |kit| drop(kit.control(Control::Halt(HaltReason::Operator)))),
        ("not trading", |kit| drop(kit.trading(A, TradingState::Halted))),
        ("stale", |kit| drop(kit.give(Input::Feed(FEED, FeedStatus::Silent)))),
        ("old", |kit| kit.now.0 += 1_000 * SECOND),
        ("no token", |kit| while kit.ask(buy(C, 1, MID)) != Err(RiskReject::NoToken) {}),
        ("no book", |kit| drop(kit.unquote(A, VenueRef(1)))),
        ("rate", |kit| while kit.ask(buy(C, 1, MID)) != Err(RiskReject::MessageRate) {}),
    ];
    for (name, trouble) in troubles {
        let mut limits = wide();
        if name == "rate" {
            limits.max_messages_per_second = 5;
        }
        let mut kit = Kit::ready(limits);
        kit.tokens(30_000, 30_010);
        let token = kit.live(buy(A, 10, MID - 100));
        trouble(&mut kit);
        kit.refused(buy(A, 10, MID - 100)); // the trouble is real
        kit.ask(cancel(token)).unwrap();
        assert_eq!(kit.cancels(), [token], "{name}");
    }
}

#[test]
fn an_order_says_what_was_asked() {
    let mut kit = Kit::ready(wide());
    let ask = engine::strategy::Intent::New {
        instrument: C,
        side: Side::Sell,
        qty: Qty(12),
        px: px(MID + 5),
        tif: Tif::Ioc,
    };
    let command = kit.ask(ask).unwrap().unwrap();
    assert_eq!((command.gateway.0, command.instrument), (1, C));
    let kind = CommandKind::New {
        token: Token(1),
        side: Side::Sell,
        short: true,
        qty: Qty(12),
        px: px(MID + 5),
        tif: Tif::Ioc,
    };
    assert_eq!(command.kind, kind);
    // Its slot and exposure were there before it could be sent.
    assert_eq!(kit.engine.orders().exposure(C), engine::Exposure { buy: 0, sell: 12, orders: 1 });
}

#[test]
fn overflow() {
    // Only a venue that says absurd things can bring it about.
    let mut kit = Kit::ready(wide());
    let token = kit.live(buy(A, 10, MID));
    kit.report(token, ReportKind::Modified { qty: Qty(u32::MAX), side: Side::Buy, short: false });
    kit.report(token, executed(u32::MAX - 5, 1, 1));
    kit.report(token, ReportKind::CancelRejected); // that halted, and the halt's cancel was refused
    kit.control(Control::Resume);
    assert_eq!(kit.refused(replace(token, 6, MID)), RiskReject::Overflow);
    assert_eq!(kit.refused(replace(token, 5, MID)), RiskReject::Quantity);
}

/// A venue counts a chain with what of it has traded.
#[test]
fn a_chain_is_no_larger_than_an_order_may_be() {
    let mut kit = Kit::ready(wide());
    let token = kit.live(buy(A, 100, MID - 100));
    kit.report(token, executed(60, MID - 100, 1));
    assert_eq!(kit.refused(replace(token, 999_940, MID - 100)), RiskReject::Quantity);
    kit.passes(replace(token, 999_939, MID - 100));
}

#[test]
fn another_price_for_what_was_marked_long_is_no_other_sale() {
    let mut kit = Kit::ready(wide());
    let bought = kit.live(buy(A, 10, MID));
    kit.report(bought, executed(10, MID, 1));
    let sold = kit.live(sell(A, 10, MID + 100));
    // The trade is taken back: nothing is held, and the venue has the order as a long sale all the same.
    kit.report(bought, ReportKind::Broken { match_number: 1, reason: b'S' });
    assert_eq!((kit.shares(A), kit.order(sold).short), (0, false));
    assert_eq!(kit.refused(replace(sold, 11, MID + 100)), RiskReject::ShortMark);
    kit.passes(replace(sold, 10, MID + 200));
}
