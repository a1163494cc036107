//! Decoding against material that others made: every field of every type from expected values, real captures of four
//! markets, and whole files. Skipped, and said so, where the material is not beside the repository; a failure with `COLO_REQUIRE_SHARED=1`.

use std::fs;
use std::path::{Path, PathBuf};

use feeds::binaryfile::{Kind, Messages, sniff};
use feeds::itch50::{self, DecodeError, Subscription, Tally, wire};
use feeds::jnx;
use feeds::moldudp64::Packet;
use feeds::protocol::{Decode as _, Wanted};
use model::{
    CrossKind, FeedId, GatewayId, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Symbol,
    TradingState,
};
use serde_json::Value;

#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn shared() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if data.is_dir() {
        return Some(data);
    }
    assert!(std::env::var("COLO_REQUIRE_SHARED").as_deref() != Ok("1"), "{} is absent", data.display());
    eprintln!("skipped: {} is absent", data.display());
    None
}

/// The UDP payloads of a little-endian pcap of Ethernet, IPv4 and UDP.
fn udp_payloads(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert!(matches!(sniff(&bytes), Kind::Pcap), "{}", path.display());
    assert_eq!(word(20) & 0xFFFF, 1, "{}: link type is not Ethernet", path.display());
    let (mut at, mut out) = (24, Vec::new());
    while at < bytes.len() {
        let len = word(at + 8);
        let frame = &bytes[at + 16..at + 16 + len];
        at += 16 + len;
        let mut ip = 14;
        if frame[12..14] == [0x81, 0x00] {
            ip += 4;
        }
        let udp = ip + usize::from(frame[ip] & 15) * 4;
        if frame[ip + 9] == 17 {
            // The UDP length, not the frame's: short frames are padded.
            let len = usize::from(u16::from_be_bytes([frame[udp + 4], frame[udp + 5]]));
            out.push(frame[udp + 8..udp + len].to_vec());
        }
    }
    out
}

/// A field's value as the expectation writes it.
trait Written {
    fn written(&self) -> Value;
}

impl Written for u8 {
    fn written(&self) -> Value {
        [*self].written()
    }
}
impl Written for u16 {
    fn written(&self) -> Value {
        Value::from(*self)
    }
}
impl Written for u32 {
    fn written(&self) -> Value {
        Value::from(*self)
    }
}
impl Written for u64 {
    fn written(&self) -> Value {
        Value::from(*self)
    }
}
impl Written for Nanos {
    fn written(&self) -> Value {
        Value::from(self.0)
    }
}
impl<const N: usize> Written for [u8; N] {
    fn written(&self) -> Value {
        Value::from(String::from_utf8_lossy(self).trim_end_matches(' '))
    }
}
impl Written for Symbol {
    fn written(&self) -> Value {
        self.0.written()
    }
}

/// Compares every field of a view with the expectation, and that the expectation has no other.
macro_rules! check_view {
    ($msg:expr, $want:expr, $($view:ident { $($field:ident)* })*) => {
        match $msg[0] {
            $(wire::$view::KIND => {
                let view = wire::$view::new($msg).unwrap();
                let fields = [
                    ("stock_locate", view.stock_locate().written()),
                    ("tracking_number", view.tracking_number().written()),
                    ("timestamp", view.timestamp().written()),
                    $((stringify!($field), view.$field().written()),)*
                ];
                for (name, value) in &fields {
                    assert_eq!($want[*name], *value, "{name} of {}", $want);
                }
                // proto, type, seq, len
                assert_eq!($want.as_object().unwrap().len(), fields.len() + 4, "{}", $want);
                assert_eq!($want["len"], wire::$view::LEN);
            })*
            other => panic!("type {other} has no view"),
        }
    };
}

fn check_views(msg: &[u8], want: &Value) {
    check_view! { msg, want,
        SystemEvent { event_code }
        StockDirectory {
            stock market_category financial_status round_lot_size round_lots_only issue_classification
            issue_subtype authenticity short_sale_threshold ipo_flag luld_tier etp_flag etp_leverage inverse
        }
        TradingAction { stock trading_state reserved reason }
        RegShoRestriction { stock reg_sho_action }
        ParticipantPosition { mpid stock primary_mm mm_mode mp_state }
        MwcbDecline { level1 level2 level3 }
        MwcbStatus { breached_level }
        IpoQuoting { stock ipo_release_time_s ipo_qualifier ipo_price }
        AuctionCollar { stock ref_price upper_price lower_price extension }
        OperationalHalt { stock market_code action }
        AddOrder { order_ref side shares stock price }
        AddOrderMpid { order_ref side shares stock price attribution }
        OrderExecuted { order_ref executed_shares match_number }
        OrderExecutedWithPrice { order_ref executed_shares match_number printable execution_price }
        OrderCancel { order_ref cancelled_shares }
        OrderDelete { order_ref }
        OrderReplace { orig_order_ref new_order_ref shares price }
        Trade { order_ref side shares stock price match_number }
        CrossTrade { shares stock cross_price match_number cross_type }
        BrokenTrade { match_number }
        Imbalance {
            paired_shares imbalance_shares imbalance_direction stock far_price near_price ref_price
            cross_type price_variation
        }
        RetailInterest { stock interest_flag }
        DirectListing {
            stock open_eligibility min_price max_price near_price near_time lower_collar upper_collar
        }
    }
}

/// The event that the expectation amounts to, made without a view.
fn expected_event(want: &Value) -> MarketEvent {
    let n = |field: &str| want[field].as_u64().unwrap_or_else(|| panic!("{field} of {want}"));
    let n32 = |field: &str| u32::try_from(n(field)).unwrap();
    let text = |field: &str| want[field].as_str().unwrap_or_else(|| panic!("{field} of {want}")).to_owned();
    let letter = |field: &str| *text(field).as_bytes().first().unwrap_or(&b' ');
    fn padded<const N: usize>(text: &str) -> [u8; N] {
        let mut out = [b' '; N];
        out[..text.len()].copy_from_slice(text.as_bytes());
        out
    }
    let symbol = || Symbol::new(&text("stock")).unwrap();
    let side = || if text("side") == "B" { model::Side::Buy } else { model::Side::Sell };
    let order = |field: &str| model::VenueRef(n(field));
    let qty = |field: &str| model::Qty(n32(field));
    let px = |field: &str| model::Px(n(field) as i64);
    let cross = || match letter("cross_type") {
        b'O' => CrossKind::Opening,
        b'C' => CrossKind::Closing,
        b'H' => CrossKind::Halt,
        b'A' => CrossKind::ExtendedClose,
        other => CrossKind::Other(other),
    };
    let body = match letter("type") {
        b'S' => MarketBody::System { code: letter("event_code") },
        b'R' => MarketBody::Directory {
            symbol: symbol(),
            round_lot: n32("round_lot_size"),
            market_category: letter("market_category"),
            financial_status: letter("financial_status"),
            round_lots_only: letter("round_lots_only"),
            classification: letter("issue_classification"),
            subtype: padded(&text("issue_subtype")),
            authenticity: letter("authenticity"),
            short_sale_threshold: letter("short_sale_threshold"),
            ipo: letter("ipo_flag"),
            luld_tier: letter("luld_tier"),
            etp: letter("etp_flag"),
            etp_leverage: n32("etp_leverage"),
            inverse: letter("inverse"),
        },
        b'H' => MarketBody::TradingAction {
            symbol: symbol(),
            state: match letter("trading_state") {
                b'T' => TradingState::Trading,
                b'H' => TradingState::Halted,
                b'P' => TradingState::Paused,
                b'Q' => TradingState::QuotationOnly,
                _ => TradingState::Unknown,
            },
            reason: padded(&text("reason")),
        },
        b'Y' => MarketBody::ShortSaleRestriction { symbol: symbol(), action: letter("reg_sho_action") },
        b'L' => MarketBody::ParticipantPosition {
            mpid: padded(&text("mpid")),
            symbol: symbol(),
            primary: letter("primary_mm"),
            mode: letter("mm_mode"),
            state: letter("mp_state"),
        },
        b'V' => MarketBody::CircuitBreakerLevels {
            level1_e8: n("level1"),
            level2_e8: n("level2"),
            level3_e8: n("level3"),
        },
        b'W' => MarketBody::CircuitBreaker { level: letter("breached_level") },
        b'K' => MarketBody::IpoQuoting {
            symbol: symbol(),
            release_s: n32("ipo_release_time_s"),
            qualifier: letter("ipo_qualifier"),
            px_e4: n32("ipo_price"),
        },
        b'J' => MarketBody::AuctionCollar {
            symbol: symbol(),
            reference_e4: n32("ref_price"),
            upper_e4: n32("upper_price"),
            lower_e4: n32("lower_price"),
            extension: n32("extension"),
        },
        b'h' => MarketBody::OperationalHalt {
            symbol: symbol(),
            market: letter("market_code"),
            action: letter("action"),
        },
        kind @ (b'A' | b'F') => MarketBody::Add {
            order: order("order_ref"),
            px: px("price"),
            qty: qty("shares"),
            side: side(),
            mpid: if kind == b'F' { padded(&text("attribution")) } else { *b"    " },
        },
        b'E' => MarketBody::Execute {
            order: order("order_ref"),
            qty: qty("executed_shares"),
            match_number: n("match_number"),
        },
        b'C' => MarketBody::ExecuteAt {
            order: order("order_ref"),
            qty: qty("executed_shares"),
            match_number: n("match_number"),
            px: px("execution_price"),
            printable: text("printable") == "Y",
        },
        b'X' => MarketBody::Reduce { order: order("order_ref"), qty: qty("cancelled_shares") },
        b'D' => MarketBody::Delete { order: order("order_ref") },
        b'U' => MarketBody::Replace {
            old: order("orig_order_ref"),
            new: order("new_order_ref"),
            qty: qty("shares"),
            px: px("price"),
        },
        b'P' => MarketBody::Trade {
            px: px("price"),
            qty: qty("shares"),
            match_number: n("match_number"),
            side: side(),
        },
        b'Q' => MarketBody::Cross {
            qty: n("shares"),
            match_number: n("match_number"),
            px: px("cross_price"),
            cross: cross(),
        },
        b'B' => MarketBody::BrokenTrade { match_number: n("match_number") },
        b'I' => MarketBody::Imbalance {
            paired: n("paired_shares"),
            imbalance: n("imbalance_shares"),
            far_e4: n32("far_price"),
            near_e4: n32("near_price"),
            reference_e4: n32("ref_price"),
            direction: letter("imbalance_direction"),
            cross: cross(),
            variation: letter("price_variation"),
        },
        b'N' => MarketBody::RetailInterest { symbol: symbol(), flag: letter("interest_flag") },
        b'O' => MarketBody::DirectListing {
            open_eligibility: letter("open_eligibility"),
            min_e4: n32("min_price"),
            max_e4: n32("max_price"),
            near_e4: n32("near_price"),
            near_time: Nanos(n("near_time")),
            lower_e4: n32("lower_collar"),
            upper_e4: n32("upper_collar"),
        },
        other => panic!("type {other} is not expected"),
    };
    let instrument = InstrumentId(u16::try_from(n("stock_locate")).unwrap());
    MarketEvent { ts_event: Nanos(n("timestamp")), instrument, body }
}

#[test]
fn every_field_of_every_type_is_as_expected() {
    let Some(data) = shared() else { return };
    let messages: Vec<(u64, Vec<u8>)> = udp_payloads(&data.join("synthetic/itch50_mold.pcap"))
        .iter()
        .flat_map(|bytes| {
            let packet = Packet::parse(bytes).unwrap();
            let blocks: Vec<_> = (packet.sequence..).zip(packet.blocks().map(<[u8]>::to_vec)).collect();
            assert_eq!(blocks.len(), usize::from(packet.messages()));
            blocks
        })
        .collect();
    let text = fs::read_to_string(data.join("synthetic/itch50_mold.jsonl")).unwrap();
    let mut tally = Tally::new();
    for line in text.lines() {
        let want: Value = serde_json::from_str(line).unwrap();
        let (_, msg) = messages.iter().find(|(seq, _)| want["seq"] == *seq).unwrap();
        check_views(msg, &want);
        assert_eq!(itch50::decode(msg), Ok(expected_event(&want)), "{want}");
        tally.count(msg);
    }
    assert_eq!((tally.total() as usize, tally.unknown()), (messages.len(), 0));
    assert_eq!(tally.iter().count(), wire::TYPES.len(), "every type is covered");
}

#[test]
fn real_messages_of_three_markets_decode() {
    let Some(data) = shared() else { return };
    let mut tally = Tally::new();
    for folder in fs::read_dir(data.join("pcap")).unwrap().map(|d| d.unwrap().path()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !["Nasdaq", "Bx", "Psx"].iter().any(|market| name.starts_with(market)) {
            continue;
        }
        for file in fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()) {
            let payloads = udp_payloads(&file);
            assert!(!payloads.is_empty(), "{}", file.display());
            for bytes in payloads {
                let packet = Packet::parse(&bytes).unwrap();
                assert_eq!(packet.blocks().count(), usize::from(packet.messages()), "{}", file.display());
                for msg in packet.blocks() {
                    let event = itch50::decode(msg).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                    assert_eq!(wire::length(msg[0]), Some(msg.len()), "{}", file.display());
                    // 04:00 to 20:05, the session's day.
                    let hour = event.ts_event.0 / 3_600_000_000_000;
                    assert!((3..=20).contains(&hour), "{}: {event:?}", file.display());
                    tally.count(msg);
                }
            }
        }
    }
    for kind in *b"SHYLAFECXDUPQIJN" {
        assert!(tally.of(kind) > 0, "no {} in the captures", kind as char);
    }
}

#[test]
fn whole_files_walk_and_decode_to_the_last_byte() {
    let Some(data) = shared() else { return };
    for (name, messages) in [
        ("aapl_20120621_0930.itch", None),
        ("aapl_20120621_first_998.itch", None),
        ("head_of_day.itch", None),
        ("three_symbols_20101224.itch", Some(12_012)),
        ("seven_messages.itch", Some(7)),
    ] {
        let bytes = fs::read(data.join("itch50").join(name)).unwrap();
        assert_eq!(sniff(&bytes), Kind::ItchBinaryFile, "{name}");
        let mut tally = Tally::new();
        let mut walk = Messages::new(&bytes);
        let mut last = Nanos::ZERO;
        for msg in walk.by_ref() {
            let msg = msg.unwrap_or_else(|e| panic!("{name}: {e}"));
            let event = itch50::decode(msg).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(event.ts_event >= last, "{name}: time goes back at {event:?}");
            last = event.ts_event;
            tally.count(msg);
        }
        assert_eq!(walk.offset(), bytes.len(), "{name}");
        assert_eq!(tally.unknown(), 0, "{name}");
        assert_eq!(messages.unwrap_or(tally.total()), tally.total(), "{name}");
        assert!(tally.total() > 0, "{name}");
    }
}

/// The real messages of Japannext with the values that their bytes have: all of them, and no other.
#[test]
fn real_messages_of_japannext_decode() {
    use jnx::{BookId, Message};
    let Some(data) = shared() else { return };
    let of = |offset_ns, message| jnx::Decoded { offset_ns, message };
    let (hundred, match_number) = (model::Qty(100), 0x02CE_66DA_0DE0_F041);
    let book = BookId { number: 9656, group: *b"DAY " };
    let want: &[(&str, u64, &[jnx::Decoded])] = &[
        ("OrderDeleted", 0x627B, &[of(37_020_000, Message::Deleted { number: 0x02CE_66DA_0DE1_20FD })]),
        (
            "OrderExecuted",
            0x8209,
            &[of(
                706_952_000,
                Message::Executed { number: 0x02CE_66DA_0DE0_F001, qty: hundred, match_number },
            )],
        ),
        (
            "OrderReplaced",
            0x3043,
            &[of(
                253_357_000,
                Message::Replaced {
                    old: 0x02CE_66DA_0DE0_F00A,
                    new: 0x02CE_66DA_0DE0_F030,
                    qty: model::Qty(1_400),
                    px: model::Px(4_998_000),
                },
            )],
        ),
        (
            "ShortSellingPriceRestrictionState",
            0x7FB3,
            &[of(865_163_000, Message::ShortSelling { book, restriction: b'1' })],
        ),
        (
            "TimestampSeconds",
            0x8D71,
            &[
                of(0, Message::Seconds { second: 57_600 }),
                of(5_000, Message::System { group: *b"DAY ", code: b'M' }),
            ],
        ),
    ];
    let folder = data.join("pcap/JnxEquities.Pts.Itch.v1.6");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), want.len());
    let mut packets = Vec::new();
    for (name, sequence, decoded) in want {
        for bytes in udp_payloads(&folder.join(format!("{name}Message.pcap"))) {
            let packet = Packet::parse(&bytes).unwrap();
            assert_eq!((packet.session, packet.sequence), (*b"1670788904", *sequence), "{name}");
            let messages: Vec<_> = packet.blocks().map(|m| jnx::decode(m).unwrap()).collect();
            assert_eq!((&messages[..], packet.messages() as usize), (*decoded, decoded.len()), "{name}");
            let is_whole = |m: &[u8]| jnx::wire::TYPES.contains(&(m[0], m.len()));
            assert!(packet.blocks().all(is_whole), "{name}: a type has another length than its table says");
            packets.push((*sequence, bytes.clone()));
        }
    }
    assert_eq!(packets.len(), want.len(), "a packet a file");
    // In their order, for who wants the book that they name: the restriction and the end of market hours. The orders are of books that nothing here names.
    packets.sort();
    let symbol = Symbol::new("9656").unwrap();
    let (id, feed, gateway) = (InstrumentId(5), FeedId(0), GatewayId(0));
    let instruments = [Instrument { id, symbol, feed, gateway }];
    let mut subscription = jnx::Subscription::new(Wanted { instruments: &instruments, live_orders: 8 });
    let entry = [&b"R\0\0\0\0\0\0\x25\xB8"[..], b"9656        DAY ", &[0; 20]].concat();
    let mut events = Vec::new();
    subscription.decode(&entry, |_| {}).unwrap();
    for (_, bytes) in &packets {
        for msg in Packet::parse(bytes).unwrap().blocks() {
            subscription.decode(msg, |e| events.push(e)).unwrap();
        }
    }
    let event = |ts, instrument, body| MarketEvent { ts_event: Nanos(ts), instrument, body };
    let restriction = MarketBody::ShortSaleRestriction { symbol, action: b'1' };
    let over = MarketBody::System { code: b'M' };
    let want =
        [event(865_163_000, InstrumentId(5), restriction), event(57_600_000_005_000, InstrumentId(0), over)];
    assert_eq!(events, want);
}

#[test]
fn a_subscription_follows_one_ticker_through_real_files() {
    let Some(data) = shared() else { return };
    let instrument = |id, symbol| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new(symbol).unwrap(),
        feed: FeedId(0),
        gateway: GatewayId(0),
    };
    let bytes = fs::read(data.join("itch50/aapl_20120621_0930.itch")).unwrap();
    for (symbol, wanted) in [("AAPL", true), ("MSFT", false)] {
        let mut subscription = Subscription::new(&[instrument(5, symbol)]);
        let (mut passed, mut market) = (0u64, 0u64);
        for msg in Messages::new(&bytes).map(Result::unwrap) {
            match subscription.event(msg) {
                Ok(Some(event)) if event.body.concerns_all() => market += 1,
                Ok(Some(event)) => {
                    assert_eq!(event.instrument, InstrumentId(5));
                    passed += 1;
                }
                Ok(None) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(passed > 0, wanted);
        assert_eq!(passed + market + subscription.filtered(), subscription.tally().total());
    }
    // The directory of a real day: each of its tickers has a locate of its own.
    let bytes = fs::read(data.join("itch50/head_of_day.itch")).unwrap();
    let directory: Vec<(u16, Symbol)> = Messages::new(&bytes)
        .map(Result::unwrap)
        .filter_map(|m| wire::StockDirectory::new(m).ok().map(|r| (r.stock_locate(), r.stock())))
        .collect();
    assert_eq!(directory.len(), 993);
    let instruments: Vec<Instrument> = (0u16..)
        .zip(&directory)
        .map(|(id, (_, symbol))| Instrument { symbol: *symbol, ..instrument(id, "X") })
        .collect();
    let mut subscription = Subscription::new(&instruments);
    for msg in Messages::new(&bytes).map(Result::unwrap) {
        assert!(!matches!(subscription.event(msg), Err(DecodeError::Unknown(_))));
    }
    for (i, (locate, symbol)) in directory.iter().enumerate() {
        assert_eq!(subscription.instrument(*locate).map(InstrumentId::index), Some(i), "{symbol}");
    }
}
