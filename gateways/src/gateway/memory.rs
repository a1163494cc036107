//! What has to outlive a process of the sessions that its port was in.

use std::fmt;

use model::Nanos;

use crate::soupbintcp::SessionName;

/// Keeps the names of sessions. A replay tells a process all that its predecessors did in *this* session; of another one of the same day, say one that the venue ended
/// at noon, it tells nothing, and the positions of that are not known.
pub trait SessionMemory: fmt::Debug + Send {
    /// Notes, durably, that `session` was joined at `now` (wall clock). Returns whether another one was joined before on that day, or whether that cannot be known. Called at
    /// logins, never while orders flow; may write a file.
    fn join(&mut self, now: Nanos, session: SessionName) -> bool;
}
