//! The control socket of a running core: `/dev/shm/colo-<name>.sock`, for its owner only (mode 0600) unless `[control]` names other users, one JSON object a line
//! each way. Who a client is the kernel says; `roles` has what that allows.
//!
//! Request: `{"command": WORD, ...}` with a word of [`Command`], and beside it `operator` and `reason`; some commands want them. `{"command": "write-off", "token": N}`,
//! `{"command": "kill" | "unkill", "symbol": TICKER}`, of all without one, `{"command": "feed-resync" | "feed-reconnect", "feed": ID}`, of all feeds without an id, or
//! `{"command": "mass-cancel" | "entry-off" | "entry-on", "gateway": ID}`, `{"command": "params-propose", "params": {NAME: VALUE}, "limits": {KEY: N}}`,
//! `{"command": "params-apply" | "params-drop", "proposal": N}`. Answer: `{"ok": true, ...}` or `{"ok": false, "error": "..."}`.
//!
//! The server is polled by the control thread, which serves nothing else, through `mio`. It never waits for a client that is there: one that is slow, silent or
//! talks nonsense is dropped. With none it waits in the kernel, for some milliseconds at most. A kill takes effect at once and is answered when it is latched on disk.

mod feeds;
mod kill;
pub mod lines;
mod request;
pub mod roles;
mod settings;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use mio::{Events, Poll, Token};
use model::{BreakerCause, BreakerLevel, Control, GatewayId, HaltReason, InstrumentId, Nanos, PortRequest};
use ringbuf::spsc::Producer;
use serde_json::{Value, json};

use self::feeds::Demand;
pub use self::feeds::{FeedDemands, FeedDoor};
pub use self::kill::KillParts;
use self::kill::{Done, KillDesk, Outcome, instrument_of};
use self::lines::{Heard, LineServer};
pub use self::request::{Command, Request};
use self::roles::Roles;
use self::settings::SettingsDesk;
pub use self::settings::{SettingsParts, TryOut, to_json};
use crate::agents::ControlItem;
use crate::clock::Clock;
use crate::journal::By;
use crate::latch::{Latch, Release, Scope};
use crate::order_protocol::OrderProtocol;
use crate::telemetry::snapshot::Viewer;

/// Wait for a client where there is none.
const IDLE: Duration = Duration::from_millis(5);
const LISTENER: Token = Token(usize::MAX);
/// How often the kill switch is looked at while something is killed, ...
const KILL_LOOK: Nanos = Nanos::from_millis(10);
/// ... and how often what lives is canceled again.
const KILL_AGAIN: Nanos = Nanos::from_millis(1_000);
/// Refusals that the log tells in a second; a client that only wants to fill it does not.
const REFUSALS_SAID: u32 = 10;

/// Where the socket of a core is.
#[must_use]
pub fn socket_path(name: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/colo-{name}.sock"))
}

const fn trip(level: BreakerLevel) -> Control {
    Control::Trip { level, cause: BreakerCause::Operator }
}

/// A line for the log.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its level.
    pub level: &'static str,
    /// What happened.
    pub message: &'static str,
    /// Its fields.
    pub fields: Value,
    /// Of a change of settings: the hash of the parameters that are in force now ([`crate::release::params_sha256`]).
    pub params_sha256: Option<String>,
}

/// What a server is made from.
pub struct ServerParts {
    /// The core's name.
    pub name: String,
    /// To the strategy.
    pub ring: Producer<ControlItem>,
    /// The feeds.
    pub feeds: Vec<FeedDoor>,
    /// Gateways by their number: name and protocol.
    pub ports: Vec<(String, OrderProtocol)>,
    /// Who may do what.
    pub roles: Roles,
    /// The kill switch.
    pub kill: KillParts,
    /// What can be changed while it runs.
    pub settings: SettingsParts,
    /// The clock.
    pub clock: Clock,
}

/// The serving end.
pub struct ControlServer {
    name: String,
    poll: Poll,
    events: Events,
    lines: LineServer,
    ring: Producer<ControlItem>,
    /// What must reach the strategy and found no room: kills and their ends.
    undelivered: VecDeque<ControlItem>,
    feeds: Vec<FeedDoor>,
    ports: Vec<(String, OrderProtocol)>,
    roles: Roles,
    kill: KillDesk,
    settings: SettingsDesk,
    clock: Clock,
    viewer: Option<Viewer>,
    kill_looked: Nanos,
    kill_again: Nanos,
    /// Of which kill it was said that all is flat.
    flat_said: Nanos,
    refused: (u64, u32),
    commands: u64,
    /// For the log.
    pub said: Vec<Said>,
}

impl ControlServer {
    /// Binds the socket. One that a dead process left is replaced; the caller holds the lock of the name, so no living one is. What is latched is tripped, and on its
    /// way to the strategy in front of everything else.
    ///
    /// # Errors
    /// The socket's, or that of a thread.
    pub fn bind(p: ServerParts) -> io::Result<ControlServer> {
        let poll = Poll::new()?;
        let others = [&p.roles.operators[..], &p.roles.proposers, &p.roles.viewers].concat();
        let lines = LineServer::bind(socket_path(&p.name), poll.registry(), LISTENER, others)?;
        let mut server = ControlServer {
            name: p.name,
            poll,
            events: Events::with_capacity(64),
            lines,
            ring: p.ring,
            undelivered: VecDeque::new(),
            feeds: p.feeds,
            ports: p.ports,
            roles: p.roles,
            kill: KillDesk::open(p.kill)?,
            settings: SettingsDesk::new(p.settings),
            clock: p.clock,
            viewer: None,
            kill_looked: Nanos::ZERO,
            kill_again: Nanos::ZERO,
            flat_said: Nanos::ZERO,
            refused: (0, 0),
            commands: 0,
            said: Vec::new(),
        };
        let latch = server.kill.parts.latch.clone();
        server.trip_all(&latch, server.clock.now());
        Ok(server)
    }

    /// Puts a control input on the ring to the strategy. `false`: no room now.
    pub fn send(&mut self, item: impl Into<ControlItem>) -> bool {
        self.undelivered.is_empty() && self.ring.push(item.into()).is_ok()
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

    /// Commands that were carried out.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
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
        let heard = self.lines.hear(now);
        for h in &heard {
            if let Some(answer) = self.answer(h) {
                self.lines.say(now, h.client, &answer);
            }
        }
        for done in self.kill.poll() {
            self.on_done(now, done);
        }
        self.deliver();
        self.tend_kill(now);
        self.tend_settings(now);
        self.lines.flush();
        Ok(heard.len())
    }

    /// What must not be lost goes as soon as there is room.
    fn deliver(&mut self) {
        while let Some(item) = self.undelivered.front() {
            if self.ring.push(*item).is_err() {
                return;
            }
            self.undelivered.pop_front();
        }
    }

    fn must_send(&mut self, control: Control, by: Option<By>) {
        // Said twice it is done no better.
        if !self.undelivered.iter().any(|waits| waits.control == Some(control)) {
            self.undelivered.push_back(ControlItem { control: Some(control), by });
        }
        self.deliver();
    }

    /// Answers a line; `None`: later, when the disk has it.
    fn answer(&mut self, heard: &Heard) -> Option<Value> {
        let refusal = |error: String| Some(json!({"ok": false, "error": error}));
        let request: Request = match serde_json::from_slice(&heard.line) {
            Ok(r) => r,
            Err(e) => return refusal(format!("not a request: {e}")),
        };
        if !self.roles.of(heard.peer.uid).is_some_and(|role| role.allows(request.command)) {
            let error = format!("user {} may not {}", heard.peer.uid, request.command.word());
            self.say_refused(heard, &request, &error);
            return refusal(error);
        }
        match request.command {
            Command::Status => return Some(self.status()),
            Command::Params => return Some(self.settings.show(self.clock.now())),
            _ => {}
        }
        let outcome = request.by(heard.peer).and_then(|by| self.carry_out(heard, &request, by));
        match outcome {
            Ok(answer) => answer,
            Err(error) => {
                self.say_refused(heard, &request, &error);
                refusal(error)
            }
        }
    }

    /// Does what is asked. The answer, or none where it comes later.
    fn carry_out(&mut self, heard: &Heard, request: &Request, by: By) -> Result<Option<Value>, String> {
        let control = match request.command {
            Command::Status => return Ok(Some(self.status())),
            Command::Params => return Ok(Some(self.settings.show(self.clock.now()))),
            Command::ParamsPropose | Command::ParamsDrop | Command::ParamsApply => {
                return self.on_settings(heard, request, by);
            }
            Command::Halt => Control::Halt(HaltReason::Operator),
            Command::HaltForReconciliation => Control::Halt(HaltReason::Reconciliation),
            Command::ReduceOnly => trip(BreakerLevel::ReduceOnly),
            Command::CancelOnly => trip(BreakerLevel::CancelOnly),
            Command::ClutchOut => Control::Clutch { engaged: false },
            Command::ClutchIn => Control::Clutch { engaged: true },
            Command::Resume => {
                if let Some(kill) = self.kill.parts.latch.kills.iter().find(|k| k.scope == Scope::All) {
                    return Err(format!(
                        "killed by {} ({}): resume is refused until `unkill`",
                        kill.by.operator, kill.by.reason
                    ));
                }
                Control::Resume
            }
            Command::Kill => {
                let (scope, instrument) = self.kill.scope(request.symbol.as_deref())?;
                let at = self.clock.now();
                self.kill.parts.ending.kill().trip(instrument, at);
                self.must_send(Control::Kill { instrument }, Some(by));
                self.kill_again = at;
                self.kill.add(heard.client, by, scope, at);
                self.note(request, &by);
                return Ok(None);
            }
            Command::Unkill => {
                let (scope, _) = self.kill.scope(request.symbol.as_deref())?;
                self.kill.release(heard.client, by, scope, self.clock.now());
                self.note(request, &by);
                return Ok(None);
            }
            Command::CancelAll => Control::CancelAll,
            Command::WriteOff => {
                let token = request.token.ok_or("write-off wants the order's `token`")?;
                Control::WriteOff { token: model::Token(token) }
            }
            Command::MassCancel => self.of_port(request, PortRequest::MassCancel)?,
            Command::EntryOff => self.of_port(request, PortRequest::EntryOff)?,
            Command::EntryOn => self.of_port(request, PortRequest::EntryOn)?,
            // Asked of the strategy thread without the ring, so that no full ring refuses it.
            Command::Shutdown => {
                self.send(ControlItem { control: None, by: Some(by) });
                self.kill.parts.ending.ask();
                return Ok(Some(self.done(request, &by)));
            }
            Command::FeedResync => return self.ask_feeds(request, by, Demand::Resync).map(Some),
            Command::FeedReconnect => return self.ask_feeds(request, by, Demand::Reconnect).map(Some),
        };
        if !self.send(ControlItem { control: Some(control), by: Some(by) }) {
            return Err("the strategy thread does not take commands: it is stopped or overloaded".into());
        }
        Ok(Some(self.done(request, &by)))
    }

    /// A proposal, and what becomes of it. Where it is applied the answer comes when the strategy thread has taken it.
    fn on_settings(&mut self, heard: &Heard, request: &Request, by: By) -> Result<Option<Value>, String> {
        let now = self.clock.now();
        if request.command == Command::ParamsApply {
            let inputs = self.settings.inputs_of(request.proposal, &by, now)?;
            // A change of which a part found no room would be none, and nobody would know of it.
            if !self.undelivered.is_empty() || self.ring.free() < inputs.len() {
                return Err("the strategy thread does not take commands: it is stopped or overloaded".into());
            }
            let mut by_first = Some(by);
            for control in inputs {
                self.must_send_in_turn(ControlItem { control: Some(control), by: by_first.take() });
            }
            self.settings.sent(request.proposal, by, heard.client);
            self.note(request, &by);
            return Ok(None);
        }
        let answer = match request.command {
            Command::ParamsPropose => self.settings.propose(request, by, now)?,
            _ => self.settings.drop_proposal(request.proposal, now)?,
        };
        self.send(ControlItem { control: None, by: Some(by) });
        self.note(request, &by);
        Ok(Some(answer))
    }

    fn must_send_in_turn(&mut self, item: ControlItem) {
        self.undelivered.push_back(item);
        self.deliver();
    }

    /// Answers who waits for a change, as soon as the strategy thread says what became of it.
    fn tend_settings(&mut self, now: Nanos) {
        if !self.settings.awaits() {
            return;
        }
        let Some(snapshot) = self.viewer().map(Viewer::read) else { return };
        let of = |key: &str| snapshot.engine.get(key).copied().unwrap_or(0);
        if let Some((client, answer, said)) = self.settings.taken(of("change"), of("change_refused")) {
            self.said.push(said);
            self.lines.say(now, client, &answer);
        }
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

    fn done(&mut self, request: &Request, by: &By) -> Value {
        self.note(request, by);
        json!({"ok": true, "command": request.command})
    }

    /// Has the log say what was asked, by whom and why.
    fn note(&mut self, request: &Request, by: &By) {
        self.commands += 1;
        self.said.push(Said {
            level: "warn",
            message: "control command",
            fields: fields_of(request, by),
            params_sha256: None,
        });
    }

    /// Has the log say what was refused, some times a second at most.
    fn say_refused(&mut self, heard: &Heard, request: &Request, error: &str) {
        let second = self.clock.now().0 / 1_000_000_000;
        let said = if self.refused.0 == second { self.refused.1 } else { 0 };
        self.refused = (second, said.saturating_add(1));
        if said < REFUSALS_SAID {
            let fields = json!({"command": request.command, "uid": heard.peer.uid, "pid": heard.peer.pid, "error.message": error});
            self.said.push(Said {
                level: "warn",
                message: "control command refused",
                fields,
                params_sha256: None,
            });
        }
    }

    fn ask_feeds(&mut self, request: &Request, by: By, demand: Demand) -> Result<Value, String> {
        let feeds = feeds::ask(&self.feeds, request.feed.as_deref(), demand)?;
        self.send(ControlItem { control: None, by: Some(by) });
        let mut answer = self.done(request, &by);
        answer["feeds"] = feeds.into();
        Ok(answer)
    }

    fn on_done(&mut self, now: Nanos, done: Done) {
        let answer = match &done.outcome {
            Outcome::Latched(latch) => {
                // Somebody else may have latched more in the meantime.
                self.trip_all(&latch.clone(), self.clock.now());
                json!({"ok": true, "command": Command::Kill, "latched": true})
            }
            Outcome::Failed(why) => {
                let fields = json!({"error.message": why});
                self.said.push(Said {
                    level: "error",
                    message: "the latch cannot be written",
                    fields,
                    params_sha256: None,
                });
                let error = format!(
                    "the latch cannot be written: {why}. What was killed is killed, but a restart will not know of it"
                );
                json!({"ok": false, "error": error})
            }
            Outcome::Released(scope, release, _) => self.on_released(scope, release, done.client.as_ref()),
            Outcome::Found(latch) => {
                self.on_found(&latch.clone());
                return;
            }
        };
        if let Some((client, _)) = done.client {
            self.lines.say(now, client, &answer);
        }
    }

    fn on_released(&mut self, scope: &Scope, release: &Release, client: Option<&(u64, By)>) -> Value {
        let by = client.map(|(_, by)| *by);
        match release {
            Release::Cleared => {
                let instrument = instrument_of(&self.kill.parts.instruments, scope).unwrap_or_default();
                if *scope == Scope::All || instrument.is_some() {
                    self.kill.parts.ending.kill().clear(instrument);
                    self.must_send(Control::Unkill { instrument }, by);
                }
                json!({"ok": true, "command": Command::Unkill, "released": true, "latched": self.kill.status()})
            }
            Release::Noted(missing) => {
                self.send(ControlItem { control: None, by });
                json!({"ok": true, "command": Command::Unkill, "released": false, "operators_missing": missing})
            }
            Release::SameOperator => {
                json!({"ok": false, "error": "this operator has released it already: another one is needed"})
            }
            Release::NotLatched => json!({"ok": false, "error": format!("not killed ({scope})")}),
        }
    }

    /// Somebody else has changed the latch: what it kills is killed here, and what is gone from it is put back, for a release has a name and a reason.
    fn on_found(&mut self, latch: &Latch) {
        let now = self.clock.now();
        let fields = json!({"latched": latch.kills});
        self.said.push(Said {
            level: "error",
            message: "the latch was changed from outside",
            fields,
            params_sha256: None,
        });
        self.trip_all(latch, now);
        let missing: Vec<_> = self.kill.tripped(latch);
        missing.into_iter().for_each(|kill| self.kill.put_back(kill));
    }

    /// Trips the switch for all that is latched.
    fn trip_all(&mut self, latch: &Latch, now: Nanos) {
        for kill in &latch.kills {
            match instrument_of(&self.kill.parts.instruments, &kill.scope) {
                Ok(instrument) if self.kill.parts.ending.kill().holds(instrument) => {}
                Ok(instrument) => {
                    self.kill.parts.ending.kill().trip(instrument, now);
                    self.must_send(Control::Kill { instrument }, None);
                }
                // Nothing of it can be sent, so nothing is to be stopped. It stays latched.
                Err(error) => {
                    let fields = json!({"error.message": error});
                    self.said.push(Said {
                        level: "warn",
                        message: "latched, and not traded here",
                        fields,
                        params_sha256: None,
                    });
                }
            }
            self.kill.remember(kill);
        }
        self.kill_again = now;
    }

    /// Looks whether what is killed is flat, and has it canceled again where it is not.
    fn tend_kill(&mut self, now: Nanos) {
        let at = self.kill.parts.ending.kill().at();
        if at == Nanos::ZERO || now.since(self.kill_looked).0 < KILL_LOOK.0 {
            return;
        }
        self.kill_looked = now;
        let all = self.kill.parts.ending.kill().holds_all();
        let Some(figures) = self.viewer().map(|v| v.kill().figures(at, all)) else { return };
        if let Some(flat_after) = figures.flat_after_ns {
            if self.flat_said != at {
                self.flat_said = at;
                let mut fields = json!(figures);
                fields["flat_after_ms"] = (flat_after / 1_000_000).into();
                let message = "killed: the venue has confirmed that nothing lives";
                self.said.push(Said { level: "warn", message, fields, params_sha256: None });
            }
        } else if now.since(self.kill_again).0 >= KILL_AGAIN.0 && self.undelivered.is_empty() {
            self.kill_again = now;
            for instrument in self.killed() {
                self.must_send(Control::Kill { instrument }, None);
            }
        }
    }

    /// The scopes that are killed.
    fn killed(&self) -> Vec<Option<InstrumentId>> {
        let kills = self.kill.parts.latch.kills.iter();
        kills.filter_map(|k| instrument_of(&self.kill.parts.instruments, &k.scope).ok()).collect()
    }

    fn viewer(&mut self) -> Option<&Viewer> {
        if self.viewer.is_none() {
            self.viewer = Viewer::open(&self.name).ok();
        }
        self.viewer.as_ref()
    }

    fn status(&mut self) -> Value {
        let at = self.kill.parts.ending.kill().at();
        let (latched, all) = (self.kill.status(), self.kill.parts.ending.kill().holds_all());
        let Some(viewer) = self.viewer() else {
            return json!({"ok": false, "error": "the shared-memory region cannot be read"});
        };
        let mut status = json!(viewer.read());
        if at != Nanos::ZERO {
            status["kill"] = json!(viewer.kill().figures(at, all));
            status["kill"]["latched"] = latched;
        }
        if let Some(settings) = self.settings.differing() {
            status["settings"] = settings;
        }
        json!({"ok": true, "status": status})
    }
}

/// A request as the log has it: what a person wrote is escaped and bounded.
fn fields_of(request: &Request, by: &By) -> Value {
    let mut fields = json!(request);
    fields["operator"] = by.operator.as_str().into();
    fields["reason"] = by.reason.as_str().into();
    fields["uid"] = by.uid.into();
    fields["pid"] = by.pid.into();
    fields
}

/// Asks a running core and waits for its answer, a few seconds at most.
///
/// # Errors
/// In words: no core of that name, or one that does not answer.
pub fn ask(name: &str, request: Request) -> Result<Value, String> {
    lines::ask(&socket_path(name), &request, &format!("no core named {name:?} is running on this host"))
}
