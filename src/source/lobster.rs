//! LOBSTER message files: the events of one instrument and day as text, turned into ITCH 5.0.
//!
//! ```text
//!   AAPL_2012-06-21_34200000_57600000_message_10.csv      ticker, date, ..., "message", levels of the book file beside it
//!
//!   34200.004241176,1,16113575,18,5853300,1
//!   seconds         | |        |  |       direction of the order: 1 buy, -1 sell
//!                   | |        |  price, 1e-4 USD
//!                   | |        size
//!                   | order
//!                   type
//! ```
//!
//! | type | is | becomes |
//! |---|---|---|
//! | 1 | a new limit order | `A` |
//! | 2 | a cancel in part, of `size` | `X` |
//! | 3 | a deletion | `D` |
//! | 4 | an execution of a visible order | `E` |
//! | 5 | an execution of a hidden order | `P` with the hidden order's side, reference 0 |
//! | 6 | an auction; order -1 the opening, -2 the closing one | `Q` of kind `O`, `C`, otherwise `H` |
//! | 7 | the state of trading: price -1 halted, 0 quotation only, 1 trading | `H` |
//!
//! Made up: the locate (1), an `R` with the ticker of the file's name before the first row, match numbers from 1. Lost: the attribution (there is none in the
//! file), the date (ITCH has none), a trade's price where it is not its order's. A file begins in mid-day: orders that rested before are unknown references when
//! they trade or go, which the books count; nothing is invented for them. A seventh column, which some files carry, is not read.
//!
//! Numbers are read as whole numbers, the stamp too: no digit of it is lost, and more than nine behind the point are refused.

use std::path::Path;

use model::{Side, Symbol};
use net::pcap::window::Window;

use super::lobster_book::Book;
use super::made::{Made, STAMP_MAX, Stamp};
use super::{Fault, Message, cut_short};

/// Longest row that is looked at; the longest there can be has under 100 bytes.
const ROW_MAX: usize = 256;
/// The only instrument's number.
const LOCATE: u16 = 1;

/// Whether a file's first bytes are rows of LOBSTER messages.
pub(super) fn sniff(head: &[u8]) -> bool {
    let row = head.split(|b| *b == b'\n').next().unwrap_or_default();
    Row::parse(row.strip_suffix(b"\r").unwrap_or(row)).is_ok()
}

/// The ticker in the name of a message file.
pub(super) fn ticker(path: &Path) -> Option<Symbol> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(name);
    let mut parts = name.strip_suffix(".csv")?.split('_');
    let (ticker, date) = (parts.next()?, parts.next()?);
    let is_date = date.len() == 10
        && date
            .bytes()
            .enumerate()
            .all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    (is_date && parts.any(|p| p == "message")).then(|| Symbol::new(ticker))?
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    ns: u64,
    event: Event,
    /// Of the order, whatever happened to it.
    side: Side,
    /// Its price; 0 where it has none that ITCH can say.
    price: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Add { id: u64, side: Side, size: u32, price: u32 },
    Cancel { id: u64, size: u32 },
    Delete { id: u64 },
    Execute { id: u64, size: u32 },
    Hidden { side: Side, size: u32, price: u32 },
    Cross { kind: u8, size: u32, price: u32 },
    State(u8),
}

impl Row {
    /// # Errors
    /// What is wrong, to be said behind "line n: ".
    fn parse(row: &[u8]) -> Result<Row, &'static str> {
        let mut columns = row.split(|b| *b == b',');
        let mut column =
            || columns.next().ok_or("a row has six columns: time,type,order,size,price,direction");
        let (time, kind, id) = (column()?, column()?, column()?);
        let (size, price, direction) = (column()?, column()?, column()?);
        if columns.nth(1).is_some() {
            return Err("a row has six columns, and at most one more: this is no message file");
        }
        let ns = time_ns(time).ok_or("the time is not seconds since midnight with at most nine decimals")?;
        let size = whole(size).and_then(|n| u32::try_from(n).ok()).ok_or("the size is not a whole number")?;
        let price = signed(price).ok_or("the price is not a whole number (of 1e-4 USD)")?;
        let side = match direction {
            b"1" => Side::Buy,
            b"-1" => Side::Sell,
            _ => return Err("the direction is neither 1 nor -1"),
        };
        let signed_id = signed(id).ok_or("the order is not a whole number");
        let id = || whole(id).ok_or("the order is not a whole number");
        let positive =
            || u32::try_from(price).map_err(|_| "the price is negative or beyond what ITCH 5.0 can say");
        let event = match kind {
            b"1" => Event::Add { id: id()?, side, size, price: positive()? },
            b"2" => Event::Cancel { id: id()?, size },
            b"3" => Event::Delete { id: id()? },
            b"4" => Event::Execute { id: id()?, size },
            b"5" => Event::Hidden { side, size, price: positive()? },
            b"6" => {
                let kind = match signed_id? {
                    -1 => b'O',
                    -2 => b'C',
                    _ => b'H',
                };
                Event::Cross { kind, size, price: positive()? }
            }
            b"7" => Event::State(match price {
                -1 => b'H',
                0 => b'Q',
                1 => b'T',
                _ => return Err("the price of a halt is -1, 0 or 1"),
            }),
            _ => return Err("the type is none of 1 to 7"),
        };
        Ok(Row { ns, event, side, price: u32::try_from(price).unwrap_or(0) })
    }
}

/// A number of digits only.
fn whole(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, d| {
        let d = d.is_ascii_digit().then(|| u64::from(d - b'0'))?;
        n.checked_mul(10)?.checked_add(d)
    })
}

fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => i64::try_from(whole(digits)?).ok().map(|n| -n),
        None => i64::try_from(whole(text)?).ok(),
    }
}

/// `34200.00426064` as ns.
fn time_ns(text: &[u8]) -> Option<u64> {
    let point = text.iter().position(|b| *b == b'.').unwrap_or(text.len());
    let (seconds, fraction) = (&text[..point], text.get(point + 1..));
    let fraction = match fraction {
        None => 0,
        Some(digits) => whole(digits)? * 10u64.pow(9u32.checked_sub(digits.len() as u32)?),
    };
    whole(seconds)?.checked_mul(1_000_000_000)?.checked_add(fraction).filter(|ns| *ns <= STAMP_MAX)
}

/// A message file being read.
pub(super) struct Lobster {
    window: Window,
    symbol: Symbol,
    line: u64,
    is_named: bool,
    made: Made,
    /// Where levels are wanted in place of orders.
    book: Option<Book>,
}

impl Lobster {
    pub(super) fn new(window: Window, symbol: Symbol) -> Lobster {
        Lobster { window, symbol, line: 0, is_named: false, made: Made::default(), book: None }
    }

    /// Makes levels of this book file in place of orders.
    pub(super) fn by_levels(&mut self, book: Book) {
        self.book = Some(book);
    }

    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// The message that [`Lobster::advance`] went to.
    pub(super) fn message(&self) -> Message<'_> {
        self.made.message()
    }

    /// Goes to the next message; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, Fault> {
        while !self.made.advance() {
            if !self.row()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One row; `false` at the end.
    fn row(&mut self) -> Result<bool, Fault> {
        let offset = self.window.offset();
        let cut = |e| cut_short(e, Fault::Truncated { offset, what: "row" });
        let ahead = self.window.want(ROW_MAX).map_err(cut)?;
        if ahead.is_empty() {
            return Ok(false);
        }
        self.line += 1;
        let line = self.line;
        let bad = |what: &str| Fault::Entry { what: what.into(), kind: "line", number: line };
        let ahead = &ahead[..ahead.len().min(ROW_MAX)];
        let end = ahead.iter().position(|b| *b == b'\n');
        let row = match end {
            Some(end) => &ahead[..end],
            None if ahead.len() == ROW_MAX => return Err(bad("longer than any row of LOBSTER")),
            None => ahead,
        };
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        // Blank lines at the end are an editor's.
        let parsed = if row.is_empty() { None } else { Some(Row::parse(row).map_err(bad)?) };
        let passed = end.map_or(ahead.len(), |end| end + 1);
        self.window.pass(passed);
        if let Some(row) = parsed {
            self.make(row)?;
        }
        Ok(true)
    }

    fn make(&mut self, Row { ns, event, side, price }: Row) -> Result<(), Fault> {
        let (stamp, symbol, made) = (Stamp { locate: LOCATE, ns }, self.symbol, &mut self.made);
        if !self.is_named {
            self.is_named = true;
            made.directory(stamp, symbol);
        }
        if let Some(book) = &mut self.book {
            match event {
                // A trade of what is shown, and one of what is not.
                Event::Execute { size, .. } => made.trade(stamp, symbol, side, size, price),
                Event::Hidden { side, size, price } => made.trade(stamp, symbol, side, size, price),
                Event::Cross { kind, size, price } => made.cross(stamp, symbol, size, price, kind),
                Event::State(state) => made.trading_action(stamp, symbol, state),
                Event::Add { .. } | Event::Cancel { .. } | Event::Delete { .. } => {}
            }
            return book.advance(stamp, symbol, made);
        }
        match event {
            Event::Add { id, side, size, price } => made.add(stamp, symbol, id, side, size, price),
            Event::Cancel { id, size } => made.cancel(stamp, id, size),
            Event::Delete { id } => made.delete(stamp, id),
            Event::Execute { id, size } => made.execute(stamp, id, size),
            Event::Hidden { side, size, price } => made.trade(stamp, symbol, side, size, price),
            Event::Cross { kind, size, price } => made.cross(stamp, symbol, size, price, kind),
            Event::State(state) => made.trading_action(stamp, symbol, state),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_keeps_every_digit() {
        for (text, ns) in [
            ("34200.004241176", 34_200_004_241_176),
            ("34200.00426064", 34_200_004_260_640),
            ("34200.5", 34_200_500_000_000),
            ("34200", 34_200_000_000_000),
            ("0.000000001", 1),
        ] {
            assert_eq!(time_ns(text.as_bytes()), Some(ns), "{text}");
        }
        for text in [
            "",
            ".",
            ".5",
            "1.",
            "1.0000000000",
            "-1",
            "+1",
            "1e3",
            "1.-5",
            "1.2.3",
            "281475",
            "99999999999999999999",
        ] {
            assert_eq!(time_ns(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn rows_of_every_type() {
        let event = |row: &str| Row::parse(row.as_bytes()).map(|r| r.event);
        let (id, size, price) = (9, 18, 5_853_300);
        for (row, want) in [
            ("1.5,1,9,18,5853300,1", Event::Add { id, side: Side::Buy, size, price }),
            ("1.5,1,9,18,5853300,-1", Event::Add { id, side: Side::Sell, size, price }),
            ("1.5,2,9,18,5853300,1", Event::Cancel { id, size }),
            ("1.5,3,9,18,5853300,1", Event::Delete { id }),
            ("1.5,4,9,18,5853300,1", Event::Execute { id, size }),
            ("1.5,5,0,18,5853300,-1", Event::Hidden { side: Side::Sell, size, price }),
            ("1.5,6,-1,18,5853300,-1", Event::Cross { kind: b'O', size, price }),
            ("1.5,6,-2,18,5853300,-1", Event::Cross { kind: b'C', size, price }),
            ("1.5,6,-3,18,5853300,-1", Event::Cross { kind: b'H', size, price }),
            ("1.5,7,0,0,-1,-1", Event::State(b'H')),
            ("1.5,7,0,0,0,-1", Event::State(b'Q')),
            ("1.5,7,0,0,1,-1", Event::State(b'T')),
            ("1.5,3,9,18,5853300,1,null", Event::Delete { id }),
        ] {
            assert_eq!(event(row), Ok(want), "{row}");
        }
        for (row, says) in [
            ("1.5,1,9,18,5853300", "six columns"),
            ("1.5,1,9,18,5853300,1,2,3", "no message file"),
            ("x,1,9,18,5853300,1", "the time"),
            ("1.5,8,9,18,5853300,1", "the type"),
            ("1.5,1,-9,18,5853300,1", "the order"),
            ("1.5,1,9,1.8,5853300,1", "the size"),
            ("1.5,1,9,4294967296,5853300,1", "the size"),
            ("1.5,1,9,18,585.33,1", "the price is not"),
            ("1.5,1,9,18,-5853300,1", "the price is negative"),
            ("1.5,1,9,18,4294967296,1", "the price is negative or beyond"),
            ("1.5,1,9,18,5853300,0", "the direction"),
            ("1.5,7,0,0,2,-1", "the price of a halt"),
        ] {
            let e = event(row).expect_err(row);
            assert!(e.contains(says), "{row}: {e}");
        }
    }

    #[test]
    fn the_name_says_the_ticker() {
        let of = |name: &str| ticker(Path::new(name));
        let aapl = Symbol::new("AAPL");
        assert_eq!(of("a/AAPL_2012-06-21_message_10.csv"), aapl);
        assert_eq!(of("AAPL_2012-06-21_34200000_57600000_message_1.csv.zst"), aapl);
        assert_eq!(of("AAPL_2012-06-21_message_10.csv.gz"), aapl);
        for name in [
            "AAPL_2012-06-21_orderbook_10.csv",
            "AAPL.csv",
            "AAPL_20120621_message_1.csv",
            "_2012-06-21_message_1.csv",
            "TOOLONGTICKER_2012-06-21_message_1.csv",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
