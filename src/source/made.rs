//! ITCH 5.0 messages made out of another format, on their way out.
//!
//! Only what that format says is written. Where ITCH has a field that it lacks, the field is blank or 0: tracking numbers, attributions, and a directory's
//! categories and lots. Match numbers count from 1, because a reader may want to tell trades apart.

use model::{Side, Symbol};

use super::Message;

/// Stamps have 48 bits.
pub(super) const STAMP_MAX: u64 = (1 << 48) - 1;

/// Which instrument a message is about, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The instrument's number in the stream, from 1.
    pub locate: u16,
    /// ns since midnight, at most [`STAMP_MAX`].
    pub ns: u64,
}

/// Messages made and not yet taken: `length u16 BE | message`, one after another. No allocation once it has held the most that one row makes.
#[derive(Default)]
pub(super) struct Made {
    bytes: Vec<u8>,
    next: usize,
    out: (usize, usize),
    taken: u64,
    matches: u64,
}

impl Made {
    /// Goes to the next message; `false` when there is none.
    pub(super) fn advance(&mut self) -> bool {
        let Some((len, rest)) = self.bytes[self.next..].split_first_chunk::<2>() else {
            self.bytes.clear();
            self.next = 0;
            return false;
        };
        let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
        self.out = (self.next + 2, self.next + 2 + len);
        self.next = self.out.1;
        self.taken += 1;
        true
    }

    /// The message that [`Made::advance`] went to.
    pub(super) fn message(&self) -> Message<'_> {
        Message { sequence: self.taken, bytes: &self.bytes[self.out.0..self.out.1] }
    }

    fn message_of(&mut self, kind: u8, stamp: Stamp, body: &[&[u8]]) {
        let len = 11 + body.iter().map(|b| b.len()).sum::<usize>();
        self.bytes.extend_from_slice(&(len as u16).to_be_bytes());
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&stamp.locate.to_be_bytes());
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&stamp.ns.to_be_bytes()[2..]);
        body.iter().for_each(|b| self.bytes.extend_from_slice(b));
    }

    /// `R` of an instrument in production, with nothing else but the ticker.
    pub(super) fn directory(&mut self, stamp: Stamp, symbol: Symbol) {
        self.message_of(b'R', stamp, &[&symbol.0, b"  ", &[0; 4], b"    P    ", &[0; 4], b" "]);
    }

    /// `H`.
    pub(super) fn trading_action(&mut self, stamp: Stamp, symbol: Symbol, state: u8) {
        self.message_of(b'H', stamp, &[&symbol.0, &[state], b"     "]);
    }

    /// `A`.
    pub(super) fn add(&mut self, stamp: Stamp, symbol: Symbol, id: u64, side: Side, shares: u32, price: u32) {
        let (id, shares, price) = (id.to_be_bytes(), shares.to_be_bytes(), price.to_be_bytes());
        self.message_of(b'A', stamp, &[&id, &[side.letter() as u8], &shares, &symbol.0, &price]);
    }

    /// `X`.
    pub(super) fn cancel(&mut self, stamp: Stamp, id: u64, shares: u32) {
        self.message_of(b'X', stamp, &[&id.to_be_bytes(), &shares.to_be_bytes()]);
    }

    /// `D`.
    pub(super) fn delete(&mut self, stamp: Stamp, id: u64) {
        self.message_of(b'D', stamp, &[&id.to_be_bytes()]);
    }

    /// `U` to the same reference: the order goes to the back of its level.
    pub(super) fn replace(&mut self, stamp: Stamp, id: u64, shares: u32, price: u32) {
        let id = id.to_be_bytes();
        self.message_of(b'U', stamp, &[&id, &id, &shares.to_be_bytes(), &price.to_be_bytes()]);
    }

    /// `E`.
    pub(super) fn execute(&mut self, stamp: Stamp, id: u64, shares: u32) {
        let number = self.next_match();
        self.message_of(b'E', stamp, &[&id.to_be_bytes(), &shares.to_be_bytes(), &number]);
    }

    /// `C`, printable.
    pub(super) fn execute_at(&mut self, stamp: Stamp, id: u64, shares: u32, price: u32) {
        let number = self.next_match();
        let (id, shares, price) = (id.to_be_bytes(), shares.to_be_bytes(), price.to_be_bytes());
        self.message_of(b'C', stamp, &[&id, &shares, &number, b"Y", &price]);
    }

    /// `P`, without a reference.
    pub(super) fn trade(&mut self, stamp: Stamp, symbol: Symbol, side: Side, shares: u32, price: u32) {
        let number = self.next_match();
        let (side, shares, price) = ([side.letter() as u8], shares.to_be_bytes(), price.to_be_bytes());
        self.message_of(b'P', stamp, &[&[0; 8], &side, &shares, &symbol.0, &price, &number]);
    }

    /// `Q`.
    pub(super) fn cross(&mut self, stamp: Stamp, symbol: Symbol, shares: u32, price: u32, kind: u8) {
        let number = self.next_match();
        let shares = u64::from(shares).to_be_bytes();
        self.message_of(b'Q', stamp, &[&shares, &symbol.0, &price.to_be_bytes(), &number, &[kind]]);
    }

    fn next_match(&mut self) -> [u8; 8] {
        self.matches += 1;
        self.matches.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use feeds::itch50::decode;
    use feeds::itch50::wire::{StockDirectory, length};
    use model::{MarketBody, Px, Qty, VenueRef};

    use super::*;

    #[test]
    fn every_message_has_its_type_s_length_and_decodes_to_what_was_said() {
        let mut made = Made::default();
        let (stamp, aapl) = (Stamp { locate: 7, ns: STAMP_MAX }, Symbol::new("AAPL").unwrap());
        made.directory(stamp, aapl);
        made.trading_action(stamp, aapl, b'P');
        made.add(stamp, aapl, u64::MAX, Side::Sell, 3, 4);
        made.cancel(stamp, 1, 2);
        made.delete(stamp, 9);
        made.execute(stamp, 5, 6);
        made.trade(stamp, aapl, Side::Buy, 8, 9);
        made.cross(stamp, aapl, 10, 11, b'O');
        made.replace(stamp, 12, 13, 14);
        let mut bodies = Vec::new();
        while made.advance() {
            let m = made.message();
            assert_eq!(length(m.bytes[0]), Some(m.bytes.len()));
            assert_eq!(m.sequence, bodies.len() as u64 + 1);
            let event = decode(m.bytes).unwrap();
            assert_eq!((event.instrument.0, event.ts_event.0), (7, STAMP_MAX));
            if m.bytes[0] == b'R' {
                let r = StockDirectory::new(m.bytes).unwrap();
                assert_eq!((r.stock(), r.round_lot_size(), r.authenticity()), (aapl, 0, b'P'));
            }
            bodies.push(event.body);
        }
        assert_eq!(
            bodies[2],
            MarketBody::Add {
                order: VenueRef(u64::MAX),
                px: Px::from_wire(4),
                qty: Qty(3),
                side: Side::Sell,
                mpid: *b"    "
            }
        );
        assert_eq!(bodies[3], MarketBody::Reduce { order: VenueRef(1), qty: Qty(2) });
        assert_eq!(bodies[5], MarketBody::Execute { order: VenueRef(5), qty: Qty(6), match_number: 1 });
        assert!(matches!(bodies[6], MarketBody::Trade { match_number: 2, .. }));
        assert!(matches!(bodies[7], MarketBody::Cross { match_number: 3, .. }));
        let twelve = VenueRef(12);
        let replace = MarketBody::Replace { old: twelve, new: twelve, qty: Qty(13), px: Px::from_wire(14) };
        assert_eq!(bodies[8], replace);
        assert_eq!(bodies.len(), 9);
    }
}
