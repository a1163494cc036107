//! Order entry's desk: the clients that are connected, and what is on its way between them and the floor.
//!
//! ```text
//!  bytes --> soup or fix --> script --> throttle --> arrivals (latency) --> order_entry --> the account's stream
//!                                                                                        |
//!  bytes <-- soup or fix <-- what the script does to packets <-- releases (latency) <-----------+
//! ```
//!
//! An account has at most one client at each of its two hosts; both get every message, and either may send. It is connected while one of them
//! is. Requests of an account stay in their order, reports too, whatever the latencies are; the end of a connection takes the same way as its
//! last request.
//!
//! Invariants: what was sent before is what is replayed, to the byte; nothing here changes a book or the ledger, but by a request.

mod fix;
mod port;

use std::collections::BTreeMap;

use super::accounts::AccountRules;
use super::codec::Asked;
use super::connection::{Ask, Connection};
use super::entry::Reason;
use super::floor::Floor;
use super::latency::Excess;
use super::order_entry;
use super::rng::Rng;
use super::script::{Action, MarketAction, Script, Step};
use super::soup::{self, Login, Refusal};
use super::venue::ConnectionId;
use port::{Arrival, PacketFault, Port};

/// Bytes kept of a client that is not read; behind this it is not heard at all.
const UNREAD_LIMIT: usize = 1 << 20;

/// Which of an account's two hosts a client is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The first.
    Primary,
    /// Its mirror.
    Mirror,
}

/// What was done, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeskCounts {
    /// Logins accepted.
    pub logins: u64,
    /// Logins refused.
    pub refused: u64,
    /// Client messages that are none of the account's protocol.
    pub malformed: u64,
    /// Requests that the script lost.
    pub dropped: u64,
    /// Requests over an account's rate.
    pub throttled: u64,
}

#[derive(Debug)]
struct Client {
    connection: Connection,
    host: Host,
    mute_until: u64,
    deaf_until: u64,
    unread: Vec<u8>,
}

/// The desk.
#[derive(Debug)]
pub struct OrderDesk {
    session: [u8; 10],
    clients: BTreeMap<ConnectionId, Client>,
    ports: Vec<Port>,
    script: Script,
    rng: Rng,
    cancel_on_disconnect: bool,
    counts: DeskCounts,
}

impl OrderDesk {
    /// A desk without clients, for accounts with these rules.
    #[must_use]
    pub fn new(
        session: [u8; 10],
        rules: &[&AccountRules],
        script: Vec<Step>,
        seed: u64,
        cancel_on_disconnect: bool,
    ) -> OrderDesk {
        OrderDesk {
            session,
            clients: BTreeMap::new(),
            ports: rules.iter().map(|rules| Port::new(session, rules)).collect(),
            script: Script::new(script),
            rng: Rng::new(seed, 0xDE5),
            cancel_on_disconnect,
            counts: DeskCounts::default(),
        }
    }

    /// What happened so far, and how many steps of the script did.
    #[must_use]
    pub fn counts(&self) -> (DeskCounts, u64) {
        (self.counts, self.script.fired())
    }

    /// A client has connected.
    pub fn connect(&mut self, now: u64, id: ConnectionId, host: Host) {
        self.seat(id, Connection::Soup(soup::Connection::new(now)), host);
    }

    fn seat(&mut self, id: ConnectionId, connection: Connection, host: Host) {
        let client = Client { connection, host, mute_until: 0, deaf_until: 0, unread: Vec::new() };
        self.clients.insert(id, client);
    }

    /// A client's socket is gone.
    pub fn disconnect(&mut self, floor: &mut Floor, id: ConnectionId) {
        if let Some(mut client) = self.clients.remove(&id) {
            let account = client.connection.account();
            self.take_back(&mut client.connection);
            account.into_iter().for_each(|account| self.left(floor, account));
        }
    }

    /// A client's bytes. Call [`Self::next_ask`] until it has no more.
    pub fn receive(&mut self, now: u64, id: ConnectionId, bytes: &[u8]) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.deaf_until <= now {
            client.connection.receive(now, bytes);
        } else if client.unread.len() + bytes.len() <= UNREAD_LIMIT {
            client.unread.extend_from_slice(bytes);
        }
    }

    /// What a client wants next, with the account that it is logged in for.
    pub fn next_ask(&mut self, now: u64, id: ConnectionId) -> Option<(Ask, Option<u16>)> {
        let client = self.clients.get_mut(&id).filter(|c| c.deaf_until <= now)?;
        let ask = client.connection.next_ask(now)?;
        Some((ask, client.connection.account()))
    }

    /// Clients whose bytes may be read again.
    pub fn woken(&mut self, now: u64) -> Vec<ConnectionId> {
        let mut woken = Vec::new();
        for (id, client) in &mut self.clients {
            if client.deaf_until != 0 && client.deaf_until <= now {
                client.deaf_until = 0;
                client.connection.heard(now);
                let unread = std::mem::take(&mut client.unread);
                client.connection.receive(now, &unread);
                woken.push(*id);
            }
        }
        woken
    }

    /// Whether nothing is to be read from a client now.
    #[must_use]
    pub fn is_deaf(&self, now: u64, id: ConnectionId) -> bool {
        self.clients.get(&id).is_some_and(|c| c.deaf_until > now)
    }

    /// Whether a login stands, and for which account.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&mut self, floor: &Floor, login: &Login, is_closed: bool) -> Result<u16, Refusal> {
        let account = floor.account_of(login).ok_or(Refusal::NotAuthorised)?;
        if floor.accounts[usize::from(account)].rules.fix.is_some() {
            return Err(Refusal::NotAuthorised);
        }
        let names_it =
            login.session.is_empty() || login.names_session(&self.ports[usize::from(account)].session);
        let is_good = names_it && !is_closed && login.sequence.is_some();
        if is_good { Ok(account) } else { Err(Refusal::NoSuchSession) }
    }

    /// Refuses a login.
    pub fn refuse(&mut self, now: u64, id: ConnectionId, why: Refusal) {
        self.counts.refused += 1;
        if let Some(Client { connection: Connection::Soup(soup), .. }) = self.clients.get_mut(&id) {
            soup.refuse(now, why);
        }
    }

    /// Takes a login that stands. The stream goes on from `sequence`, 0 for what is new.
    pub fn accept(&mut self, floor: &mut Floor, id: ConnectionId, account: u16, sequence: u64) {
        let now = floor.now;
        let actions = self.script.on_login(account);
        if actions.contains(&Action::RefuseLogin) {
            return self.refuse(now, id, Refusal::NotAuthorised);
        }
        self.observe(floor, account);
        self.counts.logins += 1;
        let Some(host) = self.clients.get(&id).map(|c| c.host) else { return };
        // One connection an account and host: the newer one is the client's live one, the older often a socket that died unnoticed.
        for (other, client) in &mut self.clients {
            if *other != id && client.host == host && client.connection.account() == Some(account) {
                client.connection.close();
            }
        }
        let port = &mut self.ports[usize::from(account)];
        port.release(now);
        let next = port.released + 1;
        let first = if sequence == 0 { next } else { sequence.min(next) };
        let (mut said, mut from) = (first, first);
        for action in &actions {
            match *action {
                Action::Rewind(n) => from = from.saturating_sub(n).max(1),
                Action::Ahead(n) => said += n,
                _ => {}
            }
        }
        if let Some(Client { connection: Connection::Soup(soup), .. }) = self.clients.get_mut(&id) {
            soup.accept(now, account, &port.session, said, from);
        }
        for action in actions {
            self.perform(floor, account, action, None);
        }
    }

    /// A client logs out.
    pub fn logout(&mut self, floor: &mut Floor, id: ConnectionId, account: Option<u16>) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.connection.close();
        }
        if let Some(account) = account {
            self.left(floor, account);
        }
    }

    /// A message of a client that is logged in.
    pub fn arrive(&mut self, floor: &mut Floor, id: ConnectionId, account: u16, message: &[u8]) {
        if !floor.is_open {
            return;
        }
        let Some(asked) = floor.accounts[usize::from(account)].codec.parse(floor.now, message) else {
            self.counts.malformed += 1;
            return;
        };
        let actions = self.script.on_request(account, asked.letter);
        if actions.iter().any(|a| matches!(a, Action::Drop | Action::Disconnect)) {
            self.counts.dropped += 1;
        } else {
            self.enqueue(floor, id, account, asked);
        }
        for action in actions {
            self.perform(floor, account, action, None);
        }
    }

    fn enqueue(&mut self, floor: &mut Floor, id: ConnectionId, account: u16, asked: Asked) {
        let now = floor.now;
        let port = &mut self.ports[usize::from(account)];
        let is_excess = port.rate.is_some_and(|(limit, _)| !port.window.take(now, limit));
        if is_excess {
            self.counts.throttled += 1;
            if port.rate.is_some_and(|(_, excess)| excess == Excess::Disconnect) {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.connection.close();
                }
                return self.left(floor, account);
            }
        }
        let arrival = if is_excess { Arrival::OverRate(asked) } else { Arrival::Request(asked) };
        self.queue(floor, account, arrival);
    }

    /// Puts something on its way to the floor, behind all that the account sent before.
    fn queue(&mut self, floor: &mut Floor, account: u16, arrival: Arrival) {
        let port = &mut self.ports[usize::from(account)];
        let due = floor.now.saturating_add(port.inbound.draw(&mut self.rng)).max(port.last_arrival);
        port.last_arrival = due;
        port.arrivals.push_back((due, arrival));
        self.process(floor, account);
    }

    /// Carries out what has arrived at the floor.
    fn process(&mut self, floor: &mut Floor, account: u16) {
        let port = &mut self.ports[usize::from(account)];
        while let Some((due, _)) = port.arrivals.front()
            && *due <= floor.now
            && let Some((_, arrival)) = port.arrivals.pop_front()
        {
            match arrival {
                _ if !floor.is_open => {}
                Arrival::Request(asked) => order_entry::apply(floor, account, asked),
                Arrival::OverRate(asked) => order_entry::apply_over_rate(floor, account, asked),
                Arrival::Left => order_entry::cancel_all(floor, account, Reason::System),
            }
        }
        self.observe(floor, account);
    }

    /// A client of an account is gone; its orders may go with the last of them.
    fn left(&mut self, floor: &mut Floor, account: u16) {
        let own = floor.accounts[usize::from(account)].rules.cancel_on_disconnect;
        let is_connected = self.clients.values().any(|c| c.connection.account() == Some(account));
        if own.unwrap_or(self.cancel_on_disconnect) && floor.is_open && !is_connected {
            self.queue(floor, account, Arrival::Left);
        }
    }

    /// Looks at what an account was told since the last time: when it may be written, and what the script makes of it.
    fn observe(&mut self, floor: &mut Floor, account: u16) {
        let at = usize::from(account);
        loop {
            let told = std::mem::take(&mut floor.accounts[at].fresh);
            if told.is_empty() {
                return;
            }
            // All are numbered before the first of them sets anything off.
            let mut actions = Vec::new();
            for letter in told {
                let port = &mut self.ports[at];
                port.observed += 1;
                let sequence = port.observed;
                let due = floor.now.saturating_add(port.outbound.draw(&mut self.rng)).max(port.last_release);
                port.last_release = due;
                port.releases.push_back((due, sequence));
                actions.extend(self.script.on_report(account, letter).into_iter().map(|a| (a, sequence)));
            }
            let session = self.ports[at].sessions;
            for (action, sequence) in actions {
                // One that ends the session leaves the others no report in it.
                let is_in_it = self.ports[at].sessions == session;
                self.perform(floor, account, action, is_in_it.then_some(sequence));
            }
        }
    }

    /// Does what the script says to an account. `sequence` is the report's that set it off.
    fn perform(&mut self, floor: &mut Floor, account: u16, action: Action, sequence: Option<u64>) {
        let now = floor.now;
        let at = usize::from(account);
        let fault = |fault| sequence.map(|sequence| (sequence, fault));
        let fault = match action {
            // Done by the caller.
            Action::Drop | Action::Rewind(_) | Action::Ahead(_) | Action::RefuseLogin | Action::Market(_) => {
                None
            }
            Action::Cut(n) => fault(PacketFault::Cut(n)),
            Action::Repeat => fault(PacketFault::Repeat),
            Action::Withhold => fault(PacketFault::Withhold),
            Action::Garbage(n) if sequence.is_some() => fault(PacketFault::Garbage(n)),
            Action::Disconnect if sequence.is_some() => fault(PacketFault::Cut(0)),
            Action::Garbage(n) => {
                let bytes = self.random(n);
                self.of(account).for_each(|c| c.connection.babble(now, &bytes));
                None
            }
            Action::Disconnect => {
                self.of(account).for_each(|c| c.connection.close());
                self.left(floor, account);
                None
            }
            Action::Silence(ns) => {
                self.of(account).for_each(|c| c.mute_until = now.saturating_add(ns));
                None
            }
            Action::Deaf(ns) => {
                self.of(account).for_each(|c| c.deaf_until = now.saturating_add(ns));
                None
            }
            Action::Reject(cause, ns) => {
                floor.accounts[at].refusing = Some((now.saturating_add(ns), cause));
                None
            }
            Action::LateFill => {
                floor.late_fill(account);
                None
            }
            Action::Break => {
                floor.break_last_trade_of(account);
                None
            }
            Action::EndSession => {
                self.end_session(floor, account);
                None
            }
        };
        self.ports[at].faults.extend(fault);
    }

    fn of(&mut self, account: u16) -> impl Iterator<Item = &mut Client> {
        self.clients.values_mut().filter(move |c| c.connection.account() == Some(account))
    }

    fn random(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.rng.word() as u8).collect()
    }

    /// Ends the session of an account: all that was said, the end, and another session with a stream of its own for who logs in again.
    pub fn end_session(&mut self, floor: &mut Floor, account: u16) {
        let at = usize::from(account);
        self.observe(floor, account);
        let stream = std::mem::take(&mut floor.accounts[at].stream);
        for client in self.of(account) {
            client.connection.pump(floor.now, &stream, u64::MAX, true);
            client.connection.close();
        }
        let port = &mut self.ports[at];
        port.sessions = port.sessions.wrapping_add(1);
        port.session = self.session;
        port.session[8..].copy_from_slice(format!("{:02}", port.sessions % 100).as_bytes());
        // What is left of a shorter name must not stand between blanks.
        port.session.iter_mut().for_each(|b| {
            if *b == b' ' {
                *b = b'0';
            }
        });
        port.releases.clear();
        port.faults.clear();
        (port.released, port.observed) = (0, 0);
        self.left(floor, account);
    }

    /// The steps of the script that are due, for the venue to carry out those of the market.
    pub fn play(&mut self, floor: &mut Floor) -> Vec<(MarketAction, Option<model::Symbol>)> {
        let mut market = Vec::new();
        while floor.is_open
            && let Some(step) = self.script.due(floor.now.saturating_sub(floor.opened_at))
        {
            match (step.action, step.account) {
                (Action::Market(action), _) => market.push((action, step.symbol)),
                (action, Some(account)) => self.perform(floor, account, action, None),
                (_, None) => {}
            }
        }
        market
    }

    /// What is due: requests that arrive, heartbeats, time-outs.
    pub fn tick(&mut self, floor: &mut Floor) {
        for account in 0..self.ports.len() as u16 {
            self.process(floor, account);
        }
        let now = floor.now;
        let mut dropped = Vec::new();
        for client in self.clients.values_mut().filter(|c| c.mute_until <= now && c.deaf_until <= now) {
            let account = client.connection.account();
            if client.connection.tick(now) {
                dropped.extend(account);
            }
        }
        dropped.into_iter().for_each(|account| self.left(floor, account));
    }

    /// Writes what may be written.
    pub fn pump(&mut self, floor: &mut Floor, is_closed: bool) {
        floor.tell_copies();
        // What one account does is told to others as well.
        for account in 0..self.ports.len() as u16 {
            self.observe(floor, account);
        }
        let now = floor.now;
        let mut cut = Vec::new();
        for at in 0..self.ports.len() {
            let port = &mut self.ports[at];
            // The end of the day waits for nothing.
            port.release(if is_closed { u64::MAX } else { now });
            let log = &floor.accounts[at].stream;
            for client in self.clients.values_mut().filter(|c| c.connection.account() == Some(at as u16)) {
                loop {
                    let c = &mut client.connection;
                    let next = c.next_sequence().unwrap_or(u64::MAX);
                    let fault = port.faults.range(next..).next().map(|(s, f)| (*s, *f));
                    let fault = fault.filter(|(sequence, _)| *sequence <= port.released);
                    let last = fault.map_or(port.released, |(sequence, _)| sequence - 1);
                    c.pump(now, log, last, is_closed && fault.is_none());
                    let Some((sequence, fault)) = fault else { break };
                    let (Some(message), true) = (log.get(sequence), c.next_sequence() == Some(sequence))
                    else {
                        break;
                    };
                    port.faults.remove(&sequence);
                    match fault {
                        PacketFault::Cut(n) => {
                            c.break_off(now, message, n);
                            cut.push(at as u16);
                            break;
                        }
                        PacketFault::Repeat => c.stutter(now, message),
                        PacketFault::Withhold => c.pass_over(),
                        PacketFault::Garbage(n) => {
                            let bytes: Vec<u8> = (0..n).map(|_| self.rng.word() as u8).collect();
                            c.babble(now, &bytes);
                        }
                    }
                }
            }
        }
        cut.into_iter().for_each(|account| self.left(floor, account));
    }

    /// When something is due.
    #[must_use]
    pub fn next_due(&self, floor: &Floor) -> Option<u64> {
        let now = floor.now;
        let clients = self.clients.values().map(|c| match c.mute_until.max(c.deaf_until) {
            until if until > now => until,
            _ => c.connection.next_due(),
        });
        let ports = self
            .ports
            .iter()
            .flat_map(|p| [p.arrivals.front().map(|(due, _)| *due), p.releases.front().map(|(due, _)| *due)]);
        let script =
            self.script.next_due().filter(|_| floor.is_open).map(|at| floor.opened_at.saturating_add(at));
        clients.chain(ports.flatten()).chain(script).min()
    }

    /// Whether a client's connection is; `None` where it is none of order entry's.
    #[must_use]
    pub fn is_over(&self, id: ConnectionId) -> Option<bool> {
        self.clients.get(&id).map(|c| c.connection.is_over())
    }

    /// Bytes to write to a client now.
    #[must_use]
    pub fn output(&self, now: u64, id: ConnectionId) -> Option<&[u8]> {
        let client = self.clients.get(&id)?;
        Some(if client.mute_until > now { &[] } else { client.connection.output() })
    }

    /// The first `n` bytes of a client's output were written.
    pub fn written(&mut self, id: ConnectionId, n: usize) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.connection.written(n);
        }
    }

    /// Whether nobody is left to be served.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.clients.values().all(|c| c.connection.is_over())
    }
}
