//! What sessions are apart from the life of an order: drop copies, refused logons, connections and memories that are lost.

use super::*;

#[test]
fn a_drop_copy_tells_of_others_orders_and_sends_nothing() {
    for version in BOTH {
        let mut b = Bench::with(version, |c| c.drop_copy = true);
        b.answers = false;
        b.connect();
        assert!(b.gateway.is_ready(), "nothing is asked");
        let ready = SessionEvent::Ready { next_token: Token(0), proven: false };
        assert!(b.sink.events().contains(&ready));
        // Of a session that numbers its orders, and of one that names them as we do.
        for (id, token) in [("7", 7), (&name(8)[..], 8)] {
            b.execution(id, "0", "14=0|38=100|39=0|44=10|151=100|");
            b.turn();
            let told = b.last();
            assert_eq!(told.token, Token(token));
            let taken = matches!(told.kind, ReportKind::Accepted { qty: Qty(100), px: Px(100_000), .. });
            assert!(taken, "{told:?}");
            b.execution(id, "F", "14=30|31=10|32=30|39=1|151=70|");
            b.turn();
            assert!(matches!(b.last().kind, ReportKind::Executed { qty: Qty(30), px: Px(100_000), .. }));
            // The venue takes a part of it off.
            b.execution(id, "D", "14=30|378=5|38=80|39=1|151=50|");
            b.turn();
            assert_eq!(b.last().kind, ReportKind::Canceled { qty: Qty(20), reason: b'S' });
        }
        b.execution("9", "5", "14=30|38=90|39=1|41=7|44=10.5|151=60|");
        b.turn();
        let told = b.last();
        assert_eq!(told.token, Token(9));
        assert!(matches!(told.kind, ReportKind::Replaced { old: Token(7), qty: Qty(60), .. }), "{told:?}");
        for id in ["X1", "0", "4294967296"] {
            b.execution(id, "0", "14=0|38=100|39=0|44=10|151=100|");
            b.turn();
            assert!(matches!(b.sink.notices().last(), Some(Notice::Foreign { .. })), "{id}");
        }
        for kind in [buy(10), cancel(9, 0), replace(9, 10, 50)] {
            assert_eq!(b.send(kind), Err(EncodeError::NotReady));
        }
        assert_eq!(b.gateway.cancel_all(b.now, Token(11)), Err(EncodeError::NotReady));
        assert!(b.asked.is_empty(), "{:?}", b.asked);
    }
}

#[test]
fn a_refused_logon_is_told_as_such() {
    use gateways::fix::logon::Credentials;
    let mut b = Bench::new(Version::Fix44);
    let credentials = Credentials::Password { user: String::new(), password: "p".into() };
    b.venue = session(SessionConfig { credentials, ..acceptor(Version::Fix44) });
    b.connect();
    assert_eq!(b.sink.events(), [SessionEvent::LoginRejected { code: b'A' }]);
    assert!(b.gateway.is_over());
}

#[test]
fn a_venue_that_hangs_up_on_a_logon_has_refused_it() {
    let mut b = Bench::new(Version::Fix44);
    b.gateway.on_connected(b.now);
    b.gateway.on_disconnected(b.now, &mut b.sink);
    let refused = SessionEvent::LoginRejected { code: b'R' };
    assert_eq!(b.sink.events(), [refused, SessionEvent::Disconnected]);
}

#[test]
fn a_venue_that_lost_its_memory_leaves_doubt() {
    let mut b = Bench::ready(Version::Fix44);
    b.live(1);
    b.venue = session(acceptor(Version::Fix44));
    b.now = b.now.after(Nanos(SECOND));
    b.gateway.on_disconnected(b.now, &mut b.sink);
    b.venue.on_connected(b.now);
    b.gateway.on_connected(b.now);
    let error = b.try_turn().unwrap_err();
    assert_eq!(error.to_string(), "MsgSeqNum too low");
    assert_eq!(b.sink.events().last(), Some(&SessionEvent::Doubt));
}

#[test]
fn a_request_lost_on_the_way_ends_the_connection() {
    let mut b = Bench::ready(Version::Fix44);
    b.gateway.encode(b.now, &b.command(buy(1))).unwrap();
    let lost = b.gateway.transmit().len();
    b.gateway.transmitted(lost);
    b.gateway.encode(b.now, &b.command(buy(2))).unwrap();
    let error = b.try_turn().unwrap_err();
    assert_eq!(error.to_string(), "a request was lost on the way");
    b.connect();
    assert!(b.gateway.is_ready(), "and the next one settles it");
}
