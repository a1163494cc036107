//! Every counter of shared memory: its name, its help and its unit are those of [`colo::telemetry::counters`], so a new one is a new metric by itself.
//!
//! A time (`_ns`) becomes seconds; a point in time that is 0 for never has no sample.

use std::collections::BTreeMap;

use colo::telemetry::counters::{self, Entry};
use colo::telemetry::snapshot::Snapshot;

use super::exposition::{Exposition, Kind};

/// What of a table goes up and down; all else only grows.
const GAUGES: &[(&str, &[&str])] = &[
    ("agent", &["heartbeat_ns", "core", "phase"]),
    ("feed", &["gaps_open", "expected", "synced", "line_count", "snapshot_refused"]),
    ("line", &["last_heard_ns", "silent"]),
    ("gateway", &["state", "last_sequence", "given_up", "entry_off", "last_order_ns"]),
    ("control", &["clients", "killed_at_ns", "mode"]),
    ("engine", &["unsettled", "kill", "kill_flat_ns"]),
    ("ring", &["fill", "capacity"]),
    ("cold", &["unsynced_bytes", "clock_offset_ns", "clock_error_ns", "clock_kept", "drift"]),
];

/// Points in time; other times are lengths of it.
const TIMES: &[&str] = &["heartbeat_ns", "last_heard_ns", "last_order_ns", "killed_at_ns", "kill_flat_ns"];

type Values = BTreeMap<&'static str, u64>;

/// Adds all tables of a core.
pub fn add(e: &mut Exposition, core: &str, s: &Snapshot) {
    for a in &s.agents {
        table(e, "agent", &counters::agent::TABLE, &a.counters, &[("core", core), ("agent", &a.name)]);
    }
    for f in &s.feeds {
        table(e, "feed", &counters::feed::TABLE, &f.counters, &[("core", core), ("feed", &f.id)]);
        for (k, l) in f.lines.iter().enumerate() {
            let line = char::from(b'a' + k.min(25) as u8).to_string();
            let labels = [("core", core), ("feed", &*f.id), ("line", &*line)];
            table(e, "line", &counters::line::TABLE, l, &labels);
        }
        ring(e, core, "feed", &f.id, &f.ring);
    }
    for g in &s.gateways {
        table(e, "gateway", &counters::gateway::TABLE, &g.counters, &[("core", core), ("gateway", &g.id)]);
        ring(e, core, "reports", &g.id, &g.report_ring);
        ring(e, core, "orders", &g.id, &g.order_ring);
    }
    table(e, "control", &counters::control::TABLE, &s.control, &[("core", core)]);
    table(e, "engine", &counters::engine::TABLE, &s.engine, &[("core", core)]);
    table(e, "cold", &counters::cold::TABLE, &s.cold, &[("core", core)]);
}

fn ring(e: &mut Exposition, core: &str, ring: &str, of: &str, values: &Values) {
    table(e, "ring", &counters::ring::TABLE, values, &[("core", core), ("ring", ring), ("of", of)]);
}

fn table(e: &mut Exposition, what: &str, entries: &[Entry], values: &Values, labels: &[(&str, &str)]) {
    let gauges = GAUGES.iter().find(|(table, _)| *table == what).map_or(&[][..], |(_, names)| *names);
    for entry in entries {
        let Some(value) = values.get(entry.name) else { continue };
        let kind = if gauges.contains(&entry.name) { Kind::Gauge } else { Kind::Counter };
        let is_time = TIMES.contains(&entry.name);
        if is_time && *value == 0 {
            continue;
        }
        let (name, unit, scale) = match entry.name.strip_suffix("_ns") {
            Some(name) if is_time => (format!("colo_{what}_{name}_timestamp_seconds"), "seconds", 1e9),
            Some(name) => (format!("colo_{what}_{name}_seconds"), "seconds", 1e9),
            None if entry.name.ends_with("_bytes") => (format!("colo_{what}_{}", entry.name), "bytes", 1.0),
            // `_count` is a histogram's.
            None => match entry.name.strip_suffix("_count") {
                Some(name) => (format!("colo_{what}_{name}s"), "", 1.0),
                None => (format!("colo_{what}_{}", entry.name), "", 1.0),
            },
        };
        let family = e.family(&name, kind, unit, entry.help);
        e.add(family, labels, *value as f64 / scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::exposition::Format;
    use crate::specimen;

    #[test]
    fn every_gauge_is_a_counter_of_its_table() {
        let tables: [(&str, &[Entry]); 8] = [
            ("agent", &counters::agent::TABLE),
            ("feed", &counters::feed::TABLE),
            ("line", &counters::line::TABLE),
            ("gateway", &counters::gateway::TABLE),
            ("control", &counters::control::TABLE),
            ("engine", &counters::engine::TABLE),
            ("ring", &counters::ring::TABLE),
            ("cold", &counters::cold::TABLE),
        ];
        for (table, names) in GAUGES {
            let (_, entries) = tables.iter().find(|(name, _)| name == table).expect(table);
            for name in *names {
                assert!(entries.iter().any(|e| e.name == *name), "{table} has no {name}");
            }
        }
        let all: Vec<&str> = tables.iter().flat_map(|(_, entries)| entries.iter()).map(|e| e.name).collect();
        for name in TIMES {
            assert!(all.contains(name), "{name}");
        }
        // What ends in `_ns` and only grows would be a sum of times, of which there is none.
        for (table, entries) in tables {
            let gauges = GAUGES.iter().find(|(name, _)| *name == table).expect(table).1;
            for e in entries.iter().filter(|e| e.unit == "ns") {
                assert!(gauges.contains(&e.name), "{table}.{}", e.name);
            }
        }
    }

    #[test]
    fn times_are_seconds_and_never_is_nothing() {
        let mut s = specimen::trading();
        s.control.insert("killed_at_ns", 0);
        let mut e = Exposition::default();
        add(&mut e, "desk1", &s);
        let text = e.text(Format::Text);
        for line in [
            "colo_cold_clock_offset_seconds{core=\"desk1\"} 0.0000015\n",
            "colo_feed_messages_total{core=\"desk1\",feed=\"f1\"} 123456\n",
            "colo_line_won_total{core=\"desk1\",feed=\"f1\",line=\"b\"} 500\n",
            "colo_gateway_state{core=\"desk1\",gateway=\"g1\"} 3\n",
            "colo_ring_fill{core=\"desk1\",ring=\"feed\",of=\"f1\"} 1024\n",
            "# TYPE colo_agent_cycles_total counter\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(!text.contains("killed_at"), "{text}");
        let beat =
            "colo_agent_heartbeat_timestamp_seconds{core=\"desk1\",agent=\"strategy\"} 1767257999.99999";
        assert!(text.contains(beat), "{text}");
    }
}
