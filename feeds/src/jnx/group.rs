//! The markets inside the market: each order book belongs to a group, and the same security may have one in each.

use model::Symbol;

/// A group of order books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// `DAY`: the daytime market.
    Day,
    /// `DAYX`: the X market.
    X,
    /// `DAYU`: the U market.
    U,
    /// `NGHT`: the night-time market.
    Night,
}

impl Group {
    const ALL: [Group; 4] = [Group::Day, Group::X, Group::U, Group::Night];

    const fn wire(self) -> [u8; 4] {
        match self {
            Group::Day => *b"DAY ",
            Group::X => *b"DAYX",
            Group::U => *b"DAYU",
            Group::Night => *b"NGHT",
        }
    }

    const fn suffix(self) -> &'static [u8] {
        match self {
            Group::Day => b"",
            Group::X => b".X",
            Group::U => b".U",
            Group::Night => b".N",
        }
    }

    /// As the wire writes it; `None` of one that is not known.
    #[must_use]
    pub fn of_wire(letters: [u8; 4]) -> Option<Group> {
        Group::ALL.into_iter().find(|g| g.wire() == letters)
    }

    /// Of a configured ticker, by its suffix.
    #[must_use]
    pub fn of_ticker(ticker: Symbol) -> Group {
        let text = ticker.0.trim_ascii_end();
        let named = Group::ALL.into_iter().filter(|g| !g.suffix().is_empty());
        named.into_iter().find(|g| text.ends_with(g.suffix())).unwrap_or(Group::Day)
    }

    /// The ticker of a security's order book in this group: its code, and behind it `.X`, `.U` or `.N`. `None` where eight characters do not hold that.
    #[must_use]
    pub fn ticker(self, code: [u8; 12]) -> Option<Symbol> {
        let (code, suffix) = (code.trim_ascii_end(), self.suffix());
        let mut ticker = *b"        ";
        ticker.get_mut(..code.len())?.copy_from_slice(code);
        ticker.get_mut(code.len()..)?.get_mut(..suffix.len())?.copy_from_slice(suffix);
        Some(Symbol(ticker)).filter(|_| !code.is_empty())
    }
}

/// A set of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups(u8);

impl Groups {
    /// Which groups a system event is of: blanks are all of them.
    pub(super) fn of_wire(letters: [u8; 4]) -> Groups {
        match Group::of_wire(letters) {
            Some(group) => Groups::default().with(group),
            None if letters == *b"    " => Groups(0xF),
            None => Groups::default(),
        }
    }

    pub(super) const fn with(self, group: Group) -> Groups {
        Groups(self.0 | 1 << group as u8)
    }

    pub(super) const fn and(self, other: Groups) -> Groups {
        Groups(self.0 | other.0)
    }

    pub(super) const fn common(self, other: Groups) -> Groups {
        Groups(self.0 & other.0)
    }

    pub(super) const fn without(self, other: Groups) -> Groups {
        Groups(self.0 & !other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticker_tells_the_group_and_back() {
        for (code, group, ticker) in [
            (b"9656        ", Group::Day, Some("9656")),
            (b"130A        ", Group::X, Some("130A.X")),
            (b"25935       ", Group::U, Some("25935.U")),
            (b"9656        ", Group::Night, Some("9656.N")),
            (b"12345678    ", Group::Day, Some("12345678")),
            (b"1234567     ", Group::X, None),
            (b"123456789   ", Group::Day, None),
            (b"            ", Group::X, None),
        ] {
            let ticker = ticker.map(|t| Symbol::new(t).unwrap());
            assert_eq!(group.ticker(*code), ticker);
            assert_eq!(ticker.map_or(group, Group::of_ticker), group);
            assert_eq!(Group::of_wire(group.wire()), Some(group));
        }
        assert_eq!(Group::of_wire(*b"DAYZ"), None);
    }
}
