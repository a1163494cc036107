//! The appendage: optional elements behind a message's fixed part.
//!
//! ```text
//!   +----------------+--------+-----+---------------+--------+-----+---
//!   | u16 total size | length | tag | value         | length | tag | ...      length = 1 + size of the value
//!   +----------------+--------+-----+---------------+--------+-----+---
//! ```
//!
//! Some messages always have the total size, 0 included; others may end before it. So its presence is told by the bytes that remain. What
//! stands after the appendage, or a single byte that cannot be its size, is taken for a later revision's field and ignored, and so is an element
//! with a tag that is not in the table. An element of a known tag with a value of another size is no message that we understand.

use crate::codec::DecodeError;

/// A value that an element can have: big-endian numbers, and text.
trait Value: Sized {
    /// From exactly its bytes.
    fn read(value: &[u8]) -> Option<Self>;
    /// Appends its bytes.
    fn write(self, to: &mut Vec<u8>);
}

impl<const N: usize> Value for [u8; N] {
    fn read(value: &[u8]) -> Option<[u8; N]> {
        value.try_into().ok()
    }

    fn write(self, to: &mut Vec<u8>) {
        to.extend(self);
    }
}

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl Value for $number {
            fn read(value: &[u8]) -> Option<$number> {
                value.try_into().ok().map(<$number>::from_be_bytes)
            }

            fn write(self, to: &mut Vec<u8>) {
                to.extend(self.to_be_bytes());
            }
        }
    )* };
}
numbers! { u8, u16, u32, u64, i32 }

macro_rules! elements {
    ($($(#[$doc:meta])* $tag:literal $name:ident $value:ty,)*) => {
        /// An element. Letters are those of the specification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Element {
            $($(#[$doc])* $name($value),)*
        }

        impl Element {
            /// Its tag.
            #[must_use]
            pub const fn tag(self) -> u8 {
                match self {
                    $(Element::$name(_) => $tag,)*
                }
            }

            /// From a tag and its value; `None` for a tag that revision 1.05 does not have.
            ///
            /// # Errors
            /// [`DecodeError::Appendage`]: the value has not the size that the tag's has.
            #[inline]
            pub fn read(tag: u8, value: &[u8]) -> Result<Option<Element>, DecodeError> {
                Ok(Some(match tag {
                    $($tag => Element::$name(Value::read(value).ok_or(DecodeError::Appendage)?),)*
                    _ => return Ok(None),
                }))
            }

            /// Appends length, tag and value.
            fn write(self, to: &mut Vec<u8>) {
                let at = to.len();
                to.extend([0, self.tag()]);
                match self {
                    $(Element::$name(value) => value.write(to),)*
                }
                to[at] = (to.len() - at - 1) as u8;
            }
        }
    };
}

elements! {
    /// The venue's second number of an order.
    1 SecondaryOrderRef u64,
    /// Whose order it is.
    2 Firm [u8; 4],
    /// Least shares of a fill.
    3 MinQuantity u32,
    /// `R` retail, `N` not.
    4 CustomerType u8,
    /// Shares shown of a reserve order.
    5 MaxFloor u32,
    /// `L` limit, `P` market peg, `R` primary peg, `M` midpoint, ...
    6 PriceType u8,
    /// 1e-4 USD, either way.
    7 PegOffset i32,
    /// 1e-4 USD.
    9 DiscretionPrice u64,
    /// As [`Element::PriceType`].
    10 DiscretionPriceType u8,
    /// 1e-4 USD, either way.
    11 DiscretionPegOffset i32,
    /// `P` post-only, `N` not.
    12 PostOnly u8,
    /// Shares by which what is shown may differ.
    13 RandomReserves u32,
    /// Where it is routed to.
    14 Route [u8; 4],
    /// Seconds, for time in force 6.
    15 ExpireTime u32,
    /// `Y`, `N`, or blank for the port's default.
    16 TradeNow u8,
    /// Handling instruction.
    17 HandleInstruction u8,
    /// How much better than the market the order was.
    18 BboWeight u8,
    /// Shares shown.
    22 DisplayQuantity u32,
    /// Price shown, 1e-4 USD.
    23 DisplayPrice u64,
    /// For mass cancels of a group; 0 is none.
    24 GroupId u16,
    /// `Y` where shares are located for a short sale.
    25 SharesLocated u8,
    /// Where they are located.
    26 LocateBroker [u8; 4],
    /// Side, in a replace or a mass cancel.
    27 Side u8,
    /// An independent sequence of tokens ("channel"); 0 is that of messages without it.
    28 UserRefIdx u8,
    /// Which of two orders of ours goes that would trade with each other.
    29 AiqStrategy u8,
    /// Only orders of one such group are kept from trading with each other.
    30 AiqGroupId [u8; 2],
}

/// Tags that an Enter Order may have.
const IN_ENTER: &[u8] = &[2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 24, 25, 26, 28, 29, 30];

/// Most bytes of the options of a port's orders, so that an order is one packet of at most two cache lines.
pub const OPTIONS_MAX: usize = 72;

/// The elements that every order of a port carries, in the order of their tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(Vec<Element>);

impl Options {
    /// Adds an element. `false`, and nothing changed: an Enter Order cannot have it, has it already, or would be too long.
    #[must_use]
    pub fn add(&mut self, element: Element) -> bool {
        let fits = IN_ENTER.contains(&element.tag()) && self.0.iter().all(|e| e.tag() != element.tag());
        if fits {
            self.0.push(element);
            self.0.sort_by_key(|e| e.tag());
            if self.enter().len() > OPTIONS_MAX {
                self.0.retain(|e| *e != element);
                return false;
            }
        }
        fits
    }

    /// The channel that they name, 0 for none.
    #[must_use]
    pub fn channel(&self) -> u8 {
        self.0
            .iter()
            .find_map(|e| if let Element::UserRefIdx(idx) = e { Some(*idx) } else { None })
            .unwrap_or(0)
    }

    fn bytes(&self, which: impl Fn(&Element) -> bool) -> Box<[u8]> {
        let mut out = Vec::new();
        self.0.iter().filter(|e| which(e)).for_each(|e| e.write(&mut out));
        out.into_boxed_slice()
    }

    /// Elements of an Enter Order.
    pub(super) fn enter(&self) -> Box<[u8]> {
        self.bytes(|_| true)
    }

    /// Elements of a Replace Order: what it does not say it inherits, but for where shares are located, and the channel belongs to every request.
    pub(super) fn replace(&self) -> Box<[u8]> {
        self.bytes(|e| {
            matches!(e, Element::SharesLocated(_) | Element::LocateBroker(_) | Element::UserRefIdx(_))
        })
    }

    /// Elements of every other request.
    pub(super) fn others(&self) -> Box<[u8]> {
        self.bytes(|e| matches!(e, Element::UserRefIdx(_)))
    }
}

/// The elements of one appendage: `(tag, value)`, or one error and then nothing.
#[derive(Clone, Debug)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// From what follows the fixed part of a message whose appendage is `required` or not.
    ///
    /// # Errors
    /// [`DecodeError::Appendage`] where the size is missing although required, or larger than what remains.
    #[inline]
    pub fn new(after: &'a [u8], required: bool) -> Result<Elements<'a>, DecodeError> {
        match after.split_first_chunk::<2>() {
            Some((size, rest)) => {
                let size = usize::from(u16::from_be_bytes(*size));
                rest.get(..size).map(Elements).ok_or(DecodeError::Appendage)
            }
            None if required => Err(DecodeError::Appendage),
            None => Ok(Elements(&[])),
        }
    }

    /// The channel the message belongs to, 0 where it names none. Checks every element on the way.
    #[inline]
    pub(super) fn channel(self) -> Result<u8, DecodeError> {
        let mut channel = 0;
        for element in self {
            let (tag, value) = element?;
            if let Some(Element::UserRefIdx(idx)) = Element::read(tag, value)? {
                channel = idx;
            }
        }
        Ok(channel)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<(u8, &'a [u8]), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&length, rest) = self.0.split_first()?;
        let Some((element, rest)) = rest.split_at_checked(usize::from(length)) else {
            self.0 = &[];
            return Some(Err(DecodeError::Appendage));
        };
        self.0 = rest;
        match element.split_first() {
            Some((&tag, value)) => Some(Ok((tag, value))),
            None => {
                self.0 = &[];
                Some(Err(DecodeError::Appendage))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(after: &[u8], required: bool) -> Result<Vec<(u8, Vec<u8>)>, DecodeError> {
        Elements::new(after, required)?.map(|e| e.map(|(t, v)| (t, v.to_vec()))).collect()
    }

    #[test]
    fn elements_of_a_real_accepted_come_apart() {
        let got = all(b"\x00\x09\x05\x02MLRO\x02\x120", true).unwrap();
        assert_eq!(got, [(2, b"MLRO".to_vec()), (18, b"0".to_vec())]);
        assert_eq!(Elements::new(b"\0\x03\x02\x1c\x07", false).unwrap().channel(), Ok(7));
        assert_eq!(Elements::new(b"\0\0", false).unwrap().channel(), Ok(0));
    }

    #[test]
    fn the_size_is_optional_only_where_it_may_be() {
        assert_eq!(all(b"", false), Ok(vec![]));
        assert_eq!(all(b"\x01", false), Ok(vec![]), "one byte is no size");
        assert_eq!(all(b"", true), Err(DecodeError::Appendage));
        assert_eq!(all(b"\x01", true), Err(DecodeError::Appendage));
        assert_eq!(all(b"\0\0", true), Ok(vec![]));
        assert_eq!(all(b"\0\0later", true), Ok(vec![]), "bytes behind it are ignored");
    }

    #[test]
    fn elements_that_do_not_add_up_are_refused() {
        for bad in [
            &b"\x00\x04\x02\x1c\x07"[..],
            b"\x00\x03\x03\x1c\x07",
            b"\x00\x01\x00",
            b"\x00\x04\x02\x1c\x07\x00",
            b"\xff\xff\x02\x1c\x07",
        ] {
            assert_eq!(all(bad, false), Err(DecodeError::Appendage), "{bad:?}");
        }
        let wide = Elements::new(b"\0\x04\x03\x1c\0\x07", false).unwrap();
        assert_eq!(wide.channel(), Err(DecodeError::Appendage), "a channel is one byte");
    }

    #[test]
    fn every_tag_has_its_size_and_is_written_as_it_is_read() {
        let sizes = [
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
        for tag in 0..=u8::MAX {
            let size = sizes.iter().find(|(t, _)| *t == tag).map(|(_, size)| *size);
            for len in 0..10 {
                let value: Vec<u8> = (0..len).map(|n| 0xF0 + n as u8).collect();
                let got = Element::read(tag, &value);
                match size {
                    None => assert_eq!(got, Ok(None), "tag {tag}"),
                    Some(size) if size == len => {
                        let element = got.unwrap().unwrap();
                        let mut bytes = Vec::new();
                        element.write(&mut bytes);
                        assert_eq!(bytes, [&[len as u8 + 1, tag][..], &value].concat());
                        assert_eq!(element.tag(), tag);
                    }
                    Some(_) => assert_eq!(got, Err(DecodeError::Appendage), "tag {tag} with {len} bytes"),
                }
            }
        }
        assert_eq!(Element::read(7, &[0xFF; 4]), Ok(Some(Element::PegOffset(-1))), "offsets have a sign");
    }

    #[test]
    fn options_go_where_they_belong() {
        let mut o = Options::default();
        for e in [
            Element::UserRefIdx(7),
            Element::LocateBroker(*b"BRKR"),
            Element::SharesLocated(b'Y'),
            Element::MinQuantity(300),
        ] {
            assert!(o.add(e));
        }
        assert!(!o.add(Element::UserRefIdx(8)), "it is there");
        assert!(!o.add(Element::BboWeight(b'1')) && !o.add(Element::Side(b'B')), "not of an Enter");
        assert_eq!(o.channel(), 7);
        assert_eq!(&*o.enter(), b"\x05\x03\0\0\x01\x2c\x02\x19Y\x05\x1aBRKR\x02\x1c\x07");
        assert_eq!(&*o.replace(), b"\x02\x19Y\x05\x1aBRKR\x02\x1c\x07");
        assert_eq!(&*o.others(), b"\x02\x1c\x07");
        let long = [
            Element::Firm([b'F'; 4]),
            Element::CustomerType(b'N'),
            Element::MaxFloor(1),
            Element::PriceType(b'L'),
            Element::PegOffset(1),
            Element::DiscretionPrice(1),
            Element::DiscretionPriceType(b'L'),
            Element::DiscretionPegOffset(1),
            Element::RandomReserves(1),
            Element::ExpireTime(1),
        ];
        assert!(!long.into_iter().all(|e| o.add(e)), "there is an end to what an order carries");
        assert!(o.enter().len() <= OPTIONS_MAX);
    }
}
