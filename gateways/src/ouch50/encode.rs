//! Commands to bytes, with the checks that a venue would punish by a reject, by silence, or by taking the order for something else.
//!
//! Each instrument has its packet prebuilt; an order costs one copy of 56 bytes into the transmit buffer and six patches.

use model::{CommandKind, GatewayId, Instrument, OrderCommand, Qty, Side, Symbol, Tif, Token};

use super::appendage::Element;
use super::wire::{self, ENTER_MAX, EXTENDED_MAX, Enter, EnterTemplate, Replace};
use crate::fields::side_letter;
use crate::order::{
    CANCELS_RESERVED, CONTROL_RESERVE, EncodeError, OrderDefaults, TokenRow, admit, limit, shares, up_to_max,
};
use crate::soupbintcp::Transmit;

/// Bytes of the transmit buffer that only cancels may use: each with a channel.
const CANCEL_RESERVE: usize = CANCELS_RESERVED * (wire::CANCEL_LEN + 5);

/// Encodes for one gateway. Allocates once, in [`Encoder::new`].
#[derive(Debug)]
pub struct Encoder {
    gateway: GatewayId,
    firm: [u8; 4],
    defaults: OrderDefaults,
    /// By [`model::InstrumentId`]; `None` where the instrument trades elsewhere.
    templates: Box<[Option<EnterTemplate>]>,
    /// Elements of a replace, and of all requests but Enter and Replace.
    in_replace: Box<[u8]>,
    in_others: Box<[u8]>,
    tokens: TokenRow,
}

#[inline]
const fn tif_letter(tif: Tif) -> u8 {
    match tif {
        Tif::Day => b'0',
        Tif::Ioc => b'3',
    }
}

impl Encoder {
    /// For the instruments of `instruments` that trade through `gateway`.
    #[must_use]
    pub fn new(
        gateway: GatewayId,
        firm: [u8; 4],
        mut defaults: OrderDefaults,
        instruments: &[Instrument],
    ) -> Encoder {
        if defaults.send_firm {
            // One that is there already stays.
            let _ = defaults.options.add(Element::Firm(firm));
        }
        let elements = defaults.options.enter();
        let ours = || instruments.iter().filter(|i| i.gateway == gateway);
        let count = ours().map(|i| i.id.index() + 1).max().unwrap_or(0);
        let mut templates = vec![None; count].into_boxed_slice();
        for i in ours() {
            templates[i.id.index()] = Some(EnterTemplate::new(i.symbol, defaults.letters, &elements));
        }
        let (in_replace, in_others) = (defaults.options.replace(), defaults.options.others());
        let tokens = TokenRow::default();
        Encoder { gateway, firm, defaults, templates, in_replace, in_others, tokens }
    }

    /// The highest token that must not be used again.
    #[must_use]
    pub fn last_token(&self) -> Token {
        self.tokens.last()
    }

    /// The venue has processed `token`: neither it nor a lower one may be used.
    #[inline]
    pub fn raise(&mut self, token: Token) {
        self.tokens.raise(token);
    }

    /// A new connection: what was written but not processed may be written again, with the same token, if the caller chooses to.
    pub fn reset(&mut self, processed: Token) {
        self.tokens.reset(processed);
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
                    token,
                    side: side_letter(side, short)?,
                    qty: shares(qty)?,
                    px: limit(px)?,
                    tif: tif_letter(tif),
                    clordid: self.defaults.clordid.of(token),
                };
                let room =
                    tx.claim::<ENTER_MAX>(CANCEL_RESERVE + CONTROL_RESERVE).ok_or(EncodeError::Full)?;
                let len = template.patch(room, &enter);
                tx.commit(len);
                self.tokens.take(token);
                Ok(())
            }
            CommandKind::Replace { old, token, qty, px, tif } => {
                self.tokens.check_replace(old, token)?;
                let replace = Replace {
                    old,
                    token,
                    qty: shares(qty)?,
                    px: limit(px)?,
                    tif: tif_letter(tif),
                    clordid: self.defaults.clordid.of(token),
                };
                let mut packet = [0; wire::REPLACE_LEN];
                wire::replace(&mut packet, &replace, self.defaults.letters);
                Self::write(&packet, true, &self.in_replace, CANCEL_RESERVE, tx)?;
                self.tokens.take(token);
                Ok(())
            }
            CommandKind::Cancel { token, qty } => {
                if token.0 == 0 {
                    return Err(EncodeError::BadToken(token));
                }
                Self::write(&wire::cancel(token, up_to_max(qty)?), false, &self.in_others, 0, tx)
            }
            CommandKind::Port { .. } => Err(EncodeError::Unsaid),
        }
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
        let packet = wire::modify(token, side_letter(side, short)?, shares(qty)?);
        Self::write(&packet, false, &self.in_others, CANCEL_RESERVE, tx)
    }

    /// Writes a Mass Cancel of the firm's orders in `symbol`, or with [`Symbol::BLANK`] in all.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was written.
    pub fn mass_cancel(
        &mut self,
        token: Token,
        symbol: Symbol,
        tx: &mut Transmit,
    ) -> Result<(), EncodeError> {
        self.tokens.check(token)?;
        Self::write(&wire::mass_cancel(token, self.firm, symbol), true, &self.in_others, 0, tx)?;
        self.tokens.take(token);
        Ok(())
    }

    /// Writes a Disable (`enabled` false) or Enable Order Entry of the firm.
    ///
    /// # Errors
    /// [`EncodeError`]: nothing was written.
    pub fn switch_entry(
        &mut self,
        token: Token,
        enabled: bool,
        tx: &mut Transmit,
    ) -> Result<(), EncodeError> {
        self.tokens.check(token)?;
        let packet = if enabled {
            wire::enable_entry(token, self.firm)
        } else {
            wire::disable_entry(token, self.firm)
        };
        Self::write(&packet, true, &self.in_others, 0, tx)?;
        self.tokens.take(token);
        Ok(())
    }

    /// Writes an Account Query.
    ///
    /// # Errors
    /// [`EncodeError::Full`].
    pub fn query(&self, tx: &mut Transmit) -> Result<(), EncodeError> {
        Self::write(&wire::account_query(), false, &self.in_others, 0, tx)
    }

    #[inline]
    fn write<const N: usize>(
        packet: &[u8; N],
        required: bool,
        elements: &[u8],
        keep: usize,
        tx: &mut Transmit,
    ) -> Result<(), EncodeError> {
        let keep = keep + CONTROL_RESERVE;
        if elements.is_empty() {
            return if tx.push(packet, keep) { Ok(()) } else { Err(EncodeError::Full) };
        }
        let room = tx.claim::<EXTENDED_MAX>(keep).ok_or(EncodeError::Full)?;
        let len = wire::extend(room, packet, required, elements);
        tx.commit(len);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::ClOrdId;
    use model::{FeedId, InstrumentId, Px};

    fn encoder(defaults: OrderDefaults) -> Encoder {
        let instrument = |id, symbol, gateway| Instrument {
            id: InstrumentId(id),
            symbol: Symbol::new(symbol).unwrap(),
            feed: FeedId(0),
            gateway: GatewayId(gateway),
        };
        let all = [instrument(0, "AAPL", 1), instrument(1, "MSFT", 2), instrument(2, "BRK.A", 1)];
        Encoder::new(GatewayId(1), *b"FIRM", defaults, &all)
    }

    fn command(kind: CommandKind) -> OrderCommand {
        OrderCommand { gateway: GatewayId(1), instrument: InstrumentId(0), kind }
    }

    fn new(token: u32, qty: u32, px: i64) -> OrderCommand {
        command(CommandKind::New {
            token: Token(token),
            side: Side::Buy,
            short: false,
            qty: Qty(qty),
            px: Px(px),
            tif: Tif::Day,
        })
    }

    fn replace(old: u32, token: u32, qty: u32, px: i64) -> OrderCommand {
        let (old, token) = (Token(old), Token(token));
        command(CommandKind::Replace { old, token, qty: Qty(qty), px: Px(px), tif: Tif::Ioc })
    }

    fn cancel(token: u32, qty: u32) -> OrderCommand {
        command(CommandKind::Cancel { token: Token(token), qty: Qty(qty) })
    }

    #[test]
    fn sides_and_times_have_their_letters() {
        let mut e = encoder(OrderDefaults::default());
        let mut token = 0;
        for (side, short, letter) in
            [(Side::Buy, false, b'B'), (Side::Sell, false, b'S'), (Side::Sell, true, b'T')]
        {
            for (tif, tif_byte) in [(Tif::Day, b'0'), (Tif::Ioc, b'3')] {
                let mut tx = Transmit::new(4096);
                token += 1;
                let c = CommandKind::New { token: Token(token), side, short, qty: Qty(1), px: Px(1), tif };
                e.encode(&command(c), true, &mut tx).unwrap();
                assert_eq!(tx.pending().len(), wire::ENTER_LEN);
                assert_eq!((tx.pending()[8], tx.pending()[29]), (letter, tif_byte));
            }
        }
        let c = CommandKind::New {
            token: Token(99),
            side: Side::Buy,
            short: true,
            qty: Qty(1),
            px: Px(1),
            tif: Tif::Day,
        };
        assert_eq!(e.encode(&command(c), true, &mut Transmit::new(4096)), Err(EncodeError::ShortBuy));
    }

    #[test]
    fn a_tagged_order_carries_its_firm_and_its_token_as_text() {
        let mut e = encoder(OrderDefaults {
            send_firm: true,
            clordid: ClOrdId::Tagged(*b"MM01"),
            ..OrderDefaults::default()
        });
        let mut tx = Transmit::new(4096);
        let c = OrderCommand { instrument: InstrumentId(2), ..new(u32::MAX, 999_999, Px::MAX.0) };
        e.encode(&c, true, &mut tx).unwrap();
        assert_eq!(
            tx.pending(),
            b"\x00\x36UO\xff\xff\xff\xffB\x00\x0f\x42\x3fBRK.A   \0\0\0\0\x77\x35\x93\x9c0YPNNMM014294967295\x00\x06\x05\x02FIRM"
        );
    }

    #[test]
    fn what_the_venue_would_refuse_or_misread_is_refused_without_a_trace() {
        let mut e = encoder(OrderDefaults::default());
        let mut tx = Transmit::new(4096);
        e.encode(&new(10, 1, 1), true, &mut tx).unwrap();
        let written = tx.pending().to_vec();
        let elsewhere = OrderCommand { instrument: InstrumentId(1), ..new(11, 1, 1) };
        let unknown = OrderCommand { instrument: InstrumentId(999), ..new(11, 1, 1) };
        let other = OrderCommand { gateway: GatewayId(2), ..new(11, 1, 1) };
        let cases = [
            (new(11, 0, 1), EncodeError::BadQuantity(Qty(0))),
            (new(11, 1_000_000, 1), EncodeError::BadQuantity(Qty(1_000_000))),
            (new(11, u32::MAX, 1), EncodeError::BadQuantity(Qty(u32::MAX))),
            (new(11, 1, 0), EncodeError::BadPrice(Px(0))),
            (new(11, 1, -1), EncodeError::BadPrice(Px(-1))),
            (new(11, 1, i64::MIN), EncodeError::BadPrice(Px(i64::MIN))),
            (new(11, 1, Px::MAX.0 + 1), EncodeError::BadPrice(Px(Px::MAX.0 + 1))),
            (new(11, 1, 0x7FFF_FFFF), EncodeError::BadPrice(Px(0x7FFF_FFFF))),
            (new(11, 1, i64::MAX), EncodeError::BadPrice(Px(i64::MAX))),
            (new(0, 1, 1), EncodeError::BadToken(Token(0))),
            (new(10, 1, 1), EncodeError::TokenUsed { token: Token(10), last: Token(10) }),
            (new(9, 1, 1), EncodeError::TokenUsed { token: Token(9), last: Token(10) }),
            (replace(10, 10, 1, 1), EncodeError::TokenUsed { token: Token(10), last: Token(10) }),
            (replace(11, 11, 1, 1), EncodeError::BadToken(Token(11))),
            (replace(0, 11, 1, 1), EncodeError::BadToken(Token(0))),
            (replace(10, 11, 0, 1), EncodeError::BadQuantity(Qty(0))),
            (replace(10, 11, 1, 0), EncodeError::BadPrice(Px(0))),
            (cancel(0, 0), EncodeError::BadToken(Token(0))),
            (cancel(10, 1_000_000), EncodeError::BadQuantity(Qty(1_000_000))),
            (elsewhere, EncodeError::UnknownInstrument(InstrumentId(1))),
            (unknown, EncodeError::UnknownInstrument(InstrumentId(999))),
            (other, EncodeError::OtherGateway(GatewayId(2))),
        ];
        for (c, why) in cases {
            assert_eq!(e.encode(&c, true, &mut tx), Err(why), "{c:?}");
            assert_eq!((tx.pending(), e.last_token()), (&written[..], Token(10)), "{c:?}");
        }
        assert_eq!(e.encode(&new(11, 1, 1), false, &mut tx), Err(EncodeError::NotReady));
        e.encode(&cancel(10, 0), false, &mut tx).expect("a cancel does not wait for the replay");
        e.encode(&new(11, 1, 1), true, &mut tx).unwrap();
    }

    #[test]
    fn a_full_buffer_refuses_orders_first_and_cancels_last() {
        let mut e = encoder(OrderDefaults::default());
        let mut tx = Transmit::new(4096);
        let mut token = 0;
        let why = loop {
            token += 1;
            if let Err(why) = e.encode(&new(token, 1, 1), true, &mut tx) {
                break why;
            }
        };
        assert_eq!((why, e.last_token()), (EncodeError::Full, Token(token - 1)));
        let why = loop {
            match e.encode(&replace(1, token, 1, 1), true, &mut tx) {
                Ok(()) => token += 1,
                Err(why) => break why,
            }
        };
        assert_eq!((why, e.last_token()), (EncodeError::Full, Token(token - 1)));
        let mut cancels = 0;
        while e.encode(&cancel(1, 0), true, &mut tx).is_ok() {
            cancels += 1;
        }
        assert!(cancels >= 64, "{cancels}");
        assert!(tx.capacity() - tx.pending().len() >= 3, "a logout still fits");
        assert_eq!(tx.unsent().count(), token as usize - 1 + cancels);
        tx.sent(tx.pending().len());
        e.encode(&new(token, 1, 1), true, &mut tx).expect("the refused token was not used up");
    }

    #[test]
    fn account_wide_requests_take_a_token_of_the_same_sequence() {
        let mut e = encoder(OrderDefaults::default());
        let mut tx = Transmit::new(4096);
        e.mass_cancel(Token(5), Symbol::BLANK, &mut tx).unwrap();
        e.switch_entry(Token(6), false, &mut tx).unwrap();
        e.switch_entry(Token(7), true, &mut tx).unwrap();
        e.modify(Token(3), Side::Sell, true, Qty(4), &mut tx).unwrap();
        assert_eq!(
            tx.pending(),
            b"\0\x14UC\0\0\0\x05FIRM        \0\0\0\x0cUD\0\0\0\x06FIRM\0\0\0\x0cUE\0\0\0\x07FIRM\0\0\0\x0bUM\0\0\0\x03T\0\0\0\x04"
        );
        let used = EncodeError::TokenUsed { token: Token(7), last: Token(7) };
        assert_eq!(e.encode(&new(7, 1, 1), true, &mut tx), Err(used));
        assert_eq!(e.mass_cancel(Token(7), Symbol::BLANK, &mut tx), Err(used));
        assert_eq!(e.switch_entry(Token(7), true, &mut tx), Err(used));
    }
}
