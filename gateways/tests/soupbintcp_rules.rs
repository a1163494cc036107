//! SoupBinTCP rule by rule, on the client's side. What a file elsewhere shows is named; the rest is here.
//!
//! | rule | shown by |
//! |---|---|
//! | length counts type and payload; 0 is invalid | `soupbintcp::frame` |
//! | no maximum length | [`the_longest_packets_there_can_be_pass`] |
//! | TCP splits and joins anywhere | [`a_session_is_the_same_however_it_is_split`] |
//! | `+` at any time, both states | [`debug_text_is_allowed_anywhere_and_counts_nowhere`] |
//! | `L` at once, 47 bytes, padded strictly | `session_rules::the_login_goes_out_at_once_and_nothing_before_it`, `soupbintcp::login` |
//! | padding read liberally, NUL too; written strictly whatever was read | [`a_session_read_with_any_padding_is_asked_for_with_the_right_one`] |
//! | `A` names the next message; it may differ from the one asked for | `session_rules::the_answers_sequence_is_trusted_and_a_hole_is_told` |
//! | `J` with a code; the server closes | `session_rules::a_rejected_login_says_why_and_ends_the_connection`, [`a_code_that_no_revision_has_is_passed_on`] |
//! | sequence 0: only new messages; 1: from the start | [`sequence_0_asks_for_what_comes_and_1_for_all`] |
//! | only `S` counts | `session_rules::only_sequenced_data_counts` |
//! | again at last + 1, same session | [`a_reconnect_asks_for_the_message_after_the_last_one`] |
//! | `R` after a second without sending | `session_rules::a_heartbeat_follows_a_second_without_sending` |
//! | a server silent for 15 s is gone; any byte is a sign of life | `session_rules::a_silent_server_is_given_up_after_fifteen_seconds`, [`any_byte_is_a_sign_of_life`] |
//! | `Z`: nothing follows, the sequence is void | `session_rules::after_the_end_of_a_session_the_next_login_starts_a_new_one` |
//! | `O`: the server closes | `session_rules::a_logout_ends_the_sending_but_not_the_listening` |
//! | `U` from the server (4.00): never counted | `session_rules::only_sequenced_data_counts` |
//! | back-off and jitter | `colo::agents::gateway` |

mod support;

use gateways::gateway::{OrderGateway, ProtocolError};
use gateways::soupbintcp::SessionName;
use model::{Nanos, SessionEvent};
use support::venue::{accepted, login_accepted, next_token};
use support::{MS, Seen, Sink, flush, gateway, packet, receive};

const START: Nanos = Nanos(1_000 * MS);

fn at(ms: u64) -> Nanos {
    START.after(Nanos::from_millis(ms))
}

#[test]
fn the_longest_packets_there_can_be_pass() {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_connected(START);
    let mut stream = packet(b'+', &[b'x'; 65_534]);
    stream.extend(login_accepted("S1", 1));
    stream.extend(packet(b'+', &[b'x'; 65_534]));
    let mut longest = accepted(1);
    // An appendage that is all padding to a decoder that knows no such tag.
    longest.resize(65_534, 0);
    stream.extend(packet(b'S', &longest));
    stream.extend(packet(b'S', &accepted(2)));
    receive(&mut g, START, &stream, 1_460, &mut sink).unwrap();
    assert_eq!(g.counters().debug, 2);
    assert_eq!((g.counters().sequenced, g.position().1), (2, 3));
    assert_eq!(sink.reports().last().unwrap().seq, 2);
}

/// A whole session as a server sends it.
fn session() -> Vec<u8> {
    let mut stream = packet(b'+', b"host nq1");
    stream.extend(login_accepted("S1", 1));
    for part in
        [packet(b'S', &accepted(1)), packet(b'H', b""), packet(b'+', b""), packet(b'S', &next_token(2))]
    {
        stream.extend(part);
    }
    stream.extend(packet(b'S', b""));
    stream.extend(packet(b'U', b"best effort"));
    stream.extend(packet(b'S', &accepted(2)));
    stream.extend(packet(b'Z', b""));
    stream
}

fn heard(parts: &[&[u8]]) -> Vec<Seen> {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_connected(START);
    for part in parts {
        receive(&mut g, START, part, usize::MAX, &mut sink).unwrap();
    }
    assert!(g.is_over());
    sink.all
}

#[test]
fn a_session_is_the_same_however_it_is_split() {
    let stream = session();
    let whole = heard(&[&stream]);
    assert_eq!(whole.iter().filter(|s| matches!(s, Seen::Report(_))).count(), 2);
    assert_eq!(whole.last(), Some(&Seen::Session(SessionEvent::EndOfSession)));
    for first in 0..=stream.len() {
        assert_eq!(heard(&[&stream[..first], &stream[first..]]), whole, "split at {first}");
        let second = (first + stream.len()) / 2;
        let parts = [&stream[..first], &stream[first..second], &stream[second..]];
        assert_eq!(heard(&parts), whole, "split at {first} and {second}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(heard(&bytes), whole, "byte by byte");
}

#[test]
fn debug_text_is_allowed_anywhere_and_counts_nowhere() {
    let stream = session();
    let whole = heard(&[&stream]);
    let mut from = 0;
    loop {
        let debug = packet(b'+', b"anything: \0\xff");
        assert_eq!(heard(&[&stream[..from], &debug, &stream[from..]]), whole, "debug before byte {from}");
        let length = u16::from_be_bytes([stream[from], stream[from + 1]]);
        from += 2 + usize::from(length);
        if from == stream.len() {
            break;
        }
    }
}

#[test]
fn a_session_read_with_any_padding_is_asked_for_with_the_right_one() {
    for answer in [
        "        S1                   7",
        "S1        7                   ",
        "S1\0\0\0\0\0\0\0\x007\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        "   S1     00000000000000000007",
    ] {
        let mut g = gateway(|_| {});
        let mut sink = Sink::default();
        g.on_connected(START);
        receive(&mut g, START, &packet(b'A', answer.as_bytes()), 3, &mut sink).unwrap();
        receive(&mut g, START, &packet(b'S', &accepted(1)), 99, &mut sink).unwrap();
        assert_eq!(sink.reports()[0].seq, 7, "{answer:?}");
        g.on_disconnected(START, &mut sink);
        g.on_connected(START);
        assert_eq!(&flush(&mut g)[19..], b"        S1                   8", "after {answer:?}");
    }
}

#[test]
fn a_code_that_no_revision_has_is_passed_on() {
    for (payload, code) in [(&b"X"[..], b'X'), (b"\0", 0), (b"A and why", b'A')] {
        let mut g = gateway(|_| {});
        let mut sink = Sink::default();
        g.on_connected(START);
        receive(&mut g, START, &packet(b'J', payload), 99, &mut sink).unwrap();
        assert_eq!(sink.events(), [SessionEvent::LoginRejected { code }]);
        assert!(g.is_over());
    }
}

#[test]
fn sequence_0_asks_for_what_comes_and_1_for_all() {
    for (asked, digits, answered) in [(0, "0", 135), (1, "1", 1)] {
        let mut g = gateway(|c| c.session.next_sequence = asked);
        let mut sink = Sink::default();
        g.on_connected(START);
        assert_eq!(&flush(&mut g)[29..], format!("{digits:>20}").as_bytes());
        receive(&mut g, START, &login_accepted("1689192121", answered), 9, &mut sink).unwrap();
        receive(&mut g, START, &packet(b'S', &accepted(1)), 99, &mut sink).unwrap();
        assert_eq!(sink.reports()[0].seq, answered, "asked for {asked}");
        assert_eq!(g.position(), (SessionName::new(b"1689192121").unwrap(), answered + 1));
    }
}

#[test]
fn a_reconnect_asks_for_the_message_after_the_last_one() {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    let mut last = 0;
    for round in 0..5 {
        g.on_connected(START);
        let session = if round == 0 { "" } else { "S1" };
        assert_eq!(&flush(&mut g)[19..], format!("{session:>10}{:>20}", last + 1).as_bytes(), "{round}");
        receive(&mut g, START, &login_accepted("S1", last + 1), 9, &mut sink).unwrap();
        for t in 0..round {
            receive(&mut g, START, &packet(b'S', &accepted(t + 1)), 99, &mut sink).unwrap();
            last += 1;
        }
        // Half a message was not received.
        let half = packet(b'S', &accepted(99));
        receive(&mut g, START, &half[..half.len() - 1], 99, &mut sink).unwrap();
        g.on_disconnected(START, &mut sink);
    }
    let seqs: Vec<u64> = sink.reports().iter().map(|r| r.seq).collect();
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>());
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut g = gateway(|_| {});
    let mut sink = Sink::default();
    g.on_connected(START);
    receive(&mut g, START, &login_accepted("S1", 1), 99, &mut sink).unwrap();
    let message = packet(b'S', &accepted(1));
    // One byte each 14 s: a line that is slow is not a silent one.
    for (n, byte) in (1..).zip(&message) {
        g.on_timeout(at(14_000 * n), &mut sink).unwrap();
        receive(&mut g, at(14_000 * n), &[*byte], 1, &mut sink).unwrap();
    }
    assert_eq!(sink.reports().len(), 1);
    let end = 14_000 * message.len() as u64;
    g.on_timeout(at(end + 14_999), &mut sink).unwrap();
    assert_eq!(g.on_timeout(at(end + 15_000), &mut sink), Err(ProtocolError::Silent));
}
