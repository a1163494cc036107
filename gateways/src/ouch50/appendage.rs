//! The appendage: optional elements behind a message's fixed part.
//!
//! ```text
//!   +----------------+--------+-----+---------------+--------+-----+---
//!   | u16 total size | length | tag | value         | length | tag | ...      length = 1 + size of the value
//!   +----------------+--------+-----+---------------+--------+-----+---
//! ```
//!
//! Some messages always have the total size, 0 included; others may end before it. So its presence is told by the bytes that remain. What
//! stands after the appendage, or a single byte that cannot be its size, is taken for a later revision's field and ignored.

use crate::codec::DecodeError;

/// The tags that this crate reads or writes.
pub mod tag {
    /// Firm, 4 characters.
    pub const FIRM: u8 = 2;
    /// UserRefIdx, 1 byte: an independent sequence of tokens ("channel").
    pub const USER_REF_IDX: u8 = 28;
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
            if let (tag::USER_REF_IDX, value) = element? {
                let [idx] = value else { return Err(DecodeError::Appendage) };
                channel = *idx;
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
}
