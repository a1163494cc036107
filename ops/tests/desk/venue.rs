//! An exchange and a core as two processes. The core is on one thread, which is real-time where the host allows that: so it waits for nobody else who is busy there, and still leaves them its
//! core whenever it has nothing to do. Between the two is a network that can be cut.
//!
//! ```text
//!   colo exchange --lines--> Wire (cut?) --lines--> colo run
//!        ^  re-requests, snapshots, OUCH 4.2: past it  |
//!        +-----------------------------------------------+
//! ```

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Process, colo, secret, until};

/// The loss of a day that halts it, USD.
pub const LOSS_USD: i64 = 10_000;

/// Two lines as they go through the network.
struct Wire {
    cut: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    /// Where the exchange sends to.
    lines: [SocketAddr; 2],
}

impl Wire {
    /// Passes on what comes to these.
    fn new(to: [SocketAddr; 2]) -> Wire {
        let (cut, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let lines = to.map(|to| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let at = socket.local_addr().unwrap();
            let (cut, lost) = (Arc::clone(&cut), Arc::clone(&lost));
            // For as long as this process lives.
            std::thread::spawn(move || {
                let mut datagram = [0; 65_536];
                loop {
                    let n = socket.recv(&mut datagram).unwrap();
                    if cut.load(Ordering::SeqCst) {
                        lost.fetch_add(1, Ordering::SeqCst);
                    } else {
                        // Where nobody listens any more, or yet, the kernel says so at the next call.
                        let _ = socket.send_to(&datagram[..n], to);
                    }
                }
            });
            at
        });
        Wire { cut, lost, lines }
    }
}

/// See the module.
pub struct Venue {
    /// The core's name.
    pub name: String,
    /// The core.
    pub core: Process,
    /// The folder of the core's runs.
    pub journal: PathBuf,
    /// Everything's folder.
    pub folder: tempfile::TempDir,
    _exchange: Process,
    wire: Wire,
}

/// Addresses that were free a moment ago.
fn udp() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).unwrap()
}

fn tcp() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|s| s.local_addr()).unwrap()
}

fn start(words: &[&str], said: &Path) -> Process {
    let said = std::fs::File::create(said).unwrap();
    let child: Child = colo(words).stderr(Stdio::from(said)).spawn().unwrap();
    Process(child)
}

impl Venue {
    /// Starts both, and waits until the core trades.
    pub fn trading(test: &str, messages_per_second: u32) -> Venue {
        let name = format!("ops-{test}-{}", std::process::id());
        let folder = tempfile::tempdir().unwrap();
        let (lines, rerequest) = ([udp(), udp()], udp());
        let wire = Wire::new(lines);
        let (ouch, glimpse) = (tcp(), tcp());
        secret(folder.path(), "pw", "secret77\n");
        let [a, b] = wire.lines;
        let exchange = format!(
            r#"symbols = ["AAPL", "MSFT"]
lines = ["{a}", "{b}"]
interface = "127.0.0.1"
rerequest = "{rerequest}"
ouch = "{ouch}"
glimpse = "{glimpse}"
control = "venue.sock"
[[accounts]]
username = "user01"
password_file = "pw"
firm = "ABCD"
protocol = "ouch42"
[flow]
kind = "generated"
seed = 1
messages_per_second = {messages_per_second}
"#
        );
        let [a, b] = lines;
        let core = format!(
            r#"name = "{name}"
journal_dir = "journal"
topology = "inline"
idle = "park"
[cores]
strategy = 1
cold = 0
realtime_priority = 20
[[feeds]]
id = "f1"
protocol = "itch50"
lines = ["{a}", "{b}"]
interface = "127.0.0.1"
rerequest = ["{rerequest}"]
glimpse = {{ address = "{glimpse}", username = "user01", password_file = "pw" }}
[[gateways]]
id = "g1"
protocol = "ouch42"
environment = "test"
address = "{ouch}"
username = "user01"
password_file = "pw"
firm = "ABCD"
[[instruments]]
symbol = "AAPL"
feed = "f1"
gateway = "g1"
[[instruments]]
symbol = "MSFT"
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
max_daily_loss_usd = {LOSS_USD}
max_gross_notional_usd = 5000000
[risk.firm]
max_net_notional_usd = 4000000
[telemetry]
sample_every = 4
"#
        );
        let write = |file: &str, text: String| {
            let file = folder.path().join(file);
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        };
        let (exchange, config) = (write("exchange.toml", exchange), write("core.toml", core));
        let said = folder.path().join("exchange.err");
        let exchange = start(&["exchange", "--config", &exchange], &said);
        until("an exchange", || {
            std::fs::read_to_string(&said).unwrap().contains("order entry on").then_some(())
        });
        let core = start(&["run", "--config", &config], &folder.path().join("core.err"));
        let journal = folder.path().join("journal").join(&name);
        let venue = Venue { name, core, journal, folder, _exchange: exchange, wire };
        until("a core that trades", || {
            ops::life::look(&venue.name).ok().filter(|s| s.engine["fills"] > 10).map(drop)
        });
        venue
    }

    /// Cuts both lines, or puts them back.
    pub fn cut(&self, is_cut: bool) {
        self.wire.cut.store(is_cut, Ordering::SeqCst);
    }

    /// Datagrams that the cut has taken.
    pub fn lost(&self) -> u64 {
        self.wire.lost.load(Ordering::SeqCst)
    }

    /// `colo ctl` on the core.
    pub fn ctl(&self, words: &[&str]) {
        let line = [&["ctl", "--name", &self.name], words].concat();
        assert!(colo(&line).status().unwrap().success(), "colo {line:?}");
    }

    /// A person's command to the exchange.
    pub fn command(&self, words: &[&str]) {
        let socket = self.folder.path().join("venue.sock");
        let line = [&["exchange", "ctl", "--socket", socket.to_str().unwrap()], words].concat();
        assert!(colo(&line).status().unwrap().success(), "colo {line:?}");
    }

    /// The log of the run.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.journal.join("run-000001/log.jsonl")).unwrap_or_default()
    }

    /// What it said to the person who started it, for a test that failed.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("core.err")).unwrap_or_default()
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        if std::thread::panicking() {
            super::say(&self.said());
        }
        // The core before its shared memory.
        self.core.end();
        colo::core::leave_nothing(&self.name);
    }
}
