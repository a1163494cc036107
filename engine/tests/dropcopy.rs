//! T20: a drop copy against our session. Every mismatch is found within 5 s, and none is false, whatever is between the two streams.
//!
//! A venue tells one day of an account twice, each stream in its order and each with a lag of its own that changes. Then one of the streams is wronged.

use std::collections::BTreeMap;

use engine::dropcopy::{About, Mismatch, Reconciler, Stream, Wrong};
use model::{
    ExecutionReport, GatewayId, InstrumentId, Nanos, Px, Qty, ReportKind, SessionEvent, Side, Token, VenueRef,
};

const MS: u64 = 1_000_000;
const GRACE: Nanos = Nanos(2_000 * MS);
/// One stream may be behind the other by this much.
const LAG_MS: u64 = 1_500;
const FOUND_WITHIN: u64 = 5_000 * MS;

struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// What the venue tells, and when.
type Told = (u64, Token, ReportKind);

fn accepted(token: u32, side: Side, qty: u32, px: i64) -> ReportKind {
    ReportKind::Accepted {
        order: VenueRef(token.into()),
        px: Px(px),
        qty: Qty(qty),
        side,
        short: false,
        instrument: Some(InstrumentId((token % 3) as u16)),
        dead: false,
    }
}

/// A busy minute: some messages a second for each order, with fills, replaces, cancels in parts, broken and corrected trades.
fn day(draw: &mut Draw) -> Vec<Told> {
    let (mut told, mut now, mut next, mut trade) = (Vec::new(), 1_000 * MS, 1, 1);
    let mut live: Vec<(u32, u32)> = Vec::new();
    let mut trades: BTreeMap<u64, Token> = BTreeMap::new();
    while told.len() < 300 {
        now += draw.below(400) * draw.below(2) * MS;
        let which = draw.below(live.len().max(1) as u64) as usize;
        let (token, kind) = match (draw.below(8), live.get_mut(which)) {
            (0..=1, Some((token, open))) => {
                let qty = 1 + draw.below(u64::from(*open)) as u32;
                *open -= qty;
                trade += 1;
                trades.insert(trade, Token(*token));
                let px = Px(1_000 + draw.below(50) as i64);
                (*token, ReportKind::Executed { qty: Qty(qty), px, match_number: trade, liquidity: b'A' })
            }
            (2, Some((token, open))) => {
                let old = Token(std::mem::replace(token, next));
                next += 1;
                *open = 1 + draw.below(500) as u32;
                let (order, px) = (VenueRef(next.into()), Px(1_000 + draw.below(50) as i64));
                (*token, ReportKind::Replaced { old, order, px, qty: Qty(*open), dead: false })
            }
            (3, Some((token, open))) => {
                let qty = 1 + draw.below(u64::from(*open)) as u32;
                *open -= qty;
                (*token, ReportKind::Canceled { qty: Qty(qty), reason: b'U' })
            }
            (4, Some(_)) if draw.below(4) == 0 && !trades.is_empty() => {
                let (n, of) = trades.iter().nth(draw.below(trades.len() as u64) as usize).unwrap();
                let kind = match draw.below(2) {
                    0 => ReportKind::Broken { match_number: *n, reason: b'E' },
                    _ => ReportKind::Corrected {
                        match_number: *n,
                        qty: Qty(1),
                        px: Px(9),
                        liquidity: b'A',
                        reason: b'E',
                    },
                };
                (of.0, kind)
            }
            // Only one of the streams need have these.
            (5, Some((token, _))) => (*token, ReportKind::CancelRejected),
            _ => {
                let token = next;
                next += 1;
                let qty = 2 + draw.below(500) as u32;
                live.push((token, qty));
                let side = if draw.below(2) == 0 { Side::Buy } else { Side::Sell };
                (token, accepted(token, side, qty, 1_000 + draw.below(50) as i64))
            }
        };
        told.push((now, Token(token), kind));
        live.retain(|(_, open)| *open > 0);
    }
    told
}

/// Each stream with lags of its own, merged by time; in each the order stays.
fn arrivals(draw: &mut Draw, ours: &[Told], copy: &[Told]) -> Vec<(u64, Stream, ExecutionReport)> {
    let mut all = Vec::new();
    for (stream, told) in [(Stream::Ours, ours), (Stream::Copy, copy)] {
        let (mut last, mut lag) = (0, draw.below(LAG_MS));
        for (seq, (at, token, kind)) in (1..).zip(told) {
            if draw.below(5) == 0 {
                lag = draw.below(LAG_MS);
            }
            if stream == Stream::Copy && matches!(kind, ReportKind::CancelRejected) {
                continue;
            }
            last = (at + lag * MS).max(last);
            let (ts_event, gateway) = (Nanos(*at), GatewayId(0));
            all.push((last, stream, ExecutionReport { ts_event, seq, token: *token, gateway, kind: *kind }));
        }
    }
    all.sort_by_key(|(at, ..)| *at);
    all
}

const READY: SessionEvent = SessionEvent::Ready { next_token: Token(0), proven: true };

fn both_ready() -> Reconciler {
    let mut r = Reconciler::new(GRACE, 10_000);
    for stream in [Stream::Ours, Stream::Copy] {
        r.on_session(Nanos(1), stream, READY);
    }
    r
}

/// Runs it with a look every 100 ms; what is found, and when.
fn run(all: &[(u64, Stream, ExecutionReport)]) -> (Vec<(u64, Mismatch)>, Reconciler) {
    let (mut r, mut found) = (both_ready(), Vec::new());
    let end = all.last().map_or(0, |(at, ..)| at + 10_000 * MS);
    let mut k = 0;
    for now in (0..=end).step_by(100 * MS as usize) {
        while let Some((at, stream, report)) = all.get(k).filter(|(at, ..)| *at <= now) {
            found.extend(r.on_report(Nanos(*at), *stream, report).map(|m| (*at, m)));
            k += 1;
        }
        while let Some(m) = r.on_time(Nanos(now)) {
            found.push((now, m));
        }
    }
    (found, r)
}

#[test]
fn a_thousand_clean_runs_have_no_false_mismatch() {
    let mut confirmed = 0;
    for seed in 0..1_000 {
        let mut draw = Draw(seed);
        let told = day(&mut draw);
        let all = arrivals(&mut draw, &told, &told);
        let (found, r) = run(&all);
        assert_eq!(found, [], "SEED={seed}");
        assert_eq!(r.pending(), 0, "SEED={seed}");
        confirmed += r.confirmed();
    }
    assert!(confirmed > 200_000, "{confirmed} facts");
}

/// A kind of wrong, done to one fact of one of the streams: what is to be found of it.
type Wronging = fn(&mut Draw, &mut Vec<Told>, &mut Vec<Told>) -> (u64, Token, About, Wrong);

fn pick(draw: &mut Draw, told: &[Told], of: impl Fn(&ReportKind) -> bool) -> usize {
    let all: Vec<usize> = (0..told.len()).filter(|k| of(&told[*k].2)).collect();
    all[draw.below(all.len() as u64) as usize]
}

fn is_fill(k: &ReportKind) -> bool {
    matches!(k, ReportKind::Executed { .. })
}

fn is_order(k: &ReportKind) -> bool {
    matches!(k, ReportKind::Accepted { .. })
}

const WRONGINGS: [(&str, Wronging); 7] = [
    ("missing fill", |d, ours, _| {
        let k = pick(d, ours, is_fill);
        let (at, token, _) = ours.remove(k);
        (at, token, About::Fill, Wrong::Unknown)
    }),
    ("extra fill", |d, ours, _| {
        let k = pick(d, ours, is_fill);
        let (at, token, _) = ours[k];
        let kind =
            ReportKind::Executed { qty: Qty(1), px: Px(1_000), match_number: 999_999, liquidity: b'A' };
        ours.insert(k + 1, (at, token, kind));
        (at, token, About::Fill, Wrong::Unconfirmed)
    }),
    ("wrong quantity", |d, ours, _| {
        let k = pick(d, ours, is_fill);
        if let ReportKind::Executed { qty, .. } = &mut ours[k].2 {
            qty.0 += 1;
        }
        (ours[k].0, ours[k].1, About::Fill, Wrong::Quantity)
    }),
    ("wrong price", |d, _, copy| {
        let k = pick(d, copy, is_fill);
        if let ReportKind::Executed { px, .. } = &mut copy[k].2 {
            px.0 -= 1;
        }
        (copy[k].0, copy[k].1, About::Fill, Wrong::Price)
    }),
    ("missing order", |d, _, copy| {
        let k = pick(d, copy, is_order);
        let (at, token, _) = copy.remove(k);
        (at, token, About::Order, Wrong::Unconfirmed)
    }),
    ("ghost order", |d, _, copy| {
        let at = copy[d.below(copy.len() as u64) as usize].0;
        let k = copy.iter().position(|t| t.0 >= at).unwrap();
        copy.insert(k, (at, Token(777_777), accepted(777_777, Side::Buy, 5, 1_000)));
        (at, Token(777_777), About::Order, Wrong::Unknown)
    }),
    ("wrong side", |d, ours, _| {
        let k = pick(d, ours, is_order);
        if let ReportKind::Accepted { side, .. } = &mut ours[k].2 {
            *side = side.opposite();
        }
        (ours[k].0, ours[k].1, About::Order, Wrong::Side)
    }),
];

#[test]
fn a_hundred_mismatches_are_found_within_five_seconds_and_nothing_else() {
    let mut slowest = 0;
    for seed in 0..105 {
        let mut draw = Draw(1_000_000 + seed);
        let (mut ours, mut copy) = (day(&mut draw), Vec::new());
        copy.extend_from_slice(&ours);
        let (name, wronging) = WRONGINGS[seed as usize % WRONGINGS.len()];
        let (at, token, about, wrong) = wronging(&mut draw, &mut ours, &mut copy);
        let all = arrivals(&mut draw, &ours, &copy);
        let (found, _) = run(&all);
        let [(found_at, m)] = found.as_slice() else { panic!("SEED={seed}, {name}: {found:?}") };
        assert_eq!((m.token, m.about, m.wrong), (token, about, wrong), "SEED={seed}, {name}");
        let took = found_at - at;
        assert!(took <= FOUND_WITHIN, "SEED={seed}, {name}: after {} ms", took / MS);
        slowest = slowest.max(took);
    }
    println!("105 mismatches, the slowest found after {} ms of the streams' own time", slowest / MS);
}

fn report(seq: u64, token: u32, kind: ReportKind) -> ExecutionReport {
    ExecutionReport { ts_event: Nanos(1), seq, token: Token(token), gateway: GatewayId(0), kind }
}

#[test]
fn what_is_replayed_confirms_and_is_not_waited_for() {
    let mut r = both_ready();
    let order = |seq, token| report(seq, token, accepted(token, Side::Buy, 10, 1_000));
    let at = |ms: u64| Nanos(10_000 * MS + ms * MS);
    // Our session is away, and the copy tells an order: nothing is judged.
    r.on_session(at(0), Stream::Ours, SessionEvent::Disconnected);
    assert_eq!(r.on_report(at(1), Stream::Copy, &order(1, 1)), None);
    assert_eq!(r.on_time(at(60_000)), None);
    // It comes back and replays that order and an older one, which the copy told to an earlier run.
    r.on_session(at(60_001), Stream::Ours, SessionEvent::LoggedIn);
    for seq in [1, 2] {
        assert_eq!(r.on_report(at(60_002), Stream::Ours, &order(seq, 3 - seq as u32)), None);
    }
    r.on_session(at(60_003), Stream::Ours, READY);
    assert_eq!((r.on_time(at(90_000)), r.pending(), r.confirmed()), (None, 0, 1));
    // Twice by number is once.
    assert_eq!(r.on_report(at(90_001), Stream::Copy, &order(1, 1)), None);
    assert_eq!(r.on_time(at(99_000)), None);
}

#[test]
fn what_was_told_before_both_stood_is_not_waited_for() {
    let mut r = Reconciler::new(GRACE, 10);
    let at = |ms: u64| Nanos(10_000 * MS + ms * MS);
    r.on_session(at(0), Stream::Ours, READY);
    r.on_report(at(1), Stream::Ours, &report(1, 1, accepted(1, Side::Buy, 10, 1_000)));
    r.on_session(at(5_000), Stream::Copy, READY);
    assert_eq!((r.on_time(at(60_000)), r.pending()), (None, 0));
    r.on_report(at(60_000), Stream::Ours, &report(2, 2, accepted(2, Side::Buy, 10, 1_000)));
    assert_eq!(r.on_time(at(62_000)).unwrap().token, Token(2));
}

#[test]
fn after_an_interruption_each_fact_has_the_whole_grace_again() {
    let mut r = both_ready();
    let at = |ms: u64| Nanos(10_000 * MS + ms * MS);
    let order = report(1, 1, accepted(1, Side::Buy, 10, 1_000));
    r.on_report(at(0), Stream::Ours, &order);
    r.on_session(at(1_000), Stream::Copy, SessionEvent::Disconnected);
    assert_eq!(r.on_time(at(50_000)), None);
    r.on_session(at(50_000), Stream::Copy, READY);
    assert_eq!(r.on_time(at(51_999)), None);
    let m = r.on_time(at(52_000)).expect("it was not told");
    assert_eq!((m.wrong, m.about, m.since), (Wrong::Unconfirmed, About::Order, at(0)));
}

#[test]
fn more_than_can_be_kept_is_a_mismatch() {
    let mut r = Reconciler::new(GRACE, 2);
    for stream in [Stream::Ours, Stream::Copy] {
        r.on_session(Nanos(1), stream, READY);
    }
    let mut order = |n: u32| {
        let report = report(n.into(), n, accepted(n, Side::Buy, 10, 1_000));
        r.on_report(Nanos(5), Stream::Copy, &report)
    };
    assert_eq!((order(1), order(2)), (None, None));
    assert_eq!(order(3).unwrap().wrong, Wrong::Backlog);
}

#[test]
fn a_stream_that_may_have_missed_something_says_so_and_what_it_did_not_tell_is_waited_for() {
    let ready = SessionEvent::Ready { next_token: Token(0), proven: false };
    for stream in [Stream::Ours, Stream::Copy] {
        let mut r = Reconciler::new(GRACE, 16);
        for stream in [Stream::Ours, Stream::Copy] {
            assert!(!r.on_session(Nanos(0), stream, ready));
        }
        let (ts_event, gateway, kind) = (Nanos(0), GatewayId(0), accepted(7, Side::Buy, 100, 1_000));
        let report = ExecutionReport { ts_event, seq: 1, token: Token(7), gateway, kind };
        assert_eq!(r.on_report(Nanos(MS), Stream::Ours, &report), None);
        assert!(r.on_session(Nanos(2 * MS), stream, SessionEvent::Doubt));
        let found = r.on_time(Nanos(MS).after(GRACE)).unwrap();
        assert_eq!((found.token, found.wrong), (Token(7), Wrong::Unconfirmed));
    }
}
