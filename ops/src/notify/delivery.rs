//! The attempts: one thread a channel, the oldest notice first, again and again until its service has taken it.
//!
//! Taken is 2xx. What a service will never take (another 4xx than 408, 425 and 429) is put aside, and the next one is told. Everything else is tried again after 1 s, 2 s, 4 s and so on to a
//! minute, or after what `Retry-After` says, to five.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::channels::{Channel, Request};
use super::incidents::{Action, Notice};
use super::settings::Settings;
use super::spool::Spool;
use crate::life;

/// One attempt, from the connection to the answer.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// How long a thread goes without looking whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It was taken.
    Taken,
    /// It never will be: the status.
    Refused(u16),
    /// Not now: why, and when the service wants to be asked again.
    Later(String, Option<Duration>),
}

/// What an answer's status says.
#[must_use]
pub fn judge(status: u16, retry_after: Option<&str>) -> Attempt {
    match status {
        200..=299 => Attempt::Taken,
        408 | 425 | 429 | 500..=599 => {
            let wait = retry_after.and_then(|s| s.trim().parse().ok()).map(Duration::from_secs);
            Attempt::Later(format!("status {status}"), wait.map(|w| w.min(RETRY_AFTER_MAX)))
        }
        // Redirects are not followed: a secret goes where the settings say.
        status => Attempt::Refused(status),
    }
}

/// What a channel is spoken to by.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build();
    config.into()
}

fn attempt(agent: &ureq::Agent, channel: &Channel, request: &Request) -> Attempt {
    let mut post = agent.post(&channel.url);
    for (name, value) in &request.headers {
        post = post.header(*name, value);
    }
    match post.send(&request.body) {
        Ok(answer) => {
            let retry_after = answer.headers().get("retry-after").and_then(|v| v.to_str().ok());
            judge(answer.status().as_u16(), retry_after)
        }
        Err(e) => Attempt::Later(e.to_string(), None),
    }
}

/// The pause after so many failed attempts.
#[must_use]
pub fn pause(failed: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failed.saturating_sub(1).min(6)).min(PAUSE_MAX)
}

/// Starts a thread for each channel.
///
/// # Errors
/// The host gives no thread.
pub fn start(
    settings: &Settings,
    spool: &Arc<Spool>,
    ended: &Arc<AtomicBool>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let start = |channel: &Channel| {
        let (channel, spool, ended) = (channel.clone(), Arc::clone(spool), Arc::clone(ended));
        let thread = std::thread::Builder::new().name(channel.name.clone());
        thread.spawn(move || deliver(&channel, &spool, &ended))
    };
    settings.channels.iter().map(start).collect()
}

fn deliver(channel: &Channel, spool: &Spool, ended: &AtomicBool) {
    let agent = agent();
    let mut failed = 0u32;
    while !ended.load(Ordering::Acquire) {
        let Some(waiting) = spool.oldest(&channel.name) else {
            spool.wait(LOOK);
            continue;
        };
        match attempt(&agent, channel, &channel.request(&waiting.notice, &waiting.id)) {
            Attempt::Taken => {
                failed = 0;
                spool.done(&waiting);
            }
            Attempt::Refused(status) => {
                failed = 0;
                say(channel, &format!("refused with status {status}, put aside: {}", waiting.notice.summary));
                spool.refuse(&channel.name, &waiting.file);
            }
            Attempt::Later(why, asked) => {
                failed = failed.saturating_add(1);
                let wait = asked.unwrap_or_else(|| pause(failed));
                say(channel, &format!("attempt {failed} failed ({why}), again in {} s", wait.as_secs()));
                rest(wait, ended);
            }
        }
    }
}

fn rest(wait: Duration, ended: &AtomicBool) {
    let until = Instant::now() + wait;
    while Instant::now() < until && !ended.load(Ordering::Acquire) {
        std::thread::sleep(LOOK.min(wait));
    }
}

#[allow(clippy::print_stderr, reason = "a thread of its own; the main thread has no ear for it")]
fn say(channel: &Channel, what: &str) {
    eprintln!("colo-monitor: channel {}: {what}", channel.name);
}

/// Tells every channel of a test and takes it back, at once and past the spool.
///
/// # Errors
/// Which did not take it, and why.
pub fn test(settings: &Settings) -> Result<(), String> {
    let agent = agent();
    let mut failed = Vec::new();
    for channel in &settings.channels {
        for action in [Action::Trigger, Action::Resolve] {
            let core = &settings.cores[0];
            let notice = Notice::new(action, core, "test", "a test of the notifier".into(), life::now());
            match attempt(&agent, channel, &channel.request(&notice, "test")) {
                Attempt::Taken => {}
                Attempt::Refused(status) => failed.push(format!("{}: status {status}", channel.name)),
                Attempt::Later(why, _) => failed.push(format!("{}: {why}", channel.name)),
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_minute() {
        assert_eq!([1, 2, 3, 6, 7, 8, u32::MAX].map(|n| pause(n).as_secs()), [1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn only_what_can_change_is_tried_again() {
        assert_eq!(judge(202, None), Attempt::Taken);
        assert_eq!([301, 400, 401, 404].map(|s| judge(s, None)), [301, 400, 401, 404].map(Attempt::Refused));
        for status in [408, 429, 500, 503] {
            assert!(matches!(judge(status, None), Attempt::Later(_, None)), "{status}");
        }
        let Attempt::Later(_, wait) = judge(429, Some("7")) else { panic!("later") };
        assert_eq!(wait, Some(Duration::from_secs(7)));
        let Attempt::Later(_, wait) = judge(503, Some("99999999")) else { panic!("later") };
        assert_eq!(wait, Some(RETRY_AFTER_MAX));
        assert!(matches!(judge(503, Some("Wed, 21 Oct")), Attempt::Later(_, None)));
    }
}
