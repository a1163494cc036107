//! LOBSTER order book files: behind each row of a message file, the levels of both sides, turned into one order a level.
//!
//! ```text
//!   AAPL_2012-06-21_34200000_57600000_orderbook_10.csv        beside ..._message_10.csv, row by row
//!
//!   5859400,200,5853300,18,5859800,200,5853000,150,...
//!   ask px  |   bid px  |   second level               1e-4 USD; where a side has fewer levels, size 0 at a price of no market
//! ```
//!
//! A level that comes is `A`, one with less `X`, one with more `U` to the same reference, one that goes `D`; trades come from the message file (`P`), before the change they made. What takes away
//! comes first, so that the book is not crossed in between.
//!
//! A file of N levels says nothing of the (N+1)th: a level that others have pushed out of sight stays as it was last seen, until it is in sight again or has to be gone because a worse one is. So nobody
//! is taken to have given up because they could no longer be seen.

use std::collections::BTreeMap;
use std::io::BufRead;

use model::{Side, Symbol};

use super::Fault;
use super::made::{Made, Stamp};

/// Longest row: the longest that is sold has 200 levels.
const ROW_MAX: u64 = 1 << 14;
/// Prices beyond are of no market.
const PRICE_MAX: i64 = 1_000_000_000;

/// The levels as they were told last.
pub(super) struct Book {
    rows: Box<dyn BufRead + Send>,
    line: u64,
    text: Vec<u8>,
    /// By side, price: shares.
    levels: [BTreeMap<u32, u32>; 2],
    /// One row's, by side.
    said: [BTreeMap<u32, u32>; 2],
}

/// A level's reference: the same for as long as the level is.
fn reference(side: Side, price: u32) -> u64 {
    1 << 40 | (side as u64) << 32 | u64::from(price)
}

impl Book {
    pub(super) fn new(rows: Box<dyn BufRead + Send>) -> Book {
        Book { rows, line: 0, text: Vec::new(), levels: Default::default(), said: Default::default() }
    }

    /// Makes messages of what the next row says to be other than before.
    ///
    /// # Errors
    /// There is none, or it is none of a book file; named by the book file's line.
    pub(super) fn advance(&mut self, stamp: Stamp, symbol: Symbol, made: &mut Made) -> Result<(), Fault> {
        self.line += 1;
        let number = self.line;
        let bad =
            |what: &str| Fault::Entry { what: what.into(), kind: "line of the order book file", number };
        self.text.clear();
        let mut row = std::io::Read::take(&mut self.rows, ROW_MAX);
        row.read_until(b'\n', &mut self.text)?;
        if self.text.len() as u64 == ROW_MAX {
            return Err(bad("longer than any row of LOBSTER"));
        }
        let text = self.text.trim_ascii_end();
        if text.is_empty() {
            return Err(bad("missing: the message file has more rows"));
        }
        self.said.iter_mut().for_each(BTreeMap::clear);
        // The worst that is in sight, of a side that is full.
        let mut edge: [Option<u32>; 2] = [None; 2];
        let mut columns = text.split(|b| *b == b',').map(number_of);
        loop {
            for side in [Side::Sell, Side::Buy] {
                let (Some(price), size) = (columns.next(), columns.next()) else {
                    if side == Side::Buy {
                        return Err(bad("the last level has no bid"));
                    }
                    for side in [Side::Buy, Side::Sell] {
                        self.shrink(side, edge[side as usize], stamp, made);
                    }
                    self.grow(stamp, symbol, made);
                    return Ok(());
                };
                let (Some(price), Some(Some(size))) = (price, size) else {
                    return Err(bad("a price or a size is not a whole number"));
                };
                let size = u32::try_from(size).map_err(|_| bad("a size is negative or beyond 32 bits"))?;
                let at = side as usize;
                if size == 0 || price.abs() >= PRICE_MAX {
                    // Nothing is worse than this: all of the side is in sight.
                    edge[at] = Some(if side == Side::Buy { 0 } else { u32::MAX });
                    continue;
                }
                let price = u32::try_from(price).map_err(|_| bad("a price is negative"))?;
                if edge[at].is_none_or(|edge| edge != 0 && edge != u32::MAX) {
                    edge[at] = Some(price);
                }
                self.said[at].insert(price, size);
            }
        }
    }

    /// What is gone, and what has less.
    fn shrink(&mut self, side: Side, edge: Option<u32>, stamp: Stamp, made: &mut Made) {
        let (said, levels) = (&self.said[side as usize], &mut self.levels[side as usize]);
        levels.retain(|price, held| {
            let in_sight = edge.is_some_and(|edge| match side {
                Side::Buy => *price >= edge,
                Side::Sell => *price <= edge,
            });
            match said.get(price) {
                None if in_sight => {
                    made.delete(stamp, reference(side, *price));
                    return false;
                }
                Some(now) if now < held => {
                    made.cancel(stamp, reference(side, *price), *held - *now);
                    *held = *now;
                }
                _ => {}
            }
            true
        });
    }

    /// What came, and what has more.
    fn grow(&mut self, stamp: Stamp, symbol: Symbol, made: &mut Made) {
        for side in [Side::Buy, Side::Sell] {
            let levels = &mut self.levels[side as usize];
            for (price, now) in &self.said[side as usize] {
                match levels.insert(*price, *now) {
                    None => made.add(stamp, symbol, reference(side, *price), side, *now, *price),
                    Some(held) if held < *now => made.replace(stamp, reference(side, *price), *now, *price),
                    Some(_) => {}
                }
            }
        }
    }
}

fn number_of(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use feeds::itch50::decode;
    use model::{MarketBody, Qty};

    use super::*;

    /// What rows make, in a letter and numbers each.
    fn made(rows: &str) -> Result<Vec<String>, String> {
        let mut book = Book::new(Box::new(std::io::Cursor::new(rows.to_owned().into_bytes())));
        let (mut made, mut words) = (Made::default(), Vec::new());
        for _ in rows.lines() {
            let stamp = Stamp { locate: 1, ns: 5 };
            book.advance(stamp, Symbol::new("AAPL").unwrap(), &mut made).map_err(|f| match f {
                Fault::Entry { what, number, .. } => format!("{number}: {what}"),
                _ => "another fault".into(),
            })?;
            while made.advance() {
                words.push(match decode(made.message().bytes).unwrap().body {
                    MarketBody::Add { px, qty: Qty(q), side, .. } => format!("A {side:?} {} {q}", px.0),
                    MarketBody::Reduce { order, qty: Qty(q) } => format!("X {} {q}", order.0 as u32),
                    MarketBody::Replace { old, qty: Qty(q), .. } => format!("U {} {q}", old.0 as u32),
                    MarketBody::Delete { order } => format!("D {}", order.0 as u32),
                    other => format!("{other:?}"),
                });
            }
            words.push("|".into());
        }
        Ok(words)
    }

    #[test]
    fn a_level_is_an_order_for_as_long_as_it_is() {
        let rows = "1010,5,1000,7,1020,8,990,9\n1010,3,1000,9,1020,8,990,9\n1020,8,1000,9,1030,4,990,9\n";
        let all = made(rows).unwrap().join(", ");
        assert_eq!(
            all,
            "A Buy 990 9, A Buy 1000 7, A Sell 1010 5, A Sell 1020 8, |, X 1010 2, U 1000 9, |, D 1010, A Sell 1030 4, |"
        );
    }

    #[test]
    fn what_is_pushed_out_of_sight_stays_until_it_has_to_be_gone() {
        // A better bid comes: 990 cannot be seen any more. It comes back as it was; then 995 comes and 990 is worse than what is seen; then only 980 is behind it.
        let rows = "1010,5,1000,7,1020,8,990,9\n1010,5,1005,2,1020,8,1000,7\n1010,5,1000,7,1020,8,990,9\n1010,5,1000,7,1020,8,980,1\n";
        let all = made(rows).unwrap().join(", ");
        assert!(all.ends_with("|, A Buy 1005 2, |, D 1005, |, D 990, A Buy 980 1, |"), "{all}");
        // A side with fewer levels than the file is in sight whole.
        let rows = "1010,5,1000,7,1020,8,990,9\n1010,5,1000,7,9999999999,0,-9999999999,0\n";
        assert!(made(rows).unwrap().join(", ").ends_with("|, D 990, D 1020, |"));
    }

    #[test]
    fn what_is_no_row_is_named() {
        for (rows, says) in [
            ("1010,5,1000\n", "1: a price or a size"),
            ("1010,5\n", "1: the last level has no bid"),
            ("1010,5,1000,x\n", "1: a price or a size"),
            ("1010,-5,1000,7\n", "1: a size"),
            ("1010,5,-3,7\n", "1: a price is negative"),
            ("1010,5,1000,7\n\n", "2: missing"),
        ] {
            let e = made(rows).expect_err(rows);
            assert!(e.starts_with(says), "{rows:?}: {e}");
        }
    }
}
