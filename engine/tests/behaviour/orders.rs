//! The life of an order: every answer that a venue may give, in every state that it may find.

use engine::{Exposure, OrderState};
use model::{CommandKind, HaltReason, Nanos, Px, Qty, ReportKind, SessionEvent, Side, Token, VenueRef};

use crate::kit::*;

fn exposure(kit: &Kit<Hand>) -> (u64, u64, u32) {
    let Exposure { buy, sell, orders } = kit.engine.orders().exposure(A);
    (buy, sell, orders)
}

fn contradicted(kit: &Kit<Hand>) -> bool {
    kit.engine.halted() == Some(HaltReason::Reconciliation)
}

#[test]
fn accepted_filled_in_parts() {
    let mut kit = Kit::ready(wide());
    let t = kit.passes(buy(A, 100, MID));
    assert_eq!((kit.state(t), exposure(&kit)), (Some(OrderState::PendingNew), (100, 0, 1)));
    kit.accept(t);
    assert_eq!(kit.state(t), Some(OrderState::Live));
    kit.report(t, executed(30, MID - 100, 1));
    assert_eq!((kit.state(t), exposure(&kit), kit.shares(A)), (Some(OrderState::Live), (70, 0, 1), 30));
    kit.report(t, executed(70, MID, 2));
    assert_eq!((kit.state(t), exposure(&kit), kit.shares(A)), (None, (0, 0, 0), 100));
    assert_eq!(kit.engine.positions().of(A).cash.0, -30 * (MID - 100) - 70 * MID);
    let told = kit.told();
    let fills = told.iter().filter(|t| matches!(t, Told::Fill(f) if f.order.0 == Token(1))).count();
    assert_eq!(fills, 2);
    assert_eq!(told.last(), Some(&Told::Order(engine::OrderId(Token(1)), OrderState::Filled)));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn rejected_never_lived() {
    let mut kit = Kit::ready(wide());
    let t = kit.passes(sell(A, 100, MID));
    kit.report(t, rejected());
    assert_eq!((kit.state(t), exposure(&kit)), (None, (0, 0, 0)));
    assert_eq!(kit.told().last(), Some(&Told::Order(engine::OrderId(Token(t)), OrderState::Rejected)));
}

#[test]
fn accepted_dead_is_the_end() {
    let mut kit = Kit::ready(wide());
    let t = kit.passes(buy(A, 100, MID));
    let kind = ReportKind::Accepted {
        order: VenueRef(7),
        px: Px(MID),
        qty: Qty(100),
        side: Side::Buy,
        short: false,
        instrument: Some(A),
        dead: true,
    };
    kit.report(t, kind);
    assert_eq!((kit.state(t), exposure(&kit)), (None, (0, 0, 0)));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn the_venue_may_accept_at_another_price() {
    let mut kit = Kit::ready(wide());
    let t = kit.passes(buy(A, 100, MID));
    kit.report(t, accepted(A, Side::Buy, 100, MID - 300));
    assert_eq!((kit.order(t).px, kit.order(t).venue_ref), (Px(MID - 300), Some(VenueRef(900_000))));
    kit.report(t, ReportKind::Reprioritised { order: VenueRef(8), px: Px(MID - 400) });
    assert_eq!((kit.order(t).px, kit.order(t).venue_ref), (Px(MID - 400), Some(VenueRef(8))));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn an_acceptance_of_something_else_halts() {
    for kind in [
        accepted(A, Side::Sell, 100, MID),
        accepted(A, Side::Buy, 101, MID),
        accepted(B, Side::Buy, 100, MID),
    ] {
        let mut kit = Kit::ready(wide());
        let t = kit.passes(buy(A, 100, MID));
        kit.report(t, kind);
        assert!(contradicted(&kit), "{kind:?}");
    }
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, accepted(A, Side::Buy, 100, MID));
    assert!(contradicted(&kit), "twice");
}

#[test]
fn canceled_in_part_lives_on() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, canceled(40));
    assert_eq!((kit.state(t), exposure(&kit)), (Some(OrderState::Live), (60, 0, 1)));
    kit.ask(cancel(t)).unwrap();
    kit.report(t, canceled(10)); // not the answer to ours, which takes all
    assert_eq!((kit.state(t), exposure(&kit)), (Some(OrderState::PendingCancel), (50, 0, 1)));
    kit.report(t, canceled(50));
    assert_eq!((kit.state(t), exposure(&kit)), (None, (0, 0, 0)));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn a_cancel_overtaken_by_fills() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.ask(cancel(t)).unwrap();
    assert_eq!((kit.state(t), exposure(&kit)), (Some(OrderState::PendingCancel), (100, 0, 1)));
    kit.report(t, executed(60, MID, 1));
    assert_eq!((kit.state(t), exposure(&kit)), (Some(OrderState::PendingCancel), (40, 0, 1)));
    kit.report(t, executed(40, MID, 2));
    assert_eq!((kit.state(t), exposure(&kit), kit.shares(A)), (None, (0, 0, 0), 100));
}

#[test]
fn a_cancel_may_be_refused() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.ask(cancel(t)).unwrap();
    kit.report(t, ReportKind::CancelPending);
    assert_eq!(kit.state(t), Some(OrderState::PendingCancel));
    kit.report(t, ReportKind::CancelRejected);
    assert_eq!(kit.state(t), Some(OrderState::Live));
    kit.ask(cancel(t)).unwrap();
    assert_eq!(kit.cancels(), [t]);
}

#[test]
fn a_new_order_may_be_canceled_before_its_answer() {
    let mut kit = Kit::ready(wide());
    let t = kit.passes(buy(A, 100, MID));
    kit.ask(cancel(t)).unwrap();
    assert_eq!(kit.cancels(), [t]);
    kit.accept(t);
    assert_eq!(kit.state(t), Some(OrderState::PendingCancel));
    kit.report(t, canceled(100));
    assert_eq!(kit.state(t), None);

    let t = kit.passes(buy(A, 100, MID));
    kit.ask(cancel(t)).unwrap();
    kit.report(t, rejected());
    assert_eq!((kit.state(t), exposure(&kit)), (None, (0, 0, 0)));
    assert_eq!(kit.engine.halted(), None);
}

/// A replace in flight of a live order of 100 at 100.00, of which 20 traded, to 180 open at 99.95.
fn in_flight() -> (Kit<Hand>, u32, u32) {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(20, MID, 1));
    let command = kit.ask(replace(t, 180, MID - 500)).unwrap().unwrap();
    let CommandKind::Replace { old, token, qty, px, .. } = command.kind else { panic!("{command:?}") };
    assert_eq!((old, qty, px), (Token(t), Qty(200), Px(MID - 500)));
    assert_eq!(kit.state(t), Some(OrderState::PendingReplace));
    assert_eq!(exposure(&kit), (180, 0, 1));
    (kit, t, token.0)
}

#[test]
fn a_replace_done() {
    let (mut kit, t, new) = in_flight();
    kit.report(new, replaced(t, 180, MID - 500));
    assert_eq!((kit.state(t), exposure(&kit)), (Some(OrderState::Live), (180, 0, 1)));
    let o = kit.order(t);
    assert_eq!((o.token, o.px, o.open, o.executed), (Token(new), Px(MID - 500), Qty(180), Qty(20)));
    kit.report(new, executed(180, MID - 500, 2));
    assert_eq!((kit.state(t), exposure(&kit), kit.shares(A)), (None, (0, 0, 0), 200));
}

#[test]
fn a_replace_done_and_dead() {
    let (mut kit, t, new) = in_flight();
    let kind = ReportKind::Replaced {
        old: Token(t),
        order: VenueRef(3),
        px: Px(MID - 500),
        qty: Qty(180),
        dead: true,
    };
    kit.report(new, kind);
    assert_eq!((kit.state(t), exposure(&kit)), (None, (0, 0, 0)));
}

#[test]
fn a_replace_refused_leaves_the_order() {
    let (mut kit, t, new) = in_flight();
    kit.report(new, rejected());
    assert_eq!((kit.state(t), exposure(&kit)), (Some(OrderState::Live), (80, 0, 1)));
    assert_eq!((kit.order(t).token, kit.order(t).px), (Token(t), Px(MID)));
    assert!(kit.passes(replace(t, 50, MID)) > new, "the number is used up");
}

#[test]
fn an_invalid_replace_cancels_the_order() {
    let (mut kit, t, _) = in_flight();
    kit.report(t, canceled(80));
    assert_eq!((kit.state(t), exposure(&kit)), (None, (0, 0, 0)));
}

#[test]
fn a_replace_of_a_dead_order_meets_silence() {
    let (mut kit, t, new) = in_flight();
    kit.report(t, executed(80, MID, 2));
    assert_eq!((kit.state(t), exposure(&kit), kit.shares(A)), (None, (0, 0, 0), 100));
    assert!(kit.engine.orders().by_token(Token(new)).is_none());
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn fills_of_the_old_token_while_a_replace_is_in_flight() {
    let (mut kit, t, new) = in_flight();
    kit.report(t, executed(30, MID, 2));
    // 50 held; 50 open of the old, 150 of the new.
    assert_eq!((exposure(&kit), kit.shares(A)), ((150, 0, 1), 50));
    kit.report(new, replaced(t, 150, MID - 500));
    assert_eq!((kit.state(t), exposure(&kit)), (Some(OrderState::Live), (150, 0, 1)));
    kit.report(new, executed(150, MID - 500, 3));
    assert_eq!((kit.state(t), kit.shares(A)), (None, 200));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn a_cancel_wanted_while_a_replace_is_in_flight_is_sent_when_it_resolves() {
    type Answer = fn(&mut Kit<Hand>, u32, u32);
    let answers: [(Answer, bool); 2] = [
        (|kit, t, new| drop(kit.report(new, replaced(t, 180, MID - 500))), true),
        (|kit, _, new| drop(kit.report(new, rejected())), false),
    ];
    for (answer, done) in answers {
        let (mut kit, t, new) = in_flight();
        assert_eq!(kit.ask(cancel(t)), Ok(None), "which token will live is not known");
        assert_eq!(kit.state(t), Some(OrderState::PendingReplace));
        answer(&mut kit, t, new);
        assert_eq!(kit.cancels(), [if done { new } else { t }]);
        assert_eq!(kit.state(t), Some(OrderState::PendingCancel));
        assert!(!kit.has_backlog());
    }
    // Where the order ends there is nothing to cancel.
    let (mut kit, t, _) = in_flight();
    kit.ask(cancel(t)).unwrap();
    kit.report(t, canceled(80));
    assert_eq!((kit.cancels(), kit.state(t)), (vec![], None));
}

#[test]
fn a_strategy_cannot_replace_its_way_around_a_cancel_it_wants() {
    let (mut kit, t, new) = in_flight();
    kit.ask(cancel(t)).unwrap();
    kit.hand().reply = vec![replace(t, 50, MID)];
    kit.report(new, replaced(t, 180, MID - 500));
    assert_eq!(kit.cancels(), [new]);
    assert!(!kit.commands().iter().any(|c| matches!(c.kind, CommandKind::Replace { .. })));
    assert_eq!(kit.out.refusals()[0].why, engine::RiskReject::Busy);
}

#[test]
fn what_self_match_prevention_took_is_part_of_a_replaces_total() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(10, MID, 1));
    kit.report(t, ReportKind::Canceled { qty: Qty(20), reason: b'Q' });
    let command = kit.ask(replace(t, 70, MID - 100)).unwrap().unwrap();
    let CommandKind::Replace { qty, .. } = command.kind else { panic!("{command:?}") };
    assert_eq!(qty, Qty(100), "or the venue would leave 50 open");
    assert_eq!(exposure(&kit), (70, 0, 1));
}

#[test]
fn an_overfill_halts_and_counts() {
    let mut kit = Kit::ready(wide());
    let other = kit.live(sell(A, 5, MID + 300));
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(101, MID, 1));
    assert!(contradicted(&kit));
    assert_eq!(kit.shares(A), 101, "the venue says that we hold it");
    assert_eq!((kit.state(t), kit.cancels()), (None, vec![other]));
}

#[test]
fn a_fill_of_an_unknown_token_halts() {
    let mut kit = Kit::ready(wide());
    kit.report(77, executed(1, MID, 1));
    assert!(contradicted(&kit));
    assert_eq!(kit.engine.stats().anomalies, 1);
}

#[test]
fn an_order_that_lives_cannot_be_refused_nor_shrink_below_nothing() {
    for kind in
        [rejected(), canceled(101), ReportKind::Modified { qty: Qty(101), side: Side::Buy, short: false }]
    {
        let mut kit = Kit::ready(wide());
        let t = kit.live(buy(A, 100, MID));
        kit.report(t, kind);
        assert!(contradicted(&kit), "{kind:?}");
        if kind == rejected() {
            assert_eq!(kit.state(t), Some(OrderState::PendingCancel), "kept, and canceled by the halt");
        }
    }
}

#[test]
fn a_report_seen_before_does_nothing() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(10, MID, 1));
    let before = kit.engine.state_hash();
    for seq in [1, 2] {
        *kit.seq.get_mut(&0).unwrap() = seq - 1;
        kit.report(t, executed(10, MID, 1));
        assert_eq!(kit.engine.state_hash(), before);
    }
    assert_eq!((kit.shares(A), kit.engine.stats().duplicate_reports), (10, 2));
    kit.report(t, executed(10, MID, 2));
    assert_eq!(kit.shares(A), 20);
    // Another gateway numbers its own stream.
    let c = kit.passes(buy(C, 10, MID));
    kit.report_of(1, c, accepted(C, Side::Buy, 10, MID));
    assert_eq!(kit.state(c), Some(OrderState::Live));
}

#[test]
fn a_venues_new_session_counts_from_one() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, canceled(100));
    kit.session(0, SessionEvent::EndOfSession);
    kit.session(0, SessionEvent::Ready { next_token: Token(0), proven: true });
    kit.seq.insert(0, 0);
    let t = kit.live(buy(A, 100, MID));
    assert_eq!(kit.state(t), Some(OrderState::Live));
}

#[test]
fn tokens_are_never_reused_nor_below_what_the_venue_knows() {
    let mut kit = Kit::new(wide());
    kit.tokens(1, 100);
    kit.start(); // grants 1 to 9,999
    assert_eq!(kit.passes(buy(A, 1, MID)), 1);
    kit.tokens(1, 10_000); // again: what was used stays used
    assert_eq!(kit.passes(buy(A, 1, MID)), 2);
    kit.session(0, SessionEvent::Ready { next_token: Token(50), proven: true });
    assert_eq!(kit.passes(buy(A, 1, MID)), 50);
    kit.session(0, SessionEvent::Ready { next_token: Token(10), proven: true });
    assert_eq!(kit.passes(buy(A, 1, MID)), 51);
    kit.report(60, accepted(A, Side::Buy, 5, MID)); // of another program on the account
    assert_eq!(kit.passes(buy(A, 1, MID)), 61);
    kit.report(70, rejected()); // a number that another program used up
    assert_eq!(kit.passes(buy(A, 1, MID)), 71);
    kit.session(0, SessionEvent::Ready { next_token: Token(20_000), proven: true });
    assert_eq!(kit.engine.tokens_left(), 0, "the whole block is below what the venue knows");
    assert_eq!(kit.refused(buy(A, 1, MID)), engine::RiskReject::NoToken);
    kit.tokens(10_000, 20_005);
    assert_eq!(kit.passes(buy(A, 1, MID)), 20_000);
    kit.tokens(20_000, 20_003); // inside what is granted: takes nothing away
    assert_eq!(kit.engine.tokens_left(), 4);
    kit.tokens(u32::MAX - 1, u32::MAX);
    assert_eq!(kit.passes(buy(A, 1, MID)), u32::MAX - 1);
    assert_eq!(kit.refused(buy(A, 1, MID)), engine::RiskReject::NoToken);
    kit.report(u32::MAX, rejected());
    assert_eq!(kit.engine.tokens_left(), 0);
}

#[test]
fn created_is_when_it_was_sent() {
    let mut kit = Kit::ready(wide());
    kit.now.0 += 5;
    let (t, at) = (kit.passes(buy(A, 1, MID)), kit.now);
    kit.now = Nanos(0); // a clock that steps back is taken as no step
    kit.accept(t);
    assert_eq!((kit.order(t).created, kit.engine.now()), (at, at));
}
