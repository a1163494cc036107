//! Lines of JSON over a Unix socket that is its owner's alone (mode 0600), or of some users more, by what the kernel says a client is: the serving end, which never
//! waits for a client, and the asking end.
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

use crate::host::{self, Peer};

/// Longest request.
const REQUEST: usize = 4_096;
/// Clients at once; another takes the place of the oldest of the user who has most of them.
const CLIENTS: usize = 16;
/// A client that has said nothing whole for so long is dropped.
const PATIENCE: Nanos = Nanos::from_millis(5_000);
/// How long the asking end waits.
const ANSWER: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Client {
    id: u64,
    peer: Peer,
    stream: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    since: Nanos,
    /// Whether more may come from it.
    open: bool,
}

/// A whole line of a client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The client's number, for [`LineServer::say`].
    pub client: u64,
    /// Who it is.
    pub peer: Peer,
    /// The line.
    pub line: Vec<u8>,
}

/// The serving end. Dropping it removes the socket's file, so that nobody finds one that is not served.
#[derive(Debug)]
pub struct LineServer {
    path: PathBuf,
    listener: UnixListener,
    /// Users who may connect beside the owner and root.
    others: Vec<u32>,
    clients: Vec<Client>,
    next: u64,
}

impl LineServer {
    /// Binds the socket; `registry` wakes by `token` when a client comes. `others` may connect beside its owner and root. A socket that a dead process left is replaced, a living one and any other file is not.
    ///
    /// # Errors
    /// The socket's; `AddrInUse` where a process listens there, `AlreadyExists` where something else is.
    pub fn bind(
        path: PathBuf,
        registry: &Registry,
        token: Token,
        others: Vec<u32>,
    ) -> io::Result<LineServer> {
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
        let mode = if others.is_empty() { 0o600 } else { 0o666 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(LineServer { path, listener, others, clients: Vec::new(), next: 0 })
    }

    /// Clients that are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Takes in who comes and what they say.
    pub fn hear(&mut self, now: Nanos) -> Vec<Heard> {
        self.accept(now);
        let mut lines = Vec::new();
        self.clients.retain_mut(|c| c.hear(now, &mut lines));
        lines
    }

    fn accept(&mut self, now: Nanos) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // Whoever may not be here hears nothing, and is not heard.
                    let Some(peer) = host::peer_of(&stream).ok().filter(|p| self.admits(p.uid)) else {
                        continue;
                    };
                    if self.clients.len() == CLIENTS {
                        self.clients.remove(self.one_too_many());
                    }
                    self.next += 1;
                    let (request, answer) = (Vec::new(), Vec::new());
                    let (id, since, open) = (self.next, now, true);
                    self.clients.push(Client { id, peer, stream, request, answer, since, open });
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // Nobody else waits; or the process is out of descriptors, and the next turn tries again.
                Err(_) => return,
            }
        }
    }

    fn admits(&self, uid: u32) -> bool {
        uid == host::own_uid() || uid == 0 || self.others.contains(&uid)
    }

    /// The oldest client of the user who has most: nobody's clients can take the places of all others.
    fn one_too_many(&self) -> usize {
        let of = |uid: u32| self.clients.iter().filter(|c| c.peer.uid == uid).count();
        let most = self.clients.iter().map(|c| of(c.peer.uid)).max().unwrap_or(0);
        self.clients.iter().position(|c| of(c.peer.uid) == most).unwrap_or(0)
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
    fn hear(&mut self, now: Nanos, lines: &mut Vec<Heard>) -> bool {
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
            let line = self.request.drain(..=end).collect();
            lines.push(Heard { client: self.id, peer: self.peer, line });
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
    ask_within(path, request, nobody, ANSWER)
}

/// As [`ask`], and waits for so long.
///
/// # Errors
/// As [`ask`].
pub fn ask_within(
    path: &Path,
    request: &impl Serialize,
    nobody: &str,
    patience: Duration,
) -> Result<Value, String> {
    let mut stream = Blocking::connect(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!("{nobody} ({}: {e})", path.display()),
        _ => format!("{}: {e}", path.display()),
    })?;
    let mut exchange = || -> io::Result<String> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
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
