//! Where a gateway puts what it learns.

use model::{ExecutionReport, Nanos, SessionEvent, Symbol, Token};

use crate::codec::DecodeError;

/// At most so many calls follow a [`ReportSink::has_room`] that returned true.
pub const SINK_BURST: usize = 3;

/// Takes reports in the venue's order.
///
/// Contract: a packet is consumed only after `has_room` returned true, and then makes at most [`SINK_BURST`] calls. Only
/// [`super::OrderGateway::on_disconnected`] makes its one call (`session`) without asking. While `has_room` is false the rest stays in the
/// receive buffer, and in the end with the peer: nothing is dropped.
pub trait ReportSink {
    /// A report.
    fn report(&mut self, report: ExecutionReport);
    /// The session changed.
    fn session(&mut self, event: SessionEvent);
    /// What is neither, but must not be lost: see [`Notice`].
    fn notice(&mut self, notice: Notice);
    /// Whether [`SINK_BURST`] more calls can be taken.
    fn has_room(&self) -> bool;
}

/// What a gateway learns that is no report and no change of state. Some of these mean that what is believed of orders may be wrong; they
/// are marked **reconcile**.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Comes right before [`SessionEvent::LoggedIn`].
    Session {
        /// Whether it is the one joined before: then the numbers go on, otherwise they start anew and say nothing about earlier ones.
        continued: bool,
        /// The first message asked for.
        asked: u64,
        /// The first message that will come. If `continued` and above `asked`, the messages between are lost: **reconcile**. Below
        /// `asked`, some come again under their old numbers.
        next: u64,
    },
    /// **Reconcile**: message `seq` is not understood; it may have been a fill.
    Undecodable {
        /// Its number.
        seq: u64,
        /// Why.
        error: DecodeError,
    },
    /// **Reconcile**: what the venue said in these messages will not be said again, or what it says now shows that something was missed.
    Lost {
        /// The first; 0 for messages of an earlier session, whose numbers nobody knows.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Message `seq` is about an order that this gateway cannot have sent (OUCH 5.0: of another UserRefIdx; OUCH 4.2: of another's token): someone
    /// else trades on the account. **Reconcile** if that is not meant to be.
    Foreign {
        /// Its number.
        seq: u64,
    },
    /// A mass cancel was taken; each order's own Canceled is still to come.
    MassCanceled {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The request.
        token: Token,
        /// Of which symbol, blank for all.
        symbol: Symbol,
    },
    /// The firm's order entry is now disabled.
    EntryDisabled {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The request.
        token: Token,
    },
    /// The firm's order entry is now enabled.
    EntryEnabled {
        /// ns since the venue's midnight.
        ts_event: Nanos,
        /// The request.
        token: Token,
    },
}
