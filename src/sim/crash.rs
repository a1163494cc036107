//! A process that is gone, and what its journal says of it: the same inputs give the same commands and the same state. Where the machine's power went, the journal's
//! last pages may have gone with it; then what is left is a shorter life, or is refused by name.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use engine::EngineStats;
use ringbuf::log::{self, LogConfig, Reader, SyncPolicy};

use super::canary::Canary;
use super::faults::Fault;
use super::oracle::{Check, Invariant, violated};
use super::process::{HostError, Process};
use super::trader::Trader;
use super::world::{Outcome, World};
use crate::exchange::rng::Rng;
use crate::journal::RunDir;
use crate::replay::{Journal, ReplayError, replay};

/// How a process was at its end.
pub(super) struct Ended {
    run: PathBuf,
    pub(super) stats: EngineStats,
    pub(super) hash: u64,
    /// No packet was taken in part: the journal names it whole.
    is_between: bool,
    in_order: bool,
    /// The journal refused a record, so the last input is not in it.
    is_blind: bool,
    is_torn: bool,
}

impl Ended {
    pub(super) fn of(p: &Process, in_order: bool) -> Ended {
        Ended {
            run: p.run.clone(),
            stats: p.engine().stats(),
            hash: p.engine().state_hash(),
            is_between: p.market.is_between() && p.market.to.free() == p.market.to.capacity(),
            in_order,
            is_blind: p.strategy.failure().is_some(),
            is_torn: false,
        }
    }

    /// Its journal, replayed.
    pub(super) fn replayed(&self, canary: Option<Canary>) -> Result<(), super::world::Stop> {
        // What these change, market data on its way to the strategy or a limit, is not what a replay reads: any would tell.
        if matches!(
            canary,
            Some(
                Canary::AppliesTwice
                    | Canary::MissesMessage
                    | Canary::MissesHalt
                    | Canary::ReservesNothing
                    | Canary::Outpaces
                    | Canary::IgnoresBreakers
                    | Canary::Overspends
                    | Canary::IgnoresLoss
            )
        ) {
            return Ok(());
        }
        if canary == Some(Canary::SkipsRecord) && !self.is_torn {
            without_a_record(&RunDir::core(&self.run))?;
        }
        let outcome = Journal::open(&self.run).and_then(|journal| replay::<Trader>(&journal));
        let checked = match outcome {
            Ok(found) => self.compared(&found),
            // A refusal, which names the record.
            Err(ReplayError::Log(_)) if self.is_torn => Ok(()),
            Err(e) => Err(violated(Invariant::Replay, e.to_string())),
        };
        let _ = fs::remove_dir_all(&self.run);
        checked.map_err(Into::into)
    }

    fn compared(&self, found: &crate::replay::Replayed) -> Check {
        let fail = |found: String| Err(violated(Invariant::Replay, found));
        if self.in_order && !self.is_blind && !found.ended {
            return fail("the run ended in order, and its journal has no end".into());
        }
        if self.is_torn || self.is_blind || !self.is_between {
            return Ok(());
        }
        if (found.inputs, found.stats.new_orders) != (self.stats.inputs, self.stats.new_orders) {
            let (a, b) = (self.stats, found.stats);
            return fail(format!(
                "{} inputs and {} orders, and {} and {} replayed",
                a.inputs, a.new_orders, b.inputs, b.new_orders
            ));
        }
        if found.state_hash != self.hash {
            return fail(format!("state {:016x}, and {:016x} replayed", self.hash, found.state_hash));
        }
        Ok(())
    }
}

impl World {
    /// The process is killed; with it the machine, or not.
    pub(super) fn crash(&mut self) -> Outcome {
        let Some(p) = self.process.take() else { return Ok(()) };
        self.figures.faults.add(Fault::Crash);
        let mut ended = Ended::of(&p, false);
        drop(p);
        let power = self.rng.below(3) == 0;
        self.notice_death(power)?;
        if power && tear(&RunDir::core(&ended.run), &mut self.rng).map_err(HostError::from)? {
            ended.is_torn = true;
            self.figures.faults.add(Fault::TornTail);
        }
        self.account_for(&ended);
        ended.replayed(self.setup.canary)?;
        self.figures.replays += 1;
        self.figures.restarts += 1;
        Ok(())
    }
}

/// Takes the end of a log's last segment away: cut short, or its last pages never written. Whether there was something to take.
fn tear(dir: &Path, rng: &mut Rng) -> io::Result<bool> {
    let mut segments: Vec<PathBuf> = fs::read_dir(dir)?.filter_map(|e| Some(e.ok()?.path())).collect();
    segments.sort();
    for path in segments.into_iter().rev() {
        let bytes = fs::read(&path)?;
        let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        // A segment that is ready and not begun has its header alone.
        if used <= 4_096 {
            continue;
        }
        let file = OpenOptions::new().write(true).open(&path)?;
        let lost = 1 + rng.below(12_000.min(used as u64 - 4_096));
        let from = used as u64 - lost;
        if rng.below(2) == 0 {
            file.set_len(from)?;
        } else {
            let page = from - from % 4_096;
            file.write_all_at(&vec![0; used - page as usize], page)?;
        }
        return Ok(true);
    }
    Ok(false)
}

/// A canary's: the same log with one record fewer, as a core would leave it that did not write it.
fn without_a_record(dir: &Path) -> Result<(), HostError> {
    let new = dir.with_extension("less");
    let cfg = LogConfig { dir: new.clone(), segment_bytes: 1 << 24, reserve_bytes: 0, sync: SyncPolicy::Off };
    let (mut writer, mut keeper) = log::create(cfg)?;
    let mut log = Reader::open(dir)?;
    let mut inputs = 0;
    while let Some(r) = log.next()? {
        // Reports and what people said: of market data a core might not have wanted the one that is missing.
        inputs += u32::from(matches!(
            crate::journal::Record::decode(r.kind, r.payload),
            Ok(crate::journal::Record::Report { .. })
        ));
        if inputs == 5 {
            inputs += 1;
            continue;
        }
        writer.append(r.kind, r.payload)?;
        keeper.tend()?;
    }
    writer.finish();
    keeper.close()?;
    fs::remove_dir_all(dir)?;
    fs::rename(&new, dir)?;
    Ok(())
}
