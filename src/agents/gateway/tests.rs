//! Gateway agents against a venue that is a socket in the test's own hands.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};

use gateways::gateway::{Barrier, GatewayConfig, OuchGateway};
use gateways::soupbintcp::ClientConfig;
use ringbuf::spsc::{self, Consumer, Producer};

use super::*;
use crate::agents::retry;
use crate::agents::rig::Rig;
use crate::order_link::OrderLink;

/// Cycles before a wait is given up: far more than it takes.
const CYCLES_MAX: usize = 50_000_000;

/// A venue that does what it is told.
pub(super) struct Venue {
    listener: TcpListener,
    stream: Option<TcpStream>,
    pub(super) connections: usize,
    bytes: Vec<u8>,
    /// Whole packets: type and payload.
    packets: Vec<(u8, Vec<u8>)>,
}

impl Venue {
    fn new() -> Venue {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Venue { listener, stream: None, connections: 0, bytes: Vec::new(), packets: Vec::new() }
    }

    fn turn(&mut self) {
        if let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true).unwrap();
            self.stream = Some(stream);
            self.connections += 1;
            self.bytes.clear();
        }
        let Some(stream) = &mut self.stream else { return };
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => self.stream = None,
            Ok(n) => self.bytes.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.stream = None,
        }
        while let Some((head, _)) = self.bytes.split_first_chunk::<2>() {
            let end = 2 + usize::from(u16::from_be_bytes(*head));
            if self.bytes.len() < end {
                break;
            }
            self.packets.push((self.bytes[2], self.bytes[3..end].to_vec()));
            self.bytes.drain(..end);
        }
    }

    fn say(&mut self, kind: u8, payload: &[u8]) {
        let mut packet = (payload.len() as u16 + 1).to_be_bytes().to_vec();
        packet.push(kind);
        packet.extend_from_slice(payload);
        self.stream.as_mut().expect("a client").write_all(&packet).unwrap();
    }

    fn hang_up(&mut self) {
        self.stream = None;
    }

    /// OUCH messages of one letter.
    pub(super) fn messages(&self, letter: u8) -> usize {
        self.packets.iter().filter(|(kind, m)| *kind == b'U' && m.first() == Some(&letter)).count()
    }
}

pub(super) struct World {
    pub(super) venue: Venue,
    pub(super) agent: GatewayOf<OuchGateway, OrderLink>,
    orders: Producer<OrderItem>,
    pub(super) items: Consumer<GatewayItem>,
    said: Receiver<Word>,
    pub(super) ending: Arc<Ending>,
    pub(super) clock: Clock,
    /// Added to the clock: time that passes at once.
    pub(super) ahead: u64,
    pub(super) approved: Vec<OrderItem>,
    _rig: Rig,
}

impl World {
    /// An agent, and so many orders for it that the risk gate has approved.
    pub(super) fn new(test: &str, approved: usize) -> World {
        let venue = Venue::new();
        let (approved, mut rig) = Rig::approved(test, approved);
        let (orders, taken) = spsc::channel(1_024);
        let (out, items) = spsc::channel(256);
        let id = GatewayId(0);
        let mut session = GatewayConfig::new(id, *b"ABCD", ClientConfig::new("user01", "pass"));
        session.barrier = Barrier::None;
        session.quiet = Nanos::from_millis(1);
        let (ending, clock) = (Arc::new(Ending::default()), Clock::new());
        let (words, said) = sync_channel(8);
        let gateway = OuchGateway::new(session, &rig.config.instruments).unwrap();
        let mut config = rig.config.gateways[0].clone();
        config.account.address = venue.listener.local_addr().unwrap();
        let parts = GatewayParts {
            id,
            config,
            orders: taken,
            out,
            publisher: rig.publication.gateway(0).unwrap(),
            clock: clock.clone(),
            sample_every: 0,
            ending: Arc::clone(&ending),
            words,
        };
        let agent = GatewayOf::new(parts, gateway, &mut Vec::new());
        World { venue, agent, orders, items, said, ending, clock, ahead: 0, approved, _rig: rig }
    }

    fn now(&self) -> Nanos {
        Nanos(self.clock.now().0 + self.ahead)
    }

    pub(super) fn step(&mut self) {
        self.agent.do_work(self.now());
        self.venue.turn();
    }

    #[track_caller]
    pub(super) fn until(&mut self, what: &str, mut is: impl FnMut(&mut World) -> bool) {
        for _ in 0..CYCLES_MAX {
            self.step();
            if is(self) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("waited in vain for {what}");
    }

    pub(super) fn log_in(&mut self) {
        self.until("a login", |w| w.venue.packets.iter().any(|(kind, _)| *kind == b'L'));
        self.venue.say(b'A', format!("{:>10}{:>20}", "S1", 1).as_bytes());
        self.until("a session", |w| w.agent.gateway.is_ready());
        while self.items.pop().is_some() {}
    }

    /// Has orders sent to a venue that does not read, until they wait in the buffer. The venue's end, which is never read.
    pub(super) fn orders_in_transit(&mut self) -> TcpStream {
        let deaf = self.venue.stream.take().expect("a client");
        let Link::Up(link) = &mut self.agent.link else { panic!("it has no line") };
        // What the kernel takes at once is far more than some orders: the rest of its room goes to bytes that are never read.
        while net::ByteStream::send(link, &[0; 65_536]).expect("an open line") > 0 {}
        self.push_orders(3);
        while self.agent.in_transmit.is_empty() {
            self.agent.do_work(self.now());
        }
        self.venue.packets.clear();
        deaf
    }

    pub(super) fn push_orders(&mut self, n: usize) {
        for item in self.approved.drain(..n) {
            self.orders.push(item).unwrap();
        }
    }

    pub(super) fn counter(&self, id: usize) -> u64 {
        self.agent.publisher.counters.get(id).unwrap()
    }
}

#[test]
fn what_was_sent_before_the_end_goes_out_before_the_logout() {
    let mut w = World::new("logout", 3 * BATCH);
    w.log_in();
    w.push_orders(3 * BATCH);
    w.ending.raise(Farewell::LogOut);
    w.until("the logout", |w| w.venue.packets.last().is_some_and(|(kind, _)| *kind == b'O'));
    assert_eq!(w.venue.messages(b'O'), 3 * BATCH);
    assert_eq!(w.counter(counter::unsent), 0);
    w.venue.hang_up();
    w.until("the end", |w| w.agent.is_done());
    assert_eq!(w.agent.failure(), None);
}

#[test]
fn an_end_in_disorder_sends_no_new_order_and_cancels_all() {
    let mut w = World::new("sweep", 10);
    let last = w.approved[4].approved.command().token();
    w.log_in();
    w.push_orders(5);
    w.until("five orders", |w| w.venue.messages(b'O') == 5);
    w.push_orders(5);
    assert!(w.agent.on_stop(w.clock.now()), "it has something to wind down");
    w.until("a mass cancel", |w| w.venue.messages(b'C') == 1);
    assert_eq!((w.venue.messages(b'O'), w.counter(counter::unsent)), (5, 5));
    let (_, message) = w.venue.packets.iter().find(|(kind, m)| *kind == b'U' && m[0] == b'C').unwrap();
    let number = &message[1..5];
    assert_eq!(number, (last.0 + 1).to_be_bytes(), "above all that was sent, and it was sent no order");
    assert_eq!(&message[5..17], b"ABCD        ", "the firm's, all symbols");
    assert!(!w.agent.is_done() && w.agent.failure().is_some(), "nothing is confirmed yet");
    let answer = [&b"X"[..], &[0; 8], number, b"ABCD        ", &[0, 0]].concat();
    w.venue.say(b'S', &answer);
    w.until("the logout", |w| w.venue.packets.last().is_some_and(|(kind, _)| *kind == b'O'));
    w.venue.hang_up();
    w.until("the end", |w| w.agent.is_done());
    assert_eq!((w.agent.failure(), w.counter(counter::mass_canceled)), (None, 1));
}

#[test]
fn a_venue_that_confirms_nothing_is_not_waited_for_for_ever() {
    let mut w = World::new("silent", 1);
    w.log_in();
    w.ending.raise(Farewell::Sweep);
    w.until("a mass cancel", |w| w.venue.messages(b'C') == 1);
    w.ahead += 3_000_000_000;
    w.until("the logout", |w| w.venue.packets.last().is_some_and(|(kind, _)| *kind == b'O'));
    w.venue.hang_up();
    w.until("the end", |w| w.agent.is_done());
    assert!(w.agent.failure().is_some_and(|f| f.contains("g1") && f.contains("orders may be open")));
}

#[test]
fn a_refused_password_is_not_tried_again() {
    for (code, more) in [(b'A', false), (b'N', false), (b'S', true)] {
        let mut w = World::new(&format!("refused-{}", code as char), 1);
        w.until("a login", |w| w.venue.packets.iter().any(|(kind, _)| *kind == b'L'));
        w.venue.say(b'J', &[code]);
        w.venue.hang_up();
        w.until("the refusal", |w| {
            matches!(
                w.items.pop(),
                Some(GatewayItem::Session { event: model::SessionEvent::Disconnected, .. })
            )
        });
        for _ in 0..100 {
            w.ahead += 2 * retry::MOST.0;
            w.step();
        }
        assert_eq!(w.venue.connections > 1, more, "{}: {} connections", code as char, w.venue.connections);
        let given_up = [(b'A', 1), (b'N', 2)].into_iter().find(|(c, _)| *c == code);
        assert_eq!(w.counter(counter::given_up), given_up.map_or(0, |(_, word)| word));
        w.ending.raise(Farewell::LogOut);
        w.until("the end", |w| w.agent.is_done());
    }
}

#[test]
fn a_refusal_that_time_may_heal_is_tried_again_at_waits_that_grow() {
    let mut w = World::new("refused-often", 1);
    let mut waits = Vec::new();
    for _ in 0..7 {
        let connections = w.venue.connections;
        let began = w.now();
        w.until("a login", |w| {
            w.ahead += retry::LEAST.0;
            w.venue.connections > connections && w.venue.packets.iter().any(|(kind, _)| *kind == b'L')
        });
        waits.push(w.now().since(began).0 / 1_000_000);
        w.venue.packets.clear();
        w.venue.say(b'J', b"R");
        w.venue.hang_up();
        w.until("the refusal", |w| {
            matches!(
                w.items.pop(),
                Some(GatewayItem::Session { event: model::SessionEvent::Disconnected, .. })
            )
        });
    }
    let least = [0, 50, 5_000, 10_000, 20_000, 40_000, 60_000];
    assert!(waits.iter().zip(least).all(|(wait, least)| *wait >= least), "{waits:?}");
    assert!(waits[6] < 120_000, "it grows to a minute: {waits:?}");
    assert_eq!(w.counter(counter::given_up), 0);
    w.ending.raise(Farewell::LogOut);
    w.until("the end", |w| w.agent.is_done());
}

#[test]
fn a_strategy_that_takes_nothing_makes_nobody_allocate() {
    let mut w = World::new("stopped", 800);
    w.log_in();
    let (_, room) = w.agent.up.waiting();
    w.push_orders(800);
    w.until("all orders", |w| w.venue.messages(b'O') == 800);
    let (waiting, capacity) = w.agent.up.waiting();
    assert!(waiting >= 800 - 256 && capacity == room, "{waiting} of {room} wait, {capacity} now");
    // A line that comes and goes meanwhile has nothing to say that anybody hears: it is not asked.
    w.venue.hang_up();
    w.until("the hang-up", |w| !matches!(w.agent.link, Link::Up(_)));
    for _ in 0..100 {
        w.ahead += 2 * retry::MOST.0;
        w.step();
    }
    assert_eq!((w.venue.connections, w.agent.up.waiting()), (1, (waiting + 1, room)));
    assert!(w.counter(counter::spilled) > waiting as u64 && w.counter(counter::receipts_lost) == 0);
    // It takes up again, and so does the line; nothing was lost.
    let mut receipts = 0;
    w.until("a new connection", |w| {
        while let Some(item) = w.items.pop() {
            receipts += usize::from(matches!(item, GatewayItem::Sent(_)));
        }
        w.ahead += 1_000_000;
        w.venue.connections == 2
    });
    assert_eq!(receipts, 800);
}

/// How long the agent waits after a connection that came to nothing at `now`.
fn wait_after_a_drop(w: &mut World, now: Nanos) -> u64 {
    w.agent.drop_link(now);
    let Link::Waiting { until } = w.agent.link else { panic!("it has no line") };
    until.since(now).0
}

#[test]
fn it_waits_longer_each_time_until_a_session_is_ready() {
    let mut w = World::new("back-off", 1);
    let now = Nanos(1_000_000_007);
    let short = retry::LEAST.0 + retry::LEAST.0 / 4;
    assert!(wait_after_a_drop(&mut w, now) <= short && wait_after_a_drop(&mut w, now) > short);
    // A login alone does not begin anew: a venue that throws us out behind it would be asked twenty times a second.
    w.agent.up.ready = false;
    w.agent.check(now, Ok(()));
    assert!(wait_after_a_drop(&mut w, now) > short);
    w.agent.up.ready = true;
    w.agent.check(now, Ok(()));
    assert!(wait_after_a_drop(&mut w, now) <= short);
}

#[test]
fn a_connection_that_does_not_come_about_is_given_up() {
    let mut w = World::new("no-answer", 1);
    // Whoever listens takes nobody, and its queue is full: the kernel lets what else comes go unanswered.
    let deaf = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    deaf.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    deaf.listen(0).unwrap();
    let address = deaf.local_addr().unwrap().as_socket().unwrap();
    let _queued = TcpStream::connect(address).unwrap();
    w.agent.config.account.address = address;
    let now = w.clock.now();
    w.agent.connect(now);
    assert!(matches!(w.agent.link, Link::Connecting(..)));
    w.agent.connect(Nanos(now.0 + CONNECT.0 - 1));
    assert!(matches!(w.agent.link, Link::Connecting(..)), "it has its time");
    w.agent.connect(now.after(CONNECT));
    assert!(matches!(w.agent.link, Link::Waiting { .. }));
    let said: Vec<Word> = w.said.try_iter().collect();
    assert_eq!((said.len(), &*said[0].who, &*said[0].why), (1, "gateway-g1", TOO_LATE));
}
