//! Formats that are made into ITCH 5.0: each generated file gives exactly the messages that say the same, and the published samples give books.

use std::fs;
use std::path::{Path, PathBuf};

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
    assert_eq!(state(&bodies[8]), model::TradingState::Halted);
    let cross = model::CrossKind::Opening;
    assert_eq!(bodies[9], MarketBody::Cross { qty: 500, match_number: 4, px: Px(5_856_100), cross });
    assert_eq!(state(&bodies[10]), model::TradingState::Trading);
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
