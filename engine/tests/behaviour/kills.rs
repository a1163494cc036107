//! The kill switch: what it blocks, what it cancels, what it asks of ports, and when nothing of it lives.

use engine::{InstrumentChange, KillState, OrderState, RiskReject};
use model::{CommandKind, Control, GatewayId, HaltReason, PortRequest, SessionEvent, Side, Token};

use crate::kit::*;

const ALL: Control = Control::Kill { instrument: None };
const OFF: Control = Control::Unkill { instrument: None };

fn asked(commands: &[model::OrderCommand]) -> Vec<(u8, PortRequest)> {
    let of = |c: &model::OrderCommand| match c.kind {
        CommandKind::Port { request, .. } => Some((c.gateway.0, request)),
        _ => None,
    };
    commands.iter().filter_map(of).collect()
}

#[test]
fn a_kill_of_all_asks_the_ports_cancels_order_by_order_and_no_resume_lifts_it() {
    let mut kit = Kit::ready(wide());
    kit.live(buy(A, 10, MID - 100));
    kit.live(buy(A, 11, MID - 100));
    assert_eq!(kit.engine.kill_state(), KillState::Off);
    let caused = kit.control(ALL);
    use PortRequest::{EntryOff, MassCancel};
    assert_eq!(asked(&caused), [(0, MassCancel), (0, EntryOff), (1, MassCancel), (1, EntryOff)]);
    assert_eq!(kit.cancels(), [1, 2]);
    assert!(matches!(caused[0].kind, CommandKind::Port { .. }), "what cancels all at once goes first");
    assert_eq!(
        (kit.engine.halted(), kit.engine.kill_state()),
        (Some(HaltReason::Killed), KillState::Canceling)
    );
    assert_eq!(kit.refused(buy(A, 5, MID)), RiskReject::Halted);
    for (token, qty) in [(1, 10), (2, 11)] {
        kit.report(token, canceled(qty));
    }
    assert_eq!(kit.engine.kill_state(), KillState::Flat);

    kit.control(Control::Resume);
    assert_eq!((kit.engine.halted(), kit.engine.stats().controls_refused), (Some(HaltReason::Killed), 1));
    kit.control(OFF);
    assert_eq!((kit.engine.halted(), kit.engine.kill_state()), (Some(HaltReason::Operator), KillState::Off));
    assert_eq!(kit.refused(buy(A, 5, MID)), RiskReject::Halted);
    kit.control(Control::Resume);
    kit.passes(buy(A, 5, MID));
    kit.control(OFF);
    assert_eq!(kit.engine.stats().controls_refused, 2, "nothing was killed");
}

#[test]
fn a_halt_that_a_kill_stands_before_holds_again_when_the_kill_is_taken_back() {
    use HaltReason::{Journal, Killed, Loss, Operator, Reconciliation};
    // What was halted before the kill, while it held, and what is left after it.
    let cases = [
        (None, None, Operator),
        (Some(Reconciliation), None, Reconciliation),
        (None, Some(Loss), Loss),
        (Some(Operator), Some(Loss), Loss),
        (Some(Reconciliation), Some(Operator), Reconciliation),
        (Some(Reconciliation), Some(Loss), Reconciliation),
    ];
    for (before, during, after) in cases {
        let mut kit = Kit::ready(wide());
        before.into_iter().for_each(|reason| drop(kit.control(Control::Halt(reason))));
        kit.control(ALL);
        kit.control(ALL);
        during.into_iter().for_each(|reason| drop(kit.control(Control::Halt(reason))));
        assert_eq!(kit.engine.halted(), Some(Killed));
        kit.control(OFF);
        assert_eq!(kit.engine.halted(), Some(after), "{before:?} then {during:?}");
        // Taken back once is taken back: the next kill hides what stands then.
        kit.control(Control::Resume);
        kit.control(ALL);
        kit.control(OFF);
        assert_eq!(kit.engine.halted(), Some(Operator));
    }
    // What nobody may resume from stands before the kill, and stays.
    let mut kit = Kit::ready(wide());
    kit.control(ALL);
    kit.control(Control::Halt(Journal));
    assert_eq!(kit.engine.halted(), Some(Journal));
    kit.control(OFF);
    assert_eq!(kit.engine.halted(), Some(Journal));
}

#[test]
fn what_a_session_replays_to_a_killed_core_is_canceled_and_its_port_asked_again() {
    let mut kit = Kit::over(wide(), Hand::default());
    kit.control(ALL);
    kit.start();
    kit.session(0, SessionEvent::Disconnected);
    assert_eq!(kit.engine.kill_state(), KillState::Canceling, "a session that is down tells nothing");
    kit.session(0, SessionEvent::LoggedIn);
    kit.report(70, accepted(A, Side::Buy, 100, MID));
    let mut caused = kit.session(0, SessionEvent::Ready { next_token: Token(71), proven: true });
    let mut canceled_tokens = kit.cancels();
    while kit.has_backlog() {
        caused.extend(kit.timer());
        canceled_tokens.extend(kit.cancels());
    }
    assert_eq!(canceled_tokens, [70]);
    assert_eq!(asked(&caused), [(0, PortRequest::MassCancel), (0, PortRequest::EntryOff)]);
    kit.report(70, canceled(100));
    assert_eq!(kit.engine.kill_state(), KillState::Flat);
}

#[test]
fn a_kill_of_one_instrument_leaves_the_others() {
    let mut kit = Kit::ready(wide());
    kit.live(buy(A, 10, MID - 100));
    let caused = kit.control(Control::Kill { instrument: Some(A) });
    assert_eq!((asked(&caused), kit.cancels()), (vec![], vec![1]));
    assert!(kit.told().contains(&Told::Instrument(A, InstrumentChange::Halt { halted: true })));
    assert_eq!((kit.engine.halted(), kit.engine.is_killed_of(A)), (None, true));
    assert_eq!(kit.refused(buy(A, 5, MID)), RiskReject::Halted);
    kit.passes(buy(C, 5, MID));
    assert_eq!(kit.engine.kill_state(), KillState::Canceling);
    kit.report(1, canceled(10));
    assert_eq!(kit.engine.kill_state(), KillState::Flat, "what lives elsewhere is none of it");
    // A resume after a halt of all does not lift it.
    kit.control(Control::Halt(HaltReason::Operator));
    kit.told();
    kit.control(Control::Resume);
    assert!(kit.told().contains(&Told::Instrument(A, InstrumentChange::Halt { halted: true })));
    assert_eq!(kit.refused(buy(A, 5, MID)), RiskReject::Halted);
    // What the venue takes over of an earlier run is canceled there alone.
    kit.session(0, SessionEvent::Disconnected);
    kit.report(80, accepted(A, Side::Buy, 100, MID));
    kit.report(81, accepted(B, Side::Buy, 100, MID));
    kit.session(0, SessionEvent::Ready { next_token: Token(82), proven: true });
    let mut seen = kit.cancels();
    while kit.has_backlog() {
        kit.timer();
        seen.extend(kit.cancels());
    }
    assert_eq!(seen, [80]);
    kit.control(Control::Unkill { instrument: Some(A) });
    assert_eq!(kit.engine.kill_state(), KillState::Off);
}

#[test]
fn a_kill_said_again_cancels_what_a_venue_would_not() {
    let mut kit = Kit::ready(wide());
    kit.live(buy(A, 10, MID - 100));
    kit.control(ALL);
    kit.report(1, model::ReportKind::CancelRejected);
    assert_eq!(kit.state(1), Some(OrderState::Live));
    let caused = kit.control(ALL);
    assert_eq!((kit.cancels(), asked(&caused).len()), (vec![1], 4));
}

#[test]
fn a_request_that_never_left_is_settled() {
    let mut kit = Kit::ready(wide());
    kit.passes(buy(A, 10, MID - 100));
    kit.live(buy(A, 11, MID - 100));
    kit.passes(replace(2, 20, MID - 100));
    kit.control(ALL);
    kit.control(Control::NeverSent { token: Token(1) });
    assert_eq!(kit.state(1), None);
    kit.control(Control::NeverSent { token: Token(3) });
    assert_eq!(kit.state(2), Some(OrderState::PendingCancel));
    kit.report(2, canceled(11));
    assert_eq!(kit.engine.kill_state(), KillState::Flat);
    // Of an order that lives it cannot be true, and of none it says nothing.
    let mut kit = Kit::ready(wide());
    kit.live(buy(A, 11, MID - 100));
    kit.control(Control::NeverSent { token: Token(99) });
    assert_eq!(kit.engine.halted(), None);
    kit.control(Control::NeverSent { token: Token(1) });
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
}

#[test]
fn a_kill_of_what_is_not_there_is_ignored() {
    let mut kit = Kit::ready(wide());
    kit.control(Control::Kill { instrument: Some(model::InstrumentId(900)) });
    kit.control(Control::Unkill { instrument: Some(model::InstrumentId(900)) });
    assert_eq!(kit.engine.kill_state(), KillState::Off);
    kit.passes(buy(A, 5, MID));
    assert!(kit.engine.is_ready(GatewayId(0)));
}
