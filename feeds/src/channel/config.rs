//! What a channel is told once.

use model::Nanos;

use super::SnapshotLimits;
use crate::framing::Session;

/// The shape and the patience of a [`super::Channel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// Lines that carry the same stream (A, B ..), numbered from 0; at most 255.
    pub lines: usize,
    /// Messages that may be held ahead of a gap, rounded up to a power of two. With `message_bytes` this bounds memory.
    pub reorder_window: usize,
    /// Longest message that is held ahead of a gap, bytes. A longer one is asked for again when its turn comes.
    pub message_bytes: usize,
    /// How many messages back the copies of other lines are compared with what was delivered, rounded up to a power of two; 0: not at all. 8 bytes each.
    pub compared: usize,
    /// How long a gap is left to the other lines before it is asked for.
    pub gap_wait: Nanos,
    /// How long a server has to answer the first time; doubled with each try.
    pub request_timeout: Nanos,
    /// Tries after the first, without any answer, before a gap is lost.
    pub request_retries: u32,
    /// Messages that one request asks for at most; 1 to 65,534.
    pub request_max_messages: u16,
    /// Re-request servers, asked in turn, numbered from 0. 0: what the lines do not bring is lost.
    pub servers: usize,
    /// A feed that says nothing on any line for so long is silent. A venue sends a heartbeat a second.
    pub silence: Nanos,
    /// The one session that is ever followed. `None`: the first that is heard, and from one to the next.
    pub only: Option<Session>,
    /// When what is missing is left to a snapshot. `None`: there is no snapshot server, and what no other brings is lost.
    pub snapshots: Option<SnapshotLimits>,
}

impl Default for ChannelConfig {
    /// Two lines, whatever session, no server of either kind, 16,384 messages of 64 bytes, 1 ms for the other line, 20 ms and 4 more tries for a
    /// server, silent after 5 s.
    fn default() -> Self {
        ChannelConfig {
            lines: 2,
            reorder_window: 16_384,
            message_bytes: 64,
            compared: 8_192,
            gap_wait: Nanos::from_millis(1),
            request_timeout: Nanos::from_millis(20),
            request_retries: 4,
            request_max_messages: 1_000,
            servers: 0,
            silence: Nanos::from_millis(5_000),
            only: None,
            snapshots: None,
        }
    }
}
