//! OUCH 5.0 as the protocol of a SoupBinTCP port.

use model::{
    ExecutionReport, GatewayId, Instrument, Nanos, OrderCommand, Qty, ReportKind, Side, Symbol, Token,
};

use super::{Decoded, Decoder, Encoder, Outbound, wire};
use crate::codec::{CancelAll, DecodeError, Message, Query, SoupProtocol, Switch};
use crate::gateway::OuchGateway;
use crate::order::{EncodeError, OrderDefaults};
use crate::soupbintcp::Transmit;

/// Encoder and decoder of one port.
#[derive(Debug)]
pub struct Ouch50 {
    /// The channel of every request, and of the orders that are ours.
    channel: u8,
    encoder: Encoder,
    decoder: Decoder,
}

impl SoupProtocol for Ouch50 {
    /// Account Query.
    const QUERY: Option<Query<Ouch50>> =
        Some(Query { letter: b'Q', write: |ouch, tx| ouch.encoder.query(tx) });

    /// Mass Cancel of the firm, all symbols.
    const CANCEL_ALL: CancelAll<Ouch50> =
        CancelAll::AtOnce(|ouch, token, tx| ouch.encoder.mass_cancel(token, Symbol::BLANK, tx));

    const SWITCH_ENTRY: Option<Switch<Ouch50>> =
        Some(|ouch, token, enabled, tx| ouch.encoder.switch_entry(token, enabled, tx));

    fn new(
        gateway: GatewayId,
        firm: [u8; 4],
        orders: OrderDefaults,
        instruments: &[Instrument],
    ) -> Result<Ouch50, Symbol> {
        Ok(Ouch50 {
            channel: orders.options.channel(),
            encoder: Encoder::new(gateway, firm, orders, instruments),
            decoder: Decoder::new(gateway, instruments)?,
        })
    }

    #[inline]
    fn encode(&mut self, command: &OrderCommand, ready: bool, tx: &mut Transmit) -> Result<(), EncodeError> {
        self.encoder.encode(command, ready, tx)
    }

    #[inline]
    fn decode(&self, seq: u64, message: &[u8]) -> Result<Message, DecodeError> {
        let Decoded { channel, body } = self.decoder.decode(seq, message)?;
        let of_the_day =
            matches!(body, Outbound::Report(ExecutionReport { kind: ReportKind::System { .. }, .. }));
        if channel != self.channel && !of_the_day {
            return Ok(Message::Foreign);
        }
        Ok(match body {
            Outbound::Report(report) => Message::Report(report),
            Outbound::MassCanceled { ts_event, token, symbol, .. } => {
                Message::MassCanceled { ts_event, token, symbol }
            }
            Outbound::EntryDisabled { ts_event, token, .. } => {
                Message::EntrySwitched { ts_event, token, enabled: false }
            }
            Outbound::EntryEnabled { ts_event, token, .. } => {
                Message::EntrySwitched { ts_event, token, enabled: true }
            }
            Outbound::NextToken { next, .. } => Message::NextToken(next),
        })
    }

    #[inline]
    fn raise(&mut self, token: Token) {
        self.encoder.raise(token);
    }

    fn reset(&mut self, processed: Token) {
        self.encoder.reset(processed);
    }

    fn letter_and_token(message: &[u8]) -> Option<(u8, Token)> {
        wire::letter_and_token(message)
    }
}

/// What OUCH 5.0 has beside orders. Each needs the login only, and its errors are those of [`crate::gateway::OrderGateway::encode`].
impl OuchGateway {
    /// Appends a Modify: fewer shares, or another kind of sell. `qty` is the new total.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was appended.
    pub fn modify(
        &mut self,
        now: Nanos,
        token: Token,
        side: Side,
        short: bool,
        qty: Qty,
    ) -> Result<(), EncodeError> {
        self.request(now, |ouch, tx| ouch.encoder.modify(token, side, short, qty, tx))
    }
}
