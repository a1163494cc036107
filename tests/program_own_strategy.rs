//! A strategy in a crate of a user's own, which depends on `colo` and on nothing else: the one file that the README shows, word for word, and it trades.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::desk::clear_shared_memory;
use program::json::Report;
use program::{COLO, Program};

/// The README's strategy: its one block of Rust, from the first line to the last.
fn main_rs() -> &'static str {
    let (_, block) = include_str!("../README.md").split_once("```rust\n").expect("a block of Rust");
    let (main, rest) = block.split_once("```").expect("the block's end");
    assert!(!rest.contains("```rust"), "one block: which is the strategy?");
    main
}

/// Makes the crate, outside any workspace, and builds it. It shares the target folder of this test, so that only what is its own is compiled.
fn build(folder: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = format!(
        r#"[package]
name = "own-strategy"
version = "0.1.0"
edition = "2024"

[dependencies]
colo = {{ path = {here:?} }}

[workspace]

[profile.dev]
opt-level = 1
debug = "line-tables-only"
"#
    );
    fs::create_dir(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    fs::write(folder.join("src/main.rs"), main_rs()).expect("a source");
    fs::copy(here.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");
    let profile = Path::new(COLO).parent().expect("the folder of a profile");
    let target = profile.parent().expect("the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--quiet"]).env("CARGO_TARGET_DIR", target).current_dir(folder);
    let built = cargo.output().expect("cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug").join("own-strategy")
}

#[test]
fn a_strategy_of_a_users_own_is_one_file() {
    assert!(main_rs().lines().count() < 40, "a first strategy is short");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let binary = build(folder.path());
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
    fs::write(folder.path().join("colo.toml"), CONFIG).expect("a configuration");
    fs::write(folder.path().join("pw"), "secret77").expect("a password");
    run(&["config", "check", "colo.toml"]).exits(3).says(&["lot", "1001", "1 to 1000"]);
    fs::remove_file(&binary).expect("a binary of this test alone");
}

const CONFIG: &str = r#"
name = "own"
[[feeds]]
id = "f1"
protocol = "itch50"
lines = ["127.0.0.1:26001"]
[[gateways]]
id = "g1"
protocol = "ouch50"
environment = "test"
address = "127.0.0.1:26010"
username = "user01"
password_file = "pw"
firm = "ABCD"
[[instruments]]
symbol = "AAPL"
feed = "f1"
gateway = "g1"
[strategy]
name = "joiner"
params = { lot = 1001 }
"#;
