//! The messages from the venue to a client. `UserRefIdx` is carried back in the appendage where it is not 0.

use crate::exchange::entry::{Name, Report, Tags, Terms};
use crate::exchange::out::Out;

/// Tags that `A` repeats, and those that `U` does.
const IN_ACCEPTED: &[u8] = &[2, 3, 4, 5, 6, 12, 13, 15, 16, 17, 24, 25];
const IN_REPLACED: &[u8] = &[2, 3, 5, 6, 12, 15, 16, 17];

impl Out {
    /// From side to the client's text.
    fn terms(self, t: &Terms) -> Out {
        self.bytes(&[t.side])
            .qty(t.quantity)
            .bytes(&t.symbol.0)
            .px64(t.price)
            .bytes(&[t.tif, t.display])
            .u64(t.order_ref)
            .bytes(&[t.capacity, t.iso, t.cross_type, if t.is_dead { b'D' } else { b'L' }])
            .bytes(&t.clordid)
    }

    /// An appendage that always has its length.
    fn appendage(self, name: Name, tags: &[u8]) -> Vec<u8> {
        let idx: &[u8] = if name.idx == 0 { &[] } else { &[2, 28, name.idx] };
        self.bytes(&((tags.len() + idx.len()) as u16).to_be_bytes()).bytes(tags).bytes(idx).0
    }

    /// An appendage that is left out, length and all, where it is empty.
    fn optional_appendage(self, name: Name) -> Vec<u8> {
        if name.idx == 0 { self.0 } else { self.appendage(name, &[]) }
    }
}

/// The tags of `which` that the client said, in their order.
fn repeated(tags: &Tags, which: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &tag in which {
        let four = |n: Option<u32>| n.map(|n| n.to_be_bytes().to_vec());
        let one = |b: Option<u8>| b.map(|b| vec![b]);
        let value = match tag {
            2 => tags.firm.map(|f| f.to_vec()),
            3 => four(tags.min_quantity),
            4 => one(tags.customer),
            5 => four(tags.max_floor),
            6 => one(tags.price_type),
            12 => one(tags.post_only),
            13 => four(tags.random_reserve),
            15 => four(tags.expire_s),
            16 => one(tags.trade_now),
            17 => one(tags.handling),
            24 => tags.group.map(|g| g.to_be_bytes().to_vec()),
            _ => one(tags.located),
        };
        if let Some(value) = value {
            out.extend_from_slice(&[value.len() as u8 + 1, tag]);
            out.extend_from_slice(&value);
        }
    }
    out
}

/// The message that says it; `None` where the protocol has no word for it.
#[must_use]
pub fn encode(now: u64, report: &Report) -> Option<Vec<u8>> {
    let new = |kind, name: Name| Out::new(kind).u64(now).u32(name.number);
    Some(match *report {
        Report::SystemEvent(code) => Out::new(b'S').u64(now).bytes(&[code]).0,
        Report::Accepted { name, ref terms } => {
            new(b'A', name).terms(terms).appendage(name, &repeated(&terms.tags, IN_ACCEPTED))
        }
        Report::Replaced { old, name, ref terms } => Out::new(b'U')
            .u64(now)
            .u32(old)
            .u32(name.number)
            .terms(terms)
            .appendage(name, &repeated(&terms.tags, IN_REPLACED)),
        Report::Canceled { name, quantity, reason, .. } => {
            new(b'C', name).qty(quantity).bytes(&[reason.letter()]).optional_appendage(name)
        }
        Report::SelfMatch { name, decrement, prevented, px, liquidity, strategy, .. } => new(b'D', name)
            .qty(decrement)
            .bytes(b"Q")
            .qty(prevented)
            .px64(px)
            .bytes(&[liquidity, strategy])
            .optional_appendage(name),
        Report::Executed { name, quantity, px, liquidity, match_number, .. } => {
            new(b'E', name).qty(quantity).px64(px).bytes(&[liquidity]).u64(match_number).appendage(name, &[])
        }
        Report::Broken { name, match_number, reason, clordid } => {
            new(b'B', name).u64(match_number).bytes(&[reason]).bytes(&clordid).optional_appendage(name)
        }
        Report::Rejected { name, cause, clordid } => {
            new(b'J', name).bytes(&cause.code().to_be_bytes()).bytes(&clordid).optional_appendage(name)
        }
        Report::CancelPending { name } => new(b'P', name).optional_appendage(name),
        Report::CancelRejected { name } => new(b'I', name).optional_appendage(name),
        Report::Modified { name, side, open } => {
            new(b'M', name).bytes(&[side]).qty(open).optional_appendage(name)
        }
        Report::Priority { name, px, display, order_ref } => {
            new(b'T', name).px64(px).bytes(&[display]).u64(order_ref).optional_appendage(name)
        }
        Report::Refreshed { name, shown, order_ref } => {
            let tags = [&[9, 1][..], &order_ref.to_be_bytes(), &[5, 22], &shown.0.to_be_bytes()].concat();
            new(b'R', name).bytes(b"R").appendage(name, &tags)
        }
        Report::MassCanceled { name, firm, symbol } => {
            new(b'X', name).bytes(&firm).bytes(&symbol.0).appendage(name, &[])
        }
        Report::EntrySwitched { name, firm, is_enabled } => {
            new(if is_enabled { b'K' } else { b'G' }, name).bytes(&firm).appendage(name, &[])
        }
        Report::NextNumber { next } => new(b'Q', next).optional_appendage(next),
        Report::Corrected { .. } | Report::TradingNow { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use model::{Px, Qty};

    use model::Symbol;

    use super::*;
    use crate::exchange::entry::{Cause, Reason};

    #[test]
    fn lengths_are_the_document_s() {
        let (name, q, px) = (Name { idx: 0, number: 1 }, Qty(1), Px(1));
        let other = Name { idx: 3, number: 1 };
        let terms = Terms {
            side: b'B',
            quantity: q,
            symbol: Symbol::new("A").unwrap(),
            price: px,
            tif: b'0',
            display: b'Y',
            order_ref: 1,
            capacity: b'A',
            iso: b'N',
            cross_type: b'N',
            is_dead: false,
            clordid: [b' '; 14],
            tags: Tags::default(),
        };
        let firm = Tags { firm: Some(*b"LIME"), group: Some(7), ..Tags::default() };
        let with_tags = Terms { tags: firm, is_dead: true, ..terms };
        let (symbol, clordid, firm) = (terms.symbol, terms.clordid, *b"LIME");
        let self_match = |name| Report::SelfMatch {
            name,
            decrement: q,
            open: q,
            prevented: q,
            px,
            liquidity: b'A',
            strategy: b'O',
        };
        let executed =
            |name| Report::Executed { name, quantity: q, open: q, px, liquidity: b'A', match_number: 1 };
        let canceled = |name| Report::Canceled { name, quantity: q, open: q, reason: Reason::User };
        let broken = |name| Report::Broken { name, match_number: 1, reason: b'E', clordid };
        let switched = |name, is_enabled| Report::EntrySwitched { name, firm, is_enabled };
        // The sizes of both: without anything to append, with an index.
        for (report, of, kind, len) in [
            (Report::SystemEvent(b'S'), Report::SystemEvent(b'E'), b'S', (10, 10)),
            (Report::Accepted { name, terms }, Report::Accepted { name: other, terms }, b'A', (64, 67)),
            (
                Report::Accepted { name, terms: with_tags },
                Report::Accepted { name: other, terms: with_tags },
                b'A',
                (74, 77),
            ),
            (
                Report::Replaced { old: 1, name, terms },
                Report::Replaced { old: 1, name: other, terms: with_tags },
                b'U',
                (68, 77),
            ),
            (canceled(name), canceled(other), b'C', (18, 23)),
            (self_match(name), self_match(other), b'D', (32, 37)),
            (executed(name), executed(other), b'E', (36, 39)),
            (broken(name), broken(other), b'B', (36, 41)),
            (
                Report::Rejected { name, cause: Cause::Symbol, clordid },
                Report::Rejected { name: other, cause: Cause::Symbol, clordid },
                b'J',
                (29, 34),
            ),
            (Report::CancelPending { name }, Report::CancelPending { name: other }, b'P', (13, 18)),
            (Report::CancelRejected { name }, Report::CancelRejected { name: other }, b'I', (13, 18)),
            (
                Report::Priority { name, px, display: b'Y', order_ref: 1 },
                Report::Priority { name: other, px, display: b'Y', order_ref: 1 },
                b'T',
                (30, 35),
            ),
            (
                Report::Modified { name, side: b'S', open: q },
                Report::Modified { name: other, side: b'S', open: q },
                b'M',
                (18, 23),
            ),
            (
                Report::Refreshed { name, shown: q, order_ref: 1 },
                Report::Refreshed { name: other, shown: q, order_ref: 1 },
                b'R',
                (32, 35),
            ),
            (
                Report::MassCanceled { name, firm, symbol },
                Report::MassCanceled { name: other, firm, symbol },
                b'X',
                (27, 30),
            ),
            (switched(name, false), switched(other, false), b'G', (19, 22)),
            (switched(name, true), switched(other, true), b'K', (19, 22)),
            (Report::NextNumber { next: name }, Report::NextNumber { next: other }, b'Q', (13, 18)),
        ] {
            let (bytes, of) = (encode(1, &report).unwrap(), encode(1, &of).unwrap());
            let got = (bytes[0], of[0], (bytes.len(), of.len()));
            assert_eq!(got, (kind, kind, len), "{}", kind as char);
        }
    }

    #[test]
    fn what_the_client_said_is_repeated_in_the_order_of_the_tags() {
        let tags = Tags {
            firm: Some(*b"LIME"),
            post_only: Some(b'P'),
            group: Some(0x0102),
            expire_s: Some(9),
            ..Tags::default()
        };
        let said = b"\x05\x02LIME\x02\x0CP\x05\x0F\0\0\0\x09\x03\x18\x01\x02";
        assert_eq!(repeated(&tags, IN_ACCEPTED), said);
        assert_eq!(repeated(&tags, IN_REPLACED), said[..said.len() - 4]);
    }
}
