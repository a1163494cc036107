//! `colo run` against `colo exchange` by REST, two processes: the venue is killed under orders that rest there and begins anew on the same ports, knowing nothing. The core comes
//! back, learns by asking that its orders are gone, and stays within its limits by its own count.

mod program;

use std::path::Path;

use program::desk::{Desk, open_orders};
use program::json::Report;
use program::{colo, until};

/// Weight a minute: trading comes up against it.
const WEIGHT: u64 = 600;

fn core(desk: &Desk) -> String {
    let core = desk.core();
    let (head, rest) = core.split_once("[[gateways]]").unwrap();
    let (_, tail) = rest.split_once("[[instruments]]").unwrap();
    format!(
        "{head}[[gateways]]\nid = \"g1\"\nprotocol = \"rest_ws\"\nenvironment = \"test\"\n[gateways.rest]\nbase_url = \"http://{}\"\n\
         api_key_file = \"key\"\nsecret_file = \"secret\"\n[[instruments]]{tail}",
        desk.ouch
    )
}

fn venue(desk: &Desk) -> String {
    let ouch = desk.ouch;
    let venue = desk
        .venue()
        .replace(&format!("ouch = \"{ouch}\""), "ouch = \"127.0.0.1:0\"\ncontrol = \"venue.sock\"");
    format!(
        "{venue}[rest]\nlisten = \"{ouch}\"\nweight_per_minute = {WEIGHT}\norders_per_10_s = 10000\n\
         [[rest.clients]]\naccount = \"user01\"\napi_key = \"the-key\"\nsecret = \"the-secret\"\n"
    )
}

/// What the running venue has counted.
fn counted(socket: &Path) -> Report {
    let words =
        ["exchange".as_ref(), "ctl".as_ref(), "--socket".as_ref(), socket.as_os_str(), "status".as_ref()];
    let ended = colo(words).exits(0);
    Report(serde_json::from_str(ended.stdout.strip_prefix("ok ").unwrap()).unwrap())
}

#[test]
fn orders_that_a_venue_has_forgotten_are_gone_and_its_limits_kept() {
    let desk = Desk::new();
    desk.write("key", "the-key\n");
    desk.write("secret", "the-secret\n");
    let socket = desk.file("venue.sock");
    let first = desk.start_venue(&venue(&desk));
    let mut core = desk.start_core(&core(&desk), &[]);
    until("a good part of the weight", || {
        (counted(&socket).count("/counts/rest/most_weight") >= WEIGHT / 2).then_some(())
    });
    let mut killed = first;
    let down = loop {
        desk.until_trading(&mut core);
        counted(&socket).is("/counts/rest/throttled", 0).is("/counts/rest/banned", 0);
        killed.kill();
        let down = desk.until_status("the stream's end", &mut core, |s| s.count("/gateways/0/state") < 2);
        if open_orders(&down) > 0 {
            break down;
        }
        // The last of them had just ended.
        killed = desk.start_venue(&venue(&desk));
    };
    let (fills, orders) = (down.count("/engine/fills"), down.count("/engine/new_orders"));

    let second = desk.start_venue(&venue(&desk));
    let back = desk.until_status("the session", &mut core, |s| s.count("/gateways/0/state") == 3);
    let halted = |s: &Report| s.0.pointer("/risk/halted").and_then(|h| h.as_str()).map(str::to_owned);
    desk.until_status("orders, or a reason for none", &mut core, |s| {
        halted(s).is_some() || s.count("/engine/new_orders") > orders
    });
    core.signal("TERM");
    let ended = core.end();
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    let report = desk.report();
    report.is("/open_orders", 0).is("/failures", Vec::<String>::new());
    let truth = desk.end_venue(second);
    truth.is("/accounts/0/live_orders", 0).is("/rest/throttled", 0).is("/rest/banned", 0);
    assert_eq!(report.count("/fills"), fills + truth.count("/accounts/0/fills"), "{back:?}");
    assert!(truth.count("/rest/most_weight") <= WEIGHT);
}
