//! Snapshots, for what neither lines nor servers bring: when one is wanted, and what becomes of the stream meanwhile.
//!
//! ```text
//!         gap too large, too old, unanswered; a message that cannot be decoded
//!   Idle ------------------------------------------------------------------------> Wanted
//!    ^                                                            not before `at`    |
//!    | the lines reach `next`                                                       Due
//!    |                                                          poll_snapshot: true  |  ^
//!    |                     next beyond the lines                                     v  |
//!  Ahead <------------------------------------------- on_snapshot_end ------------ Open | broke off, timed out: back-off doubles
//!    |                                                                               |  |
//!    +-- the lines do not reach `next`: Wanted                                       +--+
//!                                                       `attempts_max` in a row: GivenUp, what is missing is Lost, Idle
//! ```
//!
//! From Wanted to Open the channel delivers nothing. It holds the newest messages that its store has room for, and the snapshot's
//! end says from which on they count. What is not there is a gap like any other: asked for where a server can help, else a reason
//! for the next snapshot.
//!
//! Never a storm: one snapshot at a time, and between two that were asked for lies a wait that doubles with each that follows soon.

use model::{FeedStatus, Nanos};

use super::{Channel, Sink, Taken};

/// When a snapshot is taken, and how often. See [`super::ChannelConfig::snapshots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotLimits {
    /// More missing messages than this are not asked for: the snapshot is sooner here.
    pub after_messages: u64,
    /// A stream that has not been whole for so long, for one gap or for one after the other, is left to a snapshot.
    pub after: Nanos,
    /// From asking for a snapshot to its end at most; also how long the lines may take to reach where it ends.
    pub timeout: Nanos,
    /// Between two askings; doubled with each that follows soon.
    pub spacing: Nanos,
    /// The longest that it is doubled to. After so long without one the doubling starts again.
    pub spacing_max: Nanos,
    /// So many that fail in a row, and what is missing is lost: the stream goes on without it. From then on a gap gets one, until one is whole.
    /// `u32::MAX`: nothing is given up, and nothing delivered, before a snapshot is whole.
    pub attempts_max: u32,
}

impl Default for SnapshotLimits {
    /// For gaps of more than 100,000 messages or 5 s; 30 s for a snapshot; 1 s to 30 s between two, without an end: a book that lacks
    /// messages is of no use to who trades by it.
    fn default() -> Self {
        SnapshotLimits {
            after_messages: 100_000,
            after: Nanos::from_millis(5_000),
            timeout: Nanos::from_millis(30_000),
            spacing: Nanos::from_millis(1_000),
            spacing_max: Nanos::from_millis(30_000),
            attempts_max: u32::MAX,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Wanted { at: Nanos },
    Due,
    Open { until: Nanos, is_begun: bool },
    Ahead { until: Nanos },
    GivenUp,
}

/// Where the channel stands with snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// `None`: there is no snapshot server.
    limits: Option<SnapshotLimits>,
    phase: Phase,
    /// When the last one was asked for.
    asked: Option<Nanos>,
    /// How many followed the one before soon.
    doublings: u32,
    /// How many failed in a row.
    failed: u32,
    /// The sink's books are not those of where the stream stands: a snapshot began and is not whole, or is whole and of no moment that the lines came to.
    has_voided: bool,
}

impl Snapshots {
    pub(super) fn new(limits: Option<SnapshotLimits>) -> Snapshots {
        Snapshots { limits, phase: Phase::Idle, asked: None, doublings: 0, failed: 0, has_voided: false }
    }

    /// Whether a snapshot may bring what is missing.
    pub(super) fn are_configured(&self) -> bool {
        self.limits.is_some()
    }

    /// Whether the stream is held until a snapshot says where it goes on.
    pub(super) fn is_holding(&self) -> bool {
        matches!(self.phase, Phase::Wanted { .. } | Phase::Due | Phase::Open { .. } | Phase::GivenUp)
    }

    /// Whether so many missing messages are too many to be asked for.
    pub(super) fn is_too_large(&self, messages: u64) -> bool {
        self.limits.is_some_and(|l| messages > l.after_messages)
    }

    /// Until when the stream may be behind that has been since `since`.
    pub(super) fn patience(&self, since: Nanos) -> Option<Nanos> {
        self.limits.filter(|_| self.phase == Phase::Idle).map(|l| since.after(l.after))
    }

    fn want(&mut self, now: Nanos) {
        let Some(limits) = self.limits else { return };
        let (at, doublings) = match self.asked {
            None => (now, 0),
            Some(asked) if asked.after(limits.spacing_max) <= now => (now, 0),
            Some(asked) => {
                let wait = limits.spacing.0.saturating_mul(1 << self.doublings.min(20));
                (asked.after(Nanos(wait.min(limits.spacing_max.0))), self.doublings + 1)
            }
        };
        self.doublings = doublings;
        self.phase = if at <= now { Phase::Due } else { Phase::Wanted { at } };
    }

    /// What is wanted is due, and the waits start small again.
    pub(super) fn hurry(&mut self) {
        self.doublings = 0;
        if matches!(self.phase, Phase::Wanted { .. }) {
            self.phase = Phase::Due;
        }
    }

    /// One failed: the next is wanted, or none any more.
    fn fail(&mut self, now: Nanos) {
        let most = self.limits.map_or(1, |l| l.attempts_max.max(1));
        self.failed = self.failed.saturating_add(1);
        if most == u32::MAX || self.failed < most {
            return self.want(now);
        }
        self.failed = most - 1;
        self.phase = Phase::GivenUp;
    }

    /// The lines have shown that the snapshot's `next` is where they are.
    pub(super) fn reached(&mut self) {
        if matches!(self.phase, Phase::Ahead { .. }) {
            self.phase = Phase::Idle;
        }
    }

    pub(super) fn deadline(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Idle | Phase::Due => None,
            Phase::Wanted { at: until } | Phase::Open { until, .. } | Phase::Ahead { until } => Some(until),
            Phase::GivenUp => Some(Nanos::ZERO),
        }
    }

    /// No snapshot of what was is of use any more.
    pub(super) fn end(&mut self) {
        self.has_voided = false;
        self.phase = Phase::Idle;
    }
}

impl Channel {
    /// Whether a snapshot is to be asked for now: from its login on, each message to [`Channel::on_snapshot_message`]. Said once; then
    /// [`Channel::on_snapshot_end`] or [`Channel::on_snapshot_failed`] is awaited.
    #[inline]
    #[must_use]
    pub fn poll_snapshot(&mut self, now: Nanos) -> bool {
        if self.snapshots.phase != Phase::Due {
            return false;
        }
        let Some(limits) = self.snapshots.limits else { return false };
        self.snapshots.asked = Some(now);
        self.snapshots.phase = Phase::Open { until: now.after(limits.timeout), is_begun: false };
        self.stats.snapshots_asked += 1;
        true
    }

    /// Whether the snapshot that was asked for is still awaited. Where it is not, its session is of no more use.
    #[inline]
    #[must_use]
    pub fn is_snapshot_open(&self) -> bool {
        matches!(self.snapshots.phase, Phase::Open { .. })
    }

    /// A message of the snapshot. The first is preceded by [`FeedStatus::SnapshotBegin`]. Nothing where no snapshot is awaited.
    pub fn on_snapshot_message<S: Sink>(&mut self, now: Nanos, message: &[u8], sink: &mut S) {
        if !self.begin_snapshot(sink) {
            return;
        }
        self.stats.snapshot_messages += 1;
        if sink.snapshot(message) == Taken::Undecodable {
            self.stats.undecodable += 1;
            self.on_snapshot_failed(now);
        }
    }

    /// The snapshot is whole, and the stream goes on with message `next`. What is held from there on is delivered.
    pub fn on_snapshot_end<S: Sink>(&mut self, now: Nanos, next: u64, sink: &mut S) {
        let Some(limits) = self.snapshots.limits else { return };
        if !self.begin_snapshot(sink) {
            return;
        }
        sink.status(FeedStatus::SnapshotEnd { next });
        self.stats.snapshots_taken += 1;
        self.snapshots.failed = 0;
        self.snapshots.has_voided = false;
        self.stats.messages_bridged =
            self.stats.messages_bridged.saturating_add(next.saturating_sub(self.expected));
        if self.gap.take().is_some() {
            self.stats.gaps_bridged += 1;
        }
        self.recovery.end();
        // What came while the snapshot ran waited for it, not for a server.
        self.behind = Some(now);
        self.expected = next;
        self.intact = true;
        self.synced = false;
        self.snapshots.phase = match next > self.seen_end {
            // Not believed before the lines say the same: a number from nowhere would make all that follows look old.
            true => Phase::Ahead { until: now.after(limits.timeout) },
            false => Phase::Idle,
        };
        self.store.drop_below(next);
        self.drain(now, sink);
        self.settle(now, sink);
    }

    /// The snapshot broke off, or its session could not be had. Another is wanted, later; or it was the last that was tried, and
    /// [`Channel::on_timeout`] is due.
    pub fn on_snapshot_failed(&mut self, now: Nanos) {
        if self.is_snapshot_open() {
            self.stats.snapshots_failed += 1;
            self.snapshots.fail(now);
        }
    }

    fn begin_snapshot<S: Sink>(&mut self, sink: &mut S) -> bool {
        let Phase::Open { is_begun, .. } = &mut self.snapshots.phase else { return false };
        if !std::mem::replace(is_begun, true) {
            self.snapshots.has_voided = true;
            sink.status(FeedStatus::SnapshotBegin);
        }
        true
    }

    /// What the other lines had their time for is not asked for where that would take longer than a snapshot. All that is missing counts: behind
    /// a small window the gap that delivery stands at is only the first of many.
    pub(super) fn judge_size(&mut self, now: Nanos) {
        let is_left_to_servers = self.gap.is_some() && !self.recovery.is_waiting();
        let missing = self.seen_end.saturating_sub(self.expected).saturating_sub(self.store.held() as u64);
        if is_left_to_servers && self.snapshots.is_too_large(missing) {
            self.resort_to_snapshot(now);
        }
    }

    /// From now on the stream is held for a snapshot, where there is a server of them. Returns whether it is.
    #[cold]
    pub(super) fn resort_to_snapshot(&mut self, now: Nanos) -> bool {
        if !self.snapshots.are_configured() {
            return false;
        }
        if !self.snapshots.is_holding() {
            self.snapshots.want(now);
            self.recovery.end();
            // Where the lines never came to the end of the last snapshot, what they bring is not old, and the books that it made are of no moment.
            self.snapshots.has_voided |= self.expected > self.seen_end;
            self.expected = self.expected.min(self.seen_end);
            self.synced = false;
            self.steady = false;
        }
        true
    }

    /// Time passed, as far as snapshots are concerned.
    pub(super) fn on_snapshot_timeout<S: Sink>(&mut self, now: Nanos, sink: &mut S) {
        match self.snapshots.phase {
            Phase::Wanted { at } if at <= now => self.snapshots.phase = Phase::Due,
            Phase::Open { until, .. } if until <= now => self.on_snapshot_failed(now),
            Phase::Ahead { until } if until <= now => {
                self.resort_to_snapshot(now);
            }
            Phase::GivenUp => self.go_on_without(now, sink),
            _ => {}
        }
        if self.behind.is_some_and(|since| self.snapshots.patience(since).is_some_and(|until| until <= now)) {
            self.resort_to_snapshot(now);
        }
    }

    /// No snapshot came: what is missing is lost, and what is held goes out. Where one had begun the books are void, though the lines may have brought
    /// by now all that was missing.
    #[cold]
    fn go_on_without<S: Sink>(&mut self, now: Nanos, sink: &mut S) {
        self.snapshots.phase = Phase::Idle;
        self.behind = None;
        self.intact &= !self.snapshots.has_voided;
        self.drain(now, sink);
        self.track_gap(now, sink);
        if self.expected < self.seen_end {
            self.lose(now, self.hole_end(), sink);
        }
        self.settle(now, sink);
    }
}
