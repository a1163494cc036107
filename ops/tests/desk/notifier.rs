//! `colo-monitor notify` with all four kinds of channel.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{MONITOR, Process, secret};

/// A notifier's surroundings: its file, its secrets, its spool.
pub struct Surroundings {
    /// Where they are.
    pub folder: tempfile::TempDir,
    /// The notifier's configuration.
    pub file: PathBuf,
}

impl Surroundings {
    /// All four kinds of channel, at this port.
    pub fn new(core: &str, port: u16) -> Surroundings {
        let folder = tempfile::tempdir().unwrap();
        secret(folder.path(), "routing-key", "R0123456789");
        secret(folder.path(), "twilio-token", "twilio-secret");
        secret(folder.path(), "slack-url", &format!("http://127.0.0.1:{port}/slack"));
        secret(folder.path(), "hook-token", "hook-secret");
        let file = folder.path().join("notify.toml");
        let text = format!(
            r#"
cores = ["{core}"]
spool = "spool"
[[channels]]
kind = "pagerduty"
name = "pagerduty"
routing_key_file = "routing-key"
url = "http://127.0.0.1:{port}/v2/enqueue"
[[channels]]
kind = "twilio"
name = "sms"
account_sid = "AC0123"
auth_token_file = "twilio-token"
from = "+15550001"
to = "+15550002"
url = "http://127.0.0.1:{port}"
[[channels]]
kind = "slack"
name = "slack"
url_file = "slack-url"
[[channels]]
kind = "webhook"
name = "hook"
url = "http://127.0.0.1:{port}/hook"
token_file = "hook-token"
"#
        );
        std::fs::write(&file, text).unwrap();
        Surroundings { folder, file }
    }

    /// Starts the notifier.
    pub fn start(&self) -> Process {
        let child = Command::new(MONITOR)
            .args(["notify", "--config", self.file.to_str().unwrap()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Process(child)
    }

    /// Notices that wait for a channel.
    pub fn waiting(&self, channel: &str) -> usize {
        count(&self.folder.path().join("spool").join(channel))
    }
}

/// Notices in a folder of the spool.
pub fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|e| e.path().extension().is_some_and(|e| e == "json")).count()
}
