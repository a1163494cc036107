//! Circuit breakers: what trips them, what each level lets pass, and that nobody but a person takes them back.

use engine::{
    Alarm, BreakerRule, Breakers, EngineConfig, InstrumentChange, LossLimits, Measure, OrderState,
    RATIO_FROM, RiskLimits, RiskReject, Trigger,
};
use model::{
    BreakerCause, BreakerLevel, Control, FeedStatus, HaltReason, Input, Nanos, SessionEvent, Side, Token,
    TradingState, Usd,
};

use crate::kit::*;

fn kit(breakers: Breakers) -> Kit<Hand> {
    limited(wide(), breakers)
}

fn limited(limits: RiskLimits, breakers: Breakers) -> Kit<Hand> {
    let mut kit = Kit::of(&EngineConfig { breakers, ..config(limits) }, Hand::default());
    kit.start();
    kit
}

fn ruled(trigger: Trigger, limit: u32, level: BreakerLevel) -> Kit<Hand> {
    let window = Nanos::from_millis(1_000);
    kit(Breakers { rules: vec![BreakerRule { trigger, limit, window, level }], ..Breakers::default() })
}

fn trip(kit: &mut Kit<Hand>, level: BreakerLevel) {
    kit.control(Control::Trip { level, cause: BreakerCause::Latency });
}

/// Holds so many shares of A.
fn hold(kit: &mut Kit<Hand>, side: Side, qty: u32, match_number: u64) {
    let ask = if side == Side::Buy { buy(A, qty, MID) } else { sell(A, qty, MID) };
    let token = kit.live(ask);
    kit.report(token, executed(qty, MID, match_number));
}

#[test]
fn reduce_only_lets_nothing_pass_that_could_leave_more_or_turn_a_position_round() {
    let mut kit = kit(Breakers::default());
    hold(&mut kit, Side::Buy, 100, 1);
    let resting = kit.live(buy(A, 50, MID - 300));
    trip(&mut kit, BreakerLevel::ReduceOnly);
    assert_eq!(
        kit.out.alarms(),
        [Alarm::Breaker { level: BreakerLevel::ReduceOnly, cause: BreakerCause::Latency }]
    );
    assert_eq!(kit.engine.level(), BreakerLevel::ReduceOnly);
    for intent in [buy(A, 1, MID), sell(A, 101, MID + 100), buy(C, 1, MID), sell(C, 1, MID)] {
        assert_eq!(kit.refused(intent), RiskReject::ReduceOnly, "{intent:?}");
    }
    assert_eq!(kit.refused(replace(resting, 40, MID - 200)), RiskReject::ReduceOnly);
    let out = kit.live(sell(A, 60, MID + 100));
    assert_eq!(kit.refused(sell(A, 41, MID + 100)), RiskReject::ReduceOnly, "what is open counts");
    kit.live(sell(A, 40, MID + 100));
    kit.passes(replace(out, 50, MID + 200));
    assert_eq!(kit.state(resting), Some(OrderState::Live), "what rests stays");
    kit.passes_cancel(resting);
}

#[test]
fn a_short_position_is_bought_back_under_reduce_only() {
    let mut kit = kit(Breakers::default());
    hold(&mut kit, Side::Sell, 100, 1);
    trip(&mut kit, BreakerLevel::ReduceOnly);
    assert_eq!(kit.refused(sell(A, 1, MID)), RiskReject::ReduceOnly);
    assert_eq!(kit.refused(buy(A, 101, MID)), RiskReject::ReduceOnly);
    kit.passes(buy(A, 100, MID));
}

#[test]
fn cancel_only_leaves_what_rests_and_halted_does_not() {
    let mut kit = kit(Breakers::default());
    let resting = kit.live(buy(A, 50, MID - 300));
    trip(&mut kit, BreakerLevel::CancelOnly);
    assert!(kit.cancels().is_empty());
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::CancelOnly);
    assert_eq!(kit.refused(replace(resting, 40, MID - 300)), RiskReject::CancelOnly);
    assert!(
        kit.told()
            .contains(&Told::Instrument(A, InstrumentChange::Breaker { level: BreakerLevel::CancelOnly }))
    );
    // A lesser word changes nothing.
    trip(&mut kit, BreakerLevel::ReduceOnly);
    assert_eq!((kit.engine.level(), kit.out.alarms().len()), (BreakerLevel::CancelOnly, 0));
    trip(&mut kit, BreakerLevel::Halted);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Breaker));
    let said = Alarm::Breaker { level: BreakerLevel::Halted, cause: BreakerCause::Latency };
    assert_eq!(kit.out.alarms(), [said], "once, and why");
    assert_eq!(kit.cancels(), [resting]);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::Halted);
    kit.control(Control::Resume);
    assert_eq!((kit.engine.level(), kit.engine.restrained_by()), (BreakerLevel::Normal, None));
    kit.passes(buy(A, 1, MID));
}

#[test]
fn what_passes_by_itself_does_not_go_back_by_itself() {
    let mut kit = ruled(Trigger::Fills, 2, BreakerLevel::CancelOnly);
    for k in 0..3 {
        assert_eq!(kit.engine.level(), BreakerLevel::Normal, "fill {k}");
        hold(&mut kit, Side::Buy, 10 + k, 1 + u64::from(k));
    }
    assert_eq!(kit.engine.restrained_by(), Some(BreakerCause::Fills));
    kit.now.0 += 100 * SECOND;
    kit.give(Input::Feed(FEED, FeedStatus::Heartbeat));
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::CancelOnly);
    kit.control(Control::Resume);
    hold(&mut kit, Side::Buy, 9, 9);
    assert_eq!(kit.engine.level(), BreakerLevel::Normal, "it counts anew");
}

#[test]
fn what_a_start_is_told_of_the_day_trips_nothing() {
    let window = Nanos::from_millis(1_000);
    let rule = BreakerRule { trigger: Trigger::Fills, limit: 2, window, level: BreakerLevel::Halted };
    let breakers = Breakers { rules: vec![rule], ..Breakers::default() };
    let mut kit = Kit::of(&EngineConfig { breakers, ..config(wide()) }, Hand::default());
    kit.session(0, SessionEvent::LoggedIn);
    kit.report(5, accepted(A, Side::Buy, 100, MID));
    for number in 1..9 {
        kit.report(5, executed(10, MID, number));
    }
    assert_eq!((kit.shares(A), kit.engine.halted()), (80, None));
    kit.session(0, SessionEvent::Ready { next_token: Token(6), proven: true });
    kit.report(5, executed(5, MID, 9));
    kit.report(5, executed(5, MID, 10));
    assert_eq!(kit.engine.halted(), None);
    kit.report(5, executed(5, MID, 11));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Breaker), "three since");
}

#[test]
fn refusals_gaps_and_stale_books_trip_their_rules() {
    let mut kit = ruled(Trigger::Rejects, 1, BreakerLevel::Halted);
    for _ in 0..2 {
        let token = kit.passes(buy(A, 1, MID));
        kit.report(token, rejected());
    }
    assert_eq!(kit.engine.halted(), Some(HaltReason::Breaker));

    let mut kit = ruled(Trigger::Gaps, 1, BreakerLevel::ReduceOnly);
    for k in 1..3 {
        assert_eq!(kit.engine.level(), BreakerLevel::Normal);
        kit.give(Input::Feed(FEED, FeedStatus::Recovering { from: k, to: k + 1 }));
        kit.give(Input::Feed(FEED, FeedStatus::Synced { next: k + 1 }));
    }
    assert_eq!(kit.engine.restrained_by(), Some(BreakerCause::Gaps));

    // Feed 0 has two instruments: one silence is two.
    let mut kit = ruled(Trigger::Market, 1, BreakerLevel::CancelOnly);
    kit.give(Input::Feed(FEED, FeedStatus::Silent));
    assert_eq!(kit.engine.restrained_by(), Some(BreakerCause::Market));
}

#[test]
fn messages_that_trade_nothing_trip_the_ratio() {
    let mut kit = ruled(Trigger::MessagesPerFill, 5, BreakerLevel::CancelOnly);
    for k in 0..RATIO_FROM / 2 {
        assert_eq!(kit.engine.level(), BreakerLevel::Normal, "{k} times two messages");
        let token = kit.live(buy(A, 1, MID));
        kit.passes_cancel(token);
        kit.report(token, canceled(1));
    }
    assert_eq!(kit.engine.restrained_by(), Some(BreakerCause::MessagesPerFill));
}

#[test]
fn a_loss_is_confirmed_by_inputs_in_a_row() {
    let limits = RiskLimits { max_daily_loss: Usd(100 * 200), ..wide() };
    let loss = LossLimits { max_drawdown: None, confirm: 3 };
    let mut kit = limited(limits, Breakers { loss, ..Breakers::default() });
    hold(&mut kit, Side::Buy, 100, 1);
    // The middle falls by 2 cents: 100 shares lose 200 of the limit's unit each.
    let bid = kit.quote(A, Side::Buy, 10, MID + 50);
    kit.unquote(A, bid);
    assert_eq!(kit.engine.halted(), None, "the mark went up and back");
    let low = kit.quote(A, Side::Sell, 10, MID - 50);
    for _ in 0..2 {
        assert_eq!(kit.engine.halted(), None);
        kit.unquote(A, low);
        let again = kit.quote(A, Side::Sell, 10, MID - 50);
        kit.unquote(A, again);
    }
    assert_eq!(kit.engine.halted(), None, "a tick that goes is none");
}

#[test]
fn a_loss_that_stays_halts_and_a_person_cannot_resume_into_it() {
    let limits = RiskLimits { max_daily_loss: Usd(100 * 75), ..wide() };
    let loss = LossLimits { max_drawdown: None, confirm: 3 };
    let mut kit = limited(limits, Breakers { loss, ..Breakers::default() });
    hold(&mut kit, Side::Buy, 100, 1);
    kit.quote(A, Side::Sell, 10, MID - 50); // the middle is 75 lower
    let tenth = SECOND / 10;
    let (start, mut wanted) = (kit.now, Vec::new());
    for k in 0..20 {
        // What another instrument says meanwhile is no sample of it.
        kit.quote(C, Side::Buy, 1, MID - 1_000 - k);
    }
    while kit.engine.halted().is_none() {
        kit.now = kit.engine.next_timer().filter(|at| *at > kit.now).unwrap_or(Nanos(kit.now.0 + tenth / 4));
        kit.timer();
        wanted.push(kit.now.since(start).0);
    }
    assert_eq!(wanted.last(), Some(&(2 * tenth)), "three samples: {wanted:?}");
    assert_eq!(kit.engine.halted(), Some(HaltReason::Loss));
    assert!(
        kit.out.alarms().contains(&Alarm::Breaker { level: BreakerLevel::Halted, cause: BreakerCause::Loss })
    );
    kit.control(Control::Resume);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Loss));
    assert_eq!(kit.engine.stats().controls_refused, 1);
}

#[test]
fn a_drawdown_is_of_the_best_and_a_person_forgives_it() {
    let loss = LossLimits { max_drawdown: Some(Usd(100 * 50)), confirm: 1 };
    let mut kit = kit(Breakers { loss, ..Breakers::default() });
    hold(&mut kit, Side::Buy, 100, 1);
    let bid = kit.quote(A, Side::Buy, 10, MID + 50); // the middle is 75 higher
    kit.unquote(A, bid);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Drawdown));
    kit.control(Control::Resume);
    assert_eq!(kit.engine.halted(), None);
    let offer = kit.quote(A, Side::Sell, 10, MID + 20); // 40 lower
    assert_eq!(kit.engine.halted(), None);
    kit.unquote(A, offer);
}

#[test]
fn half_three_quarters_and_nine_tenths_of_a_limit_are_said_once() {
    let mut kit = Kit::ready(RiskLimits { max_position: 1_000, max_open_orders: 8, ..wide() });
    let mut said = Vec::new();
    for _ in 0..5 {
        kit.live(buy(A, 190, MID - 300));
        // The callback's own input, and the venue's answer to it.
        said.extend(kit.out.alarms().iter().copied());
    }
    let tokens: Vec<_> = kit.engine.orders().iter().map(|o| o.token.0).collect();
    for token in tokens {
        kit.report(token, canceled(190));
        said.extend(kit.out.alarms().iter().copied());
    }
    assert!(said.is_empty(), "an answer changes nothing of what is used: {said:?}");
    for _ in 0..5 {
        kit.ask_all(&[buy(A, 190, MID - 300)]);
        said.extend(kit.out.alarms().iter().copied());
    }
    let of = |measure, percent| {
        said.iter().filter(|a| matches!(a, Alarm::Warning { measure: m, percent: p, .. } if (*m, *p) == (measure, percent))).count()
    };
    assert_eq!([50, 75, 90].map(|p| of(Measure::Position, p)), [1, 1, 1], "{said:?}");
    assert_eq!([50, 75, 90].map(|p| of(Measure::OpenOrders, p)), [1, 0, 0], "{said:?}");
    assert!(said.contains(&Alarm::Warning {
        measure: Measure::Position,
        instrument: Some(A),
        percent: 50,
        value: 570,
        limit: 1_000,
    }));
}

#[test]
fn the_clutch_lets_the_strategy_see_and_not_trade() {
    let mut kit = kit(Breakers::default());
    let resting = kit.live(buy(A, 50, MID - 300));
    kit.control(Control::Clutch { engaged: false });
    assert!(kit.engine.is_declutched() && kit.engine.level() == BreakerLevel::Normal);
    assert_eq!(kit.refused(buy(A, 1, MID)), RiskReject::Clutch);
    assert_eq!(kit.refused(replace(resting, 1, MID - 300)), RiskReject::Clutch);
    kit.told();
    kit.trading(A, TradingState::Halted);
    kit.timer();
    assert!(!kit.told().is_empty(), "it is told of everything");
    kit.trading(A, TradingState::Trading);
    kit.control(Control::Resume);
    assert!(kit.engine.is_declutched(), "a resume is another word");
    kit.control(Control::Clutch { engaged: true });
    kit.passes(buy(A, 1, MID));
    kit.passes_cancel(resting);
}

#[test]
fn quotes_are_pulled_from_an_instrument_that_may_not_be_traded() {
    let mut kit = kit(Breakers { pull_quotes: true, ..Breakers::default() });
    let (of_a, of_c) = (kit.live(buy(A, 50, MID - 300)), kit.live(buy(C, 50, MID - 300)));
    let unanswered = kit.passes(buy(A, 51, MID - 300));
    kit.give(Input::Feed(FEED, FeedStatus::Recovering { from: 5, to: 6 }));
    assert_eq!(kit.cancels(), [of_a]);
    kit.accept(unanswered);
    assert_eq!(kit.cancels(), [unanswered], "as soon as the venue has it");
    assert_eq!(kit.state(of_c), Some(OrderState::Live));
}

/// A rise of 7,500 before a restart, and 9,500 lost since: together they are what may be lost.
#[test]
fn a_best_of_before_a_restart_counts_once_every_venue_has_told_the_day() {
    let loss = LossLimits { max_drawdown: Some(Usd(100 * 170)), confirm: 1 };
    let breakers = Breakers { loss, ..Breakers::default() };
    let mut before = kit(breakers.clone());
    hold(&mut before, Side::Buy, 100, 1);
    let bid = before.quote(A, Side::Buy, 10, MID + 50); // the middle is 75 higher
    assert_eq!(before.out.alarms(), [], "the journal need not know of each rise");
    before.unquote(A, bid);
    let best = before.out.alarms().iter().find_map(|a| match a {
        Alarm::Best { pnl } => Some(*pnl),
        _ => None,
    });
    let best = best.expect("more than a sixteenth was lost since");
    assert_eq!(before.engine.stats().alarms, 0, "nobody is woken by it");

    let halted = |carried: Option<Usd>| {
        let mut kit =
            Kit::of(&EngineConfig { breakers: breakers.clone(), ..config(wide()) }, Hand::default());
        if let Some(pnl) = carried {
            kit.control(Control::Best { pnl });
        }
        kit.start();
        hold(&mut kit, Side::Buy, 100, 1);
        assert_eq!(kit.engine.halted(), None, "what may be lost is not yet");
        kit.quote(A, Side::Sell, 10, MID - 90); // the middle is 95 lower
        kit.engine.halted()
    };
    assert_eq!([None, Some(best)].map(halted), [None, Some(HaltReason::Drawdown)]);
}
