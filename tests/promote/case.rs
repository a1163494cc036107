//! A desk on paper: keys, policies, evidence and a log in a folder, and a time of its own.

use std::fs;
use std::path::{Path, PathBuf};

use colo::config::{Config, Secrets};
use colo::manifest::Pair;
use colo::release::approval::{Draft, Signed, Statement};
use colo::release::evidence::{read_folder, sealed, unsealed};
use colo::release::gate::{Admission, admit};
use colo::release::keys::PrivateKey;
use colo::release::log::Log;
use colo::release::policy::Policy;
use colo::release::{Refused, Stage, Subject, model_sha256, params_sha256};
use model::Nanos;
use serde_json::{Value, json};

/// A Monday noon.
pub const NOW: Nanos = Nanos(1_795_435_200_000_000_000);
pub const DAY: u64 = 86_400_000_000_000;
pub const HOUR: u64 = DAY / 24;
pub const COMMIT: &str = "3c8f602a3c8f602a3c8f602a3c8f602a3c8f602a";
pub const HOST: &str = "ny4-7";

pub const PAPER: &str = r#"version = 1
stage = "paper"
approvers = "approvers.toml"
approvals = 1
valid_days = 30

[backtest]
min_days = 2
within_days = 30
"#;

pub const LIVE: &str = r#"version = 1
stage = "live"
approvers = "approvers.toml"
approvals = 2
valid_days = 30

[backtest]
min_days = 2
within_days = 30
min_pnl_usd = 100
min_sharpe = 1.5
max_drawdown_bps = 500
min_fills = 20

[replay]
runs = 2
within_days = 7
every_session = true

[paper]
sessions = 2
min_minutes = 60
min_fills = 5
max_alarms = 1
within_days = 10

[drills]
names = ["t3", "t9"]
within_days = 7

[doctor]
max_failures = 0
max_warnings = 1
within_days = 7

[limits]
steps_percent = [10, 50, 100]
sessions_a_step = 2
min_minutes = 60

[limits.target]
max_order_quantity = 1000
max_order_notional_usd = 1000000
max_position = 5000
max_open_orders = 50
max_messages_per_second = 500
max_daily_loss_usd = 100000
"#;

/// A configuration of production, with limits of a tenth of the target.
pub const CORE: &str = r#"name = "desk1"

[[feeds]]
id = "f1"
protocol = "itch50"
lines = ["127.0.0.1:1", "127.0.0.1:2"]

[[gateways]]
id = "g1"
protocol = "ouch50"
environment = "production"
address = "127.0.0.1:3"
username = "user01"
password_file = "pw"
firm = "ABCD"

[[instruments]]
symbol = "AAPL"
feed = "f1"
gateway = "g1"

[strategy]
name = "quoter"
params = { quantity = 100 }

[risk]
max_order_quantity = 100
max_order_notional_usd = 100000
max_position = 500
max_open_orders = 5
max_messages_per_second = 50
max_daily_loss_usd = 10000

[release]
policy = "live.toml"
log = "releases.jsonl"
"#;

/// The desk.
pub struct Case {
    pub folder: tempfile::TempDir,
    /// Anna's, ben's, anna's second, and mallory's, who approves nothing.
    pub keys: [PrivateKey; 4],
    pub binary: String,
    pub now: Nanos,
}

impl Case {
    /// With all that is asked for, and nothing approved.
    pub fn new() -> Case {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = |name: &str| PrivateKey::make(&folder.path().join(name)).expect("a key");
        let keys = [key("anna.key"), key("ben.key"), key("anna2.key"), key("mallory.key")];
        let case = Case { folder, keys, binary: "b".repeat(64), now: NOW };
        let names = ["anna", "ben", "anna"];
        let approvers: String = names
            .iter()
            .zip(&case.keys)
            .map(|(name, key)| format!("\n[[approver]]\nname = \"{name}\"\nkey = \"{}\"\n", key.public()))
            .collect();
        case.write("approvers.toml", &format!("version = 1\n{approvers}"));
        case.write("paper.toml", PAPER);
        case.write("live.toml", LIVE);
        case.write("colo.toml", CORE);
        fs::create_dir(case.file("evidence")).expect("a folder");
        case.shows();
        case
    }

    /// Approved for paper and live, by whom it takes.
    pub fn approved() -> Case {
        let case = Case::new();
        case.promote_to_paper();
        case.promote(false).expect("everything is there");
        case
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap_or_else(|e| panic!("{name}: {e}"));
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Changes a text file.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replace(from, to));
    }

    pub fn config(&self) -> Config {
        Config::load(&self.file("colo.toml"), Secrets::Skip).unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn pair(&self) -> Pair {
        Pair { binary_sha256: self.binary.clone(), config_sha256: self.config().sha256 }
    }

    pub fn log_file(&self) -> PathBuf {
        self.file("releases.jsonl")
    }

    pub fn log(&self) -> Log {
        Log::read(&self.log_file()).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Evidence that is stamped with this program and this configuration, an hour old.
    pub fn stamped(&self, kind: &str, mut with: Value) -> Value {
        let config = self.config();
        for (key, value) in [
            ("kind", json!(kind)),
            ("at_ns", json!(self.now.0 - HOUR)),
            ("host", json!(HOST)),
            ("strategy", json!("quoter")),
            ("binary_sha256", json!(self.binary)),
            ("config_sha256", json!(config.sha256)),
            ("params_sha256", json!(params_sha256(&config))),
        ] {
            with[key] = value;
        }
        with
    }

    pub fn put(&self, file: &str, value: &Value) {
        self.write(&format!("evidence/{file}"), &sealed(value));
    }

    /// Takes a file of evidence, changes it, and seals it again.
    pub fn reseal(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let text = self.read(&format!("evidence/{file}"));
        let (body, _) = unsealed(&text).expect("sealed");
        let mut value = serde_json::from_str(&body).expect("JSON");
        change(&mut value);
        self.put(file, &value);
    }

    /// A session that ended `hours` ago and took two of them.
    pub fn session(&self, file: &str, mode: &str, hours: u64, hash: &str) {
        let ended = self.now.0 - hours * HOUR;
        let value = self.stamped(
            "session",
            json!({
                "mode": mode, "started_ns": ended - 2 * HOUR, "ended_ns": ended, "reconciled": true, "gaps_open": 0, "halted": null,
                "alarms": 0, "fills": 40, "open_orders": 0, "failures": [], "state_hash": hash,
            }),
        );
        self.put(file, &value);
        self.reseal(file, |v| v["at_ns"] = json!(ended));
    }

    fn shows(&self) {
        let figures = json!({ "sharpe": 2.5, "max_drawdown": -0.01 });
        let days = json!([{ "fills": 30 }, { "fills": 10 }]);
        let data = json!([{ "file": "1.itch", "sha256": "1".repeat(64) }, { "file": "2.itch", "sha256": "2".repeat(64) }]);
        let returns = json!({ "by_day": figures, "by_grain": figures });
        self.put(
            "backtest.json",
            &self.stamped(
                "backtest",
                json!({ "model_sha256": model_sha256(&self.config()), "data": data, "pnl": 1234.5, "returns": returns, "days": days }),
            ),
        );
        for (k, hours) in [(1, 30), (2, 6)] {
            let hash = format!("{k:016x}");
            self.session(&format!("session{k}.json"), "paper", hours, &hash);
            self.put(
                &format!("replay{k}.json"),
                &self.stamped("replay", json!({ "ok": true, "state_hash": hash })),
            );
        }
        for name in ["t3", "t9"] {
            self.put(
                &format!("{name}.json"),
                &self.stamped("drill", json!({ "name": name, "passed": true })),
            );
        }
        let rows = json!([{ "id": "a", "status": "pass" }, { "id": "b", "status": "warn" }, { "id": "c", "status": "unknown" }]);
        self.put("doctor.json", &self.stamped("doctor", json!({ "rows": rows })));
    }

    /// What there is to be signed for live.
    pub fn statement(&self, step: bool) -> Result<Statement, Refused> {
        self.statement_of("live.toml", step)
    }

    pub fn statement_of(&self, policy: &str, step: bool) -> Result<Statement, Refused> {
        let config = self.config();
        let policy = Policy::read(&self.file(policy)).map_err(Refused::because)?;
        let pieces = read_folder(&self.file("evidence"))?;
        let draft = Draft {
            subject: &Subject::of(&config, &self.pair()),
            config: &config,
            policy: &policy,
            approvers: &policy.approvers().map_err(Refused::because)?,
            pieces: &pieces,
            log: &self.log(),
            commit: COMMIT,
            step,
            proposed: self.now,
        };
        draft.statement(self.now)
    }

    pub fn promote_to_paper(&self) {
        let text = self.statement_of("paper.toml", false).expect("for paper").to_toml();
        self.append(&text, &[0]).expect("the log");
    }

    /// For live, by anna and ben.
    pub fn promote(&self, step: bool) -> Result<Log, Refused> {
        self.append(&self.statement(step)?.to_toml(), &[0, 1])
    }

    /// A text with these signatures.
    pub fn append(&self, text: &str, by: &[usize]) -> Result<Log, Refused> {
        let signed: Vec<_> = by.iter().map(|k| Signed::by(&self.keys[*k], text)).collect();
        Log::append(&self.log_file(), text, &signed, self.now)
    }

    pub fn admit(&self) -> Result<Admission, Refused> {
        admit(&self.config(), &self.pair(), HOST, self.now)
    }

    /// What the live gate says.
    #[track_caller]
    pub fn refused(&self, what: &str) -> String {
        let refused = self.admit();
        refused.expect_err(what).to_string()
    }

    /// The seal of what is in force live.
    pub fn in_force(&self) -> String {
        self.log().latest("desk1", Stage::Live).expect("an entry").seal.clone()
    }
}

/// Flips the lowest bit of each byte of a file in turn, and puts it back.
pub fn each_byte_changed(file: &Path, mut look: impl FnMut(usize)) {
    let whole = fs::read(file).expect("a file");
    assert!(!whole.is_empty(), "{}", file.display());
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(file, &changed).expect("written");
        look(at);
    }
    fs::write(file, whole).expect("written");
}
