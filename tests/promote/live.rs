//! The whole way with the program itself: keys, evidence by the tools, two approvers, a core that trades in production (the simulated venue, marked so), every refusal, a step up, the way back, a fleet.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use colo::journal::RunDir;
use serde_json::Value;

use crate::case::COMMIT;
use crate::program::desk::{Desk, open_orders};
use crate::program::json::Report;
use crate::program::{COLO, Ended, Program, colo, until};

const PAPER: &str = r#"version = 1
stage = "paper"
approvers = "approvers.toml"
approvals = 1
valid_days = 30

[backtest]
min_days = 1
within_days = 30
min_pnl_usd = -1000000
"#;

const LIVE: &str = r#"version = 1
stage = "live"
approvers = "approvers.toml"
approvals = 2
valid_days = 30

[backtest]
min_days = 1
within_days = 30
min_pnl_usd = -1000000

[replay]
runs = 1
within_days = 7
every_session = true

[paper]
sessions = 1
min_minutes = 0
min_fills = 1
max_alarms = 1000000
within_days = 7

[drills]
names = ["t3", "t9"]
within_days = 7

[doctor]
max_failures = 100
max_warnings = 100
within_days = 7

[limits]
steps_percent = [10, 50]
sessions_a_step = 1
max_alarms = 1000000

[limits.target]
max_order_quantity = 1000
max_order_notional_usd = 1000000
max_position = 5000
max_open_orders = 50
max_messages_per_second = 500
max_daily_loss_usd = 100000
"#;

/// A desk with approvers, policies and a venue.
struct Firm {
    desk: Desk,
    venue: Program,
}

/// A tenth of the target's limits.
const LIMITS: [(&str, &str); 6] = [
    ("max_order_quantity = 1000", "max_order_quantity = 100"),
    ("max_order_notional_usd = 1000000", "max_order_notional_usd = 100000"),
    ("max_position = 5000", "max_position = 500"),
    ("max_open_orders = 50", "max_open_orders = 5"),
    ("max_messages_per_second = 500", "max_messages_per_second = 50"),
    ("max_daily_loss_usd = 100000", "max_daily_loss_usd = 10000"),
];

impl Firm {
    fn new() -> Firm {
        let desk = Desk::new();
        fs::create_dir(desk.file("evidence")).expect("a folder");
        let key = |name: &str| {
            let file = desk.file(&format!("{name}.key"));
            let made = colo(["release", "keygen", "--name", name, "--out", file.to_str().expect("a path")]);
            made.exits(0).stdout
        };
        desk.write("approvers.toml", format!("version = 1\n\n{}\n{}", key("anna"), key("ben")));
        key("mallory");
        desk.write("policy-paper.toml", PAPER);
        desk.write("policy-live.toml", LIVE);
        // On paper a quote trades when the queue before it has: with more orders sooner.
        let venue = desk.venue().replace("messages_per_second = 2000", "messages_per_second = 6000");
        let venue = desk.start_venue(&format!("control = \"venue.sock\"\n{venue}"));
        Firm { desk, venue }
    }

    /// The core's configuration, of a stage.
    fn config(&self, environment: &str, policy: &str) -> String {
        let mut text =
            self.desk.core().replace("environment = \"test\"", &format!("environment = {environment:?}"));
        for (from, to) in LIMITS {
            text = text.replace(from, to);
        }
        format!(
            "{text}\n[backtest]\nhours = \"always\"\n\n[release]\npolicy = {policy:?}\nlog = \"releases.jsonl\"\n"
        )
    }

    fn live(&self) -> String {
        self.config("production", "policy-live.toml")
    }

    fn path(&self, name: &str) -> String {
        self.desk.file(name).to_str().expect("a path").to_owned()
    }

    /// `colo promote quoter --to STAGE`, by somebody.
    fn promote(&self, to: &str, config: &str, by: &str, more: &[&str]) -> Ended {
        let (config, evidence, key) =
            (self.path(config), self.path("evidence"), self.path(&format!("{by}.key")));
        let mut line = vec!["promote", "quoter", "--to", to, "--config", &config, "--evidence", &evidence];
        if !more.contains(&"--dry-run") {
            line.extend(["--key", &key]);
        }
        if !more.contains(&"--approve") && !more.contains(&"--commit") {
            line.extend(["--commit", COMMIT]);
        }
        line.extend(more);
        colo(line)
    }

    fn release(&self, verb: &str, more: &[&str]) -> Ended {
        let config = self.path("colo.toml");
        colo([&["release", verb, "--config", &config], more].concat())
    }

    /// Logins that the venue has counted.
    fn logins(&self) -> u64 {
        let socket = self.path("venue.sock");
        let answer = colo(["exchange", "ctl", "--socket", &socket, "status"]).exits(0).stdout;
        let status = serde_json::from_str(answer.strip_prefix("ok ").expect("an answer")).expect("JSON");
        Report(status).count("/counts/logins")
    }

    /// A session until it trades, ended in order; its report is left in the folder of evidence.
    fn session(&self, config: &str, mode: &str, evidence: &str) -> Report {
        let mut core = self.desk.start_core(config, &["--mode", mode]);
        self.desk.until_trading(&mut core);
        core.signal("TERM");
        core.end().exits(130);
        fs::copy(self.desk.file("run.json"), self.desk.file(&format!("evidence/{evidence}")))
            .expect("copied");
        self.desk.report()
    }

    /// Refused with exit code 4, before the venue has heard of it.
    #[track_caller]
    fn is_refused(&self, config: &str, says: &str) {
        self.is_refused_as(4, config, says);
    }

    #[track_caller]
    fn is_refused_as(&self, code: i32, config: &str, says: &str) {
        let before = self.logins();
        let ended = self.desk.run_core(config, &["--mode", "live", "--seconds", "60"]).exits(code);
        assert!(ended.stderr.contains(says), "{says:?} is not in: {}", ended.stderr);
        assert_eq!(self.logins(), before, "it has logged in");
        assert!(!self.desk.file("run.json").exists(), "nothing ran");
    }

    /// What the tools say of themselves, into the folder of evidence.
    fn show(&self) {
        let (desk, test) = (&self.desk, self.config("test", "policy-live.toml"));
        let report = self.session(&test, "paper", "session.json");
        report
            .is("/mode", "paper")
            .is("/kind", "session")
            .is("/approval", ())
            .is("/limits/max_position", 500);

        let journal = desk.journals();
        let replay = self.path("evidence/replay.json");
        colo([
            "replay".as_ref(),
            "--journal".as_ref(),
            journal.as_os_str(),
            "--json".as_ref(),
            replay.as_ref(),
        ])
        .exits(0);
        // A day of the market, as the venue tells it.
        let day = self.path("day.itch");
        let mut recorder = Program::colo(["record", "--config", &self.path("colo.toml"), "--out", &day]);
        until("a day of the market", || {
            assert!(recorder.runs(), "it ended: {}", recorder.stderr());
            fs::metadata(&day).is_ok_and(|f| f.len() > 400_000).then_some(())
        });
        recorder.signal("TERM");
        recorder.end();
        let backtest = self.path("evidence/backtest.json");
        colo(["backtest", "--config", &self.path("colo.toml"), "--data", &day, "--json", &backtest]).exits(0);
        colo(["doctor", "--evidence", &self.path("evidence/doctor.json")]).exits(0);
        for name in ["t3", "t9"] {
            drilled(&desk.file("evidence"), name, Path::new(COLO));
        }
    }
}

/// As scripts/drill leaves it.
fn drilled(folder: &Path, name: &str, program: &Path) {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/steps.sh");
    let script = format!(
        "set -euo pipefail; target=; . '{}'; drilled '{}' {name} true",
        steps.display(),
        folder.display()
    );
    let mut shell = Command::new("bash");
    Program::start(shell.args(["-c", &script]).env("DRILL_PROGRAM", program)).end().exits(0);
}

#[test]
fn from_keys_to_a_core_that_trades_and_back() {
    let firm = Firm::new();
    let (desk, live) = (&firm.desk, firm.live());
    firm.show();
    desk.write("colo.toml", &live);
    desk.write("paper.toml", firm.config("test", "policy-paper.toml"));

    // Nothing is approved, and nothing was on paper.
    firm.is_refused(&live, "nothing was ever approved");
    firm.promote("live", "colo.toml", "anna", &[]).exits(4).says(&["was approved for paper"]);
    let asked = firm.promote("live", "colo.toml", "nobody", &["--dry-run", "--json"]).exits(4);
    let missing = Report::of(&asked);
    missing.is("/ok", false);
    assert!(
        missing.at("/missing/0").as_str().is_some_and(|m| m.contains("approved for paper")),
        "{missing:?}"
    );
    firm.promote("paper", "paper.toml", "mallory", &[]).exits(4).says(&["is no approver's key"]);
    firm.promote("paper", "paper.toml", "anna", &["--commit", "HEAD"]).exits(4).says(&["commit", "HEAD"]);
    firm.promote("paper", "colo.toml", "anna", &[]).exits(4).says(&["--to is paper"]);
    firm.promote("paper", "paper.toml", "anna", &[]).exits(0).shows(&["entry 1 of"]);

    // Two people, who see the same.
    firm.promote("live", "colo.toml", "ben", &["--approve"]).exits(4).says(&["nothing is proposed"]);
    firm.promote("live", "colo.toml", "anna", &["--step"]).exits(4).says(&["none is in force"]);
    let asked = firm.promote("live", "colo.toml", "nobody", &["--dry-run", "--json"]).exits(0);
    Report::of(&asked).is("/ok", true).is("/came/signed", 0).is("/statement/limits_percent", 10);
    firm.promote("live", "colo.toml", "ben", &["--approve"]).exits(4).says(&["nothing is proposed"]);
    firm.promote("live", "colo.toml", "anna", &[]).exits(0).shows(&["1 of 2", "10 % of the policy's target"]);
    firm.is_refused(&live, "nothing was ever approved");
    firm.promote("live", "colo.toml", "anna", &["--approve"]).exits(4).says(&["anna has signed it already"]);
    drilled(&desk.file("evidence"), "t9", Path::new(COLO));
    let other = firm.promote("live", "colo.toml", "ben", &["--approve"]).exits(4).stderr;
    assert!(other.contains("what is here says: file = \"drill-t9"), "{other}");
    firm.promote("live", "colo.toml", "anna", &[]).exits(0).shows(&["1 of 2"]);
    firm.promote("live", "colo.toml", "ben", &["--approve"]).exits(0).shows(&["entry 2 of"]);
    firm.release("verify", &[]).exits(0).shows(&["2 entries hold"]);

    trades_and_is_killed(&firm, &live);
    refuses_what_was_changed(&firm, &live);
    let half = steps_up(&firm, &live);
    goes_back(&firm, &live, &half);
    let Firm { desk, venue } = firm;
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}

/// A core in production, with two operators to a kill's release.
fn trades_and_is_killed(firm: &Firm, live: &str) {
    let desk = &firm.desk;
    let mut core = desk.start_core(live, &["--mode", "live"]);
    desk.until_trading(&mut core);
    assert!(
        core.stderr().contains("LIVE: entry 2 of the release log, signed by anna and ben"),
        "{}",
        core.stderr()
    );
    // What was approved is what runs: the policy says nothing of `params`. Less risk is always taken.
    let settings = |more: &[&str]| {
        let said = ["--reason", "a test", "--operator", "anna"];
        colo([&["ctl", "--name", &desk.name, "params"], more, &said].concat())
    };
    settings(&["propose", "quantity=50"]).exits(1).says(&["its policy lets nobody change them"]);
    settings(&["propose", "--limits", "max_position=400"]).exits(0);
    let shown = Report::of(&colo(["ctl", "--name", &desk.name, "params", "--json"]).exits(0));
    shown.is("/params_approved", true).is("/params_may_change", false).is("/params/0/value", 100);
    desk.ctl("kill").exits(0).shows(&["confirmed flat after"]);
    desk.until_status("flat", &mut core, |s| open_orders(s) == 0);
    let by = |operator: &str| {
        colo(["ctl", "--name", &desk.name, "unkill", "--reason", "over", "--operator", operator])
    };
    by("anna").exits(0).shows(&["1 more operator"]);
    assert!(desk.journals().join("killed").exists(), "one operator does not release it");
    by("anna").exits(1);
    by("ben").exits(0).shows(&["released"]);
    assert!(!desk.journals().join("killed").exists());
    core.signal("TERM");
    core.end().exits(130);
    desk.report().is("/mode", "live").is("/reconciled", true).some("/fills");
}

fn refuses_what_was_changed(firm: &Firm, live: &str) {
    let desk = &firm.desk;
    for (file, from, to, says) in [
        ("policy-live.toml", "valid_days = 30", "valid_days = 30 ", "policy-live.toml"),
        ("policy-live.toml", "min_fills = 1", "min_fills = 0", "policy-live.toml"),
        ("approvers.toml", "name = \"ben\"", "name = \"anna\"", "1 of 2 approvers"),
        ("releases.jsonl", "limits_percent = 10", "limits_percent = 50", "releases.jsonl: line 2"),
        ("releases.jsonl", "\"number\":2", "\"number\":3", "releases.jsonl: line 2"),
    ] {
        let whole = fs::read_to_string(desk.file(file)).expect("a file");
        assert!(whole.contains(from), "{file}: {from}");
        desk.write(file, whole.replace(from, to));
        firm.is_refused(live, says);
        desk.write(file, whole);
    }
    for (from, to, says) in [
        ("price_collar_bps = 500", "price_collar_bps = 501", "config_sha256"),
        ("{ quantity = 100 }", "{ quantity = 90 }", "params_sha256"),
        ("environment = \"production\"", "environment = \"test\"", "is marked \"test\""),
    ] {
        firm.is_refused(&live.replace(from, to), says);
    }
    let second = "\n[[gateways]]\nid = \"g2\"\nprotocol = \"ouch50\"\nenvironment = \"test\"\naddress = \"127.0.0.1:9\"\nusername = \"u\"\npassword_file = \"pw\"\nfirm = \"ABCD\"\n";
    firm.is_refused(
        &live.replace("\n[[instruments]]", &format!("{second}\n[[instruments]]")),
        "gateway g2 is marked \"test\"",
    );
    // Production is reached by no other mode.
    desk.run_core(live, &["--mode", "test"]).exits(4).says(&["\"production\"", "--mode live"]);
    // The same program, but for one byte at its end.
    let other = other_program(desk);
    let ended = Program::start(
        Command::new(&other).args(["run", "--mode", "live", "--config"]).arg(desk.file("colo.toml")),
    );
    ended.end().exits(4).says(&["this program is", "binary_sha256"]);
}

/// A copy of the program with one byte more.
fn other_program(desk: &Desk) -> PathBuf {
    let other = desk.file("other-colo");
    fs::copy(COLO, &other).expect("copied");
    OpenOptions::new().append(true).open(&other).and_then(|mut f| f.write_all(b"\n")).expect("a byte more");
    other
}

/// A clean live session, and half of the target; the new configuration.
fn steps_up(firm: &Firm, live: &str) -> String {
    let desk = &firm.desk;
    let half = live.replace("max_position = 500", "max_position = 2500");
    firm.promote("live", "colo.toml", "anna", &["--step"]).exits(4).says(&["0 of 1 clean live sessions"]);
    let report = firm.session(live, "live", "live.json");
    let in_force = firm.release("log", &["--json"]).exits(0).stdout;
    let last: Value = serde_json::from_str(in_force.lines().last().expect("an entry")).expect("JSON");
    assert_eq!(report.at("/approval"), &last["seal"]);
    firm.is_refused(&half, "`risk.max_position` is 2500, and 10 %");
    firm.promote("live", "colo.toml", "anna", &[]).exits(4).says(&["`risk.max_position` is 2500, and 10 %"]);
    firm.promote("live", "colo.toml", "anna", &["--step"]).exits(0).shows(&["50 % of the policy's target"]);
    firm.promote("live", "colo.toml", "ben", &["--approve", "--step"]).exits(0).shows(&["entry 3 of"]);
    firm.session(&half, "live", "live-half.json").is("/limits/max_position", 2500);
    firm.is_refused(live, "config_sha256");
    desk.write("colo.toml", &half);
    half
}

/// In one command, with configuration and program; and a fleet of which one server stayed behind.
fn goes_back(firm: &Firm, live: &str, half: &str) {
    let desk = &firm.desk;
    let other = other_program(desk);
    let (key, place) = (firm.path("anna.key"), other.to_str().expect("a path").to_owned());
    let back = ["--key", &key, "--reason", "fills too far from the middle", "--program", &place];
    firm.release("rollback", &["--key", &firm.path("mallory.key"), "--reason", "none"])
        .exits(4)
        .says(&["is no approver's key"]);
    firm.release("rollback", &[&back[..], &["--to", "1"]].concat()).exits(4).says(&["entry 1 is no release"]);
    // The configuration that is left need not be one that can be run.
    desk.write("colo.toml", half.replace("price_collar_bps = 500", "price_collar = 500"));
    firm.is_refused_as(3, &fs::read_to_string(desk.file("colo.toml")).expect("a file"), "price_collar");
    let shown = firm.release("rollback", &back).exits(0);
    shown.shows(&["entry 4, by anna: entry 2 is in force", "configuration", "program", "put back"]);
    assert_eq!(fs::read_to_string(desk.file("colo.toml")).expect("put back"), live);
    assert_eq!(fs::read(&other).expect("put back"), fs::read(COLO).expect("the program"));
    firm.release("show", &[]).exits(0).shows(&["entry 2, by the roll-back in entry 4", "anna and ben"]);
    let shown = Report::of(&firm.release("show", &["--json"]).exits(0));
    shown.is("/number", 2).is("/by", 4).is("/statement/stage", "live");
    firm.release("log", &[]).exits(0).shows(&["back to", "fills too far from the middle; signed by anna"]);
    firm.is_refused(half, "config_sha256");
    firm.session(live, "live", "live-back.json");
    fleet(desk);

    firm.release("rollback", &["--key", &key, "--reason", "enough", "--nothing"])
        .exits(0)
        .shows(&["nothing is in force"]);
    firm.is_refused(live, "has been taken back (entry 5)");
    firm.release("show", &[]).exits(4);
    // A log without its last line is one that this host has seen more of; where it had not, it would be let in.
    let log = fs::read_to_string(desk.file("releases.jsonl")).expect("a log");
    let lines: Vec<_> = log.lines().collect();
    desk.write("releases.jsonl", format!("{}\n", lines[..3].join("\n")));
    firm.is_refused(live, "lacks entry 4");
    desk.write("releases.jsonl", log);
}

fn fleet(desk: &Desk) {
    let last = RunDir::find(&desk.journals());
    let manifest = fs::read_to_string(last.join("manifest.toml")).expect("a manifest");
    assert!(manifest.contains("approval_sha256"), "{manifest}");
    let server =
        |name: &str, text: &str| format!("{name}={}", desk.write(&format!("{name}.toml"), text).display());
    let (a, b) = (server("ny1", &manifest), server("ny2", &manifest));
    let journals = format!("ny3={}", desk.journals().display());
    colo(["fleet", "check", &a, &b, &journals]).exits(0).shows(&["3 servers run the same program"]);
    for (key, value) in manifest.lines().skip(1).filter_map(|l| l.split_once(" = ")) {
        let other = server("ny8", &manifest.replace(value, &format!("\"{}\"", "0".repeat(64))));
        let ended = colo(["fleet", "check", &a, &b, &journals, &other]).exits(4);
        assert!(
            ended.stderr.contains(&format!("ny8: {key} is 000")) && ended.stderr.contains("3 others have"),
            "{ended:#?}"
        );
        let programs = colo(["fleet", "check", "--programs", "--json", &a, &b, &other]);
        let same = programs.code == Some(0);
        assert_eq!(same, key != "binary_sha256", "{programs:#?}");
        assert_eq!(Report::of(&programs).at("/same"), same);
    }
    colo(["fleet", "check", &a, &server("ny9", "version = 1\n")]).exits(1).says(&["ny9", "pair"]);
    colo(["fleet", "check"]).exits(2);
}

/// The firm's limits are parted among its cores: the parts are added up, whichever of a core's scopes is the tightest.
#[test]
fn what_cores_may_together_is_held_to_what_the_firm_may() {
    let desk = Desk::new();
    let core = |name: &str, risk: &str| {
        let text = include_str!("../fixtures/core.toml").replace("unnamed", name);
        let (before, _) = text.split_once("[risk]").unwrap_or((&text, ""));
        desk.write(&format!("{name}.toml"), format!("{before}\n[risk]\n{risk}")).display().to_string()
    };
    let one = core(
        "one",
        "max_daily_loss_usd = 100\nmax_open_orders = 7\nmax_messages_per_second = 50\nmax_position = 300\n\
         max_gross_notional_usd = 2000\n[risk.firm]\nmax_gross_notional_usd = 1500\nmax_open_orders = 5\n\
         [risk.symbols.AAPL]\nmax_position = 200",
    );
    let two = core(
        "two",
        "max_daily_loss_usd = 50\nmax_open_orders = 3\nmax_messages_per_second = 60\nmax_position = 90\n\
         max_gross_notional_usd = 500\n[risk.accounts.g1]\nmax_position = 70",
    );
    let whole = [
        ("max_gross_notional_usd", 2_000),
        ("max_daily_loss_usd", 150),
        ("max_open_orders", 8),
        ("max_messages_per_second", 110),
        ("max_position", 270),
    ];
    let firm = |less: &str| {
        let line = |(key, n): (&str, i64)| format!("{key} = {}\n", n - i64::from(key == less));
        desk.write("firm.toml", whole.map(line).concat()).display().to_string()
    };
    let limits =
        |firm: &str, json: &[&str]| colo([&["fleet", "limits", "--firm", firm, &one, &two], json].concat());
    limits(&firm(""), &[]).exits(0).shows(&["max_position AAPL", "270", "one", "200", "two", "70"]);
    for (key, n) in whole {
        let ended = limits(&firm(key), &["--json"]).exits(4).says(&["more than the firm"]);
        let told = Report::of(&ended);
        let broken: Vec<&Value> =
            told.0["limits"].as_array().expect("limits").iter().filter(|l| l["holds"] == false).collect();
        let [only] = broken[..] else { panic!("{key}: {ended:#?}") };
        assert!(only["share"]["limit"].as_str().is_some_and(|l| l.starts_with(key)), "{ended:#?}");
        assert_eq!(only["given"].as_i64(), Some(n));
    }
    // A core without such a limit may come to anything.
    let firm = desk.write("firm.toml", "max_net_notional_usd = 1").display().to_string();
    limits(&firm, &[]).exits(4).shows(&["without end", "no limit"]);
    for bad in ["", "max_position = -1", "max_positions = 1", "max_open_orders = 1.5", "x"] {
        let firm = desk.write("firm.toml", bad).display().to_string();
        limits(&firm, &[]).exits(3).says(&["firm.toml"]);
    }
    colo(["fleet", "limits", "--firm", &one, "absent.toml"]).exits(3);
}
