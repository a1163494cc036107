//! How long a data file is in time, and what is in it: what a demo has to know to play it.

use std::collections::BTreeMap;
use std::path::Path;

use feeds::itch50::{self, wire};
use model::{MarketBody, Nanos, Symbol};

use super::Failure;
use crate::source::Source;

/// A file's extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Messages in it.
    pub messages: u64,
    /// From the first order to the last message about one: the venue's clock starts with the first order too.
    pub span: Nanos,
    /// Its symbols, the busiest first.
    pub symbols: Vec<(Symbol, u64)>,
}

/// Reads a file through.
///
/// # Errors
/// One sentence with the file.
pub fn of(path: &Path) -> Result<Extent, Failure> {
    let mut source = Source::open(path).map_err(Failure::new)?;
    let mut messages = 0u64;
    let mut symbols: BTreeMap<u16, (Symbol, u64)> = BTreeMap::new();
    let (mut first, mut last) = (None, Nanos::ZERO);
    while let Some(m) = source.next().map_err(Failure::new)? {
        messages += 1;
        let Ok(event) = itch50::decode(m) else { continue };
        let stock = match m[0] {
            b'A' => wire::AddOrder::new(m).ok().map(|v| v.stock()),
            b'F' => wire::AddOrderMpid::new(m).ok().map(|v| v.stock()),
            _ => None,
        };
        if let Some(stock) = stock {
            symbols.entry(event.instrument.0).or_insert((stock, 0));
            first = first.or(Some(event.ts_event));
        }
        if event.body.touches_book() || matches!(event.body, MarketBody::Trade { .. }) {
            last = last.max(event.ts_event);
            if let Some((_, n)) = symbols.get_mut(&event.instrument.0) {
                *n += 1;
            }
        }
    }
    let mut symbols: Vec<_> = symbols.into_values().collect();
    symbols.sort_by_key(|(s, n)| (std::cmp::Reverse(*n), *s));
    let span = last.since(first.unwrap_or(last));
    Ok(Extent { messages, span, symbols })
}
