//! GLIMPSE 5.0, the venue's side: a snapshot of every book for each login, over SoupBinTCP.
//!
//! ```text
//!  login (sequence 1) --> S | per symbol: R H Y h.. | A/F of each order at rest, by price, then arrival | G --> Z, close
//! ```
//!
//! A snapshot is made whole at the moment of its login, from the floor as it stands between two events: applied to an empty book and
//! followed by the live stream from the sequence in `G` on, it gives the venue's own book. A slow client gets that moment's, however late.
//!
//! Invariants: `G` is the last message and comes once; its sequence is the channel's next at the login; a snapshot that the fault model cuts has no `G`.

use std::collections::BTreeMap;

use model::Side;

use super::floor::Floor;
use super::itch;
use super::message_log::MessageLog;
use super::rng::Rng;
use super::soup::{Ask, Connection, Login, Refusal};
use super::venue::ConnectionId;

/// What goes wrong with snapshots, by chance from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SnapshotFaults {
    /// Logins that are refused.
    pub refused: f64,
    /// Snapshots that break off somewhere before their end.
    pub cut: f64,
}

/// What was done, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotCounts {
    /// Snapshots made.
    pub made: u64,
    /// Those that were cut.
    pub cut: u64,
    /// Logins refused.
    pub refused: u64,
}

/// The snapshot as messages, `G` last.
#[must_use]
pub fn snapshot(floor: &Floor) -> MessageLog {
    let mut out = MessageLog::default();
    if let Some(code) = floor.phase {
        out.push(&itch::system_event(floor.now, code));
    }
    for (k, listing) in floor.listings.iter().enumerate() {
        let (stamp, symbol) = (floor.stamp(k), listing.symbol);
        out.push(&itch::directory(stamp, symbol));
        out.push(&itch::trading_action(stamp, symbol, listing.state, listing.state_reason));
        out.push(&itch::reg_sho(stamp, symbol, listing.reg_sho));
        for (&market, &action) in &listing.operational {
            out.push(&itch::operational_halt(stamp, symbol, market, action));
        }
    }
    for (k, listing) in floor.listings.iter().enumerate() {
        for o in [Side::Buy, Side::Sell]
            .into_iter()
            .flat_map(|side| listing.book.queue(side))
            .filter(|o| o.is_shown)
        {
            let mpid = floor.attribution(o.id);
            out.push(&itch::add(floor.stamp(k), listing.symbol, o.id, o.side, o.shares, o.px, mpid));
        }
    }
    // Left-justified digits, padded with spaces.
    out.push(format!("G{:<20}", floor.tape.messages() + 1).as_bytes());
    out
}

#[derive(Debug)]
struct Client {
    connection: Connection,
    snapshot: MessageLog,
    is_cut: bool,
}

/// The snapshot server: its clients and its faults.
#[derive(Debug)]
pub struct SnapshotDesk {
    clients: BTreeMap<ConnectionId, Client>,
    faults: SnapshotFaults,
    rng: Rng,
    counts: SnapshotCounts,
}

impl SnapshotDesk {
    /// A server without clients.
    #[must_use]
    pub fn new(faults: SnapshotFaults, seed: u64) -> SnapshotDesk {
        SnapshotDesk {
            clients: BTreeMap::new(),
            faults,
            rng: Rng::new(seed, 0x611),
            counts: SnapshotCounts::default(),
        }
    }

    /// A client has connected.
    pub fn connect(&mut self, now: u64, id: ConnectionId) {
        let connection = Connection::new(now);
        self.clients.insert(id, Client { connection, snapshot: MessageLog::default(), is_cut: false });
    }

    /// A client's socket is gone. Returns whether it was one of these.
    pub fn disconnect(&mut self, id: ConnectionId) -> bool {
        self.clients.remove(&id).is_some()
    }

    /// A client's bytes. Returns whether it is one of these.
    pub fn receive(&mut self, floor: &Floor, session: &[u8; 10], id: ConnectionId, bytes: &[u8]) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        client.connection.receive(floor.now, bytes);
        while let Some(ask) = client.connection.next_ask() {
            match ask {
                Ask::Login(login) => match admit(floor, session, &login) {
                    Ok(_) if self.rng.chance(self.faults.refused) => {
                        self.counts.refused += 1;
                        client.connection.refuse(floor.now, Refusal::NoSuchSession);
                    }
                    Ok(account) => {
                        client.snapshot = snapshot(floor);
                        client.is_cut = self.rng.chance(self.faults.cut);
                        if client.is_cut {
                            client.snapshot.truncate(self.rng.below(client.snapshot.next() - 1));
                        }
                        self.counts.made += 1;
                        self.counts.cut += u64::from(client.is_cut);
                        client.connection.accept(floor.now, account, session, 1, 1);
                    }
                    Err(why) => {
                        self.counts.refused += 1;
                        client.connection.refuse(floor.now, why);
                    }
                },
                Ask::Logout => client.connection.close(),
                // There is nothing to be asked for here.
                Ask::Message(_) => {}
            }
        }
        client.pump(floor.now);
        true
    }

    /// Heartbeats and time-outs.
    pub fn tick(&mut self, now: u64) {
        for client in self.clients.values_mut() {
            client.connection.tick(now);
        }
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.clients.values().map(|c| c.connection.next_due()).min()
    }

    /// A client's connection.
    #[must_use]
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.clients.get(&id).map(|c| &c.connection)
    }

    /// The first `n` bytes of a client's output were written.
    pub fn written(&mut self, now: u64, id: ConnectionId, n: usize) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.connection.written(n);
            client.pump(now);
        }
    }

    /// Whether nobody is left to be served.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.clients.values().all(|c| c.connection.is_over())
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> SnapshotCounts {
        self.counts
    }
}

impl Client {
    fn pump(&mut self, now: u64) {
        let is_written = self.connection.pump(now, &self.snapshot, u64::MAX, !self.is_cut);
        if is_written && self.is_cut {
            self.connection.close();
        }
    }
}

/// One snapshot a login, from its start, of this session: anything else is refused.
fn admit(floor: &Floor, session: &[u8; 10], login: &Login) -> Result<u16, Refusal> {
    let account = floor.account_of(login).ok_or(Refusal::NotAuthorised)?;
    let is_ours = login.session.is_empty() || login.names_session(session);
    if is_ours && login.sequence == Some(1) { Ok(account) } else { Err(Refusal::NoSuchSession) }
}
