//! Approvers: an Ed25519 key each (RFC 8032). The private half is one file of one person, the public halves are a file that the policy names.
//!
//! ```toml
//! version = 1                       # approvers.toml
//!
//! [[approver]]
//! name = "anna"
//! key = "ed25519:<64 hexadecimal digits>"
//! ```
//!
//! Invariants: a private key is read only from a regular file of the user who asks that nobody else may read (0600), is never printed, and comes in by no argument. A public key stands for one
//! name; one name may have several keys and is one person all the same.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::{ConfigError, Problem, read_toml};
use crate::host::own_uid;

/// What a private key's file begins with.
const HEAD: &str = "colo ed25519 private key 1";
/// What is signed begins with it, so that a signature under something else is none under a release.
const CONTEXT: &str = "colo release 1\n";
const PREFIX: &str = "ed25519:";

/// Why a private key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{}: {what}; a private key is a file of yours with mode 0600 (chmod 600)", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// It is something else.
    #[error("{}: is not a private key as `colo release keygen` writes one", .0.display())]
    Malformed(PathBuf),
}

/// Somebody's public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<PublicKey, D::Error> {
        let text = String::deserialize(d)?;
        let key = text.strip_prefix(PREFIX).and_then(unhex).map(PublicKey);
        key.ok_or_else(|| {
            serde::de::Error::custom("not a key, expected \"ed25519:\" and 64 hexadecimal digits")
        })
    }
}

impl PublicKey {
    /// Whether this key signed the text. Cost: a tenth of a millisecond.
    #[must_use]
    pub fn has_signed(&self, text: &str, signature: &str) -> bool {
        let Some(signature) = unhex::<64>(signature) else { return false };
        let signed = format!("{CONTEXT}{text}");
        UnparsedPublicKey::new(&ED25519, self.0).verify(signed.as_bytes(), &signature).is_ok()
    }
}

/// One's own key.
pub struct PrivateKey {
    pair: Ed25519KeyPair,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the private key of {}", self.public())
    }
}

impl PrivateKey {
    /// Makes one and writes its file, with mode 0600; a file that is there is not overwritten.
    ///
    /// # Errors
    /// [`KeyError::Io`]: the file is there, cannot be written, or the system gives no random bytes.
    pub fn make(file: &Path) -> Result<PrivateKey, KeyError> {
        let at = |source| KeyError::Io { path: file.into(), source };
        let mut seed = [0; 32];
        let random = SystemRandom::new().fill(&mut seed);
        random.map_err(|_| at(io::Error::other("the system gives no random bytes")))?;
        let mut new = File::options().write(true).create_new(true).mode(0o600).open(file).map_err(at)?;
        writeln!(new, "{HEAD}\n{}", hex(&seed)).and_then(|()| new.sync_all()).map_err(at)?;
        PrivateKey::of_seed(&seed).ok_or_else(|| KeyError::Malformed(file.into()))
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`KeyError`]; what stands in the file is not in the message.
    pub fn read(file: &Path) -> Result<PrivateKey, KeyError> {
        let at = |source| KeyError::Io { path: file.into(), source };
        // Neither a link nor a pipe that nobody writes into.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let opened = File::options().read(true).custom_flags(flags).open(file).map_err(at)?;
        let about = opened.metadata().map_err(at)?;
        let exposed = |what: String| KeyError::Exposed { path: file.into(), what };
        if !about.is_file() {
            return Err(exposed("is no regular file".into()));
        }
        if about.mode() & 0o177 != 0 {
            return Err(exposed(format!("has mode {:04o}", about.mode() & 0o7777)));
        }
        if about.uid() != own_uid() {
            return Err(exposed(format!("is of user {}", about.uid())));
        }
        let mut text = String::new();
        opened.take(4_096).read_to_string(&mut text).map_err(at)?;
        let seed = text.strip_prefix(HEAD).and_then(|rest| rest.strip_prefix('\n'));
        let seed = seed.and_then(|rest| unhex::<32>(rest.trim_end()));
        seed.and_then(|seed| PrivateKey::of_seed(&seed)).ok_or_else(|| KeyError::Malformed(file.into()))
    }

    fn of_seed(seed: &[u8; 32]) -> Option<PrivateKey> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(|pair| PrivateKey { pair })
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(key)
    }

    /// Signs a text; 128 hexadecimal digits.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        hex(self.pair.sign(format!("{CONTEXT}{text}").as_bytes()).as_ref())
    }
}

/// Somebody who may approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// Who.
    pub name: String,
    /// By which key.
    pub key: PublicKey,
}

/// Everybody who may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvers {
    version: u32,
    /// At least one.
    approver: Vec<Approver>,
}

impl Approvers {
    /// Reads their file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key.
    pub fn read(file: &Path) -> Result<Approvers, ConfigError> {
        let all: Approvers = read_toml(file)?;
        let refuse = |key: String, found: String, allowed: &str| ConfigError {
            file: file.into(),
            problems: vec![Problem { key, found, allowed: allowed.into() }],
        };
        if all.version != 1 {
            return Err(refuse("version".into(), all.version.to_string(), "1"));
        }
        if all.approver.is_empty() {
            return Err(refuse("approver".into(), "nobody".into(), "at least one approver"));
        }
        for (k, a) in all.approver.iter().enumerate() {
            let is_name = (1..=64).contains(&a.name.len()) && !a.name.chars().any(char::is_control);
            if !is_name || a.name.trim() != a.name {
                let key = format!("approver[{k}].name");
                return Err(refuse(key, format!("{:?}", a.name), "1 to 64 letters, no blank at an end"));
            }
            if all.approver[..k].iter().any(|b| b.key == a.key) {
                let key = format!("approver[{k}].key");
                return Err(refuse(key, format!("{}, given before", a.key), "a key of one's own"));
            }
        }
        Ok(all)
    }

    /// Whose key it is.
    #[must_use]
    pub fn name_of(&self, key: &PublicKey) -> Option<&str> {
        self.approver.iter().find(|a| a.key == *key).map(|a| a.name.as_str())
    }
}

/// Bytes as digits, in lower case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Digits as bytes: exactly so many, in lower case, so that there is one way to write each.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
