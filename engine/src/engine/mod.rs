//! The engine: one input in, the commands it causes out.
//!
//! ```text
//!   Market ---> book ----+                              +--> Approved commands
//!   Feed -----> validity |--> strategy --> intents --> risk gate
//!   Report ---> orders --|                              +--> refusals
//!   Session --> settle --|
//!   Control --> halt ----+--> cancel sweep -----------------> Approved cancels
//! ```
//!
//! What a gateway's throttle has no room for may wait: the engine asks for the time at which there is room, and sends it then, after the gate has passed it again.
//!
//! Contract: commands and [`Engine::state_hash`] are a function of the configuration and the ordered list of `(now, Input)`. There is no clock, no random
//! number, no I/O and no iteration over a hash table in here; after construction nothing is allocated.
//!
//! What one input may cause is bounded by [`COMMANDS_PER_INPUT`](crate::limits::COMMANDS_PER_INPUT). Work that could be longer (a cancel sweep
//! over all orders, telling the strategy of every instrument of a feed) is done in parts: while [`Engine::next_timer`] is due, give the engine
//! [`Input::Timer`] and it goes on.
//!
//! | module | story |
//! |---|---|
//! | `market` | events to books, prices and facts; what changes validity |
//! | `reports` | the venue's reports to orders and positions |
//! | `sessions` | what a session's state says of its orders |
//! | `halt` | control, halts, and the work left over for later inputs |
//! | `kill` | the kill switch |
//! | `release` | requests that waited for room: sent, or dropped |
//! | `guard` | circuit breakers, losses and warnings |
//! | `close` | what has to be flat at the end of the day |
//! | `intents` | strategy callbacks and what becomes of their intents |
//! | `settings` | parameters and limits that change while it runs |
//! | `follow` | another engine's commands, for readers of a journal |

mod close;
mod follow;
mod guard;
mod halt;
mod intents;
mod kill;
mod market;
mod outbox;
mod release;
mod reports;
mod sessions;
mod settings;
mod stats;

use model::{
    BreakerCause, BreakerLevel, FeedId, GatewayId, HaltReason, Input, Instrument, InstrumentId, MarketEvent,
    Nanos, Usd, VenueRef,
};

use self::close::Close;
use self::guard::Warned;
use self::halt::Sweep;
pub use self::kill::KillState;
pub(crate) use self::kill::Kills;
pub use self::outbox::{Outbox, Refusal};
use self::settings::Settings;
pub use self::stats::EngineStats;
use crate::book::{Book, BookCapacity, BookChange, BookStats, Books};
use crate::breaker::{Alarm, Breaker, Breakers, LossWatch};
use crate::hash::StateHash;
use crate::instruments::{InstrumentChange, Instruments};
use crate::limits::{ALARMS_PER_INPUT, INSTRUMENTS_MAX};
use crate::orders::{OrderId, Orders};
use crate::position::{Fees, Opening, Positions};
use crate::risk::{Gate, Pace, RiskLimits, Scopes, Throttle};
use crate::sanity::BookSanity;
use crate::strategy::{Intents, Strategy};

/// What an engine is made from.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The instruments, at the index of their id.
    pub instruments: Vec<Instrument>,
    /// How many feeds.
    pub feeds: usize,
    /// How many gateways.
    pub gateways: usize,
    /// The limits.
    pub limits: RiskLimits,
    /// Gateways that are drop copies: the orders that they tell of are others', and nothing is sent about them.
    pub drop_copies: Vec<GatewayId>,
    /// What each gateway's venue lets pass, by gateway; those left out pass what the limits do.
    pub throttles: Vec<Throttle>,
    /// What each gateway's venue takes or gives for a trade, by gateway; those left out nothing.
    pub fees: Vec<Fees>,
    /// What is held at the start of the day; instruments left out nothing.
    pub openings: Vec<Opening>,
    /// What a book may show while its instrument trades.
    pub sanity: BookSanity,
    /// Limits by scope, beside those that are the strategy's.
    pub scopes: Scopes,
    /// What restrains trading by itself.
    pub breakers: Breakers,
    /// Room for books, for each feed.
    pub book: BookCapacity,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Session {
    pub(crate) ready: bool,
    is_copy: bool,
    /// What a kill has still to ask of the port.
    asks: u8,
    last_seq: u64,
    /// Some of its orders may be unsettled: to be looked at when the venue has processed a token. Follows from the orders.
    unsettled: bool,
}

/// Nobody looks at what a message did to its book.
const fn unseen(_: &Book, _: &BookChange) {}

/// The deterministic core over one strategy.
pub struct Engine<S> {
    /// The latest time that any input brought.
    now: Nanos,
    /// The time that this input brought: a packet's is when it was received, and others may have moved `now` on since.
    stamp: Nanos,
    strategy: S,
    intents: Intents,
    books: Vec<Book>,
    instruments: Instruments,
    orders: Orders,
    positions: Positions,
    gate: Gate,
    sessions: Vec<Session>,
    halt: Option<HaltReason>,
    breaker: Breaker,
    loss: LossWatch,
    pull_quotes: bool,
    on_exposure: BreakerLevel,
    warned: Warned,
    close: Close,
    /// Of this input, as far as they have room; the outbox takes them.
    alarms: Vec<Alarm>,
    kills: Kills,
    settings: Settings,
    wake: Option<Nanos>,
    /// Where a sweep that cancels everything has come to.
    sweep: Option<Sweep>,
    /// Whether some order waits to have its cancel sent again.
    cancels_waiting: bool,
    /// What each instrument's strategy callback has still to be told.
    untold: Vec<Option<InstrumentChange>>,
    untold_count: usize,
    stats: EngineStats,
    /// The second half of an input is still to come.
    unaccounted: bool,
}

impl<S: Strategy> Engine<S> {
    /// Takes all memory that it will ever need.
    ///
    /// # Panics
    /// Where the configuration contradicts itself or is over a capacity of [`limits`](crate::limits): whoever reads configurations checks first and
    /// says it better.
    pub fn new(config: &EngineConfig, strategy: S) -> Engine<S> {
        let n = config.instruments.len();
        assert!(
            config.instruments.iter().enumerate().all(|(k, i)| i.id.index() == k
                && i.feed.index() < config.feeds
                && i.gateway.index() < config.gateways),
            "instruments are dense and name feeds and gateways that exist"
        );
        if let Err(why) = config.sanity.check() {
            panic!("whoever reads a configuration checks its limits: {why}");
        }
        if let Err(why) = config.breakers.check() {
            panic!("whoever reads a configuration checks its breakers: {why}");
        }
        assert!(config.throttles.len() <= config.gateways, "a throttle is a gateway's");
        assert!(n <= INSTRUMENTS_MAX && n <= config.book.instruments, "every instrument has a book");
        let session = |g| Session { is_copy: config.drop_copies.contains(&g), ..Session::default() };
        let mut engine = Engine {
            now: Nanos::ZERO,
            stamp: Nanos::ZERO,
            strategy,
            intents: Intents::new(),
            books: (0..config.feeds).map(|_| Book::new(&config.book)).collect(),
            instruments: Instruments::new(&config.instruments, config.feeds, config.sanity),
            orders: Orders::new(config.limits.max_open_orders as usize, n),
            positions: Positions::new(n, &config.openings, &config.fees),
            gate: Gate::new(
                config.limits,
                &config.scopes,
                &config.throttles,
                &config.instruments,
                config.gateways,
            ),
            sessions: (0..config.gateways).map(|g| session(GatewayId(g as u8))).collect(),
            halt: None,
            breaker: Breaker::new(&config.breakers),
            loss: LossWatch::new(config.limits.max_daily_loss, config.breakers.loss),
            pull_quotes: config.breakers.pull_quotes,
            on_exposure: config.breakers.on_exposure,
            warned: Warned::new(n),
            close: Close::new(config.breakers.flat_after_close, config.feeds),
            alarms: Vec::with_capacity(ALARMS_PER_INPUT),
            kills: Kills::new(n),
            settings: Settings::new(),
            wake: None,
            sweep: None,
            cancels_waiting: false,
            untold: vec![None; n],
            untold_count: 0,
            stats: EngineStats::default(),
            unaccounted: false,
        };
        let (strategy, view, _) = engine.parts();
        strategy.on_start(&view);
        engine
    }

    /// Applies one input at `now` (ns since the Unix epoch; a step back is taken as no step) and leaves what it caused in `out`, which the
    /// caller has emptied. It is [`Engine::decide`], and [`Engine::account`] behind it.
    #[inline]
    pub fn apply(&mut self, now: Nanos, input: &Input, out: &mut Outbox) {
        self.decide(now, input, out);
        self.account(out);
    }

    /// The first half of [`Engine::apply`]: all that comes before the orders that an input causes at once. Who sends these before [`Engine::account`] sends
    /// the same orders earlier: what is counted there, no check of this input looks at any more.
    ///
    /// # Panics
    /// Where the input before has not been accounted for.
    #[inline]
    pub fn decide(&mut self, now: Nanos, input: &Input, out: &mut Outbox) {
        self.begin(now, out);
        match input {
            Input::Market(feed, event) => self.on_market(*feed, event, out, unseen),
            Input::Feed(feed, status) => self.on_feed(*feed, *status, out),
            Input::Report(report) => self.on_report(report, out),
            Input::Session(gateway, event) => self.on_session(*gateway, *event),
            Input::Control(control) => self.on_control(*control, out),
            Input::Timer => {
                if self.wake.is_some_and(|at| at <= self.now) {
                    self.wake = None;
                    self.call(out, |s, view, intents| s.on_timer(view, intents));
                }
            }
        }
    }

    /// As [`Engine::decide`] of [`Input::Market`], without putting one together: an event is read where it lies.
    ///
    /// # Panics
    /// Where the input before has not been accounted for.
    #[inline]
    pub fn decide_market(&mut self, now: Nanos, feed: FeedId, event: &MarketEvent, out: &mut Outbox) {
        self.decide_market_seen(now, feed, event, out, unseen);
    }

    /// As [`Engine::decide_market`], and `seen` has what became of a message of the book, and the books behind it, before the strategy does.
    ///
    /// # Panics
    /// Where the input before has not been accounted for.
    #[inline]
    pub fn decide_market_seen(
        &mut self,
        now: Nanos,
        feed: FeedId,
        event: &MarketEvent,
        out: &mut Outbox,
        seen: impl FnOnce(&Book, &BookChange),
    ) {
        self.begin(now, out);
        self.on_market(feed, event, out, seen);
    }

    #[inline(always)]
    fn begin(&mut self, now: Nanos, out: &mut Outbox) {
        assert!(!self.unaccounted, "each input is accounted for before the next");
        self.unaccounted = true;
        self.now = self.now.max(now);
        self.stamp = now;
        self.stats.inputs += 1;
        if self.instruments.due() <= self.now {
            self.on_due(out);
        }
    }

    /// The second half: requests that waited and have room now, work left over, and what limits and breakers count. It belongs to the input
    /// before it and may cause more commands, behind those of the first half, which `out` still has to hold.
    #[inline]
    pub fn account(&mut self, out: &mut Outbox) {
        self.unaccounted = false;
        if self.gate.due() <= self.now {
            self.release(out);
        }
        if self.loss.due() <= self.now {
            self.check_loss();
        }
        if self.has_backlog() {
            self.work_off(out);
        }
        if self.orders.has_touched() {
            self.look_at_touched();
        }
        self.count_messages(out);
        self.note_decided(out);
        if !self.alarms.is_empty() {
            out.alarm(&mut self.alarms);
        }
    }

    /// When the engine wants [`Input::Timer`]: at once (the time it already has) while work is left over, at the strategy's wake-up, when there is room for
    /// what waits or it may not wait any longer, or when the time alone may change an instrument's validity: a feed that says nothing any more must not hide that.
    #[inline]
    #[must_use]
    pub fn next_timer(&self) -> Option<Nanos> {
        if self.has_backlog() {
            return Some(self.now);
        }
        let due = Some(self.instruments.due().min(self.gate.due()).min(self.loss.due()))
            .filter(|at| *at != Nanos(u64::MAX));
        self.wake.into_iter().chain(due).min()
    }

    /// The time of the last input.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Why trading is halted, if it is.
    #[must_use]
    pub fn halted(&self) -> Option<HaltReason> {
        self.halt
    }

    /// How far trading is restrained: [`BreakerLevel::Halted`] while it is halted.
    #[must_use]
    pub fn level(&self) -> BreakerLevel {
        if self.halt.is_some() { BreakerLevel::Halted } else { self.breaker.level() }
    }

    /// What restrained it, where it is restrained and not halted.
    #[must_use]
    pub fn restrained_by(&self) -> Option<BreakerCause> {
        self.breaker.cause()
    }

    /// Whether a person has taken the strategy off trading.
    #[must_use]
    pub fn is_declutched(&self) -> bool {
        self.breaker.declutched
    }

    /// Tokens left before new orders are refused for want of one.
    #[must_use]
    pub fn tokens_left(&self) -> u32 {
        self.gate.tokens_left()
    }

    /// Whether a gateway's session takes orders.
    #[must_use]
    pub fn is_ready(&self, gateway: GatewayId) -> bool {
        self.sessions[gateway.index()].ready
    }

    /// Where a gateway's throttle stands; `None` where it has none.
    #[must_use]
    pub fn pace(&self, gateway: GatewayId) -> Option<Pace> {
        self.gate.pace(gateway)
    }

    /// The open orders.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// The positions.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// The instruments.
    #[must_use]
    pub fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    /// The best prices of an instrument.
    #[must_use]
    pub fn top(&self, id: InstrumentId) -> crate::book::Top {
        self.books[self.instruments.of(id).instrument.feed.index()].top(id)
    }

    /// The book that holds an instrument (with the other instruments of its feed).
    #[must_use]
    pub fn book(&self, id: InstrumentId) -> &Book {
        &self.books[self.instruments.of(id).instrument.feed.index()]
    }

    /// The books of a feed.
    ///
    /// # Panics
    /// Where there is no such feed.
    #[must_use]
    pub fn books_of(&self, feed: FeedId) -> &Book {
        &self.books[feed.index()]
    }

    /// Profit and loss at the marks, after fees.
    #[must_use]
    pub fn pnl(&self) -> Usd {
        self.positions.pnl()
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &RiskLimits {
        self.gate.limits()
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        self.stats
    }

    /// What the books of a feed refused.
    #[must_use]
    pub fn book_stats(&self, feed: FeedId) -> BookStats {
        self.books[feed.index()].stats()
    }

    /// The strategy.
    #[must_use]
    pub fn strategy(&self) -> &S {
        &self.strategy
    }

    /// A hash over what of the engine can influence a later command: orders, positions, fills, risk counts, instruments, books by level, sessions, and the
    /// work left over. Equal inputs give equal hashes. Equal hashes do not mean equal books: which orders make up a level (their references, sizes and
    /// places in the queue) is not in it, so two books that differ there alone part later, when a message names such an order or a strategy asks for its place.
    /// Nor is in it what the strategy keeps to itself, nor [`EngineStats`].
    /// Cost: a pass over the order slots, the instruments and their levels; allocates nothing.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        let mut h = StateHash::default();
        h.word(self.now.0);
        self.orders.absorb(&mut h);
        self.positions.absorb(&mut h);
        self.instruments.absorb(&mut h);
        self.gate.absorb(&mut h);
        for s in &self.sessions {
            h.word(s.last_seq << 1 | u64::from(s.ready));
        }
        for i in self.instruments.all() {
            h.word(self.books[i.instrument.feed.index()].hash(i.instrument.id));
        }
        h.word(self.halt.map_or(0, |r| r as u64));
        self.breaker.absorb(&mut h);
        self.loss.absorb(&mut h);
        self.kills.absorb(&mut h);
        self.close.absorb(&mut h);
        self.settings.absorb(&mut h);
        self.sessions.iter().filter(|s| s.asks != 0).for_each(|s| h.word(u64::from(s.asks)));
        h.word(self.wake.map_or(u64::MAX, |w| w.0));
        h.word(u64::from(self.sweep.is_some()) << 1 | u64::from(self.cancels_waiting));
        if let Some(s) = self.sweep {
            h.word((s.from as u64) << 32 | u64::from(s.before.0));
            h.word(u64::from(s.only_killed));
        }
        h.word(self.untold_count as u64);
        for (k, change) in self.untold.iter().enumerate().filter_map(|(k, c)| Some((k, (*c)?))) {
            h.word(k as u64);
            crate::instruments::absorb(change, &mut h);
        }
        h.finish()
    }
}

/// Where one of our orders rests in its book: by the venue's reference, through the engine.
impl<S: Strategy> Engine<S> {
    /// Shares and orders ahead of one of our resting orders, or `None` where the book does not show it. Cost: a walk over the level.
    pub fn queue_position(&mut self, id: OrderId) -> Option<crate::book::QueuePosition> {
        let order = self.orders.get(id)?;
        let reference: VenueRef = order.venue_ref?;
        let feed = self.instruments.of(order.instrument).instrument.feed;
        self.books[feed.index()].queue_position(reference)
    }
}
