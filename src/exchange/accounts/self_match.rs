//! What happens to two orders of one account that would trade with each other.

use model::{Px, Qty};

/// What happens to two orders of one account that would trade with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelfMatch {
    /// They trade.
    #[default]
    Allow,
    /// The one at rest is canceled.
    Oldest,
    /// The one that comes is canceled.
    Newest,
    /// Both are.
    Both,
    /// Each loses the shares that would have traded.
    Decrement,
}

impl SelfMatch {
    /// What a request's tag 29 asks for.
    #[must_use]
    pub const fn of_letter(letter: u8) -> Option<SelfMatch> {
        match letter {
            b'O' => Some(SelfMatch::Oldest),
            b'N' => Some(SelfMatch::Newest),
            b'B' => Some(SelfMatch::Both),
            b'D' => Some(SelfMatch::Decrement),
            _ => None,
        }
    }

    /// The letter of it.
    #[must_use]
    pub const fn letter(self) -> u8 {
        match self {
            SelfMatch::Allow => b' ',
            SelfMatch::Oldest => b'O',
            SelfMatch::Newest => b'N',
            SelfMatch::Both => b'B',
            SelfMatch::Decrement => b'D',
        }
    }
}

/// What self-match prevention does to one of two orders.
#[derive(Clone, Copy, Debug)]
pub struct Prevented {
    /// Shares that it loses, at most what is open.
    pub decrement: Qty,
    /// Shares that would have traded.
    pub shares: Qty,
    /// At which price.
    pub px: Px,
    /// `A` for the one at rest, `R` for the one that came.
    pub liquidity: u8,
    /// Why it and not the other.
    pub strategy: SelfMatch,
}
