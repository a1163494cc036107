//! The script as written: one table a step.
//!
//! ```toml
//! [[script]]
//! account = "user01"
//! report = 3            # or request, login (all from 1), at_ms (after the opening)
//! type = "A"            # counts only these, where given
//! do = "cut"
//! bytes = 5
//! ```

use serde::Deserialize;

use super::{invalid, ticker};
use crate::exchange::ExchangeError;
use crate::exchange::accounts::AccountSetup;
use crate::exchange::entry::Cause;
use crate::exchange::script::{Action, MarketAction, Step, Trigger};

/// ns in a ms.
const MS: u64 = 1_000_000;
/// A day, ms.
const DAY_MS: u64 = 86_400_000;
/// Bytes of nonsense at once, and messages that a login goes back or ahead.
const MOST: u64 = 65_536;

/// A step as written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// So many ms after the opening.
    #[serde(default)]
    pub at_ms: Option<u64>,
    /// At the account's n-th request.
    #[serde(default)]
    pub request: Option<u64>,
    /// At the n-th message to the account.
    #[serde(default)]
    pub report: Option<u64>,
    /// At the account's n-th login.
    #[serde(default)]
    pub login: Option<u64>,
    /// Counts only requests or reports of this type, by OUCH 5.0's letter.
    #[serde(default, rename = "type")]
    pub of_type: Option<char>,
    /// Whose.
    #[serde(default)]
    pub account: Option<String>,
    /// Of which symbol, in what happens to the market; all where absent.
    #[serde(default)]
    pub symbol: Option<String>,
    /// What happens.
    #[serde(rename = "do")]
    pub action: ActionConfig,
    /// For how long.
    #[serde(default)]
    pub for_ms: Option<u64>,
    /// How many bytes.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// How many messages.
    #[serde(default)]
    pub messages: Option<u64>,
    /// Reject code.
    #[serde(default)]
    pub code: Option<u16>,
}

/// What happens; see [`Action`] and [`MarketAction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // as in `Action`
pub enum ActionConfig {
    Drop,
    Disconnect,
    Cut,
    Silence,
    Deaf,
    Garbage,
    Repeat,
    /// A report is never said.
    Withhold,
    Rewind,
    Ahead,
    RefuseLogin,
    Reject,
    LateFill,
    Break,
    EndSession,
    Halt,
    Pause,
    Quote,
    Resume,
    Late,
    NotLate,
}

/// The steps, checked.
///
/// # Errors
/// The first value that is not allowed.
pub(super) fn resolve(steps: &[StepConfig], accounts: &[AccountSetup]) -> Result<Vec<Step>, ExchangeError> {
    steps.iter().enumerate().map(|(i, step)| resolve_one(step, i, accounts)).collect()
}

fn resolve_one(step: &StepConfig, i: usize, accounts: &[AccountSetup]) -> Result<Step, ExchangeError> {
    let key = |field: &str| format!("script[{i}].{field}");
    let letter = step.of_type.filter(char::is_ascii_alphabetic).map(|c| c as u8);
    let nth = |field: &str, n: u64| match n {
        0 => Err(invalid(key(field), n, "from 1")),
        n => Ok(n),
    };
    let trigger = match (step.at_ms, step.request, step.report, step.login) {
        (Some(ms @ 0..=DAY_MS), None, None, None) => Trigger::At(ms * MS),
        (Some(ms), None, None, None) => return Err(invalid(key("at_ms"), ms, "at most 86400000")),
        (None, Some(n), None, None) => Trigger::Request(nth("request", n)?, letter),
        (None, None, Some(n), None) => Trigger::Report(nth("report", n)?, letter),
        (None, None, None, Some(n)) => Trigger::Login(nth("login", n)?),
        _ => {
            return Err(invalid(
                format!("script[{i}]"),
                "(its time)",
                "one of at_ms, request, report, login",
            ));
        }
    };
    if let Some(c) = step.of_type {
        let counts = matches!(trigger, Trigger::Request(..) | Trigger::Report(..));
        if letter.is_none() || !counts {
            return Err(invalid(key("type"), c, "a letter, with request or report"));
        }
    }
    let action = action(step, &key)?;
    let is_fitting = match (action, trigger) {
        (Action::Drop, t) => matches!(t, Trigger::Request(..)),
        (Action::Cut(_) | Action::Repeat | Action::Withhold, t) => matches!(t, Trigger::Report(..)),
        (Action::Rewind(_) | Action::Ahead(_) | Action::RefuseLogin, t) => matches!(t, Trigger::Login(_)),
        (Action::Market(_), t) => matches!(t, Trigger::At(_)),
        _ => true,
    };
    if !is_fitting {
        let allowed = "drop at a request; cut, repeat, withhold at a report; rewind, ahead, refuse_login at a login; \
                       what happens to the market at a time";
        return Err(invalid(key("do"), format!("{:?}", step.action), allowed));
    }
    let account = match (&step.account, matches!(action, Action::Market(_))) {
        (Some(name), false) => {
            let is_it = |a: &AccountSetup| a.credentials.username.eq_ignore_ascii_case(name);
            let found = accounts.iter().position(is_it);
            // There are never more accounts than 16 bits count.
            Some(found.ok_or_else(|| invalid(key("account"), name, "one of the accounts' usernames"))? as u16)
        }
        (None, true) => None,
        (Some(name), true) => return Err(invalid(key("account"), name, "none, for the market")),
        (None, false) => return Err(invalid(key("account"), "(absent)", "one of the accounts' usernames")),
    };
    let of_soup = matches!(action, Action::Rewind(_) | Action::Ahead(_) | Action::EndSession);
    if of_soup && account.is_some_and(|at| accounts[usize::from(at)].rules.fix.is_some()) {
        return Err(invalid(key("do"), format!("{:?}", step.action), "not for an account that speaks FIX"));
    }
    // A stream that is counted by both sides has no message that was never said.
    if action == Action::Withhold && account.is_some_and(|at| accounts[usize::from(at)].rules.fix.is_none()) {
        return Err(invalid(key("do"), "withhold", "only for an account that speaks FIX"));
    }
    let symbol = match &step.symbol {
        Some(text) if account.is_none() => Some(ticker(&key("symbol"), text)?),
        Some(text) => return Err(invalid(key("symbol"), text, "only with what happens to the market")),
        None => None,
    };
    Ok(Step { trigger, account, symbol, action })
}

fn action(step: &StepConfig, key: &dyn Fn(&str) -> String) -> Result<Action, ExchangeError> {
    let needs = |field: &str, value: Option<u64>, most: u64, allowed: &'static str| match value {
        Some(n) if n <= most => Ok(n),
        Some(n) => Err(invalid(key(field), n, allowed)),
        None => Err(invalid(key(field), "(absent)", allowed)),
    };
    let time = || Ok::<_, ExchangeError>(needs("for_ms", step.for_ms, DAY_MS, "at most 86400000")? * MS);
    // 64 KiB fit a usize.
    let bytes = || Ok::<_, ExchangeError>(needs("bytes", step.bytes, MOST, "at most 65536")? as usize);
    let messages = || needs("messages", step.messages, MOST, "at most 65536");
    let (action, fields) = match step.action {
        ActionConfig::Drop => (Action::Drop, [false; 4]),
        ActionConfig::Disconnect => (Action::Disconnect, [false; 4]),
        ActionConfig::Cut => (Action::Cut(bytes()?), [false, true, false, false]),
        ActionConfig::Silence => (Action::Silence(time()?), [true, false, false, false]),
        ActionConfig::Deaf => (Action::Deaf(time()?), [true, false, false, false]),
        ActionConfig::Garbage => (Action::Garbage(bytes()?), [false, true, false, false]),
        ActionConfig::Repeat => (Action::Repeat, [false; 4]),
        ActionConfig::Withhold => (Action::Withhold, [false; 4]),
        ActionConfig::Rewind => (Action::Rewind(messages()?), [false, false, true, false]),
        ActionConfig::Ahead => (Action::Ahead(messages()?), [false, false, true, false]),
        ActionConfig::RefuseLogin => (Action::RefuseLogin, [false; 4]),
        ActionConfig::Reject => {
            let code = step.code.unwrap_or(Cause::Other.code());
            let cause = Cause::of_code(code).ok_or_else(|| invalid(key("code"), code, "1 to 51"))?;
            (Action::Reject(cause, time()?), [true, false, false, true])
        }
        ActionConfig::LateFill => (Action::LateFill, [false; 4]),
        ActionConfig::Break => (Action::Break, [false; 4]),
        ActionConfig::EndSession => (Action::EndSession, [false; 4]),
        ActionConfig::Halt => (Action::Market(MarketAction::Halt), [false; 4]),
        ActionConfig::Pause => (Action::Market(MarketAction::Pause), [false; 4]),
        ActionConfig::Quote => (Action::Market(MarketAction::Quote), [false; 4]),
        ActionConfig::Resume => (Action::Market(MarketAction::Resume), [false; 4]),
        ActionConfig::Late => (Action::Market(MarketAction::Late), [false; 4]),
        ActionConfig::NotLate => (Action::Market(MarketAction::NotLate), [false; 4]),
    };
    let given = [step.for_ms.is_some(), step.bytes.is_some(), step.messages.is_some(), step.code.is_some()];
    for ((name, given), taken) in ["for_ms", "bytes", "messages", "code"].iter().zip(given).zip(fields) {
        if given && !taken {
            return Err(invalid(key(name), "(given)", "only with an action that has it"));
        }
    }
    Ok(action)
}
