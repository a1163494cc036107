//! Lines of JSON over a Unix socket that is its owner's alone (mode 0600): the serving end, which never waits for a client, and the asking end.
//!
//! ```text
//!   hear: accept, read ──► whole lines ──► the program ──► say: an answer a line ──► flush: write
//! ```
//!
//! Invariants: as many clients as `CLIENTS`, `REQUEST` bytes of each that are no whole line; one with an answer to read is not read. A client that is slow, silent
//! or talks nonsense costs nobody else anything, and is dropped.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as Blocking;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use model::Nanos;
use serde::Serialize;
use serde_json::Value;

/// Longest request.
const REQUEST: usize = 4_096;
/// Clients at once; another takes the place of the oldest.
const CLIENTS: usize = 16;
/// A client that has said nothing whole for so long is dropped.
const PATIENCE: Nanos = Nanos::from_millis(5_000);
/// How long the asking end waits.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Client {
    id: u64,
    stream: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    since: Nanos,
    /// Whether more may come from it.
    open: bool,
}

/// The serving end. Dropping it removes the socket's file, so that nobody finds one that is not served.
#[derive(Debug)]
pub struct LineServer {
    path: PathBuf,
    listener: UnixListener,
    clients: Vec<Client>,
    next: u64,
}

impl LineServer {
    /// Binds the socket; `registry` wakes by `token` when a client comes. A socket that a dead process left is replaced, a living one and any other file is not.
    ///
    /// # Errors
    /// The socket's; `AddrInUse` where a process listens there, `AlreadyExists` where something else is.
    pub fn bind(path: PathBuf, registry: &Registry, token: Token) -> io::Result<LineServer> {
        match std::fs::symlink_metadata(&path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"));
            }
            Ok(_) if Blocking::connect(&path).is_ok() => {
                return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there"));
            }
            Ok(_) => std::fs::remove_file(&path)?,
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let mut listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(LineServer { path, listener, clients: Vec::new(), next: 0 })
    }

    /// Clients that are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Takes in who comes and what they say: whole lines, each with the number of its client for [`LineServer::say`].
    pub fn hear(&mut self, now: Nanos) -> Vec<(u64, Vec<u8>)> {
        self.accept(now);
        let mut lines = Vec::new();
        self.clients.retain_mut(|c| c.hear(now, &mut lines));
        lines
    }

    fn accept(&mut self, now: Nanos) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if self.clients.len() == CLIENTS {
                        self.clients.remove(0);
                    }
                    self.next += 1;
                    let (request, answer) = (Vec::new(), Vec::new());
                    let (id, since, open) = (self.next, now, true);
                    self.clients.push(Client { id, stream, request, answer, since, open });
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // Nobody else waits; or the process is out of descriptors, and the next turn tries again.
                Err(_) => return,
            }
        }
    }

    /// Answers a line. A client that is gone is not told.
    pub fn say(&mut self, now: Nanos, id: u64, answer: &Value) {
        if let Some(c) = self.clients.iter_mut().find(|c| c.id == id) {
            c.answer.extend_from_slice(answer.to_string().as_bytes());
            c.answer.push(b'\n');
            c.since = now;
        }
    }

    /// Writes what the clients take.
    pub fn flush(&mut self) {
        self.clients.retain_mut(Client::flush);
    }
}

impl Drop for LineServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Client {
    /// Reads. `false`: it is done with.
    fn hear(&mut self, now: Nanos, lines: &mut Vec<(u64, Vec<u8>)>) -> bool {
        if now.since(self.since).0 > PATIENCE.0 {
            return false;
        }
        // One that asks and does not read is not asked what else it wants: answers are far longer than questions.
        if !self.answer.is_empty() {
            return true;
        }
        let mut chunk = [0u8; 512];
        while self.open {
            match self.stream.read(&mut chunk) {
                Ok(0) => self.open = false,
                Ok(n) => self.request.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            if self.request.len() > REQUEST {
                return false;
            }
        }
        while let Some(end) = self.request.iter().position(|b| *b == b'\n') {
            lines.push((self.id, self.request.drain(..=end).collect()));
        }
        true
    }

    /// Writes. `false`: it is done with.
    fn flush(&mut self) -> bool {
        while !self.answer.is_empty() {
            match self.stream.write(&self.answer) {
                Ok(n) => drop(self.answer.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.open || !self.answer.is_empty()
    }
}

/// Asks and waits for the answer, a few seconds at most; `nobody` says who is missing where nobody serves.
///
/// # Errors
/// In words: nobody serves there, or there is no answer.
pub fn ask(path: &Path, request: &impl Serialize, nobody: &str) -> Result<Value, String> {
    let mut stream = Blocking::connect(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!("{nobody} ({}: {e})", path.display()),
        _ => format!("{}: {e}", path.display()),
    })?;
    let mut exchange = || -> io::Result<String> {
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let mut request = serde_json::to_vec(request)?;
        request.push(b'\n');
        stream.write_all(&request)?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(line)
    };
    let line = exchange().map_err(|e| format!("{}: no answer ({e})", path.display()))?;
    serde_json::from_str(&line).map_err(|e| format!("{}: not an answer ({e})", path.display()))
}
