//! `colo backtest` over level files, what the venue refuses, and legs that a journal has measured.

mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use engine::book::{BookCapacity, BookStats, Books, FlatBooks};
use feeds::itch50::decode;
use model::{InstrumentId, MarketBody, Side};
use program::desk::Desk;
use program::{Ended, colo, shared};
use serde_json::Value;

const MESSAGES: &str = "data/lobster/AAPL_2012-06-21_message_10.csv";

fn ask(config: &Path, data: &Path, more: &[&str]) -> Ended {
    let words =
        ["backtest", "--config", &config.display().to_string(), "--data", &data.display().to_string()]
            .map(str::to_owned);
    colo(words.into_iter().chain(more.iter().map(|s| (*s).to_owned())))
}

fn figures(ended: Ended) -> Value {
    serde_json::from_str(&ended.exits(0).stdout).expect("JSON")
}

/// A desk's configuration with lines under `[backtest]`.
fn with(desk: &Desk, name: &str, lines: &str) -> PathBuf {
    let config =
        desk.core().replace("[strategy]", &format!("[backtest]\nhours = \"always\"\n{lines}\n[strategy]"));
    desk.write(name, config)
}

/// Messages and levels, if they are there, with a trading action that they lack made up by the file's reader.
#[test]
fn levels_are_those_of_the_file_after_every_row() {
    let (Some(messages), Some(levels)) =
        (shared(MESSAGES), shared(&MESSAGES.replace("message", "orderbook")))
    else {
        return;
    };
    let rows: Vec<Vec<i64>> = std::fs::read_to_string(levels)
        .unwrap()
        .lines()
        .map(|row| row.split(',').map(|n| n.trim().parse().unwrap()).collect())
        .collect();
    let stamps: Vec<String> = std::fs::read_to_string(&messages)
        .unwrap()
        .lines()
        .map(|row| row.split(',').next().unwrap().to_owned())
        .collect();
    assert_eq!(rows.len(), stamps.len());
    let capacity =
        BookCapacity { instruments: 2, live_orders: 1 << 12, levels: 1 << 12, direct_refs: 1 << 12 };
    let mut books = FlatBooks::new(&capacity);
    let mut source = colo::source::Source::open_levels(&messages).unwrap();
    let (mut trades, mut compared, mut at) = (0, 0, None);
    // Rows of one stamp are one row: the last of them.
    let mut last_of: Vec<usize> =
        (0..rows.len()).filter(|k| stamps.get(k + 1) != Some(&stamps[*k])).collect();
    last_of.reverse();
    let ns = |stamp: &str| -> u64 {
        let (s, f) = stamp.split_once('.').unwrap();
        s.parse::<u64>().unwrap() * 1_000_000_000 + format!("{f:0<9}").parse::<u64>().unwrap()
    };
    let mut compare = |books: &FlatBooks, until: Option<u64>| {
        while let Some(k) =
            last_of.last().copied().filter(|k| until.is_none_or(|until| ns(&stamps[*k]) < until))
        {
            last_of.pop();
            for (side, first) in [(Side::Sell, 0), (Side::Buy, 2)] {
                let said: Vec<(i64, i64)> = rows[k].chunks(4).map(|l| (l[first], l[first + 1])).collect();
                let mut ours = Vec::new();
                books.walk(InstrumentId(1), side, |_, px, qty| {
                    ours.push((px.0, i64::from(qty.0)));
                    ours.len() < said.len()
                });
                assert_eq!(ours, said, "row {}, {side:?}", k + 1);
            }
            compared += 1;
        }
    };
    while let Some(message) = source.next().unwrap() {
        let event = decode(message).unwrap();
        if at.is_some_and(|at| at != event.ts_event.0) {
            compare(&books, Some(event.ts_event.0));
        }
        at = Some(event.ts_event.0);
        trades += usize::from(matches!(event.body, MarketBody::Trade { .. }));
        if event.body.touches_book() {
            books.apply(&event);
        }
    }
    compare(&books, None);
    assert!(compared > 800 && trades > 100, "{compared} rows, {trades} trades");
    assert_eq!(books.stats(), BookStats::default(), "what a level says is of a level");
}

/// A minute of two levels that is written down here, a second between two rows.
fn told(desk: &Desk) -> PathBuf {
    let bid = 1_000_000;
    let (mut messages, mut levels) = (String::new(), String::new());
    let mut row = |kind: u8, size: u32, left: u32| {
        let at = 34_200 + messages.lines().count();
        messages += &format!("{at}.5,{kind},7,{size},{bid},1\n");
        levels += &format!("1001000,5000,{bid},{left}\n");
    };
    row(1, 300, 300);
    (0..3).for_each(|_| row(1, 0, 300));
    row(1, 600, 900);
    (0..5u32).for_each(|k| row(2, 100, 800 - k * 100));
    (0..7u32).for_each(|k| row(4, 50, 350 - k * 50));
    row(1, 100, 150);
    desk.write("AAPL_2012-06-22_orderbook_1.csv", levels);
    desk.write("AAPL_2012-06-22_message_1.csv", messages)
}

#[test]
fn a_belief_of_queues_decides_what_fills() {
    let Some(messages) = shared(MESSAGES) else { return };
    let desk = Desk::new();
    let run = |queue: &str, data: &Path| {
        let config = with(&desk, "levels.toml", &format!("queue = \"{queue}\""));
        let all = figures(ask(&config, data, &["--params", "quantity=100", "--json", "-"]));
        (all["venue"]["shares_made"].as_u64().unwrap(), all["days"][0]["commands_hash"].clone())
    };
    for queue in ["back", "log"] {
        let one = run(queue, &messages);
        assert!(one.0 > 0 && run(queue, &messages) == one, "{queue}: {one:?}");
    }
    // Ours joins 300; 600 come behind it, of which, or of whom, 500 go again; then 350 trade. Only who believes that some of those who went stood before us has us trade.
    let told = told(&desk);
    let made = ["back", "power", "power3", "log", "log2"].map(|queue| run(queue, &told).0);
    assert!(made[0] == 50 && made[1..].iter().all(|shares| *shares > 50), "{made:?}");
    assert_ne!(made[2], made[3], "beliefs differ");
    assert!(made.iter().all(|shares| *shares <= 100), "{made:?}");
    for (lines, data, says) in [
        ("queue = \"some\"", &messages, "backtest.queue"),
        ("queue = \"log\"\nqueue_exponent_percent = 200", &messages, "queue_exponent_percent"),
        ("queue = \"log\"\nimpact = \"displayed\"", &messages, "backtest.impact"),
    ] {
        let refused = ask(&with(&desk, "bad.toml", lines), data, &[]).exits(3);
        assert!(refused.stderr.contains(says), "{lines}: {}", refused.stderr);
    }
    if let Some(hour) = shared("data/itch50/aapl_20120621_0930.itch") {
        let refused = ask(&with(&desk, "levels.toml", "queue = \"log\""), &hour, &[]).exits(1);
        assert!(refused.stderr.contains("holds orders"), "{}", refused.stderr);
    }
    // Without its levels, or with too few of them.
    let alone = desk.file("AAPL_2012-06-21_message_10.csv");
    std::fs::copy(&messages, &alone).unwrap();
    let config = with(&desk, "levels.toml", "queue = \"log\"");
    assert!(ask(&config, &alone, &[]).exits(1).stderr.contains("orderbook"));
    desk.write("AAPL_2012-06-21_orderbook_10.csv", "5859400,200,5853300,18\n");
    let refused = ask(&config, &alone, &[]).exits(1);
    assert!(refused.stderr.contains("line of the order book file 2"), "{}", refused.stderr);
}

#[test]
fn the_venue_refuses_what_it_says_and_the_engine_takes_it() {
    let Some(hour) = shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let desk = Desk::new();
    let run = |venue: &str| {
        let config = with(&desk, "venue.toml", &format!("venue = {{ {venue} }}"));
        figures(ask(&config, &hour, &["--json", "-"]))
    };
    let free = run("");
    assert_eq!((&free["rejected"], &free["venue"]["rejected"]), (&0.into(), &0.into()));
    // Its own rate is what keeps the core below the venue's; here it does not know of that.
    let slow = run("max_messages_per_second = 5");
    let rejected = slow["rejected"].as_u64().unwrap();
    assert!(rejected > 5 && slow["venue"]["rejected"].as_u64() == Some(rejected), "{slow}");
    assert!(slow["shares"].as_u64() > Some(0) && slow["shares"] != free["shares"]);
    let small = run("max_order_quantity = 99");
    assert_eq!((&small["shares"], small["rejected"].as_u64() > Some(0)), (&0.into(), true));
}

#[test]
fn legs_are_what_a_run_has_measured() {
    let Some(hour) = shared("data/itch50/aapl_20120621_0930.itch") else { return };
    let desk = Desk::new();
    let report = desk.file("demo.json");
    // On a busy machine little happens in a second.
    let mut sent = 0;
    let mut demo = Value::Null;
    for _ in 0..10 {
        let words =
            ["demo", "--topology", "inline", "--seconds", "3", "--json", &report.display().to_string()];
        let mut command = Command::new(program::COLO);
        program::Program::start(command.args(words).current_dir(desk.folder.path())).end().exits(0);
        demo = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
        sent = demo["orders_sent"].as_u64().unwrap();
        if sent >= 10 {
            break;
        }
    }
    assert!(sent >= 10, "a core that sends no orders measures nothing");
    let journal = desk.file(demo["journal"].as_str().unwrap()).display().to_string();
    let measured = |leg: &str, more: &str| format!("{leg}_latency = {{ journal = \"{journal}\"{more} }}");
    let lines =
        [measured("feed", ""), measured("order", ", fixed_us = 2000"), measured("report", "")].join("\n");
    let config = with(&desk, "measured.toml", &lines);
    let one = figures(ask(&config, &hour, &["--json", "-"]));
    let leg = |name: &str, what: &str| one["latency_ns"][name][what].as_u64().unwrap();
    for name in ["feed", "order", "report"] {
        assert!(
            leg(name, "n") > 10 && leg(name, "p50") > 0 && leg(name, "max") >= leg(name, "p50"),
            "{name}: {one}"
        );
    }
    // What is known beside is added to every order.
    assert!(leg("order", "p50") > 2_000_000 && leg("report", "p50") < leg("order", "p50"));
    let again = figures(ask(&config, &hour, &["--json", "-"]));
    assert_eq!(again["days"], one["days"]);
}
