//! The 14 characters by which an order is known: `COLO0000004711` is token 4711 under the tag `COLO`.

use model::Token;

use crate::order::{ClOrdId, tagged};

/// Characters of a name.
pub const LEN: usize = 14;

/// Whose orders are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag([u8; 4]);

impl Tag {
    /// The configured tag, or `0000`: then a name is the token in fourteen digits.
    #[must_use]
    pub fn new(text: ClOrdId) -> Tag {
        match text {
            ClOrdId::Blank => Tag(*b"0000"),
            ClOrdId::Tagged(tag) => Tag(tag),
        }
    }

    /// The name of an order.
    #[inline]
    #[must_use]
    pub fn name(self, token: Token) -> [u8; LEN] {
        tagged(self.0, token)
    }

    /// The token of one of our orders; `None` for any other name.
    #[inline]
    #[must_use]
    pub fn token(self, name: [u8; LEN]) -> Option<Token> {
        name.starts_with(&self.0).then(|| digits(&name)).flatten()
    }
}

/// The token in a name's last ten characters, whosever it is; `None` for what we would not have written.
#[must_use]
pub fn digits(name: &[u8; LEN]) -> Option<Token> {
    let mut n = 0u64;
    for b in &name[4..] {
        if !b.is_ascii_digit() {
            return None;
        }
        n = 10 * n + u64::from(b - b'0');
    }
    u32::try_from(n).ok().filter(|n| *n != 0).map(Token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_come_back_and_no_other() {
        let (ours, plain) = (Tag::new(ClOrdId::Tagged(*b"MM01")), Tag::new(ClOrdId::Blank));
        for token in [1, 9, 10, 4_711, 99_999_999, 100_000_000, u32::MAX] {
            let token = Token(token);
            for tag in [ours, plain] {
                assert_eq!(tag.token(tag.name(token)), Some(token));
            }
            assert_eq!(ours.token(plain.name(token)), None);
        }
        assert_eq!(&ours.name(Token(4_711)), b"MM010000004711");
        assert_eq!(&plain.name(Token(4_711)), b"00000000004711");
        for other in [
            b"MM020000004711",
            b"MM01000000471 ",
            b"MM01 000004711",
            b"MM010000000000",
            b"MM014294967296",
            b"MM019999999999",
            b"MM01-000004711",
            b"              ",
            b"MM01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(ours.token(*other), None, "{other:?}");
        }
    }
}
