//! What a gateway that speaks FIX needs beside the rest: `[gateways.fix]`.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateways::fix::session::Reset;
use model::Nanos;
use serde::{Deserialize, Serialize};

use super::resolve::Checks;
use super::rest;
use super::secrets::Secrets;
use crate::fix_store::Sync;

/// As written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Who we are.
    pub sender_comp_id: String,
    /// Who the venue is.
    pub target_comp_id: String,
    /// Seconds between heartbeats; 0 for none.
    #[serde(default = "heartbeat_s")]
    pub heartbeat_s: u32,
    /// `never` or `each_logon`: when both sequences begin at 1 again. Venues that demand it at each logon have nothing replayed.
    #[serde(default = "never")]
    pub reset: String,
    /// A time of day, `17:00:00` UTC: both sequences begin at 1 again at the first logon from then on, once a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<String>,
    /// A file with a key in base64, with which logons are signed; the password then stands in what is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_key_file: Option<String>,
    /// Account (1) of each order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether this is a drop copy: it tells of the orders of other sessions, and nothing is ever sent on it.
    #[serde(default)]
    pub drop_copy: bool,
    /// `off` or `each`: whether sequence numbers are on the disk before the message leaves.
    #[serde(default = "off")]
    pub sync: String,
    /// The name that the venue's certificate must bear: the session goes over TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_name: Option<String>,
    /// A file with the certificates of the authorities that are believed; those of the public web where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_roots_file: Option<String>,
}

const fn heartbeat_s() -> u32 {
    30
}
fn never() -> String {
    "never".into()
}
fn off() -> String {
    "off".into()
}

/// Resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct Fix {
    /// Who we are.
    pub sender: String,
    /// Who the venue is.
    pub target: String,
    /// Seconds between heartbeats.
    pub heartbeat_s: u32,
    /// When sequences begin anew.
    pub reset: Reset,
    /// The key that signs logons; empty where secrets were not asked for.
    pub key: Option<Vec<u8>>,
    /// Account of each order.
    pub account: Option<String>,
    /// Whether it only tells of others' orders.
    pub drop_copy: bool,
    /// The store.
    pub store: PathBuf,
    /// When it is on the disk.
    pub sync: Sync,
    /// TLS.
    pub tls: Option<Tls>,
}

/// Whom a venue has to prove to be.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// Its name.
    pub name: String,
    /// Certificates of the authorities that are believed, in PEM.
    pub roots: Option<Vec<u8>>,
}

impl fmt::Debug for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.sender, self.target)
    }
}

/// Reads a file named at `key`; empty, and a problem noted, where it cannot be read.
fn file(c: &mut Checks, key: String, base: &Path, name: &str) -> Vec<u8> {
    std::fs::read(base.join(name)).unwrap_or_else(|e| {
        c.problem(key, format!("{name:?}, unreadable ({e})"), "a readable file");
        Vec::new()
    })
}

/// `HH:MM:SS` since midnight.
fn time_of_day(text: &str) -> Option<Nanos> {
    let two = |at: usize| {
        let digits = text.get(at..at + 2).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    };
    let (hour, minute, second) = (two(0)?, two(3)?, two(6)?);
    let is_written = text.len() == 8 && text.as_bytes()[2] == b':' && text.as_bytes()[5] == b':';
    let is_time = hour < 24 && minute < 60 && second < 60;
    (is_written && is_time).then(|| Nanos(((hour * 60 + minute) * 60 + second) * 1_000_000_000))
}

/// Checks what is under `key`. `journals`: where the core keeps its files.
pub(super) fn resolve(
    c: &mut Checks,
    key: &str,
    w: &Written,
    (base, journals): (&Path, &Path),
    secrets: Secrets,
) -> Fix {
    let at = |name: &str| format!("{key}.fix.{name}");
    for (name, id) in [("sender_comp_id", &w.sender_comp_id), ("target_comp_id", &w.target_comp_id)] {
        // They are also part of a file's name.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !(1..=64).contains(&id.len()) || !id.bytes().all(plain) || id.starts_with('.') {
            c.problem(at(name), format!("{id:?}"), "1 to 64 letters, digits, `-`, `_` or `.`");
        }
    }
    if w.heartbeat_s > 3_600 {
        c.problem(at("heartbeat_s"), w.heartbeat_s, "0 to 3600");
    }
    let resets = [("never", Reset::Never), ("each_logon", Reset::EachLogon)];
    let reset = c.word(&at("reset"), &w.reset, &resets).unwrap_or(Reset::Never);
    let reset = match w.reset_at.as_ref().map(|text| (text, time_of_day(text))) {
        None => reset,
        Some((_, Some(time))) if reset == Reset::Never => Reset::Daily(time),
        Some((text, _)) => {
            let needed = "a time of day as \"17:00:00\", UTC, beside reset = \"never\"";
            c.problem(at("reset_at"), format!("{text:?}"), needed);
            reset
        }
    };
    let sync =
        c.word(&at("sync"), &w.sync, &[("off", Sync::Off), ("each", Sync::Each)]).unwrap_or(Sync::Each);
    let read = secrets == Secrets::Read;
    let signing = w.sign_key_file.as_ref().map(|name| {
        if !read {
            return Vec::new();
        }
        let text = file(c, at("sign_key_file"), base, name);
        let decoded = STANDARD.decode(text.trim_ascii()).unwrap_or_default();
        if !(16..=128).contains(&decoded.len()) {
            c.problem(at("sign_key_file"), "not a key", "16 to 128 bytes in base64");
        }
        decoded
    });
    if w.tls_name.is_none() && w.tls_roots_file.is_some() {
        c.problem(at("tls_roots_file"), "given without tls_name", "tls_name, for there is no TLS without it");
    }
    let tls = w.tls_name.as_ref().map(|name| {
        let roots = w.tls_roots_file.as_ref().filter(|_| read);
        if let Err(e) = net::tls::check_name(name) {
            c.problem(at("tls_name"), e, "a DNS name or an IP address, as in the venue's certificate");
        }
        let key = at("tls_roots_file");
        Tls { name: name.clone(), roots: roots.map(|name| rest::authorities(c, &key, base, name)) }
    });
    Fix {
        sender: w.sender_comp_id.clone(),
        target: w.target_comp_id.clone(),
        heartbeat_s: w.heartbeat_s,
        reset,
        key: signing,
        account: w.account.clone(),
        drop_copy: w.drop_copy,
        store: journals.join(format!("fix-{}-{}.store", w.sender_comp_id, w.target_comp_id)),
        sync,
        tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_one() {
        assert_eq!(time_of_day("17:00:05"), Some(Nanos(61_205_000_000_000)));
        assert_eq!(time_of_day("00:00:00"), Some(Nanos::ZERO));
        for bad in [
            "",
            "17:00",
            "24:00:00",
            "17:60:00",
            "17:00:60",
            "17-00-00",
            "+1:00:00",
            "17:00:000",
            "1\u{e9}:00:0",
        ] {
            assert_eq!(time_of_day(bad), None, "{bad}");
        }
    }
}
