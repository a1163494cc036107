//! The venue's word on a core: its own ledger, asked over its own socket. The venue's configuration has to begin with [`CONTROL`].

use serde_json::Value;

use super::colo;
use super::desk::Desk;
use super::json::Report;

/// What a venue that can be asked has in its configuration, before its first table.
pub const CONTROL: &str = "control = \"venue.sock\"\n";

/// What the venue's ledger says of the one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Orders alive.
    pub live: u64,
    /// New orders and replaces that came, taken or refused.
    pub came: u64,
}

impl Ledger {
    /// Out of a venue's status.
    pub fn of(status: &Report) -> Ledger {
        let of = |key: &str| status.count(&format!("/accounts/0/{key}"));
        Ledger { live: of("live_orders"), came: of("accepted") + of("rejected") + of("replaced") }
    }
}

impl Desk {
    /// Asks the venue for its ledger.
    #[track_caller]
    pub fn ledger(&self) -> Ledger {
        Ledger::of(&Report(self.command_venue(&["status"])))
    }

    /// A person's command to the venue, and its answer.
    #[track_caller]
    pub fn command_venue(&self, words: &[&str]) -> Value {
        let socket = self.file("venue.sock");
        let mut line = vec!["exchange".into(), "ctl".into(), "--socket".into(), socket.into_os_string()];
        line.extend(words.iter().map(Into::into));
        let ended = colo(line).exits(0);
        let json = ended.stdout.strip_prefix("ok ").unwrap_or_else(|| panic!("{ended:#?}"));
        serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"))
    }
}
