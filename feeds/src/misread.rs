//! Why bytes are not a message that is understood, of protocols whose fields but one take every value.

use model::Side;

use crate::protocol::Refusal;

/// Why bytes are not a message that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No type has this number: a newer feed, or another protocol. To be counted and skipped.
    #[error("unknown message type 0x{0:02x}")]
    Unknown(u8),
    /// Fewer bytes than the type has.
    #[error("message 0x{kind:02x} of {len} bytes is too short: it has {need}")]
    Short {
        /// The type's number.
        kind: u8,
        /// Bytes there are.
        len: usize,
        /// Bytes the type has.
        need: usize,
    },
    /// A side that is neither `B` nor `S`.
    #[error("message 0x{kind:02x}: the side cannot be 0x{value:02x}")]
    Side {
        /// The type's number.
        kind: u8,
        /// What stands there.
        value: u8,
    },
    /// Too short to have a type.
    #[error("empty message")]
    Empty,
}

impl DecodeError {
    /// What the core makes of it; `is_loss` says whether a book or a trading state hangs on a type.
    #[cold]
    pub(crate) fn refusal(self, is_loss: fn(u8) -> bool) -> Refusal {
        match self {
            DecodeError::Unknown(_) | DecodeError::Empty => Refusal::Unknown,
            DecodeError::Short { kind, .. } | DecodeError::Side { kind, .. } if is_loss(kind) => {
                Refusal::Lost
            }
            DecodeError::Short { .. } | DecodeError::Side { .. } => Refusal::Malformed,
        }
    }

    #[cold]
    pub(crate) const fn short(kind: u8, len: usize, need: usize) -> DecodeError {
        DecodeError::Short { kind, len, need }
    }

    #[cold]
    const fn side(kind: u8, value: u8) -> DecodeError {
        DecodeError::Side { kind, value }
    }
}

/// `B` or `S`.
#[inline(always)]
pub(crate) const fn side(kind: u8, letter: u8) -> Result<Side, DecodeError> {
    match letter {
        b'B' => Ok(Side::Buy),
        b'S' => Ok(Side::Sell),
        value => Err(DecodeError::side(kind, value)),
    }
}
