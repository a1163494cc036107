//! Numbers that a venue passes over: what it said under them nobody hears.

use gateways::fix::session::{Resend, Reset};
use gateways::fix::store::Past;

use super::*;

const V: Version = Version::Fix44;

/// What the venue says next, by hand.
fn hear(b: &mut Bench, kind: &str, seq: u64, rest: &str) {
    hear_raw(b, &format!("35={kind}|34={seq}|49=VENUE|52=20240102-12:00:02|56=CLIENT|{rest}"));
}

/// The same with its header.
pub fn hear_raw(b: &mut Bench, text: &str) {
    let bytes = fix_support::raw(V, text);
    b.gateway.recv_space()[..bytes.len()].copy_from_slice(&bytes);
    b.gateway.on_received(b.now, bytes.len(), &mut b.sink).unwrap();
}

/// The messages that the gateway has sent since the last time.
fn said(b: &mut Bench) -> Vec<String> {
    let bytes = b.gateway.transmit().to_vec();
    b.gateway.transmitted(bytes.len());
    shown(&bytes)
}

/// An order of 100 that lives, one that is not answered, and a Logon that shows that numbers 5 to 9 were missed.
fn behind() -> Bench {
    let mut b = Bench::ready(V);
    b.live(1);
    b.live(2);
    b.gateway.encode(b.now, &b.command(buy(3))).unwrap();
    b.gateway.transmitted(b.gateway.transmit().len());
    b.now = b.now.after(Nanos(SECOND));
    b.gateway.on_disconnected(b.now, &mut b.sink);
    b.gateway.on_connected(b.now);
    said(&mut b);
    b.sink.all.clear();
    hear(&mut b, "A", 10, "98=0|108=30|");
    assert_eq!(said(&mut b), ["35=2|34=7|7=5|16=0|"]);
    b
}

/// The venue's answer to a question about an order, or to the one that ends the replay.
fn stands(b: &mut Bench, seq: u64, name: &str, status: &str, cum: u32, leaves: u32) {
    let rest = format!("6=0|11={name}|14={cum}|17=q{seq}|37=77|39={status}|54=1|55=AAPL|150=I|151={leaves}|");
    hear(b, "8", seq, &rest);
}

/// What was told as lost.
pub fn lost(b: &Bench) -> Vec<Notice> {
    b.sink.notices().into_iter().filter(|n| matches!(n, Notice::Lost { .. })).collect()
}

fn ready(b: &Bench) -> Option<bool> {
    b.sink.events().iter().find_map(|e| match e {
        SessionEvent::Ready { proven, .. } => Some(*proven),
        _ => None,
    })
}

#[test]
fn a_reset_over_messages_that_were_not_heard_is_a_loss_and_proves_nothing() {
    let mut b = behind();
    hear(&mut b, "4", 5, "36=11|");
    assert_eq!(lost(&b), [Notice::Lost { from: 5, to: 10 }]);
    assert_eq!(said(&mut b), ["35=H|34=8|11=CO10000000000S8|54=1|55=AAPL|"]);
    stands(&mut b, 11, "CO10000000000S8", "8", 0, 0);
    assert_eq!(b.sink.events()[1..], [SessionEvent::Ready { next_token: Token(0), proven: false }]);
    // The next connection has all of its own, and the loss was told.
    b.sink.all.clear();
    b.gateway.on_disconnected(b.now, &mut b.sink);
    b.gateway.on_connected(b.now);
    said(&mut b);
    hear(&mut b, "A", 12, "98=0|108=30|");
    said(&mut b);
    stands(&mut b, 13, "CO10000000000S10", "8", 0, 0);
    assert_eq!((lost(&b).len(), ready(&b)), (0, Some(true)));
}

#[test]
fn a_reset_while_orders_go_is_a_loss_and_one_that_skips_nothing_is_none() {
    let mut b = Bench::ready(V);
    b.live(1);
    hear(&mut b, "4", 99, "36=4|");
    assert!(lost(&b).is_empty());
    hear(&mut b, "4", 99, "36=7|");
    assert_eq!(lost(&b), [Notice::Lost { from: 4, to: 6 }]);
    hear(&mut b, "4", 7, "36=8|123=Y|");
    assert_eq!(lost(&b).len(), 1, "its own number");
    hear(&mut b, "4", 8, "36=11|123=Y|");
    assert_eq!(lost(&b)[1..], [Notice::Lost { from: 9, to: 10 }], "nobody asked for it");
}

#[test]
fn behind_a_gap_fill_every_open_order_is_asked_about() {
    // Who answers what, and what comes of it.
    type Answers<'a> = &'a [(u32, &'a str, u32, u32)];
    let cases: [(Answers<'_>, bool); 6] = [
        (&[(1, "0", 0, 100), (2, "0", 0, 100), (3, "8", 0, 0)], true),
        // A part of one has traded.
        (&[(1, "0", 0, 100), (2, "1", 30, 70), (3, "8", 0, 0)], false),
        // The one that was not answered was taken, and lives.
        (&[(1, "0", 0, 100), (2, "0", 0, 100), (3, "0", 0, 100)], false),
        // It was taken, and is over.
        (&[(1, "0", 0, 100), (2, "0", 0, 100), (3, "2", 100, 0)], false),
        // The venue does not know one that it has taken.
        (&[(1, "8", 0, 0), (2, "0", 0, 100), (3, "8", 0, 0)], false),
        // It says nothing of one.
        (&[(1, "0", 0, 100), (3, "8", 0, 0)], false),
    ];
    for (answers, proven) in cases {
        let mut b = behind();
        hear(&mut b, "4", 5, "43=Y|122=20240102-12:00:01|36=11|123=Y|");
        let asked = said(&mut b);
        let about = |seq: u64, token| format!("35=H|34={seq}|11={}|54=1|55=AAPL|", name(token));
        let end = "35=H|34=11|11=CO10000000000S11|54=1|55=AAPL|".to_owned();
        assert_eq!(asked, [about(8, 1), about(9, 2), about(10, 3), end]);
        for (k, (token, status, cum, leaves)) in answers.iter().enumerate() {
            stands(&mut b, 11 + k as u64, &name(*token), status, *cum, *leaves);
            assert_eq!(ready(&b), None);
        }
        stands(&mut b, 11 + answers.len() as u64, "CO10000000000S11", "8", 0, 0);
        assert_eq!((lost(&b).is_empty(), ready(&b)), (proven, Some(proven)), "{answers:?}");
        assert!(b.sink.reports().is_empty());
    }
}

#[test]
fn a_gap_fill_that_nobody_can_be_asked_about_is_a_loss_while_something_is_open() {
    for open in [false, true] {
        let mut b = Bench::with(V, |c| c.barrier = Barrier::None);
        b.connect();
        if open {
            b.live(1);
        }
        let next = b.gateway.session().next_in();
        b.gateway.on_disconnected(b.now, &mut b.sink);
        b.gateway.on_connected(b.now);
        b.sink.all.clear();
        hear(&mut b, "A", next + 3, "98=0|108=30|");
        hear(&mut b, "4", next, &format!("43=Y|122=20240102-12:00:01|36={}|123=Y|", next + 4));
        assert_eq!((lost(&b).len(), ready(&b)), (usize::from(open), Some(false)));
    }
}

#[test]
fn a_goodbye_leaves_no_gap() {
    let mut b = Bench::ready(V);
    b.live(1);
    // A goodbye is counted, so that the next Logon shows no hole.
    b.gateway.logout(b.now);
    b.turn();
    b.sink.all.clear();
    b.connect();
    assert_eq!((lost(&b).len(), ready(&b)), (0, Some(true)));
}

/// The store of a process that was killed.
fn left(b: &Bench) -> MemoryStore {
    let (of, mut store) = (*b.gateway.session().store().numbers(), MemoryStore::new(1 << 20));
    store.sent(of.next_out - 1, None).unwrap();
    for _ in 0..of.reports {
        store.received(1, true).unwrap();
    }
    store.received(of.next_in, false).unwrap();
    store.note(of.past).unwrap();
    store
}

/// Another process in its place.
pub fn again(b: &mut Bench, change: impl Fn(&mut FixConfig)) {
    b.gateway = gateway_of(b.version, left(b), change);
    b.sink = Sink::default();
    b.connect();
}

#[test]
fn a_replay_with_fewer_reports_than_were_heard_is_a_loss() {
    for resend in [Resend::Application, Resend::NoRequests] {
        let mut b = Bench::new(V);
        b.venue = session(SessionConfig { resend, ..acceptor(V) });
        b.connect();
        b.live(1);
        b.execution(&name(1), "F", "14=100|31=10|32=100|39=2|151=0|");
        b.turn();
        again(&mut b, |_| {});
        let whole = resend == Resend::Application;
        assert_eq!((lost(&b).is_empty(), ready(&b)), (whole, Some(whole)));
        assert_eq!(b.sink.reports().len(), if whole { 2 } else { 0 });
    }
}

fn each_logon(c: &mut FixConfig) {
    c.session.reset = Reset::EachLogon;
}

/// Says goodbye on both sides.
fn part(b: &mut Bench) {
    b.gateway.logout(b.now);
    b.turn();
}

#[test]
fn a_process_that_cannot_know_what_the_one_before_had_leaves_doubt() {
    let mut b = Bench::with(V, each_logon);
    b.connect();
    assert_eq!((lost(&b).len(), ready(&b)), (0, Some(true)), "the first of all");
    again(&mut b, each_logon);
    assert_eq!(lost(&b).len(), 0, "killed, and nothing was sent or heard");
    b.live(1);
    for _ in 0..2 {
        // Killed with an order that lives; and so is the next one, before anybody has looked.
        again(&mut b, each_logon);
        assert_eq!((lost(&b).len(), ready(&b)), (1, Some(false)));
        b.connect();
        assert_eq!(lost(&b).len(), 1, "it is told once to a process");
        part(&mut b);
    }
    // A person lets it trade: what was before is settled.
    b.connect();
    b.live(2);
    b.execution(&name(2), "4", "14=0|38=100|39=4|151=0|");
    b.turn();
    part(&mut b);
    again(&mut b, each_logon);
    assert_eq!((lost(&b).len(), ready(&b)), (0, Some(true)), "all had ended");
}

#[test]
fn what_traded_is_settled_by_an_end_in_order_for_the_days_to_come() {
    let day = 86_400 * SECOND;
    for (later, doubts) in [(0, 1), (day, 0)] {
        let mut b = Bench::with(V, each_logon);
        b.connect();
        b.live(1);
        b.execution(&name(1), "F", "14=100|31=10|32=100|39=2|151=0|");
        b.turn();
        part(&mut b);
        let midnight = Nanos(START.0 / day * day + day);
        assert_eq!(
            b.gateway.session().store().numbers().past,
            Past { settled: Some(midnight), forgotten: false }
        );
        b.now = b.now.after(Nanos(later));
        again(&mut b, each_logon);
        assert_eq!(lost(&b).len(), doubts);
    }
}

#[test]
fn an_end_with_an_order_open_or_a_goodbye_behind_a_gap_settles_nothing() {
    for open in [true, false] {
        let mut b = Bench::with(V, each_logon);
        b.connect();
        b.live(1);
        if open {
            part(&mut b);
        } else {
            b.execution(&name(1), "4", "14=0|38=100|39=4|151=0|");
            b.turn();
            let next = b.gateway.session().next_in();
            hear(&mut b, "5", next + 1, "");
        }
        again(&mut b, each_logon);
        assert_eq!(lost(&b).len(), 1);
    }
}

/// A drop copy that has heard of an order.
fn copy(change: impl Fn(&mut FixConfig)) -> Bench {
    let mut b = Bench::with(V, |c| {
        c.drop_copy = true;
        change(c);
    });
    b.connect();
    b.execution("7", "0", "14=0|38=100|39=0|44=10|151=100|");
    b.turn();
    assert_eq!((b.sink.reports().len(), lost(&b).len()), (1, 0));
    b.sink.all.clear();
    b
}

#[test]
fn what_a_drop_copy_has_not_heard_is_a_loss_for_nobody_can_be_asked() {
    for filled in [true, false] {
        let fill = if filled { "43=Y|122=20240102-12:00:01|123=Y|" } else { "" };
        // While it was away,
        let mut b = copy(|_| {});
        let next = b.gateway.session().next_in();
        b.now = b.now.after(Nanos(SECOND));
        b.gateway.on_disconnected(b.now, &mut b.sink);
        b.gateway.on_connected(b.now);
        b.sink.all.clear();
        hear(&mut b, "A", next + 3, "98=0|108=30|");
        hear(&mut b, "4", next, &format!("{fill}36={}|", next + 4));
        assert_eq!((lost(&b).len(), ready(&b)), (1, Some(false)), "{filled}");
        // and it is told once.
        b.gateway.on_disconnected(b.now, &mut b.sink);
        b.gateway.on_connected(b.now);
        b.sink.all.clear();
        hear(&mut b, "A", next + 4, "98=0|108=30|");
        assert_eq!((lost(&b).len(), ready(&b)), (0, Some(false)), "{filled}");
        // While it stands.
        hear(&mut b, "4", next + 5, &format!("{fill}36={}|", next + 9));
        assert_eq!(lost(&b).len(), 1, "{filled}");
    }
    // What was filled before a store's first word is the beginning, and a later process goes on from where the one before came to.
    let mut b = Bench::with(V, |c| c.drop_copy = true);
    b.now = b.now.after(Nanos(SECOND));
    b.gateway.on_connected(b.now);
    hear(&mut b, "A", 9, "98=0|108=30|");
    hear(&mut b, "4", 1, "43=Y|122=20240102-12:00:01|123=Y|36=10|");
    assert_eq!((lost(&b).len(), ready(&b)), (0, Some(false)));
    let store = left(&b);
    b.gateway = gateway_of(V, store, |c| c.drop_copy = true);
    b.sink = Sink::default();
    b.gateway.on_connected(b.now);
    hear(&mut b, "A", 14, "98=0|108=30|");
    hear(&mut b, "4", 1, "43=Y|122=20240102-12:00:01|123=Y|36=15|");
    assert_eq!(lost(&b).len(), 1);
}

#[test]
fn what_a_venue_says_of_itself_ahead_of_a_gap_is_known_when_the_connection_ends_in_it() {
    for unheard in [0, 1] {
        let mut b = copy(|_| {});
        let next = b.gateway.session().next_in();
        // A report is missing at the Logon, and the line is lost before it comes again.
        for (logon, own) in [(next + 1, "0"), (next + 3, "1")] {
            b.now = b.now.after(Nanos(SECOND));
            b.gateway.on_disconnected(b.now, &mut b.sink);
            b.gateway.on_connected(b.now);
            b.sink.all.clear();
            hear(&mut b, "A", logon, "98=0|108=30|");
            hear(&mut b, own, logon + 1, if own == "1" { "112=T|" } else { "" });
        }
        let again = "43=Y|122=20240102-12:00:01|";
        let report = "6=0|11=8|14=0|17=900|37=78|38=100|39=0|44=10|54=1|55=AAPL|150=0|151=100|";
        if unheard == 0 {
            hear(&mut b, "8", next, &format!("{again}{report}"));
        }
        let from = next + 1 - unheard;
        hear(&mut b, "4", from, &format!("{again}36={}|123=Y|", next + 4));
        assert_eq!((lost(&b).len() as u64, ready(&b)), (unheard, Some(false)));
        assert_eq!(b.gateway.session().next_in(), next + 5);
    }
}

#[test]
fn numbers_that_begin_anew_leave_a_drop_copy_in_doubt_but_for_an_end_with_nothing_open() {
    for (ended, parted, doubts) in [(false, false, 1), (false, true, 1), (true, false, 1), (true, true, 0)] {
        let mut b = copy(each_logon);
        if ended {
            b.execution("7", "4", "14=0|38=100|39=4|151=0|");
            b.turn();
        }
        if parted {
            part(&mut b);
        }
        b.sink.all.clear();
        b.connect();
        assert_eq!((lost(&b).len(), ready(&b)), (doubts, Some(false)), "{ended}, {parted}");
    }
}
