//! PITCH against bytes written by hand from the specification's tables, and what its messages mean for a book.

use feeds::pitch::{Decoded, Message, Subscription, decode, wire};
use feeds::protocol::{Decode, Refusal, Wanted};
use model::{
    CrossKind, FeedId, GatewayId, Instrument, InstrumentId, MarketBody, Nanos, Px, Qty, Side, Symbol,
    TradingState, VenueRef,
};

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|b| u8::from_str_radix(b, 16).unwrap()).collect()
}

/// Each type by its table: the fields are separated as there, their values are beside.
#[test]
fn every_type_is_read_as_its_table_says() {
    // Every stamp is 447,000 ns.
    let (id, execution) = (u64::from_le_bytes(*b"ORID0001"), u64::from_le_bytes(*b"EXEID001"));
    let zvzzt = Symbol::new("ZVZZT").unwrap();
    let (side, qty, px) = (Side::Buy, Qty(20_000), Px(9_050));
    let at = |message| Decoded { offset_ns: 447_000, message };
    let table: &[(&str, Decoded)] = &[
        // Time: 34,200 s is 9:30.
        ("06 20  98 85 00 00", Decoded { offset_ns: 0, message: Message::Time { second: 34_200 } }),
        // Unit Clear.
        ("06 97  18 D2 06 00", at(Message::UnitClear)),
        // Add Order, long: B, 20,000, ZVZZT, 0.9050, flags.
        (
            "22 21  18 D2 06 00  4F 52 49 44 30 30 30 31  42  20 4E 00 00  5A 56 5A 5A 54 20  5A 23 00 00 00 00 00 00  01",
            at(Message::Add { id, side, qty, symbol: zvzzt, px, participant: *b"    " }),
        ),
        // Add Order, short: S, 40,000, ZVZZT, 100.25, flags.
        (
            "1A 22  18 D2 06 00  4F 52 49 44 30 30 30 31  53  40 9C  5A 56 5A 5A 54 20  29 27  01",
            at(Message::Add {
                id,
                side: Side::Sell,
                qty: Qty(40_000),
                symbol: zvzzt,
                px: Px(1_002_500),
                participant: *b"    ",
            }),
        ),
        // Add Order, expanded: B, 20,000, ZVZZT, 0.9050, flags, MPID1, customer indicator.
        (
            "29 2F  18 D2 06 00  4F 52 49 44 30 30 30 31  42  20 4E 00 00  5A 56 5A 5A 54 20 20 20  5A 23 00 00 00 00 00 00  01  4D 50 49 44  20",
            at(Message::Add { id, side, qty, symbol: zvzzt, px, participant: *b"MPID" }),
        ),
        // Order Executed: 20,000.
        (
            "1A 23  18 D2 06 00  4F 52 49 44 30 30 30 31  20 4E 00 00  45 58 45 49 44 30 30 31",
            at(Message::Executed { id, qty, execution }),
        ),
        // Order Executed at Price/Size: 20,000, 200 remain, at 0.9050.
        (
            "26 24  18 D2 06 00  4F 52 49 44 30 30 30 31  20 4E 00 00  C8 00 00 00  45 58 45 49 44 30 30 31  5A 23 00 00 00 00 00 00",
            at(Message::ExecutedAt { id, qty, remaining: Qty(200), execution, px }),
        ),
        // Reduce Size, long: 100,000. Short: 100.
        (
            "12 25  18 D2 06 00  4F 52 49 44 30 30 30 31  A0 86 01 00",
            at(Message::Reduced { id, qty: Qty(100_000) }),
        ),
        ("10 26  18 D2 06 00  4F 52 49 44 30 30 30 31  64 00", at(Message::Reduced { id, qty: Qty(100) })),
        // Modify Order, long: 20,000 at 100.99, displayed, priority lost. Short: the same, kept.
        (
            "1B 27  18 D2 06 00  4F 52 49 44 30 30 30 31  20 4E 00 00  EC 68 0F 00 00 00 00 00  01",
            at(Message::Modified { id, qty, px: Px(1_009_900), keeps_priority: false }),
        ),
        (
            "13 28  18 D2 06 00  4F 52 49 44 30 30 30 31  20 4E  73 27  03",
            at(Message::Modified { id, qty, px: Px(1_009_900), keeps_priority: true }),
        ),
        // Delete Order.
        ("0E 29  18 D2 06 00  4F 52 49 44 30 30 30 31", at(Message::Deleted { id })),
        // Trade, long, short and expanded: 20,000 at 100.99.
        (
            "29 2A  18 D2 06 00  4F 52 49 44 30 30 30 31  42  20 4E 00 00  5A 56 5A 5A 54 20  EC 68 0F 00 00 00 00 00  45 58 45 49 44 30 30 31",
            at(Message::Traded { side, qty, symbol: zvzzt, px: Px(1_009_900), execution }),
        ),
        (
            "21 2B  18 D2 06 00  4F 52 49 44 30 30 30 31  42  20 4E  5A 56 5A 5A 54 20  73 27  45 58 45 49 44 30 30 31",
            at(Message::Traded { side, qty, symbol: zvzzt, px: Px(1_009_900), execution }),
        ),
        (
            "2B 30  18 D2 06 00  4F 52 49 44 30 30 30 31  53  20 4E 00 00  5A 56 5A 5A 54 20 20 20  EC 68 0F 00 00 00 00 00  45 58 45 49 44 30 30 31",
            at(Message::Traded { side: Side::Sell, qty, symbol: zvzzt, px: Px(1_009_900), execution }),
        ),
        // Trade Break.
        ("0E 2C  18 D2 06 00  45 58 45 49 44 30 30 31", at(Message::Broken { execution })),
        // End of Session.
        ("06 2D  18 D2 06 00", at(Message::EndOfSession)),
        // Trading Status: halted, price test in effect, reserved.
        (
            "12 31  18 D2 06 00  5A 56 5A 5A 54 20 20 20  48  31  20 20",
            at(Message::Status { symbol: zvzzt, state: TradingState::Halted, reg_sho: b'1' }),
        ),
        // Auction Update: closing, reference 5.00, 600 to buy, 500 to sell, indicative 5.01, auction only 4.99.
        (
            "2F 95  18 D2 06 00  5A 56 5A 5A 54 20 20 20  43  50 C3 00 00 00 00 00 00  58 02 00 00  F4 01 00 00  B4 C3 00 00 00 00 00 00  EC C2 00 00 00 00 00 00",
            at(Message::AuctionUpdate {
                symbol: zvzzt,
                cross: CrossKind::Closing,
                reference: Px(50_000),
                buy: 600,
                sell: 500,
                indicative: Px(50_100),
                auction_only: Px(49_900),
            }),
        ),
        // Auction Summary: opening, 0.9050, 20,000.
        (
            "1B 96  18 D2 06 00  5A 56 5A 5A 54 20 20 20  4F  5A 23 00 00 00 00 00 00  20 4E 00 00",
            at(Message::AuctionSummary { symbol: zvzzt, cross: CrossKind::Opening, px, qty: 20_000 }),
        ),
        // Retail Price Improvement: sellers.
        (
            "0F 98  18 D2 06 00  5A 56 5A 5A 54 20 20 20  53",
            at(Message::Retail { symbol: zvzzt, flag: b'S' }),
        ),
        // Symbol Mapping, of options.
        (
            "26 2E  30 31 41 38 34 4B  4D 53 46 54 20 20 31 33 30 33 31 36 43 30 30 30 34 37 30 30 30  4E  4D 53 46 54 20 20 20 20",
            Decoded { offset_ns: 0, message: Message::SymbolMapping },
        ),
    ];
    let mut seen = Vec::new();
    for (hex, want) in table {
        let msg = bytes(hex);
        assert_eq!(usize::from(msg[0]), msg.len(), "{hex}");
        assert_eq!(decode(&msg), Ok(*want), "{hex}");
        seen.push(msg[1]);
    }
    assert!(wire::TYPES.iter().all(|(kind, _)| seen.contains(kind)), "a type is not in the table");
}

/// A subscription to AAPL, number 3, and the events of what it is given.
struct Feed(Subscription);

const AAPL: InstrumentId = InstrumentId(3);

impl Feed {
    fn new(live_orders: usize) -> Feed {
        let symbol = Symbol::new("AAPL").unwrap();
        let instruments = [Instrument { id: AAPL, symbol, feed: FeedId(0), gateway: GatewayId(0) }];
        Feed(Subscription::new(Wanted { instruments: &instruments, live_orders }))
    }

    fn give(&mut self, msg: &[u8]) -> Result<Vec<(Nanos, MarketBody)>, Refusal> {
        let mut events = Vec::new();
        self.0.decode(msg, |e| {
            assert_eq!(e.instrument, if e.body.concerns_all() { InstrumentId(0) } else { AAPL });
            events.push((e.ts_event, e.body));
        })?;
        Ok(events)
    }

    /// What the message says, its stamp left out.
    fn says(&mut self, msg: &[u8]) -> Vec<MarketBody> {
        self.give(msg).unwrap().into_iter().map(|(_, body)| body).collect()
    }
}

/// A message of these fields one after another, its length in front.
fn message(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    let body = [&[kind][..], &fields.concat()].concat();
    [&[body.len() as u8 + 1][..], &body].concat()
}

const NOW: &[u8] = &[7, 0, 0, 0];
const EXECUTION: &[u8] = &[8, 0, 0, 0, 0, 0, 0, 0];

fn add(id: u64, qty: u16, symbol: &[u8; 6]) -> Vec<u8> {
    message(0x22, &[NOW, &id.to_le_bytes(), b"B", &qty.to_le_bytes(), symbol, &[0x29, 0x27], &[1]])
}

fn executed(id: u64, qty: u32) -> Vec<u8> {
    message(0x23, &[NOW, &id.to_le_bytes(), &qty.to_le_bytes(), EXECUTION])
}

/// At 100.30, where the orders rest at 100.25.
fn executed_at(id: u64, qty: u32, remaining: u32) -> Vec<u8> {
    let price = 1_003_000u64.to_le_bytes();
    message(0x24, &[NOW, &id.to_le_bytes(), &qty.to_le_bytes(), &remaining.to_le_bytes(), EXECUTION, &price])
}

fn reduced(id: u64, qty: u16) -> Vec<u8> {
    message(0x26, &[NOW, &id.to_le_bytes(), &qty.to_le_bytes()])
}

fn modified(id: u64, qty: u16, cents: u16, flags: u8) -> Vec<u8> {
    message(0x28, &[NOW, &id.to_le_bytes(), &qty.to_le_bytes(), &cents.to_le_bytes(), &[flags]])
}

fn deleted(id: u64) -> Vec<u8> {
    message(0x29, &[NOW, &id.to_le_bytes()])
}

fn delete(id: u64) -> MarketBody {
    MarketBody::Delete { order: VenueRef(id) }
}

fn reduce(id: u64, qty: u32) -> MarketBody {
    MarketBody::Reduce { order: VenueRef(id), qty: Qty(qty) }
}

fn replace(id: u64, qty: u32, px: i64) -> MarketBody {
    MarketBody::Replace { old: VenueRef(id), new: VenueRef(id), qty: Qty(qty), px: Px(px) }
}

#[test]
fn an_order_is_followed_by_its_id_while_it_rests() {
    let mut f = Feed::new(8);
    assert_eq!(f.says(&deleted(1)), [], "nobody knows whose it is");
    let [MarketBody::Add { order: VenueRef(1), px: Px(1_002_500), qty: Qty(100), side: Side::Buy, .. }] =
        f.says(&add(1, 100, b"AAPL  "))[..]
    else {
        panic!("an add")
    };
    assert_eq!(f.says(&add(2, 100, b"AAPLW ")), [], "another ticker");
    assert_eq!(f.says(&deleted(2)), []);
    assert_eq!(f.says(&reduced(1, 30)), [reduce(1, 30)]);
    let all = MarketBody::Execute { order: VenueRef(1), qty: Qty(70), match_number: 8 };
    assert_eq!(f.says(&executed(1, 70)), [all]);
    assert_eq!(f.says(&deleted(1)), [], "it was gone with its last share, and its id is free for another's");
    assert_eq!(f.says(&add(1, 5, b"AAPL  ")).len(), 1, "it may come back");
    assert_eq!(f.says(&deleted(1)), [delete(1)]);
    assert_eq!(f.says(&deleted(1)), []);
}

#[test]
fn what_remains_after_an_execution_at_another_price_is_what_the_venue_says() {
    let at = |n| MarketBody::ExecuteAt {
        order: VenueRef(1),
        qty: Qty(n),
        match_number: 8,
        px: Px(1_003_000),
        printable: true,
    };
    for (had, qty, remaining, want) in [
        (100, 40, 60, vec![at(40)]),
        (100, 100, 0, vec![at(100)]),
        (100, 40, 0, vec![at(40), delete(1)]),
        (100, 40, 50, vec![at(40), reduce(1, 10)]),
        (100, 40, 80, vec![replace(1, 120, 1_002_500), at(40)]),
        (100, 150, 20, vec![replace(1, 170, 1_002_500), at(150)]),
    ] {
        let mut f = Feed::new(8);
        f.says(&add(1, had, b"AAPL  "));
        assert_eq!(f.says(&executed_at(1, qty, remaining)), want, "{had} {qty} {remaining}");
        // From here on that is what rests.
        let left = if remaining == 0 { vec![] } else { vec![reduce(1, 5)] };
        assert_eq!(f.says(&modified(1, (remaining as u16).saturating_sub(5), 10_025, 2)), left);
    }
}

#[test]
fn an_execution_of_more_shares_than_there_are_is_no_overflow() {
    let mut f = Feed::new(8);
    f.says(&add(1, 100, b"AAPL  "));
    let said = f.says(&executed_at(1, u32::MAX - 10, 20));
    assert_eq!((said.len(), said[0]), (2, replace(1, u32::MAX, 1_002_500)));
    assert_eq!(f.says(&modified(1, 4, 10_025, 2)), [reduce(1, 6)], "10 rest");
    let said = f.says(&executed_at(1, u32::MAX, 20));
    assert!(matches!(said[..], [MarketBody::ExecuteAt { .. }]), "{said:?}");
    assert_eq!(f.says(&deleted(1)), []);
}

#[test]
fn a_modified_order_goes_to_the_back_unless_it_keeps_its_priority_and_got_smaller() {
    for (qty, cents, flags, want) in [
        (60, 10_025, 3, vec![reduce(1, 40)]),
        (60, 10_025, 1, vec![replace(1, 60, 1_002_500)]),
        (100, 10_025, 3, vec![]),
        (100, 10_025, 1, vec![replace(1, 100, 1_002_500)]),
        (60, 10_026, 3, vec![replace(1, 60, 1_002_600)]),
        (120, 10_025, 3, vec![replace(1, 120, 1_002_500)]),
        (0, 10_025, 3, vec![delete(1)]),
    ] {
        let mut f = Feed::new(8);
        f.says(&add(1, 100, b"AAPL  "));
        assert_eq!(f.says(&modified(1, qty, cents, flags)), want, "{qty} {cents} {flags}");
        let gone = f.says(&deleted(1));
        assert_eq!(gone.is_empty(), qty == 0);
    }
}

#[test]
fn a_unit_clear_is_one_event_whatever_rests() {
    let mut f = Feed::new(8);
    for id in 1..=4 {
        f.says(&add(id, 100, b"AAPL  "));
    }
    f.says(&add(9, 100, b"MSFT  "));
    f.says(&deleted(2));
    let mut rest: Vec<u64> = f.0.resting().map(|(_, order)| order.0).collect();
    rest.sort_unstable();
    assert_eq!(rest, [1, 3, 4]);
    assert_eq!(f.says(&message(0x97, &[NOW])), [MarketBody::Clear]);
    assert_eq!((f.0.resting().count(), f.says(&deleted(1))), (0, vec![]));
}

#[test]
fn an_order_for_which_there_is_no_room_is_a_loss() {
    let mut f = Feed::new(2);
    f.says(&add(1, 100, b"AAPL  "));
    f.says(&add(2, 100, b"AAPL  "));
    assert_eq!(f.give(&add(3, 100, b"AAPL  ")), Err(Refusal::Lost));
    assert_eq!(f.says(&add(4, 100, b"MSFT  ")), []);
    f.says(&deleted(1));
    assert_eq!(f.says(&add(3, 100, b"AAPL  ")).len(), 1);
}

#[test]
fn stamps_count_from_the_last_time_message() {
    let mut f = Feed::new(8);
    let stamp = |f: &mut Feed, id| f.give(&add(id, 1, b"AAPL  ")).unwrap()[0].0;
    assert_eq!(stamp(&mut f, 1), Nanos(7));
    f.says(&message(0x20, &[&34_200u32.to_le_bytes()]));
    assert_eq!(stamp(&mut f, 2), Nanos(34_200_000_000_007));
    // Every bit set is no overflow.
    f.says(&message(0x20, &[&[0xFF; 4]]));
    assert_eq!(stamp(&mut f, 3), Nanos(4_294_967_295_000_000_007));
    Decode::reset(&mut f.0);
    assert_eq!(stamp(&mut f, 4), Nanos(7));
}

#[test]
fn what_a_book_hangs_on_and_cannot_be_decoded_is_a_loss() {
    let mut f = Feed::new(8);
    for (kind, len) in wire::TYPES {
        let is_lost = matches!(kind, 0x21..=0x29 | 0x2F | 0x31 | 0x97);
        let want = if is_lost { Refusal::Lost } else { Refusal::Malformed };
        let cut = [&[len as u8, kind][..], &vec![0; len - 3]].concat();
        assert_eq!(f.give(&cut), Err(want), "0x{kind:02x}");
    }
    let mut no_side = add(1, 100, b"AAPL  ");
    no_side[14] = b'T';
    assert_eq!(f.give(&no_side), Err(Refusal::Lost));
}

#[test]
fn what_is_no_order_comes_as_its_event() {
    let mut f = Feed::new(8);
    let aapl = Symbol::new("AAPL").unwrap();
    let status = |letter| message(0x31, &[NOW, b"AAPL    ", &[letter], b"1", b"  "]);
    for (letter, state) in [
        (b'T', TradingState::Trading),
        (b'H', TradingState::Halted),
        (b'S', TradingState::Halted),
        (b'Q', TradingState::QuotationOnly),
        (b'A', TradingState::QuotationOnly),
        (b'?', TradingState::Unknown),
    ] {
        let want = [
            MarketBody::TradingAction { symbol: aapl, state, reason: *b"    " },
            MarketBody::ShortSaleRestriction { symbol: aapl, action: b'1' },
        ];
        assert_eq!(f.says(&status(letter)), want);
    }
    let price = |n: u64| n.to_le_bytes();
    let update = message(
        0x95,
        &[NOW, b"AAPL    ", b"H", &price(50_000), &[8, 0, 0, 0], &[9, 0, 0, 0], &price(1 << 40), &price(7)],
    );
    let imbalance = MarketBody::Imbalance {
        paired: 8,
        imbalance: 1,
        far_e4: 7,
        near_e4: u32::MAX,
        reference_e4: 50_000,
        direction: b'S',
        cross: CrossKind::Halt,
        variation: b' ',
    };
    assert_eq!(f.says(&update), [imbalance]);
    let summary = message(0x96, &[NOW, b"AAPL    ", b"P", &price(50_000), &[9, 0, 0, 0]]);
    let cross = MarketBody::Cross { qty: 9, match_number: 0, px: Px(50_000), cross: CrossKind::Other(b'P') };
    assert_eq!(f.says(&summary), [cross]);
    let retail = MarketBody::RetailInterest { symbol: aapl, flag: b'A' };
    assert_eq!(f.says(&message(0x98, &[NOW, b"AAPL    ", b"A"])), [retail]);
    assert_eq!(f.says(&message(0x2D, &[NOW])), [MarketBody::System { code: b'C' }]);
    assert_eq!(f.says(&message(0x2C, &[NOW, EXECUTION])), []);
}
