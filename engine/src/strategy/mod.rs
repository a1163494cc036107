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
use model::{InstrumentId, Nanos, Px, Qty, Side, Tif, VenueRef};
pub use observer::Observer;
pub use params::{Allowed, ParamError, ParamValue, Params, try_out};
pub use quoter::Quoter;

use crate::book::{Book, BookChange, Books, Level, Top};
use crate::engine::{Kills, Session};
use crate::facts::{Facts, MarketFacts};
use crate::instruments::{InstrumentChange, InstrumentState, Instruments};
use crate::limits::INTENTS_PER_CALLBACK;
use crate::orders::{Order, OrderId, Orders};
use crate::position::{Position, Positions};
use crate::risk::{Dropped, RiskReject};
use model::{BreakerLevel, ReportKind, Usd};

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
    /// Fewer shares of a live order, which keeps its place in the queue. Like a cancel it passes whatever the limits say; one that waits for room in its
    /// venue's message rate was never sent, and is checked anew with what it asks for now.
    Reduce {
        /// The order.
        order: OrderId,
        /// Shares that may trade from now on: at least one, and fewer than are open. What trades before the venue reads it is of these.
        qty: Qty,
    },
    /// The end of an order.
    Cancel {
        /// The order.
        order: OrderId,
    },
}

/// Intents kept of one callback: those that may be carried out, and as many that are refused for their number.
const INTENTS_TOLD: usize = 2 * INTENTS_PER_CALLBACK;

/// The intents of one callback.
#[derive(Debug)]
pub struct Intents {
    list: Vec<Intent>,
    untold: u32,
    wake: Option<Nanos>,
}

impl Intents {
    pub(crate) fn new() -> Intents {
        Intents { list: Vec::with_capacity(INTENTS_TOLD), untold: 0, wake: None }
    }

    /// Leaves an intent. Those beyond [`INTENTS_PER_CALLBACK`] in one callback are refused as [`RiskReject::TooManyIntents`]; as many again are told
    /// one by one, further ones only counted.
    #[inline]
    pub fn push(&mut self, intent: Intent) {
        if self.list.len() < INTENTS_TOLD {
            self.list.push(intent);
        } else {
            self.untold += 1;
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

    /// Takes shares off an order: `qty` may trade from now on.
    #[inline]
    pub fn reduce(&mut self, order: OrderId, qty: Qty) {
        self.push(Intent::Reduce { order, qty });
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

    /// The intents, those beyond [`INTENTS_PER_CALLBACK`] included.
    #[inline]
    pub(crate) fn list(&self) -> &[Intent] {
        &self.list
    }

    /// Begins the next callback's; returns how many intents were only counted, and the wake-up asked for.
    pub(crate) fn clear(&mut self) -> (u32, Option<Nanos>) {
        self.list.clear();
        (core::mem::take(&mut self.untold), self.wake.take())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.wake.is_none()
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
    /// The trade's number: a broken trade is told by it.
    pub match_number: u64,
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
    /// The venue's liquidity flag.
    pub liquidity: u8,
}

/// Everything a strategy may look at. All look-ups are O(1) unless said otherwise; none allocates.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(crate) now: Nanos,
    pub(crate) level: BreakerLevel,
    pub(crate) declutched: bool,
    pub(crate) kills: &'a Kills,
    pub(crate) sessions: &'a [Session],
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
        self.level == BreakerLevel::Halted
    }

    /// How far trading is restrained.
    #[must_use]
    pub fn level(&self) -> BreakerLevel {
        self.level
    }

    /// Whether a person has taken the strategy off trading: it sees everything, and intents for new risk would be refused.
    #[must_use]
    pub fn is_declutched(&self) -> bool {
        self.declutched
    }

    /// Whether an order in this instrument has a chance: trading is neither halted nor restrained to cancels, its book is valid, the venue lets it trade, and its session takes
    /// orders. Risk looks again; this spares an intent that it would refuse.
    #[must_use]
    pub fn can_trade(&self, id: InstrumentId) -> bool {
        let i = self.instruments.of(id);
        let may = self.level < BreakerLevel::CancelOnly && !self.declutched && !self.kills.holds(id);
        may && i.is_tradable() && self.sessions[i.instrument.gateway.index()].ready
    }

    /// An instrument's validity and its reason, trading state, short sale restriction, reference and last price.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> &'a InstrumentState {
        self.instruments.of(id)
    }

    /// What the venue said of an instrument beside orders and trades: directory, auctions, imbalance, market makers.
    #[must_use]
    pub fn facts(&self, id: InstrumentId) -> &'a Facts {
        self.instruments.facts(id)
    }

    /// What an instrument's feed said of its market as a whole: phase, circuit breakers.
    #[must_use]
    pub fn market(&self, id: InstrumentId) -> &'a MarketFacts {
        self.instruments.market(id)
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

    /// The best prices of others: [`View::top`] without our own orders, as far as the book shows them under the venue's references. A side whose first
    /// four levels are all ours is empty. A strategy that quotes by the best price must look here, or it follows its own quote. Cost: our
    /// orders of the instrument times the levels looked at.
    #[must_use]
    pub fn top_of_others(&self, id: InstrumentId) -> Top {
        let (bid_px, bid_qty) = self.best_of_others(id, Side::Buy);
        let (ask_px, ask_qty) = self.best_of_others(id, Side::Sell);
        Top { bid_px, bid_qty, ask_px, ask_qty }
    }

    fn best_of_others(&self, id: InstrumentId, side: Side) -> (Px, u64) {
        let book = self.book(id);
        // What the book has under our numbers is what to leave out: it may be ahead of the reports or behind them.
        let shown = |r: VenueRef, px: Px| {
            let there = book.order(r)?;
            (there.instrument == id && there.side == side && there.px == px).then_some(u64::from(there.qty.0))
        };
        let ours = |o: &Order, px: Px| -> u64 {
            [o.venue_ref, o.prior_ref].into_iter().flatten().filter_map(|r| shown(r, px)).sum()
        };
        let mut levels = [Level::default(); 4];
        let n = book.depth(id, side, &mut levels);
        levels[..n]
            .iter()
            .map(|l| {
                let ours: u64 = self.orders(id).filter(|o| o.side == side).map(|o| ours(o, l.px)).sum();
                (l.px, l.qty.saturating_sub(ours))
            })
            .find(|(_, qty)| *qty != 0)
            .unwrap_or((Px::ZERO, 0))
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

    /// Profit and loss over all instruments at the marks, after fees.
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

    /// Takes other parameters between two inputs, on the hot thread, and keeps what it knows: its orders stand as they are, and [`InstrumentChange::Settings`] follows
    /// for every instrument, which is where to look at them anew. A journal's replay calls it at the same place. It must not allocate where it succeeds, and where it refuses it is as it was. The same
    /// parameters were tried out off the hot thread before, on a strategy that has just started. Without it parameters want a restart.
    ///
    /// ```
    /// # use engine::strategy::{ParamError, Params, Strategy};
    /// # struct Mine { lot: i64, learnt: Vec<i64> }
    /// # impl Strategy for Mine {
    /// # const NAME: &'static str = "mine";
    /// # fn new(params: &mut Params) -> Result<Mine, ParamError> { Ok(Mine { lot: params.int("lot", 1, 1, 9)?, learnt: Vec::new() }) }
    /// fn reconfigure(&mut self, params: &mut Params) -> Result<(), ParamError> {
    ///     let fresh = Mine::new(params)?;
    ///     *self = Mine { learnt: std::mem::take(&mut self.learnt), ..fresh };
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Strategy::new`], or what cannot be changed while it runs.
    fn reconfigure(&mut self, _params: &mut Params) -> Result<(), ParamError> {
        Err(ParamError::fixed(Self::NAME))
    }

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

    /// The venue corrected one of our trades: position and cash are as if it had been reported as it `is`; the order stays as it is.
    fn on_corrected(&mut self, _view: &View<'_>, _was: &Fill, _is: &Fill, _out: &mut Intents) {}

    /// The time asked for with [`Intents::wake_at`] came.
    fn on_timer(&mut self, _view: &View<'_>, _out: &mut Intents) {}

    /// What is known of an instrument changed: may it be traded and why not, or what the venue said of it. [`InstrumentChange`] says which of several
    /// changes may stand for all.
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

    /// A new order or replace waited for room in the venue's message rate and will not be sent. A new order has ended with it.
    fn on_dropped(&mut self, _view: &View<'_>, _dropped: &Dropped) {}
}
