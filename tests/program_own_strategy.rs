//! A strategy in a crate of a user's own, which depends on `colo` and on nothing else: the one file that the README shows, word for word, and it trades.

mod program;

use std::fs;
use std::process::Command;

use program::Program;
use program::desk::clear_shared_memory;
use program::json::Report;

/// The README's strategy: its one block of Rust, from the first line to the last.
fn main_rs() -> &'static str {
    let (_, block) = include_str!("../README.md").split_once("```rust\n").expect("a block of Rust");
    let (main, rest) = block.split_once("```").expect("the block's end");
    assert!(!rest.contains("```rust"), "one block: which is the strategy?");
    main
}

#[test]
fn a_strategy_of_a_users_own_is_one_file() {
    assert!(main_rs().lines().count() < 40, "a first strategy is short");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let binary = program::own_crate::build(folder.path(), "own-strategy", main_rs());
    let name = format!("t{}-own", std::process::id());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(arguments).current_dir(folder.path());
        Program::start(&mut command).end()
    };

    let demo = ["demo", "--strategy", "joiner", "--seconds", "2", "--name", &name, "--json", "demo.json"];
    let ended = run(&demo);
    clear_shared_memory(&name);
    ended.exits(0);
    let report = Report::read(&folder.path().join("demo.json"));
    report.is("/reconciled", true).is("/open_orders", 0).some("/orders_sent").some("/fills");

    // It stands beside those that come with it, and its parameters are checked as theirs are.
    run(&["demo", "--strategy", "none"]).exits(3).says(&["joiner", "quoter", "imbalance", "observer"]);
    let config =
        include_str!("fixtures/core.toml").replace("\"observer\"", "\"joiner\"\nparams = { lot = 1001 }");
    fs::write(folder.path().join("colo.toml"), config).expect("a configuration");
    fs::write(folder.path().join("pw"), "secret77").expect("a password");
    run(&["config", "check", "colo.toml"]).exits(3).says(&["lot", "1001", "1 to 1000"]);
    fs::remove_file(&binary).expect("a binary of this test alone");
}
