//! One feed's stream, made whole: every message once and in order, from any number of lines that each lose, repeat and
//! reorder, from re-request servers for what no line brought, and from snapshots for what no server brings.
//!
//! ```text
//!  line A --+                                              +--> Sink::message(seq, bytes)   seq + 1 each time
//!  line B --+--> on_datagram --> arbitrate by message -----+
//!  answers -+         |            ^      | ahead of a gap +--> Sink::status(FeedStatus)
//!                     |            |      v
//!                     |          drain  Store (bounded)
//!  clock ----> on_timeout --> Recovery --> poll_transmit --> request to a server
//!                     |          | too large, too old, unanswered
//!                     +----> Snapshots --> poll_snapshot --> session with a snapshot server --> on_snapshot_message, .._end, .._failed
//! ```
//!
//! A state machine without sockets or a clock. In each turn of its agent: every datagram to [`Channel::on_datagram`];
//! [`Channel::on_timeout`] once [`Channel::next_timeout`] has come; [`Channel::poll_transmit`] until it gives `None`;
//! [`Channel::poll_snapshot`], and to the snapshot methods what the session that it asks for brings.
//!
//! How a datagram is cut into messages is its protocol's ([`crate::framing`]); MoldUDP64 unless said otherwise.
//! Nothing in a packet tells A from B and the lines may cut the stream differently, so arbitration is by message:
//! a packet can be partly old, partly new.
//!
//! Invariants:
//! * A message is delivered when it equals `expected`, which then grows by one. Within a session it jumps only with
//!   [`FeedStatus::Lost`], over `[from, to)`, and what is lost is never delivered; or with [`FeedStatus::SnapshotEnd`], to what the
//!   snapshot does not hold.
//! * A message that the sink cannot decode is as good as lost, and [`FeedStatus::Lost`] is said of it right behind it. Of a session
//!   that lost one already it is only counted: nothing more can become of its books. So is a message that two lines bring differently
//!   ([`FeedStatus::Disputed`]): which of them is right cannot be told.
//! * `expected == seen_end` exactly when nothing is missing, and no snapshot is awaited. [`FeedStatus::Synced`] is said only then,
//!   and in a session that lost a message only after a whole snapshot: without one its books cannot be whole.
//! * From the moment that a snapshot is wanted until it has ended nothing is delivered but the snapshot, and the rest of the packet
//!   whose message could not be decoded.
//! * A session is left only when it is over or was silent on all lines for as long as makes a feed silent: until then a packet of
//!   another session is one that strayed here, and a book is not given up for it.
//! * No allocation after [`Channel::new`]. At most one request is unanswered.
//!
//! [`Channel::resync`] makes the books anew where a person does not believe them.
//!
//! A full store does not give up a gap while a server may fill it: what does not fit is dropped and asked for when its
//! turn comes, so a late joiner can walk a whole day behind a small window. When no server can help, a snapshot is wanted; where there
//! are none, it is [`FeedStatus::Lost`] at once and delivery goes on.

mod config;
mod fingerprints;
mod recovery;
mod resync;
mod session;
mod snapshot;
mod stats;
mod store;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use model::{FeedStatus, Nanos};

pub use config::ChannelConfig;
pub use recovery::Transmit;
pub use snapshot::SnapshotLimits;
pub use stats::{ChannelStats, LineStats, Rejected};

use crate::framing::{NoPacket, Packet, PacketKind, Session};
use crate::moldudp64;
use fingerprints::Fingerprints;
use recovery::{Patience, Recovery};
use snapshot::Snapshots;
use store::{Held, Store};

/// The line number of answers from re-request servers.
pub const REREQUEST: u8 = u8::MAX;

/// What no session is called: a wiped header has it. Also stands for no session yet.
const NUL: Session = [0; 10];

/// [`FeedStatus::Heartbeat`] is said at most once in this time.
const HEARTBEAT_SPACING: Nanos = Nanos::from_millis(1_000);

/// Sessions that are remembered as over.
const RETIRED: usize = 4;

/// What a sink made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It is what the venue said, or nothing that a book hangs on.
    Whole,
    /// It may have changed a book, and cannot be decoded.
    Undecodable,
}

/// Where the stream goes.
pub trait Sink {
    /// The next message. `seq` is one more than the last one's, except after [`FeedStatus::Lost`],
    /// [`FeedStatus::NewSession`] and [`FeedStatus::SnapshotEnd`].
    /// The bytes are the packet's own where nothing was missing.
    fn message(&mut self, seq: u64, msg: &[u8]) -> Taken;

    /// A message of the snapshot that [`FeedStatus::SnapshotBegin`] announced; it has no sequence. A sink that does not take snapshots
    /// lets them fail.
    fn snapshot(&mut self, _msg: &[u8]) -> Taken {
        Taken::Undecodable
    }

    /// What became of the feed; said between the messages before and after which it is true.
    fn status(&mut self, status: FeedStatus);
}

/// The gap that delivery stands at.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// Its end as last reported. Some of it may be held already.
    to: u64,
    /// Whether part of it was given up.
    lossy: bool,
}

/// The state of one feed.
#[derive(Debug)]
pub struct Channel {
    session: Session,
    only: Option<Session>,
    /// The next message to deliver.
    expected: u64,
    /// After the last message known to exist.
    seen_end: u64,
    /// Nothing is missing, held, to be said or over: the next message can go straight through.
    steady: bool,
    /// When a line last brought what is not older than `expected`; when the clock was first told, before that. `None` before both.
    heard: Option<Nanos>,
    stats: ChannelStats,
    gap: Option<Gap>,
    /// Since when gap has followed gap, or snapshot snapshot, without the stream being whole in between.
    behind: Option<Nanos>,
    store: Store,
    prints: Option<Fingerprints>,
    recovery: Recovery,
    snapshots: Snapshots,
    silence: Nanos,
    silent: bool,
    synced: bool,
    /// No message of the session was lost.
    intact: bool,
    /// The end that the venue announced.
    end: Option<u64>,
    /// The end was reached and said.
    over: bool,
    heartbeat_told: Option<Nanos>,
    /// The last sessions before this one; [`NUL`] where there was none.
    retired: [Session; RETIRED],
}

impl Channel {
    /// A channel that has heard nothing. Allocates its store: about `reorder_window * (message_bytes + 16)` bytes.
    ///
    /// # Panics
    /// When that is more memory than there is.
    #[must_use]
    pub fn new(config: ChannelConfig) -> Channel {
        Channel {
            session: NUL,
            only: config.only,
            expected: 1,
            seen_end: 1,
            steady: false,
            heard: None,
            stats: ChannelStats::new(config.lines.min(usize::from(REREQUEST))),
            gap: None,
            behind: None,
            store: Store::new(config.reorder_window, config.message_bytes),
            prints: (config.lines > 1 && config.compared > 0).then(|| Fingerprints::new(config.compared)),
            recovery: Recovery::new(&config),
            snapshots: Snapshots::new(config.snapshots),
            silence: config.silence,
            silent: false,
            synced: false,
            intact: true,
            end: None,
            over: false,
            heartbeat_told: None,
            retired: [NUL; RETIRED],
        }
    }

    /// The next message to be delivered.
    #[inline]
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.expected
    }

    /// The session's name, `None` before the first packet.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        (self.session != NUL).then_some(self.session)
    }

    /// Whether every message of the session up to now was delivered and the feed is heard.
    #[inline]
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        self.synced
    }

    /// Whether the session's end was reached.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// When a line last said where the session is now; a copy of what is long past does not. When the clock was first told, before that.
    #[inline]
    #[must_use]
    pub const fn heard(&self) -> Option<Nanos> {
        self.heard
    }

    /// The counters.
    #[must_use]
    pub const fn stats(&self) -> &ChannelStats {
        &self.stats
    }

    /// One MoldUDP64 datagram: [`Channel::on_framed`].
    #[inline]
    pub fn on_datagram<S: Sink>(&mut self, now: Nanos, line: u8, bytes: &[u8], sink: &mut S) {
        self.on_framed::<moldudp64::Packet<'_>, S>(now, line, bytes, sink);
    }

    /// One datagram of a line, or with [`REREQUEST`] of a server (whose address the caller has checked).
    ///
    /// What is next and comes in order goes straight from `bytes` to the sink. No allocation, whatever the bytes.
    #[inline]
    pub fn on_framed<'a, P: Packet<'a>, S: Sink>(
        &mut self,
        now: Nanos,
        line: u8,
        bytes: &'a [u8],
        sink: &mut S,
    ) {
        let at = usize::from(line);
        let Some(counted) = self.stats.lines.get_mut(at) else {
            return self.on_other_line::<P, S>(now, line, bytes, sink);
        };
        counted.packets += 1;
        let packet = match P::parse(bytes) {
            Ok(packet) => packet,
            Err(error) => return self.reject(error),
        };
        if self.steady && packet.session() == self.session && packet.kind() == PacketKind::Data {
            let end = packet.end();
            if packet.sequence() == self.expected {
                let mut seq = packet.sequence();
                for msg in packet.blocks() {
                    if sink.message(seq, msg) == Taken::Undecodable {
                        self.spoil(now, seq, sink);
                    }
                    if let Some(prints) = &mut self.prints {
                        prints.remember(seq, msg);
                    }
                    seq += 1;
                }
                let counted = &mut self.stats.lines[at];
                counted.won += seq - self.expected;
                counted.last_heard = now;
                self.stats.delivered += seq - self.expected;
                self.heard = Some(now);
                self.expected = seq;
                self.seen_end = end;
                if seq != end {
                    self.stats.truncated += 1;
                    self.settle(now, sink);
                }
                return;
            }
            if end <= self.expected && packet.sequence() != 0 {
                counted.duplicates += u64::from(packet.messages());
                counted.last_heard = now;
                // Who only repeats the past says nothing of now.
                if end == self.expected {
                    self.heard = Some(now);
                }
                return self.compare(now, &packet, sink);
            }
        }
        self.on_packet(now, line, &packet, sink);
    }

    /// When [`Channel::on_timeout`] is to be called; at once (0) until it has first been told the time.
    #[inline]
    #[must_use]
    pub fn next_timeout(&self) -> Option<Nanos> {
        let Some(heard) = self.heard else { return Some(Nanos::ZERO) };
        let silence = (!self.silent && !self.over).then(|| heard.after(self.silence));
        let age = self.behind.and_then(|since| self.snapshots.patience(since));
        let all = [silence, self.recovery.deadline(), self.snapshots.deadline(), age];
        all.into_iter().flatten().min()
    }

    /// Time passed. Harmless when nothing is due.
    pub fn on_timeout<S: Sink>(&mut self, now: Nanos, sink: &mut S) {
        let heard = *self.heard.get_or_insert(now);
        if !self.silent && !self.over && heard.after(self.silence) <= now {
            self.silent = true;
            self.synced = false;
            self.steady = false;
            sink.status(FeedStatus::Silent);
        }
        match self.recovery.on_timeout(now, self.expected) {
            Patience::Left => self.judge_size(now),
            Patience::TimedOut => self.stats.request_timeouts += 1,
            Patience::UsedUp => {
                self.stats.request_timeouts += u64::from(self.recovery.has_servers());
                if !self.resort_to_snapshot(now) {
                    self.lose(now, self.hole_end(), sink);
                    self.settle(now, sink);
                }
            }
        }
        self.on_snapshot_timeout(now, sink);
    }

    /// The request to be sent now, if any. A request that cannot be sent is as good as one that is lost.
    #[inline]
    #[must_use]
    pub fn poll_transmit(&mut self, now: Nanos) -> Option<Transmit> {
        self.gap?;
        let transmit = self.recovery.poll(now, self.session, self.expected, self.hole_end())?;
        self.stats.requests += 1;
        Some(transmit)
    }

    #[cold]
    fn reject(&mut self, error: NoPacket) {
        match error {
            NoPacket::Short => self.stats.rejected.short += 1,
            NoPacket::Overflow => self.stats.rejected.overflow += 1,
        }
    }

    /// A packet of a line that is not simply the next one or an old one.
    #[inline(never)]
    fn on_packet<'a, P: Packet<'a>, S: Sink>(&mut self, now: Nanos, line: u8, packet: &P, sink: &mut S) {
        let session = packet.session();
        if packet.kind() == PacketKind::Unsequenced {
            // The line lives. What it says is not of the stream, so the feed is no better known than before.
            if session == self.session {
                self.stats.lines[usize::from(line)].last_heard = now;
            }
            return;
        }
        if packet.sequence() == 0 || session == NUL {
            self.stats.rejected.zeroed += 1;
            return;
        }
        if session != self.session && !self.adopt(now, session, sink) {
            match self.retired.contains(&session) {
                true => self.stats.rejected.old_session += 1,
                false => self.stats.rejected.other_session += 1,
            }
            return;
        }
        if self.over {
            match packet.end() > self.expected {
                true => self.stats.rejected.after_end += 1,
                false => self.stats.lines[usize::from(line)].duplicates += u64::from(packet.messages()),
            }
            return;
        }
        if packet.end() >= self.expected {
            self.heard = Some(now);
            self.silent = false;
        }
        self.stats.lines[usize::from(line)].last_heard = now;
        self.seen_end = self.seen_end.max(packet.end());
        let (won, old) = self.arbitrate(now, packet, sink);
        self.stats.lines[usize::from(line)].won += won;
        self.stats.lines[usize::from(line)].duplicates += old;
        if packet.kind() == PacketKind::EndOfSession {
            self.end = self.end.max(Some(packet.sequence()));
        }
        self.settle(now, sink);
        if packet.kind() == PacketKind::Heartbeat {
            self.tell_heartbeat(now, sink);
        }
    }

    #[cold]
    #[inline(never)]
    fn on_other_line<'a, P: Packet<'a>, S: Sink>(
        &mut self,
        now: Nanos,
        line: u8,
        bytes: &'a [u8],
        sink: &mut S,
    ) {
        if line != REREQUEST {
            self.stats.rejected.line += 1;
            return;
        }
        self.stats.answers.packets += 1;
        let packet = match P::parse(bytes) {
            Ok(packet) => packet,
            Err(error) => return self.reject(error),
        };
        let is_answer = packet.kind() == PacketKind::Data && packet.sequence() != 0;
        // A server's word never starts a session, reveals a gap or ends anything: it only brings messages.
        if !is_answer || packet.session() != self.session || self.session == NUL {
            self.stats.rejected.answer += 1;
            return;
        }
        if self.over {
            self.stats.answers.duplicates += u64::from(packet.messages());
            return;
        }
        self.stats.answers.last_heard = now;
        let (won, old) = self.arbitrate(now, &packet, sink);
        self.stats.answers.won += won;
        self.stats.answers.duplicates += old;
        if won != 0 {
            self.recovery.on_answer(self.expected);
        }
        self.settle(now, sink);
    }

    /// Places each message of a packet; how many were new and how many old.
    fn arbitrate<'a, P: Packet<'a>, S: Sink>(&mut self, now: Nanos, packet: &P, sink: &mut S) -> (u64, u64) {
        let (mut new, mut old) = (0, 0);
        let mut seq = packet.sequence();
        for msg in packet.blocks() {
            match self.place(now, seq, msg, sink) {
                Held::New => new += 1,
                Held::Duplicate => old += 1,
                // Said when it is delivered: a snapshot may come between.
                Held::Disputed => {
                    old += 1;
                    self.stats.disputed += 1;
                }
                Held::NoRoom => self.stats.not_held += 1,
            }
            seq += 1;
        }
        self.stats.truncated += u64::from(seq < packet.end());
        (new, old)
    }

    /// Delivers a message, holds it for later or drops it.
    fn place<S: Sink>(&mut self, now: Nanos, seq: u64, msg: &[u8], sink: &mut S) -> Held {
        self.seen_end = self.seen_end.max(seq + 1);
        // Each round but the last gives up something in front of `seq`, so there are few.
        loop {
            if seq < self.expected {
                self.compare_one(now, seq, msg, sink);
                return Held::Duplicate;
            }
            if self.snapshots.is_holding() {
                self.store.make_room(seq);
                return self.store.hold(seq, msg, now);
            }
            if seq == self.expected {
                let taken = sink.message(seq, msg);
                if let Some(prints) = &mut self.prints {
                    prints.remember(seq, msg);
                }
                self.delivered(now, taken, sink);
                self.drain(now, sink);
                return Held::New;
            }
            let held = self.store.hold(seq, msg, now);
            if held != Held::NoRoom || self.recovery.is_hopeful() {
                return held;
            }
            self.track_gap(now, sink);
            if !self.resort_to_snapshot(now) {
                self.lose(now, self.hole_end().min(seq), sink);
            }
        }
    }

    /// Delivers what is held from `expected` on.
    fn drain<S: Sink>(&mut self, now: Nanos, sink: &mut S) {
        while !self.snapshots.is_holding()
            && let Some((msg, is_disputed)) = self.store.take(self.expected)
        {
            let taken = sink.message(self.expected, msg);
            if let Some(prints) = &mut self.prints {
                prints.remember(self.expected, msg);
            }
            self.delivered(now, taken, sink);
            if is_disputed {
                self.dispute(now, self.expected - 1, sink);
            }
        }
    }

    /// The message at `expected` was delivered.
    fn delivered<S: Sink>(&mut self, now: Nanos, taken: Taken, sink: &mut S) {
        self.stats.delivered += 1;
        self.expected += 1;
        if taken == Taken::Undecodable {
            self.spoil(now, self.expected - 1, sink);
        }
    }

    /// Message `seq` came and cannot be decoded.
    #[cold]
    fn spoil<S: Sink>(&mut self, now: Nanos, seq: u64, sink: &mut S) {
        self.stats.undecodable += 1;
        self.synced = false;
        if std::mem::replace(&mut self.intact, false) {
            sink.status(FeedStatus::Lost { from: seq, to: seq + 1 });
            self.resort_to_snapshot(now);
        }
    }

    /// Where what is missing at `expected` ends: at the first message held, or where nothing more is known of.
    fn hole_end(&self) -> u64 {
        self.store.first().map_or(self.seen_end, |(first, _)| first)
    }

    /// Gives up `[expected, to)` and goes on with what is held.
    #[cold]
    fn lose<S: Sink>(&mut self, now: Nanos, to: u64, sink: &mut S) {
        sink.status(FeedStatus::Lost { from: self.expected, to });
        self.stats.messages_lost = self.stats.messages_lost.saturating_add(to - self.expected);
        self.intact = false;
        if let Some(gap) = &mut self.gap {
            gap.lossy = true;
        }
        self.expected = to;
        self.drain(now, sink);
    }

    /// Closes the gap that delivery has passed and reports the one that it stands at.
    fn track_gap<S: Sink>(&mut self, now: Nanos, sink: &mut S) {
        if let Some(gap) = self.gap
            && gap.to <= self.expected
        {
            match gap.lossy {
                false => self.stats.gaps_filled += 1,
                true => self.stats.gaps_lost += 1,
            }
            self.gap = None;
            self.recovery.end();
        }
        if self.expected >= self.seen_end {
            return;
        }
        let (to, seen) = self.store.first().unwrap_or((self.seen_end, now));
        match &mut self.gap {
            Some(gap) if to <= gap.to => return,
            Some(gap) => gap.to = to,
            none => {
                *none = Some(Gap { to, lossy: false });
                self.behind.get_or_insert(seen);
                self.stats.gaps_opened += 1;
                self.synced = false;
                self.recovery.begin(seen);
            }
        }
        sink.status(FeedStatus::Recovering { from: self.expected, to });
    }

    /// Says what became of the feed after a change.
    fn settle<S: Sink>(&mut self, now: Nanos, sink: &mut S) {
        if !self.snapshots.is_holding() {
            self.track_gap(now, sink);
            self.judge_size(now);
        }
        self.stats.buffered = self.store.held();
        self.stats.buffered_max = self.stats.buffered_max.max(self.stats.buffered);
        self.steady = false;
        let is_behind = self.gap.is_some() || self.snapshots.is_holding() || self.expected > self.seen_end;
        if is_behind || self.over || self.session == NUL {
            return;
        }
        self.behind = None;
        self.snapshots.reached();
        if self.intact && !self.synced && !self.silent {
            self.synced = true;
            sink.status(FeedStatus::Synced { next: self.expected });
        }
        self.over = self.end.is_some_and(|end| end <= self.expected);
        if self.over {
            sink.status(FeedStatus::EndOfSession);
        }
        self.steady = !self.over && !self.silent;
    }

    fn tell_heartbeat<S: Sink>(&mut self, now: Nanos, sink: &mut S) {
        if self.heartbeat_told.is_none_or(|told| told.after(HEARTBEAT_SPACING) <= now) {
            self.heartbeat_told = Some(now);
            sink.status(FeedStatus::Heartbeat);
        }
    }
}
