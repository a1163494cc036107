//! A message under construction: numbers in network byte order, as ITCH and OUCH have them.

use model::{Px, Qty};

/// Grows field by field, in the order of the bytes.
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    /// One that begins with its letter.
    pub(super) fn new(kind: u8) -> Out {
        let mut bytes = Vec::with_capacity(80);
        bytes.push(kind);
        Out(bytes)
    }

    pub(super) fn bytes(mut self, b: &[u8]) -> Out {
        self.0.extend_from_slice(b);
        self
    }

    pub(super) fn u32(self, v: u32) -> Out {
        self.bytes(&v.to_be_bytes())
    }

    pub(super) fn u64(self, v: u64) -> Out {
        self.bytes(&v.to_be_bytes())
    }

    pub(super) fn qty(self, v: Qty) -> Out {
        self.u32(v.0)
    }

    /// A price of 32 bits. Prices reach this point validated: 0 <= px < 2^32 in 1e-4 USD.
    pub(super) fn px32(self, px: Px) -> Out {
        self.u32(u32::try_from(px.0).unwrap_or(u32::MAX))
    }

    /// A price of 64 bits. Prices reach this point validated, so that they are not negative.
    pub(super) fn px64(self, px: Px) -> Out {
        self.u64(px.0.unsigned_abs())
    }
}
