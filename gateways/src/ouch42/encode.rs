//! Commands to bytes, with the checks that a venue would punish by a reject, by silence, or by taking the order for something else.
//!
//! Each instrument has its packet prebuilt; an order costs one copy of 52 bytes into the transmit buffer and five patches.

use model::{CommandKind, GatewayId, Instrument, OrderCommand, Px, Qty, Side, Tif, Token};

use super::name::Tag;
use super::wire::{self, ENTER_LEN, Enter, EnterTemplate, Fixed, Replace};
use crate::fields::side_letter;
use crate::order::{
    CANCELS_RESERVED, CONTROL_RESERVE, EncodeError, OrderDefaults, TokenRow, admit, limit, shares, up_to_max,
};
use crate::soupbintcp::Transmit;

/// Bytes of the transmit buffer that only cancels may use.
const CANCEL_RESERVE: usize = CANCELS_RESERVED * wire::CANCEL_LEN;

/// Not a retail order.
const CUSTOMER: u8 = b'N';

/// Encodes for one gateway. Allocates once, in [`Encoder::new`].
#[derive(Debug)]
pub struct Encoder {
    gateway: GatewayId,
    tag: Tag,
    defaults: OrderDefaults,
    /// By [`model::InstrumentId`]; `None` where the instrument trades elsewhere.
    templates: Box<[Option<EnterTemplate>]>,
    tokens: TokenRow,
}

/// Seconds: 0 is immediate or cancel, 99998 stands for market hours.
#[inline]
const fn seconds(tif: Tif) -> u32 {
    match tif {
        Tif::Day => 99_998,
        Tif::Ioc => 0,
    }
}

/// An orderable limit, which fits the field.
#[inline]
fn limit32(px: Px) -> Result<u32, EncodeError> {
    u32::try_from(limit(px)?).map_err(|_| EncodeError::BadPrice(px))
}

impl Encoder {
    /// For the instruments of `instruments` that trade through `gateway`.
    #[must_use]
    pub fn new(
        gateway: GatewayId,
        firm: [u8; 4],
        defaults: OrderDefaults,
        instruments: &[Instrument],
    ) -> Encoder {
        let ours = || instruments.iter().filter(|i| i.gateway == gateway);
        let count = ours().map(|i| i.id.index() + 1).max().unwrap_or(0);
        let mut templates = vec![None; count].into_boxed_slice();
        let firm = if defaults.send_firm { firm } else { *b"    " };
        for i in ours() {
            let (symbol, letters) = (i.symbol, defaults.letters);
            let fixed = Fixed { symbol, firm, letters, min_qty: 0, customer: CUSTOMER };
            templates[i.id.index()] = Some(EnterTemplate::new(&fixed));
        }
        Encoder { gateway, tag: Tag::new(defaults.clordid), defaults, templates, tokens: TokenRow::default() }
    }

    /// The row of tokens.
    pub fn tokens(&mut self) -> &mut TokenRow {
        &mut self.tokens
    }

    /// Writes one command as a whole packet. `ready` tells whether new risk may be sent; a cancel needs only the login.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was written.
    #[inline]
    pub fn encode(
        &mut self,
        command: &OrderCommand,
        ready: bool,
        tx: &mut Transmit,
    ) -> Result<(), EncodeError> {
        admit(command, self.gateway, ready)?;
        match command.kind {
            CommandKind::New { token, side, short, qty, px, tif } => {
                let Some(Some(template)) = self.templates.get(command.instrument.index()) else {
                    return Err(EncodeError::UnknownInstrument(command.instrument));
                };
                self.tokens.check(token)?;
                let enter = Enter {
                    name: self.tag.name(token),
                    side: side_letter(side, short)?,
                    qty: shares(qty)?,
                    px: limit32(px)?,
                    tif: seconds(tif),
                };
                let room =
                    tx.claim::<ENTER_LEN>(CANCEL_RESERVE + CONTROL_RESERVE).ok_or(EncodeError::Full)?;
                template.patch(room, &enter);
                tx.commit(ENTER_LEN);
                self.tokens.take(token);
                Ok(())
            }
            CommandKind::Replace { old, token, qty, px, tif } => {
                self.tokens.check_replace(old, token)?;
                let replace = Replace {
                    old: self.tag.name(old),
                    name: self.tag.name(token),
                    qty: shares(qty)?,
                    px: limit32(px)?,
                    tif: seconds(tif),
                    min_qty: 0,
                };
                let room = tx.claim(CANCEL_RESERVE + CONTROL_RESERVE).ok_or(EncodeError::Full)?;
                wire::replace(room, &replace, self.defaults.letters);
                tx.commit(wire::REPLACE_LEN);
                self.tokens.take(token);
                Ok(())
            }
            CommandKind::Cancel { token, qty } => self.cancel(token, qty, tx),
            CommandKind::Port { .. } => Err(EncodeError::Unsaid),
        }
    }

    /// Writes a Cancel: `qty` is the new intended total, 0 for none.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was written.
    #[inline]
    pub fn cancel(&mut self, token: Token, qty: Qty, tx: &mut Transmit) -> Result<(), EncodeError> {
        if token.0 == 0 {
            return Err(EncodeError::BadToken(token));
        }
        self.write(&wire::cancel(self.tag.name(token), up_to_max(qty)?), 0, tx)
    }

    /// Writes a Modify: fewer shares (`qty` as the total), or another kind of sell.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was written.
    pub fn modify(
        &mut self,
        token: Token,
        side: Side,
        short: bool,
        qty: Qty,
        tx: &mut Transmit,
    ) -> Result<(), EncodeError> {
        if token.0 == 0 {
            return Err(EncodeError::BadToken(token));
        }
        let packet = wire::modify(self.tag.name(token), side_letter(side, short)?, shares(qty)?);
        self.write(&packet, CANCEL_RESERVE, tx)
    }

    /// Writes a Trade Now.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was written.
    pub fn trade_now(&mut self, token: Token, tx: &mut Transmit) -> Result<(), EncodeError> {
        if token.0 == 0 {
            return Err(EncodeError::BadToken(token));
        }
        self.write(&wire::trade_now(self.tag.name(token)), CANCEL_RESERVE, tx)
    }

    #[inline]
    fn write<const N: usize>(
        &self,
        packet: &[u8; N],
        keep: usize,
        tx: &mut Transmit,
    ) -> Result<(), EncodeError> {
        if tx.push(packet, keep + CONTROL_RESERVE) { Ok(()) } else { Err(EncodeError::Full) }
    }
}
