//! OUCH 4.2 as the protocol of a SoupBinTCP port.

use model::{GatewayId, Instrument, Nanos, OrderCommand, Qty, Side, Symbol, Token};

use super::{Decoder, Encoder, wire};
use crate::codec::{CancelAll, DecodeError, Message, Query, SoupProtocol, Switch};
use crate::gateway::SoupGateway;
use crate::order::{EncodeError, OrderDefaults};
use crate::soupbintcp::Transmit;

/// Encoder and decoder of one port.
#[derive(Debug)]
pub struct Ouch42 {
    encoder: Encoder,
    decoder: Decoder,
}

impl SoupProtocol for Ouch42 {
    const QUERY: Option<Query<Ouch42>> = None;

    const CANCEL_ALL: CancelAll<Ouch42> =
        CancelAll::OneByOne(|ouch, token, tx| ouch.encoder.cancel(token, Qty(0), tx));

    const SWITCH_ENTRY: Option<Switch<Ouch42>> = None;

    fn new(
        gateway: GatewayId,
        firm: [u8; 4],
        orders: OrderDefaults,
        instruments: &[Instrument],
    ) -> Result<Ouch42, Symbol> {
        Ok(Ouch42 {
            decoder: Decoder::new(gateway, orders.clordid, instruments)?,
            encoder: Encoder::new(gateway, firm, orders, instruments),
        })
    }

    #[inline]
    fn encode(&mut self, command: &OrderCommand, ready: bool, tx: &mut Transmit) -> Result<(), EncodeError> {
        self.encoder.encode(command, ready, tx)
    }

    #[inline]
    fn decode(&self, seq: u64, message: &[u8]) -> Result<Message, DecodeError> {
        self.decoder.decode(seq, message)
    }

    #[inline]
    fn raise(&mut self, token: Token) {
        self.encoder.tokens().raise(token);
    }

    fn reset(&mut self, processed: Token) {
        self.encoder.tokens().reset(processed);
    }

    fn letter_and_token(message: &[u8]) -> Option<(u8, Token)> {
        wire::letter_and_token(message)
    }
}

/// What OUCH 4.2 has beside orders. Each needs the login only.
impl SoupGateway<Ouch42> {
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

    /// Appends a Trade Now.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was appended.
    pub fn trade_now(&mut self, now: Nanos, token: Token) -> Result<(), EncodeError> {
        self.request(now, |ouch, tx| ouch.encoder.trade_now(token, tx))
    }
}
