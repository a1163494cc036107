//! What a person should look at now, out of one reading: the same judgement on terminal and page. Rules with a history (rates, how long) are Prometheus' part.

use colo::telemetry::snapshot::Snapshot;
use model::DriftFigure;
use serde::Serialize;

use crate::limits;
use crate::watch::{Live, Reading};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Act now.
    Critical,
    /// Look soon.
    Warning,
}

/// One.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// How bad.
    pub severity: Severity,
    /// In one sentence.
    pub summary: String,
}

/// Records that the cold thread may be behind by before it is said.
const LAG_RECORDS: u64 = 100_000;
/// The wall clock may be off by this much.
const OFFSET_NS: u64 = 1_000_000;
/// Share of the disk that should be free.
const FREE_SHARE: f64 = 0.10;
/// Instruments named in one alert.
const NAMED: usize = 5;

/// What is wrong, the worst first.
#[must_use]
pub fn of(reading: &Reading) -> Vec<Alert> {
    let mut all = match &reading.found {
        Ok(live) => of_live(live),
        Err(down) => vec![critical(down.sentence(&reading.name))],
    };
    all.sort_by_key(|a| a.severity);
    all
}

fn critical(summary: impl Into<String>) -> Alert {
    Alert { severity: Severity::Critical, summary: summary.into() }
}

fn warning(summary: impl Into<String>) -> Alert {
    Alert { severity: Severity::Warning, summary: summary.into() }
}

fn of_live(live: &Live) -> Vec<Alert> {
    let s = &live.snapshot;
    let mut all = trading(s);
    for a in s.agents.iter().filter(|a| a.counters["phase"] == 3) {
        all.push(critical(format!("agent {} has panicked", a.name)));
    }
    for f in &s.feeds {
        if f.counters["synced"] == 0 {
            all.push(critical(format!(
                "feed {} lacks messages or is silent: its books are not traded on",
                f.id
            )));
        }
        for (k, _) in f.lines.iter().enumerate().filter(|(_, l)| l["silent"] == 1) {
            let letter = char::from(b'A' + k.min(25) as u8);
            all.push(warning(format!("line {letter} of feed {} is silent", f.id)));
        }
        if f.counters["snapshot_refused"] == 1 {
            all.push(warning(format!("the snapshot server of feed {} refuses user or password", f.id)));
        }
    }
    for g in &s.gateways {
        if g.counters["given_up"] != 0 {
            all.push(critical(format!("gateway {} has given up to log in until a restart", g.id)));
        } else if g.counters["state"] != 3 {
            all.push(critical(format!("gateway {} is not ready", g.id)));
        }
        if g.counters["entry_off"] == 1 {
            all.push(warning(format!("the venue takes no orders by gateway {}", g.id)));
        }
    }
    for l in limits::of(live).iter().filter(|l| l.share() >= 0.75) {
        let what = format!("{}: {:.0} % of the limit is used", l.name, l.share() * 100.0);
        all.push(if l.share() >= 0.9 { critical(what) } else { warning(what) });
    }
    let stale: Vec<&str> =
        s.instruments.iter().filter(|i| i.validity == "stale").map(|i| &*i.symbol).collect();
    if !stale.is_empty() {
        let more = if stale.len() > NAMED { ", ..." } else { "" };
        let named = stale[..stale.len().min(NAMED)].join(", ");
        all.push(warning(format!("{} instrument(s) with a stale book: {named}{more}", stale.len())));
    }
    let lag = s.engine["journal_records"].saturating_sub(s.cold["records_followed"]);
    if lag > LAG_RECORDS {
        all.push(warning(format!("the log is {lag} records behind the journal")));
    }
    if s.cold["clock_offset_ns"] > OFFSET_NS {
        all.push(warning(format!(
            "the clock is {} us off the wall clock",
            s.cold["clock_offset_ns"] / 1_000
        )));
    }
    if s.cold["clock_kept"] == 0 {
        all.push(warning("nobody keeps the wall clock".to_owned()));
    }
    let drift = DriftFigure::ALL.into_iter().filter(|f| s.cold["drift"] >> *f as u64 & 1 == 1);
    let drift: Vec<&str> = drift.map(DriftFigure::word).collect();
    if !drift.is_empty() {
        all.push(warning(format!("not what was expected of the strategy: {}", drift.join(", "))));
    }
    if let Some(d) = live.disk.filter(|d| (d.free_bytes as f64) < FREE_SHARE * d.size_bytes as f64) {
        all.push(warning(format!("{} MiB are free where the journal is", d.free_bytes >> 20)));
    }
    all
}

fn trading(s: &Snapshot) -> Vec<Alert> {
    let mut all = Vec::new();
    match s.engine["kill"] {
        0 => {}
        2 => all.push(critical("killed; the venue has confirmed that nothing lives")),
        _ => all.push(critical("killed, and not flat: orders may still live")),
    }
    if let Some(r) = &s.risk {
        match (r.halted, r.restrained_by) {
            (Some("killed"), _) => {}
            (Some(why), _) => all.push(critical(format!("trading is halted: {why}"))),
            (None, Some(cause)) => {
                all.push(warning(format!("trading is restrained to {}: {cause}", r.level)))
            }
            (None, None) => {}
        }
        if r.clutch == "out" {
            all.push(warning("the strategy is taken off trading"));
        }
    }
    if s.engine["unsettled"] > 0 {
        all.push(critical(format!("{} order(s) whose fate is not known", s.engine["unsettled"])));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen;
    use std::collections::BTreeMap;

    fn set(table: &mut BTreeMap<&'static str, u64>, name: &'static str, value: u64) {
        table.insert(name, value);
    }

    #[test]
    fn a_core_at_peace_has_none() {
        let live = specimen::live(specimen::trading());
        assert_eq!(of_live(&live), []);
    }

    #[test]
    fn each_ill_is_told_and_the_worst_first() {
        type Ill = (fn(&mut Live), Severity, &'static str);
        let ills: [Ill; 16] = [
            (|l| set(&mut l.snapshot.engine, "kill", 1), Severity::Critical, "not flat"),
            (|l| l.snapshot.risk.as_mut().unwrap().halted = Some("loss"), Severity::Critical, "halted: loss"),
            (
                |l| {
                    let r = l.snapshot.risk.as_mut().unwrap();
                    (r.level, r.restrained_by) = ("reduce_only", Some("latency"));
                },
                Severity::Warning,
                "restrained to reduce_only: latency",
            ),
            (|l| l.snapshot.risk.as_mut().unwrap().clutch = "out", Severity::Warning, "taken off"),
            (|l| set(&mut l.snapshot.engine, "unsettled", 2), Severity::Critical, "2 order(s)"),
            (|l| set(&mut l.snapshot.agents[0].counters, "phase", 3), Severity::Critical, "panicked"),
            (|l| set(&mut l.snapshot.feeds[0].counters, "synced", 0), Severity::Critical, "lacks messages"),
            (|l| set(&mut l.snapshot.feeds[0].lines[1], "silent", 1), Severity::Warning, "line B"),
            (|l| set(&mut l.snapshot.gateways[0].counters, "state", 1), Severity::Critical, "not ready"),
            (|l| l.snapshot.risk.as_mut().unwrap().pnl = -760.0, Severity::Warning, "loss: 76 %"),
            (|l| l.snapshot.risk.as_mut().unwrap().pnl = -910.0, Severity::Critical, "loss: 91 %"),
            (|l| l.snapshot.instruments[0].validity = "stale", Severity::Warning, "stale book"),
            (|l| set(&mut l.snapshot.cold, "clock_offset_ns", 2_000_000), Severity::Warning, "2000 us"),
            (|l| set(&mut l.snapshot.cold, "clock_kept", 0), Severity::Warning, "nobody keeps"),
            (|l| set(&mut l.snapshot.cold, "drift", 9), Severity::Warning, "pnl_e4_usd, markout_1s_ppm"),
            (|l| l.disk.as_mut().unwrap().free_bytes = 5 << 20, Severity::Warning, "5 MiB"),
        ];
        for (break_it, severity, words) in ills {
            let mut live = specimen::live(specimen::trading());
            break_it(&mut live);
            let all = of_live(&live);
            assert_eq!(all.len(), 1, "{all:?}");
            assert_eq!(all[0].severity, severity, "{all:?}");
            assert!(all[0].summary.contains(words), "{all:?} lacks {words}");
        }
        let mut reading = specimen::reading(specimen::trading());
        let live = reading.found.as_mut().unwrap();
        live.snapshot.risk.as_mut().unwrap().clutch = "out";
        live.snapshot.engine.insert("kill", 2);
        let severities: Vec<_> = of(&reading).iter().map(|a| a.severity).collect();
        assert_eq!(severities, [Severity::Critical, Severity::Warning]);
        reading.found = Err(crate::life::Down::Absent);
        assert!(of(&reading)[0].summary.contains("is not running"));
    }
}
