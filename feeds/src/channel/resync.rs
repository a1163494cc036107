//! Books made anew because a person does not believe them.
//!
//! With a snapshot server: a snapshot, as if a gap had asked for one. With a re-request server only: the session again from its first message,
//! behind [`FeedStatus::NewSession`], for that is what a book that starts from nothing is told. With neither nothing can be brought.

use model::{FeedStatus, Nanos};

use super::{Channel, Sink};

impl Channel {
    /// Whether there is a server that [`Channel::resync`] could ask.
    #[must_use]
    pub fn can_resync(&self) -> bool {
        self.snapshots.are_configured() || self.recovery.has_servers()
    }

    /// The snapshot server is in order again, a person says: a snapshot that is wanted is asked for now, and the waits start small again.
    pub fn hurry_snapshot(&mut self) {
        self.snapshots.hurry();
    }

    /// From now on no book of this feed is believed, until a server has brought what it takes to make it anew. Nothing where there is no server,
    /// no session yet, one that is over, or a snapshot under way already.
    ///
    /// A snapshot keeps its distance from the one before (see [`super::SnapshotLimits`]), so that asking often is no storm. Returns whether
    /// anything was begun.
    pub fn resync<S: Sink>(&mut self, now: Nanos, sink: &mut S) -> bool {
        if !self.can_resync() || self.session().is_none() || self.over || self.snapshots.is_holding() {
            return false;
        }
        sink.status(FeedStatus::Doubted);
        if self.snapshots.are_configured() {
            return self.resort_to_snapshot(now);
        }
        if self.gap.take().is_some() {
            self.stats.gaps_bridged += 1;
        }
        self.store.drop_below(u64::MAX);
        self.forget_prints();
        self.recovery.revive();
        self.expected = 1;
        (self.intact, self.synced) = (true, false);
        sink.status(FeedStatus::NewSession);
        self.settle(now, sink);
        true
    }
}
