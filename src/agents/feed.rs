//! The feed agent: polls the lines of one feed, arbitrates, decodes, captures, passes on.
//!
//! One clock read a packet: the `received` stamp right after the socket gave it. One packet in `sample_every` is read a second time, after it was decoded.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use feeds::channel::{Channel, REREQUEST};
use feeds::protocol::{Protocol, Wanted};
use model::{FeedId, FeedStatus, Instrument, Nanos};
use net::line::Line;
use net::udp::{Stamp, UdpRequest};
use net::{DatagramSend, Datagrams};
use ringbuf::log::Writer;
use ringbuf::spsc::Producer;

use super::batch::Outlet;
use super::lines::{LineState, Watched};
use super::snapshot::SnapshotSession;
use super::ways::{FeedLine, RequestServer, Sockets, Ways};
use super::words::Word;
use super::{FeedItem, LineWatch};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::config;
use crate::control::{FeedDemands, FeedDoor};
use crate::telemetry::counters::{feed as counter, line as line_counter};
use crate::telemetry::publish::FeedPublisher;

/// Datagrams taken from one line in a duty cycle, so that no line starves the other.
const BURST: usize = 16;
/// A feed whose messages are all about other instruments still shows that it lives this often.
pub(super) const LIVENESS: Nanos = Nanos::from_millis(250);
/// How often counters are published.
pub(super) const PUBLISH: Nanos = Nanos::from_millis(5);
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
    /// To the log.
    pub words: SyncSender<Word>,
}

/// The agent of a feed whose messages `P` reads and `W` brings; see the module.
pub struct FeedOf<P, W: Ways = Sockets> {
    name: String,
    /// Its id in the configuration.
    id: String,
    lines: Vec<W::Line>,
    line_states: Vec<Arc<LineState>>,
    silence: Nanos,
    opened: Nanos,
    /// The line that is asked first.
    first_line: usize,
    servers: Vec<W::Server>,
    demands: Arc<FeedDemands>,
    snapshots: Option<SnapshotSession<W::Snapshot>>,
    channel: Channel,
    outlet: Outlet<P>,
    publisher: FeedPublisher,
    clock: Clock,
    sample_every: u32,
    until_sample: u32,
    datagrams: u64,
    malformed_datagrams: u64,
    published: Nanos,
    buffer: Box<[u8]>,
}

impl<P: Protocol> FeedOf<P> {
    /// Opens the sockets.
    ///
    /// # Errors
    /// The socket's, with the address in it.
    pub(super) fn open(p: FeedParts) -> std::io::Result<FeedOf<P>> {
        let lines = p.config.line_configs().map(|line| Line::open(&line)).collect::<Result<Vec<_>, _>>()?;
        let servers =
            p.config.rerequest.iter().map(|a| UdpRequest::open(*a)).collect::<Result<Vec<_>, _>>()?;
        FeedOf::new(p, lines, servers)
    }

    /// What the host refused to its lines, one sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let of = |line: &Line| {
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
        let watched = |(line, state): (&Line, &Arc<LineState>)| {
            let Some(drops) = line.drop_count()? else { return Ok(None) };
            Ok(Some(Watched { address: line.local_addr(), drops, state: Arc::clone(state), told: false }))
        };
        let lines = self.lines.iter().zip(&self.line_states).filter_map(|line| watched(line).transpose());
        let lines = lines.collect::<std::io::Result<_>>()?;
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

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl<P: Protocol, W: Ways> FeedOf<P, W> {
    /// Over lines and servers that are open already.
    ///
    /// # Errors
    /// The snapshot server's account does not suit the protocol.
    pub(crate) fn new(
        p: FeedParts,
        lines: Vec<W::Line>,
        servers: Vec<W::Server>,
    ) -> std::io::Result<FeedOf<P, W>> {
        let snapshots = p.config.glimpse.as_ref().map(SnapshotSession::new).transpose()?;
        let channel = Channel::new(p.config.channel());
        let wanted = Wanted { instruments: &p.instruments, live_orders: p.config.live_orders };
        // A call of the channel delivers at most what it held and one packet, whose messages are none shorter than 2 bytes with their lengths.
        let messages = p.config.reorder_window.next_power_of_two() + DATAGRAM / 2;
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
            outlet: Outlet::new(wanted, messages, p.capture, p.out),
            publisher: p.publisher,
            clock: p.clock,
            sample_every: p.sample_every,
            // The first one too, so that a short run has a figure.
            until_sample: 1,
            datagrams: 0,
            malformed_datagrams: 0,
            published: Nanos::ZERO,
            buffer: vec![0; DATAGRAM].into_boxed_slice(),
        })
    }

    /// Whether it had something for the strategy.
    fn on_datagram(&mut self, line: u8, len: usize, stamp: Option<Stamp>) -> bool {
        let received = self.clock.now();
        if let Some(stamp) = stamp {
            // Two clocks: one that is ahead of ours by more than the way took makes a zero.
            self.publisher.wire.record(received.since(Nanos(stamp.ns)).0);
        }
        self.datagrams += 1;
        self.outlet.batch.begin(received);
        self.channel.on_framed::<P::Packet<'_>, _>(
            received,
            line,
            &self.buffer[..len],
            &mut self.outlet.batch,
        );
        self.outlet.batch.close();
        // Of the packets that bring something: where two lines take turns, one datagram in an even number might always be the duplicate.
        if self.sample_every != 0 && !self.outlet.batch.items.is_empty() {
            self.until_sample -= 1;
            if self.until_sample == 0 {
                self.until_sample = self.sample_every;
                let decoded = self.clock.now();
                self.publisher.decode.record(decoded.since(received).0);
                self.outlet.batch.stamp(decoded);
            }
        }
        let is_current = self.channel.heard() == Some(received);
        if is_current
            && self.outlet.batch.items.is_empty()
            && received.since(self.outlet.last_push()).0 > LIVENESS.0
        {
            self.outlet.batch.items.push(FeedItem::Status { received, status: FeedStatus::Heartbeat });
        }
        let any = !self.outlet.batch.items.is_empty();
        self.outlet.pass_on(received, &mut self.publisher.counters);
        any
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
                        let stamp = self.lines[k].stamp();
                        if self.on_datagram(k as u8, len, stamp) {
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
                if self.on_datagram(REREQUEST, len, None) {
                    return work;
                }
            }
        }
        if self.channel.next_timeout().is_some_and(|at| at <= now) {
            self.outlet.batch.begin(now);
            self.channel.on_timeout(now, &mut self.outlet.batch);
            self.outlet.batch.close();
            work += self.outlet.pass_on(now, &mut self.publisher.counters);
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
        self.outlet.batch.begin(now);
        let mut work = session.poll(now, &mut self.channel, &mut self.outlet.batch);
        self.outlet.batch.close();
        work += self.outlet.pass_on(now, &mut self.publisher.counters);
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
            self.outlet.batch.begin(now);
            let begun = self.channel.resync(now, &mut self.outlet.batch);
            self.publisher.counters.add(counter::resyncs, begun.into());
            self.outlet.batch.close();
            self.outlet.pass_on(now, &mut self.publisher.counters);
        }
    }

    fn publish(&mut self, now: Nanos) {
        self.published = now;
        let s = self.channel.stats();
        let c = &mut self.publisher.counters;
        c.set(counter::datagrams, self.datagrams);
        c.set(counter::messages, s.delivered);
        c.set(counter::events, self.outlet.batch.events);
        c.set(counter::duplicates, s.lines.iter().map(|l| l.duplicates).sum());
        c.set(counter::gaps, s.gaps_opened);
        c.set(counter::gaps_filled, s.gaps_filled);
        c.set(counter::gaps_lost, s.gaps_lost);
        c.set(counter::gaps_open, s.gaps_open());
        c.set(counter::messages_lost, s.messages_lost);
        c.set(counter::rerequests, s.requests);
        c.set(counter::malformed, self.outlet.batch.malformed);
        c.set(counter::undecodable, s.undecodable);
        c.set(counter::disputed, s.disputed);
        c.set(counter::unknown_types, self.outlet.batch.unknown_types);
        c.set(counter::odd_executions, self.outlet.batch.decoder.odd_executions());
        let frames: u64 = self.lines.iter().map(FeedLine::rejected).sum();
        c.set(counter::rejected_datagrams, s.rejected.total() + self.malformed_datagrams + frames);
        c.set(counter::expected, self.channel.expected());
        c.set(counter::synced, self.channel.is_synced().into());
        let servers = || self.servers.iter();
        let oversize =
            self.lines.iter().map(FeedLine::oversize).chain(servers().map(RequestServer::oversize));
        c.set(counter::oversize, oversize.sum());
        c.set(counter::refused, servers().map(RequestServer::refused).sum());
        c.set(counter::line_count, self.lines.len() as u64);
        c.set(counter::snapshots, s.snapshots_taken);
        c.set(counter::snapshots_failed, s.snapshots_failed);
        c.set(counter::snapshot_messages, s.snapshot_messages);
        c.set(counter::snapshot_refused, self.snapshots.as_ref().is_some_and(|s| s.given_up()).into());
        self.publish_lines(now);
    }

    fn publish_lines(&mut self, now: Nanos) {
        let stats = self.channel.stats();
        let mut all_drops = 0;
        let strays = self.lines.iter().map(FeedLine::strays);
        let lines = stats.lines.iter().zip(&self.line_states).zip(strays);
        for (((line, state), strays), c) in lines.zip(&mut self.publisher.lines) {
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
            c.set(line_counter::strays, strays);
            all_drops += drops;
        }
        self.publisher.counters.set(counter::kernel_drops, all_drops);
    }
}

impl<P: Protocol + Send, W: Ways> Agent for FeedOf<P, W> {
    fn name(&self) -> &str {
        &self.name
    }

    fn do_work(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        if !self.outlet.batch.items.is_empty() {
            work += self.outlet.pass_on(now, &mut self.publisher.counters);
            if !self.outlet.batch.items.is_empty() {
                return work;
            }
        }
        work += self.poll_lines();
        if self.outlet.batch.items.is_empty() {
            work += self.poll_servers(now);
        }
        if self.outlet.batch.items.is_empty() {
            work += self.poll_snapshots(now);
        }
        if now.since(self.published).0 >= PUBLISH.0 {
            self.publish(now);
            if self.outlet.batch.items.is_empty() {
                self.heed(now);
            }
        }
        work
    }

    fn on_close(&mut self) {
        let now = self.clock.now();
        for (line, state) in self.lines.iter().zip(&self.line_states) {
            if let Ok(Some(count)) = line.drop_count()
                && let Ok(drops) = count.read()
            {
                state.kernel_drops.store(drops.into(), Ordering::Relaxed);
            }
        }
        self.publish(now);
        self.outlet.finish();
    }
}
