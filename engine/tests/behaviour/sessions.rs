//! Disconnects, replays and what came before this process: nothing is guessed, nothing sent twice, nothing forgotten.

use engine::{InstrumentChange, OrderState, RiskReject};
use model::{Control, GatewayId, HaltReason, Px, Qty, ReportKind, SessionEvent, Side, Token, VenueRef};

use crate::kit::*;

const READY: SessionEvent = SessionEvent::Ready { next_token: Token(0), proven: true };

#[test]
fn unknown_keeps_its_reservation_until_the_replay_settles_it() {
    let mut kit = Kit::ready(wide());
    let live = kit.live(buy(A, 100, MID));
    let sent = kit.passes(buy(A, 10, MID - 100));
    let lost = kit.passes(buy(A, 1, MID - 200));
    let moving = kit.live(sell(A, 200, MID + 200));
    let moved = kit.passes(replace(moving, 300, MID + 100));
    let ending = kit.live(sell(A, 50, MID + 300));
    kit.ask(cancel(ending)).unwrap();
    let other = kit.live(buy(C, 7, MID));
    let before = kit.engine.orders().exposure(A);

    kit.session(0, SessionEvent::Disconnected);
    for t in [live, sent, lost, moving, ending] {
        assert_eq!(kit.state(t), Some(OrderState::Unknown));
    }
    assert_eq!(kit.state(other), Some(OrderState::Live), "another session's");
    assert_eq!(kit.engine.orders().exposure(A), before);
    assert!(kit.told().contains(&Told::Instrument(A, InstrumentChange::Session { ready: false })));

    // The replay: `sent` was taken, `live` traded in part, the replace was done, `lost` never came.
    kit.session(0, SessionEvent::LoggedIn);
    kit.report(sent, accepted(A, Side::Buy, 10, MID - 100));
    kit.report(live, executed(40, MID, 1));
    kit.report(moved, replaced(moving, 300, MID + 100));
    assert_eq!(kit.state(sent), Some(OrderState::Unknown), "more may follow");
    assert_eq!(kit.ask(cancel(sent)), Ok(None), "wanted; sent when it is settled");

    let sent_now = kit.session(0, READY);
    assert_eq!(sent_now.len(), 2, "nothing but cancels: {sent_now:?}");
    assert_eq!(kit.cancels(), [sent, ending], "what was canceled is canceled again, it does no harm");
    assert_eq!((kit.state(live), kit.state(lost)), (Some(OrderState::Live), None));
    assert_eq!((kit.state(moving), kit.order(moving).token), (Some(OrderState::Live), Token(moved)));
    let e = kit.engine.orders().exposure(A);
    assert_eq!((e.buy, e.sell, e.orders), (60 + 10, 300 + 50, 4));
    assert!(kit.told().contains(&Told::Instrument(A, InstrumentChange::Session { ready: true })));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn an_order_that_the_venue_has_and_has_not_decided_on_is_not_settled_by_a_replay() {
    let mut kit = Kit::ready(wide());
    let (held, lost) = (kit.passes(buy(A, 100, MID)), kit.passes(buy(A, 10, MID - 100)));
    kit.report(held, ReportKind::Restated { reason: b'A' });
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, READY);
    assert_eq!((kit.state(held), kit.state(lost)), (Some(OrderState::PendingNew), None));
    assert_eq!(kit.engine.orders().exposure(A).buy, 100);
    kit.report(held, accepted(A, Side::Buy, 100, MID));
    assert_eq!((kit.state(held), kit.engine.halted()), (Some(OrderState::Live), None));
}

#[test]
fn a_replace_never_processed_leaves_the_order_as_it_was() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.passes(replace(t, 300, MID));
    kit.session(0, SessionEvent::Disconnected);
    assert_eq!(kit.engine.orders().exposure(A).buy, 300);
    kit.session(0, READY);
    assert_eq!((kit.state(t), kit.engine.orders().exposure(A).buy), (Some(OrderState::Live), 100));
}

#[test]
fn an_order_that_ended_in_the_replay_is_gone() {
    let mut kit = Kit::ready(wide());
    let (a, b) = (kit.live(buy(A, 100, MID)), kit.passes(buy(A, 100, MID)));
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::LoggedIn);
    kit.report(a, canceled(100));
    kit.report(b, rejected());
    assert_eq!((kit.state(a), kit.state(b), kit.engine.orders().open()), (None, None, 0));
    kit.session(0, READY);
    assert_eq!(kit.engine.orders().open(), 0);
}

#[test]
fn a_login_without_a_disconnect_is_one() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.session(0, SessionEvent::LoggedIn);
    assert_eq!(kit.state(t), Some(OrderState::Unknown));
    assert!(!kit.engine.is_ready(GATEWAY));
}

#[test]
fn orders_of_an_earlier_run_are_adopted() {
    let mut kit = Kit::new(wide());
    kit.tokens(1_000, 2_000);
    kit.session(0, SessionEvent::LoggedIn);
    kit.report(5, accepted(A, Side::Sell, 100, MID + 300));
    kit.report(5, executed(40, MID + 300, 1));
    kit.report(6, accepted(A, Side::Buy, 10, MID));
    kit.report(8, replaced(6, 20, MID - 100));
    // Asked for by the earlier run: that this one never asked is no contradiction of anything it saw.
    assert_eq!(kit.engine.halted(), None);
    kit.report(7, accepted(B, Side::Buy, 9, MID));
    kit.report(7, executed(9, MID, 2));
    assert_eq!(kit.state(5), Some(OrderState::Unknown));
    assert_eq!(kit.ask(cancel(5)), Ok(None));
    kit.session(0, SessionEvent::Ready { next_token: Token(9), proven: true });
    assert_eq!(kit.cancels(), [5]);
    assert_eq!((kit.shares(A), kit.shares(B), kit.engine.stats().adopted), (-40, 9, 3));
    let e = kit.engine.orders().exposure(A);
    assert_eq!((e.buy, e.sell, e.orders), (20, 60, 2));
    assert!(kit.order(6).adopted && kit.order(6).token == Token(8));
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn an_adopted_short_sale_is_one() {
    let restrict = |kit: &mut Kit<Hand>| {
        let symbol = model::Symbol::BLANK;
        kit.market(A, model::MarketBody::ShortSaleRestriction { symbol, action: b'1' });
    };
    let mut kit = Kit::ready(wide());
    restrict(&mut kit);
    kit.report(5, accepted_as(A, Side::Sell, true, 100, MID + 300));
    kit.report(6, accepted(A, Side::Sell, 100, MID + 300));
    assert_eq!((kit.order(5).short, kit.order(6).short), (true, false));
    assert_eq!(kit.refused(replace(5, 50, MID - 100)), RiskReject::ShortSale, "at the bid");
    kit.passes(replace(6, 50, MID - 100));
    kit.passes(replace(5, 50, MID));
    // A mark put on afterwards counts too.
    kit.report(70, accepted(A, Side::Sell, 10, MID + 300));
    kit.report(70, ReportKind::Modified { qty: Qty(10), side: Side::Sell, short: true });
    assert_eq!(kit.refused(replace(70, 5, MID - 100)), RiskReject::ShortSale);
    assert_eq!(kit.engine.halted(), None);
    // A venue that took a short sale for a long one, or the other way round.
    for (mark, sale) in [(false, sell(B, 10, MID)), (true, buy(B, 10, MID))] {
        let mut kit = Kit::ready(wide());
        kit.quote(B, Side::Buy, 1_000, MID - 100);
        kit.quote(B, Side::Sell, 1_000, MID + 100);
        let t = kit.passes(sale);
        let side = kit.order(t).side;
        kit.report(t, accepted_as(B, side, mark, 10, MID));
        assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
    }
}

#[test]
fn orders_that_a_drop_copy_tells_of_are_followed_and_left_alone() {
    let mut config = config(wide());
    config.drop_copies = vec![GatewayId(1)];
    let mut kit = Kit::of(&config, Hand::default());
    kit.session(1, SessionEvent::LoggedIn);
    kit.report_of(1, 3, accepted(C, Side::Buy, 100, MID));
    kit.session(1, SessionEvent::Ready { next_token: Token(0), proven: false });
    kit.report_of(1, 4, accepted(C, Side::Sell, 50, MID + 300));
    kit.report_of(1, 4, executed(20, MID + 300, 1));
    assert_eq!((kit.engine.orders().open(), kit.engine.orders().ours_open()), (2, 0));
    assert_eq!((kit.shares(C), kit.engine.halted()), (-20, None));
    // Whoever ends or halts this process has nothing to cancel there.
    for control in [Control::CancelAll, Control::Halt(HaltReason::Loss), Control::Shutdown] {
        kit.control(control);
        kit.report_of(1, 3, ReportKind::Canceled { qty: Qty(10), reason: b'U' });
        assert_eq!(kit.cancels(), [0; 0], "{control:?}");
        assert!(!kit.engine.has_backlog());
    }
    assert_eq!(kit.order(3).open, Qty(70));
}

#[test]
fn an_order_that_cannot_be_counted_halts() {
    let unknown = ReportKind::Accepted {
        order: VenueRef(1),
        px: Px(MID),
        qty: Qty(1),
        side: Side::Buy,
        short: false,
        instrument: None,
        dead: false,
    };
    for kind in [unknown, replaced(76, 100, MID)] {
        let mut kit = Kit::ready(wide());
        kit.report(77, kind);
        assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation), "{kind:?}");
    }
    let mut kit = Kit::ready(engine::RiskLimits { max_open_orders: 1, ..wide() });
    kit.passes(buy(A, 1, MID));
    kit.report(77, accepted(A, Side::Buy, 1, MID));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation), "no slot");
}

#[test]
fn an_unknown_order_that_is_dead_at_once_is_nothing() {
    let mut kit = Kit::ready(wide());
    let kind = ReportKind::Accepted {
        order: VenueRef(1),
        px: Px(MID),
        qty: Qty(1),
        side: Side::Buy,
        short: false,
        instrument: None,
        dead: true,
    };
    kit.report(77, kind);
    assert_eq!((kit.engine.halted(), kit.engine.orders().open()), (None, 0));
    assert_eq!(kit.passes(buy(A, 1, MID)), 78);
}

#[test]
fn a_broken_trade_is_taken_back() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(100, MID, 41));
    let s = kit.live(sell(A, 30, MID + 100));
    kit.report(s, executed(10, MID + 100, 42));
    kit.told();
    kit.report(t, ReportKind::Broken { match_number: 41, reason: b'E' });
    let p = kit.engine.positions().of(A);
    assert_eq!((p.shares, p.cash.0, p.fills), (-10, 10 * (MID + 100), 1));
    assert_eq!(kit.engine.halted(), None);
    let told = kit.told();
    assert!(
        matches!(told.as_slice(), [Told::Broken(f)] if f.match_number == 41 && f.qty == Qty(100)),
        "{told:?}"
    );
    // Once: the second report is of something that we do not know.
    kit.report(t, ReportKind::Broken { match_number: 41, reason: b'E' });
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
    assert_eq!(kit.shares(A), -10);
}

#[test]
fn both_sides_of_a_trade_with_ourselves_are_broken_one_by_one() {
    let mut kit = Kit::ready(wide());
    let (b, s) = (kit.live(buy(A, 100, MID - 100)), kit.live(sell(A, 60, MID + 100)));
    kit.report(b, executed(60, MID, 41));
    kit.report(s, executed(60, MID, 41));
    kit.report(s, ReportKind::Broken { match_number: 41, reason: b'E' });
    assert_eq!(kit.shares(A), 60, "the sell is void, the buy not yet");
    kit.report(b, ReportKind::Broken { match_number: 41, reason: b'E' });
    assert_eq!((kit.shares(A), kit.engine.halted()), (0, None));
}

#[test]
fn a_broken_trade_of_a_chain_is_found_by_its_number() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID));
    kit.report(t, executed(10, MID, 41));
    let n = kit.passes(replace(t, 50, MID));
    kit.report(n, replaced(t, 50, MID));
    kit.report(n, ReportKind::Broken { match_number: 41, reason: b'E' });
    assert_eq!((kit.shares(A), kit.engine.halted()), (0, None));
}

#[test]
fn the_end_of_the_venues_day_settles_what_it_never_took_and_nothing_else() {
    let mut kit = Kit::ready(wide());
    let live = kit.live(buy(A, 100, MID));
    let ending = kit.live(sell(A, 50, MID + 300));
    kit.ask(cancel(ending)).unwrap();
    let sent = kit.passes(buy(A, 10, MID - 100));
    kit.session(0, SessionEvent::EndOfSession);
    assert_eq!(kit.state(sent), None, "every report of the day was seen, and none was of it");
    for t in [live, ending] {
        assert_eq!(kit.state(t), Some(OrderState::Unknown), "the venue did not say what became of it");
    }
    let e = kit.engine.orders().exposure(A);
    assert_eq!((e.buy, e.sell, e.orders), (100, 50, 2));

    // An order of which a disconnect before the end had made a question, too.
    let mut kit = Kit::ready(wide());
    let sent = kit.passes(buy(A, 10, MID));
    kit.session(0, SessionEvent::Disconnected);
    assert_eq!(kit.state(sent), Some(OrderState::Unknown));
    kit.session(0, SessionEvent::LoggedIn);
    kit.session(0, SessionEvent::EndOfSession);
    assert_eq!((kit.state(sent), kit.engine.orders().exposure(A).buy), (None, 0));
}
