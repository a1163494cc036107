//! From a channel to the strategy: what it delivered, decoded, captured as it is, and pushed as the ring has room.

use feeds::channel::{Sink, Taken};
use feeds::protocol::{Decode, Refusal, Wanted};
use model::{Canary, FeedStatus, MarketEvent, Nanos};
use ringbuf::counters::Counters;
use ringbuf::log::Writer;
use ringbuf::spsc::Producer;

use super::FeedItem;
use crate::journal::Batch as CaptureBatch;
use crate::telemetry::counters::feed as counter;

/// Messages in a packet item at most; a long recovery comes as several.
const PACKET_MESSAGES: u32 = 256;
/// Bytes from which on a capture batch is full; what fills it may reach beyond.
const PACKET_BYTES: usize = 32 * 1024;

/// A feed's way out.
pub(super) struct Outlet<P> {
    pub(super) batch: Batch<P>,
    capture: Option<Writer>,
    capture_low: bool,
    out: Producer<FeedItem>,
    pushed: usize,
    last_push: Nanos,
}

impl<P: Decode> Outlet<P> {
    /// For so many messages in one call of the channel.
    pub(super) fn new(
        wanted: Wanted<'_>,
        messages: usize,
        capture: Option<Writer>,
        out: Producer<FeedItem>,
    ) -> Outlet<P> {
        Outlet {
            batch: Batch::new(wanted, messages, capture.is_some()),
            capture,
            capture_low: false,
            out,
            pushed: 0,
            last_push: Nanos::ZERO,
        }
    }

    /// When something was last pushed.
    pub(super) fn last_push(&self) -> Nanos {
        self.last_push
    }

    /// Whether nothing waits.
    pub(super) fn is_clear(&self) -> bool {
        self.batch.items.is_empty()
    }

    /// Captures the batch, then pushes it; what does not fit waits, and no socket is read meanwhile.
    pub(super) fn pass_on(&mut self, now: Nanos, counters: &mut Counters) -> usize {
        if let Some(log) = &mut self.capture {
            for c in self.batch.captures.drain(..) {
                let framed = &self.batch.bytes[c.start..c.end];
                let Capture { received, is_snapshot, first, count, .. } = c;
                let batch = CaptureBatch { received, is_snapshot, first, count, framed };
                if batch.append(log).is_err() {
                    counters.add(counter::capture_refused, 1);
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
            counters.add(counter::ring_full, 1);
        }
        n
    }

    /// The capture is whole.
    pub(super) fn finish(&mut self) {
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

/// What one call of a channel delivered. All room is taken at the start, for so many messages: an event a message, and perhaps once the most events that one
/// message may give.
pub(super) struct Batch<P> {
    pub(super) decoder: P,
    pub(super) items: Vec<FeedItem>,
    captures: Vec<Capture>,
    bytes: Vec<u8>,
    capturing: bool,
    received: Nanos,
    /// The packet being built.
    open: Option<Open>,
    /// Messages of the snapshot that runs.
    in_snapshot: u64,
    pub(super) events: u64,
    pub(super) malformed: u64,
    pub(super) unknown_types: u64,
}

impl<P: Decode> Batch<P> {
    fn new(wanted: Wanted<'_>, messages: usize, capturing: bool) -> Batch<P> {
        let packets = messages / PACKET_MESSAGES as usize + messages / 64 + 16;
        let decoder = P::new(wanted);
        Batch {
            items: Vec::with_capacity(messages + packets + decoder.events_max()),
            decoder,
            captures: Vec::with_capacity(packets),
            bytes: Vec::with_capacity(if capturing { messages * 66 } else { 0 }),
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

    pub(super) fn begin(&mut self, received: Nanos) {
        self.received = received;
    }

    pub(super) fn close(&mut self) {
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
    pub(super) fn stamp(&mut self, now: Nanos) {
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
        if Canary::MissesMessage.sings() && seq % 1_000 == 999 {
            return Taken::Whole;
        }
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
