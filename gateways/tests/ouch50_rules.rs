//! OUCH 5.0 rule by rule, on the client's side. What a file elsewhere shows is named; the rest is here.
//!
//! | rule | shown by |
//! |---|---|
//! | layouts, both ways; a letter means another thing in each direction | `golden_ouch50` |
//! | tokens strictly increase over Enter, Replace, Mass Cancel, Disable, Enable; gaps are fine | `ouch50::encode`, [`a_gap_in_the_tokens_is_fine`] |
//! | a token at or below the last one processed is ignored in silence, so it is refused here | `protocols`, `recovery::a_restarted_process_is_not_ready_at_its_predecessors_answer` |
//! | UserRefIdx opens a row of tokens of its own, and is repeated on everything | [`a_channel_is_on_every_request_and_its_answers_are_ours`] |
//! | 1 to 999,999 shares; prices to 199,999.9900 | `protocols` |
//! | after a reconnect the same token may be sent again; a query names the next | `recovery::what_did_not_leave_is_told_and_never_resent` |
//! | an appendage may be absent, empty, or there, and is read by what remains | [`every_message_with_and_without_its_appendage`] |
//! | every tag, and its size | `ouch50::appendage` |
//! | which options go on which request | `ouch50::appendage`, [`options_are_on_orders_and_little_else`] |
//! | Enter: `A` live, `A` dead, `J`, or silence; accepted values may differ | [`an_order_is_accepted_as_the_venue_says_not_as_it_was_asked`] |
//! | Cancel: the new total; `C` is the decrement, and the order may live on | `golden_ouch50`, [`a_cancel_says_the_total_and_is_told_the_decrement`] |
//! | Replace: silence, `C`, `J`, `U` (live or dead) | [`the_outcomes_of_a_replace`] |
//! | fills under the old token until `U` | [`the_outcomes_of_a_replace`] |
//! | Modify: S to E or T, E to T, or fewer shares | [`modified_in_place`] |
//! | `P` and `I` in the late period | `golden_ouch50` |
//! | `T` gives a new number in the book; `R` with its tags | [`a_new_place_and_a_restatement`] |
//! | `D` is always for reason `Q` | [`self_match_is_a_cancel_for_q_whatever_the_byte`] |
//! | `B` after the end of the day too | [`a_trade_may_be_broken_after_the_day`] |
//! | Mass Cancel, Disable, Enable and their answers | `recovery::account_wide_requests_are_acknowledged_by_notices` |
//! | every code of a reject and of a cancel is passed on | [`codes_are_passed_on_as_they_are`] |
//! | whether orders die with the connection is not in the protocol: nothing is assumed | `protocols`, `recovery` |

mod support;

use gateways::codec::DecodeError;
use gateways::gateway::{Notice, OrderGateway, OuchGateway};
use gateways::ouch50::appendage::Element;
use gateways::ouch50::{Decoder, Outbound};
use model::{CommandKind, Nanos, Px, Qty, ReportKind, SessionEvent, Side, Tif, Token, VenueRef};
use support::venue::{login_accepted, next_token};
use support::{GATEWAY, MS, Sink, buy, cancel, command, config, flush, instruments, packet, receive};

const START: Nanos = Nanos(1_000 * MS);

/// A gateway whose orders carry `options`, ready, its query answered.
fn ready(options: &[Element]) -> (OuchGateway, Sink) {
    let mut c = config();
    assert!(options.iter().all(|e| c.orders.options.add(*e)));
    let channel = c.orders.options.channel();
    let (mut g, mut sink) = (OuchGateway::new(c, &instruments()).unwrap(), Sink::default());
    g.on_connected(START);
    flush(&mut g);
    receive(&mut g, START, &login_accepted("S1", 1), 99, &mut sink).unwrap();
    let query: &[u8] = if channel == 0 { b"\0\x02UQ" } else { &[0, 7, b'U', b'Q', 0, 3, 2, 28, channel] };
    assert_eq!(flush(&mut g), query);
    hear(&mut g, &mut sink, &with(&next_token(1), channel));
    g.on_timeout(START.after(Nanos::from_millis(100)), &mut sink).unwrap();
    assert!(g.is_ready());
    sink.all.clear();
    (g, sink)
}

fn hear(g: &mut OuchGateway, sink: &mut Sink, message: &[u8]) {
    receive(g, START, &packet(b'S', message), 99, sink).unwrap();
}

/// A message of the venue: its letter, a stamp, and the rest.
fn said(letter: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut m = vec![letter, 0, 0, 0, 0, 0, 0, 0, 9];
    parts.iter().for_each(|p| m.extend_from_slice(p));
    m
}

/// A message without an appendage, with the one that names a channel.
fn with(message: &[u8], channel: u8) -> Vec<u8> {
    let mut m = message.to_vec();
    if channel != 0 {
        m.extend([0, 3, 2, 28, channel]);
    }
    m
}

const TOKEN: [u8; 4] = 7u32.to_be_bytes();
const SHARES: [u8; 4] = 60u32.to_be_bytes();
const PRICE: [u8; 8] = 1_400_000u64.to_be_bytes();
const REF: [u8; 8] = 77u64.to_be_bytes();
const TEXT: [u8; 14] = [b' '; 14];

/// From side to client text: 60 shares at 140.
fn terms(side: u8, state: u8) -> Vec<u8> {
    let letters = [b'P', b'N', b'N', state];
    [&[side][..], &SHARES, b"AAPL    ", &PRICE, b"0Y", &REF, &letters, &TEXT].concat()
}

/// Every message of the venue up to its appendage, and whether that has to be there.
fn every() -> Vec<(Vec<u8>, bool)> {
    let old = 6u32.to_be_bytes();
    vec![
        (said(b'A', &[&TOKEN, &terms(b'B', b'L')]), true),
        (said(b'U', &[&old, &TOKEN, &terms(b'B', b'L')]), true),
        (said(b'C', &[&TOKEN, &SHARES, b"U"]), false),
        (said(b'D', &[&TOKEN, &SHARES, b"Q", &SHARES, &PRICE, b"AN"]), false),
        (said(b'E', &[&TOKEN, &SHARES, &PRICE, b"A", &REF]), true),
        (said(b'B', &[&TOKEN, &REF, b"E", &TEXT]), false),
        (said(b'J', &[&TOKEN, &[0, 0x17], &TEXT]), false),
        (said(b'P', &[&TOKEN]), false),
        (said(b'I', &[&TOKEN]), false),
        (said(b'T', &[&TOKEN, &PRICE, b"Y", &REF]), false),
        (said(b'M', &[&TOKEN, b"T", &SHARES]), false),
        (said(b'R', &[&TOKEN, b"R"]), true),
        (said(b'X', &[&TOKEN, b"FIRM        "]), true),
        (said(b'G', &[&TOKEN, b"FIRM"]), true),
        (said(b'K', &[&TOKEN, b"FIRM"]), true),
        (said(b'Q', &[&TOKEN]), false),
    ]
}

#[test]
fn every_message_with_and_without_its_appendage() {
    let decoder = Decoder::new(GATEWAY, &instruments()).unwrap();
    for (fixed, required) in every() {
        let decode = |tail: &[u8]| decoder.decode(1, &[&fixed, tail].concat());
        let letter = fixed[0] as char;
        let plain = decode(b"\0\0").unwrap();
        assert_eq!(plain.channel, 0, "{letter}");
        assert_eq!(decode(b"").is_ok(), !required, "{letter} may end before the size: {}", !required);
        // Elements that we have no use for, one that no revision has, and the channel between them.
        let full = decode(b"\0\x10\x05\x02FIRM\x03\x63\0\0\x02\x1c\x07\x02\x1dN").unwrap();
        assert_eq!((full.channel, full.body), (7, plain.body), "{letter}");
        for bad in [&b"\0\x03\x02\x1c"[..], b"\0\x01\0", b"\0\x04\x03\x1c\0\x07", b"\0\x05\x04\x02ABC"] {
            assert_eq!(decode(bad), Err(DecodeError::Appendage), "{letter}: {bad:?}");
        }
        assert_eq!(decode(b"\0\0\xff\xffmore").unwrap(), plain, "{letter}: later fields");
    }
}

#[test]
fn a_channel_is_on_every_request_and_its_answers_are_ours() {
    let (mut g, mut sink) = ready(&[Element::UserRefIdx(7)]);
    let idx = [0, 3, 2, 28, 7];
    let replace =
        CommandKind::Replace { old: Token(1), token: Token(2), qty: Qty(5), px: Px(1), tif: Tif::Day };
    for c in [buy(1), command(replace), cancel(1)] {
        g.encode(START, &c).unwrap();
        assert!(flush(&mut g).ends_with(&idx), "{c:?}");
    }
    g.modify(START, Token(2), Side::Sell, true, Qty(4)).unwrap();
    assert!(flush(&mut g).ends_with(&idx));
    g.cancel_all(START, Token(3)).unwrap();
    assert!(flush(&mut g).ends_with(&idx));
    g.switch_entry(START, Token(4), false).unwrap();
    assert!(flush(&mut g).ends_with(&idx));
    g.switch_entry(START, Token(5), true).unwrap();
    let bytes = flush(&mut g);
    assert!(bytes.ends_with(&idx) && usize::from(bytes[1]) + 2 == bytes.len(), "{bytes:?}");

    // Another channel's token 7, and that of none, are not our token 7.
    for (fixed, _) in every().into_iter().filter(|(m, _)| m[0] != b'Q') {
        sink.all.clear();
        for (channel, ours) in [(7, true), (8, false), (0, false)] {
            let message = if channel == 0 { [&fixed[..], &[0, 0]].concat() } else { with(&fixed, channel) };
            hear(&mut g, &mut sink, &message);
            let foreign = matches!(sink.notices().last(), Some(Notice::Foreign { .. }));
            assert_eq!(!foreign, ours, "{} on channel {channel}: {:?}", fixed[0] as char, sink.all);
        }
    }
    sink.all.clear();
    hear(&mut g, &mut sink, &said(b'S', &[b"E"]));
    assert_eq!(sink.reports().len(), 1, "the day is everybody's");
    assert_eq!(g.highest_token_seen(), Token(7));
}

#[test]
fn options_are_on_orders_and_little_else() {
    let (mut g, _) = ready(&[
        Element::CustomerType(b'N'),
        Element::GroupId(3),
        Element::SharesLocated(b'Y'),
        Element::LocateBroker(*b"BRKR"),
        Element::AiqStrategy(b'O'),
    ]);
    let sell = CommandKind::New {
        token: Token(1),
        side: Side::Sell,
        short: true,
        qty: Qty(5),
        px: Px(1),
        tif: Tif::Day,
    };
    g.encode(START, &command(sell)).unwrap();
    let order = flush(&mut g);
    assert_eq!(order[48..], *b"\0\x13\x02\x04N\x03\x18\0\x03\x02\x19Y\x05\x1aBRKR\x02\x1dO");
    assert_eq!(usize::from(order[1]) + 2, order.len());
    let replace =
        CommandKind::Replace { old: Token(1), token: Token(2), qty: Qty(5), px: Px(1), tif: Tif::Day };
    g.encode(START, &command(replace)).unwrap();
    assert_eq!(
        flush(&mut g)[41..],
        *b"\0\x09\x02\x19Y\x05\x1aBRKR",
        "where shares are located is not inherited"
    );
    g.encode(START, &cancel(2)).unwrap();
    assert_eq!(flush(&mut g), b"\0\x0aUX\0\0\0\x02\0\0\0\0");
}

#[test]
fn a_gap_in_the_tokens_is_fine() {
    let (mut g, _) = ready(&[]);
    for token in [1, 2, 7_682_703, u32::MAX] {
        g.encode(START, &buy(token)).unwrap();
    }
}

fn report(message: &[u8]) -> ReportKind {
    let decoder = Decoder::new(GATEWAY, &instruments()).unwrap();
    match decoder.decode(1, message).map(|d| d.body) {
        Ok(Outbound::Report(r)) if r.token == Token(7) => r.kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_is_accepted_as_the_venue_says_not_as_it_was_asked() {
    for (letter, side, short) in [
        (b'B', Side::Buy, false),
        (b'S', Side::Sell, false),
        (b'T', Side::Sell, true),
        (b'E', Side::Sell, true),
    ] {
        for (state, dead) in [(b'L', false), (b'D', true)] {
            let got = report(&said(b'A', &[&TOKEN, &terms(letter, state), &[0, 0]]));
            let (order, px, qty) = (VenueRef(77), Px(1_400_000), Qty(60));
            let instrument = Some(instruments()[0].id);
            assert_eq!(got, ReportKind::Accepted { order, px, qty, side, short, instrument, dead });
        }
    }
    let decoder = Decoder::new(GATEWAY, &instruments()).unwrap();
    let bad = |side, state| decoder.decode(1, &said(b'A', &[&TOKEN, &terms(side, state), &[0, 0]]));
    assert_eq!(bad(b'X', b'L'), Err(DecodeError::Side(b'X')));
    assert_eq!(bad(b'B', b'X'), Err(DecodeError::OrderState(b'X')));
    let unknown = [&b"B"[..], &SHARES, b"OTHER   ", &PRICE, b"0Z", &REF, b"PNNL", &TEXT].concat();
    let got = report(&said(b'A', &[&TOKEN, &unknown, &[0, 0]]));
    assert!(matches!(got, ReportKind::Accepted { instrument: None, .. }), "{got:?}");
}

#[test]
fn a_cancel_says_the_total_and_is_told_the_decrement() {
    let (mut g, mut sink) = ready(&[]);
    g.encode(START, &command(CommandKind::Cancel { token: Token(7), qty: Qty(40) })).unwrap();
    assert_eq!(flush(&mut g), b"\0\x0aUX\0\0\0\x07\0\0\0\x28");
    hear(&mut g, &mut sink, &said(b'C', &[&TOKEN, &SHARES, b"U"]));
    assert_eq!(sink.reports()[0].kind, ReportKind::Canceled { qty: Qty(60), reason: b'U' });
}

#[test]
fn the_outcomes_of_a_replace() {
    let old = 6u32.to_be_bytes();
    // The old order, or what remains of it, is canceled, or filled before the venue came to the replace: both under its own token.
    let (mut g, mut sink) = ready(&[]);
    hear(&mut g, &mut sink, &said(b'E', &[&old, &SHARES, &PRICE, b"A", &REF, &[0, 0]]));
    hear(&mut g, &mut sink, &said(b'C', &[&old, &SHARES, b"U"]));
    assert!(sink.reports().iter().all(|r| r.token == Token(6)));
    // Not cancelable: the new token is refused, the old order is as it was.
    assert_eq!(report(&said(b'J', &[&TOKEN, &[0, 0x15], &TEXT])), ReportKind::Rejected { reason: 0x15 });
    // Replaced: the shares are those that are open.
    for (state, dead) in [(b'L', false), (b'D', true)] {
        let got = report(&said(b'U', &[&old, &TOKEN, &terms(b'B', state), &[0, 0]]));
        let (order, px, qty) = (VenueRef(77), Px(1_400_000), Qty(60));
        assert_eq!(got, ReportKind::Replaced { old: Token(6), order, px, qty, dead });
    }
    let decoder = Decoder::new(GATEWAY, &instruments()).unwrap();
    let same = decoder.decode(1, &said(b'U', &[&TOKEN, &TOKEN, &terms(b'B', b'L'), &[0, 0]]));
    assert_eq!(same, Err(DecodeError::Replaced));
}

#[test]
fn modified_in_place() {
    for (letter, short) in [(b'S', false), (b'T', true), (b'E', true)] {
        let got = report(&said(b'M', &[&TOKEN, &[letter], &SHARES]));
        assert_eq!(got, ReportKind::Modified { qty: Qty(60), side: Side::Sell, short });
    }
    let (mut g, _) = ready(&[]);
    g.modify(START, Token(7), Side::Sell, true, Qty(60)).unwrap();
    g.modify(START, Token(7), Side::Buy, false, Qty(60)).unwrap();
    assert_eq!(flush(&mut g), b"\0\x0bUM\0\0\0\x07T\0\0\0\x3c\0\x0bUM\0\0\0\x07B\0\0\0\x3c");
}

#[test]
fn a_new_place_and_a_restatement() {
    let got = report(&said(b'T', &[&TOKEN, &PRICE, b"Y", &REF]));
    assert_eq!(got, ReportKind::Reprioritised { order: VenueRef(77), px: Px(1_400_000) });
    let tags = [&b"\0\x1a\x05\x16"[..], &SHARES, &[9, 0x17], &PRICE, &[9, 1], &REF].concat();
    for reason in [b'R', b'P'] {
        assert_eq!(report(&said(b'R', &[&TOKEN, &[reason], &tags])), ReportKind::Restated { reason });
    }
}

#[test]
fn self_match_is_a_cancel_for_q_whatever_the_byte() {
    for (reason, strategy) in [(b'Q', b'O'), (b' ', b'N'), (b'U', b'D')] {
        let got = report(&said(b'D', &[&TOKEN, &SHARES, &[reason], &SHARES, &PRICE, &[b'A', strategy]]));
        assert_eq!(got, ReportKind::Canceled { qty: Qty(60), reason: b'Q' });
    }
}

#[test]
fn a_trade_may_be_broken_after_the_day() {
    let (mut g, mut sink) = ready(&[]);
    hear(&mut g, &mut sink, &said(b'E', &[&TOKEN, &SHARES, &PRICE, b"A", &REF, &[0, 0]]));
    hear(&mut g, &mut sink, &said(b'S', &[b"E"]));
    hear(&mut g, &mut sink, &said(b'B', &[&TOKEN, &REF, b"S", &TEXT]));
    let kinds: Vec<_> = sink.reports().iter().map(|r| r.kind).collect();
    assert_eq!(
        kinds,
        [
            ReportKind::Executed { qty: Qty(60), px: Px(1_400_000), match_number: 77, liquidity: b'A' },
            ReportKind::System { code: b'E' },
            ReportKind::Broken { match_number: 77, reason: b'S' },
        ]
    );
    assert!(sink.events().iter().all(|e| *e != SessionEvent::EndOfSession), "the session goes on");
}

#[test]
fn codes_are_passed_on_as_they_are() {
    for code in 0..=0x33u16 {
        let got = report(&said(b'J', &[&TOKEN, &code.to_be_bytes(), &TEXT]));
        assert_eq!(got, ReportKind::Rejected { reason: code });
    }
    for reason in *b"DEFGHIKQSTUXZe" {
        let got = report(&said(b'C', &[&TOKEN, &SHARES, &[reason]]));
        assert_eq!(got, ReportKind::Canceled { qty: Qty(60), reason });
    }
    for reason in *b"ECSX" {
        let got = report(&said(b'B', &[&TOKEN, &REF, &[reason], &TEXT]));
        assert_eq!(got, ReportKind::Broken { match_number: 77, reason });
    }
}
