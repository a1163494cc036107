//! A run that is written down by somebody other than a core: the journal of a backtest, in the form of any other, so that whatever reads a journal reads it.

use std::path::Path;

use model::Nanos;
use ringbuf::log::{self, Keeper, LogConfig, LogError, SyncPolicy, Writer};

use crate::config::Config;
use crate::core::config_hash;
use crate::journal::{Record, RunDir, RunError, record};

/// Where it goes.
pub struct Kept {
    run: RunDir,
    writer: Writer,
    keeper: Keeper,
}

/// Why it cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The log.
    #[error("journal: {0}")]
    Log(#[from] LogError),
    /// A record that found no room though there is disk.
    #[error("journal: {0}")]
    Append(#[from] log::AppendError),
    /// A file beside it.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Kept {
    /// Makes the next run's folder under `dir`. Captures of market data lie where another run has them; the new run points there.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn create(
        dir: &Path,
        config: &Config,
        now: Nanos,
        captured: Option<&Path>,
    ) -> Result<Kept, KeptError> {
        let toml = config.to_toml();
        let run = RunDir::create(dir, &toml)?;
        for feed in config.feeds.iter().filter(|_| captured.is_some()) {
            let from = RunDir::capture(captured.unwrap_or(dir), &feed.id);
            let to = RunDir::capture(&run.path, &feed.id);
            if let Ok(from) = from.canonicalize() {
                std::os::unix::fs::symlink(from, &to).map_err(|source| KeptError::Io { path: to, source })?;
            }
        }
        let (mut writer, keeper) = log::create(LogConfig {
            dir: RunDir::core(&run.path),
            segment_bytes: config.journal.segment_bytes,
            reserve_bytes: config.journal.segment_bytes / 4,
            sync: SyncPolicy::Off,
        })?;
        let begin =
            Record::Start { format: record::FORMAT, run: run.number, config_hash: config_hash(&toml), now };
        begin.append(&mut writer)?;
        Ok(Kept { run, writer, keeper })
    }

    /// Writes a record.
    ///
    /// # Errors
    /// The disk's.
    #[inline]
    pub fn write(&mut self, record: &Record) -> Result<(), KeptError> {
        if self.writer.low() {
            self.keeper.tend()?;
        }
        record.append(&mut self.writer)?;
        Ok(())
    }

    /// Ends it in order; its folder.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(mut self, hash: u64) -> Result<std::path::PathBuf, KeptError> {
        self.write(&Record::End { hash })?;
        self.writer.finish();
        self.keeper.close()?;
        Ok(self.run.path.clone())
    }
}
