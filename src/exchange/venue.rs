//! The whole venue as one state machine in virtual time: no socket, no clock, no thread.
//!
//! ```text
//!  step(now) ------------------> flow, heartbeats, time-outs --+
//!  on_client_bytes(conn, ..) --> desk: SoupBinTCP, protocol ---+--> Floor --> poll_datagram() -> (line, bytes)
//!  on_request(bytes) ----------> re-request answer, at once                   output(conn) -> bytes
//!  connect_glimpse ------------> a snapshot for each login, to the same `on_client_bytes` and `output`
//! ```
//!
//! Phases: *waiting* (nothing but heartbeats, until the first login where so configured) -> *open* (S `O`, the directory, S `S`, S `Q`, then
//! the flow; with market hours, S `Q` and the flow only after the opening cross) -> *closed* (S `M`, `E`, `C`; accounts' orders canceled, sessions ended, end of session on the lines).
//!
//! `now` is ns since midnight UTC, given by the caller and never allowed to run backwards: it stamps every ITCH and OUCH message. (A real
//! venue counts from midnight in New York. A historical flow's own times are not used as stamps.)
//!
//! The output is a function of the configuration and of the calls.

pub mod operator;

use model::{Px, Qty, Side, Symbol};

use super::accounts::{Account, AccountSetup, AccountView, SelfMatch};
use super::auction;
use super::bands;
use super::connection::Ask;
use super::desk::{Host, OrderDesk};
use super::entry::{Reason, Report};
use super::faults::LineFaults;
use super::floor::{Floor, Late};
use super::flow::{Flow, FlowCounts};
use super::glimpse::{SnapshotCounts, SnapshotDesk, SnapshotFaults};
use super::market::MarketRules;
use super::matching::{OrderKey, Owner};
use super::mold::Publisher;
use super::order_entry;
use super::rng::Rng;
use super::script::{MarketAction, Step};
use super::soup::{Connection, Login};

/// Messages of the flow that one step plays at most, so that clients are heard in between.
const STEP_MESSAGES: u32 = 256;

/// What a venue is made of.
#[derive(Debug)]
pub struct VenueConfig {
    /// Session of the market data channel and of order entry.
    pub session: [u8; 10],
    /// Symbols listed at the start; the flow may list more.
    pub symbols: Vec<Symbol>,
    /// One entry for each line of the market data channel.
    pub lines: Vec<LineFaults>,
    /// Probability that a re-request gets no answer.
    pub rerequest_loss: f64,
    /// What goes wrong with snapshots.
    pub snapshot_faults: SnapshotFaults,
    /// Who may log in.
    pub accounts: Vec<AccountSetup>,
    /// The background.
    pub flow: Flow,
    /// Where the chance of the faults starts.
    pub seed: u64,
    /// Whether an account's orders are canceled when its connection ends.
    pub cancel_on_disconnect: bool,
    /// Whether an account's orders never trade with each other (the resting one is canceled).
    pub self_match_prevention: bool,
    /// Whether the day begins with the first login, not at once.
    pub wait_for_login: bool,
    /// Whether the day ends with the flow.
    pub close_with_flow: bool,
    /// For how long the end of the session is said, ns.
    pub end_of_session_ns: u64,
    /// What holds for the market beyond that.
    pub market: MarketRules,
    /// What goes wrong, and when.
    pub script: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Open,
    Closed,
}

/// Number of a client's connection, given by [`Venue::connect`].
pub type ConnectionId = u64;

/// What the venue did, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VenueCounts {
    /// ITCH messages published.
    pub messages: u64,
    /// Datagrams put on all lines.
    pub datagrams: u64,
    /// Datagrams that the fault model lost.
    pub lost: u64,
    /// Re-requests received.
    pub requests: u64,
    /// Re-requests answered.
    pub answers: u64,
    /// Logins accepted.
    pub logins: u64,
    /// Logins refused.
    pub refused_logins: u64,
    /// Client messages that are none of the account's protocol.
    pub malformed: u64,
    /// Requests that the script lost.
    pub dropped: u64,
    /// Requests over an account's rate.
    pub throttled: u64,
    /// Steps of the script that happened.
    pub script_steps: u64,
    /// Orders taken, over all accounts.
    pub accepted: u64,
    /// Fills, over all accounts.
    pub fills: u64,
    /// Snapshots.
    pub snapshots: SnapshotCounts,
    /// The background's messages.
    pub flow: FlowCounts,
}

/// One resting order of a [`Venue::book_snapshot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOrder {
    /// The venue's number.
    pub order_ref: u64,
    /// Price.
    pub px: Px,
    /// Shares.
    pub shares: Qty,
    /// The account's name for it; `None` for the background's.
    pub owner: Option<OrderKey>,
}

/// A book, best first, in each level in queue order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookSnapshot {
    /// Bids.
    pub bids: Vec<BookOrder>,
    /// Offers.
    pub asks: Vec<BookOrder>,
}

/// The venue.
#[derive(Debug)]
pub struct Venue {
    floor: Floor,
    flow: Flow,
    phase: Phase,
    session: [u8; 10],
    symbols: Vec<Symbol>,
    desk: OrderDesk,
    next_connection: ConnectionId,
    snapshots: SnapshotDesk,
    request_rng: Rng,
    rerequest_loss: f64,
    close_with_flow: bool,
    end_of_session_ns: u64,
    counts: VenueCounts,
}

impl Venue {
    /// A venue at `now`, with nobody connected and nothing published.
    #[must_use]
    pub fn new(config: VenueConfig, now: u64) -> Venue {
        let tape = Publisher::new(config.session, &config.lines, config.seed, now);
        let mut accounts: Vec<_> =
            config.accounts.into_iter().zip(0u16..).map(|(c, i)| Account::new(i, c)).collect();
        for to in 0..accounts.len() {
            let sources = accounts[to].rules.fix.as_ref().map(|fix| fix.drop_copy_of.clone());
            for source in sources.into_iter().flatten() {
                accounts[usize::from(source)].copied_to.push(to as u16);
            }
        }
        let mut rules = config.market;
        if config.self_match_prevention && rules.self_match == SelfMatch::Allow {
            rules.self_match = SelfMatch::Oldest;
        }
        let mut floor = Floor::new(tape, accounts, rules);
        floor.now = now;
        let accounts: Vec<_> = floor.accounts.iter().map(|a| &a.rules).collect();
        let desk = OrderDesk::new(
            config.session,
            &accounts,
            config.script,
            config.seed,
            config.cancel_on_disconnect,
        );
        Venue {
            floor,
            flow: config.flow,
            phase: if config.wait_for_login { Phase::Waiting } else { Phase::Open },
            session: config.session,
            symbols: config.symbols,
            desk,
            next_connection: 1,
            snapshots: SnapshotDesk::new(config.snapshot_faults, config.seed),
            request_rng: Rng::new(config.seed, 0x2E0),
            rerequest_loss: config.rerequest_loss,
            close_with_flow: config.close_with_flow,
            end_of_session_ns: config.end_of_session_ns,
            counts: VenueCounts::default(),
        }
        .opened()
    }

    fn opened(mut self) -> Venue {
        if self.phase == Phase::Open {
            self.open();
        }
        self
    }

    fn open(&mut self) {
        self.phase = Phase::Open;
        self.floor.is_open = true;
        self.floor.opened_at = self.floor.now;
        self.floor.system_event(b'O');
        for symbol in std::mem::take(&mut self.symbols) {
            if self.floor.find(symbol).is_none() {
                self.floor.list(symbol);
            }
        }
        self.flow.list(&mut self.floor);
        self.floor.system_event(b'S');
        self.floor.tell_all(&Report::SystemEvent(b'S'));
        if self.floor.rules.hours.is_none() {
            self.floor.is_market_open = true;
            self.floor.system_event(b'Q');
            self.flow.start(&mut self.floor);
        }
    }

    /// Ends the day: no more trading, accounts' orders canceled, sessions ended.
    pub fn close(&mut self, now: u64) {
        self.advance(now);
        if self.phase == Phase::Waiting {
            self.open();
        }
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        if self.floor.rules.hours.is_some_and(|hours| hours.close_ns.is_some()) && self.floor.is_market_open {
            auction::cross_all(&mut self.floor, b'C');
        }
        self.floor.is_open = false;
        self.floor.system_event(b'M');
        order_entry::cancel_of_all(&mut self.floor, Reason::Closed, |_| true);
        self.floor.system_event(b'E');
        self.floor.system_event(b'C');
        self.floor.tell_all(&Report::SystemEvent(b'E'));
        self.floor.tape.end(self.floor.now, self.end_of_session_ns);
        self.pump();
    }

    /// Does what is due at `now`: the flow's messages (at most 256), requests on their way, the market's clock, the script, heartbeats,
    /// time-outs; and puts what was published on the lines.
    pub fn step(&mut self, now: u64) {
        self.advance(now);
        let mut played = 0;
        while self.phase == Phase::Open
            && played < STEP_MESSAGES
            && self.flow.next_due().is_some_and(|due| due <= self.floor.now)
        {
            self.flow.play(&mut self.floor);
            played += 1;
        }
        if self.phase == Phase::Open {
            self.play_market();
        }
        if self.phase == Phase::Open && self.close_with_flow && self.flow.is_over() {
            self.close(now);
        }
        for id in self.desk.woken(self.floor.now) {
            self.hear(id);
        }
        self.desk.tick(&mut self.floor);
        self.snapshots.tick(self.floor.now);
        self.settle();
    }

    /// The market's clock and the script.
    fn play_market(&mut self) {
        let was_open = self.floor.is_market_open;
        let is_over = auction::tick(&mut self.floor);
        if !was_open && self.floor.is_market_open {
            self.flow.start(&mut self.floor);
        }
        order_entry::expire(&mut self.floor);
        for (action, symbol) in self.desk.play(&mut self.floor) {
            for listing in 0..self.floor.listings.len() {
                if symbol.is_none_or(|symbol| self.floor.listings[listing].symbol == symbol) {
                    self.perform(action, listing);
                }
            }
        }
        if is_over {
            self.close(self.floor.now);
        }
    }

    fn perform(&mut self, action: MarketAction, listing: usize) {
        let floor = &mut self.floor;
        match action {
            MarketAction::Halt => floor.halt(listing, b'H', *b"T1  "),
            MarketAction::Pause => floor.halt(listing, b'P', *b"LUDP"),
            MarketAction::Quote => floor.set_state(listing, b'Q', *b"T3  "),
            MarketAction::Resume => floor.resume(listing),
            MarketAction::Late => order_entry::set_late_cross(floor, listing, Late::All),
            MarketAction::NotLate => order_entry::set_late_cross(floor, listing, Late::No),
        }
    }

    /// When the next step has something to do, if nobody calls before; at most `u64::MAX`.
    #[must_use]
    pub fn next_due(&self) -> u64 {
        let market = match self.phase {
            Phase::Open => {
                let expiry = self.floor.expiries.first().map(|(due, _)| *due);
                let clock = auction::next_due(&self.floor);
                [self.flow.next_due(), expiry, clock, bands::next_due(&self.floor)]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Phase::Waiting | Phase::Closed => None,
        };
        [market, self.desk.next_due(&self.floor), self.snapshots.next_due()]
            .into_iter()
            .flatten()
            .fold(self.floor.tape.next_due(), u64::min)
    }

    /// A client has connected.
    pub fn connect(&mut self, now: u64) -> ConnectionId {
        self.connect_to(now, Host::Primary)
    }

    /// A client has connected to one of the two hosts of order entry.
    pub fn connect_to(&mut self, now: u64, host: Host) -> ConnectionId {
        self.advance(now);
        let id = self.take_connection();
        self.desk.connect(self.floor.now, id, host);
        id
    }

    /// A client of the FIX port has connected.
    pub fn connect_fix(&mut self, now: u64) -> ConnectionId {
        self.advance(now);
        let id = self.take_connection();
        self.desk.connect_fix(self.floor.now, id);
        id
    }

    /// A client of the snapshot server has connected.
    pub fn connect_glimpse(&mut self, now: u64) -> ConnectionId {
        self.advance(now);
        let id = self.take_connection();
        self.snapshots.connect(self.floor.now, id);
        id
    }

    fn take_connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        self.next_connection - 1
    }

    /// A client's socket is gone.
    pub fn disconnect(&mut self, now: u64, id: ConnectionId) {
        self.advance(now);
        if !self.snapshots.disconnect(id) {
            self.desk.disconnect(&mut self.floor, id);
            self.settle();
        }
    }

    /// A client's bytes, split or joined anywhere.
    pub fn on_client_bytes(&mut self, now: u64, id: ConnectionId, bytes: &[u8]) {
        self.advance(now);
        if self.snapshots.receive(&self.floor, &self.session, id, bytes) {
            return;
        }
        self.desk.receive(self.floor.now, id, bytes);
        self.hear(id);
        self.settle();
    }

    /// Whether nothing is to be read from a client's socket now.
    #[must_use]
    pub fn is_deaf(&self, id: ConnectionId) -> bool {
        self.desk.is_deaf(self.floor.now, id)
    }

    /// Takes what a client has asked for.
    fn hear(&mut self, id: ConnectionId) {
        while let Some((ask, account)) = self.desk.next_ask(self.floor.now, id) {
            match ask {
                Ask::Login(login) => self.login(id, &login),
                Ask::Logon(logon) => self.logon(id, &logon),
                Ask::Logout => self.desk.logout(&mut self.floor, id, account),
                Ask::Message(message) => {
                    if let Some(account) = account {
                        self.desk.arrive(&mut self.floor, id, account, &message);
                    }
                }
            }
        }
    }

    /// After anything happened: bands, reports, datagrams.
    fn settle(&mut self) {
        if self.phase == Phase::Open {
            bands::tick(&mut self.floor);
        }
        self.pump();
        self.floor.tape.flush(self.floor.now);
    }

    /// Lets another face of the venue act at the floor, and publishes what came of it.
    pub fn at_floor<R>(&mut self, now: u64, act: impl FnOnce(&mut Floor) -> R) -> R {
        self.advance(now);
        let outcome = act(&mut self.floor);
        self.pump();
        self.floor.tape.flush(self.floor.now);
        outcome
    }

    /// As [`Account::fill_before`], of the first account.
    #[must_use]
    pub fn fill_before(&self, back: usize) -> Option<(u64, Symbol, i64)> {
        self.floor.accounts.first()?.fill_before(back)
    }

    /// A datagram at the re-request server; the answer, where there is one.
    pub fn on_request(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        self.counts.requests += 1;
        let lost = self.request_rng.chance(self.rerequest_loss);
        let answer = self.floor.tape.answer(request).filter(|_| !lost)?;
        self.counts.answers += 1;
        Some(answer)
    }

    /// The next datagram to send, with the index of its line.
    pub fn poll_datagram(&mut self) -> Option<(usize, Vec<u8>)> {
        self.floor.tape.poll(self.floor.now)
    }

    /// Bytes to write to a client.
    #[must_use]
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        let at_desk = self.desk.output(self.floor.now, id);
        at_desk.or_else(|| self.snapshots.connection(id).map(Connection::output)).unwrap_or(&[])
    }

    /// The first `n` bytes of [`Self::output`] were written.
    pub fn written(&mut self, id: ConnectionId, n: usize) {
        self.desk.written(id, n);
        self.snapshots.written(self.floor.now, id, n);
        self.pump();
    }

    /// Whether a client's socket is to be closed: everything is said.
    #[must_use]
    pub fn is_over(&self, id: ConnectionId) -> bool {
        let at_desk = self.desk.is_over(id);
        at_desk.or_else(|| self.snapshots.connection(id).map(Connection::is_over)).unwrap_or(true)
    }

    /// Whether the day is over and everybody was told for long enough.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Closed
            && self.floor.tape.finished(self.floor.now)
            && self.desk.is_idle()
            && self.snapshots.is_idle()
    }

    /// Whether the day is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// The truth about an account.
    #[must_use]
    pub fn account(&self, username: &str) -> Option<AccountView> {
        let account =
            self.floor.accounts.iter().find(|a| a.credentials.username.eq_ignore_ascii_case(username));
        account.map(Account::view)
    }

    /// How many messages an account was told, by its place in the configuration: as long as that stays, so does everything about it.
    #[must_use]
    pub fn told(&self, account: usize) -> u64 {
        self.floor.accounts.get(account).map_or(0, |a| a.stream.next() - 1)
    }

    /// The truth about every account, in the order of the configuration.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountView> {
        self.floor.accounts.iter().map(Account::view).collect()
    }

    /// A symbol's book, as everybody sees it.
    #[must_use]
    pub fn book_snapshot(&self, symbol: Symbol) -> Option<BookSnapshot> {
        let book = &self.floor.listings[self.floor.find(symbol)?].book;
        let side = |side| {
            let orders = book.queue(side).filter(|o| o.is_shown).map(|o| BookOrder {
                order_ref: o.id,
                px: o.px,
                shares: o.shares,
                owner: match o.owner {
                    Owner::Account(key) => Some(key),
                    Owner::Background(_) => None,
                },
            });
            orders.collect()
        };
        Some(BookSnapshot { bids: side(Side::Buy), asks: side(Side::Sell) })
    }

    /// The symbols listed so far, in the order of their locates.
    #[must_use]
    pub fn symbols(&self) -> Vec<Symbol> {
        self.floor.listings.iter().map(|l| l.symbol).collect()
    }

    /// Message number `sequence` (from 1) of the market data channel.
    #[must_use]
    pub fn published(&self, sequence: u64) -> Option<&[u8]> {
        self.floor.tape.message(sequence)
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> VenueCounts {
        let of = |f: fn(&Account) -> u64| self.floor.accounts.iter().map(f).sum();
        let (desk, script_steps) = self.desk.counts();
        VenueCounts {
            logins: desk.logins,
            refused_logins: desk.refused,
            malformed: desk.malformed,
            dropped: desk.dropped,
            throttled: desk.throttled,
            script_steps,
            messages: self.floor.tape.messages(),
            datagrams: self.floor.tape.datagrams(),
            lost: self.floor.tape.lost(),
            accepted: of(|a| a.counts.accepted),
            fills: of(|a| a.counts.fills),
            snapshots: self.snapshots.counts(),
            flow: self.flow.counts(),
            ..self.counts
        }
    }

    /// Halts (`H`), pauses (`P`) or resumes (`T`) a symbol, with the cross that orders were collected for. Returns whether it is listed.
    pub fn set_trading_state(&mut self, now: u64, symbol: Symbol, state: u8) -> bool {
        self.advance(now);
        let Some(listing) = self.floor.find(symbol).filter(|_| self.phase == Phase::Open) else {
            return false;
        };
        match state {
            b'T' => self.floor.resume(listing),
            b'H' | b'P' => self.floor.halt(listing, state, *b"    "),
            _ => self.floor.set_state(listing, state, *b"    "),
        }
        self.settle();
        true
    }

    /// Begins or ends a symbol's late period before an auction, in which orders cannot be canceled (`P`, `I`) or replaced (`J`). Returns whether it is listed.
    pub fn set_late_cross(&mut self, now: u64, symbol: Symbol, late: bool) -> bool {
        self.advance(now);
        let Some(listing) = self.floor.find(symbol).filter(|_| self.phase == Phase::Open) else {
            return false;
        };
        order_entry::set_late_cross(&mut self.floor, listing, if late { Late::All } else { Late::No });
        self.settle();
        true
    }

    fn advance(&mut self, now: u64) {
        self.floor.now = self.floor.now.max(now);
    }

    fn login(&mut self, id: ConnectionId, login: &Login) {
        match self.desk.admit(&self.floor, login, self.phase == Phase::Closed) {
            Err(why) => self.desk.refuse(self.floor.now, id, why),
            Ok(account) => {
                if self.phase == Phase::Waiting {
                    self.open();
                }
                self.desk.accept(&mut self.floor, id, account, login.sequence.unwrap_or(0));
            }
        }
    }

    fn logon(&mut self, id: ConnectionId, logon: &[u8]) {
        let is_closed = self.phase == Phase::Closed;
        if self.desk.logon(&mut self.floor, id, logon, is_closed) && self.phase == Phase::Waiting {
            self.open();
        }
    }

    fn pump(&mut self) {
        self.desk.pump(&mut self.floor, self.phase == Phase::Closed);
    }
}
