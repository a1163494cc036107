//! Inbound messages as bytes, each inside its SoupBinTCP `U` packet.
//!
//! Nothing is checked here: these write any number a field can hold. [`super::Encoder`] decides what may be sent.
//!
//! Enter Order, the one on the hot path, is a template that is patched ([`EnterTemplate`]):
//!
//! ```text
//!   packet  0    2  3    4      18     19     23      31      35   39    43  44  45  46      50     51
//!           | len |U |O | token | side | shares | stock | price | tif | firm |dsp|cap|iso|min qty|cross|customer|
//! ```

use model::{Symbol, Token};

use super::name::{self, LEN};
use crate::fields::{blank, put};
use crate::order::Letters;
use crate::soupbintcp::HEADER_LEN;

/// Packet bytes of an Enter Order.
pub const ENTER_LEN: usize = HEADER_LEN + 49;
/// Packet bytes of a Replace Order.
pub const REPLACE_LEN: usize = HEADER_LEN + 47;
/// Packet bytes of a Cancel Order.
pub const CANCEL_LEN: usize = HEADER_LEN + 19;
/// Packet bytes of a Modify Order.
pub const MODIFY_LEN: usize = HEADER_LEN + 20;
/// Packet bytes of a Trade Now.
pub const TRADE_NOW_LEN: usize = HEADER_LEN + 15;

/// The values of an Enter Order that differ from order to order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enter {
    /// Order token.
    pub name: [u8; LEN],
    /// `B`, `S`, `T` short, `E` short exempt.
    pub side: u8,
    /// Shares.
    pub qty: u32,
    /// Limit, 1e-4 USD.
    pub px: u32,
    /// Seconds; 0 immediate or cancel, 99998 until the market closes.
    pub tif: u32,
}

/// What of an Enter Order is the same for all orders of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Ticker.
    pub symbol: Symbol,
    /// Blank for the port's own.
    pub firm: [u8; 4],
    /// Display, capacity, sweep, cross.
    pub letters: Letters,
    /// Least shares of a fill; 0 for any.
    pub min_qty: u32,
    /// `R` retail, `N` not, blank for the port's default.
    pub customer: u8,
}

/// The Enter Order packet of one instrument, in one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct EnterTemplate([u8; ENTER_LEN]);

const _: () = assert!(size_of::<EnterTemplate>() == 64);

impl EnterTemplate {
    /// The packet with blanks where orders differ.
    #[must_use]
    pub fn new(f: &Fixed) -> EnterTemplate {
        let mut p = blank(b'O');
        put(&mut p, 23, f.symbol.0);
        put(&mut p, 39, f.firm);
        put(&mut p, 43, [f.letters.display, f.letters.capacity, f.letters.iso]);
        put(&mut p, 46, f.min_qty.to_be_bytes());
        put(&mut p, 50, [f.letters.cross, f.customer]);
        EnterTemplate(p)
    }

    /// Writes the packet.
    #[inline]
    pub fn patch(&self, out: &mut [u8; ENTER_LEN], o: &Enter) {
        *out = self.0;
        put(out, 4, o.name);
        out[18] = o.side;
        put(out, 19, o.qty.to_be_bytes());
        put(out, 31, o.px.to_be_bytes());
        put(out, 35, o.tif.to_be_bytes());
    }
}

/// The values of a Replace Order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replace {
    /// Order token until now.
    pub old: [u8; LEN],
    /// Order token from now on.
    pub name: [u8; LEN],
    /// New total of the chain, executed shares included.
    pub qty: u32,
    /// Limit, 1e-4 USD.
    pub px: u32,
    /// As in [`Enter`].
    pub tif: u32,
    /// As in [`Fixed`].
    pub min_qty: u32,
}

/// Writes a Replace Order; firm, side and capacity are the replaced order's.
#[inline]
pub fn replace(out: &mut [u8; REPLACE_LEN], r: &Replace, letters: Letters) {
    *out = const { blank(b'U') };
    put(out, 4, r.old);
    put(out, 18, r.name);
    put(out, 32, r.qty.to_be_bytes());
    put(out, 36, r.px.to_be_bytes());
    put(out, 40, r.tif.to_be_bytes());
    put(out, 44, [letters.display, letters.iso]);
    put(out, 46, r.min_qty.to_be_bytes());
}

/// A Cancel Order; `qty` is the new intended total, executed shares included, 0 for all that is open.
#[inline]
#[must_use]
pub fn cancel(name: [u8; LEN], qty: u32) -> [u8; CANCEL_LEN] {
    let mut p = blank(b'X');
    put(&mut p, 4, name);
    put(&mut p, 18, qty.to_be_bytes());
    p
}

/// A Modify Order: fewer shares, or another kind of sell.
#[must_use]
pub fn modify(name: [u8; LEN], side: u8, qty: u32) -> [u8; MODIFY_LEN] {
    let mut p = blank(b'M');
    put(&mut p, 4, name);
    p[18] = side;
    put(&mut p, 19, qty.to_be_bytes());
    p
}

/// A Trade Now: the order is to trade at once with what it is held back from.
#[must_use]
pub fn trade_now(name: [u8; LEN]) -> [u8; TRADE_NOW_LEN] {
    let mut p = blank(b'N');
    put(&mut p, 4, name);
    p
}

/// Of an inbound message (what follows the packet's type): its letter, and the token in the name it introduces or for `X`, `M` and `N` tells.
#[must_use]
pub fn letter_and_token(message: &[u8]) -> Option<(u8, Token)> {
    let (&letter, rest) = message.split_first()?;
    let rest = match letter {
        b'U' => rest.get(LEN..)?,
        b'O' | b'X' | b'M' | b'N' => rest,
        _ => return None,
    };
    Some((letter, name::digits(rest.first_chunk()?)?))
}
