//! Rules of a session that the acceptance definitions do not test: who may log on, what is sent again and what never is, and that everything is bounded.

mod fix_support;

use fix_support::{
    SECOND, START, acceptor, body, connect, give, initiator, poll, raw, session, settle, shown, taken,
};
use gateways::fix::logon::Credentials;
use gateways::fix::session::{
    ConfigError, End, Replay, Resend, Reset, SendError, Session, SessionConfig, State, Version,
};
use gateways::fix::store::{MemoryStore, Store};
use model::Nanos;

const V: Version = Version::Fix44;
const TIME: &str = "20240102-12:00:00";

fn later(seconds: u64) -> Nanos {
    START.after(Nanos(seconds * SECOND))
}

#[test]
fn a_garbled_answer_to_a_logon_is_ignored_until_the_time_is_up() {
    let mut a = session(initiator(V));
    a.on_connected(START);
    let mut answer = raw(V, &format!("35=A|34=1|49=VENUE|52={TIME}|56=CLIENT|98=0|108=30|"));
    let at = answer.len() - 2;
    answer[at] ^= 1;
    give(&mut a, START, &answer);
    assert_eq!((a.state(), a.garbled()), (State::LogonSent, 1));
    let due = a.next_timeout(false).unwrap();
    a.on_timeout(due, false);
    assert_eq!((a.state(), a.end()), (State::Over, Some(End::LogonTimeout)));
}

#[test]
fn a_reset_that_nobody_asked_for_ends_the_session() {
    let mut a = session(initiator(V));
    a.on_connected(START);
    taken(&mut a);
    give(&mut a, START, &raw(V, &format!("35=A|34=1|49=VENUE|52={TIME}|56=CLIENT|98=0|108=30|141=Y|")));
    assert_eq!(a.end(), Some(End::UnaskedReset));
    assert_eq!(shown(&taken(&mut a)), ["35=5|34=2|58=sequence numbers were reset|"]);
    assert!(a.is_over());
}

#[test]
fn a_reset_that_was_asked_for_begins_both_sides_at_one() {
    let mut a = session(SessionConfig { reset: Reset::EachLogon, ..initiator(V) });
    let mut b = session(acceptor(V));
    for _ in 0..3 {
        let (told, _) = connect(START, &mut a, &mut b);
        assert_eq!(told, ["LoggedOn { reset: true }", "CaughtUp"]);
        assert_eq!((a.next_in(), a.next_out(), b.next_in(), b.next_out()), (2, 2, 2, 2));
        b.send(START, b"8", &body("11=x|")).unwrap();
        settle(START, &mut a, &mut b);
    }
}

/// `START` is a quarter of a second after noon.
#[test]
fn the_numbers_begin_anew_once_a_day_at_the_time_agreed() {
    const HOUR: u64 = 3_600 * SECOND;
    let at = |hours: u64| START.after(Nanos(hours * HOUR));
    let config = || SessionConfig { reset: Reset::Daily(Nanos(17 * HOUR)), heartbeat_s: 0, ..initiator(V) };
    let mut a = session(config());
    let mut b = session(acceptor(V));
    let log_on = |now, a: &mut Session<MemoryStore>, b: &mut Session<MemoryStore>| {
        let (told, _) = connect(now, a, b);
        told[0] == "LoggedOn { reset: true }"
    };
    // The first of all, and not again while nothing else happens.
    assert!(log_on(at(0), &mut a, &mut b));
    assert!(!log_on(at(1), &mut a, &mut b));
    // At five it says goodbye, and asks at the next logon.
    let five = Nanos(START.0 - SECOND / 4 + 5 * HOUR);
    assert_eq!(a.next_timeout(false), Some(five));
    a.on_timeout(Nanos(five.0 - 1), false);
    assert!(a.transmit().is_empty());
    a.on_timeout(five, false);
    settle(five, &mut a, &mut b);
    assert_eq!((a.end(), b.end()), (Some(End::LoggedOut), Some(End::LoggedOut)));
    // The venue hears it and its answer is lost: it is asked again, for nobody knows.
    for heard in [false, true] {
        a.on_disconnected();
        b.on_disconnected();
        b.on_connected(at(5));
        a.on_connected(at(5));
        let logon = taken(&mut a);
        assert!(shown(&logon)[0].contains("34=1|98=0|108=0|141=Y|"), "{:?}", shown(&logon));
        if heard {
            give(&mut b, at(5), &logon);
            assert_eq!(shown(&taken(&mut b)).len(), 1, "lost on the way");
        }
    }
    assert!(log_on(at(6), &mut a, &mut b));
    assert!(!log_on(at(7), &mut a, &mut b));
    assert_eq!(a.store().numbers().began, at(6));
    // A process that comes back the same evening goes on; one that was away at five the next day begins anew, once.
    let again = |began| {
        let mut store = MemoryStore::new(1 << 20);
        store.begin(began).unwrap();
        for seq in 1..a.next_out() {
            store.sent(seq, None).unwrap();
        }
        store.received(a.next_in(), false).unwrap();
        Session::new(config(), store).unwrap()
    };
    let mut evening = again(at(6));
    assert!(!log_on(at(9), &mut evening, &mut b));
    let mut later = again(at(6));
    assert!(log_on(at(24 + 9), &mut later, &mut b));
    assert!(!log_on(at(24 + 10), &mut later, &mut b));
    // A venue's own reset is still not asked for.
    later.on_disconnected();
    later.on_connected(at(24 + 11));
    taken(&mut later);
    let time = "20240103-23:00:00.250";
    give(
        &mut later,
        at(24 + 11),
        &raw(V, &format!("35=A|34=1|49=VENUE|52={time}|56=CLIENT|98=0|108=30|141=Y|")),
    );
    assert_eq!(later.end(), Some(End::UnaskedReset));
    let none = SessionConfig { reset: Reset::Daily(Nanos(24 * HOUR)), ..initiator(V) };
    assert_eq!(Session::new(none, MemoryStore::new(0)).unwrap_err(), ConfigError::ResetTime);
}

#[test]
fn why_a_logon_is_refused_is_read_from_what_the_venue_says() {
    for (said, end) in [
        ("58=not authorised|", End::NotAuthorised),
        ("58=Invalid PASSWORD|", End::NotAuthorised),
        ("58=Authentication failed|", End::NotAuthorised),
        ("58=account locked out|", End::NotAuthorised),
        ("1409=5|", End::NotAuthorised),
        ("1409=7|58=logons are not allowed at this time|", End::Refused),
        ("58=MsgSeqNum too low, expecting 9 but received 1|", End::OutOfStep),
        ("58=MsgSeqNum too high|", End::OutOfStep),
        ("1409=9|", End::OutOfStep),
        ("58=try again later|", End::Refused),
        ("", End::Refused),
    ] {
        let mut a = session(initiator(V));
        a.on_connected(START);
        taken(&mut a);
        give(&mut a, START, &raw(V, &format!("35=5|34=1|49=VENUE|52={TIME}|56=CLIENT|{said}")));
        assert_eq!(a.end(), Some(end), "{said}");
    }
}

fn password(password: &str) -> Credentials {
    Credentials::Password { user: "me".into(), password: password.into() }
}

fn hmac(key: u8) -> Credentials {
    Credentials::Hmac { user: String::new(), password: "secret".into(), key: (key..key + 32).collect() }
}

#[test]
fn only_who_shows_what_was_agreed_logs_on() {
    for version in [Version::Fix42, Version::Fix44] {
        for (shows, wants, admitted) in [
            (password("p"), password("p"), true),
            (password("q"), password("p"), false),
            (Credentials::None, password("p"), false),
            (hmac(0), hmac(0), true),
            (hmac(1), hmac(0), false),
            (password("secret"), hmac(0), false),
            (hmac(0), Credentials::None, true),
        ] {
            let case = format!("{version:?} {shows:?} {wants:?}");
            let mut a = session(SessionConfig { credentials: shows, ..initiator(version) });
            let mut b = session(SessionConfig { credentials: wants, ..acceptor(version) });
            connect(START, &mut a, &mut b);
            if admitted {
                assert_eq!((a.state(), b.state()), (State::Active, State::Active), "{case}");
            } else {
                let why = Some(End::NotAuthorised);
                assert_eq!((a.end(), b.end()), (why, why), "{case}");
            }
        }
    }
}

#[test]
fn the_signature_is_what_another_implementation_computes() {
    let mut a = session(SessionConfig { credentials: hmac(0), ..initiator(V) });
    a.on_connected(START);
    let logon = shown(&taken(&mut a));
    let (before, after) = ("35=A|34=1|95=44|96=", "|98=0|108=30|554=secret|");
    assert_eq!(logon, [format!("{before}WT8/g1bZKyo9nZy8clg3y+8ZOnhorHxyO2lSlE1QWt8={after}")]);
}

#[test]
fn a_signature_is_good_for_one_logon() {
    let credentials = hmac(0);
    let mut a = session(SessionConfig { credentials: credentials.clone(), ..initiator(V) });
    a.on_connected(START);
    let logon = taken(&mut a);
    let changed =
        String::from_utf8(logon.clone()).unwrap().replace("52=20240102-12:00:00", "52=20240102-12:00:01");
    let sum = changed[..changed.len() - 7].bytes().fold(0u8, u8::wrapping_add);
    let changed = format!("{}10={sum:03}\x01", &changed[..changed.len() - 7]);
    let admits = |bytes: &[u8], now| {
        let mut b = session(SessionConfig { credentials: credentials.clone(), ..acceptor(V) });
        b.on_connected(now);
        give(&mut b, now, bytes);
        b.state() == State::Active
    };
    assert!(admits(&logon, START));
    assert!(!admits(changed.as_bytes(), START), "its time was changed");
    assert!(!admits(&logon, later(121)), "it is an old one");
}

#[test]
fn a_request_is_never_sent_again_whatever_part_of_it_arrived() {
    let whole = {
        let (mut a, mut b) = (session(initiator(V)), session(acceptor(V)));
        connect(START, &mut a, &mut b);
        for k in 0..3 {
            a.send(START, b"D", &body(&format!("11=o{k}|"))).unwrap();
        }
        a.transmit().len()
    };
    for cut in 0..=whole {
        let (mut a, mut b) = (session(initiator(V)), session(acceptor(V)));
        connect(START, &mut a, &mut b);
        for k in 0..3 {
            a.send(START, b"D", &body(&format!("11=o{k}|"))).unwrap();
        }
        let part = taken(&mut a)[..cut].to_vec();
        b.recv_space()[..cut].copy_from_slice(&part);
        b.on_received(START, cut);
        // The body lacks what an order needs: the acceptor rejects each that arrives, which shows how many did.
        poll(&mut b, START);
        let arrived = b.next_in() - 2;
        let (told, _) = connect(later(1), &mut a, &mut b);
        let asked = format!("ResendAsked {{ begin: {},", 2 + arrived);
        let lacks = told.iter().any(|t| t.starts_with(&asked));
        assert_eq!(lacks, arrived < 3, "cut {cut}: {told:?}");
        assert_eq!(b.next_in(), a.next_out(), "cut {cut}: nothing is missing");
        let rejects = told.iter().filter(|t| t.starts_with("3 ")).count() as u64;
        assert_eq!(
            rejects, arrived,
            "cut {cut}: one answer to each that arrived, and none to what did not: {told:?}"
        );
    }
}

/// A report that passes the strictest dictionary.
fn report(k: u64) -> Vec<u8> {
    body(&format!("6=0|14=0|17=e{k}|37=v{k}|39=0|54=1|55=A|150=0|151=1|"))
}

#[test]
fn missed_reports_come_once_and_in_order_whatever_the_cut() {
    let whole = {
        let (mut a, mut b) = (session(initiator(V)), session(acceptor(V)));
        connect(START, &mut a, &mut b);
        (0..4).for_each(|k| assert!(b.send(START, b"8", &report(k)).is_ok()));
        b.transmit().len()
    };
    for cut in (0..=whole).step_by(7).chain([whole]) {
        let (mut a, mut b) = (session(initiator(V)), session(acceptor(V)));
        connect(START, &mut a, &mut b);
        for k in 0..4 {
            b.send(START, b"8", &report(k)).unwrap();
        }
        let part = taken(&mut b)[..cut].to_vec();
        a.recv_space()[..cut].copy_from_slice(&part);
        a.on_received(START, cut);
        let mut told = poll(&mut a, START);
        let (rest, _) = connect(later(1), &mut a, &mut b);
        told.extend(rest);
        let seen: Vec<_> = told.iter().filter_map(|t| t.split("17=e").nth(1)?.split('|').next()).collect();
        assert_eq!(seen, ["0", "1", "2", "3"], "cut {cut}: {told:?}");
        assert_eq!(told.last().unwrap(), "CaughtUp", "cut {cut}");
        assert_eq!(a.next_in(), b.next_out());
    }
}

#[test]
fn a_new_process_has_all_replayed_and_another_only_what_it_missed() {
    for (replay, expected) in [(Replay::All, 3), (Replay::Missed, 0)] {
        let (mut a, mut b) = (session(SessionConfig { replay, ..initiator(V) }), session(acceptor(V)));
        connect(START, &mut a, &mut b);
        for k in 0..3 {
            b.send(START, b"8", &report(k)).unwrap();
        }
        settle(START, &mut a, &mut b);
        // The process dies and its store lives on.
        let store = {
            use gateways::fix::store::{MemoryStore, Store};
            let mut store = MemoryStore::new(1 << 20);
            store.sent(a.next_out() - 1, None).unwrap();
            store.received(a.next_in(), false).unwrap();
            store
        };
        let mut a = Session::new(SessionConfig { replay, ..initiator(V) }, store).unwrap();
        let (told, _) = connect(later(1), &mut a, &mut b);
        assert_eq!(told.iter().filter(|t| t.starts_with("8 ")).count(), expected, "{replay:?}: {told:?}");
        assert_eq!(told.last().unwrap(), "CaughtUp");
        assert_eq!(a.next_in(), b.next_out());
    }
}

#[test]
fn a_counterparty_that_lost_its_memory_is_found_out() {
    for replay in [Replay::All, Replay::Missed] {
        let (mut a, mut b) = (session(SessionConfig { replay, ..initiator(V) }), session(acceptor(V)));
        connect(START, &mut a, &mut b);
        b.send(START, b"8", &report(0)).unwrap();
        settle(START, &mut a, &mut b);
        let mut forgetful = session(acceptor(V));
        connect(later(1), &mut a, &mut forgetful);
        assert_eq!(a.end(), Some(End::SequenceTooLow));
    }
}

#[test]
fn what_is_missing_is_asked_for_three_times() {
    let mut a = session(initiator(V));
    a.on_connected(START);
    taken(&mut a);
    give(&mut a, START, &raw(V, &format!("35=A|34=9|49=VENUE|52={TIME}|56=CLIENT|98=0|108=0|")));
    assert_eq!(shown(&taken(&mut a)), ["35=2|34=2|7=1|16=0|"]);
    let mut sent = Vec::new();
    while a.end().is_none() {
        let now = a.next_timeout(false).unwrap_or_else(|| panic!("nothing is due: {sent:?}"));
        a.on_timeout(now, false);
        sent.extend(shown(&taken(&mut a)));
    }
    assert_eq!(a.end(), Some(End::GapNotFilled));
    let asked = sent.iter().filter(|m| m.starts_with("35=2")).count();
    assert_eq!((asked, sent.last().unwrap().starts_with("35=5")), (2, true), "{sent:?}");
}

#[test]
fn more_than_can_be_held_comes_with_the_resend() {
    let (mut a, mut b) =
        (session(SessionConfig { held_capacity: 512, ..initiator(V) }), session(acceptor(V)));
    connect(START, &mut a, &mut b);
    b.send(START, b"8", &report(0)).unwrap();
    taken(&mut b);
    let mut told = Vec::new();
    for k in 1..40 {
        b.send(START, b"8", &report(k)).unwrap();
        told.extend(settle(START, &mut a, &mut b).0);
    }
    let seen = told.iter().filter(|t| t.starts_with("8 ")).count();
    assert_eq!((seen, a.next_in()), (40, b.next_out()), "{told:?}");
}

#[test]
fn a_long_resend_goes_out_as_there_is_room() {
    let small = SessionConfig { transmit_capacity: 4096, ..acceptor(V) };
    let (mut a, mut b) = (session(initiator(V)), session(small));
    connect(START, &mut a, &mut b);
    let mut k = 0;
    while k < 400 {
        if b.send(START, b"8", &report(k)).is_ok() {
            k += 1;
        }
        taken(&mut b);
    }
    let (told, _) = connect(later(1), &mut a, &mut b);
    let seen: Vec<u64> =
        told.iter().filter_map(|t| t.split("17=e").nth(1)?.split('|').next()?.parse().ok()).collect();
    assert!(seen.iter().copied().eq(0..400), "{} came", seen.len());
    assert_eq!(told.last().unwrap(), "CaughtUp");
}

#[test]
fn nothing_new_is_sent_into_a_resend() {
    let small = SessionConfig { transmit_capacity: 4096, resend: Resend::Application, ..acceptor(V) };
    let (mut a, mut b) = (session(initiator(V)), session(small));
    connect(START, &mut a, &mut b);
    for k in 0..100 {
        b.send(START, b"8", &report(k)).unwrap();
        taken(&mut b);
    }
    let (_, out) = (taken(&mut b), b.next_out());
    let ask = raw(V, &format!("35=2|34=2|49=CLIENT|52={TIME}|56=VENUE|7=1|16=0|"));
    give(&mut b, START, &ask);
    assert_eq!(b.send(START, b"8", &report(100)), Err(SendError::Full), "the resend is not through");
    let mut resent = 0;
    while !b.transmit().is_empty() {
        resent += shown(&taken(&mut b)).len();
        poll(&mut b, START);
    }
    assert_eq!(resent, 101, "a gap fill over the logon, and each report");
    assert_eq!(b.send(START, b"8", &report(100)), Ok(out));
}

#[test]
fn a_peer_that_reads_nothing_is_left() {
    let mut b = session(SessionConfig { transmit_capacity: 4096, ..acceptor(V) });
    b.on_connected(START);
    give(&mut b, START, &raw(V, &format!("35=A|34=1|49=CLIENT|52={TIME}|56=VENUE|98=0|108=30|")));
    for seq in 2.. {
        if b.end().is_some() {
            break;
        }
        assert!(seq < 1_000, "the buffer grows");
        give(&mut b, START, &raw(V, &format!("35=1|34={seq}|49=CLIENT|52={TIME}|56=VENUE|112=x|")));
    }
    assert_eq!(b.end(), Some(End::Stalled));
    assert!(!b.is_over(), "what was said may still leave");
    let due = b.next_timeout(false).unwrap();
    b.on_timeout(due, false);
    assert!(b.is_over());
}

#[test]
fn fix_42_has_fewer_reasons_to_reject() {
    let v = Version::Fix42;
    let mut b = session(acceptor(v));
    b.on_connected(START);
    give(&mut b, START, &raw(v, &format!("35=A|34=1|49=CLIENT|52={TIME}|56=VENUE|98=0|108=30|")));
    taken(&mut b);
    give(&mut b, START, &raw(v, &format!("35=0|34=2|49=CLIENT|52={TIME}|56=VENUE|112=a|112=b|")));
    give(&mut b, START, &raw(v, &format!("35=0|34=3|49=CLIENT|52={TIME}|56=VENUE|55=A|")));
    assert_eq!(
        shown(&taken(&mut b)),
        [
            "35=3|34=2|45=2|58=Tag appears more than once|371=112|372=0|",
            "35=3|34=3|45=3|58=Tag not defined for this message type|371=55|372=0|373=2|"
        ]
    );
}
