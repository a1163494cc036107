//! A run that is written down by somebody other than a core: the journal of a backtest, in the form of any other, so that whatever reads a journal reads it.

use std::path::Path;

use model::Nanos;
use ringbuf::log::{self, Keeper, LogConfig, LogError, SyncPolicy, Writer};

use crate::config::Config;
use crate::core::config_hash;
use crate::journal::{Record, RunDir, RunError, record};

/// Where it goes. One that is not finished takes its folder away again.
pub struct Kept {
    run: RunDir,
    log: Option<(Writer, Keeper)>,
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
    /// A core's own folder.
    #[error("{}: is the folder of a core, which keeps its own runs there: give another", .0.display())]
    OfACore(std::path::PathBuf),
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
    /// Makes the next run's folder under `dir`. Market data lies where another run has its captures, or in a file of the first feed; the new run points there.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn create(
        dir: &Path,
        config: &Config,
        now: Nanos,
        captured: Option<&Path>,
    ) -> Result<Kept, KeptError> {
        // The next start of that core would take over what stood at the end of this one.
        if dir.join("tokens").exists() {
            return Err(KeptError::OfACore(dir.to_path_buf()));
        }
        let toml = config.to_toml();
        let run = RunDir::create(dir, &toml)?;
        for (feed, captured) in config.feeds.iter().zip(captured.into_iter().cycle()) {
            let from = match captured.is_dir() {
                true => RunDir::capture(captured, &feed.id),
                false => captured.to_path_buf(),
            };
            let to = RunDir::capture(&run.path, &feed.id);
            if let Ok(from) = from.canonicalize() {
                std::os::unix::fs::symlink(from, &to).map_err(|source| KeptError::Io { path: to, source })?;
            }
        }
        let mut kept = Kept { run, log: None };
        let run = &kept.run;
        let (mut writer, keeper) = log::create(LogConfig {
            dir: RunDir::core(&run.path),
            segment_bytes: config.journal.segment_bytes,
            reserve_bytes: config.journal.segment_bytes / 4,
            sync: SyncPolicy::Off,
        })?;
        let begin =
            Record::Start { format: record::FORMAT, run: run.number, config_hash: config_hash(&toml), now };
        begin.append(&mut writer)?;
        kept.log = Some((writer, keeper));
        Ok(kept)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// The disk's.
    #[inline]
    pub fn write(&mut self, record: &Record) -> Result<(), KeptError> {
        if let Some((writer, keeper)) = &mut self.log {
            if writer.low() {
                keeper.tend()?;
            }
            record.append(writer)?;
        }
        Ok(())
    }

    /// Ends it in order; its folder.
    ///
    /// # Errors
    /// The disk's.
    pub fn finish(mut self, hash: u64) -> Result<std::path::PathBuf, KeptError> {
        self.write(&Record::End { hash })?;
        if let Some((writer, keeper)) = self.log.take() {
            writer.finish();
            keeper.close()?;
        }
        Ok(self.run.path.clone())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.log.take().is_some() {
            // The failure itself is what the person is told; what cannot be removed is in nobody's way.
            let _ = std::fs::remove_dir_all(&self.run.path);
        }
    }
}
