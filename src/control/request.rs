//! What a client may ask, and what it has to say with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::Peer;
use crate::journal::{By, Text};

/// What a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// The whole snapshot.
    Status,
    /// No new risk.
    Halt,
    /// No new risk, and cancel all: the venue's word differs from ours.
    HaltForReconciliation,
    /// Only orders that take a position towards nothing.
    ReduceOnly,
    /// No order and no replace; what is open stays.
    CancelOnly,
    /// The strategy sees everything and trades nothing.
    ClutchOut,
    /// The strategy may trade again, as far as nothing else restrains it.
    ClutchIn,
    /// Trade again.
    Resume,
    /// The kill switch: latched on disk, no new risk, and cancel all within its scope.
    Kill,
    /// Release the kill switch.
    Unkill,
    /// Cancel every open order.
    CancelAll,
    /// Give up an order of which the venue will not tell what became.
    WriteOff,
    /// Cancel all of a gateway's orders by the venue's own request.
    MassCancel,
    /// The venue takes no more orders of the firm; trading is halted.
    EntryOff,
    /// The venue takes orders of the firm again.
    EntryOn,
    /// Make a feed's books anew.
    FeedResync,
    /// Join a feed's groups again and begin its session with the snapshot server anew.
    FeedReconnect,
    /// The strategy's parameters and the limits that may be made tighter, as they are in force and as they are proposed.
    Params,
    /// Other parameters, or tighter limits: checked and kept, and nothing else.
    ParamsPropose,
    /// Put a proposal in force, all of it between two inputs.
    ParamsApply,
    /// Forget a proposal.
    ParamsDrop,
    /// End in order.
    Shutdown,
}

impl Command {
    /// Its word in a request.
    #[must_use]
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Whether it wants a reason: what lets risk on again or gives something up, and a kill.
    #[must_use]
    pub const fn wants_reason(self) -> bool {
        matches!(
            self,
            Command::Resume
                | Command::ClutchIn
                | Command::Kill
                | Command::Unkill
                | Command::WriteOff
                | Command::EntryOn
                | Command::ParamsPropose
                | Command::ParamsApply
        )
    }

    /// Whether it wants the operator's name as well: a user is not a person.
    #[must_use]
    pub const fn wants_operator(self) -> bool {
        matches!(self, Command::Unkill | Command::ParamsApply)
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// With [`Command::WriteOff`] and only there: the order's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u32>,
    /// With the commands to a feed and only there: which; all without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// With the requests of a port and only there: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// With a kill and its release: the one instrument that it is of; all without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// With a proposal and only there: parameters by name, and tighter limits by their keys under `[risk]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    /// See there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, i64>,
    /// With what becomes of a proposal: its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<u32>,
    /// Who asks, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<Command> for Request {
    fn from(command: Command) -> Request {
        Request {
            command,
            token: None,
            feed: None,
            gateway: None,
            symbol: None,
            params: BTreeMap::new(),
            limits: BTreeMap::new(),
            proposal: None,
            operator: None,
            reason: None,
        }
    }
}

impl Request {
    /// Who asks this, for the journal.
    ///
    /// # Errors
    /// In words: a reason or a name that it wants is missing, or the name is none.
    pub fn by(&self, peer: Peer) -> Result<By, String> {
        let word = self.command.word();
        let given = |text: &Option<String>| text.as_deref().map(str::trim).unwrap_or_default().to_owned();
        let (operator, reason) = (given(&self.operator), given(&self.reason));
        if self.command.wants_reason() && reason.is_empty() {
            return Err(format!("{word} wants a `reason`"));
        }
        if self.command.wants_operator() && operator.is_empty() {
            return Err(format!("{word} wants an `operator`, by name"));
        }
        let named = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        if !operator.chars().all(named) || operator.len() > crate::journal::OPERATOR_MAX {
            return Err("an `operator` is 1 to 32 letters, digits, `.`, `_`, `-` or `@`".into());
        }
        let operator = if operator.is_empty() { format!("uid-{}", peer.uid) } else { operator };
        Ok(By {
            uid: peer.uid,
            pid: peer.pid,
            command: Text::escaped(&word),
            operator: Text::escaped(&operator),
            reason: Text::escaped(&reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer { uid: 7, pid: 8 };

    fn by(command: Command, operator: &str, reason: &str) -> Result<By, String> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Request { operator: some(operator), reason: some(reason), ..command.into() }.by(PEER)
    }

    #[test]
    fn what_lets_risk_on_again_says_why() {
        for command in [Command::Resume, Command::Kill, Command::WriteOff, Command::EntryOn] {
            assert!(by(command, "anna", " \t").unwrap_err().contains("wants a `reason`"));
            assert_eq!(by(command, "", "because").unwrap().operator.as_str(), "uid-7");
        }
        assert!(by(Command::Unkill, "", "because").unwrap_err().contains("`operator`"));
        assert!(by(Command::Halt, "", "").is_ok());
    }

    #[test]
    fn a_name_is_a_name_and_a_reason_is_escaped() {
        for bad in ["a b", "a\nb", "anna\u{202e}", &"x".repeat(33), "\"", "uid=0"] {
            assert!(by(Command::Halt, bad, "").is_err(), "{bad:?}");
        }
        let by = by(Command::Halt, "anna@desk", "a\n{\"message\":\"forged\"}\u{1b}[2J").unwrap();
        assert_eq!(by.reason.as_str(), "a\\n{\"message\":\"forged\"}\\u{1b}[2J");
        assert_eq!((by.uid, by.pid, by.command.as_str()), (7, 8, "halt"));
    }
}
