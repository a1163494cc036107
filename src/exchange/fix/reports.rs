//! What an account is told, as messages.

use gateways::fix::compose::Fields;
use gateways::fix::session::Version;
use model::{Px, Qty};

use super::orders::{Fill, Known, Orders, Said, Stage, message};
use super::requests::{Ticket, Wanted};
use super::words::{self, within};
use crate::exchange::entry::{Cause, Name, Reason, Report, Terms};

const ANSWER_MAX: usize = 1_024;

/// CxlRejReason (102).
const TOO_LATE: u64 = 0;
const UNKNOWN_ORDER: u64 = 1;
const ALREADY_PENDING: u64 = 3;
const DUPLICATE: u64 = 6;

impl Orders {
    /// The messages that say this.
    pub fn encode(&mut self, now: u64, report: &Report) -> Vec<Vec<u8>> {
        self.encode_as(now, report, None)
    }

    /// The same of an order whose name comes from elsewhere; without, from the request that is carried out.
    pub(super) fn encode_as(&mut self, now: u64, report: &Report, id: Option<&[u8]>) -> Vec<Vec<u8>> {
        let asked = || self.ticket.as_ref().map(|ticket| ticket.id.clone());
        match *report {
            Report::Accepted { name, terms } => {
                let id = id.map(Into::into).or_else(asked).unwrap_or_default();
                self.accepted(now, name, &terms, id)
            }
            Report::Replaced { old, name, terms } => {
                let id = id.map(Into::into).or_else(asked).unwrap_or_default();
                self.replaced(now, Name { number: old, ..name }, name, &terms, id)
            }
            Report::Canceled { name, quantity, open, reason } => {
                vec![self.canceled(now, name, quantity, open, reason)]
            }
            Report::SelfMatch { name, decrement, open, .. } => {
                let order = self.known.get_mut(&name);
                if let Some(order) = order {
                    order.prevented = Qty(order.prevented.0.saturating_add(decrement.0));
                }
                vec![self.canceled(now, name, decrement, open, Reason::SelfMatch)]
            }
            Report::Executed { name, quantity, open, px, liquidity, match_number } => {
                vec![self.executed(now, name, (quantity, open, px), liquidity, match_number)]
            }
            Report::Broken { name, match_number, .. } => self.broken(now, name, match_number),
            Report::Corrected { name, px, match_number, .. } => self.corrected(now, name, match_number, px),
            Report::Rejected { cause, .. } => self.refused(now, cause),
            Report::CancelPending { name } => self.cancel_pending(now, name),
            Report::Modified { name, side, open } => {
                let Some(order) = self.known.get_mut(&name) else { return Vec::new() };
                (order.side, order.leaves) = (side, open);
                order.ordered = Qty(order.cum.0.saturating_add(open.0));
                vec![self.restated(now, name, 5)]
            }
            Report::Priority { name, px, order_ref, .. } => {
                let Some(order) = self.known.get_mut(&name) else { return Vec::new() };
                (order.px, order.order_ref) = (px, order_ref);
                vec![self.restated(now, name, 3)]
            }
            Report::MassCanceled { .. } => self.mass_canceled(now),
            // Nothing that FIX has a word for has changed.
            Report::SystemEvent(_)
            | Report::CancelRejected { .. }
            | Report::TradingNow { .. }
            | Report::Refreshed { .. }
            | Report::EntrySwitched { .. }
            | Report::NextNumber { .. } => Vec::new(),
        }
    }

    fn answered(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.is_answered = true;
        }
    }

    fn accepted(&mut self, now: u64, name: Name, terms: &Terms, id: Vec<u8>) -> Vec<Vec<u8>> {
        self.answered();
        let order = Known::new(id, terms);
        let mut told = vec![self.report(now, &order, b'0', Said::default(), |_| {})];
        self.known.insert(name, order);
        if terms.is_dead {
            told.push(self.canceled(now, name, terms.quantity, Qty::ZERO, Reason::PostOnly));
        }
        told
    }

    fn replaced(&mut self, now: u64, old: Name, name: Name, terms: &Terms, id: Vec<u8>) -> Vec<Vec<u8>> {
        self.answered();
        let fresh = Known::new(id, terms);
        let (order, orig) = match self.known.get_mut(&old) {
            None => (fresh, Vec::new()),
            Some(before) => {
                before.stage = Stage::Replaced(name.number);
                let (cum, value, prevented) = (before.cum, before.value, before.prevented);
                let ordered = Qty(cum.0.saturating_add(terms.quantity.0));
                (Known { cum, value, prevented, ordered, ..fresh }, before.id.clone())
            }
        };
        let said = Said { orig: Some(&orig), ..Said::default() };
        let mut told = vec![self.report(now, &order, b'5', said, |_| {})];
        self.known.insert(name, order);
        if terms.is_dead {
            told.push(self.canceled(now, name, terms.quantity, Qty::ZERO, Reason::PostOnly));
        }
        told
    }

    /// The order as it is told of; one that was never told of is blank.
    fn take(&mut self, name: Name) -> Known {
        let blank = || Known {
            id: Vec::new(),
            order_ref: 0,
            symbol: model::Symbol::BLANK,
            side: b'B',
            px: Px::ZERO,
            tif: b'0',
            stage: Stage::Live,
            ordered: Qty::ZERO,
            leaves: Qty::ZERO,
            cum: Qty::ZERO,
            value: 0,
            prevented: Qty::ZERO,
            pending: None,
        };
        self.known.remove(&name).unwrap_or_else(blank)
    }

    fn canceled(&mut self, now: u64, name: Name, quantity: Qty, open: Qty, reason: Reason) -> Vec<u8> {
        let mut order = self.take(name);
        order.leaves = open;
        if !open.is_zero() {
            order.ordered = order.ordered.saturating_sub(quantity);
            self.known.insert(name, order);
            return self.restated(now, name, 5);
        }
        let is_expired = matches!(reason, Reason::Closed | Reason::Timeout);
        order.stage = if is_expired { Stage::Expired } else { Stage::Canceled };
        let asked = match &mut self.ticket {
            Some(ticket)
                if ticket.what == Wanted::Cancel && ticket.about == name && reason == Reason::User =>
            {
                ticket.is_answered = true;
                Some(ticket.id.clone())
            }
            _ => None,
        };
        let request = asked.or_else(|| order.pending.take());
        let said =
            Said { id: request.as_deref(), orig: request.is_some().then_some(&order.id[..]), trade: None };
        let what = if is_expired { b'C' } else { b'4' };
        let told = self.report(now, &order, what, said, |body| {
            body.text(58, words::said(reason).as_bytes());
        });
        self.known.insert(name, order);
        told
    }

    /// `reason`: ExecRestatementReason (378).
    fn restated(&mut self, now: u64, name: Name, reason: u64) -> Vec<u8> {
        let order = self.take(name);
        let told = self.report(now, &order, b'D', Said::default(), |body| {
            body.uint(378, reason);
        });
        self.known.insert(name, order);
        told
    }

    fn executed(
        &mut self,
        now: u64,
        name: Name,
        (quantity, open, px): (Qty, Qty, Px),
        liquidity: u8,
        match_number: u64,
    ) -> Vec<u8> {
        let mut order = self.take(name);
        order.leaves = open;
        order.cum = Qty(order.cum.0.saturating_add(quantity.0));
        order.value += i128::from(px.0) * i128::from(quantity.0);
        self.fills.insert((match_number, name), Fill { name, qty: quantity, px });
        let is_44 = self.version == Version::Fix44;
        let said = Said { trade: Some(match_number), ..Said::default() };
        let told = self.report(now, &order, b'F', said, |body| {
            body.uint(32, quantity.0.into()).px(31, px);
            match liquidity {
                b'A' if is_44 => body.uint(851, 1),
                b'R' if is_44 => body.uint(851, 2),
                _ => body,
            };
        });
        self.known.insert(name, order);
        told
    }

    /// The trade is told of under the name that the order had then; what it takes off is off the order as it is now.
    fn broken(&mut self, now: u64, name: Name, match_number: u64) -> Vec<Vec<u8>> {
        let Some(fill) = self.fills.remove(&(match_number, name)) else { return Vec::new() };
        let then = self.id_of(fill.name);
        let current = self.current(name);
        let mut order = self.take(current);
        order.cum = order.cum.saturating_sub(fill.qty);
        order.value -= i128::from(fill.px.0) * i128::from(fill.qty.0);
        let said = Said { id: Some(&then), ..Said::default() };
        let told = self.report(now, &order, b'H', said, |body| {
            body.text(19, match_number.to_string().as_bytes());
            body.uint(32, fill.qty.0.into()).px(31, fill.px);
        });
        self.known.insert(current, order);
        vec![told]
    }

    /// As a broken trade, but what it leaves is another price.
    fn corrected(&mut self, now: u64, name: Name, match_number: u64, px: Px) -> Vec<Vec<u8>> {
        let Some(fill) = self.fills.get_mut(&(match_number, name)) else { return Vec::new() };
        let before = std::mem::replace(&mut fill.px, px);
        let qty = fill.qty;
        let then = self.id_of(name);
        let current = self.current(name);
        let mut order = self.take(current);
        order.value += i128::from(px.0 - before.0) * i128::from(qty.0);
        let said = Said { id: Some(&then), ..Said::default() };
        let told = self.report(now, &order, b'G', said, |body| {
            body.text(19, match_number.to_string().as_bytes());
            body.uint(32, qty.0.into()).px(31, px);
        });
        self.known.insert(current, order);
        vec![told]
    }

    fn cancel_pending(&mut self, now: u64, name: Name) -> Vec<Vec<u8>> {
        let request = match &mut self.ticket {
            Some(ticket) if ticket.what == Wanted::Cancel && ticket.about == name => {
                ticket.is_answered = true;
                ticket.id.clone()
            }
            _ => Vec::new(),
        };
        let mut order = self.take(name);
        order.pending = Some(request.clone());
        let said = Said { id: Some(&request), orig: Some(&order.id), trade: None };
        let told = self.report(now, &order, b'6', said, |_| {});
        self.known.insert(name, order);
        vec![told]
    }

    fn mass_canceled(&mut self, now: u64) -> Vec<Vec<u8>> {
        let Some(mut ticket) = self.ticket.take() else { return Vec::new() };
        ticket.is_answered = true;
        let Wanted::MassCancel(kind) = ticket.what else {
            self.ticket = Some(ticket);
            return Vec::new();
        };
        let affected = self.affected(&ticket, kind == b'1');
        let body = self.mass_report(now, &ticket, kind, Ok(affected));
        self.ticket = Some(ticket);
        vec![body]
    }

    /// OrderMassCancelReport: how many orders go, or why none does.
    fn mass_report(
        &mut self,
        now: u64,
        ticket: &Ticket,
        kind: u8,
        outcome: Result<u64, &'static str>,
    ) -> Vec<u8> {
        let mut body = Fields::new(ANSWER_MAX);
        body.text(11, &ticket.id).text(37, format!("M{}", ticket.about.number).as_bytes());
        body.text(530, &[if matches!(kind, b'1'..=b'7') { kind } else { b'7' }]);
        match outcome {
            Ok(affected) => body.text(531, &[kind]).uint(533, affected),
            Err(words) => body.text(531, b"0").uint(532, 0).text(58, words.as_bytes()),
        };
        body.utc(60, self.at(now));
        message(b'r', &body)
    }

    /// The request that is carried out is refused.
    fn refused(&mut self, now: u64, cause: Cause) -> Vec<Vec<u8>> {
        self.answered();
        let Some(ticket) = self.ticket.clone() else { return Vec::new() };
        let words = format!("{cause:?}");
        match ticket.what {
            Wanted::New => {
                let reason = words::refusal(cause, self.version);
                vec![self.reject_order(now, &ticket, reason, &words)]
            }
            Wanted::MassCancel(kind) => vec![self.mass_report(now, &ticket, kind, Err("not authorised"))],
            _ => {
                let reason = if cause == Cause::CancelPending { ALREADY_PENDING } else { 99 };
                vec![self.reject_request(now, &ticket, reason, &words)]
            }
        }
    }

    /// ExecutionReport: the order is refused.
    fn reject_order(&mut self, now: u64, ticket: &Ticket, reason: u64, words: &str) -> Vec<u8> {
        let order = Known {
            id: ticket.id.clone(),
            symbol: ticket.symbol,
            side: ticket.side,
            px: ticket.px,
            ordered: Qty(ticket.shares),
            stage: Stage::Rejected,
            ..self.take(Name { idx: 0, number: 0 })
        };
        self.report(now, &order, b'8', Said::default(), |body| {
            body.uint(103, reason).text(58, words.as_bytes());
        })
    }

    /// OrderCancelReject.
    fn reject_request(&mut self, now: u64, ticket: &Ticket, reason: u64, words: &str) -> Vec<u8> {
        let is_42 = self.version == Version::Fix42;
        // 4.2 has no more than these.
        let reason = if is_42 && reason > ALREADY_PENDING { 2 } else { reason };
        let order = self.known.get(&self.current(ticket.about));
        let mut body = Fields::new(ANSWER_MAX);
        match order {
            Some(order) => body.text(37, order.order_ref.to_string().as_bytes()),
            None => body.text(37, b"NONE"),
        };
        let is_replace = match &ticket.what {
            Wanted::Used(what) => **what == Wanted::Replace,
            what => *what == Wanted::Replace,
        };
        body.text(11, &ticket.id).text(41, &ticket.orig);
        body.text(39, &[order.map_or(b'8', Known::status)]).utc(60, self.at(now));
        body.text(434, if is_replace { b"2" } else { b"1" });
        body.uint(102, reason).text(58, words.as_bytes());
        message(b'9', &body)
    }

    /// Begins to carry out a request.
    pub fn begin(&mut self, ticket: Option<Box<Ticket>>) {
        self.ticket = ticket;
    }

    /// The request is carried out; what is to be said where the floor said nothing to it, with OUCH's letter for it.
    pub fn finish(&mut self, now: u64) -> Option<(u8, Vec<u8>)> {
        let ticket = self.ticket.take().filter(|t| !t.is_answered)?;
        let about = self.known.get(&ticket.about);
        Some(match &ticket.what {
            Wanted::New => return None,
            Wanted::Replace | Wanted::Cancel => {
                let (reason, words) = match about {
                    None => (UNKNOWN_ORDER, "no such order"),
                    Some(Known { pending: Some(_), .. }) => (ALREADY_PENDING, "a cancel is pending"),
                    Some(_) => (TOO_LATE, "too late"),
                };
                (b'I', self.reject_request(now, &ticket, reason, words))
            }
            Wanted::MassCancel(kind) => {
                (b'J', self.mass_report(now, &ticket, *kind, Err("of a symbol (1) or of all (7)")))
            }
            Wanted::Status(request) => (b'Q', self.status(now, &ticket, request.as_deref())),
            Wanted::Nothing(reason, kind, words) => {
                let mut body = Fields::new(ANSWER_MAX);
                body.uint(45, ticket.seq).text(372, kind);
                if !ticket.id.is_empty() {
                    body.text(379, &ticket.id);
                }
                body.uint(380, *reason).text(58, words.as_bytes());
                (b'J', message(b'j', &body))
            }
            Wanted::Used(what) => match **what {
                Wanted::New => {
                    let reason = within(DUPLICATE, self.version);
                    (b'J', self.reject_order(now, &ticket, reason, "this ClOrdID was used"))
                }
                Wanted::MassCancel(kind) => {
                    (b'J', self.mass_report(now, &ticket, kind, Err("this ClOrdID was used")))
                }
                _ => (b'I', self.reject_request(now, &ticket, DUPLICATE, "this ClOrdID was used")),
            },
        })
    }

    /// Where an order stands, because that was asked.
    fn status(&mut self, now: u64, ticket: &Ticket, request: Option<&[u8]>) -> Vec<u8> {
        let known = self.known.get(&ticket.about).cloned();
        let order = known.clone().unwrap_or(Known {
            id: ticket.id.clone(),
            symbol: ticket.symbol,
            side: ticket.side,
            stage: Stage::Rejected,
            ..self.take(Name { idx: 0, number: 0 })
        });
        let said = Said { id: Some(&ticket.id), ..Said::default() };
        self.report(now, &order, b'I', said, |body| {
            if let Some(request) = request {
                body.text(790, request);
            }
            if known.is_none() {
                body.uint(103, 5).text(58, b"no such order");
            }
        })
    }
}
