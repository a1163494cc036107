//! Our state against the venue's: positions, cash, fills, and that nothing is open.
//!
//! Two sources of truth. The embedded venue's own ledger (demo): it shares no code with us. Any other venue: its sequenced stream read again from
//! message 1 over a fresh login after the core has ended, and added up here without the engine.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use gateways::gateway::{Notice, ReportSink};
use model::{
    ExecutionReport, GatewayId, Instrument, InstrumentId, Nanos, ReportKind, SessionEvent, Side, Token,
};
use net::Received;

use crate::agents::RestReader;
use crate::clock::Clock;
use crate::config;
use crate::core::RunReport;
use crate::exchange::AccountView;
use crate::order_protocol::{Configured, Dial, OrderProtocol, each_order_protocol};

/// How long a venue may take to repeat its stream.
const PATIENCE: Duration = Duration::from_secs(20);

/// One side's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Shares held, by symbol; symbols never traded may be absent.
    pub positions: BTreeMap<String, i64>,
    /// Cash flow, 1e-4 USD.
    pub cash: i128,
    /// Fills.
    pub fills: u64,
    /// Shares traded.
    pub shares: u64,
    /// Orders open.
    pub open: u64,
}

impl Figures {
    /// Ours.
    #[must_use]
    pub fn ours(r: &RunReport) -> Figures {
        Figures {
            // What was held as the day began is in nobody's stream, and a trade that was broken in nobody's figures.
            positions: r.positions.iter().map(|(s, p)| (s.clone(), p.shares - p.opening_shares)).collect(),
            cash: r.positions.values().map(|p| i128::from(p.cash.0)).sum(),
            fills: r.positions.values().map(|p| p.fills).sum(),
            shares: r.positions.values().map(|p| p.bought + p.sold).sum(),
            open: r.open_orders as u64,
        }
    }

    /// An embedded venue's, over its accounts.
    #[must_use]
    pub fn of_accounts(accounts: &[AccountView]) -> Figures {
        let mut f = Figures::default();
        for a in accounts {
            for (symbol, shares) in &a.positions {
                *f.positions.entry(symbol.to_string()).or_default() += shares;
            }
            f.cash += a.cash_e4;
            f.fills += a.counts.fills;
            f.shares += a.counts.shares;
            f.open += a.live_orders.len() as u64;
        }
        f
    }

    /// Adds another gateway's.
    pub fn add(&mut self, other: &Figures) {
        for (s, v) in &other.positions {
            *self.positions.entry(s.clone()).or_default() += v;
        }
        self.cash += other.cash;
        self.fills += other.fills;
        self.shares += other.shares;
        self.open += other.open;
    }
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is the same.
    Equal(Figures),
    /// Something is not; each in a sentence.
    Different(Vec<String>),
    /// The venue could not be asked.
    Unknown(String),
    /// A drop copy was heard: others go on trading meanwhile, and two journals are what can be compared.
    Others,
}

impl Verdict {
    /// Compares.
    #[must_use]
    pub fn of(ours: &Figures, venue: &Figures) -> Verdict {
        let mut d = Vec::new();
        let mut compare = |what: String, a: i128, b: i128| {
            if a != b {
                d.push(format!("{what}: ours {a}, venue {b}"));
            }
        };
        for symbol in
            ours.positions.keys().chain(venue.positions.keys()).collect::<std::collections::BTreeSet<_>>()
        {
            let at = |f: &Figures| f.positions.get(symbol).copied().unwrap_or(0).into();
            compare(format!("position {symbol}"), at(ours), at(venue));
        }
        compare("cash, 1e-4 USD".into(), ours.cash, venue.cash);
        compare("fills".into(), ours.fills.into(), venue.fills.into());
        compare("shares".into(), ours.shares.into(), venue.shares.into());
        compare("open orders".into(), ours.open.into(), venue.open.into());
        if d.is_empty() { Verdict::Equal(venue.clone()) } else { Verdict::Different(d) }
    }

    /// Whether it is all the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        matches!(self, Verdict::Equal(_))
    }

    /// Orders that are open on both sides: equal, and yet not what a run that has ended in order leaves behind.
    #[must_use]
    pub fn left_open(&self) -> u64 {
        match self {
            Verdict::Equal(v) => v.open,
            Verdict::Different(_) | Verdict::Unknown(_) | Verdict::Others => 0,
        }
    }

    /// What differs, in sentences.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        match self {
            Verdict::Equal(_) | Verdict::Others => Vec::new(),
            Verdict::Different(d) => d.clone(),
            Verdict::Unknown(why) => vec![why.clone()],
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Equal(v) => {
                match v.open {
                    0 => write!(f, "ok: no order is open, ")?,
                    1 => write!(f, "ORDERS LEFT OPEN: 1 order lives on at the venue; ")?,
                    n => write!(f, "ORDERS LEFT OPEN: {n} orders live on at the venue; ")?,
                }
                write!(f, "{} fills, {} shares and every position equal the venue's", v.fills, v.shares)
            }
            Verdict::Different(d) => write!(f, "NOT RECONCILED: {}", d.join("; ")),
            Verdict::Unknown(why) => write!(f, "NOT RECONCILED: {why}"),
            Verdict::Others => f.write_str("a drop copy: `colo dropcopy` compares it"),
        }
    }
}

macro_rules! by_protocol {
    ($($name:ident $word:literal $gateway:ty, $link:ty;)*) => {
        /// Reads a gateway's stream again from its first message and adds it up; of a venue that has lists instead, from midnight UTC before `began` on, when the run began.
        ///
        /// # Errors
        /// In words, when the venue cannot be reached, refuses the login or does not finish in time.
        pub fn from_stream(
            g: &config::Gateway,
            id: GatewayId,
            instruments: &[Instrument],
            began: Nanos,
        ) -> Result<Figures, String> {
            match g.protocol {
                $(OrderProtocol::$name => read_again::<$gateway, $link>(g, id, instruments),)*
                OrderProtocol::RestWs => read_rest(g, id, instruments, began),
            }
        }
    };
}
each_order_protocol! { by_protocol }

fn read_again<G: Configured, L: Dial>(
    g: &config::Gateway,
    id: GatewayId,
    instruments: &[Instrument],
) -> Result<Figures, String> {
    let clock = Clock::new();
    let mut gateway = G::configured(g, id, instruments).map_err(|e| e.to_string())?;
    // By the kernel in any case: nothing hurries here.
    let mut link = L::start(g, &mut None).map_err(|e| e.to_string())?;
    let mut ledger = Ledger::new(instruments);
    let started = Instant::now();
    let mut up = false;
    while !ledger.done {
        if started.elapsed() > PATIENCE {
            return Err(format!("gateway {}: the venue did not repeat its stream in time", g.id));
        }
        let now = clock.now();
        if !up {
            up = link.poll_connected().map_err(|e| e.to_string())?;
            if up {
                gateway.on_connected(now);
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
            continue;
        }
        let n = link.send(gateway.transmit()).map_err(|e| e.to_string())?;
        gateway.transmitted(n);
        let outcome = match link.recv(gateway.recv_space()).map_err(|e| e.to_string())? {
            Received::Data(n) => gateway.on_received(now, n, &mut ledger),
            Received::Nothing => {
                std::thread::sleep(Duration::from_millis(1));
                gateway.on_timeout(now, &mut ledger)
            }
            Received::Closed => return Err(format!("gateway {}: the venue closed the connection", g.id)),
        };
        outcome.map_err(|e| format!("gateway {}: {e}", g.id))?;
        if let Some(why) = &ledger.failure {
            return Err(format!("gateway {}: {why}", g.id));
        }
    }
    gateway.logout(clock.now());
    let _ = link.send(gateway.transmit());
    Ok(ledger.figures())
}

/// The same of a venue with API keys: its lists of orders and trades.
fn read_rest(
    g: &config::Gateway,
    id: GatewayId,
    instruments: &[Instrument],
    began: Nanos,
) -> Result<Figures, String> {
    let named = |why: String| format!("gateway {}: {why}", g.id);
    let venue = g.rest.as_ref().ok_or_else(|| named("it has no `rest`".into()))?;
    let clock = Clock::new();
    let mut reader = RestReader::open(id, venue, instruments, began).map_err(named)?;
    let mut ledger = Ledger::new(instruments);
    let started = Instant::now();
    while !ledger.done {
        if started.elapsed() > PATIENCE {
            return Err(named("the venue did not repeat its day in time".into()));
        }
        reader.turn(clock.now(), &mut ledger);
        if let Some(why) = &ledger.failure {
            return Err(named(why.clone()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(ledger.figures())
}

/// An order as the stream tells it.
struct Entry {
    symbol: Option<InstrumentId>,
    side: Side,
    open: u32,
}

/// Adds up a stream: deliberately plain, and nothing of the engine's.
pub(crate) struct Ledger {
    symbols: Vec<String>,
    orders: BTreeMap<Token, Entry>,
    fills: Vec<(u64, Token, u32, i64)>,
    done: bool,
    failure: Option<String>,
}

impl Ledger {
    pub(crate) fn new(instruments: &[Instrument]) -> Ledger {
        Ledger {
            symbols: instruments.iter().map(|i| i.symbol.to_string()).collect(),
            orders: BTreeMap::new(),
            fills: Vec::new(),
            done: false,
            failure: None,
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        let mut f = Figures::default();
        for (_, token, qty, px) in &self.fills {
            let Some(order) = self.orders.get(token) else { continue };
            let Some(symbol) = order.symbol.and_then(|s| self.symbols.get(s.index())) else { continue };
            let sign = order.side.sign();
            *f.positions.entry(symbol.clone()).or_default() += sign * i64::from(*qty);
            f.cash -= i128::from(sign) * i128::from(*px) * i128::from(*qty);
            f.fills += 1;
            f.shares += u64::from(*qty);
        }
        f.open = self.orders.values().filter(|o| o.open > 0).count() as u64;
        f
    }
}

impl Ledger {
    /// One fill by its trade's number. Both sides of a trade with ourselves have it, and each is broken or corrected by a report of its own; of a chain the
    /// report may name another token than the fill did.
    fn place_of(&self, token: Token, match_number: u64) -> Option<usize> {
        let by_token = self.fills.iter().position(|(m, t, ..)| (*m, *t) == (match_number, token));
        by_token.or_else(|| self.fills.iter().position(|(m, ..)| *m == match_number))
    }
}

impl ReportSink for Ledger {
    fn report(&mut self, r: ExecutionReport) {
        match r.kind {
            ReportKind::Accepted { qty, side, instrument, dead, .. } => {
                let open = if dead { 0 } else { qty.0 };
                self.orders.insert(r.token, Entry { symbol: instrument, side, open });
            }
            ReportKind::Replaced { old, qty, dead, .. } => {
                if let Some(o) = self.orders.get_mut(&old) {
                    o.open = 0;
                    let (symbol, side) = (o.symbol, o.side);
                    let open = if dead { 0 } else { qty.0 };
                    self.orders.insert(r.token, Entry { symbol, side, open });
                }
            }
            ReportKind::Executed { qty, px, match_number, .. } => {
                self.fills.push((match_number, r.token, qty.0, px.0));
                if let Some(o) = self.orders.get_mut(&r.token) {
                    o.open = o.open.saturating_sub(qty.0);
                }
            }
            ReportKind::Canceled { qty, .. } => {
                if let Some(o) = self.orders.get_mut(&r.token) {
                    o.open = o.open.saturating_sub(qty.0);
                }
            }
            ReportKind::Modified { qty, .. } => {
                if let Some(o) = self.orders.get_mut(&r.token) {
                    o.open = qty.0;
                }
            }
            ReportKind::Broken { match_number, .. } => {
                if let Some(k) = self.place_of(r.token, match_number) {
                    self.fills.remove(k);
                }
            }
            ReportKind::Corrected { match_number, qty, px, .. } => {
                if let Some(k) = self.place_of(r.token, match_number) {
                    (self.fills[k].2, self.fills[k].3) = (qty.0, px.0);
                }
            }
            _ => {}
        }
    }

    fn session(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Ready { .. } => self.done = true,
            SessionEvent::LoginRejected { code } => {
                self.failure = Some(format!("the venue refused the login ({})", code as char));
            }
            SessionEvent::EndOfSession => self.done = true,
            _ => {}
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Undecodable { seq, .. } => {
                self.failure = Some(format!("message {seq} of the venue is not understood"));
            }
            Notice::Lost { from, to } => {
                self.failure = Some(format!("messages {from} to {to} of the venue are lost"));
            }
            _ => {}
        }
    }

    fn has_room(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(position: i64, cash: i128) -> Figures {
        Figures { positions: [("A".to_string(), position)].into(), cash, fills: 1, shares: 1, open: 0 }
    }

    #[test]
    fn every_difference_is_named() {
        assert!(Verdict::of(&figures(5, 7), &figures(5, 7)).is_equal());
        let v = Verdict::of(&figures(5, 7), &figures(6, 8));
        assert_eq!(v.differences(), ["position A: ours 5, venue 6", "cash, 1e-4 USD: ours 7, venue 8"]);
        // A symbol that one side never traded is flat there.
        let none = Figures { positions: BTreeMap::new(), ..figures(0, 7) };
        assert!(Verdict::of(&figures(0, 7), &none).is_equal());
        assert!(!Verdict::of(&none, &figures(1, 7)).is_equal());
    }

    #[test]
    fn orders_left_open_are_equal_and_not_well() {
        let open = |n| Figures { open: n, ..figures(5, 7) };
        let flat = Verdict::of(&open(0), &open(0));
        assert_eq!((flat.left_open(), flat.to_string().starts_with("ok: ")), (0, true));
        let left = Verdict::of(&open(3), &open(3));
        assert_eq!((left.is_equal(), left.left_open()), (true, 3));
        assert_eq!(
            left.to_string(),
            "ORDERS LEFT OPEN: 3 orders live on at the venue; 1 fills, 1 shares and every position equal the venue's"
        );
        assert_eq!(Verdict::of(&open(3), &open(0)).left_open(), 0, "that is a difference");
    }

    #[test]
    fn each_side_of_a_trade_with_ourselves_is_broken_by_its_own_report() {
        let id = InstrumentId(0);
        let symbol = model::Symbol::new("A").unwrap();
        let mut ledger =
            Ledger::new(&[Instrument { id, symbol, feed: model::FeedId(0), gateway: GatewayId(0) }]);
        let say = |ledger: &mut Ledger, token, kind| {
            let (ts_event, token) = (Nanos(0), Token(token));
            ledger.report(ExecutionReport { ts_event, seq: 0, token, gateway: GatewayId(0), kind });
        };
        let (order, px, short, instrument) = (model::VenueRef(1), model::Px(10), false, Some(id));
        let qty = model::Qty;
        for (token, side) in [(1, Side::Buy), (2, Side::Sell)] {
            let kind =
                ReportKind::Accepted { order, px, qty: qty(100), side, short, instrument, dead: false };
            say(&mut ledger, token, kind);
            let kind = ReportKind::Executed { qty: qty(60), px, match_number: 41, liquidity: b'A' };
            say(&mut ledger, token, kind);
        }
        say(&mut ledger, 3, ReportKind::Replaced { old: Token(1), order, px, qty: qty(40), dead: false });
        let broken = ReportKind::Broken { match_number: 41, reason: b'E' };
        let figures = |ledger: &Ledger| {
            let f = ledger.figures();
            (f.positions.get("A").copied(), f.cash, f.fills)
        };
        assert_eq!(figures(&ledger), (Some(0), 0, 2));
        say(&mut ledger, 2, broken);
        assert_eq!(figures(&ledger), (Some(60), -600, 1), "the sell is void, the buy not yet");
        let (px, liquidity, reason) = (model::Px(11), b'A', b'E');
        let corrected = ReportKind::Corrected { match_number: 41, qty: qty(50), px, liquidity, reason };
        say(&mut ledger, 3, corrected);
        assert_eq!(figures(&ledger), (Some(50), -550, 1), "the buy is of other shares at another price");
        say(&mut ledger, 3, broken);
        assert_eq!(figures(&ledger), (None, 0, 0), "found by its number, under the chain's later token");
        say(&mut ledger, 3, broken);
        assert_eq!(figures(&ledger), (None, 0, 0));
    }
}
