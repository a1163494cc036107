//! Accounts: fills, what each left of its account, and what all are worth once a grain.

use colo::engine::book::Top;
use colo::engine::strategy::Observer;
use colo::engine::{Engine, Order, Position};
use colo::journal::Record;
use colo::logs::Names;
use colo::telemetry::snapshot::validity_word;
use model::{ExecutionReport, InstrumentId, Px, ReportKind, Validity};

use super::ledger::Rows;
use super::orders::{Orders, gateway, letter, price, symbol};
use crate::store::Cell;
use crate::store::tables::{FILLS, MARKET_TOPS, PNL_MARKS, POSITIONS};

/// The accounts as they stood before a report that may change one.
pub(super) struct Before {
    accounts: Vec<Position>,
    replayed: bool,
}

impl Before {
    /// `None` for a record that changes no account.
    pub(super) fn of(record: &Record, engine: &Engine<Observer>, gateways: usize) -> Option<Before> {
        let Record::Report { report, .. } = record else { return None };
        let trades = matches!(
            report.kind,
            ReportKind::Executed { .. } | ReportKind::Broken { .. } | ReportKind::Corrected { .. }
        );
        trades.then(|| Before {
            accounts: engine.positions().all().to_vec(),
            // What comes before the session is ready is the venue's replay.
            replayed: report.gateway.index() < gateways && !engine.is_ready(report.gateway),
        })
    }
}

/// A report that may have changed an account.
pub(super) struct Said<'a> {
    pub(super) report: &'a ExecutionReport,
    /// The order that it names.
    pub(super) order: Option<Order>,
    /// Whether all before it is known: else what it changed is not, and it is taken for booked.
    pub(super) is_whole: bool,
}

/// Its rows.
pub(super) fn trade(
    said: &Said<'_>,
    before: &Before,
    orders: &Orders,
    engine: &Engine<Observer>,
    names: &Names,
    rows: &mut Rows<'_>,
) {
    let Said { report, order, is_whole } = *said;
    let after = engine.positions().all();
    let books = |p: &Position| (p.fills, p.shares, p.cash, p.fees, p.bought, p.sold);
    let changed: Vec<usize> = (0..after.len())
        .filter(|k| before.accounts.get(*k).is_none_or(|b| books(b) != books(&after[*k])))
        .collect();
    let (kind, qty, px, match_number, liquidity) = match report.kind {
        ReportKind::Executed { qty, px, match_number, liquidity } => {
            ("fill", Some(qty), Some(px), match_number, Some(liquidity))
        }
        ReportKind::Corrected { match_number, qty, px, liquidity, .. } => {
            ("corrected", Some(qty), Some(px), match_number, Some(liquidity))
        }
        ReportKind::Broken { match_number, .. } => ("broken", None, None, match_number, None),
        _ => return,
    };
    let instrument = order.map(|o| o.instrument).or_else(|| changed.first().map(|k| InstrumentId(*k as u16)));
    let account = instrument.and_then(|id| after.get(id.index()));
    let fees: i64 = changed
        .iter()
        .map(|k| after[*k].fees.saturating_sub(before.accounts.get(*k).map_or(0, |b| b.fees)))
        .fold(0, i64::saturating_add);
    let arrival = order.and_then(|o| orders.arrival(&o));
    let order_id = order.map(|o| o.id.0.0).or_else(|| orders.past(report.token));
    rows.push(
        &FILLS,
        vec![
            kind.into(),
            (!is_whole || !changed.is_empty()).into(),
            before.replayed.into(),
            gateway(names, report.gateway).into(),
            report.token.0.into(),
            order_id.into(),
            instrument.map(|id| symbol(names, id)).into(),
            order.map(|o| o.side.letter().to_string()).into(),
            qty.map(|q| q.0).into(),
            px.map(|p| p.0).into(),
            liquidity.map(letter).into(),
            match_number.to_string().into(),
            report.ts_event.0.into(),
            fees.into(),
            arrival.map_or(Cell::Null, |t| price(t.bid_px, t.bid_qty)),
            arrival.map_or(Cell::Null, |t| price(t.ask_px, t.ask_qty)),
            account.map(|p| p.mark.0).into(),
        ],
    );
    for k in changed {
        rows.push(&POSITIONS, position(InstrumentId(k as u16), &after[k], names));
    }
}

/// An account's row.
fn position(id: InstrumentId, p: &Position, names: &Names) -> Vec<Cell> {
    vec![
        symbol(names, id).into(),
        p.shares.into(),
        p.bought.into(),
        p.sold.into(),
        p.fills.into(),
        p.mark.0.into(),
        p.cash.0.into(),
        p.cost.0.into(),
        p.fifo_cost.0.into(),
        p.realised().0.into(),
        p.unrealised().0.into(),
        p.fees.into(),
    ]
}

/// What was held as the run began.
pub(super) fn openings(engine: &Engine<Observer>, names: &Names, rows: &mut Rows<'_>) {
    for (k, p) in engine.positions().all().iter().enumerate().filter(|(_, p)| p.opening_shares != 0) {
        rows.push(&POSITIONS, position(InstrumentId(k as u16), p, names));
    }
}

/// What all is worth, accounts that are valued otherwise than before, and the best prices, once a grain: as it stood when the grain was over, said with the first record behind it.
pub(super) struct Marks {
    grain_ns: u64,
    /// The grain that the last record was in.
    grain: Option<u64>,
    tops: Vec<Option<(Top, Validity)>>,
    /// What each account was valued at last.
    valued: Vec<Px>,
}

impl Marks {
    pub(super) fn new(grain_ns: u64, instruments: usize) -> Marks {
        Marks {
            grain_ns: grain_ns.max(1),
            grain: None,
            tops: vec![None; instruments],
            valued: vec![Px::ZERO; instruments],
        }
    }

    /// Before a record of time `now` is applied.
    pub(super) fn pass(&mut self, now: u64, engine: &Engine<Observer>, names: &Names, rows: &mut Rows<'_>) {
        let grain = now / self.grain_ns;
        let before = self.grain.replace(self.grain.map_or(grain, |g| g.max(grain)));
        if let Some(before) = before.filter(|b| *b < grain) {
            self.mark((before + 1).saturating_mul(self.grain_ns), engine, names, rows);
        }
    }

    /// At `time`.
    pub(super) fn mark(&mut self, time: u64, engine: &Engine<Observer>, names: &Names, rows: &mut Rows<'_>) {
        let accounts = engine.positions();
        let sum =
            |of: &dyn Fn(&Position) -> i64| accounts.all().iter().map(of).fold(0i64, i64::saturating_add);
        let worth = |p: &Position| p.shares.saturating_mul(p.mark.0);
        rows.push_at(
            time,
            &PNL_MARKS,
            vec![
                accounts.pnl().0.into(),
                sum(&|p| p.realised().0).into(),
                sum(&|p| p.unrealised().0).into(),
                accounts.fees().into(),
                sum(&|p| worth(p).saturating_abs()).into(),
                sum(&worth).into(),
                (engine.orders().open() as u64).into(),
            ],
        );
        for (k, p) in accounts.all().iter().enumerate() {
            let Some(valued) = self.valued.get_mut(k).filter(|v| **v != p.mark && p.shares != 0) else {
                continue;
            };
            *valued = p.mark;
            rows.push_at(time, &POSITIONS, position(InstrumentId(k as u16), p, names));
        }
        for (k, said) in self.tops.iter_mut().enumerate() {
            let id = InstrumentId(k as u16);
            let (top, validity) = (engine.top(id), engine.instruments().of(id).validity);
            if *said == Some((top, validity)) {
                continue;
            }
            *said = Some((top, validity));
            rows.push_at(
                time,
                &MARKET_TOPS,
                vec![
                    symbol(names, id).into(),
                    price(top.bid_px, top.bid_qty),
                    top.bid_qty.into(),
                    price(top.ask_px, top.ask_qty),
                    top.ask_qty.into(),
                    validity_word(validity).into(),
                ],
            );
        }
    }
}
