//! The `[rest]` table of an exchange's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::depth::MarketDataConfig;
use super::quota::Quota;

/// The table as written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestConfig {
    /// Where it listens; port 0 picks one.
    pub listen: SocketAddr,
    /// Where the certificate of its own authority is written, PEM: the server then speaks TLS, with a certificate made at the start for the address that it listens on.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Who may ask.
    pub clients: Vec<ClientConfig>,
    /// Weight in any 60 s, by address.
    #[serde(default = "weight")]
    pub weight_per_minute: u32,
    /// New orders in any 10 s, by account.
    #[serde(default = "orders")]
    pub orders_per_10_s: u32,
    /// New orders in any day, by account.
    #[serde(default = "orders_per_day")]
    pub orders_per_day: u32,
    /// Refusals by 429 in any minute before a ban.
    #[serde(default = "patience")]
    pub patience: u32,
    /// How long the first ban lasts, ms.
    #[serde(default = "ban_ms")]
    pub ban_ms: u64,
    /// How long an OAuth token lives, s.
    #[serde(default = "token_life_s")]
    pub token_life_s: u64,
    /// How long a listen key lives that is not kept alive, ms.
    #[serde(default = "listen_key_life_ms")]
    pub listen_key_life_ms: u64,
    /// Books, trades and best prices for everybody.
    #[serde(default)]
    pub market_data: MarketDataConfig,
}

/// One client as written; its secrets never appear in debug output.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientConfig {
    /// The `username` of the account that it trades for.
    pub account: String,
    /// Its API key.
    pub api_key: String,
    /// The secret that it signs with.
    pub secret: String,
    /// Its OAuth 2 client id, beside or instead of a key.
    pub client_id: String,
    /// The secret of that.
    pub client_secret: String,
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig").field("account", &self.account).finish_non_exhaustive()
    }
}

/// A client, resolved.
#[derive(Clone)]
pub struct Client {
    /// Which account it trades for.
    pub account: u16,
    /// Empty: none.
    pub key: String,
    /// What signs.
    pub secret: String,
    /// Empty: none.
    pub client_id: String,
    /// What is sent for a token.
    pub client_secret: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("account", &self.account).finish_non_exhaustive()
    }
}

fn weight() -> u32 {
    1_200
}
fn orders() -> u32 {
    50
}
fn orders_per_day() -> u32 {
    160_000
}
fn patience() -> u32 {
    3
}
fn ban_ms() -> u64 {
    120_000
}
fn token_life_s() -> u64 {
    3_600
}
fn listen_key_life_ms() -> u64 {
    3_600_000
}

impl RestConfig {
    /// The limits.
    #[must_use]
    pub fn quota(&self) -> Quota {
        Quota {
            weight: self.weight_per_minute,
            orders: [self.orders_per_10_s, self.orders_per_day],
            patience: self.patience,
            ban_ms: self.ban_ms,
        }
    }

    /// The clients, each with the place of its account among `usernames`; or the place of one whose account is none of them.
    ///
    /// # Errors
    /// The place, in this list, of a client that names no account or brings no credentials.
    pub fn clients(&self, usernames: &[&str]) -> Result<Vec<Client>, usize> {
        let of = |(k, c): (usize, &ClientConfig)| {
            let account = usernames.iter().position(|u| *u == c.account).ok_or(k)?;
            let has_any = !(c.api_key.is_empty() && c.client_id.is_empty());
            let account = u16::try_from(account).ok().filter(|_| has_any).ok_or(k)?;
            Ok(Client {
                account,
                key: c.api_key.clone(),
                secret: c.secret.clone(),
                client_id: c.client_id.clone(),
                client_secret: c.client_secret.clone(),
            })
        };
        self.clients.iter().enumerate().map(of).collect()
    }
}
