//! Orders of which the venue's stream does not tell what became: another session, a hole in this one, a replay whose end is not proven. They count until a
//! report, a proof or a person settles them.

use engine::{InstrumentChange, OrderState, RiskReject};
use model::{Control, HaltReason, SessionEvent, Side, Token};

use crate::kit::*;

fn ready(next: u32, proven: bool) -> SessionEvent {
    SessionEvent::Ready { next_token: Token(next), proven }
}

/// A live order, one sent, one whose replace to 300 is in flight, and its new token.
fn three() -> (Kit<Hand>, [u32; 4]) {
    let mut kit = Kit::ready(wide());
    let live = kit.live(buy(A, 100, MID));
    let sent = kit.passes(buy(A, 10, MID - 100));
    let moving = kit.live(sell(A, 200, MID + 200));
    let moved = kit.passes(replace(moving, 300, MID + 100));
    (kit, [live, sent, moving, moved])
}

fn reserved(kit: &Kit<Hand>) -> (u64, u64) {
    let e = kit.engine.orders().exposure(A);
    (e.buy, e.sell)
}

#[test]
fn another_session_settles_nothing_of_the_last_one() {
    let (mut kit, [live, sent, moving, moved]) = three();
    kit.session(0, SessionEvent::Disconnected);
    assert_eq!(kit.session(0, SessionEvent::NewSession), []);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
    kit.session(0, SessionEvent::LoggedIn);
    kit.session(0, ready(1, true));
    // What may live is canceled by every name that it may have, once; that changes nothing of what counts.
    assert_eq!(kit.cancels(), [live, sent, moving, moved]);
    let whatever = |kit: &mut Kit<Hand>| {
        for t in [live, sent, moving] {
            assert_eq!(kit.state(t), Some(OrderState::Unknown));
            assert!(kit.order(t).is_orphaned());
        }
        assert_eq!(reserved(kit), (110, 300));
        let refused = kit.engine.stats().controls_refused;
        kit.control(Control::Resume);
        assert_eq!(kit.engine.stats().controls_refused, refused + 1, "said, and refused");
        assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
        assert_eq!(kit.refused(buy(A, 1, MID - 500)), RiskReject::Halted);
        assert!(!kit.engine.has_backlog());
    };
    whatever(&mut kit);
    // Nor does a later token of that session, its end, or another login to it.
    kit.seq.insert(0, 0);
    kit.report(5_000, rejected());
    whatever(&mut kit);
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::LoggedIn);
    kit.session(0, ready(6_000, true));
    assert_eq!(kit.cancels().len(), 4, "what was sent before may be lost");
    whatever(&mut kit);
    kit.session(0, SessionEvent::EndOfSession);
    kit.session(0, ready(0, true));
    whatever(&mut kit);
}

#[test]
fn a_report_or_a_person_settles_an_orphan() {
    let (mut kit, [live, sent, moving, moved]) = three();
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::NewSession);
    kit.seq.insert(0, 0);
    kit.session(0, SessionEvent::LoggedIn);
    // The venue carried it over: its new stream tells of it.
    kit.report(live, executed(40, MID, 1));
    assert_eq!(kit.state(live), Some(OrderState::Unknown), "more may follow");
    kit.session(0, ready(1, true));
    assert_eq!(kit.cancels()[0], live);
    assert_eq!(kit.state(live), Some(OrderState::Unknown), "what else left it was perhaps not heard");
    kit.report(live, canceled(50));
    let missing = 100 - 40 - 50;
    assert_eq!(
        (kit.state(live), reserved(&kit)),
        (Some(OrderState::Unknown), (10 + missing, 300)),
        "our cancel took all that was open, so what is missing has traded unheard"
    );
    kit.control(Control::WriteOff { token: Token(live) });
    assert_eq!((kit.state(live), reserved(&kit)), (None, (10, 300)));

    kit.told();
    for (token, refused) in [(live, 1), (9_999, 2)] {
        kit.control(Control::WriteOff { token: Token(token) });
        assert_eq!(kit.engine.stats().controls_refused, refused, "no such order");
    }
    kit.control(Control::WriteOff { token: Token(moved) });
    assert_eq!((kit.state(moving), reserved(&kit)), (None, (10, 0)));
    let change = InstrumentChange::Session { ready: true };
    assert!(kit.told().contains(&Told::Instrument(A, change)), "the strategy looks again");
    kit.control(Control::Resume);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation), "one is left");
    kit.control(Control::WriteOff { token: Token(sent) });
    assert_eq!((kit.engine.orders().open(), kit.engine.stats().written_off), (0, 3));
    kit.control(Control::Resume);
    assert_eq!(kit.engine.halted(), None);
    // It was wrong to write it off: the venue fills it.
    kit.report(sent, executed(10, MID, 2));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
}

#[test]
fn only_what_is_lost_may_be_written_off() {
    let (mut kit, tokens) = three();
    for when in [None, Some(SessionEvent::Disconnected)] {
        when.map(|event| kit.session(0, event));
        let before = (kit.engine.orders().open(), reserved(&kit));
        for t in tokens {
            kit.control(Control::WriteOff { token: Token(t) });
        }
        assert_eq!((kit.engine.orders().open(), reserved(&kit)), before, "the venue settles these");
    }
    assert_eq!((kit.engine.stats().controls_refused, kit.engine.stats().written_off), (8, 0));
}

#[test]
fn a_hole_in_the_stream_halts_and_leaves_what_it_may_have_told_unknown() {
    let (mut kit, [live, sent, moving, moved]) = three();
    kit.session(0, SessionEvent::Doubt);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
    // The session stands, so the cancels go out at once.
    assert_eq!(kit.cancels(), [live, sent, moving, moved]);
    assert_eq!(kit.state(live), Some(OrderState::Unknown));
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::LoggedIn);
    kit.report(live, canceled(100));
    kit.session(0, ready(5_000, true));
    assert_eq!((kit.state(sent), kit.state(moving)), (Some(OrderState::Unknown), Some(OrderState::Unknown)));
    assert_eq!(reserved(&kit), (10, 300));
    // Whatever became of the replace: its token may be the one that the order has.
    kit.report(moving, executed(5, MID + 200, 1));
    assert_eq!(kit.state(moving), Some(OrderState::Unknown));
    assert_eq!(reserved(&kit), (10, 295));
    // A report under the new token says that it is.
    kit.report(moved, executed(200, MID + 100, 2));
    assert_eq!((kit.order(moving).token, reserved(&kit)), (Token(moved), (10, 95)));
    kit.report(moved, canceled(95));
    assert_eq!((kit.state(moving), reserved(&kit)), (None, (10, 0)));
}

#[test]
fn without_proof_an_unanswered_order_counts_on() {
    let (mut kit, [live, sent, moving, moved]) = three();
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::LoggedIn);
    kit.session(0, ready(0, false));
    assert_eq!(kit.cancels(), [sent, moving, moved], "what may live and is not told of is to go");
    assert_eq!((kit.state(live), reserved(&kit)), (Some(OrderState::Live), (110, 300)));
    assert_eq!((kit.state(sent), kit.state(moving)), (Some(OrderState::Unknown), Some(OrderState::Unknown)));
    assert_eq!((kit.engine.halted(), kit.engine.stats().unsettled), (None, 2));
    assert_eq!(kit.refused(cancel(sent)), RiskReject::Busy);
    // They come late, as they were asked for: no contradiction, and nothing stands beside them.
    kit.report(sent, accepted(A, Side::Buy, 10, MID - 100));
    assert_eq!(kit.state(sent), Some(OrderState::PendingCancel));
    kit.report(moved, replaced(moving, 300, MID + 100));
    assert_eq!((kit.state(moving), kit.order(moving).token), (Some(OrderState::PendingCancel), Token(moved)));
    assert_eq!((kit.engine.stats().adopted, kit.engine.halted()), (0, None));
    kit.report(sent, canceled(10));
    kit.report(moved, canceled(300));
    assert_eq!((reserved(&kit), kit.engine.halted()), ((100, 0), None));
}

#[test]
fn a_later_token_proves_that_an_order_was_never_taken() {
    let (mut kit, [_, sent, moving, _]) = three();
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::LoggedIn);
    kit.session(0, ready(0, false));
    let next = kit.passes(buy(A, 7, MID - 200));
    assert_eq!(reserved(&kit), (117, 300));
    // A fill of another order proves nothing, for it uses up no token.
    kit.report(1, executed(1, MID, 1));
    assert_eq!(kit.state(sent), Some(OrderState::Unknown));
    kit.told();
    kit.accept(next);
    assert_eq!((kit.state(sent), reserved(&kit)), (None, (106, 200)));
    assert_eq!(kit.state(moving), Some(OrderState::PendingCancel), "its cancel is under way once more");
    assert_eq!(kit.cancels(), [moving]);
    assert!(kit.told().contains(&Told::Instrument(A, InstrumentChange::Session { ready: true })));
    assert_eq!(kit.engine.halted(), None);

    // The answer to a query says so too, proven to be this login's or not.
    let (mut kit, [_, sent, moving, moved]) = three();
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, ready(moved, false));
    assert_eq!((kit.state(sent), kit.state(moving)), (None, Some(OrderState::Unknown)));
}

#[test]
fn a_proven_replay_settles_what_an_unproven_one_left() {
    let (mut kit, [_, sent, moving, _]) = three();
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, ready(0, false));
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::LoggedIn);
    assert_eq!(reserved(&kit), (110, 300));
    kit.session(0, ready(0, true));
    assert_eq!((kit.state(sent), kit.state(moving)), (None, Some(OrderState::PendingCancel)));
    assert_eq!(reserved(&kit), (100, 200));
    // Or the end of the day.
    let (mut kit, [_, sent, ..]) = three();
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, ready(0, false));
    kit.session(0, SessionEvent::EndOfSession);
    assert_eq!(kit.state(sent), None);
}

#[test]
fn what_is_not_known_is_in_the_hash() {
    let hash = |events: &[SessionEvent]| {
        let (mut kit, _) = three();
        events.iter().for_each(|e| drop(kit.session(0, *e)));
        kit.control(Control::Halt(HaltReason::Reconciliation));
        while kit.engine.has_backlog() {
            kit.timer();
        }
        kit.engine.state_hash()
    };
    use SessionEvent::{Disconnected, Doubt};
    assert_ne!(hash(&[Disconnected]), hash(&[Doubt, Disconnected]));
}
