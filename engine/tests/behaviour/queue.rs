//! What a throttle has no room for waits: it goes in order when there is room, is superseded, canceled, or dropped, and the strategy is told.

use engine::strategy::Intent;
use engine::{
    BackOff, DropReason, InstrumentChange, OrderState, QueueLimit, RiskLimits, RiskReject, Throttle,
    WindowLimit,
};
use model::{
    CommandKind, Control, GatewayId, HaltReason, Nanos, OrderCommand, Px, Qty, ReportKind, SessionEvent,
    Side, Tif, Token, TradingState,
};

use crate::kit::*;

const MS: u64 = 1_000_000;

fn throttle(limit: u32, slots: usize) -> Throttle {
    Throttle {
        windows: vec![WindowLimit { limit, span: Nanos(10 * MS) }],
        queue: Some(QueueLimit { slots, patience: Nanos(25 * MS) }),
        ..Throttle::default()
    }
}

/// Two requests in 10 ms, and four that wait for 25 ms.
fn narrow() -> Kit<Hand> {
    Kit::throttled(wide(), throttle(2, 4))
}

fn order(k: u32) -> Intent {
    buy(A, 1 + k, MID - 100)
}

/// Has it wait; its token.
fn waits(kit: &mut Kit<Hand>, intent: Intent) -> u32 {
    let held = kit.engine.stats().held;
    assert_eq!(kit.ask(intent), Ok(None), "it waits: {intent:?}");
    assert_eq!(kit.engine.stats().held, held + 1);
    kit.engine.orders().iter().map(|o| o.token.0).max().unwrap()
}

fn dropped(kit: &Kit<Hand>) -> Vec<(Intent, DropReason)> {
    let of = |t| if let Told::Dropped(i, why) = t { Some((i, why)) } else { None };
    let told: Vec<_> = kit.told().into_iter().filter_map(of).collect();
    let journaled: Vec<_> = kit.out.dropped().iter().map(|d| (d.intent, d.why)).collect();
    assert!(told.ends_with(&journaled), "what the last input dropped is told: {told:?} {journaled:?}");
    told
}

/// A timer whenever one is wanted up to `until`; what was sent, and when.
fn pass_time(kit: &mut Kit<Hand>, until: u64) -> Vec<(u64, OrderCommand)> {
    let mut sent = Vec::new();
    while let Some(at) = kit.engine.next_timer().filter(|at| at.0 <= until) {
        if at > kit.now {
            kit.now = at;
        } else if !kit.has_backlog() {
            // The script wants a timer at any time: only what the queue wants moves the clock on.
            kit.now.0 = until.min(kit.now.0 + MS / 2);
        }
        let now = kit.now.0;
        sent.extend(kit.timer().into_iter().map(|c| (now, c)));
        if now == until && !kit.has_backlog() {
            break;
        }
    }
    sent
}

#[test]
fn what_waits_goes_oldest_first_when_there_is_room() {
    let mut kit = narrow();
    let start = kit.now.0;
    let live = kit.live(order(0));
    kit.passes(order(1));
    let (a, b) = (waits(&mut kit, order(2)), waits(&mut kit, order(3)));
    assert_eq!(kit.ask(replace(live, 7, MID - 200)), Ok(None), "the window is full for it too");
    assert_eq!((kit.state(a), kit.state(b)), (Some(OrderState::Waiting), Some(OrderState::Waiting)));
    assert_eq!(kit.engine.orders().exposure(A).buy, 1 + 2 + 3 + 4, "what waits is reserved");
    assert_eq!(kit.state(live), Some(OrderState::Live), "a replace that waits leaves its order as it is");

    kit.now = Nanos(start + 10 * MS - 1);
    assert_eq!(kit.timer(), []);
    kit.now = Nanos(start + 10 * MS);
    let sent = kit.timer();
    assert_eq!(sent.iter().map(|c| c.token().0).collect::<Vec<_>>(), [a, b], "two, and in order");
    assert_eq!(kit.state(a), Some(OrderState::PendingNew));
    kit.accept(a);
    kit.now = Nanos(start + 20 * MS);
    let sent = kit.timer();
    let CommandKind::Replace { old, token, qty, px, .. } = sent[0].kind else { panic!("{sent:?}") };
    assert_eq!((old, qty, px, sent.len()), (Token(live), Qty(7), Px(MID - 200), 1));
    assert!(token.0 > b, "tokens go out in increasing order");
    assert_eq!(kit.state(live), Some(OrderState::PendingReplace));
    let s = kit.engine.stats();
    assert_eq!((s.new_orders, s.replaces, s.held, s.dropped, s.refusals), (4, 1, 3, 0, 0));
    kit.report(token.0, replaced(live, 7, MID - 200));
    assert_eq!((kit.engine.halted(), kit.engine.orders().exposure(A).buy), (None, 7 + 2 + 3 + 4));
}

#[test]
fn nothing_goes_past_what_waits_but_cancels_and_other_gateways() {
    let mut kit = narrow();
    let live = kit.live(order(0));
    kit.passes(order(1));
    let first = waits(&mut kit, order(2));
    // There is room again, and yet the one that waits is first.
    kit.now.0 += 10 * MS;
    kit.hand().next.push(order(3));
    let sent = kit.timer();
    assert_eq!(sent.iter().map(|c| c.token().0).collect::<Vec<_>>(), [first, first + 1]);
    waits(&mut kit, order(4));
    kit.passes(buy(C, 1, MID - 100));
    assert!(kit.ask(cancel(live)).unwrap().is_some(), "at once");
}

#[test]
fn a_newer_request_takes_the_place_of_one_that_waits() {
    let mut kit = narrow();
    let start = kit.now.0;
    let live = kit.live(order(0));
    kit.passes(order(1));
    kit.ask(replace(live, 10, MID - 200)).unwrap();
    let new = waits(&mut kit, order(2));
    kit.told();
    kit.ask(replace(live, 20, MID - 300)).unwrap();
    assert_eq!(dropped(&kit), [(replace(live, 10, MID - 200), DropReason::Superseded)]);
    kit.ask(replace(new, 30, MID - 400)).unwrap();
    assert_eq!(dropped(&kit), [(order(2), DropReason::Superseded)]);
    assert_eq!((kit.order(new).open, kit.engine.orders().exposure(A).buy), (Qty(30), 1 + 2 + 30));
    assert_eq!(kit.refused(replace(new, 30, MID * 2)), RiskReject::Collar, "what waits is checked at once");

    kit.now = Nanos(start + 10 * MS);
    let sent = kit.timer();
    let CommandKind::Replace { qty, px, token, .. } = sent[0].kind else { panic!("{sent:?}") };
    assert_eq!((qty, px, token.0 < new), (Qty(20), Px(MID - 300), true), "in the older one's place");
    let CommandKind::New { qty, px, .. } = sent[1].kind else { panic!("{sent:?}") };
    assert_eq!((qty, px), (Qty(30), Px(MID - 400)));
}

#[test]
fn a_cancel_removes_what_waits() {
    let mut kit = narrow();
    let live = kit.live(order(0));
    kit.passes(order(1));
    let new = waits(&mut kit, order(2));
    kit.ask(replace(live, 10, MID - 200)).unwrap();
    kit.told();
    let cancels = kit.engine.stats().cancels;
    assert_eq!(kit.ask(cancel(new)), Ok(None), "the venue knows nothing of it");
    assert_eq!(dropped(&kit), [(order(2), DropReason::Canceled)]);
    assert_eq!((kit.state(new), kit.engine.stats().cancels), (None, cancels));
    let sent = kit.ask(cancel(live)).unwrap().unwrap();
    assert_eq!((sent.token().0, matches!(sent.kind, CommandKind::Cancel { .. })), (live, true));
    assert_eq!(dropped(&kit), [(replace(live, 10, MID - 200), DropReason::Canceled)]);
    kit.now.0 += 10 * MS;
    assert_eq!(kit.timer(), [], "nothing is left");
    assert_eq!(kit.engine.orders().exposure(A).buy, 1 + 2);
}

#[test]
fn what_waits_too_long_is_dropped() {
    let mut kit = Kit::throttled(wide(), throttle(1, 4));
    let start = kit.now.0;
    kit.passes(order(0));
    for k in 1..=4 {
        waits(&mut kit, order(k));
    }
    assert_eq!(kit.refused(order(5)), RiskReject::MessageRate, "four wait");
    kit.told();
    let sent = pass_time(&mut kit, start + 40 * MS);
    let times: Vec<_> = sent.iter().map(|(at, _)| (at - start) / MS).collect();
    assert_eq!(times, [10, 20], "25 ms are over before there is room for the third");
    let late = [(order(3), DropReason::Deadline), (order(4), DropReason::Deadline)];
    let told: Vec<_> = kit.told().into_iter().filter(|t| matches!(t, Told::Dropped(..))).collect();
    assert_eq!(told, late.map(|(i, why)| Told::Dropped(i, why)));
    assert_eq!(kit.engine.orders().open(), 3, "what was dropped gives its slot back");
}

#[test]
fn the_gate_looks_again_when_there_is_room() {
    let limits = RiskLimits { max_position: 20, ..wide() };
    let mut kit = Kit::throttled(limits, throttle(2, 4));
    let live = kit.live(buy(A, 10, MID - 100));
    kit.passes(buy(C, 1, MID - 100)); // another gateway's
    kit.passes(buy(A, 1, MID - 100));
    let new = waits(&mut kit, buy(A, 5, MID - 100));
    kit.ask(replace(live, 14, MID - 100)).unwrap();
    kit.told();
    kit.trading(A, TradingState::Halted);
    kit.now.0 += 10 * MS;
    assert_eq!(kit.timer(), []);
    let why = DropReason::Refused(RiskReject::NotTrading);
    assert_eq!(
        dropped(&kit),
        [(buy(A, 5, MID - 100), why), (replace(live, 14, MID - 100), why)],
        "what was fine then is not now"
    );
    assert_eq!((kit.state(new), kit.state(live)), (None, Some(OrderState::Live)));

    // A fill of another order moves the position on: the worst case is counted as it is when there is room.
    kit.trading(A, TradingState::Trading);
    kit.live(buy(A, 2, MID - 200));
    kit.live(buy(A, 1, MID - 200));
    kit.ask(replace(live, 16, MID - 100)).unwrap();
    kit.report(live, executed(10, MID - 100, 1));
    kit.told();
    kit.now.0 += 10 * MS;
    kit.timer();
    assert_eq!(dropped(&kit), [(replace(live, 16, MID - 100), DropReason::OrderEnded)]);
}

#[test]
fn a_sell_is_marked_as_it_stands_when_it_goes() {
    let mut kit = Kit::throttled(wide(), throttle(1, 4));
    let held = kit.live(buy(A, 10, MID - 100));
    kit.report(held, executed(10, MID - 100, 1));
    let sold = waits(&mut kit, sell(A, 10, MID + 100));
    kit.report(held, ReportKind::Broken { match_number: 1, reason: b'E' });
    kit.now.0 += 10 * MS;
    let sent = kit.timer();
    let CommandKind::New { token, short, .. } = sent[0].kind else { panic!("{sent:?}") };
    assert_eq!((token, short, kit.order(sold).short), (Token(sold), true, true), "the shares are gone");
}

#[test]
fn immediate_orders_do_not_wait() {
    let mut kit = narrow();
    kit.passes(order(0));
    kit.passes(order(1));
    let ioc = Intent::New { instrument: A, side: Side::Buy, qty: Qty(5), px: Px(MID), tif: Tif::Ioc };
    assert_eq!(kit.refused(ioc), RiskReject::MessageRate);
}

#[test]
fn the_same_order_does_not_wait_twice() {
    let limits = RiskLimits { duplicate_window: Nanos(5 * MS), ..wide() };
    let mut kit = Kit::throttled(limits, throttle(2, 4));
    kit.passes(order(0));
    kit.passes(order(1));
    waits(&mut kit, order(2));
    kit.now.0 += 5 * MS - 1;
    assert_eq!(kit.refused(order(2)), RiskReject::Duplicate);
    kit.now.0 += 1;
    waits(&mut kit, order(2));
}

#[test]
fn halts_sessions_and_cancel_all_empty_the_queue() {
    type Blow = fn(&mut Kit<Hand>);
    let blows: [(Blow, DropReason); 6] = [
        (|k| drop(k.control(Control::Halt(HaltReason::Operator))), DropReason::Halted),
        (|k| drop(k.control(Control::Halt(HaltReason::Loss))), DropReason::Halted),
        (|k| drop(k.control(Control::Shutdown)), DropReason::Halted),
        (|k| drop(k.control(Control::CancelAll)), DropReason::Canceled),
        (|k| drop(k.session(0, SessionEvent::Disconnected)), DropReason::SessionDown),
        (|k| drop(k.session(0, SessionEvent::EndOfSession)), DropReason::SessionDown),
    ];
    for (n, (blow, why)) in blows.into_iter().enumerate() {
        let mut kit = narrow();
        let live = kit.live(order(0));
        kit.live(order(1));
        let new = waits(&mut kit, order(2));
        kit.ask(replace(live, 10, MID - 200)).unwrap();
        kit.told();
        blow(&mut kit);
        let both = [(order(2), why), (replace(live, 10, MID - 200), why)];
        let of = |t| if let Told::Dropped(i, why) = t { Some((i, why)) } else { None };
        assert_eq!(kit.told().into_iter().filter_map(of).collect::<Vec<_>>(), both, "blow {n}");
        assert_eq!((kit.state(new), kit.engine.orders().open()), (None, 2), "blow {n}");
        assert!(!kit.cancels().contains(&new), "blow {n}: the venue knows nothing of it");
        kit.now.0 += 10 * MS;
        let sent = kit.timer();
        assert!(sent.iter().all(|c| matches!(c.kind, CommandKind::Cancel { .. })), "blow {n}: {sent:?}");
        assert_eq!(kit.engine.stats().anomalies, 0, "blow {n}");
    }
}

#[test]
fn what_waits_goes_no_faster_than_the_common_rate() {
    let (limits, queue) = (
        RiskLimits { max_messages_per_second: 2, ..wide() },
        Some(QueueLimit { slots: 4, patience: Nanos(5_000 * MS) }),
    );
    let mut kit = Kit::throttled(limits, Throttle { queue, ..throttle(100, 4) });
    let start = kit.now.0;
    kit.live(order(0));
    kit.live(order(1));
    let waiting: Vec<u32> = (2..6).map(|k| waits(&mut kit, order(k))).collect();
    let pace = kit.engine.pace(GATEWAY).unwrap();
    assert_eq!((pace.waiting, pace.room_at), (4, Nanos(start + 1_000 * MS)));
    assert_eq!(kit.engine.pace(GatewayId(1)), None, "nobody counts what goes there");
    for (second, two) in [(1, &waiting[..2]), (2, &waiting[2..])] {
        kit.now = Nanos(start + second * 1_000 * MS - 1);
        assert_eq!(kit.timer(), []);
        kit.now.0 += 1;
        let sent: Vec<u32> = kit.timer().iter().map(|c| c.token().0).collect();
        assert_eq!(sent, two, "two in a second");
        assert_eq!(kit.timer(), []);
    }
}

#[test]
fn what_waits_is_asked_anew_for_its_new_size() {
    let limits = RiskLimits { max_position: 20, ..wide() };
    let mut kit = Kit::throttled(limits, throttle(2, 4));
    kit.live(buy(A, 10, MID - 100));
    kit.live(buy(A, 1, MID - 100));
    let new = waits(&mut kit, buy(A, 5, MID - 100));
    assert_eq!(kit.refused(replace(new, 10, MID - 100)), RiskReject::Position);
    assert_eq!(kit.ask(replace(new, 9, MID - 100)), Ok(None));
    assert_eq!(kit.engine.orders().exposure(A).buy, 20);
    // What no room would help does not wait for any.
    assert_eq!(kit.refused(buy(A, 1, MID - 100)), RiskReject::Position);
    assert_eq!(kit.refused(replace(1, 11, MID - 100)), RiskReject::Position);
}

#[test]
fn what_the_venue_would_ignore_is_not_sent() {
    let mut kit = narrow();
    kit.live(order(0));
    kit.live(order(1));
    let (a, b) = (waits(&mut kit, order(2)), waits(&mut kit, order(3)));
    kit.told();
    // Another program on the account uses the token that waits first.
    kit.report(a, accepted(A, Side::Buy, 77, MID - 100));
    assert_eq!(dropped(&kit)[0], (order(2), DropReason::TokenPassed));
    assert!(kit.order(a).adopted && kit.order(a).open == Qty(77), "the order of that name is the other's");
    assert_eq!(kit.state(b), Some(OrderState::Waiting), "above it a token is as good as before");
    kit.report(b + 5, accepted(A, Side::Buy, 1, MID - 100));
    assert_eq!(dropped(&kit), [(order(3), DropReason::TokenPassed)]);
    assert!(kit.passes(buy(C, 1, MID)) > b + 5);
    assert_eq!(kit.engine.halted(), None);
}

fn refused(code: u16) -> ReportKind {
    ReportKind::Rejected { reason: code }
}

#[test]
fn after_a_refusal_for_rate_new_orders_stay_back_and_longer_each_time() {
    let back_off = BackOff { codes: vec![0x28, 0x29], first: Nanos(10 * MS), longest: Nanos(30 * MS) };
    let mut kit = Kit::throttled(wide(), Throttle { back_off: Some(back_off), ..Throttle::default() });
    let live = kit.live(order(50));
    let (t, u) = (kit.passes(order(0)), kit.passes(order(1)));
    kit.report(t, refused(6));
    kit.passes(order(2));
    for (k, wait) in (0u32..).zip([10, 20, 30, 30]) {
        let (t, u) = if k == 0 {
            (u, kit.passes(order(90)))
        } else {
            (kit.passes(order(3 + k)), kit.passes(order(40 + k)))
        };
        kit.report(t, refused(0x28));
        kit.report(u, refused(0x29)); // was on its way: no longer wait for it
        kit.now.0 += wait * MS - 1;
        assert_eq!(kit.refused(order(10 + k)), RiskReject::BackOff, "wait {k}");
        assert_eq!(kit.refused(replace(live, 2, MID - 200)), RiskReject::BackOff);
        kit.now.0 += 1;
    }
    assert!(kit.ask(cancel(live)).unwrap().is_some());
    let good = kit.live(order(20));
    let t = kit.passes(order(21));
    kit.report(t, refused(0x28));
    kit.now.0 += 10 * MS;
    kit.passes(order(22));
    assert_eq!(kit.state(good), Some(OrderState::Live), "an acceptance made the first wait the next one");
}

#[test]
fn in_back_off_requests_wait_where_there_is_a_queue() {
    let back_off = BackOff { codes: vec![0x28], first: Nanos(10 * MS), longest: Nanos(30 * MS) };
    let mut kit = Kit::throttled(wide(), Throttle { back_off: Some(back_off), ..throttle(100, 4) });
    let start = kit.now.0;
    let live = kit.live(order(9));
    let t = kit.passes(order(0));
    kit.report(t, refused(0x28));
    let new = waits(&mut kit, order(1));
    assert!(kit.ask(cancel(live)).unwrap().is_some(), "cancels do not");
    let sent = pass_time(&mut kit, start + 20 * MS);
    assert_eq!(sent.iter().map(|(at, c)| (at - start, c.token().0)).collect::<Vec<_>>(), [(10 * MS, new)]);
}

#[test]
fn refusals_that_come_too_fast_halt() {
    let breaker = Some(WindowLimit { limit: 3, span: Nanos(10 * MS) });
    let spam = |apart: u64| {
        let mut kit = Kit::throttled(wide(), Throttle { breaker, ..Throttle::default() });
        let live = kit.live(order(50));
        for k in 0..3 {
            assert_eq!(kit.engine.halted(), None);
            let t = kit.passes(order(k));
            kit.report(t, refused(6));
            kit.now.0 += apart;
        }
        (kit, live)
    };
    let (kit, live) = spam(4 * MS);
    assert_eq!(kit.engine.halted(), Some(HaltReason::RejectRate));
    assert_eq!(kit.cancels(), [live], "everything goes");
    let halted = Told::Instrument(A, InstrumentChange::Halt { halted: true });
    assert!(kit.told().contains(&halted));
    assert_eq!(spam(5 * MS).0.engine.halted(), None, "three, but in more than 10 ms");

    // What a login replays was refused long ago.
    let mut kit = Kit::throttled(wide(), Throttle { breaker, ..Throttle::default() });
    kit.session(0, SessionEvent::Disconnected);
    kit.session(0, SessionEvent::LoggedIn);
    for k in 0..9 {
        kit.report(500 + k, refused(6));
    }
    assert_eq!(kit.engine.halted(), None);
    kit.session(0, SessionEvent::Ready { next_token: Token(0), proven: true });
    assert_eq!(kit.engine.halted(), None);
}

/// Whatever is asked, the queue sends within the window, in the order of its tokens, nothing twice, and loses nothing without saying so.
#[test]
fn a_storm_of_requests_is_sent_in_order_or_told() {
    for seed in 0..30 {
        let mut rng = Rng::new(seed);
        let mut kit = Kit::throttled(wide(), Throttle { cancel_reserve: 1, ..throttle(4, 8) });
        let (mut sent, mut last) = (Vec::<u64>::new(), 0);
        for step in 0..600 {
            let mut intents = Vec::new();
            if rng.one_in(2) {
                let open: Vec<u32> = kit.engine.orders().of(A).map(|o| o.id.0.0).collect();
                let any = |rng: &mut Rng| open.get(rng.below(9) as usize).copied().unwrap_or(1);
                for k in 0..1 + rng.below(3) as u32 {
                    intents.push(match rng.below(4) {
                        0 => cancel(any(&mut rng)),
                        1 => replace(any(&mut rng), 1 + k, MID - 200 - i64::from(step % 50) * 100),
                        _ => buy(A, 1 + step * 3 + k, MID - 100),
                    });
                }
            }
            if rng.one_in(60) {
                kit.session(0, SessionEvent::Disconnected);
                kit.session(0, SessionEvent::Ready { next_token: Token(0), proven: true });
            }
            let commands = kit.ask_all(&intents);
            let now = kit.now.0;
            let mut news = 0;
            for c in commands {
                let within = sent.iter().filter(|t| now - **t < 10 * MS).count();
                sent.push(now);
                let token = c.token().0;
                match c.kind {
                    CommandKind::Cancel { .. } => {
                        let open = kit.engine.orders().by_token(c.token()).map_or(0, |o| o.open.0);
                        kit.report(token, canceled(open));
                        continue;
                    }
                    CommandKind::New { .. } => kit.accept(token),
                    CommandKind::Port { .. } => unreachable!("nobody asks for it"),
                    CommandKind::Replace { old, qty, px, .. } => {
                        kit.report(token, replaced(old.0, qty.0, px.0));
                    }
                }
                news += 1;
                assert!(within < 4, "seed {seed}, step {step}: {within} in the window");
                assert!(token > last, "seed {seed}: {token} after {last}");
                last = token;
            }
            assert!(news <= 3, "seed {seed}: one unit is for cancels");
            let open = kit.engine.orders().of(A).map(|o| u64::from(o.reserved().0)).sum::<u64>();
            assert_eq!(kit.engine.orders().exposure(A).buy, open, "seed {seed}, step {step}");
            kit.now.0 += rng.below(3) * MS;
        }
        kit.now.0 += 1_000 * MS;
        while kit.engine.orders().iter().any(|o| o.state() == OrderState::Waiting) {
            kit.timer();
        }
        let s = kit.engine.stats();
        assert_eq!((s.anomalies, kit.engine.halted()), (0, None), "seed {seed}");
        assert!(s.held > 50 && s.dropped > 20 && s.new_orders > 50, "seed {seed}: {s:?}");
    }
}

/// Its own reservation is all that the limit leaves.
#[test]
fn what_waits_is_not_in_its_own_way() {
    let limits = RiskLimits { max_position: 100, ..wide() };
    let mut kit = Kit::throttled(limits, throttle(2, 4));
    for k in 1..=2 {
        kit.live(sell(A, k, MID + 100));
    }
    let token = waits(&mut kit, buy(A, 100, MID - 100));
    let until = kit.now.0 + 20 * MS;
    let sent = pass_time(&mut kit, until);
    assert_eq!(sent.iter().map(|(_, c)| c.token().0).collect::<Vec<_>>(), [token]);
    assert_eq!(dropped(&kit), []);
}
