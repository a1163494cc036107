//! The FIX port and the accounts that speak it, as written.

use std::net::SocketAddr;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use gateways::fix::logon::Credentials as Shown;
use gateways::fix::session::Version;
use serde::Deserialize;

use super::{Secret, invalid};
use crate::exchange::ExchangeError;
use crate::exchange::accounts::Credentials;
use crate::exchange::codec::Protocol;
use crate::exchange::fix::FixRules;
use crate::exchange::fix::connection::Seat;

const DAY_S: u64 = 86_400;

/// Where FIX is spoken.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixPortConfig {
    /// In the clear; port 0 picks one. None where absent.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// Over TLS, with a certificate made at the start for this address; port 0 picks one. None where absent.
    #[serde(default)]
    pub tls: Option<SocketAddr>,
    /// Where the certificate of the authority behind that is written, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The venue's CompID.
    #[serde(default = "venue")]
    pub comp_id: String,
}

fn venue() -> String {
    "VENUE".into()
}

/// An account's FIX session.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixAccountConfig {
    /// The client's CompID.
    pub comp_id: String,
    /// A key of 16 to 128 bytes in base64: logons are to be signed with it.
    #[serde(default)]
    pub sign_key: Option<Secret>,
    /// Usernames of other accounts: it is told what they are, and may ask nothing.
    #[serde(default)]
    pub drop_copy_of: Vec<String>,
}

impl FixPortConfig {
    pub(super) fn check(&self) -> Result<(), ExchangeError> {
        if self.tls.is_some() != self.ca_file.is_some() {
            return Err(invalid("fix.ca_file", "(alone)", "ca_file where tls is, and nowhere else"));
        }
        Ok(())
    }
}

/// What holds for an account's session, where it has one.
pub(super) fn resolve(
    account: &FixAccountConfig,
    protocol: Protocol,
    port: Option<&FixPortConfig>,
    credentials: &Credentials,
    key: &str,
    unix_seconds: u64,
) -> Result<FixRules, ExchangeError> {
    let Some(port) = port else {
        return Err(invalid(key, "(given)", "only where [fix] says where FIX is spoken"));
    };
    let (user, password) = (credentials.username.clone(), credentials.password.clone());
    let shown = match &account.sign_key {
        None => Shown::Password { user, password },
        Some(Secret(text)) => {
            Shown::Hmac { user, password, key: BASE64_STANDARD.decode(text).unwrap_or_default() }
        }
    };
    let rules = FixRules {
        version: if protocol == Protocol::Fix42 { Version::Fix42 } else { Version::Fix44 },
        client: account.comp_id.clone(),
        venue: port.comp_id.clone(),
        credentials: shown,
        midnight: unix_seconds / DAY_S * DAY_S * 1_000_000_000,
        drop_copy_of: Vec::new(),
    };
    let allowed =
        "comp_id of 1 to 64 printable characters without spaces; sign_key of 16 to 128 bytes in base64";
    Seat::new(&rules).map_err(|_| invalid(key, &account.comp_id, allowed))?;
    Ok(rules)
}
