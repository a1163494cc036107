//! The venue of paper: its legs in time, what it does where the market is not known, and what it refuses.

use engine::book::BookCapacity;
use model::{
    ExecutionReport, FeedId, FeedStatus, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos,
    OrderCommand, PortRequest, Px, Qty, ReportKind, Side, Symbol, Tif, Token, TradingState, VenueRef,
};

use super::*;
use crate::latency::Leg;
use crate::venue::Admission;

const FEED: FeedId = FeedId(0);
const OTHER: FeedId = FeedId(1);
const LATE: Nanos = Nanos(1_000_000_000);

fn beside(feed: u64, order: u64, report: u64) -> Beside {
    over([false; 2], Queue::Orders, [feed, order, report])
}

/// As [`beside`], where some feeds tell levels.
fn over(levels: [bool; 2], queue: Queue, [feed, order, report]: [u64; 3]) -> Beside {
    let leg = |ns| Leg::Fixed(Nanos(ns));
    let instrument = |k: u16, feed| Instrument {
        id: InstrumentId(k),
        symbol: Symbol::new(if k == 0 { "A" } else { "B" }).unwrap(),
        feed,
        gateway: GatewayId(0),
    };
    let settings = Settings {
        instruments: vec![instrument(0, FEED), instrument(1, OTHER)],
        feeds: levels.into(),
        gateways: 2,
        book: BookCapacity { instruments: 2, live_orders: 64, levels: 64, direct_refs: 1 << 10 },
        // What waits for an auction is taken here; a venue that refuses it has tests of its own.
        rules: Rules {
            admission: Admission { takes_while_halted: true, ..Admission::default() },
            queue,
            ..Rules::default()
        },
        latency: Latency { feed: leg(feed), order: leg(order), report: leg(report), seed: 1 },
    };
    let mut b = Beside::new(&settings).unwrap();
    for feed in [FEED, OTHER] {
        b.on_status(feed, Nanos(1), FeedStatus::Synced { next: 1 });
        let state = TradingState::Trading;
        say(&mut b, feed, 2, MarketBody::TradingAction { symbol: Symbol::BLANK, state, reason: *b"    " });
    }
    b
}

fn say(b: &mut Beside, feed: FeedId, received: u64, body: MarketBody) {
    b.on_packet(feed, Nanos(received));
    b.on_event(
        feed,
        &MarketEvent { ts_event: Nanos(received), instrument: InstrumentId(feed.0.into()), body },
    );
}

fn rests(order: u64, side: Side, px: i64, qty: u32) -> MarketBody {
    MarketBody::Add { order: VenueRef(order), px: Px(px), qty: Qty(qty), side, mpid: *b"    " }
}

fn command(kind: CommandKind) -> OrderCommand {
    OrderCommand { gateway: GatewayId(0), instrument: InstrumentId(0), kind }
}

fn new(token: u32, side: Side, px: i64, qty: u32) -> OrderCommand {
    let (token, short, tif) = (Token(token), false, Tif::Day);
    command(CommandKind::New { token, side, short, qty: Qty(qty), px: Px(px), tif })
}

fn cancel(token: u32) -> OrderCommand {
    command(CommandKind::Cancel { token: Token(token), qty: Qty::ZERO })
}

/// Works everything off and gives what was said, with when.
fn heard(b: &mut Beside, now: Nanos) -> Vec<(u64, ExecutionReport)> {
    for feed in [FEED, OTHER] {
        b.work_off(feed, now);
    }
    std::iter::from_fn(|| b.report_by(now)).map(|(due, r)| (due.0, r)).collect()
}

fn words(b: &mut Beside) -> Vec<char> {
    let word = |(_, r): (u64, ExecutionReport)| match r.kind {
        ReportKind::Accepted { .. } => 'A',
        ReportKind::Executed { .. } => 'E',
        ReportKind::Canceled { .. } => 'C',
        ReportKind::Rejected { .. } => 'J',
        ReportKind::Replaced { .. } => 'U',
        _ => '?',
    };
    heard(b, LATE).into_iter().map(word).collect()
}

#[test]
fn a_request_meets_the_market_of_its_moment() {
    // Leaves at 100, is there at 130, where what happens is received at 150.
    for (received, is_taken) in [(149, true), (150, true), (151, false)] {
        let mut b = beside(20, 30, 40);
        b.on_request(Nanos(100), &new(1, Side::Buy, 1_000, 100));
        say(&mut b, FEED, received, rests(7, Side::Sell, 1_000, 100));
        let all = heard(&mut b, LATE);
        let taken = all.iter().any(|(_, r)| matches!(r.kind, ReportKind::Executed { liquidity: b'R', .. }));
        assert_eq!(taken, is_taken, "an offer received at {received}: {all:?}");
        assert_eq!(all[0].0, 170, "told 40 after it was there");
        // An offer that comes in across an order that rests trades with it: it left the venue 20 before it was received.
        assert!(taken || all[1].0 == 151 - 20 + 40, "{all:?}");
    }
}

#[test]
fn nothing_is_known_before_its_cause() {
    let mut b = beside(50, 10, 0);
    b.on_request(Nanos(100), &new(1, Side::Buy, 1_000, 100));
    assert_eq!(b.next_request(FEED), Some(Nanos(160)));
    assert_eq!(b.work_off(FEED, Nanos(159)), 0);
    assert!(b.report_by(Nanos(159)).is_none());
    assert_eq!(b.work_off(FEED, Nanos(160)), 1);
    assert!(b.report_by(Nanos(160)).is_some(), "at once, for it was due at 110");
}

#[test]
fn where_the_market_is_not_known_nothing_is_made_up() {
    type Ill<'a> = (&'a [FeedStatus], &'a [char], &'a [char]);
    let (begin, end) = (FeedStatus::SnapshotBegin, FeedStatus::SnapshotEnd { next: 9 });
    let lost = FeedStatus::Lost { from: 5, to: 6 };
    let gap = FeedStatus::Recovering { from: 5, to: 6 };
    let synced = FeedStatus::Synced { next: 9 };
    // What it says of an order that rests, and then of a new one.
    let ills: [Ill<'_>; 9] = [
        (&[], &[], &['A']),
        (&[gap], &[], &['J']),
        (&[gap, synced], &[], &['A']),
        (&[FeedStatus::Silent], &[], &['J']),
        (&[FeedStatus::Silent, FeedStatus::Heartbeat], &[], &['A']),
        (&[lost], &['C'], &['J']),
        (&[lost, synced], &['C'], &['J']),
        (&[begin, end, synced], &['C'], &['A']),
        (&[FeedStatus::NewSession, synced], &['C'], &['A']),
    ];
    for (statuses, of_resting, of_new) in ills {
        let mut b = beside(0, 0, 0);
        b.on_request(Nanos(10), &new(1, Side::Buy, 1_000, 100));
        assert_eq!(words(&mut b), ['A']);
        for status in statuses {
            b.on_status(FEED, Nanos(20), *status);
        }
        assert_eq!(words(&mut b), of_resting, "{statuses:?}");
        b.on_request(Nanos(30), &new(2, Side::Buy, 1_000, 100));
        assert_eq!(words(&mut b), of_new, "{statuses:?}");
        // A cancel is always taken, and the other feed's market is its own.
        b.on_request(Nanos(40), &cancel(1));
        assert_eq!(words(&mut b).is_empty(), !of_resting.is_empty(), "{statuses:?}");
        let there = OrderCommand { instrument: InstrumentId(1), ..new(3, Side::Buy, 1_000, 100) };
        b.on_request(Nanos(50), &there);
        assert_eq!(words(&mut b), ['A'], "{statuses:?}");
    }
}

#[test]
fn what_no_venue_takes_is_not_taken() {
    let mut b = beside(0, 0, 0);
    for (token, qty, px, said) in [
        (5, 100, 1_000, &['A'][..]),
        (5, 100, 1_000, &[]),
        (4, 100, 1_000, &[]),
        (6, 0, 1_000, &['J']),
        (7, 1_000_000, 1_000, &['J']),
        (8, 100, 0, &['J']),
        (9, 100, -1, &['J']),
        (10, 999_999, 1_000, &['A']),
    ] {
        b.on_request(Nanos(10), &new(token, Side::Buy, px, qty));
        assert_eq!(words(&mut b), said, "token {token}, {qty} shares at {px}");
    }
    let counts = b.counts();
    assert_eq!((counts.ignored, counts.rejected), (2, 4));
    // What a venue refuses by itself is counted with the rest.
    let request = PortRequest::EntryOff;
    b.on_request(Nanos(10), &command(CommandKind::Port { token: Token(11), request }));
    b.on_request(Nanos(10), &new(12, Side::Buy, 1_000, 100));
    assert_eq!((words(&mut b), b.counts().rejected), (vec!['J'], 5));
}

/// Shares that trade of an order of 10 behind a level of 100, which has 100 more behind it and then loses 60; and then 100 trade.
fn filled_behind_a_level(of_levels: bool, queue: Queue) -> u32 {
    let mut b = over([of_levels, false], queue, [0; 3]);
    let level = VenueRef(7);
    say(&mut b, FEED, 5, rests(7, Side::Buy, 1_000, 100));
    b.on_request(Nanos(10), &new(1, Side::Buy, 1_000, 10));
    let grows = MarketBody::Replace { old: level, new: level, px: Px(1_000), qty: Qty(200) };
    say(&mut b, FEED, 20, grows);
    say(&mut b, FEED, 30, MarketBody::Reduce { order: level, qty: Qty(60) });
    let (px, qty, match_number) = (Px(1_000), Qty(100), 1);
    say(&mut b, FEED, 40, MarketBody::Trade { px, qty, side: Side::Buy, match_number });
    let of = |(_, r): &(u64, ExecutionReport)| match r.kind {
        ReportKind::Executed { qty, .. } => qty.0,
        _ => 0,
    };
    heard(&mut b, LATE).iter().map(of).sum()
}

#[test]
fn queues_of_a_feed_of_levels_are_believed_and_those_of_a_feed_of_orders_known() {
    // All that left stood behind us, or some of it before us: then a trade of what was before us comes to us.
    assert_eq!(filled_behind_a_level(true, Queue::Back), 0);
    assert_eq!(filled_behind_a_level(true, Queue::Orders), 0, "without a belief the most careful");
    assert_eq!(filled_behind_a_level(true, Queue::Log), 10);
    // Where orders are told nothing is believed: a trade of nobody's order was of a hidden one, and at our price not before us.
    for queue in [Queue::Orders, Queue::Back, Queue::Log] {
        assert_eq!(filled_behind_a_level(false, queue), 0, "{queue:?}");
    }
}

#[test]
fn fills_are_no_more_than_was_displayed_and_none_is_with_ourselves() {
    let mut b = beside(0, 0, 0);
    say(&mut b, FEED, 5, rests(7, Side::Sell, 1_000, 60));
    b.on_request(Nanos(10), &new(1, Side::Buy, 1_000, 100));
    // Forty of ours rest; an order of ours on the other side does not trade with them.
    b.on_request(Nanos(20), &new(2, Side::Sell, 1_000, 100));
    let filled: u32 = heard(&mut b, LATE)
        .iter()
        .map(|(_, r)| if let ReportKind::Executed { qty, .. } = r.kind { qty.0 } else { 0 })
        .sum();
    assert_eq!((filled, b.resting()), (60, 2));
}

#[test]
fn a_port_is_asked_of_every_feed_and_reports_are_numbered_by_gateway() {
    let mut b = beside(0, 0, 0);
    for (token, gateway, instrument) in [(1, 0, 0), (2, 1, 1), (3, 0, 1)] {
        let c = OrderCommand {
            gateway: GatewayId(gateway),
            instrument: InstrumentId(instrument),
            ..new(token, Side::Buy, 1_000, 100)
        };
        b.on_request(Nanos(10), &c);
    }
    b.on_request(
        Nanos(20),
        &command(CommandKind::Port { token: Token(4), request: PortRequest::MassCancel }),
    );
    let all = heard(&mut b, LATE);
    let seqs = |g: u8| all.iter().filter(|(_, r)| r.gateway.0 == g).map(|(_, r)| r.seq).collect::<Vec<_>>();
    assert_eq!((seqs(0), seqs(1)), (vec![1, 2, 3, 4], vec![1]), "{all:?}");
    assert_eq!(b.resting(), 1, "the other port's order rests");
    b.cancel_all(Nanos(30));
    assert_eq!((words(&mut b), b.resting(), b.is_quiet()), (vec!['C'], 0, true));
}
