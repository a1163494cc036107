//! The cold side of a log: makes segments, faults them in, syncs, cuts, closes.
use super::error::LogError;
use super::format::Header;
use super::segment::{Kept, Prepared, make, path_of};
use super::writer::{Returned, Shared, Writer};
use super::{DiskOp, Gate, LogConfig, SyncPolicy};
use crate::sync::Ordering;
use crossbeam_utils::CachePadded;
use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

/// Segments kept ready behind the one being written. One is enough: the writer may meanwhile fill a whole segment,
/// which is what `segment_bytes` is to be chosen for.
const READY: usize = 1;
/// Segments that exist between two rounds: returned, current, ready.
const ALIVE_MAX: usize = READY + 2;
/// Bytes ahead of the writer that each round makes sure are faulted in.
const AHEAD_BYTES: usize = 1 << 20;

/// Largest number that fits the name of a file.
const SEGMENT_MAX: u32 = 99_999_999;

/// What became of the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterState {
    /// At work.
    Active,
    /// Called `finish`: the log can be closed.
    Finished,
    /// Dropped without `finish`: the log has no clean end.
    Gone,
}

/// What one round of `tend` did and found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeeperReport {
    /// Segments made in this round.
    pub made: u32,
    /// Full segments cut to length in this round.
    pub cut: u32,
    /// Bytes synced in this round.
    pub synced_bytes: u64,
    /// Bytes that were written and not synced when the round ended.
    pub unsynced_bytes: u64,
    /// Segments below this one are written no more: synced by policy, and cut. Stands still from a failed sync on.
    pub closed_below: u32,
    /// What became of the writer.
    pub writer: WriterState,
}

/// What was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Segments of the log.
    pub segments: u32,
    /// Bytes used in the last of them.
    pub last_bytes: u64,
}

/// The keeping end of a log; see the [module](super).
pub struct Keeper {
    cfg: LogConfig,
    gate: Gate,
    folder: File,
    log_id: u64,
    next_segment: u32,
    closed_below: u32,
    /// All segments not yet cut, in order: returned ones, the current one, ready ones.
    kept: VecDeque<Kept>,
    ready: rtrb::Producer<Prepared>,
    returned: rtrb::Consumer<Returned>,
    shared: Arc<CachePadded<Shared>>,
    synced_at: Instant,
    faulted_tail: u64,
    sync_failed: Option<(u32, i32)>,
}

impl Keeper {
    pub(super) fn start(
        cfg: LogConfig,
        folder: File,
        log_id: u64,
        mut gate: Gate,
    ) -> Result<(Writer, Self), LogError> {
        let (ready_in, ready_out) = rtrb::RingBuffer::new(READY);
        let (returned_in, returned_out) = rtrb::RingBuffer::new(ALIVE_MAX);
        let shared = Arc::new(CachePadded::new(Shared::default()));
        let header = Header { log_id, segment: 0, segment_bytes: cfg.segment_bytes };
        let (kept, first) = make(&cfg.dir, header, &mut gate)?;
        let mut keeper = Self {
            gate,
            folder,
            log_id,
            next_segment: 1,
            closed_below: 0,
            kept: VecDeque::from([kept]),
            ready: ready_in,
            returned: returned_out,
            shared: Arc::clone(&shared),
            synced_at: Instant::now(),
            faulted_tail: 0,
            sync_failed: None,
            cfg,
        };
        if let Err(error) = keeper.prepare().and(keeper.synced()) {
            // A log that did not come to be leaves no segment that the next attempt would stumble over.
            for segment in [0, 1] {
                let _ = std::fs::remove_file(path_of(&keeper.cfg.dir, segment));
            }
            return Err(error);
        }
        let writer = Writer::new(first, keeper.cfg.reserve_bytes, ready_out, returned_in, shared);
        Ok((writer, keeper))
    }

    /// One round of the cold duty cycle: makes the next segment when one was taken, cuts and gives up full
    /// ones, syncs by policy, faults in the pages ahead. Syscalls, allocation, waits for the disk. The writer
    /// waits for nothing of it unless a whole segment fills up meanwhile.
    ///
    /// # Errors
    ///
    /// [`LogError::DiskFull`] and [`LogError::Io`] are tried again at the next round, and the rest of the
    /// round was done. [`LogError::SyncFailed`] is never retried and returned from every round from then on;
    /// segments go on being made, so that the writer can still record.
    pub fn tend(&mut self) -> Result<KeeperReport, LogError> {
        let writer = self.writer_state();
        let tail = self.shared.tail.load(Ordering::Acquire);
        // First of all the next segment: what follows may wait for the disk for seconds.
        let made = self.prepare();
        let round = self.give_up_returned();
        let mut synced_bytes = round.synced_bytes;
        let due = match self.cfg.sync {
            SyncPolicy::Interval(interval) => self.synced_at.elapsed() >= interval,
            SyncPolicy::Off | SyncPolicy::EverySegment => false,
        };
        if due {
            self.synced_at = Instant::now();
            synced_bytes += self.sync_to(tail);
        }
        let faulted = self.fault_ahead(tail);
        let unsynced_bytes = self.unsynced(tail);
        self.synced()?;
        let made = made?;
        round.error?;
        faulted?;
        Ok(KeeperReport {
            made,
            cut: round.cut,
            synced_bytes,
            unsynced_bytes,
            closed_below: self.closed_below,
            writer,
        })
    }

    /// The folder of the log.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        &self.cfg.dir
    }

    /// What became of the writer.
    #[must_use]
    pub fn writer_state(&self) -> WriterState {
        // Gone is read first: a writer that finishes in between is then found finished.
        let gone = self.returned.is_abandoned();
        match self.shared.finished.load(Ordering::Acquire) {
            1 => WriterState::Finished,
            _ if gone => WriterState::Gone,
            _ => WriterState::Active,
        }
    }

    /// Closes the log after the writer's `finish`: last sync (unless the policy is off), last segment cut to
    /// its length, the one made ready removed.
    ///
    /// # Errors
    ///
    /// [`LogError::WriterActive`] when the writer has not finished: the files stay as they are, without a
    /// clean end. [`LogError::SyncFailed`], [`LogError::Io`].
    pub fn close(mut self) -> Result<Closed, LogError> {
        if self.writer_state() != WriterState::Finished {
            return Err(LogError::WriterActive);
        }
        let round = self.give_up_returned();
        self.synced()?;
        round.error?;
        // What is left was made ready and never begun.
        for unused in self.kept.drain(..) {
            let segment = unused.segment;
            std::fs::remove_file(path_of(&self.cfg.dir, segment)).map_err(|source| LogError::Io {
                what: "remove",
                segment,
                source,
            })?;
        }
        let segments = (self.shared.tail.load(Ordering::Acquire) >> 32) as u32 + 1;
        self.sync_folder(segments - 1);
        self.synced()?;
        Ok(Closed { segments, last_bytes: round.last_bytes })
    }

    /// Fills the ring of ready segments.
    fn prepare(&mut self) -> Result<u32, LogError> {
        let mut made = 0;
        while !self.ready.is_full() {
            let segment = self.next_segment;
            if segment > SEGMENT_MAX {
                return Err(LogError::DiskFull { segment });
            }
            let header = Header { log_id: self.log_id, segment, segment_bytes: self.cfg.segment_bytes };
            let (kept, prepared) = make(&self.cfg.dir, header, &mut self.gate)?;
            self.sync_folder(segment);
            self.next_segment += 1;
            self.kept.push_back(kept);
            // Not full, and this is the only producer.
            let _ = self.ready.push(prepared);
            made += 1;
        }
        Ok(made)
    }

    /// Syncs, cuts and forgets the segments that the writer gave back.
    fn give_up_returned(&mut self) -> GivenUp {
        let mut round = GivenUp { cut: 0, synced_bytes: 0, last_bytes: 0, error: Ok(()) };
        while let Ok(Returned { segment, used, _words: words }) = self.returned.pop() {
            // The last mapping but the keeper's own.
            drop(words);
            round.last_bytes = used as u64;
            if self.cfg.sync != SyncPolicy::Off {
                round.synced_bytes += self.sync_to(u64::from(segment) << 32 | used as u64);
            }
            let Some(kept) = self.kept.pop_front() else { continue };
            debug_assert_eq!(kept.segment, segment, "segments come back in order");
            if self.sync_failed.is_some() {
                // Left as it is: nothing more is asked of a disk that failed.
                continue;
            }
            match kept.cut(used, &mut self.gate) {
                Ok(()) => {
                    round.cut += 1;
                    self.closed_below = segment + 1;
                }
                Err(error) => round.error = round.error.and(Err(error)),
            }
        }
        round
    }

    /// Syncs everything before `tail`; returns how many bytes. A failure is remembered and nothing is ever
    /// synced again.
    fn sync_to(&mut self, tail: u64) -> u64 {
        let mut synced = 0;
        for (kept, end) in written(&mut self.kept, tail, self.cfg.segment_bytes) {
            if self.sync_failed.is_some() {
                break;
            }
            let before = kept.synced;
            if let Err(source) = kept.sync(end, &mut self.gate)
                && !cfg!(feature = "canary-disk-retry")
            {
                let errno = source.raw_os_error().unwrap_or(libc::EIO);
                self.sync_failed = Some((kept.segment, errno));
            }
            synced += kept.synced - before;
        }
        synced as u64
    }

    fn unsynced(&mut self, tail: u64) -> u64 {
        let segment_bytes = self.cfg.segment_bytes;
        let kept = written(&mut self.kept, tail, segment_bytes);
        kept.map(|(kept, end)| end.saturating_sub(kept.synced) as u64).sum()
    }

    /// Makes a new name in the folder outlast a power failure.
    fn sync_folder(&mut self, segment: u32) {
        if self.cfg.sync == SyncPolicy::Off || self.sync_failed.is_some() {
            return;
        }
        let synced = (self.gate)(DiskOp::SyncFolder { segment }).and_then(|()| self.folder.sync_all());
        if let Err(source) = synced {
            self.sync_failed = Some((segment, source.raw_os_error().unwrap_or(libc::EIO)));
        }
    }

    /// The sync that failed, if one ever did.
    fn synced(&self) -> Result<(), LogError> {
        self.sync_failed.map_or(Ok(()), |(segment, errno)| Err(LogError::SyncFailed { segment, errno }))
    }

    /// Write-back, ours and the kernel's, leaves pages that were faulted in read-only again: those ahead of
    /// the writer are faulted in anew when it has moved.
    fn fault_ahead(&mut self, tail: u64) -> Result<(), LogError> {
        if tail == self.faulted_tail {
            return Ok(());
        }
        let (segment, at) = ((tail >> 32) as u32, tail as u32 as usize);
        if let Some(kept) = self.kept.iter().find(|kept| kept.segment == segment) {
            let faulted = kept.fault_in(at, at + AHEAD_BYTES);
            faulted.map_err(|source| LogError::Io { what: "fault in", segment, source })?;
        }
        self.faulted_tail = tail;
        Ok(())
    }
}

/// What became of the segments that the writer gave back.
struct GivenUp {
    cut: u32,
    synced_bytes: u64,
    last_bytes: u64,
    error: Result<(), LogError>,
}

/// The segments that hold something, each with the end of what it holds.
fn written(
    kept: &mut VecDeque<Kept>,
    tail: u64,
    segment_bytes: usize,
) -> impl Iterator<Item = (&mut Kept, usize)> {
    let (current, at) = ((tail >> 32) as u32, tail as u32 as usize);
    kept.iter_mut().take_while(move |kept| kept.segment <= current).map(move |kept| {
        let end = if kept.segment == current { at } else { segment_bytes };
        (kept, end)
    })
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("cfg", &self.cfg).field("kept", &self.kept).finish_non_exhaustive()
    }
}
