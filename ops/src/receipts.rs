//! What the last orders took from packet to socket, one by one: the receipts of the journal, followed as it is written.
//!
//! Shared memory has the times as histograms, which know no order; each order's own stands in the journal alone. It is read from its last segment on and never locked against its writer.
//! Only whoever shows it reads it: a look costs a read of what was written since the last one, and the first a segment.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use colo::journal::{Receipt, Record, RunDir};
use ringbuf::log::Reader;

/// Orders kept: more than a wide terminal has columns.
const KEPT: usize = 512;
/// Records of one look: of what is more the next look has the rest.
const LOOK_MAX: usize = 400_000;

/// See the module.
#[derive(Default)]
pub struct Receipts {
    /// The run that is followed, and its log where it can be read.
    run: Option<(PathBuf, Option<Reader>)>,
    took: VecDeque<u64>,
}

impl std::fmt::Debug for Receipts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipts").field("took", &self.took).finish_non_exhaustive()
    }
}

impl Receipts {
    /// Reads on in the journal of the run in this folder; another folder than before begins anew.
    pub fn look(&mut self, run: &Path) {
        if self.run.as_ref().is_none_or(|(path, _)| path != run) {
            self.took.clear();
            self.run = Some((run.to_owned(), None));
        }
        let Some((path, reader)) = &mut self.run else { return };
        if reader.is_none() {
            *reader = Reader::open_last(RunDir::core(path)).ok();
        }
        let Some(open) = reader else { return };
        for _ in 0..LOOK_MAX {
            match open.next() {
                Ok(Some(r)) => {
                    if let Ok(Record::Receipt(receipt)) = Record::decode(r.kind, r.payload) {
                        take(&mut self.took, &receipt);
                    }
                }
                Ok(None) => return,
                // A reader never goes on behind damage, or behind what was taken away: the next look begins with what is there.
                Err(_) => {
                    *reader = None;
                    return;
                }
            }
        }
    }

    /// What each took, ns, the oldest first.
    #[must_use]
    pub fn took(&self) -> &VecDeque<u64> {
        &self.took
    }
}

fn take(took: &mut VecDeque<u64>, receipt: &Receipt) {
    if took.len() == KEPT {
        took.pop_front();
    }
    took.push_back(receipt.sent.since(receipt.received).0);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use model::{GatewayId, Nanos, Token};
    use ringbuf::log::{self, Keeper, LogConfig, SyncPolicy, Writer};

    /// A run's journal that is written.
    fn journal(run: &Path) -> (Writer, Keeper) {
        let dir = RunDir::core(run);
        log::create(LogConfig { dir, segment_bytes: 1 << 13, reserve_bytes: 1 << 10, sync: SyncPolicy::Off })
            .unwrap()
    }

    fn write(log: &mut (Writer, Keeper), took: impl Iterator<Item = u64>) {
        for ns in took {
            let at = Nanos(1_000_000_000);
            let receipt = Receipt {
                token: Token(1),
                gateway: GatewayId(0),
                received: at,
                decoded: at,
                decided: at,
                sent: Nanos(at.0 + ns),
            };
            Record::Timer { now: at }.append(&mut log.0).unwrap();
            Record::Receipt(receipt).append(&mut log.0).unwrap();
            log.1.tend().unwrap();
        }
    }

    /// What a run of orders that took so long gives.
    pub(crate) fn of(took: impl Iterator<Item = u64>) -> Receipts {
        let dir = tempfile::tempdir().unwrap();
        write(&mut journal(dir.path()), took);
        let mut receipts = Receipts::default();
        receipts.look(dir.path());
        receipts
    }

    #[test]
    fn each_order_is_followed_and_another_run_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut receipts = Receipts::default();
        receipts.look(dir.path());
        assert!(receipts.took().is_empty(), "no journal yet");
        let mut log = journal(dir.path());
        write(&mut log, 1..=3);
        receipts.look(dir.path());
        assert_eq!(receipts.took(), &[1, 2, 3]);
        write(&mut log, 4..=2_000);
        receipts.look(dir.path());
        assert_eq!(receipts.took().len(), KEPT);
        assert!(receipts.took().iter().copied().eq(2_000 - KEPT as u64 + 1..=2_000), "none is left out");
        // One who comes later begins with the last segment.
        let mut late = Receipts::default();
        late.look(dir.path());
        assert!(!late.took().is_empty() && late.took().back() == Some(&2_000));
        let other = tempfile::tempdir().unwrap();
        write(&mut journal(other.path()), std::iter::once(7));
        receipts.look(other.path());
        assert_eq!(receipts.took(), &[7]);
    }

    #[test]
    fn damage_is_no_panic_and_what_is_behind_it_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = journal(dir.path());
        write(&mut log, 1..=10);
        let file = RunDir::core(dir.path()).join("00000000.log");
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 16;
        bytes[middle..middle + 64].fill(0xff);
        std::fs::write(&file, bytes).unwrap();
        let mut receipts = Receipts::default();
        for _ in 0..3 {
            receipts.look(dir.path());
        }
        assert!(receipts.took().len() <= 30, "{receipts:?}");
    }
}
