//! What each service wants to hear.
//!
//! * PagerDuty: Events API v2, `POST /v2/enqueue` with `routing_key`, `event_action`, `dedup_key`, `payload` (developer.pagerduty.com, "Send an alert event").
//! * Twilio: `POST /2010-04-01/Accounts/SID/Messages.json`, form of `From`, `To`, `Body`, Basic authentication (twilio.com, "Message resource").
//! * Slack: an incoming webhook, `{"text"}`.
//! * Webhook: the notice itself as JSON, with `Idempotency-Key`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use colo::logs::timestamp;
use model::Nanos;
use serde_json::json;

use super::incidents::{Action, Notice};

/// Letters of a summary that PagerDuty takes.
const SUMMARY_MAX: usize = 1_024;
/// Letters of an SMS that we send: two parts.
const SMS_MAX: usize = 300;

/// A service with what it wants to know us by.
#[derive(Clone)]
pub enum Service {
    /// Events API v2.
    PagerDuty {
        /// The integration's key.
        routing_key: String,
    },
    /// SMS.
    Twilio {
        /// The account.
        account_sid: String,
        /// Its token.
        auth_token: String,
        /// The number that it comes from.
        from: String,
        /// The number that it goes to.
        to: String,
    },
    /// An incoming webhook, whose URL is the secret.
    Slack,
    /// Anybody's.
    Webhook {
        /// Sent as a bearer.
        token: Option<String>,
    },
}

/// Whom to tell, and where.
#[derive(Clone)]
pub struct Channel {
    /// What it is called here.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// How it is spoken to.
    pub service: Service,
}

/// Without secrets.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One POST.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Headers by name.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Channel {
    /// What it is to be told of a notice; `id` is the notice's own, the same at every attempt.
    #[must_use]
    pub fn request(&self, notice: &Notice, id: &str) -> Request {
        let json = ("content-type", "application/json".to_owned());
        match &self.service {
            Service::PagerDuty { routing_key } => {
                let mut event = json!({
                    "routing_key": routing_key,
                    "event_action": notice.action.word(),
                    "dedup_key": notice.dedup_key,
                });
                // A resolve has no payload.
                if notice.action == Action::Trigger {
                    event["payload"] = json!({
                        "summary": first(&notice.summary, SUMMARY_MAX),
                        "source": notice.core,
                        "severity": "critical",
                        "timestamp": timestamp(Nanos(notice.at_ns)),
                        "component": "colo",
                        "class": notice.kind,
                    });
                }
                Request { headers: vec![json], body: event.to_string() }
            }
            Service::Twilio { account_sid, auth_token, from, to } => {
                let pair = STANDARD.encode(format!("{account_sid}:{auth_token}"));
                let form = [("From", &**from), ("To", to), ("Body", &*first(&text(notice), SMS_MAX))];
                let body = form.map(|(k, v)| format!("{k}={}", encoded(v))).join("&");
                let kind = ("content-type", "application/x-www-form-urlencoded".to_owned());
                Request { headers: vec![kind, ("authorization", format!("Basic {pair}"))], body }
            }
            Service::Slack => {
                // The three characters that mean something to Slack.
                let text = text(notice).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                Request { headers: vec![json], body: json!({"text": text}).to_string() }
            }
            Service::Webhook { token } => {
                let mut headers = vec![json, ("idempotency-key", id.to_owned())];
                headers.extend(token.iter().map(|t| ("authorization", format!("Bearer {t}"))));
                Request { headers, body: json!(notice).to_string() }
            }
        }
    }
}

fn text(n: &Notice) -> String {
    let word = if n.action == Action::Trigger { "ALERT" } else { "RESOLVED" };
    format!("{word} colo {}: {} ({})", n.core, n.summary, timestamp(Nanos(n.at_ns)))
}

fn first(s: &str, letters: usize) -> String {
    s.chars().take(letters).collect()
}

/// As a form wants it (WHATWG URL, application/x-www-form-urlencoded).
fn encoded(s: &str) -> String {
    let each = s.bytes().map(|b| match b {
        b' ' => "+".to_owned(),
        b if b.is_ascii_alphanumeric() || b"-._*".contains(&b) => (b as char).to_string(),
        b => format!("%{b:02X}"),
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn channel(service: Service) -> Channel {
        Channel { name: "c".into(), url: "https://x".into(), service }
    }

    fn notice(action: Action) -> Notice {
        Notice::new(action, "desk1", "killed", "a & <b> \u{fc}".into(), Nanos(1_767_258_000_000_000_000))
    }

    #[test]
    fn pagerduty_gets_a_trigger_and_a_resolve_by_one_key() {
        let c = channel(Service::PagerDuty { routing_key: "R".into() });
        let of = |action| serde_json::from_str::<Value>(&c.request(&notice(action), "id").body).unwrap();
        let (trigger, resolve) = (of(Action::Trigger), of(Action::Resolve));
        assert_eq!(
            (&trigger["event_action"], &trigger["dedup_key"]),
            (&json!("trigger"), &resolve["dedup_key"])
        );
        assert_eq!(trigger["payload"]["timestamp"], "2026-01-01T09:00:00.000000000Z");
        assert_eq!(trigger["payload"]["severity"], "critical");
        assert!(resolve.get("payload").is_none() && resolve["routing_key"] == "R");
    }

    #[test]
    fn twilio_gets_a_form_and_its_own_credentials() {
        let [account_sid, auth_token, from, to] = ["AC1", "tok", "+15550001", "+15550002"].map(String::from);
        let r = channel(Service::Twilio { account_sid, auth_token, from, to })
            .request(&notice(Action::Trigger), "id");
        assert!(
            r.body
                .starts_with("From=%2B15550001&To=%2B15550002&Body=ALERT+colo+desk1%3A+a+%26+%3Cb%3E+%C3%BC"),
            "{}",
            r.body
        );
        assert_eq!(r.headers[1].1, format!("Basic {}", STANDARD.encode("AC1:tok")));
        let mut long = notice(Action::Trigger);
        long.summary = "x".repeat(10_000);
        let [account_sid, auth_token, from, to] = ["AC1", "tok", "f", "t"].map(String::from);
        let r = channel(Service::Twilio { account_sid, auth_token, from, to }).request(&long, "id");
        assert!(r.body.len() < SMS_MAX + 50, "{}", r.body.len());
    }

    #[test]
    fn slack_and_webhooks_get_theirs() {
        let slack = channel(Service::Slack).request(&notice(Action::Resolve), "id");
        assert!(slack.body.contains("RESOLVED colo desk1: a &amp; &lt;b&gt;"), "{}", slack.body);
        let hook =
            channel(Service::Webhook { token: Some("t".into()) }).request(&notice(Action::Trigger), "id7");
        assert!(hook.headers.contains(&("idempotency-key", "id7".into())));
        assert!(hook.headers.contains(&("authorization", "Bearer t".into())));
        assert_eq!(serde_json::from_str::<Notice>(&hook.body).unwrap(), notice(Action::Trigger));
    }
}
