//! What a run leaves behind: equity, fills, round trips, and how prices went on after each fill. Integers throughout; [`crate::metrics`] makes figures of them.

use std::collections::{HashMap, VecDeque};

use engine::strategy::Strategy;
use engine::{Engine, Order};
use model::{
    CommandKind, ExecutionReport, InstrumentId, MarketEvent, Nanos, OrderCommand, Px, Qty, ReportKind, Side,
    Token, Usd,
};

use crate::day::Watch;
use crate::spread::Spread;

/// How long after a fill its price is looked at again.
pub const HORIZONS: [Nanos; 6] = [
    Nanos::from_millis(1),
    Nanos::from_millis(10),
    Nanos::from_millis(100),
    Nanos::from_millis(1_000),
    Nanos::from_millis(10_000),
    Nanos::from_millis(60_000),
];

/// What was held and made at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, ns since the Unix epoch.
    pub at: Nanos,
    /// P&L at the marks after fees.
    pub pnl: Usd,
    /// Money that positions stand for, long and short added.
    pub gross: Usd,
    /// Money that positions stand for, long less short.
    pub net: Usd,
}

/// What a grain of a day made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grain {
    /// P&L that it added.
    pub profit: Usd,
    /// Money that positions stood for at its last mark; where it has none, as before it.
    pub gross: Usd,
}

/// One fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillRow {
    /// When the strategy knew.
    pub at: Nanos,
    /// When the venue traded.
    pub traded: Nanos,
    /// The order's token.
    pub token: Token,
    /// Of what.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: Side,
    /// Shares.
    pub qty: Qty,
    /// The price.
    pub px: Px,
    /// The venue's flag.
    pub liquidity: u8,
    /// Twice the middle of the book when the order was decided; 0 where there was none.
    pub decided_mid2: i64,
    /// Twice the middle of the book at each of [`HORIZONS`] behind the fill; 0 where there was none, or the day was over.
    pub later_mid2: [i64; HORIZONS.len()],
}

impl FillRow {
    /// What a share is worth so long after the fill, over what it was traded at: positive is good. 1e-4 USD, doubled; `None` where nobody knows.
    #[must_use]
    pub fn markout2(&self, horizon: usize) -> Option<i64> {
        let later = self.later_mid2[horizon];
        (later != 0).then(|| (later - 2 * self.px.0) * self.side.sign())
    }

    /// What a share cost over the middle that the order was decided at: positive is bad. 1e-4 USD, doubled.
    #[must_use]
    pub fn slippage2(&self) -> Option<i64> {
        (self.decided_mid2 != 0).then(|| (2 * self.px.0 - self.decided_mid2) * self.side.sign())
    }
}

/// Shares that were bought and sold again, or sold and bought back: first in, first out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// Of what.
    pub instrument: InstrumentId,
    /// How it began.
    pub side: Side,
    /// Shares.
    pub qty: Qty,
    /// When and at what it began.
    pub opened: (Nanos, Px),
    /// When and at what it ended.
    pub closed: (Nanos, Px),
}

impl RoundTrip {
    /// What it made, without fees.
    #[must_use]
    pub fn pnl(&self) -> Usd {
        Usd((self.closed.1.0 - self.opened.1.0) * self.side.sign() * i64::from(self.qty.0))
    }
}

/// An instrument of ours at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceMark {
    /// When, ns since the Unix epoch.
    pub at: Nanos,
    /// Which.
    pub instrument: InstrumentId,
    /// Twice the middle of its book; 0 where a side is empty.
    pub mid2: i64,
    /// Shares held of it.
    pub shares: i64,
}

/// How long the legs took, as it happened: what was drawn, and what waited for what left before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegSpreads {
    /// The venue's stamp of a message to the strategy's input; one message in [`FEED_EVERY`].
    pub feed: Spread,
    /// The strategy's input to the venue's book, of new orders and replaces.
    pub order: Spread,
    /// The venue's stamp of a report to the strategy's input.
    pub report: Spread,
}

impl LegSpreads {
    /// Counts all that others counted.
    pub fn add(&mut self, other: &LegSpreads) {
        self.feed.add(&other.feed);
        self.order.add(&other.order);
        self.report.add(&other.report);
    }
}

/// One message in so many has its way counted.
pub const FEED_EVERY: u64 = 16;

/// Instruments whose prices are kept: the first that orders were sent for.
pub const WATCHED_MAX: usize = 8;

/// What was asked for, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// New orders.
    pub orders: u64,
    /// Their shares.
    pub shares: u64,
    /// Replaces.
    pub replaces: u64,
    /// Cancels.
    pub cancels: u64,
    /// Refused by the venue.
    pub rejected: u64,
}

#[derive(Clone, Copy)]
struct Lot {
    side: Side,
    qty: u32,
    at: Nanos,
    px: Px,
}

/// What is known of an order of ours.
#[derive(Clone, Copy)]
struct Sent {
    instrument: InstrumentId,
    side: Side,
    mid2: i64,
    /// When it was asked for; none once the venue has answered.
    asked: Option<Nanos>,
}

/// Writes a run down.
pub struct Recorder {
    grain: Nanos,
    next_mark: Nanos,
    /// Equity, one a grain in which anything happened, and one at the end.
    pub marks: Vec<Mark>,
    /// In the order in which the strategy knew of them.
    pub fills: Vec<FillRow>,
    /// In the order in which they ended.
    pub trips: Vec<RoundTrip>,
    /// What was asked for.
    pub asked: Asked,
    /// How long anything was held.
    pub held: Nanos,
    /// At each mark, the instruments that orders were sent for; where details were asked for.
    pub prices: Vec<PriceMark>,
    /// How long the legs took; where details were asked for.
    pub legs: LegSpreads,
    /// The venue's midnight, where details are kept.
    details: Option<Nanos>,
    watched: Vec<InstrumentId>,
    messages: u64,
    holding_since: Option<Nanos>,
    lots: HashMap<InstrumentId, VecDeque<Lot>>,
    sent: HashMap<Token, Sent>,
    /// By horizon, fills whose time has not come: all at one distance, so the first is due first.
    due: [VecDeque<(Nanos, usize)>; HORIZONS.len()],
    next_due: Nanos,
}

const NEVER: Nanos = Nanos(u64::MAX);

/// Twice the middle of an instrument's book; 0 where a side is empty.
fn mid2<S: Strategy>(engine: &Engine<S>, id: InstrumentId) -> i64 {
    engine.top(id).mid2()
}

impl Recorder {
    /// Equity is marked once a `grain`.
    #[must_use]
    pub fn new(grain: Nanos) -> Recorder {
        Recorder {
            grain: grain.max(Nanos(1)),
            next_mark: Nanos::ZERO,
            marks: Vec::new(),
            fills: Vec::new(),
            trips: Vec::new(),
            asked: Asked::default(),
            held: Nanos::ZERO,
            prices: Vec::new(),
            legs: LegSpreads::default(),
            details: None,
            watched: Vec::new(),
            messages: 0,
            holding_since: None,
            lots: HashMap::new(),
            sent: HashMap::new(),
            due: Default::default(),
            next_due: NEVER,
        }
    }

    /// Keeps what a picture of the day is made of as well: prices and positions at the marks, and how long the legs took. `midnight` is the venue's, which its stamps count from.
    #[must_use]
    pub fn with_details(mut self, midnight: Nanos) -> Recorder {
        self.details = Some(midnight);
        self
    }

    /// Every grain from that of the first mark to that of the last: one without a message made nothing, and is a grain all the same.
    pub fn grains(&self) -> impl Iterator<Item = Grain> + '_ {
        let number = |mark: &Mark| mark.at.0 / self.grain.0;
        let ends = self.marks.first().zip(self.marks.last());
        let all = ends.map(|(first, last)| number(first)..=number(last));
        let (mut rest, mut pnl, mut gross) = (self.marks.as_slice(), Usd(0), Usd(0));
        all.into_iter().flatten().map(move |g| {
            let (here, later) = rest.split_at(rest.iter().take_while(|mark| number(mark) <= g).count());
            rest = later;
            let was = pnl;
            if let Some(last) = here.last() {
                (pnl, gross) = (last.pnl, last.gross);
            }
            Grain { profit: Usd(pnl.0 - was.0), gross }
        })
    }

    /// The last mark, at the end of a day.
    pub fn close<S: Strategy>(&mut self, engine: &Engine<S>) {
        self.look_back(engine.now().after(Nanos(1)), engine);
        self.mark(engine.now(), engine);
        if let Some(since) = self.holding_since.take() {
            self.held = self.held.after(engine.now().since(since));
        }
    }

    fn mark<S: Strategy>(&mut self, at: Nanos, engine: &Engine<S>) {
        let (mut gross, mut net) = (0i64, 0i64);
        for p in engine.positions().all() {
            let value = p.shares.saturating_mul(p.mark.0);
            gross = gross.saturating_add(value.saturating_abs());
            net = net.saturating_add(value);
        }
        self.marks.push(Mark { at, pnl: engine.pnl(), gross: Usd(gross), net: Usd(net) });
        for instrument in self.watched.iter().copied() {
            let shares = engine.positions().of(instrument).shares;
            self.prices.push(PriceMark { at, instrument, mid2: mid2(engine, instrument), shares });
        }
    }

    /// Fills whose time came before `now` see the book as it was until then. What changed the book at that very time is in it.
    fn look_back<S: Strategy>(&mut self, now: Nanos, engine: &Engine<S>) {
        self.next_due = NEVER;
        for (horizon, due) in self.due.iter_mut().enumerate() {
            while let Some((at, fill)) = due.front().copied() {
                if at >= now {
                    self.next_due = self.next_due.min(at);
                    break;
                }
                due.pop_front();
                let row = &mut self.fills[fill];
                row.later_mid2[horizon] = mid2(engine, row.instrument);
            }
        }
    }

    fn fill(&mut self, row: FillRow, flat: bool) {
        for (due, horizon) in self.due.iter_mut().zip(HORIZONS) {
            due.push_back((row.at.after(horizon), self.fills.len()));
            self.next_due = self.next_due.min(row.at.after(horizon));
        }
        let lots = self.lots.entry(row.instrument).or_default();
        let mut left = row.qty.0;
        while left != 0
            && let Some(lot) = lots.front_mut()
            && lot.side != row.side
        {
            let qty = lot.qty.min(left);
            left -= qty;
            lot.qty -= qty;
            self.trips.push(RoundTrip {
                instrument: row.instrument,
                side: lot.side,
                qty: Qty(qty),
                opened: (lot.at, lot.px),
                closed: (row.traded, row.px),
            });
            if lot.qty == 0 {
                lots.pop_front();
            }
        }
        if left != 0 {
            lots.push_back(Lot { side: row.side, qty: left, at: row.traded, px: row.px });
        }
        self.fills.push(row);
        match (flat, self.holding_since) {
            (true, Some(since)) => {
                self.held = self.held.after(row.at.since(since));
                self.holding_since = None;
            }
            (false, None) => self.holding_since = Some(row.at),
            _ => {}
        }
    }
}

impl<S: Strategy> Watch<S> for &mut Recorder {
    fn on_command(&mut self, now: Nanos, command: &OrderCommand, engine: &Engine<S>) {
        let instrument = command.instrument;
        let asked = self.details.map(|_| now);
        match command.kind {
            CommandKind::New { token, side, qty, .. } => {
                self.asked.orders += 1;
                self.asked.shares += u64::from(qty.0);
                self.sent.insert(token, Sent { instrument, side, mid2: mid2(engine, instrument), asked });
                if asked.is_some() && self.watched.len() < WATCHED_MAX && !self.watched.contains(&instrument)
                {
                    self.watched.push(instrument);
                }
            }
            CommandKind::Replace { old, token, .. } => {
                self.asked.replaces += 1;
                if let Some(of) = self.sent.get(&old).copied() {
                    self.sent.insert(token, Sent { mid2: mid2(engine, instrument), asked, ..of });
                }
            }
            CommandKind::Cancel { .. } => self.asked.cancels += 1,
            CommandKind::Port { .. } => {}
        }
    }

    fn on_report(&mut self, now: Nanos, report: &ExecutionReport, engine: &Engine<S>) {
        if let Some(midnight) = self.details {
            let stamp = midnight.after(report.ts_event);
            self.legs.report.note(now.since(stamp));
            if let Some(asked) = self.sent.get_mut(&report.token).and_then(|s| s.asked.take()) {
                self.legs.order.note(stamp.since(asked));
            }
        }
        match report.kind {
            ReportKind::Executed { qty, px, liquidity, .. } => {
                let Some(of) = self.sent.get(&report.token).copied() else { return };
                let row = FillRow {
                    at: now,
                    traded: report.ts_event,
                    token: report.token,
                    instrument: of.instrument,
                    side: of.side,
                    qty,
                    px,
                    liquidity,
                    decided_mid2: of.mid2,
                    later_mid2: [0; HORIZONS.len()],
                };
                let flat = engine.positions().all().iter().all(|p| p.shares == 0);
                self.fill(row, flat);
            }
            ReportKind::Rejected { .. } => self.asked.rejected += 1,
            _ => {}
        }
        // An order that is gone is heard of no more.
        if engine.orders().by_token(report.token).is_none_or(|o: &Order| o.state().is_final()) {
            self.sent.remove(&report.token);
        }
    }

    #[inline]
    fn before_market(&mut self, now: Nanos, engine: &Engine<S>) {
        if now > self.next_due {
            self.look_back(now, engine);
        }
    }

    #[inline]
    fn on_market(&mut self, now: Nanos, ev: &MarketEvent, engine: &Engine<S>) {
        if let Some(midnight) = self.details {
            self.messages += 1;
            if self.messages.is_multiple_of(FEED_EVERY) {
                self.legs.feed.note(now.since(midnight.after(ev.ts_event)));
            }
        }
        if now >= self.next_mark {
            self.mark(now, engine);
            self.next_mark = Nanos(now.0 / self.grain.0 * self.grain.0).after(self.grain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day of seconds, P&L and exposure, marked once in ten seconds.
    fn day(marks: &[(u64, i64, i64)]) -> Recorder {
        let mut day = Recorder::new(Nanos(10_000_000_000));
        let mark = |(s, pnl, gross): &(u64, i64, i64)| Mark {
            at: Nanos(s * 1_000_000_000),
            pnl: Usd(*pnl),
            gross: Usd(*gross),
            net: Usd(0),
        };
        day.marks.extend(marks.iter().map(mark));
        day
    }

    #[test]
    fn a_grain_without_a_message_is_a_grain() {
        // Nothing came from 20 s to 40 s; the last mark, of the end, is of a grain that had one.
        let days =
            [day(&[(3, 0, 0), (12, 30, 100), (41, 20, 50)]), day(&[(5, 0, 0), (12, 10, 8), (19, 15, 4)])];
        let grains = |d: &Recorder| d.grains().map(|g| (g.profit.0, g.gross.0)).collect::<Vec<_>>();
        assert_eq!(grains(&days[0]), [(0, 0), (30, 100), (0, 100), (0, 100), (-10, 50)]);
        assert_eq!(grains(&days[1]), [(0, 0), (15, 4)]);
        assert_eq!(grains(&day(&[])), []);
    }
}
