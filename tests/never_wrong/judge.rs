//! The judge: after every message, is what the core shows the venue's book?
//!
//! The venue's book after message `n` is made of what the venue published, by [`Tape`], which shares nothing with the core. Between two messages that
//! follow each other only the orders that the second one names can change, so those, the best prices and the number of live orders are compared after each; the
//! whole book, order by order in queue order, whenever an instrument has become valid, after a jump, every [`WHOLE_EVERY`] messages and where the day rests.

use std::sync::{Arc, Mutex};

use colo::exchange::Venue;
use engine::book::{BookChange, Books};
use engine::strategy::{Intents, ParamError, Params, Strategy, View};
use engine::{InstrumentChange, Soundness};
use model::{InstrumentId, Nanos, Px, Qty, Side, Symbol, VenueRef};

use crate::exchange_support::tape::Tape;

/// Messages between two comparisons of whole books.
const WHOLE_EVERY: u64 = 4_096;

/// The venue's books as of a message, and what the comparisons said.
#[derive(Default)]
pub struct Truth {
    pub tape: Tape,
    /// The next message that is not in the books.
    pub next: u64,
    /// Orders that the last message named.
    touched: Vec<u64>,
    jumped: bool,
    was_valid: Vec<bool>,
    /// Comparisons of a valid instrument after a message.
    pub compared: u64,
    /// Comparisons of a whole book.
    pub whole: u64,
    /// The first difference.
    pub fault: Option<String>,
}

impl Truth {
    pub fn new(instruments: usize) -> Truth {
        Truth { next: 1, was_valid: vec![false; instruments], ..Truth::default() }
    }

    /// The books before message `next`.
    pub fn advance(&mut self, venue: &Venue, next: u64) {
        self.touched.clear();
        if next < self.next {
            (self.tape, self.next) = (Tape::default(), 1);
        }
        self.jumped |= next != self.next + 1;
        while self.next < next {
            let Some(message) = venue.published(self.next) else {
                return self.refuse(format!("message {} was never published", self.next));
            };
            self.tape.apply(message);
            if let b'A' | b'F' | b'E' | b'C' | b'X' | b'D' | b'U' = message[0] {
                self.touched.push(reference(&message[11..]));
            }
            if message[0] == b'U' {
                self.touched.push(reference(&message[19..]));
            }
            self.next += 1;
        }
    }

    pub fn refuse(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }

    fn compare(&mut self, view: &View<'_>) {
        let mut valid = 0;
        for (k, state) in view.instruments().iter().enumerate() {
            let is_valid = state.soundness == Soundness::Sound;
            let is_whole =
                is_valid && (!self.was_valid[k] || self.jumped || self.next.is_multiple_of(WHOLE_EVERY));
            self.was_valid[k] = is_valid;
            valid += usize::from(is_valid);
            self.compared += u64::from(is_valid);
            if is_whole {
                self.compare_whole(view, state.instrument.id, state.instrument.symbol);
            }
        }
        self.jumped = false;
        if valid == 0 {
            return;
        }
        for id in std::mem::take(&mut self.touched) {
            self.compare_order(view, id);
        }
        let book = view.book(InstrumentId(0));
        if valid == view.instruments().len() {
            let venue: usize = view.instruments().iter().map(|i| self.tape.live(i.instrument.symbol)).sum();
            if book.live_orders() != venue {
                self.differ(format!("{} live orders where the venue has {venue}", book.live_orders()));
            }
        }
    }

    fn compare_order(&mut self, view: &View<'_>, id: u64) {
        let book = view.book(InstrumentId(0));
        let ours = book.order(VenueRef(id));
        let venue = self.tape.order(id);
        let symbol = venue.map(|(symbol, ..)| symbol);
        let state = match (symbol, ours) {
            (Some(symbol), _) => view.instruments().iter().find(|i| i.instrument.symbol == symbol),
            (None, Some(o)) => view.instruments().get(o.instrument.index()),
            (None, None) => None,
        };
        // Another symbol's, gone from both, or of a book that is not said to be right.
        let Some(state) = state.filter(|i| i.soundness == Soundness::Sound) else { return };
        let ours = ours.map(|o| (view.instrument(o.instrument).instrument.symbol, o.side, o.px, o.qty));
        if ours != venue {
            self.differ(format!("order {id} is {ours:?} and {venue:?} at the venue"));
        }
        let (symbol, top) = (state.instrument.symbol, view.top(state.instrument.id));
        let best = [Side::Buy, Side::Sell].map(|side| self.tape.best(symbol, side));
        if [(top.bid_px, top.bid_qty), (top.ask_px, top.ask_qty)] != best {
            self.differ(format!("{symbol}: {top:?} where the venue's best are {best:?}"));
        }
    }

    fn compare_whole(&mut self, view: &View<'_>, id: InstrumentId, symbol: Symbol) {
        self.whole += 1;
        for side in [Side::Buy, Side::Sell] {
            let mut ours: Vec<(u64, Px, Qty)> = Vec::new();
            view.book(id).for_each_order(id, side, |r, px, qty| ours.push((r.0, px, qty)));
            let venue = match self.tape.locates.contains_key(&symbol) {
                true => self.tape.queue(symbol, side),
                false => Vec::new(),
            };
            if ours != venue {
                let (n, m) = (ours.len(), venue.len());
                self.differ(format!("{symbol} {side:?}: {n} orders, not the venue's {m}"));
            }
        }
    }

    fn differ(&mut self, what: String) {
        self.refuse(format!("valid, before message {}: {what}", self.next));
    }
}

fn reference(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"))
}

/// A strategy that trades nothing: at each timer it compares. It always wants the next one.
#[derive(Clone)]
pub struct Judge(pub Arc<Mutex<Truth>>);

impl Strategy for Judge {
    const NAME: &'static str = "judge";

    fn new(_: &mut Params) -> Result<Judge, ParamError> {
        Ok(Judge(Arc::default()))
    }

    fn on_book(&mut self, _: &View<'_>, _: &BookChange, out: &mut Intents) {
        out.wake_at(Nanos::ZERO);
    }

    fn on_instrument(&mut self, _: &View<'_>, _: InstrumentId, _: InstrumentChange, out: &mut Intents) {
        out.wake_at(Nanos::ZERO);
    }

    fn on_timer(&mut self, view: &View<'_>, out: &mut Intents) {
        self.0.lock().expect("one thread").compare(view);
        out.wake_at(Nanos::ZERO);
    }
}
