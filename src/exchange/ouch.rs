//! OUCH 5.0 as the venue reads and writes it (official document revision 1.04; tags 29 and 30 from 1.05).
//!
//! [`parse`] turns a client's message into a [`Request`], [`encode`] a [`super::entry::Report`] into the message back. Bytes are taken apart
//! and laid down here by hand and nowhere else in the venue: the oracle must not share the gateway's tables.
//!
//! A message's appendage is a list of `length(1) tag(1) value(length - 1)`. Which tags a message may have is in `allowed`; one that it may
//! not, and those this venue cannot honour (pegs, discretion, routes), are not skipped: they name the code to refuse the order with, in
//! [`Tags::refusal`]. A request that is no order has no such answer, and what is wrong in its appendage is ignored.

mod answer;

use model::Symbol;

pub use answer::encode;

use super::entry::{Cause, Enter, Replace, Request, Tags};

/// The tags that a message of a type may have.
fn allowed(kind: u8) -> &'static [u8] {
    match kind {
        b'O' => &[2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 24, 25, 26, 28, 29, 30],
        b'U' => &[3, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 25, 26, 27, 28, 29, 30],
        b'M' => &[25, 26, 28],
        b'C' => &[24, 27, 28],
        _ => &[28],
    }
}

/// Takes fields off the front.
struct Fields<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
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
        if self.rest.is_empty() {
            return tags;
        }
        if self.read_tags(&mut tags).is_none() {
            tags.refusal = Some(Cause::Other);
        }
        tags
    }

    fn read_tags(&mut self, tags: &mut Tags) -> Option<()> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        let mut rest = self.rest.get(..length)?;
        while let Some((&n, tail)) = rest.split_first() {
            let (element, tail) = tail.split_at_checked(usize::from(n))?;
            let (&tag, value) = element.split_first()?;
            rest = tail;
            let refusal = match tag {
                14 => Some(Cause::Routing),
                tag if allowed(self.kind).contains(&tag) => read_tag(tags, tag, value)?,
                _ => Some(Cause::Other),
            };
            tags.refusal = tags.refusal.or(refusal);
        }
        Some(())
    }
}

/// Reads one tag; `None` where its value has another length. Says why an order with it is refused.
fn read_tag(tags: &mut Tags, tag: u8, value: &[u8]) -> Option<Option<Cause>> {
    let byte = || <[u8; 1]>::try_from(value).ok().map(|[b]| b);
    let four = || <[u8; 4]>::try_from(value).ok();
    let number = || four().map(u32::from_be_bytes);
    match tag {
        2 => tags.firm = Some(four()?),
        3 => tags.min_quantity = Some(number()?),
        4 => tags.customer = Some(byte()?),
        5 => tags.max_floor = Some(number()?),
        6 => {
            let kind = byte()?;
            tags.price_type = Some(kind);
            match kind {
                b'L' => {}
                // Market, primary and midpoint pegs of all kinds.
                b'P' | b'R' | b'M' | b'Q' | b'm' => return Some(Some(Cause::Pegging)),
                _ => return Some(Some(Cause::PegType)),
            }
        }
        7 | 11 => return four().map(|_| Some(Cause::Pegging)),
        9 => return <[u8; 8]>::try_from(value).ok().map(|_| Some(Cause::Pegging)),
        10 => return byte().map(|_| Some(Cause::Pegging)),
        12 => tags.post_only = Some(byte()?),
        13 => tags.random_reserve = Some(number()?),
        15 => tags.expire_s = Some(number()?),
        16 => tags.trade_now = Some(byte()?),
        17 => tags.handling = Some(byte()?),
        24 => tags.group = Some(u16::from_be_bytes(value.try_into().ok()?)),
        25 => tags.located = Some(byte()?),
        26 => tags.locate_broker = Some(four()?),
        27 => tags.side = Some(byte()?),
        28 => tags.idx = byte()?,
        29 => tags.self_match = Some(byte()?),
        30 => tags.self_match_group = Some(value.try_into().ok()?),
        _ => return Some(Some(Cause::Other)),
    }
    Some(None)
}

/// Reads a client's message; `None` for an unknown type or one shorter than its layout.
#[must_use]
pub fn parse(message: &[u8]) -> Option<Request> {
    let (&kind, rest) = message.split_first()?;
    let mut f = Fields { kind, rest };
    Some(match kind {
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

    fn with(kind: u8, tags: &[u8]) -> Tags {
        let mut m = match kind {
            b'O' => real_enter()[..45].to_vec(),
            b'U' => [&b"U"[..], &[0; 37]].concat(),
            b'X' => [&b"X"[..], &[0; 8]].concat(),
            b'M' => [&b"M"[..], &[0; 9]].concat(),
            b'C' => [&b"C"[..], &[0; 16]].concat(),
            b'D' | b'E' => [&[kind][..], &[0; 8]].concat(),
            _ => vec![kind],
        };
        m.extend_from_slice(&(tags.len() as u16).to_be_bytes());
        m.extend_from_slice(tags);
        match parse(&m).unwrap() {
            Request::Enter(e) => e.tags,
            Request::Replace(r) => r.tags,
            Request::Cancel { tags, .. }
            | Request::Modify { tags, .. }
            | Request::MassCancel { tags, .. }
            | Request::Disable { tags, .. }
            | Request::Enable { tags, .. }
            | Request::Query { tags } => tags,
            Request::TradeNow { .. } => panic!("there is none"),
        }
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
            assert_eq!(e.tags.refusal, Some(Cause::Other), "{n}");
        }
    }

    /// The length is optional in some layouts and left out of others all the same: each message is read without.
    #[test]
    fn every_message_is_read_without_the_length_and_with_a_length_of_0() {
        for (kind, length) in
            [(b'O', 45), (b'U', 38), (b'X', 9), (b'M', 10), (b'C', 17), (b'D', 9), (b'E', 9), (b'Q', 1)]
        {
            let m = [&[kind][..], &vec![b' '; length - 1]].concat();
            let read = parse(&m).unwrap();
            assert_eq!(read.letter(), kind);
            assert_eq!(parse(&[&m[..], b"\0\0"].concat()), Some(read), "{}", kind as char);
            assert_eq!(parse(&m[..length - 1]), None, "{}", kind as char);
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
            assert_eq!(tags.refusal, Some(Cause::Other));
        }
        assert!(matches!(parse(b"Q"), Some(Request::Query { .. })));
        assert_eq!(parse(b"Z"), None);
        assert_eq!(parse(b""), None);
    }

    /// Every tag in every message: taken where the document lists it, with a value of its length and of no other.
    #[test]
    fn every_message_takes_its_own_tags_and_no_other() {
        let lengths: [(u8, usize); 26] = [
            (1, 8),
            (2, 4),
            (3, 4),
            (4, 1),
            (5, 4),
            (6, 1),
            (7, 4),
            (9, 8),
            (10, 1),
            (11, 4),
            (12, 1),
            (13, 4),
            (14, 4),
            (15, 4),
            (16, 1),
            (17, 1),
            (18, 1),
            (22, 4),
            (23, 8),
            (24, 2),
            (25, 1),
            (26, 4),
            (27, 1),
            (28, 1),
            (29, 1),
            (30, 2),
        ];
        for kind in *b"OUXMCDEQ" {
            for (tag, length) in lengths {
                let value = vec![b'L'; length];
                let element = [&[length as u8 + 1, tag][..], &value].concat();
                let tags = with(kind, &element);
                let is_pegging = matches!(tag, 7 | 9 | 10 | 11);
                let want = match tag {
                    14 => Some(Cause::Routing),
                    _ if !allowed(kind).contains(&tag) => Some(Cause::Other),
                    _ => is_pegging.then_some(Cause::Pegging),
                };
                assert_eq!(tags.refusal, want, "{} tag {tag}", kind as char);
                if want.is_none() {
                    assert_ne!(tags, Tags::default(), "{} tag {tag} is read", kind as char);
                    let longer = [&[length as u8 + 2, tag][..], &value, b"L"].concat();
                    assert_eq!(with(kind, &longer).refusal, Some(Cause::Other), "tag {tag} is too long");
                }
            }
        }
        assert_eq!(with(b'O', b"\x02\x06P").refusal, Some(Cause::Pegging));
        assert_eq!(with(b'O', b"\x02\x06?").refusal, Some(Cause::PegType));
    }
}
