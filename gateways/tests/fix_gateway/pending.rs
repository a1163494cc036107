//! Requests that the venue has, and has not decided on.

use super::skipped::again;
use super::*;

/// What is told of a request that waits at the venue.
fn told(b: &mut Bench, token: u32, reason: u8) {
    assert_eq!((b.last().token, b.last().kind), (Token(token), ReportKind::Restated { reason }));
    b.sink.all.clear();
}

fn is_proven(b: &Bench) -> bool {
    b.sink.events().iter().any(|e| matches!(e, SessionEvent::Ready { proven: true, .. }))
}

#[test]
fn an_order_that_is_pending_at_the_venue_outlives_a_proven_replay() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.order(1);
        b.order(2);
        b.execution(&name(1), "A", "14=0|38=100|39=A|44=10.5|151=100|");
        b.turn();
        told(&mut b, 1, b'A');
        b.connect();
        assert!(is_proven(&b));
        let gone = b.gateway.encode(b.now, &b.command(cancel(2, 0)));
        assert_eq!(gone, Err(EncodeError::BadToken(Token(2))), "it was never processed");
        b.send(cancel(1, 0)).unwrap();
        b.execution(&name(1), "0", "14=0|38=100|39=0|44=10.5|151=100|");
        b.turn();
        assert!(matches!(b.last().kind, ReportKind::Accepted { qty: Qty(100), .. }));
    }
}

#[test]
fn a_replace_that_is_pending_at_the_venue_outlives_a_proven_replay() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.live(1);
        b.send(replace(1, 2, 50)).unwrap();
        b.execution(&name(2), "E", &format!("14=0|38=50|39=E|41={}|44=10.5|151=100|", name(1)));
        b.turn();
        told(&mut b, 2, b'E');
        b.connect();
        assert!(is_proven(&b));
        b.execution(&name(2), "5", &format!("14=0|38=50|39=0|41={}|44=11.0001|151=50|", name(1)));
        b.turn();
        assert!(matches!(b.last().kind, ReportKind::Replaced { old: Token(1), qty: Qty(50), .. }));
        b.send(cancel(2, 0)).unwrap();
    }
}

#[test]
fn a_new_process_knows_what_is_pending_at_the_venue() {
    for v in BOTH {
        let mut b = Bench::ready(v);
        b.order(1);
        b.execution(&name(1), "A", "14=0|38=100|39=A|44=10.5|151=100|");
        b.turn();
        again(&mut b, |_| {});
        assert!(is_proven(&b));
        told(&mut b, 1, b'A');
        // It can be canceled, and an end in order does not call it settled.
        b.send(cancel(1, 0)).unwrap();
        b.gateway.logout(b.now);
        b.turn();
        assert_eq!(b.gateway.session().store().numbers().past.settled, None);
    }
}
