//! The kill switch of the whole program: latched, confirmed by the venue, in force after a restart, released by name.

mod program;

use std::fs;

use program::desk::{Desk, open_orders};
use program::json::Report;
use program::{Program, colo, until};

fn is_flat(s: &Report) -> bool {
    s.0.pointer("/kill/state").is_some_and(|state| state == "flat")
}

fn trading() -> (Desk, Program, Program) {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &[]);
    desk.until_trading(&mut core);
    (desk, venue, core)
}

/// What a run's log says, line by line.
fn log(desk: &Desk, run: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(desk.journals().join(run).join("log.jsonl")).expect("a log");
    text.lines().map(|l| serde_json::from_str(l).expect("JSON, line by line")).collect()
}

#[test]
fn a_kill_is_latched_confirmed_and_outlives_the_core() {
    let (desk, venue, mut core) = trading();
    let killed = desk.ctl_with("kill", &["--json"]).exits(0);
    let answer = Report::of(&killed);
    answer.is("/latched", true).is("/ok", true).is("/kill/state", "flat");
    assert!(answer.count("/kill/flat_after_ns") > 0, "{answer:?}");
    assert!(answer.at("/kill/last_order_after_ns").is_u64(), "{answer:?}");
    assert!(fs::metadata(desk.journals().join("killed")).is_ok(), "latched");
    let status = desk.until_status("flat", &mut core, |s| is_flat(s) && open_orders(s) == 0);
    status.is("/risk/halted", "killed").is("/kill/latched/0/by/operator", "tester");
    let (orders, heard) = (status.count("/engine/new_orders"), status.count("/engine/market_events"));
    assert_eq!(status.count("/gateways/0/entry_off"), 1, "{status:?}");
    status.some("/gateways/0/mass_canceled");
    desk.ctl("resume").exits(1).says(&["killed by tester", "unkill"]);
    let text = desk.ctl("status").exits(0).stdout;
    for word in ["KILLED (all) by tester since", "a test", "confirmed flat after", "HALTED (killed)"] {
        assert!(text.contains(word), "{word:?} is missing: {text}");
    }
    let later =
        desk.until_status("the market", &mut core, |s| s.count("/engine/market_events") > heard + 500);
    assert_eq!(later.count("/engine/new_orders"), orders);
    let run = log(&desk, "run-000001");
    let said = |m: &str| run.iter().any(|l| l["message"] == m);
    assert!(said("killed") && said("killed: the venue has confirmed that nothing lives"), "{run:?}");
    core.kill();

    // The next one starts killed, says so, and sends nothing new.
    let mut core = desk.start_core(&desk.core(), &[]);
    let status = desk.until_status("a killed core", &mut core, |s| {
        is_flat(s) && s.count("/engine/market_events") > 500 && s.count("/gateways/0/state") == 3
    });
    status
        .is("/engine/new_orders", 0)
        .is("/risk/halted", "killed")
        .is("/kill/latched/0/by/operator", "tester");
    assert!(core.stderr().contains("KILLED (all) since"), "{}", core.stderr());
    assert!(log(&desk, "run-000002").iter().any(|l| l["message"] == "the core starts killed"));

    colo(["ctl", "--name", &desk.name, "unkill", "--reason", "x"]).exits(2);
    let folder = desk.journals();
    let offline = |verb: &str| {
        let folder = folder.to_str().expect("a path");
        colo(["ctl", "--journal", folder, verb, "--reason", "over", "--operator", "anna"])
    };
    offline("unkill").exits(1).says(&["is running already", "ask it by --name"]);
    desk.ctl("unkill").exits(0).shows(&["released"]);
    assert!(fs::metadata(desk.journals().join("killed")).is_err());
    desk.ctl_with("entry-on", &["--gateway", "g1"]).exits(0);
    desk.until_status("order entry", &mut core, |s| s.count("/gateways/0/entry_off") == 0);
    desk.ctl("resume").exits(0);
    desk.until_trading(&mut core);
    core.signal("TERM");
    core.end().exits(130);
    for run in ["run-000001", "run-000002"] {
        let run = desk.journals().join(run);
        colo(["replay".as_ref(), "--journal".as_ref(), run.as_os_str()]).exits(0);
    }
    let run = desk.journals().join("run-000002");
    let dump =
        colo(["journal".as_ref(), "dump".as_ref(), run.as_os_str(), "--kind".as_ref(), "operator".as_ref()]);
    dump.exits(0).shows(&["command=unkill operator=tester reason=\"a test\"", "command=resume"]);

    // Without a core the latch is there to be set and released all the same.
    offline("kill").exits(0).shows(&["latched"]);
    offline("unkill").exits(0).shows(&["released"]);
    offline("unkill").exits(1).says(&["not killed"]);
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}

#[test]
fn a_latch_written_from_outside_kills_a_core_that_runs() {
    let (desk, venue, mut core) = trading();
    fs::write(desk.journals().join("killed"), "nothing that a program wrote").expect("a latch");
    let status = desk.until_status("flat", &mut core, |s| is_flat(s) && open_orders(s) == 0);
    status.is("/risk/halted", "killed").is("/kill/latched/0/by/operator", "nobody");
    core.signal("TERM");
    core.end().exits(130);
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}

#[test]
fn one_instrument_is_killed_and_the_rest_trades_on() {
    let desk = Desk::new();
    let two = |text: String| text.replace(r#"symbols = ["AAPL"]"#, r#"symbols = ["AAPL", "MSFT"]"#);
    let venue = desk.start_venue(&two(desk.venue()));
    let msft = "\n[[instruments]]\nsymbol = \"MSFT\"\nfeed = \"f1\"\ngateway = \"g1\"\n";
    let mut core = desk.start_core(&desk.core().replace("\n[strategy]", &format!("{msft}\n[strategy]")), &[]);
    desk.until_trading(&mut core);
    desk.ctl_with("kill", &["--symbol", "IBM"]).exits(1).says(&["no instrument \"IBM\""]);
    desk.ctl_with("kill", &["--symbol", "AAPL"]).exits(0).shows(&["confirmed flat after"]);
    let of = |s: &Report, symbol: &str| {
        let orders = s.at("/orders").as_array().cloned().unwrap_or_default();
        orders.iter().filter(|o| o["symbol"] == symbol).count()
    };
    let status = desk.until_status("MSFT alone", &mut core, |s| of(s, "AAPL") == 0 && of(s, "MSFT") > 0);
    status.is("/risk/halted", ()).is("/gateways/0/entry_off", 0);
    let orders = status.count("/engine/new_orders");
    desk.until_status("MSFT to go on", &mut core, |s| s.count("/engine/new_orders") > orders + 2);
    core.signal("TERM");
    core.end().exits(130);
    let run = desk.journals().join("run-000001");
    colo(["replay".as_ref(), "--journal".as_ref(), run.as_os_str()]).exits(0);
    until("the latch", || fs::metadata(desk.journals().join("killed")).ok());
    desk.end_venue(venue).is("/accounts/0/live_orders", 0);
}
