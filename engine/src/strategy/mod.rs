//! What a strategy sees and what it may ask for.
//!
//! A [`Strategy`] is called on the hot thread, one input at a time, with a read-only [`View`] of everything the engine knows, and leaves
//! [`Intent`]s in a fixed-size [`Intents`]. It has no clock, no I/O and no thread of its own: `view.now()` is the time, in every mode. It must not
//! allocate after [`Strategy::on_start`].
//!
//! Dispatch is static: the engine is monomorphised over its strategy.

mod imbalance;
mod observer;
mod params;
mod quoter;

pub use imbalance::Imbalance;
use model::{InstrumentId, Nanos, Px, Qty, Side, Tif};
pub use observer::Observer;
pub use params::{ParamError, ParamValue, Params};
pub use quoter::Quoter;

use crate::book::{Book, BookChange, Books, Top};
use crate::instruments::{InstrumentChange, InstrumentState, Instruments};
use crate::limits::INTENTS_PER_CALLBACK;
use crate::orders::{Order, OrderId, Orders};
use crate::position::{Position, Positions};
use crate::risk::RiskReject;
use model::{ReportKind, Usd};

/// A request of a strategy, before risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A new order.
    New {
        /// The instrument.
        instrument: InstrumentId,
        /// The side.
        side: Side,
        /// Shares.
        qty: Qty,
        /// Limit.
        px: Px,
        /// Time in force.
        tif: Tif,
    },
    /// A live order at another price or size; it loses its place in the queue.
    Replace {
        /// The order.
        order: OrderId,
        /// Shares to be OPEN afterwards (what already traded does not count).
        qty: Qty,
        /// The new limit.
        px: Px,
    },
    /// The end of an order.
    Cancel {
        /// The order.
        order: OrderId,
    },
}

/// The intents of one callback.
#[derive(Debug)]
pub struct Intents {
    list: Vec<Intent>,
    refused: u32,
    wake: Option<Nanos>,
}

impl Intents {
    pub(crate) fn new() -> Intents {
        Intents { list: Vec::with_capacity(INTENTS_PER_CALLBACK), refused: 0, wake: None }
    }

    /// Leaves an intent. More than [`INTENTS_PER_CALLBACK`] in one callback are refused and counted as
    /// [`RiskReject::TooManyIntents`].
    #[inline]
    pub fn push(&mut self, intent: Intent) {
        if self.list.len() < INTENTS_PER_CALLBACK {
            self.list.push(intent);
        } else {
            self.refused += 1;
        }
    }

    /// Buys at most `qty` at `px` or better, resting until the close.
    #[inline]
    pub fn buy(&mut self, instrument: InstrumentId, qty: Qty, px: Px) {
        self.push(Intent::New { instrument, side: Side::Buy, qty, px, tif: Tif::Day });
    }

    /// Sells at most `qty` at `px` or better, resting until the close.
    #[inline]
    pub fn sell(&mut self, instrument: InstrumentId, qty: Qty, px: Px) {
        self.push(Intent::New { instrument, side: Side::Sell, qty, px, tif: Tif::Day });
    }

    /// Moves an order.
    #[inline]
    pub fn replace(&mut self, order: OrderId, qty: Qty, px: Px) {
        self.push(Intent::Replace { order, qty, px });
    }

    /// Ends an order.
    #[inline]
    pub fn cancel(&mut self, order: OrderId) {
        self.push(Intent::Cancel { order });
    }

    /// Asks for [`Strategy::on_timer`] at `at` or soon after; one wake-up is kept, the latest asked for.
    #[inline]
    pub fn wake_at(&mut self, at: Nanos) {
        self.wake = Some(at);
    }

    pub(crate) fn take(&mut self) -> (core::iter::Copied<core::slice::Iter<'_, Intent>>, u32, Option<Nanos>) {
        (self.list.iter().copied(), core::mem::take(&mut self.refused), self.wake.take())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.refused == 0 && self.wake.is_none()
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }
}

/// A trade print of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradePrint {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The price.
    pub px: Px,
    /// Shares.
    pub qty: u64,
    /// The side of the resting order, where it is known.
    pub resting: Option<Side>,
}

/// A fill of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The order.
    pub order: OrderId,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: Side,
    /// Shares of this fill.
    pub qty: Qty,
    /// The price.
    pub px: Px,
    /// The trade's number.
    pub match_number: u64,
}

/// Everything a strategy may look at. All look-ups are O(1) unless said otherwise; none allocates.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(crate) now: Nanos,
    pub(crate) halted: bool,
    pub(crate) books: &'a [Book],
    pub(crate) instruments: &'a Instruments,
    pub(crate) orders: &'a Orders,
    pub(crate) positions: &'a Positions,
}

impl<'a> View<'a> {
    /// The time of this input, ns since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Whether trading is halted: intents for new risk would be refused.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// An instrument's validity, trading state, reference and last price.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> &'a InstrumentState {
        self.instruments.of(id)
    }

    /// All instruments.
    #[must_use]
    pub fn instruments(&self) -> &'a [InstrumentState] {
        self.instruments.all()
    }

    /// The best prices of an instrument.
    #[must_use]
    pub fn top(&self, id: InstrumentId) -> Top {
        self.book(id).top(id)
    }

    /// The book that holds an instrument (with the other instruments of its feed).
    #[must_use]
    pub fn book(&self, id: InstrumentId) -> &'a Book {
        &self.books[self.instruments.of(id).instrument.feed.index()]
    }

    /// Our open orders of an instrument, oldest first.
    pub fn orders(&self, id: InstrumentId) -> impl Iterator<Item = &'a Order> + 'a {
        self.orders.of(id)
    }

    /// One of our open orders.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<&'a Order> {
        self.orders.get(id)
    }

    /// What we hold of an instrument.
    #[must_use]
    pub fn position(&self, id: InstrumentId) -> &'a Position {
        self.positions.of(id)
    }

    /// Profit and loss over all instruments.
    #[must_use]
    pub fn pnl(&self) -> Usd {
        self.positions.pnl()
    }
}

/// A trading strategy. Every callback but [`Strategy::new`] has an empty default.
pub trait Strategy: Sized + Send + 'static {
    /// The name in the configuration.
    const NAME: &'static str;

    /// Makes it from its parameters.
    ///
    /// # Errors
    /// [`ParamError`] names the parameter and what is allowed. Unknown parameters are refused by the caller.
    fn new(params: &mut Params) -> Result<Self, ParamError>;

    /// Once, before the first input; the place to allocate.
    fn on_start(&mut self, _view: &View<'_>) {}

    /// An instrument's book changed.
    fn on_book(&mut self, _view: &View<'_>, _change: &BookChange, _out: &mut Intents) {}

    /// The market traded.
    fn on_trade(&mut self, _view: &View<'_>, _trade: &TradePrint, _out: &mut Intents) {}

    /// A report moved one of our orders; `order` is how it stands now (it may just have ended).
    fn on_order(&mut self, _view: &View<'_>, _order: &Order, _report: &ReportKind, _out: &mut Intents) {}

    /// One of our orders traded. [`Strategy::on_order`] follows.
    fn on_fill(&mut self, _view: &View<'_>, _fill: &Fill, _out: &mut Intents) {}

    /// The venue broke one of our trades: position and cash are as if it had never been; the order stays as it is.
    fn on_broken(&mut self, _view: &View<'_>, _fill: &Fill, _out: &mut Intents) {}

    /// The time asked for with [`Intents::wake_at`] came.
    fn on_timer(&mut self, _view: &View<'_>, _out: &mut Intents) {}

    /// An instrument's validity or trading state changed.
    fn on_instrument(
        &mut self,
        _view: &View<'_>,
        _id: InstrumentId,
        _change: InstrumentChange,
        _out: &mut Intents,
    ) {
    }

    /// Risk refused an intent.
    fn on_refused(&mut self, _view: &View<'_>, _intent: &Intent, _why: RiskReject) {}
}
