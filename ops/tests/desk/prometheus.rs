//! Prometheus and Alertmanager with the files of `deploy/`, on ports of their own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Process, free_port, get, repository, secret};

/// A Prometheus that scrapes `target` once a second by our rules, and sends to `alertmanager`.
pub struct Prometheus {
    _process: Process,
    _folder: tempfile::TempDir,
    /// Its port on loopback.
    pub port: u16,
}

impl Prometheus {
    /// Starts it.
    pub fn start(target: &str, alertmanager: u16) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let from = repository("deploy/prometheus");
        for file in ["prometheus.yml", "colo.recording.yml", "colo.alerts.yml"] {
            let text = std::fs::read_to_string(from.join(file)).unwrap();
            let text = text
                .replace("127.0.0.1:9464", target)
                .replace("127.0.0.1:9093", &format!("127.0.0.1:{alertmanager}"))
                .replace("interval: 5s", "interval: 1s");
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--rules.alert.resend-delay=2s")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Prometheus { _process: Process(child), _folder: folder, port }
    }

    /// What an expression gives: its error, or how many series.
    pub fn ask(&self, expression: &str) -> Result<usize, String> {
        let escaped: String = expression.bytes().map(|b| format!("%{b:02X}")).collect();
        let (_, text) = get(&format!("http://127.0.0.1:{}/api/v1/query?query={escaped}", self.port), &[]);
        let answer: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
        match answer["data"]["result"].as_array() {
            Some(series) => Ok(series.len()),
            None => Err(answer["error"].to_string()),
        }
    }
}

/// Alertmanager with our routes, its services at `endpoint`.
pub fn alertmanager(folder: &Path, port: u16, endpoint: u16) -> Process {
    secret(folder, "pagerduty-key", "R0123456789");
    secret(folder, "slack-url", &format!("http://127.0.0.1:{endpoint}/slack"));
    let text = std::fs::read_to_string(repository("deploy/alertmanager/alertmanager.yml")).unwrap();
    let text = text
        .replace("https://events.pagerduty.com", &format!("http://127.0.0.1:{endpoint}"))
        .replace("127.0.0.1:9465", &format!("127.0.0.1:{endpoint}"))
        .replace("group_wait: 5s", "group_wait: 1s")
        .replace("group_interval: 30s", "group_interval: 2s");
    let file = folder.join("alertmanager.yml");
    std::fs::write(&file, text).unwrap();
    let child = Command::new("prometheus-alertmanager")
        .current_dir(folder)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("store").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Process(child)
}
