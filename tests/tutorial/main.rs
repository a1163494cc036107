//! `docs/tutorial.md` as a test: every command of it, as it is written, in its order, in an empty folder.
//!
//! The crate that the tutorial makes depends on this workspace by its path and is built into the target folder of this test without a network, so that what stands there already is not
//! built again. Two of these tests on one host would meet in shared memory and on ports, by the name and the ports that the tutorial shows: a lock in the folder of temporary files keeps them apart.

mod page;
#[path = "../program/mod.rs"]
mod program;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use page::{Expected, Step, steps};
use program::desk::clear_shared_memory;
use program::{Program, until};

/// The name that the tutorial gives its strategy, and its core.
const NAME: &str = "joiner";

/// A reader at a terminal.
struct Reader {
    /// Where `cd` has brought it.
    at: PathBuf,
    /// Other terminals, by the name that the page gives them.
    others: BTreeMap<String, Program>,
    target: PathBuf,
    /// What the last command put out.
    said: String,
}

impl Reader {
    fn command(&self, script: &str) -> Command {
        let colo = Path::new(program::COLO).parent().expect("the folder of the program");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(&self.at);
        command.env("PATH", format!("{}:{path}", colo.display()));
        program::own_crate::as_a_person(&mut command);
        command.env("CARGO_TARGET_DIR", &self.target).env("CARGO_NET_OFFLINE", "true");
        command
    }

    fn follow(&mut self, step: &Step) {
        match step {
            Step::Run { script, code } => {
                let kept = self.at.join(".where");
                let whole = format!("trap 'pwd > {}' EXIT\n{script}", kept.display());
                let out = self.command(&whole).output().expect("bash");
                self.said = String::from_utf8_lossy(&out.stdout).into_owned();
                self.said.push_str(&String::from_utf8_lossy(&out.stderr));
                assert_eq!(
                    out.status.code(),
                    Some(*code),
                    "{script}\n{}\n{}",
                    self.said,
                    self.told_elsewhere()
                );
                let at = fs::read_to_string(&kept).expect("where the command ended");
                fs::remove_file(&kept).expect("a file of this test");
                self.at = PathBuf::from(at.trim_end());
            }
            Step::Begin { terminal, script, until: word } => {
                let mut begun = Program::start(&mut self.command(&format!("exec {script}")));
                until(&format!("{word:?} of {script}"), || {
                    let said = begun.stdout() + &begun.stderr();
                    assert!(begun.runs(), "{script} ended: {said}");
                    said.contains(word).then_some(())
                });
                self.others.insert(terminal.clone(), begun);
            }
            Step::Stop { terminal, code } => {
                let ended = self.other(terminal);
                ended.signal("INT");
                self.ended(ended, *code);
            }
            Step::Wait { terminal, code } => {
                let ended = self.other(terminal);
                self.ended(ended, *code);
            }
            Step::Expect(Expected { lines, at }) => {
                let mut rest = self.said.as_str();
                for line in lines {
                    let Some(behind) = page::behind(rest, line) else {
                        panic!("docs/tutorial.md:{at}: {line:?} was not said:\n{}", self.said);
                    };
                    rest = behind;
                }
            }
        }
    }

    fn other(&mut self, terminal: &str) -> Program {
        self.others.remove(terminal).unwrap_or_else(|| panic!("there is no terminal {terminal:?}"))
    }

    fn ended(&mut self, ended: Program, code: i32) {
        let ended = ended.end().exits(code);
        self.said = ended.stdout + &ended.stderr;
    }

    /// What the programs in other terminals say, for a failure.
    fn told_elsewhere(&self) -> String {
        self.others.iter().map(|(name, p)| format!("--- {name}\n{}{}", p.stdout(), p.stderr())).collect()
    }
}

#[test]
fn every_command_of_the_tutorial_does_what_it_says() {
    let lock = File::create(std::env::temp_dir().join("colo-tutorial.lock")).expect("a lock file");
    lock.lock().expect("nobody else follows the tutorial here");
    clear_shared_memory(NAME);
    let steps = steps(include_str!("../../docs/tutorial.md"));
    assert!(steps.iter().filter(|s| matches!(s, Step::Run { .. })).count() > 5, "the commands were found");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let target = Path::new(program::COLO).ancestors().nth(2).expect("the target folder").to_owned();
    let at = folder.path().canonicalize().expect("a folder");
    let mut reader = Reader { at, others: BTreeMap::new(), target: target.clone(), said: String::new() };
    steps.iter().for_each(|step| reader.follow(step));
    assert!(reader.others.is_empty(), "the tutorial stops what it begins");
    // The program is of this test alone.
    fs::remove_file(target.join("debug").join(NAME)).expect("the crate's program");
    clear_shared_memory(NAME);
}
