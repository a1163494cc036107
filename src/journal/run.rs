//! The folder of a core's journals: one sub-folder a run, the durable token blocks, and a lock so that two processes never run under one name.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::{Canary, Token};

/// Why a run's folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process holds the lock.
    #[error("{0}: a core of this name is running already")]
    Locked(PathBuf),
    /// The disk says no.
    #[error("{path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token file is not what was written: granting tokens from it could use one twice.
    #[error(
        "{0}: not a token file; a token may never be used twice, so find out the last one used, write `next = N` into it and start again"
    )]
    Tokens(PathBuf),
    /// All 32 bits of tokens are used up.
    #[error("every token of the day is used")]
    TokensUsedUp,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RunError + '_ {
    move |source| RunError::Io { path: path.to_path_buf(), source }
}

/// The folder of one run.
#[derive(Debug)]
pub struct RunDir {
    /// The folder.
    pub path: PathBuf,
    /// The run's number, from 1.
    pub number: u32,
    /// Held as long as the process lives.
    _lock: File,
}

impl RunDir {
    /// Makes the next run's folder under `journal_dir` and writes `config.toml` into it.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn create(journal_dir: &Path, config_toml: &str) -> Result<RunDir, RunError> {
        fs::create_dir_all(journal_dir).map_err(at(journal_dir))?;
        let lock = lock(journal_dir.join("lock"))?;
        let number = last_before(journal_dir, u32::MAX)?.map_or(1, |(n, _)| n.saturating_add(1));
        let path = journal_dir.join(format!("run-{number:06}"));
        fs::create_dir(&path).map_err(at(&path))?;
        let config = path.join("config.toml");
        if let Err(e) = fs::write(&config, config_toml) {
            // A run that never was leaves no folder.
            let _ = fs::remove_dir_all(&path);
            return Err(at(&config)(e));
        }
        Ok(RunDir { path, number, _lock: lock })
    }

    /// Holds a folder of journals, so that no core runs there, until the file is dropped.
    ///
    /// # Errors
    /// [`RunError::Locked`] where one does.
    pub fn hold(journal_dir: &Path) -> Result<File, RunError> {
        lock(journal_dir.join("lock"))
    }

    /// Where the core's log is.
    #[must_use]
    pub fn core(run: &Path) -> PathBuf {
        run.join("core")
    }

    /// Where a feed's capture is.
    #[must_use]
    pub fn capture(run: &Path, feed: &str) -> PathBuf {
        run.join(format!("feed-{feed}"))
    }

    /// The run that a path given by a person means: the path itself where it is a run, otherwise the last run in it.
    #[must_use]
    pub fn find(given: &Path) -> PathBuf {
        if given.join("config.toml").exists() || given.join("core").exists() {
            return given.to_path_buf();
        }
        match last_before(given, u32::MAX) {
            Ok(Some((_, path))) => path,
            _ => given.to_path_buf(),
        }
    }
}

/// Takes a name on this host for this process: its region and its control socket have one place, wherever the journal is. Held until dropped.
///
/// # Errors
/// [`RunError::Locked`] where a living process has it.
pub fn take_name(name: &str) -> Result<File, RunError> {
    lock(name_lock(name))
}

/// The file whose lock is the name.
fn name_lock(name: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/colo-{name}.lock"))
}

/// Removes the file of a name that nobody will take again. One that is not there is no error.
pub fn give_up_name(name: &str) {
    let _ = fs::remove_file(name_lock(name));
}

fn lock(path: PathBuf) -> Result<File, RunError> {
    // In a folder that anyone may write to, a link of this name might point anywhere.
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Locked(path)),
        Err(TryLockError::Error(e)) => Err(at(&path)(e)),
    }
}

/// The last run in a folder of journals whose number is below this.
pub(super) fn last_before(dir: &Path, number: u32) -> Result<Option<(u32, PathBuf)>, RunError> {
    Ok(runs(dir)?.into_iter().filter(|(n, _)| *n < number).max())
}

/// The runs in a folder of journals, by number, in no order.
pub(super) fn runs(dir: &Path) -> Result<Vec<(u32, PathBuf)>, RunError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let path = entry.map_err(at(dir))?.path();
        let number = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix("run-"));
        found.extend(number.and_then(|n| n.parse::<u32>().ok()).map(|n| (n, path)));
    }
    Ok(found)
}

/// Order tokens, granted in blocks that are durable before they are used: a restart goes on after the last block granted, so no token is ever used twice.
#[derive(Debug)]
pub struct TokenBlocks {
    path: PathBuf,
    next: u32,
}

impl TokenBlocks {
    /// Tokens in a block. A day has room for 65,535 blocks.
    pub const BLOCK: u32 = 65_536;

    /// Opens the token file of a core, or begins with token 1 where there is none.
    ///
    /// # Errors
    /// [`RunError::Tokens`] for a file that is not understood.
    pub fn open(journal_dir: &Path) -> Result<TokenBlocks, RunError> {
        let path = journal_dir.join("tokens");
        let next = match fs::read_to_string(&path) {
            Ok(text) => {
                let number = text.trim().strip_prefix("next = ").and_then(|n| n.parse().ok());
                number.filter(|n| *n > 0).ok_or_else(|| RunError::Tokens(path.clone()))?
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => 1,
            Err(e) => return Err(at(&path)(e)),
        };
        let next = if Canary::TokensAgain.sings() { 1 } else { next };
        Ok(TokenBlocks { path, next })
    }

    /// Makes the next block durable and returns `[first, end)`.
    ///
    /// # Errors
    /// [`RunError`]; nothing is granted then.
    pub fn grant(&mut self) -> Result<(Token, Token), RunError> {
        let end = self.next.checked_add(TokenBlocks::BLOCK).ok_or(RunError::TokensUsedUp)?;
        let new = self.path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut f = File::create(&new)?;
            writeln!(f, "next = {end}")?;
            f.sync_all()?;
            fs::rename(&new, &self.path)?;
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(at(&self.path))?;
        let first = std::mem::replace(&mut self.next, end);
        Ok((Token(first), Token(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_never_granted_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut a = TokenBlocks::open(dir.path()).unwrap();
        assert_eq!(a.grant().unwrap(), (Token(1), Token(65_537)));
        assert_eq!(a.grant().unwrap().0, Token(65_537));
        // A restart that used nothing of its block goes on behind it all the same.
        let mut b = TokenBlocks::open(dir.path()).unwrap();
        assert_eq!(b.grant().unwrap().0, Token(131_073));
    }

    #[test]
    fn a_token_file_that_is_not_understood_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for bad in ["", "next = ", "next = x", "next = 0", "next = 4294967296", "7"] {
            fs::write(dir.path().join("tokens"), bad).unwrap();
            assert!(matches!(TokenBlocks::open(dir.path()), Err(RunError::Tokens(_))), "{bad:?}");
        }
        fs::write(dir.path().join("tokens"), "next = 4294967290\n").unwrap();
        let mut t = TokenBlocks::open(dir.path()).unwrap();
        assert!(matches!(t.grant(), Err(RunError::TokensUsedUp)));
    }

    #[test]
    fn runs_are_numbered_and_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let one = RunDir::create(dir.path(), "a = 1").unwrap();
        assert_eq!(one.number, 1);
        assert!(matches!(RunDir::create(dir.path(), ""), Err(RunError::Locked(_))));
        drop(one);
        let two = RunDir::create(dir.path(), "").unwrap();
        assert_eq!(two.number, 2);
        assert_eq!(RunDir::find(dir.path()), two.path);
        assert_eq!(RunDir::find(&two.path), two.path);
    }
}
