//! The thread that reads the lines and the re-request servers, and gives what comes to the writers' rings. It writes no file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use feeds::channel::{Channel, ChannelConfig, ChannelStats, REREQUEST, Sink, SnapshotLimits, Taken};
use feeds::moldudp64::Session;
use model::{FeedStatus, Nanos};
use net::udp::{UdpLine, UdpRequest};
use net::{DatagramSend, Datagrams};

use super::raw::Interface;
use super::ring::{Entry, Giver, Kind, Taker, ring};
use super::{End, LOST_KEPT, MESSAGE_RING, Notice, RAW_RING, RecordError, Recorded, Shared, Written};
use crate::agent::{IdleStrategy, Idler};
use crate::agents::snapshot::SnapshotSession;
use crate::clock::Clock;
use crate::config;
use crate::protocol::FeedProtocol;

/// Datagrams taken from one line before the next is asked.
const BURST: usize = 16;
/// Largest datagram taken: more than UDP carries.
const DATAGRAM: usize = 65_536;
/// A recording wants messages, not books: a snapshot is for what no server brings, however much that is and however long it takes; and when so many snapshots
/// failed in a row, the day goes on without.
const SNAPSHOTS: SnapshotLimits = SnapshotLimits {
    after_messages: u64::MAX,
    after: Nanos(u64::MAX),
    timeout: Nanos::from_millis(30_000),
    spacing: Nanos::from_millis(500),
    spacing_max: Nanos::from_millis(8_000),
    attempts_max: 6,
};

/// See the module.
pub(super) struct Listener {
    lines: Vec<UdpLine>,
    servers: Vec<UdpRequest>,
    snapshots: Option<SnapshotSession>,
    names: Vec<Interface>,
    protocol: FeedProtocol,
    channel: Channel,
    stream: Stream,
    raw: Option<Giver>,
    raw_dropped: u64,
    datagrams: u64,
    ring_full: u64,
    clock: Clock,
    shared: Arc<Shared>,
    buffer: Box<[u8]>,
    /// The writer's end of the stream, until it is asked for.
    taker: Option<Taker>,
    feed: String,
}

/// What was heard, for the report.
pub(super) struct Heard {
    end: End,
    session: Option<Session>,
    next: u64,
    stream: Tally,
    stats: ChannelStats,
    datagrams: u64,
    kernel_drops: u64,
    ring_full: u64,
    raw_dropped: u64,
}

impl Heard {
    /// Together with what was written of it.
    pub(super) fn recorded(
        self,
        stream: Written,
        snapshots: Vec<PathBuf>,
        raw: Option<Written>,
        failure: Option<RecordError>,
    ) -> Recorded {
        Recorded {
            end: if failure.is_some() { End::Failed } else { self.end },
            session: self.session,
            stream,
            raw,
            first: self.stream.first,
            next: self.next,
            lost: self.stream.lost,
            bridged: self.stream.bridged,
            messages_bridged: self.stream.messages_bridged,
            snapshots,
            empty: self.stream.empty,
            stats: self.stats,
            datagrams: self.datagrams,
            kernel_drops: self.kernel_drops,
            ring_full: self.ring_full,
            raw_dropped: self.raw_dropped,
            failure,
        }
    }
}

impl Listener {
    pub(super) fn open(
        feed: &config::Feed,
        clock: Clock,
        shared: Arc<Shared>,
        notices: mpsc::Sender<Notice>,
    ) -> Result<Listener, RecordError> {
        let failed = |source| RecordError::Socket { feed: feed.id.clone(), source };
        let open = |line| UdpLine::open(&line);
        let lines = feed.line_configs().map(open).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let servers: Vec<_> =
            feed.rerequest.iter().map(|a| UdpRequest::open(*a)).collect::<Result<_, _>>().map_err(failed)?;
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let named = |(line, letter): (&UdpLine, char)| {
            let to = line.local_addr();
            Interface { name: format!("{} {letter} {to}", feed.id), from: nobody, to }
        };
        let mut names: Vec<_> = lines.iter().zip('A'..).map(named).collect();
        for server in &servers {
            let (from, to) = (server.peer(), server.local_addr().map_err(failed)?);
            names.push(Interface { name: format!("{} re-request {from}", feed.id), from, to });
        }
        let snapshots = feed.glimpse.as_ref().map(SnapshotSession::new).transpose().map_err(failed)?;
        let limits = snapshots.as_ref().map(|_| SNAPSHOTS);
        let channel = Channel::new(ChannelConfig { snapshots: limits, ..feed.channel() });
        let (giver, taker) = ring(MESSAGE_RING);
        let stream = Stream { giver, received: Nanos::ZERO, tally: Tally::default(), end: None, notices };
        Ok(Listener {
            lines,
            servers,
            snapshots,
            names,
            protocol: feed.protocol,
            channel,
            stream,
            raw: None,
            raw_dropped: 0,
            datagrams: 0,
            ring_full: 0,
            clock,
            shared,
            buffer: vec![0; DATAGRAM].into_boxed_slice(),
            taker: Some(taker),
            feed: feed.id.clone(),
        })
    }

    /// The writer's end of the message stream.
    ///
    /// # Panics
    /// The second time.
    pub(super) fn stream(&mut self) -> Taker {
        self.taker.take().expect("there is one writer")
    }

    /// The writer's end of the raw capture, which is made from now on.
    pub(super) fn raw(&mut self) -> Taker {
        let (giver, taker) = ring(RAW_RING);
        self.raw = Some(giver);
        taker
    }

    pub(super) fn interfaces(&self) -> Vec<Interface> {
        self.names.clone()
    }

    pub(super) fn lines(&self) -> Vec<SocketAddr> {
        self.lines.iter().map(UdpLine::local_addr).collect()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let of = |line: &UdpLine| {
            let place = format!("feed {}, line {}", self.feed, line.local_addr());
            line.refusals().iter().map(|r| format!("{place}: {r}")).collect::<Vec<_>>()
        };
        self.lines.iter().flat_map(of).collect()
    }

    /// Listens until the session ends, a writer fails or it is told to stop; then hands over what it has.
    pub(super) fn run(mut self) -> Heard {
        let mut idler = Idler::new(IdleStrategy::Park);
        let mut waiting = false;
        while self.stream.end.is_none() && !self.is_stopped() {
            if !self.stream.giver.push() {
                self.ring_full += u64::from(!std::mem::replace(&mut waiting, true));
                idler.idle(0);
                continue;
            }
            waiting = false;
            let work = self.poll_lines() + self.poll_servers() + self.poll_snapshots();
            self.publish();
            idler.idle(work);
        }
        if self.channel.is_synced() {
            self.stream.confirm_snapshot(self.channel.expected());
        }
        if self.stream.end == Some(End::Session) {
            self.stream.give(Kind::Record, 0, &[]);
        }
        while !self.stream.giver.push() && !self.stream.giver.is_abandoned() {
            idler.idle(0);
        }
        self.publish();
        self.shared.over.store(true, Ordering::Relaxed);
        // A line that cannot be asked is gone, and so is its count.
        let drops = self.lines.iter().map(|l| u64::from(l.kernel_drops().unwrap_or(0))).sum();
        Heard {
            end: self.stream.end.unwrap_or(End::Stopped),
            session: self.stream.tally.session.or(self.channel.session()),
            next: self.stream.tally.next.unwrap_or(self.channel.expected()),
            stream: self.stream.tally,
            stats: self.channel.stats().clone(),
            datagrams: self.datagrams,
            kernel_drops: drops,
            ring_full: self.ring_full,
            raw_dropped: self.raw_dropped,
        }
    }

    fn is_stopped(&self) -> bool {
        let raw_failed = self.raw.as_ref().is_some_and(Giver::is_abandoned);
        self.shared.stop.load(Ordering::Relaxed) || self.stream.giver.is_abandoned() || raw_failed
    }

    fn publish(&self) {
        let stats = self.channel.stats();
        self.shared.messages.store(stats.delivered, Ordering::Relaxed);
        self.shared.lost.store(stats.messages_lost, Ordering::Relaxed);
        self.shared.gap.store(stats.gaps_open() > 0, Ordering::Relaxed);
    }

    fn poll_lines(&mut self) -> usize {
        let mut work = 0;
        for k in 0..self.lines.len() {
            for _ in 0..BURST {
                // A line that fails is one that brings nothing: the other lines, and silence, deal with it.
                let Ok(Some(len)) = self.lines[k].recv(&mut self.buffer) else { break };
                work += 1;
                self.on_datagram(k, k as u8, len);
            }
        }
        work
    }

    fn poll_servers(&mut self) -> usize {
        let mut work = 0;
        for k in 0..self.servers.len() {
            for _ in 0..BURST {
                // A refused port on loopback shows as an error here; the channel's own timeout deals with a server that is gone.
                let Ok(Some(len)) = self.servers[k].recv(&mut self.buffer) else { break };
                work += 1;
                self.on_datagram(self.lines.len() + k, REREQUEST, len);
            }
        }
        let now = self.clock.now();
        if self.channel.next_timeout().is_some_and(|at| at <= now) {
            self.stream.received = now;
            self.channel.on_timeout(now, &mut self.stream);
        }
        while let Some(t) = self.channel.poll_transmit(now) {
            // One that cannot be sent is as good as one that is lost: the timeout asks again.
            let _ = self.servers[t.server].send(&t.bytes);
            work += 1;
        }
        work
    }

    fn poll_snapshots(&mut self) -> usize {
        let Some(session) = &mut self.snapshots else { return 0 };
        let now = self.clock.now();
        if session.is_idle() && !self.channel.poll_snapshot(now) {
            return 0;
        }
        self.stream.received = now;
        session.poll(now, &mut self.channel, &mut self.stream)
    }

    fn on_datagram(&mut self, interface: usize, line: u8, len: usize) {
        let received = self.clock.now();
        let bytes = &self.buffer[..len];
        self.datagrams += 1;
        if let Some(raw) = &mut self.raw {
            let entry = Entry { kind: Kind::Record, number: interface as u64, received, bytes };
            self.raw_dropped += u64::from(!raw.offer(entry));
        }
        self.stream.received = received;
        let session = self.channel.session();
        self.protocol.deliver(&mut self.channel, received, line, bytes, &mut self.stream);
        if self.stream.end == Some(End::OtherSession) {
            self.stream.tally.session = session;
        }
    }
}

/// What the sink saw.
#[derive(Debug, Default)]
struct Tally {
    first: Option<u64>,
    lost: Vec<(u64, u64)>,
    /// Stretches that a snapshot stands for, and how many messages that are in all.
    bridged: Vec<(u64, u64)>,
    messages_bridged: u64,
    /// With which message the stream goes on behind the last snapshot, until the lines have shown that they come to it.
    snapshot: Option<u64>,
    empty: u64,
    /// Of the session that was left, where another followed.
    session: Option<Session>,
    next: Option<u64>,
}

/// The channel's sink: messages into the ring, the rest into the tally.
struct Stream {
    giver: Giver,
    received: Nanos,
    tally: Tally,
    end: Option<End>,
    notices: mpsc::Sender<Notice>,
}

impl Stream {
    fn give(&mut self, kind: Kind, number: u64, bytes: &[u8]) {
        self.giver.put(Entry { kind, number, received: self.received, bytes });
    }

    /// The stream has come to `sequence`: the last snapshot stands for what is missing before it, unless it told of a moment that never came.
    fn confirm_snapshot(&mut self, sequence: u64) {
        let from = self.tally.next.unwrap_or(1);
        let Some(next) = self.tally.snapshot.take().filter(|next| (from + 1..=sequence).contains(next))
        else {
            return;
        };
        self.tally.next = Some(next);
        self.tally.messages_bridged += next - from;
        if self.tally.bridged.len() < LOST_KEPT {
            self.tally.bridged.push((from, next));
            // As of what is lost.
            let _ = self.notices.send(Notice::Bridged { from, to: next });
        }
    }
}

impl Sink for Stream {
    fn message(&mut self, sequence: u64, bytes: &[u8]) -> Taken {
        // The datagram that ended the recording may have more in it: another session's.
        if self.end.is_some() {
            return Taken::Whole;
        }
        self.confirm_snapshot(sequence);
        // Behind a snapshot of an earlier moment what is there already comes again.
        if self.tally.next.is_some_and(|next| sequence < next) {
            return Taken::Whole;
        }
        self.tally.first.get_or_insert(sequence);
        self.tally.next = Some(sequence + 1);
        match bytes {
            [] => self.tally.empty += 1,
            _ => self.give(Kind::Record, sequence, bytes),
        }
        Taken::Whole
    }

    fn snapshot(&mut self, bytes: &[u8]) -> Taken {
        if self.end.is_none() {
            self.give(Kind::Snapshot, 0, bytes);
        }
        Taken::Whole
    }

    fn status(&mut self, status: FeedStatus) {
        if self.end.is_some() {
            return;
        }
        match status {
            FeedStatus::Lost { from, to } => {
                self.confirm_snapshot(from);
                self.tally.next = Some(to);
                if self.tally.lost.len() < LOST_KEPT {
                    self.tally.lost.push((from, to));
                    // Where nobody listens any more, the report still says it.
                    let _ = self.notices.send(Notice::Lost { from, to });
                }
            }
            FeedStatus::Disputed { sequence } => {
                let _ = self.notices.send(Notice::Disputed { sequence });
            }
            FeedStatus::Silent => {
                let _ = self.notices.send(Notice::Silent);
            }
            FeedStatus::EndOfSession => {
                self.confirm_snapshot(u64::MAX);
                self.end = Some(End::Session);
            }
            FeedStatus::NewSession => self.end = Some(End::OtherSession),
            FeedStatus::Synced { next } => self.confirm_snapshot(next),
            FeedStatus::Recovering { .. } | FeedStatus::Heartbeat => {}
            // Nobody asks that of a recording.
            FeedStatus::Doubted => {}
            FeedStatus::SnapshotBegin => self.give(Kind::SnapshotBegin, 0, &[]),
            FeedStatus::SnapshotEnd { next } => {
                self.give(Kind::SnapshotEnd, next, &[]);
                self.tally.snapshot = Some(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        let (giver, _) = ring(1 << 12);
        let (notices, _) = mpsc::channel();
        let tally = Tally::default();
        Stream { giver, received: Nanos::ZERO, tally, end: None, notices }
    }

    fn messages(s: &mut Stream, from: u64, to: u64) {
        for sequence in from..to {
            assert_eq!(s.message(sequence, b"m"), Taken::Whole);
        }
    }

    #[test]
    fn where_a_snapshot_ends_is_believed_when_the_lines_are_there() {
        let mut s = stream();
        messages(&mut s, 1, 4);
        // A number from nowhere; the channel asks for another snapshot then.
        s.status(FeedStatus::SnapshotEnd { next: 1_000_000 });
        assert_eq!((s.tally.next, s.tally.messages_bridged), (Some(4), 0));
        s.status(FeedStatus::SnapshotEnd { next: 10 });
        messages(&mut s, 10, 13);
        assert_eq!((s.tally.next, s.tally.messages_bridged), (Some(13), 6));
        assert_eq!(s.tally.bridged, [(4, 10)]);
    }

    #[test]
    fn a_stream_that_is_whole_or_over_confirms_a_snapshot_before_its_next_message() {
        for status in [FeedStatus::Synced { next: 10 }, FeedStatus::EndOfSession] {
            let mut s = stream();
            messages(&mut s, 1, 4);
            s.status(FeedStatus::SnapshotEnd { next: 10 });
            s.status(status);
            assert_eq!((s.tally.next, s.tally.bridged.as_slice()), (Some(10), &[(4, 10)][..]), "{status:?}");
        }
    }

    #[test]
    fn a_snapshot_of_an_earlier_moment_bridges_nothing() {
        let mut s = stream();
        messages(&mut s, 1, 8);
        s.status(FeedStatus::SnapshotEnd { next: 5 });
        messages(&mut s, 5, 10);
        assert_eq!((s.tally.next, s.tally.messages_bridged), (Some(10), 0));
    }
}
