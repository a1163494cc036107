//! The texts of a depth stream as events, by what is remembered of each level.
//!
//! ```text
//!   text --> levels: (reference, quantity), by reference, the last word on each
//!              | beside what is remembered of it
//!              +--> gone, less ---> Delete, Reduce    all of these first,
//!              +--> more, new  ---> Replace, Add      then these
//! ```
//!
//! A text is read whole before anything of it is told, so one that is refused changes nothing.

use model::{Decimal, Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Side, Symbol};
use model::{TradingState, Unit, VenueRef};

use super::text::{Joined, Kind, NotJoined};
use super::wire::{self, Diff, Filter, Info, Level, Snapshot, SymbolInfo, Trade};
use crate::orders::{Order, Orders};
use crate::protocol::{Decode, Refusal, Wanted};

const DAY_MS: u64 = 86_400_000;

/// One instrument.
#[derive(Clone, Debug)]
struct Book {
    symbol: Symbol,
    instrument: InstrumentId,
    /// Not known before the venue's list was read.
    unit: Option<Unit>,
    /// As last told.
    trading: TradingState,
    /// The last stamp, ns since midnight: a spot venue's snapshot has none.
    at: Nanos,
}

/// Filter and decoder for the configured instruments of one feed.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// By ticker.
    books: Vec<Book>,
    /// One of each level.
    levels: Orders,
    joined: Joined,
    /// What a text says of levels.
    said: Vec<(u64, Qty)>,
}

/// A level's reference: the same for as long as it is there.
fn reference(instrument: InstrumentId, side: Side, px: u32) -> u64 {
    u64::from(instrument.0) << 33 | (side as u64) << 32 | u64::from(px)
}

/// What a reference says of its level.
fn place(reference: u64) -> (Side, Px) {
    let side = if reference >> 32 & 1 == Side::Buy as u64 { Side::Buy } else { Side::Sell };
    (side, Px::from_wire(reference as u32))
}

/// Reads levels, each as its reference and how many whole units are there.
fn read_levels(
    said: &mut Vec<(u64, Qty)>,
    (instrument, unit): (InstrumentId, Unit),
    side: Side,
    levels: &[Level<'_>],
) -> Option<()> {
    for (price, quantity) in levels {
        let px = u32::try_from(unit.px(price)?.0).ok().filter(|px| *px != 0)?;
        let units = unit.whole(quantity.parse::<Decimal>().ok()?)?;
        // More than a quantity can say is more than anybody asks for.
        let qty = Qty(u32::try_from(units).unwrap_or(u32::MAX));
        said.push((reference(instrument, side, px), qty));
    }
    Some(())
}

/// Sorts by reference; of several words on one level the last one counts.
fn settle(said: &mut Vec<(u64, Qty)>) {
    said.sort_by_key(|(reference, _)| *reference);
    said.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1;
        }
        same
    });
}

impl Subscription {
    fn book(&self, symbol: Option<Symbol>) -> Option<usize> {
        self.books.binary_search_by_key(&symbol?, |b| b.symbol).ok()
    }

    /// Tells what `said` changes of the levels of book `k`.
    fn apply(
        &mut self,
        k: usize,
        at: Nanos,
        said: &[(u64, Qty)],
        event: &mut impl FnMut(MarketEvent),
    ) -> Result<(), Refusal> {
        let mut live = self.levels.live();
        for (reference, qty) in said {
            match (self.levels.get(*reference).is_some(), qty.is_zero()) {
                (false, false) => live += 1,
                (true, true) => live -= 1,
                (true, false) | (false, true) => {}
            }
        }
        if live > self.levels.most() {
            return Err(Refusal::Lost);
        }
        self.books[k].at = at;
        let instrument = self.books[k].instrument;
        let mut tell = |body| event(MarketEvent { ts_event: at, instrument, body });
        for &(reference, qty) in said {
            let Some(held) = self.levels.get(reference).filter(|held| qty < held.qty) else { continue };
            let by = Qty(held.qty.0 - qty.0);
            let order = VenueRef(reference);
            if qty.is_zero() {
                self.levels.remove(reference);
                tell(MarketBody::Delete { order });
            } else {
                held.qty = qty;
                tell(MarketBody::Reduce { order, qty: by });
            }
        }
        for &(reference, qty) in said.iter().filter(|(_, qty)| !qty.is_zero()) {
            let (order, (side, px)) = (VenueRef(reference), place(reference));
            match self.levels.get(reference) {
                Some(held) if held.qty == qty => {}
                Some(held) => {
                    held.qty = qty;
                    tell(MarketBody::Replace { old: order, new: order, qty, px });
                }
                None => {
                    self.levels.insert(Order { id: reference, px, qty, instrument });
                    tell(MarketBody::Add { order, px, qty, side, mpid: *b"    " });
                }
            }
        }
        Ok(())
    }

    /// The levels of `bids` and `asks`, settled, in the room that is kept for them.
    fn read(&mut self, k: usize, bids: &[Level<'_>], asks: &[Level<'_>]) -> Result<Vec<(u64, Qty)>, Refusal> {
        let Book { instrument, unit: Some(unit), .. } = self.books[k] else {
            // The venue does not list it in a way that is understood: it has no book, and is told to be halted.
            return Err(Refusal::Malformed);
        };
        let mut said = std::mem::take(&mut self.said);
        said.clear();
        let of = (instrument, unit);
        let read = read_levels(&mut said, of, Side::Buy, bids)
            .and_then(|()| read_levels(&mut said, of, Side::Sell, asks));
        settle(&mut said);
        match read {
            Some(()) => Ok(said),
            None => {
                self.said = said;
                Err(Refusal::Lost)
            }
        }
    }

    fn on_diff(&mut self, text: &[u8], event: &mut impl FnMut(MarketEvent)) -> Result<(), Refusal> {
        let diff: Diff<'_> = wire::event(text).map_err(|_| Refusal::Lost)?;
        let Some(k) = self.book(Symbol::new(diff.s)) else { return Ok(()) };
        let said = self.read(k, &diff.bids, &diff.asks)?;
        let stamp = [diff.happened, diff.said].into_iter().find(|ms| *ms != 0);
        let at = stamp.map_or(self.books[k].at, since_midnight);
        let done = self.apply(k, at, &said, event);
        self.said = said;
        done
    }

    fn on_snapshot(
        &mut self,
        symbol: Symbol,
        text: &[u8],
        event: &mut impl FnMut(MarketEvent),
    ) -> Result<(), Refusal> {
        let Some(k) = self.book(Some(symbol)) else { return Ok(()) };
        let snapshot: Snapshot<'_> = wire::answer(text).map_err(|_| Refusal::Lost)?;
        let mut said = self.read(k, &snapshot.bids, &snapshot.asks)?;
        let instrument = self.books[k].instrument;
        let named = said.len();
        for level in self.levels.iter().filter(|l| l.instrument == instrument) {
            if said[..named].binary_search_by_key(&level.id, |(reference, _)| *reference).is_err() {
                said.push((level.id, Qty::ZERO));
            }
        }
        settle(&mut said);
        let at = if snapshot.happened == 0 { self.books[k].at } else { since_midnight(snapshot.happened) };
        let done = self.apply(k, at, &said, event);
        self.said = said;
        done
    }

    fn on_trade(&mut self, text: &[u8], event: &mut impl FnMut(MarketEvent)) -> Result<(), Refusal> {
        let trade: Trade<'_> = wire::event(text).map_err(|_| Refusal::Malformed)?;
        let Some(k) = self.book(Symbol::new(trade.s)) else { return Ok(()) };
        let Book { instrument, unit: Some(unit), .. } = self.books[k] else { return Err(Refusal::Malformed) };
        let read = || {
            let qty = u32::try_from(unit.whole(trade.q.parse().ok()?)?).ok()?;
            Some((unit.px(trade.p)?, Qty(qty), trade.t.or(trade.a)?))
        };
        let (px, qty, match_number) = read().ok_or(Refusal::Malformed)?;
        if !qty.is_zero() {
            let side = if trade.m { Side::Buy } else { Side::Sell };
            let body = MarketBody::Trade { px, qty, match_number, side };
            event(MarketEvent { ts_event: since_midnight(trade.happened), instrument, body });
        }
        Ok(())
    }

    fn on_info(&mut self, text: &[u8], event: &mut impl FnMut(MarketEvent)) -> Result<(), Refusal> {
        let info: Info = wire::answer(text).map_err(|_| Refusal::Malformed)?;
        for book in &mut self.books {
            let name = book.symbol.to_string();
            let listed = info.symbols.iter().find(|s| s.symbol == name);
            let unit = listed.and_then(unit_of);
            // Quantities that are remembered would mean something else.
            let same_unit = book.unit.is_none() || book.unit == unit;
            if book.unit.is_none() {
                book.unit = unit;
            }
            let trades = same_unit && unit.is_some() && listed.is_some_and(|s| s.status == "TRADING");
            let state = if trades { TradingState::Trading } else { TradingState::Halted };
            if std::mem::replace(&mut book.trading, state) != state {
                let body = MarketBody::TradingAction { symbol: book.symbol, state, reason: *b"    " };
                event(MarketEvent { ts_event: book.at, instrument: book.instrument, body });
            }
        }
        Ok(())
    }
}

/// ns since midnight of ms since the Unix epoch.
fn since_midnight(ms: u64) -> Nanos {
    Nanos::from_millis(ms % DAY_MS)
}

fn unit_of(info: &SymbolInfo) -> Option<Unit> {
    let (mut tick, mut lot) = (None, None);
    for filter in &info.filters {
        match filter {
            Filter::Price { tick_size } => tick = tick_size.parse().ok(),
            Filter::Lot { step_size } => lot = step_size.parse().ok(),
            Filter::Other => {}
        }
    }
    Some(Unit::of(tick?, lot?))
}

impl Decode for Subscription {
    /// Takes 48 to 96 bytes for each level that there may be.
    fn new(wanted: Wanted<'_>) -> Subscription {
        let book = |i: &Instrument| Book {
            symbol: i.symbol,
            instrument: i.id,
            unit: None,
            trading: TradingState::Unknown,
            at: Nanos::ZERO,
        };
        let mut books: Vec<_> = wanted.instruments.iter().map(book).collect();
        books.sort_unstable_by_key(|b| b.symbol);
        Subscription {
            books,
            levels: Orders::new(wanted.live_orders),
            joined: Joined::default(),
            said: Vec::new(),
        }
    }

    fn reset(&mut self) {
        for book in &mut self.books {
            (book.unit, book.trading, book.at) = (None, TradingState::Unknown, Nanos::ZERO);
        }
        self.levels.clear();
        self.joined.clear();
    }

    /// Allocates for what a text holds.
    fn decode(&mut self, msg: &[u8], mut event: impl FnMut(MarketEvent)) -> Result<(), Refusal> {
        let mut joined = std::mem::take(&mut self.joined);
        let decoded = match joined.join(msg) {
            Ok(None) => Ok(()),
            Ok(Some((Kind::Diff, text))) => self.on_diff(text, &mut event),
            Ok(Some((Kind::Snapshot(symbol), text))) => self.on_snapshot(symbol, text, &mut event),
            Ok(Some((Kind::Trade, text))) => self.on_trade(text, &mut event),
            Ok(Some((Kind::Info, text))) => self.on_info(text, &mut event),
            Ok(Some((Kind::Clear, _))) => {
                self.levels.clear();
                event(MarketEvent {
                    ts_event: Nanos::ZERO,
                    instrument: InstrumentId(0),
                    body: MarketBody::Clear,
                });
                Ok(())
            }
            Err(NotJoined::Unknown) => Err(Refusal::Unknown),
            Err(NotJoined::Torn(Kind::Diff | Kind::Snapshot(_))) => Err(Refusal::Lost),
            Err(NotJoined::Torn(Kind::Trade | Kind::Info | Kind::Clear)) => Err(Refusal::Malformed),
        };
        self.joined = joined;
        decoded
    }

    /// A snapshot may take away every level that there is, and add as many.
    fn events_max(&self) -> usize {
        2 * self.levels.most()
    }

    fn odd_executions(&self) -> u64 {
        0
    }
}
