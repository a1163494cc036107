//! The messages of wanted instruments as events.
//!
//! ```text
//!  Add ---- ticker ----> wanted (sorted) --> instrument --+--> event
//!                             |                           |
//!                             +--> orders: id -> instrument, price, shares
//!  Executed, Modified, Deleted ..  id -->^
//! ```
//!
//! After its Add an order is named by its id alone, so the ids of wanted orders are kept while they rest ([`crate::orders`]). The alternative, every message to
//! the book, would send the whole unit's flow over the ring for a look-up that fails, and make the book's count of unknown references worthless. What is kept
//! beside the instrument tells when an order is gone without a Delete (traded in full), and what a message changes that says what there is from now on.
//!
//! The price of it: a message of an order that was added before this subscription listened is taken for another instrument's. A channel that did not
//! bring a session from its first message on has said `Lost` for that. There is room for as many orders as the books have; an order beyond that
//! is a loss, and said so.

use model::{Instrument, InstrumentId, MarketBody, MarketEvent, Nanos, Px, Qty, Symbol, VenueRef};

use super::decode::{Decoded, Message, decode, is_loss};
use super::unit;
use crate::framing::Session;
use crate::orders::{Order, Orders};
use crate::protocol::{Decode, Protocol, Refusal, Wanted};

/// Filter and decoder for the configured instruments of one unit.
#[derive(Clone, Debug)]
pub struct Subscription {
    wanted: Vec<(Symbol, InstrumentId)>,
    orders: Orders,
    /// The unit's second, ns since midnight.
    second: u64,
}

impl Subscription {
    /// The orders of wanted instruments that rest, in no order. A walk over a table, for who has to name each of them at a Unit Clear.
    pub fn resting(&self) -> impl Iterator<Item = (InstrumentId, VenueRef)> + '_ {
        self.orders.iter().map(|o| (o.instrument, VenueRef(o.id)))
    }

    /// Whether a ticker is wanted.
    #[must_use]
    pub fn wants(&self, symbol: Symbol) -> bool {
        self.instrument(symbol).is_some()
    }

    /// Wants one more from now on, for who learns the tickers from the stream. Allocates.
    pub fn want(&mut self, symbol: Symbol, id: InstrumentId) {
        if let Err(at) = self.wanted.binary_search_by_key(&symbol, |w| w.0) {
            self.wanted.insert(at, (symbol, id));
        }
    }

    /// Doubles the room for orders where it is used up, to no more than `most`; whether it did. For who reads files. Allocates.
    pub fn grow(&mut self, most: usize) -> bool {
        let grows = self.orders.is_full() && self.orders.most() < most;
        if grows {
            self.orders.grow(self.orders.most().saturating_mul(2).min(most));
        }
        grows
    }

    fn instrument(&self, symbol: Symbol) -> Option<InstrumentId> {
        let at = self.wanted.binary_search_by_key(&symbol, |w| w.0).ok()?;
        Some(self.wanted[at].1)
    }

    /// What an order's message says; nothing where the order is not of a wanted instrument.
    #[inline]
    fn of_order(&mut self, id: u64, message: Message, mut event: impl FnMut(InstrumentId, MarketBody)) {
        let Some(order) = self.orders.get(id) else { return };
        let (reference, had, instrument) = (VenueRef(id), order.qty, order.instrument);
        let mut say = |body| event(instrument, body);
        match message {
            Message::Executed { qty, execution, .. } => {
                self.orders.reduce(id, qty);
                say(MarketBody::Execute { order: reference, qty, match_number: execution });
            }
            Message::Reduced { qty, .. } => {
                self.orders.reduce(id, qty);
                say(MarketBody::Reduce { order: reference, qty });
            }
            Message::Deleted { .. } => {
                self.orders.remove(id);
                say(MarketBody::Delete { order: reference });
            }
            Message::Modified { qty, px, keeps_priority, .. } => {
                let stays = keeps_priority && px == order.px;
                (order.qty, order.px) = (if qty.0 == 0 { had } else { qty }, px);
                match qty.0 {
                    0 => {
                        self.orders.remove(id);
                        say(MarketBody::Delete { order: reference });
                    }
                    n if stays && n == had.0 => {}
                    n if stays && n < had.0 => {
                        say(MarketBody::Reduce { order: reference, qty: Qty(had.0 - n) });
                    }
                    _ => say(MarketBody::Replace { old: reference, new: reference, qty, px }),
                }
            }
            Message::ExecutedAt { qty, remaining, execution, px, .. } => {
                let rests_at = order.px;
                // No venue has so many shares; the book could not add them up.
                let remaining = Qty(remaining.0.min(u32::MAX - qty.0));
                order.qty = if remaining.0 == 0 { had } else { remaining };
                if remaining.0 == 0 {
                    self.orders.remove(id);
                }
                let left = had.0.saturating_sub(qty.0);
                if remaining.0 > left {
                    // More than was displayed took part: the order is made large enough first, while it is still there.
                    let qty = Qty(qty.0 + remaining.0);
                    say(MarketBody::Replace { old: reference, new: reference, qty, px: rests_at });
                }
                let printable = true;
                say(MarketBody::ExecuteAt { order: reference, qty, match_number: execution, px, printable });
                if remaining.0 == 0 && left > 0 {
                    say(MarketBody::Delete { order: reference });
                } else if remaining.0 < left {
                    say(MarketBody::Reduce { order: reference, qty: Qty(left - remaining.0) });
                }
            }
            _ => {}
        }
    }

    /// What a message says that carries a ticker.
    fn of_symbol(
        &mut self,
        symbol: Symbol,
        message: Message,
        mut event: impl FnMut(InstrumentId, MarketBody),
    ) {
        let Some(instrument) = self.instrument(symbol) else { return };
        let mut say = |body| event(instrument, body);
        match message {
            Message::Traded { side, qty, px, execution, .. } => {
                say(MarketBody::Trade { px, qty, match_number: execution, side });
            }
            Message::Status { state, reg_sho, .. } => {
                say(MarketBody::TradingAction { symbol, state, reason: *b"    " });
                say(MarketBody::ShortSaleRestriction { symbol, action: reg_sho });
            }
            Message::AuctionUpdate { cross, reference, buy, sell, indicative, auction_only, .. } => {
                let direction = match buy.cmp(&sell) {
                    std::cmp::Ordering::Greater => b'B',
                    std::cmp::Ordering::Less => b'S',
                    std::cmp::Ordering::Equal => b'N',
                };
                say(MarketBody::Imbalance {
                    paired: buy.min(sell).into(),
                    imbalance: buy.abs_diff(sell).into(),
                    far_e4: raw(auction_only),
                    near_e4: raw(indicative),
                    reference_e4: raw(reference),
                    direction,
                    cross,
                    variation: b' ',
                });
            }
            Message::AuctionSummary { cross, px, qty, .. } => {
                say(MarketBody::Cross { qty: qty.into(), match_number: 0, px, cross });
            }
            Message::Retail { flag, .. } => say(MarketBody::RetailInterest { symbol, flag }),
            _ => {}
        }
    }
}

/// A price of an auction's state; one beyond 32 bits as the largest.
fn raw(px: Px) -> u32 {
    u32::try_from(px.0).unwrap_or(u32::MAX)
}

impl Protocol for Subscription {
    type Packet<'a> = unit::Packet<'a>;

    const HAS_SERVERS: bool = false;

    fn stream_of_unit(unit: u8) -> Option<Session> {
        Some(unit::session(unit))
    }
}

impl Decode for Subscription {
    /// Takes 48 to 96 bytes for each order that may rest.
    fn new(wanted: Wanted<'_>) -> Subscription {
        let mut of: Vec<_> = wanted.instruments.iter().map(|i: &Instrument| (i.symbol, i.id)).collect();
        of.sort_unstable();
        Subscription { wanted: of, orders: Orders::new(wanted.live_orders), second: 0 }
    }

    /// Offsets count from midnight until the next Time.
    fn reset(&mut self) {
        self.orders.clear();
        self.second = 0;
    }

    #[inline]
    fn decode(&mut self, msg: &[u8], mut event: impl FnMut(MarketEvent)) -> Result<(), Refusal> {
        let Decoded { offset_ns, message } = decode(msg).map_err(|e| e.refusal(is_loss))?;
        let ts_event = Nanos(self.second + u64::from(offset_ns));
        let mut say = |instrument, body| event(MarketEvent { ts_event, instrument, body });
        match message {
            Message::Add { id, side, qty, symbol, px, participant } => {
                let Some(instrument) = self.instrument(symbol) else { return Ok(()) };
                if !self.orders.insert(Order { id, px, qty, instrument }) {
                    return Err(Refusal::Lost);
                }
                say(instrument, MarketBody::Add { order: VenueRef(id), px, qty, side, mpid: participant });
            }
            Message::Executed { id, .. }
            | Message::ExecutedAt { id, .. }
            | Message::Reduced { id, .. }
            | Message::Modified { id, .. }
            | Message::Deleted { id } => self.of_order(id, message, say),
            Message::Traded { symbol, .. }
            | Message::Status { symbol, .. }
            | Message::AuctionUpdate { symbol, .. }
            | Message::AuctionSummary { symbol, .. }
            | Message::Retail { symbol, .. } => self.of_symbol(symbol, message, say),
            Message::Time { second } => self.second = u64::from(second) * 1_000_000_000,
            Message::UnitClear => {
                self.orders.clear();
                say(InstrumentId(0), MarketBody::Clear);
            }
            Message::EndOfSession => say(InstrumentId(0), MarketBody::System { code: b'C' }),
            Message::Broken { .. } | Message::SymbolMapping => {}
        }
        Ok(())
    }

    /// An execution at a price and size says what trades and, before or after it, what makes the rest so.
    fn events_max(&self) -> usize {
        2
    }

    fn odd_executions(&self) -> u64 {
        0
    }
}
