//! What `deploy/` has for Prometheus, Alertmanager and Grafana, with the real programs: rules by promtool, every expression of rules and dashboards against a Prometheus
//! that scrapes a running core, an alert from the death of a core to the services' endpoints.

mod desk;

use std::path::Path;
use std::process::{Command, Stdio};

use desk::endpoint::Endpoint;
use desk::prometheus::{Prometheus, alertmanager};
use desk::{Core, Server, free_port, get, has, repository, say, until};
use serde_json::Value;

fn run(program: &str, folder: &Path, args: &[&str]) -> String {
    let told = Command::new(program).current_dir(folder).args(args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{program} {args:?}:\n{said}");
    said
}

/// Each `KEY: value` of a YAML of ours, where a value is on its line.
fn values(text: &str, key: &str) -> Vec<String> {
    let of = |line: &str| {
        let rest = line.trim_start().trim_start_matches("- ").strip_prefix(key)?.strip_prefix(": ")?;
        Some(serde_json::from_str::<String>(rest).unwrap_or_else(|_| rest.to_owned()))
    };
    text.lines().filter_map(of).collect()
}

#[test]
fn every_alert_has_its_severity_its_words_its_test_and_its_part_in_the_runbook() {
    let folder = repository("deploy/prometheus");
    let rules = std::fs::read_to_string(folder.join("colo.alerts.yml")).unwrap();
    let tests = std::fs::read_to_string(folder.join("colo.rules.test.yml")).unwrap();
    let runbook = std::fs::read_to_string(repository("docs/alerts.md")).unwrap();
    let alerts = values(&rules, "alert");
    assert!(alerts.len() > 20, "{alerts:?}");
    for part in rules.split("- alert: ").skip(1) {
        let alert = part.lines().next().unwrap();
        let severity = values(part, "severity");
        assert!(matches!(&*severity[0], "critical" | "warning" | "info"), "{alert}: {severity:?}");
        assert!(
            !values(part, "summary")[0].is_empty() && !values(part, "description")[0].is_empty(),
            "{alert}"
        );
        let link = format!("docs/alerts.md#{}", alert.to_lowercase());
        assert_eq!(values(part, "runbook_url"), [link], "{alert}");
        assert!(runbook.contains(&format!("\n## {alert}\n")), "{alert} has no part in docs/alerts.md");
        let tested = tests.split("alertname: ").skip(1).any(|case| {
            case.lines().next() == Some(alert)
                && case.lines().nth(1).is_some_and(|l| l.trim() == "exp_alerts:")
        });
        assert!(tested, "{alert} is seen to fire in no test");
    }
}

#[test]
fn promtool_and_amtool_have_nothing_to_complain_of() {
    if !has("promtool", "rules by promtool") || !has("amtool", "Alertmanager's file by amtool") {
        return;
    }
    let folder = repository("deploy/prometheus");
    run("promtool", &folder, &["check", "rules", "colo.recording.yml", "colo.alerts.yml"]);
    run("promtool", &folder, &["check", "config", "--syntax-only", "prometheus.yml"]);
    let said = run("promtool", &folder, &["test", "rules", "colo.rules.test.yml"]);
    assert!(said.contains("SUCCESS"), "{said}");
    run("amtool", &repository("deploy/alertmanager"), &["check-config", "alertmanager.yml"]);
}

/// The expressions of all dashboards, with every core chosen; uids are stable and each panel has its source.
fn dashboard_expressions() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut uids = Vec::new();
    for entry in std::fs::read_dir(repository("deploy/grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let uid = board["uid"].as_str().unwrap().to_owned();
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), uid);
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "colo-prometheus", "{uid}");
                let expression = target["expr"].as_str().unwrap().replace("$core", ".+");
                all.push((format!("{uid}: {}", panel["title"]), expression));
            }
        }
        uids.push(uid);
    }
    let source =
        std::fs::read_to_string(repository("deploy/grafana/provisioning/datasources/colo.yml")).unwrap();
    assert!(source.contains("uid: colo-prometheus"));
    assert_eq!(uids.len(), 3);
    all
}

#[test]
fn every_expression_gives_something_of_a_running_core_and_no_rule_fails() {
    let expressions = dashboard_expressions();
    if !has("prometheus", "dashboards against a real Prometheus") {
        return;
    }
    let core = Core::demo("dashboards");
    let server = Server::start(&["--name", &core.name]);
    let prometheus = Prometheus::start(server.url.strip_prefix("http://").unwrap(), 1);
    until("a scrape", || prometheus.ask("colo_up").ok().filter(|n| *n == 1));
    for (panel, expression) in &expressions {
        until(&format!("{panel}: {expression}"), || match prometheus.ask(expression) {
            Ok(n) => (n > 0).then_some(()),
            Err(e) => panic!("{panel}: {expression}: {e}"),
        });
    }
    say(&format!("{} expressions of dashboards, each with series of a running core", expressions.len()));
    let (_, text) = get(&format!("http://127.0.0.1:{}/api/v1/rules", prometheus.port), &[]);
    let rules: Value = serde_json::from_str(&text).unwrap();
    let mut seen = 0;
    for rule in
        rules["data"]["groups"].as_array().unwrap().iter().flat_map(|g| g["rules"].as_array().unwrap())
    {
        assert_eq!(rule["health"], "ok", "{rule}");
        prometheus.ask(rule["query"].as_str().unwrap()).unwrap_or_else(|e| panic!("{rule}: {e}"));
        seen += 1;
    }
    assert_eq!(seen, 35, "rules");
}

#[test]
fn a_core_that_dies_reaches_pagerduty_slack_and_the_record_through_alertmanager() {
    if !has("prometheus", "an alert end to end") || !has("prometheus-alertmanager", "an alert end to end") {
        return;
    }
    let mut core = Core::demo("alerted");
    let server = Server::start(&["--name", &core.name]);
    let (endpoint, folder, port) = (Endpoint::open(0), tempfile::tempdir().unwrap(), free_port());
    endpoint.answers(202);
    let _alertmanager = alertmanager(folder.path(), port, endpoint.port);
    let prometheus = Prometheus::start(server.url.strip_prefix("http://").unwrap(), port);
    until("a scrape", || prometheus.ask("colo_up == 1").ok().filter(|n| *n == 1));
    core.process.end();
    let told = |path: &str, words: &str| {
        until(&format!("{words} at {path}"), || {
            endpoint.told().into_iter().find(|t| t.path == path && t.body.contains(words))
        })
    };
    let paged: Value = serde_json::from_str(&told("/v2/enqueue", "ColoDown").body).unwrap();
    assert_eq!(
        (&paged["event_action"], &paged["payload"]["severity"]),
        (&"trigger".into(), &"critical".into())
    );
    assert!(
        paged["dedup_key"].as_str().is_some_and(|k| !k.is_empty()) && paged["routing_key"] == "R0123456789"
    );
    let summary = format!("Core {} is down", core.name);
    assert!(told("/slack", "ColoDown").body.contains(&summary));
    let record: Value = serde_json::from_str(&told("/alerts", "ColoDown").body).unwrap();
    let alert = &record["alerts"][0];
    assert_eq!(alert["annotations"]["runbook_url"], "docs/alerts.md#colodown");
    // It comes back: each service hears of that too, PagerDuty by the same key.
    drop(core);
    let again = Core::named(alert["labels"]["core"].as_str().unwrap());
    let key = paged["dedup_key"].as_str().unwrap().to_owned();
    until("a resolve by the same key", || {
        endpoint.told().into_iter().find(|t| {
            t.path == "/v2/enqueue"
                && t.body.contains(&key)
                && t.body.contains("\"event_action\":\"resolve\"")
        })
    });
    drop(again);
}
