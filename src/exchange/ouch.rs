//! OUCH 5.0 as the venue reads and writes it (official document revision 1.04).
//!
//! [`parse`] turns a client's message into a [`Request`]; the functions of [`answer`] make the messages back. Bytes are taken apart and
//! laid down here by hand and nowhere else in the venue: the oracle must not share the gateway's tables.
//!
//! A message's appendage is a list of `length(1) tag(1) value(length - 1)`. Tags this venue cannot honour (pegs, reserves, minimum
//! quantity, post-only ...) are not skipped: they name the code to refuse the order with, in [`Tags::refusal`].

use model::{Px, Qty, Symbol};

/// Reject codes of `J`.
pub mod reject {
    /// The shown quantity cannot be as asked.
    pub const DISPLAY: u16 = 0x03;
    /// Reserve size.
    pub const MAX_FLOOR: u16 = 0x04;
    /// The symbol does not trade now.
    pub const HALTED: u16 = 0x07;
    /// No such side.
    pub const SIDE: u16 = 0x09;
    /// The port may not trade for this firm, or its order entry is disabled.
    pub const FIRM: u16 = 0x0C;
    /// Minimum quantity.
    pub const MIN_QUANTITY: u16 = 0x0D;
    /// Any other reason.
    pub const OTHER: u16 = 0x0F;
    /// Pegging.
    pub const PEGGING: u16 = 0x11;
    /// Not 1 to 999,999 shares.
    pub const QUANTITY: u16 = 0x13;
    /// An order for an auction.
    pub const CROSS_ORDER: u16 = 0x14;
    /// The order cannot be replaced now.
    pub const REPLACE_NOT_ALLOWED: u16 = 0x15;
    /// Routing.
    pub const ROUTING: u16 = 0x16;
    /// No such symbol.
    pub const SYMBOL: u16 = 0x17;
    /// Not a price an order may have.
    pub const PRICE: u16 = 0x1D;
}

/// Cancel reasons of `C`.
pub mod reason {
    /// The market closed.
    pub const CLOSED: u8 = b'E';
    /// Immediate or cancel: nothing more to trade with.
    pub const IOC: u8 = b'I';
    /// The client asked.
    pub const USER: u8 = b'U';
    /// The venue did it: the client's connection is gone.
    pub const SYSTEM: u8 = b'Z';
}

/// What an appendage says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// Tag 2.
    pub firm: Option<[u8; 4]>,
    /// Tag 24.
    pub group: Option<u16>,
    /// Tag 27.
    pub side: Option<u8>,
    /// Tag 28; 0 where absent.
    pub idx: u8,
    /// Why an order with this appendage cannot be taken.
    pub refusal: Option<u16>,
}

/// `O`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enter {
    /// `UserRefNum`.
    pub number: u32,
    /// B, S, T or E.
    pub side: u8,
    /// Shares.
    pub quantity: u32,
    /// Ticker as sent.
    pub symbol: Symbol,
    /// Limit, 1e-4 USD, as sent.
    pub price: u64,
    /// 0 day, 3 immediate or cancel.
    pub tif: u8,
    /// Y, N or A.
    pub display: u8,
    /// A, P, R or O.
    pub capacity: u8,
    /// Inter-market sweep.
    pub iso: u8,
    /// N for the continuous book.
    pub cross_type: u8,
    /// The client's own text.
    pub clordid: [u8; 14],
    /// The appendage.
    pub tags: Tags,
}

/// `U`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replace {
    /// The order until now.
    pub old: u32,
    /// Its name from now on.
    pub number: u32,
    /// Total of the chain, executed shares included.
    pub quantity: u32,
    /// Limit, 1e-4 USD, as sent.
    pub price: u64,
    /// As in [`Enter`].
    pub tif: u8,
    /// As in [`Enter`].
    pub display: u8,
    /// As in [`Enter`].
    pub iso: u8,
    /// The client's own text.
    pub clordid: [u8; 14],
    /// The appendage.
    pub tags: Tags,
}

/// What a client can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `O`: a new order.
    Enter(Enter),
    /// `U`: another price or size for an order.
    Replace(Replace),
    /// `X`: a new, smaller total.
    Cancel {
        /// The order.
        number: u32,
        /// New intended total; 0 cancels what is open.
        quantity: u32,
        /// The appendage.
        tags: Tags,
    },
    /// `M`: another sell side or fewer shares, in place.
    Modify {
        /// The order.
        number: u32,
        /// B, S, T or E.
        side: u8,
        /// New intended total.
        quantity: u32,
        /// The appendage.
        tags: Tags,
    },
    /// `C`: cancel many.
    MassCancel {
        /// `UserRefNum` of the request.
        number: u32,
        /// Whose orders.
        firm: [u8; 4],
        /// Which symbol; blanks for all.
        symbol: Symbol,
        /// The appendage.
        tags: Tags,
    },
    /// `D`: take no more orders.
    Disable {
        /// `UserRefNum` of the request.
        number: u32,
        /// Whose.
        firm: [u8; 4],
        /// The appendage.
        tags: Tags,
    },
    /// `E`: take orders again.
    Enable {
        /// `UserRefNum` of the request.
        number: u32,
        /// Whose.
        firm: [u8; 4],
        /// The appendage.
        tags: Tags,
    },
    /// `Q`: which number comes next.
    Query {
        /// The appendage.
        tags: Tags,
    },
}

/// Takes fields off the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn symbol(&mut self) -> Option<Symbol> {
        self.array().map(Symbol)
    }

    /// The appendage. Where the layout lets a message end before its length (or it was left out all the same), that is no appendage.
    fn tags(&mut self) -> Tags {
        let mut tags = Tags::default();
        if self.0.is_empty() {
            return tags;
        }
        if self.read_tags(&mut tags).is_none() {
            tags.refusal = Some(reject::OTHER);
        }
        tags
    }

    fn read_tags(&mut self, tags: &mut Tags) -> Option<()> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        let mut rest = self.0.get(..length)?;
        while let Some((&n, tail)) = rest.split_first() {
            let (element, tail) = tail.split_at_checked(usize::from(n))?;
            let (&tag, value) = element.split_first()?;
            rest = tail;
            let refuse = |code| Some(code);
            let refusal = match tag {
                2 => {
                    tags.firm = Some(value.try_into().ok()?);
                    None
                }
                24 => {
                    tags.group = Some(u16::from_be_bytes(value.try_into().ok()?));
                    None
                }
                27 => {
                    let [side] = value.try_into().ok()?;
                    tags.side = Some(side);
                    None
                }
                28 => {
                    [tags.idx] = value.try_into().ok()?;
                    None
                }
                // Customer type, instruction, weight indicator and locates change nothing here.
                4 | 17 | 18 | 25 | 26 => None,
                3 if value.iter().all(|b| *b == 0) => None,
                5 if value.iter().all(|b| *b == 0) => None,
                // L limit, N or blank: no special instruction.
                6 if value == b"L" => None,
                12 | 16 if value == b"N" => None,
                3 => refuse(reject::MIN_QUANTITY),
                5 | 13 => refuse(reject::MAX_FLOOR),
                6 | 7 | 9 | 10 | 11 => refuse(reject::PEGGING),
                14 => refuse(reject::ROUTING),
                _ => refuse(reject::OTHER),
            };
            tags.refusal = tags.refusal.or(refusal);
        }
        Some(())
    }
}

/// Reads a client's message; `None` for an unknown type or one shorter than its layout.
#[must_use]
pub fn parse(message: &[u8]) -> Option<Request> {
    let mut f = Fields(message);
    Some(match f.u8()? {
        b'O' => Request::Enter(Enter {
            number: f.u32()?,
            side: f.u8()?,
            quantity: f.u32()?,
            symbol: f.symbol()?,
            price: f.u64()?,
            tif: f.u8()?,
            display: f.u8()?,
            capacity: f.u8()?,
            iso: f.u8()?,
            cross_type: f.u8()?,
            clordid: f.array()?,
            tags: f.tags(),
        }),
        b'U' => Request::Replace(Replace {
            old: f.u32()?,
            number: f.u32()?,
            quantity: f.u32()?,
            price: f.u64()?,
            tif: f.u8()?,
            display: f.u8()?,
            iso: f.u8()?,
            clordid: f.array()?,
            tags: f.tags(),
        }),
        b'X' => Request::Cancel { number: f.u32()?, quantity: f.u32()?, tags: f.tags() },
        b'M' => Request::Modify { number: f.u32()?, side: f.u8()?, quantity: f.u32()?, tags: f.tags() },
        b'C' => {
            Request::MassCancel { number: f.u32()?, firm: f.array()?, symbol: f.symbol()?, tags: f.tags() }
        }
        b'D' => Request::Disable { number: f.u32()?, firm: f.array()?, tags: f.tags() },
        b'E' => Request::Enable { number: f.u32()?, firm: f.array()?, tags: f.tags() },
        b'Q' => Request::Query { tags: f.tags() },
        _ => return None,
    })
}

/// The messages from the venue to a client. `idx` is `UserRefIdx`, carried back in the appendage where it is not 0.
pub mod answer {
    use super::{Px, Qty, Symbol};

    /// The values of an order that `A` and `U` say alike.
    #[derive(Clone, Copy, Debug)]
    pub struct Terms {
        /// B, S, T or E.
        pub side: u8,
        /// Shares: as entered in `A`, open in `U`.
        pub quantity: Qty,
        /// Ticker.
        pub symbol: Symbol,
        /// Limit.
        pub price: Px,
        /// Time in force.
        pub tif: u8,
        /// Display.
        pub display: u8,
        /// The venue's number in its book.
        pub order_ref: u64,
        /// Capacity.
        pub capacity: u8,
        /// Inter-market sweep.
        pub iso: u8,
        /// The client's own text.
        pub clordid: [u8; 14],
        /// Whose order it is; said only in `A`, and only where the client said it.
        pub firm: Option<[u8; 4]>,
    }

    struct Out(Vec<u8>);

    impl Out {
        fn new(kind: u8, now: u64) -> Out {
            let mut bytes = Vec::with_capacity(80);
            bytes.push(kind);
            bytes.extend_from_slice(&now.to_be_bytes());
            Out(bytes)
        }

        fn bytes(mut self, b: &[u8]) -> Out {
            self.0.extend_from_slice(b);
            self
        }

        fn u32(self, v: u32) -> Out {
            self.bytes(&v.to_be_bytes())
        }

        fn u64(self, v: u64) -> Out {
            self.bytes(&v.to_be_bytes())
        }

        /// Prices reach this point validated, so that they are positive.
        fn px(self, px: Px) -> Out {
            self.u64(px.0.unsigned_abs())
        }

        fn terms(self, t: &Terms) -> Out {
            self.bytes(&[t.side])
                .u32(t.quantity.0)
                .bytes(&t.symbol.0)
                .px(t.price)
                .bytes(&[t.tif, t.display])
                .u64(t.order_ref)
                .bytes(&[t.capacity, t.iso, b'N', b'L'])
                .bytes(&t.clordid)
        }

        /// An appendage that always has its length.
        fn appendage(self, idx: u8, firm: Option<[u8; 4]>) -> Vec<u8> {
            let mut tags = Vec::new();
            if let Some(firm) = firm {
                tags.extend_from_slice(&[5, 2]);
                tags.extend_from_slice(&firm);
            }
            if idx != 0 {
                tags.extend_from_slice(&[2, 28, idx]);
            }
            self.bytes(&(tags.len() as u16).to_be_bytes()).bytes(&tags).0
        }

        /// An appendage that is left out, length and all, where it is empty.
        fn optional_appendage(self, idx: u8) -> Vec<u8> {
            if idx == 0 { self.0 } else { self.appendage(idx, None) }
        }
    }

    /// `S`: `S` start of day, `E` end of day.
    #[must_use]
    pub fn system_event(now: u64, code: u8) -> Vec<u8> {
        Out::new(b'S', now).bytes(&[code]).0
    }

    /// `A`: taken, and live.
    #[must_use]
    pub fn accepted(now: u64, idx: u8, number: u32, terms: &Terms) -> Vec<u8> {
        Out::new(b'A', now).u32(number).terms(terms).appendage(idx, terms.firm)
    }

    /// `U`: the order has new values and a new name; `terms.quantity` is what is open.
    #[must_use]
    pub fn replaced(now: u64, idx: u8, old: u32, number: u32, terms: &Terms) -> Vec<u8> {
        Out::new(b'U', now).u32(old).u32(number).terms(terms).appendage(idx, None)
    }

    /// `C`: `quantity` shares left the order.
    #[must_use]
    pub fn canceled(now: u64, idx: u8, number: u32, quantity: Qty, reason: u8) -> Vec<u8> {
        Out::new(b'C', now).u32(number).u32(quantity.0).bytes(&[reason]).optional_appendage(idx)
    }

    /// `D`: the order was taken off, as it would have traded with its own account. `prevented` shares did not trade at `px`.
    #[must_use]
    pub fn self_match_canceled(
        now: u64,
        idx: u8,
        number: u32,
        decrement: Qty,
        prevented: Qty,
        px: Px,
    ) -> Vec<u8> {
        Out::new(b'D', now)
            .u32(number)
            .u32(decrement.0)
            .bytes(b"Q")
            .u32(prevented.0)
            .px(px)
            .bytes(b"A ")
            .optional_appendage(idx)
    }

    /// `E`: `quantity` shares traded. Liquidity `A` added, `R` removed.
    #[must_use]
    pub fn executed(
        now: u64,
        idx: u8,
        number: u32,
        quantity: Qty,
        px: Px,
        liquidity: u8,
        match_number: u64,
    ) -> Vec<u8> {
        Out::new(b'E', now)
            .u32(number)
            .u32(quantity.0)
            .px(px)
            .bytes(&[liquidity])
            .u64(match_number)
            .appendage(idx, None)
    }

    /// `J`: refused.
    #[must_use]
    pub fn rejected(now: u64, idx: u8, number: u32, code: u16, clordid: [u8; 14]) -> Vec<u8> {
        Out::new(b'J', now).u32(number).bytes(&code.to_be_bytes()).bytes(&clordid).optional_appendage(idx)
    }

    /// `P`: the cancel will happen after the cross.
    #[must_use]
    pub fn cancel_pending(now: u64, idx: u8, number: u32) -> Vec<u8> {
        Out::new(b'P', now).u32(number).optional_appendage(idx)
    }

    /// `I`: the partial cancel is refused, the order lives.
    #[must_use]
    pub fn cancel_rejected(now: u64, idx: u8, number: u32) -> Vec<u8> {
        Out::new(b'I', now).u32(number).optional_appendage(idx)
    }

    /// `M`: side or shares changed in place; `quantity` is what is open.
    #[must_use]
    pub fn modified(now: u64, idx: u8, number: u32, side: u8, quantity: Qty) -> Vec<u8> {
        Out::new(b'M', now).u32(number).bytes(&[side]).u32(quantity.0).optional_appendage(idx)
    }

    /// `X`: the mass cancel was understood.
    #[must_use]
    pub fn mass_canceled(now: u64, idx: u8, number: u32, firm: [u8; 4], symbol: Symbol) -> Vec<u8> {
        Out::new(b'X', now).u32(number).bytes(&firm).bytes(&symbol.0).appendage(idx, None)
    }

    /// `G` disabled, `K` enabled.
    #[must_use]
    pub fn entry_switched(now: u64, idx: u8, number: u32, firm: [u8; 4], enabled: bool) -> Vec<u8> {
        Out::new(if enabled { b'K' } else { b'G' }, now).u32(number).bytes(&firm).appendage(idx, None)
    }

    /// `Q`: the number that comes next.
    #[must_use]
    pub fn next_number(now: u64, idx: u8, next: u32) -> Vec<u8> {
        Out::new(b'Q', now).u32(next).optional_appendage(idx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A real Enter Order (the SoupBinTCP length and type taken off), short sale of 225 CVLT for firm LIME.
    fn real_enter() -> Vec<u8> {
        let mut m = b"O\0\0\0\x71T\0\0\0\xE1CVLT    ".to_vec();
        m.extend_from_slice(&1_503_400u64.to_be_bytes());
        m.extend_from_slice(b"0YANN");
        m.extend_from_slice(b"CLIENTORDER001");
        m.extend_from_slice(b"\0\x06\x05\x02LIME");
        m
    }

    #[test]
    fn an_enter_with_a_firm() {
        let Some(Request::Enter(e)) = parse(&real_enter()) else { panic!("an enter") };
        assert_eq!((e.number, e.side, e.quantity, e.price), (0x71, b'T', 225, 1_503_400));
        assert_eq!(e.symbol, Symbol::new("CVLT").unwrap());
        assert_eq!(e.tags, Tags { firm: Some(*b"LIME"), ..Tags::default() });
    }

    #[test]
    fn every_shorter_message_is_refused_or_lacks_its_appendage() {
        let m = real_enter();
        for n in 0..45 {
            assert_eq!(parse(&m[..n]), None, "{n}");
        }
        for n in 46..m.len() {
            let Some(Request::Enter(e)) = parse(&m[..n]) else { panic!("{n}") };
            assert_eq!(e.tags.refusal, Some(reject::OTHER), "{n}");
        }
    }

    #[test]
    fn appendages_may_be_absent_empty_or_full() {
        let cancel = |tail: &[u8]| parse(&[b"X\0\0\0\x01\0\0\0\0", tail].concat());
        for tail in [&b""[..], b"\0\0", b"\0\x03\x02\x1C\x07"] {
            let Some(Request::Cancel { number: 1, quantity: 0, tags }) = cancel(tail) else {
                panic!("{tail:?}")
            };
            assert_eq!(tags.idx, if tail.len() == 5 { 7 } else { 0 });
            assert_eq!(tags.refusal, None);
        }
        // A zero length would never advance, one beyond the end would read past it.
        for tail in [&b"\0\x01\0"[..], b"\0\x02\x09\x02", b"\0\x09\x02\x1C\x07"] {
            let Some(Request::Cancel { tags, .. }) = cancel(tail) else { panic!("{tail:?}") };
            assert_eq!(tags.refusal, Some(reject::OTHER));
        }
        assert!(matches!(parse(b"Q"), Some(Request::Query { .. })));
        assert_eq!(parse(b"Z"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn lengths_are_the_document_s() {
        let t = answer::Terms {
            side: b'B',
            quantity: Qty(1),
            symbol: Symbol::new("A").unwrap(),
            price: Px(1),
            tif: b'0',
            display: b'Y',
            order_ref: 1,
            capacity: b'A',
            iso: b'N',
            clordid: [b' '; 14],
            firm: None,
        };
        let sym = t.symbol;
        for (bytes, kind, len) in [
            (answer::system_event(1, b'S'), b'S', 10),
            (answer::accepted(1, 0, 1, &t), b'A', 64),
            (answer::accepted(1, 0, 1, &answer::Terms { firm: Some(*b"LIME"), ..t }), b'A', 70),
            (answer::replaced(1, 0, 1, 2, &t), b'U', 68),
            (answer::canceled(1, 0, 1, Qty(1), b'U'), b'C', 18),
            (answer::canceled(1, 3, 1, Qty(1), b'U'), b'C', 23),
            (answer::self_match_canceled(1, 0, 1, Qty(1), Qty(1), Px(1)), b'D', 32),
            (answer::executed(1, 0, 1, Qty(1), Px(1), b'A', 1), b'E', 36),
            (answer::rejected(1, 0, 1, 0x17, [b' '; 14]), b'J', 29),
            (answer::cancel_pending(1, 0, 1), b'P', 13),
            (answer::cancel_rejected(1, 0, 1), b'I', 13),
            (answer::modified(1, 0, 1, b'S', Qty(1)), b'M', 18),
            (answer::mass_canceled(1, 0, 1, *b"LIME", sym), b'X', 27),
            (answer::entry_switched(1, 0, 1, *b"LIME", false), b'G', 19),
            (answer::entry_switched(1, 0, 1, *b"LIME", true), b'K', 19),
            (answer::next_number(1, 0, 1), b'Q', 13),
        ] {
            assert_eq!((bytes[0], bytes.len()), (kind, len), "{}", kind as char);
        }
    }
}
