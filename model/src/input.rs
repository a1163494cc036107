//! Everything that can move the engine, as one type: the engine's commands and its `state_hash` are a function of the
//! configuration and the ordered list of `(now, Input)`.

use crate::{
    BreakerCause, BreakerLevel, Drift, ExecutionReport, FeedId, GatewayId, InstrumentId, MarketEvent,
    PortRequest, Setting, Token, Usd,
};

/// One input of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A market event of a feed, in the feed's sequence.
    Market(FeedId, MarketEvent),
    /// What became of a feed.
    Feed(FeedId, FeedStatus),
    /// A venue's report.
    Report(ExecutionReport),
    /// What became of an order entry session.
    Session(GatewayId, SessionEvent),
    /// An operator's or the cold side's word.
    Control(Control),
    /// Time passed; nothing else happened.
    Timer,
}

const _: () = assert!(size_of::<Input>() <= 72);

/// What became of a feed. Sequence numbers are MoldUDP64's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStatus {
    /// Every message up to `next - 1` was delivered: books are what the venue says.
    Synced {
        /// The next message expected.
        next: u64,
    },
    /// `[from, to)` is missing and asked for.
    Recovering {
        /// First missing.
        from: u64,
        /// First not missing.
        to: u64,
    },
    /// `[from, to)` will not come, or cannot be decoded; delivery goes on after it.
    Lost {
        /// First lost.
        from: u64,
        /// First not lost.
        to: u64,
    },
    /// Two lines brought different messages under this number, of which the first was delivered: which is the venue's cannot be told.
    Disputed {
        /// The number.
        sequence: u64,
    },
    /// A person does not believe the books of the feed. They are made anew.
    Doubted,
    /// Nothing was heard on any line for longer than the configured silence.
    Silent,
    /// Still there, nothing to say (at most one a second reaches the engine).
    Heartbeat,
    /// The venue started a new session: all that was known is void.
    NewSession,
    /// A snapshot begins: what the books of the feed hold is void, and the events that follow build them anew.
    SnapshotBegin,
    /// The snapshot is whole; delivery goes on with `next`. Without it what came since [`FeedStatus::SnapshotBegin`] is worth nothing.
    SnapshotEnd {
        /// The next message of the stream.
        next: u64,
    },
    /// The session is over.
    EndOfSession,
}

/// What became of an order entry session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// Logged in; missed reports are being replayed.
    LoggedIn,
    /// The replay has ended, and the venue expects `next_token` or later: orders may be sent.
    Ready {
        /// The lowest token that the venue has not processed (OUCH 5.0 account query); 0 where the venue cannot tell.
        next_token: Token,
        /// Whether it is certain that every report up to the login was seen. If not, the line being quiet was all there was to go by, and a request that
        /// is unanswered at or above `next_token` may yet be answered.
        proven: bool,
    },
    /// The connection is gone: what is open is unknown until reported.
    Disconnected,
    /// The venue refused the login.
    LoginRejected {
        /// `A` not authorised, `S` session not available.
        code: u8,
    },
    /// The venue's session is over.
    EndOfSession,
    /// The login that follows joins a session other than the last one: its reports are numbered from 1 again, and none will tell what became of orders
    /// that were open in the last one.
    NewSession,
    /// A part of this session's stream is missing or not understood: what it said of the orders that are open now will not be said again.
    Doubt,
}

/// Why trading was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum HaltReason {
    /// A person asked.
    Operator = 1,
    /// The process was told to end.
    Shutdown = 2,
    /// The journal cannot take records for much longer.
    Journal = 3,
    /// A loss limit.
    Loss = 4,
    /// A report that cannot be true: unknown token, fill beyond the order.
    Reconciliation = 5,
    /// An arithmetic limit was reached.
    Overflow = 6,
    /// A venue refuses too much of what it is sent.
    RejectRate = 7,
    /// Too much was lost since the day's best.
    Drawdown = 8,
    /// A circuit breaker: its cause is told beside.
    Breaker = 9,
    /// The kill switch.
    Killed = 32,
}

/// The control plane's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// No new risk from now on, until [`Control::Resume`].
    Halt(HaltReason),
    /// Trade again. Refused while an order's fate cannot be learnt any more.
    Resume,
    /// A person has asked the venue about an order whose fate is not known: it is gone. Refused for any other order.
    WriteOff {
        /// One of the order's tokens.
        token: Token,
    },
    /// Ask something of a port as a whole. Refused while its session is not ready. [`PortRequest::EntryOff`] halts trading beside it.
    Port {
        /// Which.
        gateway: GatewayId,
        /// What.
        request: PortRequest,
    },
    /// Cancel every open order once.
    CancelAll,
    /// Restrain trading to a level where it is not restrained more already: a person's word, or that of whoever sees what the engine does not (its own latency, the
    /// clock, the disk). [`Control::Resume`] takes it back.
    Trip {
        /// The level.
        level: BreakerLevel,
        /// Why.
        cause: BreakerCause,
    },
    /// What the strategy does has left what was expected of it, or is back: an alarm, and nothing else. [`Control::Trip`] beside it where that is to restrain trading.
    Drift(Drift),
    /// The best P&L of the same day before a restart: a drawdown is counted from it, from when every venue has told what was traded.
    Best {
        /// Realised and marked, after fees.
        pnl: Usd,
    },
    /// A person takes the strategy off trading while it goes on observing, or lets it in again.
    Clutch {
        /// Whether it may trade.
        engaged: bool,
    },
    /// An instrument, or where none is named every one, is on the restricted list or not any more.
    Restrict {
        /// Which.
        instrument: Option<InstrumentId>,
        /// The list of what may not be sold short, not that of what may not be traded.
        shorts: bool,
        /// Whether it is.
        on: bool,
    },
    /// One value of a change of parameters and limits. It does nothing before [`Control::Enact`].
    Stage(Setting),
    /// Puts what was staged since the last of these in force: all of it, or where any of it cannot be (a limit that is no tighter, a parameter that the strategy refuses) none. What is
    /// staged is gone either way.
    Enact {
        /// The change's number; higher than that of the last one in force.
        change: u32,
        /// Settings that it has; where others were staged it is refused.
        count: u8,
    },
    /// Halt, cancel everything, and end when the venue has confirmed.
    Shutdown,
    /// Tokens `[first, end)` may be used; they are durable, so no restart uses them again.
    Tokens {
        /// The first.
        first: Token,
        /// The first not granted.
        end: Token,
    },
    /// The kill switch (RTS 6 art. 12): no new risk, and everything within its scope canceled, until [`Control::Unkill`] of the same scope. Said again it cancels again.
    Kill {
        /// One instrument; all, and the ports with it, without.
        instrument: Option<InstrumentId>,
    },
    /// Takes a kill of this scope back. What was killed as a whole stays halted until [`Control::Resume`].
    Unkill {
        /// One instrument; all without.
        instrument: Option<InstrumentId>,
    },
    /// A new order or replace never left its gateway: the kill switch held it back there.
    NeverSent {
        /// The request's token.
        token: Token,
    },
}
