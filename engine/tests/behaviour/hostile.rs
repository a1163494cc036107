//! Inputs that no honest feed, gateway or journal holds: never a panic, never a change by them, and trading halts where the venue's word
//! cannot be true.

use engine::OrderState;
use model::{
    Control, ExecutionReport, FeedId, FeedStatus, GatewayId, HaltReason, Input, InstrumentId, MarketBody,
    MarketEvent, Nanos, Px, Qty, ReportKind, SessionEvent, Side, Token, VenueRef,
};

use crate::kit::*;

#[test]
fn names_outside_the_configuration_are_counted_and_ignored() {
    let mut kit = Kit::ready(wide());
    let add = |instrument| MarketEvent {
        ts_event: Nanos(1),
        instrument,
        body: MarketBody::Add {
            order: VenueRef(500),
            px: Px(MID),
            qty: Qty(5),
            side: Side::Buy,
            mpid: *b"    ",
        },
    };
    let report = ExecutionReport {
        ts_event: Nanos(1),
        seq: 1,
        token: Token(1),
        gateway: GatewayId(2),
        kind: canceled(1),
    };
    let inputs = [
        Input::Market(FeedId(2), add(A)),
        Input::Market(FeedId(0), add(InstrumentId(3))),
        Input::Market(FeedId(0), add(C)), // of feed 1
        Input::Feed(FeedId(255), FeedStatus::NewSession),
        Input::Session(GatewayId(2), SessionEvent::Disconnected),
        Input::Report(report),
    ];
    kit.timer();
    let tops = [A, B, C].map(|i| kit.engine.top(i));
    for (n, input) in (1..).zip(inputs) {
        assert_eq!(kit.give(input), [], "{input:?}");
        assert_eq!(kit.engine.stats().unroutable, n, "{input:?}");
    }
    assert_eq!([A, B, C].map(|i| kit.engine.top(i)), tops);
    assert_eq!(kit.engine.halted(), None);
}

#[test]
fn token_zero_is_nobodys() {
    for kind in [accepted(A, Side::Buy, 10, MID), replaced(1, 10, MID)] {
        let mut kit = Kit::ready(wide());
        kit.live(buy(A, 10, MID));
        kit.report(0, kind);
        assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
        assert_eq!(kit.order(1).token, Token(1));
    }
}

#[test]
fn a_replace_cannot_take_another_orders_token() {
    let mut kit = Kit::ready(wide());
    let (a, b) = (kit.live(buy(A, 10, MID)), kit.live(buy(A, 20, MID)));
    kit.report(b, replaced(a, 10, MID));
    assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation));
    assert_eq!((kit.order(a).open, kit.order(b).open), (Qty(10), Qty(20)));
}

#[test]
fn a_gateway_speaks_of_its_own_orders_only() {
    for kind in [canceled(10), executed(10, MID, 1), rejected(), accepted(A, Side::Buy, 10, MID)] {
        let mut kit = Kit::ready(wide());
        let token = kit.passes(buy(A, 10, MID));
        kit.report_of(1, token, kind);
        assert_eq!(kit.engine.halted(), Some(HaltReason::Reconciliation), "{kind:?}");
        assert_eq!((kit.order(token).open, kit.shares(A)), (Qty(10), 0));
    }
}

#[test]
fn absurd_prices_and_sizes_halt() {
    for (at, qty) in [(i64::MIN, 1), (i64::MAX, 2), (i64::MIN + 1, 2)] {
        let mut kit = Kit::ready(wide());
        let token = kit.live(buy(A, 10, MID));
        kit.report(token, executed(qty, at, 1));
        assert_eq!(kit.engine.halted(), Some(HaltReason::Overflow), "{at}");
        assert_eq!(kit.shares(A), 0, "what cannot be booked is not booked in part");
    }
}

#[test]
fn random_reports_never_panic_nor_leak_exposure() {
    let mut rng = Rng::new(0xf00d);
    for round in 0..60 {
        let mut kit = Kit::ready(wide());
        for _ in 0..300 {
            kit.now.0 += rng.below(5_000);
            let (side, any) = (if rng.one_in(2) { Side::Buy } else { Side::Sell }, rng.below(40) as u32);
            let odd = [0, 1, 10, 100, u32::MAX][rng.below(5) as usize];
            let at = [MID, MID - 200, 0, -1, i64::MAX, i64::MIN][rng.below(6) as usize];
            let instrument = [Some(A), Some(C), None, Some(InstrumentId(9))][rng.below(4) as usize];
            let (order, dead, short) = (VenueRef(rng.below(9)), rng.one_in(4), rng.one_in(4));
            let kind = match rng.below(12) {
                0 | 1 => {
                    ReportKind::Accepted { order, px: Px(at), qty: Qty(odd), side, short, instrument, dead }
                }
                2 => {
                    let old = Token(rng.below(40) as u32);
                    ReportKind::Replaced { old, order, px: Px(at), qty: Qty(odd), dead }
                }
                3 => ReportKind::Canceled { qty: Qty(odd), reason: b'Q' },
                4 => executed(odd, at, rng.below(5)),
                5 => rejected(),
                6 => ReportKind::Broken { match_number: rng.below(5), reason: b'E' },
                7 => ReportKind::CancelRejected,
                10 => ReportKind::Corrected {
                    match_number: rng.below(5),
                    qty: Qty(odd),
                    px: Px(at),
                    liquidity: b'A',
                    reason: b'E',
                },
                8 => ReportKind::Modified { qty: Qty(odd), side, short },
                9 => ReportKind::Reprioritised { order, px: Px(at) },
                _ => ReportKind::System { code: b'E' },
            };
            let event = match rng.below(6) {
                0 => SessionEvent::Disconnected,
                1 => SessionEvent::Doubt,
                2 => SessionEvent::NewSession,
                3 => SessionEvent::LoggedIn,
                _ => SessionEvent::Ready { next_token: Token(any), proven: rng.one_in(2) },
            };
            match rng.below(9) {
                6 => drop(kit.session(rng.below(2) as u8, event)),
                7 => drop(kit.control(Control::WriteOff { token: Token(any) })),
                8 => drop(kit.control(Control::CancelAll)),
                0 => drop(kit.ask_all(&[buy(A, 10, MID - 200), sell(C, 10, MID + 200)])),
                1 => drop(kit.ask_all(&[replace(any, 20, MID - 300), cancel(any + 1)])),
                2 => drop(kit.control(Control::Resume)),
                _ => drop(kit.report_of(rng.below(3) as u8, any, kind)),
            }
            for id in [A, B, C] {
                let sum = |s| {
                    kit.engine
                        .orders()
                        .of(id)
                        .filter(|o| o.side == s)
                        .map(|o| u64::from(o.reserved().0))
                        .sum()
                };
                let e = kit.engine.orders().exposure(id);
                assert_eq!((e.buy, e.sell), (sum(Side::Buy), sum(Side::Sell)), "round {round}");
                assert_eq!(e.orders as usize, kit.engine.orders().of(id).count(), "round {round}");
                assert!(kit.engine.orders().of(id).all(|o| o.state() != OrderState::Filled), "round {round}");
            }
        }
    }
}
