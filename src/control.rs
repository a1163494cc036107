//! The control socket of a running core: `/dev/shm/colo-<name>.sock`, for its owner only (mode 0600), one JSON object a line each way.
//!
//! Request: `{"command": "status" | "halt" | "halt-for-reconciliation" | "resume" | "cancel-all" | "shutdown"}`, `{"command": "write-off", "token": N}`,
//! `{"command": "feed-resync" | "feed-reconnect", "feed": ID}`, of all feeds without an id, or `{"command": "mass-cancel" | "entry-off" | "entry-on", "gateway": ID}`.
//! Answer: `{"ok": true, ...}` or `{"ok": false, "error": "..."}`.
//!
//! The server is polled by the control thread, which serves nothing else, through `mio`. It never waits for a client that is there: one that is slow, silent or
//! talks nonsense is dropped. With none it waits in the kernel, for some milliseconds at most.

mod feeds;
pub mod lines;

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use mio::{Events, Poll, Token};
use model::{Control, GatewayId, HaltReason, Nanos, PortRequest};
use ringbuf::spsc::Producer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::feeds::Demand;
pub use self::feeds::{FeedDemands, FeedDoor};
use self::lines::LineServer;
use crate::order_protocol::OrderProtocol;
use crate::telemetry::snapshot::Viewer;

/// Wait for a client where there is none.
const IDLE: Duration = Duration::from_millis(5);
const LISTENER: Token = Token(usize::MAX);

/// Where the socket of a core is.
#[must_use]
pub fn socket_path(name: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/colo-{name}.sock"))
}

/// What a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// The whole snapshot.
    Status,
    /// No new risk.
    Halt,
    /// No new risk, and cancel all: the venue's word differs from ours.
    HaltForReconciliation,
    /// Trade again.
    Resume,
    /// Cancel every open order.
    CancelAll,
    /// Give up an order of which the venue will not tell what became.
    WriteOff,
    /// Cancel all of a gateway's orders by the venue's own request.
    MassCancel,
    /// The venue takes no more orders of the firm; trading is halted.
    EntryOff,
    /// The venue takes orders of the firm again.
    EntryOn,
    /// Make a feed's books anew.
    FeedResync,
    /// Join a feed's groups again and begin its session with the snapshot server anew.
    FeedReconnect,
    /// End in order.
    Shutdown,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// With [`Command::WriteOff`] and only there: the order's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u32>,
    /// With the commands to a feed and only there: which; all without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// With the requests of a port and only there: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

impl From<Command> for Request {
    fn from(command: Command) -> Request {
        Request { command, token: None, feed: None, gateway: None }
    }
}

/// The serving end.
pub struct ControlServer {
    name: String,
    poll: Poll,
    events: Events,
    lines: LineServer,
    ring: Producer<Control>,
    feeds: Vec<FeedDoor>,
    /// Gateways by their number: name and protocol.
    ports: Vec<(String, OrderProtocol)>,
    viewer: Option<Viewer>,
    /// Requests that changed something, for the log.
    pub carried_out: Vec<Request>,
}

impl ControlServer {
    /// Binds the socket. One that a dead process left is replaced; the caller holds the lock of the name, so no living one is.
    ///
    /// # Errors
    /// The socket's.
    pub fn bind(
        name: &str,
        ring: Producer<Control>,
        feeds: Vec<FeedDoor>,
        ports: Vec<(String, OrderProtocol)>,
    ) -> io::Result<ControlServer> {
        let poll = Poll::new()?;
        let lines = LineServer::bind(socket_path(name), poll.registry(), LISTENER)?;
        Ok(ControlServer {
            name: name.into(),
            poll,
            events: Events::with_capacity(64),
            lines,
            ring,
            feeds,
            ports,
            viewer: None,
            carried_out: Vec::new(),
        })
    }

    /// Puts a control input on the ring to the strategy. `false`: no room now.
    pub fn send(&mut self, control: Control) -> bool {
        self.ring.push(control).is_ok()
    }

    /// Clients that are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.lines.clients()
    }

    /// How often the ring to the strategy had no room.
    #[must_use]
    pub fn ring_full(&self) -> u64 {
        self.ring.full_count()
    }

    /// Serves whoever is there; with nobody there waits for one, some milliseconds at most.
    ///
    /// # Errors
    /// The poll's own; clients' errors end only them.
    pub fn serve(&mut self, now: Nanos) -> io::Result<usize> {
        let wait = if self.lines.clients() == 0 { IDLE } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(0),
            other => other?,
        }
        let lines = self.lines.hear(now);
        for (client, line) in &lines {
            let answer = self.answer(line);
            self.lines.say(now, *client, &answer);
        }
        self.lines.flush();
        Ok(lines.len())
    }

    fn answer(&mut self, line: &[u8]) -> Value {
        let request: Request = match serde_json::from_slice(line) {
            Ok(r) => r,
            Err(e) => return json!({"ok": false, "error": format!("not a request: {e}")}),
        };
        let control = match request.command {
            Command::Status => return self.status(),
            Command::Halt => Control::Halt(HaltReason::Operator),
            Command::HaltForReconciliation => Control::Halt(HaltReason::Reconciliation),
            Command::Resume => Control::Resume,
            Command::CancelAll => Control::CancelAll,
            Command::WriteOff => match request.token {
                Some(token) => Control::WriteOff { token: model::Token(token) },
                None => return json!({"ok": false, "error": "write-off wants the order's `token`"}),
            },
            Command::MassCancel => match self.of_port(&request, PortRequest::MassCancel) {
                Ok(control) => control,
                Err(error) => return json!({"ok": false, "error": error}),
            },
            Command::EntryOff => match self.of_port(&request, PortRequest::EntryOff) {
                Ok(control) => control,
                Err(error) => return json!({"ok": false, "error": error}),
            },
            Command::EntryOn => match self.of_port(&request, PortRequest::EntryOn) {
                Ok(control) => control,
                Err(error) => return json!({"ok": false, "error": error}),
            },
            // Asked of the strategy thread without the ring, so that no full ring refuses it.
            Command::Shutdown => return self.done(request),
            Command::FeedResync => return self.ask_feeds(request, Demand::Resync),
            Command::FeedReconnect => return self.ask_feeds(request, Demand::Reconnect),
        };
        if !self.send(control) {
            return json!({"ok": false, "error": "the strategy thread does not take commands: it is stopped or overloaded"});
        }
        self.done(request)
    }

    /// What is asked of a port, where it is one and its venue knows such a request.
    fn of_port(&self, request: &Request, port: PortRequest) -> Result<Control, String> {
        let id = request.gateway.as_deref().ok_or("this wants a `gateway`")?;
        let found = (0..).zip(&self.ports).find(|(_, (name, _))| name == id);
        let (k, (_, protocol)) = found.ok_or_else(|| format!("there is no gateway {id:?} here"))?;
        if !protocol.knows(port) {
            return Err(format!("the venue of gateway {id:?} has no such request"));
        }
        Ok(Control::Port { gateway: GatewayId(k), request: port })
    }

    fn done(&mut self, request: Request) -> Value {
        let answer = json!({"ok": true, "command": request.command});
        self.carried_out.push(request);
        answer
    }

    fn ask_feeds(&mut self, request: Request, demand: Demand) -> Value {
        match feeds::ask(&self.feeds, request.feed.as_deref(), demand) {
            Ok(feeds) => {
                let mut answer = self.done(request);
                answer["feeds"] = feeds.into();
                answer
            }
            Err(error) => json!({"ok": false, "error": error}),
        }
    }

    fn status(&mut self) -> Value {
        if self.viewer.is_none() {
            self.viewer = Viewer::open(&self.name).ok();
        }
        match &self.viewer {
            Some(v) => json!({"ok": true, "status": v.read()}),
            None => json!({"ok": false, "error": "the shared-memory region cannot be read"}),
        }
    }
}

/// Asks a running core and waits for its answer, a few seconds at most.
///
/// # Errors
/// In words: no core of that name, or one that does not answer.
pub fn ask(name: &str, request: Request) -> Result<Value, String> {
    lines::ask(&socket_path(name), &request, &format!("no core named {name:?} is running on this host"))
}
