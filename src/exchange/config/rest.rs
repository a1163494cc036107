//! What is configured for an account and means nothing where it trades by REST: there are no sessions, and requests are answered as they come.

use super::{AccountConfig, ActionConfig, ExchangeConfig, StepConfig, invalid};
use crate::exchange::ExchangeError;

const ALLOWED: &str = "none, for the account trades by REST ([[rest.clients]]), where it has no effect";

/// That nothing is asked of an account that trades by REST which would never happen.
///
/// # Errors
/// The first key that has no effect.
pub(super) fn check(config: &ExchangeConfig) -> Result<(), ExchangeError> {
    let clients = || config.rest.iter().flat_map(|rest| &rest.clients);
    let is_rest = |name: &String| clients().any(|c| c.account.eq_ignore_ascii_case(name));
    for (i, account) in config.accounts.iter().enumerate().filter(|(_, a)| is_rest(&a.username)) {
        if let Some(field) = without_effect(account) {
            return Err(invalid(format!("accounts[{i}].{field}"), "(given)", ALLOWED));
        }
    }
    let named = |step: &StepConfig| step.account.as_ref().is_some_and(is_rest);
    for (i, step) in config.script.iter().enumerate().filter(|(_, step)| named(step)) {
        let acts = matches!(step.action, ActionConfig::Reject | ActionConfig::LateFill | ActionConfig::Break);
        if step.at_ms.is_none() || !acts {
            let allowed =
                "at_ms with reject, late_fill or break, for the account trades by REST ([[rest.clients]])";
            return Err(invalid(format!("script[{i}]"), format!("{:?}", step.action), allowed));
        }
    }
    Ok(())
}

fn without_effect(account: &AccountConfig) -> Option<&'static str> {
    let given = [
        ("cancel_on_disconnect", account.cancel_on_disconnect == Some(true)),
        ("messages_per_second", account.messages_per_second.is_some()),
        ("latency_in", account.latency_in.is_some()),
        ("latency_out", account.latency_out.is_some()),
    ];
    given.into_iter().find(|(_, given)| *given).map(|(field, _)| field)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const VENUE: &str = r#"
        symbols = ["AAPL"]
        lines = ["127.0.0.1:26001"]
        ouch = "127.0.0.1:0"
        [[accounts]]
        username = "other1"
        password = "pass"
        firm = "ABCD"
        cancel_on_disconnect = true
        messages_per_second = 5
        [[accounts]]
        username = "user01"
        password = "pass"
        firm = "ABCD"
        ACCOUNT
        [[script]]
        account = "other1"
        report = 3
        do = "disconnect"
        SCRIPT
        [rest]
        listen = "127.0.0.1:0"
        [[rest.clients]]
        account = "user01"
        api_key = "key"
        secret = "secret"
    "#;

    fn resolved(account: &str, script: &str) -> Result<(), String> {
        let text = VENUE.replace("ACCOUNT", account).replace("SCRIPT", script);
        let config = ExchangeConfig::from_toml(&text, Path::new(".")).unwrap();
        config.resolve(0).map(|_| ()).map_err(|e| e.to_string())
    }

    #[test]
    fn what_has_no_effect_by_rest_is_refused_by_name() {
        let step = |step: &str| format!("[[script]]\naccount = \"user01\"\n{step}");
        for (account, script, key) in [
            ("cancel_on_disconnect = true", "", "accounts[1].cancel_on_disconnect"),
            ("messages_per_second = 100", "", "accounts[1].messages_per_second"),
            ("latency_in = { kind = \"fixed\", us = 30 }", "", "accounts[1].latency_in"),
            ("latency_out = { kind = \"fixed\", us = 30 }", "", "accounts[1].latency_out"),
            ("", "report = 3\ndo = \"cut\"\nbytes = 5", "script[1]"),
            ("", "request = 3\ndo = \"late_fill\"", "script[1]"),
            ("", "login = 1\ndo = \"refuse_login\"", "script[1]"),
            ("", "at_ms = 3\ndo = \"silence\"\nfor_ms = 4", "script[1]"),
        ] {
            let script = if script.is_empty() { String::new() } else { step(script) };
            let why = resolved(account, &script).unwrap_err();
            assert!(why.contains(key) && why.contains("REST"), "{account} {script}: {why}");
        }
        let acting = ["reject\"\nfor_ms = 4", "late_fill\"", "break\""];
        for action in acting {
            assert_eq!(resolved("", &step(&format!("at_ms = 3\ndo = \"{action}"))), Ok(()));
        }
        assert_eq!(resolved("cancel_on_disconnect = false\nself_match = \"oldest\"", ""), Ok(()));
    }
}
