//! The whole story of a restart: a process dies with orders open, the next one reads the venue's stream from its first message, and knows what the first one knew.

use engine::{Order, OrderId, OrderState};
use model::{
    CommandKind, ExecutionReport, GatewayId, Input, Nanos, Px, Qty, ReportKind, SessionEvent, Side, Token,
};

use crate::kit::*;

/// The venue's stream, told to an engine as it is said.
#[derive(Default)]
struct Stream(Vec<ExecutionReport>);

impl Stream {
    fn say(&mut self, kit: &mut Kit<Hand>, token: u32, kind: ReportKind) {
        let (seq, gateway) = (self.0.len() as u64 + 1, GatewayId(0));
        let report = ExecutionReport { ts_event: Nanos(seq), seq, token: Token(token), gateway, kind };
        self.0.push(report);
        kit.give(Input::Report(report));
    }
}

/// Name, token, state, side, short, limit, open, executed and reserved.
type Known = (OrderId, Token, OrderState, Side, bool, Px, Qty, Qty, Qty);

/// What both processes have to agree on.
fn known(kit: &Kit<Hand>) -> Vec<Known> {
    let of = |o: &Order| (o.id, o.token, o.state(), o.side, o.short, o.px, o.open, o.executed, o.reserved());
    let mut all: Vec<_> = kit.engine.orders().iter().map(of).collect();
    all.sort_by_key(|o| o.0);
    all
}

/// A day with every kind of end, and two orders left open. Tokens: 1 is replaced by 5 and partly filled, 2 is filled and its second trade broken, 3 is canceled,
/// 4 is a short sale that rests, 6 was sent and never answered.
fn first_life() -> (Kit<Hand>, Stream) {
    let (mut kit, mut s) = (Kit::ready(wide()), Stream::default());
    let intents = [buy(A, 100, MID - 100), buy(A, 50, MID), buy(A, 10, MID - 200), sell(A, 70, MID + 200)];
    let tokens = intents.map(|i| kit.passes(i));
    assert_eq!(tokens, [1, 2, 3, 4]);
    s.say(&mut kit, 1, accepted(A, Side::Buy, 100, MID - 100));
    s.say(&mut kit, 2, accepted(A, Side::Buy, 50, MID));
    s.say(&mut kit, 1, executed(30, MID - 100, 11));
    s.say(&mut kit, 3, accepted(A, Side::Buy, 10, MID - 200));
    s.say(&mut kit, 2, executed(20, MID, 12));
    s.say(&mut kit, 2, executed(30, MID - 50, 13));
    s.say(&mut kit, 4, accepted_as(A, Side::Sell, true, 70, MID + 200));
    s.say(&mut kit, 2, ReportKind::Broken { match_number: 13, reason: b'E' });
    kit.ask(cancel(3)).unwrap();
    s.say(&mut kit, 3, canceled(10));
    assert_eq!(kit.passes(replace(1, 90, MID - 150)), 5);
    s.say(&mut kit, 5, replaced(1, 90, MID - 150));
    s.say(&mut kit, 5, executed(15, MID - 150, 14));
    s.say(
        &mut kit,
        1,
        ReportKind::Corrected {
            match_number: 11,
            qty: Qty(29),
            px: Px(MID - 99),
            liquidity: b'A',
            reason: b'E',
        },
    );
    let open = known(&kit);
    assert_eq!(open.len(), 2);
    assert_eq!((open[0].1, open[0].6, open[0].7), (Token(5), Qty(75), Qty(45)));
    assert_eq!((open[1].1, open[1].4, open[1].6), (Token(4), true, Qty(70)));
    assert_eq!(kit.passes(buy(A, 1, MID - 300)), 6);
    (kit, s)
}

/// The next process, whose session is not there yet. Of its tokens it knows only what the venue will show it to be used.
fn second_life() -> Kit<Hand> {
    let mut kit = Kit::new(wide());
    kit.start();
    kit.session(0, SessionEvent::Disconnected);
    kit.timer();
    kit.told();
    kit
}

#[test]
fn the_next_process_knows_what_the_first_one_knew() {
    let (first, stream) = first_life();
    let mut kit = second_life();
    kit.session(0, SessionEvent::LoggedIn);
    for report in &stream.0 {
        kit.give(Input::Report(*report));
        // Until the end of the replay is known nothing of it is certain, and nothing is sent.
        assert!(kit.engine.orders().iter().all(|o| o.state() == OrderState::Unknown));
        assert_eq!(kit.commands(), []);
    }
    kit.session(0, SessionEvent::Ready { next_token: Token(7), proven: true });
    while kit.has_backlog() {
        kit.timer();
    }
    let mut expected = known(&first);
    assert_eq!(
        expected.pop().map(|o| (o.1, o.2)),
        Some((Token(6), OrderState::PendingNew)),
        "never answered, never processed"
    );
    assert_eq!(known(&kit), expected);
    assert!(kit.engine.orders().iter().all(|o| o.adopted));
    let (a, b) = (first.engine.positions().of(A), kit.engine.positions().of(A));
    assert_eq!((b.shares, b.cash, b.bought, b.sold, b.fills), (a.shares, a.cash, a.bought, a.sold, a.fills));
    assert_eq!((b.cost, b.fifo_cost, b.realised()), (a.cost, a.fifo_cost, a.realised()));
    assert_eq!(a.shares, 20 + 29 + 15);
    let s = kit.engine.stats();
    assert_eq!((s.adopted, s.anomalies, s.unsettled, kit.engine.halted()), (4, 0, 0, None));

    // The strategy was told of every step, and of the fills as of any.
    let told = kit.told();
    let fills: Vec<u64> =
        told.iter().filter_map(|t| if let Told::Fill(f) = t { Some(f.match_number) } else { None }).collect();
    assert_eq!(fills, [11, 12, 13, 14]);
    let last = |id: u32| {
        let of = |t: &Told| match t {
            Told::Order(OrderId(Token(t)), state) if *t == id => Some(*state),
            _ => None,
        };
        told.iter().filter_map(of).next_back()
    };
    assert_eq!((last(2), last(3)), (Some(OrderState::Filled), Some(OrderState::Canceled)));
    assert_eq!((last(1), last(4)), (Some(OrderState::Unknown), Some(OrderState::Unknown)), "as of then");
    assert!(told.iter().any(|t| matches!(t, Told::Broken(f) if f.match_number == 13)));
}

#[test]
fn adopted_orders_are_orders() {
    let (_, stream) = first_life();
    let mut kit = second_life();
    kit.session(0, SessionEvent::LoggedIn);
    stream.0.iter().for_each(|r| drop(kit.give(Input::Report(*r))));
    kit.session(0, SessionEvent::Ready { next_token: Token(7), proven: true });
    kit.timer();
    // They count ...
    let e = kit.engine.orders().exposure(A);
    assert_eq!((e.buy, e.sell, e.orders), (75, 70, 2));
    // ... are replaced under a token above all that the venue has seen, with the chain's total ...
    let sent = kit.ask(replace(1, 10, MID - 150)).unwrap().unwrap();
    let CommandKind::Replace { old, token, qty, .. } = sent.kind else { panic!("{sent:?}") };
    assert_eq!((old, token, qty), (Token(5), Token(7), Qty(45 + 10)));
    // ... and are canceled.
    let sent = kit.ask(cancel(4)).unwrap().unwrap();
    assert_eq!(sent.token(), Token(4));
}

#[test]
fn what_is_replayed_twice_counts_once() {
    let (_, stream) = first_life();
    let mut kit = second_life();
    for _ in 0..2 {
        kit.session(0, SessionEvent::LoggedIn);
        stream.0.iter().for_each(|r| drop(kit.give(Input::Report(*r))));
        kit.session(0, SessionEvent::Ready { next_token: Token(7), proven: true });
        kit.session(0, SessionEvent::Disconnected);
    }
    assert_eq!((kit.shares(A), kit.engine.stats().fills), (64, 4));
    assert_eq!(kit.engine.stats().duplicate_reports, stream.0.len() as u64);
}

/// A new session counts from 1 again: the same numbers are other messages, and the same trade number may be another trade's.
#[test]
fn a_new_session_numbers_anew() {
    let mut kit = Kit::ready(wide());
    let t = kit.live(buy(A, 100, MID - 100));
    kit.report(t, executed(100, MID - 100, 11));
    kit.session(0, SessionEvent::EndOfSession);
    kit.seq.insert(0, 0);
    kit.session(0, SessionEvent::LoggedIn);
    kit.session(0, SessionEvent::Ready { next_token: Token(0), proven: true });
    kit.timer();
    let t = kit.live(buy(A, 10, MID - 100));
    kit.report(t, executed(10, MID - 100, 11));
    assert_eq!((kit.shares(A), kit.engine.stats().duplicate_reports), (110, 0));
    kit.report(t, ReportKind::Broken { match_number: 11, reason: b'E' });
    assert_eq!(
        (kit.shares(A), kit.engine.halted()),
        (100, None),
        "the one that was reported under this order"
    );
}
