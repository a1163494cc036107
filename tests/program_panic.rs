//! A strategy of a user's own that panics: the process says which agent it was, and ends as a failure. That nothing stays open at the venue is proven beside
//! the core itself (`src/core/tests.rs`), where the venue can be asked before its day ends.

mod program;

use std::fs;
use std::process::Command;

use program::Program;
use program::desk::clear_shared_memory;
use program::json::Report;

#[test]
fn a_panic_is_a_sentence_and_a_failure() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let main = include_str!("program/panicking_strategy.rs");
    let binary = program::own_crate::build(folder.path(), "panicking-strategy", main);
    for topology in ["pipelined", "inline"] {
        let name = format!("t{}-panic-{topology}", std::process::id());
        let mut command = Command::new(&binary);
        command.args(["demo", "--strategy", "bomb", "--seconds", "60", "--topology", topology]);
        command.args(["--name", &name, "--json", "demo.json"]).current_dir(folder.path());
        let ended = Program::start(&mut command).end();
        clear_shared_memory(&name);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        let sentences: Vec<_> = ended.sentences().collect();
        assert_eq!(sentences, ["colo: agent strategy panicked: the bomb went off"], "{ended:#?}");
        let report = Report::read(&folder.path().join("demo.json"));
        report.is("/gateway/mass_cancels", 1).is("/gateway/mass_canceled", 1).some("/venue/accepted");
    }
    fs::remove_file(&binary).expect("a binary of this test alone");
}
