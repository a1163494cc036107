//! What was approved, kept beside the log by its hash, so that going back to it is putting it back: `kept/PROGRAM` and `kept/CONFIG.toml`, each under its SHA-256.
//!
//! The configuration is kept as it was written, comments included; its hash is of what it says, so what is kept is read and hashed again before it is put anywhere.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Refused;
use crate::config::{Config, Secrets, parse_toml};
use crate::manifest::{Pair, of_file};

/// The folder.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// The folder beside a log.
    #[must_use]
    pub fn beside(log: &Path) -> Kept {
        Kept { folder: log.with_file_name("kept") }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn program(&self, pair: &Pair) -> PathBuf {
        self.folder.join(&pair.binary_sha256)
    }

    fn config(&self, pair: &Pair) -> PathBuf {
        self.folder.join(format!("{}.toml", pair.config_sha256))
    }

    /// Keeps the program that asks and a configuration. Cost: a copy of the program, once.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&self, pair: &Pair, config: &Path) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        for (from, to) in [(Path::new("/proc/self/exe"), self.program(pair)), (config, self.config(pair))] {
            if !to.exists() {
                replace(from, &to)?;
            }
        }
        Ok(())
    }

    /// Puts a configuration back in its place, where it is not there already; whether it was put.
    ///
    /// # Errors
    /// It is not kept, or not what was kept; the disk's.
    pub fn restore_config(&self, pair: &Pair, place: &Path) -> Result<bool, Refused> {
        let kept = self.config(pair);
        let at = |e: io::Error| Refused::because(format!("{}: {e}", kept.display()));
        let text = fs::read_to_string(&kept).map_err(at)?;
        if hash_of(&text, place).is_none_or(|hash| hash != pair.config_sha256) {
            return Err(Refused::because(format!(
                "{}: is not the configuration that was kept",
                kept.display()
            )));
        }
        if fs::read_to_string(place).is_ok_and(|there| there == text) {
            return Ok(false);
        }
        replace(&kept, place).map_err(|e| Refused::because(format!("{}: {e}", place.display())))?;
        Ok(true)
    }

    /// Puts a program back in its place, where it is not there already; whether it was put.
    ///
    /// # Errors
    /// It is not kept, or not what was kept; the disk's.
    pub fn restore_program(&self, pair: &Pair, place: &Path) -> Result<bool, Refused> {
        let kept = self.program(pair);
        let hash = of_file(&kept).map_err(|e| Refused::because(format!("{}: {e}", kept.display())))?;
        if hash != pair.binary_sha256 {
            return Err(Refused::because(format!("{}: is not the program that was kept", kept.display())));
        }
        if of_file(place).is_ok_and(|there| there == hash) {
            return Ok(false);
        }
        replace(&kept, place).map_err(|e| Refused::because(format!("{}: {e}", place.display())))?;
        Ok(true)
    }
}

/// What a configuration would be known by in this place.
fn hash_of(text: &str, place: &Path) -> Option<String> {
    let written = parse_toml(text, place).ok()?;
    Config::resolve(written, place, Secrets::Skip).ok().map(|c| c.sha256)
}

/// Copies over a file in one step: whoever opens it finds the old one or the new one, and a program that runs keeps its own.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = to.with_file_name(name);
    fs::copy(from, &new)?;
    File::open(&new)?.sync_all()?;
    fs::rename(new, to)
}
