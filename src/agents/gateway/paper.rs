//! The agent of a core that trades on paper: it stands between the feeds and the strategy, and where the gateways would be.
//!
//! ```text
//!   FeedAgent ==> PaperAgent ==> StrategyAgent        every item of the feed, as it came
//!                  | Beside |
//!   StrategyAgent ==OrderItem==> PaperAgent ==GatewayItem==> StrategyAgent      for each gateway, as with a venue
//! ```
//!
//! The feeds' and the strategy's agents are those that trade, and are not told: which ring leads where is decided when the core is put together, so a core that trades pays nothing for it.
//! A packet is in the simulated venue's books before the strategy has it, so no decision is ever ahead of the venue that it goes to. The price is a hop more between packet and
//! strategy, which the stage `feed_ring` shows. It allocates, which no agent of a core that trades does.
//!
//! No socket is opened for orders, and no credential of a gateway is in this process. Orders end with it: the account of a run begins flat, or with `[start_of_day]`.

use std::sync::Arc;

use backtest::beside::Beside;
use gateways::gateway::{Notice, ReportSink};
use model::{CommandKind, FeedId, GatewayId, Instrument, Nanos, PortRequest, SessionEvent, Token};
use ringbuf::spsc::{Consumer, Producer};

use super::upward::Upward;
use super::{BATCH, PUBLISH};
use crate::agent::Agent;
use crate::agents::ending::{Ending, Farewell};
use crate::agents::{FeedItem, GatewayItem, OrderItem};
use crate::clock::Clock;
use crate::reconcile::{Figures, Ledger};
use crate::telemetry::counters::gateway as counter;
use crate::telemetry::publish::GatewayPublisher;

/// Items passed on from one feed in a duty cycle.
const FEED_BATCH: usize = 256;

/// One feed's way through.
pub struct PaperTap {
    /// Its number.
    pub id: FeedId,
    /// From the feed.
    pub items: Consumer<FeedItem>,
    /// To the strategy.
    pub out: Producer<FeedItem>,
}

/// One gateway's place.
pub struct PaperPort {
    /// Its number.
    pub id: GatewayId,
    /// From the strategy.
    pub orders: Consumer<OrderItem>,
    /// To the strategy.
    pub out: Producer<GatewayItem>,
    /// Shared memory.
    pub publisher: GatewayPublisher,
}

/// What it is made from.
pub struct PaperParts {
    /// The simulated venue.
    pub venue: Beside,
    /// Feeds, by number.
    pub taps: Vec<PaperTap>,
    /// Gateways, by number.
    pub ports: Vec<PaperPort>,
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// The clock.
    pub clock: Clock,
    /// Tells when it is to end, and how.
    pub ending: Arc<Ending>,
}

struct Port {
    id: GatewayId,
    orders: Consumer<OrderItem>,
    up: Upward,
    publisher: GatewayPublisher,
}

/// See the module.
pub struct PaperAgent {
    venue: Beside,
    taps: Vec<PaperTap>,
    ports: Vec<Port>,
    /// What the venue said, added up beside the engine.
    ledger: Ledger,
    clock: Clock,
    ending: Arc<Ending>,
    /// The sessions stand.
    is_open: bool,
    /// Everything is canceled, and nothing new is taken.
    is_swept: bool,
    published: Nanos,
}

impl PaperAgent {
    /// Puts it together.
    #[must_use]
    pub fn new(p: PaperParts) -> PaperAgent {
        let port = |p: PaperPort| Port {
            id: p.id,
            up: Upward::new(p.out, p.orders.capacity()),
            orders: p.orders,
            publisher: p.publisher,
        };
        PaperAgent {
            venue: p.venue,
            taps: p.taps,
            ports: p.ports.into_iter().map(port).collect(),
            ledger: Ledger::new(&p.instruments),
            clock: p.clock,
            ending: p.ending,
            is_open: false,
            is_swept: false,
            published: Nanos::ZERO,
        }
    }

    /// The venue's own account of what it did: trades by its reports, and the orders that rest in its books.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures { open: self.venue.resting() as u64, ..self.ledger.figures() }
    }

    /// Nothing that a person has to look after at any venue.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        None
    }

    /// The sessions begin: nothing is replayed, for nothing was.
    #[cold]
    fn open(&mut self, now: Nanos) {
        self.is_open = true;
        for port in &mut self.ports {
            port.up.received = now;
            port.up.session(SessionEvent::LoggedIn);
            port.up.session(SessionEvent::Ready { next_token: Token(0), proven: true });
            port.publisher.counters.add(counter::connects, 1);
        }
    }

    /// Passes on what the feeds brought; the venue has it first.
    fn pass_on(&mut self) -> usize {
        let mut work = 0;
        for PaperTap { id, items, out } in &mut self.taps {
            let room = match out.is_abandoned() {
                true => FEED_BATCH,
                false => out.free().min(FEED_BATCH),
            };
            for _ in 0..room {
                let Some(item) = items.pop() else { break };
                match &item {
                    FeedItem::Packet { received, .. } => self.venue.on_packet(*id, *received),
                    FeedItem::Event(event) => self.venue.on_event(*id, event),
                    FeedItem::Status { received, status } => self.venue.on_status(*id, *received, *status),
                    FeedItem::CaptureLow { .. } => {}
                }
                // There was room, or nobody is there any more.
                let _ = out.push(item);
                work += 1;
            }
        }
        work
    }

    /// Takes what the strategy sent: from here on it is on its way.
    fn take_orders(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        for Port { id, orders, up, publisher } in &mut self.ports {
            for _ in 0..BATCH {
                if !up.flush() || !up.has_room() {
                    publisher.counters.add(counter::ring_full, 1);
                    break;
                }
                let Some(item) = orders.pop() else { break };
                work += 1;
                let command = item.approved.command();
                let adds = matches!(command.kind, CommandKind::New { .. } | CommandKind::Replace { .. });
                if self.is_swept || item.epoch != up.epoch {
                    publisher.counters.add(counter::unsent, 1);
                    continue;
                }
                up.received = now;
                if self.ending.kill().blocks(command) {
                    publisher.counters.add(counter::held_back, 1);
                    up.push_never_sent(now, command.token());
                    continue;
                }
                let sent = self.clock.now();
                let receipt = item.receipt(*id, sent);
                publisher.order_ring.record(sent.since(receipt.decided).0);
                publisher.tick_to_order.record(sent.since(receipt.received).0);
                publisher.counters.add(counter::sent, 1);
                if adds {
                    publisher.counters.set(counter::last_order_ns, sent.0);
                }
                if let CommandKind::Port { token, request } = command.kind {
                    notice(up, token, request);
                }
                up.push_receipt(GatewayItem::Sent(receipt));
                self.venue.on_request(sent, command);
            }
        }
        work
    }

    /// Works off what is due at the venue. A feed that has more to be passed on comes first: what was received before a request met it there.
    fn work_off(&mut self) -> usize {
        let mut work = 0;
        for tap in &self.taps {
            // The clock before the ring: what is received later is later than this.
            let now = self.clock.now();
            if self.venue.next_request(tap.id).is_some_and(|due| due <= now) && tap.items.is_empty() {
                work += self.venue.work_off(tap.id, now);
            }
        }
        work
    }

    /// Passes up what is due.
    fn report(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while self.ports.iter_mut().all(|p| p.up.flush() && p.up.has_room()) {
            let Some((_, report)) = self.venue.report_by(now) else { break };
            self.ledger.report(report);
            if let Some(port) = self.ports.get_mut(report.gateway.index()) {
                port.up.received = self.clock.now();
                port.up.report(report);
            }
            work += 1;
        }
        work
    }

    #[cold]
    fn sweep(&mut self, now: Nanos) {
        if !std::mem::replace(&mut self.is_swept, true) {
            self.venue.cancel_all(now);
            self.ports.iter_mut().for_each(|p| p.publisher.counters.add(counter::mass_cancels, 1));
        }
    }

    fn publish(&mut self, now: Nanos) {
        self.published = now;
        for port in &mut self.ports {
            let c = &mut port.publisher.counters;
            c.set(counter::state, if self.is_open { 3 } else { 0 });
            c.set(counter::reports, port.up.reports);
            c.set(counter::last_sequence, port.up.last_sequence);
            c.set(counter::spilled, port.up.spilled);
            c.set(counter::receipts_lost, port.up.receipts_lost);
            c.set(counter::mass_canceled, port.up.mass_cancels_taken);
            c.set(counter::entry_off, port.up.entry_off.into());
        }
    }
}

/// The venue's answer to what is asked of a port, which the simulated one always gives.
#[cold]
fn notice(up: &mut Upward, token: Token, request: PortRequest) {
    match request {
        PortRequest::MassCancel => up.mass_cancels_taken += 1,
        PortRequest::EntryOff => up.notice(Notice::EntryDisabled { ts_event: Nanos::ZERO, token }),
        PortRequest::EntryOn => up.notice(Notice::EntryEnabled { ts_event: Nanos::ZERO, token }),
    }
}

impl Agent for PaperAgent {
    fn name(&self) -> &str {
        "paper"
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        if !self.is_open {
            self.open(now);
        }
        if self.ending.farewell() == Farewell::Sweep {
            self.sweep(now);
        }
        let mut work = self.pass_on();
        work += self.take_orders(now);
        work += self.work_off();
        work += self.report(now);
        if now.since(self.published).0 >= PUBLISH.0 {
            self.publish(now);
        }
        work
    }

    /// Done when nothing is on its way any more, or nobody is there to hear of it.
    fn is_done(&self) -> bool {
        let is_over = self.ending.farewell() != Farewell::Stay || self.is_swept;
        is_over && self.ports.iter().all(|p| p.orders.is_empty()) && self.venue.is_quiet()
    }

    /// An agent has panicked: what is open ends here.
    fn on_stop(&mut self, now: Nanos) -> bool {
        self.sweep(now);
        true
    }

    fn on_close(&mut self) {
        let now = self.clock.now();
        self.publish(now);
        self.ports.iter_mut().for_each(|p| p.publisher.counters.set(counter::state, 0));
    }
}
