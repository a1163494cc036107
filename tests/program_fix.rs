//! `colo run` against `colo exchange` over FIX, two processes: a core that is killed comes back, asks for all that it was told, and takes its orders over.

mod program;

use program::desk::{Desk, open_orders};
use program::json::Report;

/// The desk's configurations with FIX in place of OUCH.
fn core(desk: &Desk) -> String {
    let fix = "firm = \"ABCD\"\n[gateways.fix]\nsender_comp_id = \"CLIENT\"\ntarget_comp_id = \"VENUE\"\nheartbeat_s = 5\n";
    desk.core().replace("\"ouch50\"", "\"fix44\"").replace("firm = \"ABCD\"\n", fix)
}

fn venue(desk: &Desk) -> String {
    let ouch = format!("ouch = \"{}\"\n", desk.ouch);
    let fix = format!("ouch = \"127.0.0.1:0\"\nfix = {{ listen = \"{}\" }}\n", desk.ouch);
    let account = "firm = \"ABCD\"\nprotocol = \"fix44\"\nfix = { comp_id = \"CLIENT\" }\n";
    desk.venue().replace(&ouch, &fix).replace("firm = \"ABCD\"\n", account)
}

#[test]
fn a_core_that_was_killed_takes_its_orders_over() {
    let desk = Desk::new();
    let venue = desk.start_venue(&venue(&desk));
    let mut first = desk.start_core(&core(&desk), &[]);
    desk.until_trading(&mut first);
    first.kill();
    let mut again = desk.start_core(&core(&desk), &[]);
    let adopted = desk.until_status("orders taken over", &mut again, |s| {
        s.count("/engine/adopted") > 0 && s.count("/engine/new_orders") > 0 && open_orders(s) > 0
    });
    let halted = adopted.0.pointer("/risk/halted").and_then(|h| h.as_str());
    assert_eq!(halted, None, "{adopted:?}");
    again.signal("TERM");
    again.end().exits(130);
    let report = desk.report();
    report.is("/reconciled", true).is("/open_orders", 0).is("/failures", Vec::<String>::new());
    let truth: Report = desk.end_venue(venue);
    truth.is("/accounts/0/rejected", 0).is("/accounts/0/live_orders", 0);
    assert_eq!(truth.count("/accounts/0/fills"), report.count("/fills"), "those of the first run are known");
    assert_eq!(truth.count("/accounts/0/shares"), report.count("/shares"));
}
