//! OUCH 5.0 as the protocol of a SoupBinTCP port.

use model::{GatewayId, Instrument, Nanos, OrderCommand, Qty, Side, Symbol, Token};

use super::{Decoded, Decoder, Encoder, Outbound, wire};
use crate::codec::{CancelAll, DecodeError, Message, SoupProtocol};
use crate::gateway::OuchGateway;
use crate::order::{EncodeError, OrderDefaults};
use crate::soupbintcp::Transmit;

/// Encoder and decoder of one port.
#[derive(Debug)]
pub struct Ouch50 {
    encoder: Encoder,
    decoder: Decoder,
}

impl SoupProtocol for Ouch50 {
    /// Account Query.
    const QUERY: Option<u8> = Some(b'Q');

    /// Mass Cancel of the firm, all symbols.
    const CANCEL_ALL: CancelAll<Ouch50> =
        CancelAll::AtOnce(|ouch, token, tx| ouch.encoder.mass_cancel(token, Symbol::BLANK, tx));

    fn new(
        gateway: GatewayId,
        firm: [u8; 4],
        orders: OrderDefaults,
        instruments: &[Instrument],
    ) -> Result<Ouch50, Symbol> {
        Ok(Ouch50 {
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
        Ok(match self.decoder.decode(seq, message)? {
            Decoded { channel: 1.., .. } => Message::Foreign,
            Decoded { body: Outbound::Report(report), .. } => Message::Report(report),
            Decoded { body: Outbound::MassCanceled { ts_event, token, symbol, .. }, .. } => {
                Message::MassCanceled { ts_event, token, symbol }
            }
            Decoded { body: Outbound::EntryDisabled { ts_event, token, .. }, .. } => {
                Message::EntrySwitched { ts_event, token, enabled: false }
            }
            Decoded { body: Outbound::EntryEnabled { ts_event, token, .. }, .. } => {
                Message::EntrySwitched { ts_event, token, enabled: true }
            }
            Decoded { body: Outbound::NextToken { next, .. }, .. } => Message::NextToken(next),
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

    /// Appends a Mass Cancel of the firm's orders in `symbol`, or with [`Symbol::BLANK`] in all. It takes a token of its own, and the venue ignores it
    /// silently if that was used before.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was appended.
    pub fn mass_cancel(&mut self, now: Nanos, token: Token, symbol: Symbol) -> Result<(), EncodeError> {
        self.request(now, |ouch, tx| ouch.encoder.mass_cancel(token, symbol, tx))
    }

    /// Appends a Disable Order Entry of the firm.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was appended.
    pub fn disable_entry(&mut self, now: Nanos, token: Token) -> Result<(), EncodeError> {
        self.request(now, |ouch, tx| ouch.encoder.switch_entry(token, false, tx))
    }

    /// Appends an Enable Order Entry of the firm.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was appended.
    pub fn enable_entry(&mut self, now: Nanos, token: Token) -> Result<(), EncodeError> {
        self.request(now, |ouch, tx| ouch.encoder.switch_entry(token, true, tx))
    }
}
