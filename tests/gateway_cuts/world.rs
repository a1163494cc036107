//! The core, the venue, and what is between them; the checks that hold at every step, and those at rest.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use colo::agents::Farewell;
use colo::exchange::codec::Protocol;
use colo::exchange::{Venue, VenueConfig};
use engine::OrderState;
use engine::strategy::Intent;
use model::{Control, InstrumentId, Px, Qty, Side, Tif, Token};

use crate::agent::{Hands, Wire, lock};
use crate::core::{Core, Lie, Living, MID, SYMBOLS, Start};
use crate::exchange_support::client::{self, Client};
use crate::exchange_support::{MORNING, MS, config, symbol};
use crate::line::{Ask, Line, Spoken, number_of};
use crate::misbehaviour::Script;

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
    start: Start,
    wire: Arc<Mutex<Wire>>,
    run: u32,
    connections: u32,
    /// Connections of earlier runs.
    of_earlier: u32,
    /// Of the venue's side, cut and not noticed by it.
    unnoticed: Vec<u64>,
    /// The gateway's thread stands still: what is approved stays in the ring, and what the venue says on the line.
    pub stalled: bool,
    /// What its gateway was told of the end of this run.
    farewell: Farewell,
    /// The venue misbehaves, so the gateway may have reason to let go of the line.
    may_hang_up: bool,
    /// Nothing happens at the venue that a core could not know of in time.
    must_cover: bool,
    /// There may be fills of orders that were gone: a core halts at them and leaves them to a person.
    late_fills: bool,
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
    /// A venue that is open and does as its script says, and a core that has not connected yet.
    pub fn new(spoken: Spoken, port: Port, lie: Option<Lie>, slow: bool, script: Script) -> World {
        let may_hang_up = !script.steps.is_empty();
        let mut config = VenueConfig {
            cancel_on_disconnect: port != Port::Keeps,
            lines: Vec::new(),
            script: script.steps,
            ..config()
        };
        config.accounts[0].rules.protocol = match spoken {
            Spoken::Ouch50 => Protocol::Ouch50,
            Spoken::Ouch42 => Protocol::Ouch42,
        };
        let mut venue = Venue::new(config, MORNING);
        let mut other = Client::new(venue.connect(MORNING));
        venue.on_client_bytes(MORNING, other.id, &client::login("user02", "pass", "", "1"));
        read(&mut venue, &mut other);
        let wire = Arc::new(Mutex::new(Wire::default()));
        let start = Start { spoken, lie, slow, hands: Hands::at(MORNING), wire: Arc::clone(&wire) };
        World {
            venue,
            now: MORNING,
            core: Core::start(0, MORNING, &start),
            line: None,
            port,
            start,
            wire,
            run: 0,
            connections: 0,
            of_earlier: 0,
            unnoticed: Vec::new(),
            stalled: false,
            farewell: Farewell::Stay,
            may_hang_up,
            late_fills: script.fills_late,
            must_cover: !script.surprises && !script.misleads,
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

    /// The process is about to end.
    pub fn take_leave(&mut self, farewell: Farewell) {
        self.farewell = farewell;
        self.core.gateway.ending.raise(farewell);
    }

    /// Whether it was told so.
    pub fn is_about_to_end(&self) -> bool {
        self.farewell != Farewell::Stay
    }

    /// Notes what the engine has decided, for the connection that it believes in.
    pub fn accounted(&mut self) -> Check {
        let connection = self.of_earlier + self.core.epoch + 1;
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
        let heard = self.core.hear()?;
        if heard {
            self.accounted()?;
            self.covers()?;
        }
        Ok(heard)
    }

    /// The engine hears all that has come up.
    pub fn think(&mut self) -> Check {
        while self.hear()? {}
        Ok(())
    }

    /// One duty cycle of the gateway's thread: it takes what is in its ring, and moves at most so many bytes; how many it did.
    pub fn cycle(&mut self, leave: usize, back: usize) -> Result<(usize, usize), String> {
        if self.stalled {
            return Ok((0, 0));
        }
        let moved = self.core.cycle(leave, back);
        if self.line.is_some() && lock(&self.wire).is_dropped {
            self.hung_up()?;
        }
        Ok(moved)
    }

    /// The process is killed; the next one knows nothing but which tokens are its own.
    pub fn restart(&mut self) {
        self.run += 1;
        self.farewell = Farewell::Stay;
        self.of_earlier = self.connections;
        self.core = Core::start(self.run, self.now, &self.start);
    }

    // ---- the wire ----

    /// Waits until the gateway calls, and takes the call. It may have no wish to: to end, or because nothing that it says is heard.
    pub fn connect(&mut self) -> Check {
        self.stalled = false;
        for wait in [0, 50, 100, 200, 400, 800, 1_600, 3_200] {
            self.pass(wait * MS)?;
            if std::mem::take(&mut lock(&self.wire).rings) {
                lock(&self.wire).is_open = true;
                self.connections += 1;
                let id = self.venue.connect(self.now);
                self.line = Some(Line::new(self.start.spoken, id, self.connections));
                self.cycle(0, 0)?;
                break;
            }
        }
        Ok(())
    }

    /// The connection is gone, with what is under way on it. The venue notices as its port is, the gateway in its next cycle.
    pub fn cut(&mut self) -> Check {
        let Some(line) = self.line.take() else { return Ok(()) };
        self.gone(&line);
        let mut wire = lock(&self.wire);
        wire.is_open = false;
        wire.up.clear();
        drop(wire);
        self.cycle(0, 0).map(drop)
    }

    /// The same, but what has left arrives first: the client has seen the cut before the venue has read all.
    pub fn cut_late(&mut self) -> Check {
        let line = self.line.take();
        lock(&self.wire).is_open = false;
        self.cycle(0, 0)?;
        self.line = line;
        self.reach(usize::MAX)?;
        self.cut()
    }

    fn gone(&mut self, line: &Line) {
        if self.port == Port::CancelsLate && !line.is_over {
            self.unnoticed.push(line.id);
        } else {
            self.venue.disconnect(self.now, line.id);
        }
    }

    /// The gateway has let go of the line; what had left arrives.
    fn hung_up(&mut self) -> Check {
        let has_reason = self.line.as_ref().is_some_and(|l| l.is_over) || self.farewell != Farewell::Stay;
        if !has_reason && !self.may_hang_up {
            return Err("the gateway hangs up".into());
        }
        self.reach(usize::MAX)?;
        if let Some(line) = self.line.take() {
            self.gone(&line);
        }
        Ok(())
    }

    /// The venue's kernel tells it of connections long gone.
    pub fn notice(&mut self) {
        for id in std::mem::take(&mut self.unnoticed) {
            self.venue.disconnect(self.now, id);
        }
    }

    /// Bytes go from the gateway's buffer to the wire.
    pub fn leave(&mut self, most: usize) -> Result<usize, String> {
        Ok(self.cycle(most, 0)?.0)
    }

    /// Bytes arrive at the venue.
    pub fn reach(&mut self, most: usize) -> Result<usize, String> {
        let Some(line) = &mut self.line else { return Ok(0) };
        let mut wire = lock(&self.wire);
        let n = wire.up.len().min(most);
        let bytes: Vec<u8> = wire.up.drain(..n).collect();
        drop(wire);
        if n > 0 && !line.is_over {
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

    /// Bytes go from the venue to the wire, and with the last of them word that there are no more.
    pub fn answer(&mut self) {
        let Some(line) = &mut self.line else { return };
        let mut wire = lock(&self.wire);
        let n = self.venue.output(line.id).len();
        wire.down.extend(self.venue.output(line.id));
        self.venue.written(line.id, n);
        if self.venue.is_over(line.id) && self.venue.output(line.id).is_empty() {
            (line.is_over, wire.is_ended) = (true, true);
        }
    }

    /// What has left the venue and has not arrived.
    pub fn under_way(&self) -> Vec<u8> {
        lock(&self.wire).down.iter().copied().collect()
    }

    /// Bytes arrive at the gateway.
    pub fn back(&mut self, most: usize) -> Result<usize, String> {
        Ok(self.cycle(0, most)?.1)
    }

    /// Everything moves until nothing does, within these bounds.
    pub fn flow(&mut self, most: Bytes) -> Result<Moved, String> {
        self.flow_to(most, true)
    }

    /// The line is cut and comes back, and the session is ready again, before the engine hears of any of it.
    pub fn blink(&mut self) -> Check {
        self.cut()?;
        self.connect()?;
        for _ in 0..3 {
            self.flow_to(Bytes::ALL, false)?;
            self.pass(100 * MS)?;
        }
        Ok(())
    }

    fn flow_to(&mut self, most: Bytes, is_heard: bool) -> Result<Moved, String> {
        let mut left = most;
        let mut moved = Moved::default();
        loop {
            if is_heard {
                self.think()?;
            }
            let leave = self.leave(left.leave)?;
            let reach = self.reach(left.reach)?;
            self.answer();
            let back = self.back(left.back)?;
            left = Bytes { leave: left.leave - leave, reach: left.reach - reach, back: left.back - back };
            moved.reached += reach;
            moved.came_back += back;
            if leave + reach + back == 0 {
                return Ok(moved);
            }
        }
    }

    /// Whether no byte waits or is under way.
    pub fn is_quiet(&mut self) -> Result<bool, String> {
        // What the gateway could not send is known after a cycle in which it tries.
        self.cycle(0, 0)?;
        let Some(line) = &self.line else { return Ok(true) };
        let wire = lock(&self.wire);
        let nothing_under_way = wire.up.is_empty() && wire.down.is_empty() && !wire.has_left_over();
        Ok(!self.stalled && nothing_under_way && self.venue.output(line.id).is_empty())
    }

    /// Time passes, for the core and for the venue.
    pub fn pass(&mut self, ns: u64) -> Check {
        self.now += ns;
        self.start.hands.turn(ns);
        self.venue.step(self.now);
        self.core.pass(self.now);
        self.accounted()?;
        self.cycle(0, 0).map(drop)
    }

    /// Connects where that is needed, and waits until the session is ready and everything has been said.
    pub fn recover(&mut self) -> Check {
        self.stalled = false;
        for _ in 0..40 {
            if self.line.is_none() {
                self.connect()?;
            }
            self.flow(Bytes::ALL)?;
            if self.core.is_ready() {
                return Ok(());
            }
            self.pass(100 * MS)?;
        }
        Err("the session does not become ready".into())
    }

    /// The process ends as it was told to, by itself; after a sweep nothing of it is open.
    pub fn winds_down(&mut self) -> Check {
        for _ in 0..100 {
            if self.core.gateway.is_done() {
                break;
            }
            if self.line.is_none() {
                self.connect()?;
            }
            self.flow(Bytes::ALL)?;
            self.pass(50 * MS)?;
        }
        if !self.core.gateway.is_done() {
            return Err("the gateway does not end".into());
        }
        if let Some(why) = self.core.gateway.failure() {
            return Err(why);
        }
        let live = self.venue.account("user01").expect("an account").live_orders;
        if self.farewell == Farewell::Sweep && !live.is_empty() {
            return Err(format!("swept, and yet {live:?}"));
        }
        self.cut()
    }

    // ---- what holds ----

    /// A request that reached the venue was decided by the engine for this very connection, after the ones before it; none comes twice.
    fn is_decided(&mut self, number: u32, ask: Ask) -> Check {
        // Without a mass cancel the gateway cancels each, and which ones the engine does not know.
        let asked = (number, b'C');
        if self.start.spoken == Spoken::Ouch42
            && ask.letter == b'X'
            && self.decisions.iter().any(|(n, d)| (*n, d.letter) == asked)
        {
            return Ok(());
        }
        // The sweep is the gateway's own.
        if self.farewell == Farewell::Sweep && matches!(ask.letter, b'C' | b'X') {
            let is_known = ask.letter == b'X' || self.on_wire.insert(ask.token);
            return if is_known {
                Ok(())
            } else {
                Err(format!("token {} is used again: {ask:?}", ask.token))
            };
        }
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
    pub fn covers(&self) -> Check {
        if !self.core.knows || !self.must_cover {
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
        let mut theirs: Vec<Living> = venue
            .live_orders
            .iter()
            .map(|o| Living {
                token: if self.start.spoken == Spoken::Ouch42 { number_of(&o.clordid) } else { o.number },
                symbol: o.symbol,
                buys: o.side == Side::Buy,
                px: o.px.0,
                open: o.open.0,
                spent: o.spent.0,
            })
            .collect();
        theirs.sort_unstable();
        let ours = self.core.living();
        if ours != theirs {
            return Err(format!("live orders: ours {ours:?}, the venue's {theirs:?}"));
        }
        if self.late_fills {
            return Ok(());
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
        self.pass(if self.start.slow { 100 * MS } else { 0 })?;
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
