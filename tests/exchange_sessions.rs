//! SoupBinTCP rule by rule, on the venue's side. What a file elsewhere shows is named; the rest is here.
//!
//! | rule | shown by |
//! |---|---|
//! | login fields padded on either side, with blanks or NUL, in any case; a blank sequence | `exchange::soup::tests::logins_in_every_padding` |
//! | `A` is written strictly | `exchange::soup::tests::the_answer_is_left_padded` |
//! | `J` `A` and `J` `S`, then closed | `exchange_orders::logins_are_refused_by_code_and_close`, [`a_refused_client_hears_nothing_more`] |
//! | from n, from the start (1), only what comes (0), from beyond the end | `exchange_orders::the_stream_is_replayed_from_where_it_is_asked_for`, [`sequence_0_hears_only_what_comes`] |
//! | only `S` counts | [`nothing_but_sequenced_data_counts`] |
//! | `+` and `R` at any time | [`debug_text_and_heartbeats_are_allowed_anywhere`] |
//! | `H` after a second without sending, and not before | [`a_heartbeat_follows_a_second_without_sending`] |
//! | a client silent for 15 s is dropped; so is one that does not log in | `exchange_orders::a_silent_client_is_dropped_and_a_newer_login_takes_over` |
//! | `O`: closed at once | `exchange_orders::a_logout_closes_at_once` |
//! | `Z`, and no login afterwards | `exchange_orders::the_day_ends_for_everyone` |
//! | length 0, data before the login | `exchange::soup::tests::nonsense_closes` |
//! | no maximum length | [`the_longest_packet_there_can_be_passes`] |
//! | split and joined anywhere | [`a_conversation_is_the_same_however_it_is_split`] |

mod exchange_support;

use exchange_support::client::{Client, enter, login, packet};
use exchange_support::{Bench, MS, SECOND, config};

/// What a client says in a session. (A logout is not part of it: it closes at once, so what is answered before depends on how the bytes come.)
fn conversation() -> Vec<Vec<u8>> {
    vec![
        login("user01", "pass", "", "1"),
        packet(b'U', &enter(1, b'B', 100, 1_000_000)),
        packet(b'U', &enter(2, b'S', 40, 1_000_000)),
        packet(b'U', b"Q"),
    ]
}

/// What the venue answers to bytes that come in these parts.
fn answer(parts: &[&[u8]]) -> Vec<u8> {
    let mut b = Bench::new(config());
    let id = b.venue.connect(b.now);
    for part in parts {
        b.venue.on_client_bytes(b.now, id, part);
    }
    b.venue.output(id).to_vec()
}

#[test]
fn a_conversation_is_the_same_however_it_is_split() {
    let bytes = conversation().concat();
    let whole = answer(&[&bytes]);
    assert!(whole.len() > 150, "{}", whole.len());
    for cut in 0..=bytes.len() {
        assert_eq!(answer(&[&bytes[..cut], &bytes[cut..]]), whole, "split at {cut}");
    }
    assert_eq!(answer(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
}

#[test]
fn debug_text_and_heartbeats_are_allowed_anywhere() {
    let said = conversation();
    let whole = answer(&[&said.concat()]);
    for noise in [packet(b'+', b"build 7"), packet(b'+', b""), packet(b'R', b"")] {
        for at in 0..=said.len() {
            let (before, after) = (said[..at].concat(), said[at..].concat());
            assert_eq!(answer(&[&before, &noise, &after]), whole, "before packet {at}");
        }
    }
}

#[test]
fn the_longest_packet_there_can_be_passes() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    b.bytes(&mut c, &packet(b'+', &[b'x'; 65_534]));
    b.bytes(&mut c, &packet(b'U', &[b'?'; 65_534]));
    assert_eq!(b.venue.counts().malformed, 1);
    assert_eq!(b.ask(&mut c, &enter(1, b'B', 1, 1_000_000)).len(), 1, "and the session goes on");
}

#[test]
fn a_refused_client_hears_nothing_more() {
    let mut b = Bench::new(config());
    let id = b.venue.connect(b.now);
    let mut bytes = login("user01", "wrong", "", "1");
    bytes.extend(conversation().concat());
    b.venue.on_client_bytes(b.now, id, &bytes);
    assert_eq!(b.venue.output(id), packet(b'J', b"A"), "a right login behind it comes too late");
    b.venue.written(id, 4);
    assert!(b.venue.is_over(id));
}

#[test]
fn sequence_0_hears_only_what_comes() {
    let mut b = Bench::new(config());
    let mut first = b.client(0);
    for n in 1..=3 {
        b.ask(&mut first, &enter(n, b'B', 1, 1_000_000));
    }
    let mut c = b.login("user01", "pass", "", "0");
    assert_eq!((c.next, c.reports.len()), (5, 0), "the number of what comes next");
    assert_eq!(b.ask(&mut c, &enter(4, b'B', 1, 1_000_000)).len(), 1);
    assert_eq!(c.next, 6);
}

#[test]
fn nothing_but_sequenced_data_counts() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    let before = c.next;
    for _ in 0..3 {
        b.now += SECOND;
        b.run(0);
        b.bytes(&mut c, &[packet(b'R', b""), packet(b'+', b"text")].concat());
    }
    assert!(c.heartbeats >= 3);
    // A refused message and one that is ignored have no answer, and no number.
    b.bytes(&mut c, &packet(b'U', b"no message"));
    assert_eq!(b.venue.account("user01").unwrap().next_sequence, before);
    assert_eq!(c.next, before);
}

#[test]
fn a_heartbeat_follows_a_second_without_sending() {
    let mut b = Bench::new(config());
    let mut c = b.client(0);
    let beats = |b: &mut Bench, c: &mut Client, ns: u64| {
        b.now += ns;
        b.run(0);
        b.read(c);
        std::mem::take(&mut c.heartbeats)
    };
    assert_eq!(beats(&mut b, &mut c, SECOND - MS), 0);
    assert_eq!(b.ask(&mut c, &enter(1, b'B', 1, 1_000_000)).len(), 1);
    assert_eq!(beats(&mut b, &mut c, SECOND - MS), 0, "the report was a sign of life");
    assert_eq!(beats(&mut b, &mut c, MS), 1);
    assert_eq!(beats(&mut b, &mut c, SECOND - MS), 0);
    assert_eq!(beats(&mut b, &mut c, MS), 1);
}
