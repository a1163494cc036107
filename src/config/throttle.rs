//! `[gateways.throttle]`: what a gateway's venue lets pass, as written and resolved.
//!
//! Nothing of it has to be written: then the gateway passes what `risk.max_messages_per_second` does, stays back after an OUCH 5.0 venue's refusals for rate, and
//! halts on 100 refusals within a second.

use engine::limits::{UNITS_MAX, WAITING_MAX};
use engine::{BackOff, BucketLimit, QueueLimit, Weights, WindowLimit};
use model::Nanos;
use serde::{Deserialize, Serialize};

use super::resolve::Checks;

/// As written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Throttle {
    /// Rolling windows, all of which hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// A token bucket beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Bucket>,
    /// What each kind of request counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weighed>,
    /// Units that nothing but cancels may use.
    pub cancel_reserve: Option<i64>,
    /// `refuse` or `queue`: what becomes of a new order or replace that has no room.
    pub when_full: Option<String>,
    /// With `queue`: how long one waits before it is dropped, milliseconds.
    pub queue_ms: Option<i64>,
    /// With `queue`: how many may wait.
    pub queue_slots: Option<i64>,
    /// How new orders stay back after the venue refused one for its own rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_off: Option<StayBack>,
    /// So many refusals of whatever kind halt trading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
}

/// At most `limit` units in any `span_ms`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Units.
    pub limit: i64,
    /// Milliseconds.
    pub span_ms: i64,
}

/// A token bucket.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Units that come in each second.
    pub per_second: i64,
    /// Units that it holds.
    pub burst: i64,
}

/// Units of a request of each kind, 1 where not given; 0 is not counted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weighed {
    /// A new order.
    pub new: Option<i64>,
    /// A replace.
    pub replace: Option<i64>,
    /// A cancel.
    pub cancel: Option<i64>,
}

/// Waits after refusals for rate.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StayBack {
    /// The venue's reject codes that mean so; none switches it off. For `ouch50` 40, 41 and 42 where not given, otherwise none.
    pub codes: Option<Vec<i64>>,
    /// Milliseconds after the first.
    pub first_ms: Option<i64>,
    /// Milliseconds at most; each refusal after a wait doubles the next.
    pub longest_ms: Option<i64>,
}

/// Refusals that halt.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// How many; 0 switches it off.
    pub rejects: i64,
    /// Within so many milliseconds.
    pub span_ms: i64,
}

/// OUCH 5.0: symbol rate, port rate, duplicate rate.
const OUCH50_RATE: [u16; 3] = [0x28, 0x29, 0x2a];

/// A day.
const SPAN_MS_MAX: i64 = 86_400_000;

pub(super) fn resolve(c: &mut Checks, key: &str, t: &Throttle, protocol: &str) -> engine::Throttle {
    let units = i64::from(UNITS_MAX);
    let of = |name: &str| format!("{key}.{name}");
    let span = |c: &mut Checks, name: &str, ms: i64| {
        Nanos::from_millis(c.range(&of(name), Some(ms), 1, 1, SPAN_MS_MAX) as u64)
    };
    let windows = t.windows.iter().map(|w| WindowLimit {
        limit: c.range(&of("windows.limit"), Some(w.limit), 1, 1, units) as u32,
        span: span(c, "windows.span_ms", w.span_ms),
    });
    let windows = windows.collect();
    let bucket = t.bucket.as_ref().map(|b| BucketLimit {
        per_second: c.range(&of("bucket.per_second"), Some(b.per_second), 1, 1, units) as u32,
        burst: c.range(&of("bucket.burst"), Some(b.burst), 1, 1, units) as u32,
    });
    let weighed = t.weights.clone().unwrap_or(Weighed { new: None, replace: None, cancel: None });
    let mut weight = |name: &str, found| c.range(&of(&format!("weights.{name}")), found, 1, 0, units) as u32;
    let weights = Weights {
        new: weight("new", weighed.new),
        replace: weight("replace", weighed.replace),
        cancel: weight("cancel", weighed.cancel),
    };
    let cancel_reserve = c.range(&of("cancel_reserve"), t.cancel_reserve, 0, 0, units) as u32;
    let full = t.when_full.as_deref().unwrap_or("refuse");
    let queues = c.word(&of("when_full"), full, &[("refuse", false), ("queue", true)]).unwrap_or(false);
    let queue = QueueLimit {
        slots: c.range(&of("queue_slots"), t.queue_slots, 64, 1, WAITING_MAX as i64) as usize,
        patience: Nanos::from_millis(c.range(&of("queue_ms"), t.queue_ms, 50, 1, 60_000) as u64),
    };
    if !queues && (t.queue_ms.is_some() || t.queue_slots.is_some()) {
        let name = if t.queue_ms.is_some() { "queue_ms" } else { "queue_slots" };
        c.problem(of(name), "given", "nothing, or when_full = \"queue\" beside it");
    }
    let breaker = t.breaker.as_ref().map_or((100, 1_000), |b| (b.rejects, b.span_ms));
    let breaker = WindowLimit {
        limit: c.range(&of("breaker.rejects"), Some(breaker.0), 0, 0, units) as u32,
        span: span(c, "breaker.span_ms", breaker.1),
    };
    let throttle = engine::Throttle {
        windows,
        bucket,
        weights,
        cancel_reserve,
        queue: queues.then_some(queue),
        back_off: back_off(c, key, t.back_off.as_ref(), protocol),
        breaker: Some(breaker).filter(|b| b.limit != 0),
    };
    if let Err(e) = throttle.check() {
        c.problem(key, "limits that do not go together", e.to_string());
    }
    throttle
}

fn back_off(c: &mut Checks, key: &str, b: Option<&StayBack>, protocol: &str) -> Option<BackOff> {
    let of = |name: &str| format!("{key}.back_off.{name}");
    let known = if protocol == "ouch50" { &OUCH50_RATE[..] } else { &[] };
    let codes: Vec<u16> = match b.and_then(|b| b.codes.as_ref()) {
        Some(given) => {
            given.iter().map(|v| c.range(&of("codes"), Some(*v), 0, 0, u16::MAX.into()) as u16).collect()
        }
        None => known.to_vec(),
    };
    let first = c.range(&of("first_ms"), b.and_then(|b| b.first_ms), 100, 1, 600_000);
    let longest = c.range(&of("longest_ms"), b.and_then(|b| b.longest_ms), first.max(10_000), first, 600_000);
    let (first, longest) = (Nanos::from_millis(first as u64), Nanos::from_millis(longest as u64));
    Some(BackOff { codes, first, longest }).filter(|b| !b.codes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Secrets};
    use super::*;

    const CORE: &str = include_str!("../../tests/fixtures/core.toml");

    fn with(throttle: &str) -> Result<engine::Throttle, Vec<String>> {
        let mut written: toml::Table = CORE.parse().expect("the fixture is TOML");
        let table = throttle.parse::<toml::Table>().expect("TOML");
        written["gateways"][0].as_table_mut().expect("a gateway").insert("throttle".into(), table.into());
        let written = written.try_into().map_err(|e: toml::de::Error| vec![e.to_string()])?;
        match Config::resolve(written, std::path::Path::new("core.toml"), Secrets::Skip) {
            Ok(config) => Ok(config.engine().throttles[0].clone()),
            Err(e) => Err(e.problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn what_is_written_is_what_the_engine_gets() {
        let ms = Nanos::from_millis;
        let t = with(
            r#"windows = [{ limit = 50, span_ms = 1000 }, { limit = 1000, span_ms = 60000 }]
               bucket = { per_second = 40, burst = 20 }
               weights = { replace = 2, cancel = 0 }
               cancel_reserve = 5
               when_full = "queue"
               queue_ms = 20
               back_off = { codes = [7], first_ms = 10, longest_ms = 20 }
               breaker = { rejects = 9, span_ms = 100 }"#,
        )
        .unwrap();
        let window = |limit, span| WindowLimit { limit, span: ms(span) };
        let expected = engine::Throttle {
            windows: vec![window(50, 1_000), window(1_000, 60_000)],
            bucket: Some(BucketLimit { per_second: 40, burst: 20 }),
            weights: Weights { new: 1, replace: 2, cancel: 0 },
            cancel_reserve: 5,
            queue: Some(QueueLimit { slots: 64, patience: ms(20) }),
            back_off: Some(BackOff { codes: vec![7], first: ms(10), longest: ms(20) }),
            breaker: Some(window(9, 100)),
        };
        assert_eq!(t, expected);
    }

    #[test]
    fn nothing_written_refuses_at_once_stays_back_and_halts_on_spam() {
        let t = with("").unwrap();
        assert_eq!((t.windows.len(), t.bucket, t.queue), (0, None, None));
        assert_eq!(t.back_off.unwrap().codes, OUCH50_RATE);
        assert_eq!(t.breaker, Some(WindowLimit { limit: 100, span: Nanos::from_millis(1_000) }));
        let off = with("back_off = { codes = [] }\nbreaker = { rejects = 0, span_ms = 1 }").unwrap();
        assert_eq!((off.back_off, off.breaker), (None, None));
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_key() {
        for (written, key) in [
            ("windows = [{ limit = 0, span_ms = 1000 }]", "gateways[0].throttle.windows.limit"),
            ("windows = [{ limit = 5, span_ms = 0 }]", "gateways[0].throttle.windows.span_ms"),
            ("bucket = { per_second = 0, burst = 1 }", "gateways[0].throttle.bucket.per_second"),
            ("weights = { new = -1 }", "gateways[0].throttle.weights.new"),
            ("when_full = \"drop\"", "gateways[0].throttle.when_full"),
            ("queue_ms = 5", "gateways[0].throttle.queue_ms"),
            ("when_full = \"queue\"\nqueue_slots = 257", "gateways[0].throttle.queue_slots"),
            ("back_off = { codes = [70000] }", "gateways[0].throttle.back_off.codes"),
            ("back_off = { first_ms = 500, longest_ms = 400 }", "gateways[0].throttle.back_off.longest_ms"),
            ("cancel_reserve = 5\nwindows = [{ limit = 5, span_ms = 1 }]", "gateways[0].throttle"),
            ("burst = 5", "unknown field `burst`"),
        ] {
            let problems = with(written).expect_err(written);
            assert!(problems.iter().any(|p| p.contains(key)), "{written}: {problems:?}");
        }
    }
}
