//! Orders: what each record of a journal says of one, and the order as it then stands.

use std::collections::BTreeMap;

use colo::engine::book::Top;
use colo::engine::strategy::Observer;
use colo::engine::{Engine, Order, OrderId, Turn};
use colo::journal::{Receipt, Record};
use colo::logs::Names;
use colo::telemetry::snapshot::order_state_word;
use model::{
    CommandKind, ExecutionReport, GatewayId, InstrumentId, OrderCommand, PortRequest, Px, Qty, ReportKind,
    Side, Tif, Token,
};

use super::ledger::Rows;
use crate::store::Cell;
use crate::store::tables::ORDER_EVENTS;

/// Tokens remembered of orders that have ended: a receipt may come behind the last report.
const PAST_MAX: usize = 8_192;

/// An order since its first record.
struct Life {
    order: Order,
    first_seq: u64,
    asked: Qty,
    replaces: i64,
    /// The best prices when it was last asked for.
    arrival: Top,
}

/// See the module.
#[derive(Default)]
pub(super) struct Orders {
    open: BTreeMap<u32, Life>,
    /// Token to order, of those that have ended.
    past: BTreeMap<u32, (u32, InstrumentId)>,
}

/// What a row of `order_events` says; what it does not say is left out.
#[derive(Default)]
struct Event {
    kind: &'static str,
    order: Option<u32>,
    token: Option<Token>,
    gateway: Option<GatewayId>,
    instrument: Option<InstrumentId>,
    side: Option<Side>,
    qty: Option<Qty>,
    px: Option<Px>,
    venue: Option<(u64, u64)>,
    reason: Option<String>,
    receipt: Option<Receipt>,
}

/// A venue's code letter, or its number where it is none.
pub(super) fn letter(code: u8) -> String {
    if code.is_ascii_graphic() { char::from(code).to_string() } else { code.to_string() }
}

pub(super) fn symbol(names: &Names, id: InstrumentId) -> String {
    names.instruments.get(id.index()).map_or_else(|| id.0.to_string(), |i| i.symbol.to_string())
}

pub(super) fn gateway(names: &Names, id: GatewayId) -> String {
    names.gateways.get(id.index()).cloned().unwrap_or_else(|| id.0.to_string())
}

impl Event {
    fn of_command(c: &OrderCommand) -> Event {
        let e = Event {
            gateway: Some(c.gateway),
            instrument: Some(c.instrument),
            token: Some(c.token()),
            ..Event::default()
        };
        match c.kind {
            CommandKind::New { side, qty, px, tif, .. } => {
                let reason = (tif == Tif::Ioc).then(|| "ioc".into());
                Event { kind: "new", side: Some(side), qty: Some(qty), px: Some(px), reason, ..e }
            }
            CommandKind::Replace { qty, px, .. } => {
                Event { kind: "replace", qty: Some(qty), px: Some(px), ..e }
            }
            CommandKind::Cancel { qty, .. } if qty.is_zero() => Event { kind: "cancel", ..e },
            CommandKind::Cancel { qty, .. } => Event { kind: "reduce", qty: Some(qty), ..e },
            CommandKind::Port { request, .. } => {
                let kind = match request {
                    PortRequest::MassCancel => "mass_cancel",
                    PortRequest::EntryOff => "entry_off",
                    PortRequest::EntryOn => "entry_on",
                };
                Event { kind, instrument: None, ..e }
            }
        }
    }

    fn of_report(r: &ExecutionReport) -> Event {
        let e = Event {
            token: Some(r.token),
            gateway: Some(r.gateway),
            venue: Some((r.seq, r.ts_event.0)),
            ..Event::default()
        };
        match r.kind {
            ReportKind::Accepted { px, qty, side, instrument, .. } => {
                Event { kind: "accepted", side: Some(side), qty: Some(qty), px: Some(px), instrument, ..e }
            }
            ReportKind::Replaced { px, qty, .. } => {
                Event { kind: "replaced", qty: Some(qty), px: Some(px), ..e }
            }
            ReportKind::Canceled { qty, reason } => {
                Event { kind: "canceled", qty: Some(qty), reason: Some(letter(reason)), ..e }
            }
            ReportKind::Executed { qty, px, .. } => {
                Event { kind: "executed", qty: Some(qty), px: Some(px), ..e }
            }
            ReportKind::Rejected { reason } => {
                Event { kind: "rejected", reason: Some(reason.to_string()), ..e }
            }
            ReportKind::Broken { reason, .. } => Event { kind: "broken", reason: Some(letter(reason)), ..e },
            ReportKind::Corrected { qty, px, reason, .. } => {
                Event { kind: "corrected", qty: Some(qty), px: Some(px), reason: Some(letter(reason)), ..e }
            }
            ReportKind::CancelPending => Event { kind: "cancel_pending", ..e },
            ReportKind::CancelRejected => Event { kind: "cancel_rejected", ..e },
            ReportKind::Modified { qty, side, .. } => {
                Event { kind: "modified", qty: Some(qty), side: Some(side), ..e }
            }
            ReportKind::Reprioritised { px, .. } => Event { kind: "reprioritised", px: Some(px), ..e },
            ReportKind::Restated { reason } => Event { kind: "restated", reason: Some(letter(reason)), ..e },
            ReportKind::System { code } => Event { kind: "system", reason: Some(letter(code)), ..e },
        }
    }

    fn cells(self, turn: Option<&Turn>, names: &Names) -> Vec<Cell> {
        let stamps =
            self.receipt.map(|r| [r.received, r.decoded, r.decided, r.sent].map(|at| Cell::from(at.0)));
        let [received, decoded, decided, sent] = stamps.unwrap_or([const { Cell::Null }; 4]);
        vec![
            self.kind.into(),
            self.order.into(),
            self.token.map(|t| t.0).into(),
            self.gateway.map(|g| gateway(names, g)).into(),
            self.instrument.map(|id| symbol(names, id)).into(),
            self.side.map(|s| s.letter().to_string()).into(),
            self.qty.map(|q| q.0).into(),
            self.px.map(|p| p.0).into(),
            self.venue.map(|(seq, _)| seq).into(),
            self.venue.map(|(_, at)| at).into(),
            turn.and_then(|t| t.from).map(order_state_word).into(),
            turn.map(|t| order_state_word(t.to)).into(),
            self.reason.into(),
            received,
            decoded,
            decided,
            sent,
        ]
    }
}

/// The best prices of one side, where there is one.
pub(super) fn price(px: Px, qty: u64) -> Cell {
    (qty != 0).then_some(px.0).into()
}

impl Orders {
    /// The order that a record names, as it stands before it.
    pub(super) fn about(record: &Record, engine: &Engine<Observer>) -> Option<Order> {
        let token = match *record {
            Record::Command(OrderCommand { kind: CommandKind::Replace { old, .. }, .. })
            | Record::Report {
                report: ExecutionReport { kind: ReportKind::Replaced { old, .. }, .. }, ..
            } => old,
            Record::Command(c) => c.token(),
            Record::Report { report, .. } => report.token,
            Record::Receipt(r) => r.token,
            _ => return None,
        };
        engine.orders().by_token(token).copied()
    }

    /// The best prices when an order was last asked for.
    pub(super) fn arrival(&self, order: &Order) -> Option<Top> {
        self.open.get(&order.id.0.0).map(|l| l.arrival)
    }

    /// The order that had this token, of those that have ended.
    pub(super) fn past(&self, token: Token) -> Option<u32> {
        self.past.get(&token.0).map(|(id, _)| *id)
    }

    /// Takes a record behind which the engine and the turns stand; `before` is the order that it names.
    pub(super) fn take(
        &mut self,
        record: &Record,
        before: Option<Order>,
        turns: &[Turn],
        engine: &Engine<Observer>,
        names: &Names,
        rows: &mut Rows<'_>,
    ) {
        let named = before.map(|o| o.id.0.0);
        let mut event = match record {
            Record::Command(c) => Some(Event::of_command(c)),
            Record::Report { report, .. } => Some(Event::of_report(report)),
            Record::Receipt(r) => Some(Event {
                kind: "sent",
                token: Some(r.token),
                gateway: Some(r.gateway),
                receipt: Some(*r),
                ..Event::default()
            }),
            Record::Dropped(d) => Some(Event {
                kind: "dropped",
                order: Some(d.order.0.0),
                reason: Some(format!("{:?}", d.why)),
                ..Event::default()
            }),
            _ => None,
        };
        let born = turns.iter().find(|t| t.from.is_none()).map(|t| t.order.0.0);
        let id = named.or(born).or_else(|| event.as_ref().and_then(|e| e.order));
        if let Some(mut e) = event.take() {
            let past = e.token.and_then(|t| self.past.get(&t.0)).copied();
            e.order = id.or(past.map(|(id, _)| id));
            e.instrument = e.instrument.or(before.map(|o| o.instrument)).or(past.map(|(_, i)| i));
            e.side = e.side.or(before.map(|o| o.side));
            let turn = turns.iter().find(|t| Some(t.order.0.0) == e.order);
            rows.push(&ORDER_EVENTS, e.cells(turn, names));
        }
        // What a session, a person or another order's report did to orders is an event of each.
        for turn in turns.iter().filter(|t| Some(t.order.0.0) != id) {
            let moved = self.open.get(&turn.order.0.0).map(|l| l.order);
            let e = Event {
                kind: "moved",
                order: Some(turn.order.0.0),
                token: moved.map(|o| o.token),
                gateway: moved.map(|o| o.gateway),
                instrument: moved.map(|o| o.instrument),
                side: moved.map(|o| o.side),
                ..Event::default()
            };
            rows.push(&ORDER_EVENTS, e.cells(Some(turn), names));
        }
        if matches!(record, Record::Receipt(_) | Record::Dropped(_)) {
            return;
        }
        for id in id.into_iter().chain(turns.iter().map(|t| t.order.0.0).filter(|t| Some(*t) != id)) {
            self.stand(id, record, turns, engine, names, rows);
        }
    }

    /// The order's row as it stands behind the record.
    fn stand(
        &mut self,
        id: u32,
        record: &Record,
        turns: &[Turn],
        engine: &Engine<Observer>,
        names: &Names,
        rows: &mut Rows<'_>,
    ) {
        let now = engine.orders().get(OrderId(Token(id))).copied();
        if let Some(order) = now {
            let life = self.open.entry(id).or_insert_with(|| Life {
                order,
                first_seq: rows.seq,
                asked: order.open,
                replaces: 0,
                arrival: engine.top(order.instrument),
            });
            life.order = order;
        }
        let Some(life) = self.open.get_mut(&id) else { return };
        if let Record::Command(OrderCommand { kind: CommandKind::Replace { qty, .. }, .. }) = *record {
            life.replaces += 1;
            life.asked = qty;
            life.arrival = engine.top(life.order.instrument);
        }
        let mut state = order_state_word(life.order.state());
        if now.is_none() {
            // It has ended: the engine has it no more.
            if let Record::Report {
                report: ExecutionReport { kind: ReportKind::Executed { qty, .. }, .. },
                ..
            } = *record
            {
                life.order.executed = Qty(life.order.executed.0.saturating_add(qty.0));
            }
            life.order.open = Qty::ZERO;
            state = turns.iter().find(|t| t.order.0.0 == id).map_or("ended", |t| order_state_word(t.to));
        }
        let o = &life.order;
        let cells = vec![
            id.into(),
            o.token.0.into(),
            gateway(names, o.gateway).into(),
            symbol(names, o.instrument).into(),
            o.side.letter().to_string().into(),
            o.short.into(),
            if o.tif == Tif::Ioc { "ioc" } else { "day" }.into(),
            o.px.0.into(),
            life.asked.0.into(),
            o.open.0.into(),
            o.executed.0.into(),
            state.into(),
            o.venue_ref.map(|r| r.0.to_string()).into(),
            o.created.0.into(),
            life.first_seq.into(),
            life.replaces.into(),
            o.adopted.into(),
            price(life.arrival.bid_px, life.arrival.bid_qty),
            price(life.arrival.ask_px, life.arrival.ask_qty),
        ];
        rows.order(id, cells);
        if now.is_none() {
            let instrument = o.instrument;
            let tokens = [Some(o.id.0), Some(o.token), o.replace.map(|r| r.token)];
            for token in tokens.into_iter().flatten() {
                self.past.insert(token.0, (id, instrument));
            }
            while self.past.len() > PAST_MAX {
                self.past.pop_first();
            }
            self.open.remove(&id);
        }
    }
}
