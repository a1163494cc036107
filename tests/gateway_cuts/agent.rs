//! The gateway's agent as it runs in a core (`colo::agents::GatewayOf`, with its rings), on a line and a clock of the test's own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use colo::agent::Agent;
use colo::agents::{Ending, GatewayItem, GatewayOf, GatewayParts, OrderItem};
use colo::clock::Clock;
use colo::config::{self, Config, Secrets, parse_toml};
use colo::order_protocol::Dial;
use colo::telemetry::counters;
use colo::telemetry::publish::GatewayPublisher;
use gateways::codec::SoupProtocol;
use gateways::gateway::{GatewayConfig, OuchGateway, SoupGateway};
use gateways::ouch42::Ouch42;
use gateways::soupbintcp::ClientConfig;
use model::{Instrument, Nanos};
use net::{ByteStream, Received};
use ringbuf::counters::Counters;
use ringbuf::histogram::{self, Histogram};
use ringbuf::spsc::{self, Consumer, Producer};
use ringbuf::words::Words;

use crate::core::GATEWAY;
use crate::exchange_support::FIRM;
use crate::line::Spoken;

/// Orders and reports that the rings hold.
const RING: usize = 256;

/// What is between the agent and the venue. The agent dials; the test takes the call, says how far bytes may go, and hangs up.
#[derive(Default)]
pub struct Wire {
    /// Calls so far. The last one is the one that counts.
    calls: u64,
    /// Somebody waits to be taken.
    pub rings: bool,
    /// Taken, and neither side has hung up.
    pub is_open: bool,
    /// The venue says no more: what is under way is the last.
    pub is_ended: bool,
    /// The agent has let go of it.
    pub is_dropped: bool,
    /// Left the client, not yet at the venue.
    pub up: VecDeque<u8>,
    /// Left the venue, not yet at the client.
    pub down: VecDeque<u8>,
    /// Bytes that may yet leave the client in this cycle ...
    leave: usize,
    /// ... and that may yet reach it.
    back: usize,
    /// Bytes that the agent had to send, and could not, when it last tried.
    left_over: usize,
}

impl Wire {
    /// Whether the agent had bytes in its last cycle that it could not send.
    pub fn has_left_over(&self) -> bool {
        self.left_over > 0
    }
}

/// The agent's end of it.
pub struct PipeLink {
    wire: Arc<Mutex<Wire>>,
    call: u64,
}

thread_local! {
    /// Where a call of this thread goes: the trait has no place for it.
    static EXCHANGE: RefCell<Option<Arc<Mutex<Wire>>>> = const { RefCell::new(None) };
}

/// Both ends are on one thread.
pub fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().expect("one thread")
}

impl PipeLink {
    /// The wire, unless it is cut.
    fn wire(&self) -> Option<MutexGuard<'_, Wire>> {
        Some(lock(&self.wire)).filter(|w| w.is_open && w.calls == self.call)
    }
}

impl Dial for PipeLink {
    fn start(_: &config::Gateway, _: &mut Option<PipeLink>) -> io::Result<PipeLink> {
        let wire = EXCHANGE.with_borrow(Option::clone).expect("a wire");
        let mut w = lock(&wire);
        *w = Wire { calls: w.calls + 1, rings: true, ..Wire::default() };
        let call = w.calls;
        drop(w);
        Ok(PipeLink { wire, call })
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        Ok(self.wire().is_some())
    }
}

impl ByteStream for PipeLink {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        let Some(mut w) = self.wire() else { return Ok(Received::Closed) };
        let n = w.down.len().min(w.back).min(buf.len());
        if n == 0 {
            return Ok(if w.is_ended && w.down.is_empty() { Received::Closed } else { Received::Nothing });
        }
        buf.iter_mut().zip(w.down.drain(..n)).for_each(|(to, from)| *to = from);
        w.back -= n;
        Ok(Received::Data(n))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(mut w) = self.wire() else { return Err(ErrorKind::BrokenPipe.into()) };
        let n = bytes.len().min(w.leave);
        w.up.extend(&bytes[..n]);
        w.leave -= n;
        w.left_over = bytes.len() - n;
        Ok(n)
    }
}

impl Drop for PipeLink {
    fn drop(&mut self) {
        let mut w = lock(&self.wire);
        if w.calls == self.call {
            (w.is_dropped, w.rings, w.is_open) = (true, false, false);
        }
    }
}

/// An agent of either protocol.
trait Session: Agent {
    fn failure(&self) -> Option<String>;
}

impl<P: SoupProtocol> Session for GatewayOf<SoupGateway<P>, PipeLink> {
    fn failure(&self) -> Option<String> {
        GatewayOf::failure(self)
    }
}

/// The world's clock, turned by hand, which agents read as they read any other.
#[derive(Clone)]
pub struct Hands {
    counter: quanta::Clock,
    mock: Arc<quanta::Mock>,
    since: u64,
}

impl Hands {
    pub fn at(since: u64) -> Hands {
        let (counter, mock) = quanta::Clock::mock();
        Hands { counter, mock, since }
    }

    pub fn turn(&self, ns: u64) {
        self.mock.increment(ns);
    }

    fn clock(&self) -> Clock {
        Clock::anchored(self.counter.clone(), 0, Nanos(self.since))
    }
}

/// One process's gateway thread, without the thread.
pub struct GatewayThread {
    session: Box<dyn Session>,
    wire: Arc<Mutex<Wire>>,
    pub orders: Producer<OrderItem>,
    pub items: Consumer<GatewayItem>,
    pub ending: Arc<Ending>,
}

fn configured() -> config::Gateway {
    static CORE: OnceLock<Config> = OnceLock::new();
    let core = CORE.get_or_init(|| {
        let file = Path::new("core.toml");
        let written = parse_toml(include_str!("../fixtures/core.toml"), file).expect("a configuration");
        Config::resolve(written, file, Secrets::Skip).expect("a configuration")
    });
    core.gateways[0].clone()
}

fn publisher() -> GatewayPublisher {
    let histogram = || Histogram::over(Words::zeroed(histogram::WORDS)).expect("its words");
    GatewayPublisher {
        counters: Counters::over(Words::zeroed(counters::gateway::COUNT)),
        order_ring: histogram(),
        encode: histogram(),
        tick_to_order: histogram(),
    }
}

impl GatewayThread {
    pub fn new(
        spoken: Spoken,
        instruments: &[Instrument],
        hands: &Hands,
        wire: &Arc<Mutex<Wire>>,
    ) -> GatewayThread {
        let (orders, taken) = spsc::channel(RING);
        let (out, items) = spsc::channel(RING);
        let ending = Arc::new(Ending::default());
        let parts = GatewayParts {
            id: GATEWAY,
            config: configured(),
            orders: taken,
            out,
            publisher: publisher(),
            clock: hands.clock(),
            sample_every: 0,
            ending: Arc::clone(&ending),
            words: sync_channel(1).0,
        };
        let config = GatewayConfig {
            receive_capacity: 8_192,
            transmit_capacity: 8_192,
            live_orders: 64,
            ..GatewayConfig::new(GATEWAY, FIRM, ClientConfig::new("user01", "pass"))
        };
        let mut warnings = Vec::new();
        let session: Box<dyn Session> = match spoken {
            Spoken::Ouch50 => {
                let gateway = OuchGateway::new(config, instruments).expect("a gateway");
                Box::new(GatewayOf::<_, PipeLink>::new(parts, gateway, &mut warnings))
            }
            Spoken::Ouch42 => {
                let gateway = SoupGateway::<Ouch42>::new(config, instruments).expect("a gateway");
                Box::new(GatewayOf::<_, PipeLink>::new(parts, gateway, &mut warnings))
            }
        };
        GatewayThread { session, wire: Arc::clone(wire), orders, items, ending }
    }

    /// One duty cycle in which at most so many bytes leave, and come back; how many did.
    pub fn cycle(&mut self, now: u64, leave: usize, back: usize) -> (usize, usize) {
        let mut w = lock(&self.wire);
        (w.leave, w.back, w.left_over) = (leave, back, 0);
        let (up, down) = (w.up.len(), w.down.len());
        let is_open = w.is_open;
        drop(w);
        if !is_open {
            EXCHANGE.set(Some(Arc::clone(&self.wire)));
        }
        self.session.do_work(Nanos(now));
        let w = lock(&self.wire);
        (w.up.len().saturating_sub(up), down.saturating_sub(w.down.len()))
    }

    pub fn is_done(&self) -> bool {
        self.session.is_done()
    }

    pub fn failure(&self) -> Option<String> {
        self.session.failure()
    }
}
