//! Names of things: small integers inside, the venue's own words at the edges.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an index.
            #[inline]
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// An instrument: its place in the configuration, from 0. (A feed's own number for it, the ITCH locate, is
    /// mapped to this at the feed; in offline tools over a whole file it *is* the locate.)
    InstrumentId(u16)
}
id! {
    /// A feed: its place in the configuration, from 0.
    FeedId(u8)
}
id! {
    /// A gateway: its place in the configuration, from 0.
    GatewayId(u8)
}
id! {
    /// Our number for an order, as the venue sees it (OUCH 5.0 `UserRefNum`). Strictly increasing over the life of an
    /// account's day, restarts included; a replace takes a new one. 0 is no token.
    Token(u32)
}

/// The venue's number for an order resting in its book (ITCH order reference number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct VenueRef(pub u64);

/// A ticker of at most eight ASCII characters, left-justified and padded with spaces as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Symbol(pub [u8; 8]);

impl Symbol {
    /// No symbol.
    pub const BLANK: Symbol = Symbol(*b"        ");

    /// From text of 1 to 8 printable ASCII characters without spaces; `None` otherwise.
    #[must_use]
    pub fn new(s: &str) -> Option<Symbol> {
        let b = s.as_bytes();
        if b.is_empty() || b.len() > 8 || !b.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut out = *b"        ";
        out[..b.len()].copy_from_slice(b);
        Some(Symbol(out))
    }

    /// The text without its padding; bytes that are not printable ASCII come out as `?`.
    pub fn chars(&self) -> impl Iterator<Item = char> + '_ {
        let len = self.0.iter().rposition(|b| !matches!(b, b' ' | 0)).map_or(0, |p| p + 1);
        self.0[..len].iter().map(|b| if b.is_ascii_graphic() { *b as char } else { '?' })
    }
}

impl Default for Symbol {
    fn default() -> Self {
        Symbol::BLANK
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 8];
        let mut n = 0;
        for c in self.chars() {
            text[n] = c as u8;
            n += 1;
        }
        f.pad(core::str::from_utf8(&text[..n]).unwrap_or("?"))
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_pad_and_trim() {
        let s = Symbol::new("AAPL").unwrap();
        assert_eq!(&s.0, b"AAPL    ");
        assert_eq!(s.to_string(), "AAPL");
        assert_eq!(format!("{s:>6}"), "  AAPL");
        assert_eq!(Symbol::BLANK.to_string(), "");
        assert_eq!(Symbol(*b"A\x01B\0\0\0\0\0").to_string(), "A?B");
        for bad in ["", "NINELONGX", "A B", "é"] {
            assert_eq!(Symbol::new(bad), None);
        }
    }
}
