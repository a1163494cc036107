//! A day out of a core's journal: what it heard, when it heard it.

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
use crate::replay::{Journal, Kept, Reports, rerun};

const DAY_NS: u64 = 86_400_000_000_000;

/// Runs the strategy over a run's journal, or over the last run of a core's folder.
///
/// # Errors
/// What cannot be read or written, and a configuration that is not of the run's feeds, gateways and instruments.
pub(super) fn day<S: Strategy>(job: &Job<'_>, latency: &Latency, given: &Path) -> Result<Made, Trouble> {
    let trouble = |what: String| Trouble::Journal { journal: given.to_path_buf(), what };
    let journal = Journal::open(given).map_err(|e| trouble(e.to_string()))?;
    let began = began(&journal).map_err(trouble)?;
    let reports = match job.as_recorded {
        true => Reports::Recorded,
        false => Reports::Simulated(latency.clone()),
    };
    let keep = |dir| Kept::create(dir, job.config, began, Some(&journal.run));
    let kept = job.keep.map(keep).transpose().map_err(|e| trouble(e.to_string()))?;
    let mut recorder = Recorder::new(job.config.history.grain);
    let strategy = make::<S>(job.config)?;
    let (ran, engine, recorder_of_day, kept) =
        rerun(&journal, job.config, &reports, strategy, (Sampled::new(&mut recorder, job.config), kept))
            .map_err(|e| trouble(e.to_string()))?;
    let samples = recorder_of_day.close(&engine);
    Ok(Made {
        file: kept.unwrap_or(journal.run),
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
