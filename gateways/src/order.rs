//! What every order entry protocol says of an order in the same words, and what each of them refuses to say.
//!
//! A command that a venue would punish by a reject, by silence, or by taking it for something else is an [`EncodeError`] and leaves no trace: not
//! a byte in the buffer, not a token used.

use model::{Canary, CommandKind, GatewayId, InstrumentId, OrderCommand, Px, Qty, Token};
use thiserror::Error;

use crate::ouch50::appendage::Options;

/// Why a command was not encoded. Nothing was written and its token is still unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The session is not at the point where this may be sent.
    #[error("the session is not ready")]
    NotReady,
    /// The transmit buffer has no room: the socket does not take bytes as fast as they are made.
    #[error("the transmit buffer is full")]
    Full,
    /// The command is for another gateway.
    #[error("the command is for gateway {0}")]
    OtherGateway(GatewayId),
    /// The instrument does not trade here.
    #[error("instrument {0} does not trade through this gateway")]
    UnknownInstrument(InstrumentId),
    /// Token 0, or a replace whose new token is not above the old one.
    #[error("token {0} cannot be used")]
    BadToken(Token),
    /// The venue would silently ignore this token as one it has processed.
    #[error("token {token} is not above {last}")]
    TokenUsed {
        /// The token.
        token: Token,
        /// The highest one written or known to be processed.
        last: Token,
    },
    /// Not 1 to 999,999 shares (a cancel: 0 to 999,999).
    #[error("{0} shares cannot be ordered")]
    BadQuantity(Qty),
    /// Not above 0 and at most 199,999.9900 USD; beyond that the venue takes it for a market order.
    #[error("price {0} cannot be ordered")]
    BadPrice(Px),
    /// The protocol has no such request, or [`crate::gateway::OrderGateway::encode`] is not the way to make it.
    #[error("this cannot be said here")]
    Unsaid,
    /// A buy marked short.
    #[error("a buy cannot be short")]
    ShortBuy,
}

/// So many cancels still find room in a transmit buffer that takes no more orders.
pub const CANCELS_RESERVED: usize = 64;

/// Bytes that even cancels leave free: a logout must always fit.
pub const CONTROL_RESERVE: usize = 8;

/// Whether `command` may be said by `gateway` as things are: a cancel whenever there is a session, all else once it is ready.
///
/// # Errors
/// [`EncodeError::OtherGateway`], [`EncodeError::NotReady`].
#[inline]
pub(crate) fn admit(command: &OrderCommand, gateway: GatewayId, ready: bool) -> Result<(), EncodeError> {
    if command.gateway != gateway {
        return Err(EncodeError::OtherGateway(command.gateway));
    }
    if !ready && !matches!(command.kind, CommandKind::Cancel { .. }) {
        return Err(EncodeError::NotReady);
    }
    Ok(())
}

/// The limit of an order, 1e-4 USD.
///
/// # Errors
/// [`EncodeError::BadPrice`].
#[inline]
pub fn limit(px: Px) -> Result<u64, EncodeError> {
    if px.is_orderable() { Ok(px.0.unsigned_abs()) } else { Err(EncodeError::BadPrice(px)) }
}

/// The shares of an order.
///
/// # Errors
/// [`EncodeError::BadQuantity`].
#[inline]
pub fn shares(qty: Qty) -> Result<u32, EncodeError> {
    if qty.is_zero() { Err(EncodeError::BadQuantity(qty)) } else { up_to_max(qty) }
}

/// The shares that a cancel leaves, which may be none.
///
/// # Errors
/// [`EncodeError::BadQuantity`].
#[inline]
pub fn up_to_max(qty: Qty) -> Result<u32, EncodeError> {
    if qty <= Qty::MAX_ORDER { Ok(qty.0) } else { Err(EncodeError::BadQuantity(qty)) }
}

/// The row of tokens of one session.
///
/// Invariant: the tokens taken between two resets strictly increase, and none is at or below what the venue is known to have processed. (The
/// venue ignores such a request without a word, and the order would stay unanswered for ever.)
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenRow {
    last: Token,
}

impl TokenRow {
    /// The highest token that must not be used again.
    #[must_use]
    pub fn last(&self) -> Token {
        self.last
    }

    /// Whether `token` may be used.
    ///
    /// # Errors
    /// [`EncodeError::BadToken`], [`EncodeError::TokenUsed`].
    #[inline]
    pub fn check(&self, token: Token) -> Result<(), EncodeError> {
        if token > self.last || Canary::TokensAgain.sings() {
            Ok(())
        } else if token.0 == 0 {
            Err(EncodeError::BadToken(token))
        } else {
            Err(EncodeError::TokenUsed { token, last: self.last })
        }
    }

    /// Whether `token` may be used to replace `old`.
    ///
    /// # Errors
    /// [`EncodeError::BadToken`], [`EncodeError::TokenUsed`].
    #[inline]
    pub fn check_replace(&self, old: Token, token: Token) -> Result<(), EncodeError> {
        self.check(token)?;
        if old.0 == 0 || old >= token { Err(EncodeError::BadToken(old)) } else { Ok(()) }
    }

    /// `token` was written.
    #[inline]
    pub fn take(&mut self, token: Token) {
        self.last = token;
    }

    /// The venue has processed `token`: neither it nor a lower one may be used.
    #[inline]
    pub fn raise(&mut self, token: Token) {
        self.last = self.last.max(token);
    }

    /// A new connection: what was written but not processed may be written again, with the same token, if the caller chooses to.
    pub fn reset(&mut self, processed: Token) {
        self.last = processed;
    }
}

/// The letters of an order that stay the same from order to order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letters {
    /// `Y` displayed, `N` not, `A` attributable.
    pub display: u8,
    /// `A` agency, `P` principal, `R` riskless, `O` other.
    pub capacity: u8,
    /// `Y` intermarket sweep, `N` not.
    pub iso: u8,
    /// `N` continuous market, `O`, `C`, `H`, `S`, `R`, `E`, `A`.
    pub cross: u8,
}

/// What all orders of a gateway have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderDefaults {
    /// Display, capacity, sweep and cross.
    pub letters: Letters,
    /// Whether orders name the firm. A port with one firm needs none.
    pub send_firm: bool,
    /// The client's text.
    pub clordid: ClOrdId,
    /// What OUCH 5.0 says in its appendage; the other protocols have none.
    pub options: Options,
}

impl Default for OrderDefaults {
    /// Displayed, principal, no sweep, no cross, no firm, no text, no options.
    fn default() -> OrderDefaults {
        OrderDefaults {
            letters: Letters { display: b'Y', capacity: b'P', iso: b'N', cross: b'N' },
            send_firm: false,
            clordid: ClOrdId::Blank,
            options: Options::default(),
        }
    }
}

/// The 14 characters of text that name an order to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClOrdId {
    /// Spaces.
    Blank,
    /// Four characters that name the strategy, then the token in ten digits.
    Tagged([u8; 4]),
}

impl ClOrdId {
    /// The text of one order.
    #[inline]
    #[must_use]
    pub fn of(self, token: Token) -> [u8; 14] {
        match self {
            ClOrdId::Blank => [b' '; 14],
            ClOrdId::Tagged(tag) => tagged(tag, token),
        }
    }
}

/// `tag`, then the token in ten digits.
///
/// Built in registers: text written byte by byte and then copied in words would stall on its own stores (measured 34 ns an order that way, 18 ns this way).
#[inline]
#[must_use]
pub fn tagged(tag: [u8; 4], token: Token) -> [u8; 14] {
    let (high, low) = (token.0 / 100_000_000, token.0 % 100_000_000);
    let high = u16::from_le_bytes([b'0' + (high / 10) as u8, b'0' + (high % 10) as u8]);
    let text =
        u128::from(u32::from_le_bytes(tag)) | u128::from(high) << 32 | u128::from(eight_digits(low)) << 48;
    let bytes = text.to_le_bytes();
    let mut out = [0; 14];
    out.copy_from_slice(&bytes[..14]);
    out
}

/// The eight decimal digits of `n < 100,000,000` as text, the first one in the lowest byte: all quotients of a step at once, in lanes.
#[inline]
const fn eight_digits(n: u32) -> u64 {
    let v = (n / 10_000) as u64 | ((n % 10_000) as u64) << 32;
    let hundreds = ((v * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let v = hundreds + ((v - 100 * hundreds) << 16);
    let tens = ((v * 103) >> 10) & 0x000F_000F_000F_000F;
    let v = tens + ((v - 10 * tens) << 8);
    v | 0x3030_3030_3030_3030
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_token_is_its_ten_digits() {
        let mut n = 1u32;
        for _ in 0..10_000 {
            n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            for token in [n, n % 1_000, n % 1_000_000] {
                let text = ClOrdId::Tagged(*b"T-1 ").of(Token(token));
                assert_eq!(text, format!("T-1 {token:010}").as_bytes());
            }
        }
        for n in (0..100_000_000).step_by(9_973).chain([9, 99, 9_999, 10_000, 99_999_999]) {
            assert_eq!(eight_digits(n).to_le_bytes(), format!("{n:08}").as_bytes());
        }
    }
}
