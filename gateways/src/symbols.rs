//! From a ticker to its instrument: a sorted array, built once.

use model::{Instrument, InstrumentId, Symbol};

/// Tickers in order, each with its instrument. A look-up is a binary search over 16-byte entries and allocates nothing.
#[derive(Debug)]
pub struct SymbolTable(Box<[(u64, InstrumentId)]>);

impl SymbolTable {
    /// Of `instruments`; `Err` names a ticker that occurs twice.
    ///
    /// # Errors
    /// The ticker that two instruments have.
    pub fn new<'a>(instruments: impl Iterator<Item = &'a Instrument>) -> Result<SymbolTable, Symbol> {
        let mut table: Vec<_> = instruments.map(|i| (u64::from_be_bytes(i.symbol.0), i.id)).collect();
        table.sort_unstable();
        match table.windows(2).find(|w| w[0].0 == w[1].0) {
            Some(twice) => Err(Symbol(twice[0].0.to_be_bytes())),
            None => Ok(SymbolTable(table.into_boxed_slice())),
        }
    }

    /// The instrument of a ticker.
    #[inline]
    #[must_use]
    pub fn find(&self, symbol: Symbol) -> Option<InstrumentId> {
        let key = u64::from_be_bytes(symbol.0);
        self.0.binary_search_by_key(&key, |e| e.0).ok().map(|i| self.0[i].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{FeedId, GatewayId};

    fn instrument(id: u16, symbol: &str) -> Instrument {
        let symbol = Symbol::new(symbol).unwrap();
        Instrument { id: InstrumentId(id), symbol, feed: FeedId(0), gateway: GatewayId(0) }
    }

    #[test]
    fn finds_each_and_nothing_else() {
        let all =
            [instrument(0, "MSFT"), instrument(1, "A"), instrument(2, "AAPL"), instrument(9, "ZZZZZZZZ")];
        let t = SymbolTable::new(all.iter()).unwrap();
        for i in &all {
            assert_eq!(t.find(i.symbol), Some(i.id));
        }
        for other in ["AA", "AAPLX", "ZZZ", "B"] {
            assert_eq!(t.find(Symbol::new(other).unwrap()), None);
        }
        assert_eq!(t.find(Symbol::BLANK), None);
    }

    #[test]
    fn a_ticker_twice_is_named() {
        let all = [instrument(0, "MSFT"), instrument(1, "A"), instrument(2, "MSFT")];
        assert_eq!(SymbolTable::new(all.iter()).unwrap_err(), all[0].symbol);
    }
}
