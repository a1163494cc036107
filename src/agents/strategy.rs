//! The strategy agent: the hot thread. It takes inputs from feeds, gateways and control, journals each, gives it to the engine, journals what came of
//! it, and passes approved orders on.
//!
//! Order of things for one input: the input is in the journal, the engine is called, each command is in the journal, then it goes to the gateway's
//! ring. Nothing is sent that the journal does not hold: when the journal cannot take a record, no further input is taken.
//!
//! # Room
//!
//! An input is taken only where each gateway's ring has room for all that it may cause ([`COMMANDS_PER_INPUT`]). So that one gateway that stands still does
//! not keep a halt from the others, the last of that room is kept back:
//!
//! ```text
//!   slots free:   PACKET_NEEDS  REPORT_NEEDS   INPUT_NEEDS    CONTROL_NEEDS
//!   packets begin |   reports   |   timers,    | control alone |  nothing
//!                 |             | packets go on|               |
//! ```
//!
//! Control does not wait for room in front of market data, but for the end of a packet whose events are being taken: the journal names a packet as a whole.
//! An end that was asked for has its time from the moment it was asked for, whether or not its input finds room.

#[cfg(test)]
mod tests;
pub(crate) mod time;

use std::sync::Arc;

use engine::book::AHEAD;
use engine::limits::COMMANDS_PER_INPUT;
use engine::strategy::Strategy;
use engine::{Engine, KillState, Outbox};
use model::{Control, FeedId, FeedStatus, GatewayId, HaltReason, Input, Nanos, SessionEvent};
use ringbuf::log::Writer;
use ringbuf::spsc::{Consumer, Producer};

use super::ending::{Ending, Farewell};
use super::{ControlItem, FeedItem, GatewayItem, OrderItem};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::journal::Record;
use crate::telemetry::counters::engine as counter;
use crate::telemetry::publish::CorePublisher;

/// Items taken from one feed in a duty cycle.
const FEED_BATCH: usize = 64;
/// Events of a packet from which on it pays to ask for their memory beforehand. On 6,000 books it takes a third off an event; for two or three events, or books
/// that fit the caches, it costs more than it brings.
const AHEAD_LEAST: u32 = 8;
/// Items taken from one gateway in a duty cycle.
const GATEWAY_BATCH: usize = 16;
/// Slots that each gateway's ring must have free for a control input ...
const CONTROL_NEEDS: usize = COMMANDS_PER_INPUT;
/// ... for any other, so that a control input may follow ...
const INPUT_NEEDS: usize = CONTROL_NEEDS + COMMANDS_PER_INPUT;
/// ... for a report, in front of which the engine may have to be given the time ...
const REPORT_NEEDS: usize = INPUT_NEEDS + COMMANDS_PER_INPUT;
/// ... and for a packet to be begun, in front of which as well, so that its events seldom have to wait with the packet open.
const PACKET_NEEDS: usize = 2 * INPUT_NEEDS;
/// How often shared memory shows the state at the latest; with nothing to do, at once.
const PUBLISH: Nanos = Nanos::from_millis(10);
/// How often a state hash is journaled.
const HASH: Nanos = Nanos::from_millis(1_000);
/// How long a shutdown waits for the venue to confirm that nothing is open.
const SHUTDOWN: Nanos = Nanos::from_millis(3_000);

/// A feed's side of the strategy.
pub struct FeedPort {
    /// Its number.
    pub id: FeedId,
    /// What it sends.
    pub items: Consumer<FeedItem>,
    /// Events of the packet being taken that are still to come; 0 between packets.
    left: u32,
}

impl FeedPort {
    /// Between packets.
    #[must_use]
    pub fn new(id: FeedId, items: Consumer<FeedItem>) -> FeedPort {
        FeedPort { id, items, left: 0 }
    }
}

/// A gateway's side of the strategy.
pub struct GatewayPort {
    /// Its number.
    pub id: GatewayId,
    /// What it sends.
    pub items: Consumer<GatewayItem>,
    /// What is sent to it.
    pub orders: Producer<OrderItem>,
}

/// What a strategy agent is made from.
pub struct StrategyParts<S> {
    /// The engine.
    pub engine: Engine<S>,
    /// Feeds, by number.
    pub feeds: Vec<FeedPort>,
    /// Gateways, by number.
    pub gateways: Vec<GatewayPort>,
    /// The control plane.
    pub control: Consumer<ControlItem>,
    /// The core journal.
    pub journal: Writer,
    /// Shared memory.
    pub publisher: CorePublisher,
    /// The clock.
    pub clock: Clock,
    /// Asks this agent to end; told by it when and how gateways are to.
    pub ending: Arc<Ending>,
}

/// See the module.
pub struct StrategyAgent<S> {
    feeds: Vec<FeedPort>,
    control: Consumer<ControlItem>,
    core: Core<S>,
    published: Nanos,
    hashed: Nanos,
    hashed_inputs: u64,
    stop_by: Option<Nanos>,
    /// The end was asked for, and its input has not been taken.
    shutdown_due: bool,
    /// Why trading was halted when the shutdown came, which is a halt of its own.
    halted: Option<HaltReason>,
    ending: Arc<Ending>,
}

/// A gateway as the core knows it.
struct Route {
    orders: Producer<OrderItem>,
    epoch: u32,
}

/// What of an outbox has gone its way.
#[derive(Default)]
struct Gone {
    transitions: usize,
    commands: usize,
}

/// The engine with its journal and its ways out.
struct Core<S> {
    engine: Engine<S>,
    outbox: Outbox,
    journal: Option<Writer>,
    routes: Vec<Route>,
    gateway_items: Vec<Consumer<GatewayItem>>,
    publisher: CorePublisher,
    clock: Clock,
    /// The time of this duty cycle: when what is taken in it was at hand.
    cycle: Nanos,
    /// The packet whose events are being taken is timed.
    timed: bool,
    packet_received: Nanos,
    /// Trading is halted for good, for the journal or a capture runs out. What room is left belongs to the cancels and to what the venue says of them:
    /// market data is taken no further.
    latched: bool,
    /// The events of a packet that was not taken are passed over.
    skipping: bool,
    /// The journal refused a record: nothing more is taken.
    blind: bool,
    /// When the venue had confirmed that nothing lives of what is killed; zero while it has not.
    kill_flat: Nanos,
}

impl<S: Strategy> StrategyAgent<S> {
    /// Puts it together.
    #[must_use]
    pub fn new(p: StrategyParts<S>) -> StrategyAgent<S> {
        let mut routes = Vec::with_capacity(p.gateways.len());
        let mut gateway_items = Vec::with_capacity(p.gateways.len());
        for g in p.gateways {
            routes.push(Route { orders: g.orders, epoch: 0 });
            gateway_items.push(g.items);
        }
        StrategyAgent {
            feeds: p.feeds,
            control: p.control,
            core: Core {
                engine: p.engine,
                outbox: Outbox::default(),
                journal: Some(p.journal),
                routes,
                gateway_items,
                publisher: p.publisher,
                clock: p.clock,
                cycle: Nanos::ZERO,
                timed: false,
                packet_received: Nanos::ZERO,
                latched: false,
                skipping: false,
                blind: false,
                kill_flat: Nanos::ZERO,
            },
            published: Nanos::ZERO,
            hashed: Nanos::ZERO,
            hashed_inputs: 0,
            stop_by: None,
            shutdown_due: false,
            halted: None,
            ending: p.ending,
        }
    }

    /// Gives the engine what restrained the run before: in the journal and in force before anything else is, whatever ends this process next.
    pub fn take_over(&mut self, now: Nanos, controls: &[Control]) {
        for control in controls {
            let (now, control) = (now, *control);
            self.core.input(now, &Record::Control { now, control }, &Input::Control(control), now);
        }
    }

    /// The engine, to be looked at when the thread has ended.
    #[must_use]
    pub fn engine(&self) -> &Engine<S> {
        &self.core.engine
    }

    /// Why trading is halted, or was before the shutdown.
    #[must_use]
    pub fn halted(&self) -> Option<HaltReason> {
        self.halted.or(self.core.engine.halted()).filter(|why| *why != HaltReason::Shutdown)
    }

    /// What the person is to know when it has ended.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let said =
            "strategy: the journal refused a record, so nothing more was taken and the gateways canceled all";
        self.core.blind.then(|| said.into())
    }

    /// Begins the end. Its time runs from here.
    #[cold]
    fn shut_down(&mut self, now: Nanos) {
        if self.stop_by.is_none() {
            self.stop_by = Some(now.after(SHUTDOWN));
            self.shutdown_due = true;
            self.halted = self.core.engine.halted();
        }
    }

    fn take_control(&mut self, now: Nanos) -> usize {
        if (self.control.is_empty() && !self.shutdown_due) || self.core.least_room() < CONTROL_NEEDS {
            return 0;
        }
        let control = match self.control.pop() {
            Some(ControlItem { control, by }) => {
                if let Some(by) = by {
                    self.core.write(&Record::Operator { now, by });
                }
                let Some(control) = control else { return 1 };
                control
            }
            None if self.shutdown_due => Control::Shutdown,
            None => return 0,
        };
        if matches!(control, Control::Kill { .. }) {
            self.core.kill_flat = Nanos::ZERO;
        }
        if control == Control::Shutdown {
            self.shut_down(now);
            self.shutdown_due = false;
        }
        if control == Control::Halt(HaltReason::Journal) {
            // The disk has failed behind our back: as where the log runs low, nothing of the market is taken any more.
            self.core.latch(now);
            return 1;
        }
        self.core.input(now, &Record::Control { now, control }, &Input::Control(control), now);
        1
    }

    /// The feed in the middle of whose packet the last cycle stopped. The journal names a packet as a whole, so nothing else may reach the engine before
    /// the rest of it has.
    fn open_packet(&self) -> Option<usize> {
        self.feeds.iter().position(|f| f.left > 0)
    }

    fn take_feed(&mut self, k: usize) -> usize {
        // A packet that is open goes on, and no other begins behind it on the room that was kept for it.
        let room = match self.feeds[k].left as usize {
            0 => self.core.room_for(PACKET_NEEDS),
            left => self.core.room_for(INPUT_NEEDS).min(left),
        }
        .min(FEED_BATCH);
        let (port, core) = (&mut self.feeds[k], &mut self.core);
        let FeedPort { id, items, left } = port;
        let mut ahead = 0usize;
        items.drain_seeing(room, |item, behind| {
            match item {
                FeedItem::Packet { events, .. } => *left = *events,
                FeedItem::Event(_) => (*left, ahead) = (left.saturating_sub(1), ahead.saturating_sub(1)),
                FeedItem::Status { .. } | FeedItem::CaptureLow { .. } => {}
            }
            if ahead == 0 && *left >= AHEAD_LEAST {
                ahead = core.anticipate(*id, behind, *left as usize);
            }
            core.on_feed_item(*id, item);
        })
    }

    fn take_feeds(&mut self) -> usize {
        let mut work = 0;
        for k in 0..self.feeds.len() {
            work += self.take_feed(k);
            if self.feeds[k].left > 0 {
                break;
            }
        }
        work
    }

    /// Tells the gateways how to end.
    #[cold]
    fn take_leave(&mut self) {
        let farewell = match self.core.blind || self.core.engine.orders().ours_open() > 0 {
            true => Farewell::Sweep,
            false => Farewell::LogOut,
        };
        self.ending.raise(farewell);
        if self.core.blind {
            // Nothing that comes is read any more: gateways must not wait for room.
            self.core.gateway_items.clear();
        }
    }

    fn publish_rings(&mut self) {
        let Core { publisher, gateway_items, routes, .. } = &mut self.core;
        let feeds = self.feeds.iter().map(|f| (f.items.len(), f.items.capacity()));
        let of_gateway = |(reports, route): (&Consumer<GatewayItem>, &Route)| {
            let orders = &route.orders;
            [(reports.len(), reports.capacity()), (orders.capacity() - orders.free(), orders.capacity())]
        };
        let gateways = gateway_items.iter().zip(routes.iter()).flat_map(of_gateway);
        publisher.publish_rings(feeds.chain(gateways));
    }

    /// What is done when the rest is done, or has not been done for long.
    fn tidy_up(&mut self, now: Nanos, work: usize) {
        let since = now.since(self.published).0;
        let inputs = self.core.engine.stats().inputs;
        if since >= PUBLISH.0 || (work == 0 && since >= PUBLISH.0 / 10) {
            self.published = now;
            self.core.publisher.publish(&self.core.engine);
            self.publish_rings();
            if let Some(j) = &self.core.journal {
                self.core.publisher.counters.set(counter::journal_records, j.next_index());
            }
        }
        let due = now.since(self.hashed).0 >= HASH.0 && inputs != self.hashed_inputs;
        if due && self.open_packet().is_none() {
            self.hashed = now;
            self.hashed_inputs = inputs;
            let hash = self.core.engine.state_hash();
            self.core.write(&Record::Hash { inputs, hash });
        }
    }
}

impl<S: Strategy> Core<S> {
    /// Slots free in the fullest ring to a gateway. One whose gateway is gone takes anything: nobody reads it.
    #[inline]
    fn least_room(&self) -> usize {
        if self.blind {
            return 0;
        }
        let room = |r: &Route| match r.orders.free() {
            few if few < PACKET_NEEDS && r.orders.is_abandoned() => usize::MAX,
            free => free,
        };
        self.routes.iter().map(room).min().unwrap_or(usize::MAX)
    }

    /// How many inputs may be taken now that need so many slots free: each may cause [`COMMANDS_PER_INPUT`] commands for one gateway.
    #[inline]
    fn room_for(&self, needs: usize) -> usize {
        (self.least_room().saturating_add(COMMANDS_PER_INPUT)).saturating_sub(needs) / COMMANDS_PER_INPUT
    }

    #[inline]
    fn write(&mut self, record: &Record) {
        let Some(journal) = self.journal.as_mut().filter(|_| !self.blind) else { return };
        if record.append(journal).is_err() && !cfg!(feature = "canary-disk-blind") {
            self.refused();
        }
    }

    #[cold]
    fn refused(&mut self) {
        self.blind = true;
        self.publisher.counters.add(counter::journal_refused, 1);
    }

    /// Journals an input, applies it and dispatches what it caused.
    #[inline]
    fn input(&mut self, now: Nanos, record: &Record, input: &Input, received: Nanos) {
        self.write(record);
        self.apply(now, input, received);
    }

    /// Applies an input that is in the journal.
    #[inline]
    fn apply(&mut self, now: Nanos, input: &Input, received: Nanos) {
        self.applied(received, |engine, out| engine.decide(now, input, out));
    }

    /// Has the engine decide about an input that is in the journal.
    #[inline(always)]
    fn applied(&mut self, received: Nanos, decide: impl FnOnce(&mut Engine<S>, &mut Outbox)) {
        if self.blind {
            return;
        }
        if self.timed {
            let start = self.clock.now();
            decide(&mut self.engine, &mut self.outbox);
            let took = self.clock.now().since(start).0;
            let stage = match self.outbox.commands().is_empty() {
                true => &mut self.publisher.book,
                false => &mut self.publisher.strategy_risk,
            };
            stage.record(took);
        } else {
            decide(&mut self.engine, &mut self.outbox);
        }
        let mut gone = Gone::default();
        if !self.outbox.is_empty() {
            self.dispatch(received, &mut gone);
        }
        // Orders are on their way before anything is counted that the next input needs and this one does not.
        self.engine.account(&mut self.outbox);
        if !self.outbox.is_empty() {
            self.dispatch(received, &mut gone);
            self.conclude();
        }
    }

    /// Journals and sends what has come of an input since the last time.
    fn dispatch(&mut self, received: Nanos, gone: &mut Gone) {
        for k in gone.transitions..self.outbox.transitions().len() {
            let transition = self.outbox.transitions()[k];
            self.write(&Record::Validity(transition));
            gone.transitions += 1;
        }
        if gone.commands == self.outbox.commands().len() {
            return;
        }
        let decided = self.clock.now();
        for k in gone.commands..self.outbox.commands().len() {
            let approved = self.outbox.commands()[k];
            let command = *approved.command();
            self.write(&Record::Command(command));
            if self.blind {
                // Not in the journal, so not sent: the order stays pending until the session's replay settles it.
                break;
            }
            let route = &mut self.routes[command.gateway.index()];
            let decoded = self.cycle.max(received);
            let item = OrderItem {
                approved,
                epoch: route.epoch,
                received,
                decoded_ns: span(decoded, received),
                decided_ns: span(decided, decoded),
            };
            if let Err(full) = route.orders.push(item) {
                assert!(route.orders.is_abandoned(), "room was made before the input was taken: {full:?}");
            }
            gone.commands += 1;
        }
    }

    /// Journals the rest of what came of an input.
    fn conclude(&mut self) {
        for k in 0..self.outbox.refusals().len() {
            let refusal = self.outbox.refusals()[k];
            self.write(&Record::Refusal(refusal));
        }
        for k in 0..self.outbox.dropped().len() {
            let dropped = self.outbox.dropped()[k];
            self.write(&Record::Dropped(dropped));
        }
        for k in 0..self.outbox.alarms().len() {
            let alarm = self.outbox.alarms()[k];
            self.write(&Record::Alarm(alarm));
        }
        self.outbox.clear();
    }

    /// Has the books look at the next events of a packet of which `left` are to come; how many of them lie in `behind` and were looked at.
    fn anticipate(&self, feed: FeedId, behind: &[FeedItem], left: usize) -> usize {
        let next = &behind[..behind.len().min(left).min(AHEAD)];
        self.engine.anticipate(feed, next.iter().filter_map(FeedItem::event));
        next.len()
    }

    #[inline]
    fn on_feed_item(&mut self, feed: FeedId, item: &FeedItem) {
        match *item {
            FeedItem::Packet { received, is_snapshot, first, count, pushed, .. } => {
                self.skipping = self.latched;
                if self.skipping {
                    return;
                }
                self.catch_up(received);
                self.timed = pushed != Nanos::ZERO;
                if self.timed {
                    self.publisher.feed_ring.record(self.clock.now().since(pushed).0);
                }
                self.packet_received = received;
                self.write(&match is_snapshot {
                    false => Record::Market { now: received, feed, count, first },
                    true => Record::Snapshot { now: received, feed, count, first },
                });
            }
            FeedItem::Event(_) if self.skipping => {}
            FeedItem::Event(ref event) => {
                let received = self.packet_received;
                self.applied(received, |engine, out| engine.decide_market(received, feed, event, out));
            }
            FeedItem::Status { .. } if self.latched => {}
            FeedItem::Status { received, status } => self.on_status(received, feed, status),
            FeedItem::CaptureLow { received } => self.latch(received),
        }
    }

    #[cold]
    fn on_status(&mut self, now: Nanos, feed: FeedId, status: FeedStatus) {
        self.catch_up(now);
        self.timed = false;
        self.input(now, &Record::Feed { now, feed, status }, &Input::Feed(feed, status), now);
    }

    fn take_reports(&mut self) -> usize {
        let mut work = 0;
        for k in 0..self.gateway_items.len() {
            for _ in 0..GATEWAY_BATCH.min(self.room_for(REPORT_NEEDS)) {
                let Some(item) = self.gateway_items[k].pop() else { break };
                self.on_gateway_item(GatewayId(k as u8), item);
                work += 1;
            }
        }
        work
    }

    fn on_gateway_item(&mut self, gateway: GatewayId, item: GatewayItem) {
        self.timed = false;
        match item {
            GatewayItem::Report { received: now, report } => {
                self.catch_up(now);
                self.input(now, &Record::Report { now, report }, &Input::Report(report), now);
            }
            GatewayItem::Session { received: now, event } => {
                self.catch_up(now);
                if event == SessionEvent::Disconnected {
                    let route = &mut self.routes[gateway.index()];
                    route.epoch = route.epoch.wrapping_add(1);
                }
                self.input(
                    now,
                    &Record::Session { now, gateway, event },
                    &Input::Session(gateway, event),
                    now,
                );
            }
            GatewayItem::Doubt { received: now } => {
                self.catch_up(now);
                let event = SessionEvent::Doubt;
                self.input(
                    now,
                    &Record::Session { now, gateway, event },
                    &Input::Session(gateway, event),
                    now,
                );
            }
            GatewayItem::Sent(receipt) => self.write(&Record::Receipt(receipt)),
            GatewayItem::NeverSent { received: now, token } => {
                self.catch_up(now);
                let control = Control::NeverSent { token };
                self.input(now, &Record::Control { now, control }, &Input::Control(control), now);
            }
        }
    }

    /// Notes when nothing lives any more of what is killed, and shows it.
    #[inline]
    fn watch_kill(&mut self) {
        let state = self.engine.kill_state();
        if state != KillState::Off || self.kill_flat != Nanos::ZERO {
            self.show_kill(state);
        }
    }

    #[cold]
    fn show_kill(&mut self, state: KillState) {
        self.kill_flat = match state {
            KillState::Flat if self.kill_flat == Nanos::ZERO => self.clock.now(),
            KillState::Flat => self.kill_flat,
            KillState::Off | KillState::Canceling => Nanos::ZERO,
        };
        self.publisher.counters.set(counter::kill_flat_ns, self.kill_flat.0);
        self.publisher.counters.set(counter::kill, state as u64);
    }

    /// Halts trading for good, once.
    #[cold]
    fn latch(&mut self, now: Nanos) {
        if !cfg!(feature = "canary-disk-blind") && !std::mem::replace(&mut self.latched, true) {
            let control = Control::Halt(HaltReason::Journal);
            self.input(now, &Record::Control { now, control }, &Input::Control(control), now);
        }
    }
}

fn span(later: Nanos, earlier: Nanos) -> u32 {
    later.since(earlier).0.min(u64::from(u32::MAX)) as u32
}

impl<S: Strategy> Agent for StrategyAgent<S> {
    fn name(&self) -> &str {
        "strategy"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.core.cycle = now;
        let mut work = 0;
        if self.ending.is_asked() {
            self.shut_down(now);
        }
        if self.core.room_for(INPUT_NEEDS) == 0 && !self.core.blind {
            self.core.publisher.counters.add(counter::order_ring_full, 1);
        }
        if let Some(k) = self.open_packet() {
            work += self.take_feed(k);
        } else {
            work += self.take_control(now);
            work += self.core.take_reports();
            work += self.take_feeds();
            if self.open_packet().is_none() {
                work += self.core.keep_time(now);
            }
        }
        self.core.watch_kill();
        self.tidy_up(now, work);
        if self.is_done() {
            self.take_leave();
        }
        work
    }

    /// Done when an end was asked for and nothing is open any more, or the venue had its time to say so. Done too when the journal takes nothing
    /// more: then no input may be taken, a shutdown included.
    fn is_done(&self) -> bool {
        let flat = || {
            let idle = !self.shutdown_due && !self.core.engine.has_backlog() && self.open_packet().is_none();
            idle && self.core.engine.orders().ours_open() == 0
        };
        self.core.blind || self.stop_by.is_some_and(|stop_by| self.core.cycle >= stop_by || flat())
    }

    /// Another agent has panicked: this one is whole, and ends in order.
    fn on_stop(&mut self, now: Nanos) -> bool {
        self.shut_down(now);
        true
    }

    fn on_close(&mut self) {
        // A packet that was not taken whole has no end that could be compared.
        if self.open_packet().is_none() {
            // Receipts of the last cancels may still be on their way up.
            self.core.take_reports();
            let hash = self.core.engine.state_hash();
            self.core.write(&Record::Hash { inputs: self.core.engine.stats().inputs, hash });
            self.core.write(&Record::End { hash });
        }
        self.core.publisher.publish(&self.core.engine);
        if let Some(journal) = self.core.journal.take() {
            self.core.publisher.counters.set(counter::journal_records, journal.next_index());
            journal.finish();
        }
    }
}
