//! ClOrdID and token, one from the other without a table.
//!
//! ```text
//!   PREFIX 0000001234          an order, or the replace that gave it this token
//!   PREFIX 0000001234 X 57     a request about it that takes no token of its own: its purpose, and the number of the message that carries it
//! ```
//!
//! The prefix tells our orders from others' on the account. A message's number is unique in a session, and a token in a day: so is every name.

use model::Token;

use super::super::compose::decimal;
use super::super::value;

/// What a request is for, where it has no token of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A cancel of the whole.
    Cancel,
    /// A cancel of a part, said as a replace.
    Reduce,
    /// The question whose answer ends a replay.
    Status,
}

/// What a ClOrdID of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The order.
    pub token: Token,
    /// Purpose and message number of a request about it.
    pub request: Option<(Purpose, u64)>,
}

impl Name {
    /// The order of a session that names its orders by numbers alone, as an OUCH 5.0 port does.
    pub(in crate::fix) fn plain(text: &[u8]) -> Option<Name> {
        let token = u32::try_from(value::uint(text)?).ok().filter(|n| *n > 0)?;
        Some(Name { token: Token(token), request: None })
    }
}

/// Prefix, token, letter, number.
const NAME_MAX: usize = 8 + 10 + 1 + 20;

/// The names of one session.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: [u8; 8],
    length: usize,
}

impl Names {
    /// With a prefix of 1 to 8 letters or digits; `None` for another.
    #[must_use]
    pub fn new(prefix: &str) -> Option<Names> {
        let text = prefix.as_bytes();
        if !(1..=8).contains(&text.len()) || !text.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let mut out = Names { prefix: [0; 8], length: text.len() };
        out.prefix[..text.len()].copy_from_slice(text);
        Some(out)
    }

    /// The ClOrdID.
    #[must_use]
    pub fn text(&self, name: Name) -> NameText {
        let mut out = NameText { bytes: [0; NAME_MAX], length: 0 };
        let mut digits = [0; 20];
        out.push(&self.prefix[..self.length]);
        // The 1 before the ten digits keeps their zeros.
        out.push(&decimal(10_000_000_000 + u64::from(name.token.0), &mut digits)[1..]);
        if let Some((purpose, seq)) = name.request {
            out.push(match purpose {
                Purpose::Cancel => b"X",
                Purpose::Reduce => b"R",
                Purpose::Status => b"S",
            });
            out.push(decimal(seq, &mut digits));
        }
        out
    }

    /// What a ClOrdID says; `None` where it is not ours.
    #[must_use]
    pub fn read(&self, text: &[u8]) -> Option<Name> {
        let (digits, rest) = text.strip_prefix(&self.prefix[..self.length])?.split_at_checked(10)?;
        let token = Token(u32::try_from(value::uint(digits)?).ok()?);
        let request = match rest.split_first() {
            None => None,
            Some((letter, number)) => {
                let purpose = match letter {
                    b'X' => Purpose::Cancel,
                    b'R' => Purpose::Reduce,
                    b'S' => Purpose::Status,
                    _ => return None,
                };
                Some((purpose, value::uint(number)?))
            }
        };
        Some(Name { token, request })
    }
}

/// A ClOrdID as text.
#[derive(Clone, Copy, Debug)]
pub struct NameText {
    bytes: [u8; NAME_MAX],
    length: usize,
}

impl NameText {
    fn push(&mut self, part: &[u8]) {
        self.bytes[self.length..self.length + part.len()].copy_from_slice(part);
        self.length += part.len();
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_were_written_and_others_are_not_ours() {
        let names = Names::new("CO1").unwrap();
        for request in
            [None, Some((Purpose::Cancel, 7)), Some((Purpose::Reduce, u64::MAX)), Some((Purpose::Status, 1))]
        {
            for token in [0, 1, 99_999_999, u32::MAX] {
                let name = Name { token: Token(token), request };
                assert_eq!(names.read(names.text(name).as_bytes()), Some(name));
            }
        }
        assert_eq!(
            names.text(Name { token: Token(42), request: Some((Purpose::Cancel, 9)) }).as_bytes(),
            b"CO10000000042X9"
        );
        for other in [
            "",
            "CO1",
            "CO2 0000000042",
            "CO10000000042Q1",
            "CO10000000042X",
            "CO19999999999",
            "CO100000000x2",
        ] {
            assert_eq!(names.read(other.as_bytes()), None, "{other}");
        }
        for bad in ["", "ninechars", "a b", "a\x01"] {
            assert!(Names::new(bad).is_none());
        }
    }
}
