//! `colo backtest` over a real hour: whole figures, the same for the same question, and a sentence for each question that has no answer.

mod program;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use program::desk::Desk;
use program::{colo, shared};

fn ask(config: &Path, data: &[&Path], more: &[&str]) -> program::Ended {
    let mut arguments = vec!["backtest".to_owned(), "--config".into(), config.display().to_string()];
    for file in data {
        arguments.extend(["--data".into(), file.display().to_string()]);
    }
    arguments.extend(more.iter().map(|s| (*s).to_owned()));
    colo(arguments)
}

fn figures(text: &str) -> serde_json::Value {
    let mut all: serde_json::Value = serde_json::from_str(text).expect("JSON");
    // What this machine took is no figure of the days.
    all.as_object_mut().expect("an object").remove("ns_per_message");
    all
}

#[test]
fn an_hour_gives_the_same_figures_every_time() {
    let Some(hour) = shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let desk = Desk::new();
    let always = |more: &str| {
        desk.core().replace("[strategy]", &format!("[backtest]\nhours = \"always\"\n{more}\n[strategy]"))
    };
    let config = desk.write("colo.toml", always(""));
    let trades = desk.file("fills.csv");
    let trades_word = trades.display().to_string();
    let one = ask(&config, &[&hour], &["--json", "-", "--trades", &trades_word]).exits(0);
    let all = figures(&one.stdout);
    let of = |key: &str| all.pointer(key).cloned().unwrap_or_default();
    assert!(of("/orders_sent").as_u64() > Some(50) && of("/days/0/fills").as_u64() > Some(50), "{all}");
    // Every fill is a row, and the rows add up to what is left over.
    let rows = std::fs::read_to_string(&trades).unwrap();
    let mut held = 0;
    for row in rows.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let qty: i64 = cells[6].parse().unwrap();
        held += if cells[5] == "B" { qty } else { -qty };
    }
    assert_eq!(of("/days/0/fills").as_u64(), Some(rows.lines().count() as u64 - 1));
    assert_eq!(of("/positions/AAPL").as_i64(), Some(held));
    // Two days at once are two of one, whatever the threads.
    for threads in ["1", "2"] {
        let two = ask(&config, &[&hour, &hour], &["--json", "-", "--threads", threads]).exits(0);
        let both = figures(&two.stdout);
        assert_eq!(both.pointer("/days/0"), all.pointer("/days/0"));
        assert_eq!(both.pointer("/days/1"), all.pointer("/days/0"));
    }
    // Distance and size change what is decided.
    let hash =
        |ended: program::Ended| figures(&ended.exits(0).stdout).pointer("/days/0/commands_hash").cloned();
    let larger = hash(ask(&config, &[&hour], &["--params", "quantity=7", "--json", "-"]));
    assert_ne!(larger, all.pointer("/days/0/commands_hash").cloned());
    let far = desk.write(
        "far.toml",
        always("order_latency = { least_us = 500, most_us = 900 }\nimpact = \"displayed\""),
    );
    let farther = hash(ask(&far, &[&hour], &["--json", "-"]));
    assert_eq!(hash(ask(&far, &[&hour], &["--json", "-"])), farther);
    assert_ne!(farther, all.pointer("/days/0/commands_hash").cloned());
    // A file that does not say when the market is open is no day by itself.
    let told = desk.write("told.toml", desk.core());
    let refused = ask(&told, &[&hour], &[]).exits(1);
    assert!(refused.stderr.contains("backtest.hours"), "{}", refused.stderr);
}

#[test]
fn what_cannot_be_asked_is_a_sentence() {
    let desk = Desk::new();
    let config = desk.write("colo.toml", desk.core());
    let missing = desk.file("missing.itch");
    let said = ask(&config, &[&missing], &[]).exits(1).stderr;
    assert!(said.contains("missing.itch"), "{said}");
    let text = desk.write("text.itch", "this is no market");
    ask(&config, &[&text], &[]).exits(1);
    ask(&config, &[&text], &["--params", "quantity"]).exits(2);
    let said = ask(&config, &[&text], &["--params", "quantity=0"]).exits(3).stderr;
    assert!(said.contains("quantity"), "{said}");
    for (line, key) in [
        ("impact = \"some\"", "backtest.impact"),
        ("capital_usd = 0", "backtest.capital_usd"),
        ("feed_latency = { least_us = 9, most_us = 1 }", "backtest.feed_latency"),
        ("order_latency = { fixed_us = -1 }", "backtest.order_latency"),
        ("order_latency = { fixed_us = 1, tag = \"book\" }", "backtest.order_latency"),
        ("order_latency = { histogram = \"a\", journal = \"b\" }", "backtest.order_latency"),
        ("order_latency = { lognormal = { median_us = 9 } }", "p99_us"),
        ("order_latency = { lognormal = { median_us = 9, p99_us = 8 } }", "backtest.order_latency.lognormal"),
        ("order_latency = { lognormal = { median_us = 1, p99_us = 60000000 } }", "below 4 s"),
        ("report_latency = { lognormal = { median_us = 0, p99_us = 8 } }", "median_us"),
        ("colour = 1", "colour"),
    ] {
        let bad = desk.core().replace("[strategy]", &format!("[backtest]\n{line}\n[strategy]"));
        let said = ask(&desk.write("bad.toml", &bad), &[&text], &[]).exits(3).stderr;
        assert!(said.contains(key), "{line}: {said}");
    }
    let nowhere =
        desk.core().replace("[strategy]", "[backtest]\norder_latency = { journal = \"none\" }\n[strategy]");
    let said = ask(&desk.write("nowhere.toml", &nowhere), &[&text], &[]).exits(3).stderr;
    assert!(said.contains("none"), "{said}");
}

/// The histograms that a run on paper left are whole by the standard's own reader, and a leg is drawn from them.
#[test]
fn a_leg_is_drawn_from_what_a_run_left() {
    let Some(hour) = shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let desk = Desk::new();
    let venue = desk.start_venue(&desk.venue());
    let mut core = desk.start_core(&desk.core(), &["--mode", "paper"]);
    desk.until_trading(&mut core);
    core.signal("TERM");
    core.end().exits(130);
    desk.end_venue(venue);
    let report = desk.report();
    let run = Path::new(report.at("/journal").as_str().expect("a folder")).to_path_buf();
    let log = std::fs::read(run.join("latency.hlog")).expect("a log");
    let mut counted = std::collections::BTreeMap::<String, u64>::new();
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.expect("a line of the format") else { continue };
        let packed = STANDARD.decode(interval.encoded_histogram()).expect("base64");
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &packed[..]).expect("V2");
        *counted.entry(interval.tag().expect("a stage").to_string()).or_default() += histogram.len();
    }
    let said = report.at("/latency_ns").as_object().expect("stages").iter();
    let said = said.map(|(stage, p)| (stage.clone(), p["n"].as_u64().expect("a count"))).collect();
    assert_eq!(counted, said, "as many of each stage as the report has");
    assert!(counted["tick_to_order"] > 0);

    let hash = |name: &str, leg: &str| {
        let table = format!("[backtest]\nhours = \"always\"\norder_latency = {leg}\n[strategy]");
        let config = desk.write(name, desk.core().replace("[strategy]", &table));
        let ended = ask(&config, &[&hour], &["--json", "-"]).exits(0);
        let figures = figures(&ended.stdout);
        let order = figures.pointer("/latency_ns/order/p50").and_then(serde_json::Value::as_u64);
        (figures.pointer("/days/0/commands_hash").cloned(), order.expect("the leg as it happened"))
    };
    let folder = run.parent().expect("a folder of runs").display();
    let drawn = format!("{{ histogram = \"{folder}\", tag = \"tick_to_order\", fixed_us = 200 }}");
    let (first, order) = hash("drawn.toml", &drawn);
    assert_eq!(first, hash("drawn.toml", &drawn).0, "a function of file and seed");
    assert!(order > 200_000, "beside what was measured: {order}");
    let file = format!(
        "{{ histogram = \"{}\", tag = \"tick_to_order\", fixed_us = 200 }}",
        run.join("latency.hlog").display()
    );
    assert_eq!(first, hash("drawn.toml", &file).0, "the folder stands for its run's file");
    let (_, order) = hash("shape.toml", "{ lognormal = { median_us = 300, p99_us = 900 } }");
    assert!((280_000..320_000).contains(&order), "{order}");
    // What is not there, and what is no log.
    let refuse = |leg: &str, why: &str| {
        let table = format!("[backtest]\norder_latency = {leg}\n[strategy]");
        let config = desk.write("bad.toml", desk.core().replace("[strategy]", &table));
        let said = ask(&config, &[&hour], &[]).exits(3).stderr;
        assert!(said.contains(why), "{leg}: {said}");
    };
    refuse(&drawn.replace("tick_to_order", "tick"), "tick_to_order");
    refuse("{ histogram = \"no.hlog\" }", "no.hlog");
    desk.write("damaged.hlog", "Tag=a,0.000,1.000,1.000,HISTAAAA\n");
    refuse("{ histogram = \"damaged.hlog\", tag = \"a\" }", "line 1");
}
