//! A day out of a core's journal, or out of a file of which a journal is to be kept: what was heard, when it was heard.

use std::path::Path;

use backtest::latency::Latency;
use backtest::record::Recorder;
use engine::strategy::Strategy;
use model::Nanos;
use ringbuf::log::Reader;

use super::files::{Job, Made, Trouble};
use super::sampled::Sampled;
use crate::cli::make;
use crate::journal::{Record, RunDir};
use crate::replay::{Journal, Kept, ReplayError, Reports, Tape, fits, rerun};

const DAY_NS: u64 = 86_400_000_000_000;

/// Runs the strategy over a run's journal, over the last run of a core's folder, or over a file of the day that begins at `midnight` (ns since the Unix epoch).
///
/// # Errors
/// What cannot be read or written, and a configuration that is not of the run's feeds, gateways and instruments.
pub(super) fn day<S: Strategy>(
    job: &Job<'_>,
    latency: &Latency,
    given: &Path,
    midnight: u64,
) -> Result<Made, Trouble> {
    let trouble = |what: String| Trouble::Journal { journal: given.to_path_buf(), what };
    let said = |e: ReplayError| trouble(e.to_string());
    let (tape, began, run) = match given.is_dir() {
        true => {
            let journal = Journal::open(given).map_err(said)?;
            fits(&journal, job.config).map_err(|e| trouble(e.to_string()))?;
            (Tape::open(&journal).map_err(said)?, began(&journal).map_err(trouble)?, journal.run)
        }
        false => {
            let began = Nanos(midnight);
            let tape = Tape::of_file(given, job.config, latency, began).map_err(said)?;
            (tape, began, given.to_path_buf())
        }
    };
    let reports = match job.as_recorded {
        true => Reports::Recorded,
        false => Reports::Simulated(latency.clone()),
    };
    let keep = |dir| Kept::create(dir, job.config, began, Some(&run));
    let kept = job.keep.map(keep).transpose().map_err(|e| trouble(e.to_string()))?;
    let mut recorder = Recorder::new(job.config.history.grain);
    let strategy = make::<S>(job.config)?;
    let (ran, engine, recorder_of_day, kept) =
        rerun(tape, job.config, &reports, strategy, (Sampled::new(&mut recorder, job.config), kept))
            .map_err(|e| trouble(e.to_string()))?;
    let samples = recorder_of_day.close(&engine);
    Ok(Made {
        file: kept.unwrap_or(run),
        midnight: Nanos(began.0 / DAY_NS * DAY_NS),
        ran,
        stats: engine.stats(),
        positions: engine.positions().all().to_vec(),
        pnl: engine.pnl(),
        fees: engine.positions().fees(),
        recorder,
        samples,
    })
}

/// When the run began.
fn began(journal: &Journal) -> Result<Nanos, String> {
    let mut reader = Reader::open(RunDir::core(&journal.run)).map_err(|e| e.to_string())?;
    match reader.next().map_err(|e| e.to_string())?.map(|r| Record::decode(r.kind, r.payload)) {
        Some(Ok(Record::Start { now, .. })) => Ok(now),
        _ => Err("its journal does not begin with a run's start".into()),
    }
}
