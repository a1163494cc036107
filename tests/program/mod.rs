//! What the tests of the whole program share: the `colo` binary as a child process, and a desk to run it at.
//!
//! A [`desk::Desk`] is one core's surroundings: a folder, a name that nobody else on the host has, and a loopback address of its own, so that tests
//! that run beside each other meet neither in shared memory nor on a port. What a desk leaves in shared memory goes with it.
//!
//! Nothing here waits for a time: [`until`] looks at a condition again and again, for a number of looks that no working program needs.
#![allow(dead_code)] // each test crate uses its part

pub mod desk;
pub mod json;
pub mod ledger;
pub mod own_crate;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The binary under test.
pub const COLO: &str = env!("CARGO_BIN_EXE_colo");

/// Looks of [`until`] before it gives up: half a minute on an idle machine, and longer the busier it is.
const LOOKS: usize = 4_800;

/// Looks at `condition` until it gives something; the value is what it gave.
///
/// # Panics
/// When it never did, with `what` was waited for.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(value) = condition() {
            return value;
        }
        sleep(Duration::from_millis(25));
    }
    panic!("waited in vain for {what}");
}

/// A child process with its output in files, killed when dropped.
pub struct Program {
    child: Child,
    what: String,
    folder: tempfile::TempDir,
}

/// A child process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// What was run.
    pub what: String,
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote as data.
    pub stdout: String,
    /// What it told the person.
    pub stderr: String,
}

impl Program {
    /// Starts a command.
    pub fn start(command: &mut Command) -> Program {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str| File::create(folder.path().join(name)).expect("an output file");
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        let what = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|e| panic!("{what}: {e}"));
        Program { child, what, folder }
    }

    /// Starts `colo` with these arguments.
    pub fn colo<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Program {
        Program::start(Command::new(COLO).args(arguments))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.poll().is_none()
    }

    /// What it told the person so far.
    pub fn stderr(&self) -> String {
        self.output("stderr")
    }

    /// What it wrote as data so far.
    pub fn stdout(&self) -> String {
        self.output("stdout")
    }

    fn output(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).expect("an output file");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn poll(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child that can be waited for")
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "kill -{name}");
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let what = self.what.clone();
        let status = until(&format!("the end of {what}"), || self.poll());
        let (stdout, stderr) = (self.output("stdout"), self.output("stderr"));
        Ended { what, code: status.code(), stdout, stderr }
    }

    /// Ends it without a word (`kill -9`), and waits until it is gone.
    pub fn kill(mut self) -> Ended {
        self.child.kill().expect("a child that can be killed");
        self.end()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Checks the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    /// Checks that it said why in one sentence, with all of `words` in it.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Ended {
        let sentences: Vec<_> = self.sentences().collect();
        assert_eq!(sentences.len(), 1, "one sentence: {self:#?}");
        for word in words {
            assert!(sentences[0].contains(word), "{word:?} is missing: {self:#?}");
        }
        self
    }

    /// Checks that all of `words` are in what it printed.
    #[track_caller]
    pub fn shows(self, words: &[&str]) -> Ended {
        for word in words {
            assert!(self.stdout.contains(word), "{word:?} is missing: {self:#?}");
        }
        self
    }

    /// What it said was wrong, without progress and warnings.
    pub fn sentences(&self) -> impl Iterator<Item = &str> {
        let wrong = |line: &&str| line.starts_with("colo: ") && !line.starts_with("colo: warning: ");
        self.stderr.lines().filter(wrong)
    }
}

/// Runs `colo` to its end.
pub fn colo<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    Program::colo(arguments).end()
}

/// A file of the material beside the repository. Where there is none the test is skipped and says so, or fails with `COLO_REQUIRE_SHARED=1`.
pub fn shared(path: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if file.exists() {
        return Some(file);
    }
    let why = format!("{} is not there", file.display());
    assert!(std::env::var("COLO_REQUIRE_SHARED").as_deref() != Ok("1"), "{why}");
    skipped(&why);
    None
}

/// Says that a test, or a part of it, is skipped.
#[allow(clippy::print_stderr)]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
