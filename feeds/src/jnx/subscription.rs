//! The messages of wanted order books as events.
//!
//! ```text
//!  R: code, group ----> wanted (by ticker) --> books: number, group -> instrument
//!                                                ^          |
//!  H, Y, A, F: number, group --------------------+          +--> event
//!                                        A, F: +--> orders: number -> instrument
//!  E, D, U: order number ----------------------------^
//! ```
//!
//! Order books are numbered anew each day, so the numbers are learned from the directory, and from nothing else: no other message says what a number
//! stands for. Invariant: at most one number leads to an instrument. After its addition an order is named by its own number alone, so those of wanted books
//! are kept while they rest ([`crate::orders`]).
//!
//! So who did not hear a session from its first message on knows neither: the channel has said `Lost` for that. There is room for as many orders as the
//! books have; an order beyond that is a loss, and said so.

use model::{InstrumentId, MarketBody, MarketEvent, Nanos, Symbol, VenueRef};

use super::decode::{BookId, Decoded, Message, decode, is_loss};
use super::group::{Group, Groups};
use crate::moldudp64;
use crate::orders::{Order, Orders};
use crate::protocol::{Decode, Protocol, Refusal, Wanted};

/// An instrument of the configuration that has an order book today.
#[derive(Clone, Copy, Debug)]
struct Book {
    id: BookId,
    symbol: Symbol,
    instrument: InstrumentId,
}

/// Filter and decoder for the configured instruments of one feed.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// By ticker.
    wanted: Vec<(Symbol, InstrumentId)>,
    /// By number and group; never more than are wanted.
    books: Vec<Book>,
    orders: Orders,
    /// The groups of what is wanted.
    groups: Groups,
    /// Those whose market hours it is.
    open: Groups,
    /// The second that stamps count from, ns since midnight.
    second: u64,
}

impl Subscription {
    #[inline]
    fn book(&self, id: BookId) -> Option<Book> {
        let at = self.books.binary_search_by_key(&id, |b| b.id).ok()?;
        Some(self.books[at])
    }

    /// Learns whose number this is from now on.
    fn learn(&mut self, id: BookId, code: [u8; 12]) -> Option<Book> {
        let ticker = Group::of_wire(id.group).and_then(|g| g.ticker(code));
        let wanted = ticker.and_then(|t| self.wanted.binary_search_by_key(&t, |w| w.0).ok());
        let wanted = wanted.map(|at| self.wanted[at]);
        self.books.retain(|b| b.id != id && wanted.is_none_or(|(_, i)| b.instrument != i));
        let (symbol, instrument) = wanted?;
        let book = Book { id, symbol, instrument };
        let at = self.books.partition_point(|b| b.id < id);
        self.books.insert(at, book);
        Some(book)
    }

    /// A group's system event as the feed's, which knows one day for all: its market is open when all of its groups are.
    fn phase(&mut self, group: [u8; 4], code: u8) -> Option<u8> {
        let of = Groups::of_wire(group).common(self.groups);
        if of.is_empty() {
            return None;
        }
        match code {
            b'Q' => self.open = self.open.and(of),
            b'O' | b'S' | b'M' | b'E' | b'C' => self.open = self.open.without(of),
            _ => {}
        }
        Some(code).filter(|c| *c != b'Q' || self.groups.without(self.open).is_empty())
    }
}

impl Protocol for Subscription {
    type Packet<'a> = moldudp64::Packet<'a>;

    const HAS_SERVERS: bool = false;
}

impl Decode for Subscription {
    /// Takes 48 to 96 bytes for each order that may rest.
    fn new(wanted: Wanted<'_>) -> Subscription {
        let mut of: Vec<_> = wanted.instruments.iter().map(|i| (i.symbol, i.id)).collect();
        of.sort_unstable();
        Subscription {
            books: Vec::with_capacity(of.len()),
            groups: of.iter().fold(Groups::default(), |g, w| g.with(Group::of_ticker(w.0))),
            wanted: of,
            orders: Orders::new(wanted.live_orders),
            open: Groups::default(),
            second: 0,
        }
    }

    /// Stamps count from midnight until the next Seconds.
    fn reset(&mut self) {
        self.books.clear();
        self.orders.clear();
        self.open = Groups::default();
        self.second = 0;
    }

    #[inline]
    fn decode(&mut self, msg: &[u8], mut event: impl FnMut(MarketEvent)) -> Result<(), Refusal> {
        let Decoded { offset_ns, message } = decode(msg).map_err(|e| e.refusal(is_loss))?;
        let ts_event = Nanos(self.second + u64::from(offset_ns));
        let mut say = |instrument, body| event(MarketEvent { ts_event, instrument, body });
        match message {
            Message::Add { number, side, qty, book, px, attribution, order_type: _ } => {
                let Some(Book { instrument, .. }) = self.book(book) else { return Ok(()) };
                if !self.orders.insert(Order { id: number, px, qty, instrument }) {
                    return Err(Refusal::Lost);
                }
                say(
                    instrument,
                    MarketBody::Add { order: VenueRef(number), px, qty, side, mpid: attribution },
                );
            }
            Message::Deleted { number } => {
                let Some(&mut Order { instrument, .. }) = self.orders.get(number) else { return Ok(()) };
                self.orders.remove(number);
                say(instrument, MarketBody::Delete { order: VenueRef(number) });
            }
            Message::Replaced { old, new, qty, px } => {
                let Some(&mut Order { instrument, .. }) = self.orders.get(old) else { return Ok(()) };
                self.orders.remove(old);
                self.orders.insert(Order { id: new, px, qty, instrument });
                say(instrument, MarketBody::Replace { old: VenueRef(old), new: VenueRef(new), qty, px });
            }
            Message::Executed { number, qty, match_number } => {
                let Some(&mut Order { instrument, .. }) = self.orders.get(number) else { return Ok(()) };
                self.orders.reduce(number, qty);
                say(instrument, MarketBody::Execute { order: VenueRef(number), qty, match_number });
            }
            Message::Seconds { second } => self.second = u64::from(second) * 1_000_000_000,
            Message::State { book, state } => {
                let Some(Book { symbol, instrument, .. }) = self.book(book) else { return Ok(()) };
                say(instrument, MarketBody::TradingAction { symbol, state, reason: *b"    " });
            }
            Message::ShortSelling { book, restriction } => {
                let Some(Book { symbol, instrument, .. }) = self.book(book) else { return Ok(()) };
                say(instrument, MarketBody::ShortSaleRestriction { symbol, action: restriction });
            }
            Message::Directory { book, code, round_lot, .. } => {
                let Some(Book { symbol, instrument, .. }) = self.learn(book, code) else { return Ok(()) };
                say(instrument, directory(symbol, round_lot));
            }
            Message::System { group, code } => {
                let Some(code) = self.phase(group, code) else { return Ok(()) };
                say(InstrumentId(0), MarketBody::System { code });
            }
            Message::TickSize { .. } => {}
        }
        Ok(())
    }

    fn events_max(&self) -> usize {
        1
    }

    fn odd_executions(&self) -> u64 {
        0
    }
}

/// Blank and 0 in all that this venue has no word for. Its round lot is the trading unit: it takes no other quantity.
fn directory(symbol: Symbol, round_lot: u32) -> MarketBody {
    MarketBody::Directory {
        symbol,
        round_lot,
        round_lots_only: b'Y',
        market_category: b' ',
        financial_status: b' ',
        classification: b' ',
        subtype: *b"  ",
        authenticity: b' ',
        short_sale_threshold: b' ',
        ipo: b' ',
        luld_tier: b' ',
        etp: b' ',
        etp_leverage: 0,
        inverse: b' ',
    }
}
