//! What passes between the agents of a core, from ring to ring: watched, held back where a thread stands still, and where a canary is planted, changed.
//!
//! ```text
//!   feed ==> [seam] ==> strategy ==> [seam] ==> gateway
//!                          ^                       |
//!                          +======= [seam] ========+
//! ```

use model::{
    CommandKind, FeedStatus, MarketBody, MarketEvent, Px, Qty, ReportKind, SessionEvent, Side, TradingState,
};
use ringbuf::spsc::{Consumer, Producer};

use super::canary::Canary;
use crate::agents::{FeedItem, GatewayItem, OrderItem};

/// Items of one kind that a canary lets pass before it strikes: the first ones are of a market that nobody trades on yet.
const STRIKES_AFTER: u32 = 300;

/// From the feed to the strategy, one packet at a time, so that it is known which packet a decision came of.
pub(super) struct FeedSeam {
    pub(super) from: Consumer<FeedItem>,
    pub(super) to: Producer<FeedItem>,
    /// Events of the open packet that are still to pass, and where it ends.
    left: u32,
    end: Option<u64>,
    /// The next message that the strategy has not heard of; `None` before it is told.
    pub(super) next: Option<u64>,
    pub(super) canary: Option<Canary>,
    passed: u32,
}

impl FeedSeam {
    pub(super) fn new(from: Consumer<FeedItem>, to: Producer<FeedItem>, canary: Option<Canary>) -> FeedSeam {
        FeedSeam { from, to, left: 0, end: None, next: None, canary, passed: 0 }
    }

    /// Whether no packet is open.
    pub(super) fn is_between(&self) -> bool {
        self.left == 0
    }

    /// Passes on what there is, to the end of a packet or status at most; how many items.
    pub(super) fn pass(&mut self) -> usize {
        let mut work = 0;
        while self.to.free() > 1 {
            let Some(item) = self.from.pop() else { break };
            work += 1;
            match item {
                FeedItem::Packet { is_snapshot, first, count, events, .. } => {
                    self.left = events;
                    self.end = (!is_snapshot).then_some(first + u64::from(count));
                }
                FeedItem::Event(_) => self.left = self.left.saturating_sub(1),
                FeedItem::Status { status, .. } => self.hear(status),
                FeedItem::CaptureLow { .. } => {}
            }
            self.forward(item);
            if self.left == 0 {
                self.next = self.end.take().or(self.next);
                break;
            }
        }
        work
    }

    fn hear(&mut self, status: FeedStatus) {
        match status {
            FeedStatus::Synced { next } | FeedStatus::SnapshotEnd { next } => self.next = Some(next),
            FeedStatus::Lost { to, .. } => self.next = Some(to),
            FeedStatus::NewSession => self.next = Some(1),
            _ => {}
        }
    }

    fn forward(&mut self, mut item: FeedItem) {
        if let (Some(canary), FeedItem::Event(event)) = (self.canary, &mut item) {
            self.plant(canary, event);
        }
        let _ = self.to.push(item);
    }

    /// What a canary makes of an event; one of some hundred.
    fn plant(&mut self, canary: Canary, event: &mut MarketEvent) {
        let strikes = match canary {
            Canary::MissesHalt => {
                if let MarketBody::TradingAction { state, .. } = &mut event.body {
                    *state = TradingState::Trading;
                }
                return;
            }
            Canary::AppliesTwice => {
                matches!(event.body, MarketBody::Reduce { .. } | MarketBody::Execute { .. })
            }
            Canary::MissesMessage => event.body.touches_book(),
            _ => false,
        };
        self.passed += u32::from(strikes);
        if !strikes || !self.passed.is_multiple_of(STRIKES_AFTER) {
            return;
        }
        event.body = match event.body {
            MarketBody::Reduce { order, qty } if canary == Canary::AppliesTwice => {
                MarketBody::Reduce { order, qty: Qty(qty.0 * 2) }
            }
            MarketBody::Execute { order, qty, match_number } if canary == Canary::AppliesTwice => {
                MarketBody::Execute { order, qty: Qty(qty.0 * 2), match_number }
            }
            // In its place one that no book hangs on.
            _ => MarketBody::Trade { px: Px(1), qty: Qty(1), match_number: 0, side: Side::Buy },
        };
    }
}

/// From the strategy to the gateway.
pub(super) struct OrderSeam {
    pub(super) from: Consumer<OrderItem>,
    pub(super) to: Producer<OrderItem>,
    canary: Option<Canary>,
    passed: u32,
}

impl OrderSeam {
    pub(super) fn new(
        from: Consumer<OrderItem>,
        to: Producer<OrderItem>,
        canary: Option<Canary>,
    ) -> OrderSeam {
        OrderSeam { from, to, canary, passed: 0 }
    }

    /// The next item, which has not passed yet.
    pub(super) fn next(&mut self) -> Option<OrderItem> {
        let item = if self.to.free() == 0 { None } else { self.from.pop() }?;
        if self.canary == Some(Canary::HoldsCancel)
            && let CommandKind::Cancel { qty: Qty::ZERO, .. } = item.approved.command().kind
        {
            self.passed += 1;
            if self.passed == 10 {
                return self.next();
            }
        }
        Some(item)
    }

    /// Passes it on.
    pub(super) fn pass(&mut self, item: OrderItem) {
        let _ = self.to.push(item);
    }
}

/// From the gateway to the strategy.
pub(super) struct ReportSeam {
    pub(super) from: Consumer<GatewayItem>,
    pub(super) to: Producer<GatewayItem>,
    /// Ends of connections that have passed.
    pub(super) epoch: u32,
    /// Fills that have passed and that nobody has looked at: of a session that was ready, and of one that had been.
    pub(super) fills: [u64; 2],
    is_ready: bool,
    was_ready: bool,
    pub(super) canary: Option<Canary>,
    passed: u32,
}

impl ReportSeam {
    pub(super) fn new(
        from: Consumer<GatewayItem>,
        to: Producer<GatewayItem>,
        canary: Option<Canary>,
    ) -> ReportSeam {
        ReportSeam { from, to, epoch: 0, fills: [0, 0], is_ready: false, was_ready: false, canary, passed: 0 }
    }

    /// Passes on what there is room for; how many items.
    pub(super) fn pass(&mut self) -> usize {
        let mut work = 0;
        while self.to.free() > 1 {
            let Some(item) = self.from.pop() else { break };
            work += 1;
            match item {
                GatewayItem::Session { event: SessionEvent::Disconnected, .. } => {
                    self.epoch += 1;
                    self.is_ready = false;
                }
                GatewayItem::Session { event: SessionEvent::Ready { .. }, .. } => {
                    (self.is_ready, self.was_ready) = (true, true);
                }
                GatewayItem::Report { report, .. }
                    if matches!(report.kind, ReportKind::Executed { .. }) && self.was_ready =>
                {
                    self.fills[usize::from(!self.is_ready)] += 1;
                }
                _ => {}
            }
            match self.canary {
                None => {
                    let _ = self.to.push(item);
                }
                Some(canary) => self.plant(canary, item),
            }
        }
        work
    }

    fn plant(&mut self, canary: Canary, mut item: GatewayItem) {
        match (canary, &mut item) {
            (Canary::IgnoresFill, GatewayItem::Report { report, .. }) => {
                let is_fill = matches!(report.kind, ReportKind::Executed { .. });
                self.passed += u32::from(is_fill);
                if is_fill && self.passed.is_multiple_of(5) {
                    return;
                }
            }
            (Canary::IgnoresBust, GatewayItem::Report { report, .. }) => {
                if matches!(report.kind, ReportKind::Broken { .. }) {
                    return;
                }
            }
            (Canary::ForgetsOrder, GatewayItem::Report { report, .. }) => {
                if let ReportKind::Accepted { dead, .. } = &mut report.kind {
                    self.passed += 1;
                    *dead |= self.passed.is_multiple_of(10);
                }
            }
            _ => {}
        }
        let _ = self.to.push(item);
    }
}
