//! The gateway agent: keeps one order entry session alive and moves bytes. It never blocks: not to connect, not to send, not to read.
//!
//! ```text
//!   Waiting --start--> Connecting --connected--> Up --error, silence, end--> Waiting (back-off, jitter)
//! ```
//!
//! An order carries the count of disconnects that the engine had seen when it was approved. One that does not match the count here was approved for a
//! session that is gone: it is dropped and counted, and the engine settles it when the session is `Ready` again.
//!
//! A login that the venue refuses as not authorised, or because it counts other numbers than we do, is not tried again before a restart: no time heals that, and venues
//! lock accounts that keep trying. One that a FIX venue refuses for another reason is tried again after waits that grow to a minute.
//!
//! # The end
//!
//! ```text
//!            Farewell::LogOut                    ring empty
//!   Staying ------------------> Leaving -------------------------+
//!      |                           |                             v
//!      +---------------------------+--> Sweeping -- over --> LoggedOut -- closed, or LOGOUT --> done
//!            Farewell::Sweep, or the stop flag: an agent has panicked
//! ```
//!
//! Orders do not go away with the process: where nobody is left to decide about them, or the venue did not confirm in time that nothing is open, the gateway
//! drops new orders and replaces, passes on cancels, and cancels all by itself (`sweep`).

#[cfg(test)]
mod killed;
pub(super) mod paper;
pub(super) mod rest;
mod sweep;
#[cfg(test)]
mod tests;
mod upward;

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use gateways::gateway::{OrderGateway, ReportSink};
use gateways::order::EncodeError;
use model::{CommandKind, GatewayId, Nanos, PortRequest, Token};
use net::Received;
use ringbuf::spsc::{Consumer, Producer};

use self::sweep::Sweep;
use self::upward::Upward;
use super::ending::{Ending, Farewell};
use super::retry::Retry;
use super::words::{TOO_LATE, Voice, Word};
use super::{GatewayItem, OrderItem};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::config;
use crate::order_protocol::Dial;
use crate::telemetry::counters::gateway as counter;
use crate::telemetry::publish::GatewayPublisher;

pub use self::sweep::SWEEP_TOKENS;

/// Orders encoded before the socket is written to.
const BATCH: usize = 64;
/// Reads of the socket in a duty cycle.
const READS: usize = 4;
/// How long a connection may take to stand. The kernel would go on for two minutes, at intervals that grow beyond [`super::retry::MOST`].
const CONNECT: Nanos = Nanos::from_millis(5_000);
/// How long a logout may take.
const LOGOUT: Nanos = Nanos::from_millis(500);
/// How often counters are published.
const PUBLISH: Nanos = Nanos::from_millis(5);

/// What a gateway agent is made from.
pub struct GatewayParts {
    /// Its number.
    pub id: GatewayId,
    /// What the configuration says of it.
    pub config: config::Gateway,
    /// From the strategy.
    pub orders: Consumer<OrderItem>,
    /// To the strategy.
    pub out: Producer<GatewayItem>,
    /// Shared memory.
    pub publisher: GatewayPublisher,
    /// The clock.
    pub clock: Clock,
    /// One order in this many has its encoding timed; 0 none.
    pub sample_every: u32,
    /// Tells when the session is to be ended, and how.
    pub ending: Arc<Ending>,
    /// To the log.
    pub words: SyncSender<Word>,
}

enum Link<L> {
    Waiting { until: Nanos },
    Connecting(L, Nanos),
    Up(L),
}

/// What the person is to know after a sweep that was not confirmed.
fn unconfirmed_sweep(name: &str) -> String {
    format!("{name}: the venue did not confirm that everything is canceled: orders may be open there")
}

/// See the module. `G` is the session, `L` the connection that it is held over.
pub struct GatewayOf<G, L> {
    id: GatewayId,
    name: String,
    config: config::Gateway,
    gateway: G,
    link: Link<L>,
    /// What the next connection stands on.
    kept: Option<L>,
    orders: Consumer<OrderItem>,
    /// An order that found no room in the transmit buffer.
    held: Option<OrderItem>,
    /// Orders encoded whose bytes the socket has not all taken.
    in_transmit: Vec<OrderItem>,
    up: Upward,
    publisher: GatewayPublisher,
    clock: Clock,
    sample_every: u32,
    until_sample: u32,
    retry: Retry,
    voice: Voice,
    /// The venue refused the login for what no time heals, by this code: no further one is tried.
    given_up: Option<u8>,
    /// The highest token sent in a new order or a replace.
    last_token: Token,
    ending: Arc<Ending>,
    /// When the kill came that was acted on.
    kill_seen: Nanos,
    parting: Parting,
    published: Nanos,
}

/// How far the end has come.
enum Parting {
    Staying,
    /// What is in the ring goes first.
    Leaving {
        by: Nanos,
    },
    Sweeping(Sweep),
    LoggedOut {
        by: Nanos,
        /// `Some(false)`: a sweep that the venue did not confirm.
        swept: Option<bool>,
    },
}

/// Code of a login that is refused because the session asked for is not there ...
const NO_SUCH_SESSION: u8 = b'S';
/// ... and of one that is refused for its user or password, ...
const NOT_AUTHORISED: u8 = b'A';
/// ... because the venue counts other numbers than we do, ...
const OUT_OF_STEP: u8 = b'N';
/// ... or for what may be over the next time.
const REFUSED: u8 = b'R';

impl<G: OrderGateway, L: Dial> GatewayOf<G, L> {
    /// Puts it together; the first connection is tried in the first duty cycle. What the host refuses goes to `warnings`.
    #[must_use]
    pub fn new(p: GatewayParts, gateway: G, warnings: &mut Vec<String>) -> GatewayOf<G, L> {
        let (kept, refused) = L::prepare(&p.config);
        warnings.extend(refused);
        let up = Upward::new(p.out, p.orders.capacity());
        let name = format!("gateway-{}", p.config.id);
        GatewayOf {
            id: p.id,
            voice: Voice::new(name.clone(), p.words),
            name,
            config: p.config,
            gateway,
            link: Link::Waiting { until: Nanos::ZERO },
            kept,
            orders: p.orders,
            held: None,
            in_transmit: Vec::with_capacity(2 * BATCH),
            up,
            publisher: p.publisher,
            clock: p.clock,
            sample_every: p.sample_every,
            until_sample: 1,
            retry: Retry::new(),
            given_up: None,
            last_token: Token(0),
            ending: p.ending,
            kill_seen: Nanos::ZERO,
            parting: Parting::Staying,
            published: Nanos::ZERO,
        }
    }

    /// What the person is to know when it has ended.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let unconfirmed =
            matches!(self.parting, Parting::Sweeping(_) | Parting::LoggedOut { swept: Some(false), .. });
        unconfirmed.then(|| unconfirmed_sweep(&self.name))
    }

    #[cold]
    fn drop_link(&mut self, now: Nanos) {
        self.up.received = now;
        if let Parting::Sweeping(sweep) = &mut self.parting {
            sweep.on_disconnected();
        }
        if matches!(self.link, Link::Up(_)) {
            self.publisher.counters.add(counter::disconnects, 1);
        }
        // Requests that had not left are the engine's to settle: it hears of the disconnect.
        self.publisher.counters.add(counter::unsent, self.gateway.unsent_len() as u64);
        self.gateway.on_disconnected(now, &mut self.up);
        self.in_transmit.clear();
        let refused = self.up.refusal == Some(REFUSED);
        let until = if refused { self.retry.after_refusal(now) } else { self.retry.after(now) };
        let waiting = Link::Waiting { until };
        if let Link::Connecting(link, _) | Link::Up(link) = std::mem::replace(&mut self.link, waiting) {
            self.kept = link.end();
        }
    }

    fn connect(&mut self, now: Nanos) -> usize {
        match &mut self.link {
            Link::Waiting { until } if *until <= now => {
                let wanted = matches!(self.parting, Parting::Staying | Parting::Sweeping(_));
                // A strategy that takes nothing would not hear of it.
                if !wanted || self.given_up.is_some() || !self.up.flush() {
                    return 0;
                }
                self.up.refusal = None;
                match L::start(&self.config, &mut self.kept) {
                    Ok(link) => self.link = Link::Connecting(link, now),
                    Err(e) => {
                        self.voice.failed(now, &e);
                        self.drop_link(now);
                    }
                }
                1
            }
            Link::Connecting(link, since) => match link.poll_connected() {
                Ok(true) => {
                    let Link::Connecting(link, _) =
                        std::mem::replace(&mut self.link, Link::Waiting { until: now })
                    else {
                        return 0;
                    };
                    self.publisher.counters.add(counter::connects, 1);
                    self.voice.stands();
                    self.gateway.on_connected(now);
                    self.link = Link::Up(link);
                    1
                }
                Ok(false) if now.since(*since) < CONNECT => 0,
                Ok(false) => {
                    self.voice.failed(now, &TOO_LATE);
                    self.drop_link(now);
                    1
                }
                Err(e) => {
                    self.voice.failed(now, &e);
                    self.drop_link(now);
                    1
                }
            },
            Link::Waiting { .. } | Link::Up(_) => 0,
        }
    }

    /// Encodes what the strategy sent. Orders approved for a session that is gone are dropped.
    fn take_orders(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        let mut popped = Nanos::ZERO;
        while self.in_transmit.len() < BATCH {
            let Some(item) = self.held.take().or_else(|| self.orders.pop()) else { break };
            work += 1;
            let command = item.approved.command();
            let cancel = matches!(command.kind, CommandKind::Cancel { .. });
            if item.epoch != self.up.epoch || (!cancel && matches!(self.parting, Parting::Sweeping(_))) {
                self.publisher.counters.add(counter::unsent, 1);
                continue;
            }
            if self.ending.kill().blocks(command) {
                self.hold_back(now, command.token());
                continue;
            }
            if popped == Nanos::ZERO {
                popped = self.clock.now();
            }
            let outcome = match command.kind {
                CommandKind::Port { token, request } => self.ask_port(now, token, request),
                CommandKind::New { .. } | CommandKind::Replace { .. } | CommandKind::Cancel { .. } => {
                    self.gateway.encode(now, command)
                }
            };
            match outcome {
                Ok(()) => {
                    if !cancel {
                        self.last_token = self.last_token.max(command.token());
                    }
                    self.measure(&item, popped);
                    self.in_transmit.push(item);
                }
                Err(EncodeError::Full) => {
                    self.held = Some(item);
                    break;
                }
                Err(EncodeError::NotReady | EncodeError::Unsaid) => {
                    self.publisher.counters.add(counter::unsent, 1)
                }
                Err(_) => {
                    // The command cannot be said in this protocol, so engine and venue would disagree about it: a new session settles that.
                    self.publisher.counters.add(counter::protocol_errors, 1);
                    self.drop_link(now);
                    break;
                }
            }
        }
        work
    }

    /// What is killed does not leave.
    #[cold]
    fn hold_back(&mut self, now: Nanos, token: Token) {
        self.publisher.counters.add(counter::held_back, 1);
        self.up.push_never_sent(now, token);
    }

    /// A kill has come. What of it is in the transmit buffer and not in the socket must not go out later: the connection is given up, and the next one says what the
    /// venue has.
    #[cold]
    fn on_kill(&mut self, now: Nanos, at: Nanos) {
        self.kill_seen = at;
        let blocked = |item: &OrderItem| self.ending.kill().blocks(item.approved.command());
        if self.in_transmit.iter().any(blocked) {
            self.drop_link(now);
        }
    }

    /// What a person asks of the port itself.
    #[cold]
    fn ask_port(&mut self, now: Nanos, token: Token, request: PortRequest) -> Result<(), EncodeError> {
        match request {
            PortRequest::MassCancel => self.gateway.cancel_all(now, token),
            PortRequest::EntryOff => self.gateway.switch_entry(now, token, false),
            PortRequest::EntryOn => self.gateway.switch_entry(now, token, true),
        }
    }

    fn measure(&mut self, item: &OrderItem, popped: Nanos) {
        let decided = item.received.0 + u64::from(item.decoded_ns) + u64::from(item.decided_ns);
        self.publisher.order_ring.record(popped.since(Nanos(decided)).0);
        if self.sample_every != 0 {
            self.until_sample -= 1;
            if self.until_sample == 0 {
                self.until_sample = self.sample_every.min(4);
                self.publisher.encode.record(self.clock.now().since(popped).0);
            }
        }
    }

    fn transmit(&mut self, now: Nanos) -> usize {
        let Link::Up(link) = &mut self.link else { return 0 };
        let bytes = self.gateway.transmit();
        if bytes.is_empty() {
            return 0;
        }
        match link.send(bytes) {
            Ok(n) => self.gateway.transmitted(n),
            Err(_) => {
                self.drop_link(now);
                return 1;
            }
        }
        if self.gateway.transmit().is_empty() && !self.in_transmit.is_empty() {
            self.on_sent();
        }
        1
    }

    fn on_sent(&mut self) {
        let sent = self.clock.now();
        self.publisher.counters.add(counter::sent, self.in_transmit.len() as u64);
        let adds = |item: &OrderItem| {
            matches!(item.approved.command().kind, CommandKind::New { .. } | CommandKind::Replace { .. })
        };
        if self.in_transmit.iter().any(adds) {
            self.publisher.counters.set(counter::last_order_ns, sent.0);
        }
        for k in 0..self.in_transmit.len() {
            let receipt = self.in_transmit[k].receipt(self.id, sent);
            self.publisher.tick_to_order.record(sent.since(receipt.received).0);
            self.up.push_receipt(GatewayItem::Sent(receipt));
        }
        self.in_transmit.clear();
    }

    fn receive(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        for _ in 0..READS {
            if !self.up.flush() || !self.up.has_room() {
                self.publisher.counters.add(counter::ring_full, 1);
                return work;
            }
            let Link::Up(link) = &mut self.link else { return work };
            let space = self.gateway.recv_space();
            if space.is_empty() {
                return work;
            }
            let outcome = match link.recv(space) {
                Ok(Received::Data(n)) => {
                    self.up.received = self.clock.now();
                    self.gateway.on_received(self.up.received, n, &mut self.up).map_err(drop)
                }
                Ok(Received::Nothing) => return work,
                Ok(Received::Closed) | Err(_) => {
                    self.drop_link(now);
                    return work + 1;
                }
            };
            work += 1;
            self.check(now, outcome);
        }
        work
    }

    fn check(&mut self, now: Nanos, outcome: Result<(), ()>) {
        if outcome.is_err() {
            self.publisher.counters.add(counter::protocol_errors, 1);
            self.drop_link(now);
        } else if self.gateway.is_over() {
            let remembered = self.gateway.remembers_session();
            match self.up.refusal {
                // The venue began another session while we were away: join that one from its start. The engine hears that it is another, and
                // halts where the last one left orders open.
                Some(NO_SUCH_SESSION) if remembered => self.gateway.forget_session(),
                Some(code @ (NOT_AUTHORISED | OUT_OF_STEP)) => self.given_up = Some(code),
                // Each refusal doubles the wait.
                Some(REFUSED) => self.retry.take_longer(),
                // The venue refused us or ended its day: asking again at once would be a storm.
                _ => self.retry.take_long(),
            }
            // It asks how long to wait, so the answer has to stand.
            self.drop_link(now);
            self.up.refusal = None;
        } else if self.up.ready {
            self.retry.reset();
        }
    }

    fn keep_time(&mut self, now: Nanos) {
        if !matches!(self.link, Link::Up(_)) {
            return;
        }
        if self.up.has_room() {
            self.up.received = now;
            let outcome = self.gateway.resume(now, &mut self.up).map_err(drop);
            self.check(now, outcome);
        }
        if self.gateway.next_timeout().is_some_and(|at| at <= now) {
            self.up.received = now;
            let outcome = self.gateway.on_timeout(now, &mut self.up).map_err(drop);
            self.check(now, outcome);
        }
    }

    /// Looks at how the core ends. Before orders are taken: what the strategy pushed before it said so is then in the ring.
    #[inline]
    fn heed(&mut self, now: Nanos) {
        let killed = self.ending.kill().at();
        if killed != self.kill_seen {
            self.on_kill(now, killed);
        }
        match self.ending.farewell() {
            Farewell::Stay => {}
            Farewell::LogOut if matches!(self.parting, Parting::Staying) => {
                self.parting = Parting::Leaving { by: now.after(LOGOUT) };
            }
            Farewell::LogOut => {}
            Farewell::Sweep => self.begin_sweep(now),
        }
    }

    fn begin_sweep(&mut self, now: Nanos) {
        if !matches!(self.parting, Parting::Staying | Parting::Leaving { .. }) {
            return;
        }
        if self.config.fix.as_ref().is_some_and(|fix| fix.drop_copy) {
            // Nothing of ours can be open.
            return self.log_out(now, None);
        }
        self.parting = Parting::Sweeping(Sweep::new(now));
        self.retry.reset();
        if let Link::Waiting { until } = &mut self.link {
            *until = now;
        }
    }

    /// The end, as far as it can be brought now. Follows the orders.
    fn part(&mut self, now: Nanos) {
        match &mut self.parting {
            Parting::Staying | Parting::LoggedOut { .. } => {}
            Parting::Leaving { by } => {
                let sent = self.held.is_none() && self.orders.is_empty();
                if sent || *by <= now || !matches!(self.link, Link::Up(_)) {
                    self.log_out(now, None);
                }
            }
            Parting::Sweeping(sweep) => {
                if let Some(token) = self.up.mass_canceled.take() {
                    sweep.on_answer(now, token);
                }
                if sweep.is_over(now, self.up.last_report) || self.given_up.is_some() {
                    let confirmed = sweep.is_confirmed();
                    return self.log_out(now, Some(confirmed));
                }
                let ready = self.gateway.is_ready();
                if self.gateway.is_logged_in() && sweep.is_due(now, ready) {
                    let known = self.last_token.max(self.gateway.highest_token_seen());
                    let token = Token(known.0.saturating_add(1));
                    // One that finds no room is tried again in the next cycle.
                    if self.gateway.cancel_all(now, token).is_ok() {
                        sweep.on_asked(token, ready);
                        self.last_token = token;
                        self.publisher.counters.add(counter::mass_cancels, 1);
                    }
                }
            }
        }
    }

    fn log_out(&mut self, now: Nanos, swept: Option<bool>) {
        self.gateway.logout(now);
        self.parting = Parting::LoggedOut { by: now.after(LOGOUT), swept };
    }

    fn publish(&mut self, now: Nanos) {
        self.published = now;
        let state = match (&self.link, self.gateway.is_ready()) {
            (Link::Waiting { .. }, _) => 0,
            (Link::Connecting(..), _) => 1,
            (Link::Up(_), false) => 2,
            (Link::Up(_), true) => 3,
        };
        let c = &mut self.publisher.counters;
        c.set(counter::state, state);
        c.set(counter::reports, self.up.reports);
        c.set(counter::login_rejects, self.up.login_rejects);
        c.set(counter::last_sequence, self.up.last_sequence);
        c.set(counter::undecodable, self.up.undecodable);
        c.set(counter::spilled, self.up.spilled);
        c.set(counter::receipts_lost, self.up.receipts_lost);
        let given_up = self.given_up.map_or(0, |code| if code == OUT_OF_STEP { 2 } else { 1 });
        c.set(counter::given_up, given_up);
        c.set(counter::entry_off, self.up.entry_off.into());
        c.set(counter::mass_canceled, self.up.mass_cancels_taken);
    }
}

impl<G: OrderGateway, L: Dial> Agent for GatewayOf<G, L> {
    fn name(&self) -> &str {
        &self.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        self.heed(now);
        let mut work = self.connect(now);
        // Orders first: they are what the thread is for.
        work += self.take_orders(now);
        self.part(now);
        work += self.transmit(now);
        work += self.receive(now);
        self.keep_time(now);
        if work == 0 {
            self.transmit(now);
        }
        if now.since(self.published).0 >= PUBLISH.0 {
            self.publish(now);
        }
        work
    }

    /// Done when it has logged out and the venue has closed, or had its time to.
    fn is_done(&self) -> bool {
        match self.parting {
            Parting::LoggedOut { by, .. } => !matches!(self.link, Link::Up(_)) || self.clock.now() >= by,
            Parting::Staying | Parting::Leaving { .. } | Parting::Sweeping(_) => false,
        }
    }

    /// An agent has panicked: what is open at the venue does not end with it.
    fn on_stop(&mut self, now: Nanos) -> bool {
        self.begin_sweep(now);
        true
    }

    fn on_close(&mut self) {
        let now = self.clock.now();
        self.publish(now);
        self.publisher.counters.set(counter::state, 0);
    }
}
