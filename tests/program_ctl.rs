//! `colo ctl`: what a person can do to a running core, and what a client that means no good cannot.

mod program;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use program::desk::{Desk, open_orders};
use program::json::Report;
use program::{Program, colo, until};

/// A core that trades against a venue.
struct Trading {
    desk: Desk,
    core: Program,
    venue: Program,
}

impl Trading {
    fn begin() -> Trading {
        let desk = Desk::new();
        let venue = desk.start_venue(&desk.venue());
        let mut core = desk.start_core(&desk.core(), &[]);
        desk.until_trading(&mut core);
        Trading { desk, core, venue }
    }

    #[track_caller]
    fn until(&mut self, what: &str, is: impl Fn(&Report) -> bool) -> Report {
        self.desk.until_status(what, &mut self.core, is)
    }

    /// Ends it by the control socket: in order, and equal to the venue.
    #[track_caller]
    fn shut_down(self) -> (Report, Desk) {
        self.desk.ctl("shutdown").exits(0);
        self.core.end().exits(0);
        let report = self.desk.report();
        report.is("/reconciled", true).is("/open_orders", 0).is("/failures", Vec::<String>::new());
        self.desk.end_venue(self.venue).is("/accounts/0/live_orders", 0).is("/accounts/0/rejected", 0);
        (report, self.desk)
    }

    fn connect(&self) -> UnixStream {
        let socket = format!("/dev/shm/colo-{}.sock", self.desk.name);
        UnixStream::connect(&socket).unwrap_or_else(|e| panic!("{socket}: {e}"))
    }
}

fn halted(status: &Report) -> Option<&str> {
    status.0.pointer("/risk/halted").and_then(|h| h.as_str())
}

#[test]
fn status_shows_what_is_going_on() {
    let mut t = Trading::begin();
    let status = t.until("a feed and a session", |s| s.count("/gateways/0/state") == 3);
    status.is("/name", t.desk.name.clone()).is("/pid", t.core.pid()).is("/alive", true);
    status.is("/feeds/0/id", "f1").is("/feeds/0/synced", 1).is("/instruments/0/symbol", "AAPL");
    let names: Vec<_> = status.at("/agents").as_array().unwrap().iter().map(|a| a["name"].clone()).collect();
    assert_eq!(names, ["gateway-g1", "strategy", "feed-f1", "cold", "control"]);

    let text = t.desk.ctl("status").exits(0);
    for word in [&t.desk.name, "trading", "gateway g1", "ready", "feed    f1", "synced", "AAPL", "valid"] {
        assert!(text.stdout.contains(word), "{word:?} is missing: {text:#?}");
    }
    let socket = format!("/dev/shm/colo-{}.sock", t.desk.name);
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its owner only");
    t.shut_down();
}

#[test]
fn halt_stops_new_orders_and_resume_lets_them_go_on() {
    let mut t = Trading::begin();
    assert_eq!(t.desk.ctl("halt").exits(0).stdout, "ok\n");
    let quiet = t.until("the halt, and no quotes", |s| halted(s) == Some("operator") && open_orders(s) == 0);
    let (sent, heard) = (quiet.count("/engine/new_orders"), quiet.count("/engine/market_events"));
    // The market goes on without us.
    let later = t.until("a thousand market events", |s| s.count("/engine/market_events") > heard + 1_000);
    assert_eq!((later.count("/engine/new_orders"), halted(&later)), (sent, Some("operator")), "{later:?}");
    assert_eq!(open_orders(&later), 0);
    assert!(t.desk.ctl("status").exits(0).stdout.contains("HALTED (operator)"));

    t.desk.ctl("resume").exits(0);
    t.until("new orders", |s| s.count("/engine/new_orders") > sent && halted(s).is_none());
    t.shut_down().0.is("/halted", ());
}

#[test]
fn a_person_restrains_trading_and_lets_it_go_on() {
    let mut t = Trading::begin();
    let level = |s: &Report| s.at("/risk/level").as_str().map(str::to_owned);
    for (restrain, shown, release) in
        [("cancel-only", "CANCEL_ONLY (operator)", "resume"), ("clutch-out", "CLUTCH OUT", "clutch-in")]
    {
        t.desk.ctl(restrain).exits(0);
        let quiet = t.until("no quotes", |s| {
            let is_on =
                level(s).as_deref() == Some("cancel_only") || s.at("/risk/clutch").as_str() == Some("out");
            is_on && open_orders(s) == 0
        });
        let (sent, heard) = (quiet.count("/engine/new_orders"), quiet.count("/engine/market_events"));
        let later = t.until("a thousand market events", |s| s.count("/engine/market_events") > heard + 1_000);
        assert_eq!((later.count("/engine/new_orders"), halted(&later)), (sent, None), "{later:?}");
        let status = t.desk.ctl("status").exits(0).stdout;
        assert!(status.contains(shown), "{status}");
        t.desk.ctl(release).exits(0);
        t.until("new orders", |s| s.count("/engine/new_orders") > sent);
    }
    let (report, _desk) = t.shut_down();
    let run = report.at("/journal").as_str().expect("a folder").to_string();
    let log = std::fs::read_to_string(std::path::Path::new(&run).join("log.jsonl")).expect("a log");
    for said in
        ["trading restrained", "trading resumed", "strategy taken off trading", "strategy let in again"]
    {
        assert!(log.contains(said), "{said}: {log}");
    }
    let trail = colo(["journal", "audit", &run]).exits(0);
    for event in [",operator,", ",alarm,", ",command,", ",report,", ",receipt,"] {
        assert!(trail.stdout.contains(event), "{event}");
    }
    assert!(trail.stderr.contains("the chain is that of"), "{}", trail.stderr);
    colo(["replay", "--journal", &run]).exits(0);
}

#[test]
fn cancel_all_cancels_what_is_open_once() {
    let mut t = Trading::begin();
    t.desk.ctl("halt").exits(0);
    t.until("no quotes", |s| open_orders(s) == 0);
    t.desk.ctl("resume").exits(0);
    let before = t.until("quotes again", |s| open_orders(s) > 0).count("/engine/cancels");
    t.desk.ctl("cancel-all").exits(0);
    let after = t.until("the cancels", |s| s.count("/engine/cancels") > before);
    assert_eq!(halted(&after), None, "cancel-all is no halt");
    // Not for good: the strategy quotes again.
    let sent = after.count("/engine/new_orders");
    t.until("quotes after it", |s| s.count("/engine/new_orders") > sent);
    t.shut_down().0.some("/cancels_sent");
}

#[test]
fn a_person_can_speak_to_the_venue_about_a_port() {
    let mut t = Trading::begin();
    let ask = |t: &Trading, verb: &str, gateway: &str| t.desk.ctl_with(verb, &["--gateway", gateway]);
    ask(&t, "mass-cancel", "g1").exits(0);
    t.until("the venue's word", |s| s.count("/gateways/0/mass_canceled") == 1 && halted(s).is_none());
    ask(&t, "entry-off", "g1").exits(0);
    t.until("the venue's word", |s| {
        s.count("/gateways/0/entry_off") == 1 && halted(s) == Some("operator") && open_orders(s) == 0
    });
    assert!(t.desk.ctl("status").exits(0).stdout.contains("ORDER ENTRY OFF"));
    ask(&t, "entry-on", "g1").exits(0);
    let on = t.until("the venue's word", |s| s.count("/gateways/0/entry_off") == 0);
    assert_eq!(halted(&on), Some("operator"), "until a person says so");
    let sent = on.count("/engine/new_orders");
    t.desk.ctl("resume").exits(0);
    t.until("new orders", |s| s.count("/engine/new_orders") > sent);

    ask(&t, "entry-off", "g9").exits(1).says(&["there is no gateway"]);
    t.desk.ctl("entry-off").exits(2);
    let (report, _desk) = t.shut_down();
    let run = report.at("/journal").as_str().expect("a folder").to_string();
    let log = std::fs::read_to_string(std::path::Path::new(&run).join("log.jsonl")).expect("a log");
    assert!(log.contains("EntryOff") && log.contains("MassCancel"), "{log}");
    colo(["replay", "--journal", &run]).exits(0);
}

#[test]
fn what_was_asked_is_in_the_log() {
    let mut t = Trading::begin();
    t.desk.ctl("halt").exits(0);
    t.until("the halt", |s| halted(s) == Some("operator"));
    let (report, _desk) = t.shut_down();
    let log = format!("{}/log.jsonl", report.at("/journal").as_str().expect("a folder"));
    let log = std::fs::read_to_string(log).expect("a log");
    let said = |message: &str, field: &str| {
        log.lines().any(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON, line by line");
            line["message"] == message && line.to_string().contains(field)
        })
    };
    assert!(said("control command", "halt") && said("control command", "shutdown"), "{log}");
    assert!(said("trading halted", "operator") && said("run ended", "state_hash"), "{log}");
}

#[test]
fn a_name_that_does_not_run_is_said_in_a_sentence() {
    for verb in ["status", "halt", "resume", "cancel-all", "shutdown"] {
        let name = format!("nobody{}", std::process::id());
        colo(["ctl", "--name", &name, verb, "--reason", "a test"]).exits(1).says(&["no core named", &name]);
    }
    // A name is no path.
    colo(["ctl", "--name", "../shm/x", "status"]).exits(1).says(&["../shm/x"]);
    colo(["ctl", "--name", &"n".repeat(300), "status"]).exits(1).says(&["nnn"]);
    colo(["ctl", "--name", "x", "explode"]).exits(2);
}

#[test]
fn hostile_clients_disturb_nobody() {
    let mut t = Trading::begin();
    let mut kept = Vec::new();
    // Half a line, and never the rest.
    let mut half = t.connect();
    half.write_all(br#"{"command": "sta"#).expect("half a line is taken");
    kept.push(half);
    // Ten thousand bytes that are no line. The server hangs up in the middle of them.
    for filler in [b'x', 0, 0xff, b'{'] {
        let mut garbage = t.connect();
        let _ = garbage.write_all(&[filler; 10_000]);
        kept.push(garbage);
    }
    // Lines that are no requests are answered, and change nothing.
    for line in [
        "",
        "{}",
        "null",
        "[1]",
        "halt",
        r#"{"command":"kill -9"}"#,
        r#"{"command":"halt","x":1}"#,
        "\u{fffd}",
    ] {
        let answer = ask(&t, line);
        assert_eq!(answer["ok"], false, "{line:?}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|e| e.contains("not a request")), "{answer}");
    }
    // More than there is room for, none of which says anything.
    kept.extend((0..40).map(|_| t.connect()));
    let before = t.until("an answer beside them", |_| true);
    assert_eq!(halted(&before), None);
    let (orders, heard) = (before.count("/engine/new_orders"), before.count("/engine/market_events"));
    t.until("trading beside them", |s| {
        s.count("/engine/new_orders") > orders && s.count("/engine/market_events") > heard
    });
    // Each is dropped in the end, whether it says something or not.
    for mut client in kept {
        client.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout");
        until("a hostile client to be dropped", || match client.read(&mut [0; 64]) {
            Ok(0) => Some(()),
            Ok(_) => None,
            Err(e) => (e.kind() == ErrorKind::ConnectionReset).then_some(()),
        });
    }
    t.shut_down().0.some("/fills");
}

#[test]
fn a_client_that_asks_and_never_reads_is_not_listened_to() {
    let mut t = Trading::begin();
    let mut client = t.connect();
    client.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let questions = format!("{STATUS}\n").repeat(100);
    // Others are served in between, so that each lot has come before the next: one that sends too much at once is dropped for that alone. A server that
    // collects its answers would take all of it; one that does not, no more than the sockets hold.
    let taken = (0..200).take_while(|_| {
        assert_eq!(ask(&t, STATUS)["ok"], true);
        client.write_all(questions.as_bytes()).is_ok()
    });
    let taken = taken.count();
    assert!(taken < 200, "{} questions were taken", taken * 100);
    t.until("an answer for others", |_| true);
    t.shut_down();
}

const STATUS: &str = r#"{"command":"status"}"#;

fn ask(t: &Trading, line: &str) -> serde_json::Value {
    let mut client = t.connect();
    client.write_all(format!("{line}\n").as_bytes()).expect("a line is taken");
    let mut answer = Vec::new();
    until("an answer", || {
        let mut chunk = [0; 4096];
        let n = client.read(&mut chunk).expect("an answer");
        assert!(n > 0, "{line:?} was not answered");
        answer.extend_from_slice(&chunk[..n]);
        answer.ends_with(b"\n").then_some(())
    });
    serde_json::from_slice(&answer).expect("JSON")
}

#[test]
fn books_that_a_person_does_not_believe_are_made_anew() {
    let mut t = Trading::begin();
    let ctl = |words: &[&str]| colo([&["ctl", "--name", &t.desk.name], words].concat());
    ctl(&["feed", "status"]).exits(0).shows(&["f1  synced", "line 0:", "line 1:", "resyncs by hand 0"]);
    ctl(&["feed", "status", "--feed", "f9"]).exits(1).says(&["no feed", "f9"]);
    ctl(&["feed"]).exits(2);
    ctl(&["halt", "resync"]).exits(2);
    ctl(&["feed", "resync", "--feed", "f9"]).exits(1).says(&["no feed \"f9\" here, but f1"]);
    ctl(&["feed", "reconnect"]).exits(0).shows(&["f1: 0 multicast groups joined again"]);

    ctl(&["feed", "resync", "--feed", "f1"]).exits(0).shows(&["f1: its books are to be made anew"]);
    let status = t.until("books made anew", |s| {
        s.count("/feeds/0/resyncs") == 1
            && s.count("/feeds/0/synced") == 1
            && s.count("/feeds/0/rerequests") > 0
    });
    assert_eq!(status.count("/feeds/0/messages_lost"), 0, "{status:?}");
    let fills = status.count("/engine/fills");
    t.until("trading on them", |s| s.count("/engine/fills") > fills);
    let (report, desk) = t.shut_down();
    report.is("/gaps_open", 0);
    let run = report.at("/journal").as_str().expect("a folder").to_string();
    let log = std::fs::read_to_string(std::path::Path::new(&run).join("log.jsonl")).expect("a log");
    assert!(log.contains("\"feed-resync\"") && log.contains("\"feed\":\"f1\""), "{log}");
    colo(["replay", "--journal", &run]).exits(0);
    drop(desk);
}

#[test]
fn without_a_server_no_book_is_voided() {
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let config = desk.core().replace(&format!("rerequest = [\"{}\"]", desk.rerequest), "");
    let mut core = desk.start_core(&config, &[]);
    desk.until_status("a core", &mut core, |_| true);
    let refused = colo(["ctl", "--name", &desk.name, "feed", "resync"]);
    refused.exits(1).says(&["f1 has no re-request server and no snapshot server"]);
    let status = desk.until_status("its status", &mut core, |_| true);
    status.is("/feeds/0/resyncs", 0);
    core.signal("TERM");
    core.end();
    desk.end_venue(venue);
}
