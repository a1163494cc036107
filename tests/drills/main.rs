//! Drills over the real processes that are stories of their own; each has a script that runs it, optimised and at length, and ends with one line of figures.
//!
//! | story | test | script |
//! |---|---|---|
//! | Knight: a stale program, a changed configuration, fills that nobody counts (T8) | `knight` | `scripts/drill-knight` |
//! | a day is followed by the next, again and again (T15) | `soak` | `scripts/drill-soak` |
//! | the wall clock is stepped (T16) | `clock` | `scripts/drill-clock` |
//! | halts, auctions, breakers, bad books, the close (T19) | `market` | `scripts/drill-market` |
//! | lists of restricted symbols change while the core runs | `lists` | `cargo test` |
//!
//! The judge is the venue's own ledger, or the journal added up by a model that shares nothing with the engine. `scripts/drill-canaries` runs each story over a core that is
//! broken on purpose (`model::canary`), which has to fail it.

mod clock;
mod knight;
mod ledger;
mod lists;
mod market;
#[path = "../program/mod.rs"]
mod program;
mod publisher;
mod scene;
mod soak;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use program::desk::Desk;
use program::{COLO, Program, until};

/// A number that a script sets; what a test run can spare otherwise.
fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |n| n.parse().unwrap_or_else(|_| panic!("{name}={n}: a number is wanted")))
}

/// The program with the strategy that stops for nothing, built once for all stories, as this test was: with the features of the whole workspace in the profile that
/// tests have, or nearly all of it would be built again.
fn reckless() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let profile = Path::new(COLO).parent().expect("the folder of a profile");
        let mut cargo = Command::new(env!("CARGO"));
        program::own_crate::as_a_person(&mut cargo);
        cargo.args(["build", "--quiet", "--example", "reckless", "--target-dir"]);
        cargo.arg(profile.parent().expect("the target folder")).current_dir(env!("CARGO_MANIFEST_DIR"));
        let as_it_was: &[_] =
            if cfg!(debug_assertions) { &["--workspace"] } else { &["--release", "--package", "colo"] };
        cargo.args(as_it_was);
        cargo.args(
            model::canary::IN_THIS_BUILD.then_some(["--features", "colo/canaries"]).into_iter().flatten(),
        );
        let built = cargo.output().expect("cargo");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        profile.join("examples/reckless")
    })
}

/// Starts a core of `binary` with a configuration; its report goes to `run.json`.
fn start(desk: &Desk, binary: &Path, config: &str) -> Program {
    let config = desk.write("colo.toml", config);
    let json = desk.file("run.json");
    let _ = std::fs::remove_file(&json);
    let mut command = Command::new(binary);
    Program::start(command.args(["run", "--config"]).arg(config).arg("--json").arg(json))
}

/// Two readings that are the same, one after the other: what was under way has arrived.
fn settled<T: PartialEq>(what: &str, mut read: impl FnMut() -> T) -> T {
    let mut last = read();
    until(what, || {
        let now = read();
        let before = std::mem::replace(&mut last, now);
        (before == last).then_some(())
    });
    last
}
