//! Limits of firm, account and symbol; parts of the daily volume; money over all positions; the restricted list; what repeats itself or leads too far.

use engine::{
    AdvLimits, Alarm, DriftLimit, EngineConfig, Measure, RepeatLimit, RiskLimits, RiskReject, ScopeLimits,
    Scopes, SymbolLimits,
};
use model::{BreakerCause, BreakerLevel, Control, Nanos, Qty, Side, Usd};

use crate::kit::*;

fn kit(scopes: Scopes) -> Kit<Hand> {
    let mut kit = Kit::of(&EngineConfig { scopes, ..config(wide()) }, Hand::default());
    kit.start();
    kit
}

fn symbol(limits: SymbolLimits) -> Scopes {
    Scopes { symbols: vec![limits], ..Scopes::default() }
}

#[test]
fn the_tightest_of_all_scopes_wins() {
    let order = |n| ScopeLimits { max_order_quantity: Some(Qty(n)), ..ScopeLimits::default() };
    let with = |firm, account, strategy, of_symbol: u32| Scopes {
        firm: order(firm),
        accounts: vec![order(account)],
        strategy: order(strategy),
        ..symbol(SymbolLimits { max_order_quantity: Some(Qty(of_symbol)), ..SymbolLimits::default() })
    };
    for k in 0..4 {
        let mut n = [900; 4];
        n[k] = 10;
        let mut kit = kit(with(n[0], n[1], n[2], n[3]));
        assert_eq!(kit.refused(buy(A, 11, MID)), RiskReject::Quantity, "{n:?}");
        kit.passes(buy(A, 10, MID));
        // Another account and symbol.
        let of_c = if k == 0 || k == 2 { 10 } else { 900 };
        assert_eq!(kit.refused(buy(C, of_c + 1, MID)), RiskReject::Quantity, "{n:?}");
        kit.passes(buy(C, of_c, MID));
    }
    let mut wider = Kit::of(
        &EngineConfig {
            scopes: with(900, 900, 900, 900),
            ..config(RiskLimits { max_order_quantity: Qty(5), ..wide() })
        },
        Hand::default(),
    );
    wider.start();
    assert_eq!(wider.refused(buy(A, 6, MID)), RiskReject::Quantity, "no scope widens another");
}

#[test]
fn money_and_position_of_a_symbol() {
    let max_order_notional = Some(Usd(10 * MID));
    let mut kit =
        kit(symbol(SymbolLimits { max_order_notional, max_position: Some(25), ..SymbolLimits::default() }));
    assert_eq!(kit.refused(buy(A, 11, MID)), RiskReject::Notional);
    kit.live(buy(A, 10, MID));
    kit.live(buy(A, 9, MID));
    assert_eq!(kit.refused(buy(A, 7, MID)), RiskReject::Position);
    kit.passes(buy(A, 6, MID));
    kit.passes(buy(C, 500, MID));
}

#[test]
fn parts_of_the_daily_volume_and_none_without_one() {
    let adv = AdvLimits { max_order_bps: Some(100), max_position_bps: Some(150) };
    let of = |adv| SymbolLimits { adv, ..SymbolLimits::default() };
    let mut kit =
        kit(Scopes { adv, symbols: vec![of(Some(79_000)), of(None), of(None)], ..Scopes::default() });
    assert_eq!(kit.refused(buy(A, 791, MID)), RiskReject::Quantity);
    kit.live(buy(A, 790, MID));
    assert_eq!(kit.refused(buy(A, 396, MID)), RiskReject::Position);
    kit.passes(buy(A, 395, MID));
    assert_eq!(kit.refused(buy(C, 1, MID)), RiskReject::Quantity, "nobody knows what C trades");
}

#[test]
fn gross_and_net_notional_over_all_positions() {
    let firm = ScopeLimits {
        max_gross_notional: Some(Usd(100 * MID)),
        max_net_notional: Some(Usd(40 * MID)),
        ..ScopeLimits::default()
    };
    let mut kit = kit(Scopes { firm, ..Scopes::default() });
    let first = kit.live(buy(A, 40, MID));
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::NetNotional);
    assert_eq!(kit.refused(buy(C, 1, MID)), RiskReject::NetNotional);
    // The other way is another worst case.
    kit.live(sell(C, 40, MID));
    assert_eq!(kit.refused(sell(C, 1, MID)), RiskReject::NetNotional);
    kit.report(first, executed(40, MID, 1)); // 40 held: sells from here are net of it
    kit.live(sell(A, 40, MID + 100));
    assert_eq!(kit.refused(sell(A, 1, MID + 100)), RiskReject::NetNotional);
    // Gross: 40 held or sold of A, 40 of C.
    kit.report(2, canceled(40));
    let mut kit = self::kit(Scopes {
        firm: ScopeLimits { max_gross_notional: Some(Usd(50 * MID)), ..ScopeLimits::default() },
        ..Scopes::default()
    });
    kit.live(buy(A, 30, MID));
    kit.live(sell(C, 20, MID));
    assert_eq!(kit.refused(sell(C, 1, MID)), RiskReject::GrossNotional);
    assert_eq!(kit.refused(replace(1, 31, MID)), RiskReject::GrossNotional);
    kit.passes(sell(A, 30, MID + 100)); // no worse than the buy
    kit.report(1, canceled(30));
    assert_eq!(kit.refused(buy(C, 31, MID)), RiskReject::GrossNotional);
}

#[test]
fn a_higher_mark_uses_more_of_the_limit() {
    let firm = ScopeLimits { max_gross_notional: Some(Usd(100 * MID)), ..ScopeLimits::default() };
    let mut kit = kit(Scopes { firm, ..Scopes::default() });
    let token = kit.live(buy(A, 99, MID));
    kit.report(token, executed(99, MID, 1));
    kit.quote(A, Side::Buy, 10, MID + 50); // the middle is 75 higher
    assert_eq!(kit.refused(buy(C, 1, MID)), RiskReject::GrossNotional);
    kit.passes(sell(A, 99, MID + 100));
}

#[test]
fn accounts_count_their_own_orders() {
    let two = ScopeLimits { max_open_orders: Some(2), ..ScopeLimits::default() };
    let mut kit = kit(Scopes { accounts: vec![two], ..Scopes::default() });
    kit.live(buy(A, 1, MID));
    let second = kit.live(buy(A, 2, MID));
    assert_eq!(kit.refused(buy(A, 3, MID)), RiskReject::OpenOrders);
    for k in 1..5 {
        kit.live(buy(C, k, MID));
    }
    kit.passes(replace(second, 3, MID));
    kit.report(1, canceled(1));
    kit.passes(buy(A, 4, MID));
}

#[test]
fn what_is_restricted_is_not_traded_and_without_a_list_nothing_is() {
    let mut kit = kit(symbol(SymbolLimits { restricted: true, ..SymbolLimits::default() }));
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::Restricted);
    let of_c = kit.live(buy(C, 1, MID));
    kit.control(Control::Restrict { instrument: Some(A), shorts: false, on: false });
    kit.passes(buy(A, 1, MID));
    kit.control(Control::Restrict { instrument: None, shorts: false, on: true });
    assert_eq!(kit.refused(buy(A, 2, MID)), RiskReject::Restricted);
    assert_eq!(kit.refused(replace(of_c, 2, MID)), RiskReject::Restricted);
    kit.passes_cancel(of_c);
    kit.control(Control::Restrict { instrument: Some(model::InstrumentId(99)), shorts: false, on: true });
    assert_eq!(kit.engine.stats().controls_refused, 1);
}

#[test]
fn what_cannot_be_borrowed_is_not_sold_short_and_all_else_is_as_it_was() {
    let mut kit = kit(symbol(SymbolLimits { no_short: true, ..SymbolLimits::default() }));
    assert_eq!(kit.refused(sell(A, 1, MID + 100)), RiskReject::ShortList);
    let bought = kit.live(buy(A, 10, MID));
    kit.report(bought, executed(10, MID, 1));
    kit.passes(sell(A, 10, MID + 100));
    kit.control(Control::Restrict { instrument: Some(A), shorts: true, on: false });
    kit.passes(sell(A, 5, MID + 200));
    kit.control(Control::Restrict { instrument: None, shorts: true, on: true });
    assert_eq!(kit.refused(sell(C, 1, MID + 100)), RiskReject::ShortList);
    kit.passes(buy(C, 1, MID));
}

#[test]
fn the_same_order_behind_its_own_fill_disables_its_instrument() {
    let repeat = Some(RepeatLimit { count: 3, window: Nanos::from_millis(60_000) });
    let mut kit = kit(Scopes { repeat, ..Scopes::default() });
    for k in 0..4u64 {
        let token = kit.live(buy(A, 100, MID));
        kit.report(token, executed(100, MID, k + 1));
    }
    kit.ask_all(&[buy(A, 100, MID)]);
    assert_eq!(kit.out.refusals()[0].why, RiskReject::Repeated);
    assert_eq!(kit.out.alarms(), [Alarm::Disabled { instrument: A, cause: BreakerCause::Repeated }]);
    // Not another size either, nor after the window, before a person has looked.
    kit.now.0 += 70 * SECOND;
    kit.give(model::Input::Feed(FEED, model::FeedStatus::Heartbeat));
    assert_eq!(kit.refused(buy(A, 7, MID)), RiskReject::Disabled);
    kit.give(model::Input::Feed(model::FeedId(1), model::FeedStatus::Heartbeat));
    kit.passes(buy(C, 100, MID));
    kit.control(Control::Resume);
    kit.passes(buy(A, 100, MID));
}

#[test]
fn a_refusal_of_the_whole_restrains_until_a_person_resumes_and_one_of_a_part_does_not() {
    let none = ScopeLimits::default();
    let gross = ScopeLimits { max_gross_notional: Some(Usd(50 * MID)), ..none };
    let net = ScopeLimits { max_net_notional: Some(Usd(40 * MID)), ..none };
    let open = ScopeLimits { max_open_orders: Some(2), ..none };
    let position = ScopeLimits { max_position: Some(30), ..none };
    let (normal, cancel_only) = (BreakerLevel::Normal, BreakerLevel::CancelOnly);
    let exposure = (cancel_only, Some(BreakerCause::Exposure));
    let cases = [
        (gross, buy(A, 21, MID), RiskReject::GrossNotional, cancel_only, exposure),
        (gross, buy(A, 21, MID), RiskReject::GrossNotional, normal, (normal, None)),
        (net, replace(1, 41, MID), RiskReject::NetNotional, cancel_only, exposure),
        (open, buy(A, 1, MID), RiskReject::OpenOrders, cancel_only, exposure),
        (position, buy(A, 1, MID), RiskReject::Position, cancel_only, (normal, None)),
    ];
    for (firm, intent, why, on_exposure, then) in cases {
        let mut config = EngineConfig { scopes: Scopes { firm, ..Scopes::default() }, ..config(wide()) };
        config.breakers.on_exposure = on_exposure;
        let mut kit = Kit::of(&config, Hand::default());
        kit.start();
        kit.live(buy(A, 30, MID));
        kit.live(sell(C, 20, MID));
        kit.ask_all(&[intent]);
        assert_eq!(kit.out.refusals()[0].why, why);
        assert_eq!((kit.engine.level(), kit.engine.restrained_by()), then, "{why:?}");
        // Room does not take it back, a person does.
        kit.report(1, canceled(30));
        assert_eq!(kit.engine.level(), then.0);
        kit.control(Control::Resume);
        kit.passes(buy(A, 1, MID));
    }
}

#[test]
fn a_row_of_orders_that_leads_away_pauses_the_strategy() {
    let drift = Some(DriftLimit { bps: 10, window: Nanos::from_millis(10_000) });
    let mut kit = kit(Scopes { drift, ..Scopes::default() });
    kit.passes(buy(A, 1, MID));
    // The price goes up with us: each order is within the collar of the moment.
    kit.quote(A, Side::Sell, 1, MID + 1_500);
    kit.unquote(A, model::VenueRef(2));
    kit.quote(A, Side::Buy, 1, MID + 500);
    kit.passes(buy(A, 2, MID + 1_000));
    kit.passes(sell(A, 2, MID + 2_000)); // away from the market moves nothing
    kit.ask_all(&[buy(A, 3, MID + 1_001)]);
    assert_eq!(kit.out.refusals()[0].why, RiskReject::Impact);
    assert_eq!(
        (kit.engine.level(), kit.engine.restrained_by()),
        (BreakerLevel::CancelOnly, Some(BreakerCause::Impact))
    );
    kit.control(Control::Resume);
    kit.passes(buy(A, 3, MID + 1_001));
}

#[test]
fn a_row_of_replaces_leads_away_as_a_row_of_orders_does() {
    let drift = Some(DriftLimit { bps: 10, window: Nanos::from_millis(10_000) });
    let mut kit = kit(Scopes { drift, ..Scopes::default() });
    let first = kit.live(buy(A, 1, MID - 500));
    // Long after the order's own window: the replace begins one.
    kit.now.0 += 60 * SECOND;
    kit.quote(A, Side::Buy, 1, MID - 100);
    let second = kit.passes(replace(first, 1, MID - 400));
    kit.report(second, replaced(first, 1, MID - 400));
    // The price goes up with us.
    kit.quote(A, Side::Sell, 1, MID + 1_500);
    kit.unquote(A, model::VenueRef(2));
    kit.quote(A, Side::Buy, 1, MID + 500);
    let third = kit.passes(replace(first, 1, MID + 1_000));
    kit.report(third, replaced(second, 1, MID + 1_000));
    kit.ask_all(&[replace(first, 1, MID + 1_001)]);
    assert_eq!(kit.out.refusals()[0].why, RiskReject::Impact);
}

#[test]
fn another_size_is_no_repetition() {
    let repeat = Some(RepeatLimit { count: 1, window: Nanos::from_millis(60_000) });
    let mut kit = kit(Scopes { repeat, ..Scopes::default() });
    for k in 0..2u64 {
        let token = kit.live(buy(A, 100, MID));
        kit.report(token, executed(100, MID, k + 1));
    }
    kit.passes(buy(A, 99, MID));
    kit.passes(buy(A, 100, MID)); // behind another order, none of whose size has traded
}

#[test]
fn a_trade_that_is_corrected_or_broken_gives_its_room_back() {
    let firm = ScopeLimits { max_gross_notional: Some(Usd(100 * MID)), ..ScopeLimits::default() };
    let mut kit = kit(Scopes { firm, ..Scopes::default() });
    let token = kit.live(buy(A, 100, MID));
    kit.report(token, executed(100, MID, 1));
    assert_eq!(kit.refused(buy(C, 1, MID)), RiskReject::GrossNotional);
    let (qty, px) = (Qty(60), model::Px(MID));
    kit.report(
        token,
        model::ReportKind::Corrected { match_number: 1, qty, px, liquidity: b'A', reason: b'S' },
    );
    assert_eq!(kit.refused(buy(C, 41, MID)), RiskReject::GrossNotional);
    kit.live(buy(C, 40, MID));
    kit.report(token, model::ReportKind::Broken { match_number: 1, reason: b'S' });
    kit.passes(buy(C, 60, MID));
}

#[test]
fn gross_and_net_are_warned_of() {
    let firm = ScopeLimits {
        max_gross_notional: Some(Usd(100 * MID)),
        max_net_notional: Some(Usd(80 * MID)),
        ..ScopeLimits::default()
    };
    let mut kit = kit(Scopes { firm, ..Scopes::default() });
    kit.ask_all(&[buy(A, 60, MID)]);
    let said = |measure, limit: i64, percent| Alarm::Warning {
        measure,
        instrument: None,
        percent,
        value: 60 * MID,
        limit: limit * MID,
    };
    assert_eq!(kit.out.alarms(), [said(Measure::GrossNotional, 100, 50), said(Measure::NetNotional, 80, 75)]);
}

#[test]
fn what_a_person_or_the_past_decides_of_the_next_order_is_in_the_hash() {
    let repeat = Some(RepeatLimit { count: 1, window: Nanos::from_millis(60_000) });
    let drift = Some(DriftLimit { bps: 10, window: Nanos::from_millis(10_000) });
    let hash = |scopes: Scopes, act: &dyn Fn(&mut Kit<Hand>)| {
        let mut kit = kit(scopes);
        act(&mut kit);
        kit.engine.state_hash()
    };
    let level = BreakerLevel::ReduceOnly;
    let acts: [Control; 3] = [
        Control::Restrict { instrument: Some(A), shorts: false, on: true },
        Control::Clutch { engaged: false },
        Control::Trip { level, cause: BreakerCause::Operator },
    ];
    let plain = hash(Scopes::default(), &|kit| drop(kit.control(Control::CancelAll)));
    for control in acts {
        assert_ne!(hash(Scopes::default(), &|kit| drop(kit.control(control))), plain, "{control:?}");
    }
    // The same orders and fills, of which only one engine remembers where its window began, or how often.
    let traded = |kit: &mut Kit<Hand>| {
        for k in 0..2u64 {
            let token = kit.live(buy(A, 100, MID));
            kit.report(token, executed(100, MID, k + 1));
        }
    };
    let without = hash(Scopes::default(), &traded);
    assert_ne!(hash(Scopes { drift, ..Scopes::default() }, &traded), without);
    assert_ne!(hash(Scopes { repeat, ..Scopes::default() }, &traded), without);
}
