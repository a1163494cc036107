//! ITCH 5.0 as the venue writes it (TotalView-ITCH 5.0, revision 2023-04-28).
//!
//! Every message is `type(1) locate(2) tracking(2) timestamp(6) body`, big-endian. Bytes are laid down here by hand, field after field,
//! and nowhere else in the venue: the oracle must not share the decoder's tables.

use model::{Px, Qty, Side, Symbol};

use super::out::Out;

/// A market participant's four letters.
pub type Mpid = [u8; 4];

/// Which instrument a message concerns, and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The instrument's number of the day, from 1; 0 for the market as a whole.
    pub locate: u16,
    /// ns since midnight; the low 48 bits go out.
    pub now: u64,
}

/// What a message that is relayed says of its instrument's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstrumentState {
    /// `Y`: the action.
    RegSho(u8),
    /// `h`: at one market, `H` halted or `T` resumed.
    Operational {
        /// The market.
        market: u8,
        /// The action.
        action: u8,
    },
}

/// The state in another venue's message; `None` where it says none.
#[must_use]
pub fn instrument_state(message: &[u8]) -> Option<InstrumentState> {
    match (*message.first()?, message.get(19..)?) {
        (b'Y', [action, ..]) => Some(InstrumentState::RegSho(*action)),
        (b'h', [market, action, ..]) => {
            Some(InstrumentState::Operational { market: *market, action: *action })
        }
        _ => None,
    }
}

impl Out {
    fn of(kind: u8, stamp: Stamp) -> Out {
        Out::new(kind).bytes(&stamp.locate.to_be_bytes()).bytes(&[0, 0]).bytes(&stamp.now.to_be_bytes()[2..])
    }

    fn side(self, side: Side) -> Out {
        self.bytes(&[side.letter() as u8])
    }
}

/// `S`: O, S, Q, M, E, C over the day.
#[must_use]
pub fn system_event(now: u64, code: u8) -> Vec<u8> {
    Out::of(b'S', Stamp { locate: 0, now }).bytes(&[code]).0
}

/// `R`: a common stock in round lots of 100, LULD tier 1, in production.
#[must_use]
pub fn directory(stamp: Stamp, symbol: Symbol) -> Vec<u8> {
    Out::of(b'R', stamp)
        .bytes(&symbol.0)
        .bytes(b"QN")
        .u32(100)
        .bytes(b"NC")
        .bytes(b"Z ")
        .bytes(b"PNN1N")
        .u32(0)
        .bytes(b"N")
        .0
}

/// `H`: `T` trading, `H` halted, `P` paused, `Q` quotation only.
#[must_use]
pub fn trading_action(stamp: Stamp, symbol: Symbol, state: u8, reason: [u8; 4]) -> Vec<u8> {
    Out::of(b'H', stamp).bytes(&symbol.0).bytes(&[state, b' ']).bytes(&reason).0
}

/// `Y`: `0` no short-sale restriction.
#[must_use]
pub fn reg_sho(stamp: Stamp, symbol: Symbol, action: u8) -> Vec<u8> {
    Out::of(b'Y', stamp).bytes(&symbol.0).bytes(&[action]).0
}

/// `h`: halted at one market (`H`), or resumed (`T`).
#[must_use]
pub fn operational_halt(stamp: Stamp, symbol: Symbol, market: u8, action: u8) -> Vec<u8> {
    Out::of(b'h', stamp).bytes(&symbol.0).bytes(&[market, action]).0
}

/// `A`, or `F` where the order is attributed.
#[must_use]
pub fn add(
    stamp: Stamp,
    symbol: Symbol,
    id: u64,
    side: Side,
    shares: Qty,
    px: Px,
    mpid: Option<Mpid>,
) -> Vec<u8> {
    let kind = if mpid.is_some() { b'F' } else { b'A' };
    let out = Out::of(kind, stamp).u64(id).side(side).u32(shares.0).bytes(&symbol.0).px32(px);
    match mpid {
        Some(mpid) => out.bytes(&mpid).0,
        None => out.0,
    }
}

/// `E`: shares of a resting order traded at its own price.
#[must_use]
pub fn executed(stamp: Stamp, id: u64, shares: Qty, match_number: u64) -> Vec<u8> {
    Out::of(b'E', stamp).u64(id).u32(shares.0).u64(match_number).0
}

/// `C`: shares of a resting order traded at another price.
#[must_use]
pub fn executed_at(
    stamp: Stamp,
    id: u64,
    shares: Qty,
    match_number: u64,
    printable: bool,
    px: Px,
) -> Vec<u8> {
    let printable = if printable { b"Y" } else { b"N" };
    Out::of(b'C', stamp).u64(id).u32(shares.0).u64(match_number).bytes(printable).px32(px).0
}

/// `X`: shares taken off a resting order.
#[must_use]
pub fn reduced(stamp: Stamp, id: u64, shares: Qty) -> Vec<u8> {
    Out::of(b'X', stamp).u64(id).u32(shares.0).0
}

/// `D`: a resting order is gone.
#[must_use]
pub fn deleted(stamp: Stamp, id: u64) -> Vec<u8> {
    Out::of(b'D', stamp).u64(id).0
}

/// `U`: a resting order becomes another one at the back of its level.
#[must_use]
pub fn replaced(stamp: Stamp, old: u64, new: u64, shares: Qty, px: Px) -> Vec<u8> {
    Out::of(b'U', stamp).u64(old).u64(new).u32(shares.0).px32(px).0
}

/// `P`: a trade with a hidden order. Reference 0 and side `B` always, as since 2014.
#[must_use]
pub fn trade(stamp: Stamp, symbol: Symbol, shares: Qty, px: Px, match_number: u64) -> Vec<u8> {
    Out::of(b'P', stamp).u64(0).bytes(b"B").u32(shares.0).bytes(&symbol.0).px32(px).u64(match_number).0
}

/// `Q`: an auction's trade. Cross type `O` opening, `C` closing, `H` after a halt; no shares where nothing traded.
#[must_use]
pub fn cross_trade(
    stamp: Stamp,
    symbol: Symbol,
    shares: u64,
    px: Px,
    match_number: u64,
    cross_type: u8,
) -> Vec<u8> {
    Out::of(b'Q', stamp).u64(shares).bytes(&symbol.0).px32(px).u64(match_number).bytes(&[cross_type]).0
}

/// What an auction would do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// Shares that would trade.
    pub paired: u64,
    /// Shares that would not, at the same price.
    pub left: u64,
    /// `B` more to buy, `S` more to sell, `N` neither, `O` nothing to trade with.
    pub direction: u8,
    /// Price of the orders for the auction alone, 0 for none.
    pub far: Px,
    /// Price of those and the book.
    pub near: Px,
    /// The price that the others are compared with.
    pub reference: Px,
    /// `O`, `C`, `H`.
    pub cross_type: u8,
}

/// `I`: net order imbalance.
#[must_use]
pub fn imbalance(stamp: Stamp, symbol: Symbol, i: &Imbalance) -> Vec<u8> {
    // How far the near price is from the reference, in percent: L less than 1, 1 to 9, A 10 to 19, B 20 to 29, C more.
    let variation = match (i.reference.0, (i.near.0 - i.reference.0).abs()) {
        (0, _) => b' ',
        (reference, distance) => match distance * 100 / reference {
            0 => b'L',
            // A digit.
            percent @ 1..=9 => b'0' + percent as u8,
            10..=19 => b'A',
            20..=29 => b'B',
            _ => b'C',
        },
    };
    Out::of(b'I', stamp)
        .u64(i.paired)
        .u64(i.left)
        .bytes(&[i.direction])
        .bytes(&symbol.0)
        .px32(i.far)
        .px32(i.near)
        .px32(i.reference)
        .bytes(&[i.cross_type, variation])
        .0
}

/// `B`: a trade is undone.
#[must_use]
pub fn broken_trade(stamp: Stamp, match_number: u64) -> Vec<u8> {
    Out::of(b'B', stamp).u64(match_number).0
}

/// `J`: between which prices the auction after a pause may be. `extension` counts how often the pause was made longer.
#[must_use]
pub fn auction_collar(
    stamp: Stamp,
    symbol: Symbol,
    reference: Px,
    upper: Px,
    lower: Px,
    extension: u32,
) -> Vec<u8> {
    Out::of(b'J', stamp).bytes(&symbol.0).px32(reference).px32(upper).px32(lower).u32(extension).0
}

/// Another venue's message with this venue's locate and stamp: the types that touch no book (`Y`, `L`, `V`, `W`, `K`, `J`, `h`, `I`, `N`, `O`).
/// The caller has checked that it is at least a header long.
#[must_use]
pub fn restamped(stamp: Stamp, message: &[u8]) -> Vec<u8> {
    let header = Out::of(message[0], stamp).0;
    let body = &message[header.len()..];
    [&header, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_specification_s() {
        let s = Stamp { locate: 1, now: 0x0102_0304_0506 };
        let sym = Symbol::new("AAPL").unwrap();
        let (q, px) = (Qty(7), Px(1_234_500));
        let nothing = Imbalance {
            paired: 0,
            left: 0,
            direction: b'O',
            far: Px(0),
            near: Px(0),
            reference: Px(0),
            cross_type: b'O',
        };
        let all = [
            (system_event(1, b'O'), b'S', 12),
            (directory(s, sym), b'R', 39),
            (trading_action(s, sym, b'T', *b"    "), b'H', 25),
            (reg_sho(s, sym, b'0'), b'Y', 20),
            (operational_halt(s, sym, b'Q', b'H'), b'h', 21),
            (add(s, sym, 9, Side::Buy, q, px, None), b'A', 36),
            (add(s, sym, 9, Side::Buy, q, px, Some(*b"ABCD")), b'F', 40),
            (executed(s, 9, q, 3), b'E', 31),
            (executed_at(s, 9, q, 3, true, px), b'C', 36),
            (reduced(s, 9, q), b'X', 23),
            (deleted(s, 9), b'D', 19),
            (replaced(s, 9, 10, q, px), b'U', 35),
            (trade(s, sym, q, px, 3), b'P', 44),
            (cross_trade(s, sym, 7, px, 3, b'O'), b'Q', 40),
            (broken_trade(s, 3), b'B', 19),
            (auction_collar(s, sym, px, px, px, 0), b'J', 35),
            (imbalance(s, sym, &nothing), b'I', 50),
        ];
        for (bytes, kind, len) in all {
            assert_eq!((bytes[0], bytes.len()), (kind, len), "{}", kind as char);
        }
    }

    #[test]
    fn a_state_is_read_from_where_it_is_written() {
        let s = Stamp { locate: 1, now: 1 };
        let sym = Symbol::new("AAPL").unwrap();
        assert_eq!(instrument_state(&reg_sho(s, sym, b'1')), Some(InstrumentState::RegSho(b'1')));
        let halt = Some(InstrumentState::Operational { market: b'B', action: b'H' });
        assert_eq!(instrument_state(&operational_halt(s, sym, b'B', b'H')), halt);
        assert_eq!(instrument_state(&deleted(s, 9)), None);
        for n in 0..20 {
            assert_eq!(instrument_state(&operational_halt(s, sym, b'B', b'H')[..n]), None);
        }
    }

    #[test]
    fn an_add_byte_for_byte() {
        let s = Stamp { locate: 0x0203, now: 0x0102_0304_0506 };
        let got = add(s, Symbol::new("AAPL").unwrap(), 5, Side::Sell, Qty(100), Px(0x0016_E428), None);
        let want = [
            &b"A\x02\x03\0\0\x01\x02\x03\x04\x05\x06"[..],
            b"\0\0\0\0\0\0\0\x05S\0\0\0\x64AAPL    \0\x16\xE4\x28",
        ]
        .concat();
        assert_eq!(got, want);
        let again = restamped(Stamp { locate: 9, now: 1 }, &want);
        assert_eq!(&again[..11], b"A\0\x09\0\0\0\0\0\0\0\x01");
        assert_eq!(again[11..], want[11..]);
    }
}
