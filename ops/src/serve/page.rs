//! The live page: one HTML file with its scripts in it, and what is sent to it.
//!
//! ```text
//!   all   once        {core, cores, stages, recent, day, tape, events, turn}     curves as columns, for uPlot
//!   turn  each look   {core, cores, at_ms, alive, message?, alerts, ...}         what is now, and what is new on the tape
//!   none  instead     {cores, name}                                              no such core
//! ```
//!
//! Lists are bounded, so a core with thousands of instruments makes no page of megabytes a second.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use colo::telemetry::snapshot::{Agent, Feed, Instrument, Port};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::events::Kind;
use crate::history::{Point, STAGES};
use crate::watch::{Live, Watched};
use crate::{alerts, life, limits, threads};

/// Instruments sent: those that something is held in first.
const INSTRUMENTS_MAX: usize = 100;
/// Open orders sent.
const ORDERS_MAX: usize = 100;
/// Lines of the tape sent at first.
const TAPE_MAX: usize = 200;

const HTML: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");
const PLOT: &str = include_str!("../../../assets/uplot/uPlot.iife.min.js");
const PLOT_STYLE: &str = include_str!("../../../assets/uplot/uPlot.min.css");

/// The page, and the policy under which a browser runs its two scripts and no other, and speaks to nobody else.
#[must_use]
pub fn html() -> (String, String) {
    let page = HTML
        .replace("/*PLOT_STYLE*/", PLOT_STYLE)
        .replace("/*STYLE*/", STYLE)
        .replace("/*PLOT*/", PLOT)
        .replace("/*SCRIPT*/", SCRIPT);
    let digest = |script: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
    // uPlot places its parts by style attributes, which have no digest.
    let policy = format!(
        "default-src 'none'; script-src {} {}; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        digest(PLOT),
        digest(SCRIPT)
    );
    (page, policy)
}

/// Everything, for a page that begins.
#[must_use]
pub fn all(w: &Watched, cores: &[&str]) -> Value {
    let last = |kind| {
        let all = w.events.of(kind);
        let skipped = all.len().saturating_sub(TAPE_MAX);
        all.skip(skipped).map(|e| json!(e)).collect::<Vec<_>>()
    };
    let (recent, day) = (w.history.recent(), w.history.day());
    json!({
        "core": w.name,
        "cores": cores,
        "stages": STAGES,
        "recent": columns(recent.iter(), &STAGES),
        "day": columns(day.iter(), &["tick_to_order"]),
        "tape": last(Kind::Tape),
        "events": last(Kind::Event),
        "turn": turn(w, cores, w.events.seen()),
    })
}

/// Points as columns: what uPlot draws.
fn columns<'a>(points: impl Iterator<Item = &'a Point> + Clone, stages: &[&str]) -> Value {
    let column = |of: &dyn Fn(&Point) -> Value| points.clone().map(of).collect::<Vec<_>>();
    let mut each = Map::new();
    for (k, name) in STAGES.iter().enumerate().filter(|(_, name)| stages.contains(name)) {
        let quantile = |of: fn(&Point, usize) -> u64| {
            // Nothing measured is a hole, not a zero.
            column(&|p| if p.stages[k].n == 0 { Value::Null } else { json!(of(p, k)) })
        };
        let stage = json!({
            "p50": quantile(|p, k| p.stages[k].p50),
            "p99": quantile(|p, k| p.stages[k].p99),
            "p999": quantile(|p, k| p.stages[k].p999),
        });
        each.insert((*name).to_owned(), stage);
    }
    json!({
        "t": column(&|p| json!(p.at_ms as f64 / 1e3)),
        "pnl": column(&|p| json!(p.pnl)),
        "orders": column(&|p| json!(p.orders)),
        "fills": column(&|p| json!(p.fills)),
        "messages": column(&|p| json!(p.messages)),
        "stages": each,
    })
}

/// What is now, with what came on the tape after `seen`.
#[must_use]
pub fn turn(w: &Watched, cores: &[&str], seen: u64) -> Value {
    let at_ms = w.last.at.0 / 1_000_000;
    let mut value = json!({
        "core": w.name,
        "cores": cores,
        "at_ms": at_ms,
        "alive": w.last.live().is_some(),
        "alerts": alerts::of(&w.last),
        "new": w.events.after(seen),
    });
    match &w.last.found {
        Err(down) => {
            value["reason"] = down.word().into();
            value["message"] = down.sentence(&w.name).into();
        }
        Ok(live) => live_fields(&mut value, w, live, at_ms),
    }
    value
}

fn live_fields(value: &mut Value, w: &Watched, live: &Live, at_ms: u64) {
    let s = &live.snapshot;
    value["pid"] = s.pid.into();
    value["started_ms"] = (s.started_ns / 1_000_000).into();
    value["risk"] = json!(s.risk);
    value["limits"] = json!(limits::of(live));
    value["kill"] = s.engine["kill"].into();
    value["counts"] = json!({
        "orders": s.engine["new_orders"].saturating_add(s.engine["replaces"]),
        "fills": s.engine["fills"],
        "rejected": s.engine["rejected"],
        "refusals": s.engine["refusals"],
    });
    let lag = s.engine["journal_records"].saturating_sub(s.cold["records_followed"]);
    value["journal"] = json!({
        "lag": lag,
        "unsynced_bytes": s.cold["unsynced_bytes"],
        "free_bytes": live.disk.map(|d| d.free_bytes),
        "clock_offset_ns": s.cold["clock_offset_ns"],
    });
    let each = s.agents.iter().enumerate();
    value["agents"] = each.map(|(k, a)| agent(w, live, k, a)).collect();
    let each = s.feeds.iter().enumerate();
    value["feeds"] = each.map(|(k, f)| feed(w, k, f)).collect();
    value["gateways"] = s.gateways.iter().map(gateway).collect();
    let mut instruments: Vec<&Instrument> = s.instruments.iter().collect();
    instruments.sort_by_key(|i| (i.position == 0, i.fills == 0));
    value["instruments_all"] = instruments.len().into();
    value["instruments"] = instruments.iter().take(INSTRUMENTS_MAX).map(|i| instrument(i)).collect();
    value["orders"] = s.orders.iter().take(ORDERS_MAX).map(|o| json!(o)).collect();
    value["latency_ns"] = json!(s.latency_ns);
    let newest = w.history.recent().back().filter(|p| p.at_ms == at_ms);
    value["point"] = newest.map_or(Value::Null, |p| columns(std::iter::once(p), &STAGES));
}

fn agent(w: &Watched, live: &Live, k: usize, a: &Agent) -> Value {
    let rate = |counter: &'static str| w.rate(|s| s.agents.get(k)?.counters.get(counter).copied());
    let thread = threads::of_agent(&live.threads, &a.name);
    json!({
        "name": a.name,
        "core": a.counters["core"].checked_sub(1),
        "phase": a.counters["phase"],
        "beat_age_ns": life::age(w.last.at, &live.snapshot, a).0,
        "cycles_per_s": rate("cycles"),
        "work_per_s": rate("work"),
        "allocations": Some(a.counters["allocations"]).filter(|n| *n > 0),
        "minor_faults": thread.map(|t| t.minor_faults),
        "preempted": thread.map(|t| t.preempted),
    })
}

fn feed(w: &Watched, k: usize, f: &Feed) -> Value {
    let c = |name: &str| f.counters[name];
    let lines: Vec<_> = f
        .lines
        .iter()
        .map(|l| {
            let heard = l["last_heard_ns"];
            json!({
                "silent": l["silent"] == 1,
                "won": l["won"],
                "age_ns": (heard > 0).then(|| w.last.at.0.saturating_sub(heard)),
            })
        })
        .collect();
    json!({
        "id": f.id,
        "synced": c("synced") == 1,
        "messages": c("messages"),
        "messages_per_s": w.rate(|s| Some(s.feeds.get(k)?.counters["messages"])),
        "gaps": c("gaps"),
        "gaps_open": c("gaps_open"),
        "filled": c("gaps_filled"),
        "lost": c("messages_lost"),
        "snapshots": c("snapshots"),
        "drops": c("kernel_drops"),
        "ring": f.ring,
        "lines": lines,
    })
}

fn gateway(g: &Port) -> Value {
    let c = |name: &str| g.counters[name];
    json!({
        "id": g.id,
        "state": session_word(c("state")),
        "sent": c("sent"),
        "reports": c("reports"),
        "unsent": c("unsent"),
        "connects": c("connects"),
        "errors": c("protocol_errors"),
        "held_back": c("held_back"),
        "order_ring": g.order_ring,
        "report_ring": g.report_ring,
    })
}

/// A session's state in one word.
#[must_use]
pub fn session_word(state: u64) -> &'static str {
    match state {
        0 => "disconnected",
        1 => "connecting",
        2 => "logged in",
        3 => "ready",
        _ => "?",
    }
}

fn instrument(i: &Instrument) -> Value {
    json!({
        "symbol": i.symbol, "validity": i.validity, "reason": i.reason, "bid": i.bid, "bid_qty": i.bid_qty, "ask": i.ask, "ask_qty": i.ask_qty,
        "position": i.position, "mark": i.mark, "fills": i.fills, "pnl": i.pnl,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Down;
    use crate::specimen;
    use crate::watch::Reading;

    #[test]
    fn the_page_is_whole_and_asks_nobody_else() {
        let (page, policy) = html();
        for mark in ["/*PLOT*/", "/*SCRIPT*/", "/*STYLE*/", "/*PLOT_STYLE*/"] {
            assert!(!page.contains(mark), "{mark}");
        }
        for from_outside in ["src=\"http", "href=\"http", "@import", "url(http", "fetch(\"http"] {
            assert!(!page.contains(from_outside), "{from_outside}");
        }
        // What the digests are of is what stands between the tags.
        let scripts: Vec<&str> = page
            .split("<script>")
            .skip(1)
            .filter_map(|rest| rest.split_once("</script>"))
            .map(|s| s.0)
            .collect();
        assert_eq!(scripts.len(), 2);
        for script in scripts {
            assert!(policy.contains(&STANDARD.encode(Sha256::digest(script))));
        }
    }

    #[test]
    fn a_turn_has_the_point_of_its_own_look_only() {
        let mut w = Watched::of(specimen::reading(specimen::trading()));
        let first = all(&w, &["desk1"]);
        assert_eq!(first["recent"]["pnl"], json!([12.5]));
        assert_eq!(first["turn"]["point"]["pnl"], json!([12.5]));
        assert_eq!(first["recent"]["stages"]["tick_to_order"]["p50"].as_array().unwrap().len(), 1);
        w.take(Reading { name: "desk1".into(), at: specimen::NOW, found: Err(Down::Absent) });
        let down = turn(&w, &["desk1"], 0);
        assert_eq!((&down["alive"], &down["reason"]), (&json!(false), &json!("absent")));
        assert!(down.get("risk").is_none() && down.get("point").is_none(), "nothing stale: {down}");
    }

    #[test]
    fn a_large_core_makes_a_bounded_page() {
        for number in [0, u64::MAX] {
            let w = Watched::of(specimen::reading(specimen::core(300, number)));
            let turn = turn(&w, &["desk1"], 0);
            assert_eq!(turn["instruments"].as_array().unwrap().len(), INSTRUMENTS_MAX);
            assert_eq!(turn["orders"].as_array().unwrap().len(), ORDERS_MAX);
        }
    }
}
