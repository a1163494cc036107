//! The feed agent: polls the lines of one feed, arbitrates, decodes, captures, passes on.
//!
//! One clock read a packet: the `received` stamp right after the socket gave it. One packet in `sample_every` is read a second time, after it was decoded.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use feeds::channel::{Channel, REREQUEST, Sink, Taken};
use feeds::protocol::{Decode, Protocol, Refusal, Wanted};
use model::{FeedId, FeedStatus, Instrument, MarketEvent, Nanos};
use net::udp::{UdpLine, UdpRequest};
use net::{DatagramSend, Datagrams};
use ringbuf::log::Writer;
use ringbuf::spsc::Producer;

use super::lines::{LineState, Watched};
use super::snapshot::SnapshotSession;
use super::{FeedItem, LineWatch};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::config;
use crate::control::{FeedDemands, FeedDoor};
use crate::journal::Batch as CaptureBatch;
use crate::telemetry::counters::{feed as counter, line as line_counter};
use crate::telemetry::publish::FeedPublisher;

/// Datagrams taken from one line in a duty cycle, so that no line starves the other.
const BURST: usize = 16;
/// Messages in a packet item at most; a long recovery comes as several.
const PACKET_MESSAGES: u32 = 256;
/// Bytes of a capture batch at most.
const PACKET_BYTES: usize = 32 * 1024;
/// A feed whose messages are all about other instruments still shows that it lives this often.
const LIVENESS: Nanos = Nanos::from_millis(250);
/// How often counters are published.
const PUBLISH: Nanos = Nanos::from_millis(5);
/// Largest datagram taken.
const DATAGRAM: usize = 65_536;

/// What a feed agent is made from.
pub struct FeedParts {
    /// Its number.
    pub id: FeedId,
    /// Its configuration.
    pub config: config::Feed,
    /// Its instruments.
    pub instruments: Vec<Instrument>,
    /// To the strategy.
    pub out: Producer<FeedItem>,
    /// The raw capture.
    pub capture: Option<Writer>,
    /// Shared memory.
    pub publisher: FeedPublisher,
    /// The clock.
    pub clock: Clock,
    /// One packet in this many is timed; 0 none.
    pub sample_every: u32,
}

/// The agent of a feed whose messages `P` reads; see the module.
pub struct FeedOf<P> {
    name: String,
    /// Its id in the configuration.
    id: String,
    lines: Vec<UdpLine>,
    line_states: Vec<Arc<LineState>>,
    silence: Nanos,
    opened: Nanos,
    /// The line that is asked first.
    first_line: usize,
    servers: Vec<UdpRequest>,
    demands: Arc<FeedDemands>,
    snapshots: Option<SnapshotSession>,
    channel: Channel,
    batch: Batch<P>,
    capture: Option<Writer>,
    capture_low: bool,
    out: Producer<FeedItem>,
    pushed: usize,
    publisher: FeedPublisher,
    clock: Clock,
    sample_every: u32,
    until_sample: u32,
    datagrams: u64,
    malformed_datagrams: u64,
    last_push: Nanos,
    published: Nanos,
    buffer: Box<[u8]>,
}

impl<P: Protocol> FeedOf<P> {
    /// Opens the sockets.
    ///
    /// # Errors
    /// The socket's, with the address in it.
    pub(super) fn open(p: FeedParts) -> std::io::Result<FeedOf<P>> {
        let lines =
            p.config.line_configs().map(|line| UdpLine::open(&line)).collect::<Result<Vec<_>, _>>()?;
        let servers =
            p.config.rerequest.iter().map(|a| UdpRequest::open(*a)).collect::<Result<Vec<_>, _>>()?;
        let snapshots = p.config.glimpse.as_ref().map(SnapshotSession::new).transpose()?;
        let channel = Channel::new(p.config.channel());
        let wanted = Wanted { instruments: &p.instruments, live_orders: p.config.live_orders };
        Ok(FeedOf {
            name: format!("feed-{}", p.config.id),
            id: p.config.id,
            line_states: lines.iter().map(|_| Arc::default()).collect(),
            lines,
            silence: p.config.silence,
            opened: p.clock.now(),
            first_line: 0,
            servers,
            demands: Arc::default(),
            snapshots,
            channel,
            batch: Batch::new(wanted, p.config.reorder_window, p.capture.is_some()),
            capture: p.capture,
            capture_low: false,
            out: p.out,
            pushed: 0,
            publisher: p.publisher,
            clock: p.clock,
            sample_every: p.sample_every,
            until_sample: p.sample_every,
            datagrams: 0,
            malformed_datagrams: 0,
            last_push: Nanos::ZERO,
            published: Nanos::ZERO,
            buffer: vec![0; DATAGRAM].into_boxed_slice(),
        })
    }

    /// What the host refused to its lines, one sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let of = |line: &UdpLine| {
            let place = format!("feed {}, line {}", self.id, line.local_addr());
            line.refusals().iter().map(|r| format!("{place}: {r}")).collect::<Vec<_>>()
        };
        self.lines.iter().flat_map(of).collect()
    }

    /// The cold thread's part of it.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub(super) fn watch(&self) -> std::io::Result<LineWatch> {
        let watched = |(line, state): (&UdpLine, &Arc<LineState>)| {
            let (drops, state) = (line.drop_count()?, Arc::clone(state));
            Ok(Watched { address: line.local_addr(), drops, state, told: false })
        };
        let lines = self.lines.iter().zip(&self.line_states).map(watched).collect::<std::io::Result<_>>()?;
        Ok(LineWatch::new(self.id.clone(), lines))
    }

    /// The control thread's part of it.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub(super) fn door(&self) -> std::io::Result<FeedDoor> {
        let memberships = self.lines.iter().filter_map(|l| l.membership().transpose());
        Ok(FeedDoor {
            id: self.id.clone(),
            can_resync: self.channel.can_resync(),
            demands: Arc::clone(&self.demands),
            memberships: memberships.collect::<std::io::Result<_>>()?,
        })
    }

    pub(super) fn lines(&self) -> &[UdpLine] {
        &self.lines
    }

    /// Whether it had something for the strategy.
    fn on_datagram(&mut self, line: u8, len: usize) -> bool {
        let received = self.clock.now();
        self.datagrams += 1;
        self.batch.begin(received);
        self.channel.on_framed::<P::Packet<'_>, _>(received, line, &self.buffer[..len], &mut self.batch);
        self.batch.close();
        // Of the packets that bring something: where two lines take turns, one datagram in an even number might always be the duplicate.
        if self.sample_every != 0 && !self.batch.items.is_empty() {
            self.until_sample -= 1;
            if self.until_sample == 0 {
                self.until_sample = self.sample_every;
                let decoded = self.clock.now();
                self.publisher.decode.record(decoded.since(received).0);
                self.batch.stamp(decoded);
            }
        }
        let is_current = self.channel.heard() == Some(received);
        if is_current && self.batch.items.is_empty() && received.since(self.last_push).0 > LIVENESS.0 {
            self.batch.items.push(FeedItem::Status { received, status: FeedStatus::Heartbeat });
        }
        let any = !self.batch.items.is_empty();
        self.pass_on(received);
        any
    }

    /// Captures the batch, then pushes it; what does not fit waits, and no socket is read meanwhile.
    fn pass_on(&mut self, now: Nanos) -> usize {
        if let Some(log) = &mut self.capture {
            for c in self.batch.captures.drain(..) {
                let framed = &self.batch.bytes[c.start..c.end];
                let Capture { received, is_snapshot, first, count, .. } = c;
                let batch = CaptureBatch { received, is_snapshot, first, count, framed };
                if batch.append(log).is_err() {
                    self.publisher.counters.add(counter::capture_refused, 1);
                }
            }
            self.batch.bytes.clear();
            if !self.capture_low && log.low() {
                self.capture_low = true;
                self.batch.items.push(FeedItem::CaptureLow { received: now });
            }
        }
        let waiting = &self.batch.items[self.pushed..];
        let n = waiting.len().min(self.out.free());
        if n > 0 && self.out.push_all(&waiting[..n]).is_ok() {
            self.pushed += n;
            self.last_push = now;
        }
        if self.pushed == self.batch.items.len() {
            self.batch.items.clear();
            self.pushed = 0;
        } else {
            self.publisher.counters.add(counter::ring_full, 1);
        }
        n
    }

    /// Takes datagrams until one had something for the strategy: on one hot thread that goes to it before any line is asked again, for each question is
    /// a system call. The next cycle starts with the next line, so that no line starves another.
    fn poll_lines(&mut self) -> usize {
        let (mut work, lines) = (0, self.lines.len());
        for turn in 0..lines {
            let k = (self.first_line + turn) % lines;
            for _ in 0..BURST {
                match self.lines[k].recv(&mut self.buffer) {
                    Ok(Some(len)) => {
                        work += 1;
                        if self.on_datagram(k as u8, len) {
                            self.first_line = (k + 1) % lines;
                            return work;
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {
                        work += 1;
                        self.malformed_datagrams += 1;
                        break;
                    }
                }
            }
        }
        work
    }

    /// Servers are asked for their answers while a gap is open; an answer after that says nothing new, and waits for the next gap.
    fn poll_servers(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        let asked = if self.channel.stats().gaps_open() > 0 { self.servers.len() } else { 0 };
        for k in 0..asked {
            for _ in 0..BURST {
                // A refused port on loopback shows as an error here; the channel's own timeout deals with a server that is gone.
                let Ok(Some(len)) = self.servers[k].recv(&mut self.buffer) else { break };
                work += 1;
                if self.on_datagram(REREQUEST, len) {
                    return work;
                }
            }
        }
        if self.channel.next_timeout().is_some_and(|at| at <= now) {
            self.batch.begin(now);
            self.channel.on_timeout(now, &mut self.batch);
            self.batch.close();
            work += self.pass_on(now);
        }
        while let Some(t) = self.channel.poll_transmit(now) {
            // One that cannot be sent is as good as one that is lost: the timeout asks again.
            let _ = self.servers[t.server].send(&t.bytes);
            work += 1;
        }
        work
    }

    fn poll_snapshots(&mut self, now: Nanos) -> usize {
        let Some(session) = &mut self.snapshots else { return 0 };
        if session.is_idle() && !self.channel.poll_snapshot(now) {
            return 0;
        }
        self.batch.begin(now);
        let mut work = session.poll(now, &mut self.channel, &mut self.batch);
        self.batch.close();
        work += self.pass_on(now);
        work
    }

    /// Does what a person asked for.
    fn heed(&mut self, now: Nanos) {
        if self.demands.take_reconnect()
            && let Some(session) = &mut self.snapshots
        {
            session.reconnect(now, &mut self.channel);
        }
        if self.demands.take_resync() {
            self.batch.begin(now);
            let begun = self.channel.resync(now, &mut self.batch);
            self.publisher.counters.add(counter::resyncs, begun.into());
            self.batch.close();
            self.pass_on(now);
        }
    }

    fn publish(&mut self, now: Nanos) {
        self.published = now;
        let s = self.channel.stats();
        let c = &mut self.publisher.counters;
        c.set(counter::datagrams, self.datagrams);
        c.set(counter::messages, s.delivered);
        c.set(counter::events, self.batch.events);
        c.set(counter::duplicates, s.lines.iter().map(|l| l.duplicates).sum());
        c.set(counter::gaps, s.gaps_opened);
        c.set(counter::gaps_filled, s.gaps_filled);
        c.set(counter::gaps_lost, s.gaps_lost);
        c.set(counter::gaps_open, s.gaps_open());
        c.set(counter::messages_lost, s.messages_lost);
        c.set(counter::rerequests, s.requests);
        c.set(counter::malformed, self.batch.malformed);
        c.set(counter::undecodable, s.undecodable);
        c.set(counter::disputed, s.disputed);
        c.set(counter::unknown_types, self.batch.unknown_types);
        c.set(counter::odd_executions, self.batch.decoder.odd_executions());
        c.set(counter::rejected_datagrams, s.rejected.total() + self.malformed_datagrams);
        c.set(counter::expected, self.channel.expected());
        c.set(counter::synced, self.channel.is_synced().into());
        let servers = || self.servers.iter();
        let oversize = self.lines.iter().map(UdpLine::oversize).chain(servers().map(UdpRequest::oversize));
        c.set(counter::oversize, oversize.sum());
        c.set(counter::refused, servers().map(UdpRequest::refused).sum());
        c.set(counter::line_count, self.lines.len() as u64);
        c.set(counter::snapshots, s.snapshots_taken);
        c.set(counter::snapshots_failed, s.snapshots_failed);
        c.set(counter::snapshot_messages, s.snapshot_messages);
        c.set(
            counter::snapshot_refused,
            self.snapshots.as_ref().is_some_and(SnapshotSession::given_up).into(),
        );
        self.publish_lines(now);
    }

    fn publish_lines(&mut self, now: Nanos) {
        let stats = self.channel.stats();
        let mut all_drops = 0;
        for ((line, state), c) in stats.lines.iter().zip(&self.line_states).zip(&mut self.publisher.lines) {
            // Behind the end of a session there is nothing to be heard.
            let heard = line.last_heard.0.max(self.opened.0);
            let is_silent = !self.channel.is_over() && now.since(Nanos(heard)).0 >= self.silence.0;
            let drops = state.kernel_drops.load(Ordering::Relaxed);
            state.silent.store(is_silent, Ordering::Relaxed);
            c.set(line_counter::packets, line.packets);
            c.set(line_counter::won, line.won);
            c.set(line_counter::duplicates, line.duplicates);
            c.set(line_counter::last_heard_ns, line.last_heard.0);
            c.set(line_counter::silent, is_silent.into());
            c.set(line_counter::kernel_drops, drops);
            all_drops += drops;
        }
        self.publisher.counters.set(counter::kernel_drops, all_drops);
    }
}

impl<P: Protocol + Send> Agent for FeedOf<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        if !self.batch.items.is_empty() {
            work += self.pass_on(now);
            if !self.batch.items.is_empty() {
                return work;
            }
        }
        work += self.poll_lines();
        if self.batch.items.is_empty() {
            work += self.poll_servers(now);
        }
        if self.batch.items.is_empty() {
            work += self.poll_snapshots(now);
        }
        if now.since(self.published).0 >= PUBLISH.0 {
            self.publish(now);
            if self.batch.items.is_empty() {
                self.heed(now);
            }
        }
        work
    }

    fn on_close(&mut self) {
        let now = self.clock.now();
        for (line, state) in self.lines.iter().zip(&self.line_states) {
            if let Ok(drops) = line.kernel_drops() {
                state.kernel_drops.store(drops.into(), Ordering::Relaxed);
            }
        }
        self.publish(now);
        if let Some(log) = self.capture.take() {
            log.finish();
        }
    }
}

/// A stretch of framed messages to be captured.
struct Capture {
    received: Nanos,
    is_snapshot: bool,
    first: u64,
    count: u32,
    start: usize,
    end: usize,
}

/// A packet being built.
#[derive(Clone, Copy)]
struct Open {
    /// Where its head is.
    head: usize,
    is_snapshot: bool,
    first: u64,
    count: u32,
    /// Where its bytes start.
    start: usize,
}

/// What one call of the channel delivered. All room is taken at the start: a call delivers at most what the channel held and one packet, an event a
/// message, and perhaps once the most events that one message may give.
struct Batch<P> {
    decoder: P,
    items: Vec<FeedItem>,
    captures: Vec<Capture>,
    bytes: Vec<u8>,
    capturing: bool,
    received: Nanos,
    /// The packet being built.
    open: Option<Open>,
    /// Messages of the snapshot that runs.
    in_snapshot: u64,
    events: u64,
    malformed: u64,
    unknown_types: u64,
}

impl<P: Decode> Batch<P> {
    fn new(wanted: Wanted<'_>, window: usize, capturing: bool) -> Batch<P> {
        // A packet adds at most its own messages, none shorter than 2 bytes with its length.
        let messages = window.next_power_of_two() + DATAGRAM / 2;
        let packets = messages / PACKET_MESSAGES as usize + messages / 64 + 16;
        let decoder = P::new(wanted);
        Batch {
            items: Vec::with_capacity(messages + packets + decoder.events_max()),
            decoder,
            captures: Vec::with_capacity(packets),
            bytes: Vec::with_capacity(if capturing {
                window.next_power_of_two() * 66 + 2 * DATAGRAM
            } else {
                0
            }),
            capturing,
            received: Nanos::ZERO,
            open: None,
            in_snapshot: 0,
            events: 0,
            malformed: 0,
            unknown_types: 0,
        }
    }

    /// What to say of a message that is no event.
    #[cold]
    fn refuse(&mut self, refusal: Refusal) -> Taken {
        match refusal {
            Refusal::Unknown => self.unknown_types += 1,
            Refusal::Malformed | Refusal::Lost => self.malformed += 1,
        }
        if refusal == Refusal::Lost { Taken::Undecodable } else { Taken::Whole }
    }

    fn begin(&mut self, received: Nanos) {
        self.received = received;
    }

    fn close(&mut self) {
        let Some(Open { head, is_snapshot, first, count, start }) = self.open.take() else { return };
        let received = self.received;
        let events = (self.items.len() - head - 1) as u32;
        if events == 0 {
            self.items.truncate(head);
        } else {
            self.items[head] =
                FeedItem::Packet { received, is_snapshot, first, count, events, pushed: Nanos::ZERO };
        }
        if self.capturing {
            self.captures.push(Capture { received, is_snapshot, first, count, start, end: self.bytes.len() });
        }
    }

    /// Marks the packets of this batch as timed.
    fn stamp(&mut self, now: Nanos) {
        for i in &mut self.items {
            if let FeedItem::Packet { pushed, .. } = i {
                *pushed = now;
            }
        }
    }
}

impl<P: Decode> Batch<P> {
    /// Message `place` of the stream, or of a snapshot.
    #[inline]
    fn take(&mut self, is_snapshot: bool, place: u64, msg: &[u8]) -> Taken {
        let ends = |o: Open, len: usize| {
            o.count >= PACKET_MESSAGES
                || len - o.start >= PACKET_BYTES
                || o.first + u64::from(o.count) != place
                || o.is_snapshot != is_snapshot
        };
        if self.open.is_some_and(|o| ends(o, self.bytes.len())) {
            self.close();
        }
        if self.open.is_none() {
            let (head, start) = (self.items.len(), self.bytes.len());
            self.open = Some(Open { head, is_snapshot, first: place, count: 0, start });
            let (received, first) = (self.received, place);
            let head =
                FeedItem::Packet { received, is_snapshot, first, count: 0, events: 0, pushed: Nanos::ZERO };
            self.items.push(head);
        }
        if let Some(open) = &mut self.open {
            open.count += 1;
        }
        if self.capturing {
            self.bytes.extend_from_slice(&(msg.len() as u16).to_be_bytes());
            self.bytes.extend_from_slice(msg);
        }
        let (items, events) = (&mut self.items, &mut self.events);
        let event = |event: MarketEvent| {
            *events += 1;
            items.push(FeedItem::Event(event));
        };
        match self.decoder.decode(msg, event) {
            Ok(()) => Taken::Whole,
            Err(refusal) => self.refuse(refusal),
        }
    }
}

impl<P: Decode> Sink for Batch<P> {
    #[inline]
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken {
        self.take(false, seq, msg)
    }

    fn snapshot(&mut self, msg: &[u8]) -> Taken {
        self.in_snapshot += 1;
        self.take(true, self.in_snapshot - 1, msg)
    }

    fn status(&mut self, status: FeedStatus) {
        self.close();
        match status {
            FeedStatus::NewSession => self.decoder.reset(),
            // What the decoder knows stays: a replay reads the same messages in the same order, and learns the same.
            FeedStatus::SnapshotBegin => self.in_snapshot = 0,
            _ => {}
        }
        self.items.push(FeedItem::Status { received: self.received, status });
    }
}
