//! The child process that is QuickFIX.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateways::fix::session::Version;
use model::Nanos;
use net::tcp::TcpLink;
use net::tls::TlsStream;
use net::{ByteStream, Received};

use crate::authority::Authority;

/// Looks before something is given up: half a minute on an idle machine, and longer the busier it is.
const LOOKS: usize = 15_000;

/// Looks at `condition` until it gives something.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(value) = condition() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("waited in vain for {what}");
}

pub fn now() -> Nanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Nanos(since.as_nanos() as u64)
}

/// The interpreter that has QuickFIX.
#[allow(clippy::print_stderr)]
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("COLO_PEERS_PYTHON").map(PathBuf::from);
    let usable = |python: &PathBuf| {
        let probe = Command::new(python).args(["-c", "import quickfix"]).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    };
    let found = python.filter(usable);
    if found.is_none() {
        eprintln!(
            "skipped: QuickFIX: COLO_PEERS_PYTHON names no Python that has it (scripts/test installs it)"
        );
    }
    found
}

/// Where QuickFIX's dictionaries are.
fn dictionary(python: &Path, version: Version) -> PathBuf {
    let name = if version == Version::Fix42 { "FIX42.xml" } else { "FIX44.xml" };
    let folder = python.parent().and_then(Path::parent).expect("the interpreter of an environment");
    folder.join("share/quickfix").join(name)
}

/// A port that nobody has at the moment: QuickFIX cannot pick one itself.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a peer is to be.
pub struct Setup<'a> {
    pub role: &'static str,
    pub version: Version,
    pub port: u16,
    pub tls: bool,
    pub authority: &'a Authority,
    /// A key in base64 or `user:password`, for its logons.
    pub credentials: Option<&'a str>,
}

pub struct Peer {
    child: Child,
    commands: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<String>>>,
    /// Lines already looked at.
    seen: usize,
    folder: tempfile::TempDir,
}

impl Peer {
    pub fn start(python: &Path, s: &Setup<'_>) -> Peer {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (chain, key) = s.authority.certify("127.0.0.1", |_| {});
        for (name, text) in [("chain.pem", &chain), ("key.pem", &key), ("root.pem", &s.authority.root)] {
            std::fs::write(at(name), text).unwrap();
        }
        let begin = std::str::from_utf8(s.version.begin()).unwrap();
        let (us, them) = if s.role == "acceptor" { ("VENUE", "CLIENT") } else { ("CLIENT", "VENUE") };
        let place = match s.role {
            "acceptor" => format!("SocketAcceptPort={}\nSocketReuseAddress=Y", s.port),
            _ => format!("SocketConnectHost=127.0.0.1\nSocketConnectPort={}\nReconnectInterval=1", s.port),
        };
        let settings = format!(
            "[DEFAULT]\nConnectionType={}\nFileStorePath={}\nFileLogPath={}\nStartTime=00:00:00\nEndTime=00:00:00\nNonStopSession=Y\n\
             UseDataDictionary=Y\nDataDictionary={}\nHeartBtInt=30\n{place}\nServerCertificateFile={}\nServerCertificateKeyFile={}\n\
             CertificationAuthoritiesFile={}\n[SESSION]\nBeginString={begin}\nSenderCompID={us}\nTargetCompID={them}\n",
            s.role,
            at("store"),
            at("log"),
            dictionary(python, s.version).display(),
            at("chain.pem"),
            at("key.pem"),
            at("root.pem"),
        );
        std::fs::write(at("settings"), settings).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fix_peers/quickfix_peer.py");
        let mut child = Command::new(python)
            .arg(script)
            .args([s.role, if s.tls { "tls" } else { "plain" }, &at("settings")])
            .args(s.credentials)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                to.lock().unwrap().push(line);
            }
        });
        let commands = child.stdin.take();
        let mut peer = Peer { child, commands, lines, seen: 0, folder };
        peer.says("ready", || {});
        peer
    }

    pub fn tell(&mut self, command: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
    }

    /// The next line that begins with `word`; what came before it is passed over. `meanwhile` keeps our side going.
    pub fn says(&mut self, word: &str, mut meanwhile: impl FnMut()) -> String {
        let (lines, seen) = (Arc::clone(&self.lines), self.seen);
        let found = |lines: &Vec<String>| (seen..lines.len()).find(|at| lines[*at].starts_with(word));
        let mut looks = 0;
        let at = loop {
            meanwhile();
            if let Some(at) = found(&lines.lock().unwrap()) {
                break at;
            }
            looks += 1;
            assert!(looks < LOOKS, "QuickFIX never said {word:?}:\n{}", self.story());
            std::thread::sleep(Duration::from_millis(2));
        };
        self.seen = at + 1;
        lines.lock().unwrap()[at].clone()
    }

    /// Neither side has refused a message of the other.
    pub fn nothing_was_refused(&self) {
        let lines = self.lines.lock().unwrap();
        let bad = lines.iter().any(|line| line.starts_with("refused") || line.starts_with("rejected"));
        assert!(!bad, "{}", self.story_of(&lines));
    }

    fn story(&self) -> String {
        self.story_of(&self.lines.lock().unwrap())
    }

    fn story_of(&self, lines: &[String]) -> String {
        let mut story = lines.join("\n");
        for file in std::fs::read_dir(self.folder.path().join("log")).into_iter().flatten().flatten() {
            let text = std::fs::read(file.path()).unwrap_or_default();
            story += &format!(
                "\n{}:\n{}",
                file.path().display(),
                String::from_utf8_lossy(&text).replace('\x01', "|")
            );
        }
        story
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection in the clear or not.
pub enum Line {
    Plain(TcpLink),
    Tls(Box<TlsStream<TcpLink>>),
}

impl Line {
    pub fn connected(&mut self) -> bool {
        match self {
            Line::Plain(link) => link.poll_connected().unwrap_or(false),
            Line::Tls(stream) => stream.poll_connected().unwrap(),
        }
    }
}

impl ByteStream for Line {
    fn recv(&mut self, buf: &mut [u8]) -> std::io::Result<Received> {
        match self {
            Line::Plain(link) => link.recv(buf),
            Line::Tls(stream) => stream.recv(buf),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Line::Plain(link) => link.send(bytes),
            Line::Tls(stream) => stream.send(bytes),
        }
    }
}

/// The value of a field in a line that a peer said.
pub fn field(line: &str, tag: u32) -> String {
    let fields = line.split_once(' ').map_or("", |(_, fields)| fields);
    let prefix = format!("{tag}=");
    let value = fields.split('|').find_map(|field| field.strip_prefix(&prefix));
    value.unwrap_or_else(|| panic!("no field {tag} in {line}")).to_owned()
}
