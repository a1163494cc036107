//! Building every book of a stream, a stretch at a time.
//!
//! ```text
//!   stretch of framed messages --survey--> names, counts, what it may need --make room--> books --build (timed)--> rows
//! ```
//!
//! A stretch is surveyed before it is built, so that the books always have room for it: they start as small as the first stretch and are moved into
//! larger ones when a later one needs that. Nothing is guessed, the file is read once, and memory follows the instruments and the orders that rest at once,
//! not the file's length. Only the loop over a stretch's bytes is timed: framing, decoding, applying; neither reading, surveying, moving nor writing.

use std::time::{Duration, Instant};

use engine::book::{BookCapacity, BookChange, BookStats, Books, FlatBooks, Top};
use feeds::binaryfile::Messages;
use feeds::itch50::{DecodeError, Tally, decode, decode_with, locate};
use model::{InstrumentId, MarketBody, MarketEvent, Nanos, Side, Symbol};

use super::Difference;
use super::beside::Beside;

/// Numbers that an instrument may have on the wire.
const LOCATES: usize = 1 << 16;
/// References from here on are looked up in a hash map instead of a directory (a venue's day stays far below).
const DIRECT_REFS_MAX: u64 = 1 << 32;
/// Orders that the books can hold at once at most ([`FlatBooks`]' own limit).
const LIVE_MAX: usize = 33_554_430;

/// A best price or its total changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Which message of the file did it, from 1.
    pub index: u64,
    /// Its stamp, since midnight.
    pub ts: Nanos,
    /// Whose top.
    pub instrument: InstrumentId,
    /// What it is now.
    pub top: Top,
}

/// Where a message carries the ticker, by its type.
fn symbol_at(kind: u8) -> Option<usize> {
    match kind {
        b'R' | b'H' | b'Y' | b'K' | b'J' | b'h' | b'N' | b'O' => Some(11),
        b'A' | b'F' | b'P' => Some(24),
        b'L' => Some(15),
        b'I' => Some(28),
        b'Q' => Some(19),
        _ => None,
    }
}

fn symbol(msg: &[u8]) -> Option<Symbol> {
    msg.get(symbol_at(*msg.first()?)?..)?.first_chunk().map(|s| Symbol(*s))
}

/// The tickers by locate, as the first message that carries one says.
pub(in crate::cli) struct Symbols(Vec<Symbol>);

impl Symbols {
    pub(in crate::cli) fn new() -> Symbols {
        Symbols(vec![Symbol::BLANK; LOCATES])
    }

    pub(in crate::cli) fn learn(&mut self, msg: &[u8]) {
        if let Some(locate) = locate(msg)
            && let known = &mut self.0[usize::from(locate)]
            && *known == Symbol::BLANK
            && let Some(symbol) = symbol(msg)
        {
            *known = symbol;
        }
    }

    pub(in crate::cli) fn of(&self, id: InstrumentId) -> Symbol {
        self.0[id.index()]
    }
}

/// Messages of wanted instruments only, learned as they come.
struct Filter {
    wanted: Vec<Symbol>,
    by_locate: Vec<Option<bool>>,
}

impl Filter {
    #[inline]
    fn passes(&mut self, msg: &[u8]) -> bool {
        let Some(locate) = locate(msg) else { return false };
        let known = &mut self.by_locate[usize::from(locate)];
        if known.is_none() {
            *known = symbol(msg).map(|s| self.wanted.contains(&s));
        }
        *known == Some(true)
    }
}

/// What a stretch may need at most.
#[derive(Default)]
struct Needs {
    instruments: usize,
    adds: usize,
    refs: u64,
}

/// The books of a stream. See the module.
pub(super) struct Builder {
    books: FlatBooks,
    capacity: BookCapacity,
    /// Of the books that were left for larger ones.
    stats: BookStats,
    symbols: Symbols,
    filter: Option<Filter>,
    beside: Option<Beside>,
    tally: Tally,
    built: u64,
    malformed: u64,
    spent: Duration,
}

impl Builder {
    /// For the instruments of these tickers; of all where there is none. `check` builds the naive books beside.
    pub(super) fn new(wanted: &[Symbol], check: bool) -> Builder {
        let capacity = BookCapacity { instruments: 1, live_orders: 1, levels: 1, direct_refs: 32 };
        let filter = Filter { wanted: wanted.to_vec(), by_locate: vec![None; LOCATES] };
        Builder {
            books: FlatBooks::new(&capacity),
            capacity,
            stats: BookStats::default(),
            symbols: Symbols::new(),
            filter: (!wanted.is_empty()).then_some(filter),
            beside: check.then(Beside::new),
            tally: Tally::new(),
            built: 0,
            malformed: 0,
            spent: Duration::ZERO,
        }
    }

    /// Builds a stretch, leaving in `rows`, where there is one, what changed at the tops.
    ///
    /// # Errors
    /// Out of memory, in one sentence; with `check`, the first message after which the two books differ.
    pub(super) fn stretch(
        &mut self,
        framed: &[u8],
        rows: Option<&mut Vec<Row>>,
    ) -> Result<(), Result<Difference, String>> {
        let needs = self.survey(framed);
        self.make_room(&needs).map_err(Err)?;
        if self.beside.is_some() {
            return self.build_checked(framed, rows).map_err(Ok);
        }
        let start = Instant::now();
        self.build(framed, rows);
        self.spent += start.elapsed();
        Ok(())
    }

    fn survey(&mut self, framed: &[u8]) -> Needs {
        let mut needs = Needs::default();
        for msg in Messages::new(framed).map_while(Result::ok) {
            self.tally.count(msg);
            self.symbols.learn(msg);
            let reference = match msg[0] {
                b'A' | b'F' => {
                    needs.instruments = needs.instruments.max(locate(msg).map_or(0, usize::from) + 1);
                    needs.adds += 1;
                    msg.get(11..19)
                }
                b'U' => msg.get(19..27),
                _ => None,
            };
            if let Some(r) = reference.and_then(|r| r.first_chunk().copied()).map(u64::from_be_bytes)
                && r < DIRECT_REFS_MAX
            {
                needs.refs = needs.refs.max(r + 1);
            }
        }
        needs
    }

    /// Moves the books into larger ones where the stretch may need that. Twice what is needed, so that it happens rarely.
    fn make_room(&mut self, needs: &Needs) -> Result<(), String> {
        let orders = self.books.live_orders() + needs.adds;
        let old = self.capacity;
        let grown = |need: usize, have: usize| if need > have { need * 2 } else { have };
        let live_orders = grown(orders, old.live_orders).min(LIVE_MAX);
        let capacity = BookCapacity {
            instruments: needs.instruments.max(old.instruments),
            live_orders,
            // An order rests at one level, so there are never more of these.
            levels: live_orders,
            direct_refs: match needs.refs > old.direct_refs {
                true => needs.refs.next_power_of_two(),
                false => old.direct_refs,
            },
        };
        if capacity == old {
            return Ok(());
        }
        if !has_memory_for(&capacity) {
            let (i, o) = (capacity.instruments, capacity.live_orders);
            return Err(format!("there is not enough memory for books of {i} instruments and {o} orders"));
        }
        let mut books = FlatBooks::new(&capacity);
        for id in (0..old.instruments).map(|k| InstrumentId(k as u16)) {
            for side in [Side::Buy, Side::Sell] {
                self.books.for_each_order(id, side, |order, px, qty| {
                    let body = MarketBody::Add { order, px, qty, side, mpid: *b"    " };
                    books.apply(&MarketEvent { ts_event: Nanos::ZERO, instrument: id, body });
                });
            }
        }
        self.stats = sum(self.stats, self.books.stats());
        self.books = books;
        self.capacity = capacity;
        Ok(())
    }

    fn build(&mut self, framed: &[u8], mut rows: Option<&mut Vec<Row>>) {
        for msg in Messages::new(framed).map_while(Result::ok) {
            self.built += 1;
            if self.filter.as_mut().is_some_and(|f| !f.passes(msg)) {
                continue;
            }
            let built = decode_with(msg, |event| {
                let change = self.books.apply(&event);
                if change.top_changed {
                    self.note(&event, &change, &mut rows);
                }
            });
            if let Err(e) = built {
                self.count(e);
            }
        }
    }

    fn build_checked(&mut self, framed: &[u8], mut rows: Option<&mut Vec<Row>>) -> Result<(), Difference> {
        let Some(mut beside) = self.beside.take() else { return Ok(()) };
        for msg in Messages::new(framed).map_while(Result::ok) {
            self.built += 1;
            if self.filter.as_mut().is_some_and(|f| !f.passes(msg)) {
                continue;
            }
            match decode(msg) {
                Ok(event) => {
                    let change = self.books.apply(&event);
                    let index = self.built;
                    beside.apply(&event, &change, &self.books).map_err(|what| Difference { index, what })?;
                    if change.top_changed {
                        self.note(&event, &change, &mut rows);
                    }
                }
                Err(e) => self.count(e),
            }
        }
        self.beside = Some(beside);
        Ok(())
    }

    #[inline]
    fn note(&self, event: &MarketEvent, change: &BookChange, rows: &mut Option<&mut Vec<Row>>) {
        if let Some(rows) = rows {
            let (index, ts, instrument) = (self.built, event.ts_event, change.instrument);
            rows.push(Row { index, ts, instrument, top: self.books.top(instrument) });
        }
    }

    /// A type that is not known is in the tally; everything else that does not decode is malformed.
    #[cold]
    fn count(&mut self, e: DecodeError) {
        self.malformed += u64::from(!matches!(e, DecodeError::Unknown(_)));
    }

    /// With `check`, compares all that the two hold at the end.
    pub(super) fn finish(&self) -> Result<(), Difference> {
        let Some(beside) = &self.beside else { return Ok(()) };
        let all = beside.compare_all(&self.books, self.stats());
        all.map_err(|what| Difference { index: self.built, what })
    }

    pub(super) fn books(&self) -> &FlatBooks {
        &self.books
    }

    pub(super) fn stats(&self) -> BookStats {
        sum(self.stats, self.books.stats())
    }

    pub(super) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Instruments whose books may hold something.
    pub(super) fn instruments(&self) -> impl Iterator<Item = InstrumentId> {
        (0..self.capacity.instruments).map(|k| InstrumentId(k as u16))
    }

    /// Tickers asked for of which no message came.
    pub(super) fn missing(&self) -> Vec<Symbol> {
        let wanted = self.filter.as_ref().map_or(&[][..], |f| &f.wanted);
        wanted.iter().copied().filter(|s| !self.symbols.0.contains(s)).collect()
    }

    /// Time per message of the building loop; `None` where it was not measured (a check, or no message).
    pub(super) fn ns_per_message(&self) -> Option<f64> {
        let measured = self.beside.is_none() && self.built > 0;
        measured.then(|| self.spent.as_nanos() as f64 / self.built as f64)
    }
}

/// Whether the system would give the largest part of such books (see [`FlatBooks`] for the sizes): it refuses here instead of ending the process.
fn has_memory_for(c: &BookCapacity) -> bool {
    let slots = 340 * c.live_orders + (c.direct_refs / 8) as usize;
    let queues = 128 * (128 * c.instruments + 2 * c.levels + c.live_orders / 7 + 128);
    Vec::<u8>::new().try_reserve_exact(slots.max(queues)).is_ok()
}

fn sum(a: BookStats, b: BookStats) -> BookStats {
    let mut unknown_refs = a.unknown_refs;
    unknown_refs.execute += b.unknown_refs.execute;
    unknown_refs.execute_at += b.unknown_refs.execute_at;
    unknown_refs.reduce += b.unknown_refs.reduce;
    unknown_refs.delete += b.unknown_refs.delete;
    unknown_refs.replace += b.unknown_refs.replace;
    BookStats {
        unknown_refs,
        duplicate_refs: a.duplicate_refs + b.duplicate_refs,
        over_reductions: a.over_reductions + b.over_reductions,
        unknown_instruments: a.unknown_instruments + b.unknown_instruments,
        bad_prices: a.bad_prices + b.bad_prices,
        zero_quantities: a.zero_quantities + b.zero_quantities,
        capacity_refusals: a.capacity_refusals + b.capacity_refusals,
        instrument_mismatches: a.instrument_mismatches + b.instrument_mismatches,
    }
}

#[cfg(test)]
mod tests {
    use model::VenueRef;

    use super::*;

    /// Adds at spread prices of ever more instruments and references, every third order deleted again.
    fn flow(n: u64) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for k in 1..=n {
            let locate = (k % (1 + k / 40)) as u16;
            let mut add = vec![0; 36];
            add[0] = b'A';
            add[1..3].copy_from_slice(&locate.to_be_bytes());
            add[11..19].copy_from_slice(&(k * k).to_be_bytes());
            add[19] = if k % 2 == 0 { b'B' } else { b'S' };
            add[20..24].copy_from_slice(&(k as u32).to_be_bytes());
            add[24..32].copy_from_slice(format!("S{locate:<7}").as_bytes());
            add[32..36].copy_from_slice(&(10_000 + 100 * (k as u32 % 17)).to_be_bytes());
            out.push(add);
            if k % 3 == 0 {
                let mut delete = vec![0; 19];
                delete[0] = b'D';
                delete[1..3].copy_from_slice(&locate.to_be_bytes());
                delete[11..19].copy_from_slice(&(k * k).to_be_bytes());
                out.push(delete.clone());
                // Nobody knows it any more.
                out.push(delete);
            }
        }
        out
    }

    fn built(messages: &[Vec<u8>], stretch: usize, check: bool) -> (Builder, Vec<Row>) {
        let mut builder = Builder::new(&[], check);
        let mut rows = Vec::new();
        for chunk in messages.chunks(stretch) {
            let framed: Vec<u8> =
                chunk.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes()[..], m].concat()).collect();
            builder.stretch(&framed, Some(&mut rows)).map_err(|e| e.map(|d| d.what)).expect("it is built");
        }
        builder.finish().map_err(|d| d.what).expect("it agrees");
        (builder, rows)
    }

    #[test]
    fn books_that_are_moved_into_larger_ones_are_the_same() {
        let messages = flow(3_000);
        let (whole, rows) = built(&messages, usize::MAX, false);
        assert!(whole.stats().unknown_refs.delete == 1_000 && rows.len() > 1_000);
        for (stretch, check) in [(1, false), (7, true), (500, true)] {
            let (parts, part_rows) = built(&messages, stretch, check);
            assert_eq!(part_rows, rows, "{stretch}");
            assert_eq!(parts.stats(), whole.stats());
            assert_eq!(parts.tally(), whole.tally());
            for id in whole.instruments() {
                assert_eq!(parts.books().hash(id), whole.books().hash(id), "{stretch}");
                for side in [Side::Buy, Side::Sell] {
                    // In the same place of the same queue.
                    let orders = |b: &Builder| {
                        let mut all = Vec::new();
                        b.books().for_each_order(id, side, |r, px, qty| all.push((r, px, qty)));
                        all
                    };
                    assert_eq!(orders(&parts), orders(&whole));
                }
            }
        }
    }

    #[test]
    fn a_difference_names_its_message() {
        let messages = flow(50);
        let mut builder = Builder::new(&[], true);
        let framed = |m: &[u8]| [&(m.len() as u16).to_be_bytes()[..], m].concat();
        for m in &messages[..20] {
            assert!(builder.stretch(&framed(m), None).is_ok());
        }
        // One order less in one of the two.
        let order = VenueRef(11 * 11);
        let body = MarketBody::Delete { order };
        builder.books.apply(&MarketEvent { ts_event: Nanos::ZERO, instrument: InstrumentId(0), body });
        match builder.stretch(&framed(&messages[20]), None) {
            Err(Ok(difference)) => assert_eq!(difference.index, 21),
            _ => panic!("the books differ"),
        }
    }
}
