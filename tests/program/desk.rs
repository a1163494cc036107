//! A desk: a folder with configurations, a name and a loopback address of its own.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::Value;

use super::json::Report;
use super::{Ended, Program, colo, until};

/// Desks made by this process.
static DESKS: AtomicU8 = AtomicU8::new(1);

/// A core's surroundings, and a venue's beside it.
pub struct Desk {
    /// The core's name.
    pub name: String,
    /// The folder of all files.
    pub folder: tempfile::TempDir,
    /// Lines A and B.
    pub lines: [SocketAddrV4; 2],
    /// The re-request server.
    pub rerequest: SocketAddrV4,
    /// Order entry.
    pub ouch: SocketAddrV4,
}

impl Desk {
    /// A desk with nothing on it but the password file.
    pub fn new() -> Desk {
        let number = DESKS.fetch_add(1, Ordering::Relaxed);
        let [.., high, low] = process::id().to_be_bytes();
        let host = Ipv4Addr::new(127, high.max(1), low, number);
        let mut taken = BTreeSet::new();
        let mut udp = || free(&mut taken, || UdpSocket::bind((host, 0))?.local_addr());
        let (lines, rerequest) = ([udp(), udp()], udp());
        let ouch = free(&mut taken, || TcpListener::bind((host, 0))?.local_addr());
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("pw"), "secret77\n").expect("a password file");
        Desk { name: format!("t{}-{number}", process::id()), folder, lines, rerequest, ouch }
    }

    /// A file in the desk's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the desk's folder.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.file(name);
        fs::write(&file, text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        file
    }

    /// The core's configuration with no more in it than has to be.
    pub fn core(&self) -> String {
        let Desk { name, lines: [a, b], rerequest, ouch, .. } = self;
        format!(
            r#"name = "{name}"
journal_dir = "journal"
topology = "pipelined"
idle = "yield"

[[feeds]]
id = "f1"
protocol = "itch50"
lines = ["{a}", "{b}"]
interface = "127.0.0.1"
rerequest = ["{rerequest}"]

[[gateways]]
id = "g1"
protocol = "ouch50"
environment = "test"
address = "{ouch}"
username = "user01"
password_file = "pw"
firm = "ABCD"

[[instruments]]
symbol = "AAPL"
feed = "f1"
gateway = "g1"

[strategy]
name = "quoter"
params = {{ quantity = 100 }}

[risk]
max_order_quantity = 1000
max_order_notional_usd = 1000000
max_position = 5000
max_open_orders = 50
max_messages_per_second = 500
price_collar_bps = 500
max_daily_loss_usd = 100000
"#
        )
    }

    /// The venue's configuration: one instrument and a flow that never ends.
    pub fn venue(&self) -> String {
        let Desk { lines: [a, b], rerequest, ouch, .. } = self;
        format!(
            r#"symbols = ["AAPL"]
lines = ["{a}", "{b}"]
interface = "127.0.0.1"
rerequest = "{rerequest}"
ouch = "{ouch}"

[[accounts]]
username = "user01"
password_file = "pw"
firm = "ABCD"

[flow]
kind = "generated"
seed = 1
messages_per_second = 2000
"#
        )
    }

    /// Starts a venue and waits until it takes orders. Its end's report goes to `venue.json`.
    pub fn start_venue(&self, config: &str) -> Program {
        let config = self.write("exchange.toml", config);
        let json = self.file("venue.json");
        let mut venue = Program::colo([
            "exchange".as_ref(),
            "--config".as_ref(),
            config.as_os_str(),
            "--json".as_ref(),
            json.as_os_str(),
        ]);
        until("the venue", || {
            assert!(venue.runs(), "the venue ended: {}", venue.stderr());
            venue.stderr().contains("order entry on").then_some(())
        });
        venue
    }

    /// Ends a venue in order and gives its report.
    #[track_caller]
    pub fn end_venue(&self, venue: Program) -> Report {
        venue.signal("TERM");
        venue.end().exits(130);
        Report::read(&self.file("venue.json"))
    }

    /// Starts a core with `more` arguments; its report goes to `run.json`.
    pub fn start_core(&self, config: &str, more: &[&str]) -> Program {
        let config = self.write("colo.toml", config);
        let json = self.file("run.json");
        // A report of a run before would be taken for this one's.
        let _ = fs::remove_file(&json);
        let mut arguments: Vec<_> = ["run", "--config"].map(Into::into).to_vec();
        arguments.push(config.into_os_string());
        arguments.extend(["--json".into(), json.into_os_string()]);
        arguments.extend(more.iter().map(Into::into));
        Program::colo(arguments)
    }

    /// Runs a core to its end.
    pub fn run_core(&self, config: &str, more: &[&str]) -> Ended {
        self.start_core(config, more).end()
    }

    /// The report of the last run.
    #[track_caller]
    pub fn report(&self) -> Report {
        Report::read(&self.file("run.json"))
    }

    /// Where this core's journals are.
    pub fn journals(&self) -> PathBuf {
        self.file("journal").join(&self.name)
    }

    /// The first token that was never granted.
    pub fn next_token(&self) -> u64 {
        let text = fs::read_to_string(self.journals().join("tokens")).expect("a token file");
        text.trim().strip_prefix("next = ").and_then(|n| n.parse().ok()).expect("a token")
    }

    /// Runs `colo ctl` for this core.
    pub fn ctl(&self, verb: &str) -> Ended {
        self.ctl_with(verb, &[])
    }

    /// As [`Desk::ctl`], with more arguments. What wants a reason has one.
    pub fn ctl_with(&self, verb: &str, more: &[&str]) -> Ended {
        let mut arguments = vec!["ctl", "--name", &self.name, verb];
        if ["resume", "clutch-in", "kill", "unkill", "write-off", "entry-on"].contains(&verb) {
            arguments.extend(["--reason", "a test", "--operator", "tester"]);
        }
        arguments.extend(more);
        colo(arguments)
    }

    /// The status of the running core; none while it does not answer.
    pub fn status(&self) -> Option<Report> {
        let ended = colo(["ctl", "--name", &self.name, "status", "--json"]);
        if ended.code != Some(0) {
            return None;
        }
        let Report(mut answer) = Report::of(&ended);
        Some(Report(answer["status"].take()))
    }

    /// Waits until the status of the running core is as it should be.
    #[track_caller]
    pub fn until_status(&self, what: &str, core: &mut Program, is: impl Fn(&Report) -> bool) -> Report {
        until(&format!("{what} (last: {})", self.name), || {
            assert!(core.runs(), "{what}: the core ended: {}", core.stderr());
            self.status().filter(&is)
        })
    }

    /// Waits until the core has sent orders and some traded.
    #[track_caller]
    pub fn until_trading(&self, core: &mut Program) -> Report {
        self.until_status("trading", core, |s| {
            s.count("/engine/new_orders") > 0 && s.count("/engine/fills") > 0 && open_orders(s) > 0
        })
    }

    /// What this core has left in shared memory.
    pub fn in_shared_memory(&self) -> Vec<String> {
        in_shared_memory(&self.name)
    }
}

/// Orders open, as a status says.
pub fn open_orders(status: &Report) -> u64 {
    status.0.pointer("/risk/open_orders").and_then(Value::as_u64).unwrap_or(0)
}

/// What the core of a name has left in shared memory.
pub fn in_shared_memory(name: &str) -> Vec<String> {
    let prefix = format!("colo-{name}");
    let entries = fs::read_dir("/dev/shm").expect("shared memory").flatten();
    let mine =
        |f: &String| f.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    entries.filter_map(|e| e.file_name().into_string().ok()).filter(mine).collect()
}

/// Removes what the core of a name has left in shared memory.
pub fn clear_shared_memory(name: &str) {
    for file in in_shared_memory(name) {
        let _ = fs::remove_file(Path::new("/dev/shm").join(file));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        clear_shared_memory(&self.name);
    }
}

/// An address that nobody uses. Its port is free again at once; on an address of the test's own nobody else takes it.
fn free(
    taken: &mut BTreeSet<SocketAddrV4>,
    bind: impl Fn() -> std::io::Result<std::net::SocketAddr>,
) -> SocketAddrV4 {
    loop {
        match bind().expect("a free port") {
            std::net::SocketAddr::V4(address) if taken.insert(address) => return address,
            _ => {}
        }
    }
}
