//! Japannext ITCH against bytes written by hand from the specification's tables, and what its messages mean for a book. Its real captures: `golden.rs`.

use feeds::framing::{Packet as _, PacketKind};
use feeds::jnx::{BookId, Decoded, Group, Message, Subscription, decode, wire};
use feeds::protocol::{Decode, Protocol, Refusal, Wanted};
use model::{
    FeedId, GatewayId, Instrument, InstrumentId, MarketBody, Nanos, Px, Qty, Side, Symbol, TradingState,
    VenueRef,
};

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|b| u8::from_str_radix(b, 16).unwrap()).collect()
}

/// Each type by its table: the fields are separated as there, their values are beside.
#[test]
fn every_type_is_read_as_its_table_says() {
    // Every stamp is 447,000 ns; the order book is 9656 of the daytime market, the order 0x0102030405060708.
    let (number, book) = (0x0102_0304_0506_0708, BookId { number: 9656, group: *b"DAY " });
    let at = |message| Decoded { offset_ns: 447_000, message };
    let table: &[(&str, Decoded)] = &[
        // Seconds: 57,600 is 16:00.
        ("54  00 00 E1 00", Decoded { offset_ns: 0, message: Message::Seconds { second: 57_600 } }),
        // System Event: DAYX, start of market hours.
        ("53  00 06 D2 18  44 41 59 58  51", at(Message::System { group: *b"DAYX", code: b'Q' })),
        // Price Tick Size: table 2, 0.1 from 1,000.0 on.
        (
            "4C  00 06 D2 18  00 00 00 02  00 00 00 01  00 00 27 10",
            at(Message::TickSize { table: 2, tick: Px(1_000), from: Px(10_000_000) }),
        ),
        // Orderbook Directory: 9656, "9656", DAY, 100 shares, table 2, 1 decimal, up to 600.0, down to 400.0.
        (
            "52  00 06 D2 18  00 00 25 B8  39 36 35 36 20 20 20 20 20 20 20 20  44 41 59 20  00 00 00 64  00 00 00 02  00 00 00 01  00 00 17 70  00 00 0F A0",
            at(Message::Directory {
                book,
                code: *b"9656        ",
                round_lot: 100,
                tick_table: 2,
                decimals: 1,
                upper: Px(6_000_000),
                lower: Px(4_000_000),
            }),
        ),
        // Trading State: suspended.
        (
            "48  00 06 D2 18  00 00 25 B8  44 41 59 20  56",
            at(Message::State { book, state: TradingState::Halted }),
        ),
        // Short Selling Price Restriction State: none.
        (
            "59  00 06 D2 18  00 00 25 B8  44 41 59 20  30",
            at(Message::ShortSelling { book, restriction: b'0' }),
        ),
        // Order Added: B, 1,400, 499.8.
        (
            "41  00 06 D2 18  01 02 03 04 05 06 07 08  42  00 00 05 78  00 00 25 B8  44 41 59 20  00 00 13 86",
            at(Message::Add {
                number,
                side: Side::Buy,
                qty: Qty(1_400),
                book,
                px: Px(4_998_000),
                attribution: *b"    ",
                order_type: b' ',
            }),
        ),
        // With attributes: S, 1,400, the largest price that there is, ABCD, a liquidity provider's.
        (
            "46  00 06 D2 18  01 02 03 04 05 06 07 08  53  00 00 05 78  00 00 25 B8  44 41 59 20  7F FF FF FE  41 42 43 44  51",
            at(Message::Add {
                number,
                side: Side::Sell,
                qty: Qty(1_400),
                book,
                px: Px(2_147_483_646_000),
                attribution: *b"ABCD",
                order_type: b'Q',
            }),
        ),
        // Order Executed: 100, match 9.
        (
            "45  00 06 D2 18  01 02 03 04 05 06 07 08  00 00 00 64  00 00 00 00 00 00 00 09",
            at(Message::Executed { number, qty: Qty(100), match_number: 9 }),
        ),
        // Order Deleted.
        ("44  00 06 D2 18  01 02 03 04 05 06 07 08", at(Message::Deleted { number })),
        // Order Replaced: by 9, 300 at 500.0.
        (
            "55  00 06 D2 18  01 02 03 04 05 06 07 08  00 00 00 00 00 00 00 09  00 00 01 2C  00 00 13 88",
            at(Message::Replaced { old: number, new: 9, qty: Qty(300), px: Px(5_000_000) }),
        ),
    ];
    let mut seen = Vec::new();
    for (hex, want) in table {
        let msg = bytes(hex);
        assert_eq!(decode(&msg), Ok(*want), "{hex}");
        assert!(wire::TYPES.contains(&(msg[0], msg.len())), "{hex}");
        seen.push(msg[0]);
    }
    assert!(wire::TYPES.iter().all(|(kind, _)| seen.contains(kind)), "a type is not in the table");
}

/// A subscription to 9656 in the daytime market, number 3, and in the X market, number 4.
struct Feed(Subscription);

const DAY: InstrumentId = InstrumentId(3);
const X: InstrumentId = InstrumentId(4);
const MARKET: InstrumentId = InstrumentId(0);

impl Feed {
    fn of(tickers: &[(&str, InstrumentId)], live_orders: usize) -> Feed {
        let instrument = |(symbol, id): &(&str, _)| Instrument {
            id: *id,
            symbol: Symbol::new(symbol).unwrap(),
            feed: FeedId(0),
            gateway: GatewayId(0),
        };
        let instruments: Vec<_> = tickers.iter().map(instrument).collect();
        Feed(Subscription::new(Wanted { instruments: &instruments, live_orders }))
    }

    /// Book 7 is 9656 of the daytime market, 7 of the X market too; 8 is another's.
    fn new(live_orders: usize) -> Feed {
        let mut feed = Feed::of(&[("9656", DAY), ("9656.X", X)], live_orders);
        for (n, code, group) in [(7, "9656", b"DAY "), (7, "9656", b"DAYX"), (8, "7203", b"DAY ")] {
            feed.says(&directory(n, code, group));
        }
        feed
    }

    fn give(&mut self, msg: &[u8]) -> Result<Vec<(Nanos, InstrumentId, MarketBody)>, Refusal> {
        let mut events = Vec::new();
        self.0.decode(msg, |e| events.push((e.ts_event, e.instrument, e.body)))?;
        assert!(events.len() <= self.0.events_max());
        Ok(events)
    }

    /// What the message says, its stamp left out.
    fn says(&mut self, msg: &[u8]) -> Vec<(InstrumentId, MarketBody)> {
        self.give(msg).unwrap().into_iter().map(|(_, id, body)| (id, body)).collect()
    }
}

/// A message of these fields one after another.
fn message(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    [&[kind, 0, 0, 0, 7][..], &fields.concat()].concat()
}

fn directory(book: u32, code: &str, group: &[u8; 4]) -> Vec<u8> {
    let code = format!("{code:12}");
    message(b'R', &[&book.to_be_bytes(), code.as_bytes(), group, &[0, 0, 0, 100], &[0; 16]])
}

fn add(id: u64, qty: u32, book: u32, group: &[u8; 4]) -> Vec<u8> {
    let price = 4_998u32.to_be_bytes();
    message(b'A', &[&id.to_be_bytes(), b"B", &qty.to_be_bytes(), &book.to_be_bytes(), group, &price])
}

fn executed(id: u64, qty: u32) -> Vec<u8> {
    message(b'E', &[&id.to_be_bytes(), &qty.to_be_bytes(), &9u64.to_be_bytes()])
}

fn replaced(old: u64, new: u64, qty: u32) -> Vec<u8> {
    let price = 5_000u32.to_be_bytes();
    message(b'U', &[&old.to_be_bytes(), &new.to_be_bytes(), &qty.to_be_bytes(), &price])
}

fn deleted(id: u64) -> Vec<u8> {
    message(b'D', &[&id.to_be_bytes()])
}

fn delete(id: u64) -> MarketBody {
    MarketBody::Delete { order: VenueRef(id) }
}

fn execute(id: u64, qty: u32) -> MarketBody {
    MarketBody::Execute { order: VenueRef(id), qty: Qty(qty), match_number: 9 }
}

fn replace(old: u64, new: u64, qty: u32) -> MarketBody {
    MarketBody::Replace { old: VenueRef(old), new: VenueRef(new), qty: Qty(qty), px: Px(5_000_000) }
}

#[test]
fn an_order_is_followed_by_its_number_through_replacements_until_it_is_gone() {
    let mut f = Feed::new(8);
    let mpid = *b"    ";
    let added =
        MarketBody::Add { order: VenueRef(1), px: Px(4_998_000), qty: Qty(300), side: Side::Buy, mpid };
    assert_eq!(f.says(&deleted(1)), [], "nobody knows whose it is");
    assert_eq!(f.says(&add(1, 300, 7, b"DAY ")), [(DAY, added)]);
    assert_eq!(f.says(&executed(1, 100)), [(DAY, execute(1, 100))]);
    assert_eq!(f.says(&replaced(1, 2, 500)), [(DAY, replace(1, 2, 500))]);
    assert_eq!(f.says(&deleted(1)), [], "it went when the other came");
    // 500 rest, whatever the first had left.
    assert_eq!(f.says(&executed(2, 400)), [(DAY, execute(2, 400))]);
    assert_eq!(f.says(&executed(2, 100)), [(DAY, execute(2, 100))]);
    assert_eq!(f.says(&deleted(2)), [], "it was gone with its last share");
    f.says(&add(3, 100, 7, b"DAY "));
    assert_eq!(f.says(&deleted(3)), [(DAY, delete(3))]);
    assert_eq!(f.says(&replaced(3, 4, 100)), []);
    assert_eq!(f.says(&executed(4, 100)), [], "what takes the place of nothing is nothing");
}

#[test]
fn one_number_in_two_groups_is_two_books() {
    let mut f = Feed::new(8);
    for (id, group, of) in
        [(1, b"DAY ", Some(DAY)), (2, b"DAYX", Some(X)), (3, b"DAYU", None), (4, b"????", None)]
    {
        let whose = f.says(&add(id, 100, 7, group)).first().map(|e| e.0);
        assert_eq!((whose, f.says(&executed(id, 1)).first().map(|e| e.0)), (of, of));
    }
    assert_eq!(f.says(&add(5, 100, 8, b"DAY ")), [], "another security");
    assert_eq!(f.says(&add(6, 100, 9, b"DAY ")), [], "no directory named it");
    assert_eq!((Group::of_wire(*b"NGHT"), Group::of_wire(*b"    ")), (Some(Group::Night), None));
}

#[test]
fn a_book_is_known_by_the_last_directory_that_named_it() {
    let mut f = Feed::new(8);
    let whose = |f: &mut Feed, id, book| f.says(&add(id, 100, book, b"DAY ")).first().map(|e| e.0);
    f.says(&directory(9, "9656", b"DAY "));
    assert_eq!((whose(&mut f, 1, 7), whose(&mut f, 2, 9)), (None, Some(DAY)), "its number is another now");
    f.says(&directory(9, "7203", b"DAY "));
    assert_eq!(whose(&mut f, 3, 9), None, "its number is another's now");
    f.says(&directory(7, "9656", b"DAY "));
    assert_eq!(whose(&mut f, 4, 7), Some(DAY));
    Decode::reset(&mut f.0);
    assert_eq!((whose(&mut f, 5, 7), f.says(&deleted(4))), (None, vec![]), "a session's numbers end with it");
}

#[test]
fn an_order_for_which_there_is_no_room_is_a_loss_and_a_replacement_needs_none() {
    let mut f = Feed::new(2);
    f.says(&add(1, 100, 7, b"DAY "));
    f.says(&add(2, 100, 7, b"DAY "));
    assert_eq!(f.give(&add(3, 100, 7, b"DAY ")), Err(Refusal::Lost));
    assert_eq!(f.says(&add(4, 100, 8, b"DAY ")), []);
    assert_eq!(f.says(&replaced(1, 5, 100)), [(DAY, replace(1, 5, 100))]);
    assert_eq!(f.says(&deleted(5)), [(DAY, delete(5))]);
    assert_eq!(f.says(&add(3, 100, 7, b"DAY ")).len(), 1);
}

#[test]
fn what_is_no_order_comes_as_its_event() {
    let mut f = Feed::new(8);
    let symbol = Symbol::new("9656.X").unwrap();
    let of_book = |kind, letter| message(kind, &[&[0, 0, 0, 7], b"DAYX", &[letter]]);
    for (letter, state) in
        [(b'T', TradingState::Trading), (b'V', TradingState::Halted), (b'?', TradingState::Unknown)]
    {
        let want = MarketBody::TradingAction { symbol, state, reason: *b"    " };
        assert_eq!(f.says(&of_book(b'H', letter)), [(X, want)]);
    }
    let want = MarketBody::ShortSaleRestriction { symbol, action: b'1' };
    assert_eq!(f.says(&of_book(b'Y', b'1')), [(X, want)]);
    let said = f.says(&directory(7, "9656", b"DAYX"));
    let [(X, MarketBody::Directory { round_lot: 100, round_lots_only: b'Y', symbol: named, .. })] = said[..]
    else {
        panic!("{said:?}")
    };
    assert_eq!(named, symbol);
    assert_eq!(f.says(&message(b'L', &[&[0; 12]])), []);
}

#[test]
fn the_market_is_open_when_all_groups_that_are_wanted_are() {
    let says = |f: &mut Feed, group: &[u8; 4], letter| {
        let said = f.says(&message(b'S', &[group, &[letter]]));
        said.first().map(|e| match *e {
            (MARKET, MarketBody::System { code }) => code,
            other => panic!("{other:?}"),
        })
    };
    let mut f = Feed::new(8);
    for (group, letter, want) in [
        (b"    ", b'O', Some(b'O')),
        (b"DAYX", b'S', Some(b'S')),
        (b"DAYX", b'Q', None),
        (b"NGHT", b'Q', None),
        (b"DAY ", b'Q', Some(b'Q')),
        (b"NGHT", b'M', None),
        (b"????", b'M', None),
        (b"DAYX", b'M', Some(b'M')),
        (b"DAY ", b'Q', None),
        (b"DAY ", b'M', Some(b'M')),
        (b"    ", b'Q', Some(b'Q')),
        (b"DAY ", b'z', Some(b'z')),
        (b"    ", b'C', Some(b'C')),
    ] {
        assert_eq!(says(&mut f, group, letter), want, "{group:?} {}", letter as char);
    }
    // One group is open when it says so, also after a new session.
    let mut night = Feed::of(&[("9656.N", X)], 8);
    assert_eq!((says(&mut night, b"DAY ", b'Q'), says(&mut night, b"NGHT", b'Q')), (None, Some(b'Q')));
    says(&mut f, b"DAY ", b'Q');
    Decode::reset(&mut f.0);
    assert_eq!(says(&mut f, b"DAYX", b'Q'), None);
}

#[test]
fn stamps_count_from_the_last_seconds_message() {
    let mut f = Feed::new(8);
    let stamp = |f: &mut Feed, id| f.give(&add(id, 1, 7, b"DAY ")).unwrap().first().map(|e| e.0);
    assert_eq!(stamp(&mut f, 1), Some(Nanos(7)));
    f.says(&[&b"T"[..], &57_600u32.to_be_bytes()].concat());
    assert_eq!(stamp(&mut f, 2), Some(Nanos(57_600_000_000_007)));
    // Every bit set is no overflow.
    f.says(b"T\xFF\xFF\xFF\xFF");
    assert_eq!(stamp(&mut f, 3), Some(Nanos(4_294_967_295_000_000_007)));
    Decode::reset(&mut f.0);
    f.says(&directory(7, "9656", b"DAY "));
    assert_eq!(stamp(&mut f, 4), Some(Nanos(7)));
}

#[test]
fn what_a_book_or_a_state_hangs_on_and_cannot_be_decoded_is_a_loss() {
    let mut f = Feed::new(8);
    for (kind, len) in wire::TYPES {
        let want = if matches!(kind, b'T' | b'L') { Refusal::Malformed } else { Refusal::Lost };
        let cut = [&[kind][..], &vec![0; len - 2]].concat();
        assert_eq!(f.give(&cut), Err(want), "{}", kind as char);
    }
    let mut no_side = add(1, 100, 7, b"DAY ");
    no_side[13] = b'T';
    assert_eq!(f.give(&no_side), Err(Refusal::Lost));
}

#[test]
fn its_packets_are_moldudp64() {
    type Packet<'a> = <Subscription as Protocol>::Packet<'a>;
    let bytes = [&b"1670788904\0\0\0\0\0\0\x8D\x71\0\x01\0\x05"[..], b"T\0\0\xE1\0"].concat();
    let p = Packet::parse(&bytes).unwrap();
    assert_eq!((p.session(), p.sequence(), p.kind()), (*b"1670788904", 0x8D71, PacketKind::Data));
    assert_eq!(p.blocks().collect::<Vec<_>>(), [b"T\0\0\xE1\0"]);
}
