//! Every OUCH 4.2 message of the synthetic capture against its expected values: decoded where the venue sends them, encoded where we do.
//!
//! The names in the capture are nobody's of ours, so each message is read twice: as it is, which says that it is not ours, and with one of our names.

mod support;

use std::collections::BTreeSet;

use gateways::codec::{DecodeError, Message};
use gateways::order::{ClOrdId, Letters};
use gateways::ouch42::Decoder;
use gateways::ouch42::name::Tag;
use gateways::ouch42::wire::{self, ENTER_LEN, Enter, EnterTemplate, Fixed, Replace};
use gateways::soupbintcp::Deframer;
use model::{FeedId, GatewayId, Instrument, InstrumentId, Nanos, Qty, ReportKind, Side, Symbol, Token};
use serde_json::Value;
use support::material;

const CLIENT_PORT: u16 = 40_001;
const TEXT: ClOrdId = ClOrdId::Tagged(*b"COLO");
const GATEWAY: GatewayId = GatewayId(1);

/// The application messages of each direction, with what is expected of them.
struct Capture {
    to_venue: Vec<(Vec<u8>, Value)>,
    from_venue: Vec<(Vec<u8>, Value)>,
}

fn messages(bytes: &[u8], kind: u8) -> Vec<Vec<u8>> {
    let mut d = Deframer::new(70_000);
    d.space()[..bytes.len()].copy_from_slice(bytes);
    d.commit(bytes.len());
    let mut out = Vec::new();
    while let Some(p) = d.next_packet().unwrap() {
        if p.kind == kind {
            out.push(p.payload.to_vec());
        }
    }
    assert_eq!(d.buffered(), 0, "nothing is left over");
    out
}

fn capture() -> Option<Capture> {
    let pcap = material::find("synthetic/ouch42_soup.pcap")?;
    let lines = std::fs::read_to_string(material::find("synthetic/ouch42_soup.jsonl")?).unwrap();
    let expected: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let (mut to_venue, mut from_venue) = (Vec::new(), Vec::new());
    for (port, bytes) in material::tcp_payloads(&pcap) {
        if port == CLIENT_PORT { to_venue.extend(bytes) } else { from_venue.extend(bytes) }
    }
    let with = |messages: Vec<Vec<u8>>, dir: &str| {
        let values: Vec<_> = expected.iter().filter(|v| v["dir"] == dir).cloned().collect();
        // What has no expected values are three packets in two pieces, for whoever takes the stream apart.
        let rest = messages.iter().skip(values.len());
        assert_eq!(rest.filter(|m| m.starts_with(b"XTOKEN")).count(), messages.len() - values.len());
        messages.into_iter().zip(values).collect()
    };
    Some(Capture {
        to_venue: with(messages(&to_venue, b'U'), "in"),
        from_venue: with(messages(&from_venue, b'S'), "out"),
    })
}

fn number(v: &Value, field: &str) -> u64 {
    v[field].as_u64().unwrap_or_else(|| panic!("{field} of {v}"))
}

fn shares(v: &Value, field: &str) -> u32 {
    number(v, field).try_into().unwrap()
}

fn letter(v: &Value, field: &str) -> u8 {
    v[field].as_str().unwrap_or_else(|| panic!("{field} of {v}")).as_bytes()[0]
}

fn text<const N: usize>(v: &Value, field: &str) -> [u8; N] {
    let mut out = [b' '; N];
    let s = v[field].as_str().unwrap_or_else(|| panic!("{field} of {v}"));
    out[..s.len()].copy_from_slice(s.as_bytes());
    out
}

/// A decoder that knows every ticker of the capture.
fn decoder(c: &Capture) -> (Decoder, Vec<Symbol>) {
    let symbols: BTreeSet<Symbol> = c
        .from_venue
        .iter()
        .filter(|(_, v)| v["type"] == "A")
        .map(|(_, v)| Symbol(text(v, "stock")))
        .collect();
    let symbols: Vec<_> = symbols.into_iter().collect();
    let instrument = |(k, symbol): (usize, &Symbol)| Instrument {
        id: InstrumentId(k as u16),
        symbol: *symbol,
        feed: FeedId(0),
        gateway: GATEWAY,
    };
    let all: Vec<_> = symbols.iter().enumerate().map(instrument).collect();
    (Decoder::new(GATEWAY, TEXT, &all).unwrap(), symbols)
}

/// The message with our names for `token` and, of a replaced order, for `token - 1` before.
fn ours(m: &[u8], token: u32) -> Vec<u8> {
    let mut m = m.to_vec();
    let tag = Tag::new(TEXT);
    if m[0] != b'S' {
        m[9..23].copy_from_slice(&tag.name(Token(token)));
    }
    if m[0] == b'U' {
        m[65..79].copy_from_slice(&tag.name(Token(token - 1)));
    }
    m
}

#[test]
fn every_outbound_message_decodes_to_its_expected_values() {
    let Some(c) = capture() else { return };
    let (decoder, symbols) = decoder(&c);
    let mut kinds = BTreeSet::new();
    for (k, (m, v)) in c.from_venue.iter().enumerate() {
        assert_eq!((m.len() as u64, m[0]), (number(v, "len"), letter(v, "type")));
        kinds.insert(m[0]);
        let (seq, token) = (k as u64 + 7, 5_000 + k as u32);
        if m[0] != b'S' {
            assert_eq!(decoder.decode(seq, m), Ok(Message::Foreign), "{v}");
        }
        let Ok(Message::Report(r)) = decoder.decode(seq, &ours(m, token)) else { panic!("{v}") };
        assert_eq!((r.ts_event, r.seq, r.gateway), (Nanos(number(v, "timestamp")), seq, GATEWAY));
        assert_eq!(r.token, Token(if m[0] == b'S' { 0 } else { token }));
        check(r.kind, m[0], v, token, &symbols);
    }
    assert_eq!(kinds.len(), 15, "every letter occurs");
}

fn check(kind: ReportKind, letter_out: u8, v: &Value, token: u32, symbols: &[Symbol]) {
    let side_of = |v| if letter(v, "side") == b'B' { Side::Buy } else { Side::Sell };
    let short_of = |v| matches!(letter(v, "side"), b'T' | b'E');
    let traded = |qty: Qty, px: model::Px, match_number: u64, liquidity: u8| {
        assert_eq!((qty.0, px.0 as u64), (shares(v, "executed_shares"), number(v, "execution_price")));
        assert_eq!((match_number, liquidity), (number(v, "match_number"), letter(v, "liquidity_flag")));
    };
    match (letter_out, kind) {
        (b'S', ReportKind::System { code }) => assert_eq!(code, letter(v, "event_code")),
        (b'A', ReportKind::Accepted { order, px, qty, side, short, instrument, dead }) => {
            assert_eq!((order.0, px.0 as u64), (number(v, "order_ref"), number(v, "price")));
            assert_eq!((qty.0, side, short), (shares(v, "shares"), side_of(v), short_of(v)));
            assert_eq!(dead, v["order_state"] == "D");
            assert_eq!(instrument.map(|i| symbols[i.index()]), Some(Symbol(text(v, "stock"))));
        }
        (b'U', ReportKind::Replaced { old, order, px, qty, dead }) => {
            assert_eq!((old.0, qty.0), (token - 1, shares(v, "shares")));
            assert_eq!((order.0, px.0 as u64), (number(v, "order_ref"), number(v, "price")));
            assert_eq!(dead, v["order_state"] == "D");
        }
        (b'C', ReportKind::Canceled { qty, reason }) => {
            assert_eq!((qty.0, reason), (shares(v, "decrement_shares"), letter(v, "reason")));
        }
        (b'D', ReportKind::Canceled { qty, reason }) => {
            assert_eq!((qty.0, reason), (shares(v, "decrement_shares"), b'Q'));
        }
        (b'E' | b'G', ReportKind::Executed { qty, px, match_number, liquidity }) => {
            traded(qty, px, match_number, liquidity);
        }
        (b'F', ReportKind::Corrected { match_number, qty, px, liquidity, reason }) => {
            traded(qty, px, match_number, liquidity);
            assert_eq!(reason, letter(v, "reason"));
        }
        (b'B', ReportKind::Broken { match_number, reason }) => {
            assert_eq!((match_number, reason), (number(v, "match_number"), letter(v, "reason")));
        }
        (b'J', ReportKind::Rejected { reason }) => assert_eq!(reason, u16::from(letter(v, "reason"))),
        (b'P', ReportKind::CancelPending) | (b'I', ReportKind::CancelRejected) => {}
        (b'T', ReportKind::Reprioritised { order, px }) => {
            assert_eq!((order.0, px.0 as u64), (number(v, "order_ref"), number(v, "price")));
        }
        (b'M', ReportKind::Modified { qty, side, short }) => {
            assert_eq!((qty.0, side, short), (shares(v, "shares"), side_of(v), short_of(v)));
        }
        (b'N', ReportKind::Restated { reason: b'N' }) => {}
        other => panic!("{other:?} for {v}"),
    }
}

#[test]
fn a_message_may_be_longer_but_not_shorter() {
    let Some(c) = capture() else { return };
    let (decoder, _) = decoder(&c);
    for (m, v) in &c.from_venue {
        let mut m = ours(m, 77);
        let whole = decoder.decode(1, &m).unwrap();
        for len in 1..m.len() {
            let why = DecodeError::Short { kind: m[0], len, least: m.len() };
            assert_eq!(decoder.decode(1, &m[..len]), Err(why), "{v}");
        }
        m.extend(*b"later fields");
        assert_eq!(decoder.decode(1, &m), Ok(whole), "{v}");
    }
}

#[test]
fn an_order_that_changes_hands_is_no_report() {
    let Some(c) = capture() else { return };
    let (decoder, _) = decoder(&c);
    let (m, _) = c.from_venue.iter().find(|(m, _)| m[0] == b'U').unwrap();
    for whose in [9..23, 65..79] {
        let mut m = ours(m, 77);
        m[whose].copy_from_slice(b"OTHR0000000076");
        assert_eq!(decoder.decode(1, &m), Err(DecodeError::Replaced));
    }
}

#[test]
fn every_inbound_message_is_encoded_to_the_same_bytes() {
    let Some(c) = capture() else { return };
    let mut kinds = BTreeSet::new();
    for (m, v) in &c.to_venue {
        assert_eq!((m[0], m.len() as u64), (letter(v, "type"), number(v, "len")));
        kinds.insert(m[0]);
        let name = || text(v, "order_token");
        let letters = |capacity, cross| Letters {
            display: letter(v, "display"),
            capacity,
            iso: letter(v, "iso"),
            cross,
        };
        let packet: Vec<u8> = match m[0] {
            b'O' => {
                let mut out = [0; ENTER_LEN];
                let o = Enter {
                    name: name(),
                    side: letter(v, "side"),
                    qty: shares(v, "shares"),
                    px: shares(v, "price"),
                    tif: shares(v, "tif"),
                };
                let fixed = Fixed {
                    symbol: Symbol(text(v, "stock")),
                    firm: text(v, "firm"),
                    letters: letters(letter(v, "capacity"), letter(v, "cross_type")),
                    min_qty: shares(v, "min_qty"),
                    customer: letter(v, "customer_type"),
                };
                EnterTemplate::new(&fixed).patch(&mut out, &o);
                out.to_vec()
            }
            b'U' => {
                let mut out = [0; wire::REPLACE_LEN];
                let r = Replace {
                    old: text(v, "existing_token"),
                    name: text(v, "replacement_token"),
                    qty: shares(v, "shares"),
                    px: shares(v, "price"),
                    tif: shares(v, "tif"),
                    min_qty: shares(v, "min_qty"),
                };
                wire::replace(&mut out, &r, letters(0, 0));
                out.to_vec()
            }
            b'X' => wire::cancel(name(), shares(v, "shares")).to_vec(),
            b'M' => wire::modify(name(), letter(v, "side"), shares(v, "shares")).to_vec(),
            b'N' => wire::trade_now(name()).to_vec(),
            other => panic!("{other}"),
        };
        assert_eq!(usize::from(u16::from_be_bytes([packet[0], packet[1]])), packet.len() - 2);
        assert_eq!((packet[2], &packet[3..]), (b'U', &m[..]), "{v}");
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), b"MNOUX", "every letter occurs");
}
