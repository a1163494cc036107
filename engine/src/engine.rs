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
//! Contract: commands and [`Engine::state_hash`] are a function of the configuration and the ordered list of `(now, Input)`. There is no clock, no random
//! number, no I/O and no iteration over a hash table in here; after construction nothing is allocated.
//!
//! What one input may cause is bounded by [`COMMANDS_PER_INPUT`]. Work that could be longer (a cancel sweep over all orders, telling
//! the strategy of every instrument of a feed) is done in parts: while [`Engine::next_timer`] is due, give the engine [`Input::Timer`] and it goes on.

use model::{
    Control, ExecutionReport, FeedId, FeedStatus, GatewayId, HaltReason, Input, Instrument, InstrumentId,
    MarketBody, MarketEvent, Nanos, Px, Qty, ReportKind, SessionEvent, Side, Token, Usd, VenueRef,
};

use crate::book::{Book, BookCapacity, BookStats, Books, Effect};
use crate::fills::FillMemory;
use crate::hash::StateHash;
use crate::instruments::{InstrumentChange, Instruments};
use crate::limits::{COMMANDS_PER_INPUT, INTENTS_PER_CALLBACK, SWEEP_PER_INPUT};
use crate::orders::{Order, OrderId, OrderState, Orders, PendingReplace};
use crate::position::{Overflow, Positions};
use crate::risk::{Approved, Gate, NewOrder, RiskLimits, RiskReject, World};
use crate::strategy::{Fill, Intent, Intents, Strategy, TradePrint, View};

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
    /// Room for books, for each feed.
    pub book: BookCapacity,
}

/// An intent that risk refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked.
    pub intent: Intent,
    /// Why not.
    pub why: RiskReject,
}

/// What one input caused. The caller drains it after each [`Engine::apply`].
#[derive(Debug)]
pub struct Outbox {
    commands: Vec<Approved>,
    refusals: Vec<Refusal>,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox {
            commands: Vec::with_capacity(COMMANDS_PER_INPUT),
            refusals: Vec::with_capacity(COMMANDS_PER_INPUT),
        }
    }
}

impl Outbox {
    /// What may be sent, in order.
    pub fn commands(&self) -> &[Approved] {
        &self.commands
    }

    /// What was refused (at most [`COMMANDS_PER_INPUT`] an input; [`EngineStats::refusals`] counts all).
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Whether there is nothing in it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.refusals.is_empty()
    }

    /// Empties it.
    #[inline]
    pub fn clear(&mut self) {
        self.commands.clear();
        self.refusals.clear();
    }

    fn room(&self) -> usize {
        COMMANDS_PER_INPUT - self.commands.len()
    }

    fn send(&mut self, a: Approved) {
        assert!(self.room() > 0, "one input's commands are bounded");
        self.commands.push(a);
    }

    fn refuse(&mut self, intent: Intent, why: RiskReject) {
        if self.refusals.len() < COMMANDS_PER_INPUT {
            self.refusals.push(Refusal { intent, why });
        }
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Inputs applied.
    pub inputs: u64,
    /// Market events applied.
    pub market_events: u64,
    /// New orders sent.
    pub new_orders: u64,
    /// Replaces sent.
    pub replaces: u64,
    /// Cancels sent.
    pub cancels: u64,
    /// Intents refused by risk.
    pub refusals: u64,
    /// Reports applied.
    pub reports: u64,
    /// Orders the venue accepted.
    pub accepted: u64,
    /// Orders and replaces the venue refused.
    pub rejected: u64,
    /// Fills.
    pub fills: u64,
    /// Shares traded.
    pub shares: u64,
    /// Reports seen before, by their sequence.
    pub duplicate_reports: u64,
    /// Reports about orders that have ended, or that need no action.
    pub late_reports: u64,
    /// Orders of an earlier run taken over.
    pub adopted: u64,
    /// Reports that cannot be true of what we know; each halts trading.
    pub anomalies: u64,
}

#[derive(Clone, Copy, Default)]
struct Session {
    ready: bool,
    last_seq: u64,
}

/// The deterministic core over one strategy.
pub struct Engine<S> {
    now: Nanos,
    strategy: S,
    intents: Intents,
    books: Vec<Book>,
    instruments: Instruments,
    orders: Orders,
    positions: Positions,
    gate: Gate,
    sessions: Vec<Session>,
    fills: FillMemory,
    halt: Option<HaltReason>,
    wake: Option<Nanos>,
    /// Where a sweep that cancels everything has come to.
    sweep: Option<usize>,
    /// Whether some order waits to have its cancel sent again.
    cancels_waiting: bool,
    /// What each instrument's strategy callback has still to be told.
    untold: Vec<Option<InstrumentChange>>,
    untold_count: usize,
    stats: EngineStats,
}

impl<S: Strategy> Engine<S> {
    /// Takes all memory that it will ever need.
    pub fn new(config: &EngineConfig, strategy: S) -> Engine<S> {
        let n = config.instruments.len();
        assert!(
            config.instruments.iter().enumerate().all(|(k, i)| i.id.index() == k
                && i.feed.index() < config.feeds
                && i.gateway.index() < config.gateways),
            "instruments are dense and name feeds and gateways that exist"
        );
        let mut engine = Engine {
            now: Nanos::ZERO,
            strategy,
            intents: Intents::new(),
            books: (0..config.feeds).map(|_| Book::new(&config.book)).collect(),
            instruments: Instruments::new(&config.instruments, config.feeds),
            orders: Orders::new(config.limits.max_open_orders as usize, n),
            positions: Positions::new(n),
            gate: Gate::new(config.limits),
            sessions: vec![Session::default(); config.gateways],
            fills: FillMemory::new(),
            halt: None,
            wake: None,
            sweep: None,
            cancels_waiting: false,
            untold: vec![None; n],
            untold_count: 0,
            stats: EngineStats::default(),
        };
        let (strategy, view, _) = engine.parts();
        strategy.on_start(&view);
        engine
    }

    /// Applies one input at `now` (ns since the Unix epoch; a step back is taken as no step) and leaves what it caused in `out`, which the
    /// caller has emptied.
    #[inline]
    pub fn apply(&mut self, now: Nanos, input: &Input, out: &mut Outbox) {
        self.now = self.now.max(now);
        self.stats.inputs += 1;
        match input {
            Input::Market(feed, event) => self.on_market(*feed, event, out),
            Input::Feed(feed, status) => self.on_feed(*feed, *status),
            Input::Report(report) => self.on_report(report, out),
            Input::Session(gateway, event) => self.on_session(*gateway, *event),
            Input::Control(control) => self.on_control(*control),
            Input::Timer => {
                if self.wake.is_some_and(|at| at <= self.now) {
                    self.wake = None;
                    self.call(out, |s, view, intents| s.on_timer(view, intents));
                }
            }
        }
        if self.has_backlog() {
            self.work_off(out);
        }
    }

    #[inline]
    fn on_market(&mut self, feed: FeedId, event: &MarketEvent, out: &mut Outbox) {
        self.stats.market_events += 1;
        self.instruments.on_heard(feed, self.now);
        if event.body.concerns_all() {
            self.each_of_feed(feed, |i, id| i.on_market(id, &event.body));
            return;
        }
        let id = event.instrument;
        if id.index() >= self.untold.len() {
            return; // a feed passes configured instruments only; a forged journal may hold others
        }
        if !event.body.touches_book() {
            self.on_off_book(id, &event.body, out);
            return;
        }
        let change = self.books[feed.index()].apply(event);
        if change.effect == Effect::Capacity {
            let lost = self.instruments.on_book_lost(id);
            self.tell(id, lost);
        }
        // What the book refused whole is counted there and is no change; a refused replace took its old order away.
        if change.qty.is_zero() && change.replaced_qty.is_zero() {
            return;
        }
        let id = change.instrument;
        if change.top_changed {
            let top = self.books[feed.index()].top(id);
            if let Some(reference) = self.instruments.on_top(id, &top, self.now) {
                self.mark(id, reference);
            }
        }
        if let Some(traded) = change.traded.filter(|t| t.printable) {
            self.instruments.on_trade(id, traded.px);
            let qty = u64::from(change.qty.0);
            let trade = TradePrint { instrument: id, px: traded.px, qty, resting: Some(change.side) };
            self.call(out, |s, view, intents| s.on_trade(view, &trade, intents));
        }
        self.call(out, |s, view, intents| s.on_book(view, &change, intents));
    }

    fn on_off_book(&mut self, id: InstrumentId, body: &MarketBody, out: &mut Outbox) {
        let print = match *body {
            MarketBody::Trade { px, qty, side, .. } => Some((px, u64::from(qty.0), Some(side))),
            MarketBody::Cross { px, qty, .. } if qty != 0 => Some((px, qty, None)),
            _ => None,
        };
        if let Some((px, qty, resting)) = print {
            self.instruments.on_trade(id, px);
            let trade = TradePrint { instrument: id, px, qty, resting };
            self.call(out, |s, view, intents| s.on_trade(view, &trade, intents));
        }
        let change = self.instruments.on_market(id, body);
        self.tell(id, change);
    }

    fn on_feed(&mut self, feed: FeedId, status: FeedStatus) {
        if !matches!(status, FeedStatus::Silent) {
            self.instruments.on_heard(feed, self.now);
        }
        if status == FeedStatus::NewSession {
            self.books[feed.index()].clear();
        }
        self.each_of_feed(feed, |i, id| i.on_feed(id, status));
    }

    fn each_of_feed(
        &mut self,
        feed: FeedId,
        f: impl Fn(&mut Instruments, InstrumentId) -> Option<InstrumentChange>,
    ) {
        for k in 0..self.untold.len() {
            let id = InstrumentId(k as u16);
            if self.instruments.of(id).instrument.feed == feed {
                let change = f(&mut self.instruments, id);
                self.tell(id, change);
            }
        }
    }

    /// Notes that the strategy is to be told of a change of an instrument; a later change replaces one not yet told.
    fn tell(&mut self, id: InstrumentId, change: Option<InstrumentChange>) {
        if let Some(c) = change {
            self.untold_count += usize::from(self.untold[id.index()].is_none());
            self.untold[id.index()] = Some(c);
        }
    }

    #[inline]
    fn mark(&mut self, id: InstrumentId, px: Px) {
        match self.positions.on_mark(id, px) {
            Ok(()) => self.check_loss(),
            Err(Overflow) => self.halt(HaltReason::Overflow),
        }
    }

    #[inline]
    fn check_loss(&mut self) {
        if self.positions.pnl().0 <= -self.gate.limits().max_daily_loss.0 && self.halt.is_none() {
            self.halt(HaltReason::Loss);
        }
    }

    fn on_report(&mut self, r: &ExecutionReport, out: &mut Outbox) {
        let session = &mut self.sessions[r.gateway.index()];
        if r.seq <= session.last_seq {
            self.stats.duplicate_reports += 1;
            return;
        }
        session.last_seq = r.seq;
        self.stats.reports += 1;
        match r.kind {
            ReportKind::Accepted { order, px, qty, side, instrument, dead } => {
                self.stats.accepted += 1;
                self.gate.burn(r.token);
                if self.orders.by_token(r.token).is_none() {
                    self.adopt(r, instrument, side, px, qty);
                }
                self.move_order(r, out, |o| o.on_accepted(order, px, qty, dead));
            }
            ReportKind::Replaced { old, order, px, qty, dead } => {
                self.gate.burn(r.token);
                let known = self.orders.by_token(old).is_some();
                let token = if known { old } else { r.token };
                self.move_order(&ExecutionReport { token, ..*r }, out, |o| {
                    o.on_replaced(r.token, order, px, qty, dead);
                });
            }
            ReportKind::Canceled { qty, .. } => self.move_order(r, out, |o| o.on_canceled(qty)),
            ReportKind::Executed { qty, px, match_number, .. } => {
                self.on_executed(r, qty, px, match_number, out);
            }
            ReportKind::Rejected { .. } => {
                self.stats.rejected += 1;
                self.move_order(r, out, |o| o.on_rejected(r.token));
            }
            ReportKind::Broken { match_number, .. } => self.on_broken(r.gateway, match_number),
            ReportKind::CancelRejected => self.move_order(r, out, Order::on_cancel_rejected),
            ReportKind::Modified { qty, side } => self.move_order(r, out, |o| o.on_modified(qty, side)),
            ReportKind::Reprioritised { order, px } => self.move_order(r, out, |o| {
                o.venue_ref = Some(order);
                o.px = px;
            }),
            ReportKind::CancelPending | ReportKind::Restated { .. } | ReportKind::System { .. } => {
                self.stats.late_reports += 1;
            }
        }
    }

    /// Applies a report to its order and tells the strategy.
    fn move_order(&mut self, r: &ExecutionReport, out: &mut Outbox, f: impl FnOnce(&mut Order)) {
        match self.orders.change(r.token, f) {
            Some((order, ())) => {
                self.cancels_waiting |= order.cancel_wanted;
                self.call(out, |s, view, intents| s.on_order(view, &order, &r.kind, intents));
            }
            None => self.stats.late_reports += 1,
        }
    }

    fn on_executed(&mut self, r: &ExecutionReport, qty: Qty, px: Px, match_number: u64, out: &mut Outbox) {
        let Some((order, within)) = self.orders.change(r.token, |o| o.on_executed(qty)) else {
            // A fill of an order that we do not know: the position is no longer certain.
            return self.anomaly();
        };
        self.stats.fills += 1;
        self.stats.shares += u64::from(qty.0);
        let fill =
            Fill { order: order.id, instrument: order.instrument, side: order.side, qty, px, match_number };
        self.fills.remember(r.gateway, fill);
        match self.positions.on_fill(order.instrument, order.side, qty, px) {
            Ok(()) => self.check_loss(),
            Err(Overflow) => self.halt(HaltReason::Overflow),
        }
        if within.is_err() {
            self.anomaly();
        }
        self.call(out, |s, view, intents| s.on_fill(view, &fill, intents));
        self.call(out, |s, view, intents| s.on_order(view, &order, &r.kind, intents));
    }

    fn on_broken(&mut self, gateway: GatewayId, match_number: u64) {
        // One trade may have been several of our fills: a self-match has both sides.
        let mut found = false;
        while let Some(f) = self.fills.forget(gateway, match_number) {
            found = true;
            if self.positions.on_broken(f.instrument, f.side, f.qty, f.px).is_err() {
                self.halt(HaltReason::Overflow);
            }
        }
        if !found {
            self.anomaly();
        }
    }

    /// Takes over an order of an earlier run, or of another program on the same account: it is real, so it counts.
    fn adopt(&mut self, r: &ExecutionReport, id: Option<InstrumentId>, side: Side, px: Px, qty: Qty) {
        let Some(id) = id.filter(|id| id.index() < self.untold.len()) else { return };
        if !self.orders.has_room() {
            return self.anomaly();
        }
        self.stats.adopted += 1;
        let mut order = Order::new(r.token, id, r.gateway, side, model::Tif::Day, px, qty, self.now);
        order.adopted = true;
        self.orders.insert(order);
    }

    #[cold]
    fn anomaly(&mut self) {
        self.stats.anomalies += 1;
        self.halt(HaltReason::Reconciliation);
    }

    fn on_session(&mut self, gateway: GatewayId, event: SessionEvent) {
        let ready = match event {
            SessionEvent::LoggedIn | SessionEvent::LoginRejected { .. } => return,
            SessionEvent::Ready { next_token } => {
                if next_token.0 > 0 {
                    self.gate.burn(Token(next_token.0 - 1));
                }
                self.each_order_of(gateway, Order::on_settled);
                true
            }
            SessionEvent::Disconnected => {
                self.each_order_of(gateway, Order::on_disconnected);
                false
            }
            SessionEvent::EndOfSession => {
                // The next session counts its messages from 1.
                self.sessions[gateway.index()].last_seq = 0;
                self.each_order_of(gateway, Order::on_disconnected);
                false
            }
        };
        self.sessions[gateway.index()].ready = ready;
        self.tell_all(Some(gateway), InstrumentChange::Session { ready });
    }

    fn each_order_of(&mut self, gateway: GatewayId, f: impl Fn(&mut Order)) {
        let mut from = 0;
        while let Some((slot, o)) = self.orders.next_where(from, |o| o.gateway == gateway) {
            if let Some((after, ())) = self.orders.change(o.token, &f) {
                self.cancels_waiting |= after.cancel_wanted;
            }
            from = slot + 1;
        }
    }

    fn tell_all(&mut self, gateway: Option<GatewayId>, change: InstrumentChange) {
        for k in 0..self.untold.len() {
            let id = InstrumentId(k as u16);
            if gateway.is_none_or(|g| self.instruments.of(id).instrument.gateway == g) {
                self.tell(id, Some(change));
            }
        }
    }

    fn on_control(&mut self, control: Control) {
        match control {
            Control::Halt(reason) => self.halt(reason),
            Control::Shutdown => self.halt(HaltReason::Shutdown),
            Control::Resume => {
                // What cannot trade on does not: the journal is full, or the process is about to end.
                if !matches!(self.halt, Some(HaltReason::Shutdown | HaltReason::Journal)) {
                    self.halt = None;
                    self.sweep = None;
                    self.tell_all(None, InstrumentChange::Halt { halted: false });
                }
            }
            Control::CancelAll => self.sweep = Some(0),
            Control::Tokens { first, end } => self.gate.grant(first, end),
        }
    }

    /// Stops new risk. Everything open is canceled, except where a person asked to halt only: then the strategy decides about its own orders.
    fn halt(&mut self, reason: HaltReason) {
        if self.halt != Some(HaltReason::Shutdown) {
            self.halt = Some(reason);
        }
        if reason != HaltReason::Operator {
            self.sweep = Some(0);
        }
        self.tell_all(None, InstrumentChange::Halt { halted: true });
    }

    #[inline]
    fn has_backlog(&self) -> bool {
        self.sweep.is_some() || self.cancels_waiting || self.untold_count != 0
    }

    /// Does a bounded part of what is left over.
    fn work_off(&mut self, out: &mut Outbox) {
        let mut budget = SWEEP_PER_INPUT.min(out.room());
        if let Some(from) = self.sweep {
            self.sweep =
                self.cancel_where(out, from, &mut budget, |o| o.state() != OrderState::PendingCancel);
        }
        if self.cancels_waiting {
            let wanted = |o: &Order| o.cancel_wanted && o.is_quiet();
            self.cancels_waiting = self.cancel_where(out, 0, &mut budget, wanted).is_some();
        }
        let mut k = 0;
        while self.untold_count != 0 && k < self.untold.len() && out.room() >= INTENTS_PER_CALLBACK {
            if let Some(change) = self.untold[k].take() {
                self.untold_count -= 1;
                let id = InstrumentId(k as u16);
                self.call(out, |s, view, intents| s.on_instrument(view, id, change, intents));
            }
            k += 1;
        }
    }

    /// Cancels orders for which `f` holds, from slot `from`; returns where to go on when `budget` runs out.
    fn cancel_where(
        &mut self,
        out: &mut Outbox,
        mut from: usize,
        budget: &mut usize,
        f: impl Fn(&Order) -> bool,
    ) -> Option<usize> {
        while let Some((slot, order)) = self.orders.next_where(from, &f) {
            if *budget == 0 {
                return Some(slot);
            }
            *budget -= 1;
            self.cancel(&order, out);
            from = slot + 1;
        }
        None
    }

    /// Sends an order's cancel, or notes that it is wanted where something is in flight that must resolve first.
    fn cancel(&mut self, order: &Order, out: &mut Outbox) {
        match order.state() {
            OrderState::PendingNew | OrderState::Live => {
                out.send(self.gate.cancel(self.now, order));
                self.stats.cancels += 1;
                self.orders.change(order.token, Order::on_sent_cancel);
            }
            // Which token will be the living one is not known before the replace is answered.
            OrderState::PendingReplace | OrderState::Unknown => {
                self.orders.change(order.token, |o| o.cancel_wanted = true);
            }
            OrderState::PendingCancel | OrderState::Filled | OrderState::Canceled | OrderState::Rejected => {}
        }
    }

    fn parts(&mut self) -> (&mut S, View<'_>, &mut Intents) {
        let view = View {
            now: self.now,
            halted: self.halt.is_some(),
            books: &self.books,
            instruments: &self.instruments,
            orders: &self.orders,
            positions: &self.positions,
        };
        (&mut self.strategy, view, &mut self.intents)
    }

    #[inline]
    fn call(&mut self, out: &mut Outbox, f: impl FnOnce(&mut S, &View<'_>, &mut Intents)) {
        let (strategy, view, intents) = self.parts();
        f(strategy, &view, intents);
        if !self.intents.is_empty() {
            self.carry_out(out);
        }
    }

    fn carry_out(&mut self, out: &mut Outbox) {
        let mut asked = [None; INTENTS_PER_CALLBACK];
        let (list, too_many, wake) = self.intents.take();
        asked.iter_mut().zip(list).for_each(|(a, i)| *a = Some(i));
        self.intents.clear();
        self.stats.refusals += u64::from(too_many);
        self.wake = wake.or(self.wake);
        for intent in asked.into_iter().flatten() {
            if let Err(why) = self.request(&intent, out) {
                self.stats.refusals += 1;
                out.refuse(intent, why);
                let (strategy, view, _) = self.parts();
                strategy.on_refused(&view, &intent, why);
            }
        }
    }

    #[inline]
    fn request(&mut self, intent: &Intent, out: &mut Outbox) -> Result<(), RiskReject> {
        match *intent {
            Intent::New { instrument, side, qty, px, tif } => {
                if instrument.index() >= self.untold.len() {
                    return Err(RiskReject::UnknownInstrument);
                }
                let gateway = self.instruments.of(instrument).instrument.gateway;
                let (world, gate, orders) = self.world(instrument);
                let n = NewOrder { instrument, side, qty, px, tif };
                out.send(gate.new_order(&world, orders, gateway, n)?);
                self.stats.new_orders += 1;
            }
            Intent::Replace { order, qty, px } => {
                let order = *self.orders.get(order).ok_or(RiskReject::UnknownOrder)?;
                let (world, gate, orders) = self.world(order.instrument);
                let (approved, token, total) = gate.replace(&world, orders, &order, qty, px)?;
                let r = PendingReplace { token, total, px, tif: order.tif };
                orders.change(order.token, |o| o.on_sent_replace(r));
                out.send(approved);
                self.stats.replaces += 1;
            }
            Intent::Cancel { order } => {
                let order = *self.orders.get(order).ok_or(RiskReject::UnknownOrder)?;
                if order.state() == OrderState::PendingCancel {
                    return Err(RiskReject::Busy);
                }
                self.cancel(&order, out);
            }
        }
        Ok(())
    }

    fn world(&mut self, id: InstrumentId) -> (World<'_>, &mut Gate, &mut Orders) {
        let i = self.instruments.of(id).instrument;
        let world = World {
            now: self.now,
            instruments: &self.instruments,
            positions: &self.positions,
            best_bid: self.books[i.feed.index()].top(id).bid_px,
            halted: self.halt.is_some(),
            ready: self.sessions[i.gateway.index()].ready,
        };
        (world, &mut self.gate, &mut self.orders)
    }

    /// When the engine wants [`Input::Timer`]: at once (the time it already has) while work is left over, or at the strategy's wake-up.
    #[inline]
    #[must_use]
    pub fn next_timer(&self) -> Option<Nanos> {
        if self.has_backlog() { Some(self.now) } else { self.wake }
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

    /// Profit and loss at the marks.
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

    /// A hash over everything that can influence a later command: orders, positions, risk counts, instruments, sessions and the best prices. Equal
    /// inputs give equal hashes. Cost: a pass over open orders and instruments.
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
        h.word(self.wake.map_or(0, |w| w.0));
        h.word(self.stats.new_orders << 32 ^ self.stats.cancels << 16 ^ self.stats.refusals);
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
