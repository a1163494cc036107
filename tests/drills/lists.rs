//! Lists of restricted symbols that change while the core runs: in force within a moment, closed where nobody can read them, and in the journal, so that a replay has them.

use std::fs;

use colo::journal::Record;
use engine::{Refusal, RiskReject};
use model::Control;

use crate::ledger;
use crate::program::desk::Desk;
use crate::program::until;
use crate::scene::{Scene, replays};

fn counted(records: &[Record], reason: RiskReject) -> usize {
    let of = |r: &&Record| matches!(r, Record::Refusal(Refusal { why, .. }) if *why == reason);
    records.iter().filter(of).count()
}

/// A list of the core's changes, again and again; what it does not let through does not come, and it comes back.
fn changes(params: &str, key: &str, reason: RiskReject) -> (Vec<Record>, String) {
    let desk = Desk::new();
    let list = desk.write("list.txt", "ZZZZ # nobody trades it\n");
    let mut s = Scene::over(desk, params, &format!("{key} = \"list.txt\""));
    let valid = |s: &crate::program::json::Report| s.at("/instruments/0/validity") == "valid";
    let run = ledger::last_run(&s.desk);
    let log = || fs::read_to_string(run.join("log.jsonl")).expect("a log");
    // The list is looked at twice a second, and the log follows the engine: what it says holds.
    let restrictions = || log().matches("\"restricted\":true").count();
    let new = list.with_extension("new");
    for (what, text) in [
        ("named", Some("AAPL\nZZZZ\n")),
        ("damaged", Some("AAPL\nAAPL\n")),
        ("half of itself", Some("ZZ")),
        ("gone", None),
    ] {
        let before = restrictions();
        match text {
            Some(text) => {
                fs::write(&new, text).and_then(|()| fs::rename(&new, &list)).expect("a list");
            }
            None => fs::remove_file(&list).expect("a list"),
        }
        until(what, || {
            s.tick();
            (restrictions() > before).then_some(())
        });
        s.holds(what, &[], valid);
        fs::write(&list, "ZZZZ\n").expect("a list");
        s.trades();
    }
    let log = log();
    // The venue's socket is the desk's, so the journal is replayed while the desk stands.
    let (core, exchange, desk) = s.into_parts();
    core.signal("TERM");
    core.end().exits(130);
    replays(&run);
    let records = ledger::records(&run);
    desk.end_venue(exchange);
    assert!(counted(&records, reason) > 0, "{reason:?}");
    (records, log)
}

#[test]
fn lists_of_what_is_not_traded_change_while_it_runs() {
    let (records, log) = changes("takes = true, sells = 0", "restricted_list", RiskReject::Restricted);
    let all = |r: &&Record| {
        matches!(
            r,
            Record::Control { control: Control::Restrict { instrument: None, shorts: false, on: true }, .. }
        )
    };
    assert_eq!(records.iter().filter(all).count(), 3, "damaged, a part of itself, gone: everything");
    assert!(log.contains("every symbol is restricted") && log.contains("has changed"), "{log}");
}

#[test]
fn lists_of_what_is_not_sold_short_change_while_it_runs() {
    let (records, _) = changes("takes = true, sells = 2", "no_short_list", RiskReject::ShortList);
    let of =
        |r: &&Record| matches!(r, Record::Control { control: Control::Restrict { shorts: true, .. }, .. });
    assert!(records.iter().filter(of).count() > 4);
}
