//! Inbound messages as bytes, each inside its SoupBinTCP `U` packet.
//!
//! Nothing is checked here: these write any number a field can hold. [`super::Encoder`] decides what may be sent.
//!
//! Enter Order, the one on the hot path, is a template that is patched ([`EnterTemplate`]):
//!
//! ```text
//!   packet  0    2  3    4      8    9      13      21     29  30  31  32  33  34      48     50
//!           | len |U |O | token |side| qty  | symbol | price |tif|dsp|cap|iso|crs|clordid|applen| appendage
//! ```
//!
//! The other requests are written whole, without elements; [`extend`] puts these behind them.

use core::num::NonZeroU8;

use model::{Symbol, Token};

use super::appendage::OPTIONS_MAX;
use crate::fields::{blank, put};
use crate::order::Letters;
use crate::soupbintcp::HEADER_LEN;

/// Packet bytes of an Enter Order without appendage elements.
pub const ENTER_LEN: usize = HEADER_LEN + 47;
/// Packet bytes of the longest Enter Order made here.
pub const ENTER_MAX: usize = ENTER_LEN + OPTIONS_MAX;
/// Packet bytes of a Replace Order.
pub const REPLACE_LEN: usize = HEADER_LEN + 40;
/// Packet bytes of a Cancel Order.
pub const CANCEL_LEN: usize = HEADER_LEN + 9;
/// Packet bytes of a Modify Order.
pub const MODIFY_LEN: usize = HEADER_LEN + 10;
/// Packet bytes of a Mass Cancel.
pub const MASS_CANCEL_LEN: usize = HEADER_LEN + 19;
/// Packet bytes of a Disable or Enable Order Entry.
pub const ENTRY_SWITCH_LEN: usize = HEADER_LEN + 11;
/// Packet bytes of an Account Query.
pub const ACCOUNT_QUERY_LEN: usize = HEADER_LEN + 1;

/// The values of an Enter Order that differ from order to order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enter {
    /// UserRefNum.
    pub token: Token,
    /// `B`, `S`, `T` short, `E` short exempt.
    pub side: u8,
    /// Shares.
    pub qty: u32,
    /// Limit, 1e-4 USD.
    pub px: u64,
    /// `0` day, `3` immediate or cancel.
    pub tif: u8,
    /// Text of the client.
    pub clordid: [u8; 14],
}

/// Bytes of a cache line: what of a template is always copied.
const LINE: usize = 64;

/// The Enter Order packet of one instrument: a cache line, and a second one where there are many elements.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct EnterTemplate {
    bytes: [u8; ENTER_MAX],
    len: NonZeroU8,
}

const _: () = assert!(size_of::<Option<EnterTemplate>>() == 2 * LINE);

impl EnterTemplate {
    /// For `symbol`, with the elements of an appendage.
    ///
    /// # Panics
    /// If these have more than [`OPTIONS_MAX`] bytes.
    #[must_use]
    pub fn new(symbol: Symbol, letters: Letters, elements: &[u8]) -> EnterTemplate {
        let mut bytes: [u8; ENTER_MAX] = blank(b'O');
        bytes[ENTER_LEN..][..elements.len()].copy_from_slice(elements);
        let len = ENTER_LEN + elements.len();
        put(&mut bytes, 0, (len as u16 - 2).to_be_bytes());
        put(&mut bytes, 13, symbol.0);
        put(&mut bytes, 30, [letters.display, letters.capacity, letters.iso, letters.cross]);
        put(&mut bytes, 48, (elements.len() as u16).to_be_bytes());
        EnterTemplate { bytes, len: NonZeroU8::new(len as u8).expect("it has a fixed part") }
    }

    /// Writes the packet and returns its length.
    #[inline]
    pub fn patch(&self, out: &mut [u8; ENTER_MAX], o: &Enter) -> usize {
        out[..LINE].copy_from_slice(&self.bytes[..LINE]);
        if usize::from(self.len.get()) > LINE {
            out[LINE..].copy_from_slice(&self.bytes[LINE..]);
        }
        put(out, 4, o.token.0.to_be_bytes());
        out[8] = o.side;
        put(out, 9, o.qty.to_be_bytes());
        put(out, 21, o.px.to_be_bytes());
        out[29] = o.tif;
        put(out, 34, o.clordid);
        usize::from(self.len.get())
    }
}

/// The values of a Replace Order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replace {
    /// UserRefNum of the order until now.
    pub old: Token,
    /// UserRefNum from now on.
    pub token: Token,
    /// New total of the chain, executed shares included.
    pub qty: u32,
    /// Limit, 1e-4 USD.
    pub px: u64,
    /// `0` day, `3` immediate or cancel.
    pub tif: u8,
    /// Text of the client.
    pub clordid: [u8; 14],
}

/// Most packet bytes of what [`extend`] makes.
pub const EXTENDED_MAX: usize = 64;

/// Puts elements behind a whole packet without any, and returns its new length. A packet whose appendage is `required` ends with the size of an
/// empty one; the others end before it.
#[inline]
pub fn extend<const N: usize>(
    out: &mut [u8; EXTENDED_MAX],
    packet: &[u8; N],
    required: bool,
    elements: &[u8],
) -> usize {
    let fixed = if required { N - 2 } else { N };
    let len = fixed + 2 + elements.len();
    out[..N].copy_from_slice(packet);
    out[fixed..fixed + 2].copy_from_slice(&(elements.len() as u16).to_be_bytes());
    out[fixed + 2..len].copy_from_slice(elements);
    put(out, 0, (len as u16 - 2).to_be_bytes());
    len
}

/// Writes a Replace Order with an empty appendage: firm and options are the replaced order's.
#[inline]
pub fn replace(out: &mut [u8; REPLACE_LEN], r: &Replace, letters: Letters) {
    *out = const { blank(b'U') };
    put(out, 4, r.old.0.to_be_bytes());
    put(out, 8, r.token.0.to_be_bytes());
    put(out, 12, r.qty.to_be_bytes());
    put(out, 16, r.px.to_be_bytes());
    put(out, 24, [r.tif, letters.display, letters.iso]);
    put(out, 27, r.clordid);
    put(out, 41, [0, 0]);
}

/// A Cancel Order; `qty` is the new intended total, executed shares included, 0 for all that is open.
#[inline]
#[must_use]
pub fn cancel(token: Token, qty: u32) -> [u8; CANCEL_LEN] {
    let mut p = blank(b'X');
    put(&mut p, 4, token.0.to_be_bytes());
    put(&mut p, 8, qty.to_be_bytes());
    p
}

/// A Modify Order: fewer shares, or another kind of sell.
#[must_use]
pub fn modify(token: Token, side: u8, qty: u32) -> [u8; MODIFY_LEN] {
    let mut p = blank(b'M');
    put(&mut p, 4, token.0.to_be_bytes());
    p[8] = side;
    put(&mut p, 9, qty.to_be_bytes());
    p
}

/// A Mass Cancel of a firm's orders in one symbol, or with [`Symbol::BLANK`] in all.
#[must_use]
pub fn mass_cancel(token: Token, firm: [u8; 4], symbol: Symbol) -> [u8; MASS_CANCEL_LEN] {
    let mut p = blank(b'C');
    put(&mut p, 4, token.0.to_be_bytes());
    put(&mut p, 8, firm);
    put(&mut p, 12, symbol.0);
    put(&mut p, 20, [0, 0]);
    p
}

/// Disable Order Entry of a firm.
#[must_use]
pub fn disable_entry(token: Token, firm: [u8; 4]) -> [u8; ENTRY_SWITCH_LEN] {
    entry_switch(b'D', token, firm)
}

/// Enable Order Entry of a firm.
#[must_use]
pub fn enable_entry(token: Token, firm: [u8; 4]) -> [u8; ENTRY_SWITCH_LEN] {
    entry_switch(b'E', token, firm)
}

fn entry_switch(message_type: u8, token: Token, firm: [u8; 4]) -> [u8; ENTRY_SWITCH_LEN] {
    let mut p = blank(message_type);
    put(&mut p, 4, token.0.to_be_bytes());
    put(&mut p, 8, firm);
    put(&mut p, 12, [0, 0]);
    p
}

/// An Account Query: which number is next?
#[must_use]
pub fn account_query() -> [u8; ACCOUNT_QUERY_LEN] {
    blank(b'Q')
}

/// Of an inbound message (what follows the packet's type): its letter, and the number it introduces or for `X` and `M` names; 0 for `Q`.
#[must_use]
pub fn letter_and_token(message: &[u8]) -> Option<(u8, Token)> {
    let (&letter, rest) = message.split_first()?;
    let rest = match letter {
        b'Q' => return Some((letter, Token(0))),
        b'U' => rest.get(4..)?,
        b'O' | b'X' | b'M' | b'C' | b'D' | b'E' => rest,
        _ => return None,
    };
    Some((letter, Token(u32::from_be_bytes(*rest.first_chunk()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: Letters = Letters { display: b'Y', capacity: b'P', iso: b'N', cross: b'N' };

    #[test]
    fn an_enter_order_with_a_firm_has_the_shape_of_a_real_one() {
        let t = EnterTemplate::new(Symbol(*b"CVLT    "), LETTERS, b"\x05\x02LIME");
        let mut p = [0; ENTER_MAX];
        let n = t.patch(
            &mut p,
            &Enter {
                token: Token(0x71),
                side: b'T',
                qty: 0xE1,
                px: 1,
                tif: b'3',
                clordid: *b"ABCDEFGHIJKLMN",
            },
        );
        assert_eq!(n, 56);
        assert_eq!(p[..21], *b"\x00\x36UO\x00\x00\x00\x71T\x00\x00\x00\xe1CVLT    ");
        assert_eq!(p[21..n], *b"\0\0\0\0\0\0\0\x013YPNNABCDEFGHIJKLMN\x00\x06\x05\x02LIME");
    }

    #[test]
    fn every_message_says_its_letter_and_token() {
        let t = Token(9);
        let r = Replace { old: Token(7), token: t, qty: 1, px: 1, tif: b'0', clordid: *b"              " };
        let mut replaced = [0; REPLACE_LEN];
        replace(&mut replaced, &r, LETTERS);
        let packets: [&[u8]; 7] = [
            &replaced,
            &cancel(t, 0),
            &modify(t, b'S', 1),
            &mass_cancel(t, *b"FIRM", Symbol::BLANK),
            &disable_entry(t, *b"FIRM"),
            &enable_entry(t, *b"FIRM"),
            &account_query(),
        ];
        for (packet, (letter, token)) in
            packets.iter().zip([(b'U', 9), (b'X', 9), (b'M', 9), (b'C', 9), (b'D', 9), (b'E', 9), (b'Q', 0)])
        {
            assert_eq!(usize::from(u16::from_be_bytes([packet[0], packet[1]])) + 2, packet.len());
            assert_eq!(letter_and_token(&packet[3..]), Some((letter, Token(token))));
        }
        for bad in [&b""[..], b"Z1234", b"O123", b"U1234567"] {
            assert_eq!(letter_and_token(bad), None);
        }
    }
}
