//! `colo dropcopy --follow` over running processes: a venue, a core that trades over OUCH, and a core that hears the venue's drop copy over FIX. Two connections, two
//! protocols, two journals, and a fourth process that compares them as they grow.

mod program;

use program::desk::{Desk, open_orders};
use program::json::Report;
use program::{Program, until};
use serde_json::Value;

/// Who trades, and who listens.
struct Room {
    desk: Desk,
    copy: Desk,
}

impl Room {
    fn new() -> Room {
        Room { desk: Desk::new(), copy: Desk::new() }
    }

    /// The venue, with what goes wrong there.
    fn venue(&self, script: &str) -> String {
        let ouch = format!("ouch = \"{}\"\n", self.desk.ouch);
        let fix = format!("{ouch}fix = {{ listen = \"{}\" }}\n", self.copy.ouch);
        let account = "[[accounts]]\nusername = \"drop01\"\npassword_file = \"pw\"\nfirm = \"ABCD\"\nprotocol = \"fix44\"\n\
                       fix = { comp_id = \"COPY\", drop_copy_of = [\"user01\"] }\n";
        let whole = self.desk.venue().replace(&ouch, &fix);
        whole.replace("[flow]", &format!("{account}\n{script}\n[flow]"))
    }

    /// The core that listens.
    fn listener(&self) -> String {
        let fix = "firm = \"ABCD\"\n[gateways.fix]\nsender_comp_id = \"COPY\"\ntarget_comp_id = \"VENUE\"\nheartbeat_s = 5\n\
                   drop_copy = true\n";
        let core = self.copy.core().replace("\"ouch50\"", "\"fix44\"").replace("firm = \"ABCD\"\n", fix);
        let quoter = "name = \"quoter\"\nparams = { quantity = 100 }\n";
        core.replace("\"user01\"", "\"drop01\"").replace(quoter, "name = \"observer\"\n")
    }

    fn compare(&self, more: &[&str]) -> Program {
        let (ours, copy) = (self.desk.journals(), self.copy.journals());
        let mut all = vec!["dropcopy", "--ours", ours.to_str().unwrap(), "--copy", copy.to_str().unwrap()];
        all.extend(more);
        Program::colo(all)
    }
}

fn step(at: &str, what: &str) -> String {
    format!("[[script]]\naccount = \"drop01\"\n{at}\n{what}\n")
}

fn fills(status: &Report) -> u64 {
    status.count("/engine/fills")
}

#[test]
fn a_clean_run_has_no_difference_over_lost_connections() {
    let room = Room::new();
    let script = step("report = 5", "do = \"disconnect\"")
        + &step("report = 9", "do = \"repeat\"")
        + &step("report = 12", "do = \"cut\"\nbytes = 60")
        + &step("report = 15", "do = \"garbage\"\nbytes = 90");
    let venue = room.desk.start_venue(&room.venue(&script));
    let mut core = room.desk.start_core(&room.desk.core(), &[]);
    let mut listener = room.copy.start_core(&room.listener(), &[]);
    room.copy.until_status("copies", &mut listener, |s| fills(s) > 0 && open_orders(s) > 0);
    let mut compare = room.compare(&["--follow"]);
    let traded = room.desk.until_status("trading", &mut core, |s| fills(s) > 20);
    room.copy.until_status("as many copies", &mut listener, |s| fills(s) >= fills(&traded));
    assert!(compare.runs());
    core.signal("TERM");
    core.end().exits(130);
    let ended = compare.end().exits(0);
    let confirmed: u64 =
        ended.stdout.trim().strip_prefix("ok: ").and_then(|s| s.split(' ').next()?.parse().ok()).unwrap();
    println!("{confirmed} facts told alike while both ran");
    assert!(confirmed > 40, "{ended:#?}");
    // The listener has nothing to cancel and nothing to settle, and the end of the day's trading is in its journal too.
    let report = room.desk.report();
    room.copy.until_status("the last copies", &mut listener, |s| {
        fills(s) == report.count("/fills") && open_orders(s) == 0
    });
    listener.signal("TERM");
    listener.end().exits(130);
    room.copy.report().is("/failures", Vec::<String>::new()).is("/orders_sent", 0);
    room.compare(&[]).end().exits(0).shows(&["told alike"]);
    let truth = room.desk.end_venue(venue);
    truth.is("/script_steps", 4).is("/accounts/0/live_orders", 0);
    report.is("/reconciled", true);
}

#[test]
fn a_report_that_one_of_both_was_never_told_is_found_and_halts() {
    let room = Room::new();
    let withheld = step("report = 3\ntype = \"E\"", "do = \"withhold\"");
    let venue = room.desk.start_venue(&room.venue(&withheld));
    // What was told before it listened would not be waited for.
    let mut listener = room.copy.start_core(&room.listener(), &[]);
    room.copy.until_status("the session", &mut listener, |s| s.count("/gateways/0/state") == 3);
    let mut core = room.desk.start_core(&room.desk.core(), &[]);
    room.copy.until_status("copies", &mut listener, |s| s.count("/engine/adopted") > 0);
    let compare = room.compare(&["--follow", "--json", "--halt", &room.desk.name]);
    let halted = |s: &Report| s.0.pointer("/risk/halted").and_then(Value::as_str) == Some("reconciliation");
    room.desk.until_status("a halt", &mut core, halted);
    let said = until("what it found", || {
        let text = compare.stdout();
        text.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok())
    });
    assert_eq!((said["about"].as_str(), said["wrong"].as_str()), (Some("Fill"), Some("Unconfirmed")));
    let of = |key: &str| said[key].as_u64().unwrap();
    println!("found {} ms after it was told to one of both", (of("found") - of("since")) / 1_000_000);
    compare.signal("TERM");
    compare.end().exits(5);
    // What was open is canceled by the core's own hand: the listener cannot.
    room.desk.until_status("no order", &mut core, |s| open_orders(s) == 0);
    core.signal("TERM");
    core.end().exits(130);
    listener.signal("TERM");
    listener.end().exits(130);
    let truth = room.desk.end_venue(venue);
    truth.is("/script_steps", 1).is("/accounts/0/live_orders", 0);
}
