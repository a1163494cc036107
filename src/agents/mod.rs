//! The agents of a core: what each thread does, without the thread.
//!
//! ```text
//!              FeedItem ring            OrderItem ring
//!   FeedAgent ==============> StrategyAgent ===========> GatewayAgent
//!                                  ^                          |
//!                                  +====== GatewayItem ring ==+
//!   ControlAgent -- Control ring --^          Ending: beside all rings, how the core ends, and the kill switch
//!        |
//!   ColdAgent: logs, tokens
//! ```
//!
//! What a full ring does; each refusal is counted.
//!
//! | ring | policy |
//! |---|---|
//! | feed to strategy | nothing is dropped: the feed leaves datagrams in its sockets (`feed.ring_full`) |
//! | gateway to strategy | no report is dropped: the gateway leaves reports in its socket (`gateway.ring_full`). Receipts, whose orders have left, wait in a bounded place (`gateway.spilled`); beyond that they are let go (`gateway.receipts_lost`) |
//! | strategy to gateway | nothing is dropped: no input is taken while a gateway's ring could not hold what it may cause (`engine.order_ring_full`); the last room is for control inputs |
//! | control to strategy | a command is refused, and the client told so; tokens wait (`control.ring_full`). An end needs no ring ([`Ending`]) |

mod batch;
mod cold;
mod control;
mod depth;
mod ending;
mod expected;
mod feed;
mod gateway;
mod inline;
mod kill;
mod lines;
pub(crate) mod lists;
mod retry;
#[cfg(test)]
mod rig;
mod sentinel;
pub(crate) mod snapshot;
mod strategy;
mod venue;
mod ways;
mod wires;
mod words;

pub use cold::{ColdAgent, ColdParts};
pub use control::{ControlAgent, ControlParts};
pub use ending::{Ending, Farewell};
pub use feed::{FeedOf, FeedParts};
pub use gateway::paper::{PaperAgent, PaperParts, PaperPort, PaperTap};
pub(crate) use gateway::rest::RestReader;
pub use gateway::{GatewayOf, GatewayParts, SWEEP_TOKENS};
pub use inline::{Inline, Remains};
pub use kill::KillSwitch;
pub use lines::LineWatch;
pub use lists::Watched as WatchedList;
pub use sentinel::{Gauge, OutsideRule};
pub(crate) use strategy::time::BEHIND;
pub use strategy::{FeedPort, GatewayPort, StrategyAgent, StrategyParts};
pub use venue::{FeedAgent, GatewayAgent, OpenError};
pub use ways::{Connect, FeedLine, RequestServer, Sockets, Ways};
pub use words::{WORDS, Word};

use engine::Approved;
use model::{Control, ExecutionReport, FeedStatus, GatewayId, MarketEvent, Nanos, SessionEvent, Token};

use crate::journal::{By, Receipt};

/// From the control plane to the strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlItem {
    /// The input; none where what was asked is not the engine's.
    pub control: Option<Control>,
    /// Who asked, for the journal; nobody where no person did.
    pub by: Option<By>,
}

impl From<Control> for ControlItem {
    fn from(control: Control) -> ControlItem {
        ControlItem { control: Some(control), by: None }
    }
}

/// From a feed to the strategy: a packet's head is followed by its events.
#[derive(Clone, Copy, Debug)]
pub enum FeedItem {
    /// Messages `[first, first + count)` came, of which `events` follow.
    Packet {
        /// When the packet was received.
        received: Nanos,
        /// Whether they are of a snapshot, and counted in it.
        is_snapshot: bool,
        /// Its first message.
        first: u64,
        /// Its messages.
        count: u32,
        /// How many items after this belong to it.
        events: u32,
        /// When it was pushed, on packets that are timed; otherwise 0.
        pushed: Nanos,
    },
    /// One event of the packet before.
    Event(MarketEvent),
    /// What became of the feed.
    Status {
        /// When.
        received: Nanos,
        /// What.
        status: FeedStatus,
    },
    /// The capture beside the journal takes little more: what the engine sees after that could not be replayed. Said once.
    CaptureLow {
        /// When.
        received: Nanos,
    },
}

const _: () = assert!(size_of::<FeedItem>() <= 64, "one cache line");

impl FeedItem {
    /// The event that it is, if it is one.
    fn event(&self) -> Option<&MarketEvent> {
        match self {
            FeedItem::Event(event) => Some(event),
            FeedItem::Packet { .. } | FeedItem::Status { .. } | FeedItem::CaptureLow { .. } => None,
        }
    }
}

/// From the strategy to a gateway.
#[derive(Clone, Copy, Debug)]
pub struct OrderItem {
    /// What may be sent.
    pub approved: Approved,
    /// How many disconnects of this gateway the engine had seen: an order approved for a session that is gone is never sent on the next one.
    pub epoch: u32,
    /// When the input was received that caused it.
    pub received: Nanos,
    /// ns after that: the strategy thread had it decoded.
    pub decoded_ns: u32,
    /// ns after that: strategy and risk had decided.
    pub decided_ns: u32,
}

impl OrderItem {
    /// What is said of it once `gateway` has handed it to the socket, at `sent`. A replace counts under its new token.
    fn receipt(&self, gateway: GatewayId, sent: Nanos) -> Receipt {
        let decoded = self.received.after(Nanos(self.decoded_ns.into()));
        Receipt {
            token: self.approved.command().token(),
            gateway,
            received: self.received,
            decoded,
            decided: decoded.after(Nanos(self.decided_ns.into())),
            sent,
        }
    }
}

const _: () = assert!(size_of::<OrderItem>() <= 64, "one cache line");

/// From a gateway to the strategy.
#[derive(Clone, Copy, Debug)]
pub enum GatewayItem {
    /// A venue's report.
    Report {
        /// When it was received.
        received: Nanos,
        /// The report.
        report: ExecutionReport,
    },
    /// What became of the session.
    Session {
        /// When.
        received: Nanos,
        /// What.
        event: SessionEvent,
    },
    /// Messages of the venue are missing or not understood: what is believed may be wrong.
    Doubt {
        /// When.
        received: Nanos,
    },
    /// An order left.
    Sent(Receipt),
    /// A new order or replace was held back by the kill switch, and never leaves.
    NeverSent {
        /// When.
        received: Nanos,
        /// Its token.
        token: Token,
    },
}

const _: () = assert!(size_of::<GatewayItem>() <= 80);
