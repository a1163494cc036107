//! A venue's words to reports.

use model::{ExecutionReport, InstrumentId, Nanos, Px, Qty, ReportKind, Symbol, Tif, Token};

use super::super::framing::Message;
use super::super::order::{
    Execution, FieldError, Name, OrderTerms, Purpose, Said, What, match_number, read, venue_ref,
};
use super::super::orders::Record;
use super::super::tags;
use super::desk::{CORRECTED_MAX, Desk, Phase, TOLD_MAX};
use crate::codec::DecodeError;
use crate::gateway::{Notice, ReportSink};

/// Reasons of a `Restated` that FIX has not as such, by its letters (OrdStatus 39): the venue has a new order, or a replace, and has not decided.
const PENDING_NEW: u8 = b'A';
const PENDING_REPLACE: u8 = b'E';
/// ExecRestatementReason (378): the venue takes a part of the order off.
const PARTIAL_DECLINE: u8 = 5;

impl Desk {
    /// A message of the venue. At most two calls to the sink.
    pub(super) fn on_message(&mut self, seq: u64, m: &Message<'_>, sink: &mut impl ReportSink) {
        let outcome = match read(m, self.version) {
            Ok(Said::Execution(e)) => self.on_execution(seq, &e, m.flag(tags::POSS_RESEND), sink),
            Ok(Said::CancelRejected { cl_ord_id, orig, replace, reason, ts_event }) => {
                self.on_cancel_rejected((cl_ord_id, orig), replace, reason, (seq, ts_event), sink)
            }
            Ok(Said::MassCancel { cl_ord_id, taken, ts_event }) => {
                let name = cl_ord_id.and_then(|id| self.requests.names().read(id));
                if let Some(name) = name.filter(|_| taken) {
                    self.seen(name.token);
                    sink.notice(Notice::MassCanceled { ts_event, token: name.token, symbol: Symbol::BLANK });
                }
                Ok(())
            }
            Ok(Said::Refused { ref_seq, name, kind, reason, by_session }) => {
                self.on_refused((ref_seq, name), kind, reason, by_session, seq, sink)
            }
            Ok(Said::Nothing) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(FieldError(tag)) = outcome {
            sink.notice(Notice::Undecodable { seq, error: DecodeError::Field(tag) });
        }
    }

    fn seen(&mut self, token: Token) {
        self.highest_seen = self.highest_seen.max(token);
        self.row.raise(token);
    }

    /// Whether this is the answer to the question that ends the replay.
    fn answers(&mut self, name: Name, proven: bool, sink: &mut impl ReportSink) -> bool {
        let Some((Purpose::Status, number)) = name.request else { return false };
        if matches!(self.phase, Phase::Asked { seq, .. } if seq == number) {
            self.ready(proven, sink);
        }
        true
    }

    /// Where an order stands, if that was asked: whether it is where the reports that came have left it. One that the venue has not taken it does not know, or refuses.
    fn stands_as_known(&mut self, e: &Execution<'_>, this: Name) -> Option<bool> {
        let record = self.orders.get(this.token)?;
        let answer = record.asked && matches!(e.what, What::Status | What::Rejected);
        if !answer {
            return None;
        }
        record.asked = false;
        let is_there = record.taken || record.received;
        let open = if is_there { record.open } else { Qty::ZERO };
        Some(e.leaves == open && (record.taken || e.cum.is_zero()))
    }

    fn on_execution(
        &mut self,
        seq: u64,
        e: &Execution<'_>,
        again: bool,
        sink: &mut impl ReportSink,
    ) -> Result<(), FieldError> {
        let Some(this) = e.cl_ord_id.and_then(|id| self.named(id)) else {
            sink.notice(Notice::Foreign { seq });
            return Ok(());
        };
        if self.answers(this, true, sink) {
            return Ok(());
        }
        if self.stands_as_known(e, this) == Some(false) {
            self.lose((seq, seq), sink);
            return Ok(());
        }
        let before = e.orig.and_then(|id| self.named(id));
        let trade = match_number(e.exec_id);
        if again && self.told.contains(&trade) {
            return Ok(());
        }
        if self.told.len() == TOLD_MAX {
            self.told.pop_front();
        }
        self.told.push_back(trade);
        if this.request.is_none() {
            self.seen(this.token);
        }
        let earlier = self.is_earlier(e)?;
        if earlier && self.adopted {
            self.lose((seq, seq), sink);
        }
        let kind = if earlier {
            self.report_of_earlier(e, this.token)
        } else {
            self.report_of(e, this, before, trade)?
        };
        let Some(kind) = kind else { return Ok(()) };
        sink.report(ExecutionReport { ts_event: e.ts_event, seq, token: this.token, gateway: self.id, kind });
        Ok(())
    }

    /// The trade that a report is of: a venue's second correction may name the first, where we go on with the name of the trade.
    fn trade_of(&self, number: u64) -> u64 {
        self.corrected
            .iter()
            .rev()
            .find(|(correction, _)| *correction == number)
            .map_or(number, |(_, trade)| *trade)
    }

    /// Whether it tells of a trade of before the process's day.
    fn is_earlier(&self, e: &Execution<'_>) -> Result<bool, FieldError> {
        if !matches!(e.what, What::Trade | What::TradeCancel | What::TradeCorrect) {
            return Ok(false);
        }
        match e.at {
            None if self.adopted => Ok(false),
            None => Err(FieldError(tags::TRANSACT_TIME)),
            Some(at) => Ok(self.day.is_some_and(|day| at < day)),
        }
    }

    /// What is left of an order by a trade of an earlier day; nothing where the trade was void or corrected, for that moves a position that is not counted here.
    fn report_of_earlier(&mut self, e: &Execution<'_>, token: Token) -> Option<ReportKind> {
        let (shares, _) = e.last.filter(|_| e.what == What::Trade)?;
        Some(ReportKind::Modified {
            qty: self.take_off(token, shares).unwrap_or(e.leaves),
            side: e.side,
            short: e.short,
        })
    }

    /// Shares of an order have traded; what is open of it, if it is known.
    fn take_off(&mut self, token: Token, shares: Qty) -> Option<Qty> {
        let record = self.orders.get(token)?;
        record.open = record.open.saturating_sub(shares);
        let open = record.open;
        if open.is_zero() {
            self.orders.remove(token);
        }
        Some(open)
    }

    /// What the engine is told, while the record of the order follows.
    fn report_of(
        &mut self,
        e: &Execution<'_>,
        this: Name,
        before: Option<Name>,
        trade: u64,
    ) -> Result<Option<ReportKind>, FieldError> {
        let record = self.orders.get(this.token).copied();
        let px = e.px.or(record.map(|r| r.terms.px)).ok_or(FieldError(tags::PRICE));
        let referred =
            e.exec_ref.map(|id| self.trade_of(match_number(id))).ok_or(FieldError(tags::EXEC_REF_ID));
        let reason = e.reason as u8;
        Ok(Some(match e.what {
            What::New => {
                let qty = if e.leaves.is_zero() { e.qty.unwrap_or(e.cum) } else { e.leaves };
                let (side, short, px) = (e.side, e.short, px?);
                let terms = OrderTerms { symbol: e.symbol, side, short, qty, px, tif: e.tif };
                let known = record.map_or(terms, |r| OrderTerms { px, qty, ..r.terms });
                self.hold(Record { open: e.leaves, taken: true, ..Record::new(this.token, known) });
                let instrument: Option<InstrumentId> = self.symbols.find(known.symbol);
                let dead = e.leaves.is_zero();
                ReportKind::Accepted { order: venue_ref(e.order_id), px, qty, side, short, instrument, dead }
            }
            What::Replaced => {
                let old = before.ok_or(FieldError(tags::ORIG_CL_ORD_ID))?;
                if let Some((_, number)) = this.request {
                    return Ok(Some(self.reduced(e, this.token, number)));
                }
                let px = px?;
                let replaced = self.orders.remove(old.token);
                let terms = record.or(replaced).map_or(
                    OrderTerms {
                        symbol: e.symbol,
                        side: e.side,
                        short: e.short,
                        qty: e.leaves,
                        px,
                        tif: e.tif,
                    },
                    |r| OrderTerms { px, qty: e.qty.unwrap_or(r.terms.qty), ..r.terms },
                );
                self.hold(Record { open: e.leaves, taken: true, ..Record::new(this.token, terms) });
                let dead = e.leaves.is_zero();
                ReportKind::Replaced { old: old.token, order: venue_ref(e.order_id), px, qty: e.leaves, dead }
            }
            What::Canceled | What::Expired | What::DoneForDay => {
                let asked = matches!(this.request, Some((Purpose::Cancel, _)));
                let reason = match (e.what, e.tif) {
                    (What::Canceled, _) if asked => b'U',
                    (_, Tif::Ioc) => b'I',
                    (What::Canceled, _) => b'S',
                    _ => b'T',
                };
                let by_words = e.qty.map(|qty| qty.saturating_sub(e.cum));
                let left = self.orders.remove(this.token).filter(|r| r.taken).map(|r| r.open);
                let qty = left.or(by_words).ok_or(FieldError(tags::ORDER_QTY))?;
                ReportKind::Canceled { qty, reason }
            }
            What::Rejected => {
                self.orders.remove(this.token);
                ReportKind::Rejected { reason: e.reason }
            }
            What::Trade => {
                let (qty, px): (Qty, Px) = e.last.ok_or(FieldError(tags::LAST_QTY))?;
                self.take_off(this.token, qty);
                self.traded = true;
                ReportKind::Executed { qty, px, match_number: trade, liquidity: e.liquidity }
            }
            What::TradeCancel => ReportKind::Broken { match_number: referred?, reason },
            What::TradeCorrect => {
                let (qty, px) = e.last.ok_or(FieldError(tags::LAST_QTY))?;
                let match_number = referred?;
                if self.corrected.len() == CORRECTED_MAX {
                    self.corrected.pop_front();
                }
                self.corrected.push_back((trade, match_number));
                ReportKind::Corrected { match_number, qty, px, liquidity: e.liquidity, reason }
            }
            What::PendingCancel => ReportKind::CancelPending,
            What::Restated => match self.orders.get(this.token) {
                Some(record) if reason == PARTIAL_DECLINE && record.open > e.leaves => {
                    let qty = record.open.saturating_sub(e.leaves);
                    record.open = e.leaves;
                    ReportKind::Canceled { qty, reason: b'S' }
                }
                Some(record) if record.open != e.leaves => {
                    record.open = e.leaves;
                    ReportKind::Modified { qty: e.leaves, side: e.side, short: e.short }
                }
                _ => ReportKind::Restated { reason },
            },
            What::PendingNew => {
                match (self.orders.get(this.token), px) {
                    (Some(record), _) => record.received = true,
                    // An earlier process sent it.
                    (None, Ok(px)) => {
                        let (side, short, qty) = (e.side, e.short, e.leaves);
                        let terms = OrderTerms { symbol: e.symbol, side, short, qty, px, tif: e.tif };
                        self.hold(Record { received: true, ..Record::new(this.token, terms) });
                    }
                    (None, Err(_)) => {}
                }
                ReportKind::Restated { reason: PENDING_NEW }
            }
            What::PendingReplace if this.request.is_none() => {
                if let Some(record) = self.orders.get(this.token) {
                    record.received = true;
                }
                ReportKind::Restated { reason: PENDING_REPLACE }
            }
            What::PendingReplace | What::Status | What::Other => return Ok(None),
        }))
    }

    /// A part was canceled, and the order has a new name at the venue.
    fn reduced(&mut self, e: &Execution<'_>, token: Token, number: u64) -> ReportKind {
        let qty = match self.orders.get(token) {
            Some(record) => {
                let left = record.open.saturating_sub(e.leaves);
                (record.open, record.renamed) = (e.leaves, number);
                record.terms.qty = e.qty.unwrap_or(record.terms.qty);
                left
            }
            None => Qty::ZERO,
        };
        if e.leaves.is_zero() {
            self.orders.remove(token);
        }
        ReportKind::Canceled { qty, reason: b'U' }
    }

    /// Remembers an order that is open.
    fn hold(&mut self, record: Record) {
        if record.open.is_zero() {
            self.orders.remove(record.token);
        } else {
            self.orders.put(record);
        }
    }

    fn on_cancel_rejected(
        &mut self,
        (cl_ord_id, orig): (&[u8], &[u8]),
        replace: bool,
        reason: u16,
        (seq, ts_event): (u64, Nanos),
        sink: &mut impl ReportSink,
    ) -> Result<(), FieldError> {
        let (Some(this), before) = (self.named(cl_ord_id), self.named(orig)) else {
            sink.notice(Notice::Foreign { seq });
            return Ok(());
        };
        let (token, kind) = match this.request {
            None if replace => {
                self.seen(this.token);
                self.orders.remove(this.token);
                (this.token, ReportKind::Rejected { reason })
            }
            _ => (before.unwrap_or(this).token, ReportKind::CancelRejected),
        };
        sink.report(ExecutionReport { ts_event, seq, token, gateway: self.id, kind });
        Ok(())
    }

    /// A message of ours was refused as such, by the application or by the session.
    fn on_refused(
        &mut self,
        (ref_seq, name): (Option<u64>, Option<&[u8]>),
        kind: &[u8],
        reason: u16,
        by_session: bool,
        seq: u64,
        sink: &mut impl ReportSink,
    ) -> Result<(), FieldError> {
        if let Phase::Asked { seq: asked, .. } = self.phase
            && ref_seq == Some(asked)
        {
            self.ready(!by_session, sink);
            return Ok(());
        }
        let by_number = ref_seq.and_then(|n| self.sent.iter().find(|(seq, ..)| *seq == n)).copied();
        let by_name = name.and_then(|id| self.requests.names().read(id));
        let of_kind = |letter| by_number.map_or(kind == [letter], |(_, _, sent)| sent == letter);
        let Some(this) = by_name.or(by_number.map(|(_, name, _)| name)) else {
            // Of the session's own, or of one that is forgotten: only a request that introduced or changed an order matters.
            let ours = [b'D', b'F', b'G'].into_iter().any(of_kind);
            return if ours { Err(FieldError(tags::REF_SEQ_NUM)) } else { Ok(()) };
        };
        if self.answers(this, !by_session, sink) || of_kind(b'q') {
            return Ok(());
        }
        let kind = match this.request {
            Some(_) => ReportKind::CancelRejected,
            None => {
                self.seen(this.token);
                self.orders.remove(this.token);
                ReportKind::Rejected { reason }
            }
        };
        sink.report(ExecutionReport {
            ts_event: Nanos::ZERO,
            seq,
            token: this.token,
            gateway: self.id,
            kind,
        });
        Ok(())
    }
}
