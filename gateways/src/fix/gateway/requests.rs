//! Commands to requests.

use model::{CommandKind, Nanos, OrderCommand, Side, Symbol, Token};

use super::super::order::{Name, OrderTerms, Purpose};
use super::super::orders::Record;
use super::super::session::Version;
use super::super::tags::app;
use super::desk::{Desk, SENT_MAX, Sent};
use crate::order::{EncodeError, limit, shares, up_to_max};

impl Desk {
    /// The body of the request that was written last.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The request of message `seq` was sent.
    pub(super) fn on_sent(&mut self, seq: u64, kind: &[u8], sent: Sent) {
        match sent {
            Sent::Order(record) => {
                // Trading goes on, so somebody has settled what was not known.
                self.knows = true;
                self.row.take(record.token);
                self.orders.put(record);
            }
            Sent::All(token) => self.row.take(token),
            Sent::Question(_) => {}
            Sent::About(name) => {
                if let (Some(_), Some(record)) = (self.sweep, self.orders.get(name.token)) {
                    record.swept = true;
                }
            }
        }
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((seq, sent.name(), kind[0]));
    }

    fn ticker(&self, command: &OrderCommand) -> Result<Symbol, EncodeError> {
        let OrderCommand { gateway, instrument, .. } = *command;
        if gateway != self.id {
            return Err(EncodeError::OtherGateway(gateway));
        }
        let ticker = self.tickers.get(instrument.index()).copied().flatten();
        ticker.ok_or(EncodeError::UnknownInstrument(instrument))
    }

    /// Writes the request of a command, to be message `seq`.
    pub(super) fn write(
        &mut self,
        now: Nanos,
        seq: u64,
        command: &OrderCommand,
    ) -> Result<(&'static [u8], Sent), EncodeError> {
        let symbol = self.ticker(command)?;
        let new_risk = !matches!(command.kind, CommandKind::Cancel { .. });
        if new_risk && !self.is_ready() {
            return Err(EncodeError::NotReady);
        }
        match command.kind {
            CommandKind::Port { .. } => Err(EncodeError::Unsaid),
            CommandKind::New { token, side, short, qty, px, tif } => {
                if side == Side::Buy && short {
                    return Err(EncodeError::ShortBuy);
                }
                self.row.check(token)?;
                let terms = OrderTerms { symbol, side, short, qty, px, tif };
                let record = self.record(token, terms)?;
                let body = self.requests.new_order(now, record.name(), &terms);
                keep(&mut self.body, body);
                Ok((app::NEW_ORDER_SINGLE, Sent::Order(record)))
            }
            CommandKind::Replace { old, token, qty, px, tif } => {
                self.row.check_replace(old, token)?;
                let before = *self.orders.get(old).ok_or(EncodeError::BadToken(old))?;
                let terms = OrderTerms { qty, px, tif, ..before.terms };
                let record = self.record(token, terms)?;
                let body = self.requests.replace(now, record.name(), before.name(), &terms);
                keep(&mut self.body, body);
                Ok((app::ORDER_CANCEL_REPLACE_REQUEST, Sent::Order(record)))
            }
            CommandKind::Cancel { token, qty } => {
                up_to_max(qty)?;
                let order = *self.orders.get(token).ok_or(EncodeError::BadToken(token))?;
                if qty.is_zero() {
                    return Ok(self.write_cancel(now, seq, &order));
                }
                let name = Name { token, request: Some((Purpose::Reduce, seq)) };
                let terms = OrderTerms { qty, ..order.terms };
                let body = self.requests.replace(now, name, order.name(), &terms);
                keep(&mut self.body, body);
                Ok((app::ORDER_CANCEL_REPLACE_REQUEST, Sent::About(name)))
            }
        }
    }

    fn record(&self, token: Token, terms: OrderTerms) -> Result<Record, EncodeError> {
        shares(terms.qty)?;
        limit(terms.px)?;
        if self.orders.is_full() {
            return Err(EncodeError::Full);
        }
        Ok(Record::new(token, terms))
    }

    fn write_cancel(&mut self, now: Nanos, seq: u64, order: &Record) -> (&'static [u8], Sent) {
        let name = Name { token: order.token, request: Some((Purpose::Cancel, seq)) };
        let body = self.requests.cancel(now, name, order.name(), &order.terms);
        keep(&mut self.body, body);
        (app::ORDER_CANCEL_REQUEST, Sent::About(name))
    }

    /// Whether the version has a mass cancel.
    pub(super) fn can_mass_cancel(&self) -> bool {
        self.version == Version::Fix44
    }

    pub(super) fn write_mass_cancel(
        &mut self,
        now: Nanos,
        token: Token,
    ) -> Result<(&'static [u8], Sent), EncodeError> {
        self.row.check(token)?;
        let body = self.requests.cancel_all(now, Name { token, request: None });
        keep(&mut self.body, body);
        Ok((app::ORDER_MASS_CANCEL_REQUEST, Sent::All(token)))
    }

    /// A mass cancel in a version that has none: all that is known to be open, one by one.
    pub(super) fn begin_sweep(&mut self, token: Token) -> Result<(), EncodeError> {
        if self.sweep.is_none() {
            self.row.check(token)?;
            self.orders.unsweep();
            self.sweep = Some(token);
        }
        Ok(())
    }

    pub(super) fn has_unswept(&mut self) -> bool {
        self.orders.unswept().is_some()
    }

    pub(super) fn write_next_of_sweep(
        &mut self,
        now: Nanos,
        seq: u64,
    ) -> Result<(&'static [u8], Sent), EncodeError> {
        let order = *self.orders.unswept().ok_or(EncodeError::NotReady)?;
        Ok(self.write_cancel(now, seq, &order))
    }

    pub(super) fn end_sweep(&mut self, token: Token) {
        self.sweep = None;
        self.swept = Some(token);
        self.row.raise(token);
    }
}

fn keep(body: &mut Vec<u8>, bytes: &[u8]) {
    body.clear();
    body.extend_from_slice(bytes);
}
