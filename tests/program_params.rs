//! Parameters of a running core: proposed, applied between two events, journaled whole, and gone with the core; and the job that proposes and never applies.

mod program;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use program::desk::Desk;
use program::json::Report;
use program::{Program, colo, shared};
use serde_json::{Value, json};

const SAID: [&str; 2] = ["--reason", "a test"];
const BY_ANNA: [&str; 4] = ["--reason", "a test", "--operator", "anna"];

struct Trading {
    desk: Desk,
    core: Program,
    venue: Program,
}

impl Trading {
    fn begin(config: &str, desk: Desk) -> Trading {
        let venue = desk.start_venue(&desk.venue());
        let mut core = desk.start_core(config, &[]);
        desk.until_trading(&mut core);
        Trading { desk, core, venue }
    }

    fn plain() -> Trading {
        let desk = Desk::new();
        Trading::begin(&desk.core(), desk)
    }

    fn params(&self, more: &[&str]) -> program::Ended {
        let mut arguments = vec!["ctl", "--name", &self.desk.name, "params"];
        arguments.extend(more);
        colo(arguments)
    }

    /// `ctl params` with these in front of a reason and an operator's name, and JSON behind.
    #[track_caller]
    fn asked(&self, more: &[&str]) -> Report {
        let whole = [more, &BY_ANNA, &["--json"]].concat();
        Report::of(&self.params(&whole).exits(0))
    }

    fn shown(&self) -> Report {
        Report::of(&self.params(&["--json"]).exits(0))
    }

    fn value(&self, list: &str, name: &str) -> Value {
        let Report(shown) = self.shown();
        let found = shown[list].as_array().unwrap().iter().find(|p| p["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("{name} is not in {shown}"))["value"].clone()
    }

    /// Ends it in order, and equal to the venue.
    #[track_caller]
    fn shut_down(self) -> Desk {
        self.desk.ctl("shutdown").exits(0);
        self.core.end().exits(0);
        self.desk.report().is("/reconciled", true).is("/open_orders", 0);
        self.desk.end_venue(self.venue).is("/accounts/0/live_orders", 0);
        self.desk
    }
}

#[test]
fn a_change_is_journaled_whole_replays_and_ends_with_the_core() {
    let mut t = Trading::plain();
    assert_eq!(
        (t.value("params", "quantity"), t.value("limits", "max_position")),
        (json!(100), json!(5_000))
    );
    let change = ["propose", "quantity=50", "skew_ticks=2", "--limits", "max_position=700"];
    let proposed = t.asked(&change);
    proposed
        .is("/proposal", 1)
        .is("/difference/2", json!({"name": "max_position", "from": 5_000, "to": 700}));
    assert_eq!(t.value("params", "quantity"), 100, "a proposal changes nothing");
    let sent = t.desk.status().expect("a status").count("/engine/new_orders");
    t.asked(&["apply", "1"]).is("/change", 1);
    let (quantity, position) = (t.value("params", "quantity"), t.value("limits", "max_position"));
    assert_eq!((quantity, position), (json!(50), json!(700)));
    let status = t
        .desk
        .until_status("orders of the new size", &mut t.core, |s| s.count("/engine/new_orders") > sent + 5);
    status.is("/settings/change", 1).is("/settings/operator", "anna").is("/risk/max_position", 700);
    status.is("/settings/differing/0", json!({"name": "quantity", "configured": 100, "now": 50}));
    t.params(&["apply", "1", "--reason", "again", "--operator", "anna"]).exits(1).says(&["no proposal 1"]);
    // The run's manifest says it too, for whoever looks at the fleet.
    let run = t.desk.journals().join("run-000001");
    let manifest = || std::fs::read_to_string(run.join("manifest.toml")).expect("a manifest");
    program::until("the manifest", || manifest().contains("params_in_force_sha256").then_some(()));
    let server = format!("ny1={}", run.display());
    colo(["fleet", "check", &server]).exits(4).says(&["ny1: an operator has put", "is configured"]);
    colo(["fleet", "check", "--programs", &server]).exits(0);
    let text = t.desk.ctl("status").exits(0).stdout;
    assert!(text.contains("change 1 by anna, quantity 50 (configured: 100)"), "{text}");
    let desk = t.shut_down();
    desk.report()
        .is("/settings_change", 1)
        .is("/params_at_end/quantity", 50)
        .is("/params_at_end/requote_ticks", 1);

    let journal = desk.journals();
    let journal = journal.to_str().expect("a path");
    assert!(colo(["replay", "--journal", journal]).exits(0).stdout.contains("no difference"));
    let dump = colo(["journal", "dump", journal]).exits(0).stdout;
    for word in [
        "command=params-propose operator=anna",
        "command=params-apply operator=anna",
        "setting=skew_ticks=2",
        "setting=quantity=50",
        "setting=max_position=700",
        "control=enact change=1 settings=3",
    ] {
        assert!(dump.contains(word), "{word} is not in the journal");
    }
    let audit = colo(["journal", "audit", journal]).exits(0).stdout;
    for word in ["operator=anna", "setting=quantity=50", "settings=3"] {
        assert!(audit.contains(word), "{word} is not in the audit trail");
    }
    let after: Vec<&str> = dump.lines().skip_while(|l| !l.contains("control=enact")).collect();
    assert!(after.iter().any(|l| l.contains("qty=50 ")), "orders of the new size are in it");
    let log = std::fs::read_to_string(desk.journals().join("run-000001/log.jsonl")).expect("a log");
    let said: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let changed = said.iter().find(|l| l["message"] == "settings changed").expect("a line");
    assert_eq!((&changed["operator"], &changed["difference"][2]["to"]), (&json!("anna"), &json!(700)));

    // A start takes the configuration file, and says so to whoever asks.
    let mut core = desk.start_core(&desk.core(), &[]);
    let status = desk.until_status("an answer", &mut core, |_| true);
    assert!(status.0.get("settings").is_none(), "{status:?}");
    let shown = Report::of(&colo(["ctl", "--name", &desk.name, "params", "--json"]).exits(0));
    shown.is("/change", 0).is("/params/0/name", "quantity").is("/params/0/value", 100);
    desk.ctl("shutdown").exits(0);
    // There is no venue to be equal to.
    core.end();
}

#[test]
fn what_may_not_be_is_refused_and_changes_nothing() {
    let t = Trading::plain();
    for (more, words) in [
        (&["quantity=0"][..], &["`quantity` is 0", "1 to 999999"][..]),
        (&["colour=1"], &["no parameter \"colour\"", "quantity"]),
        (&["--limits", "max_position=5001"], &["looser than 5000", "restart"]),
        (&["--limits", "max_gross_notional_usd=1"], &["cannot be changed while the core runs"]),
        (&["quantity=100"], &["nothing would change"]),
    ] {
        t.params(&[&["propose"], more, &SAID].concat()).exits(1).says(words);
    }
    for wrong in [
        &["propose"][..],
        &["propose", "quantity=50"],
        &["propose", "quantity", "--reason", "r"],
        &["propose", "quantity=1.5", "--reason", "r"],
        &["apply", "--reason", "r", "--operator", "o"],
        &["apply", "x", "--reason", "r", "--operator", "o"],
        &["apply", "1", "--reason", "r"],
        &["drop"],
        &["status"],
        &["quantity=50"],
    ] {
        t.params(wrong).exits(2);
    }
    // Whoever speaks to the socket without this program.
    let socket = format!("/dev/shm/colo-{}.sock", t.desk.name);
    let mut client = UnixStream::connect(socket).expect("a socket");
    let mut answers = BufReader::new(client.try_clone().expect("a socket"));
    for line in [
        r#"{"command":"params-propose","params":[1],"reason":"r"}"#,
        r#"{"command":"params-propose","params":{"quantity":{"x":1}},"reason":"r"}"#,
        r#"{"command":"params-propose","params":{"quantity":1e300},"reason":"r"}"#,
        r#"{"command":"params-propose","params":{"quantity":50}}"#,
        r#"{"command":"params-propose","limits":{"max_position":99999999999999999999},"reason":"r"}"#,
        r#"{"command":"params-propose","limits":{"max_position":-1},"reason":"r"}"#,
        r#"{"command":"params-apply","proposal":1,"reason":"r","operator":"o"}"#,
        r#"{"command":"params-apply","reason":"r","operator":"o"}"#,
        r#"{"command":"params-drop","proposal":4294967296,"reason":"r"}"#,
    ] {
        writeln!(client, "{line}").expect("a line");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("an answer");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["ok"], false, "{line}: {answer}");
    }
    t.shown().is("/change", 0).is("/proposals", json!([]));
    // One of two that were proposed; the other is of what is not in force any more.
    t.asked(&["propose", "quantity=50"]);
    t.asked(&["propose", "quantity=60"]);
    t.asked(&["apply", "2"]).is("/change", 1);
    t.params(&[&["apply", "1"], &BY_ANNA[..]].concat()).exits(1).says(&["before change 1"]);
    t.params(&["drop", "1"]).exits(0);
    assert_eq!(t.value("params", "quantity"), 60);
    t.shut_down();
}

#[test]
fn the_job_proposes_what_is_worth_it_and_applies_nothing() {
    let Some(hour) = shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let desk = Desk::new();
    let always = desk.core().replace("[strategy]", "[backtest]\nhours = \"always\"\n\n[strategy]");
    let t = Trading::begin(&always, desk);
    let (config, trials) = (t.desk.file("colo.toml"), t.desk.file("trials.json"));
    let words = |p: &std::path::Path| p.to_str().expect("a path").to_owned();
    let job = |more: &[&str]| {
        let mut arguments: Vec<String> = ["recalibrate", "--config"].map(String::from).to_vec();
        arguments.extend([words(&config), "--json".into(), words(&trials)]);
        arguments.extend(["--data".into(), words(&hour), "--data".into(), words(&hour)]);
        arguments.extend(more.iter().map(|s| (*s).to_owned()));
        colo(arguments)
    };
    // Of two sets at the two ends one is better than what lies between, if size matters at all.
    let grid = ["--name", &t.desk.name, "--grid", "quantity=1,1000", "--margin", "0"];
    let said = job(&grid).exits(0).stdout;
    let report = Report::read(&trials);
    let of = |at: &str| report.at(at).as_f64().unwrap_or_else(|| panic!("{at}: {:#}", report.0));
    assert_eq!(of("/in_force/pnl/0"), of("/in_force/pnl/1"), "the same day twice");
    let best = f64::max(of("/trials/0/total"), of("/trials/1/total"));
    assert!(of("/trials/0/total") != of("/trials/1/total"));
    if best > of("/in_force/total") {
        assert!(said.contains("proposal 1: quantity="), "{said}");
        report.is("/proposal/id", 1);
        let shown = t.shown();
        shown.is("/proposals/0/operator", "recalibrate").is("/proposals/0/difference/0/name", "quantity");
    } else {
        assert!(said.contains("no proposal: the best of the grid made"), "{said}");
    }
    assert_eq!((t.value("params", "quantity"), t.shown().count("/change")), (json!(100), 0));
    // A bar that nothing passes.
    let said =
        job(&["--name", &t.desk.name, "--grid", "reject_rest_ms=1000", "--margin", "1000"]).exits(0).stdout;
    assert!(said.contains("no proposal: the grid has no set but the one in force"), "{said}");
    job(&["--grid", "quantity=0,50"]).exits(3).says(&["quantity", "1 to 999999"]);
    job(&["--grid", "quantity"]).exits(2);
    job(&["--name", "nobody-here", "--grid", "quantity=50"]).exits(1).says(&["no core named"]);
    t.shut_down();
}
