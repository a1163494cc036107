//! A venue's reports to orders, positions and the strategy. A report that cannot be true of what we know halts trading.

use model::{Canary, ExecutionReport, HaltReason, InstrumentId, Px, Qty, ReportKind, Side, Tif, Token};

use super::{Engine, Outbox};
use crate::breaker::Trigger;
use crate::orders::{Contradiction, Order};
use crate::position::Overflow;
use crate::strategy::{Fill, Strategy};

impl<S: Strategy> Engine<S> {
    pub(super) fn on_report(&mut self, r: &ExecutionReport, out: &mut Outbox) {
        let Some(session) = self.sessions.get_mut(r.gateway.index()) else { return self.unroutable() };
        if r.seq <= session.last_seq {
            self.stats.duplicate_reports += 1;
            return;
        }
        session.last_seq = r.seq;
        self.stats.reports += 1;
        if !self.names_add_up(r) {
            return self.anomaly();
        }
        // The venue knows this token, whoever used it.
        self.gate.burn(r.token);
        if self.gate.holds_below(r.gateway, r.token) {
            self.on_passed(r.gateway, r.token, out);
        }
        if let ReportKind::Accepted { .. } | ReportKind::Replaced { .. } | ReportKind::Rejected { .. } =
            r.kind
        {
            self.overtake(r.gateway, r.token);
        }
        match r.kind {
            ReportKind::Accepted { order, px, qty, side, short, instrument, dead } => {
                self.stats.accepted += 1;
                self.gate.on_accepted(r.gateway, self.now);
                if self.orders.by_token(r.token).is_none() {
                    if dead {
                        return;
                    }
                    self.adopt(r, instrument, (side, short), px, qty);
                }
                self.move_order(r, out, |o| {
                    o.on_accepted(order, (side, short), px, qty, dead)?;
                    if instrument == Some(o.instrument) { Ok(()) } else { Err(Contradiction) }
                });
            }
            ReportKind::Replaced { old, order, px, qty, dead } => {
                if self.orders.by_token(old).is_none() && !dead {
                    // An order lives at the venue that we do not know, and this report has neither its side nor its instrument.
                    return self.anomaly();
                }
                self.move_order(&ExecutionReport { token: old, ..*r }, out, |o| {
                    o.on_replaced(r.token, order, px, qty, dead)
                });
            }
            ReportKind::Canceled { qty, reason } => self.move_order(r, out, |o| o.on_canceled(qty, reason)),
            ReportKind::Executed { qty, px, match_number, liquidity } => {
                self.on_executed(r, (qty, px, liquidity), match_number, out);
            }
            ReportKind::Rejected { reason } => {
                self.stats.rejected += 1;
                // What is replayed was refused long ago.
                let live = self.sessions[r.gateway.index()].ready;
                if live {
                    self.trigger(Trigger::Rejects);
                    if self.gate.on_rejected(r.gateway, self.now, reason) {
                        self.halt(HaltReason::RejectRate);
                    }
                }
                self.move_order(r, out, |o| o.on_rejected(r.token));
            }
            ReportKind::Broken { match_number, .. } => self.on_broken(r, match_number, out),
            ReportKind::Corrected { match_number, qty, px, liquidity, .. } => {
                self.on_corrected(r, match_number, (qty, px, liquidity), out);
            }
            ReportKind::CancelRejected => self.move_order(r, out, Order::on_cancel_rejected),
            ReportKind::Modified { qty, side, short } => {
                self.move_order(r, out, |o| o.on_modified(qty, side, short));
            }
            ReportKind::Reprioritised { order, px } => {
                self.move_order(r, out, |o| o.on_reprioritised(order, px));
            }
            ReportKind::Restated { .. } => {
                self.stats.late_reports += 1;
                self.orders.change(r.token, |o| o.on_restated(r.token));
            }
            ReportKind::CancelPending | ReportKind::System { .. } => self.stats.late_reports += 1,
        }
    }

    /// Whether the tokens of a report can be what it says they are: an order belongs to the gateway it was sent through, and a token that a report
    /// introduces is a token and nobody else's.
    fn names_add_up(&self, r: &ExecutionReport) -> bool {
        let elsewhere = |t| self.orders.by_token(t).is_some_and(|o| o.gateway != r.gateway);
        match r.kind {
            ReportKind::Accepted { .. } => r.token != Token(0) && !elsewhere(r.token),
            ReportKind::Replaced { old, .. } => {
                let name = |t| self.orders.by_token(t).map(|o| o.id);
                let taken = name(r.token).is_some_and(|id| name(old) != Some(id));
                r.token != Token(0) && !taken && !elsewhere(old)
            }
            _ => !elsewhere(r.token),
        }
    }

    /// Applies a report to its order and tells the strategy.
    pub(super) fn move_order(
        &mut self,
        r: &ExecutionReport,
        out: &mut Outbox,
        f: impl FnOnce(&mut Order) -> Result<(), Contradiction>,
    ) {
        let ready = self.sessions[r.gateway.index()].ready;
        let whole = matches!(
            r.kind,
            ReportKind::Accepted { .. } | ReportKind::Replaced { .. } | ReportKind::Modified { .. }
        );
        let answers_itself = matches!(r.kind, ReportKind::Accepted { .. } | ReportKind::Rejected { .. });
        let heard = |o: &mut Order| {
            if !answers_itself {
                o.on_named(r.token);
            }
            let truth = f(o);
            o.on_heard(whole, ready);
            truth
        };
        match self.orders.change(r.token, heard) {
            Some((order, truth)) => {
                if truth.is_err() {
                    self.anomaly();
                }
                self.cancels_waiting |= order.cancel_wanted;
                self.call(out, |s, view, intents| s.on_order(view, &order, &r.kind, intents));
            }
            None => self.stats.late_reports += 1,
        }
    }

    pub(super) fn on_executed(
        &mut self,
        r: &ExecutionReport,
        (qty, px, liquidity): (Qty, Px, u8),
        match_number: u64,
        out: &mut Outbox,
    ) {
        if self.positions.has_booked(r.gateway, r.token, match_number) {
            // Said again under a number of its own: not one trade more, and the count of the venue's messages is not to be trusted.
            self.stats.duplicate_reports += 1;
            return self.anomaly();
        }
        let ready = self.sessions[r.gateway.index()].ready;
        let filled = |o: &mut Order| {
            o.on_named(r.token);
            let within = o.on_executed(qty);
            o.on_heard(false, ready);
            within
        };
        // An order that ends with this fill gives its slot back.
        let decided_mid2 = self.orders.decided_mid2(r.token);
        let Some((order, within)) = self.orders.change(r.token, filled) else {
            // A fill of an order that we do not know: the position is no longer certain.
            return self.anomaly();
        };
        self.stats.fills += 1;
        self.stats.shares += u64::from(qty.0);
        self.count_slippage(decided_mid2, order.side, qty, px);
        self.gate.on_fill(order.instrument, order.side);
        // What an earlier run had open and a start is told of traded long ago.
        if ready || !order.adopted {
            self.trigger(Trigger::Fills);
        }
        let Order { id, instrument, side, .. } = order;
        let fill = Fill { order: id, instrument, side, qty, px, match_number, liquidity };
        let fill_booked = if Canary::IgnoredFill.sings() { Fill { qty: Qty(0), ..fill } } else { fill };
        let booked = self.positions.on_fill(r.gateway, r.token, fill_booked);
        self.on_booked(booked);
        if within.is_err() {
            self.anomaly();
        }
        self.call(out, |s, view, intents| s.on_fill(view, &fill, intents));
        // Its answer to the fill may have moved the order on.
        let order = self.orders.get(order.id).copied().unwrap_or(order);
        self.call(out, |s, view, intents| s.on_order(view, &order, &r.kind, intents));
    }

    /// Saturates: a statistic, and no money of anybody.
    fn count_slippage(&mut self, decided_mid2: i64, side: Side, qty: Qty, px: Px) {
        if decided_mid2 == 0 {
            return;
        }
        let (shares, s) = (i64::from(qty.0), &mut self.stats);
        let beyond = px.0.saturating_mul(2).saturating_sub(decided_mid2).saturating_mul(side.sign() * shares);
        s.slippage2 = s.slippage2.saturating_add(beyond);
        s.slippage_of = s.slippage_of.saturating_add(px.0.saturating_mul(shares));
    }

    /// The account has changed, or cannot be kept.
    fn on_booked(&mut self, booked: Result<(), Overflow>) {
        match booked {
            Ok(()) => self.check_loss(),
            Err(Overflow) => self.halt(HaltReason::Overflow),
        }
    }

    /// Takes back a fill that the venue broke. Each side of a trade with ourselves has its own report.
    pub(super) fn on_broken(&mut self, r: &ExecutionReport, match_number: u64, out: &mut Outbox) {
        let Some((fill, booked)) = self.positions.on_broken(r.gateway, r.token, match_number) else {
            return self.anomaly();
        };
        self.orders.touch(fill.instrument);
        self.on_booked(booked);
        self.call(out, |s, view, intents| s.on_broken(view, &fill, intents));
    }

    /// Books a fill as the venue corrected it.
    pub(super) fn on_corrected(
        &mut self,
        r: &ExecutionReport,
        match_number: u64,
        now: (Qty, Px, u8),
        out: &mut Outbox,
    ) {
        let corrected = self.positions.on_corrected(r.gateway, r.token, match_number, now);
        let Some((was, is, booked)) = corrected else { return self.anomaly() };
        self.stats.corrected += 1;
        self.orders.touch(is.instrument);
        self.on_booked(booked);
        self.call(out, |s, view, intents| s.on_corrected(view, &was, &is, intents));
    }

    /// Takes over an order of an earlier run, or of another program on the same account: it is real, so it counts.
    pub(super) fn adopt(
        &mut self,
        r: &ExecutionReport,
        id: Option<InstrumentId>,
        (side, short): (Side, bool),
        px: Px,
        qty: Qty,
    ) {
        let Some(id) = id.filter(|id| id.index() < self.untold.len() && self.orders.has_room()) else {
            return self.anomaly(); // it is as real, and we cannot count it
        };
        self.stats.adopted += 1;
        let mut order = Order::new(r.token, id, r.gateway, side, Tif::Day, px, qty, self.now);
        order.adopted = true;
        order.short = short;
        order.foreign = self.sessions[r.gateway.index()].is_copy;
        order.cancel_wanted = (self.must_be_flat_of_orders() || self.kills.holds(id)) && !order.foreign;
        // Come by replay, it may be gone further on in the stream.
        if !self.sessions[r.gateway.index()].ready {
            order.on_disconnected();
        }
        self.orders.insert(order);
    }

    #[cold]
    pub(super) fn anomaly(&mut self) {
        self.stats.anomalies += 1;
        self.halt(HaltReason::Reconciliation);
    }
}
