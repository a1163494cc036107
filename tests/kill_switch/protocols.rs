//! The same kill, and the same rescue, over the order entry protocols that have no mass cancel of a port: what is open is canceled order by order.

use super::*;

/// A core and a venue that speak something else than OUCH 5.0.
fn speaking(protocol: &str, desk: &Desk) -> (String, String) {
    let (core, venue) = (desk.core(), desk.venue());
    let ouch = format!("ouch = \"{}\"\n", desk.ouch);
    match protocol {
        "ouch42" => (
            core.replace("\"ouch50\"", "\"ouch42\""),
            venue.replace("firm = \"ABCD\"\n", "firm = \"ABCD\"\nprotocol = \"ouch42\"\n"),
        ),
        "fix44" => {
            let fix = "firm = \"ABCD\"\n[gateways.fix]\nsender_comp_id = \"CLIENT\"\ntarget_comp_id = \"VENUE\"\nheartbeat_s = 5\n";
            let account = "firm = \"ABCD\"\nprotocol = \"fix44\"\nfix = { comp_id = \"CLIENT\" }\n";
            let listen = format!("ouch = \"127.0.0.1:0\"\nfix = {{ listen = \"{}\" }}\n", desk.ouch);
            (
                core.replace("\"ouch50\"", "\"fix44\"").replace("firm = \"ABCD\"\n", fix),
                venue.replace(&ouch, &listen).replace("firm = \"ABCD\"\n", account),
            )
        }
        _ => {
            desk.write("key", "the-key\n");
            desk.write("secret", "the-secret\n");
            let (head, rest) = core.split_once("[[gateways]]").expect("a gateway");
            let (_, tail) = rest.split_once("[[instruments]]").expect("an instrument");
            let gateway = format!(
                "[[gateways]]\nid = \"g1\"\nprotocol = \"rest_ws\"\nenvironment = \"test\"\n[gateways.rest]\nbase_url = \"http://{}\"\n\
                 api_key_file = \"key\"\nsecret_file = \"secret\"\n[[instruments]]",
                desk.ouch
            );
            let doors = format!(
                "[rest]\nlisten = \"{}\"\nweight_per_minute = 6000\norders_per_10_s = 10000\n\
                 [[rest.clients]]\naccount = \"user01\"\napi_key = \"the-key\"\nsecret = \"the-secret\"\n",
                desk.ouch
            );
            let venue = venue.replace(&ouch, "ouch = \"127.0.0.1:0\"\n");
            (format!("{head}{gateway}{tail}"), format!("{venue}{doors}"))
        }
    }
}

fn kill_and_rescue(protocol: &str) -> String {
    let desk = Desk::new();
    let (core, venue) = speaking(protocol, &desk);
    let bench = Bench::over(desk, core, &venue).far_from_the_market();
    let mut core = bench.start();
    bench.trading(&mut core);
    let answer = Report::of(&bench.desk.ctl_with("kill", &["--json"]).exits(0));
    let at_once = bench.desk.ledger();
    assert_eq!(at_once.live, 0, "{protocol}: {answer:?}");
    bench.keeps_quiet(&mut core, at_once).unwrap_or_else(|what| panic!("{protocol}: {what}"));
    // Released, it trades again; then it dies, and is cleaned up after by hand.
    bench.trading(&mut core);
    core.kill();
    let config = bench.desk.file("colo.toml");
    let words: [&std::ffi::OsStr; 7] = [
        "watchdog".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
        "--now".as_ref(),
        "--reason".as_ref(),
        "a test".as_ref(),
        "--json".as_ref(),
    ];
    let figures = judged(&bench, Program::colo(words), bench.settled());
    bench.end();
    format!(
        "{protocol}: flat after {} us; rescued after {} ms, {} orders canceled",
        answer.count("/kill/flat_after_ns") / 1_000,
        figures["flat_after_ms"],
        figures["canceled"]
    )
}

#[test]
fn a_core_over_ouch42_is_killed_and_rescued() {
    println!("{}", kill_and_rescue("ouch42"));
}

#[test]
fn a_core_over_fix_is_killed_and_rescued() {
    println!("{}", kill_and_rescue("fix44"));
}

#[test]
fn a_core_over_rest_is_killed_and_rescued() {
    println!("{}", kill_and_rescue("rest_ws"));
}
