//! A part of an order is taken off: the place in the queue stays, the venue alone says what left, and no limit is in the way.

use engine::strategy::Intent;
use engine::{DropReason, OrderState, RiskReject, Throttle, WindowLimit};
use model::{CommandKind, Control, HaltReason, Nanos, Px, Qty, ReportKind, SessionEvent, Token};

use crate::kit::*;

/// What the command asks for: which token, and the chain's total.
fn asked(kit: &mut Kit<Hand>, intent: Intent) -> (u32, u32) {
    match kit.ask(intent).expect("passes").expect("goes at once").kind {
        CommandKind::Cancel { token, qty } => (token.0, qty.0),
        other => panic!("{other:?}"),
    }
}

fn open(kit: &Kit<Hand>, token: u32) -> (OrderState, u32) {
    let o = kit.order(token);
    (o.state(), o.open.0)
}

#[test]
fn the_venue_is_told_the_total_and_says_what_left() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID - 100));
    kit.report(t, executed(30, MID - 100, 1));
    kit.report(t, ReportKind::Canceled { qty: Qty(10), reason: b'Q' });
    // 30 traded, 10 were prevented, 25 are to stay open.
    assert_eq!(asked(&mut kit, reduce(t, 25)), (t, 65));
    assert_eq!(open(&kit, t), (OrderState::Live, 60), "until the venue says so it may trade whole");
    // A fill crosses it; the venue takes off what is above the total.
    kit.report(t, executed(20, MID - 100, 2));
    kit.report(t, canceled(35));
    assert_eq!(open(&kit, t), (OrderState::Live, 5));
    assert_eq!(kit.engine.halted(), None);
    let id = engine::OrderId(Token(t));
    assert_eq!(kit.told().last(), Some(&Told::Order(id, OrderState::Live)));
}

#[test]
fn it_may_be_asked_again_and_changed_as_if_nothing_were_under_way() {
    let mut kit = Kit::ready(wide());
    let t = kit.passes(buy(A, 100, MID - 100));
    assert_eq!(asked(&mut kit, reduce(t, 60)), (t, 60), "before the venue has answered");
    kit.accept(t);
    assert_eq!(asked(&mut kit, reduce(t, 20)), (t, 20), "a total, so the later holds");
    let new = kit.passes(replace(t, 80, MID - 200));
    assert_eq!(kit.refused(reduce(t, 10)), RiskReject::Busy, "which token will live is not known");
    kit.report(t, canceled(40));
    kit.report(t, canceled(40));
    kit.report(new, replaced(t, 80, MID - 200));
    assert_eq!(open(&kit, t), (OrderState::Live, 80));
    assert_eq!(kit.ask(cancel(t)).unwrap().map(|c| c.token().0), Some(new));
    assert_eq!(kit.refused(reduce(t, 10)), RiskReject::Busy, "all of it is to go");
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn there_is_something_to_take_off_and_something_to_leave() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID - 100));
    for qty in [0, 100, 101, u32::MAX] {
        assert_eq!(kit.refused(reduce(t, qty)), RiskReject::Quantity, "{qty}");
    }
    assert_eq!(kit.refused(reduce(t + 1, 1)), RiskReject::UnknownOrder);
    kit.session(0, SessionEvent::Disconnected);
    assert_eq!(kit.refused(reduce(t, 50)), RiskReject::Busy, "nobody knows what is open");
}

#[test]
fn a_refusal_of_it_leaves_the_order() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID - 100));
    asked(&mut kit, reduce(t, 50));
    kit.report(t, ReportKind::CancelRejected);
    assert_eq!(open(&kit, t), (OrderState::Live, 100));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn no_limit_holds_it_back() {
    let windows = vec![WindowLimit { limit: 1, span: Nanos(SECOND) }];
    let mut kit = Kit::throttled(wide(), Throttle { windows, ..Throttle::default() });
    let t = kit.live(buy(A, 100, MID - 100));
    assert_eq!(kit.refused(buy(A, 1, MID - 300)), RiskReject::MessageRate);
    assert_eq!(asked(&mut kit, reduce(t, 50)), (t, 50));
    kit.control(Control::Halt(HaltReason::Operator));
    assert_eq!(asked(&mut kit, reduce(t, 20)), (t, 20), "it takes risk off");
    kit.control(Control::CancelAll);
    assert_eq!(kit.cancels(), [t], "the rest as well");
}

#[test]
fn what_waits_for_room_is_smaller_or_superseded() {
    let queue = Some(engine::QueueLimit { slots: 4, patience: Nanos(SECOND) });
    let windows = vec![WindowLimit { limit: 1, span: Nanos(SECOND) }];
    let mut kit = Kit::throttled(wide(), Throttle { windows, queue, ..Throttle::default() });
    let t = kit.live(buy(A, 100, MID - 100));
    // A replace of it waits: the reduce, which needs no room, takes its place.
    assert_eq!(kit.ask(replace(t, 90, MID - 200)), Ok(None));
    assert_eq!(asked(&mut kit, reduce(t, 50)), (t, 50));
    let superseded = Intent::Replace { order: engine::OrderId(Token(t)), qty: Qty(90), px: Px(MID - 200) };
    assert!(kit.told().contains(&Told::Dropped(superseded, DropReason::Superseded)));
    // A new order waits: it was never sent, so it will ask for less. For more is another thing.
    assert_eq!(kit.ask(buy(A, 40, MID - 300)), Ok(None));
    let held = kit.engine.orders().iter().find(|o| o.is_waiting()).expect("waits").token.0;
    assert_eq!(kit.refused(reduce(held, 40)), RiskReject::Quantity);
    assert_eq!(kit.ask(reduce(held, 15)), Ok(None));
    assert_eq!(open(&kit, held), (OrderState::Waiting, 15));
}
