//! What stands at a place of a core's journal: what restrains trading, tokens, sessions, open orders, positions and the last trades, as the records up to there tell it.
//!
//! ```text
//!   records ----- fold -----> Standing ---- every so often ----> run-NNNNNN/standing    (written beside, synced, renamed)
//!                                                                       |
//!   the next start:   standing + the records behind its place ----------+----> the same Standing
//!                     else every record of the run  -----------------------> the same Standing, later
//! ```
//!
//! A start needs it for what no venue tells: that trading was halted, and why, outlives the process that was halted. Orders and trades the venue's own replay tells, and that counts; what
//! is here of them is what a person compares with. The cold thread makes it from the journal as any reader could; the hot thread does nothing for it.
//!
//! # Invariants
//!
//! * A standing is a function of the records before its place, and of nothing else: read from the file or from all records, it is the same (`tests/restart.rs`).
//! * The file is bound to run, configuration, log, segment, place and index, and to its own bytes by a checksum. What does not fit is not used, and the records are read instead.
//! * What is read at a start is bounded by [`EVERY_RECORDS`] and [`EVERY`], not by the day.

mod file;
mod restraint;

use std::collections::{BTreeMap, VecDeque};

use engine::Alarm;
use model::{
    CommandKind, Control, ExecutionReport, GatewayId, InstrumentId, Nanos, OrderCommand, ReportKind,
    SessionEvent, Side,
};
use serde::{Deserialize, Serialize};

pub use self::file::{Before, Keeping, StandingError, before, of_all, of_run};
pub use self::restraint::Restraint;
use super::Record;

/// Records between two standings on the disk, at the least.
pub const EVERY_RECORDS: u64 = 1 << 16;
/// And time between them.
pub const EVERY: Nanos = Nanos::from_millis(1_000);
/// Trades that are remembered, for those that are broken or corrected: as many as the engine does.
const TRADES_MAX: usize = 16_384;

/// A session of order entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The number of its last message; 0 before the first.
    pub heard: u64,
    /// Whether it stands.
    pub ready: bool,
}

/// An order that may be open at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Of which instrument, by its number in the run's configuration.
    pub instrument: u16,
    /// Whether it sells.
    pub is_sell: bool,
    /// 1e-4 USD.
    pub px: i64,
    /// Shares that may still trade.
    pub shares: u32,
    /// Whether the venue has said that it has it.
    pub is_known: bool,
    /// A replace under way: its token, shares and price.
    pub replace: Option<(u32, u32, i64)>,
}

/// What is held of an instrument by the trades heard, without what the day began with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Shares; negative when short.
    pub shares: i64,
    /// What they brought less what they cost, 1e-4 USD, before fees.
    pub cash: i64,
    /// Trades.
    pub trades: u64,
}

/// A trade: gateway, token, match number, instrument, signed shares, price in 1e-4 USD.
type Trade = (u8, u32, u64, u16, i64, i64);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Records that it was made of.
    pub records: u64,
    /// The time of the last input, ns since the Unix epoch.
    pub now_ns: u64,
    /// Whether the run ended in order.
    pub ended: bool,
    /// Where the tokens granted end.
    pub tokens_end: u32,
    /// The highest token that was sent.
    pub token_sent: u32,
    /// What restrains trading.
    pub restraint: Restraint,
    /// The day's best P&L as far as the journal has it, 1e-4 USD: what a drawdown is counted from.
    pub best: Option<i64>,
    /// Sessions by gateway.
    pub sessions: BTreeMap<u8, Session>,
    /// Orders by gateway and token.
    #[serde(with = "pairs")]
    pub orders: BTreeMap<(u8, u32), Open>,
    /// Positions by instrument, by its number in the run's configuration.
    pub held: BTreeMap<u16, Held>,
    /// Trades of orders that nothing was known of.
    pub strange_trades: u64,
    /// The last trades, the oldest first.
    trades: VecDeque<Trade>,
}

/// A map whose keys are no strings, as pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Open;

    type Orders = BTreeMap<(u8, u32), Open>;

    pub(super) fn serialize<S: Serializer>(map: &Orders, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Orders, D::Error> {
        Vec::<((u8, u32), Open)>::deserialize(from).map(|pairs| pairs.into_iter().collect())
    }
}

impl Standing {
    /// Takes the next record of the journal.
    pub fn on_record(&mut self, record: &Record) {
        self.records += 1;
        if let Some(now) = record.now() {
            self.now_ns = now.0;
        }
        self.restraint.on_record(record);
        match *record {
            Record::Command(ref command) => self.on_command(command),
            Record::Report { ref report, .. } => self.on_report(report),
            Record::Session { gateway, event, .. } => self.on_session(gateway, event),
            Record::Control { control: Control::Tokens { end, .. }, .. } => {
                self.tokens_end = self.tokens_end.max(end.0);
            }
            Record::Control { control: Control::WriteOff { token }, .. } => {
                self.orders.retain(|(_, t), _| *t != token.0);
            }
            Record::Control { control: Control::NeverSent { token }, .. } => {
                self.orders.retain(|(_, t), o| *t != token.0 || o.is_known);
                self.orders.values_mut().for_each(|o| {
                    o.replace = o.replace.filter(|(new, ..)| *new != token.0);
                });
            }
            Record::Alarm(Alarm::Best { pnl }) | Record::Control { control: Control::Best { pnl }, .. } => {
                self.best = Some(pnl.0);
            }
            Record::End { .. } => self.ended = true,
            _ => {}
        }
    }

    /// Takes a record that this version cannot read: it counts, and says nothing.
    pub fn on_unknown(&mut self) {
        self.records += 1;
    }

    fn on_command(&mut self, c: &OrderCommand) {
        self.token_sent = self.token_sent.max(c.token().0);
        let gateway = c.gateway.0;
        match c.kind {
            CommandKind::New { token, side, qty, px, .. } => {
                let instrument = c.instrument.0;
                let (is_sell, px, shares) = (side == Side::Sell, px.0, qty.0);
                let open = Open { instrument, is_sell, px, shares, is_known: false, replace: None };
                self.orders.insert((gateway, token.0), open);
            }
            CommandKind::Replace { old, token, qty, px, .. } => {
                if let Some(open) = self.orders.get_mut(&(gateway, old.0)) {
                    open.replace = Some((token.0, qty.0, px.0));
                }
            }
            CommandKind::Cancel { .. } | CommandKind::Port { .. } => {}
        }
    }

    fn on_report(&mut self, r: &ExecutionReport) {
        let session = self.sessions.entry(r.gateway.0).or_default();
        if r.seq <= session.heard {
            return;
        }
        session.heard = r.seq;
        let key = (r.gateway.0, r.token.0);
        match r.kind {
            ReportKind::Accepted { px, qty, side, instrument, dead, .. } => {
                let known = self.orders.get(&key).map(|o| o.instrument);
                match instrument.map(|id| id.0).or(known).filter(|_| !dead) {
                    Some(instrument) => {
                        let is_sell = side == Side::Sell;
                        let replace = self.orders.get(&key).and_then(|o| o.replace);
                        let (px, shares) = (px.0, qty.0);
                        let open = Open { instrument, is_sell, px, shares, is_known: true, replace };
                        self.orders.insert(key, open);
                    }
                    None => drop(self.orders.remove(&key)),
                }
            }
            ReportKind::Replaced { old, px, qty, dead, .. } => {
                let was = self.orders.remove(&(r.gateway.0, old.0));
                if let Some(was) = was.filter(|_| !dead) {
                    let open = Open { px: px.0, shares: qty.0, is_known: true, replace: None, ..was };
                    self.orders.insert(key, open);
                }
            }
            ReportKind::Canceled { qty, .. } => self.take(key, qty.0),
            ReportKind::Executed { qty, px, match_number, .. } => {
                match self.orders.get(&key).map(|o| (o.instrument, o.is_sell)) {
                    Some((instrument, is_sell)) => {
                        let shares = if is_sell { -i64::from(qty.0) } else { i64::from(qty.0) };
                        self.trade((key.0, key.1, match_number, instrument, shares, px.0));
                    }
                    None => self.strange_trades += 1,
                }
                self.take(key, qty.0);
            }
            ReportKind::Rejected { .. } => {
                if self.orders.get(&key).is_some_and(|o| !o.is_known) {
                    self.orders.remove(&key);
                }
                let of_token =
                    self.orders.values_mut().filter(|o| o.replace.is_some_and(|(t, ..)| t == key.1));
                of_token.for_each(|o| o.replace = None);
            }
            ReportKind::Modified { qty, .. } => {
                if let Some(open) = self.orders.get_mut(&key) {
                    open.shares = qty.0;
                }
            }
            ReportKind::Reprioritised { px, .. } => {
                if let Some(open) = self.orders.get_mut(&key) {
                    open.px = px.0;
                }
            }
            ReportKind::Broken { match_number, .. } => {
                if let Some(was) = self.forget((key.0, key.1, match_number)) {
                    self.book(&(was.0, was.1, was.2, was.3, -was.4, was.5), -1);
                }
            }
            ReportKind::Corrected { match_number, qty, px, .. } => {
                if let Some(was) = self.forget((key.0, key.1, match_number)) {
                    self.book(&(was.0, was.1, was.2, was.3, -was.4, was.5), -1);
                    self.trade((was.0, was.1, was.2, was.3, was.4.signum() * i64::from(qty.0), px.0));
                }
            }
            ReportKind::CancelPending
            | ReportKind::CancelRejected
            | ReportKind::Restated { .. }
            | ReportKind::System { .. } => {}
        }
    }

    fn on_session(&mut self, gateway: GatewayId, event: SessionEvent) {
        let session = self.sessions.entry(gateway.0).or_default();
        match event {
            SessionEvent::Ready { .. } => session.ready = true,
            // They count from 1 again.
            SessionEvent::NewSession | SessionEvent::EndOfSession => *session = Session::default(),
            SessionEvent::LoggedIn | SessionEvent::Disconnected | SessionEvent::LoginRejected { .. } => {
                session.ready = false;
            }
            SessionEvent::Doubt => {}
        }
    }

    /// Takes shares off an order; one with none left is gone.
    fn take(&mut self, key: (u8, u32), shares: u32) {
        if let Some(open) = self.orders.get_mut(&key) {
            open.shares = open.shares.saturating_sub(shares);
            if open.shares == 0 {
                self.orders.remove(&key);
            }
        }
    }

    fn trade(&mut self, trade: Trade) {
        self.book(&trade, 1);
        if self.trades.len() == TRADES_MAX {
            self.trades.pop_front();
        }
        self.trades.push_back(trade);
    }

    fn book(&mut self, &(_, _, _, instrument, shares, px): &Trade, trades: i64) {
        let held = self.held.entry(instrument).or_default();
        held.shares = held.shares.saturating_add(shares);
        held.cash = held.cash.saturating_sub(shares.saturating_mul(px));
        held.trades = held.trades.saturating_add_signed(trades);
    }

    fn forget(&mut self, key: (u8, u32, u64)) -> Option<Trade> {
        let at = self.trades.iter().rposition(|t| (t.0, t.1, t.2) == key)?;
        self.trades.remove(at)
    }

    /// Shares held of an instrument by the trades heard.
    #[must_use]
    pub fn shares(&self, id: InstrumentId) -> i64 {
        self.held.get(&id.0).map_or(0, |h| h.shares)
    }

    /// When its last input was.
    #[must_use]
    pub const fn now(&self) -> Nanos {
        Nanos(self.now_ns)
    }
}
