//! The rules of SoupBinTCP 3.00/4.00 as the gateway keeps them, in virtual time: login, heartbeats, silence, counting, end of session.

mod support;

use gateways::gateway::{Notice, OrderGateway, ProtocolError};
use gateways::order::EncodeError;
use gateways::soupbintcp::{FrameError, SessionName, State};
use model::{Nanos, SessionEvent, Token};
use support::venue::{Venue, accepted, login_accepted, next_token};
use support::{MS, Sink, buy, cancel, config, flush, gateway, packet, receive};

const START: Nanos = Nanos(1_000 * MS);

fn at(ms: u64) -> Nanos {
    START.after(Nanos::from_millis(ms))
}

/// A gateway that is logged in at [`START`] as message `next` of session S1, its query answered, everything sent.
fn logged_in(next: u64) -> (gateways::gateway::OuchGateway, Sink) {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_connected(START);
    flush(&mut g);
    receive(&mut g, START, &login_accepted("S1", next), 99, &mut sink).unwrap();
    flush(&mut g);
    receive(&mut g, START, &packet(b'S', &next_token(1)), 99, &mut sink).unwrap();
    (g, sink)
}

fn ready() -> (gateways::gateway::OuchGateway, Sink) {
    let (mut g, mut sink) = logged_in(1);
    g.on_timeout(at(100), &mut sink).unwrap();
    assert_eq!(sink.ready(), Some(Token(1)));
    (g, sink)
}

#[test]
fn the_login_goes_out_at_once_and_nothing_before_it() {
    let mut g = gateway(|_| {});
    assert!(g.transmit().is_empty());
    assert_eq!((g.state(), g.next_timeout()), (State::Disconnected, None));
    g.on_connected(START);
    assert_eq!(g.state(), State::LoginSent);
    assert_eq!(g.transmit(), b"\0\x2fLuser01secret                                 1");
    assert_eq!(g.encode(START, &buy(1)), Err(EncodeError::NotReady));
    assert_eq!(g.encode(START, &cancel(1)), Err(EncodeError::NotReady));
}

#[test]
fn the_configured_session_and_sequence_are_asked_for() {
    let mut g = gateway(|c| {
        c.session.session = "S1".into();
        c.session.next_sequence = 42;
    });
    g.on_connected(START);
    assert_eq!(&g.transmit()[19..], b"        S1                  42");
    let mut sink = Sink::default();
    receive(&mut g, START, &login_accepted("S1", 42), 9, &mut sink).unwrap();
    assert_eq!(g.position().0, SessionName::new(b"S1").unwrap());
    assert_eq!(sink.notices(), [Notice::Session { continued: true, asked: 42, next: 42 }]);
    assert_eq!(sink.events(), [SessionEvent::LoggedIn]);
}

#[test]
fn a_server_that_does_not_answer_the_login_is_given_up() {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_connected(START);
    assert_eq!(g.next_timeout(), Some(at(5_000)));
    g.on_timeout(at(4_999), &mut sink).unwrap();
    receive(&mut g, at(4_999), &packet(b'+', b"debug is no answer"), 9, &mut sink).unwrap();
    assert_eq!(g.on_timeout(at(5_000), &mut sink), Err(ProtocolError::LoginTimeout));
    assert_eq!(g.on_timeout(at(5_001), &mut sink), Err(ProtocolError::LoginTimeout), "until disconnected");
    assert!(g.transmit().is_empty() && g.next_timeout().is_none());
    g.on_disconnected(at(5_001), &mut sink);
    assert_eq!(sink.events(), [SessionEvent::Disconnected]);
    g.on_connected(at(6_000));
    assert_eq!(g.next_timeout(), Some(at(11_000)));
}

#[test]
fn a_rejected_login_says_why_and_ends_the_connection() {
    for code in [b'A', b'S'] {
        let mut g = gateway(|_| {});
        let mut sink = Sink::default();
        g.on_connected(START);
        receive(&mut g, START, &packet(b'J', &[code]), 1, &mut sink).unwrap();
        assert_eq!(sink.events(), [SessionEvent::LoginRejected { code }]);
        assert!(g.is_over() && g.transmit().is_empty());
        assert_eq!(g.next_timeout(), None);
        g.on_disconnected(START, &mut sink);
        assert_eq!(sink.events().last(), Some(&SessionEvent::Disconnected));
    }
    let mut g = gateway(|_| {});
    g.on_connected(START);
    let got = receive(&mut g, START, &packet(b'J', b""), 9, &mut Sink::default());
    assert_eq!(got, Err(ProtocolError::LoginAnswer));
}

#[test]
fn a_session_that_is_gone_is_forgotten_only_on_request() {
    let (mut g, mut sink) = logged_in(7);
    g.on_disconnected(at(1), &mut sink);
    for _ in 0..2 {
        g.on_connected(at(2));
        assert_eq!(&flush(&mut g)[19..], b"        S1                   8", "still asked for");
        receive(&mut g, at(2), &packet(b'J', b"S"), 9, &mut sink).unwrap();
        g.on_disconnected(at(3), &mut sink);
    }
    g.forget_session();
    g.on_connected(at(4));
    assert_eq!(&flush(&mut g)[19..], b"                             1");
}

#[test]
fn a_heartbeat_follows_a_second_without_sending() {
    let (mut g, mut sink) = logged_in(1);
    g.on_timeout(at(100), &mut sink).unwrap();
    assert_eq!(g.next_timeout(), Some(at(1_000)));
    g.on_timeout(at(999), &mut sink).unwrap();
    assert!(g.transmit().is_empty());
    g.on_timeout(at(1_000), &mut sink).unwrap();
    assert_eq!(flush(&mut g), b"\0\x01R");
    assert_eq!(g.next_timeout(), Some(at(2_000)));
    g.encode(at(1_500), &buy(1)).unwrap();
    flush(&mut g);
    g.on_timeout(at(2_000), &mut sink).unwrap();
    assert!(g.transmit().is_empty(), "the order was a sign of life");
    g.on_timeout(at(2_500), &mut sink).unwrap();
    assert_eq!(flush(&mut g), b"\0\x01R");
}

#[test]
fn a_blocked_socket_is_not_filled_with_heartbeats() {
    let (mut g, mut sink) = ready();
    g.encode(at(100), &buy(1)).unwrap();
    let pending = g.transmit().len();
    for s in 1..14 {
        g.on_timeout(at(1_000 * s), &mut sink).unwrap();
        assert_eq!(g.transmit().len(), pending);
        assert!(g.next_timeout().unwrap() > at(1_000 * s), "no busy loop");
    }
}

#[test]
fn a_silent_server_is_given_up_after_fifteen_seconds() {
    let (mut g, mut sink) = ready();
    g.on_timeout(at(14_999), &mut sink).unwrap();
    receive(&mut g, at(14_999), &packet(b'H', b""), 1, &mut sink).unwrap();
    g.on_timeout(at(15_000), &mut sink).unwrap();
    g.on_timeout(at(29_998), &mut sink).unwrap();
    assert_eq!(g.on_timeout(at(29_999), &mut sink), Err(ProtocolError::Silent));
    assert_eq!(g.encode(at(29_999), &buy(1)), Err(EncodeError::NotReady));
    assert_eq!(g.resume(at(29_999), &mut sink), Err(ProtocolError::Silent));
    assert!(!g.is_ready());
}

#[test]
fn only_sequenced_data_counts() {
    let (mut g, mut sink) = logged_in(10);
    let before = sink.all.len();
    let mut stream = Vec::new();
    for noise in [(b'H', &b""[..]), (b'+', b"text"), (b'U', b"unsequenced"), (b'H', b"")] {
        stream.extend(packet(noise.0, noise.1));
    }
    stream.extend(packet(b'S', &accepted(1)));
    stream.extend(packet(b'+', b""));
    stream.extend(packet(b'S', &accepted(2)));
    receive(&mut g, at(1), &stream, 1, &mut sink).unwrap();
    let seqs: Vec<u64> = sink.reports().iter().map(|r| r.seq).collect();
    assert_eq!(seqs, [11, 12], "the query's answer was 10");
    assert_eq!(sink.all.len(), before + 2);
    assert_eq!((g.counters().unsequenced, g.counters().debug), (1, 2));
    assert_eq!(g.position(), (SessionName::new(b"S1").unwrap(), 13));
}

#[test]
fn debug_may_come_before_the_login_answer_but_data_may_not() {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_connected(START);
    let mut stream = packet(b'+', b"host nq1");
    stream.extend(packet(b'H', b""));
    stream.extend(login_accepted("S1", 1));
    receive(&mut g, START, &stream, 1, &mut sink).unwrap();
    assert_eq!(sink.events(), [SessionEvent::LoggedIn]);
    for kind in *b"SUZ" {
        let mut g = gateway(|_| {});
        g.on_connected(START);
        let state = State::LoginSent;
        let got = receive(&mut g, START, &packet(kind, &accepted(1)), 99, &mut Sink::default());
        assert_eq!(got, Err(ProtocolError::Unexpected { kind, state }));
    }
}

#[test]
fn what_a_server_may_not_send_is_an_error() {
    for kind in *b"LROAJx\0\xff" {
        let (mut g, mut sink) = logged_in(1);
        let state = State::LoggedIn;
        let mut stream = packet(b'S', &accepted(1));
        stream.extend(packet(kind, b"A"));
        stream.extend(packet(b'S', &accepted(2)));
        let got = receive(&mut g, at(1), &stream, 999, &mut sink);
        assert_eq!(got, Err(ProtocolError::Unexpected { kind, state }));
        assert_eq!(sink.reports().len(), 1, "what came before was delivered, what came after was not");
        assert_eq!(g.resume(at(1), &mut sink), got);
        assert_eq!(g.position().1, 3, "and not counted either");
    }
    let (mut g, mut sink) = logged_in(1);
    let got = receive(&mut g, at(1), b"\0\0", 9, &mut sink);
    assert_eq!(got, Err(ProtocolError::Frame(FrameError::Empty)));
    let mut g = gateway(|c| c.receive_capacity = 4096);
    g.on_connected(START);
    let got = receive(&mut g, START, b"\xff\xff", 9, &mut sink);
    assert_eq!(got, Err(ProtocolError::Frame(FrameError::TooLong { packet: 65_537, capacity: 4096 })));
    let mut g = gateway(|_| {});
    g.on_connected(START);
    let got = receive(&mut g, START, &login_accepted("S1", 0), 9, &mut sink);
    assert_eq!(got, Err(ProtocolError::LoginAnswer));
}

#[test]
fn the_count_does_not_wrap() {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_connected(START);
    receive(&mut g, START, &login_accepted("S1", u64::MAX), 9, &mut sink).unwrap();
    let got = receive(&mut g, START, &packet(b'S', &accepted(1)), 99, &mut sink);
    assert_eq!(got, Err(ProtocolError::Sequence));
    assert!(sink.reports().is_empty());
}

#[test]
fn the_answers_sequence_is_trusted_and_a_hole_is_told() {
    let (mut g, mut sink) = logged_in(10);
    receive(&mut g, at(1), &packet(b'S', &accepted(1)), 99, &mut sink).unwrap();
    for (answer, heard, what) in
        [(20, 20, "messages 12 to 19 are lost"), (5, 20, "messages 5 to 20 come again")]
    {
        let asked = g.position().1;
        g.on_disconnected(at(2), &mut sink);
        g.on_connected(at(3));
        flush(&mut g);
        receive(&mut g, at(3), &login_accepted("S1", answer), 9, &mut sink).unwrap();
        assert_eq!(g.position().0, SessionName::new(b"S1").unwrap());
        let told = Notice::Session { continued: true, asked, next: answer };
        assert_eq!(sink.notices().last(), Some(&told), "{what}");
        receive(&mut g, at(3), &packet(b'S', &accepted(2)), 99, &mut sink).unwrap();
        assert_eq!(sink.reports().last().unwrap().seq, heard, "{what}");
    }
    assert_eq!(g.counters().repeated, 1);
}

#[test]
fn after_the_end_of_a_session_the_next_login_starts_a_new_one() {
    let (mut g, mut sink) = ready();
    let mut stream = packet(b'S', &accepted(1));
    stream.extend(packet(b'Z', b""));
    receive(&mut g, at(200), &stream, 1, &mut sink).unwrap();
    assert_eq!(sink.events().last(), Some(&SessionEvent::EndOfSession));
    assert!(g.is_over() && !g.is_ready());
    assert_eq!(g.next_timeout(), None);
    assert_eq!(g.encode(at(200), &buy(2)), Err(EncodeError::NotReady));
    let after = receive(&mut g, at(200), &packet(b'S', &accepted(2)), 99, &mut sink);
    assert_eq!(after, Err(ProtocolError::Unexpected { kind: b'S', state: State::Ended }));
    assert_eq!(g.highest_token_seen(), Token(1));
    g.on_disconnected(at(201), &mut sink);
    g.on_connected(at(202));
    assert_eq!(&flush(&mut g)[19..], b"                             1", "blank, from its start");
    receive(&mut g, at(202), &login_accepted("S2", 1), 9, &mut sink).unwrap();
    assert_eq!(g.position().0, SessionName::new(b"S2").unwrap());
    assert_eq!(sink.notices().last(), Some(&Notice::Session { continued: false, asked: 1, next: 1 }));
    assert_eq!(g.highest_token_seen(), Token(0), "numbers of another session say nothing");
}

#[test]
fn a_logout_ends_the_sending_but_not_the_listening() {
    let (mut g, mut sink) = ready();
    g.encode(at(150), &buy(1)).unwrap();
    g.logout(at(160));
    g.logout(at(160));
    assert_eq!(&flush(&mut g)[50..], b"\0\x01O", "behind what was to be sent, once");
    assert_eq!(g.encode(at(160), &cancel(1)), Err(EncodeError::NotReady));
    receive(&mut g, at(170), &packet(b'S', &accepted(1)), 99, &mut sink).unwrap();
    assert_eq!(sink.reports().len(), 1);
    g.on_timeout(at(2_000), &mut sink).unwrap();
    assert!(g.transmit().is_empty(), "no heartbeat behind a logout");
    assert!(g.next_timeout().is_some_and(|t| t > at(2_000)), "no busy loop");
    let late = at(170 + 15_000);
    assert_eq!(g.on_timeout(late, &mut sink), Err(ProtocolError::Silent), "a server that does not close");
}

#[test]
fn a_server_need_not_have_a_session_name() {
    let mut venue = Venue::new("");
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_connected(START);
    let bytes = venue.on_bytes(&flush(&mut g));
    receive(&mut g, START, &bytes, 9, &mut sink).unwrap();
    assert!(g.position().0.is_blank());
}

#[test]
fn a_disconnect_without_a_connection_says_nothing() {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_disconnected(START, &mut sink);
    g.on_timeout(at(99_999), &mut sink).unwrap();
    receive(&mut g, START, b"\0\0\xff\xff", 9, &mut sink).unwrap();
    assert!(sink.all.is_empty());
}

#[test]
fn a_configuration_that_cannot_work_is_refused_by_field() {
    use gateways::gateway::{ConfigError, OuchGateway};
    use gateways::soupbintcp::ConfigError as Session;
    type Change = fn(&mut gateways::gateway::GatewayConfig);
    let cases: [(Change, ConfigError); 15] = [
        (|c| c.session.username.clear(), ConfigError::Session(Session::Username)),
        (|c| c.session.username = "sevench".into(), ConfigError::Session(Session::Username)),
        (|c| c.session.username = "a b".into(), ConfigError::Session(Session::Username)),
        (|c| c.session.password = "elevenchars".into(), ConfigError::Session(Session::Password)),
        (|c| c.session.password = "p\u{e4}ss".into(), ConfigError::Session(Session::Password)),
        (|c| c.session.session = "elevenchars".into(), ConfigError::Session(Session::Session)),
        (|c| c.session.heartbeat = Nanos(0), ConfigError::Session(Session::Timing)),
        (|c| c.session.silence = c.session.heartbeat, ConfigError::Session(Session::Timing)),
        (|c| c.session.login_timeout = Nanos(0), ConfigError::Session(Session::Timing)),
        (|c| c.firm = *b"A\0\0\0", ConfigError::Firm),
        (
            |c| {
                c.firm = *b"    ";
                c.orders.send_firm = true;
            },
            ConfigError::Firm,
        ),
        (|c| c.orders.letters.display = 0, ConfigError::Letters),
        (|c| c.orders.clordid = gateways::order::ClOrdId::Tagged([0; 4]), ConfigError::ClOrdId),
        (|c| c.receive_capacity = 4095, ConfigError::Capacity),
        (|c| c.transmit_capacity = 4095, ConfigError::Capacity),
    ];
    for (change, why) in cases {
        let mut c = config();
        change(&mut c);
        assert_eq!(OuchGateway::new(c, &support::instruments()).unwrap_err(), why);
    }
    let [a, mut b] = support::instruments();
    b.symbol = a.symbol;
    assert_eq!(OuchGateway::new(config(), &[a, b]).unwrap_err(), ConfigError::DuplicateSymbol(a.symbol));
    assert!(!format!("{:?}", config()).contains("secret"), "the password does not show");
    assert!(!format!("{:?}", gateway(|_| {})).contains("secret"));
}
