//! The naive books beside the fast ones: after every message the two must say the same.

use engine::book::{BookCapacity, BookChange, BookStats, Books, FlatBooks, Level, NaiveBooks};
use model::{InstrumentId, MarketEvent, Side};

const INSTRUMENTS: usize = 1 << 16;
/// Levels of each side that are compared after every message.
const DEPTH: usize = 5;

/// The oracle.
pub(super) struct Beside(NaiveBooks);

impl Beside {
    pub(super) fn new() -> Beside {
        let (live_orders, levels) = (usize::MAX, usize::MAX);
        Beside(NaiveBooks::new(&BookCapacity {
            instruments: INSTRUMENTS,
            live_orders,
            levels,
            direct_refs: 0,
        }))
    }

    /// Applies a message and compares what was said of it, the instrument's first levels and the number of orders. The error names what differs.
    pub(super) fn apply(
        &mut self,
        event: &MarketEvent,
        fast: &BookChange,
        books: &FlatBooks,
    ) -> Result<(), String> {
        let naive = self.0.apply(event);
        same("the change", fast, &naive)?;
        same("the number of live orders", &books.live_orders(), &self.0.live_orders())?;
        let id = naive.instrument;
        same(&format!("the top of instrument {id}"), &books.top(id), &self.0.top(id))?;
        for side in [Side::Buy, Side::Sell] {
            let (mut a, mut b) = ([Level::default(); DEPTH], [Level::default(); DEPTH]);
            let (n, m) = (books.depth(id, side, &mut a), self.0.depth(id, side, &mut b));
            same(&format!("the first levels of instrument {id}"), &&a[..n], &&b[..m])?;
        }
        Ok(())
    }

    /// Compares every order of every book in its place, and the counters.
    pub(super) fn compare_all(&self, books: &FlatBooks, stats: BookStats) -> Result<(), String> {
        same("the counters", &stats, &self.0.stats())?;
        for id in (0..INSTRUMENTS).map(|k| InstrumentId(k as u16)) {
            same(&format!("the levels of instrument {id}"), &books.hash(id), &self.0.hash(id))?;
            for side in [Side::Buy, Side::Sell] {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                books.for_each_order(id, side, |r, px, qty| a.push((r, px, qty)));
                self.0.for_each_order(id, side, |r, px, qty| b.push((r, px, qty)));
                same(&format!("the orders of instrument {id}"), &a, &b)?;
            }
        }
        Ok(())
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, fast: &T, naive: &T) -> Result<(), String> {
    if fast == naive {
        return Ok(());
    }
    Err(format!("{what}: the fast books say {fast:?}, the naive ones {naive:?}"))
}
