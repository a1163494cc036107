//! What the tests of the cold processes share: a real core to look at (the demo, in a process of its own) and `colo-monitor` beside it.
//!
//! The core is this test's own binary, started again: [`colo_process`] is `colo` with the command line that it finds in its environment. Nothing here waits for a
//! time: [`until`] looks again and again, for more looks than a working program needs.
#![allow(dead_code)] // each test crate uses its part

#[path = "../../../tests/browser/mod.rs"]
pub mod browser;
pub mod endpoint;
pub mod notifier;
pub mod prometheus;
pub mod services;
pub mod venue;

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// As `colo` has it: the core that is looked at counts its allocations.
#[global_allocator]
static COUNTED: colo::host::Counted = colo::host::Counted;

/// `colo-monitor`.
pub const MONITOR: &str = env!("CARGO_BIN_EXE_colo-monitor");
/// The command line of [`colo_process`], a word a line.
const LINE: &str = "COLO_TEST_LINE";
/// Looks of [`until`] before it gives up: half a minute on an idle machine, and longer the busier it is.
const LOOKS: usize = 1_200;

/// Looks at `condition` until it gives something.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(value) = condition() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("waited in vain for {what}");
}

/// Not a test of its own: `colo` itself, where [`Core::demo`] has started it; otherwise there is nothing to do.
#[test]
fn colo_process() {
    let Ok(line) = std::env::var(LINE) else { return };
    let words = std::iter::once("colo").chain(line.lines()).map(OsString::from);
    let code = colo::cli::main_from(&[], words);
    assert_eq!(code, std::process::ExitCode::SUCCESS);
}

/// A child that is ended with its test.
pub struct Process(pub Child);

impl Process {
    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|s| s.success()), "kill -{name}");
    }
}

impl Process {
    /// Ends it without a word, and sees it out: a dead child that nobody has asked for still has its place in `/proc`.
    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        self.end();
    }
}

/// A demo at work, of a name of its own.
pub struct Core {
    /// Its name.
    pub name: String,
    /// Its process.
    pub process: Process,
    /// Where its journal is.
    pub folder: tempfile::TempDir,
}

impl Core {
    /// Starts one, and waits until it trades.
    pub fn demo(test: &str) -> Core {
        Core::named(&format!("ops-{test}-{}", std::process::id()))
    }

    /// The same by a name.
    pub fn named(name: &str) -> Core {
        let name = name.to_owned();
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        let line =
            format!("demo\n--seconds\n3600\n--rate\n2000\n--name\n{name}\n--journal\n{}", journal.display());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "desk::colo_process", "--nocapture"])
            .env(LINE, line)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let core = Core { name, process: Process(child), folder };
        until("a core that trades", || {
            ops::life::look(&core.name).ok().filter(|s| s.engine["fills"] > 0).map(drop)
        });
        core
    }
}

impl Core {
    /// Runs `colo ctl` on it.
    pub fn ctl(&self, words: &[&str]) {
        let line = [&["ctl", "--name", &self.name], words].concat();
        assert!(colo(&line).status().unwrap().success(), "colo {line:?}");
    }
}

/// `colo` with this command line.
pub fn colo(line: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "desk::colo_process", "--nocapture"])
        .env(LINE, line.join("\n"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

impl Drop for Core {
    fn drop(&mut self) {
        colo::core::leave_nothing(&self.name);
    }
}

/// `colo-monitor serve`, on a free port.
pub struct Server {
    /// Its process.
    pub process: Process,
    /// Such as `http://127.0.0.1:40123`.
    pub url: String,
}

impl Server {
    /// Starts it and waits until it says where it listens.
    pub fn start(args: &[&str]) -> Server {
        Server::each(200, args)
    }

    /// The same, which looks each time that so many ms have passed.
    pub fn each(ms: u32, args: &[&str]) -> Server {
        let mut child = Command::new(MONITOR)
            .args(["serve", "--listen", "127.0.0.1:0", "--every-ms", &ms.to_string()])
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        let process = Process(child);
        let url = said.split_whitespace().find(|word| word.starts_with("http"));
        let url = url.unwrap_or_else(|| panic!("{said}")).trim_end_matches('/').to_owned();
        Server { process, url }
    }

    /// The status and the body of an answer.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        get(&format!("{}{path}", self.url), headers)
    }
}

/// The status and the body of an answer; status 0 where there was none.
pub fn get(url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    match request.call() {
        Ok(mut answer) => (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default()),
        Err(e) => (0, e.to_string()),
    }
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether a program is there. A test that needs one that is not says so and does nothing; `scripts/test` installs them.
pub fn has(program: &str, for_what: &str) -> bool {
    has_by(program, "--version", for_what)
}

/// The same for one that is asked otherwise.
pub fn has_by(program: &str, asked: &str, for_what: &str) -> bool {
    let there = Command::new(program).arg(asked).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = there.is_ok();
    if !there {
        say(&format!("skipped: {for_what}: {program} is not installed"));
    }
    there
}

/// A line for whoever reads the test's output.
#[allow(clippy::print_stderr, reason = "what a test skipped is said where its output goes")]
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// Writes a file that only its owner may read.
pub fn secret(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    file
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
