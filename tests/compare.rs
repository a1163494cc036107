//! `colo compare`: a run of a core beside what a backtest makes of its day.

mod program;

use std::path::{Path, PathBuf};

use program::desk::Desk;
use program::json::Report;
use program::{Ended, colo};

#[track_caller]
fn runs(desk: &Desk, mode: &str) -> PathBuf {
    let mut core = desk.start_core(&desk.core(), &["--mode", mode]);
    desk.until_trading(&mut core);
    core.signal("TERM");
    core.end().exits(130);
    PathBuf::from(desk.report().at("/journal").as_str().expect("a folder"))
}

/// `colo backtest` over a run's journal, its record kept; the folder.
#[track_caller]
fn backtests(desk: &Desk, config: &str, run: &Path, more: &[&str]) -> PathBuf {
    let (config, into, json) = (desk.write("bt.toml", config), desk.file("again"), desk.file("again.json"));
    let words = ["backtest", "--config", config.to_str().unwrap(), "--data", run.to_str().unwrap()];
    let keep = ["--journal", into.to_str().unwrap(), "--json", json.to_str().unwrap()];
    colo(words.into_iter().chain(keep).chain(more.iter().copied())).exits(0);
    PathBuf::from(Report::read(&json).at("/days/0/file").as_str().expect("a folder"))
}

fn compares(a: &Path, b: &Path) -> Ended {
    colo(["compare".as_ref(), a.as_os_str(), b.as_os_str(), "--json".as_ref(), "-".as_ref()])
}

/// The parts, and that they add up to the whole.
#[track_caller]
fn parts(report: &Report) -> [i64; 5] {
    let of = |name: &str| report.at(&format!("/money_micro_usd/{name}")).as_i64().expect("a number");
    assert_eq!(of("a") - of("b"), of("difference"), "{report:?}");
    let parts = ["data", "latency", "queue", "fees", "rest"].map(of);
    assert_eq!(parts.iter().sum::<i64>(), of("difference"), "{report:?}");
    parts
}

#[test]
fn runs_are_compared_by_decisions_and_by_money() {
    let desk = Desk::new();
    let _venue = desk.start_venue(&desk.venue());
    let fees =
        desk.core().replace("firm = \"ABCD\"", "firm = \"ABCD\"\nfees_micro_usd = { R = 3000, A = -2000 }");
    desk.write("colo.toml", &fees);
    let live = runs(&desk, "test");

    // As recorded: the same inputs, the same decisions, the same money.
    let again = backtests(&desk, &desk.core(), &live, &["--reports", "recorded"]);
    let same = Report::of(&compares(&live, &again).exits(0));
    same.is("/ok", true)
        .is("/same_settings", true)
        .is("/lockstep/parts_at", "nowhere")
        .some("/lockstep/inputs");
    same.is("/orders/moved", 0).is("/orders/only_a", 0).is("/orders/only_b", 0).some("/orders/same");
    same.is("/market_events/only_a", 0).is("/market_events/only_b", 0).is("/market_events/other", 0);
    assert_eq!(same.at("/commands/a"), same.at("/commands/b"));
    assert_eq!(parts(&same), [0; 5], "{same:?}");

    // The same with a venue that takes fees: they are all the difference there is.
    let charged = backtests(&desk, &fees, &live, &["--reports", "recorded"]);
    let found = Report::of(&compares(&live, &charged).exits(0));
    let [data, latency, queue, of_fees, rest] = parts(&found);
    assert_eq!((data, latency, queue, rest), (0, 0, 0, 0), "{found:?}");
    assert_ne!(of_fees, 0, "{found:?}");

    // Another strategy on the same inputs decides otherwise, and no input explains it.
    let other = ["--reports", "recorded", "--params", "quantity=200"];
    let other = backtests(&desk, &desk.core(), &live, &other);
    let broken = Report::of(&compares(&live, &other).exits(5));
    broken.is("/ok", false).is("/same_settings", false).is("/lockstep/parts_at", "a decision");
    for side in ["a", "b", "cause"] {
        assert!(broken.at(&format!("/lockstep/{side}")).is_string(), "{side}: {broken:?}");
    }
    parts(&broken);

    // With a venue of its own, far away, it is another day: what is different of it has its places.
    let far = format!(
        "{}\n[backtest]\norder_latency = {{ fixed_us = 40000 }}\nreport_latency = {{ fixed_us = 40000 }}\n",
        desk.core()
    );
    let far = backtests(&desk, &far, &live, &[]);
    let found = Report::of(&compares(&live, &far).exits(0));
    found.is("/ok", true).is("/lockstep/parts_at", "an input").is("/market_events/only_a", 0);
    parts(&found);
    // In words too.
    let text = colo(["compare".as_ref(), live.as_os_str(), far.as_os_str()]).exits(0);
    text.shows(&["the same", "then an input", "orders", "A - B", "latency", "queue", "rest"]);

    // A run on paper later in the same session heard another part of it.
    let paper = runs(&desk, "paper");
    let found = Report::of(&compares(&live, &paper).exits(0));
    found.some("/market_events/only_b").is("/market_events/other", 0);
    parts(&found);
}

/// A day out of a file is kept as a journal that points at the file: it replays, and is compared.
#[test]
fn a_backtest_over_a_file_leaves_a_journal_too() {
    let Some(day) = program::shared("data/itch50/three_symbols_20101224.itch") else { return };
    let desk = Desk::new();
    let core = desk.core().replace("AAPL", "BOB");
    let kept = backtests(&desk, &core, &day, &[]);
    let first = Report::read(&desk.file("again.json"));
    first.some("/orders_sent");
    colo(["replay".as_ref(), "--journal".as_ref(), kept.as_os_str()]).exits(0);
    let again = backtests(&desk, &core, &day, &[]);
    assert_ne!(kept, again);
    let same = Report::of(&compares(&kept, &again).exits(0));
    same.is("/lockstep/parts_at", "nowhere").some("/lockstep/commands").some("/market_events/both");
    assert_eq!(parts(&same), [0; 5]);
    let late = format!("{}\n[backtest]\norder_latency = {{ fixed_us = 500000 }}\n", core);
    let late = backtests(&desk, &late, &day, &[]);
    parts(&Report::of(&compares(&kept, &late).exits(0)));

    // A file that begins in mid-day does not say whether its instruments trade.
    let Some(hour) = program::shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let (config, into) = (desk.write("bt.toml", desk.core()), desk.file("none"));
    let words = ["backtest", "--config", config.to_str().unwrap(), "--data", hour.to_str().unwrap()];
    colo(words.into_iter().chain(["--journal", into.to_str().unwrap()]))
        .exits(3)
        .says(&["whether it trades"]);
    let left = std::fs::read_dir(desk.file("none")).expect("a folder").flatten();
    let runs = left.filter(|e| e.file_name().to_string_lossy().starts_with("run-")).count();
    assert_eq!(runs, 0, "half a journal is left");
    // A core's own folder is not written into: its next start takes over what stood at the end of the last run there.
    std::fs::write(into.join("tokens"), "next = 1\n").expect("a file");
    let words = ["backtest", "--config", config.to_str().unwrap(), "--data", day.to_str().unwrap()];
    colo(words.into_iter().chain(["--journal", into.to_str().unwrap()])).exits(3).says(&["folder of a core"]);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let desk = Desk::new();
    let nowhere = desk.file("nowhere");
    compares(&nowhere, &nowhere).exits(1).says(&["no such folder"]);
    let empty = desk.file("empty");
    std::fs::create_dir(&empty).expect("a folder");
    compares(&empty, &empty).exits(1).says(&["empty"]);
}
