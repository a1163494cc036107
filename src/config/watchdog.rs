//! `[watchdog]`: when `colo watchdog` warns of a core, and when it cuts it off, as written and resolved.

use serde::{Deserialize, Serialize};

use super::resolve::Checks;
use crate::watchdog::Limits;

/// As written; all may be left out.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Watchdog {
    /// Without a beat for so long an agent is late, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_ms: Option<i64>,
    /// Without a beat for so long the core is cut off, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_off_ms: Option<i64>,
    /// The same of the cold thread, which a disk that stands still holds up while the hot threads trade on, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_cut_off_ms: Option<i64>,
    /// How long a core that has taken the kill has to become flat by itself, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<i64>,
}

pub(super) fn resolve(c: &mut Checks, w: &Watchdog) -> Limits {
    let ms = |v: i64| model::Nanos::from_millis(v.unsigned_abs());
    let late = c.range("watchdog.late_ms", w.late_ms, 1_000, 50, 600_000);
    let cut_off = c.range("watchdog.cut_off_ms", w.cut_off_ms, 5_000, 100, 600_000);
    let cold = c.range("watchdog.cold_cut_off_ms", w.cold_cut_off_ms, cut_off.max(30_000), 100, 600_000);
    let grace = c.range("watchdog.grace_ms", w.grace_ms, 1_000, 0, 60_000);
    if cut_off < 2 * late {
        c.problem("watchdog.cut_off_ms", cut_off, "at least twice late_ms: a warning comes before it");
    }
    if cold < cut_off {
        c.problem("watchdog.cold_cut_off_ms", cold, "at least cut_off_ms");
    }
    Limits { late: ms(late), cut_off: ms(cut_off), cold_cut_off: ms(cold), grace: ms(grace) }
}
