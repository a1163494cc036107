//! Which program runs which configuration: two SHA-256, so that servers of one fleet can be held to one answer.
//!
//! ```toml
//! version = 1
//! binary_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! config_sha256 = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
//! ```
//!
//! Every run of `colo run` leaves it beside its journal (`run-NNNNNN/manifest.toml`), and `colo config manifest FILE` prints it. To approve is to put one where `[host] approved` points: from then on
//! another program, or another configuration, does not log in (Knight 2012: one of eight servers ran what nobody had meant to run). What is approved may name several.
//!
//! The configuration's hash is of what is written in the file, every default filled in. What the file points at and what changes each day (restricted list, positions of the morning, secrets) is not in it;
//! comments, order and spaces are not either.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use model::Canary;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::{self, ConfigError};

/// What this version writes and understands.
const VERSION: u32 = 1;
/// A manifest is two lines a pair.
const BYTES_MAX: u64 = 1 << 20;

/// One program with one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// SHA-256 of the program, 64 hexadecimal digits.
    pub binary_sha256: String,
    /// SHA-256 of the configuration, 64 hexadecimal digits.
    pub config_sha256: String,
}

/// One pair as a run leaves it, or several as they are approved.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    binary_sha256: Option<String>,
    config_sha256: Option<String>,
    /// Of a run in production: the approval that it ran under.
    approval_sha256: Option<String>,
    /// Of a run: its strategy, parameters and symbols as configured, ...
    params_sha256: Option<String>,
    /// ... and as an operator has put them in force, where that is something else.
    params_in_force_sha256: Option<String>,
    /// Others.
    #[serde(default)]
    pair: Vec<Pair>,
}

/// What a run leaves of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// Program and configuration.
    #[serde(flatten)]
    pub pair: Pair,
    /// The seal of the approval that it ran under, in production ([`crate::release`]).
    pub approval_sha256: Option<String>,
    /// Strategy, parameters and symbols as configured ([`crate::release::params_sha256`]).
    pub params_sha256: Option<String>,
    /// And as an operator has put them in force while it ran (`ctl params`); none where they are as configured.
    pub params_in_force_sha256: Option<String>,
}

/// Its name in a run's folder.
pub const FILE: &str = "manifest.toml";

impl Ran {
    /// As a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let keys = [
            ("approval_sha256", &self.approval_sha256),
            ("params_sha256", &self.params_sha256),
            ("params_in_force_sha256", &self.params_in_force_sha256),
        ];
        let line = |(key, hash): (&str, &Option<String>)| hash.as_ref().map(|h| format!("{key} = \"{h}\"\n"));
        self.pair.to_toml() + &keys.into_iter().filter_map(line).collect::<String>()
    }

    /// Leaves it in a run's folder, whole or not at all.
    ///
    /// # Errors
    /// The disk's.
    pub fn leave(&self, run: &Path) -> io::Result<()> {
        let new = run.join("manifest.toml.new");
        std::fs::write(&new, self.to_toml())?;
        std::fs::rename(new, run.join(FILE))
    }

    /// With these parameters in force.
    pub fn turn_to(&mut self, params_sha256: String) {
        self.params_in_force_sha256 =
            Some(params_sha256).filter(|now| self.params_sha256.as_ref() != Some(now));
    }
}

/// Why a core may not log in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The list of what is approved cannot be read.
    #[error("{0}")]
    Unreadable(#[from] ConfigError),
    /// Another program.
    #[error("this program is {found}, and {approved} is approved (`binary_sha256`)")]
    Binary {
        /// Its hash.
        found: String,
        /// What would do.
        approved: String,
    },
    /// Another configuration.
    #[error("this configuration is {found}, and {approved} is approved (`config_sha256`)")]
    Config {
        /// Its hash.
        found: String,
        /// What would do.
        approved: String,
    },
}

impl Pair {
    /// The program that asks, with a configuration.
    ///
    /// # Errors
    /// Where the own program cannot be read.
    pub fn of(config: &config::Config) -> io::Result<Pair> {
        Ok(Pair { binary_sha256: of_this_program()?, config_sha256: config.sha256.clone() })
    }

    /// As a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        format!(
            "version = {VERSION}\nbinary_sha256 = \"{}\"\nconfig_sha256 = \"{}\"\n",
            self.binary_sha256, self.config_sha256
        )
    }

    /// Whether a file approves of it.
    ///
    /// # Errors
    /// [`Refused`], with what differs.
    pub fn approved_by(&self, file: &Path) -> Result<(), Refused> {
        let approved = read(file)?;
        if approved.contains(self) || Canary::MixedFleet.sings() {
            return Ok(());
        }
        let list = |of: &dyn Fn(&Pair) -> &String| {
            approved.iter().map(|p| of(p).as_str()).collect::<Vec<_>>().join(" or ")
        };
        let found = self.clone();
        if approved.iter().any(|p| p.binary_sha256 == self.binary_sha256) {
            return Err(Refused::Config {
                found: found.config_sha256,
                approved: list(&|p| &p.config_sha256),
            });
        }
        Err(Refused::Binary { found: found.binary_sha256, approved: list(&|p| &p.binary_sha256) })
    }
}

/// The SHA-256 of the program that asks.
///
/// # Errors
/// Where it cannot be read.
pub fn of_this_program() -> io::Result<String> {
    // The open file behind the name, so it is what runs, whatever stands under the name by now.
    of_file(Path::new("/proc/self/exe"))
}

/// The SHA-256 of a file's bytes. Cost: reads all of it.
///
/// # Errors
/// Where it cannot be read.
pub fn of_file(file: &Path) -> io::Result<String> {
    of_reader(File::open(file)?)
}

/// The SHA-256 of a text, in hexadecimal digits.
#[must_use]
pub fn of_text(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn of_reader(mut from: impl Read) -> io::Result<String> {
    let (mut hash, mut bytes) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&bytes[..n]),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a run left: one pair.
///
/// # Errors
/// No such file, or not one that a run leaves.
pub fn read_ran(file: &Path) -> Result<Ran, ConfigError> {
    let (pairs, written) = read_all(file)?;
    let Written { approval_sha256, params_sha256, params_in_force_sha256, .. } = written;
    match <[Pair; 1]>::try_from(pairs) {
        Ok([pair]) => Ok(Ran { pair, approval_sha256, params_sha256, params_in_force_sha256 }),
        Err(pairs) => Err(ConfigError {
            file: file.to_path_buf(),
            problems: vec![config::Problem {
                key: "pair".into(),
                found: format!("{} pairs", pairs.len()),
                allowed: "the one pair of a run".into(),
            }],
        }),
    }
}

/// Everything that a file approves of, at least one.
fn read(file: &Path) -> Result<Vec<Pair>, ConfigError> {
    read_all(file).map(|(pairs, _)| pairs)
}

fn read_all(file: &Path) -> Result<(Vec<Pair>, Written), ConfigError> {
    let refuse = |key: &str, found: String, allowed: &str| ConfigError {
        file: file.to_path_buf(),
        problems: vec![config::Problem { key: key.into(), found, allowed: allowed.into() }],
    };
    let bytes = std::fs::metadata(file).map_or(0, |m| m.len());
    if bytes > BYTES_MAX {
        return Err(refuse("(file)", format!("{bytes} bytes"), "at most a MiB"));
    }
    let mut written: Written = config::read_toml(file)?;
    if written.version != VERSION {
        return Err(refuse("version", written.version.to_string(), "1"));
    }
    let mut pairs = std::mem::take(&mut written.pair);
    match (written.binary_sha256.take(), written.config_sha256.take()) {
        (Some(binary_sha256), Some(config_sha256)) => pairs.push(Pair { binary_sha256, config_sha256 }),
        (None, None) => {}
        (Some(_), None) => return Err(refuse("config_sha256", "not given".into(), "beside `binary_sha256`")),
        (None, Some(_)) => return Err(refuse("binary_sha256", "not given".into(), "beside `config_sha256`")),
    }
    let is_hash =
        |s: &str| s.len() == 64 && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    for p in &pairs {
        for (key, hash) in [("binary_sha256", &p.binary_sha256), ("config_sha256", &p.config_sha256)] {
            if !is_hash(hash) {
                return Err(refuse(key, format!("{hash:?}"), "64 hexadecimal digits, in lower case"));
            }
        }
    }
    if pairs.is_empty() {
        return Err(refuse("pair", "nothing".into(), "what is approved: nothing else logs in"));
    }
    Ok((pairs, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(binary: char, config: char) -> Pair {
        let of = |c: char| c.to_string().repeat(64);
        Pair { binary_sha256: of(binary), config_sha256: of(config) }
    }

    #[test]
    fn what_is_approved_logs_in_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("approved.toml");
        let mut text = pair('a', 'b').to_toml();
        for p in [pair('a', 'c'), pair('d', 'b')] {
            text += &format!(
                "[[pair]]\nbinary_sha256 = \"{}\"\nconfig_sha256 = \"{}\"\n",
                p.binary_sha256, p.config_sha256
            );
        }
        std::fs::write(&file, text).unwrap();
        for good in [pair('a', 'b'), pair('a', 'c'), pair('d', 'b')] {
            good.approved_by(&file).unwrap();
        }
        // Each half is approved, and yet not the pair.
        let mixed = pair('d', 'c').approved_by(&file).unwrap_err();
        assert!(matches!(&mixed, Refused::Config { found, .. } if found.starts_with("ccc")), "{mixed}");
        let other = pair('e', 'b').approved_by(&file).unwrap_err();
        assert!(matches!(&other, Refused::Binary { found, .. } if found.starts_with("eee")), "{other}");
    }

    #[test]
    fn a_list_that_is_not_understood_approves_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("approved.toml");
        assert!(matches!(pair('a', 'b').approved_by(&file), Err(Refused::Unreadable(_))), "absent");
        let good = pair('a', 'b').to_toml();
        for (bad, names) in [
            (String::new(), "version"),
            ("version = 1\n".into(), "pair"),
            (good.replace("= 1", "= 2"), "version"),
            (good.replace(&"a".repeat(64), &"A".repeat(64)), "binary_sha256"),
            (good.replace(&"b".repeat(64), "b"), "config_sha256"),
            (good.replace("config_sha256", "config"), "config"),
            (good.lines().take(2).collect::<Vec<_>>().join("\n"), "config_sha256"),
        ] {
            std::fs::write(&file, &bad).unwrap();
            let why = pair('a', 'b').approved_by(&file).unwrap_err();
            assert!(matches!(why, Refused::Unreadable(_)) && why.to_string().contains(names), "{bad}: {why}");
        }
    }

    #[test]
    fn a_hash_is_of_every_byte() {
        assert_eq!(
            of_text("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "FIPS 180-2, B.1"
        );
        let long = "x".repeat(200_000);
        assert_eq!(of_reader(long.as_bytes()).unwrap(), of_text(&long));
    }
}
