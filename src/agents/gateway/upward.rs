//! The way from a gateway to the strategy: a ring, and a place for what finds no room in it.
//!
//! Invariants: nothing overtakes, and nothing is allocated. While something waits here the socket is not read and no connection is begun, so that besides what one
//! packet brings only receipts can come: as many as there are orders in the ring and in transmit when the strategy stops taking, for it then sends no more.
//! That is what the place is sized for. One that is slow and not stopped could in theory bring more; those receipts are dropped and counted,
//! for to hold orders back for them could stop both sides for ever, and they move nothing.
//!
//! A strategy that is gone (its end of the ring is dropped) reads nothing any more: what would go up is let go, and the venue's stream has it.

use gateways::gateway::{Notice, ReportSink, SINK_BURST};
use model::{ExecutionReport, Nanos, SessionEvent, Token};
use ringbuf::spsc::Producer;

use super::BATCH;
use crate::agents::GatewayItem;

/// Room beside the receipts: what a packet brings, and what a connection's end says.
const SESSION_ITEMS: usize = 4 * SINK_BURST + BATCH;

/// See the module.
pub(super) struct Upward {
    out: Producer<GatewayItem>,
    /// Items that found no room; nothing else goes up before them.
    waiting: Vec<GatewayItem>,
    receipts_max: usize,
    pub(super) received: Nanos,
    pub(super) epoch: u32,
    pub(super) reports: u64,
    /// When the last report came.
    pub(super) last_report: Nanos,
    pub(super) undecodable: u64,
    pub(super) login_rejects: u64,
    pub(super) last_sequence: u64,
    pub(super) ready: bool,
    /// The code of a login that was refused, until it is looked at.
    pub(super) refusal: Option<u8>,
    /// The last Mass Cancel that the venue has answered.
    pub(super) mass_canceled: Option<Token>,
    /// Mass cancels that the venue has taken.
    pub(super) mass_cancels_taken: u64,
    /// The venue's last word is that it takes no orders of the firm.
    pub(super) entry_off: bool,
    pub(super) spilled: u64,
    pub(super) receipts_lost: u64,
}

impl Upward {
    /// `orders`: how many the ring from the strategy holds.
    pub(super) fn new(out: Producer<GatewayItem>, orders: usize) -> Upward {
        let receipts_max = orders + BATCH;
        Upward {
            out,
            waiting: Vec::with_capacity(receipts_max + SESSION_ITEMS),
            receipts_max,
            received: Nanos::ZERO,
            epoch: 0,
            reports: 0,
            last_report: Nanos::ZERO,
            undecodable: 0,
            login_rejects: 0,
            last_sequence: 0,
            ready: false,
            refusal: None,
            mass_canceled: None,
            mass_cancels_taken: 0,
            entry_off: false,
            spilled: 0,
            receipts_lost: 0,
        }
    }

    fn push(&mut self, item: GatewayItem) {
        if self.waiting.is_empty() && self.out.push(item).is_ok() {
            return;
        }
        if self.out.is_abandoned() {
            return;
        }
        self.spilled += 1;
        self.waiting.push(item);
    }

    /// As any item, but the first to give way.
    pub(super) fn push_receipt(&mut self, item: GatewayItem) {
        if self.waiting.len() >= self.receipts_max {
            self.receipts_lost += 1;
        } else {
            self.push(item);
        }
    }

    /// A request that the kill switch held back; the engine must hear of it.
    pub(super) fn push_never_sent(&mut self, received: Nanos, token: Token) {
        self.push(GatewayItem::NeverSent { received, token });
    }

    /// Passes on what waits; whether nothing does any more.
    pub(super) fn flush(&mut self) -> bool {
        let n = self.waiting.len().min(self.out.free());
        if n > 0 && self.out.push_all(&self.waiting[..n]).is_ok() {
            self.waiting.drain(..n);
        }
        if !self.waiting.is_empty() && self.out.is_abandoned() {
            self.waiting.clear();
        }
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.waiting.len(), self.waiting.capacity())
    }
}

impl ReportSink for Upward {
    fn report(&mut self, report: ExecutionReport) {
        self.reports += 1;
        self.last_report = self.received;
        self.last_sequence = report.seq;
        self.push(GatewayItem::Report { received: self.received, report });
    }

    fn session(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Disconnected => self.epoch = self.epoch.wrapping_add(1),
            SessionEvent::LoginRejected { code } => {
                self.login_rejects += 1;
                self.refusal = Some(code);
            }
            _ => {}
        }
        self.ready = matches!(event, SessionEvent::Ready { .. });
        self.push(GatewayItem::Session { received: self.received, event });
    }

    fn notice(&mut self, notice: Notice) {
        let received = self.received;
        match notice {
            Notice::Session { continued, asked, next, .. } => {
                if !continued {
                    self.push(GatewayItem::Session { received, event: SessionEvent::NewSession });
                }
                // Above: messages are missing, and be it those of a session that we have not been in. Below: the venue's stream is shorter than what it
                // told us of it, so some of that is no more.
                if next != asked {
                    self.push(GatewayItem::Doubt { received });
                }
            }
            Notice::Undecodable { .. } => {
                self.undecodable += 1;
                self.push(GatewayItem::Doubt { received });
            }
            Notice::Lost { .. } => self.push(GatewayItem::Doubt { received }),
            Notice::MassCanceled { token, .. } => {
                self.mass_cancels_taken += 1;
                self.mass_canceled = Some(token);
                self.last_report = received;
            }
            Notice::EntryDisabled { .. } => self.entry_off = true,
            Notice::EntryEnabled { .. } => self.entry_off = false,
            Notice::Foreign { .. } => {}
        }
    }

    fn has_room(&self) -> bool {
        // A notice of a session is up to two items; and receipts should seldom have to wait.
        (self.waiting.is_empty() && self.out.free() > SINK_BURST + 1 + BATCH) || self.out.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbuf::spsc;

    fn notice(continued: bool, asked: u64, next: u64) -> Vec<GatewayItem> {
        let (out, mut items) = spsc::channel(256);
        let mut up = Upward::new(out, 256);
        up.notice(Notice::Session { continued, asked, next });
        std::iter::from_fn(|| items.pop()).collect()
    }

    #[test]
    fn a_hole_at_the_start_of_a_session_is_a_doubt() {
        let new = |i: &GatewayItem| matches!(i, GatewayItem::Session { event: SessionEvent::NewSession, .. });
        let doubt = |i: &GatewayItem| matches!(i, GatewayItem::Doubt { .. });
        // From its start, as asked for.
        assert!(matches!(&notice(false, 1, 1)[..], [a] if new(a)));
        // The fills and orders of messages 1 to 499 will never be seen.
        assert!(matches!(&notice(false, 1, 500)[..], [a, b] if new(a) && doubt(b)));
        assert!(notice(true, 7, 7).is_empty());
        assert!(matches!(&notice(true, 7, 9)[..], [a] if doubt(a)));
        assert!(matches!(&notice(true, 7, 5)[..], [a] if doubt(a)));
    }

    #[test]
    fn what_waits_is_bounded_counted_and_in_order() {
        let (out, mut items) = spsc::channel(4);
        let mut up = Upward::new(out, 8);
        let (_, room) = up.waiting();
        let doubt = |n| GatewayItem::Doubt { received: Nanos(n) };
        for n in 0..1_000 {
            up.push_receipt(doubt(n));
        }
        let (waiting, capacity) = up.waiting();
        assert_eq!((waiting, capacity), (8 + BATCH, room), "nothing was allocated");
        assert_eq!(up.spilled, waiting as u64);
        assert_eq!(up.receipts_lost, 1_000 - 4 - waiting as u64);
        up.session(SessionEvent::Disconnected);
        assert_eq!(up.waiting(), (waiting + 1, room), "what is no receipt has its own room");
        let mut seen = Vec::new();
        while !up.flush() {
            seen.extend(std::iter::from_fn(|| items.pop()));
        }
        seen.extend(std::iter::from_fn(|| items.pop()));
        let (last, receipts) = seen.split_last().unwrap();
        assert!(matches!(last, GatewayItem::Session { event: SessionEvent::Disconnected, .. }));
        let in_order = |(n, i): (usize, &GatewayItem)| matches!(i, GatewayItem::Doubt { received } if received.0 == n as u64);
        assert!(receipts.iter().enumerate().all(in_order), "{receipts:?}");
    }

    #[test]
    fn nobody_waits_for_a_strategy_that_is_gone() {
        let (out, items) = spsc::channel(4);
        let mut up = Upward::new(out, 8);
        for _ in 0..20 {
            up.session(SessionEvent::LoggedIn);
        }
        assert!(!up.flush() && !up.has_room());
        drop(items);
        up.session(SessionEvent::LoggedIn);
        assert!(up.flush() && up.has_room());
    }
}
