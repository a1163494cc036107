//! Evidence held to a policy.

use std::fs;

use colo::release::Stage;
use colo::release::rollback::Rollback;
use serde_json::{Value, json};

use crate::case::{Case, DAY, HOUR, NOW, each_byte_changed};

#[test]
fn what_is_shown_in_full_can_be_signed() {
    let case = Case::new();
    case.promote_to_paper();
    let s = case.statement(false).expect("everything is there");
    assert_eq!((s.limits_percent, s.hosts.as_slice()), (10, ["ny4-7".to_owned()].as_slice()));
    let files: Vec<_> = s.evidence.iter().map(|e| e.file.as_str()).collect();
    let all = [
        "backtest.json",
        "doctor.json",
        "replay1.json",
        "replay2.json",
        "session1.json",
        "session2.json",
        "t3.json",
        "t9.json",
    ];
    assert_eq!(files, all);
    assert_eq!(s.data_sha256, ["1".repeat(64), "2".repeat(64)]);
    assert_eq!(s.expires_ns, NOW.0 + 30 * DAY);
    assert_eq!(s.binary_sha256, case.binary);
    assert_eq!(s.commit, crate::case::COMMIT);
}

#[test]
fn each_piece_is_asked_for() {
    let case = Case::new();
    let refused = case.statement(false).expect_err("never on paper").to_string();
    assert!(refused.contains("approved for paper"), "{refused}");
    // Nor is it by the word of somebody who is no approver, or after it was taken back.
    let text = case.statement_of("paper.toml", false).expect("for paper").to_toml();
    case.append(&text, &[3]).expect("the chain holds");
    let refused = case.statement(false).expect_err("by nobody's word").to_string();
    assert!(refused.contains("approved for paper"), "{refused}");
    case.promote_to_paper();
    let before = case.read("releases.jsonl");
    let on_paper = case.log().entries[1].seal.clone();
    let back = Rollback::new("desk1", Stage::Paper, &on_paper, None, "a test", NOW).to_toml();
    case.append(&back, &[0]).expect("the log");
    let refused = case.statement(false).expect_err("taken back").to_string();
    assert!(refused.contains("approved for paper"), "{refused}");
    case.write("releases.jsonl", &before);
    for (file, says) in [
        ("backtest.json", "backtest: none"),
        ("replay1.json", "replay: 1 of 2 journals"),
        ("session1.json", "paper: 1 of 2 clean paper sessions"),
        ("t3.json", "drills: t3 was not held"),
        ("t9.json", "drills: t9 was not held"),
        ("doctor.json", "doctor: no host was looked at"),
    ] {
        let (there, away) = (case.file(&format!("evidence/{file}")), case.file(file));
        fs::rename(&there, &away).expect("moved");
        let refused = case.statement(false).expect_err(file).to_string();
        assert!(refused.contains(says), "{file}: {refused}");
        fs::rename(&away, &there).expect("moved");
    }
    case.statement(false).expect("all are back");
    fs::remove_dir_all(case.file("evidence")).expect("gone");
    let refused = case.statement(false).expect_err("no folder").to_string();
    assert!(refused.contains("evidence"), "{refused}");
}

#[test]
fn each_changed_byte_is_seen() {
    let case = Case::new();
    case.promote_to_paper();
    let names = fs::read_dir(case.file("evidence")).expect("a folder").flatten().map(|e| e.file_name());
    let mut names: Vec<_> = names.map(|n| n.into_string().expect("a name")).collect();
    names.sort();
    let mut bytes = 0;
    for name in &names {
        each_byte_changed(&case.file(&format!("evidence/{name}")), |at| {
            let refused = case.statement(false).expect_err(name).to_string();
            assert!(refused.contains(name), "{name}, byte {at}: {refused}");
            bytes += 1;
        });
    }
    assert!(names.len() == 8 && bytes > 2_000, "{names:?}: {bytes} bytes");
    case.statement(false).expect("all are as they were");
}

type Change = fn(&mut Value);

#[test]
fn what_falls_short_is_named() {
    let case = Case::new();
    case.promote_to_paper();
    let old: Change = |v| v["at_ns"] = json!(NOW.0 - 40 * DAY);
    let twice: Change = |v| {
        let again = v["data"][0].clone();
        v["data"].as_array_mut().expect("files").push(again);
    };
    let other_binary: Change = |v| v["binary_sha256"] = json!("c".repeat(64));
    let table: &[(&str, Change, &str)] = &[
        ("backtest.json", |v| v["pnl"] = json!(99.9), "min_pnl_usd"),
        ("backtest.json", |v| v["returns"]["by_day"]["sharpe"] = json!(1.49), "min_sharpe"),
        ("backtest.json", |v| v["returns"]["by_day"]["sharpe"] = json!(null), "min_sharpe"),
        ("backtest.json", |v| v["returns"]["by_day"]["max_drawdown"] = json!(-0.0501), "max_drawdown_bps"),
        ("backtest.json", |v| v["returns"]["by_day"]["max_drawdown"] = json!(null), "max_drawdown_bps"),
        ("backtest.json", |v| v["returns"]["by_grain"]["max_drawdown"] = json!(-0.0501), "max_drawdown_bps"),
        ("backtest.json", |v| v["model_sha256"] = json!("9".repeat(64)), "another `[backtest]`"),
        ("backtest.json", twice, "3 days, and 2 different days"),
        ("backtest.json", |v| v["days"] = json!([{ "fills": 19 }]), "min_fills"),
        ("backtest.json", |v| v["data"][1] = v["data"][0].clone(), "1 different days"),
        ("backtest.json", |v| v["data"][1]["sha256"] = json!(null), "1 different days"),
        ("backtest.json", |v| v["data"] = json!(7), "is not understood"),
        ("backtest.json", |v| v["strategy"] = json!("imbalance"), "of another strategy"),
        ("backtest.json", |v| v["params_sha256"] = json!("9".repeat(64)), "of another strategy"),
        ("backtest.json", other_binary, "of another program"),
        ("backtest.json", old, "older than 30 days"),
        ("backtest.json", |v| v["at_ns"] = json!(NOW.0 + HOUR), "in the future"),
        ("backtest.json", |v| v["kind"] = json!("hearsay"), "is of kind"),
        ("replay1.json", |v| v["ok"] = json!(false), "replay1.json found a difference"),
        ("replay1.json", |v| v["state_hash"] = json!("other"), "no replay of the session"),
        ("replay1.json", |v| v["state_hash"] = json!("0000000000000002"), "1 of 2 journals"),
        ("replay1.json", other_binary, "of another program"),
        ("replay1.json", old, "older than 7 days"),
        ("session1.json", |v| v["mode"] = json!("test"), "1 of 2 clean paper sessions"),
        ("session1.json", other_binary, "of another program"),
        ("session1.json", old, "older than 10 days"),
        (
            "session2.json",
            |v| v["reconciled"] = json!(false),
            "0 of 2 clean paper sessions in a row; session2.json",
        ),
        ("session2.json", |v| v["halted"] = json!("loss"), "halted (loss)"),
        ("session2.json", |v| v["gaps_open"] = json!(1), "1 gaps were open"),
        ("session2.json", |v| v["open_orders"] = json!(3), "3 orders were open"),
        ("session2.json", |v| v["alarms"] = json!(2), "2 alarms, and 1 are allowed"),
        ("session2.json", |v| v["failures"] = json!(["strategy panicked"]), "strategy panicked"),
        ("session2.json", |v| v["fills"] = json!(4), "4 fills, and 5"),
        ("session2.json", |v| v["started_ns"] = json!(NOW.0 - 6 * HOUR - HOUR / 2), "30 minutes, and 60"),
        ("session2.json", |v| v["started_ns"] = json!(NOW.0 - 31 * HOUR), "of the same time as another"),
        ("session2.json", |v| v["alarms"] = json!(null), "is not understood"),
        ("t9.json", |v| v["passed"] = json!(false), "t9 has failed"),
        ("t9.json", |v| v["at_ns"] = json!(NOW.0 - 8 * DAY), "t9 was held more than 7 days ago"),
        ("t9.json", other_binary, "t9 was held with another program"),
        ("doctor.json", |v| v["rows"][0]["status"] = json!("fail"), "fails in a"),
        ("doctor.json", |v| v["rows"][2]["status"] = json!("warn"), "warns in b, c"),
        ("doctor.json", |v| v["at_ns"] = json!(NOW.0 - 8 * DAY), "more than 7 days ago"),
    ];
    for (k, (file, change, says)) in table.iter().enumerate() {
        let path = format!("evidence/{file}");
        let whole = case.read(&path);
        case.reseal(file, change);
        let refused = case.statement(false).expect_err(says).to_string();
        assert!(refused.contains(says), "row {k}, {file}: {refused}");
        case.write(&path, &whole);
    }
    case.statement(false).expect("all are as they were");
}

#[test]
fn the_last_word_holds() {
    let case = Case::new();
    case.promote_to_paper();
    // A drill that failed after it had passed, and the other way about.
    let drill = |file: &str, hours: u64, passed: bool| {
        case.put(file, &case.stamped("drill", json!({ "name": "t9", "passed": passed })));
        case.reseal(file, |v| v["at_ns"] = json!(NOW.0 - hours * HOUR));
    };
    drill("t9-earlier.json", 5, false);
    case.statement(false).expect("it has passed since");
    drill("t9-later.json", 0, false);
    let refused = case.statement(false).expect_err("the last has failed").to_string();
    assert!(refused.contains("t9 has failed (t9-later.json)"), "{refused}");
    fs::remove_file(case.file("evidence/t9-later.json")).expect("gone");
    // A session on paper that was not clean begins the count anew, and clean ones after it make up for it.
    case.session("session0.json", "paper", 50, "0");
    case.reseal("session0.json", |v| v["halted"] = json!("killed"));
    case.statement(false).expect("two clean ones since");
    case.session("session3.json", "paper", 2, "3");
    case.reseal("session3.json", |v| v["halted"] = json!("killed"));
    let refused = case.statement(false).expect_err("the last was not clean").to_string();
    assert!(
        refused.contains("0 of 2 clean paper sessions in a row; session3.json begins the count anew"),
        "{refused}"
    );
    // What of another program was not clean does not count against this one.
    case.reseal("session3.json", |v| v["binary_sha256"] = json!("c".repeat(64)));
    case.statement(false).expect("the two of this program");
}

#[test]
fn limits_are_parts_of_the_target() {
    let case = Case::new();
    case.promote_to_paper();
    for (from, to, says) in [
        (
            "max_position = 500",
            "max_position = 501",
            "`risk.max_position` is 501, and 10 % of the target of 5000 are 500",
        ),
        ("max_order_quantity = 100", "max_order_quantity = 101", "max_order_quantity"),
        ("max_order_notional_usd = 100000", "max_order_notional_usd = 100001", "max_order_notional_usd"),
        ("max_open_orders = 5", "max_open_orders = 6", "max_open_orders"),
        ("max_messages_per_second = 50", "max_messages_per_second = 51", "max_messages_per_second"),
        ("max_daily_loss_usd = 10000", "max_daily_loss_usd = 10001", "max_daily_loss_usd"),
        ("max_daily_loss_usd = 10000\n", "", "`risk.max_daily_loss_usd` is not given"),
    ] {
        let whole = case.read("colo.toml");
        case.edit("colo.toml", from, to);
        let refused = case.statement(false).expect_err(to).to_string();
        assert!(refused.contains(says), "{to}: {refused}");
        case.write("colo.toml", &whole);
    }
}

#[test]
fn limits_step_up_with_clean_live_sessions() {
    let case = Case::approved();
    assert_eq!(case.admit().expect("approved").limits_percent, 10);
    let refused = case.statement(true).expect_err("no live session").to_string();
    assert!(refused.contains("limits: 0 of 2 clean live sessions"), "{refused}");
    let (first, half) =
        (case.read("colo.toml"), case.read("colo.toml").replace("max_position = 500", "max_position = 2500"));
    let live = |file: &str, hours, approval: &str| {
        case.session(file, "live", hours, "x");
        case.reseal(file, |v| v["approval"] = json!(approval));
    };
    let approval = case.in_force();
    live("live1.json", 5, &approval);
    live("live2.json", 2, "of another approval");
    let refused = case.statement(true).expect_err("one of another approval").to_string();
    assert!(refused.contains("limits: 1 of 2 clean live sessions"), "{refused}");
    live("live2.json", 2, &approval);
    // The next step needs neither history nor paper again, but it does need this week's drills.
    fs::remove_file(case.file("evidence/backtest.json")).expect("gone");
    fs::rename(case.file("evidence/t3.json"), case.file("t3.json")).expect("moved");
    let refused = case.statement(true).expect_err("no drill").to_string();
    assert!(refused.contains("drills: t3"), "{refused}");
    fs::rename(case.file("t3.json"), case.file("evidence/t3.json")).expect("moved");
    case.write("colo.toml", &half);
    assert!(case.refused("limits above the step").contains("`risk.max_position` is 2500"));
    case.promote(true).expect("the next step");
    assert_eq!(case.admit().expect("half").limits_percent, 50);
    // Sessions count for one step.
    let refused = case.statement(true).expect_err("sessions of the step before").to_string();
    assert!(refused.contains("limits: 0 of 2 clean live sessions"), "{refused}");
    let approval = case.in_force();
    live("live1.json", 5, &approval);
    live("live2.json", 2, &approval);
    case.promote(true).expect("the last step");
    let approval = case.in_force();
    live("live1.json", 5, &approval);
    live("live2.json", 2, &approval);
    let refused = case.statement(true).expect_err("no further").to_string();
    assert!(refused.contains("100 % is the policy's last step"), "{refused}");
    // Another program begins again.
    let mut other = case;
    other.binary = "c".repeat(64);
    let refused = other.statement(true).expect_err("another program").to_string();
    assert!(refused.contains("begins at the first step"), "{refused}");
    other.write("colo.toml", &first);
}

/// A backtest that did well is no answer to a newer one that did not.
#[test]
fn the_newest_backtest_is_the_one_that_counts() {
    let case = Case::new();
    case.promote_to_paper();
    let text = case.read("evidence/backtest.json");
    case.write("evidence/older.json", &text);
    case.reseal("older.json", |v| v["at_ns"] = json!(NOW.0 - 2 * HOUR));
    case.statement(false).expect("both do well");
    case.reseal("backtest.json", |v| v["pnl"] = json!(-1.0));
    let refused = case.statement(false).expect_err("the newest lost").to_string();
    assert!(refused.contains("backtest.json") && refused.contains("min_pnl_usd"), "{refused}");
    case.reseal("backtest.json", |v| v["at_ns"] = json!(NOW.0 - 3 * HOUR));
    case.statement(false).expect("the older one is the newest now");
}
