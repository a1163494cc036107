//! Every OUCH 5.0 message of the synthetic capture, and real logins of another venue, against their expected values: decoded where the venue
//! sends them, encoded where we do.

mod support;

use gateways::codec::DecodeError;
use gateways::order::Letters;
use gateways::ouch50::wire::{self, ENTER_MAX, Enter, EnterTemplate, Replace};
use gateways::ouch50::{Decoder, Outbound, appendage::Elements};
use gateways::soupbintcp::{Deframer, LoginAccepted, LoginRequest, SessionName};
use model::{FeedId, GatewayId, Instrument, InstrumentId, Nanos, Qty, ReportKind, Side, Symbol, Token};
use serde_json::Value;
use support::material;

const CLIENT_PORT: u16 = 40_001;

fn deframe(bytes: &[u8], chunk: usize) -> Vec<(u8, Vec<u8>)> {
    let mut d = Deframer::new(70_000);
    let mut out = Vec::new();
    for part in bytes.chunks(chunk) {
        d.space()[..part.len()].copy_from_slice(part);
        d.commit(part.len());
        while let Some(p) = d.next_packet().unwrap() {
            out.push((p.kind, p.payload.to_vec()));
        }
    }
    assert_eq!(d.buffered(), 0, "nothing is left over");
    out
}

/// The two directions' packets, and the expected values of the messages in each.
struct Capture {
    to_venue: Vec<u8>,
    from_venue: Vec<u8>,
    expected_in: Vec<Value>,
    expected_out: Vec<Value>,
}

fn capture() -> Option<Capture> {
    let pcap = material::find("synthetic/ouch50_soup.pcap")?;
    let lines = std::fs::read_to_string(material::find("synthetic/ouch50_soup.jsonl")?).unwrap();
    let expected: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let dir = |d: &str| expected.iter().filter(|v| v["dir"] == d).cloned().collect();
    let mut c = Capture {
        to_venue: Vec::new(),
        from_venue: Vec::new(),
        expected_in: dir("in"),
        expected_out: dir("out"),
    };
    for (port, bytes) in material::tcp_payloads(&pcap) {
        if port == CLIENT_PORT { c.to_venue.extend(bytes) } else { c.from_venue.extend(bytes) }
    }
    Some(c)
}

fn number(v: &Value, field: &str) -> u64 {
    v[field].as_u64().unwrap_or_else(|| panic!("{field} of {v}"))
}

fn token(v: &Value) -> Token {
    Token(number(v, "user_ref_num") as u32)
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

/// A decoder that knows every ticker of the capture, in order of appearance.
fn decoder(c: &Capture) -> (Decoder, Vec<Symbol>) {
    let mut symbols: Vec<Symbol> = Vec::new();
    for v in c.expected_out.iter().filter(|v| v["type"] == "A") {
        symbols.push(Symbol(text(v, "symbol")));
    }
    symbols.dedup();
    let all: Vec<_> = symbols
        .iter()
        .enumerate()
        .map(|(i, s)| Instrument {
            id: InstrumentId(i as u16),
            symbol: *s,
            feed: FeedId(0),
            gateway: GatewayId(1),
        })
        .collect();
    (Decoder::new(GatewayId(1), &all).unwrap(), symbols)
}

fn sequenced(c: &Capture) -> Vec<Vec<u8>> {
    let messages: Vec<_> =
        deframe(&c.from_venue, 1460).into_iter().filter(|p| p.0 == b'S').map(|p| p.1).collect();
    assert_eq!(messages.len(), c.expected_out.len());
    messages
}

#[test]
fn the_stream_comes_apart_the_same_however_it_is_split() {
    let Some(c) = capture() else { return };
    for bytes in [&c.to_venue, &c.from_venue] {
        let whole = deframe(bytes, usize::MAX);
        for chunk in 1..200 {
            assert_eq!(deframe(bytes, chunk), whole, "reads of {chunk}");
        }
        for cut in 1..bytes.len() {
            let mut d = Deframer::new(70_000);
            let mut n = 0;
            for part in [&bytes[..cut], &bytes[cut..]] {
                d.space()[..part.len()].copy_from_slice(part);
                d.commit(part.len());
                while let Some(p) = d.next_packet().unwrap() {
                    assert_eq!((p.kind, p.payload), (whole[n].0, &whole[n].1[..]), "cut at {cut}");
                    n += 1;
                }
            }
            assert_eq!(n, whole.len());
        }
    }
}

#[test]
fn every_outbound_message_decodes_to_its_expected_values() {
    let Some(c) = capture() else { return };
    let (decoder, symbols) = decoder(&c);
    let mut kinds = std::collections::BTreeSet::new();
    for (i, (m, v)) in sequenced(&c).iter().zip(&c.expected_out).enumerate() {
        assert_eq!(m.len() as u64, number(v, "len"));
        assert_eq!(m[0], letter(v, "type"));
        kinds.insert(m[0]);
        let d = decoder.decode(i as u64, m).unwrap_or_else(|e| panic!("{e}: {v}"));
        assert_eq!(u64::from(d.channel), v["appendage"]["UserRefIdx"].as_u64().unwrap_or(0), "{v}");
        let ts = Nanos(number(v, "timestamp"));
        match d.body {
            Outbound::Report(r) => {
                assert_eq!((r.ts_event, r.seq, r.gateway), (ts, i as u64, GatewayId(1)));
                if m[0] != b'S' {
                    assert_eq!(r.token, token(v));
                }
                check(r.kind, m[0], v, &symbols);
            }
            Outbound::MassCanceled { ts_event, token: t, firm, symbol } => {
                assert_eq!((ts_event, t, firm), (ts, token(v), text(v, "firm")));
                assert_eq!((m[0], symbol), (b'X', Symbol(text(v, "symbol"))));
            }
            Outbound::EntryDisabled { ts_event, token: t, firm } => {
                assert_eq!((m[0], ts_event, t, firm), (b'G', ts, token(v), text(v, "firm")));
            }
            Outbound::EntryEnabled { ts_event, token: t, firm } => {
                assert_eq!((m[0], ts_event, t, firm), (b'K', ts, token(v), text(v, "firm")));
            }
            Outbound::NextToken { ts_event, next } => {
                let want = Token(number(v, "next_user_ref_num") as u32);
                assert_eq!((m[0], ts_event, next), (b'Q', ts, want));
            }
        }
    }
    assert_eq!(kinds.len(), 17, "every letter occurs");
}

fn check(kind: ReportKind, letter_out: u8, v: &Value, symbols: &[Symbol]) {
    let qty = |field| Qty(number(v, field) as u32);
    let side_of = |v| if letter(v, "side") == b'B' { Side::Buy } else { Side::Sell };
    let short_of = |v| matches!(letter(v, "side"), b'T' | b'E');
    match (letter_out, kind) {
        (b'S', ReportKind::System { code }) => assert_eq!(code, letter(v, "event_code")),
        (b'A', ReportKind::Accepted { order, px, qty: q, side, short, instrument, dead }) => {
            assert_eq!(
                (order.0, px.0 as u64, q),
                (number(v, "order_ref"), number(v, "price"), qty("quantity"))
            );
            assert_eq!((side, short, dead), (side_of(v), short_of(v), v["order_state"] == "D"));
            let symbol = Symbol(text(v, "symbol"));
            assert_eq!(instrument.map(|i| symbols[i.index()]), Some(symbol));
        }
        (b'U', ReportKind::Replaced { old, order, px, qty: q, dead }) => {
            assert_eq!(u64::from(old.0), number(v, "orig_user_ref_num"));
            assert_eq!(
                (order.0, px.0 as u64, q),
                (number(v, "order_ref"), number(v, "price"), qty("quantity"))
            );
            assert_eq!(dead, v["order_state"] == "D");
        }
        (b'C', ReportKind::Canceled { qty: q, reason }) => {
            assert_eq!((q, reason), (qty("quantity"), letter(v, "reason")));
        }
        (b'D', ReportKind::Canceled { qty: q, reason }) => {
            assert_eq!((q, reason), (qty("decrement_shares"), b'Q'));
        }
        (b'E', ReportKind::Executed { qty: q, px, match_number, liquidity }) => {
            assert_eq!((q, px.0 as u64), (qty("quantity"), number(v, "price")));
            assert_eq!((match_number, liquidity), (number(v, "match_number"), letter(v, "liquidity_flag")));
        }
        (b'B', ReportKind::Broken { match_number, reason }) => {
            assert_eq!((match_number, reason), (number(v, "match_number"), letter(v, "reason")));
        }
        (b'J', ReportKind::Rejected { reason }) => assert_eq!(u64::from(reason), number(v, "reason")),
        (b'P', ReportKind::CancelPending) | (b'I', ReportKind::CancelRejected) => {}
        (b'T', ReportKind::Reprioritised { order, px }) => {
            assert_eq!((order.0, px.0 as u64), (number(v, "order_ref"), number(v, "price")));
        }
        (b'M', ReportKind::Modified { qty: q, side, short }) => {
            assert_eq!((q, side, short), (qty("quantity"), side_of(v), short_of(v)));
        }
        (b'R', ReportKind::Restated { reason }) => assert_eq!(reason, letter(v, "reason")),
        other => panic!("{other:?} for {v}"),
    }
}

#[test]
fn a_message_may_be_longer_but_not_shorter() {
    let Some(c) = capture() else { return };
    let (decoder, _) = decoder(&c);
    for (m, v) in sequenced(&c).iter().zip(&c.expected_out) {
        let whole = decoder.decode(1, m).unwrap();
        let has_appendage = v["appendage"].as_object().is_some_and(|a| !a.is_empty());
        let optional = b"CDBJPITMQ".contains(&m[0]);
        for len in 0..m.len() {
            let got = decoder.decode(1, &m[..len]);
            // Without its appendage, or with one byte of its size, an optional one reads as absent.
            let fixed = m.len() - if has_appendage { 5 } else { 0 };
            if has_appendage && optional && (len == fixed || len == fixed + 1) {
                assert_eq!(got.map(|d| (d.channel, d.body)), Ok((0, whole.body)), "{len} bytes of {v}");
            } else {
                let why = if len == 0 { "empty" } else { "short or malformed" };
                assert!(
                    matches!(
                        got,
                        Err(DecodeError::Empty | DecodeError::Short { .. } | DecodeError::Appendage)
                    ),
                    "{why}: {len} bytes of {v}: {got:?}"
                );
            }
        }
        let mut longer = m.clone();
        if optional && !has_appendage {
            longer.extend([0, 0]);
            assert_eq!(decoder.decode(1, &longer), Ok(whole), "an explicit empty appendage of {v}");
        }
        longer.extend(*b"later fields");
        assert_eq!(decoder.decode(1, &longer), Ok(whole), "{v}");
    }
}

#[test]
fn every_inbound_message_is_encoded_to_the_same_bytes() {
    let Some(c) = capture() else { return };
    let packets: Vec<_> =
        deframe(&c.to_venue, 1460).into_iter().filter(|p| p.0 == b'U').map(|p| p.1).collect();
    let mut encoded = 0;
    for (m, v) in packets.iter().zip(&c.expected_in) {
        assert_eq!((m[0], m.len() as u64), (letter(v, "type"), number(v, "len")));
        let qty = || number(v, "quantity") as u32;
        let letters = || Letters {
            display: letter(v, "display"),
            capacity: v["capacity"].as_str().map_or(0, |s| s.as_bytes()[0]),
            iso: letter(v, "iso"),
            cross: v["cross_type"].as_str().map_or(0, |s| s.as_bytes()[0]),
        };
        let firm = || text(v, "firm");
        let packet: Vec<u8> = match m[0] {
            b'O' => {
                let mut out = [0; ENTER_MAX];
                let o = Enter {
                    token: token(v),
                    side: letter(v, "side"),
                    qty: qty(),
                    px: number(v, "price"),
                    tif: letter(v, "tif"),
                    clordid: text(v, "clordid"),
                };
                let n = EnterTemplate::new(Symbol(text(v, "symbol")), letters(), &[]).patch(&mut out, &o);
                out[..n].to_vec()
            }
            b'U' => {
                let mut out = [0; wire::REPLACE_LEN];
                let r = Replace {
                    old: Token(number(v, "orig_user_ref_num") as u32),
                    token: token(v),
                    qty: qty(),
                    px: number(v, "price"),
                    tif: letter(v, "tif"),
                    clordid: text(v, "clordid"),
                };
                wire::replace(&mut out, &r, letters());
                out.to_vec()
            }
            b'X' => wire::cancel(token(v), qty()).to_vec(),
            b'M' => wire::modify(token(v), letter(v, "side"), qty()).to_vec(),
            b'C' => wire::mass_cancel(token(v), firm(), Symbol(text(v, "symbol"))).to_vec(),
            b'D' => wire::disable_entry(token(v), firm()).to_vec(),
            b'E' => wire::enable_entry(token(v), firm()).to_vec(),
            b'Q' => wire::account_query().to_vec(),
            other => panic!("{other}"),
        };
        assert_eq!(usize::from(u16::from_be_bytes([packet[0], packet[1]])), packet.len() - 2);
        assert_eq!(packet[2], b'U');
        let want_token = v["user_ref_num"].as_u64().unwrap_or(0) as u32;
        assert_eq!(wire::letter_and_token(m), Some((m[0], Token(want_token))), "{v}");
        // We write no elements but the firm's: there the fixed part is what is compared.
        let required = b"OUCDE".contains(&m[0]);
        let fixed = packet.len() - 3 - if required { 2 } else { 0 };
        assert_eq!(packet[3..3 + fixed], m[..fixed], "{v}");
        let elements = Elements::new(&m[fixed..], required).unwrap().map(Result::unwrap).count();
        assert_eq!(elements, v["appendage"].as_object().map_or(0, |a| a.len()), "{v}");
        if elements == 0 {
            assert_eq!(packet[3..], m[..], "{v}");
            encoded += 1;
        }
    }
    assert_eq!(encoded, 13, "the messages without elements, byte for byte");
}

#[test]
fn the_captured_logins_are_written_and_read() {
    let Some(c) = capture() else { return };
    let login = LoginRequest {
        username: *b"USER01",
        password: *b"PASSWORD  ",
        session: SessionName::BLANK,
        sequence: 1,
    };
    assert_eq!(login.encode()[..], c.to_venue[..49]);
    let answers = deframe(&c.from_venue, 1460);
    assert_eq!(answers[0].0, b'+', "a debug packet comes before the answer");
    let accepted = LoginAccepted::parse(&answers[1].1).unwrap();
    assert_eq!((accepted.session.to_string().as_str(), accepted.next), ("SESSION1", 1));
}

#[test]
fn real_logins_of_another_venue() {
    let folder = "pcap/JnxEquities.Pts.Ouch.v1.11";
    let Some(request) = material::find(&format!("{folder}/LoginRequestPacket.pcap")) else { return };
    let Some(answer) = material::find(&format!("{folder}/LoginAcceptedPacket.pcap")) else { return };
    let login = LoginRequest {
        username: *b"user  ",
        password: *b"password  ",
        session: SessionName::BLANK,
        sequence: 0,
    };
    assert_eq!(material::tcp_payloads(&request)[0].1, login.encode());
    let packets = deframe(&material::tcp_payloads(&answer)[0].1, 1);
    let accepted = LoginAccepted::parse(&packets[0].1).unwrap();
    assert_eq!((packets[0].0, accepted.next), (b'A', 135));
    assert_eq!(accepted.session, SessionName::new(b"1689192121").unwrap());
}
