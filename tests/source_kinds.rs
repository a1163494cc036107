//! Formats that are made into ITCH 5.0: each generated file gives exactly the messages that say the same, and the published samples give books.

use std::fs;
use std::path::{Path, PathBuf};

use backtest::venue::{Rules, Said, Venue};
use colo::prelude::*;
use colo::source::{self, Source, SourceError};
use engine::book::{BookCapacity, FlatBooks, NaiveBooks};
use feeds::itch50::decode;
use model::{MarketBody, MarketEvent, Symbol, VenueRef};

#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    if !path.exists() {
        eprintln!("skipped: {} is absent", path.display());
    }
    path.exists().then_some(path)
}

/// Every message of `bytes` in a file of this name, decoded.
fn events_of(name: &str, bytes: impl Into<Vec<u8>>) -> Result<Vec<MarketEvent>, SourceError> {
    let mut source = Source::read(Path::new(name), std::io::Cursor::new(bytes.into()))?;
    let mut events = Vec::new();
    while let Some(m) = source.next_message()? {
        events.push(decode(m.bytes).expect("what is made is ITCH 5.0"));
        assert_eq!(m.sequence, events.len() as u64);
    }
    Ok(events)
}

fn bodies_of(name: &str, bytes: impl Into<Vec<u8>>) -> Vec<MarketBody> {
    events_of(name, bytes).unwrap_or_else(|e| panic!("{e}")).into_iter().map(|e| e.body).collect()
}

const LOBSTER: &str = "AAPL_2012-06-21_34200000_57600000_message_10.csv";

const ROWS: &str = "\
34200.004241176,1,16113575,18,5853300,1
34200.00426064,1,16113584,20,5859100,-1
34200.1,2,16113575,8,5853300,1
34200.2,4,16113575,5,5853300,1
34200.3,5,0,100,5856000,-1
34200.4,3,16113575,5,5853300,1
34200.5,4,77,5,5853300,1
34200.6,7,0,0,-1,-1
34200.7,6,-1,500,5856100,-1
34200.8,7,0,0,1,-1
";

#[test]
fn lobster_rows_become_the_messages_that_say_the_same() {
    let aapl = Symbol::new("AAPL").unwrap();
    let events = events_of(LOBSTER, ROWS).unwrap();
    let stamps: Vec<u64> = events.iter().map(|e| e.ts_event.0 - 34_200_000_000_000).collect();
    let tenths = (1..=8).map(|n| n * 100_000_000);
    assert_eq!(stamps, [4_241_176, 4_241_176, 4_260_640].into_iter().chain(tenths).collect::<Vec<_>>());
    assert!(events.iter().all(|e| e.instrument == InstrumentId(1)));
    let (one, two) = (VenueRef(16_113_575), VenueRef(16_113_584));
    let add =
        |order, side, qty, px| MarketBody::Add { order, px: Px(px), qty: Qty(qty), side, mpid: *b"    " };
    let bodies: Vec<_> = events.into_iter().map(|e| e.body).collect();
    assert!(matches!(bodies[0], MarketBody::Directory { symbol, .. } if symbol == aapl));
    assert_eq!(bodies[1], add(one, Side::Buy, 18, 5_853_300));
    assert_eq!(bodies[2], add(two, Side::Sell, 20, 5_859_100));
    assert_eq!(bodies[3], MarketBody::Reduce { order: one, qty: Qty(8) });
    assert_eq!(bodies[4], MarketBody::Execute { order: one, qty: Qty(5), match_number: 1 });
    let (px, qty) = (Px(5_856_000), Qty(100));
    assert_eq!(bodies[5], MarketBody::Trade { px, qty, match_number: 2, side: Side::Sell });
    assert_eq!(bodies[6], MarketBody::Delete { order: one });
    assert_eq!(bodies[7], MarketBody::Execute { order: VenueRef(77), qty: Qty(5), match_number: 3 });
    let state = |b: &MarketBody| match b {
        MarketBody::TradingAction { state, .. } => *state,
        other => panic!("{other:?}"),
    };
    assert_eq!(state(&bodies[8]), TradingState::Halted);
    let cross = model::CrossKind::Opening;
    assert_eq!(bodies[9], MarketBody::Cross { qty: 500, match_number: 4, px: Px(5_856_100), cross });
    assert_eq!(state(&bodies[10]), TradingState::Trading);
    assert_eq!(bodies.len(), 11);
}

#[test]
fn lobster_reads_the_same_with_other_line_ends_packed_and_cut_anywhere_between_rows() {
    let want = bodies_of(LOBSTER, ROWS);
    assert_eq!(bodies_of(LOBSTER, ROWS.replace('\n', "\r\n")), want);
    assert_eq!(bodies_of(LOBSTER, ROWS.trim_end()), want);
    assert_eq!(bodies_of(LOBSTER, format!("{ROWS}\n")), want);
    assert_eq!(bodies_of(&format!("{LOBSTER}.zst"), zstd::encode_all(ROWS.as_bytes(), 3).unwrap()), want);
}

#[test]
fn a_source_says_how_much_of_its_file_it_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("{LOBSTER}.zst"));
    fs::write(&path, zstd::encode_all(ROWS.as_bytes(), 3).unwrap()).unwrap();
    let size = fs::metadata(&path).unwrap().len();
    let mut source = Source::open(&path).unwrap();
    assert_eq!(source.size(), Some(size));
    while source.next().unwrap().is_some() {}
    assert_eq!(source.bytes_read(), size, "packed as it is");
    assert_eq!(Source::read(&path, ROWS.as_bytes()).unwrap().size(), None);
}

#[test]
fn a_wrong_lobster_file_is_one_sentence_with_its_line() {
    for (name, rows, says) in [
        (LOBSTER, format!("{ROWS}34201,1,5,6"), format!("{LOBSTER}: line 11: a row has six columns")),
        (LOBSTER, ROWS.replace(",5,5853300", ",5.5,5853300"), format!("{LOBSTER}: line 4: the size is not")),
        (LOBSTER, "time,type,id,size,price,dir\n".into(), format!("{LOBSTER}: line 1: the time is not")),
        (LOBSTER, format!("{ROWS}{}", "9".repeat(300)), format!("{LOBSTER}: line 11: longer than any row")),
        ("aapl.csv", ROWS.into(), "aapl.csv: rows as of a LOBSTER message file, whose name says".into()),
        ("aapl.csv", "5859400,200,5853300,18\n".into(), "aapl.csv: not an ITCH 5.0 BinaryFILE".into()),
    ] {
        let e = events_of(name, rows).expect_err(&says).to_string();
        assert!(e.starts_with(&says) && !e.contains('\n'), "{e}");
    }
}

/// The best price and its total of each side, as the book file has them.
fn written_top(row: &str) -> Option<(i64, u64, i64, u64)> {
    let mut columns = row.split(',').map(|c| c.parse::<i64>().unwrap());
    let mut column = || columns.next().unwrap();
    let (ask, ask_size, bid, bid_size) = (column(), column(), column(), column());
    (ask > 0 && bid > 0).then_some((bid, bid_size as u64, ask, ask_size as u64))
}

/// The sample's book holds orders that rested before its first row, and no message says which: ours lacks those, and is never better. Where the best prices are
/// orders that the file brought, they agree; by far most do (44 of its rows are known to differ).
#[test]
fn the_published_lobster_sample_gives_the_books_beside_it() {
    let Some(path) = shared("lobster/AAPL_2012-06-21_message_10.csv") else { return };
    let books_file = path.with_file_name("AAPL_2012-06-21_orderbook_10.csv");
    let rows = fs::read_to_string(books_file).unwrap();
    let mut source = Source::open(&path).unwrap();
    let capacity = BookCapacity { instruments: 2, live_orders: 4_096, levels: 1_024, direct_refs: 0 };
    let (mut fast, mut naive) = (FlatBooks::new(&capacity), NaiveBooks::new(&capacity));
    assert_eq!(source.next().unwrap().unwrap()[0], b'R');
    let (mut compared, mut agree, mut unknown) = (0u32, 0u32, 0u32);
    for row in rows.lines() {
        let event = decode(source.next().unwrap().expect("a message a row")).unwrap();
        let change = fast.apply(&event);
        assert_eq!(change, naive.apply(&event));
        unknown += u32::from(change.effect == engine::book::Effect::UnknownRef);
        let top = fast.top(InstrumentId(1));
        if let Some(want) = written_top(row).filter(|_| top.bid_qty > 0 && top.ask_qty > 0) {
            compared += 1;
            // Ours has fewer orders, never better ones.
            assert!(top.bid_px.0 <= want.0 && top.ask_px.0 >= want.2, "{row}");
            agree += u32::from((top.bid_px.0, top.bid_qty, top.ask_px.0, top.ask_qty) == want);
        }
    }
    assert!(source.next().unwrap().is_none());
    println!("{compared} rows compared, {agree} tops agree wholly, {unknown} unknown references");
    assert!(compared > 900 && agree >= 950, "{agree} of {compared}");
    assert_eq!(unknown, 9, "orders of before the file are counted");
    let framed = source::read_all(&path).unwrap();
    assert_eq!(framed.messages, 1_000, "999 rows and the ticker");
}

/// A DBN file of schema `schema` with these records.
fn dbn(version: u8, schema: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let mut meta = Vec::new();
    meta.extend_from_slice(b"XNAS.ITCH\0\0\0\0\0\0\0");
    meta.extend_from_slice(&schema.to_le_bytes());
    for n in [DAY, u64::MAX, 0] {
        meta.extend_from_slice(&n.to_le_bytes());
    }
    let symbol_len: u16 = if version == 1 { 22 } else { 71 };
    if version == 1 {
        meta.extend_from_slice(&[0xFF; 8]);
    }
    // Raw symbols in, instrument numbers out, no time of sending behind each record.
    meta.extend_from_slice(&[1, 0, 0]);
    if version > 1 {
        meta.extend_from_slice(&symbol_len.to_le_bytes());
    }
    meta.extend_from_slice(&vec![0; if version == 1 { 47 } else { 53 }]);
    let symbol = |s: &str| [s.as_bytes(), &vec![0; usize::from(symbol_len) - s.len()]].concat();
    meta.extend_from_slice(&[0; 4 * 4]);
    meta.extend_from_slice(&2u32.to_le_bytes());
    for (name, number) in [("AAPL", "7"), ("A NAME TOO LONG", "9")] {
        meta.extend_from_slice(&symbol(name));
        for n in [1, 20_240_102, 20_240_103_u32] {
            meta.extend_from_slice(&n.to_le_bytes());
        }
        meta.extend_from_slice(&symbol(number));
    }
    meta.resize(meta.len().next_multiple_of(8), 0);
    let mut file = [&b"DBN"[..], &[version], &(meta.len() as u32).to_le_bytes(), &meta].concat();
    records.iter().for_each(|r| file.extend_from_slice(r));
    file
}

/// Midnight, UTC, of 2 January 2024.
const DAY: u64 = 1_704_153_600_000_000_000;
const UNDEF: i64 = i64::MAX;

#[derive(Clone, Copy)]
struct Mbo(u8, u8, u32, u64, i64, u32);

impl Mbo {
    /// Action, side, instrument, order, price in 1e-9, size; the n-th is stamped n seconds after midnight.
    fn record(self, n: u64) -> Vec<u8> {
        self.flagged(n, 128)
    }

    /// The same, the last of its event (128) or not.
    fn flagged(self, n: u64, flags: u8) -> Vec<u8> {
        let Mbo(action, side, instrument, order, price, size) = self;
        let ts = DAY + n * 1_000_000_000;
        let mut r = vec![14, 0xA0, 2, 0];
        r.extend_from_slice(&instrument.to_le_bytes());
        r.extend_from_slice(&ts.to_le_bytes());
        r.extend_from_slice(&order.to_le_bytes());
        r.extend_from_slice(&price.to_le_bytes());
        r.extend_from_slice(&size.to_le_bytes());
        r.extend_from_slice(&[flags, 0, action, side]);
        r.extend_from_slice(&(ts + 5_000).to_le_bytes());
        r.extend_from_slice(&[0; 8]);
        assert_eq!(r.len(), 56);
        r
    }
}

fn records(of: &[Mbo]) -> Vec<Vec<u8>> {
    of.iter().zip(1..).map(|(m, n)| m.record(n)).collect()
}

const USD: i64 = 1_000_000_000;

#[test]
fn dbn_actions_have_the_effect_on_the_book_that_the_format_says() {
    let day = [
        Mbo(b'R', b'N', 7, 0, UNDEF, 0),
        Mbo(b'A', b'B', 7, 100, 10 * USD, 50),
        Mbo(b'A', b'A', 7, 200, 11 * USD, 40),
        Mbo(b'A', b'B', 9, 300, 5 * USD, 30),
        // A trade of nobody's order, and one of which only the fill is told: the cancel behind it takes the shares.
        Mbo(b'T', b'B', 7, 0, 11 * USD, 10),
        Mbo(b'F', b'A', 7, 200, 11 * USD, 10),
        Mbo(b'C', b'A', 7, 200, 11 * USD, 10),
        // Less at the same price keeps its place, more or another price does not.
        Mbo(b'M', b'B', 7, 100, 10 * USD, 20),
        Mbo(b'M', b'B', 7, 100, 10 * USD, 60),
        Mbo(b'M', b'B', 7, 100, 9 * USD, 60),
        Mbo(b'M', b'B', 7, 100, 9 * USD, 60),
        Mbo(b'C', b'A', 7, 200, 11 * USD, 30),
        Mbo(b'N', b'N', 7, 0, UNDEF, 0),
        // Of before the file, and more than there is.
        Mbo(b'C', b'B', 7, 77, 10 * USD, 5),
        Mbo(b'M', b'B', 7, 78, 10 * USD, 5),
        Mbo(b'C', b'B', 9, 300, 5 * USD, 31),
        Mbo(b'A', b'B', 7, 90, 8 * USD, 1),
        Mbo(b'T', b'A', 7, 0, 11 * USD + 1, 10),
        Mbo(b'A', b'A', 7, 91, UNDEF, 1),
        Mbo(b'R', b'N', 7, 0, UNDEF, 0),
        Mbo(b'C', b'B', 7, 100, 9 * USD, 60),
    ];
    let file = dbn(3, 0, &records(&day));
    let events = events_of("day.dbn", file.clone()).unwrap();
    let (one, other) = (InstrumentId(1), InstrumentId(2));
    let add = |order, side, qty, px| MarketBody::Add {
        order: VenueRef(order),
        px: Px(px),
        qty: Qty(qty),
        side,
        mpid: *b"    ",
    };
    let reduce = |order, qty| MarketBody::Reduce { order: VenueRef(order), qty: Qty(qty) };
    let replace = |order, qty, px| MarketBody::Replace {
        old: VenueRef(order),
        new: VenueRef(order),
        qty: Qty(qty),
        px: Px(px),
    };
    let delete = |order| MarketBody::Delete { order: VenueRef(order) };
    let want = [
        (2, one, add(100, Side::Buy, 50, 100_000)),
        (3, one, add(200, Side::Sell, 40, 110_000)),
        (4, other, add(300, Side::Buy, 30, 50_000)),
        (5, one, MarketBody::Trade { px: Px(110_000), qty: Qty(10), match_number: 1, side: Side::Sell }),
        (7, one, MarketBody::Execute { order: VenueRef(200), qty: Qty(10), match_number: 2 }),
        (8, one, reduce(100, 30)),
        (9, one, replace(100, 60, 100_000)),
        (10, one, replace(100, 60, 90_000)),
        (12, one, delete(200)),
        (14, one, reduce(77, 5)),
        (15, one, replace(78, 5, 100_000)),
        (16, other, reduce(300, 31)),
        (17, one, add(90, Side::Buy, 1, 80_000)),
        (20, one, delete(90)),
        (20, one, delete(100)),
        (21, one, reduce(100, 60)),
    ];
    let named: Vec<_> = events
        .iter()
        .filter_map(|e| match e.body {
            MarketBody::Directory { symbol, .. } => Some((e.instrument, symbol.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(named, [(one, "AAPL".to_string()), (other, "#9".to_string())]);
    let got: Vec<_> = events
        .iter()
        .filter(|e| !matches!(e.body, MarketBody::Directory { .. }))
        .map(|e| (e.ts_event.0 / 1_000_000_000, e.instrument, e.body))
        .collect();
    assert_eq!(got, want);

    let mut source = Source::read(Path::new("day.dbn"), std::io::Cursor::new(file)).unwrap();
    let capacity = BookCapacity { instruments: 3, live_orders: 64, levels: 64, direct_refs: 0 };
    let (mut fast, mut naive) = (FlatBooks::new(&capacity), NaiveBooks::new(&capacity));
    while let Some(m) = source.next().unwrap() {
        let event = decode(m).unwrap();
        assert_eq!(fast.apply(&event), naive.apply(&event));
        assert_eq!(fast.top(one), naive.top(one));
    }
    assert_eq!(fast.live_orders(), 0);
    assert_eq!(fast.stats().unknown_refs.total(), 3, "orders 77, 78 and the one that was cleared");
    let remarks = source.remarks().join("\n");
    assert!(remarks.contains("1 trade(s) without") && remarks.contains("1 order(s) without"), "{remarks}");
}

/// Records of events: each at its number, flagged as the last of it where the next has another.
fn events(of: &[(u64, Mbo)]) -> Vec<Vec<u8>> {
    let last = |k: usize| of.get(k + 1).is_none_or(|next| next.0 != of[k].0);
    of.iter().enumerate().map(|(k, (n, m))| m.flagged(*n, if last(k) { 128 } else { 0 })).collect()
}

#[test]
fn a_dbn_trade_is_said_once_as_executions_of_whom_it_met() {
    let resting = |order, size| Mbo(b'A', b'A', 7, order, 11 * USD, size);
    let trade = |size| Mbo(b'T', b'B', 7, 0, 11 * USD, size);
    let fill = |order, size| Mbo(b'F', b'A', 7, order, 11 * USD, size);
    let cancel = |order, size| Mbo(b'C', b'A', 7, order, 11 * USD, size);
    let modify = |order, size| Mbo(b'M', b'A', 7, order, 11 * USD, size);
    let day = [
        (1, resting(1, 50)),
        (2, resting(2, 50)),
        (3, resting(3, 50)),
        // All of one order and a part of the next, ten more hidden ones.
        (4, trade(90)),
        (4, fill(1, 50)),
        (4, fill(2, 30)),
        (4, cancel(1, 50)),
        (4, cancel(2, 30)),
        // As venues that modify say it, and ten of its own accord beside it.
        (5, trade(5)),
        (5, fill(2, 5)),
        (5, modify(2, 15)),
        (6, trade(5)),
        (6, fill(2, 5)),
        (6, modify(2, 8)),
        // Shown anew: behind all others.
        (7, trade(8)),
        (7, fill(2, 8)),
        (7, modify(2, 8)),
        // Met at another price than its own; then somebody of before the file.
        (8, Mbo(b'T', b'B', 7, 0, 12 * USD, 20)),
        (8, Mbo(b'F', b'A', 7, 3, 12 * USD, 20)),
        (8, cancel(3, 50)),
        (9, trade(7)),
        (9, fill(99, 7)),
        (9, cancel(99, 7)),
        (10, cancel(2, 8)),
        // Behind a trade nothing comes any more.
        (11, trade(3)),
    ];
    let mut file = events(&day);
    let last = file.len() - 1;
    file[last][36] = 0;
    let got: Vec<String> = events_of("day.dbn", dbn(3, 0, &file))
        .unwrap()
        .iter()
        .filter_map(|e| {
            let at = e.ts_event.0 / 1_000_000_000;
            Some(match e.body {
                MarketBody::Execute { order, qty, .. } => format!("{at} E {} {}", order.0, qty.0),
                MarketBody::ExecuteAt { order, qty, px, .. } => {
                    format!("{at} C {} {} {}", order.0, qty.0, px.0)
                }
                MarketBody::Reduce { order, qty } => format!("{at} X {} {}", order.0, qty.0),
                MarketBody::Delete { order } => format!("{at} D {}", order.0),
                MarketBody::Trade { qty, px, side, .. } => format!("{at} P {side:?} {} {}", qty.0, px.0),
                MarketBody::Add { order, qty, .. } if at > 3 => format!("{at} A {} {}", order.0, qty.0),
                MarketBody::Add { .. } | MarketBody::Directory { .. } => return None,
                other => format!("{at} {other:?}"),
            })
        })
        .collect();
    let want = [
        "4 E 1 50",
        "4 E 2 30",
        "4 P Sell 10 110000",
        "5 E 2 5",
        "6 E 2 5",
        "6 X 2 2",
        "7 E 2 8",
        "7 A 2 8",
        "8 C 3 20 120000",
        "8 D 3",
        "9 X 99 7",
        "9 P Sell 7 110000",
        "10 D 2",
        "11 P Sell 3 110000",
    ];
    assert_eq!(got, want);
}

/// The order of ours stands behind 100 shares and before 40: it trades when these do, at its own price, and as many shares as they.
#[test]
fn an_order_of_ours_trades_at_its_own_price_when_a_dbn_fill_is_of_one_behind_it() {
    let offer = |action, order, size| Mbo(action, b'A', 7, order, 11 * USD, size);
    let trade = |size| Mbo(b'T', b'B', 7, 0, 11 * USD, size);
    let day = [
        (1, offer(b'A', 1, 100)),
        (2, offer(b'A', 2, 40)),
        (3, trade(100)),
        (3, offer(b'F', 1, 100)),
        (3, offer(b'C', 1, 100)),
        (4, trade(25)),
        (4, offer(b'F', 2, 25)),
        (4, offer(b'C', 2, 25)),
        (5, offer(b'C', 2, 15)),
    ];
    let capacity = BookCapacity { instruments: 2, live_orders: 64, levels: 64, direct_refs: 0 };
    let mut venue = Venue::new(Rules::default(), &capacity, 1);
    let (mut said, mut filled) = (Said::default(), Vec::new());
    let body =
        MarketBody::TradingAction { symbol: Symbol::BLANK, state: TradingState::Trading, reason: *b"    " };
    venue.on_market(&MarketEvent { ts_event: Nanos::ZERO, instrument: InstrumentId(1), body }, &mut said);
    for event in events_of("day.dbn", dbn(3, 0, &events(&day))).unwrap() {
        if matches!(event.body, MarketBody::Add { order: VenueRef(2), .. }) {
            let (qty, px, tif) = (Qty(60), Px(110_000), Tif::Day);
            let kind = model::CommandKind::New {
                token: model::Token(1),
                side: Side::Sell,
                short: false,
                qty,
                px,
                tif,
            };
            let command =
                model::OrderCommand { gateway: model::GatewayId(0), instrument: InstrumentId(1), kind };
            venue.on_command(Nanos(1), &command, &mut said);
            assert_eq!(venue.ahead(model::Token(1)), Some(100));
        }
        said.clear();
        venue.on_market(&event, &mut said);
        filled.extend(said.reports.iter().filter_map(|r| match r.kind {
            ReportKind::Executed { qty, px, .. } => Some((event.ts_event.0 / 1_000_000_000, qty.0, px.0)),
            _ => None,
        }));
    }
    assert_eq!(filled, [(4, 25, 110_000)]);
}

#[test]
fn dbn_says_the_same_in_every_version_packed_and_beside_other_records() {
    let day = records(&[Mbo(b'A', b'B', 7, 100, 10 * USD, 50), Mbo(b'C', b'B', 7, 100, 10 * USD, 20)]);
    let want = bodies_of("a.dbn", dbn(3, 0, &day));
    assert_eq!(want.len(), 3);
    let mut mixed = day.clone();
    let mut system = vec![0; 40];
    (system[0], system[1]) = (10, 0x17);
    mixed.insert(1, system);
    // A time of sending behind each record makes it eight bytes longer.
    let sent: Vec<_> = day.iter().map(|r| [&[16], &r[1..], &[9; 8]].concat()).collect();
    for (name, file) in [
        ("1", dbn(1, 0, &day)),
        ("2", dbn(2, 0, &day)),
        ("zst", zstd::encode_all(&dbn(2, 0, &day)[..], 3).unwrap()),
        ("other", dbn(3, 0, &mixed)),
        ("ts_out", dbn(3, 0, &sent)),
    ] {
        assert_eq!(bodies_of(name, file), want, "{name}");
    }
}

#[test]
fn a_wrong_dbn_file_is_one_sentence_with_its_record() {
    let one = |m: Mbo| dbn(3, 0, &records(&[Mbo(b'R', b'N', 7, 0, UNDEF, 0), m]));
    let good = Mbo(b'A', b'B', 7, 100, 10 * USD, 50);
    let whole = one(good);
    let mut publisher = records(&[good, good]);
    publisher[1][2] = 3;
    let late = good.record(4 * 86_400);
    let mut short = good.record(1);
    short[0] = 13;
    short.truncate(52);
    for (file, says) in [
        (dbn(3, 2, &[]), "a DBN file of schema mbp-10, which has no orders"),
        (dbn(3, u16::MAX, &[]), "a DBN file of several schemas"),
        (dbn(4, 0, &[]), "a DBN file of version 4; 1 to 3 are read here"),
        (b"DBN\x03\xFF\xFF\xFF\x7F".to_vec(), "bytes of metadata, more than any has"),
        (b"DBN\x03\x04\0\0\0....".to_vec(), "a DBN file whose metadata cannot be read: "),
        (whole[..100].to_vec(), "cut off at byte 0: the metadata"),
        (whole[..whole.len() - 1].to_vec(), "the record that starts there is not complete"),
        (one(Mbo(b'A', b'B', 7, 1, 10 * USD + 1, 50)), "record 2: the price 10000000001 (of 1e-9)"),
        (one(Mbo(b'A', b'B', 7, 1, -USD, 50)), "record 2: the price -1000000000"),
        (one(Mbo(b'M', b'B', 7, 1, 430_000 * USD, 50)), "record 2: the price 430000000000000"),
        (one(Mbo(b'A', b'N', 7, 1, USD, 50)), "record 2: an order without a side"),
        (one(Mbo(b'A', b'x', 7, 1, USD, 50)), "record 2: 0x78 is no side"),
        (one(Mbo(b'?', b'B', 7, 1, USD, 50)), "record 2: 0x3f is no action"),
        (dbn(3, 0, &publisher), "record 2: of publisher 3 in a file of publisher 2"),
        (dbn(3, 0, &[good.record(1), late]), "record 2: more than three days"),
        (dbn(3, 0, &[short]), "record 1: its length is less than an MBO record's"),
        (dbn(3, 0, &[vec![0; 56]]), "record 1: its length is less than a record's head"),
    ] {
        let e = events_of("day.dbn", file).expect_err(says).to_string();
        assert!(e.starts_with("day.dbn: ") && e.contains(says) && !e.contains('\n'), "{says}: {e}");
    }
}

#[test]
fn the_published_dbn_files_of_every_version_hold_the_same_messages() {
    let files = ["mbo.dbn", "mbo.v1.dbn.zst", "mbo.v2.dbn.zst", "mbo.v3.dbn", "mbo.v3.dbn.zst"];
    let mut all = Vec::new();
    for file in files {
        let Some(path) = shared(&format!("dbn/test_data.{file}")) else { return };
        all.push(source::read_all(&path).unwrap_or_else(|e| panic!("{e}")));
    }
    assert!(all.iter().all(|f| *f == all[0]));
    let events: Vec<_> = all[0].iter().map(|m| decode(m).unwrap()).collect();
    assert!(matches!(events[0].body, MarketBody::Directory { symbol, .. } if symbol.to_string() == "ESH1"));
    // Both records take a contract off an order of before the file.
    let reduce = |order| MarketBody::Reduce { order: VenueRef(order), qty: Qty(1) };
    assert_eq!(events[1].body, reduce(647_784_973_705));
    assert_eq!(events[2].body, reduce(647_784_973_631));
    assert_eq!(events.len(), 3);
    // 1,609,160,400,000,429,831 ns after 1970 is 13 o'clock and a little, UTC.
    assert_eq!(events[1].ts_event.0, 13 * 3_600_000_000_000 + 429_831);
    for (file, schema) in [("mbp-10.dbn", "mbp-10"), ("trades.v3.dbn.zst", "trades")] {
        let Some(path) = shared(&format!("dbn/test_data.{file}")) else { return };
        let e = Source::open(&path).err().expect("no orders in it").to_string();
        assert!(e.contains(&format!("a DBN file of schema {schema}")), "{e}");
    }
}

/// Cut anywhere and with bytes changed, every format ends in messages or a sentence.
#[test]
fn hostile_files_never_panic_nor_hang() {
    let day = records(&[
        Mbo(b'A', b'B', 7, 100, 10 * USD, 50),
        Mbo(b'M', b'B', 7, 100, 10 * USD, 20),
        Mbo(b'T', b'A', 7, 0, 10 * USD, 20),
        Mbo(b'F', b'B', 7, 100, 10 * USD, 20),
        Mbo(b'C', b'B', 7, 100, 10 * USD, 20),
        Mbo(b'R', b'B', 7, 100, 10 * USD, 20),
    ]);
    let mut seed = 0x5EED_D011u64;
    let mut below = |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % n.max(1)
    };
    for (name, whole) in [
        (LOBSTER, ROWS.as_bytes().to_vec()),
        ("day.dbn", dbn(1, 0, &day)),
        ("day.dbn", dbn(3, 0, &day)),
        ("day.dbn.zst", zstd::encode_all(&dbn(3, 0, &day)[..], 3).unwrap()),
    ] {
        for _ in 0..2_000 {
            let mut bad = whole.clone();
            bad.truncate(whole.len() - below(whole.len()) * below(2));
            for _ in 0..below(5) {
                let at = below(bad.len());
                bad[at] = [0, 0xFF, b'-', b',', below(256) as u8][below(5)];
            }
            let Ok(mut source) = Source::read(Path::new(name), std::io::Cursor::new(bad)) else { continue };
            let mut count = 0;
            while let Ok(Some(m)) = source.next() {
                assert!(decode(m).is_ok());
                count += 1;
                assert!(count <= whole.len(), "more messages than bytes");
            }
        }
    }
}
