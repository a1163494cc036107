//! The core, the venue, and what is between them; the checks that hold at every step, and those at rest.

use std::collections::BTreeSet;

use colo::exchange::{Venue, VenueConfig};
use engine::OrderState;
use engine::strategy::Intent;
use gateways::gateway::OrderGateway as _;
use model::{Control, InstrumentId, Px, Qty, Side, Tif, Token};

use crate::core::{Core, Lie, Living, MID, SYMBOLS};
use crate::exchange_support::client::{self, Client};
use crate::exchange_support::{MORNING, MS, config, symbol};
use crate::line::{Ask, Line};

pub type Check = Result<(), String>;

/// Cancel-on-disconnect at the venue, and when it takes notice of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Orders stay.
    Keeps,
    /// Orders are canceled at once.
    Cancels,
    /// It would cancel, but has not noticed when the next login takes the old connection's place.
    CancelsLate,
}

pub const PORTS: [Port; 3] = [Port::Keeps, Port::Cancels, Port::CancelsLate];

/// So many bytes and no more, of a connection that is then cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Leave the client.
    pub leave: usize,
    /// Of them, reach the venue.
    pub reach: usize,
    /// Of the venue's, reach the client.
    pub back: usize,
}

impl Bytes {
    pub const ALL: Bytes = Bytes { leave: usize::MAX, reach: usize::MAX, back: usize::MAX };
}

/// What moved, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moved {
    pub reached: usize,
    pub came_back: usize,
}

pub struct World {
    pub venue: Venue,
    pub now: u64,
    pub core: Core,
    pub line: Option<Line>,
    pub port: Port,
    lie: Option<Lie>,
    slow: bool,
    run: u32,
    connections: u32,
    /// Of the venue's side, cut and not noticed by it.
    unnoticed: Vec<u64>,
    /// The gateway's thread stands still: what is approved stays in the ring.
    pub stalled: bool,
    other: Client,
    other_number: u32,
    /// What was decided, for which connection, by number.
    decisions: Vec<(u32, Ask)>,
    /// Decisions up to here were seen on the wire, or never will be.
    seen: usize,
    on_wire: BTreeSet<u32>,
    highest: u32,
}

impl World {
    /// A venue that is open, and a core that has not connected yet.
    pub fn new(port: Port, lie: Option<Lie>, slow: bool) -> World {
        let config = VenueConfig { cancel_on_disconnect: port != Port::Keeps, lines: Vec::new(), ..config() };
        let mut venue = Venue::new(config, MORNING);
        let mut other = Client::new(venue.connect(MORNING));
        venue.on_client_bytes(MORNING, other.id, &client::login("user02", "pass", "", "1"));
        read(&mut venue, &mut other);
        World {
            venue,
            now: MORNING,
            core: Core::start(0, MORNING, lie, slow),
            line: None,
            port,
            lie,
            slow,
            run: 0,
            connections: 0,
            unnoticed: Vec::new(),
            stalled: false,
            other,
            other_number: 0,
            decisions: Vec::new(),
            seen: 0,
            on_wire: BTreeSet::new(),
            highest: 0,
        }
    }

    // ---- the market ----

    fn other_asks(&mut self, message: &[u8]) {
        let packet = client::packet(b'U', message);
        self.venue.on_client_bytes(self.now, self.other.id, &packet);
        read(&mut self.venue, &mut self.other);
    }

    /// The other account's order in AAPL; what it hits, trades.
    pub fn other(&mut self, side: Side, qty: u32, px: i64) {
        self.other_number += 1;
        let letter = if side == Side::Buy { b'B' } else { b'S' };
        self.other_asks(&client::enter(self.other_number, letter, qty, px as u64));
    }

    /// The other account takes `qty` of each of our orders that rests, at its price, and leaves nothing behind.
    pub fn others_take(&mut self, qty: u32) {
        let Some(account) = self.venue.account("user01") else { return };
        for order in account.live_orders {
            self.other_number += 1;
            let mut ioc = client::order(self.other_number, b'S', qty.min(order.open.0), order.px.0 as u64);
            if order.side == Side::Sell {
                ioc.side = b'B';
            }
            ioc.tif = b'3';
            ioc.symbol = SYMBOLS[SYMBOLS.iter().position(|s| symbol(s) == order.symbol).expect("listed")];
            self.other_asks(&ioc.bytes());
        }
    }

    // ---- the core ----

    /// Has the strategy want something; what of it is not in the ring was refused.
    pub fn want(&mut self, intents: &[Intent]) -> Check {
        self.core.intend(intents);
        let refused = self.core.refused();
        self.accounted()?;
        if refused.is_empty() { Ok(()) } else { Err(format!("refused: {refused:?}")) }
    }

    pub fn control(&mut self, control: Control) -> Check {
        self.core.control(control);
        self.accounted()
    }

    /// A request that the test makes at the gateway itself, beside the engine.
    pub fn by_hand(&mut self, ask: Ask) {
        self.decisions.push((self.connections, ask));
    }

    /// Notes what the engine has decided.
    pub fn accounted(&mut self) -> Check {
        let connection = self.line.as_ref().map_or(0, |l| l.number);
        for command in std::mem::take(&mut self.core.decided) {
            let ask = Ask::of(&command);
            if ask.introduces() {
                if ask.token <= self.highest {
                    return Err(format!("token {} is used again: {ask:?}", ask.token));
                }
                self.highest = ask.token;
            }
            self.decisions.push((connection, ask));
        }
        Ok(())
    }

    /// One input to the engine; whether there was one.
    pub fn hear(&mut self) -> Result<bool, String> {
        let before = self.core.is_about_to_hear_of_a_cut().then(|| self.core.reserved());
        let heard = self.core.hear();
        if let Some(before) = before {
            let after = self.core.reserved();
            if before != after {
                return Err(format!("a cut has released what was reserved: {before:?}, now {after:?}"));
            }
        }
        if heard {
            self.accounted()?;
            self.covers()?;
        }
        Ok(heard)
    }

    /// Lets the rings of the core run dry. A command that cannot be encoded costs the connection.
    pub fn think(&mut self) -> Check {
        loop {
            let heard = self.hear()?;
            if !self.encode()? && !heard {
                return Ok(());
            }
        }
    }

    /// One command to the gateway's buffer; whether there was one.
    pub fn encode(&mut self) -> Result<bool, String> {
        if self.stalled { Ok(false) } else { self.core.encode() }
    }

    /// The process is killed; the next one knows nothing but which tokens are its own.
    pub fn restart(&mut self) {
        self.run += 1;
        self.core = Core::start(self.run, self.now, self.lie, self.slow);
    }

    // ---- the wire ----

    pub fn connect(&mut self) {
        self.connections += 1;
        let id = self.venue.connect(self.now);
        self.line = Some(Line::new(id, self.connections));
        self.core.connect();
    }

    /// The connection is gone, with what is under way on it. The venue notices as its port is.
    pub fn cut(&mut self) {
        let Some(line) = self.line.take() else { return };
        if self.port == Port::CancelsLate {
            self.unnoticed.push(line.id);
        } else {
            self.venue.disconnect(self.now, line.id);
        }
        self.core.disconnect();
    }

    /// The same, but what has left arrives first: the client has seen the cut before the venue has read all.
    pub fn cut_late(&mut self) -> Check {
        self.core.disconnect();
        self.reach(usize::MAX)?;
        self.cut();
        Ok(())
    }

    /// The venue's kernel tells it of connections long gone.
    pub fn notice(&mut self) {
        for id in std::mem::take(&mut self.unnoticed) {
            self.venue.disconnect(self.now, id);
        }
    }

    /// Bytes go from the gateway's buffer to the wire.
    pub fn leave(&mut self, most: usize) -> usize {
        let Some(line) = &mut self.line else { return 0 };
        let bytes = self.core.gateway.transmit();
        let n = bytes.len().min(most);
        line.up.extend(&bytes[..n]);
        self.core.gateway.transmitted(n);
        n
    }

    /// Bytes arrive at the venue.
    pub fn reach(&mut self, most: usize) -> Result<usize, String> {
        let Some(line) = &mut self.line else { return Ok(0) };
        let n = line.up.len().min(most);
        if n > 0 {
            let bytes: Vec<u8> = line.up.drain(..n).collect();
            let (asks, id, number) = (line.hear(&bytes), line.id, line.number);
            for ask in asks {
                self.is_decided(number, ask)?;
            }
            self.venue.on_client_bytes(self.now, id, &bytes);
            read(&mut self.venue, &mut self.other);
            self.covers()?;
        }
        Ok(n)
    }

    /// Bytes go from the venue to the wire.
    pub fn answer(&mut self) -> usize {
        let Some(line) = &mut self.line else { return 0 };
        let n = self.venue.output(line.id).len();
        line.down.extend(self.venue.output(line.id));
        self.venue.written(line.id, n);
        n
    }

    /// Bytes arrive at the gateway.
    pub fn back(&mut self, most: usize) -> Result<usize, String> {
        let Some(line) = &mut self.line else { return Ok(0) };
        let n = line.down.len().min(most);
        let bytes: Vec<u8> = line.down.drain(..n).collect();
        self.core.receive(&bytes)?;
        Ok(n)
    }

    /// Everything moves until nothing does, within these bounds.
    pub fn flow(&mut self, most: Bytes) -> Result<Moved, String> {
        let mut left = most;
        let mut moved = Moved::default();
        loop {
            self.think()?;
            let leave = self.leave(left.leave);
            let reach = self.reach(left.reach)?;
            self.answer();
            let back = self.back(left.back)?;
            left = Bytes { leave: left.leave - leave, reach: left.reach - reach, back: left.back - back };
            moved.reached += reach;
            moved.came_back += back;
            if leave + reach + back == 0 {
                self.think()?;
                return Ok(moved);
            }
        }
    }

    /// Whether no byte waits or is under way.
    pub fn is_quiet(&self) -> bool {
        let Some(line) = &self.line else { return true };
        line.up.is_empty()
            && line.down.is_empty()
            && self.core.gateway.transmit().is_empty()
            && self.venue.output(line.id).is_empty()
    }

    /// Time passes, for the core and for the venue.
    pub fn pass(&mut self, ns: u64) -> Check {
        self.now += ns;
        self.venue.step(self.now);
        self.core.pass(self.now)?;
        self.accounted()
    }

    /// Connects where that is needed, and waits until the session is ready and everything has been said.
    pub fn recover(&mut self) -> Check {
        if self.line.is_none() {
            self.connect();
        }
        for _ in 0..40 {
            self.flow(Bytes::ALL)?;
            if self.core.is_ready() {
                return Ok(());
            }
            self.pass(100 * MS)?;
        }
        Err("the session does not become ready".into())
    }

    // ---- what holds ----

    /// A request that reached the venue was decided by the engine for this very connection, after the ones before it; none comes twice.
    fn is_decided(&mut self, number: u32, ask: Ask) -> Check {
        let found = self.decisions[self.seen..].iter().position(|d| *d == (number, ask));
        let Some(found) = found else {
            return Err(format!("sent without a decision for connection {number}: {ask:?}"));
        };
        self.seen += found + 1;
        if ask.introduces() && !self.on_wire.insert(ask.token) {
            return Err(format!("token {} reached the venue twice", ask.token));
        }
        Ok(())
    }

    /// What the engine holds and has reserved covers what the venue has traded and may still trade, whatever is unknown.
    fn covers(&self) -> Check {
        if !self.core.knows {
            return Ok(());
        }
        let venue = self.venue.account("user01").expect("an account");
        for (k, name) in (0..).zip(SYMBOLS) {
            let (id, name) = (InstrumentId(k), symbol(name));
            let exposure = self.core.engine.orders().exposure(id);
            let ours = self.core.engine.positions().of(id).shares;
            let theirs = venue.positions.get(&name).copied().unwrap_or(0);
            let open = |side: Side| -> i64 {
                let orders = venue.live_orders.iter().filter(|o| o.symbol == name && o.side == side);
                orders.map(|o| i64::from(o.open.0)).sum()
            };
            let most = (ours + exposure.buy as i64, theirs + open(Side::Buy));
            let least = (ours - exposure.sell as i64, theirs - open(Side::Sell));
            if most.0 < most.1 || least.0 > least.1 {
                return Err(format!("{name}: reserved up to {least:?} to {most:?} (ours, the venue's)"));
            }
        }
        Ok(())
    }

    /// At rest: live orders, positions and cash are the venue's, and nothing is unknown.
    pub fn agrees(&self) -> Check {
        if let Some(why) = self.core.engine.halted() {
            return Err(format!("trading is halted: {why:?}"));
        }
        let unclear = self.core.unclear();
        if !unclear.is_empty() {
            return Err(format!("not settled: {unclear:?}"));
        }
        let venue = self.venue.account("user01").expect("an account");
        let theirs: Vec<Living> = venue
            .live_orders
            .iter()
            .map(|o| Living {
                token: o.number,
                symbol: o.symbol,
                buys: o.side == Side::Buy,
                px: o.px.0,
                open: o.open.0,
                spent: o.spent.0,
            })
            .collect();
        let ours = self.core.living();
        if ours != theirs {
            return Err(format!("live orders: ours {ours:?}, the venue's {theirs:?}"));
        }
        let mut cash = 0;
        for (k, name) in (0..).zip(SYMBOLS) {
            let p = self.core.engine.positions().of(InstrumentId(k));
            cash += i128::from(p.cash.0);
            let theirs = venue.positions.get(&symbol(name)).copied().unwrap_or(0);
            if p.shares != theirs {
                return Err(format!("{name}: position {}, the venue's {theirs}", p.shares));
            }
        }
        if cash != venue.cash_e4 {
            return Err(format!("cash {cash}, the venue's {}", venue.cash_e4));
        }
        Ok(())
    }

    /// Recovers, and then one new order, away from the market, lives: the session works, and what only a later token settles is settled.
    pub fn comes_to_rest(&mut self) -> Check {
        self.recover()?;
        while self.core.unclear().iter().any(|(_, state)| *state == OrderState::Waiting) {
            self.pass(50 * MS)?;
            self.flow(Bytes::ALL)?;
        }
        self.pass(if self.slow { 100 * MS } else { 0 })?;
        self.want(&[buy(1, MID - 50_000)])?;
        let token = self.highest;
        self.flow(Bytes::ALL)?;
        self.agrees()?;
        if !self.core.living().iter().any(|o| o.token == token) {
            return Err(format!("order {token} was taken by the session and is not live"));
        }
        Ok(())
    }
}

fn read(venue: &mut Venue, client: &mut Client) {
    let bytes = venue.output(client.id).to_vec();
    venue.written(client.id, bytes.len());
    client.receive(&bytes);
    client.reports.clear();
}

pub fn new(side: Side, qty: u32, px: i64, tif: Tif) -> Intent {
    Intent::New { instrument: InstrumentId(0), side, qty: Qty(qty), px: Px(px), tif }
}

pub fn buy(qty: u32, px: i64) -> Intent {
    new(Side::Buy, qty, px, Tif::Day)
}

pub fn sell(qty: u32, px: i64) -> Intent {
    new(Side::Sell, qty, px, Tif::Day)
}

pub fn order(token: u32) -> engine::OrderId {
    engine::OrderId(Token(token))
}
