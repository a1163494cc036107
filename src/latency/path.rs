//! One packet's bytes to one order's bytes: the whole path of a hot thread without its sockets, on one thread.
//!
//! ```text
//!  clock -> Channel -> Subscription -> journal -> Engine<S> -> clock -> journal -> SoupGateway::encode
//!           1 MoldUDP64 packet of one ITCH message: an order's size changes at the top of its book      1 OUCH 5.0 order
//! ```
//!
//! Missing beside a live order: both sockets, the rings of a pipelined topology, and cold caches. The engine's time advances by a
//! fixed step, because its message limit is of a second and here more come; the clock is read all the same.

use std::hint::black_box;

use engine::strategy::Strategy;
use engine::{Engine, Outbox};
use feeds::channel::{Channel, ChannelConfig, Sink, Taken};
use feeds::itch50::Subscription;
use gateways::gateway::{Barrier, GatewayConfig, Notice, OrderGateway, OuchGateway, ReportSink};
use gateways::soupbintcp::ClientConfig;
use model::{ExecutionReport, FeedStatus, MarketEvent, Nanos, SessionEvent};

use super::desk::{self, FEED, GATEWAY, INSTRUMENTS, START, STEP, Venue};
use super::scratch::Scratch;
use crate::clock::Clock;
use crate::journal::Record;

/// Packets of a pass.
pub const PACKETS: usize = INSTRUMENTS as usize;
/// Where a MoldUDP64 packet has its first sequence number.
const SEQUENCE: std::ops::Range<usize> = 10..18;
/// An OUCH 5.0 order without appendage, with the header of its SoupBinTCP packet.
const ORDER_BYTES: usize = 3 + 47;

/// What one packet brought, decoded.
struct Decoded {
    subscription: Subscription,
    events: Vec<MarketEvent>,
    first: u64,
    count: u32,
}

impl Sink for Decoded {
    #[inline]
    fn message(&mut self, seq: u64, message: &[u8]) -> Taken {
        if self.count == 0 {
            self.first = seq;
        }
        self.count += 1;
        let events = &mut self.events;
        match self.subscription.event_to(message, |event| events.push(event)) {
            Ok(()) => Taken::Whole,
            Err(error) => panic!("these are sound: {error}"),
        }
    }

    fn status(&mut self, status: FeedStatus) {
        assert!(matches!(status, FeedStatus::Synced { .. } | FeedStatus::NewSession), "{status:?}");
    }
}

/// What the gateway reports: nothing beside its session, for the venue answers the engine directly here.
struct Reports {
    ready: bool,
}

impl ReportSink for Reports {
    fn report(&mut self, report: ExecutionReport) {
        panic!("no venue sent this: {report:?}");
    }

    fn session(&mut self, event: SessionEvent) {
        self.ready = matches!(event, SessionEvent::Ready { .. });
    }

    fn notice(&mut self, _: Notice) {}

    fn has_room(&self) -> bool {
        true
    }
}

/// The path, and a pass of packets to go through it.
///
/// What goes otherwise than it should is a fault of the program, so every method panics of it.
pub struct Path<S> {
    clock: Clock,
    channel: Channel,
    decoded: Decoded,
    journal: Option<Scratch>,
    engine: Engine<S>,
    out: Outbox,
    gateway: OuchGateway,
    venue: Venue,
    now: Nanos,
    packets: Vec<Vec<u8>>,
    /// Orders that a pass is to end in.
    orders: usize,
}

impl<S: Strategy> Path<S> {
    /// Books with the opening in them, a session that takes orders.
    #[must_use]
    pub fn new(strategy: S, journal: Option<Scratch>) -> Path<S> {
        let decoded = Decoded {
            subscription: Subscription::new(&desk::instruments()),
            events: Vec::with_capacity(64),
            first: 0,
            count: 0,
        };
        let mut path = Path {
            clock: Clock::new(),
            channel: Channel::new(ChannelConfig::default()),
            decoded,
            journal,
            engine: desk::engine(strategy, desk::RATE),
            out: Outbox::default(),
            gateway: gateway(),
            venue: Venue::default(),
            now: START,
            packets: desk::opening().iter().map(|message| packet(message)).collect(),
            orders: 0,
        };
        path.settle();
        path.pass();
        path.packets = (0..INSTRUMENTS).map(|k| packet(&desk::tick(k))).collect();
        path
    }

    /// Makes one pass, which must end in so many orders, as every later one.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "said of the type")]
    pub fn sending(mut self, orders: usize) -> Path<S> {
        self.settle();
        self.orders = orders;
        self.pass();
        let first = self.gateway.transmit();
        assert!(orders == 0 || first[..4] == [0, 48, b'U', b'O'], "an order in its packet: {first:?}");
        self
    }

    /// Everything between two passes: the last one's orders leave and are refused, the next one's packets get their numbers.
    #[expect(clippy::missing_panics_doc, reason = "said of the type")]
    pub fn settle(&mut self) {
        let sent = self.gateway.transmit().len();
        assert_eq!(sent, self.orders * ORDER_BYTES, "each packet of the pass before ended as it should");
        self.gateway.transmitted(sent);
        self.venue.refuse_all(self.now, &mut self.engine, &mut self.out);
        if let Some(journal) = &mut self.journal {
            journal.tend();
        }
        for (packet, seq) in self.packets.iter_mut().zip(self.channel.expected()..) {
            packet[SEQUENCE].copy_from_slice(&seq.to_be_bytes());
        }
    }

    /// All packets of a pass.
    pub fn pass(&mut self) {
        for k in 0..self.packets.len() {
            self.on_packet(k);
            self.account();
        }
    }

    /// What is left of a packet when its order has left: to be done before the next.
    #[inline]
    pub fn account(&mut self) {
        self.engine.account(&mut self.out);
        self.out.clear();
    }

    /// Packet `k` of a pass up to the order's bytes; each comes once in a pass, and [`Path::account`] behind it.
    #[inline]
    #[expect(clippy::missing_panics_doc, reason = "said of the type")]
    pub fn on_packet(&mut self, k: usize) {
        black_box(self.clock.now());
        self.now.0 += STEP;
        let now = self.now;
        self.channel.on_datagram(now, 0, black_box(&self.packets[k]), &mut self.decoded);
        let Decoded { first, count, .. } = self.decoded;
        self.decoded.count = 0;
        if let Some(journal) = &mut self.journal {
            journal.write(&Record::Market { now, feed: FEED, count, first });
        }
        for (k, event) in self.decoded.events.iter().enumerate() {
            if k > 0 {
                self.engine.account(&mut self.out);
                self.out.clear();
            }
            self.engine.decide_market(now, FEED, event, &mut self.out);
            if self.out.is_empty() {
                continue;
            }
            black_box(self.clock.now());
            for approved in self.out.commands() {
                let command = *approved.command();
                if let Some(journal) = &mut self.journal {
                    journal.write(&Record::Command(command));
                }
                self.gateway.encode(now, &command).expect("a session, and room for a pass");
                self.venue.note(command.token());
            }
        }
        self.decoded.events.clear();
        black_box(self.gateway.transmit());
    }
}

/// A MoldUDP64 packet of one message; its number comes later.
fn packet(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("a short message");
    [&b"0000000001"[..], &[0; 8], &1u16.to_be_bytes(), &len.to_be_bytes(), message].concat()
}

/// A gateway whose session takes orders.
///
/// # Panics
/// When it does not: a fault of the program.
#[must_use]
pub fn gateway() -> OuchGateway {
    let session = ClientConfig::new("user01", "secret");
    let mut config = GatewayConfig::new(GATEWAY, *b"FIRM", session);
    config.barrier = Barrier::None;
    let quiet = START.after(config.quiet).after(config.quiet);
    let mut gateway = OuchGateway::new(config, &desk::instruments()).expect("a sound configuration");
    let mut reports = Reports { ready: false };
    gateway.on_connected(START);
    gateway.transmitted(gateway.transmit().len());
    let login = format!("A{:>10}{:>20}", "0000000001", 1);
    let accepted = [&(login.len() as u16).to_be_bytes()[..], login.as_bytes()].concat();
    gateway.recv_space()[..accepted.len()].copy_from_slice(&accepted);
    gateway.on_received(START, accepted.len(), &mut reports).expect("the login is accepted");
    gateway.on_timeout(quiet, &mut reports).expect("nothing is overdue");
    assert!(reports.ready && gateway.is_ready());
    gateway.transmitted(gateway.transmit().len());
    gateway
}
