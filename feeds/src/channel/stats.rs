//! What a channel counts.

use model::Nanos;

/// One line, or the re-request servers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineStats {
    /// Datagrams, rejected ones included.
    pub packets: u64,
    /// Messages that came here first.
    pub won: u64,
    /// Messages that had come before.
    pub duplicates: u64,
    /// When the last packet of the session came; 0 for never.
    pub last_heard: Nanos,
}

/// Datagrams that were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Shorter than a header.
    pub short: u64,
    /// A sequence that runs past 2^64 - 1.
    pub overflow: u64,
    /// A session of NULs or sequence 0: a wiped header.
    pub zeroed: u64,
    /// A session that was already left.
    pub old_session: u64,
    /// A session that is not followed while the one that is goes on.
    pub other_session: u64,
    /// A server's answer of another session, or without messages.
    pub answer: u64,
    /// From a line that the configuration does not have.
    pub line: u64,
    /// New messages after the end of the session.
    pub after_end: u64,
}

impl Rejected {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.short
            + self.overflow
            + self.zeroed
            + self.old_session
            + self.other_session
            + self.answer
            + self.line
            + self.after_end
    }
}

/// What happened on a channel since it was made. `gaps_opened` is `gaps_filled + gaps_lost + gaps_bridged`, and one more while a gap is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelStats {
    /// The lines.
    pub lines: Box<[LineStats]>,
    /// The re-request servers.
    pub answers: LineStats,
    /// Messages delivered in order.
    pub delivered: u64,
    /// Gaps seen.
    pub gaps_opened: u64,
    /// Gaps of which every message came.
    pub gaps_filled: u64,
    /// Gaps of which some message did not come.
    pub gaps_lost: u64,
    /// Gaps that a snapshot took the stream past, or that were open when the session was asked for anew.
    pub gaps_bridged: u64,
    /// Messages that a snapshot stands for.
    pub messages_bridged: u64,
    /// Snapshots asked for.
    pub snapshots_asked: u64,
    /// Snapshots that came whole.
    pub snapshots_taken: u64,
    /// Snapshots that broke off, or did not come.
    pub snapshots_failed: u64,
    /// Messages of snapshots.
    pub snapshot_messages: u64,
    /// Messages that were given up.
    pub messages_lost: u64,
    /// Messages that were delivered and that the sink could not decode.
    pub undecodable: u64,
    /// Copies that differ from the message that came first under their number.
    pub disputed: u64,
    /// Requests handed out to be sent.
    pub requests: u64,
    /// Requests that no server answered in time.
    pub request_timeouts: u64,
    /// Packets with fewer blocks than their header says.
    pub truncated: u64,
    /// Messages ahead of a gap that could not be held: to be asked for again.
    pub not_held: u64,
    /// Messages held ahead of a gap now.
    pub buffered: usize,
    /// The most that were ever held.
    pub buffered_max: usize,
    /// Sessions after the first.
    pub new_sessions: u64,
    /// Datagrams dropped.
    pub rejected: Rejected,
}

impl ChannelStats {
    /// Gaps open now: 0 or 1.
    #[inline]
    #[must_use]
    pub const fn gaps_open(&self) -> u64 {
        self.gaps_opened - self.gaps_filled - self.gaps_lost - self.gaps_bridged
    }

    pub(super) fn new(lines: usize) -> ChannelStats {
        ChannelStats {
            lines: vec![LineStats::default(); lines].into(),
            answers: LineStats::default(),
            delivered: 0,
            gaps_opened: 0,
            gaps_filled: 0,
            gaps_lost: 0,
            gaps_bridged: 0,
            messages_bridged: 0,
            snapshots_asked: 0,
            snapshots_taken: 0,
            snapshots_failed: 0,
            snapshot_messages: 0,
            messages_lost: 0,
            undecodable: 0,
            disputed: 0,
            requests: 0,
            request_timeouts: 0,
            truncated: 0,
            not_held: 0,
            buffered: 0,
            buffered_max: 0,
            new_sessions: 0,
            rejected: Rejected::default(),
        }
    }
}
