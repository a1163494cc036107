//! What a core logs fits what `deploy/` says to Logstash and Elasticsearch: each field has a mapping or goes under `colo.detail`, and every line is one that ECS knows.

#[path = "../../tests/replay_cli/run.rs"]
#[expect(dead_code, reason = "made for the tests of replay, which use all of it")]
mod run;

use std::collections::BTreeSet;

use colo::engine::{Alarm, Measure};
use colo::journal::{By, Record, RunDir, Text};
use colo::logs::{LogWriter, Names};
use model::{BreakerCause, BreakerLevel, Control, FeedStatus, GatewayId, HaltReason, Nanos, SessionEvent};
use run::{Core, FEED, add, named};
use serde_json::Value;

const AAPL: &[u8; 8] = b"AAPL    ";

/// A run with a line of nearly every kind.
fn lines() -> Vec<Value> {
    let mut core = Core::start();
    core.packet(&[named(b'R', 7, AAPL), named(b'H', 7, AAPL)]);
    core.status(FeedStatus::Synced { next: core.next });
    core.packet(&[add(7, AAPL, 1, false, 1_010_000)]);
    for k in 2..20 {
        core.packet(&[add(7, AAPL, k, true, 1_000_000 + k as u32 * 100)]);
    }
    core.answer();
    let mut run = core.end();
    let end = run.records.pop().unwrap();
    let (now, gateway) = (Nanos(1_700_000_100_000_000_000), GatewayId(0));
    run.records.extend([
        Record::Control { now, control: Control::Halt(HaltReason::Operator) },
        Record::Control { now, control: Control::Kill { instrument: None } },
        Record::Control {
            now,
            control: Control::Trip { level: BreakerLevel::CancelOnly, cause: BreakerCause::Operator },
        },
        Record::Session { now, gateway, event: SessionEvent::Disconnected },
        Record::Session { now, gateway, event: SessionEvent::LoginRejected { code: b'A' } },
        Record::Feed { now, feed: FEED, status: FeedStatus::Lost { from: 5, to: 9 } },
        Record::Alarm(Alarm::Breaker { level: BreakerLevel::Halted, cause: BreakerCause::Operator }),
        Record::Alarm(Alarm::Warning {
            measure: Measure::Loss,
            instrument: None,
            percent: 50,
            value: -7,
            limit: 9,
        }),
        Record::Operator {
            now,
            by: By {
                uid: 1,
                pid: 2,
                command: Text::escaped("kill"),
                operator: Text::escaped("x\u{1b}[2J"),
                reason: Text::escaped("a\nb"),
            },
        },
        end,
    ]);
    let dir = tempfile::tempdir().unwrap();
    let path = run.write(&dir.path().join("desk1"), false);
    let file = path.join("log.jsonl");
    let names = Names { feeds: vec!["f1".into()], gateways: vec!["g1".into()], instruments: Vec::new() };
    let mut log = LogWriter::create(&file, &RunDir::core(&path), names).unwrap().of("desk1", 1);
    while log.follow() > 0 {}
    log.say(now, "warn", "no connection", serde_json::json!({"error.message": "x\n\u{1b}]0;y\u{7}"}));
    drop(log);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "control characters are escaped");
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The names that the template maps, with dots.
fn mapped(properties: &Value, before: &str, all: &mut BTreeSet<String>) {
    for (name, of) in properties.as_object().unwrap() {
        let name = format!("{before}{name}");
        match of.get("properties") {
            Some(inner) => mapped(inner, &format!("{name}."), all),
            None => drop(all.insert(name)),
        }
    }
}

#[test]
fn every_field_of_every_line_has_its_place() {
    let template: Value =
        serde_json::from_str(include_str!("../../deploy/elasticsearch/logs-colo.json")).unwrap();
    let mut known = BTreeSet::new();
    mapped(&template["template"]["mappings"]["properties"], "", &mut known);
    let pipeline = include_str!("../../deploy/logstash/colo.conf");
    let all = lines();
    assert!(all.len() > 30, "{} lines", all.len());
    let mut orders = 0;
    for (k, line) in all.iter().enumerate() {
        for (name, of) in
            [("ecs.version", "8.11.0"), ("service.name", "desk1"), ("event.dataset", "colo.log")]
        {
            assert_eq!(line[name], of, "{line}");
        }
        assert_eq!((&line["event.sequence"], &line["colo.run"]), (&k.into(), &1.into()), "{line}");
        let level = line["log.level"].as_str().unwrap();
        assert!(
            ["debug", "info", "warn", "error"].contains(&level)
                && line["@timestamp"].as_str().unwrap().ends_with('Z')
        );
        for (name, value) in line.as_object().unwrap() {
            let prefix = ["@", "ecs.", "error.", "event.", "log.", "service.", "colo."]
                .into_iter()
                .find(|p| name.starts_with(p));
            match prefix {
                Some(prefix) => {
                    assert!(known.contains(name), "{name} has no mapping: {line}");
                    assert!(pipeline.contains(&format!("'{prefix}'")), "the pipeline would put {name} aside");
                }
                // `flattened` takes whatever there is.
                None => assert!(name == "message" || !name.contains('.'), "{name}: {value}"),
            }
        }
        if line["message"] == "fill" || line["message"] == "order sent" {
            orders += 1;
            assert!(line["colo.order.token"].is_number(), "{line}");
        }
        if line["message"] == "fill" {
            assert!(line["colo.order.id"].is_number() && line["colo.gateway"] == "g1", "{line}");
        }
    }
    assert!(orders > 10, "{orders}");
}
