//! Halts, sweeps and what ends them.

use engine::{InstrumentChange, OrderState, Reason, RiskLimits, RiskReject};
use model::{
    CommandKind, Control, FeedStatus, GatewayId, HaltReason, Input, OrderCommand, PortRequest, ReportKind,
    SessionEvent, Side, Token, TradingState, Usd, Validity,
};

use crate::kit::*;

const PER_INPUT: usize = engine::limits::SWEEP_PER_INPUT;

fn with_orders(n: u32) -> Kit<Hand> {
    let mut kit = Kit::ready(wide());
    for k in 0..n {
        kit.live(buy(A, 1 + k, MID - 100));
    }
    kit
}

#[test]
fn an_operators_halt_leaves_orders_to_the_strategy() {
    let mut kit = with_orders(2);
    kit.told();
    assert_eq!(kit.control(Control::Halt(HaltReason::Operator)), []);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Operator));
    let told = kit.told();
    for id in [A, B, C] {
        assert!(told.contains(&Told::Instrument(id, InstrumentChange::Halt { halted: true })));
    }
    assert_eq!(kit.refused(replace(1, 5, MID)), RiskReject::Halted);
    kit.ask(cancel(1)).unwrap();
    assert_eq!(kit.cancels(), [1]);
    kit.control(Control::Resume);
    assert_eq!(kit.engine.halted(), None);
    assert!(kit.told().contains(&Told::Instrument(C, InstrumentChange::Halt { halted: false })));
    kit.passes(buy(A, 5, MID));
}

#[test]
fn a_resume_of_what_nothing_restrains_does_nothing() {
    let mut kit = with_orders(1);
    kit.told();
    assert_eq!(kit.control(Control::Resume), []);
    assert_eq!(
        (kit.told(), kit.out.alarms()),
        (vec![], &[][..]),
        "nothing was lifted, and no loss is forgiven"
    );
}

#[test]
fn every_other_halt_cancels_everything() {
    for reason in [
        HaltReason::Shutdown,
        HaltReason::Journal,
        HaltReason::Loss,
        HaltReason::Reconciliation,
        HaltReason::Overflow,
    ] {
        let mut kit = with_orders(3);
        kit.control(Control::Halt(reason));
        assert_eq!((kit.cancels(), kit.engine.halted()), (vec![1, 2, 3], Some(reason)));
        assert!(!kit.has_backlog());
        kit.control(Control::Resume);
        let stays = matches!(reason, HaltReason::Shutdown | HaltReason::Journal);
        assert_eq!(kit.engine.halted().is_some(), stays, "{reason:?}");
    }
}

#[test]
fn what_a_person_asks_of_a_port_goes_with_a_token_of_its_own() {
    let mut kit = with_orders(2);
    let asked = |kit: &mut Kit<Hand>, request| kit.control(Control::Port { gateway: GatewayId(0), request });
    let port = |token, request| CommandKind::Port { token: Token(token), request };
    let kinds = |commands: Vec<OrderCommand>| commands.iter().map(|c| c.kind).collect::<Vec<_>>();
    let mass = asked(&mut kit, PortRequest::MassCancel);
    assert_eq!(kinds(mass), [port(3, PortRequest::MassCancel)]);
    assert_eq!(
        (kit.engine.halted(), kit.engine.orders().open()),
        (None, 2),
        "the venue says what became of them"
    );
    let off = asked(&mut kit, PortRequest::EntryOff);
    assert_eq!(kinds(off), [port(4, PortRequest::EntryOff)]);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Operator), "nothing is sent that would be refused");
    let on = asked(&mut kit, PortRequest::EntryOn);
    assert_eq!(kinds(on), [port(5, PortRequest::EntryOn)]);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Operator), "until a person says so");
    kit.control(Control::Resume);
    kit.live(buy(A, 6, MID - 200));
    // A port that is not there, or not ready, is asked nothing.
    let refused = kit.engine.stats().controls_refused;
    let nobody = Control::Port { gateway: GatewayId(9), request: PortRequest::MassCancel };
    assert_eq!(kit.control(nobody), []);
    kit.session(0, SessionEvent::Disconnected);
    assert_eq!(asked(&mut kit, PortRequest::MassCancel), []);
    assert_eq!(kit.engine.stats().controls_refused, refused + 2);
}

#[test]
fn a_sweep_goes_on_with_the_next_inputs() {
    let n = PER_INPUT as u32 * 3 + 5;
    let mut kit = with_orders(n);
    kit.control(Control::Shutdown);
    let mut seen = kit.cancels();
    assert_eq!(seen.len(), PER_INPUT);
    let mut inputs = 1;
    while kit.has_backlog() {
        kit.timer();
        assert!(kit.cancels().len() <= PER_INPUT);
        seen.extend(kit.cancels());
        inputs += 1;
    }
    assert_eq!((inputs, seen), (4, (1..=n).collect::<Vec<_>>()));
    for t in 1..=n {
        kit.report(t, canceled(t));
    }
    assert_eq!(kit.engine.orders().open(), 0);
}

#[test]
fn a_sweep_is_only_of_what_was_open_when_it_began() {
    let n = PER_INPUT as u32 + 10;
    let mut kit = with_orders(n);
    // The first to be canceled gives its slot back, and the strategy takes it again while the sweep is under way.
    kit.control(Control::CancelAll);
    assert!(kit.has_backlog());
    kit.hand().reply = vec![buy(A, 500, MID - 100)];
    kit.report(1, canceled(1));
    let fresh = n + 1;
    assert_eq!(kit.state(fresh), Some(OrderState::PendingNew));
    while kit.has_backlog() {
        kit.timer();
        assert!(!kit.cancels().contains(&fresh));
    }
    assert_eq!(kit.state(fresh), Some(OrderState::PendingNew));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn a_resume_does_not_break_off_a_sweep() {
    let n = PER_INPUT as u32 * 2;
    for first in [Control::CancelAll, Control::Halt(HaltReason::Reconciliation)] {
        let mut kit = with_orders(n);
        kit.control(first);
        let mut seen = kit.cancels().len();
        kit.control(Control::Resume);
        seen += kit.cancels().len();
        while kit.has_backlog() {
            kit.timer();
            seen += kit.cancels().len();
        }
        assert_eq!(seen as u32, n);
    }
}

#[test]
fn a_lesser_halt_does_not_hide_a_graver_one() {
    for grave in [HaltReason::Journal, HaltReason::Shutdown] {
        let mut kit = Kit::ready(wide());
        kit.control(Control::Halt(grave));
        for lesser in [HaltReason::Operator, HaltReason::Loss, HaltReason::Reconciliation] {
            kit.control(Control::Halt(lesser));
            assert_eq!(kit.engine.halted(), Some(grave));
            kit.control(Control::Resume);
            assert_eq!(kit.engine.halted(), Some(grave), "nobody resumes from it");
        }
    }
    let mut kit = Kit::ready(wide());
    kit.control(Control::Halt(HaltReason::Operator));
    kit.report(77, executed(1, MID, 1));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
    kit.control(Control::Halt(HaltReason::Loss));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation), "the first cause of its kind");
}

#[test]
fn what_cannot_be_canceled_at_once_is_canceled_later() {
    let mut kit = Kit::ready(wide());
    let cut_off = kit.live(buy(C, 100, MID - 100));
    kit.session(1, SessionEvent::Disconnected);
    kit.control(Control::Shutdown);
    assert_eq!(kit.cancels(), [0u32; 0]);
    assert!(!kit.engine.has_backlog());
    kit.session(1, SessionEvent::LoggedIn);
    // An order that this process never knew, of an earlier run.
    kit.report_of(1, 5_000, accepted(C, Side::Sell, 10, MID + 100));
    assert_eq!(kit.cancels(), [0u32; 0]);
    kit.session(1, SessionEvent::Ready { next_token: Token(5_001), proven: true });
    assert_eq!(kit.cancels(), [cut_off, 5_000]);
}

#[test]
fn a_sweep_does_not_wait_for_a_replace_but_names_both() {
    let sweeps = [
        Control::Shutdown,
        Control::CancelAll,
        Control::Halt(HaltReason::Loss),
        Control::Halt(HaltReason::Journal),
    ];
    for sweep in sweeps {
        let mut kit = Kit::ready(wide());
        let moving = kit.live(buy(A, 100, MID - 100));
        let moved = kit.passes(replace(moving, 300, MID - 200));
        kit.control(sweep);
        assert_eq!(kit.cancels(), [moving, moved], "{sweep:?}");
        assert_eq!(kit.state(moving), Some(OrderState::PendingCancel));
        assert_eq!(kit.engine.orders().exposure(A).buy, 300, "until the venue has spoken");
        kit.control(Control::CancelAll);
        assert_eq!(kit.cancels(), [0u32; 0], "once");
        // What the venue may answer: it was replaced, and then the new one canceled; or refused, or invalid, and the old one.
        let mut refused = kit.report(moved, rejected());
        assert_eq!((kit.state(moving), refused.len()), (Some(OrderState::PendingCancel), 0));
        kit.report(moving, canceled(100));
        assert_eq!(kit.engine.orders().open(), 0);

        let mut kit = Kit::ready(wide());
        let moving = kit.live(buy(A, 100, MID - 100));
        let moved = kit.passes(replace(moving, 300, MID - 200));
        kit.control(sweep);
        refused = kit.report(moved, replaced(moving, 300, MID - 200));
        assert_eq!((kit.state(moving), refused.len()), (Some(OrderState::PendingCancel), 0));
        kit.report(moved, canceled(300));
        assert_eq!((kit.engine.orders().open(), kit.engine.stats().anomalies), (0, 0));
    }
}

#[test]
fn a_cancel_refused_behind_a_replace_leaves_what_is_in_flight() {
    let mut kit = Kit::ready(wide());
    let moving = kit.live(buy(A, 100, MID - 100));
    let moved = kit.passes(replace(moving, 300, MID - 200));
    kit.control(Control::CancelAll);
    kit.report(moving, ReportKind::CancelRejected);
    assert_eq!(kit.state(moving), Some(OrderState::PendingReplace));
    kit.report(moved, replaced(moving, 300, MID - 200));
    assert_eq!((kit.state(moving), kit.engine.orders().exposure(A).buy), (Some(OrderState::Live), 300));
}

#[test]
fn a_sweep_over_replaces_stays_within_what_an_input_may_cause() {
    let n = PER_INPUT as u32 + 3;
    let mut kit = with_orders(n);
    for t in 1..=n {
        kit.passes(replace(t, 500 + t, MID - 200));
    }
    kit.control(Control::CancelAll);
    let mut sent = kit.cancels().len();
    assert_eq!(sent, PER_INPUT);
    while kit.has_backlog() {
        kit.timer();
        assert!(kit.cancels().len() <= PER_INPUT);
        sent += kit.cancels().len();
    }
    assert_eq!(sent as u32, 2 * n);
}

#[test]
fn a_strategys_own_wake_up_is_no_backlog() {
    let mut kit = with_orders(1);
    kit.timer();
    assert!(kit.engine.next_timer().is_some(), "the strategy asked for it");
    assert!(!kit.engine.has_backlog());
    kit.session(0, SessionEvent::Disconnected);
    kit.control(Control::CancelAll);
    assert!(!kit.engine.has_backlog(), "nothing can be done about it now");
}

#[test]
fn the_loss_limit_halts_at_the_limit_and_cancels() {
    let limits = RiskLimits { max_daily_loss: Usd(100 * 100), ..wide() }; // 1 cent on 100 shares
    let mut kit = Kit::ready(limits);
    let resting = kit.live(sell(A, 5, MID + 300));
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(99, MID + 100, 1)); // held at 100.00: 1 short of the limit
    assert_eq!((kit.engine.pnl(), kit.engine.halted()), (Usd(-9_900), None));
    kit.report(t, executed(1, MID + 100, 2));
    assert_eq!((kit.engine.pnl(), kit.engine.halted()), (Usd(-10_000), Some(HaltReason::Loss)));
    assert_eq!(kit.cancels(), [resting]);
    // It is no use to resume while the loss stands.
    kit.control(Control::Resume);
    assert_eq!(kit.engine.halted(), Some(HaltReason::Loss));
    kit.quote(A, Side::Buy, 10, MID - 99);
    assert_eq!(kit.engine.pnl(), Usd(-10_000), "the middle is 100.0000 still, rounded down");
    kit.quote(A, Side::Buy, 10, MID - 98);
    assert_eq!(kit.engine.pnl(), Usd(-9_900));
    kit.control(Control::Resume);
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn the_mark_moves_the_loss_and_an_operators_halt_does_not_hide_it() {
    let limits = RiskLimits { max_daily_loss: Usd(100 * 200), ..wide() };
    let mut kit = Kit::ready(limits);
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(100, MID, 1));
    let resting = kit.live(sell(A, 5, MID + 300));
    kit.control(Control::Halt(HaltReason::Operator));
    kit.quote(A, Side::Sell, 10, MID - 98); // middle down by 1 cent
    assert_eq!((kit.engine.pnl(), kit.engine.halted()), (Usd(-9_900), Some(HaltReason::Operator)));
    let bid = model::VenueRef(1);
    kit.quote(A, Side::Buy, 10, MID - 304);
    kit.unquote(A, bid);
    assert_eq!((kit.engine.pnl(), kit.engine.halted()), (Usd(-20_100), Some(HaltReason::Loss)));
    assert_eq!(kit.cancels(), [resting]);
}

#[test]
fn a_broken_trade_can_bring_the_loss() {
    let limits = RiskLimits { max_daily_loss: Usd(100 * 100), ..wide() };
    let mut kit = Kit::ready(limits);
    let (b, s) = (kit.live(buy(A, 100, MID - 50)), kit.live(sell(A, 100, MID + 200)));
    kit.report(s, executed(100, MID + 200, 1));
    kit.report(b, executed(100, MID - 50, 2));
    kit.report(b, ReportBroken::of(2));
    assert_eq!(kit.engine.halted(), None, "short 100, made 2 cents");
    kit.report(s, ReportBroken::of(1));
    assert_eq!((kit.shares(A), kit.engine.pnl()), (0, Usd(0)));
    let loser = kit.live(buy(A, 100, MID + 100));
    kit.report(loser, executed(50, MID + 100, 3));
    let winner = kit.live(sell(A, 50, MID + 200));
    kit.report(winner, executed(50, MID + 200, 4));
    kit.report(loser, executed(50, MID + 151, 5));
    assert_eq!(kit.engine.halted(), None);
    kit.report(winner, ReportBroken::of(4));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Loss));
}

struct ReportBroken;

impl ReportBroken {
    fn of(match_number: u64) -> ReportKind {
        ReportKind::Broken { match_number, reason: b'E' }
    }
}

#[test]
fn the_strategy_is_told_of_every_instrument_of_a_feed() {
    let mut kit = Kit::ready(wide());
    kit.told();
    kit.give(Input::Feed(FEED, FeedStatus::Recovering { from: 1, to: 2 }));
    let change = InstrumentChange::Validity { to: Validity::Recovering, reason: Reason::Gap };
    assert_eq!(kit.told(), [Told::Instrument(A, change), Told::Instrument(B, change)]);
    kit.trading(A, TradingState::Paused);
    assert_eq!(kit.told(), [Told::Instrument(A, InstrumentChange::Trading(TradingState::Paused))]);
    kit.trading(A, TradingState::Paused);
    assert_eq!(kit.told(), [], "nothing new");
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 2 }));
    let change = InstrumentChange::Validity { to: Validity::Halted, reason: Reason::Paused };
    assert_eq!(kit.told()[0], Told::Instrument(A, change));
}

#[test]
fn what_a_core_shows_that_hears_no_more_is_stale_for_good() {
    let mut kit = Kit::ready(wide());
    let state = |kit: &Kit<Hand>, id| {
        let i = kit.engine.instruments().of(id);
        (i.validity, i.reason)
    };
    assert_eq!(state(&kit, A).0, Validity::Valid);
    kit.control(Control::Halt(HaltReason::Operator));
    assert_eq!(state(&kit, A).0, Validity::Valid, "a person's halt says nothing of the books");
    kit.told();
    kit.control(Control::Halt(HaltReason::Journal));
    kit.timer();
    let stale = (Validity::Stale, Reason::Journal);
    assert_eq!([A, B, C].map(|id| state(&kit, id)), [stale; 3], "of every feed");
    let halted = Told::Instrument(A, InstrumentChange::Halt { halted: true });
    assert!(kit.told().contains(&halted), "the halt is told too");
    // Nothing that a feed still says makes it a book to trade on, and nobody resumes.
    kit.give(Input::Feed(FEED, FeedStatus::NewSession));
    kit.give(Input::Feed(FEED, FeedStatus::Synced { next: 1 }));
    kit.control(Control::Resume);
    assert_eq!(state(&kit, A), stale);
    assert_eq!(kit.engine.instruments().transitions().of(Validity::Stale, Reason::Journal), 3);
    // The end of the day is over all of it.
    kit.give(Input::Feed(FEED, FeedStatus::EndOfSession));
    assert_eq!(state(&kit, A), (Validity::Closed, Reason::EndOfSession));
}
