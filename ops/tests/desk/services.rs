//! PostgreSQL and NATS of this test's own, on loopback and in folders of their own: started, killed without warning, started again on what they left.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a service may take to begin.
const PATIENCE: Duration = Duration::from_secs(120);

/// A port that nobody has.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program by name: in the path, or where Debian has it.
fn program(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|p| std::env::split_paths(&p).collect()).unwrap_or_default();
    folders.push("/usr/sbin".into());
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|v| v.path().join("bin")));
    folders.into_iter().map(|f| f.join(name)).find(|p| p.is_file())
}

/// A service is there; where it has to be, its absence is a failure.
#[expect(clippy::print_stderr, reason = "a test that was skipped says so")]
fn wanted(name: &str) -> Option<PathBuf> {
    let found = program(name);
    assert!(
        found.is_some() || std::env::var_os("COLO_REQUIRE_SERVICES").is_none(),
        "{name} is not installed"
    );
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed (scripts/test installs it)");
    }
    found
}

/// Waits until somebody listens.
fn is_listening(port: u16, child: &mut Child) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    panic!("nothing listens on {port} after {PATIENCE:?}");
}

/// A server that is a child of this process.
pub struct Server {
    command: Box<dyn Fn() -> Command>,
    pub port: u16,
    child: Option<Child>,
}

impl Server {
    fn start(port: u16, command: impl Fn() -> Command + 'static) -> Server {
        let mut server = Server { command: Box::new(command), port, child: None };
        server.begin();
        server
    }

    /// Begins, again where it was killed. One that does not come up because what it left is still held by its dying children is begun once more.
    pub fn begin(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut child = (self.command)()
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            if is_listening(self.port, &mut child) {
                self.child = Some(child);
                return;
            }
            assert!(Instant::now() < until, "the server on port {} does not begin", self.port);
        }
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            // Its children have its socket for as long as they live on, and who asks them takes them for the next server.
            let until = Instant::now() + PATIENCE;
            while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                assert!(
                    Instant::now() < until,
                    "somebody listens on port {} behind the server's end",
                    self.port
                );
                std::thread::yield_now();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether this process is root: PostgreSQL refuses to be.
fn is_root() -> bool {
    fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0).unwrap_or(false)
}

/// A certificate and its key, PEM, of a server that is spoken to by TLS alone.
#[derive(Clone, Copy)]
pub struct Certified<'a> {
    pub cert: &'a str,
    pub key: &'a str,
}

/// A PostgreSQL, and a file with its address.
pub fn postgres(folder: &Path) -> Option<(Server, PathBuf)> {
    postgres_with(folder, None)
}

/// The same; one with a certificate takes nobody without TLS, and wants a password.
pub fn postgres_with(folder: &Path, certified: Option<Certified<'_>>) -> Option<(Server, PathBuf)> {
    let (initdb, postgres, is_ready) = (wanted("initdb")?, wanted("postgres")?, wanted("pg_isready")?);
    let home = folder.join("pg");
    fs::create_dir(&home).unwrap();
    let as_user = move |program: &Path| {
        if !is_root() {
            return Command::new(program);
        }
        // It gives its user up and becomes the program, so the child is the server itself.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    };
    if is_root() {
        let owned = Command::new("chown").arg("postgres").arg(&home).status().unwrap();
        assert!(owned.success(), "there is no user postgres");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let base = home.join("base");
    // PostgreSQL's own user has to be able to read it, and nobody else may.
    let hand_over = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(&file).status().unwrap().success());
        }
        file
    };
    let mut init = as_user(&initdb);
    init.arg("-D").arg(&base).args(["-U", "colo"]);
    let mut tls = Vec::new();
    let mut password = "";
    match certified {
        None => {
            init.args(["-A", "trust"]);
        }
        Some(Certified { cert, key }) => {
            password = " password=hunter2";
            init.args(["-A", "scram-sha-256"]).arg("--pwfile").arg(hand_over("pg.password", "hunter2\n"));
            let hosts = hand_over("pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n");
            let set = |name: &str, file: &Path| format!("{name}={}", file.display());
            tls = vec![
                "ssl=on".to_owned(),
                set("hba_file", &hosts),
                set("ssl_cert_file", &hand_over("pg-cert.pem", cert)),
                set("ssl_key_file", &hand_over("pg-key.pem", key)),
            ];
        }
    }
    assert!(init.stdout(Stdio::null()).status().unwrap().success(), "initdb");
    let port = free_port();
    let server = Server::start(port, move || {
        let mut command = as_user(&postgres);
        command.arg("-D").arg(&base).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.arg("-k").arg(&home).args(["-c", "restart_after_crash=off"]);
        // One that is killed leaves its shared memory in its own folder, and not in the host's.
        command.args(["-c", "dynamic_shared_memory_type=mmap"]);
        for setting in &tls {
            command.args(["-c", setting]);
        }
        command
    });
    // It listens before it answers, and a test would be told that it is starting up.
    let until = Instant::now() + PATIENCE;
    let asks = || Command::new(&is_ready).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
    while !asks().unwrap().success() {
        assert!(Instant::now() < until, "the database on port {port} is not ready");
        std::thread::yield_now();
    }
    let address = folder.join("pg.conf");
    fs::write(&address, format!("host=127.0.0.1 port={port} user=colo dbname=postgres{password}")).unwrap();
    fs::set_permissions(&address, fs::Permissions::from_mode(0o600)).unwrap();
    Some((server, address))
}

/// A NATS server with JetStream.
pub fn nats(folder: &Path) -> Option<Server> {
    nats_with(folder, None)
}

/// The same; one with a certificate takes nobody without TLS.
pub fn nats_with(folder: &Path, certified: Option<Certified<'_>>) -> Option<Server> {
    let nats = wanted("nats-server")?;
    let (port, kept) = (free_port(), folder.join("nats"));
    let files = certified.map(|Certified { cert, key }| {
        [("nats-cert.pem", cert), ("nats-key.pem", key)].map(|(name, text)| {
            let file = folder.join(name);
            fs::write(&file, text).unwrap();
            file
        })
    });
    Some(Server::start(port, move || {
        let mut command = Command::new(&nats);
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(&kept);
        if let Some([cert, key]) = &files {
            command.arg("--tls").arg("--tlscert").arg(cert).arg("--tlskey").arg(key);
        }
        command
    }))
}
